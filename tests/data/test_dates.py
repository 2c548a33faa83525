"""Which of a tile's images over time a network takes together."""

from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.adapter import Shot, TileEntry
from rsviewer.data.dates import images_over_time

IMAGE = LayerId("image")


def entry(*months: str, shot: int = 0, good: dict[str, bool] | None = None) -> TileEntry:
    shots = tuple(Shot(month, month, "sensor", (good or {}).get(month)) for month in months)
    return TileEntry(TileId("t"), {IMAGE: f"/d/{months[shot]}/t.png"}, shots=shots, shot=shot)


def taken(of: TileEntry, most: int) -> list[str]:
    return [date.files[IMAGE].split("/")[2] for date in images_over_time(of, [IMAGE], most)]


def test_the_nearest_images_are_taken_ascending_in_time() -> None:
    tile = entry("2019-01", "2020-06", "2021-01", "2021-05", "2022-12", shot=2)
    assert taken(tile, 3) == ["2020-06", "2021-01", "2021-05"]
    assert taken(tile, 8) == ["2019-01", "2020-06", "2021-01", "2021-05", "2022-12"]
    assert tile in images_over_time(tile, [IMAGE], 3)


def test_one_image_is_enough() -> None:
    alone = TileEntry(TileId("t"), {IMAGE: "/d/t.png"})
    assert images_over_time(alone, [IMAGE], 8) == (alone,)
    assert taken(entry("2019-01", "2020-06"), 1) == ["2019-01"]


def test_bad_images_those_of_other_sensors_and_those_without_a_time_are_left_out() -> None:
    assert taken(entry("2019-01", "2019-02", "2019-03", good={"2019-02": False}), 8) == ["2019-01", "2019-03"]
    shots = (Shot("a", "2019-01", "one"), Shot("b", "2019-02", "other"), Shot("c", "", "one"))
    assert taken(TileEntry(TileId("t"), {IMAGE: "/d/a/t.png"}, shots=shots), 8) == ["a"]


def test_an_image_without_a_layer_is_left_out() -> None:
    tile = entry("2019-01", "2019-02")
    assert images_over_time(tile, [IMAGE, LayerId("infrared")], 8) == (tile,)

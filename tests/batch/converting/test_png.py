"""Images become pictures, whatever they hold, and the pictures open where they belong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsviewer.batch.converting.png import (
    CLIPPED,
    FLAT,
    PATCHY,
    TRANSPARENT,
    PngOrder,
    check_order,
    convert_pngs,
    preview_pngs,
)
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here
from rsviewer.core.eightbit import Stretch, Stretching
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_content
from rsviewer.data.detect import open_dataset
from rsviewer.data.pamfile import beside
from rsviewer.data.raster import read_tags

Write = Callable[..., None]

REFLECTANCE = np.array([[[0.0, 0.1, 0.2]], [[0.2, 0.46, 0.6]], [[1.0, 1.0, 1.0]]], np.float32)


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Images 1, "v1.5 final" with a hole, all void 7 (there is no 3 to 6), 8 cut short; heights of all."""
    root = tmp_path / "data"
    holed = REFLECTANCE.copy()
    holed[:, 0, 1] = np.nan
    images = {"1": REFLECTANCE, "v1.5 final": holed, "7": REFLECTANCE * np.nan, "8": REFLECTANCE}
    for name, image in images.items():
        write(root / "opt" / f"{name}.tif", image)
        write(root / "gt_nDSM" / f"{name}.tif", np.ones((1, 3), np.float32))
    broken = root / "opt" / "8.tif"
    broken.write_bytes(broken.read_bytes()[:150])
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


@pytest.fixture
def entries(root: Path) -> list[TileEntry]:
    return entries_of(root)


@pytest.fixture
def order(tmp_path: Path) -> PngOrder:
    return PngOrder(tmp_path / "out")


def entries_of(root: Path) -> list[TileEntry]:
    dataset, adapter = open_dataset(root)
    return list(adapter.scan(dataset))


def convert(dataset: Dataset, entries: list[TileEntry], order: PngOrder, **options: Any) -> Conversion:
    return convert_pngs(dataset, entries, order, crew=Here(), **options)


def pixels_of(path: Path) -> tuple[str, list[Any]]:
    with Image.open(path) as picture:
        return picture.mode, np.asarray(picture).tolist()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_picture_has_the_pixels_that_were_worked_out_by_hand(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder
) -> None:
    done = convert(dataset, entries[:1], order)

    assert (done.written, done.failed) == (1, ())
    assert [remark.message for remark in done.remarks] == [FLAT]
    assert pixels_of(order.out / "1.png") == ("RGB", [[[0, 0, 128], [128, 166, 128], [255, 255, 128]]])


def test_what_has_no_value_is_transparent_and_counts_for_nothing(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder
) -> None:
    done = convert(dataset, entries, order)

    assert pixels_of(order.out / "v1.5 final.png") == (
        "RGBA",
        [[[0, 0, 128, 255], [0, 0, 0, 0], [255, 255, 128, 255]]],
    )
    said = {failure.tile: failure.message for failure in done.failed}
    assert said.pop(TileId("7")) == "image has no valid pixel on this tile."
    assert said.pop(TileId("8")).startswith("image: ")
    assert not said, "a gap in the numbers is no fault"
    assert [(remark.message, remark.first) for remark in done.remarks] == [(FLAT, "1"), (TRANSPARENT, "v1.5 final")]


def test_the_results_open_with_their_place_on_the_map(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder
) -> None:
    convert(dataset, entries, order)

    made, adapter = open_dataset(order.out)
    found = {entry.id: entry for entry in adapter.scan(made)}
    assert sorted(found) == ["1", "v1.5 final"]
    layer = made.layers[0]
    read = read_content(found[TileId("v1.5 final")].files[layer.id], layer)
    assert isinstance(read, Raster)
    assert (read.bands, read.crs, read.gsd) == (3, "EPSG:32632", 0.5)
    assert read.transform == (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_700_000.0)
    assert read.valid[:, 0].tolist() == [[True, False, True]] * 3


def test_the_file_says_how_it_was_made(dataset: Dataset, entries: list[TileEntry], order: PngOrder) -> None:
    stretching = Stretching(Stretch.PERCENT, (0.3, 99.7), gamma=1.5)

    convert(dataset, entries[:1], replace(order, stretching=stretching, bands=(2,)))

    tags = read_tags(order.out / "1.png")
    assert isinstance(tags, dict)
    assert tags["RSVIEWER_TILE"] == "1"
    assert tags["RSVIEWER_STRETCH"] == "percent 0.3 99.7"
    assert (tags["RSVIEWER_BANDS"], tags["RSVIEWER_GAMMA"], tags["RSVIEWER_GSD"]) == ("2", "1.5", "0.5")
    low = 0.2 * (1 - 0.006) + 0.46 * 0.006
    assert float(tags["RSVIEWER_LOW"]) == pytest.approx(low, rel=1e-6)


def test_without_georeference_nothing_lies_beside_the_pictures(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder
) -> None:
    convert(dataset, entries[:1], order)
    assert beside(order.out / "1.png").exists()

    alone = replace(order, georeference=False, overwrite=True)
    convert(dataset, entries[:1], alone)

    assert not beside(order.out / "1.png").exists(), "it would belong to another picture"
    assert [path.name for path in preview_pngs(dataset, entries, alone).examples] == ["1.png", "7.png", "8.png"]


def test_bands_are_counted_from_one(dataset: Dataset, entries: list[TileEntry], order: PngOrder) -> None:
    fixed = Stretching(Stretch.FIXED, ends=(0.0, 1.0))

    convert(dataset, entries[:1], replace(order, bands=(3, 2, 1), stretching=fixed))
    assert pixels_of(order.out / "1.png") == ("RGB", [[[255, 51, 0], [255, 117, 26], [255, 153, 51]]])

    grey = replace(order, bands=(1,), stretching=fixed, overwrite=True)
    convert(dataset, entries[:2], grey)
    assert pixels_of(order.out / "1.png") == ("L", [[0, 26, 51]])
    lacking = convert(dataset, entries[:1], replace(grey, bands=(4, 3, 2)))
    assert lacking.failed[0].message == "image has bands 1, 2, 3: there is no band 4."


def test_a_single_band_with_a_hole_is_grey_with_alpha(root: Path, write: Write, order: PngOrder) -> None:
    write(root / "opt" / "1.tif", np.array([[-9999, 0, 100]], np.int16), nodata=-9999)
    dataset = open_dataset(root)[0]

    done = convert(dataset, entries_of(root)[:1], order)

    assert pixels_of(order.out / "1.png") == ("LA", [[[0, 0], [0, 255], [255, 255]]])
    assert TRANSPARENT in [remark.message for remark in done.remarks]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int32, np.float64, np.complex64])
@pytest.mark.parametrize(("bands", "side"), [(1, 1), (2, 3), (4, 2), (13, 5)])
def test_any_file_becomes_a_picture(
    root: Path, write: Write, order: PngOrder, kind: type, bands: int, side: int
) -> None:
    values = np.arange(bands * side * side).reshape(bands, side, side).astype(kind)
    write(root / "opt" / "1.tif", values)
    dataset = open_dataset(root)[0]

    for stretch in Stretch:
        done = convert(
            dataset,
            entries_of(root)[:1],
            replace(order, stretching=Stretching(stretch, ends=(1.0, 9.0)), overwrite=True),
        )

        assert done.failed == ()
        mode, _ = pixels_of(order.out / "1.png")
        assert mode == ("RGB" if bands > 2 else "L")


def test_what_a_careful_person_would_want_to_know_is_said(root: Path, write: Write, order: PngOrder) -> None:
    patchy = REFLECTANCE.copy() * 300
    patchy[0, 0, 0] = np.nan
    write(root / "opt" / "1.tif", patchy)
    dataset = open_dataset(root)[0]

    done = convert(dataset, entries_of(root)[:1], replace(order, stretching=Stretching(Stretch.NONE)))

    assert [remark.message for remark in done.remarks] == [PATCHY, CLIPPED]


def test_stopped_and_called_again_the_files_are_those_of_one_run(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder, tmp_path: Path
) -> None:
    many = [replace(entries[-(number % 2)], id=TileId(f"town {number % 3}/{number}")) for number in range(12)]

    def stop_after_five(done: int, total: int | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(dataset, many, order, progress=stop_after_five)
    again = convert(dataset, many, order)
    whole = replace(order, out=tmp_path / "at once")
    convert(dataset, many, whole)

    assert (again.written, again.skipped) == (7, 5)
    assert contents(order.out) == contents(whole.out)
    with pytest.raises(SaveError, match="another stretch"):
        convert(dataset, many, replace(order, stretching=Stretching(Stretch.IMAGE)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": LayerId("ndsm")}, "no image layer 'ndsm': choose image"),
        ({"bands": (1, 2)}, "three bands or of one, not of 2"),
        ({"bands": (0,)}, "first band of a file is 1"),
        ({"stretching": Stretching(Stretch.FIXED, ends=(2.0, 1.0))}, "lower number first"),
        ({"stretching": Stretching(percents=(50.0, 50.0))}, "like 1 99"),
    ],
)
def test_an_order_that_no_tile_can_meet_is_refused_at_once(
    dataset: Dataset, order: PngOrder, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(dataset, replace(order, **change))


def test_of_two_dates_the_later_one_is_the_image_and_no_image_is_a_sentence(
    root: Path, write: Write, order: PngOrder, tmp_path: Path
) -> None:
    write(root / "pre_opt" / "1.tif", REFLECTANCE[::-1])
    convert(open_dataset(root)[0], entries_of(root)[:1], order)
    tags = read_tags(order.out / "1.png")
    assert isinstance(tags, dict)
    assert tags["RSVIEWER_LAYER"] == "image"

    write(tmp_path / "flat" / "gt_nDSM" / "1.tif", np.zeros((2, 2), np.float32))
    write(tmp_path / "flat" / "gt_ss_mask" / "1.tif", np.zeros((2, 2), np.uint8))
    with pytest.raises(LayerError, match="no image layer"):
        check_order(open_dataset(tmp_path / "flat")[0], order)


@pytest.mark.real
def test_real_tiles_open_as_they_lay(shared_data: Path, order: PngOrder) -> None:
    dataset, adapter = open_dataset(shared_data / "real" / "rs3dbench")
    entries = list(adapter.scan(dataset))

    done = convert(dataset, entries, order)

    made, made_adapter = open_dataset(order.out)
    found = {entry.id: entry for entry in made_adapter.scan(made)}
    assert (done.failed, sorted(found)) == ((), sorted(entry.id for entry in entries))
    for entry in entries:
        one = read_content(entry.files[LayerId("image_tif")], dataset.layer(LayerId("image_tif")))
        other = read_content(found[entry.id].files[made.layers[0].id], made.layers[0])
        assert isinstance(one, Raster)
        assert isinstance(other, Raster)
        assert (one.transform, one.gsd) == (other.transform, other.gsd)
        assert found[entry.id].group == entry.group


def test_tiles_with_groups_and_without_open_as_far_as_they_were_written(
    dataset: Dataset, entries: list[TileEntry], order: PngOrder
) -> None:
    in_a_group = replace(entries[1], id=TileId("town/7"))
    convert(dataset, [entries[0], in_a_group], order)
    assert [entry.id for entry in entries_of(order.out)] == ["1"], "the other one is void"

    other = replace(order, out=order.out.with_name("other"))
    convert(dataset, [entries[0], replace(entries[0], id=TileId("town/1"))], other)
    assert not (other.out / "rsviewer-dataset.toml").exists()


def test_a_description_of_somebody_else_stays(dataset: Dataset, entries: list[TileEntry], order: PngOrder) -> None:
    order.out.mkdir()
    mine = order.out / "rsviewer-dataset.toml"
    mine.write_text("# mine")

    assert convert(dataset, entries[:1], order).written == 1
    assert mine.read_text() == "# mine"

"""The built-in dataset: seamless, reproducible, true to itself, and as wrong as its answer key says."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioIOError

from rsviewer.core.errors import RsviewerError
from rsviewer.data.demo import write_demo
from rsviewer.data.demo.canvas import BUILDING, CROPS, DEVELOPED, RANGE, ROAD, TREE, WATER
from rsviewer.data.demo.defects import Defect, kinds_for
from rsviewer.data.demo.noise import Window, smooth, smooth_at
from rsviewer.data.demo.scene import World
from rsviewer.data.demo.terrain import Terrain
from rsviewer.data.demo.write import tile_name, tile_window

SIZE, TILES = 128, 45
"""The smallest dataset in which every kind of defect has a place."""

FOLDERS = ("opt", "pre_opt", "gt_nDSM", "gt_ss_mask", "gt_cd_mask", "DEM")


def pixels(root: Path, layer: str, tile: str) -> np.ndarray:
    with rasterio.open(root / layer / f"{tile}.tif") as file:
        bands = file.read()
    return bands if bands.shape[0] > 1 else bands[0]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "spoilt", tiles=TILES, size=SIZE).root


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "clean", tiles=TILES, size=SIZE, defects=False).root


@pytest.fixture(scope="module")
def answers(spoilt) -> dict[str, dict]:
    return {entry["defect"]: entry for entry in json.loads((spoilt / "answer_key.json").read_text("utf-8"))}


@pytest.fixture(scope="module")
def town():
    """A part of the town with river, houses, streets and changes."""
    return World(1).render(Window(1900, 1900, 512, 512))


# ---- the world --------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path) -> None:
    def digests(root: Path) -> dict[str, str]:
        return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.*")}

    first = digests(write_demo(tmp_path / "a", tiles=3, size=64).root)
    second = digests(write_demo(tmp_path / "b", tiles=3, size=64).root)
    other = digests(write_demo(tmp_path / "c", tiles=3, size=64, seed=2).root)
    assert first == second
    assert first.keys() == other.keys()
    assert first["opt/0000000001-1.tif"] != other["opt/0000000001-1.tif"]


def test_neighbouring_tiles_continue_each_other_in_every_layer() -> None:
    world = World(1)
    both = world.render(Window(2000, 1800, 256, 128))
    parts = [world.render(Window(2000 + shift, 1800, 128, 128)) for shift in (0, 128)]
    for name in ("ground", "height", "height_before"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        off = np.abs(joined - getattr(both, name))
        assert np.mean(off > 0.02) < 1e-3, name
    for name in ("labels", "change"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        assert np.mean(joined != getattr(both, name)) < 1e-3, name
    joined = np.concatenate([part.post for part in parts], axis=2).astype(float)
    assert abs(joined - both.post).mean() < 5  # each picture has its own sensor noise, and nothing else


def test_the_ground_has_no_step_between_tiles(clean) -> None:
    where = {(w.column, w.row): tile_name(i) for i in range(TILES) for w in [tile_window(i, SIZE)]}
    pairs = [(name, where[c + SIZE, r]) for (c, r), name in where.items() if (c + SIZE, r) in where]
    assert len(pairs) > 20
    for left, right in pairs:
        step = np.abs(pixels(clean, "DEM", left)[:, -1] - pixels(clean, "DEM", right)[:, 0])
        assert np.median(step) < 0.15, (left, right)


def test_noise_at_a_point_is_the_noise_of_its_pixel() -> None:
    window = Window(-37, 1003, 40, 30)
    east, south = np.meshgrid(window.centres()[0], window.centres()[1])
    for step in (4, 48):
        np.testing.assert_allclose(smooth_at(east, south, step, 9), smooth(window, step, 9), atol=1e-4)


def test_the_bent_plane_is_unbent_again_and_every_pixel_knows_its_place_in_it() -> None:
    terrain, window = Terrain(3), Window(700, 2900, 33, 21)
    east, south = np.meshgrid(window.centres()[0], window.centres()[1])
    u, v = terrain.bend(east, south)
    np.testing.assert_allclose(terrain.unbend(u, v), (east, south), atol=1e-3)
    frame = terrain.frame(window)
    np.testing.assert_allclose(frame.u, u, atol=1e-2)
    np.testing.assert_allclose(frame.v, v, atol=1e-2)
    np.testing.assert_allclose(terrain.ground_at(east, south), terrain.ground(window, frame), atol=1e-2)


# ---- layers agree with each other -------------------------------------------------------------------------------------------


def test_heights_agree_with_land_cover(town) -> None:
    assert set(np.unique(town.labels)) >= {RANGE, DEVELOPED, ROAD, TREE, WATER, BUILDING}
    assert town.height[town.labels == BUILDING].min() > 2
    assert town.height[town.labels == TREE].min() > 0.5
    assert town.height[town.labels == WATER].max() == 0
    road = town.height[town.labels == ROAD]  # cars stand on roads, and one bridge crosses the river
    assert np.median(road) == 0
    assert np.mean(road > 0.5) < 0.15
    assert town.height.min() >= 0
    assert town.height.max() < 60


def test_the_river_is_level_and_lies_below_its_banks(town) -> None:
    water = town.ground[town.labels == WATER]
    assert np.percentile(water, 95) - np.percentile(water, 5) < 1.5
    assert np.percentile(town.ground[town.labels == BUILDING], 5) > np.median(water)


def test_change_is_where_the_buildings_of_the_two_dates_differ(town) -> None:
    marked = town.change == 255
    assert set(np.unique(town.change)) == {0, 255}
    assert not marked[(town.height == town.height_before) & (town.labels != BUILDING) & (town.labels != TREE)].any()
    came = marked & (town.height > 2) & (town.labels == BUILDING)
    assert np.mean(town.height_before[came] != town.height[came]) > 0.99
    seen = (town.labels == BUILDING) & ~marked
    np.testing.assert_array_equal(town.height[seen], town.height_before[seen])


def test_the_picture_shows_what_the_heights_cast(town) -> None:
    """Pixels just north-north-west of a high wall lie in its shade: darker than the same class elsewhere."""
    brightness = town.post.mean(axis=0)
    tall = town.height > 9
    low = (town.height < 0.5) & (town.labels != WATER)
    shaded = low & np.roll(tall, (-8, -4), (0, 1))
    shaded[-8:], shaded[:, -4:] = False, False
    lit = low & ~shaded
    assert shaded.sum() > 500
    assert np.median(brightness[shaded]) < 0.75 * np.median(brightness[lit])


def test_the_two_dates_show_the_same_land_under_another_sun(town) -> None:
    still = town.change == 0
    post, pre = town.post.mean(axis=0)[still], town.pre.mean(axis=0)[still]
    assert np.corrcoef(post, pre)[0, 1] > 0.6
    assert np.abs(post - pre).mean() > 3


# ---- on disk ----------------------------------------------------------------------------------------------------------------


def test_files_are_georeferenced_and_tiles_adjoin(clean) -> None:
    for layer in FOLDERS:
        with rasterio.open(clean / layer / "0000000001-1.tif") as file:
            assert (file.width, file.height, file.res) == (SIZE, SIZE, (0.5, 0.5))
            assert file.crs.to_epsg() == 32632
            assert file.nodata is None
            assert (file.count, file.dtypes[0]) == {
                "opt": (3, "uint8"), "pre_opt": (3, "uint8"), "gt_ss_mask": (1, "uint8"), "gt_cd_mask": (1, "uint8"),
            }.get(layer, (1, "float32"))  # fmt: skip
    with (
        rasterio.open(clean / "DEM" / "0000000001-1.tif") as first,
        rasterio.open(clean / "DEM" / "0000000002-1.tif") as second,
    ):
        assert second.bounds.right == first.bounds.left
        assert second.bounds.top == first.bounds.top


def test_any_number_of_tiles_is_a_compact_whole_without_overlap() -> None:
    for tiles in (1, 4, 9, 25, 64):
        places = [tile_window(index, 10) for index in range(tiles)]
        columns, rows = {w.column for w in places}, {w.row for w in places}
        assert len({(w.column, w.row) for w in places}) == tiles
        assert (len(columns), len(rows)) == (tiles**0.5, tiles**0.5)


def test_the_lists_name_every_tile_once_four_to_one(clean) -> None:
    lists = {split: (clean / f"{split}.txt").read_bytes() for split in ("train", "test")}
    names = {split: text.decode().split("\n")[:-1] for split, text in lists.items()}
    assert all(text.endswith(b"\n") and b"\r" not in text for text in lists.values())
    assert (len(names["train"]), len(names["test"])) == (36, 9)
    assert sorted(names["train"] + names["test"]) == [tile_name(index) for index in range(TILES)]
    assert names["train"] != sorted(names["train"])


def test_a_complete_dataset_is_left_alone(clean) -> None:
    before = {path: path.stat().st_mtime_ns for path in clean.rglob("*")}
    result = write_demo(clean, tiles=TILES, size=SIZE, defects=False)
    assert (result.written, result.tiles, result.defects) == (False, TILES, 0)
    assert {path: path.stat().st_mtime_ns for path in clean.rglob("*")} == before


def test_a_folder_with_anything_else_is_refused_and_not_touched(tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(RsviewerError, match="not empty"):
        write_demo(tmp_path / "mine", tiles=1, size=64)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_a_demo_of_another_seed_is_refused(tmp_path) -> None:
    root = write_demo(tmp_path / "demo", tiles=1, size=64).root
    with pytest.raises(RsviewerError, match="seed 1"):
        write_demo(root, tiles=1, size=64, seed=2)


def test_an_interrupted_writing_leaves_nothing_behind(tmp_path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "demo", tiles=2, size=64, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_tile_and_an_empty_folder_is_taken(tmp_path) -> None:
    seen: list[tuple[int, int]] = []
    (tmp_path / "demo").mkdir()
    assert write_demo(tmp_path / "demo", tiles=3, size=64, progress=lambda *count: seen.append(count)).written
    assert seen == [(1, 3), (2, 3), (3, 3)]


# ---- planted defects --------------------------------------------------------------------------------------------------------


def test_at_most_a_third_of_the_tiles_is_spoilt_and_a_large_demo_has_every_defect() -> None:
    for tiles in range(1, 200):
        assert len(kinds_for(tiles)) <= tiles / 3
    assert len(kinds_for(64)) == 18
    assert set(kinds_for(64)) == set(Defect)


def test_the_answer_key_names_one_wrong_layer_of_every_spoilt_tile(spoilt, answers) -> None:
    entries = json.loads((spoilt / "answer_key.json").read_text("utf-8"))
    assert {entry["defect"] for entry in entries} == set(Defect)
    assert len({entry["tile"] for entry in entries}) == len(entries) == 15
    assert "0000000001-1" not in {entry["tile"] for entry in entries}  # the first impression
    for entry in entries:
        assert set(entry) == {"tile", "defect", "layer", "detail"}
        assert entry["layer"] in FOLDERS
        assert entry["detail"]["words"]
        assert (spoilt / entry["layer"] / f"{entry['tile']}.tif").is_file()


def test_nothing_but_the_named_layer_differs_from_the_clean_dataset(spoilt, clean, answers) -> None:
    wrong = {(e["tile"], e["layer"]) for e in answers.values()}
    wrong |= {(answers["duplicate"]["tile"], layer) for layer in FOLDERS}
    for layer in FOLDERS:
        for index in range(TILES):
            name = tile_name(index)
            same = (spoilt / layer / f"{name}.tif").read_bytes() == (clean / layer / f"{name}.tif").read_bytes()
            assert same != ((name, layer) in wrong) or name == answers["duplicate"]["tile"], (name, layer)


def both(spoilt: Path, clean: Path, entry: dict) -> tuple[np.ndarray, np.ndarray]:
    return pixels(spoilt, entry["layer"], entry["tile"]), pixels(clean, entry["layer"], entry["tile"])


def test_shifted_heights_fit_when_they_are_shifted_back(spoilt, clean, answers) -> None:
    entry = answers["shifted heights"]
    bad, good = both(spoilt, clean, entry)
    fits = {
        (across, down): np.corrcoef(
            bad[20:-20, 20:-20].ravel(), np.roll(good, (down, across), (0, 1))[20:-20, 20:-20].ravel()
        )[0, 1]
        for across in range(-12, 13)
        for down in range(-12, 13)
    }
    best = max(fits, key=lambda shift: fits[shift])
    assert list(best) == entry["detail"]["shift_px"]
    assert fits[best] > 0.999


def test_the_void_has_as_many_pixels_as_the_key_says(spoilt, answers) -> None:
    entry = answers["void"]
    heights = pixels(spoilt, entry["layer"], entry["tile"])
    hole = np.isnan(heights) if entry["detail"]["value"] == "NaN" else heights == -9999
    left, top, right, bottom = entry["detail"]["box"]
    assert hole.sum() == entry["detail"]["pixels"] > 500
    assert hole[top:bottom, left:right].sum() == hole.sum()


def test_spikes_stand_where_the_key_says(spoilt, answers) -> None:
    entry = answers["spike"]
    heights = pixels(spoilt, entry["layer"], entry["tile"])
    for column, row, metres in entry["detail"]["column_row_metres"]:
        assert heights[row, column] in (metres, *(m for *_, m in entry["detail"]["column_row_metres"]))
    assert np.abs(heights).max() > 50


def test_stripes_repeat_with_their_period(spoilt, clean, answers) -> None:
    entry = answers["stripes"]
    bad, good = both(spoilt, clean, entry)
    rows = (bad - good).mean(axis=1)
    period, amplitude = entry["detail"]["period_px"], entry["detail"]["amplitude_m"]
    np.testing.assert_allclose(rows[period:], rows[:-period], atol=0.01)
    assert rows.max() - rows.min() == pytest.approx(amplitude, abs=0.02)


def test_flat_heights_are_flat_where_there_are_buildings(spoilt, clean, answers) -> None:
    bad, good = both(spoilt, clean, answers["flat heights"])
    assert not bad.any()
    assert good.max() > 2


def test_clouds_are_bright_and_cover_their_share(spoilt, clean, answers) -> None:
    entry = answers["clouds"]
    bad, good = both(spoilt, clean, entry)
    white = (bad.min(axis=0) > 190) & (bad.min(axis=0) > good.max(axis=0))
    assert 0.3 * entry["detail"]["share"] < white.mean() < entry["detail"]["share"]


def test_the_black_strip_is_black(spoilt, answers) -> None:
    entry = answers["black strip"]
    black = (pixels(spoilt, entry["layer"], entry["tile"]) == 0).all(axis=0)
    left, top, right, bottom = entry["detail"]["box"]
    assert black.sum() >= entry["detail"]["pixels"] > 500
    assert black[top:bottom, left:right].sum() >= entry["detail"]["pixels"]


def test_a_blurred_image_has_lost_its_detail_and_kept_its_brightness(spoilt, clean, answers) -> None:
    bad, good = (layer.astype(float) for layer in both(spoilt, clean, answers["blur"]))
    assert np.abs(np.diff(bad)).mean() < 0.4 * np.abs(np.diff(good)).mean()
    assert bad.mean() == pytest.approx(good.mean(), abs=1)


def test_a_wrong_pair_has_the_heights_of_the_named_tile(spoilt, clean, answers) -> None:
    entry = answers["wrong pair"]
    bad, good = both(spoilt, clean, entry)
    np.testing.assert_array_equal(bad, pixels(clean, entry["layer"], entry["detail"]["heights_of"]))
    assert not np.array_equal(bad, good)


def test_wrong_labels_replace_one_class_by_another(spoilt, clean, answers) -> None:
    entry = answers["wrong label"]
    bad, good = both(spoilt, clean, entry)
    changed = bad != good
    assert changed.sum() == entry["detail"]["pixels"] > 100
    assert set(np.unique(good[changed])) == {entry["detail"]["from"]}
    assert set(np.unique(bad[changed])) == {entry["detail"]["to"]}


def test_flipped_labels_are_the_labels_in_a_mirror(spoilt, clean, answers) -> None:
    bad, good = both(spoilt, clean, answers["flipped label"])
    np.testing.assert_array_equal(bad, good[:, ::-1])
    assert np.mean(bad != good) > 0.1


def test_the_empty_change_mask_had_something_in_it(spoilt, clean, answers) -> None:
    entry = answers["empty change mask"]
    bad, good = both(spoilt, clean, entry)
    assert not bad.any()
    assert np.count_nonzero(good) == entry["detail"]["pixels"] > 100


def test_a_duplicate_is_the_named_tile_at_another_place(spoilt, answers) -> None:
    entry = answers["duplicate"]
    for layer in FOLDERS:
        np.testing.assert_array_equal(
            pixels(spoilt, layer, entry["tile"]), pixels(spoilt, layer, entry["detail"]["same_as"])
        )


def test_a_truncated_file_cannot_be_read(spoilt, clean, answers) -> None:
    entry = answers["truncated file"]
    path = Path(entry["layer"]) / f"{entry['tile']}.tif"
    assert (spoilt / path).stat().st_size == int((clean / path).stat().st_size * entry["detail"]["kept"])
    with pytest.raises(RasterioIOError):
        pixels(spoilt, entry["layer"], entry["tile"])


def test_a_layer_of_the_wrong_size_is_as_large_as_the_key_says(spoilt, clean, answers) -> None:
    entry = answers["wrong size"]
    bad, good = both(spoilt, clean, entry)
    assert [bad.shape[-1], bad.shape[-2]] == entry["detail"]["size"] != [SIZE, SIZE]
    np.testing.assert_array_equal(bad, good[..., : bad.shape[-2], : bad.shape[-1]])


def test_clean_countryside_has_crops_that_are_low(clean) -> None:
    scene = World(1).render(Window(300, 500, 256, 256))
    crops = scene.height[scene.labels == CROPS]
    assert crops.size > 10_000
    assert crops.max() < 2.5

"""SatlasPretrain: what its tiles, images over time and labels are. What all formats promise is in test_formats."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import ExportOptions, plan, render_list
from rsviewer.core.tile import LayerContent, LayerId, Missing, Raster, TileId
from rsviewer.core.vector import Vector
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.address import Window, paths_in, taken_apart
from rsviewer.data.content import read_layer
from rsviewer.data.datasets.satlas import SatlasAdapter, facts, images
from rsviewer.data.datasets.satlas import adapter as adapter_module
from rsviewer.data.datasets.satlas import preview as preview_module
from rsviewer.data.datasets.satlas.preview import Preview
from rsviewer.data.detect import open_dataset
from rsviewer.data.tree import Disk
from tests.data.samples import satlas, synrs3d
from tests.data.samples.satlas import BARE, LISTED, NAIP_IMAGE, NAIP_TILE, NEW, OLD, POOR, WHOLE

TCI, BANDS, LANDSAT, VECTOR = map(LayerId, ("tci", "s2_bands", "landsat", "vector"))
AIRPLANE, COAST = f"{WHOLE}/airplane_325", f"{WHOLE}/coast_3376"


class Opened:
    def __init__(self, root: Path) -> None:
        self.adapter = SatlasAdapter()
        self.dataset: Dataset = self.adapter.describe(root)
        self.entries = {str(entry.id): entry for entry in self.adapter.scan(self.dataset)}

    def read(self, entry: TileEntry, layer: str) -> LayerContent:
        return read_layer(entry, self.dataset.layer(LayerId(layer)), self.dataset.tree)

    def raster(self, entry: TileEntry, layer: str) -> Raster:
        content = self.read(entry, layer)
        assert isinstance(content, Raster), content
        return content


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "satlas"
    satlas.write(root)
    return root


@pytest.fixture
def opened(root: Path) -> Opened:
    return Opened(root)


def shown(entry: TileEntry, layer: str) -> set[str]:
    """Names of the images that a layer comes from."""
    return {Path(path).parts[-3] for path in paths_in(entry.files[LayerId(layer)])}


# The first tiles


class Asked(Disk):
    """The disk, which remembers which folders were listed."""

    def __init__(self) -> None:
        self.listed: list[str] = []

    def names(self, folder: str) -> list[str]:
        self.listed.append(folder)
        return super().names(folder)


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dataset passes for one of thousands of images."""
    monkeypatch.setattr(preview_module, "FEW", -1)
    monkeypatch.setattr(adapter_module, "FEW", -1)


def taken_at(root: Path, grid_square: str, quadrangle: str = "m_00000") -> None:
    """Says in the names of the images of Sentinel-2 and NAIP where they were taken."""
    for image in [*root.glob("sentinel2*/S2*")]:
        image.rename(image.with_name(re.sub("T[0-9]{2}[A-Z]{3}", grid_square, image.name)))
    for image in [*root.glob("naip/m_*")]:
        image.rename(image.with_name(re.sub("m_[0-9]{5}", quadrangle, image.name)))


def page_of(root: Path, tree: Disk | None = None) -> list[TileEntry]:
    adapter = SatlasAdapter(tree or Disk())
    return adapter.first_page(adapter.describe(root), 256)


@pytest.mark.usefixtures("huge")
def test_the_first_tiles_are_known_without_listing_the_images(root: Path) -> None:
    taken_at(root, "T35HKC")  # where the tiles are
    tree = Asked()
    page = page_of(root, tree)
    assert not [folder for folder in tree.listed if Path(folder).name in ("tci", "b05", "vv", "b4", "ir")]
    entries = Opened(root).entries
    assert [str(entry.id) for entry in page] == [WHOLE, POOR] == [*entries][:2]
    for entry in page:
        assert {shot.name for shot in entry.shots} == {shot.name for shot in entries[entry.id].shots}
        assert entry.files.keys() == entries[entry.id].files.keys()
        shot = entry.shots[entry.shot]
        assert entry.moment == f"{shot.series}/{shot.name}", "another may turn out to be the best"


@pytest.mark.usefixtures("huge")
def test_images_of_other_places_are_not_asked_for_the_first_tiles(root: Path) -> None:
    taken_at(root, "T51NAB")
    assert TCI not in page_of(root)[0].files
    assert TCI in Opened(root).entries[WHOLE].files


@pytest.mark.usefixtures("huge")
@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (("static",), [f"{WHOLE}/airplane_325", f"{WHOLE}/coast_3376"]),
        (("static", "dynamic"), [WHOLE]),
        (("static", "dynamic", "sentinel1", "sentinel2", "sentinel2_small", "landsat"), [f"naip/{NAIP_TILE}"]),
        (("sentinel1", "sentinel2", "sentinel2_small", "landsat", "naip"), [WHOLE, POOR]),
    ],
)
def test_whatever_a_download_lacks_its_first_tiles_are_found(
    gone: tuple[str, ...], expected: list[str], root: Path
) -> None:
    for folder in gone:
        shutil.rmtree(root / folder)
    taken_at(root, "T35HKC")
    page = {str(entry.id): entry for entry in page_of(root)}
    assert [*page] == expected
    entries = Opened(root).entries
    assert [{*page[tile].files} for tile in page] == [{*entries[tile].files} for tile in page]


def test_of_a_small_dataset_all_is_listed_at_once(root: Path) -> None:
    assert page_of(root) == []


def test_images_are_looked_for_until_the_time_is_over(root: Path) -> None:
    now = iter(range(100))
    preview = Preview(Disk(), {"sentinel2": [str(root / "sentinel2")]}, facts.LABEL_ZOOM, 1.5, lambda: float(next(now)))
    (found,) = preview.images_of(images.keys_among([WHOLE]))
    assert [found.shot(row).name for row in range(len(found.keys))] == [NEW], "the newest first"
    assert preview.is_over


@pytest.mark.parametrize(
    ("tile", "sensor", "place"),
    [
        ("1867_3287", "sentinel2", "_T14S"),  # 33.5 north, 97.9 west
        ("36368_55726", "naip", "m_26080"),
        (WHOLE, "sentinel2", "_T35H"),
        ("0_0", "sentinel2", "_T01X"),
        ("8191_8191", "sentinel2", "_T60C"),
    ],
)
def test_names_of_images_say_where_they_were_taken(tile: str, sensor: str, place: str) -> None:
    (found,) = (each for each in facts.SENSORS if each.name == sensor)
    assert place in preview_module.places(found, images.keys_among([tile]), found.zoom)


@pytest.mark.parametrize(
    ("names", "tiles"),
    [
        ([], []),
        (["2_1", "1_2", "1_10", ".DS_Store", "01_2", "1_2.png", "1_2_3"], ["1_2", "1_10", "2_1"]),
        (["1_2\n3_4", "5_6"], ["5_6"]),
        (["1_2\n3_4"], []),
        (["999999_1"], []),
    ],
)
def test_tiles_are_told_from_other_names(names: list[str], tiles: list[str]) -> None:
    assert [images.name_of(key) for key in images.keys_among(names).tolist()] == tiles


# Images over time


def test_a_tile_has_its_images_of_all_sensors_in_the_order_of_time(opened: Opened) -> None:
    shots = opened.entries[WHOLE].shots
    assert [(shot.series, shot.time) for shot in shots] == [
        ("Sentinel-1", "2015-09"),
        ("Sentinel-2", "2015-10-03T08:15:16+00:00"),
        ("Sentinel-1", "2022-03-01T00:00:00+00:00"),  # of metadata/image_times.json
        ("Landsat", "2022-03-01T00:00:00+00:00"),
        ("Sentinel-2", "2022-03-09T03:26:01+00:00"),  # of its name
        ("Landsat", "2022-06"),
    ]
    assert [shot.good for shot in shots] == [False, True, True, True, False, False]


def test_the_best_image_comes_first_the_newest_only_if_it_is_usable(opened: Opened, root: Path) -> None:
    assert shown(opened.entries[WHOLE], "tci") == {OLD}
    good = root / "metadata/good_images_lowres_all.json"
    good.write_text(json.dumps([*json.loads(good.read_text()), [4651, 4910, NEW]]))
    assert shown(Opened(root).entries[WHOLE], "tci") == {NEW}
    good.unlink()
    without = Opened(root).entries[WHOLE]
    assert shown(without, "tci") == {NEW}
    assert {shot.good for shot in without.shots} == {None}


def test_stepping_in_time_takes_along_the_nearest_image_of_the_other_sensors(opened: Opened) -> None:
    entry = opened.entries[WHOLE]
    assert shown(entry, "landsat") == {"2022-03"}
    later = entry.at(5)
    assert shown(later, "landsat") == {"2022-06"}
    assert shown(later, "s1") == {"2022-03"}  # not that of Landsat, which has the same name
    assert shown(later, "tci") == {NEW}
    assert opened.raster(later, "s1").pixels[:, 0, 0].tolist() == [55, 90]
    assert opened.raster(later, "landsat").pixels[0, 0, 0] == 110
    back = entry.at(0)
    assert shown(back, "s1") == {"2015-09"}
    assert shown(back, "tci") == {OLD}


def test_a_band_that_only_some_dates_have_is_invalid_at_the_others(opened: Opened) -> None:
    entry = opened.entries[WHOLE]
    old = opened.raster(entry, "s2_bands")
    assert old.valid.all()
    assert old.pixels[:, 0, 0].tolist() == [20, 30, 40, 50, 60, 70]
    new = opened.raster(entry.at(4), "s2_bands")
    assert new.valid.all(axis=(1, 2)).tolist() == [True, True, True, True, False, True]
    assert new.notes[0] == "no file of B11"
    assert new.pixels.shape == (6, 32, 32)


def test_landsat_has_bands_of_three_sizes_on_one_grid(opened: Opened) -> None:
    landsat = opened.raster(opened.entries[WHOLE], "landsat")
    assert landsat.pixels.shape == (11, 32, 32)
    assert landsat.pixels[:, 0, 0].tolist() == [10 * band for band in range(1, 12)]
    bare = opened.raster(opened.entries[BARE], "landsat")
    assert bare.valid.any(axis=(1, 2)).tolist() == [band == 4 for band in range(1, 12)]


def test_an_image_in_the_small_folder_beside_the_full_one_counts_once(opened: Opened, root: Path) -> None:
    assert [shot.name for shot in opened.entries[POOR].shots] == [f"sentinel2_small/{OLD}"]
    shutil.copytree(root / "sentinel2", root / "sentinel2_small", dirs_exist_ok=True)
    twice = Opened(root).entries[WHOLE]
    assert len(twice.shots) == len(opened.entries[WHOLE].shots)
    assert twice.files == opened.entries[WHOLE].files


def test_a_link_from_the_full_folder_to_the_small_one_is_one_folder(tmp_path: Path) -> None:
    satlas.write_small(tmp_path)
    (tmp_path / "sentinel2").symlink_to("sentinel2_small")
    (shot,) = Opened(tmp_path).entries[WHOLE].shots
    assert shot.name == OLD


# Labels


def test_what_nobody_annotated_is_told_from_what_is_not_there(opened: Opened) -> None:
    poor = opened.entries[POOR]
    assert {"tree_cover", "dem", "crop_type"} <= set(poor.missing)
    assert opened.read(poor, "tree_cover") == Missing("Not annotated: nobody looked for tree cover on this tile.")
    vector = opened.read(poor, "vector")
    assert isinstance(vector, Vector)
    assert vector.annotated == ("power_plant", "street_lamp")
    assert not vector.features


def test_raster_labels_have_their_units(opened: Opened) -> None:
    entry = opened.entries[WHOLE]
    tree_cover = opened.raster(entry, "tree_cover")
    assert tree_cover.pixels[0, 0, ::8].tolist() == [0, 0.5, 50, 100]
    assert tree_cover.valid[0, 0, ::8].tolist() == [False, True, True, True]
    dem = opened.raster(entry, "dem")
    np.testing.assert_allclose(dem.pixels[0, 0, 8::8], [-16, -12, 0], atol=1e-4)
    assert dem.valid[0, 0, ::8].tolist() == [False, True, True, True]


def test_shadow_is_read_in_both_codings(opened: Opened) -> None:
    cloud = opened.raster(opened.entries[COAST], "cloud")
    assert sorted(set(cloud.pixels.ravel().tolist())) == [0, 1, 2, 3]
    assert cloud.pixels[0, 0, -1] == 3


def test_events_are_tiles_of_their_own_with_the_image_they_are_seen_on(opened: Opened, root: Path) -> None:
    coast = opened.entries[COAST]
    assert shown(coast, "tci") == {OLD}  # of the days that its metadata name
    assert coast.facts["event"] == "coast_3376"
    assert {"flood", "cloud", "wildfire", "vector"} <= set(coast.files)
    vector = root / "dynamic" / COAST / "vector.json"
    vector.write_text(json.dumps({**satlas.FLOOD, "metadata": {"ImageName": NEW}}))
    assert shown(Opened(root).entries[COAST], "tci") == {NEW}


def test_a_naip_tile_has_its_part_of_the_labels(opened: Opened) -> None:
    naip = opened.entries[f"naip/{NAIP_TILE}"]
    assert taken_apart(naip.files[VECTOR])[1] == Window(1, 14, 1, 1, 16)
    vector = opened.read(naip, "vector")
    assert isinstance(vector, Vector)
    assert vector.extent == (512, 512)
    whole = opened.raster(opened.entries[WHOLE], "land_cover")
    part = opened.raster(naip, "land_cover")
    np.testing.assert_array_equal(part.pixels, whole.pixels[:, 28:30, 2:4])
    assert shown(naip, "naip") == {NAIP_IMAGE}
    assert isinstance(opened.read(naip.at(0), "naip_ir"), Missing)


def test_an_event_seen_from_a_plane_is_shown_on_its_naip_tiles(opened: Opened) -> None:
    event = opened.entries[f"naip/{NAIP_TILE}/airplane_325"]
    vector = opened.read(event, "vector")
    assert isinstance(vector, Vector)
    assert vector.features[0].rings[0].tolist() == [[700 - 512, 7300 - 14 * 512]]
    assert event.splits == ("train_event",)


@pytest.mark.parametrize("name", ["0_0", "1867_3287", "131071_131071"])
def test_a_tile_is_a_number_and_back(name: str) -> None:
    key = images.key_of(name)
    assert key is not None
    assert images.name_of(key) == name


@pytest.mark.parametrize("name", ["1_", "01_2", "131072_1", "1_2_3", "a_b", "-1_2", ""])
def test_other_names_are_no_tile(name: str) -> None:
    assert images.key_of(name) is None


def test_the_middle_of_a_tile_is_told_in_degrees(opened: Opened) -> None:
    entry = opened.entries[WHOLE]
    assert entry.facts["longitude"] == pytest.approx(4651.5 / 8192 * 360 - 180, abs=1e-5)
    assert entry.facts["latitude"] == pytest.approx(-33.6695, abs=1e-4)


def test_categories_have_one_class_each() -> None:
    names = [label.name for label in facts.CATEGORIES]
    assert len(set(names)) == len(names)
    assert len({label.value for label in facts.CATEGORIES}) == len(names)
    assert {"wind_turbine", "ms_building", "road", "water_park", "street_lamp"} <= set(names)


# Lists


def test_a_dropped_tile_leaves_the_lists_and_takes_its_features_along(root: Path) -> None:
    metadata = root / "metadata"
    features = {"park_sport": ["4651_4910_0", "4651_4911_3"], "road_lanes": ["4651_4910_17"]}
    (metadata / "test_lowres_property.json").write_text(json.dumps(features))
    opened = Opened(root)
    tiles = {entry.id: entry.group for entry in opened.entries.values() if entry.files}
    dropped = {TileId(WHOLE): Decision(Verdict.DROP)}
    change = plan(opened.dataset.lists, tiles, dropped, opened.adapter.tile_of_line, ExportOptions())
    after = {each.after.name: json.loads(render_list(each.after)) for each in change.lists}
    assert after["train_lowres"] == [[4700, 4900]]
    assert after["train_event"] == [[4651, 4910]]  # names the events
    assert after["test_lowres_property"] == {"park_sport": ["4651_4911_3"], "road_lanes": []}


def test_a_list_of_events_names_label_tiles_that_have_none(root: Path) -> None:
    (root / "metadata/test_event.json").write_text("[[4651, 4911], [1, 2]]")
    opened = Opened(root)
    assert "test_event" in opened.entries[POOR].splits
    assert opened.entries["1_2"].splits == ("test_event",)
    assert opened.entries[LISTED].files == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train_lowres.json", '{"train": 1}'),
        ("train_lowres.json", "[1, 2"),
        ("good_images_lowres_all.json", '{"a": []}'),
        ("image_times.json", "[]"),
        ("image_times.json", "\x00\xff"),
    ],
)
def test_metadata_of_another_shape_are_a_problem_and_nothing_more(name: str, content: str, root: Path) -> None:
    (root / "metadata" / name).write_text(content)
    opened = Opened(root)
    assert len(opened.dataset.problems) == 1
    assert name in opened.dataset.problems[0]
    assert WHOLE in opened.entries


def test_rows_of_odd_shape_among_good_ones_are_passed_over(root: Path) -> None:
    rows = [[4651, 4910, OLD], [1], "x", [4651, None, OLD], [10**9, 2, OLD], [4651, 4910, 7], [4651, 4910, NEW]]
    (root / "metadata/good_images_lowres_all.json").write_text(json.dumps(rows, indent=1))
    assert shown(Opened(root).entries[WHOLE], "tci") == {NEW}


def test_lists_of_usable_images_are_read_in_pieces_of_any_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.data.jsonfile._PIECE", 7)
    assert [shot.good for shot in Opened(root).entries[WHOLE].shots] == [False, True, True, True, False, False]


# Names


@pytest.mark.parametrize(
    ("name", "time"),
    [
        (NEW, "2022-03-09T03:26:01+00:00"),
        ("m_2508008_nw_17_1_20151013", "2015-10-13"),
        ("m_2508008_nw_17_060_20181013_20190102", "2018-10-13"),
        ("m_2508008_nw_17_1_20159999", ""),
        ("2022-01", "2022-01"),
        ("2022-13", ""),
    ],
)
def test_times_are_in_the_names_of_images(name: str, time: str, tmp_path: Path) -> None:
    sensor = next(each for each in facts.SENSORS if re.fullmatch(each.image, name))
    (tmp_path / name).mkdir()
    (picture,) = images.gather(Disk(), sensor, [str(tmp_path)], {}).pictures
    assert picture.time == time


def test_junk_between_the_tiles_is_no_tile(root: Path) -> None:
    before = list(Opened(root).entries)
    folder = root / "sentinel2" / OLD / "tci"
    for name in ("x_y.png", "01_2.png", "4651_4910.jpg", "Thumbs.db", "999999_1.png", "٤_٥.png"):
        (folder / name).touch()
    (root / "sentinel2/readme.txt").touch()
    (root / "static/notes").mkdir()
    (root / "static/7_8.txt").touch()
    (root / "dynamic/7_8").touch()
    (root / "dynamic/9_9").mkdir()
    assert list(Opened(root).entries) == before


def no_images(root: Path) -> None:
    (root / "sentinel2/photos/tci").mkdir(parents=True)
    (root / "sentinel2/photos/tci/4651_4910.png").touch()


def no_tiles(root: Path) -> None:
    (root / "landsat/2022-01/b1").mkdir(parents=True)
    (root / "landsat/2022-01/b1/scene.png").touch()


def no_labels(root: Path) -> None:
    (root / "static/1_2").mkdir(parents=True)
    (root / "static/1_2/style.css").touch()


@pytest.mark.parametrize("write", [no_images, no_tiles, no_labels, synrs3d.write])
def test_other_folders_are_not_taken_for_it(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path)
    assert not SatlasAdapter().recognises(tmp_path)


# The real samples


@pytest.mark.real
@pytest.mark.parametrize("below", ["satlas", "structural_noise/satlas"])
def test_every_layer_of_the_real_tiles_reads(below: str, shared_data: Path) -> None:
    if not (shared_data / "real" / below).is_dir():
        pytest.skip(f"the real sample {below} is not here")
    dataset, adapter = open_dataset(shared_data / "real" / below)
    assert dataset.format == "satlas"
    assert not dataset.problems
    entries = list(adapter.scan(dataset))
    assert entries
    for entry in entries:
        for layer in entry.files:
            assert isinstance(read_layer(entry, dataset.layer(layer), dataset.tree), Raster | Vector), (entry.id, layer)

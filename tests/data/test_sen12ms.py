"""SEN12MS in all the folders it was met in: the name of a file says which tile it is, lists may name any sensor's file."""

import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import ExportOptions, parse_list, plan
from rsviewer.core.style import combination_of, default_style
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.datasets.sen12ms import (
    IGBP,
    LAYERS,
    LCCS_COVER,
    LCCS_HYDROLOGY,
    LCCS_USE,
    OF_S2,
    SIMPLIFIED,
    SIMPLIFIED_OF_IGBP,
    Sen12msAdapter,
    names_tile,
)
from rsviewer.data.detect import open_dataset
from rsviewer.data.export import write_export
from tests.data.samples import dfc2020, sen12ms

SPRING, SUMMER = sen12ms.SPRING, sen12ms.SUMMER


def scanned(root: Path) -> tuple[Dataset, dict[str, TileEntry]]:
    dataset, adapter = open_dataset(root)
    entries = list(adapter.scan(dataset))
    assert len({entry.id for entry in entries}) == len(entries)
    return dataset, {str(entry.id): entry for entry in entries}


def put(root: Path, names: Iterable[str]) -> Path:
    """Empty files: only names count."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def shown(tile: TileEntry, layer: str, dataset: Dataset) -> Raster:
    content = read_layer(tile, dataset.layer(LayerId(layer)), dataset.tree)
    assert isinstance(content, Raster), content
    return content


# --- tiles


def test_a_scene_is_a_season_and_a_number(tmp_path: Path) -> None:
    sen12ms.write(tmp_path)
    _, tiles = scanned(tmp_path)
    assert list(dict.fromkeys(tile.group for tile in tiles.values())) == [
        f"{SPRING}/1",
        f"{SPRING}/63",
        f"{SUMMER}/1",
        f"{SUMMER}/146",
    ]
    assert tiles[f"{SUMMER}/1/p9"].facts == {"season": "summer", "scene": 1, "patch": 9}


@pytest.mark.parametrize(
    "folder",
    [
        ".",
        "ROIs1158_spring/s1_4",
        "ROIs1158_spring",
        "ROIs1158_spring_s1/s1_4",
        "ROIs1158_spring/s1/s1_4",
        "s1",
        "S1_4",
    ],
)
def test_the_name_of_a_file_says_its_tile_whatever_folder_it_lies_in(tmp_path: Path, folder: str) -> None:
    root = put(tmp_path / "data", [f"{folder}/{SPRING}_s1_4_p10.tif", f"{folder}/{SPRING}_s1_4_p9.tif"])
    dataset, tiles = scanned(root)
    assert dataset.format == "sen12ms"
    assert list(tiles) == [f"{SPRING}/4/p9", f"{SPRING}/4/p10"]


def test_a_file_in_the_folder_of_another_scene_still_goes_to_its_tile(tmp_path: Path) -> None:
    root = put(
        tmp_path / "data",
        [
            f"{SPRING}/s1_5/{SPRING}_s1_5_p1.tif",
            f"{SPRING}/s1_5/{SPRING}_s1_4_p3.tif",
            f"{SPRING}/s1_4/{SPRING}_s1_4_p1.tif",
            f"{SPRING}/s1_4/{SPRING}_s1_6_p1.tif",
        ],
    )
    _, tiles = scanned(root)
    assert set(tiles) == {f"{SPRING}/{tile}" for tile in ("4/p1", "4/p3", "5/p1", "6/p1")}
    assert all(len(tile.files) == 1 for tile in tiles.values())


def test_a_second_file_of_a_layer_is_a_duplicate(tmp_path: Path) -> None:
    root = put(tmp_path / "data", [f"{SPRING}/s1_4/{SPRING}_s1_4_p1{end}" for end in (".tiff", ".tif")])
    _, tiles = scanned(root)
    tile = tiles[f"{SPRING}/4/p1"]
    assert tile.files[LayerId("s1")].endswith(".tif")
    assert [Path(path).suffix for path in tile.duplicates] == [".tiff"]


def test_other_files_are_no_tiles(tmp_path: Path) -> None:
    names = [f"{SPRING}_s1_4_p1.tif", f"{SPRING}_s1_4_p1.tif.aux.xml", f"{SPRING}_s1_4_p.tif", f"{SPRING}_s3_4_p1.tif"]
    odd = [f"{SPRING}_s1_4_p99999999999999999999.tif", f"{SPRING}_s1_4_p²5.tif", "histogram.csv", "x_p1.tif"]
    _, tiles = scanned(put(tmp_path / "data", [f"{SPRING}/s1_4/{name}" for name in (*names, *odd)]))
    assert list(tiles) == [f"{SPRING}/4/p1"]


def test_a_folder_inside_opens_the_season(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path / "data")
    dataset, _ = open_dataset(sample.root / SPRING / "s1_1")
    assert dataset.root == sample.root / SPRING
    assert dataset.format == "sen12ms"


def test_two_formats_in_one_folder_are_not_mixed_up_silently(tmp_path: Path) -> None:
    put(tmp_path, [f"{SPRING}/s1_4/{SPRING}_s1_4_p1.tif", f"{dfc2020.TEST}/s1_0/{dfc2020.TEST}_s1_0_p1.tif"])
    with pytest.raises(Exception, match="--format sen12ms or --format dfc2020"):
        open_dataset(tmp_path)


# --- layers


def test_land_cover_is_four_schemes_and_one_derived(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path)
    dataset, tiles = scanned(tmp_path)
    tile = tiles[sample.whole]
    values = {layer: np.unique(shown(tile, layer, dataset).pixels).tolist() for layer in sen12ms.LC_LAYERS}
    assert values == {
        "igbp": [1, 13, 14, 17],
        "simplified": [1, 6, 7, 10],
        "lccs_cover": [3, 11, 43],
        "lccs_use": [9, 36],
        "lccs_hydrology": [27, 51, 255],
    }
    mosaic = shown(tile, "igbp", dataset).pixels == 14
    assert np.all(shown(tile, "simplified", dataset).pixels[mosaic] == 6), "mosaics are croplands, not urban"


def test_nan_in_radar_is_invalid_and_optical_keeps_all_bands(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path)
    dataset, tiles = scanned(tmp_path)
    radar = shown(tiles[sample.whole], "s1", dataset)
    assert radar.valid[:, 0, :2].tolist() == [[False, True]] * 2
    optical = shown(tiles[sample.whole], "s2", dataset)
    assert (optical.bands, optical.notes, optical.gsd) == (13, (), pytest.approx(10.0))


def test_the_dummy_georeference_of_dfc2020_is_no_map(tmp_path: Path) -> None:
    sample = dfc2020.write(tmp_path)
    dataset, tiles = scanned(tmp_path)
    label = shown(tiles[sample.whole], "dfc", dataset)
    assert (label.transform, label.gsd) == (None, None)


def test_schemes_are_complete_and_agree_where_they_say_the_same() -> None:
    assert [entry.value for entry in IGBP] == [*range(18), 255]
    assert [entry.value for entry in SIMPLIFIED] == [*range(11), 255]
    assert set(SIMPLIFIED_OF_IGBP) == set(range(11))
    assert len(SIMPLIFIED_OF_IGBP) == 18
    assert [
        len([entry for entry in scheme if not entry.void]) for scheme in (LCCS_COVER, LCCS_USE, LCCS_HYDROLOGY)
    ] == [
        16,
        11,
        10,
    ]
    water = {
        next(entry.color for entry in each if entry.name.startswith("Water")) for each in (IGBP, SIMPLIFIED, LCCS_USE)
    }
    assert water == {(0x1C, 0x0D, 0xFF)}


def test_band_combinations_mean_the_bands_they_say() -> None:
    (s2,), (s1,) = LAYERS["s2"], LAYERS["s1"]
    formulas = {each.name: [channel.formula(s2.bands) for channel in each.channels] for each in OF_S2}
    assert formulas["True colour"] == ["B4", "B3", "B2"]
    assert formulas["False colour"] == ["B8", "B4", "B3"]
    assert formulas["SWIR"] == ["B12", "B8A", "B4"]
    assert formulas["NDVI"] == ["(B8 - B4) / (B8 + B4)"]
    assert formulas["NDWI"] == ["(B3 - B8) / (B3 + B8)"]
    composite = combination_of(s1, default_style(s1))
    assert composite is not None
    assert [channel.formula(s1.bands) for channel in composite.channels] == ["VV", "VH", "VV - VH"]


# --- lists


def test_held_out_scenes_are_a_split_of_all_their_tiles_and_no_list_to_export(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path / "data")
    dataset, tiles = scanned(sample.root)
    assert tiles[f"{SPRING}/63/p2"].splits == ("holdout", "test_list")
    assert tiles[f"{SPRING}/1/p100"].splits == ()
    assert [split.path for split in dataset.lists] == ["test_list.txt", "train_list.txt"]
    assert sample.root / "SEN12MS_holdOutScenes.txt" in dataset.folders, "a change of it is noticed"


def test_the_crlf_of_the_test_list_survives_a_dropped_tile(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path / "data")
    dataset, adapter = open_dataset(sample.root)
    found = {entry.id: entry.group for entry in adapter.scan(dataset) if entry.files}
    dropped = {TileId(f"{SPRING}/63/p2"): Decision(Verdict.DROP)}
    write_export(plan(dataset.lists, found, dropped, adapter.tile_of_line, ExportOptions()), dataset, tmp_path / "out")
    assert (tmp_path / "out" / "test_list.txt").read_bytes() == (
        f"{SPRING}_s2_63_p30.tif\r\n{SUMMER}_s2_146_p7.tif\r\n".encode()
    )


@pytest.mark.parametrize(
    "line",
    [
        f"{SPRING}_s2_63_p2.tif",
        f"{SPRING}_s1_63_p2",
        f"{SPRING}_LC_63_p2.TIF",
        f"{SPRING}/s2_63/{SPRING}_s2_63_p2.tif",
        f"C:\\data\\{SPRING}_s2_cloudy_63_p2.tif",
    ],
)
def test_a_line_may_name_any_file_of_the_tile(line: str) -> None:
    split = parse_list(line.encode(), name="x", path="x.txt", group="")
    assert Sen12msAdapter().tile_of_line(split, line) == f"{SPRING}/63/p2"
    assert names_tile(line)


@pytest.mark.parametrize("line", [f"{SPRING}/s1_63", f"{SPRING}_s2_63_p2.tif: 5", "Forest", f"my{SPRING}_s2_63_p2", ""])
def test_other_lines_name_no_tile(line: str) -> None:
    assert not names_tile(line)


@given(st.text())
@example("ROIs9999999999_spring_s1_1_p1.tif")
@example("a/")
@example("ROIs1_spring_s1_1_p٣.tif")
def test_any_line_names_something(line: str) -> None:
    split = parse_list(b"", name="x", path="x.txt", group="")
    assert (line == "") or Sen12msAdapter().tile_of_line(split, line)


def test_a_line_that_names_nothing_known_is_a_tile_without_files(tmp_path: Path) -> None:
    sample = sen12ms.write(tmp_path)
    (tmp_path / "val_list.txt").write_bytes(f"whatever.tif\n{SPRING}_s2_1_p9.tif\n{SPRING}_s2_1_p9.tif\n".encode())
    _, tiles = scanned(tmp_path)
    assert next(iter(tiles)) == "whatever"
    assert tiles["whatever"].splits == ("val_list",)
    assert tiles[sample.whole].splits == ("train_list", "val_list")


def pickled(names: list[str], *, as_numpy: bool = False) -> bytes:
    return pickle.dumps([np.str_(name) for name in names] if as_numpy else names, protocol=3)


@pytest.mark.parametrize("as_numpy", [False, True])
def test_pickled_lists_tell_splits(tmp_path: Path, *, as_numpy: bool) -> None:
    sample = sen12ms.write(tmp_path)
    (tmp_path / "val_list.pkl").write_bytes(pickled([f"{SPRING}_s2_1_p100.tif"], as_numpy=as_numpy))
    (tmp_path / "train_list.pkl").write_bytes(pickled([f"{SPRING}_s2_63_p30.tif"]))
    dataset, tiles = scanned(tmp_path)
    assert tiles[f"{SPRING}/1/p100"].splits == ("val_list",)
    assert "train_list" not in tiles[f"{SPRING}/63/p30"].splits, "the text of the same name says it"
    assert {split.path for split in dataset.lists} == set(sample.lists)
    assert dataset.problems == ()


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("gotcha",)


@pytest.mark.parametrize(
    "content", [pickle.dumps([_Evil()]), b"", b"\x80\x03", pickle.dumps({"a": 1}), pickle.dumps(7)]
)
def test_a_pickle_that_is_no_list_of_names_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    sen12ms.write(tmp_path)
    (tmp_path / "val_list.pkl").write_bytes(content)
    dataset, tiles = scanned(tmp_path)
    assert len(tiles) == 6
    assert len(dataset.problems) == 1
    assert "val_list.pkl is not used" in dataset.problems[0]
    assert capsys.readouterr().out == ""


# --- the samples from real data


@pytest.mark.real
def test_the_real_patches_read(shared_data: Path) -> None:
    root = shared_data / "real" / "sen12ms"
    if not root.is_dir():
        pytest.skip("the real sample of SEN12MS is not here")
    dataset, tiles = scanned(root)
    assert list(tiles) == [f"{SUMMER}/901/p30", f"{SUMMER}/901/p31"]
    for layer in dataset.layers:
        assert shown(tiles[f"{SUMMER}/901/p30"], layer.id, dataset).full_size == (256, 256)


@pytest.mark.real
def test_the_structure_of_all_seasons_is_read(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "real" / "structural_noise" / "sen12ms"
    if not root.is_dir():
        pytest.skip("the structure of SEN12MS is not here")
    shutil.copytree(root, tmp_path / "copy", copy_function=lambda source, to: Path(to).touch())
    for home in (root, tmp_path / "copy"):
        dataset, tiles = scanned(home)
        assert dataset.format == "sen12ms"
        assert len(tiles) == 8
        assert all(len(tile.files) == 7 for tile in tiles.values())


# --- one class a patch

LABELS = {
    f"{SPRING}_s2_1_p100.tif": 12,
    f"{SPRING}_s2_63_p30.tif": 17,
    f"{SUMMER}_s2_1_p9.tif": 99,
}


def labels_text(end: str = "\n") -> bytes:
    return "".join(f"{name}: {number}{end}" for name, number in LABELS.items()).encode()


@pytest.mark.parametrize("suffix", ["txt", "pkl"])
def test_labels_of_patches_are_facts(tmp_path: Path, suffix: str) -> None:
    sen12ms.write(tmp_path)
    (tmp_path / "labels").mkdir()
    content = labels_text("\r\n") if suffix == "txt" else pickle.dumps(LABELS, protocol=3)
    (tmp_path / "labels" / f"single_label_IGBPfull_ClsNum.{suffix}").write_bytes(content)
    (tmp_path / "single_label_IGBPsimple_ClsNum.txt").write_text(f"{SPRING}_s2_1_p100.tif:6\n")
    dataset, tiles = scanned(tmp_path)
    assert [fact.name for fact in dataset.facts][3:] == ["label_igbp", "label_simplified"]
    assert tiles[f"{SPRING}/1/p100"].facts["label_igbp"] == "Croplands"
    assert tiles[f"{SPRING}/1/p100"].facts["label_simplified"] == "Croplands"
    assert tiles[f"{SPRING}/63/p30"].facts["label_igbp"] == "Water Bodies"
    assert tiles[f"{SUMMER}/1/p9"].facts["label_igbp"] == "99", "no class of that number: shown as it is"
    assert "label_simplified" not in tiles[f"{SUMMER}/1/p9"].facts
    assert not [split for split in dataset.lists if "single_label" in split.name]
    assert not dataset.problems


@pytest.mark.parametrize("content", [b"", b"prose", b"\xff\xfe\x00", pickle.dumps([_Evil()]), pickle.dumps([1])])
@pytest.mark.parametrize("suffix", ["txt", "pkl"])
def test_labels_that_are_none_are_said_and_left_out(tmp_path: Path, suffix: str, content: bytes) -> None:
    sen12ms.write(tmp_path)
    (tmp_path / f"single_label_IGBPfull_ClsNum.{suffix}").write_bytes(content)
    dataset, tiles = scanned(tmp_path)
    assert [fact.name for fact in dataset.facts] == ["season", "scene", "patch"]
    assert len(tiles) > 3
    assert f"single_label_IGBPfull_ClsNum.{suffix}" in dataset.problems[0]

"""RS3DBench's ways of naming folders."""

from pathlib import Path

import pytest

from rsviewer.data.adapter import TileEntry
from rsviewer.data.detect import open_dataset


def put(root: Path, *folders: str, tile: str = "tile_3.tif") -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / tile).touch()


def entries_of(root: Path) -> dict[str, TileEntry]:
    dataset, adapter = open_dataset(root)
    assert dataset.format == "rs3dbench"
    return {entry.id: entry for entry in adapter.scan(dataset)}


def layers_of(root: Path) -> dict[str, list[str]]:
    return {tile: list(entry.files) for tile, entry in entries_of(root).items()}


@pytest.mark.parametrize(
    ("folder", "tile", "layer"),
    [
        ("Image/tif-X", "tile_3.tif", "image_tif"),
        ("tif-X", "tile_3.tif", "image_tif"),
        ("Image/png-stretched-X", "tile_3.png", "image_png"),
        ("png-stretched-X", "tile_3.png", "image_png"),
        ("DEM-X", "tile_3.tif", "dem"),
        ("dem-X", "tile_3.tif", "dem"),
        ("DEM_255-X", "tile_3.tif", "dem_255"),
        ("DEM-X_255", "tile_3.tif", "dem_255"),
        ("DEM-X_color", "tile_3_color.png", "dem_color"),
        ("DEM-X_255_color", "tile_3_color.png", "dem_255_color"),
        ("DEM_255-X_color", "tile_3_color.png", "dem_255_color"),
        ("Mask-X", "tile_3.png", "mask"),
        ("Gradient-X", "tile_3.png", "gradient"),
        ("TextPrompt-X", "tile_3.txt", "text"),
        ("TextPrompt-X-processed", "tile_3.txt", "text_processed"),
        ("TextPrompt-X-processed-RandomLetter", "tile_3.txt", "text_random"),
    ],
)
def test_every_variant_of_a_folder_is_understood(folder: str, tile: str, layer: str, tmp_path: Path) -> None:
    put(tmp_path, "Image/png-stretched-X", tile="tile_1.png")
    put(tmp_path, folder, tile=tile)
    entries = entries_of(tmp_path)
    assert list(entries["X/tile_3"].files) == [layer]
    assert entries["X/tile_3"].group == "X"


@pytest.mark.parametrize(
    "area",
    [
        "Switzerland0.5",
        "Switzerland2",
        "Japan+Korea",
        "Southeast_Asia",
        "New South Wales",
        "东南亚",
        "瑞士2_512",
        "A-B",
    ],
)
def test_areas_may_have_any_name(area: str, tmp_path: Path) -> None:
    put(tmp_path, f"Image/tif-{area}", f"DEM-{area}", f"DEM-{area}_255")
    put(tmp_path, f"Image/png-stretched-{area}", tile="tile_3.png")
    assert layers_of(tmp_path) == {f"{area}/tile_3": ["image_tif", "image_png", "dem", "dem_255"]}


def test_numbers_are_sorted_as_numbers_and_gaps_are_normal(tmp_path: Path) -> None:
    for number in (27766, 100, 9, 0):
        put(tmp_path, "DEM-X", tile=f"tile_{number}.tif")
    assert list(entries_of(tmp_path)) == ["X/tile_0", "X/tile_9", "X/tile_100", "X/tile_27766"]


def test_an_area_that_ends_with_255_is_told_from_an_8_bit_dem(tmp_path: Path) -> None:
    put(tmp_path, "DEM-X_255", "DEM-X_255_255", "Mask-X_255")
    assert layers_of(tmp_path) == {"X_255/tile_3": ["dem", "dem_255", "mask"]}


def test_both_an_area_and_its_255_namesake(tmp_path: Path) -> None:
    put(tmp_path, "Mask-X", "DEM-X", "Mask-X_255", "DEM-X_255", "DEM_255-X")
    assert layers_of(tmp_path) == {"X/tile_3": ["dem", "dem_255", "mask"], "X_255/tile_3": ["dem", "mask"]}


def test_leftovers_of_threads_belong_to_their_area(tmp_path: Path) -> None:
    put(tmp_path, "DEM-X", "Image/tif-X", "Image/tif-X_7")
    put(tmp_path, "Image/tif-X_7", tile="tile_8.tif")
    entries = entries_of(tmp_path)
    assert list(entries) == ["X/tile_3", "X/tile_8"]
    assert entries["X/tile_3"].files["image_tif"].endswith("tif-X/tile_3.tif")
    assert [path[-18:] for path in entries["X/tile_3"].duplicates] == ["tif-X_7/tile_3.tif"]
    assert entries["X/tile_8"].files["image_tif"].endswith("tif-X_7/tile_8.tif")


def test_an_area_whose_name_ends_like_a_thread_is_an_area(tmp_path: Path) -> None:
    put(tmp_path, "DEM-Alps_1", "Image/tif-Alps_1", "DEM-Alps_2", "Image/tif-Alps_2", "DEM-Alps")
    assert sorted(layers_of(tmp_path)) == ["Alps/tile_3", "Alps_1/tile_3", "Alps_2/tile_3"]


def test_two_spellings_of_an_area_are_one(tmp_path: Path) -> None:
    put(tmp_path, "Image/tif-Southeast_Asia", "DEM-Southeast-Asia", "DEM-Southeast-Asia_255")
    assert list(layers_of(tmp_path).values()) == [["image_tif", "dem", "dem_255"]]


def test_two_areas_that_differ_only_by_a_hyphen_stay_two(tmp_path: Path) -> None:
    put(tmp_path, "DEM-A-B", "DEM-A_B")
    assert sorted(entries_of(tmp_path)) == ["A-B/tile_3", "A_B/tile_3"]


def test_raw_material_and_strays_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "DEM-X", "DataDEM-X", "preSplitDEM-X", "preSplitImages-X_4")
    for stray in ("Thumbs.db", "tile_0.png.aux.xml", "tile_3 copy.tif", "overview.tif", "tile_.tif"):
        put(tmp_path, "DEM-X", tile=stray)
    assert layers_of(tmp_path) == {"X/tile_3": ["dem"]}


def release(root: Path, area: str = "JK") -> None:
    for part in ("singleRGBNormalization", "singleRGBNormalizationTest"):
        home = root / f"ImageToDEM-{area}" / part
        put(home, "png-stretched-unique", tile="tile_1.png")
        put(home, "DEM_255-unique", "DEM-unique", tile="tile_1.tif")


def test_a_release_is_an_area_and_its_test_part(tmp_path: Path) -> None:
    release(tmp_path, "JK")
    release(tmp_path, "希腊")
    entries = entries_of(tmp_path)
    assert list(entries) == ["JK/tile_1", "JK-test/tile_1", "希腊/tile_1", "希腊-test/tile_1"]
    assert list(entries["JK/tile_1"].files) == ["image_png", "dem", "dem_255"]
    assert entries["JK/tile_1"].splits == ("train",)
    assert entries["JK-test/tile_1"].splits == ("test",)


@pytest.mark.parametrize("below", ["ImageToDEM-JK", "ImageToDEM-JK/singleRGBNormalization"])
def test_a_part_of_a_release_opens_too(below: str, tmp_path: Path) -> None:
    release(tmp_path)
    dataset, adapter = open_dataset(tmp_path / below)
    assert next(iter(adapter.scan(dataset))).id == "JK/tile_1"


def test_lists_of_pairs_name_tiles_by_their_paths(tmp_path: Path) -> None:
    release(tmp_path, "JK")
    release(tmp_path, "希腊")
    home = tmp_path / "data_split/ImageToDEM-JK"
    home.mkdir(parents=True)
    depth = "DEM_255-unique/tile_1.tif"
    lines = [
        f"ImageToDEM-JK/singleRGBNormalization/png-stretched-unique/tile_1.png ImageToDEM-JK/singleRGBNormalization/{depth}",
        f"ImageToDEM-JK/singleRGBNormalizationTest/png-stretched-unique/tile_1.png {depth}",
        f"png-stretched-unique/tile_44.png {depth}",
        f"ImageToDEM-希腊\\singleRGBNormalization\\{depth}",
    ]
    (home / "JK-val.txt").write_text("\n".join(lines), encoding="utf-8")
    dataset, adapter = open_dataset(tmp_path)
    (split,) = dataset.lists
    assert (split.name, split.group) == ("val", "JK")
    named = [adapter.tile_of_line(split, line.text) for line in split.lines]
    assert named == ["JK/tile_1", "JK-test/tile_1", "JK/tile_44", "希腊/tile_1"]
    entries = {entry.id: entry for entry in adapter.scan(dataset)}
    assert {tile for tile, entry in entries.items() if "val" in entry.splits} == set(named)


def test_folders_without_numbered_tiles_are_not_rs3dbench(tmp_path: Path) -> None:
    put(tmp_path, "DEM-lidar", "tif-photos", tile="hill.tif")
    with pytest.raises(Exception, match="No dataset recognised"):
        open_dataset(tmp_path)


def test_image_alone_opens_what_lies_beside_it(tmp_path: Path) -> None:
    put(tmp_path, "Image/tif-X", "DEM-X")
    for folder in ("Image", "Image/tif-X", "DEM-X"):
        assert open_dataset(tmp_path / folder)[0].root == tmp_path

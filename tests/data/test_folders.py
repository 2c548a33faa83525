"""Parallel folders: their description, and what is proposed for them."""

import math
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.combinations import Channel, Combination, Operation
from rsviewer.core.errors import DatasetNotFoundError, SettingsError
from rsviewer.core.filters import ColumnType
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import TileEntry
from rsviewer.data.address import of_bands
from rsviewer.data.datasets.folders import inspect_layout
from rsviewer.data.datasets.layout import KINDS, PALETTES, FolderLayout, LayerFolder, dump_layout, parse_layout
from rsviewer.data.datasets.proposal import propose_layout
from rsviewer.data.detect import open_dataset
from rsviewer.data.tree import DISK

PHOTOS = """
title = "Town"
[[layers]]
id = "photo"
folder = "photos"
kind = "optical"
"""


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def entries_of(root: Path, layout: FolderLayout) -> dict[str, TileEntry]:
    dataset, adapter = open_dataset(root, layout=layout)
    return {entry.id: entry for entry in adapter.scan(dataset)}


def proposed(root: Path) -> list[tuple[str, str, LayerKind, str]]:
    return [
        (layer.spec.id, layer.folder, layer.spec.kind, layer.prefix + "*" + layer.suffix)
        for layer in propose_layout(DISK, root).layers
    ]


def described(*layers: str, general: str = "") -> FolderLayout:
    return parse_layout("\n".join([general, *(f"[[layers]]\n{layer}" for layer in layers)]))


# The description

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.none() | st.floats(allow_nan=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COLORS = st.tuples(*[st.integers(0, 255)] * 3)
FOLDERS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6).filter(
        lambda part: part not in (".", "..") and part[1:2] != ":"
    ),
    min_size=1,
    max_size=3,
).map("/".join)
BANDS = ("B04", "B03", 'odd "name"')
CHANNELS = st.one_of(
    st.lists(st.integers(0, 2), min_size=1, max_size=3)
    .filter(lambda bands: len(bands) != 2)
    .map(lambda bands: tuple(Channel(Operation.BAND, band) for band in bands)),
    st.tuples(st.builds(Channel, st.just(Operation.DIFFERENCE), st.integers(0, 2), st.integers(0, 2))),
)
COMBINATIONS = st.builds(Combination, TEXTS.filter(bool), CHANNELS, st.none() | FINITE, st.none() | FINITE)
LAYERS = st.builds(
    LayerFolder,
    st.builds(
        LayerSpec,
        st.just(LayerId("x")),
        st.sampled_from(KINDS),
        TEXTS.filter(bool),
        unit=TEXTS,
        bands=st.just(BANDS),
        display_bands=st.sampled_from([(), (0,), (3, 2, 1)]),
        nodata=NUMBERS,
        low=NUMBERS,
        high=NUMBERS,
        scale=FINITE.filter(bool),
        offset=FINITE,
        classes=st.lists(st.builds(LabelClass, st.integers(-9, 300), TEXTS, COLORS, st.booleans()), max_size=2).map(
            tuple
        )
        | st.sampled_from(list(PALETTES.values())),
        date=st.sampled_from(["", "pre", "post"]),
        take=st.lists(st.integers(0, 12), max_size=3).map(tuple),
        lut=st.lists(st.integers(0, 9), max_size=4).map(tuple),
        combinations=st.lists(
            COMBINATIONS | st.just(Combination("NDVI", (Channel(Operation.NORMALISED, 1, 0),), -1.0, 1.0)), max_size=2
        ).map(tuple),
        optional=st.booleans(),
        hidden=st.booleans(),
        absent=TEXTS,
    ),
    FOLDERS,
    TEXTS,
    TEXTS,
)
FILES = st.lists(st.sampled_from(["{tile}_B04", "{tile}", "a_{tile}", "{tile}b"]), unique=True, max_size=3)


@given(
    LAYERS,
    FILES,
    TEXTS,
    TEXTS.filter(lambda root: "\0" not in root),
    st.none() | st.lists(FOLDERS, max_size=2).map(tuple),
    st.sampled_from(["", "^(.)", "(a)|b"]),
    TEXTS,
)
def test_what_is_written_is_read_as_the_same(
    layer: LayerFolder,
    files: list[str],
    title: str,
    root: str,
    lists: tuple[str, ...] | None,
    group: str,
    column: str,
) -> None:
    for each in (layer, replace(layer, prefix="", suffix="", files=tuple(files))):
        layout = FolderLayout((each,), title, root, lists, group, column)
        assert parse_layout(dump_layout(layout)) == layout


def test_nan_may_be_the_mark_of_nodata() -> None:
    layout = described('id = "h"\nfolder = "h"\nkind = "height"\nnodata = nan')
    (again,) = parse_layout(dump_layout(layout)).layers
    assert again.spec.nodata is not None
    assert math.isnan(again.spec.nodata)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[layers]\n", "not TOML: .*line 1"),
        ("", r"names no layers: write \[\[layers\]\]"),
        ('layers = "x"', "'layers' .line 1. must be written as"),
        ('[[layers]]\nid = "x"\nfodler = "y"', r"no key 'fodler' of layer 1 \(line 3\): did you mean 'folder'\?"),
        ('[[layers]]\nid = "x"\nfolder = "y"', "Layer 1 has no 'kind'"),
        (
            f'{PHOTOS}\n[[layers]]\nid = "h"\nfolder = "h"\nkind = "hight"',
            r"'kind' of layer 2 \(line 11\) must be one of",
        ),
        (
            '[[layers]]\nid = "X y"\nfolder = "y"\nkind = "mask"',
            "'id' of layer 1 .line 2. must be a name of small letters",
        ),
        ('[[layers]]\nid = "x"\nfolder = "/etc"\nkind = "mask"', "'folder' .* must be a folder under the root"),
        ('[[layers]]\nid = "x"\nfolder = "a/../../b"\nkind = "mask"', "'folder' .* must be a folder under the root"),
        (
            '[[layers]]\nid = "x"\nfolder = "y"\nkind = "mask"\nscale = 0',
            "'scale' .* .line 5. must be a number other than 0",
        ),
        ('[[layers]]\nid = "x"\nfolder = "y"\nkind = "mask"\nnodata = true', "'nodata' .* .line 5. must be a number"),
        ('group = "("\n' + PHOTOS, r"'group' \(line 1\) must be a regular expression"),
        ('group = "a"\n' + PHOTOS, r"'group' \(line 1\) must be a regular expression with a group"),
        (PHOTOS + 'classes = [{ value = 1, name = "a", color = "red" }]', "'color' of a class of layer 1 .* such as"),
        (PHOTOS + 'classes = [{ value = 1, name = "a" }]', "A class of layer 1 has no 'color'"),
        (PHOTOS + PHOTOS.replace("title", "#"), "Two layers have the id 'photo'"),
        (PHOTOS + PHOTOS.replace("title", "#").replace('"photo"', '"b"'), "Two layers read the same files of 'photos'"),
        (PHOTOS + '[[layers]]\nid = "b"\nfolder = "{group}/b"\nkind = "mask"', "Some layers have {group}"),
        (PHOTOS + 'palette = "openerthmap"', r"'palette' of layer 1 \(line 7\) must be one of openearthmap,"),
        (PHOTOS + 'palette = "change"\nclasses = []', "has 'classes' and 'palette' .line 7.: write one of them"),
        (PHOTOS + 'suffix = "_x"\nfile = "{tile}_x.tif"', "has 'file' and 'suffix' .line 7.: write one of them"),
        (PHOTOS + 'file = "x.tif"', r"The file 'x.tif' of layer 1 \(line 7\) must hold {tile}"),
        (PHOTOS + 'file = "../{tile}.tif"', r"'file' of layer 1 \(line 7\) must be the name of a file such as"),
        (PHOTOS + 'file = "{tile}.docx"', "'file' .* of a known kind"),
        (
            PHOTOS + 'file = "{tile}.txt"',
            "'{tile}.txt' .*line 7.* is not of the kind optical: that ends with .tif, .tiff",
        ),
        (PHOTOS + 'file = "{city}_{tile}.tif"', r"\(line 7\) has {city}, which its folder has not: write it there"),
        (PHOTOS + "files = []", r"'files' of layer 1 \(line 7\) must be a list of names"),
        (PHOTOS.replace('"photos"', '"{tile}"'), "Each tile has a folder of its own.*write file = "),
        (PHOTOS.replace('"photos"', '"{tile}"') + 'file = "{tile}.tif"', "must not hold {tile}"),
        (PHOTOS.replace('"photos"', '"{a}{b}{c}{d}"'), "'folder' of layer 1 .line 5. .* 3 placeholders in a name"),
        (PHOTOS.replace('"photos"', '"{photo}"'), "{photo} is a part of the folders and the id of a layer"),
        (PHOTOS + "take = [-1]", r"'take' of layer 1 \(line 7\) must be a list of whole numbers from 0"),
        (PHOTOS + "values = { 70000 = 1 }", r"'values' of layer 1 \(line 7\) must be a table of whole numbers"),
        (PHOTOS + 'values = { a = "b" }', "'values' of layer 1 .line 7. must be a table of whole numbers"),
        (
            PHOTOS + 'combinations = [{ name = "x", bands = ["B4"] }]',
            r"no band 'B4' of a combination of layer 1 \(line 7\): its bands are none: write bands = ",
        ),
        (
            PHOTOS + 'bands = ["R"]\ncombinations = [{ name = "x", bands = ["R"], difference = ["R", "R"] }]',
            r"The combination 'x' of layer 1 \(line 8\) must have one of bands, normalised, difference",
        ),
        (PHOTOS + 'combinations = [{ bands = ["R"] }]', "A combination of layer 1 has no 'name'"),
    ],
)
def test_a_wrong_key_is_named_with_its_line_and_what_to_write(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_layout(text)


def test_the_descriptions_in_the_readme_are_right() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("**Your own folders.**")[2].partition("**A format of your own")[0]
    layouts = [parse_layout(text) for text in re.findall(r"```toml\n(.*?)```", section, re.DOTALL)]
    assert [parse_layout(dump_layout(layout)) for layout in layouts] == layouts
    assert layouts


@given(st.text(max_size=60))
def test_any_text_is_a_layout_or_a_settings_error(text: str) -> None:
    with suppress(SettingsError):
        parse_layout(text)


# Datasets that are described

RGB_AND_MASK = (
    'id = "rgb"\nfolder = "."\nkind = "optical"',
    'id = "mask"\nfolder = "."\nkind = "mask"\nsuffix = "_mask"',
)


def test_layers_in_one_folder_are_told_apart_by_suffix(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "1_mask.png", "2.jpg", "2_MASK.png")
    entries = entries_of(tmp_path, described(*RGB_AND_MASK))
    assert {tile: sorted(entry.files) for tile, entry in entries.items()} == {
        "1": ["mask", "rgb"],
        "2": ["mask", "rgb"],
    }


def test_lists_may_name_the_file_of_any_layer(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "1_mask.png")
    (tmp_path / "train.txt").write_text("1_mask.png\n1.jpg 1_mask.png\n1\n2.jpg,2_mask.png\n")
    dataset, adapter = open_dataset(tmp_path, layout=described(*RGB_AND_MASK))
    (split,) = dataset.lists
    assert [adapter.tile_of_line(split, line.text) for line in split.lines] == ["1", "1", "1", "2"]


def test_groups_may_be_several_folders_deep_and_before_or_after_the_layer(tmp_path: Path) -> None:
    put(tmp_path, "Train/Rural/images/0.png", "Train/Urban/images/0.png", "Val/images/0.png")
    before = entries_of(tmp_path, described('id = "i"\nfolder = "{group}/images"\nkind = "optical"'))
    assert list(before) == ["Train/Rural/0", "Train/Urban/0", "Val/0"]
    assert [entry.group for entry in before.values()] == ["Train/Rural", "Train/Urban", "Val"]
    put(tmp_path, "img/train/aachen/7.png", "img/val/8.png")
    after = entries_of(tmp_path, described('id = "i"\nfolder = "img/{group}"\nkind = "optical"'))
    assert list(after) == ["train/aachen/7", "val/8"]


def test_a_group_found_in_names_orders_tiles_and_leaves_their_ids(tmp_path: Path) -> None:
    put(tmp_path, *(f"photos/{name}.tif" for name in ("1_bonn", "2_aachen", "3_bonn", "4")))
    entries = entries_of(tmp_path, parse_layout('group = "_([a-z]+)"\n' + PHOTOS))
    assert [(entry.id, entry.group) for entry in entries.values()] == [
        ("4", ""),
        ("2_aachen", "aachen"),
        ("1_bonn", "bonn"),
        ("3_bonn", "bonn"),
    ]


def test_a_described_folder_that_is_not_there_is_said_and_missing_in_every_tile(tmp_path: Path) -> None:
    put(tmp_path, "photos/1.tif")
    layout = parse_layout(PHOTOS + '[[layers]]\nid = "h"\nfolder = "heights"\nkind = "height"')
    dataset, adapter = open_dataset(tmp_path, layout=layout)
    assert dataset.problems == (f"The layer 'h' is missing everywhere: there is no folder heights under {tmp_path}.",)
    assert [entry.missing for entry in adapter.scan(dataset)] == [("h",)]


def test_a_description_of_another_place_says_what_is_here(tmp_path: Path) -> None:
    put(tmp_path, "pictures/1.tif")
    with pytest.raises(DatasetNotFoundError, match=r"\(photos\) is under .*, which holds pictures\. Correct"):
        open_dataset(tmp_path, layout=parse_layout(PHOTOS))


def test_only_the_lists_that_are_named_are_read(tmp_path: Path) -> None:
    put(tmp_path, "photos/1.tif")
    (tmp_path / "lists").mkdir()
    for name in ("train.txt", "lists/a.txt", "lists/b.csv"):
        (tmp_path / name).write_text("1\n")
    dataset, _ = open_dataset(tmp_path, layout=parse_layout('lists = ["lists/*", "gone.txt"]\n' + PHOTOS))
    assert [split.path for split in dataset.lists] == ["lists/a.txt", "lists/b.csv"]
    assert dataset.problems == (f"There is no list 'gone.txt' under {tmp_path}.",)


def test_a_description_may_lie_anywhere_and_name_the_root(tmp_path: Path) -> None:
    put(tmp_path, "data/photos/1.tif")
    file = tmp_path / "notes" / "town.toml"
    file.parent.mkdir()
    file.write_text('root = "../data"\n' + PHOTOS)
    dataset, adapter = open_dataset(file)
    assert (dataset.root, dataset.title) == (tmp_path / "data", "Town")
    assert file in dataset.folders, "an index is stale when the description was changed"
    assert [entry.id for entry in adapter.scan(dataset)] == ["1"]


def test_a_broken_description_in_the_root_is_named(tmp_path: Path) -> None:
    put(tmp_path, "opt/1.tif")
    (tmp_path / "rsviewer-dataset.toml").write_text("titel = 1\n")
    with pytest.raises(SettingsError, match=r"rsviewer-dataset\.toml: There is no key 'titel' \(line 1\)"):
        open_dataset(tmp_path)


FULL = """
list_column = "path"
lists = ["**/*.json", "splits/*.csv"]
[[layers]]
id = "image"
folder = "{city}/s-{season}"
files = ["{city}_{tile}_red.tif", "{city}_{tile}_green.jp2"]
kind = "optical"
[[layers]]
id = "labels"
folder = "labels/{city}/{season}"
kind = "labels"
"""


def test_names_of_nested_folders_are_the_group_and_facts_of_a_tile(tmp_path: Path) -> None:
    put(tmp_path, "Aachen/S-2019/aachen_7_red.tif", "Aachen/S-2019/Aachen_7_green.jp2", "labels/Aachen/2019/7.png")
    put(tmp_path, "Bonn/S-2020/Bonn_7_red.tif", "Bonn/S-2020/Bonn_7_green.tif", "Bonn/S-2020/Aachen_8_red.tif")
    put(tmp_path, "labels/Bonn/2020/9.png", "Bonn/old/Bonn_7_red.tif")
    dataset, adapter = open_dataset(tmp_path, layout=parse_layout(FULL))
    assert [(fact.name, fact.type) for fact in dataset.facts] == [
        ("city", ColumnType.TEXT),
        ("season", ColumnType.NUMBER),
    ]
    entries = {entry.id: entry for entry in adapter.scan(dataset)}
    assert {tile: (entry.group, entry.facts) for tile, entry in entries.items()} == {
        "Aachen/2019/7": ("Aachen/2019", {"city": "Aachen", "season": 2019.0}),
        "Bonn/2020/7": ("Bonn/2020", {"city": "Bonn", "season": 2020.0}),
        "Bonn/2020/9": ("Bonn/2020", {"city": "Bonn", "season": 2020.0}),
    }
    assert [entry.missing for entry in entries.values()] == [(), ("labels",), ("image",)]


def test_a_placeholder_does_not_stand_for_a_folder_that_another_layer_names(tmp_path: Path) -> None:
    put(tmp_path, "bonn/1.tif", "labels/1.tif", "labels/bonn/1.tif")
    layout = described(
        'id = "i"\nfolder = "{city}"\nkind = "optical"', 'id = "l"\nfolder = "labels/{city}"\nkind = "labels"'
    )
    assert list(entries_of(tmp_path, layout)) == ["bonn/1"]


def test_files_that_are_bands_are_one_layer_in_their_order(tmp_path: Path) -> None:
    put(tmp_path, "Aachen/S-2019/aachen_7_red.tif", "Aachen/S-2019/Aachen_7_green.jp2")
    put(tmp_path, "Aachen/S-2019/Aachen_8_green.jp2", "labels/Aachen/2019/7.png")
    entries = entries_of(tmp_path, parse_layout(FULL))
    home = tmp_path / "Aachen/S-2019"
    assert entries["Aachen/2019/7"].files == {
        "image": of_bands([f"{home}/aachen_7_red.tif", f"{home}/Aachen_7_green.jp2"]),
        "labels": f"{tmp_path}/labels/Aachen/2019/7.png",
    }
    assert entries["Aachen/2019/8"].files == {"image": of_bands(["", f"{home}/Aachen_8_green.jp2"])}
    inspection = inspect_layout(DISK, tmp_path, parse_layout(FULL))
    assert (inspection.tiles, inspection.complete) == (2, 1)
    assert [(count.layer, count.files) for count in inspection.layers] == [("image", 2), ("labels", 1)]


def test_lists_may_be_json_or_a_column_of_a_table(tmp_path: Path) -> None:
    put(tmp_path, "Aachen/S-2019/aachen_7_red.tif", "splits/a/b/none.txt")
    (tmp_path / "splits/a/b/train.json").write_text('["Aachen/2019/7"]')
    (tmp_path / "splits/val.csv").write_text("path,x\nlabels/Aachen/2019/7.png,1\n")
    (tmp_path / "splits/bad.csv").write_text("file\n7\n")
    dataset, adapter = open_dataset(tmp_path, layout=parse_layout(FULL))
    assert {
        split.path: [adapter.tile_of_line(split, line.text) for line in split.lines if line.text]
        for split in dataset.lists
    } == {"splits/a/b/train.json": ["Aachen/2019/7"], "splits/val.csv": ["Aachen/2019/7"]}
    assert [problem for problem in dataset.problems if "bad.csv" in problem]


def test_a_link_to_itself_does_not_keep_a_search_for_lists_going(tmp_path: Path) -> None:
    put(tmp_path, "photos/1.tif", "lists/a.txt")
    for name in ("one", "two", "three"):
        (tmp_path / "lists" / name).symlink_to(tmp_path / "lists", target_is_directory=True)
    dataset, _ = open_dataset(tmp_path, layout=parse_layout('lists = ["**/*.txt"]\n' + PHOTOS))
    assert "lists/a.txt" in [split.path for split in dataset.lists]


def test_tiles_in_folders_of_their_own_are_named_by_them(tmp_path: Path) -> None:
    put(tmp_path, "north/tile-1/RGB.tif", "north/tile-1/dsm.tif", "south/tile-1/rgb.tif", "south/docs/rgb.tif")
    place = 'folder = "{part}/tile-{tile}"'
    layout = described(
        f'id = "i"\n{place}\nfile = "rgb.tif"\nkind = "optical"', f'id = "h"\n{place}\nfile = "dsm"\nkind = "height"'
    )
    entries = entries_of(tmp_path, layout)
    assert {tile: (sorted(entry.files), entry.missing) for tile, entry in entries.items()} == {
        "north/1": (["h", "i"], ()),
        "south/1": (["i"], ("h",)),
    }


def test_a_file_may_be_several_layers_that_take_different_bands(tmp_path: Path) -> None:
    put(tmp_path, "lc/1.tif")
    layout = described(
        'id = "igbp"\nfolder = "lc"\nkind = "labels"\ntake = [0]',
        'id = "lccs"\nfolder = "lc"\nkind = "labels"\ntake = [1]',
    )
    assert len(set(entries_of(tmp_path, layout)["1"].files.values())) == 1


# Proposals


def test_a_change_set_is_proposed_as_pair_and_mask_with_predictions_last(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(f"{folder}/{k}.png" for folder in ("predict_BIT", "label", "B", "A") for k in (1, 2)),
        "list/demo.txt",
    )
    layout = propose_layout(DISK, tmp_path)
    assert [(layer.spec.id, layer.spec.kind, layer.spec.date) for layer in layout.layers] == [
        ("a", LayerKind.OPTICAL, "pre"),
        ("b", LayerKind.OPTICAL, "post"),
        ("label", LayerKind.MASK, ""),
        ("predict_bit", LayerKind.MASK, ""),
    ]
    assert layout.lists == ("list/*.txt",)


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (
            ["images/1.jpg", "masks/1.png"],
            [("images", "images", "optical", "*"), ("masks", "masks", "labels", "*")],
        ),
        (
            ["Rural/images_png/0.png", "Rural/masks_png/0.png", "Urban/images_png/0.png", "Urban/masks_png/0.png"],
            [
                ("images_png", "{group}/images_png", "optical", "*"),
                ("masks_png", "{group}/masks_png", "labels", "*"),
            ],
        ),
        (
            ["img_dir/train/0.png", "img_dir/val/1.png", "ann_dir/train/0.png"],
            [("img_dir", "img_dir/{group}", "optical", "*"), ("ann_dir", "ann_dir/{group}", "labels", "*")],
        ),
        (
            ["aachen/1_rgb.jp2", "aachen/1_dem.tif", "bonn/2_rgb.jp2", "bonn/2_dem.tif"],
            [("rgb", "{group}", "optical", "*_rgb"), ("dem", "{group}", "height", "*_dem")],
        ),
        (
            ["1_sat.jpg", "1_mask.png", "2_sat.jpg", "2_mask.png", "overview.png"],
            [("sat", ".", "optical", "*_sat"), ("mask", ".", "labels", "*_mask")],
        ),
        (
            ["image/img_1.tif", "image/img_2.tif", "dsm/dsm_1.tif", "dsm/dsm_2.tif"],
            [("image", "image", "optical", "img_*"), ("dsm", "dsm", "height", "dsm_*")],
        ),
        (
            ["rgb/1.tif", "rgb/2.tif", "depth/1_depth.png", "depth/2_depth.png"],
            [("rgb", "rgb", "optical", "*"), ("depth", "depth", "height", "*_depth")],
        ),
        (["foo/1.tif", "bar/1.tif"], [("bar", "bar", "optical", "*"), ("foo", "foo", "optical", "*")]),
        (["1.tif", "2.tif"], [("image", ".", "optical", "*")]),
        (
            ["images/1.jpg", "captions/1.txt", "docs/manual.pdf", "images/train.txt"],
            [("images", "images", "optical", "*"), ("captions", "captions", "text", "*")],
        ),
        (
            ["images/1.jpg", "images/2.jpg", "labels/1.png", "labels/2.png", "figures/cover.png"],
            [("images", "images", "optical", "*"), ("labels", "labels", "labels", "*")],
        ),
    ],
)
def test_layers_are_proposed_from_names(names: list[str], layers: list[tuple[str, ...]], tmp_path: Path) -> None:
    put(tmp_path, *names)
    assert proposed(tmp_path) == layers
    layout = propose_layout(DISK, tmp_path)
    assert parse_layout(dump_layout(layout)) == layout
    entries = entries_of(tmp_path, layout)
    assert any(len(entry.files) == len(layers) for entry in entries.values())


def test_where_there_is_no_raster_the_person_is_told_what_to_bring(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt")
    with pytest.raises(DatasetNotFoundError, match=r"no rasters under .*: expected folders of \.tif"):
        propose_layout(DISK, tmp_path)


def test_the_inspection_counts_what_a_layout_finds(tmp_path: Path) -> None:
    put(tmp_path, *(f"images/{k}.jpg" for k in (1, 2, 10)), "labels/1.png", "labels/x.png", "figures/cover.png")
    inspection = inspect_layout(DISK, tmp_path, propose_layout(DISK, tmp_path))
    assert (inspection.tiles, inspection.complete, inspection.unused) == (4, 1, ("figures",))
    images, labels = inspection.layers
    assert (images.files, images.examples, images.lonely) == (3, ("1.jpg", "2.jpg", "10.jpg"), ("2", "10"))
    assert (labels.files, labels.lonely) == (2, ("x",))


def test_the_format_folders_takes_the_proposal(tmp_path: Path) -> None:
    put(tmp_path, "A/1.png", "B/1.png", "label/1.png")
    with pytest.raises(DatasetNotFoundError, match="may be the layers A, B, label: open it with the format 'folders'"):
        open_dataset(tmp_path)
    dataset, adapter = open_dataset(tmp_path, "folders")
    assert [layer.id for layer in dataset.layers] == ["a", "b", "label"]
    assert [entry.id for entry in adapter.scan(dataset)] == ["1"]


def test_nothing_is_written_beside_the_tiles(tmp_path: Path) -> None:
    put(tmp_path, "A/1.png", "B/1.png")
    before = sorted(tmp_path.rglob("*"))
    dataset, adapter = open_dataset(tmp_path, "folders")
    list(adapter.scan(dataset))
    assert sorted(tmp_path.rglob("*")) == before

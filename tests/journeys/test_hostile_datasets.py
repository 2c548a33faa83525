"""What strangers put into a dataset: it opens with a remark, or a sentence says why not. In seconds, and never an accident."""

import os
from pathlib import Path

import pytest

from rsviewer.core.errors import RsviewerError, SettingsError
from rsviewer.data.catalogue import in_natural_order, natural
from rsviewer.data.detect import open_dataset
from rsviewer.data.patterns import Pattern
from tests.data.samples.rasters import put_raster, ramp

LAYER = '[[layers]]\nid = "a"\nfolder = "opt"\nkind = "optical"\n'


def opened(root: Path, description: str) -> list[str]:
    """The tiles of a dataset whose root holds a description."""
    (root / "rsviewer-dataset.toml").write_text(description, encoding="utf-8")
    dataset, adapter = open_dataset(root)
    return [entry.id for entry in adapter.scan(dataset)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put_raster(tmp_path / "data" / "opt" / f"{'a' * 200}!.tif", ramp(0, 3))
    return tmp_path / "data"


# --- descriptions that lie in the dataset


HOSTILE = {
    "a number of hundreds of digits": LAYER + "nodata = 1" + "0" * 400,
    "a scale of hundreds of digits": LAYER + "scale = 1" + "0" * 400,
    "an offset of hundreds of digits": LAYER + "offset = 1" + "0" * 400,
    "a number of thousands of digits": LAYER + "nodata = " + "9" * 5000,
    "a hexadecimal number of thousands of digits": LAYER + "title = 0x" + "f" * 10_000,
    "a band beyond all files": LAYER + "take = [1" + "0" * 30 + "]",
    "a class beyond all rasters": LAYER + "classes = [{ value = 1" + "0" * 30 + ', name = "x", color = "#ffffff" }]',
    "a root with a sign that ends names": 'root = "a\\u0000b"\n' + LAYER,
    "a folder with a sign that ends names": LAYER.replace('"opt"', '"o\\u0000t"'),
    "a root somewhere else": 'root = "/"\n' + LAYER,
    "a root above": 'root = "opt/../.."\n' + LAYER,
    "a drive": 'root = "C:/"\n' + LAYER,
    "lists in a thousand folders that are none": 'lists = ["' + "./" * 2000 + 'a"]\n' + LAYER,
    "lists in any folder of any folder": 'lists = ["' + "**/" * 2000 + 'a"]\n' + LAYER,
    "a thousand patterns of lists": "lists = [" + '"**/x",' * 1000 + "]\n" + LAYER,
    "a pattern of ten thousand stars": 'lists = ["' + "*a" * 10_000 + '"]\n' + LAYER,
    "parentheses in parentheses": 'group = "' + "(" * 300 + "a" * 400 + ")" * 300 + '("\n' + LAYER,
    "a pattern that looks ahead": 'group = "(a(?=b))"\n' + LAYER,
    "a pattern that refers back": 'group = "(a+)\\\\1"\n' + LAYER,
    "thousands of placeholders": LAYER.replace('"opt"', '"' + "/".join(f"{{p{k}}}" for k in range(3000)) + '"'),
    "65,536 files a tile": "".join(
        f'[[layers]]\nid = "l{k}"\nfolder = "opt"\nkind = "optical"\nfiles = ['
        + ",".join(f'"{{tile}}_{k}_{band}.tif"' for band in range(256))
        + "]\n"
        for k in range(256)
    ),
    "more combinations than a menu holds": LAYER
    + 'bands = ["r"]\ncombinations = ['
    + '{ name = "x", bands = ["r"] },' * 5000
    + "]",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_description_that_asks_for_too_much_is_refused_in_one_sentence(root: Path, what: str) -> None:
    with pytest.raises(RsviewerError) as error:
        opened(root, HOSTILE[what])
    assert len(str(error.value)) < 1500
    assert "\0" not in str(error.value)


def test_a_pattern_takes_no_longer_than_the_name_is_long(root: Path) -> None:
    """Python's own engine would not live to see the end of this."""
    assert opened(root, 'group = "(a+)+$"\n' + LAYER) == ["a" * 200 + "!"]
    assert Pattern("(a|aa)+$").found_in(["a" * 5000 + "!"]) == {"a" * 5000 + "!": ""}


def test_a_pattern_finds_the_group_in_names_of_any_kind() -> None:
    names = ["a_1", "_", "\udcff_2", "t\n_3", "é_4"]
    assert Pattern("^([^_]*)_").found_in(names) == {
        "a_1": "a",
        "_": "",
        "\udcff_2": r"\xff",
        "t\n_3": r"t\x0a",
        "é_4": "é",
    }
    assert Pattern("(a)").found_in([]) == {}


def test_placeholders_in_long_names_of_tiles_and_lines_take_no_longer_than_these(root: Path) -> None:
    for number in range(40):
        (root / f"{'xy' * 120}{number}").mkdir()
    (root / "train.txt").write_text(("xy" * 50_000 + "\n") * 3, encoding="utf-8")
    layer = LAYER.replace('"opt"', '"{p}x{q}y{r}!"') + 'file = "{p}{q}{tile}!.tif"\n'
    with pytest.raises(RsviewerError, match="None of the folders"):
        opened(root, layer)
    again = LAYER.replace('"opt"', '"{p}"') + 'file = "{p}_{tile}_!.tif"\n'
    assert all(len(tile) > 1000 for tile in opened(root, 'lists = ["train.txt"]\n' + again))


def test_the_description_may_lead_elsewhere_when_it_is_opened_itself(root: Path, tmp_path: Path) -> None:
    description = tmp_path / "elsewhere" / "mine.toml"
    description.parent.mkdir()
    description.write_text('root = "../data"\n' + LAYER, encoding="utf-8")
    assert open_dataset(description)[0].root == root
    (description.parent / "rsviewer-dataset.toml").write_text(f'root = "{root.as_posix()}"\n{LAYER}', encoding="utf-8")
    with pytest.raises(SettingsError, match="leads out of its folder"):
        open_dataset(description.parent)


# --- names and lines


def test_names_that_are_numbers_of_any_length_have_an_order() -> None:
    long = "9" * 5000
    names = [f"{long}_2", "10", long, "9", f"x{long}", "9" * 700]
    assert sorted(names, key=natural) == ["9", "10", "9" * 700, long, f"{long}_2", f"x{long}"]
    assert in_natural_order(names) == sorted(names, key=natural)


@pytest.mark.parametrize("line", ["9" * 5000, "a/" * 30_000, "\\" * 50_000, "a " * 50_000, "." * 100_000])
def test_a_line_of_any_length_is_a_tile_without_files(root: Path, line: str) -> None:
    (root / "train.txt").write_text(f"{line}\n{'a' * 200}!\n", encoding="utf-8")
    layer = LAYER.replace('"opt"', '"{group}"')
    (root / "lidar").mkdir()
    (root / "lidar" / f"b{os.extsep}tif").touch()
    assert len(opened(root, 'lists = ["train.txt"]\n' + layer)) == 3

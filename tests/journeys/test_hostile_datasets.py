"""What strangers put into a dataset: it opens with a remark, or a sentence says why not. In seconds, and never an accident."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsviewer.core.errors import DatasetNotFoundError, ExportError, RsviewerError, SettingsError
from rsviewer.data.catalogue import in_natural_order, natural
from rsviewer.data.detect import detect, open_dataset
from rsviewer.data.patterns import Pattern
from rsviewer.data.tree import Disk, Name
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


class Endless(Disk):
    """Folders without end, the same everywhere: who lists all names of one never comes back."""

    FOLDERS = ("naip", "Berlin", "x" * 5000)

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        if folder != "/r" and not self.is_folder(folder):
            raise FileNotFoundError(folder)
        few = (Named(name, True) for name in self.FOLDERS if len(folder) < 40)
        yield chain(few, (Named(f"{number}_1_x.png", False) for number in count()))

    def names(self, folder: str) -> list[str]:
        raise AssertionError(f"{folder} is listed to its end")

    def is_folder(self, path: str) -> bool:
        return path.rpartition("/")[2] in self.FOLDERS

    def is_file(self, path: str) -> bool:
        return False


class Named(NamedTuple):
    name: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder


def test_a_folder_without_end_is_refused_by_its_first_names() -> None:
    with pytest.raises(DatasetNotFoundError) as error:
        detect(Path("/r"), None, Endless())
    assert len(str(error.value)) < 1500


def test_a_table_with_absurd_columns_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "SkyScript_x.csv").write_bytes(b"9" * 60_000)
    with pytest.raises(DatasetNotFoundError, match="it has no column 'filepath'") as error:
        open_dataset(tmp_path)
    assert len(str(error.value)) < 1500


# --- tables


TABLES = st.lists(
    st.sampled_from(
        [
            *("a", "b", "images2/a1_US_19.jpg", "images2/a2_US_19.jpg", "x.jpg", "é", "'", " ", "./", "\\", "\0"),
            *(",", ",", "\n", "\n", "\r\n", "\r", '"', '""', '","', '"\n'),
        ]
    ),
    min_size=1,
    max_size=24,
).map("".join)


@given(header=st.sampled_from(["filepath,title\n", "title,filepath\n", "filepath\n"]), body=TABLES)
@settings(max_examples=60, deadline=None)
def test_a_table_names_the_same_tiles_in_the_queue_and_in_the_export_or_is_not_cleaned(header: str, body: str) -> None:
    """Two programs read it, ours and DuckDB: where they could differ the wrong rows would go."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "images2").mkdir()
        (Path(folder) / "images2" / "a1_US_19.jpg").touch()
        (Path(folder) / "SkyScript_x.csv").write_bytes((header + body).encode())
        dataset, adapter = open_dataset(Path(folder))
        shown = {entry.id for entry in adapter.scan(dataset) if "x" in entry.splits}
        (split,) = dataset.lists
        with contextlib.suppress(ExportError):
            named = {adapter.tile_of_line(split, line.text) for line in split.lines if line.text}
            assert named - {""} == shown


def test_a_quotation_mark_without_end_keeps_a_table_from_being_cleaned_and_not_from_being_seen(tmp_path: Path) -> None:
    (tmp_path / "images2").mkdir()
    (tmp_path / "SkyScript_x.csv").write_bytes(b'filepath,title\na.jpg,one\nb.jpg,"two\nc.jpg,three\n')
    dataset, adapter = open_dataset(tmp_path)
    assert next(entry.id for entry in adapter.scan(dataset)) == "a"
    with pytest.raises(ExportError, match=r"The table SkyScript_x\.csv has a quotation mark that begins a field"):
        list(dataset.lists[0].lines)


def test_a_table_of_blank_rows_and_images_whose_names_are_no_text_open(tmp_path: Path) -> None:
    (tmp_path / "images2").mkdir()
    (tmp_path / "images2" / os.fsdecode(b"\xff.jpg")).touch()
    (tmp_path / "SkyScript_x.csv").write_bytes(b"filepath,title\n,\n\n,x\n")
    dataset, adapter = open_dataset(tmp_path)
    assert [entry.id for entry in adapter.scan(dataset)] == [r"images2/\xff"]


def test_a_table_that_is_not_utf_8_names_the_same_tiles_everywhere(tmp_path: Path) -> None:
    (tmp_path / "images2").mkdir()
    (tmp_path / "SkyScript_x.csv").write_bytes(b"filepath,title\nimages2/\xc3\xa9.jpg,x\nimages2/b.jpg,\xff\n")
    dataset, adapter = open_dataset(tmp_path)
    shown = [entry.id for entry in adapter.scan(dataset)]
    assert [adapter.tile_of_line(dataset.lists[0], line.text) for line in dataset.lists[0].lines if line.text] == shown

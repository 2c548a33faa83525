"""Text files that are lists, and lines that name tiles."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import ExportError
from rsviewer.core.splits import ListForm, render_list
from rsviewer.data.catalogue import fold, in_natural_order, natural, plain_line, tile_name, without_suffix
from rsviewer.data.lists import is_split_name, read_split_list
from rsviewer.data.tree import DISK

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.binary(min_size=1, max_size=8).map(
    os.fsdecode
)
"""Also names that are not UTF-8, as Python sees them."""


@pytest.mark.parametrize(
    ("text", "tile"),
    [
        ("0000449416-1", "0000449416-1"),
        ("aachen_1.tif", "aachen_1"),
        ("aachen_1.TIFF", "aachen_1"),
        ("opt/aachen_1.tif", "aachen_1"),
        ("./opt\\aachen_1", "aachen_1"),
        ("img/7.png label/7.png", "7"),
        ("img/7.png,label/7.png", "7"),
        ("7.png\t7.png 1", "7"),
        ("a name with blanks", "a name with blanks"),
        ("a name with blanks.tif", "a name with blanks"),
        ("Switzerland0.5", "Switzerland0.5"),
        (".tif", ".tif"),
        ("/", "/"),
    ],
)
def test_a_line_means_the_tile(text: str, tile: str) -> None:
    line = plain_line(text)
    assert line.absent == tile
    assert tile in line.tiles


@given(NAMES)
def test_every_line_means_something(text: str) -> None:
    line = plain_line(text)
    assert line.absent
    assert line.tiles[0] == text


@given(NAMES, NAMES)
def test_different_names_stay_different_on_one_line_of_utf_8(one: str, other: str) -> None:
    assert (tile_name(one) == tile_name(other)) == (one == other)
    assert len(tile_name(one).encode().splitlines()) == 1


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_in_names_are_in_order(one: int, other: int) -> None:
    assert (natural(f"tile_{one}") < natural(f"tile_{other}")) == (one < other)


@given(st.lists(st.text(alphabet="a9_", max_size=4)))
def test_any_names_can_be_put_in_natural_order(names: list[str]) -> None:
    """tile beside tile9, once a TypeError: a word and a number cannot be compared."""
    assert sorted(sorted(names, key=natural)) == sorted(names)


@given(st.lists(st.from_regex(r"(tile_|t)?[0-9]{1,3}(_[ab])?", fullmatch=True), unique=True, max_size=6))
def test_the_fast_ways_of_sorting_give_the_same_order(names: list[str]) -> None:
    assert in_natural_order(names) == sorted(names, key=natural)


@given(NAMES)
def test_folding_ignores_case(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold("STRASSE") == fold("straße")


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_only_suffixes_of_tiles_are_taken_off(name: str) -> None:
    assert without_suffix(f"{name}.tif") == name
    assert without_suffix(f"{name}.v2") == f"{name}.v2"


@pytest.mark.parametrize(
    "name", ["train", "Test", "JK-train", "select_train", "train_25", "val.syn", "all", "fold 3", "fold3"]
)
def test_names_that_promise_a_list(name: str) -> None:
    assert is_split_name(name)


@pytest.mark.parametrize("name", ["README", "LICENSE", "classes", "constraints", "latest", "requirements", "0001"])
def test_names_that_do_not(name: str) -> None:
    assert not is_split_name(name)


def test_a_table_is_read_when_its_rows_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "dataframe" / "train.csv"
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbffilepath,title\nimages2/a.jpg,x\n")

    split = read_split_list(DISK, path, tmp_path, "", ListForm.CSV, "filepath")
    path.write_bytes(b"\xef\xbb\xbffilepath,title\nimages2/b.jpg,x\n")

    assert (split.name, split.path) == ("train", "dataframe/train.csv")
    assert [line.text for line in split.lines] == ["", "images2/b.jpg"]
    assert render_list(split) == path.read_bytes()


def test_a_table_that_changes_while_it_is_read_is_not_exported(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"filepath\na\nb\n")
    split = read_split_list(DISK, path, tmp_path, "", ListForm.CSV, "filepath")
    assert len(split.lines) == 3

    path.write_bytes(b"filepath\na\n")

    with pytest.raises(ExportError, match="changed meanwhile"):
        render_list(split)


@pytest.mark.parametrize(
    ("form", "raw", "clause"),
    [
        (ListForm.CSV, b"path\na\n", "it has no column 'filepath', but path"),
        (ListForm.JSON, b'{"a": 7}', "it is not an object of arrays of names"),
    ],
)
def test_a_list_in_another_shape_cannot_be_read(tmp_path: Path, form: ListForm, raw: bytes, clause: str) -> None:
    path = tmp_path / "train.any"
    path.write_bytes(raw)

    with pytest.raises(OSError, match="it ") as caught:
        read_split_list(DISK, path, tmp_path, "", form, "filepath")
    assert caught.value.strerror.startswith(clause)

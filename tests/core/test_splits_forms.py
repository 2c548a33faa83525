"""Lists that are JSON or a column of a CSV."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import (
    ExportOptions,
    ExportPlan,
    ListForm,
    SplitList,
    clean,
    diff,
    names,
    parse_csv_list,
    parse_json_list,
    parse_list,
    plan,
    render_list,
)
from rsviewer.core.tile import TileId


def json_list(raw: bytes, name: str = "train") -> SplitList:
    return parse_json_list(raw, name=name, path=f"{name}.json", group="")


def csv_list(raw: bytes, name: str = "train", column: str = "filepath") -> SplitList:
    return parse_csv_list(raw, name=name, path=f"{name}.csv", group="", column=column)


def texts(split: SplitList) -> list[str]:
    return [line.text for line in split.lines if line.text]


def without(split: SplitList, *gone: str) -> bytes:
    return render_list(clean(split, lambda line: line.text in gone))


def planned(lists: list[SplitList], *dropped: str) -> ExportPlan:
    tiles = {TileId(text): "" for split in lists for text in texts(split)}
    decisions = {TileId(tile): Decision(Verdict.DROP) for tile in dropped}
    return plan(lists, tiles, decisions, lambda _, text: TileId(text), ExportOptions())


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (b'["a","b","c"]', b'["a","c"]'),
        (b'["a", "c", "b"]\n', b'["a", "c"]\n'),
        (b'["b", "a", "c"]', b'["a", "c"]'),
        (b'[\r\n  "a",\r\n  "b"\r\n]\r\n', b'[\r\n  "a"\r\n]\r\n'.replace(b'"a"\r\n', b'"a"')),
        (b'[ "b" , "b" ]', b"[ ]"),
        (b'["b"]', b"[]"),
        (b'{"x": ["a", "b"], "y": ["b"], "z": []}', b'{"x": ["a"], "y": [], "z": []}'),
        (b'\xef\xbb\xbf["b","a"]', b'\xef\xbb\xbf["a"]'),
        (b'["\\u0062", "a"]', b'["a"]'),
    ],
)
def test_cleaned_json_is_the_json_minus_the_dropped_names(raw: bytes, cleaned: bytes) -> None:
    split = json_list(raw)

    assert render_list(split) == raw
    assert without(split, "b") == cleaned


def test_short_arrays_name_a_tile_by_their_members() -> None:
    split = json_list(b'[[1867, 3287],\n [1868,3287 , "x y"]\n, [-1, 2]]')

    assert texts(split) == ["1867_3287", "1868_3287_x y", "-1_2"]
    assert json.loads(without(split, "1868_3287_x y")) == [[1867, 3287], [-1, 2]]
    assert json.loads(without(split, "1868_3287_x y", "-1_2")) == [[1867, 3287]]


names_in_json = st.text(max_size=4) | st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3)
documents = st.lists(names_in_json) | st.dictionaries(st.text(max_size=3), st.lists(names_in_json))


@given(
    documents,
    st.sampled_from([None, 0, 2, "\t"]),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
    st.booleans(),
    st.data(),
)
def test_json_stays_json_whatever_goes(
    document: object, indent: int | str | None, separators: tuple[str, str], ascii_only: bool, data: st.DataObject
) -> None:
    raw = json.dumps(document, indent=indent, separators=separators, ensure_ascii=ascii_only)
    split = json_list(raw.encode("utf-8", "surrogatepass"))
    gone = {text for text in texts(split) if data.draw(st.booleans())}

    assert render_list(split) == raw.encode("utf-8", "surrogatepass")
    left = render_list(clean(split, lambda line: line.text in gone))
    json.loads(left.decode("utf-8", "surrogatepass"))
    assert texts(json_list(left)) == [text for text in texts(split) if text not in gone]


@given(
    st.binary()
    | st.text(alphabet='[]{}",: \n1a\\').map(str.encode)
    | st.recursive(st.none(), st.lists).map(json.dumps).map(str.encode)
)
def test_json_that_is_no_list_is_refused_in_a_clause(raw: bytes) -> None:
    try:
        split = json_list(raw)
    except ValueError as error:
        clause = str(error)
    else:
        clause = "it is a list"
        assert render_list(split) == raw
        assert len(texts(split)) <= len(raw)
    assert clause.startswith("it ")


@pytest.mark.parametrize(
    ("raw", "clause"),
    [
        (b"", "it is cut off"),
        (b'["a", "b"', "it is cut off"),
        (b'["a", {"b": 1}]', "it is not an array of names: '{\"b\": 1}]' stands at byte 6"),
        (b'["a", [["b"]]]', "it is not an array of names: '[[\"b\"]]]' stands at byte 6"),
        (b'["a", 7]', "it is not an array of names: '7]' stands at byte 6"),
        (b'{"a": 1}', "it is not an object of arrays of names: '\"a\": 1}' stands at byte 1"),
        (b'["a"] x', "it is not an array of names: 'x' stands at byte 6"),
        (b'"a"', "it is not an array of names: '\"a\"' stands at byte 0"),
        ('["a"]'.encode("utf-16"), "it is in UTF-16; only UTF-8 can be read"),
        (b"[" * 100_000, "it is not an array of names"),
    ],
)
def test_what_is_wrong_with_json_is_said_with_its_place(raw: bytes, clause: str) -> None:
    with pytest.raises(ValueError, match=r"^it ") as caught:
        json_list(raw)
    assert str(caught.value).startswith(clause)


TABLE = (
    b"filepath,title\r\n"
    b'images2/a.jpg,"a satellite image of a ""house"", and\r\na road"\r\n'
    b"images2/b.jpg,caf\xe9\r\n"
    b'"images2/c,d.jpg"\r\n'
    b"\r\n"
    b",nothing\r\n"
    b"images2/b.jpg,again,and,more"
)


def test_a_table_is_written_back_byte_for_byte_without_the_rows_of_dropped_tiles() -> None:
    split = csv_list(TABLE)

    assert texts(split) == ["images2/a.jpg", "images2/b.jpg", "images2/c,d.jpg", "images2/b.jpg"]
    assert names(split) == 4
    assert render_list(split) == TABLE
    assert (
        without(split, "images2/b.jpg", "images2/a.jpg") == b'filepath,title\r\n"images2/c,d.jpg"\r\n\r\n,nothing\r\n'
    )


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_column_is_found_by_name_wherever_it_is(mark: bytes) -> None:
    split = csv_list(mark + b'"similarity" , FilePath\n0.1, b\n0.2,"a"\n0.3\n')

    assert texts(split) == ["b", "a"]
    assert without(split, "b") == mark + b'"similarity" , FilePath\n0.2,"a"\n0.3\n'


@pytest.mark.parametrize(
    ("raw", "clause"),
    [
        (b"path,title\n", "it has no column 'filepath', but path, title"),
        (b"", "it has no header"),
        (b"\n\n", "it has no header"),
        ("filepath\na\n".encode("utf-16"), "it is in UTF-16; only UTF-8 can be read"),
    ],
)
def test_a_table_without_the_column_says_so(raw: bytes, clause: str) -> None:
    with pytest.raises(ValueError, match=r"^it ") as caught:
        csv_list(raw)
    assert str(caught.value) == clause


def test_a_quotation_mark_within_a_field_is_only_a_character() -> None:
    split = csv_list(b'filepath,title\na,5" pipe\nb,6" pipe\nc,"never closed\nd,x\n')

    assert texts(split) == ["a", "b", "c", "d"]


cells = st.text(alphabet='ab ,"\n;é', max_size=5)


@given(st.lists(st.lists(cells, min_size=1, max_size=4)), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_records_are_those_that_were_written(rows: list[list[str]], end: str, last: bool, quote_all: bool) -> None:
    file = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(file, lineterminator=end, quoting=quoting).writerows([["filepath", "title"], *rows])
    raw = (file.getvalue() if last else file.getvalue().removesuffix(end)).encode()
    split = csv_list(raw)

    assert render_list(split) == raw
    assert [line.text for line in split.lines[1:]] == [row[0].strip(" ") for row in rows]


@given(st.binary() | st.text(alphabet='a,"\n\r').map(str.encode))
def test_any_bytes_after_the_header_are_a_table(raw: bytes) -> None:
    split = csv_list(b"filepath\n" + raw)

    assert render_list(split) == b"filepath\n" + raw
    assert len(texts(split)) <= names(split)


def test_a_plan_cleans_every_form_and_sees_tiles_on_both_sides() -> None:
    lists = [
        csv_list(b"filepath\na\nb\nc\n", "train_top30pct"),
        json_list(b'["b", "c"]', "val_5K"),
        parse_list(b"a\nc\n", name="test", path="test.txt", group=""),
    ]

    result = planned(lists, "c")

    assert [render_list(each.after) for each in result.lists] == [b"filepath\na\nb\n", b'["b"]', b"a\n"]
    assert [each.dropped for each in result.lists] == [((4, "c"),), ((3, "c"),), ((2, "c"),)]
    assert [(each.names_before, each.names_after) for each in result.lists] == [(3, 2), (2, 1), (2, 1)]
    assert [(leak.tile, leak.training, leak.held_out) for leak in result.leaks] == [
        ("a", ("train_top30pct.csv",), ("test.txt",)),
        ("b", ("train_top30pct.csv",), ("val_5K.json",)),
    ]
    assert [each.after.form for each in result.lists] == [ListForm.CSV, ListForm.JSON, ListForm.LINES]


def test_a_diff_shows_records_and_names_as_they_stand_there() -> None:
    result = planned([csv_list(b'filepath,title\na,"one\ntwo"\nb,x\n'), json_list(b'[\n ["a", 1],\n "b"\n]')], "a", "b")

    assert [list(diff(change, context=1)) for change in result.lists] == [
        ["--- train.csv", "+++ train.csv", "@@ -1,3 +1,1 @@", " filepath,title", '-a,"one two"', "-b,x"],
        ["--- train.json", "+++ train.json", "@@ -2,3 +2,2 @@", ' ["a", 1],', '-"b"', " ]"],
    ]

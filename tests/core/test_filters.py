"""The language of the filter field: what it understands, and what it says where it does not."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsviewer.core.errors import FilterError
from rsviewer.core.filters import (
    MAX_CORNERS,
    MAX_DEPTH,
    MAX_TOKENS,
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Call,
    Column,
    ColumnType,
    Compare,
    Contains,
    Field,
    Holds,
    Inside,
    IsIn,
    IsNull,
    Like,
    Literal,
    Minus,
    Not,
    columns_of,
    inside,
    parse_filter,
    parse_sort,
    quoted,
)

SPLIT = Column("split", ColumnType.LIST, "lists that name the tile")
HEIGHT = Column("ndsm_max", ColumnType.NUMBER, "largest height")
VERDICT = Column("verdict", ColumnType.TEXT, "what was decided", ("undecided", "good", "drop"))
NOTE = Column("note", ColumnType.TEXT, "free text")
FLAGGED = Column("flagged", ColumnType.BOOL, "dropped or tagged")
LOWEST = Column("ndsm_min", ColumnType.NUMBER, "smallest height")
COLUMNS = (SPLIT, HEIGHT, VERDICT, NOTE, FLAGGED)
TWO = (*COLUMNS, LOWEST)


def number(value: float) -> Literal:
    return Literal(value, ColumnType.NUMBER)


def text(value: str) -> Literal:
    return Literal(value, ColumnType.TEXT)


TALL = Compare(">", Field(HEIGHT), number(80.0))
TRAIN = Holds(Field(SPLIT), (text("train"),))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("split = 'train' and ndsm_max > 80", AllOf((TRAIN, TALL))),
        ('SPLIT = "train" AND NDSM_MAX > 8e1', AllOf((TRAIN, TALL))),
        ("'train' == split", TRAIN),
        ("split != 'train'", Not(TRAIN)),
        ("split in ('train', 'test')", Holds(Field(SPLIT), (text("train"), text("test")))),
        ("split contains 'train'", TRAIN),
        ("split like 'train%'", Like(Field(SPLIT), "train%", ignore_case=False)),
        ("split", Not(IsNull(Field(SPLIT)))),
        ("flagged", Field(FLAGGED)),
        ("flagged = false", Compare("=", Field(FLAGGED), Literal(value=False, type=ColumnType.BOOL))),
        ("not flagged or ndsm_max > 80 and split = 'train'", AnyOf((Not(Field(FLAGGED)), AllOf((TALL, TRAIN))))),
        ("(not flagged or ndsm_max > 80) and split = 'train'", AllOf((AnyOf((Not(Field(FLAGGED)), TALL)), TRAIN))),
        ("verdict = 'Drop'", Compare("=", Field(VERDICT), text("drop"))),
        ("verdict not in ('good')", Not(IsIn(Field(VERDICT), (text("good"),)))),
        ("note ilike '%Roof%'", Like(Field(NOTE), "%Roof%", ignore_case=True)),
        ("note not like 'a'", Not(Like(Field(NOTE), "a", ignore_case=False))),
        ("note contains 'it''s'", Contains(Field(NOTE), text("it's"))),
        ("note is null", IsNull(Field(NOTE))),
        ("ndsm_max is not null", Not(IsNull(Field(HEIGHT)))),
        ("ndsm_max between -1 and 2", Between(Field(HEIGHT), Minus(number(1)), number(2))),
        ("length(note) >= .5", Compare(">=", Call("length", Field(NOTE), ColumnType.NUMBER), number(0.5))),
        ("ndsm_max ≤ 1", Compare("<=", Field(HEIGHT), number(1))),
        (
            "1 - 2 * 3 - 4 = 0",
            Compare(
                "=",
                Arithmetic(number(1), (("-", Arithmetic(number(2), (("*", number(3)),))), ("-", number(4)))),
                number(0),
            ),
        ),
        ("", None),
        (" \t\n", None),
    ],
)
def test_a_filter_means_what_it_says(written: str, meant: object) -> None:
    assert parse_filter(written, COLUMNS) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("ndms_max > 3", "There is no column 'ndms_max' (character 1). Did you mean ndsm_max?"),
        ("ndsm > 3", "There is no column 'ndsm' (character 1). Did you mean ndsm_max?"),
        ("split = train", "There is no column 'train' (character 9). If it is a text, put it in quotes: 'train'."),
        ("split > 'a'", "'split' (character 1) is a list: use =, !=, in or like with it."),
        ("verdict = 'dropped'", "verdict is never 'dropped' (character 11). Did you mean 'drop'?"),
        ("verdict in ('x')", "verdict is never 'x' (character 13). It can be undecided, good, drop."),
        ("ndsm_max", "'ndsm_max' (character 1) is a number: compare it, as in ndsm_max > 80."),
        ("flagged and note", "'note' (character 13) is text: compare it, as in note = 'text'."),
        ("flagged > 3", "'flagged' (character 1) is yes or no: write it alone, or not flagged."),
        ("ndsm_max = 'a'", "'a' (character 12) is text; here a number is needed."),
        ("ndsm_max + note > 3", "'note' (character 12) is text; here a number is needed."),
        ("abs(note) = 1", "'note' (character 5) is text; here a number is needed."),
        ("note like 3", "Expected a pattern in quotes after like, such as '%roof%' (character 11)."),
        ("note = 'abc", "The text that begins at character 8 has no closing '."),
        ("note = “abc”", "Write texts in straight quotes, 'like this', not in “ (character 8)."),
        ("flagged flagged", "Expected 'and' or 'or' before 'flagged' (character 9)."),
        ("(flagged", "Expected ) to close the one at character 1, not the end (character 9)."),
        ("ndsm_max > 1e999", "1e999 (character 12) is too large a number."),
        (
            "read_csv('x')",
            "There is no function 'read_csv' (character 1). There are abs, inside, length, lower, upper.",
        ),
        ("flagged; flagged", "';' (character 8) means nothing in an expression."),
        ("3", "Expected a comparison at character 1, such as ndsm_max > 80 or split = 'train'."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_way_out(written: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(written, COLUMNS)
    assert str(caught.value) == message


def test_a_sort_order_has_keys_and_directions() -> None:
    height, name = parse_sort("ndsm_max - 2 desc, note", COLUMNS)
    assert height.descending
    assert columns_of(height.value) == {"ndsm_max"}
    assert (name.value, name.descending) == (Field(NOTE), False)
    assert parse_sort("", COLUMNS) == ()


@pytest.mark.parametrize("written", ["split", "ndsm_max down", "note,", "note desc asc", "(note asc)"])
def test_a_sort_order_that_means_nothing_is_refused(written: str) -> None:
    with pytest.raises(FilterError):
        parse_sort(written, COLUMNS)


@pytest.mark.parametrize("opening", ["(", "not ", "-", "+", "abs("])
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(opening: str) -> None:
    with pytest.raises(FilterError, match="nested too deeply"):
        parse_filter(opening * (MAX_DEPTH + 1) + "ndsm_max", COLUMNS)


def test_an_endless_expression_is_refused() -> None:
    with pytest.raises(FilterError, match="too long"):
        parse_filter("flagged or " * MAX_TOKENS + "flagged", COLUMNS)


def test_the_columns_of_a_filter_are_known() -> None:
    condition = parse_filter(
        "split like 'a' or not (ndsm_max in (1) and abs(ndsm_max) between 1 and 2) or note contains verdict or flagged",
        COLUMNS,
    )
    assert condition is not None
    assert columns_of(condition) == {"split", "ndsm_max", "note", "verdict", "flagged"}


VOCABULARY = """
and or not in between like contains is null true ( ) , = < - * / split ndsm_max verdict note flagged abs length
'drop' "train" 80 1.5 desc -- ;
"""
WORDS = st.sampled_from(VOCABULARY.split())


@given(st.text() | st.lists(WORDS, max_size=30).map(" ".join))
@example("'")
@example("\x00")
@example("\ud800")
@example("not")
@example("split not")
@example("note not 'in'")
def test_any_text_is_either_understood_or_refused_politely(written: str) -> None:
    for parse in (parse_filter, parse_sort):
        with contextlib.suppress(FilterError):
            parse(written, COLUMNS)


def test_a_polygon_of_two_columns_is_a_condition_like_others() -> None:
    triangle = Inside(LOWEST, HEIGHT, ((0.0, 0.0), (-4.5, 0.0), (0.0, 3e3)))
    written = "inside(ndsm_min, NDSM_max, 0, 0, -4.5, 0, 0, 3e3)"
    assert parse_filter(written, TWO) == triangle
    assert parse_filter(f"flagged and not {written}", TWO) == AllOf((Field(FLAGGED), Not(triangle)))
    assert columns_of(triangle) == {"ndsm_min", "ndsm_max"}


def test_a_drawn_polygon_is_written_so_that_it_is_understood() -> None:
    corners = ((0.125, -3.0), (12.5, 4e-7), (1e9, 0.0))
    assert parse_filter(inside("ndsm_min", "ndsm_max", corners), TWO) == Inside(LOWEST, HEIGHT, corners)


@given(st.text())
def test_a_quoted_text_comes_back_as_it_was(words: str) -> None:
    assert parse_filter(f"note = {quoted(words)}", TWO) == Compare("=", Field(NOTE), text(words))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("inside(ndsm_min, ndsm_max, 0, 0, 1, 1)", "has 2 corners; a polygon needs 3 to 64"),
        (f"inside(ndsm_min, ndsm_max{', 1' * 2 * (MAX_CORNERS + 1)})", "has 65 corners"),
        ("inside(ndsm_min, ndsm_max, 0, 0, 1, 1, 2)", "The last corner of inside (character 1) has no y"),
        ("inside(ndsm_min, note, 0, 0, 1, 1, 2, 2)", "'note' (character 18) is text; here a number is needed"),
        ("inside(ndsm_min, 3, 0, 0, 1, 1, 2, 2)", "Expected a column of numbers, not '3'"),
        ("inside(ndsm_min, ndsm_max, ndsm_min, 0, 1, 1, 2, 2)", "Expected a number, not 'ndsm_min'"),
        ("inside(nosuch, ndsm_max, 0, 0, 1, 1, 2, 2)", "There is no column 'nosuch'"),
        ("inside(ndsm_min, ndsm_max, 0, 0, 1, 1, 2, 2", "Expected ) after the corners of inside"),
        ("inside", "There is no column 'inside'"),
        ("nosuch(ndsm_min) = 1", "There are abs, inside, length, lower, upper."),
    ],
)
def test_a_polygon_that_is_none_is_refused(written: str, message: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse_filter(written, TWO)
    assert message in str(refused.value)

"""What is offered while a filter is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.completing import completions
from rsviewer.core.filters import Column, ColumnType

COLUMNS = (
    Column("split", ColumnType.LIST, "lists that name the tile"),
    Column("ndsm_max", ColumnType.NUMBER, "largest height"),
    Column("ndsm_min", ColumnType.NUMBER, "smallest height"),
    Column("verdict", ColumnType.TEXT, "what was decided", ("undecided", "good", "drop")),
    Column("group", ColumnType.TEXT, "area"),
    Column("reviewed", ColumnType.BOOL, "a verdict was given"),
)
VALUES = {"split": ("train", "test"), "group": ("it's", "b")}


def offered(marked: str) -> list[str]:
    """What is offered where a bar stands in the text."""
    cursor = marked.index("|")
    return [item.text for item in completions(marked.replace("|", ""), cursor, COLUMNS, VALUES).items]


def accepted(marked: str, text: str) -> str:
    """The text after one of the offers is taken, with a bar for the cursor."""
    cursor = marked.index("|")
    found = completions(marked.replace("|", ""), cursor, COLUMNS, VALUES)
    item = next(item for item in found.items if item.text == text)
    after, at = found.applied(marked.replace("|", ""), item)
    return f"{after[:at]}|{after[at:]}"


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("nd|", ["ndsm_max", "ndsm_min"]),
        ("max|", ["ndsm_max"]),
        ("not rev|", ["reviewed"]),
        ("(spl|", ["split"]),
        ("ndsm_max > ndsm_m|", ["ndsm_max", "ndsm_min"]),
        ("split = |", ["'train'", "'test'"]),
        ("split = 'te|", ["'test'"]),
        ("split in ('train', |", ["'train'", "'test'"]),
        ("split not in (t|", ["'train'", "'test'"]),
        ("verdict != |", ["'undecided'", "'good'", "'drop'"]),
        ("group = |", ["'it''s'", "'b'"]),
        ("split contains tr|", ["'train'"]),
        ("ndsm_max |", [">", "<"]),
        ("ndsm_max b|", ["between"]),
        ("ndsm_max is |", ["null", "not null"]),
        ("reviewed |", ["and", "or"]),
        ("ndsm_max > 3 a|", ["and"]),
        ("ins|", ["inside()"]),
        ("ndsm_max > le|", ["length()"]),
    ],
)
def test_what_may_come_next_is_offered_first(typed: str, first: list[str]) -> None:
    assert offered(typed)[: len(first)] == first


@pytest.mark.parametrize("typed", ["reviewed|", "split = 'train'|", "note = 'rev|", "ndsm_max > 80|", "reviewed and|"])
def test_where_all_is_typed_nothing_is_offered(typed: str) -> None:
    assert offered(typed) == []


@pytest.mark.parametrize(
    ("typed", "text", "after"),
    [
        ("nd|", "ndsm_max", "ndsm_max |"),
        ("nd| > 3 and reviewed", "ndsm_max", "ndsm_max |> 3 and reviewed"),
        ("not (nd|) or reviewed", "ndsm_min", "not (ndsm_min|) or reviewed"),
        ("nd|sm_min > 3", "ndsm_max", "ndsm_max |> 3"),
        ("split = 'tr|", "'train'", "split = 'train' |"),
        ("split = 'tr|ee' and reviewed", "'train'", "split = 'train' |and reviewed"),
        ("split in (|)", "'test'", "split in ('test'|)"),
        ("ab|", "abs()", "abs(|)"),
    ],
)
def test_an_offer_takes_the_place_of_the_word_it_completes(typed: str, text: str, after: str) -> None:
    assert accepted(typed, text) == after


@given(st.text(alphabet="splitndm_x'\"()=<>., 39", max_size=40), st.integers(0, 40))
def test_any_text_has_offers_that_can_be_taken(typed: str, cursor: int) -> None:
    found = completions(typed, min(cursor, len(typed)), COLUMNS, VALUES)
    assert 0 <= found.start <= found.end <= len(typed)
    for item in found.items:
        after, at = found.applied(typed, item)
        assert item.text in after
        assert 0 <= at <= len(after)

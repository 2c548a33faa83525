"""What people type to find a caption becomes a filter that can always be understood, and finds what it says."""

from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.filters import Column, ColumnType, parse_filter
from rsviewer.core.searching import both, search_filter, words_of

COLUMNS = [Column("caption", ColumnType.TEXT, ""), Column("tags", ColumnType.TEXT, "")]


def test_words_are_found_in_any_order_and_a_phrase_as_it_is() -> None:
    assert words_of('road  "stone bridge" of "the river') == ("road", "stone bridge", "of", "the river")
    assert words_of(' "" ') == ()


def test_every_word_must_be_in_one_of_the_texts() -> None:
    assert search_filter("old road", ["caption", "tags"]) == (
        "(caption contains 'old' or tags contains 'old') and (caption contains 'road' or tags contains 'road')"
    )
    assert search_filter("", ["caption"]) == ""
    assert search_filter("road", []) == ""


@given(st.text())
def test_whatever_is_typed_is_understood(typed: str) -> None:
    text = search_filter(typed, ["caption", "tags"])
    parse_filter(text, COLUMNS)
    parse_filter(both("caption = 'x' or tags = 'y'", text), COLUMNS)


def test_a_filter_keeps_its_own_meaning_beside_a_search() -> None:
    assert both("a or b", "c") == "(a or b) and (c)"
    assert (both("a or b", ""), both("", "c"), both("", "")) == ("a or b", "c", "")

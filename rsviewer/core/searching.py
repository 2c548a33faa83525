"""Searching captions: words that somebody types become a filter in the language of `core.filters`."""

import re
from collections.abc import Sequence

_WORDS = re.compile(r'"([^"]*)"?|(\S+)')


def words_of(typed: str) -> tuple[str, ...]:
    """The words of a search; what stands in double quotes is one. A quote that is not closed yet ends with the line."""
    return tuple(found for quoted, word in _WORDS.findall(typed) if (found := quoted.strip() or word))


def search_filter(typed: str, columns: Sequence[str]) -> str:
    """A filter for the tiles that have every word in at least one of some columns; empty where nothing is searched for.

    Example: ``road bridge`` in caption and tags is ``(caption contains 'road' or tags contains 'road') and ...``. A word
    finds longer words that it is a part of. Letter case does not matter.
    """
    conditions = []
    for word in words_of(typed):
        quoted = "'" + word.replace("'", "''") + "'"
        conditions.append("(" + " or ".join(f"{column} contains {quoted}" for column in columns) + ")")
    return " and ".join(conditions) if columns else ""


def both(first: str, second: str) -> str:
    """A filter for the tiles that satisfy two filters, either of which may be empty."""
    return f"({first}) and ({second})" if first and second else first or second

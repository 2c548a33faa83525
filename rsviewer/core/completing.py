"""What may come next in a filter that is being typed.

It helps with the language of `core.filters` and never decides about it: what is accepted here is parsed like all else.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rsviewer.core.filters import FUNCTIONS, INSIDE, KEYWORDS, Column, ColumnType, quoted

MOST = 200
"""Longer lists help nobody."""


class Kind(StrEnum):
    """What a completion is."""

    COLUMN = "column"
    FUNCTION = "function"
    VALUE = "value"
    WORD = "word"
    RECENT = "recent"


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing that may be put into the text.

    Attributes:
        text: what is put there.
        kind: what it is.
        help: one short sentence; may be empty.
        back: characters by which the cursor goes back afterwards.
    """

    text: str
    kind: Kind
    help: str = ""
    back: int = 0


@dataclass(frozen=True, slots=True)
class Completions:
    """What fits at a place of a text.

    Attributes:
        start, end: the part of the text that each of them replaces.
        items: the best first.
        typed: whether something of them was typed already: then the first is probably meant.
    """

    start: int = 0
    end: int = 0
    items: tuple[Completion, ...] = ()
    typed: bool = False

    def applied(self, text: str, item: Completion) -> tuple[str, int]:
        """The text with an item in it, and where the cursor stands then."""
        put = item.text
        follows = text[self.end : self.end + 1]
        if item.kind not in (Kind.FUNCTION, Kind.RECENT) and follows not in (" ", ")", ","):
            put += " "
        moved = int(put == item.text and follows == " " and not item.back)
        return text[: self.start] + put + text[self.end :], self.start + len(put) + moved - item.back


def completions(text: str, cursor: int, columns: Iterable[Column], values: Mapping[str, Sequence[str]]) -> Completions:
    """What fits at a place of a filter.

    Args:
        text: as typed so far; need not make sense.
        cursor: before which character of it.
        columns: what filters may use.
        values: column -> texts that it holds, the most frequent first, as far as known; choices of columns need not be here.
    """
    by_name = {column.name.lower(): column for column in columns}
    before, word, start = _typed(text[:cursor])
    rest = re.match(r"\w*" if not word.startswith(("'", '"')) else r"[^'\"]*['\"]?", text[cursor:])
    after = "" if rest is None or (word.startswith(("'", '"')) and not rest[0].endswith(word[0])) else rest[0]
    end = cursor + len(after)
    asked = _asked(before, by_name)
    offered: list[Completion] = []
    if asked is not None:
        known = asked.choices or tuple(values.get(asked.name, ()))
        offered = [Completion(quoted(value), Kind.VALUE) for value in known]
    if not offered and not word.startswith(("'", '"')):
        offered = _words(before, by_name)
    if not word and text[cursor - 1 : cursor] not in ("", " ", "(", ",", *"=<>≤≥≠+-*/"):
        offered = []  # a number or a text has just been ended
    found = _fitting(offered, word)
    if len(found) == 1 and found[0].text.lower() == word.lower() and not after:
        found = []  # it is there already
    return Completions(start, end, tuple(found[:MOST]), bool(word))


_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\d.]+(?:[eE][+-]?\d+)?|\w+|<=|>=|<>|!=|==|\S)")
_COMPARISONS = ("=", "!=", "==", "<>", "<", "<=", ">", ">=", "≤", "≥", "≠")
_SIGNS = ("+", "-", "*", "/", "(", ",")
_JOINTS = {"and": "both hold", "or": "one of them holds"}
_NUMBER_WORDS = {
    ">": "more than",
    "<": "less than",
    ">=": "at least",
    "<=": "at most",
    "=": "equal to",
    "!=": "other than",
    "between": "from .. to: between 10 and 20",
    "is null": "unknown",
    "is not null": "known",
}
_TEXT_WORDS = {
    "=": "is",
    "!=": "is not",
    "in (": "one of several: in ('a', 'b')",
    "contains": "has it somewhere",
    "like": "a pattern: % is any text",
    "is null": "empty",
    "is not null": "not empty",
}


def _typed(text: str) -> tuple[list[str], str, int]:
    """The tokens before the one that is being typed, that one, and where it begins."""
    tokens: list[str] = []
    position = 0
    while match := _TOKEN.match(text, position):
        if match[1] in ("'", '"'):  # a quote that is still open: all that follows is in it
            return tokens, text[match.start(1) :], match.start(1)
        tokens.append(match[1])
        position = match.end()
    if position == len(text) and tokens and re.fullmatch(r"[^\W\d]\w*", tokens[-1]):
        last = tokens.pop()
        return tokens, last, len(text) - len(last)
    return tokens, "", len(text)


def _asked(before: Sequence[str], columns: Mapping[str, Column]) -> Column | None:
    """The column of texts that is being compared here; None where none is."""
    words = [token.lower() for token in before]
    if not words:
        return None
    if words[-1] in ("(", ","):  # perhaps in a list: column in ('a', ...
        opened = next((place for place in range(len(words) - 1, -1, -1) if words[place] in ("(", ")")), -1)
        if opened < 2 or words[opened] != "(" or words[opened - 1] != "in":
            return None
        place = opened - 2
    elif words[-1] in ("=", "!=", "==", "<>", "contains", "like", "ilike"):
        place = len(words) - 2
    else:
        return None
    if place > 0 and words[place] == "not":
        place -= 1
    column = columns.get(words[place]) if place >= 0 else None
    return column if column is not None and column.type in (ColumnType.TEXT, ColumnType.LIST) else None


def _words(before: Sequence[str], columns: Mapping[str, Column]) -> list[Completion]:
    """Columns, functions or words, whatever may follow these tokens."""
    last = before[-1].lower() if before else ""
    column = columns.get(last)
    if column is not None:
        return _after_column(column)
    if (
        not last
        or last in _SIGNS
        or last in _COMPARISONS
        or (last in KEYWORDS and last not in ("null", "true", "false"))
    ):
        if last == "is":
            return [Completion("null", Kind.WORD, "unknown or empty"), Completion("not null", Kind.WORD, "known")]
        offered = [Completion(each.name, Kind.COLUMN, f"{each.help} ({each.type})") for each in columns.values()]
        offered += [Completion(f"{name}()", Kind.FUNCTION, _FUNCTION_HELP.get(name, ""), back=1) for name in FUNCTIONS]
        if not last or last in ("and", "or", "not", "("):
            offered.append(Completion("not", Kind.WORD, "the opposite"))
            offered.append(Completion(f"{INSIDE}()", Kind.FUNCTION, _FUNCTION_HELP[INSIDE], back=1))
        return offered
    return [Completion(word, Kind.WORD, meaning) for word, meaning in _JOINTS.items()]


_FUNCTION_HELP = {
    "abs": "without its sign",
    "lower": "in small letters",
    "upper": "in capital letters",
    "length": "of a text, or items of a list",
    INSIDE: "two columns in a polygon: inside(a, b, x1, y1, x2, y2, x3, y3)",
}


def _after_column(column: Column) -> list[Completion]:
    joints = [Completion(word, Kind.WORD, meaning) for word, meaning in _JOINTS.items()]
    if column.type is ColumnType.BOOL:
        return joints
    words = _NUMBER_WORDS if column.type is ColumnType.NUMBER else _TEXT_WORDS
    follow = [Completion(word, Kind.WORD, meaning) for word, meaning in words.items()]
    return follow + joints if column.type is ColumnType.LIST else follow


def _fitting(offered: Sequence[Completion], word: str) -> list[Completion]:
    """Those that begin like the word, then those with a part that does, then those that have it somewhere."""
    wanted = word.strip("'\"").lower()
    if not wanted:
        return list(offered)
    ranked: list[tuple[int, int, Completion]] = []
    for place, each in enumerate(offered):
        name = each.text.strip("'\"").lower()
        if name.startswith(wanted):
            rank = 0
        elif any(part.startswith(wanted) for part in re.split(r"[\W_]+", name)):
            rank = 1
        elif wanted in name:
            rank = 2
        else:
            continue
        ranked.append((rank, place, each))
    return [each for _, _, each in sorted(ranked, key=lambda found: found[:2])]

"""The lines of long lists: found once, made when they are asked for. Five million of them are two arrays of numbers."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ExportError


class Content(Protocol):
    """The bytes of a file, in memory or on the disk."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, start: int, stop: int) -> bytes:
        """Those from `start` to `stop`. May raise RsviewerError."""


class InMemory:
    """Bytes that are known."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw)

    def read(self, start: int, stop: int) -> bytes:
        """See `Content.read`."""
        return self._raw[start:stop]


BLANKS = " \t\v\f\ufeff"
"""What may surround a name on a line. Other white space (a no-break space) may be part of a file's name. A byte order
mark before a later line comes from lists that were joined with `cat`."""

_CHUNK = 1 << 24
_AT_ONCE = 1 << 16
_NEWLINE, _RETURN, _COMMA, _QUOTE = b'\n\r,"'
_CSV_BREAKS = np.zeros(256, bool)
_CSV_BREAKS[[_NEWLINE, _RETURN, _COMMA, _QUOTE]] = True

_FIELD = rb'(?:"(?:[^"]|""){0,1000000}+"(?=[,\r\n]|\Z)|[^,\r\n]*+)'
_PLAIN_FIELD = rb'(?:"(?:[^"]|""){0,1000000}+"|(?![ \t]*")[^,\r\n]*+)'
_RECORD, _PLAIN_RECORD = (
    re.compile(rb"%s(?:,%s)*+(?:\r\n|\r|\n|\Z)" % (field, field)) for field in (_FIELD, _PLAIN_FIELD)
)

_JSON_BLANKS = b" \t\r\n"
_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_SCALAR = rb"(?:%s|-?(?:0|[1-9]\d*+)(?:\.\d++)?+(?:[eE][+-]?\d++)?+)" % _STRING
_MEMBER = rb"%s%s%s" % (_SPACE, _SCALAR, _SPACE)
_NAME = re.compile(rb"(?:%s|\[%s(?:,%s)*+\])%s(,%s)?+" % (_STRING, _MEMBER, _MEMBER, _SPACE, _SPACE))
_OPENING = re.compile(rb"%s\[%s" % (_SPACE, _SPACE))
_KEYED = re.compile(rb"%s%s:%s\[%s" % (_STRING, *(_SPACE,) * 3))
_CLOSING = re.compile(rb"\]%s(,%s)?+" % (_SPACE, _SPACE))
_BRACE = re.compile(rb"%s([{}])%s" % (_SPACE, _SPACE))
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True)
class SplitLine:
    """One line of a list.

    Attributes:
        raw: the bytes of the line with its line ending, exactly as in the file.
        text: the decoded line without ending and surrounding blanks; empty for a blank line.

    In JSON a line is a name with the comma after it, in CSV a record. What stands around them, brackets and the header,
    are lines without text, which no cleaning removes.
    """

    raw: bytes
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Where the lines of a long list are.

    Attributes:
        content: of the file.
        starts: of each line, as offsets into `content`.
        ends: likewise.
        named: whether each line may name a tile.
    """

    content: Content
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    named: NDArray[np.bool_]


class Rows(Sequence[SplitLine]):
    """Lines that are made when they are asked for. Safe from any thread."""

    def __init__(self, load: Callable[[], Bounds], text: Callable[[bytes], str]) -> None:
        """Looks at nothing yet.

        Args:
            load: finds the lines, when somebody asks for the first time.
            text: of a line that may name a tile.
        """
        self._load, self._text = load, text
        self._found: Bounds | None = None

    @property
    def bounds(self) -> Bounds:
        """Where they are."""
        if self._found is None:
            self._found = self._load()
        return self._found

    def __len__(self) -> int:
        return len(self.bounds.starts)

    @overload
    def __getitem__(self, index: int) -> SplitLine: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SplitLine, ...]: ...

    def __getitem__(self, index: int | slice) -> SplitLine | tuple[SplitLine, ...]:
        if isinstance(index, slice):
            return tuple(map(self.__getitem__, range(*index.indices(len(self)))))
        bounds = self.bounds
        raw = bounds.content.read(int(bounds.starts[index]), int(bounds.ends[index]))
        return SplitLine(raw, self._text(raw) if bounds.named[index] else "")

    def __iter__(self) -> Iterator[SplitLine]:
        return (SplitLine(raw, self._text(raw) if named else "") for raw, named in self._pieces())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(len(self))

    @property
    def size(self) -> int:
        """How many bytes they have."""
        return int((self.bounds.ends - self.bounds.starts).sum())

    def texts(self) -> Iterator[str]:
        """The text of each line, without making the line."""
        return (self._text(raw) if named else "" for raw, named in self._pieces())

    def raws(self) -> Iterator[bytes]:
        """All their bytes, in pieces of some megabytes."""
        bounds = self.bounds
        if not len(self):
            return
        torn = np.flatnonzero(bounds.starts[1:] != bounds.ends[:-1])
        starts = bounds.starts[np.concatenate(([0], torn + 1))].tolist()
        ends = bounds.ends[np.concatenate((torn, [len(self) - 1]))].tolist()
        for start, end in zip(starts, ends, strict=True):
            for place in range(start, end, _CHUNK):
                yield bounds.content.read(place, min(end, place + _CHUNK))

    def are_utf8(self) -> bool:
        """Whether the whole content is valid UTF-8. Reads all of it."""
        content = self.bounds.content
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for place in range(0, len(content), _CHUNK):
                decoder.decode(content.read(place, place + _CHUNK))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def without(self, gone: NDArray[np.bool_], *, with_commas: bool) -> "Rows":
        """Those that are not `gone`; `with_commas` where none may follow the last name of an array."""
        bounds = self.bounds
        kept = ~gone
        ends = self._ends_without_commas(gone) if with_commas else bounds.ends
        fewer = Bounds(bounds.content, bounds.starts[kept], ends[kept], bounds.named[kept])
        return Rows(lambda: fewer, self._text)

    def _ends_without_commas(self, gone: NDArray[np.bool_]) -> NDArray[np.int64]:
        bounds = self.bounds
        ends = bounds.ends.copy()
        is_last = np.append(~bounds.named[1:], True)
        kept = np.flatnonzero(~gone)
        for row in np.flatnonzero(gone & is_last).tolist():
            place = int(np.searchsorted(kept, row)) - 1
            if place < 0 or not bounds.named[last := int(kept[place])]:
                continue
            start = int(bounds.starts[last])
            raw = bounds.content.read(start, int(bounds.ends[last])).rstrip(_JSON_BLANKS)
            ends[last] = start + len(raw.removesuffix(b",").rstrip(_JSON_BLANKS))
        return ends

    def _pieces(self) -> Iterator[tuple[bytes, bool]]:
        """(bytes, whether it may name a tile) of each line."""
        bounds = self.bounds
        for row in range(0, len(self), _AT_ONCE):
            part = slice(row, row + _AT_ONCE)
            starts, ends, named = bounds.starts[part], bounds.ends[part], bounds.named[part]
            first, last = int(starts[0]), int(ends[-1])
            if last - first > _CHUNK + 2 * int((ends - starts).sum()):  # few lines are left of a long list
                yield from ((line.raw, bool(is_named)) for line, is_named in zip(self[part], named, strict=True))
                continue
            block = bounds.content.read(first, last)
            for start, end, is_named in zip(
                (starts - first).tolist(), (ends - first).tolist(), named.tolist(), strict=True
            ):
                yield block[start:end], is_named


def json_rows(content: bytes, start: int) -> Rows:
    """The names in JSON that begins at `start`: an array of texts, or of arrays of texts and numbers; or an object of such.

    Raises ValueError with a clause that says what is wrong.
    """
    starts, ends, named = [start], [], []  # a name or what is between names ends where the next begins
    place = start

    def end_here(*, is_name: bool) -> None:
        ends.append(place)
        starts.append(place)
        named.append(is_name)

    brace = _BRACE.match(content, place)
    in_object = brace is not None and brace[1] == b"{"
    place = brace.end() if brace and in_object else place
    arrays = content[place : place + 1] != b"}" if in_object else True
    while arrays:
        opening = (_KEYED if in_object else _OPENING).match(content, place)
        if opening is None:
            raise ValueError(_unlike(content, place, in_object=in_object))
        place = opening.end()
        end_here(is_name=False)
        more = content[place : place + 1] != b"]"
        while more:
            name = _NAME.match(content, place)
            if name is None:
                raise ValueError(_unlike(content, place, in_object=in_object))
            place, more = name.end(), name[1] is not None
            end_here(is_name=True)
        closing = _CLOSING.match(content, place)
        if closing is None or (closing[1] is not None and not in_object):
            raise ValueError(_unlike(content, place, in_object=in_object))
        place, arrays = closing.end(), closing[1] is not None
    if in_object:
        brace = _BRACE.match(content, place)
        if brace is None or brace[1] != b"}":
            raise ValueError(_unlike(content, place, in_object=True))
        place = brace.end()
    if place != len(content):
        raise ValueError(_unlike(content, place, in_object=in_object))
    end_here(is_name=False)
    found = Bounds(InMemory(content), np.array(starts[:-1]), np.array(ends), np.array(named))
    return Rows(lambda: found, _text_of_json)


def header_of_csv(first: bytes) -> tuple[str, ...]:
    """The names of the columns in the first bytes of a table."""
    record = _RECORD.match(first)
    return tuple(cell.strip(BLANKS) for cell in _cells(record[0] if record else b""))


def csv_rows(load: Callable[[], Content], start: int, column: int, strict: str = "") -> Rows:
    """The records of a table with a header that begins at `start`; one column, counted from 0, names the tile.

    Where a quotation mark begins a field and none ends it, readers of tables differ in where the record ends. It is an
    ordinary sign here, unless `strict` is a sentence: then that is the ExportError when somebody asks for the lines.
    """
    return Rows(lambda: _csv_bounds(load(), start, column, strict), partial(_text_of_csv, column=column))


def _unlike(content: bytes, place: int, *, in_object: bool) -> str:
    """What is wrong at a place of a JSON list."""
    if place >= len(content):
        return "it is cut off"
    found = content[place : place + 24].decode("utf-8", "replace").split("\n")[0]
    inside = "an object of arrays of names" if in_object else "an array of names"
    return f"it is not {inside}: {found!r} stands at byte {place:,}"


def _text_of_json(raw: bytes) -> str:
    text = raw.decode("utf-8", "surrogateescape").rstrip(" \t\r\n").removesuffix(",")
    value = _DECODER.decode(text)
    return (value if isinstance(value, str) else "_".join(value)).strip(BLANKS)


def _csv_bounds(content: Content, start: int, column: int, strict: str) -> Bounds:
    ends = _ends_of_records(content, start, strict)
    starts = np.concatenate((np.array([start], np.int64), ends))[:-1]
    named = np.ones(len(starts), bool)
    named[:1] = False
    for row in range(0, len(starts), _AT_ONCE):
        part = slice(row, row + _AT_ONCE)
        here = starts[part]
        block = np.frombuffer(content.read(int(here[0]), int(ends[part][-1])), np.uint8)
        first = block[here - here[0]]
        empty = (first == _NEWLINE) | (first == _RETURN)
        named[part] &= ~(empty | (first == _COMMA) if column == 0 else empty)
    return Bounds(content, starts, ends, named)


def _ends_of_records(content: Content, start: int, strict: str) -> NDArray[np.int64]:
    """Behind each record of a table. A quotation mark that does not begin a field is an ordinary character."""
    size = len(content)
    if start >= size:
        return np.zeros(0, np.int64)
    newlines, quotes, in_order = [], 0, True
    for place in range(start, size, _CHUNK):
        # One byte more at both sides shows what a quotation mark stands beside.
        block = np.frombuffer(
            b"\n" * (place == start) + content.read(place - (place > start), place + _CHUNK + 1), np.uint8
        )
        beyond = place + _CHUNK < size
        inner = block[1:-1] if beyond else block[1:]
        marks = np.flatnonzero(inner == _QUOTE)
        opens = (np.arange(len(marks)) + quotes) % 2 == 0
        around = block if beyond else np.append(block, np.uint8(_NEWLINE))
        in_order &= bool(np.where(opens, _CSV_BREAKS[around[marks]], _CSV_BREAKS[around[marks + 2]]).all())
        returns = np.flatnonzero(inner == _RETURN)
        in_order &= bool((around[returns + 2] == _NEWLINE).all())  # alone it ends a record, too
        breaks = np.flatnonzero(inner == _NEWLINE)
        inside = (np.searchsorted(marks, breaks) + quotes) % 2 == 1
        newlines.append(breaks[~inside] + place)
        quotes += len(marks)
    ends = np.concatenate(newlines) + 1
    if quotes % 2 or not in_order or not len(ends):
        return np.fromiter(_slow_ends(content.read(0, size), start, strict), np.int64)
    return ends if ends[-1] == size else np.append(ends, size)


def _slow_ends(content: bytes, start: int, strict: str) -> Iterator[int]:
    place = start
    while place < len(content):
        record = _RECORD.match(content, place)
        if strict and record and _PLAIN_RECORD.fullmatch(record[0]) is None:
            raise ExportError(strict)
        place = record.end() if record and record.end() > place else place + 1
        yield place


def _text_of_csv(raw: bytes, column: int) -> str:
    if b'"' not in raw:
        cells = raw.split(b",", column + 1)
        return cells[column].decode("utf-8", "surrogateescape").strip("\r\n" + BLANKS) if column < len(cells) else ""
    return next(islice(_cells(raw), column, None), "").strip(BLANKS)


def _cells(raw: bytes) -> list[str]:
    """The values of one record."""
    text = raw.decode("utf-8", "surrogateescape")
    try:
        return next(csv.reader([text.rstrip("\r\n")]), [])
    except csv.Error:  # longer than any name
        return text.rstrip("\r\n").split(",")

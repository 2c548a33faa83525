"""Split lists: read without losing a byte, cleaned without touching a line that stays."""

import codecs
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.rows import BLANKS, InMemory, Rows, SplitLine, csv_rows, header_of_csv, json_rows
from rsviewer.core.tile import TileId, printable

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8", "surrogateescape"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "surrogatepass"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "surrogatepass"),
    (b"", "utf-8", "surrogateescape"),
)
"""(byte order mark, encoding, what to do with bytes that are none of it). Undecodable bytes become lone surrogates, as
in file names read by Python, so that a Latin-1 list still names Latin-1 files."""

TRAINING = frozenset({"train", "training", "trainval"})
HELD_OUT = frozenset({"test", "testing", "val", "valid", "validation", "eval", "dev"})
"""Words in a list's name that say what it is for: "JK-train" and "train_10" train, "test_syn" is held out."""


class ListForm(StrEnum):
    """How a list is written down."""

    LINES = "lines"
    """A tile a line."""
    JSON = "json"
    """An array of names, or of short arrays whose members make the name: ``[[1867, 3287], ...]`` names 1867_3287."""
    CSV = "csv"
    """A table with a header; one column names the tile."""


@dataclass(frozen=True, slots=True)
class SplitList:
    """A list of tiles.

    Attributes:
        name: the split, e.g. "train" (the file's stem).
        path: where the file lies under the dataset's root, "/" between the parts, e.g. "grid_g05_mid_v1/train.txt".
        group: the sub-dataset it belongs to; empty where there is none.
        lines: all lines, in order. Of a long list they are found when they are asked for.
        mark: the byte order mark before the first line; empty where there is none.
        form: how it is written down.
    """

    name: str
    path: str
    group: str
    lines: Sequence[SplitLine]
    mark: bytes = b""
    form: ListForm = ListForm.LINES


def parse_list(raw: bytes, *, name: str, path: str, group: str) -> SplitList:
    """Reads a list. Any bytes are a list; `render_list` gives them back exactly.

    A line ends with LF, CRLF or CR. The whole line is one text: a second column ("rgb.png depth.tif") belongs to it.
    """
    mark, encoding, errors = next(row for row in ENCODINGS if raw.startswith(row[0]))
    body = raw[len(mark) :]
    torn = len(body) % 2 if encoding.startswith("utf-16") else 0  # half a UTF-16 unit at the end of a cut file
    text = body[: len(body) - torn].decode(encoding, errors)
    lines = [
        SplitLine(line.encode(encoding, errors), line.rstrip("\r\n").strip(BLANKS))
        for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    ]
    if torn:
        lines.append(SplitLine(body[-torn:], ""))
    return SplitList(name, path, group, tuple(lines), mark)


def parse_json_list(raw: bytes, *, name: str, path: str, group: str) -> SplitList:
    """Reads a list in JSON; `render_list` gives its bytes back exactly.

    It is an array of texts, or of arrays whose members joined by "_" are the name: ``[[1867, 3287]]`` names 1867_3287; or
    an object of such arrays. Raises ValueError with a clause that says what it is instead.
    """
    mark = _mark_of(raw)
    return SplitList(name, path, group, json_rows(raw, len(mark)), mark, ListForm.JSON)


def parse_csv_list(raw: bytes, *, name: str, path: str, group: str, column: str) -> SplitList:
    """Reads a table whose `column` names the tiles; `render_list` gives its bytes back exactly.

    Raises ValueError with a clause where it has no such column.
    """
    mark = _mark_of(raw)
    rows = csv_rows(lambda: InMemory(raw), len(mark), column_of_csv(raw, column))
    return SplitList(name, path, group, rows, mark, ListForm.CSV)


def column_of_csv(first: bytes, column: str) -> int:
    """Which column of a table has this name, from its first bytes. Raises ValueError with a clause where none has."""
    header = header_of_csv(first[len(_mark_of(first)) :])
    folded = [name.lower() for name in header]
    if column in header:
        return header.index(column)
    if column.lower() in folded:
        return folded.index(column.lower())
    shown = ", ".join(printable(name) for name in header[:8])
    raise ValueError(f"it has no column {column!r}, but {shown}" if shown.strip(", ") else "it has no header")


def _mark_of(raw: bytes) -> bytes:
    """The byte order mark. Raises ValueError where it is none of UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is in UTF-16; only UTF-8 can be read")
    return codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""


def render_list(split: SplitList) -> bytes:
    """The bytes of the list's file."""
    return b"".join(render_pieces(split))


def render_pieces(split: SplitList) -> Iterator[bytes]:
    """The bytes of the list's file, piece by piece."""
    yield split.mark
    yield from split.lines.raws() if isinstance(split.lines, Rows) else (line.raw for line in split.lines)


def texts(split: SplitList) -> Iterator[str]:
    """The text of each line."""
    return split.lines.texts() if isinstance(split.lines, Rows) else (line.text for line in split.lines)


def clean(split: SplitList, drop: Callable[[SplitLine], bool]) -> SplitList:
    """The list without the lines for which `drop` is true.

    Every other byte stays: order, line endings, blank lines, byte order mark. A list that lacks the last newline gains
    one where its last line goes, since the line before keeps its own.
    """
    return _without(split, [row for row, line in enumerate(split.lines) if line.text and drop(line)])


class Reason(StrEnum):
    """Why a tile is left out of an export."""

    VERDICT = "dropped"
    TAG = "tag"
    UNDECIDED = "undecided"
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is left out besides the tiles with the verdict "drop", which always are.

    Attributes:
        drop_undecided: tiles without a verdict.
        drop_tags: tiles with one of these tags, on the tile or on a region, even those found good.
        drop_missing: lines that name a tile without files.
    """

    drop_undecided: bool = False
    drop_tags: tuple[str, ...] = ()
    drop_missing: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """A tile that is left out, and why."""

    tile: TileId
    group: str
    reasons: tuple[Reason, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What becomes of one list.

    Attributes:
        before: as it is.
        after: as it will be.
        dropped: (line number from 1, tile) of the lines left out.
        not_found: (line number from 1, tile) of lines in `before` that name a tile without files.
    """

    before: SplitList
    after: SplitList
    dropped: tuple[tuple[int, TileId], ...]
    not_found: tuple[tuple[int, TileId], ...]

    @property
    def names_before(self) -> int:
        """Lines that name a tile, as it is."""
        return names(self.before)

    @property
    def names_after(self) -> int:
        """Lines that name a tile, as it will be."""
        return names(self.after)


@dataclass(frozen=True, slots=True)
class Leak:
    """A tile on lists for training and on held-out lists; both by path."""

    tile: TileId
    training: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Everything an export will do, before it does it.

    Attributes:
        options: as asked.
        lists: one for each list of the dataset.
        dropped: every tile left out, those on no list too, in the order of the dataset; then those without files.
        kept: group -> tiles with files that stay, in the order of the dataset.
        unlisted: tiles with files that no list names; empty where there are no lists.
        leaks: tiles that will be both on a training and on a held-out list. Reported, never mended.
    """

    options: ExportOptions
    lists: tuple[ListPlan, ...]
    dropped: tuple[Dropped, ...]
    kept: Mapping[str, tuple[TileId, ...]]
    unlisted: tuple[TileId, ...]
    leaks: tuple[Leak, ...]


def plan(
    lists: Sequence[SplitList],
    tiles: Mapping[TileId, str],
    decisions: Mapping[TileId, Decision],
    tile_of_line: Callable[[SplitList, str], TileId],
    options: ExportOptions,
) -> ExportPlan:
    """What an export will leave out.

    Args:
        lists: the dataset's lists.
        tiles: tile -> group, in order, of every tile that has at least one file.
        decisions: what was decided; tiles that are not there are undecided.
        tile_of_line: the tile that a line names, see `DatasetAdapter.tile_of_line`.
        options: what is left out besides the dropped.
    """
    dropped = _dropped_of(tiles, decisions, options)
    kept = defaultdict(list)
    for tile, group in tiles.items():
        if tile not in dropped:
            kept[group].append(tile)

    unlisted = set(tiles) if lists else set()
    lost: dict[TileId, str] = {}
    plans: dict[int, ListPlan] = {}
    leakage = _Leakage(lists)
    for place in leakage.order:
        split = lists[place]
        gone, not_found = [], []
        for number, text in enumerate(texts(split), start=1):
            if not text:
                continue
            tile = tile_of_line(split, text)
            unlisted.discard(tile)
            if tile not in tiles:
                lost.setdefault(tile, split.group)
                not_found.append((number, tile))
            if tile in dropped or (tile in lost and _reasons(tile, decisions, options, found=False)):
                gone.append((number, tile))
            else:
                leakage.add(place, tile)
        after = _without(split, [number - 1 for number, _ in gone])
        plans[place] = ListPlan(split, after, tuple(gone), tuple(not_found))
    for tile, group in lost.items():
        if reasons := _reasons(tile, decisions, options, found=False):
            dropped[tile] = Dropped(tile, group, reasons, decisions.get(tile, _UNDECIDED))
    return ExportPlan(
        options=options,
        lists=tuple(plans[place] for place in range(len(lists))),
        dropped=tuple(dropped.values()),
        kept={group: tuple(members) for group, members in kept.items()},
        unlisted=tuple(tile for tile in tiles if tile in unlisted),
        leaks=leakage.leaks(),
    )


def reasons_to_drop(decision: Decision, options: ExportOptions, *, found: bool = True) -> tuple[Reason, ...]:
    """Why a tile is to be left out; empty where it stays."""
    claims = (
        (Reason.VERDICT, decision.verdict is Verdict.DROP),
        (Reason.TAG, not decision.anomalies.isdisjoint(options.drop_tags)),
        (Reason.UNDECIDED, options.drop_undecided and not decision.is_reviewed),
        (Reason.NOT_FOUND, options.drop_missing and not found),
    )
    return tuple(reason for reason, holds in claims if holds)


def names(split: SplitList) -> int:
    """How many lines name a tile."""
    if isinstance(split.lines, Rows):
        return int(np.count_nonzero(split.lines.bounds.named))
    return sum(bool(line.text) for line in split.lines)


def diff(change: ListPlan, context: int = 3) -> Iterator[str]:
    """The change of one list as a unified diff, line by line without line endings; nothing where nothing changes."""
    lines = change.before.lines
    gone = [number - 1 for number, _ in change.dropped]
    if not gone:
        return
    path = printable(change.before.path)
    yield f"--- {path}"
    yield f"+++ {path}"
    removed = set(gone)
    taken = 0  # lines removed by the hunks so far
    for start, stop in _hunks(gone, context, len(lines)):
        fewer = sum(row in removed for row in range(start, stop))
        left = stop - start - fewer
        # In the unified format an empty side names the line before it.
        yield f"@@ -{start + 1},{stop - start} +{start - taken + bool(left)},{left} @@"
        for row in range(start, stop):
            yield ("-" if row in removed else " ") + _shown(change.before, lines[row])
        taken += fewer


class _Leakage:
    """Which tiles are on a list for training and on a held-out one as well. Asked list by list, in `order`.

    The side with fewer names comes first: only what it names is remembered.
    """

    def __init__(self, lists: Sequence[SplitList]) -> None:
        self._lists = lists
        words = [set(re.split(r"[^a-z]+", split.name.lower())) for split in lists]
        training = [place for place, each in enumerate(words) if each & TRAINING]
        held_out = [place for place, each in enumerate(words) if each & HELD_OUT and place not in training]
        sides = sorted((training, held_out), key=lambda side: sum(names(lists[place]) for place in side))
        self._first, self._second = frozenset(sides[0]), frozenset(sides[1])
        self._training = frozenset(training)
        self.order = sorted(range(len(lists)), key=lambda place: place not in self._first)
        self._on_first: dict[TileId, list[int]] = {}
        self._on_second: dict[TileId, list[int]] = {}

    def add(self, place: int, tile: TileId) -> None:
        """A tile that stays on the list at `place`."""
        if place in self._first:
            _note(self._on_first, tile, place)
        elif place in self._second and tile in self._on_first:
            _note(self._on_second, tile, place)

    def leaks(self) -> tuple[Leak, ...]:
        """Sorted."""
        found = []
        for tile in sorted(self._on_second):
            places = sorted(self._on_first[tile] + self._on_second[tile])
            paths: tuple[list[str], list[str]] = ([], [])
            for place in places:
                paths[place not in self._training].append(self._lists[place].path)
            found.append(Leak(tile, tuple(paths[0]), tuple(paths[1])))
        return tuple(found)


def _note(places: dict[TileId, list[int]], tile: TileId, place: int) -> None:
    known = places.setdefault(tile, [])
    if not known or known[-1] != place:
        known.append(place)


_UNDECIDED = Decision()


def _dropped_of(
    tiles: Mapping[TileId, str], decisions: Mapping[TileId, Decision], options: ExportOptions
) -> dict[TileId, Dropped]:
    """The tiles with files that are left out, in their order."""
    of_undecided = reasons_to_drop(_UNDECIDED, options)
    dropped = {}
    for tile, group in tiles.items():
        decision = decisions.get(tile)
        reasons = of_undecided if decision is None else reasons_to_drop(decision, options)
        if reasons:
            dropped[tile] = Dropped(tile, group, reasons, decision or _UNDECIDED)
    return dropped


def _reasons(
    tile: TileId, decisions: Mapping[TileId, Decision], options: ExportOptions, *, found: bool
) -> tuple[Reason, ...]:
    return reasons_to_drop(decisions.get(tile, _UNDECIDED), options, found=found)


def _without(split: SplitList, gone: Sequence[int]) -> SplitList:
    """The list without the lines at these places."""
    if isinstance(split.lines, Rows):
        mask = np.zeros(len(split.lines), bool)
        mask[gone] = True
        return (
            replace(split, lines=split.lines.without(mask, with_commas=split.form is ListForm.JSON)) if gone else split
        )
    places = set(gone)
    return replace(split, lines=tuple(line for row, line in enumerate(split.lines) if row not in places))


def _shown(split: SplitList, line: SplitLine) -> str:
    """A line in a diff: of a table the whole record, of JSON the name as it stands there."""
    if split.form is ListForm.LINES:
        return printable(line.text)
    text = printable(line.raw.decode("utf-8", "surrogateescape")).strip(" \t\r\n")
    return re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", text)[:_LONGEST_SHOWN]


_LONGEST_SHOWN = 400


def _hunks(rows: Sequence[int], context: int, length: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the stretches shown around `rows`, joined where they touch."""
    start, stop = max(0, rows[0] - context), rows[0]
    for row in rows:
        if row - context > stop:
            yield start, stop
            start = row - context
        stop = min(length, row + context + 1)
    yield start, stop

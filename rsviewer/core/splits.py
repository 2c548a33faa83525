"""Split lists: read without losing a byte, cleaned without touching a line that stays."""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.crowd import AT_ONCE, Crowd, Made, Names, batches, hashes_of
from rsviewer.core.errors import StoppedError
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
    gone = [row for row, line in enumerate(split.lines) if line.text and drop(line)]
    return _without(split, np.array(gone, np.intp))


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
    """A tile that is left out.

    Attributes:
        tile: its id.
        group: its group; of a tile without files that of the first list that names it.
        reasons: why.
        decision: what was decided; `UNDECIDED` where nothing was.
        lists: the lists that name it, as places in `ExportPlan.lists`.
    """

    tile: TileId
    group: str
    reasons: tuple[Reason, ...]
    decision: Decision
    lists: tuple[int, ...] = ()


UNDECIDED = Decision()


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What becomes of one list.

    Attributes:
        before: as it is.
        after: as it will be.
        dropped: (line number from 1, tile) of the lines left out. Its `numbers` are their places, from 0.
        not_found: (line number from 1, tile) of lines in `before` that name a tile without files.
    """

    before: SplitList
    after: SplitList
    dropped: Made[tuple[int, TileId]]
    not_found: Made[tuple[int, TileId]]

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
class Area:
    """What becomes of a group.

    Attributes:
        group: its name.
        kept: how many of its tiles with files stay.
        dropped: the tiles left out.
    """

    group: str
    kept: int
    dropped: Sequence[TileId]


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Everything an export will do, before it does it. What there may be millions of is made when it is asked for.

    Attributes:
        options: as asked.
        lists: one for each list of the dataset.
        dropped: every tile left out, those on no list too, in the order of the dataset; then those without files.
        kept: group -> tiles with files that stay, in the order of the dataset.
        unlisted: tiles with files that no list names; empty where there are no lists.
        leaks: tiles that will be both on a training and on a held-out list. Reported, never mended.
        reasons: reason -> how many tiles are left out for it.
        not_found: how many tiles are on lists and have no files.
        areas: every group with tiles, those of which no tile stays last.
    """

    options: ExportOptions
    lists: tuple[ListPlan, ...]
    dropped: Sequence[Dropped]
    kept: Mapping[str, Sequence[TileId]]
    unlisted: Sequence[TileId]
    leaks: tuple[Leak, ...]
    reasons: Mapping[Reason, int]
    not_found: int
    areas: tuple[Area, ...]


def plan(
    lists: Sequence[SplitList],
    tiles: Mapping[TileId, str],
    decisions: Mapping[TileId, Decision],
    tile_of_line: Callable[[SplitList, str], TileId],
    options: ExportOptions,
    progress: Callable[[int, int | None], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> ExportPlan:
    """What an export will leave out. Two seconds and a tenth of a gigabyte for a million lines.

    Args:
        lists: the dataset's lists.
        tiles: tile -> group, in order, of every tile that has at least one file. For millions a `Crowd`.
        decisions: what was decided; tiles that are not there are undecided. Nobody changes it while the plan is in use.
        tile_of_line: the tile that a line names, see `DatasetAdapter.tile_of_line`.
        options: what is left out besides the dropped.
        progress: called with the lines read and the lines in all.
        stop: asked now and then; True ends it.

    Raises:
        StoppedError: `stop` said so.
    """
    known = tiles if isinstance(tiles, Crowd) else Crowd(tiles.items())
    census = _Census(known, lists)
    total = sum(len(split.lines) for split in lists)
    done = count(step=AT_ONCE)

    def named(split: SplitList) -> Iterator[list[TileId | None]]:
        for batch in batches(texts(split)):
            if stop():
                raise StoppedError("Planning the export was stopped.")
            yield [tile_of_line(split, text) if text else None for text in batch]
            progress(min(next(done), total), total)

    for split in lists:
        census.read(named(split))
    is_dropped, reasons = _dropped_among(census, decisions, options)
    listed = _Listed(census, is_dropped)

    def drop(number: int) -> Dropped:
        tile = census.name(number)
        decision = decisions.get(tile, UNDECIDED)
        found = number < len(known)
        reasons = reasons_to_drop(decision, options, found=found)
        return Dropped(tile, census.group(number), reasons, decision, listed.of(number))

    staying = np.flatnonzero(~is_dropped[: len(known)])
    kept = {
        known.groups[group]: Made(members, census.name)
        for group, members in _by_group(known.group_of[staying], staying)
    }
    is_unlisted = np.full(len(census) + 1, bool(lists))  # the last one for lines without name
    for numbers in census.numbers:
        is_unlisted[numbers] = False
    return ExportPlan(
        options=options,
        lists=tuple(
            _list_plan(split, numbers, is_dropped, census) for split, numbers in zip(lists, census.numbers, strict=True)
        ),
        dropped=Made(np.flatnonzero(is_dropped), drop),
        kept=kept,
        unlisted=Made(np.flatnonzero(is_unlisted[: len(known)]), census.name),
        leaks=_leaks(lists, census, is_dropped),
        reasons=reasons,
        not_found=len(census) - len(known),
        areas=_areas(census, is_dropped, {group: len(members) for group, members in kept.items()}),
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
    lines, gone = change.before.lines, change.dropped.numbers
    if not len(gone):
        return
    path = printable(change.before.path)
    yield f"--- {path}"
    yield f"+++ {path}"
    far_apart = np.flatnonzero(np.diff(gone) > 2 * context + 1) + 1
    taken = 0  # lines removed by the hunks so far
    for removed in np.split(gone, far_apart):
        start, stop = max(0, int(removed[0]) - context), min(len(lines), int(removed[-1]) + context + 1)
        left = stop - start - len(removed)
        # In the unified format an empty side names the line before it.
        yield f"@@ -{start + 1},{stop - start} +{start - taken + bool(left)},{left} @@"
        places = iter(removed)
        next_removed = next(places)
        for row in range(start, stop):
            is_removed = row == next_removed
            next_removed = next(places, -1) if is_removed else next_removed
            yield ("-" if is_removed else " ") + _shown(change.before, lines[row])
        taken += len(removed)


_NOBODY = np.zeros(0, np.int64)
_BLANK, _LOST = -1, -2


class _Census:
    """A number for every tile: those with files in their order, then those that only lists name, as they come.

    Attributes:
        known: the tiles with files.
        numbers: for each list the tile that each of its lines names; -1 for a line without name.
    """

    def __init__(self, known: Crowd, lists: Sequence[SplitList]) -> None:
        self.known = known
        self.numbers: list[NDArray[np.int32]] = []
        group_numbers = {group: number for number, group in enumerate(known.groups)}
        self._group_of_list = [group_numbers.setdefault(split.group, len(group_numbers)) for split in lists]
        self.groups = tuple(group_numbers)
        self._lost = Names.gathered(())
        self._lost_hashes = _NOBODY
        self._lost_groups = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self.known) + len(self._lost)

    def name(self, number: int) -> TileId:
        """Of a tile."""
        known = len(self.known)
        return self.known.names[number] if number < known else self._lost[number - known]

    def group_of(self, numbers: NDArray[np.intp]) -> NDArray[np.int32]:
        """The group of each of these tiles, as a place in `groups`."""
        return np.concatenate((self.known.group_of, self._lost_groups))[numbers]

    def group(self, number: int) -> str:
        """The name of a tile's group: of one without files that of the first list that names it."""
        known = len(self.known)
        return self.known.group(number) if number < known else self.groups[self._lost_groups[number - known]]

    def read(self, named: Iterable[list[TileId | None]]) -> None:
        """The next list: what its lines name, a part after the other."""
        parts, names, hashes = [np.zeros(0, np.int32)], [], [_NOBODY]
        for part in named:
            of_part = hashes_of(part)
            numbers = self.known.places(of_part)
            is_name = np.fromiter((name is not None for name in part), bool, len(part))
            lost = np.flatnonzero(is_name & (numbers < 0))
            numbers[~is_name] = _BLANK
            numbers[lost] = _LOST
            parts.append(numbers)
            names.append(Names.gathered([part[row] or "" for row in lost.tolist()]))
            hashes.append(of_part[lost])
        numbers = np.concatenate(parts)
        numbers[numbers == _LOST] = len(self.known) + self._numbered(
            Names.joined(names), np.concatenate(hashes), self._group_of_list[len(self.numbers)]
        )
        self.numbers.append(numbers)

    def _numbered(self, names: Names, hashes: NDArray[np.int64], group: int) -> NDArray[np.int32]:
        """Numbers of tiles without files, counted from 0; those that are new get the next ones."""
        before = len(self._lost)
        _, firsts, back = np.unique(np.concatenate((self._lost_hashes, hashes)), return_index=True, return_inverse=True)
        new = np.sort(firsts[firsts >= before])
        numbers = np.where(firsts < before, firsts, before + np.searchsorted(new, firsts))
        if len(new):
            places = new - before
            more = names if len(new) == len(names) else Names.gathered(names.at(places))
            self._lost = Names.joined([self._lost, more])
            self._lost_hashes = np.concatenate((self._lost_hashes, hashes[places]))
            self._lost_groups = np.concatenate((self._lost_groups, np.full(len(new), group, np.int32)))
        return numbers[back[before:]].astype(np.int32)

    def numbers_of(self, tiles: Sequence[TileId]) -> list[int]:
        """The numbers of tiles; -1 for those that are not there."""
        hashes = hashes_of(tiles)
        numbers = self.known.places(hashes)
        order = np.argsort(self._lost_hashes)
        if len(order):
            places = np.minimum(np.searchsorted(self._lost_hashes, hashes, sorter=order), len(order) - 1)
            is_lost = (numbers < 0) & (self._lost_hashes[order[places]] == hashes)
            numbers = np.where(is_lost, len(self.known) + order[places], numbers)
        found = zip(numbers.tolist(), tiles, strict=True)
        return [number if number >= 0 and self.name(number) == tile else -1 for number, tile in found]


class _Listed:
    """Which lists name the tiles that are left out."""

    def __init__(self, census: _Census, is_dropped: NDArray[np.bool_]) -> None:
        mask = np.append(is_dropped, False)
        numbers = [np.unique(named[mask[named]]) for named in census.numbers]
        together = np.concatenate([np.zeros(0, np.int32), *numbers])
        order = np.argsort(together, kind="stable")
        lists = np.repeat(np.arange(len(numbers), dtype=np.int32), [len(each) for each in numbers])
        self._lists = lists[order]
        self._ends = np.cumsum(np.bincount(together, minlength=len(census)))

    def of(self, number: int) -> tuple[int, ...]:
        """Places of the lists that name a tile."""
        start = self._ends[number - 1] if number else 0
        return tuple(self._lists[start : self._ends[number]].tolist())


def _dropped_among(
    census: _Census, decisions: Mapping[TileId, Decision], options: ExportOptions
) -> tuple[NDArray[np.bool_], Counter[Reason]]:
    """(whether each tile is left out, reason -> how many are)."""
    known = len(census.known)
    of_undecided = {found: reasons_to_drop(UNDECIDED, options, found=found) for found in (True, False)}
    is_dropped = np.full(len(census), bool(of_undecided[False]))
    is_dropped[:known] = bool(of_undecided[True])
    counts: Counter[Reason] = Counter()
    for found, tiles in ((True, known), (False, len(census) - known)):
        counts.update(dict.fromkeys(of_undecided[found], tiles))
    for number, decision in zip(census.numbers_of(list(decisions)), decisions.values(), strict=True):
        if number >= 0:
            reasons = reasons_to_drop(decision, options, found=number < known)
            is_dropped[number] = bool(reasons)
            counts.subtract(of_undecided[number < known])
            counts.update(reasons)
    return is_dropped, +counts


def _list_plan(
    split: SplitList, numbers: NDArray[np.int32], is_dropped: NDArray[np.bool_], census: _Census
) -> ListPlan:
    def line(row: int) -> tuple[int, TileId]:
        return row + 1, census.name(int(numbers[row]))

    gone = np.flatnonzero(np.append(is_dropped, False)[numbers])  # a line without name has the number -1
    lost = np.flatnonzero(numbers >= len(census.known))
    return ListPlan(split, _without(split, gone), Made(gone, line), Made(lost, line))


def _leaks(lists: Sequence[SplitList], census: _Census, is_dropped: NDArray[np.bool_]) -> tuple[Leak, ...]:
    """The tiles that stay on a list for training and on a held-out one, sorted."""
    words = [set(re.split(r"[^a-z]+", split.name.lower())) for split in lists]
    training = [place for place, each in enumerate(words) if each & TRAINING]
    held_out = [place for place, each in enumerate(words) if each & HELD_OUT and place not in training]
    is_leaking = ~is_dropped
    for side in (training, held_out):
        on_side = np.zeros(len(census) + 1, bool)  # the last one for lines without name
        for place in side:
            on_side[census.numbers[place]] = True
        is_leaking &= on_side[:-1]
    leaking = np.flatnonzero(is_leaking)
    if not len(leaking):
        return ()
    paths = {place: lists[place].path for place in (*training, *held_out)}
    on = {place: np.isin(leaking, census.numbers[place]).tolist() for place in paths}
    found = [
        Leak(
            census.name(number),
            tuple(paths[place] for place in training if on[place][row]),
            tuple(paths[place] for place in held_out if on[place][row]),
        )
        for row, number in enumerate(leaking.tolist())
    ]
    return tuple(sorted(found, key=lambda leak: leak.tile))


def _areas(census: _Census, is_dropped: NDArray[np.bool_], kept: Mapping[str, int]) -> tuple[Area, ...]:
    gone = np.flatnonzero(is_dropped)
    dropped = {
        census.groups[group]: Made(members, census.name) for group, members in _by_group(census.group_of(gone), gone)
    }
    return tuple(Area(group, kept.get(group, 0), dropped.get(group, ())) for group in {**kept, **dropped})


def _by_group(groups: NDArray[np.int32], numbers: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
    """(group, its members) of numbers in ascending order, the group of the first number first."""
    order = np.argsort(groups, kind="stable")
    in_order, members = groups[order], numbers[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1])[: len(order)])
    runs = zip(in_order[starts].tolist(), np.split(members, starts[1:]), strict=False)
    return sorted(runs, key=lambda run: int(run[1][0]))


def _without(split: SplitList, gone: NDArray[np.intp]) -> SplitList:
    """The list without the lines at these places."""
    if not len(gone):
        return split
    mask = np.zeros(len(split.lines), bool)
    mask[gone] = True
    if isinstance(split.lines, Rows):
        return replace(split, lines=split.lines.without(mask, with_commas=split.form is ListForm.JSON))
    return replace(split, lines=tuple(line for line, is_gone in zip(split.lines, mask, strict=True) if not is_gone))


def _shown(split: SplitList, line: SplitLine) -> str:
    """A line in a diff: of a table the whole record, of JSON the name as it stands there."""
    if split.form is ListForm.LINES:
        return printable(line.text)
    text = printable(line.raw.decode("utf-8", "surrogateescape")).strip(" \t\r\n")
    return re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", text)[:_LONGEST_SHOWN]


_LONGEST_SHOWN = 400

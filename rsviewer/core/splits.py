"""Split lists: read without losing a byte, cleaned without touching a line that stays."""

import codecs
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.tile import TileId, printable

BLANKS = " \t\v\f\ufeff"
"""What may surround a name on a line. Other white space (a no-break space) may be part of a file's name. A byte order
mark before a later line comes from lists that were joined with `cat`."""

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
class SplitLine:
    """One line of a list.

    Attributes:
        raw: the bytes of the line with its line ending, exactly as in the file.
        text: the decoded line without ending and surrounding blanks; empty for a blank line.
    """

    raw: bytes
    text: str


@dataclass(frozen=True, slots=True)
class SplitList:
    """A list of tiles.

    Attributes:
        name: the split, e.g. "train" (the file's stem).
        path: where the file lies under the dataset's root, "/" between the parts, e.g. "grid_g05_mid_v1/train.txt".
        group: the sub-dataset it belongs to; empty where there is none.
        lines: all lines, in order.
        mark: the byte order mark before the first line; empty where there is none.
        form: how it is written down.
    """

    name: str
    path: str
    group: str
    lines: tuple[SplitLine, ...]
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


def render_list(split: SplitList) -> bytes:
    """The bytes of the list's file."""
    return split.mark + b"".join(line.raw for line in split.lines)


def clean(split: SplitList, drop: Callable[[SplitLine], bool]) -> SplitList:
    """The list without the lines for which `drop` is true.

    Every other byte stays: order, line endings, blank lines, byte order mark. A list that lacks the last newline gains
    one where its last line goes, since the line before keeps its own.
    """
    kept = tuple(line for line in split.lines if not (line.text and drop(line)))
    return SplitList(split.name, split.path, split.group, kept, split.mark)


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
    named = [{line.text: tile_of_line(split, line.text) for line in split.lines if line.text} for split in lists]
    groups = dict(tiles)
    for split, tile_of in zip(lists, named, strict=True):
        groups.update({tile: split.group for tile in tile_of.values() if tile not in groups})

    dropped: dict[TileId, Dropped] = {}
    undecided = Decision()
    for tile, group in groups.items():
        decision = decisions.get(tile, undecided)
        reasons = reasons_to_drop(decision, options, found=tile in tiles)
        if reasons:
            dropped[tile] = Dropped(tile, group, reasons, decision)

    kept = defaultdict(list)
    for tile, group in tiles.items():
        if tile not in dropped:
            kept[group].append(tile)

    listed = {tile for tile_of in named for tile in tile_of.values()}
    plans = tuple(_plan_list(split, tile_of, dropped, tiles) for split, tile_of in zip(lists, named, strict=True))
    return ExportPlan(
        options=options,
        lists=plans,
        dropped=tuple(dropped.values()),
        kept={group: tuple(members) for group, members in kept.items()},
        unlisted=tuple(tile for tile in tiles if tile not in listed) if lists else (),
        leaks=leakage([each.after for each in plans], tile_of_line),
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


def leakage(lists: Iterable[SplitList], tile_of_line: Callable[[SplitList, str], TileId]) -> tuple[Leak, ...]:
    """The tiles that are on a training list and on a held-out list as well, sorted."""
    training: dict[TileId, list[str]] = defaultdict(list)
    held_out: dict[TileId, list[str]] = defaultdict(list)
    for split in lists:
        words = set(re.split(r"[^a-z]+", split.name.lower()))
        side = training if words & TRAINING else held_out if words & HELD_OUT else None
        if side is not None:
            for tile in dict.fromkeys(tile_of_line(split, line.text) for line in split.lines if line.text):
                side[tile].append(split.path)
    return tuple(
        Leak(tile, tuple(training[tile]), tuple(held_out[tile])) for tile in sorted(training.keys() & held_out.keys())
    )


def names(split: SplitList) -> int:
    """How many lines name a tile."""
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
            yield ("-" if row in removed else " ") + printable(lines[row].text)
        taken += fewer


def _plan_list(
    split: SplitList, tile_of: Mapping[str, TileId], dropped: Container[TileId], found: Container[TileId]
) -> ListPlan:
    """What becomes of one list. `tile_of`: line text -> tile."""
    numbered = [(number, tile_of[line.text]) for number, line in enumerate(split.lines, start=1) if line.text]
    return ListPlan(
        before=split,
        after=clean(split, lambda line: tile_of[line.text] in dropped),
        dropped=tuple(pair for pair in numbered if pair[1] in dropped),
        not_found=tuple(pair for pair in numbered if pair[1] not in found),
    )


def _hunks(rows: Sequence[int], context: int, length: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the stretches shown around `rows`, joined where they touch."""
    start, stop = max(0, rows[0] - context), rows[0]
    for row in rows:
        if row - context > stop:
            yield start, stop
            start = row - context
        stop = min(length, row + context + 1)
    yield start, stop

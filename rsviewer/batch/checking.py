"""The automatic checks over a whole dataset: every tile is examined once, and then the dataset is judged as a whole."""

import logging
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.crew import Crew, Lost
from rsviewer.batch.indexed import Indexed
from rsviewer.batch.remarks import Failure
from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.aligning import Align
from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.check import Check, Evidence, Sign
from rsviewer.core.checks.sameness import Details, details, likeness
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import SUSPICIOUS, WORTH, Examined, Note, Reason, Trait
from rsviewer.core.checks.traits import traits_of
from rsviewer.core.errors import StoppedError
from rsviewer.core.filters import quoted
from rsviewer.core.tile import LayerKind, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align as align_rasters
from rsviewer.data.content import read_layer, state_of
from rsviewer.data.footprints import footprint
from rsviewer.data.index import TileIndex
from rsviewer.data.indexchecks import Judged
from rsviewer.data.tree import Tree

log = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""The check that says so of a tile that nobody could examine."""
FILED_AT_ONCE = 512
"""Tiles between two writes to the index."""
LOOKED_AT_AT_ONCE = 1 << 12
"""Tiles whose files are looked at between two moments at which that can be stopped."""
LOOKERS = 8
"""Threads that do so: over a network each question takes its time."""
_HANDFUL = 64
RESULTS_AT_ONCE = 1 << 14
"""Results that are read together: each time the columns of all tiles are gone through."""
FILED_AFTER = 5.0
"""Seconds between them, at most: what an interruption can cost."""
JUDGED_AFTER = 4.0
"""Seconds until the tiles examined so far are judged for the first time; after that ever less often."""
LONGER = 1.5
"""Times as long as before until the next time."""
SHARE_OF_JUDGING = 0.1
"""Of the time, at most."""
_LONGEST = 120
"""Characters of what is said of a fault."""
_REMEMBERED = 256
"""Pictures, of 64 kB each."""
_PICTURES = (LayerKind.OPTICAL, LayerKind.SAR)

_Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Fault:
    """A check that itself does not work on some tiles, the first of which is `first`.

    Attributes:
        check: its id.
        tiles: on how many.
        first: the first of them.
        message: what is wrong with it there, a clause.
    """

    check: str
    tiles: int
    first: TileId
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was done.

    Attributes:
        tiles: that were asked for.
        known: of these, examined before and not again.
        changed: of those examined now, examined before in other files, see `changed_tiles`.
        failed: of those examined now, which could not be.
        faults: of those examined now, which checks have nothing to say because they have a fault.
        seconds: for those examined now.
        milliseconds: check -> mean of the tiles examined now.
        judged: see `CheckBook.judge`: of all tiles ever examined.
    """

    tiles: int
    known: int
    changed: int
    failed: tuple[Failure, ...]
    faults: tuple[Fault, ...]
    seconds: float
    milliseconds: Mapping[str, float]
    judged: Judged


def check_all(
    dataset: Dataset,
    index: TileIndex,
    entries: Sequence[TileEntry] | NDArray[np.integer] | None = None,
    *,
    checks: Sequence[Check],
    crew: Crew,
    refuted: Mapping[TileId, Sequence[str]],
    dropped: Iterable[TileId] = (),
    overwrite: bool = False,
    changed: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
    arrived: Callable[[Judged], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Checked:
    """Examines tiles, files what was found in the index, and judges the dataset.

    Interrupted, it keeps what it has; called again, it goes on.

    Args:
        dataset: whose tiles.
        index: complete; it must not be built anew meanwhile.
        entries: which tiles; or their places in the index, which is better for millions; None for all. Tiles without a file
            are left out.
        checks: which.
        crew: who examines.
        refuted: tile -> checks that a person has refuted there.
        dropped: tiles that people have dropped; gone through at every judgement.
        overwrite: examines tiles again that are known.
        changed: examines these of them again, see `changed_tiles`.
        progress: called with tiles done and in all, those known before not counted.
        arrived: called whenever suspicions have become known, also while the work is under way; on this thread. None judges
            at the end only.
        stop: asked after every tile, and all the while the dataset is judged. Where it says True, StoppedError is raised;
            `CheckBook.is_behind` says whether tiles wait to be judged.
    """
    began = time.monotonic()
    places = _places(index, entries)
    places = places[index.have_files()[places]]
    known = index.checks.known([check.id for check in checks])[places]
    is_changed = known & np.isin(places, np.zeros(0) if changed is None else changed)
    todo = places[overwrite | ~known | is_changed]
    work = _Work(index, refuted, dropped, arrived, stop, began)
    if progress:
        progress(0, len(todo))
    with closing(crew.run(Examiner.of(dataset, checks), Indexed(index, todo))) as results:
        try:
            for entry, result in results:
                work.add(_lost(entry, result, dataset.tree) if isinstance(result, Lost) else result)
                if progress:
                    progress(work.done, len(todo))
                if stop():
                    raise StoppedError("Checking was stopped.")
        finally:
            work.file()
    seconds = time.monotonic() - began if len(todo) else 0.0
    judged = index.checks.judge(refuted, Confirmer(dataset, index, stop), stop, dropped=dropped)
    if arrived:
        arrived(judged)
    means = {check: total / max(1, work.counts[check]) for check, total in work.milliseconds.items()}
    return Checked(
        len(places),
        len(places) - len(todo),
        int(np.count_nonzero(is_changed)),
        tuple(work.failed),
        tuple(sorted(work.faults.values(), key=lambda fault: fault.check)),
        seconds,
        means,
        judged,
    )


def changed_tiles(
    dataset: Dataset,
    index: TileIndex,
    places: NDArray[np.integer],
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> NDArray[np.integer]:
    """Those of some tiles whose files have changed since they were examined, or may have: places in the index.

    Asks for date and size of every file, but reads none: two minutes for five million on a disk, far longer over a network.

    Args:
        dataset: whose tiles.
        index: complete; it must not be built anew meanwhile.
        places: of the tiles.
        progress: called with tiles done and in all.
        stop: asked now and then. Raises StoppedError.
    """
    before = index.checks.states()
    is_changed = np.zeros(len(places), bool)

    def states(entries: Sequence[TileEntry]) -> list[int]:
        return [_state(entry, dataset.tree) for entry in entries]

    for start in range(0, len(places), LOOKED_AT_AT_ONCE):
        if stop():
            raise StoppedError("Looking for changed files was stopped.")
        block = places[start : start + LOOKED_AT_AT_ONCE]
        entries = index.entries(block)
        parts = (entries[k : k + _HANDFUL] for k in range(0, len(entries), _HANDFUL))
        now = np.array([state for part in in_parallel(states, parts, LOOKERS) for state in part], np.uint64)
        is_changed[start : start + len(block)] = (now != before[block]) | (now == 0)
        if progress:
            progress(start + len(block), len(places))
    return places[is_changed]


@dataclass(frozen=True, slots=True)
class Result:
    """What is thought of a tile now.

    Attributes:
        tile: which.
        suspicion: 0..1.
        reasons: the most certain first, those that do not count last; none where it is not suspicious.
    """

    tile: TileId
    suspicion: float
    reasons: tuple[Reason, ...] = ()

    @property
    def is_suspicious(self) -> bool:
        """Whether somebody should look at it."""
        return self.suspicion >= SUSPICIOUS


class Results:
    """What is thought of tiles, the most suspicious first; those not judged are left out.

    There may be millions: each is read when it comes up, and counts are counted where the tiles are.

    Args:
        index: judged; it must not be built anew meanwhile.
        places: of the tiles in it.
    """

    def __init__(self, index: TileIndex, places: NDArray[np.integer]) -> None:
        suspicions = index.checks.suspicions()[places]
        order = np.argsort(-suspicions, kind="stable")[: np.count_nonzero(np.isfinite(suspicions))]  # NaN comes last
        self._index = index
        self._places = places[order]
        self.suspicions: NDArray[np.float32] = suspicions[order]
        """(n,) in that order."""

    def __len__(self) -> int:
        """How many were judged."""
        return len(self._places)

    def __iter__(self) -> Iterator[Result]:
        """One after the other."""
        for start in range(0, len(self), RESULTS_AT_ONCE):
            yield from self._read(start, start + RESULTS_AT_ONCE)

    @cached_property
    def suspicious(self) -> int:
        """How many of them somebody should look at."""
        return int(np.count_nonzero(self.suspicions >= SUSPICIOUS))

    @cached_property
    def by_check(self) -> Mapping[str, int]:
        """Check -> tiles that it makes suspicious, most first."""
        return self._index.checks.tally(self._places)

    @cached_property
    def by_split(self) -> Mapping[str, int]:
        """List -> suspicious tiles on it."""
        return self._index.splits_among(self._places[: self.suspicious])

    def worst(self, most: int) -> list[Result]:
        """The first of the suspicious ones."""
        return self._read(0, min(most, self.suspicious))

    def pairs(self, check: str) -> Iterator[tuple[TileId, tuple[TileId, ...]]]:
        """The tiles that a check makes suspicious together with others, and these: the worst first, each pair once."""
        if not self.by_check.get(check):
            return
        places = self._index.select(f"suspects = {quoted(check)}", "suspicion desc")
        places = places[np.isin(places, self._places)]
        said: set[tuple[TileId, TileId]] = set()
        for start in range(0, len(places), FILED_AT_ONCE):
            block = places[start : start + FILED_AT_ONCE]
            partners = self._index.checks.partners_of(check, block.tolist())
            for tile, place in zip(self._index.names_of(block), block.tolist(), strict=True):
                new = tuple(other for other in partners.get(place, ()) if (other, tile) not in said)
                said.update((tile, other) for other in new)
                if new:
                    yield tile, new

    def _read(self, start: int, end: int) -> list[Result]:
        places, suspicions = self._places[start:end], self.suspicions[start:end].tolist()
        names = self._index.names_of(places)
        bad = places[: max(0, self.suspicious - start)].tolist()
        reasons = [*self._index.checks.reasons_of(bad), *(() for _ in range(len(places) - len(bad)))]
        return [Result(*each) for each in zip(names, suspicions, reasons, strict=True)]


def results_of(index: TileIndex, places: NDArray[np.integer]) -> Results:
    """What is thought of tiles by their places in the index."""
    return Results(index, places)


# --- one tile


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines tiles of a dataset, here or in another process."""

    dataset: Dataset
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, dataset: Dataset, checks: Sequence[Check]) -> "Examiner":
        """With what it needs of the dataset: lists of millions of tiles stay at home."""
        return cls(replace(dataset, lists=(), folders=(), problems=()), tuple(checks))

    def __call__(self, entry: TileEntry) -> Examined:
        """See `examine`. What is found belongs to the files as they are before they are read."""
        state = _state(entry, self.dataset.tree)
        try:
            return replace(examine(entry, self.dataset, self.checks), state=state)
        except MemoryError:
            raise
        except Exception as error:
            log.exception("Tile %s could not be examined", entry.id)
            lost = Lost(f"The program has a fault ({type(error).__name__}: {error}): see the log.")
            return _lost(entry, lost, self.dataset.tree)


def examine(
    entry: TileEntry,
    dataset: Dataset,
    checks: Sequence[Check],
    *,
    align: Align = align_rasters,
    clock: _Clock = time.perf_counter,
) -> Examined:
    """Reads a tile and looks at it with every check.

    A check that has a fault of its own does not end the work: that is logged, and the tile has a note instead of a score. So
    it is where the traits cannot be told, for all checks that need them.

    Args:
        entry: the tile.
        dataset: whose tile it is.
        checks: which. Those of the whole dataset need traits, which are taken where one of them is among these.
        align: where the pixels of one layer lie on another.
        clock: seconds.
    """
    subject = subject_of(entry, dataset, align)
    scores: dict[str, float] = {}
    notes: dict[str, Note] = {}
    took: dict[str, float] = {}
    crowd = [check for check in checks if check.run is None]
    for check in checks:
        if check.run is not None:
            began = clock()
            try:
                sign = _worst(check, subject)
            except MemoryError:
                raise
            except Exception as error:
                log.exception("The check %s failed on tile %s", check.id, entry.id)
                notes[check.id] = _fault(error)
                sign = None
            took[check.id] = (clock() - began) * 1000.0
            if sign is not None:
                scores[check.id] = sign.score
                if sign.score >= WORTH * check.lowest:
                    notes[check.id] = Note(sign.message, sign.layer)
    traits: dict[str, Trait] = {}
    if crowd:
        began = clock()
        try:
            traits = {**traits_of(subject), **_place(subject)}
        except MemoryError:
            raise
        except Exception as error:
            log.exception("What tile %s is like could not be told", entry.id)
            notes |= dict.fromkeys((check.id for check in crowd), _fault(error))
        took |= dict.fromkeys((check.id for check in crowd), (clock() - began) * 1000.0 / len(crowd))
    return Examined(entry.id, scores, notes, traits, took)


def evidence(entry: TileEntry, dataset: Dataset, check: str, *, align: Align = align_rasters) -> Evidence | None:
    """Where in a tile that lies which a check has found; None where it finds nothing, or the question makes no sense."""
    if check not in BY_ID or BY_ID[check].run is None:  # the tile need not be read
        return None
    return evidence_in(subject_of(entry, dataset, align, wants_evidence=True), check)


def evidence_in(subject: Subject, check: str) -> Evidence | None:
    """The same in a tile that was read already, with `wants_evidence`: it serves all checks."""
    found = BY_ID.get(check)
    if found is None or found.run is None:
        return None
    try:
        sign = _worst(found, subject)
    except Exception:
        log.exception("The check %s failed on tile %s", check, subject.tile)
        return None
    return None if sign is None or sign.score <= 0 else sign.evidence


def subject_of(
    entry: TileEntry, dataset: Dataset, align: Align = align_rasters, *, wants_evidence: bool = False
) -> Subject:
    """A tile as checks see it, with all layers read."""
    return Subject(
        entry.id,
        [(spec, read_layer(entry, spec, dataset.tree)) for spec in dataset.layers],
        align,
        group=entry.group,
        splits=entry.splits,
        duplicates=entry.duplicates,
        missing=entry.missing,
        facts=entry.facts,
        wants_evidence=wants_evidence,
    )


def _fault(error: Exception) -> Note:
    """What is noted in place of a score."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST].strip()
    return Note(f"the check has a fault ({what}): see the log")


def _worst(check: Check, subject: Subject) -> Sign | None:
    """The sign with the largest score; None where the check applies to nothing."""
    worst = None
    for sign in () if check.run is None else check.run(subject):
        if sign.score > (-math.inf if worst is None else worst.score):
            worst = sign
    return worst


def _place(subject: Subject) -> dict[str, float]:
    """The traits of a tile that say where it lies: by its image, else by the first layer that knows."""
    first = [subject.image] if subject.image is not None else []
    for spec in (*first, *subject.rasters()):
        found = footprint(subject.raster(spec.id))
        if found is not None:
            return dict(zip(("west", "south", "east", "north"), found, strict=True))
    return {}


def _lost(entry: TileEntry, lost: Lost, tree: Tree) -> Examined:
    """What is said of a tile that could not be examined."""
    notes = {UNREADABLE: Note(lost.why)}
    return Examined(entry.id, {UNREADABLE: 1.0}, notes, failed=lost.why, state=_state(entry, tree))


def _state(entry: TileEntry, tree: Tree) -> int:
    """See `Examined.state`."""
    return int(state_of(entry.files.values(), tree) or "0", 16)


# --- all of them


class _Work:
    """What has come in, on its way to the index."""

    def __init__(
        self,
        index: TileIndex,
        refuted: Mapping[TileId, Sequence[str]],
        dropped: Iterable[TileId],
        arrived: Callable[[Judged], None] | None,
        stop: Callable[[], bool],
        began: float,
    ) -> None:
        self.done = 0
        self.failed: list[Failure] = []
        self.faults: dict[str, Fault] = {}
        self.milliseconds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._index = index
        self._refuted = refuted
        self._dropped = dropped
        self._arrived = arrived
        self._stop = stop
        self._waiting: list[Examined] = []
        self._filed = began
        self._wait = JUDGED_AFTER
        self._judge_at = began + self._wait

    def add(self, examined: Examined) -> None:
        """Takes in a tile; files and judges where it is time for that."""
        self.done += 1
        if examined.failed:
            self.failed.append(Failure(examined.tile, examined.failed))
        for check in examined.notes.keys() - examined.scores.keys():  # see `examine`
            before = self.faults.get(check, Fault(check, 0, examined.tile, examined.notes[check].message))
            self.faults[check] = replace(before, tiles=before.tiles + 1)
        self.milliseconds.update(examined.milliseconds)
        self.counts.update(examined.milliseconds.keys())
        self._waiting.append(examined)
        now = time.monotonic()
        if len(self._waiting) >= FILED_AT_ONCE or now >= self._filed + FILED_AFTER:
            self.file()
        if self._arrived is not None and now >= self._judge_at:
            self.file()
            self._arrived(self._index.checks.judge(self._refuted, stop=self._stop, dropped=self._dropped))
            took = time.monotonic() - now
            self._wait = max(self._wait * LONGER, took / SHARE_OF_JUDGING)
            self._judge_at = now + took + self._wait

    def file(self) -> None:
        """Tells the index."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._index.checks.record(waiting)
        self._filed = time.monotonic()


def _places(index: TileIndex, entries: Sequence[TileEntry] | NDArray[np.integer] | None) -> NDArray[np.integer]:
    if entries is None:
        return index.select()
    if isinstance(entries, np.ndarray):
        return entries
    found = index.ordinals_of(entry.id for entry in entries)
    return np.array([found[entry.id] for entry in entries if entry.id in found], np.int64)


# --- pairs of tiles


class Confirmer:
    """Says how alike the pictures of two tiles are whose hashes are alike: for `CheckBook.judge`.

    Args:
        dataset, index: whose tiles.
        stop: asked after every pair: there may be thousands.
    """

    def __init__(self, dataset: Dataset, index: TileIndex, stop: Callable[[], bool] = lambda: False) -> None:
        self._dataset = dataset
        self._index = index
        self._stop = stop
        pictures = [spec for kind in _PICTURES for spec in dataset.layers if spec.kind is kind]
        self._layers = sorted(pictures, key=lambda spec: spec.date == "pre")
        self._known: OrderedDict[int, Details | None] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> list[float]:
        """0..1 for every pair of places in the index, see `sameness.likeness`. 0 where one cannot be read.

        Raises StoppedError.
        """
        order = sorted(range(len(pairs)), key=lambda number: pairs[number])
        found: dict[int, float] = {}
        with closing(in_parallel(self._alike, (pairs[number] for number in order))) as likenesses:
            for number, likeness in zip(order, likenesses, strict=True):
                found[number] = likeness
                if self._stop():
                    raise StoppedError("Comparing pictures was stopped.")
        return [found[number] for number in range(len(pairs))]

    def _alike(self, pair: tuple[int, int]) -> float:
        one, other = map(self._picture, pair)
        return 0.0 if one is None or other is None else likeness(one, other)

    def _picture(self, place: int) -> Details | None:
        """A tile's picture; those used lately are remembered. Two threads may read the same: that costs time only."""
        with self._lock:
            if place in self._known:
                self._known.move_to_end(place)
                return self._known[place]
        found = self._read(place)
        with self._lock:
            self._known[place] = found
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _read(self, place: int) -> Details | None:
        entry = self._index.entry(place)
        for spec in self._layers:
            subject = Subject(entry.id, [(spec, read_layer(entry, spec, self._dataset.tree))], align_rasters)
            if subject.image is not None:
                return details(subject.plane(spec.id).values)
        return None

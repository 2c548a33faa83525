"""The automatic checks as the user meets them: running them in the background, why a tile is suspicious, and where."""

import logging
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.checking import Checked, changed_tiles, check_all
from rsviewer.batch.checking import evidence as find_evidence
from rsviewer.batch.crew import Crew
from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Box, Check
from rsviewer.core.checks.suspicion import SUSPICIOUS, Reason
from rsviewer.core.errors import FilterError, ProjectError, StoppedError
from rsviewer.core.render import Painted, highlight, spots
from rsviewer.core.review import Decision, Edit, Verdict
from rsviewer.core.scene import Exhibit, Frame, Picture, Rect, placed
from rsviewer.core.tile import Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.index import TileIndex
from rsviewer.data.indexchecks import Judged
from rsviewer.workspace.background import Job, Jobs, Post, Wanted
from rsviewer.workspace.finding import Finding
from rsviewer.workspace.news import Changed

log = logging.getLogger(__name__)

CHECKING = "Checking tiles"
LOOKING = "Looking for changed files"
JUDGING = "Weighing what the checks found"
SUSPICIOUS_FIRST = "suspicion desc"
NOT_CHECKED = "The tiles are not checked yet: Review > Check all tiles looks at every one of them."
READ_ONLY = (
    "The tiles cannot be checked here: this window is read-only. The one that may write shows what the checks found."
)
KEPT = 64
"""Tiles whose evidence is remembered."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where does this check see what it suspects in this tile?"""

    tile: TileId
    check: str
    entry: TileEntry = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Evidence on its way to the panes.

    Attributes:
        painted: its mask as a picture.
        boxes: parts of the layer, those around small spots of the mask included.
        layer: over whose extent it lies, without its pixels; None where that cannot be read.
    """

    painted: Painted | None
    boxes: tuple[Box, ...]
    layer: Raster | None


_Answer: TypeAlias = _Shown | None
"""None where there is nothing to be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class _Overview:
    """What the checks say of all tiles, by their places in the dataset."""

    suspicions: NDArray[np.float32]
    counts: Judged
    generation: int


@dataclass(frozen=True, slots=True)
class Suspected:
    """What is known of one tile.

    Attributes:
        tile: which.
        suspicion: 0..1; None where it was not examined.
        reasons: the most certain first, those that do not count last.
        partners: check -> other tiles that it is about, the likest first: those that this one duplicates.
        chosen: id of the check that keys act on; None where there is no reason left.
    """

    tile: TileId
    suspicion: float | None = None
    reasons: tuple[Reason, ...] = ()
    partners: Mapping[str, tuple[TileId, ...]] = field(default_factory=dict)
    chosen: str | None = None


class Checking:
    """Checks over the dataset, and their say on the current tile.

    Args:
        dataset, index: what is checked, and where results go.
        finding: the queue, which is filled anew while results come where its order depends on them.
        decisions: what was decided, always as it is now: what people refuted does not count.
        jobs: where the run is seen and stopped.
        entry: the current tile.
        frame: its pixel grid.
        crew: who does the work: one is made for every run.
        is_ready: whether all that the panes show of the current tile is there: evidence comes after it.
        post: calls functions back on the owner's thread.
        notify: tells what changed.
        say: puts a sentence into the status bar.
        reread: some files have changed since they were read, and all are to be read anew.
        read_only: nothing may be written to the project.
        threads: for evidence; 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        finding: Finding,
        decisions: Mapping[TileId, Decision],
        jobs: Jobs,
        *,
        entry: Callable[[], TileEntry | None],
        frame: Callable[[], Frame | None],
        crew: Callable[[], Crew],
        is_ready: Callable[[], bool],
        post: Post,
        notify: Callable[[Changed], None],
        say: Callable[[str], None],
        reread: Callable[[], None],
        read_only: bool,
        threads: int,
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._finding = finding
        self._decisions = decisions
        self._jobs = jobs
        self._entry = entry
        self._frame = frame
        self._crew = crew
        self._is_ready = is_ready
        self._post = post
        self._notify = notify
        self._say = say
        self._reread = reread
        self._read_only = read_only
        self._refuted, self._dropped = _Refuted(decisions), _Dropped(decisions)
        self._job: Job | None = None
        self.judged: Judged | None = None
        """How many tiles are suspicious, by which check; None while nobody has counted them."""
        self._overview: _Overview | None = None
        self._version = 0
        self._is_caught_up = False
        self._is_closed = False
        self._suspected: Suspected | None = None
        self._is_stale = False
        self._question = 0
        self._is_watched = False
        self._chosen: tuple[TileId, str] | None = None
        self._shows_evidence = False
        self._evidence: dict[tuple[TileId, str], _Answer] = {}
        self._exhibit: tuple[object, Exhibit | None] | None = None
        self._first_reasons: dict[TileId, str] = {}
        self._wanted: Wanted[_Asked, _Answer] = Wanted(
            "evidence", self._find_evidence, self._has_evidence, self._deliver, threads
        )
        self._counting: Wanted[int, _Overview | None] = Wanted(
            "suspicions", self._look_over, lambda version: version != self._version, self._looked_over, threads
        )

        self._asking: Wanted[tuple[TileId, int], Suspected] = Wanted(
            "reasons", lambda asked: self._look_up(asked[0]), lambda _: False, self._looked_up, threads
        )

    def close(self) -> None:
        """Ends the workers and the run, also where it is just judging what it has found. Stop the jobs next."""
        self._is_closed = True
        self._asking.close()
        self._wanted.close()
        self._counting.close()

    def step(self) -> bool:
        """Does one piece of the workers' work here; for tests."""
        return self._asking.step() or self._wanted.step() or self._counting.step()

    def names_known(self) -> None:
        """All tiles are known, perhaps others than before: what earlier sessions have found belongs to them now."""
        self.tile_changed()
        self._outdate()

    def forget(self) -> None:
        """The files may have changed: evidence is looked for anew."""
        self._evidence.clear()
        self._exhibit = None
        self.tile_changed()

    # --- the run

    @property
    def job(self) -> Job | None:
        """The run under way; None where there is none."""
        return self._job if self._job is not None and self._job in self._jobs.running else None

    @property
    def has_results(self) -> bool:
        """Whether any tile was examined, now or in an earlier session."""
        return not self._index.checks.is_empty

    @property
    def can_run(self) -> bool:
        """Whether tiles may be checked here."""
        return not self._read_only

    def start(self, checks: Sequence[Check] = CHECKS, *, again: bool = False, changed: bool = False) -> None:
        """Examines every tile that was not examined yet, in the background.

        Args:
            checks: which.
            again: all tiles, also those that were.
            changed: those of them, too, whose files have changed since; looks at date and size of every file.
        """
        if self.job is not None:
            self._say("The tiles are being checked already.")
        elif self._read_only:
            self._say(READ_ONLY)
        elif not self._finding.is_complete:
            self._say("The names of the tiles are still being read.")
        else:
            self._say("The tiles are being checked in the background, and what is found is shown as it comes.")
            if again or changed:
                self.forget()
            work = partial(self._run, checks=checks, again=again, changed=changed)
            self._job = self._jobs.start(LOOKING if changed else CHECKING, work, partial(self._done, looked=changed))
            self._notify(Changed.SUSPICION | Changed.STATUS)

    def stop(self) -> None:
        """Ends the run; what was found is kept, and the next one goes on from there."""
        if self._job is not None:
            self._job.stop.set()

    def _run(self, job: Job, checks: Sequence[Check], *, again: bool, changed: bool) -> Checked | None:
        def is_stopped() -> bool:
            return self._is_closed or job.stop.is_set()

        others = None
        try:
            if changed:
                everywhere = self._index.select()
                others = changed_tiles(self._dataset, self._index, everywhere, progress=job.progress, stop=is_stopped)
                if others.size:  # what is shown shall be what is checked
                    self._post(self._reread)
                job.begin(CHECKING)
            return check_all(
                self._dataset,
                self._index,
                checks=checks,
                crew=self._crew(),
                refuted=self._refuted,
                dropped=self._dropped,
                overwrite=again,
                changed=others,
                progress=job.progress,
                arrived=lambda judged: self._post(lambda: self._came_in(judged)),
                stop=is_stopped,
            )
        except StoppedError:
            if self._index.checks.is_behind:
                self._judge()
            return None

    def _judge(self) -> None:
        """What was examined shall be seen, though the run was broken off; where the program ends, in the next session."""
        try:
            judged = self._index.checks.judge(self._refuted, stop=lambda: self._is_closed, dropped=self._dropped)
        except StoppedError:
            return
        self._post(lambda: self._came_in(judged))

    def _came_in(self, judged: Judged) -> None:
        """Some tiles have other suspicions than before."""
        self.judged = judged
        asked = f"{self._finding.filter} {self._finding.sort}"
        if any(word in asked for word in ("suspicion", "suspects", "check_", "examined")):
            self._finding.refresh()
        self.tile_changed()
        self._outdate()
        self.restate()
        self._notify(Changed.QUEUE | Changed.SUSPICION)

    def _done(self, checked: Checked | None, *, looked: bool) -> None:
        self._job = None
        self._notify(Changed.SUSPICION | Changed.STATUS)
        if checked is not None:
            found = f"{checked.judged.suspicious:,} of {checked.judged.tiles:,} tiles are suspicious"
            lost = f"; {len(checked.failed):,} could not be examined" if checked.failed else ""
            broken = "".join(
                f" {fault.check} did not work on {fault.tiles:,} of them: see the log." for fault in checked.faults
            )
            others = f" {checked.changed:,} tile{'s' * (checked.changed != 1)} had changed." if looked else ""
            self._say(f"All tiles are checked: {found}{lost}.{others} F3 puts the worst first.{broken}")

    # --- all tiles

    @property
    def total(self) -> int:
        """How many tiles the dataset has."""
        return self._finding.total

    def suspicion_of(self, ordinal: int) -> float | None:
        """0..1 for the tile at a place in the dataset; None where it was not judged, or is not known yet. Costs nothing."""
        known = self._overview
        if known is None or known.generation != self._index.generation or not 0 <= ordinal < len(known.suspicions):
            return None
        value = float(known.suspicions[ordinal])
        return None if np.isnan(value) else value

    def first_reason(self, ordinal: int, tile: TileId) -> str:
        """The most certain reason why a tile is suspicious, in words; empty where it is not. For tool tips."""
        if (self.suspicion_of(ordinal) or 0.0) < SUSPICIOUS:
            return ""
        if tile not in self._first_reasons:
            reason = next((each for each in self._of(tile)[1] if each.counts), None)
            words = "" if reason is None else f"{BY_ID[reason.check].title}: {reason.message or 'no details'}"
            self._first_reasons = {tile: words}  # the mouse rests on one
        return self._first_reasons[tile]

    def _outdate(self) -> None:
        """The checks, or people, have said something else of some tiles."""
        self._version += 1
        self._first_reasons = {}
        if self.has_results and self._finding.is_complete:
            self._counting.want([self._version])

    def _look_over(self, _: int) -> _Overview | None:
        """On the worker."""
        book, generation = self._index.checks, self._index.generation
        try:
            if not self._is_caught_up:
                book.catch_up(self._refuted, self._dropped)
                self._is_caught_up = True
                if book.is_behind and self.job is None:
                    self._post(self._judge_again)
            return _Overview(book.suspicions(), book.counts(), generation)
        except ProjectError as error:
            log.info("The suspicions cannot be read: %s", error)
            return None

    def _looked_over(self, version: int, overview: _Overview | None) -> None:

        def arrived() -> None:
            if overview is not None and version == self._version:
                self._overview, self.judged = overview, overview.counts
                self.tile_changed()
                self.restate()
                self._notify(Changed.QUEUE | Changed.SUSPICION)

        self._post(arrived)

    def _judge_again(self) -> None:
        """An earlier run ended with its program."""
        if self.job is None and not self._is_closed:
            self._jobs.start(JUDGING, lambda _: self._judge())

    # --- the queue

    def suspicious_first(self) -> None:
        """Sorts the queue, and goes to its first tile; once more gives the order of the dataset back."""
        if not self.has_results:
            self._say(self.why_nothing())
        elif self.is_first:
            self.sort_by("")
        else:
            self.sort_by(SUSPICIOUS_FIRST)

    @property
    def is_first(self) -> bool:
        """Whether the queue has the most suspicious tiles first."""
        return self._finding.sort == SUSPICIOUS_FIRST

    def sort_by(self, sort: str) -> None:
        """Another order of the queue, from its first tile on; the order of the dataset stays on the tile."""
        try:
            self._finding.choose(self._finding.filter, sort, from_start=bool(sort))
        except FilterError as error:
            self._say(str(error))

    # --- the current tile

    def tile_changed(self) -> None:
        """There are other results: what is known of the tile is asked anew."""
        self._is_stale = True
        self._question += 1

    def set_watched(self, *, on: bool) -> None:
        """Whether somebody sees the reasons of the current tile: they are then asked for as soon as it is the current one."""
        self._is_watched = on

    def seen(self) -> Suspected | None:
        """What is known of the current tile without waiting; None while it is not known, or in an empty queue.

        What is not known is asked for: `Changed.REASONS` is told once it is there.
        """
        entry, known = self._entry(), self._suspected
        if entry is None:
            return None
        if not self.has_results:
            return Suspected(entry.id)
        if known is None or known.tile != entry.id or self._is_stale:
            self._asking.want([(entry.id, self._question)])
        if known is None or known.tile != entry.id:
            return None
        return replace(known, chosen=self._chosen_of(known))

    def suspected(self) -> Suspected | None:
        """What is known of the current tile; None in an empty queue. Waits for it: a key acts on what is so now."""
        entry, known = self._entry(), self._suspected
        if entry is None:
            return None
        if known is None or known.tile != entry.id or self._is_stale:
            known = self._suspected = self._look_up(entry.id)
            self._is_stale = False
        return replace(known, chosen=self._chosen_of(known))

    def _look_up(self, tile: TileId) -> Suspected:
        """On any thread."""
        suspicion, reasons = self._of(tile)
        if suspicion is None:
            return Suspected(tile)
        of_all = any(BY_ID[reason.check].run is None for reason in reasons)
        return Suspected(tile, suspicion, reasons, self._index.checks.partners(tile) if of_all else {})

    def _looked_up(self, asked: tuple[TileId, int], found: Suspected) -> None:

        def arrived() -> None:
            entry = self._entry()
            if entry is not None and asked == (entry.id, self._question):
                self._suspected, self._is_stale = found, False
                self.restate()
                self._notify(Changed.REASONS | Changed.VIEW if self._shows_evidence else Changed.REASONS)

        self._post(arrived)

    def _of(self, tile: TileId) -> tuple[float | None, tuple[Reason, ...]]:
        if not self.has_results:
            return None, ()
        try:
            return self._index.checks.of(tile)
        except ProjectError as error:
            log.info("The suspicions of %s cannot be read: %s", tile, error)
            return None, ()

    def _chosen_of(self, suspected: Suspected) -> str | None:
        """The reason that the user has picked on this tile, else the first one that counts."""
        open_ones = [reason.check for reason in suspected.reasons if reason.counts]
        if self._chosen is not None and self._chosen[0] == suspected.tile:
            picked = self._chosen[1]
            if any(reason.check == picked for reason in suspected.reasons):
                return picked
        return next(iter(open_ones), None)

    def choose(self, check: str) -> None:
        """Picks a reason of the current tile: keys act on it, and its evidence is what is shown."""
        entry = self._entry()
        if entry is not None:
            self._chosen = (entry.id, check)
            self.restate()
            self._notify(Changed.SUSPICION | Changed.VIEW)

    def next_reason(self) -> None:
        """Picks the next reason of the current tile, after the last the first."""
        suspected = self.suspected()
        checks = [] if suspected is None else [reason.check for reason in suspected.reasons]
        if suspected is None or not checks:
            self._say(self.why_nothing())
            return
        at = checks.index(suspected.chosen) + 1 if suspected.chosen in checks else 0
        self.choose(checks[at % len(checks)])

    def why_nothing(self) -> str:
        """What to say where the current tile has no reason to act on."""
        suspected = self.seen() or self.suspected()
        if not self.has_results:
            return READ_ONLY if self._read_only else NOT_CHECKED
        if suspected is None or suspected.suspicion is None:
            return "This tile was not checked yet."
        if suspected.reasons:
            return "Every suspicion of this tile is refuted or settled."
        return "No check suspects this tile."

    @property
    def chosen(self) -> str | None:
        """The reason that keys answer on the current tile; None where there is none. Waits for it, as `suspected` does."""
        suspected = self.suspected()
        return None if suspected is None else suspected.chosen

    def open_reasons(self, tiles: Sequence[TileId]) -> dict[TileId, str]:
        """What keys answer on each of several tiles: the reason picked on the current one, else the most certain.

        Of those that count. Tiles without one are absent.
        """
        if not self.has_results:
            return {}
        entry, chosen = self._entry(), self._chosen
        picked = chosen[1] if chosen is not None and entry is not None and chosen[0] == entry.id else None
        try:
            places = self._index.ordinals_of(tiles)
            of_each = self._index.checks.reasons_of(list(places.values()))
        except ProjectError as error:
            log.info("The suspicions of %d tiles cannot be read: %s", len(tiles), error)
            return {}
        found = {}
        for tile, reasons in zip(places, of_each, strict=True):
            checks = [reason.check for reason in reasons if reason.counts]
            if checks:
                found[tile] = picked if picked in checks else checks[0]
        return found

    @property
    def has_open_reason(self) -> bool:
        """Whether the current tile has a reason that counts."""
        suspected = self.suspected()
        return suspected is not None and any(reason.counts for reason in suspected.reasons)

    def decided(self, edits: Sequence[Edit]) -> None:
        """Tiles were decided about. Refutations change their suspicion at once, and dropping one that of those like it."""
        refuted = [edit for edit in edits if edit.before.refuted != edit.after.refuted]
        for edit in refuted:
            self._index.checks.refute(edit.tile, edit.after.refuted)
        dropped = [edit for edit in edits if _is_dropped(edit.before) is not _is_dropped(edit.after)]
        for edit in dropped:
            self._index.checks.drop(edit.tile, is_dropped=_is_dropped(edit.after))
        if refuted or (dropped and self._index.checks.has_partners):
            self._suspected = None
            self._chosen = None
            self.tile_changed()
            self._outdate()
            self.restate()
            self._notify(Changed.SUSPICION | Changed.VIEW)

    # --- where

    @property
    def shows_evidence(self) -> bool:
        """Whether what the chosen check suspects is drawn over the panes."""
        return self._shows_evidence

    def toggle_evidence(self) -> None:
        """Draws what the chosen check suspects over the panes, or no longer."""
        self._shows_evidence = not self._shows_evidence
        suspected = self.suspected()
        if self._shows_evidence and (suspected is None or suspected.chosen is None):
            self._say(self.why_nothing())
        self.restate()
        self._notify(Changed.VIEW | Changed.SUSPICION)

    def restate(self) -> None:
        """Asks for the reasons and the evidence that shall be seen, once the panes are served."""
        entry, wishes = self._entry(), []
        suspected = self.seen() if (self._shows_evidence or self._is_watched) and self._is_ready() else None
        if self._shows_evidence and entry is not None and suspected is not None and suspected.chosen is not None:
            wishes.append(_Asked(entry.id, suspected.chosen, entry))
        self._wanted.want(wishes)

    def exhibit(self) -> Exhibit | None:
        """Where the chosen check sees what it suspects on the current tile; None where it is not wanted or not known."""
        suspected = self.seen() if self._shows_evidence else None
        frame = self._frame()
        if suspected is None or suspected.chosen is None or frame is None:
            return None
        answer = self._evidence.get((suspected.tile, suspected.chosen))
        if answer is None:
            return None
        place = placed(answer.layer, frame)[0] if answer.layer is not None else frame.rect
        key = (answer, place)
        if self._exhibit is None or self._exhibit[0] != key:
            picture = None if answer.painted is None else Picture(answer.painted, place, smooth=False)
            boxes = tuple(_on_tile(box, place) for box in answer.boxes)
            self._exhibit = (key, Exhibit(suspected.tile, suspected.chosen, picture, boxes))
        return self._exhibit[1]

    @property
    def evidence_words(self) -> str:
        """What to say about the evidence of the chosen reason; empty where it can be seen or nobody asked."""
        suspected = self.seen() if self._shows_evidence else None
        if suspected is None or suspected.chosen is None:
            return ""
        asked = (suspected.tile, suspected.chosen)
        if asked not in self._evidence:
            return "looking for it…"
        return "" if self._evidence[asked] is not None else "It concerns the tile as a whole."

    def _find_evidence(self, asked: _Asked) -> _Answer:
        """On the worker."""
        evidence = find_evidence(asked.entry, self._dataset, asked.check)
        if evidence is None:
            return None
        mask = evidence.mask if evidence.mask is not None and evidence.mask.any() else None
        boxes = evidence.boxes if mask is None else (*evidence.boxes, *spots(mask))
        if mask is None and not boxes:
            return None
        painted = None if mask is None else Painted(highlight(mask), opaque=False)
        spec = next((spec for spec in self._dataset.layers if spec.id == evidence.layer), None)
        layer = None if spec is None else read_layer(asked.entry, spec, self._dataset.tree)
        return _Shown(painted, boxes, _bare(layer) if isinstance(layer, Raster) else None)

    def _has_evidence(self, asked: _Asked) -> bool:
        return (asked.tile, asked.check) in self._evidence

    def _deliver(self, asked: _Asked, answer: _Answer) -> None:

        def arrived() -> None:
            self._evidence[asked.tile, asked.check] = answer
            for oldest in list(self._evidence)[:-KEPT]:
                del self._evidence[oldest]
            self._notify(Changed.VIEW | Changed.SUSPICION)

        self._post(arrived)


def confirmed(decision: Decision, check: str) -> Decision:
    """The decision that agrees with a suspicion: drop, with its tag."""
    tags = {*decision.tags, BY_ID[check].tag}
    refuted = tuple(each for each in decision.refuted if each != check)
    return replace(decision, verdict=Verdict.DROP, tags=tuple(sorted(tags)), refuted=refuted)


def contradicted(decision: Decision, check: str) -> Decision:
    """The decision that refutes a suspicion, or takes that back."""
    return replace(decision, refuted=tuple(sorted({*decision.refuted} ^ {check})))


class _Refuted(Mapping[TileId, Sequence[str]]):
    """What people have refuted, always as it is now: a run takes long, and what is refuted meanwhile counts."""

    def __init__(self, decisions: Mapping[TileId, Decision]) -> None:
        self._decisions = decisions

    def __getitem__(self, tile: TileId) -> Sequence[str]:
        return self._now()[tile]

    def __iter__(self) -> Iterator[TileId]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def items(self) -> ItemsView[TileId, Sequence[str]]:
        """All of one moment: the decisions change on another thread."""
        return self._now().items()

    def _now(self) -> dict[TileId, Sequence[str]]:
        return {tile: decision.refuted for tile, decision in dict(self._decisions).items() if decision.refuted}


class _Dropped(Iterable[TileId]):
    """The tiles that people have dropped, always as it is now."""

    def __init__(self, decisions: Mapping[TileId, Decision]) -> None:
        self._decisions = decisions

    def __iter__(self) -> Iterator[TileId]:
        return iter([tile for tile, decision in dict(self._decisions).items() if _is_dropped(decision)])


def _is_dropped(decision: Decision) -> bool:
    return decision.verdict is Verdict.DROP


def _bare(raster: Raster) -> Raster:
    """Where a layer lies, without the memory that its pixels take."""
    first = raster.pixels[:1, :1, :1].copy()
    return replace(raster, pixels=first, valid=np.ones(first.shape, bool))


def _on_tile(box: Box, place: Rect) -> Rect:
    """A part of a layer that lies at `place` in the tile."""
    left, top, right, bottom = box
    return Rect(
        place.x + left * place.width,
        place.y + top * place.height,
        (right - left) * place.width,
        (bottom - top) * place.height,
    )

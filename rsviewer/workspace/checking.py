"""The automatic checks as the user meets them: running them in the background, why a tile is suspicious, and where."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from rsviewer.batch.checking import Checked, check_all
from rsviewer.batch.checking import evidence as find_evidence
from rsviewer.batch.crew import Crew
from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Box, Check, Evidence
from rsviewer.core.checks.suspicion import Reason
from rsviewer.core.errors import FilterError
from rsviewer.core.render import Painted, highlight
from rsviewer.core.review import Decision, Edit, Verdict
from rsviewer.core.scene import Exhibit, Frame, Picture, Rect, placed
from rsviewer.core.tile import LayerContent, LayerId, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.data.indexchecks import Judged
from rsviewer.workspace.background import Job, Jobs, Post, Wanted
from rsviewer.workspace.finding import Finding
from rsviewer.workspace.news import Changed

CHECKING = "Checking tiles"
SUSPICIOUS_FIRST = "suspicion desc"
NOT_CHECKED = "The tiles are not checked yet: Review > Check all tiles looks at every one of them."
KEPT = 64
"""Tiles whose evidence is remembered."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where does this check see what it suspects in this tile?"""

    tile: TileId
    check: str
    entry: TileEntry = field(compare=False)


_Answer: TypeAlias = tuple[Evidence, Painted | None] | None
"""Evidence and its mask as a picture; None where there is nothing to be seen."""


@dataclass(frozen=True, slots=True)
class Suspected:
    """What is known of one tile.

    Attributes:
        tile: which.
        suspicion: 0..1; None where it was not examined.
        reasons: the most certain first, refuted ones last.
        chosen: id of the check that keys act on; None where there is no reason left.
    """

    tile: TileId
    suspicion: float | None = None
    reasons: tuple[Reason, ...] = ()
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
        content: what was read of one of its layers; None while it is not known.
        crew: who does the work: one is made for every run.
        is_ready: whether all that the panes show of the current tile is there: evidence comes after it.
        post: calls functions back on the owner's thread.
        notify: tells what changed.
        say: puts a sentence into the status bar.
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
        content: Callable[[LayerId], LayerContent | None],
        crew: Callable[[], Crew],
        is_ready: Callable[[], bool],
        post: Post,
        notify: Callable[[Changed], None],
        say: Callable[[str], None],
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
        self._content = content
        self._crew = crew
        self._is_ready = is_ready
        self._post = post
        self._notify = notify
        self._say = say
        self._read_only = read_only
        self._job: Job | None = None
        self.judged: Judged | None = None
        """How many tiles are suspicious, by which check; None while nobody has counted them."""
        self._suspected: Suspected | None = None
        self._chosen: tuple[TileId, str] | None = None
        self._shows_evidence = False
        self._evidence: dict[tuple[TileId, str], _Answer] = {}
        self._exhibit: tuple[object, Exhibit | None] | None = None
        self._wanted: Wanted[_Asked, _Answer] = Wanted(
            "evidence", self._find_evidence, self._has_evidence, self._deliver, threads
        )

    def close(self) -> None:
        """Ends the worker."""
        self._wanted.close()

    def step(self) -> bool:
        """Finds one piece of evidence here; for tests."""
        return self._wanted.step()

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
        return any(column.name == "suspicion" for column in self._index.columns())

    def start(self, checks: Sequence[Check] = CHECKS, *, again: bool = False) -> None:
        """Examines every tile that was not examined yet, in the background; `again`: all of them."""
        if self.job is not None:
            self._say("The tiles are being checked already.")
        elif self._read_only:
            self._say("This project is open for reading only: its tiles cannot be checked.")
        elif not self._finding.is_complete:
            self._say("The names of the tiles are still being read.")
        else:
            self._job = self._jobs.start(CHECKING, lambda job: self._run(job, checks, again=again), self._done)
            self._notify(Changed.SUSPICION | Changed.STATUS)

    def stop(self) -> None:
        """Ends the run; what was found is kept, and the next one goes on from there."""
        if self._job is not None:
            self._job.stop.set()

    def _run(self, job: Job, checks: Sequence[Check], *, again: bool) -> Checked | None:
        class StoppedError(Exception):
            """The user wants no more."""

        def progress(done: int, total: int | None) -> None:
            job.progress(done, total)
            if job.stop.is_set():
                raise StoppedError

        refuted = {tile: decision.refuted for tile, decision in dict(self._decisions).items() if decision.refuted}
        try:
            return check_all(
                self._dataset,
                self._index,
                checks=checks,
                crew=self._crew(),
                refuted=refuted,
                overwrite=again,
                progress=progress,
                arrived=lambda judged: self._post(lambda: self._came_in(judged)),
            )
        except StoppedError:
            return None

    def _came_in(self, judged: Judged) -> None:
        """Some tiles have other suspicions than before."""
        self.judged = judged
        asked = f"{self._finding.filter} {self._finding.sort}"
        if any(word in asked for word in ("suspicion", "suspects", "check_", "examined")):
            self._finding.refresh()
        self.tile_changed()
        self._notify(Changed.QUEUE | Changed.SUSPICION)

    def _done(self, checked: Checked | None) -> None:
        self._job = None
        self._notify(Changed.SUSPICION | Changed.STATUS)
        if checked is not None:
            found = f"{checked.judged.suspicious:,} of {checked.judged.tiles:,} tiles are suspicious"
            lost = f"; {len(checked.failed):,} could not be examined" if checked.failed else ""
            self._say(f"All tiles are checked: {found}{lost}. F3 puts the worst first.")

    # --- the queue

    def suspicious_first(self) -> None:
        """Sorts the queue, and goes to its first tile; once more gives the order of the dataset back."""
        if not self.has_results:
            self._say(NOT_CHECKED)
        elif self.is_first:
            self.sort_by("")
        else:
            self.sort_by(SUSPICIOUS_FIRST)

    @property
    def is_first(self) -> bool:
        """Whether the queue has the most suspicious tiles first."""
        return self._finding.sort == SUSPICIOUS_FIRST

    def sort_by(self, sort: str) -> None:
        """Another order of the queue."""
        try:
            self._finding.choose(self._finding.filter, sort)
        except FilterError as error:
            self._say(str(error))

    # --- the current tile

    def tile_changed(self) -> None:
        """Another tile, or other results: what is known of the old one is forgotten."""
        self._suspected = None

    def suspected(self) -> Suspected | None:
        """What is known of the current tile; None in an empty queue. Asks the index once for every tile."""
        entry = self._entry()
        if entry is None:
            return None
        if self._suspected is None or self._suspected.tile != entry.id:
            book = self._index.checks
            suspicion = book.suspicion(entry.id) if self.has_results else None
            reasons = book.reasons(entry.id) if suspicion is not None else ()
            self._suspected = Suspected(entry.id, suspicion, reasons)
        return replace(self._suspected, chosen=self._chosen_of(self._suspected))

    def _chosen_of(self, suspected: Suspected) -> str | None:
        """The reason that the user has picked on this tile, else the first one that nobody has refuted."""
        open_ones = [reason.check for reason in suspected.reasons if not reason.refuted]
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
        suspected = self.suspected()
        if not self.has_results:
            return NOT_CHECKED
        if suspected is None or suspected.suspicion is None:
            return "This tile was not checked yet."
        if suspected.reasons:
            return "Every suspicion of this tile is refuted."
        return "No check suspects this tile."

    def confirmed(self, decision: Decision) -> Decision | None:
        """The decision that agrees with the chosen reason: drop, with its tag. None where there is no reason."""
        suspected = self.suspected()
        chosen = None if suspected is None else suspected.chosen
        if chosen is None:
            return None
        tags = {*decision.tags, BY_ID[chosen].tag}
        refuted = tuple(check for check in decision.refuted if check != chosen)
        return replace(decision, verdict=Verdict.DROP, tags=tuple(sorted(tags)), refuted=refuted)

    def contradicted(self, decision: Decision) -> Decision | None:
        """The decision that refutes the chosen reason, or takes that back. None where there is no reason."""
        suspected = self.suspected()
        chosen = None if suspected is None else suspected.chosen
        if chosen is None:
            return None
        return replace(decision, refuted=tuple(sorted({*decision.refuted} ^ {chosen})))

    @property
    def has_open_reason(self) -> bool:
        """Whether the current tile has a reason that nobody has refuted."""
        suspected = self.suspected()
        return suspected is not None and any(not reason.refuted for reason in suspected.reasons)

    def decided(self, edits: Iterable[Edit]) -> None:
        """Tiles were decided about. Refutations change their suspicion at once."""
        changed = [edit for edit in edits if edit.before.refuted != edit.after.refuted]
        for edit in changed:
            self._index.checks.refute(edit.tile, edit.after.refuted)
        if changed:
            self._suspected = None
            self._chosen = None
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
        """Asks for the evidence that shall be seen, once the panes are served."""
        entry, suspected = self._entry(), self.suspected() if self._shows_evidence else None
        wishes = []
        if entry is not None and suspected is not None and suspected.chosen is not None and self._is_ready():
            wishes.append(_Asked(entry.id, suspected.chosen, entry))
        self._wanted.want(wishes)

    def exhibit(self) -> Exhibit | None:
        """Where the chosen check sees what it suspects on the current tile; None where it is not wanted or not known."""
        suspected = self.suspected() if self._shows_evidence else None
        frame = self._frame()
        if suspected is None or suspected.chosen is None or frame is None:
            return None
        answer = self._evidence.get((suspected.tile, suspected.chosen))
        if answer is None:
            return None
        evidence, painted = answer
        layer = self._content(evidence.layer)
        place = placed(layer, frame)[0] if isinstance(layer, Raster) else frame.rect
        key = (evidence, place)
        if self._exhibit is None or self._exhibit[0] != key:
            picture = None if painted is None else Picture(painted, place, smooth=False)
            boxes = tuple(_on_tile(box, place) for box in evidence.boxes)
            self._exhibit = (key, Exhibit(suspected.tile, suspected.chosen, picture, boxes))
        return self._exhibit[1]

    @property
    def evidence_words(self) -> str:
        """What to say about the evidence of the chosen reason; empty where it can be seen or nobody asked."""
        suspected = self.suspected() if self._shows_evidence else None
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
        mask = evidence.mask
        return evidence, Painted(highlight(mask), opaque=False) if mask is not None and mask.size else None

    def _has_evidence(self, asked: _Asked) -> bool:
        return (asked.tile, asked.check) in self._evidence

    def _deliver(self, asked: _Asked, answer: _Answer) -> None:

        def arrived() -> None:
            self._evidence[asked.tile, asked.check] = answer
            for oldest in list(self._evidence)[:-KEPT]:
                del self._evidence[oldest]
            self._notify(Changed.VIEW | Changed.SUSPICION)

        self._post(arrived)


def _on_tile(box: Box, place: Rect) -> Rect:
    """A part of a layer that lies at `place` in the tile."""
    left, top, right, bottom = box
    return Rect(
        place.x + left * place.width,
        place.y + top * place.height,
        (right - left) * place.width,
        (bottom - top) * place.height,
    )

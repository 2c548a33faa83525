"""The decisions as the user sees them: in memory for speed, on disk before they count as saved, with undo and redo."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rsviewer.core.errors import SaveError
from rsviewer.core.review import Decision, Edit, Verdict, last_step, last_steps
from rsviewer.core.tile import TileId

log = logging.getLogger(__name__)

UNDO_DEPTH = 1000


class Saved(StrEnum):
    """Whether what was decided is on disk."""

    SAVED = "saved"
    FAILED = "FAILED"
    READ_ONLY = "read-only"


class Store(Protocol):
    """The part of `data.decisions.DecisionStore` that reviewing needs."""

    def apply(self, edit: Edit, kind: str) -> None:
        """Writes an edit and its log line in one transaction. Raises SaveError."""

    def apply_all(self, edits: Sequence[Edit], kind: str) -> None:
        """Writes all of the edits, in one transaction, or none. Raises SaveError."""

    def save_elsewhere(self, path: Path, pending: Sequence[tuple[Edit, str]]) -> None:
        """Copies everything and the edits that could not be saved to another place."""

    def close(self) -> None:
        """Closes the file."""


class ReviewBook:
    """What was decided about every tile, and how it came to be.

    Args:
        decisions: what is on disk already.
        done, undone: edits of earlier sessions that may be undone or redone, the next one last.
        store: where edits go; None makes the book read-only.
        why_read_only: the sentence to say to somebody who tries to decide in a read-only book.
        clock: now, as ISO 8601 text.
    """

    def __init__(
        self,
        decisions: Mapping[TileId, Decision],
        done: Iterable[Edit],
        undone: Iterable[Edit],
        store: Store | None,
        *,
        reviewer: str,
        clock: Callable[[], str],
        why_read_only: str = "",
    ) -> None:
        self._decisions = dict(decisions)
        self._store = store
        self._done = list(done)
        self._undone = list(undone)
        self._pending: list[tuple[list[Edit], str]] = []
        self._clock = clock
        self.reviewer = reviewer
        self.why_read_only = why_read_only
        self.error = ""
        self.reviewed = sum(decision.is_reviewed for decision in self._decisions.values())
        self.dropped = sum(decision.verdict is Verdict.DROP for decision in self._decisions.values())

    @property
    def saved(self) -> Saved:
        """Whether everything decided so far is on disk."""
        if self._store is None:
            return Saved.READ_ONLY
        return Saved.FAILED if self._pending else Saved.SAVED

    @property
    def pending(self) -> int:
        """How many edits are only in memory."""
        return sum(len(edits) for edits, _ in self._pending)

    @property
    def can_undo(self) -> bool:
        """True where there is something to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True where something was taken back."""
        return bool(self._undone)

    @property
    def decisions(self) -> Mapping[TileId, Decision]:
        """Every tile about which something was said."""
        return self._decisions

    def decision(self, tile: TileId) -> Decision:
        """What was decided about a tile; an empty decision where nothing was."""
        return self._decisions.get(tile, Decision())

    def change(self, tile: TileId, after: Decision) -> Edit | None:
        """Decides. Returns the edit, or None where nothing changed. Raises SaveError in a read-only book.

        An edit that cannot be written stays in memory, is tried again with the next one, and `saved` says FAILED meanwhile.
        """
        return next(iter(self.change_all({tile: after})), None)

    def change_all(self, wanted: Mapping[TileId, Decision]) -> list[Edit]:
        """Decides about several tiles in one step, which is written, taken back and done again as a whole. See `change`.

        Returns:
            The edits; none for tiles of which that was said already.
        """
        now, edits = self._clock(), list[Edit]()
        for tile, after in wanted.items():
            before = self.decision(tile)
            stamped = replace(after, reviewer=self.reviewer, time=now)
            if replace(stamped, reviewer=before.reviewer, time=before.time) != before:
                edits.append(Edit(tile, before, stamped, joined=bool(edits)))
        if edits:
            self._apply(edits, "edit")
            self._done = last_steps([*self._done, *edits], UNDO_DEPTH)
            self._undone.clear()
        return edits

    def undo(self) -> list[Edit]:
        """Takes back the last step, wherever it was. Returns what was applied; nothing where there is nothing to undo."""
        step = last_step(self._done)
        inverse = [edit.inverse() for edit in reversed(step)]
        if step:
            self._apply(inverse, "undo")
            del self._done[-len(step) :]
            self._undone += reversed(step)
        return inverse

    def redo(self) -> list[Edit]:
        """Does again what was taken back last."""
        step = self._undone[-1:]
        for edit in reversed(self._undone[:-1]):
            if not edit.joined:
                break
            step.append(edit)
        if step:
            self._apply(step, "redo")
            del self._undone[-len(step) :]
            self._done += step
        return step

    def retry(self) -> bool:
        """Writes what could not be written before. Returns True where everything is on disk now."""
        while self._pending and self._store is not None:
            edits, kind = self._pending[0]
            try:
                if len(edits) == 1:
                    self._store.apply(edits[0], kind)
                else:
                    self._store.apply_all(edits, kind)
            except SaveError as error:
                self.error = str(error)
                return False
            del self._pending[0]
        self.error = ""
        return True

    def save_elsewhere(self, path: Path) -> None:
        """Writes everything, pending edits included, to another file. Raises SaveError. The book stays as it is."""
        if self._store is not None:
            self._store.save_elsewhere(path, [(edit, kind) for edits, kind in self._pending for edit in edits])

    def close(self) -> None:
        """Tries a last time to write what is pending, and closes the store."""
        if self._store is not None:
            self.retry()
            self._store.close()

    def _apply(self, edits: list[Edit], kind: str) -> None:
        if self._store is None:
            raise SaveError(self.why_read_only or "This project is open read-only: decisions cannot be changed here.")
        self._pending.append((edits, kind))
        if not self.retry():
            log.info("A decision could not be saved: %s", self.error)
        for edit in edits:
            self._count(edit.before, -1)
            self._count(edit.after, +1)
            if edit.after == Decision():
                self._decisions.pop(edit.tile, None)
            else:
                self._decisions[edit.tile] = edit.after

    def _count(self, decision: Decision, step: int) -> None:
        self.reviewed += step * decision.is_reviewed
        self.dropped += step * (decision.verdict is Verdict.DROP)

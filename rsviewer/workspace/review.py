"""The decisions as the user sees them: in memory for speed, on disk before they count as saved, with undo and redo."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rsviewer.core.errors import SaveError
from rsviewer.core.review import Decision, Edit, Verdict
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
        self._pending: list[tuple[Edit, str]] = []
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
        return len(self._pending)

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
        before = self.decision(tile)
        stamped = replace(after, reviewer=self.reviewer, time=self._clock())
        if replace(stamped, reviewer=before.reviewer, time=before.time) == before:
            return None
        edit = Edit(tile, before, stamped)
        self._apply(edit, "edit")
        self._done.append(edit)
        del self._done[:-UNDO_DEPTH]
        self._undone.clear()
        return edit

    def undo(self) -> Edit | None:
        """Takes back the last edit, wherever it was. Returns what was applied; None where there is nothing to undo."""
        if not self._done:
            return None
        inverse = self._done[-1].inverse()
        self._apply(inverse, "undo")
        self._undone.append(self._done.pop())
        return inverse

    def redo(self) -> Edit | None:
        """Does again what was taken back last."""
        if not self._undone:
            return None
        edit = self._undone[-1]
        self._apply(edit, "redo")
        self._done.append(self._undone.pop())
        return edit

    def retry(self) -> bool:
        """Writes what could not be written before. Returns True where everything is on disk now."""
        while self._pending and self._store is not None:
            edit, kind = self._pending[0]
            try:
                self._store.apply(edit, kind)
            except SaveError as error:
                self.error = str(error)
                return False
            del self._pending[0]
        self.error = ""
        return True

    def save_elsewhere(self, path: Path) -> None:
        """Writes everything, pending edits included, to another file. Raises SaveError. The book stays as it is."""
        if self._store is not None:
            self._store.save_elsewhere(path, list(self._pending))

    def close(self) -> None:
        """Tries a last time to write what is pending, and closes the store."""
        if self._store is not None:
            self.retry()
            self._store.close()

    def _apply(self, edit: Edit, kind: str) -> None:
        if self._store is None:
            raise SaveError(self.why_read_only or "This project is open read-only: decisions cannot be changed here.")
        self._pending.append((edit, kind))
        if not self.retry():
            log.info("A decision could not be saved: %s", self.error)
        self._count(edit.before, -1)
        self._count(edit.after, +1)
        if edit.after == Decision():
            self._decisions.pop(edit.tile, None)
        else:
            self._decisions[edit.tile] = edit.after

    def _count(self, decision: Decision, step: int) -> None:
        self.reviewed += step * decision.is_reviewed
        self.dropped += step * (decision.verdict is Verdict.DROP)

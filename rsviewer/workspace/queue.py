"""The order in which tiles are looked at, and the place in it."""

import numpy as np
from numpy.typing import NDArray


class Queue:
    """Ordinals of tiles in the filtered, sorted order, and a position among them."""

    def __init__(self) -> None:
        self._ordinals: NDArray[np.int32] = np.empty(0, np.int32)
        self._at = 0
        self._direction = 1

    def __len__(self) -> int:
        return len(self._ordinals)

    @property
    def ordinals(self) -> NDArray[np.int32]:
        """All of them, in order. Read-only."""
        return self._ordinals

    @property
    def at(self) -> int:
        """Zero-based position; 0 in an empty queue."""
        return self._at

    @property
    def ordinal(self) -> int | None:
        """The tile at the position; None in an empty queue."""
        return int(self._ordinals[self._at]) if len(self._ordinals) else None

    def fill(self, ordinals: NDArray[np.int32]) -> None:
        """Replaces the order. The position stays on its tile; where that is gone, on the next tile after it."""
        before = self.ordinal
        old = self._ordinals[self._at :]
        self._ordinals = np.ascontiguousarray(ordinals, np.int32)
        self._ordinals.flags.writeable = False
        self._at = 0
        if before is None or not len(ordinals):
            return
        place = self.find(before)
        if place is None:
            still = np.flatnonzero(np.isin(old, self._ordinals, assume_unique=True))
            place = self.find(int(old[still[0]])) if len(still) else len(ordinals) - 1
        self._at = place or 0

    def find(self, ordinal: int) -> int | None:
        """Where a tile stands; None where the filter hides it."""
        found = np.flatnonzero(self._ordinals == ordinal)
        return int(found[0]) if len(found) else None

    def move(self, at: int) -> bool:
        """Goes to a position, or the end it lies beyond. Returns False where that is where it is already."""
        at = max(0, min(at, len(self._ordinals) - 1))
        if at == self._at or not len(self._ordinals):
            return False
        self._direction = 1 if at > self._at else -1
        self._at = at
        return True

    def around(self, ahead: int, behind: int) -> list[int]:
        """Ordinals worth having soon: further tiles in the direction of travel, then some behind."""
        order = [self._at + self._direction * step for step in range(1, ahead + 1)]
        order += [self._at - self._direction * step for step in range(1, behind + 1)]
        return [int(self._ordinals[at]) for at in order if 0 <= at < len(self._ordinals)]

    def seek(self, wanted: NDArray[np.bool_], direction: int, *, wrap: bool) -> int | None:
        """The nearest position in a direction whose tile is wanted.

        Args:
            wanted: one flag per tile of the dataset.
            direction: +1 or -1.
            wrap: go on at the other end.
        """
        hits = np.flatnonzero(wanted[self._ordinals])
        hits = hits[hits != self._at]
        if not len(hits):
            return None
        beyond = hits[hits > self._at] if direction > 0 else hits[hits < self._at]
        if len(beyond):
            return int(beyond[0 if direction > 0 else -1])
        if not wrap:
            return None
        return int(hits[0 if direction > 0 else -1])

    def group_start(self, firsts: NDArray[np.int64], direction: int) -> int:
        """Position of the first tile of the next group (or the last tile of all), or of this or the previous group.

        Args:
            firsts: ordinal of the first tile of each group, ascending.
            direction: +1 or -1.
        """
        groups = np.searchsorted(firsts, self._ordinals, side="right")
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        if direction > 0:
            later = starts[starts > self._at]
            return int(later[0]) if len(later) else len(self._ordinals) - 1
        earlier = starts[starts < self._at]
        return int(earlier[-1]) if len(earlier) else 0

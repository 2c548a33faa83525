"""The order in which tiles are looked at, and the place in it. A step costs the same among five million tiles as among five."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_FIRST_LOOK, _FURTHER_LOOKS = 1 << 10, 1 << 18
"""What is sought is near most often: so many tiles are looked at first, and then so many at a time."""


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
            kept = np.zeros(max(int(old.max()), int(self._ordinals.max())) + 1, bool)
            kept[self._ordinals] = True
            still = _first(lambda start, end: kept[old[start:end]], range(len(old)))
            place = len(ordinals) - 1 if still is None else self.find(int(old[still]))
        self._at = place or 0

    def find(self, ordinal: int) -> int | None:
        """Where a tile stands; None where the filter hides it."""
        if self._stands(ordinal, ordinal):  # all tiles, in their order
            return ordinal
        place = int(np.searchsorted(self._ordinals, np.int32(ordinal)))
        if self._stands(ordinal, place):  # some, in their order
            return place
        return _first(lambda start, end: self._ordinals[start:end] == ordinal, range(len(self._ordinals)))

    def _stands(self, ordinal: int, place: int) -> bool:
        return 0 <= place < len(self._ordinals) and bool(self._ordinals[place] == ordinal)

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
        end = len(self._ordinals)
        ways = [range(self._at + 1, end), range(self._at)]
        if direction < 0:
            ways = [way[::-1] for way in reversed(ways)]
        hits = (_first(lambda start, end: wanted[self._ordinals[start:end]], way) for way in ways[: 2 if wrap else 1])
        return next((hit for hit in hits if hit is not None), None)

    def group_start(self, groups: NDArray[np.int32], direction: int) -> int:
        """Position of the first tile of the next group (or the last tile of all), or of this or the previous group.

        Args:
            groups: a number for every tile of the dataset, the same for those of a group.
            direction: +1 or -1.
        """
        if not len(self._ordinals):
            return 0
        if direction > 0:
            end = self._end_of_group(groups, self._at, +1)
            return len(self._ordinals) - 1 if end is None else end
        before = self._at - 1 if self._at else 0  # at the start of a group already: the one before
        end = self._end_of_group(groups, before, -1)
        return 0 if end is None else end + 1

    def _end_of_group(self, groups: NDArray[np.int32], at: int, direction: int) -> int | None:
        """The nearest position in a direction whose tile is of another group than that at `at`."""
        group = groups[self._ordinals[at]]
        way = range(at + 1, len(self._ordinals)) if direction > 0 else range(at)[::-1]
        return _first(lambda start, end: groups[self._ordinals[start:end]] != group, way)


def _first(is_hit: Callable[[int, int], NDArray[np.bool_]], way: range) -> int | None:
    """The first place of `way`, which goes up or down by one, that is a hit.

    Args:
        is_hit: start and end of some places -> a flag for each.
        way: where to look, in this order.
    """
    for start, end in _parts(way):
        hits = is_hit(start, end)
        if way.step > 0 and hits.any():
            return start + int(hits.argmax())
        if way.step < 0 and hits.any():
            return end - 1 - int(hits[::-1].argmax())
    return None


def _parts(way: range) -> Iterator[tuple[int, int]]:
    """`way` in parts, each as (start, end) of ascending places."""
    done, size = 0, _FIRST_LOOK
    while part := way[done : done + size]:
        yield min(part[0], part[-1]), max(part[0], part[-1]) + 1
        done, size = done + size, _FURTHER_LOOKS

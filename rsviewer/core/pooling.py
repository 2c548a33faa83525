"""The range that the values of many tiles have together, found without ever holding two of them in memory.

One look at all tiles finds the lowest and the highest value. For percentiles a second one counts into BINS bins between
them. Where a few wild values (an undeclared marker, -3.4e38) stretch these so far that all others fall into a few bins, the
part that matters is counted again, more finely.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Band, Range, counted, edges_between

BINS = 65_536
"""Bins of a count: a percentile is good to a 65,536th of what is counted between, whole numbers of 16 bits to the number."""
FINE = 256
"""So many bins at least lie between the two percentiles in the end: as many as a colour table has colours."""
MOST_COUNTS = 8
"""Counts after which what was found is taken: each is up to 65,536 times as fine as the one before."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What is known of values without counting them.

    Attributes:
        low, high: the lowest and the highest.
        number: how many there are.
        whole: True where all are stored as whole numbers.
    """

    low: float
    high: float
    number: int
    whole: bool

    def joined(self, other: "Extent") -> "Extent":
        """Of both together."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Extent(low, high, self.number + other.number, self.whole and other.whole)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """The values of one tile in the bins between two limits, those without any left out.

    Attributes:
        below: values below the first bin.
        places: (n,) uint16, bins in ascending order.
        numbers: (n,) int64, values in each.
        inside: the lowest and the highest value between the limits; None where there is none.
    """

    below: int
    places: NDArray[np.uint16]
    numbers: NDArray[np.int64]
    inside: Range | None


def extent_of(bands: Iterable[Band]) -> Extent | None:
    """Of the usable values of some bands; None where there is none."""
    found = None
    for band in bands:
        if band.count:
            own = Extent(band.minimum, band.maximum, band.count, band.values.dtype.kind in "ui")
            found = own if found is None else found.joined(own)
    return found


def count(bands: Iterable[Band], limits: Range, *, whole: bool) -> Counts:
    """Counts the usable values of some bands. Arguments as `Pool` has them."""
    edges = edges_between(limits, BINS, whole=whole)
    total = np.zeros(len(edges) - 1, np.int64)
    below, low, high = 0, math.inf, -math.inf
    for band in bands:
        total += counted(band, edges)
        if edges[0] > band.minimum or edges[-1] < band.maximum:
            values = _usable(band)
            below += int(np.count_nonzero(values < edges[0]))
            values = values[(values >= edges[0]) & (values <= edges[-1])]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        elif band.count:
            low, high = min(low, band.minimum), max(high, band.maximum)
    places = np.flatnonzero(total)
    return Counts(below, places.astype(np.uint16), total[places], Range(low, high) if low <= high else None)


@dataclass(slots=True, eq=False)
class Pool:
    """Finds the range of which `percent` of the values is cut off at each end. While `limits` is not None: add the counts of
    all tiles, then call `settle`.

    Attributes:
        extent: of all tiles together.
        percent: 0..50; 0 cuts off nothing and needs no count. As in a pane, nothing is cut off where the percentiles coincide.
        limits: between which the next counts are needed; None when the range is known.
        range: the range, once it is known.
    """

    extent: Extent
    percent: float
    limits: Range | None = field(init=False)
    range: Range = field(init=False)
    _total: NDArray[np.int64] | None = field(init=False, default=None)
    _below: int = field(init=False, default=0)
    _inside: Range | None = field(init=False, default=None)
    _counts: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.range = Range(self.extent.low, self.extent.high)
        is_known = self.percent <= 0 or self.extent.low == self.extent.high
        self.limits = None if is_known else self.range

    def add(self, counts: Counts) -> None:
        """Takes in a tile."""
        if self._total is None:
            self._total = np.zeros(BINS, np.int64)
        self._total[counts.places] += counts.numbers
        self._below += counts.below
        if counts.inside is not None:
            low, high = counts.inside.low, counts.inside.high
            if self._inside is not None:
                low, high = min(low, self._inside.low), max(high, self._inside.high)
            self._inside = Range(low, high)

    def settle(self) -> None:
        """All tiles are in: now the range is known, or closer limits are."""
        limits, total, inside = self.limits, self._total, self._inside
        self.limits, self._total, self._inside = None, None, None
        if limits is None or total is None or inside is None:  # the files have changed since the first look
            return
        order = _Order(limits, total, self._below, inside, whole=self.extent.whole)
        ranks = [(self.extent.number - 1) * share / 100.0 for share in (self.percent, 100.0 - self.percent)]
        low, high = map(order.between, ranks)
        closer = order.limits(math.floor(ranks[0]), math.ceil(ranks[1]))
        self._below = 0
        self._counts += 1
        is_fine = order.is_exact or high / 2 - low / 2 >= FINE / 2 * order.width
        if is_fine or self._counts == MOST_COUNTS or _span(closer) > _span(limits) / 2:
            self.range = Range(low, high) if low < high else self.range
        else:
            self.limits = closer


class _Order:
    """Values in their order, as far as bins tell. Ranks count from 0 for the lowest of all; what was not counted, because
    its tile has vanished meanwhile, is cut off at the top.

    Attributes:
        width: of a bin.
        is_exact: True where a bin holds one value only.
    """

    def __init__(self, limits: Range, total: NDArray[np.int64], below: int, inside: Range, *, whole: bool) -> None:
        self._edges = edges_between(limits, BINS, whole=whole)
        self._total = total[: len(self._edges) - 1]
        self._upto = below + np.cumsum(self._total)
        self._below = below
        self._inside = inside
        self.width = float(self._edges[1] - self._edges[0])
        self._is_number = whole and self.width == 1.0
        self.is_exact = self._is_number or inside.low == inside.high

    def between(self, rank: float) -> float:
        """The value at a place in the order, linear between two of them."""
        part = rank - math.floor(rank)
        return self._value(math.floor(rank)) * (1.0 - part) + self._value(math.ceil(rank)) * part

    def limits(self, first: int, last: int) -> Range:
        """The edges of the bins with the values at two places in the order."""
        return Range(float(self._edges[self._place(first)[1]]), float(self._edges[self._place(last)[1] + 1]))

    def _value(self, rank: int) -> float:
        known, place = self._place(rank)
        number = int(self._total[place])
        before = int(self._upto[place]) - number
        # Values are taken to lie evenly in their bin; those of a bin of one whole number lie in its middle.
        along = 0.5 if self._is_number else (known - before + 0.5) / number
        value = float(self._edges[place] * (1.0 - along) + self._edges[place + 1] * along)
        return min(max(value, self._inside.low), self._inside.high)

    def _place(self, rank: int) -> tuple[int, int]:
        """The rank, brought to those that are known, and its bin."""
        known = min(max(rank, self._below), int(self._upto[-1]) - 1)
        return known, int(np.searchsorted(self._upto, known, side="right"))


def _span(limits: Range) -> float:
    """Half of the way from one to the other: the whole one may be too long for a float64."""
    return limits.high / 2 - limits.low / 2


def _usable(band: Band) -> NDArray[Any]:
    return band.values.ravel() if band.usable is None else band.values[band.usable]

"""Percentiles of more values than fit into memory: they are counted between two known ends, in as many parts as it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Band, Range, row_blocks

BINS = 65_536
"""A percentile is off by no more than the distance of the ends divided by this."""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often the values of a band lie in neighbouring bins.

    Attributes:
        first: of the bins; those before and after are empty.
        counts: (n,) values a bin.
    """

    first: int
    counts: NDArray[np.uint32]


def counted(band: Band, ends: Range) -> Counts:
    """Counts the usable values of a band, none of which lies beyond the ends."""
    bins = np.zeros(BINS, np.int64)
    wide = ends.high / 2 - ends.low / 2  # halves, since the difference of two float64 may be too large for one
    for rows in row_blocks(band.values.shape):
        values = band.values[rows]
        chosen = values.ravel() if band.usable is None else values[band.usable[rows]]
        places = (chosen.astype(np.float64) / 2 - ends.low / 2) / wide * BINS if wide else np.zeros(chosen.shape)
        bins += np.bincount(np.clip(places, 0, BINS - 1).astype(np.intp), minlength=BINS)
    there = np.flatnonzero(bins)
    if not there.size:
        return Counts(0, np.zeros(0, np.uint32))
    first = int(there[0])
    return Counts(first, bins[first : int(there[-1]) + 1].astype(np.uint32))


class Tally:
    """All values that were counted between two ends."""

    def __init__(self, ends: Range) -> None:
        self._ends = ends
        self._bins = np.zeros(BINS, np.int64)

    def add(self, counts: Counts) -> None:
        """Takes in those of a band."""
        self._bins[counts.first : counts.first + counts.counts.size] += counts.counts

    def ends(self, percents: tuple[float, float]) -> Range:
        """Two percentiles; the ends themselves where these lie in one bin, or where nothing was counted."""
        total = np.cumsum(self._bins)
        if not total[-1]:
            return self._ends
        low, high = (self._place(total, percent) for percent in percents)
        return self._ends if int(low) == int(high) else Range(self._value(low), self._value(high))

    def _place(self, total: NDArray[np.int64], percent: float) -> float:
        """In bins, as if the values of each were spread evenly over it."""
        wanted = total[-1] * percent / 100.0
        place = min(int(np.searchsorted(total, wanted)), BINS - 1)
        inside = (wanted - (total[place] - self._bins[place])) / max(1, int(self._bins[place]))
        return float(place + min(max(inside, 0.0), 1.0))

    def _value(self, place: float) -> float:
        part = place / BINS
        return float(self._ends.low * (1.0 - part) + self._ends.high * part)

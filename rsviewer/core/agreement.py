"""Predicted heights beside reference heights, counted: small enough to be kept of every tile and summed over millions."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import row_blocks

_ABOVE = (
    *(
        0.5,
        1,
        1.5,
        2,
        2.5,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        12,
        14,
        16,
        18,
        20,
        22,
        25,
        28,
        32,
        36,
        40,
        45,
        50,
        60,
        70,
        80,
        90,
        100,
    ),
    *(120, 150, 200, 250, 300, 400, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, 9000),
)
_BELOW = (500, 100, 50, 20, 10, 5, 2, 1, 0.5)
EDGES: tuple[float, ...] = (*(-depth for depth in _BELOW), 0.0, *map(float, _ABOVE))
"""Metres between one bin and the next, finest where buildings and trees are. The outermost bins have no end.

All are multiples of STEP, so that a table says which bin a height is in: many times faster than a search.
"""

STEP = 0.5
BINS = len(EDGES) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How predictions lie beside references.

    Attributes:
        counts: (BINS, BINS) int64 pixels; rows are bins of the reference, columns those of the prediction.
        errors: (BINS,) sum of prediction minus reference over the pixels of each bin of the reference, metres.
        absolute: (BINS,) sum of its absolute value.
    """

    counts: NDArray[np.int64]
    errors: NDArray[np.float64]
    absolute: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Self:
        """No pixel yet."""
        return cls(np.zeros((BINS, BINS), np.int64), np.zeros(BINS), np.zeros(BINS))

    def __add__(self, other: "Agreement") -> "Agreement":
        """Both together."""
        return Agreement(
            self.counts + other.counts, self.errors + other.errors, self.absolute + other.absolute
        )  # a sum over a million tiles of 1e6 pixels is far from the end of int64

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(BINS,) pixels of the reference in each bin."""
        total: NDArray[np.int64] = self.counts.sum(axis=1)
        return total


def agreement(
    predicted: NDArray[np.floating], reference: NDArray[np.floating], valid: NDArray[np.bool_]
) -> Agreement | None:
    """Counts the pixels of one tile. None where there is none to compare.

    Args:
        predicted: (h, w) metres.
        reference: (h, w) metres.
        valid: (h, w), where both may be used. Values that are not finite are left out as well.
    """
    total = Agreement.nothing()
    for rows in row_blocks((predicted.shape[0], predicted.shape[1])):
        usable = valid[rows] & np.isfinite(predicted[rows]) & np.isfinite(reference[rows])
        found, truth = predicted[rows][usable], reference[rows][usable]
        row = bins(truth)
        error = found.astype(np.float64) - truth
        total.counts.reshape(-1)[:] += np.bincount(row * BINS + bins(found), minlength=BINS * BINS)
        total.errors[:] += np.bincount(row, error, BINS)
        total.absolute[:] += np.bincount(row, np.abs(error, out=error), BINS)
    return total if total.counts.any() else None


def bins(heights: NDArray[np.floating]) -> NDArray[np.intp]:
    """In which bin finite heights are: 0 is below the first of EDGES; a height on an edge is above it."""
    steps = np.floor(heights / STEP)
    np.clip(steps, _FIRST - 1, _LAST, out=steps)
    found: NDArray[np.intp] = _BIN_OF_STEP[steps.astype(np.intp) - (_FIRST - 1)]
    return found


_FIRST, _LAST = int(EDGES[0] / STEP), int(EDGES[-1] / STEP)
_BIN_OF_STEP = np.searchsorted(EDGES, np.arange(_FIRST - 1, _LAST + 1) * STEP, side="right")

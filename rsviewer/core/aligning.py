"""Where the pixels of one layer lie on another, and what the other one says there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import Raster


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where the pixels of a target lie on a source.

    Attributes:
        column, row: (height, width) float32 of the target's grid: a place on the source's grid, in which 0.5 is the centre of
            the first pixel. NaN where the place lies outside of the source.
        covered: share of the target's pixels that lie on the source, 0..1.
        remark: what a careful person would want to know, as a part of a sentence ("resampled from EPSG:4326"); empty where
            both have the same grid.
        same: True where both have the same grid, and nothing is to be resampled.
    """

    column: NDArray[np.float32]
    row: NDArray[np.float32]
    covered: float
    remark: str = ""
    same: bool = False


def nearest(values: NDArray[Any], alignment: Alignment, outside: float) -> NDArray[Any]:
    """(height, width) of the target: the pixels of `values` below its own; `outside` where there is none.

    Args:
        values: (height, width) of the source, of any type, which stays.
        alignment: of the source with the target.
        outside: a value of that type.
    """
    raise NotImplementedError


def linear(raster: Raster, alignment: Alignment) -> NDArray[np.float64]:
    """(height, width) of the target: the first band of the source, bilinear; NaN where that needs an invalid pixel.

    Beyond the centres of the outermost pixels their values go on to the edge.
    """
    raise NotImplementedError

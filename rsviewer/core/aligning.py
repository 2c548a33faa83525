"""Where the pixels of one layer lie on another, and what the other one says there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import real, row_blocks
from rsviewer.core.tile import Raster

_ON_CENTRE = 1e-3
"""A place so close to the centre of a pixel needs no neighbour. float32 tells 2.5e-4 apart on 4096 pixels."""
_WHOLE = 0.999
"""Share of a layer below which the user is told how much of it another one covers."""


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
        by_extent: True where nobody knows better than to lay one over the other, edge on edge.
    """

    column: NDArray[np.float32]
    row: NDArray[np.float32]
    covered: float
    remark: str = ""
    same: bool = False
    by_extent: bool = False


Align: TypeAlias = Callable[[Raster, Raster], Alignment]
"""target, source -> where the pixels of the target lie on the source."""


def told(alignment: Alignment, source: str, target: str) -> tuple[str, ...]:
    """What a careful person would want to know of one layer on another, one sentence each.

    Args:
        alignment: of `source` with `target`.
        source: title of a layer.
        target: title of the one it is laid on.
    """
    remarks = []
    if alignment.remark:
        remarks.append(f"{source} on {target}: {alignment.remark}.")
    if alignment.covered == 0.0:
        remarks.append(f"{source} lies elsewhere than {target}.")
    elif alignment.covered < _WHOLE:
        # Never 0 % of what is there, never 100 % of what is not whole.
        share = min(max(1, round(100 * alignment.covered)), 99)
        remarks.append(f"{source} covers {share} % of {target}.")
    return tuple(remarks)


def nearest(values: NDArray[Any], alignment: Alignment, outside: float) -> NDArray[Any]:
    """(height, width) of the target: the pixels of `values` below its own; `outside` where there is none.

    Args:
        values: (height, width) of the source, of any type, which stays. Returned as they are where both have the same grid.
        alignment: of the source with the target.
        outside: a value of that type.
    """
    if alignment.same:
        return values
    shape = alignment.column.shape
    found = np.full(shape, outside, values.dtype)
    if values.size:
        for rows in row_blocks(shape):
            there = _there(alignment, rows)
            column = _pixel(alignment.column[rows][there], values.shape[1])
            found[rows][there] = values[_pixel(alignment.row[rows][there], values.shape[0]), column]
    return found


def linear(raster: Raster, alignment: Alignment) -> NDArray[np.float64]:
    """(height, width) of the target: the first band of the source, bilinear; NaN where that needs an invalid pixel.

    Beyond the centres of the outermost pixels their values go on to the edge.
    """
    values, valid = real(raster.pixels[0]), raster.valid[0]
    if alignment.same:
        return _known(values, valid)
    shape = alignment.column.shape
    found = np.full(shape, np.nan)
    if values.size:
        for rows in row_blocks(shape):
            there = _there(alignment, rows)
            left, right, to_right = _between(alignment.column[rows][there], values.shape[1])
            upper, lower, to_lower = _between(alignment.row[rows][there], values.shape[0])
            above = _mixed(_known_at(values, valid, upper, left), _known_at(values, valid, upper, right), to_right)
            below = _mixed(_known_at(values, valid, lower, left), _known_at(values, valid, lower, right), to_right)
            found[rows][there] = _mixed(above, below, to_lower)
    return found


def _there(alignment: Alignment, rows: slice) -> NDArray[np.bool_]:
    """Which pixels of some rows of the target lie on the source."""
    return ~(np.isnan(alignment.column[rows]) | np.isnan(alignment.row[rows]))


def _pixel(place: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Which of `count` pixels are at some places."""
    return np.clip(np.floor(place).astype(np.intp), 0, count - 1)


def _between(place: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The two of `count` pixels between whose centres places lie, and how far on the way to the second, 0..1."""
    centred = np.clip(place.astype(np.float64) - 0.5, 0.0, count - 1.0)
    first = np.minimum(np.floor(centred).astype(np.intp), max(0, count - 2))
    way = centred - first
    way[way < _ON_CENTRE] = 0.0
    way[way > 1.0 - _ON_CENTRE] = 1.0
    return first, np.minimum(first + 1, count - 1), way


def _known_at(
    values: NDArray[Any], valid: NDArray[np.bool_], row: NDArray[np.intp], column: NDArray[np.intp]
) -> NDArray[np.float64]:
    return _known(values[row, column], valid[row, column])


def _known(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As float64, NaN where there is no number that may be used."""
    known = values.astype(np.float64)
    known[~(valid & np.isfinite(known))] = np.nan
    return known


def _mixed(one: NDArray[np.float64], other: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between two numbers; NaN only where one counts that is NaN."""
    mixed = one * (1.0 - way) + other * way
    return np.where(way == 0.0, one, np.where(way == 1.0, other, mixed))

"""Deterministic noise on the world's pixel grid: the same pixel gives the same number in whichever tile it is computed.

The world is one endless grid of pixels, column to the east and row to the south. A `Window` is a rectangle of it.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

GSD = 0.5
"""Metres per pixel of the demo world."""

Floats: TypeAlias = NDArray[np.floating]
"""Nearly always 32 bits."""

_filters: Any = ndimage
"""scipy fills this module at run time: a type checker does not know its names."""

_UNIT_VARIANCE = 3.15
"""A quadratic B-spline over uniform numbers in -1..1 has a standard deviation of 1 / 3.15."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of world pixels: `column` and `row` of its upper left pixel, then its size."""

    column: int
    row: int
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as arrays have it."""
        return (self.height, self.width)

    def padded(self, west: int, north: int, east: int, south: int) -> "Window":
        """The window grown by so many pixels on each side."""
        return Window(self.column - west, self.row - north, self.width + west + east, self.height + north + south)

    def inside(self, outer: "Window") -> tuple[slice, slice]:
        """Where this window lies in an array over `outer`."""
        row, column = self.row - outer.row, self.column - outer.column
        return slice(row, row + self.height), slice(column, column + self.width)

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(1, width) eastings and (height, 1) southings of the pixel centres, in metres."""
        east: NDArray[np.float64] = (np.arange(self.column, self.column + self.width, dtype=np.float64) + 0.5) * GSD
        south: NDArray[np.float64] = (np.arange(self.row, self.row + self.height, dtype=np.float64) + 0.5) * GSD
        return east[None, :], south[:, None]


def hashed(first: ArrayLike, second: ArrayLike, seed: int) -> Floats:
    """Uniform numbers in 0..1, one for each pair of integers (murmur3's finaliser)."""
    a, b = (np.atleast_1d(np.asarray(value)).astype(np.int64).astype(np.uint32) for value in (first, second))
    mixed = a * np.uint32(0x9E3779B1) + b * np.uint32(0x85EBCA77)
    mixed = mixed ^ np.uint32((seed * 0x27D4EB2F + 0x165667B1) & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    return (mixed >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def white(window: Window, seed: int) -> Floats:
    """Independent noise in every pixel, mean 0, variance 1 (a sum of two uniform numbers: no long tails)."""
    columns = np.arange(window.column, window.column + window.width)[None, :]
    rows = np.arange(window.row, window.row + window.height)[:, None]
    number = hashed(columns, rows, seed) + hashed(columns, rows, seed + 7919)
    return (number - np.float32(1.0)) * np.float32(6.0**0.5)


def smooth(window: Window, step: int, seed: int) -> Floats:
    """Smooth noise whose bumps are about `step` pixels wide, mean 0, variance 1 (quadratic B-spline over hashed numbers)."""
    row, column = window.row // step, window.column // step
    rows = -(-(window.row + window.height) // step) - row
    columns = -(-(window.column + window.width) // step) - column
    knots = hashed(
        np.arange(column - 1, column + columns + 1)[None, :], np.arange(row - 1, row + rows + 1)[:, None], seed
    )
    knots = (knots * 2 - 1) * np.float32(_UNIT_VARIANCE)
    weights = _spline((np.arange(step) + 0.5) / step)

    tall = _spread(knots.T, weights, step).T
    tall = tall[window.row - row * step :][: window.height]
    wide = _spread(np.ascontiguousarray(tall), weights, step)
    return wide[:, window.column - column * step :][:, : window.width]


def _spread(knots: Floats, weights: Floats, step: int) -> Floats:
    """Each row of (rows, n + 2) knots as a curve of n * step values."""
    rows, count = knots.shape[0], knots.shape[1] - 2
    before, here, after = knots[:, :-2], knots[:, 1:-1], knots[:, 2:]
    if step >= 16:
        curve = before[:, :, None] * weights[:, 0]
        curve += here[:, :, None] * weights[:, 1]
        curve += after[:, :, None] * weights[:, 2]
        return curve.reshape(rows, count * step)
    curve = np.empty((rows, count * step), np.float32)
    for phase in range(step):
        curve[:, phase::step] = before * weights[phase, 0] + here * weights[phase, 1] + after * weights[phase, 2]
    return curve


def smooth_at(east: NDArray[np.float64], south: NDArray[np.float64], step: int, seed: int) -> NDArray[np.float64]:
    """`smooth` at single points, given in metres."""
    across, down = east / GSD / step, south / GSD / step
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    by_column, by_row = _spline(across - column), _spline(down - row)
    near = np.arange(-1, 2)
    knots = hashed(column[..., None, None] + near, row[..., None, None] + near[:, None], seed) * 2 - 1
    return np.asarray(
        (knots * by_row[..., :, None] * by_column[..., None, :]).sum((-2, -1)) * _UNIT_VARIANCE, np.float64
    )


def _spline(phase: NDArray[np.float64]) -> Floats:
    """The three weights of a quadratic B-spline at `phase` in 0..1 of its middle knot."""
    return np.stack([0.5 * (1 - phase) ** 2, 0.5 + phase * (1 - phase), 0.5 * phase**2], axis=-1).astype(np.float32)


def blurred(values: Floats, sigma: float) -> Floats:
    """Gaussian blur of the last two axes, `sigma` in pixels."""
    sigmas = (0.0,) * (values.ndim - 2) + (sigma, sigma)
    return np.asarray(_filters.gaussian_filter(values, sigmas, truncate=3.0))


def averaged(values: Floats, size: int) -> Floats:
    """Mean over squares of `size` pixels."""
    return np.asarray(_filters.uniform_filter(values, size))

"""Shaded relief: what the sun makes of heights."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Band, between, measured, percentiles, row_blocks

METRES: Mapping[str, float] = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "km": 1000.0, "ft": 0.3048}
"""Units of height whose shading can be true to scale."""

_HIGHEST = 1e15
"""Heights beyond it are cut off for the shading: their squares must fit into float32."""
_MODERATE = 0.6
"""Slope that nine of ten slopes shall not exceed where the scale is not known."""
_FINEST, _COARSEST = 0.25, 100.0
"""Metres per pixel between which an unknown scale is assumed."""


def hillshade(
    height: NDArray[np.floating[Any]], gsd: float, azimuth: float = 315.0, altitude: float = 45.0
) -> NDArray[np.float32]:
    """Shaded relief in 0..1 (Horn 1981).

    Args:
        height: (height, width) in metres, row 0 in the north. NaN stays NaN; its neighbours are shaded from the valid
            ones.
        gsd: metres per pixel.
        azimuth: where the sun stands, degrees clockwise from north.
        altitude: degrees above the horizon.
    """
    with np.errstate(all="ignore"):
        band = measured(0, height, None)
        relief = Shading(band, gsd, azimuth, altitude)
        shade = np.empty(height.shape, np.float32)
        for rows in row_blocks(height.shape):
            np.clip(relief.shade(rows), np.float32(0.0), np.float32(1.0), out=shade[rows])
        if band.usable is not None:
            shade[~band.usable] = np.nan
    return shade


class Shading:
    """Shades heights by blocks of rows.

    Horn, B. K. P. (1981), Hill shading and the reflectance map. The tile's edge is continued along its slope. An
    invalid pixel beside a valid one takes the mean of its valid neighbours, so that a void has no cliff.

    Args:
        band: the heights.
        cell: size of a pixel, in the unit of height.
        azimuth: where the sun stands, degrees clockwise from north.
        altitude: degrees above the horizon.
        top: what full light is called.
    """

    def __init__(self, band: Band, cell: float, azimuth: float, altitude: float, top: float = 1.0) -> None:
        self._height = _tamed(band)
        self._exact = _needs_float64(self._height)
        # Small differences of large heights are lost in float32 unless something like their mean is taken away first.
        self._base = float(self._height[0, 0]) if self._height.size else 0.0
        azimuth, altitude = math.radians(azimuth), math.radians(altitude)
        # Horn's sums are eight times the difference in height over one pixel; those of diagonals are longer by a root of 2.
        self._flat = np.float32(8.0 * cell / math.sqrt(2.0))
        self._up = np.float32(top * math.sin(altitude) * 8.0 * cell / math.sqrt(2.0))
        light = top * math.cos(altitude)
        self._falling = np.float32(light * math.cos(azimuth + math.pi / 4.0))
        self._rising = np.float32(light * math.sin(azimuth + math.pi / 4.0))
        self._is_diagonal = abs(self._rising) < 1e-6 * abs(self._falling)

    def shade(self, rows: slice) -> NDArray[np.float32]:
        """(rows, width) up to `top`; below 0 where the ground is turned away from the sun."""
        return self._shaded(rows)[:, :-2]

    def levels(self, rows: slice) -> NDArray[np.int16]:
        """(rows, width) `shade` as whole numbers, to the nearest those above 0."""
        shaded = self._shaded(rows)
        shaded += np.float32(0.5)
        return shaded[:, :-2].astype(np.int16)

    def _shaded(self, rows: slice) -> NDArray[np.float32]:
        """`shade` with a margin of two columns that mean nothing."""
        surroundings = self._surroundings(rows)
        height, width = surroundings.shape
        # In one line without gaps numpy needs half the time that it takes for rows. What two pixels of different rows give
        # falls on the margin, which is cut off in the end.
        z = surroundings.ravel()
        falling = z[width + 1 :] - z[: -width - 1]
        falling = falling[width:] + falling[:-width]
        falling = falling[1:] + falling[:-1]
        rising = z[width:-1] - z[1:-width]
        rising = rising[width:] + rising[:-width]
        rising = rising[1:] + rising[:-1]
        shaded = np.empty((height - 2, width), np.float32)
        shade = np.multiply(falling, self._falling, out=shaded.ravel()[:-2])
        if not self._is_diagonal:
            shade += np.multiply(rising, self._rising, out=z[: rising.size])
        shade += self._up
        length = np.square(falling, out=falling)
        length += np.square(rising, out=rising)
        length += np.square(self._flat)
        shade /= np.sqrt(length, out=length)
        return shaded

    def _surroundings(self, rows: slice) -> NDArray[np.float32]:
        """Heights of the rows with one more pixel on each side."""
        total, width = self._height.shape
        above, below = max(rows.start - 1, 0), min(rows.stop + 1, total)
        z = np.empty((rows.stop - rows.start + 2, width + 2), np.float32)
        inner = z[above - rows.start + 1 : below - rows.start + 1, 1:-1]
        kind = np.float64 if self._exact else np.float32
        np.subtract(self._height[above:below], self._base, out=inner, dtype=kind, casting="unsafe")
        if rows.start == 0:
            z[0] = 2.0 * z[1] - z[2] if total > 1 else z[1]
        if rows.stop == total:
            z[-1] = 2.0 * z[-2] - z[-3] if total > 1 else z[-2]
        z[:, 0] = 2.0 * z[:, 1] - z[:, 2] if width > 1 else z[:, 1]
        z[:, -1] = 2.0 * z[:, -2] - z[:, -3] if width > 1 else z[:, -2]
        return z


def cell_size(height: NDArray[Any], usable: NDArray[np.bool_] | None, gsd: float | None, unit: str) -> float:
    """Size of a pixel in the unit of height.

    True to scale where both are known. Otherwise chosen so that slopes come out moderate; for heights in metres within
    the limits of what images are made of.

    Args:
        height: (height, width) numbers of any type.
        usable: where they mean something; None where everywhere.
        gsd: metres per pixel of `height`; None where unknown.
        unit: of `height`, "" where unknown.
    """
    metres = METRES.get(unit)
    if metres is not None and gsd is not None and 0.0 < gsd < math.inf:
        return gsd / metres
    every = max(1, height.shape[0] // 128)
    steps = np.abs(np.diff(height[::every].astype(np.float64), axis=1))
    there = np.isfinite(steps)
    if usable is not None:
        there &= usable[::every, 1:] & usable[::every, :-1]
    steps = steps[there]
    cell = percentiles(steps, (90.0,))[0] / _MODERATE if steps.size else 0.0
    if metres is not None:
        return between(cell * metres, _FINEST, _COARSEST, otherwise=1.0) / metres
    return cell if 0.0 < cell < _HIGHEST else 1.0


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask with the eight neighbours of its pixels."""
    padded = np.pad(mask, 1)
    lines = padded[:-2] | padded[1:-1] | padded[2:]
    around: NDArray[np.bool_] = lines[:, :-2] | lines[:, 1:-1] | lines[:, 2:]
    return around


def _needs_float64(height: NDArray[Any]) -> bool:
    return height.dtype.itemsize > (4 if height.dtype.kind == "f" else 2)


def _tamed(band: Band) -> NDArray[Any]:
    """Heights without invalid ones beside valid ones, and cut off where their squares would overflow."""
    height = band.values if band.usable is None else _with_filled_rims(band.values, band.usable)
    if band.minimum > -_HIGHEST and band.maximum < _HIGHEST:
        return height
    return np.clip(height.astype(np.float64), -_HIGHEST, _HIGHEST)


def _with_filled_rims(height: NDArray[Any], usable: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    """Heights with the invalid pixels beside valid ones replaced by the mean of these, 0 in all other invalid ones."""
    kind = np.float64 if _needs_float64(height) else np.float32
    padded = np.pad(np.where(usable, height, 0).astype(kind, copy=False), 1)
    there = np.pad(usable, 1)
    rows, columns = np.nonzero(grown(usable) & ~usable)
    total, number = np.zeros(rows.size), np.zeros(rows.size)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            total += padded[rows + down, columns + right]
            number += there[rows + down, columns + right]
    padded[rows + 1, columns + 1] = total / number
    return padded[1:-1, 1:-1]

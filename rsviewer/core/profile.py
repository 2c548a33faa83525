"""Heights along a straight line."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import metres
from rsviewer.core.scene import Frame, Rect
from rsviewer.core.tile import LayerId, LayerSpec, Raster

Line = tuple[tuple[float, float], tuple[float, float]]
"""From (x, y) to (x, y), in pixels of the tile."""

SAMPLES_MOST = 8192
"""Along one line: more than any screen is wide."""
OCTANT = math.pi / 4


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The heights of one layer along a line.

    Attributes:
        layer: whose.
        title: of the layer.
        distance: (n,) from the line's start, ascending, in `unit`.
        height: (n,) in metres; NaN where there is none.
        x, y: (n,) where that is on the tile, in tile pixels.
        unit: of `distance`: "m", or "px" where nobody knows how large a pixel is.
    """

    layer: LayerId
    title: str
    distance: NDArray[np.float64]
    height: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    unit: str


def profile(
    raster: Raster, spec: LayerSpec, frame: Frame, place: Rect, line: Line, samples: int | None = None
) -> Profile:
    """Heights every half pixel of the layer: bilinear between valid pixels, none where the pixel itself is invalid.

    Args:
        raster: its first band; heights in another unit than metres are turned into metres.
        spec: of the layer.
        frame: the tile's grid.
        place: where the layer lies on the tile.
        line: may leave the tile.
        samples: how many heights, evenly spaced; None for `samples_along`. Several layers with the same number can be
            compared place by place.
    """
    (x0, y0), (x1, y1) = line
    share = np.linspace(0.0, 1.0, samples_along(raster, place, line) if samples is None else samples)
    x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
    far, unit = length(line, frame)
    return Profile(spec.id, spec.title, share * far, metres(_sampled(raster, place, x, y), spec.unit), x, y, unit)


def samples_along(raster: Raster, place: Rect, line: Line) -> int:
    """How many heights a layer has along a line, at every half of its pixels: 1 for a line without length."""
    (x0, y0), (x1, y1) = line
    pixels = math.hypot((x1 - x0) * raster.width / place.width, (y1 - y0) * raster.height / place.height)
    return min(math.ceil(2 * pixels) + 1, SAMPLES_MOST)


def length(line: Line, frame: Frame) -> tuple[float, str]:
    """How long a line is on the ground, and in which unit: "m", or "px" where nobody knows how large a pixel is."""
    (x0, y0), (x1, y1) = line
    across, down = frame.cell or (1.0, 1.0)
    return math.hypot((x1 - x0) * across, (y1 - y0) * down), "px" if frame.cell is None else "m"


def clipped(line: Line, frame: Frame) -> Line | None:
    """The part of a line that lies on the tile; None where it does not touch it."""
    (x0, y0), (x1, y1) = line
    first, last = 0.0, 1.0
    for start, change, end in ((x0, x1 - x0, frame.width), (y0, y1 - y0, frame.height)):
        if change == 0:
            if not 0 <= start <= end:
                return None
            continue
        near, far = sorted((-start / change, (end - start) / change))
        first, last = max(first, near), min(last, far)
    if first > last:
        return None
    begin = line[0] if first == 0.0 else (x0 + first * (x1 - x0), y0 + first * (y1 - y0))
    return begin, line[1] if last == 1.0 else (x0 + last * (x1 - x0), y0 + last * (y1 - y0))


def straightened(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """The end moved so that the line is level, upright or diagonal, whichever is nearest."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    angle = round(math.atan2(dy, dx) / OCTANT) * OCTANT
    along, up = round(math.cos(angle)), round(math.sin(angle))
    reach = (dx * along + dy * up) / max(abs(along) + abs(up), 1)
    return start[0] + reach * along, start[1] + reach * up


def nearest_on(line: Line, x: float, y: float) -> tuple[float, float]:
    """The place of a line that is nearest to a point.

    Returns:
        How far along the line, 0 at its start .. 1 at its end, and how far the point is from there, in tile pixels.
    """
    (x0, y0), (x1, y1) = line
    dx, dy = x1 - x0, y1 - y0
    square = dx * dx + dy * dy
    share = 0.0 if square == 0 else min(max(((x - x0) * dx + (y - y0) * dy) / square, 0.0), 1.0)
    return share, math.hypot(x - x0 - share * dx, y - y0 - share * dy)


def _sampled(raster: Raster, place: Rect, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first band at points given in tile pixels. Only the pixels around the points are looked at."""
    column = (x - place.x) / place.width * raster.width
    row = (y - place.y) / place.height * raster.height
    inside = (column >= 0) & (column <= raster.width) & (row >= 0) & (row <= raster.height)
    column, row = np.where(inside, column, 0.0), np.where(inside, row, 0.0)
    values, usable = _pixels(raster, np.floor(column), np.floor(row))
    left, top = np.floor(column - 0.5), np.floor(row - 0.5)
    right_share, bottom_share = column - 0.5 - left, row - 0.5 - top
    total, weight = np.zeros(len(x)), np.zeros(len(x))
    for right, bottom in ((0, 0), (1, 0), (0, 1), (1, 1)):
        value, ok = _pixels(raster, left + right, top + bottom)
        share = np.abs(1 - right - right_share) * np.abs(1 - bottom - bottom_share) * ok
        total += share * np.where(ok, value - values, 0.0)
        weight += share
    there = inside & usable
    height = np.full(len(x), np.nan)
    height[there] = values[there] + total[there] / weight[there]
    return height


def _pixels(
    raster: Raster, column: NDArray[np.float64], row: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values of pixels, those beyond an edge as the ones on it, and whether they may be used; 0 where not."""
    columns = np.clip(column, 0, raster.width - 1).astype(np.intp)
    rows = np.clip(row, 0, raster.height - 1).astype(np.intp)
    values = raster.pixels[0, rows, columns].astype(np.float64)
    usable = raster.valid[0, rows, columns] & np.isfinite(values)
    return np.where(usable, values, 0.0), usable

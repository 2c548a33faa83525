"""The bare ground, estimated from the heights of a surface.

The simple morphological filter (SMRF) of Pingel, Clarke and McBride (2013), An improved simple morphological filter for the
terrain classification of airborne LIDAR data, ISPRS Journal of Photogrammetry and Remote Sensing 77, 21-30: the surface is
opened with growing windows, and what falls by more than the slope of the ground allows at that width is an object. The
ground is then laid through what is left, and everything that lies close to it is ground after all.

It was made for point clouds. On a raster nothing is seen below trees, so in closed forest, and on roofs and terraces wider
than the widest window, the "ground" is what is highest: heights above it come out too low. Sharp ridges, cliffs and walls
may be taken for objects: there they come out too high.
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

_Field = NDArray[np.float32]

FINEST_CELL = 1.0
"""Metres: on finer rasters the windows are moved over cells of about this size, each with its lowest height."""
COARSEST_PIXEL = 1 / 3
"""Of the widest window: rasters of larger pixels show no object that would fit into it."""
LOW_SLOPE = 5.0
"""What stands that steeply below its surroundings is an error of measurement, not ground (500 %, as in the paper)."""
_RELAXED = 40
"""Rounds of relaxation at every level of the pyramid: from the solution of the coarser one little is left to do."""
_SPREAD = 1.0
"""Cells over which the ground is smoothed before its slope is taken."""


@dataclass(frozen=True, slots=True)
class GroundFilter:
    """How the ground is told from what stands on it. The defaults are those of the paper for mixed terrain.

    Attributes:
        slope: the steepest ground, as rise over run.
        window: metres: half the width of the widest building.
        threshold: metres by which heights may lie above the ground and still be ground.
        scaling: by how many metres more on ground of slope 1.
    """

    slope: float = 0.15
    window: float = 18.0
    threshold: float = 0.5
    scaling: float = 1.25


def ground_below(
    surface: NDArray[Any], valid: NDArray[np.bool_], pixel: float, how: GroundFilter | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The ground below a surface.

    Args:
        surface: (height, width) in metres, no height beyond a million. At least one is valid.
        valid: (height, width), where it can be used.
        pixel: metres a pixel. No more than COARSEST_PIXEL of the window: then there is nothing to tell apart.
        how: see GroundFilter.

    Returns:
        (height, width) float64 in metres, also below invalid pixels; and where the surface is ground itself: there both are
        equal.
    """
    how = how or GroundFilter()
    # float32 holds heights above the middle of a tile to a tenth of a millimetre, above the sea to half of one.
    base = float(np.median(surface[valid]))
    heights = np.where(valid, surface - base, 0.0).astype(np.float32)
    factor = max(1, round(FINEST_CELL / pixel))
    cell = pixel * factor
    lowest, known = _lowest(heights, valid, factor)
    filled = filled_in(lowest, known)
    low = _objects(-filled, cell, LOW_SLOPE, cell)
    is_object = low | _objects(np.where(low, filled_in(filled, ~low), filled), cell, how.slope, how.window)
    kept = known & ~is_object
    terrain = filled_in(lowest, kept if kept.any() else known)
    smooth = cv2.GaussianBlur(terrain, (0, 0), _SPREAD)
    steepness = cv2.magnitude(
        cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / (8 * cell), borderType=cv2.BORDER_REPLICATE),
        cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / (8 * cell), borderType=cv2.BORDER_REPLICATE),
    )
    allowed = _enlarged(
        np.asarray(how.threshold + how.scaling * np.asarray(steepness), np.float32), factor, heights.shape
    )
    is_ground = valid & (np.abs(heights - _enlarged(terrain, factor, heights.shape)) <= allowed)
    if not is_ground.any():
        is_ground = valid & (heights <= heights[valid].min())
    ground = np.where(is_ground, surface, filled_in(heights, is_ground) + np.float64(base))
    return ground.astype(np.float64), is_ground


def filled_in(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A smooth surface through known values: where they are not known, each is the mean of its neighbours.

    Args:
        values: (height, width); what is not known may be anything finite.
        known: (height, width), at least one.
    """
    field = values.astype(np.float32)
    if known.all():
        return field
    levels = [(field, known)]
    while max(levels[-1][0].shape) > 1 and not levels[-1][1].all():
        levels.append(_halved(*levels[-1]))
    coarsest, there = levels[-1]
    found = np.where(there, coarsest, coarsest[there].mean() if there.any() else np.float32(0)).astype(np.float32)
    for field, there in reversed(levels[:-1]):
        rows, columns = field.shape
        found = cast("_Field", cv2.resize(found, (columns, rows), interpolation=cv2.INTER_LINEAR))
        mask = there.view(np.uint8)
        for _ in range(_RELAXED):
            found = cast("_Field", cv2.copyTo(field, mask, found))
            found = cast("_Field", cv2.filter2D(found, cv2.CV_32F, _CROSS, borderType=cv2.BORDER_REPLICATE))
        found = cast("_Field", cv2.copyTo(field, mask, found))
    return found


_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
_SQUARE, _DIAMOND = np.ones((3, 3), np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def _objects(surface: _Field, cell: float, slope: float, window: float) -> NDArray[np.bool_]:
    """What falls when the surface is opened with windows that grow cell by cell up to a radius of `window` metres.

    Of what would fall at once with a wide window, hills would be a part: so every opening starts from the one before.
    The windows are octagons, which take a pass each in place of a disk's hundreds of neighbours.
    """
    found = np.zeros(surface.shape, bool)
    before = eroded = surface
    for radius in range(1, max(1, int(np.ceil(window / cell))) + 1):
        # Of the surface as it is, and of the opened one, the next opening is the same.
        eroded = cast("_Field", cv2.erode(eroded, _part(radius)))
        opened = eroded
        for part in range(1, radius + 1):
            opened = cast("_Field", cv2.dilate(opened, _part(part)))
        found |= before - opened > np.float32(slope * radius * cell)
        before = opened
    return found


def _part(radius: int) -> NDArray[np.uint8]:
    """Squares and diamonds by turns make octagons."""
    return cast("NDArray[np.uint8]", _SQUARE if radius % 2 else _DIAMOND)


def _lowest(heights: NDArray[np.float32], valid: NDArray[np.bool_], factor: int) -> tuple[_Field, NDArray[np.bool_]]:
    """The lowest valid height of every cell of factor x factor pixels, and whether it has one."""
    if factor == 1:
        return heights, valid
    rows, columns = (-(-side // factor) * factor for side in heights.shape)
    below, beside = rows - heights.shape[0], columns - heights.shape[1]
    padded = np.pad(np.where(valid, heights, np.float32(np.inf)), ((0, below), (0, beside)), constant_values=np.inf)
    lowest = padded[::factor, ::factor].copy()
    for row, column in np.ndindex(factor, factor):
        np.minimum(lowest, padded[row::factor, column::factor], out=lowest)
    known = np.isfinite(lowest)
    return np.where(known, lowest, np.float32(0)), known


def _enlarged(cells: _Field, factor: int, shape: tuple[int, ...]) -> _Field:
    """Cells over pixels, linear between their centres."""
    if factor == 1:
        return cells
    rows, columns = cells.shape
    size = (columns * factor, rows * factor)
    return cast("_Field", cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR))[: shape[0], : shape[1]]


def _halved(field: _Field, known: NDArray[np.bool_]) -> tuple[_Field, NDArray[np.bool_]]:
    """Half as many rows and columns, rounded up: means of what is known."""
    rows, columns = (side + side % 2 for side in field.shape)
    pad = ((0, rows - field.shape[0]), (0, columns - field.shape[1]))
    weight = _of_four(np.pad(known.astype(np.float32), pad))
    total = _of_four(np.pad(np.where(known, field, np.float32(0)), pad))
    return cast("_Field", total / np.maximum(weight, 1)), weight > 0


def _of_four(grid: _Field) -> _Field:
    """Sums of two by two; a twentieth of the time that a sum over two axes takes."""
    return (grid[::2, ::2] + grid[::2, 1::2]) + (grid[1::2, ::2] + grid[1::2, 1::2])

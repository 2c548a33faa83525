"""Which height is under a point of a picture of a tile in space."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing, Part
from rsviewer.core.relief import Form

_EDGE = 1e-9
"""By so much, as a share of a triangle, a line of sight may miss it: none slips through between two of them."""
_ENOUGH = 300_000
"""Points that are looked at. Where more of them are seen so near to a place, hundreds share each pixel of the picture."""

_WITHIN = 1e-6
"""Of a pixel: so far from its edge a place in it stays at least."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hit:
    """What is under the mouse.

    Attributes:
        cloud: whose height.
        column, row: of the cloud's grid.
        height: metres.
        x, y: the place itself on that grid, in which 0.5 is the middle of the first column and row. The pixels of the tile may
            be finer than the heights.
    """

    cloud: Cloud
    column: int
    row: int
    height: float
    x: float
    y: float

    @property
    def on_tile(self) -> tuple[int, int]:
        """(column, row) of the tile's grid."""
        place = self.cloud.place
        x = place.x + self.x * place.width / self.cloud.columns
        y = place.y + self.y * place.height / self.cloud.rows
        return int(x // 1), int(y // 1)


def pick(drawing: Drawing, x: float, y: float, reach: float = 4.0) -> Hit | None:
    """The height that is seen at a point of the picture; None where there is only background.

    For a surface the pixel whose part of the nearest triangle is there; for points the nearest one to the eye among those
    whose dot covers the place, else the nearest dot within `reach` pixels.

    Only what lies along the line of sight is looked at, so that the largest grids take milliseconds.

    Args:
        drawing: the picture.
        x: from its left edge, in pixels of it.
        y: from its upper edge.
        reach: in pixels of the picture.
    """
    part = next((part for part in drawing.parts() if part.left <= x < part.left + part.width), None)
    if part is None or not 0 <= y < part.height:
        return None
    found = [found for cloud, form in part.clouds if (found := _found(drawing, part, cloud, form, x, y, reach))]
    best = min(found, key=lambda one: (one.missed, one.depth), default=None)
    if best is None:
        return None
    cloud = best.cloud
    height = cloud.base + float(cloud.height[best.row, best.column])
    return Hit(cloud, best.column, best.row, height, best.x, best.y)


class _Found(NamedTuple):
    """A height on the line of sight.

    Attributes:
        cloud: whose.
        column, row: of its grid.
        x, y: the place itself on its grid, see `Hit`.
        missed: pixels from the place to the middle of a dot that does not cover it; else 0.
        depth: -1..1, growing away from the eye.
    """

    cloud: Cloud
    column: int
    row: int
    x: float
    y: float
    missed: float
    depth: float


def _found(drawing: Drawing, part: Part, cloud: Cloud, form: Form, x: float, y: float, reach: float) -> _Found | None:
    grid = _Grid(drawing, part, cloud)
    if grid.column.size == 0 or grid.row.size == 0:
        return None
    if form is Form.SURFACE:
        return _on_surface(grid, (x - part.left) / part.width * 2 - 1, 1 - y / part.height * 2)
    return _among_points(grid, x - part.left, y, drawing.dot, reach)


class _Grid:
    """The points of a cloud that are drawn, in the world.

    Attributes:
        cloud: whose they are.
        column, row: places in the cloud's grid.
        x, y: ascending and descending.
        height: (rows, columns), NaN where there is none.
        rise, floor: z is `height * rise + floor`.
        low, high: between which every z is.
        part: the picture.
    """

    def __init__(self, drawing: Drawing, part: Part, cloud: Cloud) -> None:
        every, style, relief = drawing.every(cloud), drawing.style, drawing.relief
        matrix = relief.matrix(cloud.base, style.exaggeration)
        self.cloud, self.part = cloud, part
        self.column = np.arange(0, cloud.columns, every)
        self.row = np.arange(0, cloud.rows, every)
        self.x: Floats = (cloud.origin[0] + (self.column + 0.5) * cloud.step[0]) * matrix[0, 0] + matrix[0, 3]
        self.y: Floats = (cloud.origin[1] - (self.row + 0.5) * cloud.step[1]) * matrix[1, 1] + matrix[1, 3]
        self.height = cloud.height[::every, ::every]
        self.rise, self.floor = float(matrix[2, 2]), float(matrix[2, 3])
        ends = relief.bounds(style.exaggeration)
        slack = 1e-6 * float(np.abs(ends).max())
        self.low, self.high = float(ends[0][2]) - slack, float(ends[1][2]) + slack

    def z(self, row: NDArray[np.intp], column: NDArray[np.intp]) -> Floats:
        """World heights of some points, NaN where there are none."""
        height: Floats = self.height[row, column].astype(np.float64)
        return height * self.rise + self.floor


# --- surfaces


class _Sight(NamedTuple):
    """A line of sight: `start + t * direction`, visible between t `near` and t `far`."""

    start: Floats
    direction: Floats
    near: float
    far: float


def _on_surface(grid: _Grid, across: float, up: float) -> _Found | None:
    """The nearest triangle at a place given as -1..1 from the left and the lower edge of the part."""
    matrix = grid.part.matrix
    sight = _sight(matrix, across, up)
    if sight is None:
        return None
    row, column = _crossed(grid, sight)
    best, found = np.inf, None
    for corners, known in _triangles(grid, row, column):
        t, inside = _hits(sight, corners)
        inside &= known & (t >= sight.near) & (t <= sight.far)
        if not inside.any():
            continue
        nearest = int(np.argmin(np.where(inside, t, np.inf)))
        if t[nearest] < best:
            best, found = float(t[nearest]), corners[nearest]
    if found is None:
        return None
    place = sight.start + best * sight.direction
    clip = matrix @ np.append(place, 1.0)
    return _Found(grid.cloud, *_pixel(grid, place, found), 0.0, float(clip[2] / clip[3]))


def _sight(matrix: Floats, across: float, up: float) -> _Sight | None:
    """What is seen at a place is where two planes meet; t grows away from the eye."""
    planes = np.stack([matrix[0] - across * matrix[3], matrix[1] - up * matrix[3]])
    normals, offsets = planes[:, :3], planes[:, 3]
    direction = np.cross(normals[0], normals[1])
    length = float(np.linalg.norm(direction))
    if not 0.0 < length < np.inf:
        return None
    direction *= np.copysign(1.0 / length, matrix[2, :3] @ direction)
    start = -np.linalg.pinv(normals) @ offsets
    near, far = -np.inf, np.inf
    for limit in (matrix[3] + matrix[2], matrix[3] - matrix[2]):  # what is nearer or farther is not drawn
        here, change = float(limit[:3] @ start + limit[3]), float(limit[:3] @ direction)
        if change > 0:
            near = max(near, -here / change)
        elif change < 0:
            far = min(far, -here / change)
    return _Sight(start, direction, near, far) if near < far else None


def _crossed(grid: _Grid, sight: _Sight) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Upper left corners of the squares over or under which the line of sight passes."""
    crossings: list[Floats] = [np.array([sight.near, sight.far])]
    for axis, lines in enumerate((grid.x, grid.y)):
        if abs(sight.direction[axis]) > 1e-300:
            with np.errstate(over="ignore"):
                crossings.append((lines - sight.start[axis]) / sight.direction[axis])
    t = np.concatenate(crossings)
    t = np.sort(t[(t >= sight.near) & (t <= sight.far)])
    middle = (t[1:] + t[:-1]) / 2
    column = np.searchsorted(grid.x, sight.start[0] + middle * sight.direction[0]) - 1
    row = np.searchsorted(-grid.y, -(sight.start[1] + middle * sight.direction[1])) - 1
    inside = (column >= 0) & (row >= 0) & (column < grid.x.size - 1) & (row < grid.y.size - 1)
    return row[inside], column[inside]


def _triangles(
    grid: _Grid, row: NDArray[np.intp], column: NDArray[np.intp]
) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
    """(n, 3, 3) corners of one triangle of every square and whether it is there, then of the other.

    Divided like `core.cloud.triangles` does.
    """
    corners = [
        np.stack([grid.x[columns], grid.y[rows], grid.z(rows, columns)], axis=-1)
        for rows, columns in ((row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1))
    ]
    upper_left, upper_right, lower_left, lower_right = corners
    heights = [grid.height[row + down, column + right] for down in (0, 1) for right in (0, 1)]
    falling, rising = np.abs(heights[0] - heights[3]), np.abs(heights[2] - heights[1])
    falls = ((falling <= rising) | np.isnan(rising))[:, None]
    for triangle in (
        (upper_left, lower_left, np.where(falls, lower_right, upper_right)),
        (np.where(falls, upper_left, lower_left), lower_right, upper_right),
    ):
        places = np.stack(triangle, axis=1)
        yield places, ~np.isnan(places[..., 2]).any(axis=1)


def _hits(sight: _Sight, corners: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where the line of sight meets the planes of triangles, and whether inside (Möller and Trumbore 1997)."""
    first = corners[:, 0]
    one, other = corners[:, 1] - first, corners[:, 2] - first
    across = np.cross(sight.direction, other)
    with np.errstate(all="ignore"):
        inverse = 1.0 / (one * across).sum(axis=1)
        offset = sight.start - first
        u = (offset * across).sum(axis=1) * inverse
        along = np.cross(offset, one)
        v = (along @ sight.direction) * inverse
        t = (other * along).sum(axis=1) * inverse
        return t, (u >= -_EDGE) & (v >= -_EDGE) & (u + v <= 1 + _EDGE)


def _pixel(grid: _Grid, place: Floats, corners: Floats) -> tuple[int, int, float, float]:
    """Column and row of the cloud, and x and y of the place on its grid.

    They are where the place is, if there is a height, else the nearest corner of the triangle.
    """
    cloud = grid.cloud
    every = int(grid.column[1] - grid.column[0])
    across = float((place[0] - grid.x[0]) / (grid.x[1] - grid.x[0])) * every
    down = float((place[1] - grid.y[0]) / (grid.y[1] - grid.y[0])) * every
    column, row = round(across), round(down)
    if 0 <= column < cloud.columns and 0 <= row < cloud.rows and not np.isnan(cloud.height[row, column]):
        return column, row, _inside(across + 0.5, column), _inside(down + 0.5, row)
    nearest = corners[int(np.argmin(np.abs(corners[:, :2] - place[:2]).sum(axis=1)))]
    column = int(grid.column[int(np.argmin(np.abs(grid.x - nearest[0])))])
    row = int(grid.row[int(np.argmin(np.abs(grid.y - nearest[1])))])
    return column, row, column + 0.5, row + 0.5


def _inside(place: float, pixel: int) -> float:
    """Rounding must not carry a place over the edge of its pixel."""
    return min(max(place, pixel + _WITHIN), pixel + 1 - _WITHIN)


# --- points


def _among_points(grid: _Grid, x: float, y: float, dot: int, reach: float) -> _Found | None:
    """The nearest dot to the eye that covers a place of the part, else the nearest one to the place."""
    half = dot / 2
    row, column = _surroundings(grid, x, y, max(half, reach))
    clip = np.stack([grid.x[column], grid.y[row], grid.z(row, column), np.ones(row.size)], axis=-1) @ grid.part.matrix.T
    with np.errstate(all="ignore"):
        seen = clip[:, :3] / clip[:, 3:]
    right = np.abs((seen[:, 0] + 1) / 2 * grid.part.width - x)
    down = np.abs((1 - seen[:, 1]) / 2 * grid.part.height - y)
    missed = np.where(np.maximum(right, down) <= half, 0.0, np.hypot(right, down))
    near = np.flatnonzero((clip[:, 3] > 0) & (np.abs(seen[:, 2]) <= 1) & (missed <= reach))
    if near.size == 0:
        return None
    best = near[np.lexsort((seen[near, 2], missed[near]))[0]]
    place = int(grid.column[column[best]]), int(grid.row[row[best]])
    return _Found(grid.cloud, *place, place[0] + 0.5, place[1] + 0.5, float(missed[best]), float(seen[best, 2]))


def _surroundings(grid: _Grid, x: float, y: float, reach: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of all points, and of few others, that may be seen so near to a place of the part.

    What is seen there is inside of a pyramid, and so a system of linear inequalities in x, y and z. In every row y is
    known; z is eliminated (Fourier and Motzkin), and what is left says from where to where x may be.
    """
    width, height, matrix = grid.part.width, grid.part.height, grid.part.matrix
    left, right = ((x + side * reach) / width * 2 - 1 for side in (-1, 1))
    lower, upper = (1 - (y + side * reach) / height * 2 for side in (1, -1))
    sides = np.stack(
        [
            matrix[0] - left * matrix[3],
            right * matrix[3] - matrix[0],
            matrix[1] - lower * matrix[3],
            upper * matrix[3] - matrix[1],
            [0.0, 0.0, 1.0, -grid.low],
            [0.0, 0.0, -1.0, grid.high],
        ]
    )
    sides /= np.abs(sides[:, :3]).max(axis=1, keepdims=True)
    rest = sides[:, 1:2] * grid.y + sides[:, 3:]  # (6, rows): a x + b z + rest >= 0
    a, b = sides[:, 0], sides[:, 2]
    first, last = np.full(grid.y.size, -np.inf), np.full(grid.y.size, np.inf)
    above, below = np.flatnonzero(b > 1e-12), np.flatnonzero(b < -1e-12)
    bounds = [(a[side], rest[side]) for side in np.flatnonzero(np.abs(b) <= 1e-12)]
    bounds += [(a[i] / b[i] - a[j] / b[j], rest[i] / b[i] - rest[j] / b[j]) for i in above for j in below]
    for slope, offset in bounds:
        if abs(slope) <= 1e-12:
            last = np.where(offset < -1e-9, -np.inf, last)
        elif slope > 0:
            first = np.maximum(first, -offset / slope)
        else:
            last = np.minimum(last, -offset / slope)
    start = np.maximum(np.searchsorted(grid.x, first) - 1, 0)
    stop = np.minimum(np.searchsorted(grid.x, last, side="right") + 1, grid.x.size)
    number = np.where(first <= last, np.maximum(stop - start, 0), 0)
    every = -(-int(number.sum()) // _ENOUGH) or 1
    number = -(-number // every)
    row = np.repeat(np.arange(grid.y.size), number)
    place = np.arange(row.size) - (np.cumsum(number) - number)[row]
    return row, start[row] + place * every

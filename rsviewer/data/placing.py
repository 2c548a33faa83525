"""Where a large raster lies on the grid that tiles are cut on."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS

from rsviewer.core.errors import LayerError
from rsviewer.core.tiling import SAME, Box, Grid, Shift, shift_between
from rsviewer.data.aligning import crs_of, turned
from rsviewer.data.sourcefile import SourceFile, vertical_in

_EDGE: Final = 33
"""Places along each edge of a file that are looked up on the grid."""
_LENGTHS: Final = (512, 256, 128, 64, 32)
_NODES: Final = 129
"""Places each way on the grid that are looked up on a file whose edges are nowhere on it."""

Places = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Columns and rows, both of shape (n,)."""


def on_file(grid: Grid, file: SourceFile, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> Places:
    """Places on a grid -> places on a file, in pixels of each; NaN where there are none.

    Raises:
        LayerError: there is no way from one CRS to the other.
    """
    return _between(grid, file.grid, columns, rows)


def _between(one: Grid, other: Grid, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> Places:
    if one.transform is None or other.transform is None:
        return columns, rows
    a, b, c, d, e, f = one.transform
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    if one.crs != other.crs:
        crs, other_crs = sane_crs(one.crs), sane_crs(other.crs)
        if crs != other_crs:
            try:
                x, y = turned(crs, other_crs, x, y)
            except CPLE_BaseError as error:
                raise LayerError(f"No way is known from the CRS {other.crs[:60]} to {one.crs[:60]}.") from error
            if other_crs.is_geographic:
                a, b, c, *_ = other.transform
                middle = a * other.width / 2 + b * other.height / 2 + c
                x = middle + np.remainder(x - middle + 180.0, 360.0) - 180.0
    a, b, c, d, e, f = other.transform
    determinant = a * e - b * d
    x, y = x - c, y - f
    return (e / determinant) * x - (b / determinant) * y, (a / determinant) * y - (d / determinant) * x


def sane_crs(text: str) -> CRS:
    """A CRS by its code or WKT. Raises LayerError where it makes no sense."""
    crs = crs_of(text)
    if crs is None:
        raise LayerError(f"The CRS {text[:60]!r} makes no sense. Write for example EPSG:32633.")
    return crs


def utm_zone(grid: Grid) -> str:
    """The CRS in metres that fits the middle of a grid: that of its UTM zone, as "EPSG:n"; empty where that cannot be known."""
    if grid.transform is None or not grid.crs:
        return ""
    degrees = Grid(1, 1, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "EPSG:4326")
    longitude, latitude = _between(grid, degrees, np.array([grid.width / 2]), np.array([grid.height / 2]))
    east, north = float(longitude[0]), float(latitude[0])
    if not (math.isfinite(east) and abs(north) <= 84):
        return ""
    return f"EPSG:{(32600 if north >= 0 else 32700) + int((east + 180) % 360 // 6) + 1}"


def extent(grid: Grid, file: SourceFile) -> Box | None:
    """The part of a grid that a file covers, in pixels of the grid; None where it covers none of it.

    What is bent or turned has a box around it, so there may be pixels without data in its corners.
    """
    edge = np.linspace(0.0, 1.0, _EDGE)
    zero, one = np.zeros(_EDGE), np.ones(_EDGE)
    columns = np.concatenate([edge, edge, zero, one]) * file.width
    rows = np.concatenate([zero, one, edge, edge]) * file.height
    across, down = _between(file.grid, grid, columns, rows)
    back = on_file(grid, file, across, down)
    slack = max(1.0, 1e-4 * max(file.width, file.height))
    lost = ~((np.abs(back[0] - columns) < slack) & (np.abs(back[1] - rows) < slack))
    if not lost.any():
        return _settled(Box(float(across.min()), float(down.min()), float(across.max()), float(down.max())))
    # A file that reaches around the Earth or over a pole: looked for is what of the grid lies on it.
    box = Box(0, 0, grid.width, grid.height)
    across, down = mesh(box, _NODES)
    column, row = on_file(grid, file, across, down)
    there = (column >= 0) & (column <= file.width) & (row >= 0) & (row <= file.height)
    if not there.any():
        return None
    step = grid.width / (_NODES - 1), grid.height / (_NODES - 1)
    around = Box(
        float(across[there].min()) - step[0],
        float(down[there].min()) - step[1],
        float(across[there].max()) + step[0],
        float(down[there].max()) + step[1],
    )
    return around.within(box)


def _settled(box: Box) -> Box:
    """Edges that are whole pixels but for rounding are whole pixels."""

    def settled(value: float) -> float:
        return float(round(value)) if abs(value - round(value)) < SAME else value

    return Box(settled(box.left), settled(box.top), settled(box.right), settled(box.bottom))


def mesh(box: Box, count: int) -> Places:
    """`count` x `count` places, on its edges and between them."""
    columns, rows = np.meshgrid(np.linspace(box.left, box.right, count), np.linspace(box.top, box.bottom, count))
    return columns.ravel(), rows.ravel()


@dataclass(frozen=True, slots=True)
class Placed:
    """A file on the grid.

    Attributes:
        file: the file.
        box: the part of the grid that it covers.
        shift: from pixels of the grid to those of the file, where they are the same pixels; else None.
        reduced: columns and rows of the file to a pixel of the grid.
        straight: pixels of a row of the grid between whose ends places on the file may be interpolated; a power of two.
    """

    file: SourceFile
    box: Box
    shift: Shift | None
    reduced: tuple[float, float] = (1.0, 1.0)
    straight: int = 1

    @property
    def factor(self) -> float:
        """How many times smaller it becomes, each way; below 1 where it is enlarged."""
        return math.sqrt(self.reduced[0] * self.reduced[1])


def place(grid: Grid, file: SourceFile, box: Box) -> Placed:
    """A file on the part `box` of the grid, which it covers. Raises LayerError where there is no way from CRS to CRS."""
    nodes = mesh(box, 9)
    shift = shift_between(on_file(grid, file, *nodes), nodes)
    if shift is not None:
        return Placed(file, box, shift)
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    reach = max(1.0, min(box.right - box.left, box.bottom - box.top) / 4)
    columns, rows = on_file(
        grid,
        file,
        np.array([middle[0] - reach, middle[0] + reach, middle[0], middle[0]]),
        np.array([middle[1], middle[1], middle[1] - reach, middle[1] + reach]),
    )
    across = math.hypot(columns[1] - columns[0], columns[3] - columns[2]) / (2 * reach)
    down = math.hypot(rows[1] - rows[0], rows[3] - rows[2]) / (2 * reach)
    sane = math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0
    return Placed(file, box, None, (across, down) if sane else (1.0, 1.0), _straight(grid, file, nodes))


def _straight(grid: Grid, file: SourceFile, nodes: Places) -> int:
    """See `Placed`. `nodes` are places on the grid to look at."""
    columns, rows = nodes
    middle = on_file(grid, file, columns, rows)
    for length in _LENGTHS:
        ends = on_file(grid, file, columns - length / 2, rows), on_file(grid, file, columns + length / 2, rows)
        off = [np.abs((one + other) / 2 - between) for one, other, between in zip(*ends, middle, strict=True)]
        if np.nanmax([*off[0], *off[1], 0.0]) < SAME:
            return length
    return _LENGTHS[-1]


def vertical_of(crs: str) -> str:
    """The name of the vertical part of a CRS; empty where it has none."""
    return vertical_in(sane_crs(crs).wkt) if crs else ""

"""Finds the pixels of one layer on another: by georeference, also from one CRS to another, else by extent."""

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import rasterio.env
from numpy.typing import NDArray
from rasterio._err import CPLE_AppDefinedError, CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transformed

from rsviewer.core.aligning import Alignment
from rsviewer.core.stretch import row_blocks
from rsviewer.core.tile import Raster, Transform

log = logging.getLogger(__name__)

_SAME: Final = 0.01
"""Pixels by which grids may differ and still be called the same; what rounding leaves in stored transforms is less."""
_PRECISE: Final = 0.02
"""Pixels of the source by which interpolated places may be wrong, where that is measured."""
_STEP: Final = 32
"""Pixels of the target between places that are turned from one CRS into another. Between them they are interpolated."""
_FEW: Final = 4096
"""So many places are turned one by one without a thought."""
_FARTHEST: Final = 1e9
"""Coordinates beyond it lie on no planet, and PROJ takes minutes to turn 1e30 into an angle."""
_PARTS: Final = 512
"""Into so many parts, about, places are divided at most in search of those that GDAL refuses: it does not say which."""

_environment: Any = rasterio.env  # has no types

Values = NDArray[np.float64]
Places = tuple[Values, Values]
"""x and y, or columns and rows; both of the same shape, or such that they can be broadcast to one."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Pixels on the map.

    Attributes:
        width, height: of the pixels that were read, which may be fewer than the file has.
        transform: column, row of these pixels -> x, y.
        crs: of x and y; empty where nobody knows.
    """

    width: int
    height: int
    transform: Transform
    crs: str

    def on_map(self, column: Values, row: Values) -> Places:
        """Map coordinates of places on the grid."""
        a, b, c, d, e, f = self.transform
        return a * column + (b * row + c), d * column + (e * row + f)

    def on_grid(self, x: Values, y: Values) -> Places:
        """Places on the grid of map coordinates."""
        a, b, c, d, e, f = self.transform
        determinant = a * e - b * d
        x, y = x - c, y - f
        return (e / determinant) * x - (b / determinant) * y, (a / determinant) * y - (d / determinant) * x


Way = Callable[[Values, Values], Places]
"""Places on the target, of shape (n,) -> those on the source; NaN where there is none."""


@np.errstate(all="ignore")
def align(target: Raster, source: Raster) -> Alignment:
    """Finds every pixel of `target` on `source`.

    Both with a georeference: by it, also where CRS, size, resolution or rotation differ. Where one has none, by extent, and
    the remark says so. A CRS that makes no sense counts as none.
    """
    below, above = _grid(target), _grid(source)
    if below is None and above is None:
        return _by_extent(target, source, "")
    if below is None:
        return _by_extent(target, source, "what it lies on has no georeference")
    if above is None:
        return _by_extent(target, source, "it has no georeference")
    if below.crs == above.crs:
        return _by_transform(below, above)
    if not below.crs or not above.crs:
        return _by_extent(target, source, "nobody knows " + ("its CRS" if below.crs else "the CRS of what it lies on"))
    crs, other_crs = crs_of(below.crs), crs_of(above.crs)
    if crs is None or other_crs is None:
        return _by_extent(target, source, f"the CRS {_name(below.crs if crs is None else above.crs)} makes no sense")
    if crs == other_crs:
        return _by_transform(below, above)
    try:
        return _by_projection(below, above, crs, other_crs)
    except CPLE_BaseError as error:
        log.debug("no way from %s to %s: %s", below.crs, above.crs, error)
        return _by_extent(target, source, f"no way is known from {_name(above.crs)} to {_name(below.crs)}")


def _grid(raster: Raster) -> _Grid | None:
    """The pixels of a raster on the map; None where it does not say where it lies, or what it says makes no sense."""
    if raster.transform is None or not raster.width or not raster.height:
        return None
    a, b, c, d, e, f = raster.transform
    width, height = raster.full_size
    across, down = width / raster.width, height / raster.height
    transform = (a * across, b * down, c, d * across, e * down, f)
    if not all(map(math.isfinite, transform)) or transform[0] * transform[4] == transform[1] * transform[3]:
        return None
    return _Grid(raster.width, raster.height, transform, raster.crs)


def _by_extent(target: Raster, source: Raster, why: str) -> Alignment:
    """Edge on edge."""
    same = (target.width, target.height) == (source.width, source.height)
    across, down = source.width / max(1, target.width), source.height / max(1, target.height)
    columns, rows = _centres(target.width) * across, _centres(target.height) * down
    laid = "laid over"
    if target.full_size != source.full_size:
        laid = "{} x {} laid over {} x {}".format(*source.full_size, *target.full_size)
    remark = "" if laid == "laid over" and not why else f"{laid} by extent" + f", since {why}" * bool(why)
    return _alignment(
        (target.height, target.width),
        (source.height, source.width),
        lambda lines: (columns[None, :], rows[lines, None]),
        remark,
        same=same,
        by_extent=True,
    )


def _by_transform(below: _Grid, above: _Grid) -> Alignment:
    """Both in the same CRS."""

    def places(column: Values, row: Values) -> Places:
        return above.on_grid(*below.on_map(column, row))

    corners = np.array([0.0, below.width, 0.0, below.width]), np.array([0.0, 0.0, below.height, below.height])
    same = below == above or _are_same(below, above, corners, places(*corners))
    columns, rows = _centres(below.width), _centres(below.height)
    resized = (below.width, below.height) != (above.width, above.height)
    return _alignment(
        (below.height, below.width),
        (above.height, above.width),
        lambda lines: (columns[None, :], rows[lines, None]) if same else places(columns[None, :], rows[lines, None]),
        "" if same else f"{above.width} x {above.height} " * resized + "resampled by georeference",
        same=same,
    )


def _by_projection(below: _Grid, above: _Grid, crs: CRS, other_crs: CRS) -> Alignment:
    """Each in a CRS of its own.

    Raises:
        CPLE_BaseError: there is no way from one to the other.
    """
    way = _way(below, above, crs, other_crs)
    places, nodes, found = _interpolated(below, above, way)
    same = _are_same(below, above, nodes, found)
    columns, rows = _centres(below.width), _centres(below.height)
    return _alignment(
        (below.height, below.width),
        (above.height, above.width),
        (lambda lines: (columns[None, :], rows[lines, None])) if same else places,
        "" if same else f"resampled from {_name(above.crs)}",
        same=same,
    )


def _are_same(below: _Grid, above: _Grid, places: Places, found: Places) -> bool:
    """True where the grids are of the same size, and places on one are the same places on the other."""
    if (below.width, below.height) != (above.width, above.height):
        return False
    return all(bool((np.abs(one - other) < _SAME).all()) for one, other in zip(places, found, strict=True))


def _alignment(
    shape: tuple[int, int],
    other: tuple[int, int],
    places: Callable[[slice], Places],
    remark: str,
    *,
    same: bool,
    by_extent: bool = False,
) -> Alignment:
    """Keeps the places that lie on the source.

    Args:
        shape: (height, width) of the target.
        other: (height, width) of the source.
        places: rows of the target -> where their pixels lie on the source.
        remark: as in `Alignment`.
        same: as in `Alignment`.
        by_extent: as in `Alignment`.
    """
    column, row = np.empty(shape, np.float32), np.empty(shape, np.float32)
    height, width = other
    covered = 0
    for lines in row_blocks(shape):
        columns, rows = np.broadcast_arrays(*places(lines))
        there = (columns >= -_SAME) & (columns <= width + _SAME) & (rows >= -_SAME) & (rows <= height + _SAME)
        column[lines] = np.where(there, np.clip(columns, 0.0, width), np.nan)
        row[lines] = np.where(there, np.clip(rows, 0.0, height), np.nan)
        covered += int(np.count_nonzero(there))
    return Alignment(column, row, covered / max(1, column.size), remark, same, by_extent)


# --- from one CRS to another


def _way(below: _Grid, above: _Grid, crs: CRS, other_crs: CRS) -> Way:
    """Turns places on one grid into those on another.

    Longitudes are brought to the source's side of the antimeridian. What does not come back to where it came from is not
    there: far from its zone UTM has places for points on the other side of the Earth.
    """
    middle = above.on_map(np.array(above.width / 2), np.array(above.height / 2))[0]

    def way(column: Values, row: Values) -> Places:
        x, y = below.on_map(column, row)
        found_x, found_y = turned(crs, other_crs, x, y)
        back_x, back_y = turned(other_crs, crs, found_x, found_y)
        if crs.is_geographic:
            back_x = _near(back_x, x)
        if other_crs.is_geographic:
            found_x = _near(found_x, middle)
        back_column, back_row = below.on_grid(back_x, back_y)
        lost = ~((np.abs(back_column - column) < 1.0) & (np.abs(back_row - row) < 1.0))
        found_column, found_row = above.on_grid(found_x, found_y)
        return np.where(lost, np.nan, found_column), np.where(lost, np.nan, found_row)

    return way


def _near(longitude: Values, other: Values) -> Values:
    """The same meridians, at most half a turn away from the other ones. Degrees."""
    near: Values = other + np.remainder(longitude - other + 180.0, 360.0) - 180.0
    return near


def turned(crs: CRS, other_crs: CRS, x: Values, y: Values) -> Places:
    """Coordinates in another CRS; NaN where there are none.

    Raises:
        CPLE_BaseError: there is no way from one to the other.
    """
    found_x, found_y = np.full(x.shape, np.nan), np.full(y.shape, np.nan)
    sane = np.flatnonzero((np.abs(x) <= _FARTHEST) & (np.abs(y) <= _FARTHEST))
    smallest = max(1, sane.size // _PARTS)
    left = [sane] if sane.size else []
    with _environment.env_ctx_if_needed():
        while left:
            part = left.pop()
            try:
                found = transformed(crs, other_crs, x[part], y[part])
            except CPLE_AppDefinedError as error:  # one point that lies outside of the projection spoils them all
                log.debug("GDAL refuses %d of %d places: %s", part.size, sane.size, error)
                if part.size > smallest:
                    left += np.array_split(part, 2)
                continue
            found_x[part], found_y[part] = found[0], found[1]
    found_x[~np.isfinite(found_x)] = np.nan
    found_y[~np.isfinite(found_y)] = np.nan
    return found_x, found_y


def _interpolated(below: _Grid, above: _Grid, way: Way) -> tuple[Callable[[slice], Places], Places, Places]:
    """Turns every 32nd place, and those between where interpolation would be off.

    Returns:
        Rows of the target -> places on the source; some places on the target, of shape (n,), and those on the source.
    """
    columns, rows = _centres(below.width), _centres(below.height)
    if below.width * below.height <= _FEW or min(below.width, below.height) < 3:
        grid = _mesh(columns, rows)
        exact = way(*grid)
        shape = (below.height, below.width)
        return (lambda lines: (exact[0].reshape(shape)[lines], exact[1].reshape(shape)[lines])), grid, exact

    across, down = _nodes(below.width), _nodes(below.height)
    nodes = _mesh(across, down)
    found = way(*nodes)
    column_at = found[0].reshape(down.size, across.size)
    row_at = found[1].reshape(column_at.shape)
    bent = _bent(column_at, row_at, above)
    cell_across, way_across = _cells(columns, across[::2])
    cell_down, way_down = _cells(rows, down[::2])

    def places(lines: slice) -> Places:
        cell, along = cell_down[lines], way_down[lines]
        column = _between(column_at[::2, ::2], cell, along, cell_across, way_across)
        row = _between(row_at[::2, ::2], cell, along, cell_across, way_across)
        line, place = np.nonzero(bent[cell][:, cell_across])
        if line.size:
            column[line, place], row[line, place] = way(columns[place], rows[lines][line])
        return column, row

    return places, nodes, found


def _centres(count: int) -> Values:
    return np.arange(count, dtype=np.float64) + 0.5


def _mesh(columns: Values, rows: Values) -> Places:
    column, row = np.meshgrid(columns, rows)
    return column.ravel(), row.ravel()


def _nodes(count: int) -> Values:
    """The edges of cells, and their middles between them, from the first centre of a pixel to the last."""
    edges = np.append(np.arange(0.5, count - 0.5, _STEP), count - 0.5)
    nodes = np.empty(2 * edges.size - 1)
    nodes[::2] = edges
    nodes[1::2] = (edges[1:] + edges[:-1]) / 2
    return nodes


def _cells(places: Values, edges: Values) -> tuple[NDArray[np.intp], Values]:
    """In which cell places lie, and how far from its first edge to its second, 0..1."""
    cell = np.clip(np.searchsorted(edges, places, side="right") - 1, 0, edges.size - 2)
    return cell, (places - edges[cell]) / (edges[cell + 1] - edges[cell])


def _between(
    corners: Values, cell_down: NDArray[np.intp], way_down: Values, cell_across: NDArray[np.intp], way_across: Values
) -> Values:
    """Bilinear between the corners of cells, for some rows and all columns."""
    along = way_down[:, None]
    lines = corners[cell_down] * (1.0 - along) + corners[cell_down + 1] * along
    mixed: Values = lines[:, cell_across] * (1.0 - way_across) + lines[:, cell_across + 1] * way_across
    return mixed


def _bent(column: Values, row: Values, above: _Grid) -> NDArray[np.bool_]:
    """The cells between whose corners places cannot be interpolated, except where all of them lie beside the source."""
    off = np.maximum(_error(column), _error(row))
    straight = _of_cells(off, np.maximum) <= _PRECISE
    beside: NDArray[np.bool_] = _of_cells(np.isnan(column), np.logical_and)
    for place, size in ((column, above.width), (row, above.height)):
        margin = _STEP + 2.0 * _of_cells(off, np.maximum)
        beside |= (_of_cells(place, np.maximum) < -margin) | (_of_cells(place, np.minimum) > size + margin)
    bent: NDArray[np.bool_] = ~(straight | beside)
    return bent


def _error(place: Values) -> Values:
    """How far places are from the mean of the corners they lie between: at the middles of cells and of their edges."""
    smooth = place.copy()
    smooth[1::2, ::2] = (place[:-1:2, ::2] + place[2::2, ::2]) / 2
    smooth[:, 1::2] = (smooth[:, :-1:2] + smooth[:, 2::2]) / 2
    return np.abs(place - smooth)


def _of_cells(nodes: NDArray[Any], combine: np.ufunc) -> NDArray[Any]:
    """What combines the nine places on and in every cell."""
    lines: NDArray[Any] = combine(combine(nodes[:-1:2], nodes[1::2]), nodes[2::2])
    cells: NDArray[Any] = combine(combine(lines[:, :-1:2], lines[:, 1::2]), lines[:, 2::2])
    return cells


# --- what a CRS is called


@lru_cache(maxsize=256)
def crs_of(text: str) -> CRS | None:
    """A CRS by its code or WKT; None for one that makes no sense."""
    try:
        with _environment.Env():
            return CRS.from_user_input(text)
    except (CRSError, CPLE_BaseError, ValueError, TypeError, LookupError) as error:
        log.debug("a CRS that makes no sense: %s: %s", error, text)
        return None


def _name(crs: str) -> str:
    """Short: of WKT the name within."""
    found = re.match(r'\s*\w+\s*\[\s*"([^"]+)"', crs)
    name = " ".join((found[1] if found else crs).split())
    return name if len(name) <= 40 else f"{name[:39]}…"

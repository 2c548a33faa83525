"""A large raster in windows: where they lie, what their tiles are called, and the grid that several rasters are cut on."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import Transform

SAME: Final = 0.01
"""Pixels by which grids may differ and still be called the same; what rounding leaves in stored transforms is less."""

_ODD: Final = re.compile(r"[^\w.+()-]+")
_LONGEST: Final = 80


class Edge(StrEnum):
    """What becomes of the rest at the right and at the bottom that is smaller than a tile."""

    DROP = "drop"
    PAD = "pad"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Window:
    """What a tile is cut from.

    Attributes:
        number: counted along the rows over all windows, so that a tile keeps its number whatever becomes of the others.
        row, column: of the window, counted from 0.
        left, top: first column and row of pixels.
        width, height: pixels that lie on the raster; fewer than the tile has where it is padded.
    """

    number: int
    row: int
    column: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Windows(Sequence[Window]):
    """All windows of a raster, along its rows. None is made before it is asked for: there may be millions.

    Attributes:
        width, height: of the raster, in pixels.
        size: of a tile, in pixels a side.
        stride: pixels from one tile to the next; less than `size` makes them overlap.
        edge: see `Edge`. DROP leaves the rest out, PAD lets the last tile reach beyond the raster, SHIFT moves it back so that
            it ends where the raster ends.
    """

    width: int
    height: int
    size: int
    stride: int
    edge: Edge = Edge.DROP

    @property
    def columns(self) -> int:
        """How many windows lie side by side."""
        return self._count(self.width)

    @property
    def rows(self) -> int:
        """How many windows lie one below the other."""
        return self._count(self.height)

    def __len__(self) -> int:
        return self.columns * self.rows

    @overload
    def __getitem__(self, index: int) -> Window: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Window]: ...

    def __getitem__(self, index: int | slice) -> Window | Sequence[Window]:
        if isinstance(index, slice):
            return [self._window(number, self.columns) for number in range(len(self))[index]]
        return self._window(range(len(self))[index], self.columns)

    def __iter__(self) -> Iterator[Window]:
        columns = self.columns
        return (self._window(number, columns) for number in range(len(self)))

    def _window(self, number: int, columns: int) -> Window:
        row, column = divmod(number, columns)
        left, top = self._start(column, self.width), self._start(row, self.height)
        width, height = min(self.size, self.width - left), min(self.size, self.height - top)
        return Window(number, row, column, left, top, width, height)

    def _count(self, length: int) -> int:
        if length < 1:
            return 0
        if self.edge is Edge.DROP:
            return max(0, (length - self.size) // self.stride + 1)
        return min(max(0, -(-(length - self.size) // self.stride)) + 1, -(-length // self.stride))

    def _start(self, place: int, length: int) -> int:
        start = place * self.stride
        return max(0, min(start, length - self.size)) if self.edge is Edge.SHIFT else start


def numbered(window: Window) -> str:
    """The tile's name as RS3DBench writes it."""
    return f"tile_{window.number}"


def placed(window: Window, windows: Windows) -> str:
    """A tile's name by row and column, which sorts as the tiles lie: "r07_c12"."""
    row, column = (len(str(max(0, count - 1))) for count in (windows.rows, windows.columns))
    return f"r{window.row:0{row}}_c{window.column:0{column}}"


def area_name(stem: str) -> str:
    """A name for folders, made of that of a file: odd letters become "_"."""
    return _ODD.sub("_", stem).strip("._ ")[:_LONGEST].rstrip("._ ") or "area"


def valid_share(valid: NDArray[np.bool_], window: Window) -> float:
    """Which part of a tile can be used, 0..1: what lies beyond the edge of the raster does not count.

    Args:
        valid: (bands, size, size).
        window: of the tile.
    """
    inside = valid[:, : window.height, : window.width].all(axis=0)
    return float(np.count_nonzero(inside)) / max(1, inside.size)


def block_side(size: int, stride: int) -> int:
    """Pixels a side of the blocks, a power of two, from which windows are put together with little that is cut off.

    Blocks begin at multiples of their side, so that windows which overlap are put together from the same ones.
    """
    fitting = stride & -stride  # the largest power of two that it is a multiple of
    enough = 1 << (size - 1).bit_length()
    return min(512, enough, max(128, fitting))


# --- grids


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a grid: columns `left` to `right`, rows `top` to `bottom`, in pixels, whole or not."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_empty(self) -> bool:
        """No pixel is whole in it."""
        box = self.whole()
        return box.right <= box.left or box.bottom <= box.top

    def meets(self, other: "Box") -> bool:
        """Both have something in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: "Box") -> "Box":
        """What both have in common; it may be empty."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def around(self, other: "Box") -> "Box":
        """The smallest that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def moved(self, columns: float, rows: float) -> "Box":
        """The same somewhere else."""
        return Box(self.left + columns, self.top + rows, self.right + columns, self.bottom + rows)

    def towards(self, other: "Box", share: float) -> "Box":
        """Between both, in whole pixels: this one for a share of 0, the other one for 1."""
        pairs = zip(
            (self.left, self.top, self.right, self.bottom),
            (other.left, other.top, other.right, other.bottom),
            strict=True,
        )
        return Box(*(float(round(one + share * (end - one))) for one, end in pairs))

    @property
    def size(self) -> float:
        """Square pixels; 0 where it is empty."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def whole(self) -> "Box":
        """The pixels that lie in it; what rounding has taken from one at the edge does not count."""
        return Box(
            math.ceil(self.left - SAME),
            math.ceil(self.top - SAME),
            math.floor(self.right + SAME),
            math.floor(self.bottom + SAME),
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels that tiles are cut on.

    Attributes:
        width, height: in pixels.
        transform: None where nobody knows where it lies.
        crs: "EPSG:n" or WKT; empty where there is none.
    """

    width: int
    height: int
    transform: Transform | None = None
    crs: str = ""

    def part(self, box: Box) -> "Grid":
        """The whole pixels of a box as a grid of their own."""
        box = box.whole()
        moved = None if self.transform is None else moved_by(self.transform, box.left, box.top)
        return replace(self, width=int(box.right - box.left), height=int(box.bottom - box.top), transform=moved)


def moved_by(transform: Transform, left: float, top: float) -> Transform:
    """Of the pixels that begin `left` columns and `top` rows further on."""
    return after(transform, (1.0, 0.0, left, 0.0, 1.0, top))


def after(outer: Transform, inner: Transform) -> Transform:
    """The transform that does first what is `inner`, and then what is `outer`."""
    a, b, c, d, e, f = outer
    a2, b2, c2, d2, e2, f2 = inner
    return (
        a * a2 + b * d2,
        a * b2 + b * e2,
        a * c2 + b * f2 + c,
        d * a2 + e * d2,
        d * b2 + e * e2,
        d * c2 + e * f2 + f,
    )


def inverse(transform: Transform) -> Transform:
    """The transform that undoes one which has pixels of some size."""
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    a2, b2, d2, e2 = e / determinant, -b / determinant, -d / determinant, a / determinant
    return (a2, b2, -a2 * c - b2 * f, d2, e2, -d2 * c - e2 * f)


def snapped(bounds: tuple[float, float, float, float], pixel: float) -> Grid:
    """Square pixels over a part of the map, the north above.

    They begin at multiples of their size, as those of any other area do that is made so: then areas fit together.

    Args:
        bounds: left, bottom, right, top, in units of the map.
        pixel: side of a pixel, in these units.
    """
    left, bottom, right, top = bounds
    first, last = math.floor(left / pixel + SAME), math.ceil(right / pixel - SAME)
    low, high = math.floor(bottom / pixel + SAME), math.ceil(top / pixel - SAME)
    return Grid(last - first, high - low, (pixel, 0.0, first * pixel, 0.0, -pixel, high * pixel))


def rounded(value: float, digits: int = 3) -> float:
    """The number nearest to a positive one that has so many digits: 27.6 for 27.5963."""
    return float(f"{value:.{digits}g}")


def shift_between(
    places: tuple[NDArray[Any], NDArray[Any]], nodes: tuple[NDArray[Any], NDArray[Any]]
) -> "Shift | None":
    """By how many whole pixels two grids are apart; None where that does not say it all.

    Args:
        places: columns and rows on the one grid.
        nodes: the same places, columns and rows on the other.
    """
    offsets = [place - node for place, node in zip(places, nodes, strict=True)]
    if not all(np.isfinite(offset).all() for offset in offsets):
        return None
    columns, rows = (round(float(offset.mean())) for offset in offsets)
    same = all(
        bool((np.abs(offset - whole) < SAME).all()) for offset, whole in zip(offsets, (columns, rows), strict=True)
    )
    return Shift(columns, rows) if same else None


@dataclass(frozen=True, slots=True)
class Shift:
    """Whole pixels from a place on the one grid to the same place on the other."""

    columns: int
    rows: int

"""Heights in space: the pixels of a height layer as coloured points, and as the triangles between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Pixels
from rsviewer.core.scene import Frame, Rect
from rsviewer.core.shading import METRES
from rsviewer.core.tile import LayerId, LayerSpec, Raster, Transform

NO_COLOR = 0xFF8C8C8C
"""Of a height where the layer that colours it has nothing to show."""


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """A picture that is finer than the heights it lies on.

    Attributes:
        pixels: as painted for the panes.
        u, v: (rows, columns) of the cloud's grid: where on the picture a height lies, 0..1 from its left and upper edge.
    """

    pixels: Pixels
    u: NDArray[np.float32]
    v: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """The heights of one layer of a tile as a grid in space. Arrays are read-only.

    Space is right-handed: x runs along the rows of the tile's grid to the right, y up its columns, z is the height. The
    origin is the tile's lower left corner. Row 0 is the upper one, as in the panes.

    Attributes:
        layer: whose heights.
        title: of the layer.
        height: (rows, columns) metres above `base`; NaN where there is none. Infinite and invalid values are NaN.
        base: metres; taken away so that float32 keeps millimetres at any altitude.
        colors: (rows, columns) 0xFFRRGGBB; `NO_COLOR` where the colouring layer has nothing.
        origin: (x, y) of the upper left corner of the upper left pixel.
        step: (across, down) size of a pixel, both positive.
        place: where the grid lies on the tile, in tile pixels.
        transform: column, row of this grid -> map coordinates; None where the layer has no georeference.
        crs: of the map coordinates; empty where there is none.
        texture: the colouring picture where it is finer than the grid; None where `colors` say it all.
    """

    layer: LayerId
    title: str
    height: NDArray[np.float32]
    base: float
    colors: NDArray[np.uint32]
    origin: tuple[float, float]
    step: tuple[float, float]
    place: Rect
    transform: Transform | None = None
    crs: str = ""
    texture: Texture | None = None

    def __post_init__(self) -> None:
        self.height.flags.writeable = False
        self.colors.flags.writeable = False

    @property
    def rows(self) -> int:
        """Rows of the grid."""
        return int(self.height.shape[0])

    @property
    def columns(self) -> int:
        """Columns of the grid."""
        return int(self.height.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        texture = 0 if self.texture is None else self.texture.pixels.nbytes + 2 * self.texture.u.nbytes
        return int(self.height.nbytes + self.colors.nbytes) + int(texture)


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """The valid heights of a cloud, or every n-th of them, row after row.

    Attributes:
        index: (n,) place in the raveled grid of the cloud.
        position: (n, 3) float32: x, y as in `Cloud`, z metres above `Cloud.base`.
        slope: (n, 2) float32: dz/dx and dz/dy, from valid neighbours only; 0 where there is none.
        rgb: (n, 3) uint8.
    """

    index: NDArray[np.uint32]
    position: NDArray[np.float32]
    slope: NDArray[np.float32]
    rgb: NDArray[np.uint8]


def cloud_of(raster: Raster, spec: LayerSpec, frame: Frame, place: Rect, colors: NDArray[np.uint32]) -> Cloud:
    """The first band of a height layer in space.

    Args:
        raster: heights in any type; those in another unit than metres are turned into metres.
        spec: of the layer.
        frame: the tile's grid. Without metres per pixel x and y are in pixels.
        place: where the layer lies on the tile.
        colors: (rows, columns) of the raster's grid, any alpha.
    """
    raise NotImplementedError


def vertices(cloud: Cloud, every: int = 1) -> Vertices:
    """The points of a cloud; `every` 2 takes every other row and column."""
    raise NotImplementedError


def triangles(cloud: Cloud, every: int = 1) -> NDArray[np.uint32]:
    """(n, 3) places in `vertices(cloud, every)`, anticlockwise seen from above. None reaches over an invalid pixel.

    A square of four valid neighbours has two triangles, one of three valid ones has one.
    """
    raise NotImplementedError


def stride(points: int, budget: int) -> int:
    """The smallest n for which every n-th row and column of a grid of `points` has at most `budget` points."""
    return max(1, int(np.ceil(np.sqrt(points / max(1, budget)))))


def metres(values: NDArray[Any], unit: str) -> NDArray[np.float64]:
    """Heights in metres; those of an unknown unit are taken for metres."""
    return values.astype(np.float64) * METRES.get(unit, 1.0)

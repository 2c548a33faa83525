"""Heights along a straight line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.scene import Frame, Rect
from rsviewer.core.tile import LayerId, LayerSpec, Raster

Line = tuple[tuple[float, float], tuple[float, float]]
"""From (x, y) to (x, y), in pixels of the tile."""


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


def profile(raster: Raster, spec: LayerSpec, frame: Frame, place: Rect, line: Line) -> Profile:
    """Heights every half pixel of the layer: bilinear between valid pixels, none where the pixel itself is invalid.

    Args:
        raster: its first band; heights in another unit than metres are turned into metres.
        spec: of the layer.
        frame: the tile's grid.
        place: where the layer lies on the tile.
        line: may leave the tile.
    """
    raise NotImplementedError

"""The labelled grid around a tile in space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import Camera
from rsviewer.core.relief import Relief, ReliefStyle


@dataclass(frozen=True, slots=True)
class Label:
    """A word at a place in space.

    Attributes:
        position: (x, y, z) in the world.
        text: "200", or "x (m)" for the name of an axis.
        outward: (x, y, z) from the tile to the outside: the text stands on this side of the place.
        is_title: True for the name of an axis.
    """

    position: tuple[float, float, float]
    text: str
    outward: tuple[float, float, float]
    is_title: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """Lines and words of the grid.

    Attributes:
        lines: (n, 2, 3) float32 in the world.
        labels: numbers and names.
    """

    lines: NDArray[np.float32]
    labels: tuple[Label, ...]


def axes_of(relief: Relief, style: ReliefStyle, camera: Camera) -> Axes:
    """The floor below the tile with a grid at round numbers, and the scale of heights at the corner that is best seen.

    Numbers are distances from the tile's lower left corner in `relief.unit`, and heights in metres: true ones, whatever the
    exaggeration. They stand at the edges turned towards the camera.
    """
    raise NotImplementedError

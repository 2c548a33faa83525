"""A tile in space: which heights of it are shown, how, and what they span."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import Cloud
from rsviewer.core.scene import Colorbar, Legend
from rsviewer.core.tile import LayerId, TileId

DIFFERENCE = "difference"
"""As `ReliefStyle.color`: the height minus the other one."""


class Form(StrEnum):
    """How heights are drawn."""

    SURFACE = "surface"
    POINTS = "points"


class Together(StrEnum):
    """How a second height is shown."""

    ALONE = "alone"
    """It is not."""
    BESIDE = "beside"
    """Beside the first, seen by the same camera."""
    ONE_SCENE = "one scene"
    """In the place of the first, as points."""


@dataclass(frozen=True, slots=True)
class ReliefStyle:
    """How a tile is shown in space. The same for every tile, kept with the session.

    Attributes:
        height: the layer shown; None for the first that the tile has.
        other: a second one, e.g. a prediction; None for the first other one that the tile has.
        together: how the second is shown.
        color: id of the layer that colours the heights, `DIFFERENCE`, or "" for the first image that the tile has.
        form: how heights are drawn.
        exaggeration: heights are multiplied by this; 1 is true.
        azimuth: where the light comes from, degrees clockwise from up.
        altitude: of the light, degrees above the horizon.
        shading: 0 (colours as they are) .. 1 (dark where turned away from the light).
        point_size: in screen pixels (of 1/96 inch).
        grid: labelled axes are drawn.
    """

    height: LayerId | None = None
    other: LayerId | None = None
    together: Together = Together.ALONE
    color: str = ""
    form: Form = Form.SURFACE
    exaggeration: float = 1.0
    azimuth: float = 315.0
    altitude: float = 45.0
    shading: float = 0.6
    point_size: float = 2.0
    grid: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """One tile in space. Compared by identity.

    Attributes:
        tile: whose heights these are.
        clouds: the first height, and the second where it is shown; empty where there is nothing to show.
        together: how two are shown.
        extent: (x, y) size of the tile, in `unit`.
        unit: of x and y: "m", or "px" where nobody knows how large a pixel is. Heights are metres in any case.
        low, high: metres; what all heights span. 0 and 0 where there are none.
        color_title: what the colours mean, e.g. "image" or "nDSM".
        colorbar: of the colours, where they are heights or differences.
        legend: of the colours, where they are classes.
        remarks: what a careful person would want to know, one sentence each.
        why: why there is nothing to show; empty where there is.
    """

    tile: TileId
    clouds: tuple[Cloud, ...] = ()
    together: Together = Together.ALONE
    extent: tuple[float, float] = (1.0, 1.0)
    unit: str = "px"
    low: float = 0.0
    high: float = 0.0
    color_title: str = ""
    colorbar: Colorbar | None = None
    legend: tuple[Legend, ...] = ()
    remarks: tuple[str, ...] = ()
    why: str = ""

    @property
    def parts(self) -> tuple[tuple[Cloud, ...], ...]:
        """The clouds of each picture, from left to right: two pictures where they are shown beside each other."""
        if self.together is Together.BESIDE:
            return tuple((cloud,) for cloud in self.clouds)
        return (self.clouds,) if self.clouds else ()

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return 1024 + sum(cloud.nbytes for cloud in self.clouds)

    @property
    def scale(self) -> float:
        """Units of space to one unit of the world that cameras see: half the diagonal of the tile."""
        return math.hypot(*self.extent) / 2 or 1.0

    def matrix(self, base: float, exaggeration: float) -> NDArray[np.float64]:
        """(4, 4) from space, with heights above `base`, to the world.

        The world is what cameras see: the middle of the tile at the middle of its heights is (0, 0, 0), the corners of a
        flat tile are 1 away from it, x to the right, y up the tile, z up. So a camera stays true when the tile changes.
        """
        across, along = self.extent
        matrix = np.diag([1 / self.scale, 1 / self.scale, exaggeration / self.scale, 1.0])
        middle = (self.low + self.high) / 2
        matrix[:3, 3] = (
            -across / 2 / self.scale,
            -along / 2 / self.scale,
            (base - middle) * exaggeration / self.scale,
        )
        return matrix

    def bounds(self, exaggeration: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Two opposite corners (3,) of the box, in the world, that holds the tile and all heights."""
        half = np.array([*self.extent, (self.high - self.low) * exaggeration]) / 2 / self.scale
        return -half, half

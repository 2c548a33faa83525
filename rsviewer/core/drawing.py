"""What a picture of a tile in space shall show. Values only: OpenGL or numpy draws it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import Camera
from rsviewer.core.cloud import Cloud, stride
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together

POINTS_AT_ONCE = 1_000_000
"""Points that are drawn while the camera moves, unless the user says otherwise."""
AMBIENT, DIFFUSE = 0.25, 0.75
"""Light on what is turned away from the sun, and what the sun adds to what faces it.

Whoever draws computes at every height, with its slopes times the exaggeration, `rgb * (1 - shading + shading * light)` where
`light = AMBIENT + DIFFUSE * max(0, normal . sun)` and `normal` is the unit vector along (-dz/dx, -dz/dy, 1).
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the pictures beside each other.

    Attributes:
        left, width, height: of the part, in pixels of the whole picture; all parts are as high as it is.
        clouds: what is seen in it, with the form of each.
        matrix: (4, 4) from the world to clip coordinates.
    """

    left: int
    width: int
    height: int
    clouds: tuple[tuple[Cloud, Form], ...]
    matrix: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture to be drawn. Compared by identity.

    Attributes:
        relief: what is seen.
        style: how.
        camera: from where.
        width, height: of the whole picture, in pixels.
        ratio: pixels of the picture to one of 1/96 inch, for the size of points and lines.
        background: red, green, blue.
        lines: (n, 2, 3) float32, straight lines in the world, hidden by what is before them: the labelled axes.
        line_color: red, green, blue.
        budget: so many points of each cloud may be drawn; None draws all.
    """

    relief: Relief
    style: ReliefStyle
    camera: Camera
    width: int
    height: int
    ratio: float = 1.0
    background: tuple[int, int, int] = (30, 30, 30)
    lines: NDArray[np.float32] | None = None
    line_color: tuple[int, int, int] = (128, 128, 128)
    budget: int | None = None

    def every(self, cloud: Cloud) -> int:
        """Every how manieth row and column of a cloud is drawn."""
        return 1 if self.budget is None else stride(cloud.rows * cloud.columns, self.budget)

    @property
    def dot(self) -> int:
        """Pixels of the picture along each side of the square that a point is drawn as."""
        return max(1, round(self.style.point_size * self.ratio))

    @property
    def is_whole(self) -> bool:
        """True where no point is left out."""
        return all(self.every(cloud) == 1 for cloud in self.relief.clouds)

    def parts(self) -> Iterator[Part]:
        """The pictures beside each other, from left to right."""
        parts = self.relief.parts
        edges = [round(self.width * number / max(1, len(parts))) for number in range(len(parts) + 1)]
        for number, clouds in enumerate(parts):
            left, width = edges[number], max(1, edges[number + 1] - edges[number])
            forms = [self.style.form] * len(clouds)
            if self.relief.together is Together.ONE_SCENE and len(clouds) > 1:
                forms[1] = Form.POINTS
            yield Part(
                left,
                width,
                self.height,
                tuple(zip(clouds, forms, strict=True)),
                self.camera.matrix(width / max(1, self.height)),
            )


def sun(style: ReliefStyle) -> NDArray[np.float64]:
    """(3,) unit vector towards the light: x to the right, y up the tile, z up."""
    azimuth, altitude = math.radians(style.azimuth), math.radians(style.altitude)
    across = math.cos(altitude)
    return np.array([math.sin(azimuth) * across, math.cos(azimuth) * across, math.sin(altitude)])

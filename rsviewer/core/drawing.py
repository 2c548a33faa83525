"""What a picture of a tile in space shall show. Values only: OpenGL or numpy draws it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import Camera, Corners
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

    def cut(self, left: int, top: int, width: int, height: int) -> "Part | None":
        """What of it lies in a rectangle of the whole picture; None where that is nothing."""
        start, end = max(left, self.left), min(left + width, self.left + self.width)
        if end <= start:
            return None
        lens = np.eye(4)
        lens[0, 0], lens[1, 1] = self.width / (end - start), self.height / height
        lens[0, 3] = (self.width - 2 * (start - self.left)) / (end - start) - 1
        lens[1, 3] = 1 - (self.height - 2 * top) / height
        return Part(start - left, end - start, height, self.clouds, lens @ self.matrix)


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
        cut_from: where the picture is only a part of a larger one: (left, top) of it there, and (width, height) of that.
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
    cut_from: tuple[int, int, int, int] | None = None

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

    @property
    def box(self) -> Corners:
        """Two opposite corners of what holds all that is drawn: a layer may reach beyond its tile."""
        relief = self.relief
        low, high = relief.bounds(self.style.exaggeration)
        for cloud in relief.clouds:
            left, upper = cloud.origin
            right, lower = left + cloud.columns * cloud.step[0], upper - cloud.rows * cloud.step[1]
            middle, scale = np.asarray(relief.extent) / 2, relief.scale
            low[:2] = np.minimum(low[:2], (np.array([left, lower]) - middle) / scale)
            high[:2] = np.maximum(high[:2], (np.array([right, upper]) - middle) / scale)
        return low, high

    def cut(self, left: int, top: int, width: int, height: int) -> "Drawing":
        """A part of the picture as a picture of its own: what is too large to be drawn at once is drawn in parts."""
        return replace(self, width=width, height=height, cut_from=(left, top, self.width, self.height))

    def parts(self) -> Iterator[Part]:
        """The pictures beside each other, from left to right."""
        if self.cut_from is not None:
            left, top, width, height = self.cut_from
            whole = replace(self, width=width, height=height, cut_from=None)
            yield from (cut for part in whole.parts() if (cut := part.cut(left, top, self.width, self.height)))
            return
        parts, box = self.relief.parts, self.box
        edges = [round(self.width * number / max(1, len(parts))) for number in range(len(parts) + 1)]
        for number, clouds in enumerate(parts):
            left, width = edges[number], max(1, edges[number + 1] - edges[number])
            forms = [self._form(cloud, number) for number, cloud in enumerate(clouds)]
            yield Part(
                left,
                width,
                self.height,
                tuple(zip(clouds, forms, strict=True)),
                self.camera.matrix(width / max(1, self.height), box),
            )

    def _form(self, cloud: Cloud, number: int) -> Form:
        """Of the cloud of this number in its part."""
        is_second = self.relief.together is Together.ONE_SCENE and number > 0
        is_line = min(cloud.rows, cloud.columns) <= self.every(cloud)  # one row has no surface
        return Form.POINTS if is_second or is_line else self.style.form


def sun(style: ReliefStyle) -> NDArray[np.float64]:
    """(3,) unit vector towards the light: x to the right, y up the tile, z up."""
    azimuth, altitude = math.radians(style.azimuth), math.radians(style.altitude)
    across = math.cos(altitude)
    return np.array([math.sin(azimuth) * across, math.cos(azimuth) * across, math.sin(altitude)])

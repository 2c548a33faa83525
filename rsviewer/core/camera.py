"""Where the eye stands. Cameras see the world of `core.relief.Relief.matrix`: x to the right, y up the tile, z up."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = 35.0
"""Degrees from the lower to the upper edge of the picture."""
NEAREST, FARTHEST = 1e-3, 1e3
"""Distances from the target, in the world's units, between which zooming stays."""
STEEPEST = 90.0
MARGIN = 1.08
"""Room left around what a view fits, as a factor."""
_SLOPE = math.tan(math.radians(FIELD_OF_VIEW) / 2)
_FINEST = 5e-4
"""Nearest depth that is drawn, as a share of the farthest one, where the eye is among the things it sees."""

Corners: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Two opposite corners (3,) of an upright box in the world."""

TILE: Corners = (np.array([-1.0, -1.0, -1.0]), np.array([1.0, 1.0, 1.0]))
"""Holds any tile that is not taller than it is wide."""


class CameraKind(StrEnum):
    """How mouse and keys move the camera."""

    TURNTABLE = "turntable"
    FLY = "fly"


@dataclass(frozen=True, slots=True)
class Camera:
    """An eye and what it looks at.

    Attributes:
        kind: how it is moved.
        azimuth: where the eye stands, seen from the target: degrees clockwise from up the tile (its north), so that 180 looks
            northwards from the south.
        elevation: of the eye above the horizon of the target, -90 .. 90 degrees.
        distance: from eye to target.
        target: (x, y, z) what is in the middle of the picture.
        orthographic: parallel lines stay parallel.
    """

    kind: CameraKind = CameraKind.TURNTABLE
    azimuth: float = 205.0
    elevation: float = 35.0
    distance: float = 4.0
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orthographic: bool = False

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors (3,) to the right of the picture, up, and from the target to the eye."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        back = np.array(
            [
                math.sin(azimuth) * math.cos(elevation),
                math.cos(azimuth) * math.cos(elevation),
                math.sin(elevation),
            ]
        )
        right = np.array([-math.cos(azimuth), math.sin(azimuth), 0.0])
        return right, np.cross(back, right), back

    @property
    def eye(self) -> NDArray[np.float64]:
        """(3,) where it stands."""
        return np.asarray(self.target) + self.distance * self.axes[2]

    @property
    def height(self) -> float:
        """How much of the world is seen from the lower to the upper edge of the picture, at the target."""
        return 2 * self.distance * _SLOPE

    def matrix(self, aspect: float, box: Corners = TILE) -> NDArray[np.float64]:
        """(4, 4) from the world to OpenGL's clip coordinates.

        Args:
            aspect: the picture is so many times as wide as high.
            box: nothing in it and before the eye is cut off, however near or far.
        """
        right, up, back = self.axes
        view = np.eye(4)
        view[:3, :3] = right, up, back
        view[:3, 3] = -view[:3, :3] @ self.eye
        near, far = self._depths(box)
        lens = np.zeros((4, 4))
        if self.orthographic:
            size = self.distance * _SLOPE
            lens[0, 0], lens[1, 1], lens[3, 3] = 1 / (size * aspect), 1 / size, 1.0
            lens[2, 2], lens[2, 3] = -2 / (far - near), -(far + near) / (far - near)
        else:
            lens[0, 0], lens[1, 1], lens[3, 2] = 1 / (_SLOPE * aspect), 1 / _SLOPE, -1.0
            lens[2, 2], lens[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
        return lens @ view

    def _depths(self, box: Corners) -> tuple[float, float]:
        """How far before the eye the box begins and ends, with some room for what is drawn around it.

        Parallel lines have no eye: there the box may begin behind it.
        """
        depth = (self.eye - _corners(box)) @ self.axes[2]
        first, last = float(depth.min()), float(depth.max())
        room = 0.1 + 1e-3 * (last - first)
        near, far = first - room, last + room
        if self.orthographic:
            return near, far
        far = max(far, 2 * self.distance)
        # Who stands close to something in a very tall box wants to see it: nearness counts, too.
        finest = min(far * _FINEST, self.distance / 10, first / 2 if first > 0 else np.inf)
        return max(near, finest), far

    # --- moving

    def turned(self, right: float, up: float) -> "Camera":
        """Round the target, in degrees: what is before the target moves to the right, and the eye goes up.

        The fly camera turns its head instead: see `looked`.
        """
        return replace(self, azimuth=(self.azimuth + right) % 360.0, elevation=_steep(self.elevation + up))

    def looked(self, right: float, up: float) -> "Camera":
        """The eye stays and looks elsewhere, in degrees to the right and up."""
        turned = self.turned(right, -up)
        target = self.eye - turned.axes[2] * self.distance
        return replace(turned, target=_point(target))

    def zoomed(self, factor: float) -> "Camera":
        """Nearer to the target by a factor above 1."""
        farthest = max(FARTHEST, self.distance)  # a very tall box is seen whole from farther away
        return replace(self, distance=min(max(self.distance / factor, NEAREST), farthest))

    def moved(self, right: float, up: float, forward: float = 0.0) -> "Camera":
        """Eye and target by world units along the picture's axes."""
        across, upwards, back = self.axes
        return replace(self, target=_point(np.asarray(self.target) + right * across + up * upwards - forward * back))

    def panned(self, right: float, up: float) -> "Camera":
        """By shares of the picture's height, so that what is under the mouse follows it."""
        return self.moved(-right * self.height, -up * self.height)

    # --- looking from somewhere

    def fitted(self, box: Corners, aspect: float, margin: float = MARGIN) -> "Camera":
        """In its direction, just far enough away for a box to be seen whole.

        Args:
            box: what is to be seen.
            aspect: the picture is so many times as wide as high.
            margin: room left around the box, as a factor.
        """
        middle = (box[0] + box[1]) / 2
        right, up, back = self.axes
        corners = _corners(box) - middle
        x, y, z = np.abs(corners @ right), np.abs(corners @ up), corners @ back
        ahead = 0.0 if self.orthographic else z
        distance = float(np.max(np.maximum(x / aspect, y) / _SLOPE * margin + ahead))
        return replace(self, target=_point(middle), distance=max(distance, NEAREST))

    def from_top(self) -> "Camera":
        """From straight above, the tile as in the panes."""
        return replace(self, azimuth=180.0, elevation=STEEPEST)

    def from_front(self) -> "Camera":
        """From the lower edge of the tile."""
        return replace(self, azimuth=180.0, elevation=0.0)

    def from_side(self) -> "Camera":
        """From the right edge of the tile."""
        return replace(self, azimuth=90.0, elevation=0.0)


def project(
    matrix: NDArray[np.float64], points: NDArray[np.floating], width: float, height: float
) -> NDArray[np.float64]:
    """(n, 3) x and y in pixels of the picture (y down), and depth -1..1 growing away from the eye; NaN behind the eye.

    Args:
        matrix: (4, 4) to clip coordinates.
        points: (n, 3).
        width: of the picture, in pixels.
        height: of the picture, in pixels.
    """
    clip = points @ matrix[:, :3].T + matrix[:, 3]
    depth = clip[:, 3:4]
    with np.errstate(all="ignore"):
        normal = np.where(depth > 1e-9, clip[:, :3] / depth, np.nan)
    normal[:, 0] = (normal[:, 0] + 1) / 2 * width
    normal[:, 1] = (1 - normal[:, 1]) / 2 * height
    return normal


def _corners(box: Corners) -> NDArray[np.float64]:
    """(8, 3) all corners."""
    return np.array(list(product(*zip(*box, strict=True))), np.float64)


def _steep(elevation: float) -> float:
    return min(max(elevation, -STEEPEST), STEEPEST)


def _point(point: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in point)
    return x, y, z

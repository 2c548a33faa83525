"""Where the eye stands. Cameras see the world of `core.relief.Relief.matrix`: x to the right, y up the tile, z up."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = 35.0
"""Degrees from the lower to the upper edge of the picture."""
NEAREST, FARTHEST = 1e-3, 1e3
"""Distances from the target, in the world's units."""
STEEPEST = 89.9
MARGIN = 1.08
"""Room left around what a view fits, as a factor."""


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
        elevation: of the eye above the horizon of the target, -89.9 .. 89.9 degrees.
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

    def matrix(self, aspect: float) -> NDArray[np.float64]:
        """(4, 4) from the world to OpenGL's clip coordinates, for pictures `aspect` times as wide as high."""
        right, up, back = self.axes
        view = np.eye(4)
        view[:3, :3] = right, up, back
        view[:3, 3] = -view[:3, :3] @ self.eye
        focal = 1 / math.tan(math.radians(FIELD_OF_VIEW) / 2)
        if self.orthographic:
            reach = 10.0 + self.distance  # the box is never farther from the target than this
            size = self.distance / focal
            lens = np.diag([1 / (size * aspect), 1 / size, -1 / reach, 1.0])
            lens[2, 3] = -self.distance / reach
            return lens @ view
        near, far = max(self.distance / 200, 1e-4), self.distance * 2 + 20.0
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = focal / aspect, focal
        lens[2, 2], lens[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
        lens[3, 2] = -1.0
        return lens @ view

    # --- moving

    def turned(self, right: float, up: float) -> "Camera":
        """Round the target, in degrees. The fly camera turns its head instead: see `looked`."""
        return replace(self, azimuth=(self.azimuth + right) % 360.0, elevation=_steep(self.elevation + up))

    def looked(self, right: float, up: float) -> "Camera":
        """The eye stays and looks elsewhere, in degrees to the right and up."""
        turned = self.turned(right, -up)
        target = self.eye - turned.axes[2] * self.distance
        return replace(turned, target=_point(target))

    def zoomed(self, factor: float) -> "Camera":
        """Nearer to the target by a factor above 1."""
        return replace(self, distance=min(max(self.distance / factor, NEAREST), FARTHEST))

    def moved(self, right: float, up: float, forward: float = 0.0) -> "Camera":
        """Eye and target by world units along the picture's axes."""
        across, upwards, back = self.axes
        return replace(self, target=_point(np.asarray(self.target) + right * across + up * upwards - forward * back))

    def panned(self, right: float, up: float) -> "Camera":
        """By shares of the picture's height, so that what is under the mouse follows it."""
        height = 2 * self.distance * math.tan(math.radians(FIELD_OF_VIEW) / 2)
        return self.moved(-right * height, -up * height)

    # --- looking from somewhere

    def fitted(self, corners: tuple[NDArray[np.float64], NDArray[np.float64]], aspect: float) -> "Camera":
        """In its direction, just far enough away for a box with these opposite corners to be seen whole."""
        low, high = corners
        points = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        middle = (low + high) / 2
        right, up, back = self.axes
        slope = math.tan(math.radians(FIELD_OF_VIEW) / 2)
        x, y, z = np.abs((points - middle) @ right), np.abs((points - middle) @ up), (points - middle) @ back
        ahead = 0.0 if self.orthographic else z
        distance = float(np.max(np.maximum(x / (slope * aspect), y / slope) * MARGIN + ahead))
        return replace(self, target=_point(middle), distance=min(max(distance, NEAREST), FARTHEST))

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


def _steep(elevation: float) -> float:
    return min(max(elevation, -STEEPEST), STEEPEST)


def _point(point: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in point)
    return x, y, z

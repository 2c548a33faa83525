"""What mouse and keys do to the camera. Arithmetic only."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import FIELD_OF_VIEW, NEAREST, Camera, CameraKind, Corners, project

TURN = 0.35
"""Degrees that a pixel of dragging turns the tile, or the head of who flies."""
ZOOM = 1.2
"""One notch of the wheel."""
SPEED = 0.8
"""World units a second that flying begins with: a tile's side takes less than two seconds."""
SLOWEST, FASTEST = 0.02, 8.0
HASTE = 4.0
"""With Shift, flying is so many times as fast."""
FLYING_DISTANCE = 0.5
"""From the eye to the target while flying. Only the depths that are drawn depend on it."""
REACH = 1.2
"""A tile reaches so far from the middle of the world, with some room."""
NEAREST_LANDING = 0.05
ROUNDS = 6
"""Of moving and zooming until a box fills the picture: half of them would do."""
LEVEL = 0.2
"""Cosine of the elevation below which the eye is right above, and lifting the target moves nothing in the picture."""


class Way(Enum):
    """Where a key flies to: right, up in the world, forward."""

    FORWARD = (0, 0, 1)
    BACK = (0, 0, -1)
    LEFT = (-1, 0, 0)
    RIGHT = (1, 0, 0)
    DOWN = (0, -1, 0)
    UP = (0, 1, 0)


FLYING = {
    Way.FORWARD: ("group.previous", "W"),
    Way.LEFT: ("tile.previous", "A"),
    Way.BACK: ("group.next", "S"),
    Way.RIGHT: ("tile.next", "D"),
    Way.DOWN: ("view.opacity.less", "Q"),
    Way.UP: ("view.opacity.more", "E"),
}
"""Where a letter flies to -> the command whose letter it is, and the letter where that command has none."""


def flying_letters(keys: Mapping[str, Sequence[str]]) -> dict[Way, str]:
    """The six letters that fly: those under the hand that steps through tiles, also on a French keyboard.

    Args:
        keys: command -> its keys.
    """
    own = {
        way: next((key.upper() for key in keys.get(id_, ()) if len(key) == 1), letter)
        for way, (id_, letter) in FLYING.items()
    }
    if len(set(own.values())) == len(own) and all("A" <= letter <= "Z" for letter in own.values()):
        return own
    return {way: letter for way, (_, letter) in FLYING.items()}


def framed(camera: Camera, box: Corners, aspect: float, margin: float) -> Camera:
    """In its direction, with a box in the middle of the picture and as large as it can be.

    What is near looks larger, so that a box whose middle is in the middle of the picture leaves room above itself. The
    target is lifted or lowered for that, and stays on the upright axis of the box, about which the camera will be turned.

    Args:
        camera: whose direction.
        box: two opposite corners.
        aspect: the picture is so many times as wide as high.
        margin: room left around the box, as a factor.
    """
    fitted = framed = camera.fitted(box, aspect, margin)
    corners = np.array(list(itertools.product(*zip(*box, strict=True))), np.float64)
    across = math.cos(math.radians(camera.elevation))
    for _ in range(ROUNDS):
        at = project(framed.matrix(aspect, box), corners, 2.0, 2.0)[:, :2] - 1
        if not np.isfinite(at).all():
            return fitted
        low, high = float(at[:, 1].min()), float(at[:, 1].max())
        reach = max(float(np.abs(at[:, 0]).max()), (high - low) / 2) * margin
        x, y, z = framed.target
        if across > LEVEL:
            z -= (low + high) / 2 * framed.distance * math.tan(math.radians(FIELD_OF_VIEW) / 2) / across
        framed = replace(framed, target=(x, y, z), distance=max(framed.distance * reach, NEAREST))
    at = project(framed.matrix(aspect, box), corners, 2.0, 2.0)[:, :2] - 1
    return framed if np.isfinite(at).all() and np.abs(at).max() <= 1 else fitted


def zoomed_at(camera: Camera, point: NDArray[np.float64], factor: float) -> Camera:
    """Nearer by a factor above 1, while a point of the world stays where it is in the picture."""
    nearer = camera.zoomed(factor)
    shrunk = nearer.distance / camera.distance
    return centred(nearer, point + (np.asarray(camera.target) - point) * shrunk)


def centred(camera: Camera, point: NDArray[np.float64]) -> Camera:
    """Looks at a point of the world, from the same direction and as far away as before."""
    x, y, z = (float(number) for number in point)
    return replace(camera, target=(x, y, z))


def under(camera: Camera, aspect: float, x: float, y: float) -> NDArray[np.float64]:
    """(3,) what is probably at a place in the picture: the tile at its middle height, else something as far as the target.

    Args:
        camera: that sees it.
        aspect: the picture is so many times as wide as high.
        x: -1 at the left edge .. 1 at the right edge.
        y: -1 at the lower edge .. 1 at the upper edge.
    """
    right, up, back = camera.axes
    slope = math.tan(math.radians(FIELD_OF_VIEW) / 2)
    there = np.asarray(camera.target) + camera.distance * slope * (x * aspect * right + y * up)
    origin, direction = (
        (there + camera.distance * back, -back) if camera.orthographic else (camera.eye, there - camera.eye)
    )
    if abs(direction[2]) > 1e-9:
        far = -origin[2] / direction[2]
        level: NDArray[np.float64] = origin + far * direction
        if far > 0 and max(abs(level[0]), abs(level[1])) <= REACH:
            return level
    return there


def taken_off(camera: Camera) -> Camera:
    """The same picture, from now on flown. Parallel lines have no eye that could fly, so they end."""
    flying = replace(camera, kind=CameraKind.FLY, orthographic=False)
    return _aimed(flying, min(camera.distance, FLYING_DISTANCE))


def landed(camera: Camera) -> Camera:
    """The same picture, from now on turned about what is in its middle."""
    eye, ahead = camera.eye, -camera.axes[2]
    far = -float(eye[2] / ahead[2]) if abs(ahead[2]) > 1e-9 else -1.0
    if far <= 0 or np.abs(eye + far * ahead)[:2].max() > REACH:
        far = -float(eye @ ahead)  # the point of the line of sight that is nearest to the middle of the tile
    return replace(_aimed(camera, max(far, NEAREST_LANDING)), kind=CameraKind.TURNTABLE)


def flown(camera: Camera, ways: Collection[Way], distance: float) -> Camera:
    """Farther by a distance into the sum of some directions."""
    right, up, forward = np.sum([way.value for way in ways], axis=0)
    length = math.sqrt(right * right + up * up + forward * forward)
    if not length:
        return camera
    step = distance / length
    moved = camera.moved(right * step, 0.0, forward * step)
    x, y, z = moved.target
    return replace(moved, target=(x, y, z + float(up) * step))


def _aimed(camera: Camera, distance: float) -> Camera:
    """The target at another distance from the eye, which stays."""
    return centred(replace(camera, distance=distance), camera.eye - camera.axes[2] * distance)

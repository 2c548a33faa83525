"""The labelled grid around a tile in space."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import Camera
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.stretch import nice_ticks

_RIM, _BELOW = 0.03, 0.012
"""Room between the tile and the lines around and below it, in world units."""
_DOWN = 0.7
"""How much numbers of the floor stand below it rather than beside it."""
_APART, _ABOVE = 0.085, 0.06
"""Shares of the picture's height between two numbers of the floor, and between two heights."""
_SHORTEST = 0.12
"""Share of the picture's height below which an edge of the floor has no numbers."""
_MOST = 7
"""Numbers an axis."""
_STEEP = 0.2
"""Share of its length that an upright edge is seen with, below which it has no numbers."""
_LONGEST = 1e7
"""Numbers from here on are written with an exponent."""

Point: TypeAlias = tuple[float, float, float]
Line: TypeAlias = tuple[Point, Point]


@dataclass(frozen=True, slots=True)
class Label:
    """A word at a place in space.

    Attributes:
        position: (x, y, z) in the world.
        text: "200", or "x (m)" for the name of an axis.
        outward: (x, y, z) from the tile to the outside: the text stands on this side of the place.
        is_title: True for the name of an axis.
    """

    position: Point
    text: str
    outward: Point
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
    exaggeration. They stand at the edges turned towards the camera. An axis that is seen end-on has none.
    """
    if not (style.grid and relief.clouds):
        return Axes(np.empty((0, 2, 3), np.float32), ())
    box = _Box(relief, style, camera)
    floor, floor_labels = _floor(box)
    scale, scale_labels = _scale(box)
    return Axes(np.array([*floor, *scale], np.float32).reshape(-1, 2, 3), (*floor_labels, *scale_labels))


class _Box:
    """What the axes stand around.

    Attributes:
        relief: what is shown.
        camera: from where it is seen.
        half: (x, y, z) half of the size of the tile with its heights, in the world.
        rim: (x, y) the same with some room around it: where the lines end.
        floor: z of the floor, a little below the lowest height so that flat ground does not flicker through it.
        side: (x, y) -1 or 1: the edge of the floor that has the numbers of y and that of x.
    """

    def __init__(self, relief: Relief, style: ReliefStyle, camera: Camera) -> None:
        self.relief, self.camera = relief, camera
        self.half = relief.bounds(style.exaggeration)[1]
        self.rim = self.half[:2] + _RIM
        self.floor = -float(self.half[2]) - _BELOW
        azimuth = math.radians(camera.azimuth)
        # Seen from below, the edges on the other side are the lower ones in the picture.
        is_above = camera.elevation >= 0 if camera.orthographic else camera.eye[2] >= self.floor
        near = np.array([math.sin(azimuth), math.cos(azimuth)]) * (1 if is_above else -1)
        # Of two edges that are equally near the one to the left is taken.
        self.side = np.where(np.abs(near) > 1e-6, np.sign(near), -np.sign(camera.axes[0][:2]))

    def seen(self, way: NDArray[np.float64]) -> float:
        """Length of a way in the world in the middle of the picture, as a share of its height."""
        right, up, _ = self.camera.axes
        return math.hypot(float(way @ right), float(way @ up)) / self.camera.height


def _floor(box: _Box) -> tuple[list[Line], list[Label]]:
    """Its outline and grid, with the numbers and names of x and y."""
    (right, upper), floor = box.rim, box.floor
    corners = [(-right, -upper, floor), (right, -upper, floor), (right, upper, floor), (-right, upper, floor)]
    lines = [(corner, corners[number - 1]) for number, corner in enumerate(corners)]
    labels = []
    for axis, name in enumerate("xy"):
        across = 1 - axis
        edge = np.zeros(3)
        edge[across], edge[2] = box.side[across] * box.rim[across], floor
        outward = np.zeros(3)
        # Downwards, too: seen from the side, away from the tile is towards the eye.
        outward[across], outward[2] = box.side[across], -_DOWN
        length = np.zeros(3)
        length[axis] = 2 * box.half[axis]
        share, extent = box.seen(length), box.relief.extent[axis]
        ticks = nice_ticks(0.0, extent, min(_MOST, max(3, int(share / _APART) + 1)))
        for tick, text in zip(ticks, _texts(ticks), strict=True):
            place = edge.copy()
            place[axis] = (tick / extent * 2 - 1) * box.half[axis]
            end = place.copy()
            end[across] *= -1
            lines.append((_point(place), _point(end)))
            if share >= _SHORTEST:
                labels.append(Label(_point(place), text, _point(outward / np.linalg.norm(outward))))
        if share >= _SHORTEST:
            title = f"{name} ({box.relief.unit})"
            labels.append(Label(_point(edge), title, _point(outward / np.linalg.norm(outward)), is_title=True))
    return lines, labels


def _scale(box: _Box) -> tuple[list[Line], list[Label]]:
    """The upright edge with the heights; nothing in a view from above, where it is a point."""
    camera, relief = box.camera, box.relief
    right, up, _ = camera.axes
    if up[2] < _STEEP:
        return [], []
    x, y = _corner(box)
    sideways = math.copysign(1.0, float(np.array([x, y]) @ right[:2])) * right
    low, high = relief.low, relief.high
    share = box.seen(np.array([0.0, 0.0, 2 * box.half[2]]))
    middle = (low + high) / 2
    count = min(_MOST, int(share / _ABOVE) + 1)
    ticks = nice_ticks(low, high, count) or nice_ticks(low, high, count + 1) or (middle,)
    lines: list[Line] = [((x, y, box.floor), (x, y, float(box.half[2])))]
    labels = []
    for tick, text in zip(ticks, _texts(ticks), strict=True):
        z = (tick - middle) / ((high - low) / 2 or 1.0) * float(box.half[2])
        place = np.array([x, y, z])
        lines.append((_point(place), _point(place + _RIM * sideways)))
        labels.append(Label(_point(place + _RIM * sideways), text, _point(sideways)))
    labels.append(Label((x, y, float(box.half[2])), "height (m)", (0.0, 0.0, 1.0), is_title=True))
    return lines, labels


def _corner(box: _Box) -> tuple[float, float]:
    """(x, y) of the upright edge with the heights: it is the farthest to the left or to the right of all in the picture.

    So the tile is never behind it. Of the two the one where fewer numbers of the floor end is taken, then the nearer one.
    """
    right, _, back = box.camera.axes
    corners = np.array([[x, y, box.floor] for x in (-box.rim[0], box.rim[0]) for y in (-box.rim[1], box.rim[1])])
    ways = corners - box.camera.eye
    ahead = -(ways @ back)
    across = ways @ right
    if not box.camera.orthographic and (ahead > 0).all():
        across = across / ahead
    crowded = (np.sign(corners[:, :2]) == box.side).sum(axis=1)
    best = min((int(np.argmin(across)), int(np.argmax(across))), key=lambda corner: (crowded[corner], ahead[corner]))
    return float(corners[best, 0]), float(corners[best, 1])


def _texts(ticks: Sequence[float]) -> list[str]:
    """Numbers with as many digits as tell them apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 0.01
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    if len(ticks) == 1:
        return [f"{ticks[0]:.6g}"]
    return [f"{tick:.{digits}f}" if abs(tick) < _LONGEST else f"{tick:.4g}" for tick in ticks]


def _point(place: NDArray[np.float64]) -> Point:
    x, y, z = (float(number) for number in place)
    return x, y, z

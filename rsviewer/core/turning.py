"""The picture on the screen in another size, and cameras all around it."""

from dataclasses import replace
from itertools import product

import numpy as np

from rsviewer.core.camera import MARGIN, Camera, project
from rsviewer.core.drawing import Drawing

SMALLEST_RATIO = 1.0
"""Words and dots of a small picture are no smaller than on a screen."""


def sized(drawing: Drawing, width: int, height: int) -> Drawing:
    """The same picture in other pixels: whatever is seen stays in it, and dots, lines and words grow with it.

    Nothing is left out for speed, since this is not for the screen.
    """
    before, after = drawing.width / max(1, drawing.height), width / max(1, height)
    narrower = min(1.0, after / before)
    scale = height / max(1, drawing.height) * narrower
    return replace(
        drawing,
        width=width,
        height=height,
        camera=drawing.camera if narrower == 1 else drawing.camera.zoomed(narrower),
        ratio=max(drawing.ratio * scale, SMALLEST_RATIO),
        budget=None,
    )


def turn(camera: Camera, count: int, *, to_right: bool = True) -> list[Camera]:
    """One full turn round what the camera looks at, from where it stands, in equal steps.

    One step more would lead to the first camera, which is not there twice.

    Args:
        camera: the first one.
        count: of cameras.
        to_right: what is before the target moves to the right in the picture; else to the left.
    """
    step = (1 if to_right else -1) * 360.0 / max(1, count)
    return [camera.turned(number * step, 0.0) if number else camera for number in range(count)]


def around(drawing: Drawing, margin: float = MARGIN) -> Camera:
    """The camera of a drawing so far away that the tile, when turned, never leaves the picture; at least as far as now.

    Args:
        drawing: seen from the first side.
        margin: room left around the tile, as a factor.
    """
    aspect = drawing.width / max(1, len(drawing.relief.parts)) / max(1, drawing.height)
    fitted = [camera.fitted(drawing.box, aspect, margin) for camera in turn(drawing.camera, 72)]
    distance = max(drawing.camera.distance, *(camera.distance for camera in fitted))
    return replace(drawing.camera, target=fitted[0].target, distance=distance)


def shows_all(drawing: Drawing) -> bool:
    """Whether the tile is in the picture as a whole."""
    corners = np.array(list(product(*zip(*drawing.box, strict=True))), np.float64)
    for part in drawing.parts():
        x, y, _ = project(part.matrix, corners, part.width, part.height).T
        if not np.all((x >= 0) & (x <= part.width) & (y >= 0) & (y <= part.height)):
            return False
    return True

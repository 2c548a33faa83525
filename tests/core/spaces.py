"""A small tile in space, and the simplest renderer there can be."""

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.camera import Camera, project
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Colorbar, Rect
from rsviewer.core.tile import LayerId, TileId


def cloud(height: NDArray[np.floating], name: str = "nDSM") -> Cloud:
    """Pixels of a metre; red grows to the right and green downwards."""
    rows, columns = height.shape
    row, column = np.mgrid[0:rows, 0:columns]
    colors = 0xFF000040 | (60 + column * 190 // columns) << 16 | (60 + row * 190 // rows) << 8
    return Cloud(
        LayerId(name.lower()),
        name,
        height.astype(np.float32),
        100.0,
        colors.astype(np.uint32),
        (0.0, float(rows)),
        (1.0, 1.0),
        Rect(0, 0, columns, rows),
    )


def relief(*clouds: Cloud, together: Together = Together.ALONE) -> Relief:
    """Of clouds of one size."""
    low = min(float(np.nanmin(each.height)) for each in clouds) + 100.0
    high = max(float(np.nanmax(each.height)) for each in clouds) + 100.0
    return Relief(
        TileId("area/7"),
        clouds,
        together,
        (float(clouds[0].columns), float(clouds[0].rows)),
        "m",
        low,
        high,
        "nDSM",
        Colorbar(low, high, "m", "cividis", inverted=False, locked=False, minimum=low, maximum=high),
    )


def hill(rows: int = 24, columns: int = 32) -> NDArray[np.float64]:
    """Metres, highest a little right of the middle."""
    row, column = np.mgrid[0:rows, 0:columns]
    return 8 * np.exp(-((row - rows * 0.5) ** 2 + (column - columns * 0.6) ** 2) / 40)


def drawing(width: int = 160, height: int = 120, **changes: object) -> Drawing:
    """A hill seen whole, as points of five pixels."""
    shown = changes.pop("relief", None) or relief(cloud(hill()))
    camera = changes.pop("camera", None) or Camera().fitted(shown.bounds(1.0), width / height)
    style = changes.pop("style", None) or ReliefStyle(form=Form.POINTS, point_size=5.0)
    return Drawing(shown, style, camera, width, height, **changes)


def splat(drawing: Drawing) -> Pixels:
    """Dots without shading, the nearest on top. As OpenGL, it drops a dot whose middle is outside."""
    red, green, blue = drawing.background
    pixels = np.full((drawing.height, drawing.width), 0xFF000000 | red << 16 | green << 8 | blue, np.uint32)
    for part in drawing.parts():
        room = pixels[:, part.left : part.left + part.width]
        for shown, _ in part.clouds:
            row, column = np.nonzero(np.isfinite(shown.height))
            x = shown.origin[0] + (column + 0.5) * shown.step[0]
            y = shown.origin[1] - (row + 0.5) * shown.step[1]
            space = np.stack([x, y, shown.height[row, column], np.ones(len(x))], axis=1)
            world = space @ drawing.relief.matrix(shown.base, drawing.style.exaggeration).T
            at = project(part.matrix, world[:, :3], part.width, part.height)
            colors = shown.colors[row, column]
            for number in np.argsort(-at[:, 2]):
                across, down, _ = at[number]
                if 0 <= across <= part.width and 0 <= down <= part.height:
                    left, top = (max(0, round(centre - drawing.dot / 2)) for centre in (across, down))
                    end, bottom = (max(0, round(centre + drawing.dot / 2)) for centre in (across, down))
                    room[top:bottom, left:end] = colors[number]
    return pixels

"""What `rsviewer bench` measures of the 3D view: its first picture, and pictures a second while it is turned."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from PySide6.QtWidgets import QDockWidget

from rsviewer.core.camera import Camera
from rsviewer.core.relief import Form
from rsviewer.ui.relief.view import ReliefView
from rsviewer.ui.window import Window

WIDTH, HEIGHT = 800, 600
TURN = 3.0
"""Degrees between two pictures."""
PICTURES = 40
SETTLED_SECONDS = 0.3

Wait = Callable[[Callable[[], bool]], None]
"""Runs the event loop until something is true."""


def measure_relief(window: Window, wait: Wait) -> dict[str, Any]:
    """Opens the 3D view of a window, turns it, and leaves it open.

    Returns:
        `first_frame_ms`: from the moment the tile is there in space to its first picture on the screen, the start of OpenGL
        included; `fps` and `points_fps`: pictures a second on the screen while it is turned, as surface and as points;
        `size`: of the pictures; `points`: in each; `renderer`: who draws; `why`: why it is not OpenGL.
    """
    workspace = window.workspace
    if workspace is None:
        return {}
    made: list[float] = []

    def note(_: object) -> None:
        if not made and workspace.reliefs.relief is not None:
            made.append(time.perf_counter())

    unsubscribe = workspace.subscribe(note)
    window.detach_relief()
    panel = window.relief_panel
    wait(lambda: bool(made) and panel.is_drawn)
    first = (time.perf_counter() - made[0]) * 1000
    unsubscribe()
    drawing, rendering = panel.drawing, panel.rendering
    if drawing is None or rendering is None:
        relief = workspace.reliefs.relief
        return {"renderer": "", "why": "There is nothing to draw." if relief is None else relief.why}
    result: dict[str, Any] = {"first_frame_ms": first}
    before = workspace.reliefs.style
    for key, form in (("fps", Form.SURFACE), ("points_fps", Form.POINTS)):
        workspace.reliefs.set_style(replace(before, form=form))
        wait(lambda: panel.is_drawn)
        _resize(panel.view, wait)  # points have a control more
        result[key] = _pictures_a_second(panel.view, wait)
    workspace.reliefs.set_style(before)
    shown = panel.view.shown
    if shown is not None:
        result["size"] = [shown.drawing.width, shown.drawing.height]
    return {
        **result,
        "points": sum(cloud.rows * cloud.columns for cloud in drawing.relief.clouds),
        "renderer": rendering.name,
        "why": rendering.why,
    }


def _resize(view: ReliefView, wait: Wait) -> None:
    """Makes the pictures 800 x 600, by the window that the view floats in."""
    dock: Any = view
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    for _ in range(3):  # a tool bar that finds more room may get lower
        shown = view.shown
        if dock is None or shown is None:
            return
        wider, higher = WIDTH - shown.drawing.width, HEIGHT - shown.drawing.height
        if not wider and not higher:
            return
        dock.resize(dock.width() + wider, dock.height() + higher)
        late = time.perf_counter() + SETTLED_SECONDS  # a desktop resizes when it likes
        wait(lambda: time.perf_counter() > late and view.is_drawn)  # noqa: B023 -- called before the next round


def _pictures_a_second(view: ReliefView, wait: Wait) -> float:
    """Turns on as soon as a picture is there, as a hand does that turns without end."""
    camera, times = view.camera, []
    for number in range(PICTURES):
        turned = camera.turned((number + 1) * TURN, 0.0)
        began = time.perf_counter()
        view.steer(turned)
        wait(partial(_is_seen, view, turned))
        times.append(time.perf_counter() - began)
    view.steer(camera)
    return 1.0 / statistics.median(times)


def _is_seen(view: ReliefView, camera: Camera) -> bool:
    return view.shown is not None and view.shown.drawing.camera == camera

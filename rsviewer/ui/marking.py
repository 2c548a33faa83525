"""What the mouse draws on a tile: regions, and the line of the profile. The canvas gives points in pixels of the tile."""

import math
from collections.abc import Callable

from rsviewer.core.profile import Line, clipped, straightened
from rsviewer.core.scene import Frame
from rsviewer.ui.paneboxes import PaneBox, on_tile
from rsviewer.workspace.workspace import Workspace

Point = tuple[float, float]

POLYGON_LEAST = 3
REACH = 8
"""Screen pixels from an end of the line within which it can be taken hold of."""
SHORTEST = 4
"""Screen pixels. A line that is shorter was a click."""


class Marking:
    """Something that can be drawn by dragging.

    Args:
        workspace: gives the workspace, or None while no dataset is open.
    """

    def __init__(self, workspace: Callable[[], Workspace | None]) -> None:
        self._workspace = workspace
        self._once = False
        self.is_on = False
        """Whether dragging in a pane draws it."""
        self.box: PaneBox | None = None
        """The pane in which it is being drawn; None while it is not."""

    def set_on(self, *, on: bool, once: bool) -> None:
        """Whether dragging draws it from now on. `once`: until it was drawn, for then no key is held that will be released."""
        self.is_on, self._once = on, on and once

    def press(self, box: PaneBox, at: Point, *, zoom: float, shift: bool) -> None:
        """The button went down. `zoom`: screen pixels per tile pixel."""
        raise NotImplementedError

    def move(self, at: Point, *, shift: bool) -> None:
        """The mouse moved, while this is being drawn."""
        raise NotImplementedError

    def release(self) -> bool:
        """The button went up, while this is being drawn. Returns True where it was finished."""
        raise NotImplementedError

    def cancel(self) -> bool:
        """Forgets what is being drawn. Returns False where there was nothing to forget."""
        if self.box is None and not self._once:
            return False
        if self.box is None:
            self.set_on(on=False, once=False)
        self.box = None
        return True

    def _end(self) -> None:
        self.box = None
        if self._once:
            self.set_on(on=False, once=False)


class RegionMarking(Marking):
    """A box, or with Shift a polygon that a double click ends. It becomes a region of the current tile."""

    def __init__(self, workspace: Callable[[], Workspace | None]) -> None:
        super().__init__(workspace)
        self._is_polygon = False
        self.points: list[Point] = []
        """The corners so far; the last one follows the mouse."""

    def press(self, box: PaneBox, at: Point, *, zoom: float, shift: bool) -> None:
        """Begins, or sets a corner of a polygon."""
        if self.box is None:
            self.box = box
            self._is_polygon = shift
            self.points = [at, at]
        elif self._is_polygon:
            self.points = [*self.points[:-1], at, at]

    def move(self, at: Point, *, shift: bool) -> None:
        """Moves the last corner."""
        self.points[-1] = at

    def release(self) -> bool:
        """Ends a box. A polygon goes on."""
        if self.box is None or self._is_polygon:
            return False
        self._finish()
        return True

    def double_click(self) -> bool:
        """Ends a polygon. Returns False where none is being drawn."""
        if self.box is None or not self._is_polygon:
            return False
        self.points.pop()
        self._finish()
        return True

    def cancel(self) -> bool:
        """Forgets the corners."""
        self.points = []
        return super().cancel()

    def _finish(self) -> None:
        frame = None if self.box is None else self.box.pane.frame
        workspace, points = self._workspace(), self.points
        self.points = []
        self._end()
        if frame is None or workspace is None:
            return
        inside = [on_tile(point, frame) for point in points]
        (x0, y0), (x1, y1) = inside[0], inside[-1]
        if self._is_polygon:
            corners = [point for place, point in enumerate(inside) if not place or point != inside[place - 1]]
            if len(corners) >= POLYGON_LEAST:
                workspace.add_region(corners)
        elif abs(x1 - x0) >= 1 and abs(y1 - y0) >= 1:
            workspace.add_region([(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))])


class LineMarking(Marking):
    """The line of the profile: drawn anew, or moved by one of its ends. With Shift it is level, upright or diagonal."""

    def __init__(self, workspace: Callable[[], Workspace | None]) -> None:
        super().__init__(workspace)
        self._before: Line | None = None
        self._fixed: Point = (0.0, 0.0)
        self._moves_start = False
        self._zoom = 1.0

    @property
    def line(self) -> Line | None:
        """The line as it is now."""
        workspace = self._workspace()
        return None if workspace is None else workspace.profiling.line

    def end_at(self, at: Point, zoom: float) -> int | None:
        """0 where the line's start can be taken hold of, 1 where its end can, None elsewhere."""
        if self.line is None:
            return None
        far = [zoom * math.dist(end, at) for end in self.line]
        nearest = 0 if far[0] < far[1] else 1
        return nearest if far[nearest] <= REACH else None

    def press(self, box: PaneBox, at: Point, *, zoom: float, shift: bool) -> None:
        """Takes hold of an end, or begins another line while `is_on`."""
        line = self.line
        held = None if self.is_on or line is None else self.end_at(at, zoom)
        self.box, self._before, self._zoom = box, line, zoom
        self._moves_start = held == 0
        self._fixed = at if held is None or line is None else line[1 - held]

    def move(self, at: Point, *, shift: bool) -> None:
        """Moves the end that is held. What lies beside the tile is cut off."""
        frame: Frame | None = None if self.box is None else self.box.pane.frame
        workspace = self._workspace()
        if frame is None or workspace is None:
            return
        at = straightened(self._fixed, at) if shift else at
        line = clipped((at, self._fixed) if self._moves_start else (self._fixed, at), frame)
        if line is not None:
            workspace.profiling.set_line(line)

    def release(self) -> bool:
        """Lets go. A click brings the line back that was there."""
        line, before = self.line, self._before
        if line is None or line == before or math.dist(*line) * self._zoom < SHORTEST:
            self._restore()
            self.box = None
            return False
        self._end()
        return True

    def cancel(self) -> bool:
        """Brings the line back that was there."""
        if self.box is not None:
            self._restore()
        return super().cancel()

    def _restore(self) -> None:
        workspace = self._workspace()
        if workspace is not None:
            workspace.profiling.set_line(self._before)


class Markings:
    """All of them, and which one the mouse draws.

    Attributes:
        line_stays: whether the line is shown, and can be moved, while it is not being drawn.
    """

    def __init__(self, workspace: Callable[[], Workspace | None]) -> None:
        self.region = RegionMarking(workspace)
        self.line = LineMarking(workspace)
        self.line_stays = False
        self._all: tuple[Marking, ...] = (self.region, self.line)

    @property
    def is_on(self) -> bool:
        """Whether dragging in a pane draws something."""
        return any(marking.is_on for marking in self._all)

    @property
    def drawn(self) -> Marking | None:
        """What is being drawn."""
        return next((marking for marking in self._all if marking.box is not None), None)

    @property
    def shown_line(self) -> Line | None:
        """The line, where it is to be seen."""
        return self.line.line if self.line_stays or self.line.box is not None else None

    def set_on(self, marking: Marking, *, on: bool, once: bool) -> None:
        """Whether dragging draws one of them; none of the others then."""
        for other in self._all:
            if on and other is not marking:
                other.set_on(on=False, once=False)
        marking.set_on(on=on, once=once)

    def at(self, at: Point, zoom: float, *, has_line: bool) -> Marking | None:
        """What a press would draw or move. `has_line`: the line is shown in this pane."""
        drawn = self.drawn or next((marking for marking in self._all if marking.is_on), None)
        if drawn is not None:
            return drawn
        return self.line if self.line_stays and has_line and self.line.end_at(at, zoom) is not None else None

    def cancel(self) -> bool:
        """Forgets what is being drawn, or was going to be. Returns False where there was nothing to forget."""
        cancelled = [marking.cancel() for marking in self._all]
        return any(cancelled)

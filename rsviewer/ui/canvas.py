"""The panes: shows the workspace's scene, never goes blank, never mixes two tiles, and turns the mouse into wishes."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from rsviewer.core.profile import length
from rsviewer.core.readout import features_words, reading
from rsviewer.core.scene import Legend, Pane, PaneState, Scene, View, reach
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.linepainter import length_words, paint_line
from rsviewer.ui.marking import Marking, Markings
from rsviewer.ui.paneboxes import Mapping, PaneBox, boxes, mapping, panned, zoomed
from rsviewer.ui.panepainter import LegendSpot, PanePainter, amount_words, wrapping
from rsviewer.ui.theme import DARK, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

DIM_AFTER_MS = 100
"""So long the old picture stays as it is while the next one is on its way; after that it is dimmed."""
REST_MS = 120
"""So long after the last step of the wheel the view is at rest."""
SWIPE_REACH = 8
SCROLLED = 60
"""Pixels of a text that one step of the wheel moves."""
TIP_LINES = 40


class Canvas(QWidget):
    """All panes of the current tile (or stack).

    Signals:
        painted: a tile was painted whole for the first time; carries nothing, ask `painted_tile`.
        line_drawn: another line of the profile was drawn, or the one that was there was moved.
    """

    painted = Signal()
    line_drawn = Signal()

    def __init__(self, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tables = tables
        self._theme = DARK
        self._workspace: Workspace | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._scene = Scene()
        self._ghosts = False
        self._boxes: list[PaneBox] = []
        self._spots: list[tuple[LayerId, LegendSpot]] = []
        self._own_views: dict[LayerId, View] = {}
        self._scrolled: dict[tuple[int, LayerId], int] = {}  # texts of the tile on the screen, in pixels
        self._base = QPixmap()
        self._base_is_true = False
        self._reported: TileId | None = None
        self._drag: QPointF | None = None
        self._dragged = False
        self._swiping = False
        self._marks = Markings(lambda: self._workspace)
        self._pointed: tuple[int, int] | None = None  # the pixel that the mouse put the cross on
        self.lens = False
        self.empty_message = ""
        self._words = ""
        self._late = QTimer(self, singleShot=True, interval=DIM_AFTER_MS)
        self._late.timeout.connect(self._too_late)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._rested)
        self._painter = PanePainter(self._theme, self.font(), tables)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Panes")

    def sizeHint(self) -> QSize:
        """Most of the window."""
        return QSize(1000, 700)

    # --- from the workspace

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Shows another workspace, or none."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._workspace = workspace
        self._unsubscribe = None if workspace is None else workspace.subscribe(self._changed)
        self._own_views.clear()
        self._reported = None
        self._show(Scene() if workspace is None else workspace.scene(), ghosts=False)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self._theme = theme
        self._painter = PanePainter(theme, self.font(), self._tables)
        self.refresh()

    def refresh(self) -> None:
        """Draws everything anew."""
        self._base_is_true = False
        self.update()

    @property
    def scene(self) -> Scene:
        """What is on the screen, which may be the tile before while the current one is being read."""
        return self._scene

    @property
    def shown_tile(self) -> TileId | None:
        """The tile on the screen; None while its pictures are not all there."""
        return None if self._ghosts or not self._scene.complete else self._scene.tile

    @property
    def painted_tile(self) -> TileId | None:
        """The tile that was last painted whole."""
        return self._reported

    @property
    def panes(self) -> list[PaneBox]:
        """Panes and where they lie."""
        return self._boxes

    def _changed(self, changed: Changed) -> None:
        if changed & (Changed.TILE | Changed.PICTURE | Changed.VIEW | Changed.DECISION | Changed.QUEUE):
            self._take_scene()
        if changed & Changed.PROFILE:
            self.update()
        if not self._boxes and self._words != self.words_when_empty:
            self.refresh()

    @property
    def words_when_empty(self) -> str:
        """What stands in the place of the panes while there are none."""
        return self.empty_message if self._workspace is None else self._workspace.finding.why_empty

    def _take_scene(self) -> None:
        workspace = self._workspace
        if workspace is None or (self._late.isActive() and not workspace.is_ready):
            return  # waiting already: the old picture stays until the new one is whole, or late
        scene = workspace.scene()
        if scene.complete or self._scene.tile is None:
            self._late.stop()
            self._show(scene, ghosts=False)
        elif scene.tile == self._scene.tile and not self._ghosts and len(scene.rows) == len(self._scene.rows):
            self._show(_with_old_pictures(scene, self._scene), ghosts=False)
        elif self._ghosts:
            self._show(_with_old_pictures(scene, self._scene), ghosts=True)
        elif not self._late.isActive():
            self._late.start()

    def _too_late(self) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        scene = workspace.scene()
        self._show(scene if scene.complete else _with_old_pictures(scene, self._scene), ghosts=not scene.complete)

    def _show(self, scene: Scene, *, ghosts: bool) -> None:
        before = self._scene
        if (
            scene.rows == before.rows
            and scene.view == before.view
            and scene.maximised == before.maximised
            and scene.active == before.active
            and scene.regions == before.regions
            and scene.exhibit is before.exhibit
            and scene.swipe == before.swipe
            and scene.linked == before.linked
            and scene.current_row == before.current_row
            and ghosts == self._ghosts
        ):
            if scene.cursor != before.cursor:
                self._scene = scene
                self.update()
            return
        if scene.tile != before.tile:
            self._scrolled.clear()
        self._scene = scene
        self._ghosts = ghosts
        self._boxes = boxes(scene, self.width(), self.height())
        self._base_is_true = False
        if scene.tile != before.tile and not ghosts:
            self.repaint()  # in the same event: an update would wait until Qt has been idle for 5 ms
        else:
            self.update()

    # --- painting

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lays the panes out again."""
        self._boxes = boxes(self._scene, self.width(), self.height())
        self._base_is_true = False
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the still part once, and what follows the cursor on top of it."""
        if not self._base_is_true:
            self._paint_base()
        painter = QPainter(self)
        try:
            painter.drawPixmap(0, 0, self._base)
            self._paint_line(painter)
            self._paint_cursor(painter)
            self._paint_region(painter)
        finally:  # an error keeps this frame alive, and a painter that outlives its paint event crashes Qt
            painter.end()
        shown = self.shown_tile
        if shown is not None and shown != self._reported:
            self._reported = shown
            self.painted.emit()

    def _paint_base(self) -> None:
        ratio = self.devicePixelRatioF()
        size = self.size() * ratio
        if self._base.size() != size:
            self._base = QPixmap(size)
            self._base.setDevicePixelRatio(ratio)
        self._base.fill(self._theme.canvas)
        painter = QPainter(self._base)
        try:
            self._paint_panes(painter)
        finally:
            painter.end()
        self._base_is_true = True

    def _paint_panes(self, painter: QPainter) -> None:
        painter.setFont(self.font())
        self._spots = []
        titles = {} if self._workspace is None else {item.tag: item.title for item in self._workspace.anomalies}
        for box in self._boxes:
            pane = box.pane
            map_ = self._mapping(box)
            ghost = self._ghosts and pane.state is PaneState.LOADING
            scrolled = self._scrolled.get((pane.row, pane.layer), 0)
            self._painter.pane(painter, box, map_, active=self._is_active(pane), ghost=ghost, scrolled=scrolled)
            if map_ is not None and pane.under is not None and self._scene.swipe is not None and not ghost:
                self._painter.swipe(painter, box, map_, pane.under, self._scene.swipe)
            if map_ is not None and pane.row == self._scene.current_row and not ghost:
                exhibit = self._scene.exhibit
                if exhibit is not None and exhibit.tile == pane.tile and pane.state is PaneState.SHOWN:
                    self._painter.exhibit(painter, box, map_, exhibit)
                if self._scene.regions:
                    self._painter.regions(painter, box, map_, self._scene.regions, titles)
            self._spots += [(pane.layer, spot) for spot in self._painter.foot(painter, box, ghost=ghost)]
        self._words = "" if self._boxes else self.words_when_empty
        if self._words:
            painter.setPen(self._theme.dim)
            room = QRectF(self.rect().adjusted(40, 40, -40, -40))
            painter.drawText(room, self._words, wrapping(Qt.AlignmentFlag.AlignCenter))

    def _is_active(self, pane: Pane) -> bool:
        return len(self._boxes) > 1 and pane.layer == self._scene.active and pane.row == self._scene.current_row

    def _paint_cursor(self, painter: QPainter) -> None:
        cursor = self._scene.cursor
        if cursor is None or self._ghosts:
            return
        for box in self._boxes:
            map_ = self._mapping(box)
            if map_ is None or box.pane.frame is None or box.pane.state in (PaneState.TEXT, PaneState.AWAITED):
                continue
            if box.pane.drawing is not None:
                within = reach(self._view(box.pane), box.pane.frame)
                self._painter.feature(painter, box, map_, (cursor[0] + 0.5, cursor[1] + 0.5), within)
            self._painter.cross(painter, box, map_, *cursor)
            if self.lens and box.pane.row == self._scene.current_row:
                shown = None if box.pane.picture is None else box.pane.picture.painted.combination
                words = reading(box.pane.spec, box.pane.content, box.pane.frame, *cursor, shown=shown).text
                self._painter.lens(painter, box, map_, *cursor, words)

    def _paint_region(self, painter: QPainter) -> None:
        region = self._marks.region
        if region.box is None:
            return
        for box in self._boxes:
            map_ = self._mapping(box)
            if map_ is not None and box.pane.row == region.box.pane.row:
                painter.save()
                painter.setClipRect(box.image)
                self._painter.outline(painter, map_, tuple(region.points))
                painter.restore()

    def _paint_line(self, painter: QPainter) -> None:
        line = self._marks.shown_line
        for box in self._boxes if line is not None else ():
            map_, frame = self._mapping(box), box.pane.frame
            if line is not None and map_ is not None and frame is not None and self._has_line(box):
                paint_line(painter, box, map_, line, length_words(*length(line, frame)))

    def _has_line(self, box: PaneBox) -> bool:
        return box.pane.row == self._scene.current_row and box.pane.state is not PaneState.TEXT

    def _mapping(self, box: PaneBox) -> Mapping | None:
        frame = box.pane.frame
        return None if frame is None else mapping(box, self._view(box.pane), frame)

    def _view(self, pane: Pane) -> View:
        return self._scene.view if self._scene.linked else self._own_views.get(pane.layer, self._scene.view)

    # --- what the keys ask for

    def zoom(self, factor: float) -> None:
        """Zooms about the cursor, or about the middle."""
        box = self._active_box()
        if box is None or box.pane.frame is None:
            return
        at = None
        if self._scene.cursor is not None:
            column, row = self._scene.cursor
            map_ = mapping(box, self._view(box.pane), box.pane.frame)
            at = map_.to_screen(column + 0.5, row + 0.5)
            at = at if box.image.contains(at.toPoint()) else None
        self._set_view(box, zoomed(box, self._view(box.pane), box.pane.frame, factor, at))

    def one_to_one(self) -> None:
        """One screen pixel (of the screen, not of the desktop's scale) per tile pixel."""
        box = self._active_box()
        if box is not None and box.pane.frame is not None:
            frame = box.pane.frame
            center = self._view(box.pane).center
            if self._scene.cursor is not None and center is None:
                center = (self._scene.cursor[0] + 0.5, self._scene.cursor[1] + 0.5)
            self._set_view(box, View(center or (frame.width / 2, frame.height / 2), 1 / self.devicePixelRatioF()))

    def set_marking(self, *, on: bool, once: bool = False) -> None:
        """While on, dragging marks a region. `once`: only one."""
        self._marks.set_on(self._marks.region, on=on, once=once)
        self._reset_cursor()

    def set_profiling(self, *, on: bool, once: bool = False) -> None:
        """While on, dragging draws the line of the profile. `once`: only one."""
        self._marks.set_on(self._marks.line, on=on, once=once)
        self._reset_cursor()

    def keep_line(self, *, on: bool) -> None:
        """Whether the line of the profile is shown, and can be moved, while it is not being drawn."""
        self._marks.line_stays = on
        self.update()

    def cancel_mark(self) -> bool:
        """Forgets a region or a line that is being drawn, or was going to be. Returns False where there was none."""
        cancelled = self._marks.cancel()
        self._reset_cursor()
        self.update()
        return cancelled

    def _active_box(self) -> PaneBox | None:
        rows = [box for box in self._boxes if box.pane.row == self._scene.current_row]
        return next((box for box in rows if box.pane.layer == self._scene.active), rows[0] if rows else None)

    def _set_view(self, box: PaneBox, view: View) -> None:
        if self._workspace is None:
            return
        self._painter.vectors.is_hurried = True
        self._rest.start()
        if self._scene.linked:
            self._own_views.clear()
            self._workspace.viewing.set_view(view)
        else:
            self._own_views[box.pane.layer] = view
            self.refresh()

    def _rested(self) -> None:
        """The view has come to rest: features that were only made larger or smaller are drawn as they are."""
        vectors = self._painter.vectors
        vectors.is_hurried = False
        if vectors.is_stale:
            vectors.is_stale = False
            self.refresh()

    # --- mouse

    def _box_at(self, point: QPointF) -> PaneBox | None:
        return next((box for box in self._boxes if box.outer.contains(point.toPoint())), None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms at the cursor; texts are scrolled."""
        box = self._box_at(event.position())
        if box is not None and box.pane.state is PaneState.TEXT:
            self._scroll(box, -event.angleDelta().y() * SCROLLED / 120)
        elif box is not None and box.pane.frame is not None and event.angleDelta().y():
            factor = 1.25 ** (event.angleDelta().y() / 120)
            self._set_view(box, zoomed(box, self._view(box.pane), box.pane.frame, factor, event.position()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Starts a drag, a region, a line, a swipe; gives the pane the focus; clicks on classes of a legend."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        box = self._box_at(event.position())
        if box is None or self._workspace is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        self._workspace.viewing.activate(box.pane.layer)
        spot = next(
            (s for layer, s in self._spots if layer == box.pane.layer and s.rect.contains(event.position().toPoint())),
            None,
        )
        if spot is not None:
            if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier):
                self._workspace.looks.toggle_class(box.pane.layer, spot.value)
            else:
                self._workspace.isolate_class(box.pane.layer, spot.value)
            return
        if not box.image.contains(event.position().toPoint()):
            return
        marking = self._marking_at(box, event.position())
        map_ = self._mapping(box)
        if marking is not None and map_ is not None:
            marking.press(box, map_.to_tile(event.position()), zoom=map_.zoom, shift=_shift(event))
            self.update()
        elif self._on_divider(box, event.position()):
            self._swiping = True
        else:
            self._drag = event.position()
            self._dragged = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Moves the cross; pans, marks or swipes while a button is down."""
        box = self._box_at(event.position())
        if self._marks.drawn is not None:
            self._mark_move(self._marks.drawn, event)
        elif self._swiping:
            self._swipe_to(event.position())
        elif self._drag is not None:
            self._pan_to(event.position())
        else:
            self._reset_cursor(box, event.position())
        self._point_at(box, event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Ends what the press began."""
        self._swiping = False
        self._drag = None
        marking = self._marks.drawn
        if marking is not None and marking.release() and marking is self._marks.line:
            self.line_drawn.emit()
        self._reset_cursor()
        self.update()
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ends a polygon; on a title, maximises the pane."""
        box = self._box_at(event.position())
        if self._marks.region.double_click():
            self.update()
        elif box is not None and self._workspace is not None and box.head.contains(event.position().toPoint()):
            self._workspace.viewing.activate(box.pane.layer)
            self._workspace.viewing.toggle_maximised()

    def leaveEvent(self, event: QEvent) -> None:
        """The cross goes when the mouse goes, unless the keys have put it there."""
        if self._workspace is not None and self._workspace.viewing.cursor == self._pointed:
            self._workspace.viewing.set_cursor(None)
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """Whole titles and legends as tool tips, since both may be cut off."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            box = self._box_at(QPointF(event.pos()))
            words = "" if box is None else self._features_tip(box, event.pos()) or _tip(box, event.pos().y())
            QToolTip.showText(event.globalPos(), plain_tip(words), self)
            return True
        return super().event(event)

    def _features_tip(self, box: PaneBox, point: QPoint) -> str:
        """The features under the mouse, those that are read beside the panes."""
        map_, drawing, frame = self._mapping(box), box.pane.drawing, box.pane.frame
        if map_ is None or drawing is None or frame is None or not box.image.contains(point):
            return ""
        x, y = map_.to_tile(QPointF(point))
        found = drawing.features_at(math.floor(x) + 0.5, math.floor(y) + 0.5, reach(self._view(box.pane), frame))
        return features_words(drawing.vector, found)

    def _point_at(self, box: PaneBox | None, point: QPointF) -> None:
        if self._workspace is None:
            return
        self._pointed = None
        map_ = None if box is None or box.pane.state is PaneState.TEXT else self._mapping(box)
        if box is None or map_ is None or not box.image.contains(point.toPoint()):
            self._workspace.viewing.set_cursor(None)
            return
        self._workspace.set_row(box.pane.row)
        x, y = map_.to_tile(point)
        self._pointed = (int(x // 1), int(y // 1))
        self._workspace.viewing.set_cursor(self._pointed)

    def _pan_to(self, point: QPointF) -> None:
        box = self._box_at(self._drag) if self._drag is not None else None
        if box is None or self._drag is None:
            return
        moved = point - self._drag
        if not self._dragged and moved.manhattanLength() < 4:
            return
        self._dragged = True
        if box.pane.state is PaneState.TEXT:
            self._scroll(box, -moved.y())
        elif box.pane.frame is not None:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._set_view(box, panned(box, self._view(box.pane), box.pane.frame, moved.x(), moved.y()))
        self._drag = point

    def _scroll(self, box: PaneBox, down: float) -> None:
        """Moves a text, as far as there is more of it."""
        place = (box.pane.row, box.pane.layer)
        before, most = self._scrolled.get(place, 0), self._painter.texts.overflow(box.image, box.pane.message)
        self._scrolled[place] = round(min(max(before + down, 0), most))
        if self._scrolled[place] != before:
            self.refresh()

    def _on_divider(self, box: PaneBox, point: QPointF) -> bool:
        if self._scene.swipe is None or box.pane.under is None:
            return False
        return abs(point.x() - (box.image.left() + box.image.width() * self._scene.swipe)) <= SWIPE_REACH

    def _swipe_to(self, point: QPointF) -> None:
        box = next((box for box in self._boxes if box.pane.under is not None), None)
        if box is not None and self._workspace is not None:
            self._workspace.viewing.set_swipe((point.x() - box.image.left()) / max(1, box.image.width()))

    # --- drawing a region or a line

    def _marking_at(self, box: PaneBox, point: QPointF) -> Marking | None:
        """What a press would draw or move."""
        map_ = self._mapping(box)
        if map_ is None or not box.image.contains(point.toPoint()):
            return None
        return self._marks.at(map_.to_tile(point), map_.zoom, has_line=self._has_line(box))

    def _mark_move(self, marking: Marking, event: QMouseEvent) -> None:
        map_ = None if marking.box is None else self._mapping(marking.box)
        if map_ is not None:
            marking.move(map_.to_tile(event.position()), shift=_shift(event))
            self.update()

    def _reset_cursor(self, box: PaneBox | None = None, point: QPointF | None = None) -> None:
        """The shape that says what a press would do, here or anywhere."""
        shape = Qt.CursorShape.CrossCursor if self._marks.is_on else Qt.CursorShape.ArrowCursor
        if box is not None and point is not None and not self._marks.is_on:
            if self._marking_at(box, point) is not None:
                shape = Qt.CursorShape.SizeAllCursor
            elif self._on_divider(box, point):
                shape = Qt.CursorShape.SplitHCursor
        self.setCursor(shape)

    # --- for the bench

    def draw_seconds(self, times: int) -> float:
        """Seconds that one whole repaint of the panes takes, the mean of `times`."""
        start = time.perf_counter()
        for _ in range(times):
            self._base_is_true = False
            self.repaint()
        return (time.perf_counter() - start) / times


def _with_old_pictures(scene: Scene, before: Scene) -> Scene:
    """The new scene, with the picture that was there before in every pane that is still empty."""
    old = {(pane.row, pane.layer): pane for pane in before.panes}
    rows = tuple(tuple(_filled(pane, old.get((pane.row, pane.layer))) for pane in row) for row in scene.rows)
    return replace(scene, rows=rows)


def _filled(pane: Pane, before: Pane | None) -> Pane:
    if pane.state is not PaneState.LOADING or before is None or (before.picture is None and before.drawing is None):
        return pane
    if before.tile == pane.tile and before.state is PaneState.SHOWN:
        return before  # the same tile in its former style: true until the new picture is there
    return replace(pane, picture=before.picture, drawing=before.drawing, frame=pane.frame or before.frame)


def _shift(event: QMouseEvent) -> bool:
    return bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)


def _tip(box: PaneBox, y: int) -> str:
    pane = box.pane
    if y <= box.head.bottom():
        return f"{pane.tile}\n{pane.spec.title}\n{pane.caption}".strip()
    if y >= box.foot.top() and pane.legend:
        lines = [_legend_line(item) for item in pane.legend[:TIP_LINES]]
        lines += [f"and {len(pane.legend) - TIP_LINES} more"] if len(pane.legend) > TIP_LINES else []
        return "\n".join(lines) + "\n\nClick: only this class. Ctrl+click: hide it."
    return pane.message


def _legend_line(item: Legend) -> str:
    if item.count is not None:
        return f"{item.name}  {amount_words(item)}".strip()
    return f"{item.value}  {item.name}  {100 * item.share:.1f} %"

"""The picture of a tile in space: shows the last one that was drawn, asks for the next, and turns mouse and keys into both."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from rsviewer.core.axes import axes_of
from rsviewer.core.camera import MARGIN, Camera, CameraKind
from rsviewer.core.drawing import POINTS_AT_ONCE, Drawing
from rsviewer.core.picking import Hit, pick
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.render import Pixels
from rsviewer.ui.painting import painting
from rsviewer.ui.paneboxes import FOOT
from rsviewer.ui.panepainter import to_image
from rsviewer.ui.relief.overlay import Overlay, Shot, spot_at
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.ui.relief.steering import (
    FASTEST,
    HASTE,
    SLOWEST,
    SPEED,
    TURN,
    ZOOM,
    Way,
    centred,
    flown,
    flying_letters,
    framed,
    landed,
    taken_off,
    under,
    zoomed_at,
)
from rsviewer.ui.theme import DARK, UNIT, Theme, rgb
from rsviewer.ui.tips import shows_tip
from rsviewer.workspace.background import Post, Wanted

DIM_AFTER_MS = 100
"""So long the old picture stays as it is while the next one is on its way; after that it is dimmed."""
SETTLED_MS = 150
"""After the last movement; then all points are drawn."""
FLYING_MS = 16
OVERDUE_S = 2.0
"""A picture that has not come after so long is not waited for any more."""
LONGEST_STEP_S = 0.1
"""Of flying, however long the program was busy in between."""
LABELS = 44
"""Pixels around the tile in which the labels of the axes stand."""
WIDEST_MARGIN = 1.5
ARROW = 5.0
"""Degrees that an arrow key turns."""
CLICK = 4
"""Pixels that the mouse may move while it clicks."""
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


Opens = Callable[[Post, Callable[[Drawing, Pixels], None], Callable[[], None]], Rendering]
"""post, arrived, ready -> who draws on a thread of its own."""


@dataclass(frozen=True, slots=True)
class _Aim:
    """A place in a picture, in its pixels. `centre`: it was double-clicked."""

    drawing: Drawing
    x: float
    y: float
    centre: bool = False


class ReliefView(QWidget):
    """One tile in space, seen by a camera that stays when the tile changes.

    Signals:
        pointed: the mouse is over a pixel of the tile, (column, row), or over none: None.
        left: the mouse has gone.
        drawn: what was asked for is on the screen.
        steered: camera, speed or focus have changed, and with them what mouse and keys do.
        done: the keyboard goes back to the panes.
    """

    pointed = Signal(object)
    left = Signal()
    drawn = Signal()
    steered = Signal()
    done = Signal()

    def __init__(
        self,
        tables: Callable[[str], NDArray[np.uint8]],
        parent: QWidget | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._tables = tables
        self._clock = clock
        self._theme = DARK
        self._overlay = Overlay(DARK, self.font(), tables)
        self._rendering: Rendering | None = None
        self._picker: Wanted[_Aim, Hit | None] | None = None
        self.camera = Camera()
        """Change it with `steer`."""
        self.points = POINTS_AT_ONCE
        """So many points of a height are drawn while the camera moves."""
        self._relief: Relief | None = None
        self._style = ReliefStyle()
        self._awaited = ""
        self._cursor: tuple[int, int] | None = None
        self._shot: Shot | None = None
        self._image = QImage()
        self._pixels: Pixels | None = None
        self._dimmed = False
        self._at_home = False
        self._is_fitted = True
        self._fitted_to: tuple[object, ...] = ()
        self._flight: Drawing | None = None
        self._flight_since = 0.0
        self._moved_since = False
        self._cut: list[tuple[QRectF, str]] = []
        self._press: tuple[Qt.MouseButton, QPointF] | None = None
        self._grip = QPointF()
        self._mouse: QPointF | None = None
        self._aimed: tuple[QPointF, NDArray[np.float64]] | None = None
        self._ways: dict[int, Way] = {}
        self._letters = {ord(letter): way for way, letter in flying_letters({}).items()}
        self._hasty = False
        self._flown_at = 0.0
        self.speed = SPEED
        """World units a second. The wheel changes it."""
        self._late = QTimer(self, singleShot=True, interval=DIM_AFTER_MS)
        self._late.timeout.connect(self._too_late)
        self._settle = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settle.timeout.connect(self._settled)
        self._flyer = QTimer(self, interval=FLYING_MS, timerType=Qt.TimerType.PreciseTimer)
        self._flyer.timeout.connect(self._fly_on)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("3D view")

    def sizeHint(self) -> QSize:
        """As a dock."""
        return QSize(560, 420)

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(40 * UNIT, 40 * UNIT)

    # --- from the panel

    def start(self, opens: Opens, post: Post, *, threads: int = 1) -> None:
        """Begins to draw. What is to be seen is told before or after."""
        if self._rendering is None:
            self._picker = Wanted("picking", _picked, lambda _: False, self._deliverer(post), threads)
            self._rendering = opens(post, self._arrived, self._ready)
            self._touch()

    def stop(self) -> None:
        """Ends the threads. The next tile is seen from where the first one was."""
        rendering, self._rendering = self._rendering, None
        picker, self._picker = self._picker, None
        for timer in (self._late, self._settle, self._flyer):
            timer.stop()
        self._ways.clear()
        self._forget_picture()
        self._relief, self._flight, self._cursor, self._awaited = None, None, None, ""
        self._at_home = False
        if picker is not None:
            picker.close()
        if rendering is not None:
            rendering.close()
        self.update()

    @property
    def rendering(self) -> Rendering | None:
        """Who draws; None before it is first shown."""
        return self._rendering

    def step(self) -> bool:
        """Looks on the calling thread for what is under the mouse. Returns False where nobody wants to know."""
        return self._picker is not None and self._picker.step()

    def show_relief(self, relief: Relief | None, style: ReliefStyle, awaited: str) -> None:
        """Shows another tile, or the same in another style.

        Args:
            relief: None while it is being made.
            style: how it is shown.
            awaited: name of the tile that is current.
        """
        if awaited != self._awaited:
            self._awaited = awaited
            self.update()
        if relief is self._relief and style == self._style:
            return
        is_other = relief is not self._relief
        self._relief, self._style = relief, style
        if relief is None:
            self._wait()
            return
        if not relief.clouds:
            self._late.stop()
            self._forget_picture()
            self.update()
            self.drawn.emit()
            return
        if not self._at_home:
            self._at_home = True
            self._look("reset")
        elif self._is_fitted and self._fitted_to != self._fit_key():
            self._fit()
        if is_other:
            self._wait()
        self._touch()

    def show_cursor(self, cursor: tuple[int, int] | None) -> None:
        """Marks the pixel of the tile that the cross is on."""
        if cursor != self._cursor:
            self._cursor = cursor
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self._theme = theme
        self._overlay = Overlay(theme, self.font(), self._tables)
        self._touch()
        self.update()

    @property
    def is_drawn(self) -> bool:
        """True where all of what was asked for is on the screen, or why it cannot be."""
        if self._relief is not None and not self._relief.clouds:
            return True
        now = self._drawing()
        if self._shot is None or now is None:
            return False
        seen = self._shot.drawing
        return _same_view(seen, now) and seen.is_whole and seen.background == now.background

    @property
    def shown(self) -> Shot | None:
        """The picture on the screen, which may be the former tile's while the current one's is being made."""
        return self._shot

    @property
    def is_dimmed(self) -> bool:
        """Whether the picture is the former tile's, and late."""
        return self._dimmed

    def drawing(self, budget: int | None = None) -> Drawing | None:
        """The picture to be drawn now; None where there is nothing to be drawn."""
        drawing = self._drawing(budget)
        if drawing is None or not drawing.style.grid:
            return drawing
        return replace(drawing, lines=axes_of(drawing.relief, drawing.style, drawing.camera).lines)

    def _drawing(self, budget: int | None = None) -> Drawing | None:
        """The picture to be drawn now, without axes, which are not needed for telling it from another."""
        relief, room = self._relief, self._room()
        if relief is None or not relief.clouds or room.width() < 1 or room.height() < 1:
            return None
        ratio = self.devicePixelRatioF()
        return Drawing(
            relief,
            self._style,
            self.camera,
            max(1, round(room.width() * ratio)),
            max(1, round(room.height() * ratio)),
            ratio,
            rgb(self._theme.pane),
            line_color=rgb(self._theme.line if self._theme is DARK else self._theme.hatch_b),
            budget=budget,
        )

    # --- the camera

    def steer(self, camera: Camera, *, fitted: bool = False) -> None:
        """Looks from elsewhere. `fitted`: the tile is whole in the picture, and shall stay so when the picture changes."""
        if camera != self.camera:
            self.camera = camera
            self._touch()
        self._is_fitted = fitted
        self.steered.emit()

    def look_from(self, place: str) -> None:
        """Looks at the whole tile from the "top", "front", "side", or from a corner: "reset"."""
        self._look(place)
        self._touch()
        self.steered.emit()

    def _look(self, place: str) -> None:
        camera = self.camera
        looks = {"top": camera.from_top, "front": camera.from_front, "side": camera.from_side}
        home = replace(Camera(), kind=camera.kind, orthographic=camera.orthographic)
        self._aimed = None
        self.camera = looks[place]() if place in looks else home
        self._fit()

    @property
    def is_flying(self) -> bool:
        """Whether WASD flies."""
        return self.camera.kind is CameraKind.FLY

    def set_flying(self, *, on: bool) -> None:
        """Flies from where the eye is, or turns about what it sees."""
        if on != self.is_flying:
            self._ways.clear()
            self.steer(taken_off(self.camera) if on else landed(self.camera))

    def set_letters(self, letters: Mapping[Way, str]) -> None:
        """With these letters one flies."""
        self._stand_still()
        self._letters = {ord(letter): way for way, letter in letters.items()}  # Qt's keys of letters are their codes

    def set_parallel(self, *, on: bool) -> None:
        """Parallel lines stay parallel. Who flies has an eye, and so perspective."""
        if on != self.camera.orthographic and not self.is_flying:
            self.steer(replace(self.camera, orthographic=on), fitted=self._is_fitted)

    def _fit(self) -> None:
        """The whole tile, in the direction of the camera."""
        if self._relief is not None and self._relief.clouds:
            corners = self._relief.bounds(self._style.exaggeration)
            self.camera = framed(self.camera, corners, self._aspect(), self._margin())
            self._fitted_to = self._fit_key()
        self._is_fitted = True

    def _fit_key(self) -> tuple[object, ...]:
        """Where this is another, what was seen whole may not be so any more. Other tiles are seen by the same camera."""
        clouds = () if self._relief is None else self._relief.clouds
        return (self._parts(), tuple(cloud.layer for cloud in clouds), self._aspect())

    def _margin(self) -> float:
        """Room around the tile, as a factor."""
        room = self._room()
        least = min(room.height(), room.width() / self._parts())
        return min(least / max(1.0, least - 2 * LABELS), WIDEST_MARGIN) if self._style.grid else MARGIN

    def _aspect(self) -> float:
        """Of one part."""
        room = self._room()
        return max(room.width() / self._parts() / max(1.0, room.height()), 0.05)

    def _parts(self) -> int:
        return 1 if self._relief is None else max(1, len(self._relief.parts))

    # --- asking for pictures

    def _touch(self) -> None:
        """Something has changed: a picture at once, and all points when it has come to rest."""
        self._settle.start()
        self._want(self.points)

    def _settled(self) -> None:
        """The movement has ended: the rest of the points, unless they are there or on their way."""
        if self.is_drawn:
            self._look_again()
        elif self._flight is None or self._moved_since or not self._flight.is_whole or self._is_overdue():
            self._want(None)

    def _is_overdue(self) -> bool:
        return self._clock() - self._flight_since > OVERDUE_S

    def _want(self, budget: int | None) -> None:
        """Asks for the picture as it is to be now.

        While the camera moves, the next picture is asked for when the last one is there: a renderer may break off what is
        no longer wanted, and of a hundred wishes a second none would be fulfilled.
        """
        if self._rendering is None or not self.isVisible():
            return
        awaited = self._flight
        if (
            budget is not None
            and awaited is not None
            and awaited.budget is not None
            and awaited.relief is self._relief
            and not self._is_overdue()
        ):
            self._moved_since = True
            return
        drawing = self.drawing(budget)
        self._moved_since = False
        self._flight = drawing
        self._flight_since = self._clock()
        if drawing is not None:
            self._rendering.want(drawing)

    def _arrived(self, drawing: Drawing, pixels: Pixels) -> None:
        if self._rendering is None:
            return
        if drawing is self._flight:
            self._flight = None
            if self._moved_since:
                self._want(self.points)
        if drawing.relief is not self._relief:
            return  # of a tile or a colour that nobody looks at any more
        self._late.stop()
        self._dimmed = False
        self._pixels = pixels
        self._image = to_image(pixels, opaque=True)
        axes = axes_of(drawing.relief, drawing.style, drawing.camera) if drawing.style.grid else None
        self._shot = Shot(drawing, axes, tuple(drawing.parts()))
        self.update()
        if self.is_drawn:
            if not self._settle.isActive():
                self._look_again()
            self.drawn.emit()

    def _ready(self) -> None:
        self.update()
        self.steered.emit()

    def _wait(self) -> None:
        if self._shot is not None and not self._dimmed and not self._late.isActive():
            self._late.start()
        self.update()

    def _too_late(self) -> None:
        self._dimmed = True
        self.update()

    def _forget_picture(self) -> None:
        self._shot, self._dimmed, self._aimed = None, False, None
        self._image = QImage()
        self._pixels = None

    # --- painting

    def _room(self) -> QRectF:
        """Where the picture is."""
        return QRectF(0, 0, self.width(), max(0, self.height() - FOOT))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The last picture, and what is written over it."""
        with painting(self) as painter:
            painter.fillRect(self.rect(), self._theme.pane)
            self._cut = []
            room = self._room()
            if self._shot is None:
                self._paint_nothing(painter, room)
            else:
                self._paint_shot(painter, room, self._shot)
            if self.hasFocus():
                painter.fillRect(QRect(0, 0, self.width(), 2), self._theme.accent)

    def _paint_nothing(self, painter: QPainter, room: QRectF) -> None:
        painter.fillRect(QRectF(0, room.bottom(), room.width(), FOOT), self._theme.panel)
        if self._relief is not None and self._relief.why:
            words = self._relief.why
        elif self._relief is not None:
            words = "Opening 3D…" if self._rendering is None or not self._rendering.name else "Drawing…"
        else:
            words = "Reading…" if self._awaited else ""
        if self._awaited:
            cut = self._overlay.name(painter, room, self._awaited)
            self._cut = [] if cut is None else [cut]
        if words:
            self._overlay.words(painter, room, words)

    def _paint_shot(self, painter: QPainter, room: QRectF, shot: Shot) -> None:
        relief = shot.drawing.relief
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._image.size() != self._size())
        painter.drawImage(room, self._image, QRectF(self._image.rect()))
        if not self._dimmed:
            self._overlay.axes(painter, room, shot)
            if self._cursor is not None and relief.tile == self._awaited:
                self._overlay.cursor(painter, room, shot, self._cursor)
        else:
            self._overlay.veil(painter, room)
        lines = [] if self._dimmed else [*relief.remarks, *self._remarks()]
        self._cut = self._overlay.heading(painter, room, shot, str(relief.tile), lines, dimmed=self._dimmed)
        self._overlay.foot(painter, QRect(0, round(room.bottom()), self.width(), FOOT), relief)
        if self._dimmed:
            self._overlay.words(painter, room, f"Reading {self._awaited} …" if self._awaited else "Reading…")

    def _remarks(self) -> list[str]:
        """What the renderer has to say."""
        return [] if self._rendering is None or not self._rendering.why else [self._rendering.why]

    def _size(self) -> QSize:
        """Of the picture that would fill the view."""
        ratio, room = self.devicePixelRatioF(), self._room()
        return QSize(round(room.width() * ratio), round(room.height() * ratio))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The old picture is stretched until the new one is there."""
        super().resizeEvent(event)
        if self._is_fitted:
            self._fit()
        self._touch()

    def showEvent(self, event: QShowEvent) -> None:
        """Nothing is drawn while it is hidden."""
        super().showEvent(event)
        self._touch()

    def event(self, event: QEvent) -> bool:
        """Tool tips of what was cut, and another screen."""
        if event.type() is QEvent.Type.DevicePixelRatioChange:
            self._touch()
        return shows_tip(self, event, lambda place: self.words_at(QPointF(place))) or super().event(event)

    def words_at(self, point: QPointF) -> str:
        """The whole of a line that was cut, and all classes of the legend."""
        relief = None if self._shot is None else self._shot.drawing.relief
        if relief is not None and point.y() >= self._room().bottom():
            lines = [f"{item.value}  {item.name}  {100 * item.share:.1f} %" for item in relief.legend]
            return "\n".join([f"Colours: {relief.color_title}", *lines])
        return next((words for rect, words in self._cut if rect.contains(point)), "")

    # --- picking

    def _deliverer(self, post: Post) -> Callable[[_Aim, Hit | None], None]:
        return lambda aim, hit: post(lambda: self._picked(aim, hit))

    def _look_again(self) -> None:
        """What is under the mouse, now that the picture is another one?"""
        if self._mouse is not None and self._press is None:
            self._pick(self._mouse)

    def _pick(self, point: QPointF, *, centre: bool = False) -> None:
        shot, room = self._shot, self._room()
        if self._picker is None or shot is None or self._dimmed or not room.contains(point):
            return
        scale_x, scale_y = shot.drawing.width / room.width(), shot.drawing.height / room.height()
        self._picker.want((_Aim(shot.drawing, point.x() * scale_x, point.y() * scale_y, centre),))

    def _picked(self, aim: _Aim, hit: Hit | None) -> None:
        shot = self._shot
        if self._picker is None or shot is None or self._dimmed or not _same_view(aim.drawing, shot.drawing):
            return  # what was seen there is not on the screen any more
        if hit is not None:
            place = spot_at(aim.drawing, hit.cloud, hit.column, hit.row).top
            if aim.centre:
                self.steer(centred(self.camera, place))
                return
            if self._mouse is not None:
                self._aimed = (self._mouse, place)
        if self._mouse is not None and not aim.centre:
            self.pointed.emit(None if hit is None else hit.on_tile)

    # --- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Takes hold of the tile, and gives the view the keyboard."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if self._press is None:
            self._press = (event.button(), event.position())
            self._grip = event.position()
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Turns, moves or looks round while a button is down, else moves the cross of the panes."""
        self._mouse = event.position()
        if self._press is None:
            self._pick(self._mouse)
            return
        button, start = self._press
        if (event.position() - start).manhattanLength() < CLICK and self._grip == start:
            return
        moved = event.position() - self._grip
        self._grip = event.position()
        self._aimed = None
        if button is Qt.MouseButton.LeftButton and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._turn(moved.x() * TURN, moved.y() * TURN)
        else:
            height = max(1.0, self._room().height())
            self.steer(self.camera.panned(moved.x() / height, -moved.y() / height))
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Lets go."""
        if self._press is not None and event.button() is self._press[0]:
            self._press = None
            self.unsetCursor()
            self._look_again()
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """What was clicked moves into the middle."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._pick(event.position(), centre=True)
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms towards what is under the mouse; flies faster or slower."""
        notches = event.angleDelta().y() / 120
        if notches and self.is_flying:
            self.speed = min(max(self.speed * ZOOM**notches, SLOWEST), FASTEST)
            self.steered.emit()
        elif notches:
            self.steer(zoomed_at(self.camera, self._under(event.position()), ZOOM**notches))
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """The cross goes with the mouse that has put it there."""
        self._mouse = None
        self._aimed = None
        if self._picker is not None:
            self._picker.want(())
        self.left.emit()
        super().leaveEvent(event)

    def _turn(self, right: float, up: float) -> None:
        """What is grasped follows the mouse; who flies turns the head."""
        if self.is_flying:
            self.steer(self.camera.looked(right, -up))
        else:
            self.steer(self.camera.turned(right, up), fitted=self._is_fitted)

    def _under(self, point: QPointF) -> NDArray[np.float64]:
        """What of the world is under the mouse: what was picked there, or a good guess."""
        if self._aimed is not None and (self._aimed[0] - point).manhattanLength() < CLICK:
            return self._aimed[1]
        room = self._room()
        parts = 1 if self._shot is None else max(1, len(self._shot.parts))
        width = room.width() / parts
        x = (point.x() % width) / width * 2 - 1
        y = 1 - point.y() / max(1.0, room.height()) * 2
        return under(self.camera, self._aspect(), x, y)

    # --- keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows turn, Escape leaves, and where the camera flies, its six keys fly; all others are commands of the window."""
        plain = event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier)
        key = Qt.Key(event.key())
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if key is Qt.Key.Key_Escape:
            self._stand_still()
            self.done.emit()
        elif key in ARROWS and not plain and not shifted:
            right, up = ARROWS[key]
            self._turn(right * ARROW, -up * ARROW if self.is_flying else up * ARROW)
        elif self.is_flying and key in self._letters and not plain:
            if not event.isAutoRepeat():
                self._hasty = shifted
                self._take_way(event.key(), self._letters[key])
        else:
            if key is Qt.Key.Key_Shift:
                self._hasty = True
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Flies no farther in that direction."""
        if event.key() == Qt.Key.Key_Shift:
            self._hasty = False
        if event.key() in self._ways:
            if not event.isAutoRepeat():
                self._ways.pop(event.key())
            return
        event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Says what the keys do now."""
        super().focusInEvent(event)
        self.update()
        self.steered.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Without the keyboard, no release of a key will come."""
        self._stand_still()
        super().focusOutEvent(event)
        self.update()
        self.steered.emit()

    def _stand_still(self) -> None:
        self._ways.clear()
        self._hasty = False
        self._flyer.stop()

    def _take_way(self, key: int, way: Way) -> None:
        self._ways[key] = way
        if not self._flyer.isActive():
            self._flown_at = self._clock()
            self._flyer.start()

    def _fly_on(self) -> None:
        """As far as the time since the last step allows."""
        now = self._clock()
        elapsed, self._flown_at = min(now - self._flown_at, LONGEST_STEP_S), now
        if not self._ways:
            self._flyer.stop()
            return
        self._aimed = None
        self.steer(flown(self.camera, self._ways.values(), self.speed * elapsed * (HASTE if self._hasty else 1.0)))


def _picked(aim: _Aim) -> Hit | None:
    return pick(aim.drawing, aim.x, aim.y)


def _same_view(one: Drawing, other: Drawing) -> bool:
    return (
        one.relief is other.relief
        and one.camera == other.camera
        and one.style == other.style
        and (one.width, one.height) == (other.width, other.height)
    )

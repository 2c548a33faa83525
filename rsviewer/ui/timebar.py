"""The line below the panes of a tile with several images over time: where each of them lies, and which one is shown."""

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy

from rsviewer.core.tile import printable
from rsviewer.data.adapter import Shot, TileEntry
from rsviewer.ui.painting import painting
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import shows_tip
from rsviewer.workspace.moments import in_words
from rsviewer.workspace.news import Changed

LANE = 14
"""Pixels between the marks of two series."""
MARK = 4.0
REACH = 12.0
"""A click this near to a mark means it."""
WHEEL_STEP = 120


class TimeBar(Panel):
    """Marks on a line of time, a row for each sensor. Click or drag for a date, wheel for the next one; hidden for one image.

    Images whose time nobody knows stand evenly at the right end, in their order.
    """

    watches = Changed.TILE | Changed.QUEUE

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Dates")
        self.setVisible(False)
        self._entry: TileEntry | None = None
        self._places: tuple[float, ...] = ()
        self._turned = 0

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(400, self.height())

    def show_state(self) -> None:
        """The dates of the current tile."""
        entry = None if self.workspace is None else self.workspace.entry
        self._entry = entry if entry is not None and len(entry.shots) > 1 else None
        self._places = () if self._entry is None else places_in_time(self._entry.shots)
        self.setFixedHeight(len(self._series()) * LANE + self.fontMetrics().height() + 2 * UNIT)
        self.setVisible(self._entry is not None)
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        """The line, its marks, and in words what is shown."""
        entry = self._entry
        if entry is None:
            return
        with painting(self) as painter:
            painter.fillRect(self.rect(), self.theme.head)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw_years(painter, entry.shots)
            for number, shot in enumerate(entry.shots):
                if number != entry.shot:
                    self._draw_mark(painter, number, shot, MARK, is_shown=False)
            self._draw_mark(painter, entry.shot, entry.shots[entry.shot], MARK * 1.5, is_shown=True)
            self._draw_words(painter, entry)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Shows the nearest date."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._show_nearest(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Dragging goes through the dates."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._show_nearest(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """One date at a time."""
        self._turned += event.angleDelta().y()
        steps, self._turned = int(self._turned / WHEEL_STEP), self._turned - int(self._turned / WHEEL_STEP) * WHEEL_STEP
        if steps and self.workspace is not None:
            self.workspace.step_date(-steps)
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Tool tips name the image below the mouse."""
        return shows_tip(self, event, self._tip) or super().event(event)

    # --- what lies where

    def _nearest(self, at: QPointF) -> int | None:
        """The number of the image whose mark is nearest in its row, or nearest at all on a click beside the marks."""
        if self._entry is None:
            return None
        distances = [
            (abs(self._x(number) - at.x()) + 2 * abs(self._y(shot) - at.y()), number)
            for number, shot in enumerate(self._entry.shots)
        ]
        return min(distances)[1]

    def _show_nearest(self, at: QPointF) -> None:
        number = self._nearest(at)
        if number is not None and self.workspace is not None:
            self.workspace.show_date(number)

    def _tip(self, at: QPoint) -> str:
        entry, number = self._entry, self._nearest(QPointF(at))
        if entry is None or number is None or abs(self._x(number) - at.x()) > REACH:
            return ""
        shot = entry.shots[number]
        return f"{in_words(shot, number + 1, len(entry.shots))}\n{printable(shot.name)}"

    def _words(self, entry: TileEntry) -> str:
        return in_words(entry.shots[entry.shot], entry.shot + 1, len(entry.shots))

    def _line(self) -> tuple[float, float]:
        """Where the line begins and how long it is."""
        metrics = self.fontMetrics()
        shots = () if self._entry is None else self._entry.shots
        # the longest that may be said, so that the marks stay where they are when another date is shown
        words = max((metrics.horizontalAdvance(in_words(shot, len(shots), len(shots))) for shot in shots), default=0)
        names = max((metrics.horizontalAdvance(name) for name in self._series()), default=0)
        left = 6.0 * UNIT + names
        return left, max(1.0, self.width() - words - left - 8.0 * UNIT)

    def _x(self, number: int) -> float:
        left, length = self._line()
        return left + self._places[number] * length

    def _y(self, shot: Shot) -> float:
        return self._y_of(shot.series)

    def _y_of(self, series: str) -> float:
        return UNIT + LANE * (0.5 + self._series().index(series))

    def _series(self) -> list[str]:
        shots = () if self._entry is None else self._entry.shots
        return list(dict.fromkeys(sorted(shot.series for shot in shots)))

    # --- how it is drawn

    def _draw_mark(self, painter: QPainter, number: int, shot: Shot, radius: float, *, is_shown: bool) -> None:
        middle = QPointF(self._x(number), self._y(shot))
        color = self.theme.accent if is_shown else self.theme.drop if shot.good is False else self.theme.text
        painter.setPen(QPen(color, 1.5))
        painter.setBrush(color if is_shown or shot.good else QColor(Qt.GlobalColor.transparent))
        if shot.good is False:  # by form as well as by colour
            painter.drawLine(middle - QPointF(radius, radius), middle + QPointF(radius, radius))
            painter.drawLine(middle - QPointF(radius, -radius), middle + QPointF(radius, -radius))
        if shot.good is not False or is_shown:
            painter.drawEllipse(middle, radius, radius)

    def _draw_years(self, painter: QPainter, shots: tuple[Shot, ...]) -> None:
        """The lines themselves, with the month below its marks as often as there is room."""
        left, length = self._line()
        bottom = self.height() - self.fontMetrics().descent() - 2.0
        for series in self._series():
            y = self._y_of(series)
            painter.setPen(QPen(self.theme.line, 1.0))
            painter.drawLine(QPointF(left, y), QPointF(left + length, y))
            painter.setPen(self.theme.dim)
            room = QRectF(0, y - LANE, left - 3.0 * UNIT, 2.0 * LANE)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, series)
        free, shown = left, ""
        for number, shot in sorted(enumerate(shots), key=lambda pair: self._places[pair[0]]):
            word = shot.time[: len("2016-08")]
            width = self.fontMetrics().horizontalAdvance(word)
            x = min(max(left, self._x(number) - width / 2), left + length - width)
            if word and word != shown and x >= free:
                painter.drawText(QPointF(x, bottom), word)
                free, shown = x + width + 2.0 * UNIT, word

    def _draw_words(self, painter: QPainter, entry: TileEntry) -> None:
        left, length = self._line()
        painter.setPen(self.theme.text)
        room = QRectF(left + length + 4.0 * UNIT, 0, self.width(), self.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._words(entry))


def places_in_time(shots: tuple[Shot, ...]) -> tuple[float, ...]:
    """Where each image stands on a line from 0 to 1, by its time; those without a time follow evenly, in their order."""
    times = [None if shot.when is None else shot.when.timestamp() for shot in shots]
    known = [time for time in times if time is not None]
    span = max(known) - min(known) if known else 0.0
    unknown = len(times) - len(known)
    share = len(known) / len(times) if unknown else 1.0
    places, late = [], 0
    for number, time in enumerate(times):
        if time is None:
            late += 1
            places.append(min(1.0, share + (1.0 - share) * late / unknown))
        elif span > 0:
            places.append((time - min(known)) / span * share * (0.95 if unknown else 1.0))
        else:
            places.append(number / max(1, len(times)) * share)
    return tuple(places)

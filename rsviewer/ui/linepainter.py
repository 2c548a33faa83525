"""Draws the line of the profile in a pane: readable on any picture, its ends named, its length beside it."""

import math

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from rsviewer.core.profile import Line
from rsviewer.ui.paneboxes import Mapping, PaneBox
from rsviewer.ui.theme import UNIT

HALO, INK, PLATE = QColor(0, 0, 0, 170), QColor(255, 255, 255), QColor(0, 0, 0, 185)
"""The same in both themes: what lies under the line is a picture."""
END_RADIUS = 4.5
NAME_AWAY, LENGTH_AWAY = 15.0, 14.0
LENGTH_LEAST = 90
"""Screen pixels. A shorter line has no room for its length beside its names."""


def paint_line(painter: QPainter, box: PaneBox, map_: Mapping, line: Line, words: str) -> None:
    """Draws a line from A to B into a pane. `words`: its length."""
    start, end = map_.to_screen(*line[0]), map_.to_screen(*line[1])
    painter.save()
    painter.setClipRect(box.image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for color, width in ((HALO, 4.5), (INK, 2.0)):
        painter.setPen(QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(start, end)
    painter.setPen(QPen(QColor(0, 0, 0), 1.25))
    painter.setBrush(INK)
    for point in (start, end):
        painter.drawEllipse(point, END_RADIUS, END_RADIUS)
    along, reach = _direction(start, end)
    room = QRectF(box.image).adjusted(2, 2, -2, -2)
    font = QFont(painter.font())
    font.setPixelSize(11)
    font.setWeight(QFont.Weight.DemiBold)
    _plate(painter, font, start - along * NAME_AWAY, "A", room)
    _plate(painter, font, end + along * NAME_AWAY, "B", room)
    if reach >= LENGTH_LEAST:
        aside = QPointF(along.y(), -along.x()) if along.x() >= 0 else QPointF(-along.y(), along.x())
        half = QFontMetricsF(font).horizontalAdvance(words) / 2 * abs(aside.x())
        _plate(painter, font, (start + end) / 2 + aside * (LENGTH_AWAY + half), words, room)
    painter.restore()


def length_words(length: float, unit: str) -> str:
    """A length in as many digits as a ruler on the screen could tell: "3.42 m", "128.5 m", "12,480 m"."""
    digits = 2 if length < 10 else 1 if length < 1000 else 0
    return f"{length:,.{digits}f} {unit}"


def _direction(start: QPointF, end: QPointF) -> tuple[QPointF, float]:
    """From start to end: a step of one pixel, and how many there are. A line without length goes to the right."""
    across = end - start
    reach = math.hypot(across.x(), across.y())
    return (across / reach if reach else QPointF(1, 0)), reach


def _plate(painter: QPainter, font: QFont, middle: QPointF, words: str, room: QRectF) -> None:
    """Words on a dark plate, moved into the pane where they would be cut off."""
    rect = QRectF(0, 0, QFontMetricsF(font).horizontalAdvance(words) + 2 * UNIT, 16)
    rect.moveCenter(middle)
    rect.moveLeft(max(room.left(), min(rect.left(), room.right() - rect.width())))
    rect.moveTop(max(room.top(), min(rect.top(), room.bottom() - rect.height())))
    painter.setFont(font)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PLATE)
    painter.drawRoundedRect(rect, 3, 3)
    painter.setPen(INK)
    painter.drawText(rect, int(Qt.AlignmentFlag.AlignCenter), words)

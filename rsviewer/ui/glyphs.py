"""Small drawings for the kinds of layers, in one stroke weight and the colour of the text."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from rsviewer.core.tile import LayerKind
from rsviewer.ui.painting import painting
from rsviewer.ui.theme import Theme

SIZE = 16
SHARP = 3
"""Pixels drawn for each logical one: sharp on every screen."""
STROKE = 1.25


def kind_icon(kind: LayerKind, theme: Theme) -> QIcon:
    """The drawing of a kind of layer, also on the accent colour of a selected row."""
    icon = QIcon()
    for mode, color in ((QIcon.Mode.Normal, theme.text), (QIcon.Mode.Selected, theme.on_accent)):
        icon.addPixmap(drawn(_DRAWINGS[kind], color), mode)
    return icon


def drawn(draw: Callable[[QPainter], None], color: QColor) -> QPixmap:
    """What `draw` draws on a square of SIZE, in one stroke weight."""
    pixmap = QPixmap(SIZE * SHARP, SIZE * SHARP)
    pixmap.setDevicePixelRatio(SHARP)
    pixmap.fill(Qt.GlobalColor.transparent)
    with painting(pixmap) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(color, STROKE)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        draw(painter)
    return pixmap


def line(painter: QPainter, *points: tuple[float, float]) -> None:
    """A line through some points."""
    painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points]))


def _optical(painter: QPainter) -> None:
    """A picture with sun and hill."""
    painter.drawRect(QRectF(2, 3, 12, 10))
    painter.drawEllipse(QPointF(10.5, 6), 1.2, 1.2)
    line(painter, (2, 11), (5.5, 7.5), (8, 10), (10, 9), (14, 12))


def _sar(painter: QPainter) -> None:
    """Waves from an antenna."""
    for radius in (3, 6.5, 10):
        painter.drawArc(QRectF(3 - radius, 13 - radius, 2 * radius, 2 * radius), 0, 90 * 16)
    painter.drawPoint(QPointF(3, 13))


def _height(painter: QPainter) -> None:
    """Two mountains."""
    line(painter, (1.5, 13), (6, 4.5), (9, 10))
    line(painter, (7.5, 13), (11, 7.5), (14.5, 13), (1.5, 13))


def _quantity(painter: QPainter) -> None:
    """Bars of a diagram, above and below a line."""
    line(painter, (1.5, 8.5), (14.5, 8.5))
    for x, y in ((3.5, 4), (6.5, 6), (9.5, 11), (12.5, 13)):
        line(painter, (x, 8.5), (x, y))


def _labels(painter: QPainter) -> None:
    """Four fields, two of them filled."""
    painter.drawRect(QRectF(2.5, 2.5, 11, 11))
    line(painter, (8, 2.5), (8, 13.5))
    line(painter, (2.5, 8), (13.5, 8))
    painter.fillRect(QRectF(2.5, 2.5, 5.5, 5.5), painter.pen().color())
    painter.fillRect(QRectF(8, 8, 5.5, 5.5), painter.pen().color())


def _mask(painter: QPainter) -> None:
    """A disc, half of it filled."""
    disc = QRectF(2.5, 2.5, 11, 11)
    painter.drawEllipse(disc)
    painter.setBrush(painter.pen().color())
    painter.drawChord(disc, -90 * 16, 180 * 16)


def _vector(painter: QPainter) -> None:
    """An outline with corners."""
    corners = ((3, 5), (10, 2.5), (13.5, 8.5), (8.5, 13.5), (3.5, 11.5))
    line(painter, *corners, corners[0])
    for x, y in corners:
        painter.fillRect(QRectF(x - 1.2, y - 1.2, 2.4, 2.4), painter.pen().color())


def _text(painter: QPainter) -> None:
    """Lines of writing."""
    for y, right in ((4, 13.5), (7, 13.5), (10, 13.5), (13, 9)):
        line(painter, (2.5, y), (right, y))


_DRAWINGS: Mapping[LayerKind, Callable[[QPainter], None]] = {
    LayerKind.OPTICAL: _optical,
    LayerKind.SAR: _sar,
    LayerKind.HEIGHT: _height,
    LayerKind.QUANTITY: _quantity,
    LayerKind.LABELS: _labels,
    LayerKind.MASK: _mask,
    LayerKind.VECTOR: _vector,
    LayerKind.TEXT: _text,
}

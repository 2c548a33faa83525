"""How often values occur: a curve for each band, and the range of the colours, which can be dragged.

Drawn by hand: pyqtgraph's import alone holds the GUI thread for 0.2 to 0.4 s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from rsviewer.core.combinations import Combination
from rsviewer.core.combining import combined
from rsviewer.core.render import Histogram, Range, histogram, nice_ticks
from rsviewer.core.tile import Raster
from rsviewer.ui.painting import painting
from rsviewer.ui.theme import DARK, UNIT, Theme

HEIGHT = 112
AXIS = 18
REACH = 6
"""Pixels from an end of the range within which it can be taken hold of."""
PIXELS_MOST = 512 * 512
"""So many pixels of a band are counted: 1 ms for a height, 3 ms for three bands. Larger rasters are thinned out."""
TICK_ROOM = 56
BAND_COLORS = (QColor(230, 76, 66), QColor(58, 176, 84), QColor(72, 128, 240))


class Grip(Enum):
    """What the mouse holds."""

    LOW = auto()
    HIGH = auto()
    BOTH = auto()


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values to pixels of the widget."""

    low: float
    high: float
    left: float
    width: float

    def x(self, value: float) -> float:
        """Where a value lies."""
        span = self.high - self.low
        return self.left + (value - self.low) / span * self.width if span > 0 else self.left

    def value(self, x: float) -> float:
        """What lies at a pixel."""
        return self.low + (x - self.left) / max(self.width, 1.0) * (self.high - self.low)


class Chart(QWidget):
    """A histogram. Counts are drawn as their logarithm: of a nDSM nearly all is ground, and the roofs are what matters.

    Signals:
        ranged: the user drags the range; carries its two ends.
    """

    ranged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.histogram: Histogram | None = None
        self.range: Range | None = None
        self._unit = ""
        self._message = ""
        self._theme: Theme = DARK
        self._grip: Grip | None = None
        self._from: tuple[float, Range] = (0.0, Range(0, 0))
        self._frozen: Axis | None = None
        self._small = QFont(self.font())
        self._small.setPixelSize(11)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(280, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """As wide as the panel lets it be."""
        return QSize(0, HEIGHT)

    def show_histogram(self, shown: Histogram, ends: Range | None, unit: str, theme: Theme) -> None:
        """Shows other counts. While the mouse holds the range, the mouse is right about it."""
        self.histogram, self._unit, self._theme, self._message = shown, unit, theme, ""
        if self._grip is None:
            self.range = ends
        self.update()

    def clear(self, message: str, theme: Theme) -> None:
        """Shows nothing: the counts of another tile must not be taken for this one's."""
        if self.histogram is not None or message != self._message or theme is not self._theme:
            self.histogram, self.range, self._message, self._theme = None, None, message, theme
            self._grip = self._frozen = None
            self.update()

    # --- drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws curves, range and axis."""
        with painting(self) as painter:
            painter.setClipRect(event.rect())
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small)
        area = self._area()
        painter.fillRect(area, self._theme.field)
        axis = self._axis()
        if self.histogram is None or axis is None:
            painter.setPen(self._theme.dim)
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), self._message)
        else:
            self._curves(painter, area, axis, self.histogram)
            self._range(painter, area, axis)
            self._ticks(painter, area, axis)
        painter.setPen(self._theme.line)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))

    def _curves(self, painter: QPainter, area: QRectF, axis: Axis, shown: Histogram) -> None:
        heights = np.log1p(shown.counts.astype(np.float64))
        top = float(heights.max(initial=0.0)) or 1.0
        xs = [axis.x(edge) for edge in shown.edges.tolist()]
        base, tall = area.bottom() - 1, area.height() - 2 * UNIT
        for color, band in zip(self._colors(len(shown.bands)), heights.tolist(), strict=True):
            points = [QPointF(xs[0], base)]
            for left, right, height in zip(xs[:-1], xs[1:], band, strict=True):
                y = base - height / top * tall
                points += [QPointF(left, y), QPointF(right, y)]
            points.append(QPointF(xs[-1], base))
            fill = QColor(color)
            fill.setAlpha(60)
            painter.setBrush(fill)
            painter.setPen(QPen(color, 1))
            painter.drawPolygon(QPolygonF(points))

    def _colors(self, bands: int) -> Sequence[QColor]:
        return BAND_COLORS if bands == len(BAND_COLORS) else [self._theme.dim] * bands

    def _range(self, painter: QPainter, area: QRectF, axis: Axis) -> None:
        if self.range is None:
            return
        inner = area.adjusted(1, 1, -1, -1)
        low, high = axis.x(self.range.low), axis.x(self.range.high)
        veil = QColor(self._theme.panel)
        veil.setAlpha(150)
        painter.fillRect(
            QRectF(QPointF(inner.left(), inner.top()), QPointF(max(low, inner.left()), inner.bottom())), veil
        )
        painter.fillRect(QRectF(QPointF(min(high, inner.right()), inner.top()), inner.bottomRight()), veil)
        painter.setPen(QPen(self._theme.accent, 2))
        painter.setBrush(self._theme.accent)
        for x in (low, high):
            painter.drawLine(QPointF(x, inner.top()), QPointF(x, inner.bottom()))
            painter.drawRoundedRect(QRectF(x - 2, inner.center().y() - 8, 4, 16), 2, 2)

    def _ticks(self, painter: QPainter, area: QRectF, axis: Axis) -> None:
        ticks = nice_ticks(axis.low, axis.high, max(2, int(area.width() // TICK_ROOM)))
        metrics = painter.fontMetrics()
        unit_width = metrics.horizontalAdvance(self._unit) + UNIT if self._unit else 0
        painter.setPen(self._theme.dim)
        painter.drawText(
            QRectF(area.right() - unit_width, area.bottom() + 2, unit_width, AXIS),
            int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop),
            self._unit,
        )
        for tick, words in zip(ticks, tick_words(ticks), strict=True):
            x, width = axis.x(tick), metrics.horizontalAdvance(words)
            left = min(max(x - width / 2, area.left()), area.right() - width)
            if left + width <= area.right() - unit_width:
                painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + 3))
                painter.drawText(QPointF(left, area.bottom() + 3 + metrics.ascent()), words)

    def _area(self) -> QRectF:
        return QRectF(0, 0, self.width(), self.height() - AXIS)

    def _axis(self) -> Axis | None:
        if self._frozen is not None:
            return self._frozen
        if self.histogram is None:
            return None
        low, high = float(self.histogram.edges[0]), float(self.histogram.edges[-1])
        if self.range is not None:
            low, high = min(low, self.range.low), max(high, self.range.high)
        area = self._area()
        return Axis(low, high, area.left() + REACH, area.width() - 2 * REACH)

    # --- dragging

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Takes hold of an end of the range, or of all of it."""
        self._grip = self._grip_at(event.position().x()) if event.button() is Qt.MouseButton.LeftButton else None
        if self._grip is not None and self.range is not None:
            self._frozen = self._axis()
            self._from = (event.position().x(), self.range)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drags what is held."""
        axis = self._frozen
        if self._grip is None or axis is None:
            grip = self._grip_at(event.position().x())
            self.setCursor(_CURSORS[grip])
            return
        start, before = self._from
        moved = axis.value(event.position().x()) - axis.value(start)
        self.range = dragged(before, self._grip, moved, Range(axis.low, axis.high))
        self.update()
        self.ranged.emit(self.range.low, self.range.high)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Lets go; the axis fits again."""
        self._grip = self._frozen = None
        self.update()
        event.accept()

    def _grip_at(self, x: float) -> Grip | None:
        axis = self._axis()
        if axis is None or self.range is None:
            return None
        low, high = axis.x(self.range.low), axis.x(self.range.high)
        to_low, to_high = abs(x - low), abs(x - high)
        if min(to_low, to_high) <= REACH:
            return Grip.LOW if to_low < to_high or (to_low == to_high and x < low) else Grip.HIGH
        return Grip.BOTH if low < x < high else None


_CURSORS = {
    Grip.LOW: Qt.CursorShape.SplitHCursor,
    Grip.HIGH: Qt.CursorShape.SplitHCursor,
    Grip.BOTH: Qt.CursorShape.SizeHorCursor,
    None: Qt.CursorShape.ArrowCursor,
}


def dragged(before: Range, grip: Grip, moved: float, limits: Range) -> Range:
    """The range after an end or all of it was moved. It stays within the axis, and the low end below the high one."""
    least = (limits.high - limits.low) / 1000
    if grip is Grip.LOW:
        return Range(max(min(before.low + moved, before.high - least), limits.low), before.high)
    if grip is Grip.HIGH:
        return Range(before.low, min(max(before.high + moved, before.low + least), limits.high))
    moved = min(max(moved, limits.low - before.low), limits.high - before.high)
    return Range(before.low + moved, before.high + moved)


def counted(raster: Raster, bands: Sequence[int], combination: Combination | None = None) -> Histogram:
    """The histogram of some bands, or of what a combination makes of them.

    Large rasters are thinned out first, so that it never takes long.
    """
    step = max(1, math.ceil(math.sqrt(raster.width * raster.height / PIXELS_MOST)))
    if step > 1:
        raster = Raster(raster.pixels[:, ::step, ::step], raster.valid[:, ::step, ::step])
    if combination is not None and not combination.is_plain:
        raster = combined(raster, combination)
        bands = range(raster.bands)
    return histogram(raster, bands)


def tick_words(ticks: Sequence[float]) -> list[str]:
    """Round numbers with just the digits that tell them apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) if ticks else 1.0
    if step <= 0 or max((abs(tick) for tick in ticks), default=0.0) >= 1e6:
        return [f"{tick:g}" for tick in ticks]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:.{digits}f}" if digits <= 5 else f"{tick:g}" for tick in ticks]

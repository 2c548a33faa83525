"""The plot of heights over distance. The only part of the program that needs pyqtgraph, which takes 0.2 s to import."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPen
from PySide6.QtWidgets import QFrame, QGraphicsItem, QVBoxLayout, QWidget

from rsviewer.ui.theme import Theme

PYQTGRAPH = "pyqtgraph"
COLORS = {
    "dark": ("#56b4e9", "#e69f00", "#2fc49a", "#dd8fc4", "#f0e442", "#e4763e"),
    "light": ("#0072b2", "#b35900", "#00795a", "#a0417f", "#766900", "#8c2d04"),
}
"""By theme: the colours of Okabe and Ito (2008), which colour-blind people can tell apart, lighter or darker."""
DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
"""When the colours begin again."""
WIDTH = 1.5
LEAST_SPAN = 1.0
"""Metres that the height axis spans at least: the noise of flat ground is not a mountain."""
MARGIN = 0.06
"""Of the height axis, above and below the curves."""
CLOSEST = 500
"""How much the distance can be magnified."""
SMALL = 11
AXIS = 34
"""Logical pixels for the figures and the title of the axis below."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line of the plot.

    Attributes:
        pen: see `curve_pen`.
        distance: (n,) ascending.
        height: (n,) NaN where there is a gap.
    """

    pen: QPen
    distance: NDArray[np.float64]
    height: NDArray[np.float64]


def curve_pen(number: int, theme: Theme) -> QPen:
    """Colour and dashes of the n-th curve."""
    colors = COLORS[theme.name]
    return _pen(QColor(colors[number % len(colors)]), WIDTH, DASHES[number // len(colors) % len(DASHES)])


def load() -> Any:
    """Imports pyqtgraph. May be called on any thread: it makes no window and no QObject."""
    pyqtgraph: Any = importlib.import_module(PYQTGRAPH)
    pyqtgraph.setConfigOption("mouseRateLimit", 0)  # it drops the last move of a fast one: the marker would stay behind
    return pyqtgraph


class ProfilePlot(QWidget):
    """Curves of heights over distance. The wheel magnifies the distance, dragging moves it; the heights always fit.

    Args:
        theme: colours.

    Signals:
        pointed: the mouse is at a distance.
        left: the mouse has gone.
        scaled: what a pixel measures has changed.
    """

    pointed = Signal(float)
    left = Signal()
    scaled = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pg = load()
        self._far = 0.0
        self._curves: tuple[Curve, ...] = ()
        self._items: list[Any] = []
        self._view = self._pg.GraphicsView(self)
        self._box = self._pg.ViewBox(enableMenu=False)
        self._heights = self._pg.AxisItem("left")
        self._distances = self._pg.AxisItem("bottom")
        self._marker = self._pg.InfiniteLine(angle=90, movable=False)
        self._dots = self._pg.ScatterPlotItem(size=7, pxMode=True)
        self._build()
        self.set_theme(theme)

    def _build(self) -> None:
        layout = self._pg.GraphicsLayout()
        layout.setContentsMargins(2, 6, 10, 2)
        layout.setSpacing(0)
        layout.addItem(self._heights, 0, 0)
        layout.addItem(self._box, 0, 1)
        layout.addItem(self._distances, 1, 1)
        self._view.setCentralItem(layout)
        self._view.setFrameShape(QFrame.Shape.NoFrame)
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._box.setMouseEnabled(x=True, y=False)
        self._box.disableAutoRange()
        font = QFont(self.font())
        font.setPixelSize(SMALL)
        for axis in (self._heights, self._distances):
            axis.linkToView(self._box)
            axis.enableAutoSIPrefix(enable=False)
            axis.setStyle(tickFont=font, tickLength=-4)
            axis.label.setFont(font)
        self._distances.setHeight(AXIS)
        for number, item in enumerate((self._marker, self._dots)):
            item.setZValue(10 + number)
            item.hide()
            self._box.addItem(item, ignoreBounds=True)
        self._box.sigXRangeChanged.connect(self._fit_heights)
        self._box.sigResized.connect(self._resized)
        self._view.scene().sigMouseMoved.connect(self._mouse_moved)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def sizeHint(self) -> QSize:
        """Low: the panes have most of the room."""
        return QSize(600, 160)

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(120, 60)

    # --- what is shown

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours. The pens of the curves come with the curves."""
        self._view.setBackground(theme.field)
        for axis in (self._heights, self._distances):
            axis.setPen(QPen(theme.line))
            axis.setTextPen(QPen(theme.dim))
            axis.setGrid(255)
        self._marker.setPen(_pen(theme.accent, 1))
        self._dots.setPen(_pen(theme.field, 1))

    def show_curves(self, curves: Sequence[Curve], far: float, distance_title: str, height_title: str) -> None:
        """Shows other curves. What was magnified stays so, unless the line has another length.

        Args:
            curves: all with the same distances.
            far: the length of the line.
            distance_title: of the axis below.
            height_title: of the axis on the left.
        """
        self._curves = tuple(curves)
        for item in self._items[len(curves) :]:
            self._box.removeItem(item)
        del self._items[len(curves) :]
        while len(self._items) < len(curves):
            item = self._pg.PlotCurveItem(antialias=True)
            item.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)  # the marker moves, the curves do not
            self._box.addItem(item, ignoreBounds=True)
            self._items.append(item)
        for item, curve in zip(self._items, curves, strict=True):
            item.setData(curve.distance, curve.height, pen=curve.pen, connect="finite")
        self._distances.setLabel(distance_title)
        self._heights.setLabel(height_title)
        self.set_marker(None)
        if far != self._far:
            self._far = far
            self.fit()
        else:
            self._fit_heights()

    def set_marker(self, distance: float | None) -> None:
        """Marks a distance, and the curves there; None marks nothing."""
        self._marker.setVisible(distance is not None)
        self._dots.setVisible(distance is not None)
        if distance is None:
            return
        self._marker.setPos(distance)
        at = [(curve, nearest_sample(curve.distance, distance)) for curve in self._curves]
        there = [(curve, float(curve.height[place])) for curve, place in at if np.isfinite(curve.height[place])]
        self._dots.setData(
            x=[distance] * len(there),
            y=[height for _, height in there],
            brush=[curve.pen.color() for curve, _ in there],
        )

    def fit(self) -> None:
        """Shows the line from end to end."""
        far = self._far or 1.0
        self._box.setLimits(xMin=0, xMax=far, minXRange=far / CLOSEST)
        self._box.setXRange(0, far, padding=0)
        self._fit_heights()

    # --- what can be asked

    @property
    def exaggeration(self) -> float | None:
        """How many times taller than true the curves are, for distances in metres; None before there is a picture."""
        across, up = self._box.viewPixelSize()
        if not (math.isfinite(across) and math.isfinite(up)) or across <= 0 or up <= 0:
            return None
        return float(across / up)

    @property
    def shown_distances(self) -> tuple[float, float]:
        """The ends of the axis below."""
        low, high = self._box.viewRange()[0]
        return float(low), float(high)

    @property
    def shown_heights(self) -> tuple[float, float]:
        """The ends of the axis on the left."""
        low, high = self._box.viewRange()[1]
        return float(low), float(high)

    @property
    def marked(self) -> float | None:
        """The distance that is marked."""
        return float(self._marker.value()) if self._marker.isVisible() else None

    def point_of(self, distance: float, height: float) -> QPointF:
        """Where a point of the plot lies in this widget."""
        scene = self._box.mapViewToScene(QPointF(distance, height))
        return QPointF(self._view.mapTo(self, self._view.mapFromScene(scene)))

    # --- mouse and size

    def leaveEvent(self, event: QEvent) -> None:
        """The marker goes when the mouse goes."""
        self.left.emit()
        super().leaveEvent(event)

    def _mouse_moved(self, at: QPointF) -> None:
        if self._curves and self._box.sceneBoundingRect().contains(at):
            distance = float(self._box.mapSceneToView(at).x())
            self.pointed.emit(min(max(distance, 0.0), self._far))
        else:
            self.left.emit()

    def _fit_heights(self, *_: object) -> None:
        left, right = self.shown_distances
        low, high = math.inf, -math.inf
        for curve in self._curves:
            first, last = np.searchsorted(curve.distance, (left, right))
            part = curve.height[max(0, first - 1) : last + 1]
            part = part[np.isfinite(part)]
            low, high = min(low, part.min(initial=math.inf)), max(high, part.max(initial=-math.inf))
        if low > high:
            low = high = 0.0
        middle, half = (low + high) / 2, max(high - low, LEAST_SPAN) * (0.5 + MARGIN)
        self._box.setYRange(middle - half, middle + half, padding=0)
        self.scaled.emit()

    def _resized(self, *_: object) -> None:
        self.scaled.emit()


def nearest_sample(distance: NDArray[np.float64], at: float) -> int:
    """The place of the sample that is nearest to a distance."""
    right = int(np.searchsorted(distance, at).clip(0, len(distance) - 1))
    left = max(right - 1, 0)
    return left if at - distance[left] < distance[right] - at else right


def _pen(color: QColor, width: float, dashes: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen whose width is in pixels of the screen, not in metres of the plot."""
    pen = QPen(color, width, dashes)
    pen.setCosmetic(True)
    return pen

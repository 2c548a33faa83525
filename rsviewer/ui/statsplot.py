"""The plot of the statistics: histograms, bars, points and densities, and what the mouse selects in them.

Needs pyqtgraph, which takes 0.2 s to import: made when it is first wanted.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsItem,
    QGraphicsPathItem,
    QStyleOptionGraphicsItem,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.statistics import ALL, OTHERS, Bars, Cells, Histogram, Pairs
from rsviewer.ui.drawnshape import LEAST, simplified
from rsviewer.ui.profileplot import COLORS, load
from rsviewer.ui.theme import Theme, rgb

SMALL = 11
EXTRA = {"dark": ("#9b8cff", "#c2c2c2"), "light": ("#5a45c8", "#4d4d4d")}
"""Two more colours, for the seventh and eighth kind."""
FEW = 6.0
"""Below that an axis of tiles would have lines between whole numbers."""
BAR_ROOM = 15
"""Logical pixels that a bar with its name needs."""
BAR = 0.8
"""Share of its line that a bar takes."""
THIN = 0.45
POINT, SMALL_POINT = 5, 3
MANY = 4000
"""More points than that are small ones."""
NEAR = 8.0
"""Pixels from a point within which a click means it."""
DENSITY = "viridis"
ROOM = 1.05


def kind_color(number: int, name: str, theme: Theme) -> QColor:
    """The colour of the n-th kind: `ALL` and `OTHERS` are grey."""
    if name in (ALL, OTHERS):
        return QColor(theme.dim)
    colors = (*COLORS[theme.name], *EXTRA[theme.name])
    return QColor(colors[number % len(colors)])


class StatisticsPlot(QWidget):
    """Draws counts. Dragging selects: a range of a histogram, a lasso among points. Wheel and right button zoom.

    Args:
        theme: colours.
        tables: name of a colour table -> (256, 3).

    Signals:
        ranged: a range of the axis below was drawn.
        drawn: a lasso was drawn; carries its corners in the units of the axes.
        picked: a bar was clicked; carries its number.
        opened: a point was clicked; carries the place of its tile in the dataset.
    """

    ranged = Signal(float, float)
    drawn = Signal(list)
    picked = Signal(int)
    opened = Signal(int)

    def __init__(self, theme: Theme, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pg: Any = load()
        self._theme = theme
        self._tables = tables
        self._items: list[Any] = []
        self._shown: Histogram | Bars | Pairs | None = None
        self._stacked = False
        self._pressed: QPointF | None = None
        self._path: list[QPointF] = []
        self._view = self._pg.GraphicsView(self)
        self._box = self._pg.ViewBox(enableMenu=False)
        self._left = self._pg.AxisItem("left")
        self._below = self._pg.AxisItem("bottom")
        self._selection = QGraphicsPathItem()
        self._refit = QTimer(self, singleShot=True, interval=0)  # once the layout has followed
        self._refit.timeout.connect(self.fit)
        self._build()
        self.set_theme(theme)

    def _build(self) -> None:
        layout = self._pg.GraphicsLayout()
        layout.setContentsMargins(2, 6, 12, 2)
        layout.setSpacing(0)
        layout.addItem(self._left, 0, 0)
        layout.addItem(self._box, 0, 1)
        layout.addItem(self._below, 1, 1)
        self._view.setCentralItem(layout)
        self._view.setFrameShape(QFrame.Shape.NoFrame)
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view.viewport().installEventFilter(self)
        font = QFont(self.font())
        font.setPixelSize(SMALL)
        for axis in (self._left, self._below):
            axis.linkToView(self._box)
            axis.enableAutoSIPrefix(enable=False)
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=1)
            axis.label.setFont(font)
            axis.setZValue(-1000)  # its grid lies behind what is plotted
        self._selection.setZValue(100)
        self._view.scene().addItem(self._selection)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    def sizeHint(self) -> QSize:
        """The panes have most of the room."""
        return QSize(400, 240)

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(100, 60)

    # --- what is shown

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self._theme = theme
        self._view.setBackground(theme.field)
        for axis in (self._left, self._below):
            axis.setPen(QPen(theme.line))
            axis.setTextPen(QPen(theme.dim))
        pen = QPen(theme.accent, 1.5, Qt.PenStyle.DashLine)
        self._selection.setPen(pen)
        fill = QColor(theme.accent)
        fill.setAlpha(48)
        self._selection.setBrush(fill)
        if self._shown is not None:
            self.show_counts(self._shown, stacked=self._stacked)

    def show_counts(self, counts: Histogram | Bars | Pairs, *, stacked: bool) -> None:
        """Shows something else, from edge to edge."""
        for item in self._items:
            self._box.removeItem(item)
        self._items = []
        self._shown, self._stacked = counts, stacked
        self._selection.setPath(QPainterPath())
        self._left.setTicks(None)
        self._left.setStyle(tickLength=-4)
        self._box.invertY(False)
        for axis in (self._left, self._below):
            axis.setTickSpacing()
        match counts:
            case Histogram():
                self._show_histogram(counts, stacked=stacked)
            case Bars():
                self._show_bars(counts)
            case Pairs():
                self._show_pairs(counts)
        self._count_in_whole_tiles()
        self.fit()

    def _count_in_whole_tiles(self) -> None:
        """There are no halves of a tile."""
        _, right, _, high = self._extent()
        match self._shown:
            case Histogram() if high < FEW:
                self._left.setTickSpacing(1.0, 1.0)
            case Bars(unit="tiles") if right < FEW:
                self._below.setTickSpacing(1.0, 1.0)
            case _:
                pass

    def fit(self) -> None:
        """Shows all; of bars as many as there is room for, and the wheel brings the others."""
        left, right, low, high = self._extent()
        self._box.setLimits(xMin=left, xMax=right, yMin=low, yMax=high)
        if isinstance(self._shown, Bars):
            high = min(high, low + self._bars_with_room)
        self._box.setRange(xRange=(left, right), yRange=(low, high), padding=0)

    @property
    def _bars_with_room(self) -> int:
        """So many names do not overlap."""
        return max(1, int(self.height() - self._below.height()) // BAR_ROOM)

    @property
    def bars_in_sight(self) -> tuple[int, int]:
        """The first bar in sight, and how many are."""
        low, high = self.shown_range[1]
        return round(low + 0.5), round(high - low)

    def scroll_bars(self, by: int) -> None:
        """Brings other bars into sight, so many further down."""
        _, _, first, last = self._extent()
        low, high = self.shown_range[1]
        start = max(first, min(low + by, last - (high - low)))
        self._box.setRange(yRange=(start, start + high - low), padding=0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """There is room for more bars, or for fewer."""
        super().resizeEvent(event)
        if isinstance(self._shown, Bars):
            self._refit.start()

    def _extent(self) -> tuple[float, float, float, float]:
        match self._shown:
            case Histogram(edges=edges, series=series) if len(edges):
                summed = sum((each.counts for each in series), np.zeros(len(edges) - 1))
                tallest = summed if self._stacked else np.max([each.counts for each in series], axis=0)
                return float(edges[0]), float(edges[-1]), 0.0, max(1.0, float(tallest.max()) * ROOM)
            case Bars(names=names, series=series) if names:
                summed = sum((each.counts for each in series), np.zeros(len(names)))
                longest = np.max([each.counts for each in series], axis=0) if _overlaps(self._shown) else summed
                return 0.0, max(1.0, float(longest.max()) * ROOM), -0.5, len(names) - 0.5
            case Pairs(extent=(x0, y0, x1, y1)):
                return x0, x1, y0, y1
            case _:
                return 0.0, 1.0, 0.0, 1.0

    def _show_histogram(self, counts: Histogram, *, stacked: bool) -> None:
        self._label(counts.title, "tiles")
        self._left.setGrid(96)
        self._below.setGrid(False)
        lower = np.zeros(max(0, len(counts.edges) - 1))
        number = 0
        for each in counts.series:
            color = kind_color(number, each.name, self._theme)
            number += each.name != ALL
            if stacked:
                item = self._bars(counts.edges, lower, each.counts, color)
                lower = lower + each.counts
            else:
                item = self._pg.PlotCurveItem(
                    counts.edges,
                    each.counts.astype(np.float64),
                    stepMode="center",
                    pen=_pen(color, 1.5),
                    fillLevel=0,
                    brush=_faint(color, 90 if len(counts.series) < 3 else 28),
                )
            self._add(item)

    def _bars(
        self,
        edges: NDArray[np.float64],
        lower: NDArray[np.float64],
        counts: NDArray[np.int64] | NDArray[np.float64],
        color: QColor,
    ) -> Any:
        return self._pg.BarGraphItem(
            x0=edges[:-1], x1=edges[1:], y0=lower, height=counts, brush=QBrush(color), pen=_pen(self._theme.field, 0.5)
        )

    def _show_bars(self, counts: Bars) -> None:
        self._label(counts.unit, "")
        self._box.invertY(True)
        self._left.setGrid(False)
        self._left.setStyle(tickLength=0)
        self._below.setGrid(96)
        places = np.arange(len(counts.names), dtype=np.float64)
        self._left.setTicks([list(zip(places.tolist(), map(_short, counts.names), strict=True)), []])
        lower = np.zeros(len(places))
        overlaps = _overlaps(counts)
        for number, each in enumerate(counts.series):
            is_front = overlaps and number > 0
            color = kind_color(max(0, number - overlaps), each.name, self._theme)
            half = (THIN if is_front else BAR) / 2
            start = np.zeros(len(places)) if overlaps else lower
            item = self._pg.BarGraphItem(
                x0=start,
                width=each.counts.astype(np.float64),
                y0=places - half,
                y1=places + half,
                brush=QBrush(_faint(color, 130) if each.name == ALL and len(counts.series) > 1 else color),
                pen=_pen(self._theme.field, 0.5),
            )
            lower = lower + each.counts
            self._add(item)

    def _show_pairs(self, pairs: Pairs) -> None:
        self._label(pairs.x_title, pairs.y_title)
        self._left.setGrid(64)
        self._below.setGrid(64)
        if pairs.behind is not None:
            self._add(_Density(pairs.behind, _greys(self._theme)))
        if pairs.cells is not None:
            self._add(_Density(pairs.cells, self._tables(DENSITY)))
        points = pairs.points
        if points is None:
            return
        size = POINT if len(points.x) <= MANY else SMALL_POINT
        for kind in range(-1, max(1, len(points.names))):
            there = points.kinds == kind
            if not there.any():
                continue
            name = ALL if kind < 0 else points.names[kind] if points.names else ""
            color = kind_color(max(kind, 0), name, self._theme)
            color.setAlpha(70 if kind < 0 else 190)
            item = self._pg.ScatterPlotItem(
                x=points.x[there], y=points.y[there], size=size, pen=None, brush=QBrush(color), pxMode=True
            )
            self._add(item)

    def _label(self, below: str, left: str) -> None:
        self._below.setLabel(escape(_short(below, 80)))  # HTML there, and names come from strangers
        self._left.setLabel(escape(_short(left, 60)))
        self._left.showLabel(bool(left))

    def _add(self, item: Any) -> None:
        self._box.addItem(item, ignoreBounds=True)
        self._items.append(item)

    # --- what can be asked

    @property
    def shown_range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ends of the axis below, and of the left one."""
        (left, right), (low, high) = self._box.viewRange()
        return (float(left), float(right)), (float(low), float(high))

    def point_of(self, x: float, y: float) -> QPointF:
        """Where a point of the plot lies in the plot's viewport."""
        return QPointF(self._view.mapFromScene(self._box.mapViewToScene(QPointF(x, y))))

    @property
    def viewport(self) -> QWidget:
        """What the mouse acts on."""
        viewport: QWidget = self._view.viewport()
        return viewport

    # --- the mouse

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The left button selects, the wheel brings other bars; all else is pyqtgraph's."""
        if isinstance(event, QWheelEvent) and isinstance(self._shown, Bars):
            if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self.scroll_bars(-int(np.sign(event.angleDelta().y())))
                return True
            return super().eventFilter(watched, event)
        if not isinstance(event, QMouseEvent) or self._shown is None:
            return super().eventFilter(watched, event)
        left = Qt.MouseButton.LeftButton
        kind = event.type()
        if kind is QEvent.Type.MouseButtonPress and event.button() is left:
            at = event.position()
            if self._box.sceneBoundingRect().contains(self._scene(at)):
                self._pressed, self._path = at, [at]
            return True
        if kind is QEvent.Type.MouseMove and self._pressed is not None:
            self._path.append(event.position())
            self._draw_selection()
            return True
        if kind is QEvent.Type.MouseButtonRelease and event.button() is left and self._pressed is not None:
            path, self._pressed = self._path, None
            self._path = []
            self._selected([*path, event.position()])
            return True
        if kind is QEvent.Type.MouseButtonDblClick and event.button() is left:
            self.fit()
            return True
        return super().eventFilter(watched, event)

    def _scene(self, at: QPointF) -> QPointF:
        return QPointF(self._view.mapToScene(at.toPoint()))

    def _value(self, at: QPointF) -> QPointF:
        return QPointF(self._box.mapSceneToView(self._scene(at)))

    def _draw_selection(self) -> None:
        shape = QPainterPath()
        if isinstance(self._shown, Histogram):
            frame = self._box.sceneBoundingRect()
            first, last = self._scene(self._path[0]).x(), self._scene(self._path[-1]).x()
            left, right = (min(max(x, frame.left()), frame.right()) for x in sorted((first, last)))
            shape.addRect(QRectF(left, frame.top(), right - left, frame.height()))
        elif isinstance(self._shown, Pairs):
            shape.moveTo(self._scene(self._path[0]))
            for at in self._path[1:]:
                shape.lineTo(self._scene(at))
            shape.closeSubpath()
        self._selection.setPath(shape)

    def _selected(self, path: Sequence[QPointF]) -> None:
        first, last = path[0], path[-1]
        is_click = max(max(abs(at.x() - first.x()), abs(at.y() - first.y())) for at in path) < LEAST
        match self._shown:
            case Histogram(edges=edges, series=series) if len(edges):
                ends = sorted((self._value(first).x(), self._value(last).x()))
                low, high = (min(max(end, float(edges[0])), float(edges[-1])) for end in ends)
                if is_click:
                    place = int(np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(edges) - 2))
                    low, high = float(edges[place]), float(edges[place + 1])
                    if not any(each.counts[place] for each in series):
                        return
                self.ranged.emit(low, high)
            case Bars(names=names):
                at = self._value(last)
                place = math.floor(at.y() + 0.5)
                if is_click and 0 <= place < len(names):
                    self.picked.emit(place)
            case Pairs() if is_click:
                self._click(first)
            case Pairs():
                corners = simplified([(at.x(), at.y()) for at in path])
                if corners:
                    values = [self._value_exactly(x, y) for x, y in corners]
                    self.drawn.emit(values)
                else:
                    self._selection.setPath(QPainterPath())

    def _value_exactly(self, x: float, y: float) -> tuple[float, float]:
        transform = self._view.viewportTransform().inverted()[0]
        at = QPointF(self._box.mapSceneToView(transform.map(QPointF(x, y))))
        return at.x(), at.y()

    def _click(self, at: QPointF) -> None:
        """Opens the tile of the nearest point."""
        points = self._shown.points if isinstance(self._shown, Pairs) else None
        if points is None or not len(points.x):
            return
        across, up = self._box.viewPixelSize()
        here = self._value(at)
        far = np.hypot((points.x - here.x()) / (across or 1), (points.y - here.y()) / (up or 1))
        far = np.where(points.kinds < 0, far + NEAR / 2, far)
        nearest = int(np.argmin(far))
        if far[nearest] <= NEAR:
            self.opened.emit(int(points.ordinals[nearest]))


class _Density(QGraphicsItem):
    """Counts on a grid as colours: the logarithm, since few cells have most of the tiles. Cells without tiles are clear."""

    def __init__(self, cells: Cells, table: NDArray[np.uint8]) -> None:
        super().__init__()
        x0, y0, x1, y1 = cells.extent
        self._rect = QRectF(x0, y0, x1 - x0, y1 - y0)
        share = np.log1p(cells.counts) / max(1e-9, math.log1p(float(cells.counts.max(initial=0))))
        places = np.clip(share * 255, 0, 255).astype(np.uint8)
        pixels = np.zeros((*cells.counts.shape, 4), np.uint8)
        pixels[..., :3] = table[places]
        pixels[..., 3] = np.where(cells.counts > 0, 255, 0)
        self._pixels = np.ascontiguousarray(pixels)
        rows, columns = cells.counts.shape
        self._image = QImage(self._pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)

    def boundingRect(self) -> QRectF:
        """The grid."""
        return self._rect

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Row 0 is the lowest, and the axis points up: so the image stands as it is."""
        painter.drawImage(self._rect, self._image)


def _overlaps(counts: object) -> bool:
    """Whether the bars stand in front of each other, as parts of the same: all, and those of the filter."""
    return isinstance(counts, Bars) and bool(counts.series) and counts.series[0].name == ALL


def _greys(theme: Theme) -> NDArray[np.uint8]:
    """From the background to the dim text."""
    ends = np.array([rgb(theme.line), rgb(theme.dim)], np.float64)
    return np.linspace(ends[0], ends[1], 256).astype(np.uint8)


def _faint(color: QColor, alpha: int) -> QColor:
    faint = QColor(color)
    faint.setAlpha(alpha)
    return faint


def _pen(color: QColor, width: float) -> QPen:
    pen = QPen(color, width)
    pen.setCosmetic(True)
    return pen


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

"""The map: the outline of the land, and on it tiles as footprints or, where they are many, as a density.

Longitude and latitude are drawn as they are, with a degree of latitude as tall as one of longitude is wide in the middle of
the map.
"""

import json
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from rsviewer.core.render import nice_ticks
from rsviewer.core.statistics import OTHERS, Cells, Places
from rsviewer.data.resources import resource_path
from rsviewer.ui.drawnshape import LEAST, simplified
from rsviewer.ui.painting import painting
from rsviewer.ui.statsplot import kind_color
from rsviewer.ui.theme import DARK, Theme, rgb

CELL = 4
"""Logical pixels a side of a cell of the density."""
SMALLEST = 5.0
"""Logical pixels a side that a footprint has at least, so that it can be seen and hit."""
CLOSEST = 2_000_000.0
"""Pixels a degree: a pixel is then about 5 cm."""
STEP = 1.25
SMALL = 11
LEAST_CORNERS = 4
BEYOND = 0.01
"""So much of the map's size beyond its borders land is cut off: the cut is not to be seen."""
SCALE_COLORS = "viridis"


@lru_cache(maxsize=1)
def outline() -> tuple[QPainterPath, str]:
    """The land in degrees, latitude downwards, and where it is from. Natural Earth 1:110m, public domain."""
    rings, source = _outline()
    path = QPainterPath()
    for ring in rings:
        path.addPolygon(QPolygonF([QPointF(x, -y) for x, y in ring.tolist()]))
        path.closeSubpath()
    return path, source


@lru_cache(maxsize=1)
def _outline() -> tuple[list[NDArray[np.float64]], str]:
    """(n, 2) longitudes and latitudes of each ring, and where they are from."""
    content = json.loads(resource_path("world.json").read_text("utf-8"))
    step = float(content["step"])
    return [np.array(ring, np.float64).reshape(-1, 2) * step for ring in content["rings"]], str(content["source"])


@lru_cache(maxsize=1)
def _land() -> NDArray[np.object_]:
    """The rings as polygons, seas within the land among them."""
    rings = [shapely.linearrings(ring) for ring in _outline()[0] if len(ring) >= LEAST_CORNERS]
    return np.asarray(shapely.polygons(rings), object)


def land_within(west: float, south: float, east: float, north: float) -> list[NDArray[np.float64]]:
    """(n, 2) corners of what of the land lies in a part of the map; what overlaps another ring is sea.

    Cut off at the borders: a coast a thousand times as wide as the widget is drawn neither quickly nor rightly.
    """
    untyped: Any = shapely
    found: list[NDArray[np.float64]] = []
    for turn in (-360.0, 0.0, 360.0):
        parts = untyped.get_parts(untyped.clip_by_rect(_land(), west - turn, south, east - turn, north))
        parts = parts[untyped.get_type_id(parts) == shapely.GeometryType.POLYGON]
        moved = np.array([turn, 0.0])
        found += [untyped.get_coordinates(each) + moved for each in untyped.get_exterior_ring(parts)]
    return found


class MapView(QWidget):
    """Draws places. The wheel zooms, dragging moves, with Ctrl draws a box, with Shift a lasso; a click opens the tile.

    Args:
        tables: name of a colour table -> (256, 3).

    Signals:
        moved: another part of the Earth is in sight.
        opened: a footprint was clicked; carries the place of its tile in the dataset.
        drawn: a lasso or a box was drawn; carries its corners, longitude and latitude.
    """

    moved = Signal()
    opened = Signal(int)
    drawn = Signal(list)

    def __init__(self, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tables = tables
        self._theme: Theme = DARK
        self._places: Places | None = None
        self._middle = QPointF(0.0, 10.0)
        self._scale = 0.0
        """Pixels a degree of latitude; 0 before anything was shown."""
        self._pressed: QPointF | None = None
        self._last = QPointF()
        self._path: list[QPointF] = []
        self._is_box = False
        self.lasso = False
        """Dragging draws, with or without Shift."""
        self.current: int | None = None
        """The place in the dataset of the tile that is marked."""
        font = QFont(self.font())
        font.setPixelSize(SMALL)
        self.setFont(font)
        self.setMinimumSize(80, 60)

    def sizeHint(self) -> QSize:
        """The panes have most of the room."""
        return QSize(480, 260)

    # --- what is shown

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self._theme = theme
        self.update()

    def show_places(self, places: Places | None) -> None:
        """Shows other tiles; the first ones bring the map to them."""
        self._places = places
        if places is not None and places.extent is not None and not self._scale:
            self.fit()
        self.update()

    def forget(self) -> None:
        """Another dataset: the map goes to where that lies."""
        self._places, self._scale, self.current = None, 0.0, None
        self.update()

    def fit(self) -> None:
        """Brings all tiles into sight."""
        extent = None if self._places is None else self._places.extent
        if extent is None:
            return
        west, south, east, north = extent
        self._middle = QPointF((west + east) / 2, (south + north) / 2)
        across = max((east - west) * self._squeeze, 1e-7)
        room = 0.9 * min(self.width() / across, self.height() / max(north - south, 1e-7))
        self._scale = min(max(room, self._least_scale), CLOSEST)
        self._tell()

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """(west, south, east, north) in sight; None before there is anything to see."""
        if not self._scale:
            return None
        first, last = self.degrees_at(QPointF(0, self.height())), self.degrees_at(QPointF(self.width(), 0))
        return first.x(), first.y(), last.x(), last.y()

    @property
    def grid(self) -> tuple[int, int]:
        """(columns, rows) of the cells that a density has."""
        return max(1, self.width() // CELL), max(1, self.height() // CELL)

    @property
    def _least_scale(self) -> float:
        """At which the whole Earth is in sight, once."""
        return min(self.width() / 420, self.height() / 180)

    @property
    def _squeeze(self) -> float:
        """How much narrower than tall a degree is here."""
        return max(0.2, math.cos(math.radians(min(abs(self._middle.y()), 80.0))))

    def degrees_at(self, at: QPointF) -> QPointF:
        """Longitude and latitude at a pixel."""
        scale = self._scale or 1.0
        x = self._middle.x() + (at.x() - self.width() / 2) / (scale * self._squeeze)
        return QPointF(x, self._middle.y() - (at.y() - self.height() / 2) / scale)

    def pixel_of(self, longitude: float, latitude: float) -> QPointF:
        """Where a place lies in this widget."""
        scale = self._scale or 1.0
        x = self.width() / 2 + (longitude - self._middle.x()) * scale * self._squeeze
        return QPointF(x, self.height() / 2 - (latitude - self._middle.y()) * scale)

    # --- drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        """Sea, land, lines, tiles, degrees, selection."""
        theme = self._theme
        with painting(self) as painter:
            painter.fillRect(self.rect(), theme.field)
            if not self._scale:
                return
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw_land(painter)
            self._draw_grid(painter)
            if self._places is not None:
                self._draw_places(painter, self._places)
                if self._places.cells is not None:  # which hide it
                    self._draw_land(painter, filled=False)
            self._draw_degrees(painter)
            if len(self._path) > 1:
                shape = QPainterPath()
                shape.addPolygon(QPolygonF(self._corners))
                shape.closeSubpath()
                fill = QColor(theme.accent)
                fill.setAlpha(48)
                painter.setPen(QPen(theme.accent, 1.5, Qt.PenStyle.DashLine))
                painter.fillPath(shape, fill)
                painter.drawPath(shape)

    def _draw_land(self, painter: QPainter, *, filled: bool = True) -> None:
        """The land, or only its coast and borders."""
        bounds = self.bounds
        if bounds is None:
            return
        west, south, east, north = bounds
        across, up = (east - west) * BEYOND, (north - south) * BEYOND
        path = QPainterPath()
        for ring in land_within(west - across, south - up, east + across, north + up):
            path.addPolygon(QPolygonF([self.pixel_of(x, y) for x, y in ring.tolist()]))
            path.closeSubpath()
        painter.save()
        painter.setClipRect(self.rect())
        painter.setPen(QPen(self._theme.line, 1))
        painter.setBrush(self._theme.head if filled else Qt.BrushStyle.NoBrush)
        painter.drawPath(path)
        painter.restore()

    def _ticks(self) -> tuple[list[float], list[float]]:
        """Round longitudes and latitudes in sight."""
        if self.bounds is None:
            return [], []
        west, south, east, north = self.bounds
        across = nice_ticks(west, east, max(2, self.width() // 110))
        return list(across), list(nice_ticks(max(south, -90.0), min(north, 90.0), max(2, self.height() // 70)))

    def _draw_grid(self, painter: QPainter) -> None:
        line = QColor(self._theme.line)
        line.setAlpha(110)
        painter.setPen(line)
        longitudes, latitudes = self._ticks()
        for x in (self.pixel_of(each, 0).x() for each in longitudes):
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        for y in (self.pixel_of(0, each).y() for each in latitudes):
            painter.drawLine(QPointF(0, y), QPointF(self.width(), y))

    def _draw_degrees(self, painter: QPainter) -> None:
        """The numbers at the lines, over the tiles. Where one would be cut off it is left out."""
        metrics = painter.fontMetrics()
        below = self.height() - metrics.height() - 2
        longitudes, latitudes = self._ticks()
        for longitude in longitudes:
            turned = (longitude + 180) % 360 - 180
            words = f"{abs(turned):.6g}°{_side(turned, 'W', 'E')}"
            left = self.pixel_of(longitude, 0).x() + 3
            if left + metrics.horizontalAdvance(words) < self.width():
                self._draw_words(painter, QPointF(left, self.height() - 4), words)
        for latitude in latitudes:
            bottom = self.pixel_of(0, latitude).y() - 3
            if metrics.height() < bottom < below:
                self._draw_words(painter, QPointF(4, bottom), f"{abs(latitude):.6g}°{_side(latitude, 'S', 'N')}")

    def _draw_words(self, painter: QPainter, at: QPointF, words: str) -> None:
        """With a rim, so that they can be read on tiles of any colour."""
        shape = QPainterPath()
        shape.addText(at, self.font(), words)
        painter.strokePath(shape, QPen(self._theme.field, 3))
        painter.fillPath(shape, self._theme.text)

    def _draw_places(self, painter: QPainter, places: Places) -> None:
        if places.behind is not None:
            self._draw_cells(painter, places.behind, None, places)
        if places.cells is not None:
            self._draw_cells(painter, places.cells, places.means, places, in_color=True)
        table = self._tables(SCALE_COLORS)
        span = places.high - places.low
        chosen: QRectF | None = None
        for k, box in enumerate(places.boxes):
            rect = self._rect(box)
            value = float(places.values[k])
            if not places.kept[k] or math.isnan(value):
                color = QColor(self._theme.dim)
            elif places.names:
                name = places.names[int(value)] if value < len(places.names) else OTHERS
                color = kind_color(int(value), name, self._theme)
            elif math.isnan(span):
                color = QColor(self._theme.accent)
            else:
                share = (value - places.low) / span if span > 0 else 0.5
                color = QColor(*table[int(np.clip(share * 255, 0, 255))].tolist())
            painter.setPen(QPen(color, 1))
            fill = QColor(color)
            fill.setAlpha(170 if places.kept[k] else 50)
            painter.setBrush(fill)
            painter.drawRect(rect)
            if self.current is not None and int(places.ordinals[k]) == self.current:
                chosen = rect
        if chosen is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self._theme.text, 2))
            painter.drawRect(chosen.adjusted(-3, -3, 3, 3))

    def _rect(self, box: NDArray[np.float64]) -> QRectF:
        """A footprint in pixels, large enough to be seen."""
        west, south, east, north = box.tolist()
        rect = QRectF(self.pixel_of(west, north), self.pixel_of(east, south))
        grow = max(0.0, SMALLEST - rect.width()) / 2, max(0.0, SMALLEST - rect.height()) / 2
        return rect.adjusted(-grow[0], -grow[1], grow[0], grow[1])

    def _draw_cells(
        self,
        painter: QPainter,
        cells: Cells,
        means: NDArray[np.float64] | None,
        places: Places,
        *,
        in_color: bool = False,
    ) -> None:
        counts = cells.counts
        share = np.log1p(counts) / max(1e-9, math.log1p(float(counts.max(initial=0))))
        if means is not None and places.high > places.low:
            share = np.nan_to_num((means - places.low) / (places.high - places.low))
        if in_color:
            table = self._tables(SCALE_COLORS)
        else:
            table = np.linspace(rgb(self._theme.line), rgb(self._theme.dim), 256).astype(np.uint8)
        pixels = np.zeros((*counts.shape, 4), np.uint8)
        pixels[..., :3] = table[np.clip(share * 255, 0, 255).astype(np.uint8)]
        pixels[..., 3] = np.where(counts > 0, 235, 0)
        pixels = np.ascontiguousarray(pixels[::-1])
        rows, columns = counts.shape
        image = QImage(pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        west, south, east, north = cells.extent
        painter.drawImage(QRectF(self.pixel_of(west, north), self.pixel_of(east, south)), image)

    # --- the mouse

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms about the place under the mouse."""
        self.zoom(STEP ** (event.angleDelta().y() / 120), event.position())
        event.accept()

    def zoom(self, factor: float, at: QPointF) -> None:
        """Magnifies about a pixel."""
        before = self.degrees_at(at)
        self._scale = min(max(self._scale * factor, self._least_scale), CLOSEST)
        after = self.degrees_at(at)
        self._middle += before - after
        self._tell()

    def _tell(self) -> None:
        x = (self._middle.x() + 540) % 360 - 180 if abs(self._middle.x()) > 200 else self._middle.x()
        self._middle = QPointF(x, min(max(self._middle.y(), -85.0), 85.0))
        self.update()
        self.moved.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begins to move or to draw."""
        if event.button() is Qt.MouseButton.LeftButton and self._scale:
            self._pressed = self._last = event.position()
            self._is_box = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            draws = self.lasso or self._is_box or bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._path = [event.position()] if draws else []

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Moves or draws."""
        if self._pressed is None:
            return
        if self._path:
            self._path.append(event.position())
            self.update()
        else:
            step = event.position() - self._last
            self._middle -= QPointF(step.x() / (self._scale * self._squeeze), -step.y() / self._scale)
            self._tell()
        self._last = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """What was drawn is taken; what was clicked is opened."""
        if self._pressed is None:
            return
        moved = event.position() - self._pressed
        self._pressed = None
        path, self._path = self._path, []
        self.update()
        if max(abs(moved.x()), abs(moved.y())) < LEAST and len(path) < 5:
            self._click(event.position())
        elif path:
            drawn = self._corners_of(path)
            corners = [self.degrees_at(QPointF(x, y)) for x, y in simplified([(at.x(), at.y()) for at in drawn])]
            if corners:
                self.drawn.emit([(at.x(), at.y()) for at in corners])

    @property
    def _corners(self) -> list[QPointF]:
        """Of what is being drawn."""
        return self._corners_of(self._path)

    def _corners_of(self, path: list[QPointF]) -> list[QPointF]:
        """A box from the first to the last point of the mouse's way, or the way itself."""
        if not self._is_box:
            return path
        first, last = path[0], path[-1]
        return [first, QPointF(last.x(), first.y()), last, QPointF(first.x(), last.y())]

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """All tiles again."""
        self.fit()

    def _click(self, at: QPointF) -> None:
        """Opens the topmost footprint there."""
        places = self._places
        if places is None:
            return
        for k in reversed(range(len(places.boxes))):
            if self._rect(places.boxes[k]).contains(at):
                self.opened.emit(int(places.ordinals[k]))
                return


def _side(degrees: float, negative: str, positive: str) -> str:
    """A letter for the half of the Earth; none on the line between them."""
    return f" {negative if degrees < 0 else positive}" if degrees else ""

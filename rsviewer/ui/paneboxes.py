"""Where each pane and its parts lie in the canvas, and how tile pixels become screen points. Arithmetic only."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF

from rsviewer.core.scene import COARSEST_ZOOM, FINEST_ZOOM, Frame, Pane, Scene, View, fit_zoom, grid
from rsviewer.core.tile import LayerKind

GAP = 4
HEAD = 24
FOOT = 36
SMALLEST = 60
NARROWEST, WIDEST, TEXT_SHARE = 220, 480, 0.34
"""Of the column of texts beside pictures: at least and at most, and its part of the width."""


@dataclass(frozen=True, slots=True)
class PaneBox:
    """The rectangles of one pane, in logical pixels of the canvas."""

    pane: Pane
    outer: QRect
    head: QRect
    image: QRect
    foot: QRect


@dataclass(frozen=True, slots=True)
class Mapping:
    """Tile pixels <-> screen points of one pane."""

    zoom: float
    left: float
    top: float

    def to_screen(self, x: float, y: float) -> QPointF:
        """Screen point of a point in tile pixels."""
        return QPointF(self.left + x * self.zoom, self.top + y * self.zoom)

    def to_tile(self, point: QPointF) -> tuple[float, float]:
        """Tile pixels of a screen point."""
        return (point.x() - self.left) / self.zoom, (point.y() - self.top) / self.zoom

    def rect(self, x: float, y: float, width: float, height: float) -> QRectF:
        """Screen rectangle of a rectangle in tile pixels."""
        return QRectF(self.left + x * self.zoom, self.top + y * self.zoom, width * self.zoom, height * self.zoom)


def boxes(scene: Scene, width: int, height: int) -> list[PaneBox]:
    """Lays the panes out: one tile in the grid that shows it largest, a stack with one row a tile.

    Texts of one tile stand in a column beside its pictures, which stay as large where one tile has a text more.
    """
    rows = _rows(scene)
    if not rows:
        return []
    has_feet = _has_feet(scene)
    if len(rows) > 1:
        return _laid_out(rows, QRect(0, 0, width, height), has_feet=has_feet)
    texts = tuple(pane for pane in rows[0] if pane.spec.kind is LayerKind.TEXT)
    pictures = tuple(pane for pane in rows[0] if pane.spec.kind is not LayerKind.TEXT)
    column = min(max(round(TEXT_SHARE * width), NARROWEST), WIDEST)
    if not texts or not pictures or column > width / 2:
        return _laid_out(
            _in_grid(rows[0], width, height, has_feet=has_feet), QRect(0, 0, width, height), has_feet=has_feet
        )
    left = QRect(0, 0, width - column + GAP, height)  # the two share the gap between them
    right = QRect(width - column, 0, column, height)
    in_grid = _in_grid(pictures, left.width(), height, has_feet=has_feet)
    return [
        *_laid_out(in_grid, left, has_feet=has_feet),
        *_laid_out([(pane,) for pane in texts], right, has_feet=False),
    ]


def _in_grid(panes: tuple[Pane, ...], width: int, height: int, *, has_feet: bool) -> list[tuple[Pane, ...]]:
    frame = next((pane.frame for pane in panes if pane.frame is not None), None)
    aspect = frame.width / frame.height if frame else 1.0
    feet = HEAD + (FOOT if has_feet else 0)
    count, columns = grid(len(panes), width, max(height - feet, 1), min(max(aspect, 0.25), 4.0))
    return [panes[row * columns : (row + 1) * columns] for row in range(count)]


def _laid_out(rows: list[tuple[Pane, ...]], room: QRect, *, has_feet: bool) -> list[PaneBox]:
    columns = max(len(row) for row in rows)
    foot = FOOT if has_feet and room.height() / len(rows) > HEAD + FOOT + SMALLEST else 0
    placed = []
    for row, panes in enumerate(rows):
        top, bottom = _share(row, len(rows), room.height()), _share(row + 1, len(rows), room.height())
        for column, pane in enumerate(panes):
            left, right = _share(column, columns, room.width()), _share(column + 1, columns, room.width())
            placed.append(_box(pane, QRect(room.left() + left, top, right - left - GAP, bottom - top - GAP), foot))
    return placed


def mapping(box: PaneBox, view: View, frame: Frame) -> Mapping:
    """How a pane shows its tile in a view. Some of the tile is always in the middle, wherever the view came from."""
    image = QRectF(box.image)
    zoom = fit_zoom(frame, image.width(), image.height()) if view.zoom is None else view.zoom
    x, y = on_tile(view.center, frame) if view.center is not None else (frame.width / 2, frame.height / 2)
    left, top = image.center().x() - x * zoom, image.center().y() - y * zoom
    if zoom >= 1 or view.center is None:
        left, top = round(left), round(top)  # whole pixels stay sharp
    return Mapping(zoom, left, top)


def zoomed(box: PaneBox, view: View, frame: Frame, factor: float, at: QPointF | None) -> View:
    """The view after zooming by `factor` with the tile pixel under `at` (or the middle) staying where it is."""
    now = mapping(box, view, frame)
    middle = QRectF(box.image).center()
    fixed = at if at is not None else middle
    smallest = min(fit_zoom(frame, box.image.width(), box.image.height()) / 4, 1.0)
    zoom = min(max(now.zoom * factor, smallest, COARSEST_ZOOM), FINEST_ZOOM)
    x, y = now.to_tile(fixed)
    center = (x + (middle.x() - fixed.x()) / zoom, y + (middle.y() - fixed.y()) / zoom)
    return View(center, zoom)


def panned(box: PaneBox, view: View, frame: Frame, dx: float, dy: float) -> View:
    """The view after dragging by (dx, dy) screen points; the tile cannot be lost from sight."""
    now = mapping(box, view, frame)
    x, y = now.to_tile(QRectF(box.image).center())
    return View(on_tile((x - dx / now.zoom, y - dy / now.zoom), frame), now.zoom)


def on_tile(point: tuple[float, float], frame: Frame) -> tuple[float, float]:
    """The nearest point that lies on the tile, in tile pixels."""
    return min(max(point[0], 0.0), float(frame.width)), min(max(point[1], 0.0), float(frame.height))


def _rows(scene: Scene) -> list[tuple[Pane, ...]]:
    rows = [row for row in scene.rows if row]
    if not scene.maximised:
        return rows
    return [(next((pane for pane in row if pane.layer == scene.active), row[0]),) for row in rows]


def _has_feet(scene: Scene) -> bool:
    return any(pane.colorbar is not None or pane.legend for pane in scene.panes)


def _share(place: int, count: int, length: int) -> int:
    return GAP + round((length - GAP) * place / count)


def _box(pane: Pane, outer: QRect, foot: int) -> PaneBox:
    head = QRect(outer.left(), outer.top(), outer.width(), HEAD)
    image = QRect(outer.left(), outer.top() + HEAD, outer.width(), max(1, outer.height() - HEAD - foot))
    below = QRect(outer.left(), image.bottom() + 1, outer.width(), foot)
    return PaneBox(pane, outer, head, image, below)

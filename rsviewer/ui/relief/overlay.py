"""What is written over a picture of a tile in space: axes, the cursor's place, whose tile it is, what its colours mean."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QFontMetricsF, QPainter, QPainterPath, QPen, QPixmap

from rsviewer.core.axes import Axes, Label
from rsviewer.core.camera import project
from rsviewer.core.cloud import Cloud, surface_at
from rsviewer.core.drawing import Drawing, Part
from rsviewer.core.readout import number
from rsviewer.core.relief import Form, Relief, Together
from rsviewer.ui.panepainter import PanePainter, wrapping
from rsviewer.ui.theme import UNIT, Theme

LINE = 16
"""Of small text."""
RING = 5.0
HALO = 3.0
WORDS_KEPT = 400
"""So many words are kept as pictures: outlining them takes longer than all else here."""
ASIDE = 0.05
"""So far from its place, in world units, lies the point that says on which side of it a label stands."""
LABEL_GAP, TITLE_GAP = 6.0, 30.0
TITLE_SHARE = 0.3
"""Of the foot, at most, for what the colours show."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture on the screen, and where its parts lie.

    Attributes:
        drawing: what it shows.
        axes: around it; None where they are off.
        parts: of the drawing.
    """

    drawing: Drawing
    axes: Axes | None
    parts: tuple[Part, ...]

    def part_at(self, x: float) -> Part | None:
        """The part over a column of the picture."""
        return next((part for part in self.parts if part.left <= x < part.left + part.width), None)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the cursor is on a cloud, in the world.

    Attributes:
        top: at its height; on the floor where there is none.
        floor: below it.
        height: metres; None where there is none.
    """

    top: NDArray[np.float64]
    floor: NDArray[np.float64]
    height: float | None


def spot_at(drawing: Drawing, cloud: Cloud, column: int, row: int) -> Spot:
    """A place of a cloud's grid in the world."""
    relief, exaggeration = drawing.relief, drawing.style.exaggeration
    x = cloud.origin[0] + (column + 0.5) * cloud.step[0]
    y = cloud.origin[1] - (row + 0.5) * cloud.step[1]
    above = float(cloud.height[row, column])
    matrix = relief.matrix(cloud.base, exaggeration)
    there = math.isfinite(above)
    top = (matrix @ np.array([x, y, above if there else 0.0, 1.0]))[:3]
    floor = np.array([top[0], top[1], relief.bounds(exaggeration)[0][2]])
    return Spot(top if there else floor, floor, cloud.base + above if there else None)


def spot_under(drawing: Drawing, cloud: Cloud, form: Form, cursor: tuple[int, int]) -> Spot | None:
    """Where a pixel of the tile is on a cloud, in the world; None beside it.

    Its height is that of the cell under it. On a surface it stands where the pixel itself is, which may be finer.
    """
    cell = cell_under(cloud, *cursor)
    if cell is None:
        return None
    spot = spot_at(drawing, cloud, *cell)
    x, y = _on_grid(cloud, *cursor)
    above = surface_at(cloud, x, y)
    if form is not Form.SURFACE or spot.height is None or math.isnan(above):
        return spot
    matrix = drawing.relief.matrix(cloud.base, drawing.style.exaggeration)
    place = np.array([cloud.origin[0] + x * cloud.step[0], cloud.origin[1] - y * cloud.step[1], above, 1.0])
    top = (matrix @ place)[:3]
    return replace(spot, top=top, floor=np.array([*top[:2], spot.floor[2]]))


def cell_under(cloud: Cloud, column: int, row: int) -> tuple[int, int] | None:
    """The cell of a cloud's grid that lies under the middle of a tile pixel; None beside the cloud."""
    x, y = map(math.floor, _on_grid(cloud, column, row))
    return (x, y) if 0 <= x < cloud.columns and 0 <= y < cloud.rows else None


def _on_grid(cloud: Cloud, column: int, row: int) -> tuple[float, float]:
    """Where the middle of a tile pixel is on a cloud's grid, in which 0.5 is the middle of the first cell."""
    place = cloud.place
    return (
        (column + 0.5 - place.x) / place.width * cloud.columns,
        (row + 0.5 - place.y) / place.height * cloud.rows,
    )


class Overlay:
    """Writes in one theme.

    Args:
        theme: colours.
        font: of the tile's name.
        tables: name of a colour table -> (256, 3).
    """

    def __init__(self, theme: Theme, font: QFont, tables: Callable[[str], NDArray[np.uint8]]) -> None:
        self._theme = theme
        self._panes = PanePainter(theme, font, tables)
        self._font = QFont(font)
        self._bold = QFont(font)
        self._bold.setWeight(QFont.Weight.DemiBold)
        self._small = QFont(font)
        self._small.setPixelSize(11)
        self._words: dict[tuple[str, str, bool, float], QPixmap] = {}

    # --- in space

    def axes(self, painter: QPainter, room: QRectF, shot: Shot) -> None:
        """Numbers and names of the axes, in every part, where they hide neither each other nor leave the part."""
        if shot.axes is None:
            return
        labels = sorted(shot.axes.labels, key=lambda label: not label.is_title)
        places = np.array([label.position for label in labels], np.float64).reshape(-1, 3)
        aside = places + ASIDE * np.array([label.outward for label in labels], np.float64).reshape(-1, 3)
        for part in shot.parts:
            frame = _part_room(room, shot, part)
            at = _on_screen(part.matrix, places, frame)
            outside = _on_screen(part.matrix, aside, frame)
            taken: list[QRectF] = []
            painter.save()
            painter.setClipRect(frame)
            for label, point, other in zip(labels, at, outside, strict=True):
                self._label(painter, frame, label, point, other, taken)
            painter.restore()

    def _label(
        self,
        painter: QPainter,
        frame: QRectF,
        label: Label,
        point: NDArray[np.float64],
        other: NDArray[np.float64],
        taken: list[QRectF],
    ) -> None:
        if not (np.isfinite(point).all() and np.isfinite(other).all()):
            return
        way = (other - point)[:2]
        length = float(np.hypot(*way))
        across, down = way / length if length > 1e-6 else np.array([0.0, 1.0])
        size = _size(self._small, label.text)
        gap = (
            (TITLE_GAP if label.is_title else LABEL_GAP)
            + abs(across) * size.width() / 2
            + abs(down) * size.height() / 2
        )
        rect = QRectF(QPointF(), size)
        rect.moveCenter(QPointF(float(point[0] + across * gap), float(point[1] + down * gap)))
        if label.is_title and frame.left() <= point[0] <= frame.right():
            rect.moveLeft(min(max(rect.left(), frame.left()), frame.right() - rect.width()))
        if not frame.contains(rect) or any(rect.intersects(other_rect) for other_rect in taken):
            return
        taken.append(rect.adjusted(-2, 0, 2, 0))
        self._word(painter, rect, label.text, self._theme.text if label.is_title else self._theme.dim)

    def cursor(self, painter: QPainter, room: QRectF, shot: Shot, cursor: tuple[int, int]) -> None:
        """Where the cross of the panes is: a ring at that height of every cloud, and a line down to the floor."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for part in shot.parts:
            frame = _part_room(room, shot, part)
            painter.setClipRect(frame)
            for place, (cloud, form) in enumerate(part.clouds):
                spot = spot_under(shot.drawing, cloud, form, cursor)
                if spot is not None:
                    title = cloud.title if len(part.clouds) > 1 else ""
                    self._spot(painter, frame, part, spot, title, on_left=place % 2 == 1)
        painter.restore()

    def _spot(self, painter: QPainter, frame: QRectF, part: Part, spot: Spot, title: str, *, on_left: bool) -> None:
        at = _on_screen(part.matrix, np.stack([spot.top, spot.floor]), frame)
        if not np.isfinite(at).all():
            return
        top, floor = QPointF(at[0, 0], at[0, 1]), QPointF(at[1, 0], at[1, 1])
        missing = spot.height is None
        style = Qt.PenStyle.DotLine if missing else Qt.PenStyle.SolidLine
        for color, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255, 220), 1.0)):
            painter.setPen(QPen(color, width))
            painter.drawLine(top + QPointF(0, RING if floor.y() > top.y() else -RING), floor)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for color, width in ((QColor(0, 0, 0, 190), 4.0), (self._theme.cross, 1.75)):
            painter.setPen(QPen(color, width, style if color == self._theme.cross else Qt.PenStyle.SolidLine))
            painter.drawEllipse(top, RING, RING)
        words = "no height" if spot.height is None else f"{number(spot.height, 0.1)} m"
        words = f"{title}  {words}" if title else words
        size = _size(self._small, words)
        rect = QRectF(QPointF(), size)
        left = on_left or top.x() + RING + UNIT + size.width() > frame.right()
        x = top.x() - RING - UNIT - size.width() if left else top.x() + RING + UNIT
        rect.moveTopLeft(QPointF(x, top.y() - size.height() / 2))
        self._plate(painter, rect)
        painter.setFont(self._small)
        painter.setPen(self._theme.text)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, words)

    # --- around it

    def heading(
        self, painter: QPainter, room: QRectF, shot: Shot, name: str, lines: Sequence[str], *, dimmed: bool
    ) -> list[tuple[QRectF, str]]:
        """Whose tile it is, which heights, and what a careful person wants to know. Returns the lines that were cut."""
        cut = []
        for part in shot.parts[1:]:
            x = _part_room(room, shot, part).left()
            painter.setPen(QPen(self._theme.line, 1))
            painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
        y = room.top() + 2 * UNIT
        first = _part_room(room, shot, shot.parts[0])
        color = self._theme.dim if dimmed else self._theme.text
        cut.append(self._line(painter, room, y, name, color, bold=True))
        y += LINE + 2
        for part, title in zip(shot.parts, _titles(shot.drawing.relief), strict=True):
            cut.append(self._line(painter, _part_room(room, shot, part), y, title, self._theme.text))
        if shot.drawing.style.exaggeration != 1:
            y += LINE
            words = f"heights × {shot.drawing.style.exaggeration:.3g}"
            cut.append(self._line(painter, first, y, words, self._theme.warn))
        metrics, width = QFontMetricsF(self._small), _written(first)
        for line in [wrapped for words in lines for wrapped in _wrapped(metrics, words, width)]:
            y += LINE
            if y + LINE > room.bottom():
                break
            cut.append(self._line(painter, first, y, line, self._theme.dim))
        return [entry for entry in cut if entry is not None]

    def name(self, painter: QPainter, room: QRectF, name: str) -> tuple[QRectF, str] | None:
        """Whose tile it is, where there is no picture."""
        return self._line(painter, room, room.top() + 2 * UNIT, name, self._theme.text, bold=True)

    def foot(self, painter: QPainter, foot: QRect, relief: Relief) -> None:
        """What the colours mean."""
        painter.fillRect(foot, self._theme.panel)
        painter.setFont(self._small)
        metrics = QFontMetrics(self._small)
        alone = relief.colorbar is None and not relief.legend
        most = foot.width() - 4 * UNIT if alone else int(foot.width() * TITLE_SHARE)
        title = metrics.elidedText(f"Colours: {relief.color_title}" if alone else relief.color_title, _CUT, most)
        painter.setPen(self._theme.dim)
        left = foot.adjusted(2 * UNIT, 0, 0, 0)
        painter.drawText(left, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, title)
        if not alone:
            used = metrics.horizontalAdvance(title) + 3 * UNIT
            self._panes.key(painter, foot.adjusted(used, 0, 0, 0), relief.colorbar, relief.legend)

    def words(self, painter: QPainter, room: QRectF, words: str) -> None:
        """A sentence in the middle."""
        painter.setFont(self._font)
        option = wrapping(Qt.AlignmentFlag.AlignCenter)
        rect = painter.boundingRect(room.adjusted(16, 0, -16, 0), words, option)
        self._plate(painter, rect.adjusted(-6, -6, 6, 6))
        painter.setPen(self._theme.text)
        painter.drawText(rect, words, option)

    def veil(self, painter: QPainter, room: QRectF) -> None:
        """Over a picture that is not the current tile's."""
        color = QColor(self._theme.pane)
        color.setAlpha(150)
        painter.fillRect(room, color)

    # --- words

    def _line(
        self, painter: QPainter, room: QRectF, y: float, words: str, color: QColor, *, bold: bool = False
    ) -> tuple[QRectF, str] | None:
        """A line with a halo, cut where there is no room: then its rectangle and the whole of it are returned."""
        font = self._bold if bold else self._small
        width = _written(room)
        shown = QFontMetricsF(font).elidedText(words, Qt.TextElideMode.ElideMiddle if bold else _CUT, width)
        size = _size(font, shown)
        rect = QRectF(QPointF(room.left() + 2 * UNIT, y), size)
        self._word(painter, rect, shown, color, bold=bold)
        return None if shown == words else (rect, words)

    def _word(self, painter: QPainter, rect: QRectF, word: str, color: QColor, *, bold: bool = False) -> None:
        """Text that can be read on any ground."""
        ratio = painter.device().devicePixelRatioF()
        key = (word, color.name(), bold, ratio)
        pixmap = self._words.get(key)
        if pixmap is None:
            if len(self._words) >= WORDS_KEPT:
                self._words.clear()
            pixmap = self._words[key] = self._outlined(word, color, self._bold if bold else self._small, ratio)
        painter.drawPixmap(rect.topLeft() - QPointF(HALO, HALO), pixmap)

    def _outlined(self, word: str, color: QColor, font: QFont, ratio: float) -> QPixmap:
        metrics, size = QFontMetricsF(font), _size(font, word)
        pixmap = QPixmap(math.ceil((size.width() + 2 * HALO) * ratio), math.ceil((size.height() + 2 * HALO) * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        try:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            path = QPainterPath()
            base = QPointF(HALO, HALO + metrics.ascent())
            path.addText(base, font, word)
            halo = QColor(self._theme.pane)
            halo.setAlpha(215)
            painter.strokePath(path, _round_pen(halo, 2 * HALO - 2))
            painter.setFont(font)
            painter.setPen(color)
            painter.drawText(base, word)
        finally:
            painter.end()
        return pixmap

    def _plate(self, painter: QPainter, rect: QRectF) -> None:
        color = QColor(self._theme.panel)
        color.setAlpha(225)
        painter.fillRect(rect.adjusted(-UNIT, -1, UNIT, 1), color)


_CUT = Qt.TextElideMode.ElideRight


def _titles(relief: Relief) -> list[str]:
    """Of every part."""
    if relief.together is Together.ONE_SCENE and len(relief.clouds) > 1:
        return [f"{relief.clouds[0].title}, with {relief.clouds[1].title} as points"]
    return [part[0].title for part in relief.parts]


def _written(room: QRectF) -> float:
    """Width of a line of text."""
    return room.width() - 4 * UNIT


def _wrapped(metrics: QFontMetricsF, words: str, width: float) -> list[str]:
    """A sentence in lines that have room; a word that is wider than that has a line of its own."""
    lines: list[str] = []
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and metrics.horizontalAdvance(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _part_room(room: QRectF, shot: Shot, part: Part) -> QRectF:
    """Where a part is on the screen: the picture may still be of another size."""
    scale = room.width() / shot.drawing.width
    return QRectF(room.left() + part.left * scale, room.top(), part.width * scale, room.height())


def _on_screen(matrix: NDArray[np.float64], points: NDArray[np.float64], frame: QRectF) -> NDArray[np.float64]:
    """(n, 2) logical pixels; NaN behind the eye."""
    at = project(matrix, points, frame.width(), frame.height())[:, :2]
    at += (frame.left(), frame.top())
    return at


def _size(font: QFont, words: str) -> QSizeF:
    metrics = QFontMetricsF(font)
    return QSizeF(metrics.horizontalAdvance(words), metrics.height())


def _round_pen(color: QColor, width: float) -> QPen:
    return QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)

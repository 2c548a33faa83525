"""Draws panes: picture, hatch where there is no data, values in pixels, colour bar, legend, regions, cross and lens."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QImage, QPainter, QPen, QPixmap, QPolygonF, QTextOption

from rsviewer.core.readout import number
from rsviewer.core.render import SUSPECTED_COLOR, nice_ticks
from rsviewer.core.review import Region
from rsviewer.core.scene import (
    NOT_ANNOTATED,
    VALUES_ZOOM,
    Colorbar,
    Drawing,
    Exhibit,
    Legend,
    PaneState,
    Picture,
    Rect,
)
from rsviewer.core.tile import LayerKind, Raster
from rsviewer.ui.paneboxes import Mapping, PaneBox
from rsviewer.ui.textpainter import TextPainter
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.vectorpainter import VectorPainter

LENS_SIZE = 200
LENS_ZOOM = 8.0
GROUND = QColor(62, 66, 70)
"""Under features that lie over no image: the colours of categories are chosen for images, some are white."""
SMALLEST_FONT, LARGEST_FONT = 5, 14
LEGEND_LINE = 16
SWATCH = 14
LEAST_MARK = 13
"""Pixels of the screen that the box around what a check suspects has at least: a single pixel must be found at any zoom."""
MORE = 28
"""Room for the number of classes that the legend has no room for."""


@dataclass(frozen=True, slots=True)
class LegendSpot:
    """Where a class of a legend was drawn, for clicking on it."""

    rect: QRect
    value: int


class PanePainter:
    """Draws the parts of panes in one theme.

    Args:
        theme: colours.
        font: of titles and captions.
        tables: name of a colour table -> (256, 3) red, green, blue.
    """

    def __init__(self, theme: Theme, font: QFont, tables: Callable[[str], NDArray[np.uint8]]) -> None:
        self._theme = theme
        self._font = QFont(font)
        self._bold = QFont(font)
        self._bold.setWeight(QFont.Weight.DemiBold)
        self._small = QFont(font)
        self._small.setPixelSize(11)
        self._small_metrics = QFontMetrics(self._small)
        self._bold_metrics = QFontMetrics(self._bold)
        self._tables = tables
        self._strips: dict[tuple[str, bool], QImage] = {}
        self._hatch = _hatch(theme)
        self.vectors = VectorPainter()
        self.texts = TextPainter(theme, font)
        self._found: tuple[tuple[Drawing, tuple[float, float], float], tuple[int, ...]] | None = None

    # --- the still part of a pane

    def pane(
        self, painter: QPainter, box: PaneBox, map_: Mapping | None, *, active: bool, ghost: bool, scrolled: int = 0
    ) -> None:
        """Title, picture and what lies over it, or the text.

        `ghost`: the picture is that of the tile before, shown faintly. `scrolled`: pixels of the text that are above the pane.
        """
        self._head(painter, box, active=active, ghost=ghost)
        painter.fillRect(box.image, self._theme.pane)
        pane = box.pane
        if map_ is not None and (pane.picture is not None or pane.drawing is not None):
            painter.save()
            painter.setClipRect(box.image)
            if pane.picture is not None:
                self._picture(painter, pane.picture, map_, box.image)
            elif pane.frame is not None:
                painter.fillRect(map_.rect(0, 0, pane.frame.width, pane.frame.height), GROUND)
            if pane.overlay is not None and pane.overlay is not pane.picture:
                painter.setOpacity(pane.overlay_opacity)
                self._picture(painter, pane.overlay, map_, box.image, hatched=False)
                painter.setOpacity(1)
            if pane.drawing is not None:
                self.vectors.draw(painter, pane.drawing, map_, box.image)
            if ghost:
                veil = QColor(self._theme.pane)
                veil.setAlpha(150)
                painter.fillRect(box.image, veil)
            elif map_.zoom >= VALUES_ZOOM and isinstance(pane.content, Raster) and pane.picture is not None:
                self._values(painter, pane.content, pane.spec.kind, pane.picture, map_, box.image)
            painter.restore()
        if ghost or pane.state is PaneState.LOADING:
            self._words(painter, box.image, "Reading…", self._theme.text)
        elif pane.state is PaneState.TEXT:
            self.texts.draw(painter, box.image, pane.message, scrolled)
        elif pane.state in (PaneState.MISSING, PaneState.UNREADABLE):
            self._trouble(painter, box, pane.state, pane.message)
        elif pane.message:
            self._words(painter, box.image, pane.message, self._theme.text)

    def swipe(self, painter: QPainter, box: PaneBox, map_: Mapping, under: Picture, share: float) -> None:
        """The other date left of a divider."""
        left = QRect(box.image)
        left.setWidth(round(box.image.width() * share))
        painter.save()
        painter.setClipRect(left)
        painter.fillRect(left, self._theme.pane)
        self._picture(painter, under, map_, box.image)
        if box.pane.drawing is not None:
            self.vectors.draw(painter, box.pane.drawing, map_, box.image)
        painter.setClipRect(box.image)
        x = left.right() + 1
        painter.setPen(QPen(QColor(0, 0, 0, 160), 4))
        painter.drawLine(x, box.image.top(), x, box.image.bottom())
        painter.setPen(QPen(QColor(255, 255, 255), 2))
        painter.drawLine(x, box.image.top(), x, box.image.bottom())
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(QPoint(x, box.image.center().y()), 6, 6)
        painter.restore()

    def regions(
        self, painter: QPainter, box: PaneBox, map_: Mapping, regions: tuple[Region, ...], titles: dict[str, str]
    ) -> None:
        """The marked parts of the tile, each with the name of its tag."""
        painter.save()
        painter.setClipRect(box.image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for region in regions:
            outline = self.outline(painter, map_, region.points)
            title = titles.get(region.tag, region.tag)
            rect = QRectF(self._small_metrics.boundingRect(title)).adjusted(0, 0, 2 * UNIT, 2)
            rect.moveBottomLeft(outline.topLeft())
            if rect.top() < box.image.top():
                rect.moveTopLeft(outline.topLeft())
            painter.fillRect(rect, self._theme.drop)
            painter.setPen(QColor(0, 0, 0) if self._theme.drop.lightness() > 140 else QColor(255, 255, 255))
            painter.setFont(self._small)
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, title)
        painter.restore()

    def exhibit(self, painter: QPainter, box: PaneBox, map_: Mapping, exhibit: Exhibit) -> None:
        """What a check suspects, above whatever the pane shows."""
        if exhibit.picture is not None:
            self._picture(painter, exhibit.picture, map_, box.image, hatched=False)
        painter.save()
        painter.setClipRect(box.image)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for place in exhibit.boxes:
            target = map_.rect(place.x, place.y, place.width, place.height)
            across, down = (max(0.0, LEAST_MARK - side) / 2 for side in (target.width(), target.height()))
            target.adjust(-across, -down, across, down)
            for color, width in ((QColor(0, 0, 0, 170), 3.5), (QColor(*SUSPECTED_COLOR), 1.75)):
                painter.setPen(QPen(color, width))
                painter.drawRect(target)
        painter.restore()

    def outline(self, painter: QPainter, map_: Mapping, points: tuple[tuple[float, float], ...]) -> QRectF:
        """One region's outline: a box for two points, else a polygon. Returns its bounds on the screen."""
        corners = [map_.to_screen(x, y) for x, y in points]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        polygon = QPolygonF(QRectF(corners[0], corners[1]).normalized() if len(corners) == 2 else corners)
        for color, width in ((QColor(0, 0, 0, 170), 3.5), (self._theme.drop, 1.75)):
            painter.setPen(QPen(color, width))
            painter.drawPolygon(polygon)
        return polygon.boundingRect()

    # --- the parts that follow the cursor

    def feature(self, painter: QPainter, box: PaneBox, map_: Mapping, at: tuple[float, float], reach: float) -> None:
        """The feature at a point in tile pixels stands out; of several, the one that is read first."""
        drawing = box.pane.drawing
        if drawing is None:
            return
        asked = (drawing, at, reach)
        if self._found is None or self._found[0] != asked:  # all panes ask for the same
            self._found = asked, drawing.features_at(*at, reach)
        for found in self._found[1][:1]:
            self.vectors.outline(painter, drawing, found, map_, box.image)

    def cross(self, painter: QPainter, box: PaneBox, map_: Mapping, column: int, row: int) -> None:
        """A cross whose arms leave the pixel itself free."""
        pixel = map_.rect(column, row, 1, 1)
        center = pixel.center()
        gap = max(pixel.width() / 2 + 2, 5.0)
        frame = box.pane.frame
        image = QRectF(box.image)
        if frame is not None:
            image = image.intersected(map_.rect(0, 0, frame.width, frame.height))
        painter.save()
        painter.setClipRect(box.image)
        arms = [
            (QPointF(image.left(), center.y()), QPointF(center.x() - gap, center.y())),
            (QPointF(center.x() + gap, center.y()), QPointF(image.right(), center.y())),
            (QPointF(center.x(), image.top()), QPointF(center.x(), center.y() - gap)),
            (QPointF(center.x(), center.y() + gap), QPointF(center.x(), image.bottom())),
        ]
        for color, width in ((QColor(0, 0, 0, 110), 3), (QColor(255, 255, 255, 190), 1)):
            painter.setPen(QPen(color, width))
            for start, end in arms:
                painter.drawLine(start, end)
        if pixel.width() >= 4:
            for color, grow in ((QColor(0, 0, 0, 200), 1.5), (QColor(255, 255, 255), 0.5)):
                painter.setPen(QPen(color, 1))
                painter.drawRect(pixel.adjusted(-grow, -grow, grow - 1, grow - 1))
        painter.restore()

    def lens(self, painter: QPainter, box: PaneBox, map_: Mapping, column: int, row: int, words: str) -> None:
        """A magnified view about the cursor, in pixels that stay square, with the value below."""
        picture = box.pane.picture
        if picture is None:
            return
        at = map_.rect(column, row, 1, 1).center()
        size = min(LENS_SIZE, box.image.width(), box.image.height() - 20)
        if size < SMALLEST_LENS:
            return
        rect = QRect(round(at.x()) + 20, round(at.y()) + 20, size, size + 20)
        if rect.right() > box.image.right():
            rect.moveRight(round(at.x()) - 20)
        if rect.bottom() > box.image.bottom():
            rect.moveBottom(round(at.y()) - 20)
        rect.moveLeft(min(max(rect.left(), box.image.left()), box.image.right() - rect.width() + 1))
        rect.moveTop(min(max(rect.top(), box.image.top()), box.image.bottom() - rect.height() + 1))
        zoom = max(LENS_ZOOM, 2 * map_.zoom)
        view = QRect(rect.left(), rect.top(), size, size)
        middle = QRectF(view).center()
        inside = Mapping(zoom, middle.x() - (column + 0.5) * zoom, middle.y() - (row + 0.5) * zoom)
        painter.save()
        painter.setClipRect(rect)
        painter.fillRect(rect, QColor(0, 0, 0))
        self._picture(painter, picture, inside, view)
        pixel = inside.rect(column, row, 1, 1)
        for color, grow in ((QColor(0, 0, 0), 2), (QColor(255, 255, 255), 1)):
            painter.setPen(QPen(color, 1))
            painter.drawRect(pixel.adjusted(-grow, -grow, grow - 1, grow - 1))
        strip = QRect(rect.left(), view.bottom() + 1, size, 20)
        painter.fillRect(strip, QColor(0, 0, 0, 220))
        painter.setPen(QColor(255, 255, 255))
        painter.setFont(self._small)
        text = self._small_metrics.elidedText(words, Qt.TextElideMode.ElideRight, size - 2 * UNIT)
        painter.drawText(strip, Qt.AlignmentFlag.AlignCenter, text)
        painter.setPen(QPen(self._theme.accent, 1))
        painter.drawRect(rect.adjusted(0, 0, -1, -1))
        painter.restore()

    # --- head and foot

    def _head(self, painter: QPainter, box: PaneBox, *, active: bool, ghost: bool) -> None:
        painter.fillRect(box.head, self._theme.head)
        if active:
            painter.fillRect(QRect(box.head.left(), box.head.top(), box.head.width(), 2), self._theme.accent)
        pane = box.pane
        room = box.head.adjusted(2 * UNIT, 0, -2 * UNIT, 0)
        painter.setFont(self._bold)
        painter.setPen(self._theme.dim if ghost else self._theme.text)
        title = self._bold_metrics.elidedText(pane.spec.title, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, title)
        used = self._bold_metrics.horizontalAdvance(title) + 3 * UNIT
        rest = room.adjusted(used, 0, 0, 0)
        if pane.caption and rest.width() > 6 * UNIT:
            painter.setFont(self._small)
            painter.setPen(self._theme.dim)
            caption = self._small_metrics.elidedText(pane.caption, Qt.TextElideMode.ElideRight, rest.width())
            painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, caption)

    def foot(self, painter: QPainter, box: PaneBox, *, ghost: bool) -> list[LegendSpot]:
        """Colour bar or legend below the picture. Returns where the classes were drawn."""
        if box.foot.height() <= 0:
            return []
        painter.fillRect(box.foot, self._theme.panel)
        if ghost:
            return []
        if box.pane.colorbar is None and box.pane.how:
            painter.setFont(self._small)
            painter.setPen(self._theme.dim)
            room = box.foot.adjusted(2 * UNIT, 0, -2 * UNIT, -box.foot.height() // 2)
            words = self._small_metrics.elidedText(box.pane.how, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
            return []
        return self.key(painter, box.foot, box.pane.colorbar, box.pane.legend)

    def key(
        self, painter: QPainter, foot: QRect, colorbar: Colorbar | None, legend: tuple[Legend, ...]
    ) -> list[LegendSpot]:
        """What colours mean: a colour bar, or classes. Returns where the classes were drawn."""
        if colorbar is not None:
            self._colorbar(painter, foot, colorbar)
            return []
        return self._legend(painter, foot, legend)

    def _colorbar(self, painter: QPainter, foot: QRect, bar: Colorbar) -> None:
        words = f"{bar.unit}  locked" if bar.locked else bar.unit
        painter.setFont(self._small)
        width = self._small_metrics.horizontalAdvance(words) + 2 * UNIT if words else 0
        rect = QRect(foot.left() + 4 * UNIT, foot.top() + UNIT + 1, foot.width() - 8 * UNIT - width, 11)
        if rect.width() < 40:
            return
        painter.drawImage(rect, self._strip(bar.table, inverted=bar.inverted))
        painter.setPen(self._theme.line)
        painter.drawRect(rect.adjusted(0, 0, -1, -1))
        painter.setPen(self._theme.accent if bar.locked else self._theme.dim)
        beside = QRect(rect.right() + 2 * UNIT, rect.top() - 2, width + UNIT, 15)
        painter.drawText(beside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
        self._ticks(painter, rect, bar)

    def _strip(self, table: str, *, inverted: bool) -> QImage:
        key = (table, inverted)
        if key not in self._strips:
            self._strips[key] = _strip(self._tables(table), inverted=inverted)
        return self._strips[key]

    def _ticks(self, painter: QPainter, rect: QRect, bar: Colorbar) -> None:
        painter.setPen(self._theme.text)
        if bar.high <= bar.low:
            painter.drawText(rect.adjusted(0, 12, 0, 16), Qt.AlignmentFlag.AlignHCenter, number(bar.low))
            return
        ticks = nice_ticks(bar.low, bar.high, max(2, rect.width() // 70))
        step = ticks[1] - ticks[0] if len(ticks) > 1 else bar.high - bar.low
        limit = float(rect.left() - 4 * UNIT)
        for tick in ticks:
            x = rect.left() + (tick - bar.low) / (bar.high - bar.low) * (rect.width() - 1)
            words = _tick(tick, step)
            width = self._small_metrics.horizontalAdvance(words)
            if x - width / 2 < limit:
                continue
            painter.drawLine(QPointF(x, rect.bottom()), QPointF(x, rect.bottom() + 3))
            painter.drawText(QPointF(x - width / 2, rect.bottom() + 14), words)
            limit = x + width / 2 + 2 * UNIT

    def _legend(self, painter: QPainter, foot: QRect, legend: tuple[Legend, ...]) -> list[LegendSpot]:
        spots: list[LegendSpot] = []
        painter.setFont(self._small)
        margin = foot.left() + 2 * UNIT
        x, y = margin, foot.top() + 2
        present = sorted(
            (item for item in legend if item.share > 0 or item.hidden or item.count is not None),
            key=lambda item: (-item.share, not item.annotated),
        )
        for place, item in enumerate(present):
            words = f"{item.name} {amount_words(item)}".strip()
            width = SWATCH + self._small_metrics.horizontalAdvance(words) + 3 * UNIT
            if x > margin and x + width > foot.right() and y + 2 * LEGEND_LINE <= foot.bottom() + 2:
                x, y = margin, y + LEGEND_LINE
            is_last_line = y + 2 * LEGEND_LINE > foot.bottom() + 2
            room = foot.right() - x - (MORE if is_last_line and place < len(present) - 1 else 0)
            if width > room and x > margin:
                painter.setPen(self._theme.dim)
                painter.drawText(QPoint(min(x, foot.right() - MORE + 2), y + 12), f"+{len(present) - place}")
                break
            if width > room:  # a narrow pane: as much of the first name as there is room for
                words = self._small_metrics.elidedText(words, Qt.TextElideMode.ElideRight, room - SWATCH)
                width = room
            is_off = item.hidden or not item.annotated
            swatch = QRect(x, y + 3, 10, 10)
            painter.fillRect(swatch, QBrush(Qt.BrushStyle.NoBrush) if is_off else QColor(*item.color))
            painter.setPen(self._theme.dim)
            painter.drawRect(swatch.adjusted(0, 0, -1, -1))
            is_dim = is_off or item.count == 0
            painter.setPen(self._theme.dim if is_dim else self._theme.text if item.known else self._theme.drop)
            painter.drawText(QPoint(x + SWATCH, y + 12), words)
            if item.can_switch:
                spots.append(LegendSpot(QRect(x, y, width, LEGEND_LINE), item.value))
            x += width
        return spots

    # --- pictures and words

    def _picture(
        self, painter: QPainter, picture: Picture, map_: Mapping, clip: QRect, *, hatched: bool = True
    ) -> None:
        pixels = picture.painted.pixels
        place = picture.place
        target = map_.rect(place.x, place.y, place.width, place.height)
        scale = target.width() / max(1, pixels.shape[1])
        if scale < 0.5:
            for level in picture.painted.smaller:
                if target.width() / level.shape[1] > 1:
                    break
                pixels = level
        if hatched and not picture.painted.opaque:
            painter.setBrushOrigin(clip.topLeft())
            painter.fillRect(target.intersected(QRectF(clip)), self._hatch)
        image = to_image(pixels, opaque=picture.painted.opaque)
        smooth = picture.smooth and scale < 1
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        _draw_part(painter, image, target, QRectF(clip))

    def _values(
        self, painter: QPainter, raster: Raster, kind: LayerKind, picture: Picture, map_: Mapping, clip: QRect
    ) -> None:
        """Writes the values into the pixels, in black or white, whichever can be read on the pixel's colour."""
        if (raster.height, raster.width) != picture.painted.pixels.shape:
            return  # the picture of the tile before, while this one's is being painted
        place = picture.place
        cell_x = place.width * map_.zoom / raster.width
        cell_y = place.height * map_.zoom / raster.height
        if min(cell_x, cell_y) < VALUES_ZOOM:
            return
        cells = [
            (column, row, cell, _pixel_words(raster, kind, column, row))
            for column, row, cell in _cells(raster, place, map_, clip, cell_x, cell_y)
        ]
        longest = max((len(line) for *_, lines in cells for line in lines), default=1)
        most = max((len(lines) for *_, lines in cells), default=1)
        size = min(int(cell_x / (0.66 * longest + 0.3)), int(cell_y / (1.15 * most + 0.2)), LARGEST_FONT)
        font = QFont(self._small)
        font.setPixelSize(max(size, SMALLEST_FONT))
        painter.setFont(font)
        for column, row, cell, lines in cells:
            painter.setPen(_ink(int(picture.painted.pixels[row, column]), self._theme))
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, "\n".join(lines))

    def _words(self, painter: QPainter, image: QRect, words: str, color: QColor) -> None:
        painter.setFont(self._font)
        option = wrapping(Qt.AlignmentFlag.AlignCenter)
        rect = painter.boundingRect(QRectF(image.adjusted(16, 0, -16, 0)), words, option)
        back = QColor(self._theme.panel)
        back.setAlpha(225)
        painter.fillRect(rect.adjusted(-10, -6, 10, 6), back)
        painter.setPen(color)
        painter.drawText(rect, words, option)

    def _trouble(self, painter: QPainter, box: PaneBox, state: PaneState, message: str) -> None:
        """A missing or unreadable layer: hatched, with a heading that differs in word and colour, and the reason."""
        painter.setBrushOrigin(box.image.topLeft())
        painter.fillRect(box.image, self._hatch)
        unreadable = state is PaneState.UNREADABLE
        margin = min(20, box.image.width() // 10)
        room = box.image.adjusted(margin, 12, -margin, -12)
        option = wrapping(Qt.AlignmentFlag.AlignHCenter)
        limit = QRectF(0, 0, room.width(), 10_000)
        for font in (self._font, self._small):
            painter.setFont(font)
            needed = math.ceil(painter.boundingRect(limit, message, option).height())
            if needed <= room.height() - 30:
                break
        heading = "✕  Unreadable" if unreadable else "○  Missing"
        height = min(needed, room.height() - 30) + 26
        top = max(room.top(), room.center().y() - height // 2)
        back = QRect(room.left() - 8, top - 8, room.width() + 16, height + 16)
        color = QColor(self._theme.panel)
        color.setAlpha(235)
        painter.fillRect(back, color)
        painter.fillRect(
            QRect(back.left(), back.top(), 3, back.height()), self._theme.drop if unreadable else self._theme.warn
        )
        painter.setFont(self._bold)
        painter.setPen(self._theme.drop if unreadable else self._theme.warn)
        painter.drawText(QRect(room.left(), top, room.width(), 20), Qt.AlignmentFlag.AlignHCenter, heading)
        painter.setFont(font)
        painter.setPen(self._theme.text)
        painter.save()
        painter.setClipRect(back)  # the tool tip has it whole
        painter.drawText(QRectF(room.left(), top + 24, room.width(), needed), message, option)
        painter.restore()


SMALLEST_LENS = 48


def wrapping(alignment: Qt.AlignmentFlag) -> QTextOption:
    """Lines end between words; only a word that is longer than a line, as paths are, is broken."""
    option = QTextOption(alignment)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    return option


def to_image(pixels: NDArray[np.uint32], *, opaque: bool) -> QImage:
    """A QImage over painted pixels, without a copy; the array must outlive it."""
    height, width = pixels.shape
    form = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
    return QImage(pixels.data, width, height, pixels.strides[0], form)


def _draw_part(painter: QPainter, image: QImage, target: QRectF, clip: QRectF) -> None:
    """Draws only the pixels that can be seen: at high zoom Qt would otherwise walk over the whole image."""
    seen = target.intersected(clip)
    if seen.isEmpty():
        return
    scale_x, scale_y = image.width() / target.width(), image.height() / target.height()
    left = math.floor((seen.left() - target.left()) * scale_x)
    top = math.floor((seen.top() - target.top()) * scale_y)
    right = min(image.width(), math.ceil((seen.right() - target.left()) * scale_x) + 1)
    bottom = min(image.height(), math.ceil((seen.bottom() - target.top()) * scale_y) + 1)
    part = QRectF(
        target.left() + left / scale_x,
        target.top() + top / scale_y,
        (right - left) / scale_x,
        (bottom - top) / scale_y,
    )
    painter.drawImage(part, image, QRectF(left, top, right - left, bottom - top))


def _cells(
    raster: Raster, place: Rect, map_: Mapping, clip: QRect, cell_x: float, cell_y: float
) -> Iterator[tuple[int, int, QRectF]]:
    origin = map_.to_screen(place.x, place.y)
    first_column = max(0, int((clip.left() - origin.x()) / cell_x))
    first_row = max(0, int((clip.top() - origin.y()) / cell_y))
    last_column = min(raster.width - 1, int((clip.right() - origin.x()) / cell_x))
    last_row = min(raster.height - 1, int((clip.bottom() - origin.y()) / cell_y))
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            yield column, row, QRectF(origin.x() + column * cell_x, origin.y() + row * cell_y, cell_x, cell_y)


def _pixel_words(raster: Raster, kind: LayerKind, column: int, row: int) -> list[str]:
    bands = min(raster.bands, 3 if kind in (LayerKind.OPTICAL, LayerKind.SAR) else 1)
    words = []
    for band in range(bands):
        value = raster.pixels[band, row, column].item()
        if isinstance(value, complex):
            value = abs(value)
        if isinstance(value, float) and not math.isfinite(value):
            words.append("NaN" if math.isnan(value) else "inf")
        elif not raster.valid[band, row, column]:
            words.append("nd")
        else:
            words.append(str(value) if isinstance(value, int) else _short(value, heights=kind is LayerKind.HEIGHT))
    return words


def _short(value: float, *, heights: bool) -> str:
    """A value in a pixel: heights to the centimetre while they are low, everything else in three figures."""
    if not heights:
        return f"{value:.3g}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def _ink(argb: int, theme: Theme) -> QColor:
    alpha, red, green, blue = argb >> 24, (argb >> 16) & 255, (argb >> 8) & 255, argb & 255
    if alpha < 128:
        return theme.text
    return QColor(0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else QColor(255, 255, 255)


def _strip(table: NDArray[np.uint8], *, inverted: bool) -> QImage:
    colors = np.ascontiguousarray(table[::-1] if inverted else table, np.uint8)
    return QImage(colors.data, len(colors), 1, colors.nbytes, QImage.Format.Format_RGB888).copy()


def _hatch(theme: Theme) -> QBrush:
    """Diagonal stripes in two greys: no colour table and no class has it."""
    pixmap = QPixmap(10, 10)
    pixmap.fill(theme.hatch_a)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme.hatch_b, 2.5))
    for shift in (-10, 0, 10):
        painter.drawLine(shift, 10, shift + 10, 0)
    painter.end()
    return QBrush(pixmap)


def _tick(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step))) if 0 < step < 1 else 0
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def amount_words(item: Legend) -> str:
    """How much of a class there is: a share of the pixels, or a number of features."""
    if not item.annotated:
        return "" if item.value == NOT_ANNOTATED else "not annotated"
    if item.count is not None:
        return f"{item.count:,}".replace(",", " ") if item.count else "none here"
    percent = 100 * item.share
    return "" if item.share <= 0 else "<1 %" if percent < 1 else f"{percent:.0f} %"

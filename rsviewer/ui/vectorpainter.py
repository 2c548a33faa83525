"""Draws vector labels over a tile: once for all panes that show it alike, then only as a picture of what was drawn."""

import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QDataStream, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from rsviewer.core.categories import shown_categories
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Drawing
from rsviewer.core.vector import SHAPES, Geometry, Shape, points_of
from rsviewer.ui.painting import painting
from rsviewer.ui.paneboxes import Mapping

MARGIN = 160
"""Screen pixels around what is seen that are drawn with it, so that panning needs nothing new."""
HALF = 0.5
"""Below this opacity, lines fade with the fills; above, only the fills become more opaque."""
BEYOND = 24.0
"""Pixels beyond the picture where features are cut off: none of the cut can be seen."""
SLOW = 0.02
"""Seconds from which on a drawing is not made anew for every step of the wheel."""
SHEETS = 4
"""Pictures that are kept: the rows of a stack have one each."""
OUTLINES = 16
FINE_POINTS = 8_000
"""Points up to which lines are drawn broad and with round corners; more are drawn one pixel wide, which Qt does 20 times
as fast."""
FINE_LENGTH = 150_000.0
"""Pixels that all lines together are long at most to be drawn so: about 200 times across a pane."""
EDGED_POINTS, EDGED_LENGTH = 60_000, 1e6
"""Points, and pixels in all, up to which lines have an edge at all."""
PIECE = 200
"""Points in one path: Qt's time to outline a path grows faster than the path."""
MOST_POINTS = 200_000
"""Points that are drawn at most: above, lines are taken coarser."""
MOST_LENGTH = 2.5e6
"""Pixels that all lines together are long at most: above, every second of their points is left out, and again. Only a scribble
has more: 100,000 houses have two million."""
FINE_DOTS = 3_000
TINY = 2.0
"""Pixels across; a smaller feature is drawn as a spot."""
FILL = 140
"""Of 255: how opaque polygons are filled in a drawing that is opaque."""
DARK, LIGHT = QColor(0, 0, 0, 170), QColor(255, 255, 255, 170)
"""Edges of bright and of dark lines."""
BRIGHT = 75
"""The grey from which on a colour is bright."""
LINE, EDGE = 1.6, 3.4
"""Widths of a line and of the edge under it."""
DOT, DOT_EDGE = 7.0, 9.6
SPOT = 3
MOVE_TO, LINE_TO = 0, 1
ELEMENT = np.dtype([("kind", ">i4"), ("x", ">f8"), ("y", ">f8")])
"""Of a QPainterPath as QDataStream has it."""
WINDING = 1
FINER = 0.6
"""In small pictures lines and dots are so much of what they are in panes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """What was drawn.

    Attributes:
        drawing: of what.
        zoom: screen pixels per tile pixel.
        ratio: pixels of the picture per screen pixel.
        region: what it covers, in screen pixels from the upper left corner of the tile.
        image: transparent but for the features.
        pixels: the memory of `image`.
        seconds: that it took.
    """

    drawing: Drawing
    zoom: float
    ratio: float
    region: QRectF
    image: QImage
    pixels: NDArray[np.uint32]
    seconds: float

    def shows(self, drawing: Drawing, zoom: float, ratio: float, seen: QRectF) -> bool:
        """Whether it has what is to be seen."""
        return (self.zoom, self.ratio) == (zoom, ratio) and self.region.contains(seen) and self.is_of(drawing)

    def is_of(self, drawing: Drawing) -> bool:
        """Whether the same features look the same in another drawing."""
        mine = self.drawing
        return (
            mine.vector is drawing.vector
            and (mine.hidden, mine.place, mine.opacity) == (drawing.hidden, drawing.place, drawing.opacity)
            and mine.categories == drawing.categories
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Rings:
    """Lines in pixels of a picture.

    Attributes:
        points: (n, 2).
        begins: (n,) True where a ring begins.
        features: (n,) whose point it is.
        is_closed: (n,) True for points of polygons.
    """

    points: NDArray[np.float64]
    begins: NDArray[np.bool_]
    features: NDArray[np.int64]
    is_closed: NDArray[np.bool_]

    def only(self, keep: NDArray[np.bool_]) -> "_Rings":
        """Some of the points, whole rings or not."""
        ring = np.cumsum(self.begins)[keep]
        begins = np.ones(len(ring), bool)
        begins[1:] = ring[1:] != ring[:-1]
        return _Rings(self.points[keep], begins, self.features[keep], self.is_closed[keep])


class VectorPainter:
    """Draws drawings, and keeps what it drew."""

    def __init__(self) -> None:
        self._sheets: list[_Sheet] = []
        self._outlines: OrderedDict[
            tuple[int, int, Mapping, tuple[int, int, int, int]], tuple[Drawing, QPainterPath]
        ] = OrderedDict()
        self.is_hurried = False
        """While the view changes from frame to frame: what takes long to draw may be shown as it was, larger or smaller."""
        self.is_stale = False
        """True where something was shown so."""
        self.drawn = 0
        """How many pictures had to be drawn anew."""

    def draw(self, painter: QPainter, drawing: Drawing, map_: Mapping, clip: QRect) -> None:
        """All features as far as they lie on the tile and in `clip`."""
        place = drawing.place
        tile = map_.rect(place.x, place.y, place.width, place.height)
        seen = tile.intersected(QRectF(clip))
        if seen.isEmpty() or drawing.opacity <= 0:
            return
        ratio = painter.device().devicePixelRatioF()
        sheet = self._sheet(drawing, map_, ratio, seen, tile)
        factor = map_.zoom / sheet.zoom
        at = QPointF(map_.left + sheet.region.x() * factor, map_.top + sheet.region.y() * factor)
        painter.save()
        painter.setClipRect(seen, Qt.ClipOperation.IntersectClip)
        painter.setOpacity(painter.opacity() * min(1.0, drawing.opacity / HALF))
        if factor == 1.0:
            painter.drawImage(QPointF(round(at.x() * ratio) / ratio, round(at.y() * ratio) / ratio), sheet.image)
        else:
            painter.drawImage(QRectF(at, sheet.region.size() * factor), sheet.image)
        painter.restore()

    def outline(self, painter: QPainter, drawing: Drawing, feature: int, map_: Mapping, clip: QRect) -> None:
        """One feature so that it stands out."""
        geometry = drawing.vector.geometry
        if not geometry.starts[feature + 1] > geometry.starts[feature]:
            return
        path = self._outline(drawing, feature, map_, clip)
        is_dot = SHAPES[geometry.shapes[feature]] in (Shape.POINT, Shape.UNKNOWN)
        color = QColor(*drawing.categories[geometry.categories[feature]].color)
        widths = (DOT_EDGE + 5, DOT_EDGE + 2, DOT) if is_dot else (EDGE + 3, EDGE + 1, LINE)
        painter.save()
        painter.setClipRect(clip)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, path.elementCount() <= FINE_POINTS)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for ink, width in zip((QColor(0, 0, 0), QColor(255, 255, 255), color), widths, strict=True):
            painter.setPen(_pen(ink, width))
            painter.drawPath(path)
        painter.restore()

    def _outline(self, drawing: Drawing, feature: int, map_: Mapping, clip: QRect) -> QPainterPath:
        key = id(drawing.vector), feature, map_, (clip.x(), clip.y(), clip.width(), clip.height())
        found = self._outlines.get(key)
        if found is None or found[0].vector is not drawing.vector or found[0].place != drawing.place:
            size = clip.width(), clip.height()
            rings = _rings(drawing, np.array([feature]), map_.zoom, (clip.x() - map_.left, clip.y() - map_.top), size)
            geometry = drawing.vector.geometry
            is_dot = SHAPES[geometry.shapes[feature]] in (Shape.POINT, Shape.UNKNOWN)
            path = _dots(rings.points) if is_dot else _path(rings)
            path.translate(clip.x(), clip.y())
            found = self._outlines[key] = drawing, path
            if len(self._outlines) > OUTLINES:
                self._outlines.popitem(last=False)
        return found[1]

    def _sheet(self, drawing: Drawing, map_: Mapping, ratio: float, seen: QRectF, tile: QRectF) -> _Sheet:
        here = seen.translated(-map_.left, -map_.top)
        for sheet in self._sheets:
            if sheet.shows(drawing, map_.zoom, ratio, here):
                return sheet
        old = next((sheet for sheet in self._sheets if sheet.seconds > SLOW and sheet.is_of(drawing)), None)
        if self.is_hurried and old is not None:
            self.is_stale = True
            return old
        wide = here.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN).intersected(tile.translated(-map_.left, -map_.top))
        region = QRectF(wide.toAlignedRect())
        sheet = _drawn(drawing, map_.zoom, ratio, region)
        self.drawn += 1
        self._sheets = [sheet, *self._sheets[: SHEETS - 1]]
        return sheet


def drawn_over(picture: Pixels, drawing: Drawing, zoom: float) -> Pixels:
    """Features over a small picture, in finer lines than in a pane. See `core.thumbnail.Draw`; safe from any thread."""
    height, width = picture.shape
    found: Pixels = np.array(picture, np.uint32, order="C")
    if not found.size or drawing.opacity <= 0:
        return found
    sheet = _drawn(drawing, zoom / FINER, FINER, QRectF(0, 0, width / FINER, height / FINER))
    image = QImage(found.data, width, height, found.strides[0], QImage.Format.Format_ARGB32_Premultiplied)
    with painting(image) as painter:
        painter.setOpacity(min(1.0, drawing.opacity / HALF))
        painter.drawImage(QRectF(0, 0, width, height), sheet.image)
    return found


def _drawn(drawing: Drawing, zoom: float, ratio: float, region: QRectF) -> _Sheet:
    """A picture of the features in a region."""
    start = time.perf_counter()
    width, height = max(1, round(region.width() * ratio)), max(1, round(region.height() * ratio))
    pixels = np.zeros((height, width), np.uint32)
    image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_ARGB32_Premultiplied)
    geometry = drawing.vector.geometry
    scale = zoom * ratio
    corner = region.x() * ratio, region.y() * ratio
    chosen = _in_sight(drawing, scale, corner, (width, height))
    tiny = chosen[_sizes(drawing, chosen, scale) < TINY]
    is_dot = np.isin(geometry.shapes[chosen], (SHAPES.index(Shape.POINT), SHAPES.index(Shape.UNKNOWN)))
    dots, lines = chosen[is_dot], np.setdiff1d(chosen[~is_dot], tiny, assume_unique=True)
    _spots(pixels, drawing, np.setdiff1d(tiny, dots, assume_unique=True), scale, corner, max(1, round(TINY * ratio)))
    rings = _rings(drawing, lines, scale, corner, (width, height))
    with painting(image) as painter:
        for is_closed in (True, False):
            _strokes(painter, drawing, rings.only(rings.is_closed == is_closed), ratio)
        if len(dots) <= FINE_DOTS:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            _glyphs(painter, drawing, dots, scale, corner, ratio)
    if len(dots) > FINE_DOTS:
        _spots(pixels, drawing, dots, scale, corner, max(1, round(SPOT * ratio)))
    image.setDevicePixelRatio(ratio)
    return _Sheet(drawing, zoom, ratio, region, image, pixels, time.perf_counter() - start)


def _strokes(painter: QPainter, drawing: Drawing, rings: _Rings, ratio: float) -> None:
    """Polygons or lines, category by category: fills first, then dark edges, then lines on top of all of them."""
    owners = drawing.vector.geometry.categories[rings.features]
    length = _length(rings)
    is_fine = len(owners) <= FINE_POINTS and length <= FINE_LENGTH
    has_edges = len(owners) <= EDGED_POINTS and length <= EDGED_LENGTH
    paths = [
        (QColor(*drawing.categories[category].color), piece)
        for category in np.unique(owners).tolist()
        for piece in _pieces(rings.only(owners == category), PIECE if is_fine else len(owners))
    ]
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, is_fine)
    painter.setPen(Qt.PenStyle.NoPen)
    for color, path in paths if rings.is_closed.any() else ():
        inside = QColor(color)
        inside.setAlpha(round(FILL * max(drawing.opacity, HALF)))
        painter.setBrush(inside)
        painter.drawPath(path)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for color, path in paths if has_edges else ():
        if is_fine:
            painter.setPen(_pen(_edge(color), EDGE * ratio))
            painter.drawPath(path)
        else:
            painter.setPen(QPen(_edge(color), 1))
            painter.drawPath(path.translated(1, 1))
            painter.drawPath(path.translated(-1, -1))
    for color, path in paths:
        painter.setPen(_pen(color, LINE * ratio) if is_fine else QPen(color, 1))
        painter.drawPath(path)


def _pieces(rings: _Rings, most: int) -> list[QPainterPath]:
    """Paths of about so many points, no ring divided."""
    begins = np.flatnonzero(rings.begins)
    piece = begins[np.cumsum(rings.begins) - 1] // max(most, 1)
    return [_path(rings.only(piece == number)) for number in np.unique(piece)]


def _glyphs(
    painter: QPainter,
    drawing: Drawing,
    dots: NDArray[np.int64],
    scale: float,
    corner: tuple[float, float],
    ratio: float,
) -> None:
    """Points as discs with a dark edge."""
    geometry = drawing.vector.geometry
    owners, index = points_of(geometry, dots)
    points = _to_pixels(drawing, geometry.points[index], scale, corner)
    of = geometry.categories[dots][owners]
    for category in np.unique(of).tolist():
        color, path = QColor(*drawing.categories[category].color), _dots(points[of == category])
        painter.setPen(_pen(_edge(color), DOT_EDGE * ratio))
        painter.drawPath(path)
        painter.setPen(_pen(color, DOT * ratio))
        painter.drawPath(path)


def _spots(
    pixels: NDArray[np.uint32],
    drawing: Drawing,
    features: NDArray[np.int64],
    scale: float,
    corner: tuple[float, float],
    size: int,
) -> None:
    """Small squares, any number of them: written into the pixels, without a painter."""
    if not len(features):
        return
    geometry = drawing.vector.geometry
    left, top, right, bottom = geometry.bounds[:, features]
    middle = _to_pixels(drawing, np.stack([(left + right) / 2, (top + bottom) / 2], axis=1), scale, corner)
    inks = np.array([_opaque(item.color) for item in drawing.categories], np.uint32)[geometry.categories[features]]
    height, width = pixels.shape
    corner_x, corner_y = np.floor(middle - (size - 1) / 2).astype(np.int64).T
    for ring, ink in ((1, np.full(len(inks), _opaque((0, 0, 0)), np.uint32)), (0, inks)) if size > 2 else ((0, inks),):
        for row in range(-ring, size + ring):
            for column in range(-ring, size + ring):
                x, y = corner_x + column, corner_y + row
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                pixels[y[inside], x[inside]] = ink[inside]


def _in_sight(drawing: Drawing, scale: float, corner: tuple[float, float], size: tuple[int, int]) -> NDArray[np.int64]:
    """The features that are switched on and meet the picture."""
    geometry = drawing.vector.geometry
    if not len(geometry.categories):
        return np.zeros(0, np.int64)
    left, top = _to_pixels(drawing, geometry.bounds[:2].T, scale, corner).T
    right, bottom = _to_pixels(drawing, geometry.bounds[2:].T, scale, corner).T
    meets = (left <= size[0] + BEYOND) & (right >= -BEYOND) & (top <= size[1] + BEYOND) & (bottom >= -BEYOND)
    found: NDArray[np.int64] = np.flatnonzero(
        meets & shown_categories(drawing.categories, drawing.hidden)[geometry.categories]
    )
    return found


def _sizes(drawing: Drawing, features: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Pixels that features are across."""
    left, top, right, bottom = drawing.vector.geometry.bounds[:, features]
    x, y = _scales(drawing, scale)
    sizes: NDArray[np.float64] = np.maximum((right - left) * x, (bottom - top) * y)
    return sizes


def _rings(
    drawing: Drawing, features: NDArray[np.int64], scale: float, corner: tuple[float, float], size: tuple[int, int]
) -> _Rings:
    """The lines of some features in pixels, cut off beyond the picture, and no finer than it can show."""
    geometry = drawing.vector.geometry
    owners, index = points_of(geometry, features)
    points = _to_pixels(drawing, geometry.points[index], scale, corner)
    is_closed = geometry.shapes[features][owners] == SHAPES.index(Shape.POLYGON)
    rings = _Rings(points, _ring_begins(geometry, index), features[owners], is_closed)
    for axis in (0, 1):
        for limit, sign in ((-BEYOND, 1.0), (size[axis] + BEYOND, -1.0)):
            rings = _cut(rings, axis, limit, sign)
    step = 0.5
    while len(rings.points) > PIECE:
        rings = _coarser(rings, step)
        step *= 2
        if len(rings.points) <= MOST_POINTS or step > size[0]:
            break
    while _length(rings) > MOST_LENGTH:
        rings = rings.only(rings.begins | (np.arange(len(rings.points)) % 2 == 0))
    return rings


def _ring_begins(geometry: Geometry, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    begins = np.zeros(len(geometry.points) + 1, bool)
    begins[geometry.rings] = True
    found: NDArray[np.bool_] = begins[index]
    return found


def _cut(rings: _Rings, axis: int, limit: float, sign: float) -> _Rings:
    """What lies on one side of a line (Sutherland and Hodgman 1974), all rings at once; an open line may fall into pieces."""
    beyond = (rings.points[:, axis] - limit) * sign < 0
    if not beyond.any():
        return rings
    following = np.arange(1, len(beyond) + 1)
    ends = np.flatnonzero(np.append(rings.begins[1:], True))
    begins = np.flatnonzero(rings.begins)
    following[ends] = np.where(rings.is_closed[ends], begins, ends)
    crosses = beyond != beyond[following]
    before, after = rings.points, rings.points[following]
    run = after[:, axis] - before[:, axis]
    share = np.where(crosses, (limit - before[:, axis]) / np.where(crosses, run, 1.0), 0.0)
    meeting = before + share[:, None] * (after - before)
    meeting[:, axis] = np.where(crosses, limit, meeting[:, axis])
    both = np.stack([before, meeting], axis=1).reshape(-1, 2)
    keep = np.stack([~beyond, crosses], axis=1).reshape(-1)
    # A ring that enters again goes on along the border; an open line begins anew there.
    enters = np.stack([np.zeros(len(beyond), bool), crosses & beyond & ~rings.is_closed], axis=1).reshape(-1)
    doubled = np.stack([rings.begins, np.zeros(len(beyond), bool)], axis=1).reshape(-1) | enters
    twice = _Rings(both, doubled, np.repeat(rings.features, 2), np.repeat(rings.is_closed, 2))
    return twice.only(keep)


def _coarser(rings: _Rings, step: float) -> _Rings:
    """Without points that lie in the same small square as the one before."""
    square = np.floor(rings.points / step)
    keep = rings.begins.copy()
    keep[1:] |= (square[1:] != square[:-1]).any(axis=1)
    return rings.only(keep)


def _length(rings: _Rings) -> float:
    """Of all lines, but for those that close polygons: without them it comes down to nothing as points are left out."""
    steps = np.diff(rings.points, axis=0)[~rings.begins[1:]]
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())


def _path(rings: _Rings) -> QPainterPath:
    """Rings as a path, closed where they are of polygons. Made from bytes: a call for each point would take seconds."""
    count = len(rings.points)
    if not count:
        return QPainterPath()
    begins = np.flatnonzero(rings.begins)
    ends = np.append(begins[1:], count)
    closing = begins[rings.is_closed[begins]]
    order = np.insert(np.arange(count), ends[rings.is_closed[begins]], closing)
    kinds = np.where(rings.begins, MOVE_TO, LINE_TO)[order]
    kinds[np.insert(np.zeros(count, bool), ends[rings.is_closed[begins]], True)] = LINE_TO
    return _from_elements(rings.points[order], kinds)


def _dots(points: NDArray[np.float64]) -> QPainterPath:
    """A path of very short lines, which a pen with round ends makes discs."""
    both = np.repeat(points, 2, axis=0)
    both[1::2, 0] += 0.01
    return _from_elements(both, np.tile([MOVE_TO, LINE_TO], len(points)))


def _from_elements(points: NDArray[np.float64], kinds: NDArray[np.int64]) -> QPainterPath:
    path = QPainterPath()
    if not len(points):
        return path
    elements = np.empty(len(points), ELEMENT)
    elements["kind"], elements["x"], elements["y"] = kinds, points[:, 0], points[:, 1]
    head, foot = np.array([len(points)], ">i4"), np.array([0, WINDING], ">i4")
    stream = QDataStream(QByteArray(head.tobytes() + elements.tobytes() + foot.tobytes()))
    stream >> path
    return path


def _to_pixels(
    drawing: Drawing, points: NDArray[np.float64], scale: float, corner: tuple[float, float]
) -> NDArray[np.float64]:
    place = drawing.place
    offset = np.array([place.x * scale - corner[0], place.y * scale - corner[1]])
    pixels: NDArray[np.float64] = points * np.array(_scales(drawing, scale)) + offset
    return pixels


def _scales(drawing: Drawing, scale: float) -> tuple[float, float]:
    """Pixels per unit of the coordinates, across and down."""
    width, height = drawing.vector.unit
    return drawing.place.width * scale / width, drawing.place.height * scale / height


def _edge(color: QColor) -> QColor:
    """What sets a line off from an image that may have its colour."""
    return DARK if 0.299 * color.red() + 0.587 * color.green() + 0.114 * color.blue() >= BRIGHT else LIGHT


def _pen(color: QColor, width: float) -> QPen:
    return QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


def _opaque(color: tuple[int, int, int]) -> int:
    red, green, blue = color
    return 255 << 24 | red << 16 | green << 8 | blue

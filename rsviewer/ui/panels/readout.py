"""The readout: what the dataset says about the tile, where the cursor is, and what every layer says there.

Cheap enough for every move of the mouse.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from rsviewer.core.readout import Position, Reading, fact_words
from rsviewer.core.scene import Frame
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster, crs_name
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.ui.fields import Scrolled
from rsviewer.ui.painting import painting
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import DARK, UNIT, Theme, mono
from rsviewer.ui.tips import shows_tip
from rsviewer.workspace.news import Changed

LINE = 5 * UNIT
HEAD_LINES = 3
SWATCH = 10
TALLEST = 15 * LINE
"""Room that the panel claims at most; more lines are scrolled."""
LINES_MOST = 6
"""Of one layer: satellites have a dozen bands, hyperspectral images hundreds."""
BANDS_A_LINE = 3
FEATURE_LINES = 4
"""Features at the cursor, one in a line; the tool tip has all that is cut off."""
FACT_LINES = 4
"""What the dataset says about the tile, at most; the tool tip has all of it."""
BETWEEN_FACTS = 3 * UNIT
NOMINAL_GSD = "gsd"
"""The fact that says what the pixels of a tile measure by its source, where its file does not say."""
LONGEST_UNIT = 1200.0
"""Metres. A map unit that is longer than this on the ground is a degree: kilometres are not, longitudes near a pole are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One layer in the table.

    Attributes:
        title: of the layer.
        words: what it says at the cursor; empty where there is no cursor.
        usable: False where a word stands in place of a value.
        color: of the class.
        lines: room reserved for it, in lines of text.
    """

    title: str
    words: str = ""
    usable: bool = True
    color: tuple[int, int, int] | None = None
    lines: int = 1


@dataclass(frozen=True, slots=True)
class FactLine:
    """Something that the dataset says about the tile.

    Attributes:
        name: as filters have it.
        words: its value.
        title: what it means.
    """

    name: str
    words: str
    title: str


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that the readout says.

    Attributes:
        pixel: column and row, or what to do to get some.
        place: map coordinates.
        ground: GSD and CRS.
        facts: what the dataset says about the tile.
        lines: one for each visible layer that has pixels or features.
        crs: the whole name, which may be long.
        pointed: True where there is a cursor.
    """

    pixel: str = ""
    place: str = ""
    ground: str = ""
    facts: tuple[FactLine, ...] = ()
    lines: tuple[Line, ...] = ()
    crs: str = ""
    pointed: bool = False


class ReadoutTable(QWidget):
    """Draws the words. It is one widget without a layout: a new value costs one repaint and moves nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = Words()
        self._theme: Theme = DARK
        self._fact_lines = 0
        self._mono = mono(12)
        self._mono_metrics = QFontMetrics(self._mono)
        self._bold = QFont(self.font())
        self._bold.setWeight(QFont.Weight.DemiBold)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setMinimumHeight(self._height())

    def show_words(self, words: Words, theme: Theme) -> None:
        """Shows other words. The height changes only with the layers, and grows where a tile has longer facts."""
        if words == self.words and theme is self._theme:
            return
        if [fact.name for fact in words.facts] != [fact.name for fact in self.words.facts]:
            self._fact_lines = 0
        self.words, self._theme = words, theme
        self._fact_lines = max(self._fact_lines, self._lines_of_facts())
        self._keep_height()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Facts need fewer lines where there is more room."""
        super().resizeEvent(event)
        self._fact_lines = self._lines_of_facts()
        self._keep_height()

    def _keep_height(self) -> None:
        if self._height() != self.minimumHeight():
            self.setMinimumHeight(self._height())

    def sizeHint(self) -> QSize:
        """As tall as its lines."""
        return QSize(300, self._height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws head and table."""
        with painting(self) as painter:
            painter.setClipRect(event.rect())
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        words, width = self.words, self.width()
        painter.setFont(self._mono)
        painter.setPen(self._theme.text if words.pointed else self._theme.dim)
        self._put(painter, QRect(0, 0, width, LINE), words.pixel)
        painter.setPen(self._theme.text)
        self._put(painter, QRect(0, LINE, width, LINE), words.place)
        painter.setPen(self._theme.dim)
        painter.setFont(self.font())
        self._put(painter, QRect(0, 2 * LINE, width, LINE), words.ground)
        for fact, room in self._places(width):
            painter.setPen(self._theme.dim)
            self._put(painter, room, fact.name)
            painter.setPen(self._theme.text)
            self._put(painter, room.adjusted(self._advance(f"{fact.name} "), 0, 0, 0), fact.words)
        y = self._head_lines() * LINE + UNIT
        painter.setPen(self._theme.line)
        painter.drawLine(0, y, width, y)
        y += UNIT
        split = self._split()
        for line in words.lines:
            painter.setFont(self.font())
            painter.setPen(self._theme.dim)
            self._put(painter, QRect(0, y, split - 2 * UNIT, LINE), line.title)
            self._value(painter, QRect(split, y, width - split, line.lines * LINE), line)
            y += line.lines * LINE

    def event(self, event: QEvent) -> bool:
        """Whole titles and values as tool tips: both may be cut off."""
        return shows_tip(self, event, self.tip_at) or super().event(event)

    def tip_at(self, point: QPoint) -> str:
        """What the tool tip says at a point."""
        y = self._head_lines() * LINE + 2 * UNIT
        if point.y() < HEAD_LINES * LINE:
            return "\n".join(filter(None, (self.words.pixel, self.words.place, self.words.ground, self.words.crs)))
        if point.y() < y:
            return "\n".join(f"{fact.name}  {fact.words}    ({fact.title})" for fact in self.words.facts)
        for line in self.words.lines:
            if y <= point.y() < y + line.lines * LINE:
                return f"{line.title}\n{line.words}".strip()
            y += line.lines * LINE
        return ""

    def wrapped(self, line: Line, width: int) -> list[str]:
        """Bands over the lines that are reserved for them; the last line takes all that is left, and may be cut.

        Words that come in lines, one for each feature, stay so.
        """
        if "\n" in line.words and line.lines > 1:
            first = line.words.split("\n", line.lines - 1)
            return [*first[:-1], first[-1].replace("\n", "  ")]
        lines = [""]
        for word in line.words.split("  ") if line.lines > 1 else [line.words]:
            longer = f"{lines[-1]}  {word}".strip()
            if len(lines) < line.lines and lines[-1] and self._mono_metrics.horizontalAdvance(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def _value(self, painter: QPainter, rect: QRect, line: Line) -> None:
        painter.setFont(self._mono)
        painter.setPen(self._theme.text if line.usable else self._theme.dim)
        if line.color is not None:
            swatch = QRect(rect.left(), rect.top() + (LINE - SWATCH) // 2, SWATCH, SWATCH)
            painter.fillRect(swatch, QColor(*line.color))
            painter.setPen(self._theme.dim)
            painter.drawRect(swatch.adjusted(0, 0, -1, -1))
            painter.setPen(self._theme.text if line.usable else self._theme.dim)
            rect = rect.adjusted(SWATCH + UNIT + 2, 0, 0, 0)
        for number, words in enumerate(self.wrapped(line, rect.width())):
            self._put(painter, QRect(rect.left(), rect.top() + number * LINE, rect.width(), LINE), words)

    def _put(self, painter: QPainter, rect: QRect, words: str) -> None:
        if words:
            cut = painter.fontMetrics().elidedText(words.replace("\n", " "), Qt.TextElideMode.ElideRight, rect.width())
            painter.drawText(rect, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), cut)

    def _split(self) -> int:
        """Where the values begin: after the longest title, but not beyond two fifths."""
        longest = max((self.fontMetrics().horizontalAdvance(line.title) for line in self.words.lines), default=0)
        return min(longest + 4 * UNIT, 2 * self.width() // 5)

    def _places(self, width: int) -> Iterator[tuple[FactLine, QRect]]:
        """Where each fact stands: one after the other, and on the next line where there is no room for it."""
        x, row = 0, 0
        for fact in self.words.facts:
            needed = min(self._advance(f"{fact.name} {fact.words}") + 1, width)
            if x and x + needed > width:
                x, row = 0, row + 1
            if row == FACT_LINES:
                return
            yield fact, QRect(x, (HEAD_LINES + row) * LINE, needed, LINE)
            x += needed + BETWEEN_FACTS

    def _advance(self, words: str) -> int:
        return self.fontMetrics().horizontalAdvance(words)

    def _lines_of_facts(self) -> int:
        bottom = max((room.bottom() + 1 for _, room in self._places(self.width())), default=HEAD_LINES * LINE)
        return bottom // LINE - HEAD_LINES

    def _head_lines(self) -> int:
        return HEAD_LINES + self._fact_lines

    def _height(self) -> int:
        return (self._head_lines() + sum(line.lines for line in self.words.lines)) * LINE + 3 * UNIT


class ReadoutPanel(Panel):
    """Every layer at the cursor."""

    watches = Changed.TILE | Changed.VIEW | Changed.PICTURE

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = ReadoutTable()
        self._bands: dict[LayerId, int] = {}
        scrolled = Scrolled()
        scrolled.column.addWidget(self.table)
        scrolled.column.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scrolled)

    def sizeHint(self) -> QSize:
        """Room for all that it says."""
        return QSize(300, self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """No line is cut, unless there are very many."""
        return QSize(40 * UNIT, min(self.table.minimumHeight(), TALLEST) + 4 * UNIT)

    def workspace_changed(self) -> None:
        """Other layers."""
        self._bands.clear()

    def show_state(self) -> None:
        """Says what lies under the cursor."""
        before = self.table.minimumHeight()
        self.table.show_words(self._words(), self.theme)
        if self.table.minimumHeight() != before:
            self.updateGeometry()

    def _words(self) -> Words:
        workspace = self.workspace
        if workspace is None:
            return Words(pixel="No dataset is open")
        if workspace.tile is None:
            return Words(pixel="No tile")
        contents = [(spec, content) for spec, content in workspace.contents() if spec.kind is not LayerKind.TEXT]
        frame, readout = workspace.frame, workspace.readout()
        empty = tuple(Line(spec.title, lines=self._room(spec, content)) for spec, content in contents)
        entry = workspace.entry
        facts = () if entry is None else tuple(facts_of(workspace.dataset, entry))
        if frame is None:
            waits = any(content is None for _, content in contents)
            return Words("Reading…" if waits else "Nothing to read", facts=facts, lines=empty)
        crs, ground = frame.crs, ground_words(frame, None if entry is None else entry.facts.get(NOMINAL_GSD))
        if readout.position is None:
            return Words("Point at a pixel", "", ground, facts, empty, crs)
        by_layer = {reading.layer: reading for reading in readout.readings}
        lines = tuple(_line(line, by_layer[spec.id]) for line, (spec, _) in zip(empty, contents, strict=True))
        at = readout.position
        return Words(pixel_words(at), place_words(at, frame), ground, facts, lines, crs, pointed=True)

    def _room(self, spec: LayerSpec, content: LayerContent | None) -> int:
        """Lines for a layer: by the number of its bands, so that nothing moves with the cursor."""
        if spec.kind is LayerKind.VECTOR:
            return FEATURE_LINES
        if isinstance(content, Raster):
            self._bands[spec.id] = content.bands
        bands = self._bands.get(spec.id, len(spec.bands) or 1)
        return min(LINES_MOST, -(-bands // BANDS_A_LINE))


def pixel_words(position: Position) -> str:
    """Column and row, in a width that stays."""
    return f"column {position.column:<6} row {position.row}"


def place_words(position: Position, frame: Frame) -> str:
    """Map coordinates: metres to the centimetre, degrees to the tenth of a metre."""
    if position.map_x is None or position.map_y is None:
        return "no map coordinates"
    if is_in_degrees(frame):
        return f"lon {position.map_x:.6f}  lat {position.map_y:.6f}"
    return f"x {position.map_x:.2f}  y {position.map_y:.2f}"


def facts_of(dataset: Dataset, entry: TileEntry) -> Iterator[FactLine]:
    """What a dataset says about a tile, as far as it says something."""
    for fact in dataset.facts:
        value = entry.facts.get(fact.name)
        if value is not None and value != "":
            yield FactLine(fact.name, fact_words(value), fact.title)


def ground_words(frame: Frame, nominal: str | float | None = None) -> str:
    """GSD and CRS.

    Args:
        frame: of the tile.
        nominal: metres per pixel that the tile's source has, which counts where the file says nothing.
    """
    if frame.gsd is None and isinstance(nominal, float | int) and nominal > 0:
        gsd = f"about {nominal:g} m/px by its source"
    elif frame.gsd is None:
        gsd = "unknown GSD"
    else:
        digits = 3 if frame.gsd < 0.1 else 2 if frame.gsd < 100 else 0
        gsd = f"{frame.gsd:.{digits}f} m/px"
    return f"{gsd}  ·  {crs_words(frame.crs)}"


def crs_words(crs: str) -> str:
    """A CRS in a few words."""
    return crs_name(crs) or "no CRS"


def is_in_degrees(frame: Frame) -> bool:
    """True where the map coordinates are longitude and latitude. Judged by what a pixel measures on map and ground."""
    if frame.transform is None:
        return False
    if frame.crs.upper().startswith(("GEOG", "EPSG:4326", "OGC:CRS84")):
        return True
    a, b = frame.transform[0], frame.transform[1]
    pixel = (a * a + b * b) ** 0.5
    return frame.gsd is not None and pixel > 0 and frame.gsd / pixel > LONGEST_UNIT


def _line(empty: Line, reading: Reading) -> Line:
    return replace(empty, words=reading.text, usable=reading.usable, color=reading.color)

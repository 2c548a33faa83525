"""Figures about a tile: a table with units, and bars from nothing to all.

Drawn by hand: new values move nothing and cost one repaint.
"""

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from rsviewer.ui.painting import painting
from rsviewer.ui.theme import DARK, UNIT, Theme, mono
from rsviewer.ui.tips import shows_tip

LINE = 5 * UNIT
SWATCH = 10
GAP = 2 * UNIT
UNKNOWN = "–"
TITLE_SHARE = 0.5
"""Of the width that the titles of bars get at most."""
LEAST_BAR = 6 * UNIT


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        title: what it is.
        cells: one value a column, with its unit; empty for one that is not known.
        tip: what it means.
    """

    title: str
    cells: tuple[str, ...]
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        title: of what.
        share: 0..1; None where it is not known.
        color: red, green, blue; None for the accent of the theme.
        tip: what it means.
    """

    title: str
    share: float | None
    color: tuple[int, int, int] | None = None
    tip: str = ""


class _Lines(QWidget):
    """What table and bars share: lines of equal height, each with a tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = DARK
        self.mono = mono(12)
        self.mono_metrics = QFontMetrics(self.mono)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def lines(self) -> int:
        """How many there are."""
        raise NotImplementedError

    def tip_of(self, line: int) -> str:
        """What a line means."""
        raise NotImplementedError

    def words(self) -> str:
        """All that it says, for those who do not see it."""
        raise NotImplementedError

    def refresh(self, theme: Theme) -> None:
        """Draws other values."""
        self.theme = theme
        self.setAccessibleDescription(self.words())
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As tall as its lines, as wide as there is room."""
        return QSize(60 * UNIT, LINE * self.lines())

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, LINE * self.lines())

    def event(self, event: QEvent) -> bool:
        """Says what the line below the mouse means."""
        return shows_tip(self, event, self.tip_at) or super().event(event)

    def tip_at(self, place: QPoint) -> str:
        """What the line at a place of the widget means."""
        line = place.y() // LINE
        return self.tip_of(line) if 0 <= line < self.lines() else ""

    def put(self, painter: QPainter, rect: QRect, words: str, *, right: bool = False) -> None:
        """Writes words, cut where they are too long."""
        if rect.width() > 0 and words:
            metrics = painter.fontMetrics()
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            cut = metrics.elidedText(words.replace("\n", " "), Qt.TextElideMode.ElideRight, rect.width())
            painter.drawText(rect, int(Qt.AlignmentFlag.AlignVCenter | side), cut)


class Table(_Lines):
    """Rows of values, which stand right below each other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.columns: tuple[str, ...] = ()
        self.rows: tuple[Row, ...] = ()

    def show_rows(self, columns: tuple[str, ...], rows: tuple[Row, ...], theme: Theme) -> None:
        """Shows other values below the names of their columns; no names where `columns` is empty."""
        if (columns, rows, theme) != (self.columns, self.rows, self.theme):
            self.columns, self.rows = columns, rows
            self.refresh(theme)

    def lines(self) -> int:
        """Rows, and the names of the columns."""
        return len(self.rows) + bool(self.columns)

    def tip_of(self, line: int) -> str:
        """What a row means."""
        place = line - bool(self.columns)
        return self.rows[place].tip if place >= 0 else ""

    def words(self) -> str:
        """All rows."""
        return "\n".join(" ".join((row.title, *(cell or UNKNOWN for cell in row.cells))) for row in self.rows)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the columns from the right; the titles get what they leave."""
        count = max((len(row.cells) for row in self.rows), default=0)
        with painting(self) as painter:
            right = self.width()
            for column in reversed(range(count)):
                right = self._column(painter, column, right) - 2 * GAP
            painter.setFont(self.font())
            painter.setPen(self.theme.dim)
            for place, row in enumerate(self.rows):
                self.put(painter, QRect(0, LINE * (place + bool(self.columns)), right, LINE), row.title)

    def _column(self, painter: QPainter, column: int, right: int) -> int:
        """Draws one column that ends at `right`, and returns where it begins."""
        title = self.columns[column] if self.columns else ""
        cells = [row.cells[column] if column < len(row.cells) else "" for row in self.rows]
        widest = max((self.mono_metrics.horizontalAdvance(cell) for cell in cells), default=0)
        width = max(widest, self.fontMetrics().horizontalAdvance(title)) + 1
        painter.setPen(self.theme.dim)
        painter.setFont(self.font())
        self.put(painter, QRect(right - width, 0, width, LINE), title, right=True)
        painter.setFont(self.mono)
        for place, cell in enumerate(cells):
            painter.setPen(self.theme.text if cell else self.theme.dim)
            box = QRect(right - width, LINE * (place + bool(self.columns)), width, LINE)
            self.put(painter, box, cell or UNKNOWN, right=True)
        return right - width


class Bars(_Lines):
    """Shares as bars, each in the colour of what it is a share of."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars: tuple[Bar, ...] = ()

    def show_bars(self, bars: tuple[Bar, ...], theme: Theme) -> None:
        """Shows other values."""
        if (bars, theme) != (self.bars, self.theme):
            self.bars = bars
            self.refresh(theme)

    def lines(self) -> int:
        """One a bar."""
        return len(self.bars)

    def tip_of(self, line: int) -> str:
        """What a bar means, and its whole title."""
        bar = self.bars[line]
        return "\n".join(filter(None, (bar.title, bar.tip)))

    def words(self) -> str:
        """All bars."""
        return "\n".join(f"{bar.title} {percent(bar.share) or UNKNOWN}" for bar in self.bars)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Swatch, title, bar and number, line by line."""
        if not self.bars:
            return
        number = self.mono_metrics.horizontalAdvance("100.0 %") + 1
        names = max(self.fontMetrics().horizontalAdvance(bar.title) for bar in self.bars) + 2
        left = SWATCH + GAP if any(bar.color is not None for bar in self.bars) else 0
        room = self.width() - left - number - 2 * GAP
        titles = min(names, int(TITLE_SHARE * self.width()), max(0, room - LEAST_BAR))
        with painting(self) as painter:
            for place, bar in enumerate(self.bars):
                y = LINE * place
                color = self.theme.accent if bar.color is None else QColor(*bar.color)
                if bar.color is not None:
                    self._fill(painter, QRectF(0.5, y + (LINE - SWATCH) / 2 + 0.5, SWATCH - 1, SWATCH - 1), color)
                known = bar.share is not None
                painter.setFont(self.font())
                painter.setPen(self.theme.text if known else self.theme.dim)
                self.put(painter, QRect(left, y, titles, LINE), bar.title)
                self._bar(painter, QRectF(left + titles + GAP, y + 6, room - titles, LINE - 12), bar.share, color)
                painter.setFont(self.mono)
                painter.setPen(self.theme.text if known else self.theme.dim)
                box = QRect(self.width() - number, y, number, LINE)
                self.put(painter, box, percent(bar.share) or UNKNOWN, right=True)

    def _bar(self, painter: QPainter, rect: QRectF, share: float | None, color: QColor) -> None:
        if rect.width() < 1:
            return
        painter.fillRect(rect, self.theme.field)
        if share is not None and share > 0:
            filled = QRectF(rect)
            filled.setWidth(max(1.0, rect.width() * min(1.0, share)))
            self._fill(painter, filled.adjusted(0.5, 0.5, -0.5, -0.5), color)

    def _fill(self, painter: QPainter, rect: QRectF, color: QColor) -> None:
        """With an outline: classes may have the colour of the panel."""
        painter.setPen(self.theme.dim)
        painter.setBrush(color)
        painter.drawRect(rect)


def percent(share: float | None) -> str:
    """A share as all figures show it; empty where it is not known."""
    return "" if share is None else f"{100 * share:.1f} %"

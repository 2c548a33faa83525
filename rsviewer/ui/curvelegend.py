"""What the curves of a plot are, and what they say at the marker: one line that stands still while the values change."""

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from rsviewer.ui.painting import painting
from rsviewer.ui.theme import DARK, UNIT, Theme, mono
from rsviewer.ui.tips import plain_tip

SAMPLE = 18
"""Pixels of a curve's line, drawn beside its name."""
TALL = 6 * UNIT


@dataclass(frozen=True, slots=True)
class Entry:
    """One part of the line.

    Attributes:
        pen: of the curve; None for words without one.
        title: of the layer.
        words: a value, or what stands in its place.
        room: the longest words that may come here, so that nothing moves.
        usable: False where a word stands in place of a value.
    """

    pen: QPen | None
    title: str
    words: str
    room: str = ""
    usable: bool = True


class CurveLegend(QWidget):
    """Draws the entries beside each other; what does not fit is in the tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entries: tuple[Entry, ...] = ()
        self._theme: Theme = DARK
        self._mono = mono(12)
        self._mono_metrics = QFontMetrics(self._mono)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_entries(self, entries: tuple[Entry, ...], theme: Theme) -> None:
        """Shows other entries."""
        if entries != self.entries or theme is not self._theme:
            self.entries, self._theme = entries, theme
            self.update()

    def text(self) -> str:
        """All that it says."""
        return "\n".join(f"{entry.title}  {entry.words}".strip() for entry in self.entries)

    def width_of(self, entries: tuple[Entry, ...]) -> int:
        """The room that entries need."""
        return sum(self._width(entry) for entry in entries)

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(self.width_of(self.entries), TALL)

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, TALL)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws from left to right until there is no room."""
        with painting(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            x = 0
            for entry in self.entries:
                self._draw(painter, QRect(x, 0, min(self._width(entry), self.width() - x), self.height()), entry)
                x += self._width(entry)
                if x >= self.width():
                    break

    def event(self, event: QEvent) -> bool:
        """The whole line as a tool tip: it may be cut off."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), plain_tip(self.text()), self)
            return True
        return super().event(event)

    def _width(self, entry: Entry) -> int:
        longest = max(map(self._mono_metrics.horizontalAdvance, (entry.words, entry.room)))
        sample = 0 if entry.pen is None else SAMPLE + 2 * UNIT
        title = self.fontMetrics().horizontalAdvance(entry.title)
        return sample + title + 2 * UNIT * bool(entry.title) + longest + 4 * UNIT

    def _draw(self, painter: QPainter, rect: QRect, entry: Entry) -> None:
        if entry.pen is not None:
            pen = QPen(entry.pen)
            pen.setWidthF(2.5)
            painter.setPen(pen)
            middle = rect.top() + rect.height() / 2
            painter.drawLine(QPointF(rect.left() + 1, middle), QPointF(rect.left() + SAMPLE, middle))
            rect.setLeft(rect.left() + SAMPLE + 2 * UNIT)
        painter.setFont(self.font())
        painter.setPen(self._theme.text)
        rect.setLeft(rect.left() + self._put(painter, rect, entry.title))
        painter.setFont(self._mono)
        painter.setPen(self._theme.text if entry.usable else self._theme.dim)
        self._put(painter, rect, entry.words)

    def _put(self, painter: QPainter, rect: QRect, words: str) -> int:
        """Writes words, cut where they are too long. Returns the room they take."""
        if not words or rect.width() <= 0:
            return 0
        metrics = painter.fontMetrics()
        cut = metrics.elidedText(words.replace("\n", " "), Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), cut)
        return metrics.horizontalAdvance(cut) + 2 * UNIT

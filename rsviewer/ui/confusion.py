"""Which classes are taken for which: the confusion table as a small map of warmth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent, qGray
from PySide6.QtWidgets import QSizePolicy, QWidget

from rsviewer.core.tile import LabelClass
from rsviewer.ui.painting import painting
from rsviewer.ui.theme import DARK, UNIT, Theme, rgb
from rsviewer.ui.tips import shows_tip

HEAD = 5 * UNIT
STRIP = 6
"""Pixels of the strips in the colours of the classes, at the left and at the top."""
INNER = STRIP + 3
LARGEST = 8 * UNIT
"""Side of a cell at most."""
WRITTEN = 24
"""Side of a cell from which its share is written into it."""
LINED = 6
"""Side of a cell from which lines are drawn between the cells."""
BRIGHT = 128
"""Grey from which a cell is written on in a dark colour."""
CAPTION = "reference ↓   predicted →"


class ConfusionMap(QWidget):
    """Rows are the reference, columns the prediction. A cell is as strong as the root of its share of the row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: NDArray[np.int64] | None = None
        self.classes: tuple[LabelClass, ...] = ()
        self._theme: Theme = DARK
        self._image: QImage | None = None
        self._small = QFont(self.font())
        self._small.setPixelSize(10)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_table(self, table: NDArray[np.int64] | None, classes: Sequence[LabelClass], theme: Theme) -> None:
        """Shows the pixels of each pair of classes; (classes, classes), or None where nothing is known yet."""
        classes = tuple(classes)
        if table is self.table and classes == self.classes and theme is self._theme:
            return
        self.table, self.classes, self._theme = table, classes, theme
        self._image = None if table is None else _picture(table, theme)
        self._fit()
        self.update()

    def sizeHint(self) -> QSize:
        """As tall as the cells that fit the width."""
        return QSize(60 * UNIT, self._height())

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self._height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other cells."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Caption, strips of colours, cells."""
        with painting(self) as painter:
            painter.setPen(self._theme.dim)
            painter.drawText(QRectF(0, 0, self.width(), HEAD), int(Qt.AlignmentFlag.AlignVCenter), CAPTION)
            if self.classes:
                self._strips(painter)
                self._cells(painter)

    def event(self, event: QEvent) -> bool:
        """Says what the cell below the mouse means."""
        return shows_tip(self, event, self.tip_at) or super().event(event)

    def tip_at(self, place: QPoint) -> str:
        """What the cell at a place of the widget means, in words; empty where there is none."""
        cell = self._cell
        if not self.classes or self.table is None or cell <= 0:
            return ""
        column, row = int((place.x() - INNER) // cell), int((place.y() - HEAD - INNER) // cell)
        count = len(self.classes)
        if not (0 <= column < count and 0 <= row < count):
            return ""
        pixels, of = int(self.table[row, column]), int(self.table[row].sum())
        share = f", {100 * pixels / of:.1f} % of that" if of else ""
        right = " (right)" if row == column else ""
        return (
            f"Reference: {self.classes[row].name}, {of:,} px\n"
            f"Predicted: {self.classes[column].name}{right}, {pixels:,} px{share}"
        )

    def cell_center(self, row: int, column: int) -> QPoint:
        """Where a cell is."""
        cell = self._cell
        return QPoint(int(INNER + (column + 0.5) * cell), int(HEAD + INNER + (row + 0.5) * cell))

    @property
    def _cell(self) -> float:
        """Side of a cell; whole pixels where there are enough."""
        room = (self.width() - INNER - 1) / max(1, len(self.classes))
        return float(min(LARGEST, int(room) if room >= 2 else room))

    def _height(self) -> int:
        return HEAD + INNER + round(self._cell * len(self.classes)) + 2

    def _fit(self) -> None:
        if self.height() != self._height() or self.minimumHeight() != self._height():
            self.setFixedHeight(self._height())

    def _strips(self, painter: QPainter) -> None:
        cell = self._cell
        for place, one in enumerate(self.classes):
            for box in (
                QRectF(INNER + place * cell, HEAD + 1, cell, STRIP),
                QRectF(1, HEAD + INNER + place * cell, STRIP, cell),
            ):
                painter.fillRect(box, QColor(*one.color))
        side = cell * len(self.classes)
        painter.setPen(self._theme.dim)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(INNER - 0.5, HEAD + 0.5, side + 1, STRIP + 1))
        painter.drawRect(QRectF(0.5, HEAD + INNER - 0.5, STRIP + 1, side + 1))

    def _cells(self, painter: QPainter) -> None:
        cell, count = self._cell, len(self.classes)
        box = QRectF(INNER, HEAD + INNER, cell * count, cell * count)
        if self._image is None:
            painter.fillRect(box, self._theme.field)
        else:
            painter.drawImage(box, self._image)
        painter.setPen(QPen(self._theme.line, 1))
        if cell >= LINED:
            for place in range(count + 1):
                at = place * cell
                painter.drawLine(QPointF(box.left() + at, box.top()), QPointF(box.left() + at, box.bottom()))
                painter.drawLine(QPointF(box.left(), box.top() + at), QPointF(box.right(), box.top() + at))
        if cell >= WRITTEN and self.table is not None:
            self._write(painter, self.table)

    def _write(self, painter: QPainter, table: NDArray[np.int64]) -> None:
        """Percents of the row into its cells; what rounds to nothing is left out."""
        painter.setFont(self._small)
        cell = self._cell
        shares = _shares(table)
        for row, column in np.argwhere(shares >= 0.005):
            box = QRectF(INNER + column * cell, HEAD + INNER + row * cell, cell, cell)
            painter.setPen(self._ink(int(row), int(column)))
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{100 * shares[row, column]:.0f}")

    def _ink(self, row: int, column: int) -> QColor:
        """Dark on bright cells, bright on dark ones."""
        is_bright = self._image is not None and qGray(self._image.pixel(column, row)) > BRIGHT
        inks = (self._theme.text, self._theme.on_accent, self._theme.panel)
        return min(inks, key=_brightness) if is_bright else max(inks, key=_brightness)


def _brightness(color: QColor) -> int:
    return qGray(color.rgb())


def _shares(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each row; 0 in rows without a pixel."""
    shares: NDArray[np.float64] = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return shares


def _picture(table: NDArray[np.int64], theme: Theme) -> QImage:
    """One pixel a cell: what is right in the accent, what is wrong in the colour of warnings, the rest as the field."""
    strength = np.sqrt(_shares(table))[..., None]
    full = np.where(np.eye(len(table), dtype=bool)[..., None], rgb(theme.accent), rgb(theme.warn))
    mixed = np.rint(np.asarray(rgb(theme.field)) * (1 - strength) + full * strength).astype(np.uint8)
    pixels = np.dstack([mixed, np.full(table.shape, 255, np.uint8)])
    height, width = table.shape
    return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()

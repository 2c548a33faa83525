"""What the colours of a picture mean: a bar from the lowest to the highest value."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QImage, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from rsviewer.ui.painting import painting
from rsviewer.ui.theme import DARK, UNIT, Theme

BAR = 80
SMALL = 11


class ColorScale(QWidget):
    """A bar with words at both ends.

    Args:
        tables: name of a colour table -> (256, 3).
    """

    def __init__(self, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tables = tables
        self._table = "viridis"
        self._theme: Theme = DARK
        self.low = ""
        self.high = ""
        font = QFont(self.font())
        font.setPixelSize(SMALL)
        self.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_scale(self, table: str, low: str, high: str, theme: Theme) -> None:
        """Shows another scale."""
        self._table, self.low, self.high, self._theme = table, low, high, theme
        self.updateGeometry()
        self.update()
        self.show()

    def sizeHint(self) -> QSize:
        """One line."""
        metrics = self.fontMetrics()
        words = metrics.horizontalAdvance(self.low) + metrics.horizontalAdvance(self.high)
        return QSize(words + BAR + 4 * UNIT, 5 * UNIT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Words, bar, words."""
        with painting(self) as painter:
            painter.setFont(self.font())
            painter.setPen(self._theme.dim)
            metrics = self.fontMetrics()
            middle = int(Qt.AlignmentFlag.AlignVCenter)
            left = float(metrics.horizontalAdvance(self.low))
            painter.drawText(QRectF(0, 0, left + 2, self.height()), middle, self.low)
            colors = np.ascontiguousarray(self._tables(self._table)[None])
            image = QImage(colors.data, 256, 1, 3 * 256, QImage.Format.Format_RGB888).copy()
            bar = QRectF(left + 2 * UNIT, (self.height() - 10) / 2, BAR, 10)
            painter.drawImage(bar, image)
            painter.drawText(QRectF(bar.right() + 2 * UNIT, 0, 400, self.height()), middle, self.high)

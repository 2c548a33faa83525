"""Fields of the panels. They leave the keyboard to the panes: clicking takes no focus, letters go on to the window."""

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, QPoint, QRect, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip

FIELD_KEYS = frozenset(
    {
        Qt.Key.Key_Up,
        Qt.Key.Key_Down,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
        Qt.Key.Key_Space,
    }
)
"""What a choice that was reached with Tab keeps for itself; every other key belongs to the window."""


@contextmanager
def quiet(*fields: QObject) -> Iterator[None]:
    """No signals while the program itself fills in the fields."""
    blockers = [QSignalBlocker(field) for field in fields]
    try:
        yield
    finally:
        for blocker in blockers:
            blocker.unblock()


class Elided(QLabel):
    """A line that is cut with "…" where there is no room, and then says all in its tool tip."""

    def __init__(self, text: str = "", parent: QWidget | None = None, *, side: Qt.TextElideMode | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self._side = side or Qt.TextElideMode.ElideRight
        self._tip = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def text(self) -> str:
        """The whole line."""
        return self._whole

    def setText(self, text: str) -> None:
        """Shows as much of a line as there is room for."""
        if text != self._whole:
            self._whole = text
            self._cut()

    def set_tip(self, tip: str) -> None:
        """A tool tip to show where the line is not cut."""
        self._tip = tip
        self._cut()

    def sizeHint(self) -> QSize:
        """Room for the whole line."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self._whole) + 2, metrics.height())

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self.fontMetrics().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cuts anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        shown = self.fontMetrics().elidedText(self._whole, self._side, max(0, self.width()))
        if shown != super().text():
            super().setText(shown)
        whole = self._tip if shown == self._whole else "\n".join(filter(None, (self._whole, self._tip)))
        self.setToolTip(plain_tip(whole))


class Choice(QComboBox):
    """A combo box that neither the wheel nor a letter changes by accident."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose, Space opens; letters are commands of the window."""
        if event.key() in FIELD_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the panel."""
        event.ignore()


class Number(QDoubleSpinBox):
    """A number to type. It has the focus while it is typed into; Enter and Escape give it back.

    Signals:
        done: the typing has ended.
    """

    done = Signal()

    def __init__(
        self,
        low: float,
        high: float,
        step: float,
        decimals: int = 0,
        suffix: str = "",
        prefix: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setRange(low, high)
        self.setDecimals(decimals)
        self.setSingleStep(step)
        self.setSuffix(suffix)
        self.setPrefix(prefix)
        self.setKeyboardTracking(False)
        # Not setButtonSymbols(NoButtons): under a style sheet it leaves one pixel for the text.
        self.setStyleSheet("QDoubleSpinBox::up-button, QDoubleSpinBox::down-button { width: 0; border: none; }")
        self.lineEdit().setTextMargins(UNIT, 0, UNIT, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(12 * UNIT)

    def minimumSizeHint(self) -> QSize:
        """Two of them fit beside a label."""
        return QSize(12 * UNIT, super().minimumSizeHint().height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter takes the number, Escape brings the former one back; both leave."""
        if event.key() == Qt.Key.Key_Escape:
            with quiet(self):
                self.setValue(self.value())
                self.lineEdit().setText(f"{self.prefix()}{self.textFromValue(self.value())}{self.suffix()}")
            self.done.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.interpretText()
            self.done.emit()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Only a number that is being typed can be turned by the wheel."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Writing(QPlainTextEdit):
    """Lines to type. Escape and Ctrl+Enter leave them; Tab goes on to the next part of the window.

    Args:
        name: what is written, as a program for the blind reads it.
        lines: that it is tall.

    Signals:
        finished: the writer is done.
        left: the writer has gone elsewhere.
    """

    finished = Signal()
    left = Signal()

    def __init__(self, name: str, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setAccessibleName(name)
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 5 * UNIT)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Everything but the keys that leave is typing."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() == Qt.Key.Key_Escape or (enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier):
            self.finished.emit()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving by mouse or Tab is leaving, too."""
        super().focusOutEvent(event)
        if event.reason() is not Qt.FocusReason.PopupFocusReason:
            self.left.emit()


class Slider(QSlider):
    """A share from 0 to 100, pulled with the mouse."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(0, 100)
        self.setPageStep(10)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the panel."""
        event.ignore()


class Scrolled(QScrollArea):
    """A column of things as wide as the panel; where they are too tall, they are scrolled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        self.column = QVBoxLayout(inside)
        self.column.setContentsMargins(2 * UNIT, 2 * UNIT, 2 * UNIT, 2 * UNIT)
        self.column.setSpacing(2 * UNIT)
        self.setWidget(inside)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """All keys belong to the window."""
        event.ignore()

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(40 * UNIT, 20 * UNIT)


class Flow(QLayout):
    """Things of different widths beside each other, in as many lines as they need."""

    def __init__(self, spacing: int = UNIT, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:
        """Called by `addWidget`."""
        self._items.append(item)

    def count(self) -> int:
        """How many things."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """One of them."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Takes one out."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """None: it is as tall as its lines."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """The narrower, the taller."""
        return True

    def heightForWidth(self, width: int) -> int:
        """All lines."""
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        """Puts everything where it belongs."""
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def sizeHint(self) -> QSize:
        """As the minimum."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """The widest thing."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, *, move: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            hint = item.sizeHint()
            width = min(hint.width(), rect.width())
            if x + width > rect.right() + 1 and line:
                x, y, line = rect.x(), y + line + self.spacing(), 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), QSize(width, hint.height())))
            x += width + self.spacing()
            line = max(line, hint.height())
        return y + line - rect.y()


def beside(*fields: QWidget) -> QWidget:
    """Fields in one row, as one field. A line that is cut where there is no room gets what the others leave."""
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(UNIT)
    for field in fields:
        line.addWidget(field, 1 if isinstance(field, Elided) else 0)
    return row


def tool_button(text: str, tip: str) -> QToolButton:
    """A small button."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    button.setFixedHeight(7 * UNIT)
    if len(text) == 1:
        button.setFixedWidth(7 * UNIT)
        button.setStyleSheet("padding: 0")
    focus_by_tab(button)
    return button


def focus_by_tab(*widgets: QWidget) -> None:
    """Buttons and boxes that a click does not give the focus to."""
    for widget in widgets:
        widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)


def line_height(widget: QWidget) -> int:
    """Of one line with a check box or an icon in it, in steps of the rhythm."""
    tallest = max(widget.fontMetrics().height(), widget.style().pixelMetric(QStyle.PixelMetric.PM_IndicatorHeight))
    return (tallest + 2 * UNIT + UNIT - 1) // UNIT * UNIT

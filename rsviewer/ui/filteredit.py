"""A line for filters, with a list of what may come next below the place where one types."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.completing import Completion, Completions
from rsviewer.ui.fields import line_height
from rsviewer.ui.theme import UNIT

KEYS_OF_TEXT = (
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)
"""Qt's line edit passes these on, so that Return would maximise a pane and the arrows move the cursor in it."""
ROWS = 10
"""Lines of the list that are seen at once."""
WIDTH = 520
NAMES = 0.42
"""Share of the list's width for what is typed; the rest says what it is."""
STEPS: dict[int, int] = {
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_PageDown: ROWS,
    Qt.Key.Key_PageUp: -ROWS,
}
"""Key -> lines that it moves by."""
TEXT = Qt.ItemDataRole.DisplayRole
HELP = Qt.ItemDataRole.UserRole


class FilterEdit(QLineEdit):
    """A line that Escape leaves."""

    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves; everything else is typing, and what a line does not use of it is not meant for the panes either."""
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
            return
        super().keyPressEvent(event)
        if event.key() in KEYS_OF_TEXT:
            event.accept()


class CompletingEdit(FilterEdit):
    """A line with completion: Tab takes the first or chosen line of the list, Enter the chosen one, Escape closes the list.

    Args:
        complete: text, cursor -> what may come there.
    """

    def __init__(self, complete: Callable[[str, int], Completions], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._complete = complete
        self._offered = Completions()
        self._applying = False
        self.list = CompletionList(self)
        self.list.taken.connect(self.take)
        self.textEdited.connect(lambda _: self.offer())
        self.cursorPositionChanged.connect(self._moved)

    @property
    def is_offering(self) -> bool:
        """Whether the list is open."""
        return not self.list.isHidden() and self.list.items.count() > 0

    def say(self, trouble: str) -> None:
        """Says below the list, or where it would be, why what is typed is no filter; nothing where it is one."""
        self.list.trouble.setText(trouble if self.hasFocus() else "")
        if trouble or not self.list.isHidden():
            self._show_list()

    def offer(self) -> None:
        """Shows what may come where the cursor stands; nothing where there is nothing."""
        self._offered = self._complete(self.text(), self.cursorPosition())
        self._show_list()

    def _show_list(self) -> None:
        if not (self._offered.items or self.list.trouble.text()) or not self.hasFocus():
            self.list.hide()
            return
        before = self.fontMetrics().horizontalAdvance(self.text()[self._offered.start : self.cursorPosition()])
        left = max(0, self.cursorRect().center().x() - before)
        self.list.show_items(self._offered, QPoint(left, self.height() + 1))

    def offer_again(self) -> None:
        """More may be known by now."""
        if self.is_offering or (self.hasFocus() and self.text() and not self._offered.items):
            self.offer()

    def take(self, row: int) -> None:
        """Puts a line of the list into the text."""
        text, at = self._offered.applied(self.text(), self._offered.items[row])
        self._applying = True
        self.setText(text)
        self.setCursorPosition(at)
        self._applying = False
        self.textEdited.emit(text)

    def event(self, event: QEvent) -> bool:
        """Tab takes a completion while the list is open: else it moves on."""
        if (
            event.type() is QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Tab
            and self.is_offering
        ):
            self.take(max(0, self.list.row))
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The list first, then the line."""
        key = event.key()
        wants_list = key == Qt.Key.Key_Down or (
            key == Qt.Key.Key_Space and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        )
        if not self.is_offering and wants_list:
            self.offer()
        elif self.is_offering and key == Qt.Key.Key_Escape:
            self._offered = Completions()
            self.list.hide()
        elif self.is_offering and key in STEPS:
            self.list.step(STEPS[key])
        elif self.is_offering and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.list.row >= 0:
            self.take(self.list.row)
        else:
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._offered = Completions()
                self.list.hide()
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Nobody types any more."""
        self.list.hide()
        super().focusOutEvent(event)

    def _moved(self, before: int, after: int) -> None:
        """The cursor went elsewhere without typing: what was offered is not meant there."""
        if self.is_offering and not self._applying and not self._offered.start <= after <= self._offered.end + 1:
            self.list.hide()


class CompletionList(QFrame):
    """The list. It stands in the window, in front of all else, and never takes the keyboard.

    Signals:
        taken: a line was clicked; carries its number.
    """

    taken = Signal(int)

    def __init__(self, edit: QLineEdit) -> None:
        super().__init__(edit.window())
        self._edit = edit
        self.setObjectName("completions")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAutoFillBackground(True)
        self.items = QListWidget()
        self.items.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.items.setItemDelegate(_Line(self.items))
        self.items.setUniformItemSizes(True)
        self.items.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.items.itemClicked.connect(lambda item: self.taken.emit(self.items.row(item)))
        self.setStyleSheet("#completions { border: 1px solid palette(highlight); background: palette(base); }")
        self.trouble = QLabel()
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)  # it quotes what was typed
        self.trouble.setWordWrap(True)
        self.trouble.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addWidget(self.items)
        column.addWidget(self.trouble)
        self.hide()

    @property
    def row(self) -> int:
        """The chosen line; -1 where none is."""
        return self.items.currentRow()

    def show_items(self, offered: Completions, at: QPoint) -> None:
        """Shows lines below a place of the edit. The first is chosen where something of it was typed."""
        window = self._edit.window()
        if self.parentWidget() is not window:
            self.setParent(window)
        self.items.clear()
        for each in offered.items:
            self.items.addItem(_item(each))
        self.items.setCurrentRow(0 if offered.typed else -1)
        width = min(WIDTH, window.width() - 2 * UNIT)
        height = min(len(offered.items), ROWS) * line_height(self.items) + 4
        self.items.setVisible(bool(offered.items))
        self.trouble.setVisible(bool(self.trouble.text()))
        if self.trouble.text():
            height += self.trouble.heightForWidth(width - 2)
        place = self._edit.mapTo(window, at)
        left = max(UNIT, min(place.x(), window.width() - width - UNIT))
        self.setGeometry(
            QRect(left, place.y(), width, min(height, max(line_height(self.items), window.height() - place.y())))
        )
        self.show()
        self.raise_()

    def step(self, by: int) -> None:
        """Chooses another line, round the ends."""
        count = self.items.count()
        row = self.row + by
        if abs(by) > 1:
            row = max(0, min(row, count - 1))
        self.items.setCurrentRow(row % count if self.row >= 0 or by > 0 else count - 1)


class _Line(QStyledItemDelegate):
    """What is put in, and beside it what that is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """One line."""
        view = self.parent()
        return QSize(100, line_height(view) if isinstance(view, QWidget) else 6 * UNIT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Two columns."""
        rect, palette = option.rect, option.palette
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        metrics = option.fontMetrics
        if chosen:
            painter.fillRect(rect, palette.color(QPalette.ColorRole.Highlight))
        inner = rect.adjusted(2 * UNIT, 0, -2 * UNIT, 0)
        text, words = str(index.data(TEXT)), str(index.data(HELP) or "")
        room = int(inner.width() * NAMES) if words else inner.width()
        name = QRect(inner.left(), inner.top(), room - UNIT, inner.height())
        dim = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.PlaceholderText
        bright = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(palette.color(bright))
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, name.width())
        painter.drawText(name, int(Qt.AlignmentFlag.AlignVCenter), shown)
        if words:
            rest = QRect(inner.left() + room, inner.top(), inner.width() - room, inner.height())
            painter.setPen(palette.color(dim))
            shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, rest.width())
            painter.drawText(rest, int(Qt.AlignmentFlag.AlignVCenter), shown)


def _item(completion: Completion) -> QListWidgetItem:
    item = QListWidgetItem(completion.text)
    item.setData(HELP, completion.help)
    return item

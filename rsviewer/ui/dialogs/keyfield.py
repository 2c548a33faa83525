"""A field that takes the next key that is pressed."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QLineEdit, QWidget

from rsviewer.ui.actions import pressed_key
from rsviewer.ui.theme import UNIT

MODIFIERS = frozenset(
    {
        Qt.Key.Key_Shift,
        Qt.Key.Key_Control,
        Qt.Key.Key_Alt,
        Qt.Key.Key_Meta,
        Qt.Key.Key_AltGr,
        Qt.Key.Key_CapsLock,
        Qt.Key.Key_NumLock,
        Qt.Key.Key_unknown,
    }
)

IDLE = "click here and press a key"
LISTENING = "press a key, or Escape"


class KeyField(QLineEdit):
    """While it has the focus, every key is recorded, Tab and Enter too. Escape leaves without one.

    Signals:
        pressed: a key, in Qt's portable notation: "Shift+D".
        left: Escape was pressed.
    """

    pressed = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("Press a key")
        self.setPlaceholderText(IDLE)
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance(IDLE) + 6 * UNIT)

    def event(self, event: QEvent) -> bool:
        """Takes keys before Qt makes shortcuts or steps of the focus of them."""
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            self._take(event)
            return True
        return super().event(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Says that it listens."""
        super().focusInEvent(event)
        self.setPlaceholderText(LISTENING)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Says that it does not listen any more."""
        super().focusOutEvent(event)
        self.setPlaceholderText(IDLE)

    def _take(self, event: QKeyEvent) -> None:
        if Qt.Key(event.key()) in MODIFIERS or event.isAutoRepeat():
            return
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
            return
        key = QKeySequence(pressed_key(event)).toString(QKeySequence.SequenceFormat.PortableText)
        if key:
            self.pressed.emit(key)

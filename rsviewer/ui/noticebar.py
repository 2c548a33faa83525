"""A line above the panes that says what went wrong with opening, and offers a way on."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from rsviewer.ui.theme import UNIT


class NoticeBar(QWidget):
    """Hidden until there is something to say.

    Signals:
        accepted: the way on was taken.
    """

    accepted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QLabel(wordWrap=True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setProperty("tone", "warn")
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.offer = QPushButton()
        self.offer.clicked.connect(self._accept)
        dismiss = QToolButton()
        dismiss.setText("✕")
        dismiss.setToolTip("Dismiss")
        dismiss.setAccessibleName("Dismiss")
        dismiss.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        row.setSpacing(2 * UNIT)
        row.addWidget(self.words, 1)
        row.addWidget(self.offer)
        row.addWidget(dismiss)
        self.hide()

    def say(self, words: str, offer: str) -> None:
        """Shows a sentence and a button."""
        self.words.setText(words)
        self.offer.setText(offer)
        self.show()

    def _accept(self) -> None:
        self.hide()
        self.accepted.emit()

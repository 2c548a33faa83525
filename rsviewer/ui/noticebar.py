"""A line above the panes that says what opening a dataset has come to, and offers ways on."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from rsviewer.ui.theme import UNIT

Offer = tuple[str, Callable[[], None]]
"""Words of a button, and what it does."""


class NoticeBar(QWidget):
    """Hidden until there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QLabel(wordWrap=True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setProperty("tone", "warn")
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.offers: tuple[QPushButton, ...] = ()
        dismiss = QToolButton()
        dismiss.setText("✕")
        dismiss.setToolTip("Dismiss")
        dismiss.setAccessibleName("Dismiss")
        dismiss.clicked.connect(self.hide)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        self._row.setSpacing(2 * UNIT)
        self._row.addWidget(self.words, 1)
        self._row.addWidget(dismiss)
        self.hide()

    def say(self, words: str, offers: Sequence[Offer] = ()) -> None:
        """Shows a sentence and a button for each way on, which closes the line."""
        self.words.setText(words)
        if [button.text() for button in self.offers] != [text for text, _ in offers]:
            for button in self.offers:
                self._row.removeWidget(button)
                button.deleteLater()
            self.offers = tuple(QPushButton(text) for text, _ in offers)
            for place, button in enumerate(self.offers, start=1):
                self._row.insertWidget(place, button)
        else:
            for button in self.offers:
                button.clicked.disconnect()
        for button, (_, act) in zip(self.offers, offers, strict=True):
            button.clicked.connect(lambda _=False, act=act: self._take(act))
        self.show()

    def _take(self, act: Callable[[], None]) -> None:
        self.hide()
        act()

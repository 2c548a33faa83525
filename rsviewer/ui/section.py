"""A part of a panel that can be folded away below its title."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from rsviewer.ui.fields import focus_by_tab
from rsviewer.ui.theme import UNIT

OPEN, CLOSED = "▾", "▸"


class Section(QWidget):
    """A title that shows or hides what is below it; closed at first.

    Args:
        title: always to be seen.
        content: to be seen while it is open.
        tip: of the title.

    Signals:
        opened: the user opened it (True) or closed it.
    """

    opened = Signal(bool)

    def __init__(self, title: str, content: QWidget, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self.content = content
        self.head = QPushButton()
        self.head.setCheckable(True)
        self.head.setToolTip(tip)
        self.head.setAccessibleName(title)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.setFixedHeight(6 * UNIT)
        self.head.setStyleSheet(
            "QPushButton, QPushButton:checked { border: none; background: transparent; padding: 0; text-align: left;"
            " font-weight: 600; color: palette(window-text); }"
            "QPushButton:hover, QPushButton:focus { color: palette(link); }"
        )
        focus_by_tab(self.head)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(UNIT)
        column.addWidget(self.head, 0, Qt.AlignmentFlag.AlignTop)
        column.addWidget(content)
        self.head.toggled.connect(self._toggled)
        self.set_open(on=False)

    @property
    def is_open(self) -> bool:
        """Whether its content is to be seen."""
        return self.head.isChecked()

    def set_open(self, *, on: bool) -> None:
        """Shows or hides its content."""
        self.head.setChecked(on)
        self._show(on=on)

    def _toggled(self, on: bool) -> None:
        self._show(on=on)
        self.opened.emit(on)

    def _show(self, *, on: bool) -> None:
        self.head.setText(f"{OPEN if on else CLOSED} {self._title}")
        self.content.setVisible(on)

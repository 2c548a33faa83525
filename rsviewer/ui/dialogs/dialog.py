"""What all dialogs of the window have in common."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from rsviewer.ui.theme import UNIT


class Dialog(QDialog):
    """A window that asks while the tiles stay usable. Escape closes it, and it goes away when closed.

    Args:
        title: of the window.
        size: (width, height) it opens with, as far as the screen has room.
    """

    def __init__(self, title: str, size: tuple[int, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setModal(False)
        room = self.screen().availableSize()
        self.resize(min(size[0], room.width() - 10 * UNIT), min(size[1], room.height() - 20 * UNIT))
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        self.column.setSpacing(3 * UNIT)

    def reject(self) -> None:
        """Escape closes, so that the dialog is deleted as well."""
        self.close()

"""Going to a tile by its name or number."""

from PySide6.QtWidgets import QLineEdit, QWidget

from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.workspace.workspace import Workspace


class GoToDialog(Dialog):
    """Asks for a tile's name or number."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Go to tile", (480, 120), parent)
        self._workspace = workspace
        self.text = QLineEdit(placeholderText="name or number")
        self.text.returnPressed.connect(self._go)
        self.column.addWidget(self.text)

    def _go(self) -> None:
        self._workspace.start_at(self.text.text())
        self.close()

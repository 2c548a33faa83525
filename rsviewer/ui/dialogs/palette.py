"""Every command by its name."""

from PySide6.QtWidgets import QListWidget, QWidget

from rsviewer.ui.actions import Actions
from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.workspace.commands import COMMANDS


class PaletteDialog(Dialog):
    """Runs the command that is chosen."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__("All commands", (560, 480), parent)
        self._actions = actions
        self.list = QListWidget()
        self.list.addItems([known.title for known in COMMANDS])
        self.list.itemActivated.connect(self._run)
        self.column.addWidget(self.list)

    def _run(self) -> None:
        command = COMMANDS[self.list.currentRow()]
        self.close()
        self._actions.run(command)

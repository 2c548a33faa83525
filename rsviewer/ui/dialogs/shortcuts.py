"""The cheat sheet."""

from PySide6.QtWidgets import QPlainTextEdit, QWidget

from rsviewer.ui.actions import Actions
from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.workspace.commands import COMMANDS


class KeysDialog(Dialog):
    """All keys on one page."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__("Keys", (960, 640), parent)
        page = QPlainTextEdit("\n".join(f"{', '.join(actions.keys(known))}\t{known.title}" for known in COMMANDS))
        page.setReadOnly(True)
        self.column.addWidget(page)

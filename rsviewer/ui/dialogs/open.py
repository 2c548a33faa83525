"""Choosing a dataset."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from rsviewer.ui.dialogs.dialog import Dialog


class OpenDialog(Dialog):
    """Asks for the folder of a dataset.

    Signals:
        chosen: a folder to open.
    """

    chosen = Signal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Open dataset", (640, 420), parent)
        choose = QPushButton("Choose folder…")
        choose.clicked.connect(self.choose_folder)
        self.column.addWidget(choose)

    def choose_folder(self) -> None:
        """Asks with the desktop's own dialog."""
        name = QFileDialog.getExistingDirectory(self, "The folder of a dataset")
        if name:
            self.chosen.emit(Path(name))
            self.close()

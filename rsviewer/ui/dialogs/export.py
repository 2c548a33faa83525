"""Exporting cleaned lists."""

from PySide6.QtWidgets import QLabel, QWidget

from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.workspace.workspace import Workspace


class ExportDialog(Dialog):
    """Shows what an export leaves out, and writes it."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Export cleaned lists", (960, 680), parent)
        self.column.addWidget(QLabel(f"{workspace.review.dropped:,} tiles are dropped."))

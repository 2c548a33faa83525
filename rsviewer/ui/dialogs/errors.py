"""The crash dialog: our own bugs, said plainly, with what a report needs."""

import platform
import traceback

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from rsviewer import __version__
from rsviewer.ui.theme import UNIT, mono


def report(error: BaseException) -> str:
    """What somebody who mends it needs to know."""
    lines = traceback.format_exception(error)
    return f"rsviewer {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n{''.join(lines)}"


def show_crash(parent: QWidget, error: BaseException) -> None:
    """Shows an unexpected error beside the window; the program goes on."""
    if parent.findChild(CrashDialog) is None:
        CrashDialog(error, parent).show()


class CrashDialog(QDialog):
    """One unexpected error, with a button that copies it."""

    def __init__(self, error: BaseException, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("rsviewer: unexpected error")
        self.resize(640, 420)
        words = QLabel(
            "Something went wrong that should not have. Your decisions are saved. You can go on; if it happens again, "
            "please report it with the text below."
        )
        words.setWordWrap(True)
        self.text = QPlainTextEdit(report(error))
        self.text.setReadOnly(True)
        self.text.setFont(mono())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        column.setSpacing(3 * UNIT)
        column.addWidget(words)
        column.addWidget(self.text, 1)
        column.addWidget(buttons)

"""What one person likes."""

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QLineEdit, QWidget

from rsviewer.data.settings import Preferences
from rsviewer.ui.dialogs.dialog import Dialog


class PreferencesDialog(Dialog):
    """Asks for preferences.

    Signals:
        changed: the new Preferences.
    """

    changed = Signal(object)

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__("Preferences", (720, 560), parent)
        self._preferences = preferences
        self.reviewer = QLineEdit(preferences.reviewer)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.close)
        self.column.addWidget(QLabel("Your name, written beside decisions"))
        self.column.addWidget(self.reviewer)
        self.column.addStretch()
        self.column.addWidget(buttons)

    def accept(self) -> None:
        """Takes everything."""
        self.changed.emit(replace(self._preferences, reviewer=self.reviewer.text().strip()))
        self.close()

"""What all panels share: they follow a workspace, and refresh at most once in a while however fast tiles go by."""

from collections.abc import Callable

from PySide6.QtCore import QSize, QTimer
from PySide6.QtWidgets import QWidget

from rsviewer.ui.theme import DARK, UNIT, Theme
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

REST_MS = 40
"""Changes that come closer together are shown together."""
HURRIED_MS = 250
"""While a key is held, panels lag behind the panes by this much: the panes come first."""


class Panel(QWidget):
    """A part of the window that shows something of the workspace.

    Subclasses say in `watches` which changes concern them and draw themselves in `show_state`.
    """

    watches: Changed = Changed.TILE

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace: Workspace | None = None
        self.theme: Theme = DARK
        self._unsubscribe: Callable[[], None] | None = None
        self._rest = QTimer(self, singleShot=True)
        self._rest.timeout.connect(self.show_state)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Follows another workspace, or none."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self.workspace = workspace
        self._unsubscribe = None if workspace is None else workspace.subscribe(self._changed)
        self.workspace_changed()
        self.show_state()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.theme = theme
        self.show_state()

    def workspace_changed(self) -> None:
        """Called when the workspace is another one: for what depends on the dataset only."""

    def show_state(self) -> None:
        """Draws what the workspace says now."""
        raise NotImplementedError

    def _changed(self, changed: Changed) -> None:
        if changed & self.watches and not self._rest.isActive():
            hurried = self.workspace is not None and self.workspace.hurried
            self._rest.start(HURRIED_MS if hurried else REST_MS)


class LowPanel(Panel):
    """A panel for a dock below the panes."""

    def sizeHint(self) -> QSize:
        """Low: the panes have most of the room."""
        return QSize(480, 300)

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(48 * UNIT, 36 * UNIT)

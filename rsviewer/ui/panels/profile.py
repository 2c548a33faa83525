"""The plot of heights along a line."""

from PySide6.QtCore import Signal

from rsviewer.ui.panels.panel import Panel
from rsviewer.workspace.news import Changed


class ProfilePanel(Panel):
    """Heights along the line of `workspace.profiling`, one curve a height layer. pyqtgraph is imported when it is first shown.

    Signals:
        done: the keyboard goes back to the panes.
    """

    watches = Changed.PROFILE | Changed.TILE | Changed.PICTURE | Changed.VIEW
    done = Signal()

    def show_state(self) -> None:
        """Plots the heights along the line."""

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""

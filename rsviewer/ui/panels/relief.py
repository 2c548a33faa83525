"""The 3D view with its controls: which height, coloured by what, seen from where."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from rsviewer.ui.panels.panel import Panel
from rsviewer.workspace.news import Changed


class ReliefPanel(Panel):
    """The heights of the current tile in space. Nothing of it is made before it is first shown.

    Args:
        tables: name of a colour table -> (256, 3).
        post: calls a function on the GUI thread; may be called from any.

    Signals:
        done: the keyboard goes back to the panes.
        drawn: a picture of the current tile is on the screen.
    """

    watches = Changed.RELIEF | Changed.TILE | Changed.VIEW
    done = Signal()
    drawn = Signal()

    def __init__(
        self,
        tables: Callable[[str], NDArray[np.uint8]],
        post: Callable[[Callable[[], None]], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._tables = tables
        self._post = post

    def show_state(self) -> None:
        """Shows the current tile in space."""

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""

    @property
    def is_drawn(self) -> bool:
        """True where the current tile is on the screen in its current style, or the reason why it cannot be."""
        raise NotImplementedError

    @property
    def flying(self) -> bool:
        """Whether WASD flies."""
        return False

    def toggle_flying(self) -> None:
        """Changes between turntable and fly camera."""
        raise NotImplementedError

    def look_from(self, place: str) -> None:
        """Moves the camera: "top", "front", "side" or "reset"."""
        raise NotImplementedError

    def save_picture(self) -> None:
        """Asks for a size and a file, and saves the view as a picture."""
        raise NotImplementedError

    def save_animation(self) -> None:
        """Asks for a file, and saves a turn round the tile."""
        raise NotImplementedError

    def end(self) -> None:
        """Ends the renderer. The panel draws no more."""

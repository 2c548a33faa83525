"""Asks how to save the heights of the current tile: PLY, LAS, LAZ or GLB."""

from PySide6.QtWidgets import QWidget

from rsviewer.ui.dialogs.dialog import WorkspaceDialog
from rsviewer.workspace.workspace import Workspace


class SaveCloudDialog(WorkspaceDialog):
    """Saves the height that 3D shows, in its colours.

    Args:
        workspace: of the tile.
        parent: the window.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        raise NotImplementedError

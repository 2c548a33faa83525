"""Panels as they stand below the panes, and what they wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pytestqt.qtbot import QtBot

from rsviewer.ui.panels.places import PlacesPanel
from rsviewer.ui.panels.statistics import StatisticsPanel
from rsviewer.workspace.workspace import Workspace

P = TypeVar("P", PlacesPanel, StatisticsPanel)


@contextmanager
def standing(panel: P, workspace: Workspace, qtbot: QtBot) -> Iterator[P]:
    """The panel on the screen, with a dataset."""
    qtbot.addWidget(panel)
    panel.resize(700, 400)
    panel.show()
    panel.set_workspace(workspace)
    panel.set_shown(on=True)
    yield panel
    panel.set_workspace(None)


def settle(panel: PlacesPanel | StatisticsPanel, rounds: int = 1) -> None:
    """All that the panel asks for is there; `rounds`: answers after which it asks for more."""
    assert panel.workspace is not None
    for _ in range(rounds):
        panel.show_state()
        while panel.workspace.step():
            pass
    panel.show_state()

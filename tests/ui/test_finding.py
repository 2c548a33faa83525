"""Tiles are found by what their captions say, and put in order by what the dataset says about them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rsviewer.ui.panels.queue import QueuePanel
from rsviewer.ui.topbar import TopBar
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import skyscript
from tests.workspace.here import opened_here

BY_SIMILARITY = ["images2/a101000001_US_10", "images2/w101000003_CH_18", "images7/n101000009_ZZ_21"]


@pytest.fixture
def workspace(tmp_path: Path, qapp: object) -> Iterator[Workspace]:
    skyscript.write(tmp_path / "data")
    with opened_here(tmp_path / "data") as made:
        yield made


@pytest.fixture
def bar(workspace: Workspace, qtbot: QtBot) -> TopBar:
    made = TopBar()
    qtbot.addWidget(made)
    made.resize(1000, 60)
    made.set_workspace(workspace)
    made.show()
    return made


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> QueuePanel:
    made = QueuePanel()
    qtbot.addWidget(made)
    made.resize(240, 600)
    made.set_workspace(workspace)
    made.show()
    return made


def queue(workspace: Workspace) -> list[str]:
    return [str(workspace.finding.entry_at(int(ordinal)).id) for ordinal in workspace.queue.ordinals]


def sort_by(panel: QueuePanel, title: str) -> None:
    panel.sort.setCurrentIndex(panel.sort.findText(title))
    panel.sort.activated.emit(panel.sort.currentIndex())
    panel.show_state()


def test_the_search_waits_for_a_pause_and_return_keeps_it(bar: TopBar, workspace: Workspace, qtbot: QtBot) -> None:
    everything = queue(workspace)
    QTest.keyClicks(bar.search, "bri")
    assert queue(workspace) == everything, "not at every letter"
    QTest.keyClicks(bar.search, "dge")
    with qtbot.waitSignal(bar.done):
        QTest.keyClick(bar.search, Qt.Key.Key_Return)
    assert queue(workspace) == ["images2/w101000003_CH_18"]
    bar.show_state()
    assert bar.search.text() == "bridge"
    assert bar.position.text() == f"1 of 1  ({len(everything)} in all)"


def test_escape_ends_the_search_and_gives_the_focus_back(bar: TopBar, workspace: Workspace, qtbot: QtBot) -> None:
    everything = queue(workspace)
    QTest.keyClicks(bar.search, "no such thing")
    QTest.keyClick(bar.search, Qt.Key.Key_Return)
    assert queue(workspace) == []
    with qtbot.waitSignal(bar.done):
        QTest.keyClick(bar.search, Qt.Key.Key_Escape)
    assert queue(workspace) == everything
    assert workspace.tile is not None
    bar.show_state()
    assert bar.search.text() == ""


def test_escape_in_the_filter_keeps_search_and_filter(bar: TopBar, workspace: Workspace) -> None:
    bar.filter.setFocus()
    workspace.finding.look_for("satellite")
    workspace.finding.choose("kind = 'way'", "")
    bar.show_state()
    QTest.keyClicks(bar.filter, " and nonsense")
    QTest.keyClick(bar.filter, Qt.Key.Key_Escape)
    assert bar.filter.text() == "kind = 'way'"
    assert bar.search.text() == "satellite"
    assert queue(workspace) == ["images2/w101000003_CH_18"]


def test_the_queue_is_sorted_by_facts_in_either_direction(panel: QueuePanel, workspace: Workspace) -> None:
    sort_by(panel, "Similarity, highest first")
    assert workspace.finding.sort == "similarity desc"
    assert queue(workspace)[:3] == BY_SIMILARITY
    sort_by(panel, "Similarity, lowest first")
    known = [tile for tile in queue(workspace) if tile in BY_SIMILARITY]
    assert known == BY_SIMILARITY[::-1]
    assert panel.sort.currentText() == "Similarity, lowest first"
    titles = [panel.sort.itemText(place) for place in range(panel.sort.count())]
    assert "Source" in titles, "words are sorted in one direction"


def test_the_tool_tip_of_a_row_has_its_facts(panel: QueuePanel, workspace: Workspace) -> None:
    sort_by(panel, "Similarity, highest first")
    at, none = QPointF(60, 20), Qt.MouseButton.NoButton
    there = panel.list.viewport().mapToGlobal(at)
    move = QMouseEvent(QMouseEvent.Type.MouseMove, at, there, none, none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(panel.list.viewport(), move)
    tip = panel.list.viewport().toolTip()
    assert "similarity 0.31" in tip
    assert "product NAIP" in tip


def test_a_row_says_what_the_queue_is_sorted_by(panel: QueuePanel, workspace: Workspace) -> None:
    workspace.finding.choose("name = 'w101000003_CH_18'", "")
    panel.show_state()
    plain = panel.list.grab().toImage()
    workspace.finding.choose("name = 'w101000003_CH_18'", "similarity desc")
    panel.show_state()
    assert panel.list.grab().toImage() != plain

"""What the window itself does: opening by dropping, the visible switch for linking, the way back from full screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow
from pytestqt.qtbot import QtBot

from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import open_path


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
    window.show()
    yield window
    window.close()
    window.deleteLater()


def drop(window: Window, *urls: QUrl) -> bool:
    """Drags and drops; returns whether the window would have it."""
    data = QMimeData()
    data.setUrls(list(urls))
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), copy, data, left, none)
    enter.ignore()
    window.dragEnterEvent(enter)
    if enter.isAccepted():
        window.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))
    return enter.isAccepted()


def test_a_dropped_folder_is_opened(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    assert drop(window, QUrl.fromLocalFile(str(tiny_dataset)))
    qtbot.waitUntil(lambda: window.on_screen)
    assert window.workspace is not None
    assert window.workspace.tile == "a/1"


def test_what_is_not_one_local_folder_is_not_taken(window: Window, tiny_dataset: Path) -> None:
    local = QUrl.fromLocalFile(str(tiny_dataset))
    assert not drop(window, QUrl("https://example.org/data"))
    assert not drop(window, local, local)


def test_the_link_is_a_visible_switch(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    assert not window.top_bar.link.isVisible()
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    workspace = window.workspace
    assert workspace is not None
    qtbot.waitUntil(window.top_bar.link.isChecked)
    window.top_bar.link.click()
    assert not workspace.session.linked
    window.actions_.run_id("view.linked")
    qtbot.waitUntil(window.top_bar.link.isChecked)


def test_full_screen_leaves_the_panes_and_comes_back(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    window.toggle_full_screen()
    assert not window.queue_panel.isVisible()
    assert window.status_bar.isVisible()
    window.toggle_full_screen()
    qtbot.waitUntil(window.queue_panel.isVisible)


def test_the_panes_do_not_jump_when_something_begins_that_can_be_stopped(
    window: Window, tiny_dataset: Path, qtbot: QtBot
) -> None:
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    window.status_bar.stop.hide()
    qtbot.wait(1)
    without = window.canvas.height()
    window.status_bar.stop.show()
    qtbot.wait(1)
    assert window.canvas.height() == without


def test_who_presses_i_for_the_first_time_sees_what_answers(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    assert window.workspace is not None
    qtbot.waitUntil(lambda: window.workspace is not None and not window.workspace.jobs.running)
    assert not window.has_model
    window.workspace.predicting.choose("demo-height")
    window.toggle_model()
    window.toggle_model()
    window.actions_.run_id("model.live")
    assert not window.has_model, "a model was chosen: the panel is the user's business"
    window.workspace.predicting.choose("")
    window.workspace.predicting.stop()
    window.actions_.run_id("model.predict")
    assert window.has_model
    window.workspace.predicting.stop()


def test_the_model_panel_is_in_its_place_for_who_kept_a_layout_before_there_was_one(window: Window) -> None:
    (model,), (layers,) = (window.findChildren(QDockWidget, name) for name in ("Model", "Layers"))
    older = QMainWindow()
    for known in window.findChildren(QDockWidget):
        if known is not model:
            dock = QDockWidget(older)
            dock.setObjectName(known.objectName())
            older.addDockWidget(window.dockWidgetArea(known), dock)
    state = older.saveState()
    older.deleteLater()

    window.docks.restore(state)
    assert not window.has_model
    window.docks.show_model()
    assert layers in window.tabifiedDockWidgets(model), "not squeezed in below it"

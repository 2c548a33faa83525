"""3D in the window: opened and closed with a key, in a window of its own, and never in the way of the panes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rsviewer.core.drawing import Drawing
from rsviewer.core.render import Pixels
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import open_path


class Paper:
    """A renderer that paints every picture in one colour."""

    name = "paper"
    is_software = True

    def draw(self, drawing: Drawing, stale: Callable[[], bool] = lambda: False) -> Pixels | None:
        return np.full((drawing.height, drawing.width), 0xFF306090, np.uint32)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def window(qtbot: QtBot, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    window = Window(Preferences(points=12345), color_table, color_table_names(), open_path, threads=1)
    monkeypatch.setattr(
        window.relief_panel,
        "_opens",
        lambda post, arrived, ready: Rendering(post, arrived, ready, opens=lambda _: Paper()),
    )
    window.show()
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    yield window
    window.close()
    window.deleteLater()


def press(window: Window, key: Qt.Key) -> None:
    """Where the keyboard is."""
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        focus = window.relief_panel.view if window.relief_panel.view.hasFocus() else window.canvas
        QApplication.sendEvent(focus, QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier))


def test_g_opens_and_closes_3d_and_the_keyboard_stays_with_the_panes(window: Window, qtbot: QtBot) -> None:
    window.activateWindow()
    window.canvas.setFocus()
    press(window, Qt.Key.Key_G)
    assert window.has_relief
    assert window.canvas.hasFocus()
    qtbot.waitUntil(lambda: window.relief_panel.is_drawn)
    window.relief_panel.view.setFocus()
    press(window, Qt.Key.Key_G)
    assert not window.has_relief
    assert window.canvas.hasFocus()


def test_3d_leaves_the_panes_half_of_their_room(window: Window) -> None:
    before = window.canvas.width()
    window.toggle_relief()
    assert window.canvas.width() >= before * 0.4


def test_the_room_of_3d_goes_back_to_the_panes(window: Window, qtbot: QtBot) -> None:
    panes, readout = window.canvas.width(), window.readout_panel.width()
    window.toggle_relief()
    qtbot.waitUntil(lambda: window.canvas.width() < panes and window.readout_panel.width() == readout)
    window.toggle_relief()
    qtbot.waitUntil(lambda: window.canvas.width() == panes and window.readout_panel.width() == readout)


def test_opened_again_and_again_3d_has_the_width_that_it_was_given(window: Window, qtbot: QtBot) -> None:
    window.toggle_relief()
    QApplication.processEvents()
    readout, dock = window.readout_panel.width(), window.docks._relief
    window.resizeDocks([dock, window.docks._readout], [500, readout], Qt.Orientation.Horizontal)
    QApplication.processEvents()
    for _ in range(4):
        window.toggle_relief()
        QApplication.processEvents()
        window.toggle_relief()
        QApplication.processEvents()
    qtbot.waitUntil(lambda: dock.width() == 500 and window.readout_panel.width() == readout)


def test_put_back_into_the_window_3d_has_the_width_that_it_had_there(window: Window, qtbot: QtBot) -> None:
    window.toggle_relief()
    QApplication.processEvents()
    width, readout = window.docks._relief.width(), window.readout_panel.width()
    window.detach_relief()
    QApplication.processEvents()
    window.detach_relief()
    qtbot.waitUntil(lambda: window.docks._relief.width() == width and window.readout_panel.width() == readout)


def test_3d_that_was_a_window_first_has_room_when_it_is_put_back(window: Window, qtbot: QtBot) -> None:
    readout = window.readout_panel.width()
    window.detach_relief()
    QApplication.processEvents()
    window.detach_relief()
    qtbot.waitUntil(lambda: window.docks._relief.width() >= 420 and window.readout_panel.width() == readout)


def test_in_a_window_of_its_own_3d_still_steps_through_the_tiles(window: Window, qtbot: QtBot) -> None:
    window.detach_relief()
    assert window.has_relief
    view = window.relief_panel.view
    assert view.window() is not window
    qtbot.waitUntil(lambda: window.relief_panel.is_drawn)
    event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_D, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view, event)
    assert window.workspace is not None
    assert window.workspace.tile == "a/2"
    qtbot.waitUntil(lambda: window.on_screen and window.relief_panel.is_drawn)
    assert view.shown is not None
    assert view.shown.drawing.relief.tile == "a/2"
    window.detach_relief()
    assert view.window() is window


def test_a_restored_window_of_its_own_comes_after_the_one_it_belongs_to(window: Window, qtbot: QtBot) -> None:
    """Else it is no part of that for the desktop, and is hidden behind it."""
    window.detach_relief()
    state = window.saveState()
    window.hide()
    window.docks.restore(state)
    assert not window.has_relief
    window.show()
    assert not window.has_relief, "the window is only about to come"
    qtbot.waitUntil(lambda: window.has_relief and window.relief_panel.is_drawn)
    assert window.relief_panel.view.window() is not window


def test_the_points_of_the_preferences_reach_3d(window: Window) -> None:
    assert window.relief_panel.view.points == 12345
    window.preferences_changed(Preferences(points=54321))
    assert window.relief_panel.view.points == 54321


def test_the_keyboard_can_go_to_3d_and_back(window: Window) -> None:
    window.toggle_relief()
    window.activateWindow()
    window.canvas.setFocus()
    for _ in range(10):
        window.leave_panes()
        if window.relief_panel.view.hasFocus():
            break
    assert window.relief_panel.view.hasFocus()
    press(window, Qt.Key.Key_Escape)
    assert window.canvas.hasFocus()


def test_closing_the_window_ends_3d(window: Window, qtbot: QtBot) -> None:
    window.toggle_relief()
    qtbot.waitUntil(lambda: window.relief_panel.is_drawn)
    window.close()
    assert window.relief_panel.rendering is None


def test_full_screen_is_for_the_panes_alone_unless_3d_stands_on_another_screen(window: Window) -> None:
    window.toggle_relief()
    window.toggle_full_screen()
    assert not window.has_relief
    window.toggle_full_screen()
    assert window.has_relief, "it comes back with the others"
    window.detach_relief()
    window.toggle_full_screen()
    assert window.has_relief
    window.toggle_full_screen()
    assert window.has_relief

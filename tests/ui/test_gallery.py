"""The gallery in the window: keys, mouse, and what its cells say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QTabBar
from pytestqt.qtbot import QtBot

from rsviewer.core.checks.suspicion import Examined
from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.gallery import Grid
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

Key = Qt.Key


@pytest.fixture
def window(qtbot: QtBot, tiny_dataset: Path) -> Iterator[Window]:
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
    window.resize(1000, 700)
    window.show()
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen and not at(window).jobs.running)
    window.actions_.run_id("gallery.toggle")
    at(window).gallery.set_size(120)
    qtbot.waitUntil(lambda: drawn(window) == 6 and window.on_screen)
    yield window
    window.close()
    window.deleteLater()


def at(window: Window) -> Workspace:
    assert window.workspace is not None
    return window.workspace


def grid(window: Window) -> Grid:
    return window.gallery.grid


def drawn(window: Window) -> int:
    """How many tiles have their picture, or why they have none."""
    gallery = at(window).gallery
    return sum((small := gallery.small(number)) is not None and small.showing is gallery.showing for number in range(6))


def press(
    qtbot: QtBot, window: Window, key: Qt.Key, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    qtbot.waitUntil(lambda: window.on_screen)
    qtbot.keyClick(grid(window), key, keys)


def click(qtbot: QtBot, window: Window, place: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    viewport, left = grid(window).viewport(), Qt.MouseButton.LeftButton
    qtbot.mouseClick(viewport, left, keys, grid(window).cell(place).center())


def verdicts(window: Window) -> dict[str, Verdict]:
    return {str(tile): each.verdict for tile, each in at(window).review.decisions.items() if each.is_reviewed}


def test_arrows_and_letters_move_in_it_and_enter_opens(window: Window, qtbot: QtBot) -> None:
    columns = grid(window).columns
    assert columns > 1
    press(qtbot, window, Key.Key_Right)
    press(qtbot, window, Key.Key_D)
    assert at(window).queue.at == 2
    press(qtbot, window, Key.Key_A)
    assert at(window).queue.at == 1
    press(qtbot, window, Key.Key_Down)
    assert at(window).queue.at == (1 + columns if 1 + columns < 6 else 1)
    press(qtbot, window, Key.Key_End)
    assert at(window).queue.at == 5
    press(qtbot, window, Key.Key_Home)
    assert at(window).tile == "a/1"
    press(qtbot, window, Key.Key_Return)
    assert not window.has_gallery
    assert window.canvas.isVisible()
    assert window.canvas.hasFocus()


def test_clicks_with_shift_and_ctrl_select_and_a_flag_goes_to_all(window: Window, qtbot: QtBot) -> None:
    click(qtbot, window, 0)
    click(qtbot, window, 2, Qt.KeyboardModifier.ShiftModifier)
    click(qtbot, window, 4, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.gallery.words.text().startswith("4 selected"))
    press(qtbot, window, Key.Key_X)
    assert verdicts(window) == dict.fromkeys(("a/1", "a/2", "a/3", "b/2"), Verdict.DROP)
    assert at(window).tile == "b/2", "what was done to them is to be seen"
    press(qtbot, window, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert verdicts(window) == {}


def test_a_flag_on_one_tile_goes_on_to_the_next(window: Window, qtbot: QtBot) -> None:
    press(qtbot, window, Key.Key_Space)
    assert verdicts(window) == {"a/1": Verdict.GOOD}
    assert at(window).tile == "a/2"


def test_shift_and_arrows_select_on_the_way(window: Window, qtbot: QtBot) -> None:
    press(qtbot, window, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    press(qtbot, window, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert at(window).gallery.selected == {0, 1, 2}
    press(qtbot, window, Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert at(window).gallery.selected == {0, 1}
    press(qtbot, window, Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
    assert at(window).gallery.selected == set(range(6))


def test_escape_ends_the_selection_and_then_the_gallery(window: Window, qtbot: QtBot) -> None:
    press(qtbot, window, Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(at(window).gallery.selected) == 6
    press(qtbot, window, Key.Key_Escape)
    assert not at(window).gallery.selected
    assert window.has_gallery
    press(qtbot, window, Key.Key_Escape)
    assert not window.has_gallery


def test_a_double_click_opens_the_tile(window: Window, qtbot: QtBot) -> None:
    viewport, left = grid(window).viewport(), Qt.MouseButton.LeftButton
    place = grid(window).cell(3).center()
    qtbot.mouseClick(viewport, left, pos=place)
    qtbot.mouseDClick(viewport, left, pos=place)
    assert not window.has_gallery
    assert at(window).tile == "b/1"


def test_the_tip_of_a_cell_has_the_whole_name_and_why_there_is_no_picture(window: Window, qtbot: QtBot) -> None:
    assert grid(window).words_at(1).startswith("a/2")
    at(window).gallery.show(next(name for name, title in at(window).gallery.choices() if title == "nDSM"))
    qtbot.waitUntil(lambda: drawn(window) == 6)
    small = at(window).gallery.small(4)
    assert small is not None
    assert small.words in grid(window).words_at(4)


def test_ctrl_and_wheel_change_the_size_and_the_slider_follows(window: Window, qtbot: QtBot) -> None:
    before = at(window).gallery.size
    place = QPointF(50, 50)
    wheel = QWheelEvent(
        place,
        place,
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(grid(window).viewport(), wheel)
    assert at(window).gallery.size > before
    qtbot.waitUntil(lambda: window.gallery.size_slider.value() == at(window).gallery.size)
    press(qtbot, window, Key.Key_Minus)
    assert at(window).gallery.size == before


def test_the_bar_says_what_the_colours_of_heights_mean(window: Window, qtbot: QtBot) -> None:
    assert not window.gallery.bar.isVisible()
    at(window).gallery.show(next(name for name, title in at(window).gallery.choices() if title == "nDSM"))
    qtbot.waitUntil(window.gallery.bar.isVisible)
    assert window.gallery.bar.ends[1].endswith(" m")


def test_a_filter_that_nothing_satisfies_is_said(window: Window, qtbot: QtBot) -> None:
    at(window).finding.choose("name = 'nobody'", "")
    qtbot.waitUntil(lambda: len(at(window).queue) == 0)
    for theme in (LIGHT, DARK):
        window.gallery.set_theme(theme)
        window.grab()
    assert len(grid(window).in_sight()) == 0
    for id_ in ("gallery.right", "gallery.all", "gallery.page.down", "gallery.select.down"):
        window.actions_.run_id(id_)
    assert at(window).finding.why_empty


def test_keys_of_the_panes_are_theirs_again_when_it_is_closed(window: Window, qtbot: QtBot) -> None:
    window.actions_.run_id("gallery.toggle")
    qtbot.waitUntil(lambda: window.on_screen)
    at(window).viewing.move_cursor(0, 0)
    before = at(window).viewing.cursor
    qtbot.keyClick(window.canvas, Key.Key_Right)
    after = at(window).viewing.cursor
    assert at(window).tile == "a/1"
    assert before is not None
    assert after == (before[0] + 1, before[1])


def test_below_a_name_stands_what_the_queue_is_sorted_by_where_cells_know_it(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    tall = grid(window).cell(0).height()
    at(window).finding.choose("", "position desc")
    assert grid(window).cell(0).height() == tall, "nothing is known of that: no empty line"
    at(window).index.checks.record([Examined(TileId("a/1"), {"blur": 1.0}, milliseconds={"blur": 1.0})])
    at(window).finding.choose("", "suspicion desc")
    assert grid(window).cell(0).height() > tall
    seen = []
    for suspicion in (0.714, 0.7143, 0.716):  # all with a bar of 86 pixels; only the last one is rounded up
        monkeypatch.setattr(at(window).gallery, "suspicion", lambda _, suspicion=suspicion: suspicion)
        seen.append(grid(window).grab().toImage())
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]


def test_no_rims_of_tabs_lie_about_between_the_docks(window: Window, qtbot: QtBot) -> None:
    def lie_about() -> list[QRect]:
        bars = window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
        docks = {dock.windowTitle(): dock for dock in window.findChildren(QDockWidget)}
        return [
            bar.geometry()
            for bar in bars
            if bar.isVisible()
            and window.rect().intersects(bar.geometry())
            and sum(not docks[bar.tabText(tab)].isHidden() for tab in range(bar.count())) < 2
        ]

    qtbot.waitUntil(lambda: lie_about() == [])
    for command in ("statistics.toggle", "map.toggle", "statistics.toggle"):
        window.actions_.run_id(command)
        qtbot.waitUntil(lambda: lie_about() == [])

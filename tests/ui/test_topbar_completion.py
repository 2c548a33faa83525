"""While a filter is typed: what may come next, how many tiles there would be, and filters by name."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.ui.topbar import TopBar
from rsviewer.workspace.workspace import Workspace


@pytest.fixture
def bar(workspace: Workspace, qtbot: QtBot) -> Iterator[TopBar]:
    """The top bar in a window of its own, with the keyboard in the filter."""
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1200, 400)
    made = TopBar(window)
    made.setGeometry(0, 0, 1200, 40)
    made.set_workspace(workspace)
    window.show()
    window.activateWindow()
    made.filter.setFocus()
    qtbot.waitUntil(made.filter.hasFocus)
    yield made
    made.set_workspace(None)


def settle(bar: TopBar) -> None:
    """As after a rest: what was asked is answered and shown."""
    assert bar.workspace is not None
    bar._counted.stop()
    bar.show_state()
    while bar.workspace.step():
        pass
    bar.show_state()


def lines(bar: TopBar) -> list[str]:
    items = bar.filter.list.items
    return [items.item(row).text() for row in range(items.count())] if bar.filter.is_offering else []


def test_columns_are_offered_and_tab_takes_one(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "revie")
    assert lines(bar) == ["reviewed", "reviewer"]
    qtbot.keyClick(bar.filter, Qt.Key.Key_Tab)
    assert bar.filter.text() == "reviewed "
    assert bar.filter.hasFocus()


def test_arrows_choose_and_enter_takes_before_it_filters(bar: TopBar, workspace: Workspace, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "not revie")
    qtbot.keyClick(bar.filter, Qt.Key.Key_Down)
    qtbot.keyClick(bar.filter, Qt.Key.Key_Up)
    qtbot.keyClick(bar.filter, Qt.Key.Key_Return)
    assert bar.filter.text() == "not reviewed "
    assert workspace.finding.filter == ""
    qtbot.keyClick(bar.filter, Qt.Key.Key_Return)
    assert workspace.finding.filter == "not reviewed"
    assert not bar.filter.is_offering


def test_values_of_a_column_come_from_the_dataset(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "split = ")
    settle(bar)
    assert lines(bar) == ["'train'", "'test'"]
    qtbot.keyClicks(bar.filter, "te")
    qtbot.keyClick(bar.filter, Qt.Key.Key_Tab)
    assert bar.filter.text() == "split = 'test' "


def test_escape_closes_the_list_first_and_leaves_then(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "revie")
    with qtbot.assertNotEmitted(bar.filter.left):
        qtbot.keyClick(bar.filter, Qt.Key.Key_Escape)
    assert lines(bar) == []
    assert bar.filter.text() == "revie"
    with qtbot.waitSignal(bar.filter.left):
        qtbot.keyClick(bar.filter, Qt.Key.Key_Escape)


def test_a_click_takes_an_offer(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "ndsm_")
    view = bar.filter.list.items
    row = lines(bar).index("ndsm_min")
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualItemRect(view.item(row)).center())
    assert bar.filter.text() == "ndsm_min "


def test_the_tiles_are_counted_while_one_types(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "split = 'train'")
    settle(bar)
    assert bar.count.text() == "4 tiles"
    assert bar.count.isVisible()
    qtbot.keyClicks(bar.filter, " and")
    assert not bar.count.isVisible()
    qtbot.keyClicks(bar.filter, " group = 'a' and position = 1")
    settle(bar)
    assert bar.count.text() == "1 tile"


def test_a_filter_in_force_is_not_counted_again(bar: TopBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.filter, "split = 'train'")
    qtbot.keyClick(bar.filter, Qt.Key.Key_Return)
    settle(bar)
    assert not bar.count.isVisible()


def test_down_in_an_empty_filter_offers_those_used_lately(bar: TopBar, workspace: Workspace, qtbot: QtBot) -> None:
    workspace.finding.choose("flagged", "")
    workspace.finding.choose("", "")
    qtbot.keyClick(bar.filter, Qt.Key.Key_Down)
    assert lines(bar)[0] == "flagged"
    qtbot.keyClick(bar.filter, Qt.Key.Key_Down)
    qtbot.keyClick(bar.filter, Qt.Key.Key_Return)
    assert bar.filter.text() == "flagged"


def actions(bar: TopBar) -> dict[str, QMenu | None]:
    bar.filters.fill()
    return {action.text().split("\t")[0]: action.menu() for action in bar.filters.menu().actions()}


def choose(bar: TopBar, title: str) -> None:
    bar.filters.fill()
    next(each for each in bar.filters.menu().actions() if each.text().split("\t")[0] == title).trigger()


def test_ready_made_filters_are_in_the_menu(bar: TopBar, workspace: Workspace) -> None:
    assert {"All tiles", "Not reviewed", "Flagged", "In train", "In test"} <= actions(bar).keys()
    choose(bar, "In test")
    assert workspace.finding.filter == "split = 'test'"
    assert len(workspace.queue) == 2
    choose(bar, "All tiles")
    assert workspace.finding.filter == ""


def test_a_saved_filter_is_chosen_by_its_name(bar: TopBar, workspace: Workspace) -> None:
    workspace.filters.save("R & D", "group = 'b'")
    assert "R && D" in actions(bar)
    choose(bar, "R && D")
    assert workspace.finding.filter == "group = 'b'"
    assert bar.filter.text() == "group = 'b'"


def test_a_saved_filter_that_means_nothing_any_more_says_so(bar: TopBar, workspace: Workspace) -> None:
    workspace._keeper.change(saved_filters={"old": "gone_mae > 3"})
    choose(bar, "old")
    assert "There is no column 'gone_mae'" in bar.error.text()
    assert workspace.finding.filter == ""


def test_why_it_is_no_filter_can_be_read_below_the_list(bar: TopBar, workspace: Workspace, qtbot: QtBot) -> None:
    bar.setGeometry(0, 0, 500, 40)  # hardly any room beside the line
    trouble = bar.filter.list.trouble
    qtbot.keyClicks(bar.filter, "spli")
    assert lines(bar) == ["split"]
    assert trouble.text().startswith("There is no column 'spli'")
    assert trouble.isVisible()
    assert trouble.geometry().bottom() <= bar.filter.list.rect().bottom()
    assert trouble.heightForWidth(trouble.width()) <= trouble.height(), "all of it"
    qtbot.keyClick(bar.filter, Qt.Key.Key_Tab)
    qtbot.keyClicks(bar.filter, "= 'train'")
    assert not trouble.text()
    qtbot.keyClicks(bar.filter, " nonsense")
    assert lines(bar) == []
    assert trouble.isVisible()
    qtbot.keyClick(bar.filter, Qt.Key.Key_Tab)  # there is nothing to take
    bar.filter.setFocus()
    qtbot.keyClick(bar.filter, Qt.Key.Key_Return)
    assert workspace.finding.filter == ""
    assert trouble.isVisible()
    qtbot.keyClick(bar.filter, Qt.Key.Key_Escape)
    assert not trouble.isVisible()


def test_of_a_filter_that_nobody_types_the_beginning_is_seen(bar: TopBar, workspace: Workspace) -> None:
    bar.filter.clearFocus()
    workspace.finding.choose("not reviewed and not flagged", "")
    bar.show_state()
    assert bar.filter.text() == "not reviewed and not flagged"
    assert bar.filter.cursorPosition() == 0

"""The statistics dock: what it plots, what it says where there is nothing, and selections that become filters."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.statistics import ALL, Bars, Histogram, Pairs, Series
from rsviewer.data.resources import color_table
from rsviewer.ui.drawnshape import simplified
from rsviewer.ui.panels.statistics import StatisticsPanel
from rsviewer.ui.statsplot import StatisticsPlot
from rsviewer.ui.theme import LIGHT
from rsviewer.workspace.background import Jobs, call_now
from rsviewer.workspace.workspace import Workspace
from tests.ui.panels import settle, standing


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> Iterator[StatisticsPanel]:
    made = StatisticsPanel(Jobs(call_now, lambda: None, threaded=False), color_table)
    with standing(made, workspace, qtbot):
        yield made


def pick(panel: StatisticsPanel, what: str, first: str = "", second: str = "") -> None:
    for choice, wanted in ((panel.what, what), (panel.first, first), (panel.second, second)):
        if wanted:
            choice.setCurrentText(wanted)
            assert choice.currentText() == wanted
    settle(panel)


def drag(plot: StatisticsPlot, qtbot: QtBot, *points: tuple[float, float]) -> None:
    places = [plot.point_of(*point).toPoint() for point in points]
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(plot.viewport, left, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(plot.viewport, place)
    qtbot.mouseRelease(plot.viewport, left, pos=places[-1])


def test_what_nobody_measured_says_so_and_offers_to_measure(panel: StatisticsPanel, qtbot: QtBot) -> None:
    pick(panel, "One column", "ndsm_max")
    assert "Nobody has measured this yet" in panel.message.text()
    assert panel.measure.isVisible()
    with qtbot.waitSignal(panel.asked) as asked:
        panel.measure.click()
    assert asked.args == ["queue.measure"]


def test_a_measured_column_is_a_histogram_with_words(panel: StatisticsPanel, workspace: Workspace) -> None:
    workspace.finding.measure()
    pick(panel, "One column", "ndsm_max")
    assert isinstance(panel._answer, Histogram)
    assert panel.note.text().startswith("5 of 6 tiles: 262 .. 264, mean 263, median 263.")
    assert panel.measure.isVisible()  # one file cannot be read: it stays unmeasured


def test_a_range_that_is_dragged_becomes_the_filter(panel: StatisticsPanel, workspace: Workspace, qtbot: QtBot) -> None:
    pick(panel, "One column", "position")
    plot = panel.plot
    assert plot is not None
    drag(plot, qtbot, (1.6, 0.3), (2.0, 0.3), (3.4, 0.3))
    words, _, ends = workspace.finding.filter.partition(" between ")
    low, high = map(float, ends.split(" and "))
    assert words == "position"
    assert (low, high) == (pytest.approx(1.6, abs=0.05), pytest.approx(3.4, abs=0.05))
    assert workspace.queue.ordinals.tolist() == [1, 2]
    settle(panel)
    assert isinstance(panel._answer, Histogram)
    assert [series.name for series in panel._answer.series] == ["all tiles", "filtered"]


def test_a_bar_that_is_clicked_becomes_the_filter(panel: StatisticsPanel, workspace: Workspace, qtbot: QtBot) -> None:
    pick(panel, "One column", "split")
    assert isinstance(panel._answer, Bars)
    assert panel._answer.names == ("train", "test")
    plot = panel.plot
    assert plot is not None
    qtbot.mouseClick(plot.viewport, Qt.MouseButton.LeftButton, pos=plot.point_of(0.5, 1.0).toPoint())
    assert workspace.finding.filter == "split = 'test'"


def test_a_lasso_becomes_the_filter_and_a_click_opens_a_tile(
    panel: StatisticsPanel, workspace: Workspace, qtbot: QtBot
) -> None:
    pick(panel, "Two columns", "position", "regions")
    assert isinstance(panel._answer, Pairs)
    plot = panel.plot
    assert plot is not None
    qtbot.mouseClick(plot.viewport, Qt.MouseButton.LeftButton, pos=plot.point_of(4, 0).toPoint())
    assert workspace.tile == "b/1"
    drag(plot, qtbot, (1.5, -0.4), (3.5, -0.4), (3.5, 0.4), (1.5, 0.4), (1.5, -0.3))
    assert workspace.finding.filter.startswith("inside(position, regions, ")
    assert workspace.queue.ordinals.tolist() == [1, 2]
    settle(panel)
    assert panel._answer.points is not None
    assert (panel._answer.points.kinds >= 0).sum() == 2  # the others stay, grey


def test_heights_say_what_they_are(panel: StatisticsPanel, workspace: Workspace) -> None:
    workspace.finding.measure()
    pick(panel, "Heights", "ndsm")
    assert isinstance(panel._answer, Histogram)
    assert [series.name for series in panel._answer.series] == ["ndsm_min", "ndsm_mean", "ndsm_max"]
    assert "not its pixels" in panel.note.text()


def test_kinds_are_told_apart_and_named(panel: StatisticsPanel) -> None:
    pick(panel, "One column", "position")
    panel.by.setCurrentText("split")
    settle(panel)
    assert panel.legend.text().splitlines() == ["train  4", "test  2"]
    panel.stacked.click()
    settle(panel)
    assert panel.plot is not None
    assert panel.plot.shown_range[1][1] >= 1


@pytest.mark.parametrize("kind", ["png", "svg", "csv"])
def test_every_plot_can_be_saved(panel: StatisticsPanel, tmp_path: Path, kind: str) -> None:
    pick(panel, "One column", "split")
    panel.save_as(tmp_path / f"plot.{kind}")
    content = (tmp_path / f"plot.{kind}").read_bytes()
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "csv": b"split,all tiles (tiles)\ntrain,4\ntest,2\n"}
    assert content.startswith(starts[kind])


def test_a_file_that_cannot_be_written_is_a_sentence(
    panel: StatisticsPanel, workspace: Workspace, tmp_path: Path
) -> None:
    pick(panel, "One column", "split")
    panel.save_as(tmp_path / "nowhere" / "plot.png")
    assert "could not be written" in workspace.status().message


def test_an_empty_filter_is_not_an_empty_plot(panel: StatisticsPanel, workspace: Workspace) -> None:
    workspace.finding.choose("position > 99", "")
    pick(panel, "One column", "position")
    assert isinstance(panel._answer, Histogram)  # all tiles are still there to be seen
    pick(panel, "Heights", "ndsm")
    assert panel.message.text() == "No tile satisfies the filter."


def test_a_small_dock_and_another_theme_do_no_harm(panel: StatisticsPanel) -> None:
    pick(panel, "One column", "position")
    panel.resize(panel.minimumSizeHint())
    panel.set_theme(LIGHT)
    settle(panel)
    assert not panel.grab().isNull()


def test_no_dataset_no_plot(panel: StatisticsPanel) -> None:
    panel.set_workspace(None)
    assert panel.message.text() == "No dataset is open."


def test_a_lasso_has_few_corners_and_a_twitch_none() -> None:
    ring = [(100 + 50 * QPointF(k % 7, k // 7).x(), 3.0 * k) for k in range(300)]
    assert 3 <= len(simplified(ring)) <= 64
    assert simplified([(0, 0), (1, 1), (2, 0)]) == []
    assert simplified([(QPoint(5, 5).x(), 5)]) == []


def test_classes_that_nobody_counted_say_who_counts_them(panel: StatisticsPanel) -> None:
    pick(panel, "Classes")
    assert "Check all tiles" in panel.message.text()


def many_bars(panel: StatisticsPanel, count: int) -> StatisticsPlot:
    pick(panel, "One column", "split")
    assert panel.plot is not None
    names = tuple(f"kind {k}" for k in range(count))
    panel.plot.show_counts(Bars("kinds", names, names, (Series(ALL, np.arange(count, 0, -1)),), count), stacked=False)
    return panel.plot


def test_as_many_bars_are_shown_as_there_is_room_for_and_the_wheel_brings_the_others(
    panel: StatisticsPanel, qtbot: QtBot
) -> None:
    plot = many_bars(panel, 40)
    first, count = plot.bars_in_sight
    assert first == 0
    assert 5 <= count < 40
    plot.scroll_bars(3)
    assert plot.bars_in_sight == (3, count)
    plot.scroll_bars(100)
    assert plot.bars_in_sight == (40 - count, count)
    plot.scroll_bars(-100)
    assert plot.bars_in_sight == (0, count)
    panel.resize(700, 1200)
    qtbot.waitUntil(lambda: plot.bars_in_sight == (0, 40))


def test_few_bars_fill_the_plot(panel: StatisticsPanel) -> None:
    assert many_bars(panel, 2).bars_in_sight == (0, 2)


def test_two_columns_of_which_nobody_knows_both_do_not_blame_the_filter(panel: StatisticsPanel) -> None:
    pick(panel, "Two columns", "position", "ndsm_max")
    assert "Nobody has measured this yet" in panel.message.text()


def test_few_tiles_are_counted_in_whole_ones(panel: StatisticsPanel, workspace: Workspace) -> None:
    workspace.finding.choose("position = 2", "")
    pick(panel, "One column", "position")
    assert panel.note.text().startswith("1 tile: 2.")
    assert panel.plot is not None
    ticks = panel.plot._left.tickValues(0.0, 1.05, 200)
    assert {value for _, values in ticks for value in values} <= {0.0, 1.0}

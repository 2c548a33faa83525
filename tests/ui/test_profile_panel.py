"""The plot shows the heights of the tile on the screen along the line, says why where there are none, and is linked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QMouseEvent
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui import profileplot
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.panels.profile import ProfilePanel
from rsviewer.ui.profileplot import COLORS, Curve, ProfilePlot, curve_pen, nearest_sample
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.ui.window import Window
from rsviewer.workspace.background import Jobs, call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

NDSM = LayerId("ndsm")
LINE = ((4.5, 2.5), (4.5, 22.5))
"""Ten metres down a column, where the nDSM rises by 20 m a metre."""


@pytest.fixture
def panel(qtbot: QtBot, workspace: Workspace) -> ProfilePanel:
    return make(qtbot, workspace)


def make(qtbot: QtBot, workspace: Workspace) -> ProfilePanel:
    made = ProfilePanel(Jobs(call_now, lambda: None, threaded=False))
    qtbot.addWidget(made)
    made.resize(1000, 230)
    made.set_workspace(workspace)
    made.show()
    made.set_shown(on=True)
    return made


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def plotted(panel: ProfilePanel) -> ProfilePlot:
    """The plot, where it is on the screen."""
    assert panel.plot is not None
    assert panel.plot.isVisible(), panel.message.text()
    return panel.plot


def said(panel: ProfilePanel) -> dict[str, str]:
    return {entry.title: entry.words for entry in panel.legend.entries}


def cut(panel: ProfilePanel, workspace: Workspace) -> ProfilePlot:
    """Draws the line, and returns the plot along it."""
    settle(workspace)
    workspace.profiling.set_line(LINE)
    panel.show_state()
    return plotted(panel)


# --- why there is no plot


def test_what_to_do_is_said_with_the_key_that_does_it(panel: ProfilePanel, workspace: Workspace) -> None:
    settle(workspace)
    panel.show_state()
    assert panel.message.text().startswith("Hold H and drag a line in a pane")
    panel.set_keys({"profile.draw": ("Ctrl+J",)})
    assert panel.message.text().startswith("Hold Ctrl+J and drag")
    panel.set_keys({})
    assert "“New line”" in panel.message.text()
    assert panel.message.isVisible()
    assert not panel.take.isEnabled()


def test_without_a_dataset_it_says_so(panel: ProfilePanel) -> None:
    panel.set_workspace(None)
    assert panel.message.text() == "No dataset is open."
    assert not panel.draw.isEnabled()


def test_while_heights_are_read_it_says_so(panel: ProfilePanel, workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    panel.show_state()
    assert panel.message.text() == "Reading the heights…"


def test_a_broken_height_is_named(panel: ProfilePanel, workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    workspace.show_tile(TileId("b/2"))
    settle(workspace)
    panel.show_state()
    assert panel.message.text() == "nDSM cannot be read."


def test_a_line_through_a_void_says_that_there_is_no_height(panel: ProfilePanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.profiling.set_line(((0.2, 0.2), (0.8, 0.8)))
    panel.show_state()
    assert panel.message.text() == "There is no valid height along this line."


def test_hidden_heights_are_asked_for(panel: ProfilePanel, workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    workspace.looks.set_visible(NDSM, visible=False)
    settle(workspace)
    panel.show_state()
    assert panel.message.text() == "No height is shown. Switch one on under Layers."


def test_a_dataset_without_heights_is_told_from_a_tile_without(
    panel: ProfilePanel, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace.profiling, "_contents", list)
    workspace.profiling.set_line(LINE)
    panel.show_state()
    assert panel.message.text() == "This tile has no heights."
    panel._numbers = {}
    panel.set_shown(on=True)
    assert panel.message.text() == "This dataset has no heights."


# --- the plot


def test_heights_stand_over_metres(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    assert plot.shown_distances == pytest.approx((0, 10))
    low, high = plot.shown_heights
    assert low < 25 < 225 < high, "from row 2 to row 22 of the nDSM"
    assert high - low < 250
    assert said(panel) == {"distance": "10.0 m", "nDSM": "25.00 .. 225.00 m"}
    curve = QColor(COLORS[DARK.name][0])
    at = plot.point_of(5.0, 125.0).toPoint()
    picture = plot.grab().toImage()
    near = [picture.pixelColor(at.x() + dx, at.y() + dy) for dx in (-1, 0, 1) for dy in range(-3, 4)]
    assert any(abs(color.hue() - curve.hue()) < 10 and color.saturation() > 60 for color in near), "in the middle"


def test_the_same_cut_is_seen_through_the_next_tile(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    before = plot.shown_heights
    workspace.forget_pictures()
    workspace.go(1)
    panel.show_state()
    assert said(panel)["nDSM"] == "25.00 .. 225.00 m", "nothing blinks while the next tile is being read"
    settle(workspace)
    panel.show_state()
    assert said(panel)["nDSM"] == "26.00 .. 226.00 m"
    assert plot.shown_heights == pytest.approx((before[0] + 1, before[1] + 1))


def test_a_tile_that_is_late_is_not_plotted_with_the_heights_of_the_one_before(
    panel: ProfilePanel, workspace: Workspace, qtbot: QtBot
) -> None:
    cut(panel, workspace)
    workspace.forget_pictures()
    workspace.go(1)
    panel.show_state()
    qtbot.waitUntil(lambda: panel.message.text() == "Reading the heights…")
    assert panel.plot is not None
    assert not panel.plot.isVisible()
    assert said(panel) == {}


def test_a_magnified_part_stays_when_stepping_and_fit_shows_all(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    plot._box.setXRange(2, 4, padding=0)
    assert plot.shown_heights[1] < 125, "the heights fit what is to be seen"
    workspace.go(1)
    settle(workspace)
    panel.show_state()
    assert plot.shown_distances == pytest.approx((2, 4))
    panel.fit.click()
    assert plot.shown_distances == pytest.approx((0, 10))


def test_the_exaggeration_is_that_of_the_screen(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    origin, along, up = plot.point_of(0, 100), plot.point_of(10, 100), plot.point_of(0, 200)
    measured = ((origin.y() - up.y()) / 100) / ((along.x() - origin.x()) / 10)
    assert plot.exaggeration == pytest.approx(measured, rel=0.03)
    assert panel.scale.text() == f"vertical {plot.exaggeration:.2g}×"


def test_the_other_end_can_be_the_start(panel: ProfilePanel, workspace: Workspace) -> None:
    cut(panel, workspace)
    panel.swap.click()
    assert workspace.profiling.line == (LINE[1], LINE[0])


def test_a_new_line_is_asked_for_as_by_its_key(panel: ProfilePanel, workspace: Workspace, qtbot: QtBot) -> None:
    settle(workspace)
    panel.show_state()
    with qtbot.waitSignal(panel.asked) as asked, qtbot.waitSignal(panel.done):
        panel.draw.click()
    assert asked.args == ["profile.draw"]


def test_a_closed_plot_does_nothing_and_comes_back_up_to_date(panel: ProfilePanel, workspace: Workspace) -> None:
    cut(panel, workspace)
    panel.set_shown(on=False)
    workspace.go(2)
    settle(workspace)
    panel.show_state()
    assert said(panel)["nDSM"] == "25.00 .. 225.00 m"
    panel.set_shown(on=True)
    assert said(panel)["nDSM"] == "27.00 .. 227.00 m"


# --- heights of different levels


@pytest.fixture
def two_heights(qtbot: QtBot, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> ProfilePanel:
    """The nDSM, and beside it a DEM that is the same 2000 m higher."""
    plain = workspace.profiling._contents

    def contents() -> list[object]:
        found: list[object] = list(plain())
        for spec, content in plain():
            if spec.id == NDSM and isinstance(content, Raster):
                dem = replace(content, pixels=content.pixels + 2000)
                found.append((replace(spec, id=LayerId("dem"), title="DEM"), dem))
        return found

    monkeypatch.setattr(workspace.profiling, "_contents", contents)
    return make(qtbot, workspace)


def test_heights_that_lie_far_apart_have_zeros_of_their_own_and_say_so(
    two_heights: ProfilePanel, workspace: Workspace
) -> None:
    plot = cut(two_heights, workspace)
    assert two_heights.own_zero.isChecked()
    assert plot.shown_heights[1] < 250
    assert plot._heights.labelText == "above lowest (m)"
    assert said(two_heights)["DEM"] == "2025.00 .. 2225.00 m", "what is read off is the height itself"
    two_heights.own_zero.click()
    assert plot.shown_heights[1] > 2225
    assert plot._heights.labelText == "height (m)"
    workspace.go(1)
    settle(workspace)
    two_heights.show_state()
    assert not two_heights.own_zero.isChecked(), "what somebody chose is kept"


def test_every_curve_has_a_pen_of_its_own_in_both_themes() -> None:
    for theme in (DARK, LIGHT):
        pens = [(curve_pen(number, theme).color().name(), curve_pen(number, theme).style()) for number in range(12)]
        assert len(set(pens)) == 12
        for name in COLORS[theme.name]:
            assert contrast(QColor(name), theme.field) > 4, name


def contrast(one: QColor, other: QColor) -> float:
    """As WCAG 2 measures it."""
    light = []
    for color in (one, other):
        parts = [part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in color.getRgbF()[:3]]
        light.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


# --- linked with the panes


def hover(plot: ProfilePlot, at: QPointF) -> None:
    view = plot._view.viewport()
    inside = QPointF(view.mapFrom(plot, at.toPoint()))
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(QEvent.Type.MouseMove, inside, view.mapToGlobal(inside), none, none, Qt.KeyboardModifier(0))
    plot._view.mouseMoveEvent(event)


def test_the_mouse_over_the_plot_puts_the_cross_there_in_every_pane(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    hover(plot, plot.point_of(5.0, 125.0))
    assert workspace.viewing.cursor == (4, 12)
    assert plot.marked == pytest.approx(5.0, abs=0.02)
    assert said(panel)["distance"] == f"{plot.marked:.2f} m"
    assert float(said(panel)["nDSM"].split()[0]) == pytest.approx(125, abs=5)
    plot.leaveEvent(QEvent(QEvent.Type.Leave))
    assert workspace.viewing.cursor is None
    assert plot.marked is None
    assert said(panel)["nDSM"] == "25.00 .. 225.00 m"


def test_beside_the_axes_nothing_is_marked(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    hover(plot, plot.point_of(5.0, 125.0))
    hover(plot, QPointF(plot.width() / 2, plot.height() - 3))
    assert plot.marked is None
    assert workspace.viewing.cursor is None


def test_the_cross_is_marked_where_it_is_on_the_line_and_only_there(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    workspace.viewing.set_cursor((6, 12))
    panel.show_state()
    assert plot.marked == pytest.approx(5.0), "two pixels beside the line"
    assert said(panel)["nDSM"] == "125.00 m"
    workspace.viewing.set_cursor((20, 12))
    panel.show_state()
    assert plot.marked is None


def test_in_a_gap_there_is_no_value(panel: ProfilePanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.profiling.set_line(((0.5, 0.5), (8.5, 0.5)))
    workspace.viewing.set_cursor((0, 0))
    panel.show_state()
    assert said(panel)["nDSM"] == "no data"
    assert np.isnan(panel._shown.profiles[0].height[0])


def test_the_nearest_sample_is_found_at_the_ends_too() -> None:
    distance = np.array([0.0, 1.0, 2.0])
    assert [nearest_sample(distance, at) for at in (-1, 0.4, 0.6, 1.9, 5)] == [0, 0, 1, 2, 2]
    assert nearest_sample(np.array([0.0]), 3) == 0


# --- the table


def test_the_table_is_copied_and_saved(
    panel: ProfilePanel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(panel, workspace)
    panel.copy_table()
    assert QGuiApplication.clipboard().text().startswith("distance (m)\tx (px)")
    asked: list[str] = []

    def choose(_parent: object, _title: str, suggested: str, _filter: str) -> tuple[str, str]:
        asked.append(suggested)
        return str(tmp_path / "heights.csv"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    panel.save_table()
    assert asked == ["a_1_profile.csv"]
    lines = (tmp_path / "heights.csv").read_text().splitlines()
    assert lines[0].endswith("nDSM (m)")
    assert len(lines) == 1 + 41, "every half pixel"
    assert "heights.csv" in workspace.status().message


def test_a_table_that_cannot_be_saved_says_why(
    panel: ProfilePanel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(panel, workspace)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "nowhere" / "heights.csv"), ""))
    panel.save_table()
    assert "could not be written" in workspace.status().message


# --- pyqtgraph


def test_nothing_of_pyqtgraph_or_vispy_is_imported_before_it_is_needed() -> None:
    code = "import sys, rsviewer.ui.window; print([name for name in ('pyqtgraph', 'vispy') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"


def test_the_import_does_not_hold_up_the_window_and_the_plot_comes_by_itself(
    qtbot: QtBot, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[object] = []
    jobs = Jobs(waiting.append, lambda: None, threaded=False)  # the import is done; what comes after it waits
    panel = ProfilePanel(jobs)
    qtbot.addWidget(panel)
    settle(workspace)
    workspace.profiling.set_line(LINE)
    panel.set_workspace(workspace)
    panel.show()
    panel.set_shown(on=True)
    assert panel.message.text() == "Opening the plot…"
    for function in waiting:
        assert callable(function)
        function()
    assert panel.plot is not None
    assert panel.plot.isVisible()


def test_a_plot_that_cannot_be_opened_says_so(
    qtbot: QtBot, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(profileplot, "PYQTGRAPH", "no_such_library")
    workspace.profiling.set_line(LINE)
    settle(workspace)
    panel = make(qtbot, workspace)
    assert panel.message.text().startswith("Opening the plot failed")
    caplog.clear()


def test_it_draws_itself_in_both_themes(panel: ProfilePanel, workspace: Workspace) -> None:
    plot = cut(panel, workspace)
    dark = plot.grab().toImage()
    panel.set_theme(LIGHT)
    light = plot.grab().toImage()
    corner = light.width() - 3
    assert (dark.pixelColor(corner, 2), light.pixelColor(corner, 2)) == (DARK.field, LIGHT.field)


def test_curves_can_become_fewer_and_more(qtbot: QtBot) -> None:
    plot = ProfilePlot(DARK)
    qtbot.addWidget(plot)
    distance = np.linspace(0, 10, 5)
    curves = [Curve(curve_pen(number, DARK), distance, distance * 0 + number) for number in range(3)]
    for shown in (curves, curves[:1], [], curves):
        plot.show_curves(shown, 10.0, "m", "m")
        plot.set_marker(5.0)
        assert len(plot._items) == len(shown)
    assert plot.shown_heights == pytest.approx((-0.12, 2.12))


def test_one_sample_and_no_length_are_no_fault(qtbot: QtBot) -> None:
    plot = ProfilePlot(DARK)
    qtbot.addWidget(plot)
    plot.show_curves([Curve(curve_pen(0, DARK), np.zeros(1), np.full(1, 7.0))], 0.0, "m", "m")
    plot.set_marker(0.0)
    low, high = plot.shown_heights
    assert low < 7 < high


# --- in the window


@pytest.fixture
def window(qtbot: QtBot, tiny_dataset: Path) -> Iterator[Window]:
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
    window.show()
    window.open_path(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    yield window
    window.close()
    window.deleteLater()


def test_the_plot_opens_when_a_line_was_drawn_and_the_line_goes_with_it(window: Window, qtbot: QtBot) -> None:
    workspace = window.workspace
    assert workspace is not None
    assert window.actions_.run_id("profile.draw")
    assert not window.has_profile
    assert workspace.status().message.startswith("Drag a line")
    workspace.profiling.set_line(LINE)
    window.canvas.line_drawn.emit()
    assert window.has_profile
    qtbot.waitUntil(lambda: window.profile_panel.plot is not None and window.profile_panel.plot.isVisible())
    assert window.canvas._marks.shown_line == LINE
    window.toggle_profile()
    assert window.canvas._marks.shown_line is None


def test_while_h_is_held_every_drag_draws_a_line_and_none_after_it(window: Window, qtbot: QtBot) -> None:
    workspace, canvas = window.workspace, window.canvas
    assert workspace is not None
    middle = next(box for box in canvas.panes if box.pane.layer == NDSM).image.center()
    lines = []
    qtbot.keyPress(canvas, Qt.Key.Key_H)
    for reach in (30, 50):
        drag(qtbot, canvas, middle, middle + QPoint(reach, 0))
        lines.append(workspace.profiling.line)
        middle = next(box for box in canvas.panes if box.pane.layer == NDSM).image.center()  # the plot has opened
    qtbot.keyRelease(canvas, Qt.Key.Key_H)
    drag(qtbot, canvas, middle - QPoint(0, 60), middle - QPoint(40, 60))
    assert None not in lines
    assert lines[0] != lines[1] == workspace.profiling.line


def drag(qtbot: QtBot, canvas: Canvas, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(end),
        QPointF(canvas.mapToGlobal(end)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    canvas.mouseMoveEvent(event)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=end)


def test_windows_with_an_open_plot_come_and_go(qtbot: QtBot, tiny_dataset: Path) -> None:
    for _ in range(20):
        window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
        window.show()
        window.toggle_profile()
        qtbot.waitUntil(lambda shown=window: shown.profile_panel.plot is not None)
        window.close()
        window.deleteLater()
        qtbot.wait(0)

"""The layers' panel switches, orders and styles layers, and counts the values of the tile on the screen."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.core.render import Range
from rsviewer.core.style import RangeMode, default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.ui.chart import PIXELS_MOST, Chart, Grip, counted, dragged, tick_words
from rsviewer.ui.fields import Number
from rsviewer.ui.panels.layers import LayersPanel, band_names
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.workspace.workspace import Workspace

Choose = Callable[[LayerId], None]
IMAGE, NDSM, LANDCOVER = LayerId("image"), LayerId("ndsm"), LayerId("landcover")


class Window(QWidget):
    """Remembers the keys that reach it, as the program's window turns them into commands."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        QVBoxLayout(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.keys.append(event.text())


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    made = Window()
    qtbot.addWidget(made)
    made.resize(320, 800)
    return made


@pytest.fixture
def panel(window: Window, workspace: Workspace) -> LayersPanel:
    made = LayersPanel()
    layout = window.layout()
    assert layout is not None
    layout.addWidget(made)
    settle(workspace)
    made.set_workspace(workspace)
    window.show()
    window.setFocus()
    return made


@pytest.fixture
def choose(panel: LayersPanel, workspace: Workspace) -> Choose:
    def activate(layer: LayerId) -> None:
        workspace.viewing.activate(layer)
        panel.show_state()

    return activate


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def test_all_layers_are_listed_in_the_order_of_their_panes(panel: LayersPanel) -> None:
    assert panel.layers.order() == ["pre_image", "image", "ndsm", "landcover", "change"]
    assert all(panel.layers.item(row).checkState() is Qt.CheckState.Checked for row in range(5))


def test_a_check_box_switches_a_layer(panel: LayersPanel, workspace: Workspace) -> None:
    panel.layers.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert workspace.looks.hidden == {"pre_image"}
    panel.layers.item(0).setCheckState(Qt.CheckState.Checked)
    assert not workspace.looks.hidden


def test_the_last_layer_stays_and_its_box_says_so(panel: LayersPanel, workspace: Workspace) -> None:
    for row in range(5):
        panel.layers.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert workspace.looks.hidden == {"pre_image", "image", "ndsm", "landcover"}
    assert panel.layers.item(4).checkState() is Qt.CheckState.Checked


def test_a_click_activates_a_layer(panel: LayersPanel, workspace: Workspace, qtbot: QtBot) -> None:
    place = panel.layers.visualItemRect(panel.layers.item(2)).center()
    qtbot.mouseClick(panel.layers.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert workspace.viewing.active is not None
    assert workspace.viewing.active.id == NDSM
    assert panel.window().hasFocus(), "the keyboard stays with the panes"


def test_a_click_on_a_hidden_layer_shows_it(panel: LayersPanel, workspace: Workspace) -> None:
    workspace.looks.set_visible(NDSM, visible=False)
    panel.layers.chosen.emit(str(NDSM))
    assert workspace.viewing.active is not None
    assert workspace.viewing.active.id == NDSM
    assert not workspace.looks.hidden


def test_buttons_and_dragging_reorder_the_panes(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(NDSM)
    panel.up.click()
    assert [spec.id for spec in workspace.looks.layers] == ["pre_image", "ndsm", "image", "landcover", "change"]
    assert panel.layers.order()[1] == NDSM
    panel.layers.model().moveRows(panel.layers.rootIndex(), 1, 1, panel.layers.rootIndex(), 0)
    assert [spec.id for spec in workspace.looks.layers] == ["ndsm", "pre_image", "image", "landcover", "change"]


def test_each_kind_has_its_editor(panel: LayersPanel, choose: Choose) -> None:
    editors = (panel.images, panel.heights, panel.classes)
    for layer, shown in ((IMAGE, panel.images), (NDSM, panel.heights), (LANDCOVER, panel.classes)):
        choose(layer)
        assert [editor for editor in editors if not editor.isHidden()] == [shown]
    assert panel.chart.isHidden(), "classes have shares, not a histogram"


def test_bands_are_chosen_by_name(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(IMAGE)
    assert [panel.images.red.itemText(band) for band in range(3)] == ["band 1", "band 2", "band 3"]
    panel.images.red.setCurrentIndex(2)
    assert workspace.looks.style(IMAGE).bands == (2, 1, 2)
    panel.images.shows.setCurrentIndex(1)
    settle(workspace)
    panel.show_state()
    assert panel.images.red.isHidden()
    assert not panel.images.band.isHidden()
    panel.images.band.setCurrentIndex(1)
    assert workspace.looks.style(IMAGE).bands == (1,)


def test_a_stretch_is_chosen_with_its_numbers(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(IMAGE)
    stretch = panel.images.range
    stretch.mode.setCurrentIndex(stretch.mode.findData(RangeMode.PERCENTILE))
    assert workspace.looks.style(IMAGE).range_mode is RangeMode.PERCENTILE
    assert not stretch.percent.isHidden()
    stretch.percent.setValue(5)
    panel.images.per_band.click()
    panel.images.gamma.setValue(1.5)
    style = workspace.looks.style(IMAGE)
    assert (style.percent, style.per_band, style.gamma) == (5, False, 1.5)
    stretch.mode.setCurrentIndex(stretch.mode.findData(RangeMode.SIGMA))
    assert stretch.percent.isHidden()
    assert not stretch.sigmas.isHidden()


def test_a_range_that_becomes_fixed_begins_as_it_is(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(NDSM)
    ends = panel.chart.range
    assert ends is not None
    mode = panel.heights.range.mode
    mode.setCurrentIndex(mode.findData(RangeMode.FIXED))
    style = workspace.looks.style(NDSM)
    assert (style.range_mode, style.low, style.high) == (RangeMode.FIXED, ends.low, ends.high)
    assert panel.heights.range.low.text().endswith(" m")


def test_editing_one_number_does_not_round_the_others(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    workspace.looks.set_style(
        NDSM, replace(workspace.looks.style(NDSM), range_mode=RangeMode.FIXED, low=1.23456, high=99.98765)
    )
    choose(NDSM)
    panel.heights.range.low.setValue(2)
    assert (workspace.looks.style(NDSM).low, workspace.looks.style(NDSM).high) == (2, 99.98765)


def test_heights_take_colours_and_relief(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(NDSM)
    panel.heights.table.setCurrentText("turbo")
    panel.heights.invert.click()
    panel.heights.hillshade.setValue(80)
    panel.heights.azimuth.setValue(90)
    style = workspace.looks.style(NDSM)
    assert (style.color_table, style.invert, style.hillshade, style.azimuth) == ("turbo", True, 0.8, 90)
    panel.heights.hillshade.setValue(0)
    assert not panel.heights.azimuth.isEnabled(), "without relief there is no sun"
    panel.reset.click()
    assert workspace.looks.style(NDSM) == default_style(workspace.dataset.layer(NDSM))
    assert not panel.reset.isEnabled()


def test_the_lock_holds_the_range_and_its_source(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(NDSM)
    panel.heights.lock.click()
    assert workspace.looks.is_locked
    assert not panel.heights.range.mode.isEnabled()
    panel.heights.lock.click()
    assert not workspace.looks.is_locked
    assert panel.heights.range.mode.isEnabled()


def test_a_lock_that_was_refused_is_not_shown_as_locked(
    panel: LayersPanel, workspace: Workspace, choose: Choose
) -> None:
    choose(NDSM)
    workspace.show_tile(TileId("b/2"))  # its heights are broken: there is no range to hold
    settle(workspace)
    panel.show_state()
    panel.heights.lock.click()
    assert not workspace.looks.is_locked
    assert not panel.heights.lock.isChecked()


def test_the_legend_names_classes_and_shares(panel: LayersPanel, choose: Choose) -> None:
    choose(LANDCOVER)
    rows = legend(panel)
    assert rows[4] == ("5", "Trees", "50.0 %")
    assert rows[7] == ("8", "Buildings", "50.0 %")
    assert rows[0] == ("1", "Bareland", "")


def test_a_class_is_hidden_by_its_box_and_all_come_back(
    panel: LayersPanel, workspace: Workspace, choose: Choose
) -> None:
    choose(LANDCOVER)
    item = panel.classes.classes.topLevelItem(4)
    assert item is not None
    item.setCheckState(0, Qt.CheckState.Unchecked)
    assert workspace.looks.style(LANDCOVER).hidden == {5}
    panel.show_state()
    assert item.checkState(0) is Qt.CheckState.Unchecked
    settle(workspace)
    panel.show_state()
    panel.classes.all.click()
    assert not workspace.looks.style(LANDCOVER).hidden


def test_one_class_alone(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(LANDCOVER)
    assert not panel.classes.only.isEnabled()
    panel.classes.classes.setCurrentItem(panel.classes.classes.topLevelItem(7))
    panel.classes.only.click()
    hidden = workspace.looks.style(LANDCOVER).hidden
    assert 8 not in hidden
    assert {1, 5, 7} <= hidden


def test_the_histogram_is_that_of_the_tile_on_the_screen(
    panel: LayersPanel, workspace: Workspace, choose: Choose
) -> None:
    choose(NDSM)
    first = panel.chart.histogram
    assert first is not None
    assert int(first.counts.sum()) == 32 * 24 - 1, "all pixels but the void"
    assert (first.edges[0], first.edges[-1]) == pytest.approx((2, 262))
    workspace.go(1)
    settle(workspace)
    panel.show_state()
    second = panel.chart.histogram
    assert second is not None
    assert (second.edges[0], second.edges[-1]) == pytest.approx((3, 263))


def test_no_histogram_is_left_over_from_another_tile(panel: LayersPanel, workspace: Workspace, choose: Choose) -> None:
    choose(NDSM)
    workspace.show_tile(TileId("b/2"))
    settle(workspace)
    panel.show_state()
    assert panel.chart.histogram is None


def test_nothing_is_counted_while_a_key_is_held(
    panel: LayersPanel, workspace: Workspace, choose: Choose, qtbot: QtBot
) -> None:
    choose(NDSM)
    workspace.hurried = True
    workspace.go(1)
    panel.show_state()
    assert panel.chart.histogram is None
    workspace.hurried = False
    qtbot.waitUntil(lambda: panel.chart.histogram is not None)


def test_dragging_an_end_fixes_the_range(
    panel: LayersPanel, workspace: Workspace, choose: Choose, qtbot: QtBot
) -> None:
    choose(NDSM)
    chart, before = panel.chart, panel.chart.range
    assert before is not None
    start = end_of_range(chart)
    qtbot.mousePress(chart, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(chart, start - QPoint(60, 0))
    style = workspace.looks.style(NDSM)
    assert style.range_mode is RangeMode.FIXED
    assert style.high < before.high - 30
    assert style.low == pytest.approx(before.low, abs=1)
    panel.show_state()
    assert chart.histogram is not None, "the counts stay while the picture is painted anew"
    qtbot.mouseRelease(chart, Qt.MouseButton.LeftButton, pos=start - QPoint(60, 0))


def test_letters_reach_the_window_from_every_field(panel: LayersPanel, window: Window, choose: Choose) -> None:
    choose(NDSM)
    heights = panel.heights
    for field in (panel.layers, panel.up, heights.table, heights.invert, heights.hillshade, panel.classes.classes):
        QApplication.sendEvent(field, QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_D, Qt.KeyboardModifier(0), "d"))
    assert window.keys == ["d"] * 6


def test_a_number_keeps_what_is_typed_and_escape_takes_it_back(qtbot: QtBot) -> None:
    field = Number(0, 50, 0.5, 2, " %")
    qtbot.addWidget(field)
    field.setValue(2)
    field.show()
    field.selectAll()
    qtbot.keyClicks(field, "9")
    with qtbot.waitSignal(field.done):
        qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert (field.value(), field.text()) == (2, "2.00 %")
    field.selectAll()
    qtbot.keyClicks(field, "9")
    with qtbot.waitSignal(field.done):
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == 9


def test_the_wheel_changes_no_field(panel: LayersPanel, choose: Choose) -> None:
    choose(NDSM)
    heights = panel.heights
    before = (heights.table.currentIndex(), heights.hillshade.value(), heights.exaggeration.value())
    for field in (heights.table, heights.hillshade, heights.exaggeration):
        QApplication.sendEvent(field, wheel())
    assert (heights.table.currentIndex(), heights.hillshade.value(), heights.exaggeration.value()) == before


def test_it_draws_itself_in_both_themes_and_without_a_dataset(panel: LayersPanel, choose: Choose) -> None:
    choose(NDSM)
    panel.set_theme(DARK)
    dark = panel.grab().toImage()
    panel.set_theme(LIGHT)
    assert panel.grab().toImage() != dark
    panel.set_workspace(None)
    assert panel.layers.count() == 0
    assert panel.chart.isHidden()


def test_bands_are_called_as_the_dataset_the_file_or_their_number_says() -> None:
    spec = LayerSpec(LayerId("s2"), LayerKind.OPTICAL, "Sentinel-2", bands=("B2", "B3"))
    pixels = np.zeros((2, 1, 1), np.uint16)
    raster = Raster(pixels, np.ones_like(pixels, bool), band_names=("blue", ""))
    assert band_names(spec, raster) == ("1  B2", "2  B3")
    assert band_names(replace(spec, bands=()), raster) == ("1  blue", "band 2")
    assert band_names(replace(spec, bands=()), None) == ("band 1",)


def test_a_large_raster_is_thinned_out_before_it_is_counted() -> None:
    pixels = np.broadcast_to(np.arange(4096, dtype=np.int32), (1, 2048, 4096))
    shown = counted(Raster(pixels, np.broadcast_to(np.True_, pixels.shape)), (0,))
    assert PIXELS_MOST // 2 < int(shown.counts.sum()) <= PIXELS_MOST


def test_a_dragged_range_stays_within_the_axis_and_the_right_way_round() -> None:
    before, limits = Range(2, 8), Range(0, 10)
    assert dragged(before, Grip.LOW, 100, limits) == Range(8 - 0.01, 8)
    assert dragged(before, Grip.HIGH, -100, limits) == Range(2, 2 + 0.01)
    assert dragged(before, Grip.BOTH, 100, limits) == Range(4, 10)
    assert dragged(before, Grip.LOW, -100, limits) == Range(0, 8)


def test_ticks_have_just_the_digits_that_tell_them_apart() -> None:
    assert tick_words((0.0, 0.5, 1.0)) == ["0.0", "0.5", "1.0"]
    assert tick_words((0, 50, 100)) == ["0", "50", "100"]
    assert tick_words((2e6, 4e6)) == ["2e+06", "4e+06"]
    assert tick_words(()) == []


def legend(panel: LayersPanel) -> list[tuple[str, str, str]]:
    items = [panel.classes.classes.topLevelItem(row) for row in range(panel.classes.classes.topLevelItemCount())]
    return [(item.text(0), item.text(1), item.text(2)) for item in items if item is not None]


def end_of_range(chart: Chart) -> QPoint:
    """Where the upper end of the range is drawn."""
    assert chart.histogram is not None
    assert chart.range is not None
    low, high = float(chart.histogram.edges[0]), float(chart.histogram.edges[-1])
    low, high = min(low, chart.range.low), max(high, chart.range.high)
    inner = chart.width() - 12
    return QPoint(round(6 + (chart.range.high - low) / (high - low) * inner), 40)


def wheel() -> QWheelEvent:
    return QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier(0),
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip

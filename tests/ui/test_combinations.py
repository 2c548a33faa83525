"""Bands by name: chosen in the layers' panel or with a key, seen in the pane, read at the cursor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from rsviewer.core.scene import Pane
from rsviewer.core.style import RangeMode, combination_of
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.panels.layers import LayersPanel
from rsviewer.ui.panels.styling import CUSTOM, ImageEditor
from rsviewer.workspace.background import call_now
from rsviewer.workspace.commands import COLOR_TABLE_CYCLE, command
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import sen12ms
from tests.workspace.here import opened_here

S2, S1, IGBP = LayerId("s2"), LayerId("s1"), LayerId("igbp")


@pytest.fixture
def workspace(tmp_path: Path, qapp: object) -> Iterator[Workspace]:
    sen12ms.write(tmp_path / "data")
    with opened_here(tmp_path / "data") as made:
        yield made


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> LayersPanel:
    made = LayersPanel()
    qtbot.addWidget(made)
    made.resize(320, 900)
    workspace.viewing.activate(S2)
    settle(workspace)
    made.set_workspace(workspace)
    made.show()
    return made


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def pane(workspace: Workspace, layer: LayerId) -> Pane:
    settle(workspace)
    return next(pane for pane in workspace.scene().panes if pane.layer == layer)


def choose(panel: LayersPanel, workspace: Workspace, name: str) -> None:
    panel.images.combination.setCurrentIndex(panel.images.combination.findText(name))
    settle(workspace)
    panel.show_state()


def rows(editor: ImageEditor) -> dict[str, bool]:
    fields = {
        "bands": editor.red,
        "one band": editor.band,
        "show": editor.shows,
        "table": editor.table,
        "per band": editor.per_band,
        "gamma": editor.gamma,
    }
    return {name: not field.isHidden() for name, field in fields.items()}


def test_the_drop_down_names_the_combinations_and_shows_the_default_one(panel: LayersPanel) -> None:
    choice = panel.images.combination
    names = [choice.itemText(place) for place in range(choice.count())]
    assert names[:5] == ["True colour", "False colour", "SWIR", "Agriculture", "NDVI"]
    assert names[-1] == CUSTOM
    assert choice.currentText() == "True colour"
    assert [each.currentText() for each in (panel.images.red, panel.images.green, panel.images.blue)] == [
        "4  B4",
        "3  B3",
        "2  B2",
    ]


def test_an_index_is_shown_with_a_colour_bar_and_only_the_fields_that_it_needs(
    panel: LayersPanel, workspace: Workspace
) -> None:
    choose(panel, workspace, "NDVI")
    shown = pane(workspace, S2)
    assert shown.colorbar is not None
    assert (shown.colorbar.low, shown.colorbar.high, shown.colorbar.unit) == (-1.0, 1.0, "")
    assert rows(panel.images) == {
        "bands": False,
        "one band": False,
        "show": False,
        "table": True,
        "per band": False,
        "gamma": False,
    }
    assert panel.images.range.mode.currentData() == RangeMode.USUAL
    assert panel.images.range.mode.findData(RangeMode.DATASET) < 0, "that is the range of reflectance"
    assert panel.chart.histogram is not None
    assert panel.chart.histogram.counts.sum() == 16 * 16
    assert panel.chart.histogram.edges[-1] <= 1.0, "counted is the index, not its first band"


def test_back_in_colour_everything_is_as_before(panel: LayersPanel, workspace: Workspace) -> None:
    before = workspace.looks.style(S2)
    choose(panel, workspace, "NDVI")
    choose(panel, workspace, "True colour")
    assert workspace.looks.style(S2) == before
    assert not panel.reset.isEnabled()


def test_a_band_chosen_by_hand_makes_it_custom(panel: LayersPanel, workspace: Workspace) -> None:
    panel.images.red.setCurrentIndex(7)
    settle(workspace)
    panel.show_state()
    assert workspace.looks.style(S2).bands == (7, 2, 1)
    assert panel.images.combination.currentText() == CUSTOM
    assert rows(panel.images)["show"]


def test_custom_starts_from_what_is_shown_and_from_colour_where_that_is_a_number(
    panel: LayersPanel, workspace: Workspace
) -> None:
    choose(panel, workspace, "SWIR")
    choose(panel, workspace, CUSTOM)
    assert workspace.looks.style(S2).bands == (12, 8, 3)
    choose(panel, workspace, "NDVI")
    choose(panel, workspace, CUSTOM)
    assert workspace.looks.style(S2).bands == (3, 2, 1)
    assert workspace.looks.style(S2).range_mode is RangeMode.PERCENTILE


def test_fixing_the_range_of_bands_that_were_stretched_one_by_one_starts_from_all_of_them(
    panel: LayersPanel, workspace: Workspace
) -> None:
    ranges = pane(workspace, S2).picture
    assert ranges is not None
    panel.images.range.mode.setCurrentIndex(panel.images.range.mode.findData(RangeMode.FIXED))
    style = workspace.looks.style(S2)
    assert (style.low, style.high) == (ranges.painted.low, ranges.painted.high)


def test_a_layer_without_combinations_has_no_drop_down(panel: LayersPanel, workspace: Workspace) -> None:
    assert not panel.images.combination.isHidden()
    workspace.viewing.activate(IGBP)
    panel.show_state()
    assert panel.images.isHidden()


def test_the_key_steps_through_the_combinations_and_says_which(workspace: Workspace) -> None:
    spec = workspace.looks.layer(S1)
    workspace.viewing.activate(S1)
    seen = []
    for _ in range(4):
        shown = combination_of(spec, workspace.looks.style(S1))
        assert shown is not None
        seen.append(shown.name)
        workspace.cycle_combination()
    assert seen == ["S1 composite", "VV", "VH", "S1 composite"]
    assert workspace.looks.style(S2) == workspace.looks.default_style(S2)
    assert command("view.bands").keys == ("J",)


def test_the_key_takes_the_first_image_where_the_active_layer_has_no_bands(workspace: Workspace) -> None:
    workspace.viewing.activate(IGBP)
    workspace.cycle_combination()
    assert workspace.looks.style(S2).combination == "False colour"


def test_the_readout_says_the_index_that_is_shown(panel: LayersPanel, workspace: Workspace) -> None:
    choose(panel, workspace, "NDVI")
    workspace.viewing.set_cursor((4, 3))
    near, red = (float(1009 + 7 * band + 400) for band in (7, 3))
    reading = next(each for each in workspace.readout().readings if each.layer == S2)
    assert reading.text.startswith(f"NDVI {(near - red) / (near + red):.2f}  ")


def test_the_readout_of_radar_has_its_unit(workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((4, 3))
    assert next(each for each in workspace.readout().readings if each.layer == S1).text.endswith(" dB")


def test_an_index_gets_the_next_colours_and_its_own_ones_back(panel: LayersPanel, workspace: Workspace) -> None:
    choose(panel, workspace, "NDBI")
    own = workspace.looks.style(S2)
    assert own.invert
    seen = []
    for _ in COLOR_TABLE_CYCLE:
        workspace.cycle_color_table(COLOR_TABLE_CYCLE)
        seen.append(workspace.looks.style(S2).color_table)
        assert not workspace.looks.style(S2).invert, "only its own table is turned round"
    assert seen == list(COLOR_TABLE_CYCLE)
    workspace.cycle_color_table(COLOR_TABLE_CYCLE)
    assert workspace.looks.style(S2) == own


def test_without_a_number_in_colours_there_is_no_next_table(workspace: Workspace) -> None:
    before = workspace.looks.style(S2)
    workspace.cycle_color_table(COLOR_TABLE_CYCLE)
    assert workspace.looks.style(S2) == before
    assert workspace.status().message == "Colour tables are for heights and indices: this tile shows none."


def test_another_tile_has_the_same_combination_over_the_same_range(panel: LayersPanel, workspace: Workspace) -> None:
    choose(panel, workspace, "NDVI")
    workspace.go(1)
    shown = pane(workspace, S2)
    assert shown.tile == TileId(f"{sen12ms.SPRING}/1/p100")
    assert shown.colorbar is not None
    assert (shown.colorbar.low, shown.colorbar.high) == (-1.0, 1.0)
    assert np.count_nonzero(shown.picture.painted.pixels) if shown.picture else False


def test_the_choice_is_there_again_after_a_restart(tmp_path: Path, workspace: Workspace) -> None:
    workspace.viewing.activate(S2)
    workspace.cycle_combination()
    workspace.close()
    again = Workspace(
        open_path(tmp_path / "data"), call_now, threads=0, cache_bytes=10_000_000, reviewer="ada", threaded_jobs=False
    )
    try:
        again.start()
        assert again.looks.style(S2).combination == "False colour"
    finally:
        again.close()

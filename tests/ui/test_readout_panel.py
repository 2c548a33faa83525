"""The readout says in words and figures what lies under the cursor, and stands still while the cursor moves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from rsviewer.core.readout import Position
from rsviewer.core.scene import Frame
from rsviewer.core.tile import TileId
from rsviewer.ui.panels.readout import (
    FACT_LINES,
    FactLine,
    Line,
    ReadoutPanel,
    ReadoutTable,
    Words,
    crs_words,
    ground_words,
    is_in_degrees,
    place_words,
)
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import skyscript
from tests.workspace.here import opened_here

METRES = Frame(32, 24, (0.5, 0, 4e5, 0, -0.5, 4e6), "EPSG:32654", 0.5)
DEGREES = Frame(32, 24, (1e-5, 0, 139.5, 0, -1e-5, 35.5), "EPSG:6668", 1.0)


@pytest.fixture
def panel(qtbot: QtBot, workspace: Workspace) -> ReadoutPanel:
    made = ReadoutPanel()
    qtbot.addWidget(made)
    made.resize(300, 220)
    made.set_workspace(workspace)
    made.show()
    return made


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def said(panel: ReadoutPanel) -> dict[str, str]:
    return {line.title: line.words for line in panel.table.words.lines}


def test_without_a_dataset_it_says_so(qtbot: QtBot) -> None:
    panel = ReadoutPanel()
    qtbot.addWidget(panel)
    panel.set_workspace(None)
    assert panel.table.words.pixel == "No dataset is open"


def test_without_a_cursor_it_says_what_to_do_and_keeps_the_lines(panel: ReadoutPanel, workspace: Workspace) -> None:
    settle(workspace)
    panel.show_state()
    assert panel.table.words.pixel == "Point at a pixel"
    assert said(panel) == {"pre image": "", "image": "", "nDSM": "", "land cover": "", "change": ""}


def test_every_layer_is_read_at_the_cursor(panel: ReadoutPanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((3, 7))
    panel.show_state()
    words = panel.table.words
    assert words.pixel.split() == ["column", "3", "row", "7"]
    assert words.place == "x 400001.75  y 3999996.25", "the centre of the pixel"
    assert words.ground == "0.50 m/px  ·  EPSG:32654"
    assert said(panel) == {
        "pre image": "10  7  3",
        "image": "20  7  3",
        "nDSM": "74.00 m",
        "land cover": "5  Trees",
        "change": "0  No change",
    }
    swatches = {line.title: line.color for line in words.lines}
    assert swatches["land cover"] == (34, 97, 38)
    assert swatches["nDSM"] is None


def test_words_stand_where_there_is_no_value(panel: ReadoutPanel, workspace: Workspace) -> None:
    workspace.viewing.set_cursor((0, 0))
    settle(workspace)
    panel.show_state()
    lines = {line.title: line for line in panel.table.words.lines}
    assert "nodata" in lines["nDSM"].words
    assert not lines["nDSM"].usable
    workspace.show_tile(TileId("b/3"))
    settle(workspace)
    panel.show_state()
    assert said(panel)["land cover"] == "missing"


def test_a_tile_that_is_not_read_yet_shows_no_value_of_the_one_before(
    panel: ReadoutPanel, workspace: Workspace
) -> None:
    for _ in workspace.looks.layers:
        workspace.step()
    workspace.viewing.set_cursor((3, 7))
    panel.show_state()
    assert said(panel)["change"]
    workspace.go_to(5)
    panel.show_state()
    assert panel.table.words.pixel == "Reading…"
    assert not any(said(panel).values())


def test_the_cursor_moves_no_line(panel: ReadoutPanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((3, 7))
    panel.show_state()
    before = panel.table.minimumHeight(), panel.table.geometry()
    for cursor in ((0, 0), (31, 23), None):
        workspace.viewing.set_cursor(cursor)
        panel.show_state()
        assert (panel.table.minimumHeight(), panel.table.geometry()) == before


def test_a_move_of_the_mouse_is_shown_by_itself(panel: ReadoutPanel, workspace: Workspace, qtbot: QtBot) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((4, 4))
    qtbot.waitUntil(lambda: said(panel)["nDSM"] == "45.00 m")


def test_the_tool_tip_says_what_may_be_cut_off(panel: ReadoutPanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((3, 7))
    panel.show_state()
    tips = [panel.table.tip_at(QPoint(5, y)) for y in range(0, panel.table.height(), 5)]
    assert any("EPSG:32654" in tip for tip in tips)
    assert "land cover\n5  Trees" in tips


def test_it_draws_itself_in_both_themes(panel: ReadoutPanel, workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((20, 3))
    panel.show_state()
    dark = panel.table.grab().toImage()
    panel.set_theme(LIGHT)
    assert panel.table.grab().toImage() != dark


def test_a_dozen_bands_take_the_lines_reserved_for_them(qtbot: QtBot) -> None:
    table = ReadoutTable()
    qtbot.addWidget(table)
    table.resize(284, 400)
    words = "  ".join(str(1000 + band) for band in range(13))
    table.show_words(Words(lines=(Line("Sentinel-2", words, lines=5),)), DARK)
    lines = table.wrapped(table.words.lines[0], 170)
    assert 1 < len(lines) <= 5
    assert "  ".join(lines) == words
    assert table.sizeHint().height() == table.minimumHeight()
    table.grab()


def test_map_coordinates_have_sensible_digits() -> None:
    at = Position(0, 0, 139.123456789, 35.987654321, "EPSG:6668")
    assert is_in_degrees(DEGREES)
    assert place_words(at, DEGREES) == "lon 139.123457  lat 35.987654"
    assert not is_in_degrees(METRES)
    assert place_words(Position(0, 0), METRES) == "no map coordinates"


def test_a_kilometre_is_not_a_degree() -> None:
    assert not is_in_degrees(replace(METRES, transform=(0.5, 0, 400, 0, -0.5, 4000), gsd=500.0))


@pytest.mark.parametrize(
    ("gsd", "words"), [(None, "unknown GSD"), (0.05, "0.050 m/px"), (0.5, "0.50 m/px"), (463.3, "463 m/px")]
)
def test_the_gsd_is_said_or_said_to_be_unknown(gsd: float | None, words: str) -> None:
    assert ground_words(replace(METRES, gsd=gsd)).startswith(words)


def test_a_long_crs_is_called_by_its_name() -> None:
    assert crs_words('PROJCS["NAD83 / Florida East (ftUS)",GEOGCS["NAD83"]]') == "NAD83 / Florida East (ftUS)"
    assert crs_words('PROJCS["unnamed",GEOGCS["unknown"]]') == "unnamed CRS", (
        "not the word of the program that wrote it"
    )
    assert crs_words('BOUNDCRS[SOURCECRS[GEOGCRS["WGS 84",DATUM["World"]]]]') == "WGS 84"
    assert crs_words("") == "no CRS"


@pytest.fixture
def captioned(tmp_path: Path, qapp: object) -> Iterator[Workspace]:
    """A dataset that says something about its tiles in numbers and words."""
    skyscript.write(tmp_path / "data")
    with opened_here(tmp_path / "data") as opened:
        yield opened


def test_it_says_what_the_dataset_says_about_the_tile(qtbot: QtBot, captioned: Workspace) -> None:
    panel = ReadoutPanel()
    qtbot.addWidget(panel)
    panel.resize(300, 300)
    panel.set_workspace(captioned)
    captioned.show_tile(TileId("images2/w101000003_CH_18"))
    settle(captioned)
    panel.show_state()
    words = panel.table.words
    assert {fact.name: fact.words for fact in words.facts} == {
        "similarity": "0.29",
        "source": "CH",
        "product": "SWISSIMAGE",
        "gsd": "0.1",
        "year": "2018",
        "kind": "way",
    }
    assert [line.title for line in words.lines] == ["image"], "a text says nothing at a pixel"
    assert words.ground == "about 0.1 m/px by its source  ·  no CRS"
    tips = [panel.table.tip_at(QPoint(5, y)) for y in range(0, panel.table.height(), 5)]
    assert any("product  SWISSIMAGE    (product of the source)" in tip for tip in tips)
    panel.table.grab()


def test_unknown_facts_are_left_out(qtbot: QtBot, captioned: Workspace) -> None:
    panel = ReadoutPanel()
    qtbot.addWidget(panel)
    panel.set_workspace(captioned)
    captioned.show_tile(TileId("images7/n101000009_ZZ_21"))
    settle(captioned)
    panel.show_state()
    assert "gsd" not in [fact.name for fact in panel.table.words.facts]


def test_facts_flow_over_the_lines_and_nothing_moves_for_shorter_ones(qtbot: QtBot) -> None:
    table = ReadoutTable()
    qtbot.addWidget(table)
    table.resize(284, 400)
    without = table.minimumHeight()
    long = tuple(FactLine(f"name{k}", "a value of some length", "a name") for k in range(3))
    table.show_words(Words(facts=long), DARK)
    tall = table.minimumHeight()
    assert tall > without
    table.show_words(Words(facts=tuple(replace(fact, words="1") for fact in long)), DARK)
    assert table.minimumHeight() == tall, "of the same dataset: the layers below stay where they are"
    table.show_words(Words(facts=long * 20), DARK)
    assert table.minimumHeight() - without < FACT_LINES * 25, "many are cut: the tool tip has them"
    assert table.tip_at(QPoint(5, 65)).count("\n") == 59
    table.show_words(Words(), DARK)
    assert table.minimumHeight() == without
    table.grab()

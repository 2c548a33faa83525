"""The map dock: footprints, a click that opens, a lasso that filters, and what it says where it knows nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.statistics import Cells, Places
from rsviewer.core.tile import TileId
from rsviewer.data.resources import color_table, resource_path
from rsviewer.ui.mapview import land_within, outline
from rsviewer.ui.panels.places import PlacesPanel
from rsviewer.ui.theme import LIGHT
from rsviewer.workspace.workspace import Workspace
from tests.ui import panels
from tests.ui.panels import standing

NAMES = ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3")


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> Iterator[PlacesPanel]:
    with standing(PlacesPanel(color_table), workspace, qtbot) as made:
        yield made


def settle(panel: PlacesPanel) -> None:
    panels.settle(panel, 2)  # the first tiles bring the map to them, and then it asks what is in sight


def spread(workspace: Workspace) -> None:
    """Tiles side by side, a tenth of a degree wide."""
    workspace.index.places.record({TileId(name): (k / 10, 45.0, (k + 1) / 10, 45.1) for k, name in enumerate(NAMES)})


def test_where_nothing_is_known_it_offers_to_look(panel: PlacesPanel, workspace: Workspace, qtbot: QtBot) -> None:
    settle(panel)
    assert "Nobody knows yet where these tiles lie" in panel.message.text()
    with qtbot.waitSignal(panel.asked) as asked:
        panel.locate.click()
    assert asked.args == ["queue.locate"]
    workspace.finding.locate()
    settle(panel)
    assert panel.note.text().startswith("6 of 6 tiles in sight.")
    assert not panel.locate.isVisible()


def test_where_no_header_says_it_there_is_nothing_to_look_for(panel: PlacesPanel, workspace: Workspace) -> None:
    workspace.index.places.record({TileId(name): None for name in NAMES})
    settle(panel)
    assert panel.message.text() == "No tile says where on the Earth it lies: there is nothing to show on a map."
    assert not panel.locate.isVisible()
    workspace.index.places.record({TileId("a/1"): (1.0, 45.0, 1.1, 45.1)})
    workspace.statistics.outdate()
    settle(panel)
    assert panel.note.text() == "1 of 1 tiles in sight.   5 say nothing."
    assert not panel.locate.isVisible()


def test_a_click_on_a_footprint_opens_its_tile(panel: PlacesPanel, workspace: Workspace, qtbot: QtBot) -> None:
    spread(workspace)
    settle(panel)
    qtbot.mouseClick(panel.map, Qt.MouseButton.LeftButton, pos=panel.map.pixel_of(0.35, 45.05).toPoint())
    assert workspace.tile == "b/1"


def test_a_lasso_on_the_map_becomes_the_filter(panel: PlacesPanel, workspace: Workspace, qtbot: QtBot) -> None:
    spread(workspace)
    settle(panel)
    panel.lasso.click()
    corners = [(0.11, 44.99), (0.29, 44.99), (0.29, 45.11), (0.11, 45.11), (0.11, 45.0)]
    places = [panel.map.pixel_of(*corner).toPoint() for corner in corners]
    qtbot.mousePress(panel.map, Qt.MouseButton.LeftButton, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(panel.map, place)
    qtbot.mouseRelease(panel.map, Qt.MouseButton.LeftButton, pos=places[-1])
    assert workspace.finding.filter.startswith("inside(lon, lat, ")
    assert workspace.queue.ordinals.tolist() == [1, 2]
    assert not panel.lasso.isChecked()
    settle(panel)
    assert panel.note.text().startswith("2 of 2 tiles in sight.")


def test_dragging_with_ctrl_takes_a_box(panel: PlacesPanel, workspace: Workspace, qtbot: QtBot) -> None:
    spread(workspace)
    settle(panel)
    first, last = (panel.map.pixel_of(*corner).toPoint() for corner in ((0.29, 44.99), (0.51, 45.11)))
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.mousePress(panel.map, Qt.MouseButton.LeftButton, control, pos=first)
    qtbot.mouseMove(panel.map, (first + last) / 2)
    qtbot.mouseMove(panel.map, last)
    assert not panel.map.grab().isNull()  # the box is drawn
    qtbot.mouseRelease(panel.map, Qt.MouseButton.LeftButton, control, pos=last)
    assert workspace.queue.ordinals.tolist() == [3, 4]


def test_a_shape_across_the_180th_meridian_takes_the_tiles_of_both_sides(
    panel: PlacesPanel, workspace: Workspace, qtbot: QtBot
) -> None:
    sides = (179.8, 179.9, -180.0, -179.9, 100.0, -100.0)
    workspace.index.places.record(
        {TileId(name): (west, 10.0, west + 0.1, 10.1) for name, west in zip(NAMES, sides, strict=True)}
    )
    settle(panel)
    panel.map.drawn.emit([(179.7, 9.0), (180.3, 9.0), (180.3, 11.0), (179.7, 11.0)])
    assert workspace.queue.ordinals.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["png", "svg", "csv"])
def test_the_map_can_be_saved(panel: PlacesPanel, workspace: Workspace, tmp_path: Path, kind: str) -> None:
    spread(workspace)
    settle(panel)
    panel.color.setCurrentText("split")
    settle(panel)
    path = tmp_path / f"map.{kind}"
    panel.save_as(path)
    assert workspace.status().message == f"The map is in {path}."
    content = path.read_bytes()
    if kind == "csv":
        assert content.splitlines()[:2] == [b"position,west,south,east,north,value", b"1,0,45,0.1,45.1,train"]
    else:
        assert content[:4] in (b"\x89PNG", b"<?xm")
        assert len(content) > 3000


def test_many_tiles_are_saved_as_they_are_counted() -> None:
    places = Places(
        (0, 0, 2, 1), 5, 5, 5, cells=Cells((0, 0, 2, 1), np.array([[0, 5]])), means=np.array([[np.nan, 0.5]])
    )
    assert places.rows() == (("west", "south", "east", "north", "tiles", "mean"), [(1.0, 0.0, 2.0, 1.0, 5, 0.5)])


def test_before_there_is_a_map_there_is_nothing_to_save(panel: PlacesPanel, tmp_path: Path) -> None:
    settle(panel)
    assert not panel.take.isEnabled()
    panel.save_as(tmp_path / "map.png")
    assert not (tmp_path / "map.png").exists()


def test_tiles_are_coloured_by_texts_and_numbers(panel: PlacesPanel, workspace: Workspace) -> None:
    spread(workspace)
    settle(panel)
    panel.color.setCurrentText("split")
    settle(panel)
    assert panel.legend.text().splitlines() == ["train", "test"]
    panel.color.setCurrentText("position")
    settle(panel)
    assert (panel.scale.low, panel.scale.high) == ("1", "6")


def test_the_wheel_keeps_the_place_under_the_mouse(panel: PlacesPanel, workspace: Workspace) -> None:
    spread(workspace)
    settle(panel)
    at = panel.map.pixel_of(0.1, 45.05)
    panel.map.zoom(3.0, at)
    after = panel.map.degrees_at(QPointF(at))
    assert (after.x(), after.y()) == (pytest.approx(0.1, abs=2e-3), pytest.approx(45.05, abs=2e-3))


def test_a_low_map_shows_the_whole_earth(panel: PlacesPanel, workspace: Workspace) -> None:
    workspace.index.places.record(
        {TileId(name): (60.0 * k - 180, -80.0, 60.0 * k - 179, 80.0) for k, name in enumerate(NAMES)}
    )
    panel.map.resize(720, 200)
    settle(panel)
    panel.map.fit()
    assert panel.map.bounds is not None
    west, south, east, north = panel.map.bounds
    assert west < -180 < 121 < east
    assert south < -80 < 80 < north


def test_another_theme_and_a_small_dock_do_no_harm(panel: PlacesPanel, workspace: Workspace) -> None:
    spread(workspace)
    panel.set_theme(LIGHT)
    panel.resize(panel.minimumSizeHint())
    settle(panel)
    assert not panel.grab().isNull()


def test_the_outline_of_the_land_is_small_and_says_where_it_is_from() -> None:
    path, source = outline()
    assert source.startswith("Natural Earth")
    assert resource_path("world.json").stat().st_size < 80_000
    assert path.contains(QPointF(10.0, -50.0))  # Germany
    assert not path.contains(QPointF(-30.0, -30.0))  # the Atlantic


def test_of_the_land_only_what_is_in_sight_is_drawn() -> None:
    (inland,) = land_within(9.8, 51.5, 9.9, 51.6)
    assert np.allclose([inland.min(axis=0), inland.max(axis=0)], [(9.8, 51.5), (9.9, 51.6)])
    assert land_within(-31.0, 29.0, -29.0, 31.0) == []  # the Atlantic
    beyond = land_within(350.0, 40.0, 370.0, 60.0)  # Europe, from the other side
    assert min(ring[:, 0].min() for ring in beyond) >= 350.0
    assert max(ring[:, 0].max() for ring in beyond) == 370.0


def test_a_drawing_of_a_small_place_holds_no_coast_a_thousand_times_as_wide(
    panel: PlacesPanel, workspace: Workspace, tmp_path: Path
) -> None:
    tiles = {TileId(name): (k / 1e4, 45.0, (k + 1) / 1e4, 45.0001) for k, name in enumerate(NAMES)}
    workspace.index.places.record(tiles)
    settle(panel)
    panel.save_as(tmp_path / "map.svg")
    numbers = [float(text) for text in re.findall(r"[ML]([-\d.e+]+),", (tmp_path / "map.svg").read_text("utf-8"))]
    assert max(map(abs, numbers)) < 2000

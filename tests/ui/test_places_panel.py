"""The map dock: footprints, a click that opens, a lasso that filters, and what it says where it knows nothing."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import TileId
from rsviewer.data.resources import color_table, resource_path
from rsviewer.ui.mapview import outline
from rsviewer.ui.panels.places import PlacesPanel
from rsviewer.ui.theme import LIGHT
from rsviewer.workspace.workspace import Workspace

NAMES = ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3")


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> Iterator[PlacesPanel]:
    made = PlacesPanel(color_table)
    qtbot.addWidget(made)
    made.resize(700, 400)
    made.show()
    made.set_workspace(workspace)
    made.set_shown(on=True)
    yield made
    made.set_workspace(None)


def settle(panel: PlacesPanel) -> None:
    assert panel.workspace is not None
    for _ in range(2):  # the first tiles bring the map to them, and then it asks what is in sight
        panel.show_state()
        while panel.workspace.step():
            pass
    panel.show_state()


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

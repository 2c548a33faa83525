"""The 3D panel shows the tile of the panes in space, links the cross both ways, and leaves nothing behind."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import DIFFERENCE, Form, Together
from rsviewer.core.render import Pixels
from rsviewer.core.tile import LayerId
from rsviewer.data.resources import color_table
from rsviewer.ui.panels.relief import ExaggerationSlider, ReliefPanel
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.ui.theme import LIGHT
from rsviewer.workspace.background import Post, call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

NDSM = "ndsm"


class Paper:
    """A renderer that paints every picture in one colour, and remembers what it was asked for."""

    name = "paper"
    is_software = True

    def __init__(self) -> None:
        self.drawn: list[Drawing] = []
        self.opened = 0

    def draw(self, drawing: Drawing, stale: Callable[[], bool] = lambda: False) -> Pixels | None:
        self.drawn.append(drawing)
        return np.full((drawing.height, drawing.width), 0xFF306090, np.uint32)

    def close(self) -> None:
        """Nothing is held."""

    def open(self, post: Post, arrived: Callable[[Drawing, Pixels], None], ready: Callable[[], None]) -> Rendering:
        self.opened += 1
        return Rendering(post, arrived, ready, opens=lambda _: self, threads=0)


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def panel(qtbot: QtBot, paper: Paper) -> Iterator[ReliefPanel]:
    made = ReliefPanel(color_table, call_now, opens=paper.open, threads=0)
    qtbot.addWidget(made)
    made.resize(520, 640)
    made.show()
    yield made
    made.set_workspace(None)
    made.end()


@pytest.fixture
def shown(panel: ReliefPanel, workspace: Workspace) -> ReliefPanel:
    """The panel, opened on the first tile."""
    workspace.reliefs.set_style(replace(workspace.reliefs.style, grid=False, color=NDSM))
    panel.set_workspace(workspace)
    panel.set_shown(on=True)
    settle(panel, workspace)
    QApplication.sendPostedEvents()  # the controls have become what they need to be, and so has the picture
    settle(panel, workspace)
    return panel


@pytest.fixture
def two_heights(tiny_dataset: Path, qapp: object) -> Iterator[Workspace]:
    """As the tiny dataset, with a DEM for "a": the nDSM plus 100 m."""
    import rasterio

    for number in (1, 2, 3):
        with rasterio.open(tiny_dataset / "a" / "gt_nDSM" / f"{number}.tif") as source:
            heights, profile = source.read(), source.profile
        (tiny_dataset / "a" / "dem").mkdir(exist_ok=True)
        with rasterio.open(tiny_dataset / "a" / "dem" / f"{number}.tif", "w", **profile) as target:
            target.write(np.where(heights == -9999, heights, heights + 100))
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ada", threaded_jobs=False
    )
    opened.start()
    yield opened
    opened.close()


def settle(panel: ReliefPanel, workspace: Workspace) -> None:
    """All that workers would do."""
    while workspace.step() or (panel.rendering is not None and panel.rendering.step()) or panel.view.step():
        pass
    panel.show_state()


def hover(panel: ReliefPanel, at: QPointF) -> None:
    nothing = Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, at, panel.view.mapToGlobal(at), nothing, nothing, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(panel.view, event)


def test_nothing_is_made_before_it_is_first_shown(panel: ReliefPanel, workspace: Workspace, paper: Paper) -> None:
    panel.set_workspace(workspace)
    settle(panel, workspace)
    assert paper.opened == 0
    assert workspace.reliefs.relief is None
    panel.set_shown(on=True)
    settle(panel, workspace)
    assert paper.opened == 1
    assert panel.is_drawn


def test_while_it_is_hidden_no_tile_is_put_into_space(shown: ReliefPanel, workspace: Workspace, paper: Paper) -> None:
    shown.set_shown(on=False)
    shown.hide()
    before = len(paper.drawn)
    workspace.go(1)
    settle(shown, workspace)
    assert not workspace.reliefs.is_open
    assert len(paper.drawn) == before


def test_it_follows_the_tile(shown: ReliefPanel, workspace: Workspace, paper: Paper) -> None:
    assert paper.drawn[-1].relief.tile == "a/1"
    workspace.go(1)
    assert not shown.is_drawn
    settle(shown, workspace)
    assert paper.drawn[-1].relief.tile == "a/2" == workspace.tile
    assert shown.is_drawn


def test_a_tile_that_was_made_before_is_there_when_the_key_is_released(
    shown: ReliefPanel, workspace: Workspace, paper: Paper
) -> None:
    workspace.go(1)
    settle(shown, workspace)
    workspace.hurried = True
    workspace.go(-1)
    workspace.hurried = False
    assert shown.rendering is not None
    while shown.rendering.step():
        pass
    assert paper.drawn[-1].relief.tile == "a/1"
    assert shown.is_drawn


def test_why_there_are_no_heights_is_drawn_too(shown: ReliefPanel, workspace: Workspace) -> None:
    workspace.start_at("b/2")  # its nDSM is cut short
    settle(shown, workspace)
    assert shown.is_drawn
    assert shown.view.shown is None
    assert shown.drawing is None


def test_light_and_exaggeration_draw_again_but_do_not_read_again(
    shown: ReliefPanel, workspace: Workspace, paper: Paper
) -> None:
    relief = workspace.reliefs.relief
    for field, value in ((shown.controls.azimuth, 90.0), (shown.controls.altitude, 20.0), (shown.controls.factor, 2.5)):
        field.setValue(value)
    shown.controls.shading.setValue(30)
    settle(shown, workspace)
    style = paper.drawn[-1].style
    assert (style.azimuth, style.altitude, style.exaggeration, style.shading) == (90, 20, 2.5, 0.3)
    assert paper.drawn[-1].relief is relief


def test_the_slider_goes_by_factors_and_is_drawn_to_one(shown: ReliefPanel, workspace: Workspace) -> None:
    slider = shown.controls.exaggeration
    slider.setValue(slider.maximum())
    assert workspace.reliefs.style.exaggeration == pytest.approx(20, rel=0.01)
    slider.setValue(slider.minimum())
    assert workspace.reliefs.style.exaggeration == pytest.approx(0.1, rel=0.01)
    slider.setValue(2)
    assert workspace.reliefs.style.exaggeration == 1
    shown.controls.factor.setValue(55)
    settle(shown, workspace)
    assert workspace.reliefs.style.exaggeration == 55, "what is typed may leave the slider"
    assert slider.value() == slider.maximum()
    shown.controls.true.click()
    assert workspace.reliefs.style.exaggeration == 1


def test_equal_factors_are_equal_ways_on_the_slider(qtbot: QtBot) -> None:
    slider = ExaggerationSlider()
    qtbot.addWidget(slider)
    places = []
    for factor in (0.1, 1.0, 10.0):
        slider.factor = factor
        places.append(slider.value())
    assert places[1] - places[0] == places[2] - places[1]


def test_with_one_height_there_is_nothing_to_compare_and_the_fields_say_so(
    shown: ReliefPanel, workspace: Workspace
) -> None:
    controls = shown.controls
    assert not controls.other.isEnabled()
    assert not controls.together.isEnabled()
    assert "one height" in controls.together.toolTip()
    assert controls.color.isEnabled()


def test_a_second_height_can_stand_beside_the_first(panel: ReliefPanel, two_heights: Workspace, paper: Paper) -> None:
    two_heights.reliefs.set_style(replace(two_heights.reliefs.style, grid=False, color=DIFFERENCE))
    panel.set_workspace(two_heights)
    panel.set_shown(on=True)
    settle(panel, two_heights)
    controls = panel.controls
    assert controls.together.isEnabled()
    controls.together.setCurrentIndex(controls.together.findData(Together.BESIDE))
    controls.together.activated.emit(controls.together.currentIndex())
    settle(panel, two_heights)
    assert two_heights.reliefs.style.together is Together.BESIDE
    assert len(list(paper.drawn[-1].parts())) == 2
    assert controls.color.currentData() == DIFFERENCE
    assert controls.height_choice.count() == 2
    controls.height_choice.setCurrentIndex(1)
    controls.height_choice.activated.emit(1)
    settle(panel, two_heights)
    assert two_heights.reliefs.style.height == controls.height_choice.currentData()
    assert controls.other.currentData() != controls.height_choice.currentData()


def test_colours_are_chosen_by_title(shown: ReliefPanel, workspace: Workspace) -> None:
    color = shown.controls.color
    titles = [color.itemText(place) for place in range(color.count())]
    assert titles[0].startswith("auto")
    assert color.currentText() == "nDSM"
    color.setCurrentIndex(0)
    color.activated.emit(0)
    assert workspace.reliefs.style.color == ""


def test_the_size_of_points_is_asked_only_where_there_are_any(shown: ReliefPanel, workspace: Workspace) -> None:
    assert not shown.controls.point_size.isVisible()
    shown.bar.forms.buttons()[1].click()
    settle(shown, workspace)
    assert workspace.reliefs.style.form is Form.POINTS
    assert shown.controls.point_size.isVisible()


def test_commands_and_buttons_say_the_same(shown: ReliefPanel, workspace: Workspace) -> None:
    workspace.reliefs.toggle_form()
    shown.show_state()
    assert shown.bar.forms.checkedId() == list(Form).index(Form.POINTS)
    shown.toggle_flying()
    assert shown.bar.fly.isChecked()
    assert not shown.bar.parallel.isEnabled()
    shown.bar.fly.click()
    assert not shown.flying


def test_what_keys_do_is_said_for_the_camera_that_is_on(shown: ReliefPanel) -> None:
    assert "turn" in shown.hint.text()
    shown.toggle_flying()
    assert "WASD" in shown.hint.text()


# --- the cross


def test_hovering_moves_the_cross_of_the_panes(shown: ReliefPanel, workspace: Workspace) -> None:
    shown.look_from("top")
    settle(shown, workspace)
    middle = QPointF(shown.view.width() / 2, (shown.view.height() - 36) / 2)
    hover(shown, middle)
    settle(shown, workspace)
    assert workspace.viewing.cursor is not None
    column, row = workspace.viewing.cursor
    assert abs(column - 16) <= 1
    assert abs(row - 12) <= 1
    hover(shown, QPointF(2, 2))
    settle(shown, workspace)
    assert workspace.viewing.cursor is None, "only ground is there"


def test_leaving_takes_only_a_cross_away_that_3d_has_put_there(shown: ReliefPanel, workspace: Workspace) -> None:
    shown.look_from("top")
    settle(shown, workspace)
    middle = QPointF(shown.view.width() / 2, (shown.view.height() - 36) / 2)
    hover(shown, middle)
    settle(shown, workspace)
    QApplication.sendEvent(shown.view, QEvent(QEvent.Type.Leave))
    assert workspace.viewing.cursor is None
    hover(shown, middle)
    settle(shown, workspace)
    workspace.viewing.move_cursor(3, 0)
    moved = workspace.viewing.cursor
    QApplication.sendEvent(shown.view, QEvent(QEvent.Type.Leave))
    assert workspace.viewing.cursor == moved, "the keys have moved it since"


def test_the_cross_of_the_panes_is_marked_in_space(shown: ReliefPanel, workspace: Workspace) -> None:
    before = shown.view.grab().toImage()
    workspace.viewing.set_cursor((10, 10))
    assert shown.view.grab().toImage() != before


# --- the way out


def test_the_workspace_can_go_and_come_back(shown: ReliefPanel, workspace: Workspace, paper: Paper) -> None:
    shown.set_workspace(None)
    assert shown.rendering is None
    assert not workspace.reliefs.is_open
    assert shown.is_drawn, "there is nothing to be drawn"
    shown.set_workspace(workspace)
    settle(shown, workspace)
    assert paper.opened == 2
    assert shown.is_drawn


def test_no_thread_outlives_it(qtbot: QtBot, workspace: Workspace, paper: Paper) -> None:
    before = set(threading.enumerate())
    panel = ReliefPanel(
        color_table,
        lambda function: None,
        opens=lambda post, arrived, ready: Rendering(post, arrived, ready, opens=lambda _: paper),
    )
    qtbot.addWidget(panel)
    panel.set_workspace(workspace)
    panel.set_shown(on=True)
    assert set(threading.enumerate()) > before
    panel.set_workspace(None)
    assert set(threading.enumerate()) == before
    panel.end()


def test_after_the_end_it_does_not_begin_again(shown: ReliefPanel, paper: Paper) -> None:
    shown.end()
    shown.set_shown(on=False)
    shown.set_shown(on=True)
    assert paper.opened == 1


def test_escape_gives_the_keyboard_back(shown: ReliefPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(shown.done):
        event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(shown.view, event)


def test_saving_asks_for_commands(shown: ReliefPanel) -> None:
    asked: list[str] = []
    shown.asked.connect(asked.append)
    for action in shown.bar.saves.values():
        action.trigger()
    assert asked == ["relief.picture", "relief.animation", "relief.save"]


@pytest.mark.parametrize("width", [420, 560, 960])
def test_all_controls_fit(shown: ReliefPanel, workspace: Workspace, width: int, qtbot: QtBot) -> None:
    shown.resize(width, 700)
    shown.set_theme(LIGHT)
    settle(shown, workspace)
    for widget in (*shown.bar.views.values(), shown.bar.save, shown.bar.more, shown.controls.percent):
        right = widget.mapTo(shown, widget.rect().bottomRight())
        assert shown.rect().contains(right)
    assert shown.view.height() > 300


def test_points_while_moving_are_those_of_the_preferences(
    shown: ReliefPanel, workspace: Workspace, paper: Paper
) -> None:
    shown.set_points(50)
    shown.look_from("front")
    settle(shown, workspace)
    assert paper.drawn[-1].budget == 50
    assert not shown.is_drawn


def test_a_layer_that_is_chosen_stays_chosen_on_the_next_tile(shown: ReliefPanel, workspace: Workspace) -> None:
    workspace.reliefs.set_style(replace(workspace.reliefs.style, height=LayerId(NDSM), form=Form.POINTS))
    workspace.go(1)
    settle(shown, workspace)
    assert shown.controls.height_choice.currentData() == NDSM
    assert workspace.reliefs.style.form is Form.POINTS

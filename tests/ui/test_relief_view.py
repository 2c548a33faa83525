"""The 3D view is never blank, never shows a tile under another's name, and moves as mouse and keys say."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.core.camera import Camera, CameraKind
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.panepainter import to_image
from rsviewer.ui.relief.overlay import cell_under, spot_at, spot_under
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.ui.relief.steering import Way, flying_letters
from rsviewer.ui.relief.view import ReliefView
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.workspace.background import call_now
from rsviewer.workspace.commands import bindings

BARE = ReliefStyle(grid=False)
NO_BUTTON, LEFT, RIGHT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NOTHING, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


class Paper:
    """A renderer that paints every picture in one colour, and remembers what it was asked for."""

    name = "paper"
    is_software = True

    def __init__(self) -> None:
        self.drawn: list[Drawing] = []

    def draw(self, drawing: Drawing, stale: Callable[[], bool] = lambda: False) -> Pixels | None:
        self.drawn.append(drawing)
        return np.full((drawing.height, drawing.width), 0xFF306090, np.uint32)

    def close(self) -> None:
        """Nothing is held."""


class Window(QWidget):
    """Remembers the keys that reach it, as the program's window turns them into commands."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[int] = []
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.keys.append(event.key())


class Paints(QObject):
    """Counts how often a widget was painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.number = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.number += event.type() is QEvent.Type.Paint
        return False


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    made = Window()
    qtbot.addWidget(made)
    made.resize(400, 336)
    return made


@pytest.fixture
def view(window: Window, paper: Paper, clock: Clock) -> Iterator[ReliefView]:
    made = ReliefView(lambda _: np.zeros((256, 3), np.uint8), clock=clock)
    layout = window.layout()
    assert layout is not None
    layout.addWidget(made)
    window.show()
    made.start(
        lambda post, arrived, ready: Rendering(post, arrived, ready, opens=lambda _: paper, threads=0),
        call_now,
        threads=0,
    )
    yield made
    made.stop()


def hill(tile: str, *, size: int = 9, high: float = 4.0, **changes: object) -> Relief:
    """A tile of `size` x `size` metres, flat but for a block in the north-east quarter."""
    height = np.zeros((size, size), np.float32)
    height[: size // 2, size // 2 + 1 :] = high
    colors = np.full((size, size), 0xFF808080, np.uint32)
    cloud = Cloud(LayerId("dsm"), "DSM", height, 100.0, colors, (0.0, float(size)), (1.0, 1.0), Rect(0, 0, size, size))
    made = Relief(
        TileId(tile),
        (cloud,),
        extent=(float(size), float(size)),
        unit="m",
        low=100.0,
        high=100.0 + high,
        color_title="x",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names are checked by the dataclass


def settle(view: ReliefView) -> None:
    rendering = view.rendering
    assert rendering is not None
    while rendering.step():
        pass


def shown_tile(view: ReliefView) -> str:
    assert view.shown is not None
    return str(view.shown.drawing.relief.tile)


def mouse(view: ReliefView, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
    event = QMouseEvent(kind, at, QPointF(view.mapToGlobal(at.toPoint())), button, held, NOTHING)
    QApplication.sendEvent(view, event)


def drag(view: ReliefView, by: QPointF, button: Qt.MouseButton = LEFT) -> None:
    start = QPointF(200, 150)
    mouse(view, QEvent.Type.MouseButtonPress, start, button, button)
    mouse(view, QEvent.Type.MouseMove, start + by, NO_BUTTON, button)
    mouse(view, QEvent.Type.MouseButtonRelease, start + by, button, NO_BUTTON)


def hover(view: ReliefView, at: QPointF) -> None:
    mouse(view, QEvent.Type.MouseMove, at, NO_BUTTON, NO_BUTTON)


def wheel(view: ReliefView, at: QPointF, notches: int) -> None:
    event = QWheelEvent(
        at,
        QPointF(view.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, 120 * notches),
        NO_BUTTON,
        NOTHING,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def key(view: ReliefView, which: Qt.Key, kind: QEvent.Type = QEvent.Type.KeyPress, *, repeat: bool = False) -> None:
    QApplication.sendEvent(view, QKeyEvent(kind, which, NOTHING, "", repeat))


def color_at(view: ReliefView, x: int, y: int) -> int:
    return view.grab().toImage().pixel(x, y)


# --- pictures


def test_the_first_tile_is_seen_whole(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    drawing = paper.drawn[-1]
    (part,) = drawing.parts()
    low, high = drawing.relief.bounds(1.0)
    corners = np.array(
        [[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    clip = corners @ part.matrix.T
    assert np.abs(clip[:, :2] / clip[:, 3:]).max() < 1
    assert view.is_drawn
    assert color_at(view, 200, 150) == 0xFF306090


def test_a_picture_has_a_pixel_for_every_one_of_the_screen(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    ratio = view.devicePixelRatioF()
    assert (paper.drawn[-1].width, paper.drawn[-1].height) == (400 * ratio, 300 * ratio), "the foot takes 36 of 336"
    assert paper.drawn[-1].ratio == ratio


def test_the_camera_stays_when_the_tile_changes(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    drag(view, QPointF(60, 20))
    wheel(view, QPointF(100, 100), 2)
    before = view.camera
    view.show_relief(None, BARE, "b")
    view.show_relief(hill("b", high=9.0), BARE, "b")
    settle(view)
    assert view.camera == before
    assert paper.drawn[-1].camera == before
    assert shown_tile(view) == "b"


def test_while_the_next_tile_is_made_the_former_one_keeps_its_name(view: ReliefView, qtbot: QtBot) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.show_relief(None, BARE, "b")
    assert color_at(view, 200, 150) == 0xFF306090, "it is not blank"
    assert shown_tile(view) == "a"
    qtbot.waitUntil(lambda: view.is_dimmed)
    assert color_at(view, 300, 250) != 0xFF306090, "it is dimmed"
    view.show_relief(hill("b"), BARE, "b")
    assert shown_tile(view) == "a", "b was not drawn yet"
    settle(view)
    assert shown_tile(view) == "b"
    assert not view.is_dimmed


def test_while_stepping_fast_the_name_that_is_waited_for_is_the_newest(view: ReliefView, qtbot: QtBot) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.show_relief(None, BARE, "b")
    qtbot.waitUntil(lambda: view.is_dimmed)
    QApplication.processEvents()
    paints = Paints(view)
    view.show_relief(None, BARE, "c")
    qtbot.waitUntil(lambda: paints.number > 0)


def test_a_tile_that_comes_in_time_is_not_preceded_by_a_dimmed_one(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.show_relief(None, BARE, "b")
    view.show_relief(hill("b"), BARE, "b")
    settle(view)
    assert not view._late.isActive()
    assert not view.is_dimmed


def test_a_late_picture_of_a_former_tile_is_thrown_away(view: ReliefView, paper: Paper) -> None:
    former, current = hill("a"), hill("b")
    view.show_relief(former, BARE, "a")
    settle(view)
    late = paper.drawn[-1]
    view.show_relief(current, BARE, "b")
    settle(view)
    view._arrived(late, np.full((late.height, late.width), 0xFFFF0000, np.uint32))
    assert shown_tile(view) == "b"
    assert color_at(view, 200, 150) == 0xFF306090


def test_why_there_is_nothing_to_see_takes_the_place_of_the_picture(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.show_relief(Relief(TileId("b"), why="This tile has no height layer."), BARE, "b")
    assert view.shown is None, "no picture of a under a sentence about b"
    assert view.is_drawn
    assert _has_words(view)


def test_before_the_first_picture_there_are_words(view: ReliefView) -> None:
    assert not _has_words(view), "nobody waits for anything"
    view.show_relief(None, BARE, "a")
    assert _has_words(view)
    assert not view.is_drawn


def _has_words(view: ReliefView) -> bool:
    """Whether something is written into the middle of the view."""
    middle = view.grab().toImage().copy(50, 120, 300, 60)
    return len({middle.pixel(x, y) for x in range(0, 300, 2) for y in range(0, 60, 2)}) > 2


def test_all_points_are_drawn_when_the_camera_has_come_to_rest(view: ReliefView, paper: Paper, qtbot: QtBot) -> None:
    view.points = 20
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    assert paper.drawn[-1].budget == 20
    assert not view.is_drawn, "some points are missing"
    with qtbot.waitSignal(view.drawn):
        qtbot.waitUntil(lambda: bool(settle(view)) or view.is_drawn)
    assert paper.drawn[-1].is_whole


def test_a_tile_below_the_budget_is_drawn_once(view: ReliefView, paper: Paper, qtbot: QtBot) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    qtbot.waitUntil(lambda: not view._settle.isActive())
    settle(view)
    assert len(paper.drawn) == 1


def test_while_one_picture_is_drawn_only_the_newest_camera_waits(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    for _ in range(20):
        view.steer(view.camera.turned(5, 0))
    settle(view)
    assert len(paper.drawn) == 3, "that of the first step, and that of the last"
    assert paper.drawn[-1].camera == view.camera


def test_a_picture_that_never_comes_is_not_waited_for(view: ReliefView, paper: Paper, clock: Clock) -> None:
    view.show_relief(hill("a"), BARE, "a")
    clock.now += 10
    view.steer(view.camera.turned(5, 0))
    settle(view)
    assert paper.drawn[-1].camera == view.camera


def test_nothing_is_drawn_while_it_is_hidden(view: ReliefView, paper: Paper) -> None:
    view.hide()
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    assert paper.drawn == []
    view.show()
    settle(view)
    assert paper.drawn


def test_another_size_asks_for_another_picture_and_keeps_the_old_one_meanwhile(
    view: ReliefView, window: Window, paper: Paper
) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    window.resize(600, 336)
    assert not view.is_drawn
    assert color_at(view, 590, 150) == 0xFF306090, "stretched"
    settle(view)
    assert paper.drawn[-1].width == 600 * view.devicePixelRatioF()
    assert view.is_drawn


def test_themes_change_the_ground(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    assert paper.drawn[-1].background == (DARK.pane.red(), DARK.pane.green(), DARK.pane.blue())
    view.set_theme(LIGHT)
    settle(view)
    assert paper.drawn[-1].background == (LIGHT.pane.red(), LIGHT.pane.green(), LIGHT.pane.blue())


def test_after_the_end_nothing_arrives(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    late = paper.drawn[-1]
    view.stop()
    view._arrived(late, np.full((late.height, late.width), 0xFFFF0000, np.uint32))
    assert view.shown is None
    assert view.rendering is None


def test_beside_each_other_both_are_seen_whole(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    far = view.camera.distance
    both = hill("a")
    both = replace(both, clouds=both.clouds * 2, together=Together.BESIDE)
    style = replace(BARE, together=Together.BESIDE)
    view.show_relief(both, style, "a")
    settle(view)
    assert len(list(paper.drawn[-1].parts())) == 2
    assert view.camera.distance > far, "every part is half as wide"


def test_another_number_of_heights_is_seen_whole_again_though_it_had_to_be_waited_for(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    alone = view.camera
    both = hill("a")
    high = replace(both.clouds[0], layer=LayerId("dem"), base=140.0)
    both = replace(both, clouds=(both.clouds[0], high), high=144.0)
    for together in (Together.BESIDE, Together.ONE_SCENE):
        style = replace(BARE, together=together)
        view.show_relief(None, style, "a")
        view.show_relief(replace(both, together=together), style, "a")
        settle(view)
        assert shown_whole(view), together
    view.show_relief(None, BARE, "a")
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    assert view.camera == alone


def test_a_size_that_changed_while_a_tile_was_waited_for_is_fitted_too(view: ReliefView, window: Window) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.show_relief(None, BARE, "b")
    window.resize(150, 336)
    QApplication.processEvents()
    view.show_relief(hill("b"), BARE, "b")
    settle(view)
    assert shown_whole(view)


def shown_whole(view: ReliefView) -> bool:
    """Whether no corner of the box of heights is outside of its part of the picture."""
    assert view.shown is not None
    drawing = view.shown.drawing
    low, high = drawing.relief.bounds(drawing.style.exaggeration)
    corners = np.array(
        [[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    seen = [corners @ part.matrix.T for part in drawing.parts()]
    return all(np.abs(clip[:, :2] / clip[:, 3:]).max() < 1 for clip in seen)


# --- the mouse


def test_dragging_turns_the_tile_after_the_mouse(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera
    drag(view, QPointF(40, 30))
    assert view.camera.azimuth > before.azimuth
    assert view.camera.elevation > before.elevation
    assert view.camera.target == before.target


def test_a_click_turns_nothing(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera
    drag(view, QPointF(1, 1))
    assert view.camera == before


def test_what_is_under_the_right_button_follows_it(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera
    seen = _on_screen(view, np.asarray(before.target))
    drag(view, QPointF(50, -30), RIGHT)
    assert view.camera.azimuth == before.azimuth
    moved = _on_screen(view, np.asarray(before.target)) - seen
    assert moved == pytest.approx([50, -30], abs=1e-6)


def test_the_wheel_zooms_towards_what_is_under_the_mouse(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    view.look_from("top")
    settle(view)
    at = QPointF(230, 130)
    points: list[object] = []
    view.pointed.connect(points.append)
    hover(view, at)
    while view.step():
        pass
    (pixel,) = points
    assert isinstance(pixel, tuple)
    before = view.camera.distance
    wheel(view, at, 3)
    settle(view)
    assert view.camera.distance < before
    hover(view, at)
    while view.step():
        pass
    assert points[-1] == pixel


def test_without_anything_under_the_mouse_the_wheel_still_zooms(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera.distance
    wheel(view, QPointF(2, 2), -3)
    assert view.camera.distance > before
    assert np.isfinite(view.camera.target).all()


def test_a_double_click_brings_a_place_into_the_middle(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.look_from("top")
    settle(view)
    at = QPointF(230, 120)
    mouse(view, QEvent.Type.MouseButtonDblClick, at, LEFT, LEFT)
    while view.step():
        pass
    assert view.camera.target[0] > 0
    assert view.camera.target[1] > 0
    settle(view)
    points: list[object] = []
    view.pointed.connect(points.append)
    hover(view, QPointF(200, 150))
    while view.step():
        pass
    column, row = points[-1]  # type: ignore[misc]  # a pixel, or the test fails
    assert column > 4
    assert row < 4


def test_hovering_finds_the_pixel_of_the_tile(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.look_from("top")
    settle(view)
    points: list[object] = []
    view.pointed.connect(points.append)
    hover(view, QPointF(200, 150))
    while view.step():
        pass
    assert points == [(4, 4)], "the middle of 9 x 9"
    hover(view, QPointF(3, 3))
    while view.step():
        pass
    assert points[-1] is None, "there is only ground"


def test_what_was_under_the_mouse_on_another_tile_is_thrown_away(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    points: list[object] = []
    view.pointed.connect(points.append)
    hover(view, QPointF(200, 150))
    view.show_relief(hill("b"), BARE, "b")
    settle(view)
    while view.step():
        pass
    assert points == []


def test_nobody_looks_for_what_is_under_a_mouse_that_has_left(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    hover(view, QPointF(200, 150))
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert not view.step()


# --- the cursor


def test_the_cross_of_the_panes_is_marked_at_its_height(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.look_from("top")
    settle(view)
    before = color_at(view, 200, 144)
    view.show_cursor((4, 4))
    ring = [color_at(view, 200, y) for y in range(142, 148)]
    assert any(color != before for color in ring)


def test_the_marker_stands_where_the_pixel_is(view: ReliefView, paper: Paper) -> None:
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    drawing = paper.drawn[-1]
    (cloud,) = drawing.relief.clouds
    spot = spot_at(drawing, cloud, 8, 0)
    half = math.sqrt(2) * 4.5
    assert spot.height == 104
    assert spot.top == pytest.approx([4 / half, 4 / half, 2 / half]), "east, north, above the middle"
    assert spot.floor == pytest.approx([4 / half, 4 / half, -2 / half])


def test_where_there_is_no_height_the_marker_stands_on_the_floor(view: ReliefView, paper: Paper) -> None:
    relief = hill("a")
    height = relief.clouds[0].height.copy()
    height[3, 3] = np.nan
    view.show_relief(replace(relief, clouds=(replace(relief.clouds[0], height=height),)), BARE, "a")
    settle(view)
    drawing = paper.drawn[-1]
    spot = spot_at(drawing, drawing.relief.clouds[0], 3, 3)
    assert spot.height is None
    assert (spot.top == spot.floor).all()
    view.show_cursor((3, 3))
    view.grab()


def test_on_coarse_heights_the_marker_stands_on_the_surface_where_the_pixel_of_the_tile_is(view: ReliefView) -> None:
    cloud = hill("a").clouds[0]
    coarse = replace(cloud, place=Rect(0, 0, 90, 90))
    view.show_relief(hill("a"), BARE, "a")
    settle(view)
    assert view.shown is not None
    drawing, half = view.shown.drawing, math.sqrt(2) * 4.5
    spot = spot_under(drawing, coarse, Form.SURFACE, (49, 20))
    assert spot is not None
    assert spot.top == pytest.approx([0.45 / half, 2.45 / half, (4 * 0.45 - 2) / half]), "on the wall of the block"
    assert spot.height == 100, "of the cell that the readout names"
    assert spot.floor[:2] == pytest.approx(spot.top[:2])
    dot = spot_under(drawing, coarse, Form.POINTS, (49, 20))
    assert dot is not None
    assert dot.top == pytest.approx([0, 2 / half, -2 / half])


@pytest.mark.parametrize(("pixel", "cell"), [((0, 0), None), ((10, 4), (0, 0)), ((13, 5), (1, 0)), ((17, 4), (3, 0))])
def test_a_pixel_of_the_tile_is_found_on_a_coarser_layer(pixel: tuple[int, int], cell: tuple[int, int] | None) -> None:
    cloud = replace(
        hill("a").clouds[0],
        height=np.zeros((2, 4), np.float32),
        colors=np.zeros((2, 4), np.uint32),
        place=Rect(10, 4, 8, 4),
    )
    assert cell_under(cloud, *pixel) == cell


# --- keys


def test_arrows_turn_by_five_degrees(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera
    key(view, Qt.Key.Key_Right)
    key(view, Qt.Key.Key_Up)
    assert view.camera.azimuth == (before.azimuth + 5) % 360
    assert view.camera.elevation == before.elevation + 5


def test_the_turntable_leaves_letters_to_the_window(view: ReliefView, window: Window) -> None:
    view.show_relief(hill("a"), BARE, "a")
    for letter in (Qt.Key.Key_D, Qt.Key.Key_W, Qt.Key.Key_G, Qt.Key.Key_Space):
        key(view, letter)
    assert window.keys == [Qt.Key.Key_D, Qt.Key.Key_W, Qt.Key.Key_G, Qt.Key.Key_Space]


def test_while_flying_six_keys_fly_and_all_others_are_commands(view: ReliefView, window: Window, clock: Clock) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    before = view.camera.eye
    ahead = -view.camera.axes[2]
    key(view, Qt.Key.Key_W)
    clock.now += 0.05
    view._fly_on()
    assert view.camera.eye - before == pytest.approx(ahead * view.speed * 0.05)
    key(view, Qt.Key.Key_W, QEvent.Type.KeyRelease)
    rest = view.camera
    clock.now += 0.05
    view._fly_on()
    assert view.camera == rest
    key(view, Qt.Key.Key_G)
    QApplication.sendEvent(view, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier))
    assert window.keys == [Qt.Key.Key_G, Qt.Key.Key_E], "Ctrl+E exports"


def test_the_repeat_of_a_held_key_changes_nothing(view: ReliefView, clock: Clock) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    key(view, Qt.Key.Key_D)
    key(view, Qt.Key.Key_D, QEvent.Type.KeyRelease, repeat=True)
    key(view, Qt.Key.Key_D, repeat=True)
    before = view.camera.eye
    clock.now += 0.05
    view._fly_on()
    right = view.camera.axes[0]
    assert view.camera.eye - before == pytest.approx(right * view.speed * 0.05)


def test_the_letters_that_fly_are_those_that_step_also_on_a_french_keyboard() -> None:
    usual = {Way.FORWARD: "W", Way.LEFT: "A", Way.BACK: "S", Way.RIGHT: "D", Way.DOWN: "Q", Way.UP: "E"}
    assert flying_letters(bindings("rsviewer")) == usual
    assert flying_letters(bindings("pixel")) == usual, "the arrows, which step there, turn"
    assert "".join(flying_letters(bindings("azerty")).values()) == "ZQSDAE"
    assert flying_letters(bindings("rsviewer", {"tile.next": ("W",)})) == usual, "one letter cannot fly two ways"


def test_other_letters_fly_when_they_are_asked_to(view: ReliefView, window: Window, clock: Clock) -> None:
    view.set_letters(flying_letters(bindings("azerty")))
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    before, ahead = view.camera.eye, -view.camera.axes[2]
    key(view, Qt.Key.Key_Z)
    key(view, Qt.Key.Key_W)
    clock.now += 0.05
    view._fly_on()
    assert view.camera.eye - before == pytest.approx(ahead * view.speed * 0.05)
    assert window.keys == [Qt.Key.Key_W]


def test_flying_ends_when_the_keyboard_is_gone(view: ReliefView, clock: Clock) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    view.setFocus()
    key(view, Qt.Key.Key_W)
    view.clearFocus()
    before = view.camera
    clock.now += 0.05
    view._fly_on()
    assert view.camera == before


def test_after_a_pause_of_the_program_nobody_flies_through_the_ground(view: ReliefView, clock: Clock) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    before = view.camera.eye
    key(view, Qt.Key.Key_W)
    clock.now += 30
    view._fly_on()
    assert np.linalg.norm(view.camera.eye - before) <= view.speed * 0.1 + 1e-9


def test_the_wheel_changes_the_speed_of_flying(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_flying(on=True)
    before, camera = view.speed, view.camera
    wheel(view, QPointF(200, 150), 1)
    assert view.speed > before
    assert view.camera == camera
    wheel(view, QPointF(200, 150), -1000)
    assert view.speed > 0


def test_taking_off_and_landing_keep_the_picture(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    before = view.camera
    view.set_flying(on=True)
    assert view.camera.kind is CameraKind.FLY
    assert view.camera.eye == pytest.approx(before.eye)
    drag(view, QPointF(30, 0))
    assert view.camera.eye == pytest.approx(before.eye), "the head turns, the eye stays"
    looking = view.camera.axes[2]
    view.set_flying(on=False)
    assert view.camera.kind is CameraKind.TURNTABLE
    assert view.camera.eye == pytest.approx(before.eye)
    assert view.camera.axes[2] == pytest.approx(looking)


def test_who_flies_has_perspective(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.set_parallel(on=True)
    assert view.camera.orthographic
    view.set_flying(on=True)
    assert not view.camera.orthographic
    view.set_parallel(on=True)
    assert not view.camera.orthographic


def test_escape_gives_the_keyboard_back(view: ReliefView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.done):
        key(view, Qt.Key.Key_Escape)


def test_from_the_top_the_tile_lies_as_in_the_panes(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    view.look_from("top")
    east, north = _on_screen(view, np.array([0.5, 0, 0])), _on_screen(view, np.array([0, 0.5, 0]))
    middle = _on_screen(view, np.zeros(3))
    assert east[0] > middle[0]
    assert north[1] < middle[1]
    assert (view.camera.kind, view.camera.orthographic) == (Camera().kind, False)


def _on_screen(
    view: ReliefView, point: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    matrix = view.camera.matrix(400 / 300)
    clip = matrix @ np.append(point, 1.0)
    return np.array([(clip[0] / clip[3] + 1) / 2 * 400, (1 - clip[1] / clip[3]) / 2 * 300])


def test_pictures_are_not_copied() -> None:
    pixels = np.full((4, 6), 0xFF102030, np.uint32)
    assert to_image(pixels, opaque=True).pixel(2, 2) == 0xFF102030


@pytest.mark.parametrize(
    ("rows", "columns", "high", "exaggeration"),
    [(1, 1, 0.0, 1.0), (1, 9, 4.0, 1.0), (9, 1, 4.0, 1.0), (3, 200, 1e6, 1.0), (5, 5, 1e6, 100.0), (5, 5, 0.0, 0.01)],
)
def test_odd_tiles_can_be_seen_turned_and_zoomed(
    view: ReliefView, rows: int, columns: int, high: float, exaggeration: float
) -> None:
    height = np.zeros((rows, columns), np.float32)
    height[0, 0] = high
    cloud = replace(
        hill("a").clouds[0],
        height=height,
        colors=np.full((rows, columns), 0xFF808080, np.uint32),
        origin=(0.0, float(rows)),
        place=Rect(0, 0, columns, rows),
    )
    relief = replace(hill("a"), clouds=(cloud,), extent=(float(columns), float(rows)), low=0.0, high=high)
    cloud_style = ReliefStyle(exaggeration=exaggeration)
    view.show_relief(relief, cloud_style, "a")
    view.show_cursor((0, 0))
    for place in ("reset", "top", "front", "side"):
        view.look_from(place)
        settle(view)
        assert view.is_drawn
        view.grab()
    for notches in (-40, 80):
        wheel(view, QPointF(210, 140), notches)
        drag(view, QPointF(30, 40))
        drag(view, QPointF(3000, -4000), RIGHT)
        settle(view)
        hover(view, QPointF(200, 150))
        while view.step():
            pass
        view.grab()
    assert np.isfinite(view.camera.target).all()
    assert np.isfinite(view.camera.distance)


def test_a_tile_fills_the_picture_in_every_direction(view: ReliefView) -> None:
    view.show_relief(hill("a"), BARE, "a")
    low, high = hill("a").bounds(1.0)
    corners = [np.array([x, y, z]) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    for place in ("reset", "top", "front", "side"):
        view.look_from(place)
        at = np.array([_on_screen(view, corner) for corner in corners])
        assert at.min() > 0
        assert (at < (400, 300)).all()
        assert np.ptp(at[:, 0]) > 300 or np.ptp(at[:, 1]) > 240, place

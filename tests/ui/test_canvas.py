"""The panes never go blank, never mix two tiles, and put every pixel where it belongs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from pytestqt.qtbot import QtBot

from rsviewer.core.scene import PaneState, View
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.resources import color_table
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.linepainter import length_words
from rsviewer.ui.paneboxes import PaneBox, mapping
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

IMAGE, NDSM = LayerId("image"), LayerId("ndsm")


@pytest.fixture
def stage(tiny_dataset: Path, qtbot: QtBot) -> Iterator[tuple[Canvas, Workspace]]:
    workspace = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    canvas = Canvas(color_table)
    qtbot.addWidget(canvas)
    canvas.resize(900, 600)
    canvas.set_workspace(workspace)
    workspace.start()
    canvas.show()
    yield canvas, workspace
    canvas.set_workspace(None)
    workspace.close()


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def box_of(canvas: Canvas, layer: LayerId) -> PaneBox:
    return next(box for box in canvas.panes if box.pane.layer == layer)


def color_at(canvas: Canvas, layer: LayerId, column: float, row: float) -> QColor:
    box = box_of(canvas, layer)
    assert box.pane.frame is not None
    at = mapping(box, canvas.scene.view, box.pane.frame).to_screen(column, row)
    return canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32).pixelColor(at.toPoint())


def mouse(
    canvas: Canvas,
    kind: QEvent.Type,
    at: QPointF,
    button: Qt.MouseButton = Qt.MouseButton.LeftButton,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    buttons = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else button
    event = QMouseEvent(kind, at, canvas.mapToGlobal(at), button, buttons, modifier)
    {
        QEvent.Type.MouseButtonPress: canvas.mousePressEvent,
        QEvent.Type.MouseMove: canvas.mouseMoveEvent,
        QEvent.Type.MouseButtonRelease: canvas.mouseReleaseEvent,
        QEvent.Type.MouseButtonDblClick: canvas.mouseDoubleClickEvent,
    }[kind](event)


def test_a_pixel_of_the_file_is_where_the_pane_says_it_is(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    assert color_at(canvas, IMAGE, 10.5, 7.5) == QColor(20, 7, 10)
    assert color_at(canvas, IMAGE, 31.5, 23.5) == QColor(20, 23, 31)
    assert color_at(canvas, LayerId("change"), 3.5, 5.5) != color_at(canvas, LayerId("change"), 3.5, 6.5)


def test_nodata_is_hatched_not_coloured(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    workspace.viewing.set_view(View((1.0, 1.0), 64.0))
    settle(workspace)
    void = {color_at(canvas, NDSM, x, y).rgb() for x in np.linspace(0.05, 0.95, 7) for y in np.linspace(0.05, 0.25, 5)}
    assert len(void) > 1, "stripes"
    assert all(QColor(rgb).saturation() == 0 for rgb in void), "in greys, which no colour of cividis is"


def test_the_old_tile_stays_whole_until_the_new_one_is_whole(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    before = color_at(canvas, IMAGE, 10.5, 7.5)
    workspace.forget_pictures()
    workspace.go(1)
    assert workspace.step(), "one layer of the next tile is there"
    assert canvas.scene.tile == "a/1"
    assert color_at(canvas, IMAGE, 10.5, 7.5) == before
    settle(workspace)
    assert canvas.scene.tile == "a/2"
    assert color_at(canvas, IMAGE, 10.5, 7.5) == QColor(40, 7, 10)


def test_a_late_tile_is_dimmed_and_named_but_the_panes_are_not_blank(
    stage: tuple[Canvas, Workspace], qtbot: QtBot
) -> None:
    canvas, workspace = stage
    settle(workspace)
    canvas.grab()
    workspace.forget_pictures()
    workspace.go(1)
    assert canvas.shown_tile == "a/1", "for a tenth of a second nothing changes"
    qtbot.waitUntil(lambda: canvas.scene.tile == "a/2")
    assert canvas.shown_tile is None, "what is on the screen is nobody's to decide about"
    assert box_of(canvas, IMAGE).pane.state is PaneState.LOADING
    assert box_of(canvas, IMAGE).pane.picture is not None
    settle(workspace)
    canvas.grab()
    assert canvas.shown_tile == canvas.painted_tile == "a/2"


def test_a_picture_of_another_tile_never_stands_under_this_tiles_name(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    for tile in ("b/2", "a/3", "b/3", "a/1"):
        workspace.show_tile(TileId(tile))
        settle(workspace)
        shown = {pane.tile for pane in canvas.scene.panes}
        assert shown == {tile}
        number = int(tile[-1])
        assert color_at(canvas, IMAGE, 10.5, 7.5) == QColor(20 * number, 7, 10)


def test_the_wheel_zooms_about_the_pixel_under_the_mouse(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    box = box_of(canvas, NDSM)
    assert box.pane.frame is not None
    at = mapping(box, workspace.viewing.view, box.pane.frame).to_screen(20.0, 15.0)
    turn = QPoint(0, 240)
    none = Qt.KeyboardModifier.NoModifier
    canvas.wheelEvent(
        QWheelEvent(at, at, QPoint(), turn, Qt.MouseButton.NoButton, none, Qt.ScrollPhase.NoScrollPhase, False)
    )
    box = box_of(canvas, NDSM)
    after = mapping(box, workspace.viewing.view, box.pane.frame).to_screen(20.0, 15.0)
    assert (after - at).manhattanLength() < 1.5
    assert workspace.viewing.view.zoom is not None


def test_the_mouse_puts_the_cross_on_a_pixel_and_leaving_takes_it_away(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    box = box_of(canvas, IMAGE)
    assert box.pane.frame is not None
    at = mapping(box, workspace.viewing.view, box.pane.frame).to_screen(12.5, 3.5)
    mouse(canvas, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton)
    assert workspace.viewing.cursor == (12, 3)
    canvas.leaveEvent(QEvent(QEvent.Type.Leave))
    assert workspace.viewing.cursor is None


def test_a_cross_that_the_keys_moved_stays_when_the_mouse_leaves(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    box = box_of(canvas, IMAGE)
    assert box.pane.frame is not None
    at = mapping(box, workspace.viewing.view, box.pane.frame).to_screen(12.5, 3.5)
    mouse(canvas, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton)
    workspace.viewing.move_cursor(1, 0)
    canvas.leaveEvent(QEvent(QEvent.Type.Leave))
    assert workspace.viewing.cursor == (13, 3)


def test_dragging_with_r_held_marks_a_region_in_tile_pixels(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    box = box_of(canvas, IMAGE)
    assert box.pane.frame is not None
    to_screen: Callable[[float, float], QPointF] = mapping(box, workspace.viewing.view, box.pane.frame).to_screen
    canvas.set_marking(on=True)
    mouse(canvas, QEvent.Type.MouseButtonPress, to_screen(4, 5))
    mouse(canvas, QEvent.Type.MouseMove, to_screen(14, 11))
    mouse(canvas, QEvent.Type.MouseButtonRelease, to_screen(14, 11))
    canvas.set_marking(on=False)
    region = workspace.decision.regions[0]
    assert np.allclose(region.points, [(4, 5), (14, 11)], atol=0.2)
    assert workspace.decision.tags == (region.tag,)


def test_a_click_on_a_legend_isolates_its_class(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    canvas.grab()
    layer, spot = next((layer, spot) for layer, spot in canvas._spots if spot.value == 5)
    mouse(canvas, QEvent.Type.MouseButtonPress, QPointF(spot.rect.center()))
    assert 8 in workspace.looks.style(layer).hidden
    assert 5 not in workspace.looks.style(layer).hidden


def test_the_active_pane_can_have_the_window_for_itself(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.viewing.activate(NDSM)
    workspace.viewing.toggle_maximised()
    assert [box.pane.layer for box in canvas.panes] == [NDSM]
    assert canvas.panes[0].outer.width() > 850
    workspace.viewing.toggle_maximised()
    assert len(canvas.panes) == 5


def test_unlinked_panes_zoom_by_themselves(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.viewing.set_linked(linked=False)
    workspace.viewing.activate(NDSM)
    canvas.zoom(4.0)
    assert workspace.viewing.view == View()
    image, heights = box_of(canvas, IMAGE), box_of(canvas, NDSM)
    zooms = {}
    for box in (image, heights):
        shown = canvas._mapping(box)
        assert shown is not None
        zooms[box.pane.layer] = shown.zoom
    assert zooms[NDSM] == pytest.approx(4 * zooms[IMAGE], rel=0.01)


def test_an_empty_canvas_says_what_to_do(qtbot: QtBot) -> None:
    canvas = Canvas(color_table)
    qtbot.addWidget(canvas)
    canvas.empty_message = "Open the folder of a dataset."
    canvas.resize(600, 400)
    picture = canvas.grab().toImage()
    colors = {picture.pixel(x, 200) for x in range(600)}
    assert len(colors) > 1, "there are words"


# --- the line of the profile


def drag(
    canvas: Canvas, layer: LayerId, *points: tuple[float, float], release: bool = True, shift: bool = False
) -> None:
    """Presses at the first point, given in tile pixels, moves to the others, and lets go."""
    box = box_of(canvas, layer)
    assert box.pane.frame is not None
    map_ = mapping(box, canvas.scene.view, box.pane.frame)
    modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    mouse(canvas, QEvent.Type.MouseButtonPress, map_.to_screen(*points[0]), modifier=modifier)
    for point in points[1:]:
        mouse(canvas, QEvent.Type.MouseMove, map_.to_screen(*point), modifier=modifier)
    if release:
        mouse(canvas, QEvent.Type.MouseButtonRelease, map_.to_screen(*points[-1]), modifier=modifier)


def line_of(workspace: Workspace) -> NDArray[np.float64]:
    assert workspace.profiling.line is not None
    return np.array(workspace.profiling.line)


def test_dragging_with_h_held_draws_the_line_and_a_second_drag_another(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    canvas.set_profiling(on=True)
    drag(canvas, IMAGE, (4, 5), (14, 11))
    assert np.allclose(line_of(workspace), [(4, 5), (14, 11)], atol=0.1)
    drag(canvas, NDSM, (20, 20), (2, 20))
    assert np.allclose(line_of(workspace), [(20, 20), (2, 20)], atol=0.1)
    canvas.set_profiling(on=False)
    drag(canvas, IMAGE, (8, 8), (12, 12))
    assert np.allclose(line_of(workspace), [(20, 20), (2, 20)], atol=0.1), "without H, dragging pans"


def test_from_the_menu_one_line_is_drawn_and_one_region(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    canvas.set_profiling(on=True, once=True)
    drag(canvas, IMAGE, (4, 5), (4, 5))
    assert workspace.profiling.line is None, "a click is no line, and the next drag still draws"
    drag(canvas, IMAGE, (4, 5), (14, 11))
    drag(canvas, IMAGE, (8, 8), (12, 12))
    assert np.allclose(line_of(workspace), [(4, 5), (14, 11)], atol=0.1)
    canvas.set_marking(on=True, once=True)
    drag(canvas, IMAGE, (4, 5), (14, 11))
    drag(canvas, IMAGE, (1, 1), (12, 12))
    assert len(workspace.decision.regions) == 1


def test_escape_brings_the_former_line_back_and_ends_what_the_menu_began(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.profiling.set_line(((1.0, 2.0), (3.0, 9.0)))
    canvas.set_profiling(on=True, once=True)
    drag(canvas, IMAGE, (4, 5), (14, 11), release=False)
    assert np.allclose(line_of(workspace), [(4, 5), (14, 11)], atol=0.1), "the plot follows the mouse"
    assert canvas.cancel_mark()
    assert workspace.profiling.line == ((1.0, 2.0), (3.0, 9.0))
    assert canvas.cancel_mark(), "the next drag would have drawn one"
    assert not canvas.cancel_mark()


def test_with_shift_the_line_is_level_upright_or_diagonal(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    canvas.set_profiling(on=True)
    drag(canvas, IMAGE, (4, 5), (20, 6), shift=True)
    assert np.allclose(line_of(workspace), [(4, 5), (20, 5)], atol=0.1)


def test_what_is_drawn_beside_the_tile_is_cut_off(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.viewing.set_view(View((16.0, 12.0), 2.0))  # so small that there is room around the tile
    canvas.set_profiling(on=True)
    drag(canvas, IMAGE, (-8, 12), (48, 12))
    assert np.allclose(line_of(workspace), [(0, 12), (32, 12)], atol=0.1)


def test_an_end_can_be_moved_while_the_line_is_shown(stage: tuple[Canvas, Workspace], qtbot: QtBot) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.profiling.set_line(((4.0, 4.0), (28.0, 4.0)))
    drag(canvas, IMAGE, (4, 4), (8, 20))
    assert workspace.profiling.line == ((4.0, 4.0), (28.0, 4.0)), "the plot is closed"
    workspace.viewing.fit()
    canvas.keep_line(on=True)
    with qtbot.waitSignal(canvas.line_drawn):
        drag(canvas, IMAGE, (4, 4), (8, 20))
    assert np.allclose(line_of(workspace), [(8, 20), (28, 4)], atol=0.1), "A was moved, B stayed"
    drag(canvas, NDSM, (28, 4), (8, 2))
    assert np.allclose(line_of(workspace), [(8, 20), (8, 2)], atol=0.1)


def test_the_line_is_drawn_in_every_pane_while_it_is_shown(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    settle(workspace)
    workspace.profiling.set_line(((4.0, 12.0), (28.0, 12.0)))
    plain = [color_at(canvas, layer, 8, 12) for layer in (IMAGE, NDSM)]
    canvas.keep_line(on=True)
    lined = [color_at(canvas, layer, 8, 12) for layer in (IMAGE, NDSM)]
    assert all(color.saturation() == 0 and color.lightness() > 120 for color in lined), "white on a halo"
    canvas.keep_line(on=False)
    assert [color_at(canvas, layer, 8, 12) for layer in (IMAGE, NDSM)] == plain != lined


def test_the_words_beside_the_line_fit_its_length() -> None:
    lengths = ((3.416, "m"), (128.46, "m"), (12480.2, "m"), (57.0, "px"))
    assert [length_words(*each) for each in lengths] == ["3.42 m", "128.5 m", "12,480 m", "57.0 px"]

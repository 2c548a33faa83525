"""What OpenGL draws is where it is on the tile, has its colours, and leaves out what is not there."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core import softdraw
from rsviewer.core.camera import Camera, project
from rsviewer.core.cloud import Cloud, Texture, triangles, vertices
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.relief import contexts, glrenderer
from rsviewer.ui.relief.blocks import blocks, pack
from rsviewer.ui.relief.glrenderer import GlRenderer, opened
from rsviewer.ui.relief.renderer import RenderingError

T = TypeVar("T")
RED, GREEN, BLUE, BACKGROUND = 0xFFE01010, 0xFF10D010, 0xFF1010E0, 0xFF000000
SIDE = 200
TOP = Camera().from_top()
SOUTH = Camera(azimuth=180.0, elevation=0.0, orthographic=True)


@pytest.fixture(scope="module")
def renderer() -> Iterator[GlRenderer]:
    """One for all tests here: its context is current on the thread of the tests."""
    try:
        opened_renderer = opened(None)
    except RenderingError as error:
        pytest.skip(f"there is no OpenGL without a display: {error}")
    yield opened_renderer
    opened_renderer.close()


def cloud(height: NDArray[np.floating], colors: NDArray[np.uint32] | int = GREEN, **changes: object) -> Cloud:
    """Heights on pixels of one metre."""
    rows, columns = height.shape
    filled = np.broadcast_to(np.asarray(colors, np.uint32), height.shape).copy()
    made = Cloud(
        LayerId("height"),
        "Height",
        height.astype(np.float32),
        0.0,
        filled,
        origin=(0.0, float(rows)),
        step=(1.0, 1.0),
        place=Rect(0, 0, columns, rows),
    )
    return replace(made, **changes)


def relief(*clouds: Cloud, together: Together = Together.ALONE) -> Relief:
    """As wide as its first cloud. Heights span 0 to 20 metres."""
    extent = (float(clouds[0].columns), float(clouds[0].rows)) if clouds else (1.0, 1.0)
    return Relief(TileId("tile"), clouds, together, extent, "m", 0.0, 20.0)


def drawing(*clouds: Cloud, camera: Camera = TOP, together: Together = Together.ALONE, **style: object) -> Drawing:
    """A square picture on black, unshaded unless it says otherwise."""
    form = ReliefStyle(**{"shading": 0.0, "together": together, **style})
    return Drawing(relief(*clouds, together=together), form, camera, SIDE, SIDE, background=(0, 0, 0))


def block_in_the_north_east() -> Cloud:
    """Green ground with a red block of 20 metres."""
    height, colors = np.zeros((40, 40)), np.full((40, 40), GREEN, np.uint32)
    height[3:10, 28:36], colors[3:10, 28:36] = 20.0, RED
    return cloud(height, colors)


def where(pixels: NDArray[np.uint32], color: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a colour, in pixels."""
    y, x = np.nonzero(near(pixels, color))
    assert x.size, f"nothing is {color:08X}"
    return float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1)


def near(pixels: NDArray[np.uint32], color: int, by: int = 2) -> NDArray[np.bool_]:
    """Where pixels have a colour."""
    seen, wanted = (channels(np.asarray(one)) for one in (pixels, np.uint32(color)))
    return (np.abs(seen - wanted) <= by).all(axis=-1)


def solid(pixels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Green wherever anything is."""
    return np.where(pixels == BACKGROUND, 0, GREEN).astype(np.uint32)


def channels(pixels: NDArray[np.uint32]) -> NDArray[np.int64]:
    return np.stack([pixels >> shift & 0xFF for shift in (24, 16, 8, 0)], axis=-1).astype(np.int64)


def elsewhere(work: Callable[[], T]) -> T:
    """Runs something on another thread: what is current there is nobody's business here."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            answer.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answer.result()


# --- where things are


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_a_block_in_the_north_east_is_there_from_above(renderer: GlRenderer, form: Form) -> None:
    pixels = renderer.draw(drawing(block_in_the_north_east(), form=form, point_size=4.0))

    left, top, right, bottom = where(pixels, RED)
    tile = where(solid(pixels), GREEN)
    assert left > (tile[0] + tile[2]) / 2
    assert bottom < (tile[1] + tile[3]) / 2
    assert (right - left) > (bottom - top)


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("azimuth", "is_right"), [(180.0, True), (0.0, False)])
def test_a_block_in_the_north_east_stands_up_obliquely(
    renderer: GlRenderer, form: Form, azimuth: float, is_right: bool
) -> None:
    camera = Camera(azimuth=azimuth, elevation=30.0)
    pixels = renderer.draw(drawing(block_in_the_north_east(), camera=camera, form=form, point_size=3.0))

    left, top, right, _ = where(pixels, RED)
    assert ((left + right) / 2 > SIDE / 2) is is_right
    assert top < where(pixels, GREEN)[1], "it stands out above the far edge, or in front of it"


@pytest.mark.gl
def test_every_point_is_where_the_camera_says_in_its_own_colour(renderer: GlRenderer) -> None:
    rng = np.random.default_rng(3)
    colors = rng.integers(0x404040, 0xFFFFFF, (6, 7), dtype=np.uint32) | np.uint32(0xFF000000)
    shown = cloud(rng.uniform(8, 12, (6, 7)), colors)
    picture = drawing(shown, camera=Camera(azimuth=200.0, elevation=50.0), form=Form.POINTS, point_size=3.0)

    pixels = renderer.draw(picture)

    part = next(picture.parts())
    points = vertices(shown)
    x, y, _ = project(part.matrix @ picture.relief.matrix(0.0, 1.0), points.position, SIDE, SIDE).T
    seen = pixels[y.astype(int), x.astype(int)]
    agree = (np.abs(channels(seen) - channels(colors.ravel())) <= 1).all(axis=-1)
    assert agree.sum() >= 38, "but for the few that are hidden by others"


@pytest.mark.gl
def test_a_picture_cut_out_of_a_larger_one_is_that_part_of_it(renderer: GlRenderer) -> None:
    picture = drawing(block_in_the_north_east(), camera=Camera(elevation=40.0))
    whole = renderer.draw(picture)
    part = renderer.draw(picture.cut(90, 60, 70, 50))
    differing = (np.abs(channels(part) - channels(whole[60:110, 90:160])) > 2).any(axis=-1)
    assert differing.mean() < 0.01


# --- colours and light


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_light_falls_as_the_formula_says(renderer: GlRenderer, form: Form) -> None:
    rising_eastwards = np.tile(np.arange(30.0), (30, 1)) * 0.5
    style = {"azimuth": 270.0, "altitude": 40.0, "shading": 0.8, "exaggeration": 1.5, "form": form, "point_size": 6.0}
    pixels = renderer.draw(drawing(cloud(rising_eastwards, 0xFFC8C8C8), **style))

    normal = np.array([-0.5 * 1.5, 0.0, 1.0]) / np.hypot(0.75, 1.0)
    to_sun = np.array([-np.cos(np.radians(40)), 0.0, np.sin(np.radians(40))])
    expected = 200 * (1 - 0.8 + 0.8 * (0.25 + 0.75 * normal @ to_sun))
    assert channels(pixels[SIDE // 2, SIDE // 2])[1:] == pytest.approx(expected, abs=1)


@pytest.mark.gl
def test_a_finer_picture_lies_on_the_surface(renderer: GlRenderer) -> None:
    painted = np.full((64, 64), RED, np.uint32)
    painted[:, 32:] = BLUE
    painted[32:, :] = 0  # transparent
    across = ((np.arange(16) + 0.5) / 16).astype(np.float32)
    u, v = np.meshgrid(across, across)
    u[:, -4:] = np.nan
    textured = cloud(np.zeros((16, 16)), GREEN, texture=Texture(painted, u, v))

    pixels = renderer.draw(drawing(textured))

    left, top, right, bottom = where(solid(pixels), GREEN)
    width, height = right - left, bottom - top

    def seen(x: float, y: float) -> np.uint32:
        return pixels[int(top + y * height), int(left + x * width)]

    assert near(seen(0.25, 0.25), RED)
    assert near(seen(0.6, 0.25), BLUE)
    assert near(seen(0.25, 0.75), GREEN), "where the picture is transparent"
    assert near(seen(0.95, 0.25), GREEN), "where there is no picture"


@pytest.mark.gl
def test_classes_of_a_finer_picture_do_not_mix_on_the_surface(renderer: GlRenderer) -> None:
    painted = np.full((4, 4), RED, np.uint32)
    painted[:, 2:] = BLUE
    across = ((np.arange(2) + 0.5) / 2).astype(np.float32)
    u, v = np.meshgrid(across, across)
    classes, image = (
        cloud(np.zeros((2, 2)), GREEN, texture=Texture(painted, u, v, smooth=smooth)) for smooth in (False, True)
    )

    def seen(textured: Cloud) -> set[int]:
        return set(renderer.draw(drawing(textured, shading=0.0)).ravel().tolist())

    background = seen(cloud(np.full((2, 2), np.nan), GREEN))
    assert len(seen(classes) - background) == 2
    assert len(seen(image) - background) > 2


# --- what is not there


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_voids_show_the_background(renderer: GlRenderer, form: Form) -> None:
    height = np.zeros((30, 30))
    height[10:20, 10:20] = np.nan
    pixels = renderer.draw(drawing(cloud(height), form=form, point_size=3.0))
    hole = pixels[SIDE // 2 - 12 : SIDE // 2 + 12, SIDE // 2 - 12 : SIDE // 2 + 12]
    assert (hole == BACKGROUND).all()
    assert near(pixels, GREEN).sum() > 1000


@pytest.mark.gl
def test_no_wall_is_drawn_across_a_void(renderer: GlRenderer) -> None:
    from_the_west = Camera(azimuth=270.0, elevation=0.0, orthographic=True)
    height = np.zeros((20, 21))
    height[:, 11:] = 20.0
    with_wall = renderer.draw(drawing(cloud(height), camera=from_the_west))
    height[:, 10] = np.nan
    without = renderer.draw(drawing(cloud(height), camera=from_the_west))

    assert near(with_wall[SIDE // 2 - 10 : SIDE // 2 + 10, SIDE // 2], GREEN).all()
    assert (without[SIDE // 2 - 10 : SIDE // 2 + 10] == BACKGROUND).all()


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_where_there_are_no_heights_there_is_nothing_but_lines(renderer: GlRenderer, form: Form) -> None:
    line = np.array([[[-1, 0, 0], [1, 0, 0]]], np.float32)
    for clouds in ((), (cloud(np.full((5, 5), np.nan)),)):
        picture = drawing(*clouds, form=form) if clouds else Drawing(relief(), ReliefStyle(), TOP, SIDE, SIDE)
        assert len(np.unique(renderer.draw(picture))) == 1
        drawn = renderer.draw(replace(picture, lines=line, line_color=(250, 10, 20)))
        assert near(drawn, 0xFFFA0A14).any() or not clouds


@pytest.mark.gl
@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 1)])
def test_one_row_or_column_is_drawn_as_points(renderer: GlRenderer, shape: tuple[int, int]) -> None:
    pixels = renderer.draw(drawing(cloud(np.zeros(shape)), form=Form.SURFACE, point_size=3.0))
    assert near(pixels, GREEN).any()


# --- style


@pytest.mark.gl
def test_exaggeration_doubles_heights(renderer: GlRenderer) -> None:
    heights = []
    for exaggeration in (1.0, 2.0):
        pixels = renderer.draw(drawing(block_in_the_north_east(), camera=SOUTH, exaggeration=exaggeration))
        _, top, _, bottom = where(solid(pixels), GREEN)
        heights.append(bottom - top)
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)
    assert heights[0] > 20


@pytest.mark.gl
@pytest.mark.parametrize(("size", "ratio", "side"), [(1.0, 1.0, 1), (2.0, 1.0, 2), (5.0, 1.0, 5), (2.0, 2.0, 4)])
def test_points_are_as_large_as_asked(renderer: GlRenderer, size: float, ratio: float, side: int) -> None:
    height = np.full((9, 9), np.nan)
    height[4, 4] = 0.0
    pixels = renderer.draw(replace(drawing(cloud(height), form=Form.POINTS, point_size=size), ratio=ratio))
    assert near(pixels, GREEN).sum() == side * side


@pytest.mark.gl
def test_two_heights_beside_each_other_keep_to_their_halves(renderer: GlRenderer) -> None:
    pair = cloud(np.zeros((20, 20)), RED), cloud(np.zeros((20, 20)), BLUE)
    near_by = replace(TOP, distance=0.5)  # both fill their half and more
    pixels = renderer.draw(drawing(*pair, camera=near_by, together=Together.BESIDE, form=Form.POINTS, point_size=60.0))
    assert near(pixels[:, : SIDE // 2], RED).all()
    assert near(pixels[:, SIDE // 2 :], BLUE).all()


@pytest.mark.gl
def test_the_second_height_in_one_scene_is_drawn_as_points_among_the_first(renderer: GlRenderer) -> None:
    above = np.full((20, 20), np.nan)
    above[4, 4] = 10.0
    above[15, 15] = -10.0
    pair = cloud(np.zeros((20, 20)), RED), cloud(above, BLUE)
    pixels = renderer.draw(drawing(*pair, together=Together.ONE_SCENE, point_size=5.0))
    assert near(pixels, RED).sum() > 1000
    assert near(pixels, BLUE).sum() == 25, "the one above is seen, the one below is hidden"


@pytest.mark.gl
def test_lines_are_hidden_by_what_is_before_them(renderer: GlRenderer) -> None:
    lines = np.array([[[-1, 0, z], [1, 0, z]] for z in (0.5, -0.9)], np.float32)
    white = (255, 255, 255)
    for line, is_seen in zip(lines, (True, False), strict=True):
        pixels = renderer.draw(replace(drawing(cloud(np.zeros((20, 20)))), lines=line[None], line_color=white))
        assert bool(near(pixels[:, SIDE // 2], 0xFFFFFFFF).any()) is is_seen


@pytest.mark.gl
def test_no_more_points_are_drawn_than_the_budget_allows(renderer: GlRenderer) -> None:
    picture = drawing(cloud(np.zeros((40, 40))), form=Form.POINTS, point_size=1.0)
    assert near(renderer.draw(picture), GREEN).sum() == 1600
    assert 50 < near(renderer.draw(replace(picture, budget=100)), GREEN).sum() <= 100


@pytest.mark.gl
@pytest.mark.parametrize("size", [(1, 1), (33, 7), (640, 480)])
def test_pictures_have_any_size(renderer: GlRenderer, size: tuple[int, int]) -> None:
    width, height = size
    pixels = renderer.draw(replace(drawing(cloud(np.zeros((20, 20)))), width=width, height=height))
    assert pixels.shape == (height, width)
    assert pixels.dtype == np.uint32
    assert near(pixels[height // 2, width // 2], GREEN)


# --- large grids


def rough(rows: int, columns: int) -> Cloud:
    """Heights with voids."""
    rng = np.random.default_rng(rows)
    height = rng.uniform(0, 10, (rows, columns))
    height[rng.random((rows, columns)) < 0.2] = np.nan
    colors = rng.integers(0, 0xFFFFFF, (rows, columns), dtype=np.uint32) | np.uint32(0xFF000000)
    u, v = (grid.astype(np.float32) for grid in np.meshgrid(np.arange(columns) / columns, np.arange(rows) / rows))
    return cloud(height, colors, texture=Texture(colors, u, v))


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("points", [1, 40, 100, 10_000])
def test_blocks_hold_every_height_and_every_triangle_once(every: int, points: int) -> None:
    whole = rough(23, 11)
    found = [pack(block, surface=True) for block in blocks(whole, every, points)]

    expected = vertices(whole, every)
    own = [np.array(packed.vertices[: packed.count]) for packed in found]
    assert sum(packed.count for packed in found) == expected.index.size
    joined = np.concatenate(own)
    assert joined["position"] == pytest.approx(expected.position)
    assert joined["slope"] == pytest.approx(expected.slope)
    assert (joined["color"][:, 2::-1] == expected.rgb).all()
    corners = [packed.vertices["position"][packed.indices].reshape(-1, 9) for packed in found]
    assert np.concatenate(corners) == pytest.approx(expected.position[triangles(whole, every)].reshape(-1, 9))
    assert all(packed.places is not None and len(packed.places) == len(packed.vertices) for packed in found)


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_a_grid_put_into_opengl_in_blocks_gives_the_same_picture(renderer: GlRenderer, form: Form) -> None:
    picture = drawing(rough(50, 40), camera=Camera(elevation=60.0), form=form)
    expected = renderer.draw(picture)

    def in_blocks() -> tuple[NDArray[np.uint32], int]:
        small = GlRenderer(contexts.EglContext(), points_in_block=130, kept_bytes=0, most_bytes=20_000)
        try:
            return small.draw(picture), small._store.nbytes
        finally:
            small.close()

    seen, held = elsewhere(in_blocks)
    assert (np.abs(channels(seen) - channels(expected)) > 2).any(axis=-1).mean() < 0.002
    assert held <= 20_000 + 2 * 130 * 60, "no more than the limit and what is drawn at the moment"


@pytest.mark.gl
def test_more_corners_than_16_bits_can_count_are_drawn(renderer: GlRenderer) -> None:
    pixels = renderer.draw(drawing(cloud(np.zeros((300, 300)))))
    left, top, right, bottom = where(pixels, GREEN)
    assert right - left == pytest.approx(bottom - top, abs=2)
    assert near(pixels[int(top) + 2 : int(bottom) - 2, int(left) + 2 : int(right) - 2], GREEN).all()


@pytest.mark.gl
def test_a_picture_nobody_wants_any_more_is_broken_off_between_blocks(
    renderer: GlRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer, "_points_in_block", 100)
    asked: list[int] = []

    def stale() -> bool:
        asked.append(1)
        return len(asked) == 3

    assert renderer.draw(drawing(cloud(np.zeros((50, 50)))), stale) is None
    assert len(asked) == 3
    assert near(renderer.draw(drawing(cloud(np.zeros((50, 50))))), GREEN).any()


@pytest.mark.gl
def test_what_was_drawn_long_ago_is_let_go(renderer: GlRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = cloud(np.zeros((50, 50)))
    renderer.draw(drawing(one))
    monkeypatch.setattr(renderer._store, "_kept", 500_000)
    for _ in range(10):
        renderer.draw(drawing(cloud(np.zeros((50, 50)))))
    assert 0 < renderer._store.nbytes <= 500_000
    assert near(renderer.draw(drawing(one)), GREEN).any()


# --- faults


@pytest.mark.gl
def test_shaders_that_a_driver_does_not_understand_are_a_reason_not_a_crash(
    renderer: GlRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(glrenderer.PROGRAMS, "heights", ("#version 990\n", glrenderer.BY_VERTEX))
    with pytest.raises(RenderingError, match="too old"):
        elsewhere(lambda: glrenderer.opened(None))


@pytest.mark.gl
def test_opengl_that_draws_wrong_pictures_is_not_used(renderer: GlRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glrenderer, "UPSIDE_DOWN", np.zeros((4, 4)))
    with pytest.raises(RenderingError, match="wrong pictures"):
        elsewhere(lambda: glrenderer.opened(None))


def test_a_machine_without_egl_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "EGL_LIBRARY", "libNoSuchThing.so.1")
    with pytest.raises(RenderingError, match="libNoSuchThing"):
        contexts.EglContext()


@pytest.mark.gl
def test_a_closed_renderer_draws_no_more_and_closes_twice(renderer: GlRenderer) -> None:
    def close_twice() -> None:
        other = opened(None)
        other.close()
        other.close()
        with pytest.raises(RenderingError, match="context"):
            other.draw(drawing(cloud(np.zeros((5, 5)))))

    elsewhere(close_twice)
    assert near(renderer.draw(drawing(cloud(np.zeros((5, 5))))), GREEN).any(), "others go on"


# --- with numpy


@pytest.mark.gl
@pytest.mark.parametrize("form", Form)
def test_numpy_draws_the_same_picture(renderer: GlRenderer, form: Form) -> None:
    rng = np.random.default_rng(5)
    smooth = 4 * np.sin(np.add.outer(np.arange(60) / 9, np.arange(60) / 7)) + 8
    smooth[20:30, 12:25] = np.nan
    colors = np.kron(rng.integers(0x404040, 0xFFFFFF, (6, 6), dtype=np.uint32), np.ones((10, 10), np.uint32))
    picture = drawing(
        cloud(smooth, colors | np.uint32(0xFF000000)), camera=Camera(elevation=50.0), form=form, shading=0.7
    )
    by_opengl, by_numpy = renderer.draw(picture), softdraw.draw(picture)
    differing = (np.abs(channels(by_opengl) - channels(by_numpy)) > 24).any(axis=-1)
    assert differing.mean() < 0.02

"""The picture without OpenGL: everything is where it belongs, in the colours it has, and nothing shines through."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rsviewer.core import softdraw
from rsviewer.core.camera import Camera, project
from rsviewer.core.cloud import Cloud, Texture
from rsviewer.core.drawing import AMBIENT, DIFFUSE, Drawing, sun
from rsviewer.core.picking import pick
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Rect
from rsviewer.core.softdraw import draw
from rsviewer.core.tile import LayerId, TileId

GOLDEN = Path(__file__).parents[1] / "golden"
WIDTH, HEIGHT = 120, 90
BACKGROUND = (30, 30, 30)
NOTHING = 0xFF1E1E1E
RED, GREEN, BLUE, GREY = 0xFFC80000, 0xFF00C800, 0xFF0000C8, 0xFF808080
TOP = Camera(orthographic=True, distance=4.0).from_top()

cameras = st.builds(
    Camera,
    azimuth=st.floats(0.0, 360.0),
    elevation=st.floats(-90.0, 90.0),
    distance=st.sampled_from([0.01, 0.3, 2.0, 4.0]),
    orthographic=st.booleans(),
)


def cloud(height: Any, color: Any = GREY, *, base: float = 0.0) -> Cloud:
    """Heights in metres above `base`, row 0 in the north, a metre a pixel."""
    grid = np.array(height, np.float32)
    rows, columns = grid.shape
    colors = np.broadcast_to(np.asarray(color, np.uint32), grid.shape).copy()
    return Cloud(LayerId("dsm"), "DSM", grid, base, colors, (0.0, rows), (1.0, 1.0), Rect(0, 0, columns, rows))


def drawing(*clouds: Cloud, together: Together = Together.ALONE, **more: Any) -> Drawing:
    """Colours as they are, unless something else is said."""
    heights = np.concatenate([one.height.ravel().astype(float) + one.base for one in clouds])
    extent = (float(clouds[0].columns), float(clouds[0].rows))
    relief = Relief(TileId("t"), clouds, together, extent, "m", float(np.nanmin(heights)), float(np.nanmax(heights)))
    own = {name: more.pop(name) for name in ("camera", "budget", "lines", "ratio", "line_color") if name in more}
    return Drawing(
        relief, ReliefStyle(**{"shading": 0.0, **more}), **{"camera": Camera(), **own}, width=WIDTH, height=HEIGHT
    )


def place(scene: Drawing, x: float, y: float, z: float = 0.0, part: int = 0) -> tuple[int, int]:
    """Row and column of the picture where a place of the tile is, in metres."""
    shown = list(scene.parts())[part]
    world = scene.relief.matrix(0.0, scene.style.exaggeration) @ [x, y, z, 1.0]
    column, row, _ = project(shown.matrix, world[None, :3], shown.width, shown.height)[0]
    return int(row), int(column) + shown.left


def rgb(picture: Pixels) -> NDArray[np.uint8]:
    return np.stack([picture >> shift & 0xFF for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


def rough(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    """Hills with a block and some voids."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:rows, 0:columns]
    height = np.sin(row / 3) + np.cos(column / 4) + rng.random((rows, columns))
    height[rows // 4 : rows // 2, columns // 2 : columns // 2 + 3] += 5
    height[rng.random((rows, columns)) < 0.05] = np.nan
    return height.astype(np.float32)


# --- where things are


@pytest.mark.parametrize("form", list(Form))
def test_the_tall_block_in_the_north_east_is_there(form: Form) -> None:
    height, color = np.zeros((20, 20)), np.full((20, 20), GREEN, np.uint32)
    height[1:5, 15:19], color[1:5, 15:19] = 6.0, RED
    scene = drawing(
        cloud(height, color), form=form, camera=Camera(azimuth=180.0, elevation=30.0, distance=3.0), point_size=9.0
    )

    picture = draw(scene)

    rows, columns = np.nonzero(picture == RED)
    assert picture[place(scene, 17, 17, 6.0)] == RED
    assert picture[place(scene, 3, 17)] == GREEN
    assert columns.mean() > WIDTH / 2
    assert rows.mean() < HEIGHT / 2
    assert columns.min() > place(scene, 13, 17)[1]


def test_the_top_view_is_the_tile_as_the_panes_show_it() -> None:
    colors = np.repeat(np.repeat(np.array([[RED, GREEN], [BLUE, GREY]], np.uint32), 8, 0), 8, 1)
    scene = drawing(cloud(np.zeros((16, 16)), colors), camera=TOP)

    picture = draw(scene)

    seen = picture[HEIGHT // 2 - 10 : HEIGHT // 2 + 11 : 20, WIDTH // 2 - 10 : WIDTH // 2 + 11 : 20]
    assert seen.tolist() == [[RED, GREEN], [BLUE, GREY]]


def test_a_wall_hides_what_is_behind_it() -> None:
    height, color = np.zeros((20, 20)), np.full((20, 20), GREEN, np.uint32)
    color[:10] = BLUE
    height[10:12], color[10:13] = 15.0, RED
    scene = drawing(cloud(height, color), camera=Camera(azimuth=180.0, elevation=10.0))

    picture = draw(scene)

    assert not rgb(picture[picture != NOTHING])[:, 2].any()
    assert (picture == RED).any()


@settings(max_examples=25)
@given(cameras, st.integers(0, 3), st.sampled_from([1.0, 6.0]))
def test_a_pixel_shows_the_surface_where_it_can_be_picked(camera: Camera, seed: int, exaggeration: float) -> None:
    """So nothing shines through between triangles, near to the eye or behind it, however steep or large they are."""
    scene = drawing(cloud(rough(9, 11, seed)), camera=camera, exaggeration=exaggeration)

    picture = draw(scene)

    for row in range(2, HEIGHT, 12):
        for column in range(1, WIDTH, 12):
            hits = [pick(scene, column + 0.5 + right, row + 0.5 + right / 2) for right in (-1e-4, 0.0, 1e-4)]
            if all(hits):
                assert picture[row, column] == GREY
            elif not any(hits):
                assert picture[row, column] == NOTHING


@settings(max_examples=15)
@given(cameras, st.integers(0, 359), st.sampled_from([1.0, 4.0, 9.0]))
def test_a_pixel_shows_the_dot_that_can_be_picked_there(camera: Camera, azimuth: int, size: float) -> None:
    # Seen straight along a row, dots are equally near, or end at the same pixel but for rounding.
    camera = replace(camera, azimuth=azimuth + 0.37, elevation=camera.elevation or 0.37)
    colors = np.arange(99, dtype=np.uint32).reshape(9, 11) | np.uint32(0xFF000000)
    scene = drawing(cloud(rough(9, 11), colors), camera=camera, form=Form.POINTS, point_size=size)

    picture = draw(scene)

    for row in range(2, HEIGHT, 12):
        for column in range(1, WIDTH, 9):
            hits = [
                pick(scene, column + 0.5 + right, row + 0.5 + down, reach=0.0)
                for right in (-1e-4, 1e-4)
                for down in (-1e-4, 1e-4)
            ]
            expected = {NOTHING if hit is None else int(colors[hit.row, hit.column]) for hit in hits}
            assert picture[row, column] in expected


def test_a_void_is_a_hole() -> None:
    height = np.zeros((16, 16))
    height[4:8, 4:8] = np.nan
    scene = drawing(cloud(height, RED), camera=TOP)

    picture = draw(scene)

    assert picture[place(scene, 6, 10)] == NOTHING
    assert picture[place(scene, 10, 10)] == RED
    assert set(np.unique(picture)) == {RED, NOTHING}, "no wall across the void, no dark rim"


@pytest.mark.parametrize("form", list(Form))
def test_two_heights_stand_beside_each_other_each_in_the_middle(form: Form) -> None:
    left, right = cloud(np.zeros((9, 9)), RED), cloud(np.zeros((9, 9)), BLUE)
    scene = drawing(left, right, together=Together.BESIDE, camera=TOP, form=form, point_size=20.0)

    picture = draw(scene)

    assert picture[place(scene, 4.5, 4.5, part=0)] == RED
    assert picture[place(scene, 4.5, 4.5, part=1)] == BLUE
    assert not (picture[:, : WIDTH // 2] == BLUE).any()
    assert not (picture[:, WIDTH // 2 :] == RED).any()
    assert np.count_nonzero(picture == RED) == np.count_nonzero(picture == BLUE)


def test_in_one_scene_the_second_height_is_points() -> None:
    ground, dots = cloud(np.zeros((5, 5)), GREEN), cloud(np.full((5, 5), 1.0), RED)
    scene = drawing(ground, dots, together=Together.ONE_SCENE, camera=TOP, point_size=3.0)

    picture = draw(scene)

    assert np.count_nonzero(picture == RED) == 25 * 9
    assert np.count_nonzero(picture == GREEN) > 100
    below = drawing(ground, replace(dots, base=-2.0), together=Together.ONE_SCENE, camera=TOP, point_size=1.0)
    assert np.count_nonzero(draw(below) == RED) == 0 or draw(below)[place(below, 2.5, 2.5)] == GREEN


def test_lines_are_hidden_by_what_is_before_them() -> None:
    ground = cloud(np.zeros((9, 9)), GREEN)
    across = np.array(
        [[[-2.0, -0.01, 0.05], [2.0, -0.01, 0.05]], [[0.01, -2.0, -0.05], [0.01, 2.0, -0.05]]], np.float32
    )
    scene = drawing(ground, camera=TOP, lines=across, line_color=(250, 250, 0))

    picture = draw(scene)

    assert (picture[HEIGHT // 2] == 0xFFFAFA00).all(), "above the ground, cut at the edges of the picture"
    seen = np.flatnonzero(picture[:, WIDTH // 2] == 0xFFFAFA00)
    rows = np.flatnonzero((picture == GREEN).any(axis=1))
    assert set(seen) == set(range(HEIGHT)) - set(range(rows[0], rows[-1] + 1)) | {HEIGHT // 2}
    assert np.count_nonzero((draw(replace(scene, ratio=2.0)) == 0xFFFAFA00).any(axis=1)) >= len(seen)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("together", [Together.ALONE, Together.BESIDE])
def test_parts_of_a_picture_make_up_the_whole(form: Form, together: Together) -> None:
    scene = drawing(cloud(rough(9, 11), RED), cloud(rough(9, 11, 1), BLUE), together=together, form=form, shading=1.0)
    whole = draw(scene)

    pieces = np.zeros_like(whole)
    for top, high in ((0, 40), (40, HEIGHT - 40)):
        for left, wide in ((0, 50), (50, WIDTH - 50)):
            pieces[top : top + high, left : left + wide] = draw(scene.cut(left, top, wide, high))

    assert np.count_nonzero(pieces != whole) <= 5, "rounding may move an edge"


# --- colours


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize(("rise", "exaggeration"), [((0.0, 0.0), 1.0), ((0.5, 0.2), 1.0), ((-0.7, 0.3), 2.0)])
def test_colours_are_shaded_by_slope_and_sun(form: Form, rise: tuple[float, float], exaggeration: float) -> None:
    row, column = np.mgrid[0:12, 0:12]
    plane = rise[0] * column - rise[1] * row
    scene = drawing(
        cloud(plane, 0xFFC86432),
        form=form,
        camera=TOP,
        exaggeration=exaggeration,
        shading=0.8,
        azimuth=300.0,
        altitude=40.0,
    )
    normal = np.array([-rise[0] * exaggeration, -rise[1] * exaggeration, 1.0])
    light = AMBIENT + DIFFUSE * max(0.0, float(normal @ sun(scene.style)) / float(np.linalg.norm(normal)))

    picture = rgb(draw(scene))
    colors = np.unique(picture.reshape(-1, 3), axis=0).astype(int)

    expected = np.array([200, 100, 50]) * (0.2 + 0.8 * light)
    shaded = colors[(colors != BACKGROUND).any(axis=1)]
    assert len(shaded)
    assert np.abs(shaded - expected).max() <= 1


def test_the_sun_stands_where_azimuth_and_altitude_say() -> None:
    assert sun(ReliefStyle(azimuth=90.0, altitude=0.0)) == pytest.approx([1, 0, 0])
    assert sun(ReliefStyle(azimuth=315.0, altitude=45.0)) == pytest.approx([-0.5, 0.5, 0.5**0.5])


def test_a_finer_picture_lies_on_the_surface() -> None:
    pixels = np.full((80, 80), BLUE, np.uint32)
    pixels[::2, ::2] = RED
    pixels[:40, :40] = 0  # nothing there: the colours of the heights are seen
    v, u = (np.mgrid[0:8, 0:8].astype(np.float32) + 0.5) / 8
    one = replace(cloud(np.zeros((8, 8)), GREEN), texture=Texture(pixels, u, v))
    scene = drawing(one, camera=TOP)

    picture = draw(scene)

    assert picture[place(scene, 2, 6)] == GREEN
    assert {int(color) for color in np.unique(picture)} == {NOTHING, GREEN, BLUE, RED}
    assert 0.15 < np.count_nonzero(picture == RED) / np.count_nonzero((picture == RED) | (picture == BLUE)) < 0.35


# --- nasty cases


def test_where_there_is_nothing_the_picture_is_background() -> None:
    void = Relief(TileId("t"), (cloud(np.full((3, 3), np.nan)),))
    for relief in (Relief(TileId("t"), why="no heights"), void):
        for form in Form:
            picture = draw(Drawing(relief, ReliefStyle(form=form), Camera(), WIDTH, HEIGHT, background=BACKGROUND))
            assert picture.shape == (HEIGHT, WIDTH)
            assert (picture == NOTHING).all()


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_a_single_row_is_drawn_as_points(shape: tuple[int, int]) -> None:
    scene = drawing(cloud(np.zeros(shape), RED), camera=TOP)

    assert np.count_nonzero(draw(scene) == RED) == 4 * max(shape)


@pytest.mark.parametrize("form", list(Form))
def test_heights_of_a_million_metres_a_hundred_times_exaggerated_are_drawn(form: Form) -> None:
    scene = drawing(cloud(rough(9, 11) * 1e6, RED), form=form, exaggeration=100.0, point_size=3.0)
    near, whole = Camera(elevation=0.0), Camera(elevation=0.0).fitted(scene.box, WIDTH / HEIGHT)

    picture = draw(replace(scene, camera=whole if form is Form.POINTS else near))

    rows = np.flatnonzero((picture == RED).any(axis=1))
    assert rows[0] < 0.2 * HEIGHT
    assert rows[-1] > 0.8 * HEIGHT


def test_a_picture_while_moving_is_drawn_from_fewer_points() -> None:
    scene = drawing(cloud(np.zeros((20, 20)), RED), form=Form.POINTS, camera=TOP, point_size=1.0)

    assert np.count_nonzero(draw(scene) == RED) == 400
    assert np.count_nonzero(draw(replace(scene, budget=100)) == RED) == 100
    surface = replace(scene, style=replace(scene.style, form=Form.SURFACE), budget=100)
    assert np.count_nonzero(draw(surface) == RED) > 1000


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("budget", [None, 60])
def test_pieces_of_a_large_grid_fit_together(form: Form, budget: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    row, column = np.mgrid[0:17, 0:13]
    u, v = (column + 0.5) / 13, (row + 0.5) / 17
    texture = Texture(np.arange(400, dtype=np.uint32).reshape(20, 20) * 9973 | np.uint32(0xFF000000), u, v)
    for one in (cloud(rough(17, 13), RED), replace(cloud(rough(17, 13), RED), texture=texture)):
        scene = drawing(one, form=form, shading=1.0, budget=budget, point_size=3.0)
        whole = draw(scene)

        with monkeypatch.context() as patch:
            patch.setattr(softdraw, "_POINTS", 40)
            patch.setattr(softdraw, "_FRAGMENTS", 50)
            pieces = draw(scene)

        assert np.count_nonzero(pieces != whole) <= 2, "where two are equally near, either may be seen"


def test_a_surface_that_would_take_too_long_is_drawn_more_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = drawing(cloud(rough(40, 40), RED), exaggeration=30.0)
    whole = draw(scene)

    monkeypatch.setattr(softdraw, "_TOO_MANY", -6 * WIDTH * HEIGHT)
    coarse = draw(scene)

    assert np.count_nonzero(coarse == RED) > 0.5 * np.count_nonzero(whole == RED)
    assert (coarse != whole).any()


# --- how it shall look


def test_the_terrain_looks_as_it_always_did() -> None:
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)
    height = 14 * np.exp(-((x - 22) ** 2 + (y - 36) ** 2) / 160) + 12 * ((x > 44) & (x < 56) & (y > 6) & (y < 20))
    height[44:54, 40:54] = np.nan
    colors = (0xFF000000 | (90 + 2 * x).astype(np.uint32) << 16 | (60 + 2 * y).astype(np.uint32) << 8 | 70).astype(
        np.uint32
    )
    lines = np.array(
        [[[-0.72, -0.72, -0.15], [0.72, -0.72, -0.15]], [[-0.72, -0.72, -0.15], [-0.72, 0.72, -0.15]]], np.float32
    )
    scene = drawing(cloud(height, colors), shading=0.7, lines=lines, line_color=(150, 150, 150))
    scene = replace(scene, camera=scene.camera.fitted(scene.box, 4 / 3), width=240, height=180)

    picture = rgb(draw(scene)).astype(int)
    with Image.open(GOLDEN / "terrain.png") as golden:
        expected = np.asarray(golden.convert("RGB")).astype(int)

    assert picture.shape == expected.shape
    assert np.count_nonzero(np.abs(picture - expected).max(axis=-1) > 3) <= 20, "rounding may move a pixel of an edge"

"""What is seen under the mouse is what is picked."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.camera import Camera, project
from rsviewer.core.cloud import Cloud, surface_at, triangles, vertices
from rsviewer.core.drawing import Drawing
from rsviewer.core.picking import pick
from rsviewer.core.relief import Form, Relief, ReliefStyle, Together
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId

WIDTH, HEIGHT = 400, 300

cameras = st.builds(
    Camera,
    azimuth=st.floats(0.0, 360.0),
    elevation=st.floats(5.0, 90.0),
    distance=st.floats(1.5, 8.0),
    target=st.tuples(*[st.floats(-0.5, 0.5)] * 2, st.just(0.0)),
    orthographic=st.booleans(),
)


def cloud(height: Any, *, base: float = 0.0, step: float = 1.0) -> Cloud:
    """Heights in metres above `base`, row 0 in the north."""
    grid = np.array(height, np.float32)
    rows, columns = grid.shape
    colors = np.full(grid.shape, 0xFF808080, np.uint32)
    return Cloud(LayerId("dsm"), "DSM", grid, base, colors, (0.0, rows * step), (step, step), Rect(0, 0, columns, rows))


def drawing(*clouds: Cloud, camera: Camera | None = None, together: Together = Together.ALONE, **style: Any) -> Drawing:
    first = clouds[0]
    heights = np.concatenate([one.height.ravel().astype(float) + one.base for one in clouds])
    relief = Relief(
        TileId("t"),
        clouds,
        together,
        (first.columns * first.step[0], first.rows * first.step[1]),
        "m",
        float(np.nanmin(heights)),
        float(np.nanmax(heights)),
    )
    budget = style.pop("budget", None)
    return Drawing(relief, ReliefStyle(**style), camera or Camera(), WIDTH, HEIGHT, budget=budget)


def world(scene: Drawing, one: Cloud) -> NDArray[np.float64]:
    """(n, 3) the points of a cloud that are drawn, in the world."""
    position = vertices(one, scene.every(one)).position.astype(float)
    matrix = scene.relief.matrix(one.base, scene.style.exaggeration)
    return position @ matrix[:3, :3].T + matrix[:3, 3]


def on_screen(scene: Drawing, one: Cloud, part: int = 0) -> NDArray[np.float64]:
    """(n, 3) where the points of a cloud are in the picture, and how far away."""
    shown = list(scene.parts())[part]
    places = project(shown.matrix, world(scene, one), shown.width, shown.height)
    places[:, 0] += shown.left
    return places


def rough(rows: int, columns: int, seed: int = 0, *, voids: float = 0.0) -> NDArray[np.float32]:
    """Hills with some blocks."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:rows, 0:columns]
    height = 2 * np.sin(row / 3) + 2 * np.cos(column / 4) + rng.random((rows, columns))
    height[rows // 4 : rows // 2, columns // 2 : columns // 2 + 3] += 8
    height[rng.random((rows, columns)) < voids] = np.nan
    return height.astype(np.float32)


def by_hand(scene: Drawing, one: Cloud, x: float, y: float) -> tuple[float, int] | None:
    """Depth and nearest corner (in the raveled grid) of the nearest triangle at a place: all are looked at, on the screen."""
    places, found = on_screen(scene, one), vertices(one, scene.every(one))
    corners = places[triangles(one, scene.every(one))]
    a, b, c = (corners[:, corner, :2] for corner in range(3))
    here = np.array([x, y])

    def area(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0]))

    heres = np.broadcast_to(here, a.shape)
    with np.errstate(all="ignore"):
        shares = np.stack([area(heres, b, c), area(a, heres, c), area(a, b, heres)], axis=-1) / area(a, b, c)[:, None]
    inside = (shares >= -1e-9).all(axis=1)
    if not inside.any():
        return None
    depth = np.where(inside, (shares * corners[:, :, 2]).sum(axis=1), np.inf)
    best = int(np.argmin(depth))
    return float(depth[best]), int(found.index[triangles(one, scene.every(one))[best][np.argmax(shares[best])]])


@settings(deadline=None, max_examples=40)
@given(camera=cameras, column=st.integers(8, 55), row=st.integers(8, 55))
def test_on_coarse_heights_the_pixel_of_the_tile_is_picked_not_the_middle_of_the_height(
    camera: Camera, column: int, row: int
) -> None:
    """8 x 8 tile pixels lie on every height."""
    one = replace(cloud(rough(8, 8), step=8.0), place=Rect(0, 0, 64, 64))
    scene = drawing(one, camera=camera)
    x, y = (column + 0.5) / 8, (row + 0.5) / 8
    top = np.array([x * 8, 64 - y * 8, surface_at(one, x, y), 1.0])
    shown = next(iter(scene.parts()))
    seen = project(shown.matrix, (scene.relief.matrix(0.0, 1.0) @ top)[None, :3], shown.width, shown.height)[0]
    assume(0 < seen[0] < WIDTH and 0 < seen[1] < HEIGHT)
    hit = pick(scene, seen[0], seen[1])
    assert hit is not None
    nearest = by_hand(scene, one, seen[0], seen[1])
    assert nearest is not None
    assume(abs(nearest[0] - seen[2]) < 1e-9)  # else something stands before it
    assert hit.on_tile == (column, row)


def test_the_block_in_the_north_east_is_picked_where_it_is_seen() -> None:
    height = np.zeros((20, 20), np.float32)
    height[2:5, 15:18] = 6.0
    one = cloud(height, base=100.0)
    scene = drawing(one, camera=Camera(azimuth=200.0, elevation=40.0))
    place = on_screen(scene, one)[3 * 20 + 16]

    hit = pick(scene, place[0], place[1])

    assert hit is not None
    assert (hit.column, hit.row, hit.height) == (16, 3, 106.0)
    assert hit.on_tile == (16, 3)


def test_a_tall_block_hides_what_is_behind_it() -> None:
    height = np.zeros((20, 20), np.float32)
    height[10:12, 5:15] = 12.0
    one = cloud(height)
    for form in Form:
        scene = drawing(one, camera=Camera(azimuth=180.0, elevation=20.0), form=form, point_size=30.0)
        behind = on_screen(scene, one)[8 * 20 + 10]

        hit = pick(scene, behind[0], behind[1])

        assert hit is not None
        assert hit.row in (10, 11, 12), "the wall, not the ground behind it"


@given(cameras, st.integers(0, 5), st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1), st.sampled_from([0.0, 0.15]))
def test_a_surface_is_picked_as_its_triangles_are_drawn(
    camera: Camera, seed: int, x: float, y: float, voids: float
) -> None:
    one = cloud(rough(12, 15, seed, voids=voids))
    scene = drawing(one, camera=camera)
    assume(camera.orthographic or camera.eye[2] > scene.box[1][2])
    expected = by_hand(scene, one, x, y)

    hit = pick(scene, x, y)

    if expected is None:
        assert hit is None or by_hand(scene, one, x + 1e-6, y + 1e-6) is not None
    else:
        assert hit is not None
        row, column = divmod(expected[1], one.columns)
        assert max(abs(hit.row - row), abs(hit.column - column)) <= 1


@given(cameras, st.integers(0, 11), st.integers(0, 14), st.sampled_from([1.0, 0.25, 3.0]))
def test_a_visible_height_is_picked_to_the_pixel(camera: Camera, row: int, column: int, exaggeration: float) -> None:
    one = cloud(rough(12, 15))
    scene = drawing(one, camera=camera, exaggeration=exaggeration)
    assume(camera.orthographic or camera.eye[2] > scene.box[1][2])  # `by_hand` knows of nothing behind the eye
    x, y, depth = on_screen(scene, one)[row * 15 + column]
    assume(0 <= x < WIDTH and 0 <= y < HEIGHT)
    nearest = by_hand(scene, one, x, y)
    assume(nearest is not None and nearest[0] >= depth - 1e-7)

    # A peak may be exactly at the edge of what is seen: so look a hair inside of each triangle that may end there.
    places = on_screen(scene, one)[:, :2].reshape(12, 15, 2)
    sides = [
        (down, right) for down in (-1, 1) for right in (-1, 1) if 0 <= row + down < 12 and 0 <= column + right < 15
    ]
    hits = [pick(scene, x, y)]
    for down, right in sides:
        beside, below, across = (
            places[row, column + right],
            places[row + down, column],
            places[row + down, column + right],
        )
        for corners in ((beside, below), (beside, across), (below, across)):
            inside = places[row, column] + 1e-3 * (sum(corners) / 2 - places[row, column])
            hits.append(pick(scene, *inside.tolist()))

    assert any(hit is not None and (hit.column, hit.row) == (column, row) for hit in hits)


@given(cameras, st.integers(0, 3), st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1), st.sampled_from([1.0, 5.0, 25.0]))
def test_points_are_picked_as_their_dots_are_drawn(camera: Camera, seed: int, x: float, y: float, size: float) -> None:
    one = cloud(rough(12, 15, seed, voids=0.2))
    scene = drawing(one, camera=camera, form=Form.POINTS, point_size=size)
    places, index = on_screen(scene, one), vertices(one).index
    away = np.abs(places[:, :2] - (x, y))
    covered, missed = away.max(axis=1) <= size / 2, np.hypot(*away.T)

    hit = pick(scene, x, y, reach=4.0)

    if covered.any():
        expected = int(index[np.argmin(np.where(covered, places[:, 2], np.inf))])
    elif missed.min() <= 4.0:
        expected = int(index[np.argmin(missed)])
    else:
        assert hit is None
        return
    assert hit is not None
    assert (hit.row, hit.column) == divmod(expected, one.columns)


def test_a_void_shows_what_is_behind_it_or_nothing() -> None:
    height = np.zeros((11, 11), np.float32)
    height[5, 5] = np.nan
    one = cloud(height)
    scene = drawing(one, camera=Camera().from_top())

    assert pick(scene, WIDTH / 2, HEIGHT / 2) is None
    assert pick(scene, 2.0, 2.0) is None
    edge = pick(scene, WIDTH / 2 + 1.6 * (on_screen(scene, one)[1, 0] - on_screen(scene, one)[0, 0]), HEIGHT / 2)
    assert edge is not None
    assert (edge.column, edge.row) == (7, 5)


def test_a_void_in_a_whole_surface_is_never_picked() -> None:
    height = rough(16, 16)
    height[7:9, 7:9] = np.nan
    one = cloud(height)
    scene = drawing(one, camera=Camera())

    for y in range(0, HEIGHT, 7):
        for x in range(0, WIDTH, 7):
            hit = pick(scene, x, y)
            assert hit is None or math.isfinite(hit.height)


def test_beside_each_other_each_picture_is_picked_in() -> None:
    left, right = cloud(rough(12, 15)), cloud(rough(12, 15, 3), base=10.0)
    scene = drawing(left, right, together=Together.BESIDE, camera=Camera().from_top())

    for part, one in enumerate((left, right)):
        place = on_screen(scene, one, part)[5 * 15 + 7]
        hit = pick(scene, place[0], place[1])
        assert hit is not None
        assert hit.cloud is one
        assert (hit.column, hit.row) == (7, 5)


def test_of_two_heights_in_one_scene_the_nearer_one_is_picked() -> None:
    ground, above = cloud(np.zeros((9, 9))), cloud(np.full((9, 9), 3.0))
    camera = Camera().from_top()
    for clouds, nearer in (((ground, above), above), ((above, ground), above)):
        scene = drawing(*clouds, together=Together.ONE_SCENE, camera=camera, point_size=60.0)
        hit = pick(scene, WIDTH / 2 + 1, HEIGHT / 2 + 1)
        assert hit is not None
        assert hit.cloud is nearer


def test_what_is_not_drawn_while_moving_is_not_picked_either() -> None:
    height = np.zeros((20, 20), np.float32)
    height[1::2, 1::2] = 50.0
    one = cloud(height)
    scene = drawing(one, camera=Camera(elevation=30.0, distance=16.0), form=Form.POINTS, budget=100, point_size=1.0)

    assert scene.every(one) == 2
    for place in on_screen(scene, one):
        hit = pick(scene, place[0], place[1], reach=1.0)
        assert hit is not None
        assert (hit.column % 2, hit.row % 2, hit.height) == (0, 0, 0.0)


def test_a_coarse_surface_still_names_the_pixel_under_the_mouse() -> None:
    one = cloud(np.zeros((40, 40)))
    scene = drawing(one, camera=Camera().from_top(), budget=100)
    fine = replace(scene, budget=None)

    for number in (5 * 40 + 7, 20 * 40 + 33, 30 * 40 + 10):
        place = on_screen(fine, one)[number]
        hit = pick(scene, place[0], place[1])
        assert hit is not None
        assert (hit.row, hit.column) == divmod(number, 40)


@pytest.mark.parametrize("shape", [(1, 12), (12, 1), (1, 1)])
@pytest.mark.parametrize("form", list(Form))
def test_a_single_row_or_column_is_picked_as_points(shape: tuple[int, int], form: Form) -> None:
    one = cloud(np.arange(math.prod(shape)).reshape(shape))
    scene = drawing(one, camera=Camera(elevation=30.0, distance=8.0), form=form)

    for number, place in enumerate(on_screen(scene, one)):
        hit = pick(scene, place[0], place[1])
        assert hit is not None
        assert hit.height == number


@pytest.mark.parametrize("form", list(Form))
def test_heights_of_a_million_metres_a_hundred_times_exaggerated_are_picked(form: Form) -> None:
    one = cloud(rough(12, 15) * 1e5)
    scene = drawing(one, form=form, exaggeration=100.0)
    scene = replace(scene, camera=Camera(elevation=0.0).fitted(scene.box, WIDTH / HEIGHT))
    top = int(np.argmax(one.height))
    place = on_screen(scene, one)[top]

    hit = pick(scene, place[0], place[1] + 1)

    assert hit is not None
    assert hit.height > 0.8 * one.height.max()


def test_nothing_is_picked_where_there_is_nothing() -> None:
    empty = Drawing(Relief(TileId("t"), why="no heights"), ReliefStyle(), Camera(), WIDTH, HEIGHT)
    void = cloud(np.full((3, 3), np.nan))
    holes = Drawing(Relief(TileId("t"), (void,)), ReliefStyle(), Camera(), WIDTH, HEIGHT)

    for form in Form:
        for scene in (empty, replace(holes, style=ReliefStyle(form=form))):
            assert pick(scene, WIDTH / 2, HEIGHT / 2) is None
    full = drawing(cloud(np.zeros((3, 3))))
    for x, y in ((-1, 5), (5, -1), (WIDTH, 5), (5, HEIGHT), (math.nan, 5), (5, math.nan)):
        assert pick(full, x, y) is None


@settings(max_examples=20)
@given(st.floats(0, 360), st.floats(-90, 90))
def test_flying_through_the_terrain_picks_what_is_ahead_or_nothing(azimuth: float, elevation: float) -> None:
    one = cloud(rough(12, 15))
    for form in Form:
        scene = drawing(one, camera=Camera(azimuth=azimuth, elevation=elevation, distance=0.01), form=form)
        hit = pick(scene, WIDTH / 2, HEIGHT / 2)
        assert hit is None or math.isfinite(hit.height)


def test_a_grid_of_millions_is_picked_exactly() -> None:
    height = np.zeros((2500, 2500), np.float32)
    height[600:640, 1700:1740] = 300.0
    one = cloud(height)
    for form in Form:
        scene = drawing(one, camera=Camera(azimuth=160.0, elevation=40.0), form=form)
        middle = scene.relief.matrix(0.0, 1.0) @ [1720.5, 2500 - 620.5, 300.0, 1.0]
        place = project(next(scene.parts()).matrix, middle[None, :3], WIDTH, HEIGHT)[0]
        hit = pick(scene, place[0], place[1])
        assert hit is not None
        assert hit.height == 300.0
        assert max(abs(hit.column - 1720), abs(hit.row - 620)) <= (0 if form is Form.SURFACE else 20)

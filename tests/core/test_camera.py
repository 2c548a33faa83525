"""What the camera says is right, up and near is so in the picture."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.camera import FARTHEST, NEAREST, Camera, Corners, project
from rsviewer.core.relief import Relief
from rsviewer.core.tile import TileId

WIDTH, HEIGHT = 800.0, 600.0
ASPECT = WIDTH / HEIGHT

azimuths = st.floats(0.0, 360.0)
elevations = st.floats(-90.0, 90.0)
places = st.tuples(*[st.floats(-1.0, 1.0)] * 3)
cameras = st.builds(
    Camera,
    azimuth=azimuths,
    elevation=elevations,
    distance=st.floats(0.01, 100.0),
    target=places,
    orthographic=st.booleans(),
)
boxes = st.tuples(st.floats(0.02, 1.55), st.floats(-7.0, 7.0)).map(
    lambda shape: box_of(np.cos(shape[0]), np.sin(shape[0]), 10.0 ** shape[1])
)
"""Of tiles of any proportions with heights of any span."""


def box_of(x: float, y: float, z: float) -> Corners:
    return np.array([-x, -y, -z]), np.array([x, y, z])


def corners(box: Corners) -> NDArray[np.float64]:
    low, high = box
    return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])


def seen(camera: Camera, *points: tuple[float, float, float], box: Corners | None = None) -> NDArray[np.float64]:
    """Where points of the world are in the picture."""
    matrix = camera.matrix(ASPECT) if box is None else camera.matrix(ASPECT, box)
    return project(matrix, np.array(points, float), WIDTH, HEIGHT)


def test_azimuth_180_looks_northwards_from_the_south() -> None:
    camera = Camera(azimuth=180.0, elevation=20.0)
    right, up, _ = camera.axes

    assert camera.eye[1] < 0
    assert right == pytest.approx([1, 0, 0])
    assert up[2] > 0
    west, east, north, south, top = seen(camera, (-1, 0, 0), (1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1))
    assert west[0] < WIDTH / 2 < east[0]
    assert north[1] < HEIGHT / 2 < south[1]
    assert south[2] < north[2]
    assert top[1] < HEIGHT / 2


@pytest.mark.parametrize(("azimuth", "where"), [(0, (0, 1)), (90, (1, 0)), (180, (0, -1)), (270, (-1, 0))])
def test_azimuth_is_where_the_eye_stands_clockwise_from_north(azimuth: float, where: tuple[float, float]) -> None:
    assert Camera(azimuth=azimuth, elevation=0.0, distance=3.0).eye == pytest.approx([3 * where[0], 3 * where[1], 0])


def test_the_top_view_shows_the_tile_as_the_panes_do() -> None:
    camera = Camera().from_top()

    middle, north, east, high = seen(camera, (0, 0, 0), (0, 0.5, 0), (0.5, 0, 0), (0, 0, 0.5))

    assert middle[:2] == pytest.approx([WIDTH / 2, HEIGHT / 2])
    assert north[0] == pytest.approx(WIDTH / 2)
    assert north[1] < HEIGHT / 2
    assert east[1] == pytest.approx(HEIGHT / 2)
    assert east[0] > WIDTH / 2
    assert high[:2] == pytest.approx([WIDTH / 2, HEIGHT / 2])
    assert high[2] < middle[2]


def test_front_and_side_look_level_from_the_lower_and_the_right_edge() -> None:
    assert Camera().from_front().eye == pytest.approx([0, -4, 0])
    assert Camera().from_side().eye == pytest.approx([4, 0, 0])


@given(cameras)
def test_the_axes_are_right_handed_and_right_is_level(camera: Camera) -> None:
    right, up, back = camera.axes

    assert np.stack([right, up, back]) @ np.stack([right, up, back]).T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.cross(right, up) == pytest.approx(back, abs=1e-12)
    assert right[2] == 0
    assert up[2] >= -1e-12


@given(cameras)
def test_the_target_is_in_the_middle(camera: Camera) -> None:
    assert seen(camera, camera.target)[0, :2] == pytest.approx([WIDTH / 2, HEIGHT / 2], abs=1e-6)


@given(cameras, boxes, st.floats(0.3, 4.0))
def test_a_fitted_box_is_seen_whole_and_fills_the_picture(camera: Camera, box: Corners, aspect: float) -> None:
    fitted = camera.fitted(box, aspect)

    places = project(fitted.matrix(aspect, box), corners(box), aspect, 1.0)

    assert (places[:, 0] > 0).all()
    assert (places[:, 0] < aspect).all()
    assert (places[:, 1] > 0).all()
    assert (places[:, 1] < 1).all()
    assert (np.abs(places[:, 2]) < 1).all()
    if fitted.distance > NEAREST:
        nearest_edge = np.min([places[:, 0] / aspect, 1 - places[:, 0] / aspect, places[:, 1], 1 - places[:, 1]])
        assert nearest_edge < 0.05


@pytest.mark.parametrize("orthographic", [False, True])
def test_a_very_tall_box_is_seen_whole_and_can_be_walked_up_to(orthographic: bool) -> None:
    relief = Relief(TileId("t"), extent=(100.0, 100.0), unit="m", low=0.0, high=1e6)
    box = relief.bounds(100.0)
    camera = Camera(orthographic=orthographic).fitted(box, ASPECT)

    assert camera.distance > FARTHEST
    assert (np.abs(seen(camera, *corners(box), box=box)[:, 2]) < 1).all()
    assert camera.zoomed(0.5).distance == camera.distance, "zooming out never comes nearer"
    assert camera.zoomed(2.0).distance == pytest.approx(camera.distance / 2)

    close = replace(camera, distance=2.0, target=(0.0, 0.0, 0.0))
    assert abs(seen(close, (0, 0, 0), box=box)[0, 2]) < 1


@given(cameras.filter(lambda camera: not camera.orthographic), places)
def test_what_is_in_the_box_and_before_the_eye_is_not_cut_off(camera: Camera, place: tuple[float, ...]) -> None:
    x, y, z = place
    ahead = (camera.eye - np.array(place)) @ camera.axes[2]

    depth = seen(camera, (x, y, z))[0, 2]

    if ahead > max(1e-3, camera.distance / 10):
        assert -1 <= depth <= 1
    elif ahead < -1e-6:
        assert math.isnan(depth)


def test_parallel_lines_have_nothing_behind_the_eye() -> None:
    camera = Camera(orthographic=True, distance=0.01, azimuth=180.0, elevation=0.0)

    assert (np.abs(seen(camera, (0, -1, 0), (0, 1, 0))[:, 2]) < 1).all()


@pytest.mark.parametrize("orthographic", [False, True])
def test_depths_tell_a_thousandth_of_a_tile_apart_in_24_bits(orthographic: bool) -> None:
    camera = Camera(orthographic=orthographic, azimuth=180.0, elevation=0.0)

    for distance in (0.05, 1.0, 4.0, 40.0):
        near, far = seen(replace(camera, distance=distance), (0, 0.0, 0), (0, 1e-3, 0))[:, 2]
        assert (far - near) / 2 * 2**24 > 16


@given(cameras, places)
def test_shrinking_with_distance_is_what_parallel_lines_do_not(camera: Camera, place: tuple[float, ...]) -> None:
    x, y, z = place
    parallel = replace(camera, orthographic=True)
    back = parallel.axes[2]

    here, farther = seen(parallel, (x, y, z), (x - back[0], y - back[1], z - back[2]))

    assert farther[:2] == pytest.approx(here[:2], abs=1e-6 * max(1, *np.abs(here[:2])))
    assert farther[2] > here[2]


@given(cameras, st.floats(-400, 400), st.floats(-170, 170))
def test_turning_keeps_target_and_distance(camera: Camera, right: float, up: float) -> None:
    turned = camera.turned(right, up)

    assert (turned.target, turned.distance) == (camera.target, camera.distance)
    assert -90 <= turned.elevation <= 90
    assert 0 <= turned.azimuth < 360 or turned.azimuth == pytest.approx(360)


def test_turning_to_the_right_moves_what_is_in_front_to_the_right() -> None:
    camera = Camera(azimuth=180.0, elevation=0.0)

    before, after = seen(camera, (0, -1, 0)), seen(camera.turned(10, 0), (0, -1, 0))

    assert after[0, 0] > before[0, 0]
    assert camera.turned(0, 10).eye[2] > camera.eye[2]


@given(cameras, st.floats(-90, 90), st.floats(-90, 90))
def test_looking_elsewhere_keeps_the_eye(camera: Camera, right: float, up: float) -> None:
    assert camera.looked(right, up).eye == pytest.approx(camera.eye, abs=1e-9 * max(1, camera.distance))


def test_looking_to_the_right_and_up_moves_the_picture_to_the_left_and_down() -> None:
    camera = Camera(azimuth=180.0, elevation=0.0)

    place = seen(camera.looked(5, 5), (0, 0, 0))[0]

    assert place[0] < WIDTH / 2
    assert place[1] > HEIGHT / 2


@given(cameras, st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_what_is_under_the_mouse_follows_it(camera: Camera, right: float, up: float) -> None:
    place = seen(camera.panned(right, up), camera.target)[0]

    assert place[:2] == pytest.approx([WIDTH / 2 + right * HEIGHT, HEIGHT / 2 - up * HEIGHT], abs=1e-3)


def test_flying_forward_goes_where_the_camera_looks() -> None:
    flown = Camera(azimuth=180.0, elevation=0.0).moved(right=0.5, up=0.25, forward=1.0)

    assert flown.eye == pytest.approx([0.5, -3.0, 0.25])
    assert flown.target == pytest.approx((0.5, 1.0, 0.25))


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_zooming_stays_where_something_is_to_be_seen(factor: float, distance: float) -> None:
    assert NEAREST <= Camera(distance=distance).zoomed(factor).distance <= FARTHEST


def test_a_place_behind_the_eye_is_nowhere_in_the_picture() -> None:
    assert np.isnan(seen(Camera(azimuth=180.0, elevation=0.0), (0, -5, 0))[0]).all()

"""A view in another size shows what it showed, and a turn comes round without stopping."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.camera import Camera, project
from rsviewer.core.relief import Together
from rsviewer.core.turning import around, shows_all, sized, turn
from tests.core.spaces import cloud, drawing, hill, relief


def test_a_turn_is_in_equal_steps_and_does_not_show_its_first_picture_twice() -> None:
    cameras = turn(Camera(azimuth=205.0, elevation=30.0, target=(0.1, 0.2, 0.3)), 8)
    assert [camera.azimuth for camera in cameras] == [205, 250, 295, 340, 25, 70, 115, 160]
    assert {(camera.elevation, camera.distance, camera.target) for camera in cameras} == {(30.0, 4.0, (0.1, 0.2, 0.3))}
    assert len({camera.azimuth for camera in turn(Camera(), 240)}) == 240


@pytest.mark.parametrize("to_right", [True, False])
def test_what_is_in_front_moves_to_the_side_that_was_asked_for(to_right: bool) -> None:
    first, second, *_ = turn(Camera(azimuth=180.0), 36, to_right=to_right)
    near = np.array([[0.0, -0.5, 0.0]])  # between the middle and the eye in the south
    before, after = (project(camera.matrix(1.0), near, 100, 100)[0, 0] for camera in (first, second))
    assert (after - before > 1) == to_right


@given(st.integers(20, 2000), st.integers(20, 2000))
def test_a_tile_that_is_seen_whole_is_so_in_any_size(width: int, height: int) -> None:
    shown = drawing(300, 200)
    assert shows_all(shown)
    assert shows_all(sized(shown, width, height))


@given(st.integers(20, 2000), st.integers(20, 2000))
def test_a_tile_seen_whole_from_all_around_is_so_in_every_picture_of_the_turn(width: int, height: int) -> None:
    shown = sized(drawing(300, 200), width, height)
    middle = replace(shown, camera=around(shown))
    assert all(shows_all(replace(middle, camera=camera)) for camera in turn(middle.camera, 7))


def test_two_pictures_beside_each_other_have_half_the_room() -> None:
    beside = relief(cloud(hill()), cloud(hill()), together=Together.BESIDE)
    shown = sized(drawing(300, 200, relief=beside), 240, 240)
    assert all(shows_all(replace(shown, camera=camera)) for camera in turn(around(shown), 12))


def test_what_stands_close_up_is_not_seen_whole() -> None:
    near = drawing(camera=Camera(distance=0.5))
    assert not shows_all(near)
    assert around(near).distance > 1


def test_dots_and_words_grow_with_the_picture_but_never_get_too_small() -> None:
    shown = drawing(400, 300, ratio=1.0, budget=10)
    assert sized(shown, 1600, 1200).ratio == 4
    assert sized(shown, 1600, 300).ratio == 1
    assert sized(shown, 100, 75).ratio == 1
    assert sized(shown, 1600, 1200).budget is None
    assert sized(shown, 800, 600).camera == shown.camera

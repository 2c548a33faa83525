import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rsviewer.core.ground import GroundFilter, filled_in, ground_below

SIDE = 80


def everywhere(heights: np.ndarray) -> np.ndarray:
    return np.ones(heights.shape, bool)


@pytest.fixture
def plain() -> np.ndarray:
    """Ground that rises by 5 cm a metre to the east, on a grid of one metre."""
    return np.broadcast_to(0.05 * np.arange(SIDE), (SIDE, SIDE)).copy()


def test_a_house_on_a_slope_stands_as_high_as_it_is(plain: np.ndarray) -> None:
    surface = plain.copy()
    surface[30:45, 30:50] += 6.0

    ground, is_ground = ground_below(surface, everywhere(surface), 1.0)

    above = surface - ground
    assert above[30:45, 30:50] == pytest.approx(6.0, abs=0.15)
    assert not is_ground[30:45, 30:50].any()
    outside = np.ones_like(is_ground)
    outside[30:45, 30:50] = False
    assert is_ground[outside].all()
    assert (above[outside] == 0).all(), "ground is ground, exactly"


def test_a_roof_that_is_wider_than_the_window_is_taken_for_ground(plain: np.ndarray) -> None:
    surface = plain.copy()
    surface[10:70, 10:70] = 10.0  # flat, as roofs are: 9.5 m high in the west, 6.5 m in the east

    seen = (surface - ground_below(surface, everywhere(surface), 1.0)[0])[35:45, 35:45]
    wider = (surface - ground_below(surface, everywhere(surface), 1.0, GroundFilter(window=35.0))[0])[35:45, 35:45]

    assert seen.max() < 1.0
    assert wider == pytest.approx((surface - plain)[35:45, 35:45], abs=0.3)


def test_a_gentle_hill_is_ground_and_a_single_low_pixel_is_not() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    hill = 8.0 * np.exp(-((y - 40) ** 2 + (x - 40) ** 2) / (2 * 22.0**2))
    surface = hill.copy()
    surface[20, 60] -= 30.0

    ground, is_ground = ground_below(surface, everywhere(surface), 1.0)

    assert is_ground.mean() > 0.99
    assert not is_ground[20, 60]
    assert ground[20, 60] == pytest.approx(hill[20, 60], abs=0.2)


def test_fine_pixels_are_filtered_in_cells_of_a_metre(plain: np.ndarray) -> None:
    surface = np.kron(plain, np.ones((4, 4)))
    surface[120:180, 120:200] += 6.0

    above = surface - ground_below(surface, everywhere(surface), 0.25)[0]

    assert above[120:180, 120:200] == pytest.approx(6.0, abs=0.2)
    assert np.abs(above[:100]).max() < 0.05


def test_invalid_pixels_say_nothing(plain: np.ndarray) -> None:
    surface = plain.copy()
    surface[30:45, 30:50] += 6.0
    valid = everywhere(surface)
    valid[:, 60:70] = False
    spoilt = np.where(valid, surface, -9999.0)

    ground, is_ground = ground_below(spoilt, valid, 1.0)

    assert (spoilt - ground)[30:45, 30:50] == pytest.approx(6.0, abs=0.15)
    assert not is_ground[:, 60:70].any()
    assert ground[:, 60:70] == pytest.approx(plain[:, 60:70], abs=0.05)


def test_a_mountain_keeps_its_centimetres(plain: np.ndarray) -> None:
    ground, _ = ground_below(plain + 8000.0, everywhere(plain), 1.0)

    assert ground == pytest.approx(plain + 8000.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(-1e6, 1e6)),
    st.floats(0.05, 6.0),
    st.integers(0, 2**32 - 1),
)
def test_any_surface_has_a_ground_below_it(surface: np.ndarray, pixel: float, seed: int) -> None:
    valid = np.random.default_rng(seed).random(surface.shape) < 0.7
    valid.flat[0] = True

    ground, is_ground = ground_below(surface, valid, pixel)

    assert np.isfinite(ground).all()
    assert is_ground.any()
    assert not (is_ground & ~valid).any()
    assert (ground[is_ground] == surface[is_ground]).all()


def test_a_hole_in_a_plane_is_filled_by_the_plane() -> None:
    y, x = np.mgrid[:60, :70]
    plane = 0.1 * x + 0.05 * y
    known = everywhere(plane)
    known[20:40, 25:50] = False

    assert filled_in(np.where(known, plane, 99.0), known) == pytest.approx(plane, abs=0.05)


def test_one_value_fills_everything() -> None:
    known = np.zeros((5, 7), bool)
    known[3, 2] = True

    assert (filled_in(np.where(known, 4.0, -1.0), known) == 4.0).all()

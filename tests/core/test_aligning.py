"""What one layer says below the pixels of another is one of its own numbers, or lies between them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsviewer.core.aligning import Alignment, linear, nearest
from rsviewer.core.tile import Raster

NAN = np.nan


def raster(values: Any, valid: Any = True) -> Raster:
    pixels = np.array(values)[None]
    return Raster(pixels, np.broadcast_to(np.array(valid, bool), pixels.shape))


def alignment(column: Any, row: Any, *, same: bool = False) -> Alignment:
    """Places on the source: (width,) columns and (height,) rows of a grid."""
    columns, rows = np.meshgrid(np.array(column, np.float32), np.array(row, np.float32))
    outside = np.isnan(columns) | np.isnan(rows)
    columns[outside] = rows[outside] = NAN
    return Alignment(columns, rows, float((~outside).mean()), same=same)


def itself(height: int, width: int, *, same: bool) -> Alignment:
    return alignment(np.arange(width) + 0.5, np.arange(height) + 0.5, same=same)


SIZES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)


@given(hnp.arrays(np.int16, SIZES), st.booleans())
def test_below_itself_every_pixel_has_its_own_value(values: NDArray[np.int16], same: bool) -> None:
    own = itself(*values.shape, same=same)
    np.testing.assert_array_equal(nearest(values, own, 0), values)
    np.testing.assert_array_equal(linear(raster(values), own), values)


@given(
    hnp.arrays(np.float32, SIZES, elements=st.floats(-9000, 9000, width=32)),
    hnp.arrays(np.float32, 5, elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, 4, elements=st.floats(0, 1, width=32)),
)
def test_between_pixels_heights_lie_between_theirs(
    values: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32]
) -> None:
    height, width = values.shape
    found = linear(raster(values), alignment(across * width, down * height))
    assert found.shape == (4, 5)
    assert (found >= values.min() - 1e-9 * abs(values.min())).all()
    assert (found <= values.max() + 1e-9 * abs(values.max())).all()


def test_halfway_between_pixels_is_their_mean_and_beyond_the_last_centre_its_value() -> None:
    found = linear(raster([[0.0, 10.0], [20.0, 30.0]]), alignment([0.0, 1.0, 2.0], [0.25, 1.0, 1.75]))
    assert found.tolist() == [[0, 5, 10], [10, 15, 20], [20, 25, 30]]


def test_a_height_between_a_valid_and_an_invalid_pixel_is_unknown_but_on_a_valid_one_it_is_not() -> None:
    found = linear(raster([[1.0, -9999.0, 3.0]], [[True, False, True]]), alignment([0.5, 1.0, 1.5, 2.0, 2.5], [0.5]))
    np.testing.assert_array_equal(found, [[1, NAN, NAN, NAN, 3]])


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_nan_and_infinity_are_no_heights_even_where_the_mask_lets_them_pass(bad: float, same: bool) -> None:
    found = linear(raster([[bad, 2.0]]), itself(1, 2, same=same))
    np.testing.assert_array_equal(found, [[NAN, 2.0]])


def test_the_largest_numbers_do_not_overflow() -> None:
    found = linear(raster([[1.7e308, -1.7e308]]), alignment([1.0, 1.25], [0.5]))
    assert found[0, 0] == 0.0
    assert np.isfinite(found).all()


def test_outside_there_is_nothing() -> None:
    places = alignment([0.5, NAN], [NAN, 0.5])
    np.testing.assert_array_equal(nearest(np.array([[7]], np.uint8), places, 255), [[255, 255], [7, 255]])
    np.testing.assert_array_equal(linear(raster([[7]]), places), [[NAN, NAN], [7, NAN]])


def test_the_far_edge_belongs_to_the_last_pixel() -> None:
    values = np.array([[1, 2], [3, 4]], np.uint32)
    found = nearest(values, alignment([0.0, 1.0, 2.0], [0.0, 2.0]), 0)
    assert found.tolist() == [[1, 2, 2], [3, 4, 4]]
    assert found.dtype == np.uint32


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
def test_one_row_or_one_column_is_enough(shape: tuple[int, int]) -> None:
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    places = alignment(np.linspace(0, shape[1], 9), np.linspace(0, shape[0], 7))
    assert np.isfinite(linear(raster(values), places)).all()
    assert set(nearest(values, places, -1).ravel()) == set(values.ravel())


def test_a_large_target_is_the_same_in_every_block() -> None:
    values = np.arange(4.0).reshape(2, 2)
    places = alignment(np.linspace(0, 2, 1500), np.linspace(0, 2, 400))
    found = linear(raster(values), places)
    np.testing.assert_allclose(found, found[:1] + (found[:, :1] - found[0, 0]), atol=1e-12)
    np.testing.assert_array_equal(nearest(values, places, -1)[[0, -1]][:, [0, -1]], values)

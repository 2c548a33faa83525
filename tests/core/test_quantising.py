"""Metres become whole numbers, and come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rsviewer.core.quantising import Levels, ends_of, is_span
from rsviewer.core.stretch import Range

HEIGHTS = np.array([[100.0, 151.0, 355.0]])


def test_the_ends_become_the_ends_and_the_rest_the_nearest_number() -> None:
    levels = Levels(100.0, 355.0)

    assert (levels.step, levels.scale, levels.offset) == (1.0, 1.0, 100.0)
    assert levels.numbers(HEIGHTS).tolist() == [[0, 51, 255]]
    assert levels.numbers(np.array([100.4, 100.6, 354.51])).tolist() == [0, 1, 255], "RS3DBench cuts off: 0, 0, 254"


def test_a_number_is_kept_for_no_data_where_that_is_wanted() -> None:
    levels = Levels(100.0, 354.0, reserved=True)
    valid = np.array([True, True, False, True])

    numbers = levels.numbers(np.array([100.0, 354.0, np.nan, 227.0]), valid)

    assert numbers.tolist() == [1, 255, 0, 128]
    assert np.array_equal(levels.values(numbers), [100.0, 354.0, np.nan, 227.0], equal_nan=True)
    with pytest.raises(ValueError, match="no number is reserved"):
        Levels(0.0, 1.0).numbers(np.zeros(4), valid)


def test_inverted_the_highest_is_the_darkest() -> None:
    levels = Levels(100.0, 355.0, inverted=True)

    assert levels.numbers(HEIGHTS).tolist() == [[255, 204, 0]]
    assert levels.values(levels.numbers(HEIGHTS)).tolist() == HEIGHTS.tolist()
    assert Levels(100.0, 354.0, reserved=True, inverted=True).numbers(HEIGHTS).tolist() == [[255, 204, 1]]


def test_sixteen_bits_are_finer() -> None:
    levels = Levels(-149.0, 65_386.0, 16)

    assert levels.numbers(np.array([-149.0, 0.0, 65_386.0])).tolist() == [0, 149, 65_535]
    assert levels.numbers(np.zeros(1)).dtype == np.uint16


@pytest.mark.parametrize("reserved", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("height", [0.0, 0.1, -37.3, 8848.86, 1e-300])
def test_one_height_everywhere_comes_back_exactly(height: float, reserved: bool, inverted: bool) -> None:
    levels = Levels(height, height, 8, reserved, inverted)

    numbers = levels.numbers(np.full(3, height))

    assert numbers.tolist() == [levels.first] * 3
    assert levels.values(numbers).tolist() == [height] * 3
    assert levels.scale != 0.0


def test_what_lies_beyond_a_given_range_is_cut_off_and_counted() -> None:
    levels = Levels(0.0, 100.0)
    heights = np.array([-5.0, 50.0, 1e300, np.nan])

    assert levels.numbers(heights[:3]).tolist() == [0, 128, 255]
    assert levels.beyond(heights, np.array([True, True, True, False])) == 2


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_type_of_number_will_do(kind: type) -> None:
    heights = np.array([0, 100, 32_000], kind)
    levels = Levels(0.0, 32_000.0, 16)

    assert np.allclose(levels.values(levels.numbers(heights)), heights, rtol=0, atol=levels.step / 2)


@given(
    arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)),
    st.sampled_from([8, 16]),
    st.booleans(),
    st.booleans(),
)
def test_no_value_moves_by_more_than_half_a_step(
    heights: np.ndarray, bits: int, reserved: bool, inverted: bool
) -> None:
    levels = Levels(float(heights.min()), float(heights.max()), bits, reserved, inverted)

    back = levels.values(levels.numbers(heights))

    assert np.abs(back - heights).max() <= levels.step / 2 + 1e-9


def test_percentiles_that_coincide_give_way_to_the_extremes() -> None:
    mostly_flat = np.array([0.0] * 99 + [30.0])

    assert ends_of(np.arange(101.0), (0.0, 100.0)) == Range(0.0, 100.0)
    assert ends_of(np.arange(101.0), (1.0, 98.5)) == Range(1.0, 98.5)
    assert ends_of(mostly_flat, (2.0, 98.0)) == Range(0.0, 30.0)
    assert ends_of(np.array([7]), (2.0, 98.0)) == Range(7.0, 7.0)


def test_a_span_has_two_ends_a_finite_way_apart() -> None:
    assert is_span(-1.0, 1.0)
    for low, high in ((1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0), (-1.7e308, 1.7e308)):
        assert not is_span(low, high)

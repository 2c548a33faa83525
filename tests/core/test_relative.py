import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.relative import LEAST, Fit, fit_line, relative_scores


def rows(*values: Any) -> NDArray[np.float64]:
    return np.array(values, np.float64)


def everywhere(like: NDArray[Any]) -> NDArray[np.bool_]:
    return np.ones(like.shape, bool)


def test_a_line_goes_through_two_points() -> None:
    assert fit_line(rows([0.0, 1.0]), rows([100.0, 140.0]), np.ones((1, 2), bool)) == Fit(40.0, 100.0, 2)


def test_a_line_is_that_of_least_squares() -> None:
    """By hand: x 0, 1, 2 and y 0, 3, 3 have the means 1 and 2, and 3 / 2 for the slope: y = 1.5 x + 0.5."""
    fit = fit_line(rows([0.0, 1.0, 2.0]), rows([0.0, 3.0, 3.0]), np.ones((1, 3), bool))

    assert fit is not None
    assert (fit.scale, fit.shift) == pytest.approx((1.5, 0.5))


def test_invalid_pixels_take_no_part_in_a_fit() -> None:
    relative, truth = rows([0.0, 1.0, 0.5, np.nan, 0.2]), rows([10.0, 20.0, 999.0, 3.0, np.inf])
    assert fit_line(relative, truth, np.array([[True, True, False, True, True]])) == Fit(10.0, 10.0, 2)
    assert fit_line(relative, truth, np.zeros((1, 5), bool)) is None


@pytest.mark.parametrize("value", [0.0, 0.3, 0.1 + 1e-9])
def test_a_prediction_that_is_the_same_everywhere_becomes_the_mean(value: float) -> None:
    flat = np.full((4, 4), value, np.float32)
    flat[0, 0] += np.float32(1e-9)
    truth = np.arange(16.0).reshape(4, 4)

    fit = fit_line(flat, truth, everywhere(flat))

    assert fit is not None
    assert (fit.scale, fit.shift) == (0.0, pytest.approx(7.5))


def test_scores_by_hand() -> None:
    """Reference 10, 20, 30 m is 0, 0.5, 1. A prediction of 0, 1, 1 has the fit 0.75 x + 0: 0, 0.75, 0.75.

    Of the two pixels above 0: |p - g| / g is 0.5 and 0.25, (p - g)^2 / g is 0.125 and 0.0625.
    """
    scores = relative_scores(rows([0.0, 1.0, 1.0]), rows([10.0, 20.0, 30.0]), np.ones((1, 3), bool))

    assert scores is not None
    assert (scores.pixels, scores.zeros) == (2, 1)
    assert scores.abs_rel == pytest.approx(0.375)
    assert scores.sq_rel == pytest.approx(0.09375)
    assert scores.rmse == pytest.approx(math.sqrt((0.0625 + 0.0625 + 1e-12) / 3))
    one, two = math.log(1.5), math.log(0.75)
    assert scores.rmse_log == pytest.approx(math.sqrt((one**2 + two**2) / 2))
    assert scores.log10 == pytest.approx((math.log10(1.5) - math.log10(0.75)) / 2)
    assert scores.deltas == (0.0, 1.0, 1.0)  # 1.5 and 1.333
    assert scores.silog == pytest.approx(100 * (one - two) / 2)


def test_predictions_below_0_and_above_1_are_cut() -> None:
    """Reference 0, 0.5, 1, 1 and a prediction of 0, 0, 0.5, 1: the fit is 9/11 x + 0.3182, up to 1.136."""
    truth = rows([0.0, 5.0, 10.0, 10.0])
    scores = relative_scores(rows([0.0, 0.0, 0.5, 1.0]), truth, np.ones((1, 4), bool))

    assert scores is not None
    slope, shift = 9 / 11, 0.625 - 0.375 * 9 / 11
    said = np.clip(rows([0.0, 0.0, 0.5, 1.0]) * slope + shift, LEAST, 1.0)
    assert said.max() == 1.0
    assert scores.rmse == pytest.approx(float(np.sqrt(np.square(said - truth / 10).mean())))


def test_a_perfect_prediction_has_perfect_scores_in_any_unit() -> None:
    truth = np.linspace(-300.0, 4000.0, 64).reshape(8, 8)
    scores = relative_scores((truth + 300) / 8600, truth * 3.28, everywhere(truth))

    assert scores is not None
    assert (scores.pixels, scores.zeros) == (63, 1)
    assert scores.rmse < 1e-6
    assert scores.abs_rel < 1e-6
    assert scores.silog == pytest.approx(0.0, abs=1e-5)
    assert scores.deltas == (1.0, 1.0, 1.0)


def test_a_flat_reference_has_no_scores() -> None:
    assert relative_scores(rows([0.0, 1.0]), rows([5.0, 5.0]), np.ones((1, 2), bool)) is None
    assert relative_scores(rows([0.0, 1.0]), rows([5.0, 6.0]), np.zeros((1, 2), bool)) is None


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-1e4, 1e4)), min_size=2, max_size=30),
    st.floats(0.1, 100),
    st.floats(-1e3, 1e3),
)
def test_scores_do_not_depend_on_scale_and_shift_of_the_prediction(
    pairs: list[tuple[float, float]], scale: float, shift: float
) -> None:
    relative, truth = (np.round(rows(column), 3) for column in zip(*pairs, strict=True))
    first, second = (relative_scores(one, truth, everywhere(truth)) for one in (relative, relative * scale + shift))

    assert (first is None) == (second is None)
    if first is not None and second is not None and np.ptp(relative) > 0:
        assert first.rmse == pytest.approx(second.rmse, abs=1e-6)
        assert 0.0 <= first.rmse <= 1.0
        assert all(math.isfinite(value) for value in (first.abs_rel, first.sq_rel, first.rmse_log, first.silog))

"""Heights beside heights, counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rsviewer.core.agreement import BINS, EDGES, STEP, agreement, bins

heights = arrays(np.float32, (4, 5), elements=st.floats(-1e6, 1e6, width=32))


@given(heights)
def test_the_table_of_bins_is_what_a_search_says(height: np.ndarray) -> None:
    assert (bins(height) == np.searchsorted(EDGES, height, side="right")).all()
    assert (bins(np.asarray(EDGES)) == np.arange(1, BINS)).all(), "a height on an edge is above it"
    assert all(edge % STEP == 0 for edge in EDGES)


@given(heights, heights, arrays(bool, (4, 5)))
def test_every_pixel_counts_once_and_sums_are_those_of_the_errors(
    predicted: np.ndarray, reference: np.ndarray, valid: np.ndarray
) -> None:
    found = agreement(predicted, reference, valid)
    if not valid.any():
        assert found is None
        return
    assert found is not None
    assert found.counts.sum() == valid.sum()
    error = predicted[valid].astype(np.float64) - reference[valid]
    assert found.errors.sum() == pytest.approx(error.sum(), abs=1e-3)
    assert found.absolute.sum() == pytest.approx(np.abs(error).sum(), abs=1e-3)
    assert ((found + found).counts == 2 * found.counts).all()


def test_what_is_no_number_is_left_out() -> None:
    predicted = np.array([[1.0, np.nan, np.inf, 2.0]], np.float32)
    reference = np.array([[1.0, 1.0, 1.0, -np.inf]], np.float32)
    found = agreement(predicted, reference, np.ones((1, 4), bool))
    assert found is not None
    assert (found.counts.sum(), found.counts[np.ix_(bins(predicted[0, :1]), bins(reference[0, :1]))].item()) == (1, 1)
    assert agreement(predicted[:, :0], reference[:, :0], np.ones((1, 0), bool)) is None

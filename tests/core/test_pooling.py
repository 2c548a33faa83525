import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.pooling import BINS, Pool, count, extent_of
from rsviewer.core.stretch import Band, Range, measured


def band(*values: float, dtype: str = "float32") -> Band:
    return measured(0, np.array([values], dtype), None)


def pooled(tiles: list[Band], percent: float) -> tuple[Range, int]:
    """The range, and how often the tiles were counted for it."""
    extent = None
    for tile in tiles:
        own = extent_of([tile])
        if own is not None:
            extent = own if extent is None else extent.joined(own)
    assert extent is not None
    pool = Pool(extent, percent)
    times = 0
    while pool.limits is not None:
        for tile in tiles:
            pool.add(count([tile], pool.limits, whole=extent.whole))
        pool.settle()
        times += 1
    return pool.range, times


def test_nothing_cut_off_is_the_exact_minimum_and_maximum_without_a_count() -> None:
    assert pooled([band(1.1, 2), band(-0.3, 7)], 0.0) == (Range(float(np.float32(-0.3)), 7.0), 0)


def test_percentiles_of_whole_numbers_are_those_of_all_values_to_the_number() -> None:
    tiles = [band(*range(50), dtype="int16"), band(*range(50, 101), dtype="int16")]

    assert pooled(tiles, 10.0) == (Range(10.0, 90.0), 1)
    assert pooled(tiles, 2.5) == (Range(2.5, 97.5), 1), "between two numbers linear, as numpy.percentile has it"


def test_percentiles_of_decimals_are_good_to_a_bin() -> None:
    values = np.random.default_rng(1).gamma(2.0, 10.0, (4, 5000)).astype(np.float32)

    found, times = pooled([band(*row) for row in values], 1.0)

    wanted = np.percentile(values.astype(np.float64), (1.0, 99.0))
    step = (values.max() - values.min()) / BINS
    assert abs(found.low - wanted[0]) <= step
    assert abs(found.high - wanted[1]) <= step
    assert times == 1


@pytest.mark.parametrize("wild", [-9999.0, -3.4e38, 1e30])
def test_a_wild_value_does_not_spoil_the_others(wild: float) -> None:
    heights = np.linspace(100.0, 200.0, 10_001)

    found, times = pooled([band(*heights), band(wild)], 1.0)

    assert found.low == pytest.approx(101.0, abs=0.05)
    assert found.high == pytest.approx(199.0, abs=0.05)
    assert times <= 8


def test_large_whole_numbers_are_found_among_wild_ones() -> None:
    found, _ = pooled([band(*range(1000), dtype="int32"), band(-(2**31), dtype="int32")], 1.0)

    assert (found.low, found.high) == (pytest.approx(9.0, abs=1.0), pytest.approx(989.0, abs=1.0))


def test_where_percentiles_coincide_nothing_is_cut_off_as_in_a_pane() -> None:
    found, times = pooled([band(*[0.0] * 1000), band(30.5)], 1.0)

    assert found == Range(0.0, 30.5)
    assert times <= 4


def test_a_constant_is_its_own_range() -> None:
    assert pooled([band(5, 5), band(5)], 2.0) == (Range(5.0, 5.0), 0)


def test_what_means_nothing_is_not_counted() -> None:
    odd = measured(0, np.array([[np.nan, 1.0], [np.inf, 900.0]]), np.array([[True, True], [True, False]]))

    assert extent_of([band(np.nan)]) is None
    assert pooled([odd, band(2, 3)], 0.0)[0] == Range(1.0, 3.0)
    assert pooled([odd, band(2, 3), band(np.nan)], 40.0)[0] == Range(
        pytest.approx(1.8, abs=1e-4), pytest.approx(2.2, abs=1e-4)
    )


def test_types_may_differ_between_tiles() -> None:
    assert pooled([band(1, 2, 3, dtype="int16"), band(0.5)], 0.0)[0] == Range(0.5, 3.0)
    found = pooled([band(1, 2, 3, dtype="int16"), band(0.5)], 30.0)[0]
    assert (found.low, found.high) == (pytest.approx(0.95, abs=1e-3), pytest.approx(2.1, abs=1e-3))


def test_a_tile_that_vanishes_between_two_looks_does_no_harm() -> None:
    tiles = [band(*range(100)), band(*range(100, 200))]
    extent = extent_of(tiles)
    assert extent is not None
    pool = Pool(extent, 1.0)
    assert pool.limits is not None
    pool.add(count(tiles[:1], pool.limits, whole=False))
    pool.settle()
    assert pool.range.low == pytest.approx(1.99, abs=0.01)
    assert pool.range.high == 99.0

    gone = Pool(extent, 1.0)
    gone.settle()
    assert (gone.limits, gone.range) == (None, Range(0.0, 199.0))


@given(
    st.lists(st.lists(st.floats(-1e300, 1e300, width=64), min_size=1, max_size=20), min_size=1, max_size=4),
    st.floats(0.0, 50.0),
)
def test_it_always_ends_within_the_values(tiles: list[list[float]], percent: float) -> None:
    found, times = pooled([band(*tile, dtype="float64") for tile in tiles], percent)

    values = [value for tile in tiles for value in tile]
    assert min(values) <= found.low <= found.high <= max(values)
    assert times <= 8

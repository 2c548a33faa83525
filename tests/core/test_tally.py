"""Percentiles of many tiles, none of which is kept."""

import numpy as np
import pytest

from rsviewer.core.stretch import Range, measured
from rsviewer.core.tally import BINS, Tally, counted

RNG = np.random.default_rng(1)


def tallied(ends: Range, *tiles: np.ndarray) -> Tally:
    tally = Tally(ends)
    for values in tiles:
        tally.add(counted(measured(0, values, None), ends))
    return tally


@pytest.mark.parametrize("percents", [(1.0, 99.0), (0.0, 40.0), (0.3, 99.7), (0.0, 100.0)])
def test_percentiles_are_good_to_a_bin(percents: tuple[float, float]) -> None:
    tiles = [RNG.normal(mean, 300.0, (70, 1000)).astype(np.float32) for mean in (0.0, 2500.0)]
    ends = Range(float(min(tile.min() for tile in tiles)), float(max(tile.max() for tile in tiles)))

    found = tallied(ends, *tiles).ends(percents)

    wanted = np.percentile(np.concatenate(tiles), percents)
    bin_width = (ends.high - ends.low) / BINS
    assert np.abs(np.array([found.low, found.high]) - wanted).max() < 2 * bin_width + 0.05


def test_only_values_count() -> None:
    ends = Range(0.0, 10.0)
    values = np.array([[0.0, 10.0, -9999.0, np.nan]])
    band = measured(0, values, np.array([[True, True, False, True]]))

    counts = counted(band, ends)

    assert (counts.first, int(counts.counts.sum()), counts.counts.size) == (0, 2, BINS)


def test_where_nothing_lies_between_the_percentiles_the_ends_stay() -> None:
    ends = Range(0.0, 500.0)
    mostly_flat = np.zeros((10, 100), np.int16)
    mostly_flat[0, 0] = 500

    assert tallied(Range(7.0, 7.0), np.full((2, 2), 7)).ends((1.0, 99.0)) == Range(7.0, 7.0)
    assert Tally(ends).ends((1.0, 99.0)) == ends
    assert tallied(ends, mostly_flat).ends((1.0, 99.0)) == ends
    everything_void = measured(0, np.zeros((2, 2)), np.zeros((2, 2), bool))
    assert counted(everything_void, ends).counts.size == 0

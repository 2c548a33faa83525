"""Counting in the index gives what counting by hand gives."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.checks.suspicion import Examined
from rsviewer.core.errors import FilterError
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.statistics import ALL, FILTERED, NONE, OTHERS, Range, edges_of
from rsviewer.core.tile import TileId
from rsviewer.data import indexstats
from rsviewer.data.index import FileState, Measurement, TileIndex
from tests.data.test_index import IMAGE, NDSM, FakeAdapter, dataset_at, entry_of

TILES = 200


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TileIndex]:
    """Tile n has a greatest height of n / 10 m and a least one of -n / 100; the last twenty were not measured."""
    root = tmp_path_factory.mktemp("counted")
    splits = [("train",), ("test",), ("train", "small"), ()]
    entries = [entry_of(root, f"t{n}", group=f"g{n % 12}", splits=splits[n % 4]) for n in range(TILES)]
    made = TileIndex.open(None, dataset_at(root), FakeAdapter(entries))
    made.build()
    made.record(
        Measurement(TileId(f"t{n}"), NDSM, FileState.OK, "", 16, 16, -n / 100, n / 10, 0.0, 1.0, 1.0)
        for n in range(TILES - 20)
    )
    made.record(Measurement(TileId(f"t{n}"), IMAGE, FileState.OK, width=8 + n % 3, height=8) for n in range(TILES))
    made.load_reviews({TileId("t1"): Decision(Verdict.DROP, tags=("cloud",)), TileId("t2"): Decision(Verdict.GOOD)})
    yield made
    made.close()


def test_a_histogram_counts_every_measured_tile_once(index: TileIndex) -> None:
    found = index.statistics.histogram(["ndsm_max"])
    (every,) = found.series
    expected, _ = np.histogram(np.arange(TILES - 20) / 10, found.edges)
    assert every.name == ALL
    assert every.counts.tolist() == expected.tolist()
    assert (found.range.tiles, found.range.known, found.range.high) == (200, 180, 17.9)
    assert found.range.mean == pytest.approx(8.95)


def test_all_tiles_and_those_of_the_filter_share_an_axis(index: TileIndex) -> None:
    found = index.statistics.histogram(["ndsm_max"], "split = 'test'")
    every, kept = found.series
    assert kept.name == FILTERED
    assert (every.counts.sum(), kept.counts.sum()) == (180, 45)
    assert (every.counts >= kept.counts).all()
    assert found.range.known == 45


def test_a_tile_of_two_lists_counts_in_both(index: TileIndex) -> None:
    found = index.statistics.histogram(["ndsm_max"], by="split")
    counts = {series.name: int(series.counts.sum()) for series in found.series}
    assert counts == {"train": 90, "test": 45, "small": 45, NONE: 45}
    assert found.is_list


def test_beyond_eight_groups_the_rest_is_one(index: TileIndex) -> None:
    found = index.statistics.histogram(["ndsm_max"], by="group")
    assert len(found.series) == 9
    assert found.series[-1].name == OTHERS
    assert sum(int(series.counts.sum()) for series in found.series) == 180


def test_a_value_far_out_does_not_squeeze_all_others(index: TileIndex) -> None:
    index.record([Measurement(TileId("t199"), NDSM, FileState.OK, maximum=1e6, minimum=0.0)])
    try:
        cut = index.statistics.histogram(["ndsm_max"])
        assert cut.edges[-1] < 100
        assert cut.above == 1
        assert index.statistics.histogram(["ndsm_max"], whole=True).edges[-1] >= 1e6
    finally:
        index.record([Measurement(TileId("t199"), NDSM, FileState.OK)])


def test_whole_numbers_have_a_bar_each(index: TileIndex) -> None:
    found = index.statistics.histogram(["image_width"])
    assert found.edges.tolist() == [7.5, 8.5, 9.5, 10.5]
    assert found.series[0].counts.tolist() == [67, 67, 66]


def test_heights_of_three_columns_share_an_axis(index: TileIndex) -> None:
    found = index.statistics.histogram(["ndsm_min", "ndsm_max"])
    assert [series.name for series in found.series] == ["ndsm_min", "ndsm_max"]
    assert [int(series.counts.sum()) for series in found.series] == [180, 180]
    assert found.edges[0] <= -1.79
    assert found.edges[-1] >= 17.9


def test_what_was_not_measured_has_no_histogram_but_a_range_that_says_so(index: TileIndex) -> None:
    found = index.statistics.histogram(["image_max"])
    assert not found.series
    assert (found.range.tiles, found.range.known) == (200, 0)


def test_texts_lists_and_claims_are_bars(index: TileIndex) -> None:
    statistics = index.statistics
    splits = statistics.bars("split", "ndsm_max < 0.4")
    assert splits.names == ("train", "small", "test", NONE)
    assert [series.counts.tolist() for series in splits.series] == [[100, 50, 50, 50], [2, 1, 1, 1]]
    assert statistics.bars("reviewed").names == ("no", "yes")
    by_verdict = statistics.bars("group", "group in ('g1', 'g2')", by="verdict")
    assert by_verdict.names == ("g1", "g2")
    assert {series.name: series.counts.tolist() for series in by_verdict.series} == {
        "undecided": [16, 16],
        "drop": [1, 0],
        "good": [0, 1],
    }


def test_few_tiles_are_points_and_those_left_out_stay_behind_them(index: TileIndex) -> None:
    found = index.statistics.pairs("ndsm_min", "ndsm_max", "split = 'test'", by="split")
    assert found.points is not None
    assert (found.points.kinds >= 0).sum() == 45
    assert len(found.points.x) == 180
    assert found.points.ordinals[found.points.kinds >= 0].tolist()[:2] == [1, 5]
    assert found.correlation == pytest.approx(-1)
    x0, y0, x1, y1 = found.extent
    assert x0 < -1.79 < 0 < x1
    assert y0 < 0 < 17.9 < y1


def test_many_tiles_are_counted_on_a_grid(index: TileIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexstats, "POINTS_MOST", 50)
    every = index.statistics.pairs("ndsm_min", "ndsm_max")
    assert every.points is None
    assert every.cells is not None
    assert every.cells.counts.sum() == 180
    some = index.statistics.pairs("ndsm_min", "ndsm_max", "split = 'test'")
    assert some.points is not None
    assert len(some.points.x) == 45
    assert some.behind is not None
    assert some.behind.counts.sum() == 180


def test_the_table_holds_the_numbers_that_are_shown(index: TileIndex) -> None:
    head, rows = index.statistics.histogram(["image_width"], "split = 'test'").rows()
    assert head == ("from", "to", ALL, FILTERED)
    assert rows[0] == (7.5, 8.5, 67, 16)
    head, rows = index.statistics.bars("split").rows()
    assert head == ("split", "all tiles (tiles)")
    assert rows[0] == ("train", 100)
    head, rows = index.statistics.pairs("ndsm_min", "ndsm_max", "ndsm_max < 0.2", by="split").rows()
    assert head == ("ndsm_min", "ndsm_max", "kind")
    assert rows == [(0.0, 0.0, "train"), (-0.01, 0.1, "test")]


def test_a_count_is_that_of_the_filter(index: TileIndex) -> None:
    assert index.statistics.count("ndsm_max >= 10") == 80
    assert index.statistics.count("") == 200
    with pytest.raises(FilterError):
        index.statistics.count("nosuch > 1")


def test_a_column_that_is_gone_is_a_sentence(index: TileIndex) -> None:
    with pytest.raises(FilterError, match="There is no column 'demo_mae' any more"):
        index.statistics.histogram(["demo_mae"])


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(1, 80), st.booleans())
def test_bins_hold_all_values_unless_they_lie_far_out(values: list[float], bins: int, whole: bool) -> None:
    column = np.array(values)
    near, far = np.quantile(column, (0.05, 0.95))
    is_whole = bool((column == np.floor(column)).all())
    known = Range(len(values), len(values), column.min(), column.max(), near, far, 0.0, 0.0, is_whole)
    edges = edges_of(known, bins, whole=whole)
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 2 * max(bins, 128) + 4
    if whole:
        assert edges[0] <= column.min()
        assert edges[-1] >= column.max()


def test_shares_of_classes_are_the_means_that_the_checks_counted(index: TileIndex) -> None:
    assert index.statistics.classes(("", "water", "road")).names == ()
    index.checks.record(
        Examined(TileId(f"t{n}"), traits={"shares": (float("nan"), share, 1 - share)})
        for n, share in ((1, 0.2), (2, 0.4))
    )
    every = index.statistics.classes(("", "water", "road"))
    assert (every.names, every.unit, every.tiles) == (("road", "water"), "%", 2)
    assert every.series[0].counts.tolist() == pytest.approx([70, 30])
    some = index.statistics.classes(("", "water", "road"), "split = 'test'")
    assert (some.tiles, some.series[1].counts.tolist()) == (1, pytest.approx([80, 20]))

"""Scores are the paper's, on valid pixels only."""

import json
import math
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsviewer.core.metrics import (
    SCORE_COLUMNS,
    ExactMean,
    HeightScores,
    LabelScores,
    Totals,
    confusion,
    height_scores,
    label_scores,
    numbers,
)
from rsviewer.core.relative import RelativeScores

SIDE = 9
HEIGHTS = hnp.arrays(np.float32, (SIDE, SIDE), elements=st.floats(-50, 400, width=32))
CLASSES = hnp.arrays(np.int16, (SIDE, SIDE), elements=st.integers(-1, 3))
MASKS = hnp.arrays(np.bool_, (SIDE, SIDE))
EVERYWHERE = np.ones((SIDE, SIDE), bool)


def scored(predicted: Any, reference: Any, valid: Any = True) -> HeightScores:
    predicted = np.asarray(predicted)
    scores = height_scores(predicted, np.asarray(reference), np.broadcast_to(np.asarray(valid), predicted.shape))
    assert scores is not None
    return scores


def tile(height: float, size: int = SIDE) -> NDArray[np.float32]:
    return np.full((size, size), height, np.float32)


def labelled(table: Any) -> LabelScores:
    scores = label_scores(np.array(table, np.int64))
    assert scores is not None
    return scores


def golden() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The tile on which the authors' own code was run."""
    y, x = np.mgrid[:64, :64]
    reference = np.where((x > 20) & (x < 40) & (y > 10) & (y < 50), 10.0, 0.0)
    reference[:5, :5] = 2.5
    predicted = np.where((x > 22) & (x < 43) & (y > 12) & (y < 52), 9.0, 0.2) + 0.01 * (x - 32)
    predicted[60:, 60:] = -3.0
    return predicted.astype(np.float32), reference.astype(np.float32)


@pytest.mark.parametrize("precise", [np.float32, np.float64])
def test_the_scores_are_those_of_the_papers_code(precise: type[np.floating]) -> None:
    predicted, reference = golden()
    scores = scored(predicted.astype(precise), reference.astype(precise))
    whole, low, mid, high = (scores.regions[name] for name in ("whole", "low", "mid", "high"))

    assert (whole.mae, whole.rmse) == pytest.approx((0.937514, 2.440179), abs=1e-6)
    assert whole.deltas[0] == pytest.approx(0.354492, abs=1e-6)
    assert (scores.precision, scores.recall) == pytest.approx((0.80641, 0.821149), abs=1e-6)
    assert (scores.f1[0], scores.accuracy) == pytest.approx((0.813713, 0.928642), abs=1e-6)
    assert (high.mae, high.rmse) == pytest.approx((3.487231, 5.18527), abs=1e-6)
    assert high.deltas[0] == pytest.approx(0.705157, abs=1e-6)
    assert (low.mae, low.rmse) == pytest.approx((3.460316, 5.130731), abs=1e-6)
    assert mid == low


def test_what_lies_on_invalid_pixels_or_is_no_number_changes_nothing() -> None:
    predicted, reference = golden()
    known = scored(predicted, reference)
    wider = np.pad(predicted, 2, constant_values=1e6)
    wider[0], wider[-1] = np.nan, np.inf
    valid = np.ones(wider.shape, bool)
    valid[1:-1, :2] = valid[1:-1, -2:] = valid[1] = valid[-2] = False
    truth = np.pad(reference, 2, constant_values=-9999.0)
    assert scored(wider, truth, valid) == known
    assert (truth[0, 0], predicted.min()) == (-9999.0, -3.0)


def test_where_nothing_is_valid_there_are_no_scores() -> None:
    assert height_scores(tile(1), tile(1), np.zeros((SIDE, SIDE), bool)) is None
    assert height_scores(tile(np.nan), tile(1), EVERYWHERE) is None
    assert height_scores(np.empty((0, 4)), np.empty((0, 4)), np.empty((0, 4), bool)) is None
    assert label_scores(np.zeros((3, 3), np.int64)) is None


def test_a_region_needs_49_pixels_and_both_above_its_limit() -> None:
    reference, predicted = tile(0, 10), tile(0, 10)
    reference.flat[:48] = 5.0
    predicted.flat[:48] = 2.5
    assert list(scored(predicted, reference).regions) == ["whole"]
    reference.flat[48] = 1.5
    regions = scored(predicted, reference).regions
    assert list(regions) == ["whole", "low"]
    assert regions["low"].pixels == 49
    reference.flat[48] = 2.5
    assert list(scored(predicted, reference).regions) == ["whole", "low", "mid"]  # no prediction above 3 m


def test_fewer_than_49_pixels_have_no_whole_and_count_for_nothing() -> None:
    small = scored(tile(3, 6), tile(3, 6))
    assert small.whole is None
    assert numbers(small, None) == {}
    totals = Totals()
    totals.add(small, None)
    assert totals.metrics() == {"tiles_compared": 1.0}


def test_the_bias_keeps_its_sign_below_ground_but_errors_stop_there() -> None:
    whole = scored(tile(-3), tile(1)).whole
    assert whole is not None
    assert (whole.bias, whole.mae) == pytest.approx((-4.0, 1.0), abs=1e-5)
    assert whole.log10 == pytest.approx(6.0, abs=1e-5)


def test_of_what_stands_and_is_off_by_too_much_f1_knows_nothing() -> None:
    predicted = np.array([[10.0, 10.0, 10.0, 0.2, 0.2, 0.9]] * 10)
    reference = np.array([[9.0, 6.0, 0.0, 10.0, 0.1, 0.1]] * 10)
    scores = scored(predicted, reference)
    assert (scores.precision, scores.recall) == (0.5, 0.5)
    assert scores.f1 == (0.5, 0.5, pytest.approx(2 / 3))  # the second joins within 1.25^3
    assert scores.accuracy == 0.5  # of four kinds of pixels: 0.9 for 0.1 m is not right, but no mistake either
    assert scores.kappa == 0.0


def test_flat_ground_has_no_f1_but_is_right() -> None:
    scores = scored(tile(0), tile(0.2))
    assert (scores.f1, scores.precision, scores.recall, scores.kappa) == ((0, 0, 0), 0, 0, 0)
    assert scores.accuracy == 1.0


def test_heights_beyond_reason_make_numbers_that_json_can_hold() -> None:
    json.dumps(numbers(scored(tile(1e6), tile(-1e6)), None), allow_nan=False)
    json.dumps(numbers(scored(tile(3e38), tile(-3e38)), None), allow_nan=False)


def test_one_tile_with_absurd_heights_does_not_spoil_the_others() -> None:
    totals = Totals()
    totals.add(scored(np.full((SIDE, SIDE), 1e200), tile(1)), None)
    totals.add(scored(tile(3), tile(1)), None)
    metrics = totals.metrics()
    assert metrics["rmse"] == pytest.approx(2.0)
    assert metrics["log10"] == pytest.approx((200 + math.log10(3)) / 2)


@given(HEIGHTS)
def test_a_perfect_prediction_has_no_error(height: NDArray[np.float32]) -> None:
    for region in scored(height, height).regions.values():
        assert (region.mae, region.rmse, region.bias, region.log10, region.deltas) == (0, 0, 0, 0, (1, 1, 1))


@given(HEIGHTS, HEIGHTS, MASKS, st.randoms())
def test_scores_do_not_depend_on_where_pixels_lie(
    predicted: NDArray[np.float32], reference: NDArray[np.float32], valid: NDArray[np.bool_], random: Any
) -> None:
    order = list(range(predicted.size))
    random.shuffle(order)
    one = height_scores(predicted, reference, valid)
    other = height_scores(predicted.ravel()[order], reference.ravel()[order], valid.ravel()[order])
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    assert (one.f1, one.accuracy, one.kappa) == (other.f1, other.accuracy, other.kappa)
    assert one.regions.keys() == other.regions.keys()
    for name, region in one.regions.items():
        assert region.deltas == other.regions[name].deltas
        assert region.mae == pytest.approx(other.regions[name].mae, rel=1e-6, abs=1e-9)


@given(HEIGHTS, HEIGHTS, MASKS)
def test_every_score_is_what_its_definition_says(
    predicted: NDArray[np.float32], reference: NDArray[np.float32], valid: NDArray[np.bool_]
) -> None:
    scores = height_scores(predicted, reference, valid)
    if scores is None:
        assert not valid.any()
        return
    p, g = predicted[valid].astype(np.float64), reference[valid].astype(np.float64)
    bias = p - g
    p[p <= 0], g[g <= 0] = 1e-6, 1e-6
    for name, limit in {"whole": 0, "low": 1, "mid": 2, "high": 3}.items():
        region = (p > limit) | (g > limit)
        assert (name in scores.regions) == (region.sum() >= 49 and (p > limit).any() and (g > limit).any())
        if name in scores.regions:
            found, error = scores.regions[name], (p - g)[region]
            assert found.pixels == region.sum()
            assert found.mae == pytest.approx(np.abs(error).mean(), rel=1e-5, abs=1e-5)
            assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5, abs=1e-5)
            assert found.bias == pytest.approx(bias[region].mean(), rel=1e-4, abs=1e-4)
            log = np.abs(np.log10(p[region]) - np.log10(g[region])).mean()
            assert found.log10 == pytest.approx(log, rel=1e-4, abs=1e-5)
            assert found.rmse >= found.mae - 1e-6
            assert list(found.deltas) == sorted(found.deltas)


@given(CLASSES, CLASSES, MASKS)
def test_confusion_counts_what_is_valid_and_a_class(
    predicted: NDArray[np.int16], reference: NDArray[np.int16], valid: NDArray[np.bool_]
) -> None:
    table = confusion(predicted, reference, valid, 3)
    for row in range(3):
        for column in range(3):
            assert table[row, column] == ((reference == row) & (predicted == column) & valid).sum()
    np.testing.assert_array_equal(confusion(reference, predicted, valid, 3), table.T)


@given(hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 1000)))
def test_iou_does_not_know_which_of_the_two_is_the_reference(table: NDArray[np.int64]) -> None:
    scores, turned = label_scores(table), label_scores(table.T)
    if scores is None or turned is None:
        assert not table.any()
        return
    assert turned.iou == pytest.approx(scores.iou, nan_ok=True)
    assert (turned.accuracy, turned.miou) == pytest.approx((scores.accuracy, scores.miou))
    assert 0 <= scores.miou <= 1


def test_a_class_that_nobody_has_does_not_count_for_the_mean() -> None:
    scores = labelled([[6, 2, 0], [0, 2, 0], [0, 0, 0]])
    assert scores.iou[:2] == (0.75, 0.5)
    assert math.isnan(scores.iou[2])
    assert (scores.miou, scores.accuracy) == (0.625, 0.8)


@pytest.mark.parametrize("stored", [np.uint8, np.int16, np.uint64])
def test_labels_may_be_stored_in_any_whole_type(stored: type[np.integer]) -> None:
    labels = np.array([[0, 1, 200]], stored)
    assert confusion(labels, labels, np.ones(labels.shape, bool), 2).tolist() == [[1, 0], [0, 1]]


def test_over_many_tiles_heights_are_a_mean_of_tiles_and_classes_a_sum_of_pixels() -> None:
    totals = Totals(("Water", "Tree"))
    totals.add(scored(tile(11), tile(10)), labelled([[9, 1], [0, 0]]))
    totals.add(scored(tile(0.75, 100), tile(0, 100)), labelled([[0, 0], [80, 10]]))
    totals.add(None, None)
    metrics = totals.metrics()
    assert metrics["mae"] == pytest.approx((1.0 + 0.75) / 2, abs=1e-6)
    assert metrics["mae_high"] == metrics["mae_low"] == 1.0  # the second tile has nothing that high
    assert (metrics["f1_1"], metrics["oa"]) == (0.5, 0.5)
    assert metrics["accuracy"] == 0.19
    assert (metrics["iou_Water"], metrics["iou_Tree"]) == (9 / 90, 10 / 91)
    assert metrics["miou"] == metrics["miou_all"] == pytest.approx((9 / 90 + 10 / 91) / 2)
    assert metrics["aa"] == pytest.approx((9 / 10 + 10 / 90) / 2)
    assert metrics["tiles_compared"] == 2
    assert totals.confusion is not None
    assert totals.confusion.tolist() == [[9, 1], [80, 10]]


def test_classes_that_mean_nothing_are_none_of_all_classes() -> None:
    totals = Totals(("invalid", "Water", "Tree"), void=1)
    totals.add(None, labelled([[0, 0, 0], [0, 3, 0], [0, 0, 0]]))
    assert totals.metrics()["miou_all"] == 0.5
    totals = Totals(("none", "Water", "Tree"), void=1)
    totals.add(None, label_scores(np.array([[0, 0, 0], [1, 3, 0], [0, 0, 4]]), 0))
    assert totals.metrics()["miou"] == totals.metrics()["miou_all"] == pytest.approx((3 / 4 + 1) / 2)


def test_totals_of_nothing_are_empty_and_a_class_that_never_occurs_is_absent() -> None:
    totals = Totals(("Water", "Tree"))
    assert (totals.metrics(), totals.confusion) == ({"tiles_compared": 0.0}, None)
    totals.add(None, labelled([[3, 0], [0, 0]]))
    found = totals.metrics()
    assert (found.pop("aa"), found.pop("miou_all")) == (
        1,
        0.5,
    )  # as DFC2020 has it: of the classes there, of all classes
    assert found == {"accuracy": 1, "miou": 1, "iou_Water": 1, "tiles_compared": 1}


def test_one_tile_has_a_number_for_every_column() -> None:
    relative = RelativeScores(9, 1, 0.1, 0.2, 0.3, 0.4, 0.5, (0.6, 0.7, 0.8), 0.9)
    found = numbers(replace(scored(*golden()), relative=relative), labelled([[9, 1], [0, 0]]))
    elsewhere = {name for name in SCORE_COLUMNS if name.startswith("scene_")} | {
        "similarity",
        "nearness",
        "top1",
        "top5",
        "objects_f1",
        "lines_f1",
    }
    assert list(found) == [name for name in SCORE_COLUMNS if name not in elsewhere]
    assert all(type(value) is float for value in found.values())
    assert found["f1"] == pytest.approx(0.813713, abs=1e-6)
    assert (found["abs_rel"], found["rmse_rel"], found["delta3_rel"], found["silog"]) == (0.1, 0.3, 0.8, 0.9)
    assert numbers(None, None) == {}


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30))
def test_the_mean_is_exact_in_any_order_and_keeps_no_numbers(values: list[float]) -> None:
    one, other = ExactMean(), ExactMean()
    for value, last in zip(values, reversed(values), strict=True):
        one.add(value)
        other.add(last)
    assert one.value == other.value == math.fsum(values) / len(values)


def test_totals_of_a_hundred_thousand_tiles_take_no_more_memory_than_of_a_few() -> None:
    totals, heights = Totals(), np.random.default_rng(0).uniform(0, 9, (300, SIDE, SIDE))
    tiles = [scored(height, tile(1)) for height in heights]
    tracemalloc.start()
    for one in tiles[:50]:
        totals.add(one, None)
    before = tracemalloc.get_traced_memory()[0]
    for one in tiles[50:] * 8:
        totals.add(one, None)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000  # it was a kilobyte a tile

"""Scores of whole tiles, against numbers that were worked out by hand."""

import random
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.model import ModelOutput, OutputKind, Scores
from rsviewer.core.prediction import Prediction, Score, said_of_tile
from rsviewer.core.scenemetrics import (
    SceneScores,
    SceneTotals,
    compared_scene,
    row_shares,
    scene_numbers,
    single_label_metrics,
)
from rsviewer.core.tile import LabelClass, TileId

CLASSES = tuple(LabelClass(value, name, (0, 0, 0)) for value, name in ((1, "forest"), (2, "crops"), (3, "water")))

# Three tiles. Said: {0, 1}, {0}, {}; there: {0}, {0, 2}, {1}.
TRUTH = np.array([[1, 0, 0], [1, 0, 1], [0, 1, 0]], bool)
PROBABILITIES = np.array([[0.9, 0.6, 0.1], [0.8, 0.3, 0.2], [0.1, 0.2, 0.4]])


def totals(*tiles: SceneScores) -> SceneTotals:
    found = SceneTotals()
    for one in tiles:
        found.add(one)
    return found


def multi_label_metrics(truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Of (tiles, classes)."""
    tiles = zip(probabilities.tolist(), truth.astype(float).tolist(), strict=True)
    return totals(*(SceneScores(tuple(said), tuple(true), several=True) for said, true in tiles)).metrics()


def test_precision_recall_and_f_of_several_classes() -> None:
    found = multi_label_metrics(TRUTH, PROBABILITIES)
    # Class 0: 2 hits of 2 said, of 2 there. Class 1: 0 of 1, of 1. Class 2: 0 of 0, of 1.
    assert found["scene_macro_precision"] == pytest.approx((1 + 0 + 0) / 3)
    assert found["scene_macro_recall"] == pytest.approx((1 + 0 + 0) / 3)
    assert found["scene_macro_f1"] == found["scene_macro_f2"] == pytest.approx(1 / 3)
    # Together: 2 hits of 3 said, of 4 there.
    assert found["scene_micro_precision"] == pytest.approx(2 / 3)
    assert found["scene_micro_recall"] == pytest.approx(2 / 4)
    assert found["scene_micro_f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["scene_micro_f2"] == pytest.approx(5 * 2 / (4 * 4 + 3))
    # Tile by tile: 1 of 2 and of 1; 1 of 1 and of 2; 0 of 0 and of 1.
    assert found["scene_sample_precision"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["scene_sample_recall"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["scene_sample_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert found["scene_sample_f2"] == pytest.approx((5 / 6 + 5 / 9 + 0) / 3)


def test_wrong_answers_and_tiles_without_any() -> None:
    found = multi_label_metrics(TRUTH, PROBABILITIES)
    assert found["scene_hamming_loss"] == pytest.approx(3 / 9)
    assert found["scene_subset_accuracy"] == 0
    assert multi_label_metrics(TRUTH[:1], PROBABILITIES[:1] * [1, 0, 1])["scene_subset_accuracy"] == 1


def test_the_order_of_classes() -> None:
    found = multi_label_metrics(TRUTH, PROBABILITIES)
    assert found["scene_one_error"] == pytest.approx(1 / 3)  # of the third tile, water is the likeliest
    assert found["scene_coverage"] == pytest.approx((1 + 3 + 2) / 3)
    # Second tile: pairs (0, 1) right and (2, 1) wrong. Third: (1, 0) right and (1, 2) wrong.
    assert found["scene_ranking_loss"] == pytest.approx((0 + 1 / 2 + 1 / 2) / 3)
    # Second: 1/1 for class 0, 2/3 for class 2. Third: 1/2.
    assert found["scene_lrap"] == pytest.approx((1 + (1 + 2 / 3) / 2 + 1 / 2) / 3)


def test_equal_probabilities_count_as_the_worse_order() -> None:
    found = multi_label_metrics(np.array([[True, False, False]]), np.array([[0.5, 0.5, 0.1]]))
    assert found["scene_coverage"] == 2
    assert found["scene_ranking_loss"] == 1 / 2
    assert found["scene_lrap"] == 1 / 2
    everything = multi_label_metrics(np.array([[True, True, True]]), np.array([[0.5, 0.5, 0.1]]))
    assert (everything["scene_ranking_loss"], everything["scene_lrap"], everything["scene_coverage"]) == (0, 1, 3)


def test_the_accuracy_of_single_classes_and_its_mean_over_all_of_them() -> None:
    table = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert row_shares(table).tolist() == [[0.75, 0.25, 0], [0, 0, 0], [0.5, 0, 0.5]]
    # A class without tiles counts as 0, as in the toolbox.
    assert single_label_metrics(table) == {"scene_accuracy": pytest.approx(4 / 6), "scene_aa": pytest.approx(1.25 / 3)}


def output(scores: Scores, least_share: float = 0.1) -> ModelOutput:
    return ModelOutput(OutputKind.SCENE, "scene", classes=CLASSES, scores=scores, least_share=least_share)


def test_what_is_on_a_tile_is_told_by_the_shares_of_its_area() -> None:
    one = compared_scene(output(Scores.LOGITS), (0.2, 0.5, 0.3), (0.45, 0.45, 0.1))
    assert one is not None
    assert (one.true, one.said, one.accuracy) == (
        (True, False, False),
        (False, True, False),
        0,
    )  # the first of the largest
    several = compared_scene(output(Scores.INDEPENDENT), (0.5, 0.49, 0.1), (0.89, 0.01, 0.1))
    assert several is not None
    assert (several.true, several.said) == ((True, False, True), (True, False, False))
    assert (several.accuracy, several.f1) == pytest.approx((2 / 3, 2 / 3))
    assert compared_scene(output(Scores.INDEPENDENT, 0.2), (0.5, 0.49, 0.1), (0.8, 0.1, 0.1)) == SceneScores(
        (0.5, 0.49, 0.1), (0.8, 0.1, 0.1), several=True, least_share=0.2
    )


def test_a_tile_where_nothing_is_known_has_no_scores() -> None:
    for scores in (Scores.LOGITS, Scores.INDEPENDENT):
        assert compared_scene(output(scores), (0.2, 0.5, 0.3), (0, 0, 0)) is None


def test_totals_take_the_measures_of_their_kind() -> None:
    right, wrong = SceneScores((0.2, 0.8), (0, 1)), SceneScores((0.2, 0.8), (1, 0))
    single = totals(right, wrong)
    assert single.metrics() == {"scene_accuracy": 0.5, "scene_aa": 0.5, "tiles_compared": 2}
    assert single.confusion is not None
    assert single.confusion.tolist() == [[0, 1], [0, 1]]
    both = SceneScores((0.2, 0.8), (0, 1), several=True)
    several = totals(both)
    assert several.confusion is None
    assert several.metrics()["scene_subset_accuracy"] == 1
    assert scene_numbers(both) == {"scene_accuracy": 1, "scene_f1": 1}
    assert scene_numbers(wrong) == {"scene_accuracy": 0}
    assert scene_numbers(None) == {}
    empty = SceneTotals()
    empty.add(None)
    assert empty.metrics() == {}


@pytest.mark.parametrize("several", [False, True])
def test_a_hundred_thousand_tiles_take_no_more_memory_than_a_few(several: bool) -> None:
    found = SceneTotals()
    chance = random.Random(0)

    def tile() -> SceneScores:
        numbers = [tuple(chance.uniform(0.01, 1) for _ in range(10)) for _ in range(2)]
        return SceneScores(numbers[0], numbers[1], several)

    tracemalloc.start()
    for _ in range(50):
        found.add(tile())
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        found.add(tile())
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000  # it was a kilobyte a tile


def test_the_order_of_tiles_does_not_matter() -> None:
    chance = np.random.default_rng(0)
    tiles = [SceneScores(tuple(one), tuple(other), several=True) for one, other in chance.random((200, 2, 7)).tolist()]
    assert totals(*tiles).metrics() == totals(*reversed(tiles)).metrics()


def test_a_tile_is_told_in_a_line() -> None:
    said = (Score("forest", 0.8), Score("crops", 0.51), Score("water", 0.2))
    line = {scores: said_of_tile(output(scores), Prediction(TileId("a"), "m", scores=said)) for scores in Scores}
    assert line[Scores.LOGITS] == "scene: forest 80 %"
    assert line[Scores.INDEPENDENT] == "scene: forest 80 %, crops 51 %"
    unsure = Prediction(TileId("a"), "m", scores=said[2:])
    assert said_of_tile(output(Scores.INDEPENDENT), unsure) == "scene: none"
    assert said_of_tile(output(Scores.LOGITS), Prediction(TileId("a"), "m")) == ""

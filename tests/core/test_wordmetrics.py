"""Labels among classes in words, captions among images: measures with known answers."""

import numpy as np
import pytest

from rsviewer.core.prediction import Prediction, Score
from rsviewer.core.tile import TileId
from rsviewer.core.wordmetrics import WordTotals, retrieval, word_numbers, word_scores


def said(*names: str, similarity: float | None = None) -> Prediction:
    return Prediction(TileId("a"), "m", scores=tuple(Score(name, 0.1) for name in names), similarity=similarity)


def test_a_label_counts_where_it_is_among_the_likeliest() -> None:
    totals = WordTotals()
    six = ("river", "lake", "sea", "road", "field", "dense forest")
    for prediction, label in (
        (said(*six), "River"),
        (said(*six), "field"),
        (said(*six), "dense_forest"),
        (said(*six), "town"),
        (said(*six, similarity=0.25), ""),
    ):
        totals.add(word_scores(prediction, label))
    assert totals.unknown == 1
    assert totals.metrics() == pytest.approx({"top1": 1 / 3, "top5": 2 / 3, "similarity": 0.25, "tiles_labelled": 3.0})
    assert word_numbers(word_scores(said(*six), "field")) == {"top1": 0.0, "top5": 1.0}
    assert word_scores(said(*six)) is None


def test_captions_are_found_where_they_are_nearest_and_shared_ones_count_for_all() -> None:
    images = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [0, 1, 0]], np.float32)
    texts = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0.1, 0.9, 0.1]], np.float32)
    found = retrieval(images, texts, ["a", "a", "b", "c"])
    # texts: a is nearest to its first image; b to the image of c; c to its own.
    assert found["text_to_image_r1"] == pytest.approx(2 / 3)
    assert found["text_to_image_r5"] == 1.0
    # images: 1 and 2 find a; 3 finds c (0.1) before b (0); 4 finds b before c.
    assert found["image_to_text_r1"] == pytest.approx(2 / 4)
    assert found["image_to_text_r5"] == 1.0
    assert retrieval(images[:0], texts[:0], []) == {}


def test_equally_near_is_not_found() -> None:
    same = np.tile(np.array([[1, 0]], np.float32), (3, 1))
    assert retrieval(same, same, ["a", "b", "c"])["text_to_image_r1"] == 0.0

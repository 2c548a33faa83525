"""Labels among classes in words, captions among images: measures with known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core import wordmetrics
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
    texts = np.array([[1, 0, 0], [0, 1, 0], [0.1, 0.9, 0.1]], np.float32)
    found = retrieval(images, texts, np.array([(0, 0), (1, 0), (2, 1), (3, 2)]))
    # texts: a is nearest to its first image; b to the image of c; c to its own.
    assert found["text_to_image_r1"] == pytest.approx(2 / 3)
    assert found["text_to_image_r5"] == 1.0
    # images: 1 and 2 find a; 3 finds c (0.1) before b (0); 4 finds b before c.
    assert found["image_to_text_r1"] == pytest.approx(2 / 4)
    assert found["image_to_text_r5"] == 1.0
    assert retrieval(images[:0], texts[:0], np.zeros((0, 2), int)) == {}


def test_of_several_captions_of_an_image_any_counts() -> None:
    images = np.eye(3, dtype=np.float32)[:2]
    texts = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32)
    found = retrieval(images, texts, np.array([(0, 0), (0, 1), (1, 2)]))
    assert found["image_to_text_r1"] == 1.0
    assert found["text_to_image_r1"] == pytest.approx(2 / 3), "the first text is like neither"


def test_equally_near_is_not_found() -> None:
    same = np.tile(np.array([[1, 0]], np.float32), (3, 1))
    assert retrieval(same, same, np.array([(0, 0), (1, 1), (2, 2)]))["text_to_image_r1"] == 0.0


def test_what_is_no_number_is_not_found_and_in_nobodys_way() -> None:
    images = np.array([[1, 0], [np.nan, 0]], np.float32)
    found = retrieval(images, np.eye(2, dtype=np.float32), np.array([(0, 0), (1, 1)]))
    assert found["image_to_text_r10"] == found["text_to_image_r10"] == pytest.approx(1 / 2)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    images, texts = (random.normal(size=(count, 8)).astype(np.float32) for count in (60, 40))
    images[:40] += 1.2 * texts
    images, texts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (images, texts))
    more = random.integers(0, 40, (30, 2)) + np.array([20, 0])
    pairs = np.concatenate([np.stack([np.arange(40)] * 2, axis=1), more])
    whole = retrieval(images, texts, pairs)
    cosines, own = images @ texts.T, np.zeros((60, 40), bool)
    own[pairs[:, 0], pairs[:, 1]] = True
    for k in wordmetrics.RECALLS:
        nearest = np.argsort(-cosines, axis=1)[:, :k]
        hits = np.take_along_axis(own, nearest, axis=1).any(axis=1)
        assert whole[f"image_to_text_r{k}"] == pytest.approx(hits[own.any(axis=1)].mean())
        nearest = np.argsort(-cosines, axis=0)[:k]
        hits = np.take_along_axis(own, nearest, axis=0).any(axis=0)
        assert whole[f"text_to_image_r{k}"] == pytest.approx(hits[own.any(axis=0)].mean())
    monkeypatch.setattr(wordmetrics, "_BLOCK", 7)
    monkeypatch.setattr(wordmetrics, "_WIDTH", 9)
    assert retrieval(images, texts, pairs) == whole


CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0.6, 0.8], [np.nan, 0], [np.inf, 1]], np.float32)


@given(st.data())
def test_with_ties_and_duplicates_it_is_what_counting_gives(data: st.DataObject) -> None:
    places = st.lists(st.integers(0, len(CORNERS) - 1), min_size=1, max_size=14)
    images, texts = CORNERS[data.draw(places)], CORNERS[data.draw(places)]
    pair = st.tuples(st.integers(0, len(images) - 1), st.integers(0, len(texts) - 1))
    pairs = data.draw(st.lists(pair, min_size=1, max_size=20))
    told: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wordmetrics, "_BLOCK", data.draw(st.integers(1, 5)))
        patch.setattr(wordmetrics, "_WIDTH", data.draw(st.integers(1, 5)))
        found = retrieval(images, texts, np.array(pairs), lambda *said: told.append(said))
    own = set(pairs)
    real = [[np.isfinite(row).all() for row in rows] for rows in (images, texts)]
    cosines = [
        [float(image @ text) if real[0][i] and real[1][j] else math.nan for j, text in enumerate(texts)]
        for i, image in enumerate(images)
    ]
    for name, of_text in (("image_to_text", False), ("text_to_image", True)):
        table = {
            (pair[::-1] if of_text else pair): cosines[pair[0]][pair[1]] for pair in np.ndindex(len(images), len(texts))
        }
        mine = {pair[::-1] if of_text else pair for pair in own}
        asked = {one for one, _ in mine}
        for k in wordmetrics.RECALLS:
            hits = 0
            for one in asked:
                best = max(
                    (table[pair] for pair in mine if pair[0] == one and not math.isnan(table[pair])), default=None
                )
                others = (value for pair, value in table.items() if pair[0] == one and pair not in mine)
                hits += best is not None and sum(value >= best - 1e-6 for value in others) < k
            assert found[f"{name}_r{k}"] == pytest.approx(hits / len(asked))
    assert told[0] == (0, len(images))

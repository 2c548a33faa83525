"""Objects in boxes: what is drawn of them, and which of them are the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.boxes import Boxes, drawn, outline, without_doubles
from rsviewer.core.tile import LabelClass
from rsviewer.core.vector import Shape, category_counts, features_at

CLASSES = (
    LabelClass(0, "background", (0, 0, 0), void=True),
    LabelClass(1, "vessel", (255, 0, 0)),
    LabelClass(2, "pier", (0, 255, 0)),
)


def some(*rows: tuple[float, ...], masks: NDArray[np.uint8] | None = None) -> Boxes:
    """left, top, right, bottom, class, score"""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int32), table[:, 5], (100, 80), masks)


def test_only_objects_that_are_sure_enough_are_drawn_each_with_its_score() -> None:
    boxes = some((10, 20, 30, 40, 1, 0.9), (50, 50, 60, 70, 2, 0.3))
    sure, every = drawn(boxes, CLASSES, 0.5), drawn(boxes, CLASSES, 0.1)
    assert [feature.category for feature in sure.features] == ["vessel"]
    assert sure.features[0].shape is Shape.POLYGON
    assert sure.features[0].bounds == (10, 20, 30, 40)
    assert sure.features[0].properties == {"score": "0.90"}
    assert sure.extent == (100, 80)
    assert category_counts(sure) == {"vessel": 1, "pier": 0}  # looked for and not found
    assert category_counts(every) == {"vessel": 1, "pier": 1}
    assert features_at(sure, 15, 25, 1) == (0,)
    assert features_at(sure, 55, 55, 1) == ()


def test_of_an_object_with_a_mask_its_outline_is_drawn() -> None:
    mask = np.zeros((1, 28, 28), np.uint8)
    mask[0, 7:21, 14:] = 255
    (feature,) = drawn(some((0, 0, 56, 28, 1, 0.9), masks=mask), CLASSES).features
    assert feature.bounds == (28, 7, 56, 21)


def test_an_empty_mask_leaves_the_box() -> None:
    (feature,) = drawn(some((0, 0, 56, 28, 1, 0.9), masks=np.zeros((1, 28, 28), np.uint8)), CLASSES).features
    assert feature.bounds == (0, 0, 56, 28)


def test_an_outline_goes_around_the_largest_part_corner_by_corner() -> None:
    mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert {tuple(corner) for corner in outline(mask).tolist()} == {(0, 0), (2, 0), (2, 2), (0, 2)}
    stairs = np.array([[1, 0], [1, 1]], bool)
    assert outline(stairs).tolist() == [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [0, 2]]
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert {tuple(corner) for corner in outline(ring).tolist()} == {(0, 0), (3, 0), (3, 3), (0, 3)}
    assert len(outline(np.zeros((3, 3), bool))) == 0


@pytest.mark.parametrize("seed", range(20))
def test_an_outline_holds_what_it_is_drawn_around(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 7)) > 0.5
    found = outline(mask)
    x, y = found.T
    area = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2
    assert 1 <= area <= mask.size
    assert found.min() >= 0
    assert (found.max(axis=0) <= (7, 9)).all()


def test_what_two_windows_see_is_one_object_but_classes_stay_apart() -> None:
    boxes = some((10, 10, 30, 30, 1, 0.8), (11, 10, 31, 30, 1, 0.9), (10, 10, 30, 30, 2, 0.5), (60, 10, 80, 30, 1, 0.4))
    left = without_doubles(boxes)
    assert left.scores.tolist() == pytest.approx([0.9, 0.5, 0.4])
    assert left.labels.tolist() == [1, 2, 1]


def test_parts_that_do_not_fit_are_none() -> None:
    with pytest.raises(ValueError, match="differ in number"):
        Boxes(np.zeros((2, 4), np.float32), np.zeros(1, np.int32), np.zeros(2, np.float32), (1, 1))
    with pytest.raises(ValueError, match="no place"):
        some((0, 0, np.nan, 1, 1, 0.5))

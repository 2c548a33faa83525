"""Objects in boxes: what is drawn of them, and which of them are the same."""

from time import process_time

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.boxes import Boxes, drawn, fused, outline, without_doubles
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


def test_objects_of_several_passes_become_one_with_the_mean_of_boxes_and_scores() -> None:
    one = some((10, 10, 30, 30, 1, 0.9), (60, 60, 80, 80, 1, 0.4))
    other = some((12, 10, 32, 30, 1, 0.3), (10, 10, 30, 30, 2, 0.8))
    found = fused([one, other])
    assert found.labels.tolist() == [1, 2, 1]
    assert found.scores.tolist() == pytest.approx([0.6, 0.4, 0.2])  # who was seen once is half as sure
    assert np.allclose(found.corners, [[10.5, 10, 30.5, 30], [10, 10, 30, 30], [60, 60, 80, 80]], atol=1e-4)
    assert found.size == one.size
    assert fused([one, one]).scores.tolist() == pytest.approx(one.scores.tolist())
    assert len(fused([some(), some()]).scores) == 0


def test_two_objects_of_one_pass_are_never_taken_for_one() -> None:
    near = some((10, 10, 30, 30, 1, 0.9), (12, 10, 32, 30, 1, 0.8))
    found = fused([near, near])
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert np.allclose(found.corners, near.corners, atol=1e-4)


def test_masks_of_several_passes_are_averaged_by_scores() -> None:
    full, empty = (np.full((1, 28, 28), value, np.uint8) for value in (255, 0))
    found = fused([some((0, 0, 9, 9, 1, 0.6), masks=full), some((0, 0, 9, 9, 1, 0.2), masks=empty)])
    assert found.masks is not None
    assert found.masks.shape == (1, 28, 28)
    assert set(found.masks.ravel().tolist()) == {191}
    none = fused([some(masks=full[:0]), some(masks=full[:0])])
    assert none.masks is not None
    assert none.masks.shape == (0, 28, 28)


@pytest.mark.parametrize("seed", range(5))
def test_the_surest_stays_and_those_it_covers_go(seed: int) -> None:
    found = without_doubles(crowd(60, seed))
    assert (np.diff(found.scores) <= 0).all()
    wanted: list[tuple[float, ...]] = []
    for row in rows_of(crowd(60, seed)):
        if all(row[4] != other[4] or overlap(row, other) <= 0.5 for other in wanted):
            wanted.append(row)
    assert sorted(rows_of(found)) == sorted(wanted)


@pytest.mark.parametrize("seed", range(5))
def test_passes_are_fused_as_one_by_one(seed: int) -> None:
    passes = [crowd(12, 10 * seed + number) for number in range(4)]
    every = sorted(
        ((row, number) for number, one in enumerate(passes) for row in rows_of(one)), key=lambda item: -item[0][5]
    )
    groups: list[list[tuple[tuple[float, ...], int]]] = []
    for row, number in every:
        near = [
            (overlap(row, mean(group)), group)
            for group in groups
            if group[0][0][4] == row[4] and number not in {other for _, other in group}
        ]
        best = max(near, key=lambda item: item[0], default=(0.0, []))
        if best[0] > 0.55:
            best[1].append((row, number))
        else:
            groups.append([(row, number)])
    wanted = sorted((*mean(group), group[0][0][4], sum(row[5] for row, _ in group) / 4) for group in groups)
    assert np.allclose(sorted(rows_of(fused(passes))), wanted, atol=1e-4)


def test_thousands_of_objects_are_fused_in_seconds() -> None:
    began = process_time()
    assert len(fused([crowd(900, seed, 5000) for seed in range(8)]).scores) > 5000
    assert len(without_doubles(crowd(5000, 0, 5000)).scores) > 2000
    assert process_time() - began < 10  # one by one it took a minute


def crowd(count: int, seed: int, side: float = 60) -> Boxes:
    """Boxes of two classes that overlap, the surest first."""
    chance = np.random.default_rng(seed)
    corner = chance.uniform(0, side, (count, 2))
    scores = np.sort(chance.uniform(0.1, 1, count))[::-1]
    table = np.column_stack([corner, corner + chance.uniform(15, 25, (count, 2)), chance.integers(1, 3, count), scores])
    return some(*map(tuple, table.tolist()))


def rows_of(boxes: Boxes) -> list[tuple[float, ...]]:
    return list(map(tuple, np.column_stack([boxes.corners, boxes.labels, boxes.scores]).tolist()))


def mean(group: list[tuple[tuple[float, ...], int]]) -> tuple[float, ...]:
    weight = sum(row[5] for row, _ in group)
    return tuple(sum(row[at] * row[5] for row, _ in group) / weight for at in range(4))


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width, height = (max(min(one[at + 2], other[at + 2]) - max(one[at], other[at]), 0) for at in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)

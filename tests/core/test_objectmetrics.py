"""Objects are found within the tolerances of Satlas' evaluation, each once, and only what was looked for counts."""

import numpy as np
import pytest

from rsviewer.core.boxes import Boxes
from rsviewer.core.objectmetrics import ObjectScores, ObjectTotals, object_numbers, object_scores
from rsviewer.core.tile import LabelClass
from rsviewer.core.vector import Feature, Shape, Vector

CLASSES = (
    LabelClass(0, "background", (0, 0, 0), void=True),
    LabelClass(1, "wind turbine", (0, 255, 255)),
    LabelClass(2, "building", (255, 255, 0)),
    LabelClass(3, "helipad", (0, 0, 255)),
)
PIXEL = 16.0
"""Units of the labels."""


def boxes(*rows: tuple[float, float, float, float, int, float]) -> Boxes:
    """left, top, right, bottom, class, score in a tile of 512 x 512."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int32), table[:, 5], (512, 512))


def around(x: float, y: float, label: int = 1, score: float = 0.9) -> tuple[float, float, float, float, int, float]:
    return (x - 10, y - 10, x + 10, y + 10, label, score)


def labels(*features: Feature, annotated: tuple[str, ...] = ("wind_turbine",)) -> Vector:
    return Vector(features, (8192.0, 8192.0), annotated)


def turbine(x: float, y: float) -> Feature:
    return Feature("wind_turbine", Shape.POINT, (np.array([[x * PIXEL, y * PIXEL]]),))


def house(left: float, top: float, right: float, bottom: float) -> Feature:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Feature("ms_building", Shape.POLYGON, (np.array(corners) * PIXEL,))


@pytest.mark.parametrize(("away", "counts"), [(0, (1, 0, 0)), (7.9, (1, 0, 0)), (8.1, (0, 1, 1))])
def test_a_point_is_found_within_8_pixels(away: float, counts: tuple[int, int, int]) -> None:
    found = object_scores(boxes(around(100 + away, 200)), CLASSES, labels(turbine(100, 200)))
    assert found is not None
    assert found.counts == {"wind turbine": counts}


def test_each_box_finds_one_object_the_nearest_that_is_left() -> None:
    there = labels(turbine(100, 100), turbine(106, 100))
    both = object_scores(boxes(around(105, 100), around(104, 100, score=0.8)), CLASSES, there)
    one = object_scores(boxes(around(105, 100)), CLASSES, there)
    assert both is not None
    assert one is not None
    assert both.total == (2, 0, 0)
    assert one.total == (1, 0, 1)
    assert (one.precision, one.recall, one.f1) == (1, 0.5, pytest.approx(2 / 3))


@pytest.mark.parametrize(("shared", "is_found"), [(1.0, True), (0.25, True), (0.15, False), (0.0, False)])
def test_an_outline_is_found_from_an_overlap_of_a_tenth(shared: float, is_found: bool) -> None:
    left = 20 * (1 - shared)  # of 20 pixels: intersection over union is shared / (2 - shared)
    said = boxes((left, 0, left + 20, 20, 2, 0.9))
    found = object_scores(said, CLASSES, labels(house(0, 0, 20, 20), annotated=("ms_building",)))
    assert found is not None
    assert found.total == ((1, 0, 0) if is_found else (0, 1, 1))


def test_only_what_is_sure_enough_and_was_looked_for_counts() -> None:
    said = boxes(around(100, 100, score=0.4), around(300, 300, label=3))
    found = object_scores(said, CLASSES, labels(turbine(100, 100)))
    assert found is not None
    assert found.counts == {"wind turbine": (0, 0, 1)}  # nobody looked for helipads
    assert object_scores(said, CLASSES, labels(annotated=("smoke",))) is None
    empty = object_scores(boxes(), CLASSES, labels())
    assert empty is not None
    assert object_numbers(empty) == {}  # nothing there, nothing said: that is no F1 of 0
    assert object_numbers(found) == {"objects_f1": 0.0}


def test_tiles_are_summed_by_class() -> None:
    totals = ObjectTotals()
    assert totals.metrics() == {}
    totals.add(ObjectScores({"wind turbine": (3, 1, 0), "helipad": (0, 0, 0)}))
    totals.add(ObjectScores({"wind turbine": (1, 0, 3)}))
    totals.add(None)
    assert totals.metrics() == {
        "objects_f1": pytest.approx(8 / 12),
        "objects_precision": pytest.approx(4 / 5),
        "objects_recall": pytest.approx(4 / 7),
        "objects_f1_wind turbine": pytest.approx(8 / 12),
        "tiles_compared": 2,
    }

"""Objects are found within the tolerances of Satlas' evaluation, each once, and only what was looked for counts."""

from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.boxes import Boxes
from rsviewer.core.objectmetrics import FROM_SCORES, ObjectScores, ObjectTotals, object_numbers, object_scores
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


def counted(counts: tuple[int, int, int]) -> tuple[tuple[int, int, int], ...]:
    """The same from every score."""
    return (counts,) * len(FROM_SCORES)


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
    totals.add(ObjectScores({"wind turbine": counted((3, 1, 0)), "helipad": counted((0, 0, 0))}))
    totals.add(ObjectScores({"wind turbine": counted((1, 0, 3))}))
    totals.add(None)
    assert totals.metrics() == {
        "objects_f1": pytest.approx(8 / 12),
        "objects_precision": pytest.approx(4 / 5),
        "objects_recall": pytest.approx(4 / 7),
        "objects_best_f1": pytest.approx(8 / 12),
        "objects_f1_wind turbine": pytest.approx(8 / 12),
        "objects_best_f1_wind turbine": pytest.approx(8 / 12),
        "objects_best_score_wind turbine": 0.5,  # all are as good
        "tiles_compared": 2,
    }


def test_objects_are_counted_from_each_of_the_authors_scores_as_if_alone() -> None:
    said = [
        around(100, 100, score=0.9),
        around(103, 100, score=0.35),
        around(300, 300, score=0.2),
        around(9, 9, score=0.06),
    ]
    there = labels(turbine(100, 100), turbine(104, 100), turbine(300, 300))
    found = object_scores(boxes(*said), CLASSES, there)
    assert found is not None
    for place, least in enumerate(FROM_SCORES):
        alone = [row for row in said if row[5] >= least]
        hits = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3}[len(alone)]
        assert found.by_score["wind turbine"][place] == (hits, len(alone) - hits, 3 - hits)
    assert found.total == (1, 0, 2)
    assert [found.near(score).total for score in (0.0, 0.19, 0.33, 1.0)] == [(3, 1, 0), (3, 0, 0), (2, 0, 1), (0, 0, 3)]
    assert found.best == {"wind turbine": 0.2}  # 3 found, none invented: also from 0.1


def test_the_best_score_of_each_class_is_that_of_all_tiles_together() -> None:
    totals = ObjectTotals()
    for x, low in ((100.0, 0.3), (200.0, 0.4)):
        there = labels(turbine(x, x), house(10, 10, 30, 30), annotated=("wind_turbine", "ms_building"))
        said = boxes(
            around(x, x, score=low), around(400, 400, score=0.1), (10, 10, 30, 30, 2, 0.95), (60, 60, 99, 99, 2, 0.8)
        )
        totals.add(object_scores(said, CLASSES, there))
    found = totals.metrics()
    assert (found["objects_f1_wind turbine"], found["objects_best_f1_wind turbine"]) == (0.0, 1.0)
    assert found["objects_best_score_wind turbine"] == 0.3
    assert (found["objects_f1_building"], found["objects_best_f1_building"]) == (pytest.approx(2 / 3), 1.0)
    assert found["objects_best_score_building"] == 0.9
    assert (found["objects_f1"], found["objects_best_f1"]) == (pytest.approx(0.5), 1.0)


def test_a_part_of_a_tile_has_the_tolerance_of_the_whole() -> None:
    part = Vector((turbine(100 / PIXEL, 100 / PIXEL),), (512.0, 512.0), ("wind_turbine",))  # a unit is a pixel
    for away, total in ((120, (1, 0, 0)), (130, (0, 1, 1))):
        found = object_scores(boxes(around(100 + away, 100)), CLASSES, part)
        assert found is not None
        assert found.total == total


def test_only_what_is_on_the_tile_of_an_outline_counts() -> None:
    wide = labels(house(-600, 0, 40, 40), house(-90, 0, -20, 40), annotated=("ms_building",))
    found = object_scores(boxes((0, 0, 40, 40, 2, 0.9)), CLASSES, wide)
    assert found is not None
    assert found.total == (1, 0, 0)


def test_outlines_that_only_touch_the_tile_are_not_on_it() -> None:
    beside = house(512, 0, 550, 40), house(-40, 0, 0, 40)
    bent = [(-90, -90), (600, -90), (600, 600), (590, 600), (590, -80), (-90, -80)]  # around the tile
    around_it = Feature("ms_building", Shape.POLYGON, (np.array(bent) * PIXEL,))
    there = labels(*beside, around_it, house(500, 500, 530, 530), annotated=("ms_building",))
    found = object_scores(boxes((500, 500, 512, 512, 2, 0.9)), CLASSES, there)
    assert found is not None
    assert found.total == (1, 0, 0)


def test_buildings_that_are_labelled_twice_count_once() -> None:
    mapped = Feature("building", Shape.POLYGON, house(10, 10, 30, 30).rings)
    there = labels(house(10, 10, 30, 30), mapped, annotated=("building", "ms_building"))
    found = object_scores(boxes((10, 10, 30, 30, 2, 0.9)), CLASSES, there)
    assert found is not None
    assert found.total == (1, 0, 0)
    only = object_scores(boxes((10, 10, 30, 30, 2, 0.9)), CLASSES, labels(mapped, annotated=("building",)))
    assert only is not None
    assert only.total == (1, 0, 0)


PLACES = st.integers(-48, 240).map(lambda quarters: quarters / 4)


@given(
    said=st.lists(
        st.tuples(
            PLACES, PLACES, st.sampled_from([1, 3]), st.integers(3, 100).map(lambda hundredths: hundredths / 100)
        ),
        max_size=12,
    ),
    there=st.lists(st.tuples(PLACES, PLACES, st.sampled_from(["wind_turbine", "helipad"])), max_size=12),
)
def test_counts_from_a_score_are_those_of_its_objects_alone(
    said: list[tuple[float, float, int, float]], there: list[tuple[float, float, str]]
) -> None:
    said.sort(key=lambda row: -row[3])
    points = [Feature(name, Shape.POINT, (np.array([[x * PIXEL, y * PIXEL]]),)) for x, y, name in there]
    found = object_scores(boxes(*(around(*row) for row in said)), CLASSES, labels(*points))
    assert found is not None
    for label, name in ((1, "wind_turbine"), (3, "helipad")):
        is_known = name == "wind_turbine" or any(row[2] == name for row in there)
        assert (name.replace("_", " ") in found.by_score) == is_known
        for place, least in enumerate(FROM_SCORES if is_known else ()):
            open_ = [(x, y) for x, y, one in there if one == name and x >= 0 and y >= 0]
            invented = hits = 0
            for x, y, one, score in said:
                if one == label and np.float32(score) >= np.float32(least):
                    near = [(np.hypot(x - other[0], y - other[1]), number) for number, other in enumerate(open_)]
                    if near and min(near)[0] <= 8:
                        open_.pop(min(near)[1])
                        hits += 1
                    else:
                        invented += 1
            assert found.by_score[name.replace("_", " ")][place] == (hits, invented, len(open_))


@pytest.mark.parametrize("kind", ["outlines", "points"])
def test_thousands_of_objects_do_not_hold_up_a_run(kind: str) -> None:
    places = np.random.default_rng(0).uniform(0, 500, (4000, 2))
    if kind == "points":
        there = labels(*(turbine(x, y) for x, y in places))
    else:
        there = labels(*(house(x, y, x + 9, y + 9) for x, y in places), annotated=("ms_building",))
    said = boxes(*(around(x, y, 1 if kind == "points" else 2) for x, y in places[:100]))
    began = process_time()
    found = object_scores(said, CLASSES, there)
    assert process_time() - began < 4  # one by one it took ten seconds
    assert found is not None
    assert found.total == (100, 0, 3900)

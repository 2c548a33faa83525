"""Lines are compared by their middles, within a pixel of 512, and only where somebody looked for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.linemetrics import LineScores, LineTotals, line_numbers, line_scores, lines_among, thinned
from rsviewer.core.tile import LabelClass, Raster
from rsviewer.core.vector import Feature, Shape, Vector

CLASSES = (
    LabelClass(0, "none of them", (0, 0, 0), void=True),
    LabelClass(1, "road", (255, 255, 255)),
    LabelClass(2, "river", (0, 0, 255)),
    LabelClass(3, "road, residential", (255, 255, 255)),
    LabelClass(4, "quarry", (128, 0, 0)),
)
UNITS = 16.0
"""Of the labels in a pixel."""


def predicted(labels: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> Raster:
    known = np.ones(labels.shape, bool) if valid is None else valid
    return Raster(labels[None], known[None], full_size=(labels.shape[1], labels.shape[0]))


def nothing() -> NDArray[np.uint8]:
    return np.zeros((512, 512), np.uint8)


def line(category: str, *points: tuple[float, float]) -> Feature:
    """Through places in pixels of the image."""
    return Feature(category, Shape.LINE, (np.array(points) * UNITS,))


def labels(*features: Feature, annotated: tuple[str, ...] = ("road",)) -> Vector:
    return Vector(features, (8192.0, 8192.0), annotated)


def scores(raster: Raster, reference: Vector) -> LineScores:
    found = line_scores(raster, CLASSES, reference)
    assert found is not None
    return found


@pytest.mark.parametrize(("away", "is_found"), [(0.0, True), (0.9, True), (1.6, False), (-0.9, True), (-1.6, False)])
@pytest.mark.parametrize("width", [1, 5, 9])
def test_a_line_is_found_within_a_pixel_however_wide_it_was_drawn(away: float, is_found: bool, width: int) -> None:
    said = nothing()
    said[200 - width // 2 : 200 + width // 2 + 1] = 1
    found = scores(predicted(said), labels(line("road", (-9.0, 200.5 + away), (600.0, 200.5 + away))))
    assert found.f1 == pytest.approx(float(is_found), abs=0.02)


def test_half_a_line_is_half_found_and_what_is_invented_is_wrong() -> None:
    said = nothing()
    said[100, :256] = 1
    said[300, :256] = 1
    found = scores(predicted(said), labels(line("road", (0, 100.5), (512, 100.5))))
    assert found.precision == pytest.approx(0.5, abs=0.01)
    assert found.recall == pytest.approx(0.5, abs=0.01)
    assert found.f1 == pytest.approx(0.5, abs=0.01)


def test_slanted_lines_and_curves_are_found_too() -> None:
    y, x = np.mgrid[:512, :512] + 0.5
    said = np.where(np.abs(y - 30 - 0.7 * x) < 3, 1, 0).astype(np.uint8)
    said[np.abs(np.hypot(x - 256, y - 256) - 150) < 3] = 2
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = [(256 + 150 * np.cos(one), 256 + 150 * np.sin(one)) for one in turn]
    reference = labels(
        line("road", (0, 30), (512, 30 + 0.7 * 512)), line("river", *circle), annotated=("road", "river")
    )
    found = scores(predicted(said), reference)
    assert set(found.counts) == {"road", "river"}
    assert found.f1 > 0.93  # but for the two places where one lies on the other


def test_an_empty_list_says_that_there_is_none_and_a_missing_one_nothing() -> None:
    said = nothing()
    said[100, :] = 1
    said[:, 50] = 2
    found = scores(predicted(said), labels())
    assert set(found.counts) == {"road"}
    assert found.counts["road"][0] == 0
    assert found.counts["road"][1] > 1900
    assert found.counts["road"][2:] == (0, 0)
    assert found.f1 == 0
    assert line_numbers(found) == {"lines_f1": 0.0}
    assert line_scores(predicted(said), CLASSES, labels(annotated=("quarry",))) is None
    empty = scores(predicted(nothing()), labels())
    assert line_numbers(empty) == {}  # nothing there, nothing said: that is no F1 of 0


def test_kinds_of_roads_are_roads_and_areas_are_no_lines() -> None:
    assert lines_among(CLASSES) == {"road": (1, 3), "river": (2,)}
    said = nothing()
    said[100, :256] = 1
    said[100, 256:] = 3
    reference = labels(line("road", (0, 100.5), (512, 100.5)))
    assert scores(predicted(said), reference).f1 == pytest.approx(1.0)
    area = Feature("road", Shape.POLYGON, (np.array([(0.0, 0.0), (9000.0, 0.0), (0.0, 9000.0)]),))
    assert scores(predicted(said), labels(area)).counts["road"][3] == 0


def test_nothing_is_compared_where_the_prediction_is_invalid() -> None:
    said = nothing()
    said[100] = 1
    valid = np.ones((512, 512), bool)
    valid[:, 256:] = False
    found = scores(predicted(said, valid), labels(line("road", (0, 100.5), (256, 100.5), (256, 500), (512, 500))))
    assert found.precision == pytest.approx(1.0, abs=0.01)
    far = scores(predicted(said, valid), labels(line("road", (300, 0), (300, 512))))
    assert far.counts["road"][2:] == (0, 0)


def test_lines_that_reach_far_beyond_the_tile_cost_nothing() -> None:
    said = nothing()
    said[100] = 1
    far = 1e6
    reference = labels(
        line("road", (-far, 100.5), (far, 100.5)), line("road", (-far, -5), (far, -5)), line("road", (3, 3))
    )
    found = scores(predicted(said), reference)
    assert found.counts["road"][3] == pytest.approx(2048, abs=2)
    assert found.recall == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("side", [64, 512, 3000, 4096])
@pytest.mark.parametrize("beside", [0, 1])
def test_predictions_of_any_size_lie_on_the_same_tile(side: int, beside: int) -> None:
    said = np.zeros((side, side), np.uint8)
    said[side // 2 + beside] = 1
    at = 512 * (side // 2 + beside + 0.5) / side
    assert scores(predicted(said), labels(line("road", (0, at), (512, at)))).f1 > 0.97


def test_what_is_thinned_stays_connected_and_is_one_pixel_wide() -> None:
    y, x = np.mgrid[:60, :60]
    for mask in ((np.abs(y - x) < 2), np.abs(y - 30) < 4, (np.abs(y - 30) < 3) | (np.abs(x - 20) < 3)):
        lines = thinned(mask)
        assert not (lines & ~mask).any()
        blocks = lines[1:, 1:] & lines[:-1, 1:] & lines[1:, :-1] & lines[:-1, :-1]
        assert not blocks.any()
        near = np.pad(lines, 1)
        neighbours = sum(
            near[1 + down : 61 + down, 1 + right : 61 + right].astype(int)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if down or right
        )
        ends = np.count_nonzero(lines & (neighbours == 1))
        assert ends == (4 if np.count_nonzero(mask[0]) and np.count_nonzero(mask[30]) > 50 else 2)
    assert not thinned(np.zeros((5, 5), bool)).any()


def test_tiles_are_summed_by_category() -> None:
    totals = LineTotals()
    assert totals.metrics() == {}
    totals.add(LineScores({"road": (50, 100, 30, 40), "river": (0, 0, 0, 0)}))
    totals.add(LineScores({"road": (50, 100, 30, 80)}))
    totals.add(None)
    assert totals.metrics() == {
        "lines_precision": 0.5,
        "lines_recall": 0.5,
        "lines_f1": 0.5,
        "lines_f1_road": 0.5,
        "tiles_compared": 2,
    }


def test_a_part_of_a_tile_has_the_tolerance_of_the_whole() -> None:
    said = nothing()
    said[100] = 1
    for away, is_found in ((14.0, True), (22.0, False)):  # of 16 units, which are pixels there
        road = Feature("road", Shape.LINE, (np.array([(0.0, 100.5 + away), (512.0, 100.5 + away)]),))
        found = scores(predicted(said), Vector((road,), (512.0, 512.0), ("road",)))
        assert found.f1 == pytest.approx(float(is_found), abs=0.05)


PLACES = st.integers(0, 511)


@given(rows=st.sets(PLACES, max_size=3), lines=st.lists(st.tuples(PLACES, PLACES, PLACES), max_size=4))
@settings(max_examples=30, deadline=None)
def test_pixels_are_counted_as_one_by_one(rows: set[int], lines: list[tuple[int, int, int]]) -> None:
    """On a part of a tile of 128 x 128 pixels, four of the image each: straight lines, whose pixels are known."""
    apart = sorted(row for row in rows if not any(0 < row - other < 3 for other in rows))
    said = np.zeros((512, 512), np.uint8)
    said[apart] = 1
    features = [
        Feature("road", Shape.LINE, (np.array([(begin + 0.5, y + 0.5), (end + 0.5, y + 0.5)]),))
        for begin, end, y in lines
    ]
    found = scores(predicted(said), Vector(tuple(features), (512.0, 512.0), ("road",)))
    drawn = {(row // 4, column) for row in apart for column in range(128)}
    there = {
        (y // 4, column) for begin, end, y in lines for column in range(min(begin, end) // 4, max(begin, end) // 4 + 1)
    }
    right, recalled = (
        sum(any(abs(y - v) + abs(x - u) <= 4 for v, u in others) for y, x in own)
        for own, others in ((drawn, there), (there, drawn))
    )
    assert found.counts["road"] == (right, len(drawn), recalled, len(there))

"""Features are found where they are drawn, whatever a file says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.categories import FIRST_UNLISTED, MOST_UNLISTED, OTHERS, categories, tallies
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.core.vector import FARTHEST, Feature, Geometry, Shape, Vector, category_counts, features_at, points_of

SPEC = LayerSpec(
    LayerId("vector"),
    LayerKind.VECTOR,
    "vector labels",
    classes=(
        LabelClass(1, "road", (255, 255, 255)),
        LabelClass(2, "park", (0, 255, 0)),
        LabelClass(3, "dam", (0, 0, 255)),
    ),
)


def ring(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, np.float64).reshape(-1, 2)


def box(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return ring((left, top), (right, top), (right, bottom), (left, bottom))


def vector(*features: Feature, annotated: tuple[str, ...] = ()) -> Vector:
    return Vector(features, (100.0, 100.0), annotated)


def polygon(*rings: NDArray[np.float64], category: str = "park") -> Feature:
    return Feature(category, Shape.POLYGON, rings)


def point(x: float, y: float, category: str = "tower") -> Feature:
    return Feature(category, Shape.POINT, (ring((x, y)),))


def line(*points: tuple[float, float], category: str = "road") -> Feature:
    return Feature(category, Shape.LINE, (ring(*points),))


def test_a_hole_does_not_belong_to_its_polygon() -> None:
    tile = vector(polygon(box(10, 10, 50, 50), box(20, 20, 30, 30)))
    assert features_at(tile, 15, 15, 1) == (0,)
    assert features_at(tile, 25, 25, 1) == ()
    assert features_at(tile, 60, 25, 1) == ()
    assert tile.geometry.areas.tolist() == [1600 - 100]


def test_points_and_lines_come_before_polygons_and_small_polygons_before_large_ones() -> None:
    tile = vector(
        polygon(box(0, 0, 90, 90)),
        line((0, 50), (90, 50)),
        polygon(box(40, 40, 60, 60)),
        point(51, 51),
        line((50, 52), (90, 90)),
    )
    assert features_at(tile, 50, 50, 3) == (1, 3, 4, 2, 0)
    assert features_at(tile, 50, 50, 3, np.array([True, False, True])) == (3, 2, 0), "what is switched off is not found"


def test_a_line_is_found_along_its_whole_length_and_not_beyond_its_ends() -> None:
    tile = vector(line((10, 10), (50, 10), (50, 40)))
    assert features_at(tile, 30, 11.5, 2) == (0,)
    assert features_at(tile, 50, 41, 2) == (0,)
    assert features_at(tile, 30, 25, 2) == (), "a line is not closed"
    assert features_at(tile, 5, 10, 2) == ()


def test_a_polygon_smaller_than_the_tolerance_is_found_like_a_point() -> None:
    tile = vector(polygon(box(10, 10, 10.5, 10.5)))
    assert features_at(tile, 12, 10, 2) == (0,)
    assert features_at(tile, 13, 10, 2) == ()


def test_coordinates_that_are_no_numbers_are_left_out_and_absurd_ones_stay_finite() -> None:
    wild = Feature(
        "wild", Shape.LINE, (ring((np.nan, 1), (1e300, 5), (-np.inf, 2), (5, 5)), np.zeros((0, 2)), np.zeros(3))
    )
    tile = Vector((wild, polygon(ring((np.nan, np.nan)))), (100.0, 100.0))
    assert np.isfinite(tile.geometry.points).all()
    assert tile.geometry.points.max() <= (FARTHEST + 1) * 100
    assert features_at(tile, 50, 5, 1) == (0,)
    assert features_at(tile, float("nan"), 5, 1) == ()
    assert Vector((), (float("nan"), 0.0)).unit == (1.0, 1.0)
    assert Vector((), (1e300, -1.0)).unit == (1.0, 1.0)


def test_categories_that_nobody_listed_have_the_same_value_and_colour_on_every_tile() -> None:
    one = categories(vector(point(1, 1, "buoy"), point(1, 1, "road")), SPEC)
    other = categories(vector(point(1, 1, "kiosk"), point(1, 1, "buoy")), SPEC)
    assert one[0] == other[1]
    assert one[0].value >= FIRST_UNLISTED
    assert one[1] is SPEC.classes[0]


def test_very_many_categories_become_one() -> None:
    tile = vector(*(point(1, 1, f"c{number}") for number in range(MOST_UNLISTED + 50)))
    found = tallies(tile, SPEC)
    assert len(set(categories(tile, SPEC))) == MOST_UNLISTED + 1
    assert found[0].category == OTHERS
    assert found[0].count == 50


def test_looked_for_and_not_found_is_not_the_same_as_not_looked_for() -> None:
    tile = vector(point(1, 1, "tower"), annotated=("dam", "tower"))
    assert category_counts(tile) == {"dam": 0, "tower": 1}
    said = {tally.category.name: (tally.count, tally.annotated, tally.listed) for tally in tallies(tile, SPEC)}
    assert said == {
        "tower": (1, True, False),
        "dam": (0, True, True),
        "road": (0, False, True),
        "park": (0, False, True),
    }


coordinate = st.floats(allow_nan=True, allow_infinity=True)
rings = st.lists(st.lists(st.tuples(coordinate, coordinate), max_size=6), max_size=3)
hostile = st.builds(
    lambda category, shape, parts: Feature(category, shape, tuple(ring(*part) for part in parts)),
    st.text(max_size=3),
    st.sampled_from(Shape),
    rings,
)


@given(st.lists(hostile, max_size=8), coordinate, coordinate, st.floats(0, 1e6), st.tuples(coordinate, coordinate))
def test_any_file_and_any_place_has_an_answer(
    features: list[Feature], x: float, y: float, tolerance: float, extent: tuple[float, float]
) -> None:
    tile = Vector(tuple(features), extent)
    found = features_at(tile, x, y, tolerance)
    assert len(set(found)) == len(found)
    assert set(found) <= set(range(len(features)))
    assert sum(category_counts(tile).values()) == len(features)
    assert len(categories(tile, SPEC)) == len(tile.geometry.names)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=8),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_inside_is_what_an_odd_number_of_crossings_says(corners: list[tuple[int, int]], column: int, row: int) -> None:
    x, y = column + 0.31, row + 0.47
    crossings = 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y):
            crossings += x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    tile = vector(polygon(ring(*((float(a), float(b)) for a, b in corners))))
    assert (features_at(tile, x, y, 0.0) == (0,)) == (crossings % 2 == 1)


def test_of_a_city_only_what_is_near_the_mouse_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = np.random.default_rng(1).uniform(0, 8000, (20_000, 2))
    city = Vector(tuple(polygon(box(x, y, x + 20, y + 20)) for x, y in corners), (8192.0, 8192.0))
    looked_at: list[int] = []

    def counting(geometry: Geometry, features: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        looked_at.append(len(features))
        return points_of(geometry, features)

    monkeypatch.setattr("rsviewer.core.vector.points_of", counting)
    for x, y in corners[:50]:
        assert features_at(city, x + 10, y + 10, 16)
    assert len(looked_at) == 50
    assert max(looked_at) < 20

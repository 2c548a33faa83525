"""Polygons of two columns, asked of the index, give what geometry says."""

from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from rsviewer.core.filters import inside
from rsviewer.data.index import FileState, Measurement, TileIndex
from tests.data.test_index import NDSM, FakeAdapter, dataset_at, numbered

SIDE = 15
NEAR = 1e-3
"""On the border itself either answer is right."""


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TileIndex]:
    """Tiles whose least and greatest heights are the points of a grid, 0..14 each; one more was not measured."""
    root = tmp_path_factory.mktemp("grid")
    entries = numbered(root, SIDE * SIDE + 1)
    index = TileIndex.open(None, dataset_at(root), FakeAdapter(entries))
    index.build()
    index.record(
        Measurement(entry.id, NDSM, FileState.OK, minimum=float(place % SIDE), maximum=float(place // SIDE))
        for place, entry in enumerate(entries[:-1])
    )
    yield index
    index.close()


corner = st.tuples(st.floats(-2, 17, width=32), st.floats(-2, 17, width=32))


@given(st.lists(corner, min_size=3, max_size=12))
def test_a_tile_is_inside_where_shapely_says_so(grid: TileIndex, corners: list[tuple[float, float]]) -> None:
    corners = [(round(x, 2), round(y, 2)) for x, y in corners]
    polygon = shapely.Polygon(corners)
    assume(polygon.is_valid)
    found = set(grid.select(inside("ndsm_min", "ndsm_max", corners)).tolist())
    points = shapely.points(*(axis.ravel() for axis in np.meshgrid(np.arange(SIDE), np.arange(SIDE))))
    clear = shapely.distance(points, polygon.exterior) > NEAR
    expected = shapely.contains(polygon, points)
    assert {place for place in range(SIDE * SIDE) if clear[place] and place in found} == set(
        np.flatnonzero(expected & clear).tolist()
    )


def test_where_a_polygon_crosses_itself_every_second_part_is_inside(grid: TileIndex) -> None:
    star = [(7, 14.5), (11.2, 0.5), (0.1, 9.3), (13.9, 9.3), (2.8, 0.5)]
    found = {(place % SIDE, place // SIDE) for place in grid.select(inside("ndsm_min", "ndsm_max", star)).tolist()}
    assert (7, 13) in found
    assert (7, 6) not in found  # the middle of the star is crossed twice


def test_a_tile_of_which_nothing_is_known_is_neither_inside_nor_outside(grid: TileIndex) -> None:
    all_over = inside("ndsm_min", "ndsm_max", [(-99, -99), (99, -99), (99, 99), (-99, 99)])
    assert len(grid.select(all_over)) == SIDE * SIDE
    assert len(grid.select(f"not {all_over}")) == 0


@pytest.mark.parametrize(
    "corners", [[(1, 1)] * 3, [(1, 5), (9, 5), (4, 5)], [(-1e308, -1e308), (1e308, 1e308), (0, 1e-308)]]
)
def test_odd_polygons_hold_few_tiles_and_break_nothing(grid: TileIndex, corners: list[tuple[float, float]]) -> None:
    assert len(grid.select(inside("ndsm_min", "ndsm_max", corners))) <= SIDE * SIDE

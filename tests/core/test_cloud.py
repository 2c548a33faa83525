"""Heights lie in space where they lie on the tile, and nothing is drawn where there is none."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsviewer.core.cloud import NO_COLOR, Cloud, cloud_of, stride, triangles, vertices
from rsviewer.core.scene import Frame, Rect, to_map
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster

NAN = np.nan
DSM = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="m")


def raster(heights: Any, valid: Any = True, **more: Any) -> Raster:
    """A raster of one band."""
    pixels = np.array(heights)[None]
    return Raster(pixels, np.broadcast_to(np.array(valid, bool), pixels.shape), **more)


def spec_in(unit: str) -> LayerSpec:
    return LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit=unit)


def cloud(
    heights: Any,
    valid: Any = True,
    *,
    spec: LayerSpec = DSM,
    cell: tuple[float, float] | None = (1.0, 1.0),
    colors: NDArray[np.uint32] | None = None,
) -> Cloud:
    """Heights that fill a tile of pixels of the given size."""
    heights = raster(heights, valid)
    frame = Frame(heights.width, heights.height, cell=cell)
    if colors is None:
        colors = np.full((heights.height, heights.width), NO_COLOR, np.uint32)
    return cloud_of(heights, spec, frame, frame.rect, colors)


def metres_of(cloud: Cloud) -> NDArray[np.float64]:
    return cloud.base + cloud.height.astype(np.float64)


HEIGHTS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.one_of(st.floats(-50, 9000, width=32), st.just(NAN)),
)


# --- where heights lie


def test_a_block_in_the_north_east_corner_is_there_in_space() -> None:
    heights = np.zeros((4, 6), np.float32)
    heights[0, -1] = 30.0
    points = vertices(cloud(heights, cell=(0.5, 2.0)))
    highest = points.position[np.argmax(points.position[:, 2])]
    assert highest.tolist() == [2.75, 7.0, 30.0]


def test_a_block_in_the_lower_left_corner_is_beside_the_origin() -> None:
    heights = np.zeros((4, 6), np.float32)
    heights[-1, 0] = 30.0
    points = vertices(cloud(heights))
    assert points.position[np.argmax(points.position[:, 2])].tolist() == [0.5, 0.5, 30.0]


def test_row_0_is_up_also_where_the_grid_is_stored_from_south_to_north() -> None:
    heights = raster([[9.0, 0.0], [0.0, 0.0]], transform=(1, 0, 0, 0, 1, 0), crs="EPSG:32651")
    frame = Frame(2, 2, heights.transform, heights.crs, 1.0, (1.0, 1.0))
    points = vertices(cloud_of(heights, DSM, frame, frame.rect, np.zeros((2, 2), np.uint32)))
    assert points.position[0].tolist() == [0.5, 1.5, 9.0]


def test_heights_that_fill_a_part_of_the_tile_stay_in_that_part() -> None:
    frame = Frame(100, 80, cell=(2.0, 3.0))
    part = cloud_of(raster(np.zeros((2, 5), np.float32)), DSM, frame, Rect(10, 20, 50, 40), np.zeros((2, 5), np.uint32))
    assert part.origin == (20.0, 180.0)
    assert part.step == (20.0, 60.0)
    assert vertices(part).position[0].tolist() == [30.0, 150.0, 0.0]


def test_without_a_pixel_size_x_and_y_are_pixels() -> None:
    flat = cloud(np.zeros((3, 2), np.uint8), cell=None)
    assert flat.step == (1.0, 1.0)
    assert flat.origin == (0.0, 3.0)


def test_a_grid_that_was_read_decimated_knows_where_its_pixels_are_on_the_map() -> None:
    heights = raster(np.zeros((2, 4)), transform=(0.5, 0, 1000, 0, -0.5, 2000), crs="EPSG:32651", full_size=(40, 30))
    frame = Frame(40, 30, heights.transform, heights.crs, 0.5, (0.5, 0.5))
    own = cloud_of(heights, DSM, frame, frame.rect, np.zeros((2, 4), np.uint32))
    assert own.transform is not None
    assert to_map(own.transform, 4, 2) == (1020.0, 1985.0)
    assert own.crs == "EPSG:32651"
    assert own.step == (5.0, 7.5)


def test_a_layer_without_georeference_has_no_crs() -> None:
    heights = raster(np.zeros((2, 2)), crs="EPSG:32651")
    own = cloud_of(heights, DSM, Frame(2, 2), Rect(0, 0, 2, 2), np.zeros((2, 2), np.uint32))
    assert (own.transform, own.crs) == (None, "")


@given(HEIGHTS, st.integers(1, 3))
def test_every_point_finds_back_to_its_pixel(heights: NDArray[np.float32], every: int) -> None:
    own = cloud(heights, cell=(0.3, 0.7))
    points = vertices(own, every)
    row, column = np.divmod(points.index, own.columns)
    np.testing.assert_allclose(points.position[:, 0] / 0.3 - 0.5, column, atol=1e-3)
    np.testing.assert_allclose(own.rows - points.position[:, 1] / 0.7 - 0.5, row, atol=1e-3)
    np.testing.assert_array_equal(points.position[:, 2], own.height[row, column])
    assert not (row % every).any()
    assert not (column % every).any()
    assert points.index.size == np.count_nonzero(~np.isnan(heights[::every, ::every]))
    assert (np.diff(points.index.astype(np.int64)) > 0).all()


# --- heights


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint64", "float16", "float32", "float64", "bool"])
def test_heights_of_any_type_are_metres(dtype: str) -> None:
    heights = np.array([[0, 1], [1, 0]], dtype)
    assert metres_of(cloud(heights)).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("unit", "metre"), [("m", 1), ("cm", 100), ("mm", 1000), ("", 1), ("furlong", 1)])
def test_heights_are_turned_into_metres_where_the_unit_is_known(unit: str, metre: int) -> None:
    heights = cloud(np.array([[12 * metre, 13 * metre]], np.int16), spec=spec_in(unit))
    np.testing.assert_allclose(metres_of(heights), [[12, 13]], atol=1e-5)


def test_at_an_altitude_of_1000_km_millimetres_stay() -> None:
    heights = 1e6 + np.array([[0.001, 0.002], [5.0, 30.003]])
    np.testing.assert_allclose(metres_of(cloud(heights)), heights, atol=1e-5)


def test_the_base_is_round_and_stays_among_the_heights_where_an_undeclared_marker_is_one() -> None:
    heights = np.full((9, 9), 1_234_567.25)
    heights[4, 4] = 1e30
    own = cloud(heights)
    assert own.base == 1_234_600.0
    assert own.height[0, 0] == np.float32(-32.75)
    assert np.isfinite(own.height).all()


def test_a_few_valid_heights_on_a_large_grid_still_give_the_base() -> None:
    heights, valid = np.full((600, 600), -32768, np.int16), np.zeros((600, 600), bool)
    heights[1, 1], valid[1, 1] = 4321, True
    assert cloud(heights, valid).base == 4300.0


@pytest.mark.parametrize("huge", [1e30, -1e30, 3.4e38, 1.7e308])
def test_absurdly_large_heights_neither_overflow_nor_warn(huge: float) -> None:
    own = cloud(np.array([[0.0, huge], [huge, 1.0]]), spec=spec_in("km"))
    points = vertices(own)
    assert np.isfinite(points.position).all()
    assert np.isfinite(np.square(points.slope)).all()
    assert triangles(own).shape == (2, 3)


def test_nan_infinity_and_invalid_pixels_are_no_heights() -> None:
    own = cloud([[NAN, np.inf, -np.inf], [1.0, -9999.0, 3.0]], [[True, True, True], [True, False, True]])
    assert np.isnan(own.height).tolist() == [[True, True, True], [False, True, False]]
    assert vertices(own).index.tolist() == [3, 5]


def test_without_any_valid_height_there_are_no_points() -> None:
    own = cloud(np.full((3, 4), NAN))
    assert own.base == 0.0
    assert vertices(own).position.shape == (0, 3)
    assert triangles(own).shape == (0, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_one_row_or_one_column_has_points_but_no_triangle(shape: tuple[int, int]) -> None:
    own = cloud(np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape))
    assert vertices(own).index.size == shape[0] * shape[1]
    assert triangles(own).shape == (0, 3)
    assert np.isfinite(vertices(own).slope).all()


# --- slopes


def test_a_plane_has_the_same_slope_everywhere_also_beside_voids_and_at_the_edge() -> None:
    row, column = np.mgrid[0:11, 0:13].astype(np.float32)
    heights = 3.0 * column - 4.0 * row
    heights[4, 6:8] = NAN
    for every in (1, 2):
        points = vertices(cloud(heights, cell=(2.0, 0.5)), every)
        np.testing.assert_allclose(points.slope, np.broadcast_to([1.5, 8.0], points.slope.shape), rtol=1e-5)


def test_a_height_without_valid_neighbours_is_level() -> None:
    points = vertices(cloud([[NAN, NAN, NAN], [NAN, 5.0, NAN], [NAN, NAN, NAN]]))
    assert points.slope.tolist() == [[0.0, 0.0]]


def test_voids_do_not_change_slopes_elsewhere() -> None:
    heights = np.random.default_rng(7).normal(size=(9, 9)).astype(np.float32)
    whole = vertices(cloud(heights))
    heights[0, 0] = NAN
    holed = vertices(cloud(heights))
    far = ~np.isin(whole.index, [0, 1, 9])
    np.testing.assert_allclose(holed.slope[~np.isin(holed.index, [1, 9])], whole.slope[far], rtol=1e-5, atol=1e-6)


# --- colours


def test_colours_are_those_of_the_layer_and_grey_where_it_has_none() -> None:
    colors = np.array([[0xFF010203, 0x00000000], [0xFFFF8000, 0x80402000]], np.uint32)
    own = cloud(np.zeros((2, 2)), colors=colors)
    assert own.colors[0, 0] == 0xFF010203
    assert own.colors[0, 1] == NO_COLOR
    assert own.colors[1, 1] == 0xFF000000 | (0x40 + 70) << 16 | (0x20 + 70) << 8 | 70
    assert vertices(own).rgb.tolist() == [[1, 2, 3], [140, 140, 140], [255, 128, 0], [134, 102, 70]]


@given(hnp.arrays(np.uint32, (2, 3)))
def test_colours_of_any_alpha_become_opaque(colors: NDArray[np.uint32]) -> None:
    assert (cloud(np.zeros((2, 3)), colors=colors).colors >> 24 == 0xFF).all()


def test_colours_of_another_size_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        cloud(np.zeros((2, 2)), colors=np.zeros((2, 3), np.uint32))


# --- triangles


def corners_of(own: Cloud, every: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column, in the strided grid, of the corners of every triangle."""
    index = vertices(own, every).index[triangles(own, every)].astype(np.int64)
    row, column = np.divmod(index, own.columns)
    return row // every, column // every


@settings(max_examples=200)
@given(HEIGHTS, st.integers(1, 3))
def test_squares_of_valid_heights_have_two_triangles_those_of_three_one_and_others_none(
    heights: NDArray[np.float32], every: int
) -> None:
    row, column = corners_of(cloud(heights), every)
    there = ~np.isnan(heights[::every, ::every])
    assert there[row, column].all()
    assert (np.ptp(row, axis=1) == 1).all()
    assert (np.ptp(column, axis=1) == 1).all()
    found = np.zeros((max(0, there.shape[0] - 1), max(0, there.shape[1] - 1)), int)
    np.add.at(found, (row.min(axis=1), column.min(axis=1)), 1)
    number = there.astype(int)
    number = number[:-1, :-1] + number[:-1, 1:] + number[1:, :-1] + number[1:, 1:]
    np.testing.assert_array_equal(found, np.select([number == 4, number == 3], [2, 1], 0))


@given(HEIGHTS, st.integers(1, 3))
def test_triangles_are_anticlockwise_from_above_and_cover_no_place_twice(
    heights: NDArray[np.float32], every: int
) -> None:
    own = cloud(heights, cell=(0.5, 2.0))
    places = vertices(own, every).position[triangles(own, every)][..., :2].astype(np.float64)
    one, other = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    np.testing.assert_allclose(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], every**2, rtol=1e-4)
    row, column = corners_of(own, every)
    halves = {
        (*sorted(zip(down, right, strict=True)),) for down, right in zip(row.tolist(), column.tolist(), strict=True)
    }
    assert len(halves) == len(row)
    for square in {(min(down), min(right)) for down, right in zip(row.tolist(), column.tolist(), strict=True)}:
        inside = [half for half in halves if min(half)[0] == square[0] and min(place[1] for place in half) == square[1]]
        assert len(set().union(*inside)) == (4 if len(inside) == 2 else 3)


def test_of_two_diagonals_the_one_that_rises_less_is_drawn() -> None:
    ridge = corners_of(cloud([[0.0, 9.0], [3.0, 0.5]]))
    assert {(0, 0), (1, 1)} == _shared(*ridge)
    valley = corners_of(cloud([[9.0, 0.0], [5.0, 0.0]]))
    assert {(0, 1), (1, 0)} == _shared(*valley)


def _shared(row: NDArray[np.int64], column: NDArray[np.int64]) -> set[tuple[int, int]]:
    first, second = (set(zip(row[half].tolist(), column[half].tolist(), strict=True)) for half in (0, 1))
    return first & second


@given(st.integers(0, 10**8), st.integers(1, 10**6))
def test_a_stride_keeps_a_square_grid_within_its_budget(points: int, budget: int) -> None:
    assert points / stride(points, budget) ** 2 <= budget


def test_a_grid_larger_than_one_block_is_the_same_as_its_parts() -> None:
    heights = np.random.default_rng(3).random((300, 2000)).astype(np.float32)
    heights[100:103, 700:900] = NAN
    own = cloud(heights)
    row, column = corners_of(own)
    assert len(row) == len(
        {*zip(row.min(axis=1).tolist(), column.sum(axis=1).tolist(), row.sum(axis=1).tolist(), strict=True)}
    )
    there = ~np.isnan(heights)
    squares = there[:-1, :-1] & there[:-1, 1:] & there[1:, :-1] & there[1:, 1:]
    assert len(row) == 2 * np.count_nonzero(squares) + 4, "each corner of the void has a square of three"
    assert there[row, column].all()


def test_arrays_of_a_cloud_are_read_only() -> None:
    own = cloud(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        own.height[0, 0] = 1.0

"""Heights along a line are those of the pixels under it, at their distance on the ground, and nothing where there is none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.profile import (
    SAMPLES_MOST,
    Line,
    Profile,
    clipped,
    length,
    nearest_on,
    profile,
    samples_along,
    straightened,
)
from rsviewer.core.scene import Frame, Rect
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster

FRAME = Frame(16, 12, cell=(0.5, 2.0))
DEM = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m")
WITHIN_X = st.floats(0.5, 15.5)
WITHIN_Y = st.floats(0.5, 11.5)
ANYWHERE = st.floats(-50, 50)


def raster(pixels: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> Raster:
    return Raster(pixels[None].copy(), np.ones((1, *pixels.shape), bool) if valid is None else valid[None].copy())


def plane(a: float, b: float, c: float) -> Raster:
    """Height a * x + b * y + c at the centre of every pixel."""
    row, column = np.mgrid[0:12, 0:16]
    return raster(a * (column + 0.5) + b * (row + 0.5) + c)


def along(of: Raster, line: Line, spec: LayerSpec = DEM, frame: Frame = FRAME, place: Rect | None = None) -> Profile:
    return profile(of, spec, frame, place or frame.rect, line)


@given(WITHIN_X, WITHIN_Y, WITHIN_X, WITHIN_Y, st.floats(-9, 9), st.floats(-9, 9), st.sampled_from((0.0, 1e6)))
def test_a_plane_is_reproduced_exactly(
    x0: float, y0: float, x1: float, y1: float, a: float, b: float, c: float
) -> None:
    found = along(plane(a, b, c), ((x0, y0), (x1, y1)))
    assert np.allclose(found.height, a * found.x + b * found.y + c, rtol=0, atol=1e-7)


@given(ANYWHERE, ANYWHERE, ANYWHERE, ANYWHERE)
def test_distance_grows_from_nothing_to_the_length_of_the_line(x0: float, y0: float, x1: float, y1: float) -> None:
    line = ((x0, y0), (x1, y1))
    found = along(plane(1, 2, 3), line)
    assert found.distance[0] == 0
    assert found.distance[-1] == pytest.approx(length(line, FRAME)[0])
    assert (np.diff(found.distance) >= 0).all()
    within = np.minimum.reduce([found.x, 16 - found.x, found.y, 12 - found.y])  # pixels from the nearest edge
    heights = np.isfinite(found.height)
    assert heights[within > 1e-9].all()
    assert not heights[within < -1e-9].any(), "beyond the tile there is nothing"


@pytest.mark.parametrize(
    ("end", "metres"), [((10.0, 2.0), 4.0), ((2.0, 5.0), 6.0), ((10.0, 3.5), 5.0)], ids=["level", "upright", "3-4-5"]
)
def test_metres_follow_width_and_height_of_a_pixel(end: tuple[float, float], metres: float) -> None:
    found = along(plane(0, 0, 0), ((2.0, 2.0), end))
    assert (found.distance[-1], found.unit) == (pytest.approx(metres), "m")


def test_where_nobody_knows_how_large_a_pixel_is_the_distance_is_in_pixels() -> None:
    found = along(plane(0, 0, 0), ((0, 0), (3, 4)), frame=Frame(16, 12))
    assert (found.distance[-1], found.unit) == (5, "px")


def test_samples_lie_every_half_pixel_of_the_layer_and_never_exceed_the_most() -> None:
    coarse = raster(np.zeros((3, 4)))
    assert samples_along(coarse, FRAME.rect, ((0, 6), (16, 6))) == 9, "a pixel of the layer is four of the tile"
    assert len(along(plane(0, 0, 0), ((0, 6), (16, 6))).height) == 33
    assert len(along(plane(0, 0, 0), ((-1e6, 6), (1e6, 6))).height) == SAMPLES_MOST
    assert len(along(plane(0, 0, 7), ((4, 4), (4, 4))).height) == 1


def test_a_void_is_a_gap_of_its_own_pixels_and_does_not_draw_its_neighbours() -> None:
    heights = np.full((12, 16), 5.0)
    heights[6, 8] = -9999
    valid = heights > 0
    found = along(raster(heights, valid), ((0.25, 6.5), (15.75, 6.5)))
    in_void = (found.x >= 8) & (found.x < 9)
    assert np.isnan(found.height[in_void]).all()
    assert (found.height[~in_void] == 5.0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_height_even_if_it_is_called_valid(value: float) -> None:
    heights = np.full((12, 16), 5.0)
    heights[:, 3] = value
    found = along(raster(heights), ((0, 6), (16, 6)))
    assert np.isnan(found.height).sum() == ((found.x >= 3) & (found.x < 4)).sum()
    assert np.nanmax(found.height) == np.nanmin(found.height) == 5.0


def test_nothing_valid_gives_nothing() -> None:
    found = along(raster(np.zeros((12, 16), np.int16), np.zeros((12, 16), bool)), ((0, 0), (16, 12)))
    assert np.isnan(found.height).all()


def test_integer_centimetres_become_metres() -> None:
    centimetres = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="cm")
    found = along(raster(np.full((12, 16), 250, np.int16)), ((1, 1), (9, 9)), centimetres)
    assert np.allclose(found.height, 2.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 16), (12, 1)])
def test_one_row_or_column_is_enough(shape: tuple[int, int]) -> None:
    found = along(raster(np.full(shape, 3.0)), ((0, 0), (16, 12)))
    assert (found.height == 3.0).all()


def test_a_layer_that_covers_a_part_of_the_tile_has_heights_only_there() -> None:
    found = along(raster(np.full((6, 8), 1.0)), ((0, 3), (16, 3)), place=Rect(4, 0, 8, 6))
    assert (np.isfinite(found.height) == ((found.x >= 4) & (found.x <= 12))).all()


def test_layers_of_other_resolution_can_be_taken_at_the_same_places() -> None:
    line = ((1.0, 1.0), (15.0, 11.0))
    fine, coarse = plane(1, 2, 3), raster(np.zeros((3, 4)))
    samples = samples_along(fine, FRAME.rect, line)
    one, other = (profile(of, DEM, FRAME, FRAME.rect, line, samples) for of in (fine, coarse))
    assert (one.distance == other.distance).all()


@given(ANYWHERE, ANYWHERE, ANYWHERE, ANYWHERE)
def test_a_clipped_line_lies_on_the_tile_and_on_the_line(x0: float, y0: float, x1: float, y1: float) -> None:
    cut = clipped(((x0, y0), (x1, y1)), FRAME)
    if cut is None:
        return
    for x, y in cut:
        assert -1e-6 <= x <= 16 + 1e-6
        assert -1e-6 <= y <= 12 + 1e-6
        assert nearest_on(((x0, y0), (x1, y1)), x, y)[1] < 1e-6


def test_clipping_keeps_what_is_inside_and_drops_what_is_not() -> None:
    inside = ((1.0, 2.0), (16.0, 12.0))
    assert clipped(inside, FRAME) == inside
    assert clipped(((-4.0, 6.0), (20.0, 6.0)), FRAME) == ((0.0, 6.0), (16.0, 6.0))
    assert clipped(((-4.0, 6.0), (-1.0, 8.0)), FRAME) is None
    assert clipped(((3.0, -1.0), (9.0, -1.0)), FRAME) is None
    assert clipped(((-1.0, 13.0), (1.0, 15.0)), FRAME) is None


@pytest.mark.parametrize(
    ("end", "straight"),
    [((9.0, 1.5), (9.0, 1.0)), ((1.5, -9.0), (1.0, -9.0)), ((5.0, 6.0), (5.5, 5.5)), ((1.0, 1.0), (1.0, 1.0))],
)
def test_a_straightened_line_is_level_upright_or_diagonal(
    end: tuple[float, float], straight: tuple[float, float]
) -> None:
    assert straightened((1.0, 1.0), end) == pytest.approx(straight)


def test_the_nearest_place_of_a_line_is_never_beyond_its_ends() -> None:
    line = ((0.0, 0.0), (10.0, 0.0))
    assert nearest_on(line, 5, 2) == (0.5, 2)
    assert nearest_on(line, 13, 4) == (1.0, 5)
    assert nearest_on(((2.0, 2.0), (2.0, 2.0)), 5, 6) == (0.0, 5)
    assert math.isclose(nearest_on(line, -3, 4)[1], 5)

"""How a file says which pixels are no data."""

import math
from typing import Any

import numpy as np
import pytest

from rsviewer.core.holes import marked
from rsviewer.core.tile import LayerKind


def layer(values: list[Any], dtype: type) -> np.ndarray:
    """One band of one row."""
    return np.array([[values]], dtype)


def valid_but(shape: tuple[int, ...], *holes: int) -> np.ndarray:
    valid = np.ones(shape, bool)
    valid[..., list(holes)] = False
    return valid


def test_what_has_no_holes_stays_as_it_is() -> None:
    pixels = layer([1, 2], np.uint8)

    stored = marked(pixels, valid_but(pixels.shape), LayerKind.LABELS)

    assert (stored.pixels is pixels, stored.nodata, stored.alpha) == (True, None, False)


def test_a_marker_that_no_pixel_has_is_kept_for_the_other_tiles() -> None:
    pixels = layer([1.0, 2.0], np.float32)
    everything = valid_but(pixels.shape)

    assert marked(pixels, everything, LayerKind.HEIGHT, preferred=-32768).nodata == -32768
    assert marked(pixels, everything, LayerKind.HEIGHT, preferred=2.0).nodata is None


@pytest.mark.parametrize("hole", [math.nan, math.inf, -9999, 5000])
def test_heights_get_the_usual_marker(hole: float) -> None:
    pixels = layer([1, hole, 3], np.float32)

    stored = marked(pixels, valid_but(pixels.shape, 1), LayerKind.HEIGHT)

    assert (stored.pixels.tolist(), stored.nodata) == ([[[1, -9999, 3]]], -9999)


def test_a_marker_that_is_a_value_elsewhere_is_not_taken() -> None:
    pixels = layer([-9999, 7], np.float64)

    stored = marked(pixels, valid_but(pixels.shape, 1), LayerKind.HEIGHT, preferred=-9999)

    assert math.isnan(stored.nodata or 0)
    assert stored.pixels[0, 0, 0] == -9999
    assert math.isnan(stored.pixels[0, 0, 1])


def test_half_floats_get_one_that_they_can_hold() -> None:
    stored = marked(layer([1, 2], np.float16), valid_but((1, 1, 2), 0), LayerKind.HEIGHT)

    assert math.isnan(stored.nodata or 0)


def test_classes_are_no_markers() -> None:
    pixels = layer([1, 0, 255], np.uint8)

    stored = marked(pixels, valid_but(pixels.shape, 1), LayerKind.LABELS, meanings=(0, 254, 255), preferred=0)

    assert (stored.pixels.tolist(), stored.nodata) == ([[[1, 253, 255]]], 253)


def test_a_type_without_a_free_value_grows() -> None:
    pixels = np.arange(257).clip(max=255).astype(np.uint8).reshape(1, 1, 257)

    stored = marked(pixels, valid_but(pixels.shape, 256), LayerKind.LABELS)

    assert (stored.pixels.dtype, stored.nodata, stored.pixels[0, 0, -1]) == (np.uint16, 65535, 65535)


def test_large_numbers_get_one_between_them() -> None:
    bounds = np.iinfo(np.int32)
    pixels = layer([bounds.min, -9999, 0, 4, bounds.max, 1], np.int32)

    stored = marked(pixels, valid_but(pixels.shape, 5), LayerKind.QUANTITY)

    assert stored.nodata == bounds.min + 1
    assert stored.pixels[0, 0, 5] == bounds.min + 1


def test_of_a_picture_a_pixel_is_missing_where_all_its_bands_are() -> None:
    pixels = np.array([[[0, 9, 5]], [[3, 9, 5]], [[0, 9, 5]]], np.uint8)

    stored = marked(pixels, valid_but(pixels.shape, 1), LayerKind.OPTICAL)

    assert (stored.nodata, stored.alpha) == (0, False)
    assert stored.pixels[:, 0].T.tolist() == [[0, 3, 0], [0, 0, 0], [5, 5, 5]]


def test_a_picture_that_is_black_and_white_gets_a_band_of_opacity() -> None:
    pixels = np.array([[[0, 255, 7]]] * 3, np.uint8)

    stored = marked(pixels, valid_but(pixels.shape, 2), LayerKind.OPTICAL)

    assert (stored.nodata, stored.alpha) == (None, True)
    assert stored.pixels[3].tolist() == [[255, 255, 0]]


def test_a_picture_whose_bands_have_different_holes_becomes_decimal_numbers() -> None:
    pixels = np.array([[[1, 2]], [[3, 4]]], np.uint16)
    valid = np.array([[[True, False]], [[True, True]]])

    stored = marked(pixels, valid, LayerKind.OPTICAL)

    assert (stored.pixels.dtype, stored.nodata) == (np.float32, -9999)
    assert stored.pixels.tolist() == [[[1, -9999]], [[3, 4]]]

"""What tif2png does, worked out by hand, and what it does not survive."""

from typing import Any

import numpy as np
import pytest

from rsviewer.core.eightbit import Picture, Stretch, Stretching, picture_of
from rsviewer.core.stretch import Range
from rsviewer.core.tile import Raster

IMAGE = np.array([[[0.0, 0.1, 0.2]], [[0.2, 0.46, 0.6]], [[1.0, 1.0, 1.0]]], np.float32)
"""Three bands of 1 x 3: the last one constant."""


def raster(pixels: Any, valid: Any = None) -> Raster:
    bands = np.asarray(pixels)
    return Raster(bands, np.isfinite(bands) if valid is None else np.asarray(valid, bool))


def picture(pixels: Any, how: Stretch, valid: Any = None, **options: Any) -> Picture:
    found = raster(pixels, valid)
    made = picture_of(found, range(found.bands), Stretching(how, **options))
    assert made is not None
    assert made.pixels.dtype == np.uint8
    return made


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Stretch.CHANNEL, [[0, 128, 255], [0, 166, 255], [128, 128, 128]]),
        (Stretch.IMAGE, [[0, 26, 51], [51, 117, 153], [255, 255, 255]]),
        (Stretch.NONE, [[0, 0, 0], [0, 0, 1], [1, 1, 1]]),
    ],
)
def test_by_channel_by_image_and_as_stored(how: Stretch, expected: list[list[int]]) -> None:
    assert picture(IMAGE, how).pixels[:, 0].tolist() == expected


def test_a_fixed_range_is_the_same_for_all_bands_and_cuts_off_what_lies_beyond() -> None:
    made = picture(IMAGE, Stretch.FIXED, ends=(0.1, 0.6))

    assert made.pixels[:, 0].tolist() == [[0, 0, 51], [51, 184, 255], [255, 255, 255]]
    assert made.ranges == (Range(0.1, 0.6),) * 3
    assert not made.clipped


def test_percentiles_are_those_of_all_bands_or_of_each() -> None:
    steps = np.arange(101.0).reshape(1, 1, 101)
    both = np.concatenate([steps, steps + 101])

    together = picture(both, Stretch.PERCENT, percents=(1.0, 99.0))
    apart = picture(both, Stretch.PERCENT_CHANNEL, percents=(10.0, 60.0))

    assert together.ranges == (Range(2.01, 198.99),) * 2
    assert apart.ranges == (Range(10.0, 60.0), Range(111.0, 161.0))
    assert apart.pixels[1, 0, [0, 10, 35, 60, 100]].tolist() == [0, 0, 128, 255, 255]


def test_as_the_script_comes_bands_are_balanced_before_percentiles_are_taken() -> None:
    dark = np.arange(101.0).reshape(1, 1, 101)
    image = np.concatenate([dark, dark * 10 + 500, dark * 0 + 7])

    made = picture(image, Stretch.TIF2PNG, percents=(10.0, 90.0))

    assert made.ranges == (Range(10.0, 90.0), Range(600.0, 1400.0), Range(7.0, 7.0))
    assert made.pixels[:, 0, 50].tolist() == [128, 128, 128]
    assert picture(np.full((3, 2, 2), 9), Stretch.TIF2PNG).pixels.max() == 128


def test_the_script_itself_would_have_written_nearly_the_same_bytes() -> None:
    image = np.random.default_rng(0).gamma(2.0, 0.05, (3, 60, 60)).astype(np.float32)
    low, high = image.min(axis=(1, 2), keepdims=True), image.max(axis=(1, 2), keepdims=True)
    theirs = ((image - low) / (high - low) * 255).astype(np.uint8)
    first, last = np.percentile(theirs, (1, 99))
    theirs = ((np.clip(theirs, first, last) - first) / (last - first) * 255).astype(np.uint8)

    made = picture(image, Stretch.TIF2PNG)

    assert np.abs(made.pixels.astype(int) - theirs).mean() < 3


def test_any_percentiles_will_do() -> None:
    made = picture(np.arange(1001.0).reshape(1, 1, 1001), Stretch.PERCENT, percents=(0.3, 99.7))

    assert made.ranges == (Range(3.0, 997.0),)


def test_percentiles_that_coincide_give_way_to_the_extremes() -> None:
    mostly = np.zeros((1, 1, 1000))
    mostly[0, 0, 0] = 8.0

    assert picture(mostly, Stretch.PERCENT).pixels[0, 0, :2].tolist() == [255, 0]


def test_gamma_brightens_the_middle() -> None:
    made = picture(IMAGE[:1], Stretch.CHANNEL, gamma=2.0)

    assert made.pixels[0, 0].tolist() == [0, 180, 255], "255 * 0.5 ** 0.5"


def test_invalid_pixels_count_for_nothing_and_are_transparent() -> None:
    holed = IMAGE.copy()
    holed[:, 0, 1] = np.nan, np.inf, -np.inf
    holed[:, 0, 2] += 5

    made = picture(holed, Stretch.CHANNEL)

    assert made.pixels[:, 0].tolist() == [[0, 0, 255]] * 3
    assert made.opaque is not None
    assert made.opaque.tolist() == [[True, False, True]]
    assert not made.patchy


def test_a_pixel_that_lacks_a_value_in_one_band_stays_and_it_is_said() -> None:
    holed = IMAGE.copy()
    holed[0, 0, 1] = np.nan

    made = picture(holed, Stretch.CHANNEL)

    assert (made.opaque, made.patchy) == (None, True)
    assert made.pixels[:, 0, 1].tolist() == [0, 166, 128]


def test_a_band_without_any_value_is_black() -> None:
    made = picture(IMAGE, Stretch.CHANNEL, valid=[[[1, 1, 1]], [[0, 0, 0]], [[1, 1, 1]]])

    assert made.pixels[1].tolist() == [[0, 0, 0]]
    assert made.ranges[1] is None
    for how in Stretch:
        assert picture_of(raster(IMAGE, np.zeros(IMAGE.shape)), (0, 1, 2), Stretching(how)) is None


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.float64, np.complex64, np.bool_]
)
@pytest.mark.parametrize("side", [1, 30, 300])
@pytest.mark.parametrize("how", list(Stretch))
def test_any_type_of_any_size_becomes_bytes(kind: type, side: int, how: Stretch) -> None:
    bands = np.random.default_rng(0).integers(0, 120, (3, side, side)).astype(kind)

    made = picture(bands, how, ends=(5.0, 90.0))

    low = np.array([ends.low for ends in made.ranges if ends])[:, None, None]
    high = np.array([ends.high for ends in made.ranges if ends])[:, None, None]
    if (low == high).any():
        assert np.unique(made.pixels[(low == high)[:, 0, 0]]).tolist() == [128]
        return
    wanted = np.rint(255 * np.clip((np.abs(bands).astype(float) - low) / (high - low), 0, 1))
    assert np.array_equal(made.pixels, wanted)


def test_negative_numbers_of_16_bits_are_no_large_ones() -> None:
    bands = np.arange(-40_000, 40_000, 1).clip(-32_768, 32_767).astype(np.int16).reshape(1, 200, 400)

    made = picture(bands, Stretch.FIXED, ends=(-1000.0, 1000.0))

    assert made.pixels.ravel()[[0, 40_000, -1]].tolist() == [0, 128, 255]


def test_numbers_too_far_apart_for_a_float_are_no_trouble() -> None:
    made = picture(np.array([[[-1.7e308, 0.0, 1.7e308]]]), Stretch.IMAGE)

    assert made.pixels[0, 0].tolist() == [0, 128, 255]


def test_it_is_noticed_where_numbers_as_stored_do_not_fit() -> None:
    assert picture(np.array([[[-1, 3, 300]]]), Stretch.NONE).pixels[0, 0].tolist() == [0, 3, 255]
    assert picture(np.array([[[-1, 3, 300]]]), Stretch.NONE).clipped
    assert not picture(np.array([[[0, 3, 255]]]), Stretch.NONE).clipped


@pytest.mark.parametrize(
    ("stretching", "said"),
    [
        (Stretching(percents=(99.0, 1.0)), "give two numbers like 1 99"),
        (Stretching(percents=(-1.0, 99.0)), "give two numbers like 1 99"),
        (Stretching(percents=(float("nan"), 99.0)), "give two numbers like 1 99"),
        (Stretching(Stretch.FIXED, ends=(3.0, 3.0)), "give the lower number first"),
        (Stretching(gamma=0.0), "above 0"),
        (Stretching(gamma=float("inf")), "above 0"),
        (Stretching(), ""),
        (Stretching(percents=(0.3, 99.7), gamma=1.8), ""),
    ],
)
def test_what_makes_no_sense_is_said(stretching: Stretching, said: str) -> None:
    assert said in stretching.fault
    assert bool(stretching.fault) == bool(said)

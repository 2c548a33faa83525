"""Pictures are what the numbers say, whatever the numbers are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from rsviewer.core.render import (
    Painted,
    Range,
    color_bands,
    contours_of_mask,
    difference,
    filled,
    halved,
    halved_nearest,
    highlight,
    hillshade,
    histogram,
    nice_ticks,
    paint,
    spots,
    value_range,
)
from rsviewer.core.style import RangeMode, Style, default_style
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Raster
from rsviewer.data.resources import color_table

GOLDEN = Path(__file__).parents[1] / "golden"
GREY = color_table("grey")
CIVIDIS = color_table("cividis")
HEIGHT = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="m")
IMAGE = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
CLASSES = (
    LabelClass(0, "unknown", (0, 0, 0), void=True),
    LabelClass(1, "water", (0, 69, 255)),
    LabelClass(2, "tree", (34, 97, 38)),
    LabelClass(3, "building", (222, 31, 7)),
)
LABELS = LayerSpec(LayerId("labels"), LayerKind.LABELS, "land cover", classes=CLASSES)
CHANGE = LayerSpec(
    LayerId("change"),
    LayerKind.MASK,
    "change",
    classes=(LabelClass(0, "same", (20, 20, 20)), LabelClass(255, "changed", (255, 255, 255))),
)
FIXED = Style(range_mode=RangeMode.FIXED, low=0.0, high=255.0)


def raster(pixels: Any, valid: Any = True, **more: Any) -> Raster:
    """A raster of (bands, height, width), or of one band from (height, width)."""
    values = np.array(pixels)
    values = values[None] if values.ndim == 2 else values
    return Raster(values, np.broadcast_to(np.array(valid, bool), values.shape), **more)


def rgba(painted: Painted | NDArray[np.uint32]) -> NDArray[np.uint8]:
    """(height, width, 4) red, green, blue, alpha."""
    pixels = painted.pixels if isinstance(painted, Painted) else painted
    return np.stack([pixels >> shift & 0xFF for shift in (16, 8, 0, 24)], axis=-1).astype(np.uint8)


def colors(painted: Painted | NDArray[np.uint32]) -> list[tuple[int, ...]]:
    """All colours of a picture in reading order, transparent ones as ()."""
    return [tuple(pixel[:3]) if pixel[3] else () for pixel in rgba(painted).reshape(-1, 4).tolist()]


# -- images


def test_an_8_bit_image_is_shown_as_stored() -> None:
    stored = np.random.default_rng(1).integers(0, 256, (3, 5, 7), dtype=np.uint8)

    painted = paint(raster(stored), IMAGE, default_style(IMAGE), GREY)

    assert (rgba(painted)[..., :3] == np.moveaxis(stored, 0, -1)).all()
    assert painted.opaque
    assert painted.bands == (0, 1, 2)
    assert painted.low is painted.high is None
    assert (painted.minimum, painted.maximum) == (stored.min(), stored.max())


def test_a_16_bit_image_is_stretched_band_by_band() -> None:
    stored = np.array([[[0, 1000]], [[500, 600]], [[7, 9]]], np.uint16)

    painted = paint(raster(stored), IMAGE, replace(default_style(IMAGE), percent=0.0), GREY)

    assert colors(painted) == [(0, 0, 0), (255, 255, 255)]
    assert painted.ranges == (Range(0, 1000), Range(500, 600), Range(7, 9))


def test_bands_can_share_one_stretch() -> None:
    stored = np.array([[[0, 100]], [[50, 50]], [[100, 0]]], np.int16)

    painted = paint(raster(stored), IMAGE, Style(range_mode=RangeMode.MIN_MAX, per_band=False), GREY)

    assert colors(painted) == [(0, 128, 255), (255, 128, 0)]
    assert painted.ranges == (Range(0, 100),)


def test_two_bands_show_the_first_in_grey() -> None:
    painted = paint(raster(np.array([[[0, 255]], [[9, 9]]], np.uint8)), IMAGE, default_style(IMAGE), GREY)

    assert colors(painted) == [(0, 0, 0), (255, 255, 255)]
    assert painted.bands == (0,)


@pytest.mark.parametrize(
    ("asked", "documented", "shown"),
    [
        ((), (), (0, 1, 2)),
        ((), (3, 2, 1), (3, 2, 1)),
        ((4,), (3, 2, 1), (4,)),
        ((2, 1, 0), (3, 2, 1), (2, 1, 0)),
        ((9, 1, 0), (3, 2, 1), (3, 2, 1)),
        ((-1,), (12, 13, 14), (0, 1, 2)),
        ((3, 4), (), (3,)),
    ],
)
def test_bands_that_are_not_there_fall_back(
    asked: tuple[int, ...], documented: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    image = raster(np.zeros((5, 2, 2), np.uint8))

    assert paint(image, replace(IMAGE, display_bands=documented), Style(bands=asked), GREY).bands == shown


def test_a_single_band_goes_through_the_colour_table() -> None:
    stored = np.array([[0, 128, 255]], np.uint8)
    style = replace(default_style(IMAGE), color_table="cividis")

    assert colors(paint(raster(stored), IMAGE, style, CIVIDIS)) == [tuple(CIVIDIS[i].tolist()) for i in (0, 128, 255)]
    inverted = paint(raster(stored), IMAGE, replace(style, invert=True), CIVIDIS)
    assert colors(inverted) == [tuple(CIVIDIS[i].tolist()) for i in (255, 127, 0)]


def test_gamma_brightens_the_middle_and_keeps_the_ends() -> None:
    stored = np.array([[0, 64, 255]], np.uint8)

    bright = colors(paint(raster(np.stack([stored] * 3)), IMAGE, replace(default_style(IMAGE), gamma=2.0), GREY))

    assert bright[0] == (0, 0, 0)
    assert bright[1] == (128, 128, 128)
    assert bright[2] == (255, 255, 255)
    assert bright == colors(paint(raster(stored), IMAGE, replace(default_style(IMAGE), gamma=2.0), GREY))


def test_a_constant_image_is_mid_grey_and_says_so() -> None:
    painted = paint(raster(np.full((3, 2, 2), 7.5)), IMAGE, Style(), GREY)

    assert set(colors(painted)) == {(128, 128, 128)}
    assert painted.note == "constant"


def test_a_1_bit_image_is_not_black() -> None:
    painted = paint(raster(np.array([[0, 1]], np.uint8)), IMAGE, default_style(IMAGE), GREY)

    assert colors(painted) == [(0, 0, 0), (255, 255, 255)]
    assert "0 and 1" in painted.note


def test_a_palette_image_has_the_colours_of_its_palette() -> None:
    image = raster(np.array([[0, 1, 2]], np.uint8), color_table={0: (1, 2, 3), 1: (4, 5, 6), 2: (7, 8, 9)})

    painted = paint(image, IMAGE, default_style(IMAGE), GREY)

    assert colors(painted) == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert not painted.shares


def test_a_pixel_is_transparent_only_where_no_band_is_valid() -> None:
    valid = np.array([[[1, 0, 0]], [[1, 1, 0]], [[1, 1, 0]]])

    painted = paint(raster(np.full((3, 1, 3), 200, np.uint8), valid), IMAGE, default_style(IMAGE), GREY)

    assert colors(painted) == [(200, 200, 200), (0, 200, 200), ()]
    assert not painted.opaque
    assert painted.valid_share == pytest.approx(2 / 3)


def test_complex_radar_shows_its_amplitude() -> None:
    spec = replace(IMAGE, kind=LayerKind.SAR)

    painted = paint(raster(np.array([[3 + 4j, 0j]])), spec, Style(range_mode=RangeMode.MIN_MAX), GREY)

    assert painted.ranges == (Range(0, 5),)
    assert colors(painted) == [(255, 255, 255), (0, 0, 0)]


# -- ranges


def test_a_range_never_looks_at_what_is_invalid_or_not_finite() -> None:
    stored = np.array([[np.nan, np.inf, -np.inf, -9999.0, 1.0, 2.0, 3.0]])

    dsm = raster(stored, stored != -9999.0)

    for mode in RangeMode:
        found = value_range(dsm, (0,), Style(range_mode=mode, percent=0.0, sigmas=99.0, low=1.0, high=3.0))
        assert found == (Range(-3.0, 3.0) if mode is RangeMode.SYMMETRIC else Range(1.0, 3.0)), mode


def test_a_range_around_zero_reaches_as_far_below_as_above() -> None:
    error = raster(np.array([[-1.0, 0.5, 4.0, np.nan]]))

    assert value_range(error, (0,), Style(range_mode=RangeMode.SYMMETRIC, percent=0.0)) == Range(-4.0, 4.0)
    one_sided = raster(np.array([[7.0, 7.0]]))
    assert value_range(one_sided, (0,), Style(range_mode=RangeMode.SYMMETRIC)) == Range(-7.0, 7.0)


def test_what_is_shown_as_its_reference_takes_the_range_of_the_reference() -> None:
    predicted = raster(np.array([[-5.0, 90.0]]))
    style = Style(range_mode=RangeMode.REFERENCE, percent=0.0)

    assert value_range(predicted, (0,), style, sample=Range(0.0, 30.0)) == Range(0.0, 30.0)
    assert value_range(predicted, (0,), style) == Range(-5.0, 90.0)


def test_an_error_has_zero_in_the_middle_of_its_colours_and_a_probability_its_whole_range() -> None:
    error = default_style(LayerSpec(LayerId("e"), LayerKind.QUANTITY, "error", unit="m"))
    probability = default_style(LayerSpec(LayerId("p"), LayerKind.QUANTITY, "probability", low=0.0, high=1.0))

    assert error.range_mode is RangeMode.SYMMETRIC
    assert (probability.range_mode, probability.low, probability.high) == (RangeMode.FIXED, 0.0, 1.0)


def test_percentiles_are_exact_in_a_small_raster() -> None:
    heights = np.random.default_rng(2).normal(size=(200, 200))

    found = value_range(raster(heights), (0,), Style(percent=2.0))

    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(heights, (2, 98))))


def test_percentiles_of_a_large_raster_are_close() -> None:
    heights = np.random.default_rng(3).random((700, 700), np.float32)

    found = value_range(raster(heights), (0,), Style(percent=1.0))

    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.01, 0.99), abs=0.004)


def test_a_few_valid_pixels_in_a_large_raster_still_make_a_range() -> None:
    heights = np.full((600, 600), np.nan, np.float32)
    heights[1, 1:4] = 5.0, 6.0, 7.0

    assert value_range(raster(heights), (0,), Style(percent=0.0)) == Range(5.0, 7.0)


def test_percentiles_that_coincide_give_way_to_the_extremes() -> None:
    ndsm = np.zeros((50, 50), np.float32)
    ndsm[7, 7] = 12.0

    assert value_range(raster(ndsm), (0,), Style(percent=2.0)) == Range(0.0, 12.0)


def test_sigmas_go_no_further_than_the_values() -> None:
    heights = raster(np.array([[0.0, 0.0, 0.0, 10.0]]))

    found = value_range(heights, (0,), Style(range_mode=RangeMode.SIGMA, sigmas=1.0))

    assert found is not None
    assert found.low == 0.0
    assert found.high == pytest.approx(2.5 + np.std([0, 0, 0, 10]))


def test_the_dataset_range_waits_until_it_is_known() -> None:
    heights, style = raster(np.array([[1.0, 2.0]])), Style(range_mode=RangeMode.DATASET, percent=0.0)

    assert value_range(heights, (0,), style) == Range(1.0, 2.0)
    assert value_range(heights, (0,), style, sample=Range(-5.0, 50.0)) == Range(-5.0, 50.0)


def test_a_typed_range_may_be_the_wrong_way_round_or_not_a_number() -> None:
    heights = raster(np.array([[1.0, 2.0]]))

    assert value_range(heights, (0,), replace(FIXED, low=9.0, high=4.0)) == Range(4.0, 9.0)
    assert value_range(heights, (0,), replace(FIXED, low=float("nan"), percent=0.0)) == Range(1.0, 2.0)


def test_nothing_valid_has_no_range_but_a_locked_one_stays() -> None:
    void = raster(np.zeros((2, 2), np.float32), False)

    assert value_range(void, (0,), Style()) is None
    assert paint(void, HEIGHT, Style(), CIVIDIS).low is None
    locked = paint(void, HEIGHT, FIXED, CIVIDIS)
    assert (locked.low, locked.high) == (0.0, 255.0)
    assert set(colors(locked)) == {()}
    assert locked.note == "no valid pixel"


# -- heights


def test_heights_run_through_the_table_and_are_clipped_to_a_fixed_range() -> None:
    heights = np.array([[-40.0, 0.0, 5.0, 10.0, 1e6]], np.float32)

    painted = paint(raster(heights), HEIGHT, replace(FIXED, high=10.0), CIVIDIS)

    assert colors(painted) == [tuple(CIVIDIS[i].tolist()) for i in (0, 0, 128, 255, 255)]
    assert (painted.low, painted.high) == (0.0, 10.0)
    assert (painted.minimum, painted.maximum) == (-40.0, 1e6)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (-32768, 32767, np.int16),
        (0, 2**64 - 1, np.uint64),
        (-(2**63), 2**63 - 1, np.int64),
        (2**31 - 256, 2**31 - 1, np.int32),
        (-1.7e308, 1.7e308, np.float64),
        (-3.4e38, 3.4e38, np.float32),
        (-65504.0, 65504.0, np.float16),
        (1e-300, 3e-300, np.float64),
        (8000.0, 8000.001, np.float64),
    ],
)
def test_extreme_ranges_neither_overflow_nor_lose_the_middle(low: float, high: float, kind: type) -> None:
    middle = (low + high) // 2 if isinstance(low, int) else low / 2 + high / 2
    heights = np.array([[low, middle, high]], kind)

    painted = paint(raster(heights), HEIGHT, Style(range_mode=RangeMode.MIN_MAX), GREY)

    grey = [color[0] for color in colors(painted)]
    assert (grey[0], grey[2]) == (0, 255)
    assert 126 <= grey[1] <= 129


def test_constant_heights_take_the_middle_of_the_table() -> None:
    painted = paint(raster(np.full((3, 3), 12.5)), HEIGHT, default_style(HEIGHT), GREY)

    assert set(colors(painted)) == {(128, 128, 128)}
    assert painted.note == "constant"


def test_level_ground_keeps_the_colour_of_the_table_under_the_sun() -> None:
    steps = np.repeat(np.arange(8.0), 8)[None].repeat(8, 0)
    plain = replace(FIXED, high=7.0)

    flat, shaded = (
        rgba(paint(raster(steps, gsd=1.0), HEIGHT, style, CIVIDIS)) for style in (plain, replace(plain, hillshade=1.0))
    )

    level = np.arange(64) % 8
    inner = (level > 0) & (level < 7)
    assert (flat[:, inner] == shaded[:, inner]).all()
    assert (flat[:, ~inner][:, 1:-1] != shaded[:, ~inner][:, 1:-1]).any()


def test_the_sun_stands_in_the_north_west() -> None:
    y, x = np.mgrid[0:9, 0:9].astype(np.float64)

    facing_it, facing_away = (hillshade(slope, 1.0)[4, 4] for slope in (x + y, -x - y))

    assert facing_it > np.sin(np.radians(45)) > facing_away


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 180.0, 270.0])
def test_a_slope_that_faces_the_sun_squarely_is_white(azimuth: float) -> None:
    y, x = np.mgrid[0:5, 0:6].astype(np.float64)
    sun = np.radians(azimuth)
    slope = 2.0 * (-x * np.sin(sun) + y * np.cos(sun))  # descends towards the sun at 45 degrees, 2 m a pixel of 2 m

    assert hillshade(slope, 2.0, azimuth, 45.0) == pytest.approx(1.0, abs=1e-6)
    assert hillshade(-slope, 2.0, azimuth, 45.0) == pytest.approx(0.0, abs=1e-6)


def test_hillshade_knows_the_size_of_a_pixel() -> None:
    slope = np.arange(10.0)[None].repeat(5, 0)

    assert hillshade(slope, 1.0) == pytest.approx(hillshade(slope * 30.0, 30.0), abs=1e-6)
    assert hillshade(slope, 1.0)[2, 5] != pytest.approx(hillshade(slope, 30.0)[2, 5], abs=0.05)


def test_a_raster_read_decimated_is_shaded_as_steep_as_the_whole() -> None:
    slope = np.arange(0.0, 64.0)[None, None].repeat(64, 1)
    style = replace(FIXED, hillshade=1.0)

    full = paint(raster(slope, gsd=1.0), HEIGHT, style, np.full_like(GREY, 128))
    part = paint(raster(slope[:, ::4, ::4], gsd=1.0, full_size=(64, 64)), HEIGHT, style, np.full_like(GREY, 128))

    assert set(colors(part)) == set(colors(full))


def test_a_void_casts_no_shadow() -> None:
    plain = np.full((9, 9), 100.0, np.float32)
    plain[3:6, 3:6] = -9999.0
    plain[4, 4] = np.nan

    painted = paint(raster(plain, plain != -9999.0, gsd=1.0), HEIGHT, default_style(HEIGHT), GREY)

    assert set(colors(painted)) == {(128, 128, 128), ()}
    assert (rgba(painted)[3:6, 3:6] == 0).all()


def test_nan_stays_nan_in_a_hillshade_and_nowhere_else() -> None:
    slope = np.arange(49.0).reshape(7, 7)
    slope[3, 3] = np.nan

    shade = hillshade(slope, 1.0)

    assert np.argwhere(np.isnan(shade)).tolist() == [[3, 3]]
    assert shade.dtype == np.float32


def test_shading_is_the_same_whatever_the_blocks() -> None:
    heights = np.random.default_rng(5).random((300, 400)) * 20
    heights[60:90, 100:200] = np.nan

    whole, part = hillshade(heights, 1.0), hillshade(heights[40:200], 1.0)

    assert np.allclose(whole[41:199], part[1:-1], atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_relief_of_unknown_scale_is_neither_flat_nor_black(factor: float) -> None:
    y, x = np.mgrid[0:64, 0:64]
    hills = factor * (np.sin(x / 6.0) + np.cos(y / 7.0))

    painted = paint(raster(hills), replace(HEIGHT, unit=""), Style(hillshade=1.0), np.full_like(GREY, 128))

    brightness = rgba(painted)[..., 0].astype(float)
    assert brightness.std() > 15
    assert np.mean(brightness < 30) < 0.05


# -- classes and masks


def test_classes_have_their_colours_and_shares() -> None:
    painted = paint(raster(np.array([[1, 1, 2, 3]], np.uint8)), LABELS, Style(), GREY)

    assert colors(painted) == [CLASSES[i].color for i in (1, 1, 2, 3)]
    assert painted.shares == {1: 0.5, 2: 0.25, 3: 0.25}
    assert painted.opaque
    assert painted.note == ""


@pytest.mark.parametrize("valid_share", [1.0, 0.7])
@pytest.mark.parametrize("values", [(0, 1), (0, 255), (1, 2, 8), (10, 20, 200), tuple(range(60)), tuple(range(256))])
@pytest.mark.parametrize("width", [1, 40, 41])
def test_every_pixel_has_the_colour_and_the_share_of_its_class(
    width: int, values: tuple[int, ...], valid_share: float
) -> None:
    random = np.random.default_rng(width)
    labels = random.choice(np.array(values, np.uint8), (30, width))
    valid = random.random((30, width)) < valid_share

    painted = paint(raster(labels, valid), replace(LABELS, classes=()), Style(), GREY)

    found, counts = np.unique(labels[valid], return_counts=True)
    assert painted.shares == pytest.approx(dict(zip(found.tolist(), (counts / counts.sum()).tolist(), strict=True)))
    expected = [painted.colors[value] if there else () for value, there in zip(labels.flat, valid.flat, strict=True)]
    assert colors(painted) == expected


def test_void_is_transparent_and_has_no_share() -> None:
    painted = paint(raster(np.array([[0, 0, 2, 3]], np.uint8)), LABELS, Style(), GREY)

    assert colors(painted) == [(), (), CLASSES[2].color, CLASSES[3].color]
    assert painted.shares == {2: 0.5, 3: 0.5}
    assert painted.valid_share == 0.5
    assert not painted.opaque


def test_an_unknown_value_is_loud_and_counted() -> None:
    painted = paint(raster(np.array([[1, 77]], np.uint8)), LABELS, Style(), GREY)

    assert painted.shares == {1: 0.5, 77: 0.5}
    assert painted.colors[77] == colors(painted)[1]
    assert min(np.abs(np.subtract(painted.colors[77], entry.color)).max() for entry in CLASSES) > 60
    assert "77" in painted.note


def test_a_hidden_class_is_transparent_and_keeps_its_share() -> None:
    painted = paint(raster(np.array([[1, 2]], np.uint8)), LABELS, Style(hidden=frozenset({2})), GREY)

    assert colors(painted) == [CLASSES[1].color, ()]
    assert painted.shares == {1: 0.5, 2: 0.5}


def test_labels_are_transparent_where_they_are_invalid() -> None:
    painted = paint(raster(np.array([[1, 1, 2]], np.uint8), [[[True, False, True]]]), LABELS, Style(), GREY)

    assert colors(painted) == [CLASSES[1].color, (), CLASSES[2].color]
    assert painted.shares == {1: 0.5, 2: 0.5}


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_class_values_may_be_negative_and_of_any_type(kind: type) -> None:
    spec = replace(LABELS, classes=(LabelClass(-128, "low", (1, 2, 3)), LabelClass(127, "high", (4, 5, 6))))

    painted = paint(raster(np.array([[-128, 127]], kind)), spec, Style(), GREY)

    assert colors(painted) == [(1, 2, 3), (4, 5, 6)]
    assert painted.shares == {-128: 0.5, 127: 0.5}


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.float64])
def test_class_values_may_be_huge_and_far_apart(kind: type) -> None:
    spec = replace(LABELS, classes=(LabelClass(2, "low", (1, 2, 3)), LabelClass(2**62, "high", (4, 5, 6))))

    painted = paint(raster(np.array([[2, 2**62, 5]], kind), [[[True, True, False]]]), spec, Style(), GREY)

    assert colors(painted) == [(1, 2, 3), (4, 5, 6), ()]
    assert painted.shares == {2: 0.5, 2**62: 0.5}


def test_a_label_that_is_no_whole_number_is_loud_and_noted() -> None:
    painted = paint(raster(np.array([[1.0, 1.5, np.nan, 2.0]])), LABELS, Style(), GREY)

    assert colors(painted)[0::3] == [CLASSES[1].color, CLASSES[2].color]
    assert colors(painted)[1] not in {entry.color for entry in CLASSES} | {()}
    assert colors(painted)[2] == ()
    assert painted.shares == {1: pytest.approx(1 / 3), 2: pytest.approx(1 / 3)}
    assert "no whole numbers" in painted.note


def test_the_file_s_palette_is_used_where_the_dataset_has_none() -> None:
    labels = raster(np.array([[4, 5]], np.uint8), color_table={4: (10, 20, 30)})

    painted = paint(labels, replace(LABELS, classes=()), Style(), GREY)

    assert colors(painted)[0] == (10, 20, 30)
    assert "5" in painted.note


def test_without_any_palette_the_values_can_be_told_apart_and_look_the_same_on_every_tile() -> None:
    spec = replace(LABELS, classes=())

    found = paint(raster(np.arange(24, dtype=np.uint8)[None]), spec, Style(), GREY).colors
    again = paint(raster(np.array([[7, 300]], np.int16)), spec, Style(), GREY).colors

    apart = [np.abs(np.subtract(one, other)).max() for a, one in found.items() for b, other in found.items() if a < b]
    assert min(apart) > 20
    assert again[7] == found[7]


def test_a_mask_of_0_and_1_is_read_as_0_and_255() -> None:
    painted = paint(raster(np.array([[0, 1, 1, 1]], np.uint8)), CHANGE, Style(), GREY)

    assert colors(painted) == [(20, 20, 20), *[(255, 255, 255)] * 3]
    assert painted.shares == {0: 0.25, 255: 0.75}
    assert painted.note == "1 shown as 255"


def test_a_mask_that_holds_1_beside_255_is_not_trusted() -> None:
    painted = paint(raster(np.array([[0, 1, 255, 255]], np.uint8)), CHANGE, Style(), GREY)

    assert painted.shares == {0: 0.25, 1: 0.25, 255: 0.5}
    assert "not in the palette: 1" in painted.note


def test_a_mask_without_classes_is_dark_and_bright() -> None:
    painted = paint(raster(np.array([[0, 1, 255]], np.uint8)), replace(CHANGE, classes=()), Style(), GREY)

    dark, one, other = colors(painted)
    assert max(dark) < 60
    assert one == other
    assert max(one) > 200
    assert painted.opaque


# -- differences, contours, smaller pictures, histograms, ticks


def test_a_difference_of_nothing_is_the_middle_of_the_table() -> None:
    one = raster(np.array([[1.0, 3.0, 9.0, 5.0]]), [[[True, True, True, False]]])
    other = raster(np.array([[1.0, 5.0, 7.0, 5.0]]))
    table = color_table("RdBu")

    painted = difference(one, other, table, limit=2.0)

    same, low, high, void = colors(painted)
    assert min(same) > 240
    assert low == tuple(table[0].tolist())
    assert high == tuple(table[255].tolist())
    assert void == ()
    assert (painted.low, painted.high) == (-2.0, 2.0)


def test_a_difference_finds_a_range_that_is_even_on_both_sides() -> None:
    one = raster(np.array([[1.0, -4.0]]))

    painted = difference(one, raster(np.zeros((1, 2))), GREY)

    assert painted.low == -3.94
    assert painted.high == 3.94
    assert set(colors(difference(one, one, GREY))) == {(128, 128, 128)}


def test_heights_of_different_size_have_no_difference() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        difference(raster(np.zeros((2, 2))), raster(np.zeros((2, 3))), GREY)


def test_contours_are_the_rim_of_a_mask() -> None:
    mask = np.zeros((7, 7), np.uint8)
    mask[2:5, 2:5] = 255
    mask[0, 6] = 255

    outline = contours_of_mask(raster(mask, (np.arange(49) != 6).reshape(1, 7, 7)), CHANGE, (255, 0, 0))

    red = np.argwhere(outline == 0xFFFF0000).tolist()
    assert red == [[2, 2], [2, 3], [2, 4], [3, 2], [3, 4], [4, 2], [4, 3], [4, 4]]
    assert outline[3, 3] == outline[0, 6] == outline[0, 0] == 0
    assert outline[1, 1] >> 24 == 0xA0


def test_the_edge_of_the_tile_is_no_contour() -> None:
    assert not contours_of_mask(raster(np.full((4, 4), 255, np.uint8)), CHANGE).any()


def test_a_halved_picture_is_the_mean_of_four() -> None:
    pixels = np.array([[0xFF000000, 0xFF0000FF], [0xFF00FF00, 0xFFFF0001]], np.uint32)

    assert halved(pixels).tolist() == [[0xFF404040]]


def test_a_halved_picture_keeps_its_corners_where_the_size_is_odd() -> None:
    pixels = np.random.default_rng(6).integers(0, 2**32, (5, 7), dtype=np.uint32)

    assert halved(pixels).shape == halved_nearest(pixels).shape == (3, 4)
    assert halved(pixels)[2, 3] == pixels[4, 6]


def test_a_picture_as_bands_is_red_green_blue_and_alpha() -> None:
    pixels = np.array([[0xFF010203, 0, 0xFFFF8000]], np.uint32)

    assert color_bands(pixels, transparent=True)[:, 0].tolist() == [[1, 0, 255], [2, 0, 128], [3, 0, 0], [255, 0, 255]]
    assert color_bands(pixels, transparent=False).shape == (3, 1, 3)
    assert filled(pixels, (9, 8, 7)).tolist() == [[0xFF010203, 0xFF090807, 0xFFFF8000]]


@given(hnp.arrays(np.uint32, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_halving_rounds_every_channel_by_itself(pixels: NDArray[np.uint32]) -> None:
    height, width = pixels.shape
    even = np.pad(pixels, ((0, height % 2), (0, width % 2)), mode="edge")

    expected = rgba(even).astype(int).reshape(-(-height // 2), 2, -(-width // 2), 2, 4).sum(axis=(1, 3))

    assert (rgba(halved(pixels)) == (expected + 2) // 4).all()


def test_a_histogram_counts_only_what_is_valid() -> None:
    heights = np.array([[0.0, 1.0, 2.0, 4.0, np.nan, -9999.0]])

    found = histogram(raster(heights, heights != -9999.0), (0,), bins=4)

    assert found.counts.tolist() == [[1, 1, 1, 1]]
    assert found.edges.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_bins_of_whole_numbers_are_equally_wide() -> None:
    found = histogram(raster(np.arange(1000, dtype=np.int16)[None]), (0,), bins=256)

    assert set(found.counts[0, :-1].tolist()) == {4}
    assert found.counts.sum() == 1000


def test_a_histogram_of_nothing_is_empty() -> None:
    found = histogram(raster(np.zeros((2, 2)), False), (0, 5), bins=8)

    assert found.bands == (0,)
    assert found.counts.sum() == 0


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.int16, np.uint64, np.float32, np.float64]), (2, 3, 4)),
    st.integers(1, 300),
)
@example(np.asarray([0.0, 1.1e-308]).repeat(12).reshape(2, 3, 4), 1)
@example(np.asarray([0.0, 5e-324]).repeat(12).reshape(2, 3, 4), 1)
@example(np.full((2, 3, 4), np.finfo(np.float64).max), 1)
def test_a_histogram_counts_every_finite_value_once(pixels: NDArray[Any], bins: int) -> None:
    found = histogram(raster(pixels), (0, 1), bins)

    assert found.counts.sum() == np.isfinite(pixels).sum()
    assert (np.diff(found.edges) > 0).all()
    assert len(found.edges) == found.counts.shape[1] + 1 <= bins + 1


@pytest.mark.parametrize(
    ("low", "high", "count", "ticks"),
    [
        (0.0, 42.0, 5, (0.0, 10.0, 20.0, 30.0, 40.0)),
        (0.0, 1.0, 6, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (-3.2, 7.9, 4, (0.0, 5.0)),
        (5.0, 5.0, 4, (5.0,)),
        (10.0, 0.0, 3, (0.0, 5.0, 10.0)),
        (1234.0, 1236.0, 3, (1234.0, 1235.0, 1236.0)),
        (float("nan"), 1.0, 5, ()),
        (0.0, float("inf"), 5, ()),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, count: int, ticks: Sequence[float]) -> None:
    assert nice_ticks(low, high, count) == tuple(ticks)


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(1, 12),
)
def test_ticks_stay_inside_and_are_few(low: float, high: float, count: int) -> None:
    ticks = nice_ticks(low, high, count)

    margin = 1e-6 * max(abs(low), abs(high))
    assert len(ticks) <= count
    assert all(min(low, high) - margin <= tick <= max(low, high) + margin for tick in ticks)
    assert list(ticks) == sorted(ticks)


# -- anything at all

KINDS = [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
KINDS += [np.float16, np.float32, np.float64, np.complex64]
ODD = st.one_of(st.floats(), st.floats(0, 100))
STYLES = st.builds(
    Style,
    bands=st.one_of(st.just(()), st.lists(st.integers(-2, 5), max_size=4).map(tuple)),
    range_mode=st.sampled_from(RangeMode),
    percent=ODD,
    sigmas=ODD,
    low=ODD,
    high=ODD,
    per_band=st.booleans(),
    gamma=ODD,
    invert=st.booleans(),
    hillshade=ODD,
    azimuth=ODD,
    altitude=ODD,
    exaggeration=ODD,
    hidden=st.frozensets(st.integers(0, 3), max_size=2),
)
SPECS = st.builds(
    LayerSpec,
    id=st.just(LayerId("any")),
    kind=st.sampled_from(LayerKind),
    title=st.just("any"),
    unit=st.sampled_from(["m", "ft", "", "dB"]),
    display_bands=st.sampled_from([(), (0,), (2, 1, 0), (7,)]),
    classes=st.sampled_from([(), CLASSES, CHANGE.classes]),
)


@st.composite
def rasters(draw: st.DrawFn) -> Raster:
    shape = draw(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 6)))
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    values = draw(hnp.arrays(kind, shape, elements=hnp.from_dtype(kind)))
    valid = draw(st.one_of(st.booleans(), hnp.arrays(np.bool_, shape)))
    full = draw(st.sampled_from([(0, 0), (5000, 4000)]))
    gsd = draw(st.one_of(st.none(), ODD))
    return raster(values, valid, full_size=full, gsd=gsd, color_table=draw(st.sampled_from([{}, {1: (9, 9, 9)}])))


@settings(max_examples=200, deadline=None)
@given(rasters(), SPECS, STYLES, st.one_of(st.none(), st.builds(Range, ODD, ODD)))
def test_anything_can_be_painted(stored: Raster, spec: LayerSpec, style: Style, sample: Range | None) -> None:
    painted = paint(stored, spec, style, CIVIDIS, sample=sample)

    assert painted.pixels.dtype == np.uint32
    assert painted.pixels.shape == (stored.height, stored.width)
    shown = [stored.valid[band] & np.isfinite(stored.pixels[band]) for band in painted.bands]
    usable = np.logical_or.reduce(shown) if shown else np.zeros(painted.pixels.shape, bool)
    alpha = painted.pixels >> 24
    assert (alpha[~usable] == 0).all()
    assert (painted.pixels[alpha == 0] == 0).all()
    assert painted.opaque == (bool((alpha == 255).all()) and bool(usable.any()))
    if spec.kind.is_categorical:
        assert sum(painted.shares.values()) <= 1.0 + 1e-9
        assert painted.shares.keys() == painted.colors.keys()
    else:
        assert (alpha[usable] == 255).all()
        assert painted.valid_share == (usable.mean() if usable.size else 0.0)


# -- golden pictures: how it shall look


def scene(name: str) -> tuple[Raster, LayerSpec, Style, NDArray[np.uint8]]:
    """A small synthetic layer of each kind, with everything that is special about it."""
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)
    hill = 30.0 * np.exp(-((x - 22) ** 2 + (y - 30) ** 2) / 160) + 12.0 * ((x > 40) & (x < 56) & (y > 10) & (y < 30))
    if name in ("height", "relief"):
        hill[48:60, 30:50] = -9999.0
        hill[5:9, 4:12] = np.nan
        style = replace(default_style(HEIGHT), hillshade=0.0 if name == "height" else 0.5)
        return raster(hill, hill != -9999.0, gsd=1.0), HEIGHT, style, CIVIDIS
    if name == "image":
        bands = np.stack([x * 60, y * 50 + 300, hill * 90 + 50]).astype(np.uint16)
        return raster(bands, ~((x > 50) & (y > 54))), IMAGE, default_style(IMAGE), GREY
    if name == "labels":
        labels = (x // 16 + y // 16).astype(np.uint8) % 5  # 0 is void, 4 is unknown
        return raster(labels), LABELS, Style(), GREY
    return raster((hill > 8).astype(np.uint8) * 255), replace(CHANGE, classes=()), Style(), GREY


@pytest.mark.parametrize("name", ["height", "relief", "image", "labels", "mask"])
def test_pictures_look_as_they_did(name: str) -> None:
    picture = rgba(paint(*scene(name)))

    with Image.open(GOLDEN / f"{name}.png") as golden:
        expected = np.asarray(golden.convert("RGBA"))

    assert picture.shape == expected.shape
    assert (picture[..., 3] == expected[..., 3]).all()
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 3


def test_what_is_suspected_is_outlined_and_seen_through() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    pixels = highlight(mask, (255, 0, 0))
    alpha = pixels >> 24

    assert (alpha[mask] > 0).all()
    assert alpha[2, 2] == 255  # the line
    assert 0 < alpha[4, 4] < 128  # the veil
    assert alpha[0, 0] == 0
    red, veil = pixels >> 16 & 255, pixels[4, 4]
    assert red[4, 4] <= alpha[4, 4]  # premultiplied
    assert veil & 0xFFFF == 0


def test_small_spots_are_boxed_and_large_ones_are_seen_without() -> None:
    mask = np.zeros((400, 500), bool)
    mask[100:140, 100:140] = True  # large
    mask[300, 400] = True
    mask[302, 403] = True  # near that one
    mask[0, 499] = True
    found = spots(mask)

    assert len(found) == 2
    left, top, right, bottom = found[0]
    assert left * 500 <= 400 < 404 <= right * 500
    assert top * 400 <= 300 < 303 <= bottom * 400
    assert right - left < 0.05
    assert found[1][1] == 0.0
    assert found[1][2] == 1.0


def test_spots_of_nothing_and_of_noise_are_few() -> None:
    assert spots(np.zeros((20, 30), bool)) == ()
    assert spots(np.ones((1, 1), bool)) == ()
    assert len(spots(np.random.default_rng(0).random((512, 512)) < 0.001)) <= 60


def test_no_boxes_lie_around_small_parts_of_what_is_seen_anyway() -> None:
    mask = np.zeros((256, 256), bool)
    mask[3, 3] = True
    assert len(spots(mask)) == 1
    mask[100:200, 100:200] = True
    assert spots(mask) == ()

"""What is wrong with pictures is found, by how much and where, and ordinary pictures are left alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from rsviewer.core.checks import images
from rsviewer.core.checks.picture import pictures, tones_of
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import threshold_of
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.content import read_layer
from rsviewer.data.detect import open_dataset
from tests.core.checks.subjects import odd_subjects, raster, score, signs, subject

CHECKS = {check.id: check for check in images.CHECKS}
Image = NDArray[np.uint8]


def landscape(seed: int = 0, size: int = 256) -> Image:
    """Sharp fields and houses in all directions, with the grain of a camera: (3, size, size)."""
    dice = np.random.default_rng(seed)
    picture = np.full((size, size, 3), (95, 105, 70), np.uint8)
    for number in range(90):
        middle, sides = dice.uniform(0, size, 2), dice.uniform(6, size / 5 if number < 25 else 18, 2)
        corners = cv2.boxPoints((tuple(middle), tuple(sides), float(dice.uniform(0, 90)))).astype(np.int32)
        paint = dice.uniform(25, 160) * dice.uniform(0.7, 1.1, 3) * (1.05, 1, 0.8)
        cv2.fillPoly(picture, [corners], tuple(float(value) for value in paint))
    grained = picture + dice.normal(0, 2, picture.shape)
    return np.ascontiguousarray(np.clip(grained, 0, 255).astype(np.uint8).transpose(2, 0, 1))


def changed(image: Image, how: NDArray[np.floating]) -> Image:
    return np.clip(np.round(how), 0, 255).astype(np.uint8).reshape(image.shape)


def blurred(image: Image, sigma: float) -> Image:
    return changed(image, np.stack([cv2.GaussianBlur(band.astype(np.float32), (0, 0), sigma) for band in image]))


def dragged(image: Image, pixels: int) -> Image:
    kernel = np.zeros((pixels, pixels), np.float32)
    kernel[pixels // 2] = 1 / pixels
    return changed(image, np.stack([cv2.filter2D(band.astype(np.float32), -1, kernel) for band in image]))


def clouded(image: Image, opacity: float = 1.0, seed: int = 3) -> tuple[Image, NDArray[np.bool_]]:
    """With round and ragged white clouds; and where they are thick."""
    dice = np.random.default_rng(seed)
    size = image.shape[1]
    shape = sum(
        0.6**level
        * cv2.resize(
            dice.random((3 * 2**level, 3 * 2**level)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
        )
        for level in range(5)
    )
    low, high = np.quantile(shape, (0.6, 0.85))
    cover = opacity * np.clip((shape - low) / (high - low), 0, 1)
    return changed(image, image * (1 - cover) + 232 * cover), cover > 0.7


def compressed(image: Image, quality: int, offset: int = 0) -> Image:
    """As JPEG, cut so that its grid does not begin in the corner."""
    whole = np.pad(image, ((0, 0), (offset, 0), (offset, 0)), mode="reflect").transpose(1, 2, 0)
    coded = cv2.imencode(".jpg", np.ascontiguousarray(whole), (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[offset:, offset:].transpose(2, 0, 1))


def grainy(image: Image, sigma: float, grey: bool = False) -> Image:
    shape = image.shape[1:] if grey else image.shape
    return changed(image, image + np.random.default_rng(5).normal(0, sigma, shape))


def strewn(image: Image, share: float, values: tuple[int, int] = (0, 255)) -> Image:
    """With single pixels that are black or white."""
    spoiled = image.copy()
    dice = np.random.default_rng(7).random(image.shape[1:])
    spoiled[:, dice < share / 2] = values[0]
    spoiled[:, dice > 1 - share / 2] = values[1]
    return spoiled


def banded(image: Image, height: float, upright: bool = False) -> Image:
    wave = np.where(np.arange(image.shape[1]) % 16 < 8, height, 0.0)
    return changed(image, image + (wave[None, None, :] if upright else wave[None, :, None]))


def mosaicked(image: Image, apart: float, upright: bool = False) -> Image:
    """Lighter from one row or column on."""
    lighter = image.astype(np.float32)
    lighter[(slice(None), slice(None), slice(100, None)) if upright else (slice(None), slice(100, None))] += apart
    return changed(image, lighter)


def filled(image: Image, value: int) -> Image:
    """A wedge along the right edge."""
    spoiled = image.copy()
    size = image.shape[1]
    spoiled[:, np.arange(size)[None, :] > 0.8 * size + 0.1 * np.arange(size)[:, None]] = value
    return spoiled


def with_lines(image: Image, kind: str) -> Image:
    spoiled = image.copy()
    match kind:
        case "black rows":
            spoiled[:, [40, 90, 91]] = 0
        case "white column":
            spoiled[:, :, 77] = 255
        case "column lost in one band":
            spoiled[1, :, 33] = 0
        case "repeated row":
            spoiled[:, 120] = spoiled[:, 119]
    return spoiled


def slipped(image: Image, pixels: int, upright: bool = False) -> Image:
    """Moved sideways from row 100 on, or down from column 100 on."""
    turned = image.transpose(0, 2, 1) if upright else image
    spoiled = turned.copy()
    spoiled[:, 100:] = np.roll(turned, pixels, 2)[:, 100:]
    return np.ascontiguousarray(spoiled.transpose(0, 2, 1)) if upright else spoiled


def interlaced(image: Image, pixels: int, upright: bool = False) -> Image:
    """Every other row moved sideways, or every other column down."""
    turned = image.transpose(0, 2, 1) if upright else image
    spoiled = turned.copy()
    spoiled[:, 1::2] = np.roll(turned, pixels, 2)[:, 1::2]
    return np.ascontiguousarray(spoiled.transpose(0, 2, 1)) if upright else spoiled


def ploughed(image: Image) -> Image:
    """With furrows that run askew: each row is the one above, moved by three pixels."""
    rows, columns = np.indices(image.shape[1:])
    return changed(image, image + 25 * np.sin((columns - 3 * rows) * 2 * np.pi / 17)[None])


def worst(image: Image) -> dict[str, float]:
    """Check -> score, as a multiple of its `least`."""
    looked_at = subject(image=image)
    return {name: score(check, looked_at) / check.least for name, check in CHECKS.items()}


DEFECTS = {
    "blur": blurred(landscape(), 2.5),
    "noise": grainy(landscape(), 20),
    "impulse_noise": strewn(landscape(), 0.01),
    "blocking": compressed(landscape(), 8),
    "banding": banded(landscape(), 8),
    "mosaic_seam": mosaicked(landscape(2), 20),
    "black_area": filled(landscape(), 0),
    "white_area": filled(landscape(), 255),
    "cloud": clouded(landscape())[0],
    "haze": changed(landscape(), landscape() * 0.45 + 210 * 0.55),
    "thin_cloud": clouded(landscape(), 0.5)[0],
    "saturation": changed(landscape(), landscape() * 4.0),
    "low_contrast": changed(landscape(), landscape() / 25 + 60),
    "dead_lines": with_lines(landscape(), "black rows"),
    "line_slip": slipped(landscape(), 8),
    "interlacing": interlaced(landscape(), 3),
    "band_shift": np.stack((np.roll(landscape()[0], 4, axis=1), *landscape()[1:])),
}


@pytest.mark.parametrize("seed", range(4))
def test_an_ordinary_picture_arouses_no_suspicion(seed: int) -> None:
    assert {name: ratio for name, ratio in worst(landscape(seed)).items() if ratio > 0.8} == {}


def test_there_is_a_defect_for_every_check() -> None:
    assert set(DEFECTS) == set(CHECKS)


@pytest.mark.parametrize("name", DEFECTS)
def test_every_defect_is_found_by_its_check(name: str) -> None:
    assert worst(DEFECTS[name])[name] > 1


def test_the_width_of_edges_is_told_in_pixels() -> None:
    widths = [score(CHECKS["blur"], subject(image=blurred(landscape(1), sigma))) for sigma in (1.5, 2.5, 3.5)]

    assert widths == pytest.approx((1.5, 2.5, 3.5), rel=0.3)


def test_a_blur_by_motion_counts_although_edges_along_it_stay_sharp() -> None:
    assert score(CHECKS["blur"], subject(image=dragged(landscape(), 15))) > 2 * score(
        CHECKS["blur"], subject(image=landscape())
    )


def test_a_smooth_lake_under_a_camera_s_grain_is_not_out_of_focus() -> None:
    lake = np.full((3, 128, 128), 70.0) + np.random.default_rng(0).normal(0, 3, (3, 128, 128))

    assert not score(CHECKS["blur"], subject(image=lake.astype(np.uint8))) > 1


@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_told_in_grey_levels_and_texture_is_none(grey: bool) -> None:
    noise = CHECKS["noise"]
    trees = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 40, (256, 256)).astype(np.float32), (0, 0), 0.8) + 90
    forest = np.repeat(np.clip(trees, 0, 255).astype(np.uint8)[None], 3, axis=0)

    assert score(noise, subject(image=grainy(landscape(), 20, grey))) == pytest.approx(20, rel=0.5)
    assert score(noise, subject(image=forest)) < noise.least


def test_single_wrong_pixels_are_counted_and_houses_are_none() -> None:
    impulses = CHECKS["impulse_noise"]
    cars = landscape()
    for row, column in np.random.default_rng(1).integers(2, 250, (300, 2)):
        cars[:, row : row + 2, column : column + 2] = 250

    assert score(impulses, subject(image=strewn(landscape(), 0.02))) == pytest.approx(2.0, rel=0.2)
    assert score(impulses, subject(image=strewn(landscape(), 0.02, (20, 235)))) > impulses.least
    assert score(impulses, subject(image=cars)) < 0.01
    assert signs(impulses, subject(image=landscape().astype(np.uint16) * 8)) == []


@pytest.mark.parametrize("degrees", [0, 90])
@pytest.mark.parametrize("pixels", [7, 11])
def test_a_blur_by_motion_is_found_in_every_direction(pixels: int, degrees: int) -> None:
    turned = np.ascontiguousarray(np.rot90(dragged(landscape(2), pixels), degrees // 90, (1, 2)))

    assert worst(turned)["blur"] > 1


@pytest.mark.parametrize("offset", [0, 3, 6])
def test_blocks_are_found_wherever_their_grid_begins(offset: int) -> None:
    blocking = CHECKS["blocking"]

    assert score(blocking, subject(image=compressed(landscape(), 10, offset))) > blocking.least
    assert score(blocking, subject(image=compressed(landscape(), 90, offset))) < blocking.least / 2


@pytest.mark.parametrize("upright", [False, True])
def test_bands_are_found_in_both_directions(upright: bool) -> None:
    (sign,) = signs(CHECKS["banding"], subject(image=banded(landscape(), 8, upright)))

    assert sign.score > CHECKS["banding"].least
    assert sign.message.startswith("columns" if upright else "rows")


@pytest.mark.parametrize("period", [9, 24])
def test_soft_and_broad_bands_are_found(period: int) -> None:
    image = landscape(1)
    soft = 6 * np.sin(np.arange(256) * 2 * np.pi / period)

    assert worst(changed(image, image + soft[None, :, None]))["banding"] > 1
    assert worst(changed(image, image + soft[None, None, :]))["banding"] > 1


def test_furrows_that_hardly_show_are_no_bands() -> None:
    """Ploughed fields and planted woods have waves of one grey level that fill whole tiles."""
    image = landscape(1)
    furrows = np.sin(np.arange(256) * 2 * np.pi / 7)
    assert worst(changed(image, image + furrows[None, :, None]))["banding"] < 1


def test_a_slope_in_the_light_is_no_band() -> None:
    image = landscape(1)

    assert worst(changed(image, image * np.linspace(0.7, 1.2, 256)[None, :, None]))["banding"] < 0.5


@pytest.mark.parametrize("upright", [False, True])
def test_a_road_between_fields_of_which_some_are_as_pale_is_no_seam(upright: bool) -> None:
    """One of its sides is seen all along, the other one only where the fields are dark."""
    image = landscape() // 4 + 40
    image[:, :100, 60:120] += 100
    image[:, 100:104] = 165
    assert worst(np.ascontiguousarray(image.transpose(0, 2, 1)) if upright else image)["mosaic_seam"] < 1


def test_a_road_along_the_rows_is_no_band_and_no_seam() -> None:
    image = landscape()
    image[:, 100:112] = 200

    assert worst(image)["banding"] < 0.5
    assert worst(image)["mosaic_seam"] < 0.5


@pytest.mark.parametrize("upright", [False, True])
def test_a_seam_between_two_images_is_measured_and_shown(upright: bool) -> None:
    (sign,) = signs(CHECKS["mosaic_seam"], subject(True, image=mosaicked(landscape(2), 20, upright)))

    assert sign.score > CHECKS["mosaic_seam"].least
    assert f"{'column' if upright else 'row'} 100" in sign.message
    assert sign.evidence is not None
    ((left, top, right, bottom),) = sign.evidence.boxes
    assert (left, right) == (0, 1) if not upright else (top, bottom) == (0, 1)
    assert (left if upright else top) < 100 / 256 < (right if upright else bottom)


def test_a_seam_is_found_where_trees_and_houses_hide_it() -> None:
    """Their edges are as high as the seam, but not all along."""
    cover = np.random.default_rng(3).normal(0, 22, (128, 128)).astype(np.float32)
    image = changed(landscape(2), landscape(2) + cv2.resize(cover, (256, 256), interpolation=cv2.INTER_LINEAR))

    assert worst(image)["mosaic_seam"] < 0.5
    assert worst(mosaicked(image, 14))["mosaic_seam"] > 1


def test_a_seam_is_found_where_the_ground_soon_changes_back() -> None:
    """It need not be seen some lines away, where there may be anything."""
    image = changed(landscape(2), landscape(2) - 30 * np.sin((np.arange(256) - 100) / 12)[None, :, None])

    assert worst(image)["mosaic_seam"] < 0.5
    assert worst(mosaicked(image, 15))["mosaic_seam"] > 1


def test_a_seam_that_was_resampled_is_found() -> None:
    image = mosaicked(landscape(2), 20)
    soft = cv2.blur(np.ascontiguousarray(image.transpose(1, 2, 0)), (1, 2)).transpose(2, 0, 1)

    assert worst(soft)["mosaic_seam"] > 1


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_fence_or_a_path_along_the_rows_is_no_seam(width: int) -> None:
    image = landscape(2)
    image[:, 100 : 100 + width] += 30

    assert worst(image)["mosaic_seam"] < 0.5


def test_a_field_that_ends_within_the_image_is_no_seam() -> None:
    image = landscape(2)
    image[:, 100:, :180] += 30

    assert worst(image)["mosaic_seam"] < 0.5


def test_a_slope_in_the_light_is_no_seam() -> None:
    image = landscape(2)
    lit = np.clip((np.arange(256) - 100) * 3, 0, 60)

    assert worst(changed(image, image + lit[None, :, None]))["mosaic_seam"] < 0.5


def test_the_border_of_nodata_is_no_seam() -> None:
    image = filled(landscape(), 0)
    image[:, :, 200:] = 0

    assert signs(CHECKS["mosaic_seam"], subject(image=raster(image, image.max(0) > 0))) == []


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("pixels", [-20, -5, 4, 8])
def test_a_slip_is_measured_and_shown(pixels: int, upright: bool) -> None:
    (sign,) = signs(CHECKS["line_slip"], subject(True, image=slipped(landscape(2), pixels, upright)))

    assert sign.score > CHECKS["line_slip"].least
    assert f"{'column' if upright else 'row'} 100" in sign.message
    towards = (("up", "down") if upright else ("left", "right"))[pixels > 0]
    assert any(f"about {abs(pixels) + askew} px too far {towards}" in sign.message for askew in (-1, 0, 1))
    assert sign.evidence is not None
    ((left, top, right, bottom),) = sign.evidence.boxes
    assert (left if upright else top) < 100 / 256 < (right if upright else bottom)


@pytest.mark.parametrize("seed", range(3))
def test_what_stays_where_it_is_has_not_slipped(seed: int) -> None:
    """Roads, the seams of mosaics, furrows, blocks of codecs, what was enlarged."""
    image = landscape(seed)
    road = image.copy()
    road[:, 100:112] = 200
    enlarged = cv2.resize(image[:, :160, :160].transpose(1, 2, 0), (256, 256), interpolation=cv2.INTER_CUBIC).transpose(
        2, 0, 1
    )

    for other in (road, mosaicked(image, 20), ploughed(image), compressed(image, 8), grainy(image, 20), enlarged):
        found = worst(np.ascontiguousarray(other))
        assert found["line_slip"] < 0.8
        assert found["interlacing"] < 0.8


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("pixels", [-6, 2, 3])
def test_an_interlaced_picture_is_found_and_measured(pixels: int, upright: bool) -> None:
    (sign,) = signs(CHECKS["interlacing"], subject(image=interlaced(landscape(2), pixels, upright)))

    assert sign.score > CHECKS["interlacing"].least
    assert sign.message.startswith(f"every other {'column' if upright else 'row'} is about {abs(pixels)} px")
    assert score(CHECKS["line_slip"], subject(image=interlaced(landscape(2), pixels, upright))) == 0


def test_stripes_of_every_other_row_are_not_interlaced() -> None:
    image = landscape()
    striped = changed(image, image + np.where(np.arange(256) % 2, 12, 0)[None, :, None])

    assert worst(striped)["interlacing"] == 0


def test_lines_that_are_a_copy_of_others_are_counted() -> None:
    block, padded = landscape(), landscape()
    block[:, 100:120] = block[:, 80:100]
    padded[:, :, 240:] = padded[:, :, 239:223:-1]

    assert score(CHECKS["dead_lines"], subject(image=block)) == 20
    assert score(CHECKS["dead_lines"], subject(image=padded)) == 16


@pytest.mark.parametrize(
    ("kind", "count"), [("black rows", 3), ("white column", 1), ("column lost in one band", 1), ("repeated row", 1)]
)
def test_dead_lines_are_counted_and_shown(kind: str, count: int) -> None:
    (sign,) = signs(CHECKS["dead_lines"], subject(True, image=with_lines(landscape(), kind)))

    assert sign.score == count
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask.sum() == count * 256


@pytest.mark.parametrize(("name", "value"), [("black_area", 0), ("white_area", 255)])
def test_an_empty_wedge_is_measured_and_shown(name: str, value: int) -> None:
    (sign,) = signs(CHECKS[name], subject(True, image=filled(landscape(), value)))

    assert sign.score == pytest.approx(15, abs=1)
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert 100 * sign.evidence.mask.mean() == pytest.approx(sign.score, abs=1)


def test_what_is_declared_as_nodata_is_no_black_area() -> None:
    image = filled(landscape(), 0)

    assert score(CHECKS["black_area"], subject(image=raster(image, image.max(0) > 0))) == 0


def test_what_is_declared_as_nodata_is_not_overexposed() -> None:
    image = filled(landscape(), 255)

    assert score(CHECKS["saturation"], subject(image=raster(image, image.min(0) < 255))) == 0


def test_shadows_of_trees_are_no_black_area() -> None:
    image = landscape()
    dice = np.random.default_rng(0)
    for row, column in dice.integers(0, 250, (200, 2)):
        image[:, row : row + 5, column : column + 7] = 0

    assert worst(image)["black_area"] < 1


def test_an_empty_wedge_does_not_hide_that_the_rest_is_in_focus() -> None:
    assert worst(filled(landscape(), 0))["blur"] < 0.8


def test_a_calm_and_sharp_middle_says_that_a_picture_is_calm_and_sharp() -> None:
    image = np.concatenate([landscape(seed, 512)[:, :170] for seed in range(3)], axis=1)
    image[:, :170] = blurred(image[:, :170], 3.0)
    image[:, -170:] = grainy(image[:, -170:], 20.0)

    found = worst(image)

    assert found["blur"] < 1.0
    assert found["noise"] < 3.0


def test_tones_are_percentiles_of_what_is_shown() -> None:
    pixels = np.random.default_rng(0).integers(40, 200, (3, 90, 90)).astype(np.uint8)
    pixels[:, :20] = 0
    looked_at = subject(image=raster(pixels))
    ((_, found),) = pictures(looked_at)
    assert found.blank is not None

    tones = tones_of(looked_at, found)

    shown = found.bands[0][~found.blank]
    assert tones.count == shown.size
    assert tones.darkest[0] == pytest.approx(np.percentile(shown, 0.5), abs=1)
    assert tones.lowest[0] == pytest.approx(np.percentile(shown, 1), abs=1)
    assert tones.highest[0] == pytest.approx(np.percentile(shown, 99), abs=1)
    assert tones.colour == pytest.approx(np.median(np.ptp(pixels, axis=0)[~found.blank]), abs=1)


def test_clouds_are_shown_where_they_are() -> None:
    image, cover = clouded(landscape())

    (sign,) = signs(CHECKS["cloud"], subject(True, image=image))

    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    shown = cv2.resize(sign.evidence.mask.view(np.uint8), cover.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert shown[cover].mean() > 0.6
    assert shown[~cover].mean() < 0.1


def test_a_large_white_roof_is_no_cloud() -> None:
    image = landscape()
    image[:, 60:140, 50:180] = 225 + np.random.default_rng(0).integers(0, 4, (80, 130))

    assert worst(image)["cloud"] < 0.5


def test_what_is_white_at_both_dates_is_no_cloud() -> None:
    clouds, _ = clouded(landscape())

    alone = score(CHECKS["cloud"], subject(image=clouds, pre_image=landscape(1)))
    twice = score(CHECKS["cloud"], subject(image=clouds, pre_image=clouds))

    assert alone > CHECKS["cloud"].least > twice


def heaps(seed: int = 1, size: int = 256) -> NDArray[np.float32]:
    """(size, size) 0..1: many small domes of all sizes on a quarter of the picture, as rough as cumulus is; 0 between them."""
    dice = np.random.default_rng(seed)
    field = sum(
        0.5**level
        * cv2.resize(
            dice.random((10 * 2**level, 10 * 2**level)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
        )
        for level in range(5)
    )
    low, high = np.quantile(field, (0.75, 0.999))
    return np.asarray(np.clip((field - low) / (high - low), 0, 1), np.float32)


@pytest.mark.parametrize("ground", [landscape(), blurred(landscape(1), 3)], ids=["sharp", "soft"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_clouds_too_small_to_be_smooth_are_found(seed: int, ground: Image) -> None:
    clouds = heaps(seed)

    assert worst(changed(ground, ground * (1 - clouds) + 240 * clouds))["cloud"] > 1


def test_small_clouds_are_found_in_a_picture_that_was_enlarged() -> None:
    ground, clouds = landscape(), heaps()
    clouded_over = changed(ground, ground * (1 - clouds) + 240 * clouds)
    enlarged = [
        cv2.resize(band[64:192, 64:192], (256, 256), interpolation=cv2.INTER_CUBIC)
        for band in np.ascontiguousarray(clouded_over)
    ]

    assert worst(np.stack(enlarged))["cloud"] > 1


def test_small_clouds_are_shown_where_they_are() -> None:
    clouds = heaps()

    (sign,) = signs(
        CHECKS["cloud"], subject(True, image=changed(landscape(), landscape() * (1 - clouds) + 240 * clouds))
    )

    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    shown = cv2.resize(sign.evidence.mask.view(np.uint8), clouds.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert shown[clouds > 0.5].mean() > 0.9
    assert shown[clouds == 0].mean() < 0.1


def small_houses(light: float = 245) -> Image:
    """White or grey ones, in all directions, each with a lit and a shaded half."""
    dice = np.random.default_rng(4)
    image = np.ascontiguousarray(landscape().transpose(1, 2, 0))
    for _ in range(220):
        middle, sides, turn = dice.uniform(0, 256, 2), dice.uniform(6, 12, 2), float(dice.uniform(0, 90))
        for size, tone in ((sides, 0.78 * light), (sides * (1, 0.5), light)):
            cv2.fillPoly(image, [cv2.boxPoints((tuple(middle), tuple(size), turn)).astype(np.int32)], (tone,) * 3)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def lit(ground: Image) -> Image:
    """Brighter where the clouds were, with its own colour."""
    return changed(ground, ground * (1 + 1.4 * heaps()[None]))


def pale(ground: Image) -> Image:
    """Salt or sand where the clouds were: without a rise towards the middle."""
    flat = np.clip(12 * heaps(), 0, 1)
    return changed(ground, ground * (1 - flat) + 124 * flat)


def streets(ground: Image) -> Image:
    """Rows of domes, as greenhouses and sheds are when they are a few pixels large."""
    row, column = np.mgrid[:256, :256]
    dome = np.clip(np.sin(row / 3.0), 0, 1) ** 0.5 * (np.sin(column / 22.0) > 0) * (np.sin(row / 30.0) > 0.2)
    return changed(ground, ground * (1 - dome) + 235 * dome)


@pytest.mark.parametrize(
    "image",
    [
        small_houses(),
        lit(blurred(landscape(1), 3)),
        pale(blurred(landscape(1), 3)),
        streets(blurred(landscape(1), 3)),
        blurred(small_houses(150), 2),
    ],
    ids=["houses", "sunny slopes", "salt", "rows", "blurred houses"],
)
def test_what_lacks_one_property_of_small_clouds_is_none(image: Image) -> None:
    assert worst(image)["cloud"] < 0.5


def test_small_clouds_at_both_dates_are_the_ground() -> None:
    clouds = heaps()
    clouded_over = changed(landscape(), landscape() * (1 - clouds) + 240 * clouds)

    alone = score(CHECKS["cloud"], subject(image=clouded_over, pre_image=landscape(1)))
    twice = score(CHECKS["cloud"], subject(image=clouded_over, pre_image=clouded_over))

    assert alone > CHECKS["cloud"].least > twice


def hills(size: int = 256) -> NDArray[np.float32]:
    """(size, size) 0..1, soft and round."""
    places = np.linspace(0, 3 * np.pi, size)
    return np.asarray(0.5 + 0.5 * np.sin(places)[:, None] * np.cos(places + 1)[None], np.float32)


@pytest.mark.parametrize("white", [205, 250])
@pytest.mark.parametrize("opacity", [0.35, 0.5])
def test_a_veil_is_found_however_bright_and_dense_it_is(white: int, opacity: float) -> None:
    veil = opacity * hills()

    assert worst(changed(landscape(), landscape() * (1 - veil) + white * veil))["thin_cloud"] > 1


def test_more_light_and_another_ground_are_no_veil() -> None:
    sunny = landscape() * (0.6 + 0.7 * hills())
    sand = landscape() * (1 - 0.5 * hills()) + np.array([200, 150, 80])[:, None, None] * 0.5 * hills()

    assert worst(changed(landscape(), sunny))["thin_cloud"] < 0.7
    assert worst(changed(landscape(), sand))["thin_cloud"] < 0.7


def test_the_soft_edges_of_a_pale_road_are_no_veil() -> None:
    across = np.abs(np.arange(256)[:, None] + 0.3 * np.arange(256)[None] - 160)
    road = 0.6 * np.clip(1.5 - across / 30, 0, 1)

    assert worst(changed(landscape(), landscape() * (1 - road) + 230 * road))["thin_cloud"] < 1


def test_pale_places_say_less_where_soft_changes_of_all_colours_are_usual() -> None:
    places = np.arange(256) - 128
    near = np.exp(-(places[:, None] ** 2 + places[None] ** 2) / 40**2)
    sand = 0.6 * (1 - near) * hills()
    dunes = changed(landscape(), landscape() * (1 - sand) + np.array([200, 150, 80])[:, None, None] * sand)
    pale, pale_among_dunes = (
        worst(changed(image, image * (1 - 0.6 * near) + 235 * 0.6 * near))["thin_cloud"]
        for image in (landscape(), dunes)
    )

    assert pale > 1
    assert pale_among_dunes < 0.45 * pale


def test_a_faint_veil_is_suspicious_where_there_are_hardly_any() -> None:
    check = CHECKS["thin_cloud"]
    clear = np.array([score(check, subject(image=landscape(seed))) for seed in range(30)])
    faint = score(check, subject(image=clouded(landscape(), 0.2)[0]))

    assert clear.max() < threshold_of(check, clear).value < faint < check.least


def test_a_veil_is_shown_where_it_is() -> None:
    veil = 0.5 * hills() * np.clip((np.arange(256) - 110) / 40, 0, 1)
    image = changed(landscape(), landscape() * (1 - veil) + 235 * veil)

    (sign,) = signs(CHECKS["thin_cloud"], subject(True, image=image))

    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    columns = np.flatnonzero(sign.evidence.mask) % sign.evidence.mask.shape[1]
    assert columns.size > 0.02 * sign.evidence.mask.size
    assert np.mean(columns > 0.4 * sign.evidence.mask.shape[1]) > 0.95


def test_what_looks_like_a_veil_at_both_dates_is_the_ground() -> None:
    veiled, _ = clouded(landscape(), 0.5)

    alone = score(CHECKS["thin_cloud"], subject(image=veiled, pre_image=landscape(1)))
    twice = score(CHECKS["thin_cloud"], subject(image=veiled, pre_image=veiled))

    assert alone > CHECKS["thin_cloud"].least
    assert twice == 0


def test_soft_ground_at_the_other_date_takes_little_away_from_a_veil() -> None:
    veiled, _ = clouded(landscape(3), 0.4)

    alone = score(CHECKS["thin_cloud"], subject(image=veiled))
    beside = score(CHECKS["thin_cloud"], subject(image=veiled, pre_image=blurred(landscape(12), 6)))

    assert 0.9 * alone < beside < alone


def test_what_only_one_of_two_dates_shows_weighs_more() -> None:
    clear = landscape()
    for name, spoiled in (("blur", blurred(clear, 1.6)), ("haze", changed(clear, clear * 0.65 + 205 * 0.35))):
        alone = score(CHECKS[name], subject(image=spoiled))
        beside = score(CHECKS[name], subject(image=spoiled, pre_image=clear))
        both = score(CHECKS[name], subject(image=spoiled, pre_image=spoiled))

        assert beside > max(1.2 * alone, CHECKS[name].least)
        assert both == alone


def test_every_date_is_looked_at() -> None:
    by_layer = {
        sign.layer: sign.score
        for sign in signs(CHECKS["blur"], subject(pre_image=blurred(landscape(), 3), image=landscape()))
    }

    assert by_layer["pre_image"] > 2 * by_layer["image"]


def test_pictures_of_many_bands_and_of_radar_are_looked_at_for_what_applies() -> None:
    scene = landscape().astype(np.float32) * 12 + 300
    bands = np.concatenate([scene] * 4 + [scene[:1]]).astype(np.uint16)
    spec = LayerSpec(LayerId("s2"), LayerKind.OPTICAL, "S2", display_bands=(3, 2, 1))
    strip = bands.copy()
    strip[:, :, :40] = 0
    radar = np.random.default_rng(0).gamma(4, 0.05, (2, 128, 128)).astype(np.float32)

    assert score(CHECKS["blur"], subject(specs=[spec], s2=bands)) < CHECKS["blur"].least
    assert score(CHECKS["black_area"], subject(specs=[spec], s2=strip)) == pytest.approx(100 * 40 / 256, abs=0.5)
    assert signs(CHECKS["noise"], subject(sar=radar)) == []
    assert score(CHECKS["dead_lines"], subject(sar=radar)) == 0
    radar[:, 30] = 0
    assert score(CHECKS["dead_lines"], subject(sar=radar)) == 1


@settings(max_examples=60)
@given(odd_subjects("pre_image", "image", "sar"))
def test_every_tile_ends_in_finite_scores(looked_at: Subject) -> None:
    for check in images.CHECKS:
        for sign in signs(check, looked_at):
            assert 0 <= sign.score < np.inf
            assert sign.message
            if sign.evidence is not None and sign.evidence.mask is not None:
                assert sign.evidence.mask.dtype == bool
                assert sign.evidence.mask.ndim == 2


@pytest.mark.real
def test_real_tiles_are_left_alone_but_for_those_that_end_in_black(shared_data: Path) -> None:
    for name in ("levir_change", "prairie_change", "loveda_landcover", "autzen_feet", "ign_lidarhd"):
        dataset, adapter = open_dataset(shared_data / "real" / "synrs3d" / name)
        for entry in adapter.scan(dataset):
            contents = {spec: read_layer(entry, spec, dataset.tree) for spec in dataset.layers}
            looked_at = subject(specs=list(contents), **{str(spec.id): content for spec, content in contents.items()})
            found = {check.id: score(check, looked_at) for check in images.CHECKS}
            assert {check for check, value in found.items() if value > CHECKS[check].least} == set(), (name, entry.id)


@pytest.mark.real
def test_a_real_cloud_over_the_whole_tile_is_found(shared_data: Path) -> None:
    dataset, adapter = open_dataset(shared_data / "real" / "sen12ms")
    spec = next(spec for spec in dataset.layers if spec.id == "s2")
    found = [
        score(CHECKS["cloud"], subject(specs=[spec], s2=read_layer(entry, spec, dataset.tree)))
        for entry in adapter.scan(dataset)
    ]

    assert found[0] < CHECKS["cloud"].least < found[1]

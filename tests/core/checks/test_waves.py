"""Waves of one period and direction all over a tile are found, in any direction; those of fields and streets are not."""

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.checks.check import Sign
from rsviewer.core.checks.coding import CHECKS as CODING
from rsviewer.core.checks.heights import CHECKS as HEIGHTS
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.waves import shared_wave
from tests.core.checks.subjects import signs, subject, town

CHECK = {check.id: check for check in (*CODING, *HEIGHTS)}
SIDE = 256
TOWN = town(3, SIDE)
ROUGH = np.random.default_rng(2).normal(0, 0.3, (SIDE, SIDE)).astype(np.float32)
DIRECTIONS = [0.0, 4.0, 30.0, 45.0, 87.0, 120.0, 135.0, 177.0]
"""Degrees from the rows, counter-clockwise."""


def wave(period: float, angle: float, size: int = SIDE) -> NDArray[np.float32]:
    """(size, size), between -1 and 1, with its crests at an angle."""
    down, right = np.indices((size, size))
    across = down * math.cos(math.radians(angle)) + right * math.sin(math.radians(angle))
    return np.sin(2 * np.pi * across / period).astype(np.float32)


def fields(seed: int, count: int) -> NDArray[np.float32]:
    """Furrows or vineyards, with directions and distances of their own."""
    dice = np.random.default_rng(seed)
    down, right = np.indices((SIDE, SIDE))
    corners = dice.uniform(0, SIDE, (count, 2))
    which = np.argmin([np.hypot(down - row, right - column) for row, column in corners], axis=0)
    furrows = [wave(dice.uniform(4, 15), dice.uniform(0, 180)) for _ in range(count)]
    return np.choose(which, furrows).astype(np.float32)


def worst(check: str, looked_at: Subject) -> Sign:
    return max(signs(CHECK[check], looked_at), key=lambda sign: sign.score)


def said(sign: Sign) -> tuple[float, float]:
    """Pixels and degrees of "... every 9 px in stripes at 30°"."""
    period, angle = sign.message.split(" every ")[1].removesuffix("°").split(" px in stripes at ")
    return float(period), float(angle)


def picture(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.repeat(np.clip(np.round(TOWN.image.mean(0) + grey), 0, 255).astype(np.uint8)[None], 3, 0)


@pytest.mark.parametrize("angle", DIRECTIONS)
@pytest.mark.parametrize("period", [3.0, 6.7, 11.3, 16.0])
def test_a_wave_is_found_with_its_amplitude_period_and_direction(angle: float, period: float) -> None:
    found = shared_wave(ROUGH + wave(period, angle), 0.1)
    assert found is not None
    assert 0.5 < found.amplitude < 1  # what lies between two frequencies of the spectrum is shared among them
    assert found.period == pytest.approx(period, rel=0.1)
    assert (found.angle - angle + 90) % 180 - 90 == pytest.approx(0, abs=5)


@pytest.mark.parametrize("angle", [4.0, 30.0, 45.0, 120.0])
def test_diagonal_stripes_in_heights_are_found(angle: float) -> None:
    stripes = np.where(wave(9, angle) > 0, np.float32(1.5), 0)
    sign = worst("height_stripes", subject(ndsm=TOWN.ndsm + stripes))
    assert sign.score > CHECK["height_stripes"].least
    assert said(sign) == (pytest.approx(9, rel=0.05), pytest.approx(angle, abs=3))


def test_a_chessboard_in_heights_is_found() -> None:
    board = np.indices((SIDE, SIDE)).sum(0).astype(np.float32) % 2
    assert worst("height_stripes", subject(dsm=TOWN.dsm + board)).score > CHECK["height_stripes"].least


def test_stripes_are_found_beside_a_large_void() -> None:
    heights = TOWN.ndsm + wave(8, 40)
    heights[:100, :120] = np.nan
    assert worst("height_stripes", subject(ndsm=heights)).score > CHECK["height_stripes"].least


@pytest.mark.parametrize("angle", [10.0, 55.0, 145.0])
def test_a_moire_in_a_picture_is_found(angle: float) -> None:
    sign = worst("banding", subject(image=picture(10 * wave(6.3, angle))))
    assert sign.score > CHECK["banding"].most
    assert said(sign) == (pytest.approx(6.3, rel=0.05), pytest.approx(angle, abs=3))


@pytest.mark.parametrize("count", [3, 5, 12])
def test_vineyards_and_furrows_that_change_from_field_to_field_are_no_stripes(count: int) -> None:
    for seed in range(6):
        assert worst("height_stripes", subject(ndsm=ROUGH + fields(seed, count))).score < CHECK["height_stripes"].least
        assert worst("banding", subject(image=picture(10 * fields(seed, count)))).score < CHECK["banding"].least


def test_an_orchard_in_half_of_a_tile_is_no_stripe() -> None:
    heights = ROUGH + wave(7, 30)
    heights[:, SIDE // 2 :] = ROUGH[:, SIDE // 2 :]
    assert shared_wave(heights, 0.1) is None


def test_waves_on_water_are_no_stripes() -> None:
    """They have a direction, but many periods, and do not stay in step."""
    noise = np.fft.rfft2(np.random.default_rng(1).normal(size=(SIDE, SIDE)))
    down, right = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij")
    swell = np.exp(-(((down - 0.08) / 0.02) ** 2) - ((right - 0.06) / 0.02) ** 2)
    water = np.fft.irfft2(noise * swell)
    assert shared_wave((ROUGH + water / water.std()).astype(np.float32), 0.1) is None


def test_blocks_of_strong_compression_and_enlarged_pictures_are_no_stripes() -> None:
    grey = picture(np.zeros((SIDE, SIDE), np.float32))[1]
    coded = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_GRAYSCALE)
    assert shared_wave(np.asarray(coded, np.uint8), 0.8) is None
    for how in (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC):
        assert shared_wave(np.asarray(cv2.resize(grey[:150, :150], (SIDE, SIDE), interpolation=how)), 0.8) is None


def test_heights_as_large_as_numbers_go_have_no_waves() -> None:
    assert shared_wave(np.where(ROUGH > 0, np.float32(1e30), 0), 0.1) is None

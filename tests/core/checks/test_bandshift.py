"""Bands that do not lie on each other."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.checks.bandshift import CHECKS
from tests.core.checks.subjects import raster, score, signs, subject, town

(SHIFT,) = CHECKS
SIDE = 224


def moved(image: NDArray[np.uint8], band: int, across: int, down: int) -> NDArray[np.uint8]:
    found = image.copy()
    found[band] = np.roll(image[band], (down, across), (0, 1))
    return found[:, 16:-16, 16:-16]


@pytest.mark.parametrize(
    ("band", "across", "down", "said"),
    [
        (0, 4, 0, r"red is moved (3.9|4.0) px right against"),
        (1, 0, -2, r"green is moved (1.9|2.0) px up against"),
        (2, -5, 6, r"blue is moved (4.9|5.0) px left and (5.9|6.0) px down against"),
    ],
)
def test_a_band_that_is_moved_is_found_and_named(band: int, across: int, down: int, said: str) -> None:
    (found,) = signs(SHIFT, subject(image=moved(town(size=SIDE).image, band, across, down)))
    assert found.score == pytest.approx(np.hypot(across, down), abs=0.2)
    assert re.match(said, found.message)
    assert found.layer == "image"


def test_bands_of_more_bits_are_compared_as_well() -> None:
    image = moved(town(size=SIDE).image, 2, 4, 0).astype(np.uint16) * 30
    assert score(SHIFT, subject(image=raster(image))) == pytest.approx(4, abs=0.2)


def test_of_large_pictures_the_part_with_the_most_texture_is_asked() -> None:
    image = np.full((3, 700, 700), 90, np.uint8) + np.random.default_rng(0).integers(0, 3, (3, 700, 700), np.uint8)
    image[:, -200:, -200:] = moved(town(size=232).image, 0, 0, 4)
    assert score(SHIFT, subject(image=image)) == pytest.approx(4, abs=0.3)


def test_bands_that_lie_on_each_other_do_so_whatever_they_show() -> None:
    image = town(size=SIDE).image
    dice = np.random.default_rng(0)
    inverted = np.stack([255 - image[0], image[1], image[2]])  # as vegetation is in infrared
    noisy = np.clip(image + dice.normal(0, 25, image.shape), 0, 255).astype(np.uint8)
    for picture in (image, inverted, noisy, image[:, :64, :64]):
        assert score(SHIFT, subject(image=picture)) < SHIFT.least / 2


def test_bands_that_have_nothing_in_common_lie_nowhere() -> None:
    dice = np.random.default_rng(0)
    water = dice.normal(60, 4, (3, SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    others = np.stack([town(seed, SIDE).image[0] for seed in range(3)])
    for picture in (water, others):
        assert score(SHIFT, subject(image=picture)) < SHIFT.least / 2


def test_rows_of_trees_do_not_fit_the_next_row() -> None:
    dice = np.random.default_rng(0)
    rows = 90 + 60 * np.sin(np.arange(SIDE) * 2 * np.pi / 7)[:, None] + np.zeros(SIDE)
    image = (rows + dice.normal(0, 30, (3, SIDE, SIDE))).clip(0, 255).astype(np.uint8)
    assert score(SHIFT, subject(image=image)) < SHIFT.least / 2


def test_pictures_too_small_or_of_one_band_are_not_asked() -> None:
    image = town(size=64).image
    assert not signs(SHIFT, subject(image=image[:, :40, :40]))
    assert not signs(SHIFT, subject(image=image[:1]))

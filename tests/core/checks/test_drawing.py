"""Labels that were drawn by chance, or for a coarser image, are told from those that were drawn for theirs."""

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.checks import BY_ID
from tests.core.checks.subjects import score, signs, subject, town

BUILDING, TREE, ROAD, RANGELAND = 8, 5, 4, 2
SPECKS, BLOCKS = BY_ID["label_specks"], BY_ID["label_blocks"]

# --- specks


def speckled(labels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Labels of which a part has any of their classes."""
    dice = np.random.default_rng(0)
    return np.where(dice.random(labels.shape) < share, dice.choice(np.unique(labels), labels.shape), labels)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25])
@pytest.mark.parametrize("size", [96, 700])
def test_labels_of_which_a_part_is_random_are_speckled(share: float, size: int) -> None:
    labels = town(3, size).landcover
    clean, noisy = (signs(SPECKS, subject(landcover=each))[0] for each in (labels, speckled(labels, share)))
    assert clean.score < 0.2 < SPECKS.least < noisy.score
    assert noisy.score < 100 * share
    assert "none of the pixels around" in noisy.message


def test_thin_lines_and_ragged_crowns_are_no_specks() -> None:
    """One pixel wide and askew, a path touches itself at corners only."""
    labels = town(3, 128).landcover.copy()
    labels[np.arange(128), np.arange(128)] = ROAD
    labels[np.arange(128), np.arange(128)[::-1]] = ROAD
    ragged = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
    labels[cv2.GaussianBlur(ragged, (0, 0), 1.5) > 0.3] = TREE
    assert score(SPECKS, subject(landcover=labels)) < SPECKS.least


def test_specks_are_shown_where_they_are() -> None:
    labels = np.full((64, 64), RANGELAND, np.uint8)
    labels[20, 30] = BUILDING
    labels[33:35, 40] = BUILDING
    evidence = signs(SPECKS, subject(evidence=True, landcover=labels))[0].evidence
    assert evidence is not None
    assert evidence.mask is not None
    assert np.argwhere(evidence.mask).tolist() == [[20, 30]]


def test_what_is_not_labelled_is_no_speck() -> None:
    labels = town(3, 64).landcover.astype(np.float32)
    labels[:40] = np.nan
    assert score(SPECKS, subject(landcover=labels)) < 0.2


# --- coarse pixels


@cache
def landcover(seed: int, size: int) -> NDArray[np.uint8]:
    return town(seed, size).landcover


def enlarged(labels: NDArray[np.uint8], times: float, offset: float = 0.0) -> NDArray[np.uint8]:
    """As if they had been drawn in so much larger pixels, whose first one lies partly outside."""
    grid = np.floor((np.arange(len(labels)) + offset) / times)
    middle = np.clip(np.rint((grid + 0.5) * times - offset), 0, len(labels) - 1).astype(int)
    return labels[np.ix_(middle, middle)]


@pytest.mark.parametrize("times", [3, 4, 7.5, 10, 16])
@given(offset=st.floats(0, 3), seed=st.integers(0, 9))
def test_labels_of_larger_pixels_are_told_with_their_size(times: float, offset: float, seed: int) -> None:
    (sign,) = signs(BLOCKS, subject(landcover=enlarged(landcover(seed, 256), times, offset)))
    assert sign.score == pytest.approx(times, rel=0.05)
    assert sign.score > BLOCKS.least
    assert "pixels only" in sign.message


@given(seed=st.integers(0, 19), size=st.sampled_from([64, 128, 300]))
def test_labels_of_their_own_pixels_stand_in_no_blocks(seed: int, size: int) -> None:
    assert score(BLOCKS, subject(landcover=landcover(seed, size))) == 0


def test_specks_lie_on_no_grid() -> None:
    assert score(BLOCKS, subject(landcover=speckled(town(3, 128).landcover, 0.2))) == 0


@pytest.mark.parametrize("houses", [1, 2])
def test_a_few_houses_along_the_rows_are_no_grid(houses: int) -> None:
    labels = np.full((256, 256), RANGELAND, np.uint8)
    for number in range(houses):
        labels[40 + 90 * number : 80 + 90 * number, 60 + 60 * number : 120 + 60 * number] = BUILDING
    assert score(BLOCKS, subject(landcover=labels)) == 0


def test_where_nothing_is_labelled_there_is_no_grid() -> None:
    labels = enlarged(town(3, 256).landcover, 8).astype(np.float32)
    labels[np.indices(labels.shape).sum(axis=0) % 2 == 0] = np.nan
    assert score(BLOCKS, subject(landcover=labels)) == 0
    assert score(BLOCKS, subject(landcover=np.zeros((256, 256), np.uint8))) == 0
    assert score(BLOCKS, subject(landcover=np.zeros((1, 9), np.uint8))) == 0
    assert score(BLOCKS, subject(landcover=np.zeros((1, 1), np.uint8))) == 0
    assert score(BLOCKS, subject(landcover=np.zeros((90, 1), np.uint8))) == 0

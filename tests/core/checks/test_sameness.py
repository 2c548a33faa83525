"""Two pictures show the same where their details fit, wherever they lie, or they do not."""

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.checks.sameness import COMPARED, SAME, details, likeness


@cache
def scene(seed: int, side: int = 320) -> NDArray[np.float32]:
    """Forms of all sizes, as landscapes have them."""
    dice = np.random.default_rng(seed)
    sizes = (2, 5, 12, 30)
    layers = [cv2.GaussianBlur(dice.normal(size=(side, side)).astype(np.float32), (0, 0), size) for size in sizes]
    together = sum(layer / layer.std() * size**0.5 for layer, size in zip(layers, sizes, strict=True))
    return np.asarray(together, np.float32) * 10 + 120


def crop(seed: int, down: int = 0, across: int = 0, side: int = 250) -> NDArray[np.float32]:
    return scene(seed)[30 + down : 30 + down + side, 30 + across : 30 + across + side]


@given(st.integers(-30, 30), st.integers(-30, 30))
def test_what_is_moved_shows_the_same(down: int, across: int) -> None:
    assert likeness(details(crop(1)), details(crop(1, down, across))) > SAME


@given(st.integers(0, 9), st.integers(10, 19))
def test_other_places_do_not(one: int, other: int) -> None:
    assert likeness(details(crop(one)), details(crop(other))) < SAME / 2


def test_what_hardly_overlaps_does_not_show_the_same() -> None:
    assert likeness(details(scene(1)[:200, :200]), details(scene(1)[:200, 100:300])) < SAME / 2


def test_a_copy_is_like_the_original_however_bright() -> None:
    one = details(crop(3))
    assert likeness(one, one.copy()) == 1.0
    assert SAME < likeness(one, details(crop(3) * 1.2 + 7)) <= 1.0


@pytest.mark.parametrize("other", [np.full((64, 64), 9.0), np.zeros((1, 1)), np.eye(300) * 255])
def test_pictures_without_details_are_like_nothing_else(other: NDArray[np.float64]) -> None:
    flat = details(other.astype(np.float32))
    assert likeness(details(crop(4)), flat) < SAME / 2
    assert likeness(flat, details(crop(4))) < SAME / 2


def test_comparing_leaves_both_as_they_were() -> None:
    one, other = details(crop(5)), details(crop(6))
    before = one.copy(), other.copy()
    likeness(one, other)
    assert np.array_equal(one, before[0])
    assert np.array_equal(other, before[1])
    assert one.shape == (COMPARED, COMPARED)

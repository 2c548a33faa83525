"""Change masks that forget, invent, or belong to other pictures."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from rsviewer.core.checks.change import CHECKS
from rsviewer.core.checks.check import Check
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from tests.core.checks.subjects import Town, odd_subjects, raster, score, signs, subject, town

MISSED, FULL, UNFOUNDED, MISMATCH = CHECKS
NAMES = ("pre_image", "image", "change")


def place(seed: int = 0) -> Town:
    return town(seed, size=256)


def judged(check: Check, here: Town, **other: object) -> float:
    return score(check, subject(**{**here.layers(*NAMES), **other}))


def test_masks_that_fit_their_images_are_not_suspicious() -> None:
    for seed in range(4):
        here = place(seed)
        assert math.isnan(judged(MISSED, here))  # something is marked: nothing to say
        assert judged(FULL, here) < 0.5 * FULL.least
        assert judged(UNFOUNDED, here) < 0.5 * UNFOUNDED.least
        assert judged(MISMATCH, here) < 0.7 * MISMATCH.least


def test_an_empty_mask_over_new_houses_is_found_and_shows_them() -> None:
    here = place()
    (sign,) = signs(
        MISSED, subject(evidence=True, change=np.zeros_like(here.change), **here.layers("pre_image", "image"))
    )
    assert sign.score > MISSED.least
    assert sign.message.startswith("nothing is marked, but")
    assert sign.evidence is not None
    shown = sign.evidence.mask
    assert shown is not None
    changed = here.change[::2, ::2] > 0
    assert shown.shape == changed.shape
    assert (shown & changed).sum() > 0.8 * shown.sum() > 0


def test_an_empty_mask_is_right_where_only_the_light_has_changed() -> None:
    here = place()
    darker = (here.image * 0.6 + 20 + np.random.default_rng(1).normal(0, 4, here.image.shape)).clip(0, 255)
    found = judged(MISSED, here, pre_image=darker.astype(np.uint8), change=np.zeros_like(here.change))
    assert found < 0.2 * MISSED.least


def test_an_empty_mask_over_two_flat_images_is_right() -> None:
    sea = np.full((3, 128, 128), 60, np.uint8)
    assert score(MISSED, subject(pre_image=sea, image=sea, change=np.zeros((128, 128), np.uint8))) == 0


def test_a_full_mask_is_full_whatever_its_ones_are() -> None:
    here = place()
    for value in (1, 255):
        (sign,) = signs(FULL, subject(change=np.full_like(here.change, value), **here.layers("pre_image", "image")))
        assert sign.score == 100
        assert sign.message == "everything is marked as changed"


def test_marks_where_both_dates_are_the_same_picture_are_unfounded() -> None:
    here = place()
    (sign,) = signs(UNFOUNDED, subject(evidence=True, pre_image=here.image, image=here.image, change=here.change))
    assert sign.score > 80
    assert sign.message == "100 % of what is marked look the same at both dates"
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert not sign.evidence.mask[here.change[::2, ::2] == 0].any()


def test_another_gain_and_haze_do_not_make_a_difference() -> None:
    here = place()
    hazy = (here.image * 0.5 + 90).astype(np.uint8)
    assert judged(UNFOUNDED, here, pre_image=hazy) > UNFOUNDED.least


def test_a_mask_of_another_place_is_unrelated() -> None:
    places = [place(seed) for seed in range(4)]
    own = [judged(MISMATCH, here) for here in places]
    wrong = [judged(MISMATCH, here, change=place(seed + 40).change) for seed, here in enumerate(places)]
    assert np.median(wrong) > 2 * np.median(own)
    assert min(wrong) > 2 * max(own)
    assert max(wrong) > MISMATCH.least


def test_what_dried_up_is_told_by_its_colour_where_it_is_as_bright_as_water() -> None:
    """All the rest is brighter here and darker there, otherwise at each date, which is more and nothing that anybody marks."""
    dice = np.random.default_rng(0)

    def patches() -> NDArray[np.float32]:
        rough = cv2.GaussianBlur(dice.normal(size=(256, 256)).astype(np.float32), (0, 0), 10)
        return rough / rough.std()

    ponds, others = (each > np.quantile(each, 0.85) for each in (patches(), patches()))
    meadow, water = np.array([(70, 120, 60), (75, 100, 145)], np.float32)
    before, after = (
        (ground * (1 + 0.25 * patches()[..., None]) + dice.normal(0, 6, (256, 256, 3))).clip(0, 255).astype(np.uint8)
        for ground in (np.where(ponds[..., None], water, meadow), np.broadcast_to(meadow, (256, 256, 3)))
    )
    images = {"pre_image": before.transpose(2, 0, 1), "image": after.transpose(2, 0, 1)}
    own, other = (score(MISMATCH, subject(change=each.astype(np.uint8), **images)) for each in (ponds, others))
    assert own < 0.5 * MISMATCH.least < MISMATCH.least < other


def test_a_mask_in_another_size_is_laid_over_the_images() -> None:
    here = place()
    assert judged(UNFOUNDED, here, change=here.change[::2, ::2]) < 0.6 * UNFOUNDED.least


def test_places_that_no_date_shows_are_not_compared() -> None:
    here = place()
    there = np.ones((1, *here.change.shape), bool)
    there[:, :, :100] = False
    half = here.image.copy()
    half[:, :, :100] = 0
    found = judged(
        MISSED,
        here,
        pre_image=raster(half, np.repeat(there, 3, 0)),
        image=here.image,
        change=np.zeros_like(here.change),
    )
    assert found < 0.5 * MISSED.least


def test_one_date_is_nothing_to_compare() -> None:
    here = place()
    for check in CHECKS:
        assert not signs(check, subject(image=here.image, change=here.change))


@pytest.mark.parametrize("name", ["cloudmask", "inside"])
def test_masks_of_something_else_are_left_alone(name: str) -> None:
    spec = LayerSpec(
        LayerId(name), LayerKind.MASK, name, classes=(LabelClass(0, "no", (0, 0, 0)), LabelClass(255, "yes", (9, 9, 9)))
    )
    here = place()
    full = {name: np.full_like(here.change, 255)}
    assert not signs(FULL, subject(specs=[spec], **here.layers("pre_image", "image"), **full))


def test_what_is_not_labelled_is_not_marked() -> None:
    spec = LayerSpec(
        LayerId("change"),
        LayerKind.MASK,
        "mask",
        classes=(
            LabelClass(1, "No change", (0, 0, 0)),
            LabelClass(2, "Change", (9, 9, 9)),
            LabelClass(9, "Void", (1, 1, 1), void=True),
        ),
    )
    here = place()
    mask = np.full_like(here.change, 1)
    mask[:64] = 9
    mask[-64:] = 2
    assert score(FULL, subject(specs=[spec], change=mask, **here.layers("pre_image", "image"))) == pytest.approx(25)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd_subjects("pre_image", "image", "change", "sar"))
def test_no_tile_is_too_odd(looked_at: Subject) -> None:
    for check in CHECKS:
        for sign in signs(check, looked_at):
            assert math.isfinite(sign.score)
            assert sign.score >= 0
            assert sign.message

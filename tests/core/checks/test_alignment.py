"""Whether layers lie on each other: what is shifted, turned or of another place is found, and what fits is not."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from rsviewer.core.checks import alignment
from rsviewer.core.checks.check import Check, Sign
from rsviewer.core.checks.subject import Subject
from tests.core.checks.subjects import Town, odd_subjects, raster, score, signs, subject, town

BY_ID = {check.id: check for check in alignment.CHECKS}
SIZE = 192


@pytest.fixture(scope="module")
def place() -> Town:
    return town(1, SIZE)


@pytest.fixture(scope="module")
def elsewhere() -> Town:
    return town(2, SIZE)


def moved(pixels: NDArray[Any], across: int, down: int) -> NDArray[Any]:
    """The content of the last two axes moved to the east and south; what comes in is mirrored."""
    margin = [(0, 0)] * (pixels.ndim - 2) + [(24, 24), (24, 24)]
    wide = np.pad(pixels, margin, mode="reflect")
    rows, columns = pixels.shape[-2:]
    return wide[..., 24 - down : 24 - down + rows, 24 - across : 24 - across + columns]


def run(check: str, **layers: Any) -> Sign:
    found = signs(BY_ID[check], subject(**layers))
    assert len(found) == 1
    return found[0]


def suspicious(check: str, **layers: Any) -> bool:
    return run(check, **layers).score > BY_ID[check].least


# --- layers of one place


def test_layers_that_fit_raise_no_suspicion(place: Town) -> None:
    looked_at = subject(**place.layers("pre_image", "image", "ndsm", "landcover"))
    for check in alignment.CHECKS:
        assert 0 <= score(check, looked_at) < check.least, check.id


@pytest.mark.parametrize("seed", range(3, 9))
def test_no_town_is_suspicious(seed: int) -> None:
    looked_at = subject(**town(seed, SIZE).layers("pre_image", "image", "ndsm", "dem", "landcover"))
    for check in alignment.CHECKS:
        assert score(check, looked_at) < check.least, check.id


# --- shifts


@pytest.mark.parametrize(("across", "down"), [(7, -4), (-5, 0), (0, 9), (-11, -12)])
def test_a_shift_of_heights_is_measured(place: Town, across: int, down: int) -> None:
    sign = run("height_shift", image=place.image, ndsm=moved(place.ndsm, across, down))
    assert sign.score == pytest.approx(np.hypot(across, down), rel=0.25, abs=0.8)
    assert sign.layer == "ndsm"


def test_a_shift_is_told_in_pixels_and_directions(place: Town) -> None:
    message = run("height_shift", image=place.image, ndsm=moved(place.ndsm, 7, -5)).message
    assert message.startswith("heights lie ")
    assert " px east and " in message
    assert " px north of the image, confidence 0." in message


def test_a_shift_is_measured_in_parts_of_a_pixel(place: Town) -> None:
    matrix = np.array([[1, 0, 6.5], [0, 1, 0.0]], np.float32)
    heights = cv2.warpAffine(place.ndsm, matrix, place.ndsm.shape[::-1], borderMode=cv2.BORDER_REFLECT)
    found = re.search(r"lie ([\d.]+) px east", run("height_shift", image=place.image, ndsm=heights).message)
    assert found is not None
    assert float(found[1]) == pytest.approx(6.5, abs=0.4)


@pytest.fixture(scope="module")
def sunny() -> Town:
    """A town in the evening: what stands throws shadows of its own height to the north-west."""
    place = town(11, 2 * SIZE)
    shade = np.zeros(place.ndsm.shape, bool)
    for step in range(1, 13):
        shade |= moved(place.ndsm, -step, -step) - step > np.maximum(place.ndsm, 0.5)
    return replace(place, image=(place.image * np.where(shade, 0.45, 1)).astype(np.uint8))


def off(message: str) -> tuple[float, float]:
    """East and south, as the message says it."""
    way = {word: float(length) for length, word in re.findall(r"([\d.]+) px (\w+)", message)}
    return way.get("east", 0) - way.get("west", 0), way.get("south", 0) - way.get("north", 0)


@pytest.mark.parametrize(("across", "down"), [(7, -4), (-6, -5), (4, 9), (-11, 3)])
def test_shadows_do_not_pull_a_shift_to_their_side(sunny: Town, across: int, down: int) -> None:
    heights = run("height_shift", image=sunny.image, ndsm=moved(sunny.ndsm, across, down))
    labels = run("label_shift", image=sunny.image, landcover=moved(sunny.landcover, across, down))
    for sign in (heights, labels):
        assert off(sign.message) == pytest.approx((across, down), abs=0.4)
        assert sign.score > 4


def test_a_third_layer_that_lies_right_is_the_best_ruler(sunny: Town) -> None:
    heights = run("height_shift", image=sunny.image, ndsm=moved(sunny.ndsm, 5, -6), landcover=sunny.landcover)
    labels = run("label_shift", image=sunny.image, ndsm=sunny.ndsm, landcover=moved(sunny.landcover, 5, -6))
    for sign, layer in ((heights, "ndsm"), (labels, "landcover")):
        assert off(sign.message) == pytest.approx((5, -6), abs=0.35)
        assert sign.layer == layer


def test_what_two_layers_say_of_a_shifted_image_is_where_both_lie(sunny: Town) -> None:
    layers = sunny.layers("ndsm", "landcover")
    for check in ("height_shift", "label_shift"):
        sign = run(check, image=moved(sunny.image, -7, 8), **layers)
        assert off(sign.message) == pytest.approx((7, -8), abs=1)
        assert sign.layer == "image"


def test_a_town_in_the_evening_is_not_suspicious(sunny: Town) -> None:
    for layers in (("ndsm",), ("landcover",), ("ndsm", "landcover")):
        looked_at = subject(image=sunny.image, **sunny.layers(*layers))
        for check in alignment.CHECKS:
            assert not score(check, looked_at) > 0.6 * check.least, check.id


def evening(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """(image, heights) of silos as grey as the lawn around them, but for a light edge and a soft shadow 15 pixels beside."""
    dice = np.random.default_rng(seed)
    heights, lawn = np.zeros((SIZE, SIZE), np.float32), dice.normal(110, 20, (SIZE, SIZE))
    lawn = cv2.GaussianBlur(lawn, (0, 0), 0.8)
    for _ in range(8):
        middle, radius = dice.integers(8, SIZE - 8, 2).tolist(), int(dice.integers(5, 12))
        cv2.circle(heights, middle, radius, float(dice.uniform(3, 9)), -1)
        cv2.circle(lawn, middle, radius, 140.0, 1)
    lawn -= 50 * cv2.GaussianBlur((moved(heights, -12, -9) > 0).astype(np.float32), (0, 0), 4)
    return np.stack([np.clip(lawn, 0, 255).astype(np.uint8)] * 3), heights


@pytest.mark.parametrize("seed", range(5))
def test_sharp_borders_know_better_than_soft_shadows(seed: int) -> None:
    image, heights = evening(seed)
    sign = run("height_shift", image=image, ndsm=moved(heights, 7, -5))
    assert off(sign.message) == pytest.approx((7, -5), abs=1)
    assert sign.score > 7
    assert run("height_shift", image=image, ndsm=heights).score < 1


def test_labels_that_are_shifted_are_found(place: Town) -> None:
    sign = run("label_shift", image=place.image, landcover=moved(place.landcover, 8, 6))
    assert sign.score == pytest.approx(10, rel=0.25)
    assert sign.layer == "landcover"


def test_labels_and_heights_that_agree_blame_the_image(place: Town) -> None:
    image = moved(place.image, -9, 3)
    for check in ("height_shift", "label_shift"):
        sign = run(check, image=image, ndsm=place.ndsm, landcover=place.landcover)
        assert sign.score > BY_ID[check].least
        assert sign.layer == "image"


def test_a_shift_between_two_dates_is_measured_although_houses_were_built(place: Town) -> None:
    sign = run("date_shift", image=place.image, pre_image=moved(place.pre_image, 4, -3))
    assert sign.score == pytest.approx(5, rel=0.15)
    assert sign.layer == "pre_image"
    assert "4.0 px east and 3.0 px north" in sign.message


def test_other_light_is_no_shift(place: Town) -> None:
    darker = (place.pre_image * 0.4 + 60).astype(np.uint8)
    assert run("date_shift", image=place.image, pre_image=darker).score < 0.5
    negative = 255 - place.pre_image
    assert run("date_shift", image=place.image, pre_image=negative).score < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_found_beside_the_almost_black_edge_of_a_mosaic(seed: int) -> None:
    """Black with a pixel here and there that compression made 1: there the borders were not a number."""
    place, dice = town(1, 2 * SIZE), np.random.default_rng(seed)
    image = place.image.copy()
    image[:, 100:300, 120:] = 0
    image[2, 100:300, 120:][dice.random((200, 264)) < 0.01] = 1
    assert run("height_shift", image=image, ndsm=place.ndsm).score < 1
    sign = run("height_shift", image=image, ndsm=moved(place.ndsm, 7, -4))
    assert off(sign.message) == pytest.approx((7, -4), abs=0.8)


def test_evidence_of_a_shift_is_where_borders_gain(place: Town) -> None:
    looked_at = subject(evidence=True, image=place.image, ndsm=moved(place.ndsm, 8, 0))
    evidence = signs(BY_ID["height_shift"], looked_at)[0].evidence
    assert evidence is not None
    assert evidence.layer == "image"
    assert 4 <= len(evidence.boxes) <= 16
    assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in evidence.boxes)


def test_a_field_can_not_be_shifted() -> None:
    dice = np.random.default_rng(0)
    field = (120 + 8 * dice.normal(size=(3, SIZE, SIZE))).astype(np.uint8)
    grass = dice.normal(0, 0.05, (SIZE, SIZE)).astype(np.float32)
    labels = np.full((SIZE, SIZE), 7, np.uint8)
    looked_at = subject(image=field, ndsm=grass, landcover=labels)
    for check in alignment.CHECKS:
        assert not score(check, looked_at) > 0.2 * check.least, check.id


# --- other places


def test_heights_of_another_place_are_found(place: Town, elsewhere: Town) -> None:
    sign = run("height_pair", image=place.image, ndsm=elsewhere.ndsm, landcover=place.landcover)
    assert sign.score > BY_ID["height_pair"].least
    assert sign.layer == "ndsm"
    assert "nothing in common" in sign.message


def test_labels_of_another_place_are_found(place: Town, elsewhere: Town) -> None:
    sign = run("label_pair", image=place.image, ndsm=place.ndsm, landcover=elsewhere.landcover)
    assert sign.score > BY_ID["label_pair"].least
    assert sign.layer == "landcover"


def test_an_image_of_another_place_is_to_blame_itself(place: Town, elsewhere: Town) -> None:
    for check in ("height_pair", "label_pair"):
        assert run(check, image=elsewhere.image, ndsm=place.ndsm, landcover=place.landcover).layer == "image"


# --- two dates of two places


@pytest.mark.parametrize("seed", range(2, 6))
def test_an_image_before_of_another_place_is_found(place: Town, seed: int) -> None:
    sign = run("date_pair", image=place.image, pre_image=town(seed, SIZE).pre_image)
    assert sign.score > BY_ID["date_pair"].least
    assert sign.layer == "pre_image"
    assert "nothing in common" in sign.message


def in_snow(place: Town) -> NDArray[Any]:
    """All but roofs, trees and the road is white, and evenly so."""
    dice = np.random.default_rng(0)
    white = np.clip(dice.normal(235, 6, place.image.shape), 0, 255).astype(np.uint8)
    return np.where(np.isin(place.landcover, (4, 5, 8)), place.pre_image, white)


SEASONS: dict[str, Callable[[Town], NDArray[Any]]] = {
    "houses were built": lambda place: place.pre_image,
    "it snowed": in_snow,
    "another sun": lambda place: (place.pre_image * 0.4 + 60).astype(np.uint8),
    "dark became bright": lambda place: 255 - place.pre_image,
    "shifted": lambda place: moved(place.pre_image, 9, -11),
    "haze and grain": lambda place: np.clip(
        place.pre_image * 0.3 + 150 + np.random.default_rng(0).normal(0, 6, place.image.shape), 0, 255
    ).astype(np.uint8),
    "the half built over": lambda place: np.concatenate(
        (town(5, SIZE).pre_image[:, : SIZE // 2], place.pre_image[:, SIZE // 2 :]), axis=1
    ),
}


@pytest.mark.parametrize("season", SEASONS)
def test_a_place_at_another_time_is_no_other_place(place: Town, season: str) -> None:
    before = np.ascontiguousarray(SEASONS[season](place))
    assert run("date_pair", image=place.image, pre_image=before).score < 0.8 * (BY_ID["date_pair"].calm or 0.0)


def test_where_a_third_is_marked_all_may_have_been_built_over(place: Town, elsewhere: Town) -> None:
    marked = np.zeros((SIZE, SIZE), np.uint8)
    marked[: SIZE // 20] = 1
    some = run("date_pair", image=place.image, pre_image=elsewhere.pre_image, change=marked)
    assert some.score > BY_ID["date_pair"].least
    marked[: SIZE // 3] = 1
    much = run("date_pair", image=place.image, pre_image=elsewhere.pre_image, change=marked)
    assert much.score < 0.1 * some.score


# --- turned


TURNS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mirrored left-right": lambda pixels: pixels[:, ::-1],
    "mirrored up-down": lambda pixels: pixels[::-1],
    "turned by 180 degrees": lambda pixels: pixels[::-1, ::-1],
    "mirrored at the main diagonal": lambda pixels: pixels.T,
    "turned by 90 degrees to the right": lambda pixels: np.rot90(pixels, 1),
    "turned by 90 degrees to the left": lambda pixels: np.rot90(pixels, -1),
    "mirrored at the other diagonal": lambda pixels: pixels[::-1, ::-1].T,
}


@pytest.mark.parametrize("back", TURNS)
def test_a_turned_layer_is_told_how_it_fits(place: Town, back: str) -> None:
    """The message names what would set it right: what was turned to the left fits when turned to the right."""
    for check, name in (("height_turned", "ndsm"), ("label_turned", "landcover")):
        wrong = np.ascontiguousarray(TURNS[back](getattr(place, name)))
        sign = run(check, image=place.image, **{name: wrong})
        assert sign.score > BY_ID[check].least
        assert f"when {back}:" in sign.message


def test_a_tile_that_is_not_square_can_only_be_mirrored(place: Town) -> None:
    image, heights = place.image[:, :160], place.ndsm[:160]
    assert suspicious("height_turned", image=image, ndsm=heights[:, ::-1])
    assert not suspicious("height_turned", image=image, ndsm=heights)


def test_a_turned_layer_is_not_said_to_be_of_another_place(place: Town) -> None:
    assert not suspicious("height_pair", image=place.image, ndsm=place.ndsm[::-1])


# --- what there is to compare


def test_relief_fits_by_its_shading_where_nothing_has_an_edge() -> None:
    dice = np.random.default_rng(4)
    hills = 400 * cv2.GaussianBlur(dice.normal(size=(SIZE, SIZE)).astype(np.float32), (0, 0), 5)
    south, east = np.gradient(hills)
    shaded = np.clip(128 + 8 * (east + 2 * south) + dice.normal(0, 4, hills.shape), 0, 255).astype(np.uint8)
    image = np.stack([shaded] * 3)
    assert not suspicious("height_pair", image=image, dem=hills)
    assert run("height_shift", image=image, dem=hills).score < 1
    assert run("height_shift", image=image, dem=moved(hills, 6, 6)).score == pytest.approx(8.5, rel=0.2)
    assert suspicious("height_turned", image=image, dem=hills[:, ::-1])


def test_without_two_layers_nothing_is_said(place: Town) -> None:
    for check in alignment.CHECKS:
        assert signs(check, subject(image=place.image)) == []
        assert signs(check, subject(ndsm=place.ndsm, landcover=place.landcover)) == []


def test_holes_do_not_shift_anything(place: Town) -> None:
    heights = place.ndsm.copy()
    heights[40:90, 30:120] = np.nan
    assert not suspicious("height_shift", image=place.image, ndsm=raster(heights))
    assert suspicious("height_shift", image=place.image, ndsm=raster(moved(heights, 9, 2)))


def test_labels_of_many_or_strange_numbers_are_classes_like_others(place: Town) -> None:
    for labels in (place.landcover.astype(np.int32) * 1000 - 5, place.landcover.astype(np.float32)):
        assert not suspicious("label_turned", image=place.image, landcover=labels)
        assert suspicious("label_turned", image=place.image, landcover=np.ascontiguousarray(labels[::-1]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(looked_at=odd_subjects("pre_image", "image", "ndsm", "dem", "landcover", "sar"))
def test_odd_tiles_get_a_score_and_no_more_than_that(looked_at: Subject) -> None:
    for check in alignment.CHECKS:
        for sign in signs(check, looked_at):
            assert np.isfinite(sign.score)
            assert sign.score >= 0
            assert sign.message


ODD: dict[str, Callable[[np.random.Generator], NDArray[Any]]] = {
    "zero": lambda dice: np.zeros((64, 72)),
    "huge": lambda dice: np.where(dice.random((64, 72)) < 0.5, 1e38, -1e38),
    "larger than float32": lambda dice: np.where(dice.random((64, 72)) < 0.5, 1e300, 0),
    "some NaN": lambda dice: np.where(dice.random((64, 72)) < 0.2, np.nan, 10 * dice.random((64, 72))),
    "infinite": lambda dice: np.where(dice.random((64, 72)) < 0.2, np.inf, 3.0),
    "one step": lambda dice: np.repeat([[0.0, 200.0]], 36, 1) * np.ones((64, 1)),
    "tiny": lambda dice: 1e-30 * dice.random((64, 72)),
    "noise": lambda dice: 100 * dice.random((64, 72)),
    "a mask": lambda dice: 255.0 * (dice.random((64, 72)) < 0.5),
}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32", "float64", "complex64", "bool"])
@pytest.mark.parametrize("filling", ODD)
def test_odd_pixels_get_a_score_in_every_place(filling: str, dtype: str, place: Town) -> None:
    with np.errstate(all="ignore"):
        odd = ODD[filling](np.random.default_rng(0)).astype(dtype)
    usual = {
        name: pixels[..., :64, :72] for name, pixels in place.layers("pre_image", "image", "ndsm", "landcover").items()
    }
    for name in usual:
        looked_at = subject(evidence=True, **(usual | {name: odd}))
        for check in alignment.CHECKS:
            assert all(np.isfinite(sign.score) and sign.score >= 0 for sign in signs(check, looked_at))
    looked_at = subject(**dict.fromkeys(usual, odd))
    for check in alignment.CHECKS:
        assert all(sign.score <= check.least for sign in signs(check, looked_at)), check.id


def test_every_check_explains_itself() -> None:
    for check in alignment.CHECKS:
        assert isinstance(check, Check)
        assert check.title
        assert check.help.endswith(".")
        assert check.why.endswith(".")

"""What the colours of a picture are like, and pictures that one change would make usual."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.checks.colours import TONES, tones
from rsviewer.core.checks.crowd import ODD_COLOURS, QUESTIONS, Found, Inquiry
from rsviewer.core.checks.suspicion import Trait
from tests.core.checks.subjects import raster, subject, town
from tests.core.checks.test_crowd import Known

Image = NDArray[np.uint8]

PLACES: list[Image] = [town(seed, 96).image for seed in range(48)]


def asked(images: Sequence[Image], areas: Sequence[int] = ()) -> Found:
    traits: list[dict[str, Trait]] = []
    for image in images:
        found = tones(subject(image=image))
        traits.append({} if found is None else {"tones": found})
    answer = QUESTIONS["odd_colours"](Inquiry(Known(traits, areas=areas)))
    assert answer is not None
    return answer


def with_one(image: Image) -> Found:
    return asked([image, *PLACES[1:]])


def gained(image: Image, *gains: float) -> Image:
    return np.clip(image * np.array(gains)[:, None, None], 0, 255).astype(np.uint8)


def flattened(image: Image) -> Image:
    mean = image.mean((1, 2), keepdims=True)
    return (mean + (image - mean) * 0.12).round().astype(np.uint8)


def grey(image: Image) -> Image:
    return np.repeat(image.mean(0, keepdims=True).astype(np.uint8), 3, axis=0)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda image: image[::-1], "if red and blue were exchanged"),
        (lambda image: image[[1, 0, 2]], "if red and green were exchanged"),
        (lambda image: gained(image, 1, 1, 0.55), "blue is 0.5"),
        (lambda image: gained(image, 1.6, 1, 1), "red is 1."),
        (lambda image: gained(image, 0.12, 0.12, 0.12), "times as bright as is usual"),
        (flattened, "contrasts are 0."),
        (grey, "all bands are equal, where"),
    ],
)
def test_a_picture_that_one_change_would_make_usual_is_found(spoil: Callable[[Image], Image], said: str) -> None:
    found = with_one(np.ascontiguousarray(spoil(PLACES[0])))
    assert np.flatnonzero(found.scores >= ODD_COLOURS.least).tolist() == [0]
    assert said in found.note(0)


def forest(image: Image) -> Image:
    crowns = np.random.default_rng(0).normal(0, 1, (96, 96)).astype(np.float32)
    shade = 1 + 1.5 * cv2.GaussianBlur(crowns, (0, 0), 2)
    return np.clip(np.array([45, 75, 40])[:, None, None] * shade + image * 0.1, 0, 255).astype(np.uint8)


def lake(image: Image) -> Image:
    ripples = np.random.default_rng(0).normal(0, 2, (3, 96, 96))
    return np.clip(np.array([40, 60, 90])[:, None, None] + ripples, 0, 255).astype(np.uint8)


def snow(image: Image) -> Image:
    return np.clip(190 + 0.2 * image + np.random.default_rng(0).normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def evening(image: Image) -> Image:
    return gained(image, 0.75, 0.68, 0.6)


@pytest.mark.parametrize("nature", [forest, lake, snow, evening])
def test_another_landscape_or_light_is_no_defect(nature: Callable[[Image], Image]) -> None:
    assert np.nanmax(with_one(nature(PLACES[0])).scores) < ODD_COLOURS.least


def test_what_is_usual_is_that_of_the_group() -> None:
    exchanged = [np.ascontiguousarray(image[::-1]) for image in PLACES[:24]]
    areas = [0] * 24 + [1] * 24
    assert asked([*exchanged, *PLACES[24:]], areas).scores.max() < ODD_COLOURS.least
    found = asked([*exchanged[1:], *PLACES[24:], exchanged[0]], [0] * 23 + [1] * 25)
    assert np.flatnonzero(found.scores >= ODD_COLOURS.least).tolist() == [47]


def test_groups_of_a_few_pictures_cannot_say_what_is_usual() -> None:
    found = asked([np.ascontiguousarray(PLACES[0][::-1]), *PLACES[1:]], [0] * 6 + [1] * 42)
    assert np.isnan(found.scores[:6]).all()
    assert np.isfinite(found.scores[6:]).all()


def test_where_many_pictures_are_grey_another_one_is_usual() -> None:
    found = asked([*map(grey, PLACES[:12]), *PLACES[12:]])
    assert "equal" not in found.note(int(np.argmax(found.scores)))


def test_the_worse_of_two_dates_counts() -> None:
    traits: list[dict[str, Trait]] = []
    for number, image in enumerate(PLACES):
        before = town(100 + number, 96).image
        found = tones(subject(pre_image=before[::-1].copy() if number == 5 else before, image=image))
        assert found is not None
        traits.append({"tones": found})
    answer = QUESTIONS["odd_colours"](Inquiry(Known(traits)))
    assert answer is not None
    assert np.flatnonzero(answer.scores >= ODD_COLOURS.least).tolist() == [5]


def test_a_picture_that_no_tile_has_is_not_asked() -> None:
    traits: list[dict[str, Trait]] = [{"tones": tones(subject(pre_image=None, image=image)) or ()} for image in PLACES]
    answer = QUESTIONS["odd_colours"](Inquiry(Known(traits)))
    assert answer is not None
    assert np.isfinite(answer.scores).all()


def test_tones_of_all_optical_layers_are_as_many_for_every_tile() -> None:
    image = PLACES[0]
    found = tones(subject(pre_image=None, image=image, ndsm=np.zeros((96, 96), np.float32)))
    assert found is not None
    assert np.isnan(found[:TONES]).all()
    assert np.isfinite(found[TONES:]).all()
    assert found[TONES : TONES + 3] == pytest.approx(image.mean((1, 2)), abs=1.0)


@pytest.mark.parametrize("image", [PLACES[0][:1], np.zeros_like(PLACES[0]), np.full_like(PLACES[0], 255)])
def test_a_picture_without_colours_or_of_nothing_has_no_tones(image: Image) -> None:
    assert tones(subject(image=image)) is None
    assert tones(subject(image=None)) is None


def test_missing_pixels_do_not_count() -> None:
    image = PLACES[0].copy()
    image[:, :, :40] = 0
    there, seen = tones(subject(image=PLACES[0][:, :, 48:])), tones(subject(image=image))
    assert there is not None
    assert seen is not None
    assert seen[:9] == pytest.approx(there[:9], rel=0.2)


def test_tones_of_more_bits_are_those_of_eight() -> None:
    image = PLACES[0]
    eight, more = tones(subject(image=image)), tones(subject(image=raster(image.astype(np.uint16) * 20)))
    assert eight is not None
    assert more is not None
    assert more[9:] == pytest.approx(eight[9:], abs=0.1)
    assert np.diff(np.log(more[:3])) == pytest.approx(np.diff(np.log(eight[:3])), abs=0.1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38, -1e30, 0.0])
def test_odd_tones_are_compared_without_a_fault(value: float) -> None:
    dice = np.random.default_rng(0)
    traits: list[dict[str, Trait]] = [
        {"tones": tuple(dice.choice([value, 1.0, -5.0, 200.0], TONES, p=[0.01, 0.33, 0.33, 0.33]).tolist())}
        for _ in range(60)
    ]
    answer = QUESTIONS["odd_colours"](Inquiry(Known(traits)))
    assert answer is not None
    assert not np.isinf(answer.scores).any()

"""What is remembered of a tile."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.checks.crowd import TEXTURED
from rsviewer.core.checks.suspicion import Trait
from rsviewer.core.checks.traits import COARSE, TRAITS, TraitKind, digest, spectral_hash, traits_of
from tests.core.checks.subjects import raster, subject, town


def apart(one: Trait, other: Trait) -> int:
    """Bits in which two hashes differ."""
    assert isinstance(one, int)
    assert isinstance(other, int)
    return (one ^ other).bit_count()


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, coded = cv2.imencode(".jpg", np.moveaxis(image, 0, -1), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.moveaxis(cv2.imdecode(coded, cv2.IMREAD_COLOR), -1, 0)


def test_a_tile_of_all_layers_has_all_traits_but_its_place() -> None:
    found = traits_of(subject(**town().layers(), caption="A small town."))
    assert set(found) == set(TRAITS) - {"west", "south", "east", "north"}
    for name, value in found.items():
        kind = {TraitKind.NUMBER: float, TraitKind.HASH: int, TraitKind.VECTOR: tuple, TraitKind.WORD: str}[
            TRAITS[name]
        ]
        assert isinstance(value, kind)
    assert all(0 <= value < 1 << 64 for name in ("digest", "phash", "caption") if isinstance(value := found[name], int))


def test_a_compressed_copy_is_another_picture_that_is_perceived_the_same() -> None:
    image = town(1).image
    one, copy, other = (traits_of(subject(image=each)) for each in (image, jpeg(image, 60), town(2).image))
    assert one["digest"] != copy["digest"]
    assert apart(one["phash"], copy["phash"]) <= 4
    assert apart(one["phash"], other["phash"]) > 12


def test_a_brighter_or_smaller_copy_is_perceived_the_same() -> None:
    image = town(3).image
    one = traits_of(subject(image=image))
    brighter = traits_of(subject(image=np.clip(image * 1.1 + 10, 0, 255).astype(np.uint8)))
    smaller = traits_of(
        subject(image=np.stack([cv2.resize(band, (64, 64), interpolation=cv2.INTER_AREA) for band in image]))
    )
    assert apart(one["phash"], brighter["phash"]) <= 6
    assert apart(one["phash"], smaller["phash"]) <= 6


@pytest.mark.parametrize("move", [(2, 0), (0, 3), (4, 2)])
def test_a_copy_that_is_moved_a_little_has_the_same_spectrum(move: tuple[int, int]) -> None:
    down, across = move
    hashes = []
    for seed in range(4):
        image = town(seed).image
        side = image.shape[1] - 4
        here, there = image[:, :side, :side], image[:, down : down + side, across : across + side]
        one, moved = (traits_of(subject(image=np.ascontiguousarray(each))) for each in (here, there))
        assert apart(one["spectrum"], moved["spectrum"]) <= 6
        hashes.append(one["spectrum"])
    assert min(apart(one, other) for one, other in combinations(hashes, 2)) > 12


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 1.2), st.floats(0, 20))
def test_a_spectral_hash_does_not_mind_brightness_and_contrast(seed: int, factor: float, offset: float) -> None:
    coarse = np.random.default_rng(seed).uniform(20, 180, (COARSE, COARSE)).astype(np.float32)
    assert apart(spectral_hash(coarse), spectral_hash(coarse * np.float32(factor) + np.float32(offset))) <= 2


@pytest.mark.parametrize("value", [0.0, 1e-30, 9.0, 3e38])
def test_a_picture_of_nothing_has_a_spectral_hash(value: float) -> None:
    assert 0 <= spectral_hash(np.full((COARSE, COARSE), value, np.float32)) < 1 << 64


def test_the_same_pixels_have_the_same_digest_in_whatever_layout() -> None:
    image = town().image
    turned = np.asfortranarray(image)
    assert digest(image) == digest(turned) == digest(image.copy())
    assert digest(image) != digest(image[:, ::-1])
    assert digest(image) != digest(image.astype(np.uint16))
    assert digest(image) != digest(image.reshape(3, -1, 64))
    assert digest(np.arange(12, dtype=np.uint8)) == 3_074_827_158_525_107_981, "on every machine"


@given(st.integers(0, 1 << 32), st.integers(1, 40_000), st.integers(0, 7))
def test_one_changed_bit_changes_the_digest(seed: int, size: int, bit: int) -> None:
    dice = np.random.default_rng(seed)
    pixels = dice.integers(0, 256, size, np.uint8)
    changed = pixels.copy()
    changed[dice.integers(size)] ^= 1 << bit
    assert digest(pixels) != digest(changed)


def test_large_pictures_are_digested_part_by_part() -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (1, 1200, 1000), np.uint16)
    swapped = pixels.copy().reshape(-1)
    half = 1 << 18  # as many bytes as are taken at once
    swapped[:half], swapped[half : 2 * half] = pixels.reshape(-1)[half : 2 * half], pixels.reshape(-1)[:half]
    assert digest(pixels) != digest(swapped.reshape(pixels.shape))


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_picture_is_no_picture(value: int) -> None:
    assert set(traits_of(subject(image=np.full((3, 64, 64), value, np.uint8)))) == {"shape"}


def test_noise_has_no_texture() -> None:
    dice = np.random.default_rng(0)
    water = dice.normal(60, 6, (3, 256, 256)).clip(0, 255).astype(np.uint8)
    flat, rich = traits_of(subject(image=water))["texture"], traits_of(subject(image=town(size=256).image))["texture"]
    assert isinstance(flat, float)
    assert isinstance(rich, float)
    assert flat < TEXTURED / 2 < TEXTURED < rich


def test_captions_are_the_same_whatever_their_blanks_and_capitals() -> None:
    one, other, another = (traits_of(subject(caption=text)) for text in ("A  river\n", "a River", "a road"))
    assert one == other != another
    assert traits_of(subject(caption=" \n")) == {}


def test_the_shape_says_bands_size_and_type_of_every_layer() -> None:
    found = traits_of(subject(image=np.zeros((3, 8, 9), np.uint8), dem=np.zeros((4, 5), np.float32), ndsm=None))
    assert found["shape"] == "image=3 bands of 9 x 8 uint8;dem=1 band of 5 x 4 float32"


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)),
    dtype=st.sampled_from(["u1", "u2", "i2", "f4", "f8", "c8"]),
    fill=st.sampled_from([0.0, 1.0, float("nan"), float("inf"), 1e38]),
    seed=st.integers(0, 99),
)
def test_any_picture_has_traits(shape: tuple[int, int, int], dtype: str, fill: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    numbers = dice.random(shape) * 200
    kind = np.dtype(dtype)
    pixels = numbers.astype(kind)
    if kind.kind in "fc":
        pixels[numbers > 150] = fill
    valid = dice.random(shape) > 0.3
    found = traits_of(subject(image=raster(pixels, valid), sar=raster(pixels), landcover=np.zeros(shape[1:], np.uint8)))
    assert "shape" in found
    assert found.keys() <= TRAITS.keys()

"""What is remembered of every tile, so that the dataset can be asked: who looks like whom, who is unlike all others."""

import hashlib
import math
import zlib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsviewer.core.checks.colours import tones
from rsviewer.core.checks.labels import class_looks, class_shares
from rsviewer.core.checks.subject import Plane, Subject
from rsviewer.core.checks.suspicion import Trait
from rsviewer.core.tile import Text


class TraitKind(StrEnum):
    """How a trait is stored."""

    NUMBER = "number"
    HASH = "hash"
    """64 bits without a sign."""
    VECTOR = "vector"
    """Numbers, as many for every tile of a dataset."""
    WORD = "word"
    """One of few different texts."""


TRAITS: Mapping[str, TraitKind] = {
    "digest": TraitKind.HASH,
    "phash": TraitKind.HASH,
    "spectrum": TraitKind.HASH,
    "texture": TraitKind.NUMBER,
    "shares": TraitKind.VECTOR,
    "looks": TraitKind.VECTOR,
    "tones": TraitKind.VECTOR,
    "shape": TraitKind.WORD,
    "caption": TraitKind.HASH,
    "west": TraitKind.NUMBER,
    "south": TraitKind.NUMBER,
    "east": TraitKind.NUMBER,
    "north": TraitKind.NUMBER,
}
"""All of them. The last four, degrees of longitude and latitude (WGS 84), are found by whoever can turn coordinates."""

SHAPE_AFTER, LAYERS_BETWEEN = "=", ";"
"""The trait `shape` is ``opt=3 bands of 512 x 512 uint8;dem=...``."""

COARSE = 32
"""Pixels a side of the picture that a perceptual hash looks at."""
_BITS = 64
_SLOWEST = 1.5
"""Waves across the picture, of which it has at least so many: fewer are the window's."""
_FAINTEST = 1e-3
_BRIGHTEST = 255
_FLATTEST = 0.5
"""Grey levels of 256 that a picture must vary by: the same nothing twice is no duplicate."""
_EVERY = 4
"""Rows that are enough to tell by how much it varies."""
_WORD = 8
_AT_ONCE = 1 << 16
_SEED = 20_261_121


def traits_of(subject: Subject) -> dict[str, Trait]:
    """The traits of a tile but for its place on the map; absent where it has none."""
    found: dict[str, Trait] = {}
    shapes = [
        f"{spec.id}{SHAPE_AFTER}{_shape(subject.raster(spec.id).pixels, subject.raster(spec.id).full_size)}"
        for spec in subject.rasters()
    ]
    if shapes:
        found["shape"] = LAYERS_BETWEEN.join(shapes)
    image = subject.image
    if image is not None:
        plane = subject.plane(image.id)
        spread = float(cv2.meanStdDev(plane.values[::_EVERY])[1][0, 0])
        if plane.share > 0 and spread >= _FLATTEST:
            found["digest"] = digest(subject.raster(image.id).pixels)
            coarse = _coarse(plane)
            found["phash"], found["texture"] = _perceived(coarse), _texture(coarse, plane, spread)
            found["spectrum"] = spectral_hash(coarse)
    vectors = {"shares": class_shares(subject), "looks": class_looks(subject), "tones": tones(subject)}
    found |= {name: vector for name, vector in vectors.items() if vector is not None}
    caption = next((content.text for _, content in subject.contents if isinstance(content, Text)), "")
    words = " ".join(caption.casefold().split())
    if words:
        hashed = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        found["caption"] = int.from_bytes(hashed, "little")
    return found


def digest(pixels: NDArray[Any]) -> int:
    """64 bits that are the same for the same pixels, and only by chance for others.

    Half of them are the CRC, which every small difference changes; the other half the upper bits of a sum of words times fixed
    random numbers (J. Carter and M. Wegman, Universal classes of hash functions, 1979). Both together take a third of the time
    of a cryptographic hash, and nobody attacks this one: who plants duplicates wants to be found out.
    """
    raw = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    words = raw[: raw.size // _WORD * _WORD].view(np.uint64)
    total = np.zeros(1, np.uint64)  # an array: its overflow is nothing to warn of
    for start in range(0, len(words), _AT_ONCE):
        part = words[start : start + _AT_ONCE]
        total = (total ^ (total >> np.uint64(31))) * _weights()[:1] + np.einsum("i,i->", part, _weights()[: len(part)])
    crc = zlib.crc32(raw.data, zlib.crc32(f"{pixels.shape} {pixels.dtype.str}".encode()))
    return crc << 32 | int(total[0]) >> 32


@cache
def _weights() -> NDArray[np.uint64]:
    """Odd numbers, the same on every machine: NumPy promises that of what its generators make raw."""
    return np.random.PCG64(_SEED).random_raw(_AT_ONCE) | np.uint64(1)


def _coarse(plane: Plane) -> NDArray[np.float32]:
    """The picture in COARSE x COARSE pixels."""
    values: Any = plane.values
    while min(values.shape) >= 4 * COARSE:  # by halves: ten times as fast as any other ratio
        values = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    coarse: NDArray[np.float32] = cv2.resize(values, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return coarse


def _perceived(coarse: NDArray[np.float32]) -> int:
    """The perceptual hash of a picture."""
    import imagehash  # slow to load: a window that checks nothing does not wait for it

    return _packed(imagehash.phash(Image.fromarray(np.clip(coarse, 0, _BRIGHTEST).astype(np.uint8))).hash)


def spectral_hash(coarse: NDArray[np.float32]) -> int:
    """64 bits that stay when the picture is moved by a few hundredths of its side, as windows that overlap are.

    A shift changes the phases of a Fourier transform, not its amplitudes, but for what comes in at one side and leaves at the
    other; a window that falls to the sides makes that little. Each bit says whether the amplitude of a low frequency lies above
    what a power law through all of them has there: pictures of all places have about the same such law. Of 312 crops of real
    tiles moved by 3 % of their side 94 % differ in at most 6 bits from what they were, of those moved by 6 % 65 %; different
    places differ in more than 10.

    Args:
        coarse: (COARSE, COARSE) grey values.
    """
    window, rows, columns, law = _spectrum()
    greys = np.clip(coarse, 0, _BRIGHTEST)
    mean = np.float32(np.vdot(greys, window) / window.sum())
    amplitudes = np.abs(np.fft.rfft2((greys - mean) * window)[rows, columns])
    levels = np.log(amplitudes + _FAINTEST)
    beyond = levels - law @ levels
    return _packed(beyond > np.sort(beyond)[_BITS // 2 - 1])


@cache
def _spectrum() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The window of `spectral_hash`; rows and columns of its frequencies; and (64, 64) what fits a power law to them."""
    side = np.sin(np.pi * (np.arange(COARSE) + 0.5) / COARSE)
    down, across = np.meshgrid(np.fft.fftfreq(COARSE, 1 / COARSE), np.arange(COARSE // 2), indexing="ij")
    distance = np.hypot(down, across)
    said = (across == 0) & (down < 0)  # on the other side: the spectrum of a real picture is the same on both
    distance[said | (distance < _SLOWEST)] = np.inf
    chosen = np.argsort(distance, axis=None, kind="stable")[:_BITS]
    terms = np.stack((np.ones(_BITS), np.log(distance.ravel()[chosen])), axis=1)
    rows, columns = np.unravel_index(chosen, distance.shape)
    return np.outer(side, side).astype(np.float32), rows, columns, terms @ np.linalg.pinv(terms)


def _packed(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _texture(coarse: NDArray[np.float32], plane: Plane, spread: float) -> float:
    """How much the coarse shapes of a picture vary, in grey levels: more than noise would.

    White noise of a variance v leaves v / k in the means of k pixels; what is above that is texture.
    """
    noise = spread**2 * min(1.0, COARSE * COARSE / plane.values.size)
    beyond = float(cv2.meanStdDev(coarse)[1][0, 0]) ** 2 - noise
    return math.sqrt(max(0.0, beyond))


def _shape(pixels: NDArray[Any], size: tuple[int, int]) -> str:
    bands = "1 band" if pixels.shape[0] == 1 else f"{pixels.shape[0]} bands"
    return f"{bands} of {size[0]} x {size[1]} {pixels.dtype.name}"

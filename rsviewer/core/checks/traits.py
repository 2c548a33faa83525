"""What is remembered of every tile, so that the dataset can be asked: who looks like whom, who is unlike all others."""

import hashlib
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

_COARSE = 32
"""Pixels a side of the picture that a perceptual hash looks at."""
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
            found["phash"], found["texture"] = _perceived(plane, spread)
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


def _perceived(plane: Plane, spread: float) -> tuple[int, float]:
    """The perceptual hash of a picture, and how much its coarse shapes vary, in grey levels: more than noise would.

    White noise of a variance v leaves v / k in the means of k pixels; what is above that is texture.
    """
    values: Any = plane.values
    while min(values.shape) >= 4 * _COARSE:  # by halves: ten times as fast as any other ratio
        values = cv2.resize(values, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(values, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    import imagehash  # slow to load: a window that checks nothing does not wait for it

    bits = imagehash.phash(Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))).hash
    noise = spread**2 * min(1.0, _COARSE * _COARSE / plane.values.size)
    beyond = float(cv2.meanStdDev(coarse)[1][0, 0]) ** 2 - noise
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), max(0.0, beyond) ** 0.5


def _shape(pixels: NDArray[Any], size: tuple[int, int]) -> str:
    bands = "1 band" if pixels.shape[0] == 1 else f"{pixels.shape[0]} bands"
    return f"{bands} of {size[0]} x {size[1]} {pixels.dtype.name}"

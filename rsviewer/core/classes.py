"""Class layers: which values a tile holds, and which colours they get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Band, row_blocks
from rsviewer.core.tile import LayerKind, LayerSpec

Color: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0..255."""

UNCHANGED_COLOR: Color = (38, 40, 44)
CHANGED_COLOR: Color = (255, 176, 32)
"""The two states of a mask whose dataset names no colours."""

LOUD_COLORS: tuple[Color, ...] = (
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 0),
    (255, 96, 0),
    (128, 0, 255),
    (0, 255, 96),
)
"""For values that a palette does not know: the first that no class comes near."""

NEAR = 120.0
"""Euclidean distance in RGB under which two colours may be taken for one another."""

_WIDEST = 65_534
"""Values a table may span, so that a code fits into 16 bits. Anything wider is sorted, which takes longer."""
_FEW = 18
"""Codes that are counted one by one: comparing is so much faster than numpy's bincount, which also keeps other threads out."""
_PAIRED = 48
"""Codes up to which the colours of all pairs of them make a table that is worth its time."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """The pixels of a class layer as small codes.

    Attributes:
        codes: (height, width) unsigned, below `size`.
        size: how many codes there may be. The last two are values that are no whole number, and invalid pixels.
        values: the whole numbers that occur, ascending.
        slots: the code of each of them.
        counts: how many pixels have each of them.
        odd: how many valid pixels are no whole number.
    """

    codes: NDArray[Any]
    size: int
    values: tuple[int, ...]
    slots: NDArray[np.intp]
    counts: tuple[int, ...]
    odd: int


def coded(band: Band) -> Coded:
    """Finds the values of a class band: integers of any size and sign, or floats that hold them."""
    values, usable, odd = band.values, band.usable, None
    if values.dtype.kind == "f":
        odd = np.trunc(values) != values
        odd = odd if usable is None else odd & usable
        odd = odd if odd.any() else None
    whole = usable if odd is None else ~odd if usable is None else usable & ~odd
    chosen = values if whole is None else values[whole]
    low, high = (int(chosen.min()), int(chosen.max())) if chosen.size else (0, -1)
    if high - low < _WIDEST:
        names: Sequence[int] = range(low, high + 1)
        fits = len(names) + (0 if whole is None else 2) <= 256
        codes = _offset(values, low).astype(np.uint8 if fits else np.uint16, copy=usable is not None)
    else:
        distinct, places = np.unique(chosen, return_inverse=True)
        names = [int(value) for value in distinct.tolist()]
        codes = np.zeros(values.shape, np.intp)
        codes[... if whole is None else whole] = places.reshape(values.shape if whole is None else -1)
    if odd is not None:
        codes[odd] = len(names)
    if usable is not None:
        codes[~usable] = len(names) + 1
    counts = _counted(codes, len(names) + 2)
    slots = np.flatnonzero(counts[: len(names)])
    return Coded(
        codes,
        size=len(names) + 2,
        values=tuple(names[slot] for slot in slots.tolist()),
        slots=slots,
        counts=tuple(counts[slots].tolist()),
        odd=int(counts[len(names)]),
    )


def looked_up(found: Coded, colors: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(height, width) the colour of every pixel, given that of every code. Two bytes are looked up at once where they can."""
    codes, used = found.codes, np.append(found.slots, (found.size - 2, found.size - 1))
    table: NDArray[Any] = colors
    if codes.dtype == np.uint8 and codes.flags.c_contiguous and codes.shape[1] % 2 == 0 and used.size <= _PAIRED:
        codes, table = codes.view(np.uint16), _paired(used[used < 256], colors)
    pixels = np.empty(codes.shape, table.dtype)
    for rows in row_blocks(codes.shape):
        table.take(codes[rows], out=pixels[rows], mode="clip")
    return pixels.view(np.uint32)


def aliases(spec: LayerSpec, values: Iterable[int]) -> dict[int, int]:
    """Stored value -> documented value, for a mask of 0 and 255 that is stored as 0 and 1, or the other way round."""
    states = {entry.value for entry in spec.classes if not entry.void}
    marked = {value for value in values if value != 0}
    if spec.kind is not LayerKind.MASK or len(states) != 2 or 0 not in states or len(marked) != 1:
        return {}
    (stored,), (documented,) = marked, states - {0}
    return {stored: documented} if {stored, documented} == {1, 255} else {}


def class_colors(spec: LayerSpec, values: Sequence[int], palette: Mapping[int, Color]) -> list[Color]:
    """A colour for each value: the palette's, a loud one if it knows none, a made-up one without palette."""
    if palette:
        loud = loud_color(palette.values())
        return [palette.get(value, loud) for value in values]
    if spec.kind is LayerKind.MASK:
        return [CHANGED_COLOR if value else UNCHANGED_COLOR for value in values]
    return generated_colors(values)


def generated_colors(values: Sequence[int]) -> list[Color]:
    """A colour for every value, the same on every tile; values near each other differ clearly."""
    index = np.array([value % 2**32 for value in values], np.int64)
    hue = (index * 0.618033988749895 + 0.08) % 1.0
    lightness = np.array([0.95, 0.72, 0.85, 0.55])[index % 4]
    saturation = np.array([0.62, 0.85, 0.45, 0.75])[index // 4 % 4]
    wheel = np.clip(np.abs((hue[:, None] * 6.0 + (0.0, 4.0, 2.0)) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    colors = np.rint(255.0 * lightness[:, None] * (1.0 - saturation[:, None] * (1.0 - wheel))).astype(np.uint8)
    return [(red, green, blue) for red, green, blue in colors.tolist()]


def loud_color(palette: Iterable[Color]) -> Color:
    """The colour of values that `palette` does not know: none of its own, nor near one where that can be."""
    return _farthest(tuple(palette))


@lru_cache(maxsize=64)
def _farthest(palette: tuple[Color, ...]) -> Color:
    taken = np.array(palette, np.float64).reshape(-1, 3)
    if not len(taken):
        return LOUD_COLORS[0]
    distances = [float(np.sqrt(((taken - color) ** 2).sum(axis=1)).min()) for color in LOUD_COLORS]
    far = [color for color, distance in zip(LOUD_COLORS, distances, strict=True) if distance >= NEAR]
    return far[0] if far else LOUD_COLORS[int(np.argmax(distances))]


def _offset(values: NDArray[Any], low: int) -> NDArray[Any]:
    """`values - low`, which may be the values themselves; anything where a value is not usable."""
    if values.dtype.kind == "u" and low == 0:
        return values
    less: NDArray[Any] = values - values.dtype.type(low)
    # Differences of signed integers may overflow, but as unsigned ones they are right again.
    return less if values.dtype.kind == "f" else less.view(f"u{values.dtype.itemsize}")


def _paired(used: NDArray[np.intp], colors: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Two neighbouring codes, read as one number of 16 bits -> their two colours as one of 64, whatever the byte order."""
    codes = np.empty((used.size, used.size, 2), np.uint8)
    codes[..., 0], codes[..., 1] = used[:, None], used
    both = colors[codes]
    table = np.zeros((int(used.max()) + 1) << 8, np.uint64)
    table[codes.view(np.uint16)] = both.view(np.uint64)
    return table


def _counted(codes: NDArray[Any], size: int) -> NDArray[np.intp]:
    """How many pixels have each code below `size`."""
    counts = np.zeros(size, np.intp)
    left = codes.size
    ends = (0, size - 3, size - 1)  # all that a mask of 0 and 255 has
    for code in range(size) if size <= _FEW else ends:
        counts[code] = np.count_nonzero(codes == code)
        left -= counts[code]
        if left == 0:
            return counts
    return np.bincount(codes.ravel(), minlength=size)

"""Class layers: which values a tile holds, and which colours they get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Band
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
        codes = _offset(values, low)
    else:
        distinct, places = np.unique(chosen, return_inverse=True)
        names = [int(value) for value in distinct.tolist()]
        codes = np.zeros(values.shape, np.intp)
        codes[... if whole is None else whole] = places.reshape(values.shape if whole is None else -1)
    if odd is not None:
        codes[odd] = len(names)
    if usable is not None:
        codes[~usable] = len(names) + 1
    counts = np.bincount(codes.ravel(), minlength=len(names) + 2)
    slots = np.flatnonzero(counts[: len(names)])
    return Coded(
        codes,
        size=len(names) + 2,
        values=tuple(names[slot] for slot in slots.tolist()),
        slots=slots,
        counts=tuple(counts[slots].tolist()),
        odd=int(counts[len(names)]),
    )


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
    taken = np.array(list(palette), np.float64).reshape(-1, 3)
    if not len(taken):
        return LOUD_COLORS[0]
    distances = [float(np.sqrt(((taken - color) ** 2).sum(axis=1)).min()) for color in LOUD_COLORS]
    far = [color for color, distance in zip(LOUD_COLORS, distances, strict=True) if distance >= NEAR]
    return far[0] if far else LOUD_COLORS[int(np.argmax(distances))]


def _offset(values: NDArray[Any], low: int) -> NDArray[np.uint16]:
    """`values - low` as unsigned codes; anything where a value is not usable."""
    if values.dtype == np.uint8 and low == 0:
        return values.astype(np.uint16)
    if values.dtype.kind == "f":
        codes = values - values.dtype.type(low)
    else:
        # Differences of signed integers may overflow, but as unsigned ones they are right again.
        codes = (values - values.dtype.type(low)).view(f"u{values.dtype.itemsize}")
    small: NDArray[np.uint16] = codes.astype(np.uint16)
    return small

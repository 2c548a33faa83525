"""Images of any type as pictures of 8 bits, stretched as somebody wants them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.quantising import ends_of, is_span
from rsviewer.core.stretch import Band, Range, band_of
from rsviewer.core.tile import Raster

TOP = 255
MIDDLE = 128
"""Of a band whose values are all the same, where the stretch depends on the values: the grey that the panes show."""
AS_STORED = Range(0.0, float(TOP))


class Stretch(StrEnum):
    """What becomes 0 and what becomes 255. Always of the tile at hand, and of its valid pixels only."""

    IMAGE = "image"
    """Least and greatest value of all bands together."""
    CHANNEL = "channel"
    """Those of each band."""
    NONE = "none"
    """0 and 255."""
    PERCENT = "percent"
    """Two percentiles of the values of all bands together."""
    PERCENT_CHANNEL = "percent-channel"
    """Those of each band."""
    TIF2PNG = "tif2png"
    """Least and greatest value of each band, then two percentiles of all of these bands together: the script as it comes."""
    FIXED = "fixed"
    """Two given values."""

    @property
    def has_percents(self) -> bool:
        """Whether percentiles matter."""
        return self in (Stretch.PERCENT, Stretch.PERCENT_CHANNEL, Stretch.TIF2PNG)


@dataclass(frozen=True, slots=True)
class Stretching:
    """How values become bytes.

    Attributes:
        how: see Stretch.
        percents: of the lower and the upper end, for those with percentiles.
        ends: for FIXED.
        gamma: > 1 brightens the middle.
    """

    how: Stretch = Stretch.CHANNEL
    percents: tuple[float, float] = (1.0, 99.0)
    ends: tuple[float, float] = (0.0, 1.0)
    gamma: float = 1.0

    @property
    def fault(self) -> str:
        """Why nothing can be stretched like that, as a sentence; empty where it can."""
        low, high = self.percents
        if not 0.0 <= low < high <= 100.0:
            return f"From the {low:g}th to the {high:g}th percentile is no range: give two numbers like 1 99."
        if self.how is Stretch.FIXED and not is_span(*self.ends):
            return f"From {self.ends[0]:g} to {self.ends[1]:g} is no range: give the lower number first."
        if not (math.isfinite(self.gamma) and self.gamma > 0.0):
            return f"{self.gamma:g} is no gamma: give a number above 0, like 1.8."
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image as bytes.

    Attributes:
        pixels: (bands, height, width) uint8. A band is 0 where it has no value.
        opaque: (height, width), False where no band has a value; None where every pixel has one.
        ranges: what became 0 and 255, one a band; None for a band without values.
        patchy: some pixel has a value in one band and none in another.
        clipped: values beyond the ends became the ends, and nobody asked for that.
    """

    pixels: NDArray[np.uint8]
    opaque: NDArray[np.bool_] | None
    ranges: tuple[Range | None, ...]
    patchy: bool = False
    clipped: bool = False


def picture_of(raster: Raster, bands: Sequence[int], stretching: Stretching) -> Picture | None:
    """Stretches some bands of an image; None where none of them has a value.

    Values become the nearest byte. Where percentiles coincide although the values differ, least and greatest value are used
    instead; a band whose values are all the same becomes MIDDLE, unless the stretch does not depend on the values.

    Args:
        raster: of any type; of complex values the magnitude counts.
        bands: zero-based, one or three, all of which it has.
        stretching: how.
    """
    with np.errstate(all="ignore"):
        shown = [band_of(raster, index) for index in bands]
        if not any(band.count for band in shown):
            return None
        ranges = _ranges(shown, stretching)
        pixels = np.stack([_bytes(*pair, stretching.gamma) for pair in zip(shown, ranges, strict=True)])
    opaque, patchy = _opaque(shown)
    clipped = stretching.how is Stretch.NONE and any(
        band.minimum < AS_STORED.low or band.maximum > AS_STORED.high for band in shown if band.count
    )
    return Picture(pixels, opaque, ranges, patchy, clipped)


def _ranges(bands: Sequence[Band], stretching: Stretching) -> tuple[Range | None, ...]:
    how = stretching.how
    if how in (Stretch.NONE, Stretch.FIXED):
        ends = AS_STORED if how is Stretch.NONE else Range(*stretching.ends)
        return tuple(ends if band.count else None for band in bands)
    filled = [band for band in bands if band.count]
    if how is Stretch.IMAGE:
        together = Range(min(band.minimum for band in filled), max(band.maximum for band in filled))
    elif how is Stretch.PERCENT:
        together = ends_of(np.concatenate([_values(band) for band in filled]), stretching.percents)
    elif how is Stretch.PERCENT_CHANNEL:
        return tuple(ends_of(_values(band), stretching.percents) if band.count else None for band in bands)
    elif how is Stretch.TIF2PNG:
        return _closer(bands, stretching.percents)
    else:
        return tuple(Range(band.minimum, band.maximum) if band.count else None for band in bands)
    return tuple(together if band.count else None for band in bands)


def _closer(bands: Sequence[Band], percents: tuple[float, float]) -> tuple[Range | None, ...]:
    """Two percentiles of all bands together, each of them taken from 0 to 1 before."""
    wide = [band.maximum / 2 - band.minimum / 2 for band in bands]
    places = [
        (_values(band).astype(np.float64) / 2 - band.minimum / 2) / half
        for band, half in zip(bands, wide, strict=True)
        if half
    ]
    ends = ends_of(np.concatenate(places), percents) if places else Range(0.0, 1.0)
    return tuple(
        Range(band.minimum + ends.low * half * 2, band.minimum + ends.high * half * 2) if band.count else None
        for band, half in zip(bands, wide, strict=True)
    )


def _values(band: Band) -> NDArray[Any]:
    return band.values.ravel() if band.usable is None else band.values[band.usable]


def _opaque(bands: Sequence[Band]) -> tuple[NDArray[np.bool_] | None, bool]:
    """Where some band has a value, None for everywhere; and whether some pixel lacks one in some bands only."""
    masks = [band.usable for band in bands]
    known = [mask for mask in masks if mask is not None]
    if not known:
        return None, False
    in_all = np.logical_and.reduce(known)
    if len(known) < len(masks):
        return None, not in_all.all()
    in_some = np.logical_or.reduce(known)
    return (None if in_some.all() else in_some), bool((in_some != in_all).any())


def _bytes(band: Band, ends: Range | None, gamma: float) -> NDArray[np.uint8]:
    """A band as bytes, 0 where it has no value."""
    if ends is None:
        return np.zeros(band.values.shape, np.uint8)
    values = band.values
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.size > 2 ** (8 * values.dtype.itemsize):
        unsigned = values.view(f"u{values.dtype.itemsize}")
        numbers = np.arange(2 ** (8 * values.dtype.itemsize), dtype=unsigned.dtype).view(values.dtype)
        found: NDArray[np.uint8] = _stretched(numbers, ends, gamma)[unsigned]
    else:
        found = _stretched(values, ends, gamma)
    if band.usable is not None:
        found[~band.usable] = 0
    return found


def _stretched(values: NDArray[Any], ends: Range, gamma: float) -> NDArray[np.uint8]:
    if ends.low == ends.high:
        return np.full(values.shape, MIDDLE, np.uint8)
    # Halves, since the difference of two float64 may be too large for one.
    places = (values.astype(np.float64) / 2 - ends.low / 2) / (ends.high / 2 - ends.low / 2)
    np.clip(np.nan_to_num(places, copy=False), 0.0, 1.0, out=places)
    if gamma != 1.0:
        np.power(places, 1.0 / gamma, out=places)
    found: NDArray[np.uint8] = np.rint(places * TOP).astype(np.uint8)
    return found

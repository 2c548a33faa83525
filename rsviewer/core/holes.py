"""How a file can say which pixels are no data: by a value that no other pixel has, or by a band of opacity."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import LayerKind

USUAL = -9999.0
"""What most programs write where a height or another number is missing."""

_EXACT_BYTES = 2
"""Whole numbers of so many bytes have a place among float32."""
_HUGE = 1e30
"""Markers beyond are written with anything from two to seventeen digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """Pixels as they can be stored.

    Attributes:
        pixels: (bands, height, width); one band more where `alpha`.
        nodata: what stands in pixels without data; None where there are none, or where `alpha` tells them.
        alpha: the last band is opacity: 0, or the largest value of the type.
    """

    pixels: NDArray[Any]
    nodata: float | None = None
    alpha: bool = False


def marked(
    pixels: NDArray[Any],
    valid: NDArray[np.bool_],
    kind: LayerKind,
    *,
    meanings: Collection[int] = (),
    preferred: float | None = None,
) -> Marked:
    """The same pixels, those that are not valid marked in a way that `data.raster` and other programs understand.

    Of a picture of whole numbers a pixel is no data where all its bands are: programs take its marker so. Where its bands have
    different holes, it becomes decimal numbers.

    Args:
        pixels: (bands, height, width) numbers of any type.
        valid: the same shape.
        kind: what they are.
        meanings: values that are classes: none of them becomes the marker.
        preferred: a marker to keep, where no valid pixel has that value.
    """
    is_picture = kind is LayerKind.OPTICAL and pixels.dtype.kind in "iu" and len(pixels) > 1
    if valid.all():
        is_free = preferred is not None and _can_hold(pixels.dtype, preferred) and int_of(preferred) not in meanings
        keeps = is_free and not is_picture and _is_free(pixels, valid, preferred or 0.0)
        return Marked(pixels, preferred if keeps else None)
    if is_picture:
        if bool((valid == valid[:1]).all()):
            return _picture(pixels, valid[0], preferred)
        pixels = pixels.astype(np.float32 if pixels.dtype.itemsize <= _EXACT_BYTES else np.float64)
    if pixels.dtype.kind == "f":
        marker = next(value for value in _of_decimals(pixels.dtype, preferred) if _is_free(pixels, valid, value))
        return Marked(np.where(valid, pixels, pixels.dtype.type(marker)), marker)
    while True:
        whole = _unused(pixels, valid, meanings, preferred)
        if whole is not None:
            return Marked(np.where(valid, pixels, pixels.dtype.type(whole)), float(whole))
        wider = np.result_type(pixels.dtype, np.int16 if pixels.dtype.kind == "i" else np.uint16)
        pixels = pixels.astype(wider if wider != pixels.dtype else np.int32)


def int_of(value: float | None) -> int | None:
    """A whole number as one; None for others."""
    return int(value) if value is not None and math.isfinite(value) and value == int(value) else None


def _picture(pixels: NDArray[Any], valid: NDArray[np.bool_], preferred: float | None) -> Marked:
    bounds = np.iinfo(pixels.dtype)
    for value in dict.fromkeys((int_of(preferred), 0, bounds.max)):
        if value is None or not bounds.min <= value <= bounds.max:
            continue
        if not np.any(valid & (pixels == value).all(axis=0)):
            return Marked(np.where(valid, pixels, pixels.dtype.type(value)), float(value))
    opacity = np.where(valid, bounds.max, 0).astype(pixels.dtype)
    return Marked(np.concatenate((pixels, opacity[None])), alpha=True)


def _of_decimals(dtype: np.dtype[Any], preferred: float | None) -> Iterator[float]:
    if preferred is not None and abs(preferred) < _HUGE and _can_hold(dtype, preferred):
        yield preferred
    if _can_hold(dtype, USUAL):
        yield USUAL
    yield math.nan


def _unused(
    pixels: NDArray[Any], valid: NDArray[np.bool_], meanings: Collection[int], preferred: float | None
) -> int | None:
    """A value that no valid pixel has and that means nothing else; None where the type has none left."""
    bounds = np.iinfo(pixels.dtype)
    used = np.unique(pixels[valid])
    taken = {*used.tolist(), *meanings} if len(used) <= 1 << 16 else None
    usual = (int_of(preferred), int(USUAL), bounds.max if bounds.min == 0 else bounds.min, 0)
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
    beyond = (max(high, *meanings, 0) + 1, min(low, *meanings, 0) - 1)
    for value in (*usual, *beyond):
        if value is None or not bounds.min <= value <= bounds.max or value in meanings:
            continue
        if (value not in taken) if taken is not None else not np.any(used == value):
            return value
    if pixels.dtype.itemsize > _EXACT_BYTES:  # there are more values than pixels
        gaps = np.flatnonzero(used[1:] - 1 > used[:-1])
        return next(value for gap in gaps if (value := int(used[gap]) + 1) not in meanings)
    left = np.setdiff1d(np.arange(bounds.min, bounds.max + 1), [*used.tolist(), *meanings])
    return int(left[-1]) if len(left) else None


def _is_free(pixels: NDArray[Any], valid: NDArray[np.bool_], value: float) -> bool:
    return math.isnan(value) or not np.any(valid & (pixels == value))


def _can_hold(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return math.isnan(value) or float(dtype.type(value)) == value
    whole = int_of(value)
    return whole is not None and np.iinfo(dtype).min <= whole <= np.iinfo(dtype).max

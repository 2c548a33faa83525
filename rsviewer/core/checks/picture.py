"""A picture as the checks of `images` see it: 8-bit bands, the darkest and the brightest of them, where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.subject import Subject, shown_bands
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster

BLACK, WHITE = 2, 253
"""Grey levels of 255 up to which a pixel counts as black, and from which on as white: lossy files are not exact."""
SOLID = 9
"""Pixels across which an area of one value must be wide, so that the shadows under trees and small roofs do not count."""
_SMALLEST = 0.001
_SAMPLES = 4_096
"""Pixels of a band that its range is told by, at least."""
_ASKED = 96
"""Pixels a side that are asked for tones."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The bands that a layer shows.

    Attributes:
        layer: whose.
        bands: one or three of (rows, columns) uint8, red first. 8-bit pictures as they are; others from 0 (or their smallest
            value, where that is negative) to their 98th percentile, SAR from its 2nd in decibels; 0 where invalid.
        darkest, brightest: (rows, columns) uint8, over the bands.
        valid: (rows, columns) bool; None where all are.
        black, white: (rows, columns) bool, valid pixels in solid areas without any light, or with nothing but light; None where
            there are none worth a word.
        blank: (rows, columns) bool, where the picture shows nothing, with a margin around; None where it does everywhere.
    """

    layer: LayerId
    bands: tuple[NDArray[np.uint8], ...]
    darkest: NDArray[np.uint8]
    brightest: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None
    black: NDArray[np.bool_] | None
    white: NDArray[np.bool_] | None
    blank: NDArray[np.bool_] | None

    @property
    def green(self) -> NDArray[np.uint8]:
        """The band in which eyes, sensors and codecs are sharpest."""
        return self.bands[len(self.bands) // 2]

    @property
    def seen(self) -> float:
        """Share of the picture that shows something, 0..1."""
        return 1.0 if self.blank is None else 1.0 - float(np.count_nonzero(self.blank)) / self.blank.size


@dataclass(frozen=True, slots=True)
class Tones:
    """Which grey levels a picture uses, by a sample of what it shows.

    Attributes:
        count: pixels in the sample.
        darkest: the 0.5th percentile of each band.
        lowest, highest: the 1st and the 99th.
        colour: the median of the differences between the bands of a pixel.
    """

    count: int
    darkest: tuple[int, ...]
    lowest: tuple[int, ...]
    highest: tuple[int, ...]
    colour: int


def pictures(subject: Subject) -> list[tuple[LayerSpec, Picture]]:
    """The optical pictures of a tile."""
    return [(spec, picture_of(subject, spec)) for spec in subject.rasters(LayerKind.OPTICAL)]


def with_radar(subject: Subject) -> list[tuple[LayerSpec, Picture]]:
    """Optical and SAR pictures of a tile."""
    return [(spec, picture_of(subject, spec)) for spec in subject.rasters(LayerKind.OPTICAL, LayerKind.SAR)]


def other_date(subject: Subject, layer: LayerId) -> LayerId | None:
    """The layer that shows the same place at the other of two dates; None where there is none."""
    dates = subject.dates
    if dates is None or layer not in (dates[0].id, dates[1].id):
        return None
    return dates[1].id if layer == dates[0].id else dates[0].id


def picture_of(subject: Subject, spec: LayerSpec) -> Picture:
    """A picture, made once for each layer of a tile."""
    return subject.shared(("picture", spec.id), lambda: _made(subject.raster(spec.id), spec))


def tones_of(subject: Subject, picture: Picture) -> Tones:
    """The tones of a picture, found once for each layer of a tile."""
    return subject.shared(("tones", picture.layer), lambda: _tones(picture))


def _tones(picture: Picture) -> Tones:
    step = max(1, -(-max(picture.green.shape) // _ASKED))
    thin = np.s_[::step, ::step]
    shown = None if picture.blank is None else np.ascontiguousarray(~picture.blank[thin]).view(np.uint8)
    bands = [np.ascontiguousarray(band[thin]) for band in picture.bands]
    apart = cv2.subtract(np.ascontiguousarray(picture.brightest[thin]), np.ascontiguousarray(picture.darkest[thin]))
    count = bands[0].size if shown is None else cv2.countNonZero(shown)
    darkest, lowest, highest = zip(*(_levels(band, shown, count, (0.005, 0.01, 0.99)) for band in bands), strict=True)
    return Tones(count, darkest, lowest, highest, _levels(_bytes(apart), shown, count, (0.5,))[0])


def _levels(
    values: NDArray[np.uint8], shown: NDArray[np.uint8] | None, count: int, parts: Sequence[float]
) -> list[int]:
    """The values that parts of the pixels do not exceed: counted, which takes a quarter of the time of sorting them."""
    counts = np.cumsum(cv2.calcHist([values], [0], shown, [256], [0, 256]))
    found: list[int] = np.searchsorted(counts, [part * max(count - 1, 0) for part in parts], side="right").tolist()
    return [min(level, 255) for level in found]


def _made(raster: Raster, spec: LayerSpec) -> Picture:
    chosen = shown_bands(spec, raster)
    raw = [raster.pixels[band] for band in chosen]
    valid = _valid(raster, chosen)
    if all(band.dtype == np.uint8 for band in raw):
        bands = tuple(raw)
        zero = None
    else:
        bands, valid = _as_bytes([real(band) for band in raw], valid, spec.kind is LayerKind.SAR)
        zero = np.logical_and.reduce([band == 0 for band in raw])
    darkest, brightest = bands[0], bands[0]
    for band in bands[1:]:
        darkest, brightest = _bytes(cv2.min(darkest, band)), _bytes(cv2.max(brightest, band))
    if zero is None:  # asking for the extremes first takes a fifth of the time
        black = _solid(brightest <= BLACK, valid) if _extremes(brightest)[0] <= BLACK else None
        white = _solid(darkest >= WHITE, valid) if _extremes(darkest)[1] >= WHITE else None
    else:
        black, white = _solid(zero, valid), None
    return Picture(spec.id, bands, darkest, brightest, valid, black, white, _blank(valid, black))


def _extremes(values: NDArray[np.uint8]) -> tuple[float, float]:
    low, high, *_ = cv2.minMaxLoc(values)
    return low, high


def _bytes(values: object) -> NDArray[np.uint8]:
    return np.asarray(values, np.uint8)


def _valid(raster: Raster, chosen: list[int]) -> NDArray[np.bool_] | None:
    if set(raster.valid.strides) == {0} and bool(raster.valid.flat[0]):
        return None
    valid: NDArray[np.bool_] = np.logical_and.reduce([raster.valid[band] for band in chosen])
    return None if valid.all() else valid


def _as_bytes(
    raw: list[NDArray[np.generic]], valid: NDArray[np.bool_] | None, radar: bool
) -> tuple[tuple[NDArray[np.uint8], ...], NDArray[np.bool_] | None]:
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float32 becomes infinite, and is left out
        bands = [np.asarray(band, np.float32) for band in raw]
    there = valid
    if any(band.dtype.kind not in "ui" for band in raw):
        there = np.logical_and.reduce([np.isfinite(band) for band in bands])
        if valid is not None:
            there &= valid
        there = None if there.all() else there
    every = max(1, int((bands[0].size / _SAMPLES) ** 0.5))
    thin = np.s_[::every, ::every]
    sample = np.concatenate([band[thin].ravel() if there is None else band[thin][there[thin]] for band in bands])
    if radar and sample.size and sample.min() >= 0:  # linear: decibels may be below 0, intensities may not
        with np.errstate(invalid="ignore"):
            bands = [np.float32(10) * np.log10(np.maximum(band, np.float32(1e-6))) for band in bands]
        sample = np.float32(10) * np.log10(np.maximum(sample, np.float32(1e-6)))
    low, high = percentiles(sample, (2.0, 98.0)) if sample.size else (0.0, 1.0)
    if not radar:
        low = min(0.0, float(sample.min())) if sample.size else 0.0
    scale = 255.0 / max(high - low, 1e-6)
    with np.errstate(invalid="ignore", over="ignore"):
        above = [np.clip(band, np.float32(low), np.float32(high)) - np.float32(low) for band in bands]
    found = [_bytes(cv2.convertScaleAbs(band, alpha=scale)) for band in above]
    return tuple(found if there is None else [np.where(there, band, np.uint8(0)) for band in found]), there


def _solid(where: NDArray[np.bool_], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The parts of an area that are `SOLID` pixels wide."""
    if valid is not None:
        where = where & valid
    if np.count_nonzero(where) < _SMALLEST * where.size:
        return None
    side = min(SOLID, *where.shape)
    # Beyond the border it goes on: a narrow strip along it counts too.
    padded = cv2.copyMakeBorder(where.view(np.uint8), side, side, side, side, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    solid = np.asarray(opened[side:-side, side:-side], bool) & where
    return solid if np.count_nonzero(solid) >= _SMALLEST * where.size else None


def _blank(valid: NDArray[np.bool_] | None, black: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if valid is None and black is None:
        return None
    empty = ~valid if valid is not None else black
    if valid is not None and black is not None:
        empty = empty | black if empty is not None else black
    if empty is None:
        return None
    return np.asarray(cv2.dilate(empty.view(np.uint8), np.ones((SOLID, SOLID), np.uint8)), bool)

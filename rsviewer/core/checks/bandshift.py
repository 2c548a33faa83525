"""Whether the bands of a picture lie on each other: sensors look with one after the other, and programs put them together."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Sign, Topic
from rsviewer.core.checks.colours import PAIRS, likenesses
from rsviewer.core.checks.peaks import vertex
from rsviewer.core.checks.picture import Picture, picture_of
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerId, LayerKind

_ALIKE, _AS_ALIKE = 0.65, 0.75
"""Correlation of fine texture from which on bands lie on each other, and that as a part of the most alike two. All but some of
a hundred pictures have more; moved by three pixels, 0.2 is left."""
_SIDE = 160
"""Pixels of the window that is compared, as transforms like them."""
_LEAST_SIDE = 48
_REACH = 12
"""Pixels by which shifts are looked for."""
_WIDTH = 0.12
"""Frequency, in cycles a pixel, above which noise and compression differ between bands."""
_PEAK = 3
"""Pixels around a peak that belong to it."""
_FIT = 0.3
"""Correlation from which on a fit is one."""
_BETTER = 0.25
"""Part of the correlation by which it has to be better than elsewhere, and than where the bands are, to be certain."""
_CLOSED = 1.5
"""Pixels up to which three shifts around a triangle may miss their beginning."""
_STILL = 0.25
"""Pixels that are not worth a word."""
_BANDS = ("red", "green", "blue")


class _Fit(NamedTuple):
    """By how many pixels the second band of a pair lies to the right of the first and below, and how sure that is, 0..1."""

    across: float
    down: float
    confidence: float

    @property
    def length(self) -> float:
        """In pixels."""
        return math.hypot(self.across, self.down)


def _band_shift(subject: Subject) -> Iterator[Sign]:
    for spec in subject.rasters(LayerKind.OPTICAL):
        alike, picture = likenesses(subject, spec), picture_of(subject, spec)
        if alike is None or min(picture.green.shape) < _LEAST_SIDE:
            continue
        if sorted(alike)[1] >= max(_ALIKE, _AS_ALIKE * max(alike)):  # a band that is moved is unlike both others
            yield Sign(0.0, "the bands lie on each other", spec.id)
        else:
            yield _sign(_fits(picture), spec.id)


def _sign(fits: Sequence[_Fit], layer: LayerId) -> Sign:
    """Of the fits of `PAIRS`. By chance, no three shifts close a triangle."""
    first, second, third = fits
    missed = math.hypot(first.across + second.across - third.across, first.down + second.down - third.down)
    confidence = min(fit.confidence for fit in fits) if missed <= _CLOSED else 0.0
    together = min(range(len(PAIRS)), key=lambda pair: fits[pair].length)
    odd = next(band for band in range(len(_BANDS)) if band not in PAIRS[together])
    signs = [(1 if pair[1] == odd else -1, fit) for pair, fit in zip(PAIRS, fits, strict=True) if odd in pair]
    across, down = (sum(sign * fit[axis] for sign, fit in signs) / len(signs) for axis in (0, 1))
    ways = [
        f"{abs(length):.1f} px {words[int(length > 0)]}"
        for length, words in ((across, ("left", "right")), (down, ("up", "down")))
        if abs(length) >= _STILL
    ]
    message = (
        f"{_BANDS[odd]} is moved {' and '.join(ways) or '0 px'} against the other bands, confidence {confidence:.2f}"
    )
    return Sign(math.hypot(across, down) * confidence, message, layer)


def _fits(picture: Picture) -> list[_Fit]:
    """Of `PAIRS`, in the part of a picture that has the most texture."""
    rows, columns = picture.green.shape
    side = min(_SIDE, rows, columns)
    top, left = _most_texture(picture.green, side)
    window, weight = _weights(side)
    spectra = []
    for band in picture.bands:
        values = band[top : top + side, left : left + side].astype(np.float32)
        spectra.append(np.fft.rfft2((values - values.mean()) * window) * weight)
    return [_fit(spectra[one], spectra[other], side) for one, other in PAIRS]


def _most_texture(values: NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Top and left of that window of a regular grid of them."""
    rows, columns = values.shape
    grid = (-(-columns // side), -(-rows // side))
    steps = cv2.absdiff(values[::2, 1:], values[::2, :-1])
    row, column = divmod(int(cv2.resize(steps, grid, interpolation=cv2.INTER_AREA).argmax()), grid[0])
    return row * (rows - side) // max(grid[1] - 1, 1), column * (columns - side) // max(grid[0] - 1, 1)


@lru_cache(maxsize=4)
def _weights(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of pixels, so that the borders of a window do not count as edges; and of frequencies: those of edges, not of noise."""
    fade = np.hanning(side).astype(np.float32)
    squared = np.square(np.fft.fftfreq(side))[:, None] + np.square(np.fft.rfftfreq(side))
    return np.outer(fade, fade), np.sqrt(squared * np.exp(-squared / (2 * _WIDTH**2))).astype(np.float32)


def _fit(one: NDArray[np.complexfloating], other: NDArray[np.complexfloating], side: int) -> _Fit:
    energy = math.sqrt(_energy(one) * _energy(other))
    if energy <= 0:
        return _Fit(0.0, 0.0, 0.0)
    reach = min(_REACH, side // 4)
    places = np.arange(-reach, reach + 1)
    alike = np.abs(np.fft.irfft2(np.conj(one) * other, s=(side, side)))[np.ix_(places, places)] * (side * side / energy)
    row, column = divmod(int(alike.argmax()), len(places))
    best, here = float(alike[row, column]), float(alike[reach, reach])
    down, across = _highest(alike[:, column], row) - reach, _highest(alike[row], column) - reach
    alike[max(0, row - _PEAK) : row + _PEAK + 1, max(0, column - _PEAK) : column + _PEAK + 1] = 0
    rival = max(float(alike.max()), here if (row, column) != (reach, reach) else 0.0)
    better = 1.0 - rival / best if best >= _FIT else 0.0
    return _Fit(across, down, min(max(better / _BETTER, 0.0), 1.0))


def _energy(spectrum: NDArray[np.complexfloating]) -> float:
    """Of all frequencies, of which one half is stored, but for the first column."""
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return float(2 * power.sum() - power[:, 0].sum())


def _highest(values: NDArray[np.floating], at: int) -> float:
    """Where around the largest of some values it is highest; at an end there."""
    return at + vertex(values[at - 1 : at + 2]) if 0 < at < len(values) - 1 else float(at)


CHECKS: tuple[Check, ...] = (
    Check(
        id="band_shift",
        title="Bands do not lie on each other",
        topic=Topic.IMAGES,
        unit="px",
        help="How far one of the shown bands lies off the others where their edges fit best, times how sure that is.",
        tag="misaligned",
        least=1.0,
        why="Sensors keep their bands within half a pixel of each other; where one never does, the dataset's own median allows "
        "for it.",
        spread=6.0,
        most=8.0,
        run=_band_shift,
    ),
)

"""Waves of one period and direction all over a tile.

Scanners and mosaics of strips leave them, in any direction where data were projected anew; nature does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST = 192
"""Pixels a side that a tile needs: three patches. Where they overlap by more, a single house is in most of them."""
_SIDE = 64
"""Pixels a side of the patches whose spectra are asked for."""
_EACH_WAY = 4
"""Patches in a row of them, and in a column: they cover tiles of 256 pixels, and tell enough of larger ones."""
_EVERY_OTHER = [number for number in range(_EACH_WAY**2) if (number + number // _EACH_WAY) % 2 == 0]
"""The patches that say whether there may be a wave at all, as on a chessboard."""
_FEWEST = 3
"""Waves in a patch for these to count: what comes less often may be hills or blocks of houses."""
_FALL = 3.0
"""Power of the frequency with which nature's spectra fall, between that of pictures (2) and that of mountains (4)."""
_AROUND = 11
"""Frequencies a side that tell what is usual: over nine of these 121 a Hann window spreads a line."""
_STANDS_OUT = 1.75
"""Times the usual amplitude that a wave must have: eight patches of noise with a thousand frequencies reach about 1.5."""
_EVEN = 2.0
"""A wave counts in full where nearly all patches have as much of it as one part in so many, and less where they have less."""
_STRAY = 8
"""One in so many patches may have none."""
_KNOWN = 0.75
"""Share of a patch from which on it counts."""
_ALIGNED = 2.0
"""Degrees up to which stripes are said to run along rows or columns."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What goes up and down all over a tile.

    Attributes:
        amplitude: beyond what is usual at such periods.
        period: pixels from crest to crest.
        angle: of the crests, degrees from the rows, counter-clockwise, from 0 to 180.
    """

    amplitude: float
    period: float
    angle: float

    @property
    def words(self) -> str:
        """As messages say it: every 16 rows; every 11.3 px in stripes at 45°."""
        if abs((self.angle + 45) % 90 - 45) > _ALIGNED:
            return f"every {self.period:.3g} px in stripes at {self.angle:.0f}°"
        return f"every {self.period:.3g} {'columns' if 45 < self.angle < 135 else 'rows'}"


def shared_wave(values: NDArray[Any], least: float, known: NDArray[np.bool_] | None = None) -> Wave | None:
    """The wave that stands out most, if nearly all parts of a tile share it, in step from part to part.

    Vineyards, furrows and rows of houses have waves, too, but these change with fields and streets.

    Args:
        values: (rows, columns) of at least `SMALLEST`.
        least: amplitude beyond what is usual up to which waves are not asked for.
        known: (rows, columns) where the values count; None for everywhere.
    """
    patches = _patches(values)
    there = np.ones(len(patches), bool)
    if known is not None:
        there = np.array([float(patch.mean()) >= _KNOWN for patch in _patches(known)])
    asked = [patches[number] for number in _EVERY_OTHER if there[number]]
    if len(asked) < len(_EVERY_OTHER) / 2:
        return None
    power = _power(asked)
    usual = _usual(power)
    beyond = cv2.multiply(cv2.scaleAdd(usual, -_STANDS_OUT, cv2.sqrt(power)), _tables().asked)
    _, highest, _, (column, row) = cv2.minMaxLoc(beyond)
    if not least < highest < math.inf:
        return None
    parts = np.array(patches, np.float32).reshape(len(patches), -1) @ _carrier(row, column)
    amplitude = _in_step(parts.view(np.complex64)[:, 0], there) - float(usual[row, column])
    if amplitude <= least:
        return None
    down, right = _centre(power, row, column)
    return Wave(amplitude, _SIDE / math.hypot(down, right), math.degrees(math.atan2(right, down)) % 180)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What is the same for all tiles, (`_SIDE`, `_SIDE`) each.

    Attributes:
        window: makes amplitudes of waves of a patch.
        fall: makes nature's spectra even.
        asked: 1 for the waves that are asked for, one of each and its opposite; else 0.
    """

    window: NDArray[np.float32]
    fall: NDArray[np.float32]
    asked: NDArray[np.float32]


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_SIDE) / _SIDE)
    window = np.outer(hann, hann) * (2 / hann.sum() ** 2)
    waves = np.fft.fftfreq(_SIDE, 1 / _SIDE)
    count = np.hypot(waves[:, None], waves)
    asked = (count >= _FEWEST) & (np.arange(_SIDE) <= _SIDE // 2)
    fall = np.maximum(count, 1) ** _FALL
    return _Tables(window.astype(np.float32), fall.astype(np.float32), asked.astype(np.float32))


def _patches(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Row by row."""
    down, right = ((side - _SIDE) // (_EACH_WAY - 1) for side in values.shape)
    every = range(_EACH_WAY)
    return [values[row * down :, column * right :][:_SIDE, :_SIDE] for row in every for column in every]


def _power(patches: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """(waves down, waves to the right) the mean square of their amplitudes in all pairs of patches.

    Two patches are transformed at once, one as the imaginary part: the powers of a wave and of its opposite add up to those of
    both patches.
    """
    total = np.zeros((_SIDE, _SIDE), np.float32)
    for pair in zip(patches[::2], patches[1::2], strict=False):
        waves = cv2.dft(cv2.merge([patch * _tables().window for patch in pair]))
        cv2.accumulateSquare(np.abs(waves.view(np.complex64)[:, :, 0]), total)
    opposite = cv2.flip(cv2.copyMakeBorder(total, 0, 1, 0, 1, cv2.BORDER_WRAP), -1)[:_SIDE, :_SIDE]
    share = 0.25 / (len(patches) // 2)
    return np.asarray(cv2.addWeighted(total, share, opposite, share, 0), np.float32)


def _usual(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """(waves down, waves to the right) the amplitude of those that are nearly the same."""
    even = cv2.blur(cv2.multiply(power, _tables().fall), (_AROUND, _AROUND))
    return np.asarray(cv2.sqrt(cv2.divide(even, _tables().fall)), np.float32)


def _carrier(row: int, column: int) -> NDArray[np.float32]:
    """(pixels, 2) what makes of the pixels of a patch the real and the imaginary part of the amplitude of a wave."""
    down, right = np.exp(-2j * np.pi / _SIDE * np.outer((row, column), np.arange(_SIDE))).astype(np.complex64)
    return (np.outer(down, right) * _tables().window).view(np.float32).reshape(-1, 2)


def _in_step(waves: NDArray[np.complex64], there: NDArray[np.bool_]) -> float:
    """The mean amplitude where the phase goes on evenly from patch to patch, see `_EVEN`."""
    grid = (waves * there).reshape(_EACH_WAY, _EACH_WAY)
    down, right = np.angle([np.vdot(grid[:-1], grid[1:]), np.vdot(grid[:, :-1], grid[:, 1:])])
    every = np.arange(_EACH_WAY)
    aligned = (grid * np.exp(-1j * (down * every[:, None] + right * every))).ravel()[there]
    mean = aligned.mean()
    shared = np.sort((aligned * mean.conj()).real) / max(abs(mean), 1e-12)
    return float(min(abs(mean), _EVEN * shared[shared.size // _STRAY]))


def _centre(power: NDArray[np.float32], row: int, column: int) -> tuple[float, float]:
    """(waves down, waves to the right) in a patch, at the centre of a line of the spectrum."""
    rows, columns = (np.arange(middle - 1, middle + 2) for middle in (row, column))
    line = power[np.ix_(rows % _SIDE, columns % _SIDE)]
    down, right = (float(np.average(places, weights=line.sum(1 - axis))) for axis, places in enumerate((rows, columns)))
    return down if row <= _SIDE // 2 else down - _SIDE, right

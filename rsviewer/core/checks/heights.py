"""Whether heights can be heights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic, amount, percent
from rsviewer.core.checks.integrity import FEW, height_sample, level_step, ring, sample_step
from rsviewer.core.checks.subject import Plane, Subject
from rsviewer.core.checks.waves import SMALLEST, Wave, shared_wave
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec

_N = TypeVar("_N", bound=np.generic)

_ABOVE_GROUND, _ABOVE_SEA = (-50.0, 450.0), (-450.0, 8900.0)
"""Metres between which heights can lie. The shore of the Dead Sea lies at -430, Mount Everest is 8,849 high; towers of more
than 450 m can be counted."""
_METRES = ("", "m", "metre", "metres", "meter", "meters")
_LOWEST = 20
"""The lowest of so many heights in a part of a tile lies on the ground, if any does."""
_LEVEL = 0.5
"""Metres within which the lowest parts of a tile lie about its ground."""
_MOSTLY = 0.5
"""Share of the parts of a tile that must do so: in towns more than 0.65 do, in closed forest less than 0.35, as the ground is
hardly seen in it."""
_RISES = 1.0
"""Metres from which on ground is said to slope."""
_FITS = 8
"""Times the ground is fitted, each time with less weight on what stands on it."""
_OBJECT = 2.0
"""Metres from which on something stands on the ground."""
_NEGATIVE = -1.0
"""Metres below ground that no noise of a lidar or of a good stereo pair explains."""
_SPIKE = 5
"""Pixels: what is narrower both ways is a spike or a pit."""
_CANDIDATES = 6
"""Spikes that are looked at one by one."""
_SLIGHT = 12.0
"""Metres: of what stands out by less nothing is said, as it would be far below suspicion."""
_GENTLE = 0.5 * _SLIGHT
"""Metres between pixels 2 columns apart: what is narrower than 5 pixels and rises by no more is not higher than `_SLIGHT`."""
_CLIPPED = 0.005
"""Share of the heights that have the highest value, from which on is asked in how many pieces."""
_WALL = 1.0
"""Metres from pixel to pixel that walls rise by, and hills and crowns of trees do not as a rule."""
_CROSS = np.zeros((2 * _SPIKE - 1, 2 * _SPIKE - 1), np.uint8)
"""The four pixels that lie beside whatever is narrower than a spike may be, wherever in it the middle lies."""
_CROSS[[0, _SPIKE - 1, _SPIKE - 1, -1], [_SPIKE - 1, 0, -1, _SPIKE - 1]] = 1
_BLOCKS = 8
"""Parts of a row that must all tell of a stripe or a step, but for one: houses stand in one or two."""
_PLACES = np.stack(
    [np.ones(_BLOCKS * _BLOCKS), *((np.indices((_BLOCKS, _BLOCKS))[::-1].reshape(2, -1) + 0.5) / _BLOCKS - 0.5)], axis=1
)
"""(parts, 3): a one, and where the middle of each part of a tile lies, from -0.5 to 0.5 to the right and down."""
_EQUALLY = np.full(_BLOCKS, 1 / _BLOCKS, np.float32)
_CALM = 75.0
"""Percentile of the parts of a tile, from the noisiest on, that must be noisy: leaves tremble, streets and roofs do not."""
_EVERY = 4
"""Rows to one that is asked for noise: some hundred pixels in each part say it well enough."""
_FAINT = 0.1
"""Metres up to which waves are nothing to speak of."""
_KNOWN = 0.1
"""Share of a part of a row from which on it counts."""
_ENOUGH = 128
"""Pixels of a row of which is asked what they have in common, at least, where it has more."""
_SAMPLE = 1024
"""Differences, at least, of which is asked how large they usually are."""
_LONG = 48
"""Rows and columns below which there is no telling what is periodic."""
_STANDS = 3.0
"""Metres that heights range over where there is something to be blurred."""
_ASKED = 24
"""Rows that tell how steep heights are."""
_STEEPEST = 200
"""One of so many differences between neighbours is an edge: those of houses and crowns, not of wires and noise."""
_FLAT = 0.05
"""Metres within which 98 % of heights above ground lie where nobody has measured, or nothing stands."""
_CONTRAST, _SLIGHT_CONTRAST = 22.0, 12.0
"""Grey levels, see the check flat_heights."""


# --- values


def height_range(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer in metres."""
    for spec in _in_metres(subject):
        raw = _raw_sample(subject, spec.id)
        if raw.size < FEW:
            continue
        low, high = _ABOVE_GROUND if _kind(spec) is HeightKind.ABOVE_GROUND else _ABOVE_SEA
        beyond = raw[(raw < low) | (raw > high)]
        score = 100.0 * beyond.size / raw.size
        message, evidence = "", None
        if score:
            worst = beyond[np.argmax(np.abs(beyond))]
            message = f"{percent(score)} of {spec.title} lies outside {low:g} to {high:g} m, up to {amount(float(worst), 'm')}"
            if subject.wants_evidence:
                values = real(subject.raster(spec.id).pixels[0])
                evidence = Evidence(spec.id, (values < low) | (values > high))
        yield Sign(score, message, spec.id, evidence)


def negative_height(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of heights above ground."""
    for spec in _in_metres(subject, HeightKind.ABOVE_GROUND):
        sample = height_sample(subject, spec.id)
        if sample.size < FEW:
            continue
        below = int(np.searchsorted(sample, _NEGATIVE))
        score = 100.0 * below / sample.size
        message = (
            f"{percent(score)} of {spec.title} lies more than 1 m below ground, down to {amount(float(sample[0]), 'm')}"
        )
        evidence = None
        if below and subject.wants_evidence:
            plane = subject.plane(spec.id, 0)
            evidence = Evidence(spec.id, plane.valid & (plane.values < _NEGATIVE))
        yield Sign(score, message, spec.id, evidence)


def ground_level(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of heights above ground of which enough is known."""
    for spec in _in_metres(subject, HeightKind.ABOVE_GROUND):
        plane = subject.plane(spec.id, 0)
        if min(plane.values.shape) < _BLOCKS * sample_step(plane):
            continue
        floors, known = _floors(plane)
        if np.count_nonzero(known) < known.size / 4:
            continue
        if float(floors[known].max()) <= _LEVEL:
            yield Sign(0.0, "", spec.id)
            continue
        ground = _ground(floors, known)
        heights = _PLACES @ ground
        is_ground = float(np.mean(np.abs(floors - heights)[known] < _LEVEL)) >= _MOSTLY
        low, high = max(0.0, float(heights.min())), float(heights.max())
        score = max(0.0, high) if is_ground else 0.0
        where = (
            f"rises from {amount(low, 'm')} to {amount(high, 'm')}"
            if high - low > _RISES
            else f"lies at {amount(high, 'm')}"
        )
        evidence = None
        if score and subject.wants_evidence:
            down, across = ((np.arange(side) + 0.5) / side - 0.5 for side in plane.values.shape)
            fitted = ground[0] + ground[1] * across + ground[2] * down[:, None]
            within = _LEVEL + float(np.abs(ground[1:]).sum()) / _BLOCKS  # the lowest of a part lies at its lower end
            evidence = Evidence(spec.id, plane.valid & (np.abs(plane.values - fitted) < within))
        yield Sign(score, f"the ground of {spec.title} {where}, not at 0", spec.id, evidence)


def _floors(plane: Plane) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(parts,) the heights near the lowest of `_BLOCKS` x `_BLOCKS` parts of a tile, and in which enough is known."""
    every = sample_step(plane)
    rows, columns = (-(-side // every) // _BLOCKS for side in plane.values.shape)
    shown = np.s_[: rows * _BLOCKS * every : every, : columns * _BLOCKS * every : every]
    values, known = plane.values[shown], np.ones(_BLOCKS * _BLOCKS, bool)
    if plane.share < 1.0:
        valid = plane.valid[shown]
        values = np.where(valid, values, np.float32(np.inf))
        known = _tiled(valid).mean(1) > 1 / 4
    parts = _tiled(values)
    lowest = parts.shape[1] // _LOWEST
    return np.partition(parts, lowest, axis=1)[:, lowest], known


def _tiled(values: NDArray[_N]) -> NDArray[_N]:
    """(parts, pixels)."""
    rows, columns = (side // _BLOCKS for side in values.shape)
    return values.reshape(_BLOCKS, rows, _BLOCKS, columns).transpose(0, 2, 1, 3).reshape(_BLOCKS * _BLOCKS, -1)


def _ground(floors: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(3,) the plane below the floors: its height in the middle, and by how much it rises to the right and down, in metres."""
    floors, places = floors[known], _PLACES[known]
    weights = np.ones(floors.size)
    for _ in range(_FITS):
        weighted = places * weights[:, None]
        plane = np.linalg.lstsq(weighted.T @ places, weighted.T @ floors, rcond=None)[0]
        above = floors - places @ plane
        weights = 1 / np.maximum(_LEVEL / 2, np.where(above > 0, 3 * above, -above))
    return np.asarray(plane)


def height_unit(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of heights above ground on which something stands."""
    for spec in _in_metres(subject, HeightKind.ABOVE_GROUND):
        raw = _raw_sample(subject, spec.id)
        standing = raw[raw > _OBJECT]
        if standing.size >= FEW:
            score = percentiles(standing, (90.0,))[0]
            yield Sign(score, f"what stands on the ground is up to {amount(score, 'm')} high in {spec.title}", spec.id)
        else:
            yield Sign(0.0, "", spec.id)


def height_slope(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of the ground or of elevations whose pixels have a known size."""
    for spec in _in_metres(subject, HeightKind.GROUND, HeightKind.ELEVATION):
        cell = subject.raster(spec.id).cell
        plane = subject.plane(spec.id)
        factor = max(1, min(plane.values.shape) // 32)
        rows, columns = (side // factor for side in plane.values.shape)
        if cell is None or not min(cell) > 0 or plane.share < 0.5 or min(rows, columns) < 8:
            continue
        coarse = cv2.resize(plane.values, (columns, rows), interpolation=cv2.INTER_AREA)
        corner = coarse[:-1, :-1]
        down = cv2.subtract(coarse[1:, :-1], corner) / np.float32(plane.step * factor * cell[1])
        across = cv2.subtract(coarse[:-1, 1:], corner) / np.float32(plane.step * factor * cell[0])
        score = percentiles(cv2.magnitude(across, down).ravel(), (50.0,))[0]
        if np.isfinite(score):
            yield Sign(score, f"half of {spec.title} is steeper than {np.degrees(np.arctan(score)):.0f}°", spec.id)


def _raw_sample(subject: Subject, layer: LayerId) -> NDArray[np.float32]:
    """(n,) numbers of a height layer with those that count as invalid because they are too large or too small.

    A single value among these stands for "nothing", and is left out.
    """

    def make() -> NDArray[np.float32]:
        plane, raster = subject.plane(layer, 0), subject.raster(layer)
        sample = height_sample(subject, layer)
        if plane.share == 1.0:
            return sample
        every = sample_step(plane)
        gone = real(raster.pixels[0])[::every, ::every][~plane.valid[::every, ::every]]
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = gone[np.abs(gone) < 1e6].astype(np.float32)
        if raster.nodata is not None:
            beyond = beyond[beyond != np.float32(raster.nodata)]
        return np.concatenate((sample, beyond)) if beyond.size > 2 and np.unique(beyond).size > 2 else sample

    return subject.shared(("raw height sample", layer), make)


# --- spikes


def height_spikes(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer."""
    for spec in _in_metres(subject):
        plane = subject.plane(spec.id, 0)
        if min(plane.values.shape) < 4 * _SPIKE or plane.share < 0.05:
            continue
        if cv2.norm(plane.values[:, 2:], plane.values[:, :-2], cv2.NORM_INF) < _GENTLE:
            yield Sign(0.0, "", spec.id)
            continue
        if not _stands_out(plane.values):
            yield Sign(0.0, "", spec.id)
            continue
        up, down = _narrow(plane.values)
        narrow = cast("NDArray[np.float32]", cv2.max(up, down))
        if plane.share < 1.0:  # what stands in place of missing values has edges of its own
            near = cv2.dilate((~plane.valid).view(np.uint8), np.ones((2 * _SPIKE + 1, 2 * _SPIKE + 1), np.uint8))
            narrow[near > 0] = 0
        edge = _SPIKE // 2  # of hills and houses there, a part may be all that is seen
        narrow[:edge], narrow[-edge:], narrow[:, :edge], narrow[:, -edge:] = 0, 0, 0, 0
        cell = subject.raster(spec.id).cell
        slope = 0.5 * plane.step * max(cell) if cell is not None and np.isfinite(cell).all() else 0.0
        usual = 3.0 * percentiles(narrow[::6, ::6].ravel(), (99.0,))[0] + max(0.0, slope)
        largest, score, row, column = _lone(narrow, usual)
        what = "rises" if up[row, column] >= down[row, column] else "drops"
        message = (
            f"{spec.title} {what} {amount(largest, 'm')} at column {column}, row {row}, within {_SPIKE - 1} pixels"
        )
        evidence = None
        if score and subject.wants_evidence:
            evidence = Evidence(spec.id, narrow > max(usual, 0.3 * largest))
        yield Sign(score, message, spec.id, evidence)


def _stands_out(values: NDArray[np.float32]) -> bool:
    """Whether there may be a spike or a pit: a pixel far above, or below, those beside it in all four directions."""
    beside = cv2.dilate(values, _CROSS)
    if cv2.subtract(values, beside, dst=beside).max() >= _SLIGHT:
        return True
    beside = cv2.erode(values, _CROSS, dst=beside)
    return bool(cv2.subtract(beside, values, dst=beside).max() >= _SLIGHT)


def _lone(narrow: NDArray[np.float32], usual: float) -> tuple[float, float, int, int]:
    """(metres, metres beyond what is usual in the tile and around it, row, column) of the spike that stands out most.

    A canyon or a row of trees is narrow, too, but it goes on.
    """
    best = (0.0, 0.0, 0, 0)
    left = narrow.copy() if narrow.max() > usual else narrow
    for _ in range(_CANDIDATES):
        row, column = (int(place) for place in np.unravel_index(int(np.argmax(left)), left.shape))
        metres = float(left[row, column])
        if metres - usual <= best[1]:
            break
        around = narrow[_near(row, 2 * _SPIKE), _near(column, 2 * _SPIKE)].copy()
        around[_near(min(row, 2 * _SPIKE), _SPIKE), _near(min(column, 2 * _SPIKE), _SPIKE)] = 0
        beyond = metres - usual - float(around.max())
        if beyond > best[1]:
            best = metres, beyond, row, column
        left[_near(row, _SPIKE), _near(column, _SPIKE)] = 0
    return best


def _near(place: int, pixels: int) -> slice:
    return slice(max(0, place - pixels), place + pixels + 1)


def _narrow(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Metres by which pixels stand above, and below, all that is as long as a spike is not: top-hats along both axes.

    Memory is used again where it can be: fetching 1 MiB from the system takes as long as an opening.
    """
    along, upright = np.ones((1, _SPIKE), np.uint8), np.ones((_SPIKE, 1), np.uint8)
    across = cv2.morphologyEx(values, cv2.MORPH_OPEN, along)
    down = cv2.morphologyEx(values, cv2.MORPH_OPEN, upright)
    up = cv2.subtract(values, cv2.max(across, down, dst=across), dst=across)
    cv2.morphologyEx(values, cv2.MORPH_CLOSE, upright, dst=down)
    pits = cv2.min(down, cv2.morphologyEx(values, cv2.MORPH_CLOSE, along), dst=down)
    return cast("NDArray[np.float32]", up), cast("NDArray[np.float32]", cv2.subtract(pits, values, dst=down))


def height_clipped(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer.

    Many tops of one height are no chance. The largest may be a roof, and does not count unless the ground rises to it.
    """
    for spec in subject.rasters(LayerKind.HEIGHT):
        sample = height_sample(subject, spec.id)
        if sample.size < FEW:
            continue
        highest = sample[-1]
        share = 1 - int(np.searchsorted(sample, highest)) / sample.size
        if not _CLIPPED < share < 1:
            yield Sign(0.0, "", spec.id)
            continue
        plane = subject.plane(spec.id, 0)
        where = (plane.values == highest) & plane.valid
        _, numbers, pieces, _ = cv2.connectedComponentsWithStats(where.view(np.uint8), connectivity=8)
        areas = pieces[1:, cv2.CC_STAT_AREA]
        largest = numbers == 1 + int(areas.argmax())
        beside = ring(largest) & plane.valid
        is_roof = not beside.any() or float(np.median(highest - plane.values[beside])) > _WALL
        uncounted = areas.max() if is_roof or level_step(subject, spec.id)[0] else 0
        score = 100.0 * float(areas.sum() - uncounted) / where.size
        height = amount(float(highest), spec.unit or "m")
        count = "one piece" if areas.size == 1 else f"{areas.size:,} pieces"
        message = f"{percent(score)} of {spec.title} is cut off at {height}, in {count}"
        evidence = Evidence(spec.id, where) if score and subject.wants_evidence else None
        yield Sign(score, message, spec.id, evidence)


# --- stripes and steps


@dataclass(frozen=True, slots=True, eq=False)
class _Profile:
    """How heights go on from row to row, or from column to column.

    Attributes:
        word: "rows" or "columns".
        jumps: (blocks, n) mean difference between a row and the next within a part of its columns; each pixel counts at most
            so many metres that the edges of houses do not hide what all pixels do. NaN where few heights are known.
        breaks: (blocks, n - 2) the same of what these differences are beyond those before and behind them: on a slope, too, a
            seam is not lost among them.
        changes: (rows, n) such differences, cut, and 0 where they are not known.
        known: (rows, n) 1 where they are; None where all are.
    """

    word: str
    jumps: NDArray[np.float32]
    breaks: NDArray[np.float32]
    changes: NDArray[np.float32]
    known: NDArray[np.float32] | None


def height_stripes(subject: Subject) -> Iterator[Sign]:
    """One sign for every height layer that is large enough."""
    for spec in _in_metres(subject):
        profiles = _profiles(subject, spec.id)
        if not profiles:
            continue
        score, period, word = max((*_stripes(profile.jumps), profile.word) for profile in profiles)
        words = f"every {period:.3g} {word}"
        wave = _wave(subject.plane(spec.id, 0))
        if wave is not None and wave.amplitude > score:
            score, words = wave.amplitude, wave.words
        message = f"{spec.title} rises and falls by {amount(score, 'm')} {words}"
        yield Sign(score, message, spec.id, _all_of(subject, spec.id) if score else None)


def _wave(plane: Plane) -> Wave | None:
    """In any direction."""
    if min(plane.values.shape) < SMALLEST:
        return None
    return shared_wave(plane.values, _FAINT, plane.valid if plane.share < 1.0 else None)


def _stripes(jumps: NDArray[np.float32]) -> tuple[float, float]:
    """(amplitude in metres, period in pixels) of what repeats in all parts at once."""
    count = jumps.shape[1]
    size, window, waves_of = _spectral(count)
    padded = np.zeros((_BLOCKS, size), np.float32)
    known = padded[:, :count]
    known[:] = jumps
    cv2.patchNaNs(known)
    known -= cv2.reduce(known, 1, cv2.REDUCE_AVG)
    known *= window
    # numpy takes four times as long.
    turned = cast("NDArray[np.float32]", cv2.dft(padded, flags=cv2.DFT_ROWS | cv2.DFT_COMPLEX_OUTPUT))
    waves = turned.view(np.complex64)[:, 1 : size // 2 + 1, 0] * waves_of
    mean = _EQUALLY @ waves
    strength = np.abs(mean)
    beyond = 3.0 * _usual(strength)
    first = 8  # longer waves are hills
    likely = first - 1 + np.flatnonzero(strength[first - 1 :] > beyond[first - 1 :])
    if not likely.size:
        return 0.0, 0.0
    mean = mean[likely]
    along = np.sort(np.real(waves[:, likely] * np.conj(mean)) / np.maximum(np.abs(mean), 1e-12), axis=0)
    amplitude = along[1] - beyond[likely]
    best = int(np.argmax(amplitude))
    return max(0.0, float(amplitude[best])), size / (1 + int(likely[best]))


@lru_cache(maxsize=8)
def _spectral(count: int) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Of so many differences: how many a quick Fourier transform takes, their window, and what makes waves of its result.

    Differences of a wave are smaller than the wave by twice the sine of half its angle; the window halves what is left.
    """
    size = 2 * cv2.getOptimalDFTSize(-(-count // 2))
    half = np.pi * np.arange(1, size // 2 + 1) / size
    return size, np.hanning(count).astype(np.float32), (4.0 / count / (2.0 * np.sin(half))).astype(np.float32)


def _usual(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n,) medians of parts of a spectrum, or that of the part with the longer waves, where it is larger."""
    long = max(16, values.size // 12)
    missing = -values.size % long
    # Filled up with those before the last, which may be the wave that is looked for.
    whole = np.append(values, values[values.size - 1 - missing : -1])
    parts = np.partition(whole.reshape(-1, long), long // 2, axis=1)[:, long // 2]
    return np.repeat(np.maximum(parts, np.append(parts[:1], parts[:-1])), long)[: values.size]


def height_noise(subject: Subject) -> Iterator[Sign]:
    """One sign for every height layer that is large enough.

    A pixel that is too high by chance makes one difference larger and the next one smaller: noise of independent pixels has
    differences whose products are minus its variance on the average. Slopes, roofs and crowns of trees go on and have positive
    ones, edges have none.
    """
    for spec in _in_metres(subject):
        least = float("inf")
        for profile in _profiles(subject, spec.id):
            variance = _noise(profile)
            if variance is None:
                break
            least = min(least, variance)
            if least <= 0:  # noise has no direction
                break
        if not math.isfinite(least):
            continue
        score = math.sqrt(max(0.0, least))
        message = f"each pixel of {spec.title} is off by some {amount(score, 'm')} of its own"
        yield Sign(score, message, spec.id, _all_of(subject, spec.id) if score else None)


def height_steps(subject: Subject) -> Iterator[Sign]:
    """One sign for every height layer that is large enough."""
    for spec in _in_metres(subject):
        profiles = _profiles(subject, spec.id)
        if not profiles:
            continue
        found = [(*_step(profile.breaks), profile.word) for profile in profiles]
        score, at, word = max(found)
        score = max(0.0, score - level_step(subject, spec.id)[0])  # contour lines of whole metres are steps, too
        evidence = None
        if score and subject.wants_evidence:
            rows, columns = subject.plane(spec.id, 0).values.shape
            middle, half = (at + 1) / (rows if word == "rows" else columns), 2 / (rows if word == "rows" else columns)
            low, high = max(0.0, middle - half), min(1.0, middle + half)
            box = (0.0, low, 1.0, high) if word == "rows" else (low, 0.0, high, 1.0)
            evidence = Evidence(spec.id, boxes=(box,))
        message = f"{spec.title} jumps by {amount(score, 'm')} or more between {word} {at} and {at + 1}, all along"
        yield Sign(score, message, spec.id, evidence)


def _step(beyond: NDArray[np.float32]) -> tuple[float, int]:
    """(metres that nearly all parts jump by at one place beyond their neighbours, which row). Of `_Profile.breaks`."""
    known = _BLOCKS - np.isnan(beyond).sum(0)
    agreeing = np.maximum((beyond > 0).sum(0), (beyond < 0).sum(0))
    places = np.flatnonzero((known > _BLOCKS // 2) & (agreeing >= known - 1))
    if not places.size:
        return 0.0, 0
    there = beyond[:, places]
    parts = np.sort(there * np.sign(np.nansum(there, axis=0)), axis=0)  # those that are not known come last
    # A seam is as high everywhere; the edge of a long house reaches into the last parts of a row only.
    common = parts[1] - np.maximum(0, 0.5 * parts[_BLOCKS // 2] - parts[1])
    best = int(np.argmax(common))
    if common[best] <= 0:
        return 0.0, 0
    some = beyond[:, ::2]
    usual = 1.4826 * percentiles(np.abs(some[np.isfinite(some)]), (50.0,))[0]
    return max(0.0, float(common[best]) - 2.0 * usual), int(places[best]) + 1


def _profiles(subject: Subject, layer: LayerId) -> list[_Profile]:
    """Along both axes; none where the tile is too small, or has too few heights."""
    return subject.shared(("height profiles", layer), lambda: _profiled(subject.plane(layer, 0)))


def _profiled(plane: Plane) -> list[_Profile]:
    if min(plane.values.shape) < _LONG or plane.share < 0.25:
        return []
    found = []
    for axis, word in ((0, "rows"), (1, "columns")):
        values = _thinned(plane.values, axis)
        change = cv2.subtract(values[:, 1:], values[:, :-1])
        known = all_known = None
        if plane.share < 1.0:
            valid = _thinned(plane.valid.view(np.uint8), axis)
            known = (valid[:, 1:] & valid[:, :-1]).astype(np.float32)
            all_known = known[:, 1:-1] * known[:, 2:] * known[:, :-2]
        around = cv2.add(change[:, 2:], change[:, :-2])
        beyond = cv2.scaleAdd(around, -0.5, change[:, 1:-1], around)
        found.append(_Profile(word, _means(change, known), _means(beyond, all_known), change, known))
    return found


def _noise(profile: _Profile) -> float | None:
    """Variance of noise that is in most parts, square metres; None where few differences are known."""
    some = profile.changes[::_EVERY]
    means = _in_parts(cv2.multiply(some[:, 1:], some[:, :-1]))
    if profile.known is not None:
        some = profile.known[::_EVERY]
        share = _in_parts(cv2.multiply(some[:, 1:], some[:, :-1]))
        means = means[share > _KNOWN] / share[share > _KNOWN]
    return -percentiles(means, (_CALM,))[0] if means.size >= _BLOCKS else None


def _in_parts(values: Any) -> NDArray[np.float32]:
    """(n,) means of parts of a tile."""
    return cast("NDArray[np.float32]", cv2.resize(values, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)).ravel()


def _thinned(values: NDArray[Any], axis: int) -> Any:
    """(some, n): of what goes on along the axis some that lie side by side, as many as make up whole blocks."""
    every = max(1, values.shape[1 - axis] // _ENOUGH)
    thin = cv2.transpose(np.ascontiguousarray(values[:, ::every])) if axis == 0 else values[::every]
    return thin[: len(thin) // _BLOCKS * _BLOCKS]


def _means(change: Any, known: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(blocks, n) means of parts of rows or columns; cuts `change`, and makes it 0 where it is not known."""
    every = slice(None, None, max(1, change.size // _SAMPLE) | 1)
    sample = change.ravel()[every]
    if known is not None:
        sample = sample[known.ravel()[every] > 0]
    low, high = percentiles(sample, (25.0, 75.0)) if sample.size else (0.0, 0.0)
    most = max(2.0, 2.0 * (high - low))
    change = np.clip(change, -most, most, out=change)
    if known is None:
        return _sums(change) / np.float32(len(change) // _BLOCKS)
    count = _sums(known)
    least = _KNOWN * (len(change) // _BLOCKS)
    return np.where(count > least, _sums(cv2.multiply(change, known, dst=change)) / np.maximum(count, least), np.nan)


def _sums(values: Any) -> NDArray[np.float32]:
    """(blocks, n)."""
    total: NDArray[np.float32] = values.reshape(_BLOCKS, -1, values.shape[1]).sum(1)
    return total


# --- blur and nothing


def height_blur(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of heights above ground on which something stands."""
    for spec in _in_metres(subject, HeightKind.ABOVE_GROUND):
        sample = height_sample(subject, spec.id)
        plane = subject.plane(spec.id, 0)
        if sample.size < FEW or min(plane.values.shape) < _LONG:
            continue
        standing = float(sample[-1 - sample.size // 100] - sample[sample.size // 100])
        if standing < _STANDS:
            continue
        rows = slice(None, None, max(1, len(plane.values) // _ASKED))
        values = plane.values[rows]
        steps = cv2.absdiff(values[:, 1:], values[:, :-1]).ravel()
        if plane.share < 1.0:
            valid = plane.valid[rows]
            steps = steps[(valid[:, 1:] & valid[:, :-1]).ravel()]
        if steps.size < FEW:
            continue
        # To sort is faster than to part ever so many zeros.
        steepest = float(np.sort(steps)[-1 - steps.size // _STEEPEST])
        score = standing / max(steepest, standing / min(plane.values.shape))
        yield Sign(score, f"what stands on the ground of {spec.title} rises over {score:.0f} px", spec.id)


def flat_heights(subject: Subject) -> Iterator[Sign]:
    """One sign for the heights above ground of a tile with a picture."""
    spec, image = subject.above_ground, subject.image
    if spec is None or image is None or (spec.unit or "m") not in _METRES:
        return
    sample = height_sample(subject, spec.id)
    if sample.size < FEW:
        return
    low, high = sample[sample.size // 100], sample[-1 - sample.size // 100]
    if high - low > _FLAT:
        yield Sign(0.0, "", spec.id)
        return
    plane = subject.plane(image.id)
    if plane.share < 0.5:
        return
    values = plane.values
    side = max(3, max(values.shape) // 8) | 1
    mean = cv2.blur(values, (side, side))
    contrast = np.sqrt(np.maximum(cv2.blur(cv2.multiply(values, values), (side, side)) - cv2.multiply(mean, mean), 0))
    score = float(np.quantile(contrast[::4, ::4], 0.75))
    height = amount(low, "m") if low == high else f"{amount(low, 'm')} to {amount(high, 'm')}"
    message = f"{spec.title} is {height} nearly everywhere, but {image.title} has a contrast of {score:.0f} grey levels"
    evidence = Evidence(image.id, contrast >= min(_CONTRAST, score)) if subject.wants_evidence else None
    yield Sign(score, message, spec.id, evidence)


# --- helpers


def _kind(spec: LayerSpec) -> HeightKind | None:
    return height_kind(spec.id, spec.title)


def _in_metres(subject: Subject, *kinds: HeightKind) -> list[LayerSpec]:
    """Height layers of some kinds or all whose unit is not another one."""
    return [spec for spec in subject.heights(*kinds) if spec.unit.lower() in _METRES]


def _all_of(subject: Subject, layer: LayerId) -> Evidence | None:
    return Evidence(layer, boxes=((0.0, 0.0, 1.0, 1.0),)) if subject.wants_evidence else None


CHECKS: tuple[Check, ...] = (
    Check(
        "height_range",
        "Heights out of range",
        Topic.HEIGHTS,
        "%",
        "Share of the heights that no place on Earth has: above ground beyond -50 to 450 m, else beyond -450 to 8,900 m.",
        "wrong-height",
        0.05,
        "Physical limits; a few wild pixels are a matter of spikes.",
        run=height_range,
    ),
    Check(
        "negative_height",
        "Heights below ground",
        Topic.HEIGHTS,
        "%",
        "Share of the heights above ground that are below -1 m.",
        "wrong-height",
        4.0,
        "Noise and pits of a metre are usual; where most tiles have more, it is how the ground was found.",
        spread=6.0,
        most=30.0,
        run=negative_height,
    ),
    Check(
        "ground_level",
        "Ground not at zero",
        Topic.HEIGHTS,
        "m",
        "How high the plane rises on which the lowest heights above ground of most parts of the tile lie.",
        "wrong-height",
        0.8,
        "Streets, meadows and water are everywhere, at 0 m; in closed forest what is lowest does not lie on a plane.",
        spread=8.0,
        run=ground_level,
    ),
    Check(
        "height_unit",
        "Heights in another unit",
        Topic.HEIGHTS,
        "m",
        "The height that nine tenths of all that stands on the ground (2 m and more) stay below.",
        "wrong-height",
        120.0,
        "Trees grow to 115 m, and cities have few towers beyond: heights in centimetres are far above. Feet, only 3.3 times as "
        "much, cannot be told from tall buildings by one tile.",
        spread=10.0,
        most=250.0,
        run=height_unit,
    ),
    Check(
        "height_slope",
        "Ground too steep",
        Topic.HEIGHTS,
        "",
        "Median slope of the ground, metres up per metre along, of parts of a thirtieth of the tile.",
        "wrong-height",
        2.0,
        "No landscape is steeper than 63 degrees on the average: heights are in another unit, or pixels of another size.",
        spread=10.0,
        most=4.0,
        run=height_slope,
    ),
    Check(
        "height_spikes",
        "Spikes or pits",
        Topic.HEIGHTS,
        "m",
        "Metres by which something narrower than 5 pixels stands out, less the next such thing within 10 pixels, less three "
        "times what 99 % of the tile stay below, and less half the width of a pixel: mountains have peaks.",
        "wrong-height",
        20.0,
        "Trees and chimneys of few pixels stand out by less; where pixels are so large that houses do, the dataset says so.",
        spread=6.0,
        most=60.0,
        run=height_spikes,
    ),
    Check(
        "height_stripes",
        "Stripes in heights",
        Topic.HEIGHTS,
        "m",
        "Amplitude of a wave from row to row or column to column that seven eighths of the tile share, less three times what "
        "is usual at such periods; or of one in any direction, less what is usual.",
        "artefact",
        0.2,
        "Landscapes have no wave of one period and phase all over; rough ground has more of it by chance, so the dataset says.",
        spread=8.0,
        run=height_stripes,
    ),
    Check(
        "height_noise",
        "Noise in heights",
        Topic.HEIGHTS,
        "m",
        "Standard deviation of what each pixel is off by on its own, both ways, in three quarters of the tile.",
        "artefact",
        0.6,
        "Surfaces go on from pixel to pixel: towns, forests and mountains have next to none. What a sensor always has the "
        "dataset says.",
        spread=8.0,
        run=height_noise,
    ),
    Check(
        "height_clipped",
        "Heights cut off",
        Topic.HEIGHTS,
        "%",
        "Share of the heights that are exactly the highest, without the largest piece of them where that may be a roof.",
        "wrong-height",
        1.0,
        "Measured tops differ by millimetres; where all roofs are of one height, as in rendered towns, the dataset says so.",
        spread=6.0,
        most=30.0,
        run=height_clipped,
    ),
    Check(
        "height_blur",
        "Heights blurred",
        Topic.HEIGHTS,
        "px",
        "Pixels over which the steepest of what stands on the ground rises: the range of the heights, 3 m and more, over the "
        "difference between neighbours that one in 200 has.",
        "blur",
        15.0,
        "Houses and trees rise within a few pixels, up to 13 in what photographs gave; blurred or enlarged heights take 17 and "
        "more. Where hardly any tile has 3, 6 are many.",
        spread=8.0,
        calm=6.0,
        run=height_blur,
    ),
    Check(
        "height_steps",
        "Step across the tile",
        Topic.HEIGHTS,
        "m",
        "Metres by which heights jump between two rows or two columns along seven eighths of them, less twice what is usual in "
        "the tile; what a single pixel jumps counts up to 2 m, or four times what half of all pixels do.",
        "artefact",
        0.25,
        "Houses end within a tile, seams do not.",
        spread=8.0,
        run=height_steps,
    ),
    Check(
        "flat_heights",
        "Heights flat where there is something",
        Topic.HEIGHTS,
        "",
        "Contrast of the picture where 98 % of the heights above ground lie within 5 cm, else 0: the standard deviation of "
        "grey levels, of 256, that a quarter of all places have more of around them, within an eighth of the tile.",
        "wrong-height",
        _SLIGHT_CONTRAST,
        "Houses and trees cast shadows: of tiles with some, nine in ten have more than 22; of fields and water, one in fifty. "
        "Where hardly any tile is flat, fields are not flat either: there 12 is enough.",
        most=_CONTRAST,
        run=flat_heights,
        rare=0.03,
    ),
)

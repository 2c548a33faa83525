"""Whether heights can be heights."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic, amount, percent
from rsviewer.core.checks.integrity import FEW, height_sample, level_step, sample_step
from rsviewer.core.checks.subject import Plane, Subject
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LayerId, LayerSpec

_ABOVE_GROUND, _ABOVE_SEA = (-50.0, 450.0), (-450.0, 8900.0)
"""Metres between which heights can lie. The shore of the Dead Sea lies at -430, Mount Everest is 8,849 high; towers of more
than 450 m can be counted."""
_METRES = ("", "m", "metre", "metres", "meter", "meters")
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
_CROSS = np.zeros((2 * _SPIKE - 1, 2 * _SPIKE - 1), np.uint8)
"""The four pixels that lie beside whatever is narrower than a spike may be, wherever in it the middle lies."""
_CROSS[[0, _SPIKE - 1, _SPIKE - 1, -1], [_SPIKE - 1, 0, -1, _SPIKE - 1]] = 1
_BLOCKS = 8
"""Parts of a row that must all tell of a stripe or a step, but for one: houses stand in one or two."""
_KNOWN = 0.1
"""Share of a part of a row from which on it counts."""
_ENOUGH = 128
"""Pixels of a row of which is asked what they have in common, at least, where it has more."""
_SAMPLE = 1024
"""Differences, at least, of which is asked how large they usually are."""
_LONG = 48
"""Rows and columns below which there is no telling what is periodic."""
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


def height_unit(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer of heights above ground on which something stands."""
    for spec in _in_metres(subject, HeightKind.ABOVE_GROUND):
        raw = _raw_sample(subject, spec.id)
        standing = raw[raw > _OBJECT]
        if standing.size >= FEW:
            score = float(np.quantile(standing, 0.9))
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
        down, across = (np.diff(coarse, axis=axis) / (plane.step * factor * cell[1 - axis]) for axis in (0, 1))
        score = float(np.median(np.hypot(down[:, :-1], across[:-1])))
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
    """

    word: str
    jumps: NDArray[np.float32]
    breaks: NDArray[np.float32]


def height_stripes(subject: Subject) -> Iterator[Sign]:
    """One sign for every height layer that is large enough."""
    for spec in _in_metres(subject):
        profiles = _profiles(subject, spec.id)
        if profiles:
            found = [(*_stripes(profile.jumps), profile.word) for profile in profiles]
            score, period, word = max(found)
            yield Sign(
                score,
                f"{spec.title} rises and falls by {amount(score, 'm')} every {period:.3g} {word}",
                spec.id,
                _all_of(subject, spec.id) if score else None,
            )


def _stripes(jumps: NDArray[np.float32]) -> tuple[float, float]:
    """(amplitude in metres, period in pixels) of what repeats in all parts at once."""
    count = jumps.shape[1]
    size, window, waves_of = _spectral(count)
    jumps = np.where(np.isfinite(jumps), jumps, np.float32(0))
    padded = np.zeros((_BLOCKS, size), np.float32)
    np.multiply(jumps - jumps.mean(1, keepdims=True), window, out=padded[:, :count])
    # numpy takes four times as long.
    turned = cast("NDArray[np.float32]", cv2.dft(padded, flags=cv2.DFT_ROWS | cv2.DFT_COMPLEX_OUTPUT))
    waves = turned.view(np.complex64)[:, 1 : size // 2 + 1, 0] * waves_of
    mean = waves.mean(0)
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
    whole = np.append(values, np.repeat(values[-1:], -values.size % long))
    parts = np.partition(whole.reshape(-1, long), long // 2, axis=1)[:, long // 2]
    return np.repeat(np.maximum(parts, np.append(parts[:1], parts[:-1])), long)[: values.size]


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
        beyond = cv2.scaleAdd(around, -0.5, change[:, 1:-1])
        found.append(_Profile(word, _means(change, known), _means(beyond, all_known)))
    return found


def _thinned(values: NDArray[Any], axis: int) -> Any:
    """(some, n): of what goes on along the axis some that lie side by side, as many as make up whole blocks."""
    every = max(1, values.shape[1 - axis] // _ENOUGH)
    thin = cv2.transpose(np.ascontiguousarray(values[:, ::every])) if axis == 0 else values[::every]
    return thin[: len(thin) // _BLOCKS * _BLOCKS]


def _means(change: Any, known: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(blocks, n) means of parts of rows or columns; spoils `change`."""
    sample = change.ravel()[:: max(1, change.size // _SAMPLE) | 1]
    low, high = percentiles(sample, (25.0, 75.0))
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


# --- nothing


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
        "is usual at such periods.",
        "artefact",
        0.2,
        "Landscapes have no wave of one period and phase all over; rough ground has more of it by chance, so the dataset says.",
        spread=8.0,
        run=height_stripes,
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

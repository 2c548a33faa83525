"""What sensors, tapes and codecs leave in a picture: blocks, bands, seams, dead lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic
from rsviewer.core.checks.picture import Picture, pictures, with_radar
from rsviewer.core.checks.subject import Subject

_GRID = 8
"""Pixels a side of the blocks that JPEG codes each on its own."""
_SMALLEST = 64
"""Pixels a side that a picture needs, so that every phase of a grid is seen eight times."""
_STEP = 24
"""Grey levels at which a step is cut: edges of buildings are no edges of blocks."""
_STRIPS = 12
"""Parts of a picture in which seams are looked for, and half as many for bands: those of sensors and mosaics run through all of
them, what is built does not."""
_ASKED_ROWS = 256
"""Pixels of a line that are asked, evenly spread, where it has twice as many or more."""
_WAVES = 0.3
"""Weight of the amplitude of waves beside the size of steps."""
_SOFTEST = 0.8
"""Amplitude in grey levels up to which waves are nothing to speak of."""
_BESIDE = 10
"""Frequencies on either side that tell what is usual: their median."""
_FEWEST_WAVES = 4
"""In a picture, for these to count as waves: what comes less often may be hills."""
_CUT = 12
"""Grey levels at which steps from line to line are cut."""
_DIVISOR = 6
"""Of the number of lines whose spectrum is asked for: 511 of them, a multiple of 73, take twice as long as 510."""
_LEFT_OUT = 0.02
"""Share of the rows that may hold the edge of a road or a field along them."""
_FROM_BORDER = 25
"""Lines along the border where no seam is looked for."""
_LINES_BESIDE = np.array([[1, 1, 1, 0, 1, 1, 1]], np.uint8)
"""Lines beside a seam that must not be like it: what is built has edges some pixels wide, and two of them."""
_NEAR, _FAR = 8, 24
"""Lines away from a seam between which the levels on both sides are compared."""
_STAYS = 0.4
"""Share of the step by which they must differ at the least."""
_WIDEST = 64
"""Lines within which there must be no step back: there is none behind a seam, but at the other side of a road."""
_SHOWN = 4
"""Lines on both sides of a seam that are shown."""
_MOST = 8
"""Steps that are looked at, the largest first."""
_LINE = 0.9
"""Share of a line's pixels that must be off."""
_OFF = 5
"""Grey levels by which they must be off."""
_ASKED = 4
"""Which part of a line is asked first: a quarter, in the middle."""
_MAYBE = 0.7
"""Share of its pixels that must be off for the others to be asked."""
_THICK = 16
"""Lines side by side that still are lines; more are an area."""


@dataclass(frozen=True, slots=True, eq=False)
class _Strips:
    """A picture cut into strips across its lines (rows or columns), since what sensors and mosaics do is seen in all of them.

    Attributes:
        means: (`_STRIPS`, lines) grey levels of the lines in each strip.
        steps: (`_STRIPS`, lines - 1) from each line to the next, cut before they are averaged (a Huber mean).
        sizes: (lines - 1,) of the steps without their signs, cut less.
    """

    means: NDArray[np.float32]
    steps: NDArray[np.float32]
    sizes: NDArray[np.float32]


def _both_ways(subject: Subject, picture: Picture) -> tuple[_Strips, _Strips]:
    """The strips across rows, and those across columns."""
    return subject.shared(("strips", picture.layer), lambda: (_strips(_upright(picture.green)), _strips(picture.green)))


def _strips(values: NDArray[np.uint8]) -> _Strips:
    """Those across the columns: adding up over rows is what OpenCV does fastest."""
    values = values[:: max(1, values.shape[0] // _ASKED_ROWS)]
    later, earlier, steps = values[:, 1:], values[:, :-1], values.shape[1] - 1
    both = np.empty((values.shape[0], 2 * steps), np.uint8)
    cv2.subtract(later, earlier, both[:, :steps])
    cv2.subtract(earlier, later, both[:, steps:])
    up_and_down = _by_strip(_cut(both, _CUT))
    sizes = cv2.reduce(_cut(cv2.absdiff(later, earlier), _STEP), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    return _Strips(_by_strip(values), up_and_down[:, :steps] - up_and_down[:, steps:], np.asarray(sizes[0], np.float32))


def _by_strip(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(`_STRIPS`, columns) means over the rows of each strip."""
    rows, columns = values.shape
    found = np.empty((_STRIPS, columns), np.float32)
    for strip in range(_STRIPS):
        part = values[strip * rows // _STRIPS : (strip + 1) * rows // _STRIPS]
        cv2.reduce(part, 0, cv2.REDUCE_AVG, found[strip : strip + 1], cv2.CV_32F)
    return found


def _in_pairs(strips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half as many strips, twice as wide."""
    return (strips[::2] + strips[1::2]) / np.float32(2)


def _blocking(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < _SMALLEST or picture.seen < 0.25:
            continue
        down, across = (_grid_step(strips.sizes) for strips in _both_ways(subject, picture))
        score = 100.0 * float(np.sqrt(max(across, 0.0) * max(down, 0.0)))
        yield Sign(score, f"steps between blocks of 8 x 8 pixels are {score:.0f} % larger than within them", spec.id)


def _grid_step(sizes: NDArray[np.float32]) -> float:
    """How much larger steps from line to line are at every eighth line, as a share of the usual step.

    After Wang, Sheikh and Bovik (No-reference perceptual quality assessment of JPEG compressed images, ICIP 2002), with the
    best of all eight phases, since tiles are cut from larger pictures.
    """
    excess = sizes[1:-1] - (sizes[:-2] + sizes[2:]) / 2
    periods = excess.size // _GRID
    phases = np.sort(excess[: periods * _GRID].reshape(-1, _GRID), axis=0)[periods // 2].tolist()
    best = phases.index(max(phases))
    others = [value for phase, value in enumerate(phases) if (phase - best) % _GRID not in (0, 1, _GRID - 1)]
    return float(phases[best] - max(others)) / (float(sizes.mean()) + 1.5)


def _banding(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < _SMALLEST:
            continue
        by_rows, by_columns = (_bands(strips) for strips in _both_ways(subject, picture))
        score = max(by_rows, by_columns)
        which = "rows" if by_rows >= by_columns else "columns"
        yield Sign(score, f"{which} differ by {score:.1f} of 255 grey levels all along, again and again", spec.id)


def _bands(strips: _Strips) -> float:
    """By how many grey levels lines differ from the next in all their parts alike.

    Steps from one line to the next, where nature changes least (root of their mean square); or waves that come again and again,
    which may be softer, weighed so that what nature shows of either is about the same.
    """
    step = _shared_step(_in_pairs(strips.steps))
    return max(step, _WAVES * _shared_wave(_in_pairs(strips.means), max(step / _WAVES, _SOFTEST)))


def _shared_step(steps: NDArray[np.float32]) -> float:
    """The step from line to line that all strips share: the smallest, where all have the same sign.

    The largest are left out: they are what is built along the lines.
    """
    shared = np.sort(np.maximum(np.maximum(steps.min(axis=0), -steps.max(axis=0)), 0))
    kept = shared[: int(shared.size * (1 - _LEFT_OUT))]
    return float(np.dot(kept, kept) / kept.size) ** 0.5 if kept.size else 0.0


def _shared_wave(means: NDArray[np.float32], least: float) -> float:
    """The amplitude of the wave over the lines that all strips share in phase: the smallest, less what stands beside it.

    The spectra of nature's lines fall evenly; from sensors there are lines in them. Waves up to `least` are not asked for.
    """
    steps = np.clip(np.diff(means[:, : 1 + (means.shape[1] - 1) // _DIVISOR * _DIVISOR]), -_CUT, _CUT)
    window, scale = _weights(steps.shape[1])
    spectra = np.fft.rfft(steps * window)[:, 1:] * scale
    mean = spectra.mean(axis=0)

    in_phase = (spectra * (mean.conj() / np.maximum(np.abs(mean), np.float32(1e-9)))).real.min(axis=0)
    asked = np.flatnonzero(in_phase[_FEWEST_WAVES - 1 :] > least) + _FEWEST_WAVES - 1
    if not asked.size:
        return 0.0
    powers = (spectra.real**2 + spectra.imag**2).mean(axis=0)
    powers = np.concatenate((powers[_BESIDE:0:-1], powers, powers[-2 : -_BESIDE - 2 : -1]))
    beside = np.lib.stride_tricks.sliding_window_view(powers, 2 * _BESIDE + 1)[asked]
    usual = np.sqrt(np.partition(beside, _BESIDE, axis=1)[:, _BESIDE])
    return float(np.max(in_phase[asked] - usual, initial=0.0))


@lru_cache(maxsize=16)
def _weights(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The window for so many steps, and what makes amplitudes of waves of their spectrum."""
    window = np.hanning(size).astype(np.float32)
    of_steps = 2 * np.sin(np.pi * np.arange(1, size // 2 + 1) / size)  # what differences make of a wave
    return window, (2 / window.sum() / of_steps).astype(np.float32)


def _mosaic_seam(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < 3 * _FROM_BORDER or picture.blank is not None:
            continue  # there is an edge where a picture ends
        found = [_seam(strips) for strips in _both_ways(subject, picture)]
        across = found[0][0] >= found[1][0]
        score, line = found[0 if across else 1]
        size = picture.green.shape[0 if across else 1]
        where = f"{'row' if across else 'column'} {line}"
        evidence = None
        if subject.wants_evidence and score > 0:
            low, high = (line - _SHOWN) / size, (line + _SHOWN) / size
            evidence = Evidence(spec.id, boxes=((0.0, low, 1.0, high) if across else (low, 0.0, high, 1.0),))
        yield Sign(score, f"from {where} on all is {score:.1f} of 255 grey levels apart from before", spec.id, evidence)


def _seam(strips: _Strips) -> tuple[float, int]:
    """The step between two lines that is seen in nearly all strips, beyond those of the lines beside; and the line behind it.

    What is built along the lines changes within some pixels and back again, or not all along. Levels on both sides, some pixels
    away, must differ as well.
    """
    beside = cv2.dilate(np.abs(strips.steps).mean(axis=0)[None], _LINES_BESIDE, borderType=cv2.BORDER_CONSTANT)[0]
    total, inside = strips.steps.sum(axis=0), slice(_FROM_BORDER, -_FROM_BORDER)
    highest = np.maximum(total - strips.steps.min(axis=0), strips.steps.max(axis=0) - total) / (_STRIPS - 1)
    if not (highest[inside] > beside[inside]).any():  # the second smallest is no larger than the mean of the others
        return 0.0, 0
    ordered = np.sort(strips.steps, axis=0)
    up, down = ordered[1], -ordered[-2]
    sizes = np.maximum(up, down) - beside
    places = np.flatnonzero(sizes[inside] > 0) + _FROM_BORDER
    for place in places[np.argsort(-sizes[places])][:_MOST].tolist():
        back = down if up[place] > down[place] else up
        if back[max(0, place - _WIDEST) : place + _WIDEST].max() > sizes[place] / 2:
            continue
        step = float(np.median(strips.means[:, place + 1] - strips.means[:, place]))
        behind = np.median(strips.means[:, place + 1 + _NEAR : place + 1 + _FAR], axis=1)
        before = np.median(strips.means[:, place + 1 - _FAR : place + 1 - _NEAR], axis=1)
        if float(np.median(behind - before)) * float(np.sign(step)) > _STAYS * abs(step):
            return float(sizes[place]), place + 1
    return 0.0, 0


def _cut(values: object, most: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.threshold(np.asarray(values), most, 0, cv2.THRESH_TRUNC)[1], np.uint8)


def _dead_lines(subject: Subject) -> Iterator[Sign]:
    for spec, picture in with_radar(subject):
        if min(picture.green.shape) < _SMALLEST // 2:
            continue
        rows, columns = _lines(picture, False), _lines(picture, True)
        count = int(np.count_nonzero(rows)) + int(np.count_nonzero(columns))
        evidence = None
        if subject.wants_evidence and count:
            evidence = Evidence(spec.id, rows[:, None] | columns[None, :])
        words = (
            "1 line of pixels is dead or repeats its"
            if count == 1
            else f"{count} lines of pixels are dead or repeat their"
        )
        yield Sign(float(count), f"{words} neighbour", spec.id, evidence)


def _lines(picture: Picture, upright: bool) -> NDArray[np.bool_]:
    """(rows,) or (columns,) which of them are dead."""
    size = picture.green.shape[0 if upright else 1]
    asked = slice((size - size // _ASKED) // 2, (size + size // _ASKED) // 2)
    bands = (picture.darkest, picture.brightest, *picture.bands)
    if upright:
        darkest, brightest = (_upright(band[asked]) for band in bands[:2])
    else:
        darkest, brightest = (band[:, asked] for band in bands[:2])
    maybe = _off(darkest, True, _MAYBE) | _off(brightest, False, _MAYBE)
    maybe |= _constant(darkest) | _constant(brightest) | _repeated([darkest])
    if not maybe.any():
        return maybe
    darkest, brightest, *others = (_upright(band) for band in bands) if upright else bands
    found = _off(darkest, True, _LINE) | _off(brightest, False, _LINE)
    found |= _thin(_constant(darkest)) | _thin(_constant(brightest))
    return found | _repeated(others)


def _constant(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Lines that hold one value."""
    first = values[:, 0]
    found = np.asarray((values[:, -1] == first) & (values[:, values.shape[1] // 2] == first))
    if found.any():
        found[found] = (values[found] == first[found, None]).all(axis=1)
    return found


def _upright(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transpose(values), np.uint8)


def _off(values: NDArray[np.uint8], down: bool, least: float) -> NDArray[np.bool_]:
    """Lines that are darker (or brighter) than both neighbours nearly everywhere."""
    above, line, below = values[:-2], values[1:-1], values[2:]
    step = cv2.subtract(cv2.min(above, below), line) if down else cv2.subtract(line, cv2.max(above, below))
    count = cv2.reduce(cv2.threshold(step, _OFF, 1, cv2.THRESH_BINARY)[1], 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    share = np.asarray(count).ravel() / np.float32(values.shape[1])
    return np.concatenate(([False], share >= least, [False]))


def _thin(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Runs of at most `_THICK` lines, with others on both sides."""
    if not lines.any() or lines.all():
        return np.zeros_like(lines)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], lines, [False])).astype(np.int8)))
    found = np.zeros_like(lines)
    for start, end in edges.reshape(-1, 2):
        if start > 0 and end < lines.size and end - start <= _THICK:
            found[start:end] = True
    return found


def _repeated(bands: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Lines that are exactly the one before, and show something."""
    apart = cv2.reduce(cv2.absdiff(bands[0][1:], bands[0][:-1]), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    same = np.concatenate(([False], np.asarray(apart).ravel() == 0))
    lines = np.flatnonzero(same)
    if lines.size:
        parts = [band[lines] for band in bands]
        shown = np.logical_or.reduce([np.ptp(part, axis=1) > _OFF for part in parts])
        equal = [(part == band[lines - 1]).all(axis=1) for part, band in zip(parts, bands, strict=True)]
        same[lines] = shown & np.logical_and.reduce(equal)
    return same


CHECKS: tuple[Check, ...] = (
    Check(
        id="blocking",
        title="Blocks of strong compression",
        topic=Topic.IMAGES,
        unit="%",
        help="How much larger the steps between blocks of 8 x 8 pixels are than those within them, in percent of a usual step.",
        tag="artefact",
        least=36.0,
        why="JPEG of usual quality stays below 30 %, of quality 10 it exceeds 50 %; the dataset's own median is allowed for.",
        spread=6.0,
        most=60.0,
        run=_blocking,
    ),
    Check(
        id="banding",
        title="Bands of a sensor",
        topic=Topic.IMAGES,
        unit="of 255",
        help="By how many grey levels of 255 neighbouring rows or columns differ over their whole length (root mean square).",
        tag="artefact",
        least=0.5,
        why="Nature's rows share less than 0.1, furrows along them up to 0.46; bands of 2 % of the range and 16 rows over 0.9.",
        spread=8.0,
        most=1.0,
        run=_banding,
    ),
    Check(
        id="mosaic_seam",
        title="Seam between two images",
        topic=Topic.IMAGES,
        unit="of 255",
        help="The step in brightness between two rows or columns that runs through nearly all of the image, in grey levels of "
        "255, less the steps beside it.",
        tag="artefact",
        least=1.2,
        why="Lanes and fields along the rows have up to 0.8; two mosaicked images that differ by 15 grey levels have 5.",
        spread=8.0,
        most=4.0,
        run=_mosaic_seam,
    ),
    Check(
        id="dead_lines",
        title="Dead lines",
        topic=Topic.IMAGES,
        unit="lines",
        help="Rows and columns that hold one value, differ from both neighbours all along, or repeat the one before.",
        tag="artefact",
        least=0.5,
        why="One is too many; where images were enlarged by repeating pixels, the dataset's own median is allowed for.",
        spread=8.0,
        sharpness=8.0,
        run=_dead_lines,
    ),
)
"""Blocks, bands, seams, lines."""

"""What sensors, tapes and codecs leave in a picture: blocks, bands, seams, lines that are dead or do not fit each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, starmap

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Box, Check, Evidence, Sign, Topic
from rsviewer.core.checks.picture import Picture, pictures, with_radar
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.waves import SMALLEST, shared_wave

_GRID = 8
"""Pixels a side of the blocks that JPEG codes each on its own."""
_SMALLEST = 64
"""Pixels a side that a picture needs, so that every phase of a grid is seen eight times."""
_STEP = 24
"""Grey levels at which a step is cut: edges of buildings are no edges of blocks, and no seams."""
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
_SHARP = np.array([[-0.25, -0.25, 1, -0.25, -0.25]], np.float32)
"""What makes sharp steps of steps: less the mean of those beside."""
_STRAY = 2
"""Strips in which a seam may be lost among the edges of what is there."""
_FAINT = 1
"""Grey levels of a step that nature's lines may share by chance."""
_FLAT = 6
"""Grey levels of the steps beside a pixel up to which it is flat there: noise, and what codecs leave of it."""
_WIDEST = 64
"""Lines within which there must be no step back: there is none behind a seam, but at the other side of a road."""
_BACK = 0.65
"""Share of a step from which on another one is a step back. Half the strips tell: elsewhere a field may be like the road."""
_SHOWN = 4
"""Lines on both sides of a seam that are shown."""
_MOST = 16
"""Steps that are looked at, those with the largest mean."""
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
_KEY = 8
"""Pixels of a line, evenly spread, that tell which lines may be the same: as many bytes as a word has."""
_FARTHEST = 24
"""Pixels by which lines may have slipped."""
_CANDIDATES = 2
"""Steps of a picture that are looked at for a slip, those most above the ones beside: a slip is one line wide."""
_BOTH_SIDES = np.array([[1, 1, 0, 1, 1]], np.uint8)
"""The two steps on either side of one."""
_GAP = 1.03
"""Times the largest of the four steps beside it that such a step must be."""
_CONTRAST = 40
"""Grey levels at which differences are cut where lines are moved along each other: one roof is not to speak for all."""
_EVERY = 16
"""Lines of which two, or four, are asked whether a picture is interlaced."""
_NEXT = 1.1
"""Times the difference to the next line the one to the line after it is at most for that: in nature it is 1.2 to 2 times, and
once in noise."""


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
    rows, columns = values.shape
    later, earlier = values[:, 1:], values[:, :-1]
    both = np.empty((rows, 2 * columns - 1), np.uint8)
    both[:, :columns] = values
    most = np.full(earlier.shape, _CUT, np.uint8)  # twice as fast as one number
    cv2.max(cv2.min(later, cv2.add(earlier, most)), cv2.subtract(earlier, most), both[:, columns:])
    totals = np.empty((_STRIPS, 2 * columns - 1), np.float32)
    parts, share = _parts(rows)
    for strip, part in enumerate(parts):
        cv2.reduce(both[part], 0, cv2.REDUCE_SUM, totals[strip : strip + 1], cv2.CV_32F)
    sizes = cv2.reduce(_cut(cv2.absdiff(later, earlier), _STEP), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    steps = (totals[:, columns:] - totals[:, : columns - 1]) * share
    return _Strips(totals[:, :columns] * share, steps, np.asarray(sizes[0], np.float32))


@lru_cache(maxsize=16)
def _parts(rows: int) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """The rows of each strip, and (`_STRIPS`, 1) what makes means of their sums."""
    ends = np.arange(_STRIPS + 1) * rows // _STRIPS
    return tuple(starmap(slice, pairwise(ends.tolist()))), (1 / np.diff(ends)[:, None]).astype(np.float32)


def _in_pairs(strips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half as many strips, twice as wide: (pictures, strips, lines)."""
    pairs = strips[:, ::2] + strips[:, 1::2]
    pairs *= np.float32(0.5)
    return pairs


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
    return float(phases[best] - max(others)) / (cv2.mean(sizes)[0] + 1.5)


def _banding(subject: Subject) -> Iterator[Sign]:
    asked = [(spec.id, picture) for spec, picture in pictures(subject) if min(picture.green.shape) >= _SMALLEST]
    strips = [one for _, picture in asked for one in _both_ways(subject, picture)]
    found = np.zeros(len(strips))
    for size in {one.means.shape[1] for one in strips}:
        alike = [place for place, one in enumerate(strips) if one.means.shape[1] == size]
        found[alike] = _bands([strips[place] for place in alike])
    for (layer, picture), (by_rows, by_columns) in zip(asked, found.reshape(-1, 2).tolist(), strict=True):
        which = "rows" if by_rows >= by_columns else "columns"
        score = max(by_rows, by_columns)
        message = f"{which} differ by {score:.1f} of 255 grey levels all along, again and again"
        wave = shared_wave(picture.green, _SOFTEST) if min(picture.green.shape) >= SMALLEST else None
        if wave is not None and _WAVES * wave.amplitude > score:
            score = _WAVES * wave.amplitude
            message = f"a wave of {wave.amplitude:.1f} of 255 grey levels comes again {wave.words}"
        yield Sign(score, message, layer)


def _bands(strips: Sequence[_Strips]) -> NDArray[np.float64]:
    """By how many grey levels lines differ from the next in all their parts alike, of pictures with as many lines.

    Steps from one line to the next, where nature changes least (root of their mean square); or waves that come again and again,
    which may be softer, weighed so that what nature shows of either is about the same.
    """
    steps, means = (_in_pairs(np.array(each)) for each in zip(*((one.steps, one.means) for one in strips), strict=True))
    step = _shared_step(steps)
    return np.maximum(step, _WAVES * _shared_wave(means, np.maximum(step / _WAVES, _SOFTEST)))


def _shared_step(steps: NDArray[np.float32]) -> NDArray[np.float64]:
    """The step from line to line that all strips share: the smallest, where all have the same sign.

    The largest are left out: they are what is built along the lines.
    """
    shared = np.sort(np.maximum(np.maximum(steps.min(axis=1), -steps.max(axis=1)), 0))
    kept = shared[:, : int(shared.shape[1] * (1 - _LEFT_OUT))]
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", kept, kept) / max(kept.shape[1], 1)), np.float64)


def _shared_wave(means: NDArray[np.float32], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """The amplitude of the wave over the lines that all strips share in phase: the smallest, less what stands beside it.

    The spectra of nature's lines fall evenly; from sensors there are lines in them. Waves up to `least` are not asked for.
    """
    steps = np.diff(means[:, :, : 1 + (means.shape[2] - 1) // _DIVISOR * _DIVISOR])
    np.clip(steps, -_CUT, _CUT, out=steps)
    window, scale = _weights(steps.shape[2])
    steps *= window
    spectra = np.fft.rfft(steps)[:, :, 1:] * scale
    mean = spectra.mean(axis=1)
    direction = mean / np.maximum(np.abs(mean), np.float32(1e-9))
    in_phase = (spectra.real * direction.real[:, None] + spectra.imag * direction.imag[:, None]).min(axis=1)
    found = np.zeros(len(means))
    for place in np.flatnonzero((in_phase[:, _FEWEST_WAVES - 1 :] > least[:, None]).any(axis=1)).tolist():
        asked = np.flatnonzero(in_phase[place, _FEWEST_WAVES - 1 :] > least[place]) + _FEWEST_WAVES - 1
        powers = (spectra[place].real ** 2 + spectra[place].imag ** 2).mean(axis=0)
        powers = np.concatenate((powers[_BESIDE:0:-1], powers, powers[-2 : -_BESIDE - 2 : -1]))
        beside = np.sort(powers[asked[:, None] + np.arange(2 * _BESIDE + 1)], axis=1)
        found[place] = np.max(in_phase[place, asked] - np.sqrt(beside[:, _BESIDE]), initial=0.0)
    return found


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
        down, right = _both_ways(subject, picture)
        found = [_seam(down, picture.bands), _seam(right, [band.T for band in picture.bands])]
        across = found[0][0] >= found[1][0]
        score, line = found[0 if across else 1]
        where = f"{'row' if across else 'column'} {line}"
        evidence = None
        if subject.wants_evidence and score > 0:
            evidence = Evidence(spec.id, boxes=(_along(line, picture.green.shape, across),))
        yield Sign(score, f"from {where} on all is {score:.1f} of 255 grey levels apart from before", spec.id, evidence)


def _along(line: int, shape: tuple[int, ...], across: bool) -> Box:
    """The lines before and behind one, as a box."""
    size = shape[0 if across else 1]
    low, high = max(0, line - _SHOWN) / size, min(size, line + _SHOWN) / size
    return (0.0, low, 1.0, high) if across else (low, 0.0, high, 1.0)


def _seam(strips: _Strips, bands: Sequence[NDArray[np.uint8]]) -> tuple[float, int]:
    """The step between two lines that nearly all strips share, beyond those of the lines beside; and the line behind it.

    Edges in nature are some pixels wide, and slopes are even wider: the steps beside tell of them. What is built along the
    lines ends within the picture, or there is a step back behind it.

    Args:
        strips: of the picture.
        bands: the same picture, its lines being rows.
    """
    sharp = np.asarray(cv2.filter2D(strips.steps, -1, _SHARP, borderType=cv2.BORDER_REPLICATE), np.float32)
    total = np.abs(cv2.reduce(sharp, 0, cv2.REDUCE_SUM)[0])
    places = np.argpartition(total[_FROM_BORDER:-_FROM_BORDER], -_MOST)[-_MOST:] + _FROM_BORDER
    sizes = _shared(sharp[:, places])
    for which in np.argsort(-np.abs(sizes)).tolist():
        size, place = float(sizes[which]), int(places[which])
        if abs(size) <= _FAINT:
            break
        usual = np.median(strips.steps[:, max(0, place - _WIDEST) : place + _WIDEST + 1], axis=0) * np.sign(size)
        if -usual.min() < _BACK * usual[min(place, _WIDEST)]:
            return max(0.0, _sharp_step([band[place - 2 : place + 4] for band in bands]) - _FAINT), place + 1
    return 0.0, 0


def _shared(steps: NDArray[np.floating]) -> NDArray[np.floating]:
    """What all but `_STRAY` of (strips, ...) steps have of the same sign; 0 where they have not."""
    ordered = np.sort(steps, axis=0)
    up, down = ordered[_STRAY], ordered[-1 - _STRAY]
    return np.asarray(np.maximum(up, 0) + np.minimum(down, 0))


def _sharp_step(lines: Sequence[NDArray[np.uint8]]) -> float:
    """The step in the middle of six lines that nearly all strips share, beyond those beside.

    Pixels count the more, the flatter it is around them: a seam is as high everywhere, but hard to see among trees and houses.

    Args:
        lines: of each band.
    """
    total = np.array(lines[0], np.float32, order="C")
    for band in lines[1:]:
        total += band
    steps = (total[1:] - total[:-1]) * np.float32(1 / len(lines))
    beside = steps[[0, 1, 3, 4]]
    sharp = np.clip(_SHARP[0] @ steps, -_STEP, _STEP)
    weights = 1 / np.sqrt(np.einsum("ij,ij->j", beside, beside) / 4 + _FLAT**2)
    parts, _ = _parts(sharp.size)
    totals, share = np.add.reduceat([sharp * weights, weights], [part.start for part in parts], axis=1)
    return abs(float(_shared(totals / share)))


def _cut(values: object, most: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.threshold(np.asarray(values), most, 0, cv2.THRESH_TRUNC)[1], np.uint8)


def _line_slip(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < _SMALLEST:
            continue
        score, line, shift, across = _slip(_both_ways(subject, picture), picture.bands)
        if score > 0 and _interlaced(picture.bands, not across)[0] > 0:
            score = 0.0  # one line fits no worse than all the others
        evidence = None
        if subject.wants_evidence and score > 0:
            evidence = Evidence(spec.id, boxes=(_along(line, picture.green.shape, across),))
        where = f"from {'row' if across else 'column'} {line} on"
        words = f"{where} all is {_aside(shift, across)}: moved back, it fits {score:.0f} % better"
        yield Sign(score, words if score else "all lines fit each other", spec.id, evidence)


def _aside(shift: int, across: bool) -> str:
    """Where lines lie, in words: what runs askew makes a pixel more or less of it."""
    side = ("left", "right") if across else ("up", "down")
    return f"about {abs(shift)} px too far {side[shift > 0]}"


def _slip(strips: tuple[_Strips, _Strips], bands: Sequence[NDArray[np.uint8]]) -> tuple[float, int, int, bool]:
    """How much better two lines fit where one is moved along the other, in percent; the line behind, by how many pixels, and
    whether it is a row.

    An edge in nature does not go away that way, and what runs askew is moved from each line to the next, not at one.

    Args:
        strips: of the picture, across rows and across columns.
        bands: the same picture.
    """
    sizes = np.concatenate([each.sizes for each in strips])
    rows = strips[0].sizes.size
    beside = np.asarray(cv2.dilate(sizes[None], _BOTH_SIDES))[0]
    gaps = (sizes + 0.5) / (beside + 0.5)  # half a grey level: flat lines differ by their rounding
    gaps[[0, 1, rows - 2, rows - 1, rows, rows + 1, -2, -1]] = 0  # at the borders there are none beside
    best = (0.0, 0, 0, True)
    for place in np.argpartition(gaps, -_CANDIDATES)[-_CANDIDATES:].tolist():
        across = place < rows
        line = place + 1 if across else place - rows + 1
        four = [band[line - 2 : line + 2] if across else band[:, line - 2 : line + 2].T for band in bands]
        green = four[len(bands) // 2]
        if gaps[place] < _GAP or not (shift := _best_shift(green[1], green[2])):
            continue
        score = _better_fit(green, shift)
        if score > best[0] and len(bands) > 1:  # noise is another in each band
            score = min(score, *(_better_fit(lines, shift) for lines in four if lines is not green))
        best = max(best, (score, line, shift, across))
    return best


def _best_shift(line: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    """By how many pixels the other line is to be taken farther on to be most like the line: where their edges correlate."""
    both = np.array((line, other), np.float32)
    edges = both[:, 1:] - both[:, :-1]  # half the time of np.diff
    return int(np.correlate(edges[1], edges[0, _FARTHEST:-_FARTHEST]).argmax()) - _FARTHEST


def _better_fit(lines: NDArray[np.uint8], shift: int) -> float:
    """How much better the middle two of four lines of a band fit where one is moved, in percent; less than 0 where they do not.

    What is gained counts less by its standard error, by what the same gains for the lines beside, and by what the two then
    are less like each other than those are. One pixel counts half: what runs askew gains by it now and then.
    """
    still, moved = _apart(lines[:-1], lines[1:], shift)
    (above, between, below), after = _means(still), _means(moved)
    parts, share = _parts(still.shape[1])
    gains = np.subtract(still[1], moved[1], dtype=np.float32)
    gains = np.add.reduceat(gains, [part.start for part in parts]) * share[:, 0]
    gain = between - after[1] - float(gains.std()) / _STRIPS**0.5
    gain -= max(0.0, above - after[0], below - after[2]) + max(0.0, after[1] - max(above, below))
    weight = 50.0 if abs(shift) == 1 else 100.0
    return float(weight * gain / (between + 1))


def _apart(
    lines: NDArray[np.uint8], others: NDArray[np.uint8], shift: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """How far lines are from others, as these lie and taken so many pixels farther on, cut; without the pixels at both ends."""
    side, size = abs(shift), lines.shape[1]
    first, still, moved = (
        np.ascontiguousarray(each)
        for each in (lines[:, side:-side], others[:, side:-side], others[:, side + shift : size - side + shift])
    )
    return _cut(cv2.absdiff(first, still), _CONTRAST), _cut(cv2.absdiff(first, moved), _CONTRAST)


def _means(lines: NDArray[np.uint8]) -> list[float]:
    found: list[float] = np.asarray(cv2.reduce(lines, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F))[:, 0].tolist()
    return found


def _interlacing(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < _SMALLEST:
            continue
        by_rows, by_columns = _interlaced(picture.bands, False), _interlaced(picture.bands, True)
        across = by_rows[0] >= by_columns[0]
        score, shift = by_rows if across else by_columns
        where = f"every other {'row' if across else 'column'} is {_aside(shift, across)}"
        words = f"{where}: moved back, they fit {score:.0f} % better"
        yield Sign(score, words if score else "all lines fit each other", spec.id)


def _interlaced(bands: Sequence[NDArray[np.uint8]], upright: bool) -> tuple[float, int]:
    """How much better even lines fit the odd ones where these are moved, in percent, and by how many pixels they are off.

    All three steps between four lines must be the smaller for it, to and fro: what runs askew goes on.
    """
    green = bands[len(bands) // 2]
    if upright:
        thin = green[_EVERY // 2 :: _EVERY]
        first, second, third = thin[:, :-2], thin[:, 1:-1], thin[:, 2:]
    else:
        first, second, third = (green[_EVERY // 2 + line : line - _EVERY or None : _EVERY] for line in range(3))
    if cv2.norm(first, third, cv2.NORM_L1) > _NEXT * cv2.norm(first, second, cv2.NORM_L1):
        return 0.0, 0
    quads = [_fours(band.T if upright else band) for band in bands]
    lines, others, *_ = quads[len(bands) // 2]
    shift = _best_shift(lines.reshape(-1), others.reshape(-1))
    if not shift:
        return 0.0, 0
    return max(0.0, min(_woven(quad, shift) for quad in quads)), shift


def _woven(quad: NDArray[np.uint8], shift: int) -> float:
    """How much better four lines of a band fit where the second and the fourth are moved, in percent."""
    steps = [_apart(quad[line], quad[line + 1], -shift if line % 2 else shift) for line in range(3)]
    gains = [cv2.mean(still)[0] - cv2.mean(moved)[0] for still, moved in steps]
    usual = cv2.mean(steps[0][0])[0]
    return float(100.0 * min(gains) / (usual + 1))


def _fours(lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every `_EVERY`th line, those behind them, and so on: (4, lines, pixels)."""
    count = (len(lines) - _EVERY // 2 - 4) // _EVERY + 1
    return np.array([lines[_EVERY // 2 + which :: _EVERY][:count] for which in range(4)])


def _dead_lines(subject: Subject) -> Iterator[Sign]:
    for spec, picture in with_radar(subject):
        if min(picture.green.shape) < _SMALLEST // 2:
            continue
        rows, columns = _lines(picture, False), _lines(picture, True)
        count = int(np.count_nonzero(rows)) + int(np.count_nonzero(columns))
        evidence = None
        if subject.wants_evidence and count:
            evidence = Evidence(spec.id, rows[:, None] | columns[None, :])
        words = "1 line of pixels is dead or repeats" if count == 1 else f"{count} lines of pixels are dead or repeat"
        yield Sign(float(count), f"{words} another", spec.id, evidence)


def _lines(picture: Picture, upright: bool) -> NDArray[np.bool_]:
    """(rows,) or (columns,) which of them are dead."""
    size = picture.green.shape[0 if upright else 1]
    asked = slice((size - size // _ASKED) // 2, (size + size // _ASKED) // 2)
    bands = (picture.darkest, picture.brightest)
    darkest, brightest = (_upright(band[asked]) if upright else band[:, asked] for band in bands)
    maybe = _off(darkest, True, _MAYBE) | _off(brightest, False, _MAYBE)
    maybe |= _constant(darkest) | _constant(brightest)
    repeated = _repeated([band.T for band in picture.bands] if upright else picture.bands)
    if not maybe.any():
        return repeated
    darkest, brightest = (_upright(band) for band in bands) if upright else bands
    found = _off(darkest, True, _LINE) | _off(brightest, False, _LINE)
    found |= _thin(_constant(darkest)) | _thin(_constant(brightest))
    return found | repeated


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
    found = np.zeros(len(values), bool)
    np.greater_equal(np.asarray(count)[:, 0], least * values.shape[1] - 1e-6, out=found[1:-1])
    return found


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
    """Lines that are exactly one before them, and show something: some of their pixels tell which may be."""
    found = np.zeros(len(bands[0]), bool)
    size = bands[0].shape[1]
    pixels = np.ascontiguousarray(bands[len(bands) // 2][:, size // (2 * _KEY) :: size // _KEY][:, :_KEY])
    keys = pixels.view(np.uint64)[:, 0]
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return found
    order = np.argsort(keys, kind="stable")
    pairs = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    lines, before = order[pairs + 1], order[pairs]
    for band in bands:
        equal = (band[lines] == band[before]).all(axis=1)
        lines, before = lines[equal], before[equal]
    found[lines] = np.logical_or.reduce([np.ptp(band[lines], axis=1) > _OFF for band in bands])
    return found


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
        help="By how many grey levels of 255 neighbouring rows or columns differ over their whole length (root mean square); "
        "or 0.3 of the amplitude of a wave in any direction.",
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
        "255, less the mean of the steps beside it and 1.",
        tag="artefact",
        least=3.0,
        why="Lanes and fields along the rows have up to 2.4; two mosaicked images that differ by 10 grey levels have 4 to 9.",
        spread=5.0,
        most=5.0,
        sharpness=8.0,
        run=_mosaic_seam,
    ),
    Check(
        id="line_slip",
        title="Lines slipped along each other",
        topic=Topic.IMAGES,
        unit="%",
        help="How much smaller the step between two rows or columns becomes where all on one side is moved along it, in "
        "percent, less what that gains for the lines beside.",
        tag="artefact",
        least=8.0,
        why="Nature, roads and JPEG stay below 5 %, 7 % at half the resolution; lines moved by 8 pixels have 11 to 75 %.",
        sharpness=8.0,
        run=_line_slip,
    ),
    Check(
        id="interlacing",
        title="Every other line moved",
        topic=Topic.IMAGES,
        unit="%",
        help="How much smaller the steps between rows or columns become where every other one is moved along the others, in "
        "percent.",
        tag="artefact",
        least=4.0,
        why="Nature has 0 % and noise up to 1 %; where every other row was moved by 3 pixels, there are 8 to 60 %.",
        sharpness=8.0,
        run=_interlacing,
    ),
    Check(
        id="dead_lines",
        title="Dead lines",
        topic=Topic.IMAGES,
        unit="lines",
        help="Rows and columns that hold one value, differ from both neighbours all along, or repeat another.",
        tag="artefact",
        least=0.5,
        why="One is too many; where images were enlarged by repeating pixels, the dataset's own median is allowed for.",
        spread=8.0,
        sharpness=8.0,
        run=_dead_lines,
    ),
)
"""Blocks, bands, seams, lines."""

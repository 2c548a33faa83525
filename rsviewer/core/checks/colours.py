"""What the colours of a picture are like, and whether they could be usual in its group but for one defect.

A picture unlike the others is no bad one: there are lakes, forests and snow in every dataset. So nothing is asked of how unlike
it is, but whether one change, such as a sensor or a program makes, would make it usual: two bands exchanged, a gain on one of
them, on all, or on their contrast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.picture import picture_of
from rsviewer.core.checks.subject import SMALL, Subject, shown_bands, shrunk
from rsviewer.core.checks.suspicion import TO_DEVIATION
from rsviewer.core.tile import LayerKind, LayerSpec

TONES = 15
"""Numbers that say what the colours of a picture are like, in the order of `tones_of`."""
FEWEST = 8
"""Pictures that tell what is usual."""
PAIRS = ((0, 1), (1, 2), (0, 2))
"""Bands whose correlations are told."""
GREY = 8
"""A picture without any colour; the kinds below it are exchanges of `PAIRS`, then gains."""

_ROWS = 16
"""Of the small copy, which are enough."""
_FEWEST_PIXELS = 64
_BANDS = ("red", "green", "blue")
_MEANS, _SPREADS, _TEXTURES, _COARSE, _FINE = (slice(start, start + 3) for start in range(0, TONES, 3))
_LEVELS = slice(0, 9)
_ROUNDED = 1 / 12
"""Variance that rounding makes: what varies by no more is like nothing."""
_FAINT = 0.5
"""Square of the grey levels below which half as much is nearly the same."""
_MOST_ALIKE = 0.99
"""Correlation beyond which bands are the same but for noise."""
_LEAST_SPREAD = np.repeat((0.1, 0.2), (9, 6)).astype(np.float32)
"""Deviations of logarithms and of correlations, as Fisher transforms them, that no group has less of: a group of much the same
pictures does not know what else there is."""
_CLIPPED = 2.5
"""Deviations beyond which a picture says no more about what is usual."""
_FARTHEST = 20.0
_PRIOR = 15
"""Pictures of its own that a group needs to count as much as all groups: as many as there are numbers."""
_ROUNDER = 0.1
"""Share of independence in correlations of few pictures: none is known to be exact."""
_COLOURLESS, _PLAIN = 1.0, 4.0
"""Grey levels up to which bands are equal (noise alone makes more), and that a picture must vary by to say so."""
_VIVID = 2.0
"""Grey levels between bands that count as one deviation."""
_GREYS = 0.1
"""Share of pictures without colour that is usual."""


def tones(subject: Subject) -> tuple[float, ...] | None:
    """What the colours of a tile are like, for comparing tiles.

    Returns:
        `TONES` numbers for each optical layer of the dataset, in their order: of red, green, and blue the means, the standard
        deviations, and the root mean squares of differences between neighbours, in grey levels of `picture.Picture`; and the
        correlations between red and green, green and blue, red and blue, of values and of these differences. NaN for a layer
        that the tile lacks, that has less than three bands, or shows nothing. None where that holds for all.
    """
    layers = [spec for spec, _ in subject.contents if spec.kind is LayerKind.OPTICAL]
    there = {spec.id for spec in subject.rasters(LayerKind.OPTICAL)}
    found = [_tones(subject, spec) if spec.id in there else None for spec in layers]
    if all(each is None for each in found):
        return None
    return tuple(number for each in found for number in each or (float("nan"),) * TONES)


def likenesses(subject: Subject, spec: LayerSpec) -> list[float] | None:
    """How alike the fine texture of bands is, correlations of `PAIRS`; None as in `tones`."""
    found = _tones(subject, spec)
    return None if found is None else found[_FINE]


def _tones(subject: Subject, spec: LayerSpec) -> list[float] | None:
    return subject.shared(("tones of bands", spec.id), lambda: _measured(subject, spec))


def _measured(subject: Subject, spec: LayerSpec) -> list[float] | None:
    picture, raster = picture_of(subject, spec), subject.raster(spec.id)
    if len(picture.bands) < len(_BANDS):
        return None
    factor = max(1, -(-max(picture.green.shape) // SMALL))
    chosen = shown_bands(spec, raster)
    small = (
        [subject.band(spec.id, band, factor) for band in chosen]
        if all(raster.pixels[band].dtype == np.uint8 for band in chosen)
        else [shrunk(band, factor) for band in picture.bands]
    )
    every = max(1, small[0].shape[0] // _ROWS)
    values = np.array([band[::every] for band in small], np.float32)
    steps = values[:, :, 1:] - values[:, :, :-1]
    pixels, pairs = values[0].size, steps[0].size
    if picture.blank is not None:  # zeros that count for nothing; to pick out the others takes ten times as long
        rows, columns = small[0].shape
        blank = cv2.resize(picture.blank.view(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)[::every]
        shown = (blank == 0).astype(np.float32)
        beside = shown[:, 1:] * shown[:, :-1]
        pixels, pairs = cv2.countNonZero(shown), cv2.countNonZero(beside)
        values *= shown
        steps *= beside
    if pairs < _FEWEST_PIXELS:
        return None
    values, steps = values.reshape(len(values), -1), steps.reshape(len(steps), -1)
    means = [float(values[k].sum()) / pixels for k in range(len(values))]
    coarse, fine = _moments(values, pixels, means), _moments(steps, pairs)
    if not any(fine.deviations):
        return None
    return [*means, *coarse.deviations, *fine.deviations, *coarse.likenesses, *fine.likenesses]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Root mean squares of three bands, and the correlations of `PAIRS`."""

    deviations: list[float]
    likenesses: list[float]


def _moments(values: NDArray[np.float32], count: int, means: Sequence[float] = (0.0, 0.0, 0.0)) -> _Moments:
    """Of (bands, pixels), of which some are 0 and do not count, about the means of the others.

    By inner products of rows: a product of such long matrices takes five times as long.
    """
    squares = [max(float(np.dot(band, band)) / count - mean**2, 0.0) for band, mean in zip(values, means, strict=True)]
    likenesses = [
        (float(np.dot(values[one], values[other])) / count - means[one] * means[other])
        / ((squares[one] + _ROUNDED) * (squares[other] + _ROUNDED)) ** 0.5
        for one, other in PAIRS
    ]
    return _Moments([square**0.5 for square in squares], likenesses)


# --- what is usual


def _exchanged(one: int, other: int) -> list[int]:
    """Where the numbers of a picture come from when two of its bands are exchanged."""
    order = [{one: other, other: one}.get(band, band) for band in range(3)]
    pairs = [PAIRS.index((min(order[k], order[m]), max(order[k], order[m]))) for k, m in PAIRS]
    return [*(start + k for start in (0, 3, 6) for k in order), *(start + pair for start in (9, 12) for pair in pairs)]


_EXCHANGES = [_exchanged(*pair) for pair in PAIRS]
_GAINS = np.zeros((5, TONES), np.float32)
"""Which logarithms a gain on red, green, blue, on all bands, and on the contrast adds to."""
for _band in range(len(_BANDS)):
    _GAINS[_band, [_band, 3 + _band, 6 + _band]] = 1
_GAINS[3, :9] = 1
_GAINS[4, 3:9] = 1
_WORTH = np.log(np.array((1.4, 1.4, 1.4, 3.0, 6.0), np.float32))
"""Gains from which on they count in full. Air and seasons change the bands against each other by some 20 %, light and shadow
the brightness twofold; a meadow or a lake has a third of the contrast of what is around it."""
_WORTH_EXCHANGED = np.float32(0.1)
"""Part by which bands must differ, in brightness, contrast, or texture, to be exchanged: with less, nobody would see it."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Of some pictures.

    Attributes:
        score: deviations that the one change takes away, by what it leaves.
        kind: which change; `GREY`, or what `words` knows.
        amount: the gain; for `GREY` how many grey levels usually lie between bands.
    """

    score: NDArray[np.floating]
    kind: NDArray[np.intp]
    amount: NDArray[np.floating]


def words(kind: int, amount: float) -> str:
    """What was found, as a clause."""
    if kind == GREY:
        return f"all bands are equal, where {amount:.0f} grey levels between them are usual"
    if kind < len(PAIRS):
        one, other = (_BANDS[band] for band in PAIRS[kind])
        return f"its colours would be usual if {one} and {other} were exchanged"
    gain = kind - len(PAIRS)
    if gain < len(_BANDS):
        return f"{_BANDS[gain]} is {amount:.2g} times as strong as is usual beside the other bands"
    what = "the picture is {} times as bright as is usual" if gain == 3 else "contrasts are {} times the usual ones"
    return what.format(f"{amount:.2g}")


class Usual:
    """What the colours of pictures of a group are like: the centre and the covariance of logarithms and Fisher transforms.

    Both robust: a median; median absolute deviations, and the correlations of what is clipped. Those of a small group are
    mixed with those of all groups.

    Args:
        seen: (pictures, `TONES`) of the group.
        deviation, correlation: within all groups, see `within`.
    """

    def __init__(
        self, seen: NDArray[np.floating], deviation: NDArray[np.floating], correlation: NDArray[np.floating]
    ) -> None:
        values = _transformed(seen)
        count = len(values)
        self._center = np.median(values, axis=0)
        off = values - self._center
        mixed_spread = np.sqrt((count * _spread(off) ** 2 + _PRIOR * deviation**2) / (count + _PRIOR))
        self._deviation = mixed_spread.astype(np.float32)
        own = _correlation(off / self._deviation)
        mixed = (count * own + _PRIOR * correlation) / (count + _PRIOR)
        self._precision = np.linalg.inv((1 - _ROUNDER) * mixed + _ROUNDER * np.eye(TONES)).astype(np.float32)
        apart = _apart(seen)
        self._colour = float(np.median(apart)) if np.mean(apart < _COLOURLESS) <= max(_GREYS, 1 / count) else 0.0

    @staticmethod
    def within(groups: list[NDArray[np.floating]]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Deviations and correlations of pictures from the centre of their own group."""
        off = np.concatenate([values - np.median(values, axis=0) for values in map(_transformed, groups)])
        deviation = _spread(off)
        return deviation, _correlation(off / deviation)

    def judged(self, seen: NDArray[np.floating]) -> Verdict:
        """Of (pictures, `TONES`).

        The score of a change is the root of the squared Mahalanobis distance that it takes away, over 1 + the mean square that
        it leaves: of a picture that would still be unlike the others, it explains nothing.
        """
        values = _transformed(seen)
        off = self._far(values)
        weighted = off @ self._precision
        distance = np.einsum("ij,ij->i", weighted, off)
        scores, amounts = [], []
        for exchange in _EXCHANGES:
            other = values[:, exchange]
            turned = self._far(other)
            left = np.einsum("ij,ij->i", turned @ self._precision, turned)
            apart = np.abs(other[:, _LEVELS] - values[:, _LEVELS]).max(axis=1)
            scores.append(_told(distance - left, left) * np.minimum(1, apart / _WORTH_EXCHANGED))
            amounts.append(np.zeros(len(values), np.float32))
        for gains, worth in zip(_GAINS, _WORTH, strict=True):
            gain = (gains / self._deviation).astype(np.float32)
            along, length = weighted @ gain, float(gain @ self._precision @ gain)
            taken, factor = along**2 / length, along / length
            scores.append(_told(taken, distance - taken) * np.minimum(1, np.abs(factor) / worth))
            amounts.append(np.exp(factor))
        colourless = (_apart(seen) < _COLOURLESS) & (seen[:, _SPREADS].max(axis=1) >= _PLAIN)
        scores.append(np.where(colourless, self._colour / _VIVID, 0))
        amounts.append(np.full(len(values), self._colour))
        kind = np.argmax(scores, axis=0)
        at = (kind, np.arange(len(values)))
        return Verdict(np.array(scores, np.float32)[at], kind, np.array(amounts, np.float32)[at])

    def _far(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        off: NDArray[np.floating] = (values - self._center) / self._deviation
        return np.asarray(np.clip(off, -_FARTHEST, _FARTHEST), np.float32)


def _told(taken: NDArray[np.floating], left: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.sqrt(np.maximum(taken, 0)) / (1 + np.maximum(left, 0) / np.float32(TONES)))


def _transformed(seen: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logarithms, in which a gain is a sum, and correlations in which all parts of the scale are as exact."""
    levels, likenesses = seen[:, _LEVELS], np.clip(seen[:, 9:], -_MOST_ALIKE, _MOST_ALIKE)
    return np.concatenate((0.5 * np.log(levels**2 + np.float32(_FAINT)), np.arctanh(likenesses)), axis=1)


def _spread(off: NDArray[np.floating]) -> NDArray[np.floating]:
    spread: NDArray[np.floating] = np.float32(TO_DEVIATION) * np.median(np.abs(off), axis=0)
    return np.asarray(np.hypot(spread, _LEAST_SPREAD))


def _correlation(off: NDArray[np.floating]) -> NDArray[np.floating]:
    clipped = np.clip(off, -_CLIPPED, _CLIPPED)
    products = clipped.T @ clipped
    size = np.sqrt(products.diagonal() + np.float32(1e-6))
    return np.asarray(products / np.outer(size, size), np.float32)


def _apart(seen: NDArray[np.floating]) -> NDArray[np.floating]:
    """Root of the mean squared difference between the two bands that are the least alike, in grey levels."""
    one, other = np.array(PAIRS).T
    means, spreads = seen[:, _MEANS], seen[:, _SPREADS]
    shared = seen[:, _COARSE] * np.sqrt((spreads[:, one] ** 2 + _ROUNDED) * (spreads[:, other] ** 2 + _ROUNDED))
    squared = spreads[:, one] ** 2 + spreads[:, other] ** 2 - 2 * shared + (means[:, one] - means[:, other]) ** 2
    return np.asarray(np.sqrt(np.maximum(squared, 0).max(axis=1)))

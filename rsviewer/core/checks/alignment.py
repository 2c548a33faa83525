"""Whether the layers of a tile show the same place in the same position.

A picture, heights and labels of one place have no values in common, but borders: where a roof ends, a class ends, the heights
step and the brightness changes, and all of them run in the same direction. And each explains the other a little: slopes explain
brightness (the sun), classes explain colours. Both are asked for every shift at once by fast Fourier transforms:

- borders: correlation of gradients whose angle is doubled, so that dark beside bright and bright beside dark are the same,
  after Fitch et al., Orientation correlation, BMVC 2002;
- explained: share of the variance of one layer's tones that the slopes or classes of the other explain (R2 of a regression).

How much an answer is worth is asked of the tile itself: the other layer is also laid where it cannot belong, tens of pixels
away. The best fit of all those places is what chance gives *here*, with these many edges, parallel roofs and rows of trees; the
`ratio` of a fit is how many times as good as that it is. Shadows and leaning walls move borders to one side: both measures
have to be fooled at once, parts of the tile vote, and where a third layer is at hand it is asked who is right.

A shift that matters is measured again: on finer copies, where the sharp ends of roofs stand out from what shadows add, or by
way of a third layer that lies on the picture, as there are no shadows between heights and labels. What small copies cannot
prove, or would call a shift, is asked of sharp borders alone: soft shadows and tones that mean nothing are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.change import marked_share
from rsviewer.core.checks.check import Box, Check, Evidence, Sign, Topic
from rsviewer.core.checks.peaks import vertex
from rsviewer.core.checks.subject import SMALL, Plane, Subject
from rsviewer.core.stretch import percentiles
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec

_Field: TypeAlias = NDArray[np.float32]
_Complex: TypeAlias = NDArray[np.complex64]
_Array = TypeVar("_Array", bound=NDArray[Any])

_LEAST_SIDE = 48
"""Pixels: smaller copies have no far away to compare with."""
_LEAST_SHARE = 0.2
"""Of valid pixels that a layer needs."""
_REACH = 24
"""Full-resolution pixels by which shifts are looked for, as far as the tile is large enough."""
_FINE = 2 * SMALL
"""Pixels a side of the copies on which borders say where exactly a layer lies that seems to be shifted."""
_COARSE, _STILL = SMALL // 2, 1.5
"""Pixels a side of coarse copies, and full-resolution pixels of a shift in these up to which finer ones need not be asked."""
_CHANCE = 1.8
"""Ratio from which on a fit is more likely true than chance; see the tests: other tiles hardly ever reach it."""
_PROVEN = 1.35
"""Ratio from which on borders alone say where layers belong."""
_ASIDE = 4
"""Pixels of a trace between what borders and tones say that are nothing to wonder at."""
_BLUR = (((5, 5), 1.0), ((3, 3), 0.5))
"""Pixels that are looked at and the width by which traces are blurred, and outlines."""
_CLASSES = 4
"""The most common classes explain the colours, two at a time; the others have too few pixels to."""
_EVEN = 0.5
"""Square of the mean gradient over the mean of its square: 0.79 for hills (normal slopes), hardly 0.3 for houses and trees."""
_STEP = 0.25
"""Metres a pixel: gradients of heights below are as good as none."""
_TURNS = (
    "mirrored left-right",
    "mirrored up-down",
    "turned by 180 degrees",
    "mirrored at the main diagonal",
    "turned by 90 degrees to the left",
    "turned by 90 degrees to the right",
    "mirrored at the other diagonal",
)
_CODES = 256
"""Classes told apart."""
_BITS = tuple(((np.arange(_CODES) * 2654435761 >> shift) & 1).astype(np.uint8) for shift in (29, 24, 19))
"""Three mixed bits of every code: any two classes differ in about half of such, so all borders count about as much. Greys of
one picture of all classes take a third of the time, and lose the shift of every tenth tile."""
_SOFTLY = cv2.getGaussianKernel(9, 1.0, cv2.CV_32F)
"""What such pictures are blurred by; as a filter from bytes to floats it is faster than GaussianBlur of floats."""
_SOFT = 0.1
"""Gradient that weighs a half in traces of labels: between two classes that differ in one bit it is some 0.3."""
_EDGE = 3.0
"""Pixels across the edge of a class that it can be seen in."""
_FAINT = 0.005
"""Structure of two layers together, from which on they are compared: with less, no shift and no difference is believed in."""
_SMOOTH = 0.06
"""Share of a tile's side within which a surface of fits must have changed to be half trusted."""
_RARE = 0.5
"""How much less a fit counts towards the end of the reach, where it counts 1 / (1 + this)."""
_WORTH = 1.5
"""Pixels of a shift from which on a third layer is asked."""
_LOOK = 2.5
"""Pixels of a shift from which on finer copies are asked."""
_MAYBE = 1.2
"""Ratio from which on a shift is looked at on finer copies, as two weak witnesses that agree make a good one."""
_NEARBY = 6.0
"""Full-resolution pixels by which shadows pull the best fit of small copies to one side, at most."""
_CLEAR = 2.2
"""Ratio from which on small copies know where layers belong."""
_SEEN = 1.0
"""Ratio by borders of small copies from which on a shift that these cannot prove is looked for on finer ones."""
_SHARP, _WIDE = 1.75, 21
"""Ratio by borders of small copies and sharp ones together that is believed by half; pixels beyond which nothing is sharp."""
_PLAIN = 8.0
"""Ratio on finer copies from which on borders know better than the shading of slopes."""
_BLOCKS = 4
"""Blocks a side that vote."""
_ONE_PLACE = 1.3
"""Ratio at which two dates are as likely of one place as of two: of two it is hardly ever more, of one hardly ever less."""
_BUILT_OVER = 3.0
"""So many times what a change mask marks may have changed: masks mark houses, and with these came their roads and gardens."""


@dataclass(frozen=True, slots=True, eq=False)
class _Trace:
    """A layer as the others can see it, on the grid of the tile's image.

    Attributes:
        borders: (rows, columns), of length 0..1: how much of a border is there, at twice the angle of the gradient.
        tones: each on a grid of half as many rows and columns: what can be explained, high-passed.
        causes: each on the same grid: what can explain, two of them as one complex field; all of length 1, none with anything
            of another.
        step: full-resolution pixels of the image to a pixel.
        structure: how much there is to compare, 0..1; where it is below `_FAINT`, there are no fields.
        relief: slopes everywhere in place of steps here and there: bare ground, of which only its shading is seen.
    """

    borders: _Complex
    tones: tuple[_Field, ...]
    causes: tuple[_Field | _Complex, ...]
    step: float
    structure: float
    relief: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """How two layers fit each other.

    Attributes:
        across, down: full-resolution pixels by which the second lies east and south of the first.
        ratio: of both measures together, at that place, see the module.
        proof: the largest ratio of either and both measures anywhere within reach: that they show the same place at all.
        confidence: in the shift, 0..1.
        trust: whether that no place fits means anything, 0..1: it does not where all fits are alike, as on gentle slopes.
        lost: share of the ratio that is lost where the layers are.
        votes: how far parts of the tile agree, 0..1.
        shaded: found by the shading of slopes alone.
        borders: ratios by borders alone for all shifts within reach, none in the middle; None where nothing was compared.
    """

    across: float
    down: float
    ratio: float
    proof: float
    confidence: float
    trust: float
    lost: float = 0.0
    votes: float = 1.0
    shaded: bool = False
    borders: _Field | None = None

    @property
    def length(self) -> float:
        """Of the shift, in full-resolution pixels."""
        return float(np.hypot(self.across, self.down))


# --- the checks


def _height_shift(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_heights(subject):
        yield from _shift(subject, image, layer, _labels(subject), "heights")


def _height_pair(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_heights(subject):
        yield from _pair(subject, image, layer, _labels(subject), "heights")


def _height_turned(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_heights(subject):
        yield from _turned(subject, image, layer, "heights")


def _label_shift(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_labels(subject):
        yield from _shift(subject, image, layer, subject.above_ground, "labels")


def _label_pair(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_labels(subject):
        yield from _pair(subject, image, layer, subject.above_ground, "labels")


def _label_turned(subject: Subject) -> Iterator[Sign]:
    for image, layer in _with_labels(subject):
        yield from _turned(subject, image, layer, "labels")


def _date_shift(subject: Subject) -> Iterator[Sign]:
    for pre, post, fit in _with_dates(subject):
        message = f"the image before lies {_way(fit)} of the one after, confidence {fit.confidence:.2f}"
        evidence = _evidence(subject, post, pre, fit) if subject.wants_evidence else None
        yield Sign(fit.length * fit.confidence, message, pre.id, evidence)


def _date_pair(subject: Subject) -> Iterator[Sign]:
    for pre, post, fit in _with_dates(subject):
        if fit.proof >= _CHANCE:
            yield Sign(0.0, "both images fit each other", pre.id)
            continue
        proof = _proof_of_dates(subject, pre, post, fit)
        structure = fit.trust * _structure(subject, post, pre) ** 0.5
        kept = max(0.0, 1.0 - _BUILT_OVER * marked_share(subject))
        message = f"both images have nothing in common: they fit {proof:.1f} times as well as where they cannot belong"
        yield Sign(structure * (1.0 - _above(proof, _ONE_PLACE, 10)) * kept, message, pre.id)


def _proof_of_dates(subject: Subject, pre: LayerSpec, post: LayerSpec, fit: _Fit) -> float:
    """The geometric mean of `_Fit.proof` and the best ratio by sharp borders.

    By chance each is about as good as the best place where the pictures cannot belong, but both are hardly ever better at once.
    And where nearly all was built over, the edges of what is left are still as sharp.
    """
    sharp = _sharp_fits(subject, post, pre, _COARSE)
    if sharp is None:
        return fit.proof
    best = float(_sharp_ratios(*sharp).max())
    return float(np.sqrt(max(fit.proof, 0.0) * max(best, 0.0)))


def _with_dates(subject: Subject) -> Iterator[tuple[LayerSpec, LayerSpec, _Fit]]:
    """The pictures before and after, and how the first fits the second."""
    if subject.dates is None:
        return
    pre, post = subject.dates
    # Two pictures of one place fit so well that coarse copies tell it of nearly all tiles.
    fit = _fit(subject, post, pre, _COARSE)
    if fit is None or fit.ratio < _CHANCE or fit.length > _STILL:
        fit = _fit(subject, post, pre)
    if fit is not None:
        yield pre, post, fit


def _with_heights(subject: Subject) -> Iterator[tuple[LayerSpec, LayerSpec]]:
    """The picture, and every height layer."""
    if subject.image is not None:
        for spec in subject.heights():
            yield subject.image, spec


def _with_labels(subject: Subject) -> Iterator[tuple[LayerSpec, LayerSpec]]:
    """The picture and the first label layer: others are made from the same file."""
    labels = _labels(subject)
    if subject.image is not None and labels is not None:
        yield subject.image, labels


def _labels(subject: Subject) -> LayerSpec | None:
    return next(iter(subject.rasters(LayerKind.LABELS)), None)


# --- what they say


def _shift(subject: Subject, image: LayerSpec, layer: LayerSpec, third: LayerSpec | None, name: str) -> Iterator[Sign]:
    fit = _fit(subject, image, layer)
    if fit is None:
        return
    blame, other = layer.id, "" if third is None or third.id == layer.id else third.title
    ruler = None
    if fit.length * fit.confidence > _WORTH and third is not None and other:
        ruler = _surveyed(subject, image, layer, third, fit)
    fit = ruler or _refined(subject, image, layer, fit)
    score = fit.length * fit.confidence
    if score > _WORTH and third is not None and other:
        score *= 1.0 if ruler else _belief(subject, image, layer, third, fit)
        blame = _odd(subject, image, layer, third, fit)
    who = f"{name} lie {_way(fit)} of the image" if blame == layer.id else f"{name} and {other} lie {_way(fit)} of it"
    evidence = _evidence(subject, image, layer, fit) if subject.wants_evidence and score > 0 else None
    yield Sign(score, f"{who}, confidence {fit.confidence:.2f}", blame, evidence)


def _surveyed(subject: Subject, image: LayerSpec, layer: LayerSpec, third: LayerSpec, fit: _Fit) -> _Fit | None:
    """The same shift by way of a third layer: there are no shadows between heights and labels. None where that fits worse."""
    with_image, with_layer = _fit(subject, image, third), _between(subject, third, layer)
    if with_image is None or with_layer is None or with_image.ratio < _CHANCE or with_layer.ratio < fit.ratio:
        return None
    thinned = _thinned(subject, third, SMALL) - _thinned(subject, layer, SMALL)
    across, down = with_layer.across - thinned, with_layer.down - thinned
    with_image = _refined(subject, image, third, with_image)
    if with_image.length * with_image.confidence > _LOOK:  # else that is the work of shadows
        across, down = across + with_image.across, down + with_image.down
        if np.hypot(across - fit.across, down - fit.down) > _NEARBY:
            return None
    return replace(fit, across=across, down=down, confidence=max(fit.confidence, with_layer.confidence))


def _between(subject: Subject, third: LayerSpec, layer: LayerSpec) -> _Fit | None:
    """How heights and labels, or labels and heights, fit: asked only once for both."""
    if third.kind is not LayerKind.LABELS:
        return _fit(subject, third, layer)
    fit = _fit(subject, layer, third)
    return None if fit is None else replace(fit, across=-fit.across, down=-fit.down)


def _thinned(subject: Subject, layer: LayerSpec, most: int) -> float:
    """Full-resolution pixels by which small labels lie north-west of small pictures: of two pixels they keep the last."""
    if layer.kind is not LayerKind.LABELS:
        return 0.0
    raster = subject.raster(layer.id)
    factor = -(-max(raster.pixels.shape[1:]) // most)
    return 0.5 * raster.full_size[0] / raster.width if factor % 2 == 0 else 0.0


def _belief(subject: Subject, image: LayerSpec, layer: LayerSpec, third: LayerSpec, fit: _Fit) -> float:
    """What is left of a shift when a third layer is asked: half, where it fits both as they are."""
    with_image, with_layer = _fit(subject, image, third), _between(subject, third, layer)
    if with_image is None or with_layer is None or min(with_image.ratio, with_layer.ratio) < _CHANCE:
        return 1.0
    # The long way round: from the image to the third and on to the layer must lead to the same place.
    across = with_image.across + with_layer.across - fit.across
    down = with_image.down + with_layer.down - fit.down
    return 1.0 if np.hypot(across, down) < 0.5 * fit.length else 0.5


def _odd(subject: Subject, image: LayerSpec, layer: LayerSpec, third: LayerSpec, fit: _Fit) -> LayerId:
    """Which lies wrong: the picture, where the third layer lies on this one and both lie beside the picture."""
    with_image, with_layer = _fit(subject, image, third), _between(subject, third, layer)
    if with_image is None or with_layer is None or min(with_image.ratio, with_layer.ratio) < _CHANCE:
        return layer.id
    return image.id if with_image.length > 0.5 * fit.length > with_layer.length else layer.id


def _pair(subject: Subject, image: LayerSpec, layer: LayerSpec, third: LayerSpec | None, name: str) -> Iterator[Sign]:
    fit = _fit(subject, image, layer)
    if fit is None:
        return
    structure = fit.trust * _structure(subject, image, layer)
    objects = subject.above_ground
    if objects is None or objects.id == layer.id or layer.kind is not LayerKind.HEIGHT:
        structure **= 0.5  # else the picture shows what stands on this ground, and little of the ground
    doubt = _doubt(fit.proof)
    if structure * doubt > 0.1:
        turned = _best_turn(subject, image, layer)
        doubt *= 1.0 - _above(turned[0] if turned else 0.0, 1.8, 8)
    blame = layer.id
    if structure * doubt > 0.1 and third is not None and third.id != layer.id:
        with_image, with_layer = _fit(subject, image, third), _between(subject, third, layer)
        if with_image is not None and with_layer is not None:
            if with_layer.proof > _CHANCE and with_image.proof > _CHANCE:
                doubt *= 0.3  # a layer that fits one of this place is of this place
            elif with_layer.proof > _CHANCE:
                blame = image.id
    message = (
        f"{name} and image have nothing in common: they fit {fit.proof:.1f} times as well as where they cannot belong"
    )
    yield Sign(structure * doubt, message, blame)


def _structure(subject: Subject, *layers: LayerSpec) -> float:
    """How much there is to compare, 0..1."""
    traces = [_trace(subject, layer) for layer in layers]
    return float(np.prod([0.0 if trace is None else trace.structure for trace in traces]))


def _doubt(proof: float) -> float:
    """0..1: what a fit leaves of the suspicion that two layers show different places."""
    return 1.0 / (1.0 + (max(proof, 0.0) / 1.25) ** 6)


def _turned(subject: Subject, image: LayerSpec, layer: LayerSpec, name: str) -> Iterator[Sign]:
    fit = _fit(subject, image, layer)
    if fit is None:
        return
    found = _best_turn(subject, image, layer) if fit.proof < 2.5 and _structure(subject, image, layer) > 0.02 else None
    if found is None:
        yield Sign(0.0, f"{name} fit the image as they are", layer.id)
        return
    ratio, turn = found
    message = (
        f"{name} fit the image when {turn}: {ratio:.1f} times as well as by chance, as they are {fit.proof:.1f} times"
    )
    yield Sign(max(0.0, ratio - max(fit.proof, 0.5)), message, layer.id)


def _way(fit: _Fit) -> str:
    """In words: "6.3 px east and 2.0 px north"."""
    ways = [
        f"{abs(length):.1f} px {words[int(length > 0)]}"
        for length, words in ((fit.across, ("west", "east")), (fit.down, ("north", "south")))
        if abs(length) >= 0.05
    ]
    return " and ".join(ways) or "0 px off"


def _evidence(subject: Subject, image: LayerSpec, layer: LayerSpec, fit: _Fit) -> Evidence | None:
    """The blocks that vote for the shift."""
    one, other = _trace(subject, image), _trace(subject, layer)
    if one is None or other is None:
        return None
    gain, _ = _votes(one, other, round(fit.across / one.step), round(fit.down / one.step))
    side = 1.0 / _BLOCKS
    boxes: list[Box] = [
        (column * side, row * side, (column + 1) * side, (row + 1) * side) for row, column in np.argwhere(gain > 0)
    ]
    return Evidence(image.id, boxes=tuple(boxes)) if boxes else None


# --- how two layers fit


def _fit(subject: Subject, first: LayerSpec, second: LayerSpec, most: int = SMALL) -> _Fit | None:
    """On copies of at most `most` pixels a side; None where there is too little of either."""

    def make() -> _Fit | None:
        one, other = _trace(subject, first, most), _trace(subject, second, most)
        if one is None or other is None:
            return None
        if one.structure * other.structure < _FAINT:
            return _Fit(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if one.borders.shape != other.borders.shape:
            return None
        return _fitted(one, other, _spectra(subject, first, one, most), _spectra(subject, second, other, most))

    return subject.shared(("alignment fit", first.id, second.id, most), make)


class _Spectra:
    """Fourier transforms of a trace, each made when it is asked for, of sizes that are quickly transformed."""

    def __init__(self, trace: _Trace) -> None:
        self._trace = trace
        # Those of the borders are twice those of the tones.
        self._rows, self._columns = (cv2.getOptimalDFTSize(-(-side // 2)) for side in trace.borders.shape)

    @cached_property
    def borders(self) -> _Complex:
        return _dft(self._trace.borders, 2 * self._rows, 2 * self._columns)

    @cached_property
    def tones(self) -> list[_Complex]:
        return [_dft(tone, self._rows, self._columns) for tone in self._trace.tones]

    @cached_property
    def causes(self) -> list[_Complex]:
        return [_dft(cause, self._rows, self._columns) for cause in self._trace.causes]


def _spectra(subject: Subject, layer: LayerSpec, trace: _Trace, most: int) -> _Spectra:
    return subject.shared(("alignment spectra", layer.id, most), lambda: _Spectra(trace))


def _dft(field: _Field | _Complex, rows: int, columns: int) -> _Complex:
    """Of a field that goes on with zeros. OpenCV is three times as slow at making complex spectra of real fields."""
    parts: Any = _parts(field.astype(np.complex64, copy=False))
    below, beside = rows - field.shape[0], columns - field.shape[1]
    if below or beside:
        parts = cv2.copyMakeBorder(parts, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=0)
    return _complex(cv2.dft(parts))


def _correlated(first: _Complex, second: _Complex) -> Any:
    """(rows, columns, 2): how fields of such spectra fit for every shift, around (0, 0), but for a factor.

    numpy multiplies complex numbers five times as fast as OpenCV.
    """
    product = np.conj(second)
    np.multiply(product, first, out=product)
    return cv2.idft(_parts(product))


def _parts(field: Any) -> _Field:
    """A complex field as OpenCV knows it: (rows, columns, 2)."""
    return cast("_Field", field.view(np.float32).reshape(*field.shape, 2))


def _complex(parts: Any) -> _Complex:
    return cast("_Complex", parts.view(np.complex64)[..., 0])


def _fitted(one: _Trace, other: _Trace, first: _Spectra, second: _Spectra) -> _Fit:
    reach = _reach(one)
    borders, tones, both, trust = _near_fits(*_surfaces(first, second), reach)
    proof = max(float(both.max()), float(borders.max()), float(tones.max()))
    if (one.relief or other.relief) and tones.max() > _PROVEN:
        both = tones
    row, column, belief = _place(borders, tones, both)
    ratio = float(both[row, column])
    shaded = both is tones
    if not (0 < row < 2 * reach and 0 < column < 2 * reach) or ratio <= 0:
        return _Fit(0.0, 0.0, ratio, proof, 0.0, trust, shaded=shaded, borders=borders)
    # Surfaces tell where the first has to go to fit the second; the second lies the other way.
    surface = both / _likely(reach)
    across = -(column - reach + vertex(surface[row, column - 1 : column + 2]))
    down = -(row - reach + vertex(surface[row - 1 : row + 2, column]))
    lost = 1.0 - float(both[reach, reach]) / ratio
    confidence = belief * _confidence(ratio, lost, one.structure * other.structure)
    votes = 1.0
    if confidence > 0.05 and not shaded and borders[row, column] > 1:
        gain, weight = _votes(one, other, round(across), round(down))
        votes = _above(float((weight * (gain > 0)).sum() / max(float(weight.sum()), 1e-6)), 0.5, 4)
    return _Fit(
        across * one.step, down * one.step, ratio, proof, confidence * votes, trust, lost, votes, shaded, borders
    )


def _confidence(ratio: float, lost: float, structure: float) -> float:
    """In a shift, 0..1: how good the best fit is, how much of it is lost where the layers are, how much there is to see."""
    return _above(ratio, _CHANCE, 10) * _above(lost, 0.12, 3) * _above(structure, 0.03, 2)


def _refined(subject: Subject, first: LayerSpec, second: LayerSpec, fit: _Fit) -> _Fit:
    """The same, looked at again where it is a shift, or may be one that small copies could not prove."""

    def make() -> _Fit:
        found = _finer(subject, first, second, fit)
        unproven = found.confidence < 0.5 and found.ratio < _CLEAR
        return _sharper(subject, first, second, found) if unproven or found.length * found.confidence > _LOOK else found

    return subject.shared(("alignment refined", first.id, second.id), make)


def _finer(subject: Subject, first: LayerSpec, second: LayerSpec, fit: _Fit) -> _Fit:
    """The same by borders on finer copies, where it matters: roofs end sharply, and what shadows blur is far below.

    The more the best fit of these stands out from chance, the farther it may lie from that of the small copies. Where both lie
    at the same place, each is a witness for the other.
    """
    structure = _structure(subject, first, second)
    doubtful = fit.ratio > _MAYBE and fit.lost > 0.2 and structure > 0.05 and fit.confidence < 0.5 and not fit.shaded
    if fit.length < _LOOK or (fit.length * fit.confidence < _LOOK and not doubtful):
        return fit
    sharp = _sharp_fits(subject, first, second, _FINE)
    if sharp is None:
        return fit
    surface, step = sharp
    near = _stood_out(surface - cv2.GaussianBlur(surface, (0, 0), 3.0), step)
    reach = len(near) // 2
    row, column = reach - fit.down / step, reach - fit.across / step
    if not (0 < row < 2 * reach and 0 < column < 2 * reach):
        return fit
    away = (
        np.hypot(np.arange(2 * reach + 1)[:, None] - row, np.arange(2 * reach + 1) - column).astype(np.float32) * step
    )
    around = np.where(away <= _NEARBY, near, 0)
    best = float(around.max())
    if best <= (_PLAIN if fit.shaded else 1.0):
        return fit
    top, left = divmod(int((around * np.exp(-0.5 * np.square(away / best))).argmax()), near.shape[1])
    if not (0 < top < 2 * reach and 0 < left < 2 * reach):
        return fit
    confidence = fit.confidence
    if best >= float(near.max()) and away[top, left] <= 3:
        confidence = max(confidence, fit.votes * _confidence(fit.ratio * best, fit.lost, structure))
    return _at(subject, first, second, replace(fit, confidence=confidence), near, top, left, step, _FINE)


def _sharper(subject: Subject, first: LayerSpec, second: LayerSpec, fit: _Fit) -> _Fit:
    """The same by sharp borders alone, where these know better, wherever it is that they fit best.

    Tones may know nothing of a place: grass is as green as trees are. Or they know of another one: soft shadows are as wide as
    what throws them, and lie beside it. Borders of small copies and of sharp ones see different things; both together have to
    fit more than by chance.
    """
    structure, coarse = _structure(subject, first, second), _trace(subject, first)
    if fit.borders is None or coarse is None or fit.shaded or structure < 0.05 or fit.borders.max() < _SEEN:
        return fit
    middle = len(fit.borders) // 2
    at = np.subtract(divmod(int(fit.borders.argmax()), len(fit.borders)), middle)
    if max(fit.length, float(np.hypot(*at)) * coarse.step) < _LOOK:
        return fit
    sharp = _sharp_fits(subject, first, second, SMALL)
    if sharp is None:
        return fit
    step = sharp[1]
    near = _sharp_ratios(*sharp)
    reach = len(near) // 2
    top, left = divmod(int(near.argmax()), len(near))
    best = float(near[top, left])
    if best <= 0 or not (0 < top < 2 * reach and 0 < left < 2 * reach):
        return fit
    row, column = (round(middle + (place - reach) * step / coarse.step) for place in (top, left))
    aside = max(1, round(_ASIDE / 2 / coarse.step))
    around = fit.borders[max(0, row - aside) : row + aside + 1, max(0, column - aside) : column + aside + 1]
    sure = _above(best * max(float(around.max(initial=0.0)), 0.0) ** 0.5, _SHARP, 12)
    lost = 1.0 - float(near[reach - 1 : reach + 2, reach - 1 : reach + 2].max()) / best
    confidence = sure * _above(lost, 0.12, 3) * _above(structure, 0.03, 2)
    elsewhere = np.hypot((reach - left) * step - fit.across, (reach - top) * step - fit.down) > _NEARBY
    proves = fit.confidence < min(confidence, 0.5)  # else what is measured on finer copies stays
    if not proves and not (elsewhere and sure > max(fit.confidence, 0.5)):
        return fit
    return _at(subject, first, second, replace(fit, confidence=confidence), near, top, left, step, SMALL)


def _sharp_fits(subject: Subject, first: LayerSpec, second: LayerSpec, most: int) -> tuple[_Field, float] | None:
    """How well borders of fine copies fit for every shift, around (0, 0), and the step of these; None where they cannot."""

    def make() -> tuple[_Field, float] | None:
        one, other = _outline(subject, first, most), _outline(subject, second, most)
        if one is None or other is None or one[0].shape != other[0].shape or one[1] != other[1]:
            return None
        return cast("_Field", cv2.extractChannel(_correlated(one[0], other[0]), 0)), one[1]

    return subject.shared(("alignment sharp", first.id, second.id, most), make)


def _sharp_ratios(surface: _Field, step: float) -> _Field:
    """As `_stood_out`, of what is sharp only, and less far away."""
    near = _stood_out(surface - cv2.blur(surface, (_WIDE, _WIDE)), step)
    return near * _likely(len(near) // 2)


def _stood_out(surface: Any, step: float) -> _Field:
    """(2 reach + 1, 2 reach + 1) of a surface of sharp fits, in units of the best where the layers cannot belong."""
    reach = int(min(_REACH / step, min(surface.shape) / 9))
    chance = float(_far(surface, reach).max())
    near = _near(surface, reach)
    return near / np.float32(chance) if chance > 0 else np.zeros_like(near)


def _at(
    subject: Subject,
    first: LayerSpec,
    second: LayerSpec,
    fit: _Fit,
    near: _Field,
    row: int,
    column: int,
    step: float,
    most: int,
) -> _Fit:
    """The same fit at a place on a surface of sharp fits, not at its edge."""
    reach = len(near) // 2
    thinned = _thinned(subject, second, most) - _thinned(subject, first, most)
    across = -(column - reach + vertex(near[row, column - 1 : column + 2])) * step + thinned
    down = -(row - reach + vertex(near[row - 1 : row + 2, column])) * step + thinned
    return replace(fit, across=across, down=down)


def _outline(subject: Subject, layer: LayerSpec, most: int) -> tuple[_Complex, float] | None:
    """Fourier transform of the borders of a fine copy, and its step."""

    def make() -> tuple[_Complex, float] | None:
        trace = _traced(subject, layer, most, outline=True)
        return None if trace is None or not trace.borders.size else (_Spectra(trace).borders, trace.step)

    return subject.shared(("alignment outline", layer.id, most), make)


def _place(borders: _Field, tones: _Field, both: _Field) -> tuple[int, int, float]:
    """Row and column of the best fit, and how far to believe in it, 0..1.

    Shadows darken what lies beside houses and trees, so tones may fit best far from where the layers belong. Where borders
    fit somewhere, the place is there, and not to be believed in much if both together say otherwise.
    """
    row, column = (int(place) for place in np.unravel_index(int(both.argmax()), both.shape))
    if both is tones:
        return row, column, 1.0
    if borders.max() < _PROVEN:
        return row, column, _above(float(tones.max()), 2.2, 6)
    top, left = (int(place) for place in np.unravel_index(int(borders.argmax()), borders.shape))
    if max(abs(row - top), abs(column - left)) <= _ASIDE:
        return row, column, 1.0
    start, first = max(0, top - _ASIDE), max(0, left - _ASIDE)
    around = both[start : top + _ASIDE + 1, first : left + _ASIDE + 1]
    below, beside = divmod(int(around.argmax()), around.shape[1])
    return start + below, first + beside, 0.5


@lru_cache(maxsize=8)
def _likely(reach: int) -> _Field:
    """(2 reach + 1, 2 reach + 1), 1 in the middle: layers are rarely far off, and many far places give chance more room."""
    away = np.square(np.arange(-reach, reach + 1, dtype=np.float32) / np.float32(reach))
    likely: _Field = 1 / (1 + np.float32(_RARE) * (away[:, None] + away))
    likely.flags.writeable = False
    return likely


def _reach(trace: _Trace) -> int:
    """Pixels of a trace by which shifts are looked for; even, as the grid of the tones has every second of its places."""
    return max(2, int(min(_REACH / trace.step, min(trace.borders.shape) / 9)) // 2 * 2)


def _near_fits(borders: _Field, tones: _Field, reach: int) -> tuple[_Field, _Field, _Field, float]:
    """(2 reach + 1, 2 reach + 1) ratios by borders, by tones and by both for the shifts within reach, none in the middle.

    And the least trust in one of them, see `_scale`.
    """
    by_borders, by_tones = _scale(borders, reach), _scale(tones, reach // 2)
    near, coarse = by_borders.of(_near(borders, reach)), by_tones.of(_near(tones, reach // 2))
    # Between the places on the coarser grid lies their mean.
    fine = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    fine[::2, ::2] = coarse
    fine[1::2, ::2] = 0.5 * (coarse[:-1] + coarse[1:])
    fine[:, 1::2] = 0.5 * (fine[:, :-1:2] + fine[:, 2::2])
    # Each has as much to say as it knows.
    first, second = max(float(near.max()), 0.3), max(float(coarse.max()), 0.3)
    far = _far(borders[::2, ::2], reach // 2) * np.float32(first * by_borders.unit)
    far += _far(tones, reach // 2) * np.float32(second * by_tones.unit)
    best = float(far.max()) - first * by_borders.unit * by_borders.usual - second * by_tones.unit * by_tones.usual
    trust = (first * by_borders.trust + second * by_tones.trust) / (first + second)
    unit = trust / max(best, 1e-9)
    weighed = cv2.addWeighted(near, first * unit, fine, second * unit, 0)
    likely = _likely(reach)
    return near * likely, fine * likely, weighed * likely, min(by_borders.trust, by_tones.trust)


def _above(value: float, middle: float, sharpness: float) -> float:
    """0..1, a half in the middle."""
    return 0.0 if value <= 0 else 1.0 / (1.0 + (middle / value) ** sharpness)


def _surfaces(first: _Spectra, second: _Spectra) -> tuple[_Field, _Field]:
    """How well borders fit for every shift, around (0, 0); and how much of tones is explained, on the coarser grid."""
    borders = cv2.extractChannel(_correlated(first.borders, second.borders), 0)
    explained: Any = None
    for tone in first.tones:
        for causes in second.causes:
            share = np.abs(_complex(_correlated(tone, causes)))
            explained = share if explained is None else cv2.magnitude(explained, share, explained)
    if explained is None:
        explained = np.zeros([side // 2 for side in borders.shape], np.float32)
    return cast("_Field", borders), explained


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turns a surface into units of the best fit at places where the layers cannot belong, 0 being the usual one.

    Attributes:
        usual: of the surface, where the layers cannot belong.
        unit: what it is multiplied by: 1 over the best such fit above that, times how far to trust that.
        trust: see `_Fit`.
    """

    usual: float
    unit: float
    trust: float

    def of(self, surface: _Field) -> _Field:
        """A part of the surface, scaled."""
        scaled: _Field = (surface - np.float32(self.usual)) * np.float32(self.unit)
        return scaled


def _scale(surface: _Field, reach: int) -> _Scale:
    """A surface that is as smooth as the reach is wide has been asked at few places only, and its best is not much: such trust
    is little.
    """
    far = _far(surface, reach)
    usual = percentiles(far[::4, ::4].ravel(), (50.0,))[0]
    best = float(far.max()) - usual
    if best < 1e-9 * surface.size:
        return _Scale(usual, 0.0, 0.0)
    some, next_to = far[:-1:2], far[1::2]
    steep = cv2.norm(some, next_to, cv2.NORM_L2SQR) + cv2.norm(some[:, 1:], some[:, :-1], cv2.NORM_L2SQR)
    square = cv2.norm(some, cv2.NORM_L2SQR) / some.size - cv2.mean(some)[0] ** 2
    deviation = float(np.sqrt(max(square, 0.0)))
    width = deviation * float(np.sqrt(2 * some.size / max(steep, 1e-30)))
    trust = 1.0 / (1.0 + (width / (_SMOOTH * min(surface.shape))) ** 4)
    return _Scale(usual, trust / best, trust)


def _far(surface: _Field, reach: int) -> _Field:
    """The shifts where the layers cannot belong."""
    return surface[2 * reach : -2 * reach, 2 * reach : -2 * reach]


def _near(surface: _Field, reach: int) -> _Field:
    """(2 reach + 1, 2 reach + 1): the shifts within reach, none in the middle."""
    rows = np.concatenate((surface[-reach:], surface[: reach + 1]))
    return np.concatenate((rows[:, -reach:], rows[:, : reach + 1]), axis=1)


def _votes(one: _Trace, other: _Trace, across: int, down: int) -> tuple[_Field, _Field]:
    """Of each of the blocks: what its borders gain when the second layer is moved back, and how much it has to say."""
    rows, columns = one.borders.shape
    top, left = max(0, -down), max(0, -across)
    height, width = ((side - abs(off)) // _BLOCKS * _BLOCKS for side, off in ((rows, down), (columns, across)))
    blocks = (_BLOCKS, height // _BLOCKS, _BLOCKS, 2 * width // _BLOCKS)
    here, there, before = (
        trace.borders[above : above + height, beside : beside + width].view(np.float32).reshape(blocks)
        for trace, above, beside in ((one, top, left), (other, top + down, left + across), (other, top, left))
    )
    gain, first, second = (
        cast("_Field", np.einsum("ijkl,ijkl->ik", one_side, other_side))
        for one_side, other_side in ((here, there - before), (here, here), (there, there))
    )
    return gain, np.sqrt(first * second)


def _best_turn(subject: Subject, first: LayerSpec, second: LayerSpec) -> tuple[float, str] | None:
    """(ratio, how) of the second layer mirrored or turned that fits the first best, on copies of half the size."""

    def make() -> tuple[float, str] | None:
        one, other = _trace(subject, first), _trace(subject, second)
        if one is None or other is None or one.borders.shape != other.borders.shape:
            return None
        one, other = _halved(one), _halved(other)
        rows, columns = one.borders.shape
        reach = _reach(one)
        still = _Spectra(one)
        best = (0.0, "")
        for turn, how in enumerate(_TURNS):
            if turn >= 3 and rows != columns:
                break
            borders, tones = _surfaces(still, _Spectra(_turn(other, turn)))
            if not _may_fit(borders, reach) and not _may_fit(tones, reach // 2):
                continue
            *_, both, _ = _near_fits(borders, tones, reach)
            ratio = float(both[reach - 2 : reach + 3, reach - 2 : reach + 3].max())
            best = max(best, (ratio, how))
        return best

    return subject.shared(("alignment turn", first.id, second.id), make)


def _may_fit(surface: _Field, reach: int) -> bool:
    """Whether layers fit where they are half as well as the best of the places where they cannot belong."""
    far = _far(surface, reach)
    usual = cv2.mean(far)[0]
    return float(_near(surface, 2).max()) - usual > 0.5 * (float(far.max()) - usual)


def _halved(trace: _Trace) -> _Trace:
    return _Trace(
        _half(trace.borders),
        tuple(_half(tone) for tone in trace.tones),
        tuple(_half(cause) for cause in trace.causes),
        2 * trace.step,
        trace.structure,
        trace.relief,
    )


def _half(field: _Array) -> _Array:
    """Half as many rows and columns, rounded up, of the same type."""
    rows, columns = field.shape
    parts: Any = field if field.dtype != np.complex64 else _parts(field)
    if rows % 2 or columns % 2:
        parts = cv2.copyMakeBorder(parts, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE)
    if field.dtype == np.complex64:  # OpenCV resizes two channels four times as slowly as numpy adds them up
        pairs = _complex(parts[::2] + parts[1::2])
        return cast("_Array", (pairs[:, ::2] + pairs[:, 1::2]) * np.float32(0.25))
    size = (-(-columns // 2), -(-rows // 2))
    return cast("_Array", cv2.resize(parts, size, interpolation=cv2.INTER_AREA))


def _turn(trace: _Trace, turn: int) -> _Trace:
    """The trace of the layer when mirrored or turned by one of `_TURNS`, 0 to 6.

    Doubled angles change their sine when mirrored, and both when turned by 90 degrees. Causes may change their signs or change
    places: they explain the same.
    """
    transposed, flip = turn >= 3, (1, 0, -1, None, 0, 1, -1)[turn]
    borders = np.conj(trace.borders) if turn in (0, 1, 3, 6) else trace.borders
    parts = _moved(_parts(borders), transposed, flip)
    if transposed:
        np.negative(parts, out=parts)  # six times as fast as that of complex numbers
    causes = tuple(
        _complex(_moved(_parts(cause), transposed, flip))
        if cause.dtype == np.complex64
        else _moved(cause, transposed, flip)
        for cause in trace.causes
    )
    return _Trace(_complex(parts), (), causes, trace.step, trace.structure, trace.relief)


def _moved(field: Any, transposed: bool, flip: int | None) -> Any:
    """Mirrored at the main diagonal, or not, and then flipped by a code of OpenCV's, or not."""
    if transposed:
        field = cv2.transpose(field)
    return field if flip is None else cv2.flip(field, flip)


# --- what others can see of a layer


def _trace(subject: Subject, layer: LayerSpec, most: int = SMALL) -> _Trace | None:
    """On the grid of a copy of the image; None where it has too few pixels to say anything."""
    return subject.shared(("alignment trace", layer.id, most), lambda: _traced(subject, layer, most))


def _traced(subject: Subject, layer: LayerSpec, most: int, outline: bool = False) -> _Trace | None:
    """`outline`: only sharp borders are asked for."""
    image = subject.image
    if image is None:
        return None
    grid = subject.plane(image.id, most)
    if min(grid.values.shape) < _LEAST_SIDE:
        return None
    if layer.kind is LayerKind.LABELS:
        labels, valid = (np.ascontiguousarray(part) for part in subject.labels_on(layer.id, image.id, most))
        if labels.shape != grid.values.shape or np.count_nonzero(valid) < _LEAST_SHARE * valid.size:
            return None
        return _labels_trace(labels, valid, grid.step, outline)
    plane = subject.plane_on(layer.id, image.id, most)
    if plane.values.shape != grid.values.shape or plane.share < _LEAST_SHARE:
        return None
    if layer.kind is LayerKind.HEIGHT:
        objects = subject.above_ground
        asked = objects is not None and objects.id == layer.id and _labels(subject) is not None
        return _heights_trace(plane, outline, asked=asked)
    return _picture_trace(plane, outline)


def _picture_trace(plane: Plane, outline: bool) -> _Trace:
    window = _window(plane.valid)
    values = cast("_Field", cv2.GaussianBlur(plane.values, *_BLUR[outline]))
    gradient = _gradient(values)
    # Edges count by how they stand out from their surroundings: those of a bright town do not drown those of a park.
    coarse = _half(_half(gradient.power))
    floor = 0.25 * float(np.sqrt(cv2.mean(coarse)[0])) + 0.25
    power = np.maximum(
        cv2.blur(coarse, (9, 9)), np.float32(0)
    )  # its running sums leave a little below 0 where nothing changes
    around = np.sqrt(power) * np.float32(0.5) + np.float32(floor)
    rows, columns = values.shape
    borders = _doubled(gradient, cast("_Field", cv2.resize(around, (columns, rows))), window)
    structure = float(cv2.mean(gradient.length)[0])
    if outline:
        return _Trace(borders, (), (), plane.step, structure)
    tone = _high_pass(_half(values), _half(window))
    return _Trace(borders, (tone,), (tone,), plane.step, structure / (structure + 1.0))


def _heights_trace(plane: Plane, outline: bool, *, asked: bool) -> _Trace:
    """`asked`: as a third layer, whose tones labels explain."""
    middle = np.float32(percentiles(plane.values[::8, ::8].ravel(), (50.0,))[0])
    values = plane.values - middle
    values = cast("_Field", cv2.GaussianBlur(np.clip(values, -1e4, 1e4, out=values), *_BLUR[outline]))
    if (
        max(cv2.norm(values[1:], values[:-1], cv2.NORM_INF), cv2.norm(values[:, 1:], values[:, :-1], cv2.NORM_INF))
        < _STEP
    ):
        return _nothing(plane.step)
    gradient = _gradient(values)
    steepness = gradient.length
    steep = float(np.count_nonzero(steepness > 2 * _STEP)) / steepness.size
    structure = steep / (steep + 0.03)
    if structure < _FAINT:
        return _nothing(plane.step)
    window = _window(plane.valid)
    usual = float(cv2.mean(steepness)[0])
    borders = _doubled(gradient, max(_STEP, usual), window)
    if outline:
        return _Trace(borders, (), (), plane.step, usual)
    softly = _half(window / (steepness + np.float32(usual + 1e-6)))
    causes = _orthonormal([_centred(_half(slope) * softly) for slope in (gradient.east, gradient.south)])
    coarse = _half(values)
    tones = (_high_pass(np.log1p(np.abs(coarse)) * np.sign(coarse), _half(window)),) if asked else ()
    evenness = usual**2 / max(float(cv2.norm(steepness, cv2.NORM_L2SQR)) / steepness.size, 1e-12)
    return _Trace(borders, tones, _paired(causes), plane.step, structure, evenness > _EVEN)


def _labels_trace(labels: NDArray[Any], valid: NDArray[np.bool_], step: float, outline: bool) -> _Trace:
    codes = _coded(labels)
    known = None if valid.all() else np.ascontiguousarray(valid[::2, ::2]).view(np.uint8)
    counts = cv2.calcHist([np.ascontiguousarray(codes[::2, ::2])], [0], known, [_CODES], [0, _CODES]).ravel()
    order = np.argsort(-counts)
    least = 0.01 * counts.sum()
    common = [int(value) for value in order[:_CLASSES] if counts[value] >= least > 0]
    edge = _EDGE * float(_changes(codes[1:], codes[:-1]) + _changes(codes[:, 1:], codes[:, :-1])) / codes.size
    structure = edge / (edge + 0.03) if len(common) > 1 else 0.0
    if structure < _FAINT:
        return _nothing(step)
    window = _window(valid)
    easts, souths, sine = np.zeros((3, *labels.shape), np.float32)
    for bits in _BITS:
        east, south = _slopes(cv2.sepFilter2D(cv2.LUT(codes, bits), cv2.CV_32F, _SOFTLY, _SOFTLY))
        cv2.accumulateSquare(east, easts)
        cv2.accumulateSquare(south, souths)
        cv2.accumulateProduct(east, south, sine)
    cosine = np.subtract(easts, souths, out=easts)
    sine *= 2
    square = cv2.magnitude(cosine, sine)
    weight = cv2.sqrt(square)
    weight *= np.float32(_SOFT)
    weight += square
    weight += np.float32(1e-6)
    cv2.divide(window, weight, dst=weight)
    borders = _complex(cv2.merge((np.multiply(cosine, weight, out=cosine), np.multiply(sine, weight, out=sine))))
    if outline:
        return _Trace(borders, (), (), step, 0.0)
    softly = _half(window)
    # What no two of them share has nothing to do with each other, and the means do not matter to tones, which have none.
    causes = [_normal(softly * _half(_same(codes, value))) for value in common]
    return _Trace(borders, (), _paired(causes), step, structure)


def _nothing(step: float) -> _Trace:
    return _Trace(np.empty((0, 0), np.complex64), (), (), step, 0.0)


def _same(codes: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    """255 where a class is."""
    return cast("NDArray[np.uint8]", cv2.inRange(codes, value, value))


def _changes(codes: Any, neighbours: Any) -> int:
    return cv2.countNonZero(cv2.compare(codes, neighbours, cv2.CMP_NE))


def _coded(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Every class as a number below `_CODES`; what is more shares the last."""
    if labels.dtype == np.uint8:
        return np.ascontiguousarray(labels)
    _, codes = np.unique(labels, return_inverse=True)
    return np.minimum(codes, _CODES - 1).astype(np.uint8).reshape(labels.shape)


class _Gradient(NamedTuple):
    """A pixel: to the east and to the south; the sum of their squares, and the difference; and its length."""

    east: _Field
    south: _Field
    power: _Field
    difference: _Field
    length: _Field


def _slopes(values: Any) -> tuple[Any, Any]:
    """To the east and to the south, by Sobel's operator."""
    east = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
    return east, cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)


def _gradient(values: Any) -> _Gradient:
    east, south = _slopes(values)
    first, second = cv2.multiply(east, east), cv2.multiply(south, south)
    power = cv2.add(first, second)
    difference, length = cv2.subtract(first, second, dst=first), cv2.sqrt(power, dst=second)
    return _Gradient(*cast("list[_Field]", [east, south, power, difference, length]))


def _doubled(gradient: _Gradient, soft: _Field | float, window: _Field) -> _Complex:
    """See `_Trace.borders`. A gradient of `soft` weighs a half."""
    weight: Any = gradient.length + soft
    weight = cv2.multiply(weight, gradient.length, dst=weight)
    weight += np.float32(1e-9)
    weight = cv2.divide(window, weight, dst=weight)
    cosine, sine = cv2.multiply(gradient.difference, weight), cv2.multiply(gradient.east, gradient.south)
    sine = cv2.multiply(sine, weight, dst=sine, scale=2.0)
    return _complex(cv2.merge((cosine, sine)))


def _high_pass(values: _Field, window: _Field) -> _Field:
    """Without what is larger than some 25 pixels, softly limited, with a mean of 0 and a length of 1."""
    fine = values - cv2.blur(values, (25, 25))
    usual = float(cv2.mean(np.abs(fine))[0])
    scaled = fine * np.float32(1.0 / (3 * usual + 1e-3))
    limited = _centred(scaled / (1 + np.abs(scaled)) * window)
    return _normal(limited)


def _centred(field: Any) -> _Field:
    return cast("_Field", field - np.float32(cv2.mean(field)[0]))


def _normal(field: Any) -> _Field:
    """Of length 1."""
    return cast("_Field", field * np.float32(1.0 / max(float(cv2.norm(field)), 1e-6)))


def _orthonormal(fields: Sequence[_Field]) -> list[_Field]:
    """As many fields, or fewer, that span the same, each of length 1 and none with anything of another."""
    found: list[_Field] = []
    for field in fields:
        rest = _normal(field)
        for other in found:
            rest = rest - other * np.float32(np.dot(rest.ravel(), other.ravel()))
        if cv2.norm(rest) > 0.03:
            found.append(_normal(rest))
    return found


def _paired(fields: Sequence[_Field]) -> tuple[_Complex, ...]:
    """Two fields as one."""
    pairs = zip_longest(fields[::2], fields[1::2])
    return tuple(_complex(cv2.merge((one, np.zeros_like(one) if other is None else other))) for one, other in pairs)


def _window(valid: NDArray[np.bool_]) -> _Field:
    """(rows, columns) 0..1: 0 at and beside invalid pixels, and falling to 0 at the edges, which shifts lay on each other."""
    whole = _whole_window(*valid.shape)
    if valid.all():
        return whole
    inside = cv2.erode(valid.view(np.uint8), np.ones((7, 7), np.uint8), borderValue=1)
    return whole * inside


@lru_cache(maxsize=8)
def _whole_window(rows: int, columns: int) -> _Field:
    ramps = [
        np.clip(np.minimum(np.arange(side), np.arange(side)[::-1]) / np.float32(0.08 * side), 0, 1)
        for side in (rows, columns)
    ]
    whole: _Field = np.outer(*ramps).astype(np.float32)
    whole.flags.writeable = False
    return whole


_SHIFT_HELP = "Length of the shift in pixels of the full-resolution image, times the confidence that there is one."
_SHIFT_WHY = (
    "Shadows and leaning walls move borders by some three pixels on good tiles; less is suspicious in a group where hardly any "
    "layer is moved at all, and what else is usual, the dataset says."
)
_DATES_WHY = (
    "Good pairs lie on each other within a pixel, and one pixel already costs change detection much accuracy (Dai and Khorram "
    "1998); what else is usual, the dataset says."
)
_PAIR_HELP = (
    "How much structure both layers have while they fit each other no better than where they cannot belong, 0 to 1."
)
_PAIR_WHY = (
    "Layers of one place fit each other 1.5 to 10 times as well as by chance, those of different places hardly ever."
)
_TURN_HELP = "By how many times the best chance fit the turned layer fits better than it does as it is."
_TURN_WHY = (
    "Turned back, a layer of the right place fits 2 to 10 times as well as by chance, any other hardly 1.5 times."
)

CHECKS: tuple[Check, ...] = (
    Check(
        "height_shift",
        "Heights shifted against the image",
        Topic.ALIGNMENT,
        "px",
        _SHIFT_HELP,
        "misaligned",
        4.0,
        _SHIFT_WHY,
        spread=4.0,
        most=8.0,
        calm=1.5,
        run=_height_shift,
    ),
    Check(
        "height_pair",
        "Heights of another place",
        Topic.ALIGNMENT,
        "",
        _PAIR_HELP,
        "misaligned",
        0.4,
        _PAIR_WHY,
        spread=6.0,
        run=_height_pair,
    ),
    Check(
        "height_turned",
        "Heights mirrored or turned",
        Topic.ALIGNMENT,
        "",
        _TURN_HELP,
        "misaligned",
        0.6,
        _TURN_WHY,
        run=_height_turned,
    ),
    Check(
        "label_shift",
        "Labels shifted against the image",
        Topic.ALIGNMENT,
        "px",
        _SHIFT_HELP,
        "misaligned",
        3.5,
        _SHIFT_WHY,
        spread=4.0,
        most=8.0,
        calm=1.5,
        run=_label_shift,
    ),
    Check(
        "label_pair",
        "Labels of another place",
        Topic.ALIGNMENT,
        "",
        _PAIR_HELP,
        "misaligned",
        0.4,
        _PAIR_WHY,
        spread=6.0,
        run=_label_pair,
    ),
    Check(
        "label_turned",
        "Labels mirrored or turned",
        Topic.ALIGNMENT,
        "",
        _TURN_HELP,
        "misaligned",
        0.6,
        _TURN_WHY,
        run=_label_turned,
    ),
    Check(
        "date_shift",
        "Images before and after misregistered",
        Topic.ALIGNMENT,
        "px",
        _SHIFT_HELP,
        "misaligned",
        2.0,
        _DATES_WHY,
        spread=4.0,
        most=8.0,
        calm=1.0,
        run=_date_shift,
    ),
    Check(
        "date_pair",
        "Images before and after of different places",
        Topic.ALIGNMENT,
        "",
        "How much structure both images have while they fit each other no better than where they cannot belong, 0 to 1, less "
        "where much is marked as changed.",
        "misaligned",
        0.4,
        "Two dates of one place fit each other 2 to 8 times as well as by chance, those of different places hardly ever 1.3 "
        "times; where a third is marked, all may have been built over.",
        spread=6.0,
        calm=0.25,
        run=_date_pair,
    ),
)

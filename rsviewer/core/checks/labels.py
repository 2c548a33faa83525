"""Whether labels can be labels, and fit the heights and the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks import drawing
from rsviewer.core.checks.check import Check, Evidence, Sign, Topic, percent
from rsviewer.core.checks.drawing import MOST_CLASSES, class_layers
from rsviewer.core.checks.explaining import Fit, channels, colours, fit, small_size
from rsviewer.core.checks.subject import SMALL, Plane, Subject
from rsviewer.core.classes import aliases
from rsviewer.core.heights import HeightKind
from rsviewer.core.naming import keys
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LabelClass, LayerKind, LayerSpec

LOOKS = ("red", "green", "blue", "spread", "height", "thinness")
"""What `class_looks` says of every class, in this order."""

_T = TypeVar("_T", bound=np.generic)

_FEWEST = 200
"""Pixels of the small copy from which on a class can be judged: below it is a corner of something."""
_ASKED = 1_024
"""Pixels that tell a median well enough."""
_HALF = SMALL // 2
_UNKNOWN = 255
"""The code of pixels without a known class."""
_BEYOND = 1e6
"""Metres that are no height."""
_METRES = {"": 1.0, "m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "us-ft": 0.3048006}


@dataclass(frozen=True, slots=True)
class _Stature:
    """How high the pixels of a class are.

    Attributes:
        stands: upright, so that pixels below the limit are wrong; else those above are.
        limit: metres.
        trust: 0..1, how much a wrong pixel says. Trees hang over roads, and bridges are roads.
        whole: share of the tile from which on all pixels of the class need not be wrong; 0 where the share of the class counts.
    """

    stands: bool
    limit: float
    trust: float = 1.0
    whole: float = 0.0


_UPRIGHT = _Stature(True, 1.0)
_WATER = _Stature(False, 3.0, whole=0.1)
_BARE = _Stature(False, 3.0)
_GREEN = _Stature(False, 4.0)
_FIELD = _Stature(False, 6.0)
_PAVED = _Stature(False, 5.0, trust=0.75)
_STATURES: Mapping[str, _Stature] = {
    **dict.fromkeys(("building", "roof", "house", "tree", "forest", "wood"), _UPRIGHT),
    **dict.fromkeys(("water", "waterbodie", "river", "lake", "sea", "pond"), _WATER),
    **dict.fromkeys(("bareland", "bare", "barren", "baresoil", "soil", "ground", "sand"), _BARE),
    **dict.fromkeys(("rangeland", "grassland", "lowvegetation", "lawn", "meadow"), _GREEN),
    **dict.fromkeys(("agricultureland", "agricultural", "agriculture", "crop", "field"), _FIELD),
    **dict.fromkeys(("road", "street", "impervioussurface", "developedspace", "parking", "railway"), _PAVED),
}
"""By `core.naming.keys` of a class, whatever the palette. Crops are up to 4 m high, orchards and vines less than 6 m."""

_DOUBT = 300
"""Pixels of the small copy at which a class counts half."""
_SHOWN = 20.0
"""Percent of a class that must be wrong to be shown as evidence."""
_NAMED = 4
"""Classes or values that a message names, at most."""
_ONE = 0.995
"""Share of a class from which on there is but one."""
_BLOCKS, _BLOCK = 16, 16
_MIXED = 0.2
"""Share of all but the largest class from which on it can be told whether they fit the picture."""
_LITTLE = 0.01
"""Share of a picture's variation that is too little to tell."""
_WORST = 2.0
"""So many times what the classes explain as they lie is as bad as more."""


def class_shares(subject: Subject) -> tuple[float, ...] | None:
    """How much of a tile each class covers, for comparing tiles: 0..1 of the pixels that have a class.

    Returns:
        One number for each of `LayerSpec.classes` of the first label layer of the dataset, in their order: 0 for a class that
        is not there, NaN for void ones. None where the tile has no such layer, or nothing in it is labelled.
    """
    spec = _landcover(subject)
    if spec is None:
        return None
    counts = _counts(subject, spec, spec)[: len(spec.classes)]
    counts[[k for k, one in enumerate(spec.classes) if one.void]] = 0
    total = int(counts.sum())
    if not total:
        return None
    return tuple(
        float("nan") if one.void else float(count) / total for one, count in zip(spec.classes, counts, strict=True)
    )


def class_looks(subject: Subject) -> tuple[float, ...] | None:
    """What each class looks like in a tile, for comparing tiles. All but the thinness looks at pixels off the class borders.

    Returns:
        `len(LOOKS)` numbers for each of `LayerSpec.classes` of the first label layer of the dataset, in their order: the means
        of the bands shown as red, green and blue, as stored; the standard deviation of the brightness (0..255, see
        `Subject.plane`); the median height above ground in metres; the share of its pixels that lie on its borders, 0..1
        (roads are thin, fields are not). NaN for void classes, for those of fewer than 200 pixels (of at most 256 x 256),
        and for what the tile has no layer for. None where there is no label layer, or no class to say anything of.
    """
    spec, image = _landcover(subject), subject.image
    if spec is None:
        return None
    target = spec if image is None else image
    counts, cores = _counts(subject, spec, target), _core_counts(subject, spec, target)
    found = np.full((len(spec.classes), len(LOOKS)), np.nan)
    known = [k for k, one in enumerate(spec.classes) if not one.void and cores[k] >= _FEWEST]
    if image is not None and known:
        found[known, :4] = _colours_of(subject, image, _inner_codes(subject, spec, target), known)
    for k, (_, median) in _heights_of(subject, spec, target).items():
        found[k, 4] = median
    found[known, 5] = 1.0 - cores[known] / counts[known]
    found[~np.isfinite(found)] = np.nan
    return None if np.isnan(found).all() else tuple(found.ravel().tolist())


def _colours_of(
    subject: Subject, image: LayerSpec, codes: NDArray[np.uint8], classes: Sequence[int]
) -> NDArray[np.float64]:
    """(classes, 4): means of the bands shown, NaN where there are fewer, and the standard deviation of brightness."""
    bands = colours(subject, image)
    values = cv2.merge([_thinned(each).astype(np.float32) for each in (*bands, subject.plane(image.id).values)])
    found = np.full((len(classes), 4), np.nan)
    for row, k in zip(found, classes, strict=True):
        means, spreads = cv2.meanStdDev(values, mask=(codes == k).view(np.uint8))
        row[: len(bands)], row[3] = means[:-1, 0], spreads[-1, 0]
    return found


# --- values


def _unknown_class(subject: Subject) -> Iterator[Sign]:
    for spec in subject.rasters(LayerKind.LABELS, LayerKind.MASK):
        if not 0 < len(spec.classes) <= MOST_CLASSES:
            continue
        raster = subject.raster(spec.id)
        values, valid = raster.pixels[0], raster.valid[0]
        here = int(valid.size if _is_everywhere(valid) else np.count_nonzero(valid))
        wrong = here - _known(values, valid, spec.classes, whole=_is_everywhere(valid))
        if wrong and spec.kind is LayerKind.MASK:  # stored as 0 and 1, or as 0 and 255
            twins = [LabelClass(value, "", (0, 0, 0)) for value in (1, 255) if aliases(spec, (0, value))]
            wrong = here - _known(values, valid, (*spec.classes, *twins[:1]), whole=_is_everywhere(valid))
        if not wrong:
            yield Sign(0.0, "all values are classes", spec.id)
            continue
        odd = (_coded(values, valid, spec.classes) == _UNKNOWN) & valid
        found, counts = np.unique(real(values[odd]), return_counts=True)
        most = [f"{value:g}" for value in found[np.argsort(-counts, kind="stable")][:_NAMED].tolist()]
        named = ", ".join(most) + (f" and {found.size - _NAMED} more" if found.size > _NAMED else "")
        message = f"{wrong:,} px have values that are no class: {named}"
        yield Sign(100.0 * wrong / here, message, spec.id, Evidence(spec.id, odd) if subject.wants_evidence else None)


def _known(values: NDArray[Any], valid: NDArray[np.bool_], classes: Sequence[LabelClass], *, whole: bool) -> int:
    """Valid pixels that have a class."""
    if values.dtype != np.uint8 or not whole:
        return int(np.count_nonzero(_coded(values, valid, classes) != _UNKNOWN))
    known = {one.value for one in classes}
    if values.size and known.issuperset(range(int(values.min()), int(values.max()) + 1)):
        return values.size
    counts = cv2.calcHist([values], [0], None, [256], [0, 256]).ravel()
    return int(sum(counts[value] for value in known if 0 <= value <= 255))


def _one_class(subject: Subject) -> Iterator[Sign]:
    image = subject.image
    for spec in class_layers(subject):
        if image is None or subject.raster(image.id).pixels.dtype != np.uint8:
            continue  # other pictures are stretched until they have contrast
        counts = _counts(subject, spec, image)[: len(spec.classes)]
        total = int(counts.sum())
        if total < _FEWEST:
            continue
        largest = int(np.argmax(counts))
        if counts[largest] < _ONE * total:
            continue
        within, between = _contrasts(subject.plane(image.id))
        name = spec.classes[largest].name
        message = (
            f'everything is "{name}", but brightness differs by {between:.0f} between regions, {within:.0f} within'
        )
        yield Sign((within * between) ** 0.5, message, spec.id)


def _contrasts(plane: Plane) -> tuple[float, float]:
    """How much brightness varies within blocks (the median of their standard deviations), and how much their means do."""
    values = cv2.resize(plane.values, (_BLOCKS * _BLOCK, _BLOCKS * _BLOCK), interpolation=cv2.INTER_AREA)
    blocks = values.reshape(_BLOCKS, _BLOCK, _BLOCKS, _BLOCK)
    return float(np.median(blocks.std((1, 3)))), float(blocks.mean((1, 3)).std())


def _unlabelled(subject: Subject) -> Iterator[Sign]:
    for spec in class_layers(subject):
        counts = _counts(subject, spec, subject.image or spec)
        total = int(counts.sum())
        labelled = sum(int(counts[k]) for k, one in enumerate(spec.classes) if not one.void)
        if total:
            share = 100.0 * (total - labelled) / total
            yield Sign(share, f"{percent(share)} of the pixels have no class", spec.id)


# --- heights


@dataclass(frozen=True, slots=True, eq=False)
class _ClassHeights:
    """The heights of a class.

    Attributes:
        code: its position in `LayerSpec.classes`.
        heights: (n,) of its pixels off the borders, metres, see `_heights_of`.
        count: of these pixels.
        wrong: share of them that are too low or too high for it, 0..1.
        median: metres.
    """

    code: int
    stature: _Stature
    heights: NDArray[np.float32]
    count: int
    wrong: float
    median: float

    def words(self, spec: LayerSpec) -> str:
        """Buildings 0.1 m (median of 5,120 px)."""
        return f"{spec.classes[self.code].name} {self.median:.1f} m (median of {self.count:,} px)"


def _height_class(subject: Subject) -> Iterator[Sign]:
    for spec in class_layers(subject):
        target = subject.image or spec
        heights, found = _above_ground(subject, target), _class_heights(subject, spec, target)
        if heights is None or not found:
            continue
        scores = [_wrong_share(one, heights.values.size) for one in found]
        worst = int(np.argmax(scores))
        one = found[worst]
        name = spec.classes[one.code].name
        how = f"{'are' if name.endswith('s') else 'is'} too {'low' if one.stature.stands else 'high'}"
        others = [other.words(spec) for k, other in enumerate(found) if k != worst]
        message = f"{100 * one.wrong:.0f} % of {name} {how}: {'; '.join([one.words(spec), *others[:_NAMED]])}"
        evidence = None
        if subject.wants_evidence:
            bad = [other for other, score in zip(found, scores, strict=True) if score > _SHOWN]
            evidence = Evidence(target.id, _misfits(_inner(_codes(subject, spec, target)), bad or [one], heights))
        yield Sign(scores[worst], message, spec.id, evidence)


def _height_order(subject: Subject) -> Iterator[Sign]:
    for spec in class_layers(subject):
        target = subject.image or spec
        heights, found = _above_ground(subject, target), _class_heights(subject, spec, target)
        upright, lying = ([one for one in found if one.stature.stands is stands] for stands in (True, False))
        fewest = min(sum(one.count for one in upright), sum(one.count for one in lying))
        if heights is None or fewest < _FEWEST:
            continue
        high, low = (_spectrum(np.concatenate([one.heights for one in side])) for side in (upright, lying))
        below = np.cumsum(low) - 0.5 * low
        wrong = 1.0 - float((high * below).sum() / (high.sum() * low.sum()))
        message = (
            f"in {100 * wrong:.0f} % of all pairs of pixels what lies is higher than what stands (50 % is chance): "
            + "; ".join(one.words(spec) for one in (*upright, *lying)[: _NAMED + 1])
        )
        evidence = None
        if subject.wants_evidence:
            evidence = Evidence(target.id, _misfits(_inner(_codes(subject, spec, target)), found, heights))
        yield Sign(100.0 * wrong * fewest / (fewest + _DOUBT), message, spec.id, evidence)


def _class_heights(subject: Subject, spec: LayerSpec, target: LayerSpec) -> list[_ClassHeights]:
    """Of all classes that say how high they are and have enough pixels."""

    def made() -> list[_ClassHeights]:
        pixels = _every(_codes(subject, spec, target)) ** 2
        found = []
        for k, (heights, median) in _heights_of(subject, spec, target).items():
            stature = _stature(spec.classes[k].name)
            if stature is not None:
                wrong = heights < stature.limit if stature.stands else heights > stature.limit
                share = float(np.count_nonzero(wrong)) / heights.size
                found.append(_ClassHeights(k, stature, heights, heights.size * pixels, share, median))
        return found

    return subject.shared(("class heights", spec.id, target.id), made)


@lru_cache(maxsize=1024)
def _stature(name: str) -> _Stature | None:
    """Of a class; None where its name does not say."""
    return next((_STATURES[key] for key in keys(name) if key in _STATURES), None)


def _wrong_share(one: _ClassHeights, pixels: int) -> float:
    """Percent, less for small classes."""
    count = min(one.count, one.stature.whole * pixels) if one.stature.whole else one.count
    share = min(1.0, one.wrong * one.count / count)
    return 100.0 * share * one.stature.trust * one.count / (one.count + _DOUBT)


def _misfits(codes: NDArray[np.uint8], found: Sequence[_ClassHeights], heights: Plane) -> NDArray[np.bool_]:
    """Where classes are too low or too high."""
    everywhere = np.zeros(codes.shape, bool)
    for one in found:
        wrong = heights.values < one.stature.limit if one.stature.stands else heights.values > one.stature.limit
        everywhere |= (codes == one.code) & wrong & heights.valid
    return everywhere


def _spectrum(heights: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often heights occur, in steps of 5 cm from -5 to 97.4 m, what is beyond at the ends."""
    values = np.clip(heights, np.float32(-4.99), np.float32(97.39))
    counts = cv2.calcHist([values], [0], None, [2048], [-5.0, 97.4])
    return cast("NDArray[np.float64]", counts.ravel().astype(np.float64))


# --- the picture


def _label_colour(subject: Subject) -> Iterator[Sign]:
    for spec, found in _fits(subject):
        message = (
            f"classes explain {100 * found.as_is:.0f} % of what the picture shows; "
            f"by chance, laid over it anyhow, {100 * found.chance:.0f} %"
        )
        score = 100.0 * min(_WORST, found.chance / (found.as_is + _LITTLE)) * min(1.0, (1.0 - found.largest) / _MIXED)
        yield Sign(score, message, spec.id, _doubted(subject, spec))


def _doubted(subject: Subject, spec: LayerSpec) -> Evidence | None:
    """Everything that has a class."""
    image = subject.image
    if image is None or not subject.wants_evidence:
        return None
    return Evidence(image.id, _codes(subject, spec, image) != _UNKNOWN)


def _fits(subject: Subject) -> Iterator[tuple[LayerSpec, Fit]]:
    image = subject.image
    for spec in class_layers(subject):
        fit = None if image is None else subject.shared(("class fit", spec.id), partial(_fit, subject, spec, image))
        if fit is not None:
            yield spec, fit


def _fit(subject: Subject, spec: LayerSpec, image: LayerSpec) -> Fit | None:
    def parts() -> NDArray[np.float32]:
        plane = subject.plane(image.id)
        return channels([plane.values], plane.valid, colours(subject, image, _HALF))

    return fit(_codes(subject, spec, image), len(spec.classes), parts)


# --- copies


def _landcover(subject: Subject) -> LayerSpec | None:
    """The first label layer of the dataset, where the tile has it and its classes are known."""
    first = next((spec for spec, _ in subject.contents if spec.kind is LayerKind.LABELS), None)
    known = first is not None and 0 < len(first.classes) <= MOST_CLASSES
    return first if known and first in subject.rasters(LayerKind.LABELS) else None


def _codes(subject: Subject, spec: LayerSpec, target: LayerSpec) -> NDArray[np.uint8]:
    """The classes of a label layer on the grid of the small copy of another layer, as positions in `spec.classes`."""

    def made() -> NDArray[np.uint8]:
        own = subject.labels(spec.id)
        values, valid = found = own if target is spec else subject.labels_on(spec.id, target.id)
        if found is own and target is not spec:
            return _codes(subject, spec, spec)
        rows, columns = small_size(subject.raster(target.id).pixels.shape[1:])
        # Thinned-out labels may have a row or column more than a reduced picture.
        return _coded(values[:rows, :columns], valid[:rows, :columns], spec.classes)

    return subject.shared(("class codes", spec.id, target.id), made)


def _coded(values: NDArray[Any], valid: NDArray[np.bool_], classes: Sequence[LabelClass]) -> NDArray[np.uint8]:
    """Class values of any type as positions in `classes`; `_UNKNOWN` where they are none or not valid."""
    low, high = min(one.value for one in classes) - 1, max(one.value for one in classes) + 1
    if values.dtype == np.uint8:
        low, high = 0, 255
    elif low < -(2**15) or high >= 2**16:
        return _compared(values, valid, classes)
    table = np.full(high - low + 1, _UNKNOWN, np.uint8)
    for k, one in enumerate(classes):
        if low <= one.value <= high:
            table[one.value - low] = k
    codes: NDArray[np.uint8]
    if not values.size:
        return np.zeros(values.shape, np.uint8)
    if values.dtype == np.uint8:
        codes = cast("NDArray[np.uint8]", cv2.LUT(np.ascontiguousarray(values), table))
    else:
        numbers = real(values)
        with np.errstate(invalid="ignore"):
            inside = (numbers > low) & (numbers < high)
        whole = np.full(numbers.shape, low, np.int32)
        np.copyto(whole, numbers, where=inside, casting="unsafe")
        codes = np.where(inside & (whole == numbers), table.take(whole - low), np.uint8(_UNKNOWN))
    if not _is_everywhere(valid) and not valid.all():
        codes = np.where(valid, codes, np.uint8(_UNKNOWN))
    return codes


def _compared(values: NDArray[Any], valid: NDArray[np.bool_], classes: Sequence[LabelClass]) -> NDArray[np.uint8]:
    """As `_coded`, for classes whose values are far apart."""
    codes = np.full(values.shape, _UNKNOWN, np.uint8)
    numbers = real(values)
    for k, one in enumerate(classes):
        codes[(numbers == one.value) & valid] = k
    return codes


def _is_everywhere(valid: NDArray[np.bool_]) -> bool:
    """All pixels are valid, and nobody had to write it down for each."""
    return not any(valid.strides) and bool(valid.flat[0])


def _inner_codes(subject: Subject, spec: LayerSpec, target: LayerSpec) -> NDArray[np.uint8]:
    """Thinned out: their neighbours look like them."""
    return subject.shared(("inner codes", spec.id, target.id), lambda: _thinned(_inner(_codes(subject, spec, target))))


def _inner(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes but for pixels next to another class: those are mixed, and half a pixel of misalignment spoils them."""
    if not codes.size:
        return codes
    box = np.ones((3, 3), np.uint8)
    apart = cv2.absdiff(cv2.dilate(codes, box), cv2.erode(codes, box))
    return cast("NDArray[np.uint8]", cv2.max(codes, cv2.threshold(apart, 0, _UNKNOWN, cv2.THRESH_BINARY)[1]))


def _above_ground(subject: Subject, target: LayerSpec) -> Plane | None:
    """Heights above ground in metres on the grid of a layer's small copy: as stored, or surface less bare ground."""

    def made() -> Plane | None:
        direct = subject.above_ground
        if direct is not None:
            return _scaled(_on(subject, direct, target), direct)
        surface, ground = (subject.heights(kind) for kind in (HeightKind.SURFACE, HeightKind.GROUND))
        if not surface or not ground:
            return None
        upper = _scaled(_on(subject, surface[0], target), surface[0])
        lower = _scaled(_on(subject, ground[0], target), ground[0])
        if upper is None or lower is None:
            return None
        valid = upper.valid & lower.valid
        share = float(np.count_nonzero(valid)) / max(1, valid.size)
        return Plane(np.where(valid, upper.values - lower.values, np.float32(0)), valid, upper.step, share)

    return subject.shared(("above ground", target.id), made)


def _on(subject: Subject, layer: LayerSpec, target: LayerSpec) -> Plane:
    return subject.plane_on(layer.id, target.id)


def _scaled(plane: Plane, spec: LayerSpec) -> Plane | None:
    """In metres; None where nobody knows what the unit is."""
    factor = _METRES.get(spec.unit)
    if factor is None or factor == 1.0:
        return plane if factor else None
    return Plane(plane.values * np.float32(factor), plane.valid, plane.step, plane.share)


def _heights_of(
    subject: Subject, spec: LayerSpec, target: LayerSpec
) -> Mapping[int, tuple[NDArray[np.float32], float]]:
    """By class, heights above ground in metres of a part of its pixels off the borders, and their median; of large ones."""

    def made() -> Mapping[int, tuple[NDArray[np.float32], float]]:
        heights = _above_ground(subject, target)
        if heights is None:
            return {}
        codes = _inner_codes(subject, spec, target)
        if heights.share < 1.0:
            codes = np.where(_thinned(heights.valid), codes, np.uint8(_UNKNOWN))
        values = np.clip(_thinned(heights.values), np.float32(-_BEYOND), np.float32(_BEYOND))
        counts = _core_counts(subject, spec, target)
        known = [k for k, one in enumerate(spec.classes) if not one.void and counts[k] >= _FEWEST]
        pixels = _every(heights.values) ** 2
        found = {k: values[codes == k] for k in known}
        return {k: (chosen, _typical(chosen)) for k, chosen in found.items() if chosen.size * pixels >= _FEWEST}

    return subject.shared(("heights of classes", spec.id, target.id), made)


# --- counting


def _counts(subject: Subject, spec: LayerSpec, target: LayerSpec) -> NDArray[np.intp]:
    """(256,) pixels of each class on the grid of another layer's small copy, estimated from a part of them."""

    def made() -> NDArray[np.intp]:
        codes = _codes(subject, spec, target)
        return _counted(_thinned(codes)) * _every(codes) ** 2

    return subject.shared(("class counts", spec.id, target.id), made)


def _core_counts(subject: Subject, spec: LayerSpec, target: LayerSpec) -> NDArray[np.intp]:
    """The same of pixels off the class borders."""

    def made() -> NDArray[np.intp]:
        return _counted(_inner_codes(subject, spec, target)) * _every(_codes(subject, spec, target)) ** 2

    return subject.shared(("class core counts", spec.id, target.id), made)


def _counted(codes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """(256,) pixels of each code."""
    if not codes.size:
        return np.zeros(256, np.intp)
    return cast("NDArray[np.intp]", cv2.calcHist([codes], [0], None, [256], [0, 256]).ravel().astype(np.intp))


def _thinned(values: NDArray[_T]) -> NDArray[_T]:
    """Every second row and column of a copy that is large enough: a quarter of the pixels tells as much."""
    every = _every(values)
    return np.ascontiguousarray(values[::every, ::every])


def _every(values: NDArray[Any]) -> int:
    return 2 if min(values.shape) >= SMALL // 2 else 1


def _typical(values: NDArray[np.float32]) -> float:
    """The median of at least one number, or of some thousands of them."""
    return percentiles(values[:: 1 + values.size // _ASKED], (50.0,))[0]


CHECKS: tuple[Check, ...] = (
    Check(
        "unknown_class",
        "Values that are no class",
        Topic.LABELS,
        "%",
        "Valid pixels whose value the dataset's documentation does not list.",
        "wrong-label",
        least=0.01,
        why="A single one breaks a loss function that looks classes up; where all tiles have some, more than usual.",
        spread=8.0,
        sharpness=8.0,
        run=_unknown_class,
    ),
    Check(
        "one_class",
        "One class for an image of many things",
        Topic.LABELS,
        "",
        "By how much brightness (0..255) varies in a tile of one class: geometric mean of that within and between regions.",
        "wrong-label",
        least=22.0,
        why="Water, forests and fields vary by less than 20, towns by 22 to 35; where such tiles are common, more than usual.",
        spread=4.0,
        sharpness=4.0,
        run=_one_class,
    ),
    Check(
        "unlabelled",
        "Hardly anything labelled",
        Topic.LABELS,
        "%",
        "Pixels without a label: nodata, or of a class that means nothing.",
        "wrong-label",
        least=90.0,
        why="Where hardly any tile has so little, its labels were lost; where many have, a dataset is labelled in part "
        "only: above 100 % nothing is suspicious.",
        most=120.0,
        rare=0.03,
        sharpness=32,
        run=_unlabelled,
    ),
    *drawing.CHECKS,
    Check(
        "height_class",
        "Heights contradict a class",
        Topic.LABELS,
        "%",
        "Pixels of the worst class that are too high (water 3 m, roads 5 m) or too low (buildings and trees 1 m) for it.",
        "wrong-label",
        least=50.0,
        why="Half of a class: bridges, trees over roads and houses that are new or gone concern less of one.",
        spread=6.0,
        run=_height_class,
    ),
    Check(
        "height_order",
        "Heights do not follow the classes",
        Topic.LABELS,
        "%",
        "How often a pixel that should lie is higher than one that should stand: 0 where all is well, 50 by chance.",
        "wrong-label",
        least=8.0,
        why="Where classes and heights are of the same place it is below 5 %; where that is usual, more than usual.",
        spread=6.0,
        run=_height_order,
    ),
    Check(
        "label_colour",
        "Classes unrelated to colours and texture",
        Topic.LABELS,
        "%",
        "What the classes explain of the picture's variation when laid over it anyhow, of what they explain as they lie.",
        "wrong-label",
        least=70.0,
        why="100 % is chance; classes that belong to their picture explain half as much again, as a rule five times as much.",
        spread=6.0,
        run=_label_colour,
    ),
)

"""Whether a tile has what it should, in a form that can be read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic, amount, percent
from rsviewer.core.checks.subject import Plane, Subject
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.stretch import percentiles
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, Unreadable

_N = TypeVar("_N", bound=np.generic)

SAMPLED, _MANY = 8_192, 16_384
"""Heights that tell how they are spread, and that show what is rare; sorting takes longer than anything else."""
FEW = 64
"""Pixels below which nothing is said about how values are spread."""

_PICTURES = (LayerKind.OPTICAL, LayerKind.SAR)
_PLAIN = (*(count / part for part in (1, 2, 3) for count in range(part, 3 * part)), *(float(n) for n in range(3, 129)))
"""Ratios of pixel sizes that products have: 10 m on 30, 10 on 15, 30 on 90; beyond 3 only whole ones."""
_BLANK = 1.0
"""Times the spread of all other values by which a value must stand apart to be a mark for missing ones."""
_APART = 10.0
"""Metres by which it must in any case."""
_GAPS = 1_024
"""Distances of neighbouring levels that tell whether all are multiples of one."""
_FINE = 2.0
"""Mean distance of grey levels at which no bits are missing: where one band has it, the others need not be looked at."""
_LEVELS = 8
"""Levels below which nobody can tell whether they are regular: three roofs have three heights."""
_PIECE = 0.005
"""Share of a tile that a hole has to have: smaller ones are roofs and ponds."""
_SOLIDITY = 0.85
"""Share of its convex hull that a compact hole fills: discs and boxes, also of pixels, 0.95 and more, a shore 0.8 and less."""
_LEVEL_GROUND = 0.5
"""Metres that do not stand on the ground."""
_CUT_THROUGH = 0.15
"""Share of a line that must stand beside a part that was not written: it cuts through all that stands there at once."""
_THREAD = np.ones((3, 3), np.uint8)
"""What is narrower in some direction does not count: strewn pixels without a height, and threads from hole to hole."""
_GROUND = (HeightKind.GROUND, HeightKind.ELEVATION)
_CLIFF = 10.0
"""Times what neighbours usually differ by, for the cliffs around a filled hole: shores are a few times as steep at most."""
_FILLS = 2
"""Values that are looked at, the most frequent first: one may be a lake."""


# --- files


def unreadable(subject: Subject) -> Iterator[Sign]:
    """One sign a layer that has a file."""
    for spec, content in subject.contents:
        if isinstance(content, Unreadable):
            yield Sign(1.0, f"{spec.title} cannot be read: {content.reason.rstrip('.')}", spec.id)
        elif isinstance(content, Raster) and not content.pixels.size:
            yield Sign(1.0, f"{spec.title} has no pixels", spec.id)
    yield Sign(0.0, "")


def missing_layer(subject: Subject) -> Iterator[Sign]:
    """One sign for all layers together."""
    optional = {spec.id for spec, _ in subject.contents if spec.optional}
    titles = {spec.id: spec.title for spec, _ in subject.contents}
    gone = [layer for layer in subject.missing if layer not in optional]
    said = []
    if gone:
        said.append(f"no file for {', '.join(titles.get(layer, layer) for layer in gone)}, which other tiles have")
    if subject.duplicates:
        more = len(subject.duplicates)
        said.append(f"{more} more file{'s' * (more > 1)} that claim{'s' * (more == 1)} to be one of its layers")
    yield Sign(float(len(gone) + len(subject.duplicates)), "; ".join(said), gone[0] if gone else "")


# --- sizes and places


@dataclass(frozen=True, slots=True)
class _Fit:
    """How one layer lies on another.

    Attributes:
        size: pixels of the coarser one by which rows or columns are too many or too few.
        place: pixels of the coarser one between them; None where nobody knows where they lie.
        words: what to say of the place.
    """

    size: float
    place: float | None = None
    words: str = ""


def layer_size(subject: Subject) -> Iterator[Sign]:
    """One sign a layer, against the one that most others fit."""
    fits = _fits(subject)
    for spec, reference in _pairs(subject):
        raster, other = subject.raster(spec.id), subject.raster(reference.id)
        width, height = raster.full_size
        message = (
            f"{spec.title} has {width} x {height} pixels, {reference.title} {other.full_size[0]} x {other.full_size[1]}"
        )
        yield Sign(fits[spec.id, reference.id].size, message, spec.id)


def layer_place(subject: Subject) -> Iterator[Sign]:
    """One sign for every layer with a georeference, against the one that most others fit."""
    fits = _fits(subject)
    for spec, reference in _pairs(subject):
        fit = fits[spec.id, reference.id]
        if fit.place is not None:
            yield Sign(fit.place, f"{spec.title} lies {fit.words} {reference.title}", spec.id)


def _pairs(subject: Subject) -> list[tuple[LayerSpec, LayerSpec]]:
    """(layer, what it is to fit)."""

    def make() -> list[tuple[LayerSpec, LayerSpec]]:
        specs = subject.rasters()
        misfits = {spec.id: 0.0 for spec in specs}
        for (one, _), fit in _fits(subject).items():
            if fit.size or fit.place:
                misfits[one] += min(1.0, fit.size) + min(1.0, fit.place or 0.0)
        reference = min(specs, key=lambda spec: misfits[spec.id], default=None)
        return [(spec, reference) for spec in specs if reference is not None and spec is not reference]

    return subject.shared(("fitting pairs",), make)


def _fits(subject: Subject) -> dict[tuple[LayerId, LayerId], _Fit]:
    def make() -> dict[tuple[LayerId, LayerId], _Fit]:
        found: dict[tuple[LayerId, LayerId], _Fit] = {}
        for one, other in combinations(subject.rasters(), 2):
            fit = _fit(subject, subject.raster(one.id), subject.raster(other.id))
            found[one.id, other.id] = found[other.id, one.id] = fit
        return found

    return subject.shared(("fits",), make)


def _fit(subject: Subject, one: Raster, other: Raster) -> _Fit:
    if (one.full_size, one.transform, one.crs) == (other.full_size, other.transform, other.crs):
        return _Fit(0.0, None if one.transform is None else 0.0, "on")
    corners = None if None in (one.transform, other.transform) else _corners(subject, one, other)
    if corners is None:
        return _Fit(_size_misfit(one.full_size, other.full_size))
    width, height = (min(pair) for pair in zip(one.full_size, other.full_size, strict=True))
    if not np.isfinite(corners).all():
        return _Fit(0.0, float(max(width, height)), "elsewhere than")
    sides = np.array((np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[0]))))
    # Tiles of other pixels are cut at whole ones: half a pixel at either edge is nothing.
    slack = 0.0 if one.full_size == other.full_size else 1.0
    size = max(0.0, float(np.max(np.abs(sides - 1.0) * (width, height))) - slack)
    offsets = (corners - _SQUARE) * (width, height)
    middle = offsets.mean(0, keepdims=True)
    # Where a corner agrees, it is the size that does not. Grids of two CRS are turned against each other: their middles count.
    offsets = middle if one.crs != other.crs else np.vstack((offsets, middle))
    across, down = offsets[np.argmin(np.hypot(*offsets.T))]
    return _Fit(size, float(np.hypot(across, down)), f"{np.hypot(across, down):.1f} px away from")


_SQUARE = np.array(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)))


def _corners(subject: Subject, one: Raster, other: Raster) -> NDArray[np.float64] | None:
    """(4, 2): where the corners of one raster lie on another, 0..1 within it; NaN where far away, None where nobody knows."""
    side, around = 8, 2
    target, source = _sketch(one, side, 0), _sketch(other, side, around)
    if target is None or source is None:
        return None
    alignment = subject.align(target, source)
    if alignment.by_extent:
        return None
    there = np.isfinite(alignment.column) & np.isfinite(alignment.row)
    if np.count_nonzero(there) < side:
        return np.full((4, 2), np.nan)
    rows, columns = (np.indices(there.shape)[:, there] + 0.5) / side
    known = np.column_stack((columns, rows, np.ones_like(rows)))
    found = np.column_stack((alignment.column[there], alignment.row[there])).astype(np.float64) / side - around
    way = np.linalg.lstsq(known, found, rcond=None)[0]
    corners: NDArray[np.float64] = np.column_stack((_SQUARE, np.ones(4))) @ way
    return corners


def _sketch(raster: Raster, side: int, around: int) -> Raster | None:
    """The extent of a raster, and so many times itself around it, in a few pixels."""
    width, height = raster.full_size
    if raster.transform is None:
        return None
    a, b, c, d, e, f = raster.transform
    across, down = around * width, around * height
    cells = side * (1 + 2 * around)
    place = (a, b, c - a * across - b * down, d, e, f - d * across - e * down)
    if not np.isfinite(place).all():
        return None
    empty = np.zeros((1, cells, cells), np.uint8)
    return Raster(empty, empty > 0, place, raster.crs, raster.gsd, full_size=(width + 2 * across, height + 2 * down))


def _size_misfit(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Pixels of the coarser by which two sizes miss the nearest plain ratio that is the same in both directions."""
    fine, coarse = sorted((one, other), key=lambda size: size[0] * size[1], reverse=True)
    ratios = np.array(_PLAIN)
    off = [np.abs(small - large / ratios) for small, large in zip(coarse, fine, strict=True)]
    return float(np.min(np.maximum(*off)))


# --- values


def invalid_share(subject: Subject) -> Iterator[Sign]:
    """One sign a picture or height layer."""
    for spec in subject.rasters(*_PICTURES, LayerKind.HEIGHT):
        raster = subject.raster(spec.id)
        gone = _invalid(subject, spec)
        score = 0.0 if gone is None else _share(gone)
        evidence = None
        if gone is not None and score and subject.wants_evidence:
            evidence = Evidence(spec.id, gone)
        yield Sign(score, f"{percent(score)} of {spec.title} {_what_instead(raster, gone)}", spec.id, evidence)


def _invalid(subject: Subject, spec: LayerSpec) -> NDArray[np.bool_] | None:
    """(rows, columns): heights without a number, pixels of pictures without any. None where all are valid."""
    raster = subject.raster(spec.id)
    if spec.kind is LayerKind.HEIGHT:
        plane = subject.plane(spec.id, 0)
        return None if plane.share == 1.0 else ~plane.valid
    if set(raster.valid.strides) == {0} and raster.pixels.dtype.kind not in "fc":
        return None if raster.valid.flat[0] else np.ones(raster.pixels.shape[1:], bool)
    good = np.zeros(raster.pixels.shape[1:], bool)
    for pixels, valid in zip(raster.pixels, raster.valid, strict=True):
        usable = valid & np.isfinite(pixels) if pixels.dtype.kind in "fc" else valid
        if not usable.any():  # a band that is not there
            return np.ones_like(good)
        good |= usable
    return None if good.all() else ~good


def _what_instead(raster: Raster, gone: NDArray[np.bool_] | None) -> str:
    if gone is None:
        return "is missing"
    values = raster.pixels[0][gone]
    if values.dtype.kind in "fc":
        if np.isnan(values).any():
            return "is NaN"
        if np.isinf(values).any():
            return "is infinite"
    first = values.flat[0]
    return f"is {first:g}, which is nodata" if values.dtype.kind in "iuf" and np.all(values == first) else "is nodata"


def compact_hole(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer.

    Where a sensor gets no answer, measurements thin out: what is missing over water and beside houses is strewn, frayed and
    full of islands. What a program has cut out, or failed to write, is one piece with a plain outline.
    """
    for spec in subject.rasters(LayerKind.HEIGHT):
        plane = subject.plane(spec.id, 0)
        where, pieces = _compact(~plane.valid) if 1.0 - plane.share > _PIECE else (None, 0)
        score = 0.0 if where is None else _share(where)
        words = "one compact hole" if pieces == 1 else f"{pieces} compact holes"
        evidence = Evidence(spec.id, where) if score and subject.wants_evidence else None
        yield Sign(score, f"{percent(score)} of {spec.title} is missing in {words}", spec.id, evidence)


def _compact(gone: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """(rows, columns) where the compact holes are, and how many."""
    rows, columns = gone.shape
    found = np.zeros((rows, columns), bool)
    pieces = 0
    thick = cv2.morphologyEx(gone.view(np.uint8), cv2.MORPH_OPEN, _THREAD)
    for outline in cv2.findContours(thick, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        if cv2.contourArea(outline) < _PIECE * found.size:
            continue
        left, top, width, height = cv2.boundingRect(outline)
        at_side = left == 0 or left + width == columns
        if at_side and (top == 0 or top + height == rows):
            continue  # around a corner of the tile: there the scan ends
        around = (slice(top, top + height), slice(left, left + width))
        hull = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(outline) - (left, top), 1)
        within = cv2.bitwise_and(hull, thick[around])
        if cv2.countNonZero(within) >= _SOLIDITY * cv2.countNonZero(hull):
            found[around] |= within > 0
            pieces += 1
    return found, pieces


def _share(where: NDArray[np.bool_]) -> float:
    """Per cent; ten times as fast as their mean."""
    return 100.0 * np.count_nonzero(where) / where.size


def undeclared_nodata(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer."""
    for spec in subject.rasters(LayerKind.HEIGHT):
        plane = subject.plane(spec.id, 0)
        if plane.share < 1.0:
            yield _infinite(subject, spec)
        sample = _thinned(plane, _MANY)
        if sample.size >= FEW:
            found = _undeclared(subject, spec, plane, sample)
            yield found if found.score or spec not in subject.heights(*_GROUND) else _filled(subject, spec, plane)


def _infinite(subject: Subject, spec: LayerSpec) -> Sign:
    """What a division by nothing or an overflow left behind: unlike NaN nobody writes it on purpose, but as nodata."""
    raster = subject.raster(spec.id)
    if raster.pixels.dtype.kind != "f" or (raster.nodata is not None and math.isinf(raster.nodata)):
        return Sign(0.0, "", spec.id)
    where = np.isinf(raster.pixels[0])
    score = _share(where)
    evidence = Evidence(spec.id, where) if score and subject.wants_evidence else None
    return Sign(score, f"{percent(score)} of {spec.title} is infinite", spec.id, evidence)


def _undeclared(subject: Subject, spec: LayerSpec, plane: Plane, sample: NDArray[np.float32]) -> Sign:
    best = Sign(0.0, "", spec.id)
    ends = sample.min(), sample.max()
    if ends[1] - ends[0] <= _APART:
        return best
    for value in ends:
        same = sample == value
        if np.count_nonzero(same) < 3:
            continue
        rest = sample[~same]
        if rest.size < FEW // 2:
            continue
        low, high = float(rest.min()), float(rest.max())
        gap = min(abs(low - float(value)), abs(high - float(value)))
        # The lowest and the highest may stand apart a little; a mark for "nothing" is as far away as all others span together.
        if gap <= max(_BLANK * (high - low), _APART):
            continue
        where = (plane.values == value) & plane.valid
        score = _share(where)
        if score > best.score:
            message = (
                f"{percent(score)} of {spec.title} is {value:g}, {amount(gap, spec.unit or 'm')} from all other values"
            )
            best = Sign(score, message, spec.id, Evidence(spec.id, where) if subject.wants_evidence else None)
    return best


def _filled(subject: Subject, spec: LayerSpec, plane: Plane) -> Sign:
    """A hole that was filled with a value between the true ones: a plateau or a pit with cliffs all around.

    Of the ground only: roofs are plateaus. A lake has one height, too, but begins where its shore ends.
    """
    sample = height_sample(subject, spec.id)
    if sample.size < FEW or sample[-1] - sample[0] <= _APART:
        return Sign(0.0, "", spec.id)
    few = max(1, round(_PIECE * sample.size))
    values, counts = np.unique(sample[few:][sample[few:] == sample[:-few]], return_counts=True)
    every = sample_step(plane)
    for value in values[np.argsort(-counts)][:_FILLS]:
        if _cliff(plane.values[::every, ::every], plane.valid[::every, ::every], value)[0] <= _APART:
            continue
        cliff, where = _cliff(plane.values, plane.valid, value)
        steps = np.abs(np.diff(plane.values[::every], axis=1))
        slope = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        if cliff > max(_APART, _CLIFF * slope):
            score = _share(where)
            message = f"{percent(score)} of {spec.title} is {value:g}, {amount(cliff, spec.unit or 'm')} from what is beside it"
            return Sign(score, message, spec.id, Evidence(spec.id, where) if subject.wants_evidence else None)
    return Sign(0.0, "", spec.id)


def _cliff(values: NDArray[np.float32], valid: NDArray[np.bool_], value: np.float32) -> tuple[float, NDArray[np.bool_]]:
    """How far compact pieces of one value are from what is beside them, 0 where there are none, and where they are."""
    where, pieces = _compact((values == value) & valid)
    if not pieces:
        return 0.0, where
    beside = ring(where) & valid
    return float(np.median(np.abs(values[beside] - value))) if beside.any() else 0.0, where


def ring(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(rows, columns) the pixels beside these, corners too."""
    return (cv2.dilate(where.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~where


def unwritten_part(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer.

    Fields and water are level, too, but end anywhere and one after the other; what was not written ends along a line.
    """
    for spec in subject.rasters(LayerKind.HEIGHT):
        plane = subject.plane(spec.id, 0)
        ways = [(axis, backwards) for axis in (0, 1) for backwards in (False, True)]
        share, axis, backwards = max((_unwritten(plane, *way), *way) for way in ways)
        message, evidence = "", None
        if share:
            where = np.zeros(plane.values.shape, bool)
            lines = _from_end(where, axis, backwards)
            lines[: round(share * len(lines))] = True
            message = f"{percent(100 * share)} of {spec.title} is {plane.values[where][0]:g}, up to a straight line"
            evidence = Evidence(spec.id, where) if subject.wants_evidence else None
        yield Sign(100.0 * share, message, spec.id, evidence)


def _from_end(values: NDArray[_N], axis: int, backwards: bool) -> NDArray[_N]:
    """The rows (axis 0) or columns, beginning with the first or the last."""
    lines = values if axis == 0 else values.T
    return lines[::-1] if backwards else lines


def _unwritten(plane: Plane, axis: int, backwards: bool) -> float:
    """Share of the lines that hold one value, from one end on; 0 where the next one holds hardly another, or none is left."""
    values, valid = _from_end(plane.values, axis, backwards), _from_end(plane.valid, axis, backwards)
    value = values[0, 0]
    if not (values[0] == value).all() or not valid[0].all():
        return 0.0
    ends = np.flatnonzero(((values != value) | ~valid).any(axis=1))
    if not ends.size:
        return 0.0
    beyond = valid[ends[0]] & (np.abs(values[ends[0]] - value) > _LEVEL_GROUND)
    return int(ends[0]) / len(values) if beyond.mean() >= _CUT_THROUGH else 0.0


def constant_layer(subject: Subject) -> Iterator[Sign]:
    """One sign for every picture or height layer."""
    for spec in subject.rasters(*_PICTURES, LayerKind.HEIGHT):
        raster = subject.raster(spec.id)
        if raster.width * raster.height < FEW:
            continue
        values = [_only_value(pixels, valid) for pixels, valid in zip(raster.pixels, raster.valid, strict=True)]
        only = [value for value in values if value is not None]
        if spec.kind is LayerKind.HEIGHT:
            # No house, no tree: nothing above ground. No hill, at 0 m: the sea. Neither is a fault by itself.
            score = float(bool(only) and only[0] != 0.0)
            yield Sign(score, f"{spec.title} is {only[0]:g} everywhere" if only else "", spec.id)
        else:
            which = "" if len(only) == raster.bands else f"{len(only)} of {raster.bands} bands of "
            message = (
                f"{which}{spec.title} hold{'s' * (len(only) < 2 or not which)} one value, {only[0]:g}" if only else ""
            )
            yield Sign(len(only) / raster.bands, message, spec.id)


def _only_value(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> float | None:
    """The value that all valid pixels have; None where there are several, or hardly any valid ones."""
    whole = set(valid.strides) == {0} and bool(valid.flat[0])
    if whole and pixels[0, 0] != pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]:
        return None
    thin = pixels[::16, ::16] if whole else pixels[::16, ::16][valid[::16, ::16]]
    if thin.size > 1 and np.any(thin != thin.flat[0]):
        return None
    there = pixels if whole else pixels[valid]
    if there.size < FEW or np.any(there != there.flat[0]):
        return None
    first = np.abs(there.flat[0]) if there.dtype.kind == "c" else there.flat[0]
    return float(first) if np.isfinite(first) else None


def quantised_layer(subject: Subject) -> Iterator[Sign]:
    """One sign a height layer."""
    for spec in subject.rasters(LayerKind.HEIGHT):
        sample = height_sample(subject, spec.id)
        if sample.size < FEW:
            continue
        step, levels = level_step(subject, spec.id)
        whole = subject.raster(spec.id).pixels.dtype.kind in "iub"
        message = f"{spec.title} comes in steps of {amount(step, spec.unit or 'm')}, {levels} in all"
        yield Sign(max(0.0, step - 1.0) if whole else step, message, spec.id)


def few_greys(subject: Subject) -> Iterator[Sign]:
    """One sign for every picture of 8 bits."""
    for spec in subject.rasters(*_PICTURES):
        raster = subject.raster(spec.id)
        if raster.pixels.dtype != np.uint8 or raster.color_table or raster.width * raster.height < 32 * FEW:
            continue
        score = float("inf")
        for pixels in raster.pixels[:3]:
            score = min(score, _grey_step(pixels))
            if score < _FINE:
                break
        yield Sign(score, f"{spec.title} uses one in {score:.0f} grey levels, as if it had few bits", spec.id)


def _grey_step(pixels: NDArray[np.uint8]) -> float:
    """Mean distance of neighbouring grey levels between the 1st and the 99th percentile; 0 where there is no contrast."""
    thin = np.ascontiguousarray(pixels[:: max(1, pixels.size // 32_768)])
    counts = cv2.calcHist([thin], [0], None, [256], [0, 256]).ravel()
    reached = np.cumsum(counts) / thin.size
    low, high = np.searchsorted(reached, (0.01, 0.99))
    if high - low < 32:
        return 0.0
    used = np.count_nonzero(counts[low : high + 1])
    return float((high - low) / max(1, used - 1))


# --- heights as numbers: also for `core.checks.heights`


def height_sample(subject: Subject, layer: LayerId) -> NDArray[np.float32]:
    """(n,) some 8,192 valid heights of a layer, sorted."""
    return subject.shared(("height sample", layer), lambda: np.sort(_thinned(subject.plane(layer, 0), SAMPLED)))


def sample_step(plane: Plane, many: int = SAMPLED) -> int:
    """Rows and columns from one of so many samples to the next."""
    return max(1, round(math.sqrt(plane.values.size / many)))


def _thinned(plane: Plane, many: int) -> NDArray[np.float32]:
    """(n,) some valid values, of so many pixels."""
    every = sample_step(plane, many)
    thin = plane.values[::every, ::every]
    return thin.ravel() if plane.share == 1.0 else thin[plane.valid[::every, ::every]]


def level_step(subject: Subject, layer: LayerId) -> tuple[float, int]:
    """The step of heights that are whole multiples of one, and how many such levels there are; (0, 0) where they are not."""
    return subject.shared(("level step", layer), lambda: _step(height_sample(subject, layer)))


def _step(sample: NDArray[np.float32]) -> tuple[float, int]:
    if sample.size < FEW or sample[0] == sample[-1]:
        return 0.0, 0
    # What rounding to float32 leaves between like numbers is no step.
    least = max(1e-4, 4e-7 * float(max(abs(sample[0]), abs(sample[-1]))))
    gaps = np.diff(sample)
    between = gaps[gaps > least]
    levels = between.size + 1
    if levels < _LEVELS or (sample.size - np.count_nonzero(sample == sample[sample.size // 2])) < 4 * levels:
        return 0.0, 0
    some = between[:: 1 + between.size // _GAPS]
    step = percentiles(some, (10.0,))[0]
    times = some / np.float32(step)
    fitting = np.count_nonzero(np.abs(times - np.rint(times)) < 0.05)
    return (step, levels) if fitting > 0.9 * some.size else (0.0, 0)


def is_above_ground(spec: LayerSpec) -> bool:
    """True where a layer is named as heights above ground."""
    return height_kind(spec.id, spec.title) is HeightKind.ABOVE_GROUND


CHECKS: tuple[Check, ...] = (
    Check(
        "unreadable",
        "File cannot be read",
        Topic.FILES,
        "",
        "1 where a file of the tile is broken, truncated or of no known form.",
        "other",
        0.5,
        "A file can be read, or it cannot.",
        sharpness=8.0,
        run=unreadable,
    ),
    Check(
        "missing_layer",
        "Layer missing, or there twice",
        Topic.FILES,
        "",
        "How many files are missing that other tiles of the group have, and how many there are too many.",
        "other",
        0.5,
        "A file is there, or it is not; what most tiles of a group do not have is no fault of one of them.",
        spread=8.0,
        sharpness=8.0,
        run=missing_layer,
        enough=5,
    ),
    Check(
        "layer_size",
        "Sizes of layers do not fit",
        Topic.FILES,
        "px",
        "Rows or columns by which a layer is too large or too small for the others, in pixels of the coarser one; layers may "
        "differ by a plain ratio that is the same in both directions.",
        "misaligned",
        1.5,
        "Resampling rounds to whole pixels: that is less than one. What a dataset always does is no fault of a tile.",
        spread=6.0,
        sharpness=8.0,
        run=layer_size,
    ),
    Check(
        "layer_place",
        "Layers lie at different places",
        Topic.FILES,
        "px",
        "How far apart the files say that two layers lie, in pixels of the coarser one: their nearest corners, or their "
        "middles.",
        "misaligned",
        1.0,
        "Tiles of different pixels are cut at whole ones, so that they are up to one pixel apart.",
        spread=6.0,
        sharpness=8.0,
        run=layer_place,
    ),
    Check(
        "invalid_share",
        "Missing values",
        Topic.FILES,
        "%",
        "Share of the pixels of a picture or of heights that are nodata, NaN or infinite.",
        "void",
        3.0,
        "So much is worth a look anywhere; where most tiles have voids, more than they have.",
        spread=5.0,
        most=60.0,
        run=invalid_share,
    ),
    Check(
        "compact_hole",
        "Holes cut out of the heights",
        Topic.FILES,
        "%",
        "Share of the heights that are missing in large pieces with a plain outline, except around a corner of the tile.",
        "void",
        2.0,
        "Voids over water and behind houses are frayed, and a scan ends at the edge of the tile: so large a piece with a plain "
        "outline was cut out. Where most tiles have such holes, more than they have.",
        spread=5.0,
        most=60.0,
        run=compact_hole,
    ),
    Check(
        "undeclared_nodata",
        "A value stands for missing heights",
        Topic.FILES,
        "%",
        "Share of the heights that have exactly the lowest or the highest value, which lies farther from all others than these "
        "lie apart, and which nobody says means nodata, or that are infinite; of the ground also a piece of one value with "
        "cliffs all around.",
        "void",
        0.05,
        "Nature does not build a plateau of one height so far above or below everything else, however small.",
        sharpness=8.0,
        run=undeclared_nodata,
    ),
    Check(
        "unwritten_part",
        "A part that was not written",
        Topic.FILES,
        "%",
        "Share of the rows or columns of heights, from one side on, that hold one value, up to a line along which much stands.",
        "void",
        10.0,
        "What stands on the ground does not end along a row or column of pixels, but for a row of houses beside a street.",
        spread=5.0,
        most=60.0,
        run=unwritten_part,
    ),
    Check(
        "constant_layer",
        "One value everywhere",
        Topic.FILES,
        "",
        "Share of the bands that hold one value only; heights of 0 m do not count, see flat_heights.",
        "void",
        0.05,
        "No sensor measures one value everywhere; bands that are empty in most tiles are the dataset's way.",
        spread=6.0,
        most=0.95,
        sharpness=8.0,
        run=constant_layer,
    ),
    Check(
        "quantised_layer",
        "Heights in coarse steps",
        Topic.FILES,
        "m",
        "The step of which all heights are whole multiples; of whole numbers, what it is more than 1.",
        "wrong-height",
        0.24,
        "Heights in feet have steps of 0.3 m, those stretched to 8 bits or stored in whole metres larger ones; lidar and "
        "stereo have 0.1 m or less. Where most tiles have the step, it is the dataset's.",
        spread=5.0,
        run=quantised_layer,
    ),
    Check(
        "few_greys",
        "Few grey levels",
        Topic.FILES,
        "",
        "The mean distance between the levels that occur, of 256: 1 where every level is used, 16 in a picture of 4 bits.",
        "artefact",
        7.0,
        "A strong stretch leaves out every second or third level; distances of 8 are what 5 bits give.",
        spread=6.0,
        run=few_greys,
    ),
)

"""Whether labels can be labels, and fit the heights and the picture."""

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check
from rsviewer.core.checks.subject import SMALL, Plane, Subject
from rsviewer.core.heights import HeightKind
from rsviewer.core.stretch import real
from rsviewer.core.tile import LabelClass, LayerKind, LayerSpec

LOOKS = ("red", "green", "blue", "spread", "height", "thinness")
"""What `class_looks` says of every class, in this order."""

_FEWEST = 200
"""Pixels of the small copy from which on a class can be judged: below it is a corner of something."""
_MOST_CLASSES = 250
_UNKNOWN = 255
"""The code of pixels without a known class."""
_METRES = {"": 1.0, "m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "us-ft": 0.3048006}

CHECKS: tuple[Check, ...] = ()


def class_shares(subject: Subject) -> tuple[float, ...] | None:
    """How much of a tile each class covers, for comparing tiles: 0..1 of the pixels that have a class.

    Returns:
        One number for each of `LayerSpec.classes` of the first label layer of the dataset, in their order: 0 for a class that
        is not there, NaN for void ones. None where the tile has no such layer, or nothing in it is labelled.
    """
    spec = _landcover(subject)
    if spec is None:
        return None
    values, valid = subject.labels(spec.id)
    counts = _counted(_coded(values, valid, spec.classes))[: len(spec.classes)]
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
    codes = _codes(subject, spec, target)
    inner, heights = _inner(codes), _above_ground(subject, target)
    counts, cores = _counted(codes), _counted(inner)
    colours = [] if image is None else _colours(subject, image)
    found = np.full((len(spec.classes), len(LOOKS)), np.nan)
    for k, one in enumerate(spec.classes):
        if one.void or cores[k] < _FEWEST:
            continue
        here = inner == k
        for band, values in enumerate(colours):
            found[k, band], _ = _mean_and_spread(values, here)
        if image is not None:
            _, found[k, 3] = _mean_and_spread(subject.plane(image.id).values, here)
        found[k, 4] = np.nan if heights is None else _median(heights, here)
        found[k, 5] = 1.0 - cores[k] / counts[k]
    found[~np.isfinite(found)] = np.nan
    return None if np.isnan(found).all() else tuple(found.ravel().tolist())


# --- copies


def _landcover(subject: Subject) -> LayerSpec | None:
    """The first label layer of the dataset, where the tile has it and its classes are known."""
    first = next((spec for spec, _ in subject.contents if spec.kind is LayerKind.LABELS), None)
    known = first is not None and 0 < len(first.classes) <= _MOST_CLASSES
    return first if known and first in subject.rasters(LayerKind.LABELS) else None


def _codes(subject: Subject, spec: LayerSpec, target: LayerSpec) -> NDArray[np.uint8]:
    """The classes of a label layer on the grid of the small copy of another layer, as positions in `spec.classes`."""

    def made() -> NDArray[np.uint8]:
        values, valid = subject.labels_on(spec.id, target.id) if target is not spec else subject.labels(spec.id)
        rows, columns = _small(subject.raster(target.id).pixels.shape[1:])
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
    if values.dtype == np.uint8:
        codes = table.take(values)
    else:
        numbers = real(values)
        with np.errstate(invalid="ignore"):
            inside = (numbers > low) & (numbers < high)
        whole = np.where(inside, numbers, low).astype(np.int32)
        codes = np.where(inside & (whole == numbers), table.take(whole - low), np.uint8(_UNKNOWN))
    if not valid.all():
        codes = np.where(valid, codes, np.uint8(_UNKNOWN))
    return codes


def _compared(values: NDArray[Any], valid: NDArray[np.bool_], classes: Sequence[LabelClass]) -> NDArray[np.uint8]:
    """As `_coded`, for classes whose values are far apart."""
    codes = np.full(values.shape, _UNKNOWN, np.uint8)
    numbers = real(values)
    for k, one in enumerate(classes):
        codes[(numbers == one.value) & valid] = k
    return codes


def _inner(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes but for pixels next to another class: those are mixed, and half a pixel of misalignment spoils them."""
    if not codes.size:
        return codes
    box = np.ones((3, 3), np.uint8)
    same = cv2.erode(codes, box) == cv2.dilate(codes, box)
    return np.where(same, codes, np.uint8(_UNKNOWN))


def _colours(subject: Subject, image: LayerSpec) -> list[NDArray[np.float32]]:
    """The bands shown as red, green and blue, as stored, on the grid of the small copy; fewer where there are fewer."""

    def made() -> list[NDArray[np.float32]]:
        raster = subject.raster(image.id)
        chosen = [band for band in image.display_bands or range(raster.bands) if band < raster.bands][:3] or [0]
        factor = _factor(raster.pixels.shape[1:])
        rows, columns = _small(raster.pixels.shape[1:])
        bands = [real(raster.pixels[band])[: rows * factor, : columns * factor] for band in chosen]
        plain = [band if band.dtype == np.uint8 else _plain(band) for band in bands]
        small = [cv2.resize(band, (columns, rows), interpolation=cv2.INTER_AREA) for band in plain]
        return [cast("NDArray[np.float32]", band.astype(np.float32)) for band in small]

    return subject.shared(("class colours", image.id), made)


def _plain(band: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers that can be added up."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(np.clip(band.astype(np.float32), -1e12, 1e12), nan=0.0)


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
    if factor is None:
        return None
    values = np.clip(plane.values, np.float32(-1e6), np.float32(1e6))
    return Plane(values if factor == 1.0 else values * np.float32(factor), plane.valid, plane.step, plane.share)


def _factor(shape: Sequence[int]) -> int:
    return max(1, -(-max(shape) // SMALL))


def _small(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the small copy of a raster, see `Subject.plane`."""
    factor = _factor(shape)
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


# --- counting


def _counted(codes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """(256,) pixels of each code."""
    return np.bincount(codes.ravel(), minlength=256)


def _mean_and_spread(values: NDArray[np.float32], where: NDArray[np.bool_]) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(values, mask=where.view(np.uint8))
    return float(mean[0, 0]), float(spread[0, 0])


def _median(heights: Plane, where: NDArray[np.bool_]) -> float:
    """NaN where too few are known."""
    chosen = heights.values[where & heights.valid]
    return float(np.median(chosen)) if chosen.size >= _FEWEST else float("nan")

"""A tile under examination: its layers, and the small copies of them that many checks need and one of them makes.

A tile of 512 x 512 has some 15 ms for all checks together. So what several need is computed once (`shared`), most of them look
at copies of at most 256 pixels a side, and nothing is turned into float64. OpenCV is used where it can be: it is ten times as
fast as anything else. Whoever runs checks in several processes sets `cv2.setNumThreads(1)` there.
"""

# Functions within functions are made anew for every tile; what their annotations say is not worth a fiftieth of its time.
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Align, linear, nearest
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster, TileId

T = TypeVar("T")
_N = TypeVar("_N", bound=np.generic)

SMALL = 256
"""Pixels on the longer side of the copies that most checks look at, at most."""
_LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness, ITU-R BT.601."""
_SAMPLED = 16_384
_BEYOND = 1e30
"""No measurement is so large: -3.4e38 and -1.8e308, the lowest numbers that there are, stand for "nothing"."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One number for every pixel of (a copy of) a layer.

    Attributes:
        values: (rows, columns) float32, finite everywhere: invalid pixels hold the median of the valid ones.
        valid: (rows, columns) bool.
        step: full-resolution pixels of the layer to a pixel of this copy.
        share: of valid pixels, 0..1.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    step: float
    share: float


class Subject:
    """One tile. Made for one examination on one thread, and thrown away.

    Args:
        tile, group, splits: which.
        contents: (layer, what was read of it) for all layers of the dataset, in its order; what the tile lacks is `Missing`.
        align: where the pixels of one raster lie on another.
        duplicates: further files that claim to be one of its layers.
        missing: layers that other tiles of its group have files of, and it has none: not all that are `Missing`.
        facts: what the dataset says about it.
        wants_evidence: checks shall say where; costs time.
    """

    def __init__(
        self,
        tile: TileId,
        contents: Sequence[tuple[LayerSpec, LayerContent]],
        align: Align,
        *,
        group: str = "",
        splits: tuple[str, ...] = (),
        duplicates: tuple[str, ...] = (),
        missing: tuple[LayerId, ...] = (),
        facts: Mapping[str, str | float | None] | None = None,
        wants_evidence: bool = False,
    ) -> None:
        self.tile = tile
        self.group = group
        self.splits = splits
        self.contents = tuple(contents)
        self.duplicates = duplicates
        self.missing = missing
        self.facts = facts or {}
        self.wants_evidence = wants_evidence
        self.align = align
        self._rasters = {spec.id: (spec, content) for spec, content in contents if isinstance(content, Raster)}
        self._made: dict[Hashable, Any] = {}
        self._of: dict[tuple[LayerKind, ...], list[LayerSpec]] = {}

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once: keys are tuples that begin with a word of their own."""
        if key not in self._made:
            self._made[key] = make()
        return cast("T", self._made[key])

    # --- which layers

    def rasters(self, *kinds: LayerKind) -> list[LayerSpec]:
        """The layers that could be read and have pixels, of some kinds or all, in the order of the dataset."""
        if kinds not in self._of:  # asked a hundred times a tile
            self._of[kinds] = [
                spec
                for spec, raster in self._rasters.values()
                if (not kinds or spec.kind in kinds) and raster.pixels.size
            ]
        return self._of[kinds]

    def raster(self, layer: LayerId) -> Raster:
        """The pixels of one of `rasters`."""
        return self._rasters[layer][1]

    @cached_property
    def image(self) -> LayerSpec | None:
        """The picture that labels and heights belong to: optical before SAR, the later one of two dates."""
        found = [*self.rasters(LayerKind.OPTICAL), *self.rasters(LayerKind.SAR)]
        return next(iter([*(spec for spec in found if spec.date != "pre"), *found]), None)

    @cached_property
    def dates(self) -> tuple[LayerSpec, LayerSpec] | None:
        """The pictures before and after, of the same kind; None where there are no two."""
        pictures = self.rasters(LayerKind.OPTICAL, LayerKind.SAR)
        pre = next((spec for spec in pictures if spec.date == "pre"), None)
        post = next(
            (spec for spec in pictures if pre is not None and spec.date != "pre" and spec.kind is pre.kind), None
        )
        return None if pre is None or post is None else (pre, post)

    def heights(self, *kinds: HeightKind) -> list[LayerSpec]:
        """The height layers of some kinds or all, see `core.heights`."""
        found = self.rasters(LayerKind.HEIGHT)
        return [spec for spec in found if self._height_kinds[spec.id] in kinds] if kinds else found

    @cached_property
    def _height_kinds(self) -> dict[LayerId, HeightKind | None]:
        return {spec.id: height_kind(spec.id, spec.title) for spec in self.rasters(LayerKind.HEIGHT)}

    @cached_property
    def above_ground(self) -> LayerSpec | None:
        """The layer with heights above ground: the one named so, else None."""
        return next(iter(self.heights(HeightKind.ABOVE_GROUND)), None)

    # --- copies

    def plane(self, layer: LayerId, most: int = SMALL) -> Plane:
        """A layer as one number a pixel, reduced by a whole factor to at most `most` pixels a side (0 for no reduction).

        Pictures become brightness, 0..255: 8-bit ones as they are, others stretched from their 2nd to their 98th percentile,
        SAR in decibels first. Heights stay metres, or what their unit is. Reduction takes the mean of the valid pixels.
        Not for labels: see `labels`.
        """
        return self.shared(("plane", layer, most), lambda: self._plane(layer, most))

    def part(self, layer: LayerId, where: tuple[slice, slice]) -> NDArray[np.float32]:
        """The values of `plane(layer, 0)` in a part of it, rows and columns; where it can be, without all the others."""
        spec, raster = self._rasters[layer]
        if ("plane", layer, 0) in self._made or not _is_plain(spec, raster):
            return self.plane(layer, 0).values[where]
        return _mixed([raster.pixels[band][where].astype(np.float32) for band in shown_bands(spec, raster)])

    def band(self, layer: LayerId, band: int, factor: int) -> NDArray[np.uint8]:
        """A band of bytes reduced by a whole factor, valid or not. By halves: ten times as fast as by four at once."""
        half, odd = divmod(factor, 2)

        def made() -> NDArray[np.uint8]:
            if odd or half < 2:
                return shrunk(self._rasters[layer][1].pixels[band], factor)
            return shrunk(self.band(layer, band, half), 2)

        return self.shared(("band", layer, band, factor), made)

    def labels(self, layer: LayerId, most: int = SMALL) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The first band of a label layer or mask and where it is valid, thinned out to at most `most` pixels a side."""
        return self.shared(("labels", layer, most), lambda: self._labels(layer, most))

    def plane_on(self, layer: LayerId, target: LayerId, most: int = SMALL) -> Plane:
        """`plane` of a layer on the grid of `plane(target, most)`, by georeference, else by extent."""
        return self.shared(("plane on", layer, target, most), lambda: self._plane_on(layer, target, most))

    def labels_on(self, layer: LayerId, target: LayerId, most: int = SMALL) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """`labels` of a layer on the grid of `plane(target, most)`."""
        return self.shared(("labels on", layer, target, most), lambda: self._labels_on(layer, target, most))

    # --- making them

    def _plane(self, layer: LayerId, most: int) -> Plane:
        spec, raster = self._rasters[layer]
        if most:
            factor = _factor(raster.pixels.shape[1:], most)
            if factor > 1 and _is_plain(spec, raster):  # bands of bytes are reduced in a tenth of the time
                bands = [self.band(layer, band, factor).astype(np.float32) for band in shown_bands(spec, raster)]
                values = _mixed(bands)
                return Plane(values, np.ones(values.shape, bool), raster.full_size[0] / raster.width * factor, 1.0)
            full = self.plane(layer, 0)
            if factor == 1:
                return full
            values, valid = _reduced(full, factor)
            return Plane(values, valid, full.step * factor, full.share)
        picture = spec.kind in (LayerKind.OPTICAL, LayerKind.SAR)
        with np.errstate(over="ignore", invalid="ignore"):
            values = (_brightness(raster, spec) if picture else _numbers(raster)).astype(np.float32, copy=False)
        is_measured = raster.pixels.dtype.kind not in "fc" or cv2.norm(values, cv2.NORM_L2SQR) < _BEYOND  # NaN is not
        if is_measured and _is_everywhere(raster):
            return Plane(values, np.ones(values.shape, bool), raster.full_size[0] / raster.width, 1.0)
        valid = _valid(raster)
        if not is_measured:
            valid &= np.abs(values) < _BEYOND
        share = float(np.count_nonzero(valid)) / valid.size
        if share < 1.0:
            values = np.where(valid, values, _median(values, valid))
        return Plane(values, valid, raster.full_size[0] / raster.width, share)

    def _labels(self, layer: LayerId, most: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        raster = self._rasters[layer][1]
        factor = _factor(raster.pixels.shape[1:], most) if most else 1
        start = factor // 2
        return raster.pixels[0][start::factor, start::factor], raster.valid[0][start::factor, start::factor]

    def _same_grid(self, layer: LayerId, target: LayerId) -> bool:
        one, other = self.raster(layer), self.raster(target)
        same_size = one.pixels.shape[1:] == other.pixels.shape[1:] and one.full_size == other.full_size
        known = one.transform is not None and other.transform is not None
        return same_size and (not known or (one.transform == other.transform and one.crs == other.crs))

    def _plane_on(self, layer: LayerId, target: LayerId, most: int) -> Plane:
        if self._same_grid(layer, target):
            return self.plane(layer, most)
        source, grid = self.plane(layer, 0), self.plane(target, most)
        alignment = self.align(_stand_in(self.raster(target), grid.values, grid.valid), self.raster(layer))
        found = linear(_stand_in(self.raster(layer), source.values, source.valid), alignment).astype(np.float32)
        valid = np.isfinite(found)
        share = float(np.count_nonzero(valid)) / valid.size
        if share < 1.0:
            found = np.where(valid, found, _median(found, valid))
        return Plane(found, valid, grid.step, share)

    def _labels_on(self, layer: LayerId, target: LayerId, most: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if self._same_grid(layer, target):
            return self.labels(layer, most)
        grid, raster = self.plane(target, most), self.raster(layer)
        alignment = self.align(_stand_in(self.raster(target), grid.values, grid.valid), raster)
        values = nearest(raster.pixels[0], alignment, raster.pixels.dtype.type(0))
        there = nearest(np.ones(raster.pixels.shape[1:], bool), alignment, outside=False)
        return values, there & nearest(np.asarray(raster.valid[0]), alignment, outside=False)


def _stand_in(raster: Raster, values: NDArray[np.float32], valid: NDArray[np.bool_]) -> Raster:
    """A raster in the place of another, with other pixels."""
    return Raster(
        values[None], valid[None], raster.transform, raster.crs, raster.gsd, raster.cell, full_size=raster.full_size
    )


def _factor(shape: Sequence[int], most: int) -> int:
    return max(1, -(-max(shape) // most))


def _valid(raster: Raster) -> NDArray[np.bool_]:
    """(rows, columns): valid in every band."""
    if set(raster.valid.strides) == {0}:
        return np.full(raster.pixels.shape[1:], bool(raster.valid.flat[0]))
    valid: NDArray[np.bool_] = np.logical_and.reduce(raster.valid, axis=0)
    return valid


def _numbers(raster: Raster) -> NDArray[Any]:
    return real(raster.pixels[0])


def shown_bands(spec: LayerSpec, raster: Raster) -> list[int]:
    """The bands of a picture that brightness is made of: the first one, or the first three."""
    chosen = [band for band in spec.display_bands or range(min(3, raster.bands)) if band < raster.bands] or [0]
    return chosen[: len(_LUMA)] if len(chosen) >= len(_LUMA) else chosen[:1]


def _is_plain(spec: LayerSpec, raster: Raster) -> bool:
    """A picture of bytes that are all valid."""
    is_picture = spec.kind in (LayerKind.OPTICAL, LayerKind.SAR)
    return raster.pixels.dtype == np.uint8 and is_picture and _is_everywhere(raster)


def _is_everywhere(raster: Raster) -> bool:
    """All pixels are valid, and nobody had to write it down for each."""
    return not any(raster.valid.strides) and bool(raster.valid.flat[0])


def _brightness(raster: Raster, spec: LayerSpec) -> NDArray[Any]:
    """(rows, columns) 0..255."""
    bands = [
        np.abs(band) if band.dtype.kind == "c" else band
        for band in (raster.pixels[k] for k in shown_bands(spec, raster))
    ]
    mixed = _mixed([band.astype(np.float32) for band in bands])
    if all(band.dtype == np.uint8 for band in bands):
        return mixed
    if spec.kind is LayerKind.SAR and not np.any(mixed < 0):  # linear: decibels may be below 0, intensities may not
        mixed = np.float32(10) * np.log10(np.maximum(mixed, np.float32(1e-6)))
    sample = _sample(mixed, _valid(raster) & np.isfinite(mixed))
    low, high = percentiles(sample, (2.0, 98.0)) if sample.size else (0.0, 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        stretched: NDArray[np.float32] = np.clip(
            (mixed - np.float32(low)) * np.float32(255.0 / max(high - low, 1e-6)), 0, 255
        )
    return stretched


def _mixed(bands: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Brightness; uses up the first band. OpenCV's scaleAdd works in float32, addWeighted in float64."""
    if len(bands) < len(_LUMA):
        return bands[0]
    mixed = bands[0]
    mixed *= np.float32(_LUMA[0])
    for band, share in zip(bands[1:3], _LUMA[1:], strict=True):
        cv2.scaleAdd(band, share, mixed, mixed)
    return mixed


def _sample(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    every = max(1, int((values.size / _SAMPLED) ** 0.5))
    thin, there = values[::every, ::every], valid[::every, ::every]
    found = thin[there]
    return found if found.size else values[valid]


def _median(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> np.float32:
    sample = _sample(values, valid)
    return np.float32(percentiles(sample, (50.0,))[0]) if sample.size else np.float32(0)


def _reduced(plane: Plane, factor: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Means of the valid pixels of blocks; a block is valid where half of it is."""
    small = shrunk(plane.values, factor)
    rows, columns = small.shape
    if plane.share == 1.0:
        return small, np.ones((rows, columns), bool)
    valid = plane.valid[: rows * factor, : columns * factor].astype(np.float32)
    weight = cv2.resize(valid, (columns, rows), interpolation=cv2.INTER_AREA)
    values = plane.values[: rows * factor, : columns * factor]
    total = cv2.resize(values * valid, (columns, rows), interpolation=cv2.INTER_AREA)
    enough = weight >= 0.5
    return np.where(enough, total / np.maximum(weight, 1e-6), small).astype(np.float32), enough


def shrunk(values: NDArray[_N], factor: int) -> NDArray[_N]:
    """Means of whole blocks."""
    rows, columns = (max(1, side // factor) for side in values.shape)
    whole = cast("Any", values[: rows * factor, : columns * factor])
    return cast("NDArray[_N]", cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA))

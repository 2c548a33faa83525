"""Raster + Style -> finished 32-bit picture.

Made for workers: blocks of rows that stay in the processor's cache, in numpy, which lets other threads run meanwhile.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.classes import CHANGED_COLOR, Color, aliases, class_colors, coded, looked_up, loud_color
from rsviewer.core.combinations import Combination
from rsviewer.core.combining import channel_of, fits
from rsviewer.core.shading import Shading, cell_size, grown, hillshade
from rsviewer.core.stretch import (
    Band,
    Histogram,
    Range,
    band_of,
    between,
    histogram,
    measured,
    nice_ticks,
    range_of,
    real,
    row_blocks,
    value_range,
)
from rsviewer.core.style import RangeMode, Style, combination_of
from rsviewer.core.tile import LayerSpec, Raster

__all__ = [
    "Histogram",
    "Painted",
    "Pixels",
    "Range",
    "contours_of_mask",
    "difference",
    "halved",
    "halved_nearest",
    "hillshade",
    "histogram",
    "nice_ticks",
    "paint",
    "value_range",
]

Pixels: TypeAlias = NDArray[np.uint32]
"""(height, width), 0xAARRGGBB premultiplied: what Qt calls Format_ARGB32_Premultiplied."""

_OPAQUE = 0xFF000000
SUSPECTED_COLOR: Color = (255, 176, 32)
"""What a check suspects: amber, which neither change nor the regions of the reviewer have."""
_HALO = 0xA0000000
_SEEN = 0.01
"""Of a mask: who sees so much marked needs no boxes around the small parts of it."""
MOST_SPOTS = 60
"""So many boxes can still be told apart."""
_NEAR, _SMALL = 0.01, 0.03
"""Parts of a tile's longer side: spots nearer than twice the one are one spot; those larger than the other are seen anyway."""
_FINE = 4_095
"""Levels before a gamma curve, which would tear 255 of them apart."""
_SHADES = 128
"""Shades of relief for each of the 256 colours of a table; as many again, all the darkest, for the side away from the sun."""


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A picture ready to be drawn, with what a colour bar or a legend has to say about it.

    Attributes:
        pixels: see Pixels; read-only. Invalid, void and hidden pixels are 0, fully transparent.
        opaque: True where no pixel is transparent.
        bands: zero-based bands shown, one or three; of channels that are computed, the first band of each.
        ranges: the stretch used, one for each shown band, or one for all; empty for classes and for images as stored.
        minimum, maximum: of the valid values of the shown bands; None where there is none.
        valid_share: share of pixels that have a value (and are not void), 0..1.
        shares: class value -> share of the valid pixels that are not void, in ascending order; values that no palette
            knows and hidden ones are in it. Empty for quantities.
        colors: class value -> its colour, for every key of `shares`.
        combination: of bands that is shown; None where bands are shown by number.
        note: what a careful person would want to know, "" where there is nothing to say.
        smaller: half, quarter ... of `pixels`, for drawing a large picture small; `paint` makes none.
    """

    pixels: Pixels
    opaque: bool
    bands: tuple[int, ...] = ()
    ranges: tuple[Range, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    valid_share: float = 1.0
    shares: Mapping[int, float] = field(default_factory=dict)
    colors: Mapping[int, Color] = field(default_factory=dict)
    combination: Combination | None = None
    note: str = ""
    smaller: tuple[Pixels, ...] = ()

    def __post_init__(self) -> None:
        self.pixels.flags.writeable = False

    @property
    def low(self) -> float | None:
        """Lower end of the stretch, of all bands together; None for classes and for images as stored."""
        return min((ends.low for ends in self.ranges), default=None)

    @property
    def high(self) -> float | None:
        """Upper end of the stretch, of all bands together; None for classes and for images as stored."""
        return max((ends.high for ends in self.ranges), default=None)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return sum(int(pixels.nbytes) for pixels in (self.pixels, *self.smaller))


def paint(
    raster: Raster, spec: LayerSpec, style: Style, table: NDArray[np.uint8], *, sample: Range | None = None
) -> Painted:
    """Turns a raster into a picture. Never fails for what a file may hold: any type, size, value or choice of bands.

    Values that are NaN or infinite count as invalid. Of three bands, one that is invalid is black; the pixel is
    transparent where all three are.

    Args:
        raster: any number of bands.
        spec: what its numbers mean.
        style: how to show it. Bands that the raster has not got fall back to the default ones.
        table: (256, 3) the colour table that `style.color_table` names.
        sample: range of this layer over the dataset for RangeMode.DATASET, of its reference for RangeMode.REFERENCE.
    """
    with np.errstate(all="ignore"):
        combination = combination_of(spec, style)
        if combination is not None and fits(raster, combination):
            return _paint_combination(raster, style, table, combination, sample)
        bands = [band_of(raster, index) for index in chosen_bands(raster, spec, style)]
        if not any(band.count for band in bands):
            locked = range_of([], style, sample)
            return _blank(raster, bands, () if locked is None or spec.kind.is_categorical else (locked,))
        if spec.kind.is_categorical:
            return _paint_classes(raster, spec, style, bands[0])
        if spec.kind.is_scalar:
            return _paint_heights(raster, spec, style, table, bands[0], ends=range_of(bands, style, sample))
        if len(bands) == 1 and raster.color_table and bands[0].values.dtype.kind in "ui":
            return _paint_indexed(raster, spec, bands[0])
        return _paint_image(style, table, bands, sample)


def difference(height: Raster, reference: Raster, table: NDArray[np.uint8], *, limit: float | None = None) -> Painted:
    """`height` minus `reference`, first bands, on a diverging table whose middle is exactly zero.

    Args:
        height: what is judged, e.g. a prediction.
        reference: of the same size.
        table: (256, 3), e.g. "RdBu" turned round: blue where too low, red where too high.
        limit: the difference at both ends of the table; None takes the 98th percentile of its absolute value.

    Raises:
        ValueError: the sizes differ.
    """
    one, other = height.pixels.shape[1:], reference.pixels.shape[1:]
    if one != other:
        raise ValueError(f"heights of shape {one} cannot be compared with a reference of shape {other}")
    with np.errstate(all="ignore"):
        error = real(height.pixels[0]).astype(np.float64) - real(reference.pixels[0]).astype(np.float64)
        band = measured(0, error, height.valid[0] & reference.valid[0])
        if band.count == 0:
            return _blank(height, [band])
        signed = Style(range_mode=RangeMode.SYMMETRIC, percent=2.0)
        ends = (limit is None and range_of([band], signed, None)) or Range(-(limit or 0.0), limit or 0.0)
        return _painted(_through_table(band, ends, _packed(table)), [band], (ends,))


def contours_of_mask(raster: Raster, spec: LayerSpec, color: Color = CHANGED_COLOR) -> Pixels:
    """The outlines of a mask's marked areas, to be drawn above an image; transparent everywhere else.

    Marked is what is valid, not 0 and not void. The line is the outermost pixel of the area, with a dark, half
    transparent pixel outside, so that it stands out on light and dark ground. The tile's edge is no outline.
    """
    with np.errstate(all="ignore"):
        band = band_of(raster, _first(raster, spec.display_bands))
        marked = ~np.isin(band.values, [0, *(entry.value for entry in spec.classes if entry.void)])
    if band.usable is not None:
        marked &= band.usable
    return _outlined(marked, color)


def highlight(mask: NDArray[np.bool_], color: Color = SUSPECTED_COLOR) -> Pixels:
    """What a check suspects, to be drawn above any layer: its outlines as in `contours_of_mask`, and a veil of their colour.

    Args:
        mask: (height, width), True where something is suspected.
        color: of line and veil.
    """
    pixels = _outlined(mask, color)
    pixels[mask & (pixels == 0)] = _veil(color)
    return pixels


def spots(mask: NDArray[np.bool_]) -> tuple[tuple[float, float, float, float], ...]:
    """Where a mask has spots so small that nobody would see them on a whole tile, largest first, at most `MOST_SPOTS`.

    Spots near each other are one. Where more than `_SEEN` of the mask is marked, it is seen without.

    Args:
        mask: (height, width).

    Returns:
        (left, top, right, bottom) around each, as parts of the mask's extent, 0..1.
    """
    height, width = mask.shape
    side = max(height, width)
    if side * _SMALL < 1 or np.count_nonzero(mask) > _SEEN * mask.size:  # every pixel is large, or much is marked
        return ()
    near = max(1, round(side * _NEAR))
    joined = cv2.dilate(np.ascontiguousarray(mask, np.uint8), np.ones((2 * near + 1, 2 * near + 1), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    found = []
    for left, top, across, down, area in boxes[1:].tolist():  # the first is the background
        if max(across, down) - 2 * near <= side * _SMALL:
            box = max(left, 0), max(top, 0), min(left + across, width), min(top + down, height)
            found.append((area, box))
    found.sort(key=lambda each: -each[0])
    return tuple(
        (left / width, top / height, right / width, bottom / height)
        for _, (left, top, right, bottom) in found[:MOST_SPOTS]
    )


def _outlined(marked: NDArray[np.bool_], color: Color) -> Pixels:
    around = np.pad(marked, 1, mode="edge")
    core = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    pixels = np.zeros(marked.shape, np.uint32)
    pixels[grown(marked) & ~marked] = _HALO
    pixels[marked & ~core] = _argb(color)
    return pixels


def _veil(color: Color) -> int:
    """A quarter of the colour, as premultiplied ARGB."""
    red, green, blue = (channel // 4 for channel in color)
    return 64 << 24 | red << 16 | green << 8 | blue


def halved(pixels: Pixels) -> Pixels:
    """A picture at half its size, rounded up: each pixel the mean of four. For images and heights."""
    odd_height, odd_width = pixels.shape[0] % 2, pixels.shape[1] % 2
    if odd_height or odd_width:
        pixels = np.pad(pixels, ((0, odd_height), (0, odd_width)), mode="edge")
    half = np.empty((pixels.shape[0] // 2, pixels.shape[1] // 2), np.uint32)
    # Two channels at a time: four 8-bit numbers make a sum of 10 bits, and there is room for 16.
    lanes, rounding = np.uint32(0x00FF00FF), np.uint32(0x00020002)
    for rows in row_blocks(half.shape):
        upper, lower = pixels[2 * rows.start : 2 * rows.stop : 2], pixels[2 * rows.start + 1 : 2 * rows.stop : 2]
        even = (upper & lanes) + (lower & lanes)
        odd = (upper >> 8 & lanes) + (lower >> 8 & lanes)
        even = even[:, ::2] + even[:, 1::2] + rounding
        odd = odd[:, ::2] + odd[:, 1::2] + rounding
        half[rows] = (even >> 2 & lanes) | (odd >> 2 & lanes) << 8
    return half


def halved_nearest(pixels: Pixels) -> Pixels:
    """A picture at half its size, rounded up: every other pixel. For classes, whose colours must not mix."""
    return np.ascontiguousarray(pixels[::2, ::2])


def filled(pixels: Pixels, color: Color) -> Pixels:
    """A picture with a colour where it is transparent."""
    red, green, blue = color
    return np.where(pixels >> np.uint32(24) == 0, np.uint32(_OPAQUE | red << 16 | green << 8 | blue), pixels)


def color_bands(pixels: Pixels, *, transparent: bool) -> NDArray[np.uint8]:
    """(3 or 4, height, width): red, green, blue and, `transparent`, alpha. For pictures without half-transparent pixels."""
    shifts = np.array([16, 8, 0, 24][: 3 + transparent], np.uint32)
    return (pixels >> shifts[:, None, None]).astype(np.uint8)


def chosen_bands(raster: Raster, spec: LayerSpec, style: Style) -> tuple[int, ...]:
    """The bands that are shown, zero-based: one or three, all of which the raster has; none of a raster without bands."""
    if raster.bands == 0:
        return ()
    if spec.kind.is_categorical or spec.kind.is_scalar:
        return (_first(raster, style.bands, spec.display_bands),)
    for bands in (style.bands, spec.display_bands):
        if bands and all(0 <= band < raster.bands for band in bands):
            return tuple(bands) if len(bands) == 3 else (bands[0],)
    return (0, 1, 2) if raster.bands >= 3 else (0,)


def _first(raster: Raster, *choices: Sequence[int]) -> int:
    """The first band that is asked for and there, else 0."""
    return next((bands[0] for bands in choices if bands and 0 <= bands[0] < raster.bands), 0)


def _paint_combination(
    raster: Raster, style: Style, table: NDArray[np.uint8], combination: Combination, sample: Range | None
) -> Painted:
    """Channels that are made of bands. A single number is not bent by gamma: it must be readable off its colour bar.

    `sample` is the range of the bands, not of what is computed.
    """
    sample = sample if combination.is_plain else None
    channels = [channel_of(raster, channel) for channel in combination.channels]
    usual = [None if ends is None else Range(*ends) for ends in combination.ranges]
    if not any(channel.count for channel in channels):
        known = [ends for ends in usual if ends is not None] if style.range_mode is RangeMode.USUAL else []
        locked = range_of([], style, sample)
        ranges = tuple(known) or (() if locked is None else (locked,))
        return replace(_blank(raster, channels, ranges), combination=combination)
    if combination.is_scalar:
        style = replace(style, gamma=1.0)
    painted = _paint_image(style, table, channels, sample, usual)
    return replace(painted, combination=combination)


def _paint_image(
    style: Style,
    table: NDArray[np.uint8],
    bands: list[Band],
    sample: Range | None,
    usual: Sequence[Range | None] = (),
) -> Painted:
    """Optical and radar: three bands as red, green and blue, one through the colour table. `usual` ranges, one a band."""
    stored = style.range_mode is RangeMode.AS_STORED and all(band.is_stored_as_bytes for band in bands)
    note = ""
    if stored and max(band.maximum for band in bands) == 1.0:
        stored, note = False, "stored as 0 and 1: stretched"
        ends: list[Range | None] = [Range(0.0, 1.0)] * len(bands)
    elif style.range_mode is RangeMode.USUAL and usual:
        ends = [known or range_of([band], style, sample) for band, known in zip(bands, usual, strict=True)]
    elif style.per_band:
        ends = [range_of([band], style, sample) for band in bands]
    else:
        ends = [range_of(bands, style, sample)] * len(bands)
    ranges = tuple(one or Range(0.0, 0.0) for one in ends)  # of a band without valid pixels nothing is drawn
    gamma = between(style.gamma, 0.01, 100.0, otherwise=1.0)
    if len(bands) == 1:
        pixels = _through_table(bands[0], ranges[0], _packed(table, style.invert), gamma)
    else:
        pixels = _as_rgb(bands, ranges, gamma)
    if all(band.minimum == band.maximum for band in bands):
        note = "constant"
    return _painted(pixels, bands, () if stored else ranges if len(set(ranges)) > 1 else ranges[:1], note)


def _paint_heights(
    raster: Raster, spec: LayerSpec, style: Style, table: NDArray[np.uint8], band: Band, *, ends: Range | None
) -> Painted:
    ends = ends or Range(band.minimum, band.maximum)
    colors, relief = _packed(table, style.invert), None
    strength = between(style.hillshade, 0.0, 1.0, otherwise=0.0)
    if strength > 0.0:
        coarser = raster.full_size[0] / max(raster.width, 1)
        cell = cell_size(band.values, band.usable, raster.gsd and raster.gsd * coarser, spec.unit)
        cell /= between(style.exaggeration, 1e-6, 1e6, otherwise=1.0)
        altitude = between(style.altitude, 1.0, 89.0, otherwise=45.0)
        azimuth = style.azimuth if math.isfinite(style.azimuth) else 315.0
        colors, relief = (
            _shaded(colors.tobytes(), strength, altitude),
            Shading(band, cell, azimuth, altitude, top=_SHADES - 1),
        )
    pixels = _through_table(band, ends, colors, relief=relief)
    return _painted(pixels, [band], (ends,), "constant" if band.minimum == band.maximum else "")


def _paint_indexed(raster: Raster, spec: LayerSpec, band: Band) -> Painted:
    """A picture stored as indices into its own palette."""
    painted = _paint_classes(raster, replace(spec, classes=()), Style(), band)
    return Painted(painted.pixels, painted.opaque, painted.bands, valid_share=painted.valid_share, note="palette image")


def _paint_classes(raster: Raster, spec: LayerSpec, style: Style, band: Band) -> Painted:
    found = coded(band)
    meant = aliases(spec, found.values)
    values = [meant.get(value, value) for value in found.values]
    palette = {entry.value: entry.color for entry in spec.classes} or dict(raster.color_table)
    void = {entry.value for entry in spec.classes if entry.void}
    colors = class_colors(spec, values, palette)
    drawn = [
        _argb(color) if value not in void | style.hidden else 0 for value, color in zip(values, colors, strict=True)
    ]

    lookup = np.zeros(found.size, np.uint32)
    lookup[found.slots] = drawn
    lookup[-2] = _argb(loud_color(palette.values()))
    pixels = looked_up(found, lookup)

    kept = {value: count for value, count in zip(values, found.counts, strict=True) if value not in void}
    labelled = sum(kept.values()) + found.odd
    notes = [f"{stored} shown as {documented}" for stored, documented in meant.items()]
    unknown = [value for value in kept if palette and value not in palette]
    if unknown:
        notes.append("not in the palette: " + ", ".join(map(str, unknown[:5])) + (" …" if len(unknown) > 5 else ""))
    if found.odd:
        notes.append(f"{found.odd / pixels.size:.1%} are no whole numbers")
    return Painted(
        pixels,
        opaque=band.count == pixels.size and all(drawn),
        bands=(band.index,),
        minimum=band.minimum,
        maximum=band.maximum,
        valid_share=labelled / pixels.size,
        shares={value: count / labelled for value, count in kept.items()},
        colors={value: color for value, color in zip(values, colors, strict=True) if value in kept},
        note="; ".join(notes),
    )


class _Scale:
    """Maps `ends.low` to 0 and `ends.high` to `top`, whatever the type and size of the values."""

    def __init__(self, values: NDArray[Any], ends: Range, top: int) -> None:
        self._top = top
        # float32 is twice as fast. It is not enough for large integers, nor where the arithmetic would overflow.
        small = values.dtype.itemsize <= (4 if values.dtype.kind == "f" else 2)
        tame = max(abs(ends.low), abs(ends.high)) < 1e30 and ends.high - ends.low > 1e-30
        self._type: type[np.floating[Any]] = np.float32 if small and tame else np.float64
        # Halves, since the difference of two float64 may be too large for one.
        self._part = 1.0 if small and tame else 0.5
        span = ends.high * self._part - ends.low * self._part
        self._factor = top / span if span > 0.0 else math.inf
        # Half a level lower: the cast to whole numbers cuts off what follows the point.
        self._zero = ends.low * self._part - span / top / 2
        self._buffer: NDArray[np.floating[Any]] = np.empty((0, 0), self._type)

    def levels(self, values: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Numbers from 0 to `top`, to be cut to whole ones; NaN where a value is not finite. Good for one block."""
        kind = self._type
        if self._buffer.shape != values.shape:
            self._buffer = np.empty(values.shape, kind)
        levels = self._buffer
        if not math.isfinite(self._factor):
            levels.fill(self._top // 2 + 1)
            return levels
        if self._part != 1.0:
            values = np.multiply(values, self._part, out=levels, dtype=kind)
        np.subtract(values, kind(self._zero), out=levels, dtype=kind)
        np.multiply(levels, kind(self._factor), out=levels)
        np.clip(levels, kind(0.0), kind(self._top), out=levels)  # four times faster than minimum and maximum
        return levels


def _through_table(
    band: Band, ends: Range, colors: NDArray[np.uint32], gamma: float = 1.0, relief: Shading | None = None
) -> Pixels:
    """One band through a table of 256 colours or, with a relief, of all their shades."""
    if gamma != 1.0:
        colors = colors[_bent(gamma)]
    scale = _Scale(band.values, ends, 255 if gamma == 1.0 else _FINE)
    pixels = np.empty(band.values.shape, np.uint32)
    kind = np.uint8 if gamma == 1.0 and relief is None else np.uint16
    for rows in row_blocks(pixels.shape):
        index: NDArray[Any] = scale.levels(band.values[rows]).astype(kind)
        if relief is not None:
            # A negative shade becomes a place in the second half of the table: that saves cutting it off.
            shades = relief.levels(rows).view(np.uint16)
            shades <<= 8
            index |= shades
        colors.take(index, out=pixels[rows], mode="clip")
        if band.usable is not None:
            np.multiply(pixels[rows], band.usable[rows], out=pixels[rows])
    return pixels


def _as_rgb(bands: list[Band], ranges: Sequence[Range], gamma: float) -> Pixels:
    bend = None if gamma == 1.0 else _bent(gamma)
    top = 255 if bend is None else _FINE
    scales = [_Scale(band.values, ends, top) for band, ends in zip(bands, ranges, strict=True)]
    ready = [
        bend is None and band.is_stored_as_bytes and ends == Range(0.0, 255.0)
        for band, ends in zip(bands, ranges, strict=True)
    ]
    drawn = _drawn(bands)
    pixels = np.empty(bands[0].values.shape, np.uint32)
    for rows in row_blocks(pixels.shape):
        block = pixels[rows]
        for place, (band, scale, is_ready) in enumerate(zip(bands, scales, ready, strict=True)):
            channel: NDArray[Any] = band.values[rows]
            if bend is not None:
                channel = bend.take(scale.levels(channel).astype(np.uint16), mode="clip")
            elif not is_ready:
                channel = scale.levels(channel).astype(np.uint8)
            if band.usable is not None:
                channel = channel * band.usable[rows]
            if place == 0:
                np.bitwise_or(channel, np.uint32(0xFF00), out=block, dtype=np.uint32)
            else:
                block <<= np.uint32(8)
                block |= channel
        if drawn is not None:
            np.multiply(block, drawn[rows], out=block)
    return pixels


def _bent(gamma: float) -> NDArray[np.uint8]:
    """Fine level -> 0..255 along the gamma curve."""
    return np.rint(255.0 * np.linspace(0.0, 1.0, _FINE + 1) ** (1.0 / gamma)).astype(np.uint8)


def _packed(table: NDArray[np.uint8], invert: bool = False) -> NDArray[np.uint32]:
    red, green, blue = (table[::-1] if invert else table).astype(np.uint32).T
    packed: NDArray[np.uint32] = np.uint32(_OPAQUE) | red << 16 | green << 8 | blue
    return packed


@lru_cache(maxsize=32)
def _shaded(colors: bytes, strength: float, altitude: float) -> NDArray[np.uint32]:
    """Twice `_SHADES` times 256 colours: from dark over the colour itself, on level ground, towards white; then the darkest.

    Level ground keeps the very colour of the table, so that heights can still be read off the colour bar.
    """
    level = round(math.sin(math.radians(altitude)) * (_SHADES - 1)) / (_SHADES - 1)
    shade = np.append(np.linspace(0.0, 1.0, _SHADES), np.zeros(_SHADES))[:, None]
    dark = 1.0 - 0.85 * strength * np.clip(1.0 - shade / level, 0.0, 1.0)
    light = 0.55 * strength * np.clip((shade - level) / max(1.0 - level, 1.0 / _SHADES), 0.0, 1.0)
    packed = np.full((2 * _SHADES, 256), _OPAQUE, np.uint32)
    for shift in (16, 8, 0):
        channel = (np.frombuffer(colors, np.uint32) >> np.uint32(shift) & np.uint32(0xFF)) * dark
        channel += (255.0 - channel) * light
        packed |= np.rint(channel).astype(np.uint32) << np.uint32(shift)
    return packed.ravel()


def _drawn(bands: list[Band]) -> NDArray[np.bool_] | None:
    """Where any of the bands has a value; None where everywhere."""
    masks = [band.usable for band in bands if band.usable is not None]
    if len(masks) < len(bands):
        return None
    drawn: NDArray[np.bool_] = np.logical_or.reduce(masks) if len(masks) > 1 else masks[0]
    return None if drawn.all() else drawn


def _painted(pixels: Pixels, bands: list[Band], ranges: tuple[Range, ...], note: str = "") -> Painted:
    drawn = _drawn(bands)
    filled = [band for band in bands if band.count]
    return Painted(
        pixels,
        opaque=drawn is None,
        bands=tuple(band.index for band in bands),
        ranges=ranges,
        minimum=min(band.minimum for band in filled),
        maximum=max(band.maximum for band in filled),
        valid_share=1.0 if drawn is None else int(np.count_nonzero(drawn)) / drawn.size,
        note=", ".join(filter(None, (note, _lacking(bands)))),
    )


def _lacking(bands: list[Band]) -> str:
    """A remark where pixels are drawn of which not all bands have a value: their colour is not what it seems."""
    masks = [np.True_ if band.usable is None else band.usable for band in bands]
    if len({id(mask) for mask in masks}) < 2:
        return ""
    some: NDArray[np.bool_] = np.logical_or.reduce(np.broadcast_arrays(*masks))
    every: NDArray[np.bool_] = np.logical_and.reduce(np.broadcast_arrays(*masks))
    lacking = int(np.count_nonzero(some)) - int(np.count_nonzero(every))
    return f"{max(0.1, 100 * lacking / every.size):.1f} % of the pixels lack a band" if lacking else ""


def _blank(raster: Raster, bands: list[Band], ranges: tuple[Range, ...] = ()) -> Painted:
    return Painted(
        np.zeros((raster.height, raster.width), np.uint32),
        opaque=False,
        bands=tuple(band.index for band in bands),
        ranges=ranges,
        valid_share=0.0,
        note="no valid pixel",
    )


def _argb(color: Color) -> int:
    red, green, blue = color
    return _OPAQUE | red << 16 | green << 8 | blue

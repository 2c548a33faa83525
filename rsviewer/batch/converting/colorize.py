"""Tiles as pictures in the colours that the panes show: heights, other quantities, classes, masks.

What RS3DBench's convertDepth2Color makes is made with the table Spectral, inverted, `percent` 0, no hillshade, nodata in black:
low is violet, high is red. It takes the colour below where panes take the nearest, so a pixel may be one of 256 colours off;
and a tile with nodata, which is all black there, has its colours here.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.converting.describing import describe
from rsviewer.batch.converting.ranges import Scope, as_one, check_tiles, settled_ranges
from rsviewer.batch.converting.reading import Reading, thinned
from rsviewer.batch.converting.running import (
    Conversion,
    Made,
    Maker,
    Preview,
    check_out,
    look_ahead,
    make_all,
    slim,
    targets_of,
    whose,
)
from rsviewer.batch.crew import Crew, Processes
from rsviewer.batch.runner import Progress
from rsviewer.core.classes import Color
from rsviewer.core.errors import LayerError
from rsviewer.core.render import Painted, Pixels, color_bands, filled, paint
from rsviewer.core.scene import legend_of
from rsviewer.core.stretch import Range
from rsviewer.core.style import RangeMode, Style, default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import absence
from rsviewer.data.conversions import Recipe, converting, look_into
from rsviewer.data.datasets.rs3dbench import RS3DBenchAdapter, colored_name
from rsviewer.data.filenames import path_of
from rsviewer.data.geotiff import geotiff, transform_of
from rsviewer.data.pamfile import beside, pam
from rsviewer.data.pngfile import png
from rsviewer.data.resources import color_table
from rsviewer.data.saving import save

FORMATS = ("png", "tif")
COLORED = (LayerKind.HEIGHT, LayerKind.QUANTITY, LayerKind.LABELS, LayerKind.MASK)
"""Kinds of layers that get their colours from us."""
MOST_CLASSES = 24
"""So many classes are named in every legend; of more, only those that the tile has."""


@dataclass(frozen=True, slots=True)
class ColorOrder:
    """What `convert_colors` is to make of each tile. What is None or empty is as panes have it, see `default_style`.

    Attributes:
        out: the folder for the files.
        to: one of FORMATS.
        layer: which one; None for the dataset's first height layer.
        colors: name of a colour table.
        inverted: the table turned round.
        scope: the tiles that share a range.
        low, high: the range, where it is given; both or none.
        percent: of the values cut off at each end of the range, 0..50.
        hillshade: 0..1.
        bar: a colour bar beside the picture.
        legend: words beside the picture: of classes names and colours, of quantities what they are and their range.
        nodata: the colour of pixels without a value; None makes them transparent.
        georeference: write it, where there is one.
        overwrite: files that are there are written anew.
        style: what panes have in place of the default, such as the place of the sun, and classes that are hidden.
    """

    out: Path
    to: str = "png"
    layer: LayerId | None = None
    colors: str = ""
    inverted: bool = False
    scope: Scope = Scope.TILE
    low: float | None = None
    high: float | None = None
    percent: float | None = None
    hillshade: float | None = None
    bar: bool = False
    legend: bool = False
    nodata: Color | None = None
    georeference: bool = True
    overwrite: bool = False
    style: Style | None = None


def convert_colors(
    dataset: Dataset,
    entries: Collection[TileEntry],
    order: ColorOrder,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes a colour picture of every tile, pixel for pixel that of the pane.

    Args:
        dataset: whose tiles.
        entries: which of them; a range for a group or the dataset is taken over these.
        order: what to make of them.
        crew: does it; None for a process on every core.
        progress: called with the tiles read and converted, of all that are to be.

    Raises:
        LayerError: no tile of the dataset could be converted like that, see `check_order`.
        SettingsError: there is no such colour table.
        SaveError: the folder cannot be used, see `data.conversions`, it was begun with other tiles, see `settled_ranges`, or
            there is no room for any further file.
    """
    maker, recipe = _plan(dataset, order)
    workers = crew or Processes()
    measuring, making = as_one(progress, len(entries))
    with converting(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite) as begun:
        ranges = settled_ranges(
            *(begun, recipe, dataset, entries, maker.spec, order.scope), _cut(maker.style), workers, measuring
        )
        done = make_all(replace(maker, ranges=ranges), entries, begun, workers, making)
        if maker.own_name("", "") is None and (done.written or done.skipped):
            spec = LayerSpec(LayerId(f"{maker.spec.id}_color"), LayerKind.OPTICAL, f"{maker.spec.title} coloured")
            describe(order.out, spec, f".{order.to}", entries)
        return done


def preview_colors(dataset: Dataset, entries: Collection[TileEntry], order: ColorOrder) -> Preview:
    """What `convert_colors` would do. Raises as it does. Writes nothing, and reads no pixel."""
    maker, recipe = _plan(dataset, order)
    begun = look_into(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite)
    check_tiles(begun, entries, order.scope)
    # Whether there will be a file beside a picture, only its raster can tell.
    return look_ahead(replace(maker, alone=True), entries, begun, overwrite=order.overwrite)


def check_order(dataset: Dataset, order: ColorOrder) -> None:
    """Raises LayerError or SettingsError, which say what there is, where no tile could be converted like that."""
    if order.to not in FORMATS:
        raise LayerError(f"{order.to} is none of {', '.join(FORMATS)}.")
    spec = layer_of(dataset, order)
    if spec.kind.is_categorical:
        _check_classes(spec, order)
    else:
        _check_range(order)
    if order.colors:
        color_table(order.colors)


def layer_of(dataset: Dataset, order: ColorOrder) -> LayerSpec:
    """The layer that is meant. Raises LayerError where there is none."""
    colored = [spec for spec in dataset.layers if spec.kind in COLORED]
    choice = ", ".join(spec.id for spec in colored)
    if not colored:
        raise LayerError(f"{dataset.title} has nothing to be coloured: no heights, quantities, labels or masks.")
    if order.layer is None:
        heights = [spec for spec in colored if spec.kind is LayerKind.HEIGHT]
        if not heights:
            raise LayerError(f"{dataset.title} has no height layer: choose one with --layer: {choice}.")
        return heights[0]
    found = next((spec for spec in dataset.layers if spec.id == order.layer), None)
    if found is None:
        raise LayerError(f"There is no layer {order.layer!r}: choose {choice}.")
    if found.kind not in COLORED:
        raise LayerError(f"{found.title} gets no colours from a table: choose {choice}.")
    return found


def style_of(spec: LayerSpec, order: ColorOrder) -> Style:
    """How a layer is painted, but for a range that several tiles share."""
    style = order.style or default_style(spec)
    if order.colors:
        style = replace(style, color_table=order.colors, invert=order.inverted)
    elif order.inverted:
        style = replace(style, invert=not style.invert)
    if order.hillshade is not None:
        style = replace(style, hillshade=order.hillshade)
    if order.low is not None and order.high is not None:
        return replace(style, range_mode=RangeMode.FIXED, low=order.low, high=order.high)
    if order.percent is not None or order.scope is not Scope.TILE:
        given = 0.0 if style.range_mode is RangeMode.FIXED else style.percent
        percent = given if order.percent is None else order.percent
        is_signed = style.range_mode is RangeMode.SYMMETRIC
        mode = RangeMode.SYMMETRIC if is_signed else RangeMode.PERCENTILE if percent else RangeMode.MIN_MAX
        style = replace(style, range_mode=mode, percent=percent)
    return style


def _cut(style: Style) -> float:
    """What is cut off at each end of a range that tiles share, in percent."""
    return style.percent if style.range_mode in (RangeMode.PERCENTILE, RangeMode.SYMMETRIC) else 0.0


def _check_classes(spec: LayerSpec, order: ColorOrder) -> None:
    words = {
        "a colour table": order.colors or order.inverted,
        "a range": order.scope is not Scope.TILE or not (order.low is order.high is order.percent is None),
        "hillshade": order.hillshade,
        "a colour bar": order.bar,
    }
    for word, is_asked in words.items():
        if is_asked:
            raise LayerError(
                f"{spec.title} holds classes, each with its own colour: {word} means nothing there. Leave it out; "
                "--legend names the classes."
            )


def _check_range(order: ColorOrder) -> None:
    if (order.low is None) != (order.high is None):
        raise LayerError("A fixed range has two ends: give both --low and --high.")
    if order.low is not None and order.high is not None:
        if not (math.isfinite(order.low) and math.isfinite(order.high) and order.low < order.high):
            raise LayerError(f"From {order.low:g} to {order.high:g} is no range: --low must be below --high.")
        if order.scope is not Scope.TILE or order.percent is not None:
            raise LayerError("Where --low and --high give the range, leave out --range and --percent.")
    if order.percent is not None and not 0.0 <= order.percent < 50.0:
        raise LayerError(f"{order.percent:g} % cannot be cut off at each end: choose 0 to less than 50.")
    if order.hillshade is not None and not 0.0 <= order.hillshade <= 1.0:
        raise LayerError(f"Hillshade goes from 0 to 1, not to {order.hillshade:g}.")


def _plan(dataset: Dataset, order: ColorOrder) -> tuple["_Colors", Recipe]:
    """Who makes them, and the recipe. Raises LayerError, SettingsError and SaveError where it cannot be."""
    check_order(dataset, order)
    check_out(order.out, dataset)
    spec = layer_of(dataset, order)
    style = style_of(spec, order)
    options: dict[str, Any] = {**whose(dataset), "layer": spec.id}
    if spec.kind.is_scalar:
        is_fixed = style.range_mode is RangeMode.FIXED
        options |= {
            "colors": style.color_table,
            "inverted": style.invert,
            "range": "fixed" if is_fixed else order.scope,
            "low": style.low if is_fixed else None,
            "high": style.high if is_fixed else None,
            "percent": None if is_fixed else _cut(style),
            "hillshade": style.hillshade,
            "sun": [style.azimuth, style.altitude, style.exaggeration] if style.hillshade else None,
        }
    else:
        options["hidden"] = sorted(style.hidden)
    options |= {"bar": order.bar, "legend": order.legend, "nodata": order.nodata, "georeference": order.georeference}
    maker = _Colors(slim(dataset), order, spec, style, color_table(style.color_table))
    return maker, Recipe("colorize", f".{order.to}", options)


@dataclass(frozen=True, slots=True)
class _Colors(Maker[TileEntry]):
    """See `Maker`.

    Attributes:
        spec: what is coloured.
        style: how, but for a range that tiles share.
        table: (256, 3) the colours that it names.
        ranges: `Scope.key` -> the range that tiles share.
        alone: count no files beside the pictures.
    """

    dataset: Dataset
    order: ColorOrder
    spec: LayerSpec
    style: Style
    table: NDArray[np.uint8]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    alone: bool = False

    def own_name(self, group: str, tile: str) -> str | None:
        """What the dataset's format calls the picture of a tile; None where it has no such pictures."""
        return colored_name(group, tile, self.spec.id) if self.dataset.format == RS3DBenchAdapter.name else None

    def name(self, item: TileEntry) -> TileId:
        return item.id

    def targets(self, item: TileEntry) -> Sequence[Path]:
        name = self.own_name(item.group, item.id) or item.id
        path = path_of(self.order.out, TileId(name), self.order.to)
        return (path,) if self.alone or self.order.to != "png" else (beside(path), path)

    def make(self, item: TileEntry) -> Made:
        if self.spec.id not in item.files:
            raise LayerError(absence(self.spec))
        raster = Reading(item, self.dataset).raster(self.spec)
        if not raster.bands or not raster.pixels.size:
            raise LayerError(f"{self.spec.title} has no pixel.")
        style = self._ranged(item)
        painted = paint(raster, self.spec, style, self.table)
        pixels = painted.pixels if self.order.nodata is None else filled(painted.pixels, self.order.nodata)
        if self.order.bar or self.order.legend:
            pixels = self._with_key(pixels, raster, painted, style)
        self._write(self.targets(item)[-1], pixels, raster, painted)
        remarks = list(thinned(self.spec, raster))
        if not painted.valid_share:
            remarks.append(f"{self.spec.title} has no valid pixel: the picture is empty.")
        elif painted.note:
            remarks.append(f"{self.spec.title}: {painted.note}.")
        return Made(tuple(remarks))

    def _ranged(self, item: TileEntry) -> Style:
        ends = self.ranges.get(self.order.scope.key(item))
        if ends is None:
            return self.style
        if self.style.range_mode is RangeMode.SYMMETRIC:
            limit = max(abs(ends.low), abs(ends.high))
            ends = Range(-limit, limit)
        return replace(self.style, range_mode=RangeMode.FIXED, low=ends.low, high=ends.high)

    def _write(self, path: Path, pixels: Pixels, raster: Raster, painted: Painted) -> None:
        bands = color_bands(pixels, transparent=self.order.nodata is None)
        transform = transform_of(raster) if self.order.georeference else None
        crs = raster.crs if self.order.georeference else ""
        words = {"Software": "rsviewer", "Description": self._description(painted)}
        if self.order.to == "tif":
            tags = {f"TIFFTAG_{'IMAGE' * (key == 'Description')}{key.upper()}": text for key, text in words.items()}
            transparent = self.order.nodata is None
            save(path, geotiff(bands, transform=transform, crs=crs, transparent=transparent, tags=tags), overwrite=True)
            return
        if transform is not None or crs:
            save(beside(path), pam(transform, crs), overwrite=True)
        else:
            beside(path).unlink(missing_ok=True)  # of a picture that was here before
        save(path, png(bands, text=words), overwrite=True)

    def _description(self, painted: Painted) -> str:
        """What the colours mean, for who finds the file in some years."""
        if painted.low is None or painted.high is None:
            return f"{self.spec.title}, a colour for each class" if self.spec.kind.is_categorical else self.spec.title
        table = f"{self.style.color_table}{' inverted' if self.style.invert else ''}"
        return f"{self.spec.title} from {painted.low!r} to {painted.high!r} {self.spec.unit}".rstrip() + f" in {table}"

    def _with_key(self, pixels: Pixels, raster: Raster, painted: Painted, style: Style) -> Pixels:
        from rsviewer.batch.keys import Bar, Key, with_key  # Pillow, where words are drawn and not before

        if self.spec.kind.is_categorical:
            items = [item for item in legend_of(self.spec, raster, painted, style) if item.color is not None]
            void = {item.value for item in self.spec.classes if item.void}
            few = len(items) <= MOST_CLASSES
            shown = [item for item in items if item.value not in void and (few or item.share > 0)]
            return with_key(pixels, Key((self.spec.title,), tuple((item.name, item.color) for item in shown)))
        ends = painted.ranges[0] if painted.ranges else None
        table = self.table[::-1] if style.invert else self.table
        bar = Bar(table, ends, self.spec.unit) if self.order.bar and ends is not None else None
        return with_key(pixels, Key(self._words(ends) if self.order.legend else (), bar=bar))

    def _words(self, ends: Range | None) -> tuple[str, ...]:
        """Title, range and where that comes from."""
        from rsviewer.batch.keys import range_words

        if ends is None:
            return (self.spec.title, "no valid pixel")
        low, high = range_words(ends)
        span = f"{low} {self.spec.unit}" if ends.low == ends.high else f"{low} to {high} {self.spec.unit}"
        return (self.spec.title, span.rstrip(), self._origin())

    def _origin(self) -> str:
        whose_ = {Scope.TILE: "this tile", Scope.GROUP: "the group", Scope.DATASET: "the dataset"}[self.order.scope]
        percent = f"{self.style.percent:g} %"
        match self.style.range_mode:
            case RangeMode.FIXED:
                return "a fixed range"
            case RangeMode.SYMMETRIC:
                return f"of {whose_}, as far below zero as above it, but for {percent}"
            case RangeMode.MIN_MAX:
                return f"lowest to highest of {whose_}"
            case _:
                return f"of {whose_}, without {percent} at each end"

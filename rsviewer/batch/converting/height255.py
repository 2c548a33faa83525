"""Heights as whole numbers of 8 or 16 bits, as RS3DBench's dem255 makes them, and the metres can be had back.

Different from that script on purpose:

- NaN and nodata are 0 and heights begin at 1, wherever a tile has such pixels; there one of them takes most of the range.
- A constant tile is the smallest number all over; there it is 0 / 0.
- Values become the nearest number; there what follows the point is cut off, so 255 is the highest pixel alone.
- Tiles may share a range, so that a number means the same height in all of them: then 0 is always kept for "no data".
- Files keep CRS and transform and say what their numbers mean: in tags, as scale and offset that programs honour, in a table.
- Dropped tiles are left out as there, where somebody has deleted their picture; but they are listed, and gaps do no harm.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from rsviewer.batch.converting.describing import describe
from rsviewer.batch.converting.ranges import Scope, as_one, check_tiles, settled_ranges
from rsviewer.batch.converting.reading import Reading, named_layer
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
from rsviewer.batch.remarks import Remark
from rsviewer.batch.runner import Progress
from rsviewer.core.errors import LayerError
from rsviewer.core.quantising import BITS, Levels, ends_of, is_span
from rsviewer.core.render import chosen_bands
from rsviewer.core.stretch import Band, Range, band_of
from rsviewer.core.style import default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.conversions import Begun, Recipe, converting, look_into
from rsviewer.data.filenames import path_of
from rsviewer.data.geotiff import geotiff
from rsviewer.data.heighttable import (
    LEFT_OUT,
    TABLE,
    facts_in,
    facts_of,
    files_in_table,
    tags_of,
    write_heights_table,
    write_left_out,
)
from rsviewer.data.pamfile import beside, pam
from rsviewer.data.pngfile import png
from rsviewer.data.saving import save

STILL_THERE = "The tile was dropped since its heights were written: that file is still there."


class NumberFile(StrEnum):
    """What the numbers are written to."""

    TIF = "tif"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class Height255Order:
    """What `convert_heights` is to make of each tile.

    Attributes:
        out: the folder for the files.
        to: the kind of the files.
        layer: id of the heights; None for the dataset's first ones.
        bits: 8 for 0..255, 16 for 0..65535.
        scope: which tiles share a range. TILE where `fixed` is given.
        fixed: least and greatest height, in the unit of the layer; None takes them from the tiles.
        percent: of the heights, cut off at each end of a range that is taken from the tiles, 0..50.
        inverted: high is dark.
        overwrite: files that are there are written anew.
    """

    out: Path
    to: NumberFile = NumberFile.TIF
    layer: LayerId | None = None
    bits: int = 8
    scope: Scope = Scope.TILE
    fixed: tuple[float, float] | None = None
    percent: float = 0.0
    inverted: bool = False
    overwrite: bool = False


def convert_heights(
    dataset: Dataset,
    entries: Collection[TileEntry],
    order: Height255Order,
    *,
    left_out: Collection[TileId] = (),
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes the heights of every tile as whole numbers, a table of what these mean, and a list of what was left out.

    A range that tiles share is found first, and kept: a conversion that goes on uses the same.

    Args:
        dataset: whose tiles.
        entries: which of them.
        order: what to make of them.
        left_out: tiles that were dropped, and are not among the entries.
        crew: does it; None for a process on every core.
        progress: see `make_all`; the first look at all tiles counts as well.

    Raises:
        LayerError: no tile can be converted like that, see `check_order`.
        SaveError: the folder cannot be used, see `data.conversions`; a range was taken over other tiles; or there is no room
            for any further file.
    """
    maker, recipe = _plan(dataset, order)
    crew = crew or Processes()
    measuring, making = as_one(progress, len(entries))
    with converting(order.out, recipe, _all_targets(maker, entries), overwrite=order.overwrite) as begun:
        ranges = settled_ranges(
            begun, recipe, dataset, entries, maker.spec, order.scope, order.percent, crew, measuring
        )
        write_left_out(order.out, left_out)
        result = make_all(replace(maker, ranges=ranges), entries, begun, crew, making)
        _write_table(begun, maker, result)
        describe(order.out, _spec_of_results(maker.spec), f".{order.to}", entries)
        still_there = [tile for tile in left_out if begun.has(maker.path(tile))]
    remarks = result.remarks
    if still_there:
        remarks = (*remarks, Remark(STILL_THERE, len(still_there), still_there[0]))
    return replace(result, remarks=remarks, left_out=tuple(left_out))


def preview_heights(
    dataset: Dataset, entries: Collection[TileEntry], order: Height255Order, *, left_out: Collection[TileId] = ()
) -> Preview:
    """What `convert_heights` would do. Raises as it does. Writes nothing."""
    maker, recipe = _plan(dataset, order)
    begun = look_into(order.out, recipe, _all_targets(maker, entries), overwrite=order.overwrite)
    check_tiles(begun, entries, order.scope)
    preview = look_ahead(replace(maker, alone=True), entries, begun, overwrite=order.overwrite)
    return replace(preview, left_out=tuple(left_out))


def check_order(dataset: Dataset, order: Height255Order) -> None:
    """Raises LayerError, which says what there is, where no tile of the dataset could be converted like that."""
    _layer(dataset, order)
    if order.bits not in BITS:
        raise LayerError(f"{order.bits} bits are none of {' and '.join(map(str, BITS))}.")
    if order.fixed is not None:
        low, high = order.fixed
        if not is_span(low, high):
            raise LayerError(f"From {low:g} to {high:g} is no range of heights: give the lower one first.")
        if order.scope is not Scope.TILE or order.percent:
            raise LayerError("A fixed range is taken from no tiles, and nothing is cut off it.")
    if not (math.isfinite(order.percent) and 0.0 <= order.percent < 50.0):
        raise LayerError(f"{order.percent:g} % cannot be cut off at each end: give a number from 0 to below 50.")


def _layer(dataset: Dataset, order: Height255Order) -> LayerSpec:
    heights = [spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT]
    if not heights:
        raise LayerError(f"{dataset.title} has no height layer.")
    return heights[0] if order.layer is None else named_layer(heights, order.layer, "height")


def _plan(dataset: Dataset, order: Height255Order) -> tuple["_Heights", Recipe]:
    """Who makes them, and the recipe. Raises LayerError and SaveError where it cannot be."""
    check_order(dataset, order)
    check_out(order.out, dataset)
    spec = _layer(dataset, order)
    options = {
        **whose(dataset),
        "layer": spec.id,
        "bits": order.bits,
        "range": order.fixed or order.scope,
        "percent": order.percent,
        "inverted": order.inverted,
    }
    return _Heights(slim(dataset), order, spec), Recipe("height255", f".{order.to}", options)


def _all_targets(maker: "_Heights", entries: Collection[TileEntry]) -> Iterator[Path]:
    """Everything that is written."""
    yield from targets_of(maker, entries)
    yield from (maker.order.out / name for name in (TABLE, LEFT_OUT))


def _write_table(begun: Begun, maker: "_Heights", result: Conversion) -> None:
    """With what earlier conversions of other tiles left there."""
    kept = [file for file in files_in_table(begun.out) if begun.has(begun.out / file)]
    rows = {maker.path(tile).relative_to(begun.out).as_posix(): row for tile, row in result.facts.items()}
    write_heights_table(begun.out, rows, kept)


def _spec_of_results(spec: LayerSpec) -> LayerSpec:
    """What the files hold, for who honours their scale. They need no limits: what is no height is marked."""
    return LayerSpec(spec.id, spec.kind, spec.title, unit=spec.unit)


@dataclass(frozen=True, slots=True)
class _Heights(Maker[TileEntry]):
    """See `Maker`.

    Attributes:
        dataset: whose tiles.
        order: what is to be made of them.
        spec: of the heights.
        ranges: of the groups, see `ranges.Scope.key`.
        alone: count no files beside the pictures.
    """

    dataset: Dataset
    order: Height255Order
    spec: LayerSpec
    ranges: Mapping[str, Range] = field(default_factory=dict)
    alone: bool = False

    def name(self, item: TileEntry) -> TileId:
        return item.id

    def path(self, tile: TileId) -> Path:
        """Of the file of a tile."""
        return path_of(self.order.out, tile, self.order.to)

    def targets(self, item: TileEntry) -> Sequence[Path]:
        path = self.path(item.id)
        return (path,) if self.alone or self.order.to is NumberFile.TIF else (beside(path), path)

    def known(self, item: TileEntry) -> Made:
        return Made(facts=facts_in(self.path(item.id)))

    def make(self, item: TileEntry) -> Made:
        raster = Reading(item, self.dataset).whole(self.spec)
        bands = chosen_bands(raster, self.spec, default_style(self.spec))
        band = band_of(raster, bands[0]) if bands else None
        if band is None or not band.count:
            raise LayerError(f"{self.spec.title} has no valid height on this tile.")
        levels = self._levels(item, band)
        clipped = levels.beyond(band.values, band.usable)
        facts = facts_of(
            levels, tile=item.id, layer=self.spec.id, unit=self.spec.unit, rule=_rule(self.order), clipped=clipped
        )
        self._write(self.path(item.id), raster, band, levels, tags_of(facts))
        return Made(self._remarks(levels, band, clipped), facts)

    def _levels(self, item: TileEntry, band: Band) -> Levels:
        """What the numbers of a tile mean. Raises LayerError."""
        order = self.order
        reserved = True
        if order.fixed is not None:
            ends = Range(*order.fixed)
        elif order.scope is Scope.TILE:
            reserved = band.count < band.values.size
            values = band.values.ravel() if band.usable is None else band.values[band.usable]
            ends = ends_of(values, (order.percent, 100.0 - order.percent))
        else:
            known = self.ranges.get(order.scope.key(item))
            if known is None:
                raise LayerError(
                    f"No tile of the {order.scope} had a valid height when its range was taken: --overwrite takes it anew."
                )
            ends = known
        return Levels(ends.low, ends.high, order.bits, reserved, order.inverted)

    def _write(self, path: Path, raster: Raster, band: Band, levels: Levels, tags: dict[str, str]) -> None:
        numbers = levels.numbers(band.values, band.usable)[None]
        nodata = 0 if levels.reserved else None
        scale = (levels.scale, levels.offset)
        if raster.gsd is not None:
            tags["RSVIEWER_GSD"] = repr(raster.gsd)
        if self.order.to is NumberFile.PNG:
            sidecar = pam(raster.transform, raster.crs, nodata=nodata, unit=self.spec.unit, scale=scale)
            save(beside(path), sidecar, overwrite=True)
            content = png(numbers, nodata=nodata, text=tags)
        else:
            content = geotiff(
                numbers,
                transform=raster.transform,
                crs=raster.crs,
                nodata=nodata,
                units=[self.spec.unit] if self.spec.unit else (),
                scale=scale,
                tags=tags,
            )
        save(path, content, overwrite=True)

    def _remarks(self, levels: Levels, band: Band, clipped: int) -> tuple[str, ...]:
        said = []
        if band.count < band.values.size:
            said.append("Pixels without a valid height are 0, heights begin at 1.")
        if band.minimum == band.maximum:
            said.append("All its heights are the same.")
        if clipped and not self.order.percent:
            ends = f"{levels.low:g} to {levels.high:g}{' ' if self.spec.unit else ''}{self.spec.unit}"
            said.append(f"Heights beyond {ends} were cut off.")
        return tuple(said)


def _rule(order: Height255Order) -> str:
    """What the range was taken of, in a few words."""
    if order.fixed is not None:
        return "fixed"
    return f"{order.scope}, {order.percent!r} % cut off at each end" if order.percent else str(order.scope)

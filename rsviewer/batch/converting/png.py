"""Images as PNG of 8 bits, as RS3DBench's tif2png makes them, for any dataset.

The options of that script are here: its `normalization255` is Stretch.IMAGE, `rgbSingleNormalized` CHANNEL, `original` NONE,
all without `linearExtend`, which makes PERCENT of the first and the last, TIF2PNG (as the script comes) of the second, and with
`preChannel` PERCENT_CHANNEL. And a fixed range, and gamma. Different on purpose:

- NaN and nodata count for nothing and become transparent; there one of them blackens a channel.
- A constant channel is 128, as in the panes; there it is 0 / 0. Percentiles that coincide give way to least and greatest value.
- Values are rounded once, when they become bytes; there percentiles are taken of bytes, and bytes are stretched again.
- They become the nearest byte; there what follows the point is cut off, so 255 is the maximum alone.
- No source is ever deleted; there an image that is 0 all over is.
- Every tile is converted, whatever gaps the numbering has; there the last ones are forgotten for each gap.
- A single band becomes a grey picture; there it is skipped.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rsviewer.batch.converting.describing import describe
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
from rsviewer.batch.runner import Progress
from rsviewer.core.composing import image_of
from rsviewer.core.eightbit import MIDDLE, TOP, Picture, Stretch, Stretching, picture_of
from rsviewer.core.errors import LayerError
from rsviewer.core.render import chosen_bands
from rsviewer.core.style import default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.conversions import Recipe, converting, look_into
from rsviewer.data.filenames import path_of
from rsviewer.data.pamfile import beside, pam
from rsviewer.data.pngfile import png
from rsviewer.data.saving import save

IMAGES = (LayerKind.OPTICAL, LayerKind.SAR)
"""What can become a picture."""
TRANSPARENT = "Pixels without a value are transparent: the picture is RGBA (or grey with alpha)."
PATCHY = "Some pixels have a value in one band and none in another: that channel is 0 there."
FLAT = f"All values of a channel are the same: it is {MIDDLE} all over."
CLIPPED = f"Values beyond 0..{TOP} were cut off: another stretch keeps them apart."


@dataclass(frozen=True, slots=True)
class PngOrder:
    """What `convert_pngs` is to make of each tile.

    Attributes:
        out: the folder for the files.
        layer: id of the image; None for the dataset's first one (of two dates the later), radar where it has no other.
        bands: which of the file's bands, counted from 1: three or one; empty for those that the panes show.
        stretching: how values become bytes.
        georeference: a file beside each picture says where it lies, where the image says so.
        overwrite: files that are there are written anew.
    """

    out: Path
    layer: LayerId | None = None
    bands: tuple[int, ...] = ()
    stretching: Stretching = field(default_factory=Stretching)
    georeference: bool = True
    overwrite: bool = False


def convert_pngs(
    dataset: Dataset,
    entries: Collection[TileEntry],
    order: PngOrder,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes a picture of every tile.

    Args:
        dataset: whose tiles.
        entries: which of them.
        order: what to make of them.
        crew: does it; None for a process on every core.
        progress: see `make_all`.

    Raises:
        LayerError: no tile can be converted like that, see `check_order`.
        SaveError: the folder cannot be used, see `data.conversions`, or there is no room for any further file.
    """
    maker, recipe = _plan(dataset, order)
    with converting(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite) as begun:
        done = make_all(maker, entries, begun, crew or Processes(), progress)
        describe(order.out, LayerSpec(maker.spec.id, LayerKind.OPTICAL, maker.spec.title), ".png", entries)
        return done


def preview_pngs(dataset: Dataset, entries: Collection[TileEntry], order: PngOrder) -> Preview:
    """What `convert_pngs` would do. Raises as it does. Writes nothing."""
    maker, recipe = _plan(dataset, order)
    begun = look_into(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite)
    # Whether there will be a file beside a picture, only its image can tell.
    return look_ahead(replace(maker, alone=True), entries, begun, overwrite=order.overwrite)


def check_order(dataset: Dataset, order: PngOrder) -> None:
    """Raises LayerError, which says what there is, where no tile of the dataset could be converted like that."""
    _layer(dataset, order)
    if len(order.bands) not in (0, 1, 3):
        raise LayerError(f"A picture is made of three bands or of one, not of {len(order.bands)}.")
    if any(band < 1 for band in order.bands):
        raise LayerError("The first band of a file is 1.")
    if order.stretching.fault:
        raise LayerError(order.stretching.fault)


def _layer(dataset: Dataset, order: PngOrder) -> LayerSpec:
    images = [spec for spec in dataset.layers if spec.kind in IMAGES]
    if not images:
        raise LayerError(f"{dataset.title} has no image layer.")
    if order.layer is None:
        return image_of(images) or images[0]
    return named_layer(images, order.layer, "image")


def _plan(dataset: Dataset, order: PngOrder) -> tuple["_Pictures", Recipe]:
    """Who makes them, and the recipe. Raises LayerError and SaveError where it cannot be."""
    check_order(dataset, order)
    check_out(order.out, dataset)
    spec = _layer(dataset, order)
    options = {
        **whose(dataset),
        "layer": spec.id,
        "bands": order.bands,
        "stretch": _words(order.stretching),
        "gamma": order.stretching.gamma,
        "georeference": order.georeference,
    }
    return _Pictures(slim(dataset), order, spec), Recipe("png", ".png", options)


def _words(stretching: Stretching) -> str:
    """How it is stretched, with the numbers that matter."""
    how = stretching.how
    if how is Stretch.FIXED:
        return "{} {!r} {!r}".format(how, *stretching.ends)
    return "{} {!r} {!r}".format(how, *stretching.percents) if how.has_percents else str(how)


@dataclass(frozen=True, slots=True)
class _Pictures(Maker[TileEntry]):
    """See `Maker`. `alone`: count no files beside the pictures."""

    dataset: Dataset
    order: PngOrder
    spec: LayerSpec
    alone: bool = False

    def name(self, item: TileEntry) -> TileId:
        return item.id

    def targets(self, item: TileEntry) -> Sequence[Path]:
        path = path_of(self.order.out, item.id, "png")
        return (path,) if self.alone else (beside(path), path)

    def make(self, item: TileEntry) -> Made:
        raster = Reading(item, self.dataset).whole(self.spec)
        bands = _bands(raster, self.spec, self.order.bands)
        picture = picture_of(raster, bands, self.order.stretching)
        if picture is None:
            raise LayerError(f"{self.spec.title} has no valid pixel on this tile.")
        pixels = picture.pixels
        if picture.opaque is not None:
            pixels = np.concatenate([pixels, np.where(picture.opaque, np.uint8(TOP), np.uint8(0))[None]])
        sidecar, path = self.targets(item)
        if raster.transform is not None and self.order.georeference:
            save(sidecar, pam(raster.transform, raster.crs), overwrite=True)
        else:
            sidecar.unlink(missing_ok=True)  # of an earlier conversion: it would move the picture
        save(path, png(pixels, text=_texts(item, self.spec, raster, bands, picture, self.order)), overwrite=True)
        return Made(_remarks(self.spec, raster, picture))


def _bands(raster: Raster, spec: LayerSpec, wanted: Sequence[int]) -> tuple[int, ...]:
    """Zero-based bands of the raster. Raises LayerError where it has not all of those that are wanted."""
    if not wanted:
        return chosen_bands(raster, spec, default_style(spec))
    there = [band + 1 for band in spec.take] or list(range(1, raster.bands + 1))
    missing = next((band for band in wanted if band not in there), None)
    if missing is not None:
        has = "band" if len(there) == 1 else "bands"
        raise LayerError(f"{spec.title} has {has} {', '.join(map(str, there))}: there is no band {missing}.")
    return tuple(there.index(band) for band in wanted)


def _texts(
    item: TileEntry, spec: LayerSpec, raster: Raster, bands: Sequence[int], picture: Picture, order: PngOrder
) -> dict[str, str]:
    """What the file says about how it was made. The ends are one number a band."""
    texts = {
        "RSVIEWER_TILE": item.id,
        "RSVIEWER_LAYER": str(spec.id),
        "RSVIEWER_BANDS": ",".join(str((spec.take[band] if spec.take else band) + 1) for band in bands),
        "RSVIEWER_STRETCH": _words(order.stretching),
        "RSVIEWER_LOW": ",".join("" if ends is None else repr(ends.low) for ends in picture.ranges),
        "RSVIEWER_HIGH": ",".join("" if ends is None else repr(ends.high) for ends in picture.ranges),
        "RSVIEWER_GAMMA": repr(order.stretching.gamma),
    }
    if raster.gsd is not None:
        texts["RSVIEWER_GSD"] = repr(raster.gsd)
    return texts


def _remarks(spec: LayerSpec, raster: Raster, picture: Picture) -> tuple[str, ...]:
    said = [f"{spec.title}: {note}." for note in raster.notes]
    said += [TRANSPARENT] * (picture.opaque is not None)
    said += [PATCHY] * picture.patchy
    said += [FLAT] * any(ends is not None and ends.low == ends.high for ends in picture.ranges)
    said += [CLIPPED] * picture.clipped
    return tuple(said)

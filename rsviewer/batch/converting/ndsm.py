"""Heights above ground: a surface minus the ground, which is a layer of the tile or is estimated."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from rsviewer.core.aligning import linear, told
from rsviewer.core.errors import LayerError
from rsviewer.core.ground import COARSEST_PIXEL, GroundFilter, ground_below
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.shading import METRES
from rsviewer.core.stretch import real
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align
from rsviewer.data.conversions import Recipe, converting, look_into
from rsviewer.data.filenames import path_of
from rsviewer.data.geotiff import geotiff, transform_of
from rsviewer.data.saving import save

NODATA = -9999.0

LITTLE_GROUND = 0.05
"""Share of pixels that are ground below which an estimate is doubtful: what lies between them is guessed."""

BEYOND = 1e6
"""Nothing is so high in any unit: such a number stands for "nothing"."""


class Ground(StrEnum):
    """Where the ground comes from."""

    AUTO = "auto"
    """From the layer where a tile has it, else it is estimated."""
    LAYER = "layer"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class NdsmOrder:
    """What `convert_ndsm` is to make of each tile.

    Attributes:
        out: the folder for the files.
        surface: the layer with the heights of the surface; None for the first whose name says so (DSM).
        terrain: the layer with those of the ground; None for the first whose name says so (DTM).
        ground: see Ground.
        how: of the estimate.
        gsd: metres a pixel, where the files do not say.
        overwrite: files that are there are written anew.
    """

    out: Path
    surface: LayerId | None = None
    terrain: LayerId | None = None
    ground: Ground = Ground.AUTO
    how: GroundFilter = field(default_factory=GroundFilter)
    gsd: float | None = None
    overwrite: bool = False


def convert_ndsm(
    dataset: Dataset,
    entries: Collection[TileEntry],
    order: NdsmOrder,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes the heights above ground of every tile as a GeoTIFF of float32, on the grid and in the unit of the surface.

    Args:
        dataset: whose tiles.
        entries: which of them.
        order: how they are made.
        crew: does it; None for a process on every core.
        progress: see `make_all`.

    Raises:
        LayerError: the dataset has no such layer, see `check_order`.
        SaveError: the folder cannot be used, see `data.conversions`, or there is no room for any further file.
    """
    maker, recipe = _plan(dataset, order)
    with converting(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite) as begun:
        done = make_all(maker, entries, begun, crew or Processes(), progress)
        describe(
            order.out, LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit=maker.surface.unit), ".tif", entries
        )
        return done


def preview_ndsm(dataset: Dataset, entries: Collection[TileEntry], order: NdsmOrder) -> Preview:
    """What `convert_ndsm` would do. Raises as it does. Writes nothing."""
    maker, recipe = _plan(dataset, order)
    begun = look_into(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite)
    return look_ahead(maker, entries, begun, overwrite=order.overwrite)


def check_order(dataset: Dataset, order: NdsmOrder) -> tuple[LayerSpec, LayerSpec | None]:
    """The surface, and the ground where there is a layer of it.

    Raises LayerError, which says what there is, where no tile of the dataset could be converted like that.
    """
    heights = [spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT]
    if not heights:
        raise LayerError(f"{dataset.title} has no height layer: there is nothing to take the ground from.")
    surface = _named(heights, order.surface, HeightKind.SURFACE)
    if surface is None:
        there = ", ".join(spec.id for spec in heights)
        raise LayerError(f"No layer is called a DSM. Say which of {there} holds the heights of the surface.")
    terrain = _named(heights, order.terrain, HeightKind.GROUND)
    if surface is terrain:
        raise LayerError(f"{surface.title} cannot be surface and ground at once.")
    if terrain is None and order.ground is Ground.LAYER:
        raise LayerError("No layer is called a DTM. Say which layer holds the ground, or let it be estimated.")
    if order.gsd is not None and not (math.isfinite(order.gsd) and order.gsd > 0):
        raise LayerError("The size of a pixel must be more than 0 m.")
    return surface, None if order.ground is Ground.ESTIMATE else terrain


def _named(heights: Sequence[LayerSpec], layer: LayerId | None, kind: HeightKind) -> LayerSpec | None:
    if layer is None:
        return next((spec for spec in heights if height_kind(spec.id, spec.title) is kind), None)
    return named_layer(heights, layer, "height")


def _plan(dataset: Dataset, order: NdsmOrder) -> tuple["_Ndsm", Recipe]:
    surface, terrain = check_order(dataset, order)
    check_out(order.out, dataset)
    how = order.how
    options = {
        **whose(dataset),
        "surface": surface.id,
        "terrain": None if terrain is None else terrain.id,
        "ground": str(order.ground),
        "filter": [how.slope, how.window, how.threshold, how.scaling],
        "gsd": order.gsd,
    }
    return _Ndsm(slim(dataset), order, surface, terrain), Recipe("ndsm", ".tif", options)


@dataclass(frozen=True, slots=True)
class _Ndsm(Maker[TileEntry]):
    """See `Maker`."""

    dataset: Dataset
    order: NdsmOrder
    surface: LayerSpec
    terrain: LayerSpec | None

    def name(self, item: TileEntry) -> TileId:
        return item.id

    def targets(self, item: TileEntry) -> Sequence[Path]:
        return (path_of(self.order.out, item.id, "tif"),)

    def make(self, item: TileEntry) -> Made:
        read = Reading(item, self.dataset)
        surface = read.whole(self.surface)
        heights = real(surface.pixels[0]).astype(np.float64)
        valid = surface.valid[0] & (np.abs(heights) < BEYOND)
        if not valid.any():
            raise LayerError(f"{self.surface.title} has no valid height on this tile.")
        terrain = self.terrain
        has_terrain = terrain is not None and terrain.id in item.files
        if terrain is not None and (has_terrain or self.order.ground is Ground.LAYER):
            ground, remarks = self._laid(surface, terrain, read.whole(terrain))
            source = terrain.title
        else:
            ground, remarks = self._estimated(heights, valid, surface)
            source = _words(self.order.how)
        above = np.where(valid, heights, np.nan) - ground
        valid &= np.abs(above) < BEYOND
        if not valid.any():
            raise LayerError(f"Nowhere on this tile have both {self.surface.title} and {source} a valid height.")
        content = geotiff(
            np.where(valid, above, NODATA).astype(np.float32)[None],
            transform=transform_of(surface),
            crs=surface.crs,
            nodata=NODATA,
            names=["height above ground"],
            units=[self.surface.unit] if self.surface.unit else (),
            tags={"RSVIEWER_SURFACE": self.surface.title, "RSVIEWER_GROUND": source}
            | ({} if surface.gsd is None else {"RSVIEWER_GSD": repr(surface.gsd)}),
        )
        save(self.targets(item)[0], content, overwrite=True)
        return Made(remarks)

    def _laid(self, surface: Raster, terrain: LayerSpec, ground: Raster) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """The ground on the grid of the surface, in its unit, NaN where it is not known."""
        alignment = align(surface, ground)
        found = linear(ground, alignment).astype(np.float64)
        one, other = self.surface.unit, terrain.unit
        remarks = told(alignment, terrain.title, self.surface.title)
        if one != other and one in METRES and other in METRES:
            found *= METRES[other] / METRES[one]
        elif one != other:
            remarks += (f"{self.surface.title} is in {one or 'no unit'}, {terrain.title} in {other or 'no unit'}.",)
        return found, remarks

    def _estimated(
        self, heights: NDArray[np.float64], valid: NDArray[np.bool_], surface: Raster
    ) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Raises LayerError where it would mean nothing."""
        how = self.order.how
        cell = surface.cell
        pixel = self.order.gsd or (math.sqrt(cell[0] * cell[1]) if cell is not None else None)
        if pixel is None:
            raise LayerError("Nobody knows how large a pixel is, so the ground cannot be estimated: say it with --gsd.")
        if pixel > how.window * COARSEST_PIXEL:
            raise LayerError(
                f"Pixels of {pixel:.3g} m show no single houses or trees: an estimated ground would mean nothing. Take a DTM, "
                f"or a wider --window than {how.window:g} m."
            )
        metres = METRES.get(self.surface.unit, 1.0)
        ground, is_ground = ground_below(np.where(valid, heights, 0.0) * metres, valid, pixel, how)
        share = float(np.count_nonzero(is_ground)) / np.count_nonzero(valid)
        remarks = [
            "The ground was estimated from the surface alone; below closed forest and wide roofs it is too high."
        ]
        if share < LITTLE_GROUND:
            remarks.append(f"Hardly any ground is to be seen (less than {LITTLE_GROUND:.0%}): most of it is guessed.")
        return ground / metres, tuple(remarks)


def _words(how: GroundFilter) -> str:
    """The estimate, for the tags of a file."""
    return (
        f"estimated: simple morphological filter (Pingel et al. 2013), slope {how.slope:g}, window {how.window:g} m, "
        f"threshold {how.threshold:g} m, scaling {how.scaling:g}"
    )

"""Large rasters cut into tiles that lie one on the other, in the layout of RS3DBench or SynRS3D."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from rsviewer.batch.converting.running import (
    EXAMPLES,
    Conversion,
    Made,
    Maker,
    Preview,
    look_ahead,
    make_all,
    targets_of,
)
from rsviewer.batch.converting.tileplan import LAYOUTS, ROLES, Plan, Planned, TilesOrder, check_order, plan_tiles
from rsviewer.batch.crew import CHUNK, Crew, Processes
from rsviewer.batch.runner import Progress
from rsviewer.core.tile import TileId, Transform, printable
from rsviewer.core.tiling import Box, Window, block_side, numbered, placed, valid_share
from rsviewer.data.conversions import EVERYTHING, Recipe, converting, look_into
from rsviewer.data.cutting import Cut, Cutter, Layer
from rsviewer.data.geotiff import geotiff
from rsviewer.data.saving import save

__all__ = [
    "LAYOUTS",
    "PATIENCE",
    "ROLES",
    "Plan",
    "Planned",
    "TilesOrder",
    "check_order",
    "convert_tiles",
    "plan_tiles",
    "preview_tiles",
]

PATIENCE: Final = 1800.0
"""Seconds after which a process is given up: a few windows of a file that is far finer than its tiles take minutes."""


def convert_tiles(
    order: TilesOrder, *, plan: Plan | None = None, crew: Crew | None = None, progress: Progress | None = None
) -> Conversion:
    """Cuts the tiles. Those with too little data are `left_out`, and have a row of `facts` that says of which layer.

    Args:
        order: what, and how.
        plan: what `plan_tiles` made of the order, where that is there already.
        crew: does it; None for a process on every core.
        progress: see `make_all`.

    Raises:
        LayerError: see `plan_tiles`.
        SaveError: the folder cannot be used, see `data.conversions`, or there is no room for any further file.
    """
    plan = plan or plan_tiles(order)
    maker = _Tiles(order, plan)
    with (
        closing(maker.cutter),
        converting(
            order.out, _recipe(order, plan), targets_of(maker, plan.windows), overwrite=order.overwrite
        ) as begun,
    ):
        done = make_all(maker, plan.windows, begun, crew or Processes(patience=PATIENCE), progress)
    return replace(done, written=done.written - len(done.facts), left_out=tuple(done.facts))


def preview_tiles(order: TilesOrder, plan: Plan | None = None) -> Preview:
    """What `convert_tiles` would do, but for the tiles that it would leave out. Writes nothing. Raises as it does."""
    plan = plan or plan_tiles(order)
    maker = _Tiles(order, plan)
    begun = look_into(order.out, _recipe(order, plan), targets_of(maker, plan.windows), overwrite=order.overwrite)
    if not begun.goes_on:
        return Preview(plan.tiles, 0, tuple(islice(targets_of(maker, plan.windows), EXAMPLES)))
    return look_ahead(maker, plan.windows, begun, overwrite=order.overwrite)


def _recipe(order: TilesOrder, plan: Plan) -> Recipe:
    """Several areas may lie side by side in one folder; what has no area needs one of its own."""
    options = {
        "layout": order.to,
        "area": plan.area,
        "size": plan.windows.size,
        "stride": plan.windows.stride,
        "edge": str(plan.windows.edge),
        "min_valid": order.min_valid,
        "grid": [plan.grid.width, plan.grid.height, plan.grid.transform, plan.grid.crs],
        **{each.role: f"{each.layer.resampling} of {_sources(each.layer)}" for each in plan.layers},
        "bands": list(order.bands),
    }
    return Recipe("tiles", f"/{plan.area}" if plan.area else EVERYTHING, options)


def _sources(layer: Layer) -> str:
    """The files of a layer, wherever they lie today."""
    files = [each.file for each in layer.files]
    named = "\n".join(f"{file.path.name} {file.width} {file.height} {file.dtype}" for file in files)
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{printable(files[0].path.name)}{more} ({hashlib.sha256(named.encode(errors='replace')).hexdigest()[:8]})"


class _Tiles(Maker[Window]):
    """See `Maker`."""

    def __init__(self, order: TilesOrder, plan: Plan) -> None:
        self.order = order
        self.plan = plan
        ahead = CHUNK if plan.windows.stride <= order.size else 1
        self.cutter = Cutter(plan.grid, order.size, ahead, block_side(order.size, plan.windows.stride))

    def name(self, item: Window) -> TileId:
        name = self._stem(item)
        return TileId(f"{self.plan.area}/{name}" if self.plan.area else name)

    def targets(self, item: Window) -> Sequence[Path]:
        name = f"{self._stem(item)}.tif"
        return [self.order.out / each.folder / name for each in self.plan.layers]

    def _stem(self, item: Window) -> str:
        if self.order.to == "rs3dbench":
            return numbered(item)
        return f"{self.plan.prefix}_{placed(item, self.plan.windows)}"

    def make(self, item: Window) -> Made:
        cuts: list[Cut] = []
        for each in self.plan.layers:
            cut = self.cutter.cut(each.layer, item)
            share = valid_share(cut.valid, item)
            if share < self.order.min_valid:
                for target in self.targets(item):
                    target.unlink(missing_ok=True)  # of an older conversion, which is being overwritten
                return Made(facts={"layer": each.layer.title, "valid": share})
            cuts.append(cut)
        transform = self.plan.grid.part(Box(item.left, item.top, item.left + 1, item.top + 1)).transform
        for each, cut, target in zip(self.plan.layers, cuts, self.targets(item), strict=True):
            save(target, _content(each.layer, cut, self.plan.grid.crs, transform), overwrite=True)
        return Made(tuple(dict.fromkeys(note for cut in cuts for note in cut.notes)))


def _content(layer: Layer, cut: Cut, crs: str, transform: Transform | None) -> bytes:
    """The file of a layer of a tile."""
    file = layer.files[0].file
    is_masked = layer.nodata is None and not cut.valid.all()
    scales = {scale for placed_file in layer.files for scale in placed_file.file.scales}
    is_scaled = not layer.is_height and len(scales) == 1 and scales != {(1.0, 0.0)}
    return geotiff(
        cut.pixels,
        transform=transform,
        crs=crs,
        nodata=layer.nodata,
        units=(file.unit,) * layer.bands if layer.is_height and file.unit else (),
        scale=next(iter(scales)) if is_scaled else None,
        colors=dict(file.colors) or None,
        valid=np.logical_and.reduce(cut.valid) if is_masked else None,
    )

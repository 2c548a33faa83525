"""Tiles as point clouds and meshes for other programs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from rsviewer.core.composing import COLORING, Coloring, image_of, relief_of
from rsviewer.core.errors import LayerError
from rsviewer.core.relief import DIFFERENCE, Relief, ReliefStyle
from rsviewer.core.render import paint
from rsviewer.core.scene import Frame, deciding_first, frame_of
from rsviewer.core.style import DIVERGING, default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align
from rsviewer.data.clouds import FORMATS, MESHES, write_cloud
from rsviewer.data.conversions import Recipe, converting, look_into
from rsviewer.data.filenames import path_of
from rsviewer.data.resources import color_table

HEIGHT = "height"
"""As a colour: the height itself through its colour table."""


@dataclass(frozen=True, slots=True)
class CloudOrder:
    """What `convert_clouds` is to make of each tile.

    Attributes:
        out: the folder for the files.
        to: one of `data.clouds.FORMATS`.
        height: whose heights; None for the first height layer that the tile has.
        color: id of the layer that colours them, HEIGHT, DIFFERENCE (the height minus the tile's other one), or "" for the
            first image that the tile has, of two dates the later, and for the height itself where it has none.
        mesh: a surface, for ply.
        overwrite: files that are there are written anew.
    """

    out: Path
    to: str
    height: LayerId | None = None
    color: str = ""
    mesh: bool = False
    overwrite: bool = False


def convert_clouds(
    dataset: Dataset,
    entries: Collection[TileEntry],
    order: CloudOrder,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes a point cloud or mesh of every tile, in the colours that the panes have by default.

    Args:
        dataset: whose tiles.
        entries: which of them.
        order: what to make of them.
        crew: does it; None for a process on every core.
        progress: see `make_all`.

    Raises:
        LayerError: the dataset has no such layer, see `check_order`.
        SaveError: the folder cannot be used, see `data.conversions`, or there is no room for any further file.
    """
    maker, recipe = _plan(dataset, order)
    with converting(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite) as begun:
        return make_all(maker, entries, begun, crew or Processes(), progress)


def preview_clouds(dataset: Dataset, entries: Collection[TileEntry], order: CloudOrder) -> Preview:
    """What `convert_clouds` would do. Raises as it does. Writes nothing."""
    maker, recipe = _plan(dataset, order)
    begun = look_into(order.out, recipe, targets_of(maker, entries), overwrite=order.overwrite)
    return look_ahead(maker, entries, begun, overwrite=order.overwrite)


def _plan(dataset: Dataset, order: CloudOrder) -> tuple["_Clouds", Recipe]:
    """Who makes them, and the recipe. Raises LayerError and SaveError where it cannot be."""
    check_order(dataset, order)
    check_out(order.out, dataset)
    options = {**whose(dataset), "height": order.height, "color": order.color, "mesh": order.mesh}
    return _Clouds(slim(dataset), order), Recipe("cloud", f".{order.to}", options)


def check_order(dataset: Dataset, order: CloudOrder) -> None:
    """Raises LayerError, which says what there is, where no tile of the dataset could be converted like that."""
    if order.to not in FORMATS:
        raise LayerError(f"{order.to} is none of {', '.join(FORMATS)}.")
    if order.mesh and order.to not in MESHES:
        raise LayerError(f"{order.to} holds points only: a surface goes into {' or '.join(MESHES)}.")
    heights = _of_kind(dataset, (LayerKind.HEIGHT,))
    if not heights:
        raise LayerError(f"{dataset.title} has no height layer: there is nothing to show in space.")
    if order.height is not None and order.height not in heights:
        raise LayerError(f"There is no height layer {order.height!r}: choose {_choice(heights)}.")
    colors = [*_of_kind(dataset, COLORING), HEIGHT, *([DIFFERENCE] if len(heights) > 1 else [])]
    if order.color and order.color not in colors:
        raise LayerError(f"Heights cannot be coloured by {order.color!r}: choose {_choice(dict.fromkeys(colors))}.")


@dataclass(frozen=True, slots=True)
class _Clouds(Maker[TileEntry]):
    """See `Maker`."""

    dataset: Dataset
    order: CloudOrder

    def name(self, item: TileEntry) -> TileId:
        return item.id

    def targets(self, item: TileEntry) -> Sequence[Path]:
        return (path_of(self.order.out, item.id, self.order.to),)

    def make(self, item: TileEntry) -> Made:
        relief = _relief(self.dataset, item, self.order)
        path = self.targets(item)[0]
        write_cloud(path, relief.clouds[0], mesh=self.order.mesh, overwrite=True, unit=relief.unit)
        return Made(relief.remarks)


def _relief(dataset: Dataset, entry: TileEntry, order: CloudOrder) -> Relief:
    """The tile in space, with one cloud. Raises LayerError."""
    read = Reading(entry, dataset)
    here = read.layers
    heights = [spec for spec in here if spec.kind is LayerKind.HEIGHT]
    spec = next((spec for spec in heights if order.height in (None, spec.id)), None)
    if spec is None:
        raise LayerError(
            "This tile has no height layer."
            if order.height is None
            else f"This tile has no file for {dataset.layer(order.height).title}."
        )
    shown = [(spec, read.raster(spec))]
    coloring = None
    color = order.color
    if color == DIFFERENCE and LayerId(color) not in entry.files:
        other = next((other for other in heights if other is not spec), None)
        if other is None:
            raise LayerError(f"This tile has no second height to take from {spec.title}. Choose another --color.")
        shown.append((other, read.raster(other)))
    else:
        coloring = _coloring(_coloring_layer(dataset, here, spec, color), read)
    relief = relief_of(
        entry.id,
        _frame(here, read, spec),
        shown,
        ReliefStyle(color=DIFFERENCE if coloring is None else str(coloring.spec.id)),
        coloring,
        align,
        diverging=color_table(DIVERGING)[::-1],
    )
    if not relief.clouds:
        raise LayerError(relief.why)
    return replace(relief, remarks=(*thinned(*shown[0]), *relief.remarks))


def _coloring_layer(dataset: Dataset, here: Sequence[LayerSpec], height: LayerSpec, color: str) -> LayerSpec:
    """The layer that colours a tile. Raises LayerError where the tile has it not."""
    if color:
        chosen = next((spec for spec in here if spec.id == color), None)
        if chosen is None and color == HEIGHT and color not in {spec.id for spec in dataset.layers}:
            return height
        if chosen is None:
            raise LayerError(f"This tile has no file for {dataset.layer(LayerId(color)).title}, which is to colour it.")
        return chosen
    return image_of(here) or height


def _coloring(spec: LayerSpec, read: Reading) -> Coloring:
    style = default_style(spec)
    raster = read.raster(spec)
    return Coloring(spec, raster, paint(raster, spec, style, color_table(style.color_table)))


def _frame(here: Sequence[LayerSpec], read: Reading, height: LayerSpec) -> Frame:
    """The grid of the tile, as in the panes: that of the first image that can be read, else of the first other raster."""
    for spec in deciding_first(here):
        if spec.kind in COLORING:
            frame = frame_of([(spec, read.content(spec))])
            if frame is not None:
                return frame
    raise AssertionError(f"{height.id} was read")


def _of_kind(dataset: Dataset, kinds: Sequence[LayerKind]) -> list[str]:
    return [str(spec.id) for spec in dataset.layers if spec.kind in kinds]


def _choice(names: Iterable[str]) -> str:
    return ", ".join(names)

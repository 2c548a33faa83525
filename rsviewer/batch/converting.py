"""Tiles into files that other programs open, one file a tile. Interrupted and called again, it goes on."""

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rsviewer.batch.remarks import Failure, Remark, Remarks
from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.composing import COLORING, Coloring, image_of, relief_of
from rsviewer.core.errors import LayerError, RsviewerError
from rsviewer.core.relief import DIFFERENCE, Relief, ReliefStyle
from rsviewer.core.render import paint
from rsviewer.core.scene import Frame, deciding_first, frame_of
from rsviewer.core.style import DIVERGING, default_style
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align
from rsviewer.data.clouds import FORMATS, MESHES, write_cloud
from rsviewer.data.content import read_layer
from rsviewer.data.filenames import path_of
from rsviewer.data.resources import color_table
from rsviewer.data.tree import Tree

HEIGHT = "height"
"""As a colour: the height itself through its colour table."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the next tile would meet as well."""


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


class Outcome(StrEnum):
    """What became of a tile."""

    WRITTEN = "written"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was done.

    Attributes:
        tiles: looked at.
        written: files written now.
        skipped: files that were there before.
        failed: in the order of the tiles.
        remarks: on what was written now.
    """

    tiles: int
    written: int
    skipped: int
    failed: tuple[Failure, ...]
    remarks: tuple[Remark, ...]


def convert_clouds(
    dataset: Dataset,
    entries: Sequence[TileEntry],
    order: CloudOrder,
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> Conversion:
    """Writes a point cloud or mesh of every tile, in the colours that the panes have by default.

    A file is whole or not there, so one that is there is done and is skipped. Whoever raises from `progress` stops it; what
    is being written then is finished.

    Args:
        dataset: whose tiles.
        entries: which of them.
        order: what to make of them.
        threads: workers; 0 takes as many as there are cores.
        progress: called with tiles done and tiles in all.

    Raises:
        LayerError: the dataset has no such layer, see `check_order`.
        SaveError: there is no room or permission for any further file.
    """
    check_order(dataset, order)
    failed: list[Failure] = []
    counts = dict.fromkeys(Outcome, 0)
    remarks = Remarks()

    def work(entry: TileEntry) -> _Done:
        return _convert(dataset, entry, order)

    for entry, done in zip(entries, in_parallel(work, entries, threads), strict=True):
        counts[done.outcome] += 1
        if done.outcome is Outcome.FAILED:
            failed.append(Failure(entry.id, done.message))
        remarks.add(entry.id, done.remarks)
        if progress:
            progress(sum(counts.values()), len(entries))
    return Conversion(len(entries), counts[Outcome.WRITTEN], counts[Outcome.SKIPPED], tuple(failed), remarks.all)


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
class _Done:
    outcome: Outcome
    message: str = ""
    remarks: tuple[str, ...] = ()


def _convert(dataset: Dataset, entry: TileEntry, order: CloudOrder) -> _Done:
    """One tile. Raises SaveError only where the next one would meet the same."""
    path = path_of(order.out, entry.id, order.to)
    try:
        if path.is_file() and not order.overwrite:
            return _Done(Outcome.SKIPPED)
        relief = _relief(dataset, entry, order)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_cloud(path, relief.clouds[0], mesh=order.mesh, overwrite=order.overwrite, unit=relief.unit)
    except OSError as error:
        return _Done(Outcome.FAILED, f"The folder {path.parent} cannot be made or used ({error.strerror}).")
    except RsviewerError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_ROOM:
            raise
        return _Done(Outcome.FAILED, str(error))
    except MemoryError:
        return _Done(Outcome.FAILED, "There is not enough memory for it. Try again with fewer workers.")
    return _Done(Outcome.WRITTEN, remarks=relief.remarks)


def _relief(dataset: Dataset, entry: TileEntry, order: CloudOrder) -> Relief:
    """The tile in space, with one cloud. Raises LayerError."""
    read = _Reading(entry, dataset.tree)
    here = [spec for spec in dataset.layers if spec.id in entry.files]
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
    return replace(relief, remarks=(*_decimated(*shown[0]), *relief.remarks))


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


def _coloring(spec: LayerSpec, read: "_Reading") -> Coloring:
    style = default_style(spec)
    raster = read.raster(spec)
    return Coloring(spec, raster, paint(raster, spec, style, color_table(style.color_table)))


def _frame(here: Sequence[LayerSpec], read: "_Reading", height: LayerSpec) -> Frame:
    """The grid of the tile, as in the panes: that of the first image that can be read, else of the first other raster."""
    for spec in deciding_first(here):
        if spec.kind in COLORING:
            frame = frame_of([(spec, read.content(spec))])
            if frame is not None:
                return frame
    raise AssertionError(f"{height.id} was read")


def _decimated(spec: LayerSpec, raster: Raster) -> Iterator[str]:
    width, height = raster.full_size
    if (raster.width, raster.height) != (width, height):
        yield f"{spec.title} is large and was thinned out: {raster.width} x {raster.height} of {width} x {height} heights."


class _Reading:
    """What was read of one tile: each layer once."""

    def __init__(self, entry: TileEntry, tree: Tree) -> None:
        self._entry = entry
        self._tree = tree
        self._read: dict[LayerId, LayerContent] = {}

    def content(self, spec: LayerSpec) -> LayerContent:
        if spec.id not in self._read:
            self._read[spec.id] = read_layer(self._entry, spec, self._tree)
        return self._read[spec.id]

    def raster(self, spec: LayerSpec) -> Raster:
        """Raises LayerError where the layer cannot be read."""
        content = self.content(spec)
        if isinstance(content, Missing | Unreadable):
            raise LayerError(f"{spec.title}: {content.reason}")
        if not isinstance(content, Raster):
            raise LayerError(f"{spec.title} holds no picture.")
        return content


def _of_kind(dataset: Dataset, kinds: Sequence[LayerKind]) -> list[str]:
    return [str(spec.id) for spec in dataset.layers if spec.kind in kinds]


def _choice(names: Iterable[str]) -> str:
    return ", ".join(names)

"""What a dataset becomes in another layout: every file's new place, and what has to be written anew, from names alone.

The format that will read the result is asked what it makes of the planned names. So a layer is compared with what it will be
read as, and a plan that would not be read as it is meant is refused before anything is written.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from rsviewer.core.errors import LayerError, RsviewerError
from rsviewer.core.relayout import plain_name
from rsviewer.core.splits import SplitList, texts
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId, printable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.address import is_path, taken_apart, text_in
from rsviewer.data.catalogue import suffix_of
from rsviewer.data.content import PICKLE_SUFFIXES, read_content
from rsviewer.data.detect import ADAPTERS, detect
from rsviewer.data.filenames import safe_part
from rsviewer.data.relayout.folders import FoldersTarget
from rsviewer.data.relayout.planned import PlannedTree
from rsviewer.data.relayout.rs3dbench import RS3DBenchTarget
from rsviewer.data.relayout.synrs3d import SynRS3DTarget
from rsviewer.data.relayout.target import GROUP, Casting, Named, NewList, Target, Wanted

TARGETS: Mapping[str, Target] = {
    target.name: target for target in (SynRS3DTarget(), RS3DBenchTarget(), FoldersTarget())
}
"""Layouts by name."""

TileOfLine = Callable[[SplitList, str], TileId]

_LIMITS, _CLASSES, _BANDS = (
    "its limits are others there",
    "its classes are others there",
    "its bands have other names there",
)
_DOUBTS = (_LIMITS, _CLASSES, _BANDS)
_TRIED = 5
_OPACITY = (2, 4)
"""A file of so many bands may have one of opacity: whether it has is decided by how many names the layer has for them."""


@dataclass(frozen=True, slots=True)
class Move:
    """One file of a tile.

    Attributes:
        layer: which.
        address: where it is, see `data.address`.
        path: where it goes, under the new dataset.
        why: why it has to be written anew, as a clause; empty where it is copied as it is.
        in_doubt: that may not be so: only its values tell whether it means the same there.
    """

    layer: LayerId
    address: str
    path: str
    why: str = ""
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class TileMoves:
    """The files of one tile."""

    id: TileId
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Relayout:
    """A plan.

    Attributes:
        target: the layout.
        tiles: those that have any of the layers, in the order of the dataset.
        names: what they are called.
        empty: tiles that have none of the layers.
        casting: where layers go.
        read_as: layer -> what it will be read as.
        notes: sentences on what is different in the new dataset.
        digest: of all names: a plan with other tiles has another one.
        has_groups: whether its tiles are in groups.
    """

    target: Target
    tiles: tuple[TileMoves, ...]
    names: Mapping[TileId, Named]
    empty: tuple[TileId, ...]
    casting: Casting
    read_as: Mapping[LayerId, LayerSpec]
    notes: tuple[str, ...]
    digest: str
    has_groups: bool


def plan_relayout(
    dataset: Dataset, entries: Sequence[TileEntry], target: Target, layers: Sequence[LayerId], out: Path
) -> Relayout:
    """Plans a dataset in another layout.

    Args:
        dataset: which.
        entries: its tiles.
        target: the layout.
        layers: which layers; all where there are none.
        out: the new folder, whose name may mean something to the format.

    Raises:
        LayerError: the layout holds none of the layers, or the names would be read as something else there.
    """
    wanted = [spec for spec in dataset.layers if not layers or spec.id in layers]
    groups: dict[LayerId, set[str]] = {}
    for entry in entries:
        for layer in entry.files:
            groups.setdefault(layer, set()).add(entry.group)
    here = [spec for spec in wanted if spec.id in groups]
    casting = target.cast(Wanted(dataset, here, groups, lambda spec: _is_8bit(dataset, entries, spec)))
    if here and not casting.roles:
        why = "; ".join(f"{title}: {clause}" for title, clause in casting.left.items())
        raise LayerError(f"The layout {target.title} can hold none of the layers ({why}). Choose another --to.")
    whole = [entry for entry in entries if not entry.files.keys().isdisjoint(casting.roles)]
    empty = tuple(entry.id for entry in entries if entry.files.keys().isdisjoint(casting.roles))
    names = target.named(dataset, whole)
    has_groups = any(named.group for named in names.values())
    moves = {entry.id: _moves(entry, casting, names[entry.id]) for entry in whole}
    read_as = _read_as(dataset, target, casting, moves, names, out, has_groups=has_groups) if whole else {}
    whys = {layer: _why_anew(dataset.layer(layer), spec) for layer, spec in read_as.items()}
    tiles = tuple(
        TileMoves(tile, tuple(_settled(move, whys[move.layer], casting, target) for move in of_tile))
        for tile, of_tile in moves.items()
    )
    digest = hashlib.sha256()
    for each in tiles:
        digest.update("\0".join((each.id, *(move.path for move in each.moves), "\n")).encode())
    return Relayout(
        target=target,
        tiles=tiles,
        names=names,
        empty=empty,
        casting=casting,
        read_as=read_as,
        notes=(*casting.notes, *_notes(dataset, target, casting, read_as)),
        digest=digest.hexdigest()[:16],
        has_groups=has_groups,
    )


def new_lists(dataset: Dataset, entries: Iterable[TileEntry], tile_of_line: TileOfLine | None) -> list[NewList]:
    """The split lists of a dataset as tiles: each in its own order.

    Lists of one name in a group become one. Tiles that belong to a split without standing on a list of it (a folder is the
    split, or scenes are named) come after the others, in the order of the dataset.

    Args:
        dataset: whose.
        entries: the tiles that may be named.
        tile_of_line: see `DatasetAdapter.tile_of_line`; None for the order of the dataset.
    """
    entries = list(entries)
    known = {entry.id for entry in entries}
    found: dict[tuple[str, str], list[TileId]] = {}
    named: dict[str, set[TileId]] = {}
    for split in dataset.lists:
        rows = found.setdefault((split.group, split.name), [])
        if tile_of_line is None:
            continue
        before = set(rows)
        tiles = [tile for text in texts(split) if text and (tile := tile_of_line(split, text)) in known]
        rows += [tile for tile in tiles if tile not in before]
        named.setdefault(split.name, set()).update(tiles)
    for entry in entries:
        for name in entry.splits:
            if entry.id not in named.get(name, ()):
                group = next((group for group in (entry.group, "") if (group, name) in found), "")
                found.setdefault((group, name), []).append(entry.id)
    return [NewList(plain_name(name, safe_part), group, tuple(tiles)) for (group, name), tiles in found.items()]


def _is_8bit(dataset: Dataset, entries: Iterable[TileEntry], spec: LayerSpec) -> bool:
    """Whether the first file of a layer that can be read is a picture that fits into a PNG of 8 bits."""
    addresses = (entry.files[spec.id] for entry in entries if spec.id in entry.files)
    for address in islice(addresses, _TRIED):
        raster = read_content(address, spec, dataset.tree)
        if isinstance(raster, Raster):
            return raster.pixels.dtype == np.uint8 and raster.bands in (1, 3)
    return False


def _moves(entry: TileEntry, casting: Casting, named: Named) -> list[Move]:
    moves = []
    for layer, role in casting.roles.items():
        address = entry.files.get(layer)
        if address is not None:
            folder = "/".join(part for part in role.folder.replace(GROUP, named.group).split("/") if part)
            moves.append(Move(layer, address, f"{folder}/{named.name}.{role.written}"))
    return moves


def _settled(move: Move, why: str, casting: Casting, target: Target) -> Move:
    """The move with the suffix that its file gets, and why it is written anew."""
    role = casting.roles[move.layer]
    suffix = suffix_of(move.address) if is_path(move.address) else ""
    if text_in(move.address) is not None:
        return Move(move.layer, move.address, move.path, "it stands in a table")
    bands, window = taken_apart(move.address)
    why = "it is a part of a larger file" if window else "its bands are files of their own" if len(bands) > 1 else why
    if not why and suffix not in role.copied:
        why = (
            "it was a pickle"
            if suffix in PICKLE_SUFFIXES
            else f"{target.title} has no files that end with .{printable(suffix)} there"
        )
    if why:
        return Move(move.layer, move.address, move.path, why, why in _DOUBTS and suffix == role.written)
    return Move(move.layer, move.address, f"{move.path.rpartition('.')[0]}.{suffix}")


def _why_anew(spec: LayerSpec, new: LayerSpec) -> str:
    """Why the files of a layer would not mean the same in the new dataset; empty where they would."""
    if spec.kind is LayerKind.TEXT:
        return ""
    if spec.take:
        return "it is one of several layers in its file"
    if spec.lut:
        return "its values are made from others"
    if (spec.scale, spec.offset) != (new.scale, new.offset):
        return "its values are stored scaled"
    if spec.nodata != new.nodata:
        return "only the dataset's format knows what is nodata in it"
    if spec.zoom != new.zoom:
        return "only its name tells where it lies"
    if (spec.low, spec.high) != (new.low, new.high):
        return _LIMITS
    if spec.kind.is_categorical and _data_of(spec) != _data_of(new):
        return _CLASSES
    if len(spec.bands) != len(new.bands) and not {len(spec.bands), len(new.bands)}.isdisjoint(_OPACITY):
        return _BANDS
    return ""


def _data_of(spec: LayerSpec) -> set[int]:
    """Values that are data whatever a file says; see `data.raster`."""
    if spec.kind is LayerKind.MASK and not spec.classes:
        return {0}
    return {known.value for known in spec.classes if not known.void}


def _read_as(
    dataset: Dataset,
    target: Target,
    casting: Casting,
    moves: Mapping[TileId, Sequence[Move]],
    names: Mapping[TileId, Named],
    out: Path,
    *,
    has_groups: bool,
) -> dict[LayerId, LayerSpec]:
    """What the planned names are read as. Raises LayerError where that is not what they are."""
    files = [move.path for of_tile in moves.values() for move in of_tile]
    contents = target.described(dataset, casting, has_groups=has_groups, has_lists=False)
    root = Path(os.path.abspath(out))  # noqa: PTH100 - Path.absolute keeps ".."
    tree = PlannedTree(str(root), files, contents)
    try:
        adapter, found, _ = detect(root, None, tree)
        new = adapter.describe(found)
    except RsviewerError as error:
        expects = next(adapter.expects for adapter in ADAPTERS if adapter.name == target.name)
        raise LayerError(
            f"It would not be read as {target.title}, which wants {expects}. Choose another --to."
        ) from error
    if adapter.name != target.name or found != root:
        raise LayerError(f"The result would be read as {adapter.title}, not as {target.title}. Choose another --out.")
    expected = {names[tile].id: tile for tile in moves}
    meanings: dict[LayerId, LayerId] = {}
    above = str(root) + os.sep
    seen = 0
    for entry in adapter.scan(new):
        tile = expected.get(entry.id)
        if tile is None or entry.group != names[tile].group:
            raise LayerError(f"{entry.id} would be read as another tile by {target.title}. Choose --to folders.")
        layers = {path.removeprefix(above).replace(os.sep, "/"): layer for layer, path in entry.files.items()}
        for move in moves[tile]:
            meaning = layers.get(move.path)
            if meaning is None or meanings.setdefault(move.layer, meaning) != meaning:
                title = dataset.layer(move.layer).title
                raise LayerError(
                    f"{title} of {tile} would be read as another layer by {target.title}. Choose --to folders."
                )
        seen += 1
    if seen != len(moves):
        raise LayerError(
            f"Only {seen} of {len(moves)} tiles would be found by {target.title}. Choose --to folders, or fewer tiles."
        )
    return {layer: new.layer(meaning) for layer, meaning in meanings.items()}


def _notes(
    dataset: Dataset,
    target: Target,
    casting: Casting,
    read_as: Mapping[LayerId, LayerSpec],
) -> list[str]:
    """What is to be said of classes."""
    notes = []
    for layer, new in read_as.items():
        spec = dataset.layer(layer)
        is_said = any(note.startswith(f"{spec.title}: ") for note in casting.notes)
        if spec.kind.is_categorical and spec.classes and new.classes != spec.classes and not is_said:
            there = ", ".join(known.name for known in new.classes if not known.void)
            notes.append(
                f"{spec.title}: there its classes are called {there}."
                if there
                else f"{spec.title}: {target.title} has no names for its classes."
            )
    return notes

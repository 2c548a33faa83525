"""Parallel folders with a description: a folder for each layer, one in it for each group. Holds all but vector labels."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rsviewer.core.combinations import Combination, Operation
from rsviewer.core.relayout import new_groups, new_names
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data import guess
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.datasets.folders import LAYOUT_FILE, MOST_GROUP_LEVELS
from rsviewer.data.datasets.layout import FolderLayout, LayerFolder, dump_layout
from rsviewer.data.filenames import safe_part
from rsviewer.data.relayout.target import (
    ANY_RASTER,
    GROUP,
    TEXT,
    Casting,
    Named,
    NewList,
    Role,
    Target,
    Wanted,
    by_group,
    folder_part,
    lines,
)

LISTS = "lists"
"""The folder of split lists."""


class FoldersTarget(Target):
    """<layer>/<group>/<tile>.<suffix>, described by a TOML."""

    name = "folders"
    title = "the layout of folders"

    def cast(self, wanted: Wanted) -> Casting:
        """See `Target.cast`."""
        roles: dict[LayerId, Role] = {}
        left: dict[str, str] = {}
        notes: list[str] = []
        for spec in wanted.layers:
            if spec.kind is LayerKind.VECTOR:
                left[spec.title] = "vector labels have no place in it"
                continue
            folder = f"{spec.id}_layer" if spec.id == LISTS else str(spec.id)
            suffixes = TEXT if spec.kind is LayerKind.TEXT else ANY_RASTER
            roles[spec.id] = Role(f"{folder}/{GROUP}", suffixes, "txt" if spec.kind is LayerKind.TEXT else "tif")
            lost = [each.name for each in spec.combinations if not _is_kept(each, spec)]
            if lost:
                notes.append(f"{spec.title}: no description of folders can say how {', '.join(lost)} are made.")
        return Casting(roles, left, tuple(notes))

    def named(self, dataset: Dataset, entries: Iterable[TileEntry]) -> dict[TileId, Named]:  # noqa: ARG002
        """See `Target.named`."""
        tiles = by_group(entries)
        groups = new_groups(tiles, folder_part, levels=MOST_GROUP_LEVELS, taken=(LISTS,))
        return {
            tile: Named(groups[group], name)
            for group, members in tiles.items()
            for tile, name in new_names(members, safe_part).items()
        }

    def lists(
        self, lists: Iterable[NewList], names: Mapping[TileId, Named], files: Mapping[TileId, Mapping[LayerId, str]]
    ) -> dict[str, bytes]:
        """See `Target.lists`: lists/<group>/<name>.txt, a tile a line with its group."""
        found: dict[str, list[TileId]] = {}
        for split in lists:
            tiles = [names[tile].id for tile in split.tiles if tile in files]
            group = next((names[tile].group for tile in split.tiles if tile in files and split.group), "")
            if tiles:
                path = "/".join(filter(None, (LISTS, group, f"{split.name}.txt")))
                found[path] = [*found.get(path, ()), *tiles]
        return {path: lines(tiles) for path, tiles in found.items()}

    def described(self, dataset: Dataset, casting: Casting, *, has_groups: bool, has_lists: bool) -> dict[str, bytes]:
        """See `Target.described`."""
        layers = []
        taken: set[LayerId] = set()
        for layer, role in casting.roles.items():
            spec = as_written(dataset.layer(layer))
            if not re.fullmatch(r"[a-z][a-z0-9_]*", spec.id):
                spec = replace(spec, id=guess.layer_id(spec.id, {*taken, *casting.roles}))
            taken.add(spec.id)
            folder = role.folder if has_groups else role.folder.removesuffix(f"/{GROUP}")
            layers.append(LayerFolder(spec, folder))
        lists = (f"{LISTS}/**/*.txt",) if has_lists else ()
        return {LAYOUT_FILE: dump_layout(FolderLayout(tuple(layers), title=dataset.title, lists=lists)).encode()}


def as_written(spec: LayerSpec) -> LayerSpec:
    """A layer whose files say by themselves what their values mean."""
    return replace(
        spec,
        take=(),
        lut=(),
        scale=1.0,
        offset=0.0,
        nodata=None,
        zoom=None,
        combinations=tuple(each for each in spec.combinations if _is_kept(each, spec)),
    )


def _is_kept(combination: Combination, spec: LayerSpec) -> bool:
    """Whether a description can say how it is made: of bands with names, all in one way, in one range."""
    channels = combination.channels
    has_names = all(band < len(spec.bands) for channel in channels for band in channel.bands)
    is_one = {channel.operation for channel in channels} == {Operation.BAND} or len(channels) == 1
    is_plain = all(channel.low is None and channel.high is None for channel in channels)
    return has_names and is_one and is_plain and len(set(spec.bands)) == len(spec.bands)

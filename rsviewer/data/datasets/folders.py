"""Any other dataset: parallel folders whose files have equal names, described by a small TOML (see `layout`).

The description is written by people, or proposed from the names (see `proposal`) and then corrected by people. It lies
where they put it: at any path that is opened, in the project, or as LAYOUT_FILE in the dataset's root. Nothing is written
there.

Tiles are named by what is left of a file's name without prefix, suffix and extension. Where {group} stands in the folders,
what it stands for is the group and part of the tile's id.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rsviewer.core.errors import DatasetNotFoundError, SettingsError
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind
from rsviewer.data.adapter import Dataset
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    TEXT_SUFFIXES,
    Catalogue,
    Group,
    Line,
    Source,
    fold,
    list_files,
    natural,
    plain_line,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.datasets.layout import GROUP, FolderLayout, LayerFolder, parse_layout
from rsviewer.data.datasets.proposal import propose_layout
from rsviewer.data.lists import find_lists, read_split_list
from rsviewer.data.looking import holds, look, problem_with
from rsviewer.data.tree import DISK, Tree

LAYOUT_FILE = "rsviewer-dataset.toml"

MOST_GROUP_LEVELS = 3
"""So many folders deep {group} is looked for: Train/Rural/images."""

MAX_LAYOUT_BYTES = 4 << 20
"""No description is larger."""

_EXAMPLES = 3
_MOST_LISTS = 200


class FoldersAdapter(CataloguedAdapter):
    """Parallel folders as a layout describes them."""

    name = "folders"
    title = "Folders"
    expects = f"parallel folders with equal file names, described by {LAYOUT_FILE}"

    def __init__(self, tree: Tree = DISK, layout: FolderLayout | None = None) -> None:
        """Without a layout, the one in the dataset's root is read, and if there is none, one is proposed."""
        super().__init__(tree)
        self._layout = layout

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: the layout of this adapter or the one in the root fits."""
        if self._layout:
            return "the description fits" * bool(_groups(self._tree, str(root), self._layout, []))
        return f"{LAYOUT_FILE} describes it" * self._tree.is_file(str(root / LAYOUT_FILE))

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`. Raises SettingsError where the layout in the root cannot be used."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        file = root / LAYOUT_FILE
        described: list[Path] = []
        if self._layout:
            layout = self._layout
        elif self._tree.is_file(str(file)):
            layout = read_layout(file, self._tree)
            described = [file]
            root = Path(os.path.abspath(root / layout.root))  # noqa: PTH100
        else:
            layout = propose_layout(self._tree, root)
        problems: list[str] = []
        groups = _groups(self._tree, str(root), layout, problems)
        if not groups:
            named = ", ".join(tile_name(layer.folder) for layer in layout.layers)
            found = ", ".join(look(self._tree, str(root)).folders) or "no folders"
            raise DatasetNotFoundError(
                f"None of the folders of the description ({named}) is under {tile_name(str(root))}, which holds {found}. "
                "Correct the description, or open the folder it was written for."
            )
        read_line = partial(_read_line, layout)
        tiles = Catalogue(self._tree, groups, read_line=read_line)
        lists = _lists(self._tree, root, layout, tiles, problems)
        shown_group = partial(_group_of, re.compile(layout.group)) if layout.group else None
        self._planned(root, Catalogue(self._tree, groups, lists.values(), read_line=read_line, shown_group=shown_group))
        folders = dict.fromkeys(Path(source.folder) for group in groups for source in group.sources)
        there = [str(folder) for folder in folders if self._tree.is_folder(str(folder))]
        problems += [problem for folder in there if (problem := problem_with(self._tree, folder))]
        return Dataset(
            format=self.name,
            title=layout.title or tile_name(root.name or str(root)),
            root=root,
            layers=tuple(layer.spec for layer in layout.layers),
            lists=tuple(lists.values()),
            folders=tuple(dict.fromkeys([root, *(folder.parent for folder in folders), *folders, *lists, *described])),
            problems=tuple(problems),
            tree=self._tree,
        )


@dataclass(frozen=True, slots=True)
class LayerCount:
    """What a layer of a layout finds on disk.

    Attributes:
        layer: its id.
        files: how many tiles have it.
        examples: some of their file names.
        lonely: names of some tiles that have this layer only.
    """

    layer: LayerId
    files: int
    examples: tuple[str, ...]
    lonely: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a layout finds on disk: for the person who is to say whether it is right.

    Attributes:
        tiles: how many there are.
        complete: how many of them have all layers.
        groups: names of the groups.
        layers: in the order of the layout.
        unused: folders in the root that hold rasters and are in no layer.
        problems: sentences.
    """

    tiles: int
    complete: int
    groups: tuple[str, ...]
    layers: tuple[LayerCount, ...]
    unused: tuple[str, ...]
    problems: tuple[str, ...]


def inspect_layout(tree: Tree, root: Path, layout: FolderLayout) -> Inspection:
    """Lists all folders of a layout and counts. Takes as long as a scan: not for the thread of a window."""
    problems: list[str] = []
    groups = _groups(tree, str(root), layout, problems)
    listings = [(group, list_files(tree, group.sources)) for group in groups]
    counts = []
    for layer in layout.layers:
        files: list[str] = []
        lonely: list[str] = []
        for group, listing in listings:
            if layer.spec.id not in listing.layers:
                continue
            column = listing.layers.index(layer.spec.id)
            for tile, row in listing.tiles.items():
                path = row[column]
                if path is not None:
                    files.append(path)
                    if len(row) > 1 and row.count(None) == len(row) - 1:
                        lonely.append(f"{group.name}/{tile}" if group.name else tile)
        examples = tuple(tile_name(Path(path).name) for path in sorted(files, key=natural)[:_EXAMPLES])
        strangers = tuple(map(tile_name, sorted(lonely, key=natural)[:_EXAMPLES]))
        counts.append(LayerCount(layer.spec.id, len(files), examples, strangers))
    top = look(tree, str(root))
    used = {source.folder for group in groups for source in group.sources}
    rows = [row for _, listing in listings for row in listing.tiles.values()]
    return Inspection(
        tiles=len(rows),
        complete=sum(len(row) == len(layout.layers) and None not in row for row in rows),
        groups=tuple(tile_name(group.name) for group in groups if group.name),
        layers=tuple(counts),
        unused=tuple(tile_name(name) for name in top.folders if holds(tree, top.at(name)) and top.at(name) not in used),
        problems=tuple(problems),
    )


def read_layout(path: Path, tree: Tree = DISK) -> FolderLayout:
    """Reads a description from a file. Raises SettingsError, which names the file, the key and what to write."""
    try:
        return parse_layout(tree.read(str(path), MAX_LAYOUT_BYTES).decode())
    except SettingsError as error:
        raise SettingsError(f"{tile_name(str(path))}: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{tile_name(str(path))} is not UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise SettingsError(f"{tile_name(str(path))} cannot be read: {error.strerror}.") from error


def _groups(tree: Tree, root: str, layout: FolderLayout, problems: list[str]) -> list[Group]:
    """The groups that the folders of a layout make, in natural order."""
    sources: dict[str, list[Source]] = {}
    absent = []
    for layer in layout.layers:
        suffixes = TEXT_SUFFIXES if layer.spec.kind is LayerKind.TEXT else RASTER_SUFFIXES
        found = list(_expand(tree, root, layer.folder.split("/"), ()))
        if not found:
            absent.append(layer.spec.id)
            found = [("", str(Path(root, layer.folder)))] if GROUP not in layer.folder else []
            below = f"{tile_name(layer.folder)} under {tile_name(root)}"
            problems.append(f"The layer {layer.spec.id!r} is missing everywhere: there is no folder {below}.")
        for group, folder in found:
            sources.setdefault(group, []).append(Source(layer.spec.id, folder, suffixes, _tile_function(layer, layout)))
    if len(absent) == len(layout.layers):
        return []
    return [Group(name, tuple(sources[name])) for name in sorted(sources, key=natural)]


def _expand(tree: Tree, path: str, parts: list[str], group: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name of the group, folder) for each folder that `parts` mean, case being ignored."""
    if not parts:
        yield "/".join(group), path
        return
    part, rest = parts[0], parts[1:]
    if part == ".":
        yield from _expand(tree, path, rest, group)
    elif part == GROUP:
        yield from _expand_group(tree, path, rest, group)
    else:
        pattern = re.compile("(.+)".join(re.escape(fold(text)) for text in part.split(GROUP)), re.DOTALL)
        here = look(tree, path, most=None)
        exact = [name for name in here.folders if part in (name, tile_name(name))]
        for name in exact or here.folders:
            match = pattern.fullmatch(fold(tile_name(name)))
            if match:
                begin, end = match.span(1) if GROUP in part else (0, 0)
                named = (tile_name(name)[begin:end],) if GROUP in part else ()
                yield from _expand(tree, here.at(name), rest, (*group, *named))


def _expand_group(tree: Tree, path: str, rest: list[str], group: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    here = look(tree, path, most=None)
    for name in here.folders:
        inner = (*group, name)
        found = list(_expand(tree, here.at(name), rest, inner)) if rest or _holds_tiles(tree, here.at(name)) else []
        if not found and len(inner) < MOST_GROUP_LEVELS:
            yield from _expand_group(tree, here.at(name), rest, inner)
        yield from found


def _holds_tiles(tree: Tree, folder: str) -> bool:
    return holds(tree, folder, RASTER_SUFFIXES | TEXT_SUFFIXES)


def _tile_function(layer: LayerFolder, layout: FolderLayout) -> "partial[str | None] | None":
    """Name of a file -> name of its tile, for one layer; None where that is the name itself."""
    rivals = [
        other
        for other in layout.layers
        if other is not layer
        and fold(other.folder) == fold(layer.folder)
        and len(other.prefix + other.suffix) > len(layer.prefix + layer.suffix)
    ]
    if not (layer.prefix or layer.suffix or rivals):
        return None
    return partial(_tile_of, layer, rivals)


def _tile_of(layer: LayerFolder, rivals: Iterable[LayerFolder], stem: str) -> str | None:
    tile = _stripped(layer, stem)
    return tile if tile and not any(_stripped(rival, stem) for rival in rivals) else None


def _stripped(layer: LayerFolder, stem: str) -> str | None:
    begin, end = len(layer.prefix), len(stem) - len(layer.suffix)
    fits = stem[:begin].lower() == layer.prefix.lower() and stem[end:].lower() == layer.suffix.lower()
    return stem[begin:end] if fits and begin < end else None


def _read_line(layout: FolderLayout, text: str) -> Line:
    """Lines may name a tile, or the file of any layer."""
    line = plain_line(text)
    stripped = [tile for layer in layout.layers for name in line.tiles if (tile := _stripped(layer, name))]
    return Line(tuple(dict.fromkeys((*line.tiles, *stripped))), line.absent, line.folders)


def _group_of(pattern: re.Pattern[str], tile: str) -> str:
    match = pattern.search(tile)
    return (match[1] or "") if match else ""


def _lists(
    tree: Tree, root: Path, layout: FolderLayout, tiles: Catalogue, problems: list[str]
) -> Mapping[Path, SplitList]:
    names = [group.name for group in tiles.groups]
    if layout.lists is None:
        top = look(tree, str(root))
        group = names[0] if names == [""] else ""
        return find_lists(tree, [top.at(name) for name in top.files], root, group, partial(tiles.has, group), problems)
    lists: dict[Path, SplitList] = {}
    for pattern in layout.lists:
        paths = sorted(root.glob(pattern.replace(GROUP, "*")), key=lambda path: natural(str(path)))[:_MOST_LISTS]
        if not paths:
            problems.append(f"There is no list {pattern!r} under {tile_name(str(root))}.")
        for path in paths:
            folder = path.parent.relative_to(root).as_posix()
            group = max((name for name in names if f"{folder}/".startswith(f"{name}/")), key=len, default="")
            try:
                lists[path] = read_split_list(tree, path, root, group)
            except OSError as error:
                problems.append(f"The list {tile_name(str(path))} cannot be read: {error.strerror}.")
    return lists

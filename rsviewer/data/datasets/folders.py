"""Any other dataset: parallel folders whose files have equal names, described by a small TOML (see `layout`).

The description is written by people, or proposed from the names (see `proposal`) and then corrected by people. It lies
where they put it: at any path that is opened, in the project, or as LAYOUT_FILE in the dataset's root. Nothing is written
there.

Tiles are named by what is left of a file's name without prefix, suffix and extension, or by what {tile} stands for. What
the other placeholders in the folders stand for is the group and part of the tile's id.
"""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rsviewer.core.errors import DatasetNotFoundError, SettingsError
from rsviewer.core.filters import ColumnType
from rsviewer.core.splits import ListForm, SplitList
from rsviewer.core.tile import LayerId, LayerKind
from rsviewer.data.adapter import Dataset, Fact, TileEntry
from rsviewer.data.address import of_bands
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    TEXT_SUFFIXES,
    Catalogue,
    Group,
    Line,
    Listing,
    Source,
    fold,
    list_files,
    natural,
    place_name,
    plain_line,
    suffix_of,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.datasets.layout import GROUP, PLACEHOLDER, TILE, FolderLayout, LayerFolder, is_relative, parse_layout
from rsviewer.data.datasets.proposal import propose_layout
from rsviewer.data.lists import find_lists, read_split_list
from rsviewer.data.looking import holds, look, problem_with
from rsviewer.data.patterns import Pattern
from rsviewer.data.tree import DISK, Tree

LAYOUT_FILE = "rsviewer-dataset.toml"

MOST_GROUP_LEVELS = 3
"""So many folders deep {group} is looked for: Train/Rural/images."""

MAX_LAYOUT_BYTES = 4 << 20
"""No description is larger."""

Values: TypeAlias = dict[str, str]
"""Name of a placeholder -> what it stands for."""

Affix: TypeAlias = tuple[str, str]
"""What the name of a file has before and after the name of its tile."""

_EXAMPLES = 3
_NAMED = 6
_LONGEST_NAME = 1020  # 255 bytes that are no UTF-8, as `tile_name` writes them
_MOST_LISTS = 200
_MOST_LOOKED_AT = 2_000
_SOMEWHERE = -1_000  # the depth below {group}, which stands for one folder or several
_BAND = "\x1f"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")
_SUFFIXES = {*RASTER_SUFFIXES, *TEXT_SUFFIXES}
_FORMS = {"json": ListForm.JSON, "csv": ListForm.CSV}


class FoldersAdapter(CataloguedAdapter):
    """Parallel folders as a layout describes them."""

    name = "folders"
    title = "Folders"
    expects = f"parallel folders with equal file names, described by {LAYOUT_FILE}"

    def __init__(self, tree: Tree = DISK, layout: FolderLayout | None = None) -> None:
        """Without a layout, the one in the dataset's root is read, and if there is none, one is proposed."""
        super().__init__(tree)
        self._layout = layout
        self._known: dict[str, dict[str, str | float | None]] = {}
        self._stacks: dict[LayerId, tuple[LayerId, ...]] = {}

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: the layout of this adapter or the one in the root fits."""
        if self._layout:
            return "the description fits" * bool(_groups(self._tree, str(root), self._layout, [])[0])
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
            if layout.root and not is_relative(layout.root):
                raise SettingsError(
                    f"{place_name(file)}: its root {layout.root!r} leads out of its folder. If you trust it, open "
                    "that file instead of the folder."
                )
            root = Path(os.path.abspath(root / layout.root))  # noqa: PTH100
        else:
            layout = propose_layout(self._tree, root)
        problems: list[str] = []
        groups, values = _groups(self._tree, str(root), layout, problems)
        if not groups:
            named = _some([layer.folder for layer in layout.layers])
            found = _some(look(self._tree, str(root)).folders) or "no folders"
            raise DatasetNotFoundError(
                f"None of the folders of the description ({named}) is under {place_name(root)}, which holds {found}. "
                "Correct the description, or open the folder it was written for."
            )
        read_line = _line_reader(layout)
        tiles = Catalogue(self._tree, groups, read_line=read_line)
        lists = _lists(self._tree, root, layout, tiles, problems)
        shown = Pattern(layout.group).found_in if layout.group else None
        self._planned(root, Catalogue(self._tree, groups, lists.values(), read_line=read_line, shown_groups=shown))
        facts = _facts(layout, values)
        self._known = {tile_name(group): _as_types(facts, known) for group, known in values.items() if facts}
        self._stacks = _stacks(layout)
        places = dict.fromkeys(source.folder for group in groups for source in group.sources)
        if _has_own_folders(layout):  # as many as tiles
            places = dict.fromkeys(map(os.path.dirname, places))
        folders = [Path(place) for place in places]
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
            facts=facts,
            why=f"{LAYOUT_FILE} describes it" if described else "the description fits" if self._layout else "",
            tree=self._tree,
        )

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`."""
        entries = super().scan(dataset)
        if not (self._known or self._stacks):
            return entries
        return self._completed(entries)

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        """See `PreviewingAdapter.first_page`."""
        page = super().first_page(dataset, most)
        return list(self._completed(page)) if self._known or self._stacks else page

    def _completed(self, entries: Iterable[TileEntry]) -> Iterator[TileEntry]:
        """With what the folders say, and files that are bands put together."""
        nothing: dict[str, str | float | None] = {}
        for entry in entries:
            facts = self._known.get(entry.id.rpartition("/")[0], nothing)
            files, missing = _stacked(entry, self._stacks) if self._stacks else (entry.files, entry.missing)
            yield replace(entry, files=files, missing=missing, facts=facts)


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
    groups, _ = _groups(tree, str(root), layout, problems)
    listings = [(group, _merged(list_files(tree, group.sources))) for group in groups]
    counts = []
    for layer in layout.layers:
        files: list[str] = []
        lonely: list[str] = []
        for group, (columns, tiles) in listings:
            if layer.spec.id not in columns:
                continue
            column = columns.index(layer.spec.id)
            for tile, row in tiles.items():
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
    rows = [row for _, (_, tiles) in listings for row in tiles.values()]
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
        raise SettingsError(f"{place_name(path)}: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{place_name(path)} is not UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise SettingsError(f"{place_name(path)} cannot be read: {error.strerror}.") from error


def _groups(tree: Tree, root: str, layout: FolderLayout, problems: list[str]) -> tuple[list[Group], dict[str, Values]]:
    """The groups that the folders of a layout make, in natural order, and what placeholders stand for in each."""
    sources: dict[str, list[Source]] = {}
    values: dict[str, Values] = {}
    order = [name for name in layout.layers[0].placeholders if f"{{{name}}}" != TILE]
    places: dict[str, list[tuple[Values, str]]] = {}
    absent = []
    for layer in layout.layers:
        if layer.folder not in places:
            expanding = _Expanding(tree, _written(layout))
            places[layer.folder] = list(expanding.folders(root, tuple(layer.folder.split("/")), {}))
        found = places[layer.folder]
        if not found:
            absent.append(layer.spec.id)
            found = [({}, str(Path(root, layer.folder)))] if not layer.placeholders else []
            below = f"{tile_name(layer.folder)} under {tile_name(root)}"
            problems.append(f"The layer {layer.spec.id!r} is missing everywhere: there is no folder {below}.")
        plans = _plans(layer, layout)
        for known, folder in found:
            group = "/".join(known[name] for name in order)
            values.setdefault(group, known)
            sources.setdefault(group, []).extend(plan.source(folder, known) for plan in plans)
    if len(absent) == len(layout.layers):
        return [], {}
    own_folders = _has_own_folders(layout)
    return [
        Group(name, tuple(sources[name]), () if own_folders or not name else _aliases(root, sources[name]))
        for name in sorted(sources, key=natural)
    ], values


def _aliases(root: str, sources: Iterable[Source]) -> tuple[str, ...]:
    """The folders of a group, as lines of lists write them."""
    return tuple(dict.fromkeys(Path(source.folder).relative_to(root).as_posix() for source in sources))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which files of a folder are a layer, or one band of it.

    Attributes:
        layer: its id, or what stands for its band.
        suffixes: see `Source`.
        stem: the name of its files without the suffix, with placeholders.
        rivals: stems of other layers in the same folder, which may be more to the point.
    """

    layer: LayerId
    suffixes: Mapping[str, int]
    stem: str
    rivals: tuple[str, ...]

    def source(self, folder: str, known: Values) -> Source:
        """One folder of the layer."""
        if TILE not in self.stem:
            return Source(
                self.layer, folder, self.suffixes, partial(_constant, fold(_filled(self.stem, known)), known["tile"])
            )
        affix = _affix(self.stem, known)
        length = sum(map(len, affix))
        rivals = [rival for stem in self.rivals if sum(map(len, rival := _affix(stem, known))) > length]
        plain = not length and not rivals
        return Source(self.layer, folder, self.suffixes, None if plain else _cutting(affix, rivals))


def _plans(layer: LayerFolder, layout: FolderLayout) -> list[_Plan]:
    """One, or one for each band."""
    usual = TEXT_SUFFIXES if layer.spec.kind is LayerKind.TEXT else RASTER_SUFFIXES
    names = [layer.spec.id] if len(layer.files) < 2 else _bands_of(layer)
    rivals = tuple(_stems(layout, fold(layer.folder)))
    parts = [_taken_apart(pattern) for pattern in layer.patterns]
    return [
        _Plan(name, {suffix: 0} if suffix else usual, stem, rivals)
        for name, (stem, suffix) in zip(names, parts, strict=True)
    ]


def _bands_of(layer: LayerFolder) -> list[LayerId]:
    """Stand for the bands of a layer until they are put together: no layer of a layout is called so."""
    return [LayerId(f"{layer.spec.id}{_BAND}{band}") for band in range(len(layer.files))]


def _stacks(layout: FolderLayout) -> dict[LayerId, tuple[LayerId, ...]]:
    """Layers -> what stands for their bands; empty where no layer has several files, and for a layer that has one."""
    stacks = {layer.spec.id: tuple(_bands_of(layer) if len(layer.files) > 1 else ()) for layer in layout.layers}
    return stacks if any(stacks.values()) else {}


def _stacked(
    entry: TileEntry, stacks: Mapping[LayerId, tuple[LayerId, ...]]
) -> tuple[dict[LayerId, str], tuple[LayerId, ...]]:
    """The files of a tile with bands put together, and the layers that it lacks."""
    files: dict[LayerId, str] = {}
    for layer, bands in stacks.items():
        paths = [entry.files.get(band, "") for band in bands or (layer,)]
        if any(paths):
            files[layer] = of_bands(paths) if bands else paths[0]
    lacking = {band.partition(_BAND)[0] for band in entry.missing}
    return files, tuple(layer for layer in stacks if layer in lacking and layer not in files)


def _merged(listing: Listing) -> tuple[tuple[LayerId, ...], dict[str, list[str | None]]]:
    """Layers, and tile -> path of each: bands as the layer that they are, whose file is the first that is there."""
    owners = [LayerId(layer.partition(_BAND)[0]) for layer in listing.layers]
    layers = tuple(dict.fromkeys(owners))
    rows = {tile: listing.paths(tile) for tile in listing.tiles}
    if layers != listing.layers:
        for tile, row in rows.items():
            rows[tile] = [
                next((path for path, owner in zip(row, owners, strict=True) if owner == layer and path), None)
                for layer in layers
            ]
    return layers, rows


def _facts(layout: FolderLayout, values: Mapping[str, Values]) -> tuple[Fact, ...]:
    """What the placeholders say: numbers where all of it are numbers."""
    facts = []
    for name in layout.layers[0].facts:
        are_numbers = all(_NUMBER.fullmatch(known[name]) for known in values.values())
        kind = ColumnType.NUMBER if are_numbers else ColumnType.TEXT
        facts.append(Fact(name, kind, f"{name.replace('_', ' ')}, as the folders say"))
    return tuple(facts)


def _as_types(facts: Iterable[Fact], known: Values) -> dict[str, str | float | None]:
    return {
        fact.name: float(known[fact.name]) if fact.type is ColumnType.NUMBER else tile_name(known[fact.name])
        for fact in facts
    }


def _written(layout: FolderLayout) -> frozenset[tuple[int, str]]:
    """(depth, name) of what the layers' folders write out: no placeholder stands for it."""
    parts = (pair for layer in layout.layers for pair in enumerate(layer.folder.split("/")))
    return frozenset((depth, fold(part)) for depth, part in parts if not PLACEHOLDER.search(part))


@dataclass(frozen=True, slots=True)
class _Expanding:
    """Finds the folders that a folder with placeholders means, case being ignored.

    Attributes:
        tree: where they are.
        written: see `_written`.
    """

    tree: Tree
    written: frozenset[tuple[int, str]]

    def folders(self, path: str, parts: tuple[str, ...], known: Values, depth: int = 0) -> Iterator[tuple[Values, str]]:
        """(what placeholders stand for, folder) for each folder that `parts` mean."""
        if not parts:
            yield known, path
            return
        part, rest = parts[0], parts[1:]
        if part == ".":
            yield from self.folders(path, rest, known, depth)
        elif part == GROUP and "group" not in known:
            yield from self._groups(path, rest, known, ())
        elif PLACEHOLDER.search(part):
            yield from self._named(path, parts, known, depth)
        elif self.tree.is_folder(os.path.join(path, part)):  # noqa: PTH118 - paths of tiles are strings, see TileEntry
            yield from self.folders(os.path.join(path, part), rest, known, depth + 1)  # noqa: PTH118
        else:
            here = look(self.tree, path, most=None)
            exact = [name for name in here.folders if part == tile_name(name)]
            for name in exact or [name for name in here.folders if fold(tile_name(name)) == fold(part)]:
                yield from self.folders(here.at(name), rest, known, depth + 1)

    def _named(self, path: str, parts: tuple[str, ...], known: Values, depth: int) -> Iterator[tuple[Values, str]]:
        """Folders whose first part has placeholders."""
        part, rest = parts[0], parts[1:]
        pattern = _shape_of(part, known)
        here = look(self.tree, path, most=None)
        for name in here.folders:
            match = pattern.fullmatch(tile_name(name))
            if not match or (depth, fold(name)) in self.written:
                continue
            if rest or TILE in part or _holds_tiles(self.tree, here.at(name)):
                whole = {key: name for key in match.groupdict() if f"{{{key}}}" == part}
                yield from self.folders(here.at(name), rest, {**known, **match.groupdict(), **whole}, depth + 1)

    def _groups(
        self, path: str, rest: tuple[str, ...], known: Values, group: tuple[str, ...]
    ) -> Iterator[tuple[Values, str]]:
        """Folders at any depth under `path`, as far as MOST_GROUP_LEVELS, that go on with `rest`."""
        here = look(self.tree, path, most=None)
        for name in here.folders:
            inner = (*group, name)
            now = {**known, "group": "/".join(inner)}
            goes_on = rest or _holds_tiles(self.tree, here.at(name))
            found = list(self.folders(here.at(name), rest, now, _SOMEWHERE)) if goes_on else []
            if not found and len(inner) < MOST_GROUP_LEVELS:
                yield from self._groups(here.at(name), rest, known, inner)
            yield from found


@dataclass(frozen=True, slots=True)
class _Shape:
    """The names that a part of a folder or file with placeholders means.

    Attributes:
        pattern: takes a name apart.
        written: what every name has, in this order, case folded. Asked first: where it is there, the pattern need not try
            all the ways in which placeholders may share a name.
    """

    pattern: re.Pattern[str]
    written: tuple[str, ...]

    def fullmatch(self, name: str) -> re.Match[str] | None:
        """What the placeholders stand for; None for other names, and for those that no folder or file can have."""
        if len(name) > _LONGEST_NAME:
            return None
        folded, place = name.casefold(), 0
        if not folded.endswith(self.written[-1]):
            return None
        for text in self.written:
            place = folded.find(text, place)
            if place < 0:
                return None
            place += len(text)
        return self.pattern.fullmatch(name)


def _shape_of(part: str, known: Values) -> _Shape:
    """The names that a part of a folder means; a placeholder that stood before stands for the same again."""
    seen: set[str] = set()
    patterns, written = [], [""]
    for piece in re.split(r"(\{[a-z][a-z0-9_]*\})", part):
        match = PLACEHOLDER.fullmatch(piece)
        if match is None or match[1] in known:
            text = piece if match is None else tile_name(known[match[1]])
            written[-1] += text.casefold()
            patterns.append(re.escape(text))
            continue
        patterns.append(f"(?P={match[1]})" if match[1] in seen else f"(?P<{match[1]}>.+)")
        seen.add(match[1])
        written.append("")
    return _Shape(re.compile("".join(patterns), re.IGNORECASE | re.DOTALL), tuple(written))


def _holds_tiles(tree: Tree, folder: str) -> bool:
    return holds(tree, folder, RASTER_SUFFIXES | TEXT_SUFFIXES)


def _taken_apart(pattern: str) -> tuple[str, str]:
    """(name without its suffix, suffix; empty where any will do)."""
    suffix = suffix_of(pattern)
    return (pattern.rpartition(".")[0], suffix) if suffix in _SUFFIXES else (pattern, "")


def _stems(layout: FolderLayout, folder: str | None = None) -> list[str]:
    """Names, without their suffixes, that the files of all layers have, or of those in a folder."""
    layers = [layer for layer in layout.layers if folder is None or fold(layer.folder) == folder]
    return [_taken_apart(pattern)[0] for layer in layers for pattern in layer.patterns if TILE in pattern]


def _filled(stem: str, known: Values) -> str:
    return PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), stem)


def _affix(stem: str, known: Values) -> Affix:
    """What stands before and after the name of the tile."""
    begin, _, end = stem.partition(TILE)
    return _filled(begin, known), _filled(end, known)


def _constant(expected: str, tile: str, stem: str) -> str | None:
    return tile if fold(stem) == expected else None


def _cutting(affix: Affix, rivals: Iterable[Affix] = ()) -> Callable[[str], str | None]:
    """Name of a file without its suffix -> name of its tile; None where it is none, or one of a rival's. Case is ignored."""
    begin, end = map(len, affix)
    prefix, suffix = (text.lower() for text in affix)
    others = [_cutting(rival) for rival in rivals]

    def cut(stem: str) -> str | None:
        lowered = stem.lower()
        if not (lowered.endswith(suffix) and lowered.startswith(prefix) and len(stem) > begin + end):
            return None
        if others and any(other(stem) for other in others):
            return None
        return stem[begin : len(stem) - end]

    return cut


def _line_reader(layout: FolderLayout) -> Callable[[str], Line]:
    """Lines may name a tile, or the file of any layer; where tiles have folders of their own, by the folder."""
    own_folders = _has_own_folders(layout)
    patterns = [_shape_of(stem, {}) for stem in dict.fromkeys(_stems(layout)) if stem != TILE]

    def read(text: str) -> Line:
        line = plain_line(text)
        if own_folders and line.folders:
            return Line((*line.tiles, *reversed(line.folders)), line.folders[-1], line.folders)
        matches = (pattern.fullmatch(name) for pattern in patterns for name in line.tiles)
        found = [match["tile"] for match in matches if match]
        return Line(tuple(dict.fromkeys((*line.tiles, *found))), line.absent, line.folders)

    return read


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(map(tile_name, names[:_NAMED])) + (f" and {more} more" if more > 0 else "")


def _has_own_folders(layout: FolderLayout) -> bool:
    return any(TILE in layer.folder for layer in layout.layers)


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
        parts = tuple(PLACEHOLDER.sub("*", pattern).split("/"))
        found = _matching(tree, str(root), parts, iter(range(_MOST_LOOKED_AT)))
        paths = sorted(map(Path, dict.fromkeys(found)), key=lambda path: natural(str(path)))[:_MOST_LISTS]
        if not paths:
            problems.append(f"There is no list {pattern!r} under {place_name(root)}.")
        for path in paths:
            folder = path.parent.relative_to(root).as_posix()
            group = max((name for name in names if f"{folder}/".startswith(f"{name}/")), key=len, default="")
            form = _FORMS.get(suffix_of(path.name), ListForm.LINES)
            if form is ListForm.CSV and not layout.list_column:
                form = ListForm.LINES
            try:
                lists[path] = read_split_list(tree, path, root, group, form, layout.list_column)
            except OSError as error:
                problems.append(f"The list {place_name(path)} cannot be read: {error.strerror}.")
    return lists


def _matching(tree: Tree, path: str, parts: tuple[str, ...], budget: Iterator[int]) -> Iterator[str]:
    """The files that a pattern means: * and ? and [ ] within a name, ** for any folders or none.

    Takes one from `budget` for each folder that is looked into, and stops where it is empty.
    """
    part, rest = parts[0], parts[1:]
    if part in ("", "."):
        yield from _matching(tree, path, rest, budget) if rest else ()
        return
    if next(budget, None) is None:
        return
    here = look(tree, path)
    if part == "**":
        yield from _matching(tree, path, rest or ("*",), budget)
        for name in here.folders:
            yield from _matching(tree, here.at(name), parts, budget)
        return
    for name in fnmatch.filter(here.folders if rest else here.files, part):
        if rest:
            yield from _matching(tree, here.at(name), rest, budget)
        elif tree.is_file(here.at(name)):
            yield here.at(name)

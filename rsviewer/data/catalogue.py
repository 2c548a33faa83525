"""Parallel folders with equal stems: names in, tile entries out. Every dataset format plans what this module lists.

No file is opened and none is stat-ed: 70,000 tiles of five layers are five `os.listdir`. Only names count, so a link
whose target is gone is a file here and turns out unreadable when its pixels are wanted.
"""

import heapq
import logging
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, TileId, printable
from rsviewer.data.adapter import TileEntry
from rsviewer.data.remote.names import is_remote, shown
from rsviewer.data.tree import Tree, check

log = logging.getLogger(__name__)

RASTER_SUFFIXES: dict[str, int] = {
    suffix: rank
    for rank, suffix in enumerate(("tif", "tiff", "png", "jpg", "jpeg", "jp2", "bmp", "gif", "webp", "img", "asc"))
}
"""Suffix of a raster -> preference where two files claim to be the same layer of a tile. GeoTIFF comes first."""

TEXT_SUFFIXES: dict[str, int] = {"txt": 0}

_TILE_SUFFIXES = {*RASTER_SUFFIXES, *TEXT_SUFFIXES}
_DIGITS = str.maketrans("123456789", "0" * 9)
_NUMBER = re.compile(r"([0-9]+)")
_MOST_DIGITS = 640  # as many as Python always reads
_MANY = 20_000  # names in a folder, from which on a first page is worth it
_EXAMPLES = 100
_MOST_LIKELY = 4
_ESCAPED = re.compile(r"[\x00-\x1f\x7f]|\\(?=x[0-9a-f]{2})")
_SEPARATOR = re.compile(r"[\\/]+")
_COLUMNS = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that holds one layer of the tiles of a group.

    Attributes:
        layer: which.
        folder: absolute.
        suffixes: which files count, see RASTER_SUFFIXES.
        tile: name of a file without its suffix -> name of its tile, or None where the file is no tile. None keeps it.
    """

    layer: LayerId
    folder: str
    suffixes: Mapping[str, int]
    tile: Callable[[str], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Tiles that lie together.

    Attributes:
        name: as on disk, "/" between parts; empty where the dataset has no groups.
        sources: in display order of their layers. Of two for the same layer the first is preferred.
        aliases: further folders ("ImageToDEM-JK/singleRGBNormalization") that mean this group in a line of a list.
        splits: splits that every tile with files belongs to, whatever the lists say.
    """

    name: str
    sources: tuple[Source, ...]
    aliases: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of a list may mean.

    Attributes:
        tiles: names the tile may have, the most likely first.
        absent: its name if none of these has files.
        folders: the folders before the name.
    """

    tiles: tuple[str, ...]
    absent: str
    folders: tuple[str, ...] = ()


def plain_line(text: str) -> Line:
    r"""A stem, a file name, or a path with either separator; further columns ("rgb.png depth.tif") repeat the tile.

    Example: ``"img/7.png label/7.png"`` may be the tile ``img/7.png label/7``, ``7``, and is ``7`` if there is neither.
    """
    tiles = [text, without_suffix(text)]
    column = next((part for part in _COLUMNS.split(text) if part), text)
    for candidate in (text, column):
        name = _SEPARATOR.split(candidate)[-1]
        tiles += [name, without_suffix(name)]
    # A name with blanks is one name, unless its first word is a file or a path.
    first = without_suffix(column) != column or _SEPARATOR.search(column)
    path = column if first else text
    parts = _SEPARATOR.split(path)
    return Line(tuple(dict.fromkeys(tiles)), without_suffix(parts[-1]) or text, tuple(parts[:-1]))


class Listing:
    """The files of one group. Five million tiles are in memory at once, hence no path is kept.

    Most tiles of a group have files of the same folders whose names differ by the name of the tile only. What is before and
    after it in the path of each layer is called their shape, and a tile is a name and the number of its shape.

    Attributes:
        layers: in display order; also those without a single file.
        tiles: tile -> number of its shape.
        duplicates: tile -> further files.
    """

    def __init__(self, layers: Iterable[LayerId]) -> None:
        """Knows no tile yet."""
        self.layers = tuple(layers)
        self.tiles: dict[str, int] = {}
        self.duplicates: dict[str, list[str]] = {}
        self._shapes: list[_Shape] = []
        self._numbers: dict[_Shape, int] = {}
        self._parts: list[tuple[tuple[tuple[LayerId, str, str], ...], tuple[LayerId, ...]]] = []
        self._odd: dict[str, list[str | None]] = {}
        self._number((None,) * len(self.layers))

    def paths(self, tile: str) -> list[str | None]:
        """The path of each layer, None where there is no file."""
        number = self.tiles.get(tile, _NOTHING)
        if number == _ODD:
            return self._odd[tile]
        return [affix and f"{affix[0]}{tile}{affix[1]}" for affix in self._shapes[number]]

    def files(self, tile: str) -> tuple[dict[LayerId, str], tuple[LayerId, ...]]:
        """The path of each layer that has a file, and the layers that have none; nothing of a tile that is not there."""
        number = self.tiles.get(tile, _NOTHING)
        if number != _ODD:
            parts, missing = self._parts[number]
            return {layer: f"{head}{tile}{tail}" for layer, head, tail in parts}, missing
        found = {layer: path for layer, path in zip(self.layers, self._odd[tile], strict=True) if path is not None}
        return found, tuple(layer for layer in self.layers if layer not in found)

    def add(self, source: Source, names: Iterable[str]) -> int:
        """Takes the files of one folder. Returns the number of its tiles."""
        prefix = source.folder.rstrip(os.sep) + os.sep
        suffixes, tile_of, tiles = source.suffixes, source.tile, self.tiles
        column = self.layers.index(source.layer)
        steps: dict[tuple[int, str, str], int] = {}
        last, last_around, last_suffix, step = _ODD, "", "", _ODD
        around = ""
        count = 0
        for name in names:
            stem, _, suffix = name.rpartition(".")
            if suffix not in suffixes and suffix.lower() not in suffixes:
                continue
            if not stem or stem[0] == ".":
                continue
            tile = stem
            if tile_of is not None:
                found = tile_of(stem)
                if found is None:
                    continue
                tile, around = found, _around(stem, found)
            number = tiles.get(tile, _NOTHING)
            if number != last or suffix != last_suffix or around != last_around:
                known = steps.get((number, around, suffix))
                if known is None:
                    known = self._step(number, column, prefix, around, suffix)
                    steps[number, around, suffix] = known
                last, last_around, last_suffix, step = number, around, suffix, known
            if step == _ODD:
                count += self._put(tile, column, prefix, name, suffixes)
            else:
                tiles[tile] = step
                count += 1
        return count

    def merge_spellings(self) -> None:
        """Takes Tile_1 of one layer and tile_1 of another for one tile, unless one layer has both: then they are two."""
        whole = {number for number, shape in enumerate(self._shapes) if None not in shape}
        spellings: dict[str, list[str]] = {}
        for tile, number in self.tiles.items():
            if number not in whole:
                spellings.setdefault(fold(tile), []).append(tile)
        several = {folded: names for folded, names in spellings.items() if len(names) > 1}
        if not several:
            return
        for tile, number in self.tiles.items():
            if number in whole:
                several.pop(fold(tile), None)
        for first, *others in several.values():
            columns = list(zip(*(self.paths(name) for name in (first, *others)), strict=True))
            if any(sum(path is not None for path in column) > 1 for column in columns):
                continue
            self._odd[first] = [next(filter(None, column), None) for column in columns]
            self.tiles[first] = _ODD
            for other in others:
                del self.tiles[other]
                self._odd.pop(other, None)
                if other in self.duplicates:
                    self.duplicates.setdefault(first, []).extend(self.duplicates.pop(other))

    def _step(self, number: int, column: int, prefix: str, around: str, suffix: str) -> int:
        """The shape of a tile of the shape `number` with one more file; _ODD where it has none, or this layer already."""
        if number == _ODD or self._shapes[number][column] is not None or around == _UNLIKE:
            return _ODD
        head, _, tail = around.partition(_TILE_HERE)
        shape = list(self._shapes[number])
        shape[column] = (prefix + head, f"{tail}.{suffix}")
        return self._number(tuple(shape))

    def _number(self, shape: "_Shape") -> int:
        number = self._numbers.get(shape)
        if number is None:
            if len(self._shapes) == _MOST_SHAPES:
                return _ODD
            number = self._numbers[shape] = len(self._shapes)
            pairs = list(zip(self.layers, shape, strict=True))
            self._shapes.append(shape)
            self._parts.append(
                (
                    tuple((layer, *affix) for layer, affix in pairs if affix),
                    tuple(layer for layer, affix in pairs if not affix),
                )
            )
        return number

    def _put(self, tile: str, column: int, prefix: str, name: str, suffixes: Mapping[str, int]) -> int:
        """Takes a file of a tile that has no shape, or has a file of this layer already. Returns 1 where it had none."""
        paths = self.paths(tile)
        rival, path = paths[column], prefix + name
        if rival is not None and not (rival.startswith(prefix) and _rank(path, suffixes) < _rank(rival, suffixes)):
            self.duplicates.setdefault(tile, []).append(path)
            return 0
        paths[column] = path
        self._odd[tile] = paths
        self.tiles[tile] = _ODD
        if rival is None:
            return 1
        self.duplicates.setdefault(tile, []).append(rival)
        return 0


_Shape: TypeAlias = tuple[tuple[str, str] | None, ...]
"""What is before and after the name of a tile in the path of each layer; None where there is no file."""

_NOTHING, _ODD = 0, -1
"""The shape of a tile without files, and what stands for tiles whose paths are kept, for they are like no others."""

_MOST_SHAPES = 250
_TILE_HERE = "\0"
_UNLIKE = "/"


def _around(stem: str, tile: str) -> str:
    """What a name has around the name of its tile."""
    if not tile:
        return _UNLIKE
    head, found, tail = stem.partition(tile)
    return f"{head}{_TILE_HERE}{tail}" if found else _UNLIKE


class Catalogue:
    """Where the tiles of one dataset are."""

    def __init__(
        self,
        tree: Tree,
        groups: Iterable[Group],
        lists: Iterable[SplitList] = (),
        *,
        read_line: Callable[[str], Line] = plain_line,
        lines_name_groups: bool = False,
        shown_groups: Callable[[Collection[str]], Mapping[str, str]] | None = None,
    ) -> None:
        """Lists no tile yet.

        Args:
            tree: where the names come from.
            groups: in display order, with different names.
            lists: each belongs to the group of its name; one without a group may name tiles of all of them.
            read_line: text of a line -> what it may mean.
            lines_name_groups: a line of a group's list may lead to another group. Costs the early first tile.
            shown_groups: names of tiles -> group to show each in, for datasets that group by name instead of by folder.
        """
        self._tree = tree
        self.groups = tuple(groups)
        self.lists = tuple(lists)
        self._read_line = read_line
        self._lines_name_groups = lines_name_groups
        self._shown_groups = shown_groups
        self._by_name = {tile_name(group.name): group for group in self.groups}
        self._by_folder = {
            fold(folder): group for group in self.groups for folder in (group.name, *group.aliases) if folder
        }
        self._deepest = max((folder.count("/") + 1 for folder in self._by_folder), default=0)
        self._names: dict[str, _Names] = {}

    def entries(self, tree: Tree | None = None) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`. Names come from `tree`, where that is another one around that of the catalogue."""
        tree = tree or self._tree
        self._names.clear()
        yield from self._group_by_group(tree) if self._lists_stay_at_home() else self._all_at_once(tree)
        self._names.clear()

    def first_page(self, tree: Tree, most: int) -> list[TileEntry]:
        """See `PreviewingAdapter.first_page`: where the first folder is so large that listing it and the others takes seconds.

        What the others have is asked for by name. Nothing is said about lists.
        """
        group = next(iter(self.groups), Group("", ()))
        first = next(
            (source for source in group.sources if len(_first_names(tree, source.folder, _MANY)) == _MANY), None
        )
        if first is None:
            return []
        listing = Listing(dict.fromkeys(source.layer for source in group.sources))
        listing.add(first, _first_in_order(names_in(tree, first.folder), most))
        tiles = list(listing.tiles)
        for source in group.sources:
            if source is not first:
                listing.add(source, _looked_up(tree, source, tiles))
        return list(islice(self._entries_of(group, listing, {}), most))

    def _lists_stay_at_home(self) -> bool:
        return not self._lines_name_groups and all(split.group in self._by_name for split in self.lists)

    def _group_by_group(self, tree: Tree) -> Iterator[TileEntry]:
        for group in self.groups:
            listing = list_files(tree, group.sources)
            self._remember(group, listing)
            splits = self._splits([split for split in self.lists if self._by_name[split.group] is group])
            check(tree)
            yield from self._entries_of(group, listing, splits.get(group.name, {}))
            self._names.pop(group.name, None)
            del listing, splits  # before the next group is listed

    def _all_at_once(self, tree: Tree) -> Iterator[TileEntry]:
        listings = [list_files(tree, group.sources) for group in self.groups]
        for group, listing in zip(self.groups, listings, strict=True):
            self._remember(group, listing)
        splits = self._splits(self.lists)
        homeless = splits.pop("", {}) if "" not in self._by_name else {}
        if homeless:
            yield from self._entries_of(Group("", ()), Listing(()), homeless)
        for group, listing in zip(self.groups, listings, strict=True):
            yield from self._entries_of(group, listing, splits.get(group.name, {}))

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """See `DatasetAdapter.tile_of_line`."""
        return _tile_id(*self._find(split, text))

    def has(self, group: str, text: str) -> bool:
        """True where a line of a list of that group names a tile that has files. Lists the group's folders once."""
        line = self._read_line(text)
        home = self._by_name.get(tile_name(group)) or self._group_in(line.folders)
        return any(self._names_in(home).find(line.tiles) for home in ([home] if home else self.groups))

    def _find(self, split: SplitList, text: str) -> tuple[str, str]:
        """(group, tile) that a line names; the group is empty where it cannot be known."""
        home = self._by_name.get(split.group)
        if home and not self._lines_name_groups and text in self._names_in(home).all:
            return home.name, text
        line = self._read_line(text)
        if home is None or self._lines_name_groups:
            home = self._group_in(line.folders) or home
        if home:
            return home.name, self._names_in(home).find(line.tiles) or line.absent
        hits = [(group.name, hit) for group in self.groups if (hit := self._names_in(group).find(line.tiles))]
        return hits[0] if len(hits) == 1 else ("", line.absent)

    def _group_in(self, folders: tuple[str, ...]) -> Group | None:
        """The group whose folder is among these, the longest name first: "Train/Rural" before "Rural"."""
        for length in range(min(len(folders), self._deepest), 0, -1):
            for start in range(len(folders) - length + 1):
                group = self._by_folder.get(fold("/".join(folders[start : start + length])))
                if group:
                    return group
        return None

    def _names_in(self, group: Group) -> "_Names":
        names = self._names.get(group.name)
        return names or self._remember(group, list_files(self._tree, group.sources))

    def _remember(self, group: Group, listing: Listing) -> "_Names":
        names = self._names[group.name] = _Names(listing.tiles)
        return names

    def _splits(self, lists: Iterable[SplitList]) -> dict[str, dict[str, tuple[str, ...]]]:
        """Group -> tile -> names of the lists that name it, in the order of the lists."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for split in lists:
            for line in split.lines:
                if line.text:
                    group, tile = self._find(split, line.text)
                    splits = found.setdefault(group, {})
                    known = splits.get(tile, ())
                    if split.name not in known:
                        splits[tile] = (*known, split.name)
        return found

    def _entries_of(self, group: Group, listing: Listing, splits: Mapping[str, tuple[str, ...]]) -> Iterator[TileEntry]:
        name = tile_name(group.name)
        prefix = f"{name}/" if name else ""
        files_of, duplicates = listing.files, listing.duplicates
        tiles: Collection[str] = listing.tiles if listing.tiles.keys() >= splits.keys() else {*listing.tiles, *splits}
        shown = self._shown_groups(tiles) if self._shown_groups else None
        for tile in _in_order(tiles, shown):
            files, missing = files_of(tile)
            named = splits.get(tile, ())
            if group.splits and files:
                named = tuple(dict.fromkeys((*group.splits, *named)))
            yield TileEntry(
                TileId(prefix + tile_name(tile)),
                files,
                name if shown is None else shown[tile],
                named,
                missing,
                tuple(duplicates[tile]) if tile in duplicates else (),
            )


def tile_name(name: str) -> str:
    r"""`name` as part of a tile's id: one line of valid UTF-8, and different for different names.

    Undecodable bytes and control characters become ``\xNN``; a name that holds such letters literally is escaped, too.
    """
    if name.isascii() and name.isprintable() and "\\" not in name:
        return name
    return printable(_ESCAPED.sub(lambda match: f"\\x{ord(match[0]):02x}", name))


def place_name(path: str | Path) -> str:
    """A path in one line, as people know it: what lies on a server has its address there."""
    text = os.fspath(path)
    return tile_name(shown(text) if is_remote(text) else text)


def natural(name: str) -> list[Any]:
    """Sort key in which tile_9 comes before tile_10."""
    parts: list[Any] = _NUMBER.split(name)
    try:
        parts[1::2] = map(int, parts[1::2])
    except ValueError:  # Python reads no numbers of thousands of digits
        parts[1::2] = [math.inf if len(part) > _MOST_DIGITS else int(part) for part in parts[1::2]]
    return [parts, name]  # 01 beside 1: equal as numbers


def in_natural_order(names: Collection[str]) -> list[str]:
    """`names` sorted by `natural`, ten times faster where they are all 0000000000-0 or all tile_0: two usual cases."""
    if len({name.translate(_DIGITS) for name in names}) == 1:
        return sorted(names)
    example = next(iter(names), "")
    number = _NUMBER.search(example)
    if number and all(_is_numbered(name, example[: number.start()], example[number.end() :]) for name in names):
        return sorted(sorted(names), key=len)
    return sorted(names, key=natural)


def _is_numbered(name: str, head: str, tail: str) -> bool:
    number = name[len(head) : len(name) - len(tail)]
    plain = number.isascii() and number.isdecimal() and (number[0] != "0" or number == "0")
    return plain and name.startswith(head) and name.endswith(tail)


def fold(name: str) -> str:
    """`name` without the differences that file systems make: case, and composed or decomposed accents."""
    return (
        name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    )


def suffix_of(name: str) -> str:
    """What follows the last dot of a file name, in lower case; empty where there is no dot: "png" may be a folder."""
    stem, _, suffix = name.rpartition(".")
    return suffix.lower() if stem else ""


def without_suffix(name: str) -> str:
    """`name` without the suffix of a raster or text, if it ends with one: a dot in a name is not enough."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix.lower() in _TILE_SUFFIXES else name


def rivals(entry: TileEntry, layer: LayerId) -> list[str]:
    """Names of the further files that claim to be a layer of a tile; those of no layer in particular go with the first."""
    if layer not in entry.files:
        return []
    homes = {fold(without_suffix(path)): other for other, path in reversed(list(entry.files.items()))}
    first = next(iter(entry.files))
    return [
        tile_name(rival.rpartition(os.sep)[2])
        for rival in entry.duplicates
        if homes.get(fold(without_suffix(rival)), first) == layer
    ]


def _in_order(tiles: Collection[str], shown: Mapping[str, str] | None) -> list[str]:
    ordered = in_natural_order(tiles)
    if shown is not None:
        keys = {group: natural(group) for group in set(shown.values())}
        ordered.sort(key=lambda tile: keys[shown[tile]])
    return ordered


class _Names:
    """The tiles of one group by name, forgiving case and Unicode form where the exact name is not there."""

    def __init__(self, names: Collection[str]) -> None:
        self.all = names
        self._folded: dict[str, str] | None = None

    def find(self, candidates: Iterable[str]) -> str | None:
        """The first of `candidates` that is a tile."""
        for name in candidates:
            if name in self.all:
                return name
        if self._folded is None:
            self._folded = {fold(name): name for name in sorted(self.all, reverse=True)}
        for name in candidates:
            if hit := self._folded.get(fold(name)):
                return hit
        return None


def _tile_id(group: str, tile: str) -> TileId:
    return TileId(f"{tile_name(group)}/{tile_name(tile)}" if group else tile_name(tile))


def list_files(tree: Tree, sources: Iterable[Source]) -> Listing:
    """Lists folders, each of them once. A folder that cannot be listed holds nothing."""
    sources = tuple(sources)
    listing = Listing(dict.fromkeys(source.layer for source in sources))
    uses = Counter(source.folder for source in sources)
    shared: dict[str, list[str]] = {}
    most = 0
    for source in sources:
        folder = source.folder
        names = shared.pop(folder, None)
        names = names_in(tree, folder) if names is None else names
        uses[folder] -= 1
        if uses[folder]:
            shared[folder] = names
        most = max(most, listing.add(source, names))
    check(tree)
    for paths in listing.duplicates.values():
        paths.sort()
    if len(listing.tiles) > most:
        listing.merge_spellings()
    return listing


def _looked_up(tree: Tree, source: Source, tiles: Iterable[str]) -> list[str]:
    """The names that files of some tiles have in a folder, if they are like the first ones there."""
    likely: dict[tuple[str, str], None] = {}
    for name in _first_names(tree, source.folder, _EXAMPLES):
        stem, _, suffix = name.rpartition(".")
        tile = stem if source.tile is None else source.tile(stem)
        if tile and suffix.lower() in source.suffixes and (around := _around(stem, tile)) != _UNLIKE:
            head, _, tail = around.partition(_TILE_HERE)
            likely[head, f"{tail}.{suffix}"] = None
    prefix = source.folder.rstrip(os.sep) + os.sep
    names = (f"{head}{tile}{tail}" for tile in tiles for head, tail in islice(likely, _MOST_LIKELY))
    return [name for name in names if tree.is_file(prefix + name)]


def _first_names(tree: Tree, folder: str, most: int) -> list[str]:
    try:
        with tree.scan(folder) as entries:
            return [entry.name for entry in islice(entries, most)]
    except OSError:
        return []


def _first_in_order(names: Collection[str], most: int) -> list[str]:
    """About the first in natural order: exactly where they are numbered, with zeros in front or without."""
    lengths = Counter(map(len, names))
    found: list[str] = []
    for length in sorted(lengths):
        if len(found) < most:
            alike = (name for name in names if len(name) == length) if len(lengths) > 1 else names
            found += heapq.nsmallest(most - len(found), alike)
    return sorted(found, key=natural)


def names_in(tree: Tree, folder: str) -> list[str]:
    """All names in a folder; none where it cannot be listed."""
    try:
        return tree.names(folder)
    except (FileNotFoundError, NotADirectoryError):
        log.debug("There is no folder %s", printable(folder))  # formats ask for many that need not be there
        return []
    except OSError as error:
        # Not a warning: whoever opened the dataset was told, see Dataset.problems.
        log.info("Left out %s: %s", printable(folder), error.strerror)
        return []


def _rank(path: str, suffixes: Mapping[str, int]) -> tuple[int, int, str]:
    return suffixes[path.rpartition(".")[2].lower()], len(path), path

"""Scans images that tables name, with captions and labels: millions of rows by hashes of their paths, never all at once."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import and_
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, TileColumns
from rsviewer.data.address import of_text, text_in
from rsviewer.data.catalogue import RASTER_SUFFIXES, in_natural_order, natural, suffix_of, tile_name, without_suffix
from rsviewer.data.tables import BATCH, Tables, quoted
from rsviewer.data.tree import Tree

FILEPATH = "filepath"
CAPTIONS = ("title", "title_multi_objects", "title_raw")
LABELS = ("label", "label_v1", "label_v2")
IMAGE, CAPTION, LABEL, TAGS = map(LayerId, ("image", "caption", "label", "tags"))

_NO_KEYS = np.zeros(0, np.uint64)
_EARLY = 256
_MOST_FOLDERS = 20_000
_LONGEST_TEXT = 60_000
_TRIMMED = " \t\v\f\ufeff\r\n"
_META_SUFFIX = ".pickle"
_SUFFIXES = "|".join(sorted(RASTER_SUFFIXES))
_NAME = r"(?:^|/)([awn])[0-9]+_([A-Z0-9]{2})_([0-9]{2})\.(?i:jpe?g)$"
_NAME_IN_PYTHON = re.compile(_NAME)
_OUTSIDE = r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\x00"
_OUTSIDE_IN_PYTHON = re.compile(_OUTSIDE)
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|//|(?:^|/)\.\.?(?:/|$)|^[/\s\ufeff]|[/\s\ufeff]$")


@dataclass(frozen=True, slots=True)
class Table:
    """One CSV.

    Attributes:
        path: of the file.
        columns: their names, in lower case.
        split: the list that it is.
        moved: (how its paths begin, what stands there under the root).
        classes: names for labels that are numbers; empty where they are names.
        size: in bytes.
        repeats: an image has a row for each of its captions.
    """

    path: str
    columns: tuple[str, ...]
    split: SplitList
    moved: tuple[str, str] = ("", "")
    classes: tuple[str, ...] = ()
    size: int = 0
    repeats: bool = False

    def has(self, *names: str) -> bool:
        """Whether it has one of these columns."""
        return any(name in self.columns for name in names)

    @property
    def similarity(self) -> str:
        """Name of its column of similarities; empty for none."""
        return next((name for name in self.columns if name.startswith("similarity")), "")

    def path_of(self, text: str) -> str:
        """Where the image of a row lies under the root."""
        old, new = self.moved
        if not old and not new and not _ODD.search(text):
            return text
        path = re.sub("/+", "/", text.strip(_TRIMMED).replace("\\", "/"))
        path = re.sub(r"^(\./)+", "", path)
        return new + path.removeprefix(old) if path.startswith(old) else path

    def made(self) -> str:
        """What is made of a row, in SQL: the columns that `_Row` has, and `tile`."""
        text = f"trim(coalesce({self._column(FILEPATH)}, ''), {quoted(_TRIMMED)})"
        path = f"regexp_replace(regexp_replace(replace({text}, '\\', '/'), '/+', '/', 'g'), '^(\\./)+', '')"
        old, new = map(quoted, self.moved)
        if any(self.moved):
            path = (
                f"CASE WHEN starts_with({path}, {old}) THEN {new} || substr({path}, length({old}) + 1) ELSE {path} END"
            )
        return ", ".join(
            (
                f"{path} AS path",
                f"regexp_replace(path, '(.)\\.(?i:{_SUFFIXES})$', '\\1') AS tile",
                "CASE WHEN path = '' THEN 0 ELSE hash(tile) END AS key",
                f"CASE WHEN regexp_matches(path, {quoted(_OUTSIDE)}) THEN 0 ELSE hash(path) END AS path_key",
                "CASE WHEN contains(tile, '/') THEN regexp_replace(tile, '/[^/]*$', '') ELSE '' END AS grp",
                f"regexp_extract(path, {quoted(_NAME)}, ['kind', 'source', 'year']) AS named",
                *(f"struct_extract(named, '{name}') AS {name}" for name in ("kind", "source", "year")),
                f"coalesce({quoted(of_text(''))} || nullif({self._caption()}, ''), '') AS caption",
                f"coalesce(trim({self._column(*LABELS)}), '') AS label",
                f"coalesce(try_cast({self._column(self.similarity)} AS DOUBLE), 'NaN'::DOUBLE) AS similarity",
            )
        )

    def _column(self, *names: str) -> str:
        return next((f"c{self.columns.index(name)}" for name in names if name in self.columns), "NULL::VARCHAR")

    def _caption(self) -> str:
        """All captions of a row: each says which it is, where there are several."""
        columns = [name for name in CAPTIONS if name in self.columns]
        if len(columns) < 2:
            return f"left({self._column(*columns)}, {_LONGEST_TEXT})"
        parts = []
        for name in columns:
            column = self._column(name)
            new = "" if name == columns[0] else f" AND {column} IS DISTINCT FROM {self._column(columns[0])}"
            parts.append(f"CASE WHEN {column} <> ''{new} THEN {quoted(f'{name}: ')} || {column} END")
        return f"left(concat_ws(chr(10) || chr(10), {', '.join(parts)}), {_LONGEST_TEXT})"


_Row: TypeAlias = tuple[Any, ...]
"""A row as it is fetched, see `Table.made`."""

_FETCHED = "key, path_key, path, tile, grp, kind, source, year, caption, label, similarity"
_KEY, _PATH_KEY, _PATH, _TILE, _GROUP, _SIMILARITY = 0, 1, 2, 3, 4, 10


@dataclass(slots=True)
class _Folders:
    """Which files there are, as hashes of their paths under the root. A folder is listed when somebody asks for it."""

    tree: Tree
    root: str
    hashes: Callable[[NDArray[Any]], NDArray[np.uint64]]
    meta_of: Callable[[str], str]
    images: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    metas: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    with_meta: dict[str, bool] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)

    @property
    def is_remote(self) -> bool:
        """True where listing takes long: then every file is taken to be there."""
        return self.root.startswith("/vsi")

    def has_meta(self, group: str) -> bool:
        """Whether there is a folder of meta files for the images of a group."""
        if group not in self.with_meta:
            meta = self.meta_of(group)
            self.with_meta[group] = bool(meta) and self.tree.is_folder(self.path(meta))
        return self.with_meta[group]

    def add(self, group: str) -> None:
        """Lists the folders of a group."""
        if group in self.listed or self.is_remote or len(self.listed) > _MOST_FOLDERS:
            return
        self.listed.add(group)
        self.images = self._with(self.images, group, self.images_in(group))
        if self.has_meta(group):
            names = self._names(self.meta_of(group))
            stems = [name.removesuffix(_META_SUFFIX) for name in names if name.endswith(_META_SUFFIX)]
            self.metas = self._with(self.metas, group, stems)

    def images_in(self, group: str) -> list[str]:
        """Names of the images in a folder."""
        return [name for name in self._names(group) if suffix_of(name) in RASTER_SUFFIXES and not name.startswith(".")]

    def path(self, below: str) -> str:
        """The path of something under the root."""
        return f"{self.root}{os.sep}{below}" if below else self.root

    def tags_of(self, group: str, tile: str) -> str:
        """The path of a tile's meta file."""
        return self.path(f"{self.meta_of(group)}/{tile.rpartition('/')[2]}{_META_SUFFIX}")

    def _names(self, folder: str) -> list[str]:
        if _OUTSIDE_IN_PYTHON.search(folder):
            return []
        try:
            return self.tree.names(self.path(folder))
        except (OSError, ValueError):
            return []

    def _with(self, known: NDArray[np.uint64], group: str, names: list[str]) -> NDArray[np.uint64]:
        prefix = f"{group}/" if group else ""
        return np.union1d(known, self.hashes(_texts([prefix + name for name in names])))


class Scan:
    """One scan of tables and folders. To be used once."""

    def __init__(
        self,
        tree: Tree,
        dataset: Dataset,
        tables: Sequence[Table],
        opened: Tables,
        *,
        groups: Sequence[str],
        meta_of: Callable[[str], str],
        similarities: Mapping[str, str],
        facts_of: Callable[[Sequence[str], Sequence[str], Sequence[str]], Mapping[str, NDArray[Any]]],
    ) -> None:
        """Looks at nothing yet.

        Args:
            tree: where everything is.
            dataset: as described.
            tables: its tables, the most important first.
            opened: the same, in the same order.
            groups: folders of images that are looked into, whether a table names them or not.
            meta_of: the folder of meta files for a folder of images; empty for none.
            similarities: a table's column -> name of the fact.
            facts_of: (kinds, sources, years) as in the names of files -> facts.
        """
        self._tables, self._opened, self._groups = tables, opened, groups
        self._layers = {spec.id for spec in dataset.layers}
        self._facts = {fact.name for fact in dataset.facts}
        self._similarities, self._facts_of = similarities, facts_of
        self._folders = _Folders(tree, os.fspath(dataset.root), opened.hashes, meta_of)
        named = sorted(range(len(tables)), key=lambda k: natural(tables[k].split.path))
        self._named = [(1 << k, tables[k].split.name) for k in named]
        self._mask_type: type[np.unsignedinteger[Any]] = np.uint8 if len(tables) <= 8 else np.uint64
        self._splits: dict[int, str] = {}
        self._keys = [_NO_KEYS for _ in tables]
        self._values: list[NDArray[np.float64]] = [np.zeros(0) for _ in tables]
        self._known = _NO_KEYS
        self._numbers = np.zeros(0, np.int32)
        self._masks: NDArray[np.unsignedinteger] = np.zeros(0, self._mask_type)
        self._scores: dict[str, NDArray[np.float64]] = {}
        self._several: dict[int, dict[int, str]] = {}

    def batches(self) -> Iterator[TileColumns]:
        """Every tile: of the first table, of the others, of none. The first ones before the first table is read to its end."""
        streams = [self._opened.rows(k, _FETCHED, table.made(), _EARLY) for k, table in enumerate(self._tables)]
        for k in range(1, len(self._tables)):
            self._read_keys(k)
        early = next(streams[0], []) if streams else []
        if early:
            first = {row[_KEY]: row for row in reversed(early) if row[_KEY]}
            if named := [row for row in early if first.get(row[_KEY]) is row]:
                yield self._early(named)
            self._read_keys(0)
        is_first, start = self._sorted_out(), 0
        for k, stream in enumerate(streams):
            end = start + len(self._keys[k])
            self._keys[k] = _NO_KEYS
            row = start if k else start + len(early)
            for rows in stream:
                part = slice(min(row, end), min(row + len(rows), end))
                row += len(rows)
                new = is_first[part]
                if new.any():
                    yield self._later(k, list(compress(rows, new.tolist())), self._numbers[part][new])
            start = end
        self._numbers = np.zeros(0, np.int32)
        yield from self._unnamed()

    def _read_keys(self, k: int) -> None:
        """Which tiles a table names, and its similarities."""
        table = self._tables[k]
        found = self._opened.columns(k, "key, similarity" if table.similarity else "key", table.made())
        self._keys[k] = np.asarray(found.get("key", ()), np.uint64)
        if table.similarity:
            self._values[k] = np.asarray(found.get("similarity", ()), np.float64)

    def _sorted_out(self) -> NDArray[np.bool_]:
        """Whether each row of all tables is the first of its tile. From then on every tile is known."""
        keys = np.concatenate(self._keys) if self._keys else _NO_KEYS
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        is_new = np.append(True, sorted_keys[1:] != sorted_keys[:-1])[: len(keys)]
        is_first = np.zeros(len(keys), bool)
        is_first[order[is_new]] = True
        is_first[keys == 0] = False
        self._known = sorted_keys[is_new]
        self._numbers = np.empty(len(keys), np.int32)
        self._numbers[order] = np.cumsum(is_new, dtype=np.int32) - 1
        ends = np.cumsum([len(each) for each in self._keys]).tolist()
        places = [self._numbers[end - len(each) : end] for end, each in zip(ends, self._keys, strict=True)]
        self._masks, self._scores = self._looked_up(len(self._known), dict(enumerate(places)))
        self._values = [np.zeros(0) for _ in self._tables]
        return is_first

    def _looked_up(
        self, tiles: int, places: Mapping[int, NDArray[np.signedinteger]]
    ) -> tuple[NDArray[np.unsignedinteger], dict[str, NDArray[np.float64]]]:
        """(bits of the tables that name it, similarities by fact) of some tiles.

        Args:
            tiles: how many.
            places: table -> which of the tiles each of its rows names, negative for none of them.
        """
        masks: NDArray[np.unsignedinteger] = np.zeros(tiles, self._mask_type)
        scores = {name: np.full(tiles, np.nan) for name in self._similarities.values()}
        for k in sorted(places, reverse=True):  # what an earlier table says counts
            found = places[k] >= 0
            masks[places[k][found]] |= self._mask_type(1 << k)
            if len(self._values[k]):
                target = scores[self._similarities[self._tables[k].similarity]]
                found &= ~np.isnan(self._values[k])
                # The first of equal rows counts: numpy keeps the last.
                target[places[k][found][::-1]] = self._values[k][found][::-1]
        return masks, scores

    def _early(self, rows: list[_Row]) -> TileColumns:
        """Rows of the first table, of different tiles, before the folders are known: their files are asked for one by one."""
        keys, back = np.unique(np.array([row[_KEY] for row in rows], np.uint64), return_inverse=True)
        masks, found = self._looked_up(
            len(keys), {k: _places(keys, self._keys[k]) for k in range(1, len(self._tables))}
        )
        scores = {name: values[back] for name, values in found.items()}
        if name := self._similarities.get(self._tables[0].similarity):
            mine = np.array([row[_SIMILARITY] for row in rows])
            scores[name] = np.where(np.isnan(mine), scores[name], mine)
        masks = masks[back] | self._mask_type(1)
        folders = self._folders
        if folders.is_remote:
            return self._made(0, rows, masks, scores)
        is_file = folders.tree.is_file
        has_image = [bool(row[_PATH_KEY]) and is_file(folders.path(row[_PATH])) for row in rows]
        has_tags = [
            TAGS in self._layers and folders.has_meta(row[_GROUP]) and is_file(folders.tags_of(row[_GROUP], row[_TILE]))
            for row in rows
        ]
        return self._made(0, rows, masks, scores, has_image, has_tags)

    def _later(self, k: int, rows: list[_Row], numbers: NDArray[np.int32]) -> TileColumns:
        """Rows of a table when all tables are known."""
        for group in dict.fromkeys(row[_GROUP] for row in rows):
            self._folders.add(group)
        scores = {name: values[numbers] for name, values in self._scores.items()}
        masks = self._masks[numbers]
        if self._folders.is_remote:
            return self._made(k, rows, masks, scores)
        path_keys = np.array([row[_PATH_KEY] for row in rows], np.uint64)
        has_image = (_places(self._folders.images, path_keys) >= 0) & (path_keys != 0)
        has_tags = _places(self._folders.metas, self._known[numbers]) >= 0
        return self._made(k, rows, masks, scores, has_image.tolist(), has_tags.tolist())

    def _unnamed(self) -> Iterator[TileColumns]:
        """The images that no table names, folder by folder; of a server, only where there is no table."""
        folders = self._folders
        if folders.is_remote and self._tables:
            return
        for group in sorted({*folders.listed, *self._groups}, key=natural):
            folders.add(group)
            prefix = f"{group}/" if group else ""
            by_tile: dict[str, str] = {}
            for name in folders.images_in(group):
                by_tile.setdefault(prefix + without_suffix(name), prefix + name)
            tiles = list(by_tile)
            keys = folders.hashes(_texts(tiles))
            unknown = (_places(self._known, keys) < 0).tolist()
            key_of = dict(zip(tiles, keys.tolist(), strict=True))
            left = in_natural_order([tile for tile, is_new in zip(tiles, unknown, strict=True) if is_new])
            for start in range(0, len(left), BATCH):
                rows = [_row_of_file(key_of[tile], by_tile[tile], tile, group) for tile in left[start : start + BATCH]]
                has_tags = None
                if not folders.is_remote:
                    has_tags = (_places(folders.metas, np.array([row[_KEY] for row in rows], np.uint64)) >= 0).tolist()
                nothing = {name: np.full(len(rows), np.nan) for name in self._similarities.values()}
                masks: NDArray[np.unsignedinteger] = np.zeros(len(rows), self._mask_type)
                yield self._made(None, rows, masks, nothing, [True] * len(rows), has_tags)

    def _made(
        self,
        k: int | None,
        rows: list[_Row],
        masks: NDArray[np.unsignedinteger],
        scores: Mapping[str, NDArray[Any]],
        has_image: list[bool] | None = None,
        has_tags: list[bool] | None = None,
    ) -> TileColumns:
        """Tiles of rows. Without `has_image` and `has_tags` every file is taken to be there."""
        keys, path_keys, paths, tiles, groups, kinds, sources, years, captions, labels, _ = zip(*rows, strict=True)
        if k is not None and self._tables[k].repeats:
            several = self._captions_of(k)
            captions = tuple(several.get(key, one) for key, one in zip(keys, captions, strict=True))
        folders = self._folders
        has_image = [bool(key) for key in path_keys] if has_image is None else has_image
        shown = {group: tile_name(group) for group in set(groups)}
        due = {group: TAGS in self._layers and folders.has_meta(group) for group in shown}
        should = [due[group] for group in groups]
        has_tags = should if has_tags is None else [*map(and_, has_tags, should)]
        start = folders.path("") + os.sep
        files: dict[LayerId, Sequence[str]] = {}
        files[IMAGE] = [start + path if there else "" for path, there in zip(paths, has_image, strict=True)]
        if CAPTION in self._layers:
            files[CAPTION] = captions
        if LABEL in self._layers:
            files[LABEL] = self._labels(k, labels)
        if TAGS in self._layers:
            files[TAGS] = [
                folders.tags_of(group, tile) if there else ""
                for group, tile, there in zip(groups, tiles, has_tags, strict=True)
            ]
        words = {(image, tags): _missing(image=image, tags=tags) for image in (True, False) for tags in (True, False)}
        missing = [
            words[image, tags or not wanted] for image, tags, wanted in zip(has_image, has_tags, should, strict=True)
        ]
        facts = {**scores, **self._facts_of(kinds, sources, years)}
        return TileColumns(
            tiles=_texts(_tile_names(tiles)),
            files={layer: _texts(addresses) for layer, addresses in files.items()},
            groups=_texts([shown[group] for group in groups]),
            splits=_texts([self._splits_of(mask) for mask in masks.tolist()]),
            missing=_texts(missing),
            facts={name: values for name, values in facts.items() if name in self._facts},
        )

    def _captions_of(self, k: int) -> dict[int, str]:
        """All captions of the tiles that have several in a table, each once."""
        if k not in self._several:
            found = self._opened.columns(k, "key, caption", self._tables[k].made())
            texts: dict[int, dict[str, None]] = {}
            for key, address in zip(found["key"].tolist(), found["caption"].tolist(), strict=True):
                text = text_in(address or "")
                if text and text.strip():
                    texts.setdefault(key, {})[text.strip()] = None
            self._several[k] = {
                key: of_text("\n\n".join(different)[:_LONGEST_TEXT])
                for key, different in texts.items()
                if len(different) > 1
            }
        return self._several[k]

    def _labels(self, k: int | None, labels: Sequence[str]) -> list[str]:
        classes = () if k is None else self._tables[k].classes
        numbered = {str(number): name for number, name in enumerate(classes)}
        known = {
            label: of_text(numbered.get(label.removesuffix(".0"), label)) if label else "" for label in set(labels)
        }
        return [known[label] for label in labels]

    def _splits_of(self, mask: int) -> str:
        if mask not in self._splits:
            names = (name for bit, name in self._named if mask & bit)
            self._splits[mask] = SPLITS_BETWEEN.join(dict.fromkeys(names))
        return self._splits[mask]


def name_parts(path: str) -> tuple[str, str, str]:
    """(kind, source, year) as a file's name has them; empty for other names."""
    match = _NAME_IN_PYTHON.search(path)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def is_inside(path: str) -> bool:
    """False for a path that leads out of the folder that it begins in."""
    return not _OUTSIDE_IN_PYTHON.search(path)


def _row_of_file(key: int, path: str, tile: str, group: str) -> _Row:
    return (key, 1, path, tile, group, *name_parts(path), "", "", float("nan"))


def _tile_names(tiles: Sequence[str]) -> Sequence[str]:
    """`tile_name` of each; of most there is nothing to change, which is seen of all at once."""
    joined = "".join(tiles)
    return tiles if joined.isascii() and joined.isprintable() and "\\" not in joined else [*map(tile_name, tiles)]


def _missing(*, image: bool, tags: bool) -> str:
    return SPLITS_BETWEEN.join(layer for layer, there in ((IMAGE, image), (TAGS, tags)) if not there)


def _places(known: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each key is among sorted ones; -1 where it is not."""
    if not len(known):
        return np.full(len(keys), -1, np.int64)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1).astype(np.int64)
    places[known[places] != keys] = -1
    return places


def _texts(values: Sequence[str]) -> NDArray[Any]:
    """Texts as an array of objects, all of them valid UTF-8."""
    array = np.empty(len(values), object)
    array[:] = values
    return array

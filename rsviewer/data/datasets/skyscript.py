"""SkyScript, and the sets its models are tested on: images with captions.

Source: https://github.com/wangzhecheng/SkyScript; images{2..7}.zip, meta{2..7}.zip, dataframe/*.csv and benchmark/*.zip at
https://opendatasharing.s3.us-west-2.amazonaws.com/SkyScript/. Code MIT; images under the terms of their collections on
Earth Engine, texts from OpenStreetMap (ODbL). Citation: Z. Wang, R. Prabha, T. Huang, J. Wu, R. Rajagopal, "SkyScript: A
Large and Semantically Diverse Vision-Language Dataset for Remote Sensing", AAAI 2024.

Layout: 5.2 million tiles.

    images2/ ... images7/   {a|w|n}{OpenStreetMap id}_{source}_{year}.jpg, RGB, 100 to 1000 pixels, each of its own size
    meta2/ ... meta7/       the same stem, .pickle: tags of the object in focus and around it, time, box (`data.tags`)
    SkyScript_*.csv         here or in dataframe/: filepath ("images2/a1_US_19.jpg"), title, title_multi_objects, title_raw,
                            similarity_...; train_unfiltered_5M, train_top30pct_..., val_5K_..., test_30K_...

Benchmarks: a folder with classnames.txt and *img_txt_pairs*.csv (filepath, label: a class name or its number), or, for
retrieval, with title; or the folder of several such. Paths are relative to the folder of them all.

Tiles: one for each path in a table, in the order of the largest table, then those only of others; then the images that no
table names. What a tile's caption says is what the first of these tables says; tables for retrieval have a row for each of the
captions of an image, which then all stand below each other. A row whose image is not there stays.

Known flaws: the upstream tables differ in columns (the polished ones lack title_multi_objects); the object in focus need
not be in the middle; rows repeat; the code calls one benchmark rsicb and its folder rsicb256.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.filters import ColumnType
from rsviewer.core.rows import Rows, header_of_csv
from rsviewer.core.splits import ListForm, SplitList
from rsviewer.core.tile import LayerKind, LayerSpec, TileId, printable
from rsviewer.data.adapter import Dataset, Fact, TileColumns, TileEntry
from rsviewer.data.catalogue import RASTER_SUFFIXES, natural, place_name, tile_name
from rsviewer.data.datasets.captioned import (
    CAPTION,
    CAPTIONS,
    FILEPATH,
    IMAGE,
    LABEL,
    LABELS,
    TAGS,
    Scan,
    Table,
    is_inside,
)
from rsviewer.data.lists import read_split_list
from rsviewer.data.looking import Look, look, peek
from rsviewer.data.tables import Tables
from rsviewer.data.tree import DISK, Tree

IMAGE_LAYER = LayerSpec(IMAGE, LayerKind.OPTICAL, "image", bands=("red", "green", "blue"))
CAPTION_LAYER = LayerSpec(CAPTION, LayerKind.TEXT, "caption", optional=True, absent="No table has a caption for it.")
TAGS_LAYER = LayerSpec(TAGS, LayerKind.TEXT, "tags", optional=True)
LABEL_LAYER = LayerSpec(LABEL, LayerKind.TEXT, "label", optional=True, absent="No table has a label for it.")

SOURCES = {
    "US": ("NAIP", 1.0),  # 0.6 in later years
    "DE": ("Brandenburg RGBN", 0.2),
    "FI": ("Finland NLS", 0.5),
    "CH": ("SWISSIMAGE", 0.1),
    "ES": ("PNOA", 0.1),
    "P3": ("SkySat RGB", 0.8),
    "P5": ("SkySat MS", 2.0),
    "S2": ("Sentinel-2 L2A", 10.0),
    "L8": ("Landsat 8 TOA", 30.0),
    "L9": ("Landsat 9 TOA", 30.0),
}
"""Source in a file's name -> product, metres per pixel."""

UNKNOWN_SOURCE = "unknown source"

KINDS = {"a": "area", "w": "way", "n": "node"}
"""What the object in focus is in OpenStreetMap."""

BENCHMARK_FOLDERS = {"rsicb": "rsicb256"}
"""How the upstream code calls a benchmark -> its folder."""

RETRIEVAL = ("rsicd_", "rsitmd_", "ucmcaptions_")
"""How the tables of captions to be retrieved begin; they have no classes."""

FACTS = (
    Fact("source", ColumnType.TEXT, "source, as in the file's name"),
    Fact("product", ColumnType.TEXT, "product of the source"),
    Fact("gsd", ColumnType.NUMBER, "metres per pixel that the source has at best"),
    Fact("year", ColumnType.NUMBER, "year of the image"),
    Fact("kind", ColumnType.TEXT, "what the object is in OpenStreetMap"),
)

_TABLE = re.compile(r"skyscript_.*\.csv", re.IGNORECASE)
_PAIRS = re.compile(r".*img_txt_pairs.*\.csv", re.IGNORECASE)
_CLASSES = re.compile(r"classnames.*\.txt", re.IGNORECASE)
_IMAGES = re.compile(r"images(\d+)", re.IGNORECASE | re.ASCII)
_IMAGE = re.compile(r"[awn]\d+_[A-Z0-9]{2}_\d{2}\.jpe?g", re.ASCII)
_PREFIX = re.compile(r"skyscript_", re.IGNORECASE)

_PLAIN = re.compile(r"((?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+)\.jpg")  # most lines: quickly
_DATAFRAME = "dataframe"

_HEADER_BYTES = 64 * 1024
_CLASS_BYTES = 1 << 20
_REPEATED_BYTES = 1 << 26
_MOST_BENCHMARKS = 40
_MOST_TABLES = 60
_LOOKED_INTO = 8


class SkyScriptAdapter:
    """See the module's docstring."""

    name = "skyscript"
    title = "SkyScript"
    expects = "images2/*.jpg with SkyScript_*.csv, or a benchmark's *img_txt_pairs*.csv with classnames.txt"

    def __init__(self, tree: Tree = DISK) -> None:
        """See `DatasetAdapter`."""
        self._tree = tree
        self._root: Path | None = None
        self._groups: tuple[str, ...] = ()
        self._tables: tuple[Table, ...] = ()
        self._by_path: dict[str, Table] = {}
        self._utf8: dict[str, bool] = {}

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`."""
        top = look(self._tree, str(root))
        home = tile_name(root.name) or place_name(root)
        folders = [name for name in top.folders if _IMAGES.fullmatch(name)]
        tables = [name for name in top.files if _TABLE.fullmatch(name)]
        if not tables and _DATAFRAME in top.folders:
            names = peek(self._tree, top.at(_DATAFRAME))
            tables = [f"{_DATAFRAME}/{name}" for name in names if _TABLE.fullmatch(name)]
        if tables:
            found = [min(tables), *(f"{name}/" for name in folders[:1])]
            return f"{tile_name(' and '.join(found))} lie{'s' * (len(found) == 1)} in {home}"
        for name in folders[:_LOOKED_INTO]:
            if any(_IMAGE.fullmatch(each) for each in peek(self._tree, top.at(name))):
                return f"{tile_name(name)}/ in {home} holds images named as SkyScript's"
        for folder, pairs, _ in self._benchmarks(top):
            return f"{tile_name('/'.join(filter(None, (folder, pairs[0]))))} in {home} is the table of a SkyScript benchmark"
        return ""

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        top = look(self._tree, str(root))
        problems: list[str] = []
        tables, folders = self._find_tables(root, top, problems)
        groups = tuple(name for name in top.folders if _IMAGES.fullmatch(name))
        if not tables and not groups:
            raise DatasetNotFoundError(
                " ".join((f"No SkyScript under {place_name(root)}: expected {self.expects}.", *problems))
            )
        self._root, self._groups, self._tables = root, groups, tables
        self._by_path = {table.split.path: table for table in tables}
        self._utf8 = {}
        metas = [_meta_of(name) for name in groups if _meta_of(name) in top.folders]
        labelled = any(table.has(*LABELS) for table in tables)
        captioned = any(table.has(*CAPTIONS) for table in tables) or not labelled
        layers = [IMAGE_LAYER, *[CAPTION_LAYER] * captioned, *[LABEL_LAYER] * labelled, *[TAGS_LAYER] * bool(metas)]
        images = [name for name in (*groups, *metas) if name in top.folders]
        return Dataset(
            format=self.name,
            title=tile_name(root.name),
            root=root,
            layers=tuple(layers),
            lists=tuple(table.split for table in sorted(tables, key=lambda table: natural(table.split.path))),
            folders=(root, *folders, *(Path(top.at(name)) for name in images), *(Path(table.path) for table in tables)),
            problems=tuple(problems),
            facts=(*_similarities(tables).values(), *(FACTS if groups else ())),
            tree=self._tree,
        )

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`."""
        return chain.from_iterable(batch.entries() for batch in self.scan_columns(dataset))

    def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
        """See `TabularAdapter.scan_columns`."""
        if dataset.root != self._root:
            self.describe(dataset.root)
        try:
            with Tables(self._tree, [(table.path, len(table.columns)) for table in self._tables]) as opened:
                yield from Scan(
                    self._tree,
                    dataset,
                    self._tables,
                    opened,
                    groups=self._groups,
                    meta_of=_meta_of,
                    similarities={column: fact.name for column, fact in _similarities(self._tables).items()},
                    facts_of=_facts_of,
                ).batches()
        except OSError as error:
            shown = place_name(dataset.root)
            raise DatasetNotFoundError(f"A table of {shown} cannot be read: {error.strerror or error}.") from error

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """See `DatasetAdapter.tile_of_line`."""
        table = self._by_path[split.path]
        if not any(table.moved) and (plain := _PLAIN.fullmatch(text)):
            return TileId(plain[1])
        if not text.isascii() and not self._is_utf8(split):
            text = text.encode("utf-8", "surrogateescape").decode("latin-1")  # as `Tables` reads it then
        path = table.path_of(text)
        stem, _, suffix = path.rpartition(".")
        return TileId(tile_name(stem if stem and suffix.lower() in RASTER_SUFFIXES else path))

    def _is_utf8(self, split: SplitList) -> bool:
        """Whether all of a table is. Looked up once, where a line is not plain ASCII."""
        if split.path not in self._utf8 and isinstance(split.lines, Rows):
            self._utf8[split.path] = split.lines.are_utf8()
        return self._utf8.get(split.path, True)

    def _benchmarks(self, top: Look) -> Iterator[tuple[str, list[str], list[str]]]:
        """(folder under the root, tables, files of class names) of each benchmark."""
        for folder in ("", *top.folders[:_MOST_BENCHMARKS]):
            files = peek(self._tree, top.at(folder)) if folder else top.files
            pairs = sorted(name for name in files if _PAIRS.fullmatch(name))
            classes = sorted(name for name in files if _CLASSES.fullmatch(name))
            if pairs and (classes or pairs[0].lower().startswith(RETRIEVAL)):
                yield folder, pairs, classes
                if not folder:
                    return

    def _find_tables(self, root: Path, top: Look, problems: list[str]) -> tuple[tuple[Table, ...], list[Path]]:
        """(all tables, the largest first; the folders they lie in besides the root)."""
        found = [("", top.at(name), "") for name in top.files if _TABLE.fullmatch(name)]
        folders = []
        if _DATAFRAME in top.folders:
            home = look(self._tree, top.at(_DATAFRAME))
            folders.append(Path(home.path))
            found += [("", home.at(name), "") for name in home.files if _TABLE.fullmatch(name)]
        if not found:
            for folder, pairs, classes in self._benchmarks(top):  # of several class names the first version
                folders += [Path(top.at(folder))] if folder else []
                home_of = partial(top.at, folder) if folder else top.at
                found += [(folder, home_of(name), home_of(classes[0]) if classes else "") for name in pairs]
        if len(found) > _MOST_TABLES:
            problems.append(f"There are {len(found)} tables: only the first {_MOST_TABLES} are read.")
        tables = []
        for folder, path, names in found[:_MOST_TABLES]:
            try:
                tables.append(self._table(root, folder, path, names))
            except OSError as error:
                problems.append(f"The table {tile_name(path)} cannot be read: {error.strerror}.")
        return tuple(sorted(tables, key=lambda table: (-table.size, table.path))), folders

    def _table(self, root: Path, folder: str, path: str, classes: str) -> Table:
        """One table. Raises OSError where it cannot be used."""
        split = read_split_list(self._tree, Path(path), root, "", ListForm.CSV, FILEPATH, strict=True)
        first = self._tree.read(path, _HEADER_BYTES)[len(split.mark) :]
        columns = tuple(name.lower() for name in header_of_csv(first))
        name = _PREFIX.sub("", split.name)
        split = replace(split, name=f"{tile_name(folder)}_{name}" if folder else name)
        size = self._tree.stamp(path)[1]
        if not (folder or classes or _PAIRS.fullmatch(Path(path).name)):
            return Table(path, columns, split, size=size)
        lines = self._tree.read(classes, _CLASS_BYTES).decode("utf-8-sig", "replace").splitlines() if classes else []
        names = tuple(line.strip() for line in lines if line.strip())
        repeats = Path(path).name.lower().startswith(RETRIEVAL) and size <= _REPEATED_BYTES
        table = Table(path, columns, split, classes=names, size=size, repeats=repeats)
        return replace(table, moved=self._moved(root, folder, table, first))

    def _moved(self, root: Path, folder: str, table: Table, first: bytes) -> tuple[str, str]:
        """How the paths of a benchmark begin, and what stands there under the root, as far as the first rows tell.

        They begin with the benchmark's folder, or its name in the code, which the root may be itself.
        """
        column = table.columns.index(FILEPATH)
        rows = [header_of_csv(line) for line in first.split(b"\n")[1:_LOOKED_INTO]]
        paths = [table.path_of(row[column]) for row in rows if len(row) > column]
        home = f"{folder}/" if folder else ""
        starts = dict.fromkeys(f"{path.partition('/')[0]}/" for path in paths if "/" in path)
        for old, new in (("", ""), *((start, home) for start in starts), *([("", home)] if home else [])):
            moved = [new + path.removeprefix(old) for path in paths if path.startswith(old)]
            if any(is_inside(path) and self._tree.is_file(str(root / path)) for path in moved):
                return old, new
        names = {root.name, *(key for key, name in BENCHMARK_FOLDERS.items() if name == root.name)}
        return next(((start, home) for start in starts if not home and start[:-1] in names), ("", ""))


def _meta_of(group: str) -> str:
    """The folder of the meta files of the images in a folder; empty where they have none."""
    match = _IMAGES.fullmatch(group)
    return f"meta{match[1]}" if match else ""


def _similarities(tables: Sequence[Table]) -> dict[str, Fact]:
    """A table's column -> the fact. Where two models scored, each has its own."""
    columns = sorted({table.similarity for table in tables} - {""})
    facts = {}
    for column in columns:
        name = "similarity" if len(columns) == 1 else re.sub(r"[^a-z0-9]+", "_", column).strip("_")
        facts[column] = Fact(name, ColumnType.NUMBER, f"similarity of image and caption ({printable(column)})")
    return facts


def _facts_of(kinds: Sequence[str], sources: Sequence[str], years: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    """What the names of files say."""
    unknown = (UNKNOWN_SOURCE, float("nan"))
    known = {source: SOURCES.get(source, unknown if source else ("", float("nan"))) for source in set(sources)}
    when = {year: 2000.0 + int(year) if year else float("nan") for year in set(years)}
    return {
        "source": np.array(sources, object),
        "product": np.array([known[source][0] for source in sources], object),
        "gsd": np.array([known[source][1] for source in sources]),
        "year": np.array([when[year] for year in years]),
        "kind": np.array([KINDS.get(kind, "") for kind in kinds], object),
    }

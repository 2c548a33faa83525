"""The tile index: which tiles there are, in which order, and what was measured on them. Derived, never precious.

A DuckDB file that may be deleted at any time and is rebuilt from names alone. Decisions of people are never in it:
`set_review` and `load_reviews` mirror them into a table that lives in memory, so that filters can use them.

What models scored on the tiles is kept by the tiles' names and outlives `build`.

Threads: every method may be called from every thread. `entry`, `entries`, `len`, `set_review` and the other short
readers never wait for `build`, `record`, `record_scores`, `scores`, `load_reviews`, `select` or `facets`, which may take
long and belong on a worker: each call has a cursor of its own, and DuckDB shows every cursor the last committed state.
`build`, `record` and `record_scores` wait for each other.

Ordinals are places in the dataset, from 0, in the order of the scan (names in their natural order, tables in the order of
their rows). They are valid until
`build` replaces the rows, which `generation` counts; a tile's id is valid for ever.

How a tile stands in the table is said by `indexrows`, what filters may ask of it by `indexquery`. Five million tiles of
a table with captions, measured on two slow cores: 20 s to build, 0.4 GB on the disk, 0.7 GB of memory at most.
"""

# ruff: noqa: S608 -- queries are made of this module's own words; what a user or a file wrote is a parameter, see indexquery

import glob
import json
import logging
import os
import re
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.crowd import Crowd
from rsviewer.core.errors import ProjectError, StoppedError
from rsviewer.core.filters import Column, ColumnType, SortKey, Value, columns_of, parse_filter, parse_sort
from rsviewer.core.metrics import SCORE_COLUMNS
from rsviewer.core.review import Decision
from rsviewer.core.tile import LayerId, LayerKind, TileId, printable
from rsviewer.data.adapter import Dataset, DatasetAdapter, PreviewingAdapter, TabularAdapter, TileColumns, TileEntry
from rsviewer.data.indexaside import Aside
from rsviewer.data.indexchecks import CheckBook
from rsviewer.data.indexplaces import PlaceBook
from rsviewer.data.indexquery import JOINED, NAME, Query, Source, sources
from rsviewer.data.indexrows import (
    MEASURED,
    FileState,
    Measurement,
    Rows,
    apart,
    joined,
    objects,
    registered,
    restored,
    stored,
    texts_of,
)
from rsviewer.data.indexstats import IndexStatistics
from rsviewer.data.remote.names import is_remote
from rsviewer.data.tree import Stoppable, Tree

__all__ = ["FIRST_PAGE", "SCHEMA", "Facets", "FileState", "Measurement", "Progress", "TileIndex"]

log = logging.getLogger(__name__)

SCHEMA = 3
"""Raised with every change of the tables; files of another schema are deleted and built again."""

FIRST_PAGE = 256
"""Tiles that can be shown before the scan is over."""

Progress = Callable[[int, int | None], None]
"""Called with the number done and the number in all, None while that is not known."""

_BATCH = 16_384
_ROWS_PER_COMMIT = 16 * _BATCH
_BLOCK = 64
_CACHED_ENTRIES = 8_192

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # Filters are compiled from a typed tree and cannot name a file; should that ever fail, no file can be opened.
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "threads": 2,
    "lock_configuration": True,
}
_MEMORY = "512MB"
"""What DuckDB may use for an index in a file; the rest of a large sort goes to a folder beside it, see `_opened`."""
_SPILL = ".spill"
_LARGE = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Facets:
    """How many of the selected tiles have what, for a filter menu. Values that no tile has are absent."""

    total: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)


class TileIndex:
    """The tiles of one dataset. See the module's docstring for threads and ordinals."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path | None,
        dataset: Dataset,
        adapter: DatasetAdapter,
        aside: Aside | None = None,
    ):
        """Use `open`."""
        self._connection = connection
        self._aside = aside
        self._path = path
        self._dataset = dataset
        self._adapter = adapter
        self._layers = tuple(spec.id for spec in dataset.layers)
        self._rows = Rows(dataset)
        self._broken = False
        self._write = threading.Lock()  # held by build, record and record_scores
        self._reviewing = threading.Lock()  # held while the review table changes
        self._guard = threading.Lock()  # held for a few dictionary operations only, around all that follows
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._cache: dict[int, TileEntry] = {}
        self._summaries: dict[str, Any] = {}
        self._pending: dict[TileId, Decision] = {}
        self._provisional: Sequence[TileEntry] = ()
        self._generation = 0
        self._live = f"live_{next(_serial)}"
        self._sources = sources(dataset, in_order=not isinstance(adapter, TabularAdapter))
        self._columns = [source.column for source in self._sources.values()]
        self.statistics = IndexStatistics(self._cursor, self.columns, self._query)
        """What many tiles are like."""
        with self._cursor() as cursor:
            cursor.execute(f"ATTACH ':memory:' AS {self._live}")
            cursor.execute(
                f"CREATE TABLE {self._live}.review (ordinal INTEGER, tile VARCHAR, verdict VARCHAR, tags VARCHAR,"
                " regions INTEGER, note VARCHAR, reviewer VARCHAR, time VARCHAR, refuted VARCHAR)"
            )
            _create_tables(cursor, self._rows, _shape(dataset))
            self._count = _one(cursor.execute("SELECT count(*) FROM tiles"))
            known = cursor.execute("SELECT number, model, names FROM scored ORDER BY number").fetchall()
            if not all(_is_scored(*row) for row in known):
                raise ProjectError("its list of models is damaged")
        self._models = {
            restored(model): _Scored(number, frozenset(names).intersection(SCORE_COLUMNS))
            for number, model, names in known
        }
        numbers = {fact.name: f"f{k}" for k, fact in enumerate(dataset.facts) if fact.type is ColumnType.NUMBER}
        labels = next((spec for spec in dataset.layers if spec.kind is LayerKind.LABELS), None)
        names = () if labels is None else tuple(printable(one.name) for one in labels.classes)
        titles: dict[str, str] = {spec.id: printable(spec.title) for spec in dataset.layers}
        self.checks = CheckBook(self, self._cursor, numbers, self._offer, self._write, self._reviewing, names, titles)
        """What the automatic checks said of the tiles."""
        self.places = PlaceBook(self._cursor, self._write)
        """Where on the Earth the tiles lie."""
        self._offer()

    @classmethod
    def open(cls, path: Path | None, dataset: Dataset, adapter: DatasetAdapter) -> Self:
        """The index of `dataset` kept at `path`, or one of its own where that is None or cannot be used.

        Never fails for what is at `path`: where another process holds the file or it cannot be written, the index lives
        in memory, and a large one in a temporary folder, until it is closed; a broken file, one of an older schema or of
        another dataset is deleted. Ask `is_fresh` next.
        """
        if path is not None:
            for _ in range(2):
                try:
                    return cls._open_file(path, dataset, adapter)
                except (duckdb.Error, ProjectError, UnicodeError) as error:
                    if any(words in str(error) for words in _HELD_BY_ANOTHER):
                        log.info("Another program uses the index %s; this one keeps its own in memory.", path)
                        break
                    log.info("The index %s cannot be used and is built again: %s", path, _first_line(error))
                    if not _delete(path):
                        break
        return cls._open_aside(dataset, adapter)

    @classmethod
    def _open_aside(cls, dataset: Dataset, adapter: DatasetAdapter) -> Self:
        try:
            aside = Aside()
        except OSError as error:
            log.info("There is no room for temporary files: the index stays in memory whatever its size. %s", error)
            return cls(duckdb.connect(":memory:", config=_CONFIG), None, dataset, adapter)
        place = os.fspath(aside.folder / "index.duckdb") if _is_large(dataset) else ":memory:"
        spill = os.fspath(aside.folder / "spill")
        try:
            connection = duckdb.connect(place, config={**_CONFIG, "memory_limit": _MEMORY, "temp_directory": spill})
            return cls(connection, None, dataset, adapter, aside)
        except BaseException:
            aside.close()
            raise

    @classmethod
    def _open_file(cls, path: Path, dataset: Dataset, adapter: DatasetAdapter) -> Self:
        connection = _connect(path, _shape(dataset))
        try:
            return cls(connection, path, dataset, adapter)
        except BaseException:
            connection.close()
            raise

    @property
    def path(self) -> Path | None:
        """Where the index is kept; None where it is gone when it is closed."""
        return self._path

    @property
    def generation(self) -> int:
        """How often `build` has replaced the rows. Ordinals of another generation mean other tiles."""
        return self._generation

    def __len__(self) -> int:
        """Number of tiles; while the first build runs, of those that can be shown already."""
        return self._count or len(self._provisional)

    def close(self) -> None:
        """Lets go of the file, and deletes it where it turned out to be broken. Stop all jobs on the index first."""
        with suppress(duckdb.Error):
            self._connection.execute(f"DETACH {self._live}")
        with self._guard:
            idle, self._idle = self._idle, []
        for cursor in idle:
            cursor.close()
        self._connection.close()
        if self._aside is not None:
            self._aside.close()
        if self._broken and self._path is not None:
            _delete(self._path)

    # Building

    def is_fresh(self) -> bool:
        """True where the folders and lists of the dataset are as they were when the index was built.

        One stat per folder or list. Files that were changed in place are not noticed: the index holds names.
        """
        with self._cursor() as cursor:
            known = cursor.execute("SELECT value FROM meta WHERE key = 'folders'").fetchall()
        return bool(known) and known[0][0] == _fingerprint(self._dataset)

    def build(
        self,
        progress: Progress | None = None,
        stop: Callable[[], bool] = lambda: False,
        first: Callable[[list[TileEntry]], None] | None = None,
    ) -> bool:
        """Scans the dataset and replaces all rows at once. Measurements start again, scores stay.

        Args:
            progress: called after every batch, on the calling thread.
            stop: asked before every batch and every folder; when it says True, nothing is changed.
            first: called once with the first tiles as soon as they are known, where the index held none before.
                `entry` and `len` know them from then on. Their ordinals stay, unless they were looked up before the scan,
                see `PreviewingAdapter`.

        Returns:
            False where it was stopped.

        Raises:
            whatever the adapter's scan raises; then nothing is changed.
        """
        with self._write:
            fingerprint = _fingerprint(self._dataset)  # before the scan: what changes meanwhile makes it stale
            dataset = replace(self._dataset, tree=Stoppable(self._dataset.tree, stop))
            with self._cursor() as cursor:
                try:
                    shown = self._count or self._show(self._looked_up(dataset), first)
                    show = None if shown else partial(self._show, first=first)
                    done = self._insert_all(cursor, dataset, progress, stop, show)
                    if done is None:
                        _drop_unfinished(cursor)
                        return False
                    cursor.execute("DROP TABLE tiles")
                    cursor.execute("ALTER TABLE scanned RENAME TO tiles")
                    cursor.execute("INSERT OR REPLACE INTO meta VALUES ('folders', ?)", [fingerprint])
                    cursor.execute("INSERT OR REPLACE INTO meta VALUES ('moved', 'yes')")
                    if self._models:
                        _place_scores(cursor)
                    with self._reviewing:
                        cursor.commit()
                        self.checks.place(cursor)
                        self.places.place(cursor)
                        self._renew(cursor, done)
                except StoppedError:
                    _drop_unfinished(cursor)
                    return False
                except BaseException:
                    _drop_unfinished(cursor)
                    raise
        if progress:
            progress(done, done)
        return True

    def _looked_up(self, dataset: Dataset) -> list[TileEntry]:
        """Some tiles before the scan; none of a store, where one name takes as long as the list of a thousand."""
        if isinstance(self._adapter, PreviewingAdapter) and not is_remote(str(dataset.root)):
            return self._adapter.first_page(dataset, FIRST_PAGE)
        return []

    def _show(self, entries: Sequence[TileEntry], first: Callable[[list[TileEntry]], None] | None) -> bool:
        """Makes tiles known before there are rows. Returns False where there are none."""
        if entries:
            self._provisional = entries
            if first:
                first(list(entries))
        return bool(entries)

    def _insert_all(
        self,
        cursor: duckdb.DuckDBPyConnection,
        dataset: Dataset,
        progress: Progress | None,
        stop: Callable[[], bool],
        show: Callable[[list[TileEntry]], object] | None,
    ) -> int | None:
        """Fills the table `scanned`. Leaves a transaction open. Returns the number of rows, None where it was stopped.

        What is not committed is kept in memory, a kilobyte a row and more for many layers: hence a commit now and then, of a
        table nobody reads.
        """
        most = _ROWS_PER_COMMIT // max(1, len(self._layers) // 5)
        cursor.begin()
        cursor.execute("DROP TABLE IF EXISTS scanned")
        self._rows.create(cursor, "scanned")
        done, committed = 0, 0
        batches = self._batches(dataset)
        while not stop():
            batch = next(batches, None)
            if batch is None:
                return done
            if show and not done:
                show(batch.first())
            if done - committed >= most:
                cursor.commit()
                cursor.begin()
                committed = done
            self._rows.insert(cursor, "scanned", batch.arrays(done))
            done += batch.size
            if progress:
                progress(done, None)
        return None

    def _batches(self, dataset: Dataset) -> Iterator["_Batch"]:
        """What the adapter has, some thousands of tiles at a time."""
        rows = self._rows
        if isinstance(self._adapter, TabularAdapter):
            for columns in self._adapter.scan_columns(dataset):
                if len(columns.tiles):
                    yield _Batch(
                        len(columns.tiles),
                        partial(_first_of, columns),
                        partial(rows.of_columns, columns),
                    )
            return
        entries = iter(self._adapter.scan(dataset))
        size = FIRST_PAGE
        while batch := list(islice(entries, size)):
            yield _Batch(len(batch), partial(list, batch), partial(rows.of_entries, batch))
            size = _BATCH

    def _renew(self, cursor: duckdb.DuckDBPyConnection, total: int) -> None:
        """Makes everything that lives in memory agree with the rows just committed."""
        with self._guard:
            self._generation += 1
            self._count = total
            self._provisional = ()
            self._cache.clear()
            self._summaries.clear()
        cursor.execute(f"UPDATE {self._live}.review SET ordinal = NULL")
        cursor.execute(f"UPDATE {self._live}.review AS r SET ordinal = t.ordinal FROM tiles AS t WHERE t.tile = r.tile")

    # Tiles by place and by name

    def entry(self, ordinal: int) -> TileEntry:
        """The tile at a place. Its neighbours are read along, so that stepping costs nothing. Raises IndexError."""
        found = self._known(ordinal)
        if found is None:
            start = ordinal // _BLOCK * _BLOCK
            block = self._read("ordinal BETWEEN ? AND ?", [start, start + _BLOCK - 1]) if ordinal >= 0 else {}
            found = block.get(ordinal)
        if found is None:
            raise IndexError(f"There is no tile {ordinal}: the index has {len(self)}.")
        return found

    def entries(self, ordinals: Iterable[int]) -> list[TileEntry]:
        """The tiles at some places, in that order, read together. Raises IndexError."""
        wanted = [int(ordinal) for ordinal in ordinals]
        found = {ordinal: entry for ordinal in wanted if (entry := self._known(ordinal)) is not None}
        absent = sorted({ordinal for ordinal in wanted if ordinal not in found})
        for start in range(0, len(absent), _BATCH):
            part = absent[start : start + _BATCH]
            found |= self._read("ordinal IN (SELECT unnest(?::INTEGER[]))", [part])
        missing = next((ordinal for ordinal in wanted if ordinal not in found), None)
        if missing is not None:
            raise IndexError(f"There is no tile {missing}: the index has {len(self)}.")
        return [found[ordinal] for ordinal in wanted]

    def first_page(self, limit: int = FIRST_PAGE) -> list[TileEntry]:
        """The first tiles of the dataset, also while the first build runs."""
        return self.entries(range(min(limit, len(self))))

    def ordinal_of(self, tile: TileId) -> int | None:
        """The place of a tile, None where there is none. Another letter case will do where there is no exact name."""
        with self._guard:  # what was on the screen lately, most often
            near = (*enumerate(self._provisional), *self._cache.items())
        seen = next((place for place, entry in near if entry.id == tile), None)
        if seen is not None:
            return seen
        with self._cursor() as cursor:
            for condition in ("tile = ?", "lower(tile) = lower(?)"):
                row = cursor.execute(f"SELECT min(ordinal) FROM tiles WHERE {condition}", [stored(tile)])
                ordinal = _one(row)
                if ordinal is not None:
                    return int(ordinal)
        return None

    def ordinals_of(self, tiles: Iterable[TileId]) -> dict[TileId, int]:
        """The places of many tiles at once, exact names only. Tiles that the index does not have are absent."""
        wanted = list(tiles)
        if not wanted:
            return {}
        with self._cursor() as cursor:
            batch = {"place": np.arange(len(wanted)), "tile": texts_of(wanted)}
            with registered(cursor, batch):
                rows = cursor.execute("SELECT place, ordinal FROM batch JOIN tiles USING (tile)").fetchall()
        return {wanted[place]: ordinal for place, ordinal in rows}

    def has_each(self, tiles: Sequence[TileId]) -> NDArray[np.bool_]:
        """Which of many tiles are there, exact names only: a million take 0.3 s."""
        found = np.zeros(len(tiles), bool)
        batch = {"place": np.arange(len(tiles)), "tile": texts_of(tiles)}
        with self._cursor() as cursor, registered(cursor, batch):
            found[cursor.execute("SELECT place FROM batch JOIN tiles USING (tile)").fetchnumpy()["place"]] = True
        return found

    def names_of(self, ordinals: NDArray[np.integer]) -> list[TileId]:
        """The names at some places, in that order. Nothing else is read, so there may be many. Raises IndexError."""
        batch: dict[str, NDArray[Any]] = {"row": np.arange(len(ordinals))}
        batch["ordinal"] = np.ascontiguousarray(ordinals, np.int32)
        with self._cursor() as cursor, registered(cursor, batch):
            rows = cursor.execute("SELECT tile FROM batch JOIN tiles USING (ordinal) ORDER BY row").fetchall()
        if len(rows) != len(ordinals):
            raise IndexError(f"{len(ordinals) - len(rows)} of these tiles are not there: the index has {len(self)}.")
        return [TileId(restored(tile)) for (tile,) in rows]

    def splits_among(self, ordinals: NDArray[np.integer]) -> dict[str, int]:
        """How many of the tiles at some places each list names, by the list's name."""
        named: Counter[str] = Counter()
        batch = {"ordinal": np.ascontiguousarray(ordinals, np.int32)}
        with self._cursor() as cursor, registered(cursor, batch):
            sql = "SELECT splits, count(*) FROM batch JOIN tiles USING (ordinal) GROUP BY splits"
            rows = cursor.execute(sql).fetchall()
        for together, tiles in rows:
            named.update(dict.fromkeys(apart(together), tiles))
        return dict(sorted(named.items()))

    def have_files(self) -> NDArray[np.bool_]:
        """(len(self),) whether a tile has a file: lists name others, too."""
        with self._cursor() as cursor:
            rows = cursor.execute(f"SELECT ordinal FROM tiles WHERE {self._rows.has_file}").fetchnumpy()
        places = np.ma.getdata(rows["ordinal"])
        found = np.zeros(len(self), bool)
        found[places[places < len(found)]] = True
        return found

    def groups_of_tiles(self, stop: Callable[[], bool] = lambda: False) -> Crowd:
        """Tile -> group of every tile that has a file, in the order of the dataset. For exports; takes a while for millions.

        Raises StoppedError where `stop`, asked now and then, says so.
        """
        with self._cursor() as cursor:
            cursor.execute(f"SELECT tile, grp FROM tiles WHERE {self._rows.has_file} ORDER BY ordinal")
            return Crowd(_named(cursor, stop))

    def find(self, text: str, limit: int = 100) -> list[int]:
        """Places of the tiles that a person may mean by `text`, the likeliest first.

        In this order: the exact id, the id or name in other letter case, the number at the end of the name (``42``
        finds ``tile_042``), names that begin with it, names that end with it, ids that have it somewhere.
        """
        text = text.strip()
        if not text:
            return []
        digits = text.lstrip("0") or "0" if text.isascii() and text.isdigit() else None
        rank = (
            "CASE WHEN tile = $text THEN 0 WHEN lower(tile) = $lower THEN 1 WHEN name = $lower THEN 2"
            " WHEN $digits IS NOT NULL AND regexp_full_match(name, '(.*[^0-9])?0*' || $digits) THEN 3"
            " WHEN starts_with(name, $lower) THEN 4 WHEN suffix(name, $lower) THEN 5 ELSE 6 END"
        )
        sql = (
            f"SELECT ordinal FROM (SELECT ordinal, tile, lower({NAME}) AS name FROM tiles AS t"
            " WHERE contains(lower(tile), coalesce($digits, $lower)))"
            f" WHERE contains(lower(tile), $lower) OR {rank} = 3 ORDER BY {rank}, ordinal LIMIT $limit"
        )
        typed = stored(text)
        with self._cursor() as cursor:
            rows = cursor.execute(
                sql, {"text": typed, "lower": typed.lower(), "digits": digits, "limit": limit}
            ).fetchall()
        return [ordinal for (ordinal,) in rows]

    def _known(self, ordinal: int) -> TileEntry | None:
        with self._guard:
            if 0 <= ordinal < len(self._provisional):
                return self._provisional[ordinal]
            return self._cache.get(ordinal)

    def _read(self, condition: str, parameters: Sequence[Any]) -> dict[int, TileEntry]:
        sql = f"SELECT {self._rows.columns} FROM tiles WHERE {condition}"
        generation = self._generation
        with self._cursor() as cursor:
            rows = cursor.execute(sql, parameters).fetchall()
        found = {row[0]: self._rows.entry(row) for row in rows}
        with self._guard:
            if generation == self._generation:
                self._cache.update(found)
                for ordinal in list(islice(self._cache, max(0, len(self._cache) - _CACHED_ENTRIES))):
                    del self._cache[ordinal]
        return found

    # Counting

    def groups(self) -> list[tuple[str, int, int]]:
        """(name, number of tiles, first ordinal) of each group, in the order of the dataset."""
        rows = self._summary("SELECT grp, count(*), min(ordinal) FROM tiles GROUP BY grp ORDER BY 3")
        return [(restored(name), tiles, first) for name, tiles, first in rows]

    def splits(self) -> dict[str, int]:
        """Number of tiles that each list names, by the list's name."""
        named: Counter[str] = Counter()
        for together, tiles in self._summary("SELECT splits, count(*) FROM tiles GROUP BY splits"):
            named.update(dict.fromkeys(apart(together), tiles))
        return dict(sorted(named.items()))

    def group_numbers(self) -> NDArray[np.int32]:
        """A number for every tile, the same for those of a group; empty where there are fewer than two groups."""
        groups = self.groups()
        if len(groups) < 2:
            return np.zeros(0, np.int32)
        counts, firsts = (np.array([group[k] for group in groups], np.int64) for k in (1, 2))
        if (np.cumsum(counts) - counts == firsts).all():  # one after the other, as folders are
            return np.repeat(np.arange(len(groups), dtype=np.int32), counts)
        with self._cursor() as cursor:
            return np.ascontiguousarray(cursor.execute(_GROUP_NUMBERS).fetchnumpy()["number"], np.int32)

    def _summary(self, sql: str) -> list[Any]:
        with self._guard:
            generation, rows = self._generation, self._summaries.get(sql)
        if rows is None:
            with self._cursor() as cursor:
                rows = cursor.execute(sql).fetchall()
            with self._guard:
                if generation == self._generation:
                    self._summaries[sql] = rows
        return list(rows)

    # Filtering and sorting

    def columns(self) -> list[Column]:
        """What filter and sort expressions may use."""
        return list(self._columns)

    def select(self, filter: str = "", sort: str = "") -> NDArray[np.int32]:  # noqa: A002 -- it is what the user calls it
        """Ordinals of the tiles that a filter keeps, as `sort` orders them; ties in the order of the dataset.

        Both are texts in the language of `core.filters` over `columns`, never SQL: they may come from a stranger.
        Sorting by name is sorting by place, since the dataset is in the natural order of its names. Until the first
        build is over, no tile satisfies a filter. Raises FilterError.
        """
        condition = parse_filter(filter, self._columns)
        keys = parse_sort(sort, self._columns)
        if condition is None and not keys:
            return np.arange(len(self), dtype=np.int32)
        while True:
            generation = self._generation
            query = self._query(condition, keys)
            order = "ORDER BY " + ", ".join([*(query.key(key) for key in keys), "t.ordinal"]) if keys else ""
            sql = f"SELECT t.ordinal FROM {query.tables} WHERE {query.where} {order}"
            with self._cursor() as cursor:
                found = cursor.execute(sql, query.parameters).fetchnumpy()["ordinal"]
            if generation == self._generation:
                found = np.ascontiguousarray(found, dtype=np.int32)
                return found if keys else np.sort(found, kind="stable")  # which sees at once that they are in order

    def facets(self, filter: str = "") -> Facets:  # noqa: A002 -- it is what the user calls it
        """How many of the tiles that a filter keeps have each split, group, verdict, tag and missing layer."""
        condition = parse_filter(filter, self._columns)
        query = self._query(condition, (), reviews=True)
        kept = ", ".join(f"{sql} AS {name}" for name, sql in _FACETS.items())
        counts = [f"SELECT '{name}', {name}, count(*) FROM kept GROUP BY {name}" for name in _FACETS]
        sql = f"WITH kept AS MATERIALIZED (SELECT {kept} FROM {query.tables} WHERE {query.where}) {' UNION ALL '.join(counts)}"
        with self._cursor() as cursor:
            rows = cursor.execute(sql, query.parameters).fetchall()
        by_facet: dict[str, Counter[str]] = {name: Counter() for name in _FACETS}
        for facet, value, tiles in rows:
            by_facet[facet].update(dict.fromkeys(apart(value) if facet in _LIST_FACETS else [restored(value)], tiles))
        in_order = {facet: dict(sorted(found.items())) for facet, found in by_facet.items()}
        return Facets(by_facet["verdicts"].total(), **in_order)

    def _query(self, condition: Value | None, keys: Sequence[SortKey], *, reviews: bool = False) -> Query:
        used = set().union(
            *(columns_of(value) for value in (condition, *(key.value for key in keys)) if value is not None)
        )
        query = Query(self._sources)
        if reviews or any(self._sources[name].reviewed for name in used):
            self._flush()
            query.tables += f" LEFT JOIN {self._live}.review AS r ON r.ordinal = t.ordinal"
        tables = {table for name in used for table in self._sources[name].checked}
        if "j" in tables:
            self.checks.flush()
        for table in sorted(tables):
            query.tables += f" {JOINED[table]}"
        for number in sorted({number for name in used if (number := self._sources[name].scored) is not None}):
            query.tables += (
                f" LEFT JOIN scores AS s{number} ON s{number}.ordinal = t.ordinal AND s{number}.model = {number}"
            )
        if condition is not None:
            query.where = query.sql(condition)
        return query

    # Decisions, mirrored for filtering

    def set_review(self, tile: TileId, decision: Decision) -> None:
        """Lets filters know a decision. Costs a microsecond: the next `select` or `facets` that needs it files it."""
        with self._guard:
            self._pending[tile] = decision

    def load_reviews(self, decisions: Mapping[TileId, Decision]) -> None:
        """Replaces all decisions that filters know."""
        with self._reviewing, self._cursor() as cursor:
            with self._guard:
                self._pending = {}
            cursor.execute(f"DELETE FROM {self._live}.review")
            self._file(cursor, decisions)

    def _flush(self) -> None:
        with self._reviewing:
            with self._guard:
                pending, self._pending = self._pending, {}
            if pending:
                with self._cursor() as cursor:
                    self._file(cursor, pending)

    def _file(self, cursor: duckdb.DuckDBPyConnection, decisions: Mapping[TileId, Decision]) -> None:
        said = list(decisions.values())
        batch = {
            "tile": texts_of(list(decisions)),
            "verdict": objects([decision.verdict.value for decision in said]),
            "tags": joined(decision.tags for decision in said),
            "regions": np.array([len(decision.regions) for decision in said], dtype=np.int32),
            "note": texts_of([decision.note for decision in said]),
            "reviewer": texts_of([decision.reviewer for decision in said]),
            "time": texts_of([decision.time for decision in said]),
            "refuted": joined(decision.refuted for decision in said),
        }
        with registered(cursor, batch):
            cursor.begin()
            cursor.execute(f"DELETE FROM {self._live}.review WHERE tile IN (SELECT tile FROM batch)")
            cursor.execute(
                f"INSERT INTO {self._live}.review SELECT t.ordinal, b.tile, b.verdict, b.tags, b.regions,"
                " b.note, b.reviewer, b.time, b.refuted FROM batch AS b LEFT JOIN tiles AS t ON t.tile = b.tile"
            )
            cursor.commit()

    # Measurements

    def record(self, measurements: Iterable[Measurement]) -> None:
        """Files what reading the tiles told. Call it with some hundreds at a time, from a background job."""
        remaining = iter(measurements)
        while batch := list(islice(remaining, _BATCH)):
            by_layer: dict[LayerId, dict[TileId, Measurement]] = {}
            for measurement in batch:
                by_layer.setdefault(measurement.layer, {})[measurement.tile] = measurement
            with self._write, self._cursor() as cursor:
                for layer, part in by_layer.items():
                    self._record_layer(cursor, self._layers.index(layer), list(part.values()))

    def _record_layer(self, cursor: duckdb.DuckDBPyConnection, k: int, part: Sequence[Measurement]) -> None:
        batch: dict[str, NDArray[Any]] = {"tile": texts_of([measurement.tile for measurement in part])}
        settings = []
        for name, (attribute, sql_type, _) in MEASURED.items():
            values = [getattr(measurement, attribute) for measurement in part]
            if sql_type == "VARCHAR":
                batch[name] = texts_of([str(value) for value in values])
                settings.append(f"m{k}_{name} = nullif(b.{name}, '')")
            else:
                batch[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
                settings.append(f"m{k}_{name} = CASE WHEN NOT isnan(b.{name}) THEN b.{name} END")
        with registered(cursor, batch):
            cursor.execute(f"UPDATE tiles SET {', '.join(settings)} FROM batch AS b WHERE tiles.tile = b.tile")

    # Scores of models

    def record_scores(
        self, model: str, fingerprint: str, scores: Mapping[TileId, Mapping[str, float]], *, anew: bool = False
    ) -> None:
        """Files how good a model was on some tiles: some hundreds at a time, from a background job.

        What the model scored on the same tiles before is replaced, also under another fingerprint. Afterwards `columns` has
        a column for everything that the model was ever scored by, e.g. ``demo_height_mae``.

        Args:
            model: id of its card. Two ids that differ in signs only share the columns of the first.
            fingerprint: see `core.model.fingerprint`.
            scores: tile -> name -> value, names of `core.metrics.SCORE_COLUMNS`; others and NaN are passed over. A tile
                without any is known to have been predicted.
            anew: first forgets what the model scored on all other tiles.
        """
        if not scores:
            return
        batch: dict[str, NDArray[Any]] = {"tile": texts_of(list(scores))}
        for name in SCORE_COLUMNS:
            batch[name] = np.array([values.get(name, np.nan) for values in scores.values()], dtype=np.float64)
        names = frozenset(name for name in SCORE_COLUMNS if not np.isnan(batch[name]).all())
        values = ", ".join(f"CASE WHEN NOT isnan(b.{name}) THEN b.{name} END AS {name}" for name in SCORE_COLUMNS)
        with self._write, self._cursor() as cursor:
            unused = max((each.number for each in self._models.values()), default=-1) + 1
            before = self._models.get(model, _Scored(unused, frozenset()))
            now = _Scored(before.number, before.names | names)
            with registered(cursor, batch):
                cursor.begin()
                cursor.execute("DELETE FROM scored WHERE number = ?", [now.number])
                cursor.execute("INSERT INTO scored VALUES (?, ?, ?)", [now.number, stored(model), sorted(now.names)])
                which = "" if anew else " AND tile IN (SELECT tile FROM batch)"
                cursor.execute(f"DELETE FROM scores WHERE model = ?{which}", [now.number])
                cursor.execute(
                    f"INSERT INTO scores BY NAME SELECT ?::INTEGER AS model, t.ordinal AS ordinal, b.tile AS tile,"
                    f" ? AS fingerprint, {values} FROM batch AS b LEFT JOIN tiles AS t ON t.tile = b.tile",
                    [now.number, stored(fingerprint)],
                )
                cursor.commit()
            if self._models.get(model) != now:
                self._models = {**self._models, model: now}
                self._offer()

    def scores(self, model: str, fingerprint: str) -> dict[TileId, dict[str, float]]:
        """What `record_scores` filed of a model: tile -> name -> value. Tiles that are gone from the dataset included."""
        known = self._models.get(model)
        if known is None:
            return {}
        names = sorted(known.names)
        columns = "".join(f", {name}" for name in names)
        with self._cursor() as cursor:
            rows = cursor.execute(
                f"SELECT tile{columns} FROM scores WHERE model = ? AND fingerprint = ? ORDER BY ordinal NULLS LAST, tile",
                [known.number, stored(fingerprint)],
            ).fetchall()
        return {
            TileId(restored(tile)): {
                name: value for name, value in zip(names, values, strict=True) if value is not None
            }
            for tile, *values in rows
        }

    def is_score(self, column: str) -> bool:
        """Whether a column of `columns` holds what a model scored."""
        source = self._sources.get(column)
        return source is not None and source.scored is not None

    def is_decided(self, column: str) -> bool:
        """Whether a column of `columns` holds what people have decided."""
        source = self._sources.get(column)
        return source is not None and source.reviewed

    def layers_of(self, columns: Iterable[str]) -> set[LayerId]:
        """The layers that must be measured before all of these columns have values."""
        named = (source.layer for name in columns if (source := self._sources.get(name)) is not None)
        return {layer for layer in named if layer is not None}

    def unscored(self, columns: Iterable[str]) -> dict[str, int]:
        """Models whose scores are among these columns -> tiles of the dataset that they have not scored."""
        numbers = {source.scored for name in columns if (source := self._sources.get(name)) is not None}
        with self._cursor() as cursor:
            return {
                model: len(self) - int(_one(cursor.execute(_COUNT_SCORED, [known.number])))
                for model, known in self._models.items()
                if known.number in numbers
            }

    def unexamined(self, columns: Iterable[str]) -> int:
        """Tiles of the dataset that no check has examined, where one of these columns holds what checks say; else 0."""
        is_asked = any(
            source.checked in ("j", "k") for name in columns if (source := self._sources.get(name)) is not None
        )
        return self.checks.unexamined if is_asked else 0

    def _offer(self) -> None:
        """Lets filters and sorting use what models have scored, and what checks have found."""
        sources = dict(self._sources)
        for source in self.checks.sources():
            sources = {name: each for name, each in sources.items() if name.lower() != source.column.name}
            sources[source.column.name] = source
        for source in self.places.sources():
            sources.setdefault(source.column.name, source)
        for model, known in self._models.items():
            for name, meaning in SCORE_COLUMNS.items():
                if name in known.names:
                    column = Column(_score_column(model, name), ColumnType.NUMBER, f"{printable(model)}: {meaning}")
                    source = Source(column, f"s{known.number}.{name}", scored=known.number)
                    sources.setdefault(column.name, source)
        self._sources = sources  # before the columns: every one of them has a source at any moment
        self._columns = [source.column for source in sources.values()]

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor nobody else is using. The database's own troubles become a ProjectError."""
        with self._guard:
            cursor = self._idle.pop() if self._idle else None
        cursor = cursor or self._connection.cursor()
        try:
            yield cursor
        except duckdb.ProgrammingError:  # our own mistake, not the file's
            cursor.close()
            raise
        except duckdb.Error as error:
            self._broken = True
            cursor.close()
            raise ProjectError(
                f"The tile index {self._path or 'in memory'} cannot be used: {_first_line(error)} "
                "Close the dataset and open it again: the index is then built anew, and no decision is lost."
            ) from error
        except BaseException:
            cursor.close()
            raise
        with self._guard:
            self._idle.append(cursor)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A model that has scores: its number in the tables, and what it was scored by."""

    number: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some tiles on their way into the table: how many, the first of them, and all as columns from an ordinal on."""

    size: int
    first: Callable[[], list[TileEntry]]
    arrays: Callable[[int], dict[str, NDArray[Any]]]


_COUNT_SCORED = "SELECT count(*) FROM scores WHERE model = ? AND ordinal IS NOT NULL"
_GROUP_NUMBERS = (
    "SELECT number::INTEGER AS number FROM tiles JOIN (SELECT grp, row_number() OVER (ORDER BY min(ordinal)) - 1 AS number"
    " FROM tiles GROUP BY grp) USING (grp) ORDER BY ordinal"
)
_FACETS = {
    "splits": "t.splits",
    "groups": "t.grp",
    "verdicts": "coalesce(r.verdict, 'undecided')",
    "tags": "coalesce(r.tags, '')",
    "missing": "t.missing",
}
_LIST_FACETS = ("splits", "tags", "missing")
_HELD_BY_ANOTHER = ("Could not set lock", "Conflicting lock", "being used by another process")

_serial = count()


def _connect(path: Path, shape: str) -> duckdb.DuckDBPyConnection:
    """A connection to the file at `path`, which is empty or has the given shape. Raises duckdb.Error, UnicodeError."""
    connection = _opened(path)
    if not connection.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall():
        return connection
    try:
        known = connection.execute("SELECT value FROM meta WHERE key = 'shape'").fetchall()
        connection.execute("SELECT max(ordinal) FROM tiles").fetchall()
    except duckdb.Error:
        connection.close()
        raise
    if known == [(shape,)]:
        return connection
    connection.close()
    log.info("The index %s belongs to another version or dataset and is built again.", path)
    _delete(path)
    return _opened(path)


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection that needs little memory: what does not fit lies beside the file for as long as it is needed.

    In a folder of a new name each time: the project may come from a stranger, who may have put anything under an old one.
    """
    spill = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_SPILL}")
    connection = duckdb.connect(
        os.fspath(path), config={**_CONFIG, "memory_limit": _MEMORY, "temp_directory": os.fspath(spill)}
    )
    for left in path.parent.glob(f"{glob.escape(path.name)}.*{_SPILL}"):  # by a crash: the file is nobody else's now
        shutil.rmtree(left, ignore_errors=True)
    return connection


def _delete(path: Path) -> bool:
    """Deletes an index file and its log. False where that is not possible."""
    try:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    except OSError as error:
        log.info("The index %s cannot be deleted: %s", path, error)
        return False
    return path.parent.is_dir()


def _create_tables(cursor: duckdb.DuckDBPyConnection, rows: Rows, shape: str) -> None:
    cursor.execute("CREATE TABLE IF NOT EXISTS meta (key VARCHAR PRIMARY KEY, value VARCHAR)")
    cursor.execute("INSERT OR IGNORE INTO meta VALUES ('shape', ?)", [shape])
    rows.create(cursor, "tiles")
    cursor.execute("CREATE TABLE IF NOT EXISTS scored (number INTEGER, model VARCHAR, names VARCHAR[])")
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS scores (model INTEGER, ordinal INTEGER, tile VARCHAR, fingerprint VARCHAR)"
    )
    for name in SCORE_COLUMNS:
        cursor.execute(f"ALTER TABLE scores ADD COLUMN IF NOT EXISTS {name} DOUBLE")


def _is_scored(number: object, model: object, names: object) -> bool:
    """Whether a row of `scored` is one of ours: the file may have been made by a stranger."""
    is_named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return type(number) is int and isinstance(model, str) and is_named


def _place_scores(cursor: duckdb.DuckDBPyConnection) -> None:
    """Lets scores find their tiles by their new places: a join by numbers is ten times as fast as one by names."""
    cursor.execute("ALTER TABLE scores RENAME TO scores_before")
    cursor.execute(
        "CREATE TABLE scores AS SELECT s.* REPLACE (t.ordinal AS ordinal) FROM scores_before AS s"
        " LEFT JOIN tiles AS t ON t.tile = s.tile"
    )
    cursor.execute("DROP TABLE scores_before")


def _score_column(model: str, name: str) -> str:
    """What a filter calls a score: a word of the filter language, whatever the model's id."""
    word = re.sub(r"\W", "_", printable(model).lower())
    return f"{'' if word[:1].isalpha() else 'model_'}{word}_{name}"


def _first_of(columns: TileColumns) -> list[TileEntry]:
    return list(columns.at(slice(FIRST_PAGE)).entries())


def _named(cursor: duckdb.DuckDBPyConnection, stop: Callable[[], bool]) -> Iterator[tuple[TileId, str]]:
    """Names and groups as they are fetched."""
    while rows := cursor.fetchmany(_BATCH):
        if stop():
            raise StoppedError("Reading the names of the tiles was stopped.")
        if any("\x1a" in "".join(texts) for texts in zip(*rows, strict=True)):
            rows = [(restored(tile), restored(group)) for tile, group in rows]
        yield from rows


def _drop_unfinished(cursor: duckdb.DuckDBPyConnection) -> None:
    """Takes back what a build has done so far. The next build does it where this one cannot."""
    with suppress(duckdb.Error):  # there may be no transaction
        cursor.rollback()
    with suppress(duckdb.Error):
        cursor.execute("DROP TABLE IF EXISTS scanned")


def _shape(dataset: Dataset) -> str:
    """What must be equal for a file to be of use at all."""
    layers = [(spec.id, spec.kind is LayerKind.TEXT) for spec in dataset.layers]
    facts = [(fact.name, fact.type) for fact in dataset.facts]
    return json.dumps([SCHEMA, dataset.format, os.fspath(dataset.root), layers, facts])


def _fingerprint(dataset: Dataset) -> str:
    """The folders and lists with their times and sizes; what is not there has none."""
    return json.dumps([(os.fspath(folder), *_stamp(dataset.tree, os.fspath(folder))) for folder in dataset.folders])


def _is_large(dataset: Dataset) -> bool:
    """Whether there may be millions of tiles, by the sizes of its tables and folders: then a file is faster than memory."""
    return sum(_stamp(dataset.tree, os.fspath(folder))[1] for folder in dataset.folders) > _LARGE


def _stamp(tree: Tree, path: str) -> tuple[int, int]:
    try:
        return tree.stamp(path)
    except OSError:
        return 0, 0


def _one(result: duckdb.DuckDBPyConnection) -> Any:
    return result.fetchall()[0][0]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]

r"""A tile as a row of the index: its columns, how entries and tables get into them, and the way back.

Texts in the database are valid UTF-8. File names need not be: their lone surrogates, and the few signs that mean
something to us, are written as \x1a and four hexadecimal digits.

Lists (splits, missing layers, further files) are one text each, with \x1f between the items: few different ones occur, so
DuckDB keeps them as numbers and takes each apart once. A filter by split over five million tiles takes 0.03 s so, and
0.2 s over columns of type VARCHAR[].

Bulk data goes in as numpy arrays of objects through a registered view, the one fast way in that needs neither pandas
nor a file: 5 million rows of 8 texts take 12 s on two slow cores, and the connection can be shut off from the file system.
"""

# ruff: noqa: S608 -- the names of columns are made here, of numbers

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.filters import ColumnType
from rsviewer.core.tile import LayerId, LayerKind, TileId
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, Shot, TileColumns, TileEntry
from rsviewer.data.address import MARKS, is_path, of_text, with_paths


class FileState(StrEnum):
    """What became of the attempt to read one layer of a tile."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What reading one layer of a tile told. None and NaN mean unknown.

    Attributes:
        tile: whose layer it is; a tile that is not in the index is passed over.
        layer: one of the dataset's layers.
        state: whether it could be read.
        message: why it could not.
        width: of the full-resolution file, in pixels.
        height: likewise.
        minimum: over the valid pixels of all bands, in the layer's unit.
        maximum: likewise.
        mean: likewise.
        std: likewise.
        valid: share of valid pixels, 0..1.
    """

    tile: TileId
    layer: LayerId
    state: FileState
    message: str = ""
    width: int | None = None
    height: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    valid: float | None = None


LISTS = ("splits", "missing", "duplicates")
"""Columns that hold several texts each."""

MEASURED: dict[str, tuple[str, str, str]] = {
    "state": ("state", "VARCHAR", "whether {} could be read"),
    "message": ("message", "VARCHAR", "why {} could not be read"),
    "width": ("width", "INTEGER", "width of {} in pixels"),
    "height": ("height", "INTEGER", "height of {} in pixels"),
    "min": ("minimum", "DOUBLE", "smallest valid value of {}"),
    "max": ("maximum", "DOUBLE", "largest valid value of {}"),
    "mean": ("mean", "DOUBLE", "mean of the valid values of {}"),
    "std": ("std", "DOUBLE", "standard deviation of the valid values of {}"),
    "valid": ("valid", "DOUBLE", "share of valid pixels of {}, 0 to 1"),
}
"""Name of the column of a layer -> attribute of `Measurement`, type in the table, help. VARCHAR ones every layer has."""

_FACT_TYPES = {ColumnType.NUMBER: "DOUBLE", ColumnType.TEXT: "VARCHAR"}
_BETWEEN = "\x1f"
_REMEMBERED = 10_000
_ODD = re.compile("[\x00\x1a\x1f\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


class Rows:
    """How the tiles of one dataset stand in the table.

    Columns carry the number of their layer or fact, not its name: that may come from a file, and must not become SQL.

        ordinal, tile, grp, splits, missing, duplicates, shots
        p0, p1, ...            address in each layer, paths under the root relative to it
        c1, ...                the text itself, in layers of texts
        l1, ...                the same in small letters, where it is not the same: to search in that takes half the time
        f0, f1, ...            what the dataset says about the tile
        m0_state, m0_min, ...  what measuring told
    """

    def __init__(self, dataset: Dataset) -> None:
        """Looks at nothing but the description."""
        self._layers = tuple(spec.id for spec in dataset.layers)
        self._texts = {k for k, spec in enumerate(dataset.layers) if spec.kind is LayerKind.TEXT}
        self._facts = dataset.facts
        self._prefix = os.fspath(dataset.root).rstrip(os.sep) + os.sep
        self._joined = _Joined()

        types = ["ordinal INTEGER", "tile VARCHAR", "grp VARCHAR", *(f"{name} VARCHAR" for name in (*LISTS, "shots"))]
        values = ["ordinal", "tile", "grp", *LISTS, "nullif(shots, '') AS shots"]
        selected = ["ordinal", "tile", "grp", *LISTS, "shots"]
        measured = [(name, sql_type) for name, (_, sql_type, _) in MEASURED.items()]
        for k in range(len(self._layers)):
            types += [f"p{k} VARCHAR", *(f"m{k}_{name} {sql_type}" for name, sql_type in measured)]
            selected.append(f"p{k}")
            if k in self._texts:
                types += [f"c{k} VARCHAR", f"l{k} VARCHAR"]
                is_text = f"starts_with(p{k}, '{of_text('')}')"
                values.append(f"CASE WHEN {is_text} THEN substr(p{k}, {len(of_text('')) + 1}) END AS c{k}")
                values.append(f"nullif(lower(c{k}), c{k}) AS l{k}")
                values.append(f"CASE WHEN NOT {is_text} THEN nullif(p{k}, '') END AS p{k}")
                selected.append(f"c{k}")
            else:
                values.append(f"nullif(p{k}, '') AS p{k}")
        for k, fact in enumerate(self._facts):
            types.append(f"f{k} {_FACT_TYPES[fact.type]}")
            unknown = "'NaN'::DOUBLE" if fact.type is ColumnType.NUMBER else "''"
            values.append(f"nullif(f{k}, {unknown}) AS f{k}")
            selected.append(f"f{k}")
        self._types = ", ".join(types)
        self._values = ", ".join(values)
        self.columns = ", ".join(selected)
        """What to select for `entry`."""
        self.has_file = " OR ".join(f"p{k} IS NOT NULL" for k in range(len(self._layers))) or "FALSE"
        """Is true for a tile with at least one file, see `TileEntry.has_files`."""

    def create(self, cursor: duckdb.DuckDBPyConnection, table: str) -> None:
        """Makes an empty table, if there is none of the name."""
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({self._types})")

    def insert(self, cursor: duckdb.DuckDBPyConnection, table: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Appends what `of_entries` or `of_columns` gave."""
        with registered(cursor, arrays):
            cursor.execute(f"INSERT INTO {table} BY NAME SELECT {self._values} FROM batch")

    def of_entries(self, batch: Sequence[TileEntry], start: int) -> dict[str, NDArray[Any]]:
        """Entries as columns; the first has the ordinal `start`."""
        named = self._joined
        arrays = {
            "ordinal": np.arange(start, start + len(batch), dtype=np.int32),
            "tile": texts_of([entry.id for entry in batch]),
            "grp": texts_of([entry.group for entry in batch]),
            "splits": objects([named[entry.splits] for entry in batch]),
            "missing": objects([named[entry.missing] for entry in batch]),
            "duplicates": objects([self._files(entry.duplicates) if entry.duplicates else "" for entry in batch]),
            "shots": objects([_shots_as_text(entry) if entry.shots else "" for entry in batch]),
        }
        for k, layer in enumerate(self._layers):
            arrays[f"p{k}"] = texts_of(self._addresses([entry.files.get(layer, "") for entry in batch]))
        for k, fact in enumerate(self._facts):
            values = [entry.facts.get(fact.name) for entry in batch]
            if fact.type is ColumnType.NUMBER:
                arrays[f"f{k}"] = np.array([_number(value) for value in values], np.float64)
            else:
                arrays[f"f{k}"] = texts_of(["" if value is None else str(value) for value in values])
        return arrays

    def of_columns(self, batch: TileColumns, start: int) -> dict[str, NDArray[Any]]:
        """A part of a table as columns; the first row has the ordinal `start`."""
        nothing = np.full(len(batch.tiles), "", object)
        arrays: dict[str, NDArray[Any]] = {
            "ordinal": np.arange(start, start + len(batch.tiles), dtype=np.int32),
            "tile": texts_of(batch.tiles),
            "grp": nothing if batch.groups is None else texts_of(batch.groups),
            "splits": nothing if batch.splits is None else _lists_of(batch.splits),
            "missing": nothing if batch.missing is None else _lists_of(batch.missing),
            "duplicates": nothing,
            "shots": nothing,
        }
        for k, layer in enumerate(self._layers):
            addresses = batch.files.get(layer)
            arrays[f"p{k}"] = nothing if addresses is None else texts_of(self._addresses(addresses.tolist()))
        for k, fact in enumerate(self._facts):
            values = batch.facts.get(fact.name)
            if fact.type is ColumnType.NUMBER:
                unknown = np.full(len(batch.tiles), np.nan)
                arrays[f"f{k}"] = unknown if values is None else np.asarray(values, np.float64)
            else:
                arrays[f"f{k}"] = nothing if values is None else texts_of(values)
        return arrays

    def entry(self, row: Sequence[Any]) -> TileEntry:
        """The tile of a row of `columns`."""
        _, tile, group, splits, missing, duplicates, shots, *rest = row
        values = iter(rest)
        files: dict[LayerId, str] = {}
        for k, layer in enumerate(self._layers):
            address = next(values)
            text = next(values) if k in self._texts else None
            if text is not None:
                files[layer] = of_text(restored(text))
            elif address:
                files[layer] = self._absolute(restored(address))
        known = {
            fact.name: restored(value) if isinstance(value, str) else value
            for fact, value in zip(self._facts, values, strict=True)
            if value is not None
        }
        over_time, shot = _shots_in(shots)
        return TileEntry(
            id=TileId(restored(tile)),
            files=files,
            group=restored(group),
            splits=apart(splits),
            missing=tuple(map(LayerId, apart(missing))),
            duplicates=tuple(map(self._absolute, apart(duplicates))),
            facts=known,
            shots=over_time,
            shot=shot,
        )

    def _files(self, paths: Iterable[str]) -> str:
        return _join(self._relative(path) for path in paths)

    def _addresses(self, addresses: list[str]) -> list[str]:
        """Addresses as they are stored, restored signs excepted."""
        prefix, cut = self._prefix, len(self._prefix)
        together = _BETWEEN.join(addresses)
        # Also where a path or text has it in its middle: better slow than wrong.
        if any(mark in together for mark in (*MARKS, prefix + os.sep)):
            text = of_text("")
            return [address if address.startswith(text) else self._relative(address) for address in addresses]
        return [path[cut:] if path.startswith(prefix) else path for path in addresses]

    def _relative(self, address: str) -> str:
        if not is_path(address):
            return _with_paths(address, self._relative)
        below = address.removeprefix(self._prefix)
        is_absolute = os.path.isabs(below)  # noqa: PTH117 -- as in `_absolute`
        return below if is_path(below) and not is_absolute else address  # a folder may be called "text:"

    def _absolute(self, stored: str) -> str:
        if not is_path(stored):
            return _with_paths(stored, self._absolute)
        is_absolute = os.path.isabs(stored)  # noqa: PTH117 -- a Path costs ten times as much, and there are millions
        return stored if is_absolute else self._prefix + stored


def _with_paths(address: str, change: Callable[[str], str]) -> str:
    try:
        return with_paths(address, change)
    except ValueError:  # an index that a stranger has made; reading the layer will say so
        return address


# Images over time


def _shots_as_text(entry: TileEntry) -> str:
    """JSON, which is plain ASCII whatever the names are."""
    shots = [[shot.name, shot.time, shot.series, shot.good] for shot in entry.shots]
    return json.dumps([entry.shot, *shots], separators=(",", ":"))


def _shots_in(text: str | None) -> tuple[tuple[Shot, ...], int]:
    """What `_shots_as_text` was made of; nothing where a stranger has made it."""
    if not text:
        return (), 0
    try:
        shot, *rows = json.loads(text)
        shots = tuple(Shot(name, time, series, good) for name, time, series, good in rows)
    except (ValueError, TypeError, RecursionError):
        return (), 0
    texts = all(isinstance(word, str) for each in shots for word in (each.name, each.time, each.series))
    known = all(each.good is None or isinstance(each.good, bool) for each in shots)
    return (shots, shot) if texts and known and type(shot) is int and 0 <= shot < len(shots) else ((), 0)


# Texts


def stored(text: str) -> str:
    """`text` as the database holds it."""
    return _ODD.sub(lambda match: f"\x1a{ord(match[0]):04x}", text)


def restored(text: str) -> str:
    """What `stored` was made of."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "\x1a" in text else text


def texts_of(texts: Sequence[str] | NDArray[Any]) -> NDArray[Any]:
    """`texts` as stored."""
    listed = texts.tolist() if isinstance(texts, np.ndarray) else texts
    if _is_odd("".join(listed)):
        return objects([stored(text) for text in listed])
    return texts if isinstance(texts, np.ndarray) else objects(listed)


def objects(texts: Sequence[str]) -> NDArray[Any]:
    """An array as `registered` wants it."""
    return np.array(texts, dtype=object)


def joined(lists: Iterable[tuple[str, ...]]) -> NDArray[Any]:
    """Lists of texts as one text each, for `as_list` to take apart. Empty texts are left out."""
    known = _Joined()
    return objects([known[each] for each in lists])


def as_list(column: str) -> str:
    """SQL for the list that a column of joined texts means."""
    return f"(CASE WHEN {column} = '' THEN []::VARCHAR[] ELSE string_split({column}, chr(31)) END)"


@contextmanager
def registered(cursor: duckdb.DuckDBPyConnection, arrays: Mapping[str, NDArray[Any]]) -> Iterator[None]:
    """Within the block `batch` is a view of `arrays`."""
    cursor.register("batch", dict(arrays))
    yield
    cursor.unregister("batch")  # not in a finally: after an error the cursor is closed, and the view with it


def _is_odd(together: str) -> bool:
    """Whether a text has to be changed to be stored. What can be printed and is ASCII, nearly all, is seen at once."""
    return not (together.isascii() and together.isprintable()) and _ODD.search(together) is not None


def _join(texts: Iterable[str]) -> str:
    return _BETWEEN.join(stored(text) for text in texts if text)


def _lists_of(lists: NDArray[Any]) -> NDArray[Any]:
    """Texts joined by `SPLITS_BETWEEN` as stored: the same but for their odd signs."""
    known = _Lists()
    return objects([known[each] for each in lists.tolist()])


class _Joined(dict[tuple[str, ...], str]):
    """tuple of texts -> `_join` of them, remembered: there are few different ones."""

    def __missing__(self, texts: tuple[str, ...]) -> str:
        if len(self) >= _REMEMBERED:  # not so few
            self.clear()
        together = self[texts] = _join(texts)
        return together


class _Lists(dict[str, str]):
    """Texts joined by `SPLITS_BETWEEN` -> the same as stored, remembered likewise."""

    def __missing__(self, together: str) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        as_stored = self[together] = _join(together.split(SPLITS_BETWEEN))
        return as_stored


def apart(together: str) -> tuple[str, ...]:
    """What `_join` made one text of."""
    return tuple(map(restored, together.split(_BETWEEN))) if together else ()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan

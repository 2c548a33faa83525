"""Tables with millions of rows as CSV, read row by row by DuckDB.

The connection is shut off from the file system but for the tables, and has a limit to its memory. Rows that are too short or
too long are read as far as they go; a table that is not UTF-8 is read as Latin-1.
"""

# ruff: noqa: S608 -- queries are made of this program's own words; paths are parameters

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.catalogue import tile_name
from rsviewer.data.tree import Tree

log = logging.getLogger(__name__)

MAX_COPIED = 2 * 1024**3
"""A table in an archive or a store is copied to the disk first, if it is no larger."""

BATCH = 16_384

_UNDECODED = re.compile("[\ud800-\udfff]")

_READING = "auto_detect=false, header=false, skip=1, delim=',', quote='\"', escape='\"', strict_mode=false"
_WAYS = (
    "encoding='utf-8'",
    "encoding='latin-1'",
    "encoding='utf-8', ignore_errors=true",  # leaves out what it cannot read
)
_PADDED = (
    "null_padding=true, parallel=false, max_line_size=4194304"  # parallel reading cannot pad: it is no faster either
)


class Tables:
    """Some tables, open. To be used in a `with` statement, by one thread."""

    def __init__(self, tree: Tree, tables: Sequence[tuple[str, int]]) -> None:
        """Opens them.

        Args:
            tree: where they are.
            tables: (path, number of columns) of each.

        Raises:
            OSError: one cannot be read.
        """
        import duckdb  # late: most datasets are no tables, and it takes a tenth of a second

        self._error = duckdb.Error
        self._ours = (
            duckdb.BinderException,
            duckdb.ParserException,
            duckdb.CatalogException,
            duckdb.PermissionException,
        )
        """Errors that are no fault of a table."""
        with ExitStack() as stack:
            self._tables = [(_on_disk(tree, path, stack), columns) for path, columns in tables]
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="rsviewer-", ignore_cleanup_errors=True))
            self._connection = duckdb.connect(":memory:", config={"memory_limit": "250MB", "threads": 2})
            stack.callback(self._connection.close)
            self._connection.execute(f"SET temp_directory = {quoted(spill)}")
            allowed = ", ".join(quoted(path) for path, _ in self._tables)
            self._connection.execute(f"SET allowed_paths = [{allowed}]")
            self._connection.execute("SET autoinstall_known_extensions = false")
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def rows(self, table: int, values: str, made: str = "*", first: int = BATCH) -> Iterator[list[tuple[Any, ...]]]:
        """Its rows after the header, in their order, some thousands at a time.

        Args:
            table: which, counted from 0.
            values: what to select of `made`.
            made: what is made of its columns, which are c0, c1, ... and texts or NULL.
            first: how many rows the first batch has.
        """
        done, wanted = 0, first
        for way in _WAYS:
            cursor = self._connection.cursor()
            try:
                cursor.execute(self._query(table, values, made, way, done))
                while rows := cursor.fetchmany(wanted):
                    done, wanted = done + len(rows), BATCH
                    yield rows
            except self._ours:
                raise
            except self._error as error:
                log.info("The table %s is read in another way: %s", self._tables[table][0], error)
            else:
                return
            finally:
                cursor.close()

    def columns(self, table: int, values: str, made: str = "*") -> dict[str, Any]:
        """Values of all its rows as arrays, by name. See `rows`; what does not fit into memory must not be asked for."""
        for way in _WAYS:
            try:
                with self._connection.cursor() as cursor:
                    return cursor.execute(self._query(table, values, made, way, 0)).fetchnumpy()
            except self._ours:
                raise
            except self._error as error:
                log.info("The table %s is read in another way: %s", self._tables[table][0], error)
        raise OSError(None, "it is no table", self._tables[table][0])

    def hashes(self, texts: NDArray[Any]) -> NDArray[np.uint64]:
        """What DuckDB's `hash` makes of texts, unsorted; of those that are not UTF-8, as no table's are, of what is shown."""
        if not "".join(listed := texts.tolist()).isascii():
            texts = np.array([text if is_text(text) else tile_name(text) for text in listed], object)
        with self._connection.cursor() as cursor:
            cursor.register("given", {"given": texts})
            found = cursor.execute("SELECT hash(given) AS h FROM given").fetchnumpy()["h"]
        return np.asarray(found, np.uint64)

    def _query(self, table: int, values: str, made: str, way: str, skipped: int) -> str:
        path, columns = self._tables[table]
        types = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(columns))
        source = f"read_csv({quoted(path)}, {_READING}, {_PADDED}, {way}, columns={{{types}}})"
        return f"SELECT {values} FROM (SELECT {made} FROM {source})" + (f" OFFSET {skipped}" if skipped else "")


def _on_disk(tree: Tree, path: str, stack: ExitStack) -> str:
    """The path of a file with these bytes alone."""
    place = tree.place(path)
    whole = place.size is None or (not place.offset and place.size == os.path.getsize(place.path))  # noqa: PTH202
    if place.content is None and not place.remote and not place.offset and whole:
        return place.path
    raw = tree.read(path, MAX_COPIED + 1) if place.content is None else place.content
    if len(raw) > MAX_COPIED:
        raise OSError(None, "it is too large to be read out of an archive", path)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rsviewer-", ignore_cleanup_errors=True))
    copy = Path(folder) / "table.csv"
    copy.write_bytes(raw)
    return os.fspath(copy)


def is_text(text: str) -> bool:
    """False where bytes were no UTF-8."""
    return text.isascii() or not _UNDECODED.search(text)


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"

"""What an archive holds, written down so that it is walked through once: one SQLite file for an archive, never changed again.

One file each, because then building needs no locks: it is written under another name, and the rename publishes it. Of a folder
all names lie together, so that listing it reads them in a row, and finding one of a million takes some 10 microseconds.
"""

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from rsviewer.data.archives.members import FOLDER, Member, decoded, encoded

ROOT: Final = 0
"""Number of the archive's own folder."""
VERSION: Final = 1
"""Of the tables. One of another version is written anew."""

_SCHEMA: Final = """
    CREATE TABLE entries (
        folder INTEGER, name BLOB, method INTEGER, offset INTEGER, stored INTEGER, size INTEGER, crc INTEGER,
        PRIMARY KEY (folder, name)) WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
"""
_ADD_FILE: Final = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_FOLDER: Final = """
    INSERT INTO entries VALUES (?1, ?2, -1, ?3, 0, 0, 0)
    ON CONFLICT DO UPDATE SET method = -1, offset = ?3 WHERE method != -1
"""
_FIND: Final = "SELECT method, offset, stored, size, crc FROM entries WHERE folder = ? AND name = ?"
_LIST: Final = "SELECT name, method FROM entries WHERE folder = ? AND name > ? ORDER BY name LIMIT ?"
_PAGE: Final = 20_000
_REMEMBERED: Final = 100_000
_CACHE: Final = "PRAGMA cache_size = -65536"
_APPLICATION_ID: Final = 0x52535641
_ROWS_AT_ONCE: Final = 10_000


class Entry(NamedTuple):
    """A row: see `Member`. Of a folder, `offset` is its number."""

    method: int
    offset: int
    stored: int
    size: int
    crc: int


class Table:
    """The members of one archive. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        """Opens a table. Raises sqlite3.Error where it is none, or not one of ours."""
        self.path = path
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)
        self._one_at_a_time = threading.Lock()
        try:
            rows = self._connection.execute("SELECT key, value FROM meta").fetchall()
            self.about: dict[str, object] = {key: json.loads(value) for key, value in rows}
        except BaseException:
            self._connection.close()
            raise

    def entry(self, folder: int, name: str) -> Entry | None:
        """A file or folder in a folder; None where there is none."""
        try:
            key = encoded(name)
        except UnicodeEncodeError:
            return None
        rows = self._rows(_FIND, (folder, key))
        return Entry(*rows[0]) if rows else None

    def names(self, folder: int) -> Iterator[tuple[str, bool]]:
        """(name, whether it is a folder) of all in a folder, in the order of their bytes."""
        last = b""
        while True:
            rows = self._rows(_LIST, (folder, last, _PAGE))
            for name, method in rows:
                yield decoded(name), method == FOLDER
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def close(self) -> None:
        """Nothing may be asked any more."""
        with self._one_at_a_time:
            self._connection.close()

    def _rows(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            with self._one_at_a_time:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            reason = (
                "the list of what an archive holds is damaged: close the dataset and delete `archives` in its project"
            )
            raise OSError(None, reason) from error


class TableWriter:
    """Writes a new table. As a context manager: what is not finished leaves nothing behind."""

    def __init__(self, path: Path) -> None:
        """Begins. Raises OSError and sqlite3.Error."""
        self._path = path
        self._partial = path.with_name(f".{secrets.token_hex(8)}.partial")
        self._connection = sqlite3.connect(self._partial, isolation_level=None)
        self._folders: dict[str, int] = {}
        self._count = ROOT
        self._rows: list[tuple[int, bytes, int, int, int, int, int]] = []
        self._seen = 0
        self._connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_CACHE}; PRAGMA application_id = {_APPLICATION_ID};"
            f"{_SCHEMA} BEGIN"
        )

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def add(self, member: Member) -> None:
        """Adds a member and the folders it lies in. Of two with the same path the first stays."""
        folder, _, name = member.path.rpartition("/")
        if member.method == FOLDER:
            self._number(member.path)
            return
        self._rows.append((self._number(folder), encoded(name), member.method, *member[1:4], member.crc))
        self._seen += 1
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def finish(self, about: dict[str, object]) -> None:
        """Publishes the table, with what is known of the archive as a whole."""
        self._flush()
        rows = [(key, json.dumps(value)) for key, value in about.items()]
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self._connection.close()
        with self._partial.open("rb+") as file:
            os.fsync(file.fileno())
        self._partial.replace(self._path)

    @property
    def repeated(self) -> int:
        """How many files could not be added because there was one of that name."""
        self._flush()
        files = self._connection.execute("SELECT count(*) FROM entries WHERE method != -1").fetchone()[0]
        return self._seen - int(files)

    def _flush(self) -> None:
        self._connection.executemany(_ADD_FILE, self._rows)
        self._rows.clear()

    def _number(self, folder: str) -> int:
        """The number of a folder, which is made where there is none."""
        if not folder:
            return ROOT
        known = self._folders.get(folder)
        if known is not None:
            return known
        above, _, name = folder.rpartition("/")
        parent, key = self._number(above), encoded(name)
        row = self._connection.execute(_FIND, (parent, key)).fetchone()
        if row is not None and row[0] == FOLDER:
            number = int(row[1])
        else:
            self._count += 1
            number = self._count
            self._connection.execute(_ADD_FOLDER, (parent, key, number))
        if len(self._folders) >= _REMEMBERED:
            self._folders.clear()
        self._folders[folder] = number
        return number


def forget_others(folder: Path, kept: Iterable[str]) -> None:
    """Removes the tables of archives that have changed or are not part of the dataset any more."""
    stems = set(kept)
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if path.suffix in (".sqlite", ".gzi", ".json") and path.stem not in stems:
                with suppress(OSError):
                    path.unlink()


def open_table(path: Path) -> Table | None:
    """The table that was written there; None where there is none, or it is damaged or of another version."""
    if not path.is_file():
        return None
    with suppress(sqlite3.Error, ValueError):
        table = Table(path)
        if table.about.get("version") == VERSION:
            return table
        table.close()
    return None

"""The human work on disk: SQLite, never derived, never lost.

An edit and its line in the log are one transaction with `synchronous=FULL`: when `apply` returns, the decision is on
the disk. The journal is a write-ahead log on a local disk, where that is four times faster, and a rollback journal
anywhere else: a write-ahead log needs memory shared between the processes, which network file systems do not have
(https://www.sqlite.org/wal.html).

Tiles are named by id, so decisions survive whatever happens to the files of the dataset.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from rsviewer.core.errors import ConflictError, DamagedError, ProjectError, RsviewerError, SaveError
from rsviewer.core.review import Decision, Edit, Verdict, from_plain, last_steps, to_plain
from rsviewer.core.tile import TileId, printable
from rsviewer.data.settings import sync_folder

APPLICATION_ID = 0x52535644
"""Marks the file as ours ("RSVD"), see https://www.sqlite.org/pragma.html#pragma_application_id."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE decisions (
            tile TEXT PRIMARY KEY, verdict TEXT NOT NULL, time TEXT NOT NULL, said TEXT NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE log (
            id INTEGER PRIMARY KEY AUTOINCREMENT, tile TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
            kind TEXT NOT NULL, reviewer TEXT NOT NULL, time TEXT NOT NULL)""",
        "CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'append only'); END",
        "CREATE TRIGGER log_is_never_cut BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'append only'); END",
    ),
    (),  # a kind may end in JOINED, which version 1 does not understand
)
"""The statements that bring version n of the file to version n + 1; the first make it."""

SCHEMA = len(MIGRATIONS)

OBJECTS = {"decisions", "log", "log_is_never_changed", "log_is_never_cut"}

LOCAL_FILE_SYSTEMS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "tmpfs", "overlay", "ramfs"}
    | {"apfs", "hfs", "ufs", "ntfs", "ntfs3", "refs", "vfat", "exfat", "fat32", "msdos", "fuseblk"}
)
"""What is not here (nfs, cifs, 9p, sshfs, lustre ...) may lie on another machine and gets the rollback journal."""

FAULTS: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
    sqlite3.SQLITE_PERM: "there is no permission",
    sqlite3.SQLITE_CANTOPEN: "there is a folder in its place, or no permission",
    sqlite3.SQLITE_IOERR: "the disk reported an error",
    sqlite3.SQLITE_BUSY: "another program is using it",
    sqlite3.SQLITE_LOCKED: "another program is using it",
    sqlite3.SQLITE_PROTOCOL: "the file system cannot lock files",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "it is not a file of decisions",
}

DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

BUSY_SECONDS = 2.0
"""How long a writer waits for a reader. Edits are made on the GUI thread, so not for long."""

CHECKED_BYTES = 32 * 1024 * 1024
"""Files up to this size are checked for damage when they are opened (about 0.1 s)."""

KINDS = frozenset({"edit", "undo", "redo"})

JOINED = "+"
"""Ends the kind of a line whose edit is `joined`: "edit+"."""

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log: what was done to which tile, by whom and when."""

    id: int
    edit: Edit
    kind: str
    reviewer: str
    time: str


@dataclass(frozen=True, slots=True)
class History:
    """What may be taken back (`done`) and done again (`undone`); the next one is the last of each."""

    done: tuple[Edit, ...]
    undone: tuple[Edit, ...]


class DecisionStore:
    """The decisions of one project.

    Made by `open`. It belongs to the thread that opened it, the GUI thread, but for `items` and `all`: they use a
    connection of their own and may be called on any thread. One process writes at a time; `data.project` sees to that.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        self._connection = connection
        self._in_memory = not path.exists()
        self._numbered = on_local_disk(path)
        self._identity = self._find_identity(path)
        self.path = path
        self.read_only = read_only

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "DecisionStore":
        """Opens the file, or makes it; read-only, a file that is not there is an empty one.

        Raises:
            DamagedError: the file is damaged or something else. It is left as it is; see `put_aside`.
            ProjectError: it cannot be opened, or a newer version wrote it.
        """
        with _faults(ProjectError, f"The decisions in {_shown(path)} cannot be opened", _ADVICE_OPEN):
            connection = _connect(path, read_only=read_only)
            try:
                _validate(connection, path)
                if not read_only:
                    _prepare(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, read_only=read_only)

    def get(self, tile: TileId) -> Decision:
        """What was decided about a tile; an empty decision where nothing was."""
        with self._reading():
            return self._stored(tile)

    def items(self) -> Iterator[tuple[TileId, Decision]]:
        """Every tile about which something was said, sorted by id. May be called on any thread."""
        with self._reading(), self._own_connection() as connection:
            rows = connection.execute("SELECT tile, verdict, time, said FROM decisions ORDER BY tile")
            while chunk := rows.fetchmany(_ROWS_AT_ONCE):
                for tile, verdict, time, said in chunk:
                    yield tile, self._decision(tile, verdict, time, said)

    def all(self) -> dict[TileId, Decision]:
        """Every tile about which something was said. May be called on any thread."""
        return dict(self.items())

    def counts(self) -> dict[Verdict, int]:
        """How many tiles have each verdict. Tiles about which nothing was said are not among the undecided."""
        with self._reading():
            rows = self._connection.execute("SELECT verdict, count(*) FROM decisions GROUP BY verdict").fetchall()
        counted = dict(rows)
        return {verdict: counted.get(str(verdict), 0) for verdict in Verdict}

    def apply(self, edit: Edit, kind: str = "edit", *, reviewer: str = "") -> None:
        """Writes an edit and its log line. When this returns, both are on the disk.

        Args:
            edit: applied twice in a row, it is written once, so that a failed save may be tried again.
            kind: "edit", "undo" or "redo".
            reviewer: who does it; empty means the reviewer named in the edit.

        Raises:
            ConflictError: the tile's decision is no longer `edit.before`.
            SaveError: it could not be written. Nothing has changed.
        """
        self.apply_all([edit], kind, reviewer=reviewer)

    def apply_all(self, edits: Iterable[Edit], kind: str = "edit", *, reviewer: str = "") -> None:
        """Writes all of the edits or none, in one transaction. See `apply`."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of {sorted(KINDS)}")
        if self.read_only:
            raise SaveError(
                "These decisions are open for reading only; nothing was saved. Open the project for writing."
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with _faults(SaveError, f"The decision could not be saved to {_shown(self.path)}", _ADVICE_SAVE):
            self._check_place()
            try:
                with _transaction(self._connection):
                    for edit in edits:
                        self._write(edit, kind, reviewer, now)
            except DamagedError as error:
                raise SaveError(str(error)) from error

    def log(self, since: int = 0) -> Iterator[LogLine]:
        """The lines of the log after line `since`, oldest first."""
        with self._reading():
            rows = self._connection.execute(f"{_SELECT_LOG} WHERE id > ? ORDER BY id", (since,))
            while chunk := rows.fetchmany(_ROWS_AT_ONCE):
                for row in chunk:
                    yield self._log_line(row)

    def history(self, limit: int = 1000) -> History:
        """The last edits that may be taken back or done again, from earlier sessions too.

        At most `limit` of each, but for what was made in one step with the first of them.
        """
        wanted = 2 * limit
        while True:
            with self._reading():
                rows = self._connection.execute(f"{_SELECT_LOG} ORDER BY id DESC LIMIT ?", (wanted,)).fetchall()
            history = _replay([self._log_line(row) for row in reversed(rows)])
            done, undone = last_steps(history.done, limit), history.undone[-limit:]
            if len(rows) < wanted or (len(done) >= limit and not done[0].joined):
                # what is done again begins at the end: its first steps are whole however it is cut, and the last is cut off
                return History(tuple(done), tuple(undone))
            wanted *= 2

    def save_elsewhere(self, path: Path, pending: Sequence[tuple[Edit, str]] = ()) -> None:
        """Copies everything, and the edits that could not be saved here, into a new file that `open` can open.

        Args:
            path: where nothing is yet.
            pending: (edit, kind), oldest first.

        Raises:
            SaveError: it could not be written. No file is left there.
        """
        if os.path.lexists(path):
            raise SaveError(f"{_shown(path)} exists already and was not overwritten. Choose another name.")
        partial = path.with_name(f".{path.name}.partial")
        with _faults(SaveError, f"The decisions could not be saved to {_shown(path)}", _ADVICE_SAVE):
            try:
                _remove(partial)
                with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                    self._connection.backup(copy)
                with DecisionStore.open(partial) as store:
                    for edit, kind in pending:
                        store.apply(edit, kind)
                    store._connection.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
                partial.rename(path)
                sync_folder(path.parent)
            finally:
                with suppress(OSError):
                    _remove(partial)

    def close(self) -> None:
        """Gives the file back. May be called twice."""
        self._connection.close()

    def __enter__(self) -> "DecisionStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, edit: Edit, kind: str, reviewer: str, now: str) -> None:
        """Writes one edit within a transaction."""
        stored = self._stored(edit.tile)
        if stored == edit.after:
            return
        if stored != edit.before:
            who = printable(stored.reviewer) or "Somebody else"
            raise ConflictError(
                f"{who} has changed the decision about {edit.tile} meanwhile; yours was not saved. "
                "Open the project again."
            )
        before, after = _compact(to_plain(edit.before)), _compact(to_plain(edit.after))
        if from_plain(json.loads(after)) != edit.after:
            raise ValueError(f"A decision that could not be read again: {after}")
        if edit.after == Decision():
            self._connection.execute("DELETE FROM decisions WHERE tile = ?", (edit.tile,))
        else:
            plain = to_plain(edit.after)
            verdict, time = plain.pop("verdict"), plain.pop("time")
            self._connection.execute(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)", (edit.tile, verdict, time, _compact(plain))
            )
        kind = f"{kind}{JOINED}" if edit.joined else kind
        who = printable(reviewer or edit.after.reviewer or edit.before.reviewer)
        self._connection.execute(
            "INSERT INTO log (tile, before, after, kind, reviewer, time) VALUES (?, ?, ?, ?, ?, ?)",
            (edit.tile, before, after, kind, who, now),
        )

    def _check_place(self) -> None:
        """SQLite goes on writing to a file that was deleted, and nobody would ever see it again."""
        if self._find_identity(self.path) != self._identity:
            raise SaveError(
                f"{_shown(self.path)} was deleted or replaced while it was open; nothing was saved there. "
                "Put it back, or save the decisions to another place."
            )

    def _find_identity(self, path: Path) -> tuple[int, int] | None:
        """Which file lies at a path; None where there is none. Other file systems may renumber their files: (0, 0)."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        return (status.st_dev, status.st_ino) if self._numbered else (0, 0)

    def _stored(self, tile: TileId) -> Decision:
        row = self._connection.execute("SELECT verdict, time, said FROM decisions WHERE tile = ?", (tile,)).fetchone()
        return Decision() if row is None else self._decision(tile, *row)

    def _decision(self, tile: object, verdict: object, time: object, said: object) -> Decision:
        """The decision in one row, which may hold anything. Raises DamagedError."""
        try:
            rest = _parse(_text(said))
            _text(tile)
            return replace(rest, verdict=Verdict(_text(verdict)), time=_text(time))
        except (TypeError, ValueError, RecursionError) as error:
            raise self._nonsense(f"about {printable(str(tile))}", error) from error

    def _log_line(self, row: tuple[object, ...]) -> LogLine:
        number, *texts = row
        try:
            tile, before, after, kind, reviewer, time = map(_text, texts)
            kind, joined = kind.removesuffix(JOINED), kind.endswith(JOINED)
            if not isinstance(number, int) or kind not in KINDS:
                raise ValueError(f"{kind} is none of {sorted(KINDS)}")  # noqa: TRY301 - nonsense like the rest
            return LogLine(number, Edit(TileId(tile), _parse(before), _parse(after), joined), kind, reviewer, time)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._nonsense(f"in line {number} of its log", error) from error

    def _nonsense(self, where: str, error: Exception) -> DamagedError:
        return DamagedError(
            f"The decisions in {_shown(self.path)} hold something {where} that is no decision ({error}). "
            f"Nothing was changed. {_ADVICE_DAMAGED}"
        )

    @contextmanager
    def _own_connection(self) -> Iterator[sqlite3.Connection]:
        if self._in_memory:
            yield self._connection
            return
        with closing(_connect(self.path, read_only=True)) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with _faults(ProjectError, f"The decisions in {_shown(self.path)} cannot be read", _ADVICE_OPEN):
            yield


def put_aside(path: Path) -> Path:
    """Renames a damaged file of decisions, with what SQLite keeps beside it. Returns its new place.

    Raises ProjectError where it cannot be renamed.
    """
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.broken-{number}")):
        number += 1
    try:
        for suffix in _COMPANIONS:
            if os.path.lexists(f"{path}{suffix}"):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        path.rename(aside)
    except OSError as error:
        raise ProjectError(
            f"{_shown(path)} cannot be renamed ({error.strerror}). Choose another folder with --project."
        ) from error
    return aside


def on_local_disk(path: Path) -> bool:
    """True where the file system of `path` is known to belong to this machine alone."""
    list_mounts: Callable[..., list[Any]] = psutil.disk_partitions
    try:
        mounts = list_mounts(all=True)
    except (OSError, psutil.Error):
        return False
    place = Path(os.path.realpath(path))
    above = [mount for mount in mounts if place.is_relative_to(mount.mountpoint)]
    if not above:
        return False
    # Of several mounts at the same place the last one is seen.
    mount = max(enumerate(above), key=lambda pair: (len(pair[1].mountpoint), pair[0]))[1]
    return mount.fstype.lower() in LOCAL_FILE_SYSTEMS and "remote" not in mount.opts.split(",")


_ADVICE_OPEN = "Close the other program, mend the disk, or choose another folder with --project."
_ADVICE_SAVE = "It is kept in memory: make room or give permission there, or save to another place."
_ADVICE_DAMAGED = "Put a copy of the file in its place, or rename it to begin without decisions."

_SELECT_LOG = "SELECT id, tile, before, after, kind, reviewer, time FROM log"

_COMPANIONS = ("-wal", "-shm", "-journal")


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if read_only and not path.exists():
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _migrate(connection, 0)
    else:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as error:
                if _fault(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or _unfinished(path):
                    raise
                # On a read-only disk there is no place for the memory that a write-ahead log shares.
                connection.close()
                connection = sqlite3.connect(
                    f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
                )
    except BaseException:
        connection.close()
        raise
    return connection


def _unfinished(path: Path) -> bool:
    """True where the last changes stand in a journal beside the file."""
    beside = (Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))
    return any(each.exists() and each.stat().st_size > 0 for each in beside)


def _validate(connection: sqlite3.Connection, path: Path) -> None:
    """Makes sure that the file is ours and whole, before anything is written to it."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    found = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    }
    if not found and version == 0:
        return
    if application != APPLICATION_ID:
        raise DamagedError(f"{_shown(path)} is a database of another program. {_ADVICE_DAMAGED}")
    if version > SCHEMA:
        raise ProjectError(
            f"The decisions in {_shown(path)} were written by a newer rsviewer (format {version}, this one knows "
            f"{SCHEMA}). Update rsviewer."
        )
    size = path.stat().st_size if path.exists() else 0
    faults = connection.execute("PRAGMA quick_check(1)").fetchall() if size <= CHECKED_BYTES else [("ok",)]
    if faults != [("ok",)] or (version == SCHEMA and found != OBJECTS):
        raise DamagedError(f"The decisions in {_shown(path)} are damaged. Nothing was changed. {_ADVICE_DAMAGED}")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Journal, durability and schema of a file that is going to be written."""
    connection.execute(f"PRAGMA journal_mode = {'WAL' if on_local_disk(path) else 'DELETE'}").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: else the disk may keep the last decisions in its cache
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < SCHEMA:
        _migrate(connection, version)
    with _transaction(connection):  # what cannot be written is said now, not at the first decision
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Brings the file from `version` (0: an empty file) to SCHEMA, at once or not at all."""
    with _transaction(connection):
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # SQLite has often rolled back by itself; what counts is the first error
                connection.execute("ROLLBACK")
        raise


@contextmanager
def _faults(kind: type[RsviewerError], what: str, advice: str) -> Iterator[None]:
    """Turns what SQLite and the disk report into a sentence."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        code = _fault(error)
        why = FAULTS.get(code, str(error))
        if code in DAMAGE and kind is ProjectError:
            raise DamagedError(f"{what}: {why}. Nothing was changed. {_ADVICE_DAMAGED}") from error
        raise kind(f"{what}: {why}. {advice}") from error
    except OSError as error:
        raise kind(f"{what}: {error.strerror}. {advice}") from error


def _fault(error: sqlite3.Error) -> int:
    """The primary result code, https://www.sqlite.org/rescode.html; 0 where the error did not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _remove(path: Path) -> None:
    for suffix in ("", *_COMPANIONS):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _replay(lines: Iterable[LogLine]) -> History:
    """What may be taken back and done again after these lines.

    They may be the end of a longer log: then the oldest that may be taken back are missing, and nothing else is wrong.
    """
    done: list[Edit] = []
    undone: list[Edit] = []
    for line in lines:
        if line.kind == "undo":
            if done:
                done.pop()
            undone.append(line.edit.inverse())
        else:
            if line.kind == "redo" and undone:
                undone.pop()
            elif line.kind == "edit":
                undone.clear()
            done.append(line.edit)
    return History(tuple(done), tuple(undone))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value


@lru_cache(maxsize=4096)
def _parse(said: str) -> Decision:
    """A decision from JSON. Most of a million decisions say the same, so what was read last is remembered."""
    return from_plain(json.loads(said))


def _compact(plain: Mapping[str, object]) -> str:
    """ASCII JSON without what is empty."""
    return json.dumps({key: value for key, value in plain.items() if value}, separators=(",", ":"), allow_nan=False)


def _shown(path: Path) -> str:
    return printable(str(path))

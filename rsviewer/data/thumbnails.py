"""The small pictures of a project: SQLite, derived, bounded, and thrown away without harm.

One file in `Project.thumbnails_path`. What is used is kept and what was not used for longest goes first. Pictures are
JPEG, or lossless where colours are names (labels and masks) and where parts of them are transparent. Whatever lies in the
file was perhaps written by a stranger: a picture is decoded only if it is small, of a known form and of the expected size.
"""

import hashlib
import io
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from rsviewer.core.tile import printable
from rsviewer.data.decisions import on_local_disk

log = logging.getLogger(__name__)

V = TypeVar("V")

FILE_NAME = "thumbnails.sqlite"
APPLICATION_ID = 0x52535654
"""Marks the file as ours ("RSVT")."""
SCHEMA = 1

SIZES = (96, 192, 384, 768)
"""Pixels along the longer side of what is kept. Whoever wants another size takes the next larger one."""
LARGEST_BLOB = 4 * 1024 * 1024
"""Bytes of a picture of the largest size, lossless and noisy."""
QUALITY = 90
WRITE_AT = 64
"""So many new pictures are written in one transaction ..."""
WRITE_SECONDS = 2.0
"""... or those that have waited so long."""
SPARED = 0.9
"""Of the limit is kept when the least used are thrown away, so that this is not done all the time."""
BUSY_SECONDS = 1.0

_DELETE_OLDEST = "DELETE FROM thumbnails WHERE id IN (SELECT id FROM thumbnails ORDER BY used, id LIMIT 16)"
_FORMS = ("JPEG", "PNG", "WEBP")
_ALPHA = np.uint32(0xFF000000)


@dataclass(frozen=True, slots=True)
class ThumbnailKey:
    """Names one small picture.

    Attributes:
        tile: which tile, and which of its files: whatever makes it another picture.
        shown: what of it, in which style.
        size: one of `SIZES`.
    """

    tile: str
    shown: str
    size: int

    @property
    def digest(self) -> bytes:
        """16 bytes for the file."""
        text = f"{self.size}\0{self.shown}\0{self.tile}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ThumbnailStore:
    """The small pictures of one project. Made by `open`; every method may be called from any thread and none raises.

    Args:
        path: of the file.
        limit: bytes it may have.
        read_only: nothing is written.
        clock: seconds, for what was used last.
    """

    def __init__(
        self, path: Path, *, limit: int, read_only: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._limit = limit
        self._read_only = read_only
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._new: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()
        self._written = time.monotonic()
        with self._lock:
            self._connect()

    @classmethod
    def open(cls, folder: Path, *, limit: int, read_only: bool = False) -> "ThumbnailStore":
        """The pictures in a folder, which is made with the first of them. What is damaged there is begun anew."""
        return cls(folder / FILE_NAME, limit=limit, read_only=read_only)

    @property
    def limit(self) -> int:
        """Bytes the file may have."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._lock:
            shrunk, self._limit = limit < self._limit, limit
            if shrunk:
                self._guarded(self._shrink)

    @property
    def nbytes(self) -> int:
        """Bytes of the file that hold something."""
        with self._lock:
            return self._guarded(self._nbytes) or 0

    def __len__(self) -> int:
        with self._lock:
            count = self._guarded(lambda connection: _number(connection, "SELECT count(*) FROM thumbnails"))
            return (count or 0) + len(self._new)

    def get(self, key: ThumbnailKey) -> NDArray[np.uint32] | None:
        """(height, width) 0xAARRGGBB premultiplied; None where there is none, or nothing that could be one."""
        digest = key.digest
        with self._lock:
            blob = self._new.get(digest)
            if blob is None:
                blob = self._guarded(lambda connection: _fetched(connection, digest))
                if blob is not None and not self._read_only:
                    self._used.add(digest)
        return None if blob is None else decoded(blob, key.size)

    def put(self, key: ThumbnailKey, pixels: NDArray[np.uint32], *, lossless: bool) -> None:
        """Keeps a picture, at most `key.size` wide and high. It is on the disk a moment later."""
        if self._read_only:
            return
        blob = encoded(pixels, lossless=lossless)
        if len(blob) > LARGEST_BLOB:
            return
        with self._lock:
            self._new[key.digest] = blob
            if len(self._new) >= WRITE_AT or time.monotonic() - self._written > WRITE_SECONDS:
                self._write()

    def flush(self) -> None:
        """Writes what waits to be written."""
        with self._lock:
            self._write()

    def clear(self) -> None:
        """Throws everything away: the files of the dataset may have changed."""
        if self._read_only:
            return
        with self._lock:
            self._new.clear()
            self._used.clear()
            self._begin_anew()

    def close(self) -> None:
        """Writes what waits to be written and gives the file back. May be called twice."""
        with self._lock:
            self._write()
            self._disconnect()

    # --- all of these with the lock held

    def _connect(self) -> None:
        if not self._path.exists():
            return  # made with the first picture
        try:
            self._connection = _opened(self._path, read_only=self._read_only)
        except (sqlite3.Error, OSError) as error:
            log.info("The thumbnails in %s cannot be used: %s", printable(str(self._path)), error)
            if not self._read_only and not isinstance(error, sqlite3.OperationalError):
                _put_aside(self._path)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _begin_anew(self) -> None:
        self._disconnect()
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _guarded(self, work: Callable[[sqlite3.Connection], V]) -> V | None:
        """What `work` gives; None where the file is not there or cannot be used. A damaged one is begun anew."""
        if self._connection is None:
            return None
        try:
            return work(self._connection)
        except sqlite3.OperationalError as error:  # the disk is full, another program has it
            log.info("The thumbnails in %s cannot be used now: %s", printable(str(self._path)), error)
        except sqlite3.Error as error:
            log.info("The thumbnails in %s are damaged and begun anew: %s", printable(str(self._path)), error)
            self._disconnect()
            if not self._read_only:
                self._begin_anew()
        return None

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._read_only or not (self._new or self._used):
            return
        if self._connection is None and self._new:
            self._make()
        self._guarded(self._write_to)
        self._new.clear()  # also where it did not work: they can be made again
        self._used.clear()

    def _make(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _opened(self._path, read_only=False)
        except (sqlite3.Error, OSError) as error:
            log.info("Thumbnails cannot be kept in %s: %s", printable(str(self._path)), error)

    def _write_to(self, connection: sqlite3.Connection) -> None:
        now = int(self._clock())
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO thumbnails (key, used, image) VALUES (?, ?, ?)",
                [(digest, now, blob) for digest, blob in self._new.items()],
            )
            used = self._used - self._new.keys()
            connection.executemany("UPDATE thumbnails SET used = ? WHERE key = ?", [(now, digest) for digest in used])
        self._shrink(connection)

    def _nbytes(self, connection: sqlite3.Connection) -> int:
        pages = _number(connection, "PRAGMA page_count") - _number(connection, "PRAGMA freelist_count")
        return pages * _number(connection, "PRAGMA page_size")

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Throws away what was not used for longest, until the file has room again."""
        if self._read_only or self._nbytes(connection) <= self._limit:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            while self._nbytes(connection) > SPARED * self._limit:
                if connection.execute(_DELETE_OLDEST).rowcount <= 0:
                    break
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would give one page back and stop


def size_class(pixels: float) -> int:
    """The size of what is kept for a picture that is drawn with so many pixels along its longer side."""
    return next((size for size in SIZES if size >= pixels), SIZES[-1])


def encoded(pixels: NDArray[np.uint32], *, lossless: bool) -> bytes:
    """A picture as bytes: JPEG, or without loss where that is asked for or something is transparent."""
    opaque = bool((pixels & _ALPHA == _ALPHA).all())
    file = io.BytesIO()
    if opaque and not lossless:
        _as_image(pixels, "RGB").save(file, "JPEG", quality=QUALITY, subsampling=0)
    elif features.check("webp"):
        image = _as_image(pixels, "RGB" if opaque else "RGBA")
        # `exact` keeps the colours under what is transparent: premultiplied, they are black there
        image.save(file, "WEBP", lossless=True, method=0, quality=0, exact=True)
    else:
        _as_image(pixels, "RGB" if opaque else "RGBA").save(file, "PNG", compress_level=1)
    return file.getvalue()


def decoded(blob: object, size: int) -> NDArray[np.uint32] | None:
    """A picture from bytes, which may be anything; None where they hold none of at most this width and height."""
    if not isinstance(blob, bytes) or not 0 < len(blob) <= LARGEST_BLOB:
        return None
    try:
        with Image.open(io.BytesIO(blob), formats=_FORMS) as image:
            if max(image.size) > size or min(image.size) < 1 or image.mode not in ("RGB", "RGBA"):
                return None
            channels = np.asarray(image)
    except Exception:  # Pillow's decoders raise whatever they like
        log.info("A thumbnail cannot be decoded", exc_info=True)
        return None
    height, width = channels.shape[:2]
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., :3] = channels[..., 2::-1]
    pixels[..., 3] = channels[..., 3] if channels.shape[2] == 4 else 255
    # premultiplied: no colour is brighter than its alpha, whatever a stranger wrote there
    np.minimum(pixels[..., :3], pixels[..., 3:], out=pixels[..., :3])
    found: NDArray[np.uint32] = pixels.view("<u4")[..., 0]
    return found


def _as_image(pixels: NDArray[np.uint32], mode: str) -> Image.Image:
    """Red, green, blue and alpha as they are in memory: premultiplied."""
    channels = np.ascontiguousarray(pixels, "<u4").view(np.uint8).reshape(*pixels.shape, 4)
    order = [2, 1, 0] if mode == "RGB" else [2, 1, 0, 3]
    return Image.fromarray(np.ascontiguousarray(channels[..., order]))


def _fetched(connection: sqlite3.Connection, digest: bytes) -> bytes | None:
    """The bytes of a picture; those of a huge one stay on the disk."""
    row = connection.execute(
        "SELECT image FROM thumbnails WHERE key = ? AND length(image) <= ?", (digest, LARGEST_BLOB)
    ).fetchone()
    return row[0] if row is not None and isinstance(row[0], bytes) else None


def _opened(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """The file, made where it is not there. Raises sqlite3.Error: DatabaseError where it is not ours or damaged."""
    if read_only:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )
    else:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        tables = _number(connection, "SELECT count(*) FROM sqlite_master")
        ours = _number(connection, "PRAGMA application_id") == APPLICATION_ID
        version = _number(connection, "PRAGMA user_version")
        if tables and not (ours and version == SCHEMA and _is_whole(connection)):
            raise sqlite3.DatabaseError("it is not a file of thumbnails of this version")  # noqa: TRY301 - like SQLite's own
        if not read_only:
            _prepare(connection, path, empty=not tables)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_whole(connection: sqlite3.Connection) -> bool:
    found = {(kind, name) for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}
    return found == {("table", "thumbnails"), ("index", "by_use"), ("index", "sqlite_autoindex_thumbnails_1")}


def _prepare(connection: sqlite3.Connection, path: Path, *, empty: bool) -> None:
    """The schema; and no waiting for the disk: what a crash takes can be made again."""
    if empty:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA journal_mode = {'WAL' if on_local_disk(path) else 'DELETE'}").fetchone()
    connection.execute("PRAGMA synchronous = NORMAL")
    if empty:
        for statement in (
            "CREATE TABLE thumbnails (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, image BLOB)",
            "CREATE INDEX by_use ON thumbnails (used, id)",
            f"PRAGMA application_id = {APPLICATION_ID}",
            f"PRAGMA user_version = {SCHEMA}",
        ):
            connection.execute(statement)


def _put_aside(path: Path) -> None:
    """Renames what is no file of thumbnails; one such is kept, since somebody may miss it."""
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.broken"))
        for suffix in ("-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _number(connection: sqlite3.Connection, sql: str, parameters: Iterable[object] = ()) -> int:
    (found,) = connection.execute(sql, tuple(parameters)).fetchone()
    return int(found)

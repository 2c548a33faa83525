"""One archive: its kind, its members in order, and the bytes of a member. Archives are opened for every call anew.

Only one that is compressed as a whole stays open: to get at a member, the stream has to be unpacked from the last seek point
on, and the seek points (32 kB each) have to be in memory.
"""

import os
import stat
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, cast

from indexed_gzip import IndexedGzipFile

from rsviewer.core.tile import printable
from rsviewer.data.archives.members import (
    DEFLATED,
    ENCRYPTED,
    MAX_UNPACKED,
    STORED,
    DamagedArchiveError,
    Findings,
    Member,
    is_too_dense,
)
from rsviewer.data.archives.table import Entry
from rsviewer.data.archives.tars import walk_tar
from rsviewer.data.archives.zips import LOCAL_HEADER, LOCAL_SIGNATURE, walk_zip
from rsviewer.data.tree import Place

CHUNK: Final = 1 << 20

_BUFFER: Final = 1 << 13
"""Bytes that are read at once while walking: a header and perhaps the next, and not all members."""
_SPACING: Final = 4 << 20
_MOST_SPACING: Final = 32 << 20
"""indexed_gzip takes four times as much memory while it looks for seek points, and fails where that is 4 GB."""
_MOST_POINTS: Final = 2048
_MOST_STREAMS: Final = 4
_METHODS: Final = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    12: "BZIP2",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
}


class Kind(StrEnum):
    """What the first bytes of an archive say."""

    ZIP = "zip"
    TAR = "tar"
    TGZ = "tar.gz"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive as it was when it was looked at.

    Attributes:
        path: any name.
        size: bytes.
        changed: time of its last change in nanoseconds.
        kind: see there.
    """

    path: str
    size: int
    changed: int
    kind: Kind

    @property
    def name(self) -> str:
        """For sentences."""
        return printable(os.path.basename(self.path))  # noqa: PTH119 - a plain string, see data.tree

    @staticmethod
    def at(path: Path) -> "Archive":
        """Looks at the first bytes. Raises DamagedArchiveError where they are those of no archive; OSError."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DamagedArchiveError("is a folder or device, not a file")
        with path.open("rb") as file:
            head = file.read(512)
        if not head:
            raise DamagedArchiveError("is empty (0 bytes): download it again")
        if head.lstrip()[:1] == b"<":
            raise DamagedArchiveError("is a web page, perhaps an error message: download it again")
        if head.startswith(b"version https://git-lfs"):
            raise DamagedArchiveError("is a Git LFS pointer: run `git lfs pull` in its folder")
        if head.startswith(b"\x1f\x8b"):
            kind = Kind.TGZ
        elif head.startswith(b"PK") or (path.suffix.lower() == ".zip" and head[257:262] != b"ustar"):
            kind = Kind.ZIP
        else:
            kind = Kind.TAR
        return Archive(str(path), status.st_size, status.st_mtime_ns, kind)

    @contextmanager
    def opened(self) -> Iterator["Walk"]:
        """Its members in order. Raises OSError."""
        with open(self.path, "rb", buffering=CHUNK if self.kind is not Kind.TAR else _BUFFER) as file:  # noqa: PTH123
            if self.kind is Kind.TGZ:
                with IndexedGzipFile(fileobj=file, spacing=self.spacing, buffer_size=CHUNK) as stream:
                    yield Walk(self, file, cast("BinaryIO", stream))
            elif self.kind is Kind.ZIP:  # a second handle: the directory is read between the members
                with open(self.path, "rb") as stream:  # noqa: PTH123
                    yield Walk(self, file, stream)
            else:
                yield Walk(self, file, file)

    @property
    def spacing(self) -> int:
        """Bytes of the stream between seek points, so that most archives have less than 64 MB of them."""
        return min(_MOST_SPACING, max(_SPACING, 4 * self.size // _MOST_POINTS))

    def member(self, entry: Entry, name: str) -> Member:
        """The member called `name` that a table holds. Raises OSError where its bytes should not be touched."""
        self.check(name, entry)
        return Member(name, entry.offset, entry.stored, entry.size, entry.method, entry.crc)

    def check(self, name: str, entry: Entry | Member, limit: int = MAX_UNPACKED) -> None:
        """Raises OSError, with a sentence, for members that cannot or should not be unpacked."""
        if entry.method == ENCRYPTED:
            raise self.fault("is encrypted: unpack the archive with its password and open the folder instead", name)
        if entry.method not in (STORED, DEFLATED):
            method = _METHODS.get(entry.method, f"number {entry.method}")
            raise self.fault(
                f"is compressed in a way ({method}) that is not supported: unpack the archive, such as with 7-Zip", name
            )
        if is_too_dense(entry.stored, entry.size):
            raise self.fault("would unpack to more than 1000 times its size and is taken for damaged or hostile", name)
        if entry.size > limit and (entry.method == DEFLATED or self.kind is Kind.TGZ):
            raise self.fault(
                f"takes {entry.size / 1e9:.1f} GB when unpacked, too much to be held in memory: unpack the archive first",
                name,
            )
        if self.kind is Kind.ZIP and entry.method == STORED and entry.stored != entry.size:
            raise self.fault("is damaged: the archive does not know its size", name)

    def unchanged(self) -> None:
        """Raises OSError where the archive is not the one that was looked at."""
        try:
            status = os.stat(self.path)  # noqa: PTH116
        except OSError as error:
            raise self.fault(f"is not there any more ({error.strerror})") from error
        if (status.st_size, status.st_mtime_ns) != (self.size, self.changed):
            raise self.fault("has changed since it was opened: open the dataset again")

    def fault(self, what: str, member: str = "") -> OSError:
        """An error in the words of `data.tree`."""
        return OSError(
            None, f"{printable(member)} in {self.name} {what}" if member else f"{self.name} {what}", self.path
        )

    def data_offset(self, file: BinaryIO, member: Member) -> int:
        """Where the bytes of a member begin: in a zip behind a header of its own, whose length only it knows."""
        if self.kind is not Kind.ZIP:
            return member.offset
        file.seek(member.offset)
        header = file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_SIGNATURE):
            raise self.fault("is not where the archive says: the archive is damaged or cut short", member.path)
        *_, name, extra = LOCAL_HEADER.unpack(header)
        return member.offset + LOCAL_HEADER.size + int(name) + int(extra)


class Walk:
    """An archive that is open."""

    def __init__(self, archive: Archive, file: BinaryIO, stream: BinaryIO) -> None:
        self._archive = archive
        self._file = file
        self._stream = stream
        self.found = Findings()

    def members(self) -> Iterator[Member]:
        """Every member in order. Raises DamagedArchiveError where there is none; other faults are `found`."""
        try:
            if self._archive.kind is Kind.ZIP:
                yield from walk_zip(self._file, self.found)
            else:
                packed = self._archive.size if self._archive.kind is Kind.TGZ else None
                yield from walk_tar(self._stream, packed, self.found)
        except OSError as error:
            self.found.damaged = f"cannot be read to its end ({error.strerror or 'damaged'})"

    @property
    def position(self) -> int:
        """Bytes of the archive that were read, roughly."""
        return self._file.tell()

    def save_seek_points(self, path: Path) -> None:
        """Writes the seek points that were found on the way."""
        with path.open("wb") as file:
            cast("IndexedGzipFile", self._stream).export_index(fileobj=file)

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a member, unpacked and checked. Moves the position. Raises OSError with a sentence."""
        archive = self._archive
        self._stream.seek(archive.data_offset(self._stream, member))
        if member.method == DEFLATED:
            yield from inflated(archive, self._stream, member)
            return
        left = member.size
        while left:
            chunk = self._stream.read(min(left, CHUNK))
            if not chunk:
                raise archive.fault("is cut short: download the archive again", member.path)
            left -= len(chunk)
            yield chunk


class Streams:
    """Archives that are compressed as a whole, open at their seek points: a few at a time. Safe from any thread."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Stream] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def read(self, archive: Archive, index: Path, offset: int, size: int) -> bytes:
        """A part of the unpacked stream; less where it is cut short. Raises OSError."""
        while True:
            with self._one_at_a_time:
                stream = self._open.get(archive.path)
                if stream is None:
                    stream = self._open[archive.path] = _Stream(archive, index)
                self._open.move_to_end(archive.path)
                surplus = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - _MOST_STREAMS)]
            for each in surplus:
                each.close()
            with suppress(_Closed):
                return stream.read(offset, size)

    def close(self) -> None:
        """Closes all."""
        with self._one_at_a_time:
            streams, self._open = list(self._open.values()), OrderedDict()
        for each in streams:
            each.close()


class _Closed(Exception):  # noqa: N818 - no fault: another archive was wanted more
    pass


class _Stream:
    def __init__(self, archive: Archive, index: Path) -> None:
        self._file = open(archive.path, "rb")  # noqa: PTH123, SIM115 - see close
        try:
            self._stream = IndexedGzipFile(fileobj=self._file, spacing=archive.spacing, buffer_size=CHUNK)
            if index.is_file():
                with index.open("rb") as points, suppress(OSError):  # without them, it is slower
                    self._stream.import_index(fileobj=points)
        except BaseException:
            self._file.close()
            raise
        self._one_at_a_time = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        with self._one_at_a_time:
            if self._file.closed:
                raise _Closed
            self._stream.seek(offset)
            return cast("bytes", self._stream.read(size))

    def close(self) -> None:
        with self._one_at_a_time:
            self._stream.close()
            self._file.close()


def place_of(archive: Archive, member: Member, streams: Streams, index: Path) -> Place:
    """Where the bytes of a member are: in the archive as they are, or unpacked. Raises OSError with a sentence."""
    if archive.kind is Kind.TAR:
        return Place(archive.path, member.offset, member.size)
    if archive.kind is Kind.TGZ:
        content = streams.read(archive, index, member.offset, member.size)
        if len(content) < member.size:
            raise archive.fault("is cut short: download the archive again", member.path)
        return Place(archive.path, content=content)
    with open(archive.path, "rb", buffering=0) as raw:  # noqa: PTH123
        file = cast("BinaryIO", raw)
        offset = archive.data_offset(file, member)
        if member.method == STORED:
            return Place(archive.path, offset, member.size)
        file.seek(offset)
        return Place(archive.path, content=b"".join(inflated(archive, file, member)))


def first_bytes(archive: Archive, member: Member, streams: Streams, index: Path, most: int) -> bytes:
    """At most `most` bytes of a member. Raises OSError with a sentence."""
    if archive.kind is Kind.TGZ:
        return streams.read(archive, index, member.offset, min(most, member.size))
    with open(archive.path, "rb", buffering=0) as raw:  # noqa: PTH123
        file = cast("BinaryIO", raw)
        file.seek(archive.data_offset(file, member))
        if member.method == STORED:
            return file.read(min(most, member.size))
        content = bytearray()
        for chunk in inflated(archive, file, member):
            content += chunk
            if len(content) >= most:
                break
        return bytes(content[:most])


def inflated(archive: Archive, file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The unpacked bytes of a deflated member, from where the file is. Checked: neither more nor less than was told."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    packed, left, crc = member.stored, member.size, 0
    pending = b""
    try:
        while not inflate.eof:
            if not pending:
                pending = file.read(min(packed, CHUNK))
                packed -= len(pending)
            is_fed = bool(pending)
            chunk = inflate.decompress(pending, min(left, 4 * CHUNK) + 1)
            pending = inflate.unconsumed_tail
            if not (is_fed or chunk or inflate.eof):
                raise archive.fault("is cut short: download the archive again", member.path)
            left -= len(chunk)
            crc = zlib.crc32(chunk, crc)
            if left < 0:
                raise archive.fault("unpacks to more than the archive says: it is damaged or hostile", member.path)
            if chunk:
                yield chunk
    except zlib.error as error:
        raise archive.fault("is damaged: download the archive again", member.path) from error
    if left or crc != member.crc:
        raise archive.fault("is damaged: its checksum is wrong. Download the archive again", member.path)

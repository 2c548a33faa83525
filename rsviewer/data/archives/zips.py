"""Walks through the directory of a zip, which stands at its end. No member's bytes are read.

`zipfile` would keep an object of 700 bytes for every member, so a million of them would not fit beside the image cache, and
fails on the first name that is not what it says. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import stat
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from rsviewer.data.archives.members import (
    ENCRYPTED,
    MAX_BYTES,
    MAX_ENTRIES,
    DamagedArchiveError,
    Findings,
    Member,
    decoded,
)

LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
LOCAL_SIGNATURE: Final = b"PK\3\4"

_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_MAX_COMMENT: Final = 1 << 16
_UTF8: Final = 0x800
_UNIX: Final = 3
_HUGE: Final = 0xFFFFFFFF
_LITTER: Final = "__MACOSX/"
"""Where macOS puts what its file system knows beyond the bytes of a file."""


def walk_zip(file: BinaryIO, found: Findings) -> Iterator[Member]:
    """Every member, in the order of the directory. The caller may not move the file's position.

    Raises:
        DamagedArchiveError: there is no directory.
        OSError: from the file.
    """
    start, length, shift = _directory(file)
    file.seek(start)
    entries = 0
    while length >= _ENTRY.size:
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\1\2":
            found.damaged = "is damaged in its directory"
            return
        (
            _,
            _,
            system,
            _,
            _,
            flags,
            method,
            _,
            _,
            crc,
            stored,
            size,
            name_size,
            extra_size,
            comment_size,
            _,
            _,
            mode,
            offset,
        ) = _ENTRY.unpack(head)
        tail = file.read(name_size + extra_size + comment_size)
        length -= _ENTRY.size + len(tail)
        if len(tail) < name_size + extra_size + comment_size or length < 0:
            found.damaged = "is damaged in its directory"
            return
        entries += 1
        if entries > MAX_ENTRIES:
            found.damaged = f"holds more than {MAX_ENTRIES:,} entries"
            return
        raw = tail[:name_size]
        name = decoded(raw) if flags & _UTF8 else raw.decode("cp437")
        if _HUGE in (size, stored, offset):
            size, stored, offset = _large(tail[name_size : name_size + extra_size], size, stored, offset)
            if max(size, stored, offset) > MAX_BYTES:
                found.damaged = "is damaged in its directory"
                return
        if name.startswith(_LITTER):
            continue
        if name.endswith("/"):
            path = found.take(name)
            if path:
                yield Member(path)
            continue
        if system == _UNIX and stat.S_IFMT(mode >> 16) not in (0, stat.S_IFREG):
            found.links += 1
            continue
        path = found.take(name)
        if path:
            found.stored += stored
            if found.stored > start:  # a few kilobytes may be the content of every file: terabytes, when unpacked
                found.damaged = "is damaged or hostile: its files overlap"
                return
            if flags & 1:
                found.encrypted += 1
                method = ENCRYPTED
            yield Member(path, offset + shift, stored, size, method, crc)
        elif path == "":
            found.astray += 1


def _directory(file: BinaryIO) -> tuple[int, int, int]:
    """(offset of the directory, its bytes, what has to be added to all offsets in it)."""
    end = file.seek(0, 2)
    tail_at = max(0, end - _END.size - _MAX_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise DamagedArchiveError("has no directory at its end: it is cut short")
    _, disk, first_disk, _, _, length, offset, _ = _END.unpack_from(tail, at)
    position = tail_at + at
    is_split = disk or first_disk
    file.seek(max(0, position - _LOCATOR.size))
    locator = file.read(_LOCATOR.size)
    if len(locator) == _LOCATOR.size and locator[:4] == b"PK\6\7":
        _, disk, position64, disks = _LOCATOR.unpack(locator)
        is_split = disk or disks > 1
        # What stands before the archive (a program that unpacks it) shifts everything; then the record is where it is expected.
        for guess in (position64, position - _LOCATOR.size - _END64.size):
            file.seek(min(max(0, guess), end))
            record = file.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\6\6":
                *_, length, offset = _END64.unpack(record)
                position = guess
                break
        else:
            raise DamagedArchiveError("is damaged at its end")
    if is_split:
        raise DamagedArchiveError(
            "is one part of several: join them first, such as with `zip -s 0 parts.zip --out whole.zip`"
        )
    start = position - length
    if start < 0 or offset > start:
        raise DamagedArchiveError("is damaged: its directory is not where it should be")
    return start, length, start - offset


def _large(extra: bytes, size: int, stored: int, offset: int) -> tuple[int, int, int]:
    """Numbers that take more than 32 bits stand in an extra field, in this order, and only those."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            field = extra[4 : 4 + length]
            numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            size, stored, offset = (
                next(numbers, value) if value == _HUGE else value for value in (size, stored, offset)
            )
            break
        extra = extra[4 + length :]
    return size, stored, offset

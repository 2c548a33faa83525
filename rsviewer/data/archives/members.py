"""What an archive says it holds: one `Member` after the other, and `Findings` about all that is not shown of it.

An archive is written by strangers. A member whose path leads anywhere but below the archive's own folder is left out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rsviewer.core.tile import printable

FOLDER: Final = -1
STORED: Final = 0
DEFLATED: Final = 8
ENCRYPTED: Final = -2

MAX_ENTRIES: Final = 50_000_000
"""Entries of one archive that are looked at."""
MAX_RATIO: Final = 1000
"""How many times larger than packed a member may become. Deflate itself ends at 1032, with nothing but zeros."""
UNSUSPICIOUS: Final = 64 << 20
"""Bytes up to which any ratio is believed."""
MAX_UNPACKED: Final = 2 << 30
"""Bytes of a member that are unpacked in memory."""
MAX_BYTES: Final = 1 << 50
"""Offsets and sizes beyond a petabyte are no offsets and sizes."""

SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz")

_NESTED: Final = (*SUFFIXES, ".7z", ".rar", ".tar.bz2", ".tar.xz", ".gz", ".bz2", ".xz")
_MAX_PATH: Final = 4096
_MAX_DEPTH: Final = 64
_MAX_NAME: Final = 255
_ASTRAY = re.compile(r"[\\\x00]|^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)")
_UNTIDY = re.compile(r"//|^\./|/\./|/\.$|^\.$|/$")

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) from time to time, on the calling thread."""
Stop = Callable[[], bool]


class Member(NamedTuple):
    """A file or folder in an archive.

    Attributes:
        path: relative, tidy, "/" between parts; bytes that are no UTF-8 as surrogates.
        offset: of its first byte, in the unpacked stream if the archive is compressed as a whole; of its local header in a
            zip.
        stored: bytes in the archive.
        size: bytes when unpacked.
        method: FOLDER, STORED, ENCRYPTED, or a zip's number of a method of compression.
        crc: of its bytes; 0 where the archive knows none.
    """

    path: str
    offset: int = 0
    stored: int = 0
    size: int = 0
    method: int = FOLDER
    crc: int = 0


class DamagedArchiveError(Exception):
    """Nothing of an archive can be shown. The message is a sentence for the user, without its archive and its full stop."""


@dataclass
class Findings:
    """What was noticed while an archive was walked through, apart from its members.

    Attributes:
        astray: members whose path leads out of the folder, or is none; `stray` is the first of them.
        links: links and devices.
        sparse: files with holes, in a way of storing that only tar knows.
        encrypted: files that need a password.
        nested: archives within; `inner` are the first of them.
        repeated: further members of the same name.
        damaged: why the rest cannot be walked through, as a clause; empty where it can.
        stored: bytes that all members claim together.
    """

    astray: int = 0
    stray: str = ""
    links: int = 0
    sparse: int = 0
    encrypted: int = 0
    nested: int = 0
    inner: list[str] = field(default_factory=list)
    repeated: int = 0
    damaged: str = ""
    stored: int = 0

    def take(self, name: str) -> str | None:
        """The tidy path of a member called `name`; None, and counted, where it may not be used."""
        path = tidy(name)
        if path is None:
            self.astray += 1
            self.stray = self.stray or name
        elif path.lower().endswith(_NESTED):
            self.nested += 1
            if len(self.inner) < 3:
                self.inner.append(path)
        return path

    def sentences(self, archive: str) -> tuple[str, ...]:
        """All of it for the user."""
        told: list[str] = []
        if self.damaged:
            told.append(f"{archive} {self.damaged}. What comes before is shown; download or copy it again.")
        if self.astray:
            told.append(
                f"{archive}: {_counted(self.astray, 'path')} would lead out of the folder or cannot be used "
                f"({printable(self.stray[:80])}): left out."
            )
        if self.links:
            told.append(f"{archive}: {_counted(self.links, 'link or device', 'links and devices')} left out.")
        if self.sparse:
            told.append(
                f"{archive}: {_counted(self.sparse, 'file')} with holes (sparse) left out: unpack it with tar to see them."
            )
        if self.encrypted:
            told.append(
                f"{archive}: {_counted(self.encrypted, 'file')} encrypted. "
                "Unpack it with its password and open the folder instead."
            )
        if self.nested:
            names = ", ".join(map(printable, self.inner)) + (", …" if self.nested > len(self.inner) else "")
            told.append(
                f"{archive} holds {_counted(self.nested, 'archive')} ({names}) that stay packed: "
                "unpack it to see what is in them."
            )
        if self.repeated:
            told.append(
                f"{archive}: {_counted(self.repeated, 'name')} there more than once: the first of each is shown."
            )
        return tuple(told)


def tidy(name: str) -> str | None:
    """A path below the archive's own folder; None for names that lead out of it, or are none, or absurdly long or deep."""
    if not name or len(name) > _MAX_PATH or _ASTRAY.search(name):
        return None
    if _UNTIDY.search(name):
        name = "/".join(part for part in name.split("/") if part not in ("", "."))
    if name.count("/") >= _MAX_DEPTH or any(len(part) > _MAX_NAME for part in name.split("/")):
        return None
    try:
        encoded(name)
    except UnicodeEncodeError:
        return None
    return name


def encoded(name: str) -> bytes:
    """A path as the bytes it had. Raises UnicodeEncodeError for what never was bytes."""
    return name.encode("utf-8", "surrogateescape")


def decoded(name: bytes) -> str:
    """The opposite, as `os.fsdecode` where names are UTF-8."""
    return name.decode("utf-8", "surrogateescape")


def is_too_dense(stored: int, size: int) -> bool:
    """True for sizes that only a bomb has."""
    return size > UNSUSPICIOUS and size > MAX_RATIO * max(1, stored)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"

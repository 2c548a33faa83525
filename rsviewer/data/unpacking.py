"""Unpacks archives into a folder of the user's choice: safely, to be continued after any interruption, never over a file.

A file gets its name when it is complete, so what has a name and the right size need not be written again.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.archives.contents import Archive, Kind, Walk
from rsviewer.data.archives.members import FOLDER, DamagedArchiveError, Member, Progress, Stop
from rsviewer.data.filenames import RESERVED

MARKER: Final = ".rsviewer-unpacking"
"""A file in the folder for as long as not everything is there."""

_PARTIAL: Final = ".rsviewer-unpacking.partial"
_NO_LIMIT: Final = 1 << 62
_MOST_SENTENCES: Final = 20
_TOLD_EVERY: Final = 8 << 20
_UNWRITABLE: Final = '<>:"|?*'


class UnpackingError(RsviewerError):
    """Archives cannot be unpacked there."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came of it.

    Attributes:
        files: that are there now.
        written: of these, those that were not there before.
        is_complete: False where it was stopped: the same call goes on.
        problems: what is not there, and why, one sentence each.
    """

    files: int
    written: int
    is_complete: bool
    problems: tuple[str, ...] = ()


def unpack(
    archives: Sequence[Path],
    out: Path,
    progress: Progress = lambda _done, _all: None,
    stop: Stop = lambda: False,
) -> Unpacked:
    """Writes all files of all archives below `out`, as `Packed` shows them.

    Args:
        archives: in the order of precedence.
        out: a new or empty folder, or one in which this was interrupted.
        progress: (bytes of archives unpacked, of all).
        stop: asked for every file, and every megabyte of it.

    Raises:
        UnpackingError: there is something else in `out`, it cannot be written to, or the disk is full. What was written
            stays, and the same call goes on.
    """
    gone = next((path for path in archives if not path.is_file()), None)
    if gone is not None:
        raise UnpackingError(f"There is no archive {printable(str(gone))}.")
    try:
        is_new = _prepare(out)
        total = sum(path.stat().st_size for path in archives)
        if is_new:
            _check_room(out, total)
        return _Unpacking(out, total, progress, stop).run(archives)
    except OSError as error:
        raise UnpackingError(
            f"Unpacking to {printable(str(out))} ended: {error.strerror or error}. Make room or give permission there and "
            "unpack again into the same folder: it goes on where it ended."
        ) from error


class _FaultOfMember(Exception):  # noqa: N818 - a sentence on its way up
    """One file cannot be had. The message is a sentence."""


class _Stopped(Exception):  # noqa: N818 - not an error
    pass


class _Unpacking:
    """One run."""

    def __init__(self, out: Path, total: int, progress: Progress, stop: Stop) -> None:
        self._out = os.path.abspath(out)  # noqa: PTH100
        self._total = total
        self._progress = progress
        self._stop = stop
        self._base = self._told = 0
        self._files = self._written = self._others = 0
        self._problems: list[str] = []
        self._folders: set[str] = set()

    def run(self, archives: Iterable[Path]) -> Unpacked:
        try:
            for path in archives:
                self._archive(path)
                self._base += path.stat().st_size
                self._progress(self._base, self._total)
        except _Stopped:
            return Unpacked(self._files, self._written, False, tuple(self._problems))
        finally:
            with suppress(OSError):
                os.unlink(f"{self._out}{os.sep}{_PARTIAL}")  # noqa: PTH108
        if self._others:
            self._problems.append(f"{self._others:,} more files could not be unpacked.")
        Path(self._out, MARKER).unlink(missing_ok=True)
        return Unpacked(self._files, self._written, True, tuple(self._problems))

    def _archive(self, path: Path) -> None:
        try:
            archive = Archive.at(path)
            with archive.opened() as walk:
                for member in walk.members():
                    if self._stop():
                        raise _Stopped
                    try:
                        self._member(archive, walk, member)
                    except _FaultOfMember as fault:
                        self._note(str(fault))
                found = walk.found
        except DamagedArchiveError as error:
            self._problems.append(f"{printable(path.name)} {error}.")
        else:
            self._problems.extend(found.sentences(archive.name))

    def _member(self, archive: Archive, walk: Walk, member: Member) -> None:
        if not _is_writable(member.path):
            raise _FaultOfMember(f"{printable(member.path)} in {archive.name} cannot be a name here: left out.")
        target = f"{self._out}{os.sep}{member.path.replace('/', os.sep)}"
        if member.method == FOLDER:
            self._make(target, member)
            return
        self._make(target.rpartition(os.sep)[0], member)
        with suppress(FileNotFoundError):
            status = os.lstat(target)
            if not os.path.isfile(target) or status.st_size != member.size:  # noqa: PTH113
                raise _FaultOfMember(f"{printable(member.path)} of {archive.name} is there already, another one: kept.")
            self._files += 1
            self._tell(archive, walk, member)
            return
        try:
            archive.check(member.path, member, _NO_LIMIT)
        except OSError as error:
            raise _FaultOfMember(f"{error.strerror}.") from error
        partial = f"{self._out}{os.sep}{_PARTIAL}"
        with open(partial, "wb") as file:  # noqa: PTH123
            for chunk in self._chunks(walk, member):
                if self._stop():
                    raise _Stopped
                file.write(chunk)
                self._tell(archive, walk, member)
        os.rename(partial, target)  # noqa: PTH104 - in the same folder tree, and nothing is there
        self._files += 1
        self._written += 1
        self._tell(archive, walk, member)

    def _chunks(self, walk: Walk, member: Member) -> Iterator[bytes]:
        """The bytes of a member. What is wrong with them is a fault of the member, not of the disk they are written to."""
        chunks = walk.chunks(member)
        while True:
            try:
                chunk = next(chunks, b"")
            except OSError as error:
                raise _FaultOfMember(f"{error.strerror or 'The archive is damaged'}.") from error
            if not chunk:
                return
            yield chunk

    def _make(self, folder: str, member: Member) -> None:
        """Makes a folder, and those above it. Never through a link, and never where there is a file."""
        if folder in self._folders or folder == self._out:
            return
        self._make(folder.rpartition(os.sep)[0], member)
        try:
            os.mkdir(folder)  # noqa: PTH102
        except FileExistsError:
            if os.path.islink(folder) or not os.path.isdir(folder):  # noqa: PTH112, PTH114
                raise _FaultOfMember(
                    f"{printable(member.path)} cannot be unpacked: there is a file or link where its folder should be."
                ) from None
        self._folders.add(folder)

    def _tell(self, archive: Archive, walk: Walk, member: Member) -> None:
        position = walk.position if archive.kind is Kind.TGZ else min(archive.size, member.offset + member.stored)
        done = self._base + position
        if done - self._told >= _TOLD_EVERY or done < self._told:
            self._told = done
            self._progress(min(done, self._total), self._total)

    def _note(self, sentence: str) -> None:
        if len(self._problems) < _MOST_SENTENCES:
            self._problems.append(sentence)
        else:
            self._others += 1


def _prepare(out: Path) -> bool:
    """Makes `out`, or sees that it may be used. True where nothing is in it yet."""
    if out.exists() and not out.is_dir():
        raise UnpackingError(f"{printable(str(out))} is a file: choose a new or empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    with os.scandir(out) as entries:
        names = {entry.name for entry, _ in zip(entries, range(1000), strict=False)}
    marker = out / MARKER
    if marker.exists():
        return False
    if names:
        raise UnpackingError(f"{printable(str(out))} is not empty: choose a new or empty folder.")
    marker.write_text("rsviewer unpacks archives here. This file goes away when all is there.\n", encoding="utf-8")
    return True


def _check_room(out: Path, needed: int) -> None:
    """Refuses before an hour is lost: unpacked, files are seldom smaller than packed."""
    free = shutil.disk_usage(out).free
    if free < needed:
        (out / MARKER).unlink(missing_ok=True)
        raise UnpackingError(
            f"There are {free / 1e9:.1f} GB free at {printable(str(out))}, and the archives alone are {needed / 1e9:.1f} GB: "
            "choose another disk or make room."
        )


def _is_writable(path: str, windows: bool = os.name == "nt") -> bool:
    """False for names that would be something else on this system, or our own."""
    if path.startswith(MARKER):
        return False
    if not windows:
        return True
    parts = path.split("/")
    return not any(
        RESERVED.fullmatch(part) or part[-1:] in (".", " ") or any(each in _UNWRITABLE or each < " " for each in part)
        for part in parts
    )

"""A folder whose archives are read unopened, as if each had been unpacked in it; or one archive, as if it were a folder."""

import errno
import hashlib
import heapq
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Final

from rsviewer.core.errors import DatasetNotFoundError, ProjectError
from rsviewer.core.tile import printable
from rsviewer.data.archives.contents import Archive, Kind, Streams, first_bytes, place_of
from rsviewer.data.archives.members import FOLDER, SUFFIXES, DamagedArchiveError, Member, Progress, Stop, encoded
from rsviewer.data.archives.table import ROOT, VERSION, Entry, Table, TableWriter, forget_others, open_table
from rsviewer.data.catalogue import natural
from rsviewer.data.looking import MOST_NAMES
from rsviewer.data.tree import DISK, Name, Place

log = logging.getLogger(__name__)

_TOLD_EVERY: Final = 100
"""Members between two reports of progress."""
_FOLDERS_REMEMBERED: Final = 50_000
_NAMED: Final = 3
"""Archives that a sentence names before it counts the rest."""


def is_archive(path: str | Path) -> bool:
    """True for a name that ends like those of archives that can be read unopened."""
    return os.fspath(path).lower().endswith(SUFFIXES)


def stem_of(name: str) -> str:
    """A name without what marks it as an archive; others stay."""
    longest = sorted(SUFFIXES, key=len, reverse=True)
    return next((name[: -len(suffix)] for suffix in longest if name.lower().endswith(suffix)), name)


def archives_in(folder: Path) -> list[Path]:
    """The archives that lie directly in a folder, in natural order. Never raises.

    Only its first names are looked at: a folder of a million tiles is no folder of archives.
    """
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in islice(entries, MOST_NAMES) if is_archive(each.name) and each.name[0] != "."]
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=natural) if (folder / name).is_file()]


def packed(
    root: Path,
    archives: Sequence[Path],
    tables: Path | None = None,
    progress: Progress = lambda _done, _all: None,
    stop: Stop = lambda: False,
) -> "Packed | None":
    """Opens archives as if each had been unpacked at `root`. Walks through those it does not know yet.

    Args:
        root: the folder they are to be seen in, or the one archive, whose members then have paths below its own.
        archives: in the order of precedence.
        tables: the folder in which what they hold is written down, so that next time takes no time; made if need be. None:
            nothing is kept.
        progress: (bytes of archives looked at, of all).
        stop: asked often; True ends it.

    Returns:
        None where it was stopped. Archives of which nothing can be read are `problems`.

    Raises:
        DatasetNotFoundError: nothing can be read of `root`, which is an archive.
        ProjectError: `tables` cannot be written.
    """
    folder, is_ours = _folder_for(tables)
    scratch = folder if is_ours else None
    opened: list[_Opened] = []
    problems: list[str] = []
    with ExitStack() as undo:
        undo.callback(_close, opened, scratch)
        try:
            if not _open_all(archives, folder, opened, problems, progress, stop):
                return None
            if not opened and root in archives:
                raise DatasetNotFoundError(" ".join(problems))
            known_together = folder / f"{_key(*(each.archive for each in opened))}.json"
            forget_others(folder, [known_together.stem, *(_key(each.archive) for each in opened)])
            if len(opened) > 1:
                problems.extend(_twice(opened, known_together))
        except (sqlite3.Error, OSError) as error:
            where = printable(str(folder))
            raise ProjectError(
                f"What the archives hold cannot be written to {where} ({error}): make room there."
            ) from error
        undo.pop_all()
    return Packed(root, opened, tuple(problems), scratch)


class Packed:
    """A `Tree`. Real files win over members, and of two members with the same path that of the first archive.

    Attributes:
        root: what its members lie below.
        archives: those that can be read.
        slow: of these, those that are compressed as a whole: to get at a file, others have to be unpacked, too.
        faults: what is wrong with them, one sentence each.
    """

    def __init__(self, root: Path, opened: Sequence["_Opened"], faults: tuple[str, ...], scratch: Path | None) -> None:
        """See `packed`. `scratch`: a folder that goes away with this."""
        self.root = root
        self.archives = tuple(Path(each.archive.path) for each in opened)
        self.slow = tuple(Path(each.archive.path) for each in opened if each.archive.kind is Kind.TGZ)
        self.faults = faults
        self._opened = tuple(opened)
        self._below = os.path.abspath(root)  # noqa: PTH100
        self._streams = Streams()
        self._folders: dict[str, tuple[tuple[int, int], ...]] = {}
        self._end = weakref.finalize(self, _close, list(opened), scratch, self._streams)

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it is the same, as long as this one lives."""
        known = [(each.archive, each.table.path, each.index) for each in self._opened]
        return _again, (self.root, known, self.faults)

    @property
    def tables(self) -> tuple[Path, ...]:
        """The files in which it is written down what they hold."""
        return tuple(each.table.path for each in self._opened)

    @property
    def problems(self) -> tuple[str, ...]:
        """What to tell the user of the archives: that some are slow, and the faults."""
        return (*_slowness([printable(path.name) for path in self.slow]), *self.faults)

    def close(self) -> None:
        """Lets go of all files. Nothing may be asked any more."""
        self._end()

    def names(self, folder: str) -> list[str]:
        """See `Tree.names`."""
        with self.scan(folder) as entries:
            return [entry.name for entry in entries]

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        """See `Tree.scan`. What lies on the disk comes first."""
        inside = self._numbers(self._inner(folder))
        if not inside:
            with self._scan_disk(folder) as entries:
                yield entries
            return
        real: list[os.DirEntry[str]] = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            real = list(entries)
        yield self._both(real, inside)

    def _scan_disk(self, folder: str) -> AbstractContextManager[Iterator["os.DirEntry[str]"]]:
        """A folder that no archive has. Raises what a disk would if the archives were unpacked there."""
        try:
            return os.scandir(folder)
        except (NotADirectoryError, FileNotFoundError):
            number = errno.ENOTDIR if self.is_file(folder) else errno.ENOENT
            raise OSError(number, os.strerror(number), folder) from None

    def is_file(self, path: str) -> bool:
        """See `Tree.is_file`."""
        if os.path.lexists(path):
            return DISK.is_file(path) and path != self._below
        with suppress(OSError):
            return self._find(path) is not None
        return False

    def is_folder(self, path: str) -> bool:
        """See `Tree.is_folder`."""
        if DISK.is_folder(path):
            return True
        with suppress(OSError):
            return bool(self._numbers(self._inner(path)))
        return False

    def read(self, path: str, most: int) -> bytes:
        """See `Tree.read`."""
        if os.path.lexists(path):
            return DISK.read(path, most)
        opened, member = self._member(path)
        return first_bytes(opened.archive, member, self._streams, opened.index, most)

    def place(self, path: str) -> Place:
        """See `Tree.place`. What is compressed is unpacked."""
        if os.path.lexists(path):
            return Place(path)
        opened, member = self._member(path)
        return place_of(opened.archive, member, self._streams, opened.index)

    def stamp(self, path: str) -> tuple[int, int]:
        """See `Tree.stamp`."""
        if os.path.lexists(path):
            return DISK.stamp(path)
        found = self._find(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        opened, entry = found
        return opened.archive.changed, entry.size

    def _inner(self, path: str) -> str | None:
        """A path as archives have it; None for what does not lie below the root."""
        if path == self._below:
            return ""
        length = len(self._below)
        if not path.startswith(self._below) or path[length : length + 1] not in (os.sep, "/"):
            return None
        inner = path[length + 1 :]
        return inner if os.sep == "/" else inner.replace(os.sep, "/")

    def _numbers(self, folder: str | None) -> tuple[tuple[int, int], ...]:
        """(place of the archive, number of the folder in it) of all archives that have a folder."""
        if folder is None:
            return ()
        if not folder:
            return tuple((place, ROOT) for place in range(len(self._opened)))
        known = self._folders.get(folder)
        if known is not None:
            return known
        above, _, name = folder.rpartition("/")
        found: list[tuple[int, int]] = []
        for place, number in self._numbers(above) if name else ():
            entry = self._opened[place].table.entry(number, name)
            if entry is not None and entry.method == FOLDER:
                found.append((place, entry.offset))
        if len(self._folders) >= _FOLDERS_REMEMBERED:
            self._folders.clear()
        self._folders[folder] = tuple(found)
        return self._folders[folder]

    def _find(self, path: str) -> "tuple[_Opened, Entry] | None":
        """The file at a path, of the first archive that has one; None where there is a folder, or nothing."""
        inner = self._inner(path)
        above, _, name = (inner or "").rpartition("/")
        first: tuple[_Opened, Entry] | None = None
        for place, number in self._numbers(above) if name else ():
            opened = self._opened[place]
            entry = opened.table.entry(number, name)
            if entry is not None and entry.method == FOLDER:
                return None
            if entry is not None and first is None:
                first = opened, entry
        return first

    def _member(self, path: str) -> "tuple[_Opened, Member]":
        found = self._find(path)
        if found is None:
            if self.is_folder(path):
                raise OSError(None, "a folder or device, not a file", path)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        opened, entry = found
        opened.archive.unchanged()
        return opened, opened.archive.member(entry, path.rpartition(os.sep)[2])

    def _both(self, real: Sequence["os.DirEntry[str]"], inside: Sequence[tuple[int, int]]) -> Iterator[Name]:
        yield from real
        hidden = {entry.name for entry in real}
        for name, is_folder in _merged([self._opened[place].table.names(number) for place, number in inside]):
            if name not in hidden:
                yield _InArchive(name, is_folder)


@dataclass(frozen=True, slots=True)
class _Opened:
    archive: Archive
    table: Table
    index: Path


class _InArchive:
    """A `Name`."""

    __slots__ = ("_is_folder", "name")

    def __init__(self, name: str, is_folder: bool) -> None:
        self.name = name
        self._is_folder = is_folder

    def is_dir(self) -> bool:
        return self._is_folder


def _merged(listings: Sequence[Iterator[tuple[str, bool]]]) -> Iterator[tuple[str, bool]]:
    """Names of several archives, each once: a folder where it is one in any."""
    if len(listings) == 1:
        yield from listings[0]
        return
    for name, same in groupby(heapq.merge(*listings, key=_by_bytes), key=itemgetter(0)):
        yield name, any(is_folder for _, is_folder in same)


def _by_bytes(entry: tuple[str, *tuple[object, ...]]) -> bytes:
    return encoded(entry[0])


def _open_all(
    archives: Sequence[Path], folder: Path, opened: list[_Opened], problems: list[str], progress: Progress, stop: Stop
) -> bool:
    """Opens what can be opened. False where it was stopped."""
    total = sum(map(_size, archives))
    done = 0
    for path in archives:
        before = done

        def so_far(position: int, before: int = before) -> None:
            progress(min(total, before + position), total)

        archive = _looked_at(path, problems)
        if archive is not None:
            try:
                table = _table(archive, folder, so_far, stop)
            except DamagedArchiveError as error:
                problems.append(f"{printable(path.name)} {error}.")
            else:
                if table is None:
                    return False
                opened.append(_Opened(archive, table, folder / f"{_key(archive)}.gzi"))
                problems.extend(_texts(table.about.get("problems")))
        done += _size(path)
        progress(min(total, done), total)
    return True


def _looked_at(path: Path, problems: list[str]) -> Archive | None:
    """The archive at a path; None, and a further problem, where there is none."""
    try:
        return Archive.at(Path(os.path.abspath(path)))  # noqa: PTH100 - links stay what they are
    except DamagedArchiveError as error:
        problems.append(f"{printable(path.name)} {error}.")
    except OSError as error:
        problems.append(f"{printable(path.name)} cannot be read: {error.strerror or error}.")
    return None


def _table(archive: Archive, folder: Path, so_far: Callable[[int], None], stop: Stop) -> Table | None:
    """What an archive holds, from its table or by walking through it. None where that was stopped."""
    path = folder / f"{_key(archive)}.sqlite"
    known = open_table(path)
    if known is not None:
        return known
    is_whole = archive.kind is Kind.TGZ
    with TableWriter(path) as writer, archive.opened() as walk:
        for count, member in enumerate(walk.members()):
            writer.add(member)
            if count % _TOLD_EVERY == 0:
                if stop():
                    return None
                so_far(walk.position if is_whole else min(member.offset, archive.size))
        found = walk.found
        found.repeated = writer.repeated
        if is_whole:
            points = path.with_suffix(".gzi")
            try:
                walk.save_seek_points(points)
            except OSError:  # without them, it is slower
                points.unlink(missing_ok=True)
        writer.finish(
            {
                "version": VERSION,
                "archive": printable(archive.path),
                "problems": found.sentences(archive.name),
            }
        )
    return Table(path)


def _slowness(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    named = f"{', '.join(names[:_NAMED])}{more} {are} compressed as a whole"
    return [f"{named}: stepping will be slow. Unpack {them} with File > Unpack archives… or `rsviewer unpack`."]


def _twice(opened: Sequence[_Opened], known: Path) -> list[str]:
    """A sentence for every archive that repeats what an earlier one has. Written down, for it may take seconds."""
    with suppress(OSError, ValueError):
        return _texts(json.loads(known.read_bytes()))
    counts: dict[int, tuple[int, str]] = {}
    waiting = [("", dict.fromkeys(range(len(opened)), ROOT))]
    while waiting:
        path, numbers = waiting.pop()
        if len(numbers) < 2:
            continue
        listings = [_placed(opened[place].table.names(number), place) for place, number in numbers.items()]
        for name, same in groupby(heapq.merge(*listings, key=_by_bytes), key=itemgetter(0)):
            holders = list(same)
            if len(holders) < 2:
                continue
            within = {
                place: entry.offset
                for _, place, is_folder in holders
                if is_folder and (entry := opened[place].table.entry(numbers[place], name))
            }
            waiting.append((f"{path}{name}/", within))
            for place in sorted(place for _, place, is_folder in holders if not is_folder)[1:]:
                count, example = counts.get(place, (0, path + name))
                counts[place] = count + 1, example
    told = [
        f"{opened[place].archive.name} holds {count:,} file{'s' * (count > 1)} ({printable(example)}"
        f"{', …' if count > 1 else ''}) that an archive before it holds, too: those of the first are shown."
        for place, (count, example) in sorted(counts.items())
    ]
    with suppress(OSError):
        known.write_text(json.dumps(told), encoding="utf-8")
    return told


def _placed(names: Iterable[tuple[str, bool]], place: int) -> Iterator[tuple[str, int, bool]]:
    for name, is_folder in names:
        yield name, place, is_folder


def _folder_for(tables: Path | None) -> tuple[Path, bool]:
    """(where tables are written, whether it goes away with them)."""
    if tables is not None:
        try:
            tables.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProjectError(
                f"What the archives hold cannot be written to {printable(str(tables))} ({error.strerror}): "
                "choose another place for the project."
            ) from error
        if os.access(tables, os.W_OK):
            return tables, False
        log.info("%s is read-only: what the archives hold is not kept", printable(str(tables)))
    return Path(tempfile.mkdtemp(prefix="rsviewer-")), True


def _key(*archives: Archive) -> str:
    """Names the table of an archive; another one after every change."""
    told = [(archive.path, archive.size, archive.changed) for archive in archives]
    return hashlib.sha256(repr((VERSION, told)).encode()).hexdigest()[:32]


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _again(root: Path, known: Sequence[tuple[Archive, Path, Path]], faults: tuple[str, ...]) -> Packed:
    return Packed(root, [_Opened(archive, Table(table), index) for archive, table, index in known], faults, None)


def _close(opened: Iterable[_Opened], scratch: Path | None, streams: Streams | None = None) -> None:
    for each in opened:
        each.table.close()
    if streams is not None:
        streams.close()
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)

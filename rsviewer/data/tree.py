"""Where the names and bytes of a dataset come from: folders on a disk, archives that stay packed, an object store.

Paths are plain strings and mean the same everywhere: what lies in an archive has the path it would have if the archive
were unpacked where the dataset is (see `data.archives`), so that tiles and decisions stay when it is.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rsviewer.core.errors import StoppedError


class Name(Protocol):
    """Something in a folder."""

    @property
    def name(self) -> str:
        """Its last part."""

    def is_dir(self) -> bool:
        """Whether it is a folder, or a link to one. May raise OSError."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of one file are.

    Attributes:
        path: the file that holds them.
        offset: of the first byte.
        size: how many there are; None for all the rest.
        content: the bytes themselves where they had to be unpacked.
        remote: True where `path` stands for something that is not on a disk ("/vsis3/...").
        file: to read a remote file by that was too large to be fetched; for one thread.
    """

    path: str
    offset: int = 0
    size: int | None = None
    content: bytes | None = None
    remote: bool = False
    file: "Partly | None" = field(default=None, compare=False)


class Partly(Protocol):
    """A file that is fetched part by part. Reading never raises: what went wrong is in `error`, and the file seems to end."""

    error: OSError | None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """See io.IOBase."""

    def read(self, size: int = -1, /) -> bytes:
        """See io.RawIOBase."""


class Tree(Protocol):
    """Folders and files. Every method may be called from any thread and raises OSError where the path is no good.

    A fault of an archive (damaged, encrypted, too large) is an OSError whose `strerror` is a sentence for the user.
    """

    def names(self, folder: str) -> list[str]:
        """All names in a folder, in no order."""

    def scan(self, folder: str) -> AbstractContextManager[Iterable[Name]]:
        """A context manager over the names in a folder, which come one by one: whoever needs a few does not wait for all."""

    def is_file(self, path: str) -> bool:
        """True where a regular file lies there. Never raises."""

    def is_folder(self, path: str) -> bool:
        """True where a folder lies there. Never raises."""

    def read(self, path: str, most: int) -> bytes:
        """The first bytes of a regular file, at most `most`. Never waits on a pipe."""

    def place(self, path: str) -> Place:
        """Where the bytes of a file are, without looking at them if that can be avoided."""

    def stamp(self, path: str) -> tuple[int, int]:
        """(time of the last change in nanoseconds, size): different after every change, as far as names tell."""


@dataclass(frozen=True, slots=True)
class Patience:
    """What goes with listing archives and stores, which may take minutes.

    Attributes:
        tables: folder that remembers what was listed, so that the next time takes a second; made if need be. None remembers
            nothing.
        progress: called now and then with what is being listed, as a clause, the part done and the whole, None while that is
            not known.
        stop: asked now and then; where it says True, StoppedError is raised.
    """

    tables: Path | None = None
    progress: Callable[[str, int, int | None], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False


class Disk:
    """What the operating system has."""

    def names(self, folder: str) -> list[str]:
        """See `Tree.names`."""
        return os.listdir(folder)  # noqa: PTH208 - half a million names: plain strings, see TileEntry

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        """See `Tree.scan`."""
        with os.scandir(folder) as entries:
            yield entries

    def is_file(self, path: str) -> bool:
        """See `Tree.is_file`. Unlike `Path.is_file`, False also where nobody may ask."""
        return os.path.isfile(path)  # noqa: PTH113

    def is_folder(self, path: str) -> bool:
        """See `Tree.is_folder`."""
        return os.path.isdir(path)  # noqa: PTH112

    def read(self, path: str, most: int) -> bytes:
        """See `Tree.read`."""
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe, when opened, would never end
            raise OSError(None, "a folder or device, not a file", path)
        with Path(path).open("rb") as file:
            return file.read(most)

    def place(self, path: str) -> Place:
        """See `Tree.place`."""
        return Place(path)

    def stamp(self, path: str) -> tuple[int, int]:
        """See `Tree.stamp`."""
        status = os.stat(path)  # noqa: PTH116
        return status.st_mtime_ns, status.st_size


DISK = Disk()
"""The disk: there is only one."""


class Stoppable:
    """A tree that gives nothing any more once somebody wants to stop: every method raises StoppedError then.

    For long listings: they are thousands of folders, and end between two of them.
    """

    def __init__(self, tree: Tree, stop: Callable[[], bool]) -> None:
        """`stop` is asked before everything that is asked of the tree, on the same thread."""
        self._tree = tree
        self._stop = stop

    def check(self) -> None:
        """Raises StoppedError where somebody wants to stop."""
        if self._stop():
            raise StoppedError("Reading names was stopped.")

    def names(self, folder: str) -> list[str]:
        """See `Tree.names`."""
        self.check()
        return self._tree.names(folder)

    def scan(self, folder: str) -> AbstractContextManager[Iterable[Name]]:
        """See `Tree.scan`."""
        self.check()
        return self._tree.scan(folder)

    def is_file(self, path: str) -> bool:
        """See `Tree.is_file`."""
        self.check()
        return self._tree.is_file(path)

    def is_folder(self, path: str) -> bool:
        """See `Tree.is_folder`."""
        self.check()
        return self._tree.is_folder(path)

    def read(self, path: str, most: int) -> bytes:
        """See `Tree.read`."""
        self.check()
        return self._tree.read(path, most)

    def place(self, path: str) -> Place:
        """See `Tree.place`."""
        self.check()
        return self._tree.place(path)

    def stamp(self, path: str) -> tuple[int, int]:
        """See `Tree.stamp`."""
        self.check()
        return self._tree.stamp(path)


def check(tree: Tree) -> None:
    """Raises StoppedError where somebody wants no more of a tree: for long work on names between two looks at it."""
    if isinstance(tree, Stoppable):
        tree.check()

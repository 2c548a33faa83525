"""Files that are not there yet, as a tree: so that a format can be asked what it will find."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rsviewer.data.tree import Name, Place


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    folder: bool

    def is_dir(self) -> bool:
        """See `tree.Name`."""
        return self.folder


class PlannedTree:
    """See `tree.Tree`. Of files with a content that can be read, of others only their names are known."""

    def __init__(self, root: str, files: Iterable[str], contents: Mapping[str, bytes]) -> None:
        """Takes in the names.

        Args:
            root: absolute path of the folder of all.
            files: paths under it, "/" between the parts.
            contents: of further files.
        """
        self._contents = {os.path.join(root, path): content for path, content in contents.items()}  # noqa: PTH118
        self._folders: dict[str, dict[str, bool]] = {root: {}}
        homes: dict[str, dict[str, bool]] = {}
        for path in (*files, *contents):
            folder, _, name = path.rpartition("/")
            if folder not in homes:
                homes[folder] = self._made(root, folder)
            homes[folder][name] = False

    def names(self, folder: str) -> list[str]:
        """See `tree.Tree`."""
        return list(self._in(folder))

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        """See `tree.Tree`."""
        yield (_Entry(name, is_folder) for name, is_folder in self._in(folder).items())

    def is_file(self, path: str) -> bool:
        """See `tree.Tree`."""
        folder, name = os.path.split(os.path.normpath(path))
        return self._folders.get(folder, {}).get(name) is False

    def is_folder(self, path: str) -> bool:
        """See `tree.Tree`."""
        return os.path.normpath(path) in self._folders

    def read(self, path: str, most: int) -> bytes:
        """See `tree.Tree`."""
        content = self._contents.get(os.path.normpath(path))
        if content is None:
            raise FileNotFoundError(2, "not written yet", path)
        return content[:most]

    def place(self, path: str) -> Place:
        """See `tree.Tree`."""
        return Place(path, content=self.read(path, len(self._contents.get(os.path.normpath(path), b""))))

    def stamp(self, path: str) -> tuple[int, int]:
        """See `tree.Tree`."""
        return 0, len(self._contents.get(os.path.normpath(path), b""))

    def _in(self, folder: str) -> dict[str, bool]:
        found = self._folders.get(os.path.normpath(folder))
        if found is None:
            raise FileNotFoundError(2, "not made yet", folder)
        return found

    def _made(self, root: str, folder: str) -> dict[str, bool]:
        path = root
        for part in folder.split("/") if folder else ():
            self._folders[path][part] = True
            path = os.path.join(path, part)  # noqa: PTH118 - paths of tiles are strings, see TileEntry
            self._folders.setdefault(path, {})
        return self._folders[path]

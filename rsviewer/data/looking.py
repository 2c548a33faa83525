"""A first look at folders: which sub-folders and files they have. By name, never at the tiles one by one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from rsviewer.data.catalogue import RASTER_SUFFIXES, TEXT_SUFFIXES, natural, place_name, suffix_of
from rsviewer.data.remote.names import is_remote
from rsviewer.data.tree import Name, Tree

MOST_NAMES = 20_000
"""A folder with more names than this holds tiles; what it holds besides is not looked for."""

FILE_SUFFIXES = {*RASTER_SUFFIXES, *TEXT_SUFFIXES, "xml", "json", "csv", "tfw", "zip", "npy", "ovr", "md", "py"}
"""A name that ends like this is taken for a file without a look."""

_PEEKED = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What a folder holds, without hidden names.

    Attributes:
        path: absolute.
        folders: names of its sub-folders, in natural order.
        files: names of its files, in alphabetical order.
        problem: a sentence where the folder could not be listed; then there are no names.
    """

    path: str
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    problem: str = ""

    def at(self, *names: str) -> str:
        """Path of something in it."""
        return os.path.join(self.path, *names)  # noqa: PTH118 - paths of tiles are strings, see TileEntry


def look(tree: Tree, path: str, most: int | None = MOST_NAMES) -> Look:
    """Lists one folder, or its first names. Never raises: what went wrong is in `problem`."""
    folders, files = [], []
    try:
        with tree.scan(path) as entries:
            for entry in islice(entries, most):
                name = entry.name
                if name.startswith((".", "$")):
                    continue
                # A name with the suffix of a file is not asked: is_dir() of a link would stat its target.
                if suffix_of(name) in FILE_SUFFIXES or not _is_folder(entry):
                    files.append(name)
                else:
                    folders.append(name)
    except OSError as error:
        return Look(path, problem=_sentence(path, error))
    return Look(path, tuple(sorted(folders, key=natural)), tuple(sorted(files)))


def problem_with(tree: Tree, path: str) -> str:
    """Why a folder cannot be listed, as a sentence; empty where it can."""
    try:
        with tree.scan(path):
            return ""
    except OSError as error:
        return _sentence(path, error)


def holds(tree: Tree, path: str, suffixes: Mapping[str, int] = RASTER_SUFFIXES) -> bool:
    """True where one of the first names in a folder is a file with such a suffix."""
    return any(suffix_of(name) in suffixes for name in peek(tree, path))


def peek(tree: Tree, path: str) -> list[str]:
    """Some names in a folder, without hidden ones, in no order; none where it cannot be listed."""
    try:
        with tree.scan(path) as entries:
            return [entry.name for entry in islice(entries, _PEEKED) if not entry.name.startswith(".")]
    except OSError:
        return []


def _is_folder(entry: Name) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _sentence(path: str, error: OSError) -> str:
    name = place_name(path)
    if is_remote(path):
        return f"The folder {name} cannot be listed: {error.strerror}."
    if isinstance(error, PermissionError):
        return f"No permission to list the folder {name}: its files are not shown."
    if isinstance(error, FileNotFoundError):
        return f"The folder {name} is a link to something that is not there."
    return f"The folder {name} cannot be listed: {error.strerror}."

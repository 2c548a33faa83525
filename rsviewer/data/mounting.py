"""Which tree a path lies in: the disk, archives that stay packed, or an object store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rsviewer.data.tree import DISK, Patience, Tree


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder in a tree.

    Attributes:
        tree: where names and bytes come from.
        root: the folder that was asked for, as the tree names it.
        problems: what listing has found wrong so far, in sentences.
    """

    tree: Tree
    root: Path
    problems: Callable[[], tuple[str, ...]] = tuple


def mount(path: Path, patience: Patience) -> Mount:
    """The tree for a path that somebody asked for: a folder, an archive, or the address of a store."""
    del patience
    return Mount(DISK, path)


def mount_archives(mounted: Mount, patience: Patience) -> Mount | None:
    """The same folder with what lies in its archives as if they were unpacked there; None where it has none."""
    del mounted, patience
    return None

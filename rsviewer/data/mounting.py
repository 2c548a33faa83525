"""Which tree a path lies in: the disk, archives that stay packed, or an object store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsviewer.core.errors import StoppedError
from rsviewer.core.tile import printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.archives import Packed, archives_in, is_archive, packed
from rsviewer.data.remote.names import is_remote
from rsviewer.data.remote.tree import Remote
from rsviewer.data.tree import DISK, Patience, Tree

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder in a tree.

    Attributes:
        tree: where names and bytes come from.
        root: the folder that was asked for, as the tree names it.
    """

    tree: Tree
    root: Path


def mount(path: Path, patience: Patience) -> Mount:
    """The tree for a path that somebody asked for: a folder, an archive or a folder in one, or the path of a store.

    Raises:
        DatasetNotFoundError: an archive of which nothing can be read; a package is missing that stores need.
        ProjectError: what archives hold cannot be written down.
        StoppedError: `patience` was stopped.
    """
    if is_remote(str(path)):
        return Mount(Remote(path, patience), path)
    if not DISK.is_folder(str(path)):
        archive = next((part for part in (path, *path.parents) if is_archive(part) and DISK.is_file(str(part))), None)
        if archive is not None:
            return replace(_packed(archive, [archive], patience), root=path)
    return Mount(DISK, path)


def mount_archives(mounted: Mount, patience: Patience) -> Mount | None:
    """The same folder with what lies in its archives as if they were unpacked there; None where it has none.

    Raises as `mount` does.
    """
    archives = archives_in(mounted.root) if mounted.tree is DISK else []
    return _packed(mounted.root, archives, patience) if archives else None


def unopened_archives(mounted: Mount) -> tuple[str, ...]:
    """A remark about archives beside the folders of a dataset: they are not read."""
    names = [printable(path.name) for path in archives_in(mounted.root)] if mounted.tree is DISK else []
    if not names:
        return ()
    named = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    said = "lies beside the folders and was" if len(names) == 1 else "lie beside the folders and were"
    return (f"{named} {said} not opened: archives are read without unpacking in a folder of their own.",)


def problems_of(tree: Tree) -> tuple[str, ...]:
    """What to tell the user of the archives of a tree, one sentence each."""
    return tree.problems if isinstance(tree, Packed) else ()


def faults_of(tree: Tree) -> tuple[str, ...]:
    """Of these, what is wrong with them and not only slow."""
    return tree.faults if isinstance(tree, Packed) else ()


def files_of(dataset: Dataset) -> list[Path]:
    """What another process must see to read a dataset: its folder, or its archives and the tables of what these hold.

    Nothing where it lies on a server.
    """
    if isinstance(dataset.tree, Packed):
        return [*dataset.tree.archives, *dataset.tree.tables]
    return [] if is_remote(str(dataset.root)) else [dataset.root]


def let_go(tree: Tree) -> None:
    """Gives files and connections of a tree back, and keeps what was listed. Nothing may be asked of it any more."""
    if isinstance(tree, Remote):
        tree.save()
        tree.close()
    elif isinstance(tree, Packed):
        tree.close()


def archives_of(tree: Tree) -> tuple[Path, ...]:
    """The archives that a tree reads, in the order of precedence; none for other trees."""
    return tree.archives if isinstance(tree, Packed) else ()


def slow_archives(tree: Tree) -> tuple[Path, ...]:
    """Those that are compressed as a whole: to get at a file, others have to be unpacked, too."""
    return tuple(tree.slow) if isinstance(tree, Packed) else ()


def look_again(tree: Tree) -> None:
    """Forgets what was listed of a store, which nobody tells of changes."""
    if isinstance(tree, Remote):
        tree.refresh()


def _packed(root: Path, archives: Sequence[Path], patience: Patience) -> Mount:
    names = printable(archives[0].name) if len(archives) == 1 else f"{len(archives)} archives"
    tree = packed(
        root,
        archives,
        patience.tables,
        lambda done, total: patience.progress(f"Listing {names}", done, total),
        patience.stop,
    )
    if tree is None:
        raise StoppedError("Opening was stopped.")
    return Mount(tree, root)

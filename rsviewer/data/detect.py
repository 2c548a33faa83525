"""Which dataset lies in a folder: finding its format, and opening it.

A folder inside a dataset (.../opt) opens the dataset, and so does the folder above a single one. Where there is none,
the message says what was expected, what is there, and which folders nearby would open.
"""

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rsviewer.core.errors import AmbiguousFormatError, DatasetNotFoundError, RsviewerError
from rsviewer.data.adapter import Dataset, DatasetAdapter
from rsviewer.data.archives import is_archive
from rsviewer.data.catalogue import place_name, tile_name
from rsviewer.data.datasets.dfc2020 import Dfc2020Adapter
from rsviewer.data.datasets.folders import FoldersAdapter, read_layout
from rsviewer.data.datasets.geonrw import GeoNRWAdapter
from rsviewer.data.datasets.layout import FolderLayout
from rsviewer.data.datasets.openearthmap import OpenEarthMapAdapter
from rsviewer.data.datasets.proposal import propose_layout
from rsviewer.data.datasets.rs3dbench import RS3DBenchAdapter
from rsviewer.data.datasets.satlas import SatlasAdapter
from rsviewer.data.datasets.sen12ms import Sen12msAdapter
from rsviewer.data.datasets.skyscript import SkyScriptAdapter
from rsviewer.data.datasets.synrs3d import SynRS3DAdapter
from rsviewer.data.looking import look
from rsviewer.data.mounting import (
    Mount,
    archives_of,
    faults_of,
    let_go,
    mount,
    mount_archives,
    problems_of,
    unopened_archives,
)
from rsviewer.data.plugins import enabled_adapters
from rsviewer.data.remote.names import is_remote
from rsviewer.data.settings import load_preferences
from rsviewer.data.tree import DISK, Patience, Tree

ADAPTERS: tuple[type[DatasetAdapter], ...] = (
    FoldersAdapter,
    SynRS3DAdapter,
    RS3DBenchAdapter,
    OpenEarthMapAdapter,
    GeoNRWAdapter,
    SatlasAdapter,
    Sen12msAdapter,
    Dfc2020Adapter,
    SkyScriptAdapter,
)
"""All formats, in the order in which they are asked. A description that somebody put into the folder comes first."""

_NAMED_IN_MESSAGE = 6
_MOST_CHILDREN = 50
_MOST_HINTED = 20_000
_LONGEST_NAMED = 80


def open_dataset(
    root: Path,
    format_name: str | None = None,
    *,
    layout: FolderLayout | None = None,
    patience: Patience | None = None,
) -> tuple[Dataset, DatasetAdapter]:
    """Opens the dataset in a folder.

    Args:
        root: the folder; or a TOML file that describes the layers of one, see `data.datasets.layout`.
        format_name: one of `ADAPTERS` by name; None recognises it. "folders" takes parallel folders as their names
            suggest, where nothing describes them.
        layout: describes the layers of `root`; then nothing needs to be recognised.
        patience: who listens while archives are listed, and where that is remembered.

    Returns:
        The dataset, whose `root` may be a folder near the given one, and the adapter to ask about it.

    Raises:
        DatasetNotFoundError: there is none. The message says what was looked for and what is there.
        SettingsError: a description cannot be used.
    """
    asked = root if is_remote(str(root)) else Path(os.path.abspath(root))  # noqa: PTH100 - Path.resolve follows links
    if asked.suffix.lower() == ".toml" and DISK.is_file(str(asked)):
        layout = read_layout(asked)
        dataset, adapter = open_dataset(asked.parent / layout.root, layout=layout, patience=patience)
        return replace(dataset, folders=(*dataset.folders, asked)), adapter
    problems: list[str] = []
    formats = known_formats(problems)
    patience = patience or Patience()
    mounted = mount(asked, patience)
    try:
        dataset, adapter = _opened(mounted, format_name, layout, formats)
    except AmbiguousFormatError:
        raise
    except DatasetNotFoundError:
        packed = mount_archives(mounted, patience)
        if packed is None:
            raise
        dataset, adapter = _opened(packed, format_name, layout, formats)
        mounted = packed
    problems += (*problems_of(mounted.tree), *unopened_archives(mounted))
    return replace(dataset, problems=(*dataset.problems, *problems)), adapter


def known_formats(problems: list[str]) -> tuple[type[DatasetAdapter], ...]:
    """The formats of this program, and those of other packages that the user turned on."""
    enabled = load_preferences().value.plugins
    return (*ADAPTERS, *(enabled_adapters(enabled, problems, [one.name for one in ADAPTERS]) if enabled else ()))


def _opened(
    mounted: Mount, format_name: str | None, layout: FolderLayout | None, formats: Sequence[type[DatasetAdapter]]
) -> tuple[Dataset, DatasetAdapter]:
    """The dataset in a folder of a tree, which is let go of where there is none. Raises as `open_dataset` does."""
    try:
        return _described(mounted, format_name, layout, formats)
    except AmbiguousFormatError:
        let_go(mounted.tree)
        raise
    except DatasetNotFoundError as error:
        words = [str(error), *faults_of(mounted.tree)]
        if is_remote(str(mounted.root)) and _has_archives(mounted):
            words.append("Archives are opened on a disk only: download them first.")
        let_go(mounted.tree)
        raise DatasetNotFoundError(" ".join(words)) from error
    except BaseException:
        let_go(mounted.tree)
        raise


def _has_archives(mounted: Mount) -> bool:
    """Whether a folder on a server is an archive, or holds one."""
    return is_archive(mounted.root) or any(map(is_archive, look(mounted.tree, str(mounted.root)).files))


def _described(
    mounted: Mount, format_name: str | None, layout: FolderLayout | None, formats: Sequence[type[DatasetAdapter]]
) -> tuple[Dataset, DatasetAdapter]:
    tree, root = mounted.tree, mounted.root
    if layout:
        _check_folder(root, tree)
        described = FoldersAdapter(tree, layout)
        return described.describe(root), described
    adapter, found, why = detect(root, format_name, tree, formats)
    dataset = adapter.describe(found)
    dataset = replace(dataset, folders=(*dataset.folders, *archives_of(tree)))  # another archive, other tiles
    dataset = replace(dataset, why=dataset.why or why)
    if found != root:
        note = f"{place_name(root)} is not a dataset by itself: opened {place_name(found)}."
        dataset = replace(dataset, problems=(note, *dataset.problems))
    return dataset, adapter


def detect(
    root: Path,
    format_name: str | None = None,
    tree: Tree = DISK,
    formats: Sequence[type[DatasetAdapter]] = ADAPTERS,
) -> tuple[DatasetAdapter, Path, str]:
    """The adapter for a folder, the folder that it is to describe, and why. Raises as `open_dataset` does."""
    adapters = _adapters(format_name, tree, formats)
    _check_folder(root, tree)
    if here := _recognising(root, adapters):
        return here
    if len(adapters) == 1 and isinstance(adapters[0], FoldersAdapter):
        return adapters[0], root, ""
    for above in list(root.parents)[:2] if tree is DISK else []:
        whole = _recognising(above, adapters)
        if whole and _is_part(root, above, whole[0]):
            return whole
    top = look(tree, str(root))
    below = [found for name in top.folders[:_MOST_CHILDREN] if (found := _recognising(root / name, adapters))]
    if len(below) == 1:
        return below[0]
    message = f"No dataset recognised in {place_name(root)}, which holds {_found(top.folders, top.files)}."
    if len(adapters) == 1:
        message += f" {adapters[0].title} is recognised by {adapters[0].expects}."
    else:
        message += f" What the {len(adapters)} formats are recognised by is listed by `rsviewer formats list`."
    if below:
        names = [f"{tile_name(path.name)} ({adapter.title})" for adapter, path, _ in below]
        message = f"{place_name(root)} holds several datasets: {_some(names)}. Open one of them."
    elif hint := _hint(root, tree):
        message += hint
    raise DatasetNotFoundError(message)


def _hint(root: Path, tree: Tree) -> str:
    """What to do with folders that no format knows."""
    try:
        layers = propose_layout(tree, root, _MOST_CHILDREN, _MOST_HINTED).layers
    except DatasetNotFoundError:
        return ""
    names = [tile_name(layer.folder) if layer.folder != "." else f"*{layer.suffix}" for layer in layers]
    return f" Its rasters may be the layers {_some(names)}: open it with the format 'folders' to see them so."


def _adapters(format_name: str | None, tree: Tree, formats: Sequence[type[DatasetAdapter]]) -> list[DatasetAdapter]:
    if format_name is None:
        return [adapter(tree) for adapter in formats]
    names = [adapter.name for adapter in formats]
    if format_name.lower() not in [name.lower() for name in names]:
        raise DatasetNotFoundError(f"There is no format {format_name!r}: choose one of {', '.join(names)}.")
    return [adapter(tree) for adapter in formats if adapter.name.lower() == format_name.lower()]


def _recognising(root: Path, adapters: Iterable[DatasetAdapter]) -> tuple[DatasetAdapter, Path, str] | None:
    """The one adapter that takes `root` for its format, `root`, and why; a description that lies there comes before all others.

    Raises AmbiguousFormatError where several do.
    """
    fits: list[tuple[DatasetAdapter, str]] = []
    for adapter in adapters:
        why = adapter.recognises(root)
        if why and isinstance(adapter, FoldersAdapter):
            return adapter, root, why
        fits += [(adapter, why)] if why else []
    if len(fits) > 1:
        reasons = "; ".join(f"{adapter.title} ({why})" for adapter, why in fits)
        names = " or ".join(f"--format {adapter.name}" for adapter, _ in fits)
        raise AmbiguousFormatError(
            f"{place_name(root)} may be of several formats: {reasons}. Say which with {names}.",
            tuple((adapter.name, adapter.title, why) for adapter, why in fits),
        )
    return (fits[0][0], root, fits[0][1]) if fits else None


def _is_part(folder: Path, above: Path, adapter: DatasetAdapter) -> bool:
    try:
        return folder in adapter.describe(above).folders
    except RsviewerError:
        return False  # a faulty dataset above is not what was asked for


def _check_folder(root: Path, tree: Tree) -> None:
    """Raises DatasetNotFoundError where `root` is no folder that can be listed."""
    try:
        with tree.scan(str(root)):
            pass
        if tree is DISK:
            os.stat(f"{root}{os.sep}.")  # noqa: PTH116 - a folder may be listed that may not be entered
    except FileNotFoundError:
        message = f"There is no folder {place_name(root)}."
        parent = root.parent
        if not (above := look(tree, str(parent))).problem:
            names = above.folders
            near = difflib.get_close_matches(root.name, names, n=1)
            message += (
                f" Did you mean {place_name(parent / near[0])}?"
                if near
                else f" {place_name(parent)} holds {_found(names)}."
            )
        raise DatasetNotFoundError(message) from None
    except NotADirectoryError:
        message = (
            f"{place_name(root)} is a file. Open the folder of the dataset, for example {place_name(root.parent)}."
        )
        raise DatasetNotFoundError(message) from None
    except PermissionError as error:
        if is_remote(str(root)):
            raise DatasetNotFoundError(
                f"{place_name(root)} cannot be listed: {error.strerror}. Either it needs credentials (for a web server those "
                "in .netrc in your home folder, for a bucket those of its cloud), or nobody may list it."
            ) from error
        message = f"No permission to list {place_name(root)}. Ask its owner for the right to read it, or open a copy."
        raise DatasetNotFoundError(message) from None
    except OSError as error:
        raise DatasetNotFoundError(f"{place_name(root)} cannot be listed: {error.strerror}.") from error


def _found(folders: Iterable[str], files: Iterable[str] = ()) -> str:
    parts = []
    if names := [tile_name(name) + "/" for name in folders]:
        parts.append(f"the folders {_some(names)}" if len(names) > 1 else f"the folder {names[0]}")
    if names := [tile_name(name) for name in files]:
        parts.append(f"the files {_some(names)}" if len(names) > 1 else f"the file {names[0]}")
    return " and ".join(parts) or "nothing"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_IN_MESSAGE
    named = (
        name if len(name) <= _LONGEST_NAMED else f"{name[:_LONGEST_NAMED]}..." for name in names[:_NAMED_IN_MESSAGE]
    )
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")

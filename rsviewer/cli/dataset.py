"""The dataset that a command is about, with its project: opened, and given back however the command ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rsviewer.cli.console import progress, stages
from rsviewer.core.errors import ProjectError
from rsviewer.core.review import Decision
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset, DatasetAdapter
from rsviewer.data.decisions import DecisionStore
from rsviewer.data.detect import open_dataset
from rsviewer.data.mounting import let_go
from rsviewer.data.project import Project, listings_directory
from rsviewer.data.tree import Patience

if TYPE_CHECKING:  # DuckDB is loaded where an index is used: showing decisions does without
    from rsviewer.data.index import TileIndex


@contextmanager
def writing(
    path: Path, format_name: str | None, directory: Path | None
) -> Iterator[tuple[Dataset, DatasetAdapter, Project]]:
    """The dataset with its project, which nobody else may change meanwhile.

    Raises ProjectLockedError, which says who has it, where a window or another command is writing to it.
    """
    dataset, adapter = _opened(path, format_name, listings_directory(path, directory))
    try:
        with Project.open(dataset.root, directory, dataset_format=dataset.format) as project:
            yield dataset, adapter, project
    finally:
        let_go(dataset.tree)


@contextmanager
def looked_at(
    path: Path, format_name: str | None, directory: Path | None = None
) -> Iterator[tuple[Dataset, DatasetAdapter]]:
    """The dataset at a path. Nothing is written anywhere, but for what is known of its archives where that is kept."""
    dataset, adapter = _opened(path, format_name, listings_directory(path, directory, existing=True))
    try:
        yield dataset, adapter
    finally:
        let_go(dataset.tree)


def _opened(path: Path, format_name: str | None, tables: Path | None) -> tuple[Dataset, DatasetAdapter]:
    """The dataset at a path, with a line on stderr that says how far the listing of archives is."""
    with stages() as report:
        return open_dataset(path, format_name, patience=Patience(tables, report))


@contextmanager
def current_index(
    dataset: Dataset, adapter: DatasetAdapter, project: Project, *, rebuild: bool = False
) -> Iterator[tuple["TileIndex", bool]]:
    """The index as the folders are now, and whether it had to be built for that. Raises ProjectError."""
    from rsviewer.data.index import TileIndex

    index = TileIndex.open(project.index_path, dataset, adapter)
    try:
        if index.path is None:
            raise ProjectError(f"The index {project.index_path} is in use by another program or cannot be written.")
        stale = rebuild or not index.is_fresh()
        if stale:
            with progress("Listing the tiles") as report:
                index.build(report)
        yield index, stale
    finally:
        index.close()


def read_decisions(dataset: Dataset, directory: Path | None) -> dict[TileId, Decision]:
    """What was decided so far, also while a window is open. Writes nothing."""
    with (
        Project.open(dataset.root, directory, read_only=True) as project,
        DecisionStore.open(project.decisions_path, read_only=True) as store,
    ):
        return store.all()

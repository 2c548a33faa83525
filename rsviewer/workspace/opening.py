"""From a path to everything a workspace needs. Reads names and small files only, and may run on any thread."""

import getpass
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rsviewer.batch.crew import Crew, Processes, cores
from rsviewer.core.errors import DamagedError, DatasetNotFoundError, ProjectError, ProjectLockedError, SettingsError
from rsviewer.core.prediction import PREDICTED_LAYERS
from rsviewer.core.review import Decision
from rsviewer.core.style import Style, default_style
from rsviewer.core.tile import LayerId, TileId, printable
from rsviewer.data.adapter import Dataset, DatasetAdapter
from rsviewer.data.catalogue import place_name
from rsviewer.data.datasets.folders import FoldersAdapter, read_layout
from rsviewer.data.datasets.layout import FolderLayout, dump_layout
from rsviewer.data.decisions import DecisionStore, History
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.models import Shelf
from rsviewer.data.mounting import let_go
from rsviewer.data.project import NAMES, Project, default_directory, listings_directory
from rsviewer.data.resources import color_table
from rsviewer.data.settings import Session, load_session, save, write_atomically
from rsviewer.data.tree import DISK, Patience
from rsviewer.inference.engine import PredictorFactory
from rsviewer.inference.remote import RemoteEngine
from rsviewer.workspace.pictures import ColorTables, Read

log = logging.getLogger(__name__)

LONGEST_PATH = 300
"""Letters of a path that a remark quotes: a project may come from a stranger."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a window wants a dataset opened.

    Attributes:
        format_name: the format to use; None recognises it, or takes what the command line says.
        patience: who listens meanwhile.
    """

    format_name: str | None = None
    patience: Patience = field(default_factory=Patience)


class Opener(Protocol):
    """Opens a dataset for a window, on a worker: `open_path`, or what knows the command line."""

    def __call__(self, path: Path, *, asking: Asking) -> "Opened":
        """The dataset at a path. Raises RsviewerError."""


def polite_crew() -> Crew:
    """Processes for the checks, which leave a core to the window and stand back behind it."""
    return Processes(max(1, cores() - 1), polite=True)


@dataclass(slots=True)
class Opened:
    """A dataset with its project, ready for a workspace.

    Attributes:
        dataset, adapter: what was recognised.
        project: where its decisions, index and session live; locked for us unless read-only.
        index: perhaps still to be built.
        store: None where the project is read-only.
        decisions, history: what was decided before.
        session: where the user was.
        why_read_only: the sentence for somebody who tries to decide; empty where deciding is possible.
        remarks: sentences to show once.
        lost: why nobody knows what was decided before; empty where it is known. Then nothing may be exported.
        read: reads a layer in place of what reads the dataset's files; for tests.
        color_table, shelf, engines: where colours, models and who runs them come from.
        crew: who runs the checks.
    """

    dataset: Dataset
    adapter: DatasetAdapter
    project: Project
    index: TileIndex
    store: DecisionStore | None
    decisions: Mapping[TileId, Decision]
    history: History
    session: Session
    why_read_only: str = ""
    remarks: tuple[str, ...] = ()
    lost: str = ""
    read: Read | None = None
    color_table: ColorTables = color_table
    shelf: Shelf = field(default_factory=Shelf)
    engines: PredictorFactory = RemoteEngine
    crew: Callable[[], Crew] = polite_crew

    @staticmethod
    def clock() -> str:
        """Now, to the second, with the offset from UTC."""
        return datetime.now(UTC).astimezone().isoformat(timespec="seconds")

    @property
    def keeps_session(self) -> bool:
        """Whether the session may be written: a read-only window leaves the other window's session alone."""
        return self.store is not None

    def save_session(self, session: Session) -> None:
        """Writes the session; a failure is a remark in the log, not the user's business."""
        try:
            save(self.project.session_path, session)
        except SettingsError as error:
            log.info("%s", error)

    def close(self) -> None:
        """Gives index and project back. The store is closed by the review book that uses it."""
        self.index.close()
        self.project.close()
        let_go(self.dataset.tree)


def open_path(
    path: Path,
    *,
    format_name: str | None = None,
    project_directory: Path | None = None,
    read_only: bool = False,
    wait_for_lock: bool = False,
    asking: Asking | None = None,
) -> Opened:
    """Opens a dataset and its project.

    Args:
        path: the dataset's folder, or a description of one (`*.toml`). A folder that `describe_folders` has described
            opens as described.
        format_name: adapter to use; None recognises it.
        project_directory: where the project lives; None takes the place in the user's data folder.
        read_only: do not even try to write.
        wait_for_lock: raise ProjectLockedError where somebody else writes, in place of opening read-only.
        asking: see `Asking`. Its format comes before `format_name`.

    Returns:
        The dataset, read-only where somebody else writes to its project or its decisions are damaged.

    Raises:
        RsviewerError: with a sentence that says what to do.
    """
    asking = asking or Asking()
    patience = replace(asking.patience, tables=listings_directory(path, project_directory, existing=read_only))
    dataset, adapter = _recognised(path, asking.format_name or format_name, project_directory, patience)
    why = "This window was opened read-only." if read_only else ""
    try:
        project = Project.open(dataset.root, project_directory, read_only=read_only, dataset_format=dataset.format)
    except ProjectLockedError as error:
        if wait_for_lock:
            raise
        why = f"{error} This window is read-only."
        project = Project.open(dataset.root, project_directory, read_only=True)
    lost = ""
    try:
        try:
            store, decisions, history = _decided(project)
        except DamagedError as error:
            store, decisions, history = None, {}, History((), ())
            why = lost = f"{error} Until then nothing can be decided here."
        index = TileIndex.open(None if project.read_only else project.index_path, dataset, adapter)
    except BaseException:
        project.close()
        raise
    off = tuple(spec.id for spec in dataset.layers if spec.hidden)
    fresh = Session(hidden=(*Session().hidden, *off))
    loaded = load_session(project.session_path, fresh)
    session, replaced = _drawable(_fitting(loaded.value, dataset), dataset)
    moved = f"The dataset was at {place_name(project.moved_from[:LONGEST_PATH])} before." if project.moved_from else ""
    return Opened(
        dataset,
        adapter,
        project,
        index,
        store,
        decisions,
        history,
        session,
        why,
        tuple(remark for remark in (why, moved, *dataset.problems, *loaded.messages, *replaced) if remark),
        lost,
    )


def describe_folders(root: Path, layout: FolderLayout, project_directory: Path | None = None) -> Path:
    """Keeps the description of a folder in its project, so that it opens so from now on. Nothing is written beside the data.

    Returns:
        The file of the description.

    Raises:
        ProjectError: it could not be written.
    """
    folder = project_directory or default_directory(root)
    if not (folder / NAMES["identity"]).exists():
        Project.open(root, project_directory, dataset_format=FoldersAdapter.name).close()
    path = folder / NAMES["layout"]
    try:
        write_atomically(path, dump_layout(layout).encode())
    except OSError as error:
        raise ProjectError(
            f"The description could not be written to {printable(str(path))} ({error.strerror or error}). "
            "Save it elsewhere, and open that file."
        ) from error
    return path


def save_description(root: Path, layout: FolderLayout, path: Path) -> None:
    """Writes the description of a folder to a file of the user's choice, which opens it. Raises SettingsError."""
    beside = os.path.realpath(path.parent)
    try:
        place = os.path.relpath(os.path.realpath(root), beside)
    except ValueError:  # on another drive
        place = os.path.realpath(root)
    placed = replace(layout, root="" if place == "." else Path(place).as_posix())
    try:
        write_atomically(path, dump_layout(placed).encode())
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{printable(str(root))} has a name that is not UTF-8, which TOML cannot hold. Save the description in that folder."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"The description could not be written to {printable(str(path))} ({error.strerror or error}). "
            "Choose another place."
        ) from error


def login_name() -> str:
    """Who is deciding, where the preferences do not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"


def _recognised(
    path: Path, format_name: str | None, project_directory: Path | None, patience: Patience
) -> tuple[Dataset, DatasetAdapter]:
    """The dataset at a path, as the description in its project says where there is one that fits."""
    layout_path = (project_directory or default_directory(path)) / NAMES["layout"]
    if format_name not in (None, FoldersAdapter.name) or not (
        DISK.is_folder(str(path)) and DISK.is_file(str(layout_path))
    ):
        return open_dataset(path, format_name, patience=patience)
    try:
        dataset, adapter = open_dataset(path, layout=read_layout(layout_path), patience=patience)
    except DatasetNotFoundError as outdated:
        try:
            return open_dataset(path, format_name, patience=patience)
        except DatasetNotFoundError:
            raise outdated from None
    # Another description makes other tiles of the same folders: the index must know.
    return replace(dataset, folders=(*dataset.folders, layout_path)), adapter


def _decided(project: Project) -> tuple[DecisionStore | None, Mapping[TileId, Decision], History]:
    """The store, None where the project is read-only, and what is in it."""
    store = DecisionStore.open(project.decisions_path, read_only=project.read_only)
    try:
        decisions, history = store.all(), store.history()
    except BaseException:
        store.close()
        raise
    if project.read_only:
        store.close()
    return None if project.read_only else store, decisions, history


def _drawable(session: Session, dataset: Dataset) -> tuple[Session, tuple[str, ...]]:
    """The session with colour tables that exist, and a sentence about each that does not."""
    remarks: dict[str, None] = {}

    def known(styles: Mapping[LayerId, Style]) -> dict[LayerId, Style]:
        kept = dict(styles)
        for layer, style in styles.items():
            try:
                color_table(style.color_table)
            except SettingsError as error:
                remarks[str(error)] = None
                own = Style() if layer in PREDICTED_LAYERS else default_style(dataset.layer(layer))
                kept[layer] = replace(style, color_table=own.color_table)
        return kept

    return replace(session, styles=known(session.styles), unlocked=known(session.unlocked)), tuple(remarks)


def _fitting(session: Session, dataset: Dataset) -> Session:
    """The session less what it says of layers that the dataset does not have (any more)."""
    of_dataset = {spec.id for spec in dataset.layers}
    known = of_dataset | set(PREDICTED_LAYERS)
    hidden = tuple(layer for layer in session.hidden if layer in known)
    return replace(
        session,
        hidden=hidden if of_dataset - set(hidden) else tuple(layer for layer in hidden if layer not in of_dataset),
        order=tuple(layer for layer in session.order if layer in known),
        active=session.active if session.active in known else None,
        styles={layer: style for layer, style in session.styles.items() if layer in known},
        unlocked={layer: style for layer, style in session.unlocked.items() if layer in known},
    )

"""Where index, decisions, thumbnails, predictions and settings of one dataset live, and who may write there.

A project is a folder in the user's data folder, or wherever `--project` says; never beside the tiles unasked. One window
or command writes to it at a time. The lock belongs to the operating system: it ends with its process, however that ends.
A process that is forked while a project is open holds the lock as well: start workers by spawning.
"""

import getpass
import hashlib
import json
import logging
import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import platformdirs

from rsviewer.core.errors import ProjectError, ProjectLockedError
from rsviewer.core.tile import printable
from rsviewer.data.remote.names import is_remote
from rsviewer.data.settings import home, to_json, write_atomically

log = logging.getLogger(__name__)

VERSION = 1

LOCK_SECONDS = 0.3
"""How long an open waits for the lock: another program may be asking who has it at this moment."""

NAMES = {
    "identity": "project.json",
    "lock": "lock",
    "holder": "holder.json",
    "index": "index.duckdb",
    "decisions": "decisions.sqlite",
    "session": "session.json",
    "layout": "layout.toml",
    "thumbnails": "thumbnails",
    "predictions": "predictions",
    "listings": "listings",
}
"""What lies in a project's folder."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a project open for writing."""

    user: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.pid}) since {self.since.replace('T', ' ')[:16]}"


class Project:
    """An open project. Made by `open`; give it back with `close`.

    Attributes:
        root: the dataset.
        directory: the project's folder; a read-only one may not exist.
        read_only: nothing may be written to it.
        moved_from: where the dataset was when the project was opened last, if that was elsewhere.
        holder: who else writes to it, as far as known; only for read-only projects.
    """

    def __init__(
        self,
        root: Path,
        directory: Path,
        lock: filelock.BaseFileLock | None,
        *,
        moved_from: str = "",
        holder: Holder | None = None,
    ) -> None:
        self.root = root
        self.directory = directory
        self.moved_from = moved_from
        self.holder = holder
        self._lock = lock

    @classmethod
    def open(
        cls, root: Path, directory: Path | None = None, *, read_only: bool = False, dataset_format: str = ""
    ) -> "Project":
        """Opens the project of the dataset under `root`, or makes it.

        Args:
            root: the dataset's folder.
            directory: where the project lives; None means the user's data folder. It may hold the project of the same
                dataset before that was moved.
            read_only: writes nothing and needs no lock.
            dataset_format: name of the adapter; a project of another format at another place is not taken over.

        Raises:
            ProjectLockedError: somebody else is writing to it. Open it read-only.
            ProjectError: it cannot be used.
        """
        resolved = _resolved(root)
        folder = (directory or default_directory(resolved)).absolute()
        if read_only:
            recorded = _read_identity(folder)
            return cls(resolved, folder, None, moved_from=_moved(recorded, resolved), holder=_find_holder(folder))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder)
            lock = _lock(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            recorded = _read_identity(folder)
            moved_from = _moved(recorded, resolved)
            known_format = recorded.get("format", "")
            if moved_from and dataset_format and known_format:
                _refuse_other_format(folder, moved_from, known_format, dataset_format)
            identity = {"version": VERSION, "root": str(resolved), "format": dataset_format or known_format}
            if identity != recorded:
                write_atomically(folder / NAMES["identity"], to_json(identity))
            write_atomically(folder / NAMES["holder"], to_json(_ourselves()))
        except OSError as error:
            lock.release()
            raise _unusable(folder, error) from error
        except BaseException:
            lock.release()
            raise
        return cls(resolved, folder, lock, moved_from=moved_from)

    @property
    def read_only(self) -> bool:
        """True where nothing may be written to the project."""
        return self._lock is None

    @property
    def index_path(self) -> Path:
        """The tile index, which may be deleted and rebuilt at any time."""
        return self.directory / NAMES["index"]

    @property
    def decisions_path(self) -> Path:
        """The human work."""
        return self.directory / NAMES["decisions"]

    @property
    def session_path(self) -> Path:
        """Where the user was."""
        return self.directory / NAMES["session"]

    @property
    def layout_path(self) -> Path:
        """The description of a dataset of plain parallel folders."""
        return self.directory / NAMES["layout"]

    @property
    def thumbnails_path(self) -> Path:
        """The folder of thumbnails. Made by who writes the first."""
        return self.directory / NAMES["thumbnails"]

    @property
    def predictions_path(self) -> Path:
        """The folder of predictions. Made by who writes the first."""
        return self.directory / NAMES["predictions"]

    def close(self) -> None:
        """Lets others write. May be called twice."""
        if self._lock is not None and self._lock.is_locked:
            try:
                (self.directory / NAMES["holder"]).unlink(missing_ok=True)
            except OSError as error:  # then the next one overwrites it
                log.info("Cannot remove the holder of %s: %s", printable(str(self.directory)), error)
            self._lock.release()

    def __enter__(self) -> "Project":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def listings_directory(root: Path, directory: Path | None = None, *, existing: bool = False) -> Path | None:
    """Where what archives and stores hold is remembered for the dataset at `root`, whose project lives in `directory`.

    `existing`: None where there is no such folder yet, for those who must not write anything.
    """
    folder = (directory or default_directory(root)) / NAMES["listings"]
    return folder if not existing or folder.is_dir() else None


def default_directory(root: Path) -> Path:
    """Where the project of a dataset lives unless the user says otherwise: readable, and one for each resolved path."""
    resolved = _resolved(root)
    readable = re.sub(r"[^\w.-]+", "-", printable(resolved.name))[:40].strip("-.") or "dataset"
    digest = hashlib.sha256(os.fsencode(os.path.normcase(resolved))).hexdigest()[:12]
    data = home() or platformdirs.user_data_path("rsviewer", appauthor=False)
    return data / "projects" / f"{readable}-{digest}"


def _resolved(root: Path) -> Path:
    """Where a dataset really is; what lies on a server has no links, and on Windows no drive."""
    # unlike Path.resolve, at ease with links that lead back to themselves
    return root if is_remote(str(root)) else Path(os.path.realpath(root))


def _lock(folder: Path) -> filelock.BaseFileLock:
    """The lock of a project, held. Raises ProjectLockedError or OSError."""
    lock = filelock.FileLock(folder / NAMES["lock"], thread_local=False)
    try:
        lock.acquire(timeout=LOCK_SECONDS, poll_interval=LOCK_SECONDS / 5)
    except filelock.Timeout as error:
        holder = _read_holder(folder)
        who = holder or "another window or command"
        raise ProjectLockedError(f"The project in {printable(str(folder))} is being written to by {who}.") from error
    return lock


def _find_holder(folder: Path) -> Holder | None:
    """Who is writing to the project right now, as far as that can be found out."""
    holder = _read_holder(folder)
    if holder is None:
        return None
    lock = filelock.FileLock(folder / NAMES["lock"], thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return holder
    except OSError:
        return None
    lock.release()  # the file was left behind by a process that was killed
    return None


def _ourselves() -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "somebody"
    since = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    return Holder(user, socket.gethostname(), os.getpid(), since)


def _read_holder(folder: Path) -> Holder | None:
    fields = _read_table(folder / NAMES["holder"])
    texts = [fields.get(name) for name in ("user", "host", "since")]
    pid = fields.get("pid")
    if not all(isinstance(text, str) for text in texts) or not isinstance(pid, int):
        return None
    user, host, since = (printable(str(text))[:80] for text in texts)
    return Holder(user, host, pid, since)


def _read_identity(folder: Path) -> dict[str, Any]:
    """What project.json says; nothing where there is none or it is damaged: it holds nothing that cannot be found again.

    Raises ProjectError where a newer version made the project.
    """
    path = folder / NAMES["identity"]
    fields = _read_table(path)
    version = fields.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ProjectError(f"The project in {printable(str(folder))} was made by a newer rsviewer. Update rsviewer.")
    known: dict[str, Any] = {"version": version} if version == VERSION else {}
    known.update({name: fields[name] for name in ("root", "format") if isinstance(fields.get(name), str)})
    return known


def _read_table(path: Path) -> dict[str, object]:
    """A small JSON table; empty where there is none that can be read."""
    try:
        with path.open("rb") as file:
            table = json.loads(file.read(1_000_000).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.info("Cannot read %s: %s", printable(str(path)), error)
        return {}
    return table if isinstance(table, dict) else {}


def _moved(recorded: dict[str, Any], root: Path) -> str:
    """Where the dataset was before; empty where it has not moved."""
    before = str(recorded.get("root", ""))
    return before if before != str(root) else ""


def _refuse_foreign(folder: Path) -> None:
    """Raises ProjectError for a folder full of something else: a slip in --project must not sow files into it."""
    found = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if NAMES["identity"] not in found and found - {NAMES["lock"], NAMES["listings"]}:
        raise ProjectError(
            f"{printable(str(folder))} holds other files and no rsviewer project. "
            "Choose an empty or a new folder with --project."
        )


def _refuse_other_format(folder: Path, moved_from: str, known: str, asked: str) -> None:
    """Raises ProjectError for the project of another dataset: a moved dataset keeps its format."""
    if known != asked:
        raise ProjectError(
            f"{printable(str(folder))} is the project of a {printable(known)} dataset at {printable(moved_from)}, "
            f"not of this {asked} dataset. Choose another folder with --project."
        )


def _unusable(folder: Path, error: OSError) -> ProjectError:
    return ProjectError(
        f"The project folder {printable(str(folder))} cannot be used ({error.strerror or error}). "
        "Choose a folder you may write to with --project DIR."
    )

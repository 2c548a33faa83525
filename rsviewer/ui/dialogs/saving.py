"""Dialogs that save something of a tile: they ask for a file, show how far the work is, and say how it ended."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QProgressBar, QPushButton, QWidget

from rsviewer.core.tile import TileId, printable
from rsviewer.ui.dialogs.dialog import Words, WorkspaceDialog, dim_label, spread
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job
from rsviewer.workspace.workspace import Workspace

LOOK_MS: Final = 100
"""Between two looks at how far the work is."""
LONGEST_NAME: Final = 120

Work = Callable[[Job], bool]
"""Writes the file on a worker. Returns False where it was stopped and nothing is written. Raises RsviewerError."""


class SavingDialog(WorkspaceDialog):
    """Options above, and below them a line that says what is wrong, progress, and the buttons.

    Args:
        title: of the window.
        size: see `Dialog`.
        workspace: runs the work and says in the status bar how it ended, whether the dialog is still open or not.
    """

    can_stop = True
    """Whether the work looks at whether it shall stop."""

    def __init__(self, title: str, size: tuple[int, int], workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(title, size, parent)
        self.workspace = workspace
        self._job: Job | None = None
        self._written: list[Path] = []
        self._refusal = ""
        self.words = Words()
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName("Progress")
        self.progress.setFixedHeight(2 * UNIT)
        self.how_far = dim_label("")
        self.how_far.hide()
        self.progress.hide()
        self._look = QTimer(self, interval=LOOK_MS)
        self._look.timeout.connect(self._looked)

    def build_foot(self) -> None:
        """Adds what all of them have in common below the options."""
        self.save = QPushButton("Save as…", default=True)
        self.save.clicked.connect(self._ask)
        self.stop = QPushButton("Stop", autoDefault=False)
        self.stop.clicked.connect(self._stop)
        self.stop.hide()
        self.show_folder = QPushButton("Open folder", autoDefault=False)
        self.show_folder.clicked.connect(self._open_folder)
        self.show_folder.hide()
        close = QPushButton("Close", autoDefault=False)
        close.clicked.connect(self.close)
        self.column.addStretch(1)
        self.column.addWidget(self.words)
        self.column.addWidget(self.progress)
        self.column.addWidget(self.how_far)
        self.column.addLayout(spread([self.show_folder], [close, self.stop, self.save]))

    # --- what each of them says

    def suggestion(self) -> tuple[str, str, str]:
        """Name of the file without ending, the ending ("png"), and what files of that kind are called."""
        raise NotImplementedError

    def work(self, path: Path, *, overwrite: bool) -> tuple[str, Work]:
        """What the work is called in the status bar, and the work itself. Called on the GUI thread."""
        raise NotImplementedError

    # --- asking

    def refuse(self, why: str) -> None:
        """Says why nothing can be saved as the options are now; "" where it can."""
        self._refusal = why
        if self._job is None:
            self.words.say(why, "warn" if why else "")
        self._offer()

    @property
    def is_busy(self) -> bool:
        """Whether something is being saved."""
        return self._job is not None

    def _offer(self) -> None:
        self.save.setEnabled(not self._refusal and self._job is None)

    def _ask(self) -> None:
        stem, ending, kind = self.suggestion()
        asking = QFileDialog(self, f"{self.windowTitle()} as")
        asking.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        asking.setNameFilter(f"{kind} (*.{ending})")
        asking.setDefaultSuffix(ending)
        asking.selectFile(f"{stem}.{ending}")
        asking.fileSelected.connect(self._chosen)
        asking.finished.connect(asking.deleteLater)
        asking.open()

    def _chosen(self, name: str) -> None:
        _, ending, _ = self.suggestion()
        path = Path(name)
        if path.suffix.lower() == f".{ending}":
            self.save_to(path, overwrite=True)  # the file dialog has asked
        else:
            self.save_to(path.with_name(f"{path.name}.{ending}"))

    # --- saving

    def save_to(self, path: Path, *, overwrite: bool = False) -> None:
        """Saves as the options say. A file that is there is replaced only with `overwrite`."""
        if self._job is not None or self._refusal:
            return
        title, work = self.work(path, overwrite=overwrite)
        shown, workspace = printable(str(path)), self.workspace
        written: list[Path] = []

        def attempt(job: Job) -> None:
            if work(job):
                written.append(path)

        def done(_: None) -> None:
            if written:
                workspace.say(f"Saved {shown}")

        def failed(why: str) -> None:
            workspace.say(why)

        self.show_folder.hide()
        self.words.say("")
        job = workspace.jobs.start(title, attempt, done, failed)
        self._job, self._written = job, written
        self._looked()
        if self._job is not None:
            self._look.start()
            self.stop.setEnabled(True)
            self.progress.show()
            self.how_far.show()
            self.stop.setVisible(self.can_stop)
        self._offer()

    def leaving(self) -> None:
        """What is being saved is saved: the status bar shows it, and can stop it."""
        self._look.stop()

    def describe(self, job: Job) -> str:
        """How far the work is, in words."""
        return "" if not job.total else f"{job.done:,} of {job.total:,}"

    def _looked(self) -> None:
        """Shows how far the work is, and how it has ended."""
        job = self._job
        if job is None:
            return
        if not job.finished:
            self.progress.setRange(0, job.total or 0)
            self.progress.setValue(job.done)
            self.how_far.setText("Stopping…" if job.stop.is_set() else self.describe(job))
            return
        self._job = None
        self._look.stop()
        for widget in (self.progress, self.how_far, self.stop):
            widget.hide()
        if job.error:
            self.words.say(job.error, "bad")
        elif self._written:
            self.words.say(f"Saved {printable(str(self._written[0]))}", "good")
            self.show_folder.show()
        else:
            self.words.say("Stopped: nothing was written.")
        self._offer()

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop.set()
            self.stop.setEnabled(False)
            self._looked()

    def _open_folder(self) -> None:
        if self._written:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written[0].parent)))


def file_stem(tile: TileId, end: str = "") -> str:
    """A name for a file about a tile, that every system takes: "area/7" becomes "area-7"."""
    name, end = (re.sub(r"[^\w.+@ -]+", "-", printable(words)) for words in (tile, end))
    return f"{name[-LONGEST_NAME:].strip(' .-') or 'tile'}{end}"

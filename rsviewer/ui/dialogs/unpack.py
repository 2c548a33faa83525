"""Unpacking the archives of a dataset into a folder of the user's choice."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QProgressBar, QPushButton, QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.archives import stem_of
from rsviewer.data.unpacking import Unpacked, unpack
from rsviewer.ui.dialogs.dialog import Dialog, Words, dim_label, spread
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job, Jobs

STEPS = 1000
CLOCK_MS = 100
NAMED = 3


class UnpackDialog(Dialog):
    """Asks for a folder and fills it. Closing the dialog stops the work; the same folder goes on from there.

    Args:
        archives: in the order of precedence.
        jobs: where it is done.

    Signals:
        unpacked: the folder, when everything is there.
    """

    unpacked = Signal(Path)

    def __init__(self, archives: Sequence[Path], jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__("Unpack archives", (640, 260), parent)
        self._archives = tuple(archives)
        self._jobs = jobs
        self._out = Path()
        self._clock = QTimer(self, interval=CLOCK_MS)
        self._clock.timeout.connect(self._show_progress)
        names = ", ".join(printable(path.name) for path in self._archives[:NAMED])
        more = len(self._archives) - NAMED
        self.column.addWidget(dim_label(names + (f" and {more} more" if more > 0 else ""), wrap=True))
        self.folder = QLineEdit(str(_suggested(self._archives)))
        self.folder.setAccessibleName("Folder to unpack into")
        self.folder.textChanged.connect(self._show_buttons)
        self.choose = QPushButton("&Choose…", autoDefault=False)
        self.choose.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.setSpacing(2 * UNIT)
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        self.column.addLayout(row)
        self.column.addWidget(
            dim_label(
                "A new or empty folder, or one where this was stopped: then it goes on. What was decided is taken along.",
                wrap=True,
            )
        )
        self.bar = QProgressBar(textVisible=True)
        self.bar.setRange(0, STEPS)
        self.bar.hide()
        self.column.addWidget(self.bar)
        self.words = Words()
        self.column.addWidget(self.words)
        self.column.addStretch(1)
        self.cancel = QPushButton("Cancel", autoDefault=False)
        self.cancel.clicked.connect(self.close)
        self.start = QPushButton("Unpack", default=True)
        self.start.clicked.connect(self.begin)
        self.column.addLayout(spread([], [self.cancel, self.start]))
        self._show_buttons()

    def begin(self) -> None:
        """Unpacks in the background."""
        self._out = Path(self.folder.text().strip()).expanduser()
        archives, out = self._archives, self._out
        self.words.say("", "")
        self.bar.setValue(0)
        self.bar.show()
        self._lock(busy=True)

        def work(job: Job) -> Unpacked:
            return unpack(archives, out, job.progress, job.stop.is_set)

        self.find_out(self._jobs, "Unpacking", work, self._ended)
        self._clock.start()

    def _show_progress(self) -> None:
        job = self._readers[-1]
        if job.total:
            self.bar.setValue(STEPS * job.done // job.total)

    def _ended(self, result: Unpacked | RsviewerError) -> None:
        self._clock.stop()
        self._lock(busy=False)
        if isinstance(result, RsviewerError):
            self.words.say(str(result), "bad")
        else:
            self.bar.setValue(STEPS)
            self.unpacked.emit(self._out)
            if result.problems:
                self.words.say("  ".join(result.problems[:NAMED]), "warn")
                self.cancel.setText("Close")
            else:
                self.close()

    def _choose(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder to unpack into", str(self._archives[0].parent))
        if name:
            self.folder.setText(name)

    def _lock(self, *, busy: bool) -> None:
        for widget in (self.folder, self.choose, self.start):
            widget.setEnabled(not busy)
        self.cancel.setText("Stop" if busy else "Cancel")

    def _show_buttons(self) -> None:
        self.start.setEnabled(bool(self.folder.text().strip()))


def _suggested(archives: Sequence[Path]) -> Path:
    """A folder beside the archives that is not there yet."""
    first = archives[0]
    stem = stem_of(first.name) if len(archives) == 1 else first.parent.name
    base = first.parent / f"{stem or 'dataset'}-unpacked"
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 100))]
    return next((path for path in candidates if not path.exists()), base)

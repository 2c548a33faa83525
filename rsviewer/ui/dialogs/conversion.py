"""What dialogs that make files of tiles have in common: a look ahead, the work with its progress, and what came of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QProgressBar, QPushButton, QWidget

from rsviewer.batch.converting.running import Conversion
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.ui.dialogs.dialog import Dialog, Words, dim_label, spread
from rsviewer.ui.dialogs.folderfield import FolderField
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job

REST_MS: Final = 250
"""Changes that come closer together are looked at together."""
WATCH_MS: Final = 100
NAMED: Final = 5
"""So many tiles that could not be converted are named."""


class ConversionDialog(Dialog):
    """Options above; below them the folder, what would be done, progress, and the buttons.

    Args:
        title, size: see `Dialog`.

    Signals:
        wants_opened: the folder with the results is to be opened as a dataset.
    """

    wants_opened = Signal(object)
    opens_results = True
    """Whether the folder with the results can be opened as a dataset."""

    def __init__(self, title: str, size: tuple[int, int], parent: QWidget | None = None) -> None:
        super().__init__(title, size, parent)
        self._job: Job | None = None
        self._result: Conversion | None = None
        self._is_ready = False
        self.folder = FolderField("Folder for the files")
        self.folder.edited.connect(self._folder_edited)
        self.overwrite = QCheckBox("Replace what is there")
        self.overwrite.toggled.connect(self.edited)
        self.overwrite.hide()
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._look_ahead)
        self._watching = QTimer(self, interval=WATCH_MS)
        self._watching.timeout.connect(self._watch)

    def build_foot(self, verb: str) -> None:
        """Adds what all of them have in common below the options."""
        self.words, self.remarks = Words(), Words()
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName("Progress")
        self.progress.setFixedHeight(2 * UNIT)
        self.how_far = dim_label("")
        for part in (self.words, self.remarks, self.progress, self.how_far):
            self.column.addWidget(part)
        self.show_folder = QPushButton("Open folder", autoDefault=False)
        self.show_folder.clicked.connect(self._open_folder)
        self.open_result = QPushButton("Open as dataset", autoDefault=False)
        self.open_result.clicked.connect(lambda: self.wants_opened.emit(self.folder.folder))
        close = QPushButton("Close", autoDefault=False)
        close.clicked.connect(self.close)
        self.stop = QPushButton("Stop", autoDefault=False)
        self.stop.clicked.connect(self._stop)
        self.go = QPushButton(verb, default=True)
        self.go.clicked.connect(self._start)
        self.column.addLayout(spread([self.show_folder, self.open_result], [close, self.stop, self.go]))
        hidden: tuple[QWidget, ...] = (self.progress, self.how_far, self.show_folder, self.open_result, self.stop)
        for widget in hidden:
            widget.hide()

    def leaving(self) -> None:
        """What is being converted goes on: the status bar shows it, and can stop it."""
        self._watching.stop()
        self._rest.stop()

    # --- what each of them says

    def look_ahead(self) -> None:
        """Finds out what would be done, and says so with `foresee`."""
        raise NotImplementedError

    def start(self, done: Callable[[Conversion], None]) -> Job | None:
        """Starts what was foreseen; None where that is not possible."""
        raise NotImplementedError

    def asked(self) -> tuple[QWidget, ...]:
        """What cannot be changed while the work is under way."""
        raise NotImplementedError

    def outcome(self, result: Conversion) -> str:
        """What was done, in a sentence."""
        return outcome(result)

    # --- looking ahead

    @property
    def is_busy(self) -> bool:
        """Whether the work is under way."""
        return self._job is not None

    def edited(self) -> None:
        """Something else is asked for: what would be done is not known any more, but will be soon."""
        if self._job is None:
            self._is_ready = False
            self.go.setEnabled(False)
            self._rest.start()

    def foresee(self, ahead: str | RsviewerError, remarks: str = "", *, is_possible: bool = True) -> None:
        """What would be done, or why it would not."""
        if self._job is not None:
            return
        in_the_way = isinstance(ahead, RsviewerError) and "--overwrite" in str(ahead)
        self.overwrite.setVisible(in_the_way or self.overwrite.isChecked())
        self._is_ready = is_possible and not isinstance(ahead, RsviewerError)
        self.go.setEnabled(self._is_ready)
        if isinstance(ahead, RsviewerError):
            self.say(in_words(str(ahead)), "warn")
        else:
            self.say(ahead, details=remarks)

    def say(self, words: str, tone: str = "", details: str = "") -> None:
        """A sentence above the buttons, and what belongs to it."""
        self.words.say(words, tone)
        self.remarks.say(details)

    def _folder_edited(self) -> None:
        self.overwrite.setChecked(False)
        self.edited()

    def _look_ahead(self) -> None:
        if self._job is None:
            self.look_ahead()

    # --- the work

    def _start(self) -> None:
        if self._job is not None or not self._is_ready:
            return
        self._result = None
        self.show_folder.hide()
        self.open_result.hide()
        self.say("")
        self._job = self.start(self._done)
        self._offer()
        self._watching.start()
        self._watch()

    def _done(self, result: Conversion) -> None:
        self._result = result

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop.set()
            self.stop.setEnabled(False)
            self._watch()

    def _offer(self) -> None:
        """What can be changed and clicked: nothing that the work in hand is made of."""
        busy = self._job is not None
        for widget in (*self.asked(), self.folder, self.overwrite):
            widget.setEnabled(not busy)
        self.go.setEnabled(not busy and self._is_ready)
        shown: tuple[QWidget, ...] = (self.progress, self.how_far, self.stop)
        for widget in shown:
            widget.setVisible(busy)
        self.stop.setEnabled(busy)

    def _watch(self) -> None:
        """Shows how far the work is, and how it has ended: stopped from elsewhere, too."""
        job = self._job
        if job is None:
            return
        if not job.finished:
            self.progress.setRange(0, job.total or 0)
            self.progress.setValue(job.done)
            self.how_far.setText("Stopping…" if job.stop.is_set() else _how_far(job))
            return
        self._job = None
        self._watching.stop()
        self._offer()
        if self._result is not None:
            self.say(self.outcome(self._result), "warn" if self._result.failed else "good", details(self._result))
            self.show_folder.setVisible(bool(self._result.written or self._result.skipped))
            self.open_result.setVisible(self.opens_results and self.show_folder.isVisibleTo(self))
        else:
            self.say(in_words(job.error), "" if job.stop.is_set() else "bad")

    def _open_folder(self) -> None:
        folder: Path | None = self.folder.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def in_words(message: str) -> str:
    """What a command would say, without its options: there is no command line in a window."""
    replaced = message.replace("say --overwrite", "let it be replaced").replace("--overwrite takes", "replacing takes")
    return re.sub(r"--(\w+(?:-\w+)*)", lambda option: option[1].replace("-", " "), replaced)


def tiles_of(count: int) -> str:
    """For example "1 tile", "2,000 tiles"."""
    return f"{count:,} tile{'' if count == 1 else 's'}"


def outcome(result: Conversion, left_out: str = "dropped") -> str:
    """What was done, in a sentence. `left_out`: why some were."""
    count = len(result.left_out)
    parts = [f"{tiles_of(result.written)} converted"]
    parts += [f"{result.skipped:,} there before"] if result.skipped else []
    parts += [f"{count:,} {left_out} tile{'' if count == 1 else 's'} left out"] if count else []
    parts += [f"{len(result.failed):,} could not be converted"] if result.failed else []
    return f"{', '.join(parts)}."


def details(result: Conversion) -> str:
    """What a careful person would want to know."""
    lines = [f"{printable(each.tile)}: {in_words(each.message)}" for each in result.failed[:NAMED]]
    more = len(result.failed) - NAMED
    lines += [f"… and {more:,} more."] if more > 0 else []
    lines += [
        f"{tiles_of(each.tiles)}, first {printable(each.first)}: {each.message}" for each in result.remarks[:NAMED]
    ]
    return "\n".join(lines)


def _how_far(job: Job) -> str:
    if not job.total:
        return ""
    pace = job.pace_in_words("tiles")
    return f"{job.done:,} of {job.total:,}{f', {pace}' if pace else ''}"

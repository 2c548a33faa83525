"""What all dialogs of the window have in common."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job, Jobs

V = TypeVar("V")

TALLEST = 8 * UNIT
"""Pixels of a field of one line."""


class Dialog(QDialog):
    """A window that asks while the tiles stay usable. Escape closes it, and it goes away when closed.

    Args:
        title: of the window.
        size: (width, height) it opens with, as far as the screen has room.
    """

    def __init__(self, title: str, size: tuple[int, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setModal(False)
        room = self.screen().availableSize()
        self.resize(min(size[0], room.width() - 10 * UNIT), min(size[1], room.height() - 20 * UNIT))
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        self.column.setSpacing(3 * UNIT)
        self._closed = False
        self._readers: list[Job] = []

    def leaving(self) -> None:
        """Called once when the dialog goes away, however that happens."""

    def done(self, result: int) -> None:
        """Escape and the close button come here."""
        self._leave()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        """A dialog that is not visible is closed without `done`."""
        self._leave()
        super().closeEvent(event)

    def _leave(self) -> None:
        if self._closed:
            return
        self._closed = True
        for job in self._readers:
            job.stop.set()
        self.leaving()

    def find_out(
        self, jobs: Jobs, title: str, work: Callable[[Job], V], done: Callable[[V | RsviewerError], None]
    ) -> Job:
        """Has something read in the background. It ends with the dialog; the world's faults reach `done` as values."""
        self._readers = [job for job in self._readers if not job.finished]
        self._readers.append(self.have_done(jobs, title, work, done))
        return self._readers[-1]

    def have_done(
        self, jobs: Jobs, title: str, work: Callable[[Job], V], done: Callable[[V | RsviewerError], None]
    ) -> Job:
        """Has something done in the background. It is finished even if the dialog is closed, and `done` not called then."""

        def attempt(job: Job) -> V | RsviewerError:
            try:
                return work(job)
            except RsviewerError as error:
                return error

        def report(result: V | RsviewerError) -> None:
            if not self._closed:
                done(result)

        return jobs.start(title, attempt, report)


class Newest(Generic[V]):
    """Finds out the same thing again and again, one at a time; what was asked meanwhile comes next, but for the newest.

    Args:
        dialog: that wants to know.
        jobs, title, done: see `Dialog.find_out`. `done` hears the answer to the newest question only.
    """

    def __init__(self, dialog: Dialog, jobs: Jobs, title: str, done: Callable[[V | RsviewerError], None]) -> None:
        self._dialog = dialog
        self._jobs = jobs
        self._title = title
        self._done = done
        self._next: Callable[[Job], V] | None = None
        self._job: Job | None = None
        self._starting = False

    @property
    def busy(self) -> bool:
        """Whether an answer will come. None comes where somebody has stopped the job."""
        return self._starting or (self._job is not None and not self._job.finished)

    def ask(self, work: Callable[[Job], V]) -> None:
        """Has this found out, soon."""
        self._next = work
        if not self.busy:
            self._start()

    def _start(self) -> None:
        work, self._next = self._next, None
        if work is not None:
            self._starting = True
            self._job = self._dialog.find_out(self._jobs, self._title, work, self._answered)
            self._starting = False

    def _answered(self, answer: V | RsviewerError) -> None:
        self._starting = False
        if self._next is not None:
            self._start()
        else:
            self._done(answer)


class WorkspaceDialog(Dialog):
    """A dialog about the open dataset. The window closes it when it opens another."""


class Words(QLabel):
    """Sentences that may be "good", "warn" or "bad"; hidden while there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.hide()

    def say(self, words: str, tone: str = "") -> None:
        """Shows sentences, or nothing."""
        self.setText(words)
        self.setVisible(bool(words))
        if self.property("tone") != tone:
            self.setProperty("tone", tone)
            self.style().unpolish(self)
            self.style().polish(self)


def form_layout() -> QFormLayout:
    """Fields below each other, each with its name before it."""
    form = QFormLayout()
    form.setHorizontalSpacing(4 * UNIT)
    form.setVerticalSpacing(2 * UNIT)
    return form


def align_labels(form: QFormLayout) -> None:
    """Names in the middle of their fields, and at the top of those that are many lines tall."""
    for row in range(form.rowCount()):
        label = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
        field = form.itemAt(row, QFormLayout.ItemRole.FieldRole)
        name = None if label is None else label.widget()
        if name is not None and field is not None:
            name.setMinimumHeight(min(field.sizeHint().height(), TALLEST))


def spread(left: Iterable[QWidget], right: Iterable[QWidget] = ()) -> QHBoxLayout:
    """A line with some things at its left end and others at its right one."""
    line = QHBoxLayout()
    line.setSpacing(2 * UNIT)
    for widget in left:
        line.addWidget(widget)
    line.addStretch()
    for widget in right:
        line.addWidget(widget)
    return line


def dim_label(text: str, *, wrap: bool = False) -> QLabel:
    """Words of less weight."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)  # what a card says, for one, comes from a stranger
    label.setProperty("dim", True)
    label.setWordWrap(wrap)
    return label


def heading(text: str) -> QLabel:
    """Words above what they name."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("heading", True)
    return label

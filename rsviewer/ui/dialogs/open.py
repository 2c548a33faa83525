"""Choosing a dataset: one of those opened last, a path, a folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.archives import is_archive
from rsviewer.data.archives.members import SUFFIXES
from rsviewer.data.recent import RecentDataset, forget, load_recent
from rsviewer.data.remote.names import is_remote, location, shown
from rsviewer.ui.dialogs.dialog import Dialog, Words, dim_label, heading, spread
from rsviewer.ui.dialogs.finder import Hit, Hits, hit_list
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job, Jobs

NOT_THERE = "not there now"
COMMANDING = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
PLACES = "folder, archive (.zip, .tar, .tar.gz), web address (https://, s3://, gs://), description (.toml)"


class OpenDialog(Dialog):
    """Asks for the folder of a dataset, or a TOML file that describes one.

    Signals:
        chosen: what to open.
        describe: a folder whose sub-folders are to be described.
    """

    chosen = Signal(Path)
    describe = Signal(Path)

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__("Open dataset", (720, 480), parent)
        self._jobs = jobs
        self._known: Sequence[tuple[RecentDataset, bool]] = ()
        self._build()
        self.find_out(jobs, "Looking for recent datasets", _recent, self._show)

    def _build(self) -> None:
        self.path = QLineEdit(placeholderText=PLACES)
        self.path.setAccessibleName("Path of a dataset")
        self.path.setClearButtonEnabled(True)
        self.path.textChanged.connect(self._show_buttons)
        choose = QPushButton("&Choose folder…", autoDefault=False)
        choose.clicked.connect(self.choose_folder)
        archive = QPushButton("Choose &archive…", autoDefault=False)
        archive.setToolTip("It is read without being unpacked. A folder of several archives is one dataset.")
        archive.clicked.connect(self.choose_archive)
        row = QHBoxLayout()
        row.setSpacing(2 * UNIT)
        row.addWidget(self.path, 1)
        row.addWidget(choose)
        row.addWidget(archive)
        self.hits = Hits(self)
        self.list = hit_list(self.hits)
        self.list.setAccessibleName("Datasets opened last")
        self.list.installEventFilter(self)
        self.list.doubleClicked.connect(self.open)
        self.list.selectionModel().currentChanged.connect(self._show_buttons)
        self.note = dim_label("No dataset was opened yet.")
        self.words = Words()
        describe = QPushButton("&Describe parallel folders…", autoDefault=False)
        describe.setToolTip("For folders of a layer each, with equal file names, that no format knows.")
        describe.clicked.connect(self.describe_folder)
        self.forget = QPushButton("&Forget", autoDefault=False)
        self.forget.setToolTip("Take the dataset from this list. Its files and decisions stay.")
        self.forget.clicked.connect(self.forget_current)
        cancel = QPushButton("Cancel", autoDefault=False)
        cancel.clicked.connect(self.close)
        self.open_button = QPushButton("Open", default=True)
        self.open_button.clicked.connect(self.open)
        self.column.addLayout(row)
        self.column.addWidget(heading("Opened last"))
        self.column.addWidget(self.note)
        self.column.addWidget(self.list, 1)
        self.column.addWidget(self.words)
        self.column.addLayout(spread([describe, self.forget], [cancel, self.open_button]))
        self._show_buttons()

    def open(self) -> None:
        """Opens the path that is typed, or the dataset that is selected."""
        path = self._typed() or self._selected()
        if path:
            try:
                self._choose(location(path).expanduser())
            except RsviewerError as error:
                self.words.say(str(error), "bad")

    def choose_folder(self) -> None:
        """Asks with the desktop's own dialog."""
        name = QFileDialog.getExistingDirectory(self, "The folder of a dataset", self._typed() or self._selected())
        if name:
            self._choose(Path(name))

    def choose_archive(self) -> None:
        """Asks for an archive with the desktop's own dialog."""
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(self, "An archive of a dataset", self._typed(), f"Archives ({patterns})")
        if name:
            self._choose(Path(name))

    def describe_folder(self) -> None:
        """Asks for a folder to describe."""
        name = QFileDialog.getExistingDirectory(self, "The folder that holds parallel folders", self._typed())
        if name:
            self.close()
            self.describe.emit(Path(name))

    def forget_current(self) -> None:
        """Takes the selected dataset from the list."""
        path = self._selected()
        if path:
            self.find_out(self._jobs, "Forgetting a dataset", lambda _: forget(path), self._forgotten)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """What is typed or pasted while the list has the keyboard is a path."""
        if watched is self.list and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            if event.matches(QKeySequence.StandardKey.Paste):
                self.path.setFocus()
                self.path.paste()
                return True
            if event.text().isprintable() and event.text().strip() and not event.modifiers() & COMMANDING:
                self.path.setFocus()
                self.path.insert(event.text())
                return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes a dataset from the list."""
        if event.key() == Qt.Key.Key_Delete and self.focusWidget() is self.list:
            self.forget_current()
        else:
            super().keyPressEvent(event)

    def _forgotten(self, result: RsviewerError | None) -> None:
        if isinstance(result, RsviewerError):
            self.words.say(str(result), "bad")
        else:
            self.find_out(self._jobs, "Looking for recent datasets", _recent, self._show)

    def _choose(self, path: Path) -> None:
        self.close()
        self.chosen.emit(path)

    def _typed(self) -> str:
        return self.path.text().strip().strip("\"'")

    def _selected(self) -> str:
        row = self.list.currentIndex().row()
        return self._known[row][0].path if 0 <= row < len(self._known) else ""

    def _show(self, known: Sequence[tuple[RecentDataset, bool]] | RsviewerError) -> None:
        if isinstance(known, RsviewerError):
            return
        self._known = known
        self.hits.fill([_hit(dataset, is_there) for dataset, is_there in known])
        self.note.setVisible(not known)
        if known:
            self.list.setCurrentIndex(self.hits.index(0))
            if not self._typed():
                self.list.setFocus()
        self._show_buttons()

    def _show_buttons(self) -> None:
        self.forget.setEnabled(bool(self._selected()))
        self.open_button.setEnabled(bool(self._typed() or self._selected()))


def _recent(_: Job) -> Sequence[tuple[RecentDataset, bool]]:
    """The datasets opened last, and whether they are there."""
    return [(dataset, _is_there(Path(dataset.path))) for dataset in load_recent()]


def _is_there(path: Path) -> bool:
    """Whether there is something to open; of a folder in an archive, whether the archive is there."""
    return (
        is_remote(str(path))
        or os.path.lexists(path)
        or any(is_archive(part) and part.is_file() for part in path.parents)
    )


def _hit(dataset: RecentDataset, is_there: bool) -> Hit:
    tiles = f"{dataset.tiles:,} tiles" if dataset.tiles else ""
    return Hit(
        printable(dataset.title),
        detail=shown(dataset.path),
        right=tiles if is_there else NOT_THERE,
        dim=not is_there,
    )

"""A folder that something is to be written to: typed, or chosen."""

import os
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from rsviewer.core.tile import printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.archives import stem_of
from rsviewer.ui.theme import UNIT


class PathField(QWidget):
    """A line for paths, and a button that asks for them.

    Args:
        name: what they are for, as a program for the blind reads it.
        empty: what stands there, dim, while there are none.

    Signals:
        edited: the text has changed.
    """

    edited = Signal()

    def __init__(self, name: str, empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.line = QLineEdit(placeholderText=empty)
        self.line.setAccessibleName(name)
        self.line.textChanged.connect(lambda _: self.edited.emit())
        choose = QPushButton("Choose…", autoDefault=False)
        choose.clicked.connect(self.choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * UNIT)
        row.addWidget(self.line, 1)
        row.addWidget(choose)
        self.setFocusProxy(self.line)

    def choose(self) -> None:
        """Asks for them."""
        raise NotImplementedError


class FolderField(PathField):
    """A folder.

    Args:
        name: what it is for: "Folder for the export".
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, "a folder", parent)

    @property
    def folder(self) -> Path | None:
        """What stands there; None where that is nothing, or no absolute path."""
        text = self.line.text().strip()
        try:
            path = Path(text).expanduser()
        except RuntimeError:  # ~somebody, whom nobody knows
            return None
        return path if text and path.is_absolute() else None

    def put(self, folder: Path) -> None:
        """Writes it there."""
        self.line.setText(str(folder))

    def choose(self) -> None:
        """See `PathField`."""
        asking = QFileDialog(self, self.name)
        asking.setFileMode(QFileDialog.FileMode.Directory)
        asking.setOption(QFileDialog.Option.ShowDirsOnly)
        here = self.folder
        near = next((parent for parent in (here, *here.parents) if parent.is_dir()), None) if here else None
        if near is not None:
            asking.setDirectory(str(near))
        asking.fileSelected.connect(lambda name: self.put(Path(name)))
        asking.finished.connect(asking.deleteLater)
        asking.open()


def suggested(dataset: Dataset, word: str) -> Path:
    """A folder that does not exist yet for something that is made of a dataset."""
    return free_folder(f"{printable(stem_of(dataset.root.name)) or 'dataset'}-{word}")


def free_folder(name: str) -> Path:
    """A folder that does not exist yet, among the user's documents."""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    parent = Path(documents) if documents and Path(documents).is_dir() else Path.home()
    candidates = (parent / (name if number == 1 else f"{name}-{number}") for number in range(1, 100))
    return next((path for path in candidates if not os.path.lexists(path)), parent / name)

"""Asks whose weights a file holds, and puts them on the user's shelf of models."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit, QMenu, QPushButton, QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.data.proposals.proposal import Question
from rsviewer.data.proposals.recognising import completed, propose
from rsviewer.ui.dialogs.dialog import Words, WorkspaceDialog, dim_label, form_layout, spread
from rsviewer.ui.dialogs.folderfield import FolderField
from rsviewer.workspace.background import Job
from rsviewer.workspace.workspace import Workspace

ADDING: Final = "Adding weights"
RECOGNISE: Final = "Recognise it by the file"
RECOGNISED: Final = "?"
"""In the place of the id of a card."""
CARD_FILE: Final = "A card in a file…"
FILES: Final = (
    "Weights and cards (*.pth *.pt *.safetensors *.bin *.onnx *.pt2 *.ts *.toml model_index.json *.index.json"
    " *.index.fp16.json);;"
    "All files (*)"
)
CARDS: Final = "Model cards (*.toml)"


class AddModelDialog(WorkspaceDialog):
    """Puts a file with a model's numbers on the shelf: copied, or used where it lies. The hash is checked on a worker.

    Of families that can be recognised, the card is made from the file; what it does not say is asked. A model of several
    networks is a folder, which is always used where it lies.

    Args:
        workspace: whose models are looked at again afterwards.
        file: the weights, their folder, or a card; None asks for it.
        parent: the window.

    Signals:
        added: a model is on the shelf; carries its id.
    """

    added = Signal(str)

    def __init__(self, workspace: Workspace, file: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__("Add weights", (560, 264), parent)
        self.workspace = workspace
        self._job: Job | None = None
        self.file = QLineEdit()
        self.file.setPlaceholderText("A file with a model's weights, or a folder of several networks")
        self.browse = QPushButton("Choose…")
        menu = QMenu(self.browse)
        self.browse_file = menu.addAction("A file…", self._choose_weights)
        self.browse_folder = menu.addAction("A folder of several networks…", self._choose_folder)
        self.browse.setMenu(menu)
        self.card = QComboBox()
        self.card_file = QLineEdit()
        self.card_file.setPlaceholderText("A TOML file that says what the model takes and gives")
        self.browse_card = QPushButton("Choose…")
        self.answer = QComboBox()
        self.answer.setAccessibleName("Answer")
        self.folder = FolderField("The folder that is asked for")
        self._asked: Question | None = None
        self._answers: dict[str, str] = {}
        self.link = QCheckBox("Use the file where it lies, do not copy it")
        self.replace = QCheckBox("Replace a model of mine that has the same id")
        self.words = Words()
        self.add = QPushButton("Add")
        self.add.setDefault(True)
        self.leave = QPushButton("Cancel")
        self._build()
        if file is not None:
            self._put(file)
        self._check()

    def _build(self) -> None:
        self.card.addItem(RECOGNISE, RECOGNISED)
        for shelved in self.workspace.predicting.state.models:
            if shelved.builtin and shelved.card is not None and shelved.presence is not Presence.HERE:
                self.card.addItem(_title(shelved), shelved.id)
        self.card.addItem(CARD_FILE, "")
        form = form_layout()
        form.addRow("&Weights", _pair(self.file, self.browse))
        form.addRow("&Model", self.card)
        self._card_row = _pair(self.card_file, self.browse_card)
        form.addRow("", self._card_row)
        form.addRow("", self.answer)
        form.addRow("", self.folder)
        form.addRow("", self.link)
        form.addRow("", self.replace)
        self.column.addLayout(form)
        self.column.addWidget(
            dim_label(
                "Nothing in it is run now. Its hash is compared with that of the card. A folder is used where it lies.",
                wrap=True,
            )
        )
        self.column.addWidget(self.words)
        self.column.addStretch()
        self.column.addLayout(spread((), (self.leave, self.add)))
        self.browse_card.clicked.connect(self._choose_card)
        self.card.currentIndexChanged.connect(lambda _: self._forget())
        self.file.textChanged.connect(lambda _: self._forget())
        self.card_file.textChanged.connect(lambda _: self._forget())
        self.folder.edited.connect(self._check)
        self.add.clicked.connect(self._add)
        self.leave.clicked.connect(self.close)

    def leaving(self) -> None:
        """A copy under way is broken off."""
        if self._job is not None:
            self._job.stop.set()

    def _put(self, file: Path) -> None:
        """Writes a file where it belongs: weights, or a card."""
        if file.suffix.lower() == ".toml":
            self.card.setCurrentIndex(self.card.count() - 1)
            self.card_file.setText(str(file))
        else:
            self.file.setText(str(file))

    def _choose_weights(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "The weights", _near(self.file), FILES)
        if name:
            self._put(Path(name))

    def _choose_card(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "The model's card", _near(self.card_file), CARDS)
        if name:
            self.card_file.setText(name)

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "The folder of a model of several networks", _near(self.file))
        if name:
            self.file.setText(name)

    def _forget(self) -> None:
        """Another file: what was asked of the one before is not asked of it."""
        self._asked = None
        self._answers.clear()
        self.words.say("")
        self._check()

    def _check(self) -> None:
        by_file = not self.card.currentData()
        self._card_row.setVisible(by_file)
        self.replace.setVisible(by_file or self.card.currentData() == RECOGNISED)
        asks_folder = self._asked is not None and self._asked.is_folder
        self.answer.setVisible(self._asked is not None and not asks_folder)
        self.folder.setVisible(asks_folder)
        is_whole = bool(self.file.text().strip()) and (not by_file or bool(self.card_file.text().strip()))
        is_whole = is_whole and not (asks_folder and self.folder.folder is None)
        self.add.setEnabled(is_whole and (self._job is None or self._job.finished))

    def _add(self) -> None:
        file, asked_of = _typed(self.file), self._said
        chosen = str(self.card.currentData() or "")
        is_recognised = chosen == RECOGNISED
        card: Path | str = chosen or _typed(self.card_file)
        link = self.link.isChecked()
        overwrite = bool(chosen and not is_recognised) or self.replace.isChecked()
        shelf = self.workspace.opened.shelf
        if self._asked is not None:
            said = self.folder.folder if self._asked.is_folder else self.answer.currentData()
            self._answers[self._asked.key] = str(said)
        answers = dict(self._answers)

        def work(job: Job) -> ShelvedModel | Question:
            def progress(done: int, total: int | None) -> None:
                job.progress(done, total)
                if job.stop.is_set():
                    raise RsviewerError("Stopped: nothing was added.")

            found = propose(file, answers) if is_recognised else completed(shelf.card_of(card), file, answers)
            if isinstance(found, Question):
                return found
            return shelf.add(file, found.card, link=link, overwrite=overwrite, progress=progress)

        self.words.say(f"Reading {printable(file.name)}…")
        self._job = self.have_done(self.workspace.jobs, ADDING, work, lambda result: self._done(result, asked_of))
        self._check()

    @property
    def _said(self) -> tuple[str, object, str]:
        """Which file and card are named now."""
        return self.file.text(), self.card.currentData(), self.card_file.text()

    def _done(self, result: ShelvedModel | Question | RsviewerError, asked_of: tuple[str, object, str]) -> None:
        """Tells of what was `_said` when it was begun."""
        self._job = None
        if isinstance(result, Question) and asked_of == self._said:
            self._ask(result)
        self._check()
        if isinstance(result, Question):
            return
        if isinstance(result, RsviewerError):
            self.words.say(str(result), "bad")
            return
        self.workspace.predicting.refresh_models()
        self.added.emit(result.id)
        self.close()

    def _ask(self, question: Question) -> None:
        self._asked = question
        self.answer.clear()
        for answer, words in question.choices.items():
            self.answer.addItem(words[:1].upper() + words[1:], answer)
        self.words.say(f"{question.asks} Choose{' it' if question.is_folder else ''}, and add the model.", "warn")
        self._check()
        (self.folder if question.is_folder else self.answer).setFocus()


def _typed(field: QLineEdit) -> Path:
    """The path in a field; "~" is the user's folder."""
    path = Path(field.text().strip())
    try:
        return path.expanduser()
    except RuntimeError:  # ~somebody, whom nobody knows
        return path.absolute()


def _near(field: QLineEdit) -> str:
    """The folder where one looks for another file than the one in a field."""
    return str(Path(field.text()).parent) if field.text() else ""


def _title(shelved: ShelvedModel) -> str:
    return shelved.id if shelved.card is None else f"{shelved.card.title} ({shelved.id})"


def _pair(field: QWidget, button: QWidget) -> QWidget:
    row = QWidget()
    line = spread((field,), (button,))
    line.setStretch(0, 1)
    line.setContentsMargins(0, 0, 0, 0)
    row.setLayout(line)
    return row

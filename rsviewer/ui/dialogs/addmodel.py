"""Asks whose weights a file holds, and puts them on the user's shelf of models."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit, QPushButton, QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.data.proposals.proposal import Question
from rsviewer.data.proposals.recognising import propose
from rsviewer.ui.dialogs.dialog import Words, WorkspaceDialog, dim_label, form_layout, spread
from rsviewer.workspace.background import Job
from rsviewer.workspace.workspace import Workspace

ADDING: Final = "Adding weights"
RECOGNISE: Final = "Recognise it by the file"
RECOGNISED: Final = "?"
"""In the place of the id of a card."""
CARD_FILE: Final = "A card in a file…"
FILES: Final = "Weights (*.pth *.pt *.safetensors *.bin *.onnx *.pt2 *.ts model_index.json);;All files (*)"
CARDS: Final = "Model cards (*.toml)"


class AddModelDialog(WorkspaceDialog):
    """Puts a file with a model's numbers on the shelf: copied, or used where it lies. The hash is checked on a worker.

    Of families that can be recognised, the card is made from the file; what it does not say is asked.

    Args:
        workspace: whose models are looked at again afterwards.
        file: the weights, or a card; None asks for it.
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
        self.file.setPlaceholderText("The file with the model's weights")
        self.browse = QPushButton("Choose…")
        self.card = QComboBox()
        self.card_file = QLineEdit()
        self.card_file.setPlaceholderText("A TOML file that says what the model takes and gives")
        self.browse_card = QPushButton("Choose…")
        self.answer = QComboBox()
        self.answer.setAccessibleName("Answer")
        self._asked: Question | None = None
        self._answers: dict[str, str] = {}
        self.link = QCheckBox("Use the file where it lies, do not copy it")
        self.replace = QCheckBox("Replace a model of mine that has the same id")
        self.words = Words()
        self.add = QPushButton("Add")
        self.add.setDefault(True)
        self.leave = QPushButton("Cancel")
        self._build()
        card, weights = (file, None) if file is not None and file.suffix.lower() == ".toml" else (None, file)
        if weights is not None:
            self.file.setText(str(weights))
        if card is not None:
            self.card.setCurrentIndex(self.card.count() - 1)
            self.card_file.setText(str(card))
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
        form.addRow("", self.link)
        form.addRow("", self.replace)
        self.column.addLayout(form)
        self.column.addWidget(
            dim_label(
                "Nothing in the file is run now. Its hash is compared with the one that the card gives.", wrap=True
            )
        )
        self.column.addWidget(self.words)
        self.column.addStretch()
        self.column.addLayout(spread((), (self.leave, self.add)))
        self.browse.clicked.connect(lambda: self._choose(self.file, "The weights", FILES))
        self.browse_card.clicked.connect(lambda: self._choose(self.card_file, "The model's card", CARDS))
        self.card.currentIndexChanged.connect(lambda _: self._forget())
        self.file.textChanged.connect(lambda _: self._forget())
        self.card_file.textChanged.connect(lambda _: self._check())
        self.add.clicked.connect(self._add)
        self.leave.clicked.connect(self.close)

    def leaving(self) -> None:
        """A copy under way is broken off."""
        if self._job is not None:
            self._job.stop.set()

    def _choose(self, field: QLineEdit, title: str, kinds: str) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, title, str(Path(field.text()).parent) if field.text() else "", kinds
        )
        if name:
            field.setText(name)

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
        self.answer.setVisible(self._asked is not None)
        is_whole = bool(self.file.text().strip()) and (not by_file or bool(self.card_file.text().strip()))
        self.add.setEnabled(is_whole and (self._job is None or self._job.finished))

    def _add(self) -> None:
        file = Path(self.file.text().strip()).expanduser()
        chosen = str(self.card.currentData() or "")
        is_recognised = chosen == RECOGNISED
        card: Path | str = chosen or Path(self.card_file.text().strip()).expanduser()
        link = self.link.isChecked()
        overwrite = bool(chosen and not is_recognised) or self.replace.isChecked()
        shelf = self.workspace.opened.shelf
        if self._asked is not None:
            self._answers[self._asked.key] = str(self.answer.currentData())
        answers = dict(self._answers)

        def work(job: Job) -> ShelvedModel | Question:
            def progress(done: int, total: int | None) -> None:
                job.progress(done, total)
                if job.stop.is_set():
                    raise RsviewerError("Stopped: nothing was added.")

            if is_recognised:
                found = propose(file, answers)
                if isinstance(found, Question):
                    return found
                return shelf.add(file, found.card, link=link, overwrite=overwrite, progress=progress)
            return shelf.add(file, card, link=link, overwrite=overwrite, progress=progress)

        self.words.say(f"Reading {printable(file.name)}…")
        self._job = self.have_done(self.workspace.jobs, ADDING, work, self._done)
        self._check()

    def _done(self, result: ShelvedModel | Question | RsviewerError) -> None:
        self._job = None
        if isinstance(result, Question):
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
        self.words.say(f"{question.asks} Choose, and add it.", "warn")


def _title(shelved: ShelvedModel) -> str:
    return shelved.id if shelved.card is None else f"{shelved.card.title} ({shelved.id})"


def _pair(field: QWidget, button: QWidget) -> QWidget:
    row = QWidget()
    line = spread((field,), (button,))
    line.setStretch(0, 1)
    line.setContentsMargins(0, 0, 0, 0)
    row.setLayout(line)
    return row

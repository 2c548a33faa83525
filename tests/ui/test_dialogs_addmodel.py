"""Weights are put on the shelf by a dialog: nothing in them is run, and no model of the user goes for a stranger's card."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from shiboken6 import isValid

from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.data.modelcards import dump_card, read_card
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.ui.dialogs import addmodel
from rsviewer.ui.dialogs.addmodel import AddModelDialog
from rsviewer.workspace.workspace import Workspace

FIRST, SECOND = b"the numbers of the user", b"the numbers of somebody else"


@pytest.fixture
def dialog(workspace: Workspace) -> Iterator[Callable[..., AddModelDialog]]:
    """A dialog as if a card and weights were typed into it."""
    dialogs: list[AddModelDialog] = []

    def make(card: Path, weights: Path) -> AddModelDialog:
        made = AddModelDialog(workspace, card)
        dialogs.append(made)
        made.show()
        made.file.setText(str(weights))
        return made

    yield make
    for made in dialogs:
        if isValid(made):  # it goes when it is closed
            made.close()


def model_file(folder: Path, content: bytes, family: str = "onnx") -> tuple[Path, Path]:
    folder.mkdir()
    weights, card = folder / "net.onnx", folder / "card.toml"
    weights.write_bytes(content)
    made = ModelCard(
        *("mine", "Mine", family, (ModelInput(),), (ModelOutput(OutputKind.HEIGHT),), (Framing("whole"),)),
        Weights("net.onnx"),
    )
    card.write_text(dump_card(made))
    return card, weights


def on_shelf(workspace: Workspace) -> ShelvedModel:
    return workspace.opened.shelf.find("mine")


def test_a_model_is_added_and_the_file_that_holds_programs_is_not_run_by_that(
    workspace: Workspace, dialog: Callable[..., AddModelDialog], tmp_path: Path
) -> None:
    adding = dialog(*model_file(tmp_path / "a", FIRST, "torchscript"))
    adding.add.click()

    assert on_shelf(workspace).presence is Presence.HERE
    assert not workspace.opened.shelf.is_allowed(hashlib.sha256(FIRST).hexdigest())
    assert not adding.isVisible()


def test_a_model_of_the_user_is_only_replaced_when_that_is_asked(
    workspace: Workspace, dialog: Callable[..., AddModelDialog], tmp_path: Path
) -> None:
    dialog(*model_file(tmp_path / "a", FIRST)).add.click()

    adding = dialog(*model_file(tmp_path / "b", SECOND))
    adding.add.click()
    assert "There is a model mine already" in adding.words.text()
    assert on_shelf(workspace).weights.read_bytes() == FIRST

    adding.replace.setChecked(True)
    adding.add.click()
    assert on_shelf(workspace).weights.read_bytes() == SECOND


def test_what_cannot_be_added_is_said_in_the_dialog(dialog: Callable[..., AddModelDialog], tmp_path: Path) -> None:
    card, weights = model_file(tmp_path / "a", b"")
    adding = dialog(card, weights)
    adding.add.click()

    assert "is empty" in adding.words.text()
    assert adding.isVisible()
    assert all(label.textFormat().name != "RichText" for label in adding.findChildren(QLabel))


def test_a_file_is_recognised_and_what_it_does_not_say_is_asked(
    workspace: Workspace, dialog: Callable[..., AddModelDialog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, weights = model_file(tmp_path / "a", FIRST)
    asked = Question("labels", "Nobody says it.", {"single": "one class", "multi": "several"})

    def propose(_file: Path, answers: Answers) -> Proposal | Question:
        return Proposal(replace(read_card(card), title=f"Mine, {answers['labels']}")) if answers else asked

    monkeypatch.setattr(addmodel, "propose", propose)
    adding = dialog(weights, weights)
    assert adding.card.currentText() == addmodel.RECOGNISE
    assert not adding.answer.isVisible()

    adding.add.click()
    assert adding.words.text() == "Nobody says it. Choose, and add it."
    assert [adding.answer.itemText(row) for row in range(adding.answer.count())] == ["One class", "Several"]
    assert adding.answer.isVisible()
    adding.answer.setCurrentIndex(1)
    adding.add.click()

    added = on_shelf(workspace).card
    assert added is not None
    assert added.title == "Mine, multi"


def test_a_file_that_nobody_knows_is_said_to_need_a_card(dialog: Callable[..., AddModelDialog], tmp_path: Path) -> None:
    _, weights = model_file(tmp_path / "a", FIRST)
    adding = dialog(weights, weights)
    adding.add.click()
    assert "net.onnx is no file of weights that is known here" in adding.words.text()

"""Weights are put on the shelf by a dialog: nothing in them is run, and no model of the user goes for a stranger's card."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QLabel
from shiboken6 import isValid

from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.data.modelcards import dump_card, read_card
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.ui.dialogs import addmodel
from rsviewer.ui.dialogs.addmodel import AddModelDialog
from rsviewer.workspace.workspace import Workspace
from tests.data.test_marigold_folders import folder_of

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
    assert adding.words.text() == "Nobody says it. Choose, and add the model."
    assert [adding.answer.itemText(row) for row in range(adding.answer.count())] == ["One class", "Several"]
    assert adding.answer.isVisible()
    adding.answer.setCurrentIndex(1)
    adding.add.click()

    added = on_shelf(workspace).card
    assert added is not None
    assert added.title == "Mine, multi"


def test_what_is_asked_of_a_file_is_not_asked_of_the_one_that_was_named_meanwhile(
    dialog: Callable[..., AddModelDialog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def propose(_file: Path, _answers: Answers) -> Question:
        adding.file.setText(str(tmp_path / "another"))
        return Question("labels", "Nobody says it.", {"single": "one class", "multi": "several"})

    monkeypatch.setattr(addmodel, "propose", propose)
    _, weights = model_file(tmp_path / "a", FIRST)
    adding = dialog(weights, weights)
    adding.add.click()

    assert not adding.answer.isVisible()
    assert not adding.words.text()
    assert adding.add.isEnabled()


def test_the_home_of_nobody_is_said_to_be_no_file(dialog: Callable[..., AddModelDialog], tmp_path: Path) -> None:
    card, weights = model_file(tmp_path / "a", FIRST)
    adding = dialog(card, weights)
    adding.file.setText("~nobody-of-that-name/net.onnx")
    adding.add.click()
    assert "There is no file" in adding.words.text()
    adding.card_file.setText("~nobody-of-that-name/card.toml")
    adding.add.click()
    assert "card.toml" in adding.words.text()


def test_a_file_that_nobody_knows_is_said_to_need_a_card(dialog: Callable[..., AddModelDialog], tmp_path: Path) -> None:
    _, weights = model_file(tmp_path / "a", FIRST)
    adding = dialog(weights, weights)
    adding.add.click()
    assert "net.onnx is no file of weights that is known here" in adding.words.text()


@pytest.fixture
def empty(workspace: Workspace) -> Iterator[AddModelDialog]:
    """The dialog as the menu opens it."""
    made = AddModelDialog(workspace)
    made.show()
    yield made
    if isValid(made):
        made.close()


@pytest.mark.parametrize("by_id", [False, True])
def test_a_folder_of_networks_is_added_and_asks_for_the_folder_that_it_lacks(
    workspace: Workspace, empty: AddModelDialog, tmp_path: Path, by_id: bool
) -> None:
    left = folder_of(tmp_path / "iter_1", parts=(), name="diffusion_pytorch_model.bin")
    base = folder_of(tmp_path / "stable-diffusion-2")
    empty.file.setText(str(left))
    if by_id:
        empty.card.setCurrentIndex(empty.card.findData("marigold-rs"))
    assert not empty.folder.isVisible()

    empty.add.click()
    assert "has no folders vae, text_encoder, tokenizer and scheduler" in empty.words.text()
    assert "--set" not in empty.words.text()
    assert empty.folder.isVisible()
    assert not empty.answer.isVisible()
    assert not empty.add.isEnabled()  # until a folder is named

    empty.folder.put(tmp_path)
    assert empty.add.isEnabled()
    empty.add.click()
    assert "has a folder vae: name another folder" in empty.words.text()
    assert empty.folder.isVisible()

    empty.folder.put(base)
    empty.add.click()
    added = workspace.opened.shelf.find("marigold-rs")
    assert added.card is not None
    assert added.card.settings["base"] == str(base)
    assert added.weights == left / "unet" / "diffusion_pytorch_model.bin"


def test_files_and_folders_are_chosen_in_the_desktop_s_dialogs(
    empty: AddModelDialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    empty.browse_folder.trigger()
    assert empty.file.text() == str(tmp_path)
    for name in ("mine.onnx", "card.toml"):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, name=name: (str(tmp_path / name), ""))
        empty.browse_file.trigger()
    assert empty.file.text() == str(tmp_path / "mine.onnx")
    assert empty.card_file.text() == str(tmp_path / "card.toml")  # a card is no weights
    assert empty.card.currentText() == addmodel.CARD_FILE
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    empty.browse_file.trigger()
    empty.browse_folder.trigger()
    assert empty.file.text() == str(tmp_path / "mine.onnx")


def test_another_file_or_card_is_asked_nothing_of_the_one_before(empty: AddModelDialog, tmp_path: Path) -> None:
    empty.file.setText(str(folder_of(tmp_path / "iter_1", parts=())))
    empty.add.click()
    assert empty.folder.isVisible()
    empty.file.setText(str(tmp_path / "other"))
    assert not empty.folder.isVisible()
    assert not empty.words.text()

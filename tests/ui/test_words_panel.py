"""Classes in words are edited in the model panel, and how well the caption fits stands beside them."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.judging import Judgement
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Scores, Weights
from rsviewer.core.prediction import Prediction
from rsviewer.core.prompts import with_words
from rsviewer.core.tile import TileId
from rsviewer.core.wordmetrics import WordScores
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.ui.panels.model import ModelPanel
from rsviewer.ui.panels.words import WordsView
from rsviewer.workspace.modelstate import ModelState, Stage
from tests.workspace.models import FakeShelf, opened_again, settle
from tests.workspace.test_asking_in_words import ReadingLab, captioned, reader

__all__ = ["captioned"]
"""A fixture that is used here, too."""

OWN = ("river", "lake")
TILE = TileId("a/1")
CARD = with_words(
    ModelCard(
        *("clip", "Clip", "skyclip", (ModelInput(),)),
        (ModelOutput(OutputKind.SCENE, "scene", "what it shows", scores=Scores.PROMPTS),),
        *((Framing("square"),), Weights("clip.bin")),
    ),
    OWN,
)
STATE = ModelState(model=ShelvedModel(CARD, "clip", Path("clip.bin"), Presence.HERE), words=OWN)


@pytest.fixture
def view(qtbot: QtBot) -> WordsView:
    view = WordsView()
    qtbot.addWidget(view)
    view.show()
    view.part.head.click()
    view.show_state(STATE)
    return view


def test_classes_are_asked_for_when_the_writer_is_done(view: WordsView, qtbot: QtBot) -> None:
    assert view.edit.toPlainText() == "river\nlake"
    assert not view.reset.isEnabled()
    view.edit.setPlainText("river\n\n  dense   forest\n")
    with qtbot.waitSignal(view.done), qtbot.waitSignal(view.asked) as asked:
        qtbot.keyClick(view.edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert asked.args == [("river", "dense forest")]
    view.show_state(replace(STATE, words=("river", "dense forest")))
    assert view.edit.toPlainText() == "river\ndense forest"
    with qtbot.waitSignal(view.asked) as signal:
        view.reset.click()
    assert signal.args == [()]


def test_what_cannot_be_asked_for_is_said_and_stays(view: WordsView, qtbot: QtBot) -> None:
    view.edit.setPlainText("river")
    with qtbot.assertNotEmitted(view.asked):
        view.ask.click()
    assert "two classes" in view.fault.text()
    assert not view.fault.isHidden()
    view.show_state(replace(STATE, waiting=3))
    assert view.edit.toPlainText() == "river", "nothing that is being typed is lost"
    view.edit.setPlainText("lake\nriver")
    view.ask.click()
    assert view.fault.isHidden()


def test_the_similarity_says_what_is_usual_and_the_label_where_it_stands(view: WordsView) -> None:
    assert view.similarity.isHidden()
    prediction = Prediction(TILE, "m", similarity=0.2714)
    judged = Judgement(TILE, prediction, words=WordScores(0.2714, 2), label="bridge")
    view.show_state(replace(STATE, stage=Stage.DONE, judgement=judged))
    assert "0.271" in view.similarity.text()
    assert "sort the queue" in view.similarity.text()
    assert "bridge, number 3 of the classes" in view.similarity.text()


def test_tiles_are_looked_for_by_words_and_by_the_current_one(view: WordsView, qtbot: QtBot) -> None:
    view.search_part.head.click()
    with qtbot.assertNotEmitted(view.looked_for):
        view.look.click()
    view.words.setText("a river")
    with qtbot.waitSignal(view.looked_for) as signal:
        qtbot.keyClick(view.words, Qt.Key.Key_Return)
    assert signal.args == ["a river"]
    for button, command in ((view.like, "queue.like"), (view.every, "queue.all"), (view.prepare, "model.prepare")):
        with qtbot.waitSignal(view.command_wanted) as wanted:
            button.click()
        assert wanted.args == [command]
    with qtbot.waitSignal(view.done):
        qtbot.keyClick(view.words, Qt.Key.Key_Escape)


def test_how_near_the_tile_is_stands_below_what_was_looked_for(view: WordsView) -> None:
    view.search_part.head.click()
    assert view.nearness.isHidden()
    view.show_state(STATE, "0.250 like “a river”")
    assert view.nearness.text() == "0.250 like “a river”"
    assert view.nearness.isVisible()


def test_tool_tips_name_the_keys_that_do_the_same(view: WordsView) -> None:
    view.set_keys({"queue.like": "Shift+F"})
    assert view.like.toolTip().endswith("Key: Shift+F")
    assert "Key" not in view.every.toolTip()


def test_the_panel_hands_wishes_on(captioned: Path, qtbot: QtBot) -> None:
    lab, shelf = ReadingLab(), FakeShelf()
    shelf.cards = {"clip": reader()}
    workspace = opened_again(captioned, lab, shelf)  # type: ignore[arg-type]  # another fake
    panel = ModelPanel()
    qtbot.addWidget(panel)
    panel.set_workspace(workspace)
    workspace.predicting.choose("clip")
    settle(workspace)
    panel.show_state()
    panel.words.asked.emit(("beach", "sea"))
    assert workspace.predicting.state.words == ("beach", "sea")
    with qtbot.waitSignal(panel.asked) as asked:
        panel.words.prepare.click()
    assert asked.args == ["model.prepare"]
    workspace.likeness.prepare()
    settle(workspace)
    assert [words for _, words, _ in lab.asked] == [("beach", "sea")] * 2
    workspace.likeness.like_this()
    settle(workspace)
    assert workspace.likeness.is_shown
    workspace.likeness.show_all()
    settle(workspace)
    assert not workspace.likeness.is_shown
    panel.set_workspace(None)
    workspace.close()


def test_the_line_for_words_is_opened_with_the_focus_in_it(view: WordsView, qtbot: QtBot) -> None:
    assert not view.search_part.is_open
    view.activateWindow()
    view.words.setText("a river")
    view.edit_words()
    assert view.search_part.is_open
    qtbot.waitUntil(view.words.hasFocus)
    assert view.words.selectedText() == "a river"


def test_a_model_with_classes_of_its_own_shows_nothing_of_this(view: WordsView) -> None:
    view.show_state(ModelState())
    assert view.isHidden()

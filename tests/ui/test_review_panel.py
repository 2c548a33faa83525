"""The review panel shows the decision about the tile on the screen, and never writes it to another one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.core.review import Anomaly, Decision, Region, Verdict
from rsviewer.core.scene import View
from rsviewer.core.tile import TileId
from rsviewer.ui.panels.review import ReviewPanel, progress_words, region_words, view_of, who_words
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.workspace.background import call_now
from rsviewer.workspace.commands import bindings, command
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace


class Window(QWidget):
    """Runs the commands that the panel asks for, and has another place for the focus."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.panel = ReviewPanel()
        self.elsewhere = QLineEdit()
        column = QVBoxLayout(self)
        column.addWidget(self.panel)
        column.addWidget(self.elsewhere)
        self.resize(320, 700)
        self._workspace = workspace
        self.panel.asked.connect(self._run)
        self.panel.set_workspace(workspace)

    def _run(self, id_: str) -> None:
        self.asked.append(id_)
        workspace = self._workspace
        if id_.startswith("review.tag."):
            workspace.toggle_tag(int(id_.rsplit(".", 1)[1]))
        else:
            verdicts = {"review.good": Verdict.GOOD, "review.drop": Verdict.DROP}
            workspace.set_verdict(verdicts.get(command(id_).id, Verdict.UNDECIDED))


@pytest.fixture
def window(qtbot: QtBot, workspace: Workspace) -> Window:
    made = Window(workspace)
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    made.elsewhere.setFocus()
    qtbot.waitUntil(made.elsewhere.hasFocus)
    return made


@pytest.fixture
def panel(window: Window) -> ReviewPanel:
    return window.panel


@pytest.fixture
def reader(workspace: Workspace, tiny_dataset: Path) -> Iterator[Workspace]:
    """A second window on the same project: read-only."""
    second = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10_000_000, reviewer="bob", threaded_jobs=False
    )
    second.start()
    yield second
    second.close()


def type_note(qtbot: QtBot, panel: ReviewPanel, words: str) -> None:
    panel.edit_note()
    qtbot.waitUntil(panel.note.hasFocus)
    qtbot.keyClicks(panel.note, words)


def test_a_verdict_button_asks_for_the_command_of_its_key(window: Window, panel: ReviewPanel) -> None:
    for verdict, id_ in ((Verdict.GOOD, "review.good"), (Verdict.DROP, "review.drop")):
        panel.verdicts[verdict].click()
        assert window.asked[-1] == id_
        assert [known for known, button in panel.verdicts.items() if button.isChecked()] == [verdict]
    assert panel.who.text().startswith("ada, ")


def test_buttons_differ_by_glyph_and_name_their_key(panel: ReviewPanel) -> None:
    words = [button.text() for button in panel.verdicts.values()]
    assert [word[0] for word in words] == ["✓", "·", "✕"]
    assert [word.splitlines()[1] for word in words] == ["Space", "U", "X"]
    panel.set_keys(bindings("rsviewer", {"review.drop": ["K"]}))
    assert panel.verdicts[Verdict.DROP].text().splitlines()[1] == "K"


def test_tags_are_switched_by_their_chips(window: Window, panel: ReviewPanel, workspace: Workspace) -> None:
    chips = list(panel.tags.values())
    assert len(chips) == 9
    chips[0].click()
    assert window.asked == ["review.tag.1"]
    assert workspace.decision.tags == ("cloud",)
    assert chips[0].isChecked()
    assert chips[0].text() == "1 ⚑ Cloud or haze"
    chips[0].click()
    assert not workspace.decision.tags
    assert not chips[0].isChecked()
    assert chips[0].text() == "1 ⚐ Cloud or haze"


def test_other_tags_in_the_preferences_make_other_chips(panel: ReviewPanel, workspace: Workspace) -> None:
    workspace.toggle_tag(1)
    workspace.anomalies = (Anomaly("snow", "Snow & ice"),)
    panel.show_state()
    assert [chip.text() for chip in panel.tags.values()] == ["1 ⚐ Snow && ice"]
    assert "cloud" in panel.foreign.text(), "a tag that is not offered any more is not hidden"


def test_no_click_decides_about_a_tile_that_the_panel_does_not_show(
    window: Window, panel: ReviewPanel, workspace: Workspace
) -> None:
    workspace.go(1)  # the panel follows a moment later
    panel.verdicts[Verdict.DROP].click()
    assert not window.asked
    assert not workspace.review.decisions
    panel.verdicts[Verdict.DROP].click()
    assert workspace.decision.verdict is Verdict.DROP


def test_another_tile_is_shown_by_itself(panel: ReviewPanel, workspace: Workspace, qtbot: QtBot) -> None:
    workspace.set_verdict(Verdict.GOOD)
    workspace.go(1)
    qtbot.waitUntil(panel.verdicts[Verdict.UNDECIDED].isChecked)
    workspace.go(-1)
    qtbot.waitUntil(panel.verdicts[Verdict.GOOD].isChecked)


def test_regions_are_listed_shown_and_removed(panel: ReviewPanel, workspace: Workspace) -> None:
    workspace.add_region([(2, 3), (12, 8)], "cloud")
    workspace.add_region([(0, 0), (4, 0), (2, 6)], "void")
    panel.show_state()
    assert [row.size_words for row in panel.regions] == ["10 x 5 px", "4 x 6 px"]
    panel.regions[0].see.click()
    assert workspace.viewing.view == View((7, 5.5), 16)
    panel.regions[0].remove.click()
    assert [region.tag for region in workspace.decision.regions] == ["void"]
    assert len(panel.regions) == 1


def test_a_note_is_saved_when_the_focus_leaves(
    window: Window, panel: ReviewPanel, workspace: Workspace, qtbot: QtBot
) -> None:
    type_note(qtbot, panel, "hazy")
    assert workspace.decision.note == ""
    window.elsewhere.setFocus()
    assert workspace.decision.note == "hazy"


def test_a_note_is_saved_when_the_typing_pauses(panel: ReviewPanel, workspace: Workspace, qtbot: QtBot) -> None:
    panel._pause.setInterval(20)
    type_note(qtbot, panel, "hazy")
    qtbot.waitUntil(lambda: workspace.decision.note == "hazy")
    assert panel.note.hasFocus(), "and the typing goes on"


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier),
    ],
)
def test_keys_that_leave_the_note_save_it(
    panel: ReviewPanel, workspace: Workspace, qtbot: QtBot, key: Qt.Key, modifier: Qt.KeyboardModifier
) -> None:
    type_note(qtbot, panel, "x 1 d")
    with qtbot.waitSignal(panel.done):
        qtbot.keyClick(panel.note, key, modifier)
    assert workspace.decision == replace(workspace.decision, note="x 1 d", verdict=Verdict.UNDECIDED, tags=())


def test_a_note_goes_to_the_tile_it_was_typed_on(panel: ReviewPanel, workspace: Workspace, qtbot: QtBot) -> None:
    type_note(qtbot, panel, "about the first")
    first = workspace.tile
    assert first is not None
    workspace.go(1)
    panel.show_state()
    assert panel.note.toPlainText() == ""
    assert workspace.review.decision(first).note == "about the first"
    assert workspace.decision.note == ""
    qtbot.keyClicks(panel.note, "about the second")
    workspace.go(-1)
    panel.commit()  # saved before the panel even follows
    assert workspace.review.decision(first).note == "about the first"
    assert workspace.review.decision(TileId("a/2")).note == "about the second"


def test_a_note_being_written_outlives_its_workspace(panel: ReviewPanel, workspace: Workspace, qtbot: QtBot) -> None:
    type_note(qtbot, panel, "last words")
    panel.set_workspace(None)
    assert workspace.decision.note == "last words"
    assert panel.note.toPlainText() == ""


def test_undo_of_a_note_is_seen(panel: ReviewPanel, workspace: Workspace) -> None:
    tile = workspace.tile
    assert tile is not None
    workspace.set_note(tile, "hazy")
    panel.show_state()
    assert panel.note.toPlainText() == "hazy"
    workspace.undo()
    panel.show_state()
    assert panel.note.toPlainText() == ""


def test_a_verdict_by_mouse_takes_the_note_with_it(
    window: Window, panel: ReviewPanel, workspace: Workspace, qtbot: QtBot
) -> None:
    type_note(qtbot, panel, "hazy")
    qtbot.mouseClick(panel.verdicts[Verdict.DROP], Qt.MouseButton.LeftButton)
    assert (workspace.decision.verdict, workspace.decision.note) == (Verdict.DROP, "hazy")
    assert panel.note.hasFocus(), "a click on a button moves no focus"


def test_a_read_only_window_says_why_and_takes_nothing(panel: ReviewPanel, reader: Workspace) -> None:
    panel.set_workspace(reader)
    assert panel.why.text() == reader.review.why_read_only
    assert not panel.why.isHidden()
    assert not any(button.isEnabled() for button in (*panel.verdicts.values(), *panel.tags.values()))
    assert panel.note.isReadOnly()


def test_without_a_tile_there_is_nothing_to_decide(panel: ReviewPanel, workspace: Workspace) -> None:
    workspace.finding.choose("verdict = 'drop'", "")
    panel.show_state()
    assert workspace.tile is None
    assert not any(button.isEnabled() for button in panel.verdicts.values())
    panel.set_workspace(None)
    assert not panel.tags


def test_progress_is_counted(panel: ReviewPanel, workspace: Workspace) -> None:
    workspace.set_verdict(Verdict.GOOD)
    workspace.go(1)
    workspace.set_verdict(Verdict.DROP)
    panel.show_state()
    assert panel.progress.text() == "2 of 6 decided  ·  1 dropped"
    assert (panel.bar.value(), panel.bar.maximum()) == (2, 6)
    assert progress_words(replace(workspace.status(), per_minute=14.2)).endswith("14/min")


def test_it_draws_itself_in_both_themes(panel: ReviewPanel, workspace: Workspace) -> None:
    workspace.set_verdict(Verdict.DROP)
    panel.set_theme(DARK)
    dark = panel.grab().toImage()
    panel.set_theme(LIGHT)
    assert panel.grab().toImage() != dark


def test_no_word_is_cut_in_the_narrowest_panel(window: Window, panel: ReviewPanel) -> None:
    panel.set_theme(DARK)
    window.setFixedWidth(240 + window.width() - panel.width())
    panel.grab()
    for button in (*panel.verdicts.values(), *panel.tags.values()):
        widest = max(button.fontMetrics().horizontalAdvance(line) for line in button.text().splitlines())
        assert widest <= button.width() - 8, button.text()
        assert button.mapTo(panel, button.rect().topRight()).x() < panel.width()


def test_who_and_when_in_words() -> None:
    assert who_words(Decision(reviewer="ada", time="2026-11-21T14:03:22+01:00")) == "ada, 2026-11-21 14:03"
    assert who_words(Decision(reviewer="ada", time="yesterday")) == "ada, yesterday"
    assert who_words(Decision()) == "not decided yet"


def test_a_region_is_shown_with_its_surroundings() -> None:
    box = Region("cloud", ((100, 60), (40, 20)))
    assert region_words(box) == "60 x 40 px"
    assert view_of(box) == View((70, 40), 4)

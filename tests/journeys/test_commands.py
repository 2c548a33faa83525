"""Journeys as lists of commands, in the window but without a screen; and what every command and every key promises."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.ui.window import Window
from rsviewer.workspace.commands import COMMANDS, PRESETS, bindings, conflicts
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

ALL_BUT_QUIT = [known for known in COMMANDS if known.id != "file.quit"]

Show = Callable[..., Window]


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialogs that wait for an answer are closed at once."""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: "")
    monkeypatch.setattr(QMessageBox, "about", lambda *_: None)


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Show]:
    """Shows the window, with a dataset where one is named; with `threads=0` nothing is read unless `step` is called."""
    windows: list[Window] = []

    def make(path: Path | None = None, *, threads: int = 1, preset: str = "rsviewer") -> Window:
        preferences = Preferences(key_preset=preset)
        window = Window(preferences, color_table, color_table_names(), open_path, threads=threads)
        windows.append(window)
        window.resize(1000, 700)
        window.show()
        if path is not None:
            with qtbot.waitSignal(window.opened):
                window.open_path(path)
            qtbot.waitUntil(lambda: len(at(window).queue) == 6 and not at(window).jobs.running)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


def at(window: Window) -> Workspace:
    assert window.workspace is not None
    return window.workspace


def go_through(window: Window, qtbot: QtBot, ids: Sequence[str]) -> None:
    """Runs commands, each when the tile is on the screen, as somebody does who looks before the next key."""
    for id_ in ids:
        qtbot.waitUntil(lambda: window.on_screen)
        assert window.actions_.run_id(id_), f"{id_} could not run"
    qtbot.waitUntil(lambda: window.on_screen and not at(window).jobs.running)


# --- journeys


@dataclass(frozen=True)
class Journey:
    """Commands, one after the other; the tile they end on; verdict and tags of every tile about which something was said."""

    commands: str
    tile: str
    decided: dict[str, tuple[str, ...]]


JOURNEYS = {
    "every tile good": Journey(
        "review.good " * 6, "b/3", dict.fromkeys(("a/1", "a/2", "a/3", "b/1", "b/2", "b/3"), ("good",))
    ),
    "tag and drop": Journey(
        "tile.next review.tag.1 review.tag.7 review.drop", "a/3", {"a/2": ("drop", "artefact", "cloud")}
    ),
    "an undone drop keeps its tag": Journey(
        "tile.next review.tag.1 review.drop review.undo view.lock view.overlay", "a/2", {"a/2": ("undecided", "cloud")}
    ),
    "undo goes back from the other end": Journey("review.drop tile.last review.undo", "a/1", {}),
    "redo goes there again": Journey(
        "review.drop tile.last review.undo tile.last review.redo", "a/1", {"a/1": ("drop",)}
    ),
    "a second thought": Journey("review.good tile.previous review.drop", "a/2", {"a/1": ("drop",)}),
    "a verdict taken back": Journey("review.good tile.previous review.undecided", "a/1", {}),
    "tags cleared": Journey("review.tag.2 review.tag.3 review.clear", "a/1", {}),
    "only the open ones": Journey(
        "tile.next review.good tile.first tile.unreviewed review.drop tile.unreviewed tile.flagged",
        "a/3",
        {"a/2": ("good",), "a/3": ("drop",)},
    ),
    "groups": Journey("group.next review.drop group.previous", "b/1", {"b/1": ("drop",)}),
    "beyond the last group": Journey("group.next group.next", "b/3", {}),
    "past both ends": Journey("tile.back10 tile.forward10 tile.next review.good review.undo", "b/3", {}),
    "stacks": Journey("view.stack.3 tile.next review.drop view.stack.1", "a/3", {"a/2": ("drop",)}),
    "much looking changes nothing": Journey(
        "view.zoom.in view.zoom.in cursor.right.10 view.magnifier view.magnifier.pin tile.next cursor.down view.magnifier "
        "view.pane view.maximise view.colors view.lock tile.next view.swipe view.overlay view.opacity.more view.linked "
        "view.zoom.out view.linked view.fit view.one view.lock view.maximise view.pane.back queue.refresh",
        "a/2",
        {},
    ),
}


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_ends_where_it_should_with_what_was_decided_on_the_way(
    name: str, show: Show, tiny_dataset: Path, qtbot: QtBot
) -> None:
    journey = JOURNEYS[name]
    window = show(tiny_dataset)
    go_through(window, qtbot, journey.commands.split())
    assert at(window).tile == journey.tile
    said = {tile: (str(each.verdict), *each.tags) for tile, each in decisions(window).items()}
    assert said == journey.decided


def decisions(window: Window) -> dict[TileId, Decision]:
    return {tile: each for tile, each in at(window).review.decisions.items() if not each.is_empty}


def test_with_the_magnifier_pinned_the_keys_that_step_move_the_cursor(
    show: Show, tiny_dataset: Path, qtbot: QtBot
) -> None:
    window = show(tiny_dataset)
    go_through(window, qtbot, ["view.magnifier", "view.magnifier.pin"])
    before = at(window).viewing.cursor
    assert before is not None
    go_through(window, qtbot, ["tile.next", "group.next", "tile.next"])
    assert at(window).tile == "a/1"
    assert at(window).viewing.cursor == (before[0] + 2, before[1] + 1)
    go_through(window, qtbot, ["view.magnifier", "tile.next"])
    assert at(window).tile == "a/2"


# --- every command


def test_every_command_runs_with_a_dataset(show: Show, tiny_dataset: Path, qtbot: QtBot, nobody_answers: None) -> None:
    window = show(tiny_dataset)
    for known in ALL_BUT_QUIT:
        qtbot.waitUntil(lambda: window.on_screen)
        could = window.actions_.can_run(known)
        assert window.actions_.run(known) == could, known.id
        if known.release is not None:
            window.actions_.release_all()
        for dialog in window.findChildren(Dialog):
            dialog.close()
    qtbot.waitUntil(lambda: not at(window).jobs.running)


def test_every_command_runs_without_a_dataset_or_says_that_it_cannot(show: Show, nobody_answers: None) -> None:
    window = show()
    for known in ALL_BUT_QUIT:
        assert window.actions_.can_run(known) is not known.needs_dataset
        assert window.actions_.run(known) is not known.needs_dataset, known.id
        for dialog in window.findChildren(Dialog):
            dialog.close()


def test_quitting_ends_the_window_and_lets_go_of_the_project(show: Show, tiny_dataset: Path) -> None:
    window = show(tiny_dataset)
    window.actions_.run_id("file.quit")
    assert not window.isVisible()
    opened = open_path(tiny_dataset)
    assert not opened.why_read_only
    assert opened.store is not None
    opened.store.close()
    opened.close()


def test_commands_are_declared_once_and_say_what_they_do() -> None:
    ids = [known.id for known in COMMANDS]
    assert len(set(ids)) == len(ids)
    for known in COMMANDS:
        assert known.help.endswith("."), known.id
        assert known.title, known.id
    assert {id_ for preset in PRESETS.values() for id_ in preset} <= set(ids)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_two_commands_claim_a_key(preset: str) -> None:
    keys = bindings(preset)
    assert conflicts(keys) == {}
    normal = [QKeySequence(key).toString() for chosen in keys.values() for key in chosen]
    assert all(normal)
    assert len(set(normal)) == len(normal), "also when Qt spells them"


def test_keys_claimed_twice_are_named() -> None:
    keys = bindings("rsviewer", {"view.fit": ("d",), "nothing.known": ("D",)})
    assert conflicts(keys) == {"d": ("tile.next", "view.fit")}


# --- every key


def press(widget: QWidget, key: str, qtbot: QtBot) -> None:
    combination = QKeySequence(key)[0]
    qtbot.keyClick(widget, combination.key(), combination.keyboardModifiers())


@pytest.mark.parametrize("preset", PRESETS)
def test_every_key_pressed_in_the_panes_runs_its_command(
    preset: str, show: Show, tiny_dataset: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = show(tiny_dataset, preset=preset)
    qtbot.waitUntil(window.canvas.hasFocus)
    ran: list[str] = []
    monkeypatch.setattr(window.actions_, "run", lambda known, *, repeat=False: ran.append(known.id))
    for id_, keys in bindings(preset).items():
        for key in keys:
            ran.clear()
            press(window.canvas, key, qtbot)
            assert ran == [id_], key


def send(window: Window, kind: QEvent.Type, key: Qt.Key, *, repeat: bool = False, time: int = 0) -> None:
    """An event as Qt makes it of a key in the panes, at a time in milliseconds where it matters."""
    text = chr(key).lower() if key < 128 else ""
    event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text, repeat)
    event.setTimestamp(time)
    QApplication.sendEvent(window.canvas, event)


def hold(window: Window, key: Qt.Key, repeats: int) -> None:
    """What Qt sends for a key that is held, without its release."""
    send(window, QEvent.Type.KeyPress, key)
    for _ in range(repeats):
        send(window, QEvent.Type.KeyPress, key, repeat=True)


def release(window: Window, key: Qt.Key) -> None:
    send(window, QEvent.Type.KeyRelease, key)


def test_flags_ignore_that_their_key_is_held(show: Show, tiny_dataset: Path, qtbot: QtBot) -> None:
    window = show(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    hold(window, Qt.Key.Key_1, repeats=5)
    release(window, Qt.Key.Key_1)
    assert at(window).decision.tags == ("cloud",)
    hold(window, Qt.Key.Key_X, repeats=5)
    assert at(window).tile == "a/2"
    assert set(decisions(window)) == {"a/1"}


def test_a_repeat_that_looks_like_a_new_press_is_known_by_its_time(
    show: Show, tiny_dataset: Path, qtbot: QtBot
) -> None:
    """X11 repeats a key by releasing and pressing it in the same millisecond; Qt sees that only if it reads both at once."""
    window = show(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_X, time=100)
    for time in (760, 800, 840):
        send(window, QEvent.Type.KeyRelease, Qt.Key.Key_X, time=time)
        send(window, QEvent.Type.KeyPress, Qt.Key.Key_X, time=time)
    assert at(window).tile == "a/2"
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_X, time=880)
    qtbot.waitUntil(lambda: window.on_screen)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_X, time=881)
    assert at(window).tile == "a/3", "pressed again"
    qtbot.waitUntil(lambda: window.on_screen)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, time=900)
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_R, time=960)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, time=960)
    assert window.canvas.cursor().shape() is Qt.CursorShape.CrossCursor, "what lasts while its key is held goes on"


def see(window: Window) -> None:
    """Reads just enough for the current tile to be on the screen."""
    while not window.on_screen:
        at(window).step()
        QApplication.processEvents()


def test_a_held_key_waits_for_every_tile_that_it_reaches(show: Show, tiny_dataset: Path) -> None:
    window = show(tiny_dataset, threads=0)
    see(window)
    hold(window, Qt.Key.Key_D, repeats=9)
    assert at(window).tile == "a/2", "what is not on the screen yet is not run over"
    see(window)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D, repeat=True)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D, repeat=True)
    assert at(window).tile == "a/3"
    release(window, Qt.Key.Key_D)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D)
    assert at(window).tile == "b/1", "who presses again means it"


def test_nobody_decides_about_a_tile_that_is_not_on_the_screen(show: Show, tiny_dataset: Path) -> None:
    window = show(tiny_dataset, threads=0)
    deciding = [known for known in COMMANDS if known.decides]
    assert len(deciding) > 10
    see(window)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_X)
    assert at(window).tile == "a/2"
    assert at(window).status().message == "a/2 is not on the screen yet: nothing was decided."
    for known in deciding:
        assert not window.actions_.run(known), known.id
    assert decisions(window) == {}
    see(window)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_X)
    assert {tile: each.verdict for tile, each in decisions(window).items()} == {"a/2": Verdict.DROP}


def test_what_lasts_while_a_key_is_held_ends_with_it_or_with_the_keyboard(
    show: Show, tiny_dataset: Path, qtbot: QtBot
) -> None:
    window = show(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    plain = [pane.caption for pane in at(window).scene().panes]
    hold(window, Qt.Key.Key_B, repeats=3)
    assert [pane.caption for pane in at(window).scene().panes] != plain
    release(window, Qt.Key.Key_B)
    assert [pane.caption for pane in at(window).scene().panes] == plain
    hold(window, Qt.Key.Key_R, repeats=3)
    assert window.canvas.cursor().shape() is Qt.CursorShape.CrossCursor
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: window.on_screen)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_D, repeat=True)
    assert at(window).hurried
    other = QWidget()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(lambda: not window.isActiveWindow())
    assert window.canvas.cursor().shape() is Qt.CursorShape.ArrowCursor
    assert not at(window).hurried


# --- typing


def test_letters_in_a_text_field_are_text(show: Show, tiny_dataset: Path, qtbot: QtBot) -> None:
    window = show(tiny_dataset)
    go_through(window, qtbot, ["review.tag.1"])
    text = "".join(key.lower() for known in COMMANDS for key in known.keys if len(key) == 1) + " XZ"
    qtbot.waitUntil(window.review_panel.note.isEnabled)  # panels follow a moment later
    for field in (window.top_bar.filter, window.review_panel.note):
        qtbot.keyClicks(field, text)
    assert window.top_bar.filter.text() == text
    assert window.review_panel.note.toPlainText() == text
    assert at(window).tile == "a/1"
    window.review_panel.commit()
    assert decisions(window) == {TileId("a/1"): at(window).decision}
    assert at(window).decision.note == text
    assert (at(window).decision.verdict, at(window).decision.tags) == (Verdict.UNDECIDED, ("cloud",))


@pytest.mark.parametrize(
    "key", ["Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y", "Space", "Left", "Up", "Home", "Return", "Tab", "Delete"]
)
def test_keys_of_editing_belong_to_the_text_field_that_has_them(
    key: str, show: Show, tiny_dataset: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = show(tiny_dataset)
    qtbot.waitUntil(lambda: window.on_screen)
    ran: list[str] = []
    monkeypatch.setattr(window.actions_, "run", lambda known, *, repeat=False: ran.append(known.id))
    for start in (window.edit_filter, window.edit_note):
        start()
        field = QApplication.focusWidget()
        assert field is not None
        press(field, key, qtbot)
    assert ran == []

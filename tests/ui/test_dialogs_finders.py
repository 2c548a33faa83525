from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import TileId
from rsviewer.ui.actions import Actions
from rsviewer.ui.dialogs.finder import HIT, Finder
from rsviewer.ui.dialogs.goto import GoToDialog
from rsviewer.ui.dialogs.palette import PaletteDialog, ranking, subsequence
from rsviewer.ui.dialogs.shortcuts import KeysDialog
from rsviewer.workspace.commands import COMMANDS, bindings
from rsviewer.workspace.workspace import Workspace


class FakeSurface:
    """A window that only counts what it was asked."""

    on_screen = True
    magnifier = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.asked.append(name)


@pytest.fixture
def surface() -> FakeSurface:
    return FakeSurface()


@pytest.fixture
def actions(workspace: Workspace, surface: FakeSurface) -> Iterator[Actions]:
    made = Actions(surface, lambda: workspace, lambda: False)
    yield made
    made.deleteLater()


def shown(dialog: Finder | KeysDialog, qtbot: QtBot) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()


def texts(dialog: Finder) -> list[str]:
    return [hit.text for hit in dialog.hits.hits]


# --- the palette


def test_letters_in_order_find_a_command_the_beginnings_of_words_first() -> None:
    assert ranking("zi", COMMANDS)[0][0].id == "view.zoom.in"
    assert ranking("nut", COMMANDS)[0][0].id == "tile.unreviewed"
    assert ranking("full", COMMANDS)[0][0].id == "window.full"
    assert ranking("split lists", COMMANDS)[0][0].id == "file.export"  # only its help says so
    assert not ranking("qqqq", COMMANDS)
    assert [command for command, _ in ranking("", COMMANDS)] == list(COMMANDS)


@given(st.text(max_size=8), st.sampled_from([command.title for command in COMMANDS]))
def test_a_match_is_always_the_typed_letters_in_their_order(text: str, title: str) -> None:
    match = subsequence(text, title)
    letters = "".join(text.lower().split())
    if match is not None:
        assert "".join(title.lower()[place] for place in match.places) == letters
        assert list(match.places) == sorted(set(match.places))
    else:
        remaining = iter(title.lower())
        assert not all(letter in remaining for letter in letters)


def test_enter_runs_the_chosen_command_when_the_palette_is_gone(
    actions: Actions, workspace: Workspace, qtbot: QtBot
) -> None:
    dialog = PaletteDialog(actions)
    shown(dialog, qtbot)
    qtbot.keyClicks(dialog.field, "next tile")
    assert dialog.note.text() == "In the filtered, sorted order of the queue."
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    assert workspace.tile == "a/2"


def test_the_arrows_move_in_the_list_while_typing(actions: Actions, surface: FakeSurface, qtbot: QtBot) -> None:
    dialog = PaletteDialog(actions)
    shown(dialog, qtbot)
    qtbot.keyClicks(dialog.field, "zoom")
    assert texts(dialog)[:2] == ["Zoom in", "Zoom out"]
    qtbot.keyClick(dialog.field, Qt.Key.Key_Down)
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    assert surface.asked == ["zoom"]


def test_what_cannot_run_now_is_dim_and_stays(actions: Actions, workspace: Workspace, qtbot: QtBot) -> None:
    dialog = PaletteDialog(actions)
    shown(dialog, qtbot)
    for words, title in (("undo", "Undo"), ("blink", "Blink")):
        dialog.field.setText(words)
        assert texts(dialog)[0] == title
        assert dialog.hits.hits[0].dim
        qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
        assert dialog.isVisible()
    assert dialog.hits.hits[0].right == "hold B"


def test_the_palette_shows_keys_as_they_are_bound_now(actions: Actions, qtbot: QtBot) -> None:
    actions.bind(bindings("pixel", {"view.fit": ("Ctrl+Alt+F",)}))
    dialog = PaletteDialog(actions)
    shown(dialog, qtbot)
    dialog.field.setText("fit")
    assert dialog.hits.index(0).data(HIT).right == "Ctrl+Alt+F"


# --- go to


@pytest.fixture
def goto(workspace: Workspace, qtbot: QtBot) -> GoToDialog:
    dialog = GoToDialog(workspace)
    shown(dialog, qtbot)
    return dialog


def test_a_name_or_the_number_in_it_finds_tiles_of_all_groups(goto: GoToDialog, qtbot: QtBot) -> None:
    goto.field.setText("2")
    qtbot.waitUntil(lambda: texts(goto) == ["a/2", "b/2", "#2"])
    assert goto.hits.hits[1].detail == "train"
    assert goto.hits.hits[1].right == "#5"
    assert goto.note.text() == "2 matches."


def test_enter_goes_to_the_chosen_match(goto: GoToDialog, workspace: Workspace, qtbot: QtBot) -> None:
    goto.field.setText("b/")
    qtbot.waitUntil(lambda: texts(goto) == ["b/1", "b/2", "b/3"])
    qtbot.keyClick(goto.field, Qt.Key.Key_Down)
    qtbot.keyClick(goto.field, Qt.Key.Key_Return)
    assert workspace.tile == "b/2"
    assert not goto.isVisible()


def test_a_number_after_the_sign_is_a_place_in_the_queue(goto: GoToDialog, workspace: Workspace, qtbot: QtBot) -> None:
    goto.field.setText("#4")
    assert texts(goto) == ["#4"]
    assert goto.hits.hits[0].detail == "b/1"
    qtbot.keyClick(goto.field, Qt.Key.Key_Return)
    assert workspace.tile == "b/1"


def test_a_tile_that_the_filter_hides_says_so_and_can_be_reached(
    goto: GoToDialog, workspace: Workspace, qtbot: QtBot
) -> None:
    workspace.finding.choose("group = 'a'", "")
    goto.field.setText("b/3")
    qtbot.waitUntil(lambda: texts(goto) == ["b/3"])
    assert goto.hits.hits[0].right == "hidden by the filter"
    qtbot.keyClick(goto.field, Qt.Key.Key_Return)
    assert workspace.tile == TileId("b/3")
    assert workspace.finding.filter == ""


@pytest.mark.parametrize("text", ["nothing like it", "#0", "#7", "#", "'; drop table tiles; --"])
def test_what_means_no_tile_is_said_and_enter_does_nothing(goto: GoToDialog, text: str, qtbot: QtBot) -> None:
    goto.field.setText(text)
    qtbot.waitUntil(lambda: not texts(goto) and not goto.note.text().startswith("The queue"))
    qtbot.keyClick(goto.field, Qt.Key.Key_Return)
    assert goto.isVisible()


def test_closing_while_a_search_runs_harms_nothing(goto: GoToDialog, qtbot: QtBot) -> None:
    goto.field.setText("a")
    qtbot.keyClick(goto, Qt.Key.Key_Escape)
    assert not goto.isVisible()


# --- the cheat sheet


def test_the_sheet_shows_every_command_that_has_a_key(actions: Actions, qtbot: QtBot) -> None:
    dialog = KeysDialog(actions)
    shown(dialog, qtbot)
    titles = dialog.visible_commands()
    assert {command.title.rstrip("…") for command in COMMANDS if command.keys} <= set(titles)
    assert "Reset layout" not in titles


def test_the_sheet_is_searched_by_command_help_and_key(actions: Actions, qtbot: QtBot) -> None:
    dialog = KeysDialog(actions)
    shown(dialog, qtbot)
    for words, found in (
        ("ctrl+e", ["Export cleaned lists"]),
        ("zoom out", ["Zoom out"]),
        ("lens", ["Magnifier"]),
        ("xyzzy", []),
    ):
        dialog.search.setText(words)
        assert dialog.visible_commands() == found
    assert dialog.nothing.isVisible()

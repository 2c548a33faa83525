"""Every command by its name: type some of its letters, Enter runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget

from rsviewer.ui.actions import Actions
from rsviewer.ui.dialogs.finder import Finder, Hit
from rsviewer.workspace.commands import COMMANDS, Command

WORD_START = 6
ADJACENT = 4
IN_HELP = -100


@dataclass(frozen=True, slots=True)
class Match:
    """How well a text has the typed letters in it, and where."""

    score: int
    places: tuple[int, ...]


class PaletteDialog(Finder):
    """All commands, best match first. Those that cannot run now are dim and stay where they are."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__("All commands", "type a few letters of a command", (560, 520), parent)
        self._actions = actions
        self.commands: list[Command] = []
        self.list.selectionModel().currentChanged.connect(self._explain)
        self.look_up("")

    def look_up(self, text: str) -> None:
        """Shows the commands that have the letters in their title, then those that have the words in their help."""
        ranked = ranking(text, COMMANDS)
        self.commands = [command for command, _ in ranked]
        self.show_hits([self._hit(command, match) for command, match in ranked])
        self._explain()

    def choose(self, row: int) -> None:
        """Closes first, so that the command finds the panes with the focus."""
        command = self.commands[row]
        if not self._can_run(command):
            return
        actions, window = self._actions, self.parentWidget()
        self.close()
        if window is not None:
            window.activateWindow()
        actions.run(command)

    def _can_run(self, command: Command) -> bool:
        return command.release is None and self._actions.can_run(command)

    def _explain(self) -> None:
        row = self.list.currentIndex().row()
        self.note.setText(self.commands[row].help if 0 <= row < len(self.commands) else "No command is called that.")

    def _hit(self, command: Command, match: Match) -> Hit:
        keys = "  ".join(map(native, self._actions.keys(command)[:2]))
        return Hit(
            command.title.rstrip("…"),
            frozenset(match.places),
            command.menu,
            f"hold {keys}" if command.release is not None and keys else keys,
            not self._can_run(command),
        )


def native(key: str) -> str:
    """A key as this desktop writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


def ranking(text: str, commands: Sequence[Command]) -> list[tuple[Command, Match]]:
    """The commands that `text` may mean, best first; all of them, in their order, where it is empty."""
    found = []
    for place, command in enumerate(commands):
        match = subsequence(text, command.title)
        if match is None and text.strip().lower() in f"{command.menu} {command.help}".lower():
            match = Match(IN_HELP, ())
        if match is not None:
            found.append((-match.score, place, command, match))
    return [(command, match) for _, _, command, match in sorted(found, key=lambda row: row[:2])]


def subsequence(text: str, title: str) -> Match | None:
    """How well the letters of `text` stand in `title`, in that order; None where they do not. Blanks do not count.

    Beginnings of words and letters in a row weigh more, gaps less.
    """
    wanted, lower = "".join(text.lower().split()), title.lower()
    if not wanted:
        return Match(0, ())
    starts = [place for place, letter in enumerate(lower) if letter == wanted[0]]
    matches = [match for start in starts if (match := _from(start, wanted, lower)) is not None]
    return max(matches, key=lambda match: match.score, default=None)


def _from(start: int, wanted: str, lower: str) -> Match | None:
    """The match that begins at a place, each further letter as a beginning of a word if that goes, else the nearest."""
    places = [start]
    for number, letter in enumerate(wanted[1:], start=1):
        after = places[-1] + 1
        nearest = lower.find(letter, after)
        if nearest < 0:
            return None
        initial = next(
            (place for place in range(after, len(lower)) if lower[place] == letter and _begins_word(lower, place)), None
        )
        rest = wanted[number:]
        if nearest != after and initial is not None and _has(lower[initial:], rest):
            nearest = initial
        places.append(nearest)
    score = sum(WORD_START for place in places if _begins_word(lower, place))
    score += sum(ADJACENT for one, other in pairwise(places) if other == one + 1)
    return Match(score - (places[-1] - places[0] - len(places) + 1) - places[0], tuple(places))


def _begins_word(lower: str, place: int) -> bool:
    return place == 0 or not lower[place - 1].isalnum()


def _has(lower: str, wanted: str) -> bool:
    letters = iter(lower)
    return all(letter in letters for letter in wanted)

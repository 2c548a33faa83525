"""Keys and menus from the one list of commands."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from rsviewer.workspace.commands import COMMANDS, GALLERY_KEYS, Command, Context, Surface, bindings
from rsviewer.workspace.workspace import Workspace

WHILE_PINNED = {
    "tile.next": "cursor.right",
    "tile.previous": "cursor.left",
    "group.next": "cursor.down",
    "group.previous": "cursor.up",
    "tile.forward10": "cursor.right.10",
    "tile.back10": "cursor.left.10",
}
"""With the magnifier pinned, the keys that step through tiles move the cursor."""


class Actions(QObject):
    """Runs commands from keys and menus.

    Args:
        surface: the window.
        workspace: gives the workspace, or None while no dataset is open.
        pinned: whether the magnifier is pinned.
    """

    def __init__(
        self,
        surface: Surface,
        workspace: Callable[[], Workspace | None],
        pinned: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._surface = surface
        self._workspace = workspace
        self._pinned = pinned
        self._by_id = {known.id: known for known in COMMANDS}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._by_key: dict[str, Command] = {}
        self._held: dict[int, Command] = {}
        self._released = (0, 0)
        """Key and time of the last release. X11 repeats a held key by releasing and pressing it in the same millisecond. Qt
        calls that auto-repeat only if it finds both in its queue at once (QXcbKeyboard::handleKeyEvent), which on a busy
        machine it often does not: a held X would drop tile after tile."""
        self._actions: list[tuple[Command, QAction]] = []
        self.bind(bindings())

    def bind(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Takes another set of keys. Where two commands claim one, the first in the list of commands has it."""
        self._keys = dict(keys)
        self._by_key = {}
        for known in COMMANDS:
            for key in keys.get(known.id, ()):
                self._by_key.setdefault(_normal(key), known)
        for known, action in self._actions:
            action.setText(self._menu_text(known))

    def keys(self, command: Command) -> tuple[str, ...]:
        """The keys of a command."""
        return self._keys.get(command.id, ())

    def holds(self, id_: str) -> bool:
        """Whether the key of a command is held that lasts as long as it is. From a menu it was chosen without one."""
        return any(held.id == id_ for held in self._held.values())

    # --- running

    def can_run(self, command: Command) -> bool:
        """Whether a command can be run now."""
        workspace = self._workspace()
        if workspace is None:
            return not command.needs_dataset
        return command.enabled(Context(workspace, self._surface))

    def run_id(self, id_: str) -> bool:
        """Runs a command by its id, as its key would. Returns False where it could not run."""
        return self.run(self._by_id[id_])

    def run(self, command: Command, *, repeat: bool = False) -> bool:
        """Runs a command unless there is a reason not to, which the status bar then says."""
        if self._surface.has_gallery and command.id in GALLERY_KEYS:
            command = self._by_id[GALLERY_KEYS[command.id]]
        elif self._pinned() and command.id in WHILE_PINNED:
            command = self._by_id[WHILE_PINNED[command.id]]
        if repeat and not command.repeats:
            return False
        workspace = self._workspace()
        if workspace is None:
            if not command.needs_dataset:
                command.run(_without_dataset(self._surface))
            return not command.needs_dataset
        context = Context(workspace, self._surface)
        if repeat and not (self._surface.on_screen or self._surface.has_gallery):
            return False  # the newest tile wins: the next repeat comes when this one has been seen
        if command.decides and not self._surface.on_screen:
            workspace.say(f"{workspace.tile} is not on the screen yet: nothing was decided.")
            return False
        if not command.enabled(context):
            return False
        workspace.hurried = repeat
        command.run(context)
        return True

    def key_press(self, event: QKeyEvent) -> bool:
        """Runs the command of a key. Returns False where it has none."""
        command = self._by_key.get(pressed_key(event))
        if command is None:
            return False
        repeat = event.isAutoRepeat()
        if not repeat and command.release is not None:
            self._held[event.key()] = command
        elif event.timestamp() and (event.key(), event.timestamp()) == self._released:
            repeat = True  # see _released
        self.run(command, repeat=repeat)
        return True

    def key_release(self, event: QKeyEvent) -> None:
        """Ends a command that lasts as long as its key is held."""
        if event.isAutoRepeat():
            return
        self._released = (event.key(), event.timestamp())
        workspace = self._workspace()
        if workspace is not None:
            workspace.hurried = False
        self._release(self._held.pop(event.key(), None))

    def release_all(self) -> None:
        """The window lost the keyboard: no release will come any more."""
        workspace = self._workspace()
        if workspace is not None:
            workspace.hurried = False
        for command in list(self._held.values()):
            self._release(command)
        self._held.clear()

    def _release(self, command: Command | None) -> None:
        workspace = self._workspace()
        if command is not None and command.release is not None and workspace is not None:
            command.release(Context(workspace, self._surface))

    # --- menus

    def fill(self, bar: QMenuBar) -> dict[str, QMenu]:
        """Makes the menus and returns them by name. What can be done is asked when a menu opens, not on every step."""
        menus: dict[str, QMenu] = {}
        for command in COMMANDS:
            if not command.menu:
                continue
            if command.menu not in menus:
                menus[command.menu] = bar.addMenu(_menu_title(command.menu))
                menus[command.menu].aboutToShow.connect(self.refresh)
            action = QAction(self._menu_text(command), menus[command.menu])
            action.setStatusTip(command.help)
            action.setCheckable(command.checked is not None)
            action.triggered.connect(_runner(self, command))
            menus[command.menu].addAction(action)
            self._actions.append((command, action))
        return menus

    def refresh(self) -> None:
        """Asks every command whether it can run and whether it is on."""
        workspace = self._workspace()
        for command, action in self._actions:
            if workspace is None:
                action.setEnabled(not command.needs_dataset)
                continue
            context = Context(workspace, self._surface)
            action.setEnabled(command.enabled(context))
            if command.checked is not None:
                action.setChecked(command.checked(context))

    def _menu_text(self, command: Command) -> str:
        keys = self.keys(command)
        native = QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if keys else ""
        return f"{command.title}\t{native}" if native else command.title


def _menu_title(name: str) -> str:
    """With its first letter underlined: Alt and a digit are commands."""
    place = next((place for place, character in enumerate(name) if character.isalpha()), 0)
    return f"{name[:place]}&{name[place:]}"


def _runner(actions: Actions, command: Command) -> Callable[[], None]:
    def run() -> None:
        actions.run(command)

    return run


def _without_dataset(surface: Surface) -> Context:
    """A context for commands that say they need no dataset, and so never touch the workspace."""
    return Context(None, surface)  # type: ignore[arg-type]


def _normal(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText).lower()


def pressed_key(event: QKeyEvent) -> str:
    """The pressed key in portable notation. A symbol that needs Shift on this keyboard ("+", "?", "/") is just the symbol."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key(event.key())
    text = event.text()
    if key is Qt.Key.Key_Backtab:
        key = Qt.Key.Key_Tab
    elif len(text) == 1 and text.isprintable() and not text.isalnum() and text != " ":
        modifiers &= ~Qt.KeyboardModifier.ShiftModifier
    elif len(text) == 1 and text.isdigit() and not modifiers & ~Qt.KeyboardModifier.ShiftModifier:
        return text  # digits that need Shift, as on AZERTY
    return QKeySequence(QKeyCombination(modifiers, key)).toString(QKeySequence.SequenceFormat.PortableText).lower()

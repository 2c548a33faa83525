"""The cheat sheet: all keys on one page, as they are bound now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from rsviewer.ui.actions import Actions
from rsviewer.ui.dialogs.dialog import Dialog, dim_label, heading
from rsviewer.ui.dialogs.palette import native
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.commands import COMMANDS, Command

COLUMNS = 4
CAP_WIDTH = 132
"""Of the keys of a command, in logical pixels; a second key that goes beyond is only in the tool tip."""
WITHOUT_MENU = "Cursor"
MOUSE = (
    ("wheel", "Zoom at the cursor"),
    ("drag", "Pan"),
    ("click", "On a class: show only this class; with Ctrl, hide it"),
    ("double-click", "On a title: maximise the pane"),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A command on the sheet: its widgets, and all the words it can be found by."""

    widgets: tuple[QWidget, ...]
    words: str


@dataclass(frozen=True, slots=True)
class _Section:
    """The commands of a menu."""

    widget: QWidget
    lines: tuple[_Line, ...]


class KeysDialog(Dialog):
    """All commands that have a key, menu by menu, and what the mouse does."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__("Keys", (1256, 760), parent)
        self._actions = actions
        self.search = QLineEdit(placeholderText="find a command or a key", clearButtonEnabled=True)
        self.search.setAccessibleName("Find a command or a key")
        self.search.textChanged.connect(self._find)
        self.nothing = dim_label("No command and no key has these words.")
        self.nothing.hide()
        self._sections: list[_Section] = []
        self.column.addWidget(self.search)
        self.column.addWidget(self.nothing)
        self.column.addWidget(self._page(), 1)
        self.column.addWidget(dim_label("Every key can be changed in File > Preferences > Keys.", wrap=True))

    def visible_commands(self) -> list[str]:
        """Titles of the lines that the search leaves, in order."""
        return [
            line.widgets[1].text()
            for section in self._sections
            for line in section.lines
            if not line.widgets[1].isHidden() and isinstance(line.widgets[1], QLabel)
        ]

    def _page(self) -> QScrollArea:
        menus: dict[str, list[tuple[str, Command]]] = {}
        for command in COMMANDS:
            keys = self._actions.keys(command)
            if keys:
                menus.setdefault(command.menu or WITHOUT_MENU, []).append(("\n".join(map(native, keys)), command))
        sections = {
            menu: [(keys.split("\n"), command.title.rstrip("…"), command.help) for keys, command in rows]
            for menu, rows in menus.items()
        }
        sections["Mouse"] = [([gesture], words, "") for gesture, words in MOUSE]
        inside = QWidget()
        columns = QHBoxLayout(inside)
        columns.setContentsMargins(0, 0, 2 * UNIT, 0)
        columns.setSpacing(6 * UNIT)
        for names in _balanced({menu: len(rows) + 2 for menu, rows in sections.items()}, COLUMNS):
            column = QVBoxLayout()
            column.setSpacing(5 * UNIT)
            for name in names:
                self._sections.append(_section(name, sections[name]))
                column.addWidget(self._sections[-1].widget)
            column.addStretch()
            columns.addLayout(column, 1)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        return area

    def _find(self, text: str) -> None:
        words = text.lower().split()
        hits = 0
        for section in self._sections:
            found = [all(word in line.words for word in words) for line in section.lines]
            for line, is_found in zip(section.lines, found, strict=True):
                for widget in line.widgets:
                    widget.setVisible(is_found)
            section.widget.setVisible(any(found))
            hits += sum(found)
        self.nothing.setVisible(not hits)


def _section(name: str, rows: Sequence[tuple[Sequence[str], str, str]]) -> _Section:
    widget = QWidget()
    grid = QGridLayout(widget)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(3 * UNIT)
    grid.setVerticalSpacing(UNIT)
    grid.setColumnStretch(1, 1)
    grid.addWidget(heading(name), 0, 0, 1, 2)
    lines = []
    for number, (keys, title, help_) in enumerate(rows, start=1):
        caps = _caps(keys)
        words = QLabel(title)
        words.setWordWrap(True)
        for part in (caps, words):
            part.setToolTip("\n".join(filter(None, (", ".join(keys), help_))))
        grid.addWidget(caps, number, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        grid.addWidget(words, number, 1, Qt.AlignmentFlag.AlignVCenter)
        lines.append(_Line((caps, words), " ".join((name, title, help_, *keys)).lower()))
    grid.setColumnMinimumWidth(0, CAP_WIDTH)
    return _Section(widget, tuple(lines))


def _caps(keys: Sequence[str]) -> QWidget:
    widget = QWidget()
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(UNIT)
    used = 0
    for key in keys:
        cap = QLabel(key)
        cap.setProperty("key", True)
        used += cap.fontMetrics().horizontalAdvance(key) + 5 * UNIT
        if used > CAP_WIDTH and row.count():
            break
        row.addWidget(cap)
    return widget


def _balanced(heights: Mapping[str, int], columns: int) -> list[list[str]]:
    """The names in columns of about equal height, in their order."""
    limit = next(limit for limit in range(1, sum(heights.values()) + 1) if len(_filled(heights, limit)) <= columns)
    return _filled(heights, limit)


def _filled(heights: Mapping[str, int], limit: int) -> list[list[str]]:
    """The fewest columns no higher than `limit`, but for a name that is higher by itself."""
    columns: list[list[str]] = []
    used = 0
    for name, height in heights.items():
        if not columns or used + height > limit:
            columns.append([])
            used = 0
        columns[-1].append(name)
        used += height
    return columns

"""The page of the preferences where keys are bound."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from rsviewer.ui.dialogs.dialog import Words, dim_label
from rsviewer.ui.dialogs.keyfield import KeyField
from rsviewer.ui.dialogs.palette import native
from rsviewer.ui.dialogs.table import Rows, read_only_table
from rsviewer.ui.fields import Flow
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.commands import COMMANDS, PRESETS, Command, bindings, command, conflicts

PRESET_TITLES = {
    "rsviewer": "rsviewer: WASD steps through tiles",
    "pixel": "pixel: arrows turn pages, WASD moves the cursor",
    "azerty": "AZERTY: as rsviewer, the same places on the keyboard",
}


class KeysPage(QWidget):
    """A preset, and what differs from it. A key that two commands claim is said at once.

    Signals:
        edited: something was changed.
    """

    edited = Signal()

    def __init__(self, preset: str, own: Mapping[str, tuple[str, ...]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.own = {id_: tuple(keys) for id_, keys in own.items()}
        self._shown: list[Command] = []
        self._build(preset if preset in PRESETS else "rsviewer")
        self._show()

    def _build(self, preset: str) -> None:
        self.preset_box = QComboBox()
        for name in PRESETS:
            self.preset_box.addItem(PRESET_TITLES.get(name, name), name)
        self.preset_box.setCurrentIndex(self.preset_box.findData(preset))
        self.preset_box.currentIndexChanged.connect(self._changed)
        self.search = QLineEdit(placeholderText="find a command or a key", clearButtonEnabled=True)
        self.search.textChanged.connect(self._show)
        self.rows = Rows(("Command", "Menu", "Keys", ""), self)
        self.table = read_only_table(self.rows, (0, 80, 176, 80))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.selectionModel().currentRowChanged.connect(self._show_editor)
        self.title = QLabel()
        self.title.setProperty("heading", True)
        self.field = KeyField()
        self.table.doubleClicked.connect(self.field.setFocus)
        self.field.pressed.connect(self.add_key)
        self.field.left.connect(self.table.setFocus)
        self.caps = QWidget()
        self._cap_flow = Flow(UNIT, self.caps)
        self.as_preset = QPushButton("As in the preset", autoDefault=False)
        self.as_preset.clicked.connect(self.reset_command)
        self.reset = QPushButton("Reset all keys", autoDefault=False)
        self.reset.clicked.connect(self.reset_all)
        self.words = Words()
        grid = QGridLayout(self)
        grid.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        grid.setVerticalSpacing(2 * UNIT)
        grid.setHorizontalSpacing(2 * UNIT)
        grid.setColumnStretch(1, 1)
        label = QLabel("&Keys of")
        label.setBuddy(self.preset_box)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.preset_box, 0, 1)
        grid.addWidget(self.reset, 0, 2)
        grid.addWidget(self.search, 1, 0, 1, 3)
        grid.addWidget(self.table, 2, 0, 1, 3)
        grid.setRowStretch(2, 1)
        grid.addWidget(self.title, 3, 0, 1, 3)
        editor = QHBoxLayout()
        editor.setSpacing(2 * UNIT)
        editor.addWidget(self.caps, 1)
        editor.addWidget(dim_label("add"))
        editor.addWidget(self.field)
        editor.addWidget(self.as_preset)
        grid.addLayout(editor, 4, 0, 1, 3)
        grid.addWidget(self.words, 5, 0, 1, 3)

    # --- what is bound

    @property
    def preset(self) -> str:
        """The name of the chosen preset."""
        return str(self.preset_box.currentData())

    @property
    def problems(self) -> list[str]:
        """A sentence for every key that more than one command claims."""
        return [
            f"{native(key)} is on {' and on '.join(command(id_).title.rstrip('…') for id_ in ids)}."
            for key, ids in conflicts(bindings(self.preset, self.own)).items()
        ]

    def current(self) -> Command | None:
        """The command whose keys are edited."""
        row = self.table.currentIndex().row()
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def select(self, id_: str) -> None:
        """Edits the keys of a command."""
        self.search.clear()
        self.table.selectRow(next(row for row, known in enumerate(self._shown) if known.id == id_))

    def keys(self, known: Command) -> tuple[str, ...]:
        """The keys of a command, as chosen so far."""
        return bindings(self.preset, self.own)[known.id]

    def add_key(self, key: str) -> None:
        """Gives the current command one key more."""
        known = self.current()
        if known is not None and key.lower() not in [own.lower() for own in self.keys(known)]:
            self._bind(known, (*self.keys(known), key))

    def remove_key(self, key: str) -> None:
        """Takes a key from the current command."""
        known = self.current()
        if known is not None:
            self._bind(known, tuple(own for own in self.keys(known) if own != key))

    def reset_command(self) -> None:
        """Gives the current command the keys of the preset."""
        known = self.current()
        if known is not None:
            self._bind(known, bindings(self.preset)[known.id])

    def reset_all(self) -> None:
        """Gives every command the keys of the preset."""
        self.own.clear()
        self._changed()

    def _bind(self, known: Command, keys: tuple[str, ...]) -> None:
        if keys == bindings(self.preset)[known.id]:
            self.own.pop(known.id, None)
        else:
            self.own[known.id] = keys
        self._changed()

    # --- what is shown

    def _changed(self) -> None:
        self._show()
        self.edited.emit()

    def _show(self) -> None:
        known = self.current()
        bound, words = bindings(self.preset, self.own), self.search.text().lower().split()
        self._shown = [
            each
            for each in COMMANDS
            if all(word in f"{each.title} {each.menu} {each.help} {' '.join(bound[each.id])}".lower() for word in words)
        ]
        claimed = {id_ for ids in conflicts(bound).values() for id_ in ids}
        self.rows.fill(
            [
                (
                    each.title.rstrip("…"),
                    each.menu or "Cursor",
                    "   ".join(map(native, bound[each.id])),
                    "conflict" if each.id in claimed else "changed" if each.id in self.own else "",
                )
                for each in self._shown
            ]
        )
        if self._shown:
            self.table.selectRow(self._shown.index(known) if known in self._shown else 0)
        self.words.say(" ".join(self.problems), "bad")
        self.reset.setEnabled(bool(self.own))
        self._show_editor()

    def _show_editor(self) -> None:
        while self._cap_flow.count():
            item = self._cap_flow.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        known = self.current()
        self.field.setEnabled(known is not None)
        self.as_preset.setEnabled(known is not None and known.id in self.own)
        self.title.setText(
            "No command has these words." if known is None else f"{known.title.rstrip('…')}: {known.help}"
        )
        for key in () if known is None else self.keys(known):
            button = QPushButton(f"{native(key)}  ✕", autoDefault=False)
            button.setToolTip(f"Take {native(key)} away")
            button.clicked.connect(lambda _=False, key=key: self.remove_key(key))
            self._cap_flow.addWidget(button)
        if not self._cap_flow.count():
            self._cap_flow.addWidget(dim_label("no key"))
        self.caps.setMinimumHeight(self.field.sizeHint().height())
        self._cap_flow.invalidate()
        self.caps.updateGeometry()

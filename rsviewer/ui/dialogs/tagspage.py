"""The page of the preferences for the tags and their order."""

import re
from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.review import ANOMALIES, Anomaly
from rsviewer.core.tile import printable
from rsviewer.ui.dialogs.dialog import Words, dim_label, spread
from rsviewer.ui.fields import quiet
from rsviewer.ui.theme import UNIT

TAG = re.compile(r"[^\W_][\w-]*")
KEYED = 9


class TagsPage(QWidget):
    """Tags and titles in the order of their keys.

    Args:
        anomalies: as they are.
        in_use: tag -> on how many tiles of the open dataset it is.

    Signals:
        edited: something was changed.
    """

    edited = Signal()

    def __init__(self, anomalies: Sequence[Anomaly], in_use: Mapping[str, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._in_use = in_use
        self._before = tuple(anomalies)
        self._build()
        self._fill(anomalies, 0)

    def _build(self) -> None:
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(("Key", "Tag", "Title", "On tiles here"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(28)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate((48, 176, 0, 112)):
            header.setSectionResizeMode(
                column, QHeaderView.ResizeMode.Interactive if width else QHeaderView.ResizeMode.Stretch
            )
            if width:
                header.resizeSection(column, width)
        self.table.itemChanged.connect(self._changed)
        self.table.currentCellChanged.connect(lambda *_: self._show_buttons())
        self.add = _button("Add", self.add_tag)
        self.remove = _button("Remove", self.remove_tag)
        self.up = _button("Up", lambda: self.move_tag(-1))
        self.down = _button("Down", lambda: self.move_tag(1))
        self.defaults = _button("The usual tags", lambda: self._replace(ANOMALIES, 0))
        self.words = Words()
        column_ = QVBoxLayout(self)
        column_.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        column_.setSpacing(2 * UNIT)
        column_.addWidget(
            dim_label("The first nine are on the keys 1 to 9. Double-click a tag or a title to change it.", wrap=True)
        )
        column_.addWidget(self.table, 1)
        column_.addLayout(spread([self.add, self.remove, self.up, self.down], [self.defaults]))
        column_.addWidget(self.words)

    # --- what is chosen

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """The tags, in order."""
        return tuple(Anomaly(self._text(row, 1), self._text(row, 2)) for row in range(self.table.rowCount()))

    @property
    def problems(self) -> list[str]:
        """A sentence for everything that cannot stay so."""
        tags, before = [anomaly.tag for anomaly in self.anomalies], {anomaly.tag for anomaly in self._before}
        said = [f"Tag {row} has no name." for row, tag in enumerate(tags, start=1) if not tag]
        said += [
            f"{printable(tag)} is no tag: use letters, digits and hyphens, such as wrong-height."
            for tag in dict.fromkeys(tags)
            if tag and tag not in before and not TAG.fullmatch(tag)
        ]
        said += [f"There are two tags {tag}." for tag in dict.fromkeys(tags) if tag and tags.count(tag) > 1]
        return said

    @property
    def warnings(self) -> list[str]:
        """A sentence for every tag that goes although tiles have it."""
        tags = {anomaly.tag for anomaly in self.anomalies}
        return [
            f"{anomaly.tag} is on {self._in_use[anomaly.tag]:,} tiles: they keep it, but no key puts it or takes it away."
            for anomaly in self._before
            if anomaly.tag in self._in_use and anomaly.tag not in tags
        ]

    # --- changing it

    def add_tag(self) -> None:
        """A new tag below the others, ready to be named."""
        taken = {anomaly.tag for anomaly in self.anomalies}
        tag = next(name for number in range(1, len(taken) + 2) if (name := f"tag-{number}") not in taken)
        self._replace((*self.anomalies, Anomaly(tag, "")), self.table.rowCount())
        self.table.edit(self.table.currentIndex())

    def remove_tag(self) -> None:
        """Takes the current tag from the list."""
        row = self.table.currentRow()
        if row >= 0:
            tags = self.anomalies
            self._replace(tags[:row] + tags[row + 1 :], min(row, len(tags) - 2))

    def move_tag(self, step: int) -> None:
        """Moves the current tag to another key."""
        row, tags = self.table.currentRow(), list(self.anomalies)
        if row >= 0 and 0 <= row + step < len(tags):
            tags.insert(row + step, tags.pop(row))
            self._replace(tags, row + step)

    def _replace(self, anomalies: Sequence[Anomaly], row: int) -> None:
        self._fill(anomalies, row)
        self.edited.emit()

    def _fill(self, anomalies: Sequence[Anomaly], row: int) -> None:
        with quiet(self.table):
            self.table.setRowCount(len(anomalies))
            for number, anomaly in enumerate(anomalies):
                count = self._in_use.get(anomaly.tag, 0)
                texts = (
                    str(number + 1) if number < KEYED else "",
                    anomaly.tag,
                    anomaly.title,
                    f"{count:,}" if count else "",
                )
                for column, text in enumerate(texts):
                    item = QTableWidgetItem(text)
                    if column in (0, 3):
                        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                    self.table.setItem(number, column, item)
        self.table.setCurrentCell(row, 1)
        self._say()

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item is not None else ""

    def _changed(self) -> None:
        self._say()
        self.edited.emit()

    def _say(self) -> None:
        problems = self.problems
        self.words.say(" ".join(problems or self.warnings), "bad" if problems else "warn")
        self._show_buttons()

    def _show_buttons(self) -> None:
        row, rows = self.table.currentRow(), self.table.rowCount()
        self.remove.setEnabled(row >= 0)
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < rows - 1)
        self.defaults.setEnabled(self.anomalies != ANOMALIES)


def _button(text: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text, autoDefault=False)
    button.clicked.connect(clicked)
    return button

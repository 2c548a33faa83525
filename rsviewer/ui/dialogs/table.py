"""Tables of any length that are only read."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from rsviewer.ui.tips import plain_tip

Cell: TypeAlias = str | int
Place: TypeAlias = QModelIndex | QPersistentModelIndex

NOWHERE = QModelIndex()


class Rows(QAbstractTableModel):
    """Rows of texts and numbers; numbers stand on the right, with separators."""

    def __init__(self, headers: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.headers = tuple(headers)
        self.rows: Sequence[Sequence[Cell]] = ()

    def fill(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Shows other rows."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Place = NOWHERE) -> int:
        """For Qt."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Place = NOWHERE) -> int:
        """For Qt."""
        return 0 if parent.isValid() else len(self.headers)

    def data(self, index: Place, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """For Qt: the text of a cell, and all of it as the tool tip."""
        if not index.isValid():
            return None
        cell = self.rows[index.row()][index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            words = f"{cell:,}" if isinstance(cell, int) else cell
            return plain_tip(words) if role == Qt.ItemDataRole.ToolTipRole else words
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(isinstance(cell, int))
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | Qt.AlignmentFlag | None:
        """For Qt: the name of a column, on the side of its cells."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.headers[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(bool(self.rows) and isinstance(self.rows[0][section], int))
        return None


def read_only_table(model: Rows, widths: Sequence[int], parent: QWidget | None = None) -> QTableView:
    """A table of whole rows. `widths` in logical pixels, 0 for the columns that share what room is left."""
    table = QTableView(parent)
    table.setModel(model)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setAlternatingRowColors(True)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setMinimumSectionSize(48)
    for section, width in enumerate(widths):
        header.setSectionResizeMode(
            section, QHeaderView.ResizeMode.Interactive if width else QHeaderView.ResizeMode.Stretch
        )
        if width:
            header.resizeSection(section, width)
    return table


def _side(is_number: bool) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if is_number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter

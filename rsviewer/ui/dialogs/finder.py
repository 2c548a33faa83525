"""A field to type into, and below it what that may mean. The arrows move in the list while the typing goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QRect, QSize, Qt
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from rsviewer.ui.dialogs.dialog import WorkspaceDialog, dim_label
from rsviewer.ui.dialogs.table import NOWHERE, Place
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip

LIST_KEYS = frozenset({Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown})

HIT = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the list.

    Attributes:
        text: what it is.
        marks: places in `text` that were typed.
        detail: what else is known of it.
        right: on the right side, e.g. its key.
        dim: it cannot be chosen, or is less likely.
    """

    text: str
    marks: frozenset[int] = frozenset()
    detail: str = ""
    right: str = ""
    dim: bool = False


class Finder(WorkspaceDialog):
    """Subclasses show hits in `look_up`, and do what was chosen in `choose`."""

    def __init__(self, title: str, hint: str, size: tuple[int, int], parent: QWidget | None = None) -> None:
        super().__init__(title, size, parent)
        self.field = QLineEdit(placeholderText=hint, clearButtonEnabled=True)
        self.field.setAccessibleName(hint)
        self.hits = Hits(self)
        self.list = hit_list(self.hits)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.note: QLabel = dim_label("", wrap=True)
        self.column.setSpacing(2 * UNIT)
        self.column.addWidget(self.field)
        self.column.addWidget(self.list, 1)
        self.column.addWidget(self.note)
        self.field.installEventFilter(self)
        self.field.textChanged.connect(self.look_up)
        self.list.clicked.connect(lambda index: self.choose(index.row()))

    def look_up(self, text: str) -> None:
        """Shows what a text may mean."""
        raise NotImplementedError

    def choose(self, row: int) -> None:
        """Takes a hit."""
        raise NotImplementedError

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Shows other hits and selects the first."""
        self.hits.fill(hits)
        if hits:
            self.list.setCurrentIndex(self.hits.index(0))
            self.list.scrollToTop()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys of the list reach it from the field; Enter chooses."""
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            if event.key() in LIST_KEYS:
                QApplication.sendEvent(self.list, event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                row = self.list.currentIndex().row()
                if 0 <= row < len(self.hits.hits):
                    self.choose(row)
                return True
        return super().eventFilter(watched, event)


class Hits(QAbstractListModel):
    """The lines of a finder."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.hits: Sequence[Hit] = ()

    def fill(self, hits: Sequence[Hit]) -> None:
        """Shows other lines."""
        self.beginResetModel()
        self.hits = hits
        self.endResetModel()

    def rowCount(self, parent: Place = NOWHERE) -> int:
        """For Qt."""
        return 0 if parent.isValid() else len(self.hits)

    def data(self, index: QModelIndex | Place, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """For Qt: the words for screen readers and tool tips, and the whole hit for the delegate."""
        hit = self.hits[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            words = "  ".join(filter(None, (hit.text, hit.detail, hit.right)))
            return plain_tip(words) if role == Qt.ItemDataRole.ToolTipRole else words
        return hit if role == HIT else None


def hit_list(hits: Hits) -> QListView:
    """A list that shows hits."""
    view = QListView(uniformItemSizes=True)
    view.setModel(hits)
    view.setItemDelegate(_HitDelegate(view))
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return view


class _HitDelegate(QStyledItemDelegate):
    """Text with what was typed in bold, detail dim, and the rest on the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | Place) -> QSize:
        """One line."""
        return QSize(0, option.fontMetrics.height() + 2 * UNIT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | Place) -> None:
        """For Qt."""
        hit: Hit = index.data(HIT)
        plain: Any = option
        selected = bool(plain.state & QStyle.StateFlag.State_Selected)
        palette: QPalette = plain.palette
        group = QPalette.ColorGroup.Disabled if hit.dim else QPalette.ColorGroup.Active
        strong = palette.color(group, QPalette.ColorRole.WindowText)
        faint = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.PlaceholderText)
        marked = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Link)
        if selected:
            painter.fillRect(plain.rect, palette.color(QPalette.ColorRole.Highlight))
            strong = faint = marked = palette.color(QPalette.ColorRole.HighlightedText)
        painter.save()
        bold = QFont(plain.font)
        bold.setBold(True)
        area = QRect(plain.rect).adjusted(2 * UNIT, 0, -2 * UNIT, 0)
        side = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        metrics = plain.fontMetrics
        if hit.right:
            painter.setPen(faint)
            painter.drawText(area, side | Qt.AlignmentFlag.AlignRight, hit.right)
            area.setRight(area.right() - metrics.horizontalAdvance(hit.right) - 4 * UNIT)
        for run, is_marked in _runs(metrics.elidedText(hit.text, Qt.TextElideMode.ElideRight, area.width()), hit.marks):
            painter.setFont(bold if is_marked else plain.font)
            painter.setPen(marked if is_marked and not hit.dim else strong)
            painter.drawText(area, side | Qt.AlignmentFlag.AlignLeft, run)
            area.setLeft(area.left() + painter.fontMetrics().horizontalAdvance(run))
        painter.setFont(plain.font)
        area.setLeft(area.left() + 3 * UNIT)
        if hit.detail and area.width() > 8 * UNIT:
            painter.setPen(faint)
            shown = metrics.elidedText(hit.detail, Qt.TextElideMode.ElideRight, area.width())
            painter.drawText(area, side | Qt.AlignmentFlag.AlignLeft, shown)
        painter.restore()


def _runs(text: str, marks: frozenset[int]) -> list[tuple[str, bool]]:
    """`text` cut where marked letters begin and end."""
    runs: list[tuple[str, bool]] = []
    for place, letter in enumerate(text):
        is_marked = place in marks
        if runs and runs[-1][1] is is_marked:
            runs[-1] = (runs[-1][0] + letter, is_marked)
        else:
            runs.append((letter, is_marked))
    return runs

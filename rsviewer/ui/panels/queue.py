"""The queue: every tile in its order, with thumbnail, name and the signs of what was decided. Quick with millions of rows."""

from collections.abc import Container, Iterator

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from rsviewer.core.checks import CHECKS
from rsviewer.core.checks.suspicion import SUSPICIOUS
from rsviewer.core.filters import ColumnType
from rsviewer.core.readout import fact_words
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.tile import LayerId
from rsviewer.data.adapter import Fact, TileEntry
from rsviewer.ui.fields import Choice
from rsviewer.ui.painting import painting
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.panepainter import to_image, wrapping
from rsviewer.ui.theme import DARK, UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.checking import SUSPICIOUS_FIRST
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

ROW = 44
THUMBNAIL = 36
BAR = 3
"""Height of the bar that says how suspicious a tile is; it fits below the thumbnail."""
VERDICTS = {Verdict.GOOD: "✓", Verdict.DROP: "✕", Verdict.UNDECIDED: ""}
SORTS = (
    ("Dataset order", ""),
    ("Name", "name"),
    ("Name, last first", "name desc"),
    ("Decided last first", "time desc"),
    ("Verdict", "verdict"),
)


class TileList(QAbstractScrollArea):
    """Rows of equal height, drawn when they are seen: a list of five million is as quick as one of five.

    Signals:
        chosen: a row was clicked; carries the position in the queue.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self._theme: Theme = DARK
        self._small = QFont(self.font())
        self._small.setPixelSize(11)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.viewport().setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(1)

    def sizeHint(self) -> QSize:
        """Narrow and tall."""
        return QSize(240, 600)

    def show_workspace(self, workspace: Workspace | None, theme: Theme) -> None:
        """Draws the queue of a workspace, with the current tile in sight."""
        self._workspace = workspace
        self._theme = theme
        self._fit()
        self.keep_in_sight()
        self.viewport().update()

    def keep_in_sight(self) -> None:
        """Scrolls just so far that the current tile can be seen, with a neighbour on either side."""
        if self._workspace is None:
            return
        bar, seen, at = self.verticalScrollBar(), self._rows_seen(), self._workspace.queue.at
        if at - 1 < bar.value():
            bar.setValue(max(0, at - 1))
        elif at + 2 > bar.value() + seen:
            bar.setValue(at + 2 - seen)

    def rows_in_sight(self) -> range:
        """Positions in the queue that can be seen."""
        count = 0 if self._workspace is None else len(self._workspace.queue)
        first = self.verticalScrollBar().value()
        return range(first, min(count, first + self._rows_seen() + 1))

    def _rows_seen(self) -> int:
        return max(1, self.viewport().height() // ROW)

    def _fit(self) -> None:
        count = 0 if self._workspace is None else len(self._workspace.queue)
        self.verticalScrollBar().setRange(0, max(0, count - self._rows_seen()))
        self.verticalScrollBar().setPageStep(self._rows_seen())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other rows come into sight."""
        super().resizeEvent(event)
        self._fit()
        self.keep_in_sight()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Draws the rows that are in sight now."""
        self.viewport().update()
        self._want_thumbnails()

    def _want_thumbnails(self) -> None:
        if self._workspace is not None:
            self._workspace.want_thumbnails(self.rows_in_sight())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """All keys belong to the window."""
        event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Goes to the tile that was clicked."""
        row = self._row_at(event.position().toPoint())
        if row is not None:
            self.chosen.emit(row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The whole name, which the row may cut off, as a tool tip."""
        row = self._row_at(event.position().toPoint())
        workspace = self._workspace
        if row is None or workspace is None:
            self.viewport().setToolTip("")
            return
        entry = workspace.finding.entry_at(int(workspace.queue.ordinals[row]))
        ordinal = int(workspace.queue.ordinals[row])
        lines = [tip_of(workspace, entry)]
        suspicion = workspace.checking.suspicion_of(ordinal)
        if suspicion is not None:
            lines.append(f"suspicion {suspicion:.2f}")
        if not workspace.hurried:
            lines.append(workspace.checking.first_reason(ordinal, entry.id))
        self.viewport().setToolTip(plain_tip("\n".join(filter(None, lines))))

    def _row_at(self, point: QPoint) -> int | None:
        row = self.verticalScrollBar().value() + point.y() // ROW
        return row if row in self.rows_in_sight() else None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the rows in sight."""
        with painting(self.viewport()) as painter:
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        painter.fillRect(self.viewport().rect(), self._theme.panel)
        workspace = self._workspace
        if workspace is None:
            return
        first = self.verticalScrollBar().value()
        shown = range(workspace.queue.at, workspace.queue.at + workspace.stack)
        for row in self.rows_in_sight():
            rect = QRect(0, (row - first) * ROW, self.viewport().width(), ROW)
            entry = workspace.finding.entry_at(int(workspace.queue.ordinals[row]))
            current = row == workspace.queue.at + workspace.row
            self._row(painter, rect, workspace, entry, current=current, shown=row in shown)
            self._suspicion(painter, rect, workspace.checking.suspicion_of(int(workspace.queue.ordinals[row])))
        if not len(workspace.queue):
            painter.setPen(self._theme.dim)
            room = QRectF(self.viewport().rect().adjusted(12, 12, -12, -12))
            painter.drawText(room, workspace.finding.why_empty, wrapping(Qt.AlignmentFlag.AlignLeft))

    def _suspicion(self, painter: QPainter, rect: QRect, suspicion: float | None) -> None:
        """A bar below the thumbnail, as in the gallery: what is worth a look is told apart by its colour and by its length."""
        if suspicion is None:
            return
        bar = QRect(rect.left() + 2 * UNIT, rect.bottom() - BAR, round(THUMBNAIL * min(max(suspicion, 0.0), 1.0)), BAR)
        painter.fillRect(bar, self._theme.warn if suspicion >= SUSPICIOUS else self._theme.dim)

    def _row(
        self, painter: QPainter, rect: QRect, workspace: Workspace, entry: TileEntry, *, current: bool, shown: bool
    ) -> None:
        theme = self._theme
        if shown:
            back = QColor(theme.accent)
            back.setAlpha(70 if current else 30)
            painter.fillRect(rect, back)
        if current:
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), theme.accent)
        box = QRect(rect.left() + 2 * UNIT, rect.top() + (ROW - THUMBNAIL) // 2, THUMBNAIL, THUMBNAIL)
        pixels = workspace.thumbnail(entry.id)
        if pixels is None:
            painter.fillRect(box, theme.field)
        else:
            image = to_image(pixels, opaque=False)
            scale = THUMBNAIL / max(image.width(), image.height())
            size = QSize(max(1, round(image.width() * scale)), max(1, round(image.height() * scale)))
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRect(box.center() - QPoint(size.width() // 2, size.height() // 2), size), image)
        decision = workspace.review.decision(entry.id)
        left = box.right() + 2 * UNIT
        signs = signs_of(decision, entry, workspace.looks.optional)
        painter.setFont(self.font())
        metrics = QFontMetrics(self.font())
        name = entry.id.rsplit("/", 1)[-1] if entry.group else entry.id
        mark = VERDICTS[decision.verdict]
        room = rect.right() - left - UNIT - (18 if mark else 0)
        painter.setPen(theme.text)
        top = QRect(left, rect.top() + 5, room, 18)
        painter.drawText(
            top, Qt.AlignmentFlag.AlignVCenter, metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, room)
        )
        if mark:
            painter.setPen(theme.good if decision.verdict is Verdict.GOOD else theme.drop)
            painter.drawText(QRect(rect.right() - 20, rect.top() + 5, 16, 18), Qt.AlignmentFlag.AlignCenter, mark)
        painter.setFont(self._small)
        small = QFontMetrics(self._small)
        sorted_by = workspace.finding.sort.partition(" ")[0]
        value = entry.facts.get(sorted_by)
        fact = "" if value is None else f"{sorted_by} {fact_words(value)}"
        words = "  ".join(part for part in (entry.group, ", ".join(entry.splits)) if part)
        signs_width = small.horizontalAdvance(signs) + (UNIT if signs else 0)
        below = QRect(left, rect.top() + 23, rect.right() - left - UNIT, 16)
        if fact:  # whole: it is what the list is read for
            painter.setPen(theme.text)
            painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, fact)
            below.setLeft(min(below.left() + small.horizontalAdvance(f"{fact}  "), below.right()))
        painter.setPen(theme.dim)
        painter.drawText(
            below,
            Qt.AlignmentFlag.AlignVCenter,
            small.elidedText(words, Qt.TextElideMode.ElideMiddle, max(0, below.width() - signs_width)),
        )
        painter.setPen(theme.warn)
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, signs)


class QueuePanel(Panel):
    """The list with its sorting."""

    watches = Changed.TILE | Changed.DECISION | Changed.QUEUE | Changed.STATUS | Changed.SUSPICION

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = TileList()
        self.sort = Choice()
        self.sort.setAccessibleName("Sort")
        self._offered: tuple[tuple[str, str], ...] = ()
        self.sort.activated.connect(self._sorted)
        head = QHBoxLayout()
        head.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        head.setSpacing(2 * UNIT)
        head.addWidget(QLabel("Sort"))
        head.addWidget(self.sort, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.list, 1)
        self.list.chosen.connect(self._chosen)

    def workspace_changed(self) -> None:
        """Another dataset has other things to sort by."""
        self._offer()

    def _offer(self) -> None:
        """Offers to sort by suspicion, by the measured heights of this dataset and by what it says about its tiles, too."""
        offered = tuple(_sorts(self.workspace))
        if offered != self._offered:
            self._offered = offered
            self.sort.clear()
            for title, key in offered:
                self.sort.addItem(title, key)

    def show_state(self) -> None:
        """Draws the rows in sight."""
        self._offer()
        self.list.show_workspace(self.workspace, self.theme)
        if self.workspace is not None:
            place = self.sort.findData(self.workspace.finding.sort)
            if place < 0:
                self.sort.addItem(self.workspace.finding.sort, self.workspace.finding.sort)
                place = self.sort.count() - 1
            self.sort.setCurrentIndex(place)
            self.workspace.want_thumbnails(self.list.rows_in_sight())

    def _chosen(self, row: int) -> None:
        if self.workspace is not None:
            self.workspace.go_to(row)

    def _sorted(self) -> None:
        if self.workspace is None:
            return
        sort = self.sort.currentData()
        if sort in (SUSPICIOUS_FIRST, *(f"check_{check.id} desc" for check in CHECKS)):
            self.workspace.checking.sort_by(sort)
        else:
            self.workspace.finding.choose(self.workspace.finding.filter, sort)


def _sorts(workspace: Workspace | None) -> Iterator[tuple[str, str]]:
    """Title and expression of every order that is offered for a dataset."""
    yield from SORTS
    if workspace is None:
        return
    known = {column.name for column in workspace.index.columns()}
    if workspace.checking.has_results:
        yield "Suspicious first", SUSPICIOUS_FIRST
        for check in CHECKS:
            if f"check_{check.id}" in known:
                yield f"By check: {check.title}", f"check_{check.id} desc"
    for spec in workspace.dataset.layers:
        if spec.unit and f"{spec.id}_max" in known:
            yield f"Highest {spec.title} first", f"{spec.id}_max desc"
    for fact in workspace.dataset.facts:
        yield from _sorts_by(fact)


def _sorts_by(fact: Fact) -> Iterator[tuple[str, str]]:
    """Words are sorted in one direction, numbers in either."""
    name = fact.name.replace("_", " ")
    name = name.upper() if name == "gsd" else name.capitalize()
    if fact.type is ColumnType.NUMBER:
        yield f"{name}, highest first", f"{fact.name} desc"
        yield f"{name}, lowest first", fact.name
    else:
        yield name, fact.name


def tip_of(workspace: Workspace, entry: TileEntry) -> str:
    """What a tool tip says of a tile: its whole name, what is known of it, and what was decided."""
    decision = workspace.review.decision(entry.id)
    facts = [f"{name} {fact_words(value)}" for name, value in entry.facts.items() if value is not None]
    lines = [entry.id, ", ".join(entry.splits), "  ".join(facts), ", ".join(decision.tags), decision.note]
    missing = [layer for layer in entry.missing if layer not in workspace.looks.optional]
    lines += [f"missing: {', '.join(missing)}"] if missing else []
    return "\n".join(line for line in lines if line)


def signs_of(decision: Decision, entry: TileEntry, optional: Container[LayerId]) -> str:
    """Each sign a shape of its own, so that nobody needs to see its colour."""
    signs = []
    if decision.tags:
        signs.append(f"⚑{len(decision.tags)}")
    if decision.regions:
        signs.append(f"▭{len(decision.regions)}")
    if decision.note:
        signs.append("✎")
    if not entry.has_files or any(layer not in optional for layer in entry.missing):
        signs.append("○")
    return " ".join(signs)

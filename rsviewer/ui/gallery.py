"""The gallery in the place of the panes: a grid of small pictures, drawn when they are seen. Quick with millions of tiles."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QHideEvent,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from rsviewer.core.readout import fact_words, number
from rsviewer.core.review import Decision, Verdict
from rsviewer.data.adapter import TileEntry
from rsviewer.data.settings import GALLERY_SIZES
from rsviewer.ui.fields import Choice, Elided, Slider, quiet
from rsviewer.ui.painting import painting
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.panels.queue import VERDICTS, signs_of, tip_of
from rsviewer.ui.panepainter import to_image, wrapping
from rsviewer.ui.theme import DARK, UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.gallery import Sign, Small
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

STAYED_MS = 50
"""What was in sight for so long is wanted: while the scroll bar is dragged over millions of tiles, nothing is."""
ARRIVALS_MS = 40
"""Pictures that arrive closer together are shown together."""
PAD, GAP = UNIT, UNIT
NAME, FACT = 18, 15
"""Height of the lines below a picture."""
BADGE = 18
SIZE_STEP = 16
RAMP = 120
"""Width of the colour bar."""
LARGEST_SCROLL = 1 << 30
FADED = 0.35
DROPPED = 0.4
SIGNS = {
    Sign.UNREADABLE: ("⚠", "unreadable"),
    Sign.MISSING: ("○", "missing"),
    Sign.AWAITED: ("…", "not predicted"),
    Sign.EMPTY: ("·", "no feature"),
}
SUSPICION = "suspicion"
WORDS_FROM = 120
"""Pictures of so many pixels have room for the reason why there is none."""


class Grid(QAbstractScrollArea):
    """Cells of equal size, of which only those in sight are ever looked at.

    Signals:
        opened: a tile is to be seen in the panes.
        resized: larger (> 0) or smaller pictures are asked for, by so many steps.
    """

    opened = Signal()
    resized = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self._theme: Theme = DARK
        self._small_font = small_font(self)
        self._seen_before = range(0)
        self._direction = 1
        self._laid_out: tuple[int, int, int] = (0, 0, 0)
        self._painted: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName("Gallery")
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._stayed = QTimer(self, singleShot=True, interval=STAYED_MS)
        self._stayed.timeout.connect(self._want_what_stayed)
        self._arrivals = QTimer(self, singleShot=True, interval=ARRIVALS_MS)
        self._arrivals.timeout.connect(self.viewport().update)

    # --- from the workspace

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Shows the queue of another workspace."""
        self._workspace = workspace
        self._stayed.stop()
        self._seen_before = range(0)
        self.verticalScrollBar().setValue(0)
        self.lay_out()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self._theme = theme
        self.viewport().update()

    def lay_out(self) -> None:
        """The number or the size of the cells may have changed. What was in the middle of the eye stays in sight."""
        workspace = self._workspace
        before, self._laid_out = self._laid_out, (self.columns, self._cell_height, self._count)
        if workspace is not None:
            workspace.gallery.columns = self.columns
            workspace.gallery.rows = max(1, self.viewport().height() // self._cell_height)
        bar = self.verticalScrollBar()
        seen = self._seen_before
        bar.setRange(0, max(0, self._content_height - self.viewport().height()) // self._unit)
        bar.setSingleStep(max(1, self._cell_height // 3 // self._unit))
        bar.setPageStep(max(1, self.viewport().height() // self._unit))
        if before[:2] != self._laid_out[:2] and workspace is not None and len(seen):
            at = workspace.queue.at
            self._scroll_to_row((at if at in seen else seen.start) // self.columns)
        self.viewport().update()
        self.want_now()

    def keep_in_sight(self) -> None:
        """Scrolls just so far that the current tile can be seen."""
        if self._workspace is None or not self._count:
            return
        top = (self._workspace.queue.at // self.columns) * self._cell_height
        bottom = top + self._cell_height + 2 * GAP
        bar, height = self.verticalScrollBar(), self.viewport().height()
        if top < self._offset or self._cell_height > height:
            bar.setValue(top // self._unit)
        elif bottom > self._offset + height:
            bar.setValue(-(-(bottom - height) // self._unit))

    def follow(self) -> None:
        """The current tile is another one."""
        self.keep_in_sight()
        self.viewport().update()

    def rest(self) -> None:
        """It is not looked at any more."""
        self._stayed.stop()
        self._seen_before = range(0)

    def arrived(self) -> None:
        """New pictures are there."""
        if not self._arrivals.isActive():
            self._arrivals.start()

    @property
    def shows_current(self) -> bool:
        """Whether the current tile can be seen, with its picture or why it has none."""
        return (
            self._workspace is not None
            and self._painted is not None
            and self._painted == self._workspace.finding.ordinal
        )

    # --- geometry, in logical pixels

    @property
    def _count(self) -> int:
        return 0 if self._workspace is None else len(self._workspace.queue)

    @property
    def _size(self) -> int:
        return 160 if self._workspace is None else self._workspace.gallery.size

    @property
    def _fact(self) -> str:
        """The column by whose values the queue is sorted, where cells know them: they stand below the names."""
        workspace = self._workspace
        column = "" if workspace is None else workspace.finding.sort.partition(" ")[0]
        if workspace is None or column == SUSPICION:
            return column
        return column if any(fact.name == column for fact in workspace.dataset.facts) else ""

    @property
    def _cell_width(self) -> int:
        return self._size + 2 * PAD + GAP

    @property
    def _cell_height(self) -> int:
        return self._size + 2 * PAD + NAME + (FACT if self._fact else 0) + GAP

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return max(1, (self.viewport().width() - GAP) // self._cell_width)

    @property
    def _left(self) -> int:
        """So that the columns stand in the middle."""
        return max(GAP, (self.viewport().width() - self.columns * self._cell_width + GAP) // 2)

    @property
    def _content_height(self) -> int:
        return -(-self._count // self.columns) * self._cell_height + 2 * GAP

    @property
    def _unit(self) -> int:
        """Pixels of one step of the scroll bar: Qt counts to 2 ** 31."""
        return 1 + self._content_height // LARGEST_SCROLL

    @property
    def _offset(self) -> int:
        return self.verticalScrollBar().value() * self._unit

    def in_sight(self) -> range:
        """Positions in the queue of the cells that can be seen."""
        first = max(0, self._offset - GAP) // self._cell_height
        last = -(-(self._offset + self.viewport().height()) // self._cell_height)
        return range(min(first * self.columns, self._count), min(last * self.columns, self._count))

    def cell(self, at: int) -> QRect:
        """Where a tile's cell lies in the viewport, without the gap."""
        row, column = divmod(at, self.columns)
        x = self._left + column * self._cell_width
        y = GAP + row * self._cell_height - self._offset
        return QRect(x, y, self._cell_width - GAP, self._cell_height - GAP)

    def position_at(self, point: QPoint) -> int | None:
        """The position of the tile under a point of the viewport; None beside the cells."""
        column = (point.x() - self._left) // self._cell_width
        row = (point.y() + self._offset - GAP) // self._cell_height
        at = row * self.columns + column
        is_cell = 0 <= column < self.columns and 0 <= at < self._count
        return at if is_cell and self.cell(at).contains(point) else None

    def _scroll_to_row(self, row: int) -> None:
        self.verticalScrollBar().setValue(row * self._cell_height // self._unit)

    # --- what is wanted

    def want_now(self) -> None:
        """Wants what is in sight, and then one screen more."""
        self._stayed.stop()
        self._seen_before = self.in_sight()
        self._want(self._seen_before)

    def _want_what_stayed(self) -> None:
        """Wants what is in sight since the last look; once nothing moves any more, one screen more."""
        now, before = self.in_sight(), self._seen_before
        self._seen_before = now
        if now == before:
            self._want(now)
        else:
            self._direction = 1 if now.start >= before.start else -1
            self._want(range(max(now.start, before.start), min(now.stop, before.stop)), ahead=False)
            self._stayed.start()

    def _want(self, places: range, *, ahead: bool = True) -> None:
        if self._workspace is None or not self.isVisible():
            return
        count = len(places) if ahead else 0
        if self._direction > 0:
            after: Iterable[int] = range(places.stop, min(places.stop + count, self._count))
        else:
            after = range(places.start - 1, max(-1, places.start - 1 - count), -1)
        pixels = round(self._size * self.devicePixelRatioF())
        self._workspace.gallery.want([*places, *after], pixels)

    # --- events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other cells come into sight."""
        super().resizeEvent(event)
        self.lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Draws what is in sight now; what stays there is wanted."""
        self.viewport().update()
        if not self._stayed.isActive():
            self._stayed.start()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Selects to the first and the last tile; all other keys belong to the window."""
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: self._count - 1}
        place = ends.get(Qt.Key(event.key()))
        if self._workspace is not None and place is not None and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._workspace.gallery.click(place, extend=True)
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """With Ctrl, larger and smaller pictures."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            turned = event.angleDelta().y()
            if turned:
                self.resized.emit(1 if turned > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Goes to a tile, and selects it."""
        at = self.position_at(event.position().toPoint())
        if self._workspace is None or at is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        keys = event.modifiers()
        toggle, extend = keys & Qt.KeyboardModifier.ControlModifier, keys & Qt.KeyboardModifier.ShiftModifier
        self._workspace.gallery.click(at, toggle=bool(toggle), extend=bool(extend))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Opens a tile."""
        if self.position_at(event.position().toPoint()) is not None and event.button() is Qt.MouseButton.LeftButton:
            self.opened.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Everything about a tile, whose name its cell may cut off, as a tool tip."""
        at = self.position_at(event.position().toPoint())
        self.viewport().setToolTip("" if at is None else plain_tip(self.words_at(at)))

    def words_at(self, at: int) -> str:
        """What the tool tip of a cell says."""
        workspace = self._workspace
        if workspace is None:
            return ""
        ordinal = int(workspace.queue.ordinals[at])
        entry, small = workspace.gallery.known(ordinal), workspace.gallery.small(ordinal)
        if entry is None:
            return ""
        lines, suspicion = [tip_of(workspace, entry)], workspace.gallery.suspicion(ordinal)
        if suspicion is not None:
            lines.append(f"suspicion {suspicion:.2f}")
        if small is not None and small.words:
            lines.append(small.words)
        return "\n".join(lines)

    # --- drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the cells in sight."""
        workspace, theme = self._workspace, self._theme
        self._painted = None
        with painting(self.viewport()) as painter:
            painter.fillRect(event.rect(), theme.canvas)
            if workspace is None:
                return
            if not self._count:
                painter.setPen(theme.dim)
                words = workspace.finding.why_empty
                room = QRectF(self.viewport().rect().adjusted(4 * UNIT, 4 * UNIT, -4 * UNIT, -4 * UNIT))
                painter.drawText(room, words, wrapping(Qt.AlignmentFlag.AlignCenter))
                return
            showing, current = workspace.gallery.showing, workspace.finding.ordinal
            for at in self.in_sight():
                box = self.cell(at)
                if not box.intersects(event.rect()):
                    continue
                ordinal = int(workspace.queue.ordinals[at])
                small = workspace.gallery.small(ordinal)
                self._draw(painter, box, workspace, ordinal, small)
                if ordinal == current and small is not None and small.showing is showing:
                    self._painted = current

    def _draw(self, painter: QPainter, box: QRect, workspace: Workspace, ordinal: int, small: Small | None) -> None:
        """One cell: what frames it, its picture, what was decided about it, and its name."""
        theme, gallery, size = self._theme, workspace.gallery, self._size
        is_current = ordinal == workspace.finding.ordinal
        is_selected = ordinal in gallery.selected or (is_current and not gallery.selected)
        entry = gallery.known(ordinal)
        decision = Decision() if entry is None else workspace.review.decision(entry.id)
        painter.fillRect(box, theme.panel)
        if ordinal in gallery.selected:
            tint = QColor(theme.accent)
            tint.setAlpha(90)
            painter.fillRect(box, tint)
        place = QRect(box.left() + PAD, box.top() + PAD, size, size)
        painter.fillRect(place, theme.field)
        self._draw_picture(painter, place, workspace, small, dropped=decision.verdict is Verdict.DROP)
        if entry is not None:
            signs = signs_of(decision, entry, workspace.looks.optional)
            self._draw_signs(painter, place, decision.verdict, signs, gallery.suspicion(ordinal))
            self._draw_words(painter, box, entry, gallery.suspicion(ordinal))
        if is_current or is_selected:
            painter.setPen(QPen(theme.accent, 2 if is_current else 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(1, 1, -1, -1) if is_current else box.adjusted(0, 0, -1, -1))

    def _draw_picture(
        self, painter: QPainter, place: QRect, workspace: Workspace, small: Small | None, *, dropped: bool
    ) -> None:
        if small is None:
            return  # an empty field: its picture is on its way
        is_old = small.showing is not workspace.gallery.showing
        if small.pixels is None:
            if not is_old:
                self._draw_sign(painter, place, small)
            return
        height, width = small.pixels.shape
        scale = place.width() / max(width, height)
        shown = QSize(max(1, round(width * scale)), max(1, round(height * scale)))
        target = QRect(
            place.left() + (place.width() - shown.width()) // 2,
            place.top() + (place.height() - shown.height()) // 2,
            shown.width(),
            shown.height(),
        )
        painter.setOpacity((FADED if is_old else 1.0) * (DROPPED if dropped else 1.0))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=scale < 1.0)
        painter.drawImage(target, to_image(small.pixels, opaque=False))
        painter.setOpacity(1.0)

    def _draw_sign(self, painter: QPainter, place: QRect, small: Small) -> None:
        """Why there is no picture: a sign and a word, and the reason where there is room."""
        sign, word = SIGNS[small.sign or Sign.MISSING]
        color = self._theme.drop if small.sign is Sign.UNREADABLE else self._theme.dim
        painter.setPen(QPen(color, 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(place.adjusted(2, 2, -3, -3))
        painter.setPen(color)
        painter.setFont(self._small_font)
        inner = QRectF(place.adjusted(UNIT + 2, UNIT + BADGE, -UNIT - 2, -UNIT))
        text = f"{sign}\n{word}"
        if place.width() >= WORDS_FROM:
            text = f"{text}\n\n{small.words}"
        painter.drawText(inner, text, wrapping(Qt.AlignmentFlag.AlignHCenter))

    def _draw_signs(
        self, painter: QPainter, place: QRect, verdict: Verdict, signs: str, suspicion: float | None
    ) -> None:
        """Verdict, tags and suspicion. Each has a shape of its own, so that nobody needs to see its colour."""
        theme = self._theme
        mark = VERDICTS[verdict]
        if mark:
            disc = QRect(place.left() + 3, place.top() + 3, BADGE, BADGE)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.canvas, 1))
            painter.setBrush(theme.good if verdict is Verdict.GOOD else theme.drop)
            painter.drawEllipse(disc)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
            painter.setPen(theme.on_accent)
            painter.setFont(self._small_font)
            painter.drawText(disc, Qt.AlignmentFlag.AlignCenter, mark)
        if signs:
            painter.setFont(self._small_font)
            width = QFontMetrics(self._small_font).horizontalAdvance(signs) + 2 * UNIT
            pill = QRect(place.right() - width - 2, place.top() + 3, width, BADGE)
            painter.fillRect(pill, QColor(0, 0, 0, 170))
            painter.setPen(QColor(255, 205, 100))
            painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, signs)
        if suspicion is not None:
            width = round(max(0.0, min(suspicion, 1.0)) * place.width())
            painter.fillRect(QRect(place.left(), place.bottom() - 4, place.width(), 5), QColor(0, 0, 0, 120))
            painter.fillRect(QRect(place.left(), place.bottom() - 4, width, 5), theme.warn)

    def _draw_words(self, painter: QPainter, box: QRect, entry: TileEntry, suspicion: float | None) -> None:
        """The name, and what the queue is sorted by."""
        theme = self._theme
        name = entry.id.rsplit("/", 1)[-1] if entry.group else entry.id
        line = QRect(box.left() + PAD, box.top() + 2 * PAD + self._size - 2, self._size, NAME)
        painter.setFont(self._small_font)
        metrics = QFontMetrics(self._small_font)
        painter.setPen(theme.text)
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(line, left, metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, line.width()))
        column = self._fact
        value = entry.facts.get(column) if column else None
        said = None if value is None else fact_words(value)
        if column == SUSPICION:
            said = None if suspicion is None else f"{suspicion:.2f}"
        if said is not None:
            painter.setPen(theme.dim)
            line.translate(0, FACT)
            fact = f"{column} {said}" if line.width() >= WORDS_FROM else said
            painter.drawText(line, left, metrics.elidedText(fact, Qt.TextElideMode.ElideRight, line.width()))


class Bar(QWidget):
    """The colours of all pictures, from the lowest to the highest number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colors: NDArray[np.uint8] | None = None
        self.ends = ("", "")
        self._theme = DARK
        self.setFont(small_font(self))
        self.setToolTip("The same colour means the same number on every tile.")
        self.hide()

    def show_range(self, colors: NDArray[np.uint8] | None, ends: tuple[str, str], theme: Theme) -> None:
        """Shows (256, 3) colours between two numbers in words; hides where there are none."""
        self._colors, self.ends, self._theme = colors, ends, theme
        self.setFixedWidth(QFontMetrics(self.font()).horizontalAdvance("".join(ends)) + RAMP + 4 * UNIT)
        self.setVisible(colors is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Number, colours, number."""
        if self._colors is None:
            return
        metrics, rect = QFontMetrics(self.font()), self.rect()
        low, high = self.ends
        with painting(self) as painter:
            painter.setPen(self._theme.text)
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, low)
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, high)
            left = metrics.horizontalAdvance(low) + 2 * UNIT
            right = rect.width() - metrics.horizontalAdvance(high) - 2 * UNIT
            ramp = QLinearGradient(left, 0, right, 0)
            for step in range(0, 256, 15):
                ramp.setColorAt(step / 255, QColor(*map(int, self._colors[step])))
            painter.fillRect(QRect(left, rect.height() // 2 - 6, right - left, 12), ramp)


class Gallery(Panel):
    """The grid, with what it shows and how large above it.

    Args:
        tables: name of a colour table -> (256, 3).

    Signals:
        done: the grid wants the focus.
    """

    watches = (
        Changed.TILE | Changed.DECISION | Changed.QUEUE | Changed.GALLERY | Changed.THUMBNAILS | Changed.PREDICTION
    )
    done = Signal()

    def __init__(self, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tables = tables
        self._choices: list[tuple[str, str]] = []
        self.grid = Grid()
        self.shown = Choice()
        self.shown.setAccessibleName("Shown in the gallery")
        self.shown.setToolTip("What the pictures show; M shows the next")
        self.shown.setMinimumContentsLength(16)
        self.shown.setMaximumWidth(260)
        self.shown.activated.connect(self._show)
        self.size_slider = Slider()
        self.size_slider.setRange(*GALLERY_SIZES)
        self.size_slider.setPageStep(SIZE_STEP)
        self.size_slider.setFixedWidth(140)
        self.size_slider.setAccessibleName("Size of the pictures")
        self.size_slider.setToolTip("Size of the pictures; + and -, or Ctrl and the wheel")
        self.size_slider.valueChanged.connect(self._resize)
        self.bar = Bar()
        self.words = Elided()
        head = QHBoxLayout()
        head.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        head.setSpacing(3 * UNIT)
        head.addWidget(QLabel("Show"))
        head.addWidget(self.shown)
        head.addWidget(self.bar)
        head.addWidget(self.words, 1)
        head.addWidget(QLabel("Size"))
        head.addWidget(self.size_slider)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.grid, 1)
        self.grid.resized.connect(self.resize_pictures)

    def resize_pictures(self, steps: int) -> None:
        """Larger (> 0) or smaller pictures."""
        if self.workspace is not None:
            self.workspace.gallery.set_size(self.workspace.gallery.size + steps * SIZE_STEP)

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.grid.set_theme(theme)
        super().set_theme(theme)

    def workspace_changed(self) -> None:
        """Another dataset has other layers."""
        self._choices = []
        self.grid.set_workspace(self.workspace)

    def showEvent(self, event: QShowEvent) -> None:
        """The pictures are wanted from now on."""
        super().showEvent(event)
        self.show_state()
        self.grid.lay_out()
        self.grid.keep_in_sight()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is wanted any more."""
        super().hideEvent(event)
        self.grid.rest()

    def show_state(self) -> None:
        """Says what is shown and how many are selected."""
        workspace = self.workspace
        if workspace is None or not self.isVisible():
            return
        gallery = workspace.gallery
        choices = gallery.choices()
        with quiet(self.shown, self.size_slider):
            if choices != self._choices:
                self._choices = choices
                self.shown.clear()
                for name, title in choices:
                    self.shown.addItem(title, name)
            self.shown.setCurrentIndex(self.shown.findData(gallery.shown))
            self.size_slider.setValue(gallery.size)
        bar = gallery.bar
        if bar is None:
            self.bar.show_range(None, ("", ""), self.theme)
        else:
            look, ends = bar
            table = self._tables(look.style.color_table)
            low, high = (number(value, (ends.high - ends.low) / 100 or 0.01) for value in (ends.low, ends.high))
            words = (low, f"{high} {look.spec.unit}".strip())
            self.bar.show_range(table[::-1] if look.style.invert else table, words, self.theme)
        count = len(gallery.selected)
        self.words.setText(f"{count:,} selected: decisions go to all of them, Esc selects none" if count else "")

    def _changed(self, changed: Changed) -> None:
        """The grid follows at once, what stands above it a moment later."""
        is_new = changed & Changed.SUSPICION and not changed & Changed.VIEW  # and not only another evidence shown
        if is_new and self.workspace is not None:
            self.workspace.gallery.suspicions_changed()
        if not self.isVisible():
            return
        if is_new:
            self.grid.want_now()
        if changed & (Changed.QUEUE | Changed.GALLERY):
            self.grid.lay_out()
        if changed & Changed.TILE:
            self.grid.follow()
        if changed & Changed.DECISION:
            self.grid.viewport().update()
        if changed & Changed.THUMBNAILS:
            self.grid.arrived()
        super()._changed(changed)

    def _show(self) -> None:
        if self.workspace is not None:
            self.workspace.gallery.show(self.shown.currentData())
        self.done.emit()

    def _resize(self, size: int) -> None:
        if self.workspace is not None:
            self.workspace.gallery.set_size(size)


def small_font(widget: QWidget) -> QFont:
    """The font of what stands in and below the pictures."""
    font = QFont(widget.font())
    font.setPixelSize(11)
    return font

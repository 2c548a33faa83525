"""What a person says about the tile: verdict, tags, regions, a note; and how far the review has got."""

from collections.abc import Callable, Mapping
from datetime import datetime

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QTextCursor
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.review import Anomaly, Decision, Region, Verdict
from rsviewer.core.scene import View
from rsviewer.core.tile import TileId
from rsviewer.ui.fields import Elided, Flow, Scrolled, Writing, focus_by_tab, quiet, tool_button
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.commands import bindings
from rsviewer.workspace.news import Changed, Status
from rsviewer.workspace.review import Saved
from rsviewer.workspace.workspace import Workspace

PAUSE_MS = 1000
"""A note is saved when the typing pauses for so long."""
NOTE_LINES = 3
KEYS_OF_TAGS = 9
REGION_ON_SCREEN = 240
"""Screen pixels that a region gets when it is clicked."""
CLOSEST = 16.0
VERDICTS = (
    (Verdict.GOOD, "review.good", "✓", "Good"),
    (Verdict.UNDECIDED, "review.undecided", "·", "Undecided"),
    (Verdict.DROP, "review.drop", "✕", "Drop"),
)
"""Verdict, the command that gives it, glyph and word."""


class VerdictButton(QPushButton):
    """A large button: glyph and word above, key below."""

    def __init__(self, glyph: str, word: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = f"{glyph} {word}"
        self.setCheckable(True)
        self.setFixedHeight(12 * UNIT)
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        self.set_key("")

    def set_key(self, key: str) -> None:
        """Shows the key that does the same."""
        self.setText(f"{self._words}\n{key}" if key else self._words)


class RegionRow(QWidget):
    """A marked part of the tile.

    Signals:
        shown: the user wants to see it.
        removed: the user takes it away.
    """

    shown = Signal()
    removed = Signal()

    def __init__(self, region: Region, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.size_words = region_words(region)
        self.see = QPushButton(flat=True)
        self.see.setToolTip(f"{title}, {self.size_words}\nClick to zoom there.")
        self.see.setAccessibleName(f"{title}, {self.size_words}")
        label, size = Elided(title), QLabel(self.size_words)
        for part in (label, size):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        size.setProperty("dim", True)
        inside = QHBoxLayout(self.see)
        inside.setContentsMargins(2 * UNIT, 0, 2 * UNIT, 0)
        inside.addWidget(label, 1)
        inside.addWidget(size)
        self.remove = tool_button("✕", "Remove this region")
        self.remove.setAccessibleName("Remove region")
        focus_by_tab(self.see)
        self.see.setFixedHeight(7 * UNIT)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(UNIT)
        line.addWidget(self.see, 1)
        line.addWidget(self.remove)
        self.see.clicked.connect(self.shown)
        self.remove.clicked.connect(self.removed)


class ReviewPanel(Panel):
    """The decision about the current tile.

    Signals:
        asked: a button was clicked that does what a key does; carries the id of the command, so that a click is subject
            to the same rules as the key (nobody decides about a tile that is not on the screen yet).
        done: the note is written; the panes want the focus.
    """

    watches = Changed.TILE | Changed.DECISION | Changed.QUEUE | Changed.STATUS
    asked = Signal(str)
    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scrolled = Scrolled()
        self.why = QLabel(wordWrap=True)
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.why.setProperty("why", True)
        self.verdicts = {verdict: VerdictButton(glyph, word) for verdict, _, glyph, word in VERDICTS}
        self.who = Elided()
        self.who.setProperty("dim", True)
        self.tags: dict[str, QPushButton] = {}
        self._offered: tuple[Anomaly, ...] = ()
        self.foreign = Elided()
        self.regions: list[RegionRow] = []
        self.note = Writing("Note", NOTE_LINES)
        self.bar = QProgressBar(textVisible=False)
        self.progress = Elided()
        self.progress.setProperty("dim", True)
        self._keys: Mapping[str, tuple[str, ...]] = bindings()
        self._tile: TileId | None = None
        self._typed_on: TileId | None = None
        self._shown_regions: tuple[Region, ...] = ()
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self.commit)
        self._build()

    def _build(self) -> None:
        column = self._scrolled.column
        row = QGridLayout()
        row.setSpacing(UNIT)
        for place, (verdict, command, _, _) in enumerate(VERDICTS):
            button = self.verdicts[verdict]
            button.setProperty("verdict", str(verdict))
            button.clicked.connect(self._asks(command))
            focus_by_tab(button)
            row.addWidget(button, 0, place)
        self._chips = QWidget()
        self._flow = Flow(UNIT, self._chips)
        chips = self._chips.sizePolicy()
        chips.setHeightForWidth(True)
        chips.setVerticalPolicy(QSizePolicy.Policy.Minimum)
        self._chips.setSizePolicy(chips)
        self._region_column = QVBoxLayout()
        self._region_column.setSpacing(UNIT)
        self.bar.setFixedHeight(UNIT)
        column.addWidget(self.why)
        column.addLayout(row)
        column.addWidget(self.who)
        column.addWidget(self._chips)
        column.addWidget(self.foreign)
        column.addLayout(self._region_column)
        column.addWidget(self.note)
        column.addStretch(1)
        column.addWidget(self.bar)
        column.addWidget(self.progress)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(self._scrolled)
        self._scrolled.setFocusProxy(self.verdicts[Verdict.GOOD])
        self.note.textChanged.connect(self._typing)
        self.note.finished.connect(self._leave_note)
        self.note.left.connect(self._leave_note)
        self.set_keys(self._keys)

    def sizeHint(self) -> QSize:
        """Room for everything but many regions."""
        return QSize(300, 380)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Saves a note that is being written before it follows another workspace."""
        self.commit()
        super().set_workspace(workspace)

    def set_theme(self, theme: Theme) -> None:
        """Colours the buttons by what they say."""
        self.setStyleSheet(_sheet(theme))
        super().set_theme(theme)

    def set_keys(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Shows other keys on the buttons: command id -> keys, as `commands.bindings` gives them."""
        self._keys = keys
        for verdict, command, _, _ in VERDICTS:
            self.verdicts[verdict].set_key(self._key(command))
        self.note.setPlaceholderText(" ".join(filter(None, ("Note", f"({self._key('review.note')})"))))
        self._make_chips()

    def edit_note(self) -> None:
        """Puts the focus into the note, behind what is there."""
        self.note.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.note.moveCursor(QTextCursor.MoveOperation.End)
        self._scrolled.ensureWidgetVisible(self.note)

    def commit(self) -> None:
        """Saves the note that is being written, on the tile on which the writing began, wherever the user is now."""
        self._pause.stop()
        tile, self._typed_on = self._typed_on, None
        if tile is not None and self.workspace is not None:
            self.workspace.set_note(tile, self.note.toPlainText().strip())

    def show_state(self) -> None:
        """Shows what was decided about the current tile."""
        workspace = self.workspace
        status = None if workspace is None else workspace.status()
        tile = None if status is None else status.tile
        if self._typed_on is not None and tile != self._typed_on:
            self.commit()
        self._tile = tile
        decision = Decision() if status is None else status.decision
        read_only = status is not None and status.saved is Saved.READ_ONLY
        may_decide = tile is not None and not read_only
        self.why.setText("" if workspace is None or not read_only else workspace.review.why_read_only or "Read-only.")
        self.why.setVisible(read_only)
        for verdict, button in self.verdicts.items():
            button.setEnabled(may_decide)
            button.setChecked(tile is not None and decision.verdict is verdict)
        self.who.setText(who_words(decision))
        self._show_tags(decision, may_decide=may_decide)
        self._show_regions(decision.regions, may_decide=may_decide)
        self._show_note(decision.note, may_decide=may_decide)
        self._show_progress(status)

    def _show_tags(self, decision: Decision, *, may_decide: bool) -> None:
        if self._anomalies != self._offered:
            self._make_chips()
        for number, (anomaly, chip) in enumerate(zip(self._offered, self.tags.values(), strict=True), 1):
            on = anomaly.tag in decision.tags
            chip.setEnabled(may_decide)
            chip.setChecked(on)
            chip.setText(_chip_words(number, anomaly.title, on=on))
        foreign = [tag for tag in decision.tags if tag not in self.tags]
        self.foreign.setText(f"⚑ {', '.join(foreign)}" if foreign else "")
        self.foreign.setVisible(bool(foreign))
        self.foreign.set_tip("Tags that are not in the list of this window")

    def _show_regions(self, regions: tuple[Region, ...], *, may_decide: bool) -> None:
        if regions != self._shown_regions:
            self._shown_regions = regions
            for row in self.regions:
                self._region_column.removeWidget(row)
                row.hide()
                row.deleteLater()
            titles = {item.tag: item.title for item in self._anomalies}
            self.regions = [RegionRow(region, titles.get(region.tag, region.tag)) for region in regions]
            for number, row in enumerate(self.regions):
                self._region_column.addWidget(row)
                row.shown.connect(self._zooms_to(regions[number]))
                row.removed.connect(self._removes(number))
        for row in self.regions:
            row.remove.setEnabled(may_decide)

    def _show_note(self, note: str, *, may_decide: bool) -> None:
        self.note.setReadOnly(not may_decide)
        self.note.setEnabled(may_decide or bool(note))
        if self._typed_on is None and self.note.toPlainText().strip() != note:
            with quiet(self.note):
                self.note.setPlainText(note)

    def _show_progress(self, status: Status | None) -> None:
        total = 0 if status is None else status.total
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(0 if status is None else min(status.reviewed, max(1, total)))
        self.progress.setText("" if status is None else progress_words(status))

    # --- what the user asks for

    def _asks(self, command: str) -> Callable[[], None]:
        def ask() -> None:
            # The panel may lag behind a held key: a click then meant a tile that is gone.
            if self.workspace is not None and self.workspace.tile == self._tile:
                self.commit()
                self.asked.emit(command)
            self.show_state()

        return ask

    def _zooms_to(self, region: Region) -> Callable[[], None]:
        def zoom() -> None:
            if self.workspace is not None:
                self.workspace.viewing.set_view(view_of(region))

        return zoom

    def _removes(self, number: int) -> Callable[[], None]:
        def remove() -> None:
            if self.workspace is not None and self.workspace.tile == self._tile:
                self.workspace.remove_region(number)
            self.show_state()

        return remove

    def _typing(self) -> None:
        if self._typed_on is None:
            self._typed_on = self._tile
        self._pause.start()

    def _leave_note(self) -> None:
        self.commit()
        if self.note.hasFocus():
            self._scrolled.verticalScrollBar().setValue(0)
            self.done.emit()

    # --- chips

    @property
    def _anomalies(self) -> tuple[Anomaly, ...]:
        return () if self.workspace is None else self.workspace.anomalies[:KEYS_OF_TAGS]

    def _make_chips(self) -> None:
        while self._flow.count():
            item = self._flow.takeAt(0)
            chip = None if item is None else item.widget()
            if chip is not None:
                chip.hide()
                chip.deleteLater()
        self.tags = {}
        self._offered = self._anomalies
        for number, anomaly in enumerate(self._offered, 1):
            chip = QPushButton(self._chips)
            chip.setCheckable(True)
            chip.setProperty("chip", True)
            chip.setText(_chip_words(number, anomaly.title, on=True))
            chip.ensurePolished()
            widest = chip.sizeHint().width()
            chip.setText(_chip_words(number, anomaly.title, on=False))
            chip.setFixedSize(max(widest, chip.sizeHint().width()), 6 * UNIT)
            key = self._key(f"review.tag.{number}")
            chip.setToolTip(f"{anomaly.title}\nTag: {anomaly.tag}" + (f"\nKey: {key}" if key else ""))
            chip.setAccessibleName(anomaly.title)
            chip.clicked.connect(self._asks(f"review.tag.{number}"))
            focus_by_tab(chip)
            self._flow.addWidget(chip)
            self.tags[anomaly.tag] = chip

    def _key(self, command: str) -> str:
        keys = self._keys.get(command, ())
        return QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if keys else ""


def region_words(region: Region) -> str:
    """How large a region is, in pixels of the tile."""
    left, top, right, bottom = _bounds(region)
    return f"{right - left:.0f} x {bottom - top:.0f} px"


def view_of(region: Region) -> View:
    """A view with the region in its middle and some of its surroundings."""
    left, top, right, bottom = _bounds(region)
    zoom = REGION_ON_SCREEN / max(right - left, bottom - top, 1.0)
    return View(((left + right) / 2, (top + bottom) / 2), min(zoom, CLOSEST))


def who_words(decision: Decision) -> str:
    """Who decided, and when."""
    if not decision.time:
        return "not decided yet"
    try:
        time = datetime.fromisoformat(decision.time).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        time = decision.time
    return f"{decision.reviewer or 'somebody'}, {time}"


def progress_words(status: Status) -> str:
    """How far the review has got."""
    words = [f"{status.reviewed:,} of {status.total:,} decided", f"{status.dropped:,} dropped"]
    if status.per_minute:
        words.append(f"{status.per_minute:.0f}/min")
    return "  ·  ".join(words)


def _chip_words(number: int, title: str, *, on: bool) -> str:
    return f"{number} {'⚑' if on else '⚐'} {title}".replace("&", "&&")


def _bounds(region: Region) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in region.points], [y for _, y in region.points]
    return min(xs), min(ys), max(xs), max(ys)


def _sheet(theme: Theme) -> str:
    verdicts = "".join(
        f'''QPushButton[verdict="{verdict}"]:checked {{
            background: {back.name()}; border-color: {back.name()}; color: {ink.name()}; }}'''
        for verdict, back, ink in (
            (Verdict.GOOD, theme.good, theme.on_accent),
            (Verdict.UNDECIDED, theme.line, theme.text),
            (Verdict.DROP, theme.drop, theme.on_accent),
        )
    )
    return f"""
    QPushButton[verdict] {{ padding: 4px; }}
    QPushButton[chip="true"] {{ padding: 2px 6px; text-align: left; }}
    QPushButton[chip="true"]:checked {{ background: {theme.warn.name()}; border-color: {theme.warn.name()}; }}
    QPushButton:checked {{ color: {theme.on_accent.name()}; }}
    QPushButton[flat="true"] {{ border: 1px solid {theme.line.name()}; }}
    QLabel[why="true"] {{ color: {theme.warn.name()}; }}
    QProgressBar {{ background: {theme.field.name()}; border: none; border-radius: 2px; }}
    QProgressBar::chunk {{ background: {theme.accent.name()}; border-radius: 2px; }}
    {verdicts}
    """

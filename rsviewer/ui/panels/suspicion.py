"""Why the tile is suspicious, and what the checks have found in the whole dataset."""

import re
from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.suspicion import SUSPICIOUS, Reason, words_of
from rsviewer.core.tile import TileId, printable
from rsviewer.ui.dialogs.dialog import Words
from rsviewer.ui.fields import Elided, Scrolled, focus_by_tab
from rsviewer.ui.figures import Bar, Bars
from rsviewer.ui.painting import painting
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.section import Section
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.checking import LOOKING, Checking, Suspected
from rsviewer.workspace.commands import bindings
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

CONFIRM, REFUTE, EVIDENCE = "check.confirm", "check.refute", "check.evidence"
RUN, STOP, FIRST = "check.run", "check.stop", "check.first"
HURRIED_MS = 250
"""While a key is held, how often it looks whether it still is."""
MOST_LINKS = 5
_LONG = re.compile(r"(\S{24})(?=\S)")
"""Parts of long words, behind which a line may end: names of files have no blanks."""
_REFUTE_HELP = "It is none: the suspicion does not come back"
PROGRESS_MS = 500
"""While tiles are being checked, how often the panel says how far that is."""


class SuspicionPanel(Panel):
    """The reasons of the current tile with the keys that answer them, and the checks over all tiles.

    Signals:
        asked: a button was clicked that does what a key does; carries the id of the command.
    """

    watches = Changed.TILE | Changed.DECISION | Changed.SUSPICION | Changed.REASONS | Changed.QUEUE | Changed.GALLERY
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: Mapping[str, tuple[str, ...]] = bindings()
        self.gauge = Gauge()
        self.nothing = Words()
        self.rows: list[ReasonRow] = []
        self.reasons = QVBoxLayout()
        self.reasons.setSpacing(UNIT)
        self.confirm, self.refute, self.where = QPushButton(), QPushButton(), QPushButton()
        self.where.setCheckable(True)
        self.where_words = QLabel()
        self.where_words.setProperty("dim", True)
        self.where_words.setWordWrap(True)
        self.run, self.first = QPushButton(), QPushButton("Suspicious first")
        self.first.setCheckable(True)
        self.progress = Words()
        self.counts = CheckBars()
        self.counts_part = Section(
            "Found by each check",
            self.counts,
            "Share of the tiles that each check suspects; a click puts its worst first",
        )
        for button, command in (
            (self.confirm, CONFIRM),
            (self.refute, REFUTE),
            (self.where, EVIDENCE),
            (self.first, FIRST),
        ):
            button.clicked.connect(lambda _=False, command=command: self.asked.emit(command))
        self.run.clicked.connect(self._run)
        self.counts.chosen.connect(self._sort)
        self._watch = QTimer(self, interval=PROGRESS_MS)
        self._watch.timeout.connect(self._show_run)
        self._build()
        self.set_keys(self._keys)

    def _build(self) -> None:
        scrolled = Scrolled()
        column = scrolled.column
        buttons = QHBoxLayout()
        for button in (self.confirm, self.refute, self.where):
            button.setStyleSheet("padding: 4px")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, 1)
        buttons.setSpacing(UNIT)
        runs = QHBoxLayout()
        runs.setSpacing(UNIT)
        for button in (self.run, self.first):
            button.setStyleSheet("padding: 4px")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            runs.addWidget(button, 1)
        focus_by_tab(self.confirm, self.refute, self.where, self.run, self.first)
        column.addWidget(self.gauge)
        column.addLayout(buttons)
        column.addWidget(self.where_words)
        column.addWidget(self.nothing)
        column.addLayout(self.reasons)
        column.addSpacing(2 * UNIT)
        column.addLayout(runs)
        column.addWidget(self.progress)
        column.addWidget(self.counts_part)
        column.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolled)

    def set_keys(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Shows the keys as they are bound now."""
        self._keys = keys
        self.show_state()

    def _key(self, command: str) -> str:
        keys = self._keys.get(command, ())
        return QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if keys else ""

    def _tip(self, sentence: str, command: str) -> str:
        key = self._key(command)
        return f"{sentence}\nKey: {key}" if key else sentence

    # --- showing

    def showEvent(self, event: QShowEvent) -> None:
        """Nothing is asked for it while nobody sees it."""
        super().showEvent(event)
        self.workspace_changed()
        self.show_state()

    def hideEvent(self, event: QHideEvent) -> None:
        """See `showEvent`."""
        super().hideEvent(event)
        self.workspace_changed()

    def workspace_changed(self) -> None:
        """Reasons are wanted as long as they are seen."""
        if self.workspace is not None:
            self.workspace.checking.set_watched(on=self.isVisible())

    def show_state(self) -> None:
        """Shows what is known of the current tile, and of all."""
        if not self.isVisible():
            self._watch.stop()
            return
        workspace = self.workspace
        checking = None if workspace is None else workspace.checking
        suspected = None if checking is None or workspace is None or workspace.hurried else checking.seen()
        if workspace is not None and suspected is None and workspace.tile is not None:
            self._show_awaited(workspace)
            return
        self.gauge.show_suspicion(None if suspected is None else suspected.suspicion, self.theme)
        self._show_reasons(checking, suspected)
        self._show_answers(checking, suspected)
        self._show_run()

    def _show_awaited(self, workspace: Workspace) -> None:
        """What is known anyway, until the reasons are there. While a key is held nobody asks: they would be gone at once."""
        ordinal = workspace.finding.ordinal
        self.gauge.show_suspicion(None if ordinal is None else workspace.checking.suspicion_of(ordinal), self.theme)
        for part in (*self.rows, self.nothing, self.where_words):
            part.setVisible(False)
        for button in (self.confirm, self.refute, self.where):
            button.setEnabled(False)
        self._show_run()
        if workspace.hurried:
            self._rest.start(HURRIED_MS)

    def _show_reasons(self, checking: Checking | None, suspected: Suspected | None) -> None:
        reasons = () if suspected is None else suspected.reasons
        while len(self.rows) > len(reasons):
            row = self.rows.pop()
            self.reasons.removeWidget(row)
            row.deleteLater()
        while len(self.rows) < len(reasons):
            row = ReasonRow()
            row.clicked.connect(self._choose)
            row.asked_tile.connect(self._go_to)
            self.rows.append(row)
            self.reasons.addWidget(row)
        layers = () if self.workspace is None else self.workspace.dataset.layers
        for row, reason in zip(self.rows, reasons, strict=True):
            partners = () if suspected is None else suspected.partners.get(reason.check, ())
            chosen = suspected is not None and reason.check == suspected.chosen
            row.setVisible(True)
            row.show_reason(reason, words_of(reason, layers), partners, self.theme, chosen=chosen)
        self.nothing.say("" if reasons or checking is None else checking.why_nothing())

    def _show_answers(self, checking: Checking | None, suspected: Suspected | None) -> None:
        chosen = None if suspected is None else suspected.chosen
        reason = None if suspected is None else next((one for one in suspected.reasons if one.check == chosen), None)
        gallery = None if self.workspace is None else self.workspace.gallery
        several = 0 if gallery is None or not gallery.has_selection else len(gallery.selected)
        for button in (self.confirm, self.refute, self.where):
            goes_to_all = bool(several) and button is not self.where
            button.setVisible(bool(self.rows) or goes_to_all)
            button.setEnabled(reason is not None or goes_to_all)
        self.confirm.setText("Confirm")
        tag = "" if reason is None else BY_ID[reason.check].tag
        refuted = reason is not None and reason.refuted and not several
        self.refute.setText("Not refuted" if refuted else "Refute")
        if several:
            confirming = f"Drop those of the {several:,} selected tiles that are suspected, each with its own tag"
            refuting = f"Refute one suspicion of each of the {several:,} selected tiles: it does not come back"
        else:
            confirming = f"Drop the tile with the tag {tag or '…'}, and go on"
            refuting = "It was no mistake: the suspicion counts again" if refuted else _REFUTE_HELP
        self.confirm.setToolTip(self._tip(confirming, CONFIRM))
        self.refute.setToolTip(self._tip(refuting, REFUTE))
        self.where.setText("Where")
        self.where.setToolTip(self._tip("Shows where in the tile the suspicion lies", EVIDENCE))
        self.where.setChecked(checking is not None and checking.shows_evidence)
        words = "" if checking is None else checking.evidence_words
        self.where_words.setText(words)
        self.where_words.setVisible(bool(words))

    def _show_run(self) -> None:
        checking = None if self.workspace is None else self.workspace.checking
        job = None if checking is None else checking.job
        self.run.setEnabled(checking is not None and checking.can_run)
        self.run.setText("Stop" if job is not None else "Check all tiles")
        self.run.setToolTip(
            "What was found is kept; the next run goes on from there"
            if job is not None
            else "Looks at every tile that was not looked at yet, in the background"
        )
        self.first.setEnabled(checking is not None and checking.has_results)
        self.first.setChecked(checking is not None and checking.is_first)
        self.first.setToolTip(self._tip("The most suspicious tiles first", FIRST))
        self.progress.say(_progress(checking))
        judged = None if checking is None else checking.judged
        bars = []
        if judged is not None and judged.tiles:
            found = sorted(judged.by_check.items(), key=lambda item: -item[1])
            bars = [(check, count) for check, count in found if count and check in BY_ID]
            self.counts.show_counts(bars, judged.tiles, self.theme)
        self.counts_part.setVisible(bool(bars))
        if (job is not None) != self._watch.isActive():
            self._watch.start() if job is not None else self._watch.stop()

    # --- asking

    def _choose(self, check: str) -> None:
        if self.workspace is not None:
            self.workspace.checking.choose(check)

    def _go_to(self, tile: str) -> None:
        if self.workspace is not None:
            self.workspace.show_tile(TileId(tile))

    def _run(self) -> None:
        running = self.workspace is not None and self.workspace.checking.job is not None
        self.asked.emit(STOP if running else RUN)

    def _sort(self, check: str) -> None:
        if self.workspace is not None:
            self.workspace.checking.sort_by(f"check_{check} desc")


class Gauge(QWidget):
    """How suspicious the tile is, as a number and a bar with the threshold in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value: float | None = None
        self._theme: Theme | None = None
        self.setFixedHeight(8 * UNIT)

    def show_suspicion(self, value: float | None, theme: Theme) -> None:
        """Another tile's, or none's."""
        self.value, self._theme = value, theme
        self.setAccessibleName(self.words)
        self.update()

    @property
    def words(self) -> str:
        """What it says."""
        if self.value is None:
            return "not checked"
        return f"{'suspicious' if self.value >= SUSPICIOUS else 'not suspicious'}: {self.value:.2f}"

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(60 * UNIT, 8 * UNIT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Words above, the bar below."""
        theme = self._theme
        if theme is None:
            return
        with painting(self) as painter:
            bold = self.font()
            bold.setBold(True)
            painter.setFont(bold)
            suspicious = self.value is not None and self.value >= SUSPICIOUS
            painter.setPen(theme.dim if self.value is None else theme.warn if suspicious else theme.text)
            painter.drawText(self.rect().adjusted(0, 0, 0, -3 * UNIT), int(Qt.AlignmentFlag.AlignVCenter), self.words)
            bar = QRectF(0, self.height() - 2 * UNIT, self.width(), 1.5 * UNIT)
            painter.fillRect(bar, theme.field)
            if self.value:
                filled = QRectF(bar.left(), bar.top(), bar.width() * self.value, bar.height())
                painter.fillRect(filled, theme.warn if suspicious else theme.dim)
            painter.setPen(theme.text)
            middle = bar.left() + bar.width() * SUSPICIOUS
            painter.drawLine(round(middle), round(bar.top()) - 2, round(middle), round(bar.bottom()) + 1)


class ReasonRow(QFrame):
    """One reason: what is suspected, what was found, and by how much it exceeds what is usual; all of it where it is chosen.

    Signals:
        clicked: carries the id of the check.
        asked_tile: another tile that the reason names was asked for; carries its id.
    """

    clicked = Signal(str)
    asked_tile = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check = ""
        self._certainty = 0.0
        self._chosen = False
        self._theme: Theme | None = None
        self.title, self.message, self.figures = QLabel(), QLabel(), QLabel()
        self.short = Elided()
        self.title.setProperty("heading", True)
        self.figures.setProperty("dim", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * UNIT, UNIT, UNIT, 2 * UNIT)
        column.setSpacing(0)
        for label in (self.title, self.message, self.figures):
            label.setTextFormat(Qt.TextFormat.PlainText)  # names come from strangers
            label.setWordWrap(True)
            policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            policy.setHeightForWidth(True)
            label.setSizePolicy(policy)  # a long word must not widen the dock
        self.partners = QVBoxLayout()
        self.partners.setSpacing(0)
        self._links: list[TileLink] = []
        for part in (self.title, self.short, self.message):
            column.addWidget(part)
        column.addLayout(self.partners)
        column.addWidget(self.figures)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_reason(
        self, reason: Reason, words: str, partners: tuple[TileId, ...], theme: Theme, *, chosen: bool
    ) -> None:
        """Another reason, with what was found; `partners` are the tiles that it names, which a click opens."""
        check = BY_ID[reason.check]
        self.check, self._certainty, self._chosen, self._theme = reason.check, reason.certainty, chosen, theme
        self.title.setText(f"{check.title} ({reason.answer})" if reason.answer else check.title)
        self.title.setEnabled(reason.counts)
        self.message.setText(_LONG.sub("\\1\u200b", words))
        self.short.setText(words)
        self.message.setVisible(chosen and bool(words))
        self.short.setVisible(not chosen and bool(words))
        self.figures.setVisible(chosen)
        unit = f" {check.unit}" if check.unit else ""
        self.figures.setText(f"{reason.score:.3g}{unit}, suspicious from {reason.threshold:.3g}{unit}")
        tip = f"{check.help}\nThreshold: {check.why}\nTag: {check.tag}\nFilter: check_{check.id}"
        self.setToolTip(plain_tip(tip))
        self._show_partners(partners[:MOST_LINKS] if chosen else (), theme)
        self.setAccessibleName(f"{self.title.text()}. {self.message.text()}. {self.figures.text()}")
        self.update()

    def _show_partners(self, partners: tuple[TileId, ...], theme: Theme) -> None:
        while len(self._links) > len(partners):
            link = self._links.pop()
            self.partners.removeWidget(link)
            link.hide()
            link.deleteLater()
        while len(self._links) < len(partners):
            link = TileLink()
            link.asked.connect(self.asked_tile)
            self._links.append(link)
            self.partners.addWidget(link)
        for link, tile in zip(self._links, partners, strict=True):
            link.show_tile(tile, theme)

    @property
    def links(self) -> tuple[str, ...]:
        """The tiles that a click opens."""
        return tuple(link.tile for link in self._links)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Chooses it."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.clicked.emit(self.check)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A field, with how certain it is as a bar below; the chosen one has the accent at its side."""
        theme = self._theme
        if theme is None:
            return
        with painting(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
            painter.fillRect(self.rect(), theme.head if self._chosen else theme.field)
            if self._chosen:
                painter.fillRect(0, 0, 3, self.height(), theme.accent)
            width = round((self.width() - 3) * self._certainty)
            painter.fillRect(3, self.height() - 3, width, 3, theme.warn if self.title.isEnabled() else theme.line)


class TileLink(Elided):
    """The name of another tile, which a click opens.

    Signals:
        asked: it was clicked; carries the id of the tile.
    """

    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, side=Qt.TextElideMode.ElideMiddle)
        self.tile = ""
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_tile(self, tile: TileId, theme: Theme) -> None:
        """Another tile."""
        self.tile = tile
        self.setText(f"→ {printable(tile)}")
        self.set_tip("Goes to this tile")
        sheet = f"color: {theme.accent.name()};"
        if self.styleSheet() != sheet:  # setting one polishes the label anew, on every step
            self.setStyleSheet(sheet)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Opens it."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.asked.emit(self.tile)


class CheckBars(Bars):
    """For each check, the share of the tiles that it suspects.

    Signals:
        chosen: a check was clicked; carries its id.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._checks: tuple[str, ...] = ()
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_counts(self, counts: list[tuple[str, int]], tiles: int, theme: Theme) -> None:
        """Other counts: check, and how many of `tiles` it suspects."""
        self._checks = tuple(check for check, _ in counts)
        self.show_bars(
            tuple(
                Bar(
                    BY_ID[check].title,
                    count / tiles,
                    tip=f"{BY_ID[check].title}: {count:,} of {tiles:,} tiles. A click puts the worst first.",
                )
                for check, count in counts
            ),
            theme,
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Chooses the check of the line."""
        line = int(event.position().y()) * self.lines() // max(1, self.height())
        if 0 <= line < len(self._checks):
            self.chosen.emit(self._checks[line])


def _progress(checking: Checking | None) -> str:
    """How far the run is, or what it has found."""
    if checking is None:
        return ""
    job, judged = checking.job, checking.judged
    if job is not None:
        known = f"{job.done:,} of {job.total:,} tiles" if job.total is not None else "starting"
        pace = job.pace_in_words("tiles")
        is_looking = job.title == LOOKING
        found = f"{judged.suspicious:,} suspicious so far" if judged is not None and not is_looking else ""
        return "; ".join(filter(None, (f"{LOOKING if is_looking else 'Checking'}: {known}", pace, found))) + "."
    if judged is not None and checking.has_results:
        left = checking.total - judged.tiles
        more = f" {left:,} are not checked yet." if left > 0 else ""
        return f"{judged.suspicious:,} of {judged.tiles:,} tiles checked are suspicious.{more}"
    return ""

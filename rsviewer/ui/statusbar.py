"""What is always visible: tile, split, verdict, whether it is saved, progress, and what the background is doing."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from rsviewer.core.review import Decision, Verdict
from rsviewer.ui.fields import Elided
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed, Status
from rsviewer.workspace.review import Saved

TICK_MS = 500
GLYPHS = {Verdict.GOOD: "✓ good", Verdict.DROP: "✕ drop", Verdict.UNDECIDED: "· undecided"}


class StatusBar(Panel):
    """One line at the bottom of the window.

    Signals:
        asked_elsewhere: the user wants the decisions in another file.
        shown: the words are new, or there is nothing to say any more.
    """

    asked_elsewhere = Signal()
    shown = Signal()
    watches = Changed.TILE | Changed.DECISION | Changed.QUEUE | Changed.STATUS | Changed.PREDICTION

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tile = QLabel()
        self.decision = QLabel()
        self.saved = QLabel()
        self.retry = QPushButton("Save again")
        self.elsewhere = QPushButton("Save elsewhere…")
        self.message = Elided()
        self.progress = QLabel()
        self.background = QLabel()
        self.stop = QPushButton("Stop")
        for label in (self.tile, self.decision):
            label.setTextFormat(Qt.TextFormat.PlainText)  # names come from strangers
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        row.setSpacing(4 * UNIT)
        for label in (self.tile, self.decision, self.saved):
            row.addWidget(label)
        row.addWidget(self.retry)
        row.addWidget(self.elsewhere)
        row.addWidget(self.message, 1)
        row.addWidget(self.background)
        row.addWidget(self.stop)
        row.addWidget(self.progress)
        for button in (self.retry, self.elsewhere, self.stop):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.retry.clicked.connect(self._retry)
        self.elsewhere.clicked.connect(self.asked_elsewhere)
        self.stop.clicked.connect(self._stop_jobs)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._show_background)
        self._tick.start()

    def showEvent(self, event: QShowEvent) -> None:
        """As high with a button as without: the panes must not jump when something begins or ends."""
        self.setMinimumHeight(self.stop.sizeHint().height() + 2 * UNIT)
        super().showEvent(event)

    def show_state(self) -> None:
        """Reads the status and says it."""
        if self.workspace is None:
            for part in (self.tile, self.decision, self.saved, self.progress, self.background, self.message):
                part.setText("")
            for button in (self.retry, self.elsewhere, self.stop):
                button.hide()
            self.shown.emit()
            return
        status = self.workspace.status()
        self.tile.setText(_tile(status))
        self.tile.setToolTip(plain_tip(status.tile or ""))
        self.decision.setText(_decision(status.decision))
        self._color(self.decision, {Verdict.GOOD: "good", Verdict.DROP: "drop"}.get(status.decision.verdict, "dim"))
        self.saved.setText(saved_words(status))
        self.saved.setToolTip(plain_tip(status.error))
        self._color(self.saved, {Saved.SAVED: "dim", Saved.FAILED: "drop", Saved.READ_ONLY: "warn"}[status.saved])
        failed = status.saved is Saved.FAILED
        self.retry.setVisible(failed)
        self.elsewhere.setVisible(failed)
        self.message.setText(status.error if failed and not status.message else status.message)
        self.progress.setText(_progress(status))
        self._show_background()
        self.shown.emit()

    def _show_background(self) -> None:
        if self.workspace is None or self.workspace.hurried:
            return
        status = self.workspace.status()
        words = [
            ", ".join(filter(None, (f"{job.title} {_count(job.done, job.total)}".strip(), job.pace_in_words())))
            for job in status.jobs
        ]
        if not words and status.ahead:
            words.append(f"reading ahead {status.ahead}")
        words.append(f"cache {status.cache_bytes / 1e6:,.0f} MB")
        if status.model:
            words.append(status.model)
        self.background.setText("  ·  ".join(words))
        self.stop.setVisible(bool(status.jobs) or self.workspace.predicting.is_busy)

    def _retry(self) -> None:
        if self.workspace is not None:
            self.workspace.retry_saving()

    def _stop_jobs(self) -> None:
        if self.workspace is not None:
            for job in self.workspace.jobs.running:
                job.stop.set()
            if self.workspace.predicting.is_busy:
                self.workspace.predicting.stop()

    def _color(self, label: QLabel, role: str) -> None:
        sheet = f"color: {getattr(self.theme, role).name()};"
        if label.styleSheet() != sheet:  # setting one polishes the label anew, on every step
            label.setStyleSheet(sheet)


def _tile(status: Status) -> str:
    if status.tile is None:
        return "no tile"
    splits = f"  ·  {', '.join(status.splits)}" if status.splits else ""
    return f"{status.tile}{splits}"


def _decision(decision: Decision) -> str:
    parts = [GLYPHS[decision.verdict], *decision.tags]
    if decision.regions:
        parts.append(f"{len(decision.regions)} region{'s' if len(decision.regions) > 1 else ''}")
    return ", ".join(parts)


def saved_words(status: Status) -> str:
    """Whether everything decided is on disk."""
    return "NOT SAVED" if status.saved is Saved.FAILED else str(status.saved)


def _progress(status: Status) -> str:
    words = [f"{status.reviewed:,} of {status.total:,} decided", f"{status.dropped:,} dropped"]
    if status.per_minute:
        left = (status.total - status.reviewed) / status.per_minute
        words.append(f"{status.per_minute:.0f}/min, {_duration(left)} left")
    return "  ·  ".join(words)


def _duration(minutes: float) -> str:
    return (
        f"{minutes:.0f} min"
        if minutes < 90
        else f"{minutes / 60:.0f} h"
        if minutes < 60 * 48
        else f"{minutes / 1440:.0f} d"
    )


def _count(done: int, total: int | None) -> str:
    return f"{done:,}" if not total else f"{done:,} / {total:,}"

"""Exporting cleaned lists: what is left out and why, seen before it is written."""

import threading
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QDesktopServices, QSyntaxHighlighter, QTextCharFormat, QTextDocument
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QWidget,
)

from rsviewer.core.errors import ExportError, RsviewerError, StoppedError
from rsviewer.core.splits import Dropped, ExportOptions, Leak, Reason
from rsviewer.core.tile import TileId, printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.export import ExportResult, check_target, write_export
from rsviewer.ui.dialogs.dialog import Newest, Words, WorkspaceDialog, dim_label, heading, spread
from rsviewer.ui.dialogs.folderfield import suggested
from rsviewer.ui.dialogs.table import Cell, Rows, read_only_table
from rsviewer.ui.fields import Flow
from rsviewer.ui.theme import DARK, LIGHT, UNIT, mono
from rsviewer.workspace.background import Job
from rsviewer.workspace.exporting import MOST_DIFF_LINES, Preview, preview_export
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

REST_MS = 250
"""Decisions and letters that come closer together are counted together."""

WATCH_MS = 100

MOST_NUMBERS = 12
MOST_ROWS = 10_000
"""So many tiles are shown of those left out; all of them are counted, and written."""
MOST_FILES = 4
REASON_WORDS = {
    Reason.VERDICT: "dropped",
    Reason.TAG: "tagged",
    Reason.UNDECIDED: "undecided",
    Reason.NOT_FOUND: "without files",
}


Counted: TypeAlias = tuple[int, Mapping[TileId, str], Preview]
"""Generation of the index, tile -> group, and what would be written."""


class ExportDialog(WorkspaceDialog):
    """Options, what they do to every list, and where the export goes. The numbers follow the decisions."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Export cleaned lists", (960, 720), parent)
        self._workspace = workspace
        self._preview: Preview | None = None
        self._tiles: tuple[int, Mapping[TileId, str]] | None = None
        self._counter: Newest[Counted] = Newest(self, workspace.jobs, "Counting for the export", self._counted)
        self._outdated = threading.Event()
        self._waiting = False
        self._writing: Job | None = None
        self._looked_at = 0
        self._written: Path | None = None
        self._result: ExportResult | RsviewerError | None = None
        self._build()
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._count)
        self._typing = QTimer(self, singleShot=True, interval=REST_MS)
        self._typing.timeout.connect(self._look_at_target)
        self._watching = QTimer(self, interval=WATCH_MS)
        self._watching.timeout.connect(self._watch)
        self._unsubscribe = workspace.subscribe(self._changed)
        self.folder.setText(str(suggested(workspace.dataset, "cleaned")))
        self._count()

    # --- building

    def _build(self) -> None:
        self.summary = heading("Counting…")
        self.reasons = dim_label("", wrap=True)
        self.column.addWidget(self.summary)
        self.column.addWidget(self.reasons)
        self.column.addLayout(self._options())
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.tabBar().setDrawBase(False)
        self.lists = Rows(("List", "Names", "Kept", "Left out", "Without files"))
        self.areas = Rows(("Group", "Kept", "Left out", "Which"))
        self.dropped = Rows(("Tile", "Group", "Why", "Tags", "Note", "Reviewer"))
        self.leaks = Rows(("Tile", "Trains in", "Held out in"))
        self.diff = QPlainTextEdit(readOnly=True, lineWrapMode=QPlainTextEdit.LineWrapMode.NoWrap)
        self.diff.setFont(mono())
        self.diff.setAccessibleName("Changes as a diff")
        self.diff.setTabChangesFocus(True)
        self._paint = _DiffColors(self.diff.document(), self)
        self._has_lists = bool(self._workspace.dataset.lists)
        if self._has_lists:
            self.tabs.addTab(read_only_table(self.lists, (0, 96, 96, 96, 112)), "Lists")
        else:
            self.tabs.addTab(read_only_table(self.areas, (200, 96, 96, 0)), "Groups")
        self._dropped_tab = self.tabs.addTab(read_only_table(self.dropped, (200, 120, 112, 144, 0, 96)), "Left out")
        if self._has_lists:
            self.tabs.addTab(self.diff, "Changes")
            self._leaks_tab = self.tabs.addTab(read_only_table(self.leaks, (200, 0, 0)), "In training and test")
        self.column.addWidget(self.tabs, 1)
        self.column.addLayout(self._target())
        self.words = Words()
        self.column.addWidget(self.words)
        self.progress = QProgressBar()
        self.progress.setAccessibleName("How far the export is")
        self.progress.hide()
        self.column.addWidget(self.progress)
        self.column.addLayout(self._buttons())

    def _options(self) -> QGridLayout:
        dropped = QCheckBox("Tiles with the verdict drop")
        dropped.setChecked(True)
        dropped.setEnabled(False)
        self.undecided = QCheckBox("Tiles without a verdict")
        self.missing = QCheckBox("Names without files")
        if not self._workspace.dataset.lists:
            self.missing.hide()
        for box in (self.undecided, self.missing):
            box.toggled.connect(self._count)
        first = QHBoxLayout()
        first.setSpacing(4 * UNIT)
        for box in (dropped, self.undecided, self.missing):
            first.addWidget(box)
        first.addStretch()
        self._tag_area = QWidget()
        self._tag_boxes: dict[str, QCheckBox] = {}
        self._tag_flow = Flow(4 * UNIT, self._tag_area)
        self._no_tags = dim_label("no tile has a tag")
        self._tag_area.hide()
        grid = QGridLayout()
        grid.setHorizontalSpacing(4 * UNIT)
        grid.setVerticalSpacing(2 * UNIT)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Left out"), 0, 0)
        grid.addLayout(first, 0, 1)
        grid.addWidget(QLabel("and tagged"), 1, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self._no_tags, 1, 1)
        grid.addWidget(self._tag_area, 1, 1)
        return grid

    def _target(self) -> QGridLayout:
        self.folder = QLineEdit(placeholderText="a new folder for the export")
        self.folder.setAccessibleName("Folder for the export")
        self.folder.textChanged.connect(self._target_edited)
        choose = QPushButton("Choose…", autoDefault=False)
        choose.clicked.connect(self._choose)
        label = QLabel("&Into")
        label.setBuddy(self.folder)
        self.overwrite = QCheckBox("Replace the earlier export there")
        self.overwrite.toggled.connect(self._look_at_target)
        self.overwrite.hide()
        self.target_words = Words()
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * UNIT)
        grid.setVerticalSpacing(UNIT)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.folder, 0, 1)
        grid.addWidget(choose, 0, 2)
        grid.addWidget(self.target_words, 1, 1, 1, 2)
        grid.addWidget(self.overwrite, 2, 1, 1, 2)
        return grid

    def _buttons(self) -> QHBoxLayout:
        self.show_folder = QPushButton("Open folder", autoDefault=False)
        self.show_folder.clicked.connect(self._open_folder)
        self.show_folder.hide()
        close = QPushButton("Close", autoDefault=False)
        close.clicked.connect(self.close)
        self.export = QPushButton("Export", default=True)
        self.export.setEnabled(False)
        self.export.clicked.connect(self._export)
        self.stop = QPushButton("Stop", autoDefault=False)
        self.stop.clicked.connect(self._stop)
        self.stop.hide()
        return spread([self.show_folder], [close, self.stop, self.export])

    # --- counting

    def options(self) -> ExportOptions:
        """What is asked for."""
        return ExportOptions(
            drop_undecided=self.undecided.isChecked(),
            drop_tags=tuple(sorted(tag for tag, box in self._tag_boxes.items() if box.isChecked())),
            drop_missing=self.missing.isChecked(),
        )

    def leaving(self) -> None:
        """Stops listening. An export under way is finished: the status bar shows it, and can stop it."""
        self._unsubscribe()
        self._watching.stop()
        self._rest.stop()
        self._typing.stop()

    def _changed(self, changed: Changed) -> None:
        if self._waiting and not self._counter.busy:
            self._waiting = False
            self.summary.setText("Counting was stopped. It begins again when what is left out changes.")
        if changed & (Changed.DECISION | Changed.QUEUE) and not self._rest.isActive():
            self._rest.start()

    def _count(self) -> None:
        """Plans anew in the background; what changes meanwhile is planned instead."""
        self.export.setEnabled(False)
        self._outdated.set()
        outdated = self._outdated = threading.Event()
        opened, index, options = self._workspace.opened, self._workspace.index, self.options()
        decisions, known = dict(self._workspace.review.decisions), self._tiles

        def work(job: Job) -> Counted:
            def stop() -> bool:
                return outdated.is_set() or job.stop.is_set()

            generation = index.generation
            is_known = known is not None and known[0] == generation and known[1]
            tiles = known[1] if known is not None and is_known else index.groups_of_tiles(stop)
            return generation, tiles, preview_export(opened, decisions, options, tiles, job.progress, stop)

        self._counter.ask(work)
        self._waiting = self._counter.busy

    def _counted(self, result: Counted | RsviewerError) -> None:
        self._waiting = False
        if isinstance(result, RsviewerError):
            self._preview = None
            self.words.say(str(result), "bad")
            return
        generation, tiles, self._preview = result
        self._tiles = (generation, tiles)
        if self._written is None:
            self.words.say("")
        self._show(self._preview)
        self._look_at_target()

    def _show(self, preview: Preview) -> None:
        plan = preview.plan
        if not preview.tiles:
            self.summary.setText("No tile has files, or their names are still being read.")
        else:
            gone = preview.tiles - sum(map(len, plan.kept.values()))
            self.summary.setText(f"{gone:,} of {preview.tiles:,} tiles are left out.")
        self.reasons.setText(_sentence(preview))
        self.undecided.setText(f"Tiles without a verdict ({preview.undecided:,})")
        self.missing.setText(f"Names without files ({preview.not_found:,})")
        self._show_tags(preview.tags)
        self.lists.fill(
            [
                (
                    change.before.path,
                    change.names_before,
                    change.names_after,
                    len(change.dropped),
                    len(change.not_found),
                )
                for change in plan.lists
            ]
        )
        self.areas.fill(
            [(area.group or "(all tiles)", area.kept, len(area.dropped), _some(area.dropped)) for area in plan.areas]
        )
        self.dropped.fill(_first_rows([_dropped_row(dropped) for dropped in plan.dropped[:MOST_ROWS]], plan.dropped))
        self.leaks.fill(_first_rows([_leak_row(leak) for leak in plan.leaks[:MOST_ROWS]], plan.leaks))
        self.tabs.setTabText(self._dropped_tab, f"Left out ({len(plan.dropped):,})")
        if self._has_lists:
            self.tabs.setTabText(self._leaks_tab, f"In training and test ({len(plan.leaks):,})")
        cut = [] if preview.diff_is_whole else ["", f"… only the first {MOST_DIFF_LINES:,} lines are shown."]
        self.diff.setPlainText("\n".join([*preview.diff, *cut]) or "Nothing changes.")

    def _show_tags(self, counts: Mapping[str, int]) -> None:
        titles = {anomaly.tag: anomaly.title for anomaly in self._workspace.anomalies}
        order = [tag for tag in titles if tag in counts] + sorted(counts.keys() - titles.keys())
        for tag in order:
            if tag not in self._tag_boxes:
                box = QCheckBox()
                box.toggled.connect(self._count)
                self._tag_boxes[tag] = box
                self._tag_flow.addWidget(box)
        for tag, box in self._tag_boxes.items():
            box.setText(f"{printable(titles.get(tag, tag))} ({counts.get(tag, 0):,})".replace("&", "&&"))
        self._no_tags.setVisible(not self._tag_boxes)
        self._tag_area.setVisible(bool(self._tag_boxes))
        self._tag_flow.invalidate()

    # --- where it goes

    def _target_edited(self) -> None:
        self._looked_at += 1
        self.export.setEnabled(False)
        self._typing.start()

    def _choose(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "An empty folder for the export", self.folder.text())
        if name:
            self.folder.setText(name)

    def target(self) -> Path | None:
        """The folder that is typed; None where there is none."""
        text = self.folder.text().strip()
        return Path(text).expanduser() if text else None

    def _look_at_target(self) -> None:
        self._looked_at += 1
        turn, target, dataset = self._looked_at, self.target(), self._workspace.dataset
        overwrite = self.overwrite.isChecked() and not self.overwrite.isHidden()

        def done(state: tuple[str, bool] | RsviewerError) -> None:
            if turn == self._looked_at and not isinstance(state, RsviewerError):
                self._show_target(*state)

        if target is None or not target.is_absolute():
            self._show_target("Choose a new folder for the export, by its whole path.", False)
        else:
            self.find_out(
                self._workspace.jobs, "Looking at the folder", lambda _: _look(target, dataset, overwrite), done
            )

    def _show_target(self, refusal: str, is_earlier_export: bool) -> None:
        self.overwrite.setVisible(is_earlier_export)
        if not is_earlier_export:
            self.overwrite.setChecked(False)
        files = "" if self._preview is None else f"Writes {_files(self._preview.files)}."
        self.target_words.say(refusal or files, "warn" if refusal else "")
        ready = self._preview is not None and self._preview.tiles > 0
        self.export.setEnabled(ready and not (refusal or self._counter.busy or self._writing is not None))

    # --- writing

    def _export(self) -> None:
        target, preview, dataset = self.target(), self._preview, self._workspace.dataset
        if target is None or preview is None or self._writing is not None:
            return
        overwrite = self.overwrite.isChecked()
        self._written, self._result = None, None
        self.export.setEnabled(False)
        self.show_folder.hide()
        self.words.say("Writing…")

        def work(job: Job) -> None:
            try:
                self._result = write_export(
                    preview.plan,
                    dataset,
                    target,
                    overwrite=overwrite,
                    progress=job.progress,
                    stop=job.stop.is_set,
                )
            except RsviewerError as error:
                self._result = error

        self._writing = self._workspace.jobs.start("Exporting", work)
        self.stop.setEnabled(True)
        self.stop.show()
        self.progress.show()
        self._watching.start()
        self._watch()

    def _stop(self) -> None:
        if self._writing is not None:
            self._writing.stop.set()
            self.stop.setEnabled(False)

    def _watch(self) -> None:
        """Shows how far the writing is, and how it has ended: stopped from elsewhere, too."""
        job = self._writing
        if job is None:
            return
        if not job.finished:
            self.progress.setRange(0, job.total or 0)
            self.progress.setValue(job.done)
            return
        self._writing = None
        self._watching.stop()
        self.stop.hide()
        self.progress.hide()
        self._finished(self._result or ExportError(job.error))

    def _finished(self, result: ExportResult | RsviewerError) -> None:
        if isinstance(result, StoppedError):
            self.words.say(str(result))
        elif isinstance(result, RsviewerError):
            self.words.say(str(result), "bad")
        else:
            self._written = result.out
            self.words.say(f"Written to {printable(str(result.out))}: {_files(result.files)}.", "good")
            self.show_folder.show()
        self._look_at_target()

    def _open_folder(self) -> None:
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written)))


class _DiffColors(QSyntaxHighlighter):
    """What goes in the colour of what is dropped, the rest of a list in that of text, headings dim."""

    def __init__(self, document: QTextDocument, dialog: QWidget) -> None:
        super().__init__(document)
        self._dialog = dialog

    def highlightBlock(self, text: str) -> None:
        """For Qt: colours one line."""
        palette = self._dialog.palette()
        color: QColor | None = None
        if text.startswith(("---", "+++", "@@")):
            color = palette.link().color()
        elif text.startswith("-"):
            color = (DARK if palette.base().color().lightness() < 128 else LIGHT).drop
        if color is not None:
            form = QTextCharFormat()
            form.setForeground(color)
            self.setFormat(0, len(text), form)


def _look(target: Path, dataset: Dataset, overwrite: bool) -> tuple[str, bool]:
    """Why nothing can be written there, empty where it can; and whether an earlier export is there."""
    try:
        check_target(target, dataset)
    except ExportError as refusal:
        try:
            check_target(target, dataset, overwrite=True)
        except ExportError:
            return str(refusal), False
        return ("" if overwrite else "There is an earlier export in this folder."), True
    return "", False


def _sentence(preview: Preview) -> str:
    """The reasons with their numbers, what no list names, and leaks."""
    parts = [
        f"{preview.reasons[reason]:,} {words}" for reason, words in REASON_WORDS.items() if preview.reasons[reason]
    ]
    said = [f"{', '.join(parts)} (one tile may be left out for several reasons)."] if len(parts) > 1 else []
    said += [f"{parts[0]}.".capitalize()] if len(parts) == 1 else []
    said += [f"{len(preview.plan.unlisted):,} tiles are on no list."] if preview.plan.unlisted else []
    said += [f"{len(preview.plan.leaks):,} tiles are on training and on test lists."] if preview.plan.leaks else []
    return " ".join(said) or "Every tile stays."


def _first_rows(rows: list[Sequence[Cell]], of: Sized) -> list[Sequence[Cell]]:
    """These rows, and a last one that says how many more there are."""
    more = len(of) - len(rows)
    return [*rows, (f"… and {more:,} more", *[""] * (len(rows[0]) - 1))] if more else rows


def _leak_row(leak: Leak) -> Sequence[Cell]:
    return leak.tile, ", ".join(leak.training), ", ".join(leak.held_out)


def _short(tile: TileId) -> str:
    return tile.rpartition("/")[2].removeprefix("tile_")


def _some(tiles: Sequence[TileId]) -> str:
    """The first of the numbers or names."""
    more = len(tiles) - MOST_NUMBERS
    return ", ".join(map(_short, tiles[:MOST_NUMBERS])) + (f" and {more:,} more" if more > 0 else "")


def _dropped_row(dropped: Dropped) -> Sequence[Cell]:
    decision = dropped.decision
    return (
        dropped.tile,
        dropped.group,
        ", ".join(REASON_WORDS[reason] for reason in dropped.reasons),
        printable(", ".join(sorted(decision.anomalies))),
        printable(decision.note.replace("\n", " ")),
        printable(decision.reviewer),
    )


def _files(paths: Iterable[str]) -> str:
    """Names of files, the manifest among them, as the end of a sentence."""
    names = [printable(path) for path in paths]
    more = len(names) - MOST_FILES
    shown = [*names[:MOST_FILES], f"{more:,} more"] if more > 1 else names
    return f"{', '.join(shown)} and manifest.json"

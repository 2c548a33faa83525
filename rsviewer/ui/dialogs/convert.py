"""Converting tiles into files for other programs: which kind, of which tiles, where to."""

from collections.abc import Mapping
from typing import Any, Final

from PySide6.QtCore import QSize, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from rsviewer.batch.converting.running import Conversion, Preview
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.ui.dialogs.dialog import Newest, Words, WorkspaceDialog, dim_label, form_layout, heading, spread
from rsviewer.ui.dialogs.folderfield import FolderField, suggested
from rsviewer.ui.fields import Number, Scrolled
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.background import Job
from rsviewer.workspace.conversions import KINDS, Field, FieldKind, Kind, that_count
from rsviewer.workspace.converting import Wish
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

REST_MS: Final = 250
"""Changes that come closer together are looked at together."""
WATCH_MS: Final = 100
NAMED: Final = 5
"""So many tiles that could not be converted are named."""


class ConvertDialog(WorkspaceDialog):
    """Converts the current tile or the queue.

    Args:
        workspace: whose tiles.
        parent: the window.

    Signals:
        wants_opened: the folder with the results is to be opened as a dataset.
    """

    wants_opened = Signal(object)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Convert tiles", (860, 600), parent)
        self._workspace = workspace
        self._job: Job | None = None
        self._result: Conversion | None = None
        self._ahead: Preview | RsviewerError | None = None
        self._own_folder = False
        self._counter: Newest[Preview] = Newest(self, workspace.jobs, "Looking ahead", self._looked_ahead)
        self._pages = [_Page(kind, workspace) for kind in KINDS]
        self._build()
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._look_ahead)
        self._watching = QTimer(self, interval=WATCH_MS)
        self._watching.timeout.connect(self._watch)
        self._unsubscribe = workspace.subscribe(self._changed)
        self.kinds.setCurrentRow(next((row for row, page in enumerate(self._pages) if not page.why_not), 0))
        self._restate()

    # --- building

    def _build(self) -> None:
        self.kinds = QListWidget()
        self.kinds.setObjectName("choices")
        self.kinds.setAccessibleName("What is made")
        self.kinds.setFixedWidth(48 * UNIT)
        self.pages = QStackedWidget()
        for page in self._pages:
            item = QListWidgetItem(page.kind.title)
            item.setSizeHint(QSize(0, 7 * UNIT))
            self.kinds.addItem(item)
            self.pages.addWidget(page)
            page.edited.connect(self._edited)
        self.kinds.currentRowChanged.connect(self._chosen)
        middle = QHBoxLayout()
        middle.setSpacing(4 * UNIT)
        middle.addWidget(self.kinds)
        middle.addWidget(self.pages, 1)
        self.column.addLayout(middle, 1)
        self.one, self.queue = QRadioButton(), QRadioButton()
        scope = QButtonGroup(self)
        scope.addButton(self.one)
        scope.addButton(self.queue)
        self.queue.setChecked(True)
        scope.buttonToggled.connect(lambda _, on: self._edited() if on else None)
        self.dropped = QCheckBox("Leave out dropped tiles")
        self.dropped.toggled.connect(self._edited)
        self.folder = FolderField("Folder for the files")
        self.folder.edited.connect(self._folder_edited)
        self.overwrite = QCheckBox("Replace what is there")
        self.overwrite.toggled.connect(self._edited)
        self.overwrite.hide()
        form = form_layout()
        form.addRow("Tiles", spread([self.queue, self.one]))
        form.addRow("", self.dropped)
        form.addRow("&Into", self.folder)
        form.addRow("", self.overwrite)
        self.column.addLayout(form)
        self.words, self.remarks = Words(), Words()
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName("Progress")
        self.progress.setFixedHeight(2 * UNIT)
        self.how_far = dim_label("")
        for widget in (self.progress, self.how_far):
            widget.hide()
        for part in (self.words, self.remarks, self.progress, self.how_far):
            self.column.addWidget(part)
        self.show_folder = QPushButton("Open folder", autoDefault=False)
        self.show_folder.clicked.connect(self._open_folder)
        self.open_result = QPushButton("Open as dataset", autoDefault=False)
        self.open_result.clicked.connect(lambda: self.wants_opened.emit(self.folder.folder))
        for button in (self.show_folder, self.open_result):
            button.hide()
        close = QPushButton("Close", autoDefault=False)
        close.clicked.connect(self.close)
        self.stop = QPushButton("Stop", autoDefault=False)
        self.stop.clicked.connect(self._stop)
        self.stop.hide()
        self.convert = QPushButton("Convert", default=True)
        self.convert.clicked.connect(self._convert)
        self.column.addLayout(spread([self.show_folder, self.open_result], [close, self.stop, self.convert]))

    def leaving(self) -> None:
        """Stops listening. What is being converted goes on: the status bar shows it, and can stop it."""
        self._unsubscribe()
        self._watching.stop()
        self._rest.stop()

    # --- what is asked for

    @property
    def page(self) -> "_Page":
        """The conversion that is chosen."""
        return self._pages[max(0, self.kinds.currentRow())]

    def wish(self) -> Wish | None:
        """What is asked for; None where that is not enough to begin."""
        out, page = self.folder.folder, self.page
        if out is None or page.why_not:
            return None
        return Wish(
            page.kind,
            page.values(),
            None if self.one.isChecked() else self._workspace.queue.ordinals,
            self._workspace.entry,
            out,
            self.overwrite.isChecked(),
            with_dropped=not self.dropped.isChecked(),
        )

    def _chosen(self, row: int) -> None:
        self.pages.setCurrentIndex(row)
        self.dropped.setChecked(self.page.kind.drops)
        if not self._own_folder:
            self.folder.put(suggested(self._workspace.dataset, self.page.kind.id))
            self._own_folder = False
        self._edited()

    def _folder_edited(self) -> None:
        self._own_folder = True
        self.overwrite.setChecked(False)
        self._edited()

    def _changed(self, changed: Changed) -> None:
        if changed & (Changed.TILE | Changed.QUEUE):
            self._restate()
        if changed & (Changed.QUEUE | Changed.DECISION) or (changed & Changed.TILE and self.one.isChecked()):
            self._edited()

    def _restate(self) -> None:
        """Names the tile, and counts the queue."""
        tile, count = self._workspace.tile, len(self._workspace.queue)
        self.one.setText("This tile" if tile is None else f"This tile, {printable(tile)}")
        self.one.setEnabled(tile is not None)
        narrowed = " as it is filtered" if self._workspace.finding.filter else ""
        self.queue.setText(f"The queue{narrowed}: {count:,} tile{'' if count == 1 else 's'}")

    def _edited(self) -> None:
        if self._job is None:
            self._ahead = None
            self.convert.setEnabled(False)
            self._rest.start()

    # --- looking ahead

    def _look_ahead(self) -> None:
        if self._job is not None:
            return
        wish = self.wish()
        if wish is None:
            why = self.page.why_not or "Say which folder the files go to, as a whole path."
            self._say(why, "warn")
            return
        self._counter.ask(lambda _: self._workspace.converting.look_ahead(wish))

    def _looked_ahead(self, ahead: Preview | RsviewerError) -> None:
        if self._job is not None:
            return
        self._ahead = ahead
        refused = isinstance(ahead, RsviewerError)
        in_the_way = refused and "--overwrite" in str(ahead)
        self.overwrite.setVisible(in_the_way or self.overwrite.isChecked())
        if isinstance(ahead, RsviewerError):
            self._say(str(ahead).replace("say --overwrite", "let it be replaced"), "warn")
            self.convert.setEnabled(False)
            return
        self.convert.setEnabled(ahead.tiles > 0)
        self._say(_foresight(ahead))

    # --- the work

    def _convert(self) -> None:
        wish = self.wish()
        if wish is None or self._job is not None or not isinstance(self._ahead, Preview):
            return
        self._result = None
        for button in (self.show_folder, self.open_result):
            button.hide()
        self._say("")
        self._job = self._workspace.converting.start(wish, self._done, self._failed)
        self._offer()
        self._watching.start()
        self._watch()

    def _done(self, result: Conversion) -> None:
        self._result = result
        self._workspace.say(_outcome(result))

    def _failed(self, why: str) -> None:
        self._workspace.say(why)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop.set()
            self.stop.setEnabled(False)
            self._watch()

    def _offer(self) -> None:
        """What can be changed and clicked: nothing that the work in hand is made of."""
        busy = self._job is not None
        asked: tuple[QWidget, ...] = (
            self.kinds,
            self.pages,
            self.one,
            self.queue,
            self.dropped,
            self.folder,
            self.overwrite,
        )
        for widget in asked:
            widget.setEnabled(not busy)
        self.convert.setEnabled(not busy and isinstance(self._ahead, Preview))
        shown: tuple[QWidget, ...] = (self.progress, self.how_far, self.stop)
        for widget in shown:
            widget.setVisible(busy)
        self.stop.setEnabled(busy)

    def _watch(self) -> None:
        """Shows how far the work is, and how it has ended: stopped from elsewhere, too."""
        job = self._job
        if job is None:
            return
        if not job.finished:
            self.progress.setRange(0, job.total or 0)
            self.progress.setValue(job.done)
            self.how_far.setText("Stopping…" if job.stop.is_set() else _how_far(job))
            return
        self._job = None
        self._watching.stop()
        self._offer()
        self._restate()
        if self._result is not None:
            self._say(_outcome(self._result), "warn" if self._result.failed else "good", _details(self._result))
            self.show_folder.setVisible(bool(self._result.written or self._result.skipped))
            self.open_result.setVisible(self.page.kind.opens and self.show_folder.isVisibleTo(self))
        else:
            self._say(job.error, "" if job.stop.is_set() else "bad")

    def _say(self, words: str, tone: str = "", details: str = "") -> None:
        self.words.say(words, tone)
        self.remarks.say(details)

    def _open_folder(self) -> None:
        if self.folder.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder.folder)))


class _Page(QWidget):
    """The fields of a conversion.

    Signals:
        edited: something else is chosen.
    """

    edited = Signal()

    def __init__(self, kind: Kind, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self.why_not = workspace.converting.why_not(kind)
        self._fields = () if self.why_not else workspace.converting.fields(kind)
        self._widgets: dict[str, QWidget] = {}
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 2 * UNIT, 0)
        column.setSpacing(3 * UNIT)
        column.addWidget(heading(kind.title))
        column.addWidget(dim_label(self.why_not or kind.help, wrap=True))
        self._form = form_layout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        column.addLayout(self._form)
        column.addStretch(1)
        for field in self._fields:
            self._add(field)
        area = Scrolled()
        area.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self._show()

    def values(self) -> Mapping[str, Any]:
        """What is chosen, by the names of the fields that count."""
        every = {field.name: self._value(field) for field in self._fields}
        return {name: every[name] for name in that_count(self._fields, every)}

    def _value(self, field: Field) -> Any:
        widget = self._widgets[field.name]
        if isinstance(widget, QComboBox):
            return widget.currentData()
        if isinstance(widget, QCheckBox):
            return widget.isChecked()
        if isinstance(widget, Number):
            return widget.value()
        boxes = widget.findChildren(QCheckBox)
        return tuple(value for (value, _), box in zip(field.choices, boxes, strict=True) if box.isChecked())

    def _add(self, field: Field) -> None:
        widget = self._made(field)
        widget.setToolTip(plain_tip(field.help))
        self._widgets[field.name] = widget
        if field.kind is FieldKind.FLAG:
            self._form.addRow("", widget)
        else:
            widget.setAccessibleName(field.title)
            label = QLabel(field.title)
            label.setBuddy(widget)
            label.setMinimumHeight(widget.sizeHint().height())
            label.setToolTip(plain_tip(field.help))
            self._form.addRow(label, widget)

    def _made(self, field: Field) -> QWidget:
        match field.kind:
            case FieldKind.CHOICE:
                choice = QComboBox()
                for value, words in field.choices:
                    choice.addItem(words, value)
                choice.setCurrentIndex(max(0, choice.findData(field.default)))
                choice.currentIndexChanged.connect(self._take)
                return choice
            case FieldKind.NUMBER:
                number = Number(field.low, field.high, field.step, field.decimals, field.unit)
                number.setSpecialValueText(field.lowest)
                number.setValue(field.default)
                number.valueChanged.connect(self._take)
                return number
            case FieldKind.FLAG:
                flag = QCheckBox(field.title)
                flag.setChecked(field.default)
                flag.toggled.connect(self._take)
                return flag
            case FieldKind.SEVERAL:
                several = QWidget()
                column = QVBoxLayout(several)
                column.setContentsMargins(0, 0, 0, 0)
                column.setSpacing(UNIT)
                for value, words in field.choices:
                    box = QCheckBox(words)
                    box.setChecked(value in field.default)
                    box.toggled.connect(self._take)
                    column.addWidget(box)
                return several

    def _take(self) -> None:
        self._show()
        self.edited.emit()

    def _show(self) -> None:
        """Only the fields that mean something."""
        values = self.values()
        for field in self._fields:
            self._form.setRowVisible(self._widgets[field.name], field.name in values)


def _tiles(count: int) -> str:
    return f"{count:,} tile{'' if count == 1 else 's'}"


def _foresight(ahead: Preview) -> str:
    """What would be done."""
    left = ahead.tiles - ahead.there
    parts = [f"{_tiles(left)} will be converted"]
    parts += [f"{ahead.there:,} there before"] if ahead.there else []
    parts += [f"{_tiles(len(ahead.left_out))} left out, being dropped"] if ahead.left_out else []
    example = f", the first into {printable(str(ahead.examples[0]))}" if ahead.examples else ""
    return f"{', '.join(parts)}{example}."


def _how_far(job: Job) -> str:
    if not job.total:
        return ""
    pace = job.pace_in_words("tiles")
    return f"{job.done:,} of {job.total:,}{f', {pace}' if pace else ''}"


def _outcome(result: Conversion) -> str:
    """What was done, in a sentence."""
    parts = [f"{_tiles(result.written)} converted"]
    parts += [f"{result.skipped:,} there before"] if result.skipped else []
    count = len(result.left_out)
    parts += [f"{count:,} dropped tile{'' if count == 1 else 's'} left out"] if count else []
    parts += [f"{len(result.failed):,} could not be converted"] if result.failed else []
    return f"{', '.join(parts)}."


def _details(result: Conversion) -> str:
    """What a careful person would want to know."""
    lines = [f"{printable(each.tile)}: {each.message}" for each in result.failed[:NAMED]]
    more = len(result.failed) - NAMED
    lines += [f"… and {more:,} more."] if more > 0 else []
    lines += [f"{_tiles(each.tiles)}, first {printable(each.first)}: {each.message}" for each in result.remarks[:NAMED]]
    return "\n".join(lines)

"""Converting tiles into files for other programs: which kind, of which tiles, where to."""

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QRadioButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from rsviewer.batch.converting.running import Conversion, Preview
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.ui.dialogs.conversion import ConversionDialog, outcome, tiles_of
from rsviewer.ui.dialogs.dialog import Newest, WorkspaceDialog, align_labels, dim_label, form_layout, heading, spread
from rsviewer.ui.dialogs.folderfield import suggested
from rsviewer.ui.fields import Number, Scrolled
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.background import Job
from rsviewer.workspace.conversions import KINDS, Field, FieldKind, Kind, that_count
from rsviewer.workspace.converting import Wish
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace


class ConvertDialog(ConversionDialog, WorkspaceDialog):
    """Converts the current tile or the queue.

    Args:
        workspace: whose tiles.
        parent: the window.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Convert tiles", (860, 600), parent)
        self._workspace = workspace
        self._has_own_folder = False
        self._suggests = False
        self._counter: Newest[Preview] = Newest(self, workspace.jobs, "Looking ahead", self._looked_ahead)
        self._pages = [_Page(kind, workspace) for kind in KINDS]
        self._build()
        self._unsubscribe = workspace.subscribe(self._changed)
        self.kinds.setCurrentRow(next((row for row, page in enumerate(self._pages) if not page.why_not), 0))
        self._restate()

    # --- building

    def _build(self) -> None:
        self.kinds = QListWidget()
        self.kinds.setObjectName("choices")
        self.kinds.setAccessibleName("What is made")
        self.kinds.setFixedWidth(50 * UNIT)
        self.pages = QStackedWidget()
        for page in self._pages:
            item = QListWidgetItem(page.kind.title)
            item.setSizeHint(QSize(0, 7 * UNIT))
            self.kinds.addItem(item)
            self.pages.addWidget(page)
            page.edited.connect(self.edited)
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
        scope.buttonToggled.connect(lambda _, on: self.edited() if on else None)
        self.dropped = QCheckBox("Leave out dropped tiles")
        self.dropped.toggled.connect(self.edited)
        self.folder.edited.connect(self._typed)
        form = form_layout()
        form.addRow("Tiles", spread([self.queue, self.one]))
        form.addRow("", self.dropped)
        form.addRow("&Into", self.folder)
        form.addRow("", self.overwrite)
        self.column.addLayout(form)
        self.build_foot("Convert")

    def leaving(self) -> None:
        """Stops listening."""
        super().leaving()
        self._unsubscribe()

    def asked(self) -> tuple[QWidget, ...]:
        """See `ConversionDialog`."""
        return self.kinds, self.pages, self.one, self.queue, self.dropped

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
        self.opens_results = self.page.kind.opens
        self.dropped.setChecked(self.page.kind.drops)
        if not self._has_own_folder:
            self._suggests = True
            self.folder.put(suggested(self._workspace.dataset, self.page.kind.id))
            self._suggests = False
        self.edited()

    def _typed(self) -> None:
        self._has_own_folder = self._has_own_folder or not self._suggests

    def _changed(self, changed: Changed) -> None:
        if changed & (Changed.TILE | Changed.QUEUE):
            self._restate()
        if changed & (Changed.QUEUE | Changed.DECISION) or (changed & Changed.TILE and self.one.isChecked()):
            self.edited()

    def _restate(self) -> None:
        """Names the tile, and counts the queue."""
        tile, count = self._workspace.tile, len(self._workspace.queue)
        self.one.setText("This tile" if tile is None else f"This tile, {printable(tile)}")
        self.one.setEnabled(tile is not None and not self.is_busy)
        narrowed = " as it is filtered" if self._workspace.finding.filter else ""
        self.queue.setText(f"The queue{narrowed}: {tiles_of(count)}")

    # --- the work

    def look_ahead(self) -> None:
        """See `ConversionDialog`."""
        wish = self.wish()
        if wish is None:
            self.say(self.page.why_not or "Say which folder the files go to, as a whole path.", "warn")
            return
        find_out = self._workspace.converting.looking_ahead(wish)
        self._counter.ask(lambda _: find_out())

    def _looked_ahead(self, ahead: Preview | RsviewerError) -> None:
        if isinstance(ahead, RsviewerError):
            self.foresee(ahead)
        else:
            self.foresee(_foresight(ahead), "\n".join(self.page.kind.details(ahead)), is_possible=ahead.tiles > 0)

    def start(self, done: Callable[[Conversion], None]) -> Job | None:
        """See `ConversionDialog`."""
        wish, workspace = self.wish(), self._workspace

        def told(result: Conversion) -> None:
            done(result)
            workspace.say(outcome(result))

        return None if wish is None else workspace.converting.start(wish, told, workspace.say)


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
        align_labels(self._form)
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


def _foresight(ahead: Preview) -> str:
    """What would be done."""
    left = ahead.tiles - ahead.there
    parts = [f"{tiles_of(left)} will be converted"]
    parts += [f"{ahead.there:,} there before"] if ahead.there else []
    parts += [f"{tiles_of(len(ahead.left_out))} left out, being dropped"] if ahead.left_out else []
    example = f", the first into {printable(str(ahead.examples[0]))}" if ahead.examples else ""
    return f"{', '.join(parts)}{example}."

"""Describing parallel folders that no format knows: what was found, what each folder is, and how many tiles that makes."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from rsviewer.core.errors import RsviewerError, SettingsError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, printable
from rsviewer.data import guess
from rsviewer.data.datasets.folders import LAYOUT_FILE, Inspection, inspect_layout
from rsviewer.data.datasets.layout import GROUP, KINDS, FolderLayout, LayerFolder, dump_layout, parse_layout
from rsviewer.data.datasets.proposal import propose_layout
from rsviewer.data.tree import DISK
from rsviewer.ui.dialogs.dialog import Dialog, Newest, Words, dim_label, form_layout, heading, spread
from rsviewer.ui.fields import Elided, quiet
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.opening import describe_folders, save_description

REST_MS = 250

DATES = {"": "", "pre": "before", "post": "after"}
HEIGHT_LIMITS = (-1000.0, 9000.0)
"""Metres; what lies outside is no height on this planet."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading, width in logical pixels, and what to say when the mouse rests on it."""

    title: str
    width: int
    tip: str


COLUMNS = {
    "folder": Column("Folder", 150, f"Under the folder above. {GROUP} stands for any folder, whose name is the group."),
    "files": Column("Tiles", 64, "How many tiles have a file there."),
    "examples": Column("Files", 170, "Some of them."),
    "kind": Column("What it is", 100, "Decides colours, resampling and what is compared with what."),
    "title": Column("Title", 120, "As shown above the pane."),
    "id": Column("Id", 100, "For filters and commands: small letters, digits and underscores."),
    "date": Column("Date", 96, "Of the two images of a change set."),
    "unit": Column("Unit", 56, "Of the values after scaling: m."),
    "scale": Column("Scale", 64, "The value is what is stored times this: 0.01 for centimetres."),
    "nodata": Column("Nodata", 72, "The stored value that means no data, where the files do not say."),
    "prefix": Column("Begins", 72, "What file names have before the name of the tile."),
    "suffix": Column("Ends", 72, "What file names have after it, before the dot: _dsm in 17_dsm.tif."),
}
PLACE = {name: place for place, name in enumerate(COLUMNS)}
READ_ONLY = ("files", "examples")
CHOICES: Mapping[str, Mapping[str, str]] = {"kind": {kind: kind for kind in KINDS}, "date": DATES}
NUMBERS = ("scale", "nodata")


class DescribeDialog(Dialog):
    """Writes the description into the project of the folder, or where the user says.

    Signals:
        chosen: what to open now: the folder, or the description that was saved elsewhere.
    """

    chosen = Signal(Path)

    def __init__(self, root: Path, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__("Describe parallel folders", (1200, 620), parent)
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 -- Path.resolve follows links
        self._jobs = jobs
        self._rows: list[LayerFolder] = []
        self._is_filled = False
        self._inspector: Newest[Inspection] = Newest(self, jobs, "Counting tiles", self._inspected)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._inspect)
        self._build()
        self.summary.setText("Looking at the names…")
        self.find_out(jobs, "Looking at names", self._propose, self._proposed)

    def _build(self) -> None:
        self.place = Elided(printable(str(self.root)), side=Qt.TextElideMode.ElideMiddle)
        self.title = QLineEdit(placeholderText=printable(self.root.name))
        self.lists = QLineEdit(
            placeholderText="text files of the folder that look like lists; else patterns: list/*.txt"
        )
        self.group = QLineEdit(placeholderText="none; else a regular expression for names of tiles: ^([^_]+)_")
        for field in (self.title, self.lists, self.group):
            field.textChanged.connect(self._edited)
        form = form_layout()
        form.addRow("Folder", self.place)
        form.addRow("&Title", self.title)
        form.addRow("Split &lists", self.lists)
        form.addRow("&Groups", self.group)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName("Folders and what they are")
        self.table.setHorizontalHeaderLabels([column.title for column in COLUMNS.values()])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.AllEditTriggers)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(32)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for place, column in enumerate(COLUMNS.values()):
            header.resizeSection(place, column.width)
            item = self.table.horizontalHeaderItem(place)
            if item is not None:
                item.setToolTip(column.tip)
        header.setSectionResizeMode(PLACE["examples"], QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(12 * UNIT)
        self.table.itemChanged.connect(self._edited)
        self.summary = heading("")
        self.details = dim_label("", wrap=True)
        self.words = Words()
        self.open_button = QPushButton("Open", default=True)
        self.open_button.clicked.connect(self.keep)
        self.save_button = QPushButton("Save the description as…", autoDefault=False)
        self.save_button.setToolTip("A TOML file that opens this dataset, for others or to change by hand.")
        self.save_button.clicked.connect(self._save_as)
        cancel = QPushButton("Cancel", autoDefault=False)
        cancel.clicked.connect(self.close)
        hint = "Tick the folders that are layers. Files of the same name make a tile. Click into a cell to change it."
        self.column.addLayout(form)
        self.column.addWidget(dim_label(hint, wrap=True))
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.summary)
        self.column.addWidget(self.details)
        self.column.addWidget(self.words)
        self.column.addLayout(spread([self.save_button], [cancel, self.open_button]))
        self._allow(may=False)

    def leaving(self) -> None:
        """Nothing is counted any more."""
        self._rest.stop()

    # --- what was found

    def _propose(self, _: Job) -> tuple[FolderLayout, Inspection]:
        layout = propose_layout(DISK, self.root)
        return layout, inspect_layout(DISK, self.root, layout)

    def _proposed(self, result: tuple[FolderLayout, Inspection] | RsviewerError) -> None:
        if isinstance(result, RsviewerError):
            self.summary.setText("Nothing to describe.")
            self.words.say(str(result), "bad")
            return
        layout, inspection = result
        others = [_guessed(name, layout) for name in inspection.unused]
        with quiet(self.table, self.title, self.lists, self.group):
            self._rows = [*layout.layers, *others]
            self.table.setRowCount(len(self._rows))
            for row, layer in enumerate(self._rows):
                self._fill(row, layer, used=row < len(layout.layers))
            self.lists.setText(", ".join(layout.lists or ()))
        self._is_filled = True
        self._inspected(inspection)

    def _fill(self, row: int, layer: LayerFolder, *, used: bool) -> None:
        spec = layer.spec
        texts = {
            "folder": layer.folder,
            "title": spec.title,
            "id": spec.id,
            "unit": spec.unit,
            "scale": "" if spec.scale == 1.0 else f"{spec.scale:g}",
            "nodata": "" if spec.nodata is None else f"{spec.nodata:g}",
            "prefix": layer.prefix,
            "suffix": layer.suffix,
        }
        for name, place in PLACE.items():
            item = QTableWidgetItem(texts.get(name, ""))
            if name in READ_ONLY:
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            if name == "folder":
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if used else Qt.CheckState.Unchecked)
            self.table.setItem(row, place, item)
        for name, chosen in (("kind", str(spec.kind)), ("date", spec.date)):
            box = QComboBox()
            for value, words in CHOICES[name].items():
                box.addItem(words, value)
            box.setCurrentIndex(max(0, box.findData(chosen)))
            box.currentIndexChanged.connect(self._kind_chosen(row) if name == "kind" else self._edited)
            self.table.setCellWidget(row, PLACE[name], box)

    def _kind_chosen(self, row: int) -> Callable[[], None]:
        """Heights are in metres unless their name says otherwise; nothing else is."""

        def chosen() -> None:
            kind = LayerKind(self._choice(row, "kind"))
            with quiet(self.table):
                if (kind is LayerKind.HEIGHT) != bool(self._text(row, "unit")):
                    self.set_text(row, "unit", guess.unit_of(self._text(row, "folder"), kind))
            self._edited()

        return chosen

    def _inspected(self, inspection: Inspection | RsviewerError) -> None:
        if isinstance(inspection, RsviewerError):
            self.words.say(str(inspection), "bad")
            self._allow(may=False)
            return
        counts = {count.layer: count for count in inspection.layers}
        with quiet(self.table):
            for row in range(self.table.rowCount()):
                count = counts.get(LayerId(self._text(row, "id"))) if self.is_used(row) else None
                self.set_text(row, "files", f"{count.files:,}" if count else "")
                self.set_text(row, "examples", ", ".join(count.examples) if count else "")
        self.summary.setText(
            f"{inspection.tiles:,} {'tile' if inspection.tiles == 1 else 'tiles'}, "
            f"{'all' if inspection.complete == inspection.tiles else f'{inspection.complete:,} of them'} with every layer."
            if inspection.tiles
            else "No tiles."
        )
        self.details.setText(" ".join(_details(inspection)))
        self.words.say(" ".join(inspection.problems), "warn")
        self._allow(may=inspection.tiles > 0)

    # --- what is chosen

    def is_used(self, row: int) -> bool:
        """Whether a folder is a layer."""
        item = self.table.item(row, PLACE["folder"])
        return item is not None and item.checkState() is Qt.CheckState.Checked

    def set_text(self, row: int, name: str, text: str) -> None:
        """Writes a cell."""
        item = self.table.item(row, PLACE[name])
        if item is not None:
            item.setText(text)
            item.setToolTip(plain_tip(text))

    def layout_of_table(self) -> FolderLayout:
        """What the table and the fields say. Raises SettingsError, which says what to change."""
        layers = tuple(self._layer(row) for row in range(self.table.rowCount()) if self.is_used(row))
        if not layers:
            raise SettingsError("Tick at least one folder.")
        patterns = tuple(part.strip() for part in self.lists.text().split(",") if part.strip())
        layout = FolderLayout(
            layers, title=self.title.text().strip(), lists=patterns or None, group=self.group.text().strip()
        )
        return parse_layout(dump_layout(layout))

    def _layer(self, row: int) -> LayerFolder:
        kind = LayerKind(self._choice(row, "kind"))
        unit = self._text(row, "unit")
        is_metric = kind is LayerKind.HEIGHT and unit == "m"
        numbers = {name: self._number(row, name) for name in NUMBERS}
        before = self._rows[row].spec
        spec = LayerSpec(
            LayerId(self._text(row, "id")),
            kind,
            self._text(row, "title") or self._text(row, "id"),
            unit=unit,
            scale=1.0 if numbers["scale"] is None else numbers["scale"],
            nodata=numbers["nodata"],
            low=HEIGHT_LIMITS[0] if is_metric else None,
            high=HEIGHT_LIMITS[1] if is_metric else None,
            classes=(before.classes or guess.CHANGE) if kind is LayerKind.MASK else (),
            date=self._choice(row, "date"),
        )
        return LayerFolder(
            spec,
            self._text(row, "folder"),
            self._text(row, "prefix", strip=False),
            self._text(row, "suffix", strip=False),
        )

    def _text(self, row: int, name: str, *, strip: bool = True) -> str:
        item = self.table.item(row, PLACE[name])
        text = item.text() if item is not None else ""
        return text.strip() if strip else text

    def _choice(self, row: int, name: str) -> str:
        box = self.table.cellWidget(row, PLACE[name])
        return str(box.currentData()) if isinstance(box, QComboBox) else ""

    def _number(self, row: int, name: str) -> float | None:
        text = self._text(row, name).replace(",", ".")
        try:
            return float(text) if text else None
        except ValueError:
            where = self._text(row, "folder")
            raise SettingsError(f"{COLUMNS[name].title} of {where} must be a number, not {text}.") from None

    # --- what becomes of it

    def _edited(self) -> None:
        if self._is_filled:
            self._allow(may=False)
            self._rest.start()

    def _inspect(self) -> None:
        try:
            layout = self.layout_of_table()
        except SettingsError as error:
            self.words.say(str(error), "bad")
            return
        root = self.root
        self._inspector.ask(lambda _: inspect_layout(DISK, root, layout))

    def _allow(self, *, may: bool) -> None:
        self.open_button.setEnabled(may)
        self.save_button.setEnabled(may)

    def keep(self) -> None:
        """Writes the description into the project of the folder, and opens it."""
        layout, root = self.layout_of_table(), self.root
        self._write(lambda: describe_folders(root, layout), root)

    def save_to(self, path: Path) -> None:
        """Writes the description to a file, and opens that."""
        layout, root = self.layout_of_table(), self.root
        self._write(lambda: save_description(root, layout, path), path)

    def _save_as(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the description as", LAYOUT_FILE, "Description (*.toml)")
        if name:
            self.save_to(Path(name) if name.lower().endswith(".toml") else Path(f"{name}.toml"))

    def _write(self, write: Callable[[], object], target: Path) -> None:
        self._allow(may=False)

        def written(result: object) -> None:
            if isinstance(result, RsviewerError):
                self.words.say(str(result), "bad")
                self._allow(may=True)
            else:
                self.close()
                self.chosen.emit(target)

        self.have_done(self._jobs, "Writing a description", lambda _: write(), written)


def _guessed(folder: str, layout: FolderLayout) -> LayerFolder:
    """A folder that the proposal left out, to be ticked by somebody who knows better."""
    taken = [layer.spec.id for layer in layout.layers]
    kind = guess.kind_of(folder) or LayerKind.OPTICAL
    spec = LayerSpec(guess.layer_id(folder, taken), kind, guess.title_of(folder), unit=guess.unit_of(folder, kind))
    return LayerFolder(replace(spec, classes=guess.CHANGE if kind is LayerKind.MASK else ()), folder)


def _details(inspection: Inspection) -> Iterable[str]:
    """Groups, and tiles that are in one folder only."""
    if inspection.groups:
        more = len(inspection.groups) - 6
        yield f"Groups: {', '.join(inspection.groups[:6])}{f' and {more:,} more' if more > 0 else ''}."
    for count in inspection.layers:
        if count.lonely:
            yield f"Only in {count.layer}: {', '.join(count.lonely)} …"

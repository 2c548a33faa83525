"""Cutting large rasters into tiles that lie one on the other: the step before a dataset can be opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QComboBox, QFileDialog, QFormLayout, QLabel, QLineEdit, QWidget

from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.converting.tileplan import LAYOUTS, ROLES, Plan, TilesOrder, plan_tiles
from rsviewer.batch.converting.tiles import convert_tiles, preview_tiles
from rsviewer.core.errors import LayerError, RsviewerError, StoppedError
from rsviewer.core.tile import crs_name, printable
from rsviewer.core.tiling import Edge
from rsviewer.ui.dialogs.conversion import ConversionDialog, outcome, tiles_of
from rsviewer.ui.dialogs.dialog import Newest, align_labels, dim_label, form_layout
from rsviewer.ui.dialogs.folderfield import PathField, free_folder
from rsviewer.ui.fields import Number, Scrolled, beside
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.opening import polite_crew

TITLES: Final = {
    "image": "Image",
    "pre-image": "Image before",
    "dem": "DEM",
    "dsm": "DSM",
    "dtm": "DTM",
    "ndsm": "nDSM",
    "labels": "Land cover",
    "mask": "Change mask",
}
LAYOUT_WORDS: Final = {
    "synrs3d": "SynRS3D: opt, gt_nDSM, gt_ss_mask …",
    "rs3dbench": "RS3DBench: Image/tif-AREA, DEM-AREA",
}
EDGE_WORDS: Final = {
    Edge.DROP: "is left out",
    Edge.PAD: "is filled up with nodata",
    Edge.SHIFT: "overlaps the one before",
}
RASTERS: Final = "Rasters (*.tif *.tiff *.img *.jp2 *.png *.jpg *.jpeg *.asc *.webp);;All files (*)"
MOST: Final = 8192
"""Pixels a side of a tile."""


class CutDialog(ConversionDialog):
    """Cuts rasters of the user's. Closing the dialog stops the work; the same folder goes on from there.

    Args:
        jobs: where it is done.
        parent: the window.
    """

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__("Cut rasters into tiles", (720, 640), parent)
        self._jobs = jobs
        self._plan: Plan | None = None
        self._planner: Newest[tuple[Plan, int]] = Newest(self, jobs, "Looking at the rasters", self._planned)
        self._has_own_folder = False
        self._build()
        self._show()
        self.edited()

    # --- building

    def _build(self) -> None:
        inner = QWidget()
        self._form = form_layout()
        inner.setLayout(self._form)
        self._form.setContentsMargins(0, 0, 2 * UNIT, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.column.addWidget(
            dim_label("Files may have different pixels, extents and CRSs; the image's are kept.", wrap=True)
        )
        self.layout_choice = QComboBox()
        for value, words in LAYOUT_WORDS.items():
            self.layout_choice.addItem(words, value)
        self.layout_choice.currentIndexChanged.connect(self._show)
        self.layout_choice.currentIndexChanged.connect(self.edited)
        self._form.addRow("&Layout", self.layout_choice)
        self.files: dict[str, FilesField] = {}
        for role in ROLES:
            line = FilesField(TITLES[role])
            line.edited.connect(self._files_edited)
            self.files[role] = line
            self._form.addRow(TITLES[role], line)
        self.area = QLineEdit(placeholderText="as the first file")
        self.area.setAccessibleName("Name of the area")
        self.area.textChanged.connect(self.edited)
        self.side = Number(16, MOST, 32, 0, " px")
        self.side.setValue(512)
        self.stride = Number(0, MOST, 32, 0, " px")
        self.stride.setSpecialValueText("side by side")
        self.gsd = Number(0, 10_000, 0.1, 3, " m")
        self.gsd.setSpecialValueText("as the image")
        self.valid = Number(0, 100, 5, 0, " %")
        self.valid.setValue(90)
        for number, name in ((self.side, "Side"), (self.stride, "Stride"), (self.gsd, "Pixel"), (self.valid, "Valid")):
            number.setAccessibleName(name)
            number.valueChanged.connect(self.edited)
        self.edge = QComboBox()
        for edge, words in EDGE_WORDS.items():
            self.edge.addItem(words, edge)
        self.edge.currentIndexChanged.connect(self.edited)
        self._form.addRow("&Area", self.area)
        self._form.addRow("&Tiles of", beside(self.side, QLabel("one every"), self.stride))
        self._form.addRow("&Pixels of", self.gsd)
        self._form.addRow("&Valid at least", self.valid)
        self._form.addRow("A &rest at the edge", self.edge)
        align_labels(self._form)
        area = Scrolled()
        area.setWidget(inner)
        self.column.addWidget(area, 1)
        form = form_layout()
        form.addRow("&Into", self.folder)
        form.addRow("", self.overwrite)
        self.column.addLayout(form)
        self.folder.edited.connect(self._typed)
        self._options = area
        self.build_foot("Cut")

    def leaving(self) -> None:
        """Nobody would see how far it is."""
        if self._job is not None:
            self._job.stop.set()
        super().leaving()

    def asked(self) -> tuple[QWidget, ...]:
        """See `ConversionDialog`."""
        return (self._options,)

    # --- what is asked for

    def order(self) -> TilesOrder:
        """What is asked for. Raises LayerError where that is not enough."""
        out, to = self.folder.folder, str(self.layout_choice.currentData())
        sources = {role: files for role in LAYOUTS[to] if (files := self.files[role].paths)}
        if not sources:
            raise LayerError("Choose the rasters that are to be cut.")
        if out is None:
            raise LayerError("Say which folder the tiles go to, as a whole path.")
        return TilesOrder(
            out,
            to,
            sources,
            self.area.text().strip(),
            int(self.side.value()),
            int(self.stride.value()) or None,
            self.gsd.value() or None,
            min_valid=self.valid.value() / 100,
            edge=Edge(self.edge.currentData()),
            overwrite=self.overwrite.isChecked(),
        )

    def _show(self) -> None:
        """Only what the layout has a place for."""
        there = LAYOUTS[str(self.layout_choice.currentData())]
        for role, line in self.files.items():
            self._form.setRowVisible(line, role in there)

    def _files_edited(self) -> None:
        first = next((path for line in self.files.values() for path in line.paths), None)
        if first is not None and not self._has_own_folder:
            self.folder.put(free_folder(f"{printable(first.stem)}-tiles"))
            self._has_own_folder = False
        self.edited()

    def _typed(self) -> None:
        self._has_own_folder = True

    # --- the work

    def look_ahead(self) -> None:
        """See `ConversionDialog`."""
        self._plan = None
        try:
            order = self.order()
        except LayerError as error:
            self.foresee(error)
            return

        def work(_: Job) -> tuple[Plan, int]:
            plan = plan_tiles(order)
            return plan, preview_tiles(order, plan).there

        self._planner.ask(work)

    def _planned(self, found: tuple[Plan, int] | RsviewerError) -> None:
        if isinstance(found, RsviewerError):
            self.foresee(found)
            return
        self._plan, there = found
        self.foresee(foresight(self._plan, there), "\n".join(self._plan.remarks))

    def start(self, done: Callable[[Conversion], None]) -> Job | None:
        """See `ConversionDialog`."""
        order, plan = self.order(), self._plan

        def work(job: Job) -> Conversion:
            def report(count: int, total: int | None) -> None:
                job.progress(count, total)
                if job.stop.is_set():
                    raise StoppedError("Stopped. What was written is whole; cutting again goes on from there.")

            return convert_tiles(order, plan=plan, crew=polite_crew(), progress=report)

        return self._jobs.start("Cutting tiles", work, done)

    def outcome(self, result: Conversion) -> str:
        """See `ConversionDialog`."""
        return outcome(result, "mostly empty")


class FilesField(PathField):
    """Files, or folders of files, that lie side by side: typed with semicolons between them, or chosen.

    Args:
        title: what they are.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, "none", parent)

    @property
    def paths(self) -> tuple[Path, ...]:
        """What stands there."""
        return tuple(Path(part.strip()) for part in self.line.text().split(";") if part.strip())

    def put(self, *paths: Path) -> None:
        """Writes it there."""
        self.line.setText("; ".join(map(str, paths)))

    def choose(self) -> None:
        """See `PathField`."""
        asking = QFileDialog(self, self.name)
        asking.setFileMode(QFileDialog.FileMode.ExistingFiles)
        asking.setNameFilter(RASTERS)
        if self.paths:
            asking.setDirectory(str(self.paths[0].parent))
        asking.filesSelected.connect(lambda names: self.put(*map(Path, names)))
        asking.finished.connect(asking.deleteLater)
        asking.open()


def foresight(plan: Plan, there: int) -> str:
    """What would be cut."""
    size = f" of {plan.gsd:.3g} m" if plan.gsd is not None else ""
    crs = f" in {crs_name(plan.grid.crs)}" if plan.grid.crs else ""
    before = f", {there:,} there before" if there else ""
    return f"{tiles_of(plan.tiles)} from {plan.grid.width:,} x {plan.grid.height:,} pixels{size}{crs}{before}."

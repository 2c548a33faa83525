"""Asks how to save the heights of the current tile: PLY, LAS, LAZ or GLB."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PySide6.QtWidgets import QCheckBox, QComboBox, QWidget

from rsviewer.core.cloud import Cloud
from rsviewer.core.errors import RsviewerError
from rsviewer.core.relief import Relief
from rsviewer.core.tile import TileId, crs_name, printable
from rsviewer.data.clouds import MESHES, UNITS, write_cloud
from rsviewer.ui.dialogs.dialog import Newest, Words, dim_label, form_layout
from rsviewer.ui.dialogs.saving import SavingDialog, Work, file_stem
from rsviewer.ui.fields import quiet
from rsviewer.workspace.background import Job
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Format:
    """A kind of file.

    Attributes:
        title: in the list.
        purpose: what it is for, in one line.
        on_map: x and y are map coordinates where the layer has them.
        always_mesh: it cannot hold points.
    """

    title: str
    purpose: str
    on_map: bool = False
    always_mesh: bool = False


FORMATS: Final = {
    "ply": _Format("PLY", "Points or a surface with colours: CloudCompare, MeshLab, Blender, Open3D."),
    "las": _Format("LAS", "Points at their place on the map: QGIS, ArcGIS, CloudCompare, PDAL.", on_map=True),
    "laz": _Format("LAZ", "As LAS, compressed to about a fifth.", on_map=True),
    "glb": _Format("GLB", "A surface with the picture on it: Blender, web pages, slides.", always_mesh=True),
}
"""Ending -> what is said of it."""


class SaveCloudDialog(SavingDialog):
    """Saves a height of the current tile, in the colours of any other layer. It follows when another tile is shown.

    Args:
        workspace: of the tile.
        parent: the window.
    """

    can_stop = False

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Save points or mesh", (520, 400), workspace, parent)
        self._relief: Relief | None = None
        self._shown: TileId | None = None
        self._wants_mesh = False
        self._maker: Newest[Relief] = Newest(self, workspace.jobs, "Measuring the tile", self._made)
        self._build()
        self._unsubscribe = workspace.subscribe(self._changed)
        reliefs = workspace.reliefs
        self._restate("" if reliefs.height is None else str(reliefs.height.id), reliefs.color)

    def _build(self) -> None:
        self.tile = dim_label("")
        self.height_choice, self.color, self.format = QComboBox(), QComboBox(), QComboBox()
        for ending, kind in FORMATS.items():
            self.format.addItem(kind.title, ending)
        self.purpose = dim_label("", wrap=True)
        self.mesh = QCheckBox("Surface: triangles between the points")
        self.points = dim_label("", wrap=True)
        self.where = dim_label("", wrap=True)
        self.remarks = Words()
        form = form_layout()
        form.addRow("Tile", self.tile)
        form.addRow("&Height", self.height_choice)
        form.addRow("&Coloured by", self.color)
        form.addRow("&Format", self.format)
        form.addRow("", self.purpose)
        form.addRow("", self.mesh)
        form.addRow("Holds", self.points)
        form.addRow("Coordinates", self.where)
        self.column.addLayout(form)
        self.column.addWidget(self.remarks)
        self.build_foot()
        self.height_choice.currentIndexChanged.connect(self._height_chosen)
        self.color.currentIndexChanged.connect(self._make)
        self.format.currentIndexChanged.connect(self._describe)
        self.mesh.toggled.connect(self._want_mesh)

    def leaving(self) -> None:
        """Stops listening. What is being saved is saved."""
        super().leaving()
        self._unsubscribe()

    # --- what there is

    def _changed(self, changed: Changed) -> None:
        if changed & (Changed.TILE | Changed.QUEUE) and self.workspace.tile != self._shown:
            self._restate(str(self.height_choice.currentData() or ""), str(self.color.currentData() or ""))

    def _restate(self, height: str, color: str) -> None:
        """Another tile: its heights and colours, and the same ones again where it has them."""
        self._shown = self.workspace.tile
        self.tile.setText("none" if self._shown is None else printable(self._shown))
        with quiet(self.height_choice):
            self.height_choice.clear()
            for spec in self.workspace.reliefs.heights:
                self.height_choice.addItem(spec.title, str(spec.id))
            self.height_choice.setCurrentIndex(max(0, self.height_choice.findData(height)))
        self._offer_colors(color)

    def _height_chosen(self) -> None:
        self._offer_colors(str(self.color.currentData() or ""))

    def _offer_colors(self, color: str) -> None:
        reliefs = self.workspace.reliefs
        height = next((spec for spec in reliefs.heights if str(spec.id) == self.height_choice.currentData()), None)
        with quiet(self.color):
            self.color.clear()
            for value, title in reliefs.colors_of(height):
                self.color.addItem(title, value)
            found = self.color.findData(color)
            self.color.setCurrentIndex(found if found >= 0 else max(0, self.color.findData(reliefs.color)))
        self._make()

    def _make(self) -> None:
        """Has the tile measured in the background."""
        reliefs = self.workspace.reliefs
        height = next((spec for spec in reliefs.heights if str(spec.id) == self.height_choice.currentData()), None)
        self._relief = None
        if height is None:
            self._describe()
            return
        make = reliefs.making(height, str(self.color.currentData() or ""))
        self.points.setText("Counting…")
        self.where.setText("")
        self.remarks.say("")
        self.refuse("")
        self.save.setEnabled(False)
        self._maker.ask(lambda _: make())

    def _made(self, relief: Relief | RsviewerError) -> None:
        if isinstance(relief, RsviewerError):
            self.points.setText("")
            self.refuse(str(relief))
            return
        if relief.tile == self._shown:
            self._relief = relief
            self._describe()

    # --- what is said of it

    @property
    def ending(self) -> str:
        """Of the file."""
        return str(self.format.currentData())

    @property
    def _as_mesh(self) -> bool:
        return FORMATS[self.ending].always_mesh or (self.ending in MESHES and self._wants_mesh)

    def _want_mesh(self, on: bool) -> None:
        self._wants_mesh = on

    def _describe(self) -> None:
        kind = FORMATS[self.ending]
        self.purpose.setText(kind.purpose)
        with quiet(self.mesh):
            self.mesh.setEnabled(self.ending in MESHES and not kind.always_mesh)
            self.mesh.setChecked(self._as_mesh)
        if self._maker.busy:
            return
        relief = self._relief
        if relief is None or not relief.clouds:
            self.points.setText("")
            self.where.setText("")
            self.remarks.say("")
            if relief is not None:
                self.refuse(relief.why)
            else:
                self.refuse("This tile has no height layer." if self._shown is not None else "There is no tile.")
            return
        cloud = relief.clouds[0]
        self.points.setText(_count(cloud))
        self.where.setText(_coordinates(cloud, relief.unit, on_map=kind.on_map))
        self.remarks.say("\n".join(relief.remarks))
        self.refuse("")

    # --- saving

    def suggestion(self) -> tuple[str, str, str]:
        """See `SavingDialog`."""
        layer = "" if self._relief is None or not self._relief.clouds else f"-{self._relief.clouds[0].layer}"
        return file_stem(self._shown or TileId("tile"), layer), self.ending, FORMATS[self.ending].title

    def work(self, path: Path, *, overwrite: bool) -> tuple[str, Work]:
        """See `SavingDialog`."""
        relief, mesh = self._relief, self._as_mesh
        if relief is None:
            raise AssertionError("saving is not offered then")

        def work(_: Job) -> bool:
            write_cloud(path, relief.clouds[0], mesh=mesh, overwrite=overwrite, unit=relief.unit)
            return True

        return "Saving points", work


def _count(cloud: Cloud) -> str:
    valid = int(np.count_nonzero(np.isfinite(cloud.height)))
    void = cloud.rows * cloud.columns - valid
    return f"{valid:,} points" + (f"; {void:,} pixels without a height are left out" if void else "")


def _coordinates(cloud: Cloud, unit: str, *, on_map: bool) -> str:
    """What x, y and z will be, in words."""
    local = f"x and y in {UNITS[unit]} from the lower left corner of the tile, z in metres"
    crs = crs_name(cloud.crs)
    if cloud.transform is None:
        return f"{local}: this height has no georeference."
    if not on_map:
        return f"{local}; the file says how to get from there to {crs or 'the map'}."
    return f"Real ones: x and y in {crs}, z is the height." if crs else "Those of the map; its CRS is unknown."

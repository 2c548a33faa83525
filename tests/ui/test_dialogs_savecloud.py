"""The heights of the current tile are saved as points or mesh, and the dialog says before what will be in the file."""

from collections.abc import Iterator
from pathlib import Path

import laspy
import numpy as np
import pytest
import rasterio
import trimesh
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import TileId
from rsviewer.data.clouds import FORMATS as ENDINGS
from rsviewer.ui.dialogs.savecloud import FORMATS, SaveCloudDialog
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace


@pytest.fixture
def dialog(workspace: Workspace, qtbot: QtBot) -> SaveCloudDialog:
    """On tile a/1."""
    made = SaveCloudDialog(workspace)
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(made)
    made.show()
    return made


def choose(dialog: SaveCloudDialog, ending: str) -> None:
    dialog.format.setCurrentIndex(dialog.format.findData(ending))


def test_it_says_what_will_be_in_the_file(dialog: SaveCloudDialog) -> None:
    assert dialog.tile.text() == "a/1"
    assert dialog.height_choice.currentText() == "nDSM"
    assert dialog.color.currentData() == "image"
    assert dialog.points.text() == "767 points; 1 pixels without a height are left out"
    assert "metres from the lower left corner" in dialog.where.text()
    assert "EPSG:32654" in dialog.where.text()
    choose(dialog, "las")
    assert dialog.where.text() == "Real ones: x and y in EPSG:32654, z is the height."
    assert dialog.save.isEnabled()


def test_every_format_is_offered_and_says_what_it_is_for(dialog: SaveCloudDialog) -> None:
    assert set(FORMATS) == set(ENDINGS)
    said = set()
    for ending in ENDINGS:
        choose(dialog, ending)
        said.add(dialog.purpose.text())
    assert len(said) == len(ENDINGS)


def test_points_are_saved_at_their_place_and_the_status_bar_tells(
    dialog: SaveCloudDialog, workspace: Workspace, tmp_path: Path
) -> None:
    choose(dialog, "laz")
    dialog.save_to(tmp_path / "a.laz")
    with laspy.open(tmp_path / "a.laz") as file:
        points = file.read()
    assert len(points.x) == 767
    assert np.asarray(points.x).min() == pytest.approx(4e5 + 0.25)
    assert np.asarray(points.z).max() == pytest.approx(31 + 230 + 1)
    assert workspace.status().message == f"Saved {tmp_path / 'a.laz'}"
    assert dialog.words.property("tone") == "good"


def test_a_surface_is_saved_where_it_is_wanted_or_nothing_else_can_be(dialog: SaveCloudDialog, tmp_path: Path) -> None:
    dialog.save_to(tmp_path / "points.ply")
    assert isinstance(trimesh.load(tmp_path / "points.ply"), trimesh.PointCloud)
    dialog.mesh.setChecked(True)
    dialog.save_to(tmp_path / "mesh.ply")
    assert len(trimesh.load(tmp_path / "mesh.ply").faces) == 2 * 31 * 23 - 1  # one corner is a void
    choose(dialog, "las")
    assert not dialog.mesh.isEnabled()
    assert not dialog.mesh.isChecked()
    choose(dialog, "glb")
    assert not dialog.mesh.isEnabled()
    assert dialog.mesh.isChecked()
    dialog.save_to(tmp_path / "mesh.glb")
    (mesh,) = trimesh.load(tmp_path / "mesh.glb").geometry.values()
    assert len(mesh.faces) == 2 * 31 * 23 - 1
    choose(dialog, "ply")
    assert dialog.mesh.isChecked(), "the user's choice is still there"


def test_the_color_is_the_one_that_was_chosen(dialog: SaveCloudDialog, tmp_path: Path) -> None:
    values = ("image", "landcover", "ndsm")
    for value in values:
        dialog.color.setCurrentIndex(dialog.color.findData(value))
        dialog.save_to(tmp_path / f"{value}.ply")
    colors = [trimesh.load(tmp_path / f"{value}.ply").colors[:, :3] for value in values]
    assert len(np.unique(colors[1], axis=0)) == 2, "two classes"
    assert not np.array_equal(colors[0], colors[2])


def test_it_follows_to_the_next_tile_and_keeps_what_was_chosen(dialog: SaveCloudDialog, workspace: Workspace) -> None:
    choose(dialog, "las")
    dialog.color.setCurrentIndex(dialog.color.findData("ndsm"))
    workspace.go(1)
    assert dialog.tile.text() == workspace.tile
    assert dialog.color.currentData() == "ndsm"
    assert dialog.suggestion()[0].startswith(str(workspace.tile).replace("/", "-"))


def test_a_height_that_cannot_be_read_is_said_and_not_saved(dialog: SaveCloudDialog, workspace: Workspace) -> None:
    workspace.show_tile(TileId("b/2"))
    assert not dialog.save.isEnabled()
    assert dialog.words.text()
    assert dialog.words.property("tone") == "warn"
    workspace.show_tile(TileId("a/1"))
    assert dialog.save.isEnabled()


def test_what_cannot_be_written_is_one_sentence(dialog: SaveCloudDialog, workspace: Workspace, tmp_path: Path) -> None:
    dialog.save_to(tmp_path / "nowhere" / "a.ply")
    assert "could not be written" in dialog.words.text()
    assert dialog.words.property("tone") == "bad"
    assert "could not be written" in workspace.status().message


@pytest.fixture
def nowhere(tiny_dataset: Path) -> Iterator[Workspace]:
    """Tiles without georeference."""
    for path in tiny_dataset.glob("*/*/*.tif"):
        if path.stat().st_size > 500:
            with rasterio.open(path) as file:
                profile, pixels = file.profile, file.read()
            with rasterio.open(path, "w", **{**profile, "crs": None, "transform": rasterio.Affine.identity()}) as file:
                file.write(pixels)
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**7, reviewer="ada", threaded_jobs=False
    )
    opened.start()
    yield opened
    opened.close()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_without_a_georeference_it_says_so(nowhere: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = SaveCloudDialog(nowhere)
    qtbot.addWidget(dialog)
    choose(dialog, "las")
    assert "from the lower left corner of the tile" in dialog.where.text()
    assert "no georeference" in dialog.where.text()
    dialog.save_to(tmp_path / "a.las")
    with laspy.open(tmp_path / "a.las") as file:
        assert file.header.point_count == 767

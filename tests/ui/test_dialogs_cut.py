from pathlib import Path

import numpy as np
import pytest
import rasterio
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from rasterio import Affine

from rsviewer.batch.crew import Here
from rsviewer.data.detect import open_dataset
from rsviewer.ui.dialogs import cut
from rsviewer.ui.dialogs.conversion import in_words
from rsviewer.ui.dialogs.cut import CutDialog
from rsviewer.workspace.background import Jobs, call_now


@pytest.fixture
def rasters(tmp_path: Path) -> dict[str, Path]:
    """An image of 90 x 70 pixels of half a metre, and heights of twice the size on the same ground."""
    found = {}
    for name, pixels, size in (
        ("image", np.full((3, 70, 90), 7, np.uint8), 0.5),
        ("ndsm", np.ones((1, 35, 45), np.float32), 1.0),
    ):
        found[name] = tmp_path / f"{name}.tif"
        profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
        place = Affine(size, 0, 5e5, 0, -size, 5.7e6)
        with rasterio.open(found[name], "w", dtype=pixels.dtype, crs="EPSG:32632", transform=place, **profile) as file:
            file.write(pixels)
    return found


@pytest.fixture
def dialog(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CutDialog:
    monkeypatch.setattr(cut, "polite_crew", Here)
    made = CutDialog(Jobs(call_now, lambda: None, threaded=False))
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(made)
    made.show()
    made.side.setValue(32)
    return made


def settle(dialog: CutDialog, qtbot: QtBot, says: str) -> None:
    qtbot.waitUntil(lambda: not dialog._rest.isActive() and says in dialog.words.text())


def test_rasters_become_a_dataset_that_opens(
    dialog: CutDialog, qtbot: QtBot, rasters: dict[str, Path], tmp_path: Path
) -> None:
    settle(dialog, qtbot, "Choose the rasters")
    for role, path in rasters.items():
        dialog.files[role].put(path)
    dialog.folder.put(tmp_path / "out")
    settle(dialog, qtbot, "4 tiles from 90 x 70 pixels of 0.5 m in EPSG:32632.")

    dialog.go.click()

    assert dialog.words.text() == "4 tiles converted."
    opened: list[object] = []
    dialog.wants_opened.connect(opened.append)
    dialog.open_result.click()
    assert opened == [tmp_path / "out"]
    dataset, adapter = open_dataset(tmp_path / "out")
    assert (dataset.format, len(list(adapter.scan(dataset)))) == ("synrs3d", 4)
    assert {spec.id for spec in dataset.layers} == {"image", "ndsm"}


def test_what_cannot_be_cut_is_said_in_words(
    dialog: CutDialog, qtbot: QtBot, rasters: dict[str, Path], tmp_path: Path
) -> None:
    dialog.files["image"].put(rasters["image"])
    dialog.folder.put(tmp_path / "out")
    dialog.side.setValue(512)

    settle(dialog, qtbot, "less than a tile of 512")

    assert not dialog.go.isEnabled()
    assert "--" not in dialog.words.text()


def test_a_layout_shows_only_what_it_has_a_place_for(dialog: CutDialog) -> None:
    assert dialog.files["labels"].isVisible()

    dialog.layout_choice.setCurrentIndex(dialog.layout_choice.findData("rs3dbench"))

    assert not dialog.files["labels"].isVisible()
    assert dialog.files["dem"].isVisible()


def test_several_files_of_a_kind_may_be_typed(dialog: CutDialog) -> None:
    dialog.files["image"].line.setText(" /a/b.tif ; /c d/e.tif;")

    assert dialog.files["image"].paths == (Path("/a/b.tif"), Path("/c d/e.tif"))


def test_a_folder_is_suggested_until_one_is_typed(dialog: CutDialog, rasters: dict[str, Path], tmp_path: Path) -> None:
    dialog.files["image"].put(rasters["image"])
    assert dialog.folder.folder is not None
    assert dialog.folder.folder.name.startswith("image-tiles")

    dialog.folder.put(tmp_path / "mine")
    dialog.files["ndsm"].put(rasters["ndsm"])

    assert dialog.folder.folder == tmp_path / "mine"


def test_options_of_a_command_become_words() -> None:
    assert in_words("Choose another folder, or say --overwrite.") == "Choose another folder, or let it be replaced."
    assert in_words("Choose a smaller --size.") == "Choose a smaller size."

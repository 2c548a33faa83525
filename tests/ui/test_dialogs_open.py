from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.data.project import default_directory
from rsviewer.data.recent import RecentDataset, load_recent, remember
from rsviewer.ui.dialogs.describe import PLACE, DescribeDialog
from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.ui.dialogs.open import NOT_THERE, OpenDialog
from rsviewer.workspace.background import Jobs, call_now
from rsviewer.workspace.opening import Opened, open_path


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(call_now, lambda: None, threaded=False)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Photos, heights with a suffix, and folders that are no layers of the same tiles."""
    root = tmp_path / "odd"
    for folder, names in (
        ("photo", ("1", "2", "3")),
        ("dsm", ("1_dsm", "2_dsm", "3_dsm", "9_dsm")),
        ("thumbs", ("x", "y")),
    ):
        (root / folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / folder / f"{name}.png")
    return root


def shown(dialog: Dialog, qtbot: QtBot) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()


# --- the dialog that asks for a dataset


class Chosen:
    """What the dialog was asked to open or describe."""

    def __init__(self, dialog: OpenDialog | DescribeDialog) -> None:
        self.paths: list[Path] = []
        dialog.chosen.connect(self.paths.append)


def test_the_dataset_opened_last_is_one_enter_away(jobs: Jobs, tmp_path: Path, qtbot: QtBot) -> None:
    remember(RecentDataset(str(tmp_path / "gone"), "Gone", "synrs3d", 12))
    remember(RecentDataset(str(tmp_path), "Here", "synrs3d", 70_000))
    dialog = OpenDialog(jobs)
    chosen = Chosen(dialog)
    shown(dialog, qtbot)
    assert [(hit.text, hit.right, hit.dim) for hit in dialog.hits.hits] == [
        ("Here", "70,000 tiles", False),
        ("Gone", NOT_THERE, True),
    ]
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    assert chosen.paths == [tmp_path]
    assert not dialog.isVisible()


def test_a_typed_path_goes_before_the_selection(jobs: Jobs, tmp_path: Path, qtbot: QtBot) -> None:
    remember(RecentDataset(str(tmp_path), "Here"))
    dialog = OpenDialog(jobs)
    chosen = Chosen(dialog)
    shown(dialog, qtbot)
    dialog.path.setText(f' "{tmp_path / "other"}" ')
    qtbot.keyClick(dialog.path, Qt.Key.Key_Return)
    assert chosen.paths == [tmp_path / "other"]


def test_without_a_path_and_without_a_past_there_is_nothing_to_open(jobs: Jobs, qtbot: QtBot) -> None:
    dialog = OpenDialog(jobs)
    chosen = Chosen(dialog)
    shown(dialog, qtbot)
    assert dialog.note.isVisible()
    assert not dialog.open_button.isEnabled()
    dialog.open()
    assert chosen.paths == []
    assert dialog.isVisible()


def test_a_dataset_can_be_forgotten(jobs: Jobs, tmp_path: Path, qtbot: QtBot) -> None:
    for name in ("b", "a"):
        remember(RecentDataset(str(tmp_path / name), name))
    dialog = OpenDialog(jobs)
    shown(dialog, qtbot)
    qtbot.keyClick(dialog.list, Qt.Key.Key_Delete)
    assert [hit.text for hit in dialog.hits.hits] == ["b"]
    assert [dataset.title for dataset in load_recent()] == ["b"]


def test_a_list_that_cannot_be_written_is_said(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    remember(RecentDataset(str(tmp_path), "a"))
    dialog = OpenDialog(jobs)
    shown(dialog, qtbot)

    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("rsviewer.data.settings.write_atomically", full)
    dialog.forget.click()
    assert "No space left on device" in dialog.words.text()
    assert dialog.isVisible()


# --- the dialog that describes folders


def row_of(dialog: DescribeDialog, folder: str) -> int:
    return next(row for row in range(dialog.table.rowCount()) if cell(dialog, row, "folder") == folder)


def cell(dialog: DescribeDialog, row: int, name: str) -> str:
    item = dialog.table.item(row, PLACE[name])
    assert item is not None
    return item.text()


def tick(dialog: DescribeDialog, folder: str, *, on: bool) -> None:
    item = dialog.table.item(row_of(dialog, folder), PLACE["folder"])
    assert item is not None
    item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def settled(dialog: DescribeDialog, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not dialog._rest.isActive())


def given_back(opened: Opened) -> None:
    if opened.store is not None:
        opened.store.close()
    opened.close()


@pytest.fixture
def dialog(odd: Path, jobs: Jobs, qtbot: QtBot) -> DescribeDialog:
    made = DescribeDialog(odd, jobs)
    shown(made, qtbot)
    return made


def test_the_dialog_shows_what_was_found_and_guessed(dialog: DescribeDialog) -> None:
    photo, dsm, thumbs = (row_of(dialog, folder) for folder in ("photo", "dsm", "thumbs"))
    assert [dialog.is_used(row) for row in (photo, dsm, thumbs)] == [True, True, False]
    assert [cell(dialog, photo, name) for name in ("files", "examples", "id")] == ["3", "1.png, 2.png, 3.png", "photo"]
    assert [cell(dialog, dsm, name) for name in ("files", "suffix", "unit")] == ["4", "_dsm", "m"]
    assert dialog.summary.text() == "4 tiles, 3 of them with every layer."
    assert dialog.details.text() == "Only in dsm: 9 …"
    assert dialog.open_button.isEnabled()


def test_what_is_changed_is_counted_anew(dialog: DescribeDialog, qtbot: QtBot) -> None:
    dialog.set_text(row_of(dialog, "dsm"), "suffix", "")
    assert not dialog.open_button.isEnabled()
    settled(dialog, qtbot)
    assert dialog.summary.text() == "7 tiles, 0 of them with every layer."
    tick(dialog, "dsm", on=False)
    settled(dialog, qtbot)
    assert dialog.summary.text() == "3 tiles, all with every layer."
    assert cell(dialog, row_of(dialog, "dsm"), "files") == ""


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("id", "photo", "Two layers have the id"),
        ("id", "No Id", "must be a name of small letters"),
        ("scale", "much", "Scale of dsm must be a number"),
        ("scale", "0", "must be a number other than 0"),
        ("folder", "../elsewhere", "must be a folder under the root"),
        ("folder", "absent", "absent"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_opened(
    dialog: DescribeDialog, name: str, text: str, says: str, qtbot: QtBot
) -> None:
    tick(dialog, "photo", on=name != "folder")
    dialog.set_text(row_of(dialog, "dsm"), name, text)
    settled(dialog, qtbot)
    assert says in dialog.words.text()
    assert not dialog.open_button.isEnabled()


def test_nothing_ticked_is_no_dataset(dialog: DescribeDialog, qtbot: QtBot) -> None:
    tick(dialog, "photo", on=False)
    tick(dialog, "dsm", on=False)
    settled(dialog, qtbot)
    assert dialog.words.text() == "Tick at least one folder."


def test_another_kind_brings_its_unit(dialog: DescribeDialog) -> None:
    row = row_of(dialog, "dsm")
    box = dialog.table.cellWidget(row, PLACE["kind"])
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData("labels"))
    assert cell(dialog, row, "unit") == ""
    box.setCurrentIndex(box.findData("height"))
    assert cell(dialog, row, "unit") == "m"


def test_open_keeps_the_description_in_the_project_and_nothing_beside_the_data(
    dialog: DescribeDialog, odd: Path, qtbot: QtBot
) -> None:
    chosen = Chosen(dialog)
    before = sorted(odd.rglob("*"))
    with pytest.raises(DatasetNotFoundError):
        open_path(odd)
    dialog.title.setText("Odd folders")
    dialog.set_text(row_of(dialog, "dsm"), "nodata", "-9999")
    dialog.set_text(row_of(dialog, "dsm"), "scale", "0,01")
    settled(dialog, qtbot)
    dialog.open_button.click()
    assert chosen.paths == [odd]
    assert not dialog.isVisible()
    assert (default_directory(odd) / "layout.toml").is_file()
    opened = open_path(odd)
    assert opened.dataset.title == "Odd folders"
    height = opened.dataset.layers[1]
    assert (height.id, height.scale, height.nodata, height.low) == ("dsm", 0.01, -9999, -1000)
    given_back(opened)
    assert sorted(odd.rglob("*")) == before


def test_saved_elsewhere_the_description_opens_the_folder(
    dialog: DescribeDialog, odd: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    chosen = Chosen(dialog)
    (tmp_path / "notes").mkdir()
    target = tmp_path / "notes" / "mine.toml"
    dialog.save_to(target)
    assert chosen.paths == [target]
    opened = open_path(target)
    assert opened.dataset.root == odd
    given_back(opened)


def test_a_description_that_cannot_be_saved_is_said(dialog: DescribeDialog, tmp_path: Path) -> None:
    dialog.save_to(tmp_path / "no such folder" / "mine.toml")
    assert "Choose another place" in dialog.words.text()
    assert dialog.isVisible()
    assert dialog.open_button.isEnabled()


def test_a_folder_without_rasters_says_what_was_expected(tmp_path: Path, jobs: Jobs, qtbot: QtBot) -> None:
    (tmp_path / "empty").mkdir()
    dialog = DescribeDialog(tmp_path / "empty", jobs)
    shown(dialog, qtbot)
    assert "There are no rasters" in dialog.words.text()
    assert not dialog.open_button.isEnabled()

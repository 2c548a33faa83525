from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.conversions import RECORD
from rsviewer.ui.dialogs.convert import ConvertDialog
from rsviewer.workspace.conversions import KINDS
from rsviewer.workspace.workspace import Workspace

CLOUD = next(row for row, kind in enumerate(KINDS) if kind.id == "cloud")
NDSM = next(row for row, kind in enumerate(KINDS) if kind.id == "ndsm")


@pytest.fixture
def dialog(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> ConvertDialog:
    """Point clouds of six tiles, of which a/1 is dropped, and the heights of b/2 are cut short."""
    workspace.show_tile(TileId("a/1"))
    workspace.set_verdict(Verdict.DROP)
    made = ConvertDialog(workspace)
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(made)
    made.show()
    made.kinds.setCurrentRow(CLOUD)
    made.folder.put(tmp_path / "out")
    return made


def settle(dialog: ConvertDialog, qtbot: QtBot, says: str) -> None:
    qtbot.waitUntil(lambda: not dialog._rest.isActive() and says in dialog.words.text())


def files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != RECORD)


def test_what_would_be_done_is_said_before_it_is(dialog: ConvertDialog, qtbot: QtBot, tmp_path: Path) -> None:
    settle(dialog, qtbot, "6 tiles will be converted, the first into")
    dialog.dropped.setChecked(True)
    settle(dialog, qtbot, "5 tiles will be converted, 1 tile left out, being dropped")

    dialog.go.click()

    assert dialog.words.text() == "4 tiles converted, 1 dropped tile left out, 1 could not be converted."
    assert dialog.remarks.text().startswith("b/2: nDSM: ")
    assert len(files(tmp_path / "out")) == 4
    assert dialog.show_folder.isVisible()


def test_the_queue_is_counted_anew_when_it_is_filtered(dialog: ConvertDialog, qtbot: QtBot) -> None:
    settle(dialog, qtbot, "6 tiles")

    dialog._workspace.finding.choose("group = 'b'", "")

    settle(dialog, qtbot, "3 tiles will be converted")
    assert dialog.queue.text() == "The queue as it is filtered: 3 tiles"


def test_the_current_tile_is_named_and_followed(dialog: ConvertDialog, qtbot: QtBot, tmp_path: Path) -> None:
    dialog.one.setChecked(True)
    settle(dialog, qtbot, "1 tile will be converted")
    dialog._workspace.show_tile(TileId("b/3"))
    settle(dialog, qtbot, "b/3.ply")

    dialog.go.click()

    assert dialog.one.text() == "This tile, b/3"
    assert files(tmp_path / "out") == ["b/3.ply"]


def test_what_is_in_the_way_is_replaced_only_when_that_is_chosen(
    dialog: ConvertDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "1.ply").write_bytes(b"mine")
    dialog.edited()
    settle(dialog, qtbot, "exists, and this conversion did not write it")
    assert not dialog.go.isEnabled()
    assert "--" not in dialog.words.text(), "there is no command line here"

    dialog.overwrite.setChecked(True)
    settle(dialog, qtbot, "6 tiles will be converted")
    dialog.go.click()

    assert (tmp_path / "out" / "a" / "1.ply").read_bytes() != b"mine"


def test_fields_that_mean_nothing_are_not_shown(dialog: ConvertDialog) -> None:
    page = dialog.page
    to, mesh = page._widgets["to"], page._widgets["mesh"]
    assert isinstance(to, QComboBox)
    assert mesh.isVisible()

    to.setCurrentIndex(to.findData("laz"))

    assert not mesh.isVisible()
    assert page.values()["to"] == "laz"


def test_a_conversion_that_this_dataset_has_nothing_for_says_why(dialog: ConvertDialog, qtbot: QtBot) -> None:
    dialog.kinds.setCurrentRow(NDSM)

    settle(dialog, qtbot, "This dataset has no heights of a surface.")
    assert not dialog.go.isEnabled()


@pytest.mark.parametrize("text", ["", "not/absolute", "~nobody-at-all/x"])
def test_without_a_whole_path_nothing_is_converted(dialog: ConvertDialog, qtbot: QtBot, text: str) -> None:
    dialog.folder.line.setText(text)

    settle(dialog, qtbot, "Say which folder")
    assert not dialog.go.isEnabled()

import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.crowd import Crowd
from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.data import export
from rsviewer.ui.dialogs import export as export_dialog
from rsviewer.ui.dialogs.export import ExportDialog
from rsviewer.ui.mainthread import MainThread
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace


@pytest.fixture
def dialog(workspace: Workspace, qtbot: QtBot) -> ExportDialog:
    """Two tiles are dropped, a third has a tag."""
    for tile, verdict in (("a/1", Verdict.DROP), ("b/3", Verdict.DROP), ("a/2", Verdict.GOOD)):
        workspace.show_tile(TileId(tile))
        workspace.set_verdict(verdict)
    workspace.toggle_tag(1)
    return shown(workspace, qtbot)


def shown(workspace: Workspace, qtbot: QtBot) -> ExportDialog:
    made = ExportDialog(workspace)
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(made)
    made.show()
    return made


def choose(dialog: ExportDialog, folder: Path, qtbot: QtBot, says: str) -> None:
    dialog.folder.setText(str(folder))
    qtbot.waitUntil(lambda: not dialog._typing.isActive() and says in dialog.target_words.text())


def test_the_dialog_shows_what_is_left_out_before_it_is_written(dialog: ExportDialog) -> None:
    assert dialog.summary.text() == "2 of 6 tiles are left out."
    assert dialog.lists.rows == [
        ("a/test.txt", 1, 1, 0, 0),
        ("a/train.txt", 2, 1, 1, 0),
        ("b/test.txt", 1, 0, 1, 0),
        ("b/train.txt", 2, 2, 0, 0),
    ]
    assert [row[0] for row in dialog.dropped.rows] == ["a/1", "b/3"]
    assert "-1\n" in dialog.diff.toPlainText() + "\n"
    assert "-3\n" in dialog.diff.toPlainText() + "\n"


def test_options_change_the_numbers_at_once(dialog: ExportDialog) -> None:
    (cloud,) = (box for box in dialog._tag_boxes.values())
    assert cloud.text() == "Cloud or haze (1)"
    cloud.setChecked(True)
    assert dialog.summary.text() == "3 of 6 tiles are left out."
    assert dialog.reasons.text().startswith("2 dropped, 1 tagged")
    dialog.undecided.setChecked(True)
    assert dialog.summary.text() == "6 of 6 tiles are left out."


def test_a_decision_made_beside_the_open_dialog_counts(
    dialog: ExportDialog, workspace: Workspace, qtbot: QtBot
) -> None:
    workspace.undo()
    workspace.undo()
    workspace.undo()
    qtbot.waitUntil(lambda: dialog.summary.text() == "1 of 6 tiles are left out.")


def test_the_export_writes_lists_and_says_where(dialog: ExportDialog, tmp_path: Path, qtbot: QtBot) -> None:
    out = tmp_path / "out"
    choose(dialog, out, qtbot, "Writes a/test.txt")
    assert not out.exists()
    dialog.export.click()
    assert (out / "a" / "train.txt").read_bytes() == b"2\r\n"
    assert json.loads((out / "manifest.json").read_bytes())["dropped"][0]["reviewer"] == "ada"
    assert str(out) in dialog.words.text()
    assert dialog.words.property("tone") == "good"
    assert dialog.show_folder.isVisible()


def test_an_earlier_export_is_replaced_only_when_that_is_ticked(
    dialog: ExportDialog, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(dialog, tmp_path / "out", qtbot, "Writes")
    dialog.export.click()
    assert not dialog.export.isEnabled()
    assert dialog.overwrite.isVisible()
    dialog.undecided.setChecked(True)
    dialog.overwrite.setChecked(True)
    assert dialog.export.isEnabled()
    dialog.export.click()
    assert (tmp_path / "out" / "a" / "test.txt").read_bytes() == b""


def test_a_folder_that_will_not_do_is_refused_in_words(
    dialog: ExportDialog, tiny_dataset: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(dialog, tiny_dataset, qtbot, "belongs to the dataset")
    assert not dialog.export.isEnabled()
    choose(dialog, Path("relative"), qtbot, "whole path")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_bytes(b"")
    choose(dialog, tmp_path / "mine", qtbot, "thesis.tex")
    assert not dialog.export.isEnabled()


def test_a_failed_export_is_one_sentence_in_the_dialog(dialog: ExportDialog, tmp_path: Path, qtbot: QtBot) -> None:
    choose(dialog, tmp_path / "out", qtbot, "Writes")
    (tmp_path / "out").write_bytes(b"came in between")
    dialog.export.click()
    assert "is a file" in dialog.words.text()
    assert dialog.words.property("tone") == "bad"


def test_leaks_are_reported(tiny_dataset: Path, qtbot: QtBot, tmp_path: Path) -> None:
    (tiny_dataset / "a" / "test.txt").write_bytes(b"3\n1\n")
    workspace = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10_000_000, reviewer="ada", threaded_jobs=False
    )
    workspace.start()
    dialog = shown(workspace, qtbot)
    assert dialog.leaks.rows == [("a/1", "a/train.txt", "a/test.txt")]
    assert "1 tiles are on training and on test lists." in dialog.reasons.text()
    dialog.close()
    workspace.close()


def test_a_dataset_without_lists_shows_its_groups(tiny_dataset: Path, qtbot: QtBot) -> None:
    for split in tiny_dataset.glob("*/*.txt"):
        split.unlink()
    workspace = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10_000_000, reviewer="ada", threaded_jobs=False
    )
    workspace.start()
    workspace.show_tile(TileId("b/3"))
    workspace.set_verdict(Verdict.DROP)
    dialog = shown(workspace, qtbot)
    assert dialog.areas.rows == [("a", 3, 0, ""), ("b", 2, 1, "3")]
    assert [dialog.tabs.tabText(place) for place in range(dialog.tabs.count())] == ["Groups", "Left out (1)"]
    dialog.close()
    workspace.close()


def test_escape_closes_and_the_workspace_goes_on(dialog: ExportDialog, workspace: Workspace, qtbot: QtBot) -> None:
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    workspace.show_tile(TileId("b/1"))
    assert workspace.set_verdict(Verdict.DROP)


def test_writing_can_be_stopped(
    tiny_dataset: Path, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button is there while somebody waits, and afterwards one may export again."""
    home = MainThread(None)
    workspace = Workspace(open_path(tiny_dataset), home.post, threads=0, cache_bytes=10_000_000, reviewer="ada")
    workspace.start()
    dialog = shown(workspace, qtbot)
    choose(dialog, tmp_path / "out", qtbot, "Writes")
    qtbot.waitUntil(dialog.export.isEnabled)
    go_on = threading.Event()
    write_pieces = export.write_pieces

    def slowly(path: Path, pieces: Iterable[bytes]) -> None:
        go_on.wait(60)
        write_pieces(path, pieces)

    monkeypatch.setattr(export, "write_pieces", slowly)
    dialog.export.click()
    assert dialog.stop.isVisible()
    assert dialog.progress.isVisible()
    dialog.stop.click()
    go_on.set()
    qtbot.waitUntil(lambda: not dialog.stop.isVisible())

    assert dialog.words.text() == "The export was stopped. Nothing was written."
    assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir() if "partial" in each.name] == []
    qtbot.waitUntil(dialog.export.isEnabled)
    dialog.close()
    workspace.close()


def test_of_many_tiles_left_out_the_first_are_shown(dialog: ExportDialog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_dialog, "MOST_ROWS", 2)

    dialog.undecided.setChecked(True)

    assert [row[0] for row in dialog.dropped.rows] == ["a/1", "a/3", "… and 3 more"]
    assert dialog.tabs.tabText(dialog._dropped_tab) == "Left out (5)"


def test_counting_that_was_stopped_begins_again(
    tiny_dataset: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the status bar, which has a button for every job."""
    home = MainThread(None)
    workspace = Workspace(open_path(tiny_dataset), home.post, threads=0, cache_bytes=10_000_000, reviewer="ada")
    workspace.start()
    qtbot.waitUntil(lambda: not workspace.jobs.running)
    go_on, reading = threading.Event(), threading.Event()
    groups_of_tiles = workspace.index.groups_of_tiles

    def slowly(stop: Callable[[], bool]) -> Crowd:
        reading.set()
        go_on.wait(60)
        return groups_of_tiles(stop)

    monkeypatch.setattr(workspace.index, "groups_of_tiles", slowly)
    dialog = shown(workspace, qtbot)
    qtbot.waitUntil(reading.is_set)
    (job,) = (job for job in workspace.jobs.running if job.title == "Counting for the export")
    job.stop.set()
    go_on.set()
    qtbot.waitUntil(lambda: dialog.summary.text().startswith("Counting was stopped."))
    assert not dialog.export.isEnabled()

    dialog.undecided.setChecked(True)
    qtbot.waitUntil(lambda: dialog.summary.text() == "6 of 6 tiles are left out.")
    dialog.close()
    workspace.close()

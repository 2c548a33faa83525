"""The dialogs together with the window that shows them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from rsviewer.core.review import Verdict
from rsviewer.data.recent import load_recent
from rsviewer.data.settings import Preferences, load_preferences
from rsviewer.ui.dialogs.describe import DescribeDialog
from rsviewer.ui.dialogs.dialog import Dialog
from rsviewer.ui.dialogs.goto import GoToDialog
from rsviewer.ui.dialogs.open import OpenDialog
from rsviewer.ui.dialogs.preferences import PreferencesDialog
from rsviewer.ui.program import make_window
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.review import Saved
from rsviewer.workspace.workspace import Workspace

ASKING = ("file.open", "file.preferences", "file.export", "tile.goto", "help.keys", "help.palette")


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[Window]:
    made = make_window(Preferences(threads=1, reviewer="ada"), open_path)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Parallel folders that no format knows."""
    root = tmp_path / "odd"
    for folder in ("photo", "dsm"):
        (root / folder).mkdir(parents=True)
        for name in ("1", "2"):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / folder / f"{name}.png")
    return root


def opened(window: Window, path: Path, qtbot: QtBot) -> Workspace:
    with qtbot.waitSignal(window.opened):
        window.open_path(path)
    return ready(window, qtbot)


def ready(window: Window, qtbot: QtBot) -> Workspace:
    workspace = window.workspace
    assert workspace is not None
    qtbot.waitUntil(lambda: len(workspace.queue) > 0 and not workspace.jobs.running)
    return workspace


def test_folders_that_nobody_knows_are_described_and_open(window: Window, odd: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.failed):
        window.open_path(odd)
    assert window.notice.isVisible()
    window.notice.offers[0].click()
    (dialog,) = window.findChildren(DescribeDialog)
    qtbot.waitUntil(dialog.open_button.isEnabled)
    with qtbot.waitSignal(window.opened):
        dialog.open_button.click()
    workspace = ready(window, qtbot)
    assert workspace.dataset.format == "folders"
    assert workspace.tile == "1"
    assert not window.notice.isVisible()
    assert [recent.path for recent in load_recent()] == [str(odd)]


def test_a_missing_folder_is_said_and_not_offered_for_description(window: Window, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.failed) as blocker:
        window.open_path(tmp_path / "nowhere")
    assert "nowhere" in blocker.args[0]
    assert not window.notice.isVisible()
    assert load_recent() == ()


def test_opening_the_open_dataset_again_leaves_it_writable(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    first = opened(window, tiny_dataset, qtbot)
    assert first.set_verdict(Verdict.DROP)
    with qtbot.waitSignal(window.opened):
        window.open_path(tiny_dataset)
    again = ready(window, qtbot)
    assert again is not first
    assert again.status().saved is Saved.SAVED
    assert again.decision.verdict is Verdict.DROP
    assert again.set_verdict(Verdict.GOOD)


def test_dialogs_about_a_dataset_go_with_it(window: Window, tiny_dataset: Path, odd: Path, qtbot: QtBot) -> None:
    opened(window, tiny_dataset, qtbot)
    window.go_to()
    window.export()
    window.preferences_dialog()
    with qtbot.waitSignal(window.failed):
        window.open_path(odd)
    assert len(visible(window)) == 3
    (tiny_dataset.parent / "other").mkdir()
    (tiny_dataset / "a").rename(tiny_dataset.parent / "other" / "a")
    opened(window, tiny_dataset.parent / "other", qtbot)
    assert [type(dialog) for dialog in visible(window)] == [PreferencesDialog]


def test_every_dialog_leaves_the_window_usable_and_goes_with_escape(
    window: Window, tiny_dataset: Path, qtbot: QtBot
) -> None:
    workspace = opened(window, tiny_dataset, qtbot)
    for id_ in ASKING:
        assert window.actions_.run_id(id_)
        (dialog,) = visible(window)
        assert not dialog.isModal()
        assert window.actions_.run_id("tile.next")
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        assert visible(window) == []
    assert workspace.queue.at == len(workspace.queue) - 1


def test_preferences_are_taken_at_once_and_kept(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    workspace = opened(window, tiny_dataset, qtbot)
    workspace.toggle_tag(1)
    window.preferences_dialog()
    (dialog,) = window.findChildren(PreferencesDialog)
    dialog.tags.table.setCurrentCell(0, 1)
    dialog.tags.remove.click()
    assert dialog.tags.words.text().startswith("cloud is on 1 tiles")
    dialog.keys.preset_box.setCurrentIndex(dialog.keys.preset_box.findData("pixel"))
    dialog.accept()
    assert workspace.anomalies[0].tag == "void"
    assert load_preferences().value.key_preset == "pixel"
    assert window.preferences.key_preset == "pixel"


def test_the_dialogs_of_a_closed_window_are_gone(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    opened(window, tiny_dataset, qtbot)
    window.open_dataset()
    window.go_to()
    assert {type(dialog) for dialog in visible(window)} == {OpenDialog, GoToDialog}
    window.close()
    assert visible(window) == []


def visible(window: Window) -> list[Dialog]:
    return [dialog for dialog in window.findChildren(Dialog) if dialog.isVisible()]

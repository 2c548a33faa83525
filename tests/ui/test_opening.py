"""Opening archives and addresses in the window: what it says meanwhile, what it offers, and how it is stopped."""

import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from rsviewer.core.errors import StoppedError
from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.archives.members import Progress, Stop
from rsviewer.data.project import default_directory
from rsviewer.data.recent import RecentDataset, load_recent, remember
from rsviewer.data.remote.names import remote_root
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.data.unpacking import MARKER, Unpacked, unpack
from rsviewer.ui.dialogs.open import NOT_THERE, OpenDialog
from rsviewer.ui.dialogs.unpack import UnpackDialog
from rsviewer.ui.window import WELCOME, Window
from rsviewer.workspace.background import Jobs, call_now
from rsviewer.workspace.opening import Asking, Opened, Opener, open_path
from tests.data.httpserver import Served, hangs, serving_with
from tests.data.samples import geonrw, synrs3d


def pack(folder: Path, archive: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as target:
            for path in files:
                target.write(path, path.relative_to(folder).as_posix())
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as target:
            for path in files:
                target.add(path, path.relative_to(folder).as_posix())
    return archive


@pytest.fixture
def make_window(qtbot: QtBot) -> Iterator[Callable[[Opener], Window]]:
    windows: list[Window] = []

    def make(opener: Opener = open_path) -> Window:
        windows.append(Window(Preferences(), color_table, color_table_names(), opener, threads=1))
        windows[-1].show()
        return windows[-1]

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def window(make_window: Callable[..., Window]) -> Window:
    return make_window()


def opens(window: Window, path: Path, qtbot: QtBot) -> None:
    """Opens a dataset and waits until its first tile is on the screen."""
    with qtbot.waitSignal(window.opened):
        window.open_path(path)
    qtbot.waitUntil(lambda: window.on_screen)


def fails(window: Window, path: Path, qtbot: QtBot) -> str:
    """Opens what cannot be opened; returns the sentence."""
    with qtbot.waitSignal(window.failed) as caught:
        window.open_path(path)
    return str(caught.args[0])


def offers(window: Window) -> list[str]:
    return [] if window.notice.isHidden() else [button.text() for button in window.notice.offers]


def offer(window: Window, words: str) -> QPushButton:
    return next(button for button in window.notice.offers if button.text() == words)


# --- archives


def test_an_archive_dropped_on_the_window_is_opened(window: Window, tiny_dataset: Path, qtbot: QtBot) -> None:
    archive = pack(tiny_dataset, tiny_dataset.with_name("tiny.zip"))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(archive))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    with qtbot.waitSignal(window.opened):
        window.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))
    qtbot.waitUntil(lambda: window.on_screen)
    assert window.workspace is not None
    assert window.workspace.tile == "a/1"
    assert load_recent()[0].path == str(archive)
    assert not offers(window), "a zip is read at once: there is nothing to unpack it for"


def unpack_action(window: Window) -> QAction:
    window.actions_.refresh()
    return next(
        action
        for menu in window.menuBar().findChildren(QMenu)
        for action in menu.actions()
        if action.text().startswith("Unpack archives")
    )


def test_unpacking_can_be_asked_for_only_where_there_are_archives(
    window: Window, tiny_dataset: Path, qtbot: QtBot
) -> None:
    assert not unpack_action(window).isEnabled()
    opens(window, tiny_dataset, qtbot)
    assert not unpack_action(window).isEnabled()
    opens(window, pack(tiny_dataset, tiny_dataset.with_name("tiny.tar")), qtbot)
    assert unpack_action(window).isEnabled()


def test_an_archive_that_is_slow_says_so_and_can_be_unpacked_with_what_was_decided(
    window: Window, tiny_dataset: Path, qtbot: QtBot
) -> None:
    opens(window, pack(tiny_dataset, tiny_dataset.with_name("tiny.tar.gz")), qtbot)
    assert window.workspace is not None
    assert "tiny.tar.gz" in window.notice.words.text()
    window.workspace.start_at("a/3")
    qtbot.waitUntil(lambda: window.workspace is not None and window.workspace.tile == "a/3")
    assert window.workspace.set_verdict(Verdict.DROP)
    offer(window, "Unpack…").click()
    assert not offers(window)
    (dialog,) = window.findChildren(UnpackDialog)
    out = Path(dialog.folder.text())
    assert out == tiny_dataset.with_name("tiny-unpacked")
    with qtbot.waitSignal(window.opened):
        dialog.start.click()
    qtbot.waitUntil(lambda: window.on_screen)
    assert window.workspace is not None
    assert window.workspace.dataset.root == out
    assert window.workspace.review.decision(TileId("a/3")).verdict is Verdict.DROP
    assert not offers(window)
    assert not unpack_action(window).isEnabled()


def test_where_several_formats_fit_one_is_a_click_away(window: Window, tmp_path: Path, qtbot: QtBot) -> None:
    root = tmp_path / "both"
    root.mkdir()
    synrs3d.write(root)
    geonrw.write(root)
    archive = pack(root, tmp_path / "both.zip")
    said = fails(window, archive, qtbot)
    assert "may be of several formats" in said
    assert window.notice.words.text().endswith("Which is it?")
    assert "--format" not in window.notice.words.text()
    assert sorted(offers(window)) == ["Open as GeoNRW", "Open as SynRS3D"]
    with qtbot.waitSignal(window.opened):
        offer(window, "Open as SynRS3D").click()
    assert window.workspace is not None
    assert window.workspace.dataset.format == "synrs3d"
    assert not offers(window)


def test_an_archive_that_cannot_be_read_leaves_what_is_open(
    window: Window, tiny_dataset: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    opens(window, tiny_dataset, qtbot)
    (tmp_path / "bad.zip").write_bytes(b"<html>404</html>")
    assert fails(window, tmp_path / "bad.zip", qtbot).startswith("bad.zip is a web page")
    assert window.notice.isVisible()
    assert window.notice.words.text().startswith("bad.zip is a web page")
    assert window.workspace is not None
    assert window.workspace.dataset.root == tiny_dataset
    assert window.on_screen


# --- waiting


class Slow:
    """Lists until it is told to go on or to stop."""

    def __init__(self, *slow: Path) -> None:
        self.slow = slow
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.opened: list[Path] = []

    def __call__(self, path: Path, *, asking: Asking) -> Opened:
        if path in self.slow:
            asking.patience.progress(f"Listing {path.name}", 34, 100)
            self.begun.set()
            while not self.go_on.wait(0.01):
                if asking.patience.stop():
                    raise StoppedError("Opening was stopped.")
        self.opened.append(path)
        return open_path(path, asking=asking)


def test_listing_says_how_far_it_is_and_can_be_stopped(
    make_window: Callable[[Opener], Window], tiny_dataset: Path, qtbot: QtBot
) -> None:
    archive = pack(tiny_dataset, tiny_dataset.with_name("tiny.zip"))
    opener = Slow(archive)
    window = make_window(opener)
    window.open_path(archive)
    qtbot.waitUntil(lambda: offers(window) == ["Stop"])
    assert window.notice.words.text() == "Listing tiny.zip: 34 %"
    offer(window, "Stop").click()
    qtbot.waitUntil(lambda: window.canvas.empty_message == WELCOME)
    assert not offers(window)
    opener.go_on.set()
    opens(window, archive, qtbot)


def test_what_was_opened_in_spite_of_stop_is_given_back(
    make_window: Callable[[Opener], Window], tiny_dataset: Path, qtbot: QtBot
) -> None:
    opener = Slow()
    window = make_window(opener)
    window.open_path(tiny_dataset)
    (job,) = window._jobs.running
    job.stop.set()
    qtbot.waitUntil(lambda: window.canvas.empty_message == WELCOME)
    opens(window, tiny_dataset, qtbot)
    assert window.workspace is not None
    assert not window.workspace.opened.project.read_only, "nobody else holds the project"


def test_another_dataset_may_be_opened_while_one_is_being_listed(
    make_window: Callable[[Opener], Window], tiny_dataset: Path, qtbot: QtBot
) -> None:
    archive = pack(tiny_dataset, tiny_dataset.with_name("tiny.zip"))
    opener = Slow(archive)
    window = make_window(opener)
    window.open_path(archive)
    qtbot.waitUntil(opener.begun.is_set)
    window.open_path(archive.with_name("nowhere"))
    opens(window, tiny_dataset, qtbot)
    assert window.workspace is not None
    assert window.workspace.dataset.root == tiny_dataset
    assert opener.opened == [tiny_dataset], "of those that were asked for meanwhile, only the last"
    assert not offers(window)


def test_the_window_closes_while_something_is_being_listed(
    make_window: Callable[[Opener], Window], tiny_dataset: Path, qtbot: QtBot
) -> None:
    opener = Slow(tiny_dataset)
    window = make_window(opener)
    window.open_path(tiny_dataset)
    qtbot.waitUntil(opener.begun.is_set)
    assert window.close()
    assert not opener.opened


# --- servers


@pytest.fixture
def served(tiny_dataset: Path) -> Iterator[Served]:
    with serving_with(tiny_dataset.parent) as server:
        yield server


def test_people_see_the_address_and_never_our_path(window: Window, served: Served, qtbot: QtBot) -> None:
    url = f"{served.url}tiny"
    opens(window, remote_root(url), qtbot)
    qtbot.waitUntil(lambda: url in window.top_bar.title.toolTip().replace("&#47;", "/"))
    assert "/vsi" not in window.windowTitle()
    (recent,) = load_recent()
    dialog = OpenDialog(Jobs(call_now, lambda: None, threaded=False))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.hits.hits[0].detail == url
    chosen: list[Path] = []
    dialog.chosen.connect(chosen.append)
    dialog.open()
    assert chosen == [Path(recent.path)] == [remote_root(url)]


def test_reading_again_asks_the_server_again(window: Window, served: Served, qtbot: QtBot) -> None:
    opens(window, remote_root(f"{served.url}tiny"), qtbot)
    workspace = window.workspace
    assert workspace is not None
    qtbot.waitUntil(lambda: workspace.finding.total == 6 and not workspace.jobs.running)
    for path in list((served.folder / "tiny" / "a").glob("*/3.tif")):
        path.with_name("4.tif").write_bytes(path.read_bytes())
    window.actions_.run_id("file.reload")
    qtbot.waitUntil(lambda: workspace.finding.total == 7 and not workspace.jobs.running)


def test_a_server_that_does_not_answer_can_be_stopped(window: Window, served: Served, qtbot: QtBot) -> None:
    served.faults["/tiny/"] = hangs
    window.open_path(remote_root(f"{served.url}tiny"))
    qtbot.waitUntil(lambda: offers(window) == ["Stop"])
    assert window.notice.words.text() == f"Opening {served.url}tiny …"
    offer(window, "Stop").click()
    qtbot.waitUntil(lambda: window.canvas.empty_message == WELCOME)


def test_a_server_that_does_not_answer_does_not_keep_the_window(window: Window, served: Served, qtbot: QtBot) -> None:
    served.faults["/tiny/"] = hangs
    window.open_path(remote_root(f"{served.url}tiny"))
    qtbot.waitUntil(lambda: bool(served.requests))
    assert window.close()


def test_an_address_without_a_dataset_is_said_as_it_was_typed(window: Window, served: Served, qtbot: QtBot) -> None:
    said = fails(window, remote_root(f"{served.url}nowhere"), qtbot)
    assert said.startswith(f"There is no folder {served.url}nowhere.")
    assert "/vsi" not in window.canvas.empty_message


# --- the dialogs


@pytest.fixture
def open_dialog(qtbot: QtBot) -> OpenDialog:
    dialog = OpenDialog(Jobs(call_now, lambda: None, threaded=False))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def test_an_archive_is_chosen_in_the_desktop_s_dialog(
    open_dialog: OpenDialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def choose(_parent: object, _title: str, _start: str, patterns: str) -> tuple[str, str]:
        asked.append(patterns)
        return str(tmp_path / "a.tar.gz"), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    chosen: list[Path] = []
    open_dialog.chosen.connect(chosen.append)
    open_dialog.choose_archive()
    assert chosen == [tmp_path / "a.tar.gz"]
    assert all(f"*{suffix}" in asked[0] for suffix in (".zip", ".tar", ".tar.gz", ".tgz"))


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        ("/data/a.zip", "/data/a.zip"),
        ('"/data/a b.tar"', "/data/a b.tar"),
        ("file:///data/a%20b.tar", "/data/a b.tar"),
        ("https://host/a b/", "/vsicurl/https:/host/a b"),
        ("s3://bucket/key", "/vsis3/bucket/key"),
    ],
)
def test_what_is_typed_may_be_an_archive_or_an_address(open_dialog: OpenDialog, typed: str, chosen: str) -> None:
    paths: list[Path] = []
    open_dialog.chosen.connect(paths.append)
    open_dialog.path.setText(typed)
    open_dialog.open_button.click()
    assert paths == [Path(chosen)]


@pytest.mark.parametrize("typed", ["https://", "htps://host/x", "https://user:secret@host/x", "s3://?/x"])
def test_an_address_that_is_none_is_said_in_the_dialog_which_stays(open_dialog: OpenDialog, typed: str) -> None:
    paths: list[Path] = []
    open_dialog.chosen.connect(paths.append)
    open_dialog.path.setText(typed)
    open_dialog.open_button.click()
    assert not paths
    assert open_dialog.isVisible()
    assert open_dialog.words.text().endswith(".")
    assert "secret" not in open_dialog.words.text()


def test_what_is_typed_or_pasted_while_the_list_has_the_keyboard_is_a_path(tmp_path: Path, qtbot: QtBot) -> None:
    remember(RecentDataset(str(tmp_path), "Here", "synrs3d", 7))
    dialog = OpenDialog(Jobs(call_now, lambda: None, threaded=False))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()
    paths: list[Path] = []
    dialog.chosen.connect(paths.append)
    QTest.keyClick(dialog.list, Qt.Key.Key_Slash)
    assert dialog.path.text() == "/"
    QApplication.clipboard().setText("data/a.zip")
    QTest.keyClick(dialog.list, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    dialog.open()
    assert paths == [Path("/data/a.zip")]


def test_a_folder_in_an_archive_that_was_opened_last_is_there_as_long_as_the_archive(
    window: Window, tiny_dataset: Path, qtbot: QtBot
) -> None:
    archive = tiny_dataset.with_name("tiny.zip")
    pack(tiny_dataset.parent, archive)
    opens(window, archive / "tiny", qtbot)
    for there in (True, False):
        dialog = OpenDialog(Jobs(call_now, lambda: None, threaded=False))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        qtbot.addWidget(dialog)
        assert (dialog.hits.hits[0].right != NOT_THERE) is there
        archive.unlink(missing_ok=True)


@pytest.fixture
def unpacking(tiny_dataset: Path, qtbot: QtBot) -> Callable[[], UnpackDialog]:
    archive = pack(tiny_dataset, tiny_dataset.with_name("my.tiny.zip"))

    def make() -> UnpackDialog:
        dialog = UnpackDialog([archive], Jobs(call_now, lambda: None, threaded=False))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return make


def test_unpacking_ends_with_the_folder_and_closes(unpacking: Callable[[], UnpackDialog], tiny_dataset: Path) -> None:
    dialog = unpacking()
    done: list[Path] = []
    dialog.unpacked.connect(done.append)
    dialog.start.click()
    out = tiny_dataset.with_name("my.tiny-unpacked")
    assert done == [out]
    assert not dialog.isVisible()
    expected = {path.relative_to(tiny_dataset) for path in tiny_dataset.rglob("*") if path.is_file()}
    assert {path.relative_to(out) for path in out.rglob("*") if path.is_file()} == expected


def test_what_could_not_be_unpacked_is_named_and_the_dialog_stays(
    unpacking: Callable[[], UnpackDialog], tiny_dataset: Path
) -> None:
    dialog = unpacking()
    with zipfile.ZipFile(tiny_dataset.with_name("my.tiny.zip"), "a") as target:
        target.writestr("../outside.txt", "x")
    dialog.start.click()
    assert dialog.isVisible()
    assert "my.tiny.zip" in dialog.words.text()
    assert dialog.cancel.text() == "Close"


def test_a_folder_that_cannot_be_used_is_said_and_another_can_be_named(
    unpacking: Callable[[], UnpackDialog], tiny_dataset: Path
) -> None:
    dialog = unpacking()
    dialog.folder.setText(str(tiny_dataset))
    dialog.start.click()
    assert dialog.words.text().endswith("is not empty: choose a new or empty folder.")
    assert dialog.start.isEnabled()
    dialog.folder.setText("")
    assert not dialog.start.isEnabled()


def test_a_disk_that_is_full_is_one_sentence(
    unpacking: Callable[[], UnpackDialog], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = unpacking()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsviewer.data.unpacking.os.rename", full)
    dialog.start.click()
    assert "No space left on device" in dialog.words.text()
    assert "unpack again into the same folder" in dialog.words.text()
    monkeypatch.undo()


def test_closing_the_dialog_stops_and_the_same_folder_goes_on(
    window: Window, tiny_dataset: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens(window, pack(tiny_dataset, tiny_dataset.with_name("tiny.tar")), qtbot)
    begun, ended = threading.Event(), threading.Event()

    def until_stopped(archives: Sequence[Path], out: Path, progress: Progress, stop: Stop) -> Unpacked:
        begun.set()
        while not stop():
            threading.Event().wait(0.01)
        try:
            return unpack(archives, out, progress, stop)
        finally:
            ended.set()

    window.unpack_archives()
    (dialog,) = window.findChildren(UnpackDialog)
    out = Path(dialog.folder.text())
    with monkeypatch.context() as patch:
        patch.setattr("rsviewer.ui.dialogs.unpack.unpack", until_stopped)
        dialog.start.click()
        assert dialog.cancel.text() == "Stop"
        qtbot.waitUntil(begun.is_set)
        dialog.cancel.click()
        qtbot.waitUntil(ended.is_set)
    assert [path.name for path in out.iterdir()] == [MARKER]
    window.unpack_archives()
    dialog = window.findChildren(UnpackDialog)[-1]
    dialog.folder.setText(str(out))
    with qtbot.waitSignal(window.opened):
        dialog.start.click()
    assert not (out / MARKER).exists()
    assert window.workspace is not None
    assert window.workspace.dataset.root == out


def test_decisions_of_a_folder_of_archives_are_there_when_it_is_unpacked_in_place(
    window: Window, tiny_dataset: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    pack(tiny_dataset, folder / "tiny.zip")
    opens(window, folder, qtbot)
    assert window.workspace is not None
    window.workspace.set_verdict(Verdict.GOOD)
    tile = window.workspace.tile
    assert tile is not None
    with zipfile.ZipFile(folder / "tiny.zip") as archive:
        archive.extractall(folder)
    opens(window, folder, qtbot)
    assert window.workspace.dataset.root == folder
    assert window.workspace.review.decision(tile).verdict is Verdict.GOOD
    assert default_directory(folder) == window.workspace.opened.project.directory

"""What 3D shows is saved as it is seen, at any size, and stopping leaves nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import psutil
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from rsviewer.core.drawing import Drawing
from rsviewer.core.errors import RsviewerError
from rsviewer.core.render import Pixels
from rsviewer.core.tile import TileId
from rsviewer.data.animations import Format
from rsviewer.ui.dialogs.saverelief import SaveAnimationDialog, SavePictureDialog
from rsviewer.ui.dialogs.saving import SavingDialog, file_stem
from rsviewer.ui.mainthread import MainThread
from rsviewer.ui.relief.printing import Ground
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.core.spaces import drawing, splat


class Drawer:
    """Draws points, and remembers what was asked for."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.asked: list[Drawing] = []
        self._before = before

    def drawn(self, wanted: Drawing) -> Pixels:
        self.asked.append(wanted)
        self._before(len(self.asked))
        return splat(wanted)


def shown(dialog: SavingDialog, qtbot: QtBot) -> SavingDialog:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def picture_dialog(
    workspace: Workspace, qtbot: QtBot, drawer: Drawer | None = None, size: tuple[int, int] = (160, 120)
) -> SavePictureDialog:
    made = SavePictureDialog(workspace, drawer or Drawer(), drawing(*size))
    shown(made, qtbot)
    return made


def animation_dialog(
    workspace: Workspace, qtbot: QtBot, kind: Format, drawer: Drawer | None = None
) -> SaveAnimationDialog:
    """Of one second, small and with hard edges: quick."""
    made = SaveAnimationDialog(workspace, drawer or Drawer(), drawing())
    shown(made, qtbot)
    made.format.setCurrentIndex(made.format.findData(kind))
    made.keep.setChecked(False)
    made.width_field.setValue(160)
    made.height_field.setValue(160)
    made.seconds.setValue(1)
    made.smooth.setChecked(False)
    return made


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


# --- a picture


def test_a_picture_has_the_size_that_was_chosen_and_shows_the_tile(
    workspace: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = picture_dialog(workspace, qtbot)
    dialog.width_field.setValue(640)
    assert (dialog.look.width, dialog.look.height) == (640, 480), "the proportions are kept"
    dialog.save_to(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    assert pixels.shape == (480, 640, 3)
    middle = pixels[180:260, 260:380].reshape(-1, 3).astype(int)
    assert (middle.max(axis=1) > 90).mean() > 0.5, "the hill"
    assert (pixels[100, 4] == 0x1E).all(), "the background of the screen"
    assert f"Saved {tmp_path / 'a.png'}" in dialog.words.text()
    assert workspace.status().message == f"Saved {tmp_path / 'a.png'}"


def test_all_points_are_drawn_and_the_foot_leaves_room_for_what_colors_mean(
    workspace: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    drawer = Drawer()
    dialog = picture_dialog(workspace, qtbot, drawer, (640, 360))
    dialog.choose_size(1)
    dialog.smooth.setChecked(False)
    dialog.save_to(tmp_path / "a.png")
    (asked,) = drawer.asked
    assert asked.is_whole
    assert asked.width == 1920
    assert asked.height < 1080
    assert asked.lines is not None
    drawer.asked.clear()
    dialog.key.setChecked(False)
    dialog.axes.setChecked(False)
    dialog.save_to(tmp_path / "b.png")
    assert (drawer.asked[0].height, drawer.asked[0].lines) == (1080, None)
    foot = read(tmp_path / "a.png")[asked.height :]
    assert len(np.unique(foot.reshape(-1, 3), axis=0)) > 100, "a colour bar"


def test_a_transparent_picture_has_nothing_behind_the_tile(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = picture_dialog(workspace, qtbot)
    dialog.ground.setCurrentIndex(dialog.ground.findData(Ground.NONE))
    dialog.axes.setChecked(False)
    dialog.key.setChecked(False)
    dialog.save_to(tmp_path / "a.png")
    alpha = read(tmp_path / "a.png")[..., 3]
    assert alpha[0, 0] == 0
    assert alpha[60, 80] == 255


def test_white_is_white_up_to_the_edge(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = picture_dialog(workspace, qtbot, size=(640, 360))
    dialog.choose_size(1)
    dialog.ground.setCurrentIndex(dialog.ground.findData(Ground.WHITE))
    dialog.save_to(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    for row, column in ((-1, -1), (-1, 0), (500, 0), (500, -1), (0, -1)):
        assert (pixels[row, column] == 255).all()


def test_a_size_of_a_list_may_have_other_proportions_and_one_typed_keeps_them(
    workspace: Workspace, qtbot: QtBot
) -> None:
    dialog = picture_dialog(workspace, qtbot)
    assert dialog.preset.currentText() == "As on the screen, 160 × 120"
    dialog.choose_size(1)
    assert (dialog.look.width, dialog.look.height) == (1920, 1080)
    dialog.height_field.setValue(540)
    assert dialog.look.width == 960
    assert dialog.preset.currentText() == "Other"
    dialog.keep.setChecked(False)
    dialog.width_field.setValue(3840)
    dialog.height_field.setValue(2160)
    assert dialog.preset.currentText().startswith("4K")


def test_more_than_the_memory_holds_is_refused_before_it_is_tried(
    workspace: Workspace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = picture_dialog(workspace, qtbot)
    monkeypatch.setattr(psutil, "virtual_memory", type("Memory", (), {"available": 10**9}))
    dialog.keep.setChecked(False)
    dialog.width_field.setValue(16384)
    dialog.height_field.setValue(16384)
    assert not dialog.save.isEnabled()
    assert "16,384 × 16,384 pixels need 2.7 GB of memory, and 1.0 GB are free" in dialog.words.text()
    dialog.choose_size(0)
    assert dialog.save.isEnabled()
    assert dialog.words.isHidden()


def test_a_picture_that_cannot_be_written_is_one_sentence_and_can_be_tried_elsewhere(
    workspace: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = picture_dialog(workspace, qtbot)
    dialog.save_to(tmp_path / "nowhere" / "a.png")
    assert "could not be written" in dialog.words.text()
    assert dialog.words.property("tone") == "bad"
    assert "could not be written" in workspace.status().message
    dialog.save_to(tmp_path / "a.png")
    assert dialog.words.property("tone") == "good"


def test_a_view_that_was_closed_meanwhile_is_one_sentence(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    def closed(_: int) -> None:
        raise RsviewerError("The 3D view was closed before the picture was drawn.")

    dialog = picture_dialog(workspace, qtbot, Drawer(closed))
    dialog.save_to(tmp_path / "a.png")
    assert "The 3D view was closed" in dialog.words.text()
    assert not any(tmp_path.glob("*.p*"))


def test_the_file_dialog_proposes_the_name_of_the_tile_and_gives_the_ending(
    workspace: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = picture_dialog(workspace, qtbot)
    dialog.save.click()
    (asking,) = dialog.findChildren(QFileDialog)
    assert [Path(name).name for name in asking.selectedFiles()] == ["area-7-3d.png"]
    asking.fileSelected.emit(str(tmp_path / "mine.jpg"))
    assert (tmp_path / "mine.jpg.png").exists()
    (tmp_path / "there.png").write_bytes(b"the file dialog has asked about this one")
    asking.fileSelected.emit(str(tmp_path / "there.png"))
    assert read(tmp_path / "there.png").shape == (120, 160, 3)
    asking.reject()


def test_names_of_tiles_become_names_of_files() -> None:
    assert file_stem(TileId("area/7"), "-3d") == "area-7-3d"
    assert file_stem(TileId("../../etc/passwd")) == "etc-passwd"
    assert file_stem(TileId('a:b*c?"d"<e>|f\\g')) == "a-b-c-d-e-f-g"
    assert file_stem(TileId("Zürich 東京")) == "Zürich 東京"
    assert file_stem(TileId("...")) == "tile"
    assert len(file_stem(TileId("x" * 500), "-3d")) < 130


# --- a turn


def test_a_gif_is_a_whole_turn_of_the_length_that_was_chosen(
    workspace: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    drawer = Drawer()
    dialog = animation_dialog(workspace, qtbot, Format.GIF, drawer)
    assert dialog.frames == 12
    assert dialog.count.text().startswith("12 frames, roughly ")
    dialog.save_to(tmp_path / "turn.gif")
    with Image.open(tmp_path / "turn.gif") as picture:
        assert (picture.size, picture.n_frames) == ((160, 160), 12)  # type: ignore[attr-defined] # frames have it
        assert (picture.info["loop"], picture.info["duration"]) == (0, 80)
    azimuths = [asked.camera.azimuth for asked in drawer.asked[-12:]]
    assert azimuths == pytest.approx([(205 + 30 * number) % 360 for number in range(12)])
    assert len({asked.camera.elevation for asked in drawer.asked}) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # read_frames leaves its pipes open
def test_an_mp4_is_a_whole_turn_in_the_other_direction(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    drawer = Drawer()
    dialog = animation_dialog(workspace, qtbot, Format.MP4, drawer)
    dialog.direction.setCurrentIndex(1)
    dialog.save_to(tmp_path / "turn.mp4")
    reader = imageio_ffmpeg.read_frames(tmp_path / "turn.mp4")
    meta = next(reader)
    assert (meta["size"], meta["fps"], sum(1 for _ in reader)) == ((160, 160), 30, 30)
    azimuths = [asked.camera.azimuth for asked in drawer.asked]
    assert azimuths == pytest.approx([(205 - 12 * number) % 360 for number in range(30)])


def test_an_mp4_of_odd_size_is_refused_in_the_dialog(workspace: Workspace, qtbot: QtBot) -> None:
    dialog = animation_dialog(workspace, qtbot, Format.MP4)
    dialog.width_field.setValue(161)
    assert "even numbers" in dialog.words.text()
    assert not dialog.save.isEnabled()
    dialog.format.setCurrentIndex(dialog.format.findData(Format.GIF))
    assert dialog.save.isEnabled()


@pytest.fixture
def busy(tiny_dataset: Path, qapp: QApplication) -> Iterator[Workspace]:
    """A workspace whose jobs run on threads."""
    home = MainThread(None)
    opened = Workspace(open_path(tiny_dataset), home.post, threads=0, cache_bytes=10**7, reviewer="ada")
    opened.start()
    yield opened
    opened.close()
    home.close()


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("at", [1, 11])
def test_stopping_ends_the_work_within_a_frame_and_leaves_nothing(
    kind: Format, at: int, busy: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(number: int) -> None:
        if number == at:
            reached.set()
            assert go_on.wait(60)

    drawer = Drawer(wait)
    out = tmp_path / "out"
    out.mkdir()
    dialog = animation_dialog(busy, qtbot, kind, drawer)
    dialog.save_to(out / f"turn.{kind}")
    qtbot.waitUntil(reached.is_set)
    assert dialog.is_busy
    assert not dialog.save.isEnabled()
    assert [job.title for job in busy.status().jobs if "anim" in job.title] == ["Saving an animation"]
    qtbot.waitUntil(lambda: dialog.how_far.text().startswith(f"{at - 1} of"))
    dialog.stop.click()
    go_on.set()
    qtbot.waitUntil(lambda: not dialog.is_busy)
    assert dialog.words.text() == "Stopped: nothing was written."
    assert len(drawer.asked) == at
    assert not any(out.iterdir())
    assert dialog.save.isEnabled()


def test_a_dialog_that_is_closed_lets_the_work_end_and_the_status_bar_tells(
    busy: Workspace, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = animation_dialog(busy, qtbot, Format.GIF)
    dialog.save_to(tmp_path / "turn.gif")
    dialog.close()
    qtbot.waitUntil(lambda: busy.status().message == f"Saved {tmp_path / 'turn.gif'}")
    assert (tmp_path / "turn.gif").exists()


def test_a_tile_that_is_seen_whole_stays_so_all_around(workspace: Workspace, qtbot: QtBot, tmp_path: Path) -> None:
    drawer = Drawer()
    dialog = animation_dialog(workspace, qtbot, Format.GIF, drawer)
    assert dialog.whole.isChecked()
    dialog.whole.setChecked(False)
    dialog.save_to(tmp_path / "turn.gif")
    as_it_is = drawer.asked[-1].camera.distance
    dialog.whole.setChecked(True)
    dialog.save_to(tmp_path / "turn.gif", overwrite=True)
    assert drawer.asked[-1].camera.distance > as_it_is

"""Pictures in space come from a thread of their own, the newest first, and always from somebody."""

import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pytest
from PySide6.QtGui import QGuiApplication, QOffscreenSurface

from rsviewer.core import softdraw
from rsviewer.core.camera import Camera
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.errors import RsviewerError
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.marker import ended_badly, opengl_marker
from rsviewer.ui.relief.renderer import RenderingError, Stale
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.workspace.background import call_now

FAKE, BY_NUMPY = 0xFF112233, 0xFF445566
PATIENCE = 60


def picture(size: int = 4) -> Drawing:
    """Of nothing, this large."""
    return Drawing(Relief(TileId("tile")), ReliefStyle(), Camera(), size, size)


class Graphics:
    """An OpenGL that does as it is told, and remembers who asked for what.

    Attributes:
        breaks_at: it fails when so many pictures are drawn.
        refuses: it cannot be opened.
    """

    def __init__(self) -> None:
        self.breaks_at = 1000
        self.refuses: Exception | None = None
        self.opened = self.closed = 0
        self.drawn: list[Drawing] = []
        self.threads: set[int] = set()
        self.during: Callable[[Drawing, Stale], None] = lambda *_: None
        self.name = "Fake OpenGL"
        self.is_software = False

    def open(self, surface: QOffscreenSurface | None) -> "Graphics":
        self.threads.add(threading.get_ident())
        self.opened += 1
        if self.refuses is not None:
            raise self.refuses
        return self

    def draw(self, drawing: Drawing, stale: Stale = lambda: False) -> Pixels | None:
        self.threads.add(threading.get_ident())
        self.drawn.append(drawing)
        self.during(drawing, stale)
        if len(self.drawn) >= self.breaks_at:
            raise RenderingError("GL_OUT_OF_MEMORY while drawing")
        return None if stale() else np.full((drawing.height, drawing.width), FAKE, np.uint32)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1


class Desk:
    """Where pictures arrive."""

    def __init__(self) -> None:
        self.arrived: list[tuple[Drawing, Pixels]] = []
        self.ready = 0
        self._news = threading.Condition()

    def take(self, drawing: Drawing, pixels: Pixels) -> None:
        with self._news:
            self.arrived.append((drawing, pixels))
            self._news.notify_all()

    def know(self) -> None:
        with self._news:
            self.ready += 1
            self._news.notify_all()

    def wait(self, until: Callable[["Desk"], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: until(self), PATIENCE)


@pytest.fixture(autouse=True)
def _numpy_is_quick(qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softdraw, "draw", lambda drawing: np.full((drawing.height, drawing.width), BY_NUMPY, np.uint32))


@pytest.fixture
def graphics() -> Graphics:
    return Graphics()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def rendering(graphics: Graphics, desk: Desk) -> Iterator[Rendering]:
    """Draws when it is told to step."""
    made = Rendering(call_now, desk.take, desk.know, opens=graphics.open, threads=0)
    yield made
    made.close()


def settle(rendering: Rendering) -> None:
    while rendering.step():
        pass


# --- what is drawn


def test_who_draws_is_known_before_anything_is_wanted(rendering: Rendering, desk: Desk) -> None:
    assert (rendering.name, rendering.why) == ("", "")
    settle(rendering)
    assert (rendering.name, rendering.is_software, rendering.why, desk.ready) == ("Fake OpenGL", False, "", 1)


def test_only_the_newest_picture_is_drawn(rendering: Rendering, graphics: Graphics, desk: Desk) -> None:
    pictures = [picture(), picture(), picture()]
    for one in pictures:
        rendering.want(one)
    settle(rendering)
    assert graphics.drawn == pictures[2:]
    ((drawing, pixels),) = desk.arrived
    assert drawing is pictures[2]
    assert (pixels == FAKE).all()
    assert not pixels.flags.writeable


def test_a_picture_that_is_wanted_again_is_drawn_again(rendering: Rendering, desk: Desk) -> None:
    one = picture()
    for _ in range(2):
        rendering.want(one)
        settle(rendering)
    assert [drawing for drawing, _ in desk.arrived] == [one, one]


def test_a_newer_wish_breaks_off_the_picture_under_way(rendering: Rendering, graphics: Graphics, desk: Desk) -> None:
    large, small = picture(), picture()
    graphics.during = lambda drawing, _: rendering.want(small) if drawing is large else None
    rendering.want(large)
    settle(rendering)
    assert [drawing for drawing, _ in desk.arrived] == [small]


def test_somebody_who_waits_gets_the_picture_even_while_the_tile_is_turned(
    rendering: Rendering, graphics: Graphics, desk: Desk
) -> None:
    saved = picture(7)
    turning = [picture() for _ in range(5)]

    def turn_on(drawing: Drawing, stale: Stale) -> None:
        if drawing is not saved and len(graphics.drawn) < len(turning):
            rendering.want(turning[len(graphics.drawn)])

    graphics.during = turn_on
    rendering.want(turning[0])
    pixels = rendering.drawn(saved)

    assert pixels.shape == (7, 7)
    assert graphics.drawn.index(saved) <= 2
    assert all(drawing is not saved for drawing, _ in desk.arrived)


def test_what_somebody_waits_for_is_not_broken_off_by_a_newer_wish(
    rendering: Rendering, graphics: Graphics, desk: Desk
) -> None:
    saved = picture()
    graphics.during = lambda drawing, _: rendering.want(picture()) if drawing is saved else None
    assert (rendering.drawn(saved) == FAKE).all()


# --- who draws


def test_without_opengl_numpy_draws_and_says_why(rendering: Rendering, graphics: Graphics, desk: Desk) -> None:
    graphics.refuses = RenderingError("libEGL.so.1 cannot be loaded")
    rendering.want(picture())
    settle(rendering)
    assert (rendering.name, rendering.is_software) == ("numpy", True)
    assert "libEGL.so.1 cannot be loaded" in rendering.why
    assert rendering.why.endswith(".")
    assert (desk.arrived[-1][1] == BY_NUMPY).all()


@pytest.mark.parametrize("fault", [OSError("no libGL"), RuntimeError(""), MemoryError()])
def test_whatever_opengl_raises_is_put_in_a_sentence(
    rendering: Rendering, graphics: Graphics, fault: Exception
) -> None:
    graphics.refuses = fault
    settle(rendering)
    assert type(fault).__name__ in rendering.why
    assert rendering.name == "numpy"


@pytest.mark.parametrize("waiting", [False, True])
def test_opengl_that_fails_later_gives_way_to_numpy_for_good(
    rendering: Rendering, graphics: Graphics, desk: Desk, waiting: bool
) -> None:
    graphics.breaks_at = 2
    rendering.want(picture())
    settle(rendering)
    assert (rendering.name, rendering.why, desk.ready) == ("Fake OpenGL", "", 1)

    if waiting:
        assert (rendering.drawn(picture()) == BY_NUMPY).all()
    else:
        rendering.want(picture())
        settle(rendering)
        assert (desk.arrived[-1][1] == BY_NUMPY).all()
    assert (rendering.name, desk.ready, graphics.closed) == ("numpy", 2, 1)
    assert "GL_OUT_OF_MEMORY" in rendering.why

    rendering.want(picture())
    settle(rendering)
    assert len(graphics.drawn) == 2
    rendering.close()
    assert graphics.closed == 1


def test_a_picture_that_even_numpy_cannot_draw_is_an_error_for_who_waits_for_it(
    rendering: Rendering, graphics: Graphics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_large(drawing: Drawing) -> Pixels:
        raise MemoryError("900 GB")

    graphics.breaks_at = 1
    monkeypatch.setattr(softdraw, "draw", too_large)
    with pytest.raises(RsviewerError, match="900 GB"):
        rendering.drawn(picture())
    rendering.want(picture())
    settle(rendering)
    assert {record.levelno for record in caplog.records if record.levelno > logging.INFO} == {logging.ERROR}
    caplog.clear()


# --- a driver that takes the program with it


def test_a_marker_lies_on_the_disk_only_while_opengl_is_tried(
    rendering: Rendering, graphics: Graphics, desk: Desk
) -> None:
    seen: list[bool] = []
    open_really = graphics.open

    def open_and_look(surface: QOffscreenSurface | None) -> Graphics:
        seen.append(opengl_marker().is_file())
        return open_really(surface)

    rendering._opens = open_and_look
    settle(rendering)
    assert seen == [True]
    assert not opengl_marker().exists()


def test_opengl_that_ended_the_program_is_not_tried_again(graphics: Graphics, desk: Desk, tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    marker.write_text("1 0\n")  # of a process that is no more
    assert ended_badly(marker)
    again = Rendering(call_now, desk.take, desk.know, opens=graphics.open, marker=marker, threads=0)
    again.want(picture())
    settle(again)
    assert graphics.opened == 0
    assert again.name == "numpy"
    assert str(marker) in again.why
    assert (desk.arrived[-1][1] == BY_NUMPY).all()
    again.close()
    assert marker.exists(), "it stays until somebody has done something about it"

    marker.unlink()
    mended = Rendering(call_now, desk.take, desk.know, opens=graphics.open, marker=marker, threads=0)
    settle(mended)
    assert mended.name == "Fake OpenGL"
    mended.close()


# --- the thread


def test_all_of_opengl_happens_on_one_thread_that_is_not_ours(graphics: Graphics, desk: Desk) -> None:
    threads = threading.active_count()
    rendering = Rendering(call_now, desk.take, desk.know, opens=graphics.open)
    rendering.want(picture())
    desk.wait(lambda desk: bool(desk.arrived))
    assert rendering.drawn(picture(9)).shape == (9, 9)
    rendering.close()
    rendering.close()

    assert len(graphics.threads) == 1
    assert threading.get_ident() not in graphics.threads
    assert (graphics.opened, graphics.closed) == (1, 1)
    assert threading.active_count() == threads


@pytest.mark.parametrize("under_way", [False, True])
def test_who_waits_hears_of_the_end(graphics: Graphics, desk: Desk, under_way: bool) -> None:
    is_drawing, waited = threading.Event(), threading.Event()

    def linger(drawing: Drawing, stale: Stale) -> None:
        is_drawing.set()
        while not stale():
            waited.wait(0.001)

    graphics.during = linger
    rendering = Rendering(call_now, desk.take, desk.know, opens=graphics.open)
    if not under_way:
        rendering.want(picture())
    told: list[str] = []

    def save() -> None:
        try:
            rendering.drawn(picture())
        except RsviewerError as error:
            told.append(str(error))

    saver = threading.Thread(target=save)
    saver.start()
    assert is_drawing.wait(PATIENCE)
    rendering.close()
    saver.join(PATIENCE)
    assert told == ["The 3D view was closed before the picture was drawn."]
    with pytest.raises(RsviewerError, match="closed"):
        rendering.drawn(picture())


def test_nothing_arrives_after_the_end(graphics: Graphics, desk: Desk) -> None:
    posted: list[Callable[[], None]] = []
    rendering = Rendering(posted.append, desk.take, desk.know, opens=graphics.open, threads=0)
    rendering.want(picture())
    settle(rendering)
    rendering.close()
    for function in posted:
        function()
    rendering.want(picture())
    assert not rendering.step()
    assert (desk.arrived, desk.ready) == ([], 0)


# --- really


def cloud() -> Cloud:
    return Cloud(
        LayerId("height"),
        "Height",
        np.zeros((64, 64), np.float32),
        0.0,
        np.full((64, 64), 0xFF00FF00, np.uint32),
        (0.0, 64.0),
        (1.0, 1.0),
        Rect(0, 0, 64, 64),
    )


def opened(times: int, close: bool) -> tuple[str, float]:
    """In a process of its own: why OpenGL does not draw here, and by how many bytes each opening after the tenth grew it."""
    application = QGuiApplication([])
    desk, surface = Desk(), Relief(TileId("tile"), (cloud(),), extent=(64.0, 64.0))
    threads, process, memory = threading.active_count(), psutil.Process(), []
    kept: list[Rendering] = []
    alive: list[weakref.ref[Rendering]] = []
    for _ in range(times):
        rendering = Rendering(call_now, desk.take, desk.know)
        pixels = rendering.drawn(Drawing(surface, ReliefStyle(shading=0.0), Camera(), 64, 64))
        if rendering.why:
            rendering.close()
            return rendering.why, 0.0
        assert pixels[32, 32] == 0xFF00FF00
        if close:
            rendering.close()
            alive.append(weakref.ref(rendering))
        else:
            kept.append(rendering)
        del rendering
        memory.append(process.memory_info().rss)
    for rendering in kept:
        rendering.close()
    gc.collect()
    assert threading.active_count() == threads
    assert not any(reference() for reference in alive)
    application.shutdown()
    return "", (memory[-1] - memory[10]) / (times - 11)


@pytest.mark.gl
def test_opening_and_closing_again_and_again_leaves_nothing_behind() -> None:
    """Processes of their own, because what other tests have left to the allocator grows and shrinks as it likes."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(1, spawn) as other:
        closed, kept = one.submit(opened, 60, True), other.submit(opened, 20, False)
        why, growth = closed.result()
        if why:
            pytest.skip(why)
        assert growth < kept.result()[1] / 4


def test_vispy_is_not_imported_before_something_is_drawn() -> None:
    script = (
        "import sys; from rsviewer.ui.relief import rendering; "
        "assert not [name for name in sys.modules if name.startswith('vispy')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

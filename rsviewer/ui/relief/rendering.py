"""The thread on which tiles are drawn in space, by OpenGL or, where that fails, by numpy."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QOffscreenSurface

from rsviewer.core.drawing import Drawing
from rsviewer.core.errors import RsviewerError
from rsviewer.core.render import Pixels
from rsviewer.data.marker import ended_badly, opengl_marker, trying
from rsviewer.ui.relief.contexts import offscreen_surface
from rsviewer.ui.relief.renderer import NumpyRenderer, Renderer, RenderingError
from rsviewer.workspace.background import Post, Wanted

log = logging.getLogger(__name__)

Opens = Callable[[QOffscreenSurface | None], Renderer]
"""Makes the renderer that is tried first, on the thread that will draw. Raises where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A picture that is asked for. Compared by identity.

    Attributes:
        drawing: the picture; None asks only who draws.
        answer: where somebody waits for it; None for the picture on the screen.
    """

    drawing: Drawing | None = None
    answer: "Future[Pixels] | None" = None


class Rendering:
    """Draws on a thread of its own. Made, told what to show and closed on the GUI thread.

    OpenGL draws where it can. Where it cannot, or fails later, numpy does from then on, and `why` says so.

    Args:
        post: calls a function on the GUI thread; may be called from any.
        arrived: called there with a drawing that was wanted and its picture, (height, width) 0xFFRRGGBB, read-only.
        ready: called there when it is known who draws, and when that has changed.
        opens: makes the renderer; None tries OpenGL.
        marker: the file that is there while OpenGL is tried; None for the one beside the preferences.
        threads: 1, or 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        post: Post,
        arrived: Callable[[Drawing, Pixels], None],
        ready: Callable[[], None],
        *,
        opens: Opens | None = None,
        marker: Path | None = None,
        threads: int = 1,
    ) -> None:
        self._post = post
        self._arrived = arrived
        self._ready = ready
        self._opens = opens or _opengl
        self._marker = marker or opengl_marker()
        self._surface = offscreen_surface()
        self._renderer: Renderer | None = None
        self._why = ""
        self._lock = threading.Lock()
        self._wish: _Request | None = _Request()
        self._asked: deque[_Request] = deque()
        self._screen_is_next = True
        self._closed = False
        self._by_itself = threads > 0
        self._wanted: Wanted[_Request, None] = Wanted(
            "drawing", self._fulfil, self._is_stale, lambda _request, _nothing: None, threads, self._life
        )
        self._restate()

    @property
    def name(self) -> str:
        """Who draws, as OpenGL says it, or "numpy"; empty as long as that is not known."""
        renderer = self._renderer
        return "" if renderer is None else renderer.name

    @property
    def is_software(self) -> bool:
        """True where the processor draws."""
        renderer = self._renderer
        return renderer is not None and renderer.is_software

    @property
    def why(self) -> str:
        """Why OpenGL does not draw, in one sentence; empty where it does."""
        return self._why

    def want(self, drawing: Drawing) -> None:
        """This is the picture to be shown now. Older ones that have not been drawn yet never will be."""
        with self._lock:
            self._wish = _Request(drawing)
        self._restate()

    def drawn(self, drawing: Drawing) -> Pixels:
        """A picture for somebody who waits for it, on any thread but the GUI's.

        Raises:
            RsviewerError: if this is closed before.
        """
        answer: Future[Pixels] = Future()
        with self._lock:
            self._asked.append(_Request(drawing, answer))
        self._restate()
        while not self._by_itself and not answer.done():
            self.step()
        try:
            return answer.result()
        except CancelledError as error:
            raise RsviewerError("The 3D view was closed before the picture was drawn.") from error

    def step(self) -> bool:
        """Draws one picture on the calling thread. Returns False where none is wanted."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the thread and all that OpenGL holds. What is being waited for is not drawn any more. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._restate()
        self._wanted.close()
        surface, self._surface = self._surface, None
        if surface is not None:
            surface.destroy()

    # --- what is drawn next

    def _restate(self) -> None:
        """Shown pictures and those that somebody waits for take turns, so that neither starves while a user turns the tile."""
        with self._lock:
            if self._closed:
                for request in self._asked:
                    if request.answer is not None:
                        request.answer.cancel()
                self._asked.clear()
                self._wish = None
            shown = [] if self._wish is None else [self._wish]
            asked = list(self._asked)
            self._wanted.want([*shown, *asked] if self._screen_is_next else [*asked[:1], *shown, *asked[1:]])

    def _is_stale(self, request: _Request) -> bool:
        return self._closed if request.answer is not None else request is not self._wish

    # --- on the thread that draws

    @contextmanager
    def _life(self) -> Iterator[None]:
        yield
        if self._renderer is not None:
            self._let_go(self._renderer)

    def _fulfil(self, request: _Request) -> None:
        drawing, answer = request.drawing, request.answer
        renderer = self._renderer or self._opened()
        if answer is not None and not answer.set_running_or_notify_cancel():
            return
        try:
            pixels = None if drawing is None else self._draw(renderer, request, drawing)
        except Exception as error:
            log.exception("Could not draw a tile in space")
            if answer is not None:
                why = f"The picture could not be drawn ({_reason(error)}): try a smaller one."
                answer.set_exception(RsviewerError(why))
        else:
            if pixels is not None:
                pixels.flags.writeable = False
            if answer is not None:
                _settle(answer, pixels)
            elif drawing is not None and pixels is not None:
                self._tell(drawing, pixels)
        self._done(request)

    def _draw(self, renderer: Renderer, request: _Request, drawing: Drawing) -> Pixels | None:
        try:
            return renderer.draw(drawing, lambda: self._is_stale(request))
        except Exception as error:
            if isinstance(renderer, NumpyRenderer):
                raise
            log.info("OpenGL failed", exc_info=True)
            self._let_go(renderer)
            why = f"OpenGL failed while drawing ({_reason(error)}), so 3D is drawn without it, and more slowly."
            return self._draw(self._become(NumpyRenderer(), why), request, drawing)

    def _tell(self, drawing: Drawing, pixels: Pixels) -> None:
        self._post(lambda: None if self._closed else self._arrived(drawing, pixels))

    def _done(self, request: _Request) -> None:
        with self._lock:
            self._screen_is_next = request.answer is not None
            if request is self._wish:
                self._wish = None
            elif request in self._asked:
                self._asked.remove(request)
        self._restate()

    # --- who draws

    def _opened(self) -> Renderer:
        if ended_badly(self._marker):
            return self._become(
                NumpyRenderer(),
                "OpenGL ended the program when it was last tried, so 3D is drawn without it: "
                f"update the graphics driver, then delete {self._marker}.",
            )
        try:
            with trying(self._marker):
                return self._become(self._opens(self._surface), "")
        except Exception as error:
            log.info("OpenGL cannot be used", exc_info=True)
            why = f"OpenGL cannot be used here ({_reason(error)}), so 3D is drawn without it: see `rsviewer doctor`."
            return self._become(NumpyRenderer(), why)

    def _become(self, renderer: Renderer, why: str) -> Renderer:
        self._renderer, self._why = renderer, why
        log.info("3D is drawn by %s. %s", renderer.name, why)
        self._post(lambda: None if self._closed else self._ready())
        return renderer

    def _let_go(self, renderer: Renderer) -> None:
        try:
            renderer.close()
        except Exception:
            log.info("OpenGL could not be closed", exc_info=True)


def _opengl(surface: QOffscreenSurface | None) -> Renderer:
    from rsviewer.ui.relief.glrenderer import opened  # vispy is imported only now, and not on the GUI thread

    return opened(surface)


def _settle(answer: "Future[Pixels]", pixels: Pixels | None) -> None:
    if pixels is None:  # closed meanwhile
        answer.set_exception(CancelledError())
    else:
        answer.set_result(pixels)


def _reason(error: Exception) -> str:
    said = str(error).strip().rstrip(".")
    return said if isinstance(error, RenderingError) and said else f"{type(error).__name__}: {said}"

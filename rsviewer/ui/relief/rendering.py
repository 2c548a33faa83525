"""The thread on which tiles are drawn in space, and what becomes of pictures there."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from rsviewer.core.drawing import Drawing
from rsviewer.core.errors import RsviewerError
from rsviewer.core.render import Pixels
from rsviewer.ui.relief.renderer import NumpyRenderer, Renderer
from rsviewer.workspace.background import Post, Wanted

log = logging.getLogger(__name__)

Open = Callable[[], Renderer]
"""Makes the renderer that is tried first, on the thread that will draw. Raises where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A picture that is asked for, compared by identity.

    Attributes:
        drawing: the picture; None asks only for a renderer.
        answer: where somebody waits for it; None for the one on screen.
    """

    drawing: Drawing | None = None
    answer: Future[Pixels] | None = field(default=None)


class Rendering:
    """Draws on a thread of its own. Made, told what to draw and closed on the GUI thread.

    OpenGL draws where it can. Where it cannot, or fails later, numpy does from then on, and `why` says so.

    Args:
        post: calls a function on the GUI thread; may be called from any.
        arrived: called there with a drawing that was wanted and its picture, (height, width) 0xFFRRGGBB, read-only.
        ready: called there when it is known who draws, and when that has changed.
        opens: makes the renderer; None tries OpenGL.
        threads: 1, or 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        post: Post,
        arrived: Callable[[Drawing, Pixels], None],
        ready: Callable[[], None],
        *,
        opens: Open | None = None,
        threads: int = 1,
    ) -> None:
        self._post = post
        self._arrived = arrived
        self._ready = ready
        self._opens = opens or NumpyRenderer
        self._renderer: Renderer | None = None
        self._why = ""
        self._lock = threading.Lock()
        self._wish: _Request | None = _Request()
        self._asked: deque[_Request] = deque()
        self._closed = False
        self._threads = threads
        self._wanted: Wanted[_Request, None] = Wanted(
            "drawing", self._fulfil, self._is_stale, lambda _request, _none: None, threads
        )
        self._restate()

    @property
    def name(self) -> str:
        """Who draws; empty as long as that is not known."""
        return "" if self._renderer is None else self._renderer.name

    @property
    def is_software(self) -> bool:
        """True where the processor draws."""
        return self._renderer is not None and self._renderer.is_software

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
            RsviewerError: if the renderer is closed before.
        """
        request = _Request(drawing, Future())
        with self._lock:
            self._asked.append(request)
        self._restate()
        if self._threads == 0:
            while self.step():
                pass
        if request.answer is None:
            raise AssertionError("it was made with an answer")
        try:
            return request.answer.result()
        except CancelledError as error:
            raise RsviewerError("The 3D view was closed before the picture was drawn.") from error

    def step(self) -> bool:
        """Draws one picture on the calling thread. Returns False where none is wanted."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the thread and all that OpenGL holds. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._wanted.close()
        while self._asked:
            _cancel(self._asked.popleft())

    # --- what is drawn next

    def _restate(self) -> None:
        with self._lock:
            if self._closed:
                while self._asked:
                    _cancel(self._asked.popleft())
            wish = () if self._wish is None or self._closed else (self._wish,)
            self._wanted.want((*wish, *self._asked))

    def _is_stale(self, request: _Request) -> bool:
        return self._closed or (request.answer is None and request is not self._wish)

    # --- on the thread that draws

    def _fulfil(self, request: _Request) -> None:
        if self._renderer is None:
            self._renderer = self._opens()
            self._post(self._ready)
        if request.drawing is None:
            return
        pixels = self._renderer.draw(request.drawing, lambda: self._is_stale(request))
        drawing = request.drawing
        if pixels is None:
            return
        if request.answer is not None:
            request.answer.set_result(pixels)
        else:
            self._post(lambda: self._arrived(drawing, pixels))


def _cancel(request: _Request) -> None:
    if request.answer is not None:
        request.answer.cancel()

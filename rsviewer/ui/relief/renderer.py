"""Who draws a tile in space: OpenGL, or numpy where there is none."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from rsviewer.core import softdraw
from rsviewer.core.drawing import Drawing
from rsviewer.core.render import Pixels

SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swiftshader", "software", "gdi generic", "basic render", "swrast")
"""Parts of the names of OpenGL drawn by the processor, in small letters."""

Stale: TypeAlias = Callable[[], bool]
"""True once nobody wants the picture any more."""


class RenderingError(Exception):
    """A renderer cannot be made, or cannot draw any more. The message is half a sentence, for "OpenGL fails (...)"."""


class Renderer(Protocol):
    """Draws pictures. Made, used and closed on one thread."""

    @property
    def name(self) -> str:
        """Of what draws, as OpenGL says it; "numpy" where numpy does."""

    @property
    def is_software(self) -> bool:
        """True where the processor draws, whatever is in between."""

    def draw(self, drawing: Drawing, stale: Stale = lambda: False) -> Pixels | None:
        """(height, width) 0xFFRRGGBB; None where the picture became stale before it was ready."""

    def close(self) -> None:
        """Lets go of everything. Safe to call twice."""


class NumpyRenderer:
    """Draws with the processor alone: slow, but everywhere."""

    name = "numpy"
    is_software = True

    def draw(self, drawing: Drawing, stale: Stale = lambda: False) -> Pixels | None:
        """See `Renderer`. Looks only before it starts whether the picture is stale."""
        return None if stale() else softdraw.draw(drawing)

    def close(self) -> None:
        """There is nothing to let go of."""


def is_drawn_by_processor(name: str) -> bool:
    """Whether OpenGL by this name is drawn by the processor."""
    return any(part in name.lower() for part in SOFTWARE_RENDERERS)

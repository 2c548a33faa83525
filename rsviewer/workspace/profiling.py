"""The line along which heights are plotted."""

from collections.abc import Callable

from rsviewer.core.profile import Line, Profile, profile
from rsviewer.core.scene import Frame, placed
from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Raster
from rsviewer.workspace.news import Changed


class Profiling:
    """A line on the tile. It stays when the tile changes, so that the same cut is seen through every tile.

    Args:
        frame: the pixel grid of the current tile, if there is one.
        contents: what was read of every visible layer of the current tile.
        notify: tells what changed.
    """

    def __init__(
        self,
        frame: Callable[[], Frame | None],
        contents: Callable[[], list[tuple[LayerSpec, LayerContent | None]]],
        *,
        notify: Callable[[Changed], None],
    ) -> None:
        self._frame = frame
        self._contents = contents
        self._notify = notify
        self.line: Line | None = None
        """Change it with `set_line`."""

    def set_line(self, line: Line | None) -> None:
        """Draws another line, or none."""
        if line != self.line:
            self.line = line
            self._notify(Changed.PROFILE)

    def profiles(self) -> tuple[Profile, ...]:
        """The heights of every visible height layer along the line, as far as they were read."""
        frame, line = self._frame(), self.line
        if frame is None or line is None:
            return ()
        return tuple(
            profile(content, spec, frame, placed(content, frame)[0], line)
            for spec, content in self._contents()
            if spec.kind is LayerKind.HEIGHT and isinstance(content, Raster)
        )

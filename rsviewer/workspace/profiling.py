"""The line along which heights are plotted."""

from collections.abc import Callable

from rsviewer.core.profile import Line, Profile, profile, samples_along
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

    def swap_ends(self) -> None:
        """Goes the same line the other way."""
        if self.line is not None:
            self.set_line((self.line[1], self.line[0]))

    def heights(self) -> list[tuple[LayerSpec, LayerContent | None]]:
        """Every visible height layer of the current tile, and what was read of it; None where it is still to come."""
        return [(spec, content) for spec, content in self._contents() if spec.kind is LayerKind.HEIGHT]

    def profiles(self) -> tuple[Profile, ...]:
        """The heights of every visible height layer along the line, as far as they were read.

        All are taken at the same places, every half pixel of the finest of them, so that they can be compared.
        """
        frame, line = self._frame(), self.line
        if frame is None or line is None:
            return ()
        there = [
            (content, spec, placed(content, frame)[0])
            for spec, content in self.heights()
            if isinstance(content, Raster)
        ]
        samples = max((samples_along(raster, place, line) for raster, _, place in there), default=1)
        return tuple(profile(raster, spec, frame, place, line, samples) for raster, spec, place in there)

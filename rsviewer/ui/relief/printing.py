"""Pictures of the 3D view for files: of any size, on any ground, with or without what is written around them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QColor, QFont, QImage

from rsviewer.core.axes import axes_of
from rsviewer.core.camera import Camera
from rsviewer.core.drawing import Drawing
from rsviewer.core.enlarging import AT_ONCE, enlarge
from rsviewer.core.render import Pixels
from rsviewer.core.tile import printable
from rsviewer.core.turning import sized
from rsviewer.ui.painting import painting
from rsviewer.ui.paneboxes import FOOT
from rsviewer.ui.relief.overlay import Overlay, Shot
from rsviewer.ui.theme import LIGHT, Theme, rgb

SMALLEST_WITH_FOOT = 4 * FOOT
"""Logical pixels of height below which there is no room for what the colours mean."""
BYTES_A_PIXEL = 9
"""Of a picture and of what is made of it when it is written."""
BYTES_OF_A_PART = 16
"""A pixel, while a part of it is drawn and made smooth."""


class Ground(StrEnum):
    """What is behind the tile."""

    SCREEN = "screen"
    WHITE = "white"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Look:
    """How the view is saved.

    Attributes:
        width, height: in pixels, all included.
        ground: behind the tile.
        axes: the grid with its numbers.
        words: whose tile it is, which heights, and what the colours mean.
        smooth: four pixels are drawn for one.
    """

    width: int
    height: int
    ground: Ground = Ground.SCREEN
    axes: bool = True
    words: bool = True
    smooth: bool = True

    @property
    def nbytes(self) -> int:
        """Memory that it takes to draw and to write this."""
        pixels = self.width * self.height
        return pixels * BYTES_A_PIXEL + min(pixels * 4, AT_ONCE * AT_ONCE) * BYTES_OF_A_PART


class Printing:
    """Draws one look of the view, on any thread but the GUI's; on one at a time.

    Args:
        drawing: what is on the screen.
        look: how it is saved.
        draw: drawing -> (height, width) pixels; blocks.
        theme: of the screen.
        font: of the screen.
        tables: name of a colour table -> (256, 3); called where `picture` is.
    """

    def __init__(
        self,
        drawing: Drawing,
        look: Look,
        draw: Callable[[Drawing], Pixels],
        theme: Theme,
        font: QFont,
        tables: Callable[[str], NDArray[np.uint8]],
    ) -> None:
        self._look = look
        self._draw = draw
        self._theme = _theme_on(look.ground, theme)
        self._overlay = Overlay(self._theme, font, tables)
        ratio = sized(drawing, look.width, look.height).ratio
        has_foot = look.words and look.height / ratio >= SMALLEST_WITH_FOOT
        self._foot = round(FOOT * ratio) if has_foot else 0
        fitting = sized(drawing, look.width, look.height - self._foot)
        if look.ground is not Ground.SCREEN:
            fitting = replace(fitting, background=rgb(self._theme.pane), line_color=rgb(self._theme.hatch_b))
        self.drawing = replace(fitting, lines=None)
        """What is drawn, but for the axes."""
        # QImage's own memory, seen by numpy: what one has drawn the other writes over, however large it is.
        self._image = QImage(look.width, look.height, QImage.Format.Format_ARGB32)
        if self._image.isNull():
            raise MemoryError
        self._image.setDevicePixelRatio(self.drawing.ratio)
        pixels = np.frombuffer(self._image.bits(), np.uint32).reshape(look.height, -1)
        self.pixels: Pixels = pixels[:, : look.width]
        """(height, width) 0xAARRGGBB, not premultiplied: the last picture. It lives as long as this."""

    def picture(self, camera: Camera | None = None) -> Iterator[tuple[int, int]]:
        """Draws it, seen from elsewhere where a camera is given. Yields parts done, and all parts."""
        drawing = self.drawing if camera is None else replace(self.drawing, camera=camera)
        axes = axes_of(drawing.relief, drawing.style, drawing.camera) if self._look.axes else None
        drawing = replace(drawing, lines=None if axes is None else axes.lines)
        room = self.pixels[: drawing.height]
        self.pixels[drawing.height :] = self._theme.panel.rgba()
        yield from enlarge(
            drawing, self._draw, room, smooth=self._look.smooth, transparent=self._look.ground is Ground.NONE
        )
        self._write(Shot(drawing, axes, tuple(drawing.parts())))

    def _write(self, shot: Shot) -> None:
        ratio = self.drawing.ratio
        width, height = self._look.width / ratio, self.drawing.height / ratio
        room = QRectF(0, 0, width, height)
        with painting(self._image) as painter:
            self._overlay.axes(painter, room, shot)
            if self._look.words:
                self._overlay.heading(painter, room, shot, printable(shot.drawing.relief.tile), (), dimmed=False)
            if self._foot:
                painter.translate(0, height)
                self._overlay.foot(painter, QRect(0, 0, round(width), FOOT), shot.drawing.relief)


def _theme_on(ground: Ground, theme: Theme) -> Theme:
    """Words for what is behind them. Who wants nothing behind puts it on paper, mostly."""
    if ground is Ground.SCREEN:
        return theme
    white = QColor(255, 255, 255)
    return replace(LIGHT, pane=white, panel=white if ground is Ground.WHITE else QColor(0, 0, 0, 0))

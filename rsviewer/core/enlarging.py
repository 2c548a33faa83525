"""Pictures larger than can be drawn at once, with smooth edges, and with nothing where nothing is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rsviewer.core.drawing import Drawing
from rsviewer.core.render import Pixels, halved

AT_ONCE: Final = 4096
"""Pixels a side: what any OpenGL can draw at once."""
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of a large picture.

    Attributes:
        left, top, width, height: in pixels of the picture.
        drawing: what is to be drawn for it: larger than the part, and with a rim, so that a dot whose middle lies outside is
            not missing.
        rim: (left, top) pixels of the drawing outside the part.
        smooth: pixels of the drawing to one of the picture each way, 1 or 2.
    """

    left: int
    top: int
    width: int
    height: int
    drawing: Drawing
    rim: tuple[int, int]
    smooth: int

    def settled(self, pixels: Pixels) -> Pixels:
        """(height, width) from what was drawn."""
        left, top = self.rim
        inner = pixels[top : top + self.height * self.smooth, left : left + self.width * self.smooth]
        return halved(np.ascontiguousarray(inner)) if self.smooth == 2 else inner


def patches(drawing: Drawing, *, smooth: bool = True, at_once: int = AT_ONCE) -> list[Patch]:
    """What has to be drawn for a picture, from left to right and from top to bottom.

    Args:
        drawing: of any size.
        smooth: draw four pixels for one.
        at_once: pixels each way that are drawn at once.
    """
    times = 2 if smooth else 1
    width, height = drawing.width * times, drawing.height * times
    large = replace(drawing, width=width, height=height, ratio=drawing.ratio * times)
    if max(width, height) <= at_once:
        return [Patch(0, 0, drawing.width, drawing.height, large, (0, 0), times)]
    rim = (large.dot // 2 + 2) // times * times + times
    step = max(1, (at_once - 2 * rim) // times)
    found = []
    for top in range(0, drawing.height, step):
        for left in range(0, drawing.width, step):
            across, down = min(step, drawing.width - left), min(step, drawing.height - top)
            x, y = max(0, left * times - rim), max(0, top * times - rim)
            right, bottom = min(width, (left + across) * times + rim), min(height, (top + down) * times + rim)
            cut = large.cut(x, y, right - x, bottom - y)
            found.append(Patch(left, top, across, down, cut, (left * times - x, top * times - y), times))
    return found


def enlarge(
    drawing: Drawing,
    draw: Callable[[Drawing], Pixels],
    picture: Pixels,
    *,
    smooth: bool = True,
    transparent: bool = False,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[int, int]]:
    """Draws a picture part by part.

    Args:
        drawing: of any size.
        draw: draws at most `at_once` pixels each way.
        picture: (height, width) of the drawing, filled with 0xAARRGGBB, not premultiplied.
        smooth: see `patches`.
        transparent: the background becomes nothing, and edges before it a part of that.
        at_once: see `patches`.

    Yields:
        Parts done, and all parts.
    """
    parts = patches(drawing, smooth=smooth, at_once=at_once)
    for number, part in enumerate(parts, 1):
        place = np.s_[part.top : part.top + part.height, part.left : part.left + part.width]
        if transparent:
            on_black, on_white = (
                part.settled(draw(replace(part.drawing, background=color))) for color in (_BLACK, _WHITE)
            )
            picture[place] = see_through(on_black, on_white)
        else:
            picture[place] = part.settled(draw(part.drawing)) | np.uint32(0xFF000000)
        yield number, len(parts)


def see_through(on_black: Pixels, on_white: Pixels) -> Pixels:
    """0xAARRGGBB, not premultiplied, from the same picture on two backgrounds: what differs lets the background through."""
    black, white = (pixels.astype("<u4")[..., None].view(np.uint8)[..., :3] for pixels in (on_black, on_white))
    through = (white.astype(np.int16) - black).max(axis=-1).clip(0, 255)
    alpha = (255 - through).astype(np.float32)
    color = np.rint(black * (255 / np.maximum(alpha, 1))[..., None]).clip(0, 255).astype(np.uint32)
    merged: Pixels = (255 - through).astype(np.uint32) << 24 | color[..., 2] << 16 | color[..., 1] << 8 | color[..., 0]
    merged[through == 255] = 0
    return merged

"""Small pictures of tiles: a layer by itself, or one laid over another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Pixels, Range, contours_of_mask, paint
from rsviewer.core.scene import Drawing, Frame, Rect, drawing_of, frame_of, frame_of_vector, placed
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerSpec, Raster
from rsviewer.core.vector import Vector

Draw: TypeAlias = Callable[[Pixels, Drawing, float], Pixels]
"""Lays features over a small picture: (picture, features, its pixels for each of the tile's) -> the picture with them. For any
thread. Whoever paints panes has one."""
THINNED_FROM = 4
"""A raster of more than so many pixels for each of the small picture is thinned before it is painted."""


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """How a layer is painted.

    Attributes:
        spec: what its numbers mean.
        style: how they are shown.
        table: (256, 3) the colour table of the style.
        sample: see `render.paint`.
        outline: only the edges of a mask.
        opacity: of what lies over something, 0..1.
    """

    spec: LayerSpec
    style: Style
    table: NDArray[np.uint8]
    sample: Range | None = None
    outline: bool = False
    opacity: float = 1.0


def small_picture(content: Raster, painting: Painting, size: int) -> Pixels:
    """A layer, at most `size` wide and high and never larger than it is. Classes keep their colours: none are mixed."""
    width, height = fitted(content.width, content.height, size)
    if painting.spec.kind.is_categorical:
        return _painted(_thinned(content, width, height), painting)
    if min(content.width, content.height) > THINNED_FROM * size:
        content = _thinned(content, THINNED_FROM * width, THINNED_FROM * height)
    return shrunk(_painted(content, painting), width, height)


def lay_over(base: Pixels, under: tuple[LayerSpec, Raster], over: Raster, painting: Painting) -> Pixels:
    """Lays a layer over the small picture of another of the same tile, where it lies on it.

    Args:
        base: the small picture of `under`.
        under: what it is a picture of; its grid is the tile's.
        over: what is laid over it.
        painting: how `over` is painted; names, not quantities: none are mixed.
    """
    frame = frame_of([under])
    if frame is None or not base.size:
        return base
    part = _seen_from(over, placed(over, frame)[0], frame, base.shape[1], base.shape[0])
    return blended(base, _painted(part, painting), painting.opacity)


def features_over(
    base: Pixels, under: tuple[LayerSpec, Raster], over: Vector, painting: Painting, draw: Draw
) -> Pixels:
    """Lays vector labels over the small picture of a layer, see `lay_over`."""
    frame = frame_of([under])
    if frame is None or not base.size:
        return base
    drawing = drawing_of(over, painting.spec, frame, painting.style.hidden, painting.opacity)
    return draw(base, drawing, base.shape[1] / frame.width)


def features_alone(content: Vector, painting: Painting, size: int, draw: Draw) -> Pixels:
    """Vector labels by themselves, as large as they may be: their units are no pixels."""
    frame = frame_of_vector(content)
    scale = size / max(frame.width, frame.height)
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    nothing: Pixels = np.zeros((height, width), np.uint32)
    return draw(nothing, drawing_of(content, painting.spec, frame, painting.style.hidden), scale)


def blended(base: Pixels, over: Pixels, opacity: float) -> Pixels:
    """One premultiplied picture over another of the same size."""
    top = _channels(over).astype(np.float32) * np.float32(opacity)
    seen = 1.0 - top[..., 3:] / 255.0
    mixed = np.rint(top + _channels(base) * seen)
    return _pixels(np.clip(mixed, 0, 255).astype(np.uint8))


def shrunk(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture made smaller, each pixel the mean of those under it."""
    if pixels.shape == (height, width):
        return pixels
    return _pixels(np.asarray(cv2.resize(_channels(pixels), (width, height), interpolation=cv2.INTER_AREA), np.uint8))


def resized(pixels: Pixels, size: int, *, mixed: bool) -> Pixels:
    """A picture at most `size` wide and high, never enlarged; `mixed` takes means, else nearest neighbours."""
    width, height = fitted(pixels.shape[1], pixels.shape[0], size)
    if mixed:
        return shrunk(pixels, width, height)
    columns, rows = _nearest(pixels.shape[1], width), _nearest(pixels.shape[0], height)
    return np.ascontiguousarray(pixels[rows[:, None], columns])


def fitted(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height of a picture that is to fit into a square, not enlarged."""
    scale = min(1.0, size / max(width, height, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _painted(content: Raster, painting: Painting) -> Pixels:
    if painting.outline:
        return contours_of_mask(content, painting.spec)
    return paint(content, painting.spec, painting.style, painting.table, sample=painting.sample).pixels


def _thinned(content: Raster, width: int, height: int) -> Raster:
    """Some of the pixels, evenly spread. The grid of the file stays what it is."""
    rows, columns = _nearest(content.height, height), _nearest(content.width, width)
    return _picked(content, rows, columns)


def _seen_from(content: Raster, place: Rect, frame: Frame, width: int, height: int) -> Raster:
    """The pixels of a raster that lies at `place` under each pixel of a small picture of the frame."""
    x = (np.arange(width) + 0.5) * (frame.width / width) - place.x
    y = (np.arange(height) + 0.5) * (frame.height / height) - place.y
    columns = np.floor(x * (content.width / max(place.width, 1e-9))).astype(np.int64)
    rows = np.floor(y * (content.height / max(place.height, 1e-9))).astype(np.int64)
    there = ((rows >= 0) & (rows < content.height))[:, None] & ((columns >= 0) & (columns < content.width))
    part = _picked(content, rows.clip(0, content.height - 1), columns.clip(0, content.width - 1))
    return part if there.all() else replace(part, valid=part.valid & there)


def _picked(content: Raster, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Raster:
    if not content.pixels.size:
        return content
    where = (slice(None), rows[:, None], columns)
    return replace(content, pixels=content.pixels[where], valid=content.valid[where])


def _nearest(count: int, wanted: int) -> NDArray[np.int64]:
    """The places among `count` that are nearest to the middles of `wanted` equal parts."""
    return ((np.arange(wanted) + 0.5) * (count / max(wanted, 1))).astype(np.int64)


def _channels(pixels: Pixels) -> NDArray[np.uint8]:
    """(height, width, 4) blue, green, red, alpha."""
    return np.ascontiguousarray(pixels, "<u4").view(np.uint8).reshape(*pixels.shape, 4)


def _pixels(channels: NDArray[np.uint8]) -> Pixels:
    found: Pixels = np.ascontiguousarray(channels).view("<u4")[..., 0]
    return found

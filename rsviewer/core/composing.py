"""Rasters + ReliefStyle -> Relief: what a tile is in space."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Align, Alignment, linear, nearest, told
from rsviewer.core.cloud import NO_COLOR, Cloud, Texture, cloud_of, metres, unit_doubt
from rsviewer.core.relief import DIFFERENCE, Relief, ReliefStyle, Together
from rsviewer.core.render import Painted, Pixels, difference, halved
from rsviewer.core.scene import Colorbar, Frame, Legend, Rect, deciding_first, placed, to_map, to_pixel
from rsviewer.core.stretch import real
from rsviewer.core.style import DIVERGING
from rsviewer.core.tile import LayerKind, LayerSpec, Raster, TileId

COLORING = (
    LayerKind.OPTICAL,
    LayerKind.SAR,
    LayerKind.HEIGHT,
    LayerKind.QUANTITY,
    LayerKind.LABELS,
    LayerKind.MASK,
)
"""What heights can be coloured by."""
FINER = 1.5
"""A picture with so many more pixels each way than the heights is laid over them as a texture."""
TALL = 4.0
"""Heights that span so many times the tile's own size are probably not metres."""
EDGE = 0.01
"""Pixels by which heights may reach beyond the tile: rounding in transforms is less."""
SAMPLED = 64
"""Rows and columns, about, from which it is seen how much finer a picture is than heights."""


@dataclass(frozen=True, slots=True, eq=False)
class Coloring:
    """The layer that colours heights, as painted for the panes.

    Attributes:
        spec: of the layer.
        raster: what was read of it.
        painted: its picture, of the size of the raster.
        colorbar: of heights.
        legend: of classes.
    """

    spec: LayerSpec
    raster: Raster
    painted: Painted
    colorbar: Colorbar | None = None
    legend: tuple[Legend, ...] = ()


def image_of(layers: Iterable[LayerSpec]) -> LayerSpec | None:
    """The image that colours heights unless somebody chooses another: the first, of two dates the later."""
    return next((spec for spec in deciding_first(layers) if spec.kind is LayerKind.OPTICAL), None)


def relief_of(
    tile: TileId,
    frame: Frame,
    heights: Sequence[tuple[LayerSpec, Raster]],
    style: ReliefStyle,
    coloring: Coloring | None,
    align: Align,
    *,
    diverging: NDArray[np.uint8],
) -> Relief:
    """Puts the heights of a tile into space.

    Args:
        tile: whose.
        frame: its grid.
        heights: one layer, or two where `style` shows two or their difference; the second is the reference of the first.
        style: how they are shown; `style.color` says what `coloring` is.
        coloring: what colours them; None for the difference, and where there is nothing: then they are grey.
        align: finds one layer on another.
        diverging: (256, 3) the colour table of differences.
    """
    remarks: list[str] = []
    first, *others = heights
    shown = [_on_tile(first, frame, align, remarks)]
    if style.together is not Together.ALONE:
        shown += [_on_tile(other, frame, align, remarks) for other in others[:1]]
    title = ""
    if style.color == DIFFERENCE and others:
        coloring = _difference(shown[0], others[0], align, diverging, remarks)
        title = f"{first[0].title} minus {others[0][0].title}"
    made = [_cloud(layer, frame, coloring, align, remarks) for layer in shown]
    clouds = [(cloud, span, is_colored) for cloud, is_colored in made if (span := _span(cloud)) is not None]
    if not clouds:
        names = " and ".join(layer.spec.title for layer in shown)
        return Relief(tile, why=f"{names} {'has' if len(shown) == 1 else 'have'} no valid height on this tile.")
    there = {cloud.layer for cloud, _, _ in clouds}
    remarks += [
        f"{layer.spec.title} has no valid height on this tile." for layer in shown if layer.spec.id not in there
    ]
    low, high = min(span[0] for _, span, _ in clouds), max(span[1] for _, span, _ in clouds)
    across, down = frame.cell or (1.0, 1.0)
    extent = (frame.width * across, frame.height * down)
    remarks += _doubts(frame, max(extent), high - low)
    used = heights[:2] if style.color == DIFFERENCE else [(layer.spec, layer.raster) for layer in shown]
    remarks += [doubt for spec, _ in used if (doubt := unit_doubt(spec.title, spec.unit))]
    if coloring is None or not any(is_colored for _, _, is_colored in clouds):
        coloring = None
    return Relief(
        tile,
        tuple(cloud for cloud, _, _ in clouds),
        style.together if len(clouds) > 1 else Together.ALONE,
        extent,
        "px" if frame.cell is None else "m",
        low,
        high,
        (title or coloring.spec.title) if coloring else "one colour",
        coloring.colorbar if coloring else None,
        coloring.legend if coloring else (),
        tuple(dict.fromkeys(remarks)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Heights and where they lie on the tile."""

    spec: LayerSpec
    raster: Raster
    place: Rect


def _on_tile(layer: tuple[LayerSpec, Raster], frame: Frame, align: Align, remarks: list[str]) -> _Layer:
    """Heights where they lie: on a part of the tile, or resampled where their grid is turned or has another CRS."""
    spec, raster = layer
    place, placing = placed(raster, frame)
    if place == frame.rect and not _fills(raster, frame):
        resampled = _resampled_heights(spec, raster, frame, align, remarks)
        if resampled is not None:
            return _Layer(spec, resampled, frame.rect)
    if placing:
        remarks.append(f"{spec.title}: {placing}.")
    return _cut(_Layer(spec, raster, place), frame, remarks)


def _fills(raster: Raster, frame: Frame) -> bool:
    """Whether a raster says itself that it ends where the tile ends, and is not turned."""
    if raster.transform is None or frame.transform is None or raster.crs != frame.crs:
        return False
    width, height = raster.full_size
    corners = ((0, 0), (0, 0)), ((width, 0), (frame.width, 0)), ((0, height), (0, frame.height))
    try:
        found = [(to_pixel(frame.transform, *to_map(raster.transform, *own)), ends) for own, ends in corners]
    except ZeroDivisionError:
        return False
    return all(math.dist(corner, ends) < EDGE for corner, ends in found)


def _resampled_heights(
    spec: LayerSpec, raster: Raster, frame: Frame, align: Align, remarks: list[str]
) -> Raster | None:
    """Heights on the grid of the tile, or on one as much coarser as they are; None where only the extent helps."""
    if raster.transform is None or frame.transform is None:
        return None
    width, height = raster.width, raster.height
    if raster.full_size != (frame.width, frame.height):
        share = min(1.0, math.sqrt(width * height / (frame.width * frame.height)))
        width, height = max(1, round(frame.width * share)), max(1, round(frame.height * share))
    nothing = np.broadcast_to(np.uint8(0), (1, height, width))
    full_size = (frame.width, frame.height)
    grid = Raster(nothing, nothing.view(np.bool_), frame.transform, frame.crs, full_size=full_size)
    alignment = align(grid, raster)
    if alignment.by_extent or alignment.covered == 0.0:
        return None
    if alignment.same:
        return raster
    remarks += told(alignment, spec.title, "the tile")
    found = linear(raster, alignment)[None]
    return Raster(found, np.isfinite(found), frame.transform, frame.crs, full_size=full_size)


def _cut(layer: _Layer, frame: Frame, remarks: list[str]) -> _Layer:
    """Without the rows and columns of which no pixel lies on the tile."""
    raster, place = layer.raster, layer.place
    across, down = place.width / raster.width, place.height / raster.height
    left, right = _within(place.x, across, raster.width, frame.width)
    top, bottom = _within(place.y, down, raster.height, frame.height)
    if (left, top, right, bottom) == (0, 0, raster.width, raster.height) or raster.transform is None:
        return layer
    remarks.append(f"{layer.spec.title} reaches beyond the tile: only what lies on it is shown.")
    a, b, _, d, e, _ = raster.transform
    wide, high = raster.full_size[0] / raster.width, raster.full_size[1] / raster.height
    x, y = to_map(raster.transform, left * wide, top * high)
    cut = Raster(
        raster.pixels[:1, top:bottom, left:right],
        raster.valid[:1, top:bottom, left:right],
        (a * wide, b * high, x, d * wide, e * high, y),
        raster.crs,
    )
    return _Layer(
        layer.spec, cut, Rect(place.x + left * across, place.y + top * down, cut.width * across, cut.height * down)
    )


def _within(start: float, step: float, count: int, end: float) -> tuple[int, int]:
    """The first of `count` pixels that reaches into 0..end, and the one after the last that does."""
    first = min(max(0, math.floor(-start / step + EDGE)), count - 1)
    return first, min(max(first + 1, math.ceil((end - start) / step - EDGE)), count)


def _doubts(frame: Frame, size: float, span: float) -> list[str]:
    """What is odd about proportions."""
    if frame.cell is None:
        return ["Nobody knows how large a pixel is: x and y are in pixels, and proportions are not true."]
    if span <= TALL * size:
        return []
    return [
        f"Heights span {span:,.0f} m on a tile of {size:,.0f} m: in another unit than metres, or is one of them no height?"
    ]


def _cloud(
    layer: _Layer, frame: Frame, coloring: Coloring | None, align: Align, remarks: list[str]
) -> tuple[Cloud, bool]:
    """Heights in space, and whether they have colours."""
    spec, raster, place = layer.spec, layer.raster, layer.place
    grey = np.full((raster.height, raster.width), NO_COLOR, np.uint32)
    if coloring is None:
        return cloud_of(raster, spec, frame, place, grey), False
    if coloring.raster is raster:
        return cloud_of(raster, spec, frame, place, coloring.painted.pixels), True
    alignment = align(raster, coloring.raster)
    if alignment.covered == 0.0:
        remarks.append(f"{coloring.spec.title} lies elsewhere than {spec.title}: no colours.")
        return cloud_of(raster, spec, frame, place, grey), False
    if coloring.spec.id != spec.id:
        remarks += told(alignment, coloring.spec.title, spec.title)
    pixels = coloring.painted.pixels
    finer = 1.0 if alignment.same else _fineness(alignment)
    is_smooth = not coloring.spec.kind.is_categorical
    colors = pixels if alignment.same else _resampled_colors(pixels, alignment, finer if is_smooth else 1.0)
    cloud = cloud_of(raster, spec, frame, place, colors)
    if (
        finer >= FINER or not is_smooth
    ):  # between the corners of a triangle colours are mixed, those of a texture need not be
        texture = replace(_texture(pixels, alignment, finer / 2), smooth=is_smooth)
        cloud = replace(cloud, texture=texture)
    return cloud, True


def _fineness(alignment: Alignment) -> float:
    """How many pixels of a source lie side by side in one of the target, along the side where they are fewer."""
    height, width = alignment.column.shape
    lines = slice(None, None, max(1, height // SAMPLED)), slice(None, None, max(1, width // SAMPLED))
    steps = []
    for axis, sampled in ((1, (lines[0], slice(None))), (0, (slice(None), lines[1]))):
        step = np.hypot(np.diff(alignment.column[sampled], axis=axis), np.diff(alignment.row[sampled], axis=axis))
        step = step[~np.isnan(step)]
        if step.size:
            steps.append(float(np.median(step)))
    return min(steps, default=1.0)


def _resampled_colors(pixels: Pixels, alignment: Alignment, finer: float) -> Pixels:
    """The colour of every height: of a picture that is much finer the mean around it."""
    halvings = max(0, math.floor(math.log2(max(1.0, finer))))
    for _ in range(halvings):
        pixels = halved(pixels)
    shrunk = np.float32(0.5**halvings)
    return nearest(pixels, replace(alignment, column=alignment.column * shrunk, row=alignment.row * shrunk), 0)


def _texture(pixels: Pixels, alignment: Alignment, margin: float) -> Texture:
    """The part of a picture that lies on the heights, and on so many pixels around them."""
    left, right = _covered(alignment.column, pixels.shape[1], margin)
    top, bottom = _covered(alignment.row, pixels.shape[0], margin)
    return Texture(
        pixels[top:bottom, left:right],
        (alignment.column - np.float32(left)) / np.float32(right - left),
        (alignment.row - np.float32(top)) / np.float32(bottom - top),
    )


def _covered(place: NDArray[np.float32], count: int, margin: float) -> tuple[int, int]:
    """The first pixel that is needed between and around some places, and the one after the last."""
    return max(0, math.floor(np.nanmin(place) - margin)), min(count, math.ceil(np.nanmax(place) + margin))


def _difference(
    layer: _Layer,
    other: tuple[LayerSpec, Raster],
    align: Align,
    diverging: NDArray[np.uint8],
    remarks: list[str],
) -> Coloring | None:
    """The first height minus the second, in metres, on the grid of the first; None where they have nothing in common."""
    spec, raster = layer.spec, layer.raster
    other_spec, reference = other
    alignment = align(raster, reference)
    remarks += told(alignment, other_spec.title, spec.title)
    with np.errstate(all="ignore"):
        height = metres(real(raster.pixels[:1]), spec.unit)
        below = metres(linear(reference, alignment)[None], other_spec.unit)
    valid, known = raster.valid[:1] & np.isfinite(height), np.isfinite(below)
    if not (valid & known).any():
        remarks.append(f"{other_spec.title} and {spec.title} have no valid height in common: no difference.")
        return None
    painted = difference(Raster(height, valid), Raster(below, known), diverging)
    return Coloring(spec, raster, painted, _difference_bar(painted))


def _difference_bar(painted: Painted) -> Colorbar | None:
    if painted.low is None or painted.high is None or painted.minimum is None or painted.maximum is None:
        return None
    return Colorbar(
        painted.low,
        painted.high,
        "m",
        DIVERGING,
        inverted=True,
        locked=False,
        minimum=painted.minimum,
        maximum=painted.maximum,
    )


def _span(cloud: Cloud) -> tuple[float, float] | None:
    """Lowest and highest height in metres; None where there is none."""
    valid = np.isfinite(cloud.height)
    if not valid.any():
        return None
    return (
        cloud.base + float(np.min(cloud.height, where=valid, initial=np.inf)),
        cloud.base + float(np.max(cloud.height, where=valid, initial=-np.inf)),
    )

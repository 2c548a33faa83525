"""Rasters + ReliefStyle -> Relief: what a tile is in space."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Alignment, linear, nearest
from rsviewer.core.cloud import NO_COLOR, Cloud, Texture, cloud_of, metres
from rsviewer.core.relief import DIFFERENCE, Relief, ReliefStyle, Together
from rsviewer.core.render import Painted, Pixels, difference, halved
from rsviewer.core.scene import Colorbar, Frame, Legend, placed
from rsviewer.core.shading import METRES
from rsviewer.core.tile import LayerSpec, Raster, TileId

FINER = 1.5
"""A picture with so many more pixels each way than the heights is laid over them as a texture."""
TALL = 4.0
"""Heights that span so many times the tile's own size are probably not metres."""
LITTLE = 0.999
"""Share of the heights below which the user is told how much of them a picture covers."""

Align = Callable[[Raster, Raster], Alignment]
"""target, source -> where the pixels of the target lie on the source."""


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
    spec, raster = heights[0]
    colorbar: Colorbar | None = None
    legend: tuple[Legend, ...] = ()
    title = "one colour"
    if style.color == DIFFERENCE and len(heights) > 1:
        other_spec, _ = heights[1]
        painted = _painted_difference(heights[0], heights[1], align, diverging, remarks)
        coloring = Coloring(spec, raster, painted)
        colorbar = _difference_bar(painted)
        title = f"{spec.title} minus {other_spec.title}"
    elif coloring is not None:
        colorbar, legend, title = coloring.colorbar, coloring.legend, coloring.spec.title
    shown = heights if style.together is not Together.ALONE else heights[:1]
    clouds = tuple(_cloud(spec, raster, frame, coloring, align, remarks) for spec, raster in shown)
    spans = [_span(cloud) for cloud in clouds]
    there = [span for span in spans if span is not None]
    if not there:
        return Relief(tile, why=f"{spec.title} has no valid height on this tile.")
    for (spec, _), span in zip(shown, spans, strict=True):
        if span is None:
            remarks.append(f"{spec.title} has no valid height on this tile.")
    low, high = min(span[0] for span in there), max(span[1] for span in there)
    across, down = frame.cell or (1.0, 1.0)
    extent = (frame.width * across, frame.height * down)
    if frame.cell is None:
        remarks.append("Nobody knows how large a pixel is: x and y are in pixels, and proportions are not true.")
    elif high - low > TALL * max(extent):
        remarks.append(
            f"Heights span {high - low:,.0f} m on a tile of {max(extent):,.0f} m: are they in another unit than metres?"
        )
    remarks += [f"{spec.title} says no unit: taken for metres." for spec, _ in shown if spec.unit not in METRES]
    return Relief(
        tile,
        tuple(cloud for cloud, span in zip(clouds, spans, strict=True) if span is not None),
        style.together if len(there) > 1 else Together.ALONE,
        extent,
        "px" if frame.cell is None else "m",
        low,
        high,
        title,
        colorbar,
        legend,
        tuple(dict.fromkeys(remarks)),
    )


def _cloud(
    spec: LayerSpec, raster: Raster, frame: Frame, coloring: Coloring | None, align: Align, remarks: list[str]
) -> Cloud:
    place, placing = placed(raster, frame)
    if placing:
        remarks.append(f"{spec.title}: {placing}.")
    grey = np.full((raster.height, raster.width), NO_COLOR, np.uint32)
    if coloring is None:
        return cloud_of(raster, spec, frame, place, grey)
    if coloring.raster is raster:
        return cloud_of(raster, spec, frame, place, coloring.painted.pixels)
    alignment = align(raster, coloring.raster)
    if alignment.covered == 0.0:
        remarks.append(f"{coloring.spec.title} lies elsewhere than {spec.title}: no colours.")
        return cloud_of(raster, spec, frame, place, grey)
    if alignment.remark:
        remarks.append(f"{coloring.spec.title} on {spec.title}: {alignment.remark}.")
    if alignment.covered < LITTLE:
        remarks.append(f"{coloring.spec.title} covers {alignment.covered:.0%} of {spec.title}.")
    pixels = coloring.painted.pixels
    colors = pixels if alignment.same else _resampled(coloring, raster, alignment)
    cloud = cloud_of(raster, spec, frame, place, colors)
    finer = min(coloring.raster.width / raster.width, coloring.raster.height / raster.height) >= FINER
    return replace(cloud, texture=_texture(pixels, alignment)) if finer else cloud


def _resampled(coloring: Coloring, raster: Raster, alignment: Alignment) -> Pixels:
    """The colour of every height: of a picture that is much finer the mean around it, but never of classes."""
    pixels = coloring.painted.pixels
    if coloring.spec.kind.is_categorical:
        return nearest(pixels, alignment, 0)
    finer = min(coloring.raster.width / raster.width, coloring.raster.height / raster.height)
    halvings = max(0, math.floor(math.log2(finer)))
    for _ in range(halvings):
        pixels = halved(pixels)
    shrunk = np.float32(0.5**halvings)
    return nearest(pixels, replace(alignment, column=alignment.column * shrunk, row=alignment.row * shrunk), 0)


def _texture(pixels: Pixels, alignment: Alignment) -> Texture:
    height, width = pixels.shape
    return Texture(pixels, alignment.column / np.float32(width), alignment.row / np.float32(height))


def _painted_difference(
    first: tuple[LayerSpec, Raster],
    second: tuple[LayerSpec, Raster],
    align: Align,
    diverging: NDArray[np.uint8],
    remarks: list[str],
) -> Painted:
    """The first height minus the second, in metres, on the grid of the first."""
    (spec, raster), (other_spec, other) = first, second
    alignment = align(raster, other)
    if alignment.remark:
        remarks.append(f"{other_spec.title} on {spec.title}: {alignment.remark}.")
    if alignment.same:
        reference = np.where(other.valid[0], metres(other.pixels[0], other_spec.unit), np.nan)
    else:
        reference = metres(linear(other, alignment), other_spec.unit)
    valid = np.isfinite(reference)
    if not valid.any():
        remarks.append(f"{other_spec.title} and {spec.title} have no valid height in common: no difference.")
    height = metres(raster.pixels[:1], spec.unit)
    return difference(Raster(height, raster.valid[:1]), Raster(reference[None], valid[None]), diverging)


def _difference_bar(painted: Painted) -> Colorbar | None:
    if painted.low is None or painted.high is None or painted.minimum is None or painted.maximum is None:
        return None
    return Colorbar(
        painted.low,
        painted.high,
        "m",
        "RdBu",
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

"""Small pictures of a tile that a model was run on: what it saw, the reference, its prediction, the error."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.predicting import judge_tile
from rsviewer.core.errors import RsviewerError
from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import (
    HEIGHT,
    HEIGHT_ERROR,
    LABELS,
    LABELS_ERROR,
    QUANTITY,
    QUANTITY_ERROR,
    Prediction,
    predicted_layers,
)
from rsviewer.core.render import Painted, paint
from rsviewer.core.style import RangeMode, default_style
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Raster, TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.resources import color_table
from rsviewer.data.tree import Tree

THUMBNAIL = 160
"""Pixels along the longer side of a small picture."""

_CAPTIONS = (
    (HEIGHT, ("reference", "prediction", "error"), HEIGHT_ERROR),
    (LABELS, ("classes", "predicted classes", "wrong classes"), LABELS_ERROR),
    (QUANTITY, ("reference", "prediction", "error"), QUANTITY_ERROR),
)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A small picture of a tile: (h, w, 3) red, green, blue."""

    caption: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A tile that is shown."""

    tile: TileId
    pictures: tuple[Picture, ...] = ()


def illustrate(
    entry: TileEntry,
    card: ModelCard,
    compared: Mapping[LayerId, LayerSpec],
    image: LayerSpec | None,
    predict: Callable[[TileEntry], Prediction],
    tree: Tree,
) -> Example:
    """Small pictures of a tile: the image, reference, prediction and error. One without pictures where that does not work.

    Args:
        entry: the tile.
        card: of the model.
        compared: see `batch.predicting.compared_layers`.
        image: what the model saw.
        predict: predicts it again.
        tree: where its files are.
    """
    try:
        judgement = judge_tile(card, entry, predict(entry), compared, tree)
    except RsviewerError:
        return Example(entry.id)
    shown: list[Picture] = []
    if image is not None:
        shown += _as_pictures("image", _painted(image, read_layer(entry, image, tree)))
    own = {spec.id: spec for spec in predicted_layers(card, compared)}
    for target, (told, said, wrong), error in _CAPTIONS:
        reference = None
        if target in compared:
            reference = _painted(compared[target], read_layer(entry, compared[target], tree))
            shown += _as_pictures(told, reference)
        for layer, caption in ((target, said), (error, wrong)):
            raster = judgement.rasters.get(layer)
            if layer in own and raster is not None:
                shown += _as_pictures(caption, _painted(own[layer], raster, like=reference))
    return Example(entry.id, tuple(shown))


def _as_pictures(caption: str, painted: Painted | None) -> Iterator[Picture]:
    if painted is not None:
        yield Picture(caption, on_white(painted.pixels))


def _painted(spec: LayerSpec, content: LayerContent | None, *, like: Painted | None = None) -> Painted | None:
    """A layer as the program shows it, small; heights over the range of `like`."""
    if not isinstance(content, Raster) or 0 in content.pixels.shape:
        return None
    step = max(1, -(-max(content.height, content.width) // THUMBNAIL))
    small = Raster(content.pixels[:, ::step, ::step], content.valid[:, ::step, ::step], color_table=content.color_table)
    style = replace(default_style(spec), hillshade=0.0)
    if like is not None and spec.id in (HEIGHT, QUANTITY):
        style = replace(style, range_mode=RangeMode.REFERENCE)
    sample = like.ranges[0] if like is not None and like.ranges else None
    return paint(small, spec, style, color_table(style.color_table), sample=sample)


def on_white(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(h, w, 3) of 0xAARRGGBB: what has no value is white."""
    parts = np.stack([(pixels >> shift) & 0xFF for shift in (16, 8, 0)], axis=-1).astype(np.float64)
    alpha = ((pixels >> 24) & 0xFF)[..., None] / 255.0
    return np.rint(parts * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)

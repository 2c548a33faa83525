"""From the layers of a tile to what a network takes: which layers, which bands, on which scale, on which grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Align
from rsviewer.core.model import ModelCard
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Transform


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A tile, ready for a network. Nothing is normalised yet.

    Attributes:
        pixels: (bands, h, w), the bands of all inputs behind each other, uint8 or float32, on the scale of the card's inputs.
            Invalid pixels are 0.
        valid: (h, w) where all inputs are valid.
        transform, crs, gsd, cell, full_size: of the first input, see `core.tile.Raster`.
        remarks: what was done to make it fit, one sentence each.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    transform: Transform | None = None
    crs: str = ""
    gsd: float | None = None
    cell: tuple[float, float] | None = None
    full_size: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = field(default=())


def input_layers(
    card: ModelCard, layers: Sequence[LayerSpec], chosen: Mapping[int, LayerId] | None = None
) -> tuple[LayerSpec, ...]:
    """The layer for each of the card's inputs: of the right kind and date; of two dates the later where the card says none.

    Args:
        card: of the model.
        layers: of the dataset, or those that a tile has.
        chosen: number of the input -> layer that the user wants there.

    Raises:
        ModelError: there is none, in a sentence that names what the model needs.
    """
    raise NotImplementedError


def fit(card: ModelCard, contents: Sequence[tuple[LayerSpec, LayerContent]], align: Align) -> Fitted:
    """Makes a tile ready for a network.

    Bands are found by name where the layer or its file names them (red also as R, B4 of Sentinel-2 ...), else the first ones
    are taken; one band serves for three. 8-bit images and others whose values are on the card's scale already stay as they
    are; others are stretched to it (by the percentiles that the panes use), and a remark says so. A second input on another
    grid is resampled to that of the first.

    Args:
        card: of the model.
        contents: the layers of `input_layers`, as read, in that order.
        align: finds the pixels of one raster on another.

    Raises:
        ModelError: a layer is missing or unreadable, has too few bands (two, where three are needed), no valid pixel.
    """
    raise NotImplementedError

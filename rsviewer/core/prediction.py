"""A model's answer for one tile. The tile's id travels with it, so that it can never be shown on another one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.boxes import Boxes
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind, Scores
from rsviewer.core.scenemetrics import THERE
from rsviewer.core.shading import METRES
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Raster, TileId

HEIGHT = LayerId("model.height")
HEIGHT_ERROR = LayerId("model.height_error")
LABELS = LayerId("model.labels")
LABELS_ERROR = LayerId("model.labels_error")
CONFIDENCE = LayerId("model.confidence")
SCENE = LayerId("model.scene")
"""What is said of the whole tile. No layer, but it has a reference like one."""
QUANTITY = LayerId("model.quantity")
QUANTITY_ERROR = LayerId("model.quantity_error")
BOXES = LayerId("model.boxes")
PREDICTED_LAYERS = (HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, CONFIDENCE, QUANTITY, QUANTITY_ERROR, BOXES)
"""Layers that a model adds to those of the dataset, in the order of their panes. No layer of a dataset has a "." in its id."""

_NAMED = 3
"""Of several classes of a tile, in a line."""

RIGHT = -1
"""In LABELS_ERROR: the prediction is what the reference says. Any other value is the class that was predicted wrongly."""
RIGHT_COLOR = (70, 74, 78)


@dataclass(frozen=True, slots=True)
class Score:
    """One class of a whole tile, and how sure the model is of it, 0..1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model said of a tile.

    Attributes:
        tile: which tile.
        model: see `core.model.fingerprint`.
        rasters: HEIGHT: (1, h, w) float32 in the output's unit, negative ones as they are; LABELS: (1, h, w) uint8 or uint16,
            the labels of datasets, not the network's channels; CONFIDENCE: (1, h, w) float32, the probability of the winning
            class; QUANTITY: (1, h, w) float32 in the output's unit. All on the grid of the first input, with its transform and
            CRS. Invalid where an input is invalid, and outside of what was predicted.
        scores: of SCENE outputs, the likeliest first; of INDEPENDENT ones each by itself, all that are there from 0.5.
        seconds: from the input's pixels to this.
        forward_seconds: of those, in the network itself.
        device: where it ran, e.g. "cuda:0" or "cpu".
        remarks: what a careful person would want to know, one sentence each.
        similarity: cosine of the features of image and caption, -1..1; None where the network or the tile has none.
        features, caption_features: (n,) float32 of length 1, by which images and texts are compared; None where the network has
            none. They are not kept with the prediction.
        boxes: objects, on the same grid as the rasters; None where the model looks for none.
    """

    tile: TileId
    model: str
    rasters: Mapping[LayerId, Raster] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()
    seconds: float = 0.0
    forward_seconds: float = 0.0
    device: str = ""
    remarks: tuple[str, ...] = ()
    similarity: float | None = None
    features: NDArray[np.float32] | None = None
    caption_features: NDArray[np.float32] | None = None
    boxes: Boxes | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        boxes = 0 if self.boxes is None else self.boxes.nbytes
        return 1024 + boxes + sum(raster.nbytes for raster in self.rasters.values())


def predicted_layers(card: ModelCard, references: Mapping[LayerId, LayerSpec]) -> tuple[LayerSpec, ...]:
    """The layers that a model adds to a dataset: its outputs, and their errors where there is a reference.

    Args:
        card: of the model.
        references: HEIGHT, LABELS, QUANTITY -> the layer that this output is compared with.
    """
    layers = []
    height, labels, quantity = (
        card.output(kind) for kind in (OutputKind.HEIGHT, OutputKind.LABELS, OutputKind.QUANTITY)
    )
    height_reference, labels_reference = references.get(HEIGHT), references.get(LABELS)
    if height is not None:
        unit = shown_unit(height, height_reference)
        fitted = f", fitted to {height_reference.title}" if height.relative and height_reference is not None else ""
        layers.append(LayerSpec(HEIGHT, LayerKind.HEIGHT, f"Predicted {height.title or 'height'}{fitted}", unit=unit))
        if height_reference is not None:
            title = f"Predicted − {height_reference.title}"
            layers.append(LayerSpec(HEIGHT_ERROR, LayerKind.QUANTITY, title, unit=unit))
    if labels is not None:
        title = f"Predicted {labels.title or 'classes'}"
        layers.append(LayerSpec(LABELS, LayerKind.LABELS, title, classes=labels.classes))
        if labels_reference is not None and labels_reference.kind.is_categorical:
            title = f"Wrong {labels.title or 'classes'}"
            layers.append(LayerSpec(LABELS_ERROR, LayerKind.LABELS, title, classes=error_classes(labels)))
        if labels.scores is not Scores.INDEX:
            layers.append(LayerSpec(CONFIDENCE, LayerKind.QUANTITY, "Class probability", low=0.0, high=1.0))
    if quantity is not None:
        title = f"Predicted {quantity.title or 'quantity'}"
        layers.append(
            LayerSpec(QUANTITY, LayerKind.QUANTITY, title, quantity.unit, low=quantity.low, high=quantity.high)
        )
        if QUANTITY in references:
            title = f"Predicted − {references[QUANTITY].title}"
            layers.append(LayerSpec(QUANTITY_ERROR, LayerKind.QUANTITY, title, unit=quantity.unit))
    boxes = card.output(OutputKind.BOXES)
    if boxes is not None:
        looked_for = tuple(one for one in boxes.classes if not one.void)
        layers.append(LayerSpec(BOXES, LayerKind.VECTOR, f"Predicted {boxes.title or 'objects'}", classes=looked_for))
    return tuple(layers)


def shown_unit(output: ModelOutput, reference: LayerSpec | None) -> str:
    """The unit of predicted heights in the panes: of relative ones that of the reference, in metres where it has a length."""
    if not output.relative:
        return output.unit
    return "" if reference is None else "m" if reference.unit in METRES else reference.unit


def error_classes(output: ModelOutput) -> tuple[LabelClass, ...]:
    """The classes of LABELS_ERROR: right, and what was predicted where it is wrong; that may be none of the classes."""
    said = [one for place, one in enumerate(output.classes) if not one.void or (output.threshold and place == 0)]
    wrong = (LabelClass(one.value, one.name, one.color) for one in said)
    return (LabelClass(RIGHT, "right", RIGHT_COLOR), *wrong)


def said_of_tile(output: ModelOutput, prediction: Prediction) -> str:
    """The class of the whole tile for a line of text, e.g. "smoke: partial 83 %"; of several those that are there.

    Args:
        output: of kind SCENE.
        prediction: its answer.
    """
    said = prediction.scores[:1]
    if output.scores is Scores.INDEPENDENT:
        said = tuple(one for one in prediction.scores if one.probability >= THERE)[:_NAMED]
    words = ", ".join(f"{one.name} {100 * one.probability:.0f} %" for one in said)
    return f"{output.title or output.name or 'whole tile'}: {words or 'none'}" if prediction.scores else ""

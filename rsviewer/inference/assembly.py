"""From a network's answers for windows to rasters on the grid of the tile, and scores of the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsviewer.core.boxes import Boxes
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind, Scores
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, QUANTITY, Score
from rsviewer.core.tile import LayerId, Raster
from rsviewer.inference.answers import NUMBERS, checked, label_values, scene_scores, winners
from rsviewer.inference.objects import Objects
from rsviewer.inference.tiles import CutTile, Pass
from rsviewer.inference.windows import Mosaic, Plan
from rsviewer.inference.zoo.network import Answers


@dataclass(slots=True)
class Found:
    """What a network says of a tile. See `core.prediction.Prediction` for what the fields mean."""

    rasters: dict[LayerId, Raster] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()
    forward_seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)
    similarity: float | None = None
    features: NDArray[np.float32] | None = None
    caption_features: NDArray[np.float32] | None = None
    boxes: Boxes | None = None


class Assembly:
    """The answers for one tile, of which the first output of each kind counts: the others have no place in a prediction.

    Args:
        card: of the model.
        tile: as it was cut.
    """

    def __init__(self, card: ModelCard, tile: CutTile) -> None:
        self._card = card
        self._plan = tile.plan
        self._share = 1 / len(tile.symmetries)
        outputs = (card.output(kind) for kind in OutputKind)
        self._outputs = tuple(output for output in outputs if output is not None)
        self._mosaics: dict[OutputKind, Mosaic] = {
            output.kind: Mosaic(tile.plan, tile.canvas.device)
            for output in self._outputs
            if output.kind not in (OutputKind.SCENE, OutputKind.BOXES)
        }
        boxes = card.output(OutputKind.BOXES)
        self._objects = None if boxes is None else Objects(boxes, tile.plan, tile.symmetries)
        self._scene: dict[int, torch.Tensor] = {}

    def add(self, passes: Sequence[Pass], windows: torch.Tensor, answers: Answers) -> None:
        """Adds what the network said of a batch.

        Args:
            passes: of the batch.
            windows: (n, bands, h, w) that went in.
            answers: that came out.

        Raises:
            ModelError: they are not what the card says.
        """
        for output in self._outputs:
            values = checked(self._card, output, answers, windows).to(windows.device)
            for one, value in zip(passes, values, strict=True):
                if output.kind is OutputKind.SCENE:
                    part = value * self._share
                    self._scene[one.number] = self._scene[one.number] + part if one.number in self._scene else part
                elif self._objects is not None and output.kind is OutputKind.BOXES:
                    height, width = windows.shape[-2:]
                    self._objects.add(one.number, one.symmetry, value, (height, width))
                else:
                    self._mosaics[output.kind].add(one.number, one.symmetry.undo(value), self._share)

    def found(self, fitted: Fitted, dtype: torch.dtype | None) -> Found:
        """What the answers say, after the last of them. Its tensors are given back one after the other.

        Args:
            fitted: the tile: its grid, and where it is valid.
            dtype: that autocast was asked for; None for none.
        """
        found = Found()
        for output in self._outputs:
            if output.kind in NUMBERS:
                self._read_numbers(output, fitted, dtype, found)
            elif output.kind is OutputKind.LABELS:
                self._read_labels(output, fitted, dtype, found)
            elif self._objects is not None and output.kind is OutputKind.BOXES:
                height, width = fitted.shape
                found.boxes = self._objects.tile((width, height))
            else:
                self._read_scene(output, found)
        return found

    def _read_numbers(self, output: ModelOutput, fitted: Fitted, dtype: torch.dtype | None, found: Found) -> None:
        values = np.array(self._mosaics.pop(output.kind).tile()[0].cpu().numpy(), np.float32)
        if output.scale != 1.0:
            values *= output.scale
        if output.offset:
            values += output.offset
        known = np.isfinite(values)
        if not known.all():
            found.remarks.append(_not_numbers(str(output.kind), known, dtype))
        if output.kind is OutputKind.QUANTITY and (output.low is not None or output.high is not None):
            np.clip(values, output.low, output.high, out=values)
        layer = HEIGHT if output.kind is OutputKind.HEIGHT else QUANTITY
        found.rasters[layer] = _raster(values, np.float32(np.nan), known, self._plan, fitted)

    def _read_labels(self, output: ModelOutput, fitted: Fitted, dtype: torch.dtype | None, found: Found) -> None:
        values = label_values(output.classes)
        place, probability, known = winners(self._mosaics.pop(output.kind).tile(), output)
        if not known.all():
            found.remarks.append(_not_numbers("class scores", known, dtype))
        found.rasters[LABELS] = _raster(values[place], values.dtype.type(0), known, self._plan, fitted)
        if output.scores is not Scores.INDEX:
            found.rasters[CONFIDENCE] = _raster(probability, np.float32(np.nan), known, self._plan, fitted)

    def _read_scene(self, output: ModelOutput, found: Found) -> None:
        found.scores = scene_scores(torch.stack(list(self._scene.values())), output)
        if output.scores is Scores.INDEX:
            found.remarks.append(
                f"{self._card.title} names a class without saying how sure it is: the shares are those of its votes."
            )


def _not_numbers(what: str, known: NDArray[np.bool_], dtype: torch.dtype | None) -> str:
    count = known.size - int(np.count_nonzero(known))
    hint = " float16 may be too narrow for it: try bfloat16 or float32." if dtype is torch.float16 else ""
    return f"The predicted {what} of {count:,} pixels are not finite numbers; these pixels are invalid.{hint}"


def _raster(values: NDArray[Any], outside: np.generic, known: NDArray[np.bool_], plan: Plan, fitted: Fitted) -> Raster:
    """A raster on the grid of the tile.

    Args:
        values: (h, w) of the part that was predicted.
        outside: the value of the other pixels, which are invalid.
        known: (h, w), where `values` says something.
        plan: which part that is.
        fitted: the tile.
    """
    valid = fitted.valid
    if values.shape == valid.shape:
        valid = valid & known
    else:
        rows = slice(plan.rows.first, plan.rows.first + plan.rows.length)
        columns = slice(plan.columns.first, plan.columns.first + plan.columns.length)
        part, values = values, np.full(valid.shape, outside, values.dtype)
        values[rows, columns] = part
        inside = np.zeros(valid.shape, bool)
        inside[rows, columns] = known
        valid = valid & inside
    return Raster(
        pixels=values[None],
        valid=valid[None],
        transform=fitted.transform,
        crs=fitted.crs,
        gsd=fitted.gsd,
        cell=fitted.cell,
        full_size=fitted.full_size,
    )

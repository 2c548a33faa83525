"""A model for tests: it says of every pixel what the image says, and knows what it was asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, RunOptions, Weights
from rsviewer.core.prediction import HEIGHT, LABELS, Prediction, Score
from rsviewer.core.tile import LabelClass, Raster, TileId

CLASSES = (LabelClass(1, "Low", (200, 200, 200)), LabelClass(2, "High <b>", (200, 0, 0)))

HEIGHT_CARD = ModelCard(
    "fake-height",
    "Fake <heights>",
    "fake",
    (ModelInput(mean=(0.0,) * 3, std=(1.0,) * 3),),
    (ModelOutput(OutputKind.HEIGHT, title="nDSM", reference=("ndsm",)),),
    (Framing("whole", "whole tile"), Framing("middle", crop=4)),
    Weights("fake.bin"),
    licence="CC0",
)
BOTH_CARD = replace(
    HEIGHT_CARD,
    id="fake-both",
    outputs=(*HEIGHT_CARD.outputs, ModelOutput(OutputKind.LABELS, "classes", title="classes", classes=CLASSES)),
)
SCENE_CARD = replace(
    HEIGHT_CARD, id="fake-scene", outputs=(ModelOutput(OutputKind.SCENE, title="scene", classes=CLASSES),)
)


class FakeEngine:
    """Height = red / 10, class 2 above 1 m; the scene is the class of most pixels.

    Attributes:
        asked: the tiles in the order of the questions.
        failing: tile -> what it says instead of predicting it.
        stop_at: a Ctrl-C comes with this tile.
    """

    def __init__(self, card: ModelCard, weights: Path = Path(), options: RunOptions = RunOptions()) -> None:  # noqa: B008
        self.card = card
        self.device = ""
        self.asked: list[TileId] = []
        self.failing: dict[str, str] = {}
        self.stop_at = ""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        self.asked.append(tile)
        if tile == self.stop_at:
            raise KeyboardInterrupt
        if tile in self.failing:
            raise ModelError(self.failing[tile])
        self.device = "cpu"
        height = fitted.pixels[:1].astype(np.float32) / 10.0
        valid = fitted.valid[None].copy()
        place = {"transform": fitted.transform, "crs": fitted.crs, "gsd": fitted.gsd}
        labels = np.where(height > 1.0, 2, 1).astype(np.uint8)
        rasters = {HEIGHT: Raster(height, valid, **place), LABELS: Raster(labels, valid.copy(), **place)}
        kinds = {output.kind for output in self.card.outputs}
        rasters = {
            layer: raster
            for layer, raster in rasters.items()
            if (OutputKind.HEIGHT if layer == HEIGHT else OutputKind.LABELS) in kinds
        }
        share = float((labels == 2).mean())
        scores = sorted((Score("Low", 1.0 - share), Score("High <b>", share)), key=lambda score: -score.probability)
        shown = tuple(scores) if OutputKind.SCENE in kinds else ()
        return Prediction(tile, model, rasters, shown, 0.1, 0.1, "cpu")

    def close(self) -> None:
        pass

    def __enter__(self) -> "FakeEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Networks whose answers are known, and what an engine needs to run them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, RunOptions, Weights
from rsviewer.core.prediction import HEIGHT, Prediction
from rsviewer.core.tile import LabelClass, TileId
from rsviewer.inference import devices
from rsviewer.inference.engine import Engine

TILE = TileId("a/1")
GROUND, TREE, WATER = (
    LabelClass(value, name, (0, 0, 0)) for value, name in ((1, "ground"), (5, "tree"), (300, "water"))
)
HEIGHTS = ModelOutput(OutputKind.HEIGHT, "height")
CLASSES = ModelOutput(OutputKind.LABELS, "classes", classes=(GROUND, TREE))
SCENE = ModelOutput(OutputKind.SCENE, "scene", classes=(GROUND, TREE))
WHOLE = Framing("whole")


class Fake:
    """A network that answers with a function of its windows, and notes what it was asked."""

    def __init__(self, **answers: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.answers = answers
        self.shapes: list[tuple[int, ...]] = []
        self.moves: list[str] = []

    def forward(self, windows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        self.shapes.append(tuple(windows.shape))
        return {name: answer(windows) for name, answer in self.answers.items()}

    def move(self, device: torch.device) -> None:
        self.moves.append(str(device))


class Cramped(Fake):
    """A network with room for so many pixels at once, until it moves."""

    def __init__(self, pixels: int, error: Callable[[], Exception], **answers: Callable[..., torch.Tensor]) -> None:
        super().__init__(**answers)
        self.pixels = pixels
        self.error = error

    def forward(self, windows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        answers = super().forward(windows)
        if windows[:, 0].numel() > self.pixels and not self.moves:
            raise self.error()
        return answers


def first_band(windows: torch.Tensor) -> torch.Tensor:
    return windows[:, :1]


def two_scores(windows: torch.Tensor) -> torch.Tensor:
    """The second class wins where the first band is positive."""
    return torch.cat([torch.zeros_like(windows[:, :1]), windows[:, :1]], dim=1)


def card(*outputs: ModelOutput, framing: Framing = WHOLE, **more: Any) -> ModelCard:
    told: dict[str, Any] = {"inputs": (ModelInput(bands=("red",)),), **more}
    return ModelCard("fake", "Fake model", "fake", outputs=outputs, framings=(framing,), weights=Weights("x"), **told)


def running(network: Fake, of: ModelCard, **options: Any) -> Engine:
    return Engine(of, Path("x"), RunOptions(**{"device": "cpu", "threads": 1, **options}), load=lambda *_: network)


def lend_gpu(monkeypatch: pytest.MonkeyPatch, batch: int = 8) -> None:
    """A GPU called "meta", which "auto" finds: the network is a fake, and what is to run on it never gets there."""
    monkeypatch.setattr(devices, "choose", lambda name: torch.device("meta" if name == "auto" else name))
    monkeypatch.setattr(devices, "BATCHES", {**devices.BATCHES, "meta": batch})


def fitted(pixels: np.ndarray, valid: np.ndarray | None = None) -> Fitted:
    pixels = np.array(pixels, ndmin=3)
    pixels.flags.writeable = False
    return Fitted(pixels, np.ones(pixels.shape[1:], bool) if valid is None else valid)


def ramp(height: int, width: int, bands: int = 1) -> np.ndarray:
    return np.arange(bands * height * width, dtype=np.float32).reshape(bands, height, width)


def height_of(prediction: Prediction) -> np.ndarray:
    return prediction.rasters[HEIGHT].pixels[0]

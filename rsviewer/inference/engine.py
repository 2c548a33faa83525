"""Runs a model on a tile: cuts, pads, predicts, blends, and says what it had to do for lack of memory."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId


class Predictor(Protocol):
    """Who predicts tiles: an engine in this process, or one in a process of its own."""

    @property
    def device(self) -> str:
        """Where it runs, e.g. "cuda:0"; empty until the model is loaded."""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile. See `Engine.predict`."""

    def close(self) -> None:
        """Gives memory and device back. From any thread; a `predict` that runs then raises ModelError."""


PredictorFactory = Callable[[ModelCard, Path, RunOptions], Predictor]
"""Card, weights, options -> who predicts with them. Loads nothing yet: the first `predict` does."""


class Engine:
    """A model in this process. For one thread at a time.

    Args:
        card: what it takes and gives.
        weights: its file, whose hash was checked.
        options: how it is run.
    """

    def __init__(self, card: ModelCard, weights: Path, options: RunOptions) -> None:
        raise NotImplementedError

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        raise NotImplementedError

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile.

        Args:
            tile: its id, which travels with the answer.
            fitted: see `core.fitting.fit`.
            model: fingerprint, which travels with the answer too.

        Raises:
            ModelError: the tile does not fit the model, or it cannot be loaded or run, in a sentence.
        """
        raise NotImplementedError

    def bare_seconds(self, fitted: Fitted, repeats: int = 5) -> float:
        """Best of some bare forward passes over the very windows of a tile, nothing else: for `bench`."""
        raise NotImplementedError

    @property
    def peak_bytes(self) -> int:
        """Most memory held so far: of the GPU where it runs on one, else of this process."""
        raise NotImplementedError

    def close(self) -> None:
        """Gives memory back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

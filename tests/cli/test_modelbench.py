"""`rsviewer bench --model`: a model that takes minutes for a tile is measured with less, where that is said to be fine."""

from pathlib import Path

import pytest

from rsviewer.cli import modelbench
from rsviewer.cli.modelbench import SLOWLY, measure_alone
from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId
from tests.cli.test_predict_steps import card

__all__ = ["card"]  # a fixture


class Counting:
    """An engine that is quick, and counts what it is asked."""

    load_seconds = 1.0
    peak_bytes = 2_000_000

    def __init__(self, _card: ModelCard, _weights: Path, options: RunOptions) -> None:
        self.options = options
        self.asked: list[str] = []
        made.append(self)

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, tile: TileId, _fitted: Fitted) -> Prediction:
        self.asked.append("tile")
        return Prediction(tile, "", seconds=3.0)

    def bare_seconds(self, _fitted: Fitted, repeats: int = 5) -> float:
        self.asked.append(f"bare {repeats}")
        return 2.0


made: list[Counting] = []


@pytest.mark.parametrize(
    ("slow", "asked"), [(True, ["tile", "bare 1", "tile"]), (False, ["tile", "bare 5", "tile", "tile", "tile"])]
)
def test_a_slow_model_is_run_fewer_times(
    dataset: Path, card: Path, monkeypatch: pytest.MonkeyPatch, slow: bool, asked: list[str]
) -> None:
    monkeypatch.setattr(modelbench, "Engine", Counting)
    found = measure_alone(dataset, str(card), slow=slow)

    assert made[-1].asked == asked
    assert made[-1].options == (SLOWLY if slow else RunOptions())
    assert (found["bare_s_per_tile"], found["alone_s_per_tile"], found["overhead"]) == (2.0, 3.0, 0.5)


def test_without_a_yes_it_says_what_to_add(dataset: Path, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ModelError, match="--slow-is-fine"):
        measure_alone(dataset, str(card))

"""A model over a whole dataset: predictions as files, scores of every tile, and those of the dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsviewer.batch.runner import Progress
from rsviewer.core.model import ModelCard
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.data.predictions import PredictionStore
from rsviewer.inference.engine import Predictor


@dataclass(frozen=True, slots=True)
class Failure:
    """A tile that could not be predicted, and why, in a sentence."""

    tile: TileId
    message: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was done.

    Attributes:
        tiles: looked at; known: of these, scored before and not predicted again; failed: see Failure.
        seconds: for the tiles predicted now.
        metrics: of the dataset, see `core.metrics.Totals.metrics`; over all its tiles, those known before included.
        per_tile: tile -> name -> value, see `core.metrics.SCORE_COLUMNS`.
    """

    tiles: int
    known: int
    failed: tuple[Failure, ...]
    seconds: float
    metrics: Mapping[str, float]
    per_tile: Mapping[TileId, Mapping[str, float]]


def predict_all(
    dataset: Dataset,
    index: TileIndex,
    entries: Sequence[TileEntry],
    card: ModelCard,
    model: str,
    predictor: Predictor,
    *,
    references: Mapping[LayerId, LayerId | None] | None = None,
    store: PredictionStore | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Predicted:
    """Predicts every tile, judges it, files its scores in the index.

    Interrupted, it keeps what it has; called again, it goes on.

    Args:
        dataset: whose tiles.
        index: where the scores go.
        entries: which of them.
        card: of the model.
        model: its fingerprint.
        predictor: runs it.
        references: `core.prediction.HEIGHT`, `LABELS` -> layer; None takes `core.judging.default_reference`.
        store: where the predictions are written as files; None keeps none.
        overwrite: predicts tiles again that are known.
        progress: called with tiles done and in all. Who raises from it stops the work.
    """
    raise NotImplementedError

"""What is to be said about the model and the current tile: for the model panel, the status bar and the panes."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rsviewer.core.boxes import USUAL_SCORE
from rsviewer.core.expense import SIDE, THREADS
from rsviewer.core.judging import Judgement
from rsviewer.core.model import ModelCard, RunOptions, focused
from rsviewer.core.tile import LayerSpec
from rsviewer.data.models import ShelvedModel
from rsviewer.workspace.plans import InputChoices, ReferenceChoices


class Stage(StrEnum):
    """How far the model is with a tile."""

    NONE = "none"
    """Nobody asked for it: I does."""
    WAITING = "waiting"
    """It is wanted; another tile is still being predicted."""
    LOADING = "loading"
    """The model is being loaded for it."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


WORDS: Final = {
    Stage.NONE: "Press I to predict this tile.",
    Stage.WAITING: "Waiting for the model…",
    Stage.LOADING: "Loading the model…",
    Stage.RUNNING: "Predicting…",
    Stage.DONE: "",
    Stage.FAILED: "This tile could not be predicted.",
}
"""What a pane says in the place of a prediction."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How far a model is with a tile that takes it many steps.

    Attributes:
        done, total: steps.
        left: seconds, as far as the first steps tell; None before one is done.
    """

    done: int
    total: int
    left: float | None = None


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the model panel and the status bar say. Compare it with the one shown.

    Attributes:
        models: to choose from.
        model: the chosen one; None where nobody chose any yet.
        options: how it is run.
        live: Shift+I is on.
        kept: predictions are kept in the project.
        stage: of the current tile.
        message: what went wrong, or what to do, in a sentence; empty where all is well.
        needs_consent: the file can hold programs, and the user has not said yes to it.
        device: where it runs, e.g. "cuda:0"; empty until it is loaded.
        seconds: that the last tile took; None before the first.
        layers: the layers that it adds to the dataset.
        inputs: for each of its inputs the chosen layer and those to choose from.
        references: `core.prediction.HEIGHT`, `LABELS`, `QUANTITY` -> the chosen layer (None: no comparison) and those to choose
            from.
        judgement: of the current tile; None unless DONE or FAILED.
        waiting: tiles that are still to be predicted, the current one included.
        steps: of the current tile, while the model takes many for it.
        expected: seconds that it takes for a tile without a GPU; 0 where nobody has to know. See `core.expense`.
        words: the classes that it is asked for, where the user says which.
        least_score: of the objects that are shown.
        expected_size: height and width of the tile that takes so long.
        expected_threads: of the processor, for it; 0 where the last answer was measured here.
    """

    models: tuple[ShelvedModel, ...] = ()
    model: ShelvedModel | None = None
    options: RunOptions = field(default_factory=RunOptions)
    live: bool = False
    kept: bool = False
    stage: Stage = Stage.NONE
    message: str = ""
    needs_consent: bool = False
    device: str = ""
    seconds: float | None = None
    layers: tuple[LayerSpec, ...] = ()
    inputs: InputChoices = ()
    references: ReferenceChoices = field(default_factory=dict)
    judgement: Judgement | None = None
    waiting: int = 0
    steps: Steps | None = None
    expected: float = 0.0
    words: tuple[str, ...] = ()
    least_score: float = USUAL_SCORE
    expected_size: tuple[int, int] = (SIDE, SIDE)
    expected_threads: int = THREADS

    @property
    def card(self) -> ModelCard | None:
        """Of the chosen model, with the outputs that are asked for; None where there is none that can be used."""
        whole = None if self.model is None else self.model.card
        return None if whole is None else focused(whole, self.options.output)

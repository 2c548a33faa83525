"""The model at work on the tile that is looked at: which one, how, what it said, and how good that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rsviewer.core.judging import Judgement
from rsviewer.core.model import RunOptions
from rsviewer.core.tile import LayerId, LayerSpec
from rsviewer.data.models import ShelvedModel


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
        references: `core.prediction.HEIGHT` or `LABELS` -> the chosen layer (None: no comparison) and those to choose from.
        judgement: of the current tile; None unless DONE or FAILED.
        waiting: tiles that are still to be predicted, the current one included.
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
    inputs: tuple[tuple[LayerSpec | None, tuple[LayerSpec, ...]], ...] = ()
    references: Mapping[LayerId, tuple[LayerSpec | None, tuple[LayerSpec, ...]]] = field(default_factory=dict)
    judgement: Judgement | None = None
    waiting: int = 0


class Predicting:
    """See the module. `workspace.predicting`; every change is announced as Changed.PREDICTION."""

    @property
    def state(self) -> ModelState:
        """Everything that is to be shown. Cheap."""
        raise NotImplementedError

    def predict(self) -> None:
        """I: runs the model on the current tile; again runs it anew where it has failed. Chooses a model where none is."""
        raise NotImplementedError

    def toggle_live(self) -> None:
        """Shift+I: on every tile from now on, the next ones ahead while nothing else is to be done; or no longer."""
        raise NotImplementedError

    def choose(self, model: str) -> None:
        """Takes another model, by id or card file; an empty text takes none, and its panes go."""
        raise NotImplementedError

    def set_options(self, options: RunOptions) -> None:
        """Runs it differently. The tile on the screen is predicted anew if it was predicted."""
        raise NotImplementedError

    def set_input(self, number: int, layer: LayerId) -> None:
        """Gives the model another layer for one of its inputs."""
        raise NotImplementedError

    def set_reference(self, output: LayerId, layer: LayerId | None) -> None:
        """Compares an output (`core.prediction.HEIGHT` or `LABELS`) with another layer, or with none."""
        raise NotImplementedError

    def set_kept(self, *, kept: bool) -> None:
        """Keeps predictions in the project from now on, or no longer."""
        raise NotImplementedError

    def allow(self) -> None:
        """The user's yes to running a file that can hold programs."""
        raise NotImplementedError

    def refresh_models(self) -> None:
        """Looks at the shelf again: models may have been added."""
        raise NotImplementedError

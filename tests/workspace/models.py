"""Models that need no network, for tests: a shelf, an engine that answers at once, and a workspace that has them."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, RunOptions, Weights
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, Prediction
from rsviewer.core.scene import Pane
from rsviewer.core.tile import LabelClass, LayerId, Raster, TileId
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.workspace.background import Job, call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

TOO_HIGH = 2.5
CLASSES = (LabelClass(5, "Tree", (0, 128, 0)), LabelClass(8, "Building", (200, 0, 0)))


def card(name: str = "both", *, family: str = "demo") -> ModelCard:
    return ModelCard(
        name,
        name.title(),
        family,
        (ModelInput(),),
        (
            ModelOutput(OutputKind.HEIGHT, "height", "nDSM", reference=("ndsm",)),
            ModelOutput(OutputKind.LABELS, "labels", "land cover", classes=CLASSES, reference=("landcover",)),
        ),
        (Framing("whole"),),
        Weights(f"{name}.bin"),
    )


class FakeShelf:
    """A shelf with two models that are here, one whose weights are missing, and one that can hold programs."""

    def __init__(self) -> None:
        self.cards = {name: card(name) for name in ("both", "other", "absent")}
        self.cards["program"] = card("program", family="torchscript")
        self.allowed: set[str] = set()
        self.wrong = ""
        self.edition = ""

    def models(self) -> tuple[ShelvedModel, ...]:
        return tuple(self.find(name) for name in self.cards)

    def find(self, model: str) -> ShelvedModel:
        if model not in self.cards:
            raise ModelError(f"There is no model {model}.")
        missing = model == "absent"
        return ShelvedModel(
            self.cards[model],
            model,
            Path(f"/nowhere/{model}.bin"),
            Presence.MISSING if missing else Presence.HERE,
            message="The weights of absent are missing: add them." if missing else "",
            runs_code=model == "program",
        )

    def sha256(self, shelved: ShelvedModel) -> str:
        if self.wrong:
            raise ModelError(self.wrong)
        return f"hash of {self.edition} {shelved.id}".replace("  ", " ")

    def needs_consent(self, shelved: ShelvedModel, sha256: str) -> bool:
        return shelved.runs_code and not self.is_allowed(sha256)

    def is_allowed(self, sha256: str) -> bool:
        return sha256 in self.allowed

    def allow(self, sha256: str) -> None:
        self.allowed.add(sha256)


class FakeEngine:
    """Predicts everything too high, and trees everywhere; remembers what it was asked for."""

    def __init__(self, lab: "Lab", card: ModelCard, weights: Path, options: RunOptions) -> None:
        self.lab = lab
        self.card = card
        self.options = options
        self.device = ""
        self.closed = 0

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        self.lab.asked.append(tile)
        self.lab.options.append(self.options)
        if self.lab.meanwhile is not None:
            self.lab.meanwhile()
        if self.lab.trouble:
            raise ModelError(self.lab.trouble)
        if self.closed:
            raise ModelError("The model was closed.")
        self.device = "cpu"
        height, width = fitted.valid.shape
        row, column = np.mgrid[0:height, 0:width]
        number = int(tile[-1])
        kind = {"transform": fitted.transform, "crs": fitted.crs, "gsd": fitted.gsd}
        heights = (column + 10.0 * row + number + TOO_HIGH).astype(np.float32)[None]
        everywhere = np.broadcast_to(fitted.valid, (1, height, width))
        rasters = {
            HEIGHT: Raster(heights, everywhere, **kind),
            LABELS: Raster(np.full((1, height, width), 5, np.uint8), everywhere, **kind),
            CONFIDENCE: Raster(np.full((1, height, width), 0.75, np.float32), everywhere, **kind),
        }
        answered = self.lab.answers_for or tile
        return Prediction(answered, model, rasters, seconds=0.25, device="cpu", remarks=fitted.remarks)

    def close(self) -> None:
        self.closed += 1


class Lab:
    """Makes engines, and decides how they behave."""

    def __init__(self) -> None:
        self.engines: list[FakeEngine] = []
        self.asked: list[str] = []
        self.options: list[RunOptions] = []
        self.trouble = ""
        self.meanwhile: Callable[[], None] | None = None
        self.answers_for: TileId | None = None

    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> FakeEngine:
        self.engines.append(FakeEngine(self, card, weights, options))
        return self.engines[-1]


class JobsLater:
    """Long work that ends when the test says so: between `start` and the end, the user goes on."""

    def __init__(self) -> None:
        self.running: list[Job] = []
        self._begun: deque[Callable[[], None]] = deque()

    def start(
        self,
        title: str,
        work: Callable[[Job], Any],
        done: Callable[[Any], None],
        failed: Callable[[str], None] = lambda _: None,
    ) -> Job:
        job = Job(title)

        def end() -> None:
            try:
                result = work(job)
            except ModelError as error:
                failed(str(error))
            else:
                done(result)

        self._begun.append(end)
        return job

    def finish_one(self) -> bool:
        if self._begun:
            self._begun.popleft()()
            return True
        return False

    def finish(self) -> None:
        while self.finish_one():
            pass

    def close(self) -> None:
        self._begun.clear()


def opened_again(root: Path, lab: Lab, shelf: FakeShelf) -> Workspace:
    found = open_path(root)
    found.shelf = shelf  # type: ignore[assignment]  # a fake
    found.engines = lab
    workspace = Workspace(found, call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False)
    workspace.start()
    settle(workspace)
    return workspace


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def pane(workspace: Workspace, layer: LayerId) -> Pane:
    return next(pane for pane in workspace.scene().panes if pane.layer == layer)


def predicted(workspace: Workspace) -> None:
    workspace.predicting.predict()
    settle(workspace)

"""A model that takes many steps for a tile: they are counted, and what nobody wants any more is broken off."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, ModelOption, ModelOutput, OutputKind, RunOptions
from rsviewer.core.prediction import HEIGHT, HEIGHT_ERROR, LABELS, Prediction
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.workspace.modelstate import Stage, Steps
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeEngine, FakeShelf, Lab, opened_again, predicted, settle

NDSM = LayerId("ndsm")


class SteppingEngine(FakeEngine):
    """Takes three steps for a tile; between them the test may do something."""

    def tell_steps(self, tell: Callable[[int, int], None]) -> None:
        self.tell = tell

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        assert isinstance(self.lab, SteppingLab)
        for done in range(4):
            self.tell(done, 3)
            self.lab.between(done)
        return super().predict(tile, fitted, model=model)


class SteppingLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[int], None] = lambda _: None

    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> FakeEngine:
        self.engines.append(SteppingEngine(self, card, weights, options))
        return self.engines[-1]


@pytest.fixture
def lab() -> SteppingLab:
    return SteppingLab()


@pytest.fixture
def shelf() -> FakeShelf:
    shelf = FakeShelf()
    shelf.cards["both"] = replace(
        shelf.cards["both"],
        options=(ModelOption("steps", "Steps", 3, 1, 50),),
        settings={"step_seconds": 2.0},
    )
    return shelf


@pytest.fixture
def workspace(tiny_dataset: Path, lab: SteppingLab, shelf: FakeShelf) -> Iterator[Workspace]:
    opened = opened_again(tiny_dataset, lab, shelf)
    yield opened
    opened.close()


def test_steps_are_counted_while_the_tile_is_predicted(workspace: Workspace, lab: SteppingLab) -> None:
    seen: list[tuple[Stage, Steps | None, str]] = []

    def look(_: int) -> None:
        state = workspace.predicting.state
        seen.append((state.stage, state.steps, workspace.predicting.summary))

    lab.between = look
    predicted(workspace)

    assert [stage for stage, _, _ in seen] == [Stage.RUNNING] * 4
    steps = [steps for _, steps, _ in seen if steps is not None]
    assert [(one.done, one.total) for one in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert steps[0].left is None
    assert steps[3].left == 0.0
    assert "step 2 of 3" in seen[2][2]
    after = workspace.predicting.state
    assert (after.stage, after.steps) == (Stage.DONE, None)


def test_the_expected_time_follows_the_options(workspace: Workspace) -> None:
    predicted(workspace)
    assert workspace.predicting.state.expected == pytest.approx(6.0)

    workspace.predicting.set_options(RunOptions(choices={"steps": 10}))
    assert workspace.predicting.state.expected == pytest.approx(20.0)


def test_other_options_break_off_what_is_being_predicted(workspace: Workspace, lab: SteppingLab) -> None:
    def change_once(done: int) -> None:
        if done == 1 and len(lab.engines) == 1:
            workspace.predicting.set_options(RunOptions(choices={"steps": 10}))

    lab.between = change_once
    predicted(workspace)
    settle(workspace)

    assert next(engine.closed for engine in lab.engines) >= 1
    assert lab.engines[-1].options.choices == {"steps": 10}
    assert workspace.predicting.state.stage is Stage.DONE
    assert not workspace.predicting.state.message


def test_another_reference_breaks_nothing_off(workspace: Workspace, lab: SteppingLab) -> None:
    lab.between = lambda done: workspace.predicting.set_reference(HEIGHT, None) if done == 1 else None
    predicted(workspace)
    settle(workspace)

    assert len(lab.engines) == 1
    assert not lab.engines[0].closed
    assert workspace.predicting.state.stage is Stage.DONE


def test_a_yes_to_a_slow_run_is_kept_and_makes_no_other_answer(
    workspace: Workspace, lab: SteppingLab, shelf: FakeShelf, tiny_dataset: Path
) -> None:
    predicted(workspace)
    before = workspace.predicting.plan
    workspace.predicting.set_options(RunOptions(choices={"steps": 3}, slow=True))
    after = workspace.predicting.plan
    assert before is not None
    assert after is not None
    assert before.fingerprint == after.fingerprint
    workspace.close()

    again = opened_again(tiny_dataset, lab, shelf)
    assert again.predicting.state.options == RunOptions(choices={"steps": 3}, slow=True)
    again.close()


def test_relative_heights_are_shown_in_the_unit_of_what_they_are_fitted_to(
    workspace: Workspace, shelf: FakeShelf
) -> None:
    relative = ModelOutput(OutputKind.HEIGHT, "height", "elevation", unit="", reference=("ndsm",), relative=True)
    shelf.cards["both"] = replace(shelf.cards["both"], outputs=(relative,))
    workspace.predicting.refresh_models()
    predicted(workspace)

    layers = {spec.id: spec for spec in workspace.predicting.state.layers}
    assert (layers[HEIGHT].unit, layers[HEIGHT_ERROR].unit) == ("m", "m")
    assert LABELS not in layers
    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    assert judgement.prediction is not None
    shown, said = judgement.rasters[HEIGHT], judgement.prediction.rasters[HEIGHT]
    assert isinstance(shown, Raster)
    assert not np.array_equal(shown.pixels, said.pixels)
    assert any("least squares" in remark for remark in judgement.remarks)

    workspace.predicting.set_reference(HEIGHT, None)
    settle(workspace)
    layers = {spec.id: spec for spec in workspace.predicting.state.layers}
    assert layers[HEIGHT].unit == ""
    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    np.testing.assert_array_equal(judgement.rasters[HEIGHT].pixels, said.pixels)
    assert any("no unit" in remark for remark in judgement.remarks)

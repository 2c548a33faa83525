"""A model that takes many steps for a tile: they are counted, and what nobody wants any more is broken off."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.errors import StoppedError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, ModelOption, ModelOutput, OutputKind, RunOptions
from rsviewer.core.prediction import HEIGHT, HEIGHT_ERROR, LABELS, Prediction
from rsviewer.core.tile import LayerContent, LayerId, Raster, TileId
from rsviewer.workspace.answering import Ask
from rsviewer.workspace.modelstate import Stage, Steps
from rsviewer.workspace.pictures import Wish
from rsviewer.workspace.predicting import Predicting
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeEngine, FakeShelf, Lab, opened_again, pane, predicted, settle

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


class LastingEngine(SteppingEngine):
    """One that keeps its model when a tile is broken off."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True

    def go_on(self, options: RunOptions) -> None:
        self.stopped, self.options = False, options

    def tell_steps(self, tell: Callable[[int, int], None]) -> None:
        def tell_and_heed(done: int, total: int) -> None:
            tell(done, total)
            if self.stopped:
                raise StoppedError("Stopped.")

        self.tell = tell_and_heed


class SteppingLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[int], None] = lambda _: None
        self.make: type[SteppingEngine] = SteppingEngine

    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> FakeEngine:
        self.engines.append(self.make(self, card, weights, options))
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


def test_the_expected_time_follows_options_and_tile_until_it_is_measured(
    workspace: Workspace, lab: SteppingLab, shelf: FakeShelf
) -> None:
    lab.make = LastingEngine
    settle(workspace)
    workspace.predicting.choose("both")
    workspace.predicting.set_options(RunOptions(threads=2))
    state = workspace.predicting.state
    assert state.expected_size == (24, 32)
    share = 24 * 32 / 512**2
    assert (state.expected, state.expected_threads) == (pytest.approx(6.0 * share), 2)
    workspace.predicting.set_options(RunOptions(threads=4, choices={"steps": 10}))
    state = workspace.predicting.state
    assert (state.expected, state.expected_threads) == (pytest.approx(10.0 * share), 4)

    predicted(workspace)  # in 0.25 s
    state = workspace.predicting.state
    assert (state.expected, state.expected_threads) == (pytest.approx(0.25), 0)
    workspace.predicting.set_options(RunOptions(threads=4, choices={"steps": 20}))
    assert workspace.predicting.state.expected == pytest.approx(0.5)

    shelf.cards["other"] = replace(shelf.cards["both"], id="other")  # of another model nothing is measured
    workspace.predicting.refresh_models()
    workspace.predicting.choose("other")
    assert workspace.predicting.state.expected_threads == 4


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


def test_stop_breaks_a_tile_off_and_keeps_the_model(workspace: Workspace, lab: SteppingLab) -> None:
    lab.make = LastingEngine
    lab.between = lambda done: workspace.predicting.stop() if done == 1 else None
    predicted(workspace)
    assert not lab.asked
    assert workspace.predicting.state.stage is Stage.NONE
    assert not workspace.predicting.state.message

    lab.between = lambda _: None
    workspace.go(1)
    predicted(workspace)
    assert workspace.predicting.state.stage is Stage.DONE
    assert lab.asked == [workspace.tile]
    assert [engine.closed for engine in lab.engines] == [0]


def test_a_tile_that_is_asked_for_again_while_it_is_being_stopped_is_predicted(
    workspace: Workspace, lab: SteppingLab
) -> None:
    """A model that still loads is stopped when it has, which may take long."""
    lab.make = LastingEngine

    def stop_and_ask_again(done: int) -> None:
        if done == 1 and len(stages) < 2:
            workspace.predicting.stop()
            stages.append(workspace.predicting.state.stage)
            workspace.predicting.predict()
            workspace.predicting._wanted.step()  # a worker looks for work and finds this tile under way
            stages.append(workspace.predicting.state.stage)

    stages: list[Stage] = []
    lab.between = stop_and_ask_again
    predicted(workspace)
    settle(workspace)

    assert stages == [Stage.NONE, Stage.WAITING]
    assert workspace.predicting.state.stage is Stage.DONE
    assert lab.asked == [workspace.tile]


def test_a_tile_that_is_stopped_before_it_reaches_the_model_does_not_reach_it(
    workspace: Workspace, lab: SteppingLab
) -> None:
    """The layers that it is made of are read first: a stop in the meantime would find nothing to be stopped."""
    lab.make = LastingEngine
    predicted(workspace)
    lab.asked.clear()
    workspace.go(1)
    settle(workspace)
    obtain = workspace.predicting._answering._pictures.obtain_content

    def stop_and_obtain(wish: Wish) -> LayerContent:
        workspace.predicting.stop()
        return obtain(wish)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace.predicting._answering._pictures, "obtain_content", stop_and_obtain)
        predicted(workspace)
    assert not lab.asked
    assert workspace.predicting.state.stage is Stage.NONE


def test_a_tile_that_is_stopped_before_it_is_begun_is_not_begun(workspace: Workspace, lab: SteppingLab) -> None:
    """The worker has taken it up, and is not at it yet: there is nothing under way that could be told to stop."""
    lab.make = LastingEngine
    settle(workspace)
    workspace.predicting.choose("both")
    workspace.predicting.predict()
    ask = workspace.predicting._wanted._take()
    assert ask is not None

    workspace.predicting.stop()
    workspace.predicting._wanted._fulfil(ask)

    assert not lab.asked
    assert workspace.predicting.state.stage is Stage.NONE
    predicted(workspace)
    assert workspace.predicting.state.stage is Stage.DONE


@pytest.mark.parametrize("leave", [lambda predicting: predicting.choose(""), lambda predicting: predicting.close()])
def test_a_model_that_is_left_before_it_is_started_is_not_started(
    workspace: Workspace, lab: SteppingLab, leave: Callable[[Predicting], None]
) -> None:
    """Who closes the window would wait for its answer, and who wants no model would have its process."""
    lab.make = LastingEngine
    settle(workspace)
    workspace.predicting.choose("both")
    answering = workspace.predicting._answering
    kept_before = answering._kept_before

    def leave_and_look(ask: Ask) -> Prediction | None:
        leave(workspace.predicting)
        return kept_before(ask)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "_kept_before", leave_and_look)
        workspace.predicting.predict()
        workspace.predicting.step()

    assert not lab.engines


def test_other_options_go_to_the_model_that_is_loaded(workspace: Workspace, lab: SteppingLab) -> None:
    lab.make = LastingEngine

    def change_once(done: int) -> None:
        if done == 1 and workspace.predicting.state.options == RunOptions():
            workspace.predicting.set_options(RunOptions(choices={"steps": 10}))

    lab.between = change_once
    predicted(workspace)
    settle(workspace)

    assert [options.choices for options in lab.options] == [{"steps": 10}]
    assert workspace.predicting.state.stage is Stage.DONE
    assert [engine.closed for engine in lab.engines] == [0]

    workspace.predicting.set_options(RunOptions("cpu", choices={"steps": 10}))  # elsewhere it has to be loaded again
    workspace.predicting.forget()
    settle(workspace)
    assert [engine.closed for engine in lab.engines] == [1, 0]


def test_a_tile_that_nobody_looks_at_makes_way_and_is_predicted_when_somebody_does(
    workspace: Workspace, lab: SteppingLab
) -> None:
    lab.make = LastingEngine
    first = workspace.tile

    def go_on_once(done: int) -> None:
        if done == 1 and workspace.tile == first:
            workspace.go(1)
            workspace.predicting.predict()

    lab.between = go_on_once
    predicted(workspace)
    assert lab.asked == [workspace.tile] != [first]
    assert workspace.predicting.state.stage is Stage.DONE

    lab.between = lambda _: None
    workspace.go(-1)
    settle(workspace)
    assert workspace.tile == first
    assert workspace.predicting.state.stage is Stage.DONE
    assert len(lab.engines) == 1


def test_a_tile_is_finished_behind_the_back_of_who_only_looks_at_another(
    workspace: Workspace, lab: SteppingLab
) -> None:
    lab.make = LastingEngine
    first = workspace.tile
    lab.between = lambda done: workspace.go(1) if done == 1 else None
    predicted(workspace)

    assert lab.asked == [first]
    assert workspace.predicting.state.stage is Stage.NONE
    assert first is not None
    assert workspace.predicting.stage(first) is Stage.DONE


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
    assert layers[HEIGHT].title == "Predicted elevation, fitted to nDSM"
    assert pane(workspace, HEIGHT).caption.endswith("by least squares")
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
    assert (layers[HEIGHT].unit, layers[HEIGHT].title) == ("", "Predicted elevation")
    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    np.testing.assert_array_equal(judgement.rasters[HEIGHT].pixels, said.pixels)
    assert any("no unit" in remark for remark in judgement.remarks)

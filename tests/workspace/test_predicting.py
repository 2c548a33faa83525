"""The model works on the tile that is looked at: its answer lies there and nowhere else, and its troubles hold nobody up."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsviewer.core.errors import SaveError
from rsviewer.core.model import Augmentation, RunOptions
from rsviewer.core.prediction import HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, RIGHT
from rsviewer.core.scene import PaneState
from rsviewer.core.style import RangeMode
from rsviewer.core.tile import LayerId, LayerKind, Raster, TileId
from rsviewer.data.predictions import PredictionStore
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import TOO_HIGH, FakeShelf, JobsLater, Lab, opened_again, pane, predicted, settle

NDSM, LANDCOVER, IMAGE, PRE_IMAGE = LayerId("ndsm"), LayerId("landcover"), LayerId("image"), LayerId("pre_image")


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf()


@pytest.fixture
def workspace(tiny_dataset: Path, lab: Lab, shelf: FakeShelf) -> Iterator[Workspace]:
    opened = opened_again(tiny_dataset, lab, shelf)
    yield opened
    opened.close()


def test_nothing_is_loaded_or_shown_before_somebody_asks(workspace: Workspace, lab: Lab) -> None:
    assert not lab.engines
    assert workspace.predicting.state.stage is Stage.NONE
    assert not any(shown.layer.startswith("model.") for shown in workspace.scene().panes)


def test_i_takes_the_first_model_that_is_here_and_lays_its_answer_beside_the_reference(workspace: Workspace) -> None:
    predicted(workspace)

    state = workspace.predicting.state
    assert state.model is not None
    assert (state.model.id, state.stage, state.seconds, state.device) == ("both", Stage.DONE, 0.25, "cpu")
    shown = [each.layer for each in workspace.scene().panes]
    assert shown == [PRE_IMAGE, IMAGE, NDSM, HEIGHT, HEIGHT_ERROR, LANDCOVER, LABELS, LABELS_ERROR, "change"]
    assert all(each.state is PaneState.SHOWN for each in workspace.scene().panes)


def test_the_readout_says_prediction_reference_and_error(workspace: Workspace) -> None:
    predicted(workspace)
    workspace.viewing.set_cursor((3, 2))

    said = {reading.layer: reading.text for reading in workspace.readout().readings}
    assert said[NDSM] == "24.00 m"
    assert said[HEIGHT] == "26.50 m"
    assert said[HEIGHT_ERROR] == "2.50 m"
    assert said[LABELS] == "5  Tree"
    assert said[LABELS_ERROR] == "right"


def test_the_error_is_signed_metres_with_zero_in_the_middle_and_void_where_the_reference_is(
    workspace: Workspace,
) -> None:
    predicted(workspace)

    error = workspace.outcomes.raster(TileId("a/1"), HEIGHT_ERROR)
    assert error is not None
    assert not error.valid[0, 0, 0]
    assert error.pixels[0, 1, 1] == pytest.approx(TOO_HIGH)
    bar = pane(workspace, HEIGHT_ERROR).colorbar
    assert bar is not None
    assert bar.low == -bar.high
    wrong = workspace.outcomes.raster(TileId("a/1"), LABELS_ERROR)
    assert wrong is not None
    assert set(np.unique(wrong.pixels[0, :, :16])) == {RIGHT}
    assert set(np.unique(wrong.pixels[0, :, 16:])) == {5}


def test_predicted_heights_have_the_range_of_their_reference_locked_or_not(workspace: Workspace) -> None:
    predicted(workspace)

    def ranges() -> tuple[tuple[float, float], tuple[float, float]]:
        bars = [pane(workspace, layer).colorbar for layer in (NDSM, HEIGHT)]
        return tuple((bar.low, bar.high) for bar in bars if bar is not None)  # type: ignore[return-value]

    assert ranges()[0] == ranges()[1]
    workspace.looks.set_style(NDSM, replace(workspace.looks.style(NDSM), range_mode=RangeMode.FIXED, low=0.0, high=7.0))
    settle(workspace)
    assert ranges() == ((0.0, 7.0), (0.0, 7.0))
    workspace.toggle_lock()
    settle(workspace)
    assert ranges() == ((0.0, 7.0), (0.0, 7.0))
    assert HEIGHT not in workspace.session.unlocked


def test_the_scores_of_the_tile_are_there_with_the_answer(workspace: Workspace) -> None:
    predicted(workspace)

    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    assert judgement.heights is not None
    assert judgement.labels is not None
    assert judgement.heights.whole is not None
    assert judgement.heights.whole.bias == pytest.approx(TOO_HIGH)
    assert judgement.labels.accuracy == 0.5


def test_files_that_are_read_anew_are_predicted_anew(workspace: Workspace, lab: Lab) -> None:
    predicted(workspace)
    workspace.reload()
    settle(workspace)
    assert lab.asked == ["a/1", "a/1"]

    def user_reloads() -> None:
        lab.meanwhile = None
        workspace.reload()

    workspace.go(1)
    lab.meanwhile = user_reloads
    predicted(workspace)
    assert lab.asked == ["a/1", "a/1", "a/2", "a/2"], "the first answer was for the file as it was before"
    assert workspace.predicting.state.stage is Stage.DONE


def test_a_late_prediction_is_kept_but_not_shown_on_another_tile(workspace: Workspace, lab: Lab) -> None:
    """Walk 3 of the architecture: the forward pass for one tile ends while the user is on another."""
    predicted(workspace)
    workspace.go(1)
    settle(workspace)
    heard: list[Changed] = []

    def user_moves_on() -> None:
        lab.meanwhile = None
        workspace.go(1)
        workspace.subscribe(heard.append)

    lab.meanwhile = user_moves_on
    workspace.predicting.predict()
    while workspace.predicting.step():
        pass

    assert workspace.tile == "a/3"
    assert lab.asked == ["a/1", "a/2"]
    assert workspace.predicting.state.stage is Stage.NONE
    assert pane(workspace, HEIGHT).state is PaneState.AWAITED
    assert pane(workspace, HEIGHT).picture is None
    assert not any(changed & Changed.PICTURE for changed in heard), "nobody on another tile is told to look"
    workspace.go(-1)
    settle(workspace)
    shown = pane(workspace, HEIGHT)
    assert (shown.tile, shown.state) == ("a/2", PaneState.SHOWN)
    assert isinstance(shown.content, Raster)
    assert shown.content.pixels[0, 1, 1] == pytest.approx(11 + 2 + TOO_HIGH)
    assert lab.asked == ["a/1", "a/2"], "it was there"


def test_an_answer_for_another_tile_is_thrown_away(workspace: Workspace, lab: Lab) -> None:
    lab.answers_for = TileId("b/2")
    predicted(workspace)

    assert workspace.predicting.state.stage is Stage.FAILED
    assert "another tile" in workspace.predicting.state.message
    assert workspace.outcomes.raster(TileId("b/2"), HEIGHT) is None


def test_a_pane_without_an_answer_says_how_to_get_one_and_holds_nobody_up(workspace: Workspace) -> None:
    predicted(workspace)
    workspace.go(1)
    settle(workspace)

    waiting = pane(workspace, HEIGHT)
    assert (waiting.state, waiting.message) == (PaneState.AWAITED, "Press I to predict this tile.")
    assert workspace.is_ready
    assert workspace.scene().complete


def test_i_without_a_tile_is_over_at_once(workspace: Workspace, lab: Lab) -> None:
    workspace.predicting.choose("both")
    workspace.finding.choose("group = 'nowhere'", "")
    settle(workspace)
    predicted(workspace)
    assert not workspace.predicting.is_busy
    workspace.finding.choose("", "")
    settle(workspace)

    assert not lab.asked, "that was long ago"


def test_a_pane_says_what_the_model_is_doing(workspace: Workspace, lab: Lab) -> None:
    said = []
    lab.meanwhile = lambda: said.append(pane(workspace, HEIGHT).message)
    predicted(workspace)
    workspace.go(1)
    predicted(workspace)

    assert said == ["Loading the model…", "Predicting…"]


def test_a_pane_without_a_reference_on_this_tile_says_why(workspace: Workspace) -> None:
    workspace.show_tile(TileId("b/2"))
    settle(workspace)
    predicted(workspace)

    assert pane(workspace, HEIGHT).state is PaneState.SHOWN
    broken = pane(workspace, HEIGHT_ERROR)
    assert broken.state is PaneState.AWAITED
    assert "nDSM cannot be read" in broken.message


def test_with_shift_i_every_tile_is_predicted_and_the_next_ones_ahead(workspace: Workspace, lab: Lab) -> None:
    workspace.predicting.toggle_live()
    settle(workspace)
    assert lab.asked == ["a/1", "a/2", "a/3", "b/1", "b/2"]
    workspace.go(1)
    assert pane(workspace, HEIGHT).state is PaneState.SHOWN, "at once: it was there before the user came"
    settle(workspace)
    assert lab.asked[-1] == "b/3"
    workspace.predicting.toggle_live()
    assert not workspace.predicting.is_live


def test_while_a_key_is_held_nothing_new_is_predicted(workspace: Workspace, lab: Lab) -> None:
    predicted(workspace)
    workspace.predicting.toggle_live()
    settle(workspace)
    done = len(lab.asked)
    workspace.outcomes.forget()
    workspace.hurried = True
    workspace.go(1)
    settle(workspace)
    assert len(lab.asked) == done
    workspace.hurried = False
    settle(workspace)
    assert workspace.predicting.state.stage is Stage.DONE


def test_what_the_model_cannot_do_is_said_and_the_panes_go_on(workspace: Workspace, lab: Lab) -> None:
    lab.trouble = "The file of both is cut short: fetch it again."
    predicted(workspace)

    assert workspace.predicting.state.stage is Stage.FAILED
    assert workspace.predicting.state.message == lab.trouble
    assert pane(workspace, HEIGHT).message == lab.trouble
    assert pane(workspace, IMAGE).state is PaneState.SHOWN
    settle(workspace)
    assert lab.asked == ["a/1"], "it is not tried again and again"
    lab.trouble = ""
    predicted(workspace)
    assert workspace.predicting.state.stage is Stage.DONE


def test_another_reference_is_compared_without_predicting_again(workspace: Workspace, lab: Lab) -> None:
    predicted(workspace)
    workspace.predicting.set_reference(HEIGHT, None)
    settle(workspace)

    assert lab.asked == ["a/1"]
    assert workspace.outcomes.raster(TileId("a/1"), HEIGHT_ERROR) is None
    assert HEIGHT_ERROR not in [shown.layer for shown in workspace.scene().panes]
    assert pane(workspace, HEIGHT).state is PaneState.SHOWN
    workspace.predicting.set_reference(HEIGHT, NDSM)
    settle(workspace)
    assert pane(workspace, HEIGHT_ERROR).state is PaneState.SHOWN


def test_other_options_or_another_image_make_another_answer(workspace: Workspace, lab: Lab) -> None:
    predicted(workspace)
    workspace.predicting.set_options(replace(RunOptions(), device="cpu", threads=3))
    settle(workspace)
    assert lab.asked == ["a/1"], "where it runs does not change what it says"
    workspace.predicting.set_input(0, PRE_IMAGE)
    settle(workspace)
    assert lab.asked == ["a/1", "a/1"]
    assert lab.options[-1].threads == 3
    assert workspace.predicting.state.inputs[0][0] is not None
    assert workspace.predicting.state.inputs[0][0].id == PRE_IMAGE


def test_another_model_takes_the_place_of_the_first_and_gives_its_engine_back(workspace: Workspace, lab: Lab) -> None:
    predicted(workspace)
    workspace.predicting.choose("other")
    settle(workspace)

    assert lab.engines[0].closed, "its memory is given back at once"
    assert pane(workspace, HEIGHT).state is PaneState.AWAITED, "the answer of one model is not that of the other"
    predicted(workspace)
    assert [engine.card.id for engine in lab.engines] == ["both", "other"]
    workspace.predicting.choose("")
    assert lab.engines[1].closed
    assert not any(shown.layer.startswith("model.") for shown in workspace.scene().panes)
    assert workspace.predicting.state.model is None


def test_while_another_model_is_checked_nothing_of_the_first_is_shown(workspace: Workspace) -> None:
    predicted(workspace)
    panes = [each.layer for each in workspace.scene().panes]
    later = workspace.predicting._jobs = JobsLater()  # type: ignore[assignment]  # a fake
    workspace.predicting.choose("other")
    settle(workspace)

    assert [each.layer for each in workspace.scene().panes] == panes, "and nothing jumps about"
    assert pane(workspace, HEIGHT).state is PaneState.AWAITED
    later.finish()
    predicted(workspace)
    assert pane(workspace, HEIGHT).state is PaneState.SHOWN


@pytest.mark.parametrize(
    ("model", "said"), [("absent", "add them"), ("nonsense", "no model nonsense")], ids=["missing", "unknown"]
)
def test_a_model_that_is_not_here_says_so(workspace: Workspace, lab: Lab, model: str, said: str) -> None:
    workspace.predicting.choose(model)

    assert said in workspace.predicting.state.message
    assert said in workspace.status().message
    settle(workspace)
    assert not lab.engines


def test_a_file_whose_hash_is_wrong_is_not_loaded(workspace: Workspace, shelf: FakeShelf, lab: Lab) -> None:
    shelf.wrong = "The file is not the one of the card."
    workspace.predicting.choose("both")
    predicted(workspace)

    assert workspace.predicting.state.message == shelf.wrong
    assert not lab.engines


def test_a_file_that_can_hold_programs_is_run_only_after_a_yes(
    workspace: Workspace, shelf: FakeShelf, lab: Lab
) -> None:
    workspace.predicting.choose("program")
    predicted(workspace)
    assert workspace.predicting.state.needs_consent
    assert not lab.engines
    workspace.predicting.allow()
    assert shelf.allowed == {"hash of program"}
    predicted(workspace)
    assert workspace.predicting.state.stage is Stage.DONE


@pytest.mark.parametrize("model", ["program", "other"])
def test_nothing_runs_on_the_word_of_the_model_before_while_a_file_is_checked(
    workspace: Workspace, lab: Lab, model: str
) -> None:
    """Hashing a large file takes seconds: time enough to change an option, which makes a new plan."""
    predicted(workspace)
    later = workspace.predicting._jobs = JobsLater()  # type: ignore[assignment]  # a fake
    workspace.predicting.choose(model)
    workspace.predicting.set_options(RunOptions(augmentation=Augmentation.FLIPS))
    predicted(workspace)

    assert workspace.predicting.plan is None
    assert [engine.card.id for engine in lab.engines] == ["both"]
    later.finish()
    predicted(workspace)
    assert workspace.predicting.state.needs_consent is (model == "program")
    assert [engine.card.id for engine in lab.engines[1:]] == ([] if model == "program" else ["other"])


def test_a_model_that_was_replaced_on_the_shelf_answers_for_itself(
    workspace: Workspace, shelf: FakeShelf, lab: Lab
) -> None:
    predicted(workspace)
    shelf.cards["both"] = replace(shelf.cards["both"], settings={"encoder": "vits"})
    workspace.predicting.refresh_models()
    settle(workspace)
    assert pane(workspace, HEIGHT).state is PaneState.AWAITED, "that was the answer of the model before"
    predicted(workspace)

    assert lab.engines[-1].card.settings == {"encoder": "vits"}
    assert len(lab.asked) == 2


def test_weights_that_were_replaced_in_place_are_other_weights(
    workspace: Workspace, shelf: FakeShelf, lab: Lab
) -> None:
    predicted(workspace)
    shelf.edition = "second"
    workspace.predicting.refresh_models()
    settle(workspace)

    assert (len(lab.engines), len(lab.asked)) == (2, 2), "what is on the screen is predicted with them"
    assert workspace.predicting.state.stage is Stage.DONE
    shelf.wrong = "The file is not the one of the card."
    workspace.predicting.refresh_models()
    assert workspace.predicting.state.message == shelf.wrong
    assert HEIGHT not in [shown.layer for shown in workspace.scene().panes]


def test_a_project_cannot_bring_a_model_of_its_own(tiny_dataset: Path, lab: Lab, shelf: FakeShelf) -> None:
    """A project may come from a stranger: it names a model of the user's shelf, or none."""
    workspace = opened_again(tiny_dataset, lab, shelf)
    workspace._keeper.change(model=replace(workspace.session.model, model=str(tiny_dataset / "evil.toml")))
    workspace.close()

    again = opened_again(tiny_dataset, lab, shelf)
    assert again.predicting.state.model is None
    again.close()


def test_the_model_is_there_again_next_time_but_runs_only_when_it_is_asked(
    tiny_dataset: Path, lab: Lab, shelf: FakeShelf
) -> None:
    workspace = opened_again(tiny_dataset, lab, shelf)
    workspace.predicting.choose("other")
    workspace.close()

    again = opened_again(tiny_dataset, lab, shelf)
    assert again.predicting.state.model is not None
    assert again.predicting.state.model.id == "other"
    assert pane(again, HEIGHT).state is PaneState.AWAITED
    assert not lab.asked
    again.close()


def test_kept_predictions_are_there_after_a_restart_without_running_anything(
    tiny_dataset: Path, lab: Lab, shelf: FakeShelf
) -> None:
    workspace = opened_again(tiny_dataset, lab, shelf)
    workspace.predicting.choose("both")
    workspace.predicting.set_kept(kept=True)
    predicted(workspace)
    workspace.close()

    again = opened_again(tiny_dataset, lab, shelf)
    assert pane(again, HEIGHT).state is PaneState.SHOWN
    assert pane(again, HEIGHT_ERROR).state is PaneState.SHOWN
    assert lab.asked == ["a/1"]
    again.go(1)
    settle(again)
    assert pane(again, HEIGHT).message == "Press I to predict this tile."
    again.close()


def test_a_kept_prediction_of_an_image_of_another_size_is_not_shown(
    tiny_dataset: Path, lab: Lab, shelf: FakeShelf
) -> None:
    workspace = opened_again(tiny_dataset, lab, shelf)
    workspace.predicting.choose("both")
    workspace.predicting.set_kept(kept=True)
    predicted(workspace)
    workspace.close()
    path = tiny_dataset / "a" / "opt" / "1.tif"
    with rasterio.open(path) as source:
        profile, pixels = source.profile, source.read()
    with rasterio.open(path, "w", **{**profile, "width": 16}) as target:
        target.write(pixels[:, :, :16])

    again = opened_again(tiny_dataset, lab, shelf)
    assert pane(again, HEIGHT).state is PaneState.AWAITED
    predicted(again)
    assert lab.asked == ["a/1", "a/1"]
    assert pane(again, HEIGHT).state is PaneState.SHOWN
    again.close()


def test_an_answer_that_cannot_be_kept_is_shown_all_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SaveError("The disk is full. Make room there, or choose another place.")

    monkeypatch.setattr(PredictionStore, "write", full)
    workspace.predicting.set_kept(kept=True)
    predicted(workspace)

    assert pane(workspace, HEIGHT).state is PaneState.SHOWN
    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    assert judgement.remarks == (
        "This prediction is not kept. The disk is full. Make room there, or choose another place.",
    )


def test_stopping_ends_the_engine_and_files_no_failure(workspace: Workspace, lab: Lab) -> None:
    def user_stops() -> None:
        lab.trouble = "The model's process was ended."
        workspace.predicting.stop()

    lab.meanwhile = user_stops
    predicted(workspace)

    assert lab.engines[0].closed == 1
    assert workspace.predicting.state.stage is Stage.NONE
    assert pane(workspace, HEIGHT).message == "Press I to predict this tile."
    lab.trouble, lab.meanwhile = "", None
    predicted(workspace)
    assert workspace.predicting.state.stage is Stage.DONE


def test_b_shows_the_reference_in_the_place_of_its_prediction(workspace: Workspace) -> None:
    predicted(workspace)
    reference = pane(workspace, NDSM).picture
    workspace.viewing.set_blink(on=True)
    blinking = pane(workspace, HEIGHT)
    assert blinking.picture == reference
    assert blinking.caption == "blink: nDSM"
    assert blinking.content is None, "the values under the cursor would be those of the prediction"


def test_m_lays_prediction_and_difference_over_the_image(workspace: Workspace) -> None:
    predicted(workspace)
    seen = []
    for _ in range(6):
        workspace.cycle_overlay()
        settle(workspace)
        seen.append(workspace.looks.overlay)
        over = pane(workspace, IMAGE).overlay
        if workspace.looks.overlay == "difference":
            assert over is not None
            assert over.painted.pixels[0, 0] == 0, "where it is right, the image is seen"
            assert over.painted.pixels[0, 20] != 0
    assert {"prediction", "difference", "none"} <= set(seen)


def test_predicted_heights_stand_in_3d_only_where_there_are_some(workspace: Workspace) -> None:
    workspace.reliefs.set_open(on=True)
    predicted(workspace)
    assert [spec.id for spec in workspace.reliefs.heights] == [NDSM, HEIGHT]
    workspace.go(1)
    settle(workspace)
    assert [spec.id for spec in workspace.reliefs.heights] == [NDSM]


def test_the_scores_of_looked_at_tiles_can_be_sorted_by(workspace: Workspace) -> None:
    predicted(workspace)

    assert "both_mae" in [column.name for column in workspace.index.columns()]
    workspace.finding.choose("both_mae > 2", "both_mae desc")
    settle(workspace)
    assert list(workspace.queue.ordinals) == [0]
    assert "5 of 6 tiles have no score of both yet" in workspace.status().message
    assert "not measured" not in workspace.status().message


def test_predicted_layers_are_no_files_of_the_dataset(workspace: Workspace) -> None:
    predicted(workspace)

    assert not any(spec.id.startswith("model.") for spec in workspace.dataset.layers)
    assert workspace.entry is not None
    assert HEIGHT not in workspace.entry.files
    assert {spec.kind for spec in workspace.outcomes.added.layers} == {
        LayerKind.HEIGHT,
        LayerKind.QUANTITY,
        LayerKind.LABELS,
    }


def test_3d_shows_the_new_answer_after_everything_was_read_anew(workspace: Workspace) -> None:
    workspace.reliefs.set_style(replace(workspace.reliefs.style, height=HEIGHT))
    workspace.reliefs.set_open(on=True)
    predicted(workspace)
    workspace.forget_pictures()
    while workspace.reliefs.step():
        pass
    settle(workspace)
    predicted(workspace)

    relief = workspace.reliefs.relief
    assert relief is not None
    assert [cloud.layer for cloud in relief.clouds] == [HEIGHT], relief.why

"""A model that takes many steps for a tile: its own options, its progress, and what it costs without a GPU."""

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from rsviewer.core.errors import ModelError
from rsviewer.core.expense import check_patience, cost, expected_seconds, spoken
from rsviewer.core.judging import Judgement
from rsviewer.core.metrics import HeightScores, RegionScores
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import Prediction
from rsviewer.core.relative import RelativeScores
from rsviewer.data.modelcards import read_card
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.data.resources import resource_path
from rsviewer.ui.fields import Number
from rsviewer.ui.panels.model import ModelPanel, on_gpu, step_words
from rsviewer.workspace.modelstate import ModelState, Stage, Steps
from tests.ui.test_model_panel import TILE, FakeWorkspace, cells, panel, seen, show, with_model, work

__all__ = ["panel", "work"]  # fixtures


@pytest.fixture(scope="module")
def slow() -> ModelCard:
    return read_card(resource_path("models") / "marigold-rs.toml")


def state_of(
    card: ModelCard, stage: Stage = Stage.NONE, options: RunOptions | None = None, **facts: object
) -> ModelState:
    options = options or RunOptions("cpu")
    model = ShelvedModel(card, card.id, resource_path("models") / "x", Presence.HERE)
    given = {"device": "", "options": options, "expected": expected_seconds(card, options), **facts}
    return with_model(model, stage, **given)


def test_the_options_of_the_card_are_fields(panel: ModelPanel, work: FakeWorkspace, slow: ModelCard) -> None:
    show(panel, work, state_of(slow))
    fields = panel.options.own

    assert list(fields) == ["steps", "ensemble", "resolution", "caption"]
    steps, resolution, caption = fields["steps"], fields["resolution"], fields["caption"]
    assert isinstance(steps, Number)
    assert isinstance(resolution, Number)
    assert isinstance(caption, QCheckBox)
    assert (steps.value(), steps.minimum(), steps.maximum()) == (50, 1, 200)
    assert resolution.text() == "as the tile"
    assert not caption.isChecked()
    steps.setValue(10)
    caption.click()
    asked = [what[1] for what in work.predicting.asked if what[0] == "options"]
    assert [one.choices for one in asked if isinstance(one, RunOptions)] == [{"steps": 10}, {"caption": 1}]


def test_what_was_chosen_is_shown_and_other_models_have_other_fields(
    panel: ModelPanel, work: FakeWorkspace, slow: ModelCard
) -> None:
    show(panel, work, state_of(slow, options=RunOptions(choices={"steps": 7, "caption": 1, "ensemble": 99})))
    fields = panel.options.own
    ensemble, caption = fields["ensemble"], fields["caption"]
    assert isinstance(ensemble, Number)
    assert isinstance(caption, QCheckBox)
    assert ensemble.value() == 20
    assert caption.isChecked()

    show(panel, work, state_of(replace(slow, id="plain", options=())))
    assert not panel.options.own


def test_it_says_what_it_costs_and_asks_once(
    panel: ModelPanel, work: FakeWorkspace, slow: ModelCard, qtbot: QtBot
) -> None:
    show(panel, work, state_of(slow))
    assert panel.patience.isVisible()
    said = cost(expected_seconds(slow, RunOptions()), (512, 512), 2)
    assert seen(panel.patience.words) == f"Made for a GPU. Without one {said}."
    with qtbot.waitSignal(panel.asked) as asked:  # and it does what the button says
        panel.patience.run.click()
    assert work.predicting.asked[-1] == ("options", RunOptions("cpu", slow=True))
    assert asked.args == ["model.predict"]

    show(panel, work, state_of(slow, options=RunOptions("cpu", slow=True, choices={"steps": 10})))
    assert spoken(expected_seconds(slow, RunOptions(choices={"steps": 10}))) in seen(panel.patience.words)
    assert not panel.patience.run.isVisible()


@pytest.mark.parametrize(
    ("device", "chosen", "devices", "known"),
    [
        ("", "auto", ("auto", "cpu"), False),
        ("", "auto", ("auto", "cpu", "cuda"), True),
        ("", "cpu", ("auto", "cpu", "cuda"), False),
        ("cpu", "auto", ("auto", "cpu", "cuda"), False),
        ("cuda:0", "auto", ("auto", "cpu"), True),
    ],
)
def test_on_a_gpu_nothing_is_asked(device: str, chosen: str, devices: tuple[str, ...], known: bool) -> None:
    assert on_gpu(ModelState(device=device, options=RunOptions(chosen)), devices) is known


def test_what_was_measured_takes_the_place_of_the_estimate(
    panel: ModelPanel, work: FakeWorkspace, slow: ModelCard
) -> None:
    show(panel, work, state_of(slow, expected=150.0, expected_size=(256, 384), expected_threads=0))
    said = "Made for a GPU. Without one a tile of 384 x 256 takes about 2.5 min, as the last one did."
    assert seen(panel.patience.words) == said


def test_a_fast_model_asks_nothing(panel: ModelPanel, work: FakeWorkspace, slow: ModelCard) -> None:
    show(panel, work, state_of(slow, expected=0.0))
    assert not panel.patience.isVisible()


def test_the_panel_counts_steps_and_can_stop(panel: ModelPanel, work: FakeWorkspace, slow: ModelCard) -> None:
    show(panel, work, state_of(slow, Stage.RUNNING, device="cpu", steps=Steps(3, 50, 197.4)))
    assert seen(panel.stage) == "Step 4 of 50, about 3.3 min left"
    assert panel.stop.isEnabled()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (Steps(0, 50), "Step 1 of 50"),
        (Steps(49, 50, 4.2), "Step 50 of 50, about 4 s left"),
        (Steps(50, 50, 0.0), "Step 50 of 50"),
    ],
)
def test_steps_in_words(steps: Steps, words: str) -> None:
    assert step_words(steps) == words


def test_scores_of_relative_heights_are_in_parts_of_the_range(
    panel: ModelPanel, work: FakeWorkspace, slow: ModelCard
) -> None:
    region = RegionScores(640, mae=1.5, rmse=2.25, bias=0.0, log10=0.1, deltas=(0.5, 0.6, 0.7))
    relative = RelativeScores(639, 1, 0.125, 0.25, 0.0625, 0.5, 0.375, (0.5, 0.75, 1.0), 12.34)
    heights = HeightScores({"whole": region}, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0, relative)
    judgement = Judgement(TILE, Prediction(TILE, "f"), heights=heights)
    show(panel, work, state_of(slow, Stage.DONE, judgement=judgement))

    assert seen(panel.scores.height_head.against) == "fitted to nDSM by least squares"
    rows = cells(panel.scores.heights)
    assert list(rows) == [
        *("MAE", "RMSE", "bias", "AbsRel", "SqRel", "RMSE of range", "RMSE log", "log10"),
        *("δ1  < 1.25", "δ2  < 1.25²", "δ3  < 1.25³", "SILog", "pixels"),
    ]
    assert rows["RMSE"][0] == "2.25 m"
    assert (rows["AbsRel"][0], rows["RMSE of range"][0], rows["SILog"][0]) == ("0.125", "0.062", "12.3")
    show(panel, work, state_of(slow, Stage.RUNNING))
    assert cells(panel.scores.heights)["AbsRel"] == ("", "")


def test_what_a_refused_tile_says_is_not_said_twice(panel: ModelPanel, work: FakeWorkspace, slow: ModelCard) -> None:
    with pytest.raises(ModelError) as refusal:
        check_patience(slow, RunOptions("cpu"))
    show(panel, work, state_of(slow, Stage.FAILED, message=str(refusal.value)))

    assert spoken(expected_seconds(slow, RunOptions())) in seen(panel.message)
    assert not seen(panel.patience.words)
    assert panel.patience.run.isVisible()

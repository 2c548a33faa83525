"""The model panel says which model works on the tile, how far it is, how good it is there; and asks for what is clicked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QMainWindow, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from rsviewer.core.judging import Judgement
from rsviewer.core.linemetrics import LineScores
from rsviewer.core.metrics import SCORE_COLUMNS, HeightScores, LabelScores, QuantityScores, RegionScores
from rsviewer.core.model import (
    Augmentation,
    Framing,
    ModelCard,
    ModelInput,
    ModelOutput,
    OutputKind,
    Precision,
    RunOptions,
    Scores,
    Weights,
)
from rsviewer.core.objectmetrics import ObjectScores
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, SCENE, Prediction, Score
from rsviewer.core.scenemetrics import SceneScores
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.ui.confusion import ConfusionMap
from rsviewer.ui.dialogs.aboutmodel import AboutModelDialog, about
from rsviewer.ui.figures import LINE, Bars, Table
from rsviewer.ui.panels.model import ModelPanel, model_tip
from rsviewer.ui.panels.modeloptions import ModelOptions, likely_devices
from rsviewer.ui.panels.scores import metres
from rsviewer.ui.theme import DARK, LIGHT, apply
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.modelstate import ModelState, Stage
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

TILE = TileId("a/1")
KEYS = {"model.predict": ("I",), "model.live": ("Shift+I",)}
NAMES = ("Bareland", "Rangeland", "Developed space", "Road", "Tree", "Water", "Agriculture land", "Buildings")
COLORS = (
    (128, 0, 0),
    (0, 255, 36),
    (148, 148, 148),
    (255, 255, 255),
    (34, 97, 38),
    (0, 69, 255),
    (75, 181, 73),
    (222, 31, 7),
)
CLASSES = tuple(
    LabelClass(value, name, color) for value, (name, color) in enumerate(zip(NAMES, COLORS, strict=True), 1)
)
IMAGE = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
PRE = LayerSpec(LayerId("pre_image"), LayerKind.OPTICAL, "pre image", date="pre")
NDSM = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="m")
DEM = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m")
LANDCOVER = LayerSpec(LayerId("landcover"), LayerKind.LABELS, "land cover", classes=CLASSES)

HEIGHTS_OUT = ModelOutput(OutputKind.HEIGHT, title="nDSM", reference=("ndsm",))
LABELS_OUT = ModelOutput(OutputKind.LABELS, title="land cover", classes=CLASSES, reference=("landcover",))
SCENE_OUT = ModelOutput(OutputKind.SCENE, title="Scene", classes=CLASSES)
FRAMINGS = (
    Framing("pad", "whole tile, mirrored at the edges", multiple=14),
    Framing("paper", "centre 504, as in the paper", window=504, crop=504),
)


def shelved(
    id_: str, title: str, *outputs: ModelOutput, family: str = "demo", presence: Presence = Presence.HERE, **facts: Any
) -> ShelvedModel:
    card = ModelCard(
        id_,
        title,
        family,
        (ModelInput(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),),
        outputs,
        FRAMINGS,
        Weights("weights.safetensors", sha256="ab" * 32, nbytes=1_300_000, page="https://example.org/weights"),
        description="A demonstration: a small network, trained on synthetic tiles. Not for real images.",
        licence="MIT",
        citation="Somebody, 2026.",
        source="https://example.org/model",
    )
    file = "weights.ts" if family == "torchscript" else "weights.safetensors"
    return ShelvedModel(card, id_, Path("/models") / id_ / file, presence, **facts)


HEIGHT_MODEL = shelved("demo-height", "Demo height", HEIGHTS_OUT, builtin=True)
LABEL_MODEL = shelved("demo-landcover", "Demo land cover", LABELS_OUT, builtin=True)
BOTH = shelved("rs3dada", "RS3DAda height and land cover (ViT-L)", HEIGHTS_OUT, LABELS_OUT)
SCENE_MODEL = shelved("scenes", "Scenes", SCENE_OUT)
ABSENT = shelved(
    "rs3dada-height",
    "RS3DAda height (ViT-L)",
    HEIGHTS_OUT,
    presence=Presence.MISSING,
    message="The weights are not here: get RS3DAda_height.pth from https://huggingface.co/JTRNEO/RS3DAda.",
)
SCRIPT = shelved("mine", "My own network", HEIGHTS_OUT, family="torchscript", runs_code=True)
BROKEN = ShelvedModel(None, "odd", Path("/models/odd"), Presence.BROKEN, message="card.toml: [[output]] is missing.")
MODELS = (HEIGHT_MODEL, LABEL_MODEL, ABSENT, BOTH, BROKEN)

HEIGHT_SCORES = HeightScores(
    {
        "whole": RegionScores(262_143, 1.234, 2.5, -0.456, 0.3, (0.612, 0.7, 0.8)),
        "high": RegionScores(41_000, 3.21, 5.1, -2.0, 0.2, (0.44, 0.66, 0.77)),
    },
    (0.541, 0.6, 0.7),
    0.5,
    0.6,
    0.7,
    0.321,
)


def label_scores() -> LabelScores:
    """Trees are all right, half of the roads are taken for developed space; there is no water."""
    table = np.diag([500, 22_000, 9000, 4000, 30_000, 0, 12_000, 15_000])
    table[3, 2] = 4000
    table[1, 6] = 2500
    table[7, 2] = 1200
    hit = np.diag(table)
    union = table.sum(axis=0) + table.sum(axis=1) - hit
    iou = np.where(union > 0, hit / np.maximum(union, 1), np.nan)
    return LabelScores(table, tuple(map(float, iou)), float(hit.sum() / table.sum()), float(np.nanmean(iou)))


def judged(**facts: Any) -> Judgement:
    prediction = Prediction(TILE, "f00", seconds=0.412, forward_seconds=0.38, device="cpu")
    return replace(Judgement(TILE, prediction), **facts)


def with_model(model: ShelvedModel, stage: Stage = Stage.NONE, **facts: Any) -> ModelState:
    outputs = () if model.card is None else tuple(output.kind for output in model.card.outputs)
    references: dict[LayerId, tuple[LayerSpec | None, tuple[LayerSpec, ...]]] = {}
    if OutputKind.HEIGHT in outputs:
        references[HEIGHT] = (NDSM, (NDSM, DEM))
    if OutputKind.LABELS in outputs:
        references[LABELS] = (LANDCOVER, (LANDCOVER,))
    state = ModelState(
        models=MODELS, model=model, stage=stage, inputs=((IMAGE, (PRE, IMAGE)),), references=references, device="cpu"
    )
    return replace(state, **facts)


class FakePredicting:
    """Says what the test wants it to say, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.state = ModelState(models=MODELS)
        self.asked: list[tuple[object, ...]] = []

    def choose(self, model: str) -> None:
        self.asked.append(("choose", model))

    def set_options(self, options: RunOptions) -> None:
        self.asked.append(("options", options))

    def set_input(self, number: int, layer: LayerId) -> None:
        self.asked.append(("input", number, layer))

    def set_reference(self, output: LayerId, layer: LayerId | None) -> None:
        self.asked.append(("reference", output, layer))

    def set_kept(self, *, kept: bool) -> None:
        self.asked.append(("kept", kept))

    def set_least_score(self, score: float) -> None:
        self.asked.append(("score", score))

    def allow(self) -> None:
        self.asked.append(("allow",))

    def refresh_models(self) -> None:
        self.asked.append(("refresh",))


class NothingFound:
    """Nobody has searched."""

    def words(self, tile: TileId) -> str:
        return ""


class FakeWorkspace:
    """As much of a workspace as the panel looks at."""

    def __init__(self) -> None:
        self.predicting = FakePredicting()
        self.likeness = NothingFound()
        self.tile: TileId | None = TILE
        self.hurried = False
        self.listeners: list[Callable[[Changed], None]] = []

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def tell(self, state: ModelState) -> None:
        self.predicting.state = state
        for listener in self.listeners:
            listener(Changed.PREDICTION)


def make_panel(work: FakeWorkspace | None, width: int = 300, height: int = 700) -> ModelPanel:
    panel = ModelPanel(ModelOptions(devices=("auto", "cpu", "cuda")))
    panel.set_keys(KEYS)
    panel.resize(width, height)
    panel.set_workspace(cast("Workspace | None", work))
    return panel


@pytest.fixture
def work() -> FakeWorkspace:
    return FakeWorkspace()


@pytest.fixture
def panel(qtbot: QtBot, work: FakeWorkspace) -> ModelPanel:
    made = make_panel(work)
    qtbot.addWidget(made)
    made.show()
    return made


def show(panel: ModelPanel, work: FakeWorkspace, state: ModelState) -> None:
    """What the workspace says now is on the screen."""
    work.tell(state)
    panel.show_state()


def seen(part: QLabel) -> str:
    """The words, where they are to be seen."""
    return part.text() if part.isVisible() else ""


def cells(table: Table) -> Mapping[str, tuple[str, ...]]:
    return {row.title: row.cells for row in table.rows} if table.isVisible() else {}


def shares(bars: Bars) -> Mapping[str, float | None]:
    return {bar.title: bar.share for bar in bars.bars} if bars.isVisible() else {}


# --- how far the model is


def test_without_a_dataset_it_says_so_and_nothing_can_be_clicked(qtbot: QtBot) -> None:
    panel = make_panel(None)
    qtbot.addWidget(panel)
    panel.show()
    assert seen(panel.stage) == "No dataset is open."
    assert not panel.predict.isEnabled()
    assert not panel.chooser.isEnabled()
    assert not panel.options_part.isVisible()


def test_without_a_model_it_names_the_key_and_the_model_that_it_would_take(
    panel: ModelPanel, work: FakeWorkspace
) -> None:
    assert seen(panel.stage) == "Choose a model, or press I: Demo height is built in"
    assert panel.chooser.currentText() == "No model"
    panel.set_keys({})
    assert seen(panel.stage) == "Choose a model, or press “Predict”: Demo height is built in"
    show(panel, work, ModelState(models=(ABSENT,)))
    assert seen(panel.stage) == "Choose a model, or add one with “…”"
    show(panel, work, ModelState())
    assert seen(panel.stage) == "There is no model: add one with “…”"
    assert not panel.predict.isEnabled()
    show(panel, work, ModelState(models=(ABSENT,), message="No model here fits this dataset."))
    assert seen(panel.message) == "No model here fits this dataset."


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (with_model(HEIGHT_MODEL), "Press I to predict this tile"),
        (with_model(HEIGHT_MODEL, Stage.WAITING, waiting=3), "Waiting: 3 tiles"),
        (with_model(HEIGHT_MODEL, Stage.WAITING, waiting=1), "Waiting…"),
        (with_model(HEIGHT_MODEL, Stage.LOADING), "Loading the model…"),
        (with_model(HEIGHT_MODEL, Stage.RUNNING), "Predicting on cpu…"),
        (with_model(HEIGHT_MODEL, Stage.RUNNING, device=""), "Predicting…"),
        (with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged()), "Predicted in 0.41 s on cpu"),
        (with_model(HEIGHT_MODEL, Stage.DONE, seconds=12.345, device="cuda:0"), "Predicted in 12.3 s on cuda:0"),
        (with_model(HEIGHT_MODEL, Stage.FAILED), "No prediction"),
        (with_model(ABSENT), "No prediction yet"),
    ],
)
def test_every_stage_has_its_words(panel: ModelPanel, work: FakeWorkspace, state: ModelState, words: str) -> None:
    show(panel, work, state)
    assert seen(panel.stage) == words


def test_what_went_wrong_is_said_in_the_colour_of_warnings_and_can_be_copied(
    panel: ModelPanel, work: FakeWorkspace, qapp: QApplication
) -> None:
    apply(DARK, qapp)
    why = "Demo height takes three bands, but “image” has two."
    show(panel, work, with_model(HEIGHT_MODEL, Stage.FAILED, judgement=judged(prediction=None, why=why)))
    assert seen(panel.message) == why
    assert panel.message.palette().windowText().color() == DARK.warn
    assert panel.message.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
    show(panel, work, with_model(HEIGHT_MODEL, Stage.FAILED, message="Out of memory."))
    assert seen(panel.message) == "Out of memory."
    show(panel, work, with_model(HEIGHT_MODEL, Stage.RUNNING))
    assert seen(panel.message) == ""


def test_markup_in_a_message_is_shown_as_it_is(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(HEIGHT_MODEL, Stage.FAILED, message="<b>odd</b> file"))
    assert panel.message.textFormat() is Qt.TextFormat.PlainText


EVIL = '<h1>Safe</h1><img src="file:////server/share/x.png">'


def markup_of(*widgets: QWidget) -> list[str]:
    """What Qt would take for HTML: labels that may, and tool tips."""
    every = [part for widget in widgets for part in (widget, *widget.findChildren(QWidget))]
    labels = [part for part in every if isinstance(part, QLabel) and part.textFormat() != Qt.TextFormat.PlainText]
    tips = [part.toolTip() for part in every]
    for choice in (part for part in every if isinstance(part, QComboBox)):
        tips += [choice.itemData(place, Qt.ItemDataRole.ToolTipRole) or "" for place in range(choice.count())]
    words = [label.text() for label in labels] + tips
    return [text for text in words if "<img" in text and GuiQt.mightBeRichText(text)]


def test_markup_of_strangers_is_shown_letter_by_letter(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    """A card, a layer and a class may be called anything; an image in HTML would make Windows log in at a server."""
    classes = (LabelClass(1, EVIL, (1, 2, 3)), LabelClass(2, "b" + EVIL, (4, 5, 6)))
    labels = replace(LABELS_OUT, title=EVIL, classes=classes)
    model = shelved("evil", EVIL, replace(HEIGHTS_OUT, title=EVIL, unit=EVIL), labels, message=EVIL, runs_code=True)
    assert model.card is not None
    card = replace(
        model.card,
        description=EVIL,
        licence=EVIL,
        source=EVIL,
        framings=(Framing("a", EVIL), Framing("b", EVIL)),
        inputs=(ModelInput(bands=(EVIL,)),),
    )
    model = replace(model, card=card, weights=Path(EVIL))
    layer = LayerSpec(LayerId("x"), LayerKind.HEIGHT, EVIL)
    state = with_model(model, Stage.DONE, models=(model,), message=EVIL, needs_consent=True, device=EVIL)
    state = replace(state, inputs=((layer, (layer,)),), references={HEIGHT: (layer, (layer,)), LABELS: (None, ())})
    show(panel, work, replace(state, judgement=judged(remarks=(EVIL,), why=EVIL)))
    about_it = AboutModelDialog(model)
    qtbot.addWidget(about_it)

    assert markup_of(panel, about_it) == []
    shown = plain_tip(EVIL)
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert plain_tip("Heights < 2 m") == "Heights < 2 m"


def test_a_model_whose_weights_are_missing_says_where_they_are(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(ABSENT))
    assert seen(panel.message) == ABSENT.message
    assert panel.chooser.currentText() == "RS3DAda height (ViT-L) · weights missing"


def test_a_broken_card_is_named_and_has_no_options(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, ModelState(models=MODELS, model=BROKEN))
    assert panel.chooser.currentText() == "odd · card broken"
    assert seen(panel.message) == BROKEN.message
    assert not panel.options_part.isVisible()
    assert not panel.scores.isVisible()


def test_while_every_tile_is_predicted_it_says_how_many_are_left(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(HEIGHT_MODEL, Stage.RUNNING, live=True, waiting=3))
    assert panel.live.isChecked()
    assert seen(panel.waiting) == "3 tiles to predict"
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, live=True, judgement=judged()))
    assert seen(panel.waiting) == "up to date"
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged()))
    assert not panel.live.isChecked()
    assert seen(panel.waiting) == ""


def test_news_reach_the_screen_by_themselves(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    work.tell(with_model(HEIGHT_MODEL, Stage.LOADING))
    qtbot.waitUntil(lambda: seen(panel.stage) == "Loading the model…")


def test_the_answer_of_another_tile_is_never_shown(panel: ModelPanel, work: FakeWorkspace) -> None:
    work.tile = TileId("a/2")
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(heights=HEIGHT_SCORES)))
    assert cells(panel.scores.heights) == {}
    assert seen(panel.stage) == "Press I to predict this tile"


# --- scores


def test_heights_are_scored_for_all_pixels_and_for_the_high_ones(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(heights=HEIGHT_SCORES)))
    scores = panel.scores
    assert scores.heights.columns == ("all", "> 3 m")
    assert cells(scores.heights) == {
        "MAE": ("1.23 m", "3.21 m"),
        "RMSE": ("2.50 m", "5.10 m"),
        "bias": ("−0.46 m", "−2.00 m"),
        "δ1  < 1.25": ("61.2 %", "44.0 %"),
        "δ2  < 1.25²": ("70.0 %", "66.0 %"),
        "δ3  < 1.25³": ("80.0 %", "77.0 %"),
        "F1  > 1 m": ("54.1 %", ""),
        "pixels": ("262,143", "41,000"),
    }
    assert seen(scores.height_head.title) == "nDSM"
    assert seen(scores.height_head.against) == "against nDSM"
    assert not scores.labels_head.isVisible()
    tip = scores.heights.tip_at(QPoint(5, LINE + 3))
    assert SCORE_COLUMNS["mae"][1:] in tip, "what it means is in its tool tip"
    assert "recall 60.0 %" in scores.heights.tip_at(QPoint(5, 7 * LINE + 3))
    assert scores.heights.tip_at(QPoint(5, 99 * LINE)) == ""


def test_a_region_that_is_left_out_has_no_numbers(panel: ModelPanel, work: FakeWorkspace) -> None:
    whole = HEIGHT_SCORES.regions["whole"]
    low = replace(HEIGHT_SCORES, regions={"whole": whole})
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(heights=low)))
    assert cells(panel.scores.heights)["MAE"] == ("1.23 m", "")


def test_the_lines_stand_there_before_the_numbers_do(panel: ModelPanel, work: FakeWorkspace) -> None:
    """Nothing jumps from tile to tile, and no tile shows the numbers of another one."""
    show(panel, work, with_model(BOTH, Stage.DONE, judgement=judged(heights=HEIGHT_SCORES, labels=label_scores())))
    tall = panel.scores.sizeHint().height()
    show(panel, work, with_model(BOTH, Stage.RUNNING))
    assert set(cells(panel.scores.heights).values()) == {("", "")}
    assert set(shares(panel.scores.classes).values()) == {None}
    assert list(shares(panel.scores.classes)) == list(NAMES)
    assert panel.scores.sizeHint().height() == tall


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.234, "1.23 m"),
        (0.0, "0.00 m"),
        (-0.001, "0.00 m"),
        (-12.5, "−12.50 m"),
        (2345.6, "2,346 m"),
        (1.3e6, "1.3e+06 m"),
    ],
)
def test_metres_are_short_and_have_no_sign_at_zero(value: float, words: str) -> None:
    assert metres(value) == words


def test_a_bias_upwards_has_a_sign() -> None:
    assert metres(0.5, signed=True) == "+0.50 m"


def test_classes_have_bars_in_their_colours_in_the_order_of_the_card(
    panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot
) -> None:
    show(panel, work, with_model(LABEL_MODEL, Stage.DONE, judgement=judged(labels=label_scores())))
    scores = panel.scores
    assert cells(scores.totals) == {"accuracy": ("92.3 %",), "mIoU": ("82.6 %",)}
    found = shares(scores.classes)
    assert list(found) == list(NAMES)
    assert found["Road"] == 0.5
    assert found["Water"] is None, "neither in the reference nor predicted"
    qtbot.waitUntil(lambda: scores.classes.height() == len(NAMES) * LINE)
    picture = scores.classes.grab().toImage()
    for place, color in enumerate(COLORS):
        assert picture.pixelColor(5, place * LINE + LINE // 2).getRgb()[:3] == color
    assert "4,000 px predicted" in scores.classes.tip_at(QPoint(5, 3 * LINE + 5))
    assert not scores.heights.isVisible()


def test_a_void_class_is_not_scored(panel: ModelPanel, work: FakeWorkspace) -> None:
    void = LabelClass(0, "not labelled", (0, 0, 0), void=True)
    model = shelved("void", "Void", replace(LABELS_OUT, classes=(void, *CLASSES)))
    scores = label_scores()
    padded = replace(scores, confusion=np.pad(scores.confusion, ((1, 0), (1, 0))), iou=(float("nan"), *scores.iou))
    show(panel, work, with_model(model, Stage.DONE, judgement=judged(labels=padded)))
    assert list(shares(panel.scores.classes)) == list(NAMES)
    assert shares(panel.scores.classes)["Road"] == 0.5
    assert panel.scores.confusion.table is not None
    assert np.array_equal(panel.scores.confusion.table, scores.confusion)


def test_the_confusion_is_folded_away_and_names_its_cells(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(LABEL_MODEL, Stage.DONE, judgement=judged(labels=label_scores())))
    scores = panel.scores
    assert not scores.confusion.isVisible()
    scores.confusion_part.head.click()
    assert scores.confusion.isVisible()
    confusion = scores.confusion
    right, wrong, empty = (
        confusion.grab().toImage().pixelColor(confusion.cell_center(*cell) + QPoint(-9, -9))
        for cell in ((4, 4), (3, 2), (5, 5))
    )
    assert right == DARK.accent
    assert wrong.red() > wrong.blue(), "roads taken for developed space"
    assert empty == DARK.field, "no water"
    tip = confusion.tip_at(confusion.cell_center(3, 2))
    assert tip == "Reference: Road, 8,000 px\nPredicted: Developed space, 4,000 px, 50.0 % of that"
    assert "(right)" in confusion.tip_at(confusion.cell_center(4, 4))
    assert confusion.tip_at(QPoint(0, 0)) == ""


@pytest.mark.parametrize("classes", [1, 2, 8, 300])
def test_a_confusion_of_any_size_fits_the_panel(qtbot: QtBot, classes: int) -> None:
    shown = ConfusionMap()
    qtbot.addWidget(shown)
    names = [LabelClass(value, str(value), (value % 256, 0, 0)) for value in range(classes)]
    shown.resize(234, 10)
    shown.show_table(np.eye(classes, dtype=np.int64), names, LIGHT)
    last = shown.cell_center(classes - 1, classes - 1)
    assert last.x() < 234
    assert last.y() < shown.height()
    shown.grab()
    assert shown.tip_at(QPoint(100, 233)) == "" or classes > 1


def test_a_scene_shows_its_likeliest_classes(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(SCENE_MODEL, Stage.RUNNING))
    assert len(panel.scores.scene.bars) == 5
    prediction = Prediction(TILE, "f00", scores=tuple(Score(name, 0.5 - 0.05 * n) for n, name in enumerate(NAMES)))
    show(panel, work, with_model(SCENE_MODEL, Stage.DONE, judgement=judged(prediction=prediction)))
    found = shares(panel.scores.scene)
    assert list(found) == list(NAMES[:5])
    assert found["Bareland"] == 0.5
    assert panel.scores.scene.accessibleDescription().startswith("Bareland 50.0 %")


def test_a_scene_stands_beside_what_its_own_labels_show(panel: ModelPanel, work: FakeWorkspace) -> None:
    output = replace(SCENE_OUT, scores=Scores.INDEPENDENT)
    model = shelved("several", "Several", output)
    show(panel, work, with_model(model, Stage.RUNNING))
    assert len(panel.scores.scene.bars) == len(output.classes)  # all of them: each has an answer of its own
    assert not panel.scores.area.isVisibleTo(panel)

    probabilities = [0.9, 0.6, 0.2] + [0.1] * (len(output.classes) - 3)
    compared = SceneScores(tuple(probabilities), (0.7, 0.0, 0.3, *[0.0] * (len(probabilities) - 3)), several=True)
    prediction = Prediction(TILE, "f00", scores=tuple(map(Score, NAMES, probabilities)))
    judgement = replace(judged(prediction=prediction), scene=compared)
    show(panel, work, with_model(model, Stage.DONE, judgement=judgement, references={SCENE: (LANDCOVER, (LANDCOVER,))}))
    titles = [bar.title for bar in panel.scores.scene.bars]
    assert titles[:4] == [f"✓ {NAMES[0]}", f"✗ {NAMES[1]}", f"○ {NAMES[2]}", NAMES[3]]
    assert panel.scores.scene.bars[0].color == output.classes[0].color
    assert shares(panel.scores.area) == {NAMES[0]: 0.7, NAMES[2]: 0.3}
    assert panel.scores.area_head.title.text() == LANDCOVER.title
    assert [row.title for row in panel.scores.scene_totals.rows] == ["right answers", "F1"]
    assert "✓ said and there" in panel.scores.scene.bars[0].tip

    show(panel, work, with_model(model, Stage.DONE, judgement=judged(prediction=prediction)))
    assert not panel.scores.area.isVisibleTo(panel)


def test_one_class_of_a_scene_is_right_or_wrong(panel: ModelPanel, work: FakeWorkspace) -> None:
    count = len(SCENE_OUT.classes)
    shown = (0.6, 0.4, *[0.0] * (count - 2))
    prediction = Prediction(TILE, "f00", scores=tuple(map(Score, NAMES, shown)))
    for there, word in ((shown, "right"), (shown[1::-1] + shown[2:], "wrong")):
        judgement = replace(judged(prediction=prediction), scene=SceneScores(shown, there))
        show(panel, work, with_model(SCENE_MODEL, Stage.DONE, judgement=judgement))
        assert [row.cells for row in panel.scores.scene_totals.rows] == [(word,)]


def test_where_there_is_no_reference_it_says_what_to_do(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(), references={HEIGHT: (None, (NDSM,))}))
    assert seen(panel.scores.height_note) == "No reference: choose one under Options."
    assert cells(panel.scores.heights) == {}
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(), references={HEIGHT: (None, ())}))
    assert seen(panel.scores.height_note) == "No reference: the dataset has no heights to compare with."


def test_remarks_say_why_there_are_no_scores(panel: ModelPanel, work: FakeWorkspace) -> None:
    remarks = ("No pixel is valid in both.", "The image was stretched.")
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(remarks=remarks)))
    assert seen(panel.scores.height_note) == "No scores for this tile."
    assert seen(panel.scores.remarks) == "\n".join(remarks)
    show(panel, work, with_model(HEIGHT_MODEL, Stage.RUNNING))
    assert seen(panel.scores.remarks) == ""


# --- what is clicked


def test_models_are_listed_with_what_one_wants_to_know(panel: ModelPanel, work: FakeWorkspace) -> None:
    chooser = panel.chooser
    titles = [chooser.itemText(place) for place in range(chooser.count())]
    assert titles[:4] == [
        "No model",
        "Demo height",
        "Demo land cover",
        "RS3DAda height (ViT-L) · weights missing",
    ]
    tip = chooser.itemData(3, Qt.ItemDataRole.ToolTipRole)
    assert "Licence: MIT" in tip
    assert "https://example.org/model" in tip
    assert chooser.itemData(3, Qt.ItemDataRole.ForegroundRole).color() == DARK.dim
    assert chooser.itemData(1, Qt.ItemDataRole.ForegroundRole).color() == DARK.text
    panel.set_theme(LIGHT)
    assert chooser.itemData(3, Qt.ItemDataRole.ForegroundRole).color() == LIGHT.dim
    assert max(map(len, model_tip(ABSENT).splitlines())) <= 64


def test_a_model_is_chosen(panel: ModelPanel, work: FakeWorkspace) -> None:
    panel.chooser.setCurrentIndex(2)
    panel.chooser.activated.emit(2)
    assert work.predicting.asked == [("choose", "demo-landcover")]
    assert panel.chooser.currentText() == "No model", "the workspace has not taken it yet"
    show(panel, work, with_model(LABEL_MODEL))
    panel.chooser.setCurrentIndex(0)
    panel.chooser.activated.emit(0)
    assert work.predicting.asked[-1] == ("choose", "")


def test_a_model_from_elsewhere_is_listed_while_it_is_chosen(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(SCENE_MODEL))
    assert panel.chooser.currentText() == "Scenes"
    show(panel, work, ModelState(models=MODELS))
    assert panel.chooser.findText("Scenes") == -1


def test_buttons_ask_for_the_commands_and_name_their_keys(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    asked: list[str] = []
    panel.asked.connect(asked.append)
    show(panel, work, with_model(HEIGHT_MODEL))
    panel.predict.click()
    panel.live.click()
    assert asked == ["model.predict", "model.live"]
    assert not panel.live.isChecked(), "it is on when the workspace says so"
    assert panel.predict.text() == "Predict\nI"
    assert panel.live.text() == "Every tile\nShift+I"
    panel.set_keys({"model.predict": ("F7",)})
    assert panel.predict.text() == "Predict\nF7"
    assert panel.live.text() == "Every tile"
    assert seen(panel.stage) == "Press F7 to predict this tile"


def test_what_is_under_way_can_be_stopped(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    assert not panel.stop.isVisible(), "there is no model"
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged()))
    assert not panel.stop.isEnabled()
    show(panel, work, with_model(HEIGHT_MODEL, Stage.RUNNING))
    with qtbot.waitSignal(panel.asked) as asked:
        panel.stop.click()
    assert asked.args == ["model.stop"]
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged(), waiting=2))
    assert panel.stop.isEnabled(), "the next ones"


def test_without_a_tile_nothing_can_be_predicted(panel: ModelPanel, work: FakeWorkspace) -> None:
    work.tile = None
    show(panel, work, with_model(HEIGHT_MODEL))
    assert not panel.predict.isEnabled()


def test_a_file_that_can_run_programs_waits_for_a_yes(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(SCRIPT))
    assert not panel.consent.isVisible()
    show(panel, work, with_model(SCRIPT, needs_consent=True, message="It needs your yes."))
    assert panel.consent.isVisible()
    assert panel.consent.words.text().startswith("weights.ts is a TorchScript file. It holds a program")
    assert seen(panel.message) == "", "said once is enough"
    assert "abab" in panel.consent.run.toolTip()
    panel.consent.run.click()
    assert work.predicting.asked == [("allow",)]


def test_options_are_folded_away_and_ask_for_what_is_chosen(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(BOTH, options=RunOptions(device="cuda:1")))
    options = panel.options
    assert not options.isVisible()
    panel.options_part.head.click()
    assert options.isVisible()
    assert options.device.currentText() == "cuda:1"
    choose = (
        (options.framing, "centre 504, as in the paper"),
        (options.augmentation, "flips, 4 passes"),
        (options.device, "cpu"),
        (options.precision, "bfloat16"),
        (options.inputs[0], "pre image"),
        (options.references[HEIGHT], "DEM"),
        (options.references[LABELS], "none"),
    )
    for choice, title in choose:
        place = choice.findText(title)
        assert place >= 0, title
        choice.setCurrentIndex(place)
        choice.activated.emit(place)
    options.threads.setValue(1)
    options.kept.click()
    before = RunOptions(device="cuda:1")
    assert work.predicting.asked == [
        ("options", replace(before, framing="paper")),
        ("options", replace(before, augmentation=Augmentation.FLIPS)),
        ("options", replace(before, device="cpu")),
        ("options", replace(before, precision=Precision.BFLOAT16)),
        ("input", 0, "pre_image"),
        ("reference", HEIGHT, "dem"),
        ("reference", LABELS, None),
        ("options", replace(before, threads=1)),
        ("kept", True),
    ]
    assert options.device.currentText() == "cuda:1", "the fields show what is so"
    assert options.threads.text() == "automatic"
    assert not options.kept.isChecked()


def test_options_follow_the_model(panel: ModelPanel, work: FakeWorkspace) -> None:
    show(panel, work, with_model(BOTH, kept=True, options=RunOptions(threads=1, batch=100)))
    panel.options_part.set_open(on=True)
    options = panel.options
    assert options.kept.isChecked()
    assert (options.threads.value(), options.batch.value()) == (1, 100)
    assert [options.references[output].currentText() for output in (HEIGHT, LABELS)] == ["nDSM", "land cover"]
    show(panel, work, with_model(SCENE_MODEL))
    assert options.references == {}
    stubborn = replace(SCENE_MODEL, card=replace(cast("ModelCard", SCENE_MODEL.card), augmentable=False))
    show(panel, work, with_model(stubborn))
    assert not options.augmentation.isEnabled()


def test_two_inputs_are_numbered(panel: ModelPanel, work: FakeWorkspace) -> None:
    card = cast("ModelCard", HEIGHT_MODEL.card)
    two = replace(HEIGHT_MODEL, card=replace(card, inputs=(ModelInput(date="pre"), ModelInput(date="post"))))
    show(panel, work, with_model(two, inputs=((PRE, (PRE, IMAGE)), (IMAGE, (PRE, IMAGE)))))
    panel.options_part.set_open(on=True)
    labels = [label.text() for label in panel.options.findChildren(QLabel) if label.isVisible()]
    assert labels[:3] == ["Input", "Image 1", "Image 2"]
    assert [choice.currentText() for choice in panel.options.inputs] == ["pre image", "image"]


def test_what_is_being_typed_survives_the_news(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    show(panel, work, with_model(HEIGHT_MODEL, Stage.RUNNING))
    panel.options_part.set_open(on=True)
    batch = panel.options.batch
    batch.selectAll()
    qtbot.keyClicks(batch, "12")
    show(panel, work, with_model(HEIGHT_MODEL, Stage.DONE, judgement=judged()))
    assert batch.lineEdit().text() == "12"
    with qtbot.waitSignal(panel.done):
        qtbot.keyClick(batch, Qt.Key.Key_Return)
    assert work.predicting.asked == [("options", RunOptions(batch=12))]


@pytest.mark.parametrize(
    ("system", "there", "devices"),
    [
        ("linux", "/dev/nvidia0", ("auto", "cpu", "cuda")),
        ("linux", "", ("auto", "cpu")),
        ("darwin", "/System/Library/Frameworks/Metal.framework", ("auto", "cpu", "mps")),
        ("freebsd", "/dev/nvidia0", ("auto", "cpu")),
    ],
)
def test_only_devices_that_the_machine_may_have_are_offered(system: str, there: str, devices: tuple[str, ...]) -> None:
    assert likely_devices(system, lambda path: path == there) == devices


def test_the_menu_adds_looks_again_and_shows_the_card(panel: ModelPanel, work: FakeWorkspace, qtbot: QtBot) -> None:
    assert not panel.about.isEnabled()
    with qtbot.waitSignal(panel.asked_add):
        panel.add.trigger()
    panel.again.trigger()
    assert work.predicting.asked == [("refresh",)]
    show(panel, work, with_model(BOTH))
    panel.about.trigger()
    (dialog,) = panel.window().findChildren(AboutModelDialog)
    assert dialog.windowTitle() == "About RS3DAda height and land cover (ViT-L)"
    assert dialog.text.isReadOnly()
    assert not dialog.isModal()
    dialog.close()


def test_the_card_in_words_leaves_nothing_out() -> None:
    words = about(BOTH)
    for fact in (
        "Licence: MIT",
        "optical: red, green, blue; full brightness 255; mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225",
        "nDSM: a height for every pixel, in m",
        "8 classes: Bareland, Rangeland",
        "whole tile, mirrored at the edges",
        "SHA-256: abababab",
        "Size: 1.3 MB",
        "Somebody, 2026.",
        "https://example.org/weights",
    ):
        assert fact in words, fact
    assert "odd" in about(BROKEN)


# --- the keyboard, and room


class Outside(QMainWindow):
    """A window around the panel that takes down the letters it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[str] = []

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.letters.append(event.text())


def test_letters_go_on_to_the_window(work: FakeWorkspace, qtbot: QtBot) -> None:
    outside, panel = Outside(), make_panel(work)
    qtbot.addWidget(outside)
    outside.setCentralWidget(panel)
    outside.show()
    why = "It does not fit."
    show(panel, work, with_model(SCRIPT, Stage.FAILED, needs_consent=True, message=why))
    panel.options_part.set_open(on=True)
    parts = (
        panel.chooser,
        panel.more,
        panel.predict,
        panel.live,
        panel.consent.run,
        panel.message,
        panel.options_part.head,
        panel.options.device,
        panel.options.kept,
    )
    for part in parts:
        event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_D, Qt.KeyboardModifier.NoModifier, "d")
        QApplication.sendEvent(part, event)
    assert outside.letters == ["d"] * len(parts)
    for button in panel.findChildren(QPushButton):
        assert not button.focusPolicy() & Qt.FocusPolicy.ClickFocus, button.text()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("width", [250, 320])
def test_nothing_is_wider_than_the_panel(
    qtbot: QtBot, work: FakeWorkspace, qapp: QApplication, theme: Any, width: int
) -> None:
    apply(theme, qapp)
    work.predicting.state = with_model(
        BOTH, Stage.DONE, judgement=judged(heights=HEIGHT_SCORES, labels=label_scores(), remarks=("A remark. " * 20,))
    )
    panel = make_panel(work, width, 400)
    qtbot.addWidget(panel)
    panel.set_theme(theme)
    panel.options_part.set_open(on=True)
    panel.scores.confusion_part.set_open(on=True)
    panel.show()
    for part in (panel.chooser, panel.more, panel.live, panel.scores, panel.options, panel.options.kept):
        right = part.mapTo(panel, QPoint(part.width(), 0)).x()
        assert right <= width, part
        assert part.width() >= part.minimumSizeHint().width(), part
    assert panel.options.kept.width() >= panel.options.kept.sizeHint().width()


def test_what_is_shown_already_is_not_filled_in_again(
    panel: ModelPanel, work: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = with_model(BOTH, Stage.DONE, judgement=judged(heights=HEIGHT_SCORES, labels=label_scores()))
    show(panel, work, state)
    filled: list[ModelState] = []
    monkeypatch.setattr(panel.scores, "show_state", lambda shown, _theme: filled.append(shown))
    work.predicting.state = replace(state)  # equal, not the same
    panel.show_state()
    assert filled == []
    work.predicting.state = replace(state, stage=Stage.RUNNING)
    panel.show_state()
    assert len(filled) == 1


def test_a_real_workspace_is_shown_and_asked(qtbot: QtBot, workspace: Workspace) -> None:
    panel = make_panel(None)
    qtbot.addWidget(panel)
    panel.set_workspace(workspace)
    panel.show()
    listed = [panel.chooser.itemData(place) for place in range(1, panel.chooser.count())]
    assert listed == [one.id for one in workspace.predicting.state.models]
    assert panel.predict.isEnabled() == bool(listed)
    panel.again.trigger()
    panel.options.kept_chosen.emit(True)
    panel.options.run_differently.emit(RunOptions(threads=1))
    assert workspace.predicting.state.options == RunOptions(threads=1)
    assert panel.options.threads.value() == 1
    panel.set_workspace(None)
    assert seen(panel.stage) == "No dataset is open."


def test_a_model_of_many_outputs_is_asked_for_one_and_objects_for_their_least_score(
    panel: ModelPanel, work: FakeWorkspace
) -> None:
    ships = ModelOutput(OutputKind.BOXES, "ships", "Ships", classes=CLASSES)
    model = shelved("many", "Many things", replace(LABELS_OUT, name="cover"), ships)
    assert model.card is not None
    many = replace(model, card=replace(model.card, exclusive=True))
    show(panel, work, with_model(LABEL_MODEL))
    assert panel.output.isHidden()
    show(panel, work, with_model(many))
    assert not panel.output.isHidden()
    assert panel.score_row.isHidden()
    assert panel.output.currentText() == "land cover"
    panel.output.setCurrentIndex(1)
    panel.output.activated.emit(1)
    assert work.predicting.asked[-1] == ("options", RunOptions(output="ships"))
    show(panel, work, with_model(many, options=RunOptions(output="ships"), least_score=0.25))
    assert not panel.score_row.isHidden()
    assert panel.score.value() == 25
    assert "0.25" in panel.score_words.text()
    panel.score.setValue(70)
    assert work.predicting.asked[-1] == ("score", 0.7)


def test_a_quantity_is_scored_in_its_unit(panel: ModelPanel, work: FakeWorkspace) -> None:
    cover = ModelOutput(OutputKind.QUANTITY, title="tree cover", unit="%", reference=("cover",))
    state = with_model(
        shelved("cover", "Cover", cover), Stage.DONE, judgement=judged(quantity=QuantityScores(9, 12.5, 20.0, -3.0))
    )
    show(panel, work, replace(state, references={QUANTITY: (NDSM, (NDSM,))}))
    said = cells(panel.scores.quantity)
    assert said == {"MAE": ("12.50 %",), "RMSE": ("20.00 %",), "bias": ("−3.00 %",), "pixels": ("9",)}


def test_classes_that_are_lines_are_scored_as_lines(panel: ModelPanel, work: FakeWorkspace) -> None:
    classes = (
        LabelClass(1, "road", (255, 255, 255)),
        LabelClass(2, "river", (0, 0, 255)),
        LabelClass(3, "pier", (9, 9, 9)),
    )
    lines = replace(LABELS_OUT, classes=classes, reference=("vector",))
    vector = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    scores = LineScores({"road": (50, 100, 30, 60)})
    for judgement in (None, judged(lines=scores)):
        stage = Stage.RUNNING if judgement is None else Stage.DONE
        state = with_model(shelved("lines", "Lines", lines), stage, judgement=judgement)
        show(panel, work, replace(state, references={LABELS: (vector, (vector,))}))
        assert list(shares(panel.scores.classes)) == ["road", "river"]  # before there are numbers, too
        assert not panel.scores.confusion_part.isVisible()
    assert cells(panel.scores.totals) == {"F1": ("50.0 %",), "precision": ("50.0 %",), "recall": ("50.0 %",)}
    assert shares(panel.scores.classes) == {"road": 0.5, "river": None}
    nobody = replace(state, judgement=judged())
    show(panel, work, replace(nobody, references={LABELS: (vector, (vector,))}))
    assert seen(panel.scores.labels_note) == "No scores for this tile."


def test_objects_are_scored_from_about_the_score_that_is_shown(panel: ModelPanel, work: FakeWorkspace) -> None:
    ships = ModelOutput(OutputKind.BOXES, "ships", "Ships", classes=CLASSES, reference=("vector",))
    vector = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    counts = tuple((10 - place, 0, place) for place in range(11))  # from 0.05, 0.1, 0.2 and so on
    state = with_model(
        shelved("ships", "Ships", ships), Stage.DONE, judgement=judged(objects=ObjectScores({"ship": counts}))
    )
    for least, recall in ((0.5, "50.0 %"), (0.22, "80.0 %"), (1.0, "0.0 %")):
        show(panel, work, replace(state, least_score=least, references={BOXES: (vector, (vector,))}))
        assert cells(panel.scores.objects)["recall"] == (recall,)


def test_where_nothing_is_there_and_nothing_said_shares_are_empty_and_no_zeros(
    panel: ModelPanel, work: FakeWorkspace
) -> None:
    vector = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    ships = ModelOutput(OutputKind.BOXES, "ships", "Ships", classes=CLASSES, reference=("vector",))
    for counts, wanted in (
        ((0, 0, 0), ("", "", "")),
        ((0, 2, 0), ("0.0 %", "0.0 %", "")),
        ((0, 0, 2), ("0.0 %", "", "0.0 %")),
    ):
        judgement = judged(objects=ObjectScores({"ship": (counts,) * 11}))
        state = with_model(shelved("ships", "Ships", ships), Stage.DONE, judgement=judgement)
        show(panel, work, replace(state, references={BOXES: (vector, (vector,))}))
        assert [cells(panel.scores.objects)[name] for name in ("F1", "precision", "recall")] == [
            (one,) for one in wanted
        ]
    lines = replace(LABELS_OUT, classes=(LabelClass(1, "road", (9, 9, 9)),), reference=("vector",))
    state = with_model(
        shelved("lines", "Lines", lines), Stage.DONE, judgement=judged(lines=LineScores({"road": (0, 0, 0, 0)}))
    )
    show(panel, work, replace(state, references={LABELS: (vector, (vector,))}))
    assert set(cells(panel.scores.totals).values()) == {("",)}


def test_what_labels_say_of_a_tile_is_no_share_of_its_pixels(panel: ModelPanel, work: FakeWorkspace) -> None:
    vector = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    shown = (0.6, 0.4, *[0.0] * (len(SCENE_OUT.classes) - 2))
    there = (1.0, *[0.0] * (len(SCENE_OUT.classes) - 1))
    prediction = Prediction(TILE, "f00", scores=tuple(map(Score, NAMES, shown)))
    judgement = replace(judged(prediction=prediction), scene=SceneScores(shown, there))
    for layer, head, tip in (
        (vector, "label of the whole tile", "label of the whole tile"),
        (LANDCOVER, "shares of the tile", "share of the tile's pixels"),
    ):
        show(
            panel, work, with_model(SCENE_MODEL, Stage.DONE, judgement=judgement, references={SCENE: (layer, (layer,))})
        )
        assert panel.scores.area_head.against.text() == head
        assert [bar.tip for bar in panel.scores.area.bars] == [tip]

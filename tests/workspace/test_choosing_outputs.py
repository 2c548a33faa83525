"""A model that predicts one thing at a time: the user says which, and the model stays where it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.boxes import Boxes
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind, RunOptions
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, QUANTITY_ERROR, Prediction, Score
from rsviewer.core.scene import PaneState
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import CLASSES, FakeEngine, FakeShelf, Lab, card, opened_again, predicted, settle

SHIPS = ModelOutput(OutputKind.BOXES, "ships", "ships", classes=CLASSES)
COVER = ModelOutput(OutputKind.QUANTITY, "cover", "cover", unit="m", low=0.0, high=100.0, reference=("ndsm",))
SMOKE = ModelOutput(OutputKind.SCENE, "smoke", "smoke", classes=CLASSES)


class OneAtATime(FakeEngine):
    """Answers for the output that it is asked for."""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        found = super().predict(tile, fitted, model=model)
        self.lab.outputs.append(fitted.output)  # type: ignore[attr-defined]  # of the lab below
        if fitted.output == "ships":
            corners = np.array([[2, 2, 8, 8], [10, 4, 14, 9]], np.float32)
            boxes = Boxes(corners, np.array([8, 5], np.int32), np.array([0.9, 0.3], np.float32), (16, 16))
            height, width = fitted.valid.shape
            return replace(found, rasters={}, boxes=replace(boxes, size=(width, height)))
        if fitted.output == "smoke":
            return replace(found, rasters={}, scores=(Score("partial", 0.834), Score("yes", 0.166)))
        if fitted.output == "cover":
            height: Raster = found.rasters[HEIGHT]  # type: ignore[no-redef]  # another branch
            return replace(found, rasters={QUANTITY: height})
        return replace(found, rasters={LABELS: found.rasters[LABELS]})


class OutputLab(Lab):
    """Remembers which outputs were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[str] = []

    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> FakeEngine:
        self.engines.append(OneAtATime(self, card, weights, options))
        return self.engines[-1]


@pytest.fixture
def lab() -> OutputLab:
    return OutputLab()


@pytest.fixture
def workspace(tiny_dataset: Path, lab: OutputLab) -> Iterator[Workspace]:
    shelf = FakeShelf()
    whole = card("both")
    shelf.cards = {"both": replace(whole, outputs=(whole.outputs[1], COVER, SHIPS, SMOKE), exclusive=True)}
    opened = opened_again(tiny_dataset, lab, shelf)
    yield opened
    opened.close()


def layers(workspace: Workspace) -> list[LayerId]:
    return [each.layer for each in workspace.scene().panes if each.layer.startswith("model.")]


def choose(workspace: Workspace, output: str) -> None:
    workspace.predicting.set_options(replace(workspace.predicting.state.options, output=output))
    settle(workspace)


def test_the_first_output_is_predicted_until_another_is_chosen(workspace: Workspace, lab: OutputLab) -> None:
    predicted(workspace)
    assert LABELS in layers(workspace)
    choose(workspace, "cover")
    assert lab.outputs == ["labels", "cover"]
    assert layers(workspace) == [QUANTITY, QUANTITY_ERROR]
    assert len(lab.engines) == 1  # and what it has kept of the tile is still there
    judgement = workspace.predicting.state.judgement
    assert judgement is not None
    assert judgement.quantity is not None
    assert judgement.quantity.mae == pytest.approx(2.5)


def bar_of(workspace: Workspace, layer: LayerId) -> tuple[float, float, str]:
    bar = next(pane for pane in workspace.scene().panes if pane.layer == layer).colorbar
    assert bar is not None
    return bar.low, bar.high, workspace.looks.style(layer).color_table


def test_a_quantity_has_the_range_and_the_colours_of_what_it_is_compared_with(workspace: Workspace) -> None:
    predicted(workspace)
    choose(workspace, "cover")
    assert bar_of(workspace, QUANTITY) == bar_of(workspace, LayerId("ndsm"))
    workspace.looks.set_style(LayerId("ndsm"), replace(workspace.looks.style(LayerId("ndsm")), percent=20.0))
    settle(workspace)
    assert bar_of(workspace, QUANTITY) == bar_of(workspace, LayerId("ndsm"))
    entry = workspace.entry
    assert entry is not None
    Path(entry.files[LayerId("ndsm")]).unlink()
    workspace.reload()
    settle(workspace)
    assert bar_of(workspace, QUANTITY)[:2] == (0, 100)  # all that it can be


def test_the_class_of_the_whole_tile_stands_beside_its_image(workspace: Workspace) -> None:
    predicted(workspace)
    choose(workspace, "smoke")
    captions = {pane.layer: pane.caption for pane in workspace.scene().panes}
    assert "smoke: partial 83 %" in captions[LayerId("image")]
    assert not any("smoke" in caption for layer, caption in captions.items() if layer != "image")
    choose(workspace, "ships")
    assert not any("smoke" in pane.caption for pane in workspace.scene().panes)


def test_an_output_that_was_seen_before_is_there_at_once(workspace: Workspace, lab: OutputLab) -> None:
    predicted(workspace)
    choose(workspace, "cover")
    choose(workspace, "labels")
    assert lab.outputs == ["labels", "cover"]
    assert LABELS in layers(workspace)


def test_objects_are_drawn_over_the_image_and_those_that_are_sure_enough_only(workspace: Workspace) -> None:
    predicted(workspace)
    choose(workspace, "ships")
    assert layers(workspace) == [BOXES]
    (own,) = (pane for pane in workspace.scene().panes if pane.layer == BOXES)
    assert own.state is PaneState.SHOWN
    image = next(pane for pane in workspace.scene().panes if pane.layer == "image")
    assert image.drawing is not None
    assert [feature.category for feature in image.drawing.vector.features] == ["Building"]
    workspace.predicting.set_least_score(0.2)
    settle(workspace)
    image = next(pane for pane in workspace.scene().panes if pane.layer == "image")
    assert image.drawing is not None
    assert [feature.category for feature in image.drawing.vector.features] == ["Building", "Tree"]
    assert workspace.predicting.state.least_score == 0.2


def test_an_object_is_read_out_at_the_cursor_with_its_score(workspace: Workspace) -> None:
    predicted(workspace)
    choose(workspace, "ships")
    workspace.viewing.set_cursor((5, 5))
    said = {reading.layer: reading.text for reading in workspace.readout().readings}
    assert "Building" in said[BOXES]
    assert "0.90" in said[BOXES]


def test_kept_objects_are_there_again_and_made_anew_where_the_image_has_another_size(
    workspace: Workspace, lab: OutputLab
) -> None:
    workspace.predicting.set_kept(kept=True)
    choose(workspace, "ships")
    predicted(workspace)
    assert lab.outputs == ["ships"]
    workspace.predicting.forget()
    settle(workspace)
    assert lab.outputs == ["ships"]  # read from the project
    plan = workspace.predicting.plan
    assert plan is not None
    assert plan.store is not None
    (path,) = plan.store.folder.rglob("*.objects.json")
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "size": [5, 5]}))
    workspace.predicting.forget()
    settle(workspace)
    assert lab.outputs == ["ships", "ships"]

"""A model that reads is asked for the user's classes, and reads the caption of the tile."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, RunOptions, Scores, Weights
from rsviewer.core.prediction import Prediction, Score
from rsviewer.core.prompts import with_words
from rsviewer.core.tile import LayerId, TileId
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeShelf, opened_again, pane, predicted, settle

OWN = ("river", "lake")


def reader() -> ModelCard:
    output = ModelOutput(OutputKind.SCENE, "scene", "what it shows", scores=Scores.PROMPTS, reference=("label",))
    card = ModelCard("clip", "Clip", "skyclip", (ModelInput(),), (output,), (Framing("square"),), Weights("clip.bin"))
    return with_words(card, OWN)


class ReadingEngine:
    """Finds every class as likely as it is long, and every caption as fitting as it is long."""

    def __init__(self, lab: "ReadingLab", *_: Any) -> None:
        self.lab = lab
        self.device = ""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        self.device = "cpu"
        self.lab.asked.append((str(tile), fitted.words, fitted.caption))
        scores = sorted((Score(word, len(word) / 100) for word in fitted.words), key=lambda one: -one.probability)
        self.lab.looked += fitted.features is None
        features = np.eye(4, dtype=np.float32)[len(self.lab.asked) % 4] if fitted.features is None else fitted.features
        similarity = len(fitted.caption) / 100 if fitted.caption else None
        return Prediction(
            tile, model, scores=tuple(scores), seconds=0.1, device="cpu", similarity=similarity, features=features
        )

    def close(self) -> None:
        self.device = ""


class ReadingLab:
    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...], str]] = []
        self.looked = 0
        """Tiles whose image was looked at, for want of what was made of it before."""
        self.made: list[RunOptions] = []
        self.meanwhile: Callable[[list[tuple[str, tuple[str, ...], str]]], None] | None = None

    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> ReadingEngine:
        self.made.append(options)
        return ReadingEngine(self, card)


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    root = tmp_path / "skyscript"
    (root / "images2").mkdir(parents=True)
    rows = ["filepath,title,title_multi_objects"]
    for number, text in enumerate(("a river", "a lake")):
        Image.fromarray(np.full((20, 20, 3), 40 * number, np.uint8)).save(root / f"images2/a{number}_US_19.jpg")
        rows.append(f'images2/a{number}_US_19.jpg,{text},"{text}, surrounded by trees"')
    (root / "SkyScript_val_5K_filtered_by_CLIP_openai.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def lab() -> ReadingLab:
    return ReadingLab()


@pytest.fixture
def workspace(captioned: Path, lab: ReadingLab) -> Iterator[Workspace]:
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    opened = opened_again(captioned, lab, shelf)  # type: ignore[arg-type]  # another fake
    yield opened
    opened.close()


def test_the_classes_of_the_card_are_asked_for_first_and_the_first_caption_is_read(
    workspace: Workspace, lab: ReadingLab
) -> None:
    predicted(workspace)
    assert lab.asked == [("images2/a0_US_19", OWN, "a river")]
    state = workspace.predicting.state
    assert state.words == OWN
    assert state.judgement is not None
    assert state.judgement.prediction is not None
    assert state.judgement.prediction.similarity == pytest.approx(0.07)


def test_the_similarity_stands_beside_the_caption(workspace: Workspace) -> None:
    assert pane(workspace, LayerId("caption")).caption == ""
    predicted(workspace)
    assert pane(workspace, LayerId("caption")).caption == "similarity to the image 0.070"


def test_other_classes_are_asked_at_once_of_the_same_process_and_remembered(
    workspace: Workspace, lab: ReadingLab, captioned: Path
) -> None:
    predicted(workspace)
    workspace.predicting.set_words(("beach", "forest", "sea"))
    settle(workspace)
    assert [words for _, words, _ in lab.asked] == [OWN, ("beach", "forest", "sea")]
    assert len(lab.made) == 1, "no other process for other words"
    state = workspace.predicting.state
    assert state.stage is Stage.DONE
    assert state.judgement is not None
    assert state.judgement.prediction is not None
    assert [one.name for one in state.judgement.prediction.scores] == ["forest", "beach", "sea"]
    workspace.predicting.set_words(())
    assert workspace.predicting.state.words == OWN
    workspace.predicting.set_words(("beach", "sea"))
    workspace.close()
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    again = opened_again(captioned, lab, shelf)  # type: ignore[arg-type]  # another fake
    assert again.predicting.state.words == ("beach", "sea")
    again.close()


def test_other_classes_need_no_other_look_at_the_tile(workspace: Workspace, lab: ReadingLab, captioned: Path) -> None:
    predicted(workspace)
    assert lab.looked == 1
    workspace.predicting.set_words(("beach", "forest"))
    settle(workspace)
    assert len(lab.asked) == 2
    assert lab.looked == 1, "it is on the screen"
    workspace.close()
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    again = opened_again(captioned, lab, shelf)  # type: ignore[arg-type]  # another fake
    again.predicting.set_words(("road", "field"))
    predicted(again)
    assert len(lab.asked) == 3
    assert lab.looked == 1, "it is in the project"
    image = captioned / "images2/a0_US_19.jpg"
    Image.fromarray(np.full((24, 24, 3), 200, np.uint8)).save(image)
    again.reload()
    settle(again)
    predicted(again)
    assert lab.looked == 2, "it is another image now"
    again.predicting.set_words(("sea", "sand"))
    settle(again)
    assert lab.looked == 2
    again.close()


def test_the_similarity_sorts_and_filters_the_queue(workspace: Workspace) -> None:
    predicted(workspace)
    workspace.go(1)
    predicted(workspace)
    columns = {column.name for column in workspace.index.columns()}
    assert "clip_similarity" in columns
    workspace.finding.choose("clip_similarity < 0.065", "clip_similarity", from_start=True)
    settle(workspace)
    assert workspace.tile == TileId("images2/a1_US_19")


def test_a_kept_prediction_still_knows_its_similarity(workspace: Workspace, lab: ReadingLab, captioned: Path) -> None:
    workspace.predicting.choose("clip")
    settle(workspace)
    workspace.predicting.set_kept(kept=True)
    predicted(workspace)
    workspace.close()
    shelf = FakeShelf()
    shelf.cards = {"clip": replace(reader(), description="said otherwise")}
    again = opened_again(captioned, lab, shelf)  # type: ignore[arg-type]  # another fake
    assert len(lab.asked) == 1
    judgement = again.predicting.state.judgement
    assert judgement is not None
    assert judgement.prediction is not None
    assert judgement.prediction.similarity == pytest.approx(0.07)
    assert json.dumps([one.name for one in judgement.prediction.scores]) == '["river", "lake"]'
    again.close()

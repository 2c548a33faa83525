"""The queue becomes the tiles that are most like a text or another tile."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsviewer.core.fitting import Fitted
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId
from rsviewer.workspace import likeness
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeShelf, opened_again, settle
from tests.workspace.test_asking_in_words import ReadingEngine, ReadingLab, reader

COUNT = 6


class SeeingEngine(ReadingEngine):
    """Sees how bright a tile is, and reads how bright one should be: as an angle."""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        said = super().predict(tile, fitted, model=model)
        if self.lab.meanwhile is not None:
            self.lab.meanwhile(self.lab.asked)
        return Prediction(tile, model, scores=said.scores, features=_angle(float(fitted.pixels.mean())), device="cpu")

    def read(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([_angle(float(text)) for text in texts])


def _angle(brightness: float) -> np.ndarray:
    turn = brightness / 255 * np.pi / 2
    return np.array([np.cos(turn), np.sin(turn)], np.float32)


class SeeingLab(ReadingLab):
    def __call__(self, *asked: object) -> ReadingEngine:
        return SeeingEngine(self)


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """Tiles that are the brighter the higher their number."""
    root = tmp_path / "skyscript"
    (root / "images2").mkdir(parents=True)
    for number in range(COUNT):
        Image.new("RGB", (12, 12), (40 * number,) * 3).save(root / f"images2/a{number}_US_19.jpg", quality=100)
    rows = [f"images2/a{number}_US_19.jpg,tile {number}" for number in range(COUNT)]
    (root / "SkyScript_val_5K.csv").write_text("\n".join(["filepath,title", *rows]) + "\n")
    return root


@pytest.fixture
def lab() -> SeeingLab:
    return SeeingLab()


@pytest.fixture
def workspace(bright: Path, lab: SeeingLab) -> Iterator[Workspace]:
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    opened = opened_again(bright, lab, shelf)  # type: ignore[arg-type]  # another fake
    opened.predicting.choose("clip")
    settle(opened)
    yield opened
    opened.close()


def queue(workspace: Workspace) -> list[str]:
    settle(workspace)
    return [workspace.finding.entry_at(ordinal).id[-7:-6] for ordinal in workspace.queue.ordinals.tolist()]


def test_before_tiles_are_ready_a_sentence_says_what_to_do(workspace: Workspace) -> None:
    workspace.likeness.like_words("100")
    assert "No tile is ready" in workspace.status().message
    assert len(queue(workspace)) == COUNT


def test_the_queue_becomes_the_tiles_most_like_a_text(workspace: Workspace, lab: SeeingLab) -> None:
    workspace.likeness.prepare()
    assert len(lab.asked) == COUNT
    workspace.likeness.like_words(" 125 ")
    assert queue(workspace) == ["3", "4", "2", "5", "1", "0"]
    assert workspace.tile == TileId("images2/a3_US_19")
    assert "6 tiles most like “125”" in workspace.status().message
    workspace.likeness.like_words("0")
    assert queue(workspace) == list("012345"), "what was found before is forgotten"
    workspace.likeness.show_all()
    assert queue(workspace) == list("012345")
    assert not workspace.likeness.is_shown
    workspace.likeness.prepare()
    assert len(lab.asked) == COUNT, "they are ready"


def test_only_the_best_are_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "BEST", 2)
    workspace.likeness.prepare()
    workspace.likeness.like_words("255")
    assert queue(workspace) == ["5", "4"]
    workspace.likeness.like_tile(TileId("images2/a1_US_19"))
    assert queue(workspace)[0] == "1"
    assert len(queue(workspace)) == 2


def test_tiles_that_were_looked_at_are_ready(workspace: Workspace) -> None:
    workspace.predicting.predict()
    settle(workspace)
    workspace.likeness.like_words("0")
    assert queue(workspace) == ["0"]
    assert "5 tiles are not ready" in workspace.status().message
    workspace.likeness.like_tile(TileId("images2/a4_US_19"))
    assert "predict it first" in workspace.status().message


def test_what_was_made_ready_before_a_stop_is_ready(workspace: Workspace, lab: SeeingLab) -> None:
    def stop_soon(asked: list[tuple[str, tuple[str, ...], str]]) -> None:
        if len(asked) == 3:
            workspace.jobs.running[0].stop.set()

    lab.meanwhile = stop_soon
    workspace.likeness.prepare()
    assert 3 <= len(lab.asked) < COUNT
    lab.meanwhile = None
    before = len(lab.asked)
    workspace.likeness.prepare()
    assert len(lab.asked) <= COUNT + 1, "those that were ready are not predicted again"
    assert len(lab.asked) > before
    workspace.likeness.like_words("0")
    assert queue(workspace) == list("012345")


def test_a_model_with_classes_of_its_own_finds_nothing(bright: Path, lab: SeeingLab) -> None:
    opened = opened_again(bright, lab, FakeShelf())  # type: ignore[arg-type]  # another fake
    opened.likeness.like_words("100")
    assert "Choose a model that reads" in opened.status().message
    opened.likeness.prepare()
    assert not lab.asked
    opened.close()

"""The queue becomes the tiles that are most like a text or another tile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from rsviewer.core.errors import SaveError
from rsviewer.core.fitting import Fitted
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId
from rsviewer.data import likeness as likest
from rsviewer.data import nearindex
from rsviewer.workspace import likeness
from rsviewer.workspace.commands import Context, Surface, command
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
    assert workspace.likeness.words(TileId("images2/a3_US_19")) == "0.999 like “125”"
    workspace.likeness.like_words("0")
    assert queue(workspace) == list("012345"), "what was found before is forgotten"
    workspace.likeness.show_all()
    assert queue(workspace) == list("012345")
    assert not workspace.likeness.is_shown
    assert not workspace.likeness.words(TileId("images2/a3_US_19"))
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


def test_searching_is_a_command(workspace: Workspace) -> None:
    context = Context(workspace, cast("Surface", None))
    command("model.prepare").run(context)
    assert not command("queue.all").enabled(context)
    workspace.go(4)
    command("queue.like").run(context)
    assert queue(workspace)[0] == "4"
    assert command("queue.all").enabled(context)
    command("queue.all").run(context)
    assert queue(workspace) == list("012345")


def test_tiles_that_were_looked_at_are_ready(workspace: Workspace, lab: SeeingLab) -> None:
    workspace.predicting.predict()
    settle(workspace)
    workspace.likeness.like_words("0")
    assert queue(workspace) == ["0"]
    assert "Not ready to be found yet: 5." in workspace.status().message
    workspace.likeness.like_tile(TileId("images2/a4_US_19"))
    assert "run the model on it" in workspace.status().message
    workspace.likeness.prepare()
    assert len(lab.asked) == COUNT, "what was looked at in the window is not looked at again"


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


def test_of_very_many_tiles_an_index_is_made_once_and_grows(
    workspace: Workspace, lab: SeeingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setattr(likeness, "BEST", 2)
    monkeypatch.setattr(likest, "EXACT_UP_TO", 3)
    monkeypatch.setattr(nearindex, "SEGMENT", 4)
    workspace.likeness.prepare()
    assert not indices(workspace)
    workspace.likeness.like_words("255")
    assert queue(workspace) == ["5", "4"], "exactly, before there is an index"
    assert [path.name[:11] for path in indices(workspace)] == ["near-000000"]
    assert "index is made" in workspace.status().message
    before = indices(workspace)[0].stat().st_mtime_ns
    workspace.likeness.like_words("70")
    assert queue(workspace) == ["2", "1"]
    assert indices(workspace)[0].stat().st_mtime_ns == before
    indices(workspace)[0].write_bytes(b"of a stranger")
    workspace.likeness._near = None
    workspace.likeness.like_words("0")
    assert queue(workspace) == ["0", "1"]
    assert len(indices(workspace)[0].read_bytes()) > 100, "thrown away and made anew"


def indices(workspace: Workspace) -> list[Path]:
    return sorted(workspace.opened.project.predictions_path.glob("*/near-*.usearch"))


def test_without_usearch_it_is_said_once_that_searches_could_be_quicker(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likest, "EXACT_UP_TO", 3)
    monkeypatch.setattr(nearindex, "_usearch", lambda: None)
    workspace.likeness.prepare()
    workspace.likeness.like_words("255")
    assert queue(workspace)[0] == "5"
    assert "rsviewer[models]" in workspace.status().message
    workspace.likeness.like_words("0")
    assert queue(workspace)[0] == "0"
    assert "rsviewer[models]" not in workspace.status().message


def test_a_read_only_window_finds_what_is_ready_and_keeps_nothing(
    workspace: Workspace, bright: Path, lab: SeeingLab
) -> None:
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    second = opened_again(bright, lab, shelf)  # type: ignore[arg-type]  # another fake
    assert second.opened.project.read_only
    second.predicting.choose("clip")
    settle(second)
    second.likeness.like_words("100")
    assert "this window is read-only" in second.status().message.lower()
    workspace.likeness.prepare()
    second.likeness.like_words("125")
    assert queue(second) == ["3", "4", "2", "5", "1", "0"]
    asked = len(lab.asked)
    second.likeness.prepare()
    assert len(lab.asked) == asked
    assert "read-only" in second.status().message
    files = [path for path in workspace.opened.project.predictions_path.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    second.predicting.predict()
    settle(second)
    assert {path: path.read_bytes() for path in files} == before
    second.close()


def test_a_read_only_window_goes_on_with_what_was_found(workspace: Workspace, bright: Path, lab: SeeingLab) -> None:
    workspace.likeness.prepare()
    workspace.likeness.like_words("125")
    assert queue(workspace) == ["3", "4", "2", "5", "1", "0"]
    workspace.save_session()
    settle(workspace)
    workspace._keeper.close()
    second = opened_again(bright, lab, FakeShelf())  # type: ignore[arg-type]  # another fake
    assert second.opened.project.read_only
    assert queue(second) == ["3", "4", "2", "5", "1", "0"]
    assert "cannot be used" not in second.status().message
    assert second.likeness.words(TileId("images2/a3_US_19")) == "0.999 like “125”"
    second.likeness.show_all()
    assert queue(second) == list("012345")
    second.close()


def again(workspace: Workspace, lab: SeeingLab) -> Workspace:
    root = workspace.opened.dataset.root
    workspace.close()
    shelf = FakeShelf()
    shelf.cards = {"clip": reader()}
    return opened_again(root, lab, shelf)  # type: ignore[arg-type]  # another fake


def test_tiles_that_are_gone_from_the_dataset_are_not_found_and_take_nobodys_place(
    workspace: Workspace, lab: SeeingLab, bright: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.likeness.prepare()
    (bright / "images2/a3_US_19.jpg").rename(bright / "images2/b3_US_19.jpg")
    table = bright / "SkyScript_val_5K.csv"
    table.write_text(table.read_text().replace("a3_US", "b3_US"))
    monkeypatch.setattr(likeness, "BEST", 2)
    second = again(workspace, lab)
    second.likeness.like_words("125")
    assert queue(second) == ["4", "2"]
    assert "The 2 tiles most like" in second.status().message
    assert "Not ready to be found yet: 1." in second.status().message
    second.likeness.prepare()
    second.likeness.like_words("125")
    assert queue(second) == ["3", "4"]
    second.close()


def test_tiles_whose_files_have_changed_are_made_ready_again(
    workspace: Workspace, lab: SeeingLab, bright: Path
) -> None:
    workspace.likeness.prepare()
    Image.new("RGB", (12, 12), (250,) * 3).save(bright / "images2/a0_US_19.jpg", quality=100)
    workspace.likeness.prepare()
    assert len(lab.asked) == COUNT + 1
    workspace.likeness.like_words("255")
    assert queue(workspace) == ["0", "5", "4", "3", "2", "1"]


def test_tiles_go_on_being_made_ready_when_another_model_is_chosen_and_no_file_stays_open(
    workspace: Workspace, lab: SeeingLab
) -> None:
    def choose(asked: list[tuple[str, tuple[str, ...], str]]) -> None:
        if len(asked) == 3:
            workspace.predicting.choose("")

    lab.meanwhile = choose
    store = workspace.predicting.features
    assert store is not None
    workspace.likeness.prepare()
    assert len(lab.asked) == COUNT
    assert store._files is None
    lab.meanwhile = None
    workspace.predicting.choose("clip")
    settle(workspace)
    workspace.likeness.like_words("0")
    assert queue(workspace) == list("012345")


def test_while_the_names_are_read_a_search_says_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.likeness.prepare()
    monkeypatch.setattr(workspace.finding, "_first_entries", [workspace.finding.entry_at(0)])
    workspace.likeness.like_words("0")
    assert workspace.status().message == likeness.UNNAMED


def test_no_tile_that_could_not_be_made_ready_goes_unsaid(
    workspace: Workspace, bright: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness, "AT_ONCE", 2)
    (bright / "images2/a1_US_19.jpg").write_bytes(b"damaged")
    workspace.likeness.prepare()
    assert "Could not be made ready: 1, first images2/a1_US_19" in workspace.status().message
    workspace.likeness.like_words("0")
    assert queue(workspace) == list("02345")


def test_of_two_searches_the_later_one_counts(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.likeness.prepare()
    read = workspace.predicting.read

    def slowly(texts: tuple[str, ...]) -> np.ndarray:
        if texts == ("255",):
            workspace.likeness.like_words("0")
        return read(texts)

    monkeypatch.setattr(workspace.predicting, "read", slowly)
    workspace.likeness.like_words("255")
    assert queue(workspace) == list("012345")
    assert "like “0”" in workspace.status().message
    assert workspace.likeness.words(TileId("images2/a0_US_19")) == "1.000 like “0”"


def test_what_one_model_read_is_not_looked_for_among_what_another_saw(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.likeness.prepare()
    read = workspace.predicting.read

    def meanwhile(texts: tuple[str, ...]) -> np.ndarray:
        found = read(texts)
        workspace.predicting.choose("")
        return found

    monkeypatch.setattr(workspace.predicting, "read", meanwhile)
    workspace.likeness.like_words("255")
    assert workspace.status().message == likeness.OTHER_MODEL
    assert not workspace.likeness.is_shown


def test_features_that_are_no_numbers_or_too_few_are_said_to_be(workspace: Workspace) -> None:
    workspace.likeness.prepare()
    (images,) = workspace.opened.project.predictions_path.glob("*/images.f16")
    good = images.read_bytes()
    images.write_bytes(b"\xff" * len(good))
    workspace.likeness.like_words("0")
    assert "are no numbers" in workspace.status().message
    assert queue(workspace) == list("012345")
    images.write_bytes(good)
    shape = images.with_name("features.json")
    shape.write_text('{"features": 1}')
    workspace.likeness.like_words("0")
    assert "has 1 features, and the model makes 2" in workspace.status().message


def test_the_words_that_captions_must_have_are_no_longer_asked_for(workspace: Workspace) -> None:
    workspace.likeness.prepare()
    workspace.finding.look_for("tile 3")
    assert queue(workspace) == ["3"]
    workspace.likeness.like_tile(TileId("images2/a1_US_19"))
    assert queue(workspace)[0] == "1"
    assert len(queue(workspace)) == COUNT
    assert not workspace.finding.search
    assert "most like images2/a1_US_19" in workspace.status().message
    workspace.finding.choose(f"{likeness.FILTER} and search_nearness < 0.99", likeness.SORT)
    assert workspace.likeness.is_shown, "some of it"


def test_an_index_that_cannot_be_made_is_not_tried_after_every_search(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setattr(likest, "EXACT_UP_TO", 3)
    monkeypatch.setattr(nearindex, "SEGMENT", 4)
    tried = []

    def full(*_: object) -> None:
        tried.append(1)
        raise SaveError("There is no room.")

    monkeypatch.setattr(nearindex.NearIndex, "build", full)
    workspace.likeness.prepare()
    workspace.likeness.like_words("0")
    assert workspace.status().message == "There is no room."
    workspace.likeness.like_words("255")
    assert queue(workspace)[0] == "5"
    assert len(tried) == 1


def test_a_model_with_classes_of_its_own_finds_nothing(bright: Path, lab: SeeingLab) -> None:
    opened = opened_again(bright, lab, FakeShelf())  # type: ignore[arg-type]  # another fake
    opened.likeness.like_words("100")
    assert "Choose a model that reads" in opened.status().message
    opened.likeness.prepare()
    assert not lab.asked
    opened.close()

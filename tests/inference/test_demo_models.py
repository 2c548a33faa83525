"""The two models that come with the program: what they know of tiles they never saw, and what is said of bad files."""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.metrics import LabelScores, confusion, label_scores
from rsviewer.core.model import Augmentation, ModelCard, OutputKind, RunOptions
from rsviewer.core.prediction import HEIGHT, LABELS
from rsviewer.core.tile import TileId
from rsviewer.data.demo import write_demo
from rsviewer.data.modelcards import read_card
from rsviewer.data.resources import resource_path
from rsviewer.inference.engine import Engine
from rsviewer.inference.zoo.demo import DemoNetwork, load

FOLDER = resource_path("models")
MODELS = ("demo-height", "demo-landcover")
UNSEEN_SEED = 77
MEAN_HEIGHT = 2.15
"""Metres, of the tiles that the models learned from."""
CPU = torch.device("cpu")
QUIETLY = RunOptions(device="cpu", threads=1)


@dataclass(frozen=True, eq=False)
class Known:
    """A tile and what is on it: (3, h, w) grey values, (h, w) metres, (h, w) classes."""

    picture: NDArray[np.uint8]
    height: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def fitted(self) -> Fitted:
        return Fitted(self.picture, np.ones(self.picture.shape[-2:], bool))


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    root = tmp_path_factory.mktemp("demo") / "tiles"
    write_demo(root, tiles=5, seed=UNSEEN_SEED, defects=False)
    tiles = []
    for path in sorted((root / "opt").iterdir()):
        height, labels = (_read(root / folder / path.name)[0] for folder in ("gt_nDSM", "gt_ss_mask"))
        tiles.append(Known(_read(path), height, labels))
    return tiles


@pytest.fixture(params=MODELS)
def card(request: pytest.FixtureRequest) -> ModelCard:
    return _card(request.param)


@pytest.fixture
def engine(card: ModelCard) -> Iterator[Engine]:
    with Engine(card, FOLDER / card.weights.file, QUIETLY) as engine:
        yield engine


@pytest.mark.parametrize("card", ["demo-height"], indirect=True)
def test_demo_height_knows_more_than_the_mean_height(engine: Engine, unseen: list[Known]) -> None:
    heights = np.stack([tile.height for tile in unseen])

    predicted = np.stack([_answer(engine, tile, HEIGHT) for tile in unseen])

    assert np.abs(predicted - heights).mean() < 0.55 * np.abs(MEAN_HEIGHT - heights).mean()
    assert _rms(predicted - heights) < 0.8 * _rms(MEAN_HEIGHT - heights)


@pytest.mark.parametrize("card", ["demo-landcover"], indirect=True)
def test_demo_land_cover_knows_more_than_the_most_frequent_class(engine: Engine, unseen: list[Known]) -> None:
    labels = np.stack([tile.labels for tile in unseen])
    usual = np.full_like(labels, np.bincount(labels.ravel()).argmax())

    found = _scores(np.stack([_answer(engine, tile, LABELS) for tile in unseen]), labels)
    baseline = _scores(usual, labels)

    assert found.accuracy > baseline.accuracy + 0.25
    assert found.miou > 3 * baseline.miou


@pytest.mark.parametrize("card", ["demo-height"], indirect=True)
def test_a_tile_turned_upside_down_is_understood_as_well(card: ModelCard, unseen: list[Known]) -> None:
    """Shadows then fall the other way: the models learned from tiles that were turned and mirrored."""
    tile = unseen[0]
    turned = Known(tile.picture[:, ::-1], tile.height[::-1], tile.labels[::-1])
    options = replace(QUIETLY, augmentation=Augmentation.FLIPS)
    with (
        Engine(card, FOLDER / card.weights.file, QUIETLY) as once,
        Engine(card, FOLDER / card.weights.file, options) as often,
    ):
        straight = np.abs(_answer(once, tile, HEIGHT) - tile.height).mean()
        upside_down = np.abs(_answer(once, turned, HEIGHT) - turned.height).mean()
        several = np.abs(_answer(often, tile, HEIGHT) - tile.height).mean()

    assert upside_down < 1.2 * straight
    assert several < 1.05 * straight


def test_tiles_of_other_sizes_are_predicted_too(engine: Engine, card: ModelCard, unseen: list[Known]) -> None:
    for height, width in ((1, 1), (1, 70), (130, 33)):
        small = Known(unseen[0].picture[:, :height, :width], unseen[0].height, unseen[0].labels)

        answer = _answer(engine, small, HEIGHT if card.outputs[0].kind is OutputKind.HEIGHT else LABELS)

        assert answer.shape == (height, width)
        assert np.isfinite(answer.astype(np.float32)).all()


def test_the_card_knows_its_file_and_says_what_the_model_is(card: ModelCard) -> None:
    content = (FOLDER / card.weights.file).read_bytes()

    assert card.weights.sha256 == hashlib.sha256(content).hexdigest()
    assert card.weights.nbytes == len(content)
    assert card.licence == "MIT"
    assert "demonstration" in card.description
    assert "synthetic" in card.description
    assert "no use on real images" in card.description


def test_both_files_together_are_small() -> None:
    assert sum((FOLDER / f"{name}.safetensors").stat().st_size for name in MODELS) <= 3_000_000


def test_the_classes_are_those_of_the_dataset() -> None:
    assert [one.value for one in _card("demo-landcover").outputs[0].classes] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_reading_float16_as_float32_changes_nothing(card: ModelCard) -> None:
    network = load(card, FOLDER / card.weights.file, CPU)
    window = torch.zeros(1, 3, 32, 32)

    answer = network.forward(window)[card.outputs[0].name]

    assert answer.dtype is torch.float32
    assert answer.shape == (1, max(1, len(card.outputs[0].classes)), 32, 32)


def test_a_file_cut_short_is_named(card: ModelCard, tmp_path: Path) -> None:
    content = (FOLDER / card.weights.file).read_bytes()
    for kept in (0, 5, 2000, len(content) - 1):
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(content[:kept])
        with pytest.raises(ModelError, match=r"broken\.safetensors is no safetensors file, or only a part of one"):
            load(card, broken, CPU)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    make(path)

    with pytest.raises(ModelError, match=r"x\.safetensors"):
        load(_card("demo-height"), path, CPU)


def test_the_file_of_another_model_is_refused() -> None:
    other = FOLDER / "demo-landcover.safetensors"

    with pytest.raises(ModelError, match=r"does not fit its card: 2 of its entries .* head\.bias"):
        load(_card("demo-height"), other, CPU)


def test_a_file_that_lacks_an_entry_is_refused(tmp_path: Path) -> None:
    network = DemoNetwork(3, 1, 32, 16, 4)
    numbers = {name: number for name, number in network.state_dict().items() if name != "stem.bias"}
    save_file(numbers, tmp_path / "x.safetensors")

    with pytest.raises(ModelError, match=r"1 of its entries .* stem\.bias"):
        load(_card("demo-height"), tmp_path / "x.safetensors", CPU)


@pytest.mark.parametrize("value", [None, "32", 32.0, True, -1, 100_000])
def test_a_setting_that_makes_no_network_is_refused(value: Any) -> None:
    card = _card("demo-height")
    wrong = replace(card, settings={**card.settings, "width": value})

    with pytest.raises(ModelError, match="whole number width from 1 to 256"):
        load(wrong, FOLDER / card.weights.file, CPU)


def test_a_card_with_two_outputs_is_refused() -> None:
    card = _card("demo-height")

    with pytest.raises(ModelError, match="exactly one output"):
        load(replace(card, outputs=card.outputs * 2), FOLDER / card.weights.file, CPU)


def test_a_window_of_an_odd_size_says_what_the_card_needs(card: ModelCard) -> None:
    network = load(card, FOLDER / card.weights.file, CPU)

    with pytest.raises(ModelError, match="multiples of 32, not 32 x 40"):
        network.forward(torch.zeros(1, 3, 40, 32))


def test_the_framing_asks_for_windows_that_the_network_takes(card: ModelCard) -> None:
    depth = tomllib.loads((FOLDER / f"{card.id}.toml").read_text("utf-8"))["settings"]["depth"]

    assert all(framing.multiple % 2 ** (depth + 1) == 0 for framing in card.framings)


def _card(name: str) -> ModelCard:
    return read_card(FOLDER / f"{name}.toml")


def _answer(engine: Engine, tile: Known, layer: Any) -> NDArray[Any]:
    return engine.predict(TileId("a/1"), tile.fitted()).rasters[layer].pixels[0]


def _scores(predicted: NDArray[Any], labels: NDArray[np.uint8]) -> LabelScores:
    found = label_scores(confusion(predicted - 1, labels - 1, np.ones(labels.shape, bool), 8))
    assert found is not None
    return found


def _rms(error: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(error).mean()))


def _read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        pixels: NDArray[Any] = file.read()
    return pixels

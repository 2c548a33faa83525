"""packaging/train_demo.py: what it writes can be loaded, and what it does to a network changes no answer."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from rsviewer.data.modelcards import read_card
from rsviewer.inference.zoo.demo import DemoNetwork, load

ROOT = Path(__file__).parents[2]
TINY = ("--tiles", "2", "--test-tiles", "1", "--size", "64", "--crop", "32", "--steps", "2", "--threads", "1")
CPU = torch.device("cpu")


@pytest.fixture
def train_demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("rsviewer_train_demo", ROOT / "packaging" / "train_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _as_before() -> object:
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_two_steps_of_training_write_models_that_load(train_demo: ModuleType, tmp_path: Path) -> None:
    train_demo.main(["--out", str(tmp_path / "models"), "--scores", str(tmp_path / "scores.json"), *TINY])

    for name in ("demo-height", "demo-landcover"):
        card = read_card(tmp_path / "models" / f"{name}.toml")
        answer = load(card, tmp_path / "models" / card.weights.file, CPU).forward(torch.zeros(1, 3, 64, 64))
        assert torch.isfinite(answer[card.outputs[0].name]).all()
    scores = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert scores["demo-height"].keys() == scores["mean height"].keys()
    assert scores["demo-landcover"].keys() == scores["most frequent class"].keys()


def test_the_shipped_cards_are_those_that_the_script_writes(train_demo: ModuleType) -> None:
    for card in train_demo.CARDS:
        shipped = read_card(ROOT / "resources" / "models" / f"{card.id}.toml")
        assert shipped == train_demo.replace(card, weights=shipped.weights)


def test_training_twice_gives_the_same_numbers(train_demo: ModuleType, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    tiles = train_demo.written(tmp_path, train_demo.SEEDS, 1, 64)

    first, second = (train_demo.train(tiles, 2, 32).state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_norms_multiplied_into_convolutions_leave_the_answer_as_it_is(train_demo: ModuleType) -> None:
    torch.manual_seed(1)
    network = train_demo.with_norms(DemoNetwork(3, 9, 8, 4, 2))
    network(torch.randn(2, 3, 32, 32))  # the norms see something
    network.eval()
    window = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        before = network(window)
    plain = train_demo.without_norms(network)

    assert plain.state_dict().keys() == DemoNetwork(3, 9, 8, 4, 2).state_dict().keys()
    with torch.inference_mode():
        assert torch.allclose(plain(window), before, atol=1e-4)


def test_each_model_gets_its_own_channels(train_demo: ModuleType) -> None:
    torch.manual_seed(1)
    network = DemoNetwork(3, 9, **train_demo.SETTINGS).eval()
    window = torch.randn(1, 3, 32, 32)

    with torch.inference_mode():
        both = network(window).numpy()
        height, labels = (part(window).numpy() for part in train_demo.parts(network))

    np.testing.assert_allclose(height[:, 0], both[:, 0] * train_demo.METRES, atol=0.02)
    np.testing.assert_allclose(labels, both[:, 1:], atol=0.02)

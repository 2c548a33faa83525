"""The engine: what it loads, where, and how it is left."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Framing, ModelCard, RunOptions
from rsviewer.inference import engine as engines
from rsviewer.inference.engine import Engine
from tests.inference.networks import HEIGHTS, TILE, Fake, card, first_band, fitted, height_of, lend_gpu, ramp, running


def test_importing_the_engine_does_not_import_torch() -> None:
    code = "import sys, rsviewer.inference.engine, rsviewer.inference.remote; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_is_loaded_once_by_the_first_tile() -> None:
    loaded: list[str] = []

    def load(_card: ModelCard, weights: Path, device: torch.device) -> Fake:
        loaded.append(f"{weights} on {device}")
        return Fake(height=first_band)

    with Engine(card(HEIGHTS), Path("x.pth"), RunOptions("cpu", threads=1), load=load) as engine:
        assert engine.device == ""
        assert (engine.load_seconds, engine.peak_bytes) == (0, 0)
        for _ in range(2):
            prediction = engine.predict(TILE, fitted(ramp(2, 2)))
        assert engine.device == "cpu"
        assert engine.load_seconds > 0
        assert engine.peak_bytes > 0
    assert loaded == ["x.pth on cpu"]
    assert 0 < prediction.forward_seconds < prediction.seconds


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"family 'fake', which is not known here\. Known: rs3dada, .*demo"):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1)).load()


def test_a_family_is_imported_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MODULES", {"fake": __name__})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    with Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1)) as engine:
        np.testing.assert_array_equal(height_of(engine.predict(TILE, fitted(ramp(2, 2)))), ramp(2, 2)[0])


def load(_card: ModelCard, _weights: Path, _device: torch.device) -> Fake:
    """What a family's module has."""
    return Fake(height=first_band)


def test_without_torch_the_user_learns_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r'the package torch, .* pip install "rsviewer\[models\]", or python3'):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu")).load()


def test_a_family_that_needs_another_package_names_it() -> None:
    def load(*_: object) -> Fake:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    with pytest.raises(ModelError, match="Fake model needs the package onnxruntime"):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1), load=load).load()


def test_a_closed_engine_predicts_no_more() -> None:
    engine = running(Fake(height=first_band), card(HEIGHTS))
    engine.predict(TILE, fitted(ramp(2, 2)))
    engine.close()
    engine.close()
    assert engine.device == ""
    with pytest.raises(ModelError, match="was closed"):
        engine.predict(TILE, fitted(ramp(2, 2)))


def test_closing_from_another_thread_ends_a_long_prediction() -> None:
    closed: list[int] = []

    def slow(windows: torch.Tensor) -> torch.Tensor:
        if not closed:
            closer = threading.Thread(target=engine.close)
            closer.start()
            closer.join()
        closed.append(1)
        return first_band(windows)

    engine = running(Fake(height=slow), card(HEIGHTS, framing=Framing("cut", window=2, stride=2)))
    with pytest.raises(ModelError, match="was closed"):
        engine.predict(TILE, fitted(ramp(2, 40)))
    assert len(closed) == 1


def test_a_model_that_does_not_fit_onto_the_gpu_is_loaded_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_card: ModelCard, _weights: Path, device: torch.device) -> Fake:
        if device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Fake(height=first_band)

    lend_gpu(monkeypatch)
    with Engine(card(HEIGHTS), Path("x"), RunOptions(threads=1), load=load) as engine:
        prediction = engine.predict(TILE, fitted(ramp(4, 4)))
    assert prediction.device == "cpu"
    assert prediction.remarks == ("Fake model does not fit into the memory of meta: predicted on the processor.",)

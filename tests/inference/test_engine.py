"""The engine: what it loads, where, and how it is left."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.model import Augmentation, Framing, ModelCard, ModelOption, Precision, RunOptions
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


# --- stopped, and run in another way


def test_a_tile_is_broken_off_between_its_windows_and_the_model_stays() -> None:
    loads: list[int] = []

    def stop_at_the_second(windows: torch.Tensor) -> torch.Tensor:
        if len(network.shapes) == 2:
            engine.stop()
        return first_band(windows)

    def load(*_: object) -> Fake:
        loads.append(1)
        return network

    network = Fake(height=stop_at_the_second)
    options = RunOptions("cpu", threads=1, batch=1)
    of = card(HEIGHTS, framing=Framing("cut", window=4, stride=4))
    with Engine(of, Path("x"), options, load=load) as engine:
        with pytest.raises(StoppedError, match="was not predicted"):
            engine.predict(TILE, fitted(ramp(4, 16)))
        assert len(network.shapes) == 2
        with pytest.raises(StoppedError):
            engine.predict(TILE, fitted(ramp(4, 16)))
        assert len(network.shapes) == 2

        engine.go_on(options)
        np.testing.assert_array_equal(height_of(engine.predict(TILE, fitted(ramp(4, 16)))), ramp(4, 16)[0])
    assert loads == [1]


def test_a_tile_is_broken_off_within_a_single_pass() -> None:
    """A pass may take seconds: the network is asked before each of its layers."""
    done: list[int] = []

    class Layer(torch.nn.Module):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            done.append(1)
            if len(done) == 3:
                engine.stop()
            return windows

    network = Fake(height=torch.nn.Sequential(*(Layer() for _ in range(9))))
    with running(network, card(HEIGHTS)) as engine:
        with pytest.raises(StoppedError):
            engine.predict(TILE, fitted(ramp(4, 4)))
        assert len(done) == 3
        engine.go_on(RunOptions("cpu", threads=1))
        assert height_of(engine.predict(TILE, fitted(ramp(4, 4)))).shape == (4, 4)


def test_a_tile_is_broken_off_while_there_is_no_room_for_it() -> None:
    def refuse(_: torch.Tensor) -> torch.Tensor:
        engine.stop()
        raise torch.OutOfMemoryError("out of memory")

    network = Fake(height=refuse)
    with running(network, card(HEIGHTS)) as engine, pytest.raises(StoppedError):
        engine.predict(TILE, fitted(ramp(4, 4)))
    assert len(network.shapes) == 1


def test_other_options_need_no_other_model() -> None:
    loads: list[int] = []
    network = Fake(height=first_band)

    def load(*_: object) -> Fake:
        loads.append(1)
        return network

    framings = (Framing("whole"), Framing("cut", window=4, stride=4))
    of = replace(card(HEIGHTS), framings=framings)
    with Engine(of, Path("x"), RunOptions("cpu", threads=1), load=load) as engine:
        engine.predict(TILE, fitted(ramp(4, 8)))
        engine.go_on(RunOptions("cpu", Precision.BFLOAT16, 1, framing="cut", augmentation=Augmentation.FLIPS, batch=1))
        engine.predict(TILE, fitted(ramp(4, 8)))
    assert loads == [1]
    assert [shape[-1] for shape in network.shapes] == [8, *[4] * 8]


@pytest.mark.parametrize("is_adjustable", [False, True])
def test_an_option_of_the_model_is_given_to_a_network_that_takes_it_and_loads_another_anew(is_adjustable: bool) -> None:
    said: list[object] = []

    class Taking(Fake):
        def adjust(self, card: ModelCard) -> None:
            said.append(card.settings["steps"])

    def load(*_: object) -> Fake:
        said.append("loaded")
        return (Taking if is_adjustable else Fake)(height=first_band)

    of = replace(card(HEIGHTS), options=(ModelOption("steps", "Steps", 3, 1, 9),))
    with Engine(of, Path("x"), RunOptions("cpu", threads=1), load=load) as engine:
        for choices in ({}, {"steps": 3}, {"steps": 5}):
            engine.go_on(RunOptions("cpu", threads=1, choices=choices))
            engine.predict(TILE, fitted(ramp(2, 2)))
    assert said == (["loaded", 3, 5] if is_adjustable else ["loaded", "loaded"])


def test_a_choice_that_a_network_refuses_is_refused_again_and_never_answered_by_the_one_before() -> None:
    class Choosy(Fake):
        def adjust(self, card: ModelCard) -> None:
            if card.settings["steps"] == 5:
                raise ModelError("Five are too many.")

    of = replace(card(HEIGHTS), options=(ModelOption("steps", "Steps", 3, 1, 9),))
    with running(Choosy(height=first_band), of) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))
        for _ in range(2):
            with pytest.raises(ModelError, match="Five"):
                engine.go_on(RunOptions("cpu", threads=1, choices={"steps": 5}))
        engine.go_on(RunOptions("cpu", threads=1))
        engine.predict(TILE, fitted(ramp(2, 2)))


def test_another_precision_makes_nothing_of_what_was_kept_in_the_one_before() -> None:
    forgotten: list[int] = []

    class Keeping(Fake):
        def forget(self) -> None:
            forgotten.append(1)

    with running(Keeping(height=first_band), card(HEIGHTS)) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))
        engine.go_on(RunOptions("cpu", threads=1, batch=1))
        assert not forgotten
        engine.go_on(RunOptions("cpu", Precision.BFLOAT16, threads=1, batch=1))
        assert forgotten == [1]


@pytest.mark.parametrize(("options", "loads"), [({"batch": 1}, 1), ({"threads": 2}, 2), ({"precision": "bfloat16"}, 2)])
def test_a_library_that_is_told_of_threads_and_exactness_as_it_loads_is_loaded_anew_for_others(
    options: dict[str, Any], loads: int
) -> None:
    class Foreign(Fake):
        device, remark = torch.device("cpu"), ""

    loaded: list[int] = []

    def load(*_: object) -> Fake:
        loaded.append(torch.get_num_threads())
        return Foreign(height=first_band)

    with Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1), load=load) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))
        engine.go_on(RunOptions(**{"device": "cpu", "threads": 1, **options}))
        engine.predict(TILE, fitted(ramp(2, 2)))
    assert len(loaded) == loads
    assert loaded[-1] == options.get("threads", 1)


def test_what_takes_minutes_is_asked_of_each_tile_as_its_options_are() -> None:
    of = card(HEIGHTS, settings={"step_seconds": 60.0})
    with running(Fake(height=first_band), of, slow=True) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))
        engine.go_on(RunOptions("cpu", threads=1))
        with pytest.raises(ModelError, match="made for a GPU"):
            engine.predict(TILE, fitted(ramp(2, 2)))

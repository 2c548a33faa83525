"""Devices on a machine that need not have any."""

import sys

import pytest
import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Precision
from rsviewer.inference import devices

CPU = torch.device("cpu")


def test_the_processor_is_always_there() -> None:
    assert devices.choose("cpu") == CPU


def test_auto_takes_the_first_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose("auto") == CPU


def test_auto_passes_over_a_gpu_that_is_there_but_cannot_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_kernel(*_size: int, device: torch.device) -> torch.Tensor:
        raise RuntimeError(f"CUDA error: no kernel image is available for execution on {device}")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "ones", no_kernel)
    assert devices.choose("auto") == CPU
    with pytest.raises(ModelError, match="cuda:0 cannot be used"):
        devices.choose("cuda:0")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:-1", "", "cuda:1:2"])
def test_a_device_with_no_such_name_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(ModelError, match="Choose auto, cpu, cuda"):
        devices.choose(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_here_is_said_to_be_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ModelError, match=f"The device {name} cannot be used: .* Choose another device, or auto."):
        devices.choose(name)


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (16, 15)])
def test_one_core_is_left_to_the_window(monkeypatch: pytest.MonkeyPatch, cores: int, threads: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert devices.thread_count(0) == threads
    assert devices.thread_count(3) == 3


def test_a_processor_computes_in_bfloat16_when_asked_for_float16_and_says_so() -> None:
    kind, remark = devices.autocast_type(Precision.FLOAT16, CPU)
    assert kind is torch.bfloat16
    assert "bfloat16" in remark
    assert devices.autocast_type(Precision.BFLOAT16, CPU) == (torch.bfloat16, "")
    assert devices.autocast_type(Precision.FLOAT32, CPU) == (None, "")


def test_autocast_makes_numbers_smaller_only_where_asked() -> None:
    weights = torch.ones(2, 2)
    with devices.autocast(CPU, torch.bfloat16):
        assert (weights @ weights).dtype is torch.bfloat16
    with devices.autocast(CPU, None):
        assert (weights @ weights).dtype is torch.float32


def test_lack_of_memory_is_recognised_in_many_words() -> None:
    with pytest.raises(RuntimeError) as processor:
        torch.empty(10**15)
    assert devices.is_out_of_memory(processor.value)
    assert devices.is_out_of_memory(MemoryError())
    assert devices.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert devices.is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    wrapped = ModelError("The model cannot be run.")
    wrapped.__cause__ = RuntimeError("Failed to allocate memory for requested buffer of size 4096")
    assert devices.is_out_of_memory(wrapped)
    assert not devices.is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.skipif(sys.platform == "win32", reason="asks for the peak in another way")
def test_the_peak_of_this_process_is_at_least_what_torch_takes() -> None:
    assert devices.peak_bytes(CPU) > 20 << 20

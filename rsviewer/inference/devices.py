"""What a model runs on: which device is here, how exact it computes, how many threads, how much memory."""

import contextlib
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Precision
from rsviewer.inference.processor import thread_count

AUTO = "auto"
KINDS = ("cuda", "mps", "cpu")
"""Kinds of devices, in the order in which "auto" tries them."""

TYPES: Mapping[Precision, torch.dtype] = {Precision.FLOAT16: torch.float16, Precision.BFLOAT16: torch.bfloat16}
"""Types that autocast is asked for."""

BATCHES: Mapping[str, int] = {"cuda": 8, "mps": 8, "cpu": 1}
"""Windows at once where the user leaves it to us. A processor gains nothing from more."""

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "defaultcpuallocator",
    "failed to allocate memory",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
)
"""What libraries say when there is no room, in lower case."""

_Error = TypeVar("_Error", bound=BaseException)


def choose(name: str) -> torch.device:
    """The device of that name; of "auto" the first kind that is here and computes.

    Raises:
        ModelError: it is not here, with what is.
    """
    if name == AUTO:
        return next(device for kind in KINDS if (device := _working(kind)) is not None)
    kind, _, number = name.partition(":")
    if kind not in KINDS or not re.fullmatch(r"[0-9]{0,3}", number):
        raise ModelError(f"There is no device called {name[:40]!r}. Choose auto, cpu, cuda, cuda:1 or mps.")
    device = _working(name)
    if device is None:
        raise ModelError(f"The device {name} cannot be used: {_why_not(kind)}. Choose another device, or auto.")
    return device


def _working(name: str) -> torch.device | None:
    """The device, if a sum can be computed on it. torch warns of drivers that are too old; that is for `_why_not` to say."""
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    index = int(number or 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "mps":
            here = torch.backends.mps.is_available() and index == 0
        else:
            here = torch.cuda.is_available() and index < torch.cuda.device_count()
        if not here:
            return None
        device = torch.device(kind, index)
        try:
            (torch.ones(1, device=device) + 1).item()
        except (
            RuntimeError,
            AssertionError,
        ):  # a GPU that this build of torch has no code for, or that is full or lost
            return None
    return device


def _why_not(kind: str) -> str:
    if kind == "mps":
        return "it needs a Mac with an Apple GPU"
    if torch.version.cuda is None and torch.version.hip is None:
        return "the installed torch is a build without GPU support"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = torch.cuda.device_count()
    if not count:
        return "torch finds no GPU or no driver that is new enough"
    return f"this machine has {count} GPU(s), counted from cuda:0, and this one is not among them or does not answer"


def set_threads(wanted: int) -> None:
    """Threads of this process for the forward pass; see `thread_count`."""
    threads = thread_count(wanted)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def set_exactness(precision: Precision) -> None:
    """Whether convolutions and matrix products of float32 may be computed in TF32, by GPUs of NVIDIA: not for FLOAT32.

    TF32 keeps 10 of the 23 bits behind the point, and torch allows it for convolutions unless told otherwise. Of smaller
    precisions it is only what autocast leaves in float32, and stays allowed. It holds for the whole process: that is the
    model's own, or the command line's, which runs one model at a time.
    """
    allowed = precision is not Precision.FLOAT32
    # Not by the newer `fp32_precision`: once that was set, torch raises where other libraries read these (2.13).
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def allows_tf32() -> bool:
    """What `set_exactness` has set, for libraries beside torch."""
    return bool(torch.backends.cudnn.allow_tf32)


def autocast_type(precision: Precision, device: torch.device) -> tuple[torch.dtype | None, str]:
    """What autocast is asked for (None: nothing, float32), and a sentence where that is not what the user asked for."""
    wanted = TYPES.get(precision)
    if wanted is torch.float16 and device.type == "cpu":
        # 512 x 512, one convolution of 64 channels: 1.4 s in float16, 0.03 s in bfloat16, 0.06 s in float32.
        return torch.bfloat16, "A processor is slow in float16: predicted in bfloat16 instead."
    if wanted is torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16, "This GPU does not know bfloat16: predicted in float16 instead."
    return wanted, ""


def autocast(device: torch.device, dtype: torch.dtype | None) -> contextlib.AbstractContextManager[object]:
    """Smaller numbers in what follows, if a type is given."""
    return torch.autocast(device.type, dtype=dtype) if dtype is not None else contextlib.nullcontext()


def now(device: torch.device) -> float:
    """Seconds by `time.perf_counter`, when the device has done what it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether there was no room, here or where the error came from."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if any(words in str(error).lower() for words in OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def without_frames(error: _Error) -> _Error:
    """The same error without tracebacks, its causes too: they would hold all tensors of the frames that they name."""
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error


def release(device: torch.device) -> None:
    """Gives memory back that nobody holds any more. Never by `gc.collect`: see `ui.garbage`."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def peak_bytes(device: torch.device) -> int:
    """Most memory held so far: of tensors on the GPU (mps: now), else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return _peak_of_process()


def _peak_of_process() -> int:
    # getrusage is not asked on Linux: its peak is inherited from whoever started this process.
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return int(memory.peak_wset)
    with contextlib.suppress(ImportError):
        import resource  # not on Windows

        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on a Mac
    return int(memory.rss)

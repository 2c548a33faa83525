"""ONNX files, run by onnxruntime. They hold no programs: operators are those of the standard, and of onnxruntime."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.inference.devices import allows_tf32, is_out_of_memory
from rsviewer.inference.zoo.foreign import FileKind, Intake, check_file, chosen, in_short, named, plain
from rsviewer.inference.zoo.network import Answers
from rsviewer.inference.zoo.onnxfile import other_files

log = logging.getLogger(__name__)

MOST_BYTES = 2**31 - 1
"""Of one ONNX file: a protocol buffer can be no larger."""
DTYPES: Mapping[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
"""Types of numbers that a file may take."""
PROCESSOR, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"
"""What onnxruntime calls those that run its graphs."""
GPU_ADVICE = "It needs a GPU of NVIDIA, onnxruntime-gpu in place of onnxruntime, and the CUDA that this was made for."
ERRORS_ONLY = 3


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    type: str
    shape: tuple[object, ...]


class OnnxNetwork:
    """A session of onnxruntime.

    Args:
        card: of the model.
        path: the file.
        device: where it should run.
    """

    def __init__(self, card: ModelCard, path: Path, device: torch.device) -> None:
        self._card = card
        self._path = path
        self.move(device)
        try:
            self._inputs = [_Input(one.name, one.type, tuple(one.shape)) for one in self._session.get_inputs()]
            self._outputs = [output.name for output in self._session.get_outputs()]
        except ValueError as error:  # names that are no text
            raise ModelError(f"{path.name} is damaged: {in_short(error)}") from error
        self._bands = [len(one.bands) for one in card.inputs]
        self._intake = self._fit()

    def forward(self, windows: torch.Tensor) -> Answers:
        """See `Network.forward`."""
        self._intake.check(windows)
        return named(self._card, self._intake.run(windows, self._run))

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._told = device
        self._session = _session(self._path, device)

    @property
    def device(self) -> torch.device:
        """See `Guest.device`: onnxruntime goes to the processor by itself where it cannot use a GPU."""
        return torch.device("cpu") if self._session.get_providers()[0] == PROCESSOR else self._told

    @property
    def remark(self) -> str:
        """See `Guest.remark`."""
        if self.device == self._told:
            return ""
        return f"onnxruntime cannot use {self._told}: predicted on the processor. {GPU_ADVICE}"

    def _run(self, windows: torch.Tensor) -> Sequence[torch.Tensor]:
        parts = [windows] if len(self._inputs) == 1 else _split(windows, self._bands)
        fed = {one.name: _cast(part, DTYPES[one.type]) for one, part in zip(self._inputs, parts, strict=True)}
        try:
            found = self._session.run(self._outputs, fed)
        except Exception as error:  # onnxruntime's exceptions have no parent of their own
            size = f"{windows.shape[3]} × {windows.shape[2]}"
            raise ModelError(
                f"{self._path.name} cannot be run on windows of {size} pixels: {in_short(error)}"
            ) from error
        given = {name: _tensor(array) for name, array in zip(self._outputs, found, strict=True)}
        return [tensor.to(windows.device) for tensor in chosen(self._card, given, self._path.name)]

    def _fit(self) -> Intake:
        """What the file takes; raises ModelError where the card does not give it that."""
        name = self._path.name
        many = len(self._inputs)
        if many not in (1, len(self._card.inputs)):
            raise ModelError(
                f"{name} takes {many} inputs, and its card names {len(self._card.inputs)}: name them in order."
            )
        for one in self._inputs:
            if one.type not in DTYPES:
                raise ModelError(f"{name} takes {one.type}, not floating-point numbers: export it for float32.")
            if len(one.shape) != 4:
                raise ModelError(
                    f"{name} takes arrays of {len(one.shape)} dimensions, not windows × bands × height × width: export it so."
                )
        batch, bands, height, width = (_size(side) for side in self._inputs[0].shape)
        if bands not in (None, self._card.band_count) and width == self._card.band_count:
            raise ModelError(f"{name} takes the bands last, not windows × bands × height × width: export it so.")
        intake = Intake(name, batch, bands if many == 1 else None, height, width)
        intake.check_card(self._card)
        return intake


def load(card: ModelCard, weights: Path, device: torch.device) -> OnnxNetwork:
    """The network of an ONNX file. Raises ModelError where there is none, or it does not fit its card."""
    check_file(weights, FileKind.ONNX)
    try:
        if weights.stat().st_size > MOST_BYTES:
            raise ModelError(
                f"{weights.name} is larger than an ONNX file can be (2 GiB): fetch it again, or export it in float16."
            )
        elsewhere = other_files(weights)
    except ValueError as error:
        raise ModelError(f"{weights.name} is truncated, damaged or no ONNX file ({error}): fetch it again.") from error
    except OSError as error:
        raise ModelError(f"{weights} cannot be read: {error.strerror or error}.") from error
    if elsewhere:
        raise ModelError(
            f"{weights.name} keeps numbers in another file ({plain(elsewhere[0])[:100]}), which its hash says nothing of. "
            "Write it as one: torch.onnx.export(..., external_data=False), or onnx.save(onnx.load(file), another_file)."
        )
    return OnnxNetwork(card, weights, device)


def _session(path: Path, device: torch.device) -> Any:  # onnxruntime has no types
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelError(
            f"{path.name} needs onnxruntime, which cannot be loaded here ({error}): pip install onnxruntime."
        ) from error
    onnxruntime.disable_telemetry_events()  # those of Windows
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.load_model_format", "ONNX")  # whatever the file is called
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # threads that wait leave the processor alone
    session = partial(onnxruntime.InferenceSession, str(path), options, enable_fallback=0)
    if device.type == "cuda" and GPU in onnxruntime.get_available_providers():
        settings = {"device_id": device.index or 0, "use_tf32": int(allows_tf32())}
        try:
            return session(providers=[(GPU, settings), PROCESSOR])
        except Exception as error:  # onnxruntime's exceptions have no parent of their own
            if is_out_of_memory(error):
                raise ModelError(f"{path.name} does not fit into the memory of {device}.") from error
            log.info("onnxruntime cannot run %s on %s: %s", path.name, device, error)
    try:
        return session(providers=[PROCESSOR])
    except Exception as error:  # as above
        raise ModelError(f"{path.name} is damaged, or made for another onnxruntime: {in_short(error)}") from error


def _split(windows: torch.Tensor, bands: Sequence[int]) -> list[torch.Tensor]:
    """The windows of each input of the card."""
    ends = np.cumsum(bands).tolist()
    return [windows[:, end - count : end] for count, end in zip(bands, ends, strict=True)]


def _cast(windows: torch.Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    values: NDArray[np.float32] = windows.float().cpu().numpy()
    if dtype == np.uint8:
        values = np.rint(values).clip(0, 255)
    return np.ascontiguousarray(values, dtype)


def _tensor(array: object) -> torch.Tensor:
    """An output, which may also be a list or a dictionary: those are left for `chosen` to name."""
    if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        return torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "u" else array)
    return array  # type: ignore[return-value]  # no tensor: `chosen` says so where it is asked for


def _size(side: object) -> int | None:
    """A side that is fixed; None where it is a name."""
    return side if isinstance(side, int) and side > 0 else None

"""TorchScript files: programs with their numbers. They can do what any program can, so the user has allowed this file."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.inference.zoo.foreign import FileKind, allowed_bytes, check_file, chosen, in_short, named
from rsviewer.inference.zoo.network import Answers


class ScriptNetwork:
    """A module of TorchScript.

    Args:
        card: of the model.
        name: of its file.
        module: that was in it.
    """

    def __init__(self, card: ModelCard, name: str, module: torch.nn.Module) -> None:
        self._card = card
        self._name = name
        self._module = module

    def forward(self, windows: torch.Tensor) -> Answers:
        """See `Network.forward`."""
        return named(self._card, run_module(self._module, windows, self._card, self._name))

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._module.to(device)


def load(card: ModelCard, weights: Path, device: torch.device) -> ScriptNetwork:
    """The network of a TorchScript file, whose programs are run. Raises ModelError where there is none."""
    check_file(weights, FileKind.TORCHSCRIPT)
    program = allowed_bytes(weights, card)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", DeprecationWarning)
            read = cast("Callable[..., torch.nn.Module]", torch.jit.load)  # without types of its own
            module = read(program, map_location=device)
    except Exception as error:  # whatever reading a program of another version ends in
        raise ModelError(f"{weights.name} is damaged, or made for another PyTorch: {in_short(error)}") from error
    return ScriptNetwork(card, weights.name, module.eval())


def run_module(module: Any, windows: torch.Tensor, card: ModelCard, name: str) -> Sequence[torch.Tensor]:
    """What somebody else's module returns for windows, one tensor for each of the card's outputs."""
    try:
        given = module(windows)
    except (RuntimeError, AssertionError, TypeError, ValueError, IndexError) as error:
        size = f"{windows.shape[3]} × {windows.shape[2]}"
        raise ModelError(
            f"{name} cannot be run on {windows.shape[1]} bands of {size} pixels: {in_short(error)} "
            "Correct the inputs and the framing of its card."
        ) from error
    if not isinstance(given, (torch.Tensor, Mapping, tuple, list)):
        raise ModelError(f"{name} gives a {type(given).__name__} where its card expects an array of numbers.")
    return chosen(card, given, name)

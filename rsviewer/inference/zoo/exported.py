"""Files of torch.export (.pt2): a graph with its numbers, for the sizes that it was exported for."""

from pathlib import Path

import torch
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.inference.zoo.foreign import FileKind, Intake, allowed_bytes, check_file, in_short, named
from rsviewer.inference.zoo.network import Answers
from rsviewer.inference.zoo.torchscript import run_module


class ExportedNetwork:
    """An exported program.

    Args:
        card: of the model.
        name: of its file.
        program: that was in it.
        device: where it should run.
    """

    def __init__(self, card: ModelCard, name: str, program: ExportedProgram, device: torch.device) -> None:
        self._card = card
        self._name = name
        self._program = program
        self._intake = _intake(program, name)
        self._intake.check_card(card)
        self.move(device)

    def forward(self, windows: torch.Tensor) -> Answers:
        """See `Network.forward`."""
        self._intake.check(windows)
        found = self._intake.run(windows, lambda some: run_module(self._module, some, self._card, self._name))
        return named(self._card, found)

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._program = move_to_device_pass(self._program, device)
        self._module = self._program.module()


def load(card: ModelCard, weights: Path, device: torch.device) -> ExportedNetwork:
    """The network of a file of torch.export, which the user has allowed. Raises ModelError where there is none."""
    check_file(weights, FileKind.EXPORTED)
    held = allowed_bytes(weights, card)
    try:
        program = torch.export.load(held)
    except Exception as error:  # whatever reading a graph of another version ends in
        raise ModelError(f"{weights.name} is damaged, or made for another PyTorch: {in_short(error)}") from error
    return ExportedNetwork(card, weights.name, program, device)


def _intake(program: ExportedProgram, name: str) -> Intake:
    taken = program.graph_signature.user_inputs
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in taken]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 4:
        raise ModelError(
            f"{name} takes {len(values)} inputs, not one of windows × bands × height × width: export it so."
        )
    # A side that is not fixed is a symbol, which only looks like a number.
    batch, bands, height, width = (side if type(side) is int else None for side in values[0].shape)
    return Intake(name, batch, bands, height, width)

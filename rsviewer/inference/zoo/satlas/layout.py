"""A file of Satlas, its numbers, and how they get into the parts of a network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.satlasfile import MARKS, SatlasFile, mark_in, newest, satlas_file, without_heads
from rsviewer.inference.zoo.checkpoints import Tensors, check_claim, mappings, read_saved, shape_of, some
from rsviewer.inference.zoo.satlas.resnet import ResNet, ResNetSizes
from rsviewer.inference.zoo.satlas.swin import Swin, SwinSizes, pairs

FAMILY = "Satlas"

Sizes: TypeAlias = SwinSizes | ResNetSizes

BACKBONES: Mapping[str, Sizes] = {
    "swin_v2_b": SwinSizes(128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "swin_v2_t": SwinSizes(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "resnet50": ResNetSizes((3, 4, 6, 3)),
    "resnet152": ResNetSizes((3, 8, 36, 3)),
}
"""All that Satlas has published."""

PYRAMID, ENLARGEMENT = "intermediates.0.", "intermediates.1."


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A file, as its names and shapes show it.

    Attributes:
        file: its name, for sentences.
        told: by its names and shapes.
        sizes: of the backbone.
        tensors: all numbers, by their newest names.
    """

    file: str
    told: SatlasFile
    sizes: Sizes
    tensors: Tensors = field(repr=False)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The numbers whose names begin so, by the rest of their names."""
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}

    def make_backbone(self) -> nn.Module:
        """The backbone with its numbers."""
        with torch.device("meta"):
            made = (
                Swin(self.sizes, self.told.bands)
                if isinstance(self.sizes, SwinSizes)
                else ResNet(self.sizes, self.told.bands)
            )
        self.fill(made, self.told.prefix)
        return made

    def fill(self, part: nn.Module, prefix: str) -> None:
        """Puts the numbers whose names begin so into a part of the network: all of them, and no others. None is copied."""
        given, wanted = self.part(prefix), part.state_dict()
        missing = [f"{prefix}{name}" for name in wanted if name not in given]
        if missing:
            raise ModelError(f"{self.file} is not complete, or no {FAMILY} model: it lacks {some(missing)}.")
        strange = [f"{prefix}{name}" for name in given if name not in wanted]
        if strange:
            raise ModelError(f"{self.file} is another network than {FAMILY}: it also holds {some(strange)}.")
        for name, tensor in given.items():
            if tensor.shape != wanted[name].shape:
                raise ModelError(
                    f"{self.file} is another network than {FAMILY}: {prefix}{name} has shape {shape_of(tensor)}."
                )
        known = pairs()
        if any(not torch.equal(one, known) for name, one in given.items() if name.endswith("relative_position_index")):
            raise ModelError(
                f"{self.file} was made for other windows of attention than {FAMILY} has: it cannot be run."
            )
        filled = {name: one.float() if one.is_floating_point() else one for name, one in given.items()}
        part.load_state_dict(filled, strict=True, assign=True)
        part.eval().requires_grad_(requires_grad=False)


def read_layout(path: Path, expected: int = 0) -> Layout:
    """What is in a published file.

    Args:
        path: a .pth or .pth.tar file. Its numbers are mapped, not read.
        expected: its size as the card says; 0 where unknown.

    Raises:
        ModelError: it is no such file, damaged, or another network.
    """
    held = read_saved(path, FAMILY, expected)
    found = next((one for one in mappings(held) if mark_in(one) is not None), None)
    if found is None:
        first = next((list(one) for one in mappings(held) if any(isinstance(t, Tensor) for t in one.values())), [])
        told = f", but {some(first)}" if first else ""
        raise ModelError(f"{path.name} is no {FAMILY} model: it holds no {' and no '.join(MARKS)}{told}.")
    tensors = {newest(name): one for name, one in found.items() if isinstance(name, str) and isinstance(one, Tensor)}
    check_claim(tensors, path)
    return layout_of(tensors, path.name)


def layout_of(tensors: Tensors, file: str) -> Layout:
    """What some numbers are, by their newest names. Raises ModelError where they are none of Satlas."""
    told = satlas_file({name: tuple(one.shape) for name, one in tensors.items()})
    if told is None:
        raise ModelError(f"{file} is no {FAMILY} model: the first layer of its backbone has another shape.")
    if not told.heads:
        raise ModelError(without_heads(file, tensors))
    if told.backbone not in BACKBONES:
        raise ModelError(f"{file} has a backbone that {FAMILY} has not: known are {', '.join(BACKBONES)}.")
    return Layout(file, told, BACKBONES[told.backbone], tensors)

"""What is in a file of Satlas: backbone, sensor and heads, told by names and shapes alone."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
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

MARKS: Mapping[str, str] = {"features.0.0.weight": "backbone.", "resnet.conv1.weight": ""}
"""End of the name of a backbone's first layer -> what stands before it, behind "backbone." (once more for several dates)."""

OLD_NAMES = (
    (re.compile(r"(\.rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    (re.compile(r"(\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$"), r"\1.0.\2"),
    *(
        (re.compile(rf"(\.mask_head)\.mask_fcn{number + 1}\.(weight|bias)$"), rf"\1.{number}.0.\2")
        for number in range(4)
    ),
)
"""How torchvision called some parts before its version 0.13 -> now."""

PYRAMID, ENLARGEMENT, HEADS = "intermediates.0.", "intermediates.1.", "heads."


class HeadKind(StrEnum):
    """What a head gives, as cards abbreviate it."""

    INSTANCES = "I"
    """Boxes with masks."""
    BOXES = "D"
    DENSE = "S"
    """Numbers for every pixel."""
    POOLED = "P"
    """A class of the whole tile, from the most of each channel. Not run: it is meant for a tile centred on one object."""
    WHOLE = "C"
    """A class of the whole tile, from the mean of each channel."""


COUNTED: Mapping[HeadKind, str] = {
    HeadKind.INSTANCES: "roi_heads.mask_predictor.mask_fcn_logits.weight",
    HeadKind.BOXES: "roi_heads.box_predictor.cls_score.weight",
    HeadKind.DENSE: "layers.1.weight",
    HeadKind.POOLED: "extra.weight",
    HeadKind.WHOLE: "layer.weight",
}
"""Kind -> the entry that only this kind has, with its channels first; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Head:
    """What tells one head from another: what it gives, and how many channels or classes."""

    kind: HeadKind
    channels: int

    def __str__(self) -> str:
        return f"{self.kind}{self.channels}"


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A file, as its names and shapes show it.

    Attributes:
        file: its name, for sentences.
        backbone: one of BACKBONES.
        sizes: of the backbone.
        bands: of an image.
        dates: it was trained on several images of a tile.
        heads: in their order.
        prefix: of the backbone's names.
        tensors: all numbers, by their newest names.
    """

    file: str
    backbone: str
    sizes: Sizes
    bands: int
    dates: bool
    heads: tuple[Head, ...]
    prefix: str
    tensors: Tensors = field(repr=False)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The numbers whose names begin so, by the rest of their names."""
        return {name.removeprefix(prefix): one for name, one in self.tensors.items() if name.startswith(prefix)}

    def make_backbone(self) -> nn.Module:
        """The backbone with its numbers."""
        with torch.device("meta"):
            made = Swin(self.sizes, self.bands) if isinstance(self.sizes, SwinSizes) else ResNet(self.sizes, self.bands)
        self.fill(made, self.prefix)
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
    found = next((one for one in mappings(held) if _mark(one) is not None), None)
    if found is None:
        first = next((list(one) for one in mappings(held) if any(isinstance(t, Tensor) for t in one.values())), [])
        told = f", but {some(first)}" if first else ""
        raise ModelError(f"{path.name} is no {FAMILY} model: it holds no {' and no '.join(MARKS)}{told}.")
    tensors = {
        _newest(name.removeprefix("module.")): one
        for name, one in found.items()
        if isinstance(name, str) and isinstance(one, Tensor)
    }
    check_claim(tensors, path)
    return _layout(tensors, path.name)


def _layout(tensors: Tensors, file: str) -> Layout:
    mark = _mark(tensors)
    if mark is None:
        raise ModelError(f"{file} is no {FAMILY} model.")
    prefix, end = mark
    inner = f"backbone.{MARKS[end]}"
    heads = _heads(tensors, file)
    if prefix not in (inner, f"backbone.{inner}") or not heads:
        raise ModelError(
            f"{file} holds a backbone of {FAMILY} without its heads, which predicts nothing: take the whole checkpoint."
        )
    first = tensors[prefix + end]
    if first.ndim != 4:
        raise ModelError(f"{file} is no {FAMILY} model: {prefix}{end} has shape {shape_of(first)}.")
    backbone = _backbone(tensors, prefix, end)
    if not backbone:
        raise ModelError(f"{file} has a backbone that {FAMILY} has not: known are {', '.join(BACKBONES)}.")
    return Layout(file, backbone, BACKBONES[backbone], first.shape[1], prefix != inner, heads, prefix, tensors)


def _backbone(tensors: Tensors, prefix: str, end: str) -> str:
    """Its name in BACKBONES, by the channels of a Swin's first layer or the blocks of a ResNet's stages."""
    if end.startswith("features"):
        embed = tensors[prefix + end].shape[0]
        found = (name for name, one in BACKBONES.items() if isinstance(one, SwinSizes) and one.embed == embed)
    else:
        blocks: defaultdict[str, set[str]] = defaultdict(set)
        for name in tensors:
            if match := re.match(rf"{re.escape(prefix)}resnet\.layer([1-4])\.(\d+)\.", name):
                blocks[match[1]].add(match[2])
        depths = tuple(len(blocks[stage]) for stage in "1234")
        found = (name for name, one in BACKBONES.items() if isinstance(one, ResNetSizes) and one.depths == depths)
    return next(found, "")


def _heads(tensors: Tensors, file: str) -> tuple[Head, ...]:
    by_number: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, one in tensors.items():
        if match := re.fullmatch(rf"{re.escape(HEADS)}(\d{{1,3}})\.(.+)", name):
            by_number[int(match[1])][match[2]] = one
    if set(by_number) != set(range(len(by_number))):
        raise ModelError(f"{file} is not complete: some of its heads are missing.")
    heads = []
    for number in range(len(by_number)):
        part = by_number[number]
        kind = next((kind for kind, entry in COUNTED.items() if entry in part and part[entry].ndim), None)
        if kind is None:
            names = [f"{HEADS}{number}.{name}" for name in part]
            raise ModelError(f"{file} has a head that {FAMILY} has not: {some(names)}.")
        heads.append(Head(kind, part[COUNTED[kind]].shape[0]))
    return tuple(heads)


def _mark(names: Mapping[str, object]) -> tuple[str, str] | None:
    """What stands before the backbone's names, without "module.", and which of MARKS it is; None where there is no backbone."""
    for end in MARKS:
        for name in names:
            if isinstance(name, str) and f".{name}".endswith(f".{end}") and isinstance(names[name], Tensor):
                return name.removesuffix(end).removeprefix("module."), end
    return None


def _newest(name: str) -> str:
    for pattern, now in OLD_NAMES:
        name = pattern.sub(now, name)
    return name

"""What is in a file of Satlas: backbone, bands, dates and heads, told by names and shapes alone."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rsviewer.core.recognising import Shapes

NAMES: Mapping[tuple[int, tuple[int, ...]], str] = {
    (128, (2, 2, 18, 2)): "swin_v2_b",
    (96, (2, 2, 6, 2)): "swin_v2_t",
    (0, (3, 4, 6, 3)): "resnet50",
    (0, (3, 8, 36, 3)): "resnet152",
}
"""(channels of the first stage of a Swin, else 0; blocks of each stage) -> backbone: all that Satlas has published."""

SWIN, RESNET = "features.0.0.weight", "resnet.conv1.weight"
MARKS: Mapping[str, str] = {SWIN: "backbone.", RESNET: ""}
"""End of the name of a backbone's first layer -> what stands before it, behind "backbone." (once more for several dates)."""
HEADS = "heads."
LINES = ("airport runway", "airport taxiway", "raceway", "road", "railway", "river")
DRAWN_LINES = ("road", "railway", "river", "airport runway", "airport taxiway", "raceway")
"""Channels of the head of lines as the authors' code names them, and as it draws them into the labels that it learns from, from
the lowest bit on. The published files do not say which of the two they follow."""

_BLOCKS = {SWIN: r"features\.([1357])\.(\d+)\.", RESNET: r"resnet\.layer([1-4])\.(\d+)\."}
_OLD_NAMES = (
    (re.compile(r"(\.rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    (re.compile(r"(\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$"), r"\1.0.\2"),
    *(
        (re.compile(rf"(\.mask_head)\.mask_fcn{number + 1}\.(weight|bias)$"), rf"\1.{number}.0.\2")
        for number in range(4)
    ),
)
"""How torchvision called some parts before its version 0.13 -> now."""


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


@dataclass(frozen=True, slots=True)
class SatlasFile:
    """A file, as its names and shapes show it.

    Attributes:
        backbone: see NAMES; empty for another one.
        bands: of an image.
        dates: it was trained on several images of a tile.
        heads: in their order; empty for a backbone alone.
        prefix: of the backbone's names.
    """

    backbone: str
    bands: int
    dates: bool
    heads: tuple[Head, ...]
    prefix: str

    @property
    def signature(self) -> str:
        """The heads as cards write them, e.g. "I27 D16 S12"."""
        return " ".join(map(str, self.heads))


def satlas_file(shapes: Shapes) -> SatlasFile | None:
    """What is in a file of Satlas; None for other files.

    Args:
        shapes: by names as `newest` has them.
    """
    mark = mark_in(shapes)
    if mark is None or len(shapes[mark[0] + mark[1]]) != 4:
        return None
    prefix, end = mark
    embed, bands = shapes[prefix + end][:2]
    blocks: defaultdict[str, set[str]] = defaultdict(set)
    pattern = re.compile(re.escape(prefix) + _BLOCKS[end])
    for name in shapes:
        if match := pattern.match(name):
            blocks[match[1]].add(match[2])
    depths = tuple(len(blocks[stage]) for stage in sorted(blocks))
    backbone = NAMES.get((embed if end == SWIN else 0, depths), "")
    inner = f"backbone.{MARKS[end]}"
    heads = _heads(shapes) if prefix in (inner, f"backbone.{inner}") else ()
    return SatlasFile(backbone, bands, prefix != inner, heads, prefix)


def mark_in(names: Iterable[object]) -> tuple[str, str] | None:
    """What stands before the backbone's names, and which of MARKS tells it; None where there is no backbone of that kind."""
    for name in names:
        end = next((end for end in MARKS if isinstance(name, str) and f".{name}".endswith(f".{end}")), None)
        if end is not None and isinstance(name, str):
            return name.removesuffix(end), end
    return None


def without_heads(file: str, names: Iterable[object]) -> str:
    """Why a file without usable heads is no model, in a sentence."""
    if any(f".{name}".rpartition(f".{HEADS}")[1] for name in names):
        return f"{file} holds a backbone of Satlas without all of its heads, or with others: take the whole checkpoint."
    return (
        f"{file} holds a backbone alone: it lacks the heads of Satlas ({HEADS}*), without which nothing is predicted. Take the"
        " whole checkpoint."
    )


def newest(name: str) -> str:
    """A name as torchvision has it today, without what training on several devices puts before it."""
    name = name.removeprefix("module.")
    for pattern, now in _OLD_NAMES:
        name = pattern.sub(now, name)
    return name


def _heads(shapes: Shapes) -> tuple[Head, ...]:
    """The heads in their order; empty where one is missing, or is none of these kinds."""
    by_number: defaultdict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, shape in shapes.items():
        if match := re.fullmatch(rf"{re.escape(HEADS)}(\d{{1,3}})\.(.+)", name):
            by_number[int(match[1])][match[2]] = shape
    heads = []
    for number in range(len(by_number)):
        part = by_number.get(number, {})
        kind = next((kind for kind, entry in COUNTED.items() if part.get(entry)), None)
        if kind is None:
            return ()
        heads.append(Head(kind, part[COUNTED[kind]][0]))
    return tuple(heads)

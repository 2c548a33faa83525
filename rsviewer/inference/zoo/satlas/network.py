"""A model of Satlas at work: the maps of a window are made once, and every head that is asked for answers from them.

The backbone takes most of the time, the map as fine as the image most of the memory. So the coarse maps of many windows are
kept and the fine ones of the last few: another head on the same tile costs only itself.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind
from rsviewer.core.satlasfile import DRAWN_LINES, HEADS, LINES, Head, HeadKind
from rsviewer.inference.zoo.satlas.detecting import Detector
from rsviewer.inference.zoo.satlas.heads import Dense, Whole, each_by_itself, quantities, without_background
from rsviewer.inference.zoo.satlas.layout import ENLARGEMENT, FAMILY, PYRAMID, Layout, read_layout
from rsviewer.inference.zoo.satlas.pyramid import WIDTH, Enlargement, Pyramid, of_dates

KEPT_COARSE, KEPT_FINE = 256 << 20, 300 << 20
"""Bytes of maps that are kept: of 512 x 512 pixels those of twenty windows, and the fine ones of two."""
MULTIPLE = 32
"""Sides of windows: the coarsest map is so many times smaller."""
KINDS: dict[OutputKind, tuple[HeadKind, ...]] = {
    OutputKind.LABELS: (HeadKind.DENSE,),
    OutputKind.QUANTITY: (HeadKind.DENSE,),
    OutputKind.SCENE: (HeadKind.WHOLE,),
    OutputKind.BOXES: (HeadKind.BOXES, HeadKind.INSTANCES),
}
"""Output -> the heads that can give it."""
LINES_AS_DRAWN = "lines_as_drawn"
"""Option of cards: see `core.satlasfile.DRAWN_LINES`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Maps:
    """What heads answer from.

    Attributes:
        levels: of the pyramid, the finest first.
        last: what classes of the whole tile are taken from: the coarsest of them, or of the backbone.
        fine: as fine as the image; None until a head asks for it.
    """

    levels: tuple[Tensor, ...]
    last: Tensor
    fine: Tensor | None = None


class Satlas:
    """A `Network`.

    Args:
        backbone: an image -> four maps.
        pyramid, enlargement: see `pyramid`.
        heads: name of an output -> its head.
        outputs: of the card.
        bands: of an image; a window of several dates has as many times more.
        orders: name of an output -> for each of its classes the channel of the head, where they are not in that order.
    """

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: Pyramid,
        enlargement: Enlargement,
        heads: dict[str, nn.Module],
        outputs: Sequence[ModelOutput],
        bands: int,
        orders: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        self._parts = nn.ModuleDict({"backbone": backbone, "pyramid": pyramid, "enlargement": enlargement})
        self._backbone = backbone
        self._pyramid = pyramid
        self._enlargement = enlargement
        self._heads = heads
        self._outputs = tuple(outputs)
        self._asked = tuple(outputs)
        self._bands = bands
        self._orders = orders
        self._kept: OrderedDict[bytes, _Maps] = OrderedDict()
        self._takes_backbone = any(
            isinstance(head, Whole) and head.layer.in_features != WIDTH for head in heads.values()
        )

    def ask(self, outputs: Sequence[str]) -> None:
        """See `Chooser.ask`."""
        self._asked = tuple(one for one in self._outputs if one.name in outputs)

    def forward(self, windows: Tensor) -> dict[str, Tensor]:
        """The heads that are asked for. See `Network.forward`."""
        height, width = windows.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE or not height or not width or windows.shape[1] % self._bands:
            raise ModelError(
                f"{FAMILY} takes windows whose sides are multiples of {MULTIPLE}, not {width} x {height}: "
                f"set multiple = {MULTIPLE} in the framings of its card."
            )
        maps = self._maps(windows)
        return {output.name: self._answer(output, maps, (height, width)) for output in self._asked}

    def forget(self) -> None:
        """See `network.Keeping`."""
        self._kept.clear()

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self.forget()
        self._parts.to(device)
        for head in self._heads.values():
            head.to(device)

    def _answer(self, output: ModelOutput, maps: _Maps, size: tuple[int, int]) -> Tensor:
        head = self._heads[output.name]
        if isinstance(head, Detector):
            hidden = torch.tensor([one.void for one in output.classes], device=maps.last.device)
            objects: Tensor = head(maps.levels, size, hidden)
            return objects
        if isinstance(head, Whole):
            scene: Tensor = head(maps.last)
            return scene
        scores: Tensor = head(maps.fine).float()
        if output.name in self._orders:
            scores = scores[:, list(self._orders[output.name])]
        if output.kind is OutputKind.QUANTITY:
            return quantities(scores)
        return each_by_itself(scores) if output.threshold else without_background(scores)

    def _maps(self, windows: Tensor) -> _Maps:
        """The maps of some windows, as kept or made now."""
        key = _digest(windows)
        maps = self._kept.pop(key, None)
        if maps is None:
            found = of_dates(self._backbone, windows, self._bands)
            levels = tuple(self._pyramid(found))
            maps = _Maps(levels, found[-1] if self._takes_backbone else levels[-1])
        if maps.fine is None and any(isinstance(self._heads[output.name], Dense) for output in self._asked):
            maps = replace(maps, fine=self._enlargement(maps.levels[0]))
        self._kept[key] = maps
        self._forget()
        return maps

    def _forget(self) -> None:
        """Lets go of what was used longest ago, but for what is used now."""
        coarse = fine = 0
        for key, maps in reversed(list(self._kept.items())):
            coarse += sum(_nbytes(one) for one in {*maps.levels, maps.last})
            fine += 0 if maps.fine is None else _nbytes(maps.fine)
            is_last = key == next(reversed(self._kept))
            if coarse > KEPT_COARSE and not is_last:
                del self._kept[key]
            elif fine > KEPT_FINE and maps.fine is not None and not is_last:
                self._kept[key] = replace(maps, fine=None)


def load(card: ModelCard, weights: Path, device: torch.device) -> Satlas:
    """The network of a published file, or of one in its layout.

    Args:
        card: whose setting "heads" names the file's heads in their order, e.g. "polygon:I27 land_cover:S12"; its outputs are
            named after some of them.
        weights: a .pth file. Its numbers are mapped, not copied, as long as the network stays on the processor.
        device: where it runs.

    Raises:
        ModelError: see `Network`.
    """
    layout = read_layout(weights, card.weights.nbytes)
    heads = _named_heads(card, layout)
    if card.band_count != layout.told.bands:
        raise ModelError(f"{weights.name} takes {layout.told.bands} bands, but its card gives it {card.band_count}.")
    backbone = layout.make_backbone()
    with torch.device("meta"):
        pyramid, enlargement = Pyramid(layout.sizes.widths), Enlargement()
    layout.fill(pyramid, PYRAMID)
    layout.fill(enlargement, ENLARGEMENT)
    made = {output.name: _head(card, output, heads, layout) for output in card.outputs}
    network = Satlas(backbone, pyramid, enlargement, made, card.outputs, layout.told.bands, _orders(card))
    network.move(device)
    return network


def _named_heads(card: ModelCard, layout: Layout) -> dict[str, int]:
    """Name of a head -> its number in the file, which must have the very heads that the card says."""
    said = [one.rpartition(":") for one in str(card.settings.get("heads", "")).split()]
    if [kind for _, _, kind in said] != [str(head) for head in layout.told.heads]:
        there = " ".join(map(str, layout.told.heads))
        wanted = " ".join(kind for _, _, kind in said) or "none"
        raise ModelError(
            f"{layout.file} has the heads {there}, but its card says {wanted}: take the card of this file."
        )
    return {name: number for number, (name, _, _) in enumerate(said)}


def _head(card: ModelCard, output: ModelOutput, heads: dict[str, int], layout: Layout) -> nn.Module:
    """The head of an output with its numbers."""
    number = heads.get(output.name)
    if number is None or layout.told.heads[number].kind not in KINDS.get(output.kind, ()):
        raise ModelError(
            f"The card of {card.id} asks for {output.name!r} ({output.kind}), which no head of {layout.file} gives."
        )
    prefix, head = f"{HEADS}{number}.", layout.told.heads[number]
    _check_classes(card, output, head)
    with torch.device("meta"):
        made: nn.Module = Dense(head.channels)
        if head.kind in (HeadKind.BOXES, HeadKind.INSTANCES):
            made = Detector(head.channels, masks=head.kind is HeadKind.INSTANCES)
        if head.kind is HeadKind.WHOLE:
            shape = layout.tensors[f"{prefix}layer.weight"].shape
            known = shape[-1] in (WIDTH, layout.sizes.widths[-1])
            made = Whole(shape[-1] if known else WIDTH, head.channels)
    layout.fill(made, prefix)
    return made


def _orders(card: ModelCard) -> dict[str, list[int]]:
    """See `Satlas`: of an output of all lines and nothing else, where the user wants them as they were drawn."""
    if not card.settings.get(LINES_AS_DRAWN):
        return {}
    order = [DRAWN_LINES.index(name) for name in LINES]
    lines = (output for output in card.outputs if tuple(one.name for one in output.classes[1:]) == LINES)
    return {output.name: order for output in lines}


def _check_classes(card: ModelCard, output: ModelOutput, head: Head) -> None:
    wanted = 1 if output.kind is OutputKind.QUANTITY else len(output.classes) - bool(output.threshold)
    if wanted != head.channels:
        raise ModelError(
            f"The card of {card.id} names {wanted} classes for {output.name!r}, but the file tells {head.channels} apart."
        )


def _digest(windows: Tensor) -> bytes:
    """Equal for equal windows, and only for those."""
    numbers = windows.detach().to("cpu", torch.float32).contiguous().numpy()
    return hashlib.blake2b(numbers.data, digest_size=16, key=repr(windows.shape).encode()[:64]).digest()


def _nbytes(one: Tensor) -> int:
    return one.numel() * one.element_size()

"""Segmentation baseline of DFC2020 (Schmitt et al., ISPRS Annals V-2-2020): DeepLabv3+ on a ResNet-101, and a UNet.

Their checkpoints are read as they are: a dictionary with "model_state_dict". Which network it is, is told by the names in it;
that of DeepLabv3+ does not tell its output stride, which the card says (`out_stride` in its settings, 16 or 8; both published
files have 16). The classes of a file without savanna are 9, and its card leaves label 3 out.

What goes in: Sentinel-2 cut to 0..10000 and divided by that, the bands in the order of their numbers; then VV and VH in dB,
cut to -25..0 and brought to 0..1; all of it in the card. All enlargements are bilinear, with corners on corners.
"""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.core.recognising import DEEPLAB, Recognised, dfc2020_network
from rsviewer.inference.zoo.checkpoints import NUMPY_NUMBERS, check_card, check_claim, fill, network_in, read_saved
from rsviewer.inference.zoo.network import Answers
from rsviewer.inference.zoo.sen12ms import Bottleneck

FAMILY = "DFC2020"
STRIDE = "out_stride"
"""Setting of a card."""
LAYOUTS: dict[int, tuple[tuple[int, int, int, int], tuple[int, int, int, int], tuple[int, int, int, int]]] = {
    16: ((1, 2, 2, 1), (1, 1, 1, 2), (1, 6, 12, 18)),
    8: ((1, 2, 1, 1), (1, 1, 2, 4), (1, 12, 24, 36)),
}
"""Output stride -> strides and dilations of the four parts of the ResNet, dilations of the pyramid."""
BLOCKS = (3, 4, 23, 3)
GRID = (1, 2, 4)
"""By how much more each block of the last part of the ResNet looks further."""
WIDTH, LOW = 256, 48
"""Channels of the pyramid and behind it; of what the decoder takes from the first part of the ResNet."""
LEAST = 16
"""Pixels of the side of a window: it is halved four times."""


class Segmenter:
    """A `Network`.

    Args:
        network: (n, bands, h, w) -> (n, classes, h, w), logits.
        output: name of what it gives.
    """

    def __init__(self, network: nn.Module, output: str) -> None:
        self._network = network
        self._output = output

    def forward(self, windows: Tensor) -> Answers:
        """See `Network.forward`."""
        height, width = windows.shape[-2:]
        if min(height, width) < LEAST:
            raise ModelError(
                f"The networks of DFC2020 take windows of {LEAST} x {LEAST} pixels or more, not {width} x {height}: "
                "set multiple = 16 in the framings of the card."
            )
        scores: Tensor = self._network(windows)
        return {self._output: scores}

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._network.to(device)


def load(card: ModelCard, weights: Path, device: torch.device) -> Segmenter:
    """The network of a published file.

    Args:
        card: with one output, of kind LABELS. `settings` has "out_stride" for DeepLabv3+.
        weights: a checkpoint of the baseline.
        device: where it runs.

    Raises:
        ModelError: see `Network`.
    """
    tensors = network_in(read_saved(weights, FAMILY, card.weights.nbytes, NUMPY_NUMBERS))
    check_claim(tensors, weights)
    found = dfc2020_network({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if found is None:
        raise ModelError(f"{weights.name} is no network of DFC2020's baseline (DeepLabv3+ or UNet, with its names).")
    check_card(card, found, weights, OutputKind.LABELS, "labels")
    _check_stride(card, found, weights)
    with torch.device("meta"):
        network = build(found, int(card.settings.get(STRIDE, 0)))
    fill(network, tensors, weights, found.architecture)
    segmenter = Segmenter(network, card.outputs[0].name or OutputKind.LABELS.value)
    segmenter.move(device)
    return segmenter


def build(found: Recognised, out_stride: int) -> nn.Module:
    """The network of a file, with the file's own names, on torch's present device."""
    if found.architecture == DEEPLAB:
        return DeepLab(found.bands, found.classes, out_stride)
    return UNet(found.bands, found.classes)


def _check_stride(card: ModelCard, found: Recognised, path: Path) -> None:
    """Raises ModelError where the card does not say what the file cannot."""
    if found.architecture == DEEPLAB and card.settings.get(STRIDE) not in LAYOUTS:
        raise ModelError(
            f"The card of {card.id} does not say the output stride of {path.name}: write {STRIDE} = 16 (or 8) in its settings."
        )


# --- the networks, with the names of the files


class DeepLab(nn.Module):
    """DeepLabv3+ (Chen et al. 2018) on a ResNet-101.

    Args:
        bands: that go in.
        classes: that come out.
        out_stride: a key of LAYOUTS.
    """

    def __init__(self, bands: int, classes: int, out_stride: int) -> None:
        super().__init__()
        strides, dilations, rates = LAYOUTS[out_stride]
        self.backbone = Backbone(bands, strides, dilations)
        self.aspp = Pyramid(rates)
        self.decoder = Decoder(classes)

    def forward(self, images: Tensor) -> Tensor:
        """(n, bands, h, w) -> (n, classes, h, w)."""
        deep, low = self.backbone(images)
        return enlarged(self.decoder(self.aspp(deep), low), images)


class Backbone(nn.Module):
    """ResNet-101 whose last parts look further instead of getting smaller."""

    def __init__(self, bands: int, strides: tuple[int, ...], dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(bands, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for number, (count, stride, dilation) in enumerate(zip(BLOCKS, strides, dilations, strict=True)):
            width = 64 << number
            blocks = []
            for place in range(count):
                further = dilation * (GRID[place] if number == len(BLOCKS) - 1 else 1)
                blocks.append(Bottleneck(before, width, 4 * width, 1 if place else stride, further))
                before = 4 * width
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the last part gives, and the first."""
        found = functional.max_pool2d(self.bn1(self.conv1(images)).relu_(), 3, 2, 1)
        low = found = self.get_submodule("layer1")(found)
        for number in (2, 3, 4):
            found = self.get_submodule(f"layer{number}")(found)
        return found, low


class Pyramid(nn.Module):
    """Looks at several distances at once, and at everything (ASPP)."""

    def __init__(self, rates: tuple[int, ...]) -> None:
        super().__init__()
        for number, rate in enumerate(rates, 1):
            self.add_module(f"aspp{number}", Atrous(rate))
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(2048, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)
        )
        self.conv1 = nn.Conv2d(WIDTH * (len(rates) + 1), WIDTH, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self._count = len(rates)

    def forward(self, found: Tensor) -> Tensor:
        """(n, 2048, h, w) -> (n, 256, h, w)."""
        near = [self.get_submodule(f"aspp{number + 1}")(found) for number in range(self._count)]
        everything = self.global_avg_pool(found).expand(-1, -1, *found.shape[-2:])  # enlarged from a single place
        together: Tensor = self.bn1(self.conv1(torch.cat([*near, everything], 1)))
        return together.relu_()


class Atrous(nn.Module):
    """One distance of the pyramid; 1 is the place itself."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        side, padding = (1, 0) if rate == 1 else (3, rate)
        self.atrous_conv = nn.Conv2d(2048, WIDTH, side, padding=padding, dilation=rate, bias=False)
        self.bn = nn.BatchNorm2d(WIDTH)

    def forward(self, found: Tensor) -> Tensor:
        """See the class."""
        return cast("Tensor", self.bn(self.atrous_conv(found))).relu_()


class Decoder(nn.Module):
    """Draws what the pyramid found along what the first part of the ResNet saw."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTH, LOW, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(LOW)
        self.last_conv = nn.Sequential(
            *(nn.Conv2d(WIDTH + LOW, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)),
            nn.Dropout(),
            *(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)),
            nn.Dropout(0.1),
            nn.Conv2d(WIDTH, classes, 1),
        )

    def forward(self, found: Tensor, low: Tensor) -> Tensor:
        """(n, classes, h, w) of the size of `low`."""
        low = self.bn1(self.conv1(low)).relu_()
        scores: Tensor = self.last_conv(torch.cat([enlarged(found, low), low], 1))
        return scores


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) that enlarges bilinearly.

    Args:
        bands: that go in.
        classes: that come out.
    """

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.inc = Twice(bands, 64)
        for number, (before, after) in enumerate(((64, 128), (128, 256), (256, 512), (512, 512)), 1):
            self.add_module(f"down{number}", Down(before, after))
        for number, (before, after) in enumerate(((1024, 256), (512, 128), (256, 64), (128, 64)), 1):
            self.add_module(f"up{number}", Up(before, after))
        self.outc = nn.ModuleDict({"conv": nn.Conv2d(64, classes, 1)})

    def forward(self, images: Tensor) -> Tensor:
        """(n, bands, h, w) -> (n, classes, h, w)."""
        seen = [self.inc(images)]
        for number in (1, 2, 3, 4):
            seen.append(self.get_submodule(f"down{number}")(seen[-1]))
        found = seen.pop()
        for number in (1, 2, 3, 4):
            found = self.get_submodule(f"up{number}")(found, seen.pop())
        scores: Tensor = self.outc["conv"](found)
        return scores


class Twice(nn.Module):
    """Two convolutions of 3 x 3."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            *(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)),
            *(nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.double_conv(images)
        return found


class Down(nn.Module):
    """Half the size, other channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Twice(before, after))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.maxpool_conv(images)
        return found


class Up(nn.Module):
    """Twice the size, beside what was seen at that size on the way down; an odd side is filled with zeros."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = Twice(before, after)

    def forward(self, found: Tensor, seen: Tensor) -> Tensor:
        """See the class."""
        found = functional.interpolate(found, scale_factor=2, mode="bilinear", align_corners=True)
        down, across = (seen.shape[side] - found.shape[side] for side in (2, 3))
        found = functional.pad(found, (across // 2, across - across // 2, down // 2, down - down // 2))
        drawn: Tensor = self.conv(torch.cat([seen, found], 1))
        return drawn


def enlarged(found: Tensor, like: Tensor) -> Tensor:
    """(n, channels, h, w) of the size of another."""
    return functional.interpolate(found, like.shape[-2:], mode="bilinear", align_corners=True)

"""Classifiers of the SEN12MS toolbox (Schmitt and Wu, ISPRS Annals V-2-2021): ResNet, DenseNet and VGG for scenes.

Their checkpoints are read as they are: a dictionary with "model_state_dict", most of them in the format of torch 1.4, beside a
single number of numpy ("best_prec"). Which network it is, is told by the names in it. Of what is usual, three things differ:

* ResNet holds its first convolution twice, as "conv1" and as "encoder.0": they must be the same.
* DenseNet has neither activation nor pooling behind its last normalisation: the classifier sees all 8 x 8 places, so does that
  of VGG. Windows are 256 x 256, for ResNet as well, which was trained with nothing else.
* No softmax or sigmoid in the network. One class or several a tile is not in the file: the card says it (`scores`).

What goes in: digital numbers of Sentinel-2 as they are, neither cut nor divided, B2, B3, B4 ... in this order; then VV and VH
in decibels; all of it in the card.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.core.recognising import DENSENETS, RESNETS, Recognised, sen12ms_network
from rsviewer.inference.zoo.checkpoints import NUMPY_NUMBERS, check_card, check_claim, fill, network_in, read_saved
from rsviewer.inference.zoo.network import Answers

FAMILY = "SEN12MS"
SIDE = 256
"""Pixels of a window, in every network of the toolbox."""
GROWTH: dict[str, tuple[int, int]] = {"DenseNet161": (48, 96)}
"""DenseNet -> channels that each layer adds, and those of the first convolution. Others: 32 and 64."""
NARROW = 4
"""A layer of DenseNet goes through so many times the channels that it adds; a bottleneck of ResNet widens by as much."""
VGG_PARTS: dict[str, tuple[int, ...]] = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
"""VGG -> convolutions before each of the five poolings."""
VGG_WIDTHS = (64, 128, 256, 512, 512)
VGG_HIDDEN = 4096


class Classifier:
    """A `Network`.

    Args:
        network: (n, bands, 256, 256) -> (n, classes), logits.
        output: name of what it gives.
    """

    def __init__(self, network: nn.Module, output: str) -> None:
        self._network = network
        self._output = output

    def forward(self, windows: Tensor) -> Answers:
        """See `Network.forward`."""
        height, width = windows.shape[-2:]
        if (height, width) != (SIDE, SIDE):
            raise ModelError(
                f"The classifiers of SEN12MS take windows of {SIDE} x {SIDE} pixels, not {width} x {height}: "
                f"set window = {SIDE}, multiple = {SIDE} and whole = true in the framings of the card."
            )
        scores: Tensor = self._network(windows)
        return {self._output: scores}

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._network.to(device)


def load(card: ModelCard, weights: Path, device: torch.device) -> Classifier:
    """The network of a published file.

    Args:
        card: with one output, of kind SCENE.
        weights: a checkpoint of the toolbox.
        device: where it runs.

    Raises:
        ModelError: see `Network`.
    """
    tensors = dict(network_in(read_saved(weights, FAMILY, card.weights.nbytes, NUMPY_NUMBERS)))
    check_claim(tensors, weights)
    found = sen12ms_network({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if found is None:
        raise ModelError(
            f"{weights.name} is no classifier of SEN12MS (ResNet, DenseNet or VGG, with the toolbox's names)."
        )
    check_card(card, found, weights, OutputKind.SCENE, "a scene")
    if found.architecture in RESNETS.values():
        _drop_twin(tensors, weights)
    with torch.device("meta"):
        network = build(found)
    fill(network, tensors, weights, found.architecture)
    classifier = Classifier(network, card.outputs[0].name or OutputKind.SCENE.value)
    classifier.move(device)
    return classifier


def build(found: Recognised) -> nn.Module:
    """The network of a file, with the file's own names, on torch's present device."""
    for (has_bottleneck, blocks), name in RESNETS.items():
        if name == found.architecture:
            return ResNet(found.bands, found.classes, blocks, has_bottleneck=has_bottleneck)
    for layers, name in DENSENETS.items():
        if name == found.architecture:
            return DenseNet(found.bands, found.classes, layers, *GROWTH.get(name, (32, 64)))
    return Vgg(found.bands, found.classes, VGG_PARTS[found.architecture])


def _drop_twin(tensors: dict[str, Tensor], path: Path) -> None:
    """Takes away the second name of ResNet's first convolution. Raises ModelError where it is another one."""
    twin, first = tensors.pop("conv1.weight", None), tensors["encoder.0.weight"]
    if twin is None or not torch.equal(twin, first):
        raise ModelError(f"{path.name} is no ResNet of SEN12MS: conv1.weight is not the same as encoder.0.weight.")


# --- the networks, with the names of the files


class ResNet(nn.Module):
    """ResNet (He et al. 2016), whose blocks halve the size in their 3 x 3 convolution.

    Args:
        bands: that go in.
        classes: that come out.
        blocks: in each of the four parts.
        has_bottleneck: of the blocks.
    """

    def __init__(self, bands: int, classes: int, blocks: Sequence[int], *, has_bottleneck: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        before = 64
        for number, count in enumerate(blocks):
            width = 64 << number
            after = width * NARROW if has_bottleneck else width
            made: list[nn.Module] = []
            for place in range(count):
                stride = 2 if number and not place else 1
                make = Bottleneck if has_bottleneck else Basic
                made.append(make(before, width, after, stride))
                before = after
            parts.append(nn.Sequential(*made))
        self.encoder = nn.Sequential(
            nn.Conv2d(bands, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
            *parts,
            nn.AdaptiveAvgPool2d(1),
        )
        self.FC = nn.Linear(before, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(n, bands, h, w) -> (n, classes)."""
        scores: Tensor = self.FC(self.encoder(images).flatten(1))
        return scores


class Basic(nn.Module):
    """Two convolutions of 3 x 3, and what came in on top."""

    def __init__(self, before: int, _width: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = shortcut(before, after, stride)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found = self.bn1(self.conv1(images)).relu_()
        summed: Tensor = self.bn2(self.conv2(found)) + self.downsample(images)
        return summed.relu_()


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 (which may look further) and 1 x 1, and what came in on top."""

    def __init__(self, before: int, width: int, after: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = shortcut(before, after, stride)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found = self.bn1(self.conv1(images)).relu_()
        found = self.bn2(self.conv2(found)).relu_()
        summed: Tensor = self.bn3(self.conv3(found)) + self.downsample(images)
        return summed.relu_()


def shortcut(before: int, after: int, stride: int) -> nn.Module:
    """What brings the input of a block to the size of its output; nothing where it has it."""
    if stride == 1 and before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))


class DenseNet(nn.Module):
    """DenseNet (Huang et al. 2017), as far as its last normalisation.

    Args:
        bands: that go in.
        classes: that come out.
        layers: in each of the four blocks.
        growth: channels that each layer adds.
        first: channels of the first convolution.
    """

    def __init__(self, bands: int, classes: int, layers: Sequence[int], growth: int, first: int) -> None:
        super().__init__()
        parts: list[nn.Module] = [
            nn.Conv2d(bands, first, 7, 2, 3, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        channels = first
        for number, count in enumerate(layers):
            block = nn.Sequential()
            for place in range(count):
                block.add_module(f"denselayer{place + 1}", DenseLayer(channels + place * growth, growth))
            channels += count * growth
            parts.append(block)
            if number < len(layers) - 1:
                parts.append(Transition(channels))
                channels //= 2
        parts.append(nn.BatchNorm2d(channels))
        self.encoder = nn.Sequential(*parts)
        self.classifier = nn.Linear(channels * (SIDE // 32) ** 2, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(n, bands, 256, 256) -> (n, classes)."""
        scores: Tensor = self.classifier(self.encoder(images).flatten(1))
        return scores


class DenseLayer(nn.Module):
    """Puts some channels behind those that came in."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, NARROW * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(NARROW * growth)
        self.conv2 = nn.Conv2d(NARROW * growth, growth, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found = self.conv1(self.norm1(images).relu_())
        return torch.cat([images, self.conv2(self.norm2(found).relu_())], 1)


class Transition(nn.Module):
    """Half the channels, half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        smaller: Tensor = self.pool(self.conv(self.norm(images).relu_()))
        return smaller


class Vgg(nn.Module):
    """VGG (Simonyan and Zisserman 2015) without normalisation.

    Args:
        bands: that go in.
        classes: that come out.
        parts: convolutions before each pooling.
    """

    def __init__(self, bands: int, classes: int, parts: Sequence[int]) -> None:
        super().__init__()
        made: list[nn.Module] = []
        before = bands
        for count, width in zip(parts, VGG_WIDTHS, strict=True):
            for _ in range(count):
                made += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
                before = width
            made.append(nn.MaxPool2d(2))
        self.encoder = nn.Sequential(*made)
        self.classifier = nn.Sequential(
            nn.Linear(before * (SIDE // 32) ** 2, VGG_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_HIDDEN, VGG_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_HIDDEN, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(n, bands, 256, 256) -> (n, classes)."""
        scores: Tensor = self.classifier(self.encoder(images).flatten(1))
        return scores

"""ResNet (He et al., CVPR 2016) of bottlenecks as the files of Satlas hold it, with torchvision's names."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (256, 512, 1024, 2048)
"""Channels of the maps."""
NARROW = 4
"""A bottleneck is so many times narrower than what goes in and out of it."""
LOGGED = 1000
"""Classes of the head of ImageNet, which is in every file and is not used."""


@dataclass(frozen=True, slots=True)
class ResNetSizes:
    """What tells one ResNet from another: the blocks of each stage."""

    depths: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return WIDTHS


class ResNet(nn.Module):
    """Images -> four maps, the finest first.

    Args:
        sizes: of the stages.
        bands: of an image.
    """

    def __init__(self, sizes: ResNetSizes, bands: int) -> None:
        super().__init__()
        self.resnet = _Stages(sizes, bands)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, bands, h, w) -> (n, 256, h/4, w/4), then halves of it, rounded up."""
        maps: list[Tensor] = self.resnet(images)
        return maps


class _Stages(nn.Module):
    def __init__(self, sizes: ResNetSizes, bands: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(bands, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, WIDTHS[0], sizes.depths[0], 1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], sizes.depths[1], 2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], sizes.depths[2], 2)
        self.layer4 = _stage(WIDTHS[2], WIDTHS[3], sizes.depths[3], 2)
        self.fc = nn.Linear(WIDTHS[3], LOGGED)

    def forward(self, images: Tensor) -> list[Tensor]:
        found = functional.max_pool2d(functional.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            found = layer(found)
            maps.append(found)
        return maps


def _stage(before: int, width: int, depth: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(before, width, stride)
    return nn.Sequential(first, *(_Bottleneck(width, width, 1) for _ in range(depth - 1)))


class _Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1, beside what goes in. The 3 x 3 has the stride, as torchvision has it since its version 1.5."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        narrow = width // NARROW
        self.conv1 = nn.Conv2d(before, narrow, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = None
        if before != width or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        found = functional.relu(self.bn1(self.conv1(maps)))
        found = functional.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        beside = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(found + beside)

"""Between a backbone of Satlas and its heads: several dates become one, maps of one width, one of them as fine as the image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128
"""Channels of all maps behind the backbone."""


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017): what coarse maps know is added to the finer ones.

    Args:
        widths: channels of the backbone's maps, the finest first.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.fpn = nn.Module()
        self.fpn.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(width, WIDTH, 1)) for width in widths)
        self.fpn.layer_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1)) for _ in widths)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The backbone's maps -> as many of WIDTH channels and the same sizes."""
        found: list[Tensor] = []
        above: Tensor | None = None
        inner: nn.ModuleList = self.fpn.inner_blocks  # type: ignore[assignment]  # nn.Module's attributes have no types
        outer: nn.ModuleList = self.fpn.layer_blocks  # type: ignore[assignment]  # as above
        for narrowed, smoothed, one in zip(reversed(inner), reversed(outer), reversed(maps), strict=True):
            here: Tensor = narrowed(one)
            if above is not None:
                here = here + functional.interpolate(above, here.shape[-2:], mode="nearest")
            above = here
            found.insert(0, smoothed(here))
        return found


class Enlargement(nn.Module):
    """The finest map of the pyramid, a quarter of the image, at the size of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_doubling() for _ in range(2)))

    def forward(self, finest: Tensor) -> Tensor:
        """(n, WIDTH, h/4, w/4) -> (n, WIDTH, h, w)."""
        found: Tensor = self.layers(finest)
        return found


def _doubling() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(WIDTH, WIDTH, 4, 2, 1),
        nn.ReLU(),
    )


def of_dates(backbone: nn.Module, images: Tensor, bands: int) -> list[Tensor]:
    """The backbone's maps of several dates as one: of every feature the most that any date has.

    Args:
        backbone: one image -> maps.
        images: (n, dates * bands, h, w), date behind date.
        bands: of an image.
    """
    most: list[Tensor] = []
    for image in torch.split(images, bands, 1):
        maps: list[Tensor] = backbone(image)
        most = [torch.maximum(one, other) for one, other in zip(most, maps, strict=True)] if most else maps
    return most

"""The heads of Satlas that answer for every pixel or for the whole tile."""

import torch
from torch import Tensor, nn

from rsviewer.inference.zoo.satlas.pyramid import WIDTH

STRENGTH = 255.0
"""A head of a quantity gives shares of this."""


class Dense(nn.Module):
    """Two convolutions on the map as fine as the image: a number for every pixel and channel.

    Args:
        channels: of the answer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()),
            nn.Conv2d(WIDTH, channels, 3, padding=1),
        )

    def forward(self, finest: Tensor) -> Tensor:
        """(n, WIDTH, h, w) -> (n, channels, h, w), before softmax or sigmoid."""
        found: Tensor = self.layers(finest)
        return found


class Whole(nn.Module):
    """The mean of a map and one layer: a score for each class of the whole tile.

    Args:
        width: channels of the map.
        classes: that are told apart.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, classes)

    def forward(self, coarsest: Tensor) -> Tensor:
        """(n, width, h/32, w/32) -> (n, classes), before softmax."""
        found: Tensor = self.layer(coarsest.mean((-2, -1)))
        return found


def without_background(scores: Tensor) -> Tensor:
    """Class scores whose first channel never wins: it stood for pixels that nobody had labelled, and was never trained.

    Args:
        scores: (n, classes, h, w) before softmax, which need not be those of a single pass.
    """
    return torch.cat([torch.full_like(scores[:, :1], float("-inf")), scores[:, 1:]], 1)


def each_by_itself(scores: Tensor) -> Tensor:
    """Probabilities of classes that do not exclude each other, and of none of them. See `core.model.ModelOutput.threshold`.

    Args:
        scores: (n, classes, h, w) before sigmoid.

    Returns:
        (n, 1 + classes, h, w); the first one is that of none.
    """
    each = scores.sigmoid()
    return torch.cat([1 - each.amax(1, keepdim=True), each], 1)


def quantities(scores: Tensor) -> Tensor:
    """(n, 1, h, w) as the head gives it -> 0 to 255, as the files of labels hold it."""
    return (STRENGTH * scores).clamp(0.0, STRENGTH)

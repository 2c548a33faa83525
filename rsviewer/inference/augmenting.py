"""The symmetries of a square: how windows are flipped and turned before they are predicted again, and their answers back."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from rsviewer.core.model import Augmentation


@dataclass(frozen=True, slots=True)
class Symmetry:
    """One way to lay a window down.

    Attributes:
        flips: dimensions that are reversed: -1 left to right, -2 upside down.
        turned: rows and columns are exchanged before. With the flips this gives both quarter turns.
    """

    flips: tuple[int, ...] = ()
    turned: bool = False

    def apply(self, windows: Tensor) -> Tensor:
        """(..., h, w) -> (..., h, w), or (..., w, h) where turned."""
        if self.turned:
            windows = windows.transpose(-2, -1)
        return windows.flip(self.flips) if self.flips else windows

    def undo(self, answer: Tensor) -> Tensor:
        """`undo(apply(windows))` is `windows`."""
        if self.flips:
            answer = answer.flip(self.flips)
        return answer.transpose(-2, -1) if self.turned else answer

    def undo_boxes(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Where boxes in a window that was laid down so are in the window itself.

        Args:
            boxes: (n, 4) left, top, right, bottom.
            size: (height, width) of the window as it was laid down.
        """
        left, top, right, bottom = boxes.unbind(-1)
        if -1 in self.flips:
            left, right = size[1] - right, size[1] - left
        if -2 in self.flips:
            top, bottom = size[0] - bottom, size[0] - top
        return torch.stack([top, left, bottom, right] if self.turned else [left, top, right, bottom], -1)


IDENTITY = Symmetry()
FLIPS = (IDENTITY, Symmetry((-1,)), Symmetry((-2,)), Symmetry((-2, -1)))

SYMMETRIES: Mapping[Augmentation, tuple[Symmetry, ...]] = {
    Augmentation.NONE: (IDENTITY,),
    Augmentation.FLIPS: FLIPS,
    Augmentation.ROTATIONS: tuple(Symmetry(one.flips, turned) for turned, one in product((False, True), FLIPS)),
}

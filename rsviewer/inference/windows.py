"""Where the windows of a tile lie, what fills them beyond its edges, and how their answers become one again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rsviewer.core.model import Fill, Framing

SMALLEST = 64
"""Pixels: windows are not made smaller than this for lack of memory."""


@dataclass(frozen=True, slots=True)
class Axis:
    """How one side of a tile is cut.

    Attributes:
        first: pixel of the tile where the predicted part begins.
        length: of the predicted part.
        before: pixels of fill before it on the canvas.
        canvas: predicted part and fill together.
        size: of every window.
        starts: of the windows on the canvas, ascending.
    """

    first: int
    length: int
    before: int
    canvas: int
    size: int
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a tile is cut: every window of `rows` with every window of `columns`, row after row."""

    rows: Axis
    columns: Axis
    fill: Fill

    @property
    def count(self) -> int:
        """How many windows there are."""
        return len(self.rows.starts) * len(self.columns.starts)

    def place(self, number: int) -> tuple[int, int]:
        """(top, left) of a window on the canvas."""
        row, column = divmod(number, len(self.columns.starts))
        return self.rows.starts[row], self.columns.starts[column]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every window."""
        return self.rows.size, self.columns.size


def plan(height: int, width: int, framing: Framing) -> Plan:
    """Cuts a tile of `height` x `width` pixels as `framing` says.

    Where the tile is not larger than a window, there is one, with the tile in its middle where it is mirrored and at its upper
    left where it is filled with zeros. Where it is larger, windows follow each other by the stride and the last one ends
    with the tile. Whole windows filled with zeros keep the stride to the end and reach beyond the tile, as the windows of the
    official script of RS3DAda do: ceil((n - 1022) / 511) + 1 of them.
    """
    return Plan(_axis(height, framing), _axis(width, framing), framing.fill)


def _axis(pixels: int, framing: Framing) -> Axis:
    length = min(framing.crop, pixels) if framing.crop else pixels
    window = round_up(framing.window or length, framing.multiple)
    if length <= window:
        size = window if framing.whole else round_up(length, framing.multiple)
        before = (size - length) // 2 if framing.fill is Fill.REFLECT else 0
        return Axis((pixels - length) // 2, length, before, size, size, (0,))
    stride = min(framing.stride or max(window // 2, 1), window)
    count = math.ceil((length - window) / stride) + 1
    starts = [number * stride for number in range(count)]
    if not (framing.whole and framing.fill is Fill.ZERO):
        starts[-1] = length - window
    return Axis((pixels - length) // 2, length, 0, starts[-1] + window, window, tuple(starts))


def round_up(pixels: int, multiple: int) -> int:
    """The least whole multiple that is not smaller."""
    multiple = max(multiple, 1)
    return max(math.ceil(pixels / multiple), 1) * multiple


def halved(framing: Framing, longest: int) -> Framing | None:
    """The same framing with windows half as long as `longest`, which were too large; None if they would be too small."""
    window = round_up(max(math.ceil(longest / 2), SMALLEST), framing.multiple)
    if window >= longest:
        return None
    return limited(framing, window)


def limited(framing: Framing, window: int) -> Framing:
    """The same framing with windows of `window` pixels at most, which overlap in the same proportion."""
    if framing.window and framing.window <= window:
        return framing
    stride = max(framing.stride * window // framing.window, 1) if framing.window and framing.stride else 0
    return replace(framing, window=window, stride=stride)


def canvas(pixels: Tensor, cut: Plan, zero: Tensor) -> Tensor:
    """The predicted part of a tile with what fills its windows beyond the edge.

    Args:
        pixels: (bands, h, w) of the tile.
        cut: from `plan`.
        zero: (bands,) what a raw 0 is in the numbers of `pixels`.
    """
    rows, columns = cut.rows, cut.columns
    part = pixels[:, rows.first : rows.first + rows.length, columns.first : columns.first + columns.length]
    if (rows.canvas, columns.canvas) == (rows.length, columns.length):
        return part
    if cut.fill is Fill.REFLECT:
        for dim, axis in ((1, rows), (2, columns)):
            part = part.index_select(dim, _mirror(axis, pixels.device))
        return part
    filled = zero[:, None, None].expand(-1, rows.canvas, columns.canvas).clone()
    filled[:, rows.before : rows.before + rows.length, columns.before : columns.before + columns.length] = part
    return filled


def _mirror(axis: Axis, device: torch.device) -> Tensor:
    """For each pixel of the canvas the pixel of the predicted part that it mirrors, to and fro as often as needed."""
    period = max(2 * (axis.length - 1), 1)
    place = torch.arange(-axis.before, axis.canvas - axis.before, device=device).remainder(period)
    return torch.minimum(place, period - place).clamp_(max=axis.length - 1)


def cut_out(filled: Tensor, cut: Plan, numbers: Sequence[int]) -> Tensor:
    """Windows by their numbers: a copy, (n, bands, h, w)."""
    height, width = cut.size
    places = [cut.place(number) for number in numbers]
    return torch.stack([filled[:, top : top + height, left : left + width] for top, left in places])


class Mosaic:
    """Puts the answers of windows together again: their mean, weighted by how far a pixel is from the edge of its window.

    The weights fall linearly from the middle of a window to its edges, along rows and along columns. A single window is taken
    as it is.

    Args:
        cut: from `plan`.
        device: where the answers are.
    """

    def __init__(self, cut: Plan, device: torch.device) -> None:
        self._cut = cut
        self._device = device
        self._weights = [_weights(axis, device) for axis in (cut.rows, cut.columns)] if cut.count > 1 else []
        self._sum: Tensor | None = None

    def add(self, number: int, answer: Tensor, share: float = 1.0) -> None:
        """Adds the answer for a window.

        Args:
            number: of the window.
            answer: (channels, h, w) float32; not kept, unless it is the only one.
            share: its part in the mean of several answers for the same window.
        """
        if share != 1.0:
            answer = answer * share
        if not self._weights:
            self._sum = answer if self._sum is None else self._sum + answer
            return
        if self._sum is None:
            size = (answer.shape[0], self._cut.rows.canvas, self._cut.columns.canvas)
            self._sum = torch.zeros(size, device=self._device)
        row, column = divmod(number, len(self._cut.columns.starts))
        down, across = self._weights
        top, left = self._cut.place(number)
        height, width = self._cut.size
        weighted = answer * (down[row][:, None] * across[column][None, :])
        self._sum[:, top : top + height, left : left + width] += weighted

    def tile(self) -> Tensor:
        """(channels, h, w) of the predicted part of the tile, without the fill."""
        if self._sum is None:
            raise ValueError("no window was added")
        rows, columns = self._cut.rows, self._cut.columns
        part = self._sum[:, rows.before : rows.before + rows.length]
        return part[:, :, columns.before : columns.before + columns.length]


def _weights(axis: Axis, device: torch.device) -> list[Tensor]:
    """For each window of an axis its weights; at every pixel of the canvas they sum to 1."""
    if len(axis.starts) == 1:
        return [torch.ones(axis.size, device=device)]
    place = torch.arange(axis.size, dtype=torch.float64)
    triangle = torch.minimum(place + 1, axis.size - place) / (axis.size // 2 + 1)
    total = torch.zeros(axis.canvas, dtype=torch.float64)
    for start in axis.starts:
        total[start : start + axis.size] += triangle
    shares = [triangle / total[start : start + axis.size] for start in axis.starts]
    return [share.to(torch.float32).to(device) for share in shares]

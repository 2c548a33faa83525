"""Arithmetic of boxes, on any device: overlaps, the greedy choice among overlapping ones, and what lies below a box.

Boxes are (n, 4): left, top, right, bottom, in pixels.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

MOST_GROWTH = math.log(1000 / 16)
"""Of the learned logarithm of how much wider or higher a box is than the one it was made of."""
POINTS = 2
"""Samples along a side of each cell of a box."""
AT_ONCE = 256
"""Boxes that are sampled together: their samples take 25 MB for every 100 of 7 x 7 cells."""
USUAL_LEVEL, USUAL_SIDE = 4, 224
"""A box so large is read from the map of 1/16, one of half the size from the map of 1/8."""


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """(n, m) intersection over union; 0 where both are empty."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    areas = [(one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1]) for one in (boxes, others)]
    either = areas[0][:, None] + areas[1][None, :] - both
    return both / either.clamp(min=torch.finfo(boxes.dtype).tiny)


def chosen(boxes: Tensor, scores: Tensor, most_overlap: float) -> Tensor:
    """Places of the boxes that no better one overlaps by more than that, which was itself chosen; the best first.

    The same as going through them one by one, but all at once: whether a box stays follows from the better ones, so that what
    is assumed of all of them becomes right from the best to the worst, and nothing changes any more once it is.
    """
    order = scores.argsort(descending=True, stable=True)
    covers = (overlaps(boxes[order], boxes[order]) > most_overlap).triu(1).to(boxes.dtype)
    stays = torch.ones(len(order), dtype=boxes.dtype, device=boxes.device)
    while True:
        now = (stays @ covers == 0).to(boxes.dtype)
        if torch.equal(now, stays):
            return order[now > 0]
        stays = now


def moved(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Boxes moved and scaled by what a network says: (..., 4) shifts in sizes of the box, and logarithms of growth."""
    size = boxes[..., 2:] - boxes[..., :2]
    middle = boxes[..., :2] + size / 2
    middle = middle + deltas[..., :2] * size
    half = size * deltas[..., 2:].clamp(max=MOST_GROWTH).exp() / 2
    return torch.cat([middle - half, middle + half], -1)


def within(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes without what lies beyond an image of (height, width)."""
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return boxes.clamp(min=0).minimum(limits)


def anchors(size: int, ratios: Sequence[float], grid: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Boxes around every place of a map: row after row, at each place one for each ratio of height to width.

    Args:
        size: root of their area in pixels of the image.
        ratios: of their sides.
        grid: (rows, columns) of the map.
        stride: pixels of the image down and across a place of the map.
    """
    ratio = torch.tensor(ratios).sqrt()
    half = torch.stack([size / ratio, size * ratio], 1) / 2
    base = torch.cat([-half, half], 1).round()
    down, across = (torch.arange(count) * step for count, step in zip(grid, stride, strict=True))
    y, x = torch.meshgrid(down, across, indexing="ij")
    places = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4).float()
    return (places + base).reshape(-1, 4)


def levels_of(boxes: Tensor, count: int) -> Tensor:
    """(n,) the map that each box is read from: 0 is that of a quarter of the image."""
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
    level = torch.floor(USUAL_LEVEL + torch.log2(side / USUAL_SIDE) + 1e-6) - 2
    return level.clamp(0, count - 1).long()


def below(maps: Sequence[Tensor], boxes: Tensor, cells: int) -> Tensor:
    """What lies below boxes (RoIAlign, He et al., ICCV 2017; not aligned to the middle of pixels, as in training).

    Args:
        maps: (channels, h, w) each, of a quarter of the image, an eighth and so on.
        boxes: (n, 4).
        cells: along a side of each box.

    Returns:
        (n, channels, cells, cells).
    """
    level = levels_of(boxes, len(maps))
    found = boxes.new_zeros((len(boxes), maps[0].shape[0], cells, cells))
    for number, one in enumerate(maps):
        places = torch.nonzero(level == number).flatten()
        for part in places.split(AT_ONCE):  # type: ignore[no-untyped-call]  # torch says nothing of it
            found[part] = _sampled(one, boxes[part] / (4 << number), cells)
    return found


def _sampled(one: Tensor, boxes: Tensor, cells: int) -> Tensor:
    """The mean of the samples of every cell of every box, in pixels of the map."""
    channels, height, width = one.shape
    low = boxes[:, :2]
    size = (boxes[:, 2:] - low).clamp(min=1)
    steps = (torch.arange(cells * POINTS, device=boxes.device, dtype=boxes.dtype) + 0.5) / (cells * POINTS)
    x, y = (low[:, axis, None] + size[:, axis, None] * steps for axis in (0, 1))
    inside_x, inside_y = ((x >= -1) & (x <= width)), ((y >= -1) & (y <= height))
    # grid_sample has -1 and 1 at the middle of the outermost pixels
    across, down = (place * (2 / max(side - 1, 1)) - 1 for place, side in ((x, width), (y, height)))
    samples = cells * POINTS
    grid = torch.stack([across[:, None, :].expand(-1, samples, -1), down[:, :, None].expand(-1, -1, samples)], -1)
    found = functional.grid_sample(
        one[None], grid.reshape(1, -1, samples, 2), padding_mode="border", align_corners=True
    )
    found = found.reshape(channels, len(boxes), samples, samples).transpose(0, 1)
    found = found * (inside_y[:, None, :, None] & inside_x[:, None, None, :])
    return functional.avg_pool2d(found, POINTS)

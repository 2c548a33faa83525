"""The heads of Satlas that find objects: Faster R-CNN (Ren et al., 2015), with masks where trained so (He et al., 2017)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.inference.objects import COLUMNS
from rsviewer.inference.zoo.satlas.boxes import anchors, below, chosen, moved, within
from rsviewer.inference.zoo.satlas.pyramid import WIDTH

ANCHOR_SIDES = (32, 64, 128, 256)
"""Pixels, one for each map."""
ANCHOR_RATIOS = (0.5, 1.0, 2.0)
PROPOSED = 2000
"""Proposals of each map before overlapping ones are left out, and of all maps behind that."""
PROPOSAL_OVERLAP, OVERLAP = 0.7, 0.5
LEAST_PROPOSAL, LEAST_SIDE = 1e-3, 1e-2
"""Pixels."""
LEAST_SCORE = 0.05
MOST = 100
"""Objects of a window."""
CELLS, MASK_CELLS = 7, 14
MASK = 28
"""Pixels along a side of a mask, which covers its box."""
HIDDEN = 1024
MASK_WIDTH = 256
SCALE = (10.0, 10.0, 5.0, 5.0)
"""By so much the second stage's moves are finer."""


class Detector(nn.Module):
    """Maps of the pyramid -> objects.

    Args:
        classes: that are told apart, the first of which is the background.
        masks: whether each object has one.
    """

    def __init__(self, classes: int, *, masks: bool) -> None:
        super().__init__()
        self._classes = classes
        self._masks = masks
        self.rpn = nn.ModuleDict({"head": _ProposalHead()})
        parts: dict[str, nn.Module] = {
            "box_head": nn.ModuleDict(
                {"fc6": nn.Linear(WIDTH * CELLS * CELLS, HIDDEN), "fc7": nn.Linear(HIDDEN, HIDDEN)}
            ),
            "box_predictor": nn.ModuleDict(
                {"cls_score": nn.Linear(HIDDEN, classes), "bbox_pred": nn.Linear(HIDDEN, 4 * classes)}
            ),
        }
        if masks:
            widths = (WIDTH, *(MASK_WIDTH,) * 3)
            parts["mask_head"] = nn.Sequential(
                *(nn.Sequential(nn.Conv2d(width, MASK_WIDTH, 3, padding=1), nn.ReLU()) for width in widths)
            )
            parts["mask_predictor"] = nn.ModuleDict(
                {
                    "conv5_mask": nn.ConvTranspose2d(MASK_WIDTH, MASK_WIDTH, 2, 2),
                    "mask_fcn_logits": nn.Conv2d(MASK_WIDTH, classes, 1),
                }
            )
        self.roi_heads = nn.ModuleDict(parts)

    @property
    def columns(self) -> int:
        """Numbers of an object: COLUMNS, and its mask."""
        return COLUMNS + (MASK * MASK if self._masks else 0)

    def forward(self, levels: tuple[Tensor, ...], size: tuple[int, int], hidden: Tensor) -> Tensor:
        """The objects in windows.

        Args:
            levels: of the pyramid, (n, WIDTH, h, w) each.
            size: (height, width) of the windows.
            hidden: (classes,) those that are not looked for.

        Returns:
            (n, MOST, columns), the surest first; rows of score 0 are none.
        """
        found = levels[0].new_zeros((len(levels[0]), MOST, self.columns))
        with torch.autocast(levels[0].device.type, enabled=False):  # a tenth of a pixel is lost in half precision
            for number, window in enumerate(zip(*levels, strict=True)):
                maps = [one.float() for one in window]
                objects = self._objects(maps, size, hidden)
                found[number, : len(objects)] = objects
        return found

    def _objects(self, maps: list[Tensor], size: tuple[int, int], hidden: Tensor) -> Tensor:
        """(k, columns) of one window."""
        proposals = self._proposals(maps, size)
        heads = self.roi_heads
        flat = below(maps, proposals, CELLS).flatten(1)
        seen = functional.relu(heads["box_head"]["fc7"](functional.relu(heads["box_head"]["fc6"](flat))))  # type: ignore[index]  # a ModuleDict
        predictor = heads["box_predictor"]
        scores = predictor["cls_score"](seen).softmax(-1)  # type: ignore[index]  # as above
        deltas = predictor["bbox_pred"](seen).reshape(len(seen), self._classes, 4)  # type: ignore[index]  # as above
        boxes = within(moved(proposals[:, None], deltas / deltas.new_tensor(SCALE)), size)
        is_object = (scores > LEAST_SCORE) & ((boxes[..., 2:] - boxes[..., :2]) >= LEAST_SIDE).all(-1) & ~hidden
        rows = []
        for label in range(1, self._classes):
            own = torch.nonzero(is_object[:, label]).flatten()
            if len(own):
                own = own[chosen(boxes[own, label], scores[own, label], OVERLAP)]
                labels = scores.new_full((len(own), 1), label)
                rows.append(torch.cat([boxes[own, label], labels, scores[own, label, None]], 1))
        found = torch.cat(rows) if rows else scores.new_zeros((0, COLUMNS))
        found = found[found[:, -1].argsort(descending=True, stable=True)[:MOST]]
        return torch.cat([found, self._masks_of(maps, found)], 1) if self._masks else found

    def _proposals(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """(k, 4) where objects of any class may be."""
        kept, sureness = [], []
        for one, side in zip(maps, ANCHOR_SIDES, strict=True):
            grid = one.shape[-2], one.shape[-1]
            stride = size[0] // grid[0], size[1] // grid[1]
            logits, deltas = self.rpn["head"](one[None])
            best = logits.topk(min(PROPOSED, len(logits))).indices
            placed = anchors(side, ANCHOR_RATIOS, grid, stride).to(one.device)[best]
            boxes = within(moved(placed, deltas[best]), size)
            large = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_PROPOSAL).all(-1)
            boxes, scores = boxes[large], logits[best][large].sigmoid()
            own = chosen(boxes, scores, PROPOSAL_OVERLAP)
            kept.append(boxes[own])
            sureness.append(scores[own])
        order = torch.cat(sureness).argsort(descending=True, stable=True)[:PROPOSED]
        return torch.cat(kept)[order]

    def _masks_of(self, maps: list[Tensor], found: Tensor) -> Tensor:
        """(k, MASK * MASK) shares of each object's own class."""
        if not len(found):
            return found.new_zeros((0, MASK * MASK))
        predictor = self.roi_heads["mask_predictor"]
        hidden = self.roi_heads["mask_head"](below(maps, found[:, :4], MASK_CELLS))
        logits = predictor["mask_fcn_logits"](functional.relu(predictor["conv5_mask"](hidden)))  # type: ignore[index]  # as above
        own: Tensor = logits[torch.arange(len(found), device=found.device), found[:, 4].long()]
        return own.sigmoid().flatten(1)


class _ProposalHead(nn.Module):
    """For every anchor how surely it holds something, and how it is to be moved."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()))
        self.cls_logits = nn.Conv2d(WIDTH, len(ANCHOR_RATIOS), 1)
        self.bbox_pred = nn.Conv2d(WIDTH, 4 * len(ANCHOR_RATIOS), 1)

    def forward(self, one: Tensor) -> tuple[Tensor, Tensor]:
        """(1, WIDTH, h, w) -> (h * w * ratios,) logits and (h * w * ratios, 4) moves, in the order of the anchors."""
        seen = self.conv(one)
        logits = self.cls_logits(seen).permute(0, 2, 3, 1).reshape(-1)
        return logits, self.bbox_pred(seen).permute(0, 2, 3, 1).reshape(-1, 4)

"""From the objects that a network found in windows to those of a tile."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from rsviewer.core.boxes import Boxes, fused, without_doubles
from rsviewer.core.model import ModelOutput
from rsviewer.inference.augmenting import Symmetry
from rsviewer.inference.windows import Plan

COLUMNS = 6
"""Of an object: left, top, right, bottom, place of its class, score; behind them its square mask, row after row."""


class Objects:
    """The objects in the windows of a tile, each of which may have been looked at flipped and turned.

    Args:
        output: of the card.
        plan: how the tile was cut.
        symmetries: in which every window is predicted.
    """

    def __init__(self, output: ModelOutput, plan: Plan, symmetries: Sequence[Symmetry]) -> None:
        self._output = output
        self._plan = plan
        self._rows: dict[Symmetry, list[np.ndarray]] = {symmetry: [] for symmetry in symmetries}

    def add(self, number: int, symmetry: Symmetry, found: torch.Tensor, size: tuple[int, int]) -> None:
        """Takes in what was found in a window.

        Args:
            number: of the window.
            symmetry: how it was laid down.
            found: (n, COLUMNS or more); rows of score 0 are none.
            size: (height, width) of the window as it was laid down.
        """
        there = found[found[:, 5] > 0].float()
        side = _side(there.shape[1])
        masks = symmetry.undo(there[:, COLUMNS:].reshape(len(there), side, side)).flatten(1)
        upright = [symmetry.undo_boxes(there[:, :4], size), there[:, 4:COLUMNS], masks]
        rows = torch.cat(upright, 1).cpu().numpy()
        top, left = self._plan.place(number)
        across = left - self._plan.columns.before
        down = top - self._plan.rows.before
        rows[:, :4] += np.array([across, down, across, down], np.float32)
        self._rows[symmetry].append(rows)

    def tile(self, size: tuple[int, int]) -> Boxes:
        """The objects whose middle is on the predicted part of the tile, in its pixels; those of several passes as one.

        Args:
            size: (width, height) of the tile.
        """
        passes = [self._pass(np.concatenate(rows), size) for rows in self._rows.values()]
        return fused(passes) if len(passes) > 1 else passes[0]

    def _pass(self, rows: np.ndarray, size: tuple[int, int]) -> Boxes:
        rows = rows[np.isfinite(rows).all(axis=1)]
        limits = np.array([self._plan.columns.length, self._plan.rows.length], np.float32)
        middle = (rows[:, :2] + rows[:, 2:4]) / 2
        rows = rows[((middle >= 0) & (middle <= limits)).all(axis=1)]
        rows = rows[np.argsort(-rows[:, 5], kind="stable")]
        # A box is not cut off where it reaches beyond the tile: its mask covers all of it.
        corners = rows[:, :4] + np.tile([self._plan.columns.first, self._plan.rows.first], 2).astype(np.float32)
        values = np.array([one.value for one in self._output.classes], np.int32)
        side = _side(rows.shape[1])
        masks = np.rint(rows[:, COLUMNS:] * 255).clip(0, 255).astype(np.uint8).reshape(-1, side, side) if side else None
        boxes = Boxes(corners, values[rows[:, 4].astype(np.intp)], rows[:, 5].clip(0, 1), size, masks)
        return without_doubles(boxes) if self._plan.count > 1 else boxes


def _side(columns: int) -> int:
    """Of the mask of an object of so many numbers; 0 where it has none."""
    return math.isqrt(columns - COLUMNS)

"""From the objects that a network found in windows to those of a tile."""

import numpy as np
import torch

from rsviewer.core.boxes import Boxes, without_doubles
from rsviewer.core.model import ModelOutput
from rsviewer.inference.windows import Plan

COLUMNS = 6
"""Of an object: left, top, right, bottom, place of its class, score; behind them its square mask, row after row."""


class Objects:
    """The objects in the windows of a tile.

    Args:
        output: of the card.
        plan: how the tile was cut.
    """

    def __init__(self, output: ModelOutput, plan: Plan) -> None:
        self._output = output
        self._plan = plan
        self._rows: list[np.ndarray] = []

    def add(self, number: int, found: torch.Tensor) -> None:
        """Takes in what was found in a window.

        Args:
            number: of the window.
            found: (n, COLUMNS or more); rows of score 0 are none.
        """
        rows = found[found[:, 5] > 0].float().cpu().numpy()
        top, left = self._plan.place(number)
        across = left - self._plan.columns.before
        down = top - self._plan.rows.before
        rows[:, :4] += np.array([across, down, across, down], np.float32)
        self._rows.append(rows)

    def tile(self, size: tuple[int, int]) -> Boxes:
        """The objects whose middle is on the predicted part of the tile, in its pixels.

        Args:
            size: (width, height) of the tile.
        """
        rows = np.concatenate(self._rows)
        rows = rows[np.isfinite(rows).all(axis=1)]
        limits = np.array([self._plan.columns.length, self._plan.rows.length], np.float32)
        middle = (rows[:, :2] + rows[:, 2:4]) / 2
        rows = rows[((middle >= 0) & (middle <= limits)).all(axis=1)]
        rows = rows[np.argsort(-rows[:, 5], kind="stable")]
        # A box is not cut off where it reaches beyond the tile: its mask covers all of it.
        corners = rows[:, :4] + np.tile([self._plan.columns.first, self._plan.rows.first], 2).astype(np.float32)
        values = np.array([one.value for one in self._output.classes], np.int32)
        side = round((rows.shape[1] - COLUMNS) ** 0.5)
        masks = np.rint(rows[:, COLUMNS:] * 255).clip(0, 255).astype(np.uint8).reshape(-1, side, side) if side else None
        boxes = Boxes(corners, values[rows[:, 4].astype(np.intp)], rows[:, 5].clip(0, 1), size, masks)
        return without_doubles(boxes) if self._plan.count > 1 else boxes

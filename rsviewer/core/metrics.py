"""How far predictions are from references: heights and classes, of one tile and over many.

The definitions are those of the RS3DAda paper's evaluation (SynRS3D, utils/metrics.py), on valid pixels only: a pixel counts
where both the prediction and the reference are valid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

REGIONS: Mapping[str, float] = {"whole": 0.0, "low": 1.0, "mid": 2.0, "high": 3.0}
"""Region -> metres: the pixels where reference or prediction is higher than that. "whole" is every valid pixel."""


@dataclass(frozen=True, slots=True)
class RegionScores:
    """Heights of one region, see REGIONS.

    Attributes:
        pixels: so many were compared.
        mae, rmse: metres.
        bias: mean of prediction minus reference, metres, before anything is raised to 1e-6.
        log10: mean of the absolute difference of the decimal logarithms.
        deltas: share of pixels where the greater of p/g and g/p is less than 1.25, 1.25^2 and 1.25^3.
    """

    pixels: int
    mae: float
    rmse: float
    bias: float
    log10: float
    deltas: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class HeightScores:
    """Predicted heights of one tile.

    Attributes:
        regions: name -> scores; a region that the paper's rules leave out (fewer than 49 pixels, or no pixel of the
            reference or of the prediction above the limit) is not in it.
        f1: of being higher than 1 m and within 1.25, 1.25^2, 1.25^3 of the reference (F1^HE); 0 on empty denominators.
        precision, recall: of the first of them.
        accuracy: OA of the first of them.
        kappa: Cohen's, of the first of them.
    """

    regions: Mapping[str, RegionScores]
    f1: tuple[float, float, float]
    precision: float
    recall: float
    accuracy: float
    kappa: float

    @property
    def whole(self) -> RegionScores | None:
        """All valid pixels."""
        return self.regions.get("whole")


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Predicted classes of one tile, or of many.

    Attributes:
        confusion: (classes, classes) pixels, rows are the reference, columns the prediction.
        iou: of each class; NaN where neither reference nor prediction has it.
        accuracy: share of pixels that are right.
        miou: mean of `iou` over the classes that occur.
    """

    confusion: NDArray[np.int64] = field(compare=False)
    iou: tuple[float, ...]
    accuracy: float
    miou: float


def height_scores(
    predicted: NDArray[np.floating], reference: NDArray[np.floating], valid: NDArray[np.bool_]
) -> HeightScores | None:
    """Compares heights. None where no pixel is valid.

    Args:
        predicted: (h, w) metres.
        reference: (h, w) metres.
        valid: (h, w), where both may be used. Values that are not finite are left out as well.
    """
    raise NotImplementedError


def confusion(
    predicted: NDArray[np.integer], reference: NDArray[np.integer], valid: NDArray[np.bool_], classes: int
) -> NDArray[np.int64]:
    """(classes, classes) pixels, rows are the reference. Values outside 0..classes-1 are left out."""
    raise NotImplementedError


def label_scores(table: NDArray[np.int64]) -> LabelScores | None:
    """IoU and accuracy of a confusion table. None where it is empty of pixels."""
    raise NotImplementedError


class Totals:
    """Scores over many tiles, as the paper takes them together.

    Heights: the mean over the tiles that have the region. Classes: from the sum of all confusion tables.
    """

    def __init__(self, class_names: Sequence[str] = ()) -> None:
        raise NotImplementedError

    def add(self, heights: HeightScores | None, labels: LabelScores | None) -> None:
        """Takes one tile in."""
        raise NotImplementedError

    def metrics(self) -> dict[str, float]:
        """Name -> value, for JSON and tables, e.g. "mae", "mae_high", "rmse", "delta1", "f1_1", "miou", "iou_Tree". No NaN."""
        raise NotImplementedError

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """The sum of all confusion tables; None where no tile had classes to compare."""
        raise NotImplementedError


def numbers(heights: HeightScores | None, labels: LabelScores | None) -> dict[str, float]:
    """One tile's scores under the names of SCORE_COLUMNS; those that are not known are absent."""
    raise NotImplementedError


SCORE_COLUMNS: Mapping[str, str] = {
    "mae": "mean absolute error of the heights, metres",
    "rmse": "root mean square error of the heights, metres",
    "bias": "mean of predicted minus reference height, metres",
    "mae_high": "mean absolute error where reference or prediction is above 3 m, metres",
    "rmse_high": "root mean square error where reference or prediction is above 3 m, metres",
    "delta1": "share of pixels whose height is within a factor of 1.25",
    "delta2": "share of pixels whose height is within a factor of 1.25^2",
    "delta3": "share of pixels whose height is within a factor of 1.25^3",
    "f1": "F1 of being above 1 m and within a factor of 1.25",
    "accuracy": "share of pixels whose class is right",
    "miou": "mean intersection over union of the classes that occur",
}
"""What is kept of every tile, for filters and sorting, and what it means."""

"""How far predictions are from references: heights and classes, of one tile and over many.

The definitions are those of the RS3DAda paper's evaluation (SynRS3D, utils/metrics.py), on valid pixels only: a pixel counts
where both the prediction and the reference are valid.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.relative import RelativeScores

REGIONS: Mapping[str, float] = {"whole": 0.0, "low": 1.0, "mid": 2.0, "high": 3.0}
"""Region -> metres, ascending: the pixels where reference or prediction is higher than that. "whole" is every valid pixel."""

_FEWEST = 49
"""Pixels that a region needs to be scored."""
_LEAST = 1e-6
"""Metres that heights of 0 and below are raised to before they are compared, so that ratios and logarithms exist."""
_WITHIN = (1.25, 1.25**2, 1.25**3)
"""Factors that a height may be off."""
_TALL = 1.0
"""Metres above which F1 takes something for standing on the ground."""
_FLAT = 0.5
"""Metres that a height which does not stand may be off and still be right for F1."""


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
        relative: of heights that were fitted to the reference before; None for others.
    """

    regions: Mapping[str, RegionScores]
    f1: tuple[float, float, float]
    precision: float
    recall: float
    accuracy: float
    kappa: float
    relative: RelativeScores | None = None

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
        none: row of "none of the classes", which a prediction may say but no reference: what is there is then missed, but this
            has no IoU itself. None where there is no such row.
    """

    confusion: NDArray[np.int64] = field(compare=False)
    iou: tuple[float, ...]
    accuracy: float
    miou: float
    none: int | None = None


@dataclass(frozen=True, slots=True)
class QuantityScores:
    """Predicted quantities of one tile, in their unit.

    Attributes:
        pixels: so many were compared.
        mae, rmse: mean absolute and root mean square error.
        bias: mean of prediction minus reference.
    """

    pixels: int
    mae: float
    rmse: float
    bias: float


def quantity_scores(error: NDArray[np.floating], valid: NDArray[np.bool_]) -> QuantityScores | None:
    """How far quantities are off. None where no pixel is valid.

    Args:
        error: (h, w) prediction minus reference.
        valid: (h, w), where both may be used.
    """
    known = error[valid & np.isfinite(error)].astype(np.float64)
    if not known.size:
        return None
    rmse = math.sqrt(np.square(known).mean())
    return QuantityScores(known.size, float(np.abs(known).mean()), rmse, float(known.mean()))


def height_scores(
    predicted: NDArray[np.floating], reference: NDArray[np.floating], valid: NDArray[np.bool_]
) -> HeightScores | None:
    """Compares heights. None where no pixel is valid.

    Args:
        predicted: (h, w) metres.
        reference: (h, w) metres.
        valid: (h, w), where both may be used. Values that are not finite are left out as well.
    """
    with np.errstate(all="ignore"):
        usable = (valid & np.isfinite(predicted) & np.isfinite(reference)).ravel()
        if not usable.any():
            return None
        exact = np.result_type(predicted, reference, np.float32)
        height = _chosen(usable, predicted.ravel()).astype(exact, copy=False)
        truth = _chosen(usable, reference.ravel()).astype(exact, copy=False)
        bias = height - truth
        height, truth = _raised(height), _raised(truth)
        both = _Pixels(np.maximum(height, truth), np.minimum(height, truth), bias)
        reached = min(float(height.max()), float(truth.max()))
        regions = {}
        for region, limit in REGIONS.items():
            if limit > 0.0:
                both = both.above(limit)
            if reached > limit and both.upper.size >= _FEWEST:
                regions[region] = both.scores()
        return _standing(height, truth, regions)


def confusion(
    predicted: NDArray[np.integer], reference: NDArray[np.integer], valid: NDArray[np.bool_], classes: int
) -> NDArray[np.int64]:
    """(classes, classes) pixels, rows are the reference. Values outside 0..classes-1 are left out."""
    inside = valid & (predicted >= 0) & (predicted < classes) & (reference >= 0) & (reference < classes)
    inside = inside.ravel()
    row, column = _chosen(inside, reference.ravel()), _chosen(inside, predicted.ravel())
    cells = row.astype(np.intp) * classes + column.astype(np.intp)
    table: NDArray[np.int64] = np.bincount(cells, minlength=classes * classes).astype(np.int64)
    return table.reshape(classes, classes)


def label_scores(table: NDArray[np.int64], none: int | None = None) -> LabelScores | None:
    """IoU and accuracy of a confusion table. None where it is empty of pixels.

    Args:
        table: see `confusion`.
        none: see `LabelScores`.
    """
    pixels = int(table.sum())
    if pixels == 0:
        return None
    right = np.diagonal(table)
    either = table.sum(axis=0) + table.sum(axis=1) - right
    sizes = [0 if row == none else int(size) for row, size in enumerate(either)]
    iou = tuple(int(hit) / size if size else math.nan for hit, size in zip(right, sizes, strict=True))
    there = [value for value in iou if not math.isnan(value)]
    return LabelScores(table, iou, int(right.sum()) / pixels, math.fsum(there) / len(there), none)


def _average_accuracy(table: NDArray[np.int64]) -> float:
    """AA: of each class of the reference the share of its pixels that are right, and their mean."""
    pixels = table.sum(axis=1)
    there = pixels > 0
    return float((np.diagonal(table)[there] / pixels[there]).mean()) if there.any() else math.nan


class ExactMean:
    """The mean of numbers in whatever order they come, as exact as `math.fsum`, without keeping them (Shewchuk 1997)."""

    def __init__(self) -> None:
        self._count = 0
        self._parts: list[float] = []

    def add(self, value: float) -> None:
        """Takes a finite number in."""
        parts = []
        for part in self._parts:
            large, small = (value, part) if abs(value) >= abs(part) else (part, value)
            value = large + small
            if rest := small - (value - large):
                parts.append(rest)
        self._parts = [*parts, value]
        self._count += 1

    @property
    def value(self) -> float:
        """Of at least one number."""
        return math.fsum(self._parts) / self._count


class Totals:
    """Scores over many tiles, as the paper takes them together, in the same memory however many they are.

    Heights and quantities: the mean over the tiles that have the region; F1 and what belongs to it over those that have the
    whole. Classes: from the sum of all confusion tables.

    Args:
        class_names: of the rows of the confusion tables, i.e. of all classes of the model's output, void ones as well.
        void: how many of them are void.
    """

    def __init__(self, class_names: Sequence[str] = (), void: int = 0) -> None:
        self._names = tuple(class_names)
        self._void = void
        self._means: dict[str, ExactMean] = {}
        self._confusion: NDArray[np.int64] | None = None
        self._none: int | None = None
        self._tiles = 0

    def add(
        self, heights: HeightScores | None, labels: LabelScores | None, quantity: QuantityScores | None = None
    ) -> None:
        """Takes one tile in."""
        if heights is None and labels is None and quantity is None:
            return
        self._tiles += 1
        for name, value in _finite(_of_heights(heights) | _of_quantity(quantity)).items():
            self._means.setdefault(name, ExactMean()).add(value)
        if labels is not None:
            self._none = labels.none
            self._confusion = labels.confusion + (0 if self._confusion is None else self._confusion)

    def metrics(self) -> dict[str, float]:
        """Name -> value, for JSON and tables, e.g. "mae", "mae_high", "rmse", "delta1", "f1_1", "miou", "iou_Tree". No NaN.

        Those that end in "_rel" or have "log" in them are in `core.relative`.
        "precision", "recall", "oa" and "kappa" belong to "f1_1"; "accuracy" is the share of pixels with the right class, "aa"
        the mean of that over the classes of the reference; "miou_all" counts classes that occur nowhere as 0 (both of DFC2020);
        "tiles_compared" are those that had anything to compare.
        """
        found = {name: mean.value for name, mean in self._means.items()}
        labels = None if self._confusion is None else label_scores(self._confusion, self._none)
        if labels is not None:
            names = self._names or tuple(str(number) for number in range(len(labels.iou)))
            found |= {"accuracy": labels.accuracy, "aa": _average_accuracy(labels.confusion), "miou": labels.miou}
            there = sum(not math.isnan(value) for value in labels.iou)
            found["miou_all"] = labels.miou * there / max(len(labels.iou) - self._void, there)
            found |= {f"iou_{name}": value for name, value in zip(names, labels.iou, strict=True)}
        return _finite(found) | {"tiles_compared": float(self._tiles)}

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """The sum of all confusion tables; None where no tile had classes to compare."""
        return self._confusion


def numbers(
    heights: HeightScores | None, labels: LabelScores | None, quantity: QuantityScores | None = None
) -> dict[str, float]:
    """One tile's scores under the names of SCORE_COLUMNS; those that are not known are absent."""
    found = _of_heights(heights) | _of_quantity(quantity)
    if "f1_1" in found:
        found["f1"] = found["f1_1"]
    if labels is not None:
        found |= {"accuracy": labels.accuracy, "miou": labels.miou}
    return _finite({name: found[name] for name in SCORE_COLUMNS if name in found})


SCORE_COLUMNS: Mapping[str, str] = {
    "mae": "mean absolute error of the heights, metres; of another quantity, in its unit",
    "rmse": "root mean square error of the heights, metres; of another quantity, in its unit",
    "bias": "mean of predicted minus reference height, metres; of another quantity, in its unit",
    "mae_high": "mean absolute error where reference or prediction is above 3 m, metres",
    "rmse_high": "root mean square error where reference or prediction is above 3 m, metres",
    "delta1": "share of pixels whose height is within a factor of 1.25",
    "delta2": "share of pixels whose height is within a factor of 1.25^2",
    "delta3": "share of pixels whose height is within a factor of 1.25^3",
    "abs_rel": "mean of |p - g| / g, relative heights after the fit, in parts of the tile's range",
    "sq_rel": "mean of (p - g)^2 / g, likewise",
    "rmse_rel": "root mean square error of relative heights after the fit, in parts of the tile's range",
    "rmse_log": "root mean square difference of the natural logarithms, likewise",
    "log10_rel": "mean difference of the decimal logarithms, likewise",
    "delta1_rel": "share of pixels whose relative height is within a factor of 1.25, after the fit",
    "delta2_rel": "share of pixels whose relative height is within a factor of 1.25^2, after the fit",
    "delta3_rel": "share of pixels whose relative height is within a factor of 1.25^3, after the fit",
    "silog": "100 times the spread of the differences of the natural logarithms, likewise",
    "f1": "F1 of being above 1 m and within a factor of 1.25",
    "accuracy": "share of pixels whose class is right",
    "miou": "mean intersection over union of the classes that occur",
    "similarity": "cosine of the features of image and caption, as the model sees them",
    "nearness": "cosine of the features of the tile and of what was looked for",
    "top1": "1 where the label is the likeliest class, else 0",
    "top5": "1 where the label is one of the five likeliest classes, else 0",
    "scene_accuracy": "1 where the class of the tile is right, else 0; of several classes, the share of right answers",
    "scene_f1": "F1 of the classes that are said to be on the tile",
    "objects_f1": "F1 of the objects that were found",
    "lines_f1": "F1 of the lines that were found, roads and rivers for example",
}
"""What is kept of every tile, for filters and sorting, and what it means."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """The pixels of a region.

    Attributes:
        upper, lower: (n,) the higher and the lower one of prediction and reference, metres, all above 0.
        bias: (n,) prediction minus reference as they were.
    """

    upper: NDArray[np.floating]
    lower: NDArray[np.floating]
    bias: NDArray[np.floating]

    def above(self, limit: float) -> "_Pixels":
        """Those where one of the two is higher."""
        chosen = self.upper > limit
        return _Pixels(_chosen(chosen, self.upper), _chosen(chosen, self.lower), _chosen(chosen, self.bias))

    def scores(self) -> RegionScores:
        """See `RegionScores`."""
        pixels = self.upper.size
        error, ratio = self.upper - self.lower, self.upper / self.lower
        near, close, far = (int(np.count_nonzero(ratio < factor)) / pixels for factor in _WITHIN)
        return RegionScores(
            pixels,
            mae=float(error.mean(dtype=np.float64)),
            rmse=math.sqrt(np.square(error, dtype=np.float64).mean()),
            bias=float(self.bias.mean(dtype=np.float64)),
            log10=float((np.log10(self.upper) - np.log10(self.lower)).mean(dtype=np.float64)),
            deltas=(near, close, far),
        )


def _standing(
    height: NDArray[np.floating], truth: NDArray[np.floating], regions: Mapping[str, RegionScores]
) -> HeightScores:
    """F1^HE and its relatives. Where both stand but differ by too large a factor, a pixel is counted nowhere."""
    predicted, there = height > _TALL, truth > _TALL
    both = predicted & there
    found, known = _chosen(both, height), _chosen(both, truth)
    ratio = np.maximum(found, known) / np.minimum(found, known)
    hits = [int(np.count_nonzero(ratio < factor)) for factor in _WITHIN]
    flat = ~(predicted | there)
    flat &= np.abs(height - truth) < _FLAT
    invented = int(np.count_nonzero(predicted)) - found.size
    missed = int(np.count_nonzero(there)) - found.size
    quiet = int(np.count_nonzero(flat))
    hit, counted = hits[0], hits[0] + invented + missed + quiet
    accuracy = _share(hit + quiet, counted)
    chance = _share((hit + invented) * (hit + missed) + (missed + quiet) * (invented + quiet), counted**2)
    return HeightScores(
        regions,
        f1=(_f1(hits[0], invented, missed), _f1(hits[1], invented, missed), _f1(hits[2], invented, missed)),
        precision=_share(hit, hit + invented),
        recall=_share(hit, hit + missed),
        accuracy=accuracy,
        kappa=_share(accuracy - chance, 1.0 - chance),
    )


def _raised(height: NDArray[np.floating]) -> NDArray[np.floating]:
    """_LEAST in place of what is not above 0. A third of numpy.where's time."""
    raised: NDArray[np.floating] = np.maximum(height, 0.0) + (height <= 0.0) * height.dtype.type(_LEAST)
    return raised


def _chosen(which: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """`values[which]` of one dimension; the values themselves where all are. numpy.compress takes a fifth of the time."""
    return values if which.all() else np.compress(which, values)


def _f1(hit: int, invented: int, missed: int) -> float:
    precision, recall = _share(hit, hit + invented), _share(hit, hit + missed)
    return _share(2.0 * precision * recall, precision + recall)


def _share(part: float, whole: float) -> float:
    """0 of nothing."""
    return part / whole if whole else 0.0


def _of_heights(heights: HeightScores | None) -> dict[str, float]:
    """Every number of the heights of a tile under its name in `Totals.metrics`."""
    found: dict[str, float] = {}
    if heights is None:
        return found
    for name, region in heights.regions.items():
        if name != "whole":
            found |= {f"mae_{name}": region.mae, f"rmse_{name}": region.rmse}
            continue
        found |= {"mae": region.mae, "rmse": region.rmse, "bias": region.bias, "log10": region.log10}
        found |= {f"delta{power}": share for power, share in enumerate(region.deltas, 1)}
        found |= {f"f1_{power}": value for power, value in enumerate(heights.f1, 1)}
        found |= {"precision": heights.precision, "recall": heights.recall}
        found |= {"oa": heights.accuracy, "kappa": heights.kappa}
    return found | _of_relative(heights.relative)


def _of_relative(scores: RelativeScores | None) -> dict[str, float]:
    if scores is None:
        return {}
    found = {"abs_rel": scores.abs_rel, "sq_rel": scores.sq_rel, "rmse_rel": scores.rmse, "rmse_log": scores.rmse_log}
    found |= {"log10_rel": scores.log10, "silog": scores.silog}
    return found | {f"delta{power}_rel": share for power, share in enumerate(scores.deltas, 1)}


def _of_quantity(quantity: QuantityScores | None) -> dict[str, float]:
    """As for heights: a model has one or the other."""
    return {} if quantity is None else {"mae": quantity.mae, "rmse": quantity.rmse, "bias": quantity.bias}


def _finite(named: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in named.items() if math.isfinite(value)}

"""How right a model is about whole tiles: the class of a tile, or all classes that are on it.

The definitions are those of the SEN12MS toolbox (Schmitt and Wu 2021). What is on a tile is told by the shares of its area: the
class with the largest share where a model gives one class, every class with a share of at least some threshold where it gives
several. Measures of several labels are those of Tsoumakas et al. 2010, "Mining Multi-label Data", with scikit-learn's rules for
ties and empty denominators: equal probabilities count as the worse order, and 0 / 0 is 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.metrics import confusion
from rsviewer.core.model import ModelOutput, Scores

THERE = 0.5
"""Probability from which a class is said to be on a tile."""
_EPSILON = 1e-9
"""A share that is as large as the threshold but for rounding is as large as that."""


@dataclass(frozen=True, slots=True)
class SceneScores:
    """What a model says of a tile beside what is there. Classes are in the order of the card.

    Attributes:
        probabilities: of each class, as the model says.
        shares: of the tile's area, 0..1, as the reference says; the rest is of classes that the model does not know.
        several: a tile may have several classes.
        least_share: that makes a class one of them.
    """

    probabilities: tuple[float, ...]
    shares: tuple[float, ...]
    several: bool = False
    least_share: float = 0.1

    @property
    def said(self) -> tuple[bool, ...]:
        """Which classes the model says the tile has."""
        if self.several:
            return tuple(value >= THERE for value in self.probabilities)
        return _only(self.probabilities)

    @property
    def true(self) -> tuple[bool, ...]:
        """Which classes the tile has."""
        if self.several:
            return tuple(share >= self.least_share - _EPSILON for share in self.shares)
        return _only(self.shares)

    @property
    def accuracy(self) -> float:
        """Whether the class is right, 1 or 0; of several, the share of classes that are rightly there or not there."""
        if not self.several:
            return float(self.said == self.true)
        return sum(said == true for said, true in zip(self.said, self.true, strict=True)) / len(self.said)

    @property
    def f1(self) -> float:
        """Of several classes, over this tile."""
        hits = sum(said and true for said, true in zip(self.said, self.true, strict=True))
        counted = sum(self.said) + sum(self.true)
        return 2.0 * hits / counted if counted else 0.0


def scene_numbers(scores: SceneScores | None) -> dict[str, float]:
    """One tile's scores under the names of `core.metrics.SCORE_COLUMNS`."""
    if scores is None:
        return {}
    found = {"scene_accuracy": scores.accuracy}
    return found | {"scene_f1": scores.f1} if scores.several else found


def is_scene_of(output: ModelOutput, scores: SceneScores) -> bool:
    """Whether scores can be those of an output, by its classes and its threshold."""
    several = output.scores is Scores.INDEPENDENT
    if {len(scores.probabilities), len(scores.shares)} != {len(output.classes)}:
        return False
    is_alike = (scores.several, scores.least_share) == (several, output.least_share)
    return is_alike and any(scores.true) and (several or any(scores.said))


def compared_scene(output: ModelOutput, probabilities: Sequence[float], shares: Sequence[float]) -> SceneScores | None:
    """One tile. None where nothing that the model knows is there.

    Args:
        output: of kind SCENE.
        probabilities: of each of its classes.
        shares: of the tile's area, of each of its classes.
    """
    several = output.scores is Scores.INDEPENDENT
    found = SceneScores(tuple(probabilities), tuple(shares), several, output.least_share)
    return found if any(found.true) else None


@dataclass(slots=True)
class SceneTotals:
    """Scores over many tiles, all of one kind.

    Attributes:
        tiles: those taken in so far.
    """

    tiles: list[SceneScores] = field(default_factory=list)

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """(classes, classes) tiles, rows are the reference; None where tiles have several classes, or there is none."""
        if not self.tiles or self.tiles[0].several:
            return None
        true, said = (
            np.array([which.index(True) for which in column], np.intp)
            for column in ([one.true for one in self.tiles], [one.said for one in self.tiles])
        )
        return confusion(said, true, np.ones(len(true), bool), len(self.tiles[0].shares))

    def metrics(self) -> dict[str, float]:
        """Name -> value, see `single_label_metrics` and `multi_label_metrics`, and "tiles_compared". Empty without tiles."""
        if not self.tiles:
            return {}
        table, count = self.confusion, {"tiles_compared": float(len(self.tiles))}
        if table is not None:
            return single_label_metrics(table) | count
        truth = np.array([one.true for one in self.tiles])
        return multi_label_metrics(truth, np.array([one.probabilities for one in self.tiles])) | count


def single_label_metrics(table: NDArray[np.int64]) -> dict[str, float]:
    """Of the class of each tile.

    "scene_accuracy" is the share of tiles that are right, "scene_aa" the mean over all classes of the share of their tiles that
    are right: a class without tiles counts as 0, as in the toolbox.

    Args:
        table: (classes, classes) tiles, rows are the reference.
    """
    right = np.diagonal(table)
    return {"scene_accuracy": float(right.sum() / table.sum()), "scene_aa": float(row_shares(table).diagonal().mean())}


def row_shares(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """A confusion table whose rows sum to 1; those of classes that do not occur are 0."""
    rows = table.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(table, rows, out=np.zeros(table.shape), where=rows > 0)
    return shares


def multi_label_metrics(truth: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> dict[str, float]:
    """Of all classes of each tile, a class being said from a probability of 0.5.

    * "precision", "recall", "f1", "f2", each as "macro" (the mean over classes), "micro" (of all answers together) and "sample"
      (the mean over tiles), e.g. "scene_macro_f1"; f2 weighs recall twice as much.
    * "scene_hamming_loss": share of answers that are wrong. "scene_subset_accuracy": share of tiles without a wrong answer.
    * "scene_one_error": share of tiles whose likeliest class is not there. "scene_coverage": how many of the likeliest classes
      one has to take on average to have all that are there. "scene_ranking_loss": share of pairs of a class that is there and
      one that is not, which are in the wrong order. "scene_lrap": for each class that is there, the share of those at least as
      likely that are there, too (label ranking average precision).

    Args:
        truth: (tiles, classes).
        probabilities: (tiles, classes).
    """
    said = probabilities >= THERE
    hits = said & truth
    by_class = _means(hits.sum(0), said.sum(0), truth.sum(0))
    by_tile = _means(hits.sum(1), said.sum(1), truth.sum(1))
    together = _means(*(one.sum(keepdims=True) for one in (hits.ravel(), said.ravel(), truth.ravel())))
    found: dict[str, float] = {}
    for way, values in (("macro", by_class), ("micro", together), ("sample", by_tile)):
        found |= {f"scene_{way}_{name}": value for name, value in values.items()}
    wrong = said != truth
    found["scene_hamming_loss"] = float(wrong.mean())
    found["scene_subset_accuracy"] = float((~wrong.any(axis=1)).mean())
    likeliest = probabilities.argmax(axis=1)
    found["scene_one_error"] = float((~truth[np.arange(len(truth)), likeliest]).mean())
    return found | _rankings(truth, probabilities)


def _means(hits: NDArray[np.integer], said: NDArray[np.integer], true: NDArray[np.integer]) -> dict[str, float]:
    """Means of precision, recall, F1 and F2 over what each number is of."""
    found = {"precision": _ratio(hits, said), "recall": _ratio(hits, true)}
    for name, beta2 in (("f1", 1.0), ("f2", 4.0)):
        found[name] = _ratio((1.0 + beta2) * hits, beta2 * true + said)
    return {name: float(values.mean()) for name, values in found.items()}


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    counted = np.asarray(whole, np.float64)
    ratio: NDArray[np.float64] = np.divide(part, counted, out=np.zeros(counted.shape), where=counted > 0)
    return ratio


def _rankings(truth: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> dict[str, float]:
    coverage, loss, precision = [], [], []
    for there, values in zip(truth, probabilities, strict=True):
        true, false = values[there], values[~there]
        # (true, all): whether a class is at least as likely as one that is there.
        rank = (values[None, :] >= true[:, None]).sum(axis=1)
        coverage.append(float(rank.max(initial=0)))
        swapped = int((false[None, :] >= true[:, None]).sum())
        loss.append(swapped / (true.size * false.size) if true.size and false.size else 0.0)
        above = (true[None, :] >= true[:, None]).sum(axis=1)
        precision.append(float((above / rank).mean()) if true.size and false.size else 1.0)
    means = (math.fsum(one) / len(one) for one in (coverage, loss, precision))
    return dict(zip(("scene_coverage", "scene_ranking_loss", "scene_lrap"), means, strict=True))


def _only(values: Sequence[float]) -> tuple[bool, ...]:
    """True for the first of the largest; nowhere where none is above 0."""
    best = max(range(len(values)), key=values.__getitem__)
    return tuple(place == best and values[best] > 0.0 for place in range(len(values)))

"""How right a model is about whole tiles: the class of a tile, or all classes that are on it.

The definitions are those of the SEN12MS toolbox (Schmitt and Wu 2021). What is on a tile is told by the shares of its area: the
class with the largest share where a model gives one class, every class with a share of at least some threshold where it gives
several. Measures of several labels are those of Tsoumakas et al. 2010, "Mining Multi-label Data", with scikit-learn's rules for
ties and empty denominators: equal probabilities count as the worse order, and 0 / 0 is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.metrics import ExactMean
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


class SceneTotals:
    """Scores over many tiles, all of one kind, in whatever order they come; in the same memory however many they are."""

    def __init__(self) -> None:
        self._tiles = 0
        self._table: NDArray[np.int64] | None = None
        self._counts: NDArray[np.int64] | None = None
        self._means: dict[str, ExactMean] = {}

    def add(self, scores: SceneScores | None) -> None:
        """Takes one tile in."""
        if scores is None:
            return
        self._tiles += 1
        classes = len(scores.shares)
        if not scores.several:
            self._table = np.zeros((classes, classes), np.int64) if self._table is None else self._table
            self._table[scores.true.index(True), scores.said.index(True)] += 1
            return
        said, true = np.array(scores.said), np.array(scores.true)
        counts = np.array([said & true, said, true]).astype(np.int64)
        self._counts = counts if self._counts is None else self._counts + counts
        for name, value in _of_tile(said, true, counts, np.array(scores.probabilities)).items():
            self._means.setdefault(name, ExactMean()).add(value)

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """(classes, classes) tiles, rows are the reference; None where tiles have several classes, or there is none."""
        return self._table

    def metrics(self) -> dict[str, float]:
        """Name -> value, and "tiles_compared". Empty without tiles. Of tiles with one class see `single_label_metrics`.

        Of several classes, a class being said from a probability of 0.5:

        * "precision", "recall", "f1", "f2", each as "macro" (the mean over classes), "micro" (of all answers together) and
          "sample" (the mean over tiles), e.g. "scene_macro_f1"; f2 weighs recall twice as much.
        * "scene_hamming_loss": share of answers that are wrong. "scene_subset_accuracy": share of tiles without a wrong answer.
        * "scene_one_error": share of tiles whose likeliest class is not there. "scene_coverage": how many of the likeliest
          classes one has to take on average to have all that are there. "scene_ranking_loss": share of pairs of a class that
          is there and one that is not, which are in the wrong order. "scene_lrap": for each class that is there, the share of
          those at least as likely that are there, too (label ranking average precision).
        """
        count = {"tiles_compared": float(self._tiles)} if self._tiles else {}
        if self._table is not None:
            return single_label_metrics(self._table) | count
        if self._counts is None:
            return count
        found: dict[str, float] = {}
        for way, counts in (("macro", self._counts), ("micro", self._counts.sum(axis=1, keepdims=True))):
            found |= {f"scene_{way}_{name}": float(values.mean()) for name, values in _measures(counts).items()}
        return found | {f"scene_{name}": mean.value for name, mean in self._means.items()} | count


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


def _of_tile(
    said: NDArray[np.bool_], true: NDArray[np.bool_], counts: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """What is said of several classes by the mean over tiles, of one tile. See `SceneTotals.metrics`."""
    of_answers = _measures(counts.sum(axis=1, keepdims=True))
    found = {f"sample_{name}": float(values[0]) for name, values in of_answers.items()}
    wrong = said != true
    found |= {"hamming_loss": float(wrong.mean()), "subset_accuracy": float(not wrong.any())}
    found["one_error"] = float(not true[probabilities.argmax()])
    there, others = probabilities[true], probabilities[~true]
    # (true, all): whether a class is at least as likely as one that is there.
    rank = (probabilities[None, :] >= there[:, None]).sum(axis=1)
    above = (there[None, :] >= there[:, None]).sum(axis=1)
    swapped = int((others[None, :] >= there[:, None]).sum())
    has_both = bool(there.size and others.size)
    found["coverage"] = float(rank.max(initial=0))
    found["ranking_loss"] = swapped / (there.size * others.size) if has_both else 0.0
    return found | {"lrap": float((above / rank).mean()) if has_both else 1.0}


def _measures(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, F1 and F2 of each column of hits, of what is said, and of what is there."""
    hits, said, true = counts
    found = {"precision": _ratio(hits, said), "recall": _ratio(hits, true)}
    for name, beta2 in (("f1", 1.0), ("f2", 4.0)):
        found[name] = _ratio((1.0 + beta2) * hits, beta2 * true + said)
    return found


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    counted = np.asarray(whole, np.float64)
    ratio: NDArray[np.float64] = np.divide(part, counted, out=np.zeros(counted.shape), where=counted > 0)
    return ratio


def _only(values: Sequence[float]) -> tuple[bool, ...]:
    """True for the first of the largest; nowhere where none is above 0."""
    best = max(range(len(values)), key=values.__getitem__)
    return tuple(place == best and values[best] > 0.0 for place in range(len(values)))

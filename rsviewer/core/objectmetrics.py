"""How well a model finds objects, by the tolerances of Satlas' own evaluation (Bastani et al., ICCV 2023).

A point is found where the middle of a box of its class is within 128 of the 8192 units of a tile of labels, which are 8 pixels
of Sentinel-2, and as many of a part of it (NAIP), where a unit is a pixel; a polygon where a box or mask of its class has an
intersection over union of 0.1 with it, on the tile. Each box finds one object at most, the surest first. Only classes count
that somebody looked for on the tile.

The authors choose for each class the score from which its objects count among eleven, by the best F1. So everything is counted
from each of these: the surest come first, hence those from a higher score find what they would find alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.boxes import USUAL_SCORE, Boxes, drawn
from rsviewer.core.tile import LabelClass
from rsviewer.core.vector import Feature, Shape, Vector

TOLERANCE = 128.0
"""Units that a point may be off."""
LEAST_OVERLAP = 0.1
FROM_SCORES = (0.05, *(tenths / 10 for tenths in range(1, 10)), 0.95)
"""Scores among which the authors choose. Of all tiles together only what counts from these is kept, no list of objects."""
SAMPLES = 64
"""Along a side of what two outlines cover together: the overlap is known to a few hundredths."""

_USUAL = FROM_SCORES.index(USUAL_SCORE)
_CLOSE = 1e-7
"""A score of 0.9 is a bit less as float32."""
_ALIASES = {"ms building": "building"}


Counts = tuple[int, int, int]
"""Found, invented and missed objects."""


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """Objects of one tile, or of many.

    Attributes:
        by_score: class -> Counts of the objects from each of FROM_SCORES; only classes that were looked for.
    """

    by_score: Mapping[str, tuple[Counts, ...]]

    @property
    def counts(self) -> Mapping[str, Counts]:
        """Class -> those of the objects that are sure enough usually."""
        return {name: counted[_USUAL] for name, counted in self.by_score.items()}

    @property
    def total(self) -> Counts:
        """Of all classes."""
        return summed(self.counts.values())

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are there; 0 where there is none."""
        found, invented, _ = self.total
        return share(found, found + invented)

    @property
    def recall(self) -> float:
        """Share of the objects that were found; 0 where there is none."""
        found, _, missed = self.total
        return share(found, found + missed)

    @property
    def f1(self) -> float:
        """Of all classes together."""
        return f1(self.total)

    def near(self, score: float) -> "ObjectScores":
        """The same as if objects counted from the one of FROM_SCORES that is nearest to a score, usually."""
        place = FROM_SCORES.index(nearest(score))
        return ObjectScores({name: (counted[place],) * len(FROM_SCORES) for name, counted in self.by_score.items()})

    @property
    def best(self) -> Mapping[str, float]:
        """Class -> the one of FROM_SCORES with the best F1, of several the one nearest to the usual one."""
        order = sorted(range(len(FROM_SCORES)), key=lambda place: abs(place - _USUAL))
        return {
            name: FROM_SCORES[max(order, key=lambda place: f1(counted[place]))]
            for name, counted in self.by_score.items()
        }


@dataclass(slots=True)
class ObjectTotals:
    """Objects of many tiles.

    Attributes:
        by_score: as in `ObjectScores`, summed.
        tiles: that were taken in.
    """

    by_score: dict[str, tuple[Counts, ...]] = field(default_factory=dict)
    tiles: int = 0

    def add(self, scores: ObjectScores | None) -> None:
        """Takes one tile in."""
        if scores is None:
            return
        self.tiles += 1
        for name, counted in scores.by_score.items():
            before = self.by_score.get(name, ((0, 0, 0),) * len(FROM_SCORES))
            self.by_score[name] = tuple(summed(both) for both in zip(before, counted, strict=True))

    def metrics(self) -> dict[str, float]:
        """Name -> value: "objects_f1", "objects_precision", "objects_recall", "objects_f1_<class>". Empty without tiles.

        "objects_best_f1_<class>" is the best that any of FROM_SCORES gives, "objects_best_score_<class>" that score, and
        "objects_best_f1" the F1 of all classes together, each from its own. They are chosen on the very tiles on which they
        are measured: those of a test are to be chosen on others.
        """
        if not self.tiles:
            return {}
        whole = ObjectScores(self.by_score)
        found = {"objects_f1": whole.f1, "objects_precision": whole.precision, "objects_recall": whole.recall}
        best = {name: self.by_score[name][FROM_SCORES.index(score)] for name, score in whole.best.items()}
        found["objects_best_f1"] = f1(summed(best.values()))
        for name, counted in whole.counts.items():
            if any(counted) or any(best[name]):
                found |= {f"objects_f1_{name}": f1(counted), f"objects_best_f1_{name}": f1(best[name])}
                found[f"objects_best_score_{name}"] = whole.best[name]
        return found | {"tiles_compared": float(self.tiles)}


def object_numbers(scores: ObjectScores | None) -> dict[str, float]:
    """One tile's scores under the names of `core.metrics.SCORE_COLUMNS`; none where there are no objects at all."""
    return {"objects_f1": scores.f1} if scores is not None and any(scores.total) else {}


def object_scores(boxes: Boxes, classes: Sequence[LabelClass], reference: Vector) -> ObjectScores | None:
    """Compares objects with vector labels of the tile. None where nobody looked for any of their classes.

    Args:
        boxes: what a model found.
        classes: that it looks for; void ones are passed over.
        reference: the labels.
    """
    looked_for = {category(name) for name in reference.geometry.names}
    names = [one.name for one in classes if not one.void and category(one.name) in looked_for]
    if not names:
        return None
    said = drawn(boxes, classes, FROM_SCORES[0]).features
    sure = boxes.scores[boxes.scores >= FROM_SCORES[0]].tolist()
    by_score = {}
    for name in names:
        own = [(score, feature) for score, feature in zip(sure, said, strict=True) if feature.category == name]
        there = _Sought(reference, name, boxes.size)
        count = len(there.features)
        hits: list[float] = []
        misses: list[float] = []
        for score, feature in own:
            (hits if there.take(feature) else misses).append(score)
        counted = [(_from(hits, least), _from(misses, least)) for least in FROM_SCORES]
        by_score[name] = tuple((found, invented, count - found) for found, invented in counted)
    return ObjectScores(by_score)


def nearest(score: float) -> float:
    """The one of FROM_SCORES that is nearest to a score."""
    return min(FROM_SCORES, key=lambda known: abs(known - score))


def summed(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    found, invented, missed = map(sum, zip((0, 0, 0), *counts, strict=True))
    return found, invented, missed


def f1(counts: Counts) -> float:
    """Of found, invented and missed objects; 0 where there is none."""
    found, invented, missed = counts
    return share(2 * found, 2 * found + invented + missed)


def _from(scores: Sequence[float], least: float) -> int:
    return sum(score >= least - _CLOSE for score in scores)


class _Sought:
    """The objects of a class on a tile that no box has found yet.

    Args:
        reference: the labels of the tile.
        name: of the class.
        size: (width, height) of the tile in pixels.

    Attributes:
        features: all of them, in pixels.
    """

    def __init__(self, reference: Vector, name: str, size: tuple[int, int]) -> None:
        geometry, self._size = reference.geometry, size
        keys = [place for place, key in enumerate(geometry.names) if category(key) == category(name)]
        # Buildings may be there twice, as OpenStreetMap and as Microsoft have them: the model learned from the latter.
        keys = [place for place in keys if _plain(geometry.names[place]) in _ALIASES] or keys
        scale = np.array(size, np.float64) / np.array(reference.unit)
        self._reach = TOLERANCE * float(scale.max())
        bounds = geometry.bounds.T * np.tile(scale, 2)
        near = (bounds[:, 2:] >= 0).all(axis=1) & (bounds[:, :2] <= size).all(axis=1)
        chosen = np.flatnonzero(near & np.isin(geometry.categories, keys))
        scaled = [(place, _scaled(reference.features[place], scale)) for place in chosen.tolist()]
        kept = [(place, feature) for place, feature in scaled if self._is_on(feature, bounds[place])]
        self.features = [feature for _, feature in kept]
        self._bounds = bounds[[place for place, _ in kept]].reshape(-1, 4)
        self._is_outline = np.array([feature.shape is Shape.POLYGON for feature in self.features], bool)
        self._is_left = np.ones(len(self.features), bool)

    def take(self, said: Feature) -> bool:
        """Whether something that was said to be there is one of them: the likeliest is found by that."""
        box = np.array(said.bounds)
        away = np.hypot(*((self._bounds[:, :2] + self._bounds[:, 2:] - box[:2] - box[2:]) / 2).T)
        nearness = np.where(~self._is_outline & (away <= self._reach), 1 - away / self._reach + 1e-9, 0.0)
        low, high = np.maximum(self._bounds[:, :2], box[:2]), np.minimum(self._bounds[:, 2:], box[2:])
        for place in np.flatnonzero(self._is_left & self._is_outline & (low < high).all(axis=1)).tolist():
            overlap = _overlap(said, self.features[place], self._size)
            nearness[place] = overlap if overlap >= LEAST_OVERLAP else 0.0
        nearness[~self._is_left] = 0.0
        if not nearness.any():
            return False
        self._is_left[nearness.argmax()] = False
        return True

    def _is_on(self, feature: Feature, bounds: NDArray[np.float64]) -> bool:
        """Whether any of what may reach beyond the tile is on it: an outline with a part of its area."""
        low, high = bounds[:2].clip(min=0), np.minimum(bounds[2:], self._size)
        if feature.shape is not Shape.POLYGON or np.array_equal(np.concatenate([low, high]), bounds):
            return True
        return bool((low < high).all() and _is_inside(feature, *_samples(low, high)).any())


def _overlap(one: Feature, other: Feature, size: tuple[int, int]) -> float:
    """Intersection over union of what two polygons have on the tile, by samples."""
    bounds = np.array([one.bounds, other.bounds])
    low, high = bounds[:, :2].min(axis=0).clip(min=0), np.minimum(bounds[:, 2:].max(axis=0), size)
    x, y = _samples(low, high)
    inside, other_inside = (_is_inside(feature, x, y) for feature in (one, other))
    either = np.count_nonzero(inside | other_inside)
    return np.count_nonzero(inside & other_inside) / either if either else 0.0


def _samples(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The x and the y of places between two corners."""
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES
    x, y = np.meshgrid(low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1]))
    return x.ravel(), y.ravel()


def _is_inside(feature: Feature, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points lie in a polygon, by the lines that a ray to the right meets."""
    inside = np.zeros(x.shape, bool)
    for ring in feature.rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 != y1:
                spans = (y0 > y) != (y1 > y)
                inside ^= spans & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _scaled(feature: Feature, scale: NDArray[np.float64]) -> Feature:
    return Feature(feature.category, feature.shape, tuple(ring * scale for ring in feature.rings))


def category(name: str) -> str:
    """The name of a category, as classes of models and keys of vector labels both have it: "wind_turbine" -> "wind turbine"."""
    plain = _plain(name)
    return _ALIASES.get(plain, plain)


def _plain(name: str) -> str:
    return name.lower().replace("_", " ")


def share(part: float, whole: float) -> float:
    """0 of nothing."""
    return part / whole if whole else 0.0

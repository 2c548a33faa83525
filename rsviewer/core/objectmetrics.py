"""How well a model finds objects, by the tolerances of Satlas' own evaluation (Bastani et al., ICCV 2023).

A point is found where the middle of a box of its class is within 128 of the 8192 units of a tile; a polygon where a box or mask
of its class has an intersection over union of 0.1 with it. Each box finds one object at most, the surest first. Only classes
count that somebody looked for on the tile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.boxes import USUAL_SCORE, Boxes, drawn
from rsviewer.core.tile import LabelClass
from rsviewer.core.vector import Feature, Shape, Vector

TOLERANCE = 128 / 8192
"""Share of the side of a tile that a point may be off."""
LEAST_OVERLAP = 0.1
SAMPLES = 64
"""Along a side of what two outlines cover together: the overlap is known to a few hundredths."""

_ALIASES = {"ms building": "building"}


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """Objects of one tile, or of many.

    Attributes:
        counts: class -> (found, invented, missed) objects; only classes that were looked for.
    """

    counts: Mapping[str, tuple[int, int, int]]

    @property
    def total(self) -> tuple[int, int, int]:
        """Found, invented and missed objects of all classes."""
        columns = zip(*self.counts.values(), strict=True) if self.counts else ((), (), ())
        found, invented, missed = map(sum, columns)
        return found, invented, missed

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are there; 0 where there is none."""
        found, invented, _ = self.total
        return _share(found, found + invented)

    @property
    def recall(self) -> float:
        """Share of the objects that were found; 0 where there is none."""
        found, _, missed = self.total
        return _share(found, found + missed)

    @property
    def f1(self) -> float:
        """Of all classes together."""
        return f1(self.total)


@dataclass(slots=True)
class ObjectTotals:
    """Objects of many tiles.

    Attributes:
        counts: as in `ObjectScores`, summed.
        tiles: that were taken in.
    """

    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    tiles: int = 0

    def add(self, scores: ObjectScores | None) -> None:
        """Takes one tile in."""
        if scores is None:
            return
        self.tiles += 1
        for name, counted in scores.counts.items():
            before = self.counts.get(name, (0, 0, 0))
            found, invented, missed = (one + other for one, other in zip(before, counted, strict=True))
            self.counts[name] = found, invented, missed

    def metrics(self) -> dict[str, float]:
        """Name -> value: "objects_f1", "objects_precision", "objects_recall", "objects_f1_<class>". Empty without tiles."""
        if not self.tiles:
            return {}
        whole = ObjectScores(self.counts)
        found = {"objects_f1": whole.f1, "objects_precision": whole.precision, "objects_recall": whole.recall}
        each = {f"objects_f1_{name}": f1(counted) for name, counted in self.counts.items() if any(counted)}
        return found | each | {"tiles_compared": float(self.tiles)}


def object_numbers(scores: ObjectScores | None) -> dict[str, float]:
    """One tile's scores under the names of `core.metrics.SCORE_COLUMNS`; none where there are no objects at all."""
    return {"objects_f1": scores.f1} if scores is not None and any(scores.total) else {}


def object_scores(
    boxes: Boxes, classes: Sequence[LabelClass], reference: Vector, least: float = USUAL_SCORE
) -> ObjectScores | None:
    """Compares objects with vector labels of the tile. None where nobody looked for any of their classes.

    Args:
        boxes: what a model found.
        classes: that it looks for; void ones are passed over.
        reference: the labels.
        least: score of the objects that count.
    """
    looked_for = {_plain(name) for name in reference.geometry.names}
    names = [one.name for one in classes if not one.void and _plain(one.name) in looked_for]
    if not names:
        return None
    said = drawn(boxes, classes, least).features
    scale = np.array(boxes.size, np.float64) / np.array(reference.unit)
    counts = {}
    for name in names:
        own = [feature for feature in said if feature.category == name]
        there = [
            _scaled(one, scale) for one in reference.features if _plain(one.category) == _plain(name) and one.rings
        ]
        open_ = list(range(len(there)))
        for feature in own:
            nearness = [_nearness(feature, there[place], boxes.size) for place in open_]
            if nearness and max(nearness) > 0:
                open_.pop(int(np.argmax(nearness)))
        found = len(there) - len(open_)
        counts[name] = found, len(own) - found, len(open_)
    return ObjectScores(counts)


def f1(counts: tuple[int, int, int]) -> float:
    """Of found, invented and missed objects; 0 where there is none."""
    found, invented, missed = counts
    return _share(2 * found, 2 * found + invented + missed)


def _nearness(said: Feature, there: Feature, size: tuple[int, int]) -> float:
    """Above 0 where one may be the other, the more the likelier."""
    left, top, right, bottom = said.bounds
    if there.shape is not Shape.POLYGON:
        other_left, other_top, other_right, other_bottom = there.bounds
        away = np.hypot((left + right - other_left - other_right) / 2, (top + bottom - other_top - other_bottom) / 2)
        reach = TOLERANCE * max(size)
        return float(1 - away / reach) + 1e-9 if away <= reach else 0.0
    overlap = _overlap(said, there)
    return overlap if overlap >= LEAST_OVERLAP else 0.0


def _overlap(one: Feature, other: Feature) -> float:
    """Intersection over union of two polygons, by samples."""
    bounds = np.array([one.bounds, other.bounds])
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    if (bounds[:, :2].max(axis=0) >= bounds[:, 2:].min(axis=0)).any():
        return 0.0
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES
    x, y = np.meshgrid(low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1]))
    inside, other_inside = (_is_inside(feature, x.ravel(), y.ravel()) for feature in (one, other))
    either = np.count_nonzero(inside | other_inside)
    return np.count_nonzero(inside & other_inside) / either if either else 0.0


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


def _plain(name: str) -> str:
    """Names of classes and of categories alike."""
    plain = name.lower().replace("_", " ")
    return _ALIASES.get(plain, plain)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0

"""How well a model draws roads, railways, rivers and runways, by the tolerance of Satlas' evaluation (Bastani et al., 2023).

There polylines are rasterised on 2048 x 2048 pixels of a tile of labels and dilated four times. What is compared after that, in
which shape lines are dilated, and how the pixels of a network become lines, is not written down; here it is done as roads are
usually scored (Heipke et al., 1997; Mnih and Hinton, 2010):

The pixels of a class are thinned to their middle lines (Guo and Hall, CACM 1989). These and the polylines of the labels are
drawn on 2048 x 2048 pixels, one pixel wide each; of a part of such a tile (NAIP) on as many as it has there. Precision is the
share of the predicted pixels that lie within four dilations by a cross (16 units of the labels, a pixel of Sentinel-2) of a
polyline of their class, recall the share of the polylines' pixels that lie so near to a predicted line. Only classes count that
somebody looked for on the tile: an empty list in the labels says that there is none, a missing one nothing. Of classes that lie
on each other a prediction holds the likeliest alone, so a bridge interrupts what is below it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.objectmetrics import category, share
from rsviewer.core.satlasfile import LINES
from rsviewer.core.tile import LabelClass, Raster
from rsviewer.core.vector import Shape, Vector

SIDE = 2048
"""Pixels along a side of a tile of labels on which lines are compared."""
PIXEL = 8192 / SIDE
"""Units of the labels."""
REACH = 4
"""Dilations."""
AT_ONCE = 1 << 21
"""Pixels of lines that are drawn at once."""

Counts = tuple[int, int, int, int]
"""Pixels of predicted lines: those near to one that is there, and all of them; then the same the other way round."""
Grid = tuple[int, int]
"""(height, width) in pixels."""
NONE: Counts = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class LineScores:
    """Lines of one tile, or of many.

    Attributes:
        counts: category -> Counts; only those that were looked for.
    """

    counts: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        """Of all categories together."""
        total = NONE
        for counted in self.counts.values():
            total = _sum(total, counted)
        return total

    @property
    def precision(self) -> float:
        """Share of the predicted lines that are there; 0 where there is none."""
        return share(*self.total[:2])

    @property
    def recall(self) -> float:
        """Share of the lines that were found; 0 where there is none."""
        return share(*self.total[2:])

    @property
    def f1(self) -> float:
        """Of all categories together."""
        return f1(self.total)


@dataclass(slots=True)
class LineTotals:
    """Lines of many tiles.

    Attributes:
        counts: as in `LineScores`, summed.
        tiles: that were taken in.
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    tiles: int = 0

    def add(self, scores: LineScores | None) -> None:
        """Takes one tile in."""
        if scores is None:
            return
        self.tiles += 1
        for name, counted in scores.counts.items():
            self.counts[name] = _sum(self.counts.get(name, NONE), counted)

    def metrics(self) -> dict[str, float]:
        """Name -> value: "lines_f1", "lines_precision", "lines_recall", "lines_f1_<category>". Empty without tiles."""
        if not self.tiles:
            return {}
        whole = LineScores(self.counts)
        found = {"lines_f1": whole.f1, "lines_precision": whole.precision, "lines_recall": whole.recall}
        each = {f"lines_f1_{name}": f1(counted) for name, counted in self.counts.items() if any(counted)}
        return found | each | {"tiles_compared": float(self.tiles)}


def line_numbers(scores: LineScores | None) -> dict[str, float]:
    """One tile's scores under the names of `core.metrics.SCORE_COLUMNS`; none where there are no lines at all."""
    return {"lines_f1": scores.f1} if scores is not None and any(scores.total) else {}


def lines_among(classes: Sequence[LabelClass]) -> dict[str, tuple[int, ...]]:
    """Category of lines -> the labels that mean it: "road" has that of "road, residential" as well."""
    found: dict[str, tuple[int, ...]] = {}
    for one in classes:
        name = category(one.name).partition(",")[0]
        if name in LINES and not one.void:
            found[name] = (*found.get(name, ()), one.value)
    return found


def line_scores(predicted: Raster, classes: Sequence[LabelClass], reference: Vector) -> LineScores | None:
    """Compares classes of pixels with polylines of the tile. None where nobody looked for any of those classes.

    Args:
        predicted: labels, on the whole tile. Nothing is compared where they are invalid.
        classes: of the model.
        reference: the labels of the tile.
    """
    looked_for = {category(name) for name in reference.geometry.names}
    known = {name: labels for name, labels in lines_among(classes).items() if name in looked_for}
    if not known:
        return None
    width, height = (min(SIDE, math.ceil(units / PIXEL)) for units in reference.unit)
    grid = height, width
    rows, columns = (_places(size, side) for size, side in zip(grid, predicted.pixels.shape[1:], strict=True))
    valid = predicted.valid[0][np.ix_(rows, columns)]
    counts = {}
    for name, labels in known.items():
        there = _drawn(_polylines(reference, name, grid), grid) & valid
        inside = np.isin(predicted.pixels[0], labels) & predicted.valid[0]
        said = _drawn(_middle_lines(inside, grid), grid) & valid
        hits = (said & _dilated(there), said, there & _dilated(said), there)
        right, drawn, found, all_ = (int(np.count_nonzero(part)) for part in hits)
        counts[name] = right, drawn, found, all_
    return LineScores(counts)


def f1(counts: Counts) -> float:
    """Of precision and recall; 0 where there is none."""
    precision, recall = share(*counts[:2]), share(*counts[2:])
    return share(2 * precision * recall, precision + recall)


def thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle lines of what is inside, one pixel wide and as connected as it was (Guo and Hall 1989, algorithm A1)."""
    inside = np.pad(mask, 1)
    middle = inside[1:-1, 1:-1]
    rows, columns = inside.shape
    around = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    n, ne, e, se, s, sw, w, nw = (
        inside[1 + down : rows - 1 + down, 1 + right : columns - 1 + right] for down, right in around
    )
    while True:
        before = np.count_nonzero(middle)
        for is_first in (True, False):
            crossings = np.zeros(middle.shape, np.uint8)
            pairs, others = crossings.copy(), crossings.copy()
            for straight, diagonal, following in ((n, ne, e), (e, se, s), (s, sw, w), (w, nw, n)):
                crossings += ~straight & (diagonal | following)
                pairs += straight | diagonal
                others += diagonal | following
            # the corners that may go in this turn
            kept = (s | sw | ~nw) & w if is_first else (n | ne | ~se) & e
            fewest = np.minimum(pairs, others)
            middle[middle & (crossings == 1) & (fewest >= 2) & (fewest <= 3) & ~kept] = False
        if np.count_nonzero(middle) == before:
            return middle.copy()


def _polylines(reference: Vector, name: str, grid: Grid) -> Iterator[NDArray[np.float64]]:
    """The pieces of the polylines of a category, (n, 2, 2) from x, y to x, y in pixels of the grid."""
    scale = np.array(grid[::-1]) / np.array(reference.unit)
    for feature in reference.features:
        if feature.shape is Shape.LINE and category(feature.category) == name:
            for ring in feature.rings:
                if len(ring) and np.isfinite(ring).all():
                    points = ring * scale
                    yield (
                        np.stack([points[:-1], points[1:]], axis=1) if len(points) > 1 else points[:, None].repeat(2, 1)
                    )


def _middle_lines(mask: NDArray[np.bool_], grid: Grid) -> Iterator[NDArray[np.float64]]:
    """The same of the middle lines of a class: from each of their pixels to its neighbours, and to itself."""
    for axis, side in enumerate(mask.shape):
        if side > SIDE:  # a line of a single pixel must not fall between two that are taken
            mask = np.logical_or.reduceat(mask, _places(SIDE, side), axis=axis)
    lines = np.pad(thinned(mask), 1)
    scale = np.array(grid[::-1]) / np.array(mask.shape[::-1])
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1)):
        both = lines[1:-1, 1:-1] & lines[1 + down : lines.shape[0] - 1 + down, 1 + right : lines.shape[1] - 1 + right]
        y, x = np.nonzero(both)
        begin = np.stack([x, y], axis=1) + 0.5
        yield np.stack([begin, begin + np.array([right, down])], axis=1) * scale


def _drawn(pieces: Iterator[NDArray[np.float64]], grid: Grid) -> NDArray[np.bool_]:
    """(height, width) every pixel that a line goes through, by one step in the direction in which it goes farther."""
    canvas = np.zeros(grid, bool)
    every = [piece for piece in pieces if len(piece)]
    if not every:
        return canvas
    begin, end = _within(np.concatenate(every), grid)
    steps = np.ceil(np.abs(end - begin).max(axis=1)).astype(np.int64) + 1
    filled = np.cumsum(steps) // AT_ONCE
    for part in np.split(np.arange(len(steps)), np.flatnonzero(np.diff(filled)) + 1):
        count = steps[part]
        owner = np.repeat(part, count)
        step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        along = step / np.maximum(steps[owner] - 1, 1)
        x, y = np.floor(begin[owner] + (end[owner] - begin[owner]) * along[:, None]).astype(np.int64).T
        inside = (x >= 0) & (x < grid[1]) & (y >= 0) & (y < grid[0])
        canvas[y[inside], x[inside]] = True
    return canvas


def _within(pieces: NDArray[np.float64], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of what is on the canvas of each piece (Liang and Barsky 1984): labels may reach far beyond their tile."""
    size = np.array(grid[::-1], np.float64)
    begin, way = pieces[:, 0], pieces[:, 1] - pieces[:, 0]
    still = way == 0
    safe = np.where(still, 1.0, way)
    edges = np.stack([-begin / safe, (size - begin) / safe])
    outside = still & ((begin < 0) | (begin > size))
    first = np.where(still, np.where(outside, 2.0, 0.0), edges.min(axis=0)).max(axis=1).clip(min=0.0)
    last = np.where(still, 1.0, edges.max(axis=0)).min(axis=1).clip(max=1.0)
    there = first <= last
    begin, way, first, last = begin[there], way[there], first[there], last[there]
    return begin + way * first[:, None], begin + way * last[:, None]


def _dilated(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies within REACH steps to a side, up or down."""
    near = lines
    for _ in range(REACH):
        wider = near.copy()
        wider[1:] |= near[:-1]
        wider[:-1] |= near[1:]
        wider[:, 1:] |= near[:, :-1]
        wider[:, :-1] |= near[:, 1:]
        near = wider
    return near


def _places(size: int, side: int) -> NDArray[np.int64]:
    """For each of so many pixels the one of a side of another length that lies there."""
    return np.arange(size) * side // size


def _sum(one: Counts, other: Counts) -> Counts:
    right, said, found, there = (a + b for a, b in zip(one, other, strict=True))
    return right, said, found, there

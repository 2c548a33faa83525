"""Objects that a model has found on a tile, each in a box, some with a mask; and what is drawn of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import LabelClass
from rsviewer.core.vector import Feature, Shape, Vector

USUAL_SCORE = 0.5
"""Objects that are less sure are not shown, unless the user wants it."""
DOUBLE = 0.5
"""Share of two boxes that overlaps, from which they are taken for one object."""
SAME = 0.55
"""Share of two boxes of different passes that overlaps, from which they are taken for one object, as in Solovyev et al."""
INSIDE = 0.5
"""Share from which a pixel of a mask belongs to its object."""
LEAST_CORNERS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Objects, the surest first. Arrays are read-only.

    Attributes:
        corners: (n, 4) left, top, right and bottom of each, in pixels of the grid, which may be parts of pixels.
        labels: (n,) values of their classes.
        scores: (n,) how sure the model is of each, 0..1.
        size: (width, height) of the grid in pixels.
        masks: (n, 28, 28) of 255: where within its box each object is; None where the model does not say.
    """

    corners: NDArray[np.float32]
    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    size: tuple[int, int]
    masks: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        count = len(self.corners)
        parts = (self.corners.reshape(-1), self.labels, self.scores)
        if [len(part) for part in parts] != [4 * count, count, count] or self.corners.shape[1:] != (4,):
            raise ValueError("parts of objects differ in number")
        if self.masks is not None and (self.masks.ndim != 3 or len(self.masks) != count):
            raise ValueError("masks of other objects")
        if not np.isfinite(self.corners).all() or not np.isfinite(self.scores).all():
            raise ValueError("objects at no place")

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        own = self.corners.nbytes + self.labels.nbytes + self.scores.nbytes
        return own + (0 if self.masks is None else self.masks.nbytes)

    def taken(self, places: NDArray[np.intp]) -> "Boxes":
        """Some of them, in that order."""
        masks = None if self.masks is None else self.masks[places]
        return Boxes(self.corners[places], self.labels[places], self.scores[places], self.size, masks)


def without_doubles(boxes: Boxes) -> Boxes:
    """Without those that a surer one of the same class overlaps by more than DOUBLE: windows see the same object."""
    order = np.argsort(-boxes.scores, kind="stable")
    is_kept = np.zeros(len(order), bool)
    for label in np.unique(boxes.labels):
        corners, count = np.empty((len(order), 4), np.float32), 0
        for place in order[boxes.labels[order] == label].tolist():
            if not count or _overlaps(boxes.corners[place], corners[:count]).max() <= DOUBLE:
                corners[count], is_kept[place] = boxes.corners[place], True
                count += 1
    return boxes.taken(order[is_kept[order]])


def fused(passes: Sequence[Boxes]) -> Boxes:
    """What several passes over the same tile found, taken together: weighted boxes fusion (Solovyev et al., 2021).

    From the surest on, each object joins those of other passes whose mean it overlaps by more than SAME, if it has their class.
    What becomes of them has the mean of their boxes and masks, weighted by their scores, and as its score the mean over all
    passes, where a pass that did not find it counts as 0.

    Args:
        passes: one at least, all of one size, and all with masks or none.
    """
    parts = [
        np.concatenate(part) for part in zip(*((one.corners, one.labels, one.scores) for one in passes), strict=True)
    ]
    corners, labels, scores = parts[0].astype(np.float64), parts[1], parts[2].astype(np.float64)
    number = np.repeat(np.arange(len(passes)), [len(one.scores) for one in passes])
    order = np.argsort(-scores, kind="stable")
    every = [
        group
        for label in np.unique(labels)
        for group in _alike(corners, scores, number, order[labels[order] == label].tolist())
    ]
    sureness = np.array([scores[group].sum() / len(passes) for group, _ in every])
    surest = np.argsort(-sureness, kind="stable").tolist()
    masks = None
    if all(one.masks is not None for one in passes):
        found = np.concatenate([one.masks for one in passes if one.masks is not None])
        joined = [np.average(found[every[at][0]], axis=0, weights=scores[every[at][0]]) for at in surest]
        masks = np.rint(np.array(joined)).astype(np.uint8).reshape(-1, *found.shape[1:])
    return Boxes(
        np.array([every[at][1] for at in surest], np.float32).reshape(-1, 4),
        np.array([labels[every[at][0][0]] for at in surest], np.int32),
        sureness[surest].astype(np.float32),
        passes[0].size,
        masks,
    )


def _alike(
    corners: NDArray[np.float64], scores: NDArray[np.float64], number: NDArray[np.intp], order: Sequence[int]
) -> list[tuple[list[int], NDArray[np.float64]]]:
    """Places of objects of a class that are one, with the mean of their boxes. `number` is of their passes. See `fused`."""
    groups: list[list[int]] = []
    means = np.empty((len(order), 4))
    has = np.zeros((len(order), int(number.max(initial=0)) + 1), bool)
    for place in order:
        near = _overlaps(corners[place], means[: len(groups)])
        near[has[: len(groups), number[place]]] = 0.0
        at = int(near.argmax()) if near.max(initial=0.0) > SAME else len(groups)
        if at == len(groups):
            groups.append([])
        groups[at].append(place)
        has[at, number[place]] = True
        means[at] = np.average(corners[groups[at]], axis=0, weights=scores[groups[at]])
    return list(zip(groups, means, strict=False))


def drawn(boxes: Boxes, classes: Sequence[LabelClass], least: float = USUAL_SCORE) -> Vector:
    """Objects as vector labels of the tile: the outline of the mask where there is one, else the box.

    Args:
        boxes: what was found.
        classes: of the model.
        least: score of the objects that are drawn.
    """
    names = {one.value: one.name for one in classes}
    features = []
    for place in np.flatnonzero(boxes.scores >= least).tolist():
        left, top, right, bottom = boxes.corners[place].astype(np.float64).tolist()
        ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        if boxes.masks is not None:
            side = boxes.masks.shape[1:][::-1]
            found = outline(boxes.masks[place] > INSIDE * 255)
            if len(found) >= LEAST_CORNERS:
                ring = (left, top) + found * ((right - left) / side[0], (bottom - top) / side[1])
        name = names.get(int(boxes.labels[place]), str(int(boxes.labels[place])))
        features.append(Feature(name, Shape.POLYGON, (ring,), {"score": f"{boxes.scores[place]:.2f}"}))
    looked_for = tuple(one.name for one in classes if not one.void)
    width, height = boxes.size
    return Vector(tuple(features), (float(width), float(height)), looked_for)


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, 2) corners x, y around the largest part of a mask, in its pixels; holes are filled, and none are where it is empty.

    Edges between pixels inside and outside are followed with the inside at the right hand; where two parts touch at a corner,
    they stay apart.
    """
    inside = np.pad(mask, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for rows, columns, begin, end in (
        ((-1, 0), (0, 0), (0, 0), (1, 0)),
        ((0, 0), (1, 0), (1, 0), (1, 1)),
        ((1, 0), (0, 0), (1, 1), (0, 1)),
        ((0, 0), (-1, 0), (0, 1), (0, 0)),
    ):
        beside = np.roll(inside, (-rows[0], -columns[0]), (0, 1))
        for y, x in np.argwhere(inside & ~beside).tolist():
            first, last = (x - 1 + begin[0], y - 1 + begin[1]), (x - 1 + end[0], y - 1 + end[1])
            following.setdefault(first, []).append(last)
    largest, most = np.zeros((0, 2)), 0.0
    while following:
        ring = np.array(_followed(following), np.float64)
        area = float((ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1]).sum()) / 2
        if area > most:
            largest, most = ring, area
    if not len(largest):
        return largest
    ahead, behind = np.roll(largest, -1, 0) - largest, largest - np.roll(largest, 1, 0)
    turns = ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]
    corners: NDArray[np.float64] = largest[turns]
    return corners


def _followed(following: dict[tuple[int, int], list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """One ring of edges, which are taken out. At a crossing it turns to the right: so it stays with its own part."""
    start = here = next(iter(following))
    ring: list[tuple[int, int]] = []
    before = (0, 0)
    while True:
        ring.append(here)
        ends = following[here]
        to_the_right = (here[0] - before[1], here[1] + before[0])
        there = to_the_right if to_the_right in ends else ends[0]
        ends.remove(there)
        if not ends:
            del following[here]
        before = there[0] - here[0], there[1] - here[1]
        here = there
        if here == start:
            return ring


def _overlaps(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = np.clip(size, 0, None).prod(axis=1)
    either = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - both
    share: NDArray[np.floating] = both / np.maximum(either, np.float32(1e-9))
    return share

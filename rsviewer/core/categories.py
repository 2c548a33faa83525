"""The categories of a vector layer as classes: a value to switch, a name, a colour, for those that nobody listed, too."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import LabelClass, LayerSpec
from rsviewer.core.vector import Vector

FIRST_UNLISTED = 1000
"""From here on, a category that the dataset's documentation does not list has a value: made from its name, so that on every
tile it has the same, and the same colour."""
MOST_UNLISTED = 256
"""Of one file. Those beyond are one class, `OTHERS`."""
OTHERS = LabelClass(FIRST_UNLISTED - 1, "other categories", (190, 190, 190))

CYCLE = (
    (255, 196, 0),
    (0, 200, 255),
    (255, 90, 90),
    (120, 220, 80),
    (200, 130, 255),
    (255, 140, 30),
    (0, 220, 170),
    (255, 120, 200),
    (110, 150, 255),
    (200, 210, 60),
    (170, 120, 80),
    (150, 225, 255),
)
"""Colours of categories that have none: bright, since they lie over images."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One category on one tile.

    Attributes:
        category: its value, name and colour.
        count: its features; 0 where somebody looked and found none.
        annotated: False where nobody looked for it.
        listed: False where the dataset's documentation does not list it.
    """

    category: LabelClass
    count: int
    annotated: bool = True
    listed: bool = True


def categories(vector: Vector, spec: LayerSpec) -> tuple[LabelClass, ...]:
    """The class of each of `vector.geometry.names`, in their order: that of the documentation, or one made of the name."""
    known = {item.name: item for item in spec.classes}
    taken = {item.value for item in spec.classes} | {OTHERS.value}
    found = []
    unlisted = 0
    for name in vector.geometry.names:
        item = known.get(name)
        if item is None and unlisted < MOST_UNLISTED:
            unlisted += 1
            item = _unlisted(name, taken)
            taken.add(item.value)
        found.append(item or OTHERS)
    return tuple(found)


def tallies(vector: Vector, spec: LayerSpec) -> tuple[Tally, ...]:
    """Every category that is here or could be: with features (most first), without, and those for which nobody looked."""
    counts: dict[LabelClass, int] = {}
    for item, count in zip(categories(vector, spec), vector.geometry.counts.tolist(), strict=True):
        counts[item] = counts.get(item, 0) + count
    listed = set(spec.classes)
    here = [Tally(item, count, listed=item in listed) for item, count in counts.items()]
    others = [Tally(item, 0, annotated=False) for item in spec.classes if item not in counts]
    return (*sorted(here, key=lambda tally: -tally.count), *others)


def shown_categories(classes: tuple[LabelClass, ...], hidden: frozenset[int]) -> NDArray[np.bool_]:
    """For each class, whether its switch is on."""
    return np.array([item.value not in hidden for item in classes], bool)


def _unlisted(name: str, taken: set[int]) -> LabelClass:
    """A class for a name, the same on every tile unless two names of one file meet in the same value."""
    number = zlib.crc32(name.encode("utf-8", "replace"))
    value = FIRST_UNLISTED + number
    while value in taken:
        value += 1
    return LabelClass(value, name, CYCLE[number % len(CYCLE)])

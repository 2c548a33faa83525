"""Vector labels of a tile: points, lines and polygons with holes, by category, with their properties. numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Shape(StrEnum):
    """What a feature is."""

    POINT = "point"
    LINE = "line"
    POLYGON = "polygon"
    UNKNOWN = "unknown"
    """Of a kind that nobody described: its coordinates, if it has any, are drawn as points."""


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One object.

    Attributes:
        category: as the file names it.
        shape: see Shape.
        rings: each (n, 2) float64, x right and y down, in units of `Vector.extent`; may lie outside of it. Of a polygon
            the first is the exterior and the others are holes, none of them closed by repeating the first point; a line and a
            point have one; a feature without coordinates has none.
        properties: as words, in the order of the file.
    """

    category: str
    shape: Shape
    rings: tuple[NDArray[np.float64], ...]
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom); all NaN where there are no coordinates."""
        if not self.rings:
            return (float("nan"),) * 4
        points = np.concatenate(self.rings)
        left, top = points.min(axis=0)
        right, bottom = points.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """The content of a vector layer of one tile.

    Attributes:
        features: in the order of the file.
        extent: (width, height) of the tile in the units of the coordinates. The tile is what its images show.
        annotated: categories that somebody looked for, in the order of the file, those with no feature included: that is
            something else than a category which is not here, for which nobody looked.
        facts: of the whole file, as words: "Start", "ImageName".
        notes: short remarks a careful person would want to know: "3 features of an unknown kind".
    """

    features: tuple[Feature, ...]
    extent: tuple[float, float]
    annotated: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes held in memory, about."""
        return 256 + sum(400 + sum(ring.nbytes for ring in feature.rings) for feature in self.features)


def category_counts(vector: Vector) -> dict[str, int]:
    """Number of features of each category, 0 for those that were looked for and not found; in the order of the file."""
    counts: dict[str, Any] = dict.fromkeys(vector.annotated, 0)
    for feature in vector.features:
        counts[feature.category] = counts.get(feature.category, 0) + 1
    return counts

"""Vector labels of a tile: points, lines and polygons with holes, by category, with their properties. numpy only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FARTHEST = 1000.0
"""Tiles away from the tile: what lies farther out is taken to be there, which nobody can see."""

LEAST_EXTENT, MOST_EXTENT = 1e-9, 1e9
"""Units that a tile is across; what is less or more is a mistake, with which numbers would run over."""


class Shape(StrEnum):
    """What a feature is."""

    POINT = "point"
    LINE = "line"
    POLYGON = "polygon"
    UNKNOWN = "unknown"
    """Of a kind that nobody described: its coordinates, if it has any, are drawn as points."""


SHAPES = tuple(Shape)
"""Of the numbers in `Geometry.shapes`."""


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
class Geometry:
    """All features of a tile in a few arrays, for drawing and for finding them. Read-only.

    Every coordinate is finite and at most `FARTHEST` tiles away, whatever the file said.

    Attributes:
        points: (n, 2) float64, ring after ring, feature after feature, in the units of the coordinates. Exteriors of polygons
            run clockwise (y is down), holes the other way round, so that "what is wound around" is inside.
        following: (n,) the point at which the line from a point ends; the point itself where none begins there.
        rings: (r + 1,) the first point of every ring, then n.
        starts: (f + 1,) the first point of every feature, then n. A feature without coordinates has none.
        shapes: (f,) places in `SHAPES`.
        categories: (f,) places in `names`.
        names: of the categories: those that were looked for, then the others, in the order of the file.
        counts: (c,) features of each of them.
        bounds: (4, f) left, top, right, bottom; NaN where there are no coordinates.
        areas: (f,) of polygons without their holes, 0 for all else.
    """

    points: NDArray[np.float64]
    following: NDArray[np.int64]
    rings: NDArray[np.int64]
    starts: NDArray[np.int64]
    shapes: NDArray[np.uint8]
    categories: NDArray[np.int64]
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    areas: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        arrays = (self.points, self.following, self.rings, self.starts, self.categories, self.bounds, self.areas)
        return sum(array.nbytes for array in arrays)


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
        geometry: the features in arrays; made with the vector, on the thread that reads it.
    """

    features: tuple[Feature, ...]
    extent: tuple[float, float]
    annotated: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    geometry: Geometry = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", _geometry(self))

    @property
    def nbytes(self) -> int:
        """Bytes held in memory, about."""
        features = sum(400 + sum(ring.nbytes for ring in feature.rings) for feature in self.features)
        return 256 + features + self.geometry.nbytes

    @property
    def unit(self) -> tuple[float, float]:
        """The extent as something to divide by: 1 where the file's own is no size."""
        width, height = (size if LEAST_EXTENT <= size <= MOST_EXTENT else 1.0 for size in self.extent)
        return float(width), float(height)


def category_counts(vector: Vector) -> dict[str, int]:
    """Number of features of each category, 0 for those that were looked for and not found; in the order of the file."""
    return dict(zip(vector.geometry.names, vector.geometry.counts.tolist(), strict=True))


def features_at(
    vector: Vector, x: float, y: float, tolerance: float, shown: NDArray[np.bool_] | None = None
) -> tuple[int, ...]:
    """The features at a place: what is nearest to points and lines, and in which polygons it lies.

    Args:
        vector: of a tile.
        x: to the right, in the units of its coordinates.
        y: downwards.
        tolerance: how far a point or a line may be away. A polygon smaller than that is found like a point.
        shown: (c,) for each of `Geometry.names`, whether it may be found; None for all.

    Returns:
        Places in `vector.features`: points and lines by distance, then polygons, the smallest first.
    """
    geometry = vector.geometry
    left, top, right, bottom = geometry.bounds
    near = (left <= x + tolerance) & (x - tolerance <= right) & (top <= y + tolerance) & (y - tolerance <= bottom)
    if shown is not None:
        near &= shown[geometry.categories]
    found = np.flatnonzero(near)
    if not len(found):
        return ()
    owners, index = points_of(geometry, found)
    begin, end = geometry.points[index], geometry.points[geometry.following[index]]
    distance = np.sqrt(np.minimum.reduceat(_squared_distance(begin, end, x, y), _starts_of(owners, len(found))))
    inside = np.bincount(owners, _crosses(begin, end, x, y), len(found)) % 2 == 1
    is_polygon = geometry.shapes[found] == SHAPES.index(Shape.POLYGON)
    is_small = np.maximum(right[found] - left[found], bottom[found] - top[found]) <= 2 * tolerance
    within = distance <= tolerance
    hit = np.where(is_polygon, inside | (is_small & within), within)
    order = np.lexsort((-found, np.where(is_polygon, 0.0, distance), geometry.areas[found], is_polygon))
    return tuple(found[order][hit[order]].tolist())


def points_of(geometry: Geometry, features: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The points of some features: for each the place of its feature in `features`, and its place in `points`."""
    counts = geometry.starts[features + 1] - geometry.starts[features]
    owners = np.repeat(np.arange(len(features)), counts)
    before = np.cumsum(counts) - counts
    return owners, np.arange(len(owners)) + np.repeat(geometry.starts[features] - before, counts)


def _starts_of(owners: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.searchsorted(owners, np.arange(count))


def _squared_distance(begin: NDArray[np.float64], end: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """From a place to each of the lines."""
    line, to_place = end - begin, np.array([x, y]) - begin
    length = (line * line).sum(axis=1)
    along = np.clip((to_place * line).sum(axis=1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    away = to_place - along[:, None] * line
    squared: NDArray[np.float64] = (away * away).sum(axis=1)
    return squared


def _crosses(begin: NDArray[np.float64], end: NDArray[np.float64], x: float, y: float) -> NDArray[np.bool_]:
    """Whether a ray from a place to the right meets each of the lines: an odd number of times from within a polygon."""
    spans = (begin[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(spans, end[:, 1] - begin[:, 1], 1.0)
    crosses: NDArray[np.bool_] = spans & (x < begin[:, 0] + (y - begin[:, 1]) * (end[:, 0] - begin[:, 0]) / rise)
    return crosses


def _geometry(vector: Vector) -> Geometry:
    """The features in arrays, the unusable coordinates left out."""
    names = dict.fromkeys(vector.annotated)
    names.update(dict.fromkeys(feature.category for feature in vector.features))
    place = {name: number for number, name in enumerate(names)}
    categories = np.array([place[feature.category] for feature in vector.features], np.int64)
    shapes = np.array([SHAPES.index(feature.shape) for feature in vector.features], np.uint8)
    count = len(vector.features)
    rings = list(_usable_rings(vector))
    lengths = np.array([len(ring) for _, ring in rings], np.int64)
    owners = np.array([owner for owner, _ in rings], np.int64)
    points = np.concatenate([ring for _, ring in rings]) if rings else np.zeros((0, 2))
    ends = np.cumsum(lengths)
    of_feature = np.bincount(owners, lengths, count).astype(np.int64) if rings else np.zeros(count, np.int64)
    starts = np.concatenate([[0], np.cumsum(of_feature)]).astype(np.int64)
    begins = ends - lengths
    is_polygon = shapes[owners] == SHAPES.index(Shape.POLYGON)
    is_line = shapes[owners] == SHAPES.index(Shape.LINE)
    following = np.arange(len(points)) + np.repeat(is_polygon | is_line, lengths)
    following[ends - 1] = np.where(is_polygon, begins, ends - 1)
    bounds = np.full((4, count), np.nan)
    here = np.flatnonzero(of_feature)
    areas = np.zeros(count)
    if len(here):
        bounds[:2, here] = np.minimum.reduceat(points, starts[here]).T
        bounds[2:, here] = np.maximum.reduceat(points, starts[here]).T
        ring_areas = np.add.reduceat(_shoelace(points, following), begins) / 2
        is_hole = np.concatenate([[False], owners[1:] == owners[:-1]])
        signed = np.where(is_polygon, np.where(is_hole, -1.0, 1.0) * np.abs(ring_areas), 0.0)
        areas = np.maximum(np.bincount(owners, signed, count), 0.0)
        is_wrong = np.repeat(ring_areas * signed < 0, lengths)
        own = np.arange(len(points))
        points = points[np.where(is_wrong, np.repeat(begins + ends - 1, lengths) - own, own)]
    geometry = Geometry(
        points,
        following,
        np.concatenate([begins, [len(points)]]).astype(np.int64),
        starts,
        shapes,
        categories,
        tuple(names),
        np.bincount(categories, minlength=len(names)).astype(np.int64),
        bounds,
        areas,
    )
    for array in (points, following, geometry.rings, starts, shapes, categories, geometry.counts, bounds, areas):
        array.flags.writeable = False
    return geometry


def _usable_rings(vector: Vector) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(place of the feature, ring), without coordinates that are no numbers, and none of them absurdly far away."""
    unit = np.array(vector.unit)
    low, high = -FARTHEST * unit, (FARTHEST + 1) * unit
    for place, feature in enumerate(vector.features):
        for ring in feature.rings:
            points = np.asarray(ring, np.float64)
            if points.ndim != 2 or points.shape[1] != 2:
                continue
            if not np.isfinite(points).all():
                points = points[np.isfinite(points).all(axis=1)]
            if len(points):
                yield place, np.clip(points, low, high)


def _shoelace(points: NDArray[np.float64], following: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each line adds to twice the signed area of its ring."""
    end = points[following]
    shoelace: NDArray[np.float64] = points[:, 0] * end[:, 1] - end[:, 0] * points[:, 1]
    return shoelace

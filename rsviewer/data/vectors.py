"""Files of vector labels -> Vector. Today: SatlasPretrain's vector.json.

    {category: [{"Geometry": {"Type": "polygon", "Polygon": [ring, ...]}, "Properties": {...}}, ...], "metadata": {...}}

A category with an empty list was looked for and not found; one that is not there was not looked for. Coordinates count the
pixels of a grid of 8192 x 8192 over the tile, and may lie outside of it.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import LayerSpec, Missing, Unreadable
from rsviewer.core.vector import Feature, Shape, Vector
from rsviewer.data.address import Window, taken_apart
from rsviewer.data.catalogue import place_name, tile_name
from rsviewer.data.jsonfile import read_json
from rsviewer.data.tree import Tree

MAX_BYTES = 32 << 20
"""A file of vector labels that is larger is refused: the largest known ones have some megabytes, and in memory it may take
twenty times as much while it is read."""

MAX_FEATURES = 100_000
MAX_POINTS = 2_000_000
MAX_RINGS = 10_000
"""What is beyond is left out, and a note says so."""

FURTHEST = 1e9
"""A coordinate that is further out is a mistake: the whole Earth has 6.7e7 of them."""

EXTENT = 8192.0
"""The grid of a label tile, at zoom 13."""

SHARES = {"smoke": ("no", "partial", "yes"), "snow": ("no", "partial", "yes")}
"""Category, and property of the same name, that is a class of the whole tile -> what its numbers mean."""

_SHAPES = {
    "point": (Shape.POINT, "Point"),
    "polygon": (Shape.POLYGON, "Polygon"),
    "polyline": (Shape.LINE, "Polyline"),
    "line": (Shape.LINE, "Polyline"),
}
_METADATA = "metadata"
_MOST_PROPERTIES = 100
_MOST_CATEGORIES = 10_000
_LONGEST_WORD = 300

Ring = NDArray[np.float64]


def read_vector(address: str, spec: LayerSpec, tree: Tree) -> Vector | Unreadable | Missing:
    """The vector labels of a tile, or of a part of it. Safe from any thread; a bad file is a value.

    Unknown geometry and unknown keys are shown as far as they can be and named in the notes, never refused. Coordinates of a
    part ("part:" in `data.address`) are counted from its upper left corner, and features wholly outside of it left out.
    """
    try:
        paths, window = taken_apart(address)
    except ValueError:
        return Unreadable(tile_name(address), "This is no address of a part: rebuild the index of the dataset.")
    if not paths or not paths[0]:
        return Missing(spec.absent or f"This tile has no file for {spec.title}.")
    shown = place_name(paths[0])
    try:
        content = read_json(tree, paths[0], MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return Missing(spec.absent or f"No file {shown}.")
    except OSError as error:
        return Unreadable(shown, f"The labels cannot be read: {error.strerror}.")
    except ValueError as error:
        return Unreadable(shown, str(error))
    if not isinstance(content, dict):
        return Unreadable(shown, "It does not hold categories of features, as vector labels do, but something else.")
    try:
        vector = _Reader().read(content)
    except RecursionError:
        return Unreadable(shown, "It is nested too deeply to be read.")
    return _part(vector, window) if window else vector


class _Reader:
    """Makes features of what a file holds, and counts what is odd about them."""

    def __init__(self) -> None:
        self._features: list[Feature] = []
        self._points = 0
        self._beyond = 0
        self._odd: dict[str, int] = {}

    def read(self, content: dict[str, Any]) -> Vector:
        """All categories."""
        annotated: list[str] = []
        facts: dict[str, str] = {}
        notes: list[str] = []
        for key, value in list(content.items())[:_MOST_CATEGORIES]:
            name = _word(key)
            if key == _METADATA and isinstance(value, dict):
                facts = _words(value)
            elif isinstance(value, list):
                annotated.append(name)
                for feature in value:
                    self._add(name, feature)
            else:
                notes.append(f'"{name}" holds no list of features: left out')
        if len(content) > _MOST_CATEGORIES:
            notes.append(f"{len(content) - _MOST_CATEGORIES} further categories are left out")
        notes += [f"{count} feature{'s' * (count > 1)} {what}" for what, count in self._odd.items()]
        if self._beyond:
            notes.append(f"{self._beyond} further features are left out: there are too many")
        return Vector(tuple(self._features), (EXTENT, EXTENT), tuple(annotated), facts, tuple(notes))

    def _add(self, category: str, feature: Any) -> None:
        if len(self._features) >= MAX_FEATURES or self._points >= MAX_POINTS:
            self._beyond += 1
            return
        if not isinstance(feature, dict):
            self._wonder("that hold no geometry")
            feature = {}
        geometry = feature.get("Geometry")
        if isinstance(geometry, dict):
            shape, rings = self._geometry(geometry)
        else:
            shape, rings = Shape.UNKNOWN, ()
            if feature:
                self._wonder("without a geometry")
        self._points += sum(map(len, rings))
        self._features.append(Feature(category, shape, rings, _properties(category, feature)))

    def _geometry(self, geometry: dict[str, Any]) -> tuple[Shape, tuple[Ring, ...]]:
        kind = geometry.get("Type")
        known = _SHAPES.get(kind.lower()) if isinstance(kind, str) else None
        if known is None:
            self._wonder(f"of an unknown kind, {_word(kind)}, shown as points")
            return self._anything(geometry)
        shape, key = known
        payload = geometry.get(key)
        if not isinstance(payload, list) or not payload:
            self._wonder(f"of the kind {shape} without coordinates")
            return self._anything(geometry)
        if shape is Shape.POLYGON:
            is_flat = isinstance(payload[0], list) and payload[0] and not isinstance(payload[0][0], list)
            if len(payload) > MAX_RINGS and not is_flat:
                self._wonder(f"with more than {MAX_RINGS} rings, of which the others are left out")
            rings = [_opened(self._ring(ring)) for ring in ([payload] if is_flat else payload[:MAX_RINGS])]
            if not len(rings[0]):
                return shape, ()  # without its exterior the holes mean nothing
        else:
            rings = [self._ring([payload] if shape is Shape.POINT else payload)]
        return shape, tuple(ring for ring in rings if len(ring))

    def _anything(self, geometry: dict[str, Any]) -> tuple[Shape, tuple[Ring, ...]]:
        """Whatever coordinates there are."""
        points = self._ring(list(_pairs(list(geometry.values()))))
        return Shape.UNKNOWN, (points,) if len(points) else ()

    def _ring(self, points: Any) -> Ring:
        """(n, 2), without what is no coordinate."""
        ring = _numbers(points)
        if ring is None:
            good = [_numbers([point]) for point in points] if isinstance(points, list) else []
            ring = np.concatenate([np.zeros((0, 2)), *(point for point in good if point is not None)])
            self._wonder("with coordinates that are no numbers")
        sound = (np.abs(ring) <= FURTHEST).all(axis=1)  # False for NaN, too
        if not sound.all():
            self._wonder("with coordinates that are no place on Earth")
            ring = ring[sound]
        return ring[: MAX_POINTS - self._points]

    def _wonder(self, what: str) -> None:
        self._odd[what] = self._odd.get(what, 0) + 1


def _numbers(points: Any) -> Ring | None:
    """(n, 2) of the first two numbers of each point; None where one of them is something else."""
    try:
        ring = np.asarray(points, np.float64)
    except (ValueError, TypeError, OverflowError):
        return None
    return ring[:, :2] if ring.ndim == 2 and ring.shape[1] >= 2 else None


def _opened(ring: Ring) -> Ring:
    """A ring without its first point at the end again."""
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring


def _pairs(values: list[Any]) -> Iterator[list[Any]]:
    if len(values) >= 2 and all(isinstance(value, int | float) for value in values[:2]):
        yield values
        return
    for value in values:
        if isinstance(value, list):
            yield from _pairs(value)
        elif isinstance(value, dict):
            yield from _pairs(list(value.values()))


def _properties(category: str, feature: dict[str, Any]) -> dict[str, str]:
    given = feature.get("Properties")
    words = _words(given) if isinstance(given, dict) else {} if given is None else {"Properties": _word(given)}
    further = {key: value for key, value in feature.items() if key not in ("Geometry", "Properties")}
    shares = SHARES.get(category)
    if shares and isinstance(given, dict):
        number = given.get(category)
        if isinstance(number, int) and 0 <= number < len(shares):
            words[category] = shares[number]
    return words | {key: word for key, word in _words(further).items() if key not in words}


def _words(values: dict[str, Any]) -> dict[str, str]:
    words = {_word(key): _word(value) for key, value in list(values.items())[:_MOST_PROPERTIES]}
    if len(values) > _MOST_PROPERTIES:
        words["..."] = f"{len(values) - _MOST_PROPERTIES} more"
    return words


def _word(value: Any) -> str:
    """A value on one line."""
    word = value if isinstance(value, str) else _number(value) if isinstance(value, float) else json.dumps(value)
    return tile_name(word[:_LONGEST_WORD]) + ("..." if len(word) > _LONGEST_WORD else "")


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value.is_integer() and abs(value) < 1e15 else repr(value)


def _part(vector: Vector, window: Window) -> Vector:
    """What lies in a part, its coordinates counted from the part's corner."""
    step = EXTENT / max(1, window.of)
    corner = np.array([window.left * step, window.top * step])
    extent = (window.width * step, window.height * step)
    inside = _overlaps(corner, extent)
    features = tuple(
        replace(feature, rings=tuple(ring - corner for ring in feature.rings))
        for feature in vector.features
        if inside(feature)
    )
    return replace(vector, features=features, extent=extent)


def _overlaps(corner: NDArray[np.float64], extent: tuple[float, float]) -> Callable[[Feature], bool]:
    x, y, width, height = float(corner[0]), float(corner[1]), *extent

    def overlaps(feature: Feature) -> bool:
        left, top, right, bottom = feature.bounds
        return right >= x and bottom >= y and left < x + width and top < y + height

    return overlaps

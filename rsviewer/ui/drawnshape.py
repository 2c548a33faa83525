"""A shape that is drawn with the mouse over a plot or a map: a lasso or a box, made small enough for a filter."""

from collections.abc import Sequence

import numpy as np
import shapely

from rsviewer.core.filters import MAX_CORNERS

LEAST = 6.0
"""Logical pixels; what is smaller was a click."""


def simplified(points: Sequence[tuple[float, float]], most: int = MAX_CORNERS) -> list[tuple[float, float]]:
    """The corners of a lasso in pixels, so many at most; none where it is too small to be meant (Douglas and Peucker 1973)."""
    drawn = np.array(points, np.float64).reshape(-1, 2)
    if len(drawn) < 3 or np.ptp(drawn, axis=0).max() < LEAST:
        return []
    ring = shapely.linearrings(drawn)
    tolerance = 0.5
    while True:
        corners = shapely.get_coordinates(shapely.simplify(ring, tolerance, preserve_topology=False))[:-1]
        if len(corners) <= most:
            return [(float(x), float(y)) for x, y in corners] if len(corners) >= 3 else []
        tolerance *= 1.5

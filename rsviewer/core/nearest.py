"""The rows of a large table that are nearest to one: exactly, in blocks, without a copy of the table."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 15
"""Rows at once: 64 MB of 512 numbers as float32."""


def nearest(
    query: NDArray[np.floating],
    rows: NDArray[np.floating],
    count: int,
    among: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows whose cosine with a query is greatest.

    Args:
        query: (n,) of length 1.
        rows: (rows, n), each of length 1; float16 will do, and it may be mapped from a file.
        count: how many at most.
        among: places of the rows that are looked at; all where there is None.

    Returns:
        Their places, the nearest first (of equal ones the first that is looked at), and their cosines. Places are in `among`
        where that is given, else in `rows`. Rows that are not numbers are left out.
    """
    wanted = np.asarray(query, np.float32)
    total = len(rows) if among is None else len(among)
    cosines = np.empty(total, np.float32)
    for start in range(0, total, _BLOCK):
        part = slice(start, min(start + _BLOCK, total))
        block = rows[part] if among is None else rows[_as_slice(among[part])]
        with np.errstate(invalid="ignore"):  # infinity times zero
            cosines[part] = np.asarray(block, np.float32) @ wanted
    cosines[~np.isfinite(cosines)] = -np.inf
    count = min(count, total)
    places = np.argpartition(-cosines, count - 1)[:count] if 0 < count < total else np.arange(total)[:count]
    if 0 < count < total:  # of equally near ones at the end the first
        places = np.flatnonzero(cosines >= cosines[places].min())
    order = places[np.lexsort((places, -cosines[places]))][:count]
    order = order[np.isfinite(cosines[order])]
    return order, cosines[order]


def _as_slice(places: NDArray[np.integer]) -> NDArray[np.integer] | slice:
    """Rows behind each other are read without a copy of them."""
    first = int(places[0])
    return slice(first, first + len(places)) if (np.diff(places) == 1).all() else places

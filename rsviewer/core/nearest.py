"""The rows of a large table that are nearest to one: exactly, in blocks, without a copy of the table."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 15
"""Rows at once: 64 MB of 512 numbers as float32."""


def nearest(
    query: NDArray[np.floating], rows: NDArray[np.floating], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows whose cosine with a query is greatest.

    Args:
        query: (n,) of length 1.
        rows: (rows, n), each of length 1; float16 will do, and it may be mapped from a file.
        count: how many at most.

    Returns:
        Their places, the nearest first (of equal ones the first), and their cosines. Rows that are not numbers are left out.
    """
    wanted = np.asarray(query, np.float32)
    cosines = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        cosines[part] = np.asarray(rows[part], np.float32) @ wanted
    cosines[~np.isfinite(cosines)] = -np.inf
    count = min(count, len(rows))
    places = np.argpartition(-cosines, count - 1)[:count] if 0 < count < len(rows) else np.arange(len(rows))[:count]
    if 0 < count < len(rows):  # of equally near ones at the end the first
        places = np.flatnonzero(cosines >= cosines[places].min())
    order = places[np.lexsort((places, -cosines[places]))][:count]
    order = order[np.isfinite(cosines[order])]
    return order, cosines[order]

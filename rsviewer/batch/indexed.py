"""Tiles at some places of an index, read as they are needed: there may be millions."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.adapter import TileEntry
from rsviewer.data.index import TileIndex

AT_ONCE = 512
"""Tiles that are read together."""


class Indexed(Collection[TileEntry]):
    """Tiles in the order of their places.

    Args:
        index: complete; it must not be built anew meanwhile.
        places: in it.
    """

    def __init__(self, index: TileIndex, places: NDArray[np.integer]) -> None:
        self._index = index
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[TileEntry]:
        for start in range(0, len(self._places), AT_ONCE):
            yield from self._index.entries(self._places[start : start + AT_ONCE])

    def __contains__(self, entry: object) -> bool:
        return any(each == entry for each in self)

"""What is to be said of many tiles: why some failed, and what a careful person would want to know of the others."""

from collections.abc import Iterable
from dataclasses import dataclass

from rsviewer.core.tile import TileId

MOST_REMARKS = 50
"""So many different remarks are counted; the same thing may be said with other numbers of every tile."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A tile with which it did not work, and why, in a sentence."""

    tile: TileId
    message: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What a careful person would want to know of a number of tiles, the first of which is `first`."""

    message: str
    tiles: int
    first: TileId


class Remarks:
    """Counts of how many tiles the same was said."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[int, TileId]] = {}

    def add(self, tile: TileId, messages: Iterable[str]) -> None:
        """Takes in what was said of a tile. Tiles come in their order."""
        for message in messages:
            if message in self._counted or len(self._counted) < MOST_REMARKS:
                tiles, first = self._counted.get(message, (0, tile))
                self._counted[message] = (tiles + 1, first)

    @property
    def all(self) -> tuple[Remark, ...]:
        """Each remark once, in the order in which they came."""
        return tuple(Remark(message, tiles, first) for message, (tiles, first) in self._counted.items())

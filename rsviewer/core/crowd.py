"""Millions of names in little memory: forty bytes and their letters each, where a dict of texts takes two hundred and fifty.

Names are looked up by Python's own 64-bit hash of a text, which no dataset can foresee: among five million the chance that
any two have the same is one in a million.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import TileId

V = TypeVar("V")

AT_ONCE = 1 << 16
"""So many names are looked up at once."""

_ENCODING = ("utf-8", "surrogatepass")


class Made(Sequence[V], Generic[V]):
    """A value for each of some numbers, made when it is asked for."""

    __slots__ = ("_make", "numbers")

    def __init__(self, numbers: NDArray[np.integer], make: Callable[[int], V]) -> None:
        """Makes nothing yet."""
        self.numbers = numbers
        self._make = make

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> V: ...

    @overload
    def __getitem__(self, index: slice) -> "Made[V]": ...

    def __getitem__(self, index: int | slice) -> "V | Made[V]":
        if isinstance(index, slice):
            return Made(self.numbers[index], self._make)
        return self._make(int(self.numbers[index]))

    def __iter__(self) -> Iterator[V]:
        for start in range(0, len(self.numbers), AT_ONCE):
            yield from map(self._make, self.numbers[start : start + AT_ONCE].tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(len(self))


class Names(Sequence[TileId]):
    """Names in an order, as one run of bytes."""

    __slots__ = ("_ends", "_letters", "_starts")

    def __init__(self, letters: bytes | bytearray, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Use `gathered`."""
        self._letters, self._starts, self._ends = letters, starts, ends

    @classmethod
    def gathered(cls, names: Iterable[str]) -> "Names":
        """Takes them as they come."""
        letters, lengths = bytearray(), [np.zeros(0, np.int64)]
        for batch in batches(names):
            together = "".join(batch)
            encoded = batch if together.isascii() else [name.encode(*_ENCODING) for name in batch]
            lengths.append(np.fromiter(map(len, encoded), np.int64, len(batch)))
            letters += together.encode(*_ENCODING)
        ends = np.cumsum(np.concatenate(lengths))
        return cls(letters, np.concatenate((np.zeros(1, np.int64), ends[:-1]))[: len(ends)], ends)

    @classmethod
    def joined(cls, parts: Sequence["Names"]) -> "Names":
        """One after the other."""
        parts = [part for part in parts if len(part)]
        if len(parts) == 1:
            return parts[0]
        nothing = np.zeros(0, np.int64)
        before = np.cumsum([0, *(len(part._letters) for part in parts)]).tolist()
        starts = [part._starts + offset for part, offset in zip(parts, before, strict=False)]
        ends = [part._ends + offset for part, offset in zip(parts, before, strict=False)]
        letters = b"".join(part._letters for part in parts)
        return cls(letters, np.concatenate((nothing, *starts)), np.concatenate((nothing, *ends)))

    def at(self, places: NDArray[np.intp]) -> "Names":
        """Some of them, in this order."""
        return Names(self._letters, self._starts[places], self._ends[places])

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> TileId: ...

    @overload
    def __getitem__(self, index: slice) -> "Names": ...

    def __getitem__(self, index: int | slice) -> "TileId | Names":
        if isinstance(index, slice):
            return Names(self._letters, self._starts[index], self._ends[index])
        return TileId(self._letters[self._starts[index] : self._ends[index]].decode(*_ENCODING))


class Crowd(Mapping[TileId, str]):
    """Tiles in their order, each with its group. A tile that comes twice counts once."""

    __slots__ = ("_hashes", "_order", "group_of", "groups", "names")

    def __init__(self, tiles: Iterable[tuple[TileId, str]] = ()) -> None:
        """Takes them as they come."""
        numbers: dict[str, int] = {}
        groups, hashes = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]

        def names() -> Iterator[str]:
            for batch in batches(tiles):
                listed = [tile for tile, _ in batch]
                of_group = [numbers.setdefault(group, len(numbers)) for _, group in batch]
                groups.append(np.array(of_group, np.int32))
                hashes.append(hashes_of(listed))
                yield from listed

        self.names = Names.gathered(names())
        self.group_of = np.concatenate(groups)
        together = np.concatenate(hashes)
        hashes.clear()
        self._order = np.argsort(together, kind="stable").astype(np.int32)
        self._hashes = together[self._order]
        again = np.append(False, self._hashes[1:] == self._hashes[:-1])[: len(together)]
        if again.any():
            kept = np.ones(len(together), bool)
            kept[self._order[again]] = False
            places = np.flatnonzero(kept)
            self.names, self.group_of = self.names.at(places), self.group_of[places]
            self._hashes = self._hashes[~again]
            self._order = (np.cumsum(kept) - 1)[self._order[~again]].astype(np.int32)
        self.groups: tuple[str, ...] = tuple(numbers)
        """Names of groups; `group_of` has the number of each tile's."""

    def places(self, hashes: NDArray[np.int64]) -> NDArray[np.int32]:
        """Where the tiles with some hashes are; -1 for those that are not there."""
        if not len(self._hashes):
            return np.full(len(hashes), -1, np.int32)
        found = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[found] == hashes, self._order[found], np.int32(-1))

    def group(self, place: int) -> str:
        """The group of the tile at a place."""
        return self.groups[int(self.group_of[place])]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[TileId]:
        return iter(self.names)

    def __contains__(self, tile: object) -> bool:
        return isinstance(tile, str) and self._place(tile) >= 0

    def __getitem__(self, tile: TileId) -> str:
        place = self._place(tile)
        if place < 0:
            raise KeyError(tile)
        return self.group(place)

    def _place(self, tile: str) -> int:
        place = int(self.places(hashes_of([tile]))[0])
        return place if place >= 0 and self.names[place] == tile else -1


def hashes_of(names: Sequence[str | None]) -> NDArray[np.int64]:
    """One for each name, the same for the same in this run of the program only."""
    return np.fromiter(map(hash, names), np.int64, len(names))


def batches(items: Iterable[V]) -> Iterator[list[V]]:
    """Lists of AT_ONCE of them; the last one is shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, AT_ONCE)):
        yield batch

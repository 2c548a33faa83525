"""Reading and painting ahead of the eye: layers and their pictures, made on workers and kept in one cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Painted, Range, paint
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Missing, Raster
from rsviewer.workspace.background import Post, Wanted
from rsviewer.workspace.cache import Cache

Read: TypeAlias = Callable[[str, LayerSpec], LayerContent]
"""Path and description of a layer -> its content. Never raises for a bad file."""

ColorTables: TypeAlias = Callable[[str], NDArray[np.uint8]]
"""Name of a colour table -> (256, 3) red, green, blue."""


@dataclass(frozen=True, slots=True)
class ContentKey:
    """Names the content of one layer of one tile."""

    ordinal: int
    layer: LayerId


@dataclass(frozen=True, slots=True)
class Wish:
    """One layer of one tile in one style.

    Attributes:
        content: which layer of which tile.
        style: how to paint it.
        sample: the range of this layer over the dataset; None where it is not known or not asked for.
        spec, path: for the work; decided by `content` already, so not compared.
        absent: what to say where the tile has no such file.
    """

    content: ContentKey
    style: Style
    sample: Range | None
    spec: LayerSpec = field(compare=False)
    path: str | None = field(compare=False)
    absent: str = field(compare=False)


class Pictures:
    """What was read and painted, and what shall be next.

    Args:
        read: reads one layer; called on workers.
        tables: finds colour tables; called on workers.
        post: calls back on the owner's thread.
        arrived: called there with the ordinal of a tile of which something new is there.
        limit: bytes the cache may hold.
        threads: workers; 0 for tests (see `Wanted`).
    """

    def __init__(
        self, read: Read, tables: ColorTables, post: Post, arrived: Callable[[int], None], *, limit: int, threads: int
    ) -> None:
        self._read = read
        self._tables = tables
        self._post = post
        self._arrived = arrived
        self._shown: frozenset[int] = frozenset()
        self._cache: Cache[ContentKey | Wish, LayerContent | Painted] = Cache(limit)
        self._wanted: Wanted[Wish, None] = Wanted("reader", self._make, self._has, self._deliver, threads)

    @property
    def nbytes(self) -> int:
        """Bytes held in the cache."""
        return self._cache.nbytes

    @property
    def limit(self) -> int:
        """Bytes the cache may hold."""
        return self._cache.limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._cache.limit = limit

    @property
    def open_wishes(self) -> int:
        """How many layers are still to be read or painted."""
        return self._wanted.open_wishes

    def want(self, shown: Sequence[int], wishes: Sequence[Wish]) -> None:
        """Replaces the wish list. `shown` are the ordinals on screen: only their arrival is announced."""
        self._shown = frozenset(shown)
        self._wanted.want(wishes)

    def content(self, key: ContentKey) -> LayerContent | None:
        """What was read; None where it is not there (yet, or any more)."""
        value = self._cache.get(key)
        return None if isinstance(value, Painted) else value

    def painted(self, wish: Wish) -> Painted | None:
        """What was painted; None where it is not there."""
        value = self._cache.get(wish)
        return value if isinstance(value, Painted) else None

    def forget(self) -> None:
        """Reads everything anew from now on."""
        self._cache.clear()

    def step(self) -> bool:
        """Does one piece of work on the calling thread. Returns False where there was none."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the workers."""
        self._wanted.close()

    def _has(self, wish: Wish) -> bool:
        content = self._cache.get(wish.content)
        return content is not None and (not isinstance(content, Raster) or wish in self._cache)

    def _make(self, wish: Wish) -> None:
        content = self.content(wish.content)
        if content is None:
            content = Missing(wish.absent) if wish.path is None else self._read(wish.path, wish.spec)
            self._cache.put(wish.content, content)
        if isinstance(content, Raster):
            table = self._tables(wish.style.color_table)
            self._cache.put(wish, paint(content, wish.spec, wish.style, table, sample=wish.sample))

    def _deliver(self, wish: Wish, _: None) -> None:
        ordinal = wish.content.ordinal
        if ordinal in self._shown:
            self._post(lambda: self._arrived(ordinal))

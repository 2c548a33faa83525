"""Reading and painting ahead of the eye: layers and their pictures, made on workers and kept in one cache."""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Painted, Range, contours_of_mask, halved, halved_nearest, paint
from rsviewer.core.style import Style, default_style
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Missing, Raster, TileId, Unreadable, printable
from rsviewer.core.vector import Vector
from rsviewer.workspace.background import Post, Wanted
from rsviewer.workspace.cache import Cache

log = logging.getLogger(__name__)

Read: TypeAlias = Callable[[str, LayerSpec], LayerContent]
"""Path and description of a layer -> its content. Never raises for a bad file."""

NOT_PREDICTED = "The model has not predicted this tile yet."
THUMBNAIL_SIZE = 80
"""Thumbnails are at most this wide and high."""
THUMBNAIL_BYTES = 64 * 1024 * 1024
LEVELS_FROM = 1024
"""Pictures at least this wide and high are kept in smaller sizes too."""

ColorTables: TypeAlias = Callable[[str], NDArray[np.uint8]]
"""Name of a colour table -> (256, 3) red, green, blue."""


@dataclass(frozen=True, slots=True)
class ContentKey:
    """Names the content of one layer of one tile.

    Attributes:
        tile, layer: which.
        origin: of what a model has made, see `outcomes.Added`; empty for what is in a file.
        moment: of what a model made, which of the tile's images over time it was made from: see `TileEntry.moment`.
        path: of what lies in a file, where: a tile may turn out to have other files, see `TileIndex.build`.
    """

    tile: TileId
    layer: LayerId
    origin: str = ""
    moment: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How a layer is painted. Compared by identity, which is what makes looking a wish up cheap: one object a look.

    Attributes:
        style: see Style.
        sample: the range of the layer over the dataset; None where it is not known or not asked for.
        outline: only the edges of a mask, to lie over an image.
    """

    style: Style
    sample: Range | None = None
    outline: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """One layer of one tile in one look.

    Attributes:
        content: which layer of which tile.
        look: how to paint it.
        spec, path: for the work; decided by `content` already, so not compared.
        absent: what to say where the tile has no such file.
        remark: what to say of the file besides.
        when: when the image was taken, where the tile has several; said first of all.
        is_overlay: it lies over other layers and has no pane of its own.
        like: the reference over whose range on this tile it is shown.
    """

    content: ContentKey
    look: Look
    spec: LayerSpec = field(compare=False)
    path: str | None = field(compare=False)
    absent: str = field(compare=False)
    remark: str = field(default="", compare=False)
    when: str = field(default="", compare=False)
    is_overlay: bool = field(default=False, compare=False)
    like: "Wish | None" = None


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A wish for a small picture of a tile.

    Attributes:
        tile: whose.
        spec, path: of its first image; decided by `tile`, so not compared.
    """

    tile: TileId
    spec: LayerSpec = field(compare=False)
    path: str = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """A thumbnail's pixels."""

    pixels: NDArray[np.uint32]

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return int(self.pixels.nbytes)


class Errand(Hashable, Protocol):
    """A wish of somebody else, which the same workers fulfil once all of the panes are."""

    def is_done(self) -> bool:
        """Whether there is nothing to do. Called on any thread."""

    def run(self) -> None:
        """Does it; called on a worker. Tells whoever wished for it."""


class Pictures:
    """What was read and painted, and what shall be next.

    Args:
        read: reads one layer; called on workers.
        tables: finds colour tables; called on workers.
        post: calls back on the owner's thread.
        arrived: called there with the tile of which something new is there.
        thumbnail_arrived: called there when a thumbnail is there.
        limit: bytes the cache may hold.
        threads: workers; 0 for tests (see `Wanted`).
        made: what a model has made; None where it has not (yet). Called on workers, too.
    """

    def __init__(
        self,
        read: Read,
        tables: ColorTables,
        post: Post,
        arrived: Callable[[TileId], None],
        thumbnail_arrived: Callable[[], None],
        *,
        limit: int,
        threads: int,
        made: Callable[[ContentKey], Raster | Vector | None] = lambda _: None,
    ) -> None:
        self._read = read
        self._tables = tables
        self._made = made
        self._post = post
        self._arrived = arrived
        self._thumbnail_arrived = thumbnail_arrived
        self._shown: frozenset[TileId] = frozenset()
        self._cache: Cache[ContentKey | Wish, LayerContent | Painted] = Cache(limit, self._is_shown)
        self._small: Cache[TileId, Small] = Cache(THUMBNAIL_BYTES)
        self._thumbnails: Sequence[Thumbnail] = ()
        self._wishes: Sequence[Wish] = ()
        self._errands: Sequence[Errand] = ()
        self._wanted: Wanted[Wish | Thumbnail | Errand, None] = Wanted(
            "reader", self._make, self._has, self._deliver, threads
        )

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

    def want(self, shown: Sequence[TileId], wishes: Sequence[Wish]) -> None:
        """Replaces the wish list. `shown` are the tiles on screen: only their arrival is announced."""
        self._shown = frozenset(shown)
        self._wishes = wishes
        self._want_all()

    def want_thumbnails(self, thumbnails: Sequence[Thumbnail]) -> None:
        """Replaces the thumbnails that are wanted once everything else is there."""
        missing = [wish for wish in thumbnails if wish.tile not in self._small]
        if missing != list(self._thumbnails):
            self._thumbnails = missing
            self._want_all()

    def want_errands(self, errands: Sequence[Errand]) -> None:
        """Replaces what others want, once everything else is there."""
        if errands or self._errands:
            self._errands = errands
            self._want_all()

    def _want_all(self) -> None:
        self._wanted.want((*self._wishes, *self._thumbnails, *self._errands))

    def thumbnail(self, tile: TileId) -> NDArray[np.uint32] | None:
        """A small picture of a tile; None where it is not there (yet)."""
        small = self._small.get(tile)
        return None if small is None else small.pixels

    def content(self, key: ContentKey) -> LayerContent | None:
        """What was read or made; None where it is not there (yet, or any more)."""
        if key.origin:
            return self._made(key)
        value = self._cache.get(key)
        return None if isinstance(value, Painted) else value

    def has(self, wish: Wish) -> bool:
        """True where there is something to show for a wish: a picture, or the reason why there is none."""
        return self._has(wish)

    def painted(self, wish: Wish) -> Painted | None:
        """What was painted; None where it is not there."""
        value = self._cache.get(wish)
        return value if isinstance(value, Painted) else None

    def obtain(self, wish: Wish) -> tuple[LayerContent, Painted | None]:
        """What was read, and its picture if it has one; read and painted on the calling thread where it is not there."""
        content = self.obtain_content(wish)
        painted = self.painted(wish)
        if painted is None and isinstance(content, Raster):
            painted = self._picture(content, wish)
            self._cache.put(wish, painted)
        return content, painted

    def obtain_content(self, wish: Wish) -> LayerContent:
        """What was read; read on the calling thread where it is not there. What a model has not made is missing."""
        content = self.content(wish.content)
        if content is None and wish.content.origin:
            return Missing(NOT_PREDICTED)
        if content is None:
            content = Missing(wish.absent) if wish.path is None else self._content(wish.path, wish.spec)
            self._cache.put(wish.content, content)
        return content

    def read_once(self, tile: TileId, spec: LayerSpec, path: str) -> LayerContent:
        """What a file of a tile holds, without keeping it; for what is looked at small and in great numbers."""
        known = self.content(ContentKey(tile, spec.id, path=path))
        return self._content(path, spec) if known is None else known

    def color_table(self, name: str) -> NDArray[np.uint8]:
        """(256, 3) red, green, blue of a colour table. Safe to call from any thread."""
        return self._tables(name)

    def forget(self) -> None:
        """Reads everything anew from now on."""
        self._cache.clear()

    def step(self) -> bool:
        """Does one piece of work on the calling thread. Returns False where there was none."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the workers."""
        self._wanted.close()

    def _is_shown(self, key: ContentKey | Wish) -> bool:
        """What is on the screen stays in the cache, however small that is: else its pane would wait for ever."""
        return (key.content if isinstance(key, Wish) else key).tile in self._shown

    def _has(self, wish: Wish | Thumbnail | Errand) -> bool:
        if isinstance(wish, Thumbnail):
            return wish.tile in self._small
        if not isinstance(wish, Wish):
            return wish.is_done()
        content = self.content(wish.content)
        if content is None:
            return bool(wish.content.origin)  # the model makes it, nobody here
        return not isinstance(content, Raster) or wish in self._cache

    def _make(self, wish: Wish | Thumbnail | Errand) -> None:
        if isinstance(wish, Thumbnail):
            self._small.put(wish.tile, Small(self._small_picture(wish)))
        elif isinstance(wish, Wish):
            self.obtain(wish)
        else:
            wish.run()

    def _content(self, path: str, spec: LayerSpec) -> LayerContent:
        """What a file holds. A fault of ours is said in its pane, too, which else would wait for ever."""
        try:
            return self._read(path, spec)
        except Exception as error:
            log.exception("Could not read %s", printable(path))
            return Unreadable(printable(path), f"{our_fault(error)} The file itself may be in order.")

    def _picture(self, content: Raster, wish: Wish) -> Painted:
        try:
            if wish.look.outline:
                return Painted(contours_of_mask(content, wish.spec), opaque=False)
            table = self._tables(wish.look.style.color_table)
            painted = paint(content, wish.spec, wish.look.style, table, sample=self._sample(wish))
            return replace(painted, smaller=_smaller(painted.pixels, wish.spec))
        except Exception as error:
            log.exception("Could not paint %s", wish)
            return Painted(np.zeros((content.height, content.width), np.uint32), opaque=False, note=our_fault(error))

    def _sample(self, wish: Wish) -> Range | None:
        """The range that a picture is to have where its own values do not decide: that of its reference, or the dataset's."""
        if wish.like is None:
            return wish.look.sample
        _, painted = self.obtain(wish.like)
        if painted is not None and painted.ranges:
            return painted.ranges[0]
        spec = wish.spec  # what it is to be like is not there: all that it can be
        return None if spec.low is None or spec.high is None else Range(spec.low, spec.high)

    def _small_picture(self, wish: Thumbnail) -> NDArray[np.uint32]:
        content = self.content(ContentKey(wish.tile, wish.spec.id, path=wish.path)) or self._read(wish.path, wish.spec)
        if not isinstance(content, Raster):
            return np.zeros((1, 1), np.uint32)
        style = default_style(wish.spec)
        pixels = paint(content, wish.spec, style, self._tables(style.color_table)).pixels
        while max(pixels.shape) > THUMBNAIL_SIZE:
            pixels = halved(pixels) if min(pixels.shape) > 1 else pixels[::2, ::2]
        return np.ascontiguousarray(pixels)

    def _deliver(self, wish: Wish | Thumbnail | Errand, _: None) -> None:
        if isinstance(wish, Thumbnail):
            self._post(self._thumbnail_arrived)
        elif isinstance(wish, Wish) and (tile := wish.content.tile) in self._shown:
            self._post(lambda: self._arrived(tile))


def our_fault(error: Exception) -> str:
    """What to say where a picture should be, and a mistake of the program keeps it from being there."""
    return f"rsviewer failed here ({type(error).__name__}): please report it with the log."


def _smaller(pixels: NDArray[np.uint32], spec: LayerSpec) -> tuple[NDArray[np.uint32], ...]:
    """Half, quarter ... of a large picture, so that drawing it small costs the window nothing."""
    halve = halved_nearest if spec.kind.is_categorical else halved
    levels = []
    while min(pixels.shape) >= LEVELS_FROM:
        pixels = halve(pixels)
        levels.append(pixels)
    return tuple(levels)

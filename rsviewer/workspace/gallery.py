"""The gallery: small pictures of the tiles of the queue, what they show, and which of them are selected.

What is made here is made by the workers of the panes, after all that the panes want; it is kept in the project. The GUI
thread only ever asks for what is there.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ProjectError
from rsviewer.core.render import Pixels, Range
from rsviewer.core.scene import deciding_first, nothing_drawn
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.thumbnail import Draw, Painting, features_alone, features_over, lay_over, resized, small_picture
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Missing, Raster, TileId, Unreadable
from rsviewer.core.vector import Vector
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import absence
from rsviewer.data.index import TileIndex
from rsviewer.data.project import Project
from rsviewer.data.settings import GALLERY_SIZES
from rsviewer.data.thumbnails import ThumbnailKey, ThumbnailStore, size_class
from rsviewer.workspace.background import Post
from rsviewer.workspace.cache import Cache
from rsviewer.workspace.finding import Finding
from rsviewer.workspace.looks import OVERLAID, VECTOR, Looks
from rsviewer.workspace.outcomes import Outcomes
from rsviewer.workspace.pictures import ContentKey, Pictures, our_fault
from rsviewer.workspace.ranges import Ranges
from rsviewer.workspace.session import SessionKeeper

log = logging.getLogger(__name__)

PICTURE = ""
"""Shows each tile's first image, or another of its layers where it has none."""
OVER = "over:"
"""Begins the name of what shows something over the image: "over:labels"."""
OVERLAYS: Mapping[str, str] = {
    VECTOR: "Features over the image",
    "labels": "Labels over the image",
    "change": "Change over the image",
    "outline": "Change outline",
}
"""Key of `OVERLAID` -> its title in the gallery."""
CACHE_BYTES = 256 * 1024 * 1024
"""For small pictures, as they are drawn."""
KNOWN_TILES = 32_768
"""Names and files that are remembered."""
SELECTED_MOST = 5_000
"""Decisions that are written in one step while the user waits: about half a second."""
RULES = 1
"""Raised when the same style makes another picture: what was kept is then not used any more."""

_OF_EACH_TILE = frozenset(
    {RangeMode.PERCENTILE, RangeMode.MIN_MAX, RangeMode.SIGMA, RangeMode.SYMMETRIC, RangeMode.REFERENCE}
)


class Sign(Enum):
    """Why there is no picture."""

    UNREADABLE = auto()
    MISSING = auto()
    AWAITED = auto()
    """The model has not predicted it."""
    EMPTY = auto()
    """There are no features on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """The small picture of a tile, or why it has none.

    Attributes:
        pixels: see `render.Pixels`; None where there is no picture.
        sign, words: why not; the words are for a tool tip.
        showing: what it shows.
        size: what it was made for, in pixels along the longer side.
    """

    pixels: Pixels | None
    showing: "Showing"
    size: int
    sign: Sign | None = None
    words: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return 256 if self.pixels is None else int(self.pixels.nbytes)


@dataclass(frozen=True, slots=True)
class Look:
    """How a layer is painted in the gallery.

    Attributes:
        spec, style, sample, outline, opacity: see `core.thumbnail.Painting`.
        origin: of what a model has made, see `outcomes.Added`.
        is_final: False while its range is still being learnt.
    """

    spec: LayerSpec
    style: Style
    sample: Range | None = None
    outline: bool = False
    opacity: float = 1.0
    origin: str = ""
    is_final: bool = True

    @property
    def signature(self) -> str:
        """The same text for the same picture of the same file."""
        style = replace(self.style, hidden=frozenset())
        hidden = sorted(self.style.hidden)
        return f"{self.spec!r} {style!r} {hidden} {self.sample!r} {self.outline} {self.opacity}"


@dataclass(frozen=True, slots=True, eq=False)
class Showing:
    """What all small pictures show. Made on the owner's thread and read by workers.

    Attributes:
        name: PICTURE, a layer's id, or OVER and a key of `OVERLAYS`.
        looks: the layers of which the first that a tile has is shown.
        over: what lies over it; None for nothing.
    """

    name: str
    looks: tuple[Look, ...]
    over: Look | None = None
    signatures: Mapping[LayerId, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, looks: Iterable[Look], over: Look | None = None) -> "Showing":
        """With the signature under which pictures of each layer are kept; empty where they are not."""
        looks = tuple(looks)
        made = {look.spec.id: "" for look in looks}
        for look in looks:
            parts = [look] if over is None else [look, over]
            if all(part.is_final and not part.origin for part in parts):
                text = "\0".join([str(RULES), *(part.signature for part in parts)])
                made[look.spec.id] = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return cls(name, looks, over, made)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A wish for the small picture of one tile."""

    ordinal: int
    generation: int
    showing: Showing
    size: int
    gallery: "Gallery" = field(compare=False, repr=False)

    def is_done(self) -> bool:
        return self.gallery.is_made(self)

    def run(self) -> None:
        self.gallery.make(self)


@dataclass(frozen=True, slots=True)
class _Names:
    """A wish for what is known of some tiles, which are looked up together."""

    ordinals: tuple[int, ...]
    generation: int
    gallery: "Gallery" = field(compare=False, repr=False)

    def is_done(self) -> bool:
        return all(self.gallery.known(ordinal) is not None for ordinal in self.ordinals)

    def run(self) -> None:
        self.gallery.look_up(self.ordinals, self.generation)


@dataclass(frozen=True, slots=True)
class _Suspicions:
    """A wish for what the checks make of all tiles, which costs little more than asking for some."""

    version: int
    gallery: "Gallery" = field(compare=False, repr=False)

    def is_done(self) -> bool:
        return self.gallery.weighed_version >= self.version

    def run(self) -> None:
        self.gallery.weigh(self.version)


class Gallery:
    """The small pictures of one workspace.

    Args:
        dataset, index, project: whose tiles these are, and where their pictures are kept.
        finding: the queue.
        looks, outcomes, ranges: how layers are shown.
        keeper: holds what is shown and how large.
        pictures: reads and paints.
        post: calls functions back on the owner's thread.
        go_to: moves to a position of the queue.
        arrived: called when something new can be drawn.
        changed: called when something else is shown or selected.
        say: puts a sentence into the status bar.
        limit: bytes that the pictures in the project may take.
        draw: draws vector labels; None leaves them out.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        project: Project,
        finding: Finding,
        looks: Looks,
        outcomes: Outcomes,
        ranges: Ranges,
        keeper: SessionKeeper,
        pictures: Pictures,
        post: Post,
        *,
        go_to: Callable[[int], None],
        arrived: Callable[[], None],
        changed: Callable[[], None],
        say: Callable[[str], None],
        limit: int,
        draw: Draw | None = None,
    ) -> None:
        self._draw = draw
        self._dataset = dataset
        self._index = index
        self._project = project
        self._finding = finding
        self._looks = looks
        self._outcomes = outcomes
        self._ranges = ranges
        self._keeper = keeper
        self._pictures = pictures
        self._post = post
        self._go_to = go_to
        self._tell_arrived = arrived
        self._changed = changed
        self._say = say
        self._limit = limit
        self._opening = threading.Lock()
        self._store: ThumbnailStore | None = None
        self._is_stale = False
        self._guard = threading.Lock()
        self._known: dict[int, TileEntry] = {}
        self._suspicions: NDArray[np.float32] | None = None
        self._version = 1
        self.weighed_version = 0
        """Of the suspicions that are known; see `suspicions_changed`."""
        self._small: Cache[int, Small] = Cache(CACHE_BYTES, self._is_in_sight)
        self._in_sight: frozenset[int] = frozenset()
        self._generation = index.generation
        self._told = False
        self._asked: set[LayerId] = set()
        self._selected: frozenset[int] = frozenset()
        self._anchor: int | None = None
        self._showing: Showing | None = None
        self.is_open = False
        """Whether it stands in the place of the panes. Set it with `set_open`."""
        self.columns, self.rows = 1, 1
        """Of the grid that can be seen; whoever draws it says so."""

    # --- what it shows

    def set_open(self, *, on: bool) -> None:
        """Opens it, or goes back to the panes."""
        self.is_open = on
        if on:
            self._anchor = self._finding.ordinal
        else:
            self.want((), self.size)
        self.deselect()
        self._changed()

    def choices(self) -> list[tuple[str, str]]:
        """Name and title of everything that can be shown."""
        layers = [(str(spec.id), spec.title) for spec in self._looks.layers if self._is_drawn(spec)]
        kinds = {spec.kind for spec in self._dataset.layers if self._is_drawn(spec)}
        has_image = LayerKind.OPTICAL in kinds
        over = [
            (f"{OVER}{name}", title) for name, title in OVERLAYS.items() if has_image and OVERLAID[name][0] in kinds
        ]
        return [(PICTURE, "Image"), *layers, *over]

    @property
    def shown(self) -> str:
        """The name of what is shown."""
        name = self._keeper.now.gallery.shown
        return name if any(name == known for known, _ in self.choices()) else PICTURE

    def show(self, name: str) -> None:
        """Shows something else."""
        if name != self.shown:
            self._keeper.change(gallery=replace(self._keeper.now.gallery, shown=name))
            self.looks_changed()

    def show_next(self) -> None:
        """Shows the next of the choices."""
        names = [name for name, _ in self.choices()]
        self.show(names[(names.index(self.shown) + 1) % len(names)])

    @property
    def size(self) -> int:
        """Logical pixels along the longer side of a small picture."""
        return self._keeper.now.gallery.size

    def set_size(self, size: int) -> None:
        """Shows larger or smaller pictures."""
        least, most = GALLERY_SIZES
        size = max(least, min(size, most))
        if size != self.size:
            self._keeper.change(gallery=replace(self._keeper.now.gallery, size=size))
            self._changed()

    @property
    def showing(self) -> Showing:
        """What is shown, with everything that decides about its colours."""
        if self._showing is None:
            self._showing = self._shown_now()
        return self._showing

    @property
    def bar(self) -> tuple[Look, Range] | None:
        """The one look and range of all pictures, where their colours mean a number; None otherwise."""
        look = self.showing.looks[0] if len(self.showing.looks) == 1 else None
        if look is None or not self._looks.has_color_table(look.spec):
            return None
        if look.style.range_mode is RangeMode.FIXED:
            return look, Range(min(look.style.low, look.style.high), max(look.style.low, look.style.high))
        return None if look.sample is None or look.style.range_mode is not RangeMode.DATASET else (look, look.sample)

    def looks_changed(self) -> None:
        """A style, a range, a layer or the choice has changed."""
        self._showing = None
        if self.is_open:
            self._changed()

    def _shown_now(self) -> Showing:
        name = self.shown
        layers = [spec for spec in self._looks.layers if self._is_drawn(spec)]
        images = [spec for spec in layers if spec.kind is LayerKind.OPTICAL and not self._outcomes.is_added(spec.id)]
        if name == PICTURE:
            others = [spec for spec in layers if spec not in images and not self._outcomes.is_added(spec.id)]
            return Showing.of(name, map(self._look, [*deciding_first(images), *others]))
        if not name.startswith(OVER):
            return Showing.of(name, [self._look(spec) for spec in layers if spec.id == name])
        kind, _, outline = OVERLAID[name.removeprefix(OVER)]
        spec = next(spec for spec in self._dataset.layers if spec.kind is kind)
        look = self._look(spec)
        nothing = frozenset[int]() if kind is LayerKind.VECTOR else frozenset({0})  # the class that marks what is none
        style = replace(look.style, hidden=look.style.hidden | nothing)
        opacity = 1.0 if outline else self._keeper.now.opacity
        return Showing.of(
            name, map(self._look, deciding_first(images)), replace(look, style=style, outline=outline, opacity=opacity)
        )

    def _is_drawn(self, spec: LayerSpec) -> bool:
        return spec.kind is not LayerKind.TEXT and (spec.kind is not LayerKind.VECTOR or self._draw is not None)

    def _look(self, spec: LayerSpec) -> Look:
        """A layer in the user's style. Numbers are shown over one range on all tiles, so that their colours can be compared."""
        style, ranged = self._looks.style(spec.id), spec
        origin = self._outcomes.added.origin if self._outcomes.is_added(spec.id) else ""
        if not spec.kind.is_scalar or style.range_mode not in _OF_EACH_TILE:
            sample = self._range(spec) if style.range_mode is RangeMode.DATASET else None
            return Look(
                spec, style, sample, origin=origin, is_final=style.range_mode is not RangeMode.DATASET or bool(sample)
            )
        if style.range_mode is RangeMode.REFERENCE:
            ranged = self._outcomes.added.references.get(spec.id, spec)
            reference = self._looks.style(ranged.id)
            if reference.range_mode is RangeMode.FIXED:
                fixed = replace(style, range_mode=RangeMode.FIXED, low=reference.low, high=reference.high)
                return Look(spec, fixed, origin=origin)
        sample = self._range(ranged)
        if sample is None:
            return Look(spec, style, origin=origin, is_final=False)
        if style.range_mode is RangeMode.SYMMETRIC:
            most = max(abs(sample.low), abs(sample.high))
            return Look(spec, replace(style, range_mode=RangeMode.FIXED, low=-most, high=most), origin=origin)
        return Look(spec, replace(style, range_mode=RangeMode.DATASET), sample, origin=origin)

    def _range(self, spec: LayerSpec) -> Range | None:
        """The range of a layer over the dataset; it is learnt once, and what is shown changes when it is known."""
        found = self._ranges.get(spec.id)
        if found is None and self.is_open and spec.id not in self._asked and not self._outcomes.is_added(spec.id):
            self._asked.add(spec.id)
            self._ranges.learn(spec)
            found = self._ranges.get(spec.id)
        return found

    # --- what is there, and what is wanted

    def want(self, places: Sequence[int], pixels: int) -> None:
        """Replaces what is wanted.

        Args:
            places: positions in the queue, the most wanted first.
            pixels: of the screen, along the longer side of a picture.
        """
        self._take_generation()
        if not self.is_open:
            places = ()
        ordinals = [int(ordinal) for ordinal in self._finding.queue.ordinals[np.asarray(places, np.int64)]]
        self._in_sight = frozenset(ordinals)
        showing, generation = self.showing if places else None, self._generation
        unknown = tuple(ordinal for ordinal in ordinals if self.known(ordinal) is None)
        errands: list[_Cell | _Names | _Suspicions] = [_Names(unknown, generation, self)] if unknown else []
        if showing is not None:
            cells = (_Cell(ordinal, generation, showing, pixels, self) for ordinal in ordinals)
            errands += [cell for cell in cells if not cell.is_done()]
            if self.weighed_version < self._version:
                errands.append(_Suspicions(self._version, self))
        self._pictures.want_errands(errands)

    def known(self, ordinal: int) -> TileEntry | None:
        """Name and files of a tile; None while it is looked up. Safe to call from any thread."""
        return self._known.get(ordinal)

    def suspicion(self, ordinal: int) -> float | None:
        """What the checks make of a tile, 0..1; None where they have said nothing, or it is not known yet."""
        known = self._suspicions
        if known is None or not 0 <= ordinal < len(known) or np.isnan(known[ordinal]):
            return None
        return float(known[ordinal])

    def small(self, ordinal: int) -> Small | None:
        """The picture of a tile, perhaps still of another size or showing something else; None where there is none."""
        return self._small.get(ordinal)

    def is_made(self, cell: _Cell) -> bool:
        """Whether there is nothing to do for a wish. Safe to call from any thread."""
        small = self._small.get(cell.ordinal)
        is_there = small is not None and small.showing is cell.showing and small.size == cell.size
        return is_there or cell.generation != self._generation

    def make(self, cell: _Cell) -> None:
        """Makes a picture, or finds it in the project; for a worker."""
        try:
            small = self._made(cell)
        except ProjectError as error:
            small = Small(None, cell.showing, cell.size, Sign.UNREADABLE, str(error))
        except Exception as error:
            log.exception("Could not make the small picture of tile %s", cell.ordinal)
            small = Small(None, cell.showing, cell.size, Sign.UNREADABLE, our_fault(error))
        if small is not None and cell.generation == self._generation:
            self._small.put(cell.ordinal, small)
            self._tell()

    def look_up(self, ordinals: Sequence[int], generation: int) -> dict[int, TileEntry]:
        """Names and files of some tiles; for a worker. Those that are not there any more are left out."""
        try:
            entries = self._index.entries(ordinals)
        except (IndexError, ProjectError):  # the names are just being read anew
            return {}
        found = dict(zip(ordinals, entries, strict=True))
        with self._guard:
            if generation == self._generation:
                self._known.update(found)
                for ordinal in list(islice(self._known, max(0, len(self._known) - KNOWN_TILES))):
                    del self._known[ordinal]
        self._tell()
        return found

    def weigh(self, version: int) -> None:
        """Asks what the checks make of all tiles; for a worker."""
        self._suspicions = suspicions_of(self._index)
        self.weighed_version = version
        self._tell()

    def _made(self, cell: _Cell) -> Small | None:
        entry = self.known(cell.ordinal) or self.look_up((cell.ordinal,), cell.generation).get(cell.ordinal)
        if entry is None:
            return None
        showing = cell.showing
        look = next((look for look in showing.looks if look.origin or look.spec.id in entry.files), None)
        if look is None:
            words = absence(showing.looks[0].spec) if showing.looks else "This tile has no image."
            return Small(None, showing, cell.size, Sign.MISSING, words)
        key = ThumbnailKey(
            self._named(entry, look, showing.over), showing.signatures[look.spec.id], size_class(cell.size)
        )
        mixed = not look.spec.kind.is_categorical
        store = self._opened_store() if key.shown else None
        pixels = None if store is None else store.get(key)
        if pixels is None:
            content = self._content(entry, look)
            if isinstance(content, Vector) and self._draw is not None:
                if not content.features:
                    return Small(None, showing, cell.size, Sign.EMPTY, nothing_drawn(content, look.spec))
                pixels = features_alone(content, self._painting(look), key.size, self._draw)
            elif isinstance(content, Raster):
                pixels = small_picture(content, self._painting(look), key.size)
                pixels = self._with_over(pixels, entry, (look.spec, content), showing.over)
            else:
                return self._without(content, cell)
            if store is not None:
                store.put(key, pixels, lossless=not mixed)
        return Small(np.ascontiguousarray(resized(pixels, cell.size, mixed=mixed)), showing, cell.size)

    def _with_over(
        self, pixels: Pixels, entry: TileEntry, under: tuple[LayerSpec, Raster], look: Look | None
    ) -> Pixels:
        """The small picture of a layer with another one of the tile over it, where it has that."""
        over = None if look is None else self._content(entry, look)
        if look is not None and isinstance(over, Raster):
            return lay_over(pixels, under, over, self._painting(look))
        if look is not None and isinstance(over, Vector) and self._draw is not None:
            return features_over(pixels, under, over, self._painting(look), self._draw)
        return pixels

    def _without(self, content: object, cell: _Cell) -> Small:
        if isinstance(content, Unreadable):
            return Small(None, cell.showing, cell.size, Sign.UNREADABLE, content.reason)
        if isinstance(content, Missing):
            return Small(None, cell.showing, cell.size, Sign.MISSING, content.reason)
        return Small(None, cell.showing, cell.size, Sign.AWAITED, "The model has not predicted this tile yet.")

    def _content(self, entry: TileEntry, look: Look) -> object:
        """What was read or made of a layer of a tile; None where there is none."""
        layer = look.spec.id
        if look.origin:
            return self._pictures.content(ContentKey(entry.id, layer, look.origin, entry.moment))
        path = entry.files.get(layer)
        return None if path is None else self._pictures.read_once(entry.id, look.spec, path)

    def _painting(self, look: Look) -> Painting:
        table = self._pictures.color_table(look.style.color_table)
        return Painting(look.spec, look.style, table, look.sample, look.outline, look.opacity)

    def _named(self, entry: TileEntry, look: Look, over: Look | None) -> str:
        """The tile and its files, wherever the dataset lies today."""
        root = str(self._dataset.root)
        paths = [entry.files.get(part.spec.id, "") for part in (look, over) if part is not None]
        return "\0".join([entry.id, entry.moment, *(path.removeprefix(root) for path in paths)])

    def _opened_store(self) -> ThumbnailStore:
        with self._opening:
            if self._store is None:
                project = self._project
                self._store = ThumbnailStore.open(
                    project.thumbnails_path, limit=self._limit, read_only=project.read_only
                )
            if self._is_stale:
                self._store.clear()
                self._is_stale = False
            return self._store

    def _tell(self) -> None:
        """Says once that something is there, however much it is."""
        if not self._told:
            self._told = True
            self._post(self._told_owner)

    def _told_owner(self) -> None:
        self._told = False
        self._tell_arrived()

    def _is_in_sight(self, ordinal: int) -> bool:
        return ordinal in self._in_sight

    def _take_generation(self) -> None:
        """Forgets what was known of tiles that have other places by now."""
        if self._generation != self._index.generation:
            with self._guard:
                self._generation = self._index.generation
                self._known = {}
            self._small.clear()
            self._selected = frozenset()
            self._suspicions = None
            self.suspicions_changed()

    def forget(self) -> None:
        """Reads and makes everything anew from now on: files may have changed."""
        self._is_stale = True
        self._small.clear()
        with self._guard:
            self._known = {}

    def suspicions_changed(self) -> None:
        """The checks have said something new: it is asked for with the next wishes."""
        self._version += 1

    def forget_predicted(self) -> None:
        """The model has said something new, which pictures that still await it do not show."""
        if self.is_open and any(look.origin for look in self.showing.looks):
            self._showing = None
            self._changed()

    def set_limit(self, limit: int) -> None:
        """Other preferences: bytes that the pictures in the project may take."""
        self._limit = limit
        if self._store is not None:
            self._store.limit = limit

    def close(self) -> None:
        """Writes what waits to be written. Called when the workers have ended."""
        if self._is_stale and not self._project.read_only:
            self._opened_store()
        if self._store is not None:
            self._store.close()

    # --- the selection

    @property
    def selected(self) -> frozenset[int]:
        """Ordinals of the selected tiles; empty where only the current one is."""
        return self._selected

    @property
    def has_selection(self) -> bool:
        """Whether keys decide about several tiles, or another one than the current."""
        return self.is_open and bool(self._selected)

    def selected_tiles(self) -> list[TileId]:
        """The selected tiles, in the order of the dataset."""
        ordinals = sorted(self._selected)
        try:
            return [entry.id for entry in self._index.entries(ordinals)]
        except IndexError:
            return []

    def deselect(self) -> None:
        """Selects nothing but the current tile."""
        self._anchor = self._finding.ordinal
        self._select(())

    def click(self, at: int, *, toggle: bool = False, extend: bool = False) -> None:
        """Goes to a tile and selects it alone, takes it into the selection or out of it, or selects all up to it."""
        before, anchor = self._selected, self._anchor
        current = self._finding.ordinal
        if toggle and not before and current is not None:
            before = frozenset({current})
        self._go_to(at)
        here = self._finding.ordinal
        if here is None:
            return
        if toggle:
            self._anchor = here
            self._select(before ^ {here}, least=1)
        elif extend:
            self._anchor = anchor if anchor is not None else current
            self._select_to(at)
        else:
            self.deselect()

    def move(self, step: int, *, extend: bool = False) -> None:
        """Moves by so many tiles; `extend` selects those on the way. A step beyond an end leads to it, if in its own column."""
        queue = self._finding.queue
        at = queue.at + step
        if not 0 <= at < len(queue) and abs(step) > 1:
            lines = (queue.at if step < 0 else len(queue) - 1 - queue.at) // self.columns
            at = queue.at + (lines * self.columns if step > 0 else -lines * self.columns)
        self.click(max(0, min(at, len(queue) - 1)), extend=extend)

    def select_all(self) -> None:
        """Selects all tiles of the queue, if they are not too many to be decided about at once."""
        queue = self._finding.queue
        count = min(len(queue), SELECTED_MOST)
        start = 0 if count == len(queue) else min(queue.at, len(queue) - count)
        self._anchor = int(queue.ordinals[start]) if count else None
        self._select(queue.ordinals[start : start + count].tolist())
        which = (
            f"All {count:,} tiles" if count == len(queue) else f"{count:,} of {len(queue):,} tiles, from this one on,"
        )
        self._say(f"{which} are selected: keys decide about all of them. Filter to choose others; Esc selects none.")

    def queue_changed(self) -> None:
        """The queue has other tiles: those that are not in it are not selected any more."""
        self._take_generation()
        if self._selected:
            chosen = np.fromiter(self._selected, np.int64)
            self._select(chosen[np.isin(chosen, self._finding.queue.ordinals)].tolist())

    def _select_to(self, at: int) -> None:
        """Selects everything between the tile where the selection began and a position."""
        queue = self._finding.queue
        start = None if self._anchor is None else queue.find(self._anchor)
        start = at if start is None else start
        if abs(at - start) >= SELECTED_MOST:
            start = at - SELECTED_MOST + 1 if start < at else at + SELECTED_MOST - 1
            self._say(f"Not more than {SELECTED_MOST:,} tiles can be selected.")
        first, last = min(start, at), max(start, at)
        self._select(queue.ordinals[first : last + 1].tolist())

    def _select(self, ordinals: Iterable[int], least: int = 2) -> None:
        chosen = frozenset(ordinals)
        if len(chosen) < least or chosen == {self._finding.ordinal}:
            chosen = frozenset()
        if chosen != self._selected:
            self._selected = chosen
            if self.is_open:
                self._changed()


def suspicions_of(index: TileIndex) -> NDArray[np.float32] | None:
    """(len(index),) what the checks make of every tile, NaN where they have said nothing; None where that cannot be known."""
    try:
        return index.checks.suspicions()
    except ProjectError as error:
        log.info("The suspicions cannot be read: %s", error)
        return None

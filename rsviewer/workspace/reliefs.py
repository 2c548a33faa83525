"""The tile in space: what 3D shows of the current tile, made on a worker of its own, after the panes are served."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rsviewer.core.composing import COLORING, Coloring, image_of, relief_of
from rsviewer.core.relief import DIFFERENCE, Form, Relief, ReliefStyle, Together
from rsviewer.core.scene import compose, frame_of
from rsviewer.core.style import DIVERGING
from rsviewer.core.tile import LayerKind, LayerSpec, Missing, Raster, TileId, Unreadable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align
from rsviewer.workspace.background import Post, Wanted
from rsviewer.workspace.cache import Cache
from rsviewer.workspace.news import Changed
from rsviewer.workspace.pictures import Pictures, Wish, our_fault
from rsviewer.workspace.session import SessionKeeper
from rsviewer.workspace.wishes import Wishes

log = logging.getLogger(__name__)

CACHE_BYTES = 192 * 1024 * 1024
"""For the last few tiles in space: stepping back shows them at once."""


@dataclass(frozen=True, slots=True)
class ReliefWish:
    """One tile in space.

    Attributes:
        tile: which.
        heights: one layer, or two.
        coloring: what colours them; None for their difference, or where there is nothing.
        frame: wishes of the layers that decide about the tile's grid, most decisive first.
        style: how it is shown, without what does not change the relief itself.
    """

    tile: TileId
    heights: tuple[Wish, ...]
    coloring: Wish | None
    style: ReliefStyle
    frame: tuple[Wish, ...] = field(compare=False, default=())


class Reliefs:
    """The current tile in space.

    Args:
        dataset: whose tiles.
        keeper: holds the style.
        pictures: reads and paints layers.
        wishes: how layers are painted.
        entry: the current tile.
        post: calls back on the owner's thread.
        notify: tells what changed.
        threads: 1, or 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        dataset: Dataset,
        keeper: SessionKeeper,
        pictures: Pictures,
        wishes: Wishes,
        entry: Callable[[], TileEntry | None],
        post: Post,
        *,
        notify: Callable[[Changed], None],
        threads: int,
    ) -> None:
        self._dataset = dataset
        self._keeper = keeper
        self._pictures = pictures
        self._wishes = wishes
        self._entry = entry
        self._post = post
        self._notify = notify
        self._wish: ReliefWish | None = None
        self._made: Cache[ReliefWish, Relief] = Cache(CACHE_BYTES)
        self._wanted: Wanted[ReliefWish, Relief] = Wanted(
            "relief", self._make, lambda wish: wish in self._made, self._deliver, threads
        )
        self.is_open = False
        """True while somebody looks. Change it with `set_open`."""

    # --- how

    @property
    def style(self) -> ReliefStyle:
        """How tiles are shown in space."""
        return self._keeper.now.relief

    def set_style(self, style: ReliefStyle) -> None:
        """Shows them differently."""
        if style != self.style:
            self._keeper.change(relief=style)
            self.restate()
            self._notify(Changed.RELIEF)

    def toggle_form(self) -> None:
        """Surface or points."""
        other = Form.POINTS if self.style.form is Form.SURFACE else Form.SURFACE
        self.set_style(replace(self.style, form=other))

    def cycle_together(self) -> None:
        """The second height: none, beside the first, in one scene with it."""
        order = list(Together)
        self.set_style(replace(self.style, together=order[(order.index(self.style.together) + 1) % len(order)]))

    @property
    def heights(self) -> tuple[LayerSpec, ...]:
        """The heights that the current tile has, in the order of the panes."""
        return self._of_kind(LayerKind.HEIGHT)

    @property
    def height(self) -> LayerSpec | None:
        """The height that is shown; None where the tile has none."""
        heights = self.heights
        return next((spec for spec in heights if spec.id == self.style.height), heights[0] if heights else None)

    @property
    def other(self) -> LayerSpec | None:
        """The second height that can be shown; None where the tile has one at most."""
        return self._other_than(self.height)

    @property
    def colors(self) -> tuple[tuple[str, str], ...]:
        """What the current tile can be coloured by: values for `ReliefStyle.color`, and their titles."""
        return self.colors_of(self.height)

    def colors_of(self, height: LayerSpec | None) -> tuple[tuple[str, str], ...]:
        """What one of its heights can be coloured by."""
        specs = self._of_kind(*COLORING)
        choices = [(str(spec.id), spec.title) for spec in specs]
        other = self._other_than(height)
        if height is not None and other is not None:
            choices.append((DIFFERENCE, f"{height.title} minus {other.title}"))
        return tuple(choices)

    @property
    def color(self) -> str:
        """What colours the tile: one of `colors`; empty where nothing does."""
        known = [value for value, _ in self.colors]
        if self.style.color in known:
            return self.style.color
        image = image_of(self._of_kind(LayerKind.OPTICAL)) or self.height
        return "" if image is None else str(image.id)

    # --- what

    def set_open(self, *, on: bool) -> None:
        """Makes reliefs from now on, or no longer."""
        if on != self.is_open:
            self.is_open = on
            self.restate()
            self._notify(Changed.RELIEF)

    @property
    def relief(self) -> Relief | None:
        """The current tile in the current style; None while it is being made, and without a tile."""
        entry = self._entry()
        if self._wish is None or entry is None or entry.id != self._wish.tile:
            return None
        used = (*self._wish.heights, *((self._wish.coloring,) if self._wish.coloring is not None else ()))
        if any(wish.content != self._wishes.key(entry, wish.content.layer) for wish in used):
            return None  # of another model, or of other options
        return self._made.get(self._wish)

    def restate(self) -> None:
        """The tile, its layers or their looks have changed. What is not the newest wish any more never starts."""
        before, wish = self._wish, self._wished() if self.is_open else None
        self._wish = wish
        self._wanted.want(() if wish is None else (wish,))
        if wish is not None and wish != before and wish in self._made:
            self._post(lambda: self._arrived(wish))  # made before, so that no worker will say it

    def forget(self) -> None:
        """Makes everything anew from now on."""
        self._made.clear()
        self.restate()

    def making(self, height: LayerSpec, color: str) -> Callable[[], Relief]:
        """What makes the current tile in space, of one height alone, coloured by one of `colors_of` it.

        It knows what it needs from now on and may be called on any thread, after another tile is the current one, too.
        """
        wish = self._wish_for(height, color, Together.ALONE)
        if wish is None:
            raise ValueError("there is no tile")
        return lambda: self._make(wish)

    def step(self) -> bool:
        """Does one piece of work on the calling thread. Returns False where there was none."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the worker."""
        self._wanted.close()

    def _of_kind(self, *kinds: LayerKind) -> tuple[LayerSpec, ...]:
        entry = self._entry()
        return (
            ()
            if entry is None
            else tuple(spec for spec in self._wishes.layers if spec.kind in kinds and self._is_there(entry, spec))
        )

    def _is_there(self, entry: TileEntry, spec: LayerSpec) -> bool:
        """Whether a tile has a file of a layer, or the model has predicted it."""
        key = self._wishes.key(entry, spec.id)
        return self._pictures.content(key) is not None if key.origin else spec.id in entry.files

    def _other_than(self, height: LayerSpec | None) -> LayerSpec | None:
        others = [spec for spec in self.heights if spec is not height]
        return next((spec for spec in others if spec.id == self.style.other), others[0] if others else None)

    def _wished(self) -> ReliefWish | None:
        return self._wish_for(self.height, self.color, self.style.together)

    def _wish_for(self, height: LayerSpec | None, color: str, together: Together) -> ReliefWish | None:
        entry = self._entry()
        if entry is None:
            return None
        shows_two = together is not Together.ALONE or color == DIFFERENCE
        other = self._other_than(height) if shows_two else None
        heights = [spec for spec in (height, other) if spec is not None]
        colored = next((spec for spec in self._wishes.layers if str(spec.id) == color), None)
        return ReliefWish(
            entry.id,
            tuple(self._wishes.wish(entry, spec) for spec in heights),
            None if colored is None else self._wishes.wish(entry, colored),
            ReliefStyle(together=together, color=color),
            tuple(self._wishes.wish(entry, spec) for spec in self._wishes.frame_layers if spec.id in entry.files),
        )

    # --- on the worker

    def _make(self, wish: ReliefWish) -> Relief:
        """What a tile is in space. A fault of ours is said in its place, which else would stay empty for ever."""
        try:
            return self._relief(wish)
        except Exception as error:
            log.exception("Could not put %s into space", wish.tile)
            return Relief(wish.tile, why=our_fault(error))

    def _relief(self, wish: ReliefWish) -> Relief:
        if not wish.heights:
            return Relief(wish.tile, why="This tile has no height layer.")
        read = [(one.spec, self._pictures.obtain(one)[0]) for one in wish.heights]
        heights = [(spec, content) for spec, content in read if isinstance(content, Raster)]
        absent = [
            f"{spec.title}: {content.reason}" for spec, content in read if isinstance(content, Missing | Unreadable)
        ]
        spec, first = read[0]
        if not isinstance(first, Raster):
            return Relief(wish.tile, why=absent[0] if absent else f"{spec.title} holds no heights.")
        frame = next(
            (
                frame
                for one in wish.frame
                if (frame := frame_of([(one.spec, self._pictures.obtain(one)[0])])) is not None
            ),
            frame_of([(spec, first)]),
        )
        if frame is None:
            raise AssertionError("a raster has a frame")
        coloring = None
        if wish.coloring is not None:
            content, painted = self._pictures.obtain(wish.coloring)
            if isinstance(content, Raster) and painted is not None:
                pane = compose(
                    0, wish.tile, wish.coloring.spec, content, painted, frame=frame, style=wish.coloring.look.style
                )
                coloring = Coloring(wish.coloring.spec, content, painted, pane.colorbar, pane.legend)
            elif isinstance(content, Missing | Unreadable):
                absent.append(f"{wish.coloring.spec.title}: {content.reason}")
        table = self._pictures.color_table(DIVERGING)[::-1]
        relief = relief_of(wish.tile, frame, heights, wish.style, coloring, align, diverging=table)
        return replace(relief, remarks=(*absent, *relief.remarks))

    def _deliver(self, wish: ReliefWish, relief: Relief) -> None:
        self._made.put(wish, relief)
        self._post(lambda: self._arrived(wish))

    def _arrived(self, wish: ReliefWish) -> None:
        if wish == self._wish:
            self._notify(Changed.RELIEF)

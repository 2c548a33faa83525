"""What is wanted of a tile: the layers that are looked at, as they are looked at."""

from dataclasses import replace

from rsviewer.core.prediction import HEIGHT, QUANTITY, RIGHT
from rsviewer.core.render import Range
from rsviewer.core.scene import deciding_first
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.catalogue import rivals
from rsviewer.data.content import absence
from rsviewer.workspace.looks import OVERLAID, Looks
from rsviewer.workspace.moments import date_in_words
from rsviewer.workspace.outcomes import Outcomes
from rsviewer.workspace.pictures import ContentKey, Look, Thumbnail, Wish
from rsviewer.workspace.ranges import Ranges

REMEMBERED = 64
"""Tiles whose wishes are remembered."""


class Wishes:
    """The wishes for each tile, remembered until `forget`, since every step asks again for the tiles ahead.

    Args:
        looks: what the user chose.
        outcomes: what a model adds to the layers of the dataset.
        ranges: of layers over the dataset.
    """

    def __init__(self, looks: Looks, outcomes: Outcomes, ranges: Ranges) -> None:
        self._looks = looks
        self._outcomes = outcomes
        self._ranges = ranges
        self._wishes: dict[tuple[TileId, str], list[Wish]] = {}
        self._one_object_a_look: dict[tuple[Style, Range | None, bool], Look] = {}

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """All layers of the dataset and of the model, in the user's order."""
        return self._looks.layers

    @property
    def frame_layers(self) -> list[LayerSpec]:
        """The layers of the dataset, first the one whose grid is the tile's if it can be read."""
        return deciding_first(spec for spec in self.layers if not self._outcomes.is_added(spec.id))

    def of(self, entry: TileEntry) -> list[Wish]:
        """What is wanted of a tile, in the order of the panes; what lies over the images comes last."""
        key = entry.id, entry.moment
        wishes = self._wishes.get(key)
        if wishes is None:
            if len(self._wishes) > REMEMBERED:
                self._wishes.clear()
            overlay = self.overlay(entry)
            wishes = [self.wish(entry, spec) for spec in self._looks.visible(entry)]
            self._wishes[key] = wishes = wishes if overlay is None else [*wishes, overlay]
        return wishes

    def overlay(self, entry: TileEntry) -> Wish | None:
        """What lies over the images: the background of labels and masks left out, or only the edges of a mask."""
        spec = self._looks.overlaid(self._looks.overlay, entry)
        if spec is None:
            return None
        _, _, outline = OVERLAID[self._looks.overlay]
        wish = self.wish(entry, spec)
        style = wish.look.style
        if spec.kind.is_categorical:
            style = replace(style, hidden=style.hidden | {0, RIGHT})
        return replace(wish, look=self._interned(style, wish.look.sample, outline=outline), is_overlay=True)

    def thumbnail(self, entry: TileEntry) -> Thumbnail | None:
        """A small picture of a tile's first image, or of another layer where it has none; None where it has nothing."""
        here = [spec for spec in self._looks.layers if spec.id in entry.files]
        here = [spec for spec in here if spec.kind not in (LayerKind.TEXT, LayerKind.VECTOR)]
        spec = next((spec for spec in here if spec.kind is LayerKind.OPTICAL), here[0] if here else None)
        if spec is None:
            return None
        return Thumbnail(entry.id, spec, entry.files[spec.id])

    def forget(self) -> None:
        """The looks or the files have changed."""
        self._wishes.clear()

    def reference(self, layer: LayerId) -> LayerId | None:
        """The layer with which a predicted one is compared; None for any other."""
        reference = self._outcomes.added.references.get(layer)
        return None if reference is None else reference.id

    def key(self, entry: TileEntry, layer: LayerId) -> ContentKey:
        """What names the content of a layer of a tile now."""
        if self._outcomes.is_added(layer):
            return ContentKey(entry.id, layer, self._outcomes.added.origin, entry.moment)
        return ContentKey(entry.id, layer, path=entry.files.get(layer, ""))

    def wish(self, entry: TileEntry, spec: LayerSpec) -> Wish:
        """What is wanted of one layer of a tile, whether it has a pane or not."""
        key = self.key(entry, spec.id)
        if key.origin:
            reference = self._outcomes.added.references.get(spec.id) if spec.id in (HEIGHT, QUANTITY) else None
            look = self._look(spec.id)
            follows = reference is not None and look.style.range_mode is RangeMode.REFERENCE
            like = self.wish(entry, reference) if reference is not None and follows else None
            return Wish(key, look, spec, None, "", like=like)
        path = entry.files.get(spec.id)
        absent = "" if path is not None else absence(spec)
        others = ", ".join(rivals(entry, spec.id)) if entry.duplicates else ""
        remark = f"not shown: {others} of the same tile" if others else ""
        shot = entry.shot_of(spec.id)
        when = "" if shot is None else date_in_words(shot)
        return Wish(key, self._look(spec.id), spec, path, absent, remark, when)

    def style(self, layer: LayerId) -> Style:
        """How a layer is shown, whatever the tile: a range over the dataset, once it is known, is as good as a fixed one."""
        look = self._look(layer)
        if look.sample is None:
            return look.style
        return replace(look.style, range_mode=RangeMode.FIXED, low=look.sample.low, high=look.sample.high)

    def _look(self, layer: LayerId) -> Look:
        style = self._looks.style(layer)
        return self._interned(style, self._ranges.get(layer) if style.range_mode is RangeMode.DATASET else None)

    def _interned(self, style: Style, sample: Range | None = None, *, outline: bool = False) -> Look:
        return self._one_object_a_look.setdefault((style, sample, outline), Look(style, sample, outline))

"""What models said of tiles: the layers that they add to the dataset, and what is in them. Filled by `predicting`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rsviewer.core.boxes import USUAL_SCORE, drawn
from rsviewer.core.judging import Judgement
from rsviewer.core.prediction import (
    BOXES,
    CONFIDENCE,
    HEIGHT,
    HEIGHT_ERROR,
    LABELS,
    LABELS_ERROR,
    QUANTITY,
    QUANTITY_ERROR,
)
from rsviewer.core.tile import LayerId, LayerSpec, Raster, TileId
from rsviewer.core.vector import Vector
from rsviewer.workspace.cache import Cache

CACHE_BYTES = 384 * 1024 * 1024
"""For the last tiles that were predicted: about 150 of 512 x 512 with heights and classes."""

DRAWN_BYTES = 16 * 1024 * 1024
"""For objects as they are drawn."""

ANCHORS = {
    HEIGHT: HEIGHT,
    HEIGHT_ERROR: HEIGHT,
    LABELS: LABELS,
    LABELS_ERROR: LABELS,
    CONFIDENCE: LABELS,
    QUANTITY: QUANTITY,
    QUANTITY_ERROR: QUANTITY,
    BOXES: BOXES,
}
"""Predicted layer -> the output beside whose reference its pane stands."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a model adds to a dataset.

    Attributes:
        origin: changes with everything that makes another answer: model, weights, options, inputs, references. Empty: no model.
        layers: in the order of their panes.
        references: `core.prediction.HEIGHT`, `LABELS`, `QUANTITY` -> the layer with which it is compared.
    """

    origin: str = ""
    layers: tuple[LayerSpec, ...] = ()
    references: Mapping[LayerId, LayerSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutcomeKey:
    """One tile, predicted and judged in one way."""

    tile: TileId
    origin: str
    moment: str


class Outcomes:
    """The answers of the chosen model. `judgement`, `raster` and `file` may be called from any thread.

    Args:
        is_shown: whether a tile is on the screen: its answer is not forgotten, however much room it takes.
        moment_of: which image of a tile is shown, see `Moments.of`.
    """

    def __init__(
        self, is_shown: Callable[[TileId], bool] = lambda _: False, moment_of: Callable[[TileId], str] = lambda _: ""
    ) -> None:
        self._moment_of = moment_of
        self.added = Added()
        """Replaced as a whole, on the owner's thread."""
        self.least_score = USUAL_SCORE
        """Of the objects that are shown. Replaced on the owner's thread."""
        self._drawn: Cache[tuple[OutcomeKey, float], Vector] = Cache(DRAWN_BYTES)
        self._failures: dict[OutcomeKey, Judgement] = {}
        self._judged: Cache[OutcomeKey, Judgement] = Cache(CACHE_BYTES, lambda key: is_shown(key.tile))

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._judged.nbytes

    def is_added(self, layer: LayerId) -> bool:
        """Whether a layer is the model's."""
        return any(spec.id == layer for spec in self.added.layers)

    def judgement(self, tile: TileId, origin: str = "", moment: str | None = None) -> Judgement | None:
        """What became of a tile; None where it was not predicted, or so long ago that it is forgotten.

        `moment` is None for the image that is shown.
        """
        key = OutcomeKey(tile, origin or self.added.origin, self._moment_of(tile) if moment is None else moment)
        return self._failures.get(key) or self._judged.get(key)

    def raster(self, tile: TileId, layer: LayerId, origin: str = "", moment: str | None = None) -> Raster | None:
        """A predicted layer of a tile; None where there is none. See `judgement`."""
        judgement = self.judgement(tile, origin, moment)
        return None if judgement is None else judgement.rasters.get(layer)

    def content(
        self, tile: TileId, layer: LayerId, origin: str = "", moment: str | None = None
    ) -> Raster | Vector | None:
        """The same, and objects as they are drawn: those that are sure enough."""
        if layer != BOXES:
            return self.raster(tile, layer, origin, moment)
        judgement = self.judgement(tile, origin, moment)
        boxes = None if judgement is None or judgement.prediction is None else judgement.prediction.boxes
        spec = next((spec for spec in self.added.layers if spec.id == BOXES), None)
        if boxes is None or spec is None:
            return None
        key = OutcomeKey(tile, origin or self.added.origin, self._moment_of(tile) if moment is None else moment)
        known = self._drawn.get((key, self.least_score))
        if known is None:
            known = drawn(boxes, spec.classes, self.least_score)
            self._drawn.put((key, self.least_score), known)
        return known

    def file(self, origin: str, judgement: Judgement, moment: str = "") -> None:
        """Keeps what became of a tile under its own id, whatever is on the screen by now."""
        key = OutcomeKey(judgement.tile, origin, moment)
        if judgement.why:
            self._failures[key] = judgement
        else:
            self._judged.put(key, judgement)
            self._failures.pop(key, None)

    def forget_failures(self) -> None:
        """What could not be predicted may be tried again."""
        self._failures.clear()

    def in_order(self, layers: tuple[LayerSpec, ...]) -> tuple[LayerSpec, ...]:
        """The layers of a dataset with those of the model, each beside the reference that it is compared with."""
        ordered = list(layers)
        for anchor in (HEIGHT, LABELS, QUANTITY, BOXES):
            own = [spec for spec in self.added.layers if ANCHORS[spec.id] == anchor]
            reference = self.added.references.get(anchor)
            place = ordered.index(reference) + 1 if reference in ordered else len(ordered)
            ordered[place:place] = own
        return tuple(ordered)

    def forget(self) -> None:
        """Everything is predicted anew from now on."""
        self._failures.clear()
        self._judged.clear()
        self._drawn.clear()

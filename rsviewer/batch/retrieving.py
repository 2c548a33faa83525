"""How well the images and captions of a dataset find each other, once a network that reads has seen them all.

As in SkyScript's evaluation: every image and every different text once, and whatever belongs together counts as found. The
captions by which an image is retrieved need not be the one that its similarity is of (`core.captions.retrieved_by`). What the
network makes of them is kept beside the tiles, each different text once, under what tells it apart from others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.predicting import Predicted
from rsviewer.batch.remarks import Remark
from rsviewer.core.captions import caption_layer, retrieved_by
from rsviewer.core.errors import ModelError
from rsviewer.core.tile import LayerContent, LayerSpec, Text, TileId, printable
from rsviewer.core.wordmetrics import retrieval
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.embeddings import Embeddings, EmbeddingStore, told_apart
from rsviewer.inference.engine import Predictor, Reader

MOST_RETRIEVED: Final = 250_000
"""Images, or different texts, that are looked for among each other: the time grows with the square."""
TOO_MANY: Final = f"R@k is for up to {MOST_RETRIEVED:,} images and texts: choose a list with --split, or a --filter."
FOLDER: Final = "texts"
"""Of what is kept of texts, in the folder of what is kept of tiles."""
_AT_ONCE = 256

Tell: TypeAlias = Callable[[str, int, int | None], None]


READING: Final = "Reading captions"
RANKING: Final = "Ranking captions and images"


def with_retrieval(
    result: Predicted,
    dataset: Dataset,
    entries: Sequence[TileEntry],
    predictor: Predictor,
    embeddings: EmbeddingStore,
    tell: Tell = lambda *_: None,
) -> Predicted:
    """The result with R@k of those tiles that have a caption, or with a remark why there is none where there could be.

    Args:
        result: of `predict_all`.
        dataset: whose tiles.
        entries: which of them.
        predictor: reads the captions that are not read yet.
        embeddings: what `predict_all` has kept of the tiles.
        tell: called with what is done, how much of it, and of how much. Who raises from it stops the work.

    Raises:
        SaveError: there is no room or permission.
    """
    layer = caption_layer(dataset.layers)
    made = embeddings.read() if layer is not None and entries else None
    if layer is None or made is None:
        return result
    with EmbeddingStore(embeddings.folder / FOLDER) as texts:
        found, why = _Retrieval(dataset, layer, predictor, made, texts, tell).metrics(entries)
    remarks = (*result.remarks, Remark(why, 1, entries[0].id)) if why else result.remarks
    return replace(result, metrics={**result.metrics, **found}, remarks=remarks)


@dataclass(frozen=True, slots=True, eq=False)
class _Retrieval:
    """What R@k is made of.

    Attributes:
        made: what is kept of the tiles; texts: and of the captions that are not kept with them.
    """

    dataset: Dataset
    layer: LayerSpec
    predictor: Predictor
    made: Embeddings
    texts: EmbeddingStore
    tell: Tell

    def metrics(self, entries: Sequence[TileEntry]) -> tuple[dict[str, float], str]:
        """See `with_retrieval`."""
        made = self.made
        place_of = {tile: place for place, tile in enumerate(made.tiles)}
        texts: dict[str, int] = {}
        rows: list[int] = []
        pairs: list[tuple[int, int]] = []
        for number, entry in enumerate(entries):
            if not number % _AT_ONCE:
                self.tell(READING, number, len(entries))
            captions = retrieved_by(self._content(entry)) if entry.id in place_of else ()
            pairs += [(len(rows), texts.setdefault(text, len(texts))) for text in captions]
            if captions:
                rows.append(int(made.rows[place_of[entry.id]]))
            if max(len(rows), len(texts)) > MOST_RETRIEVED:
                return {}, TOO_MANY
        try:
            found = self._features(tuple(texts))
        except ModelError as error:
            return {}, f"There is no R@k: {error}"
        table = np.array(pairs, np.intp).reshape(-1, 2)
        return retrieval(made.images[rows], found, table, partial(self.tell, RANKING)), ""

    def _content(self, entry: TileEntry) -> LayerContent:
        return read_layer(entry, self.layer, self.dataset.tree) if self.layer.id in entry.files else Text("")

    def _read(self, texts: Sequence[str]) -> None:
        """Has texts read that are not known."""
        unknown = [text for text in texts if not self.texts.has(_key(text))]
        if not unknown:
            return
        if not isinstance(self.predictor, Reader):
            raise ModelError("The model cannot read captions.")
        for start in range(0, len(unknown), _AT_ONCE):
            self.tell(READING, start, len(unknown))
            part = unknown[start : start + _AT_ONCE]
            for text, features in zip(part, self.predictor.read(part), strict=True):
                self.texts.add(_key(text), features)

    def _features(self, texts: tuple[str, ...]) -> NDArray[np.float32]:
        """(texts, n): kept with the tile whose caption it is, kept as a text, or read now."""
        made = self.made
        with_tile = dict(zip(made.captions.tolist(), made.rows.tolist(), strict=True))
        rows = [with_tile.get(int(told_apart(text), 16)) for text in texts]
        others = [text for text, row in zip(texts, rows, strict=True) if row is None]
        self._read(others)
        read = self.texts.read() if others else None
        row_of = {} if read is None else dict(zip(read.tiles, read.rows.tolist(), strict=True))
        found = np.empty((len(texts), made.images.shape[1]), np.float32)
        if read is not None and read.images.shape[1] != found.shape[1]:
            raise ModelError(
                f"what is kept of captions is of another model. Delete {printable(str(self.texts.folder))}."
            )
        for place, (text, row) in enumerate(zip(texts, rows, strict=True)):
            if row is not None:
                found[place] = made.texts[row]
            elif read is not None:
                found[place] = read.images[row_of[_key(text)]]
        return found


def _key(text: str) -> TileId:
    return TileId(told_apart(text))

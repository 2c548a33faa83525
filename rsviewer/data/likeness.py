"""The tiles that are most like something: exactly among up to a million, by what an index proposes among more."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.nearest import nearest
from rsviewer.core.tile import TileId
from rsviewer.data.embeddings import Embeddings
from rsviewer.data.nearindex import INSTALL, NearIndex, is_installed

EXACT_UP_TO: Final = 1_000_000
"""Tiles among which a search looks at every one: 1 to 2 s."""


@dataclass(frozen=True, slots=True)
class Likest:
    """What was found.

    Attributes:
        tiles: the most alike first.
        cosines: of each, computed from what is kept of it.
        is_exact: every tile was looked at; else some of the last ones may have been missed.
        remark: what is in the way of a quicker search, a sentence; empty where nothing is.
    """

    tiles: tuple[TileId, ...]
    cosines: NDArray[np.float32]
    is_exact: bool = True
    remark: str = ""


def likest(
    made: Embeddings,
    query: NDArray[np.floating],
    count: int,
    index: NearIndex | None = None,
    among: NDArray[np.intp] | None = None,
) -> Likest:
    """The tiles whose images are most like a text or an image.

    Args:
        made: what is kept of the tiles.
        query: (n,) features, of length 1.
        count: tiles at most.
        index: of the same tables; None looks at every tile.
        among: which of the tiles are looked for, as places in `made.tiles`; all where there is None.

    Raises:
        ModelError: the tables are not of the model that made the query.
    """
    if query.shape != made.images.shape[1:]:
        raise ModelError(
            f"What is kept of the tiles has {made.images.shape[1]} features, and the model makes {query.size}: "
            "run rsviewer predict with --overwrite, which makes them ready anew."
        )
    rows = made.rows if among is None else made.rows[among]
    proposed, remark = None, ""
    if index is not None and len(rows) > EXACT_UP_TO:
        alive = np.zeros(len(made.images), bool)
        alive[rows] = True
        proposed = index.candidates(query, made.images, alive, count)
        remark = _remark(index)
    place_of = np.zeros(len(made.images), np.intp)
    place_of[rows] = np.arange(len(made.tiles)) if among is None else among
    looked_at = rows if proposed is None else proposed
    places, cosines = nearest(query, made.images, count, looked_at)
    tiles = tuple(made.tiles[place] for place in place_of[looked_at[places]].tolist())
    return Likest(tiles, cosines, proposed is None, remark)


def wants_index(made: Embeddings, index: NearIndex) -> bool:
    """Whether there are so many tiles that an index is worth its making, which takes minutes, and there is none of them all."""
    return len(made.tiles) > EXACT_UP_TO and is_installed() and not index.is_whole(made.images)


def features_of(made: Embeddings, tile: TileId) -> NDArray[np.float16] | None:
    """What is kept of the image of a tile; None where nothing is."""
    place = next((place for place, name in enumerate(made.tiles) if name == tile), None)
    if place is None:
        return None
    features: NDArray[np.float16] = np.asarray(made.images[made.rows[place]])
    return features


def _remark(index: NearIndex) -> str:
    if not is_installed():
        return f"Searching more than {EXACT_UP_TO:,} tiles is quicker with an index: {INSTALL}."
    if index.faults:
        return f"{index.faults[0]} is no index of these tiles: every tile was looked at instead."
    return ""

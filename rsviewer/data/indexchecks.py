"""What the checks said of the tiles, in the tables of the index: scores, notes, traits, thresholds, suspicions.

By the tiles' names, so that all of it outlives a new build of the index, as scores of models do (`index.record_scores`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.suspicion import Examined, Reason, Threshold
from rsviewer.core.tile import TileId

RULES = 1
"""Raised when a check is changed so that its scores mean something else: tiles are then examined again."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What `CheckBook.judge` has done.

    Attributes:
        tiles: examined ones.
        suspicious: of these, see `core.checks.suspicion.SUSPICIOUS`.
        by_check: check -> tiles that it makes suspicious.
    """

    tiles: int
    suspicious: int
    by_check: Mapping[str, int]


class CheckBook:
    """The checks of one index: `TileIndex.checks`. Every method may be called from every thread, as those of the index."""

    def record(self, examined: Iterable[Examined]) -> None:
        """Files what was found on some hundreds of tiles; what was known of the same tiles and checks is replaced."""
        raise NotImplementedError

    def known(self, checks: Sequence[str]) -> NDArray[np.bool_]:
        """(len(index),) True for tiles that all of these checks have looked at, by the rules that hold now.

        A tile counts as looked at by a check that applies to nothing in it, and so does one that could not be examined.
        """
        raise NotImplementedError

    def judge(
        self,
        refuted: Mapping[TileId, Sequence[str]],
        confirm: Callable[[Sequence[tuple[int, int]]], Sequence[float]] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Judged:
        """Estimates the thresholds, asks the checks of the whole dataset, and gives every examined tile its suspicion.

        Can be called while results still come in; the columns of filters change at once. Takes seconds for millions: for a
        worker. Raises StoppedError.

        Args:
            refuted: tile -> checks that a person has refuted there.
            confirm: pairs of ordinals of tiles that may be the same picture -> how alike they are, 0..1; it reads them. None
                believes their hashes.
            stop: asked now and then.
        """
        raise NotImplementedError

    def refute(self, tile: TileId, checks: Sequence[str]) -> None:
        """Takes in at once which checks are refuted on a tile: all that are, not only new ones."""
        raise NotImplementedError

    def suspicion(self, tile: TileId) -> float | None:
        """0..1; None where the tile was not judged yet."""
        raise NotImplementedError

    def reasons(self, tile: TileId) -> tuple[Reason, ...]:
        """Why a tile is suspicious, the most certain first: checks above their threshold, refuted ones last."""
        raise NotImplementedError

    def thresholds(self) -> tuple[Threshold, ...]:
        """In the order of the checks, by group."""
        raise NotImplementedError

    def partners(self, tile: TileId) -> Mapping[str, tuple[TileId, ...]]:
        """Check -> other tiles it is about: those that this one duplicates or overlaps."""
        raise NotImplementedError

"""Tiles into files, from the window: what would be done, and the work in the background."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.converting.running import Conversion, Preview
from rsviewer.batch.crew import Crew, Here
from rsviewer.batch.indexed import Indexed
from rsviewer.core.errors import StoppedError
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.conversions import Field, Kind, StyleOf, Values

FEW: Final = 8
"""Up to so many tiles no process is started for them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants converted.

    Attributes:
        kind: how.
        values: of those of its fields that count.
        places: of the tiles, in the index; None for the current tile.
        entry: the current tile, for that.
        out: the folder.
        overwrite: replace what is there.
        with_dropped: dropped tiles, too.
    """

    kind: Kind
    values: Values
    places: NDArray[np.integer] | None
    entry: TileEntry | None
    out: Path
    overwrite: bool = False
    with_dropped: bool = True


class Converting:
    """Looks ahead and converts.

    Args:
        dataset, index: whose tiles.
        decisions: what was decided; only read.
        jobs: run the work.
        crew: makes those who do it, for many tiles.
        style_of: how a layer is shown in the panes.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        decisions: Mapping[TileId, Decision],
        jobs: Jobs,
        crew: Callable[[], Crew],
        style_of: StyleOf,
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._decisions = decisions
        self._jobs = jobs
        self._crew = crew
        self._style_of = style_of

    def why_not(self, kind: Kind) -> str:
        """Why a conversion cannot be done with this dataset, in a sentence; empty where it can."""
        return kind.why_not(self._dataset)

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        """What is asked for it."""
        return kind.fields(self._dataset, self._style_of)

    def look_ahead(self, wish: Wish) -> Preview:
        """What would be done. For a worker. Raises RsviewerError, which says why it would not be."""
        tiles, left_out = self._tiles(wish)
        found = wish.kind.preview(self._dataset, tiles, self._order(wish))
        return replace(found, left_out=left_out)

    def start(
        self,
        wish: Wish,
        done: Callable[[Conversion], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> Job:
        """Converts in the background; the job can be stopped, and goes on when it is started again."""
        return self._jobs.start(f"Converting: {wish.kind.title}", lambda job: self._run(wish, job), done, failed)

    def _run(self, wish: Wish, job: Job) -> Conversion:
        def report(done: int, total: int | None) -> None:
            job.progress(done, total)
            if job.stop.is_set():
                raise StoppedError("Stopped. What was written is whole; converting again goes on from there.")

        tiles, left_out = self._tiles(wish)
        crew = Here() if len(tiles) <= FEW else self._crew()
        found = wish.kind.convert(self._dataset, tiles, self._order(wish), left_out, crew, report)
        return replace(found, left_out=left_out)

    def _order(self, wish: Wish) -> Any:
        return wish.kind.order(wish.values, wish.out, wish.overwrite, self._style_of)

    def _tiles(self, wish: Wish) -> tuple[Collection[TileEntry], tuple[TileId, ...]]:
        """Those that are converted, and those that are left out since they were dropped."""
        dropped = set[TileId]()
        if not wish.with_dropped:
            dropped = {tile for tile, each in self._decisions.items() if each.verdict is Verdict.DROP}
        if wish.places is None:
            entries = [] if wish.entry is None else [wish.entry]
            kept = [entry for entry in entries if entry.id not in dropped]
            return kept, tuple(entry.id for entry in entries if entry.id in dropped)
        places = wish.places[self._index.have_files()[wish.places]]
        if not dropped:
            return Indexed(self._index, places), ()
        at = self._index.ordinals_of(dropped)
        out = np.isin(places, list(at.values()))
        by_place = {place: tile for tile, place in at.items()}
        left_out = tuple(by_place[int(place)] for place in places[out])
        return Indexed(self._index, places[~out]), left_out

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
from rsviewer.data.relayout.planning import TileOfLine
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.conversions import Field, Kind, Material, StyleOf, Values

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
        tile_of_line: see `DatasetAdapter.tile_of_line`.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        decisions: Mapping[TileId, Decision],
        jobs: Jobs,
        crew: Callable[[], Crew],
        style_of: StyleOf,
        tile_of_line: TileOfLine,
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._decisions = decisions
        self._jobs = jobs
        self._crew = crew
        self._style_of = style_of
        self._tile_of_line = tile_of_line

    def why_not(self, kind: Kind) -> str:
        """Why a conversion cannot be done with this dataset, in a sentence; empty where it can."""
        return kind.why_not(self._dataset)

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        """What is asked for it."""
        return kind.fields(self._dataset, self._style_of)

    def looking_ahead(self, wish: Wish) -> Callable[[], Preview]:
        """What finds out what would be done, as layers are shown now; for a worker.

        It raises RsviewerError, which says why it would not be.
        """
        order = self._order(wish)

        def find_out() -> Preview:
            given = self._material(wish)
            found = wish.kind.preview(given, order)
            return replace(found, left_out=tuple(entry.id for entry in given.left_out))

        return find_out

    def start(
        self,
        wish: Wish,
        done: Callable[[Conversion], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> Job:
        """Converts in the background, as layers are shown now; the job can be stopped, and goes on when started again."""
        order = self._order(wish)
        return self._jobs.start(f"Converting: {wish.kind.title}", lambda job: self._run(wish, order, job), done, failed)

    def _run(self, wish: Wish, order: Any, job: Job) -> Conversion:
        def report(done: int, total: int | None) -> None:
            job.progress(done, total)
            if job.stop.is_set():
                raise StoppedError("Stopped. What was written is whole; converting again goes on from there.")

        given = self._material(wish)
        crew = Here() if len(given.tiles) <= FEW else self._crew()
        found = wish.kind.convert(given, order, crew, report)
        return replace(found, left_out=tuple(entry.id for entry in given.left_out))

    def _order(self, wish: Wish) -> Any:
        return wish.kind.order(wish.values, wish.out, wish.overwrite, self._style_of)

    def _material(self, wish: Wish) -> Material:
        """Those that are converted, and those that are left out since they were dropped."""
        decisions = dict(self._decisions)
        dropped = set[TileId]()
        if not wish.with_dropped:
            dropped = {tile for tile, each in decisions.items() if each.verdict is Verdict.DROP}
        tiles: Collection[TileEntry]
        left_out: Collection[TileEntry] = ()
        if wish.places is None:
            here = [] if wish.entry is None else [wish.entry]
            tiles = [entry for entry in here if entry.id not in dropped]
            left_out = [entry for entry in here if entry.id in dropped]
        else:
            places = wish.places[self._index.have_files()[wish.places]]
            is_out = np.isin(places, list(self._index.ordinals_of(dropped).values()))
            tiles, left_out = Indexed(self._index, places[~is_out]), Indexed(self._index, places[is_out])
        return Material(self._dataset, tiles, left_out, decisions, self._tile_of_line)

"""Tiles that are like a text or like another tile: the queue becomes the best of them, by what a model that reads has kept."""

from collections.abc import Callable
from contextlib import closing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.predicting import Predicted, predict_all
from rsviewer.core.errors import ModelError
from rsviewer.core.nearest import nearest
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset
from rsviewer.data.embeddings import Embeddings
from rsviewer.data.index import TileIndex
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.finding import Finding
from rsviewer.workspace.predicting import Predicting

SEARCH: Final = "search"
"""Stands in the index where models stand."""
FILTER: Final = "search_nearness > -2"
SORT: Final = "search_nearness desc"
BEST: Final = 500
"""Tiles that are found."""
AT_ONCE: Final = 20_000
"""Tiles that are listed at once while all are made ready."""
SEARCHING: Final = "Searching"
PREPARING: Final = "Making tiles ready to be found"
NOT_READY: Final = "No tile is ready to be found yet: make them ready below, or run rsviewer predict with this model."
CHOOSE: Final = "Choose a model that reads, and wait until it is checked. Nothing is found in a read-only window."


class Likeness:
    """Searches by features. Lives on the owner's thread; the work is done in jobs.

    Args:
        dataset, index: whose tiles.
        predicting: has the model.
        finding: shows what was found.
        jobs: where the work is done.
        say: puts a sentence into the status bar.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        predicting: Predicting,
        finding: Finding,
        jobs: Jobs,
        say: Callable[[str], None],
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._predicting = predicting
        self._finding = finding
        self._jobs = jobs
        self._say = say

    @property
    def is_shown(self) -> bool:
        """Whether the queue is what was found."""
        return self._finding.filter == FILTER

    def like_words(self, words: str) -> None:
        """The queue becomes the tiles that are most like a text, the nearest first."""
        text = " ".join(words.split())
        if text:
            self._search(f"like “{text}”", lambda _: self._predicting.read((text,))[0])

    def like_tile(self, tile: TileId) -> None:
        """The queue becomes the tiles that are most like one of them, which comes first."""

        def features(made: Embeddings) -> NDArray[np.floating]:
            place = next((place for place, name in enumerate(made.tiles) if name == tile), None)
            if place is None:
                raise ModelError("This tile is not ready: predict it first.")
            return np.asarray(made.images[place], np.float32)

        self._search("like this one", features)

    def show_all(self) -> None:
        """The queue is all tiles again."""
        if self.is_shown:
            self._finding.choose("", "")

    def prepare(self) -> None:
        """Makes all tiles ready to be found, in the background. Stopped and asked again, it goes on."""
        if any(job.title == PREPARING for job in self._jobs.running):
            return
        if self._predicting.features is None:
            self._say(CHOOSE)
            return
        self._jobs.start(PREPARING, self._prepare, self._prepared)

    def _search(self, told: str, query: Callable[[Embeddings], NDArray[np.floating]]) -> None:
        store = self._predicting.features
        if store is None:
            self._say(CHOOSE)
            return

        def work(_: Job) -> tuple[int, int]:
            made = store.read()
            if made is None:
                raise ModelError(NOT_READY)
            places, cosines = nearest(query(made), made.images, BEST)
            found = {
                made.tiles[place]: {"nearness": float(cosine)} for place, cosine in zip(places, cosines, strict=True)
            }
            self._index.record_scores(SEARCH, SEARCH, found, anew=True)
            return len(found), len(self._index) - len(made.tiles)

        def done(said: tuple[int, int]) -> None:
            found, missing = said
            self._finding.choose(FILTER, SORT, from_start=True)
            rest = f" {missing:,} tiles are not ready to be found yet." if missing > 0 else ""
            self._say(f"The {found:,} tiles most {told}, the nearest first.{rest}")

        self._jobs.start(SEARCHING, work, done)

    def _prepare(self, job: Job) -> Predicted | None:
        """What became of the last part; None where the user wants no more."""
        work = self._predicting.work()
        if work is None:
            raise ModelError(CHOOSE)
        plan, engine, store = work

        class StoppedError(Exception):
            """The user wants no more."""

        result = None
        total = len(self._index)
        with closing(engine):
            for start in range(0, total, AT_ONCE):
                entries = self._index.entries(range(start, min(start + AT_ONCE, total)))
                todo = [entry for entry in entries if not store.has(entry.id)]
                before = start + len(entries) - len(todo)

                def progress(done: int, _: int | None, before: int = before) -> None:
                    job.progress(before + done, total)
                    if job.stop.is_set():
                        raise StoppedError

                try:
                    progress(0, None)
                    if todo:
                        result = predict_all(
                            *(self._dataset, self._index, todo, plan.card, plan.fingerprint, engine),
                            references=dict.fromkeys(plan.references),
                            progress=progress,
                            embeddings=store,
                        )
                except StoppedError:
                    return None
        return result

    def _prepared(self, result: Predicted | None) -> None:
        if result is not None and result.failed:
            first = result.failed[0]
            self._say(f"{len(result.failed):,} tiles could not be made ready, first {first.tile}: {first.message}")
        else:
            self._say("All tiles are ready to be found.")

"""Tiles that are like a text or like another tile: the queue becomes the best of them, by what a model that reads has kept."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.predicting import predict_all, unseen
from rsviewer.batch.remarks import Failure
from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.tile import TileId, printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.embeddings import Embeddings, EmbeddingStore
from rsviewer.data.index import TileIndex
from rsviewer.data.likeness import features_of, likest, wants_index
from rsviewer.data.nearindex import NearIndex
from rsviewer.data.settings import FoundAlike
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.finding import NEARNESS, Finding
from rsviewer.workspace.predicting import Predicting
from rsviewer.workspace.session import SessionKeeper

SEARCH: Final = "search"
"""Stands in the index where models stand."""
FILTER: Final = f"{NEARNESS} > -2"
SORT: Final = f"{NEARNESS} desc"
BEST: Final = 500
"""Tiles that are found."""
AT_ONCE: Final = 20_000
"""Tiles that are listed at once while all are made ready."""
SEARCHING: Final = "Searching"
PREPARING: Final = "Making tiles ready to be found"
INDEXING: Final = "Making an index of the tiles"
NOT_READY: Final = (
    "No tile is ready to be found yet: make them ready in the model panel, or run rsviewer predict with this model."
)
READ_ONLY: Final = "This window is read-only: tiles are made ready in a window that may write, or by rsviewer predict."
UNNAMED: Final = "The names of the tiles are still being read: search again when they are there."
OTHER_MODEL: Final = "Another model was chosen in the meantime: search again."
CHOOSE: Final = "Choose a model that reads in the model panel, such as SkyCLIP, and wait until it is checked."


@dataclass(frozen=True, slots=True)
class _Said:
    """What to tell of a search: what was found, how many tiles are not ready, a remark, and whether an index is to be made."""

    found: FoundAlike
    missing: int
    remark: str
    wants_index: bool


class Likeness:
    """Searches by features. Lives on the owner's thread; the work is done in jobs.

    Args:
        dataset, index: whose tiles.
        predicting: has the model.
        finding: shows what was found.
        keeper: remembers it, also for the next window.
        jobs: where the work is done.
        say: puts a sentence into the status bar.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        predicting: Predicting,
        finding: Finding,
        keeper: SessionKeeper,
        jobs: Jobs,
        say: Callable[[str], None],
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._predicting = predicting
        self._finding = finding
        self._keeper = keeper
        self._jobs = jobs
        self._say = say
        self._near: NearIndex | None = None
        self._remarked: set[str] = set()
        self._unindexed: set[Path] = set()
        """Folders of which no index could be made: not tried again after every search."""
        self._searches = 0
        self._recording = threading.Lock()
        """Held by the search that puts what it found into the index."""

    def start(self) -> None:
        """Lets the queue be what was found in the last window, also where that window's index is not at hand."""
        alike = self._keeper.now.alike
        if 0 < len(alike.nearness) <= BEST and not any(column.name == NEARNESS for column in self._index.columns()):
            self._record(alike)

    @property
    def is_possible(self) -> bool:
        """Whether the chosen model reads, so that there may be something to search."""
        return self._predicting.features is not None

    @property
    def is_shown(self) -> bool:
        """Whether the queue is what was found, or some of it."""
        return NEARNESS in self._finding.filter

    def words(self, tile: TileId) -> str:
        """How near a tile is to what was looked for; empty where the queue is not what was found, or it is not among that."""
        alike = self._keeper.now.alike
        nearness = alike.nearness.get(tile) if self.is_shown else None
        return "" if nearness is None else f"{nearness:.3f} {alike.told}"

    def like_words(self, words: str) -> None:
        """The queue becomes the tiles that are most like a text, the nearest first."""
        text = " ".join(words.split())
        if text:
            self._search(f"like “{text}”", lambda _: self._predicting.read((text,))[0])

    def like_tile(self, tile: TileId) -> None:
        """The queue becomes the tiles that are most like one of them, which comes first."""

        def features(made: Embeddings) -> NDArray[np.floating]:
            features = features_of(made, tile)
            if features is None:
                raise ModelError("This tile is not ready to be compared: run the model on it (I) first.")
            return features

        self._search(f"like {printable(tile)}", features)

    def like_this(self) -> None:
        """The queue becomes the tiles that are most like the current one."""
        tile = self._finding.tile
        if tile is not None:
            self.like_tile(tile)

    def show_all(self) -> None:
        """The queue is all tiles again."""
        if self.is_shown:
            self._finding.choose("", "")

    def prepare(self) -> None:
        """Makes all tiles ready to be found, in the background. Stopped and asked again, it goes on."""
        if any(job.title == PREPARING for job in self._jobs.running):
            return
        if self._predicting.features is None or self._predicting.is_read_only:
            self._say(READ_ONLY if self._predicting.is_read_only else CHOOSE)
            return
        self._jobs.start(PREPARING, self._prepare, self._prepared)

    def _search(self, told: str, query: Callable[[Embeddings], NDArray[np.floating]]) -> None:
        store = self._predicting.features
        if store is None or not self._finding.is_complete:
            self._say(CHOOSE if store is None else UNNAMED)
            return
        near = self._near_of(store)
        self._searches += 1
        search = self._searches

        def work(job: Job) -> _Said | None:
            try:
                made = store.read(job.stop.is_set)
            except StoppedError:
                return None
            places = self._there(made)
            if made is None or not len(places):
                raise ModelError(READ_ONLY if self._predicting.is_read_only else NOT_READY)
            asked = query(made)
            if self._predicting.features is not store:  # its features are no others' ones
                raise ModelError(OTHER_MODEL)
            best = likest(made, asked, BEST, near, places)
            if not best.tiles:
                raise ModelError("What is kept of the tiles are no numbers: run rsviewer predict with --overwrite.")
            found = FoundAlike(told, dict(zip(best.tiles, best.cosines.tolist(), strict=True)))
            with self._recording:
                if search != self._searches:
                    return None  # something else was looked for since
                self._record(found)
            missing = max(0, len(self._index) - len(places))
            return _Said(found, missing, best.remark, wants_index(made, near))

        def done(said: _Said | None) -> None:
            if said is None or search != self._searches:
                return
            self._keeper.change(alike=said.found)
            self._finding.choose(FILTER, SORT, from_start=True, search="")
            words = [f"The {len(said.found.nearness):,} tiles most {told}, the nearest first."]
            if said.missing:
                words.append(f"Not ready to be found yet: {said.missing:,}.")
            if said.remark and said.remark not in self._remarked:
                self._remarked.add(said.remark)
                words.append(said.remark)
            self._say(" ".join(words))
            if said.wants_index and not self._predicting.is_read_only and store.folder not in self._unindexed:
                self._make_index(store, near)

        self._jobs.start(SEARCHING, work, done)

    def _there(self, made: Embeddings | None) -> NDArray[np.intp]:
        """The places of the tiles that the dataset still has."""
        return np.flatnonzero(self._index.has_each(made.tiles)) if made is not None else np.zeros(0, np.intp)

    def _record(self, found: FoundAlike) -> None:
        scores = {tile: {"nearness": cosine} for tile, cosine in found.nearness.items()}
        self._index.record_scores(SEARCH, SEARCH, scores, anew=True)

    def _near_of(self, store: EmbeddingStore) -> NearIndex:
        if self._near is None or self._near.folder != store.folder:
            self._near = NearIndex(store.folder)
        return self._near

    def _make_index(self, store: EmbeddingStore, near: NearIndex) -> None:
        """In the background: until it is there, searches look at every tile. Stopped, it goes on after the next search."""

        def work(job: Job) -> bool:
            def tell(done: int, total: int) -> None:
                job.progress(done, total)
                if job.stop.is_set():
                    raise StoppedError("The index was stopped.")

            made = store.read()
            if made is None:
                return False
            try:
                near.build(made.images, tell)
            except StoppedError:
                return False
            return True

        def done(is_made: bool) -> None:
            if is_made:
                self._say("The index is made: from now on, searches take a moment.")

        def failed(why: str) -> None:
            self._unindexed.add(store.folder)
            self._say(why)

        if not any(job.title == INDEXING for job in self._jobs.running):
            self._jobs.start(INDEXING, work, done, failed)

    def _prepare(self, job: Job) -> list[Failure]:
        """Tiles that could not be made ready. Whether it was stopped is known to the job."""
        work = self._predicting.work()
        if work is None:
            raise ModelError(CHOOSE)
        plan, engine, store = work

        failures: list[Failure] = []
        total = len(self._index)
        with closing(engine), closing(store):  # it may be nobody else's by then
            for start in range(0, total, AT_ONCE):
                entries = self._index.entries(range(start, min(start + AT_ONCE, total)))
                todo = unseen(self._dataset, plan.card, entries, store)
                before = start + len(entries) - len(todo)

                def progress(done: int, _: int | None, before: int = before) -> None:
                    job.progress(before + done, total)
                    if job.stop.is_set():
                        raise StoppedError("Making tiles ready was stopped.")

                try:
                    progress(0, None)
                    if todo:
                        failures += predict_all(
                            *(self._dataset, self._index, todo, plan.card, plan.fingerprint, engine),
                            references=dict.fromkeys(plan.references),
                            progress=progress,
                            embeddings=store,
                        ).failed
                except StoppedError:
                    break
        return failures

    def _prepared(self, failed: Sequence[Failure]) -> None:
        if failed:
            first = failed[0]
            self._say(f"Could not be made ready: {len(failed):,}, first {printable(first.tile)}: {first.message}")
        else:
            self._say("All tiles are ready to be found.")

"""From the names of the tiles to the queue: which tiles there are, which of them satisfy the filter, in which order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.locating import locate_all
from rsviewer.batch.measuring import Measured, measure_all, unmeasured
from rsviewer.core.errors import DatasetNotFoundError, StoppedError
from rsviewer.core.filters import columns_of, parse_filter, parse_sort
from rsviewer.core.review import Decision, Edit
from rsviewer.core.searching import both, search_filter
from rsviewer.core.tile import LayerKind, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.catalogue import place_name
from rsviewer.data.index import TileIndex
from rsviewer.workspace.background import Job, Jobs, Post
from rsviewer.workspace.filters import with_recent
from rsviewer.workspace.moments import Moments
from rsviewer.workspace.queue import Queue
from rsviewer.workspace.session import SessionKeeper

MEASURING = "Measuring all tiles"
LOCATING = "Locating all tiles"
READING_NAMES = "Reading the names of the tiles"
FILTERING = "Filtering"
NEARNESS = "search_nearness"
"""What a search by likeness has found: tiles without it are not lacking anything."""
NAMELESS = TileEntry(TileId(""), {})


@dataclass(frozen=True, slots=True)
class _Known:
    """What moving through the queue needs to know of every tile of the dataset.

    Attributes:
        undecided, flagged: one flag a tile, changed in place as decisions are made.
        groups: a number a tile, the same for those of a group; empty where there are no groups.
        looked_at: the decisions that the flags were made from.
        is_whole: False until the index was looked at: there may be groups, and decisions of earlier sessions.
    """

    undecided: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    groups: NDArray[np.int32]
    looked_at: Mapping[TileId, Decision]
    is_whole: bool = False

    @classmethod
    def nothing(cls, count: int) -> "_Known":
        """For `count` tiles that nobody has looked up yet."""
        return cls(np.ones(count, bool), np.zeros(count, bool), np.zeros(0, np.int32), {})


class Finding:
    """The tiles, the queue made of them, and those of it that are on the screen.

    Args:
        dataset, index: whose tiles these are, and where their names are kept.
        decisions: what was decided, always as it is now: filters ask for it.
        keeper: holds filter, order and the number of tiles shown.
        moments: which of its images over time each tile shows.
        jobs: where long work runs.
        post: calls functions back on the owner's thread.
        named: called when the tiles have got new names, before the queue is filled with them.
        filled: called whenever the queue has other tiles.
        say: puts a sentence into the status bar.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        decisions: Mapping[TileId, Decision],
        keeper: SessionKeeper,
        moments: Moments,
        jobs: Jobs,
        post: Post,
        *,
        named: Callable[[], None],
        filled: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._decisions = decisions
        self._keeper = keeper
        self._moments = moments
        self._jobs = jobs
        self._post = post
        self._named = named
        self._filled = filled
        self._say = say
        self._first_entries: list[TileEntry] = []
        self._on_screen: list[TileEntry] = []
        self._generation = index.generation
        self._known = _Known.nothing(0)
        self._is_first_session = not decisions
        self._query = 0
        self._search = ""
        self._row = 0
        self.queue = Queue()
        """The order of the tiles and the place in it."""

    # --- reading the names

    def start(self, then: Callable[[], None]) -> None:
        """Shows the tiles: at once where there is an index, and anew once the names are read where it was not fresh.

        `then` is called when all names are there.
        """
        if len(self._index):
            self._adopt(len(self._index))
        self._jobs.start(
            READING_NAMES,
            lambda job: self._look_up() if self._index.is_fresh() else self._build(job),
            lambda known: self._indexed(known, then),
        )

    def read_again(self, then: Callable[[], None]) -> None:
        """Reads all names anew. `then` is called when they are there."""
        self._jobs.start(READING_NAMES, self._build, lambda known: self._indexed(known, then))

    @property
    def is_complete(self) -> bool:
        """False until all names were read once."""
        return not self._first_entries and len(self._index) > 0

    @property
    def knows_decisions(self) -> bool:
        """False while it is not known yet which tiles were decided about in earlier sessions."""
        return self._known.is_whole or self._is_first_session

    @property
    def knows_groups(self) -> bool:
        """False while it is not known yet where the groups begin."""
        return self._known.is_whole

    @property
    def total(self) -> int:
        """How many tiles are known."""
        return len(self._known.undecided)

    @property
    def why_empty(self) -> str:
        """What to say where there is no tile to look at; empty where there is one."""
        if len(self.queue):
            return ""
        if any(job.title in (READING_NAMES, FILTERING) for job in self._jobs.running):
            return f"{READING_NAMES}…"
        if len(self._index):
            searched = f"No tile has {self._search!r} in its texts" if self._search else "No tile satisfies the filter"
            return f"{searched} and satisfies the filter." if self._search and self.filter else f"{searched}."
        root = place_name(self._dataset.root)
        return f"There is no tile in {root}: its folders hold no file that could be an image."

    def _build(self, job: Job) -> _Known:
        root = self._dataset.root
        if not self._dataset.tree.is_folder(str(root)):
            raise DatasetNotFoundError(
                f"The folder {place_name(root)} is not there any more: mount it again. The names read before are kept."
            )
        self._index.build(
            progress=job.progress,
            stop=job.stop.is_set,
            first=lambda entries: self._post(lambda: self._first(entries)),
        )
        return self._look_up()

    def _look_up(self) -> _Known:
        """What the queue needs of the index; for a worker."""
        decisions = dict(self._decisions)
        known = _Known.nothing(len(self._index))
        for tile, ordinal in self._index.ordinals_of(decisions).items():
            known.undecided[ordinal] = not decisions[tile].is_reviewed
            known.flagged[ordinal] = decisions[tile].is_flagged
        self._index.load_reviews(decisions)
        return replace(known, groups=self._index.group_numbers(), looked_at=decisions, is_whole=True)

    def _first(self, entries: list[TileEntry]) -> None:
        """The first names are read: something to look at until the index is complete."""
        if not len(self.queue):
            self._first_entries = entries
            self._moments.expect(entries)
            self._adopt(len(entries))

    def _adopt(self, count: int) -> None:
        """Shows tiles of which little is known yet, beginning where the user was."""
        self._take(_Known.nothing(count))
        self._return_to(self._keeper.now.tile)
        self._filled()

    def _indexed(self, known: _Known, then: Callable[[], None]) -> None:
        shown = self.tile or self._keeper.now.tile
        self._first_entries = []
        self._moments.expect(())
        self._named()
        self._take(known)
        self._return_to(shown)
        for tile, decision in self._decisions.items():
            if known.looked_at.get(tile) != decision:  # decided while the index was looked at
                self._mark(tile, decision)
                self._index.set_review(tile, decision)
        self._fill(shown, then)

    def _take(self, known: _Known) -> None:
        self._known = known
        self._generation = self._index.generation
        self.queue.fill(np.arange(len(known.undecided), dtype=np.int32))

    def _return_to(self, tile: TileId | None) -> None:
        ordinal = None if tile is None else self.ordinal_of(tile)
        at = None if ordinal is None else self.queue.find(ordinal)
        if at is not None:
            self.queue.move(at)

    # --- the tiles on the screen

    def shown(self) -> list[TileEntry]:
        """The tiles of the stack.

        They stay the same from the moment at which a worker puts new names into the index until the queue hears of it: a
        decision made in between belongs to the tile on the screen.
        """
        if self._first_entries or self._generation == self._index.generation:
            at = self.queue.at
            ordinals = self.queue.ordinals[at : at + self._keeper.now.stack]
            self._on_screen = [self._moments.shown(self.entry_at(int(ordinal))) for ordinal in ordinals]
        return self._on_screen

    @property
    def row(self) -> int:
        """Which row of the stack is the current one; 0 for one tile."""
        return min(self._row, max(0, min(self._keeper.now.stack, len(self.queue) - self.queue.at) - 1))

    def set_row(self, row: int) -> bool:
        """Makes another row the current one. Returns False where it is already."""
        if row == self._row:
            return False
        self._row = row
        return True

    @property
    def ordinal(self) -> int | None:
        """The current tile's place in the dataset; None in an empty queue."""
        return int(self.queue.ordinals[self.queue.at + self.row]) if len(self.queue) else None

    @property
    def entry(self) -> TileEntry | None:
        """Where the files of the current tile are; None in an empty queue."""
        shown = self.shown()
        return shown[min(self.row, len(shown) - 1)] if shown else None

    @property
    def tile(self) -> TileId | None:
        """The current tile; None in an empty queue."""
        entry = self.entry
        return None if entry is None else entry.id

    # --- any tile

    def entry_at(self, ordinal: int) -> TileEntry:
        """The tile at a place in the dataset; a nameless one while the names are just being read anew."""
        try:
            return self._first_entries[ordinal] if self._first_entries else self._index.entry(ordinal)
        except IndexError:
            return NAMELESS

    def ordinal_of(self, tile: TileId) -> int | None:
        """A tile's place in the dataset; None where there is no such tile (yet)."""
        if self._first_entries:
            return next((place for place, entry in enumerate(self._first_entries) if entry.id == tile), None)
        return self._index.ordinal_of(tile)

    def meant(self, text: str) -> list[int]:
        """Ordinals of tiles that a typed name or number may mean, best first."""
        return self._index.find(text)

    def spread(self, count: int) -> list[TileEntry]:
        """At most that many tiles, spread evenly over the dataset."""
        places = np.unique(np.linspace(0, max(0, len(self._index) - 1), count).astype(int)).tolist()
        return [self.entry_at(place) for place in places]

    def decided(self, tile: TileId, decision: Decision) -> None:
        """A tile was decided about: moving and filters shall know."""
        self._mark(tile, decision)
        if not self._first_entries:
            self._index.set_review(tile, decision)

    def decided_together(self, edits: Sequence[Edit]) -> None:
        """Several tiles were decided about in one step."""
        if len(edits) == 1 or self._first_entries:
            for edit in edits:
                self.decided(edit.tile, edit.after)
            return
        ordinals = self._index.ordinals_of(edit.tile for edit in edits)
        for edit in edits:
            self._mark_at(ordinals.get(edit.tile), edit.after)
            self._index.set_review(edit.tile, edit.after)

    def _mark(self, tile: TileId, decision: Decision) -> None:
        self._mark_at(self.ordinal if tile == self.tile else self.ordinal_of(tile), decision)

    def _mark_at(self, ordinal: int | None, decision: Decision) -> None:
        if ordinal is not None and ordinal < len(self._known.undecided):
            self._known.undecided[ordinal] = not decision.is_reviewed
            self._known.flagged[ordinal] = decision.is_flagged

    # --- positions worth going to

    def next_unreviewed(self) -> int | None:
        """Position of the next tile without a verdict, from the start again after the end; None where there is none."""
        return self.queue.seek(self._known.undecided, +1, wrap=True)

    def previous_flagged(self) -> int | None:
        """Position of the previous tile that was dropped, tagged or marked; None where there is none."""
        return self.queue.seek(self._known.flagged, -1, wrap=False)

    def next_group(self, direction: int) -> int | None:
        """Position of the next or previous group's first tile; None in a dataset without groups."""
        if not len(self._known.groups):
            return None
        return self.queue.group_start(self._known.groups, direction)

    # --- filter and order

    @property
    def filter(self) -> str:
        """The expression that the tiles of the queue satisfy; empty for all."""
        return self._keeper.now.filter

    @property
    def sort(self) -> str:
        """What the queue is sorted by; empty for the order of the dataset."""
        return self._keeper.now.sort

    def check(self, filter_: str, sort: str) -> None:
        """Raises FilterError, with a sentence that names the place, for an expression that cannot be understood."""
        columns = self._index.columns()
        parse_filter(filter_, columns)
        parse_sort(sort, columns)

    def choose(self, filter_: str, sort: str, *, from_start: bool = False, search: str | None = None) -> None:
        """Filters and sorts, and stays on the tile that is shown unless it shall be the first one.

        `search` replaces the words that the texts of the tiles must have besides; None leaves them.

        Raises FilterError for an expression that cannot be understood, and changes nothing then.
        """
        self.check(filter_, sort)
        recent = with_recent(self._keeper.now.recent_filters, filter_.strip())
        self._keeper.change(filter=filter_.strip(), sort=sort.strip(), recent_filters=recent)
        self._search = self._search if search is None else search.strip()
        self._fill(self.tile, from_start=from_start)

    @property
    def searchable(self) -> tuple[str, ...]:
        """The texts of the tiles that can be searched, by the names of their columns; empty where there are none."""
        texts = {str(spec.id) for spec in self._dataset.layers if spec.kind is LayerKind.TEXT}
        return tuple(column.name for column in self._index.columns() if column.name in texts)

    @property
    def search(self) -> str:
        """The words that the texts of the tiles of the queue have, besides what the filter asks for."""
        return self._search

    def look_for(self, words: str) -> None:
        """Searches the texts of the tiles."""
        if words.strip() != self._search:
            self._search = words.strip()
            self._fill(self.tile)

    @property
    def asked(self) -> str:
        """Filter and search together."""
        return self.asking(self.filter)

    def asking(self, filter_: str) -> str:
        """Another filter together with the search."""
        return both(filter_, search_filter(self._search, self.searchable) if self._search else "")

    def refresh(self) -> None:
        """Asks the filter again: decisions made since then count now."""
        self._fill(self.tile)

    def drop_filter(self) -> None:
        """All tiles again, in the order of the dataset. Whoever calls this goes to one of them, and tells that it is so."""
        self._search = ""
        self._keeper.change(filter="", sort="")
        self._query += 1  # a filter that is still being asked comes too late
        self.queue.fill(self._all())

    def measure(self) -> None:
        """Reads every tile once in the background, so that filters and sorting know its values.

        Stopped, it keeps what it has.
        """

        def done(measured: Measured | None) -> None:
            if measured is not None:
                tiles = measured.tiles + measured.known
                self._say(f"All {tiles:,} tiles are measured: filters and sorting know their values.")
                self.refresh()

        if not any(job.title == MEASURING for job in self._jobs.running):
            self._jobs.start(MEASURING, self._measure, done)

    def _measure(self, job: Job) -> Measured | None:
        class StoppedError(Exception):
            """The user wants no more."""

        def progress(done: int, total: int | None) -> None:
            job.progress(done, total)
            if job.stop.is_set():
                raise StoppedError

        try:
            return measure_all(self._index, self._dataset, threads=1, progress=progress)
        except StoppedError:
            return None

    def locate(self) -> None:
        """Reads the header of every tile once in the background, so that the map knows where the tiles lie.

        Stopped, it keeps what it has.
        """

        def done(located: tuple[int, int] | None) -> None:
            if located is not None:
                asked, placed = located
                told = f"{placed:,} of {asked:,} tiles say where they lie." if asked else "All tiles were asked before."
                self._say(told)
                self.refresh()

        if not any(job.title == LOCATING for job in self._jobs.running):
            self._jobs.start(LOCATING, self._locate, done)

    def _locate(self, job: Job) -> tuple[int, int] | None:
        def progress(done: int, total: int | None) -> None:
            job.progress(done, total)
            if job.stop.is_set():
                raise StoppedError("Locating was stopped.")

        try:
            return locate_all(self._index, self._dataset, threads=1, progress=progress)
        except StoppedError:
            return None

    def _all(self) -> NDArray[np.int32]:
        return np.arange(len(self._index), dtype=np.int32)

    def _fill(self, shown: TileId | None, then: Callable[[], None] = lambda: None, *, from_start: bool = False) -> None:
        """Asks filter and order for the queue, and stays on the tile that is on the screen by then, or goes to the first."""
        self._query += 1
        query, filter_, sort = self._query, self.asked, self.sort

        def select(_: Job) -> tuple[NDArray[np.int32], str]:
            return self._index.select(filter_, sort), self._unjudged(filter_, sort)

        def failed(why: str) -> None:
            if query == self._query:
                self._search = ""
                self._keeper.change(filter="", sort="")
                filled((self._all(), ""))
                self._say(f"All tiles are shown, since their filter or order cannot be used: {why}")

        def filled(found: tuple[NDArray[np.int32], str]) -> None:
            if query != self._query:
                then()
                return
            ordinals, unjudged = found
            here = self.tile or shown
            self.queue.fill(ordinals)
            if from_start:
                self._row = 0
                self.queue.move(0)
            else:
                self._return_to(here)
            self._filled()
            then()
            if unjudged:
                self._say(unjudged)

        if filter_ or sort:
            self._jobs.start(FILTERING, select, filled, failed)
        else:
            filled((self._all(), ""))

    def _unjudged(self, filter_: str, sort: str) -> str:
        """How many tiles an expression cannot judge: "not found" must not pass for an answer. Empty where it can judge all."""
        columns = self._index.columns()
        condition = parse_filter(filter_, columns)
        used = set() if condition is None else columns_of(condition)
        used |= {name for key in parse_sort(sort, columns) for name in columns_of(key.value)}
        total, sentences = f"of {len(self._index):,} tiles", []
        scored = {name for name in used if self._index.is_score(name)}
        asked = self._index.layers_of(used)
        layers = [spec for spec in self._dataset.layers if spec.id in asked]
        if layers and (count := len(unmeasured(self._index, layers))):
            sentences.append(f"{count:,} {total} are not measured yet, and so not found: Go > Measure all tiles.")
        for model, count in self._index.unscored(scored - {NEARNESS}).items():
            if count:
                sentences.append(f"{count:,} {total} have no score of {model} yet: Shift+I, or rsviewer predict.")
        return "  ".join(sentences)

"""What the user is looking at and deciding now: queue, cursor, view, styles, review. Every change is announced once."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Flag, auto
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.measuring import Measured, measure_all, unmeasured
from rsviewer.core.errors import DatasetNotFoundError, SaveError, SettingsError
from rsviewer.core.filters import columns_of, parse_filter, parse_sort
from rsviewer.core.readout import Position, Reading, position, readings
from rsviewer.core.render import Pixels, Range, value_range
from rsviewer.core.review import ANOMALIES, Anomaly, Decision, Edit, Region, Verdict, describe
from rsviewer.core.scene import Frame, Pane, Picture, Scene, View, compose, frame_of, placed
from rsviewer.core.style import RangeMode, Style, default_style
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.catalogue import rivals, tile_name
from rsviewer.data.looking import is_folder
from rsviewer.data.settings import Session
from rsviewer.workspace.background import Job, Jobs, Post, Wanted
from rsviewer.workspace.opening import Opened
from rsviewer.workspace.pictures import ContentKey, Look, Pictures, Thumbnail, Wish
from rsviewer.workspace.queue import Queue
from rsviewer.workspace.review import ReviewBook, Saved

log = logging.getLogger(__name__)

AHEAD = 8
BEHIND = 2
STACK_MOST = 4
JUMP = 100
"""S and W move by this many tiles where the dataset has no groups (as << and >> of RS3DBench's viewer do)."""
SHARE_FOR_AHEAD = 0.5
"""Of the cache, for tiles read ahead; the rest remembers where the user has been."""
REMEMBERED_WISHES = 64
SAMPLED_TILES = 48
"""Tiles read to learn the range of a layer over the dataset."""


MEASURING = "Measuring all tiles"
READING_NAMES = "Reading the names of the tiles"
FILTERING = "Filtering"
NAMELESS = TileEntry(TileId(""), {})


class Changed(Flag):
    """What a listener should look at again."""

    TILE = auto()
    PICTURE = auto()
    DECISION = auto()
    PREDICTION = auto()
    VIEW = auto()
    QUEUE = auto()
    STATUS = auto()


@dataclass(frozen=True, slots=True)
class Status:
    """What the status bar always says.

    Attributes:
        tile, group, splits: of the current tile.
        position: 1-based place in the queue; 0 in an empty queue.
        queue, total: tiles in the queue and in the dataset.
        decision: of the current tile.
        saved: whether everything decided is on disk.
        error: why not.
        reviewed, dropped: tiles decided so far in the whole dataset.
        per_minute: verdicts a minute over the last fifty; 0 while unknown.
        cache_bytes, cache_limit: memory for decoded tiles.
        ahead: layers still to be read or painted.
        jobs: what the background is doing.
        message: the last thing worth saying, e.g. "Undo: drop on tile_7".
    """

    tile: TileId | None
    group: str
    splits: tuple[str, ...]
    position: int
    queue: int
    total: int
    decision: Decision
    saved: Saved
    error: str
    reviewed: int
    dropped: int
    per_minute: float
    cache_bytes: int
    cache_limit: int
    ahead: int
    jobs: tuple[Job, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Readout:
    """Every layer at the cursor; empty where the cursor is not on a tile."""

    tile: TileId | None = None
    position: Position | None = None
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """What moving through the queue needs to know of every tile of the dataset.

    Attributes:
        decided, flagged: one flag a tile, changed in place as decisions are made.
        group_firsts: ordinal of the first tile of each group, ascending.
        looked_at: the decisions that the flags were made from.
    """

    decided: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    group_firsts: NDArray[np.int64]
    looked_at: Mapping[TileId, Decision]

    @classmethod
    def nothing(cls, count: int) -> "_Known":
        """For `count` tiles that nobody has looked up yet."""
        return cls(np.zeros(count, bool), np.zeros(count, bool), np.zeros(0, np.int64), {})


class Workspace:
    """One opened dataset under review. Lives on one thread (the GUI's); only its pictures and jobs are made elsewhere.

    Args:
        opened: what `opening.open_path` found.
        post: calls functions back on the owner's thread.
        threads: readers; 0 for tests, which call `step()`.
        cache_bytes: limit of the cache of decoded tiles.
        anomalies: the tags on keys 1 to 9.
        reviewer: whose decisions these are.
        threaded_jobs: False runs long work inside the call, for tests and commands.
    """

    def __init__(
        self,
        opened: Opened,
        post: Post,
        *,
        threads: int,
        cache_bytes: int,
        reviewer: str,
        anomalies: Sequence[Anomaly] = ANOMALIES,
        threaded_jobs: bool = True,
    ) -> None:
        self.opened = opened
        self.dataset = opened.dataset
        self.index = opened.index
        self.anomalies = tuple(anomalies)
        self.review = ReviewBook(
            opened.decisions,
            opened.history.done,
            opened.history.undone,
            opened.store,
            reviewer=reviewer,
            clock=opened.clock,
            why_read_only=opened.why_read_only,
        )
        self.jobs = Jobs(post, lambda: self._notify(Changed.STATUS), self._job_failed, threaded=threaded_jobs)
        self._post = post
        self._pictures = Pictures(
            opened.read,
            opened.color_table,
            post,
            self._arrived,
            self._thumbnail_arrived,
            limit=cache_bytes,
            threads=threads,
        )
        self._saver: Wanted[int, None] = Wanted(
            "session", self._write_session, lambda version: version <= self._saved_version, self._session_saved,
            1 if threaded_jobs else 0,
        )  # fmt: skip
        self._listeners: list[Callable[[Changed], None]] = []
        self._queue = Queue()
        self._first_entries: list[TileEntry] = []
        self._on_screen: list[TileEntry] = []
        self._generation = opened.index.generation
        self._known = _Known.nothing(0)
        self._session = opened.session
        self._session_version = 0
        self._saved_version = 0
        self._samples: dict[LayerId, Range] = {}
        self._looks: dict[tuple[Style, Range | None, bool], Look] = {}
        self._wishes: dict[TileId, list[Wish]] = {}
        self._held: dict[Wish, object] = {}
        self._cursor: tuple[int, int] | None = None
        self._row = 0
        self._blink = False
        self._message = ""
        self._awaited = ""
        self._last_tag = self.anomalies[-1].tag if self.anomalies else "other"
        self._verdict_times: deque[float] = deque(maxlen=50)
        self._query = 0
        self._tile_nbytes = 0
        self.hurried = False
        """True while a key is held: work that only pleases the eye at rest is left out."""

    # --- who listens

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Calls `listener` on every change. Returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _notify(self, changed: Changed) -> None:
        for listener in list(self._listeners):
            listener(changed)

    def say(self, message: str) -> None:
        """Puts a sentence into the status bar."""
        self._message = message
        self._notify(Changed.STATUS)

    def _job_failed(self, why: str) -> None:
        self.say(why)
        self._notify(Changed.QUEUE)

    # --- from opening to closing

    def start(self) -> None:
        """Shows the tiles: at once where there is an index, and anew once the names are read where it was not fresh."""
        if len(self.index):
            self._adopt(_Known.nothing(len(self.index)), np.arange(len(self.index), dtype=np.int32))
        self.jobs.start(
            READING_NAMES, lambda job: self._look_up() if self.index.is_fresh() else self._build(job), self._indexed
        )

    def take_preferences(self, *, cache_bytes: int, anomalies: Sequence[Anomaly], reviewer: str) -> None:
        """Other preferences, from now on."""
        self._pictures.limit = cache_bytes
        self.anomalies = tuple(anomalies)
        self.review.reviewer = reviewer
        self._notify(Changed.DECISION | Changed.STATUS)

    def forget_pictures(self) -> None:
        """Reads every file anew from now on."""
        self._wishes.clear()
        self._pictures.forget()
        self._held.clear()

    def reload(self) -> None:
        """Reads all names and files anew."""
        self.forget_pictures()
        self.jobs.start(READING_NAMES, self._build, self._indexed)

    def close(self) -> None:
        """Ends the workers, writes session and decisions, and gives the project back."""
        self.jobs.close()
        self._pictures.close()
        self.save_session()
        while self._saver.step():
            pass
        self._saver.close()
        self.review.close()
        self.opened.close()

    def step(self) -> bool:
        """Does one piece of background work here; for tests, with `threads=0`."""
        return self._pictures.step()

    def _build(self, job: Job) -> "_Known":
        root = self.dataset.root
        if not is_folder(root):
            raise DatasetNotFoundError(
                f"The folder {tile_name(str(root))} is not there any more: mount it again. The names read before are kept."
            )
        self.index.build(
            progress=job.progress,
            stop=job.stop.is_set,
            first=lambda entries: self._post(lambda: self._first(entries)),
        )
        return self._look_up()

    def _look_up(self) -> "_Known":
        """What the queue needs of the index; for a worker."""
        decisions = dict(self.review.decisions)
        known = _Known.nothing(len(self.index))
        for tile, ordinal in self.index.ordinals_of(decisions).items():
            known.decided[ordinal] = decisions[tile].is_reviewed
            known.flagged[ordinal] = decisions[tile].is_flagged
        self.index.load_reviews(decisions)
        firsts = np.sort(np.asarray([first for _, _, first in self.index.groups()], np.int64))
        return replace(known, group_firsts=firsts, looked_at=decisions)

    def _first(self, entries: list[TileEntry]) -> None:
        """The first names are read: something to look at until the index is complete."""
        if not len(self._queue):
            self._first_entries = entries
            self._adopt(_Known.nothing(len(entries)), np.arange(len(entries), dtype=np.int32))

    def _adopt(self, known: "_Known", ordinals: NDArray[np.int32]) -> None:
        """Shows tiles of which little is known yet, beginning where the user was."""
        self._known = known
        self._generation = self.index.generation
        self._queue.fill(ordinals)
        self._return_to(self._session.tile)
        self._notify(Changed.QUEUE)
        self._tile_changed()

    def _indexed(self, known: "_Known") -> None:
        shown = self.tile or self._session.tile
        self._first_entries = []
        self._wishes.clear()
        self._known = known
        self._generation = self.index.generation
        self._queue.fill(np.arange(len(self.index), dtype=np.int32))
        self._return_to(shown)
        for tile, decision in self.review.decisions.items():
            if known.looked_at.get(tile) != decision:  # decided while the index was looked at
                self._mark(tile, decision)
                self.index.set_review(tile, decision)
        awaited, self._awaited = self._awaited, ""
        self._fill(shown)
        if awaited:
            self.start_at(awaited)

    def _return_to(self, tile: TileId | None) -> None:
        ordinal = None if tile is None else self._ordinal_of(tile)
        at = None if ordinal is None else self._queue.find(ordinal)
        if at is not None:
            self._queue.move(at)

    def _mark(self, tile: TileId, decision: Decision) -> None:
        ordinal = self.ordinal if tile == self.tile else self._ordinal_of(tile)
        if ordinal is not None and ordinal < len(self._known.decided):
            self._known.decided[ordinal] = decision.is_reviewed
            self._known.flagged[ordinal] = decision.is_flagged

    def _ordinal_of(self, tile: TileId) -> int | None:
        if self._first_entries:
            return next((place for place, entry in enumerate(self._first_entries) if entry.id == tile), None)
        return self.index.ordinal_of(tile)

    # --- the queue

    @property
    def queue(self) -> Queue:
        """The order of the tiles and the place in it. Change it through the workspace."""
        return self._queue

    @property
    def why_empty(self) -> str:
        """What to say where there is no tile to look at; empty where there is one."""
        if len(self._queue):
            return ""
        if any(job.title in (READING_NAMES, FILTERING) for job in self.jobs.running):
            return f"{READING_NAMES}…"
        if len(self.index):
            return "No tile satisfies the filter."
        return (
            f"There is no tile in {tile_name(str(self.dataset.root))}: its folders hold no file that could be an image."
        )

    @property
    def row(self) -> int:
        """Which row of a stack is the current one; 0 for one tile."""
        return min(self._row, max(0, min(self.stack, len(self._queue) - self._queue.at) - 1))

    def set_row(self, row: int) -> None:
        """Makes another row of the stack the current one (that under the mouse)."""
        if row != self._row:
            self._row = row
            self._notify(Changed.TILE | Changed.STATUS)

    @property
    def ordinal(self) -> int | None:
        """The current tile's place in the dataset; None in an empty queue."""
        return int(self._queue.ordinals[self._queue.at + self.row]) if len(self._queue) else None

    @property
    def entry(self) -> TileEntry | None:
        """Where the files of the current tile are; None in an empty queue."""
        shown = self._shown()
        return shown[min(self.row, len(shown) - 1)] if shown else None

    @property
    def tile(self) -> TileId | None:
        """The current tile; None in an empty queue."""
        entry = self.entry
        return None if entry is None else entry.id

    def entry_at(self, ordinal: int) -> TileEntry:
        """The tile at a place in the dataset; a nameless one while the names are just being read anew."""
        try:
            return self._first_entries[ordinal] if self._first_entries else self.index.entry(ordinal)
        except IndexError:
            return NAMELESS

    def go(self, step: int) -> None:
        """Moves by `step` tiles in the order of the queue, stopping at its ends."""
        self.go_to(self._queue.at + step)

    def go_to(self, at: int) -> None:
        """Moves to a position in the queue."""
        if self._queue.move(at):
            self._message = ""
            self._tile_changed()

    def show_tile(self, tile: TileId) -> bool:
        """Moves to a tile, taking the filter away where it hides the tile, and says so."""
        ordinal = self._ordinal_of(tile)
        if ordinal is None:
            self.say(f"{tile} is not in the dataset.")
            return False
        at = self._queue.find(ordinal)
        if at is None:
            self._change_session(filter="")
            self._queue.fill(np.arange(len(self.index), dtype=np.int32))
            self._notify(Changed.QUEUE)
            self.go_to(ordinal)
            self.say(f"The filter hid {tile}; it was taken away.")
            return True
        self.go_to(at)
        return True

    def start_at(self, text: str) -> None:
        """Goes to a tile named on the command line, once the names are read."""
        if self._first_entries or not len(self.index):
            self._awaited = text
            return
        ordinal = self.index.ordinal_of(TileId(text))
        found = [ordinal] if ordinal is not None else self.find(text)
        if found:
            self.show_tile(self.entry_at(found[0]).id)
        else:
            self.say(f"There is no tile {text} in this dataset.")

    def find(self, text: str) -> list[int]:
        """Ordinals of tiles that a typed name or number may mean, best first."""
        return self.index.find(text)

    def step_group(self, direction: int) -> None:
        """To the next or previous group's first tile; by 100 tiles where there are no groups."""
        if len(self._known.group_firsts) < 2:
            self.go(direction * JUMP)
        else:
            self.go_to(self._queue.group_start(self._known.group_firsts, direction))

    def next_unreviewed(self) -> None:
        """To the next tile without a verdict, from the start again after the end."""
        at = self._queue.seek(~self._known.decided, +1, wrap=True)
        if at is None:
            self.say("Every other tile of the queue has a verdict.")
        else:
            self.go_to(at)

    def previous_flagged(self) -> None:
        """To the previous tile that was dropped, tagged or marked."""
        at = self._queue.seek(self._known.flagged, -1, wrap=False)
        if at is None:
            self.say("No flagged tile before this one.")
        else:
            self.go_to(at)

    @property
    def filter(self) -> str:
        """The expression that the tiles of the queue satisfy; empty for all."""
        return self._session.filter

    @property
    def sort(self) -> str:
        """What the queue is sorted by; empty for the order of the dataset."""
        return self._session.sort

    def check_queue(self, filter_: str, sort: str) -> None:
        """Raises FilterError, with a sentence that names the place, for an expression that cannot be understood."""
        columns = self.index.columns()
        parse_filter(filter_, columns)
        parse_sort(sort, columns)

    def set_queue(self, filter_: str, sort: str) -> None:
        """Filters and sorts. Raises FilterError for an expression that cannot be understood, and changes nothing then."""
        self.check_queue(filter_, sort)
        self._change_session(filter=filter_.strip(), sort=sort.strip())
        self._fill(self.tile)

    def measure(self) -> None:
        """Reads every tile once in the background, so that filters and sorting know its values.

        Stopped, it keeps what it has.
        """

        class StoppedError(Exception):
            """The user wants no more."""

        def work(job: Job) -> Measured | None:
            def progress(done: int, total: int | None) -> None:
                job.progress(done, total)
                if job.stop.is_set():
                    raise StoppedError

            try:
                return measure_all(self.index, self.dataset, threads=1, progress=progress)
            except StoppedError:
                return None

        def done(measured: Measured | None) -> None:
            if measured is not None:
                self.say(
                    f"All {measured.tiles + measured.known:,} tiles are measured: filters and sorting know their values."
                )
                self.refresh_queue()

        if not any(job.title == MEASURING for job in self.jobs.running):
            self.jobs.start(MEASURING, work, done)

    def refresh_queue(self) -> None:
        """Asks the filter again: decisions made since then count now."""
        self._fill(self.tile)

    def _fill(self, shown: TileId | None) -> None:
        self._query += 1
        query, filter_, sort = self._query, self._session.filter, self._session.sort

        def select(_: Job) -> tuple[NDArray[np.int32], int]:
            return self.index.select(filter_, sort), self._count_unmeasured(filter_, sort)

        def failed(why: str) -> None:
            if query == self._query:
                self._change_session(filter="", sort="")
                filled((np.arange(len(self.index), dtype=np.int32), 0))
                self.say(f"All tiles are shown, since their filter or order cannot be used: {why}")

        def filled(found: tuple[NDArray[np.int32], int]) -> None:
            if query != self._query:
                return
            self._queue.fill(found[0])
            self._return_to(shown)
            self._notify(Changed.QUEUE)
            self._tile_changed()
            if found[1]:
                self.say(
                    f"{found[1]:,} of {len(self.index):,} tiles are not measured yet, and so not found: Go > Measure all tiles."
                )

        if filter_ or sort:
            self.jobs.start(FILTERING, select, filled, failed)
        else:
            filled((np.arange(len(self.index), dtype=np.int32), 0))

    def _count_unmeasured(self, filter_: str, sort: str) -> int:
        """Tiles that an expression cannot judge because nobody measured them: "not found" must not pass for an answer."""
        columns = self.index.columns()
        condition = parse_filter(filter_, columns)
        used = set() if condition is None else columns_of(condition)
        used |= {name for key in parse_sort(sort, columns) for name in columns_of(key.value)}
        layers = [spec for spec in self.dataset.layers if any(name.startswith(f"{spec.id}_") for name in used)]
        return len(unmeasured(self.index, layers)) if layers else 0

    # --- what is wanted

    @property
    def stack(self) -> int:
        """How many consecutive tiles are shown, one row each."""
        return self._session.stack

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """All layers of the dataset, in the user's order."""
        order = {layer: place for place, layer in enumerate(self._session.order)}
        known = sorted(self.dataset.layers, key=lambda spec: order.get(spec.id, len(order)))
        return tuple(known)

    def visible_layers(self, entry: TileEntry) -> tuple[LayerSpec, ...]:
        """The layers that are shown of a tile: those it has or should have, less those the user hid."""
        return (
            tuple(
                spec
                for spec in self.layers
                if spec.id not in self._session.hidden and (spec.id in entry.files or spec.id in entry.missing)
            )
            or self.layers[:1]
        )

    def _shown(self) -> list[TileEntry]:
        """The tiles of the stack.

        They stay the same from the moment at which a worker puts new names into the index until the queue hears of it: a
        decision made in between belongs to the tile on the screen.
        """
        if self._first_entries or self._generation == self.index.generation:
            at = self._queue.at
            self._on_screen = [self.entry_at(int(ordinal)) for ordinal in self._queue.ordinals[at : at + self.stack]]
        return self._on_screen

    def _wishes_of(self, entry: TileEntry) -> list[Wish]:
        """What is wanted of a tile. Remembered, since every step asks again for the tiles ahead."""
        wishes = self._wishes.get(entry.id)
        if wishes is None:
            if len(self._wishes) > REMEMBERED_WISHES:
                self._wishes.clear()
            overlay = self._overlay_wish(entry)
            wishes = [self._wish(entry, spec) for spec in self.visible_layers(entry)]
            self._wishes[entry.id] = wishes = wishes if overlay is None else [*wishes, overlay]
        return wishes

    def _wish(self, entry: TileEntry, spec: LayerSpec) -> Wish:
        path = entry.files.get(spec.id)
        absent = "" if path is not None else f"This tile has no file for {spec.title}."
        others = ", ".join(rivals(entry, spec.id)) if entry.duplicates else ""
        remark = f"not shown: {others} of the same tile" if others else ""
        return Wish(ContentKey(entry.id, spec.id), self._look(spec.id), spec, path, absent, remark)

    def _look(self, layer: LayerId) -> Look:
        style = self.style(layer)
        sample = self._samples.get(layer) if style.range_mode is RangeMode.DATASET else None
        return self._looks.setdefault((style, sample, False), Look(style, sample))

    def _restate_wishes(self) -> None:
        shown = self._shown()
        wishes = [wish for entry in shown for wish in self._wishes_of(entry)]
        room = int(self._pictures.limit * SHARE_FOR_AHEAD // self._tile_nbytes) if self._tile_nbytes else AHEAD
        ahead = min(AHEAD, max(0, room - len(shown)))
        for ordinal in self._queue.around(ahead + len(shown) - 1, min(BEHIND, ahead)):
            wishes += self._wishes_of(self.entry_at(ordinal))
        self._pictures.want([entry.id for entry in shown], wishes)

    def _tile_changed(self) -> None:
        self._restate_wishes()
        self._touch_session()
        self._notify(Changed.TILE | Changed.STATUS)

    def _looks_changed(self) -> None:
        self._wishes.clear()
        self._restate_wishes()
        self._touch_session()
        self._notify(Changed.VIEW | Changed.PICTURE)

    def _arrived(self, tile: TileId) -> None:
        if any(entry.id == tile for entry in self._shown()):
            self._notify(Changed.PICTURE)

    def _thumbnail_arrived(self) -> None:
        self._notify(Changed.STATUS)

    def want_thumbnails(self, places: Iterable[int]) -> None:
        """Small pictures of the tiles at some positions of the queue, once there is nothing better to do."""
        wishes = []
        for at in places:
            entry = self.entry_at(int(self._queue.ordinals[at]))
            spec = next(
                (spec for spec in self.layers if spec.kind is LayerKind.OPTICAL and spec.id in entry.files), None
            )
            spec = spec or next((spec for spec in self.layers if spec.id in entry.files), None)
            if spec is not None and spec.kind is not LayerKind.TEXT:
                wishes.append(Thumbnail(entry.id, spec, entry.files[spec.id]))
        self._pictures.want_thumbnails(wishes)

    def thumbnail(self, tile: TileId) -> Pixels | None:
        """A small picture of a tile; None where it is not there (yet)."""
        return self._pictures.thumbnail(tile)

    # --- what is shown

    @property
    def frame(self) -> Frame | None:
        """The pixel grid of the current tile; None while nothing of it was read."""
        entry = self.entry
        return None if entry is None else self._frame(entry)

    def _frame(self, entry: TileEntry) -> Frame | None:
        images_first = sorted(self.layers, key=lambda spec: (spec.kind is not LayerKind.OPTICAL, spec.date == "pre"))
        contents = ((spec, self._pictures.content(ContentKey(entry.id, spec.id))) for spec in images_first)
        return frame_of([(spec, content) for spec, content in contents if content is not None])

    def contents(self) -> list[tuple[LayerSpec, LayerContent | None]]:
        """What was read of every visible layer of the current tile; None where it is still to come."""
        entry = self.entry
        if entry is None:
            return []
        return [(spec, self._pictures.content(ContentKey(entry.id, spec.id))) for spec in self.visible_layers(entry)]

    @property
    def is_ready(self) -> bool:
        """True where all that `scene` shows is there. Cheap: the panes ask whenever something arrives."""
        return all(self._pictures.has(wish) for entry in self._shown() for wish in self._wishes_of(entry))

    def scene(self) -> Scene:
        """Everything the panes show now."""
        held: dict[Wish, object] = {}
        rows = []
        nbytes = 0
        for row, entry in enumerate(self._shown()):
            frame = self._frame(entry)
            panes: list[Pane] = []
            for wish in self._wishes_of(entry):
                if wish.is_overlay:
                    continue
                content = self._pictures.content(wish.content)
                painted = self._pictures.painted(wish)
                held[wish] = (content, painted)
                nbytes += (content.nbytes if content is not None else 0) + (
                    painted.nbytes if painted is not None else 0
                )
                panes.append(
                    compose(
                        row,
                        entry.id,
                        wish.spec,
                        content,
                        painted,
                        frame=frame,
                        style=wish.look.style,
                        locked=self.is_locked,
                        remark=wish.remark,
                    )
                )
            rows.append(self._with_overlays(panes, entry, frame))
        if rows:
            self._tile_nbytes = max(nbytes // len(rows), 1)
        self._held = held
        tile = self.tile
        return Scene(
            rows=tuple(rows),
            view=self._session.view,
            cursor=self._cursor,
            active=self._session.active,
            maximised=self._session.maximised,
            regions=self.review.decision(tile).regions if tile is not None else (),
            linked=self._session.linked,
            swipe=self._session.swipe,
            current_row=self.row,
        )

    def _with_overlays(self, panes: list[Pane], entry: TileEntry, frame: Frame | None) -> tuple[Pane, ...]:
        """Lays label or change pictures over the images, puts the other date under, and swaps while B is held."""
        over = self._overlay_picture(entry, frame)
        pre = next((pane for pane in panes if pane.spec.date == "pre"), None)
        image = next((pane for pane in panes if pane.spec.kind is LayerKind.OPTICAL and pane is not pre), pre)
        done = []
        for pane in panes:
            changed = pane
            if over is not None and pane.spec.kind is LayerKind.OPTICAL:
                changed = replace(changed, overlay=over, overlay_opacity=self._session.opacity)
            if pane is image and pre is not None and pre is not pane and self._session.swipe is not None:
                changed = replace(changed, under=pre.picture)
            if self._blink:
                other = self._blink_partner(pane, pre, image, panes)
                if other is not None and other.picture is not None:
                    changed = replace(changed, picture=other.picture, caption=f"blink: {other.spec.title}", under=None)
            done.append(changed)
        return tuple(done)

    def _overlay_picture(self, entry: TileEntry, frame: Frame | None) -> Picture | None:
        wish = self._overlay_wish(entry)
        content = None if wish is None else self._pictures.content(wish.content)
        painted = None if wish is None else self._pictures.painted(wish)
        if painted is None or frame is None or not isinstance(content, Raster):
            return None
        return Picture(painted, placed(content, frame)[0], smooth=False)

    def _overlay_wish(self, entry: TileEntry) -> Wish | None:
        """What lies over the images: the background of labels and masks left out, or only the edges of a mask."""
        kind, outline = OVERLAID.get(self._session.overlay, (None, False))
        spec = next((spec for spec in self.layers if spec.kind is kind and spec.id in entry.files), None)
        if spec is None:
            return None
        look = self._look(spec.id)
        style = replace(look.style, hidden=look.style.hidden | {0})
        look = self._looks.setdefault((style, None, outline), Look(style, outline=outline))
        return Wish(ContentKey(entry.id, spec.id), look, spec, entry.files[spec.id], "", is_overlay=True)

    @staticmethod
    def _blink_partner(pane: Pane, pre: Pane | None, image: Pane | None, panes: list[Pane]) -> Pane | None:
        if pane is pre:
            return image
        if pane is image:
            return pre or next((other for other in panes if other is not pane and other.picture is not None), None)
        return image

    @property
    def cursor(self) -> tuple[int, int] | None:
        """(column, row) of the tile pixel under the cross; None where there is none."""
        return self._cursor

    def readout(self) -> Readout:
        """The value of every layer at the cursor."""
        frame, tile = self.frame, self.tile
        if frame is None or tile is None or self._cursor is None:
            return Readout(tile)
        column, row = self._cursor
        return Readout(tile, position(frame, column, row), readings(self.contents(), frame, column, row))

    def status(self) -> Status:
        """What the status bar says."""
        entry = self.entry
        tile = None if entry is None else entry.id
        return Status(
            tile=tile,
            group="" if entry is None else entry.group,
            splits=() if entry is None else entry.splits,
            position=self._queue.at + self.row + 1 if len(self._queue) else 0,
            queue=len(self._queue),
            total=len(self._known.decided),
            decision=Decision() if tile is None else self.review.decision(tile),
            saved=self.review.saved,
            error=self.review.error,
            reviewed=self.review.reviewed,
            dropped=self.review.dropped,
            per_minute=self._per_minute(),
            cache_bytes=self._pictures.nbytes,
            cache_limit=self._pictures.limit,
            ahead=self._pictures.open_wishes,
            jobs=tuple(self.jobs.running),
            message=self._message,
        )

    def _per_minute(self) -> float:
        if len(self._verdict_times) < 3:
            return 0.0
        span = self._verdict_times[-1] - self._verdict_times[0]
        return 60.0 * (len(self._verdict_times) - 1) / span if span > 0 else 0.0

    # --- view and cursor

    @property
    def view(self) -> View:
        """Which part of the tile every pane shows; kept when stepping."""
        return self._session.view

    def set_view(self, view: View) -> None:
        """Zooms or pans all panes."""
        if view != self._session.view:
            self._change_session(view=view)
            self._notify(Changed.VIEW)

    def fit(self) -> None:
        """Shows the whole tile in every pane."""
        self.set_view(View())

    def set_cursor(self, cursor: tuple[int, int] | None) -> None:
        """Puts the cross on a pixel of the tile; outside of it there is none."""
        frame = self.frame
        if cursor is not None and frame is not None:
            inside = 0 <= cursor[0] < frame.width and 0 <= cursor[1] < frame.height
            cursor = cursor if inside else None
        if cursor != self._cursor:
            self._cursor = cursor
            self._notify(Changed.VIEW)

    def move_cursor(self, columns: int, rows: int) -> None:
        """Moves the cross by pixels, staying on the tile; starts in the middle where there was none."""
        frame = self.frame
        if frame is None:
            return
        column, row = self._cursor or (frame.width // 2 - columns, frame.height // 2 - rows)
        self.set_cursor((min(max(column + columns, 0), frame.width - 1), min(max(row + rows, 0), frame.height - 1)))

    def set_stack(self, count: int) -> None:
        """Shows 1 to 4 consecutive tiles, one row each."""
        self._change_session(stack=max(1, min(count, STACK_MOST)))
        self._tile_changed()

    def set_linked(self, *, linked: bool) -> None:
        """Whether panes share zoom, pan and cursor."""
        self._change_session(linked=linked)
        self._notify(Changed.VIEW)

    def set_blink(self, *, on: bool) -> None:
        """While B is held: the other date or the image in place of each layer."""
        if on != self._blink:
            self._blink = on
            self._notify(Changed.VIEW | Changed.PICTURE)

    def toggle_swipe(self) -> None:
        """The image before and after in one pane, with a divider to drag."""
        if not any(spec.date == "pre" for spec in self.dataset.layers):
            self.say("Swipe needs an image before and one after: this dataset has one date.")
            return
        self._change_session(swipe=0.5 if self._session.swipe is None else None)
        self._notify(Changed.VIEW | Changed.PICTURE)

    def set_swipe(self, share: float) -> None:
        """Moves the divider: 0 left edge .. 1 right edge of the pane."""
        if self._session.swipe is not None:
            self._change_session(swipe=min(max(share, 0.0), 1.0))
            self._notify(Changed.VIEW)

    # --- layers and styles

    @property
    def active(self) -> LayerSpec | None:
        """The layer that has the focus: colour table, lock and bands act on it."""
        visible = self._visible()
        return next((spec for spec in visible if spec.id == self._session.active), visible[0] if visible else None)

    def _visible(self) -> tuple[LayerSpec, ...]:
        entry = self.entry
        return () if entry is None else self.visible_layers(entry)

    def activate(self, layer: LayerId) -> None:
        """Gives a layer's pane the focus."""
        if layer != self._session.active:
            self._change_session(active=layer)
            self._notify(Changed.VIEW)

    def next_pane(self, step: int = 1) -> None:
        """Gives the focus to the next pane."""
        visible, active = self._visible(), self.active
        if active is not None:
            place = [spec.id for spec in visible].index(active.id)
            self.activate(visible[(place + step) % len(visible)].id)

    def toggle_maximised(self) -> None:
        """Shows only the active pane, or all again."""
        active = self.active
        self._change_session(maximised=not self._session.maximised, active=None if active is None else active.id)
        self._notify(Changed.VIEW)

    @property
    def hidden(self) -> frozenset[LayerId]:
        """Layers that the user switched off."""
        return frozenset(self._session.hidden)

    def set_layer_visible(self, layer: LayerId, *, visible: bool) -> None:
        """Switches a layer on or off; the last one stays."""
        hidden = set(self._session.hidden)
        (hidden.discard if visible else hidden.add)(layer)
        if len(hidden) < len(self.dataset.layers):
            self._change_session(hidden=tuple(sorted(hidden)))
            self._looks_changed()

    def show_only(self, layers: Sequence[str]) -> None:
        """Shows these layers, in this order, and no others. Raises SettingsError for one that the dataset has not."""
        known = {spec.id: spec.id for spec in self.dataset.layers}
        unknown = [name for name in layers if name not in known]
        if unknown or not layers:
            raise SettingsError(f"There is no layer {', '.join(unknown)} here. This dataset has {', '.join(known)}.")
        shown = [known[LayerId(name)] for name in layers]
        self._change_session(hidden=tuple(sorted(set(known) - set(shown))), order=tuple(shown))
        self._looks_changed()

    def move_layer(self, layer: LayerId, step: int) -> None:
        """Moves a layer's pane forward or back in the order."""
        order = [spec.id for spec in self.layers]
        place = order.index(layer)
        target = min(max(place + step, 0), len(order) - 1)
        order.insert(target, order.pop(place))
        self.set_layer_order(order)

    def set_layer_order(self, order: Iterable[LayerId]) -> None:
        """Arranges the panes."""
        self._change_session(order=tuple(order))
        self._looks_changed()

    def style(self, layer: LayerId) -> Style:
        """How a layer is shown, on every tile."""
        own = self._session.styles.get(layer)
        return own if own is not None else default_style(self.dataset.layer(layer))

    def set_style(self, layer: LayerId, style: Style) -> None:
        """Shows a layer differently, on every tile."""
        if style == self.style(layer):
            return
        self._change_session(styles={**self._session.styles, layer: style})
        if style.range_mode is RangeMode.DATASET and layer not in self._samples:
            self._sample(layer)
        self._looks_changed()

    def _sample(self, layer: LayerId) -> None:
        """Learns the range of a layer over the dataset from tiles spread evenly over it."""
        spec, read = self.dataset.layer(layer), self.opened.read
        places = np.unique(np.linspace(0, max(0, len(self.index) - 1), SAMPLED_TILES).astype(int)).tolist()
        paths = [self.entry_at(place).files.get(layer) for place in places]

        def work(job: Job) -> Range | None:
            ranges = []
            for done, path in enumerate(paths):
                job.progress(done, len(paths))
                if job.stop.is_set():
                    return None
                content = read(path, spec) if path is not None else None
                found = value_range(content, range(3), Style(percent=1.0)) if isinstance(content, Raster) else None
                if found is not None:
                    ranges.append(found)
            if not ranges:
                return None
            return Range(min(found.low for found in ranges), max(found.high for found in ranges))

        def done(found: Range | None) -> None:
            if found is not None:
                self._samples[layer] = found
                self._looks_changed()

        self.jobs.start(f"Learning the range of {spec.title}", work, done)

    def cycle_color_table(self, names: Sequence[str]) -> None:
        """Gives the active layer, or the first height, the next colour table."""
        spec = self._height_in_focus()
        if spec is None or not names:
            self.say("Colour tables are for heights: this dataset has none.")
            return
        style = self.style(spec.id)
        place = names.index(style.color_table) + 1 if style.color_table in names else 0
        self.set_style(spec.id, replace(style, color_table=names[place % len(names)]))
        self.say(f"{spec.title}: {self.style(spec.id).color_table}")

    def _height_in_focus(self) -> LayerSpec | None:
        active = self.active
        if active is not None and active.kind is LayerKind.HEIGHT:
            return active
        return next((spec for spec in self._visible() if spec.kind is LayerKind.HEIGHT), None)

    @property
    def is_locked(self) -> bool:
        """True where every tile's heights are shown over the same range."""
        return self._session.locked

    def toggle_lock(self) -> None:
        """Holds the ranges of the heights as they are on this tile, for every tile; or lets each tile have its own."""
        if self._session.locked:
            own = {
                layer: replace(self.style(layer), range_mode=style.range_mode, low=style.low, high=style.high)
                for layer, style in self._session.unlocked.items()
            }
            self._change_session(locked=False, styles={**self._session.styles, **own}, unlocked={})
            self.say("Height range unlocked: every tile has its own.")
            self._looks_changed()
            return
        bars = {pane.layer: pane.colorbar for pane in self.scene().rows[0]} if self.tile is not None else {}
        fixed: dict[LayerId, Style] = {}
        before: dict[LayerId, Style] = {}
        for layer, bar in bars.items():
            if bar is not None:
                before[layer] = self.style(layer)
                fixed[layer] = replace(before[layer], range_mode=RangeMode.FIXED, low=bar.low, high=bar.high)
        if not fixed:
            self.say("There is no height on the screen whose range could be locked.")
            return
        self._change_session(locked=True, styles={**self._session.styles, **fixed}, unlocked=before)
        self.say("Height range locked: a colour means the same height on every tile.")
        self._looks_changed()

    def toggle_class(self, layer: LayerId, value: int) -> None:
        """Hides a class of a label layer, or shows it again."""
        style = self.style(layer)
        self.set_style(layer, replace(style, hidden=style.hidden ^ {value}))

    def isolate_class(self, layer: LayerId, value: int) -> None:
        """Shows only one class; again shows all."""
        spec, style = self.dataset.layer(layer), self.style(layer)
        legend = next((pane.legend for pane in self.scene().panes if pane.layer == layer), ())
        others = frozenset({known.value for known in spec.classes} | {item.value for item in legend}) - {value}
        self.set_style(layer, replace(style, hidden=frozenset() if style.hidden == others else others))

    @property
    def overlay(self) -> str:
        """What lies over the images: "none" or a key of `OVERLAID`."""
        return self._session.overlay

    def cycle_overlay(self) -> None:
        """None, labels, change, its outline: those that the tile has."""
        entry = self.entry
        kinds = set() if entry is None else {spec.kind for spec in self.dataset.layers if spec.id in entry.files}
        choices = ["none", *(name for name, (kind, _) in OVERLAID.items() if kind in kinds)]
        place = choices.index(self.overlay) + 1 if self.overlay in choices else 0
        self._change_session(overlay=choices[place % len(choices)])
        self.say(f"Overlay: {self.overlay}" if len(choices) > 1 else "This tile has no labels or mask to lay over it.")
        self._looks_changed()

    def change_opacity(self, step: float) -> None:
        """Makes the overlay more or less opaque."""
        self._change_session(opacity=round(min(max(self._session.opacity + step, 0.0), 1.0), 2))
        self.say(f"Overlay opacity {self._session.opacity:.0%}")
        self._notify(Changed.VIEW | Changed.PICTURE)

    # --- review

    @property
    def decision(self) -> Decision:
        """What was decided about the current tile."""
        tile = self.tile
        return Decision() if tile is None else self.review.decision(tile)

    def set_verdict(self, verdict: Verdict) -> bool:
        """Decides about the current tile. Returns False where the decision could not be taken."""
        self._verdict_times.append(time.monotonic())
        return self._decide(replace(self.decision, verdict=verdict))

    def toggle_tag(self, number: int) -> bool:
        """Puts the tag on key `number` (1-based) on the current tile, or takes it away."""
        if not 1 <= number <= len(self.anomalies):
            self.say(f"There is no tag on key {number}.")
            return False
        self._last_tag = self.anomalies[number - 1].tag
        return self._decide(self.decision.toggled(self._last_tag))

    @property
    def current_tag(self) -> str:
        """The tag that a new region gets: the one used last."""
        return self._last_tag

    def clear(self) -> bool:
        """Takes verdict, tags and regions from the current tile; the note stays."""
        return self._decide(replace(self.decision, verdict=Verdict.UNDECIDED, tags=(), regions=()))

    def clear_tags(self) -> bool:
        """Takes tags and regions from the current tile."""
        return self._decide(replace(self.decision, tags=(), regions=()))

    def add_region(self, points: Sequence[tuple[float, float]], tag: str | None = None) -> bool:
        """Marks a part of the current tile; the tile gets the region's tag too."""
        tag = tag or self._last_tag
        before = self.decision
        region = Region(tag, tuple((round(float(x), 2), round(float(y), 2)) for x, y in points))
        tags = tuple(sorted({*before.tags, tag}))
        return self._decide(replace(before, tags=tags, regions=(*before.regions, region)))

    def remove_region(self, number: int) -> bool:
        """Removes a region of the current tile by its place in the list."""
        regions = self.decision.regions
        return self._decide(replace(self.decision, regions=regions[:number] + regions[number + 1 :]))

    def set_note(self, tile: TileId, note: str) -> bool:
        """Writes the note of a tile, which need not be the current one any more when the typing ends."""
        return self._decide(replace(self.review.decision(tile), note=note), tile)

    def undo(self) -> None:
        """Takes back the last edit, goes to its tile and says what it was."""
        self._again("Undo", self.review.undo, inverse=True)

    def redo(self) -> None:
        """Does again what was taken back, goes to its tile and says what it was."""
        self._again("Redo", self.review.redo, inverse=False)

    def retry_saving(self) -> None:
        """Tries again to write what could not be written."""
        if self.review.retry():
            self.say("Everything is saved.")
        self._notify(Changed.DECISION | Changed.STATUS)

    def save_elsewhere(self, path: Path) -> None:
        """Writes all decisions, those that could not be saved included, to another file."""
        self.review.save_elsewhere(path)
        self.say(f"All decisions are also in {path}.")

    def _decide(self, after: Decision, tile: TileId | None = None) -> bool:
        tile = tile or self.tile
        if tile is None:
            self.say("There is no tile to decide about.")
            return False
        try:
            edit = self.review.change(tile, after)
        except SaveError as error:
            self.say(str(error))
            return False
        if edit is not None:
            self._decided_now(edit)
            self._notify(Changed.DECISION | Changed.STATUS)
        return True

    def _again(self, word: str, act: Callable[[], Edit | None], *, inverse: bool) -> None:
        try:
            edit = act()
        except SaveError as error:
            self.say(str(error))
            return
        if edit is None:
            self.say(f"Nothing to {word.lower()}.")
            return
        self._decided_now(edit)
        self._notify(Changed.DECISION)
        self.show_tile(edit.tile)
        self.say(f"{word}: {describe(edit.inverse() if inverse else edit)} on {edit.tile}")

    def _decided_now(self, edit: Edit) -> None:
        self._mark(edit.tile, edit.after)
        if not self._first_entries:
            self.index.set_review(edit.tile, edit.after)

    # --- the session

    @property
    def session(self) -> Session:
        """What will be there again when the dataset is opened next time."""
        shown = self._shown()
        return replace(self._session, tile=shown[0].id if shown else None)

    def _change_session(self, **changes: object) -> None:
        self._session = replace(self._session, **changes)  # type: ignore[arg-type]  # checked by the callers' names
        self._touch_session()

    def _touch_session(self) -> None:
        self._session_version += 1

    def save_session(self) -> None:
        """Writes the session on a worker, if it changed. The window calls this now and then, and at the end."""
        if self._session_version > self._saved_version and self.opened.keeps_session:
            self._to_save = self.session
            self._saver.want((self._session_version,))

    def _write_session(self, _: int) -> None:
        self.opened.save_session(self._to_save)

    def _session_saved(self, version: int, _: None) -> None:
        self._saved_version = version


OVERLAID = {
    "labels": (LayerKind.LABELS, False),
    "change": (LayerKind.MASK, False),
    "outline": (LayerKind.MASK, True),
}
"""What M lays over the images -> the kind of layer it comes from, and whether only its edges are drawn."""

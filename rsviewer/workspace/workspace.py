"""What the user is looking at and deciding now. Whatever changes in one of its parts is announced here, once."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rsviewer.core.errors import SaveError
from rsviewer.core.model import OutputKind
from rsviewer.core.prediction import said_of_tile
from rsviewer.core.readout import position, readings
from rsviewer.core.render import Pixels, Range
from rsviewer.core.review import ANOMALIES, Anomaly, Decision, Edit, Region, Verdict, describe
from rsviewer.core.scene import Frame, Scene, reach
from rsviewer.core.style import RangeMode
from rsviewer.core.thumbnail import Draw
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.content import read_content
from rsviewer.data.mounting import look_again
from rsviewer.data.settings import Session
from rsviewer.workspace.background import Jobs, Post
from rsviewer.workspace.checking import Checking, confirmed, contradicted
from rsviewer.workspace.converting import Converting
from rsviewer.workspace.filters import FilterShelf
from rsviewer.workspace.finding import Finding
from rsviewer.workspace.gallery import Gallery
from rsviewer.workspace.likeness import Likeness
from rsviewer.workspace.looks import Looks
from rsviewer.workspace.moments import Moments, in_words
from rsviewer.workspace.news import Changed, Readout, Status
from rsviewer.workspace.opening import Opened
from rsviewer.workspace.outcomes import Outcomes
from rsviewer.workspace.pictures import Pictures, Wish
from rsviewer.workspace.predicting import Predicting
from rsviewer.workspace.profiling import Profiling
from rsviewer.workspace.ranges import Ranges
from rsviewer.workspace.reliefs import Reliefs
from rsviewer.workspace.review import ReviewBook
from rsviewer.workspace.scenery import Scenery
from rsviewer.workspace.session import SessionKeeper
from rsviewer.workspace.statistics import Statistics
from rsviewer.workspace.viewing import Viewing
from rsviewer.workspace.wishes import Wishes

AHEAD = 8
BEHIND = 2
STACK_MOST = 4
JUMP = 100
"""S and W move by this many tiles where the dataset has no groups (as << and >> of RS3DBench's viewer do)."""
PREDICTED_AHEAD = 4
"""Tiles that the model predicts ahead while it runs on every tile."""
SHARE_FOR_AHEAD = 0.5
"""Of the cache, for tiles read ahead; the rest remembers where the user has been."""
DECISIONS_UNKNOWN = "Which tiles were decided about before is still being looked up."
GROUPS_UNKNOWN = "Where the groups begin is still being looked up."


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
        thumbnail_bytes: limit of the small pictures kept in the project.
        draw: draws vector labels in these; None leaves them out.
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
        thumbnail_bytes: int = 2_000_000_000,
        draw: Draw | None = None,
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
        self._keeper = SessionKeeper(
            opened.session, opened.save_session if opened.keeps_session else None, threads=1 if threaded_jobs else 0
        )
        self._moments = Moments()
        self.finding = Finding(
            opened.dataset,
            opened.index,
            self.review.decisions,
            self._keeper,
            self._moments,
            self.jobs,
            post,
            named=self._named,
            filled=self._filled,
            say=self.say,
        )
        self.queue = self.finding.queue
        """The order of the tiles and the place in it. Change it through the workspace."""
        read = opened.read or partial(read_content, tree=opened.dataset.tree)
        self._ranges = Ranges(read, self.jobs, self.finding.spread, self._looks_changed)
        self._on_screen: frozenset[TileId] = frozenset()
        self.outcomes = Outcomes(lambda tile: tile in self._on_screen, self._moments.of)
        """What the model said of tiles."""
        self.looks = Looks(
            opened.dataset, self.outcomes, self._keeper, self._ranges.learn, self._looks_changed, self.say
        )
        self._wishes = Wishes(self.looks, self.outcomes, self._ranges)
        self._pictures = Pictures(
            read,
            opened.color_table,
            post,
            self._arrived,
            self._thumbnail_arrived,
            limit=cache_bytes,
            threads=threads,
            made=lambda key: self.outcomes.content(key.tile, key.layer, key.origin, key.moment),
        )
        self.gallery = Gallery(
            opened.dataset,
            opened.index,
            opened.project,
            self.finding,
            self.looks,
            self.outcomes,
            self._ranges,
            self._keeper,
            self._pictures,
            post,
            go_to=self.go_to,
            arrived=lambda: self._notify(Changed.THUMBNAILS),
            changed=lambda: self._notify(Changed.GALLERY),
            say=self.say,
            limit=thumbnail_bytes,
            draw=draw,
        )
        """Small pictures of the tiles of the queue."""
        self.viewing = Viewing(
            self._keeper,
            lambda: self.frame,
            self._visible,
            has_two_dates=any(spec.date == "pre" for spec in opened.dataset.layers),
            notify=self._notify,
            say=self.say,
        )
        self.reliefs = Reliefs(
            opened.dataset,
            self._keeper,
            self._pictures,
            self._wishes,
            lambda: self.entry,
            post,
            notify=self._notify,
            threads=min(threads, 1),
        )
        self.predicting = Predicting(
            opened.dataset,
            opened.index,
            opened.shelf,
            opened.engines,
            self._keeper,
            self.outcomes,
            self._pictures,
            self._wishes,
            self.jobs,
            opened.project.predictions_path,
            read_only=opened.project.read_only,
            shown=self._current_first,
            ahead=self._coming,
            moment_of=self._moments.of,
            post=post,
            layers_changed=self._looks_changed,
            arrived=self._predicted,
            notify=self._notify,
            say=self.say,
            threads=min(threads, 1),
        )
        self.likeness = Likeness(
            opened.dataset, opened.index, self.predicting, self.finding, self._keeper, self.jobs, self.say
        )
        self.checking = Checking(
            opened.dataset,
            opened.index,
            self.finding,
            self.review.decisions,
            self.jobs,
            entry=lambda: self.entry,
            frame=lambda: self.frame,
            crew=opened.crew,
            is_ready=lambda: self.is_ready,
            post=post,
            notify=self._notify,
            say=self.say,
            reread=self._read_files_again,
            read_only=opened.project.read_only,
            threads=min(threads, 1),
        )
        self.converting = Converting(
            opened.dataset,
            opened.index,
            self.review.decisions,
            self.jobs,
            opened.crew,
            self._wishes.style,
            opened.adapter.tile_of_line,
        )
        """Tiles into files for other programs."""
        self._scenery = Scenery(self._pictures, self._wishes, self.looks, self.predicting.words, self._told)
        self.profiling = Profiling(lambda: self.frame, self.contents, notify=self._notify)
        self.filters = FilterShelf(
            opened.index, self._keeper, lambda filter_: self.finding.check(filter_, self.finding.sort)
        )
        self.statistics = Statistics(
            opened.index,
            lambda: self.finding.asked,
            lambda filter_: self.finding.choose(filter_, self.finding.sort),
            post,
            notify=self._notify,
            threads=min(threads, 1),
        )
        self._listeners: list[Callable[[Changed], None]] = []
        self._message = ""
        self._awaited = ""
        self.not_there = ""
        """The tile that was asked for at the start and is not in the dataset; empty where all is well."""
        self._last_tag = self.anomalies[-1].tag if self.anomalies else "other"
        self._verdict_times: deque[float] = deque(maxlen=50)
        self._hurried = False

    @property
    def hurried(self) -> bool:
        """True while a key is held: work that only pleases the eye at rest is left out."""
        return self._hurried

    @hurried.setter
    def hurried(self, hurried: bool) -> None:
        was, self._hurried = self._hurried, hurried
        if was and not hurried:
            self._restate_rest()
            if self.checking.shows_evidence:
                self._notify(Changed.VIEW)

    # --- who listens

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Calls `listener` on every change. Returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _notify(self, changed: Changed) -> None:
        if changed & (Changed.QUEUE | Changed.DECISION):
            self.statistics.outdate(decisions_only=not changed & Changed.QUEUE)
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
        self.likeness.start()
        self.finding.start(self._names_known)
        self.predicting.start()

    def take_preferences(
        self, *, cache_bytes: int, thumbnail_bytes: int, anomalies: Sequence[Anomaly], reviewer: str
    ) -> None:
        """Other preferences, from now on."""
        self._pictures.limit = cache_bytes
        self.gallery.set_limit(thumbnail_bytes)
        self.anomalies = tuple(anomalies)
        self.review.reviewer = reviewer
        self._notify(Changed.DECISION | Changed.STATUS)

    def forget_pictures(self) -> None:
        """Reads every file anew from now on."""
        self._wishes.forget()
        self._pictures.forget()
        self._scenery.forget()
        self.gallery.forget()
        self.predicting.forget()
        self.reliefs.forget()
        self.checking.forget()

    def reload(self) -> None:
        """Reads all names and files anew."""
        look_again(self.dataset.tree)
        self.forget_pictures()
        self.finding.read_again(self._names_known)

    def close(self) -> None:
        """Ends the workers, writes session and decisions, and gives the project back."""
        self.checking.close()
        self.jobs.close()
        self.predicting.close()
        self.reliefs.close()
        self.statistics.close()
        self._pictures.close()
        self.gallery.close()
        self.save_session()
        self._keeper.close()
        self.review.close()
        self.opened.close()

    def step(self) -> bool:
        """Does one piece of background work here; for tests, with `threads=0`."""
        parts = (self._pictures, self.statistics, self.reliefs, self.predicting, self.checking)
        return any(part.step() for part in parts)

    # --- the tile

    @property
    def row(self) -> int:
        """Which row of a stack is the current one; 0 for one tile."""
        return self.finding.row

    def set_row(self, row: int) -> None:
        """Makes another row of the stack the current one (that under the mouse)."""
        if self.finding.set_row(row):
            self._notify(Changed.TILE | Changed.STATUS)

    @property
    def entry(self) -> TileEntry | None:
        """Where the files of the current tile are; None in an empty queue."""
        return self.finding.entry

    @property
    def tile(self) -> TileId | None:
        """The current tile; None in an empty queue."""
        return self.finding.tile

    def go(self, step: int) -> None:
        """Moves by `step` tiles in the order of the queue, stopping at its ends."""
        self.go_to(self.queue.at + step)

    def go_to(self, at: int) -> None:
        """Moves to a position in the queue."""
        if self.queue.move(at):
            self._message = ""
            self.gallery.deselect()
            self._tile_changed()

    def show_tile(self, tile: TileId) -> bool:
        """Moves to a tile, taking the filter away where it hides the tile, and says so."""
        ordinal = self.finding.ordinal_of(tile)
        if ordinal is None:
            self.say(f"{tile} is not in the dataset.")
            return False
        at = self.queue.find(ordinal)
        if at is None:
            self.finding.drop_filter()
            self.queue.move(ordinal)
            self._notify(Changed.QUEUE)
            self._tile_changed()
            self.say(f"The filter hid {tile}; it was taken away.")
            return True
        self.go_to(at)
        return True

    def start_at(self, text: str) -> None:
        """Goes to a tile named on the command line, once the names are read."""
        if not self.finding.is_complete:
            self._awaited = text
            return
        ordinal = self.finding.ordinal_of(TileId(text))
        found = [ordinal] if ordinal is not None else self.finding.meant(text)
        if found:
            self.show_tile(self.finding.entry_at(found[0]).id)
        else:
            self.not_there = text
            self.say(f"There is no tile {text} in this dataset.")

    def _told(self, tile: TileId, spec: LayerSpec) -> str:
        """What the model says of a layer: of the first that it looks at, what it says of the whole tile."""
        plan, judgement = self.predicting.plan, self.outcomes.judgement(tile)
        words = [self.predicting.told(tile, spec)]
        if plan is not None and judgement is not None and plan.inputs[0] == spec:
            output = plan.card.output(OutputKind.SCENE)
            if output is not None and judgement.prediction is not None:
                words.append(said_of_tile(output, judgement.prediction))
        return "  ·  ".join(filter(None, words))

    def _names_known(self) -> None:
        self.checking.names_known()
        self._start_at_awaited()

    def _start_at_awaited(self) -> None:
        awaited, self._awaited = self._awaited, ""
        if awaited:
            self.start_at(awaited)

    # --- images over time

    @property
    def has_dates(self) -> bool:
        """Whether the current tile has several images over time."""
        entry = self.entry
        return entry is not None and len(entry.shots) > 1

    def step_date(self, direction: int) -> None:
        """The current tile at its next or previous date, stopping at the first and the last."""
        entry = self.entry
        if entry is None or len(entry.shots) < 2:
            self.say("This tile has one image only.")
            return
        self.show_date(entry.shot + direction)

    def show_date(self, shot: int | None) -> None:
        """The current tile with another of its images, by their order in time; None for its best one."""
        ordinal = self.finding.ordinal
        if ordinal is None:
            return
        entry = self.finding.entry_at(ordinal)
        if self._moments.choose(entry, entry.shot if shot is None else shot):
            shown = self._moments.shown(entry)
            self._tile_changed()
            self.say(in_words(shown.shots[shown.shot], shown.shot + 1, len(shown.shots)))

    def step_along(self, direction: int) -> None:
        """Through the dates of a tile that has several, else from group to group."""
        if self.has_dates:
            self.step_date(direction)
        else:
            self.step_group(direction)

    def step_group(self, direction: int) -> None:
        """To the next or previous group's first tile; by 100 tiles where there are no groups."""
        at = self.finding.next_group(direction)
        if not self.finding.knows_groups:
            self.say(GROUPS_UNKNOWN)
        elif at is None:
            self.go(direction * JUMP)
        else:
            self.go_to(at)

    def next_unreviewed(self) -> None:
        """To the next tile without a verdict, from the start again after the end."""
        at = self.finding.next_unreviewed()
        if not self.finding.knows_decisions:
            self.say(DECISIONS_UNKNOWN)
        elif at is None:
            self.say("Every other tile of the queue has a verdict.")
        else:
            self.go_to(at)

    def previous_flagged(self) -> None:
        """To the previous tile that was dropped, tagged or marked."""
        at = self.finding.previous_flagged()
        if not self.finding.knows_decisions:
            self.say(DECISIONS_UNKNOWN)
        elif at is None:
            self.say("No flagged tile before this one.")
        else:
            self.go_to(at)

    # --- what is wanted

    @property
    def stack(self) -> int:
        """How many consecutive tiles are shown, one row each."""
        return self._keeper.now.stack

    def set_stack(self, count: int) -> None:
        """Shows 1 to 4 consecutive tiles, one row each."""
        self._keeper.change(stack=max(1, min(count, STACK_MOST)))
        self._tile_changed()

    def _restate_wishes(self) -> None:
        shown = self.finding.shown()
        self._on_screen = frozenset(entry.id for entry in shown)
        wishes = [wish for entry in shown for wish in self._wishes.of(entry)]
        wishes += self._neighbouring_dates()
        tile_nbytes = self._scenery.tile_nbytes
        room = int(self._pictures.limit * SHARE_FOR_AHEAD // tile_nbytes) if tile_nbytes else AHEAD
        ahead = 0 if self.gallery.is_open else min(AHEAD, max(0, room - len(shown)))
        for ordinal in self.queue.around(ahead + len(shown) - 1, min(BEHIND, ahead)):
            wishes += self._wishes.of(self.finding.entry_at(ordinal))
        self._pictures.want([entry.id for entry in shown], wishes)

    def _neighbouring_dates(self) -> list[Wish]:
        """What the current tile shows one step before and after its date, less what it shows now."""
        ordinal = self.finding.ordinal
        best = None if ordinal is None else self.finding.entry_at(ordinal)
        if best is None or len(best.shots) < 2:
            return []
        at = self._moments.shown(best).shot
        dates = [shot for shot in (at + 1, at - 1) if 0 <= shot < len(best.shots)]
        return [wish for shot in dates for wish in self._wishes.of(best.at(shot))]

    def _restate_rest(self) -> None:
        """3D and the model come after the panes: they take what those have read, and wait while a key is held."""
        if self._hurried:
            return
        is_ready = self.is_ready
        if self.reliefs.is_open and is_ready:
            self.reliefs.restate()
        self.predicting.restate(is_ready=is_ready)
        self.checking.restate()

    def _current_first(self) -> list[TileEntry]:
        """The tiles on the screen, first the one that keys act on."""
        shown, row = self.finding.shown(), self.row
        return shown[row : row + 1] + shown[:row] + shown[row + 1 :]

    def _coming(self) -> list[TileEntry]:
        """The tiles that will be looked at next, as far as can be known."""
        ahead = PREDICTED_AHEAD + len(self.finding.shown()) - 1
        return [self.finding.entry_at(ordinal) for ordinal in self.queue.around(ahead, 0)]

    def _predicted(self, tile: TileId) -> None:
        """The model's answer for a tile is there, or it is known that there will be none."""
        self._restate_wishes()
        self.gallery.forget_predicted()
        if tile in self._on_screen:
            self._restate_rest()
            self._notify(Changed.PICTURE)

    def _tile_changed(self) -> None:
        self._restate_wishes()
        self._restate_rest()
        self._keeper.touch()
        self._notify(Changed.TILE | Changed.STATUS)

    def _read_files_again(self) -> None:
        self.forget_pictures()
        self._tile_changed()

    def _named(self) -> None:
        self._wishes.forget()  # a tile may have other files now

    def _filled(self) -> None:
        self.gallery.queue_changed()
        self._notify(Changed.QUEUE)
        self._tile_changed()

    def _looks_changed(self) -> None:
        self._wishes.forget()
        self.gallery.looks_changed()
        self._restate_wishes()
        self._restate_rest()
        self._keeper.touch()
        self._notify(Changed.VIEW | Changed.PICTURE)

    def _arrived(self, tile: TileId) -> None:
        if any(entry.id == tile for entry in self.finding.shown()):
            self._restate_rest()
            self._notify(Changed.PICTURE)

    def _thumbnail_arrived(self) -> None:
        self._notify(Changed.STATUS)

    def want_thumbnails(self, places: Iterable[int]) -> None:
        """Small pictures of the tiles at some positions of the queue, once there is nothing better to do."""
        wishes = (self._wishes.thumbnail(self.finding.entry_at(int(self.queue.ordinals[at]))) for at in places)
        self._pictures.want_thumbnails([wish for wish in wishes if wish is not None])

    def thumbnail(self, tile: TileId) -> Pixels | None:
        """A small picture of a tile; None where it is not there (yet)."""
        return self._pictures.thumbnail(tile)

    # --- what is shown

    @property
    def frame(self) -> Frame | None:
        """The pixel grid of the current tile; None while nothing of it was read."""
        entry = self.entry
        return None if entry is None else self._scenery.frame(entry)

    def contents(self) -> list[tuple[LayerSpec, LayerContent | None]]:
        """What was read of every visible layer of the current tile; None where it is still to come."""
        entry = self.entry
        return [] if entry is None else self._scenery.contents(entry)

    def has_layer(self, entry: TileEntry, layer: LayerId) -> bool:
        """Whether a tile has a file of a layer, or the model has predicted it."""
        if self.outcomes.is_added(layer):
            return self.outcomes.content(entry.id, layer) is not None
        return layer in entry.files

    @property
    def is_ready(self) -> bool:
        """True where all that `scene` shows is there. Cheap: the panes ask whenever something arrives."""
        return self._scenery.is_ready(self.finding.shown())

    def scene(self) -> Scene:
        """Everything the panes show now."""
        shown, tile = self.finding.shown(), self.tile
        return self._scenery.scene(
            shown,
            self._keeper.now,
            cursor=self.viewing.cursor,
            regions=self.review.decision(tile).regions if tile is not None else (),
            current_row=self.row,
            blink=self.viewing.blink,
            exhibit=None if self._hurried else self.checking.exhibit(),
        )

    def readout(self) -> Readout:
        """The value of every layer at the cursor."""
        frame, tile = self.frame, self.tile
        if frame is None or tile is None or self.viewing.cursor is None:
            return Readout(tile)
        column, row = self.viewing.cursor
        return Readout(
            tile,
            position(frame, column, row),
            readings(self.contents(), frame, column, row, reach(self.viewing.view, frame), self.looks.combinations()),
        )

    def status(self) -> Status:
        """What the status bar says."""
        entry = self.entry
        tile = None if entry is None else entry.id
        return Status(
            tile=tile,
            group="" if entry is None else entry.group,
            splits=() if entry is None else entry.splits,
            position=self.queue.at + self.row + 1 if len(self.queue) else 0,
            queue=len(self.queue),
            total=self.finding.total,
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
            model=self.predicting.summary,
            message=self._message,
        )

    def _per_minute(self) -> float:
        if len(self._verdict_times) < 3:
            return 0.0
        span = self._verdict_times[-1] - self._verdict_times[0]
        return 60.0 * (len(self._verdict_times) - 1) / span if span > 0 else 0.0

    # --- looks that depend on the current tile

    def _visible(self) -> tuple[LayerSpec, ...]:
        entry = self.entry
        return () if entry is None else self.looks.visible(entry)

    def cycle_color_table(self, names: Sequence[str]) -> None:
        """Gives the active layer, or the first height, or the first index, the next colour table."""
        active, visible = self.viewing.active, self._visible()
        heights = (spec for spec in visible if spec.kind is LayerKind.HEIGHT)
        choices = (*(() if active is None else (active,)), *heights, *visible)
        spec = next((spec for spec in choices if self.looks.has_color_table(spec)), None)
        if spec is None or not names:
            self.say("Colour tables are for heights and indices: this tile shows none.")
            return
        self.looks.cycle_color_table(spec, names)

    def cycle_combination(self) -> None:
        """Gives the active image, or the first that has any, the next combination of its bands."""
        self.looks.cycle_combination(self.viewing.active, self.entry)

    def toggle_lock(self) -> None:
        """Holds the ranges of the heights as they are on this tile, for every tile; or lets each tile have its own."""
        if self.looks.is_locked:
            self.looks.unlock()
        else:
            panes = self.scene().rows[0] if self.tile is not None else ()
            follows = RangeMode.REFERENCE
            heights = [pane for pane in panes if pane.spec.kind is LayerKind.HEIGHT]
            bars = {
                pane.layer: pane.colorbar for pane in heights if self.looks.style(pane.layer).range_mode is not follows
            }
            self.looks.lock({layer: Range(bar.low, bar.high) for layer, bar in bars.items() if bar is not None})

    def isolate_class(self, layer: LayerId, value: int) -> None:
        """Shows only one class; again shows all."""
        legend = next((pane.legend for pane in self.scene().panes if pane.layer == layer), ())
        self.looks.isolate_class(layer, value, [item.value for item in legend])

    def cycle_overlay(self) -> None:
        """None, features, labels, change, its outline: those that the current tile has."""
        self.looks.cycle_overlay(self.entry)

    # --- review

    @property
    def decision(self) -> Decision:
        """What was decided about the current tile."""
        tile = self.tile
        return Decision() if tile is None else self.review.decision(tile)

    def set_verdict(self, verdict: Verdict) -> bool:
        """Decides about the current or the selected tiles. Returns False where the decision could not be taken."""
        taken = self._decide_each(lambda before: replace(before, verdict=verdict))
        if taken:
            self._verdict_times.append(time.monotonic())
        return taken

    def toggle_tag(self, number: int) -> bool:
        """Puts the tag on key `number` (1-based) on the current or the selected tiles, or takes it away where all have it."""
        if not 1 <= number <= len(self.anomalies):
            self.say(f"There is no tag on key {number}.")
            return False
        tag = self._last_tag = self.anomalies[number - 1].tag
        if all(tag in self.review.decision(tile).tags for tile in self._targets()):
            return self._decide_each(lambda before: before.toggled(tag))
        return self._decide_each(lambda before: before if tag in before.tags else before.toggled(tag))

    @property
    def current_tag(self) -> str:
        """The tag that a new region gets: the one used last."""
        return self._last_tag

    def clear(self) -> bool:
        """Takes verdict, tags and regions from the current or the selected tiles; the notes stay."""
        return self._decide_each(lambda before: replace(before, verdict=Verdict.UNDECIDED, tags=(), regions=()))

    def clear_tags(self) -> bool:
        """Takes tags and regions from the current or the selected tiles."""
        return self._decide_each(lambda before: replace(before, tags=(), regions=()))

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

    def confirm_suspicion(self) -> None:
        """Agrees with the chosen reason of the current tile: drops it with the reason's tag, and goes on.

        Where tiles are selected, drops those that are suspected, each with the tag of its own reason.
        """
        if self.gallery.has_selection:
            self._answer_together(confirmed, "confirmed")
            return
        chosen = self.checking.chosen
        if chosen is None:
            self.say(self.checking.why_nothing())
        elif self._decide(confirmed(self.decision, chosen)):
            self._verdict_times.append(time.monotonic())
            self.go(1)

    def refute_suspicion(self) -> None:
        """Says that the chosen reason of the current tile is none, for ever, and goes on where it was the last one.

        On a reason that is refuted already, that is taken back. Where tiles are selected, one reason of each is refuted.
        """
        if self.gallery.has_selection:
            self._answer_together(contradicted, "refuted")
            return
        chosen = self.checking.chosen
        if chosen is None:
            self.say(self.checking.why_nothing())
        elif self._decide(contradicted(self.decision, chosen)) and not self.checking.has_open_reason:
            self.go(1)

    def _answer_together(self, answer: Callable[[Decision, str], Decision], word: str) -> None:
        """Answers the suspicions of the selected tiles, in one step."""
        tiles = self._targets()
        reasons = self.checking.open_reasons(tiles)
        if not reasons:
            nothing = "No check suspects any of the selected tiles."
            self.say(nothing if self.checking.has_results else self.checking.why_nothing())
            return
        edits = self._decide_together({tile: answer(self.review.decision(tile), reasons[tile]) for tile in reasons})
        if edits is not None:
            others = len(tiles) - len(reasons)
            rest = f"; {others:,} of the selected tiles have none" if others else ""
            self.say(f"{len(edits):,} suspicion{'s' * (len(edits) != 1)} {word}{rest}.")

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

    def _targets(self) -> list[TileId]:
        """What keys decide about: the tiles selected in the gallery, or else the current one."""
        if self.gallery.has_selection:
            return self.gallery.selected_tiles()
        return [] if self.tile is None else [self.tile]

    def _decide_each(self, change: Callable[[Decision], Decision]) -> bool:
        """Decides about the current or the selected tiles, in one step."""
        tiles = self._targets()
        if not tiles:
            self.say("There is no tile to decide about.")
            return False
        if len(tiles) == 1:
            return self._decide(change(self.review.decision(tiles[0])), tiles[0])
        edits = self._decide_together({tile: change(self.review.decision(tile)) for tile in tiles})
        if edits is None:
            return False
        self.say(f"{describe(edits[0])} on {len(edits):,} tiles" if edits else "That was said of all of them already.")
        return True

    def _decide_together(self, wanted: Mapping[TileId, Decision]) -> list[Edit] | None:
        """Decides about several tiles in one step; None where the decisions could not be taken, which is said."""
        try:
            edits = self.review.change_all(wanted)
        except SaveError as error:
            self.say(str(error))
            return None
        self.finding.decided_together(edits)
        self.checking.decided(edits)
        self._notify(Changed.DECISION | Changed.STATUS)
        return edits

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
            self.finding.decided(edit.tile, edit.after)
            self.checking.decided([edit])
            self._notify(Changed.DECISION | Changed.STATUS)
        return True

    def _again(self, word: str, act: Callable[[], list[Edit]], *, inverse: bool) -> None:
        try:
            edits = act()
        except SaveError as error:
            self.say(str(error))
            return
        if not edits:
            self.say(f"Nothing to {word.lower()}.")
            return
        self.finding.decided_together(edits)
        self.checking.decided(edits)
        self._notify(Changed.DECISION)
        first = edits[-1] if inverse else edits[0]
        if self.tile not in {edit.tile for edit in edits}:
            self.show_tile(first.tile)
        where = str(first.tile) if len(edits) == 1 else f"{len(edits):,} tiles"
        self.say(f"{word}: {describe(first.inverse() if inverse else first)} on {where}")

    # --- the session

    @property
    def session(self) -> Session:
        """What will be there again when the dataset is opened next time."""
        shown = self.finding.shown()
        return self._keeper.at(shown[0].id if shown else None)

    def save_session(self) -> None:
        """Writes the session on a worker, if it changed. The window calls this now and then, and at the end."""
        self._keeper.save(self.session.tile)

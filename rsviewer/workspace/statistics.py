"""Questions about many tiles, answered on a worker: what plots, counts and completions show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from rsviewer.core.errors import RsviewerError
from rsviewer.core.filters import columns_of, parse_filter
from rsviewer.core.searching import both
from rsviewer.core.statistics import Bars, Choices, Histogram, Pairs, Places
from rsviewer.data.index import TileIndex
from rsviewer.workspace.background import Post, Wanted
from rsviewer.workspace.news import Changed

V = TypeVar("V")
A_co = TypeVar("A_co", covariant=True)

MOST_VALUES = 500
"""Texts of a column that are offered while a filter is typed."""


class Question(Protocol[A_co]):
    """What can be asked. Equal questions have equal answers as long as the index stays as it is."""

    def answer(self, index: TileIndex) -> A_co:
        """Asks the index; on a worker. Raises RsviewerError."""

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """The columns and the filter that it depends on."""


@dataclass(frozen=True, slots=True)
class CountOf:
    """How many tiles satisfy a filter?"""

    filter: str

    def answer(self, index: TileIndex) -> int:
        """The number."""
        return index.statistics.count(self.filter)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (), self.filter


@dataclass(frozen=True, slots=True)
class ValuesOf:
    """Which texts does a column hold?"""

    column: str

    def answer(self, index: TileIndex) -> Choices:
        """The most frequent first."""
        return index.statistics.values(self.column)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (self.column,), ""


@dataclass(frozen=True, slots=True)
class HistogramOf:
    """How often do numbers occur? See `IndexStatistics.histogram`."""

    columns: tuple[str, ...]
    filter: str = ""
    by: str = ""
    whole: bool = False

    def answer(self, index: TileIndex) -> Histogram:
        """The counts."""
        return index.statistics.histogram(self.columns, self.filter, self.by, whole=self.whole)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (*self.columns, self.by), self.filter


@dataclass(frozen=True, slots=True)
class BarsOf:
    """How often do texts occur? See `IndexStatistics.bars`."""

    column: str
    filter: str = ""
    by: str = ""

    def answer(self, index: TileIndex) -> Bars:
        """The counts."""
        return index.statistics.bars(self.column, self.filter, self.by)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (self.column, self.by), self.filter


@dataclass(frozen=True, slots=True)
class ClassesOf:
    """Which share of the tiles has each class? See `IndexStatistics.classes`."""

    names: tuple[str, ...]
    filter: str = ""

    def answer(self, index: TileIndex) -> Bars:
        """The shares."""
        return index.statistics.classes(self.names, self.filter)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (), self.filter


@dataclass(frozen=True, slots=True)
class PairsOf:
    """How do two columns of numbers go together? See `IndexStatistics.pairs`."""

    x: str
    y: str
    filter: str = ""
    by: str = ""

    def answer(self, index: TileIndex) -> Pairs:
        """Points or counts."""
        return index.statistics.pairs(self.x, self.y, self.filter, self.by)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (self.x, self.y, self.by), self.filter


@dataclass(frozen=True, slots=True)
class PlacesOf:
    """Where do tiles lie? See `IndexStatistics.places`."""

    filter: str = ""
    column: str = ""
    bounds: tuple[float, float, float, float] | None = None
    size: tuple[int, int] = (180, 120)

    def answer(self, index: TileIndex) -> Places:
        """Footprints or counts."""
        return index.statistics.places(self.filter, self.column, self.bounds, self.size)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        """See `Question`."""
        return (self.column,), self.filter


@dataclass(frozen=True, slots=True)
class Answered(Generic[V]):
    """What is known of a question.

    Attributes:
        value: the answer; None where there was none.
        why: the sentence that says why not; empty otherwise.
        is_current: False where things have changed since: a newer answer is on its way.
    """

    value: V | None
    why: str = ""
    is_current: bool = True


_Wish: TypeAlias = tuple[str, int, Question[object]]


class Statistics:
    """Answers one question for each place that asks, the newest first. What a place asked before is forgotten.

    Counts and completions have a worker of their own: who types a filter does not wait for a plot of millions of tiles.

    Args:
        index: of whose tiles.
        asked: filter and search of the queue, as one filter.
        choose: makes another filter that of the queue.
        post: calls functions back on the owner's thread.
        notify: tells that an answer has come.
        threads: 1 for each worker, or 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        index: TileIndex,
        asked: Callable[[], str],
        choose: Callable[[str], None],
        post: Post,
        *,
        notify: Callable[[Changed], None],
        threads: int,
    ) -> None:
        self._index = index
        self._asked = asked
        self._choose = choose
        self._post = post
        self._notify = notify
        self._version = 0
        self._places: dict[str, tuple[int, Question[object]]] = {}
        self._answers: dict[str, tuple[int, Question[object], Answered[object]]] = {}
        self._narrowed = ""
        self._before = ""
        self._typing: Wanted[_Wish, Answered[object]] = Wanted(
            "counts", self._compute, self._has, self._deliver, threads
        )
        self._plotting: Wanted[_Wish, Answered[object]] = Wanted(
            "statistics", self._compute, self._has, self._deliver, threads
        )

    # --- asking

    def ask(self, place: str, question: Question[V]) -> Answered[V] | None:
        """What is known of a question; None while nothing is. `Changed.STATISTICS` tells when it is worth asking again."""
        known = self._places.get(place)
        if known is None or known[1] != question:
            self._places[place] = (self._version, question)
            self._restate()
        answer = self._answers.get(place)
        if answer is None or answer[1] != question:
            return None
        wanted = self._places[place][0]
        found: Answered[V] = answer[2]  # type: ignore[assignment]  # of this very question
        return found if answer[0] == wanted else Answered(found.value, found.why, is_current=False)

    def forget(self, place: str) -> None:
        """Nobody wants to know any more."""
        if self._places.pop(place, None) is not None:
            self._answers.pop(place, None)
            self._restate()

    def values_of(self, column: str) -> tuple[str, ...]:
        """Texts that a column holds, the most frequent first; none until they have been looked up."""
        found = self.ask(f"values of {column}", ValuesOf(column))
        if found is None or found.value is None:
            return ()
        return tuple(value for value in list(found.value.values)[:MOST_VALUES] if value)

    def outdate(self, *, decisions_only: bool = False) -> None:
        """The index knows more than before, or only decisions have changed: what depends on that is asked anew."""
        self._version += 1
        is_stale = self._uses_decisions if decisions_only else (lambda _: True)
        stale = [place for place, (_, question) in self._places.items() if is_stale(question)]
        for place in stale:
            self._places[place] = (self._version, self._places[place][1])
        if stale:
            self._restate()
            self._notify(Changed.STATISTICS)

    def _uses_decisions(self, question: Question[object]) -> bool:
        columns, filter_ = question.uses
        try:
            condition = parse_filter(filter_, self._index.columns())
        except RsviewerError:
            return True
        used = set(columns) | (set() if condition is None else columns_of(condition))
        return any(self._index.is_decided(column) for column in used)

    # --- choosing

    @property
    def filter(self) -> str:
        """What the tiles of the queue satisfy."""
        return self._asked()

    def narrow(self, filter_: str, condition: str) -> None:
        """Leaves only tiles that also satisfy a condition. Narrowed again by the same plot, the newer condition counts.

        Args:
            filter_: of the queue, without what is searched for.
            condition: in the language of filters.
        """
        again = bool(self._narrowed) and filter_ == both(self._before, self._narrowed)
        before = self._before if again and _kind(condition) == _kind(self._narrowed) else filter_
        self._before, self._narrowed = before, condition
        self._choose(both(before, condition))

    # --- working

    def step(self) -> bool:
        """Answers one question here; for tests, with `threads=0`."""
        return self._typing.step() or self._plotting.step()

    def close(self) -> None:
        """Ends the workers."""
        self._typing.close()
        self._plotting.close()

    def _restate(self) -> None:
        wishes = [(place, version, question) for place, (version, question) in reversed(self._places.items())]
        self._typing.want([wish for wish in wishes if isinstance(wish[2], CountOf | ValuesOf)])
        self._plotting.want([wish for wish in wishes if not isinstance(wish[2], CountOf | ValuesOf)])

    def _has(self, wish: _Wish) -> bool:
        place, version, question = wish
        known = self._answers.get(place)
        return known is not None and known[0] == version and known[1] == question

    def _compute(self, wish: _Wish) -> Answered[object]:
        try:
            return Answered(wish[2].answer(self._index))
        except RsviewerError as error:
            return Answered(None, str(error))

    def _deliver(self, wish: _Wish, answer: Answered[object]) -> None:
        place, version, question = wish
        self._answers[place] = (version, question, answer)
        self._post(lambda: self._notify(Changed.STATISTICS))


def _kind(condition: str) -> str:
    """What a condition that was drawn is about: the part of it before its numbers."""
    for mark in (" between ", " in (", " = "):
        if mark in condition:
            return condition.split(mark, 1)[0]
    return ",".join(condition.split(",")[:2])

"""Who does the same work on many items: this process, or others beside it. Beyond one machine: `cluster`.

Decoding a tile that is damaged in a way nobody has thought of may end the process that does it, or take for ever. So that is
done in processes that can be replaced: what a lost one had in hand is tried again item by item, and only the item that costs
another one its life is given up.

This module is the first that such a process loads, and it loads nothing large itself: how many threads numerical libraries
start has to be said before they are there.
"""

import contextlib
import logging
import logging.handlers
import operator
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

from pebble import ProcessExpired, ProcessPool

from rsviewer.core.errors import RsviewerError

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 120.0
"""Seconds after which an item is given up."""
CHUNK = 8
"""Items that a process is given at once: sending some costs as much as sending one."""
AHEAD = 3
"""Chunks in hand for each process: enough to keep it busy, few enough that any number of items can come."""
NICE = 5
"""How far worker processes stand back behind a window when the processor is busy."""
OUT_OF_MEMORY_SCORE = "500"
"""Of 1000: where Linux is out of memory, it ends a worker, which is replaced, not the program."""
MOST_BREAKS = 5
"""So often in a row all processes may be lost at once before nothing is tried any more."""
NO_MEMORY = "There is not enough memory for it. Close other programs, or work with fewer processes."
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
_TICK = 0.5
"""Seconds between two moments at which Ctrl-C is noticed on Windows."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What comes back in the place of a result where there can be none.

    Attributes:
        why: a sentence.
    """

    why: str


@runtime_checkable
class Together(Protocol):
    """Work that saves time on several items at once."""

    def together(self, items: Sequence[Any]) -> list[Any]:
        """What calling it with each of them would give, in their order. In other processes, which get several at once."""


class Crew(Protocol):
    """Does the same work on many items."""

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        """Each item with its result, in no order. Whoever closes the generator loses what is in hand, and nothing else.

        Args:
            work: called with an item, or see `Together`. It and items and results are pickled. What it raises ends everything,
                being our bug.
            items: taken as they are needed.
        """


class Here:
    """This process: nobody saves it from an item that ends it. For tests, and for a handful of items."""

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        """See `Crew.run`. In the order of the items."""
        for item in items:
            yield item, _done(work, item)


class Processes:
    """Other processes on this machine.

    Args:
        workers: how many; 0 takes as many as there are cores for this process.
        patience: seconds after which an item is given up.
        polite: stand back behind other programs, the window above all.
    """

    def __init__(self, workers: int = 0, *, patience: float = PATIENCE, polite: bool = False) -> None:
        self.workers = workers or cores()
        self._patience = patience
        self._polite = polite

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        """See `Crew.run`. Raises RsviewerError where no process can be started."""
        pickled = pickle.dumps(work)
        known = operator.length_hint(items)
        workers = min(self.workers, max(1, -(-known // CHUNK))) if known else self.workers
        todo = _Todo(items)
        breaks = 0
        while breaks < MOST_BREAKS and todo:
            pool = ProcessPool(workers, 0, _begin, (pickled, self._polite), get_context("spawn"))
            try:
                _start(pool)
                for done in self._run(pool, todo, workers * AHEAD, _work_on_own):
                    breaks = 0
                    yield from done
            except BrokenProcessPool:
                breaks += 1
            finally:
                pool.stop()  # type: ignore[no-untyped-call]  # pebble says no types here
                pool.join()
        if todo:
            raise RsviewerError(
                "The worker processes end as soon as they start: the log may say why. --workers 0 does without them."
            )

    def _run(self, pool: ProcessPool, todo: "_Todo", most: int, does: "_OnChunk") -> Iterator[list[tuple[Any, Any]]]:
        """What comes back, chunk by chunk. Raises BrokenProcessPool; what was in hand is then to be done again."""
        pending: dict[Future[Answer], Sequence[Any]] = {}
        try:
            while True:
                while len(pending) < most and (chunk := todo.next()) is not None:
                    pending[_scheduled(pool, does, chunk, self._patience)] = chunk
                if not pending:
                    return
                for future in wait(pending, _TICK, FIRST_COMPLETED).done:
                    answer = self._answer(future)
                    chunk = pending.pop(future)
                    if isinstance(answer, Answer):
                        yield list(zip(chunk, opened(answer), strict=True))
                    elif len(chunk) == 1:
                        yield [(chunk[0], answer)]
                    else:
                        todo.again([[item] for item in chunk])
        finally:
            todo.again(list(pending.values()))

    def _answer(self, future: "Future[Answer]") -> "Answer | Lost":
        try:
            return future.result()
        except ProcessExpired as error:
            return Lost(f"It ended the process that worked on it ({_end(error.exitcode)}).")
        except TimeoutError:
            return Lost(f"It was not done after {self._patience:.0f} s.")


class Standing(Processes):
    """Processes that stay for one work after the other, so that their start is in the time of none. For measuring; to be left.

    Arguments as for `Processes`.
    """

    def __init__(self, workers: int = 0, *, patience: float = PATIENCE) -> None:
        super().__init__(workers, patience=patience)
        self._pool = ProcessPool(self.workers, 0, _begin, (b"", False), get_context("spawn"))
        _start(self._pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble says no types here
        self._pool.join()

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        """See `Crew.run`. Raises RsviewerError where all processes are lost at once: nobody starts others."""
        try:
            for done in self._run(self._pool, _Todo(items), self.workers * AHEAD, partial(work_on, pickle.dumps(work))):
                yield from done
        except BrokenProcessPool as error:
            raise RsviewerError("The worker processes have ended: the log may say why.") from error


def cores() -> int:
    """Of the processor, that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _done(work: Callable[[T], R], item: T) -> R | Lost:
    try:
        return work(item)
    except MemoryError:
        return Lost(NO_MEMORY)


# --- the work that is left


class _Todo:
    """Chunks: those that must be done again before new ones."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._again: deque[Sequence[Any]] = deque()

    def next(self) -> Sequence[Any] | None:
        """A chunk; None where there is no more."""
        if self._again:
            return self._again.popleft()
        return list(islice(self._items, CHUNK)) or None

    def again(self, chunks: Iterable[Sequence[Any]]) -> None:
        """Takes chunks back."""
        self._again.extend(chunks)

    def __bool__(self) -> bool:
        if not self._again and (chunk := self.next()) is not None:
            self._again.append(chunk)
        return bool(self._again)


def _start(pool: ProcessPool) -> None:
    """Starts the workers, now and later, so that they do not hear Ctrl-C.

    The terminal sends it to all, and a Python that has only begun complains. What is started here inherits that nothing is
    heard, the threads of the pool among them, which replace workers.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where pebble's workers ignore it as soon as they run
        return
    resource_tracker.ensure_running()  # its start would have the signal heard again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.active  # noqa: B018 -- whoever asks starts it
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _scheduled(pool: ProcessPool, does: "_OnChunk", chunk: Sequence[Any], patience: float) -> "Future[Answer]":
    try:
        future: Future[Answer] = pool.schedule(does, (chunk,), timeout=patience)
    except RuntimeError as error:  # the pool has broken meanwhile: what it has in hand says so, too
        future = Future()
        future.set_exception(BrokenProcessPool(str(error)))
    return future


def _end(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"{name}: perhaps memory ran out" if name == "SIGKILL" else name
    return f"exit code {code}"


# --- in the other process


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker sends home.

    Attributes:
        results: of every item of the chunk.
        said: what was logged meanwhile.
    """

    results: tuple[Any, ...]
    said: tuple[logging.LogRecord, ...]


def work_on(pickled: bytes, items: Sequence[Any]) -> Answer:
    """Does a chunk, in a worker.

    Args:
        pickled: what is to be done. Only the last one is kept ready.
        items: for it.
    """
    _listen()
    _heard.records = said = list[logging.LogRecord]()
    results: list[Any] = []
    try:
        work = _ready(pickled)
        if isinstance(work, Together):
            results += work.together(items)
        else:
            results += (_done(work, item) for item in items)
    finally:
        _heard.records = None
    return Answer(tuple(results), tuple(said))


def opened(answer: Answer) -> tuple[Any, ...]:
    """The results that came home; what the worker logged goes into this program's log."""
    for record in answer.said:
        logging.getLogger(record.name).handle(record)
    return answer.results


_Work: TypeAlias = Callable[[Any], Any]
_OnChunk: TypeAlias = Callable[[Sequence[Any]], Answer]
_lock = threading.Lock()
_works: dict[bytes, _Work | Together] = {}
_own = b""


def _begin(pickled: bytes, polite: bool) -> None:
    """Settles a process that was started for one work. What may fail is left to `work_on`, which can say so."""
    global _own  # noqa: PLW0603 -- the one thing that this process is for
    _own = pickled
    for library in _LIBRARIES:
        os.environ[f"{library}_NUM_THREADS"] = "1"  # one process a core is enough
    logging.getLogger("rsviewer").propagate = False  # it goes home, not to the terminal
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_SCORE)
    if polite:
        _stand_back()
    import cv2

    from rsviewer.batch.memory import keep_freed_memory
    from rsviewer.data.rasterfile import spare_memory

    cv2.setNumThreads(1)
    spare_memory()
    keep_freed_memory()


def _stand_back() -> None:
    import psutil

    with contextlib.suppress(OSError, psutil.Error):
        psutil.Process().nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", NICE))  # which only Windows has


def _end_with_parent() -> None:
    """However it ended: a worker that hangs would never notice by itself."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _work_on_own(items: Sequence[Any]) -> Answer:
    return work_on(_own, items)


def _ready(pickled: bytes) -> _Work | Together:
    with _lock:
        if pickled not in _works:
            _works.clear()
            _works[pickled] = pickle.loads(pickled)  # noqa: S301 -- our own, from the process that started this one
        return _works[pickled]


_heard = threading.local()


class _Listener(logging.handlers.QueueHandler):
    """Keeps what is logged on a thread that works."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # there is no queue: `enqueue` is all that uses one

    def enqueue(self, record: logging.LogRecord) -> None:
        """Keeps it, where anybody wants it."""
        records = getattr(_heard, "records", None)
        if records is not None:
            records.append(record)


_listener = _Listener()
_listener.setLevel(logging.WARNING)


def _listen() -> None:
    """Once in a process; no more than that is done the second time."""
    logging.getLogger("rsviewer").addHandler(_listener)

"""The only threads of the program: `Wanted` for the many small things a view needs, `Jobs` for the few long ones."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from rsviewer.core.errors import RsviewerError

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEAST_SECONDS = 1.5
"""Until then nobody knows how fast a job is."""

Post: TypeAlias = Callable[[Callable[[], None]], None]
"""Has a function called on the thread that owns the workspace (the GUI thread). May be called from any thread."""


def call_now(function: Callable[[], None]) -> None:
    """The `Post` of programs without a GUI thread and of tests: calls at once, where it is."""
    function()


class Wanted(Generic[K, V]):
    """Computes the most wanted thing that nobody has computed yet.

    The wish list is replaced as a whole on every move, so stale work never starts and nothing has to be cancelled.

    Args:
        name: of the threads, for logs and debuggers.
        compute: wish -> value. Runs on a worker; must not touch the workspace.
        has: True where a wish is already fulfilled. Must be safe to call from any thread.
        deliver: called on the worker with wish and value. Files the value and posts home.
        threads: number of workers. 0: nothing runs by itself; `step()` does one piece of work, so that a test is deterministic.
        life: entered by each worker before its first work and left after its last, for what belongs to a thread. Must not
            raise. Without workers the first `step()` enters and `close()` leaves.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[K], V],
        has: Callable[[K], bool],
        deliver: Callable[[K, V], None],
        threads: int,
        life: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._compute = compute
        self._has = has
        self._deliver = deliver
        self._life = life
        self._entered: ExitStack | None = None
        self._wishes: Sequence[K] = ()
        self._next = 0
        self._running: set[K] = set()
        self._failed: set[K] = set()
        self._passed: set[K] = set()
        """Wished for while they were computed already: that may come to nothing."""
        self._closed = False
        self._condition = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def want(self, wishes: Sequence[K]) -> None:
        """Replaces the wish list, most wanted first. Work under way is finished and delivered."""
        with self._condition:
            self._wishes = wishes
            self._next = 0
            self._passed.clear()
            if self._failed:
                self._failed &= set(wishes)
            self._condition.notify_all()

    def step(self) -> bool:
        """Fulfils one wish on the calling thread. Returns False where there was none to fulfil."""
        wish = self._take()
        if wish is None:
            return False
        if self._entered is None:
            self._entered = ExitStack()
            self._entered.enter_context(self._life())
        self._fulfil(wish)
        return True

    @property
    def open_wishes(self) -> int:
        """How many wishes have not been started yet (an upper bound)."""
        with self._condition:
            return max(0, len(self._wishes) - self._next) + len(self._running)

    def close(self) -> None:
        """Ends the workers, after the work under way. Safe to call twice."""
        with self._condition:
            self._closed = True
            self._wishes = ()
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()
        if self._entered is not None:
            self._entered.close()

    def _take(self) -> K | None:
        with self._condition:
            return self._take_locked()

    def _take_locked(self) -> K | None:
        while self._next < len(self._wishes):
            wish = self._wishes[self._next]
            self._next += 1
            if wish in self._running:
                self._passed.add(wish)
            if wish not in self._running and wish not in self._failed and not self._has(wish):
                self._running.add(wish)
                return wish
        return None

    def _fulfil(self, wish: K) -> None:
        try:
            value = self._compute(wish)
            self._deliver(wish, value)
        except Exception:
            log.exception("Could not compute %s", wish)
            with self._condition:
                self._failed.add(wish)
        finally:
            with self._condition:
                self._running.discard(wish)
                if wish in self._passed:
                    self._passed.clear()
                    self._next = 0
                    self._condition.notify_all()

    def _work(self) -> None:
        with self._life():
            while True:
                with self._condition:
                    wish = self._take_locked()
                    while wish is None:
                        if self._closed:
                            return
                        self._condition.wait()
                        wish = self._take_locked()
                self._fulfil(wish)
                del wish


@dataclass(slots=True)
class Job:
    """A long piece of work that the user can see and stop.

    Attributes:
        title: what it does, as shown in the status bar: "Indexing tiles".
        done: steps done so far.
        total: all steps; None while unknown.
        stop: set when the user wants it to end; the work looks at it often.
        error: the sentence to show where it failed; empty otherwise.
    """

    title: str
    done: int = 0
    total: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    finished: bool = False
    error: str = ""
    _since: tuple[float, int] | None = None
    """When the first steps were done, and how many: what it took to begin says nothing of the speed."""

    def begin(self, title: str) -> None:
        """Called by the work where its next part is something else, with steps of its own."""
        self.title, self.done, self.total, self._since = title, 0, None, None

    def progress(self, done: int, total: int | None) -> None:
        """Called by the work; read by the status bar whenever it likes."""
        if done and self._since is None:
            self._since = time.monotonic(), done
        self.done = done
        self.total = total

    @property
    def pace(self) -> float | None:
        """Steps a second so far; None while that is not known."""
        since = self._since
        if since is None:
            return None
        seconds, steps = time.monotonic() - since[0], self.done - since[1]
        return steps / seconds if seconds >= LEAST_SECONDS and steps > 0 else None

    def pace_in_words(self, unit: str = "") -> str:
        """For example "41 tiles/s, 3 min left"; empty while that is not known."""
        pace = self.pace
        if pace is None:
            return ""
        speed = f"{pace:,.0f}" if pace >= 10 else f"{pace:.1f}"
        left = None if self.total is None else max(0.0, (self.total - self.done) / pace)
        words = f"{speed} {unit}/s" if unit else f"{speed}/s"
        return words if left is None else f"{words}, {_duration(left)} left"


class Jobs:
    """Runs long work, one thread a job, and tells when it ends.

    Args:
        post: calls back on the owner's thread.
        changed: called there whenever a job starts or ends.
        failed: called there with the sentence to show when a job has failed.
        threaded: False runs a job inside `start`, for tests and commands.
    """

    def __init__(
        self,
        post: Post,
        changed: Callable[[], None],
        failed: Callable[[str], None] = lambda _: None,
        *,
        threaded: bool = True,
    ) -> None:
        self._post = post
        self._changed = changed
        self._failed = failed
        self._threaded = threaded
        self._threads: list[threading.Thread] = []
        self.running: list[Job] = []

    def start(
        self,
        title: str,
        work: Callable[[Job], V],
        done: Callable[[V], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> Job:
        """Starts `work(job)`; its result goes to `done` on the owner's thread, unless the job was stopped or failed.

        Where it failed, the sentence goes to `failed`, or to whoever hears of the failures of all jobs.
        """
        job = Job(title)
        self.running.append(job)
        if not self._threaded:
            self._run(job, work, done, failed or self._failed)
            return job
        thread = threading.Thread(
            target=self._run, args=(job, work, done, failed or self._failed), name=title, daemon=True
        )
        self._threads = [old for old in self._threads if old.is_alive()]
        self._threads.append(thread)
        self._changed()
        thread.start()
        return job

    def close(self) -> None:
        """Asks every job to stop and waits for it."""
        for job in list(self.running):
            job.stop.set()
        for thread in self._threads:
            thread.join()

    def _run(
        self, job: Job, work: Callable[[Job], V], done: Callable[[V], None] | None, failed: Callable[[str], None]
    ) -> None:
        def end(report: Callable[[], None] | None) -> None:
            job.finished = True
            if job in self.running:
                self.running.remove(job)
            if report is not None:
                report()
            self._changed()
            if job.error:
                failed(job.error)

        try:
            result = work(job)
        except RsviewerError as error:
            job.error = str(error)
            self._post(lambda: end(None))
        except Exception as error:
            log.exception("%s failed", job.title)
            job.error = f"{job.title} failed ({type(error).__name__}: {error}): please report it with the log."
            self._post(lambda: end(None))
        else:
            report = None if done is None or job.stop.is_set() else (lambda: done(result))
            self._post(lambda: end(report))


def _duration(seconds: float) -> str:
    """As exact as such an estimate can be."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

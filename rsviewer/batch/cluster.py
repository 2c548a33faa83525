"""A Dask cluster as a crew: the same work on other machines, which see the same files at the same places.

Whatever happens there, no item is lost: a chunk whose worker has gone is given to another one by the scheduler. Where that
happens again and again, the chunk itself may be to blame: then its items are done one by one, at the end and each alone on
the cluster, so that nobody else's work dies with them.
"""

import contextlib
import logging
import pickle
import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from rsviewer import __version__
from rsviewer.batch.crew import CHUNK, PATIENCE, Answer, Lost, opened, work_on
from rsviewer.core.errors import RsviewerError

T = TypeVar("T")
R = TypeVar("R")

CONNECTING = 10.0
"""Seconds to wait for the scheduler, and for a first worker."""
AHEAD = 3
"""Chunks in hand for each thread of the cluster."""
COUNTED_AFTER = 5.0
"""Seconds until the threads are counted again: workers come and go."""
FETCHING = 2.0
"""Seconds to wait for what a worker says it has. Dask itself waits half a minute for one that was killed meanwhile."""
_TICK = 0.5
_NAMED = 3


class Cluster:
    """The workers of a Dask scheduler.

    Args:
        address: of the scheduler, "tcp://host:8786".
        needs: folders and files that every worker must see.
        patience: seconds that an item may take. Where nothing at all comes home for as long as a chunk may take, what is
            in hand is given up.
    """

    def __init__(self, address: str, *, needs: Sequence[Path] = (), patience: float = PATIENCE) -> None:
        self.address = address
        self._needs = [str(path) for path in needs]
        self._patience = patience

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        """See `crew.Crew.run`. Raises RsviewerError where the cluster cannot be used, or goes away."""
        pickled = pickle.dumps(work)
        source = iter(items)
        chunks = iter(lambda: list(islice(source, CHUNK)), [])
        with self._connected() as client:
            suspects: list[Any] = []
            for chunk, answer in self._run(client, pickled, chunks):
                if isinstance(answer, Answer):
                    yield from zip(chunk, opened(answer), strict=True)
                else:
                    suspects += chunk
            for item in suspects:
                for _, answer in self._run(client, pickled, iter([[item]])):
                    yield item, opened(answer)[0] if isinstance(answer, Answer) else answer

    def _run(
        self, client: Any, pickled: bytes, chunks: Iterator[Sequence[Any]]
    ) -> Generator[tuple[Sequence[Any], Answer | Lost], None, None]:
        """Every chunk with its results, or with why it has none."""
        pending: dict[Any, Sequence[Any]] = {}
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        most, counted = 1, 0.0
        heard = time.monotonic()
        try:
            while True:
                now = time.monotonic()
                if now >= counted + COUNTED_AFTER:
                    most, counted = max(1, AHEAD * sum(client.nthreads().values())), now
                for chunk in islice(chunks, max(0, most - len(pending))):
                    future = client.submit(_do, pickled, pickle.dumps(chunk), pure=False)
                    pending[future] = chunk
                    future.add_done_callback(arrived.put)
                if not pending:
                    return
                try:
                    future = arrived.get(timeout=_TICK)
                except queue.Empty:
                    self._check(client)
                    if now >= heard + self._patience * max(map(len, pending.values())):
                        why = Lost(f"It was not done after {now - heard:.0f} s.")
                        client.cancel(list(pending), force=True)
                        given_up, pending = list(pending.values()), {}
                        yield from ((chunk, why) for chunk in given_up)
                        heard = time.monotonic()
                    continue
                heard = time.monotonic()
                if future in pending and (answer := self._answer(future)) is not None:
                    yield pending.pop(future), answer
                elif future in pending:
                    future.add_done_callback(arrived.put)
        finally:
            with contextlib.suppress(Exception):  # whoever ends it need not hear that the scheduler is gone, too
                client.cancel(list(pending), force=True)

    def _answer(self, future: Any) -> Answer | Lost | None:
        """What came of a chunk; None where its worker has gone before it could be fetched: then it is done again."""
        from distributed.scheduler import KilledWorker

        if future.cancelled():
            raise RsviewerError(_gone(self.address))
        try:
            answer: Answer = future.result(timeout=FETCHING)
        except KilledWorker as error:
            return Lost(f"It ended the workers that worked on it, {error.last_worker.address} the last.")
        except TimeoutError:
            if future.status == "error":
                raise  # it is of the work itself
            return None
        except (OSError, EOFError) as error:
            raise RsviewerError(f"{_gone(self.address)} ({_first_line(error)})") from error
        future.release()
        return answer

    def _check(self, client: Any) -> None:
        if client.status not in ("running", "connecting"):
            raise RsviewerError(_gone(self.address))

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            from distributed import Client
        except ImportError as error:
            raise RsviewerError(
                "A cluster needs the package distributed: install it with pip install 'rsviewer[cluster]'."
            ) from error
        _send_to_our_log()
        make: Any = Client  # has no types
        try:
            client = make(self.address or "nowhere", timeout=CONNECTING, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise RsviewerError(
                f"No Dask scheduler answers at {self.address} ({_first_line(error)}). Start one with `dask scheduler`, "
                "or check the address."
            ) from error
        try:
            self._look_at_workers(client)
            yield client
        finally:
            client.close(timeout=_TICK)

    def _look_at_workers(self, client: Any) -> None:
        """Raises RsviewerError where there are none, or they cannot do the work."""
        try:
            client.wait_for_workers(1, timeout=CONNECTING)
        except TimeoutError as error:
            raise RsviewerError(
                f"The Dask cluster at {self.address} has no workers. Start some with `dask worker {self.address}`."
            ) from error
        try:
            found = client.run(_introduce, self._needs)
        except ImportError as error:
            raise RsviewerError(
                f"The workers of {self.address} cannot load rsviewer ({_first_line(error)}): install it there."
            ) from error
        older = {version for version, _ in found.values()} - {__version__}
        if older:
            where = _named([worker for worker, (version, _) in found.items() if version != __version__])
            raise RsviewerError(
                f"On {where} rsviewer is {', '.join(sorted(older))}, here {__version__}: install the same there."
            )
        blind = {worker: absent for worker, (_, absent) in found.items() if absent}
        if blind:
            absent = next(iter(blind.values()))[0]
            raise RsviewerError(f"On {_named(list(blind))} there is no {absent}: mount it there at the same place.")


def _send_to_our_log() -> None:
    """What Dask says of connections belongs into the log, not between the lines on the terminal."""
    logger = logging.getLogger("distributed")
    logger.handlers.clear()
    logger.propagate = True


def _gone(address: str) -> str:
    return f"The Dask scheduler at {address} has gone. What came home is kept: the same command goes on from there."


def _named(workers: Sequence[str]) -> str:
    more = len(workers) - _NAMED
    return f"{', '.join(workers[:_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# --- on a worker


def _introduce(needs: Sequence[str]) -> tuple[str, list[str]]:
    """The version of the program, and what is not there of that which is needed."""
    return __version__, [path for path in needs if not Path(path).exists()]


def _do(pickled: bytes, chunk: bytes) -> Answer:
    _settle()
    return work_on(pickled, pickle.loads(chunk))  # noqa: S301 -- from our own process at the other end


@cache
def _settle() -> None:
    """Dask has a thread for every core: libraries need none of their own."""
    import cv2

    from rsviewer.batch.memory import keep_freed_memory
    from rsviewer.data.rasterfile import spare_memory

    cv2.setNumThreads(1)
    spare_memory()
    keep_freed_memory()

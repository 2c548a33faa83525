"""Many pieces of the same work on a few threads. Decoding lets go of the interpreter, so threads are enough for it."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the number done and the number in all, None while that is not known."""

AHEAD = 8
"""Pieces in hand for each thread: enough to keep it busy, few enough that any number of items can come."""


def in_parallel(
    work: Callable[[T], R], items: Iterable[T], threads: int = 0, *, ahead: int = AHEAD
) -> Generator[R, None, None]:
    """The results, in the order of the items. Whoever stops asking for more waits for the pieces that run, not for the rest.

    Args:
        work: called on a worker.
        items: taken as they are needed.
        threads: 0 takes as many as there are cores.
        ahead: pieces in hand for each thread.
    """
    count = threads or os.cpu_count() or 1
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, "batch") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= count * ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

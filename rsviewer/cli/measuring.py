"""What a piece of work takes: time and memory."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

_BEAT_SECONDS = 0.02


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Does it once, and says how long that took."""
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


class Memory:
    """The most memory that the process had, over what it had in the beginning."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self.over = threading.Event()

    @property
    def growth_mb(self) -> float:
        """So far."""
        return float(self._most - self._before) / 1e6

    def watch(self) -> None:
        """Looks again and again until `over`."""
        while not self.over.wait(_BEAT_SECONDS):
            self._most = max(self._most, self._process.memory_info().rss)


@contextmanager
def memory() -> Iterator[Memory]:
    """Watches the memory within the block."""
    watched = Memory()
    watching = threading.Thread(target=watched.watch, daemon=True)
    watching.start()
    try:
        yield watched
    finally:
        watched.over.set()
        watching.join()

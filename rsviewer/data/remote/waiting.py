"""Waits for something slow in a way that can be given up: the program ends although a server does not answer."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, cast

from rsviewer.core.errors import StoppedError

_T = TypeVar("_T")
_ASKED_EVERY: Final = 0.1
"""Seconds between two looks at whether somebody wants to stop."""
_END = object()


class Waiting:
    """Does slow calls on threads that nobody joins. Safe from any thread.

    Neither DNS nor a TLS handshake nor obstore can be interrupted, so the caller must be able to leave them behind. A
    thread for each call costs 0.1 ms; the call itself is a request to a server.
    """

    def __init__(self, stop: Callable[[], bool] = lambda: False) -> None:
        """`stop` is asked while waiting: where it says True, StoppedError is raised."""
        self._stop = stop
        self._lock = threading.Lock()
        self._open: set[SimpleQueue[tuple[Any, BaseException | None]]] = set()
        self._given_up = threading.Event()

    def call(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises. Raises OSError at once, here and in all other threads, after `give_up`."""
        box: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        with self._lock:
            if self._given_up.is_set():
                raise _closed()
            self._open.add(box)
        try:
            threading.Thread(target=_do, args=(work, box), name="remote", daemon=True).start()
            result, error = self._answer(box)
        finally:
            with self._lock:
                self._open.discard(box)
        if error is not None:
            raise error
        return cast("_T", result)

    def _answer(self, box: "SimpleQueue[tuple[Any, BaseException | None]]") -> tuple[Any, BaseException | None]:
        while True:
            with contextlib.suppress(Empty):
                return box.get(timeout=_ASKED_EVERY)
            if self._stop():
                raise StoppedError("Opening was stopped.")

    def each(self, source: Iterator[_T]) -> Generator[_T, None, None]:
        """The items of an iterator that waits for its items."""
        try:
            while (item := self.call(lambda: cast("_T", next(source, _END)))) is not _END:
                yield item
        finally:
            if not self._given_up.is_set() and (close := getattr(source, "close", None)):
                with contextlib.suppress(OSError, ValueError):
                    close()

    def pause(self, seconds: float) -> bool:
        """Waits; True where it was given up meanwhile."""
        return self._given_up.wait(seconds)

    def give_up(self) -> None:
        """Ends all waiting, now and later. May be called twice."""
        with self._lock:
            self._given_up.set()
            for box in self._open:
                box.put((None, _closed()))


def _do(work: Callable[[], Any], box: "SimpleQueue[tuple[Any, BaseException | None]]") -> None:
    try:
        box.put((work(), None))
    except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
        box.put((None, error))


def _closed() -> OSError:
    return OSError(None, "the dataset was closed meanwhile")

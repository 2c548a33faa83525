"""Decoded tiles and painted pictures, least recently used out first, bounded in bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Sized(Protocol):
    """A value that knows what it costs."""

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""


V = TypeVar("V", bound=Sized)


class Cache(Generic[K, V]):
    """A mapping that forgets what was not used for longest once `limit` bytes are exceeded. Safe from any thread.

    Args:
        limit: bytes that may be held.
        is_needed: what it says True of is kept whatever it costs: what is on the screen.
    """

    def __init__(self, limit: int, is_needed: Callable[[K], bool] = lambda _: False) -> None:
        self._limit = limit
        self._is_needed = is_needed
        self._values: OrderedDict[K, V] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._nbytes

    @property
    def limit(self) -> int:
        """Bytes that may be held."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._lock:
            self._limit = limit
            self._shrink()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, now the most recently used; None where it is not (or no longer) held."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Keeps the value. One that is larger than the limit by itself is kept until the next one comes."""
        with self._lock:
            old = self._values.pop(key, None)
            if old is not None:
                self._nbytes -= old.nbytes
            self._values[key] = value
            self._nbytes += value.nbytes
            self._shrink()

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()
            self._nbytes = 0

    def _shrink(self) -> None:
        spared = []
        while self._nbytes > self._limit and len(self._values) > 1:
            key, value = self._values.popitem(last=False)
            if self._is_needed(key):
                spared.append((key, value))
            else:
                self._nbytes -= value.nbytes
        for key, value in reversed(spared):
            self._values[key] = value
            self._values.move_to_end(key, last=False)

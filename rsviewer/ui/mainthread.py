"""Has functions called on the GUI thread."""

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal


class MainThread(QObject):
    """Calls functions on the thread it was made on, in the order in which they were posted.

    Functions travel in a queue of our own and the signal carries nothing: a signal with a Python object as argument takes
    its reference across threads, where PySide has been seen to lose it.
    """

    _posted = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._functions: deque[Callable[[], None]] = deque()
        self._closed = False
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], None]) -> None:
        """Safe from any thread. Returns at once."""
        self._functions.append(function)
        self._posted.emit()

    def close(self) -> None:
        """Drops what was not called yet."""
        self._closed = True
        self._functions.clear()

    def _run(self) -> None:
        while self._functions and not self._closed:
            self._functions.popleft()()

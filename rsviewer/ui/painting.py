"""Painters that end with their block."""

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtGui import QPaintDevice, QPainter


@contextmanager
def painting(device: QPaintDevice) -> Iterator[QPainter]:
    """A painter on a widget or picture.

    An error keeps the frame in which it was raised alive, and with it a painter that Python would otherwise have ended; one
    that outlives its paint event takes the whole program with it. So it ends here, and the error reaches the crash dialog.
    """
    painter = QPainter(device)
    try:
        yield painter
    finally:
        painter.end()

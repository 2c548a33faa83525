"""A file that is there only while something is tried that may end the program. Found later, it tells that it did."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from rsviewer.data.settings import preferences_path, write_synced

log = logging.getLogger(__name__)

OPENGL = "opengl-is-tried"
"""Name of the file for OpenGL, beside the preferences."""


def opengl_marker() -> Path:
    """Is there while OpenGL is tried."""
    return preferences_path().with_name(OPENGL)


@contextmanager
def trying(marker: Path) -> Iterator[None]:
    """Leaves the marker on the disk as long as something is tried.

    Where it cannot be written, nobody will be warned, and nothing else changes.
    """
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        write_synced(marker, f"{os.getpid()} {_began(os.getpid())}\n".encode())
    except OSError as error:
        log.info("Could not write %s: %s", marker, error)
    try:
        yield
    finally:
        try:
            marker.unlink(missing_ok=True)
        except OSError as error:
            log.info("Could not remove %s: %s", marker, error)


def ended_badly(marker: Path) -> bool:
    """Whether the last try ended the program. One that is still under way, in another window, did not."""
    try:
        pid, began = marker.read_text(encoding="ascii", errors="replace").split()
        return _began(int(pid)) != float(began)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # empty, or cut short: then it was worse than the end of a program
        return marker.exists()


def _began(pid: int) -> float:
    """When a process began, in whole seconds; 0 where there is none."""
    try:
        return float(round(psutil.Process(pid).create_time()))
    except psutil.Error:
        return 0.0

"""Folders for indexes that nobody else uses: in the system's folder for temporary files, private, gone with the index.

What a crash has left is removed when the next one is made: a folder whose lock nobody holds is nobody's.
"""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "rsviewer-index-"
YOUNG_SECONDS = 60
"""Whoever makes a folder has so long to lock it."""

_LOCK = "lock"


class Aside:
    """A folder that is ours until `close`."""

    def __init__(self) -> None:
        """Raises OSError where there is no place for it."""
        sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = FileLock(self.folder / _LOCK, thread_local=False)
        self._lock.acquire(timeout=0)

    def close(self) -> None:
        """Removes it."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep() -> None:
    """Removes what nobody uses any more."""
    try:
        found = [Path(entry.path) for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for folder in found:
        if not _is_old_and_ours(folder):
            continue
        try:
            with FileLock(folder / _LOCK, timeout=0):
                pass
        except (Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_old_and_ours(folder: Path) -> bool:
    """False for links and for what others have put there, in a folder that everybody may write to."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return is_ours and stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > YOUNG_SECONDS

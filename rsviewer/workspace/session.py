"""The session as it is now, and the way it gets to the disk."""

from collections.abc import Callable
from dataclasses import replace

from rsviewer.core.tile import TileId
from rsviewer.data.settings import Session
from rsviewer.workspace.background import Wanted


class SessionKeeper:
    """Holds the session and writes it on a worker, if it changed.

    Args:
        session: where the user was.
        write: writes one; called on the worker. None keeps it in memory only.
        threads: 1, or 0 for tests and commands: then it is written when it is closed.
    """

    def __init__(self, session: Session, write: Callable[[Session], None] | None, *, threads: int) -> None:
        self.now = session
        """All but the tile, which is known to whoever moves. Change it with `change`."""
        self._write = write
        self._version = 0
        self._saved_version = 0
        self._to_save = session
        self._saver: Wanted[int, None] = Wanted(
            "session", self._write_one, lambda version: version <= self._saved_version, self._saved, threads
        )

    def change(self, **changes: object) -> None:
        """Replaces some of its fields."""
        self.now = replace(self.now, **changes)  # type: ignore[arg-type]  # checked by the callers' names
        self.touch()

    def touch(self) -> None:
        """Something of it changed that is not held here, such as the tile."""
        self._version += 1

    def at(self, tile: TileId | None) -> Session:
        """The session with the tile that is shown."""
        return replace(self.now, tile=tile)

    def save(self, tile: TileId | None) -> None:
        """Writes the session on a worker, if it changed."""
        if self._version > self._saved_version and self._write is not None:
            self._to_save = self.at(tile)
            self._saver.want((self._version,))

    def close(self) -> None:
        """Writes what is still to be written, and ends the worker."""
        while self._saver.step():
            pass
        self._saver.close()

    def _write_one(self, _: int) -> None:
        if self._write is not None:
            self._write(self._to_save)

    def _saved(self, version: int, _: None) -> None:
        self._saved_version = version

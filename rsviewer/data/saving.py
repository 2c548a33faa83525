"""A file that the user saves: whole or not at all, however the work at it ends."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsviewer.core.errors import SaveError
from rsviewer.core.tile import printable
from rsviewer.data.settings import sync_folder

PARTIAL = re.compile(r"\.rsviewer-[0-9a-f]{16}\.partial")
"""The name of a file that is being written."""


@contextmanager
def saving(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A name to write a new file to. It takes the place of `path` at the end, and goes away where that is not reached.

    Raises:
        SaveError: the file cannot be written or is there already. What was there is still there.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".rsviewer-{secrets.token_hex(8)}.partial")
    try:
        _refuse(target, overwrite=overwrite)
        try:
            yield partial
            _sync(partial)
            _refuse(target, overwrite=overwrite)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(target.parent)
    except OSError as error:
        raise SaveError(
            f"{_shown(target)} could not be written ({error.strerror or error}). "
            "Make room or give permission there, or choose another place."
        ) from error
    except MemoryError as error:
        raise SaveError(
            f"There is not enough memory to write {_shown(target)}. Close other programs, or save something smaller."
        ) from error


def save(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """A new file with this content. Raises SaveError as `saving` does."""
    with saving(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)


def _refuse(target: Path, *, overwrite: bool) -> None:
    """Raises SaveError where something is at `target` that is not to be replaced."""
    if target.is_dir():
        raise SaveError(f"{_shown(target)} is a folder. Choose another name.")
    if os.path.lexists(target) and not overwrite:
        raise SaveError(f"{_shown(target)} exists and was left as it is. Choose another name, or overwrite it.")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _shown(path: Path) -> str:
    return printable(str(path))

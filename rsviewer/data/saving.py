"""A file that the user saves: whole or not at all, however the work at it ends."""

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from rsviewer.core.errors import SaveError
from rsviewer.core.tile import printable
from rsviewer.data.settings import sync_folder

PARTIAL = re.compile(r"\.rsviewer-[0-9a-f]{16}\.partial")
"""The name of a file that is being written."""

_waiting: ContextVar[list["Written"] | None] = ContextVar("waiting", default=None)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is written, and is to take its name when it is on the disk.

    Attributes:
        partial: the name that it has.
        target: the name that it gets.
        overwrite: what has that name is replaced.
    """

    partial: Path
    target: Path
    overwrite: bool


@contextmanager
def saving(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A name to write a new file to. It takes the place of `path` at the end, and goes away where that is not reached.

    Raises:
        SaveError: the file cannot be written or is there already. What was there is still there.
    """
    target = Path(os.path.realpath(path))
    file = Written(target.with_name(f".rsviewer-{secrets.token_hex(8)}.partial"), target, overwrite)
    with _in_words(target):
        _refuse(target, overwrite=overwrite)
        try:
            yield file.partial
        except BaseException:
            _forget([file])
            raise
    waiting = _waiting.get()
    if waiting is None:
        finish([file])
        sync_folder(target.parent)
    else:
        waiting.append(file)


@contextmanager
def held_back() -> Iterator[list[Written]]:
    """The files that are saved meanwhile. They get their names when `finish` is called with them, on any thread.

    Waiting for the disk takes as long as some work, and both can be done at once.
    """
    files: list[Written] = []
    before = _waiting.set(files)
    try:
        yield files
    except BaseException:
        _forget(files)
        raise
    finally:
        _waiting.reset(before)


@contextmanager
def at_once() -> Iterator[None]:
    """Within `held_back`: files that are saved meanwhile are there as soon as they are saved."""
    before = _waiting.set(None)
    try:
        yield
    finally:
        _waiting.reset(before)


def finish(files: Sequence[Written]) -> None:
    """Waits until files are on the disk, and then gives them their names, in this order: where one cannot have it, none has.

    The names themselves may still get lost when the power fails: see `sync_folder`.

    Raises:
        SaveError: one of them cannot be kept, or something is there already.
    """
    named: list[Path] = []
    try:
        for file in files:
            with _in_words(file.target):
                _sync(file.partial)
        for file in files:
            with _in_words(file.target):
                _refuse(file.target, overwrite=file.overwrite)
                file.partial.replace(file.target)
                named.append(file.target)
    except Exception:
        for target in named:
            with suppress(OSError):
                target.unlink()
        raise
    finally:
        _forget(files[len(named) :])


def save(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """A new file with this content. Raises SaveError as `saving` does."""
    with saving(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)


def _forget(files: Iterable[Written]) -> None:
    for file in files:
        with suppress(OSError):
            file.partial.unlink(missing_ok=True)


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    """Raises SaveError where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise SaveError(
            f"{_shown(target)} could not be written ({error.strerror or error}). "
            "Make room or give permission there, or choose another place."
        ) from error
    except MemoryError as error:
        raise SaveError(
            f"There is not enough memory to write {_shown(target)}. Close other programs, or save something smaller."
        ) from error


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

"""Files made of many things, one after the other, on a crew. Stopped and called again, it goes on."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from rsviewer.batch.crew import Crew, Lost
from rsviewer.batch.remarks import Failure, Remark, Remarks
from rsviewer.batch.runner import Progress
from rsviewer.core.errors import RsviewerError, SaveError
from rsviewer.core.tile import TileId, printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.conversions import Begun
from rsviewer.data.saving import Written, finish, held_back
from rsviewer.data.settings import sync_folder

T = TypeVar("T")

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the next tile would meet as well."""

_WAITING = 2
"""Threads of each process that wait for the disk."""

EXAMPLES = 3
"""Files that a look ahead names."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one thing.

    Attributes:
        remarks: what a careful person would want to know of it.
        facts: a row for the table of the conversion, where it has one.
    """

    remarks: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None


class Maker(ABC, Generic[T]):
    """Makes the files of one thing. It is pickled, once for each worker, and holds all that it needs to know."""

    @abstractmethod
    def name(self, item: T) -> TileId:
        """What the thing is called where something is said of it. Every thing has another name."""

    @abstractmethod
    def targets(self, item: T) -> Sequence[Path]:
        """The files that are made of it. The last one is written last: where it is there, all are."""

    @abstractmethod
    def make(self, item: T) -> Made:
        """Writes them by `data.saving`, each whole or not at all, in the place of what is there. Their folders are there.

        What is saved is there only afterwards, but for what is saved `at_once`.

        Raises RsviewerError, with a sentence on what is wrong with this one.
        """

    def known(self, item: T) -> Made:  # noqa: ARG002 -- for those that have a table
        """What is known of one whose files are there, for the table of the conversion."""
        return Made()


class Outcome(StrEnum):
    """What became of a thing."""

    WRITTEN = "written"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was done.

    Attributes:
        tiles: looked at.
        written: tiles whose files were written now.
        skipped: tiles whose files were there before.
        failed: in the order of the tiles.
        remarks: on what was written now.
        left_out: tiles that were left out because they were dropped.
        facts: tile -> its row for the table of the conversion, whenever it was written.
    """

    tiles: int
    written: int
    skipped: int
    failed: tuple[Failure, ...]
    remarks: tuple[Remark, ...]
    left_out: tuple[TileId, ...] = ()
    facts: Mapping[TileId, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a conversion would do.

    Attributes:
        tiles: that it would look at.
        there: of these, whose files are there.
        examples: the first files that it would write.
        left_out: tiles that it would leave out because they were dropped.
    """

    tiles: int
    there: int
    examples: tuple[Path, ...]
    left_out: tuple[TileId, ...] = ()


def make_all(
    maker: Maker[T], items: Collection[T], begun: Begun, crew: Crew, progress: Progress | None = None
) -> Conversion:
    """Makes the files of everything that has none yet.

    Whoever raises from `progress` stops it: what is whole stays, what was being written goes away.

    Args:
        maker: makes them.
        items: of these, in their order; gone through more than once.
        begun: the folder they go to.
        crew: does it.
        progress: called with things done and things in all.

    Raises:
        SaveError: there is no room or permission for any further file.
    """
    counts = dict.fromkeys(Outcome, 0)
    failed: dict[TileId, str] = {}
    remarked: dict[TileId, tuple[str, ...]] = {}
    facts: dict[TileId, Mapping[str, Any]] = {}
    with closing(crew.run(_Work(maker, begun), items)) as results:
        for item, result in results:
            name = maker.name(item)
            done = _Done(Outcome.FAILED, result.why) if isinstance(result, Lost) else result
            if done.outcome is Outcome.FAILED:
                begun.is_whole = False
                failed[name] = done.message
            if done.is_hopeless:
                raise SaveError(done.message)
            counts[done.outcome] += 1
            if done.made.remarks:
                remarked[name] = done.made.remarks
            if done.made.facts is not None:
                facts[name] = done.made.facts
            if progress:
                progress(sum(counts.values()), len(items))
    remarks = Remarks()
    failures = []
    ordered = {}
    for name in map(maker.name, items):
        if name in failed:
            failures.append(Failure(name, failed[name]))
        remarks.add(name, remarked.get(name, ()))
        if name in facts:
            ordered[name] = facts[name]
    return Conversion(
        len(items), counts[Outcome.WRITTEN], counts[Outcome.SKIPPED], tuple(failures), remarks.all, facts=ordered
    )


def targets_of(maker: Maker[T], items: Iterable[T]) -> Iterator[Path]:
    """All files that are made of some things."""
    return (target for item in items for target in maker.targets(item))


def slim(dataset: Dataset) -> Dataset:
    """What workers need to know of a dataset: millions of names stay at home."""
    return replace(dataset, lists=(), folders=(), problems=())


def whose(dataset: Dataset) -> dict[str, str]:
    """For a recipe: the dataset, wherever it lies today."""
    return {"dataset": dataset.title, "format": dataset.format}


def look_ahead(maker: Maker[T], items: Collection[T], begun: Begun, *, overwrite: bool = False) -> Preview:
    """What `make_all` would do. Reads no pixel."""
    there = 0
    first: list[Path] = []
    for item in items:
        targets = maker.targets(item)
        if targets and begun.has(targets[-1]) and not overwrite:
            there += 1
        elif len(first) < EXAMPLES:
            first += targets
    return Preview(len(items), there, tuple(first[:EXAMPLES]))


def check_out(out: Path, dataset: Dataset) -> None:
    """Raises SaveError where results would get among the files of the dataset that they are made of."""
    folder = Path(os.path.realpath(out))
    root = Path(os.path.realpath(dataset.root))
    sources = {Path(os.path.realpath(each)) for each in dataset.folders if each != dataset.root}
    if root.is_relative_to(folder) or any(folder.is_relative_to(each) for each in sources if each.is_dir()):
        raise SaveError(
            f"{printable(str(folder))} belongs to the dataset itself. Choose a new folder for what is made of it."
        )


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: Outcome
    message: str = ""
    made: Made = Made()
    is_hopeless: bool = False


@dataclass(frozen=True, slots=True)
class _Work(Generic[T]):
    """One thing, on a worker."""

    maker: Maker[T]
    begun: Begun

    def __call__(self, item: T) -> _Done:
        return self._begun(item, _finished)()

    def together(self, items: Sequence[T]) -> list[_Done]:
        """While the disk takes what was written of one, the next is worked on."""
        done = [end() for end in [self._begun(item, _disk().submit) for item in items]]
        for folder in {target.parent for item in items for target in self.maker.targets(item)}:
            sync_folder(folder)
        return done

    def _begun(self, item: T, finishing: "_Finishing") -> Callable[[], _Done]:
        """Makes the files of one thing, and has them finished. What comes of it is known when what is returned is called."""
        try:
            targets = self.maker.targets(item)
            if targets and self.begun.has(targets[-1]):
                known = _Done(Outcome.SKIPPED, made=self.maker.known(item))
                return lambda: known
            for folder in dict.fromkeys(target.parent for target in targets):
                folder.mkdir(parents=True, exist_ok=True)
            with held_back() as files:
                made = self.maker.make(item)
            return partial(self._ended, finishing(finish, files), made)
        except (OSError, RsviewerError, MemoryError) as error:
            failed = self._failed(error)
            return lambda: failed

    def _ended(self, finished: "Future[None]", made: Made) -> _Done:
        try:
            finished.result()
        except (OSError, RsviewerError, MemoryError) as error:
            return self._failed(error)
        return _Done(Outcome.WRITTEN, made=made)

    def _failed(self, error: Exception) -> _Done:
        if isinstance(error, MemoryError):
            return _Done(Outcome.FAILED, "There is not enough memory for it. Try again with fewer workers.")
        if isinstance(error, OSError):
            place = printable(str(error.filename or self.begun.out))
            return _Done(Outcome.FAILED, f"{place} cannot be made or used ({error.strerror or error}).")
        why = error.__cause__
        return _Done(Outcome.FAILED, str(error), is_hopeless=isinstance(why, OSError) and why.errno in NO_ROOM)


_Finishing: TypeAlias = Callable[[Callable[[Sequence[Written]], None], Sequence[Written]], "Future[None]"]


def _finished(finishing: Callable[[Sequence[Written]], None], files: Sequence[Written]) -> "Future[None]":
    """On this thread."""
    future: Future[None] = Future()
    try:
        finishing(files)
        future.set_result(None)
    except Exception as error:  # noqa: BLE001 -- raised again by who asks for the result
        future.set_exception(error)
    return future


@cache
def _disk() -> ThreadPoolExecutor:
    """Threads that wait for the disk, which serves several as fast as one."""
    return ThreadPoolExecutor(_WAITING, "disk")

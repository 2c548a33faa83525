"""A dataset opened with everything done inside the call that asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rsviewer.batch.crew import Here
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace


@contextmanager
def opened_here(path: Path, reviewer: str = "ada") -> Iterator[Workspace]:
    """The workspace of a dataset, started; closed at the end."""
    made = Workspace(
        replace(open_path(path), crew=Here),
        call_now,
        threads=0,
        cache_bytes=10_000_000,
        reviewer=reviewer,
        threaded_jobs=False,
    )
    made.start()
    try:
        yield made
    finally:
        made.close()

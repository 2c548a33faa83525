"""What tests of windows share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace


@pytest.fixture
def workspace(tiny_dataset: Path, qapp: object) -> Iterator[Workspace]:
    """The tiny dataset opened, with everything done inside the call that asks for it."""
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10_000_000, reviewer="ada", threaded_jobs=False
    )
    opened.start()
    yield opened
    opened.close()

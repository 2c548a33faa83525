"""What tests of windows share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here


@pytest.fixture
def workspace(tiny_dataset: Path, qapp: object) -> Iterator[Workspace]:
    """The tiny dataset opened, with everything done inside the call that asks for it."""
    with opened_here(tiny_dataset) as opened:
        yield opened

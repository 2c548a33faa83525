"""What tests of data share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.listed import Open, opening


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[Open]:
    """See `tests.data.listed.opening`."""
    with opening(tmp_path) as opened:
        yield opened

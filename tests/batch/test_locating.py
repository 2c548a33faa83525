"""Locating reads headers and keeps what it finds."""

from pathlib import Path

import pytest

from rsviewer.batch.locating import locate_all
from tests.workspace.here import opened_here


def test_every_tile_with_coordinates_is_located(tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset) as workspace:
        assert locate_all(workspace.index, workspace.dataset, threads=1) == (6, 6)
        assert locate_all(workspace.index, workspace.dataset, threads=1) == (0, 0)
        found = workspace.index.statistics.places()
        assert found.extent is not None
        assert found.extent == pytest.approx((139.8885, 36.1400, 139.8887, 36.1401), abs=2e-3)
        assert len(found.boxes) == 6

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

Run = Callable[..., Any]


@pytest.fixture
def heights(tmp_path: Path) -> Path:
    """Two tiles of DSM and DTM, the second without a DTM."""
    for name, value in (("DSM/1", 7), ("DTM/1", 2), ("DSM/2", 7)):
        path = tmp_path / "data" / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "float32", "crs": "EPSG:32632"}
        with rasterio.open(path, "w", transform=rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 5.7e6), **profile) as file:
            file.write(np.full((1, 8, 8), value, np.float32))
    return tmp_path / "data"


def test_heights_above_ground_are_written_and_what_was_guessed_is_said(run: Run, heights: Path, tmp_path: Path) -> None:
    done = run("convert", "ndsm", heights, "--format", "folders", "--all", "--out", tmp_path / "out")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("2 tiles written")
    assert "1 tile, first 2: The ground was estimated" in done.out
    with rasterio.open(tmp_path / "out" / "1.tif") as file:
        assert (file.read() == 5).all()


def test_with_the_layer_asked_for_a_tile_without_it_fails(run: Run, heights: Path, tmp_path: Path) -> None:
    done = run(
        "convert", "ndsm", heights, "--format", "folders", "--all", "--ground", "layer", "--out", tmp_path / "out"
    )

    assert (done.code, done.err) == (1, "rsviewer: 2: This tile has no file for DTM.\n")


def test_a_dry_run_writes_nothing(run: Run, heights: Path, tmp_path: Path) -> None:
    done = run("convert", "ndsm", heights, "--format", "folders", "--all", "--dry-run", "--out", tmp_path / "out")

    assert done.out.startswith("Nothing was written. 2 tiles would be converted")
    assert not (tmp_path / "out").exists()
    document = run(
        "convert", "ndsm", heights, "--format", "folders", "--all", "--dry-run", "--json", "--out", tmp_path / "out"
    ).document
    assert (document["to_write"], document["dry_run"]) == (2, True)

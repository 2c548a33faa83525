"""A conversion that is killed half-way and called again leaves the same files as one that was left in peace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from rsviewer.data.conversions import LOCK, RECORD
from rsviewer.data.saving import PARTIAL

TILES = 60
SIDE = 200
PATIENCE_S = 120

CONVERSIONS = {
    "png": ("png", "--stretch", "percent"),
    "height255": ("height255", "--range", "dataset"),
    "colorize": ("colorize", "--colors", "Spectral", "--bar"),
    "dataset": ("dataset", "--to", "rs3dbench"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles with dots and blanks in their names, gaps in their numbers, some voids."""
    root = tmp_path_factory.mktemp("killed") / "data set 1.0"
    rng = np.random.default_rng(4)
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "crs": "EPSG:32654"}
    for number in range(0, 2 * TILES, 2):
        place = Affine(0.5, 0, 4e5 + 100 * number, 0, -0.5, 4e6)
        for folder, pixels in {
            "opt": rng.integers(0, 255, (3, SIDE, SIDE), np.uint8),
            "gt_nDSM": rng.gamma(2, 5, (1, SIDE, SIDE)).astype(np.float32),
        }.items():
            if folder == "gt_nDSM" and number % 3 == 0:
                pixels[:, :9, :9] = -9999
            path = root / folder / f"tile 1.{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {"nodata": -9999} if folder == "gt_nDSM" else {}
            with rasterio.open(
                path, "w", count=len(pixels), dtype=pixels.dtype, transform=place, **profile, **options
            ) as file:
                file.write(pixels)
    return root


@contextmanager
def started(dataset: Path, out: Path, home: Path, words: tuple[str, ...]) -> "Iterator[subprocess.Popen[bytes]]":
    """In a group of processes of its own, as a terminal would have it. None of them lives on after a test that fails."""
    kind, *options = words
    command = [sys.executable, "-m", "rsviewer", "convert", kind, dataset, "--all", "--out", out, "--workers", "2"]
    environment = os.environ | {"RSVIEWER_HOME": str(home)}
    with subprocess.Popen(
        [*map(str, command), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, process_group=0
    ) as process:
        try:
            yield process
        finally:
            kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """The process and those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(dataset: Path, out: Path, home: Path, words: tuple[str, ...]) -> None:
    """A conversion that is left in peace."""
    with started(dataset, out, home, words) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said


def count(folder: Path) -> int:
    """How many files there are, of a folder in which files come, and are renamed, at this moment."""
    return sum(len(names) for _, _, names in os.walk(folder))


def files(folder: Path) -> dict[str, bytes]:
    """All but the record, which says when something was begun, of a folder that nobody writes into."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (RECORD, LOCK)
    }


@pytest.mark.skipif(os.name == "nt", reason="kills a group of processes")
@pytest.mark.parametrize("words", CONVERSIONS.values(), ids=CONVERSIONS.keys())
def test_killed_and_called_again_it_leaves_the_same_files(
    dataset: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    run(dataset, tmp_path / "whole", tmp_path / "home", words)
    whole, out = files(tmp_path / "whole"), tmp_path / "out"

    with started(dataset, out, tmp_path / "home", words) as process:
        leave_by = time.monotonic() + PATIENCE_S
        while count(out) < 12 and process.poll() is None and time.monotonic() < leave_by:
            time.sleep(0.002)
        kill(process)
        process.communicate(timeout=PATIENCE_S)  # until the last of them has let go
    half = {name: content for name, content in files(out).items() if not PARTIAL.fullmatch(Path(name).name)}
    assert len(half) < len(whole), "it was killed half-way"

    run(dataset, out, tmp_path / "home", words)

    assert files(out) == whole
    assert half.items() <= files(out).items() or words[0] == "dataset", "nothing whole was made anew otherwise"

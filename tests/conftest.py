"""What every test stands on: no window on anybody's desktop, nobody's settings, and no garbage collected on a worker."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.pop("DISPLAY", None)

from collections.abc import Callable, Iterator  # Qt reads the platform when it is loaded
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pytestqt.qtbot import QtBot
from pytestqt.wait_signal import SignalBlocker

# A found fault must be found again tomorrow; and a machine that is busy is not a fault.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

PATIENCE_MS = 60_000
"""Until a test gives up waiting for the window: what only a fault reaches, however busy the machine is."""


class PatientBot(QtBot):
    """Waits longer than pytest-qt's five seconds."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = PATIENCE_MS) -> None:
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: Any, *, timeout: int = PATIENCE_MS, **options: Any) -> SignalBlocker:
        return super().waitSignal(signal, timeout=timeout, **options)


@pytest.fixture
def qtbot(qapp: object, request: pytest.FixtureRequest) -> QtBot:
    return PatientBot(request)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects, preferences and recent datasets of a test live and die with it."""
    monkeypatch.setenv("RSVIEWER_HOME", str(tmp_path / "rsviewer-home"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real sample tiles."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real sample tiles of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _garbage_stays_on_the_main_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """As in the program: see rsviewer.ui.garbage."""
    import gc

    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.fixture(autouse=True)
def _collect(request: pytest.FixtureRequest) -> Iterator[None]:
    """Between tests, where it is safe."""
    import gc

    yield
    gc.collect(1)


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """Six change tiles of 32 x 24 pixels in SynRS3D's layout, in two groups, with two lists each.

    Tile "b/3" has no land cover; the nDSM of "b/2" is cut short. In every nDSM the height at (column, row) is
    `column + 10 * row + tile`, but for one void in the upper left corner.
    """
    import numpy as np
    import rasterio
    from rasterio import Affine

    root = tmp_path / "tiny"
    profile = {
        "driver": "GTiff",
        "width": 32,
        "height": 24,
        "crs": "EPSG:32654",
        "transform": Affine(0.5, 0, 4e5, 0, -0.5, 4e6),
    }
    row, column = np.mgrid[0:24, 0:32]
    for group in ("a", "b"):
        for number in (1, 2, 3):
            layers = {
                "pre_opt": np.stack([np.full((24, 32), 10 * number), row, column]).astype(np.uint8),
                "opt": np.stack([np.full((24, 32), 20 * number), row, column]).astype(np.uint8),
                "gt_nDSM": (column + 10.0 * row + number).astype(np.float32)[None],
                "gt_ss_mask": np.where(column < 16, 5, 8).astype(np.uint8)[None],
                "gt_cd_mask": np.where(row < 6, 255, 0).astype(np.uint8)[None],
            }
            layers["gt_nDSM"][0, 0, 0] = -9999
            for folder, pixels in layers.items():
                if (group, number, folder) == ("b", 3, "gt_ss_mask"):
                    continue
                path = root / group / folder / f"{number}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                nodata = {"nodata": -9999} if folder == "gt_nDSM" else {}
                with rasterio.open(path, "w", count=len(pixels), dtype=pixels.dtype, **profile, **nodata) as target:
                    target.write(pixels)
        (root / group / "train.txt").write_bytes(b"2\r\n1\r\n")
        (root / group / "test.txt").write_bytes(b"3\n")
    broken = root / "b" / "gt_nDSM" / "2.tif"
    broken.write_bytes(broken.read_bytes()[:400])
    return root

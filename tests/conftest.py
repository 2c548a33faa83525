"""What every test stands on: no window on anybody's desktop, nobody's settings, and no garbage collected on a worker."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.pop("DISPLAY", None)

from collections.abc import Iterator  # noqa: E402  # Qt reads the platform when it is loaded
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402


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


@pytest.fixture(autouse=True)
def _collect(request: pytest.FixtureRequest) -> Iterator[None]:
    """Between tests, where it is safe."""
    import gc

    yield
    gc.collect(1)

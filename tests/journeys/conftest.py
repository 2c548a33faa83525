"""The screen and the program of the journeys; everything ends with its test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.xvfb import Program, Screen, need_tools


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    """One virtual screen for all journeys."""
    need_tools()
    with Screen() as screen:
        yield screen


@pytest.fixture
def launch(screen: Screen, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts the program; all that it starts in one test belong to the same user."""
    programs: list[Program] = []

    def start(*arguments: str | Path) -> Program:
        program = Program(screen, arguments, tmp_path / "home")
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.close()


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Bad input is the world's fault, not ours: nothing of it is a warning or a traceback in the log."""
    yield
    assert not [
        record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")
    ]

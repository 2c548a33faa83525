"""A virtual screen of our own, the real program in a real window on it, and xdotool as hand and eye.

What the program is doing is read from the title of its window, as a person reads the task bar. Nothing waits for a time:
everything waits for what the window says, until a deadline that only a fault reaches.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest

V = TypeVar("V")

ROOT = Path(__file__).resolve().parents[2]
SIZE = (1600, 900)
PATIENCE = 40.0
"""Seconds until a test gives up. Two slow cores that do something else start the program in less than ten."""
LOOK_AGAIN = 0.01
KEY_MS = 6
"""Between keys. The same key twice in one millisecond is how X11 repeats a held key."""
TOOLS = ("Xvfb", "xdotool")


def need_tools() -> None:
    """Skips the test where there is no virtual screen or no hand to steer the program."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed here: no real window can be driven")


def wait_for(look: Callable[[], V], wanted: Callable[[V], bool], what: str) -> V:
    """Looks until what is seen is what was wanted, and returns it; fails with what was seen last."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited for {what}, but saw {seen!r}")
        time.sleep(LOOK_AGAIN)
    return seen


class Screen:
    """A virtual screen that nobody else uses. There is no window manager on it: windows lie where they want to."""

    def __init__(self) -> None:
        reads, writes = os.pipe()
        width, height = SIZE
        options = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
        try:
            self._server = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writes), *options],
                pass_fds=(writes,),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(writes)
        self.display = f":{self._number(reads)}"

    def _number(self, reads: int) -> str:
        """The number that the server chose. It is ready when it has written the whole line."""
        line = b""
        with os.fdopen(reads, "rb", buffering=0) as pipe:
            while not line.endswith(b"\n"):
                ready, _, _ = select.select([pipe], [], [], PATIENCE)
                read = pipe.read(16) if ready else b""
                if not read:
                    self.close()
                    pytest.fail("Xvfb did not start")
                line += read
        return line.decode().strip()

    def environment(self) -> dict[str, str]:
        """What a program needs to find the screen, and nothing that leads it to another one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QT_", "WAYLAND_"))}
        return {**kept, "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb", "LC_ALL": "C.UTF-8"}

    def do(self, *words: str | int) -> str:
        """Runs xdotool. Returns what it printed, also where it did not find what it looked for."""
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment(), capture_output=True, timeout=PATIENCE, check=False
        )
        return done.stdout.decode("utf-8", "replace").rstrip("\n")

    def windows(self, title: str) -> list[int]:
        """The visible windows whose title this regular expression finds."""
        return [int(line) for line in self.do("search", "--onlyvisible", "--name", title).split()]

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other, in X's names: "d", "shift+z", "Return"."""
        self.do("key", "--delay", KEY_MS, *keys)

    def write(self, text: str) -> None:
        """Types a text."""
        self.do("type", "--delay", KEY_MS, text)

    def close(self) -> None:
        """Ends the screen, and with it whatever is still on it."""
        end(self._server)

    def __enter__(self) -> "Screen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Program:
    """The program, started as a user starts it.

    Args:
        screen: where its window goes.
        arguments: of `rsviewer`.
        home: where everything that belongs to its user lives.
    """

    def __init__(self, screen: Screen, arguments: Sequence[str | Path], home: Path) -> None:
        self.screen = screen
        self.home = home
        self._errors = home / f"stderr-{time.monotonic_ns()}.txt"
        self._process = start(arguments, {**screen.environment(), **home_of(home)}, self._errors)
        self.window = 0

    def appear(self) -> str:
        """Waits for the first tile, gives the window the keyboard, and returns its title."""
        self.window = self._find(r" \([0-9]+ of [0-9]+\) .* rsviewer$")
        self.focus()
        return self.see(lambda title: "reading" not in title, "the first tile on the screen")

    def dialog(self, title: str) -> int:
        """Waits for a dialog and gives it the keyboard, as a window manager would."""
        window = self._find(f"^{title}")
        self.screen.do("windowfocus", "--sync", window)
        return window

    def focus(self) -> None:
        """Gives the main window the keyboard."""
        self.screen.do("windowfocus", "--sync", self.window)

    def _find(self, title: str) -> int:
        """The only window of this process with such a title."""

        def look() -> list[int]:
            assert self._process.poll() is None, self._obituary()
            return [window for window in self.screen.windows(title) if self._owns(window)]

        return wait_for(look, lambda found: len(found) == 1, f"one window {title}")[0]

    def _owns(self, window: int) -> bool:
        return self.screen.do("getwindowpid", window) == str(self._process.pid)

    @property
    def title(self) -> str:
        """What the title bar says now."""
        return self.screen.do("getwindowname", self.window)

    def see(self, wanted: Callable[[str], bool], what: str) -> str:
        """Waits until the title is as wanted, and returns it."""

        def look() -> str:
            assert self._process.poll() is None, self._obituary()
            return self.title

        return wait_for(look, wanted, what)

    def says(self, start_of_title: str) -> str:
        """Waits until the title begins like this, with the tile on the screen."""
        return self.see(
            lambda title: title.startswith(start_of_title) and "· reading" not in title, repr(start_of_title)
        )

    def press(self, *keys: str) -> None:
        """Presses keys in whatever window has the keyboard."""
        self.screen.press(*keys)

    def ended(self) -> int:
        """Waits for the end and returns the exit code."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """As the power cut of a process: nothing is asked, nothing is finished."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def errors(self) -> str:
        """What it said on stderr, and the troubles in its log."""
        log = self.home / "rsviewer.log"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        troubles = [line for line in lines if not {"INFO", "DEBUG"} & set(line.split()[:5])]
        return "\n".join([self._errors.read_text("utf-8"), *troubles]).strip()

    def _obituary(self) -> str:
        return f"the program ended with {self._process.returncode}: {self.errors()}"

    def close(self) -> None:
        """Ends the process, however it is."""
        end(self._process)


def home_of(home: Path) -> dict[str, str]:
    """Variables that let a program find nothing of the person who runs the tests."""
    return {
        "RSVIEWER_HOME": str(home),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PYTHONPATH": str(ROOT),
    }


def start(arguments: Sequence[str | Path], environment: Mapping[str, str], errors: Path) -> subprocess.Popen[bytes]:
    """Starts the program with its words on stderr kept in a file."""
    errors.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "rsviewer", *map(str, arguments)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and all it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)

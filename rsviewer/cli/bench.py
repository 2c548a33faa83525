"""`rsviewer bench`: opening, indexing, stepping and reading on the user's own data, beside the bare-decode floor.

Every speed is given with what the same machine needs in the same run to decode the same files and do nothing else, because
only that ratio can be compared between machines and days. The real window is driven through its key events.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from rsviewer.core.errors import DatasetNotFoundError, RsviewerError
from rsviewer.data.models import Shelf

PROBE_MARK = "rsviewer-probe "
PROBE_MODEL = "model"
STARTS = 3
WAIT_SECONDS = 60.0
MODEL_SECONDS = 600.0
HELD_SECONDS = 12.0
HELD_TILES = 400
FLOOR_ROUNDS = 4
REST_SECONDS = 0.1
BEAT_MS = 10


def bench(
    path: Annotated[
        Path | None, typer.Argument(help="Folder of a dataset. Not needed with --synthetic-index.", show_default=False)
    ] = None,
    steps: Annotated[int, typer.Option(help="Prefetched steps and random jumps to measure.")] = 150,
    links: Annotated[
        int, typer.Option(help="Measure on a temporary dataset of so many tiles, links to those of PATH.")
    ] = 0,
    memory_steps: Annotated[int, typer.Option(help="Watch the memory over so many steps; 0 leaves it out.")] = 0,
    model: Annotated[
        str, typer.Option(metavar="CARD", help="Measure this model, too: an id of models list, or a card file.")
    ] = "",
    slow: Annotated[
        bool,
        typer.Option(
            "--slow-is-fine",
            help="Measure a model that takes minutes for a tile without a GPU as well: with 2 steps, on 2 tiles.",
        ),
    ] = False,
    synthetic_index: Annotated[
        int,
        typer.Option(metavar="TILES", help="Measure the index of so many made-up tiles, and of as many file names."),
    ] = 0,
    checks: Annotated[
        bool,
        typer.Option(
            "--checks",
            help="Measure the checks only: what they cost, and what they find of the defects in PATH/answer_key.json, "
            "or, without PATH, in built-in datasets.",
        ),
    ] = False,
    convert: Annotated[
        bool,
        typer.Option(
            "--convert",
            help="Measure the conversions only, beside rasterio alone: of the tiles of PATH, or, without PATH, of built-in "
            "ones.",
        ),
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="NAME,...", help="With --convert: these conversions, such as png,height255.")
    ] = "",
    tiles: Annotated[int, typer.Option(min=1, help="With --convert: so many different tiles, at most.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    probe: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measures opening, stepping, reading and models on your own data and machine, beside the bare-decode floor."""
    from rsviewer.ui.program import has_display

    if path is None and not synthetic_index and not checks and not convert:
        raise typer.BadParameter(
            "Give the folder of a dataset, or --checks, or --convert, or --synthetic-index 5000000."
        )
    if convert:
        _report_conversions(path, only, tiles, as_json=as_json)
        return
    if checks:
        _report({"machine": _machine()} | _checks(path), as_json=as_json)
        return
    synthetic = _synthetic(synthetic_index) if synthetic_index else {}
    if path is None:
        _report({"machine": _machine()} | synthetic, as_json=as_json)
        return
    if probe == PROBE_MODEL:
        _probe_model(path, model, slow=slow)
        return
    if probe:
        _probe_start(path)
        return
    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    users = dict(os.environ)
    shelf = Shelf()  # the user's: projects are made elsewhere, models are not
    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as scratch, _home(Path(scratch) / "home"):
        root = _linked(path, links, Path(scratch) / "linked") if links else path
        dataset = {"root": str(path), "links": links}
        result: dict[str, Any] = {"machine": _machine(), "dataset": dataset} | synthetic
        _say("starting the window …")
        result["open"] = _starts(root, Path(scratch))
        result["index"] = _index(root)
        _say("stepping …")
        words = ("--model", model, *(("--slow-is-fine",) if slow else ()), "--probe", PROBE_MODEL)
        measured = _Measured(model, shelf, slow, lambda: _probed(path, users, *words))
        result.update(_stepping(root, steps, memory_steps, measured))
    _report(result, as_json=as_json)


def _checks(path: Path | None) -> dict[str, Any]:
    """What `checkbench` measures."""
    from rsviewer.cli.checkbench import measure_checks

    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as scratch, _home(Path(scratch) / "home"):
        return measure_checks(path, Path(scratch), partial(_decode, threads=1, clock=time.process_time), _say)


def _report_conversions(path: Path | None, only: str, tiles: int, *, as_json: bool) -> None:
    """What `convertbench` measures."""
    from rsviewer.cli.console import console, plain
    from rsviewer.cli.convertbench import measure_conversions, reasons_of, table_of

    names = [name.strip() for name in only.split(",") if name.strip()]
    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as scratch, _home(Path(scratch) / "home"):
        found = measure_conversions(path, Path(scratch), names, tiles, _say)
    if as_json:
        _report({"machine": _machine(), "convert": found}, as_json=True)
    else:
        console().print(table_of(found))
        for reason in reasons_of(found):
            print(plain(reason))


def _synthetic(count: int) -> dict[str, Any]:
    """What `indexbench` measures of so many tiles of a table, and of so many names in folders."""
    from rsviewer.cli.indexbench import measure_listing, measure_table

    _say(f"indexing {count:,} made-up tiles …")
    table = measure_table(count)
    _say(f"indexing {count:,} made-up names …")
    return {"synthetic_table": table, "synthetic_listing": measure_listing(count)}


# --- starting


def _probe_start(path: Path) -> None:
    """Runs the real start-up and says when the window and the first tile were there."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from rsviewer.data.settings import load_preferences
    from rsviewer.ui.garbage import GarbageCollector
    from rsviewer.ui.program import make_application, make_window
    from rsviewer.workspace.opening import open_path

    app = make_application()
    collector = GarbageCollector(app)
    window = make_window(load_preferences().value, open_path)
    marks: dict[str, float] = {}

    def shown() -> None:
        marks["first_tile"] = time.time()
        marks["rss_mb"] = psutil.Process().memory_info().rss / 1e6
        print(PROBE_MARK + json.dumps(marks), flush=True)
        QTimer.singleShot(0, window.close)

    window.canvas.painted.connect(shown)
    window.show()
    QApplication.processEvents()
    marks["window"] = time.time()
    window.open_path(path)
    QTimer.singleShot(int(WAIT_SECONDS * 1000), app.quit)
    app.exec()
    collector.stop()


def _starts(root: Path, scratch: Path) -> dict[str, float]:
    """Median seconds from the start of the process to the window and to the first tile: without an index, and with one."""
    fresh, again = [], []
    for number in range(STARTS):
        home = scratch / f"start-{number}"
        fresh.append(_start(root, home))
        _build_index(root, home)
        again.append(_start(root, home))
    return {
        "window_s": statistics.median(start["window"] for start in fresh),
        "first_tile_s": statistics.median(start["first_tile"] for start in fresh),
        "first_tile_again_s": statistics.median(start["first_tile"] for start in again),
        "rss_mb": statistics.median(start["rss_mb"] for start in fresh),
    }


def _start(root: Path, home: Path) -> dict[str, float]:
    began = time.time()
    marks = _probed(root, {**os.environ, "RSVIEWER_HOME": str(home)}, "--probe", "start")
    return {**marks, "window": marks["window"] - began, "first_tile": marks["first_tile"] - began}


def _probed(root: Path, environment: Mapping[str, str], *options: str) -> dict[str, float]:
    """What a bench in a process of its own has found."""
    command = [sys.executable, "-m", "rsviewer", "bench", str(root), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 -- ourselves
    for line in done.stdout.splitlines():
        if line.startswith(PROBE_MARK):
            found: dict[str, float] = json.loads(line.removeprefix(PROBE_MARK))
            return found
    raise RsviewerError(f"Nothing of {root} could be measured: {done.stderr.strip()[-300:] or 'no reason was given'}")


def _probe_model(path: Path, model: str, *, slow: bool) -> None:
    """Runs a model without a window and says what it took."""
    from rsviewer.cli.modelbench import measure_alone

    print(PROBE_MARK + json.dumps(measure_alone(path, model, slow=slow)), flush=True)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The model that is to be measured.

    Attributes:
        id: as after --model; empty for none.
        shelf: where it is.
        slow: it may take minutes for a tile.
        alone: measures it in a process of its own.
    """

    id: str
    shelf: Shelf
    slow: bool
    alone: Callable[[], dict[str, float]]


def _build_index(root: Path, home: Path) -> float:
    """Seconds to read all names and build the index."""
    from rsviewer.workspace.opening import open_path

    with _home(home):
        opened = open_path(root)
        began = time.perf_counter()
        opened.index.build()
        seconds = time.perf_counter() - began
        if opened.store is not None:
            opened.store.close()
        opened.close()
        return seconds


def _index(root: Path) -> dict[str, float]:
    from rsviewer.workspace.opening import open_path

    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as home:
        seconds = _build_index(root, Path(home))
        with _home(Path(home)):
            opened = open_path(root, read_only=True)
            opened.index.build()
            tiles = len(opened.index)
            opened.close()
    return {"tiles": tiles, "seconds": seconds, "seconds_per_100000": seconds / max(1, tiles) * 100_000}


# --- stepping


def _stepping(root: Path, steps: int, memory_steps: int, model: "_Measured") -> dict[str, Any]:
    from rsviewer.data.settings import load_preferences
    from rsviewer.ui.garbage import GarbageCollector
    from rsviewer.ui.program import make_application, make_window
    from rsviewer.workspace.opening import Asking, Opened, open_path

    app = make_application()
    collector = GarbageCollector(app)

    def opener(path: Path, *, asking: Asking) -> Opened:
        return replace(open_path(path, asking=asking), shelf=model.shelf)

    window = make_window(load_preferences().value, opener)
    window.resize(1600, 900)
    window.show()
    window.open_path(root)
    driver = _Driver(window)
    driver.wait(lambda: window.on_screen and not _workspace(window).jobs.running)
    count = len(_workspace(window).queue)
    result: dict[str, Any] = {"pane_draw_ms": window.canvas.draw_seconds(30) * 1000}
    result["step"] = _percentiles(driver.prefetched_steps(min(steps, count - 1)), "p50", "p95", "p99")
    result["held"], gaps = _held(driver, count)
    with driver.heartbeat() as more:
        result["jump"] = _percentiles(driver.jumps(min(steps, max(1, count // 2))), "p50", "p95")
    gaps += more
    result["event_loop"] = {
        "longest_gap_ms": max(gaps, default=0.0),
        "p99_gap_ms": float(np.percentile(gaps or [0.0], 99)),
    }
    result["relief"] = _relief(driver, window, count)
    if model.id:
        from rsviewer.cli.modelbench import measure_model

        _say("predicting …")
        wait = partial(driver.wait, seconds=MODEL_SECONDS)
        result["model"] = measure_model(window, model.id, wait, driver.heartbeat, model.alone, slow=model.slow)
    if memory_steps:
        result["memory"] = driver.memory(memory_steps)
    window.close()
    collector.stop()
    return result


def _relief(driver: "_Driver", window: Any, count: int) -> dict[str, Any]:
    """The 3D view, and what stepping is like while it is open."""
    from rsviewer.cli.spacebench import measure_relief

    _say("turning …")
    measured = measure_relief(window, driver.wait)
    with driver.heartbeat() as gaps:
        measured["step_p95_ms"] = _percentiles(driver.prefetched_steps(min(40, count - 1)), "p95")["p95_ms"]
    held, more = _held(driver, count)
    measured["held_ratio"] = held["ratio"]
    measured["longest_gap_ms"] = max((*gaps, *more), default=0.0)
    window.toggle_relief()
    return measured


def _workspace(window: Any) -> Any:
    if window.workspace is None:
        raise DatasetNotFoundError(window.canvas.empty_message)
    return window.workspace


class _Driver:
    """Presses keys in the real window and waits for paint."""

    def __init__(self, window: Any) -> None:
        from PySide6.QtCore import QEvent, Qt
        from PySide6.QtGui import QKeyEvent
        from PySide6.QtWidgets import QApplication

        self._window = window
        self._app = QApplication
        self._event = QKeyEvent
        self._press = QEvent.Type.KeyPress
        self._release = QEvent.Type.KeyRelease
        self._keys = {1: (Qt.Key.Key_D, "d"), -1: (Qt.Key.Key_A, "a")}
        self._none = Qt.KeyboardModifier.NoModifier

    def wait(self, until: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        end = time.perf_counter() + seconds
        while not until():
            self._app.processEvents()
            if time.perf_counter() > end:
                raise RsviewerError(f"The window did not get done in {seconds:.0f} s: is the disk very slow?")
            time.sleep(0.0002)

    def rest(self) -> None:
        """Lets the panels settle, as they do between two steps of a person."""
        end = time.perf_counter() + REST_SECONDS
        while time.perf_counter() < end:
            self._app.processEvents()
            time.sleep(0.002)

    def press(self, direction: int, *, repeat: bool) -> None:
        key, text = self._keys[direction]
        event = self._event(self._press, key, self._none, text, repeat, 1)
        self._app.sendEvent(self._window.canvas, event)

    def release(self, direction: int) -> None:
        key, text = self._keys[direction]
        self._app.sendEvent(self._window.canvas, self._event(self._release, key, self._none, text, False, 1))

    def seen(self) -> bool:
        return bool(self._window.canvas.painted_tile == _workspace(self._window).tile)

    def prefetched_steps(self, steps: int) -> list[float]:
        """Milliseconds from the key to the painted tile, the next tiles having been read ahead."""
        times, direction = [], 1
        for _ in range(steps):
            workspace = _workspace(self._window)
            if workspace.queue.at == len(workspace.queue) - 1:
                direction = -1
            elif workspace.queue.at == 0:
                direction = 1
            self.wait(lambda: not _workspace(self._window).status().ahead)
            self.rest()
            began = time.perf_counter()
            self.press(direction, repeat=False)
            self._spin()
            times.append((time.perf_counter() - began) * 1000)
            self.release(direction)
        return times

    def held(self, tiles: int, seconds: float) -> tuple[int, float, list[str]]:
        """Holds D: as many tiles as are painted, the time it took, and the files that were read for them."""
        workspace = _workspace(self._window)
        workspace.forget_pictures()
        files: list[str] = []
        painted, began = 0, time.perf_counter()
        while painted < tiles and time.perf_counter() - began < seconds:
            if workspace.queue.at >= len(workspace.queue) - 1:
                break
            self.press(1, repeat=painted > 0)
            self._spin()
            painted += 1
            files += workspace.entry.files.values()
        took = time.perf_counter() - began
        self.release(1)
        return painted, took, files

    def jumps(self, jumps: int) -> list[float]:
        """Milliseconds to the painted tile after a jump to one that was not read before."""
        workspace = _workspace(self._window)
        random = np.random.default_rng(1)
        times = []
        for place in random.permutation(len(workspace.queue))[:jumps]:
            workspace.forget_pictures()
            if place == workspace.queue.at:
                continue
            began = time.perf_counter()
            workspace.go_to(int(place))
            self._spin()
            times.append((time.perf_counter() - began) * 1000)
        return times

    def memory(self, steps: int) -> dict[str, Any]:
        """Resident memory while stepping; it must be flat once the cache is full."""
        process, marks = psutil.Process(), []
        every = max(1, steps // 10)
        for number in range(steps):
            workspace = _workspace(self._window)
            if workspace.queue.at >= len(workspace.queue) - 1:
                workspace.go_to(0)
            else:
                self.press(1, repeat=False)
            self._spin()
            if number % every == 0:
                marks.append(round(process.memory_info().rss / 1e6))
        marks.append(round(process.memory_info().rss / 1e6))
        return {"steps": steps, "rss_mb": marks}

    @contextmanager
    def heartbeat(self) -> Iterator[list[float]]:
        """Gaps of the event loop in milliseconds, beyond the beat itself."""
        from PySide6.QtCore import Qt, QTimer

        gaps: list[float] = []
        last = time.perf_counter()

        def beat() -> None:
            nonlocal last
            now = time.perf_counter()
            gaps.append((now - last) * 1000 - BEAT_MS)
            last = now

        timer = QTimer(timerType=Qt.TimerType.PreciseTimer, interval=BEAT_MS)
        timer.timeout.connect(beat)
        timer.start()
        yield gaps
        timer.stop()

    def _spin(self) -> None:
        """Runs the event loop, as the program does, until the current tile is painted."""
        from PySide6.QtCore import QEventLoop, QTimer

        if self.seen():
            return
        loop = QEventLoop()
        late = QTimer(singleShot=True, interval=int(WAIT_SECONDS * 1000))
        late.timeout.connect(loop.quit)
        late.start()
        painted = self._window.canvas.painted
        painted.connect(loop.quit)
        while not self.seen() and late.isActive():
            loop.exec()
        painted.disconnect(loop.quit)
        if not self.seen():
            raise RsviewerError("A tile was not painted in a minute: is the disk very slow?")


def _held(driver: _Driver, count: int) -> tuple[dict[str, float], list[float]]:
    """Tiles a second with the key held, each round with the floor on the same files after it; and the event loop's gaps."""
    tiles, seconds, floors = 0, 0.0, []
    gaps: list[float] = []
    for _ in range(FLOOR_ROUNDS):
        workspace = _workspace(driver._window)
        workspace.go_to(0)
        driver.wait(driver.seen)
        with driver.heartbeat() as beats:
            painted, took, files = driver.held(min(HELD_TILES, count - 1), HELD_SECONDS / FLOOR_ROUNDS)
        gaps += beats
        tiles, seconds = tiles + painted, seconds + took
        floors.append(painted / _decode(files))
    floor = statistics.fmean(floors)
    return {"tiles_per_s": tiles / seconds, "floor_tiles_per_s": floor, "ratio": tiles / seconds / floor}, gaps


def _decode(files: Sequence[str], threads: int | None = None, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds to read all files by rasterio on some threads, else on all cores, and nothing else."""
    import rasterio

    def read(path: str) -> None:
        try:
            with rasterio.open(path) as source:
                source.read()
        except rasterio.errors.RasterioError:
            return

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(pool.map(read, files[:8]))  # threads and GDAL are awake
        began = clock()
        list(pool.map(read, files))
        return clock() - began


# --- the dataset of links


def _linked(path: Path, tiles: int, target: Path) -> Path:
    """A dataset in SynRS3D's layout with `tiles` tiles, links to the whole tiles of the one under `path`."""
    from rsviewer.workspace.opening import open_path

    opened = open_path(path, read_only=True)
    opened.index.build()
    entries = [opened.index.entry(place) for place in range(min(len(opened.index), 256))]
    opened.close()
    most = max((len(entry.files) for entry in entries), default=0)
    whole = [entry for entry in entries if len(entry.files) == most]
    if not whole:
        raise DatasetNotFoundError(f"There are no tiles in {path} to link to.")
    _say(f"linking {tiles:,} tiles …")
    folders = {layer: target / "linked" / Path(file).parent.name for layer, file in whole[0].files.items()}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:010d}-1" for number in range(tiles)]
    for number, name in enumerate(names):
        for layer, file in whole[number % len(whole)].files.items():
            if layer in folders:
                os.symlink(os.path.realpath(file), f"{folders[layer]}/{name}{os.path.splitext(file)[1]}")  # noqa: PTH122, PTH211
    (target / "linked" / "train.txt").write_text("".join(f"{name}\n" for name in names))
    return target


# --- saying it


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Projects of the bench are made somewhere else than the user's."""
    before = os.environ.get("RSVIEWER_HOME")
    os.environ["RSVIEWER_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["RSVIEWER_HOME"]
        else:
            os.environ["RSVIEWER_HOME"] = before


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "platform": os.environ.get("QT_QPA_PLATFORM", "native"),
    }


def _percentiles(times: Sequence[float], *names: str) -> dict[str, float]:
    return {f"{name}_ms": float(np.percentile(times or [0.0], float(name[1:]))) for name in names}


def _say(words: str) -> None:
    if sys.stderr.isatty():
        print(words, file=sys.stderr)


def _report(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=1))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="rsviewer bench", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for part, value in result.items():
        for name, measured in _leaves(part, value):
            table.add_row(name, f"{measured:,.2f}" if isinstance(measured, float) else str(measured))
    Console(width=max(80, shutil.get_terminal_size().columns)).print(table)


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Everything in nested objects, by the names that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{name} {key}", inner)
    else:
        yield name, value

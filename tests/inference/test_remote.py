"""A model in a process of its own: it may hang, crash or lie, and the program neither waits nor follows."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, RunOptions, Weights
from rsviewer.core.prediction import HEIGHT
from rsviewer.core.tile import TileId
from rsviewer.inference.remote import START, RemoteEngine

CARD = ModelCard(
    "stub", "Stub", "stub", (ModelInput(),), (ModelOutput(OutputKind.HEIGHT),), (Framing("all"),), Weights("stub.bin")
)
FITTED = Fitted(np.arange(36, dtype=np.uint8).reshape(3, 3, 4), np.ones((3, 4), bool), gsd=0.5)

STUB = '''
"""Does with a tile what its name says; else its height is its first band."""
import ctypes, faulthandler, os, signal, sys, threading, time
import numpy as np
from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.prediction import HEIGHT, Prediction
from rsviewer.core.tile import Raster
from rsviewer.inference.child import main

class Stub:
    device = ""
    def __init__(self, card, weights, options):
        self.said = (card.title, str(weights), options.device)
        self.stopped = threading.Event()
    def load(self, size):
        time.sleep(float(os.environ.get("STUB_LOADS", 0)))
        self.device = "cpu"
    def close(self):
        pass
    def stop(self):
        self.stopped.set()
    def go_on(self, options):
        self.stopped.clear()
        self.said = (*self.said[:3], *(f"{name}={value}" for name, value in options.choices.items()))
    def predict(self, tile, fitted, *, model=""):
        pixels = fitted.pixels[:1].astype(np.float32)
        if tile == "refuse":
            raise ModelError("It does not fit.")
        if tile == "bug":
            raise ZeroDivisionError("by nothing")
        if tile.startswith("signal"):
            os.kill(os.getpid(), int(tile[6:]))
        if tile == "exit":
            print("the last straw", file=sys.stderr, flush=True)
            os._exit(3)
        if tile == "hang":
            threading.Event().wait()
        if tile == "long":
            while not self.stopped.wait(0.01):
                pass
            raise StoppedError("Stopped.")
        if tile == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threading.Event().wait()
        if tile == "noisy":
            print("noise" * 100_000, flush=True)
            os.write(1, b"more noise")
            sys.stdin.read()
        if tile == "swapped":
            tile = "another"
        if tile == "shrunk":
            pixels = pixels[:, 1:]
        valid = np.broadcast_to(fitted.valid, pixels.shape) if tile != "shrunk" else np.ones(pixels.shape, bool)
        raster = Raster(pixels, valid, gsd=fitted.gsd)
        return Prediction(tile, model, {HEIGHT: raster}, seconds=os.getpid(), remarks=self.said)

main(Stub)
'''


Start = Callable[..., RemoteEngine]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Starts a child that does with a tile what its name says."""
    stub = tmp_path_factory.mktemp("stub") / "stub.py"
    stub.write_text(STUB, encoding="utf-8")
    root = str(Path(__file__).resolve().parents[2])
    return (sys.executable, "-c", f"import sys, runpy; sys.path.insert(0, {root!r}); runpy.run_path({str(stub)!r})")


@pytest.fixture
def start(command: tuple[str, ...]) -> Iterator[Start]:
    """Makes engines that are closed after the test."""
    made = []

    def make(**more: object) -> RemoteEngine:
        made.append(RemoteEngine(CARD, Path("stub.bin"), RunOptions("cpu"), **{"command": command, **more}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture(scope="module")
def engine(command: tuple[str, ...]) -> Iterator[RemoteEngine]:
    """One whose child lives through many tests."""
    with RemoteEngine(CARD, Path("stub.bin"), RunOptions("cpu"), command=command) as engine:
        yield engine


def child_of(engine: RemoteEngine) -> psutil.Process:
    assert engine._child is not None
    return psutil.Process(engine._child.process.pid)


def test_a_prediction_comes_back_from_another_process(engine: RemoteEngine) -> None:
    prediction = engine.predict(TileId("a/1"), FITTED, model="f" * 16)

    assert (prediction.tile, prediction.model) == ("a/1", "f" * 16)
    np.testing.assert_array_equal(prediction.rasters[HEIGHT].pixels, FITTED.pixels[:1])
    assert prediction.rasters[HEIGHT].gsd == 0.5
    assert prediction.remarks == ("Stub", str(Path("stub.bin").absolute()), "cpu")
    assert prediction.seconds not in (0, os.getpid())
    assert engine.device == "cpu"


def test_a_refusal_arrives_in_its_own_words_and_the_child_goes_on(engine: RemoteEngine) -> None:
    before = engine.predict(TileId("a/1"), FITTED)
    with pytest.raises(ModelError, match=r"^It does not fit\.$"):
        engine.predict(TileId("refuse"), FITTED)

    assert engine.predict(TileId("a/2"), FITTED).seconds == before.seconds  # the stub puts its process id there


def test_a_bug_in_the_child_is_a_bug_here(engine: RemoteEngine, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by nothing"):
        engine.predict(TileId("bug"), FITTED)

    assert "Traceback" in caplog.text


def test_what_the_child_prints_does_no_harm(engine: RemoteEngine) -> None:
    assert engine.predict(TileId("noisy"), FITTED).tile == "noisy"
    assert engine.predict(TileId("a/1"), FITTED).tile == "a/1"


def test_a_large_tile_goes_through_the_pipe(engine: RemoteEngine) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (3, 1200, 1100), np.uint8)

    prediction = engine.predict(TileId("large"), Fitted(pixels, np.ones((1200, 1100), bool)))

    np.testing.assert_array_equal(prediction.rasters[HEIGHT].pixels, pixels[:1])


def test_a_tile_of_one_pixel_too(engine: RemoteEngine) -> None:
    prediction = engine.predict(TileId("dot"), Fitted(np.full((1, 1, 1), 7, np.float32), np.zeros((1, 1), bool)))

    assert prediction.rasters[HEIGHT].pixels.tolist() == [[[7.0]]]
    assert not prediction.rasters[HEIGHT].valid.any()


@pytest.mark.parametrize("lie", ["swapped", "shrunk"])
def test_an_answer_for_something_else_is_not_taken(start: Start, lie: str) -> None:
    engine = start()

    with pytest.raises(ModelError, match="no prediction of this tile"):
        engine.predict(TileId(lie), FITTED)

    assert engine.predict(TileId("a/1"), FITTED).tile == "a/1"


def test_the_stage_is_told_on_the_thread_that_predicts(start: Start) -> None:
    told: list[tuple[str, int]] = []
    engine = start(progress=lambda stage: told.append((stage, threading.get_ident())))

    engine.predict(TileId("a/1"), FITTED)
    engine.predict(TileId("a/2"), FITTED)

    assert [stage for stage, _ in told] == ["loading", "running", "running"]
    assert {thread for _, thread in told} == {threading.get_ident()}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals on Windows")
@pytest.mark.parametrize(
    ("number", "said"),
    [(9, "signal 9, SIGKILL.*out of memory"), (11, "crashed .signal 11, SIGSEGV"), (15, "signal 15, SIGTERM")],
)
def test_a_child_that_is_killed_is_told_of_and_another_one_takes_over(start: Start, number: int, said: str) -> None:
    engine = start()

    with pytest.raises(ModelError, match=said):
        engine.predict(TileId(f"signal{number}"), FITTED)
    assert engine.device == ""

    assert engine.predict(TileId("a/1"), FITTED).tile == "a/1"


def test_a_child_that_ends_by_itself_is_told_of_with_its_last_words(start: Start) -> None:
    with pytest.raises(ModelError, match=r"exit code 3.*the last straw"):
        start().predict(TileId("exit"), FITTED)


def test_a_child_that_dies_between_two_tiles_is_replaced_silently(start: Start) -> None:
    engine = start()
    first = engine.predict(TileId("a/1"), FITTED)
    child = child_of(engine)
    child.kill()
    psutil.wait_procs([child], timeout=60)

    assert engine.predict(TileId("a/2"), FITTED).seconds != first.seconds


def test_closing_ends_a_child_that_is_busy_and_who_waits_for_it_is_told(start: Start) -> None:
    busy = threading.Event()
    engine = start(progress=lambda _: busy.set())
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            engine.predict(TileId("hang"), FITTED)
        except ModelError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert busy.wait(60)
    child = child_of(engine)
    engine.close()
    waiting.join(60)

    assert [str(error) for error in raised] == ["The model was closed before it had predicted this tile."]
    assert not child.is_running()
    with pytest.raises(ModelError, match="closed"):
        engine.predict(TileId("a/1"), FITTED)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals on Windows")
def test_a_child_that_does_not_want_to_end_is_made_to(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.inference.remote.ENDING_SECONDS", 0.2)
    engine = start()
    engine.predict(TileId("a/1"), FITTED)
    child = child_of(engine)
    child.suspend()  # a stopped process does not even see a good word

    engine.close()

    assert psutil.wait_procs([child], timeout=60)[0] == [child]


# --- stopped


def stop_while_at(engine: RemoteEngine, tile: str, busy: threading.Event) -> None:
    """Predicts a tile and stops it as soon as that is under way."""
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            engine.predict(TileId(tile), FITTED)
        except StoppedError as error:
            raised.append(error)

    busy.clear()
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert busy.wait(60)
    engine.stop()
    engine.stop()
    waiting.join(60)
    assert raised


def test_a_stopped_tile_leaves_the_model_loaded(start: Start) -> None:
    busy = threading.Event()
    engine = start(progress=lambda stage: busy.set() if stage == "running" else None)
    first = engine.predict(TileId("a/1"), FITTED)

    stop_while_at(engine, "long", busy)
    with pytest.raises(StoppedError):  # until it is told to go on
        engine.predict(TileId("a/2"), FITTED)
    engine.go_on(RunOptions("cpu"))

    after = engine.predict(TileId("a/2"), FITTED)
    assert (after.tile, after.seconds) == ("a/2", first.seconds)  # the stub puts its process id there


def test_options_travel_with_the_tile(start: Start) -> None:
    engine = start()
    first = engine.predict(TileId("a/1"), FITTED)
    engine.go_on(RunOptions("cpu", choices={"steps": 7}))
    second = engine.predict(TileId("a/1"), FITTED)

    assert second.seconds == first.seconds
    assert first.remarks[3:] == ()
    assert second.remarks[3:] == ("steps=7",)


def test_a_stop_that_comes_too_late_is_not_one_of_the_next_tile(start: Start) -> None:
    engine = start()
    engine.predict(TileId("a/1"), FITTED)
    engine.stop()
    engine.go_on(RunOptions("cpu"))
    for number in range(20):
        assert engine.predict(TileId(f"a/{number}"), FITTED).tile == f"a/{number}"

        engine.stop()
        engine.go_on(RunOptions("cpu"))


def test_a_network_that_hangs_is_ended_and_another_process_takes_over(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.inference.remote.STOPPING_SECONDS", 0.2)
    busy = threading.Event()
    engine = start(progress=lambda stage: busy.set() if stage == "running" else None)
    first = engine.predict(TileId("a/1"), FITTED)

    stop_while_at(engine, "hang", busy)
    engine.go_on(RunOptions("cpu"))

    assert engine.predict(TileId("a/2"), FITTED).seconds != first.seconds


def test_what_is_being_loaded_is_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to be loaded again for the next tile."""
    # What a busy machine needs to answer, once it has loaded.
    monkeypatch.setattr("rsviewer.inference.remote.STOPPING_SECONDS", 2)
    monkeypatch.setenv("STUB_LOADS", "5")
    busy = threading.Event()
    engine = start(progress=lambda stage: busy.set() if stage == "loading" else None)

    stop_while_at(engine, "long", busy)
    child = child_of(engine)
    engine.go_on(RunOptions("cpu"))

    assert engine.predict(TileId("a/2"), FITTED).seconds == child.pid


def test_a_process_that_does_not_even_take_its_tile_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe is full, and whoever asks it to stop would wait, too."""
    monkeypatch.setattr("rsviewer.inference.remote.STOPPING_SECONDS", 0.2)
    engine = start(command=(sys.executable, "-c", "import time; time.sleep(60)"))
    large = Fitted(np.zeros((3, 400, 400), np.uint8), np.ones((400, 400), bool))
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            engine.predict(TileId("a/1"), large)
        except (StoppedError, ModelError) as error:
            raised.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    while engine._tile is None:
        waiting.join(0.01)
    waiting.join(0.3)
    engine.stop()
    waiting.join(60)

    assert [type(error) for error in raised] == [StoppedError]


def test_closing_twice_or_before_the_start_does_nothing(start: Start) -> None:
    engine = start()
    engine.close()
    engine.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals on Windows")
def test_ctrl_c_reaches_the_program_and_not_the_child(start: Start) -> None:
    engine = start()
    first = engine.predict(TileId("a/1"), FITTED)
    pid = child_of(engine).pid

    assert os.getsid(pid) == pid  # not of the terminal's group
    os.kill(pid, signal.SIGINT)

    assert engine.predict(TileId("a/2"), FITTED).seconds == first.seconds


def test_an_interruption_here_does_not_leave_an_answer_for_the_next_tile(start: Start) -> None:
    interrupted = []

    def interrupt(_: str) -> None:
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    engine = start(progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.predict(TileId("a/1"), FITTED)

    assert engine.predict(TileId("a/2"), FITTED).tile == "a/2"


def test_no_child_outlives_a_program_that_is_killed(command: tuple[str, ...]) -> None:
    program = textwrap.dedent(f"""
        import sys
        sys.path[:] = {sys.path!r}
        from pathlib import Path
        import numpy as np
        from rsviewer.core.fitting import Fitted
        from rsviewer.core.model import ModelCard, RunOptions, Weights
        from rsviewer.inference.remote import RemoteEngine
        def told(_):
            print(engine._child.process.pid, flush=True)
        card = ModelCard("stub", "Stub", "stub", (), (), (), Weights("x"))
        engine = RemoteEngine(card, Path("x"), RunOptions(), progress=told, command={command!r})
        engine.predict("stubborn", Fitted(np.zeros((1, 1, 1), np.uint8), np.ones((1, 1), bool)))
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()

    assert psutil.wait_procs([child], timeout=60)[0] == [child]


def saying(answer: bytes, then: str) -> tuple[str, ...]:
    """The command of a process that says something when it is asked for the first time."""
    listens, says = "import sys; sys.stdin.buffer.read(9)", f"sys.stdout.buffer.write({answer!r}); sys.stdout.flush()"
    return (sys.executable, "-c", f"{listens}; {says}; {then}")


@pytest.mark.parametrize("answer", [b"x" * 100, b"\0\0\0\2[]"])
def test_a_process_that_talks_nonsense_is_not_listened_to(start: Start, answer: bytes) -> None:
    with pytest.raises(ModelError, match="no prediction"):
        start(command=saying(answer, "sys.stdin.read()")).predict(TileId("a/1"), FITTED)


@pytest.mark.parametrize("answer", [b"\0\0\0\2[", b""])
def test_a_process_that_ends_within_a_message_has_ended(start: Start, answer: bytes) -> None:
    with pytest.raises(ModelError, match=r"has ended \(exit code 0\)"):
        start(command=saying(answer, "sys.exit(0)")).predict(TileId("a/1"), FITTED)


def test_a_process_that_cannot_be_started_is_told_of(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be started"):
        start(command=(str(tmp_path / "no-python"),)).predict(TileId("a/1"), FITTED)


def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(77)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    engine = RemoteEngine(CARD, Path("x"), RunOptions())

    assert START in engine._command
    with (
        engine,
        pytest.raises(ModelError, match="family 'stub', which is not known"),
    ):  # what the real modules make of it
        engine.predict(TileId("a/1"), FITTED)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="there are no nice processes on Windows")
def test_the_child_stands_back_behind_the_window(start: Start) -> None:
    engine = start()
    engine.predict(TileId("a/1"), FITTED)

    assert child_of(engine).nice() > psutil.Process().nice()

"""A model in a process of its own: importing and running it never holds up the window, and it can die without it.

Measured on two cores: while a thread of the same process imports torch and transformers, another one stands still for up to
0.3 s, since loading their libraries holds the interpreter lock. A process has a lock of its own. It also takes the crash of a
driver, a system that is out of memory and kills somebody, and a file that tries something.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, QUANTITY, Prediction
from rsviewer.core.tile import TileId
from rsviewer.inference.engine import STOPPED
from rsviewer.inference.messages import Message, MessageError, Pipe, message, receive, send
from rsviewer.inference.zoo.network import Tell

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

CLOSED = "The model was closed before it had predicted this tile."

START = "import sys; sys.path[:] = sys.argv[1:]; from rsviewer.inference.child import main; main()"
"""What the child's Python runs. It finds modules where this one does, not in the current folder: that may be a dataset's."""
BYTES_PER_PIXEL = 64
"""That an answer may have for each pixel of its tile: three rasters with their masks, in the widest types, and room."""
ROOM = 1 << 20
MOST_FEATURES = 65536
"""Numbers that stand for a tile or a text at most."""
LOADING = "loading"
"""The stage before "running"."""
KILLED = 9
CRASHES = (4, 6, 7, 8, 11)
"""Illegal instruction, abort, bus error, division, segmentation fault."""
WINDOWS_FAULTS = 0xC0000000
NO_MEMORY = (0xC0000017, 0xC000012D)
"""Windows: no memory, and the commitment limit."""
LAST_WORDS = 1 << 16
"""Bytes of what the child has printed that are looked at."""
CLOSING_SECONDS = 0.05
"""That `close` waits for the child to be gone. One with much memory takes longer, and is waited for elsewhere."""
ENDING_SECONDS = 5.0
"""That a child may take to end before it is made to."""
STOPPING_SECONDS = 5.0
"""That a child may take to break off a tile before it is ended, since its network hangs. One that still loads is waited for."""


class RemoteEngine:
    """An `Engine` in a child process, which is started by the first `predict` and ends with this one, however that ends.

    Messages are JSON headers with raw arrays behind them: nothing that comes back from the child can run code here.

    Args:
        card, weights, options: see `Engine`.
        progress: called with "loading" and "running", on the thread of `predict`.
        command: starts the child; empty for the one that runs an `Engine`.
    """

    def __init__(
        self,
        card: ModelCard,
        weights: Path,
        options: RunOptions,
        *,
        progress: Callable[[str], None] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self._start = message("start", card=card, weights=str(weights.absolute()), options=options)
        self._options = options
        self._progress = progress
        self._tell: Tell = lambda *_: None
        self._command = command or (sys.executable, "-P", "-c", START, *sys.path)
        self._turn = threading.Lock()
        """Held by who predicts."""
        self._lock = threading.Lock()
        """Held by who looks at or changes what follows."""
        self._child: _Child | None = None
        self._tile: _Tile | None = None
        self._stopped = False
        self._closed = False
        self._device = ""
        self._number = 0

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        return self._device

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile. Raises ModelError, also where the child has died; the next call starts another one.

        Raises StoppedError where it is broken off, see `stop`.
        """
        most_bytes = BYTES_PER_PIXEL * fitted.valid.size + ROOM
        asked = {"tile": tile, "model": model, "fitted": fitted}
        return self._asked("predict", asked, most_bytes, lambda answer: _prediction(answer, tile, model, fitted))

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The features of texts. Raises ModelError, see `predict`."""
        most_bytes = len(texts) * MOST_FEATURES * 4 + ROOM
        return self._asked("read", {"texts": tuple(texts)}, most_bytes, lambda answer: _features(answer, len(texts)))

    def _asked(
        self,
        kind: str,
        asks: Mapping[str, object],
        most_bytes: int,
        understand: Callable[[Message], _Answer | Exception],
    ) -> _Answer:
        """Asks the child something, and gives what is understood of its answer, or raises it where that is an exception."""
        with self._turn:
            child = self._living()
            self._number += 1
            asked = message(kind, number=self._number, options=self._options, **asks)
            tile = self._take_up(_Tile(child, self._number)) if kind == "predict" else None
            try:
                answer = self._exchange(child, asked, most_bytes)
                device = answer.get("device", str)
                understood = understand(answer)
            except (EOFError, OSError) as error:
                if tile is not None and tile.is_stopped and not self._closed:
                    self._drop(child)
                    raise StoppedError(STOPPED) from error
                said = CLOSED if self._closed else child.obituary()
                self._drop(child)
                raise ModelError(said) from error
            except MessageError as error:
                self._drop(child)
                log.info("The model's process sent what is no answer: %s", error)
                raise ModelError(
                    "The model's process sent something that is no prediction of this tile. Predict again."
                ) from error
            except (
                BaseException
            ):  # Ctrl-C, for one: the answer is still to come, and would be taken for that of the next tile
                self._drop(child)
                raise
            finally:
                self._put_down()
            self._device = device
            child.listen()
        if isinstance(understood, Exception):
            raise understood
        return understood

    def tell_steps(self, tell: Tell) -> None:
        """See `engine.Telling`. Who raises from `tell` ends the child."""
        self._tell = tell

    def stop(self) -> None:
        """See `engine.Steerable.stop`. A child that does not answer within STOPPING_SECONDS is ended."""
        with self._lock:
            self._stopped = True
            tile = self._tile
            if tile is None or tile.is_stopped:
                return
            tile.is_stopped = True
        threading.Thread(target=self._break_off, args=(tile,), name="stop of a model", daemon=True).start()

    def go_on(self, options: RunOptions) -> None:
        """See `engine.Steerable.go_on`. The options travel with the next tile."""
        with self._lock:
            self._stopped = False
            self._options = options

    def close(self) -> None:
        """Ends the child at once. From any thread; a `predict` that waits then, and every later one, raises ModelError."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
            self._device = ""
        if child is not None:
            child.process.terminate()
            burial = threading.Thread(target=self._bury, args=(child,), name="end of a model", daemon=True)
            burial.start()
            burial.join(CLOSING_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _living(self) -> "_Child":
        """The child, a new one where there is none or it has died meanwhile."""
        with self._lock:
            if self._closed:
                raise ModelError(CLOSED)
            child = self._child
            if child is not None and child.process.poll() is None:
                return child
            if child is not None:
                log.info("%s A new one is started.", child.obituary())
                child.release()
            self._device = ""
            self._child = _Child(self._command)
            return self._child

    def _take_up(self, tile: "_Tile") -> "_Tile":
        """From now on this one is stopped. Raises StoppedError where that is wanted already."""
        with self._lock:
            if self._stopped:
                raise StoppedError(STOPPED)
            self._tile = tile
        return tile

    def _break_off(self, tile: "_Tile") -> None:
        """Asks the child to, and ends it where it does not."""
        # A child that hangs may not even have taken its tile from the pipe: then who asks it waits until it is ended.
        threading.Thread(target=self._ask_to_stop, args=(tile,), name="stop to a model", daemon=True).start()
        was_loading = tile.is_loading
        while not tile.over.wait(STOPPING_SECONDS):
            if not (was_loading or tile.is_loading):
                break
            was_loading = tile.is_loading
        with self._lock:
            if self._tile is tile:
                log.info("The model's process does not stop, and is ended.")
                tile.child.process.kill()

    def _ask_to_stop(self, tile: "_Tile") -> None:
        with contextlib.suppress(OSError, ValueError):  # it has ended, or its pipe is closed
            tile.child.ask(message("stop", number=tile.number))

    def _put_down(self) -> None:
        """Nothing is being predicted any more."""
        with self._lock:
            tile, self._tile = self._tile, None
        if tile is not None:
            tile.over.set()

    def _exchange(self, child: "_Child", asked: Message, most_bytes: int) -> Message:
        """Asks the child, and waits for the answer to this very question."""
        if not child.greeted:
            child.ask(self._start)
            child.greeted = True
        child.ask(asked)
        while (answer := receive(child.answers, most_bytes)) is not None:
            if answer.kind == "step":
                self._tell(answer.get("done", int), answer.get("total", int))
            elif answer.kind != "stage":
                if answer.get("number", int) != asked.get("number", int):
                    raise MessageError("an answer to another question")
                return answer
            else:
                self._on_stage(answer.get("stage", str))
        raise EOFError("the child has closed the pipe")

    def _on_stage(self, stage: str) -> None:
        if self._tile is not None:
            self._tile.is_loading = stage == LOADING
        if self._progress is not None:
            self._progress(stage)

    def _drop(self, child: "_Child") -> None:
        """Ends a child that can no longer be talked to."""
        with self._lock:
            if self._child is child:
                self._child = None
                self._device = ""
        child.end()
        child.release()

    def _bury(self, child: "_Child") -> None:
        child.end()
        with self._turn:  # who waits for an answer still reads from the pipe
            child.release()


@dataclass(slots=True, eq=False)
class _Tile:
    """A tile that a child works on.

    Attributes:
        child: see there.
        number: of the request.
        is_stopped: it is to be broken off.
        is_loading: the child still loads its model for it.
        over: it has been answered, or will not be any more.
    """

    child: "_Child"
    number: int
    is_stopped: bool = False
    is_loading: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class _Child:
    """A process, its pipes, and what it prints."""

    def __init__(self, command: Sequence[str]) -> None:
        self.greeted = False
        self._asking = threading.Lock()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in release
        options: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in the terminal is for this process alone
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}  # nothing is downloaded unless the user asks for it
        try:
            self.process = subprocess.Popen(  # noqa: S603 -- this Python, with our own words
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                env=environment,
                **options,
            )
        except OSError as error:
            self._words.close()
            raise ModelError(
                f"The model's process cannot be started: {error}. Close other programs and predict again."
            ) from error
        self._requests = cast("Pipe", self.process.stdin)
        self.answers = cast("Pipe", self.process.stdout)

    def ask(self, asked: Message) -> None:
        """Sends it a message. From any thread."""
        with self._asking:
            send(self._requests, asked)

    def listen(self) -> None:
        """Logs what the child has printed while it worked, and forgets it."""
        if self._words.seek(0, os.SEEK_END):
            for line in self._last_words():
                log.debug("%s", line)
            self._words.seek(0)  # the child writes at the same place
            self._words.truncate()

    def obituary(self) -> str:
        """How it ended and what to do, in a sentence or two; ends it where it has only closed its pipes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_SECONDS)
        words = self._last_words()
        for line in words:
            log.info("%s", line)
        code = self.process.poll()
        if code is None:
            return "The model's process has stopped answering and was ended. Predict again."
        return _how_it_ended(code, words[-1] if words else "")

    def end(self) -> None:
        """Ends it, if not with good words, then by force."""
        self.process.terminate()
        try:
            self.process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDING_SECONDS)

    def release(self) -> None:
        """Closes what leads to it. For who has ended it: a message that waits in the pipe fails then."""
        with self._asking:  # once it is closed, its number may be that of another file
            for file in (self.process.stdin, self.process.stdout, self._words):
                if file is not None:
                    file.close()

    def _last_words(self) -> list[str]:
        if self._words.closed:
            return []
        end = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, end - LAST_WORDS))
        lines = self._words.read().decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()]


def _features(answer: Message, count: int) -> NDArray[np.float32] | Exception:
    """What the answer says of so many texts, or what is to be raised. Raises MessageError where it is something else."""
    trouble = _trouble(answer)
    if trouble is not None:
        return trouble
    features: NDArray[np.float32] = answer.get("features", NDArray[np.float32])
    if features.ndim != 2 or len(features) != count or not 0 < features.shape[1] <= MOST_FEATURES:
        raise MessageError(f"features of the shape {features.shape} for {count} texts")
    return features


def _trouble(answer: Message) -> Exception | None:
    """What an answer says that went wrong."""
    if answer.kind == "stopped":
        return StoppedError(STOPPED)
    if answer.kind == "refused":
        return ModelError(answer.get("message", str))
    if answer.kind == "failed":
        log.info("The model's process has failed:\n%s", answer.get("traceback", str))
        return RuntimeError(f"The model's process has failed: {answer.get('message', str)}")
    return None


def _prediction(answer: Message, tile: TileId, model: str, fitted: Fitted) -> Prediction | Exception:
    """What the answer says, or what is to be raised in its place. Raises MessageError where it is for something else."""
    trouble = _trouble(answer)
    if trouble is not None:
        return trouble
    prediction = answer.get("prediction", Prediction)
    if (prediction.tile, prediction.model) != (tile, model):
        raise MessageError(f"a prediction of {prediction.tile} by {prediction.model} instead of {tile} by {model}")
    for layer, raster in prediction.rasters.items():
        if layer not in (HEIGHT, LABELS, CONFIDENCE, QUANTITY) or raster.pixels.shape != (1, *fitted.shape):
            raise MessageError(f"a layer {layer} of {raster.pixels.shape} for a tile of {fitted.shape}")
    height, width = fitted.shape
    if prediction.boxes is not None and prediction.boxes.size != (width, height):
        raise MessageError(f"objects on {prediction.boxes.size} for a tile of {fitted.shape}")
    for features in (prediction.features, prediction.caption_features):
        if features is not None and not (features.ndim == 1 and 0 < features.size <= MOST_FEATURES):
            raise MessageError(f"features of the shape {features.shape}")
    return prediction


def _how_it_ended(code: int, words: str) -> str:
    """The end of a process in a sentence or two, from its exit code (minus the signal; on Windows a status)."""
    if -code == KILLED or code in NO_MEMORY:
        return (
            f"The model's process was ended by the system ({_named(code)}): the machine may be out of memory. "
            "Close other programs, choose smaller windows or a smaller model, and predict again."
        )
    if -code in CRASHES or code >= WINDOWS_FAULTS:
        return (
            f"The model's process has crashed ({_named(code)}), in a driver or a library. "
            "Predict again; if that does not help, run the model on the processor (device cpu)."
        )
    told = f" Its last words: {words.strip()[:200]}" if words and code > 0 else ""
    return f"The model's process has ended ({_named(code)}). Predict again.{told}"


def _named(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code < WINDOWS_FAULTS else f"status {code:#x}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"

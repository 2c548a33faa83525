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
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, QUANTITY, Prediction
from rsviewer.core.tile import TileId
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
        self._progress = progress
        self._tell: Tell = lambda *_: None
        self._command = command or (sys.executable, "-P", "-c", START, *sys.path)
        self._turn = threading.Lock()
        """Held by who predicts."""
        self._lock = threading.Lock()
        """Held by who looks at or changes what follows."""
        self._child: _Child | None = None
        self._closed = False
        self._device = ""
        self._number = 0

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        return self._device

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile. Raises ModelError, also where the child has died; the next call starts another one."""
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
            asked = message(kind, number=self._number, **asks)
            try:
                answer = self._exchange(child, asked, most_bytes)
                device = answer.get("device", str)
                understood = understand(answer)
            except (EOFError, OSError) as error:
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
            self._device = device
            child.listen()
        if isinstance(understood, Exception):
            raise understood
        return understood

    def tell_steps(self, tell: Tell) -> None:
        """See `engine.Telling`. Who raises from `tell` ends the child."""
        self._tell = tell

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

    def _exchange(self, child: "_Child", asked: Message, most_bytes: int) -> Message:
        """Asks the child, and waits for the answer to this very question."""
        if not child.greeted:
            send(child.requests, self._start)
            child.greeted = True
        send(child.requests, asked)
        while (answer := receive(child.answers, most_bytes)) is not None:
            if answer.kind == "step":
                self._tell(answer.get("done", int), answer.get("total", int))
            elif answer.kind != "stage":
                if answer.get("number", int) != asked.get("number", int):
                    raise MessageError("an answer to another question")
                return answer
            elif self._progress is not None:
                self._progress(answer.get("stage", str))
        raise EOFError("the child has closed the pipe")

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


class _Child:
    """A process, its pipes, and what it prints."""

    def __init__(self, command: Sequence[str]) -> None:
        self.greeted = False
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
        self.requests = cast("Pipe", self.process.stdin)
        self.answers = cast("Pipe", self.process.stdout)

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
        """Closes what leads to it."""
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
        if layer not in (HEIGHT, LABELS, CONFIDENCE, QUANTITY) or raster.pixels.shape != (1, *fitted.valid.shape):
            raise MessageError(f"a layer {layer} of {raster.pixels.shape} for a tile of {fitted.valid.shape}")
    height, width = fitted.valid.shape
    if prediction.boxes is not None and prediction.boxes.size != (width, height):
        raise MessageError(f"objects on {prediction.boxes.size} for a tile of {fitted.valid.shape}")
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

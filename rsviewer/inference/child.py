"""The other end of `remote`: the process that a model runs in. Reads tiles, answers with predictions.

Its standard output belongs to the answers. What libraries print goes to the standard error output, and cannot get between them.
"""

import contextlib
import faulthandler
import io
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.expense import SIDE
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.tile import TileId
from rsviewer.inference.engine import Engine, Predictor, Reader, Steerable, Telling
from rsviewer.inference.messages import Message, message, receive, send

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 40
"""Of the arrays of one request: whoever asks is trusted to know what this machine holds."""
NICE = 5
"""How far the model stands back behind the window when the processor is busy."""
OUT_OF_MEMORY_SCORE = "500"
"""Of 1000: where Linux is out of memory, it ends this process, not the one with the window."""


class Loadable(Predictor, Protocol):
    """Who predicts, and can be told to load its model before."""

    def load(self, size: tuple[int, int] = (SIDE, SIDE)) -> None:
        """Loads the model, if it is not. See `Engine.load`."""


def main(make: Callable[[ModelCard, Path, RunOptions], Loadable] = Engine) -> NoReturn:
    """Serves the parent until it closes the pipe, which it also does by dying.

    Args:
        make: who predicts.
    """
    requests, answers = _take_pipes()
    faulthandler.enable()  # a crash leaves its trace where the parent looks for last words
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C in the terminal is for the parent, which then ends this process
    _stand_back()
    arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
    stops = _Stops()
    threading.Thread(target=_read, args=(requests, arrived, stops), name="requests", daemon=True).start()
    start = arrived.get()
    predictor = make(start.get("card", ModelCard), Path(start.get("weights", str)), start.get("options", RunOptions))
    if isinstance(predictor, Telling):
        predictor.tell_steps(lambda done, total: send(answers, message("step", done=done, total=total)))
    while True:
        request = arrived.get()
        try:
            send(answers, _answer(predictor, request, stops, partial(_tell_stage, answers)))
        except BrokenPipeError:
            os._exit(0)  # nobody is there any more


class _Stops:
    """Which request is to be broken off: told by the thread that reads, heeded by the one that predicts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: tuple[int, Steerable] | None = None
        self._last = 0

    def begin(self, number: int, predictor: Steerable, options: RunOptions) -> None:
        """Takes up a request, which may have been stopped before it was begun. Raises ModelError."""
        with self._lock:
            self._at = number, predictor
            predictor.go_on(options)
            if number <= self._last:
                predictor.stop()

    def stop(self, number: int) -> None:
        """Breaks off a request. One that was answered in the meantime is nothing to be stopped, nor is the next one."""
        with self._lock:
            self._last = max(self._last, number)
            if self._at is not None and self._at[0] == number:
                self._at[1].stop()


def _tell_stage(answers: io.FileIO, stage: str) -> None:
    send(answers, message("stage", stage=stage))


def _answer(predictor: Loadable, request: Message, stops: _Stops, tell: Callable[[str], None]) -> Message:
    number = request.get("number", int)
    try:
        if isinstance(predictor, Steerable):
            stops.begin(number, predictor, request.get("options", RunOptions))
        fitted = None if request.kind == "read" else request.get("fitted", Fitted)
        if not predictor.device:
            tell("loading")
            predictor.load((SIDE, SIDE) if fitted is None else fitted.shape)
        tell("running")
        if fitted is None:
            if not isinstance(predictor, Reader):
                return message("refused", number=number, device=predictor.device, message="This model cannot read.")
            features = predictor.read(request.get("texts", tuple[str, ...]))
            return message("answer", number=number, device=predictor.device, features=features)
        prediction = predictor.predict(request.get("tile", TileId), fitted, model=request.get("model", str))
    except StoppedError:
        return message("stopped", number=number, device=predictor.device)
    except ModelError as error:
        return message("refused", number=number, device=predictor.device, message=str(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it is, the parent reports it as a bug of ours
        said, told = f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
        return message("failed", number=number, device=predictor.device, message=said, traceback=told)
    return message("answer", number=number, device=predictor.device, prediction=prediction)


def _take_pipes() -> tuple[io.FileIO, io.FileIO]:
    """Standard input and output for messages alone; who else reads finds nothing, who prints the error output."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return io.FileIO(requests, "rb"), io.FileIO(answers, "wb")


def _stand_back() -> None:
    """The window comes first, for the processor and for memory. Windows is told so by the parent."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_SCORE)


def _read(requests: io.FileIO, arrived: "queue.SimpleQueue[Message]", stops: _Stops) -> None:
    """Hands requests on, and ends the process, whatever it is doing, when no more can come."""
    try:
        while (request := receive(requests, MOST_BYTES)) is not None:
            if request.kind == "stop":
                stops.stop(request.get("number", int))
            else:
                arrived.put(request)
    except (ValueError, OSError, EOFError):
        log.exception("The pipe from the program is broken")
    finally:
        os._exit(0)

"""The engine: loads a model when it is first needed, on the device that was asked for or that is there, and predicts tiles.

`running` has the network at work, `tiles` what goes into it, `assembly` what comes out. torch is imported when the first tile
is predicted, not with this module.
"""

import importlib
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.expense import SIDE, check_patience
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import FAMILIES, ModelCard, RunOptions, chosen, with_choices
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId
from rsviewer.inference.processor import thread_count
from rsviewer.inference.zoo.network import Adjustable, Guest, Network, Tell

if TYPE_CHECKING:  # torch takes more than a second to import, and only some of who use this have it
    import torch

    from rsviewer.inference.running import Running

MODULES: Mapping[str, str] = {family: f"rsviewer.inference.zoo.{family}" for family in FAMILIES}
"""Family of a card -> module with `load(card, weights, device) -> Network`."""

QUIET: Mapping[str, str] = {"TORCH_CPP_LOG_LEVEL": "ERROR", "TRANSFORMERS_VERBOSITY": "error"}
"""What tells libraries, before they are imported, to keep remarks for their developers to themselves."""

STOPPED = "Stopped: this tile was not predicted."

INSTALL = 'Install it: pip install "rsviewer[models]", or python3 packaging/start.py setup --models.'

Loader = Callable[[ModelCard, Path, "torch.device"], Network]
"""Card, weights, device -> network. See `zoo.network.Network`."""


class Predictor(Protocol):
    """Who predicts tiles: an engine in this process, or one in a process of its own."""

    @property
    def device(self) -> str:
        """Where it runs, e.g. "cuda:0"; empty until the model is loaded."""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile, on the grid of `fitted`. Raises ModelError. See `Engine.predict`."""

    def close(self) -> None:
        """Gives memory and device back. From any thread; a `predict` that runs then raises ModelError."""


@runtime_checkable
class Telling(Protocol):
    """A `Predictor` that tells how far it is with a tile, where its model takes many steps."""

    def tell_steps(self, tell: Tell) -> None:
        """From now on `tell` is called with the steps that are done, and how many there are: on the thread of `predict`."""


@runtime_checkable
class Steerable(Predictor, Protocol):
    """A `Predictor` that keeps its model loaded where a tile is broken off, or the next one is to be predicted otherwise."""

    def stop(self) -> None:
        """Breaks off the tile of now, from any thread: `predict` raises StoppedError, and goes on doing so until `go_on`."""

    def go_on(self, options: RunOptions) -> None:
        """Tiles are predicted again from now on, in this way. On the thread of `predict`.

        Another device needs another `Predictor`.
        """


@runtime_checkable
class Reader(Predictor, Protocol):
    """A `Predictor` that can also say what its model makes of texts."""

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The features of texts, (texts, n), each of length 1: comparable with those of tiles.

        Raises:
            ModelError: the model cannot read, or see `Predictor.predict`.
        """


PredictorFactory = Callable[[ModelCard, Path, RunOptions], Predictor]
"""Card, weights, options -> who predicts with them. Loads nothing yet: the first `predict` does."""


class Engine:
    """A model in this process. For one thread at a time, but for `stop` and `close`.

    Args:
        card: what it takes and gives.
        weights: its file, whose hash was checked.
        options: how it is run.
        load: makes the network; None takes that of the card's family.
    """

    def __init__(self, card: ModelCard, weights: Path, options: RunOptions, *, load: Loader | None = None) -> None:
        self._card = card
        self._weights = weights
        self._options = options
        self._loader = load
        self._running: Running | None = None
        self._tell: Tell = lambda *_: None
        self._load_seconds = 0.0
        self._peak = 0
        self._closed = False
        self._stopped = False
        self._is_predicting = False
        self._size = SIDE, SIDE
        """Of the tile that is predicted, or that the model is loaded for."""

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        running = self._running
        return str(running.device) if running is not None else ""

    @property
    def load_seconds(self) -> float:
        """That the import of libraries and the loading of weights took; 0 before."""
        return self._load_seconds

    @property
    def peak_bytes(self) -> int:
        """Most memory held so far: of the GPU where it runs on one, else of this process; 0 until it is loaded."""
        running = self._running
        if running is not None:
            from rsviewer.inference import devices

            self._peak = max(self._peak, devices.peak_bytes(running.device))
        return self._peak

    def load(self, size: tuple[int, int] = (SIDE, SIDE)) -> None:
        """Loads the model, if it is not. The first `predict` does so itself.

        Args:
            size: height and width of the tile that it is loaded for, see `core.expense`.

        Raises:
            ModelError: something is not installed, the file is none of this family, there is no such device.
        """
        self._check_open()
        if self._running is not None:
            return
        self._size = size
        start = time.perf_counter()
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._running = self._load()
        self._load_seconds = time.perf_counter() - start
        self._check_open()

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile.

        Args:
            tile: its id, which travels with the answer.
            fitted: see `core.fitting.fit`.
            model: fingerprint, which travels with the answer too.

        Raises:
            ModelError: the tile does not fit the model, or it cannot be loaded or run, in a sentence.
            StoppedError: see `Steerable.stop`. A network sees it before its next layer, at the latest before its next window.
        """
        running = self._loaded(fitted.shape)
        self._size = fitted.shape
        if running.device.type == "cpu":
            self._check_patience()  # options and tiles need not be those that it was loaded with
        start = time.perf_counter()
        self._is_predicting = True
        try:
            self._check()
            running.attend(tile, self._tell)
            found = running.predict(fitted)
        finally:
            self._is_predicting = False
        return Prediction(
            tile=tile,
            model=model,
            rasters=found.rasters,
            scores=found.scores,
            seconds=time.perf_counter() - start,
            forward_seconds=found.forward_seconds,
            device=str(running.device),
            remarks=(*fitted.remarks, *found.remarks),
            similarity=found.similarity,
            features=found.features,
            caption_features=found.caption_features,
            boxes=found.boxes,
        )

    def tell_steps(self, tell: Tell) -> None:
        """See `Telling`."""
        self._tell = tell

    def stop(self) -> None:
        """See `Steerable.stop`."""
        self._stopped = True

    def go_on(self, options: RunOptions) -> None:
        """See `Steerable.go_on`. Loads anew what a network was given when it was loaded, and cannot be given again."""
        self._stopped = False
        running = self._running
        if running is not None and options != self._options:
            if self._is_loaded_for(running.network, options):
                running.go_on(options)
            else:
                self._running = None
        self._options = options  # not before a network has taken them: what it refuses, it is asked again

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Reader.read`."""
        return self._loaded().read(texts)

    def bare_seconds(self, fitted: Fitted, repeats: int = 5) -> float:
        """Seconds of the fastest of some bare forward passes over the very windows of a tile, nothing else: for `bench`.

        Raises:
            ModelError: see `predict`.
        """
        return self._loaded(fitted.shape).bare_seconds(fitted, repeats)

    def close(self) -> None:
        """Gives memory back, for good. From any thread; a `predict` that runs then raises ModelError soon."""
        self._closed = True
        running, self._running = self._running, None
        if running is not None:
            from rsviewer.inference import devices

            device = running.device
            del running  # and the network with it, so that there is something to give back
            devices.release(device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _loaded(self, size: tuple[int, int] = (SIDE, SIDE)) -> "Running":
        self.load(size)
        running = self._running
        if running is None:
            raise self._closing()
        return running

    def _load(self) -> "Running":
        """The network on the device that was asked for, or on the processor where there is no room for it."""
        _import_torch()
        from rsviewer.inference import devices
        from rsviewer.inference.running import Running

        device, remark = devices.choose(self._options.device), ""
        devices.set_threads(self._options.threads)
        devices.set_exactness(self._options.precision)
        network, error = self._try_to_load(device)
        if network is None and device.type != "cpu":
            devices.release(device)
            remark = f"{self._card.title} does not fit into the memory of {device}: predicted on the processor."
            device = devices.choose("cpu")
            network, error = self._try_to_load(device)
        if network is None:
            raise ModelError(
                f"{self._card.title} does not fit into memory. Close other programs, or take a smaller model."
            ) from error
        return Running(network, device, self._card, self._options, check=self._check, remark=remark)

    def _try_to_load(self, device: "torch.device") -> tuple[Network | None, Exception | None]:
        """The network, or what was said when there was no room for it."""
        from rsviewer.inference import devices

        try:
            return self._load_network(device), None
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "rsviewer":
                raise
            raise ModelError(
                f"{self._card.title} needs the package {error.name}, which is not installed. {INSTALL}"
            ) from error
        except (RuntimeError, MemoryError, OSError, ModelError) as error:
            if devices.is_out_of_memory(error):
                return None, devices.without_frames(error)
            raise

    def _load_network(self, device: "torch.device") -> Network:
        if device.type == "cpu":
            self._check_patience()
        if self._loader is not None:
            return self._loader(self._card, self._weights, device)
        if self._card.family not in MODULES:
            raise ModelError(
                f"{self._card.title} is of the family {self._card.family!r}, which is not known here. "
                f"Known: {', '.join(MODULES)}."
            )
        load: Loader = importlib.import_module(MODULES[self._card.family]).load
        return load(with_choices(self._card, self._options), self._weights, device)

    def _is_loaded_for(self, network: Network, options: RunOptions) -> bool:
        """Whether a network that was loaded can be run in another way as it is."""
        before = self._options
        if isinstance(network, Guest) and (before.threads, before.precision) != (options.threads, options.precision):
            return False  # its library is told of threads, and of how exact it is to be, as it loads
        is_same = chosen(self._card, options) == chosen(self._card, before)
        return is_same or isinstance(network, Adjustable)

    def _check_patience(self) -> None:
        check_patience(self._card, self._options, self._size, thread_count(self._options.threads))

    def _check(self) -> None:
        """Raises where the work of now is to end."""
        self._check_open()
        if self._stopped and self._is_predicting:
            raise StoppedError(STOPPED)

    def _check_open(self) -> None:
        if self._closed:
            self._running = None  # also where it was closed while it was loaded
            raise self._closing()

    def _closing(self) -> ModelError:
        return ModelError(f"{self._card.title} was closed. Choose it again.")


def _import_torch() -> None:
    """Raises ModelError where there is no torch, or none that works."""
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise ModelError(f"Models need the package {error.name}, which is not installed. {INSTALL}") from error
    except (ImportError, OSError) as error:
        raise ModelError(f"torch is installed but cannot be loaded: {error}. Install it anew.") from error

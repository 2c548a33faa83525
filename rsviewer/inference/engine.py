"""Runs a model on a tile: cuts, pads, predicts, blends, and says what it had to do for lack of memory.

torch is imported when the first tile is predicted, not with this module.
"""

import importlib
import logging
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Augmentation, Framing, ModelCard, ModelOutput, OutputKind, Precision, RunOptions, Scores
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, Prediction, Score
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.inference.zoo.network import Answers, Network

if TYPE_CHECKING:  # torch takes more than a second to import, and only some of who use this have it
    import torch

    from rsviewer.inference.augmenting import Symmetry
    from rsviewer.inference.windows import Mosaic, Plan

log = logging.getLogger(__name__)

FAMILIES: Mapping[str, str] = {
    family: f"rsviewer.inference.zoo.{family}" for family in ("rs3dada", "demo", "onnx", "torchscript", "exported")
}
"""Family of a card -> module with `load(card, weights, device) -> Network`."""

QUIET: Mapping[str, str] = {"TORCH_CPP_LOG_LEVEL": "ERROR", "TRANSFORMERS_VERBOSITY": "error"}
"""What tells libraries, before they are imported, to keep remarks for their developers to themselves."""

INSTALL = 'Install it: pip install "rsviewer[models]", or python3 packaging/start.py setup --models.'

Loader = Callable[[ModelCard, Path, "torch.device"], Network]
"""Card, weights, device -> network. See `zoo.network.Network`."""

_Result = TypeVar("_Result")


class Predictor(Protocol):
    """Who predicts tiles: an engine in this process, or one in a process of its own."""

    @property
    def device(self) -> str:
        """Where it runs, e.g. "cuda:0"; empty until the model is loaded."""

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile. See `Engine.predict`."""

    def close(self) -> None:
        """Gives memory and device back. From any thread; a `predict` that runs then raises ModelError."""


PredictorFactory = Callable[[ModelCard, Path, RunOptions], Predictor]
"""Card, weights, options -> who predicts with them. Loads nothing yet: the first `predict` does."""


@dataclass(slots=True)
class _Room:
    """What was found to fit into memory, by not fitting otherwise.

    Attributes:
        batch: windows at once.
        window: longest side of a window; 0: as the framing says.
        on_trial: nothing was predicted with windows of that size yet.
        remarks: how it came to that, for the tile where it was found out.
    """

    batch: int
    window: int = 0
    on_trial: bool = False
    remarks: list[str] = field(default_factory=list)


class Engine:
    """A model in this process. For one thread at a time, but for `close`.

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
        self._network: Network | None = None
        self._device: torch.device | None = None
        self._dtype: torch.dtype | None = None
        self._room = _Room(batch=1)
        self._tried_window = self._tried_at_once = 0
        self._shrinks = card.output(OutputKind.SCENE) is None  # half a tile does not tell the class of the whole one
        self._lasting: dict[str, str] = {}
        self._load_seconds = 0.0
        self._peak = 0
        self._closed = False

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        return str(self._device) if self._network is not None else ""

    @property
    def load_seconds(self) -> float:
        """That the import of libraries and the loading of weights took; 0 before."""
        return self._load_seconds

    def load(self) -> None:
        """Loads the model, if it is not. The first `predict` does so itself.

        Raises:
            ModelError: something is not installed, the file is none of this family, there is no such device.
        """
        self._check_open()
        if self._network is not None:
            return
        start = time.perf_counter()
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._load()
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
        """
        self.load()
        start = time.perf_counter()
        self._room.remarks.clear()
        found = self._within_memory(lambda: self._predict(fitted))
        return Prediction(
            tile=tile,
            model=model,
            rasters=found.rasters,
            scores=found.scores,
            seconds=time.perf_counter() - start,
            forward_seconds=found.forward_seconds,
            device=self.device,
            remarks=(*fitted.remarks, *self._lasting.values(), *self._room.remarks, *found.remarks),
        )

    def bare_seconds(self, fitted: Fitted, repeats: int = 5) -> float:
        """Best of some bare forward passes over the very windows of a tile, nothing else: for `bench`."""
        self.load()
        return self._within_memory(lambda: self._bare_seconds(fitted, repeats))

    @property
    def peak_bytes(self) -> int:
        """Most memory held so far: of the GPU where it runs on one, else of this process."""
        if self._device is None:
            return 0
        from rsviewer.inference import devices

        self._peak = max(self._peak, devices.peak_bytes(self._device))
        return self._peak

    def close(self) -> None:
        """Gives memory back, for good. From any thread; a `predict` that runs then raises ModelError soon."""
        self._closed = True
        self._network = None
        if self._device is not None:
            from rsviewer.inference import devices

            devices.release(self._device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Loading

    def _load(self) -> None:
        _import_torch()
        from rsviewer.inference import devices

        device = devices.choose(self._options.device)
        self._set_threads()
        network, error = self._try_to_load(device)
        if network is None and device.type != "cpu":
            devices.release(device)
            self._lasting["device"] = (
                f"{self._title} does not fit into the memory of {device}: predicted on the processor."
            )
            device = devices.choose("cpu")
            network, error = self._try_to_load(device)
        if network is None:
            raise ModelError(
                f"{self._title} does not fit into memory. Close other programs, or take a smaller model."
            ) from error
        self._network = network
        self._settle(device)

    def _try_to_load(self, device: "torch.device") -> tuple[Network | None, Exception | None]:
        """The network, or what was said when there was no room for it."""
        from rsviewer.inference import devices

        try:
            return self._load_network(device), None
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "rsviewer":
                raise
            raise ModelError(
                f"{self._title} needs the package {error.name}, which is not installed. {INSTALL}"
            ) from error
        except (RuntimeError, MemoryError, OSError, ModelError) as error:
            if devices.is_out_of_memory(error):
                return None, error.with_traceback(None)  # the traceback would hold what was loaded so far
            raise

    def _load_network(self, device: "torch.device") -> Network:
        if self._loader is not None:
            return self._loader(self._card, self._weights, device)
        if self._card.family not in FAMILIES:
            raise ModelError(
                f"{self._title} is of the family {self._card.family!r}, which is not known here. Known: {', '.join(FAMILIES)}."
            )
        load: Loader = importlib.import_module(FAMILIES[self._card.family]).load
        return load(self._card, self._weights, device)

    def _settle(self, device: "torch.device") -> None:
        """Takes up work on a device, with nothing known yet of what fits there."""
        from rsviewer.inference import devices

        self._device = device
        self._dtype, remark = devices.autocast_type(self._options.precision, device)
        self._room = _Room(batch=self._options.batch or devices.BATCHES[device.type])
        self._lasting.pop("precision", None)
        if remark:
            self._lasting["precision"] = remark

    def _set_threads(self) -> None:
        import torch

        from rsviewer.inference import devices

        threads = devices.thread_count(self._options.threads)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    @property
    def _title(self) -> str:
        return self._card.title or self._card.id

    def _check_open(self) -> None:
        if self._closed:
            self._network = None
            raise ModelError(f"{self._title} was closed. Choose it again.")

    # Lack of memory

    def _within_memory(self, work: Callable[[], _Result]) -> _Result:
        """Does some work, and again with less at once for as long as there is no room for it."""
        import torch

        from rsviewer.inference import devices

        self._set_threads()
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            while True:
                try:
                    result = work()
                except Exception as error:
                    self._check_open()
                    if not devices.is_out_of_memory(error):
                        if not (isinstance(error, ModelError) and self._room.on_trial):
                            raise
                        self._shrinks = False  # it takes windows of one size only, and its card does not say so
                    failure = error.with_traceback(None)  # which would hold all tensors of the frames it names
                else:
                    self._room.on_trial = False
                    return result
                log.info("No room for %s on %s: %s", self._title, self._device, failure)
                self._retreat(failure)

    def _retreat(self, failure: Exception) -> None:
        """Fewer windows at once, then smaller ones, then the processor.

        Raises:
            ModelError: there is nothing left to try.
        """
        from rsviewer.inference import devices, windows

        if self._device is None or self._network is None:
            raise failure
        device, room = self._device, self._room
        devices.release(device)
        if room.batch > 1 and self._tried_at_once > 1:
            room.batch = 1
            room.remarks.append(
                f"There was no room on {device} for {self._tried_at_once} windows at once: predicted one by one."
            )
            return
        smaller = windows.halved(self._framing, self._tried_window) if self._shrinks else None
        if smaller is not None:
            room.window, room.on_trial = smaller.window, True
            return
        if device.type == "cpu":
            raise ModelError(
                f"There is not enough memory for {self._title}, even for its smallest windows. "
                "Close other programs, or take a smaller model."
            ) from failure
        processor = devices.choose("cpu")
        try:
            self._network.move(processor)
        except (RuntimeError, MemoryError) as error:
            raise ModelError(f"There is no room for {self._title}, neither on {device} nor beside it.") from error
        self._settle(processor)
        self._lasting["device"] = f"There was no room on {device}: predicted on the processor."

    @property
    def _framing(self) -> Framing:
        """As chosen, with windows no larger than there is room for."""
        from rsviewer.inference import windows

        framing = self._card.framing(self._options.framing)
        return windows.limited(framing, self._room.window) if self._room.window else framing

    # Predicting

    def _predict(self, fitted: Fitted) -> "_Found":
        from rsviewer.inference.windows import Mosaic

        if self._device is None:
            raise ModelError(f"{self._title} is not loaded.")
        job = self._prepare(fitted)
        found = _Found(remarks=list(job.remarks))
        dense: dict[OutputKind, tuple[ModelOutput, Mosaic]] = {
            output.kind: (output, Mosaic(job.cut, self._device))
            for output in self._outputs
            if output.kind is not OutputKind.SCENE
        }
        scene: dict[int, torch.Tensor] = {}
        for passes, batch in self._batches(job):
            answers, seconds = self._forward(batch)
            found.forward_seconds += seconds
            self._collect(answers, batch, passes, 1 / len(job.symmetries), dense, scene)
            del answers
        if OutputKind.HEIGHT in dense:
            self._read_heights(*dense.pop(OutputKind.HEIGHT), job.cut, fitted, found)
        if OutputKind.LABELS in dense:
            self._read_labels(*dense.pop(OutputKind.LABELS), job.cut, fitted, found)
        if scene:
            self._read_scene(scene, found)
        return found

    @property
    def _outputs(self) -> tuple[ModelOutput, ...]:
        """The first output of each kind: the others have no place in a prediction."""
        found = (self._card.output(kind) for kind in OutputKind)
        return tuple(output for output in found if output is not None)

    def _prepare(self, fitted: Fitted) -> "_Job":
        import torch

        from rsviewer.inference import augmenting, windows

        pixels = fitted.pixels
        if pixels.ndim != 3 or not pixels.size:
            raise ModelError("The tile has no pixels.")
        bands = sum(len(one.bands) for one in self._card.inputs)
        if pixels.shape[0] != bands:
            raise ModelError(f"{self._title} takes {bands} bands, and the tile gives {pixels.shape[0]}.")
        framing = self._card.framing(self._options.framing)
        remarks = []
        augmentation = self._options.augmentation
        if augmentation is not Augmentation.NONE and not self._card.augmentable:
            augmentation = Augmentation.NONE
            remarks.append(f"{self._title} is not made for flipped or turned tiles: predicted once.")
        height, width = pixels.shape[1:]
        wanted = windows.plan(height, width, framing)
        cut = windows.plan(height, width, self._framing)
        self._tried_window, self._tried_at_once = max(cut.size), 0
        if cut != wanted:
            remarks.append(
                f"There was no room on {self._device} for larger windows: predicted in windows of {max(cut.size)} pixels."
            )
        raw = torch.from_numpy(np.array(pixels, np.uint8 if pixels.dtype == np.uint8 else np.float32, order="C"))
        normal = raw.to(self._device).float()
        mean, std = (self._per_band(key, value) for key, value in (("mean", 0.0), ("std", 1.0)))
        if mean.any() or (std != 1).any():
            shift, stretch = (torch.from_numpy(one).to(self._device) for one in (mean, std))
            normal = (normal - shift[:, None, None]).div_(stretch[:, None, None])
        zero = torch.from_numpy(-mean / std).to(self._device)
        canvas = windows.canvas(normal, cut, zero)
        return _Job(cut, canvas, augmenting.SYMMETRIES[augmentation], tuple(remarks))

    def _per_band(self, key: str, otherwise: float) -> NDArray[np.float32]:
        """`mean` or `std` of the card's inputs, behind each other."""
        found: list[float] = []
        for number, one in enumerate(self._card.inputs, 1):
            given: tuple[float, ...] = getattr(one, key) or (otherwise,)
            if len(given) not in (1, len(one.bands)):
                raise ModelError(
                    f"The card of {self._title} gives {len(given)} times {key} for {len(one.bands)} bands of input {number}."
                )
            found += given * len(one.bands) if len(given) == 1 else given
        if key == "std" and not all(found):
            raise ModelError(f"The card of {self._title} gives 0 as std. Correct the card.")
        return np.array(found, np.float32)

    def _batches(self, job: "_Job") -> "Iterator[tuple[list[_Pass], torch.Tensor]]":
        """Windows as the network takes them, as many at once as there is room for: of one size in a batch."""
        import torch

        from rsviewer.inference.windows import cut_out

        by_size: defaultdict[bool, list[_Pass]] = defaultdict(list)
        square = job.cut.rows.size == job.cut.columns.size
        for number in range(job.cut.count):
            for symmetry in job.symmetries:
                by_size[symmetry.turned and not square].append(_Pass(number, symmetry))
        for passes in by_size.values():
            for first in range(0, len(passes), self._room.batch):
                some = passes[first : first + self._room.batch]
                self._tried_at_once = len(some)
                pieces = [one.symmetry.apply(cut_out(job.canvas, job.cut, [one.number])) for one in some]
                yield some, torch.cat(pieces)

    def _forward(self, batch: "torch.Tensor") -> tuple[Answers, float]:
        """The network's answers, and the seconds that they took."""
        from rsviewer.inference import devices

        self._check_open()
        network = self._network
        if network is None:
            raise ModelError(f"{self._title} is not loaded.")
        device = batch.device
        start = devices.now(device)
        try:
            with devices.autocast(device, self._dtype):
                answers = network.forward(batch)
        except ModelError:
            raise
        except Exception as error:
            if devices.is_out_of_memory(error):
                raise
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            shape = " x ".join(str(side) for side in batch.shape)
            raise ModelError(f"{self._title} fails on windows of {shape} numbers: {said}") from error
        return answers, devices.now(device) - start

    def _collect(
        self,
        answers: Answers,
        batch: "torch.Tensor",
        passes: "Sequence[_Pass]",
        share: float,
        dense: "Mapping[OutputKind, tuple[ModelOutput, Mosaic]]",
        scene: "dict[int, torch.Tensor]",
    ) -> None:
        """Adds the answers for a batch to those of the tile."""
        from rsviewer.inference.answers import checked

        for output in self._outputs:
            values = checked(self._card, output, answers, batch).to(batch.device)
            for one, value in zip(passes, values, strict=True):
                if output.kind is OutputKind.SCENE:
                    part = value * share
                    scene[one.number] = scene[one.number] + part if one.number in scene else part
                else:
                    dense[output.kind][1].add(one.number, one.symmetry.undo(value), share)

    def _read_heights(
        self, output: ModelOutput, mosaic: "Mosaic", cut: "Plan", fitted: Fitted, found: "_Found"
    ) -> None:
        height = np.array(mosaic.tile()[0].cpu().numpy(), np.float32)
        if output.scale != 1.0:
            height *= output.scale
        if output.offset:
            height += output.offset
        known = np.isfinite(height)
        if not known.all():
            found.remarks.append(self._not_numbers("height", known))
        found.rasters[HEIGHT] = _raster(height, np.float32(np.nan), known, cut, fitted)

    def _read_labels(self, output: ModelOutput, mosaic: "Mosaic", cut: "Plan", fitted: Fitted, found: "_Found") -> None:
        from rsviewer.inference.answers import label_values, winners

        values = label_values(output.classes)
        place, probability, known = winners(mosaic.tile(), output)
        if not known.all():
            found.remarks.append(self._not_numbers("class scores", known))
        found.rasters[LABELS] = _raster(values[place], values.dtype.type(0), known, cut, fitted)
        if output.scores is not Scores.INDEX:
            found.rasters[CONFIDENCE] = _raster(probability, np.float32(np.nan), known, cut, fitted)

    def _read_scene(self, scene: "Mapping[int, torch.Tensor]", found: "_Found") -> None:
        import torch

        from rsviewer.inference.answers import scene_scores

        output = self._card.output(OutputKind.SCENE)
        if output is None:
            return
        found.scores = scene_scores(torch.stack(list(scene.values())), output)
        if output.scores is Scores.INDEX:
            found.remarks.append(
                f"{self._title} names a class without saying how sure it is: the shares are those of its votes."
            )

    def _not_numbers(self, what: str, known: NDArray[np.bool_]) -> str:
        count = known.size - int(np.count_nonzero(known))
        narrow = Precision.FLOAT16.value in str(self._dtype)
        hint = (
            " float16 may be too narrow for it: try bfloat16 or float32."
            if narrow and "bfloat16" not in str(self._dtype)
            else ""
        )
        return f"The predicted {what} of {count:,} pixels are not finite numbers; these pixels are invalid.{hint}"

    def _bare_seconds(self, fitted: Fitted, repeats: int) -> float:
        batches = [batch for _, batch in self._batches(self._prepare(fitted))]
        for batch in batches:  # what is only done once does not count
            self._forward(batch)
        return min(sum(self._forward(batch)[1] for batch in batches) for _ in range(max(repeats, 1)))


@dataclass(frozen=True, slots=True)
class _Pass:
    """A window by its number, and how it is laid down."""

    number: int
    symmetry: "Symmetry"


@dataclass(frozen=True, slots=True)
class _Job:
    """A tile as it is cut: the normalised pixels that windows are taken from, on the device."""

    cut: "Plan"
    canvas: "torch.Tensor"
    symmetries: "tuple[Symmetry, ...]"
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """What becomes a prediction."""

    rasters: dict[LayerId, Raster] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()
    forward_seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)


def _import_torch() -> None:
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise ModelError(f"Models need the package {error.name}, which is not installed. {INSTALL}") from error
    except (ImportError, OSError) as error:
        raise ModelError(f"torch is installed but cannot be loaded: {error}. Install it anew.") from error


def _raster(values: NDArray[Any], outside: np.generic, known: NDArray[np.bool_], cut: "Plan", fitted: Fitted) -> Raster:
    """A raster on the grid of the tile, of (h, w) values for the part that was predicted."""
    valid = fitted.valid
    if values.shape == valid.shape:
        valid = valid & known
    else:
        rows = slice(cut.rows.first, cut.rows.first + cut.rows.length)
        columns = slice(cut.columns.first, cut.columns.first + cut.columns.length)
        part, values = values, np.full(valid.shape, outside, values.dtype)
        values[rows, columns] = part
        inside = np.zeros(valid.shape, bool)
        inside[rows, columns] = known
        valid = valid & inside
    return Raster(
        pixels=values[None],
        valid=valid[None],
        transform=fitted.transform,
        crs=fitted.crs,
        gsd=fitted.gsd,
        cell=fitted.cell,
        full_size=fitted.full_size,
    )

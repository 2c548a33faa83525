"""A network at work on a device: all windows of a tile at once, or less where there is no room, or on the processor."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.modules.module import register_module_forward_pre_hook

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.expense import SIDE, check_patience
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Framing, ModelCard, OutputKind, Precision, RunOptions, focused, with_choices
from rsviewer.inference import devices, windows
from rsviewer.inference.assembly import Assembly, Found
from rsviewer.inference.processor import thread_count
from rsviewer.inference.tiles import CutTile, Pass, cut
from rsviewer.inference.zoo.network import (
    Adjustable,
    Answers,
    Beholder,
    Chooser,
    Guest,
    Keeping,
    Network,
    Reading,
    Stepwise,
    Tell,
)

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Room:
    """What was found to fit into memory, by not fitting otherwise.

    Attributes:
        batch: windows at once.
        window: longest side of a window in pixels; 0: as the framing says.
        on_trial: nothing was predicted with windows of that size yet.
        proven: the window before it was on trial.
        remarks: how it came to that, for the tile where it was found out.
    """

    batch: int
    window: int = 0
    on_trial: bool = False
    proven: int = 0
    remarks: list[str] = field(default_factory=list)

    def try_window(self, window: int) -> None:
        """Takes windows of a size that may be refused, or have no room either."""
        if not self.on_trial:
            self.proven = self.window
        self.window, self.on_trial = window, True

    def end_trial(self, *, worked: bool) -> None:
        """Stays with the size that was tried, or goes back to the one before."""
        if self.on_trial and not worked:
            self.window = self.proven
        self.on_trial = False


class Running:
    """A network that was loaded. For one thread at a time.

    Args:
        network: what runs.
        device: where it was told to be.
        card: of the model.
        options: how it is run.
        check: raises RsviewerError where it is to stop, whoever wants that and on whatever thread.
        remark: why not where the user wants it, a sentence that every prediction says; else empty.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        card: ModelCard,
        options: RunOptions,
        *,
        check: Callable[[], None],
        remark: str = "",
    ) -> None:
        self.network = network
        self._card = card
        self._options = options
        self._check = check
        if isinstance(network, Guest) and network.device != device:
            device, remark = network.device, network.remark
        self._lasting = {"device": remark} if remark else {}
        self._shrinks = card.output(OutputKind.SCENE) is None  # half a tile does not tell the class of the whole one
        self._tried_window = self._tried_at_once = 0
        self._size = SIDE, SIDE
        self._settle(device)

    @property
    def device(self) -> torch.device:
        """Where it runs now."""
        return self._device

    def attend(self, tile: str, tell: Tell) -> None:
        """Says to a network of many steps which tile comes next, and who is told of them. Each of them may be the last."""

        def step(done: int, total: int) -> None:
            self._check()
            tell(done, total)

        if isinstance(self.network, Stepwise):
            self.network.attend(tile, step)

    def go_on(self, options: RunOptions) -> None:
        """Runs it in another way from now on, on the same device. Raises ModelError."""
        if isinstance(self.network, Adjustable):
            self.network.adjust(with_choices(self._card, options))
        before, self._options = self._options, options
        if before.precision != options.precision:
            self._forget()
        if (before.batch, before.framing, before.precision) != (options.batch, options.framing, options.precision):
            self._settle(self._device)

    def predict(self, fitted: Fitted) -> Found:
        """What the network says of a tile, and what had to be done for that.

        Raises:
            ModelError: the tile does not fit the model, or it cannot be run, in a sentence.
        """
        self._size = fitted.shape
        self._room.remarks.clear()
        found = self._within_memory(lambda: self._predict(fitted))
        found.remarks = [*self._lasting.values(), *self._room.remarks, *found.remarks]
        return found

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The features of texts, (texts, n). Raises ModelError where the network cannot read, or as `predict` does."""
        network = self.network
        if not isinstance(network, Reading):
            raise ModelError(f"{self._card.title} cannot read: take a model that is asked in words.")
        self._tried_window = self._tried_at_once = 0
        return self._within_memory(lambda: self._timed(lambda: network.read(texts), "these words")[0])

    def bare_seconds(self, fitted: Fitted, repeats: int) -> float:
        """Seconds of the fastest of some forward passes over the windows of a tile, without what stands around them."""
        return self._within_memory(lambda: self._bare_seconds(fitted, repeats))

    def _predict(self, fitted: Fitted) -> Found:
        if isinstance(self.network, Beholder):
            return self._look(self.network, fitted)
        card = self._asked(fitted)
        tile = self._cut(fitted, card)
        assembly = Assembly(card, tile)
        seconds = 0.0
        for passes, batch in self._batches(tile):
            answers, took = self._forward(batch)
            seconds += took
            assembly.add(passes, batch, answers)
            del answers  # there may be no room for them beside the next ones
        found = assembly.found(fitted, self._dtype)
        found.forward_seconds = seconds
        found.remarks = [*tile.remarks, *self._on_size(tile, fitted), *found.remarks]
        return found

    def _look(self, network: Beholder, fitted: Fitted) -> Found:
        self._tried_window = self._tried_at_once = 0
        found, seconds = self._timed(lambda: network.look(fitted), "this tile")
        found.forward_seconds = seconds
        return found

    def _bare_seconds(self, fitted: Fitted, repeats: int) -> float:
        if isinstance(self.network, Beholder):
            network = self.network
            self._look(network, fitted)
            return min(self._look(network, fitted).forward_seconds for _ in range(max(repeats, 1)))
        batches = [batch for _, batch in self._batches(self._cut(fitted, self._asked(fitted)))]
        for batch in batches:  # what is only done once does not count
            self._forward(batch)
        times = []
        for _ in range(max(repeats, 1)):
            self._forget()
            times.append(sum(self._forward(batch)[1] for batch in batches))
        return min(times)

    def _asked(self, fitted: Fitted) -> ModelCard:
        """The card with the outputs that are asked for, which the network then knows as well."""
        card = focused(self._card, fitted.output)
        if isinstance(self.network, Chooser):
            self.network.ask([output.name for output in card.outputs])
        return card

    def _forget(self) -> None:
        """What the network has kept of earlier windows or words."""
        if isinstance(self.network, Keeping):
            self.network.forget()

    def _cut(self, fitted: Fitted, card: ModelCard) -> CutTile:
        plan = self._plan(fitted, self._framing)
        self._tried_window, self._tried_at_once = max(plan.size), 0
        return cut(fitted, card, plan, self._options.augmentation, self._device)

    def _batches(self, tile: CutTile) -> Iterator[tuple[Sequence[Pass], torch.Tensor]]:
        for passes in tile.batches(self._room.batch):
            self._tried_at_once = len(passes)
            yield passes, tile.windows(passes)

    def _forward(self, batch: torch.Tensor) -> tuple[Answers, float]:
        """The network's answers, and the seconds that they took."""
        shape = " x ".join(str(side) for side in batch.shape)
        return self._timed(lambda: self.network.forward(batch), f"windows of {shape} numbers")

    def _timed(self, work: Callable[[], _Result], what: str) -> tuple[_Result, float]:
        """What the network says, and the seconds that it took. Raises ModelError where it fails on `what`."""
        self._check()
        start = devices.now(self._device)
        try:
            with devices.autocast(self._device, self._dtype), self._heeding():
                said = work()
        except (ModelError, StoppedError):
            raise
        except Exception as error:
            if devices.is_out_of_memory(error):
                raise
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(f"{self._card.title} fails on {what}: {why}") from error
        return said, devices.now(self._device) - start

    @contextlib.contextmanager
    def _heeding(self) -> Iterator[None]:
        """On a processor, where a single pass may take seconds, a network is asked before each of its layers whether to go on.

        Costs 1.4 µs a layer. A GPU is told of its layers in advance: there it is asked between windows and steps alone.
        """
        if self._device.type != "cpu":
            yield
            return
        asked = register_module_forward_pre_hook(lambda *_: self._check())
        try:
            yield
        finally:
            asked.remove()

    # Lack of memory

    def _settle(self, device: torch.device) -> None:
        """Takes up work on a device, with nothing known yet of what fits there."""
        self._device = device
        if not isinstance(self.network, Guest):
            self._dtype, remark = devices.autocast_type(self._options.precision, device)
        elif self._options.precision is Precision.FLOAT32:
            self._dtype, remark = None, ""
        else:
            self._dtype, remark = None, f"{self._card.title} computes in the precision of its file, whatever is chosen."
        self._room = self._all_room()
        self._lasting.pop("precision", None)
        if remark:
            self._lasting["precision"] = remark

    def _all_room(self) -> _Room:
        return _Room(batch=self._options.batch or devices.BATCHES[self._device.type])

    def _within_memory(self, work: Callable[[], _Result]) -> _Result:
        """Does some work, and again with less at once for as long as there is no room for it."""
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            devices.set_threads(self._options.threads)
            devices.set_exactness(self._options.precision)
            while True:
                try:
                    result = work()
                except Exception as error:
                    self._check()
                    if not devices.is_out_of_memory(error):
                        if not (isinstance(error, ModelError) and self._room.on_trial):
                            raise
                        self._shrinks = False  # it takes windows of one size only, and its card does not say so
                        self._room.end_trial(worked=False)
                    failure = devices.without_frames(error)
                else:
                    self._room.end_trial(worked=True)
                    return result
                log.info("No room for %s on %s: %s", self._card.title, self._device, failure)
                self._retreat(failure)

    def _retreat(self, failure: Exception) -> None:
        """Fewer windows at once, then smaller ones, then the processor.

        Raises:
            ModelError: there is nothing left to try.
        """
        device, room = self._device, self._room
        self._forget()
        devices.release(device)
        if room.batch > 1 and self._tried_at_once > 1:
            room.batch = 1
            room.remarks.append(
                f"There was no room on {device} for {self._tried_at_once} windows at once: predicted one by one."
            )
            return
        smaller = windows.halved(self._framing, self._tried_window) if self._shrinks else None
        if smaller is not None:
            room.try_window(smaller.window)
            return
        if device.type == "cpu":
            self._room = self._all_room()  # other programs may leave some to the next tile
            raise ModelError(
                f"There is not enough memory for {self._card.title}, even for its smallest windows. "
                "Close other programs, or take a smaller model."
            ) from failure
        processor = devices.choose("cpu")
        try:
            check_patience(self._card, self._options, self._size, thread_count(self._options.threads))
        except ModelError as error:
            raise ModelError(f"There is no room on {device}. {error}") from failure
        try:
            self.network.move(processor)
        except (RuntimeError, MemoryError, ModelError) as error:
            if isinstance(error, ModelError) and not devices.is_out_of_memory(error):
                raise
            raise ModelError(f"There is no room for {self._card.title}, neither on {device} nor beside it.") from error
        self._settle(processor)
        self._lasting["device"] = f"There was no room on {device}: predicted on the processor."

    @property
    def _framing(self) -> Framing:
        """As chosen, with windows no larger than there is room for."""
        return windows.limited(self._wanted, self._room.window) if self._room.window else self._wanted

    @property
    def _wanted(self) -> Framing:
        """As chosen."""
        return self._card.framing(self._options.framing)

    def _on_size(self, tile: CutTile, fitted: Fitted) -> Sequence[str]:
        """A sentence where windows are smaller than those that were asked for."""
        if tile.plan == self._plan(fitted, self._wanted):
            return ()
        size = max(tile.plan.size)
        return (f"There was no room on {self._device} for larger windows: predicted in windows of {size} pixels.",)

    @staticmethod
    def _plan(fitted: Fitted, framing: Framing) -> windows.Plan:
        return windows.plan(*fitted.shape, framing)

"""Real processes and threads, and a user who does not wait: what is on the screen is what was asked for last, of this tile."""

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import psutil
import pytest

from rsviewer.core.model import ModelOption, RunOptions
from rsviewer.core.prediction import HEIGHT
from rsviewer.inference.remote import RemoteEngine
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeShelf

ACTIONS = 200
SECONDS = 60.0
STEPS = (2, 10, 60)
STUB = '''
"""Takes so many steps for a tile, and says by its heights which model it is, what it was asked for, and of which tile."""
import threading, time
import numpy as np
from rsviewer.core.errors import StoppedError
from rsviewer.core.prediction import HEIGHT, Prediction
from rsviewer.core.tile import Raster
from rsviewer.inference.child import main

class Stub:
    device = ""
    def __init__(self, card, weights, options):
        self.card, self.options, self.stopped = card, options, threading.Event()
    def load(self, size):
        time.sleep(0.02)
        self.device = "cpu"
    def close(self):
        pass
    def tell_steps(self, tell):
        self.tell = tell
    def stop(self):
        self.stopped.set()
    def go_on(self, options):
        self.stopped.clear()
        self.options = options
    def predict(self, tile, fitted, *, model=""):
        steps = self.options.choices.get("steps", 3)
        for done in range(steps):
            if self.stopped.wait(0.002):
                raise StoppedError("Stopped.")
            self.tell(done, steps)
        heights = np.full((1, *fitted.valid.shape), 1000 * len(self.card.id) + 10 * steps + int(tile[-1]), np.float32)
        raster = Raster(heights, fitted.valid[None], fitted.transform, fitted.crs, fitted.gsd)
        return Prediction(tile, model, {HEIGHT: raster}, seconds=0.01, device="cpu")

main(Stub)
'''


class Hurried:
    """The program as it runs, with what its threads post done here, and a model that is written in STUB."""

    def __init__(self, root: Path, stub: Path) -> None:
        stub.write_text(STUB, encoding="utf-8")
        path = str(Path(__file__).resolve().parents[2])
        start = f"import sys, runpy; sys.path.insert(0, {path!r}); runpy.run_path({str(stub)!r})"
        shelf = FakeShelf()
        for name in ("both", "other"):
            options = (ModelOption("steps", "Steps", 3, 1, 200),)
            shelf.cards[name] = replace(shelf.cards[name], options=options, outputs=shelf.cards[name].outputs[:1])
        found = open_path(root)
        found.shelf = shelf  # type: ignore[assignment]  # a fake
        found.engines = partial(RemoteEngine, command=(sys.executable, "-c", start))
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.workspace = Workspace(found, self._posted.put, threads=2, cache_bytes=10**8, reviewer="ann")
        self.workspace.start()

    def go_on(self, seconds: float) -> None:
        """Does what was posted, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._posted.get(timeout=left)()
            except Empty:
                return

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < end, self.workspace.predicting.state
            self.go_on(0.01)


@pytest.fixture
def hurried(tiny_dataset: Path, tmp_path: Path) -> Iterator[Hurried]:
    made = Hurried(tiny_dataset, tmp_path / "stub.py")
    yield made
    made.workspace.close()


def processes() -> list[psutil.Process]:
    return psutil.Process().children()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_done_in_between_the_last_wish_is_answered(hurried: Hurried, seed: int) -> None:
    workspace, chance, before = hurried.workspace, random.Random(seed), processes()
    predicting = workspace.predicting
    hurried.wait(lambda: bool(predicting.state.models))
    predicting.choose("both")

    def other_options() -> None:
        predicting.set_options(RunOptions("cpu", choices={"steps": chance.choice(STEPS)}))

    acts: tuple[tuple[Callable[[], object], int], ...] = (
        (predicting.predict, 30),
        (predicting.stop, 15),
        (other_options, 15),
        (lambda: workspace.go(chance.choice((-1, 1, 2))), 25),
        (predicting.toggle_live, 6),
        (lambda: predicting.choose(chance.choice(("both", "other"))), 2),
        (predicting.forget, 3),
    )
    for _ in range(ACTIONS):
        chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        hurried.go_on(0.03 * chance.random() ** 3)
    if predicting.is_live:
        predicting.toggle_live()
    predicting.stop()
    hurried.wait(lambda: predicting.plan is not None)
    predicting.forget()
    other_options()
    predicting.predict()
    hurried.wait(lambda: predicting.state.stage in (Stage.DONE, Stage.FAILED))

    state, plan, tile = predicting.state, predicting.plan, workspace.tile
    assert not state.message
    assert plan is not None
    assert tile is not None
    assert state.judgement is not None
    assert state.judgement.prediction is not None
    assert (state.judgement.prediction.tile, state.judgement.prediction.model) == (tile, plan.fingerprint)
    said = 1000 * len(plan.card.id) + 10 * state.options.choices["steps"] + int(tile[-1])
    assert set(np.unique(state.judgement.prediction.rasters[HEIGHT].pixels)) == {said}

    hurried.wait(lambda: len(processes()) <= len(before) + 1)
    (process,) = set(processes()) - set(before)
    assert process.status() != psutil.STATUS_ZOMBIE

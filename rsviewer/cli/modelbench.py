"""What `rsviewer bench --model` measures: seconds for a tile, beside the bare forward pass, and what the window feels of it."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rsviewer.batch.predicting import fit_tile
from rsviewer.core.errors import ModelError
from rsviewer.core.judging import Judgement
from rsviewer.core.model import RunOptions, chosen
from rsviewer.data.detect import open_dataset
from rsviewer.data.models import Shelf
from rsviewer.data.settings import ModelChoice
from rsviewer.inference.engine import Engine
from rsviewer.ui.window import Window
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.plans import plan_for
from rsviewer.workspace.workspace import Workspace

ALONE = 3
"""The best of so many tiles."""
TILES = 8
"""Predicted one after the other, after the first, for which the model is loaded."""
SLOWLY = RunOptions(slow=True, choices={"steps": 2})
"""How a model is run that takes minutes for a tile: with fewer steps, on one tile after the first, and once where others are
run several times."""

Wait = Callable[[Callable[[], bool]], None]
"""Runs the event loop until something is true."""
Heartbeat = Callable[[], AbstractContextManager[list[float]]]
"""Gaps of the event loop, in milliseconds."""
Alone = Callable[[], dict[str, float]]
"""`measure_alone` in a process of its own."""


def measure_model(
    window: Window, model: str, wait: Wait, heartbeat: Heartbeat, alone: Alone, *, slow: bool = False
) -> dict[str, Any]:
    """Presses I on some tiles of the window, then runs the same model without one.

    Args:
        window: with an open dataset.
        model: as after `--model`.
        wait: see Wait.
        heartbeat: see Heartbeat.
        alone: see Alone.
        slow: a model that takes minutes for a tile without a GPU is run, see SLOWLY.

    Returns:
        `name`, `device`, `tiles`; `options` of the model's own, where it has any; `first_s`: from I to the first answer on the
        screen, loading included; `s_per_tile`: from pixels to answer, in the model's process; `shown_s_per_tile`: from I to the
        answer on the screen; `forward_s_per_tile`: of the former, in the network; `longest_gap_ms`, `p99_gap_ms` of the event
        loop while the model was loaded and ran. Then, without a window: `bare_s_per_tile`: the bare forward pass over the same
        windows and nothing else; `alone_s_per_tile`: from pixels to answer; `overhead`: what that takes more, as a share of the
        bare pass (`overhead_in_window`: what `s_per_tile` takes more); `peak_mb`: memory.

    Raises:
        ModelError: there is no such model, or it cannot predict these tiles.
    """
    workspace = window.workspace
    if workspace is None:
        raise ModelError("There is no dataset to predict.")
    predicting = workspace.predicting
    predicting.set_options(SLOWLY if slow else RunOptions())
    predicting.choose(model)
    wait(lambda: not workspace.jobs.running)
    plan = predicting.plan
    if plan is None:
        raise ModelError(predicting.state.message or f"{model} cannot be used here.")
    workspace.go_to(0)
    shown: list[float] = []
    judged: list[Judgement] = []
    with heartbeat() as gaps:
        for _ in range(min(2 if slow else TILES + 1, len(workspace.queue))):
            wait(lambda: window.on_screen)
            began = time.perf_counter()
            predicting.predict()
            wait(lambda: _is_seen(workspace))
            shown.append(time.perf_counter() - began)
            judgement = predicting.state.judgement
            if judgement is None or judgement.prediction is None:
                raise ModelError(predicting.state.message or "The model gave no answer.")
            judged.append(judgement)
            workspace.go(1)
    answers = [each.prediction for each in judged[1:] or judged if each.prediction is not None]
    seconds = statistics.median(answer.seconds for answer in answers)
    ordered = sorted(gaps)
    result = {
        "name": plan.card.id,
        "device": answers[-1].device,
        "tiles": len(judged),
        **({"options": chosen(plan.card, plan.options)} if plan.card.options else {}),
        "first_s": shown[0],
        "s_per_tile": seconds,
        "shown_s_per_tile": statistics.median(shown[1:] or shown),
        "forward_s_per_tile": statistics.median(answer.forward_seconds for answer in answers),
        "longest_gap_ms": ordered[-1] if ordered else 0.0,
        "p99_gap_ms": ordered[int(0.99 * (len(ordered) - 1))] if ordered else 0.0,
    }
    predicting.choose("")
    by_itself = alone()
    bare = by_itself["bare_s_per_tile"]
    return {**result, **by_itself, "overhead_in_window": (seconds - bare) / bare}


def measure_alone(root: Path, model: str, *, slow: bool = False) -> dict[str, float]:
    """The same model without a window, over the windows of the first tile that has what it takes. For a process of its own.

    Args:
        root: of the dataset.
        model: id or card file.
        slow: see `measure_model`.

    Raises:
        ModelError: no tile can be predicted.
    """
    shelf = Shelf()
    shelved = shelf.find(model)
    dataset, adapter = open_dataset(root)
    if shelved.card is None:
        raise ModelError(shelved.message)
    sha256 = shelf.sha256(shelved)
    if shelf.needs_consent(shelved, sha256):
        raise ModelError(f"{shelved.weights} can hold programs: allow it before, with rsviewer predict --trust.")
    plan = plan_for(dataset, shelved, shelved.card, sha256, ModelChoice(options=SLOWLY if slow else RunOptions()), None)
    takes = [spec.id for spec in plan.inputs]
    entry = next((entry for entry in adapter.scan(dataset) if all(layer in entry.files for layer in takes)), None)
    if entry is None:
        raise ModelError(f"No tile of {dataset.title} has what {model} takes.")
    fitted = fit_tile(plan.card, entry, plan.inputs, dataset)
    with Engine(plan.card, plan.weights, plan.options) as engine:
        engine.predict(entry.id, fitted)
        bare = engine.bare_seconds(fitted, 1) if slow else engine.bare_seconds(fitted)
        best = min(engine.predict(entry.id, fitted).seconds for _ in range(1 if slow else ALONE))
        peak = engine.peak_bytes
    return {
        "load_s": engine.load_seconds,
        "bare_s_per_tile": bare,
        "alone_s_per_tile": best,
        "overhead": (best - bare) / bare,
        "peak_mb": peak / 1e6,
    }


def _is_seen(workspace: Workspace) -> bool:
    stage = workspace.predicting.state.stage
    return stage is Stage.FAILED or (stage is Stage.DONE and workspace.scene().complete)

"""Whatever the user does while models load, run, fail and answer late: no answer is ever shown that is not the one asked for.

The answers of the engine here say what they were made from: tile, pixels, card, weights and options are written into them. So
every pane, the readout, the surface in 3D and every score can be asked whose it is.
"""

import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray
from rasterio import Affine

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Augmentation, ModelCard, Precision, RunOptions
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, PREDICTED_LAYERS, RIGHT
from rsviewer.core.prediction import Prediction as Answer
from rsviewer.core.review import Verdict
from rsviewer.core.scene import Pane, PaneState
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.models import ShelvedModel
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeShelf, JobsLater, Lab

SIZE = 8
TILES = ("1", "2", "3", "4")
IMAGE, PRE_IMAGE, NDSM, DEM = LayerId("image"), LayerId("pre_image"), LayerId("ndsm"), LayerId("dem")
FIRST_BAND = {IMAGE: 100, PRE_IMAGE: 50}
TRUTH = {NDSM: 300.0, DEM: 600.0}
MODELS = ("both", "other", "third", "absent", "program", "nonsense", "")
WEIGHTS = {"both": 1, "other": 1, "third": 3, "program": 4}
"""Two models have the same file: only their cards tell them apart."""
OPTIONS = (
    RunOptions(),
    RunOptions(device="cpu", threads=2),
    RunOptions(precision=Precision.BFLOAT16),
    RunOptions(augmentation=Augmentation.FLIPS),
)
TROUBLE = "The file of both is cut short: fetch it again."
FILTERS = ("", "name != '2'", "verdict = 'drop'", "both_mae > 0", "name = 'nowhere'")


def kind_of(options: RunOptions) -> int:
    """Which of the options make another answer: 1, 1, 2 and 3."""
    return {Precision.BFLOAT16: 2}.get(options.precision, 3 if options.augmentation is Augmentation.FLIPS else 1)


def written(tile: int, band: float, card: str, weights: int, options: RunOptions) -> NDArray[np.float32]:
    """(SIZE, SIZE) heights that say what they were made from, a row each."""
    heights = np.zeros((SIZE, SIZE), np.float32)
    heights[:5] = np.array([tile, band, MODELS.index(card) + 1, weights, kind_of(options)])[:, None]
    return heights


def label_of(heights: NDArray[np.float32]) -> int:
    return 5 if int(heights[:, 0].sum()) % 2 else 8


class Shelf(FakeShelf):
    def __init__(self) -> None:
        super().__init__()
        self.cards["third"] = replace(self.cards["both"], id="third", title="Third")

    def find(self, model: str) -> ShelvedModel:
        found = super().find(model)
        return replace(found, weights=Path(f"/nowhere/{WEIGHTS.get(model, 0)}"))

    def sha256(self, shelved: ShelvedModel) -> str:
        return f"hash of {shelved.weights}"


class Telling:
    """An engine that writes into its answer what it was made from."""

    def __init__(self, lab: Lab, card: ModelCard, weights: Path, options: RunOptions) -> None:
        self.lab, self.card, self.weights, self.options = lab, card, weights, options
        self.device = ""
        self.closed = False

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Answer:
        meanwhile, self.lab.meanwhile = self.lab.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if self.closed:
            raise ModelError("The model was closed.")
        self.device = "cpu"
        if self.lab.trouble:
            raise ModelError(self.lab.trouble)
        heights = written(int(tile), float(fitted.pixels[0, 0, 0]), self.card.id, int(self.weights.name), self.options)[
            None
        ]
        edition = np.full((1, SIZE, SIZE), fitted.pixels[1, 0, 0] / 100, np.float32)
        everywhere = np.broadcast_to(fitted.valid, (1, SIZE, SIZE))
        kind: dict[str, Any] = {"transform": fitted.transform, "crs": fitted.crs, "gsd": fitted.gsd}
        rasters = {
            HEIGHT: Raster(heights, everywhere, **kind),
            LABELS: Raster(np.full((1, SIZE, SIZE), label_of(heights[0]), np.uint8), everywhere, **kind),
            CONFIDENCE: Raster(edition, everywhere, **kind),
        }
        return Answer(self.lab.answers_for or tile, model, rasters, seconds=0.25, device="cpu")

    def close(self) -> None:
        self.closed = True


class TellingLab(Lab):
    def __call__(self, card: ModelCard, weights: Path, options: RunOptions) -> Telling:  # type: ignore[override]
        return Telling(self, card, weights, options)


def write_tiles(root: Path, edition: int) -> None:
    """Tiles whose pixels tell layer, tile and edition."""
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": SIZE,
        "height": SIZE,
        "crs": "EPSG:32654",
        "transform": Affine(0.5, 0, 4e5, 0, -0.5, 4e6),
    }
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    for tile in map(int, TILES):
        edge = np.full((SIZE, SIZE), edition)
        layers = {
            "pre_opt": np.stack([np.full_like(row, FIRST_BAND[PRE_IMAGE] + tile), edge, column]).astype(np.uint8),
            "opt": np.stack([np.full_like(row, FIRST_BAND[IMAGE] + tile), edge, row]).astype(np.uint8),
            "gt_nDSM": np.full((1, SIZE, SIZE), TRUTH[NDSM] + tile, np.float32),
            "DEM": np.full((1, SIZE, SIZE), TRUTH[DEM] + tile, np.float32),
            "gt_ss_mask": np.where(column < SIZE // 2, 5, 8).astype(np.uint8)[None],
        }
        for folder, pixels in layers.items():
            path = root / folder / f"{tile}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, "w", count=len(pixels), dtype=pixels.dtype, **profile) as target:
                target.write(pixels)


def _acts() -> dict[str, Callable[["AnyOrder"], object]]:
    """Everything that the user or the world does, by name."""
    acts: dict[str, Callable[[AnyOrder], object]] = {
        "press I": lambda machine: machine.workspace.predicting.predict(),
        "press Shift+I": lambda machine: machine.workspace.predicting.toggle_live(),
        "stop": lambda machine: machine.workspace.predicting.stop(),
        "allow": lambda machine: machine.workspace.predicting.allow(),
        "look at the shelf": lambda machine: machine.workspace.predicting.refresh_models(),
        "drop": lambda machine: machine.workspace.set_verdict(Verdict.DROP),
        "undo": lambda machine: machine.workspace.undo(),
        "redo": lambda machine: machine.workspace.redo(),
        "cycle the overlay": lambda machine: machine.workspace.cycle_overlay(),
        "lock the heights": lambda machine: machine.workspace.toggle_lock(),
        "reload": lambda machine: machine.reload(),
        "come again": lambda machine: machine.come_again(),
    }
    for step in (-2, -1, 1, 2):
        acts[f"go {step}"] = lambda machine, step=step: machine.workspace.go(step)
    for model in MODELS:
        acts[f"choose {model}"] = lambda machine, model=model: machine.workspace.predicting.choose(model)
    for number, options in enumerate(OPTIONS):
        acts[f"options {number}"] = lambda machine, options=options: machine.workspace.predicting.set_options(options)
    for layer in FIRST_BAND:
        acts[f"input {layer}"] = lambda machine, layer=layer: machine.workspace.predicting.set_input(0, layer)
    for reference in (NDSM, DEM, None):
        acts[f"reference {reference}"] = lambda machine, layer=reference: machine.workspace.predicting.set_reference(
            HEIGHT, layer
        )
    for count in (1, 2, 4):
        acts[f"stack {count}"] = lambda machine, count=count: machine.workspace.set_stack(count)
    for filter_ in FILTERS:
        acts[f"filter {filter_}"] = lambda machine, filter_=filter_: machine.choose_tiles(filter_)
    for on in (False, True):
        acts[f"kept {on}"] = lambda machine, on=on: machine.set_kept(kept=on)
        acts[f"key down {on}"] = lambda machine, on=on: machine.hold_a_key(down=on)
        acts[f"trouble {on}"] = lambda machine, on=on: setattr(machine.lab, "trouble", TROUBLE if on else "")
        acts[f"mistaken {on}"] = lambda machine, on=on: setattr(machine.lab, "answers_for", TILES[2] if on else None)
    return acts


ACTS = _acts()


class AnyOrder(RuleBasedStateMachine):
    """A user, a worker that answers late, and a GUI thread that hears of it later still."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "tiles"
        self.edition = 1
        self.lab, self.shelf = TellingLab(), Shelf()
        write_tiles(self.root, self.edition)
        self.was_kept = False
        self.open()

    def open(self) -> None:
        opened = open_path(self.root, project_directory=Path(self.folder.name) / "project")
        opened.shelf = self.shelf  # type: ignore[assignment]  # a fake
        opened.engines = self.lab
        self.posts: deque[Callable[[], None]] = deque()
        self.workspace = Workspace(
            opened, self.posts.append, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
        )
        self.jobs = self.workspace.predicting._jobs = JobsLater()  # type: ignore[assignment]  # a fake
        self.workspace.start()
        self.hear_all()

    def teardown(self) -> None:
        self.come_to_rest()
        self.workspace.close()
        self.folder.cleanup()

    # --- the user

    @initialize(live=st.booleans(), in_space=st.booleans())
    def begin(self, live: bool, in_space: bool) -> None:
        self.jobs.finish()
        self.workspace.reliefs.set_style(replace(self.workspace.reliefs.style, height=HEIGHT))
        self.workspace.reliefs.set_open(on=in_space)
        if live:
            self.workspace.predicting.toggle_live()
        self.workspace.predicting.predict()
        self.come_to_rest()
        self.workspace.looks.set_visible(CONFIDENCE, visible=True)  # which says how old the files were

    @rule(act=st.sampled_from(sorted(ACTS)))
    def the_user(self, act: str) -> None:
        ACTS[act](self)

    @rule(act=st.sampled_from(sorted(ACTS.keys() - {"come again"})))
    def while_it_predicts_the_user(self, act: str) -> None:
        self.lab.meanwhile = lambda: ACTS[act](self)
        self.workspace.predicting.step()
        self.lab.meanwhile = None

    def come_again(self) -> None:
        self.workspace.close()
        self.open()

    def set_kept(self, *, kept: bool) -> None:
        self.workspace.predicting.set_kept(kept=kept)
        self.was_kept |= kept

    def reload(self) -> None:
        self.edition += 1
        write_tiles(self.root, self.edition)
        self.workspace.reload()

    def choose_tiles(self, filter_: str) -> None:
        known = {column.name for column in self.workspace.index.columns()}
        if "both_mae" not in filter_ or "both_mae" in known:
            self.workspace.finding.choose(filter_, "")

    def hold_a_key(self, *, down: bool) -> None:
        self.workspace.hurried = down

    # --- the world

    @rule(
        order=st.lists(
            st.sampled_from(("read", "read", "predict", "space", "hear", "hear", "job")), min_size=4, max_size=12
        )
    )
    def let_things_happen(self, order: list[str]) -> None:
        acts: dict[str, Callable[[], object]] = {
            "read": self.workspace._pictures.step,
            "predict": self.workspace.predicting.step,
            "space": self.workspace.reliefs.step,
            "hear": lambda: self.posts.popleft()() if self.posts else None,
            "job": self.jobs.finish_one,
        }
        for name in order:
            acts[name]()

    def hear_all(self) -> None:
        while self.posts:
            self.posts.popleft()()

    @precondition(lambda self: not self.workspace.hurried)
    @rule()
    def come_to_rest(self) -> None:
        """Everything under way ends, and nothing waits for ever."""
        for _ in range(1000):
            self.hear_all()
            self.jobs.finish()
            if not (self.workspace.step() or self.posts):
                break
        else:
            pytest.fail("it never ends")
        self.nothing_is_shown_that_was_not_asked_for()
        self.check_space()
        predicting = self.workspace.predicting
        assert not self.workspace.predicting.is_busy or self.workspace.hurried, predicting.state
        for pane in self.workspace.scene().panes:
            if pane.layer in (HEIGHT, LABELS) and pane.content is None:
                assert predicting.stage(pane.tile) in (Stage.NONE, Stage.FAILED) or self.workspace.hurried

    # --- the promise

    @invariant()
    def nothing_is_shown_that_was_not_asked_for(self) -> None:
        workspace = self.workspace
        scene, state = workspace.scene(), workspace.predicting.state
        shown = [entry.id for entry in workspace.finding.shown()]
        assert len(scene.rows) == len(shown)
        for pane in scene.panes:
            assert pane.tile == shown[pane.row]
            if pane.layer in PREDICTED_LAYERS:
                self.check_pane(pane)
        assert workspace.status().tile == workspace.tile
        self.check_readout()
        self.check_space()
        if state.judgement is not None:
            self.check_scores()

    def expected(self, tile: TileId) -> NDArray[np.float32]:
        """The heights that the chosen model must give a tile, by what the panel says is chosen."""
        state = self.workspace.predicting.state
        assert state.model is not None, "no model, no answer"
        chosen = self.workspace.session.model
        layer = next(iter(chosen.inputs), IMAGE)
        band = FIRST_BAND[layer] + int(tile)
        return written(int(tile), band, state.model.id, WEIGHTS[state.model.id], state.options)

    def check_pane(self, pane: Pane) -> None:
        if pane.content is None:
            assert pane.picture is None
            assert pane.state in (PaneState.AWAITED, PaneState.LOADING)
            return
        assert isinstance(pane.content, Raster)
        heights = self.expected(pane.tile)
        found = pane.content.pixels[0]
        label = label_of(heights)
        if pane.layer == HEIGHT:
            np.testing.assert_array_equal(found, heights)
        elif pane.layer == HEIGHT_ERROR:
            np.testing.assert_allclose(found, heights - self.truth(pane.tile))
        elif pane.layer == LABELS:
            assert set(np.unique(found)) == {label}
        elif pane.layer == LABELS_ERROR:
            right = np.arange(SIZE) < SIZE // 2 if label == 5 else np.arange(SIZE) >= SIZE // 2
            np.testing.assert_array_equal(found[0], np.where(right, RIGHT, label))
        elif not self.was_kept:
            assert round(float(found[0, 0]) * 100) == self.edition
        entry = next(entry for entry in self.workspace.finding.shown() if entry.id == pane.tile)
        wish = next(wish for wish in self.workspace._wishes.of(entry) if wish.content.layer == pane.layer)
        if pane.picture is not None:
            again = self.workspace._pictures._picture(pane.content, wish)
            np.testing.assert_array_equal(pane.picture.painted.pixels, again.pixels)

    def truth(self, tile: TileId) -> float:
        layer = self.workspace.session.model.references.get(HEIGHT, NDSM)
        assert layer, "compared with nothing"
        return TRUTH[layer] + int(tile)

    def check_readout(self) -> None:
        workspace, tile = self.workspace, self.workspace.tile
        if tile is None or workspace.frame is None:
            return
        for row in range(5):
            workspace.viewing.set_cursor((0, row))
            readout = workspace.readout()
            assert readout.tile == tile
            for reading in readout.readings:
                if reading.layer == HEIGHT:
                    assert reading.text == f"{self.expected(tile)[row, 0]:.2f} m"
                elif reading.layer == HEIGHT_ERROR:
                    value = float(self.expected(tile)[row, 0]) - self.truth(tile)
                    assert reading.text.replace("−", "-") == f"{value:.2f} m"

    def check_space(self) -> None:
        relief, tile = self.workspace.reliefs.relief, self.workspace.tile
        if relief is None or tile is None:
            return
        assert relief.tile == tile
        for cloud in relief.clouds:
            if cloud.layer == HEIGHT:
                np.testing.assert_allclose(cloud.height + cloud.base, self.expected(tile))

    def check_scores(self) -> None:
        judgement, tile = self.workspace.predicting.state.judgement, self.workspace.tile
        assert judgement is not None
        assert tile is not None
        assert judgement.tile == tile
        if judgement.heights is not None and judgement.heights.whole is not None:
            bias = float(self.expected(tile).mean()) - self.truth(tile)
            assert judgement.heights.whole.bias == pytest.approx(bias)
        assert judgement.labels is None or judgement.labels.accuracy == 0.5
        plan = self.workspace.predicting.plan
        if judgement.prediction is not None and plan is not None:
            assert judgement.prediction.model == plan.fingerprint


AnyOrder.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase

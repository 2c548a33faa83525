"""Whatever the user does while tiles are checked: no suspicion on the wrong tile, and none that was refuted comes back."""

import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import rasterio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rasterio import Affine

from rsviewer.batch.crew import Here, Lost
from rsviewer.core.checks import BY_ID
from rsviewer.core.review import Verdict
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

T = TypeVar("T")
R = TypeVar("R")

SIZE = 8
TILES = ("1", "2", "3", "4", "5")
CHECKS = [BY_ID[check] for check in ("unreadable", "missing_layer", "unknown_class", "layer_size")]
FILTERS = ("", "suspicion >= 0.5", "suspects = 'unknown_class'", "refuted = 'missing_layer'", "examined", "name = '9'")
SORTS = ("", "suspicion desc", "check_unknown_class desc", "name desc")


def write_tiles(root: Path) -> None:
    """One tile is sound; of the others each has another fault, and one has two."""
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": SIZE,
        "height": SIZE,
        "crs": "EPSG:32654",
        "transform": Affine(0.5, 0, 4e5, 0, -0.5, 4e6),
    }
    for tile in TILES:
        labels = np.full((1, SIZE, SIZE), 5, np.uint8)
        if tile in ("2", "3"):
            labels[0, 2:5, 2:5] = 99
        layers = {"opt": np.full((3, SIZE, SIZE), 10 * int(tile), np.uint8), "gt_ss_mask": labels}
        layers["gt_nDSM"] = np.full((1, SIZE, SIZE), 1.0, np.float32)
        for folder, pixels in layers.items():
            if (tile, folder) in (("4", "gt_ss_mask"), ("3", "gt_nDSM")):
                continue
            path = root / folder / f"{tile}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, "w", count=len(pixels), dtype=pixels.dtype, **profile) as target:
                target.write(pixels)
    broken = root / "gt_nDSM" / "5.tif"
    broken.write_bytes(broken.read_bytes()[:300])


def _acts() -> dict[str, Callable[["AnyOrder"], object]]:
    """Everything that the user does, by name."""
    acts: dict[str, Callable[[AnyOrder], object]] = {
        "press F3": lambda machine: machine.workspace.checking.suspicious_first(),
        "press Y": lambda machine: machine.workspace.confirm_suspicion(),
        "press Shift+Y": lambda machine: machine.workspace.refute_suspicion(),
        "press Shift+N": lambda machine: machine.workspace.checking.next_reason(),
        "press Shift+M": lambda machine: machine.workspace.checking.toggle_evidence(),
        "drop": lambda machine: machine.workspace.set_verdict(Verdict.DROP),
        "clear": lambda machine: machine.workspace.clear(),
        "undo": lambda machine: machine.workspace.undo(),
        "redo": lambda machine: machine.workspace.redo(),
        "reload": lambda machine: machine.workspace.reload(),
        "stop": lambda machine: machine.stop(),
        "open the gallery": lambda machine: machine.workspace.gallery.set_open(on=True),
        "close the gallery": lambda machine: machine.workspace.gallery.set_open(on=False),
    }
    for step in (-2, -1, 1, 2):
        acts[f"go {step}"] = lambda machine, step=step: machine.workspace.go(step)
    for count in (1, 2):
        acts[f"stack {count}"] = lambda machine, count=count: machine.workspace.set_stack(count)
    for filter_ in FILTERS:
        acts[f"filter {filter_}"] = lambda machine, filter_=filter_: machine.choose_tiles(filter_, None)
    for sort in SORTS:
        acts[f"sort {sort}"] = lambda machine, sort=sort: machine.choose_tiles(None, sort)
    for on in (False, True):
        acts[f"key down {on}"] = lambda machine, on=on: setattr(machine.workspace, "hurried", on)
    return acts


ACTS = _acts()


class AnyOrder(RuleBasedStateMachine):
    """A user, tiles that come in while they act, and a GUI thread that hears of it later."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "tiles"
        write_tiles(self.root)
        self.meanwhile: deque[str] = deque()
        self.open()

    def open(self) -> None:
        opened = replace(
            open_path(self.root, project_directory=Path(self.folder.name) / "project"), crew=lambda: Between(self)
        )
        self.posts: deque[Callable[[], None]] = deque()
        self.workspace = Workspace(
            opened, self.posts.append, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
        )
        self.workspace.start()
        self.hear_all()

    def teardown(self) -> None:
        self.workspace.hurried = False
        self.come_to_rest()
        self.workspace.close()
        self.folder.cleanup()

    # --- the user

    @rule(act=st.sampled_from(sorted(ACTS)))
    def the_user(self, act: str) -> None:
        ACTS[act](self)

    @rule(acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=6), again=st.booleans())
    def while_tiles_are_checked_the_user(self, acts: list[str], again: bool) -> None:
        self.meanwhile = deque(acts)
        self.workspace.checking.start(CHECKS, again=again)
        self.meanwhile.clear()

    @rule()
    def come_again(self) -> None:
        self.workspace.close()
        self.open()

    def choose_tiles(self, filter_: str | None, sort: str | None) -> None:
        finding = self.workspace.finding
        filter_ = finding.filter if filter_ is None else filter_
        sort = finding.sort if sort is None else sort
        known = {column.name for column in self.workspace.index.columns()}
        if {"suspicion", "check_unknown_class"} <= known or not (filter_ or "sus" in sort or "check" in sort):
            finding.choose(filter_, sort)

    def stop(self) -> None:
        for job in self.workspace.jobs.running:
            job.stop.set()

    # --- the world

    @rule(order=st.lists(st.sampled_from(("read", "check", "hear", "hear")), min_size=2, max_size=8))
    def let_things_happen(self, order: list[str]) -> None:
        for name in order:
            if name == "hear":
                self.hear_one()
            else:
                (self.workspace._pictures if name == "read" else self.workspace.checking).step()

    def hear_one(self) -> None:
        if self.posts:
            self.posts.popleft()()

    def hear_all(self) -> None:
        while self.posts:
            self.hear_one()

    @precondition(lambda self: not self.workspace.hurried)
    @rule()
    def come_to_rest(self) -> None:
        """Everything under way ends, and what is shown of all tiles is what is known of them."""
        for _ in range(1000):
            self.hear_all()
            if not (self.workspace.step() or self.posts):
                break
        else:
            pytest.fail("it never ends")
        self.workspace.checking.seen()
        while self.workspace.step() or self.posts:
            self.hear_all()
        self.nothing_is_shown_that_is_not_so()
        seen = self.workspace.checking.seen()
        assert seen == self.workspace.checking.suspected()
        if seen is not None and seen.suspicion is not None:
            assert (seen.suspicion, seen.reasons) == self.workspace.index.checks.of(seen.tile)
        checking, book = self.workspace.checking, self.workspace.index.checks
        if not checking.has_results:
            return
        assert checking.judged == book.counts()
        known = book.suspicions().tolist()
        shown = [checking.suspicion_of(place) for place in range(len(known))]
        assert [-1.0 if value is None else value for value in shown] == pytest.approx(
            [-1.0 if np.isnan(value) else value for value in known]
        )
        if checking.shows_evidence and self.workspace.is_ready:
            assert checking.evidence_words != "looking for it…"

    # --- what must always be so

    @invariant()
    def nothing_is_shown_that_is_not_so(self) -> None:
        workspace = self.workspace
        suspected = workspace.checking.seen()
        if suspected is not None:
            assert suspected.tile == workspace.tile
            checks = [reason.check for reason in suspected.reasons]
            assert suspected.chosen is None or suspected.chosen in checks
            for reason in suspected.reasons:
                assert reason.refuted == (reason.check in workspace.decision.refuted)
        exhibit = workspace.scene().exhibit
        if exhibit is not None:
            assert suspected is not None
            assert (exhibit.tile, exhibit.check) == (workspace.tile, suspected.chosen)

    @rule()
    def a_key_acts_on_what_is_so_now(self) -> None:
        suspected = self.workspace.checking.suspected()
        if suspected is not None and suspected.suspicion is not None:
            assert (suspected.suspicion, suspected.reasons) == self.workspace.index.checks.of(suspected.tile)

    @invariant()
    def what_was_refuted_does_not_count(self) -> None:
        for place in range(len(self.workspace.index)):
            tile = self.workspace.finding.entry_at(place).id
            refuted = self.workspace.review.decision(tile).refuted
            suspicion, reasons = self.workspace.index.checks.of(tile)
            if suspicion is None:
                continue
            assert not [reason.check for reason in reasons if not reason.refuted and reason.check in refuted]
            if not any(reason.counts for reason in reasons):
                assert suspicion < 0.5

    @invariant()
    def what_was_decided_is_in_the_store(self) -> None:
        store = self.workspace.opened.store
        assert store is not None
        stored, known = store.all(), self.workspace.review.decisions
        filed, held = ({tile: said for tile, said in each.items() if not said.is_empty} for each in (stored, known))
        assert filed == held


class Between(Here):
    """Between one tile and the next the user does something."""

    def __init__(self, machine: AnyOrder) -> None:
        self.machine = machine

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
        for done in super().run(work, items):
            if self.machine.meanwhile:
                ACTS[self.machine.meanwhile.popleft()](self.machine)
                self.machine.hear_one()
            yield done


AnyOrder.TestCase.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
TestAnyOrder = AnyOrder.TestCase

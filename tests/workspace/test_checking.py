"""The checks as the user meets them: the worst tiles first, why, where, and the answers that are never asked for again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsviewer.core.checks import BY_ID
from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.workspace.checking import CHECKING
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here

CUT, LACKING = TileId("b/2"), TileId("b/3")
FILES = [BY_ID[check] for check in ("unreadable", "missing_layer", "unknown_class")]
"""The tiny tiles are no landscapes: what they are suspected of beyond this would say nothing."""


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    with opened_here(tiny_dataset) as opened:
        yield opened


@pytest.fixture
def checked(workspace: Workspace) -> Workspace:
    workspace.checking.start(FILES)
    return workspace


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def reasons(workspace: Workspace) -> set[str]:
    suspected = workspace.checking.suspected()
    assert suspected is not None
    return {reason.check for reason in suspected.reasons if not reason.refuted}


def test_before_anything_is_checked_it_says_how_to_begin(workspace: Workspace) -> None:
    workspace.checking.suspicious_first()

    assert "Check all tiles" in workspace.status().message
    assert not workspace.checking.has_results
    assert workspace.finding.sort == ""


def test_the_worst_tiles_come_first_and_say_why(checked: Workspace) -> None:
    checked.checking.suspicious_first()
    checked.go_to(0)

    worst = {checked.tile}
    assert reasons(checked)
    checked.go(1)
    worst.add(checked.tile)
    assert worst == {CUT, LACKING}
    checked.show_tile(CUT)
    assert "unreadable" in reasons(checked)
    checked.show_tile(LACKING)
    assert "missing_layer" in reasons(checked)


def test_sorting_by_suspicion_again_gives_the_order_of_the_dataset_back(checked: Workspace) -> None:
    checked.checking.suspicious_first()
    assert checked.checking.is_first
    checked.checking.suspicious_first()

    assert checked.finding.sort == ""


def test_one_key_drops_the_tile_with_the_tag_of_the_suspicion_and_goes_on(checked: Workspace) -> None:
    checked.show_tile(CUT)
    checked.checking.choose("unreadable")
    checked.confirm_suspicion()

    decision = checked.review.decision(CUT)
    assert decision.verdict is Verdict.DROP
    assert len(decision.tags) == 1
    assert checked.tile == LACKING

    checked.undo()
    assert checked.review.decision(CUT).is_empty


def test_what_was_refuted_does_not_come_back_after_another_run_or_in_another_session(
    checked: Workspace, tiny_dataset: Path
) -> None:
    checked.show_tile(LACKING)
    for check in reasons(checked):
        checked.checking.choose(check)
        checked.refute_suspicion()
        checked.show_tile(LACKING)
    assert reasons(checked) == set()
    suspected = checked.checking.suspected()
    assert suspected is not None
    assert suspected.suspicion is not None
    assert suspected.suspicion < 0.5

    checked.checking.start(FILES, again=True)
    assert reasons(checked) == set()
    checked.close()
    with opened_here(tiny_dataset) as again:
        again.show_tile(LACKING)
        assert reasons(again) == set()
        assert "missing_layer" in again.decision.refuted
        again.checking.start(FILES, again=True)
        assert reasons(again) == set()


def test_a_refutation_that_is_undone_is_a_suspicion_again(checked: Workspace) -> None:
    checked.show_tile(LACKING)
    before = reasons(checked)
    checked.checking.choose("missing_layer")
    checked.refute_suspicion()
    checked.undo()

    assert checked.tile == LACKING
    assert reasons(checked) == before


def test_refuting_the_last_suspicion_goes_on_to_the_next_tile(checked: Workspace) -> None:
    checked.show_tile(CUT)
    for _ in range(len(reasons(checked))):
        assert checked.tile == CUT
        checked.refute_suspicion()

    assert checked.tile == LACKING


def test_the_queue_is_in_the_order_of_the_suspicions_while_results_come_in(workspace: Workspace) -> None:
    workspace.checking.start(FILES)
    workspace.checking.suspicious_first()
    told: list[Changed] = []
    workspace.subscribe(told.append)
    workspace.checking.start(FILES, again=True)

    assert any(changed & Changed.SUSPICION for changed in told)
    assert workspace.finding.entry_at(int(workspace.queue.ordinals[0])).id in (CUT, LACKING)
    assert workspace.checking.judged is not None
    assert workspace.checking.judged.tiles == 6
    assert CHECKING not in [job.title for job in workspace.jobs.running]


def test_evidence_lies_where_the_check_saw_it(workspace: Workspace, tiny_dataset: Path) -> None:
    path = tiny_dataset / "a" / "gt_ss_mask" / "1.tif"
    with rasterio.open(path, "r+") as file:
        labels = file.read(1)
        labels[4:12, 8:16] = 99
        file.write(labels, 1)
    workspace.checking.start(FILES)
    workspace.show_tile(TileId("a/1"))
    workspace.checking.choose("unknown_class")
    workspace.checking.toggle_evidence()
    settle(workspace)

    exhibit = workspace.scene().exhibit
    assert exhibit is not None
    assert exhibit.tile == "a/1"
    assert exhibit.picture is not None
    pixels = exhibit.picture.painted.pixels
    scale = 24 // pixels.shape[0] if pixels.shape[0] < 24 else 1
    seen = np.argwhere(pixels >> 24 == 255) * scale
    assert (seen >= (4, 8)).all()
    assert (seen < (12, 16)).all()

    workspace.go(1)
    settle(workspace)
    exhibit = workspace.scene().exhibit
    assert exhibit is None or exhibit.tile == workspace.tile


def test_a_suspicion_of_the_whole_tile_says_that_it_has_no_place(checked: Workspace) -> None:
    checked.show_tile(LACKING)
    checked.checking.choose("missing_layer")
    checked.checking.toggle_evidence()
    settle(checked)

    assert checked.scene().exhibit is None
    assert "as a whole" in checked.checking.evidence_words


def test_keys_on_a_tile_that_nobody_suspects_say_so_and_decide_nothing(checked: Workspace) -> None:
    clean = next(
        entry.id for entry in map(checked.finding.entry_at, range(6)) if not checked.index.checks.reasons(entry.id)
    )
    checked.show_tile(clean)
    checked.confirm_suspicion()
    assert "No check suspects" in checked.status().message
    checked.refute_suspicion()

    assert checked.review.decision(clean).is_empty
    assert checked.tile == clean

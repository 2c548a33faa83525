"""The checks as the user meets them: the worst tiles first, why, where, and the answers that are never asked for again."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import rasterio

from rsviewer.batch import checking as batch_checking
from rsviewer.batch.checking import Checked, check_all
from rsviewer.batch.crew import Crew, Here, Lost
from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.check import Sign
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import Examined
from rsviewer.core.review import Verdict
from rsviewer.core.tile import LayerContent, LayerId, Raster, TileId, Unreadable
from rsviewer.data.adapter import Dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.indexchecks import CheckBook, Judged
from rsviewer.workspace import checking
from rsviewer.workspace.checking import CHECKING
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace
from tests.planting import mislabel
from tests.workspace.here import opened_here

T = TypeVar("T")
R = TypeVar("R")

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
    return {reason.check for reason in suspected.reasons if reason.counts}


def heights_shown(workspace: Workspace) -> LayerContent | None:
    (content,) = (content for spec, content in workspace.contents() if spec.id == LayerId("ndsm"))
    return content


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


def test_dropping_one_of_two_that_are_the_same_settles_the_other(workspace: Workspace) -> None:
    first, second = TileId("a/1"), TileId("b/1")
    workspace.checking.start([BY_ID["duplicate"]])
    workspace.show_tile(second)
    workspace.checking.choose("duplicate")
    workspace.confirm_suspicion()

    workspace.show_tile(first)
    suspected = workspace.checking.suspected()
    assert suspected is not None
    assert {reason.check: reason.answer for reason in suspected.reasons}[
        "duplicate"
    ] == "settled: the other one is dropped"
    assert workspace.review.decision(first).is_empty
    settle(workspace)
    assert workspace.checking.judged is not None
    assert workspace.checking.judged.by_check["duplicate"] == 5
    workspace.checking.start([BY_ID["duplicate"]], again=True)
    assert "duplicate" not in reasons(workspace)

    workspace.undo()
    assert "duplicate" in reasons(workspace)
    workspace.show_tile(first)
    assert "duplicate" in reasons(workspace)


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


def test_sorting_goes_to_the_worst_tile_and_back_stays_on_it(checked: Workspace) -> None:
    checked.go_to(3)
    checked.checking.suspicious_first()
    assert checked.queue.at == 0
    worst = checked.tile
    assert worst in (CUT, LACKING)

    checked.checking.suspicious_first()
    assert checked.tile == worst


def test_the_next_session_knows_what_was_found_and_refuted_without_another_run(
    checked: Workspace, tiny_dataset: Path
) -> None:
    checked.show_tile(LACKING)
    checked.checking.choose("missing_layer")
    checked.refute_suspicion()
    settle(checked)
    before = checked.checking.judged
    assert before is not None
    checked.close()

    with opened_here(tiny_dataset) as again:
        settle(again)
        assert again.checking.has_results
        assert again.checking.judged == before
        assert before.by_check == {"unreadable": 1}
        again.show_tile(LACKING)
        assert reasons(again) == set()
        again.finding.choose("suspects = 'missing_layer'", "")
        assert not len(again.queue)
        again.undo()
        assert reasons(again) == {"missing_layer"}
        settle(again)
        assert again.checking.judged is not None
        assert again.checking.judged.by_check == {"unreadable": 1, "missing_layer": 1}


def test_what_is_refuted_while_tiles_are_checked_does_not_come_back_with_the_next_results(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "check_all", check_twice)
    judged = 0

    def hear(changed: Changed) -> None:
        nonlocal judged
        if changed & Changed.SUSPICION and workspace.checking.judged is not None:
            judged += 1
            if judged == 1:
                workspace.show_tile(LACKING)
                workspace.checking.choose("missing_layer")
                workspace.refute_suspicion()
                workspace.finding.choose("suspects = 'missing_layer'", "")  # files what was refuted
                workspace.finding.choose("", "")

    workspace.subscribe(hear)
    workspace.checking.start(FILES)

    assert judged > 1
    workspace.show_tile(LACKING)
    assert reasons(workspace) == set()


def check_twice(dataset: Dataset, index: TileIndex, *args: Any, **kwargs: Any) -> Checked:
    """As a run does that has judged what came first."""
    check_all(dataset, index, *args, **kwargs)
    return check_all(dataset, index, *args, **kwargs)


def test_a_run_that_is_stopped_shows_what_it_has_found(workspace: Workspace) -> None:
    workspace.show_tile(LACKING)
    workspace.checking._crew = stopping_after(5, workspace)
    workspace.checking.start(FILES)

    assert workspace.checking.job is None
    assert workspace.checking.judged is not None
    assert workspace.checking.judged.tiles == 5
    workspace.show_tile(CUT)
    assert "unreadable" in reasons(workspace)
    workspace.show_tile(LACKING)
    assert "not checked yet" in workspace.checking.why_nothing()

    workspace.checking._crew = Here
    workspace.checking.start(FILES)
    assert workspace.checking.judged.tiles == 6
    assert reasons(workspace) == {"missing_layer"}


def stopping_after(count: int, workspace: Workspace) -> Callable[[], Crew]:
    class Stopping(Here):
        def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | Lost], None, None]:
            for number, done in enumerate(super().run(work, items), 1):
                if number == count:
                    for job in workspace.jobs.running:
                        job.stop.set()
                yield done

    return Stopping


def test_what_a_run_left_that_ended_with_the_program_is_weighed_in_the_next_session(
    workspace: Workspace, tiny_dataset: Path
) -> None:
    workspace.index.checks.record([Examined(CUT, {"unreadable": 1.0}, milliseconds={"unreadable": 1.0})])
    workspace.close()

    with opened_here(tiny_dataset) as again:
        settle(again)
        again.show_tile(CUT)
        assert reasons(again) == {"unreadable"}
        assert again.checking.judged is not None
        assert again.checking.judged.tiles == 1


def test_closed_while_it_weighs_what_came_first_it_ends_at_once_and_the_next_session_goes_on(
    workspace: Workspace, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = CheckBook.judge
    judgements = 0

    def close_and_judge(book: CheckBook, *args: Any, **kwargs: Any) -> Judged:
        nonlocal judgements
        judgements += 1
        workspace.checking.close()
        return judge(book, *args, **kwargs)

    with monkeypatch.context() as changed:
        changed.setattr(batch_checking, "JUDGED_AFTER", 0.0)
        changed.setattr(CheckBook, "judge", close_and_judge)
        workspace.checking.start(FILES)
    assert workspace.checking.judged is None
    assert judgements == 2, "one under way, and one of a run that is broken off: both were stopped"
    workspace.close()

    with opened_here(tiny_dataset) as again:
        settle(again)
        assert again.checking.judged is not None
        assert again.checking.judged.tiles == 1
        again.checking.start(FILES)
        assert again.checking.judged.tiles == 6


def test_tiles_whose_files_have_changed_are_checked_again_when_asked(checked: Workspace, tiny_dataset: Path) -> None:
    cut, whole = (tiny_dataset / "b" / "gt_nDSM" / f"{number}.tif" for number in (2, 1))
    cut.write_bytes(whole.read_bytes())
    checked.show_tile(CUT)
    checked.checking.start(FILES)
    assert reasons(checked) == {"unreadable"}, "nobody looks at every file unasked"

    checked.checking.start(FILES, changed=True)
    assert reasons(checked) == set()
    assert "1 tile had changed." in checked.status().message
    checked.checking.start(FILES, changed=True)
    assert " 0 tiles had changed." in checked.status().message


def test_what_is_shown_of_changed_files_is_what_was_checked(checked: Workspace, tiny_dataset: Path) -> None:
    checked.show_tile(CUT)
    settle(checked)
    assert isinstance(heights_shown(checked), Unreadable)
    cut, whole = (tiny_dataset / "b" / "gt_nDSM" / f"{number}.tif" for number in (2, 1))
    cut.write_bytes(whole.read_bytes())

    checked.checking.start(FILES, changed=True)
    settle(checked)
    assert isinstance(heights_shown(checked), Raster)


def test_the_search_for_changed_files_can_be_stopped(checked: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checked.checking.judged
    judgements: list[object] = []
    monkeypatch.setattr(CheckBook, "judge", lambda *_, **__: judgements.append(1))

    def state(*_: object) -> str:
        for job in checked.jobs.running:
            job.stop.set()
        return "7"

    monkeypatch.setattr(batch_checking, "state_of", state)
    monkeypatch.setattr(batch_checking, "LOOKED_AT_AT_ONCE", 2)
    checked.checking.start(FILES, changed=True)
    assert checked.checking.job is None
    assert checked.checking.judged == before
    assert not judgements, "there is nothing new to weigh"


def test_the_list_knows_how_suspicious_every_tile_is_and_why(checked: Workspace) -> None:
    settle(checked)
    places = {checked.finding.entry_at(place).id: place for place in range(6)}

    assert (checked.checking.suspicion_of(places[CUT]) or 0.0) > 0.9
    assert checked.checking.suspicion_of(99) is None
    assert checked.checking.first_reason(places[CUT], CUT).startswith(BY_ID["unreadable"].title)
    calm = next(tile for tile in places if tile not in (CUT, LACKING))
    assert checked.checking.first_reason(places[calm], calm) == ""

    checked.show_tile(LACKING)
    checked.checking.choose("missing_layer")
    checked.refute_suspicion()
    settle(checked)
    assert (checked.checking.suspicion_of(places[LACKING]) or 0.0) < 0.5


def test_another_reason_shows_its_own_evidence(workspace: Workspace, tiny_dataset: Path) -> None:
    mislabel(tiny_dataset / "b" / "gt_ss_mask" / "2.tif")
    workspace.checking.start(FILES)
    workspace.show_tile(CUT)
    workspace.checking.choose("unreadable")
    workspace.checking.toggle_evidence()
    settle(workspace)
    assert "as a whole" in workspace.checking.evidence_words

    workspace.checking.choose("unknown_class")
    settle(workspace)
    assert workspace.checking.evidence_words == ""
    exhibit = workspace.scene().exhibit
    assert exhibit is not None
    assert exhibit.check == "unknown_class"

    workspace.refute_suspicion()
    settle(workspace)
    assert "as a whole" in workspace.checking.evidence_words


def test_evidence_waits_while_a_key_is_held_and_comes_back_after(
    workspace: Workspace, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mislabel(tiny_dataset / "a" / "gt_ss_mask" / "1.tif")
    workspace.checking.start(FILES)
    workspace.show_tile(TileId("a/1"))
    workspace.checking.toggle_evidence()
    settle(workspace)
    assert workspace.scene().exhibit is not None

    of = CheckBook.of
    monkeypatch.setattr(CheckBook, "of", lambda book, tile: pytest.fail("asked while a key is held"))
    workspace.hurried = True
    for step in (1, 1, -1, -1):
        workspace.go(step)
        assert workspace.scene().exhibit is None
    monkeypatch.setattr(CheckBook, "of", of)
    told: list[Changed] = []
    workspace.subscribe(told.append)
    workspace.hurried = False
    assert Changed.VIEW in told
    assert workspace.scene().exhibit is not None


def test_evidence_of_a_layer_that_nobody_sees_lies_where_the_layer_lies(
    workspace: Workspace, tiny_dataset: Path
) -> None:
    path = tiny_dataset / "a" / "gt_ss_mask" / "1.tif"
    labels = np.full((1, 12, 16), 5, np.uint8)
    labels[:, 2:6, 4:8] = 99
    shifted = rasterio.Affine(0.5, 0, 4e5 + 8, 0, -0.5, 4e6 - 6)  # the lower right quarter
    profile = {"driver": "GTiff", "width": 16, "height": 12, "crs": "EPSG:32654", "transform": shifted}
    with rasterio.open(path, "w", count=1, dtype="uint8", **profile) as file:
        file.write(labels)
    workspace.checking.start(FILES)
    workspace.show_tile(TileId("a/1"))
    workspace.looks.set_visible(LayerId("landcover"), visible=False)
    workspace.checking.choose("unknown_class")
    workspace.checking.toggle_evidence()
    settle(workspace)

    exhibit = workspace.scene().exhibit
    assert exhibit is not None
    assert exhibit.picture is not None
    place = exhibit.picture.place
    assert (place.x, place.y, place.width, place.height) == (16, 12, 16, 12)


def test_a_dataset_of_one_tile_is_checked(tiny_dataset: Path) -> None:
    for path in tiny_dataset.rglob("*"):
        if path.is_file() and path.parts[-3:] not in [
            ("b", folder, "3.tif") for folder in ("opt", "pre_opt", "gt_nDSM")
        ]:
            path.unlink()
    with opened_here(tiny_dataset) as opened:
        assert opened.finding.total == 1
        opened.checking.start()
        settle(opened)
        assert opened.checking.judged is not None
        assert opened.checking.judged.tiles == 1
        opened.checking.suspicious_first()
        opened.confirm_suspicion()
        opened.refute_suspicion()
        assert opened.tile == LACKING


def test_a_window_that_may_not_write_says_where_results_are(tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset), opened_here(tiny_dataset) as second:
        second.checking.suspicious_first()
        assert "read-only" in second.status().message
        second.checking.start(FILES)
        assert second.checking.job is None
        assert not second.checking.has_results


def test_evidence_lies_where_the_check_saw_it(workspace: Workspace, tiny_dataset: Path) -> None:
    mislabel(tiny_dataset / "a" / "gt_ss_mask" / "1.tif")
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


def test_a_check_that_does_not_work_is_said_at_the_end(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Subject) -> list[Sign]:
        raise ZeroDivisionError

    workspace.checking.start([*FILES, replace(BY_ID["blur"], run=broken)])

    message = workspace.status().message
    assert "blur did not work on" in message
    assert "All tiles are checked" in message
    caplog.clear()  # each tile is in the log, with where it went wrong

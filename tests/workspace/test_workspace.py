"""Looking and deciding without a window: the walks of the architecture, step by step."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.errors import FilterError, SaveError
from rsviewer.core.review import Edit, Verdict
from rsviewer.core.scene import PaneState, View
from rsviewer.core.style import RangeMode
from rsviewer.core.tile import LayerId, TileId
from rsviewer.workspace.background import call_now
from rsviewer.workspace.news import Changed
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.review import Saved
from rsviewer.workspace.workspace import Workspace

NDSM = LayerId("ndsm")


@pytest.fixture
def open_workspace(tiny_dataset: Path) -> Iterator[Callable[[], Workspace]]:
    opened: list[Workspace] = []

    def make() -> Workspace:
        workspace = Workspace(
            open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
        )
        workspace.start()
        opened.append(workspace)
        return workspace

    yield make
    for workspace in opened:
        workspace.close()


@pytest.fixture
def workspace(open_workspace: Callable[[], Workspace]) -> Workspace:
    return open_workspace()


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def test_all_layers_of_the_first_tile_are_shown(workspace: Workspace) -> None:
    assert len(workspace.queue) == 6
    assert workspace.tile == "a/1"
    assert not workspace.scene().complete
    settle(workspace)
    scene = workspace.scene()
    assert scene.complete
    assert [pane.layer for pane in scene.panes] == ["pre_image", "image", "ndsm", "landcover", "change"]
    assert all(pane.tile == "a/1" for pane in scene.panes)


def test_tiles_are_read_ahead_in_the_direction_of_travel(workspace: Workspace) -> None:
    settle(workspace)
    workspace.go(1)
    assert workspace.scene().complete, "the next tile was there already"


def test_a_missing_and_a_broken_layer_are_said_in_their_panes(workspace: Workspace) -> None:
    workspace.show_tile(TileId("b/2"))
    settle(workspace)
    states = {pane.layer: pane for pane in workspace.scene().panes}
    assert states[NDSM].state is PaneState.UNREADABLE
    assert states[NDSM].message
    assert states[LayerId("image")].state is PaneState.SHOWN
    workspace.show_tile(TileId("b/3"))
    settle(workspace)
    states = {pane.layer: pane for pane in workspace.scene().panes}
    assert states[LayerId("landcover")].state is PaneState.MISSING


def test_the_readout_names_the_value_of_every_layer(workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((20, 7))
    said = {reading.layer: reading.text for reading in workspace.readout().readings}
    assert said["image"] == "20  7  20"
    assert said["ndsm"] == "91.00 m"
    assert said["landcover"].startswith("8")
    assert "Building" in said["landcover"]
    assert said["change"].startswith("0")
    workspace.viewing.set_cursor((0, 0))
    assert "nodata" in {reading.layer: reading.text for reading in workspace.readout().readings}["ndsm"]
    position = workspace.readout().position
    assert position is not None
    assert (position.map_x, position.map_y) == (400000.25, 3999999.75)
    workspace.viewing.set_cursor((99, 0))
    assert workspace.readout().position is None


def test_the_cursor_and_the_zoom_stay_when_stepping(workspace: Workspace) -> None:
    settle(workspace)
    workspace.viewing.set_cursor((5, 6))
    workspace.viewing.set_view(View((5.0, 6.0), 8.0))
    workspace.go(2)
    assert workspace.viewing.cursor == (5, 6)
    assert workspace.scene().view == View((5.0, 6.0), 8.0)


def test_undo_goes_to_the_tile_it_changes_and_says_so(workspace: Workspace) -> None:
    settle(workspace)
    workspace.set_verdict(Verdict.DROP)
    workspace.go(4)
    workspace.undo()
    assert workspace.tile == "a/1"
    assert workspace.decision.verdict is Verdict.UNDECIDED
    assert workspace.status().message == "Undo: drop on a/1"
    workspace.redo()
    assert workspace.decision.verdict is Verdict.DROP


def test_the_next_open_tile_is_not_guessed_before_the_decisions_are_known(
    tiny_dataset: Path, open_workspace: Callable[[], Workspace]
) -> None:
    before = open_workspace()
    settle(before)
    before.set_verdict(Verdict.GOOD)
    before.go(1)
    before.set_verdict(Verdict.DROP)
    before.close()
    waiting: list[Callable[[], None]] = []
    workspace = Workspace(
        open_path(tiny_dataset), waiting.append, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    workspace.start()
    workspace.go(-1)
    for move in (workspace.next_unreviewed, workspace.previous_flagged, lambda: workspace.step_group(+1)):
        move()
        assert workspace.tile == "a/1"
        assert workspace.status().message.endswith("is still being looked up.")
    while waiting:
        waiting.pop(0)()
    workspace.next_unreviewed()
    assert workspace.tile == "a/3"
    workspace.close()


def test_undo_takes_a_filter_away_that_hides_its_tile(workspace: Workspace) -> None:
    workspace.set_verdict(Verdict.GOOD)
    workspace.finding.choose("group = 'b'", "")
    assert workspace.tile == "b/1"
    workspace.undo()
    assert workspace.tile == "a/1"
    assert workspace.finding.filter == ""


def test_a_decision_survives_closing_and_so_do_tile_zoom_layout_and_filter(
    open_workspace: Callable[[], Workspace],
) -> None:
    first = open_workspace()
    settle(first)
    first.finding.choose("split = 'train'", "name desc")
    first.go(1)
    tile = first.tile
    first.toggle_tag(2)
    first.viewing.set_view(View((3.0, 4.0), 5.0))
    first.looks.set_visible(LayerId("change"), visible=False)
    first.looks.set_style(NDSM, replace(first.looks.style(NDSM), color_table="inferno"))
    first.set_stack(2)
    first.close()
    again = open_workspace()
    assert again.tile == tile
    assert again.decision.tags == ("void",)
    assert (again.finding.filter, again.finding.sort) == ("split = 'train'", "name desc")
    assert again.viewing.view == View((3.0, 4.0), 5.0)
    assert LayerId("change") in again.looks.hidden
    assert again.looks.style(NDSM).color_table == "inferno"
    assert again.stack == 2
    again.undo()
    assert again.decision.tags == (), "what was decided in an earlier session can be undone"


def test_a_filter_that_cannot_be_understood_changes_nothing(workspace: Workspace) -> None:
    workspace.finding.choose("group = 'a'", "")
    with pytest.raises(FilterError):
        workspace.finding.choose("gruop = 'b'", "")
    assert workspace.finding.filter == "group = 'a'"
    assert len(workspace.queue) == 3


def test_next_unreviewed_and_previous_flagged(workspace: Workspace) -> None:
    workspace.set_verdict(Verdict.GOOD)
    workspace.go(1)
    workspace.set_verdict(Verdict.DROP)
    workspace.next_unreviewed()
    assert workspace.tile == "a/3"
    workspace.previous_flagged()
    assert workspace.tile == "a/2"
    workspace.step_group(1)
    assert workspace.tile == "b/1"


def test_a_locked_range_is_the_same_on_every_tile(workspace: Workspace) -> None:
    settle(workspace)

    def bar() -> tuple[float, float]:
        found = next(pane.colorbar for pane in workspace.scene().panes if pane.layer == NDSM)
        assert found is not None
        return found.low, found.high

    first = bar()
    workspace.toggle_lock()
    workspace.go(2)
    settle(workspace)
    assert bar() == first
    workspace.toggle_lock()
    settle(workspace)
    assert bar() != first
    assert workspace.looks.style(NDSM).range_mode is RangeMode.PERCENTILE


def test_the_dataset_range_is_learned_from_the_dataset(workspace: Workspace) -> None:
    settle(workspace)
    workspace.looks.set_style(NDSM, replace(workspace.looks.style(NDSM), range_mode=RangeMode.DATASET))
    settle(workspace)
    bar = next(pane.colorbar for pane in workspace.scene().panes if pane.layer == NDSM)
    assert bar is not None
    assert bar.locked
    assert bar.high > 255


def test_a_hidden_class_is_transparent_and_isolating_shows_only_one(workspace: Workspace) -> None:
    settle(workspace)
    layer = LayerId("landcover")
    workspace.looks.toggle_class(layer, 5)
    settle(workspace)
    pane = next(pane for pane in workspace.scene().panes if pane.layer == layer)
    assert pane.picture is not None
    assert np.all(pane.picture.painted.pixels[:, :16] == 0)
    assert np.all(pane.picture.painted.pixels[:, 16:] != 0)
    workspace.isolate_class(layer, 5)
    settle(workspace)
    pane = next(pane for pane in workspace.scene().panes if pane.layer == layer)
    assert pane.picture is not None
    assert np.all(pane.picture.painted.pixels[:, 16:] == 0)
    assert {item.value for item in pane.legend} >= {5, 8}, "a hidden class can be shown again"


def test_blink_shows_the_other_date_in_place_and_gives_it_back(workspace: Workspace) -> None:
    settle(workspace)
    before = {pane.layer: pane.picture for pane in workspace.scene().panes}
    workspace.viewing.set_blink(on=True)
    during = {pane.layer: pane.picture for pane in workspace.scene().panes}
    assert during[LayerId("image")] == before[LayerId("pre_image")]
    assert during[LayerId("pre_image")] == before[LayerId("image")]
    workspace.viewing.set_blink(on=False)
    assert {pane.layer: pane.picture for pane in workspace.scene().panes} == before


def test_a_stack_shows_consecutive_tiles_and_the_row_decides_whom_keys_mean(workspace: Workspace) -> None:
    workspace.set_stack(3)
    settle(workspace)
    assert [row[0].tile for row in workspace.scene().rows] == ["a/1", "a/2", "a/3"]
    workspace.set_row(1)
    workspace.set_verdict(Verdict.GOOD)
    assert workspace.review.decision(TileId("a/2")).verdict is Verdict.GOOD
    assert workspace.review.decision(TileId("a/1")).verdict is Verdict.UNDECIDED


def test_a_region_is_kept_with_its_tag(workspace: Workspace) -> None:
    workspace.toggle_tag(1)
    workspace.toggle_tag(1)
    workspace.add_region([(1.234, 2.0), (5.0, 6.0)])
    assert workspace.decision.tags == ("cloud",)
    assert workspace.decision.regions[0].points == ((1.23, 2.0), (5.0, 6.0))
    workspace.remove_region(0)
    assert workspace.decision.regions == ()


def test_a_note_goes_to_the_tile_it_was_typed_on(workspace: Workspace) -> None:
    typed_on = workspace.tile
    assert typed_on is not None
    workspace.go(1)
    workspace.set_note(typed_on, "trees at sea")
    assert workspace.decision.note == ""
    assert workspace.review.decision(typed_on).note == "trees at sea"


def test_only_what_differs_is_announced(workspace: Workspace) -> None:
    heard: list[Changed] = []
    stop = workspace.subscribe(heard.append)
    workspace.viewing.set_view(workspace.viewing.view)
    workspace.go(-1)
    assert heard == []
    workspace.go(1)
    assert heard
    assert heard[-1] & Changed.TILE
    stop()
    workspace.go(1)
    assert len(heard) == 1


class FullDisk:
    """A store whose disk is full until room is made."""

    def __init__(self) -> None:
        self.full = True
        self.written: list[tuple[Edit, str]] = []

    def apply(self, edit: Edit, kind: str) -> None:
        if self.full:
            raise SaveError("The decisions could not be saved: the disk is full. Make room.")
        self.written.append((edit, kind))


def test_a_failed_save_stays_visible_and_loses_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk()
    monkeypatch.setattr(workspace.review._store, "apply", disk.apply)
    workspace.set_verdict(Verdict.DROP)
    workspace.go(1)
    workspace.toggle_tag(3)
    status = workspace.status()
    assert status.saved is Saved.FAILED
    assert "disk is full" in status.error
    assert workspace.review.decision(TileId("a/1")).verdict is Verdict.DROP
    disk.full = False
    workspace.retry_saving()
    assert workspace.status().saved is Saved.SAVED
    assert [(edit.tile, kind) for edit, kind in disk.written] == [("a/1", "edit"), ("a/2", "edit")]


def test_unsaved_decisions_can_be_kept_elsewhere(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workspace.review._store, "apply", FullDisk().apply)
    workspace.set_verdict(Verdict.DROP)
    workspace.save_elsewhere(tmp_path / "rescue.sqlite")
    from rsviewer.data.decisions import DecisionStore

    with DecisionStore.open(tmp_path / "rescue.sqlite", read_only=True) as store:
        assert store.get(TileId("a/1")).verdict is Verdict.DROP
    monkeypatch.undo()


def test_a_second_window_is_read_only_and_says_who_has_the_project(
    workspace: Workspace, open_workspace: Callable[[], Workspace]
) -> None:
    workspace.set_verdict(Verdict.GOOD)
    second = open_workspace()
    assert second.status().saved is Saved.READ_ONLY
    assert second.decision.verdict is Verdict.GOOD
    assert not second.set_verdict(Verdict.DROP)
    assert "process" in second.status().message
    assert second.decision.verdict is Verdict.GOOD


def test_nothing_is_written_beside_the_data(workspace: Workspace, tiny_dataset: Path) -> None:
    before = sorted(tiny_dataset.rglob("*"))
    settle(workspace)
    workspace.set_verdict(Verdict.DROP)
    workspace.save_session()
    workspace.reload()
    assert sorted(tiny_dataset.rglob("*")) == before


def test_a_session_of_another_dataset_or_version_does_no_harm(
    open_workspace: Callable[[], Workspace],
) -> None:
    first = open_workspace()
    path = first.opened.project.session_path
    first.close()
    path.write_text(
        json.dumps({"tile": "gone/7", "hidden": ["no such layer"], "filter": "no_such_column > 1", "stack": "x"})
    )
    again = open_workspace()
    assert again.tile == "a/1"
    assert len(again.queue) == 6


def test_a_filter_on_values_nobody_measured_says_so_and_measuring_answers_it(workspace: Workspace) -> None:
    workspace.finding.choose("ndsm_max > 263", "")
    assert len(workspace.queue) == 0
    assert "6 of 6 tiles are not measured" in workspace.status().message
    workspace.finding.measure()
    assert len(workspace.queue) == 2, "a/3 and b/3; b/2 is broken"
    assert "measured" in workspace.status().message
    workspace.finding.choose("unreadable = 'ndsm'", "")
    assert workspace.tile == "b/2"


def test_an_overlay_leaves_what_is_not_marked_as_it_is(workspace: Workspace) -> None:
    settle(workspace)
    said = []
    for _ in range(4):
        workspace.cycle_overlay()
        settle(workspace)
        said.append(workspace.looks.overlay)
        panes = {pane.layer: pane for pane in workspace.scene().panes}
        assert panes[NDSM].overlay is None, "only images are laid over"
        over = panes[LayerId("image")].overlay
        if workspace.looks.overlay == "none":
            assert over is None
            continue
        assert over is not None
        marked = over.painted.pixels >> 24 > 0
        assert len(panes) == 5, "an overlay has no pane of its own"
        if workspace.looks.overlay == "change":
            assert marked[:6].all()
            assert not marked[6:].any()
        if workspace.looks.overlay == "outline":
            assert marked[5].any()
            assert not marked[:3].any()
    assert said == ["labels", "change", "outline", "none"]


def test_a_tile_asked_for_at_the_start_wins_over_the_filter_of_the_last_session(
    open_workspace: Callable[[], Workspace],
) -> None:
    first = open_workspace()
    first.finding.choose("group = 'b'", "name desc")
    first.close()
    again = open_workspace()
    assert again.tile == "b/1"
    again.start_at("a/2")
    assert again.tile == "a/2"
    assert (again.finding.filter, again.finding.sort) == ("", ""), "the queue is in the order that the window says"


def test_a_tile_hidden_by_a_filter_that_finds_nothing_is_announced_when_it_is_shown(workspace: Workspace) -> None:
    workspace.finding.choose("name = 'no such tile'", "")
    assert workspace.tile is None
    heard: list[Changed] = []
    workspace.subscribe(heard.append)
    workspace.show_tile(TileId("a/1"))
    assert workspace.tile == "a/1"
    assert any(changed & Changed.TILE for changed in heard)

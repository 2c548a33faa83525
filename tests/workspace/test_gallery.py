"""The gallery shows every tile as asked for, keeps what it made in the project, and lets several tiles be decided about."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.suspicion import Examined, Trait
from rsviewer.core.render import Range
from rsviewer.core.review import Verdict
from rsviewer.core.style import RangeMode
from rsviewer.core.tile import LayerId, TileId
from rsviewer.workspace.gallery import Sign, Small
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    with opened_here(tiny_dataset) as opened:
        opened.gallery.set_open(on=True)
        yield opened


def made(workspace: Workspace, at: int, pixels: int = 96) -> Small:
    """The small picture of the tile at a position, once all that is wanted is there."""
    workspace.gallery.want([at], pixels)
    while workspace.step():
        pass
    small = workspace.gallery.small(int(workspace.queue.ordinals[at]))
    assert small is not None
    assert small.showing is workspace.gallery.showing
    return small


def colors(small: Small) -> set[int]:
    assert small.pixels is not None
    return set(small.pixels.ravel().tolist())


def test_a_tile_shows_its_later_image(workspace: Workspace) -> None:
    pixels = made(workspace, 1).pixels
    assert pixels is not None
    assert pixels.shape == (24, 32)
    assert set((pixels >> 16 & 0xFF).ravel().tolist()) <= set(range(36, 45)), (
        "opt holds 20 * number, pre_opt 10 * number"
    )


def test_names_are_looked_up_along_with_the_pictures(workspace: Workspace) -> None:
    assert workspace.gallery.known(4) is None
    made(workspace, 4)
    known = workspace.gallery.known(4)
    assert known is not None
    assert known.id == "b/2"


def test_labels_keep_the_colours_of_their_classes_when_they_are_made_smaller(workspace: Workspace) -> None:
    workspace.gallery.show(
        "labels" if "labels" in dict(workspace.gallery.choices()) else _layer(workspace, "land cover")
    )
    spec = workspace.looks.layer(LayerId(workspace.gallery.shown))
    palette = {known.value: known.color for known in spec.classes}
    expected = {0xFF000000 | red << 16 | green << 8 | blue for red, green, blue in (palette[5], palette[8])}
    assert colors(made(workspace, 0)) == expected
    assert colors(made(workspace, 0, pixels=13)) == expected


def test_the_same_height_has_the_same_colour_on_every_tile(workspace: Workspace) -> None:
    workspace.gallery.show(_layer(workspace, "nDSM"))
    one, other = made(workspace, 0).pixels, made(workspace, 2).pixels
    assert one is not None
    assert other is not None
    look = workspace.gallery.showing.looks[0]
    assert look.style.range_mode is RangeMode.DATASET
    assert look.sample is not None
    assert (one[5:20, 12:] != other[5:20, 12:]).any(), "the tiles differ by two metres at the same place"
    assert workspace.gallery.bar is not None
    assert workspace.gallery.bar[1] == look.sample


def test_a_locked_range_is_followed(workspace: Workspace) -> None:
    layer = LayerId(_layer(workspace, "nDSM"))
    workspace.gallery.show(str(layer))
    before = made(workspace, 0).pixels
    workspace.looks.lock({layer: Range(0, 1000)})
    look = workspace.gallery.showing.looks[0]
    assert (look.style.low, look.style.high) == (0, 1000)
    after = made(workspace, 0).pixels
    assert before is not None
    assert after is not None
    assert (before != after).any()


def test_a_broken_file_and_a_missing_one_say_so(workspace: Workspace) -> None:
    workspace.gallery.show(_layer(workspace, "nDSM"))
    broken = made(workspace, 4)
    assert broken.pixels is None
    assert broken.sign is Sign.UNREADABLE
    assert broken.words
    workspace.gallery.show(_layer(workspace, "land cover"))
    assert made(workspace, 5).sign is Sign.MISSING


def test_the_outline_of_a_change_lies_over_the_image(workspace: Workspace) -> None:
    plain = made(workspace, 0).pixels
    workspace.gallery.show("over:outline")
    outlined = made(workspace, 0).pixels
    assert plain is not None
    assert outlined is not None
    differing = np.flatnonzero((plain != outlined).any(axis=1))
    assert differing.min() >= 4
    assert differing.max() <= 7, "the change ends below row 5"


def test_what_was_made_is_read_from_the_project_next_time(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_here(tiny_dataset) as first:
        first.gallery.set_open(on=True)
        before = made(first, 1).pixels
    with opened_here(tiny_dataset) as again:
        again.gallery.set_open(on=True)
        monkeypatch.setattr(again._pictures, "read_once", lambda *_: pytest.fail("it was read from its file"))
        after = made(again, 1).pixels
    assert before is not None
    assert after is not None
    difference = before.view(np.uint8).astype(int) - after.view(np.uint8).astype(int)
    assert abs(difference).max() < 16


def test_reading_anew_forgets_what_was_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made(workspace, 1)
    workspace.reload()
    read: list[object] = []
    whole = workspace._pictures.read_once
    monkeypatch.setattr(workspace._pictures, "read_once", lambda *asked: (read.append(asked), whole(*asked))[1])
    made(workspace, 1)
    assert len(read) == 1


def test_the_panes_come_first(workspace: Workspace) -> None:
    workspace.gallery.want(range(6), 96)
    workspace.go(1)
    while not workspace.is_ready:
        assert workspace.step()
    assert workspace.gallery.small(3) is None


def test_a_closed_gallery_wants_nothing(workspace: Workspace) -> None:
    workspace.gallery.want(range(6), 96)
    workspace.gallery.set_open(on=False)
    while workspace.step():
        pass
    assert all(workspace.gallery.small(ordinal) is None for ordinal in range(6))


def test_what_the_checks_say_is_asked_for_once_and_again_when_it_has_changed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [np.nan, 0.25, 0.0, 1.0, np.nan, np.nan]
    asked: list[int] = []
    monkeypatch.setattr(
        type(workspace.index.checks), "suspicions", lambda _: (asked.append(1), np.array(said, np.float32))[1]
    )
    for at in (0, 1):
        made(workspace, at)
    assert asked == [1]
    assert [workspace.gallery.suspicion(ordinal) for ordinal in range(7)] == [None, 0.25, 0.0, 1.0, None, None, None]
    said[0] = 0.5
    workspace.gallery.suspicions_changed()
    made(workspace, 0)
    assert workspace.gallery.suspicion(0) == 0.5


# --- several tiles


def said(workspace: Workspace) -> dict[TileId, str]:
    return {tile: str(each.verdict) for tile, each in workspace.review.decisions.items() if not each.is_empty}


def test_a_flag_goes_to_all_selected_tiles_and_one_undo_takes_it_back(workspace: Workspace) -> None:
    workspace.go_to(1)
    workspace.set_verdict(Verdict.GOOD)
    workspace.gallery.click(0)
    workspace.gallery.click(3, extend=True)
    workspace.gallery.click(2, toggle=True)
    assert workspace.gallery.has_selection
    workspace.set_verdict(Verdict.DROP)
    assert said(workspace) == {"a/1": "drop", "a/2": "drop", "b/1": "drop"}
    workspace.undo()
    assert said(workspace) == {"a/2": "good"}
    workspace.redo()
    assert said(workspace) == {"a/1": "drop", "a/2": "drop", "b/1": "drop"}
    workspace.undo()
    workspace.undo()
    assert said(workspace) == {}


def test_one_undo_takes_the_group_back_in_the_next_session_too(tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset) as first:
        first.gallery.set_open(on=True)
        first.gallery.select_all()
        first.set_verdict(Verdict.GOOD)
        assert first.status().reviewed == 6
    with opened_here(tiny_dataset) as again:
        assert again.status().reviewed == 6
        again.undo()
        assert said(again) == {}
        assert again.status().reviewed == 0


def test_a_tag_is_taken_away_only_where_all_have_it(workspace: Workspace) -> None:
    workspace.gallery.click(0)
    workspace.toggle_tag(1)
    workspace.gallery.click(1, extend=True)
    workspace.toggle_tag(1)
    tags = [workspace.review.decision(TileId(tile)).tags for tile in ("a/1", "a/2")]
    assert tags == [("cloud",), ("cloud",)]
    workspace.toggle_tag(1)
    assert said(workspace) == {}


def test_moving_selects_one_tile_again_and_a_closed_gallery_none(workspace: Workspace) -> None:
    workspace.gallery.select_all()
    workspace.gallery.move(1)
    assert not workspace.gallery.has_selection
    workspace.gallery.select_all()
    workspace.gallery.set_open(on=False)
    workspace.set_verdict(Verdict.DROP)
    assert said(workspace) == {"a/2": "drop"}


@pytest.fixture
def suspicious(workspace: Workspace) -> Workspace:
    """b/2 is suspected of two things, b/3 of one, and all others of nothing; all of them are selected."""
    workspace.index.checks.record(
        Examined(TileId(tile), dict.fromkeys(checks, 1.0), milliseconds={"unreadable": 1.0, "missing_layer": 1.0})
        for tile, checks in {"a/1": (), "b/2": ("unreadable", "missing_layer"), "b/3": ("missing_layer",)}.items()
    )
    workspace.index.checks.judge({})
    workspace.checking.names_known()
    workspace.gallery.select_all()
    return workspace


def test_confirming_goes_to_all_selected_tiles_that_are_suspected_each_with_its_tag(suspicious: Workspace) -> None:
    suspicious.confirm_suspicion()

    assert said(suspicious) == {"b/2": "drop", "b/3": "drop"}
    assert suspicious.review.decision(TileId("b/2")).tags == (BY_ID["unreadable"].tag,)
    assert suspicious.tile == "a/1", "what was done to them is to be seen"
    assert suspicious.status().message == "2 suspicions confirmed; 4 of the selected tiles have none."
    suspicious.undo()
    assert said(suspicious) == {}


def test_the_reason_that_was_picked_is_the_one_that_is_answered_on_the_others_too(suspicious: Workspace) -> None:
    suspicious.gallery.deselect()
    suspicious.show_tile(TileId("b/2"))
    suspicious.checking.choose("missing_layer")
    suspicious.gallery.select_all()
    suspicious.refute_suspicion()

    refuted = {tile: each.refuted for tile, each in suspicious.review.decisions.items()}
    assert refuted == {"b/2": ("missing_layer",), "b/3": ("missing_layer",)}
    assert suspicious.status().message.startswith("2 suspicions refuted;")
    assert [reason.check for reason in suspicious.index.checks.reasons(TileId("b/2")) if reason.counts] == [
        "unreadable"
    ]

    suspicious.refute_suspicion()
    assert suspicious.review.decision(TileId("b/2")).refuted == ("missing_layer", "unreadable"), "the next one"
    assert suspicious.status().message.startswith("1 suspicion refuted;")
    suspicious.refute_suspicion()
    assert suspicious.status().message == "No check suspects any of the selected tiles."

    suspicious.undo()
    suspicious.undo()
    assert said(suspicious) == {}
    assert len(suspicious.index.checks.reasons(TileId("b/2"))) == 2


def test_dropping_all_of_the_same_pictures_but_one_together_settles_that_one(workspace: Workspace) -> None:
    same: dict[str, Trait] = {"digest": 7}
    names = [TileId(name) for name in ("a/1", "a/2", "a/3")]
    workspace.index.checks.record(Examined(name, traits=same, milliseconds={"duplicate": 1.0}) for name in names)
    workspace.index.checks.judge({})
    workspace.gallery.click(1)
    workspace.gallery.click(2, extend=True)
    workspace.set_verdict(Verdict.DROP)

    settled = {reason.check for reason in workspace.index.checks.reasons(names[0]) if reason.settled}
    assert "duplicate" in settled


def test_what_the_filter_takes_away_is_not_selected_any_more(workspace: Workspace) -> None:
    workspace.gallery.select_all()
    workspace.finding.choose("split = 'test'", "")
    assert workspace.gallery.selected == {2, 5}


def test_a_step_down_in_the_last_row_stays_in_its_column(workspace: Workspace) -> None:
    workspace.gallery.columns = 4
    workspace.gallery.click(1)
    workspace.gallery.move(4)
    assert workspace.queue.at == 5
    workspace.gallery.move(4)
    assert workspace.queue.at == 5
    workspace.gallery.move(-8)
    assert workspace.queue.at == 1
    workspace.gallery.move(4, extend=True)
    assert workspace.gallery.selected == {1, 2, 3, 4, 5}


def test_a_read_only_project_says_why_nothing_was_decided(workspace: Workspace, tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset) as second:
        second.gallery.set_open(on=True)
        made(second, 0)
        second.gallery.select_all()
        assert not second.set_verdict(Verdict.GOOD)
        assert second.status().message
        assert said(second) == {}


def _layer(workspace: Workspace, title: str) -> str:
    return next(name for name, shown in workspace.gallery.choices() if shown == title)

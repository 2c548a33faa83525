from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.review import ANOMALIES, Decision, Edit, Region, Verdict, describe, from_plain, to_plain
from rsviewer.core.tile import TileId

TILE = TileId("a")

tags = st.sampled_from([anomaly.tag for anomaly in ANOMALIES])
corners = st.tuples(st.floats(0, 512), st.floats(0, 512))
decisions = st.builds(
    Decision,
    verdict=st.sampled_from(Verdict),
    tags=st.sets(tags).map(lambda chosen: tuple(sorted(chosen))),
    regions=st.lists(st.builds(Region, tags, st.tuples(corners, corners)), max_size=2).map(tuple),
    note=st.text(max_size=5),
    refuted=st.sets(st.sampled_from(["blur", "height_shift"])).map(lambda chosen: tuple(sorted(chosen))),
)


@given(st.lists(decisions, min_size=1))
def test_taking_back_every_edit_in_turn_restores_every_decision_on_the_way(states: list[Decision]) -> None:
    edits = [Edit(TILE, before, after) for before, after in pairwise(states)]

    state = states[-1]
    for edit, expected in zip(reversed(edits), reversed(states[:-1]), strict=True):
        back = edit.inverse()
        assert back.before == state
        state = back.after
        assert state == expected


@given(decisions, decisions)
def test_undoing_an_undo_is_the_edit(before: Decision, after: Decision) -> None:
    edit = Edit(TILE, before, after)

    assert edit.inverse().inverse() == edit


@given(decisions, tags)
def test_a_tag_toggled_twice_changes_nothing(decision: Decision, tag: str) -> None:
    assert decision.toggled(tag).toggled(tag) == decision
    assert (tag in decision.toggled(tag).tags) != (tag in decision.tags)


def test_a_marked_region_counts_as_an_anomaly_of_the_tile() -> None:
    decision = Decision(tags=("blur",), regions=(Region("cloud", ((0, 0), (9, 9))),))

    assert decision.anomalies == {"blur", "cloud"}
    assert decision.is_flagged
    assert not decision.is_reviewed


def test_who_and_when_alone_is_nothing_to_keep() -> None:
    assert Decision(reviewer="Änne", time="2026-01-01T00:00:00+00:00").is_empty
    assert not Decision(note="look again").is_empty


def test_an_edit_is_described_by_what_it_does() -> None:
    cloud = Region("cloud", ((0, 0), (9, 9)))
    moved = Region("cloud", ((1, 1), (9, 9)))

    def said(before: Decision, after: Decision) -> str:
        return describe(Edit(TILE, before, after))

    assert said(Decision(), Decision(Verdict.DROP, ("cloud",))) == "drop, +cloud"
    assert said(Decision(tags=("blur",)), Decision(note="why")) == "-blur, note"
    assert said(Decision(), Decision(regions=(cloud,))) == "region"
    assert said(Decision(regions=(cloud,)), Decision()) == "region removed"
    assert said(Decision(regions=(cloud,)), Decision(regions=(moved,))) == "region changed"
    assert said(Decision(), Decision(reviewer="Änne")) == "nothing"
    assert said(Decision(), Decision(refuted=("blur",))) == "refuted blur"
    assert said(Decision(refuted=("blur",)), Decision()) == "no longer refuted blur"


@given(decisions)
def test_a_decision_outlives_being_written_down(decision: Decision) -> None:
    assert from_plain(to_plain(decision)) == decision


def test_a_refuted_suspicion_is_something_to_keep_and_no_verdict() -> None:
    refuted = Decision(refuted=("height_shift",))

    assert not refuted.is_empty
    assert not refuted.is_flagged
    assert not refuted.is_reviewed


def test_a_decision_without_refutations_is_written_as_it_was_before_there_were_checks() -> None:
    assert "refuted" not in to_plain(Decision(Verdict.GOOD))

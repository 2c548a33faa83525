"""From scores to thresholds, certainties, and one suspicion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Check, Topic
from rsviewer.core.checks.suspicion import (
    SAMPLE,
    SUSPICIOUS,
    Reason,
    certainty,
    combined,
    threshold_of,
    thresholds_of,
    weigh,
    words_of,
)
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec


def made_up(
    name: str = "haze",
    least: float = 2.0,
    spread: float | None = None,
    most: float = float("inf"),
    sharpness: float = 4.0,
) -> Check:
    return Check(name, name, Topic.IMAGES, "", "", "other", least, "", spread, most, sharpness)


# --- thresholds


def test_a_fixed_threshold_asks_no_tile() -> None:
    limit = threshold_of(made_up(), np.arange(100.0))
    assert (limit.value, limit.tiles) == (2.0, 0)


def test_a_threshold_is_estimated_in_spite_of_bad_tiles() -> None:
    scores = np.random.default_rng(0).normal(5, 1, 10_000)
    clean = threshold_of(made_up(spread=6.0), scores)
    assert clean.value == pytest.approx(11, abs=0.2)
    assert (clean.median, clean.deviation) == (pytest.approx(5, abs=0.05), pytest.approx(1, abs=0.05))
    scores[:1000] = 1e6
    assert threshold_of(made_up(spread=6.0), scores).value == pytest.approx(clean.value, rel=0.15)


def test_a_threshold_stays_within_its_limits_and_needs_enough_tiles() -> None:
    scores = np.full(100, 50.0)
    assert threshold_of(made_up(spread=3.0, most=8.0), scores).value == 8.0
    assert threshold_of(made_up(spread=3.0), scores * 0).value == 2.0
    assert threshold_of(made_up(spread=3.0), scores[:29]).value == 2.0
    assert threshold_of(made_up(spread=3.0), np.full(100, np.nan)).tiles == 0
    assert threshold_of(made_up(spread=3.0), np.full(100, np.float32(3e38))).value == pytest.approx(3.3e38)


@given(st.floats(0, 1e30), st.floats(0.1, 20), st.integers(30, 60), st.sampled_from([2.0, 4.0, 8.0]))
def test_what_all_tiles_have_alike_makes_none_suspicious(
    score: float, spread: float, tiles: int, sharpness: float
) -> None:
    check, scores = made_up(spread=spread, sharpness=sharpness), np.full(tiles, score)
    assert (certainty(check, scores, threshold_of(check, scores).value) < SUSPICIOUS).all()


@pytest.mark.parametrize(("flat", "limit"), [(2, 12.0), (20, 22.0)])
def test_what_hardly_any_tile_has_needs_less(flat: int, limit: float) -> None:
    check = replace(made_up(least=12.0, most=22.0), rare=0.03)
    scores = np.zeros(200)
    scores[:flat] = 15.0
    scores[150:] = np.nan
    assert threshold_of(check, scores).value == limit
    assert threshold_of(check, scores[:20]).value == 22.0, "too few to say so"


def test_in_a_calm_group_less_is_suspicious() -> None:
    check = replace(made_up(least=4.0, spread=4.0, most=8.0), calm=1.5)
    scores = np.random.default_rng(0).uniform(0, 0.3, 200)
    scores[:6] = 12.0
    assert threshold_of(check, scores).value == 1.5
    scores[:20] = 1.7
    assert threshold_of(check, scores).value == pytest.approx(3.4), "one tile in ten is no exception"
    scores[:20] = 12.0
    assert threshold_of(check, scores).value == 4.0, "nobody knows what is usual where so many are bad"
    assert threshold_of(check, scores[-20:]).value == 4.0, "too few to be calm"
    assert threshold_of(check, np.full(40, 5.0)).value == pytest.approx(5.5)


def test_groups_of_a_few_tiles_are_not_as_calm_as_the_dataset() -> None:
    check = replace(made_up(least=4.0, spread=4.0, most=8.0), calm=1.5)
    groups = np.repeat(np.array([0, 1], np.int32), [100, 10])
    scores = np.where(groups == 1, 3.0, 0.1)
    found = thresholds_of(check, np.arange(110), scores, groups, ("a", "b"))
    assert {limit.group: limit.value for limit in found} == {"": 4.0, "a": 1.5}
    (alone,) = thresholds_of(check, np.arange(100), scores[:100], groups[:0], ())
    assert alone.value == 1.5


def test_a_check_says_itself_how_many_tiles_tell_what_is_usual() -> None:
    check = replace(made_up(least=0.5, spread=8.0), enough=5)
    assert threshold_of(check, np.array([1.0, 1, 1, 0, 2])).value == pytest.approx(1.1)
    assert threshold_of(check, np.array([1.0, 1, 1, 2])).value == 0.5


def test_a_layer_that_most_tiles_of_a_group_lack_is_none_that_is_missing() -> None:
    """By design ten tiles of the second group have no mask: the one that lacks its image, too, is found."""
    groups = np.repeat(np.array([0, 1], np.int32), [40, 12])
    lacking = np.array([0.0] * 39 + [1.0] + [0.0] + [1.0] * 10 + [2.0])
    limits = thresholds_of(BY_ID["missing_layer"], np.arange(52), lacking, groups, ("all", "few masks"))
    own = np.array([next(limit.value for limit in limits if limit.group == name) for name in ("all", "few masks")])
    suspicious = certainty(BY_ID["missing_layer"], lacking, own[groups]) >= SUSPICIOUS
    assert np.flatnonzero(suspicious).tolist() == [39, 51]


def test_large_groups_have_thresholds_of_their_own() -> None:
    groups = np.repeat(np.array([0, 1, 2], np.int32), [50, 50, 10])
    scores = np.where(groups == 1, 9.0, 3.0)
    places = np.arange(0, 110, 1)
    found = thresholds_of(made_up(spread=5.0), places, scores, groups, ("a", "b", "c"))
    assert [(limit.group, limit.value, limit.tiles) for limit in found] == [
        ("", pytest.approx(3.3), 110),
        ("a", pytest.approx(3.3), 50),
        ("b", pytest.approx(9.9), 50),
    ]
    assert len(thresholds_of(made_up(), places, scores, groups, ("a", "b", "c"))) == 1
    assert len(thresholds_of(made_up(spread=5.0), places, scores, groups[:0], ())) == 1


def test_of_very_many_tiles_an_even_sample_is_enough() -> None:
    scores = np.random.default_rng(0).normal(5, 1, 3 * SAMPLE)
    groups = np.zeros(len(scores), np.int32)
    (found,) = thresholds_of(made_up(spread=6.0), np.arange(len(scores)), scores, groups, ("one",))
    assert found.tiles == len(scores)
    assert found.value == pytest.approx(threshold_of(made_up(spread=6.0), scores).value, abs=0.1)


# --- certainties


@pytest.mark.parametrize("sharpness", [0.5, 1, 2, 3, 4, 8, 32])
def test_certainty_is_a_half_at_the_threshold_and_grows_with_the_sharpness(sharpness: float) -> None:
    check = made_up(sharpness=sharpness)
    scores = np.array([0, 1, 3, 6, 1e38, np.nan, np.inf])
    found = certainty(check, scores, 3.0)
    expected = [0, 1 / (1 + 3.0**sharpness), SUSPICIOUS, 1 / (1 + 2.0**-sharpness)]
    assert found[:4] == pytest.approx(expected)
    assert found[4:].tolist() == [pytest.approx(1), 0, 1]


@given(
    st.lists(st.floats(0, 2.0**126, width=32), min_size=1),
    st.floats(1e-6, 1e6),
    st.sampled_from([1.0, 2.0, 4.0, 5.5, 8.0, 32.0]),
)
def test_more_is_never_less_certain(scores: list[float], threshold: float, sharpness: float) -> None:
    found = certainty(made_up(sharpness=sharpness), np.sort(np.array(scores, np.float32)), threshold)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


# --- one suspicion


def test_many_small_doubts_are_no_suspicion() -> None:
    assert combined([np.array([0.3])] * 45)[0] == 0.3


def test_two_reasons_are_worse_than_one() -> None:
    alone, both = combined([np.array([0.8, 0.8]), np.array([0.0, 0.6])])
    assert (alone, both) == (pytest.approx(0.8), pytest.approx(0.92))
    assert combined([np.array([0.49]), np.array([0.8])])[0] == pytest.approx(0.8)


def test_tiles_are_weighed_by_their_own_thresholds_without_what_was_refuted() -> None:
    haze, blur = made_up("haze"), made_up("blur")
    scores = {haze: np.array([4.0, 4.0, 4.0, np.nan]), blur: np.array([0.0, 9.0, 9.0, 0.0])}
    limits = {"haze": np.array([2.0, 8.0, 2.0, 2.0]), "blur": 3.0}

    suspicion, suspects = weigh(scores, limits, {"blur": [2], "unknown": [0]})

    assert {check: places.tolist() for check, places in suspects.items()} == {"haze": [0, 2], "blur": [1]}
    sure = 1 / (1 + 2.0**-4)
    assert suspicion.tolist() == pytest.approx([sure, 1 / (1 + 3.0**-4), sure, 0])


# --- all checks there are


def test_every_check_can_be_a_column_and_a_filter() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert all(name.isidentifier() and name.isascii() and name == name.lower() for name in ids)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_has_a_threshold_that_makes_sense(check: Check) -> None:
    assert 0 < check.least <= check.most
    assert check.sharpness > 0
    assert check.title
    assert check.help.endswith(".")
    assert check.why.endswith(".")


def test_a_reason_names_the_layer_by_its_title_and_only_once() -> None:
    layers = [LayerSpec(LayerId("gt_ndsm"), LayerKind.HEIGHT, "Heights above ground")]

    def said(message: str, layer: str) -> str:
        return words_of(Reason("spikes", 9.0, 5.0, 0.9, message, layer), layers)

    assert said("3 spikes", "gt_ndsm") == "Heights above ground: 3 spikes"
    assert said("heights above ground rise by 9 m", "gt_ndsm") == "heights above ground rise by 9 m"
    assert said("62 % of Heights above ground is NaN", "gt_ndsm") == "62 % of Heights above ground is NaN"
    assert said("the gt_ndsms differ", "gt_ndsm") == "Heights above ground: the gt_ndsms differ"
    assert said("3 spikes", "") == "3 spikes"
    assert said("3 spikes", "gone") == "gone: 3 spikes", "a layer that the dataset has no more"
    assert said("", "gt_ndsm") == ""

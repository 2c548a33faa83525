import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.checks.evaluation import area_under_curve, evaluate, found_in_first

values = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=1, max_size=12)


@given(values, values)
def test_the_area_is_the_chance_that_a_spoilt_tile_comes_before_a_clean_one(
    bad: list[float], clean: list[float]
) -> None:
    wins = [1.0 if one > other else 0.5 if one == other else 0.0 for one in bad for other in clean]

    assert area_under_curve(bad, clean) == pytest.approx(np.mean(wins))


def test_who_looks_at_a_tenth_finds_all_when_the_bad_ones_come_first() -> None:
    bad, clean = np.array([0.9, 0.8]), np.linspace(0, 0.5, 100)

    assert found_in_first(bad, clean, bad) == 1.0


def test_bad_tiles_that_nobody_suspects_are_found_by_chance_only() -> None:
    same = np.zeros(50)

    assert found_in_first(same, same, same) == pytest.approx(0.10)


def test_how_many_bad_tiles_there_are_in_the_sample_does_not_matter() -> None:
    dice = np.random.default_rng(1)
    clean = dice.random(1000)
    few, many = dice.random(20) + 0.3, np.repeat(dice.random(20) + 0.3, 30)

    assert found_in_first(few, clean, few) == pytest.approx(
        found_in_first(np.repeat(few, 30), clean, np.repeat(few, 30))
    )
    assert found_in_first(many, clean, many) > 0.10


def test_one_kind_is_found_and_the_other_is_not() -> None:
    suspicions = {f"clean{k}": k / 1000 for k in range(100)} | {"blurred": 0.9, "shifted": 0.0}
    kinds, every, alarms = evaluate(suspicions, {"blurred": "blur", "shifted": "shift", "gone": "blur"}, 0.5)

    assert kinds["blur"].tiles == 1
    assert kinds["blur"].auc == 1.0
    assert kinds["blur"].in_first == 1.0
    assert kinds["shift"].auc < 0.01
    assert kinds["shift"].in_first == 0.0
    assert every.above == 0.5
    assert alarms == 0.0


def test_without_a_clean_tile_nothing_can_be_said() -> None:
    with pytest.raises(ValueError, match="clean"):
        evaluate({"a": 0.5}, {"a": "blur"}, 0.5)

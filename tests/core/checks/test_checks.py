"""All checks as a set: what is remembered, filtered and refuted by their ids, and said to people in their words."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Check, Topic, amount, percent
from rsviewer.core.review import ANOMALIES
from tests.core.checks.subjects import signs, subject

UNITS = {"", "px", "%", "m", "times", "lines", "of 255"}
"""That are written after a number."""

each = pytest.mark.parametrize("check", CHECKS, ids=[check.id for check in CHECKS])


def check_sentence(words: str) -> None:
    assert words[0].isupper() or words[0].isdigit(), words
    assert words.endswith("."), words
    assert words.isprintable()
    assert "  " not in words


def test_no_two_checks_have_an_id_or_a_title_in_common() -> None:
    for names in ([check.id for check in CHECKS], [check.title for check in CHECKS]):
        assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(BY_ID) == len(CHECKS)


def test_checks_are_listed_by_topic() -> None:
    order = list(dict.fromkeys(check.topic for check in CHECKS))
    assert order == list(Topic)


@each
def test_an_id_is_a_lower_case_identifier(check: Check) -> None:
    """It is part of a column's name, `check_<id>`, and typed into filters."""
    assert check.id.isidentifier()
    assert check.id.isascii()
    assert check.id == check.id.lower()
    assert len(check.id) <= 20


@each
def test_confirming_it_puts_a_tag_on_the_tile_that_there_is(check: Check) -> None:
    assert check.tag in {anomaly.tag for anomaly in ANOMALIES}


@each
def test_a_threshold_is_above_nothing_and_has_its_range(check: Check) -> None:
    assert 0 < check.least < math.inf
    assert check.lowest <= check.least <= check.most
    assert check.sharpness > 0
    if check.rare is not None:
        assert 0 < check.rare < 1
        assert math.isfinite(check.most)
    elif check.spread is None:
        assert math.isinf(check.most), "nobody would ever see it"
    else:
        assert check.spread > 0


@each
def test_it_is_said_what_it_is_and_why_it_is_suspicious(check: Check) -> None:
    assert check.unit in UNITS
    assert check.title[0].isupper()
    assert not check.title.endswith(".")
    assert len(check.title) <= 45, "a line of the panel"
    check_sentence(check.help)
    check_sentence(check.why)


def test_numbers_are_said_with_as_many_digits_as_people_want() -> None:
    assert [percent(value) for value in (0.05, 3.64, 9.96, 100.0)] == ["0.05 %", "3.6 %", "10 %", "100 %"]
    found = [amount(value, "m") for value in (0.351, 211.5, -17_480.0, 1e38)]
    assert found == ["0.351 m", "212 m", "-17,480 m", "1e+38 m"]


def fill(kind: str, shape: tuple[int, int]) -> Any:
    dice = np.random.default_rng(0)
    noise = dice.normal(5, 3, shape).astype(np.float32)
    holes = dice.random(shape) < 0.5
    return {
        "noise": noise,
        "nothing": np.zeros(shape, np.float32),
        "NaN": np.where(holes, np.float32(np.nan), noise),
        "infinite": np.where(holes, np.float32(np.inf), np.float32(3)),
    }[kind]


@pytest.mark.parametrize("kind", ["noise", "nothing", "NaN", "infinite"])
@pytest.mark.parametrize(
    "shape", [(8, 60_000), (60_000, 8), (3, 9_000), (64, 12_000), (1, 1), (65, 65), (200, 3)], ids=str
)
def test_tiles_of_any_shape_get_scores(shape: tuple[int, int], kind: str) -> None:
    """Long strips as well: what is thinned out to a number of pixels has nothing left across them."""
    heights = fill(kind, shape)
    picture = np.stack([np.nan_to_num(heights, posinf=0).astype(np.uint8)] * 3)
    looked_at = subject(evidence=True, ndsm=heights, dem=heights, image=picture, landcover=picture[:1] % 5)
    for check in CHECKS:
        if check.run is not None:
            assert all(math.isfinite(sign.score) and sign.score >= 0 for sign in signs(check, looked_at)), check.id

"""Captions that say nothing, and such as no person wrote."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.checks.texts import CHECKS
from tests.core.checks.subjects import score, signs, subject, town

EMPTY, ODD = CHECKS

GOOD = (
    "a river with a bridge, and houses on its left bank",
    "A satellite image of Walla Walla airport in Washington",
    "an aerial image of multiple buildings; way: 3",
    "amenity of parking, surface of asphalt",
    "Fields & hedges near Köln — 2019, R&D centre <5 km away",
    "Straße, château, jalapeño farm, Łódź, Ærø, São Tomé",
    "a school named École Élémentaire Nº 5 in Montréal, 12 °C",
    "飛行場の航空写真",
    "上海浦东国际机场",
    "بحيرة وجسر",
    "very very large storage tank",
    "farmland, 3 x 4 m",
)


@pytest.mark.parametrize("caption", GOOD)
def test_what_people_write_is_not_suspicious(caption: str) -> None:
    assert score(EMPTY, subject(caption=caption)) == 0
    assert score(ODD, subject(caption=caption)) == 0


@pytest.mark.parametrize(
    "caption", ["", "   ", "\n", "...", "- - -", "NaN", "null", "None.", "N/A", "no caption", "TODO", "<NA>", "42"]
)
def test_captions_that_say_nothing_are_found(caption: str) -> None:
    assert score(EMPTY, subject(caption=caption)) >= 90


def test_a_single_word_is_little_and_is_quoted() -> None:
    (sign,) = signs(EMPTY, subject(caption="Forest"))
    assert EMPTY.least < sign.score < 90
    assert sign.message == 'the caption is a single word: "Forest"'
    assert sign.layer == "caption"


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("see https://example.org/tile/17 for more", "an address"),
        ("written by someone@example.org near the lake", "an address"),
        ("a <b>large</b> field", "markup"),
        ("fields &amp; woods in autumn", "markup"),
        ("a village near MÃ¼nchen with a church", "damaged characters"),
        ("the townâ€™s harbour at noon", "damaged characters"),
        ("a village near M\ufffdnchen", "could not be read"),
        ("a t\udcfcr near the wall", "could not be read"),
        ("a field\x00 with trees", "control characters"),
        ("an image of {{name}} from above", "left behind"),
        ("a field\\nwith trees", "left behind"),
        ("I'm sorry, but I cannot see the image you mention", "an answer of a program"),
        ("a road and road road road, too", "again and again"),
        ("a house and a tree and a house and a tree and a house and a tree and a house and a tree", "different ones"),
    ],
)
def test_what_does_not_belong_into_a_caption_is_named(caption: str, words: str) -> None:
    (sign,) = signs(ODD, subject(caption=caption))
    assert sign.score >= 1
    assert words in sign.message


def test_tiles_without_captions_are_left_alone() -> None:
    for looked_at in (subject(image=town().image), subject(caption=None)):
        assert not signs(EMPTY, looked_at)
        assert not signs(ODD, looked_at)


def test_a_caption_of_a_megabyte_takes_no_time() -> None:
    for piece in ("a ", "<", "word ", "&", "{{", "x@", "Ã", "aa-"):
        looked_at = subject(caption=piece * 300_000)
        assert all(math.isfinite(score(check, looked_at)) for check in CHECKS)


@given(st.text())
def test_no_text_is_too_odd(caption: str) -> None:
    for check in CHECKS:
        (sign,) = signs(check, subject(caption=caption))
        assert sign.score >= 0
        assert sign.message.isprintable()

import numpy as np
import pytest

from rsviewer.batch.keys import INK, Bar, Key, range_words, with_key
from rsviewer.core.stretch import Range
from rsviewer.data.resources import color_table

WHITE = 0xFFFFFFFF
INKED = 0xFF000000 | int(INK[1:], 16)


def bar(low: float, high: float, unit: str = "m") -> Bar:
    return Bar(color_table("viridis"), Range(low, high), unit)


def strip(key: Key, height: int = 512) -> np.ndarray:
    """What was drawn beside a picture of that height."""
    pixels = np.full((height, 7), 0x12345678, np.uint32)
    whole = with_key(pixels, key)
    assert (whole[:height, :7] == pixels).all(), "the picture stays as it is"
    assert (whole[height:, :7] == WHITE).all()
    return whole[:, 7:]


@pytest.mark.parametrize("height", [1, 32, 512, 5000])
def test_a_colour_bar_goes_from_the_low_colour_below_to_the_high_one_above(height: int) -> None:
    drawn = strip(Key(bar=bar(0, 40)), height)

    column = drawn[:, drawn.shape[1] // 6]
    colors = [0xFF000000 | int.from_bytes(bytes(color)) for color in color_table("viridis")]
    places = [colors.index(int(pixel)) for pixel in column if int(pixel) in colors]
    assert (places[0], places[-1]) == (255, 0)
    assert places == sorted(places, reverse=True)
    assert drawn.shape[0] >= height
    assert len(places) >= 100
    assert (drawn == INKED).any(), "and has numbers"


def test_strips_of_one_kind_are_of_one_size_whatever_their_numbers() -> None:
    drawn = [strip(Key(bar=bar(low, high))) for low, high in ((0, 1), (-4000, 4000), (0.001, 0.002), (5, 5))]

    assert len({each.shape for each in drawn}) == 1


def test_a_number_of_any_size_has_room() -> None:
    for low, high in ((-1e300, 1e300), (1e-300, 2e-300), (123456789.001, 123456789.002), (-1.7e308, 1.7e308)):
        drawn = strip(Key(bar=bar(low, high)))
        assert (drawn[:, -3:] == WHITE).all(), "no digit is cut off"


def test_classes_have_their_colours_and_a_short_picture_gets_longer() -> None:
    classes = tuple((f"class {number}", (number, 100, 200)) for number in range(30))

    drawn = strip(Key(("land cover",), classes), 64)

    assert drawn.shape[0] > 30 * 12
    for number in range(30):
        assert (drawn == 0xFF000000 | number << 16 | 100 << 8 | 200).any()


def test_long_strange_and_empty_words_do_no_harm() -> None:
    words = (
        "",
        "w" * 5000,
        "two\nlines\x1b[31m",
        "\udcfc",
        "\N{CJK UNIFIED IDEOGRAPH-6E05}" * 3,
        "mean height above ground " * 9,
    )

    drawn = strip(Key(words, (("x" * 300, (1, 2, 3)), ("", (4, 5, 6)))))

    assert drawn.shape == strip(Key(("a",))).shape
    assert (drawn[:, -3:] == WHITE).all()


def test_nothing_to_say_is_a_margin() -> None:
    assert (strip(Key()) == WHITE).all()


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (Range(0.0, 17.68), ("0.0", "17.7")),
        (Range(-3.0, 2.0), ("\N{MINUS SIGN}3.00", "2.00")),
        (Range(412.0, 3817.5), ("412", "3818")),
        (Range(0.0, 1.0), ("0.00", "1.00")),
        (Range(5.0, 5.0), ("5.000", "5.000")),
        (Range(0.0, 0.0), ("0", "0")),
        (Range(0.0, 2.5e9), ("0", "2.5e+09")),
        (Range(0.0, 2e-9), ("0", "2e-09")),
    ],
)
def test_both_ends_are_said_as_exactly_as_it_takes(ends: Range, words: tuple[str, str]) -> None:
    assert range_words(ends) == words

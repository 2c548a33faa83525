"""Bands are found by what they are called, and numbers mean something only where it is sure what."""

import pytest

from rsviewer.core.bands import bands_of, found_bands

RGB = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("Red", "GREEN", "blue"), (0, 1, 2)),
        (("B", "G", "R", "NIR"), (2, 1, 0)),
        (("B2", "B3", "B4", "B8A"), (2, 1, 0)),
        (("B02", "B03", "B04", "B08"), (2, 1, 0)),
        (("B04", "B03", "B02"), (0, 1, 2)),
        (("band 2", "band 3", "band 4", "band 8", "band 11", "band 12"), (2, 1, 0)),
        (("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"), (3, 2, 1)),
        (("coastal", "blue", "red", "green"), (2, 3, 1)),
    ],
)
def test_red_green_and_blue_are_found_by_any_of_their_names(names: tuple[str, ...], places: tuple[int, ...]) -> None:
    assert found_bands(RGB, names) == places


@pytest.mark.parametrize(
    "names",
    [
        ("band 1", "band 2", "band 3", "band 4"),
        ("B01", "B02", "B03", "B04"),
        ("B2", "B3", "B4"),
        ("band_02", "band_03", "band_04"),
        tuple(f"B{number}" for number in range(1, 13)),
        ("B02", "B03", "B04", "B05", "B06", "B07"),  # Landsat in HLS, whose band 5 is infrared
        ("first", "second", "third"),
        ("", "", ""),
    ],
)
def test_a_number_alone_does_not_say_what_a_band_is(names: tuple[str, ...]) -> None:
    assert bands_of(names) == ("",) * len(names)
    assert found_bands(RGB, names) is None


def test_the_very_same_name_is_found_even_where_nobody_knows_what_it_means() -> None:
    assert found_bands(("thermal", "B4"), ("B3", "B4", "Thermal")) == (2, 1)


def test_a_card_may_name_the_bands_of_sentinel_2_and_the_file_their_light() -> None:
    wanted = ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")
    assert bands_of(wanted) == ("blue", "green", "red", "nir", "narrownir", "swir1", "swir2")
    assert found_bands(wanted[:4], ("red", "green", "blue", "near infrared")) == (2, 1, 0, 3)
    assert found_bands(("B04", "B8A"), ("narrow nir", "red")) == (1, 0)


def test_a_band_that_is_not_there_is_not_found() -> None:
    assert found_bands(("red", "nir"), ("red", "green", "blue")) is None
    assert found_bands((), ("red",)) == ()

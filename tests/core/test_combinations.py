"""A combination of bands by name shows what its formula says, over a range that means the same on every tile."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rsviewer.core.combinations import Channel, Combination, Operation, bands, index
from rsviewer.core.combining import channel_of, combined, fits, value_at
from rsviewer.core.readout import reading
from rsviewer.core.render import Range, paint
from rsviewer.core.scene import Pane, compose, frame_of
from rsviewer.core.style import RangeMode, Style, combination_of, default_style, with_bands, with_combination
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.resources import color_table

RGB = bands("True colour", 2, 1, 0, low=0.0, high=3000.0)
NDVI = index("NDVI", 3, 2, "RdYlGn")
VV = Combination("VV", (Channel(Operation.BAND, 0),), -25.0, 0.0, "grey")
S1 = Combination(
    "S1 composite",
    (
        Channel(Operation.BAND, 0, low=-25.0, high=0.0),
        Channel(Operation.BAND, 1, low=-30.0, high=-5.0),
        Channel(Operation.DIFFERENCE, 0, 1, low=0.0, high=20.0),
    ),
)
S2 = LayerSpec(LayerId("s2"), LayerKind.OPTICAL, "S2", bands=("B2", "B3", "B4", "B8"), combinations=(RGB, NDVI))
RADAR = LayerSpec(LayerId("s1"), LayerKind.SAR, "S1", "dB", bands=("VV", "VH"), combinations=(S1, VV))


def raster(*values: Any, dtype: str = "uint16", valid: Any = True) -> Raster:
    """One band for each argument, a number or (height, width)."""
    pixels = np.stack([np.broadcast_to(np.asarray(value, dtype), (2, 2)) for value in values])
    return Raster(pixels, np.broadcast_to(np.asarray(valid), pixels.shape))


def composed(content: Raster, spec: LayerSpec, style: Style) -> Pane:
    painted = paint(content, spec, style, color_table(style.color_table))
    return compose(0, TileId("t"), spec, content, painted, frame=frame_of([(spec, content)]), style=style)


def test_an_index_of_unsigned_numbers_is_their_normalised_difference() -> None:
    found = channel_of(raster(0, 0, 3000, 1000), NDVI.channels[0])
    assert found.values.tolist() == [[-0.5, -0.5], [-0.5, -0.5]]
    assert (found.minimum, found.maximum, found.count, found.usable) == (-0.5, -0.5, 4, None)


def test_an_index_has_no_value_where_a_band_has_none_or_where_nothing_is_reflected() -> None:
    valid = np.ones((4, 2, 2), bool)
    valid[2, 0, 0] = False
    valid[3, 0, 1] = False
    content = raster(9, 9, [[1, 1], [0, 1]], [[3, 3], [0, 3]], valid=valid)
    found = channel_of(content, NDVI.channels[0])
    assert found.usable is not None
    assert found.usable.tolist() == [[False, False], [False, True]]
    assert [value_at(content, NDVI.channels[0], column, row) for row in (0, 1) for column in (0, 1)] == [
        None,
        None,
        None,
        0.5,
    ]
    painted = paint(content, S2, with_combination(S2, default_style(S2), "NDVI"), color_table("viridis"))
    assert (painted.pixels != 0).tolist() == [[False, False], [False, True]]
    assert painted.valid_share == 0.25


@given(hnp.arrays(st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]), (4, 2, 2)))
def test_no_values_can_break_a_combination(pixels: Any) -> None:
    content = Raster(pixels.copy(), np.broadcast_to(np.True_, pixels.shape))
    for combination in (RGB, NDVI, S1, VV):
        spec = replace(S2, combinations=(combination,))
        painted = paint(content, spec, default_style(spec), color_table("grey"))
        assert painted.combination is combination
        assert painted.pixels.shape == (2, 2)
        assert combined(content, combination).bands == len(combination.channels)


def test_an_index_has_the_same_colours_on_every_tile() -> None:
    style = with_combination(S2, default_style(S2), "NDVI")
    table = color_table(style.color_table)
    dull, bright = (
        paint(raster(0, 0, 1000, [[1000, nir], [nir, nir]]), S2, style, table).pixels[0, 0] for nir in (1100, 9000)
    )
    assert dull == bright
    assert paint(raster(0, 0, 1000, 1000), S2, style, table).ranges == (Range(-1.0, 1.0),)
    blank = paint(raster(0, 0, 0, 0), S2, style, table)
    assert (blank.ranges, blank.valid_share) == ((Range(-1.0, 1.0),), 0.0)


def test_an_index_is_as_bright_as_its_colour_bar_says_whatever_the_gamma() -> None:
    style = with_combination(S2, default_style(S2), "NDVI")
    content, table = raster(0, 0, 1000, 3000), color_table(style.color_table)
    assert np.array_equal(
        paint(content, S2, style, table).pixels, paint(content, S2, replace(style, gamma=2.0), table).pixels
    )


def test_the_range_of_the_bands_in_the_dataset_is_not_that_of_an_index() -> None:
    style = replace(with_combination(S2, default_style(S2), "NDVI"), range_mode=RangeMode.DATASET, percent=0.0)
    content = raster(0, 0, 1000, [[1000, 3000], [3000, 3000]])
    painted = paint(content, S2, style, color_table("grey"), sample=Range(200.0, 4000.0))
    assert painted.ranges == (Range(0.0, 0.5),)
    colors = replace(default_style(S2), range_mode=RangeMode.DATASET)
    assert paint(content, S2, colors, color_table("grey"), sample=Range(200.0, 4000.0)).ranges == (
        Range(200.0, 4000.0),
    )


def test_three_bands_are_red_green_and_blue_in_the_order_of_the_combination() -> None:
    style = replace(default_style(S2), range_mode=RangeMode.USUAL)
    painted = paint(raster(0, 1500, 3000, 7), S2, style, color_table("grey"))
    assert painted.bands == (2, 1, 0)
    assert hex(painted.pixels[0, 0]) == "0xffff8000"
    assert painted.ranges == (Range(0.0, 3000.0),)


def test_each_channel_of_radar_has_a_range_of_its_own() -> None:
    painted = paint(raster(-25, -5, dtype="float32"), RADAR, default_style(RADAR), color_table("grey"))
    assert painted.ranges == (Range(-25.0, 0.0), Range(-30.0, -5.0), Range(0.0, 20.0))
    assert hex(painted.pixels[0, 0]) == "0xff00ff00", "VV - VH is -20 dB: below its range"


def test_a_channel_without_a_usual_range_is_stretched() -> None:
    free = replace(S2, combinations=(bands("free", 0, 1, 2),))
    content = raster([[0, 10], [20, 30]], 5, 5, 5)
    painted = paint(content, free, Style(range_mode=RangeMode.USUAL, percent=0.0), color_table("grey"))
    assert painted.ranges[0] == Range(0.0, 30.0)


def test_a_file_with_fewer_bands_is_shown_as_if_there_were_no_names() -> None:
    content = raster(1, 2, 3)
    assert not fits(content, NDVI)
    painted = paint(content, S2, with_combination(S2, default_style(S2), "NDVI"), color_table("grey"))
    assert (painted.combination, painted.bands) == (None, (0, 1, 2))


def test_bands_chosen_by_hand_win() -> None:
    style = with_bands(S2, with_combination(S2, default_style(S2), "NDVI"), (0, 1, 3))
    assert combination_of(S2, style) is None
    assert (style.range_mode, style.color_table) == (RangeMode.PERCENTILE, "grey"), "not the range of the index"
    assert paint(raster(1, 2, 3, 4), S2, style, color_table("grey")).bands == (0, 1, 3)


def test_the_first_combination_is_the_default_and_an_unknown_name_means_it() -> None:
    assert combination_of(S2, default_style(S2)) is RGB
    assert combination_of(S2, Style(combination="of another dataset")) is RGB
    assert with_combination(S2, with_combination(S2, default_style(S2), "NDVI"), "True colour") == default_style(S2)
    with pytest.raises(KeyError):
        with_combination(S2, Style(), "NDWI")


def test_going_from_colour_to_colour_keeps_the_stretch_that_the_user_chose() -> None:
    spec = replace(S2, combinations=(RGB, bands("False colour", 3, 2, 1)))
    fixed = replace(default_style(spec), range_mode=RangeMode.FIXED, low=100.0, high=900.0)
    assert with_combination(spec, fixed, "False colour") == replace(fixed, combination="False colour")


def test_decibels_are_shown_over_a_fixed_range() -> None:
    plain = replace(RADAR, combinations=())
    style = default_style(plain)
    assert (style.range_mode, style.low, style.high) == (RangeMode.FIXED, -25.0, 0.0)
    assert with_bands(RADAR, default_style(RADAR), (1,)) == replace(style, bands=(1,))
    assert default_style(replace(plain, unit="")).range_mode is RangeMode.PERCENTILE
    again = with_combination(RADAR, with_bands(RADAR, default_style(RADAR), (1,)), "S1 composite")
    assert again == default_style(RADAR)


def test_a_layer_that_is_no_image_has_no_combinations() -> None:
    height = replace(S2, kind=LayerKind.HEIGHT)
    assert combination_of(height, Style()) is None
    assert default_style(height) == default_style(replace(height, combinations=()))


def test_the_pane_of_an_index_has_a_colour_bar_without_unit_and_says_its_name() -> None:
    pane = composed(raster(0, 0, 1000, 3000), S2, with_combination(S2, default_style(S2), "NDVI"))
    assert pane.colorbar is not None
    assert (pane.colorbar.low, pane.colorbar.high, pane.colorbar.unit) == (-1.0, 1.0, "")
    assert pane.colorbar.table == "RdYlGn"
    assert pane.caption.startswith("NDVI  ·  0.50 .. 0.50")
    assert pane.how == "NDVI  ·  (B8 - B4) / (B8 + B4)  ·  -1 .. 1"


def test_the_pane_of_one_band_of_radar_has_a_colour_bar_in_its_unit() -> None:
    pane = composed(raster(-20, -15, dtype="float32"), RADAR, with_combination(RADAR, default_style(RADAR), "VV"))
    assert pane.colorbar is not None
    assert (pane.colorbar.low, pane.colorbar.high, pane.colorbar.unit) == (-25.0, 0.0, "dB")


def test_the_pane_of_three_channels_says_what_they_are() -> None:
    pane = composed(raster(-20, -15, dtype="float32"), RADAR, default_style(RADAR))
    assert pane.colorbar is None
    assert pane.how == "S1 composite  ·  VV, VH, VV - VH  ·  -25 .. 0, -30 .. -5, 0 .. 20"
    assert "S1 composite" not in pane.caption


def test_the_readout_says_the_index_before_the_bands() -> None:
    content = raster(10, 20, 1000, [[3000, 3000], [3000, 2510]])
    frame = frame_of([(S2, content)])
    assert frame is not None
    assert reading(S2, content, frame, 1, 1, shown=NDVI).text == "NDVI 0.43  10  20  1000  2510"
    assert reading(S2, content, frame, 1, 1, shown=RGB).text == "10  20  1000  2510"
    assert reading(S2, raster(0, 0, 0, 0), frame, 0, 0, shown=NDVI).text == "NDVI -  0  0  0  0"
    assert reading(S2, raster(1, 2, 3), frame, 0, 0, shown=NDVI).text == "1  2  3"


def test_a_pixel_that_lacks_one_of_three_bands_is_drawn_and_that_is_said() -> None:
    pixels = np.full((3, 10, 10), 5, np.float32)
    pixels[0, 0, :3] = np.nan
    valid = np.isfinite(pixels)
    spec = LayerSpec(LayerId("s1"), LayerKind.SAR, "S1", bands=("VV", "VH", "x"))
    painted = paint(Raster(pixels, valid), spec, Style(bands=(0, 1, 2)), color_table("grey"))
    assert "3.0 % of the pixels lack a band" in painted.note
    whole = paint(
        Raster(np.full((3, 10, 10), 5, np.float32), np.ones((3, 10, 10), np.bool_)), spec, Style(), color_table("grey")
    )
    assert "lack" not in whole.note

import math
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.tiling import (
    Box,
    Edge,
    Grid,
    Shift,
    Window,
    Windows,
    after,
    area_name,
    block_side,
    inverse,
    numbered,
    placed,
    rounded,
    shift_between,
    snapped,
    valid_share,
)


def starts(length: int, size: int, stride: int, edge: Edge) -> list[tuple[int, int]]:
    """(first column, columns on the raster) of a row of windows."""
    return [(window.left, window.width) for window in Windows(length, size, size, stride, edge)]


def test_what_is_too_small_for_a_tile_is_dropped_padded_or_moved_back() -> None:
    assert starts(10, 4, 4, Edge.DROP) == [(0, 4), (4, 4)]
    assert starts(10, 4, 4, Edge.PAD) == [(0, 4), (4, 4), (8, 2)]
    assert starts(10, 4, 4, Edge.SHIFT) == [(0, 4), (4, 4), (6, 4)]


@pytest.mark.parametrize("edge", Edge)
def test_a_raster_of_whole_tiles_has_no_rest(edge: Edge) -> None:
    assert starts(8, 4, 4, edge) == [(0, 4), (4, 4)]


def test_a_raster_smaller_than_a_tile_is_padded_at_most() -> None:
    assert starts(3, 4, 4, Edge.DROP) == []
    assert starts(3, 4, 4, Edge.PAD) == [(0, 3)]
    assert starts(3, 4, 4, Edge.SHIFT) == [(0, 3)]


def test_tiles_overlap_or_leave_gaps_by_their_stride() -> None:
    assert starts(10, 4, 2, Edge.DROP) == [(0, 4), (2, 4), (4, 4), (6, 4)]
    assert starts(11, 4, 3, Edge.PAD) == [(0, 4), (3, 4), (6, 4), (9, 2)]
    assert starts(10, 2, 10, Edge.PAD) == [(0, 2)], "none begins beyond the edge"


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([Edge.PAD, Edge.SHIFT]),
)
def test_nothing_is_lost_but_where_it_is_dropped(width: int, height: int, size: int, stride: int, edge: Edge) -> None:
    windows = Windows(width, height, size, min(stride, size), edge)
    seen = np.zeros((height, width), bool)
    for window in windows:
        assert window.width > 0
        assert window.height > 0
        seen[window.top : window.top + window.height, window.left : window.left + window.width] = True
    assert seen.all()


def test_windows_are_numbered_along_the_rows_and_found_by_number() -> None:
    windows = Windows(9, 5, 2, 2)

    assert (windows.columns, windows.rows, len(windows)) == (4, 2, 8)
    assert windows[5] == Window(5, 1, 1, 2, 2, 2, 2)
    assert windows[-1] == windows[7] == list(windows)[7]
    assert list(windows[2:4]) == [windows[2], windows[3]]
    with pytest.raises(IndexError):
        windows[8]


def test_millions_of_windows_cost_nothing_before_they_are_asked_for() -> None:
    tracemalloc.start()
    windows = Windows(1_000_000, 1_000_000, 512, 512)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 10_000
    assert len(windows) == 1953**2
    assert windows[3_000_000].number == 3_000_000
    assert len(pickle.dumps(windows)) < 1000


def test_names_tell_the_number_or_the_place() -> None:
    windows = Windows(5120, 51200, 512, 512)

    assert numbered(windows[731]) == "tile_731"
    assert placed(windows[731], windows) == "r73_c1"
    assert placed(windows[5], windows) == "r00_c5"
    assert placed(Window(0, 0, 0, 0, 0, 1, 1), Windows(1, 1, 1, 1)) == "r0_c0"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Japan+Korea", "Japan+Korea"),
        ("my ortho.v2 (final)", "my_ortho.v2_(final)"),
        ("東京 2020", "東京_2020"),
        ("../etc/passwd", "etc_passwd"),
        ("...", "area"),
        ("", "area"),
        ("x" * 300, "x" * 80),
    ],
)
def test_an_area_is_called_what_any_folder_can_be_called(stem: str, name: str) -> None:
    assert area_name(stem) == name
    assert area_name(name) == name


def test_the_valid_share_is_of_the_pixels_on_the_raster_that_all_bands_have() -> None:
    valid = np.ones((2, 4, 4), bool)
    valid[0, 0, 0] = valid[1, 0, 1] = False
    valid[:, 2:] = False

    assert valid_share(valid, Window(0, 0, 0, 0, 0, 4, 4)) == 6 / 16
    assert valid_share(valid, Window(0, 0, 0, 0, 0, 4, 2)) == 6 / 8, "what is padded does not count"


@pytest.mark.parametrize(
    ("size", "stride", "side"),
    [(512, 512, 512), (512, 256, 256), (512, 300, 128), (64, 64, 64), (20, 7, 32), (1, 1, 1)],
)
def test_blocks_fit_windows(size: int, stride: int, side: int) -> None:
    assert block_side(size, stride) == side


def test_boxes_meet_join_and_are_cut() -> None:
    one, other = Box(0, 0, 10, 10), Box(5.5, -3, 20, 4.2)

    assert one.within(other) == Box(5.5, 0, 10, 4.2)
    assert one.within(other).whole() == Box(6, 0, 10, 4)
    assert one.around(other) == Box(0, -3, 20, 10)
    assert one.meets(other)
    assert not one.meets(Box(10, 0, 12, 10))
    assert Box(0.4, 0, 0.9, 5).is_empty
    assert Box(3, 0, 1, 5).size == 0
    assert Box(0.001, 0, 9.999, 4).whole() == Box(0, 0, 10, 4), "rounding takes no pixel away"


def test_a_part_of_a_grid_lies_where_it_was() -> None:
    grid = Grid(100, 100, (0.5, 0.0, 1000.0, 0.0, -0.5, 2000.0), "EPSG:32632")

    assert grid.part(Box(10, 20, 30, 60)) == Grid(20, 40, (0.5, 0.0, 1005.0, 0.0, -0.5, 1990.0), "EPSG:32632")
    assert Grid(8, 8).part(Box(1, 1, 3, 3)) == Grid(2, 2)


def test_new_grids_begin_at_multiples_of_their_pixels_so_that_areas_fit_together() -> None:
    grid = snapped((1001.3, 500.2, 1004.9, 503.0), 0.5)

    assert grid == Grid(8, 6, (0.5, 0.0, 1001.0, 0.0, -0.5, 503.0))
    assert snapped((1001.0 + 1e-9, 500.0, 1004.0 - 1e-9, 503.0), 0.5).width == 6, "but for rounding"


def test_a_size_is_rounded_to_what_can_be_said() -> None:
    assert [rounded(value) for value in (27.5963, 0.50000001, 1234.0)] == [27.6, 0.5, 1230.0]


def test_grids_that_differ_by_whole_pixels_are_told_from_others() -> None:
    nodes = np.array([0.0, 10.0, 0.0, 10.0]), np.array([0.0, 0.0, 10.0, 10.0])

    assert shift_between((nodes[0] + 3.001, nodes[1] - 2), nodes) == Shift(3, -2)
    assert shift_between((nodes[0] + 3.2, nodes[1]), nodes) is None
    assert shift_between((nodes[0] * 1.01, nodes[1]), nodes) is None
    assert shift_between((nodes[1], nodes[0]), nodes) is None, "turned"
    assert shift_between((np.array([0, math.nan, 0, 10.0]), nodes[1]), nodes) is None


def test_transforms_are_put_together_and_undone() -> None:
    turned, shrunk = (0.0, 2.0, 100.0, -2.0, 0.0, 50.0), (0.5, 0.0, 3.0, 0.0, 0.25, 4.0)

    assert after(turned, shrunk) == (0.0, 0.5, 108.0, -1.0, 0.0, 44.0)
    assert after(inverse(turned), turned) == (1, 0, 0, 0, 1, 0)

"""A picture drawn in parts is the picture drawn at once; edges are smooth; and nothing is nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.drawing import Drawing
from rsviewer.core.enlarging import enlarge, patches, see_through
from rsviewer.core.relief import Together
from rsviewer.core.render import Pixels
from tests.core.spaces import cloud, drawing, hill, relief, splat


def drawn(wanted: Drawing, **how: object) -> Pixels:
    picture = np.zeros((wanted.height, wanted.width), np.uint32)
    for _ in enlarge(wanted, splat, picture, **how):
        pass
    return picture


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("together", [Together.ALONE, Together.BESIDE])
def test_parts_of_a_picture_fit_together_without_seams(smooth: bool, together: Together) -> None:
    shown = relief(cloud(hill()), cloud(hill() + 3, "DSM"), together=together)
    wanted = drawing(161, 119, relief=shown)
    at_once = drawn(wanted, smooth=smooth)
    assert len(patches(wanted, smooth=smooth, at_once=64)) > 6
    assert (drawn(wanted, smooth=smooth, at_once=64) == at_once).all()
    assert len(np.unique(at_once)) > 100


def test_no_part_is_larger_than_can_be_drawn_at_once() -> None:
    for part in patches(drawing(1000, 300), at_once=128):
        assert max(part.drawing.width, part.drawing.height) <= 128


@given(st.integers(1, 300), st.integers(1, 300), st.integers(24, 200), st.booleans())
def test_parts_cover_every_pixel_once(width: int, height: int, at_once: int, smooth: bool) -> None:
    covered = np.zeros((height, width), int)
    for part in patches(drawing(width, height), smooth=smooth, at_once=at_once):
        covered[part.top : part.top + part.height, part.left : part.left + part.width] += 1
        whole = np.zeros((part.drawing.height, part.drawing.width), np.uint32)
        assert part.settled(whole).shape == (part.height, part.width)
    assert (covered == 1).all()


def test_edges_are_smooth_and_dots_no_smaller() -> None:
    """Between dot and background lie mixtures, and the dots cover as much as without."""
    wanted = replace(drawing(), background=(0, 0, 0))
    hard, soft = drawn(wanted, smooth=False), drawn(wanted)
    assert len(np.unique(soft)) > 2 * len(np.unique(hard))
    assert (soft & 0xFFFFFF > 0).sum() == pytest.approx((hard & 0xFFFFFF > 0).sum(), rel=0.1)


def test_progress_counts_the_parts() -> None:
    wanted = drawing()
    steps = list(enlarge(wanted, splat, np.zeros((120, 160), np.uint32), at_once=128))
    assert steps == [(number, len(steps)) for number in range(1, len(steps) + 1)]


def test_the_background_becomes_nothing_and_the_tile_stays_as_it_is() -> None:
    opaque, clear = drawn(drawing(), smooth=False), drawn(drawing(), smooth=False, transparent=True)
    background = opaque == 0xFF1E1E1E
    assert background.any()
    assert not background.all()
    assert (clear[background] == 0).all()
    assert (clear[~background] == opaque[~background]).all()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(1, 255))
def test_what_lets_the_background_through_half_is_half_there(red: int, blue: int, alpha: int) -> None:
    def over(ground: int) -> Pixels:
        parts = [round((channel * alpha + ground * (255 - alpha)) / 255) for channel in (red, 77, blue)]
        return np.array([[0xFF000000 | parts[0] << 16 | parts[1] << 8 | parts[2]]], np.uint32)

    value = int(see_through(over(0), over(255))[0, 0])
    assert abs((value >> 24) - alpha) <= 1
    for shift, channel in ((16, red), (8, 77), (0, blue)):
        assert abs((value >> shift & 0xFF) - channel) <= 2 + 255 / alpha

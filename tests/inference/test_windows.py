"""Cutting and putting together again."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.model import Fill, Framing
from rsviewer.inference.windows import Mosaic, canvas, cut_out, halved, limited, plan, round_up

OFFICIAL = Framing("official", window=1022, stride=511, multiple=14, fill=Fill.ZERO, whole=True)
PAD = Framing("pad", window=518, multiple=14)
PAPER = Framing("paper", window=504, multiple=14, crop=504)

sides = st.integers(1, 200)
framings = st.builds(
    Framing,
    id=st.just("any"),
    window=st.integers(0, 120),
    stride=st.sampled_from([0, 15, 16, 31, 57, 150]),
    multiple=st.integers(13, 40) | st.just(28),
    fill=st.sampled_from(Fill),
    crop=st.integers(0, 150),
    whole=st.booleans(),
)


def blended(pixels: torch.Tensor, framing: Framing) -> torch.Tensor:
    """A tile through a network that answers with what it is given."""
    cut = plan(pixels.shape[1], pixels.shape[2], framing)
    filled = canvas(pixels, cut, torch.zeros(len(pixels)))
    mosaic = Mosaic(cut, pixels.device)
    for number in range(cut.count):
        mosaic.add(number, cut_out(filled, cut, [number])[0])
    return mosaic.tile()


def cropped(pixels: torch.Tensor, crop: int) -> torch.Tensor:
    height, width = (min(crop, side) if crop else side for side in pixels.shape[1:])
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return pixels[:, top : top + height, left : left + width]


@given(sides, sides, framings)
def test_what_is_cut_and_put_together_again_is_the_tile(height: int, width: int, framing: Framing) -> None:
    pixels = torch.arange(2 * height * width, dtype=torch.float32).reshape(2, height, width) / 7 - 100
    torch.testing.assert_close(blended(pixels, framing), cropped(pixels, framing.crop), rtol=1e-6, atol=1e-4)


@given(sides, sides, framings)
def test_equal_answers_blend_to_the_same_answer(height: int, width: int, framing: Framing) -> None:
    cut = plan(height, width, framing)
    mosaic = Mosaic(cut, torch.device("cpu"))
    for number in range(cut.count):
        mosaic.add(number, torch.full((1, *cut.size), 3.5))
    torch.testing.assert_close(mosaic.tile(), torch.full((1, cut.rows.length, cut.columns.length), 3.5))


@given(sides, sides, framings)
def test_windows_cover_every_pixel_and_stay_on_the_canvas(height: int, width: int, framing: Framing) -> None:
    cut = plan(height, width, framing)
    for axis in (cut.rows, cut.columns):
        covered = {pixel for start in axis.starts for pixel in range(start, start + axis.size)}
        assert covered == set(range(axis.canvas))
        assert axis.size % framing.multiple == 0
        assert axis.before + axis.length <= axis.canvas
        assert len(set(axis.starts)) == len(axis.starts)


def test_a_single_window_gives_the_numbers_back_untouched() -> None:
    pixels = torch.rand(3, 61, 47)
    assert torch.equal(blended(pixels, PAD), pixels)


@pytest.mark.parametrize(
    ("side", "size", "before"), [(512, 518, 3), (518, 518, 0), (300, 308, 4), (1, 14, 6), (511, 518, 3), (504, 504, 0)]
)
def test_a_tile_is_padded_on_both_sides_to_whole_patches(side: int, size: int, before: int) -> None:
    cut = plan(side, side, PAD)
    assert (cut.size, cut.rows.before, cut.count, cut.place(0)) == ((size, size), before, 1, (0, 0))


def test_a_larger_tile_is_cut_into_half_overlapping_windows_that_end_with_it() -> None:
    cut = plan(512, 1000, PAD)
    assert cut.size == (518, 518)
    assert cut.rows.starts == (0,)
    assert cut.columns.starts == (0, 259, 482)


@pytest.mark.parametrize(
    ("side", "starts", "size"),
    [
        (512, (0,), 1022),
        (1022, (0,), 1022),
        (1023, (0, 511), 1533),
        (1533, (0, 511), 1533),
        (2000, (0, 511, 1022), 2044),
        (100, (0,), 1022),  # of which the official script makes NaN
    ],
)
def test_the_official_windows_of_rs3dada_reach_beyond_the_tile(side: int, starts: tuple[int, ...], size: int) -> None:
    axis = plan(side, side, OFFICIAL).rows
    assert (axis.starts, axis.canvas, axis.before) == (starts, size, 0)


def test_the_official_weights_are_those_of_the_script() -> None:
    cut = plan(1500, 1500, OFFICIAL)
    generator = torch.Generator().manual_seed(0)
    answers = torch.rand(4, 1, 1022, 1022, generator=generator)
    mosaic = Mosaic(cut, torch.device("cpu"))
    place = np.arange(1022)
    triangle = np.minimum(place + 1, 1022 - place) / 512
    weights = np.outer(triangle, triangle)
    total, share = np.zeros((1533, 1533)), np.zeros((1533, 1533))
    for number in range(cut.count):
        top, left = cut.place(number)
        mosaic.add(number, answers[number])
        total[top : top + 1022, left : left + 1022] += answers[number, 0].numpy() * weights
        share[top : top + 1022, left : left + 1022] += weights
    np.testing.assert_allclose(mosaic.tile()[0].numpy(), (total / share)[:1500, :1500], atol=1e-6)


def test_the_paper_looks_at_the_middle_only() -> None:
    axis = plan(512, 512, PAPER).rows
    assert (axis.first, axis.length, axis.size, axis.before) == (4, 504, 504, 0)
    smaller = plan(300, 512, PAPER)
    assert (smaller.rows.first, smaller.rows.length, smaller.rows.size) == (0, 300, 308)
    assert smaller.columns.length == 504


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_tiles_are_mirrored_as_often_as_needed(height: int, width: int, more: int) -> None:
    pixels = np.random.default_rng(0).random((2, height, width), np.float32)
    cut = plan(height, width, Framing("x", window=max(height, width) + more, whole=True))
    around = [(axis.before, axis.canvas - axis.length - axis.before) for axis in (cut.rows, cut.columns)]
    expected = np.pad(pixels, [(0, 0), *around], mode="reflect")
    np.testing.assert_array_equal(canvas(torch.from_numpy(pixels), cut, torch.zeros(2)).numpy(), expected)


def test_the_black_beyond_the_edge_is_black_before_it_is_normalised() -> None:
    cut = plan(2, 3, Framing("x", window=4, fill=Fill.ZERO, whole=True))
    filled = canvas(torch.ones(2, 2, 3), cut, torch.tensor([-2.0, -5.0]))
    assert filled[0].tolist() == [[1, 1, 1, -2], [1, 1, 1, -2], [-2] * 4, [-2] * 4]
    assert filled[1, 3, 3] == -5


def test_windows_are_halved_until_they_are_small() -> None:
    sizes, framing, longest = [], Framing("x", multiple=14), 518
    while (smaller := halved(framing, longest)) is not None:
        framing, longest = smaller, smaller.window
        sizes.append(longest)
    assert sizes == [266, 140, 70]
    assert halved(Framing("fixed", window=518, multiple=518), 518) is None


def test_smaller_windows_overlap_as_before() -> None:
    smaller = limited(OFFICIAL, 518)
    assert (smaller.window, smaller.stride, smaller.whole) == (518, 259, True)
    assert limited(PAD, 1000) is PAD
    assert plan(512, 512, limited(PAD, 140)).rows.starts == (0, 70, 140, 210, 280, 350, 372)
    assert limited(Framing("whole tile"), 266).window == 266


def test_rounding_up_never_gives_nothing() -> None:
    assert [round_up(pixels, 14) for pixels in (0, 1, 14, 15)] == [14, 14, 14, 28]

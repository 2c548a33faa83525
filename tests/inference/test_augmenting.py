"""Flips and turns, there and back."""

import pytest
import torch

from rsviewer.core.model import Augmentation
from rsviewer.inference.augmenting import SYMMETRIES, Symmetry


@pytest.mark.parametrize("symmetry", SYMMETRIES[Augmentation.ROTATIONS])
def test_every_symmetry_is_undone(symmetry: Symmetry) -> None:
    windows = torch.rand(2, 3, 4, 7)
    turned = symmetry.apply(windows)
    assert turned.shape[-2:] == ((7, 4) if symmetry.turned else (4, 7))
    assert torch.equal(symmetry.undo(turned), windows)


@pytest.mark.parametrize("symmetry", SYMMETRIES[Augmentation.ROTATIONS])
def test_boxes_go_back_to_the_pixels_that_they_were_around(symmetry: Symmetry) -> None:
    window = torch.zeros(5, 9)
    window[1:3, 2:7] = 1
    turned = symmetry.apply(window)
    rows, columns = torch.nonzero(turned).T
    box = torch.tensor([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]).float()
    assert symmetry.undo_boxes(box, (turned.shape[0], turned.shape[1])).tolist() == [[2, 1, 7, 3]]


@pytest.mark.parametrize(("augmentation", "count"), [("none", 1), ("flips", 4), ("rotations", 8)])
def test_no_two_of_them_are_the_same(augmentation: str, count: int) -> None:
    square = torch.arange(9.0).reshape(3, 3)
    seen = {tuple(one.apply(square).flatten().tolist()) for one in SYMMETRIES[Augmentation(augmentation)]}
    assert len(seen) == count


def test_the_quarter_turns_are_among_the_eight() -> None:
    square = torch.arange(9.0).reshape(3, 3)
    seen = {tuple(one.apply(square).flatten().tolist()) for one in SYMMETRIES[Augmentation.ROTATIONS]}
    for quarters in range(4):
        assert tuple(torch.rot90(square, quarters).flatten().tolist()) in seen


def test_the_first_is_the_window_itself() -> None:
    windows = torch.rand(1, 1, 2, 3)
    for symmetries in SYMMETRIES.values():
        assert torch.equal(symmetries[0].apply(windows), windows)

"""From a fitted tile to what a network takes: normalised, cut into windows, flipped and turned, several at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Augmentation, ModelCard
from rsviewer.inference.augmenting import SYMMETRIES, Symmetry
from rsviewer.inference.windows import Plan, canvas, cut_out


@dataclass(frozen=True, slots=True)
class Pass:
    """One way of a window through the network: its number in the plan, and how it is laid down."""

    number: int
    symmetry: Symmetry


@dataclass(frozen=True, slots=True)
class CutTile:
    """A tile as it is cut.

    Attributes:
        plan: where its windows lie.
        canvas: (bands, h, w) float32, normalised, on the device: what windows are taken from.
        symmetries: in each of which every window is predicted.
        remarks: what was done otherwise than asked for, a sentence each.
    """

    plan: Plan
    canvas: torch.Tensor
    symmetries: tuple[Symmetry, ...]
    remarks: tuple[str, ...]

    def batches(self, at_once: int) -> Iterator[Sequence[Pass]]:
        """All passes, up to `at_once` together, whose windows have one size."""
        by_size: defaultdict[bool, list[Pass]] = defaultdict(list)
        square = self.plan.rows.size == self.plan.columns.size
        for number in range(self.plan.count):
            for symmetry in self.symmetries:
                by_size[symmetry.turned and not square].append(Pass(number, symmetry))
        for passes in by_size.values():
            for first in range(0, len(passes), at_once):
                yield passes[first : first + at_once]

    def windows(self, passes: Sequence[Pass]) -> torch.Tensor:
        """The windows of a batch: a copy, (n, bands, h, w)."""
        return torch.cat([one.symmetry.apply(cut_out(self.canvas, self.plan, [one.number])) for one in passes])


def cut(fitted: Fitted, card: ModelCard, plan: Plan, augmentation: Augmentation, device: torch.device) -> CutTile:
    """Cuts a tile for a model.

    Args:
        fitted: its pixels are left as they are.
        card: of the model: bands, normalisation, whether it may be turned.
        plan: for a tile of this size.
        augmentation: as the user wants it.
        device: where the windows are needed.

    Raises:
        ModelError: the tile has no pixels or other bands than the model takes, or the card's normalisation makes no sense.
    """
    pixels = fitted.pixels
    if pixels.ndim != 3 or not pixels.size:
        raise ModelError("The tile has no pixels.")
    dates, rest = divmod(pixels.shape[0], card.band_count)
    if rest or not 1 <= dates <= card.dates:
        raise ModelError(f"{card.title} takes {card.band_count} bands, and the tile gives {pixels.shape[0]}.")
    remarks = []
    if augmentation is not Augmentation.NONE and not card.augmentable:
        augmentation = Augmentation.NONE
        remarks.append(f"{card.title} is not made for flipped or turned tiles: predicted once.")
    mean, std = (np.tile(_per_band(card, key, otherwise), dates) for key, otherwise in (("mean", 0.0), ("std", 1.0)))
    zero = torch.from_numpy(-mean / std).to(device)
    filled = canvas(_normalised(pixels, mean, std, device), plan, zero)
    return CutTile(plan, filled, SYMMETRIES[augmentation], tuple(remarks))


def _normalised(
    pixels: NDArray[np.generic], mean: NDArray[np.float32], std: NDArray[np.float32], device: torch.device
) -> torch.Tensor:
    """(bands, h, w) float32 on the device; bytes travel there as bytes."""
    raw = torch.from_numpy(np.array(pixels, np.uint8 if pixels.dtype == np.uint8 else np.float32, order="C"))
    numbers = raw.to(device).float()
    if not mean.any() and (std == 1).all():
        return numbers
    shift, stretch = (torch.from_numpy(one).to(device)[:, None, None] for one in (mean, std))
    return (numbers - shift).div_(stretch)


def _per_band(card: ModelCard, key: str, otherwise: float) -> NDArray[np.float32]:
    """`mean` or `std` of the card's inputs, behind each other."""
    found: list[float] = []
    for number, one in enumerate(card.inputs, 1):
        given: tuple[float, ...] = getattr(one, key) or (otherwise,)
        if len(given) not in (1, len(one.bands)):
            raise ModelError(
                f"The card of {card.title} gives {len(given)} times {key} for {len(one.bands)} bands of input {number}."
            )
        found += given * len(one.bands) if len(given) == 1 else given
    if key == "std" and not all(found):
        raise ModelError(f"The card of {card.title} gives 0 as std. Correct the card.")
    return np.array(found, np.float32)

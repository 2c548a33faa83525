"""Numbers as whole numbers of 8 or 16 bits, and back."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.stretch import Range, percentiles

BITS = (8, 16)
"""Of the whole numbers."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What the whole numbers of a file mean: values at even steps between two ends.

    Where both ends are the same, all values are `first`, and `scale` and `offset` give that very value back.

    Attributes:
        low: the least value, in the unit of the values.
        high: the greatest one, not below `low`.
        bits: 8 for 0..255, 16 for 0..65535.
        reserved: 0 means "no data", and the values begin at 1.
        inverted: the greatest value has the smallest number.
    """

    low: float
    high: float
    bits: int = 8
    reserved: bool = False
    inverted: bool = False

    @property
    def first(self) -> int:
        """The smallest number that stands for a value."""
        return int(self.reserved)

    @property
    def last(self) -> int:
        """The greatest one."""
        return (1 << self.bits) - 1

    @property
    def step(self) -> float:
        """Between neighbouring numbers, in the unit of the values; 0 where there is but one value."""
        return (self.high - self.low) / (self.last - self.first)

    @property
    def scale(self) -> float:
        """Value = number * scale + offset. Never 0, which programs take for no scale at all."""
        if not self.step:
            return self.low if self.reserved and self.low else 1.0
        return -self.step if self.inverted else self.step

    @property
    def offset(self) -> float:
        """See `scale`."""
        if not self.step:
            return 0.0 if self.reserved and self.low else self.low - self.first
        return (self.high if self.inverted else self.low) - self.first * self.scale

    def numbers(self, values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Values as the nearest of the numbers; what lies beyond an end becomes that end.

        Args:
            values: real numbers of any type.
            valid: where there is a value; None for everywhere. Elsewhere the number is 0.

        Returns:
            uint8 or uint16, of the same shape.

        Raises:
            ValueError: not everywhere is a value, and no number is reserved for that.
        """
        if valid is not None and not self.reserved and not valid.all():
            raise ValueError("no number is reserved for pixels without a value")
        kind = np.uint8 if self.bits == 8 else np.uint16
        if not self.step:
            found = np.full(values.shape, self.first, kind)
        else:
            with np.errstate(all="ignore"):
                places = (values.astype(np.float64) - self.low) / (self.high - self.low)
            if valid is not None:
                np.copyto(places, 0.0, where=~valid)
            np.clip(places, 0.0, 1.0, out=places)
            if self.inverted:
                np.subtract(1.0, places, out=places)
            places *= self.last - self.first
            np.rint(places, out=places)
            places += self.first
            found = places.astype(kind)
        if valid is not None:
            found[~valid] = 0
        return found

    def values(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """What numbers stand for, no more than half a `step` from what they were made of; NaN where there was no value."""
        found: NDArray[np.float64] = numbers * np.float64(self.scale) + self.offset
        if self.reserved:
            found[numbers == 0] = np.nan
        return found

    def beyond(self, values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> int:
        """How many values lie beyond the ends."""
        with np.errstate(invalid="ignore"):
            outside = (values < self.low) | (values > self.high)
        return int(np.count_nonzero(outside if valid is None else outside & valid))


def ends_of(values: NDArray[Any], percents: tuple[float, float]) -> Range:
    """The percentiles of some values; least and greatest where these coincide although the values differ.

    Args:
        values: (n,) finite numbers, one at least.
        percents: of the lower and the upper end, 0..100.
    """
    least, greatest = float(values.min()), float(values.max())
    if percents == (0.0, 100.0):
        return Range(least, greatest)
    low, high = percentiles(values, percents)
    return Range(low, high) if low < high else Range(least, greatest)


def is_span(low: float, high: float) -> bool:
    """Whether numbers can be laid between two ends."""
    return low < high and math.isfinite(high - low)

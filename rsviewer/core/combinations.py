"""Band combinations by name: what a person asks for when saying "false colour" or "NDVI". Values and arithmetic."""

from dataclasses import dataclass
from enum import StrEnum


class Operation(StrEnum):
    """How a channel is made of the bands of a layer."""

    BAND = "band"
    DIFFERENCE = "difference"
    """first - second: of decibels the ratio."""
    NORMALISED = "normalised difference"
    """(first - second) / (first + second); invalid where the sum is zero."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One colour, or one number, made of the bands of a layer.

    Attributes:
        operation: see Operation.
        first, second: zero-based bands of the layer; `second` counts for nothing where the operation is BAND.
    """

    operation: Operation
    first: int
    second: int = 0


@dataclass(frozen=True, slots=True)
class Combination:
    """A way to look at a layer of several bands.

    Attributes:
        name: as shown and as kept in sessions: "True colour", "NDVI".
        channels: three (red, green, blue) or one, which is shown through a colour table with a bar.
        low, high: the range of a single channel that means the same on every tile, -1..1 for NDVI; None to stretch.
        color_table: of a single channel.
        invert: whether that table is turned round.
    """

    name: str
    channels: tuple[Channel, ...]
    low: float | None = None
    high: float | None = None
    color_table: str = "viridis"
    invert: bool = False

    @property
    def is_scalar(self) -> bool:
        """True where one number stands in every pixel."""
        return len(self.channels) == 1


def bands(name: str, red: int, green: int, blue: int) -> Combination:
    """A combination of three bands as they are."""
    return Combination(name, tuple(Channel(Operation.BAND, band) for band in (red, green, blue)))


def index(name: str, first: int, second: int, color_table: str, *, invert: bool = False) -> Combination:
    """A normalised difference over -1..1."""
    return Combination(name, (Channel(Operation.NORMALISED, first, second),), -1.0, 1.0, color_table, invert)

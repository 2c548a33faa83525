"""Band combinations by name: what a person asks for when saying "false colour" or "NDVI". Values and arithmetic."""

from collections.abc import Sequence
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
        low, high: the usual range of this channel, where it differs from that of its combination; None where it does not.
    """

    operation: Operation
    first: int
    second: int = 0
    low: float | None = None
    high: float | None = None

    @property
    def bands(self) -> tuple[int, ...]:
        """The bands that it needs."""
        return (self.first,) if self.operation is Operation.BAND else (self.first, self.second)

    def formula(self, names: Sequence[str]) -> str:
        """How it is made, in the names of the bands: "(B8 - B4) / (B8 + B4)"."""
        first, second = (names[band] if band < len(names) else str(band + 1) for band in (self.first, self.second))
        if self.operation is Operation.DIFFERENCE:
            return f"{first} - {second}"
        return first if self.operation is Operation.BAND else f"({first} - {second}) / ({first} + {second})"


@dataclass(frozen=True, slots=True)
class Combination:
    """A way to look at a layer of several bands.

    Attributes:
        name: as shown and as kept in sessions: "True colour", "NDVI".
        channels: three (red, green, blue) or one, which is shown through a colour table with a bar.
        low, high: the usual range of its channels, which means the same on every tile: -1..1 for NDVI; None to stretch.
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

    @property
    def is_plain(self) -> bool:
        """True where bands are shown as they are."""
        return all(channel.operation is Operation.BAND for channel in self.channels)

    @property
    def is_index(self) -> bool:
        """True where what is shown has no unit, whatever the bands have."""
        return any(channel.operation is Operation.NORMALISED for channel in self.channels)

    @property
    def most_band(self) -> int:
        """The last band that it needs."""
        return max(band for channel in self.channels for band in channel.bands)

    @property
    def bands(self) -> tuple[int, ...]:
        """The first band of each channel: all that is shown where it is plain."""
        return tuple(channel.first for channel in self.channels)

    @property
    def ranges(self) -> tuple[tuple[float, float] | None, ...]:
        """The usual range of each channel; None where there is none."""
        ends = (
            (self.low if channel.low is None else channel.low, self.high if channel.high is None else channel.high)
            for channel in self.channels
        )
        return tuple(None if low is None or high is None else (low, high) for low, high in ends)

    @property
    def has_ranges(self) -> bool:
        """True where every channel has a usual range."""
        return None not in self.ranges


def bands(
    name: str, red: int, green: int, blue: int, *, low: float | None = None, high: float | None = None
) -> Combination:
    """A combination of three bands as they are."""
    return Combination(name, tuple(Channel(Operation.BAND, band) for band in (red, green, blue)), low, high)


def index(name: str, first: int, second: int, color_table: str, *, invert: bool = False) -> Combination:
    """A normalised difference over -1..1."""
    return Combination(name, (Channel(Operation.NORMALISED, first, second),), -1.0, 1.0, color_table, invert)

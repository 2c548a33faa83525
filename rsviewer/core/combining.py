"""Bands -> channels: what a combination shows, and its value at a pixel."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.combinations import Channel, Combination, Operation
from rsviewer.core.stretch import Band, band_of, measured, real
from rsviewer.core.tile import Raster


def fits(raster: Raster, combination: Combination) -> bool:
    """True where the raster has all bands that the combination needs."""
    return combination.most_band < raster.bands


def channel_of(raster: Raster, channel: Channel) -> Band:
    """One channel, measured. Its `index` is that of its first band.

    Arithmetic is in float32 where that holds the stored values exactly, else in float64. A pixel is unusable where one of
    the bands is, and where a normalised difference would divide by zero.
    """
    if channel.operation is Operation.BAND:
        return band_of(raster, channel.first)
    values = [real(raster.pixels[band]) for band in channel.bands]
    exact = all(band.dtype.itemsize <= (4 if band.dtype.kind == "f" else 2) for band in values)
    first, second = (_numbers(band, np.float32 if exact else np.float64) for band in values)
    usable = raster.valid[channel.first] & raster.valid[channel.second]
    with np.errstate(all="ignore"):
        if channel.operation is Operation.DIFFERENCE:
            made = first - second
        else:
            total = first + second
            usable &= total != 0
            made = (first - second) / total
        return measured(channel.first, made, None if usable.all() else usable)


def combined(raster: Raster, combination: Combination) -> Raster:
    """The channels of a combination as the bands of a raster, (channels, height, width). The raster must fit it."""
    channels = [channel_of(raster, channel) for channel in combination.channels]
    everywhere = np.ones((raster.height, raster.width), np.bool_)
    return replace(
        raster,
        pixels=np.stack([each.values for each in channels]),
        valid=np.stack([everywhere if each.usable is None else each.usable for each in channels]),
        band_names=(),
    )


def _numbers(values: NDArray[Any], kind: type[np.floating[Any]]) -> NDArray[Any]:
    return values.astype(kind)


def value_at(raster: Raster, channel: Channel, column: int, row: int) -> float | None:
    """The value of a channel at one pixel; None where it has none."""
    spot = (slice(None), slice(row, row + 1), slice(column, column + 1))
    found = channel_of(replace(raster, pixels=raster.pixels[spot], valid=raster.valid[spot]), channel)
    return found.minimum if found.count else None

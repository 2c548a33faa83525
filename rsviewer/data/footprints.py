"""Where on the Earth a tile lies, whatever its map projection."""

import logging
import math

import numpy as np
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS

from rsviewer.core.tile import Raster, Transform
from rsviewer.data.aligning import crs_of, turned

log = logging.getLogger(__name__)

_ALONG, _FIRST, _LAST = np.linspace(0.0, 1.0, 5), np.zeros(5), np.ones(5)
_COLUMNS = np.concatenate([_ALONG, _ALONG, _FIRST, _LAST])
_ROWS = np.concatenate([_FIRST, _LAST, _ALONG, _ALONG])
"""Places along all four sides that are turned: sides bend on the way from one projection to another."""
_WGS84 = CRS.from_epsg(4326)


def footprint(raster: Raster) -> tuple[float, float, float, float] | None:
    """(west, south, east, north) of a raster, degrees of longitude and latitude (WGS 84); None where that cannot be known.

    Across the 180th meridian `east` is larger than 180.
    """
    return footprint_of(raster.transform, raster.crs, raster.full_size)


def footprint_of(
    transform: Transform | None, crs_words: str, size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """The same for a raster of which only the header is known: its transform, CRS, and (width, height) in pixels."""
    if transform is None or not all(map(math.isfinite, transform)):
        return None
    crs = crs_of(crs_words) if crs_words else None
    if crs is None:
        return None
    a, b, c, d, e, f = transform
    width, height = size
    column, row = _COLUMNS * width, _ROWS * height
    x, y = a * column + b * row + c, d * column + e * row + f
    try:
        longitude, latitude = (x, y) if crs == _WGS84 else turned(crs, _WGS84, x, y)
    except CPLE_BaseError as error:
        log.debug("no way from %s to longitude and latitude: %s", crs_words, error)
        return None
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    first = float(longitude[0])
    if abs(first) > 360.0 or np.abs(latitude).max() > 90.0:
        return None
    longitude = first + np.remainder(longitude - first + 180.0, 360.0) - 180.0
    west, east = float(longitude.min()), float(longitude.max())
    turns = 360.0 * math.floor((west + 180.0) / 360.0)
    return west - turns, float(latitude.min()), east - turns, float(latitude.max())

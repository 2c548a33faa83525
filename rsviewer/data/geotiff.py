"""GeoTIFF files that we write: tiled, deflated with a predictor, with the georeference of what they were made of."""

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetWriter

from rsviewer.core.errors import SaveError
from rsviewer.core.tile import Raster, Transform
from rsviewer.data.rasterfile import tiff

log = logging.getLogger(__name__)

Color = tuple[int, int, int, int]
"""Red, green, blue, alpha."""

BLOCK = 256
"""Pixels a side of the blocks of a file; smaller ones are one block."""
LEVEL = 1
"""Of deflate: 6 takes half as long again and saves half a percent of a predicted height."""


def geotiff(
    pixels: NDArray[Any],
    *,
    transform: Transform | None = None,
    crs: str = "",
    nodata: float | None = None,
    names: Sequence[str] = (),
    units: Sequence[str] = (),
    scale: tuple[float, float] | None = None,
    colors: Mapping[int, Color] | None = None,
    transparent: bool = False,
    tags: Mapping[str, str] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> bytes:
    """The content of a GeoTIFF.

    Args:
        pixels: (bands, height, width) of a type that GeoTIFF has; bool is no such type.
        transform: of these pixels, see `transform_of`; None for none.
        crs: "EPSG:n" or WKT; one that cannot be understood is left out.
        nodata: a value of the pixels that means "no data"; None for none.
        names: of the bands; empty for none.
        units: of the bands after `scale`, e.g. "m"; empty for none.
        scale: (scale, offset): value = stored * scale + offset, for programs that honour it, as this one does.
        colors: value -> colour, for one band of 8 or 16 bits without a sign.
        transparent: the last band is alpha.
        tags: name -> text, GDAL's metadata.
        valid: (height, width) for a mask within the file, where no value of the pixels can mean "no data"; None for none.

    Raises:
        SaveError: the pixels cannot be stored like that.
    """
    bands, height, width = pixels.shape
    profile: dict[str, Any] = {"compress": "deflate", "zlevel": LEVEL, "bigtiff": "if_safer"}
    if pixels.dtype.kind == "f":
        profile["predictor"] = 3
    elif pixels.dtype.kind in "iu" and colors is None:
        profile["predictor"] = 2
    if min(height, width) > BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    if transform is not None:
        profile["transform"] = Affine(*transform)
    if crs:
        profile["crs"] = _crs(crs)
    if bands - transparent == 3 and pixels.dtype == np.uint8:
        profile["photometric"] = "rgb"
    profile["alpha"] = "yes" if transparent else "no"  # else GDAL takes a fourth band for alpha

    def work(dataset: DatasetWriter) -> None:
        if colors is not None:
            dataset.write_colormap(1, dict(colors))
        if names:
            dataset.descriptions = tuple(names)
        if units:
            dataset.units = tuple(units)
        if scale is not None:
            dataset.scales, dataset.offsets = (scale[0],) * bands, (scale[1],) * bands
        if tags:
            dataset.update_tags(**tags)
        dataset.write(pixels)
        if valid is not None:
            dataset.write_mask(valid)

    try:
        return tiff(work, width=width, height=height, count=bands, dtype=pixels.dtype.name, nodata=nodata, **profile)
    except (RasterioError, TypeError, ValueError) as error:
        raise SaveError(f"Pixels of type {pixels.dtype} cannot be stored as GeoTIFF ({error}).") from error


def transform_of(raster: Raster) -> Transform | None:
    """Of the pixels that a raster holds: fewer than the file's where it was read decimated. None where there is none."""
    if raster.transform is None:
        return None
    across, down = raster.full_size[0] / raster.width, raster.full_size[1] / raster.height
    a, b, c, d, e, f = raster.transform
    return (a * across, b * down, c, d * across, e * down, f)


@lru_cache(maxsize=64)
def _crs(crs: str) -> CRS | None:
    """As rasterio takes it; None for one that it cannot read."""
    try:
        return CRS.from_string(crs)
    except (CRSError, ValueError) as error:
        log.info("A file is written without its CRS: %s", error)
        return None

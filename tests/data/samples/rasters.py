"""Small rasters for samples: a picture whose numbers tell which tile and which layer it is."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = {"crs": "EPSG:32632", "transform": Affine(1.0, 0, 4e5, 0, -1.0, 5.6e6)}


def ramp(start: float, bands: int = 1, size: int = 16, step: float = 1.0) -> NDArray[np.float64]:
    """(bands, size, size): grows to the right by `step`, and by 7 from band to band."""
    column = np.arange(size) * step
    return np.stack([np.tile(start + 7 * band + column, (size, 1)) for band in range(bands)])


def labels(*values: int, size: int = 16) -> NDArray[np.uint8]:
    """(1, size, size): vertical stripes of these values."""
    stripes = np.array(values)[np.arange(size) * len(values) // size]
    return np.tile(stripes, (size, 1))[None].astype(np.uint8)


def put_raster(
    path: Path,
    pixels: NDArray[np.generic],
    dtype: str = "uint8",
    driver: str = "GTiff",
    nodata: float | None = None,
    **profile: object,
) -> Path:
    """Writes a raster; a GeoTIFF has a place on the map unless `profile` takes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = pixels.shape
    place = UTM if driver == "GTiff" else {}
    options = {
        "driver": driver,
        "count": bands,
        "height": height,
        "width": width,
        "dtype": dtype,
        "nodata": nodata,
        **place,
        **profile,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said of every PNG
        with rasterio.open(path, "w", **options) as target:
            target.write(pixels.astype(dtype))
    return path

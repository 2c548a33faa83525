from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

Write = Callable[..., None]


@pytest.fixture
def write() -> Write:
    """Writes a GeoTIFF: `write(path, pixels, crs="EPSG:32632", **options)`."""

    def write(path: Path, pixels: np.ndarray, crs: str | None = "EPSG:32632", **options: object) -> None:
        bands = pixels if pixels.ndim == 3 else pixels[None]
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = bands.shape
        transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_700_000)
        profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "crs": crs}
        with rasterio.open(path, "w", driver="GTiff", **{"transform": transform, **profile, **options}) as file:
            file.write(bands)

    return write

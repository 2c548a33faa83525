"""A picture with this file beside it lies where it belongs, and its numbers mean what they did."""

from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, Transform
from rsviewer.data.pamfile import beside, pam
from rsviewer.data.pngfile import png
from rsviewer.data.raster import read_raster

HEIGHT = LayerSpec(LayerId("height"), LayerKind.HEIGHT, "height", "m")
NAMELESS = CRS.from_string("+proj=tmerc +lon_0=25 +datum=WGS84 +units=m").to_wkt()


def written(folder: Path, content: bytes) -> Raster:
    path = folder / "tile 1.v2.png"
    path.write_bytes(png(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)))
    beside(path).write_bytes(content)
    read = read_raster(path, HEIGHT)
    assert isinstance(read, Raster)
    return read


@pytest.mark.parametrize(
    ("crs", "transform", "gsd"),
    [
        ("EPSG:32632", (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_700_000.0), 0.5),
        ("EPSG:4326", (0.0015, 0.0, -105.9051005603556, 0.0, -0.0015, 40.54918153576429), 145.5),
        ("EPSG:3301", (1.0, 0.0, 500_000.0, 0.0, -1.0, 6_400_000.0), 1.0),
        (NAMELESS, (5.0, 0.5, -59403.57298348243, 0.5, -5.0, -3724187.8048744886), 5.025),
    ],
)
def test_the_georeference_comes_back(tmp_path: Path, crs: str, transform: Transform, gsd: float) -> None:
    read = written(tmp_path, pam(transform, crs))

    assert read.transform == transform
    assert CRS.from_string(read.crs) == CRS.from_string(crs)
    assert read.gsd == pytest.approx(gsd, rel=1e-3)


def test_scale_and_nodata_come_back(tmp_path: Path) -> None:
    read = written(tmp_path, pam(nodata=0, unit="m", scale=(0.5, -3.0)))

    assert read.pixels[0, 0, 1:].tolist() == [-2.5, -2.0]
    assert read.valid[0, 0].tolist() == [False, True, True]
    assert read.transform is None


def test_a_crs_that_makes_no_sense_is_left_out(tmp_path: Path) -> None:
    read = written(tmp_path, pam((2.0, 0.0, 1.0, 0.0, -2.0, 1.0), "made <up> & wrong"))

    assert (read.crs, read.transform) == ("", (2.0, 0.0, 1.0, 0.0, -2.0, 1.0))

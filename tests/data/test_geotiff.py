from io import BytesIO

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from rsviewer.core.errors import SaveError
from rsviewer.core.tile import Raster
from rsviewer.data.geotiff import geotiff, transform_of

NORTH = (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_700_000.0)


def test_a_file_is_tiled_deflated_and_lies_where_it_belongs() -> None:
    heights = np.arange(300 * 400, dtype=np.float32).reshape(1, 300, 400)

    content = geotiff(heights, transform=NORTH, crs="EPSG:32632", nodata=-9999, units=["m"], tags={"RSVIEWER_A": "b"})

    with rasterio.open(BytesIO(content)) as file:
        assert (file.profile["tiled"], file.profile["blockxsize"], file.profile["compress"]) == (True, 256, "deflate")
        assert file.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        assert (tuple(file.transform)[:6], file.crs.to_epsg(), file.nodata) == (NORTH, 32632, -9999)
        assert (file.units, file.tags()["RSVIEWER_A"]) == (("m",), "b")
        assert np.array_equal(file.read(), heights)


@pytest.mark.parametrize(
    ("bands", "transparent", "last"),
    [(3, False, ColorInterp.blue), (4, False, ColorInterp.undefined), (4, True, ColorInterp.alpha)],
)
def test_a_fourth_band_is_alpha_only_where_it_is(bands: int, transparent: bool, last: ColorInterp) -> None:
    content = geotiff(np.zeros((bands, 4, 5), np.uint8), transparent=transparent)

    with rasterio.open(BytesIO(content)) as file:
        assert file.colorinterp[-1] == last


def test_a_scale_gives_the_values_back_to_who_honours_it() -> None:
    with rasterio.open(BytesIO(geotiff(np.zeros((1, 2, 2), np.uint16), scale=(0.25, -3.0)))) as file:
        assert (file.scales, file.offsets) == ((0.25,), (-3.0,))


def test_a_crs_that_nobody_understands_is_left_out_and_a_type_that_no_file_holds_is_said() -> None:
    with rasterio.open(BytesIO(geotiff(np.zeros((1, 2, 2), np.uint8), transform=NORTH, crs="made up"))) as file:
        assert file.crs is None
    with pytest.raises(SaveError, match="float16"):
        geotiff(np.zeros((1, 2, 2), np.float16))


def test_a_decimated_raster_has_larger_pixels() -> None:
    pixels = np.zeros((1, 5, 10))
    raster = Raster(pixels, np.ones(pixels.shape, bool), NORTH, full_size=(20, 20))

    assert transform_of(raster) == (1.0, 0.0, 500_000.0, 0.0, -2.0, 5_700_000.0)

"""Where a tile lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.tile import Raster
from rsviewer.data.footprints import footprint


def raster(transform: tuple[float, ...] | None, crs: str, size: int = 8) -> Raster:
    return Raster(np.zeros((1, size, size), np.uint8), np.ones((1, size, size), bool), transform, crs)  # type: ignore[arg-type]


def test_metres_become_degrees() -> None:
    found = footprint(raster((10.0, 0.0, 500_000.0, 0.0, -10.0, 0.0), "EPSG:32632", 100))
    assert found == pytest.approx((9.0, -0.00904, 9.00898, 0.0), abs=1e-4), (
        "a kilometre south-east of 9° E on the equator"
    )


def test_a_rotated_tile_has_the_box_round_it() -> None:
    found = footprint(raster((0.5, 0.5, 10.0, 0.5, -0.5, 50.0), "EPSG:4326", 2))
    assert found == pytest.approx((10.0, 49.0, 12.0, 51.0))


def test_across_the_date_line_east_goes_on() -> None:
    assert footprint(raster((0.1, 0.0, 179.9, 0.0, -0.1, 0.0), "EPSG:4326", 2)) == pytest.approx(
        (179.9, -0.2, 180.1, 0.0)
    )
    assert footprint(raster((0.1, 0.0, 359.0, 0.0, -0.1, 0.0), "EPSG:4326", 2)) == pytest.approx(
        (-1.0, -0.2, -0.8, 0.0)
    )


def test_a_file_that_was_read_small_lies_where_it_lies() -> None:
    small = Raster(
        np.zeros((1, 2, 2), np.uint8),
        np.ones((1, 2, 2), bool),
        (1.0, 0, 0, 0, -1.0, 8.0),
        "EPSG:4326",
        full_size=(8, 8),
    )
    assert footprint(small) == pytest.approx((0.0, 0.0, 8.0, 8.0))


@pytest.mark.parametrize("crs", ["", "EPSG:999999", 'LOCAL_CS["nowhere"]', "EPSG:32632", "EPSG:4326"])
@given(transform=st.none() | st.tuples(*[st.floats(width=32)] * 6))
def test_nonsense_lies_nowhere_or_on_the_earth(crs: str, transform: tuple[float, ...] | None) -> None:
    found = footprint(raster(transform, crs))
    if found is not None:
        west, south, east, north = found
        assert -180 <= west <= east <= west + 360
        assert -90 <= south <= north <= 90

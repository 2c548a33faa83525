"""Where an image lies, where its name says so."""

import math

import pytest
from rasterio.warp import transform as transform_points

from rsviewer.data.georeference import of_web_tile


def test_a_tile_of_the_web_map_lies_where_its_name_says() -> None:
    """Tile (1867, 3287) of zoom 13 begins at 97.9541015625 W, 33.4681079553 N (SatlasPretrain's own example)."""
    found = of_web_tile("/data/static/1867_3287/water_7/flood.png", 13, 512, 256)
    assert found is not None
    assert found.transform is not None
    a, b, c, d, e, f = found.transform
    (longitude,), (latitude,) = transform_points("EPSG:3857", "EPSG:4326", [c], [f])
    assert (longitude, latitude) == (pytest.approx(-97.9541015625, abs=1e-9), pytest.approx(33.4681079553, abs=1e-9))
    assert (b, d, a, e) == (
        0.0,
        0.0,
        pytest.approx(9.554628535 * 1.0, rel=1e-6),
        pytest.approx(-2 * 9.554628535, rel=1e-6),
    )
    assert found.cell == (
        pytest.approx(a * math.cos(math.radians(latitude)), rel=1e-3),
        pytest.approx(2 * found.cell[0]),
    )


@pytest.mark.parametrize("name", ["a/b.png", "8192_1.png", "1_8192.png", "12_3_4.png", "1867.3287.png"])
def test_other_names_say_nothing_about_a_place(name: str) -> None:
    assert of_web_tile(name, 13, 512, 512) is None

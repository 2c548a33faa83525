"""Layers are found on each other by georeference, whatever their grids, else by extent, and that is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform

from rsviewer.core.aligning import Alignment
from rsviewer.core.scene import to_map, to_pixel
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, Transform
from rsviewer.data.aligning import align
from rsviewer.data.raster import read_raster

UTM = "EPSG:32651"
LONLAT = "EPSG:4326"
MERCATOR = "EPSG:3857"
EDGE = 2.003750834e7
"""Of the world in web mercator."""
HERE: Transform = (0.5, 0, 300_000, 0, -0.5, 2_500_000)
AT_LONLAT: Transform = (5e-6, 0, 121.0535, 0, -5e-6, 22.5965)
"""About the same place."""
LOCAL = 'LOCAL_CS["the plant",UNIT["metre",1]]'
MARS = (
    'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.8944472]],PRIMEM["Greenwich",0],'
    'UNIT["Decimal_Degree",0.0174532925199433]]'
)
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def raster(width: int, height: int, transform: Transform | None = None, crs: str = "", **more: Any) -> Raster:
    nothing = np.broadcast_to(np.uint8(0), (1, height, width))
    return Raster(nothing, np.broadcast_to(np.True_, nothing.shape), transform=transform, crs=crs, **more)


def exact(target: Raster, source: Raster, column: int, row: int) -> tuple[float, float]:
    """Where the centre of a pixel of the target lies on the source, one place by itself."""
    assert target.transform is not None
    assert source.transform is not None
    x, y = to_map(target.transform, column + 0.5, row + 0.5)
    if target.crs != source.crs:
        (x,), (y,) = transform(CRS.from_string(target.crs), CRS.from_string(source.crs), [x], [y])
    return to_pixel(source.transform, x, y)


def assert_places(target: Raster, source: Raster, found: Alignment, within: float = 0.05) -> None:
    """Some pixels lie where they would lie if they were looked up one by one."""
    assert found.column.shape == found.row.shape == (target.height, target.width)
    for row in np.linspace(0, target.height - 1, 9).astype(int):
        for column in np.linspace(0, target.width - 1, 9).astype(int):
            x, y = exact(target, source, column, row)
            if -0.1 < x < source.width + 0.1 and -0.1 < y < source.height + 0.1:
                if 0 <= x <= source.width and 0 <= y <= source.height:
                    assert found.column[row, column] == pytest.approx(x, abs=within)
                    assert found.row[row, column] == pytest.approx(y, abs=within)
            else:
                assert np.isnan(found.column[row, column])
                assert np.isnan(found.row[row, column])


# --- the same grid


@settings(max_examples=50)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.tuples(*[st.floats(-1e3, 1e3)] * 2, st.floats(-1e7, 1e7), *[st.floats(-1e3, 1e3)] * 2, st.floats(-1e7, 1e7)),
    st.sampled_from(["", UTM, LONLAT, "nonsense"]),
)
def test_on_itself_every_raster_lies_pixel_on_pixel(width: int, height: int, at: Transform, crs: str) -> None:
    own = raster(width, height, at, crs)
    found = align(own, own)
    assert found.same
    assert not found.remark
    assert found.covered == 1.0
    np.testing.assert_array_equal(found.column, np.broadcast_to(np.arange(width) + 0.5, (height, width)))
    np.testing.assert_array_equal(found.row.T, np.broadcast_to(np.arange(height) + 0.5, (width, height)))


def test_what_rounding_left_in_a_transform_does_not_make_grids_differ() -> None:
    found = align(raster(512, 512, HERE, UTM), raster(512, 512, (0.500001, 0, 300_000.004, 0, -0.5, 2_500_000), UTM))
    assert (found.same, found.remark, found.covered) == (True, "", 1.0)


def test_half_a_pixel_makes_grids_differ() -> None:
    found = align(raster(8, 8, HERE, UTM), raster(8, 8, (0.5, 0, 300_000.25, 0, -0.5, 2_500_000), UTM))
    assert not found.same
    assert found.remark == "resampled by georeference"
    assert found.column[0, 1] == 1.0


def test_the_same_crs_written_differently_is_the_same() -> None:
    found = align(raster(20, 20, HERE, UTM), raster(20, 20, HERE, CRS.from_string(UTM).to_wkt()))
    assert (found.same, found.remark) == (True, "")


def test_heights_above_sea_level_in_the_crs_do_not_make_grids_differ() -> None:
    dutch: Transform = (1, 0, 150_000, 0, -1, 463_000)
    found = align(raster(100, 100, dutch, "EPSG:7415"), raster(100, 100, dutch, "EPSG:28992"))
    assert (found.same, found.remark) == (True, "")


# --- the same CRS


def test_a_finer_picture_lies_under_every_height_by_its_place() -> None:
    target, source = raster(4, 2, (2, 0, 0, 0, -2, 0), UTM), raster(16, 8, (0.5, 0, 0, 0, -0.5, 0), UTM)
    found = align(target, source)
    assert found.column[0].tolist() == [2, 6, 10, 14]
    assert found.row[:, 0].tolist() == [2, 6]
    assert found.remark == "16 x 8 resampled by georeference"


def test_beside_the_source_there_is_nothing() -> None:
    found = align(raster(4, 4, (1, 0, 0, 0, -1, 0), UTM), raster(4, 4, (1, 0, 2, 0, -1, -3), UTM))
    assert found.covered == 2 / 16
    assert np.isnan(found.column).tolist() == (~np.isfinite(found.row)).tolist()
    assert found.column[3, 2:].tolist() == [0.5, 1.5]
    assert align(raster(4, 4, (1, 0, 0, 0, -1, 0), UTM), raster(4, 4, (1, 0, 99, 0, -1, 0), UTM)).covered == 0.0


def test_a_turned_grid_and_one_from_south_to_north_are_found() -> None:
    target = raster(3, 3, (1, 0, 0, 0, -1, 3), UTM)
    turned = align(target, raster(3, 3, (0, 1, 0, 1, 0, 0), UTM))
    assert (turned.column[0, 0], turned.row[0, 0]) == (2.5, 0.5)
    upside_down = align(target, raster(3, 3, (1, 0, 0, 0, 1, 0), UTM))
    assert (upside_down.column[0, 0], upside_down.row[0, 0]) == (0.5, 2.5)
    assert upside_down.covered == 1.0


def test_places_are_counted_in_pixels_that_were_read() -> None:
    source = Raster(np.zeros((1, 8, 16)), np.ones((1, 8, 16), bool), (1, 0, 0, 0, -1, 0), UTM, full_size=(64, 32))
    found = align(raster(64, 32, (1, 0, 0, 0, -1, 0), UTM), source)
    assert (found.column[0, -1], found.row[-1, 0]) == (63.5 / 4, 31.5 / 4)


# --- another CRS


@pytest.mark.parametrize("size", [1, 3, 50, 300])
def test_between_utm_and_degrees_places_are_right_to_a_twentieth_of_a_pixel(size: int) -> None:
    target, source = raster(size, size, HERE, UTM), raster(900, 700, AT_LONLAT, LONLAT)
    found = align(target, source)
    assert_places(target, source, found)
    assert found.covered > 0.2
    assert found.remark == "resampled from EPSG:4326"
    back = align(source, target)
    assert_places(source, target, back)


@pytest.mark.parametrize("shape", [(1, 90), (90, 1), (2, 5000)])
def test_narrow_grids_are_found_in_another_crs(shape: tuple[int, int]) -> None:
    target, source = raster(*shape, (0.05, 0, 300_050, 0, -0.01, 2_499_900), UTM), raster(900, 700, AT_LONLAT, LONLAT)
    found = align(target, source)
    assert found.covered == 1.0
    assert_places(target, source, found)


def test_a_picture_of_the_whole_world_is_bent_where_it_must_be() -> None:
    world = raster(256, 128, (360 / 256, 0, -180, 0, -180 / 128, 90), LONLAT)
    mercator = raster(200, 200, (EDGE / 100, 0, -EDGE, 0, -EDGE / 100, EDGE), MERCATOR)
    arctic = raster(200, 200, (40_000, 0, -4_000_000, 0, -40_000, 4_000_000), "EPSG:3413")
    assert_places(mercator, world, align(mercator, world))
    assert_places(arctic, world, align(arctic, world))
    assert align(world, mercator).covered == pytest.approx(0.945, abs=0.01)


def test_far_from_its_zone_utm_shows_nothing() -> None:
    world = raster(360, 180, (1, 0, -180, 0, -1, 90), LONLAT)
    zone = raster(100, 100, (10_000, 0, 0, 0, -10_000, 1_000_000), UTM)
    found = align(world, zone)
    rows, columns = np.nonzero(~np.isnan(found.column))
    assert rows.size
    assert columns.min() >= 180 + 117
    assert columns.max() <= 180 + 129


@pytest.mark.parametrize("left", [175.0, -185.0])
def test_across_the_antimeridian_both_sides_are_found(left: float) -> None:
    fiji = raster(512, 512, (0.02, 0, left, 0, -0.02, -12), LONLAT)
    zone = raster(200, 200, (2000, 0, 600_000, 0, -2000, 8_600_000), "EPSG:32760")
    found = align(zone, fiji)
    assert found.covered == 1.0
    assert (np.diff(found.column, axis=1) > 0).all()


@pytest.mark.parametrize("at", [(1e30, 0, 1e30, 0, -1e30, 1), (1, 0, 1e200, 0, 1, 0), (1e-160, 0, 1, 0, 1e-160, 0)])
def test_coordinates_that_lie_on_no_planet_are_nowhere_and_take_no_time(at: Transform) -> None:
    found = align(raster(70, 70, at, MERCATOR), raster(90, 90, AT_LONLAT, LONLAT))
    assert found.covered == 0.0
    assert np.isnan(found.column).all()


# --- without georeference


@pytest.mark.parametrize(
    ("target", "source", "remark"),
    [
        (raster(9, 9), raster(9, 9), ""),
        (raster(100, 100), raster(512, 300), "512 x 300 laid over 100 x 100 by extent"),
        (raster(9, 9, HERE, UTM), raster(9, 9), "laid over by extent, since it has no georeference"),
        (raster(9, 9), raster(9, 9, HERE, UTM), "laid over by extent, since what it lies on has no georeference"),
        (raster(9, 9, HERE, UTM), raster(9, 9, HERE), "laid over by extent, since nobody knows its CRS"),
        (
            raster(9, 9, HERE, UTM),
            raster(9, 9, (0, 0, 5, 0, 0, 5), UTM),
            "laid over by extent, since it has no georeference",
        ),
        (
            raster(9, 9, HERE, UTM),
            raster(9, 9, (1, 0, np.inf, 0, 1, 5), UTM),
            "laid over by extent, since it has no georeference",
        ),
        (
            raster(9, 9, HERE, UTM),
            raster(8, 4, HERE, "nonsense"),
            "8 x 4 laid over 9 x 9 by extent, since the CRS nonsense makes no sense",
        ),
        (
            raster(9, 9, HERE, LOCAL),
            raster(9, 9, HERE, UTM),
            "laid over by extent, since no way is known from EPSG:32651 to the plant",
        ),
        (
            raster(9, 9, AT_LONLAT, LONLAT),
            raster(9, 9, AT_LONLAT, MARS),
            "laid over by extent, since no way is known from Mars 2000 to EPSG:4326",
        ),
    ],
)
def test_where_the_map_does_not_help_layers_are_laid_edge_on_edge(target: Raster, source: Raster, remark: str) -> None:
    found = align(target, source)
    assert found.remark == remark
    assert found.by_extent
    assert found.covered == 1.0
    assert found.same == ((target.width, target.height) == (source.width, source.height))
    half = 0.5 * source.width / target.width
    assert found.column[0, [0, -1]].tolist() == pytest.approx([half, source.width - half])
    half = 0.5 * source.height / target.height
    assert found.row[[0, -1], 0].tolist() == pytest.approx([half, source.height - half])


# --- files of strangers


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no sample tiles in {SHARED}")
def test_any_two_files_of_strangers_can_be_laid_over_each_other() -> None:
    spec = LayerSpec(LayerId("any"), LayerKind.HEIGHT, "any")
    files = sorted(path for path in (SHARED / "robust" / "ok").rglob("*.tif") if path.stat().st_size < 1 << 20)
    read = [found for path in files if isinstance(found := read_raster(path, spec, max_pixels=64 * 64), Raster)]
    placed = [one for one in read if one.transform is not None]
    assert placed, f"no georeferenced files in {SHARED}"
    for target in placed[::7]:
        for source in (*placed[::3], read[0]):
            found = align(target, source)
            assert found.column.shape == (target.height, target.width)
            assert found.covered == pytest.approx(np.mean(~np.isnan(found.column)))
            assert not found.same or found.covered == 1.0

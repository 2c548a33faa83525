"""What a file's numbers mean: sizes, masks, markers, palettes, places; and that no file, however odd, is an exception."""

import os
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine
from rasterio.enums import Resampling

from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data import raster as raster_module
from rsviewer.data import rasterfile
from rsviewer.data.raster import read_header, read_raster

NORTH_UP = Affine(0.5, 0, 400_000, 0, -0.5, 4_000_000)
PLACE = {"crs": "EPSG:32654", "transform": NORTH_UP}


def spec(kind: LayerKind, **facts: Any) -> LayerSpec:
    return LayerSpec(LayerId("layer"), kind, "layer", **facts)


OPTICAL = spec(LayerKind.OPTICAL)
HEIGHT = spec(LayerKind.HEIGHT, unit="m")
LABELS = spec(LayerKind.LABELS)
MASK = spec(LayerKind.MASK)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes (bands, height, width) or (height, width) as a GeoTIFF and returns its path."""

    def write(pixels: Any, name: str = "tile.tif", **profile: Any) -> Path:
        pixels = np.atleast_3d(np.asarray(pixels)) if np.ndim(pixels) < 2 else np.asarray(pixels)
        pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        after = {key: profile.pop(key) for key in ("scales", "offsets", "descriptions") if key in profile}
        mask = profile.pop("mask", None)
        tags = profile.pop("tags", {})
        colormap = profile.pop("colormap", None)
        bands, height, width = pixels.shape
        options = {
            "driver": "GTiff",
            "count": bands,
            "height": height,
            "width": width,
            "dtype": pixels.dtype.name,
            **PLACE,
        }
        path = tmp_path / name
        with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            warnings.simplefilter("ignore")
            with rasterio.open(path, "w", **{**options, **profile}) as file:
                file.write(pixels)
                if mask is not None:
                    file.write_mask(mask)
                if colormap is not None:
                    file.write_colormap(1, colormap)
                file.update_tags(**tags)
                for key, value in after.items():
                    setattr(file, key, value)
        return path

    return write


def read(path: Path, layer: LayerSpec, **options: Any) -> Raster:
    content = read_raster(path, layer, **options)
    assert isinstance(content, Raster), content
    return content


def refused(path: Path, layer: LayerSpec = OPTICAL) -> str:
    content = read_raster(path, layer)
    assert isinstance(content, Unreadable), content
    assert content.reason.endswith(".")
    assert "\n" not in content.reason
    return content.reason


# --- values, names, places


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_values_and_their_type_are_kept(write: Callable[..., Path], dtype: str) -> None:
    pixels = np.arange(12).reshape(3, 4).astype(dtype)
    raster = read(write(pixels), HEIGHT)
    assert raster.pixels.dtype == dtype
    assert np.array_equal(raster.pixels[0], pixels)
    assert raster.valid.all()
    assert raster.notes == ()


def test_a_clean_tile_knows_its_place_and_pays_nothing_for_its_mask(write: Callable[..., Path]) -> None:
    raster = read(write(np.full((3, 4, 6), 7, np.uint8)), OPTICAL)
    assert raster.crs == "EPSG:32654"
    assert raster.transform == (0.5, 0.0, 400_000.0, 0.0, -0.5, 4_000_000.0)
    assert raster.gsd == pytest.approx(0.5)
    assert raster.full_size == (6, 4)
    assert raster.nbytes == raster.pixels.nbytes
    assert not raster.pixels.flags.writeable


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_interleaving_does_not_show(write: Callable[..., Path], interleave: str) -> None:
    pixels = np.arange(4 * 16 * 16).reshape(4, 16, 16).astype(np.uint16)
    path = write(pixels, interleave=interleave, photometric="MINISBLACK")
    assert np.array_equal(read(path, OPTICAL).pixels, pixels)


def test_complex_radar_shows_its_magnitude(write: Callable[..., Path]) -> None:
    raster = read(write(np.full((2, 2), 3 + 4j, np.complex64)), spec(LayerKind.SAR))
    assert raster.pixels.dtype == np.float32
    assert (raster.pixels == 5).all()
    assert "magnitude" in raster.notes[0]


def test_band_names_come_from_the_file_and_leave_the_alpha_band_out(write: Callable[..., Path]) -> None:
    path = write(np.full((2, 4, 4), 255, np.uint8), alpha="YES", descriptions=("near infrared", "alpha"))
    assert read(path, OPTICAL).band_names == ("near infrared",)


def test_the_scale_of_the_file_wins_over_that_of_the_dataset(write: Callable[..., Path]) -> None:
    stored = np.array([[10, 20]], np.int16)
    decimetres = spec(LayerKind.HEIGHT, unit="m", scale=0.1)
    assert read(write(stored), decimetres).pixels[0] == pytest.approx(np.array([[1.0, 2.0]]))
    own = write(stored, scales=(0.5,), offsets=(100.0,))
    raster = read(own, decimetres)
    assert raster.pixels[0] == pytest.approx(np.array([[105.0, 110.0]]))
    assert raster.pixels.dtype == np.float32


def test_an_invalid_pixel_keeps_its_stored_value_when_the_others_are_scaled(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[10, -9999]], np.int16), nodata=-9999), spec(LayerKind.HEIGHT, unit="m", scale=0.1))
    assert raster.pixels[0].tolist() == [[1.0, -9999.0]]
    assert raster.valid[0].tolist() == [[True, False]]
    assert raster.nodata == -9999


def test_classes_are_never_scaled(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[1, 2]], np.uint8), scales=(10.0,), offsets=(0.0,)), LABELS)
    assert raster.pixels[0].tolist() == [[1, 2]]


def test_a_pixel_in_feet_is_not_a_metre(write: Callable[..., Path]) -> None:
    feet = {"crs": "EPSG:2992", "transform": Affine(1, 0, 630_000, 0, -1, 850_000)}
    assert read(write(np.ones((4, 4), np.uint8), **feet), OPTICAL).gsd == pytest.approx(0.3048)


def test_degrees_are_measured_at_the_latitude_of_the_tile(write: Callable[..., Path]) -> None:
    second = 1 / 3600
    for latitude, metres in ((0.0, 30.8), (60.0, 21.9)):
        place = {"crs": "EPSG:4326", "transform": Affine(second, 0, 10, 0, -second, latitude)}
        assert read(write(np.ones((2, 2), np.uint8), **place), OPTICAL).gsd == pytest.approx(metres, abs=0.1)


@pytest.mark.parametrize(
    "code", [2056, 2154, 2193, 2326, 3031, 3413, 3857, 4326, 5070, 5514, 6933, 7415, 25832, 27700, 28992, 31370, 32718]
)
def test_a_crs_of_the_registry_keeps_its_name(code: int, write: Callable[..., Path]) -> None:
    assert read(write(np.ones((4, 4), np.uint8), crs=f"EPSG:{code}"), OPTICAL).crs == f"EPSG:{code}"


def test_web_mercator_stretches_and_the_gsd_knows(write: Callable[..., Path]) -> None:
    at_60_north = {"crs": "EPSG:3857", "transform": Affine(10, 0, 0, 0, -10, 8_399_738)}
    assert read(write(np.ones((2, 2), np.uint8), **at_60_north), OPTICAL).gsd == pytest.approx(5.0, rel=1e-3)


def test_a_rotated_grid_has_a_gsd_and_says_that_up_is_not_north(write: Callable[..., Path]) -> None:
    raster = read(write(np.ones((4, 4), np.uint8), transform=NORTH_UP @ Affine.rotation(30)), OPTICAL)
    assert raster.gsd == pytest.approx(0.5)
    assert "rotated" in raster.notes[0]


def test_without_georeference_there_is_no_gsd_and_no_warning(write: Callable[..., Path]) -> None:
    path = write(np.ones((4, 4), np.uint8), crs=None, transform=None)
    raster = read(path, OPTICAL)
    assert (raster.transform, raster.crs, raster.gsd) == (None, "", None)


def test_a_transform_without_crs_is_kept_but_measures_nothing(write: Callable[..., Path]) -> None:
    raster = read(write(np.ones((4, 4), np.uint8), crs=None), OPTICAL)
    assert raster.transform is not None
    assert raster.gsd is None


def test_control_points_are_told_but_are_no_transform(write: Callable[..., Path]) -> None:
    points = [rasterio.control.GroundControlPoint(row, column, column, -row) for row in (0, 4) for column in (0, 4)]
    raster = read(write(np.ones((4, 4), np.uint8), transform=None, gcps=points), OPTICAL)
    assert raster.transform is None
    assert "4 control points" in raster.notes[0]


def test_a_crs_that_makes_no_sense_does_not_lose_the_picture(write: Callable[..., Path]) -> None:
    path = write(np.ones((4, 4), np.uint8), crs=None)
    path.with_name("tile.tif.aux.xml").write_text('<PAMDataset><SRS>PROJCS["nonsense",GEOGCS[</SRS></PAMDataset>')
    assert read(path, OPTICAL).pixels.shape == (1, 4, 4)


# --- what is data and what is not


def test_nodata_nan_and_infinity_are_invalid_and_zero_is_not(write: Callable[..., Path]) -> None:
    heights = np.array([[0, -9999, np.nan], [np.inf, -np.inf, 12]], np.float32)
    raster = read(write(heights, nodata=-9999), HEIGHT)
    assert raster.valid[0].tolist() == [[True, False, False], [False, False, True]]
    assert np.array_equal(raster.pixels[0], heights, equal_nan=True)
    assert raster.notes == ()


@pytest.mark.parametrize("marker", [np.nan, -3.4028234663852886e38, -3.4e38, 1.17549435e-38, -9999.9])
def test_every_marker_of_floats_is_recognised(write: Callable[..., Path], marker: float) -> None:
    lowest = np.finfo(np.float32).min if marker < -1e30 else marker
    raster = read(write(np.array([[5.0, lowest]], np.float32), nodata=marker), HEIGHT)
    assert raster.valid[0].tolist() == [[True, False]]
    assert raster.notes == ()


@pytest.mark.parametrize(
    ("dtype", "marker"), [("int16", -32768), ("uint16", 65535), ("int32", -2147483648), ("uint8", 255)]
)
def test_every_marker_of_integers_is_recognised(write: Callable[..., Path], dtype: str, marker: int) -> None:
    raster = read(write(np.array([[5, marker]], dtype), nodata=marker), HEIGHT)
    assert raster.valid[0].tolist() == [[True, False]]
    assert raster.notes == ()


def test_the_datasets_marker_and_limits_hold_though_the_file_is_silent(write: Callable[..., Path]) -> None:
    layer = spec(LayerKind.HEIGHT, unit="m", nodata=7.0, low=-1000.0, high=450.0)
    raster = read(write(np.array([[7, -1001, 451, 450, np.nan]], np.float32)), layer)
    assert raster.valid[0].tolist() == [[False, False, False, True, False]]
    assert raster.nodata == 7.0


def test_a_dataset_marker_that_the_type_cannot_hold_hides_nothing(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[0, 241]], np.uint8)), spec(LayerKind.OPTICAL, nodata=-9999.0))
    assert raster.valid.all()


@pytest.mark.parametrize("marker", [-9999, -32768, -32767, -99999, 32767, 65535, -2000, 1e20, -3.4e38])
def test_an_undeclared_marker_among_heights_is_taken_for_nodata_and_told(
    write: Callable[..., Path], marker: float
) -> None:
    raster = read(write(np.array([[12.5, 13.5, marker, marker]], np.float32)), HEIGHT)
    assert raster.valid[0].tolist() == [[True, True, False, False]]
    assert "taken for nodata (50 %)" in raster.notes[0]


def test_the_beds_of_seas_are_heights(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[-10_935, -4200, -1500, 8848]], np.float32)), HEIGHT)
    assert raster.valid.all()
    assert raster.notes == ()


def test_guesses_are_made_for_heights_only(write: Callable[..., Path]) -> None:
    path = write(np.array([[-9999.0, 1.0]], np.float32))
    assert read(path, spec(LayerKind.SAR)).valid.all()


def test_black_is_nodata_only_where_every_band_is(write: Callable[..., Path]) -> None:
    pixels = np.array([[[0, 0, 9]], [[0, 7, 9]], [[0, 0, 9]]], np.uint8)
    raster = read(write(pixels, nodata=0), OPTICAL)
    assert raster.valid.tolist() == [[[False, True, True]]] * 3


def test_a_class_that_is_void_may_be_nodata_and_a_real_one_may_not(write: Callable[..., Path]) -> None:
    path = write(np.array([[0, 1, 2]], np.uint8), nodata=0)
    void = (LabelClass(0, "unlabelled", (0, 0, 0), void=True), LabelClass(1, "bare", (1, 1, 1)))
    real = (LabelClass(0, "water", (0, 0, 255)), LabelClass(1, "bare", (1, 1, 1)))
    assert read(path, spec(LayerKind.LABELS, classes=void)).valid[0].tolist() == [[False, True, True]]
    kept = read(path, spec(LayerKind.LABELS, classes=real))
    assert kept.valid.all()
    assert '"water"' in kept.notes[0]


def test_no_change_in_a_mask_stays_data_although_the_file_calls_it_nodata(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[0, 255]], np.uint8), nodata=0), MASK)
    assert raster.valid.all()
    assert '"no change"' in raster.notes[0]


def test_a_one_bit_mask_is_zeros_and_ones(write: Callable[..., Path]) -> None:
    raster = read(write(np.array([[0, 1, 1]], np.uint8), nbits=1), MASK)
    assert raster.pixels[0].tolist() == [[0, 1, 1]]
    assert raster.valid.all()


def test_clear_pixels_are_invalid_and_the_alpha_band_is_gone(write: Callable[..., Path]) -> None:
    pixels = np.full((4, 8, 8), 100, np.uint8)
    pixels[3] = 255
    pixels[3, 0, 0] = 0
    raster = read(write(pixels, alpha="YES"), OPTICAL)
    assert raster.bands == 3
    assert not raster.valid[:, 0, 0].any()
    assert raster.valid.sum() == 3 * 63


def test_infrared_that_is_tagged_as_alpha_stays_a_band(write: Callable[..., Path]) -> None:
    pixels = np.arange(4 * 16 * 16).reshape(4, 16, 16).astype(np.uint8)
    path = write(pixels, alpha="YES")
    raster = read(path, OPTICAL)
    assert raster.bands == 4
    assert "looks like a picture" in raster.notes[0]
    assert read(path, spec(LayerKind.OPTICAL, bands=("red", "green", "blue", "nir"))).notes == ()


@pytest.mark.parametrize("internal", [True, False])
def test_the_mask_of_the_file_or_beside_it_hides_pixels(write: Callable[..., Path], internal: bool) -> None:
    mask = np.array([[255, 0], [255, 255]], np.uint8)
    path = write(np.full((3, 2, 2), 50, np.uint8), mask=mask if internal else None)
    if not internal:
        write(mask, "tile.tif.msk", tags={"INTERNAL_MASK_FLAGS_1": "2"})
    assert read(path, OPTICAL).valid.tolist() == [[[True, False], [True, True]]] * 3


def test_a_palette_is_colours_for_an_image_and_indices_for_classes(write: Callable[..., Path]) -> None:
    colors = {0: (0, 0, 0, 255), 1: (250, 10, 20, 255), 2: (1, 2, 3, 255)}
    path = write(np.array([[1, 2, 0]], np.uint8), colormap=colors)
    image = read(path, OPTICAL)
    assert image.pixels[:, 0, 0].tolist() == [250, 10, 20]
    assert image.color_table == {}
    classes = read(path, LABELS)
    assert classes.pixels.tolist() == [[[1, 2, 0]]]
    assert classes.color_table[1] == (250, 10, 20)


def test_the_clear_colour_of_a_palette_png_is_invalid(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, 200, 100, 50, 9, 9, 9])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "a.png", transparency=1)
    raster = read(tmp_path / "a.png", OPTICAL)
    assert raster.valid.tolist() == [[[True, False, True]]] * 3
    assert raster.pixels[:, 0, 2].tolist() == [9, 9, 9]


def test_a_16_bit_png_keeps_its_depth(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 40_000]], np.uint16)).save(tmp_path / "d.png")
    raster = read(tmp_path / "d.png", spec(LayerKind.HEIGHT, unit="m", scale=0.1))
    assert raster.pixels[0] == pytest.approx(np.array([[0.0, 4000.0]]))


def test_ink_is_shown_as_light(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (255, 0, 0, 0)).save(tmp_path / "ink.tif")
    raster = read(tmp_path / "ink.tif", OPTICAL)
    assert raster.pixels[:, 0, 0].tolist() == [0, 255, 255]
    assert "CMYK" in raster.notes[0]


def test_heights_under_the_name_of_an_image_are_told(write: Callable[..., Path]) -> None:
    assert "heights, perhaps" in read(write(np.ones((4, 4), np.float32)), OPTICAL).notes[0]


def test_another_number_of_bands_than_documented_is_told(write: Callable[..., Path]) -> None:
    raster = read(write(np.ones((2, 4, 4), np.uint16)), spec(LayerKind.OPTICAL, bands=("b1", "b2", "b3")))
    assert raster.notes == ("2 bands, where the dataset describes 3",)


def test_of_several_pages_the_first_is_shown_and_told(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4), shade) for shade in (10, 20, 30)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    raster = read(tmp_path / "pages.tif", OPTICAL)
    assert (raster.pixels == 10).all()
    assert raster.notes == ("first of 3 pages",)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.sampled_from([0, 1, 5, -9999, 32767]), min_size=1, max_size=12),
    marker=st.sampled_from([None, 0, 5, -9999]),
    kind=st.sampled_from([LayerKind.OPTICAL, LayerKind.SAR, LayerKind.LABELS]),
)
def test_exactly_the_declared_marker_is_invalid(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], marker: int | None, kind: LayerKind
) -> None:
    path = tmp_path_factory.mktemp("marker") / "tile.tif"
    pixels = np.array([[values]], np.int16)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=1, width=len(values), dtype="int16", nodata=marker, **PLACE
    ) as file:
        file.write(pixels)
    raster = read(path, spec(kind))
    assert np.array_equal(raster.valid, pixels != marker if marker is not None else np.ones_like(pixels, bool))


# --- size


def test_a_large_image_is_averaged_heights_and_classes_are_picked(write: Callable[..., Path]) -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 200
    path = write(board.astype(np.uint8))
    image = read(path, OPTICAL, max_pixels=256)
    assert image.pixels.shape == (1, 16, 16)
    assert image.full_size == (64, 64)
    assert image.gsd == pytest.approx(0.5)
    assert image.notes == ("read at 1:4",)
    assert set(np.unique(image.pixels)) == {100}
    for layer in (HEIGHT, LABELS, MASK):
        assert set(np.unique(read(path, layer, max_pixels=256).pixels)) <= {0, 200}


def test_classes_do_not_come_from_averaged_overviews(write: Callable[..., Path]) -> None:
    board = (np.random.default_rng(0).random((64, 64)) > 0.5) * 200
    path = write(board.astype(np.uint8))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    assert set(np.unique(read(path, LABELS, max_pixels=256).pixels)) == {0, 200}


def test_nodata_does_not_bleed_into_its_neighbours_when_decimated(write: Callable[..., Path]) -> None:
    heights = np.full((64, 64), 10, np.float32)
    heights[::2, ::2] = -9999
    for nodata in (None, -9999):
        raster = read(write(heights, nodata=nodata), HEIGHT, max_pixels=1024)
        assert set(np.unique(raster.pixels[raster.valid])) <= {10}


def test_many_bands_share_the_bytes_of_a_raster(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster_module, "MAX_BYTES", 8 * 16 * 16)
    raster = read(write(np.ones((8, 64, 64), np.uint8), photometric="MINISBLACK"), spec(LayerKind.SAR))
    assert raster.pixels.shape == (8, 16, 16)


def test_a_declared_gigapixel_image_of_no_content_is_read_small(write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 60_000, "width": 60_000, "dtype": "uint8", **PLACE}
    with rasterio.open(path, "w", tiled=True, blockxsize=2048, blockysize=2048, sparse_ok=True, **profile):
        pass
    assert path.stat().st_size < 20_000
    raster = read(path, LABELS, max_pixels=100_000)
    assert raster.pixels.size <= 100_000
    assert raster.full_size == (60_000, 60_000)


def test_what_cannot_be_held_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 400_000, "width": 400_000, "dtype": "uint8", **PLACE}
    with rasterio.open(
        path, "w", tiled=True, blockxsize=8192, blockysize=8192, sparse_ok=True, bigtiff=True, **profile
    ):
        pass
    assert "gdaladdo" in refused(path)
    profile |= {"height": 40_000, "width": 40_000, "blockysize": 40_000, "blockxsize": 40_000}
    with rasterio.open(path, "w", tiled=True, compress="deflate", sparse_ok=True, **profile):
        pass
    assert "blocks of 40000 x 40000" in refused(path)


# --- files that are not what they should be


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"../.git/annex/objects/aa/bb/SHA256E-s1--0.tif", "git annex get"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b'<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>', "VRT"),
        (b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", "XML"),
        (b'{"type": "FeatureCollection"}', "JSON"),
        (b"PK\x03\x04" + bytes(60), "archive"),
        (b"LASF" + bytes(200), "point cloud"),
        (b"just some words", "text file"),
        (bytes(4096), "nothing but zeros"),
        (b"\x01\x02\x03\x00" * 40, "GeoTIFF, PNG"),
        (b"II*\0\x08\0\0\0", "Cut short"),
    ],
)
def test_a_file_that_is_no_image_says_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "tile.tif"
    path.write_bytes(content)
    assert words in refused(path)


@pytest.mark.parametrize("name", ["tile.tif", "tile.png", "tile.jpg"])
def test_half_a_file_is_never_half_a_picture(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / name
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert "Cut short" in refused(path)


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "tile.png"
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "checksum" in refused(path)


def test_a_missing_file_is_missing_and_a_dangling_link_names_its_target(tmp_path: Path) -> None:
    missing = read_raster(tmp_path / "no.tif", OPTICAL)
    assert isinstance(missing, Missing)
    assert "no.tif" in missing.reason
    (tmp_path / "link.tif").symlink_to("/store/lost.tif")
    dangling = read_raster(tmp_path / "link.tif", OPTICAL)
    assert isinstance(dangling, Missing)
    assert "/store/lost.tif" in dangling.reason


def test_folders_pipes_and_circles_are_refused_without_waiting(tmp_path: Path) -> None:
    assert "folder" in refused(tmp_path)
    (tmp_path / "circle.tif").symlink_to("circle.tif")
    assert "back to itself" in refused(tmp_path / "circle.tif")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tif")
        assert "pipe" in refused(tmp_path / "pipe.tif")


def test_a_forbidden_file_asks_for_permission(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(np.ones((2, 2), np.uint8))

    def forbidden(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(rasterfile.os, "open", forbidden)
    assert "permission" in refused(path)


NAMES = [
    "t\u00fcr f\u00fcnf.tif",
    "a[1].tif",
    "what?.tif",
    "no#1.tif",
    "x%20y.tif",
    "NETCDF:a.tif:b",
    "zip!a.tif",
    "GTIFF_DIR:2:a.tif",
    "-o.tif",
    "a\nb.tif",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_opened(write: Callable[..., Path], name: str) -> None:
    path = write(np.full((2, 2), 9, np.uint8))
    assert (read(path.rename(path.with_name(name)), OPTICAL).pixels == 9).all()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows any bytes in a file name")
def test_a_name_of_other_bytes_can_be_opened_with_its_sidecars(write: Callable[..., Path]) -> None:
    plain = write(np.full((2, 2), 9, np.uint8), crs=None, transform=None)
    odd = plain.rename(plain.with_name(os.fsdecode(b"t\xfcr.tif")))
    odd.with_suffix(".tfw").write_text("2\n0\n0\n-2\n100\n200\n")
    raster = read(odd, OPTICAL)
    assert (raster.pixels == 9).all()
    assert raster.transform == (2.0, 0.0, 99.0, 0.0, -2.0, 201.0)
    odd.write_bytes(b"")
    content = read_raster(odd, OPTICAL)
    assert isinstance(content, Unreadable)
    content.path.encode()


def test_a_relative_name_is_a_file_and_never_syntax(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(np.full((2, 2), 9, np.uint8))
    monkeypatch.chdir(path.parent)
    assert (read(Path("tile.tif"), OPTICAL).pixels == 9).all()
    assert isinstance(read_raster(Path("/vsimem/tile.tif"), OPTICAL), Missing)


# --- manners


def test_nothing_is_written_beside_the_data(write: Callable[..., Path]) -> None:
    path = write(np.random.default_rng(0).random((64, 64)).astype(np.float32))
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    read(path, HEIGHT, max_pixels=100)
    read_header(path)
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


@pytest.mark.parametrize("syntax", ["/vsicurl/http://127.0.0.1:{}/a.tif", "http://127.0.0.1:{}/a.tif"])
def test_a_sidecar_cannot_make_the_program_call_anybody(write: Callable[..., Path], syntax: str) -> None:
    path = write(np.ones((64, 64), np.uint8))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        source = syntax.format(listener.getsockname()[1])
        path.with_name("tile.tif.aux.xml").write_text(
            f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{source}</MDI></Metadata></PAMDataset>'
        )
        read(path, OPTICAL, max_pixels=100)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_many_threads_read_at_once_without_a_word(
    write: Callable[..., Path], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fine = [write(np.full((32, 32), shade, np.uint8), f"{shade}.tif", crs=None, transform=None) for shade in range(8)]
    broken = write(np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8), "broken.tif", compress="deflate")
    broken.write_bytes(broken.read_bytes()[:-200])
    start = threading.Barrier(4)

    def work(_: int) -> list[object]:
        start.wait()
        return [read_raster(path, OPTICAL) for path in [*fine, broken] * 5]

    with ThreadPoolExecutor(4) as threads:
        for contents in threads.map(work, range(4)):
            for number, content in enumerate(contents):
                if number % 9 == 8:
                    assert isinstance(content, Unreadable)
                else:
                    assert isinstance(content, Raster)
                    assert (content.pixels == number % 9).all()
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_header_tells_what_is_stored_without_pixels(write: Callable[..., Path]) -> None:
    header = read_header(write(np.ones((2, 3, 4), np.int16), nodata=-32768, compress="deflate"))
    assert not isinstance(header, Unreadable)
    assert (header.width, header.height, header.bands, header.dtype) == (4, 3, 2, "int16")
    assert (header.nodata, header.crs, header.gsd) == (-32768, "EPSG:32654", pytest.approx(0.5))
    assert (header.driver, header.compress) == ("GTiff", "deflate")


def test_the_header_of_nothing_is_unreadable(tmp_path: Path) -> None:
    assert isinstance(read_header(tmp_path / "no.tif"), Unreadable)


# --- bands that are a layer, and values that stand for others


def test_a_layer_takes_only_its_own_bands_of_the_file_in_its_order(write: Callable[..., Path]) -> None:
    path = write(
        np.stack([np.full((4, 4), 10 * band, np.uint16) for band in range(4)]), descriptions=("a", "b", "c", "d")
    )
    one = read(path, spec(LayerKind.LABELS, take=(2,), bands=("LCCS",)))
    assert (one.pixels.tolist(), one.band_names, one.notes) == ([[[20] * 4] * 4], ("c",), ())
    two = read(path, spec(LayerKind.OPTICAL, take=(3, 1)))
    assert (two.pixels[:, 0, 0].tolist(), two.band_names) == ([30, 10], ("d", "b"))
    assert read(path, spec(LayerKind.LABELS, take=(1,)), max_pixels=4).pixels.tolist() == [[[10, 10], [10, 10]]]


def test_scale_and_nodata_of_a_taken_band_are_its_own(write: Callable[..., Path]) -> None:
    path = write(
        np.stack([np.full((2, 2), 7, np.int16), np.array([[4, 7], [7, 7]], np.int16)]),
        scales=(1.0, 0.5),
        offsets=(0.0, 1.0),
        nodata=4,
    )
    taken = read(path, spec(LayerKind.QUANTITY, take=(1,)))
    assert taken.valid.tolist() == [[[False, True], [True, True]]]
    assert taken.pixels[0, 1, 1] == 4.5


def test_a_file_without_the_band_says_so(write: Callable[..., Path]) -> None:
    result = read_raster(write(np.zeros((1, 2, 2), np.uint16)), spec(LayerKind.LABELS, take=(3,)))
    assert isinstance(result, Unreadable)
    assert result.reason == "The file has 1 band, and layer is its band 4: look where the file comes from."


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_values_stand_for_others_and_those_beyond_the_table_stay(write: Callable[..., Path], dtype: str) -> None:
    stored = np.array([[0, 1], [2, 3], [200, 1]]).astype(dtype)
    found = read(write(stored), spec(LayerKind.LABELS, lut=(0, 5, 300)))
    assert found.pixels[0].tolist() == [[0, 5], [300, 3], [200, 5]]


@pytest.mark.parametrize("nodata", [9, 9.0])
def test_nodata_means_what_a_value_stands_for(write: Callable[..., Path], nodata: float) -> None:
    found = read(write(np.array([[1, 2], [3, 9]], np.uint8)), spec(LayerKind.LABELS, lut=(0, 9, 0, 4), nodata=nodata))
    assert found.pixels[0].tolist() == [[9, 0], [4, 9]]
    assert found.valid[0].tolist() == [[False, True], [True, False]]

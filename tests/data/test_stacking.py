"""Files as bands of one raster, and parts of rasters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio import Affine

from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.address import Window, of_bands, of_part
from rsviewer.data.content import header_of, read_content
from rsviewer.data.raster import RasterHeader
from tests.data.samples.rasters import put_raster

SPEC = LayerSpec(LayerId("bands"), LayerKind.OPTICAL, "bands", bands=("A", "B", "C"))


def put(path: Path, pixels: NDArray[np.generic], driver: str = "PNG", **profile: object) -> str:
    return str(put_raster(path, pixels if pixels.ndim == 3 else pixels[None], driver=driver, **profile))


def read(address: str, spec: LayerSpec = SPEC) -> Raster:
    content = read_content(address, spec)
    assert isinstance(content, Raster), content
    return content


def test_bands_of_fewer_pixels_are_repeated_on_the_grid_of_the_largest(tmp_path: Path) -> None:
    large = put(tmp_path / "large.png", np.arange(64).reshape(8, 8))
    half = put(tmp_path / "half.png", np.arange(16).reshape(4, 4))
    quarter = put(tmp_path / "quarter.png", np.array([[1, 2], [3, 4]]))
    stack = read(of_bands([half, large, quarter]))
    assert stack.pixels.shape == (3, 8, 8)
    assert stack.pixels.dtype == np.uint8
    np.testing.assert_array_equal(stack.pixels[0], np.arange(16).reshape(4, 4).repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(stack.pixels[2], np.array([[1, 2], [3, 4]]).repeat(4, 0).repeat(4, 1))
    assert stack.valid.all()
    assert stack.band_names == ("A", "B", "C")
    assert stack.notes == ("A: 4 x 4 pixels, repeated 2 times", "C: 2 x 2 pixels, repeated 4 times")


def test_a_band_that_does_not_fit_is_stretched_and_said(tmp_path: Path) -> None:
    large = put(tmp_path / "large.png", np.zeros((8, 8)))
    odd = put(tmp_path / "odd.png", np.arange(9).reshape(3, 3))
    stack = read(of_bands([large, odd, large]))
    assert stack.pixels[1, 0, 0] == 0
    assert stack.pixels[1, 7, 7] == 8
    assert stack.notes == ("B: 3 x 3 pixels, stretched, for its pixels do not fit",)


def test_missing_and_broken_bands_are_invalid_and_named(tmp_path: Path) -> None:
    good = put(tmp_path / "good.png", np.full((4, 4), 7))
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(good).read_bytes()[:20])
    stack = read(of_bands([good, "", str(broken)]))
    assert stack.valid.all(axis=(1, 2)).tolist() == [True, False, False]
    assert not stack.valid[1:].any()
    assert stack.notes[0] == "no file of B"
    assert stack.notes[1].startswith("C cannot be read: ")
    gone = read(of_bands([str(tmp_path / "gone.png"), good, good]))
    assert gone.notes[0] == "no file of A"


def test_where_no_band_can_be_read_it_is_as_if_the_first_were_all(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    gone = str(tmp_path / "gone.png")
    assert isinstance(read_content(of_bands([gone, str(broken)]), SPEC), Missing)
    assert isinstance(read_content(of_bands(["", str(broken), gone]), SPEC), Unreadable)
    assert isinstance(read_content(of_bands(["", ""]), SPEC), Missing)


def test_only_the_first_band_of_a_file_counts(tmp_path: Path) -> None:
    picture = put(tmp_path / "rgb.png", np.stack([np.full((4, 4), value) for value in (1, 2, 3)]))
    stack = read(of_bands([picture, picture]), replace(SPEC, bands=("A", "B")))
    assert stack.pixels[:, 0, 0].tolist() == [1, 1]
    assert stack.notes == ("A has 3 bands: shown is the first", "B has 3 bands: shown is the first")


def test_a_part_is_cut_out_without_resampling_and_keeps_its_place_on_the_map(tmp_path: Path) -> None:
    place = Affine(2.0, 0, 1000, 0, -2.0, 5000)
    path = put(tmp_path / "labels.tif", np.arange(64).reshape(8, 8), "GTiff", crs="EPSG:32632", transform=place)
    part = read(of_part(path, Window(1, 2, 2, 1, 4)), replace(SPEC, bands=()))
    np.testing.assert_array_equal(part.pixels[0], np.arange(64).reshape(8, 8)[4:6, 2:6])
    assert part.full_size == (4, 2)
    assert part.transform == (2.0, 0, 1004, 0, -2.0, 4992)


def test_a_part_of_a_stack_is_a_part_of_each_band(tmp_path: Path) -> None:
    large = put(tmp_path / "large.png", np.arange(64).reshape(8, 8))
    half = put(tmp_path / "half.png", np.arange(16).reshape(4, 4))
    part = read(of_part(of_bands([large, half, ""]), Window(1, 1, 1, 1, 2)))
    np.testing.assert_array_equal(part.pixels[0], np.arange(64).reshape(8, 8)[4:, 4:])
    np.testing.assert_array_equal(part.pixels[1], np.array([[10, 11], [14, 15]]).repeat(2, 0).repeat(2, 1))
    assert not part.valid[2].any()


def test_a_part_smaller_than_a_pixel_is_the_pixel_under_it(tmp_path: Path) -> None:
    path = put(tmp_path / "tiny.png", np.array([[1, 2], [3, 4]]))
    corner = read(of_part(path, Window(15, 0, 1, 1, 16)), replace(SPEC, bands=()))
    assert corner.pixels.tolist() == [[[2]]]


def test_classes_of_a_part_stay_classes(tmp_path: Path) -> None:
    classes = (LabelClass(0, "invalid", (0, 0, 0), void=True), LabelClass(1, "water", (0, 0, 255)))
    spec = LayerSpec(LayerId("land_cover"), LayerKind.LABELS, "land cover", classes=classes)
    path = put(tmp_path / "labels.png", np.eye(4))
    part = read(of_part(path, Window(0, 0, 1, 1, 2)), spec)
    assert part.pixels.tolist() == [[[1, 0], [0, 1]]]


@pytest.mark.parametrize("address", ["part:1,2:x", "part:0,0,1,1/0:{}", "part:5,5,1,1/4:{}", "part:0,0,9,1/4:{}"])
def test_an_address_that_means_no_part_is_a_sentence(address: str, tmp_path: Path) -> None:
    path = put(tmp_path / "a.png", np.zeros((4, 4)))
    assert isinstance(read_content(address.format(path), SPEC), Unreadable)


def test_a_missing_file_of_a_part_is_missing(tmp_path: Path) -> None:
    assert isinstance(read_content(of_part(str(tmp_path / "gone.png"), Window(0, 0, 1, 1, 2)), SPEC), Missing)


def test_the_header_of_a_stack_has_as_many_bands_as_files_and_the_largest_size(tmp_path: Path) -> None:
    large = put(tmp_path / "large.png", np.zeros((8, 8), np.uint8))
    half = put(tmp_path / "half.png", np.zeros((4, 4), np.uint8))
    header = header_of(of_bands([half, large, "", half]))
    assert isinstance(header, RasterHeader)
    assert (header.bands, header.width, header.height) == (4, 8, 8)
    part = header_of(of_part(large, Window(1, 2, 2, 1, 4)))
    assert isinstance(part, RasterHeader)
    assert (part.bands, part.width, part.height) == (1, 4, 2)


def test_a_broken_band_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    good = put(tmp_path / "good.png", np.zeros((8, 8), np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    header = header_of(of_bands([good, str(broken)]))
    assert isinstance(header, Unreadable)
    assert "broken.png" in header.path
    assert isinstance(header_of(of_bands(["", ""])), Unreadable)

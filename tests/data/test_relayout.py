"""Files of a dataset in another layout: written anew, copied, linked, and the names that they are planned to have."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Raster
from rsviewer.data.raster import read_raster
from rsviewer.data.relayout.planned import PlannedTree
from rsviewer.data.relayout.storing import Link, difference, png_of, tiff_of, transfer
from rsviewer.data.tree import DISK, Place

CLASSES = (LabelClass(0, "Nothing", (0, 0, 0), void=True), LabelClass(7, "Road", (250, 1, 2)))
KINDS = [LayerKind.OPTICAL, LayerKind.HEIGHT, LayerKind.LABELS, LayerKind.MASK, LayerKind.SAR, LayerKind.QUANTITY]
TYPES = [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64]


def spec_of(kind: LayerKind, **options: Any) -> LayerSpec:
    return LayerSpec(LayerId("layer"), kind, "layer", **options)


def raster_of(pixels: np.ndarray, valid: np.ndarray | None = None, **options: Any) -> Raster:
    return Raster(pixels, np.ones(pixels.shape, bool) if valid is None else valid, **options)


def reread(content: bytes, path: Path, spec: LayerSpec) -> Raster:
    path.write_bytes(content)
    raster = read_raster(path, spec)
    assert isinstance(raster, Raster)
    return raster


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("holes", ["none", "some", "all", "of one band"])
def test_values_and_holes_are_read_as_they_were_written(
    tmp_path: Path, kind: LayerKind, dtype: type, bands: int, holes: str
) -> None:
    random = np.random.default_rng(bands)
    pixels = random.integers(0, 100, (bands, 9, 7)).astype(dtype)
    valid = np.ones(pixels.shape, bool)
    if holes == "of one band":
        valid[0, :3] = False
    elif holes != "none":
        valid[:, : 3 if holes == "some" else 9] = False
    spec = spec_of(kind)
    raster = raster_of(pixels, valid)

    new = reread(tiff_of(raster, spec), tmp_path / "new.tif", spec)

    assert difference(raster, new) == ""


def test_its_place_the_names_of_its_bands_and_its_unit_are_kept(tmp_path: Path) -> None:
    spec = spec_of(LayerKind.HEIGHT, unit="m")
    raster = raster_of(
        np.ones((1, 2, 2), np.float32), transform=(0.5, 0, 4e5, 0, -0.5, 4e6), crs="EPSG:32654", band_names=("dsm",)
    )

    new = reread(tiff_of(raster, spec), tmp_path / "new.tif", spec)

    assert (new.transform, new.crs, new.band_names) == (raster.transform, raster.crs, ("dsm",))
    with rasterio.open(tmp_path / "new.tif") as file:
        assert file.units == ("m",)


def test_labels_get_the_colours_of_their_classes_and_8_bits(tmp_path: Path) -> None:
    spec = spec_of(LayerKind.LABELS, classes=CLASSES)
    valid = np.array([[[True, True, False]]])
    raster = raster_of(np.array([[[0, 7, 9000]]], np.uint16), valid)

    new = reread(tiff_of(raster, spec), tmp_path / "new.tif", spec)

    assert difference(raster, new) == ""
    with rasterio.open(tmp_path / "new.tif") as file:
        assert file.dtypes == ("uint8",)
        assert file.colormap(1)[7] == (250, 1, 2, 255)
        assert file.nodata not in (0, 7)


def test_a_class_that_needs_16_bits_keeps_them(tmp_path: Path) -> None:
    raster = raster_of(np.array([[[0, 700]]], np.uint16))

    new = reread(tiff_of(raster, spec_of(LayerKind.LABELS)), tmp_path / "new.tif", spec_of(LayerKind.LABELS))

    assert new.pixels.tolist() == [[[0, 700]]]


@pytest.mark.parametrize("bands", [1, 3])
def test_a_picture_as_png_keeps_its_holes(tmp_path: Path, bands: int) -> None:
    pixels = np.arange(bands * 6, dtype=np.uint8).reshape(bands, 2, 3)
    valid = np.ones(pixels.shape, bool)
    valid[:, 0, 0] = False
    raster = raster_of(pixels, valid)

    new = reread(png_of(raster, "image"), tmp_path / "new.png", spec_of(LayerKind.OPTICAL))

    assert difference(raster, new) == ""


@pytest.mark.parametrize("pixels", [np.zeros((1, 2, 2), np.uint16), np.zeros((5, 2, 2), np.uint8)])
def test_what_png_cannot_hold_is_said(pixels: np.ndarray) -> None:
    with pytest.raises(LayerError, match="PNG cannot hold it"):
        png_of(raster_of(pixels), "image")


def test_what_became_different_is_told() -> None:
    raster = raster_of(np.array([[[1.0, 2.0]]]), np.array([[[True, False]]]))

    assert "missing" in difference(raster, raster_of(raster.pixels, np.zeros((1, 1, 2), bool)))
    assert "holes" in difference(raster, raster_of(raster.pixels))
    assert "others" in difference(raster, raster_of(raster.pixels + 1, raster.valid))
    assert "bands" in difference(raster, raster_of(np.zeros((2, 1, 2))))


# Copies and links


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "old" / "a.b.tif"
    source.parent.mkdir()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(source)
    source.with_name("a.b.tfw").write_text("0.5\n0\n0\n-0.5\n10\n20\n")
    source.with_name("a.b.tif.aux.xml").write_text("<PAMDataset/>")
    return source


@pytest.mark.parametrize("link", list(Link))
def test_a_file_comes_with_what_lies_beside_it(source: Path, tmp_path: Path, link: Link) -> None:
    assert transfer(str(source), tmp_path / "tile_0.tif", DISK, link) == ()

    new = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert sorted(new) == ["tile_0.tfw", "tile_0.tif", "tile_0.tif.aux.xml"]
    assert new["tile_0.tif"] == source.read_bytes()
    is_same = (tmp_path / "tile_0.tif").samefile(source)
    assert is_same is (link is not Link.COPY)
    assert (tmp_path / "tile_0.tif").is_symlink() is (link is Link.SYMLINK)


@pytest.mark.parametrize("before", list(Link))
@pytest.mark.parametrize("after", list(Link))
def test_what_replaces_a_link_never_changes_what_it_leads_to(
    source: Path, tmp_path: Path, before: Link, after: Link
) -> None:
    other = source.with_name("other.tif")
    other.write_bytes(b"other")
    target = tmp_path / "new.tif"
    content = source.read_bytes()

    transfer(str(source), target, DISK, before)
    transfer(str(other), target, DISK, after)
    transfer(str(other), target, DISK, after)

    assert source.read_bytes() == content
    assert not source.is_symlink()
    assert (target.read_bytes(), other.read_bytes()) == (b"other", b"other")
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_what_cannot_be_linked_is_copied(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crosses_a_border(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", crosses_a_border)

    assert "copied" in transfer(str(source), tmp_path / "new.tif", DISK, Link.HARD)[0]
    assert (tmp_path / "new.tif").read_bytes() == source.read_bytes()


class _Packed:
    """A tree whose files lie in one larger file."""

    def __init__(self, path: Path, size: int) -> None:
        self._place = Place(str(path), offset=4, size=size)

    def place(self, path: str) -> Place:
        return self._place

    def is_file(self, path: str) -> bool:
        return False


def test_a_file_in_an_archive_is_taken_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"headCONTENTtail")

    remarks = transfer("x.tif", tmp_path / "new.tif", _Packed(tmp_path / "archive", 7), Link.HARD)  # type: ignore[arg-type]

    assert "copied, not linked" in remarks[0]
    assert (tmp_path / "new.tif").read_bytes() == b"CONTENT"


def test_a_file_that_ends_too_early_is_not_left_half(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"headCON")

    with pytest.raises(LayerError, match="4 of 7 bytes are missing"):
        transfer("x.tif", tmp_path / "new.tif", _Packed(tmp_path / "archive", 7), Link.COPY)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("link", list(Link))
def test_a_file_that_is_not_there_is_named(tmp_path: Path, link: Link) -> None:
    (tmp_path / "dangling.tif").symlink_to(tmp_path / "gone")

    with pytest.raises(LayerError, match=r"dangling\.tif cannot be read"):
        transfer(str(tmp_path / "dangling.tif"), tmp_path / "new.tif", DISK, link)
    assert not os.path.lexists(tmp_path / "new.tif")


# Names that are planned


def test_planned_names_are_a_tree(tmp_path: Path) -> None:
    root = str(tmp_path / "new")
    tree = PlannedTree(root, ["a/opt/1.tif", "a/opt/2.tif"], {"a/train.txt": b"1\n2\n"})

    assert tree.names(f"{root}/a") == ["opt", "train.txt"]
    with tree.scan(root) as names:
        assert [(name.name, name.is_dir()) for name in names] == [("a", True)]
    assert tree.is_file(f"{root}/a/opt/1.tif")
    assert not tree.is_file(f"{root}/a/opt")
    assert tree.is_folder(f"{root}/a/opt/.")
    assert tree.read(f"{root}/a/train.txt", 2) == b"1\n"
    with pytest.raises(FileNotFoundError):
        tree.read(f"{root}/a/opt/1.tif", 2)
    with pytest.raises(FileNotFoundError):
        tree.names(f"{root}/b")


def test_a_spec_without_its_own_ways_is_what_files_say(tmp_path: Path) -> None:
    from rsviewer.data.relayout.folders import as_written

    spec = replace(spec_of(LayerKind.LABELS), take=(1,), lut=(0, 5), nodata=3, scale=2.0, offset=1.0, zoom=13)

    assert as_written(spec) == spec_of(LayerKind.LABELS)

"""What is written is read back by the programs that people have: laspy, trimesh, and CloudCompare where it is installed."""

import io
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.crs import CRS

from rsviewer.core.cloud import NO_COLOR, Cloud, Texture
from rsviewer.core.errors import SaveError
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId
from rsviewer.data.clouds import FORMATS, write_cloud

NAN = float("nan")
UTM = (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_700_000.0)


def cloud_of(height: Any, *, base: float = 0.0, **attributes: Any) -> Cloud:
    """Half-metre pixels. The colour of column c, row r is (10 + 16 c, 20 + 32 r, 30)."""
    heights = np.array(height, np.float32)
    rows, columns = heights.shape
    row, column = np.mgrid[0:rows, 0:columns].astype(np.uint32)
    colors = np.uint32(0xFF000000) | (10 + 16 * column) << 16 | (20 + 32 * row) << 8 | np.uint32(30)
    placed = {"transform": UTM, "crs": "EPSG:32632"}
    return Cloud(
        layer=LayerId("ndsm"),
        title="nDSM",
        height=heights,
        base=base,
        colors=colors.astype(np.uint32),
        origin=(0.0, 0.5 * rows),
        step=(0.5, 0.5),
        place=Rect(0, 0, columns, rows),
        **{**placed, **attributes},
    )


@pytest.fixture
def hill() -> Cloud:
    """Three columns, two rows: a void in the upper left corner, 115 m in the lower right one."""
    return cloud_of([[NAN, 1.0, 2.0], [10.0, 12.5, 15.0]], base=100.0)


HILL_XY = [(0.75, 0.75), (1.25, 0.75), (0.25, 0.25), (0.75, 0.25), (1.25, 0.25)]
HILL_Z = [101.0, 102.0, 110.0, 112.5, 115.0]
HILL_RGB = [(26, 20, 30), (42, 20, 30), (10, 52, 30), (26, 52, 30), (42, 52, 30)]


def on_map() -> np.ndarray:
    return np.column_stack([HILL_XY, HILL_Z]) + np.array([500_000, 5_700_000 - 1.0, 0])


def vertices_of(path: Path) -> trimesh.PointCloud:
    return trimesh.load(path, process=False)


def gltf_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """The two chunks of a GLB, by the words of its specification."""
    raw = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", raw)
    assert (magic, version, length) == (b"glTF", 2, len(raw))
    size, kind = struct.unpack_from("<I4s", raw, 12)
    assert (kind, size % 4) == (b"JSON", 0)
    rest, kind = struct.unpack_from("<I4s", raw, 20 + size)
    assert (kind, rest) == (b"BIN\0", len(raw) - 28 - size)
    return json.loads(raw[20 : 20 + size]), raw[28 + size :]


# --- PLY


def test_a_ply_holds_the_valid_heights_in_metres_with_their_colours(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.ply", hill)

    read = vertices_of(tmp_path / "hill.ply")

    assert np.allclose(read.vertices, np.column_stack([HILL_XY, HILL_Z]))
    assert read.colors[:, :3].tolist() == [list(color) for color in HILL_RGB]
    assert read.bounds.tolist() == [[0.25, 0.25, 101.0], [1.25, 0.75, 115.0]]


def test_the_comments_of_a_ply_lead_to_the_map(hill: Cloud, tmp_path: Path) -> None:
    turned = replace(hill, transform=(0.3, 0.4, 500_000.0, 0.4, -0.3, 5_700_000.0))
    write_cloud(tmp_path / "hill.ply", turned)

    comments = [line for line in header_of(tmp_path / "hill.ply") if line.startswith("comment")]
    said = dict(line.removeprefix("comment ").split(" = ") for line in comments if " = " in line)
    x, y = HILL_XY[0]  # the pixel in column 1 of row 0

    assert "comment crs EPSG:32632" in comments
    assert eval(said["map_x"], {"x": x, "y": y}) == pytest.approx(500_000 + 0.3 * 1.5 + 0.4 * 0.5, abs=1e-6)
    assert eval(said["map_y"], {"x": x, "y": y}) == pytest.approx(5_700_000 + 0.4 * 1.5 - 0.3 * 0.5, abs=1e-6)


def test_a_long_name_of_a_crs_is_spread_over_lines_that_every_reader_takes(hill: Cloud, tmp_path: Path) -> None:
    wkt = CRS.from_epsg(31287).to_wkt()
    write_cloud(tmp_path / "hill.ply", replace(hill, crs=wkt, title="h\n\u00f6he"))

    header = header_of(tmp_path / "hill.ply")

    assert max(map(len, header)) < 256
    parts = [line.removeprefix("comment crs ") for line in header if line.startswith("comment crs ")]
    assert len(parts) > 1
    assert "".join(parts) == wkt


def test_high_heights_keep_their_millimetres(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "high.ply", replace(hill, base=1_000_000.001))

    assert "property double z" in header_of(tmp_path / "high.ply")
    read = vertices_of(tmp_path / "high.ply")
    assert np.allclose(read.vertices[:, 2], np.array(HILL_Z) + 999_900.001, rtol=0, atol=1e-4)


def test_a_surface_has_two_triangles_a_square_and_one_at_a_void(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.ply", hill, mesh=True)

    read = trimesh.load(tmp_path / "hill.ply", process=False)

    assert len(read.vertices) == 5
    assert len(read.faces) == 3
    assert (read.face_normals[:, 2] > 0).all(), "seen from above"
    assert read.area_faces.shape == (3,)
    flat = np.ptp(read.vertices[read.faces][:, :, :2], axis=1)
    assert flat.max() == pytest.approx(0.5), "no triangle is longer than a pixel"


def header_of(path: Path) -> list[str]:
    return path.read_bytes().partition(b"end_header\n")[0].decode("ascii").splitlines()


# --- LAS and LAZ


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_las_points_lie_on_the_map_in_16_bit_colours(hill: Cloud, tmp_path: Path, ending: str) -> None:
    write_cloud(tmp_path / f"hill.{ending}", hill)

    read = laspy.read(tmp_path / f"hill.{ending}")

    assert (str(read.header.version), read.header.point_format.id) == ("1.4", 7)
    expected = on_map()
    assert np.allclose(read.xyz, expected, rtol=0, atol=1e-6)
    assert np.column_stack([read.red, read.green, read.blue]).tolist() == [
        [257 * channel for channel in color] for color in HILL_RGB
    ]
    assert np.allclose(read.header.mins, expected.min(axis=0))
    assert np.allclose(read.header.maxs, expected.max(axis=0))
    assert read.header.scales.tolist() == [0.001] * 3
    assert np.abs(read.header.offsets - expected[0]).max() < 20, "offsets lie near the data"
    assert set(read.return_number) == set(read.number_of_returns) == {1}
    assert read.header.generating_software.startswith("rsviewer ")


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_las_says_its_reference_system_as_wkt(hill: Cloud, tmp_path: Path, ending: str) -> None:
    write_cloud(tmp_path / f"hill.{ending}", hill)

    header = laspy.read(tmp_path / f"hill.{ending}").header

    assert header.global_encoding.wkt
    assert CRS.from_wkt(wkt_of(header)) == CRS.from_epsg(32632)


def test_the_header_of_a_las_is_what_its_specification_says(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.las", hill)
    raw = (tmp_path / "hill.las").read_bytes()

    assert raw[:4] == b"LASF"
    assert raw[24:26] == b"\1\4"
    assert struct.unpack_from("<H", raw, 6)[0] & 0b10000, "WKT"
    header_size, data_offset = struct.unpack_from("<HI", raw, 94)
    assert (header_size, raw[104], struct.unpack_from("<H", raw, 105)[0]) == (375, 7, 36)
    assert struct.unpack_from("<Q", raw, 247)[0] == 5
    assert len(raw) == data_offset + 5 * 36
    scale, offset = struct.unpack_from("<3d", raw, 131), struct.unpack_from("<3d", raw, 155)
    first = struct.unpack_from("<3i", raw, data_offset)
    assert first[2] * scale[2] + offset[2] == pytest.approx(101.0)
    assert struct.unpack_from("<3H", raw, data_offset + 30) == (26 * 257, 20 * 257, 30 * 257)


def test_degrees_are_kept_to_a_tenth_of_a_millimetre(hill: Cloud, tmp_path: Path) -> None:
    fine = replace(hill, transform=(4.5e-6, 0, 15.1, 0, -4.5e-6, 46.2), crs="EPSG:4326")
    write_cloud(tmp_path / "hill.las", fine)

    read = laspy.read(tmp_path / "hill.las")

    assert read.header.scales.tolist() == [1e-9, 1e-9, 1e-3]
    assert np.allclose(read.x, [15.1 + 4.5e-6 * c for c in (1.5, 2.5, 0.5, 1.5, 2.5)], rtol=0, atol=1e-9)
    assert np.allclose(read.y, [46.2 - 4.5e-6 * r for r in (0.5, 0.5, 1.5, 1.5, 1.5)], rtol=0, atol=1e-9)
    assert CRS.from_wkt(wkt_of(read.header)).is_geographic


def test_a_turned_grid_is_turned_on_the_map(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.las", replace(hill, transform=(0.3, 0.4, 500_000.0, 0.4, -0.3, 5_700_000.0)))

    read = laspy.read(tmp_path / "hill.las")

    assert read.x[0] == pytest.approx(500_000 + 0.3 * 1.5 + 0.4 * 0.5, abs=1e-3)
    assert read.y[0] == pytest.approx(5_700_000 + 0.4 * 1.5 - 0.3 * 0.5, abs=1e-3)


@pytest.mark.parametrize(("unit", "words"), [("m", "metres"), ("px", "pixels")])
def test_without_a_georeference_coordinates_are_local_and_said_to_be(
    hill: Cloud, tmp_path: Path, unit: str, words: str
) -> None:
    write_cloud(tmp_path / "hill.las", replace(hill, transform=None, crs=""), unit=unit)

    read = laspy.read(tmp_path / "hill.las")

    assert np.allclose(read.xyz[:, :2], HILL_XY)
    assert wkt_of(read.header) == ""
    assert f"without a georeference: x and y in {words} from the tile's lower left corner" in text_of(read.header)


def test_a_transform_without_a_system_is_used_and_called_unknown(hill: Cloud, tmp_path: Path) -> None:
    for crs in ("", "not a CRS"):
        write_cloud(tmp_path / "hill.las", replace(hill, crs=crs), overwrite=True)
        read = laspy.read(tmp_path / "hill.las")
        assert read.x[0] == pytest.approx(500_000.75)
        assert wkt_of(read.header) == ""
        assert (crs or "unknown reference system") in text_of(read.header)


def test_a_system_that_the_older_wkt_cannot_say_is_said_in_the_newer(hill: Cloud, tmp_path: Path, capfd: Any) -> None:
    write_cloud(tmp_path / "hill.las", replace(hill, crs="EPSG:4979", transform=(1e-5, 0, 15, 0, -1e-5, 46)))

    assert CRS.from_wkt(wkt_of(laspy.read(tmp_path / "hill.las").header)) == CRS.from_epsg(4979)
    assert capfd.readouterr() == ("", "")


def test_heights_in_metres_over_feet_are_said_to_be(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.las", replace(hill, crs="EPSG:2992"))  # Oregon, international feet

    read = laspy.read(tmp_path / "hill.las")

    assert np.allclose(read.z, HILL_Z)
    assert wkt_of(read.header).endswith('UNIT["metre",1],AXIS["Up",UP]]]')
    assert CRS.from_wkt(wkt_of(read.header)).to_wkt().startswith("COMPD_CS")


def test_a_system_that_has_its_own_unit_of_height_gets_it(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.las", replace(hill, crs="EPSG:2992+6360"))  # NAVD88 in US survey feet

    read = laspy.read(tmp_path / "hill.las")

    assert read.z[0] == pytest.approx(101.0 * 3937 / 1200, abs=1e-3)
    assert "US survey foot" in text_of(read.header)


@given(
    low=st.floats(-1e8, 1e8),
    span=st.floats(0, 2.0**127, width=32),
    pixel=st.floats(1e-7, 1e6),
    west=st.floats(-1e8, 1e8),
)
def test_no_height_and_no_place_is_too_large_for_las(
    tmp_path_factory: pytest.TempPathFactory, low: float, span: float, pixel: float, west: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.las"
    cloud = cloud_of([[0.0, span], [span / 2, NAN]], base=low, transform=(pixel, 0, west, 0, -pixel, -west))

    write_cloud(path, cloud, overwrite=True)
    read = laspy.read(path)

    heights = low + np.array([0.0, span, span / 2]).astype(np.float32).astype(float)
    near = max(1e-3, 1e-8 * max(abs(low), span))
    assert np.allclose(read.z, heights, rtol=0, atol=near)
    assert np.allclose(read.x, [west + pixel * column for column in (0.5, 1.5, 0.5)], rtol=1e-8, atol=pixel / 100)


def wkt_of(header: laspy.LasHeader) -> str:
    return "".join(vlr.string for vlr in header.vlrs if isinstance(vlr, laspy.vlrs.known.WktCoordinateSystemVlr))


def text_of(header: laspy.LasHeader) -> str:
    return "".join(vlr.record_data_bytes().decode() for vlr in header.vlrs if vlr.record_id == 3)


# --- GLB


def test_a_glb_is_a_surface_with_y_up_and_its_colours_as_the_texture(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.glb", hill)

    scene = trimesh.load(tmp_path / "hill.glb", process=False)
    (mesh,) = scene.geometry.values()

    expected = [(x, z - 100.0, -y) for (x, y), z in zip(HILL_XY, HILL_Z, strict=True)]
    assert np.allclose(mesh.vertices, expected)
    assert len(mesh.faces) == 3
    assert (mesh.face_normals[:, 1] > 0).all(), "seen from above"
    assert mesh.visual.to_color().vertex_colors[:, :3].tolist() == [list(color) for color in HILL_RGB]


def test_a_picture_finer_than_the_heights_is_the_texture(hill: Cloud, tmp_path: Path) -> None:
    row, column = np.mgrid[0:4, 0:6].astype(np.uint32)
    pixels = (np.uint32(0xFF000000) | column << 16 | row << 8).astype(np.uint32)
    pixels[0, 0] = 0  # nothing there
    v, u = ((np.mgrid[0:2, 0:3] + 0.5) / np.array([2, 3])[:, None, None]).astype(np.float32)
    write_cloud(tmp_path / "hill.glb", replace(hill, texture=Texture(pixels, u, v)))

    (mesh,) = trimesh.load(tmp_path / "hill.glb", process=False).geometry.values()
    document, binary = gltf_of(tmp_path / "hill.glb")

    picture = picture_of(document, binary)
    assert document["samplers"][0]["magFilter"] == 9729, "linear"
    assert picture.shape == (4, 6, 3)
    assert picture[3, 5].tolist() == [5, 3, 0]
    assert picture[0, 0].tolist() == [NO_COLOR >> 16 & 255] * 3
    assert np.allclose(mesh.visual.uv[0], (0.5, 1 - 0.25)), "trimesh counts v from below, glTF from above"


def test_classes_of_a_finer_picture_do_not_mix_in_other_programs(hill: Cloud, tmp_path: Path) -> None:
    v, u = ((np.mgrid[0:2, 0:3] + 0.5) / np.array([2, 3])[:, None, None]).astype(np.float32)
    classes = Texture(np.full((4, 6), 0xFF0000FF, np.uint32), u, v, smooth=False)
    write_cloud(tmp_path / "hill.glb", replace(hill, texture=classes))

    document, _ = gltf_of(tmp_path / "hill.glb")

    assert document["samplers"][0]["magFilter"] == document["samplers"][0]["minFilter"] == 9728, "nearest"


def test_a_picture_that_does_not_reach_everywhere_leaves_the_colours_to_the_heights(
    hill: Cloud, tmp_path: Path
) -> None:
    u = np.array([[NAN, 0.5, 1.0], [0.0, 0.5, NAN]], np.float32)
    texture = Texture(np.full((8, 8), 0xFF0000FF, np.uint32), u, np.zeros_like(u))
    write_cloud(tmp_path / "hill.glb", replace(hill, texture=texture))

    (mesh,) = trimesh.load(tmp_path / "hill.glb", process=False).geometry.values()

    assert np.isfinite(mesh.visual.uv).all()
    assert mesh.visual.to_color().vertex_colors[:, :3].tolist() == [list(color) for color in HILL_RGB]


def test_a_glb_says_how_it_is_to_be_shown_and_where_it_lies(hill: Cloud, tmp_path: Path) -> None:
    write_cloud(tmp_path / "hill.glb", hill)

    document, _ = gltf_of(tmp_path / "hill.glb")

    assert "KHR_materials_unlit" in document["materials"][0]["extensions"]
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    extras = document["nodes"][0]["extras"]
    assert (extras["base"], extras["crs"], extras["unit"]) == (100.0, "EPSG:32632", "metres")
    assert extras["to_map"] == [1.0, 0.0, 500_000.0, 0.0, 1.0, 5_700_000.0 - 1.0]
    position = document["accessors"][0]
    assert (position["min"], position["max"]) == ([0.25, 1.0, -0.75], [1.25, 15.0, -0.25])


def picture_of(document: dict[str, Any], binary: bytes) -> np.ndarray:
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    start = view["byteOffset"]
    return np.asarray(Image.open(io.BytesIO(binary[start : start + view["byteLength"]])))


# --- all of them


@pytest.mark.parametrize("ending", FORMATS)
def test_a_tile_without_a_valid_height_is_refused_in_a_sentence(tmp_path: Path, ending: str) -> None:
    with pytest.raises(SaveError, match="nDSM has no valid height on this tile"):
        write_cloud(tmp_path / f"void.{ending}", cloud_of(np.full((3, 4), NAN)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("height", [[[1.0, 2.0, 3.0]], [[1.0], [2.0], [3.0]]])
def test_a_single_row_or_column_is_points_but_no_surface(tmp_path: Path, height: list[list[float]]) -> None:
    cloud = cloud_of(height)

    for ending in ("ply", "las", "laz"):
        write_cloud(tmp_path / f"row.{ending}", cloud)
    assert sorted(laspy.read(tmp_path / "row.laz").z) == [1, 2, 3]
    assert sorted(vertices_of(tmp_path / "row.ply").vertices[:, 2]) == [1, 2, 3]
    with pytest.raises(SaveError, match="no surface"):
        write_cloud(tmp_path / "row.glb", cloud)


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_there_is_replaced_only_when_asked(hill: Cloud, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"hill.{ending}"
    path.write_bytes(b"mine")

    with pytest.raises(SaveError, match="exists and was left as it is"):
        write_cloud(path, hill)
    assert path.read_bytes() == b"mine"

    write_cloud(path, hill, overwrite=True)
    assert path.stat().st_size > 300
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_full_disk_leaves_nothing_behind_and_says_why(tmp_path: Path, ending: str, small_files: None) -> None:
    # No pattern: LAZ would shrink it to less than the disk holds.
    cloud = cloud_of(np.random.default_rng(1).normal(0, 100, (60, 60)))
    path = tmp_path / f"hill.{ending}"
    path.write_bytes(b"old")

    with pytest.raises(SaveError, match=r"could not be written \(File too large\)\. Make room"):
        write_cloud(path, cloud, overwrite=True)

    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may be larger than 8 KB."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_place_that_cannot_be_written_is_said(hill: Cloud, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="No such file or directory"):
        write_cloud(tmp_path / "nowhere" / "hill.ply", hill)
    (tmp_path / "folder.ply").mkdir()
    with pytest.raises(SaveError, match="is a folder"):
        write_cloud(tmp_path / "folder.ply", hill, overwrite=True)
    with pytest.raises(SaveError, match=r"does not end in \.ply, \.las, \.laz, \.glb"):
        write_cloud(tmp_path / "hill.obj", hill)


def test_a_surface_too_large_to_load_is_refused_before_the_work(tmp_path: Path) -> None:
    huge = cloud_of([[1.0]])
    huge = replace(huge, height=np.broadcast_to(np.float32(1), (5000, 4000)).view())
    with pytest.raises(SaveError, match=r"20 million heights: a surface may have 17 million"):
        write_cloud(tmp_path / "huge.glb", huge)


# --- CloudCompare


def test_cloudcompare_reads_the_points_of_a_ply(hill: Cloud, tmp_path: Path, cloudcompare: "CloudCompare") -> None:
    write_cloud(tmp_path / "hill.ply", hill)

    rows = cloudcompare(tmp_path / "hill.ply")

    assert np.allclose(rows[:, :3], np.column_stack([HILL_XY, HILL_Z]))
    assert rows[:, 3:6].tolist() == [list(color) for color in HILL_RGB]


def test_cloudcompare_reads_a_surface_and_heights_in_double(
    hill: Cloud, tmp_path: Path, cloudcompare: "CloudCompare"
) -> None:
    write_cloud(tmp_path / "hill.ply", replace(hill, base=1e6), mesh=True)

    rows = cloudcompare(tmp_path / "hill.ply", mesh=True)

    assert np.allclose(rows[:, 2], np.array(HILL_Z) + 999_900, rtol=0, atol=0.01)
    assert rows[:, 3:6].tolist() == [list(color) for color in HILL_RGB]


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_cloudcompare_reads_the_points_of_a_las(
    hill: Cloud, tmp_path: Path, cloudcompare: "CloudCompare", ending: str
) -> None:
    write_cloud(tmp_path / f"hill.{ending}", hill)

    rows = cloudcompare(tmp_path / f"hill.{ending}")

    assert np.allclose(rows[:, :3], on_map(), rtol=0, atol=1e-3)
    assert rows[:, 3:6].tolist() == [list(color) for color in HILL_RGB]


class CloudCompare:
    """Runs CloudCompare's command line."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __call__(self, path: Path, *, mesh: bool = False) -> np.ndarray:
        """(n, 6) x, y, z, red, green, blue of the points that it found in a file."""
        out = path.with_name("read.asc")
        vertices = ["-EXTRACT_VERTICES"] if mesh else []
        words = ["-SILENT", "-AUTO_SAVE", "OFF", "-C_EXPORT_FMT", "ASC", "-PREC", "6"]
        words += ["-O", "-GLOBAL_SHIFT", "AUTO", str(path), *vertices, "-SAVE_CLOUDS", "FILE", str(out)]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(path.parent)}
        done = subprocess.run(
            [self._program, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if "unhandled file extension" in done.stdout:
            pytest.skip(f"this build of CloudCompare has no reader for {path.suffix} (Debian's has none)")
        assert out.is_file(), done.stdout
        return np.loadtxt(out, ndmin=2)


@pytest.fixture
def cloudcompare() -> CloudCompare:
    program = shutil.which("CloudCompare") or shutil.which("cloudcompare.CloudCompare")
    if program is None:
        pytest.skip("CloudCompare is not installed (Debian: cloudcompare)")
    return CloudCompare(program)

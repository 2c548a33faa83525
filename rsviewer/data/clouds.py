"""Point clouds and meshes as files: PLY, LAS, LAZ, GLB. What other programs open as it is."""

import importlib
import io
import json
import logging
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rsviewer import __version__
from rsviewer.core.cloud import NO_COLOR, Cloud, triangles
from rsviewer.core.errors import SaveError
from rsviewer.core.render import Pixels
from rsviewer.core.tile import printable
from rsviewer.data.rasterfile import listening
from rsviewer.data.saving import saving

log = logging.getLogger(__name__)

FORMATS = ("ply", "las", "laz", "glb")
"""Endings that `write_cloud` knows."""
MESHES = ("ply", "glb")
"""Those that can hold a surface."""

PROGRAM = f"rsviewer {__version__}"
MAX_MESH = 4096 * 4096
"""Heights of a surface: indices and buffers of a larger one are more than most programs load."""
MAX_GLB = (1 << 32) - 1
"""Bytes: a GLB says its length in 32 bits."""
BLOCK = 1 << 18
"""Points in hand at once."""
FLOAT32_MILLIMETRES = 16384.0
"""Metres up to which float32 tells millimetres apart."""
COMMENT = 200
"""Characters of a line in a PLY header: rply, which CloudCompare reads with, refuses lines of 1024."""
LAS_SCALE, LAS_FINE_SCALE = 1e-3, 1e-9
"""Millimetres; and for pixels smaller than a tenth of a unit, which mostly are degrees."""
LAS_REACH = 2.0e9
"""Steps of the scale to each side of the offset: a little less than the 2^31 that a LAS coordinate has."""

_COMPONENT = {"<f4": 5126, "<u4": 5125}
"""numpy's name -> glTF's number of a type."""


def write_cloud(path: Path, cloud: Cloud, *, mesh: bool = False, overwrite: bool = False, unit: str = "m") -> None:
    """Writes the valid heights of a tile, coloured. Whole or not at all. Safe from any thread.

    ply: binary little-endian points (with `mesh` also triangles): x and y from the tile's lower left corner, z the height.
    Map coordinates of five million metres would keep but half a metre in float32, which is what programs hold points in;
    so the header's comments say how to get from x and y to the map.

    las, laz: LAS 1.4, point format 7: x and y in the layer's CRS where it has a georeference, else as above; z in metres, or
    in the CRS's own unit of heights. A text in the header says which.

    glb: a surface with its picture as the texture: x to the right, y up, z towards the viewer, heights above `cloud.base`.
    What takes it to the map is in the node's extras. The material is unlit, so that colours stay what they are.

    Args:
        path: ends in one of FORMATS.
        cloud: what is written.
        mesh: for ply, the surface; a glb always is one, las and laz never are.
        overwrite: replace what is there.
        unit: of x and y in `cloud`: "m", or "px" where nobody knows how large a pixel is (see `Relief.unit`).

    Raises:
        SaveError: the file cannot be written, is there already, or there is no valid height to write.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise SaveError(f"{printable(str(path))} does not end in {', '.join(f'.{each}' for each in FORMATS)}.")
    if not np.isfinite(cloud.height).any():
        raise SaveError(f"{cloud.title} has no valid height on this tile: there is nothing to save.")
    with saving(path, overwrite=overwrite) as partial, partial.open("xb") as file:
        _write(file, ending, cloud, unit, mesh=mesh)


def _write(file: BinaryIO, ending: str, cloud: Cloud, unit: str, *, mesh: bool) -> None:
    match ending:
        case "ply":
            _write_ply(file, cloud, unit, _faces(cloud) if mesh else np.empty((0, 3), np.uint32))
        case "glb":
            _write_glb(file, cloud, unit)
        case _:
            _write_las(file, cloud, unit, compress=ending == "laz")


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some rows of valid points. Columns and rows are whole numbers, `height` is above the base."""

    column: NDArray[np.intp]
    row: NDArray[np.intp]
    height: NDArray[np.float32]
    rgb: NDArray[np.uint8]


def _blocks(cloud: Cloud) -> Iterator[_Block]:
    """The valid points in the order of `core.cloud.vertices`, row after row, some rows at a time."""
    rows = max(1, BLOCK // max(1, cloud.columns))
    for start in range(0, cloud.rows, rows):
        height = cloud.height[start : start + rows]
        row, column = np.nonzero(np.isfinite(height))
        if row.size:
            yield _Block(
                column, row + start, height[row, column], _rgb(cloud.colors[start : start + rows][row, column])
            )


def _count(cloud: Cloud) -> int:
    return int(np.count_nonzero(np.isfinite(cloud.height)))


def _span(cloud: Cloud) -> tuple[float, float]:
    """Lowest and highest height in metres."""
    valid = np.isfinite(cloud.height)
    low = float(np.min(cloud.height, where=valid, initial=np.inf))
    return cloud.base + low, cloud.base + float(np.max(cloud.height, where=valid, initial=-np.inf))


def _rgb(colors: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """(..., 3) red, green, blue of 0xAARRGGBB."""
    return colors.astype("<u4", copy=False)[..., None].view(np.uint8)[..., 2::-1]


def _local(cloud: Cloud, column: NDArray[Any], row: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the centres of pixels are, as in `Cloud`."""
    return cloud.origin[0] + (column + 0.5) * cloud.step[0], cloud.origin[1] - (row + 0.5) * cloud.step[1]


def _faces(cloud: Cloud) -> NDArray[np.uint32]:
    """(n, 3) as `core.cloud.triangles`. Raises SaveError where there are none or too many."""
    if cloud.height.size > MAX_MESH:
        raise SaveError(
            f"{cloud.title} has {cloud.height.size / 1e6:,.0f} million heights: a surface may have "
            f"{MAX_MESH / 1e6:,.0f} million. Save it as points, .las or .laz."
        )
    faces = triangles(cloud)
    if not len(faces):
        raise SaveError(
            f"{cloud.title} has no three valid heights side by side on this tile, so there is no surface. "
            "Save it as points, .ply or .las."
        )
    return faces


def _to_map(cloud: Cloud) -> tuple[float, ...]:
    """(a, b, c, d, e, f): x on the map = a * x + b * y + c, y on the map = d * x + e * y + f, of `Cloud`'s x and y."""
    if cloud.transform is None:
        return ()
    a, b, c, d, e, f = cloud.transform
    (left, top), (across, down) = cloud.origin, cloud.step
    return (
        *(a / across, -b / down, c - a * left / across + b * top / down),
        *(d / across, -e / down, f - d * left / across + e * top / down),
    )


# --- PLY


def _write_ply(file: BinaryIO, cloud: Cloud, unit: str, faces: NDArray[np.uint32]) -> None:
    low, high = _span(cloud)
    is_exact = max(abs(low), abs(high)) <= FLOAT32_MILLIMETRES
    point = np.dtype(
        [
            ("x", "<f4"),
            ("y", "<f4"),
            ("z", "<f4" if is_exact else "<f8"),
            ("red", "u1"),
            ("green", "u1"),
            ("blue", "u1"),
        ]
    )
    header = ["ply", "format binary_little_endian 1.0", *_comments(cloud, unit), f"element vertex {_count(cloud)}"]
    header += [f"property {_PLY_TYPES[point[name].str]} {name}" for name in point.names or ()]
    if len(faces):
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    file.write("\n".join([*header, "end_header", ""]).encode("ascii", "backslashreplace"))
    for block in _blocks(cloud):
        points = np.empty(block.row.size, point)
        points["x"], points["y"] = _local(cloud, block.column, block.row)
        points["z"] = cloud.base + block.height.astype(np.float64)
        points["red"], points["green"], points["blue"] = block.rgb.T
        file.write(points.data)
    for start in range(0, len(faces), BLOCK):
        part = faces[start : start + BLOCK]
        corners = np.empty(len(part), [("count", "u1"), ("corner", "<i4", 3)])
        corners["count"], corners["corner"] = 3, part
        file.write(corners.data)


_PLY_TYPES = {"<f4": "float", "<f8": "double", "|u1": "uchar"}


def _comments(cloud: Cloud, unit: str) -> Iterator[str]:
    """What the numbers mean, and what takes them to the map."""
    yield f"comment {PROGRAM}"
    yield f"comment layer {cloud.title[:COMMENT]}".replace("\n", " ")
    yield f"comment x y in {_UNITS[unit]} from the lower left corner of the tile, z height in metres"
    if cloud.transform is not None:
        a, b, c, d, e, f = _to_map(cloud)
        yield f"comment map_x = {a!r} * x + {b!r} * y + {c!r}"
        yield f"comment map_y = {d!r} * x + {e!r} * y + {f!r}"
        crs = " ".join(cloud.crs.split())
        for start in range(0, len(crs), COMMENT):
            yield f"comment crs {crs[start : start + COMMENT]}"


_UNITS = {"m": "metres", "px": "pixels"}


# --- LAS


def _write_las(file: BinaryIO, cloud: Cloud, unit: str, *, compress: bool) -> None:
    laspy: Any = importlib.import_module("laspy")  # for nothing else; and half of it is typed
    system = _System(cloud.crs) if cloud.transform is not None else _System("")
    lattice = [_Lattice.over(low, high, step) for low, high, step in _extent(cloud, system.height_factor)]
    header = laspy.LasHeader(version="1.4", point_format=7)
    header.system_identifier = header.generating_software = PROGRAM[:32]
    header.scales = [axis.scale for axis in lattice]
    header.offsets = [axis.offset for axis in lattice]
    header.global_encoding.wkt = True
    if system.wkt:
        header.vlrs.append(laspy.vlrs.known.WktCoordinateSystemVlr(system.wkt))
    said = _description(cloud, unit, system).encode("ascii", "backslashreplace") + b"\0"
    header.vlrs.append(laspy.VLR("LASF_Spec", 3, "Text Area Descriptor", said))
    # One thread compresses a tile: whole datasets are written by several, and one tile takes no time.
    backend = laspy.LazBackend.Lazrs if compress else None
    told = _Telling(file)
    try:
        writer = laspy.LasWriter(told, header, do_compress=compress, laz_backend=backend, closefd=False)
        for block in _blocks(cloud):
            writer.write_points(_record(laspy, header, cloud, block, lattice, system.height_factor))
        writer.close()
    except RuntimeError as error:
        if told.error is None:
            raise
        raise told.error from error


class _Telling:
    """A file that remembers why it could not be written: lazrs only says "Failed to call write"."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.flush = file.seek, file.tell, file.flush
        self.error: OSError | None = None
        self._file = file

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


def _record(
    laspy: Any, header: Any, cloud: Cloud, block: _Block, lattice: "list[_Lattice]", height_factor: float
) -> Any:
    points = laspy.PackedPointRecord.zeros(block.row.size, header.point_format)
    if cloud.transform is None:
        x, y = _local(cloud, block.column, block.row)
    else:
        a, b, c, d, e, f = cloud.transform
        column, row = block.column + 0.5, block.row + 0.5
        x, y = a * column + b * row + c, d * column + e * row + f
    z = (cloud.base + block.height.astype(np.float64)) * height_factor
    for name, axis, values in zip("XYZ", lattice, (x, y, z), strict=True):
        points[name] = np.rint((values - axis.offset) / axis.scale)
    for name, channel in zip(("red", "green", "blue"), block.rgb.T, strict=True):
        points[name] = channel.astype(np.uint16) * 257  # so that 255 becomes 65535
    points["return_number"][:] = points["number_of_returns"][:] = 1
    return points


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Where coordinates can lie: offset + scale * whole number of 32 bits."""

    scale: float
    offset: float

    @classmethod
    def over(cls, low: float, high: float, step: float) -> "_Lattice":
        """The finest one that holds `low` .. `high`, but no finer than makes sense for pixels of `step`."""
        finest = LAS_SCALE if step >= 0.1 else LAS_FINE_SCALE
        span = high / 2 - low / 2  # halves, since the difference of two float64 may be too large for one
        digits = math.floor(-math.log10(max(finest, span / LAS_REACH)) + 1e-9)
        return cls(float(f"1e{-digits}"), round(low + span, digits - 3))


def _extent(cloud: Cloud, height_factor: float) -> list[tuple[float, float, float]]:
    """(low, high, pixel size) of x, y and z, in the units of the file."""
    rows, columns = cloud.rows, cloud.columns
    if cloud.transform is None:
        (left, top), (across, down) = cloud.origin, cloud.step
        a, b, c, d, e, f = across, 0.0, left, 0.0, -down, top
    else:
        a, b, c, d, e, f = cloud.transform
    corners = [(column, row) for column in (0, columns) for row in (0, rows)]
    xs = [a * column + b * row + c for column, row in corners]
    ys = [d * column + e * row + f for column, row in corners]
    low, high = sorted(height * height_factor for height in _span(cloud))
    return [
        (min(xs), max(xs), math.hypot(a, b)),
        (min(ys), max(ys), math.hypot(d, e)),
        (low, high, 1.0),
    ]


def _description(cloud: Cloud, unit: str, system: "_System") -> str:
    if cloud.transform is None:
        place = f"Local coordinates without a georeference: x and y in {_UNITS[unit]} from the tile's lower left corner"
    else:
        known = cloud.crs if not system.wkt or cloud.crs.startswith("EPSG:") else "as the WKT in this header says"
        place = f"x and y: {known[:COMMENT] or 'map coordinates of an unknown reference system'}"
    return f"{PROGRAM}: {cloud.title}. {place}. z: height in {system.height_unit}."


class _System:
    """A CRS as LAS wants it: OGC WKT 1.

    LAS has no other place to say what unit heights have: where that is not the unit of x and y, a compound system says so.

    Attributes:
        wkt: empty where there is none, or none that makes sense.
        height_factor: file's units of height to a metre.
        height_unit: in words.
    """

    def __init__(self, crs: str) -> None:
        self.wkt = _wkt(crs) if crs else ""
        self.height_factor, self.height_unit = 1.0, "metres"
        vertical = re.search(r'\bVERT_CS\[.*?UNIT\["([^"]*)",\s*([-+.\deE]+)', self.wkt, re.DOTALL)
        if vertical and float(vertical[2]) > 0:
            self.height_factor = 1 / float(vertical[2])
            self.height_unit = "metres" if self.height_factor == 1 else vertical[1]
        elif self.wkt.startswith("PROJCS") and not _is_metric(self.wkt):
            self.wkt = f'COMPD_CS["x and y in another unit than heights",{self.wkt},{_METRES_UP}]'


_METRES_UP = 'VERT_CS["Height in metres",VERT_DATUM["Unknown",2005],UNIT["metre",1],AXIS["Up",UP]]'


@lru_cache(maxsize=64)
def _wkt(crs: str) -> str:
    untyped: Any = rasterio.env
    with untyped.Env(session=untyped.DummySession()), listening():  # else GDAL would complain on stderr
        for version in ("WKT1_GDAL", "WKT2_2019"):  # the newer one where the older has no words for a system
            try:
                return str(CRS.from_user_input(crs).to_wkt(version=version))
            except (CRSError, CPLE_BaseError, ValueError, TypeError) as error:
                log.debug("%s does not say %s: %s", version, crs, error)
    return ""


@lru_cache(maxsize=64)
def _is_metric(wkt: str) -> bool:
    return abs(float(CRS.from_wkt(wkt).units_factor[1]) - 1) < 1e-12


# --- GLB


def _write_glb(file: BinaryIO, cloud: Cloud, unit: str) -> None:
    faces = _faces(cloud)
    position, uv, picture = _glb_arrays(cloud)
    png = _png(picture)
    parts = [array.data.cast("B") for array in (position, uv, faces)] + [memoryview(png)]
    views, start = [], 0
    for part, target in zip(parts, (34962, 34962, 34963, None), strict=True):  # vertices, indices, neither
        view = {"buffer": 0, "byteOffset": start, "byteLength": part.nbytes}
        views.append(view if target is None else {**view, "target": target})
        start += part.nbytes + -part.nbytes % 4
    document = json.dumps(_gltf(cloud, unit, (position, uv, faces), views, start), separators=(",", ":")).encode()
    document += b" " * (-len(document) % 4)
    length = 12 + 8 + len(document) + 8 + start
    if length > MAX_GLB:
        raise SaveError(
            f"{cloud.title} would make a GLB of {length / 2**30:.1f} GiB, and 4 are possible. Save it as .ply."
        )
    file.write(struct.pack("<4sII", b"glTF", 2, length))
    file.write(struct.pack("<I4s", len(document), b"JSON") + document)
    file.write(struct.pack("<I4s", start, b"BIN\0"))
    for part in parts:
        file.write(part)
        file.write(b"\0" * (-part.nbytes % 4))


def _glb_arrays(cloud: Cloud) -> tuple[NDArray[np.float32], NDArray[np.float32], Pixels]:
    """(n, 3) positions, (n, 2) places on the picture, and the picture.

    The texture is used where all valid heights lie on it: beyond its edge there would be nothing to show.
    """
    count = _count(cloud)
    position, uv = np.empty((count, 3), np.float32), np.empty((count, 2), np.float32)
    start = 0
    for block in _blocks(cloud):
        x, y = _local(cloud, block.column, block.row)
        part = slice(start, start + block.row.size)
        position[part, 0], position[part, 1], position[part, 2] = x, block.height, -y
        if cloud.texture is not None:
            uv[part, 0] = cloud.texture.u[block.row, block.column]
            uv[part, 1] = cloud.texture.v[block.row, block.column]
        start = part.stop
    if cloud.texture is not None and np.isfinite(uv).all():
        return position, uv, cloud.texture.pixels
    start = 0
    for block in _blocks(cloud):
        part = slice(start, start + block.row.size)
        uv[part, 0], uv[part, 1] = (block.column + 0.5) / cloud.columns, (block.row + 0.5) / cloud.rows
        start = part.stop
    return position, uv, cloud.colors


def _png(pixels: Pixels) -> bytes:
    """A picture without transparency: where there is nothing, it has the colour of a height without one."""
    from PIL import Image

    opaque = np.where(pixels >> 24 != 0, pixels, np.uint32(NO_COLOR))
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(_rgb(opaque)), "RGB").save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _gltf(
    cloud: Cloud, unit: str, arrays: tuple[NDArray[Any], ...], views: list[dict[str, int]], length: int
) -> dict[str, Any]:
    position, uv, faces = arrays
    extras = {
        "program": PROGRAM,
        "layer": cloud.title,
        "unit": _UNITS[unit],
        "base": cloud.base,
        "meaning": "height in metres = y + base; on the map x = a * x - b * z + c, y = d * x - e * z + f",
        "to_map": list(_to_map(cloud)),
        "crs": cloud.crs,
    }
    low, high = position.min(axis=0).tolist(), position.max(axis=0).tolist()
    return {
        "asset": {"version": "2.0", "generator": PROGRAM},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": cloud.title, "extras": extras}],
        "meshes": [
            {
                "name": cloud.title,
                "primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}],
            }
        ],
        "materials": [
            {
                "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1},
                "doubleSided": True,
                "extensions": {"KHR_materials_unlit": {}},
            }
        ],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],  # smooth, no repetition
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "accessors": [
            {**_accessor(0, position, "VEC3"), "min": low, "max": high},
            _accessor(1, uv, "VEC2"),
            {**_accessor(2, faces, "SCALAR"), "count": faces.size},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": length}],
    }


def _accessor(view: int, array: NDArray[Any], kind: str) -> dict[str, Any]:
    return {"bufferView": view, "componentType": _COMPONENT[array.dtype.str], "count": len(array), "type": kind}

"""GLB: glTF 2.0 in one file."""

import io
import json
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import NO_COLOR, Cloud
from rsviewer.core.errors import SaveError
from rsviewer.core.render import Pixels
from rsviewer.data.clouds.geometry import PROGRAM, UNITS, blocks, count_of, local, rgb, surface, to_map

MAX_BYTES = (1 << 32) - 1
"""A GLB says its length in 32 bits."""

_COMPONENT = {"<f4": 5126, "<u4": 5125}
"""numpy's name -> glTF's number of a type."""

SMOOTH = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
"""How a picture is drawn larger and smaller: mixed, never repeated."""
CLASSES = {"magFilter": 9728, "minFilter": 9728, "wrapS": 33071, "wrapT": 33071}
"""Without mixing: between two classes there is no third."""


def write_glb(file: BinaryIO, cloud: Cloud, unit: str) -> None:
    """See `write_cloud`."""
    faces = surface(cloud)
    position, uv, picture = _arrays(cloud)
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
    if length > MAX_BYTES:
        raise SaveError(
            f"{cloud.title} would make a GLB of {length / 2**30:.1f} GiB, and 4 are possible. Save it as .ply."
        )
    file.write(struct.pack("<4sII", b"glTF", 2, length))
    file.write(struct.pack("<I4s", len(document), b"JSON") + document)
    file.write(struct.pack("<I4s", start, b"BIN\0"))
    for part in parts:
        file.write(part)
        file.write(b"\0" * (-part.nbytes % 4))


def _arrays(cloud: Cloud) -> tuple[NDArray[np.float32], NDArray[np.float32], Pixels]:
    """(n, 3) positions, (n, 2) places on the picture, and the picture.

    The texture is used where all valid heights lie on it: beyond its edge there would be nothing to show.
    """
    count = count_of(cloud)
    position, uv = np.empty((count, 3), np.float32), np.empty((count, 2), np.float32)
    start = 0
    for block in blocks(cloud):
        x, y = local(cloud, block.column, block.row)
        part = slice(start, start + block.row.size)
        position[part, 0], position[part, 1], position[part, 2] = x, block.height, -y
        if cloud.texture is not None:
            uv[part, 0] = cloud.texture.u[block.row, block.column]
            uv[part, 1] = cloud.texture.v[block.row, block.column]
        start = part.stop
    if cloud.texture is not None and np.isfinite(uv).all():
        return position, uv, cloud.texture.pixels
    start = 0
    for block in blocks(cloud):
        part = slice(start, start + block.row.size)
        uv[part, 0], uv[part, 1] = (block.column + 0.5) / cloud.columns, (block.row + 0.5) / cloud.rows
        start = part.stop
    return position, uv, cloud.colors


def _png(pixels: Pixels) -> bytes:
    """A picture without transparency: where there is nothing, it has the colour of a height without one."""
    from PIL import Image

    opaque = np.where(pixels >> 24 != 0, pixels, np.uint32(NO_COLOR))
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb(opaque)), "RGB").save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _gltf(
    cloud: Cloud, unit: str, arrays: tuple[NDArray[Any], ...], views: list[dict[str, int]], length: int
) -> dict[str, Any]:
    position, uv, faces = arrays
    extras = {
        "program": PROGRAM,
        "layer": cloud.title,
        "unit": UNITS[unit],
        "base": cloud.base,
        "meaning": "height in metres = y + base; on the map x = a * x - b * z + c, y = d * x - e * z + f",
        "to_map": list(to_map(cloud)),
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
        "samplers": [CLASSES if cloud.texture is not None and not cloud.texture.smooth else SMOOTH],
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

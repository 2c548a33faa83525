"""PLY, binary."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from rsviewer.core.cloud import Cloud
from rsviewer.data.clouds.geometry import BLOCK, PROGRAM, UNITS, blocks, count_of, local, span, surface, to_map

FLOAT32_MILLIMETRES = 16384.0
"""Metres up to which float32 tells millimetres apart."""
COMMENT = 200
"""Characters of a line in a header: rply, which CloudCompare reads with, refuses lines of 1024."""

_TYPES = {"<f4": "float", "<f8": "double", "|u1": "uchar"}
"""numpy's name -> PLY's name of a type."""


def write_ply(file: BinaryIO, cloud: Cloud, unit: str, *, mesh: bool) -> None:
    """See `write_cloud`."""
    faces = surface(cloud) if mesh else np.empty((0, 3), np.uint32)
    low, high = span(cloud)
    is_exact = max(abs(low), abs(high)) <= FLOAT32_MILLIMETRES
    place = [("x", "<f4"), ("y", "<f4"), ("z", "<f4" if is_exact else "<f8")]
    point = np.dtype([*place, *((channel, "u1") for channel in ("red", "green", "blue"))])
    header = ["ply", "format binary_little_endian 1.0", *_comments(cloud, unit), f"element vertex {count_of(cloud)}"]
    header += [f"property {_TYPES[point[name].str]} {name}" for name in point.names or ()]
    if len(faces):
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    file.write("\n".join([*header, "end_header", ""]).encode("ascii", "backslashreplace"))
    for block in blocks(cloud):
        points = np.empty(block.row.size, point)
        points["x"], points["y"] = local(cloud, block.column, block.row)
        points["z"] = cloud.base + block.height.astype(np.float64)
        points["red"], points["green"], points["blue"] = block.rgb.T
        file.write(points.data)
    for start in range(0, len(faces), BLOCK):
        part = faces[start : start + BLOCK]
        corners = np.empty(len(part), [("count", "u1"), ("corner", "<i4", 3)])
        corners["count"], corners["corner"] = 3, part
        file.write(corners.data)


def _comments(cloud: Cloud, unit: str) -> Iterator[str]:
    """What the numbers mean, and what takes them to the map."""
    yield f"comment {PROGRAM}"
    yield f"comment layer {cloud.title[:COMMENT]}".replace("\n", " ")
    yield f"comment x y in {UNITS[unit]} from the lower left corner of the tile, z height in metres"
    if cloud.transform is not None:
        a, b, c, d, e, f = to_map(cloud)
        yield f"comment map_x = {a!r} * x + {b!r} * y + {c!r}"
        yield f"comment map_y = {d!r} * x + {e!r} * y + {f!r}"
        crs = " ".join(cloud.crs.split())
        for start in range(0, len(crs), COMMENT):
            yield f"comment crs {crs[start : start + COMMENT]}"

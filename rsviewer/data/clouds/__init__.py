"""Point clouds and meshes as files: PLY, LAS, LAZ, GLB. What other programs open as it is.

`geometry` is what they share; `ply`, `las` and `glb` each know one format (LAZ is LAS, compressed).
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from rsviewer.core.cloud import Cloud
from rsviewer.core.errors import SaveError
from rsviewer.core.tile import printable
from rsviewer.data.clouds.geometry import UNITS
from rsviewer.data.clouds.glb import write_glb
from rsviewer.data.clouds.las import write_las
from rsviewer.data.clouds.ply import write_ply
from rsviewer.data.saving import saving

__all__ = ["FORMATS", "MESHES", "UNITS", "write_cloud"]

FORMATS = ("ply", "las", "laz", "glb")
"""Endings that `write_cloud` knows."""
MESHES = ("ply", "glb")
"""Those that can hold a surface."""


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
            write_ply(file, cloud, unit, mesh=mesh)
        case "glb":
            write_glb(file, cloud, unit)
        case _:
            write_las(file, cloud, unit, compress=ending == "laz")

"""Point clouds and meshes as files: PLY, LAS, LAZ, GLB. What other programs open as it is."""

from pathlib import Path

from rsviewer.core.cloud import Cloud

FORMATS = ("ply", "las", "laz", "glb")
"""Endings that `write_cloud` knows."""


def write_cloud(path: Path, cloud: Cloud, *, mesh: bool = False, overwrite: bool = False) -> None:
    """Writes the valid heights of a tile, coloured. Whole or not at all.

    ply: binary little-endian points (with `mesh` also triangles), in metres from the tile's lower left corner; the header's
    comments say where that is on the map. las, laz: points in coordinates of the CRS where the layer has one. glb: a mesh with
    its texture, y up as glTF wants it.

    Raises:
        SaveError: the file cannot be written, is there already, or there is no valid height to write.
    """
    raise NotImplementedError

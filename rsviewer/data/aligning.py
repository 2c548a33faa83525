"""Finds the pixels of one layer on another: by georeference, also from one CRS to another, else by extent."""

from rsviewer.core.aligning import Alignment
from rsviewer.core.tile import Raster


def align(target: Raster, source: Raster) -> Alignment:
    """Finds every pixel of `target` on `source`.

    Both with a georeference: by it, also where CRS, size, resolution or rotation differ. Where one has none, by extent, and
    the remark says so. A CRS that makes no sense counts as none.
    """
    raise NotImplementedError

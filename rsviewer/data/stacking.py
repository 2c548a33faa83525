"""Several files as the bands of one raster, and parts of rasters: what `data.address` calls "bands:" and "part:"."""

from rsviewer.core.tile import LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.tree import Tree


def read_stacked(address: str, spec: LayerSpec, tree: Tree) -> Raster | Unreadable | Missing:
    """The bands of several files on the grid of the largest, or a part of a raster, or both. Safe from any thread.

    Bands of fewer pixels are repeated (nearest), as the datasets' own loaders do, if they fit a whole number of times, and
    notes say which. A band whose file is missing or unreadable is invalid everywhere, and notes say so; where all are, the
    result is that of the first. A part is cut from the file, not resampled, and keeps its place on the map.

    Args:
        address: see `data.address`; not a mere path.
        spec: what the documentation says about the layer; `spec.bands` names the files of "bands:".
        tree: where the files are.
    """
    raise NotImplementedError

"""Files of vector labels -> Vector. Today: SatlasPretrain's vector.json."""

from rsviewer.core.tile import LayerSpec, Missing, Unreadable
from rsviewer.core.vector import Vector
from rsviewer.data.tree import Tree

MAX_BYTES = 64 << 20
"""A file of vector labels that is larger is refused: the largest known ones have some megabytes."""


def read_vector(address: str, spec: LayerSpec, tree: Tree) -> Vector | Unreadable | Missing:
    """The vector labels of a tile, or of a part of it. Safe from any thread; a bad file is a value.

    Unknown geometry and unknown keys are shown as far as they can be and named in the notes, never refused. Coordinates of a
    part ("part:" in `data.address`) are counted from its upper left corner, and features wholly outside of it left out.
    """
    raise NotImplementedError

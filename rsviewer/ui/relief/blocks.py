"""Heights as OpenGL takes them, in blocks of rows: a large grid is never copied as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import Cloud, triangles, vertices

VERTEX: Final = np.dtype([("position", "<f4", 3), ("slope", "<f4", 2), ("color", "u1", 4)])
"""One height. The colour is blue, green, red and nothing."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a cloud.

    Attributes:
        cloud: whose.
        every: every how manieth row and column is drawn.
        start, stop: of the rows that are drawn. The surface of a block reaches to the first row of the next.
    """

    cloud: Cloud
    every: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A block, ready for OpenGL.

    Attributes:
        vertices: (n,) of `VERTEX`: of the block's rows and the first row of the next block.
        count: how many of them lie in the block's own rows.
        indices: (m, 3) corners of the triangles of its surface.
        places: (n, 3) where each lies on the cloud's texture, and 1; 0 where it lies nowhere. None without texture.
    """

    vertices: NDArray[np.void]
    count: int
    indices: NDArray[np.uint32]
    places: NDArray[np.float32] | None


def blocks(cloud: Cloud, every: int, points: int) -> Iterator[Block]:
    """The blocks of a cloud, of at most so many points unless a single row has more."""
    lines = -(-cloud.rows // every)
    step = max(1, points // max(1, -(-cloud.columns // every)))
    for start in range(0, lines, step):
        yield Block(cloud, every, start, min(lines, start + step))


def pack(block: Block, *, surface: bool) -> Packed:
    """Makes what OpenGL needs of a block. Without `surface` there are no indices and no places."""
    piece, top = _piece(block)
    found = vertices(piece, block.every)
    line = block.every * piece.columns
    first, own, last = (
        int(row)
        for row in np.searchsorted(
            found.index, [(number - top) * line for number in (block.start, block.stop, block.stop + 1)]
        )
    )
    packed = np.empty(last - first, VERTEX)
    packed["position"] = found.position[first:last]
    packed["slope"] = found.slope[first:last]
    packed["color"][:, 2::-1] = found.rgb[first:last]
    packed["color"][:, 3] = 0
    if not surface:
        return Packed(packed, own - first, np.empty((0, 3), np.uint32), None)
    indices = triangles(piece, block.every)
    if piece is not block.cloud:
        inside = (indices.min(axis=1, initial=last) >= first) & (indices.max(axis=1, initial=0) < last)
        indices = indices[inside] - np.uint32(first)
    return Packed(packed, own - first, indices, _places(piece, found.index[first:last]))


def _piece(block: Block) -> tuple[Cloud, int]:
    """The rows of a block with those beside them, which its slopes need, as a cloud, and the number of the first row."""
    cloud, every = block.cloud, block.every
    top, bottom = max(0, block.start - 1), block.stop + 2
    if top == 0 and bottom * every >= cloud.rows:
        return cloud, 0
    rows = slice(top * every, bottom * every)
    texture = cloud.texture
    left, upper = cloud.origin
    return replace(
        cloud,
        height=cloud.height[rows],
        colors=cloud.colors[rows],
        origin=(left, upper - top * every * cloud.step[1]),
        texture=None if texture is None else replace(texture, u=texture.u[rows], v=texture.v[rows]),
    ), top


def _places(piece: Cloud, index: NDArray[np.uint32]) -> NDArray[np.float32] | None:
    if piece.texture is None:
        return None
    places = np.empty((index.size, 3), np.float32)
    places[:, 0] = piece.texture.u.reshape(-1)[index]
    places[:, 1] = piece.texture.v.reshape(-1)[index]
    places[:, 2] = 1.0
    places[np.isnan(places).any(axis=1)] = 0.0
    return places

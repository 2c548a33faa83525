"""Reads the headers of all tiles and files where on the Earth they lie. No pixel is decoded."""

from collections.abc import Iterator, Sequence
from itertools import islice

from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.tile import LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import header_of
from rsviewer.data.footprints import footprint_of
from rsviewer.data.index import TileIndex
from rsviewer.data.indexplaces import Footprint
from rsviewer.data.raster import RasterHeader
from rsviewer.data.tree import DISK, Tree

FILED_AT_ONCE = 2048
"""Tiles between two writes to the index: what an interruption can cost."""


def locate_all(
    index: TileIndex, dataset: Dataset, *, threads: int = 0, progress: Progress | None = None
) -> tuple[int, int]:
    """Locates every tile of which nobody knows yet where it lies. Interrupted, it keeps what it has.

    Args:
        index: complete.
        dataset: whose index it is.
        threads: readers; 0 takes as many as there are cores.
        progress: called with tiles done and tiles in all, those known before not counted.

    Returns:
        How many tiles were asked, and how many of them say where they lie.
    """
    todo = index.places.unlocated().tolist()
    found: dict[TileId, Footprint | None] = {}
    done = placed = 0

    def read(entry: TileEntry) -> tuple[TileId, Footprint | None]:
        return entry.id, locate(entry, dataset.layers, dataset.tree)

    try:
        for tile, place in in_parallel(read, _entries(index, todo), threads):
            found[tile] = place
            done += 1
            placed += place is not None
            if len(found) >= FILED_AT_ONCE:
                index.places.record(found)
                found = {}
            if progress:
                progress(done, len(todo))
    finally:
        index.places.record(found)
    return done, placed


def locate(entry: TileEntry, layers: Sequence[LayerSpec], tree: Tree = DISK) -> Footprint | None:
    """(west, south, east, north) of a tile by the first of its files that says so, images first; None where none does."""
    rasters = [spec for spec in layers if spec.kind not in (LayerKind.VECTOR, LayerKind.TEXT)]
    for spec in sorted(rasters, key=lambda spec: spec.kind is not LayerKind.OPTICAL):
        address = entry.files.get(spec.id)
        header = None if address is None else header_of(address, tree)
        if isinstance(header, RasterHeader):
            place = footprint_of(header.transform, header.crs, (header.width, header.height))
            if place is not None:
                return place
    return None


def _entries(index: TileIndex, ordinals: Sequence[int]) -> Iterator[TileEntry]:
    remaining = iter(ordinals)
    while part := list(islice(remaining, FILED_AT_ONCE)):
        yield from index.entries(part)

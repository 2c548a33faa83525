"""Reads every tile once and files what its pixels are like, so that filters can ask: `ndsm_max > 80`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Missing, Raster, TileId, Unreadable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.index import FileState, Measurement, TileIndex
from rsviewer.data.tree import DISK, Tree

FILED_AT_ONCE = 1024
"""Tiles between two writes to the index: what an interruption can cost. A write takes 0.1 s in a large index."""

CHUNK = 1 << 17
"""Values that are summed at once, so that a large raster is not copied as a whole."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was done: `tiles` read now, `known` before, `unreadable` layers among those read now."""

    tiles: int
    known: int
    unreadable: int


def measure_all(index: TileIndex, dataset: Dataset, *, threads: int = 0, progress: Progress | None = None) -> Measured:
    """Measures every tile that was not measured yet. Interrupted, it keeps what it has; called again, it goes on.

    Args:
        index: complete.
        dataset: whose index it is.
        threads: readers; 0 takes as many as there are cores.
        progress: called with tiles done and tiles in all, those known before not counted.
    """
    todo = unmeasured(index, dataset.layers)
    done = unreadable = 0
    waiting: list[Measurement] = []

    def read(entry: TileEntry) -> list[Measurement]:
        return list(measure_tile(entry, dataset.layers, dataset.tree))

    try:
        for measurements in in_parallel(read, _entries(index, todo), threads):
            waiting += measurements
            unreadable += sum(each.state is FileState.UNREADABLE for each in measurements)
            done += 1
            if done % FILED_AT_ONCE == 0:
                index.record(waiting)
                waiting = []
            if progress:
                progress(done, len(todo))
    finally:
        index.record(waiting)
    return Measured(done, len(index) - len(todo), unreadable)


def unmeasured(index: TileIndex, layers: Sequence[LayerSpec]) -> NDArray[np.int32]:
    """Places of the tiles that have a layer nobody has measured."""
    return index.select(" or ".join(f"{spec.id}_state is null" for spec in layers))


def measure_tile(entry: TileEntry, layers: Sequence[LayerSpec], tree: Tree = DISK) -> Iterator[Measurement]:
    """What reading each layer of the dataset tells of one tile, also of layers that it has not."""
    for spec in layers:
        yield measure(entry.id, spec.id, read_layer(entry, spec, tree))


def measure(tile: TileId, layer: LayerId, content: LayerContent) -> Measurement:
    """What the content of a layer is like."""
    match content:
        case Raster():
            low, high, mean, std = summarize(content)
            width, height = content.full_size
            share = 1.0 if _is_all_valid(content) else float(np.mean(content.valid))
            return Measurement(tile, layer, FileState.OK, "", width, height, low, high, mean, std, share)
        case Unreadable(_, reason):
            return Measurement(tile, layer, FileState.UNREADABLE, reason)
        case Missing(reason):
            return Measurement(tile, layer, FileState.MISSING, reason)
        case _:
            return Measurement(tile, layer, FileState.OK)


def summarize(raster: Raster) -> tuple[float | None, float | None, float | None, float | None]:
    """(minimum, maximum, mean, standard deviation) of the valid pixels of all bands; Nones where there are none.

    Chunks are joined as in Chan, Golub and LeVeque 1979, which keeps the deviation of heights of 4000 m that differ by
    centimetres.
    """
    count, mean, squares = 0, 0.0, 0.0
    low, high = math.inf, -math.inf
    buffer = np.empty(max(CHUNK, raster.width), np.float64)
    for values in _chunks(raster):
        part = buffer[: values.size]
        part[:] = values
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        part_mean = float(part.mean())
        part -= part_mean
        apart = part_mean - mean
        together = count + part.size
        np.multiply(part, part, out=part)  # not np.dot: its threads wait for each other, 25 ms a tile on two busy cores
        squares += float(part.sum()) + apart * apart * count * part.size / together
        mean += apart * part.size / together
        count = together
    if not count:
        return None, None, None, None
    return low, high, mean, math.sqrt(squares / count)


def _chunks(raster: Raster) -> Iterator[NDArray[np.generic]]:
    """The valid pixels, one-dimensional, some rows of a band at a time."""
    rows = max(1, CHUNK // max(1, raster.width))
    everything = _is_all_valid(raster)
    for pixels, valid in zip(raster.pixels, raster.valid, strict=True):
        for start in range(0, raster.height, rows):
            part = pixels[start : start + rows]
            values = part.reshape(-1) if everything else part[valid[start : start + rows]]
            if values.size:
                yield values


def _is_all_valid(raster: Raster) -> bool:
    """True where `valid` is a single True, broadcast: then it need not be looked at."""
    return set(raster.valid.strides) == {0} and bool(raster.valid.flat[0])


def _entries(index: TileIndex, places: NDArray[np.int32]) -> Iterator[TileEntry]:
    for start in range(0, len(places), FILED_AT_ONCE):
        yield from index.entries(places[start : start + FILED_AT_ONCE])

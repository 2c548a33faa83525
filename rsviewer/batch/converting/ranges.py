"""The range of values that a conversion maps to colours or grey levels, where tiles share one.

The range is taken over the tiles that are converted, and kept with the record of the conversion (`data.conversions`), with
a digest of which tiles these were. A conversion that goes on takes the range from there: its files are those of one run. With
other tiles it is refused, since their range is another one.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from rsviewer.batch.converting.reading import Reading
from rsviewer.batch.converting.running import slim
from rsviewer.batch.crew import Crew, Lost
from rsviewer.batch.runner import Progress
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.pooling import Counts, Extent, Pool, count, extent_of
from rsviewer.core.render import chosen_bands
from rsviewer.core.stretch import Band, Range, band_of
from rsviewer.core.style import default_style
from rsviewer.core.tile import LayerSpec
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.conversions import Begun, Recipe, keep

R = TypeVar("R")

_RANGES, _TILES, _NUMBER = "ranges", "ranges_tiles", "ranges_tile_count"
"""What is kept with the record."""
_AT_ONCE = 128
"""Groups that are counted at a time: each takes half a megabyte."""


class Scope(StrEnum):
    """Which tiles share a range."""

    TILE = "tile"
    """None: each has its own."""
    GROUP = "group"
    DATASET = "dataset"

    def key(self, entry: TileEntry) -> str:
        """What the range of a tile is found under in what `ranges_of` gives."""
        return entry.group if self is Scope.GROUP else ""


def ranges_of(
    dataset: Dataset,
    entries: Collection[TileEntry],
    layer: LayerSpec,
    scope: Scope,
    percent: float,
    crew: Crew,
    progress: Progress | None = None,
) -> dict[str, Range]:
    """The range of each group of tiles, or of all together.

    Every valid pixel of the band that panes show counts. Tiles without the layer, or with a file that cannot be read, do not:
    what is to be said of them is said when they are converted.

    Args:
        dataset: whose tiles.
        entries: which of them; gone through several times.
        layer: whose values.
        scope: GROUP or DATASET; of TILE there is nothing to find.
        percent: of the values to be cut off at each end, 0..50. 0 gives the exact minimum and maximum. Else all is read a
            second time for a count in 65,536 bins, and again where a few values lie far off the others, see `core.pooling`.
        crew: reads the tiles.
        progress: called with tiles read, over all passes that are foreseen.

    Returns:
        `scope.key(entry)` -> its range; a group without any valid value is not in it. `low == high` where all are the same.
    """
    if scope is Scope.TILE:
        return {}
    told = _Told(progress, len(entries) * (2 if percent > 0 else 1))
    extents: dict[str, Extent] = {}
    tiles: Counter[str] = Counter()
    for entry, found in _read(crew, _Look(slim(dataset), layer), entries, told):
        key = scope.key(entry)
        tiles[key] += 1
        if found is not None:
            extents[key] = extents[key].joined(found) if key in extents else found
    pools = {key: Pool(extent, percent) for key, extent in extents.items()}
    wild = False
    while keys := [key for key, pool in pools.items() if pool.limits is not None]:
        told.total += sum(tiles[key] for key in keys) if wild else 0
        for start in range(0, len(keys), _AT_ONCE):
            some = {key: pools[key] for key in keys[start : start + _AT_ONCE]}
            _count(some, dataset, entries, layer, scope, crew, told)
        wild = True
    return {key: pool.range for key, pool in pools.items()}


def settled_ranges(
    begun: Begun,
    recipe: Recipe,
    dataset: Dataset,
    entries: Collection[TileEntry],
    layer: LayerSpec,
    scope: Scope,
    percent: float,
    crew: Crew,
    progress: Progress | None = None,
) -> dict[str, Range]:
    """`ranges_of`, once for a conversion: one that goes on gets the ranges that it began with.

    Args:
        begun: the folder of the conversion, from `converting`.
        recipe: the conversion; layer, scope and percent must be among its options.
        dataset: see `ranges_of`, also of those that follow.
        entries: which tiles.
        layer: whose values.
        scope: which tiles share a range.
        percent: to be cut off.
        crew: reads the tiles.
        progress: called with tiles read.

    Raises:
        SaveError: it was begun with other tiles, or nothing can be written to the folder.
    """
    check_tiles(begun, entries, scope)
    if scope is Scope.TILE:
        return {}
    known = _kept(begun)
    if known is not None:
        return known
    found = ranges_of(dataset, entries, layer, scope, percent, crew, progress)
    ranges = {key: [ends.low, ends.high] for key, ends in found.items()}
    keep(begun, recipe, {_RANGES: ranges, _TILES: _digest(entries), _NUMBER: len(entries)})
    return found


def as_one(progress: Progress | None, tiles: int) -> tuple[Progress, Progress]:
    """How far two pieces of work are that follow each other, as one: what to call for the ranges, and then for the files.

    Args:
        progress: called with what is done and what is to be done, of both together.
        tiles: of which files are made.
    """
    measured = 0

    def measuring(done: int, total: int | None) -> None:
        nonlocal measured
        measured = done
        if progress:
            progress(done, None if total is None else total + tiles)

    def making(done: int, total: int | None) -> None:
        if progress:
            progress(measured + done, None if total is None else measured + total)

    return measuring, making


def check_tiles(begun: Begun, entries: Collection[TileEntry], scope: Scope) -> None:
    """Raises SaveError where the conversion was begun with other tiles, over which its range was taken."""
    if scope is Scope.TILE or _kept(begun) is None or begun.kept.get(_TILES) == _digest(entries):
        return
    number = begun.kept.get(_NUMBER)
    were = f"{number:,} tiles" if isinstance(number, int) and number != len(entries) else "others"
    raise SaveError(
        f"The range of the files in this folder was taken over other tiles ({were}) than are converted now "
        f"({len(entries):,}). Convert the same tiles, choose another folder, or say --overwrite to take it anew."
    )


def _kept(begun: Begun) -> dict[str, Range] | None:
    """The ranges that a conversion began with; None where it got not so far, or nobody can read them."""
    ranges = begun.kept.get(_RANGES)
    if not isinstance(ranges, dict) or _TILES not in begun.kept:
        return None
    try:
        found = {str(key): Range(float(low), float(high)) for key, (low, high) in ranges.items()}
    except (TypeError, ValueError):
        return None
    return found if all(ends.is_finite for ends in found.values()) else None


def _digest(entries: Iterable[TileEntry]) -> str:
    """Of which tiles there are, in whatever order: the sum of their digests."""
    digests = (hashlib.sha256(entry.id.encode()).digest() for entry in entries)
    return f"{sum(int.from_bytes(digest) for digest in digests) % 2**256:064x}"


def _count(
    pools: Mapping[str, Pool],
    dataset: Dataset,
    entries: Collection[TileEntry],
    layer: LayerSpec,
    scope: Scope,
    crew: Crew,
    told: "_Told",
) -> None:
    """Reads the tiles of some groups and counts their values between the limits."""
    limits = {key: (pool.limits, pool.extent.whole) for key, pool in pools.items() if pool.limits is not None}
    wanted = entries if scope is Scope.DATASET else (entry for entry in entries if scope.key(entry) in limits)
    for entry, counts in _read(crew, _Count(slim(dataset), layer, scope, limits), wanted, told):
        if counts is not None:
            pools[scope.key(entry)].add(counts)
    for pool in pools.values():
        pool.settle()


class _Told:
    """Tells how far it is, over several passes."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._done = 0
        self.total = total

    def one_more(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, max(self.total, self._done))


def _read(
    crew: Crew, work: Callable[[TileEntry], R], entries: Iterable[TileEntry], told: _Told
) -> Iterator[tuple[TileEntry, R | None]]:
    """The tiles with what was found; None for one that cost a worker its life."""
    with closing(crew.run(work, entries)) as results:
        for entry, result in results:
            yield entry, None if isinstance(result, Lost) else result
            told.one_more()


def _bands(dataset: Dataset, layer: LayerSpec, entry: TileEntry) -> list[Band]:
    """The bands of a tile that count; none where it cannot be read."""
    try:
        raster = Reading(entry, dataset).raster(layer)
    except LayerError:
        return []
    return [band_of(raster, band) for band in chosen_bands(raster, layer, default_style(layer))]


@dataclass(frozen=True, slots=True)
class _Look:
    """The first pass, on a worker."""

    dataset: Dataset
    layer: LayerSpec

    def __call__(self, entry: TileEntry) -> Extent | None:
        return extent_of(_bands(self.dataset, self.layer, entry))


@dataclass(frozen=True, slots=True)
class _Count:
    """A further pass, on a worker. `limits`: key -> those of its group, and whether all its values are whole numbers."""

    dataset: Dataset
    layer: LayerSpec
    scope: Scope
    limits: Mapping[str, tuple[Range, bool]]

    def __call__(self, entry: TileEntry) -> Counts:
        limits, whole = self.limits[self.scope.key(entry)]
        return count(_bands(self.dataset, self.layer, entry), limits, whole=whole)

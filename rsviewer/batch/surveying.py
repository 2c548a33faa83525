"""What is in a dataset and what is wrong with it, from names alone or from the headers of all files as well."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId, Unreadable, printable
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, DatasetAdapter, TabularAdapter, TileColumns, TileEntry
from rsviewer.data.content import header_of
from rsviewer.data.raster import RasterHeader

TRIED = 16
"""So many files of a layer are tried for its properties before it is said to have none."""

KEPT = 10_000
"""So many problems of a kind are kept; the rest is counted."""

NOT_RASTERS = (LayerKind.TEXT, LayerKind.VECTOR)


class ProblemKind(StrEnum):
    """What can be wrong with a tile. The last three only headers tell."""

    MISSING_LAYER = "missing-layer"
    UNLISTED = "unlisted"
    NOT_FOUND = "not-found"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    SIZE = "size"
    CRS = "crs"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one tile. `layer` is empty where it is about the tile."""

    kind: ProblemKind
    tile: TileId
    layer: str
    message: str


@dataclass(frozen=True, slots=True)
class LayerFound:
    """A layer with what the header of its first readable file says; None where none was readable."""

    spec: LayerSpec
    header: RasterHeader | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a dataset.

    Attributes:
        tiles: those with at least one file.
        groups: name -> tiles; empty where the dataset has none.
        splits: name -> tiles that lists of this name name, with files or without.
        layers: in the order of the dataset.
        problems: the first KEPT of each kind, in the order of the dataset; those of the headers after those of the names.
        counts: of all problems, by kind.
    """

    tiles: int
    groups: Mapping[str, int]
    splits: Mapping[str, int]
    layers: tuple[LayerFound, ...]
    problems: tuple[Problem, ...]
    counts: Mapping[ProblemKind, int]

    @property
    def problem_count(self) -> int:
        """How many problems there are, those that are not kept included."""
        return sum(self.counts.values())


def survey(
    dataset: Dataset, adapter: DatasetAdapter, *, deep: bool = False, threads: int = 0, progress: Progress | None = None
) -> Survey:
    """Looks at all names, and at the headers of a few files or, `deep`, of all.

    Args:
        dataset: what is looked at.
        adapter: that recognised it.
        deep: also find files that cannot be opened, and layers of another size or reference system.
        threads: readers of headers; 0 takes as many as there are cores.
        progress: called with tiles done, and with tiles in all where that is known.
    """
    tally = _Tally(dataset)
    if isinstance(adapter, TabularAdapter):
        for columns in adapter.scan_columns(dataset):
            tally.add_columns(columns)
            if progress:
                progress(tally.seen, None)
    else:
        for entry in adapter.scan(dataset):
            tally.add(entry)
            if progress and tally.seen % 1000 == 0:
                progress(tally.seen, None)
    if deep:
        problems, more = problems_of_headers(adapter.scan(dataset), tally.seen, dataset, threads, progress)
        for problem in problems:
            tally.say(problem)
        tally.counts.update(more)
    layers = tuple(LayerFound(spec, _first_header(spec, tally.samples[spec.id], dataset)) for spec in dataset.layers)
    named = {group: count for group, count in tally.groups.items() if group}
    return Survey(tally.tiles, named, dict(tally.splits), layers, tuple(tally.problems), dict(tally.counts))


class _Tally:
    """What the names tell, in memory that does not grow with the dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.seen = 0
        self.tiles = 0
        self.groups: Counter[str] = Counter()
        self.splits: Counter[str] = Counter({split.name: 0 for split in dataset.lists})
        self.samples: dict[LayerId, list[str]] = {spec.id: [] for spec in dataset.layers}
        self.problems: list[Problem] = []
        self.counts: Counter[ProblemKind] = Counter()

    def say(self, problem: Problem) -> None:
        self.counts[problem.kind] += 1
        if self.counts[problem.kind] <= KEPT:
            self.problems.append(problem)

    def add(self, entry: TileEntry) -> None:
        self.seen += 1
        self.tiles += entry.has_files
        self.groups[entry.group] += entry.has_files
        self.splits.update(entry.splits)
        for problem in problems_of_names(entry, self._dataset):
            self.say(problem)
        for layer, path in entry.files.items():
            if len(self.samples[layer]) < TRIED:
                self.samples[layer].append(path)

    def add_columns(self, columns: TileColumns) -> None:
        """The same for a part of a table: only rows that something is wrong with are looked at one by one."""
        count = len(columns.tiles)
        self.seen += count
        has_file = columns.have_files()
        for layer, addresses in columns.files.items():
            is_there = addresses != ""
            for place in np.flatnonzero(is_there)[: TRIED - len(self.samples[layer])].tolist():
                self.samples[layer].append(addresses[place])
        self.tiles += int(has_file.sum())
        if columns.groups is not None:
            self.groups.update(columns.groups[has_file].tolist())
        odd = ~has_file
        if columns.splits is not None:
            for together, tiles in Counter(columns.splits.tolist()).items():
                self.splits.update(dict.fromkeys(together.split(SPLITS_BETWEEN) if together else (), tiles))
        if self._dataset.lists:
            odd |= True if columns.splits is None else columns.splits == ""
        if columns.missing is not None:
            odd |= columns.missing != ""
        for entry in columns.at(np.flatnonzero(odd)).entries():
            for problem in problems_of_names(entry, self._dataset):
                self.say(problem)


def problems_of_names(entry: TileEntry, dataset: Dataset) -> Iterator[Problem]:
    """What the names of a tile's files and the lists tell."""
    if not entry.has_files:
        lists = ", ".join(entry.splits)
        yield Problem(ProblemKind.NOT_FOUND, entry.id, "", f"The list {lists} names it, and it has no file.")
        return
    if dataset.lists and not entry.splits:
        yield Problem(ProblemKind.UNLISTED, entry.id, "", "No list names it.")
    for layer in entry.missing:
        spec = dataset.layer(layer)
        if not spec.optional:
            yield Problem(ProblemKind.MISSING_LAYER, entry.id, layer, f"It has no file of {spec.title}.")
    for path in entry.duplicates:
        name = printable(str(Path(path)))
        yield Problem(ProblemKind.DUPLICATE, entry.id, "", f"{name} claims to be a layer that another file is already.")


_Size: TypeAlias = tuple[int, int]
_Shape: TypeAlias = tuple[tuple[LayerId, _Size, str], ...]
"""(layer, size, reference system) of every raster of a tile. Few different ones occur in a dataset."""


def problems_of_headers(
    entries: Iterable[TileEntry], total: int, dataset: Dataset, threads: int = 0, progress: Progress | None = None
) -> tuple[list[Problem], Counter[ProblemKind]]:
    """What only the headers of the files tell: unreadable ones, and layers that do not fit the others of their tile.

    Args:
        entries: the tiles.
        total: how many these are.
        dataset: whose tiles they are.
        threads: see `survey`.
        progress: see `survey`.

    Returns:
        Of each kind the first KEPT at least, in the order of the tiles; and how many more there are.
    """
    rasters = [spec.id for spec in dataset.layers if spec.kind not in NOT_RASTERS]
    problems: list[tuple[int, Problem]] = []
    tiles_of: dict[str, Counter[_Shape]] = defaultdict(Counter)
    places: dict[tuple[str, _Shape], list[tuple[int, TileId]]] = defaultdict(list)
    more: Counter[ProblemKind] = Counter()

    def read(entry: TileEntry) -> tuple[TileEntry, list[tuple[LayerId, RasterHeader | Unreadable]]]:
        return entry, [
            (layer, header_of(entry.files[layer], dataset.tree)) for layer in rasters if layer in entry.files
        ]

    for place, (entry, headers) in enumerate(in_parallel(read, entries, threads)):
        shape = []
        for layer, header in headers:
            if isinstance(header, Unreadable) and len(problems) >= KEPT:
                more[ProblemKind.UNREADABLE] += 1
            elif isinstance(header, Unreadable):
                problems.append((place, Problem(ProblemKind.UNREADABLE, entry.id, layer, header.reason)))
            else:
                shape.append((layer, (header.width, header.height), header.crs))
        key = tuple(shape)
        tiles_of[entry.group][key] += 1
        if tiles_of[entry.group][key] <= KEPT:
            places[entry.group, key].append((place, entry.id))
        if progress:
            progress(place + 1, total)
    for group, shapes in tiles_of.items():
        usual = _Usual(shapes)
        for each, tiles in shapes.items():
            found = [*usual.odd_sizes(each), *usual.odd_crs(each)]
            for place, tile in places[group, each]:
                problems += [(place, Problem(kind, tile, layer, said)) for kind, layer, said in found]
            for kind, _, _ in found:
                more[kind] += tiles - len(places[group, each])
    return [problem for _, problem in sorted(problems, key=lambda pair: pair[0])], more


class _Usual:
    """What is usual in a group of tiles, and what is not. `shapes`: shape -> number of tiles."""

    def __init__(self, shapes: Counter[_Shape]) -> None:
        ratios: dict[LayerId, Counter[tuple[Fraction, Fraction]]] = defaultdict(Counter)
        placed: dict[LayerId, Counter[bool]] = defaultdict(Counter)
        for shape, tiles in shapes.items():
            for layer, (width, height), crs in shape:
                first_width, first_height = shape[0][1]
                ratios[layer][Fraction(width, first_width), Fraction(height, first_height)] += tiles
                placed[layer][bool(crs)] += tiles
        self._ratios = {layer: counts.most_common(1)[0][0] for layer, counts in ratios.items()}
        self._placed = {layer for layer, counts in placed.items() if counts[True] > counts[False]}

    def odd_sizes(self, shape: _Shape) -> Iterator[tuple[ProblemKind, LayerId, str]]:
        """Layers whose size, after the usual ratio between the layers, is not that of most layers of the tile."""
        sizes = [
            (width / self._ratios[layer][0], height / self._ratios[layer][1]) for layer, (width, height), _ in shape
        ]
        if len(set(sizes)) < 2:
            return
        most = Counter(sizes).most_common(1)[0][0]
        for (layer, (width, height), _), size in zip(shape, sizes, strict=True):
            if size != most:
                fitting = " x ".join(
                    str(round(side * ratio)) for side, ratio in zip(most, self._ratios[layer], strict=True)
                )
                yield ProblemKind.SIZE, layer, f"{width} x {height} pixels, where {fitting} would fit the other layers."

    def odd_crs(self, shape: _Shape) -> Iterator[tuple[ProblemKind, LayerId, str]]:
        """Layers with another reference system than most layers of the tile, or without the one they usually have."""
        counts = Counter(crs for _, _, crs in shape if crs)
        most = counts.most_common(1)[0][0] if counts else ""
        for layer, _, crs in shape:
            if crs and crs != most:
                yield ProblemKind.CRS, layer, f"{_short(crs)}, where the other layers have {_short(most)}."
            elif not crs and layer in self._placed:
                yield ProblemKind.CRS, layer, "No coordinate reference system, which this layer usually has."


def _first_header(spec: LayerSpec, addresses: Sequence[str], dataset: Dataset) -> RasterHeader | None:
    if spec.kind in NOT_RASTERS:
        return None
    headers = (header_of(address, dataset.tree) for address in addresses)
    header = next((header for header in headers if isinstance(header, RasterHeader)), None)
    return replace(header, bands=len(spec.take)) if header is not None and spec.take else header


def _short(crs: str) -> str:
    return crs if len(crs) <= 60 else f"{crs[:59]}…"

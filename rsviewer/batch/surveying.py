"""What is in a dataset and what is wrong with it, from names alone or from the headers of all files as well."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId, Unreadable, printable
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.content import first_header
from rsviewer.data.raster import RasterHeader

TRIED = 16
"""So many files of a layer are tried for its properties before it is said to have none."""

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
        problems: in the order of the dataset; those of the headers after those of the names.
    """

    tiles: int
    groups: Mapping[str, int]
    splits: Mapping[str, int]
    layers: tuple[LayerFound, ...]
    problems: tuple[Problem, ...]


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
    tiles = 0
    groups: Counter[str] = Counter()
    splits: Counter[str] = Counter({split.name: 0 for split in dataset.lists})
    samples: dict[LayerId, list[str]] = {spec.id: [] for spec in dataset.layers}
    problems: list[Problem] = []
    entries: list[TileEntry] = []
    for place, entry in enumerate(adapter.scan(dataset), start=1):
        tiles += bool(entry.files)
        groups[entry.group] += bool(entry.files)
        splits.update(entry.splits)
        problems += problems_of_names(entry, dataset)
        for layer, path in entry.files.items():
            if len(samples[layer]) < TRIED:
                samples[layer].append(path)
        if deep:
            entries.append(entry)
        if progress and place % 1000 == 0:
            progress(place, None)
    if deep:
        problems += problems_of_headers(entries, dataset, threads, progress)
    layers = tuple(LayerFound(spec, _first_header(spec, samples[spec.id], dataset)) for spec in dataset.layers)
    named = {group: count for group, count in groups.items() if group}
    return Survey(tiles, named, dict(splits), layers, tuple(problems))


def problems_of_names(entry: TileEntry, dataset: Dataset) -> Iterator[Problem]:
    """What the names of a tile's files and the lists tell."""
    if not entry.files:
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
    entries: Sequence[TileEntry], dataset: Dataset, threads: int = 0, progress: Progress | None = None
) -> list[Problem]:
    """What only the headers of the files tell: unreadable ones, and layers that do not fit the others of their tile."""
    rasters = [spec.id for spec in dataset.layers if spec.kind not in NOT_RASTERS]
    problems: list[tuple[int, Problem]] = []
    places: dict[tuple[str, _Shape], list[int]] = defaultdict(list)

    def read(entry: TileEntry) -> list[tuple[LayerId, RasterHeader | Unreadable]]:
        return [(layer, first_header(entry.files[layer], dataset.tree)) for layer in rasters if layer in entry.files]

    for place, headers in enumerate(in_parallel(read, entries, threads)):
        entry = entries[place]
        shape = []
        for layer, header in headers:
            if isinstance(header, Unreadable):
                problems.append((place, Problem(ProblemKind.UNREADABLE, entry.id, layer, header.reason)))
            else:
                shape.append((layer, (header.width, header.height), header.crs))
        places[entry.group, tuple(shape)].append(place)
        if progress:
            progress(place + 1, len(entries))
    for group in dict.fromkeys(group for group, _ in places):
        shapes = Counter({shape: len(members) for (where, shape), members in places.items() if where == group})
        usual = _Usual(shapes)
        for each in shapes:
            found = [*usual.odd_sizes(each), *usual.odd_crs(each)]
            for place in places[group, each]:
                problems += [(place, Problem(kind, entries[place].id, layer, said)) for kind, layer, said in found]
    return [problem for _, problem in sorted(problems, key=lambda pair: pair[0])]


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
    headers = (first_header(address, dataset.tree) for address in addresses)
    return next((header for header in headers if isinstance(header, RasterHeader)), None)


def _short(crs: str) -> str:
    return crs if len(crs) <= 60 else f"{crs[:59]}…"

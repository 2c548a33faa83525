"""What many tiles are like: how often values occur, alone and in pairs. The numbers only; who counts is `data.indexstats`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SERIES_MOST = 8
"""So many values of a splitting column are told apart: as many as there are colours that everybody can."""
OTHERS = "others"
NONE = "none"
"""Stands for an empty text or list."""
ALL = "all tiles"
FILTERED = "filtered"
FAR = 8.0
"""Values are far out where they stretch the axis to so many times what nearly all need."""
REACH = 1.5
"""So many times that is then shown at either end besides."""
WIDEST_WHOLE = 128
"""So many whole numbers have a bar each."""
EXACT = 1e12
"""Larger whole numbers are numbers like others."""

Rows: TypeAlias = tuple[tuple[str, ...], list[tuple[float | int | str, ...]]]
"""A heading and the lines of a table."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """How many tiles of one kind fall where.

    Attributes:
        name: of the kind, as shown.
        counts: (n,) tiles, or shares in %.
    """

    name: str
    counts: NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Range:
    """What the values of a column are like.

    Attributes:
        tiles: asked for.
        known: of these, with a value.
        low, high: least and greatest value.
        near, far: between which all but a twentieth at either end lie.
        mean, median: of the values.
        is_whole: all are whole numbers.
    """

    tiles: int = 0
    known: int = 0
    low: float = math.nan
    high: float = math.nan
    near: float = math.nan
    far: float = math.nan
    mean: float = math.nan
    median: float = math.nan
    is_whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How often the values of one column, or of several that share an axis, occur.

    Attributes:
        title: of the axis below.
        edges: (n + 1,) ascending; empty where no tile has a value. A value that is an edge counts above it, and the last edge
            belongs to the last bin.
        series: what is counted, each (n,).
        range: of the tiles that the numbers in words are about.
        below, above: tiles outside of the edges, those of the first series.
        is_list: tiles may count in several series.
    """

    title: str
    edges: NDArray[np.float64]
    series: tuple[Series, ...]
    range: Range
    below: int = 0
    above: int = 0
    is_list: bool = False

    def rows(self) -> Rows:
        """The numbers that are shown."""
        head = ("from", "to", *(each.name for each in self.series))
        counted = zip(*(each.counts.tolist() for each in self.series), strict=True)
        ends = zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True)
        return head, [(low, high, *counts) for (low, high), counts in zip(ends, counted, strict=False)]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """How often the texts of one column occur, or what share each of some names has.

    Attributes:
        title: of the column.
        names: as shown, the most frequent first.
        values: as the column holds them; empty where the bars are no values of a column.
        series: what is counted, each (len(names),).
        tiles: asked for.
        left_out: different texts that have no bar.
        unit: what the bars measure: "tiles", or "%".
    """

    title: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    series: tuple[Series, ...]
    tiles: int
    left_out: int = 0
    unit: str = "tiles"

    def rows(self) -> Rows:
        """The numbers that are shown."""
        counted = zip(*(each.counts.tolist() for each in self.series), strict=True)
        head = (self.title, *(f"{each.name} ({self.unit})" for each in self.series))
        return head, [(name, *counts) for name, counts in zip(self.names, counted, strict=False)]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Tiles counted on a grid.

    Attributes:
        extent: (x0, y0, x1, y1) of the grid.
        counts: (rows, columns) tiles, row 0 at y0.
    """

    extent: tuple[float, float, float, float]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Tiles, one by one.

    Attributes:
        x, y: (n,) values.
        ordinals: (n,) places in the dataset.
        kinds: (n,) number of a name; -1 for tiles that the filter leaves out.
        names: what kinds there are.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    ordinals: NDArray[np.int32]
    kinds: NDArray[np.int16]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """How the values of two columns go together.

    Attributes:
        x_title, y_title: names of the columns.
        x_range, y_range: of the tiles of the filter that have both.
        extent: (x0, y0, x1, y1) of the picture: all but the far out.
        points: where there are few tiles.
        cells: where there are many: tiles of the filter on a grid.
        behind: all tiles on the same grid, where the filter leaves some out.
        correlation: of Pearson, over the tiles of the filter; NaN where it makes no sense.
    """

    x_title: str
    y_title: str
    x_range: Range
    y_range: Range
    extent: tuple[float, float, float, float]
    points: Points | None = None
    cells: Cells | None = None
    behind: Cells | None = None
    correlation: float = math.nan

    def rows(self) -> Rows:
        """The numbers that are shown."""
        if self.points is not None:
            kept = np.flatnonzero(self.points.kinds >= 0)
            named = bool(self.points.names)
            head = (self.x_title, self.y_title, *(("kind",) if named else ()))
            values = zip(self.points.x[kept].tolist(), self.points.y[kept].tolist(), strict=True)
            if not named:
                return head, list(values)
            kinds = [self.points.names[kind] for kind in self.points.kinds[kept].tolist()]
            return head, [(x, y, kind) for (x, y), kind in zip(values, kinds, strict=True)]
        lines: list[tuple[float | int | str, ...]] = []
        if self.cells is not None:
            x0, y0, x1, y1 = self.cells.extent
            high, wide = self.cells.counts.shape
            across, up = np.linspace(x0, x1, wide + 1).tolist(), np.linspace(y0, y1, high + 1).tolist()
            for row, column in np.argwhere(self.cells.counts).tolist():
                count = int(self.cells.counts[row, column])
                lines.append((across[column], across[column + 1], up[row], up[row + 1], count))
        x, y = self.x_title, self.y_title
        return (f"{x} from", f"{x} to", f"{y} from", f"{y} to", "tiles"), lines


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where tiles lie, in a part of the map.

    Attributes:
        extent: (west, south, east, north) of all tiles whose place is known; None where none is.
        tiles, known: of the filter, and of these with a place.
        unasked: tiles of the dataset of which nobody has asked yet where they lie.
        in_sight: tiles of the filter in the part of the map.
        boxes: (n, 4) west, south, east, north, where there are few; those that the filter leaves out are among them.
        ordinals: (n,) their places in the dataset.
        kept: (n,) whether the filter keeps them.
        values: (n,) of the column that they are coloured by: numbers, or numbers of `names`; NaN where unknown.
        cells: where there are many, those of the filter on a grid.
        means: (rows, columns) of the values in the cells; None where there is no column of numbers.
        behind: all tiles on the same grid.
        names: texts of the column, the most frequent first; empty for numbers.
        low, high: of the values, but for few far out.
    """

    extent: tuple[float, float, float, float] | None
    tiles: int = 0
    known: int = 0
    unasked: int = 0
    in_sight: int = 0
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    ordinals: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    kept: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    cells: Cells | None = None
    means: NDArray[np.float64] | None = None
    behind: Cells | None = None
    names: tuple[str, ...] = ()
    low: float = math.nan
    high: float = math.nan

    def rows(self) -> Rows:
        """The numbers that are shown: tiles of the filter by their positions in the dataset, or how many each cell has."""
        if self.cells is not None:
            return self._cell_rows(self.cells)
        kept = np.flatnonzero(self.kept)
        lines: list[tuple[float | int | str, ...]] = []
        for k in kept.tolist():
            value = float(self.values[k])
            said = (self.names[int(value)] if value < len(self.names) else OTHERS) if self.names else value
            lines.append((int(self.ordinals[k]) + 1, *self.boxes[k].tolist(), "" if math.isnan(value) else said))
        return ("position", "west", "south", "east", "north", "value"), lines

    def _cell_rows(self, cells: Cells) -> Rows:
        west, south, east, north = cells.extent
        high, wide = cells.counts.shape
        across, up = np.linspace(west, east, wide + 1).tolist(), np.linspace(south, north, high + 1).tolist()
        lines: list[tuple[float | int | str, ...]] = []
        for row, column in np.argwhere(cells.counts).tolist():
            mean = math.nan if self.means is None else float(self.means[row, column])
            ends = across[column], up[row], across[column + 1], up[row + 1]
            lines.append((*ends, int(cells.counts[row, column]), "" if math.isnan(mean) else mean))
        return ("west", "south", "east", "north", "tiles", "mean"), lines


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be split by: value -> tiles, the most frequent first."""

    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """Those that are told apart."""
        return tuple(list(self.values)[:SERIES_MOST])


def edges_of(values: Range, bins: int, *, whole: bool = False) -> NDArray[np.float64]:
    """Round borders of bins for values.

    Args:
        values: what they are like.
        bins: about so many.
        whole: up to the greatest value, however far out it is.
    """
    low, high = span_of(values, whole=whole)
    if not (math.isfinite(low) and math.isfinite(high)):
        return np.zeros(0)
    whole_numbers = values.is_whole and max(abs(low), abs(high)) < EXACT
    if whole_numbers:
        step = max(1, math.ceil((high - low + 1) / max(bins, 1)))
        if high - low + 1 <= WIDEST_WHOLE:
            step = 1
        if step == 1:
            return np.arange(math.floor(low) - 0.5, math.ceil(high) + 1.0, 1.0)
        step = int(_round_step(float(step))) or 1
    else:
        if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
            room = max(abs(low), 1.0) * 0.5
            return np.linspace(low - room, high + room, 4)
        step = _round_step((high - low) / max(bins, 1))  # type: ignore[assignment]
    first, last = math.floor(low / step), math.ceil(high / step)
    if last * step <= high and whole_numbers:
        last += 1
    return np.arange(first, max(last, first + 1) + 1, dtype=np.float64) * step


def span_of(values: Range, *, whole: bool = False) -> tuple[float, float]:
    """From where to where values are shown: all, but for few that lie far out."""
    if not values.known:
        return math.nan, math.nan
    low, high = values.low, values.high
    need = values.far - values.near
    if not whole and need > 0 and high - low > FAR * need:
        low, high = max(low, values.near - REACH * need), min(high, values.far + REACH * need)
    return low, high


def by_series(found: Iterable[tuple[int, Sequence[str], int]], names: Sequence[str], bins: int) -> tuple[Series, ...]:
    """Counts of a group each as series.

    Args:
        found: (bin, values, tiles): a tile with several values counts for each of them.
        names: values that have a series; all others share one, which is left out where it is empty.
        bins: how many.
    """
    places = {name: place for place, name in enumerate(names)}
    counts = np.zeros((len(names) + 1, bins), np.int64)
    for place, values, tiles in found:
        if 0 <= place < bins:
            for row in {places.get(value, len(names)) for value in (values or ("",))}:
                counts[row, place] += tiles
    series = [Series(name or NONE, counts[row]) for row, name in enumerate(names)]
    if counts[-1].any():
        series.append(Series(OTHERS, counts[-1]))
    return tuple(series)


def _round_step(step: float) -> float:
    """The next larger 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1.0, 2.0, 2.5, 5.0, 10.0) if times * power >= step * (1 - 1e-9))

"""Counting in the index: histograms, texts, pairs of columns. DuckDB bins; only the counts come home.

Everything may be called from every thread, takes up to seconds for millions of tiles, and belongs on a worker. Filters are
texts in the language of `core.filters`; the names of columns are looked up, never put into a query.
"""

# ruff: noqa: S608 -- queries are made of this module's own words; what a user or a file wrote is a parameter, see indexquery

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import duckdb
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import FilterError
from rsviewer.core.filters import Column, ColumnType, Field, SortKey, Value, parse_filter
from rsviewer.core.statistics import (
    ALL,
    FILTERED,
    NONE,
    SERIES_MOST,
    Bars,
    Cells,
    Choices,
    Histogram,
    Pairs,
    Places,
    Points,
    Range,
    Series,
    by_series,
    edges_of,
    span_of,
)
from rsviewer.data.indexquery import Query
from rsviewer.data.indexrows import restored

BINS = 60
BARS_MOST = 40
POINTS_MOST = 20_000
"""More points than that hide each other: then they are counted on a grid."""
GRID = (180, 120)
BOXES_MOST = 4000
"""More footprints than that in sight are counted instead."""
VALUES_MOST = 10_000
"""Of a text column with more different texts nobody wants bars."""

_AT_ONCE = 1 << 16
_SIDES = ("west", "south", "east", "north")
_SMALLER = 2.0**-30
"""Sums of numbers so much smaller are finite, whatever the numbers are."""

Cursor: TypeAlias = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
Ask: TypeAlias = Callable[[Value | None, Sequence[SortKey]], Query]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query for some columns, and whether a filter keeps the tile.

    Attributes:
        sql: "WITH asked AS (SELECT <c0>, <c1>, ..., kept FROM ...)".
        parameters: of it.
        is_filtered: whether there is a filter at all.
    """

    sql: str
    parameters: list[float | str | bool]
    is_filtered: bool


class IndexStatistics:
    """What many tiles of one index are like: `TileIndex.statistics`.

    Args:
        cursor: gives a cursor that nobody else is using.
        columns: what filters may use now.
        ask: makes a query of a filter's tree, joined with the tables of the columns that are sorted by.
    """

    def __init__(self, cursor: Cursor, columns: Callable[[], list[Column]], ask: Ask) -> None:
        self._cursor = cursor
        self._columns = columns
        self._ask = ask

    def count(self, filter: str) -> int:  # noqa: A002 -- it is what the user calls it
        """How many tiles a filter keeps. Raises FilterError."""
        query = self._ask(parse_filter(filter, self._columns()), ())
        with self._cursor() as cursor:
            rows = cursor.execute(f"SELECT count(*) FROM {query.tables} WHERE {query.where}", query.parameters)
            return int(rows.fetchall()[0][0])

    def values(self, column: str, filter: str = "") -> Choices:  # noqa: A002
        """The texts that a column of texts or lists holds, the most frequent first: at most VALUES_MOST. Raises FilterError."""
        return self._values(self._asked([column], filter))

    def histogram(
        self,
        columns: Sequence[str],
        filter: str = "",  # noqa: A002
        by: str = "",
        *,
        whole: bool = False,
    ) -> Histogram:
        """How often numbers occur.

        Args:
            columns: several share one axis, and each is a series of the tiles of the filter. Of one, all tiles and those of the
                filter are two series.
            filter: which tiles.
            by: a column of texts or lists whose values are a series each, of the tiles of the filter.
            whole: the axis reaches to the greatest value, however far out.
        """
        asked = self._asked([*columns, *([by] if by else [])], filter)
        only_kept = bool(by) or len(columns) > 1
        ranges = [self._range(asked, place, kept=True) for place in range(len(columns))]
        shown = ranges[0] if only_kept or not asked.is_filtered else self._range(asked, 0, kept=False)
        shown = _joined(ranges) if len(columns) > 1 else shown
        edges = edges_of(shown, BINS, whole=whole)
        bins = max(0, len(edges) - 1)
        if not bins:
            return Histogram(", ".join(columns), edges, (), ranges[0])
        outside: list[tuple[int, int]] = []
        series: list[Series] = []
        for place, name in enumerate(columns):
            if by:
                found = self._binned(asked, place, edges, f"c{len(columns)}")
                series += by_series(found, self._values(asked, f"c{len(columns)}").named, bins)
                outside.append((sum(n for k, _, n in found if k < 0), sum(n for k, _, n in found if k >= bins)))
                continue
            counts = self._counted(asked, place, edges)
            outside.append((int(counts[int(only_kept)][0]), int(counts[int(only_kept)][-1])))
            if not only_kept:
                series.append(Series(ALL, counts[0][1:-1]))
            if only_kept or asked.is_filtered:
                series.append(Series(name if only_kept else FILTERED, counts[1][1:-1]))
        return Histogram(
            ", ".join(columns),
            edges,
            tuple(series),
            ranges[0],
            below=outside[0][0],
            above=outside[0][1],
            is_list=bool(by) and self._column(by).type is ColumnType.LIST,
        )

    def bars(self, column: str, filter: str = "", by: str = "") -> Bars:  # noqa: A002
        """How often texts occur: `column` holds texts, lists of them, or yes and no."""
        asked = self._asked([column, *([by] if by else [])], filter)
        tiles = self._tiles(asked)
        is_truth = self._column(column).type is ColumnType.BOOL
        found = self._values(asked, everything=not by)
        names = tuple(list(found.values)[:BARS_MOST])
        places = {name: place for place, name in enumerate(names)}
        shown = tuple(("yes" if name == "true" else "no") if is_truth else name or NONE for name in names)
        left_out = len(found.values) - len(names)
        if by:
            sql = f"{asked.sql} SELECT c0, c1, count(*) FROM asked WHERE kept GROUP BY ALL"
            with self._cursor() as cursor:
                rows = cursor.execute(sql, asked.parameters).fetchall()
            pairs = [(_texts(first) or [""], _texts(second), tiles) for first, second, tiles in rows]
            split = ((places.get(value, -1), second, tiles) for first, second, tiles in pairs for value in first)
            series = by_series(split, self._values(asked, "c1").named, len(names))
        else:
            kept = self._values(asked).values if asked.is_filtered else {}
            series = (Series(ALL, np.array([found.values[name] for name in names], np.int64)),)
            if asked.is_filtered:
                series += (Series(FILTERED, np.array([kept.get(name, 0) for name in names], np.int64)),)
        return Bars(column, shown, names, series, tiles, left_out)

    def classes(self, names: Sequence[str], filter: str = "") -> Bars:  # noqa: A002
        """What share of a tile each class has on average, as far as the checks have found it out.

        Args:
            names: of the classes of the layer that the checks count, in their order; empty for those that are void.
            filter: which tiles; all are told, too.
        """
        asked = self._asked([], filter)
        sums, counts, tiles = np.zeros((2, len(names))), np.zeros((2, len(names))), [0, 0]
        sql = (
            f"{asked.sql} SELECT q.t_shares, kept FROM asked JOIN checked AS q USING (ordinal)"
            f" WHERE octet_length(q.t_shares) = {4 * len(names)}"
        )
        with self._cursor() as cursor:
            cursor.execute(sql, asked.parameters)
            while rows := cursor.fetchmany(_AT_ONCE):
                shares = np.frombuffer(b"".join(row[0] for row in rows), np.float32).reshape(len(rows), len(names))
                of_filter = np.array([row[1] for row in rows], np.bool_)
                for k, part in enumerate((shares, shares[of_filter])):
                    is_known = np.isfinite(part)
                    sums[k] += np.where(is_known, part, 0.0).sum(axis=0, dtype=np.float64)
                    counts[k] += is_known.sum(axis=0)
                    tiles[k] += len(part)
        means = 100.0 * sums / np.maximum(counts, 1)
        series = [Series(ALL, means[0])]
        if asked.is_filtered:
            series.append(Series(FILTERED, means[1]))
        shown = [k for k, name in enumerate(names) if name]
        shown.sort(key=lambda k: -float(series[0].counts[k]))
        picked = tuple(Series(each.name, each.counts[shown]) for each in series)
        known = tuple(names[k] for k in shown) if any(each.counts.any() for each in series) else ()
        return Bars("mean share of a tile", known, (), picked if known else (), tiles[int(asked.is_filtered)], unit="%")

    def pairs(self, x: str, y: str, filter: str = "", by: str = "") -> Pairs:  # noqa: A002
        """How two columns of numbers go together, for the tiles of a filter and, behind them, all."""
        asked = self._asked([x, y, *([by] if by else [])], filter)
        where = "c0 IS NOT NULL AND c1 IS NOT NULL"
        with self._cursor() as cursor:
            sql = f"{asked.sql} SELECT count(*), count(*) FILTER (WHERE kept) FROM asked WHERE {where}"
            every, kept = cursor.execute(sql, asked.parameters).fetchall()[0]
            sql = f"{asked.sql} SELECT corr(c0, c1) FROM asked WHERE kept AND {where}"
            try:
                correlation = cursor.execute(sql, asked.parameters).fetchall()[0][0]
            except duckdb.OutOfRangeException:  # numbers so large that their squares are none
                correlation = None
        ranges = [self._range(asked, place, kept=True, where=where) for place in (0, 1)]
        around = ranges
        if asked.is_filtered:
            around = [self._range(asked, place, kept=False, where=where) for place in (0, 1)]
        spans = [span_of(each) for each in around]
        (x0, x1), (y0, y1) = (_roomy(*span) for span in spans)
        extent = (x0, y0, x1, y1)
        points, cells, behind = None, None, None
        names = self._values(asked, "c2").named if by else ()
        if every and every <= POINTS_MOST:
            points = self._points(asked, where, names, by=by)
        elif every:
            everything, chosen = self._grid(asked, extent)
            behind = Cells(extent, everything) if asked.is_filtered else None
            if kept <= POINTS_MOST and asked.is_filtered:
                points = self._points(asked, f"kept AND {where}", names, by=by)
            else:
                cells = Cells(extent, chosen)
        number = math.nan if correlation is None else float(correlation)
        return Pairs(x, y, ranges[0], ranges[1], extent, points, cells, behind, number)

    def places(
        self,
        filter: str = "",  # noqa: A002
        column: str = "",
        bounds: tuple[float, float, float, float] | None = None,
        size: tuple[int, int] = GRID,
    ) -> Places:
        """Where tiles lie.

        Args:
            filter: which tiles; all others are told, too, as what is behind them.
            column: what they are to be coloured by; empty for nothing.
            bounds: (west, south, east, north) of the part of the map; None for where they all are.
            size: (columns, rows) of the grid on which many tiles are counted.
        """
        is_number = bool(column) and self._column(column).type is ColumnType.NUMBER
        told = self._placed(self._asked([*_SIDES], filter))
        if told.known < told.tiles or told.extent is None:
            with self._cursor() as cursor:
                told = replace(told, unasked=int(cursor.execute(_UNASKED).fetchall()[0][0]))
        if told.extent is None:
            return told
        bounds = bounds or _around(*told.extent)
        asked = self._asked([*_SIDES, *([column] if column else [])], filter)
        own = self._asked([column], "") if column else asked  # without where they lie: half as much to read
        values = self._range(own, 0, kept=False) if is_number else Range()
        names = tuple(list(self._values(own).values)[:SERIES_MOST]) if column and not is_number else ()
        low, high = span_of(values)
        everything, chosen, means = self._cells(asked, bounds, size, is_number=is_number)
        told = replace(
            told,
            in_sight=int(chosen.sum()),
            cells=Cells(bounds, chosen),
            means=means if is_number else None,
            behind=Cells(bounds, everything) if asked.is_filtered else None,
            names=tuple(name or NONE for name in names),
            low=low,
            high=high,
        )
        every = int(everything.sum())
        if every > BOXES_MOST:
            return told
        sql = (
            f"{asked.sql} SELECT c0, c1, c2, c3, ordinal, kept{', c4' if column else ''} FROM asked"
            f" WHERE {_IN_SIGHT} ORDER BY kept, ordinal"
        )
        with self._cursor() as cursor:
            rows = cursor.execute(sql, [*asked.parameters, *_sight(bounds)]).fetchall()
        numbers = {name: k for k, name in enumerate(names)}
        shown = [_shade(row[6], numbers, is_number=is_number) if column else 0.0 for row in rows]
        return replace(
            told,
            cells=None,
            means=None,
            behind=None,
            boxes=np.array([row[:4] for row in rows], np.float64).reshape(-1, 4),
            ordinals=np.array([row[4] for row in rows], np.int32),
            kept=np.array([row[5] for row in rows], np.bool_),
            values=np.array(shown, np.float64),
        )

    # --- the parts

    def _column(self, name: str) -> Column:
        found = next((column for column in self._columns() if column.name == name), None)
        if found is None:
            raise FilterError(f"There is no column '{name}' any more. Choose another one.")
        return found

    def _asked(self, names: Sequence[str], filter_: str) -> _Asked:
        condition = parse_filter(filter_, self._columns())
        columns = [self._column(name) for name in names]
        query = self._ask(condition, [SortKey(Field(column)) for column in columns])
        selected = []
        for place, column in enumerate(columns):
            sql = query.sql(Field(column))
            if column.type is ColumnType.NUMBER:
                sql = f"CASE WHEN isfinite({sql}) THEN {sql} END"
            selected.append(f"{sql} AS c{place}")
        kept = f"coalesce({query.where}, FALSE) AS kept"
        sql = f"WITH asked AS (SELECT {', '.join([*selected, kept, 't.ordinal AS ordinal'])} FROM {query.tables})"
        return _Asked(sql, query.parameters, condition is not None)

    def _placed(self, asked: _Asked) -> Places:
        """How many tiles there are, how many of them with a place, and where all of those lie."""
        sql = (
            f"{asked.sql} SELECT count(*) FILTER (WHERE kept), count(*) FILTER (WHERE kept AND {_LOCATED}),"
            f" min(c0), min(c1), max(c2), max(c3) FROM asked"
        )
        with self._cursor() as cursor:
            tiles, located, *sides = cursor.execute(sql, asked.parameters).fetchall()[0]
        return Places(None if None in sides else tuple(sides), tiles, located)

    def _cells(
        self, asked: _Asked, bounds: tuple[float, float, float, float], size: tuple[int, int], *, is_number: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Tiles in sight on a grid: all, those of the filter, and the means of the column.

        The middle of a tile at the border of what is in sight may lie beyond it: it counts in the outermost cell.
        """
        wide, high = size
        west, south, east, north = bounds
        scale = [west, wide / (east - west), wide, south, high / (north - south), high, wide]
        sql = (
            f"{asked.sql} SELECT greatest(least(floor(((c0 + c2) / 2 - ?) * ?), ? - 1), 0)::INTEGER"
            " + greatest(least(floor(((c1 + c3) / 2 - ?) * ?), ? - 1), 0)::INTEGER * ?::INTEGER AS cell, count(*),"
            f" count(*) FILTER (WHERE kept), {'avg(c4) FILTER (WHERE kept)' if is_number else 'NULL'}"
            f" FROM asked WHERE {_IN_SIGHT} GROUP BY cell"
        )
        counts, means = np.zeros((2, high * wide), np.int64), np.full(high * wide, np.nan)
        with self._cursor() as cursor:
            for cell, every, kept, mean in cursor.execute(sql, [*asked.parameters, *scale, *_sight(bounds)]).fetchall():
                counts[:, cell] = every, kept
                means[cell] = np.nan if mean is None else mean
        everything, chosen, of_cells = (each.reshape(high, wide) for each in (*counts, means))
        return everything, chosen, of_cells

    def _tiles(self, asked: _Asked) -> int:
        with self._cursor() as cursor:
            sql = f"{asked.sql} SELECT count(*) FROM asked WHERE kept"
            return int(cursor.execute(sql, asked.parameters).fetchall()[0][0])

    def _range(self, asked: _Asked, place: int, *, kept: bool, where: str = "TRUE") -> Range:
        c = f"c{place}"
        sql = (
            f"{asked.sql} SELECT count(*), count({c}), min({c}), max({c}), approx_quantile({c}, [0.05, 0.5, 0.95]),"
            f" sum({c} * {_SMALLER}), coalesce(bool_and({c} = floor({c})), FALSE) FROM asked"
            f" WHERE {'kept' if kept else 'TRUE'} AND {where}"
        )
        with self._cursor() as cursor:
            tiles, known, low, high, quantiles, total, is_whole = cursor.execute(sql, asked.parameters).fetchall()[0]
        if not known:
            return Range(tiles)
        near, median, far = (min(max(float(each), low), high) for each in quantiles)
        mean = min(max(total / known / _SMALLER, low), high)
        return Range(tiles, known, low, high, near, far, mean, median, bool(is_whole))

    def _counted(self, asked: _Asked, place: int, edges: NDArray[np.float64]) -> NDArray[np.int64]:
        """(2, bins + 2) of all and of the filter: first those below the edges, last those above them."""
        bins = len(edges) - 1
        sql = (
            f"{asked.sql} SELECT {_BIN.format(place)} AS bin, count(*), count(*) FILTER (WHERE kept)"
            f" FROM asked WHERE c{place} IS NOT NULL GROUP BY bin"
        )
        counts = np.zeros((2, bins + 2), np.int64)
        with self._cursor() as cursor:
            for k, every, kept in cursor.execute(sql, [*asked.parameters, *_bin_of(edges)]).fetchall():
                counts[:, k + 1] += (every, kept)
        return counts

    def _binned(
        self, asked: _Asked, place: int, edges: NDArray[np.float64], by: str
    ) -> list[tuple[int, list[str], int]]:
        """(bin, values, tiles) of the filter; bin -1 is below the edges."""
        sql = (
            f"{asked.sql} SELECT {_BIN.format(place)} AS bin, {by}, count(*)"
            f" FROM asked WHERE kept AND c{place} IS NOT NULL GROUP BY ALL"
        )
        with self._cursor() as cursor:
            rows = cursor.execute(sql, [*asked.parameters, *_bin_of(edges)]).fetchall()
        return [(k, _texts(value), tiles) for k, value, tiles in rows]

    def _values(self, asked: _Asked, column: str = "c0", *, everything: bool = False) -> Choices:
        with self._cursor() as cursor:
            sql = (
                f"{asked.sql} SELECT {column}, count(*) AS n FROM asked WHERE {'TRUE' if everything else 'kept'}"
                f" GROUP BY {column} ORDER BY n DESC, {column} LIMIT {VALUES_MOST}"
            )
            rows = cursor.execute(sql, asked.parameters).fetchall()
        counts: dict[str, int] = {}
        for value, tiles in rows:
            for text in _texts(value) or [""]:
                counts[text] = counts.get(text, 0) + tiles
        return Choices(dict(sorted(counts.items(), key=lambda found: (-found[1], not found[0], found[0]))))

    def _points(self, asked: _Asked, where: str, names: Sequence[str], *, by: str) -> Points:
        sql = (
            f"{asked.sql} SELECT c0, c1, ordinal, kept{', c2' if by else ''} FROM asked WHERE {where} ORDER BY ordinal"
        )
        with self._cursor() as cursor:
            rows = cursor.execute(sql, asked.parameters).fetchall()
        places = {name: place for place, name in enumerate(names)}
        kinds = [_kind(places, _texts(row[4]) if by else [], named=bool(by)) if row[3] else -1 for row in rows]
        shown = tuple(name or NONE for name in names)
        if by and any(kind == len(names) for kind in kinds):
            shown += ("others",)
        return Points(
            np.array([row[0] for row in rows], np.float64),
            np.array([row[1] for row in rows], np.float64),
            np.array([row[2] for row in rows], np.int32),
            np.array(kinds, np.int16),
            shown,
        )

    def _grid(
        self, asked: _Asked, extent: tuple[float, float, float, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tiles on a grid: all, and those of the filter. What lies outside is not counted."""
        wide, high = GRID
        x0, y0, x1, y1 = extent
        sql = (
            f"{asked.sql} SELECT least(floor((c0 - ?) * ?), {wide - 1})::INTEGER AS i,"
            f" least(floor((c1 - ?) * ?), {high - 1})::INTEGER AS j, count(*), count(*) FILTER (WHERE kept) FROM asked"
            " WHERE c0 BETWEEN ? AND ? AND c1 BETWEEN ? AND ? GROUP BY ALL"
        )
        scale = [x0, wide / (x1 - x0), y0, high / (y1 - y0), x0, x1, y0, y1]
        counts = np.zeros((2, high, wide), np.int64)
        with self._cursor() as cursor:
            for i, j, every, kept in cursor.execute(sql, [*asked.parameters, *scale]).fetchall():
                counts[:, j, i] += (every, kept)
        return counts[0], counts[1]


_UNASKED = (
    "SELECT count(*) FROM tiles AS t LEFT JOIN places AS p ON p.ordinal = t.ordinal"
    " LEFT JOIN checked AS k ON k.ordinal = t.ordinal WHERE p.ordinal IS NULL AND k.t_west IS NULL"
)
_LOCATED = "(c0 IS NOT NULL AND c1 IS NOT NULL AND c2 IS NOT NULL AND c3 IS NOT NULL)"
_IN_SIGHT = f"({_LOCATED} AND c0 <= ? AND c2 >= ? AND c1 <= ? AND c3 >= ?)"
"""SQL for a tile that lies in a part of the map: see `_sight`."""
_BIN = (
    "CASE WHEN c{0} < ?::DOUBLE THEN -1 WHEN c{0} > ?::DOUBLE THEN ?::INTEGER"
    " ELSE least(floor((c{0} - ?::DOUBLE) * ?::DOUBLE), ?::INTEGER - 1)::INTEGER END"
)
"""SQL for the bin of a column: see `_bin_of`."""


def _bin_of(edges: NDArray[np.float64]) -> Iterator[float | int]:
    """The parameters of `_BIN`."""
    low, high, bins = float(edges[0]), float(edges[-1]), len(edges) - 1
    return iter((low, high, bins, low, bins / (high - low), bins))


def _shade(value: Any, numbers: Mapping[str, int], *, is_number: bool) -> float:
    """What a footprint is coloured by: a number, or that of its first text; the texts without a number share one."""
    if is_number:
        return math.nan if value is None else float(value)
    return float(next((numbers[text] for text in (_texts(value) or [""]) if text in numbers), len(numbers)))


def _sight(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The parameters of `_IN_SIGHT`."""
    west, south, east, north = bounds
    return east, west, north, south


def _around(west: float, south: float, east: float, north: float) -> tuple[float, float, float, float]:
    """The part of the map that holds all tiles, with some room."""
    room = max(0.05 * max(east - west, north - south), 1e-6)
    return west - room, south - room, east + room, north + room


def _texts(value: Any) -> list[str]:
    """What a cell holds, as texts: none for an empty one."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    listed = value if isinstance(value, list) else [value]
    return [restored(str(each)) for each in listed if each not in (None, "")]


def _kind(places: dict[str, int], values: Sequence[str], *, named: bool) -> int:
    """The number of the first value that has one."""
    if not named:
        return 0
    return next((places[value] for value in (values or ("",)) if value in places), min(len(places), SERIES_MOST))


def _roomy(low: float, high: float) -> tuple[float, float]:
    """A span with some room at its ends, so that it is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    room = 0.02 * (high - low) or max(abs(low), 1.0) * 0.5
    return low - room, high + room


def _joined(ranges: Sequence[Range]) -> Range:
    """What the values of several columns are like, as far as an axis needs it."""
    known = [each for each in ranges if each.known]
    if not known:
        return Range(ranges[0].tiles)
    return Range(
        ranges[0].tiles,
        max(each.known for each in known),
        min(each.low for each in known),
        max(each.high for each in known),
        min(each.near for each in known),
        max(each.far for each in known),
        is_whole=all(each.is_whole for each in known),
    )

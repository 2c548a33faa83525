"""Where on the Earth the tiles of an index lie, in a table of it: by the tiles' names, so that it outlives a new build.

The checks find the same on their way (`core.checks.traits`): filters take what either of them knows.
"""

# ruff: noqa: S608 -- queries are made of this module's own words

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TypeAlias

import duckdb
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.filters import Column, ColumnType
from rsviewer.core.tile import TileId
from rsviewer.data.indexquery import Source
from rsviewer.data.indexrows import registered, texts_of

Footprint: TypeAlias = tuple[float, float, float, float]
"""(west, south, east, north) in degrees; east is larger than 180 across the 180th meridian."""

SIDES = ("west", "south", "east", "north")
_EITHER = {side: f"coalesce(p.{side}, k.t_{side})::DOUBLE" for side in SIDES}
_LON = f"({_EITHER['west']} + {_EITHER['east']}) / 2"


class PlaceBook:
    """The places of one index: `TileIndex.places`. Every method may be called from every thread.

    Args:
        cursor: gives a cursor that nobody else is using.
        write: held by whoever builds the index.
    """

    def __init__(
        self, cursor: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], write: threading.Lock
    ) -> None:
        self._cursor = cursor
        self._write = write
        columns = ", ".join(f"{side} DOUBLE" for side in SIDES)
        with cursor() as opened:
            opened.execute(f"CREATE TABLE IF NOT EXISTS places (tile VARCHAR, ordinal INTEGER, {columns})")
            opened.execute(f"SELECT tile, ordinal, {', '.join(SIDES)} FROM places LIMIT 0")

    def record(self, places: Mapping[TileId, Footprint | None]) -> None:
        """Files where some tiles lie; None for those that do not say. What was known of them is replaced."""
        if not places:
            return
        found = np.array([place or (np.nan,) * 4 for place in places.values()], np.float64)
        batch = {"tile": texts_of(list(places)), **{side: found[:, k].copy() for k, side in enumerate(SIDES)}}
        values = ", ".join(f"CASE WHEN NOT isnan(b.{side}) THEN b.{side} END" for side in SIDES)
        with self._write, self._cursor() as cursor, registered(cursor, batch):
            cursor.begin()
            cursor.execute("DELETE FROM places WHERE tile IN (SELECT tile FROM batch)")
            cursor.execute(
                f"INSERT INTO places SELECT b.tile, t.ordinal, {values} FROM batch AS b LEFT JOIN tiles AS t ON t.tile = b.tile"
            )
            cursor.commit()

    def unlocated(self) -> NDArray[np.int32]:
        """The tiles of which nobody has asked yet where they lie, by their places in the dataset."""
        sql = (
            "SELECT t.ordinal FROM tiles AS t LEFT JOIN places AS p ON p.ordinal = t.ordinal"
            " LEFT JOIN checked AS k ON k.ordinal = t.ordinal WHERE p.ordinal IS NULL AND k.t_west IS NULL ORDER BY t.ordinal"
        )
        with self._cursor() as cursor:
            return np.ascontiguousarray(np.ma.getdata(cursor.execute(sql).fetchnumpy()["ordinal"]), np.int32)

    def place(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Lets what is known find the new places of its tiles. After a build."""
        cursor.execute("UPDATE places SET ordinal = NULL")
        cursor.execute("UPDATE places SET ordinal = t.ordinal FROM tiles AS t WHERE t.tile = places.tile")

    def sources(self) -> Iterator[Source]:
        """The columns of filters."""
        lon, lat = (
            f"({_LON} - CASE WHEN {_LON} > 180 THEN 360 ELSE 0 END)",
            f"({_EITHER['south']} + {_EITHER['north']}) / 2",
        )
        for name, sql, words in (
            ("lon", lon, "longitude of the middle of the tile, degrees"),
            ("lat", f"({lat})", "latitude of the middle of the tile, degrees"),
            *((side, _EITHER[side], f"{side}ern border of the tile, degrees") for side in SIDES),
        ):
            yield Source(Column(name, ColumnType.NUMBER, words), sql, checked="kp")

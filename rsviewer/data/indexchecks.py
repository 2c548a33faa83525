"""What the checks said of the tiles, in the tables of the index: scores, notes, traits, thresholds, suspicions.

By the tiles' names, so that all of it outlives a new build of the index, as scores of models do (`index.record_scores`).

    checked     a row for every tile examined: what each check scored it, what was found in words, the traits; of which files
    judged      a row for every tile judged: its suspicion, which checks are to blame, what those of the whole dataset scored
    remarks     what those of the whole dataset found, in words
    partners    the tiles that they name together
    thresholds  above which score a check is suspicious
    applied     the checks that apply to anything at all: only those are offered to filters

In `checked` a score is NULL where the check was not run, and -1 where it applies to nothing. `judged`, `remarks` and `partners`
go by places, and are made anew by every judgement; `place` moves them with the tiles.

Locks: `record` holds the one that builds hold, so that neither sees half of the other. What changes in `judged` does so under
the one of reviews, for a moment. Readers wait for nobody: what was refuted or dropped last is laid over what the tables say.

Where tiles are suspicious together, as two that show the same, the suspicion of one is settled while all its partners are
dropped. That is not filed as if somebody had refuted it: it follows from who is dropped, and ends with it.
"""

# ruff: noqa: S608 -- queries are made of this module's own words; what a user or a file wrote is a parameter, see indexquery

import json
import math
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import duckdb
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks import CHECKS
from rsviewer.core.checks.check import Check
from rsviewer.core.checks.crowd import PARTNER, QUESTIONS, Confirm, Found, Inquiry
from rsviewer.core.checks.suspicion import (
    SUSPICIOUS,
    Examined,
    Note,
    Reason,
    Threshold,
    Trait,
    certainty,
    thresholds_of,
    weigh,
)
from rsviewer.core.checks.traits import TRAITS, TraitKind
from rsviewer.core.errors import ProjectError, StoppedError
from rsviewer.core.filters import Column, ColumnType
from rsviewer.core.metrics import SCORE_COLUMNS
from rsviewer.core.tile import TileId, printable
from rsviewer.data.indexquery import Source
from rsviewer.data.indexrows import apart, as_list, joined, objects, registered, restored, stored, texts_of

RULES = 3
"""Raised when a check is changed so that its scores mean something else, or when more is remembered of tiles: they are then
examined again."""

_NOTHING = -1.0
_LARGEST = float(np.finfo(np.float32).max)
_BLOCK = 1 << 18
_NEAR = 1 << 12
"""Tiles of one batch lie as near to those of the batch before, as a rule: to look there first takes a thirtieth of the time."""
_MOST_PARTNERS = 20
_NEARLY = 0.999
"""A score below so much of its threshold is no reason, whatever is rounded."""
_TYPES = {TraitKind.NUMBER: "DOUBLE", TraitKind.HASH: "UBIGINT", TraitKind.VECTOR: "BLOB", TraitKind.WORD: "VARCHAR"}
_FIXED: Mapping[str, Mapping[str, str]] = {
    "checked": {"tile": "VARCHAR", "ordinal": "INTEGER", "told": "BOOLEAN", "notes": "VARCHAR"},
    "judged": {
        "ordinal": "INTEGER",
        "suspicion": "FLOAT",
        "suspects": "VARCHAR",
        "refuted": "VARCHAR",
        "dropped": "BOOLEAN",
    },
    "remarks": {"ordinal": "INTEGER", "id": "VARCHAR", "message": "VARCHAR"},
    "partners": {"ordinal": "INTEGER", "id": "VARCHAR", "partner": "INTEGER", "place": "INTEGER"},
    "thresholds": {
        "id": "VARCHAR",
        "grp": "VARCHAR",
        "value": "DOUBLE",
        "tiles": "INTEGER",
        "median": "DOUBLE",
        "deviation": "DOUBLE",
    },
    "applied": {"id": "VARCHAR"},
}
_BY_PLACE = ("judged", "remarks", "partners")
_JUDGEMENT = (*_BY_PLACE, "thresholds")
_RECORDED, _JUDGED = "recorded", "judged"
"""Keys of `meta`: which batch of results was filed last, and which one the judgement knew."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What `CheckBook.judge` has done.

    Attributes:
        tiles: examined ones.
        suspicious: of these, see `core.checks.suspicion.SUSPICIOUS`.
        by_check: check -> tiles that it makes suspicious.
    """

    tiles: int
    suspicious: int
    by_check: Mapping[str, int]


class Shelf(Protocol):
    """What the checks need of the index whose tables these are."""

    @property
    def generation(self) -> int:
        """How often the rows were replaced."""

    def __len__(self) -> int:
        """How many tiles there are."""

    def ordinal_of(self, tile: TileId) -> int | None:
        """The place of a tile."""


class CheckBook:
    """The checks of one index: `TileIndex.checks`. Every method may be called from every thread, as those of the index."""

    def __init__(
        self,
        shelf: Shelf,
        cursor: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        facts: Mapping[str, str],
        offer: Callable[[], object],
        write: threading.Lock,
        place: threading.Lock,
        classes: Sequence[str] = (),
        titles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Use `TileIndex.checks`. Raises ProjectError or duckdb.Error where the tables are not ours.

        Args:
            shelf: the index.
            cursor: gives a cursor that nobody else is using.
            facts: numbers that the dataset says of its tiles -> their columns in the table of tiles.
            offer: called when there are other `sources`.
            write: held by whoever builds the index or files scores.
            place: held by whoever changes what goes by places.
            classes: names of the classes of the dataset's first label layer.
            titles: layer -> its title.
        """
        self._shelf = shelf
        self._cursor = cursor
        self._facts = facts
        self._offer = offer
        self._write = write
        self._place = place
        self._classes = tuple(classes)
        self._titles = titles
        self._guard = threading.Lock()  # around what was refuted or dropped, for a few dictionary operations only
        self._judging = threading.Lock()
        self._pending = _Said()  # not in the table yet
        self._late = _Said()  # since the judgement under way began
        self._near = 0
        self._all = {check.id: check for check in CHECKS}
        self._own = [check for check in self._all.values() if check.id not in QUESTIONS]
        self._asked = [check for check in self._all.values() if check.id in QUESTIONS]
        with cursor() as opened:
            _create(opened, self._tables())
            known = opened.execute("SELECT id FROM applied").fetchall()
            self._recorded = bool(opened.execute("SELECT 1 FROM checked LIMIT 1").fetchall())
            self._limits = self._read_limits(opened)
            self._has_partners = _is_any(opened)
            is_moved = bool(opened.execute("SELECT 1 FROM meta WHERE key = 'moved'").fetchall())
            if is_moved:  # the program ended between two steps of a build
                self.place(opened)
        self._applied = frozenset(check for (check,) in known if check in self._all)

    # --- what tiles scored

    def record(self, examined: Iterable[Examined]) -> None:
        """Files what was found on some hundreds of tiles; what was known of the same tiles and checks is replaced.

        Checks that were run are those that took time (`Examined.milliseconds`) or have a score; where the tile could not be
        examined, all. Where its files have changed since other checks looked at it, what these said is forgotten.
        """
        latest = list({each.tile: each for each in examined}.values())
        if not latest:
            return
        applied = {check for each in latest for check in each.scores if check in self._all} - self._applied
        with self._write, self._cursor() as cursor:
            keys = {"tile": texts_of([each.tile for each in latest])}
            keys["ordinal"] = self._places(cursor, keys)
            keys["state"] = np.array([each.state for each in latest], np.uint64)
            with registered(cursor, keys):
                cursor.begin()
                before = self._before(cursor, stray=bool((keys["ordinal"] < 0).any()))
            batch = {**keys, **self._columns_of(latest, before)}
            with registered(cursor, batch):
                cursor.execute(self._insert)
            if applied:
                cursor.executemany("INSERT INTO applied VALUES (?)", [[check] for check in sorted(applied)])
            cursor.execute("DROP TABLE before")
            cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_RECORDED, secrets.token_hex(8)])
            cursor.commit()
            self._renew(applied, recorded=True)

    def known(self, checks: Sequence[str]) -> NDArray[np.bool_]:
        """(len(index),) True for tiles that all of these checks have looked at, by the rules that hold now.

        A tile counts as looked at by a check that applies to nothing in it, and so does one that could not be examined.
        """
        own = {check.id for check in self._own}
        wanted = {f"c_{check} IS NOT NULL" if check in own else "told" for check in checks if check in self._all}
        found = np.zeros(len(self._shelf), bool)
        with self._cursor() as cursor:
            cursor.execute(f"SELECT ordinal FROM checked WHERE {' AND '.join(['ordinal >= 0', *sorted(wanted)])}")
            places = np.ma.getdata(cursor.fetchnumpy()["ordinal"])
        found[places[places < len(found)]] = True
        return found

    def states(self) -> NDArray[np.uint64]:
        """(len(index),) of the files of every tile when it was examined, see `Examined.state`; 0 where nobody knows."""
        found = np.zeros(len(self._shelf), np.uint64)
        with self._cursor() as cursor:
            rows = cursor.execute("SELECT ordinal, state FROM checked WHERE ordinal >= 0 AND state > 0").fetchnumpy()
        places = np.ma.getdata(rows["ordinal"])
        inside = places < len(found)
        found[places[inside]] = np.ma.getdata(rows["state"])[inside]
        return found

    @property
    def unexamined(self) -> int:
        """How many tiles of the dataset have not been examined by any check."""
        with self._cursor() as cursor:
            examined = cursor.execute("SELECT count(*) FROM checked WHERE ordinal IS NOT NULL").fetchall()[0][0]
        return max(0, len(self._shelf) - int(examined))

    # --- judging them

    def judge(
        self,
        refuted: Mapping[TileId, Sequence[str]],
        confirm: Confirm | None = None,
        stop: Callable[[], bool] = lambda: False,
        *,
        dropped: Iterable[TileId] = (),
    ) -> Judged:
        """Estimates the thresholds, asks the checks of the whole dataset, and gives every examined tile its suspicion.

        Can be called while results still come in; the columns of filters change at once. Takes seconds for millions: for a
        worker. Raises StoppedError; then all is as before.

        Args:
            refuted: tile -> checks that a person has refuted there.
            confirm: pairs of ordinals of tiles that may be the same picture -> how alike they are, 0..1; it reads them. None
                believes their hashes.
            stop: asked now and then.
            dropped: tiles that people have dropped.
        """
        with self._judging:
            while True:
                with self._guard:
                    self._late = _Said()
                generation = self._shelf.generation
                with self._cursor() as cursor:
                    cursor.begin()  # all that is read is of one moment
                    memory = _Memory(cursor, self._facts)
                    inquiry = Inquiry(memory, confirm, stop, self._classes, self._titles)
                    judgement = _Judgement(cursor, self._own, self._asked, memory, inquiry, refuted, dropped)
                    cursor.rollback()
                    self._prepare(cursor, judgement, inquiry.go_on)
                    with self._write, self._place:
                        if generation == self._shelf.generation:
                            self._publish(cursor, judgement)
                            return judgement.judged

    def refute(self, tile: TileId, checks: Sequence[str]) -> None:
        """Takes in at once which checks are refuted on a tile: all that are, not only new ones.

        Costs a microsecond: the next filter that needs it files it.
        """
        with self._guard:
            self._pending.refuted[tile] = self._late.refuted[tile] = tuple(checks)

    def drop(self, tile: TileId, *, is_dropped: bool) -> None:
        """Takes in at once that a tile is dropped, or no longer: what it and others are suspected of together is settled.

        As cheap as `refute`.
        """
        with self._guard:
            self._pending.dropped[tile] = self._late.dropped[tile] = is_dropped

    def catch_up(self, refuted: Mapping[TileId, Sequence[str]], dropped: Iterable[TileId] = ()) -> None:
        """Takes in what was said while these tables were not open, or not filed before the program ended: all that is."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT t.tile, j.refuted FROM judged AS j JOIN tiles AS t USING (ordinal) WHERE j.refuted != ''"
            ).fetchall()
            were = cursor.execute(
                "SELECT t.tile FROM judged AS j JOIN tiles AS t USING (ordinal) WHERE j.dropped"
            ).fetchall()
        before, now = {TileId(restored(tile)) for (tile,) in were}, set(dropped)
        for tile in before ^ now:
            self.drop(tile, is_dropped=tile in now)
        filed = {TileId(restored(tile)): apart(checks) for tile, checks in rows}
        for tile in filed.keys() | refuted.keys():
            if set(filed.get(tile, ())) != set(refuted.get(tile, ())):
                self.refute(tile, refuted.get(tile, ()))

    @property
    def is_behind(self) -> bool:
        """Whether tiles were examined that no judgement has taken in: a run was broken off, or they are there again."""
        with self._cursor() as cursor:
            if _last_batch(cursor) != _said_in_meta(cursor, _JUDGED):
                return True
            found = cursor.execute(
                "SELECT 1 FROM checked AS k ANTI JOIN judged AS j USING (ordinal) WHERE k.ordinal >= 0 LIMIT 1"
            ).fetchall()
        return bool(found)

    def flush(self) -> None:
        """Files what was refuted and who was dropped, so that filters see it."""
        with self._place:
            with self._guard:
                said, self._pending = self._pending, _Said()
            if not said:
                return
            with self._cursor() as cursor:
                dropped = {
                    place: now
                    for tile, now in said.dropped.items()
                    if (place := self._shelf.ordinal_of(tile)) is not None
                }
                places = {place for tile in said.refuted if (place := self._shelf.ordinal_of(tile)) is not None}
                places.update(self._tied_to(cursor, dropped))
                rows = self._rows(cursor, sorted(places), said)
                for place, now in dropped.items():
                    cursor.execute("UPDATE judged SET dropped = ? WHERE ordinal = ?", [now, place])
                for place, row in rows.items():
                    if row.is_judged:
                        suspects = {reason.check for reason in self._reasons(row) if reason.counts}
                        names = joined([tuple(check for check in self._all if check in suspects), row.refuted])
                        cursor.execute(
                            "UPDATE judged SET suspicion = ?, suspects = ?, refuted = ? WHERE ordinal = ?",
                            [self._weighed(row), *names.tolist(), place],
                        )

    def _tied_to(self, cursor: duckdb.DuckDBPyConnection, places: Iterable[int]) -> set[int]:
        """The places of the tiles that have one of these as a partner."""
        sql = "SELECT DISTINCT ordinal FROM partners WHERE partner IN (SELECT unnest(?::INTEGER[])) AND ordinal IS NOT NULL"
        wanted = list(places)
        return {int(place) for (place,) in cursor.execute(sql, [wanted]).fetchall()} if wanted else set()

    def place(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Lets what was found on tiles find their new places. After a build, under both locks."""
        cursor.begin()
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE moved AS SELECT k.rowid AS row, k.ordinal AS before, t.ordinal AS now"
            " FROM checked AS k LEFT JOIN tiles AS t ON t.tile = k.tile WHERE t.ordinal IS DISTINCT FROM k.ordinal"
        )
        if cursor.execute("SELECT 1 FROM moved LIMIT 1").fetchall():
            cursor.execute("UPDATE checked SET ordinal = m.now FROM moved AS m WHERE checked.rowid = m.row")
            for table in _BY_PLACE:
                cursor.execute(f"UPDATE {table} SET ordinal = m.now FROM moved AS m WHERE {table}.ordinal = m.before")
                cursor.execute(f"DELETE FROM {table} WHERE ordinal IS NULL")
            cursor.execute("UPDATE partners SET partner = m.now FROM moved AS m WHERE partners.partner = m.before")
        cursor.execute("DROP TABLE moved")
        cursor.execute("DELETE FROM meta WHERE key = 'moved'")
        cursor.commit()

    # --- asking

    @property
    def has_partners(self) -> bool:
        """Whether any tiles are suspicious together, so that dropping one means something to another. Costs nothing."""
        return self._has_partners

    @property
    def is_empty(self) -> bool:
        """Whether no tile was ever examined. Costs nothing."""
        return not self._recorded

    def of(self, tile: TileId) -> tuple[float | None, tuple[Reason, ...]]:
        """`suspicion` and `reasons` at once, at the price of one of them."""
        with self._cursor() as cursor:
            row = self._row(cursor, tile)
        if row is None:
            return None, ()
        return self._weighed(row) if row.is_judged else None, self._reasons(row)

    def suspicion(self, tile: TileId) -> float | None:
        """0..1; None where the tile was not judged yet."""
        return self.of(tile)[0]

    def counts(self) -> Judged:
        """What the last judgement said, less what was refuted since: to be had without judging again."""
        self.flush()
        with self._cursor() as cursor:
            tiles, suspicious = cursor.execute(
                "SELECT count(*), count(*) FILTER (suspicion >= ?) FROM judged WHERE ordinal >= 0", [SUSPICIOUS]
            ).fetchall()[0]
            by_check = cursor.execute(
                f"SELECT unnest({as_list('suspects')}) AS name, count(*) FROM judged"
                " WHERE ordinal >= 0 AND suspects != '' GROUP BY name"
            ).fetchall()
        return Judged(int(tiles), int(suspicious), {name: int(count) for name, count in by_check if name in self._all})

    def suspicions(self) -> NDArray[np.float32]:
        """(len(index),) of every tile, NaN where it was not judged yet."""
        self.flush()
        found = np.full(len(self._shelf), np.nan, np.float32)
        with self._cursor() as cursor:
            rows = cursor.execute("SELECT ordinal, suspicion FROM judged WHERE ordinal >= 0").fetchnumpy()
        places = np.ma.getdata(rows["ordinal"])
        inside = places < len(found)
        found[places[inside]] = np.ma.filled(rows["suspicion"], np.nan)[inside]
        return found

    def reasons(self, tile: TileId) -> tuple[Reason, ...]:
        """Why a tile is suspicious, the most certain first: checks above their threshold, those that do not count last."""
        return self.of(tile)[1]

    def reasons_of(self, places: Sequence[int]) -> list[tuple[Reason, ...]]:
        """The reasons of many tiles by their places in the dataset, in that order. Thousands at once are quickest."""
        with self._cursor() as cursor:
            rows = self._rows(cursor, places)
        return [self._reasons(rows[place]) if place in rows else () for place in places]

    def tally(self, places: NDArray[np.integer]) -> dict[str, int]:
        """Check -> how many of these tiles it makes suspicious, most first; where it was refuted, it makes none so."""
        self.flush()
        sql = "SELECT j.suspects, count(*) FROM judged AS j JOIN batch AS b USING (ordinal) WHERE j.suspects <> '' GROUP BY 1"
        with self._cursor() as cursor, registered(cursor, {"ordinal": np.ascontiguousarray(places, np.int32)}):
            rows = cursor.execute(sql).fetchall()
        found: Counter[str] = Counter()
        for together, tiles in rows:
            found.update(dict.fromkeys((check for check in apart(together) if check in self._all), tiles))
        return dict(found.most_common())

    def thresholds(self) -> tuple[Threshold, ...]:
        """In the order of the checks, by group."""
        limits = self._limits
        return tuple(limits[check][group] for check in self._all if check in limits for group in sorted(limits[check]))

    def partners(self, tile: TileId) -> Mapping[str, tuple[TileId, ...]]:
        """Check -> other tiles it is about: those that this one duplicates or overlaps, the likest first, at most twenty."""
        ordinal = self._shelf.ordinal_of(tile)
        if ordinal is None:
            return {}
        with self._cursor() as cursor:
            rows = cursor.execute(_PARTNERS.format(among="= ?", most=_MOST_PARTNERS), [ordinal]).fetchall()
        found: dict[str, tuple[TileId, ...]] = {}
        for _, check, partner in rows:
            if check in self._all:
                found[check] = (*found.get(check, ()), TileId(restored(partner)))
        return found

    def partners_of(self, check: str, places: Sequence[int]) -> dict[int, tuple[TileId, ...]]:
        """Place -> the other tiles that a check is about there, as `partners` has them. Of hundreds of tiles in one query."""
        among = "IN (SELECT unnest(?::INTEGER[])) AND p.id = ?"
        with self._cursor() as cursor:
            rows = cursor.execute(
                _PARTNERS.format(among=among, most=_MOST_PARTNERS), [[int(place) for place in places], check]
            ).fetchall()
        found: dict[int, list[TileId]] = {}
        for place, _, partner in rows:
            found.setdefault(place, []).append(TileId(restored(partner)))
        return {place: tuple(partners) for place, partners in found.items()}

    def sources(self) -> Iterator[Source]:
        """Columns for filters: none before anything was examined, and only those of checks that apply to something."""
        if not self._recorded:
            return
        number, names, truth = ColumnType.NUMBER, ColumnType.LIST, ColumnType.BOOL
        checks = tuple(check for check in self._all if check in self._applied)
        yield Source(
            Column("suspicion", number, "how likely it is that something is wrong, 0 to 1; suspicious from 0.5 on"),
            "j.suspicion::DOUBLE",
            checked="j",
        )
        yield Source(
            Column("suspects", names, "checks that make the tile suspicious", checks),
            as_list("coalesce(j.suspects, '')"),
            checked="j",
        )
        yield Source(
            Column("refuted", names, "checks whose suspicion was looked at and found to be none", checks),
            as_list("coalesce(r.refuted, '')"),
            reviewed=True,
        )
        examined = Column("examined", truth, "the checks have looked at it")
        yield Source(examined, "(k.ordinal IS NOT NULL)", checked="k")
        for check in (self._all[each] for each in checks):
            table = "j" if check.id in QUESTIONS else "k"
            unit = f", {check.unit}" if check.unit else ""
            yield Source(
                Column(f"check_{check.id}", number, f"{check.title}{unit}: {check.help}"),
                f"(CASE WHEN {table}.c_{check.id} >= 0 THEN {table}.c_{check.id}::DOUBLE END)",
                checked=table,
            )

    # --- rows of the tables

    def _tables(self) -> Mapping[str, Mapping[str, str]]:
        """Table -> column -> type."""
        own = {"state": "UBIGINT", **{f"c_{check.id}": "FLOAT" for check in self._own}}
        traits = {f"t_{trait}": _TYPES[kind] for trait, kind in TRAITS.items()}
        asked = {f"c_{check.id}": "FLOAT" for check in self._asked}
        more = {"checked": {**own, **traits}, "judged": asked}
        return {table: {**columns, **more.get(table, {})} for table, columns in _FIXED.items()}

    def _places(self, cursor: duckdb.DuckDBPyConnection, keys: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
        """Of tiles by their names, -1 for those that are not in the dataset. Looks first where the last ones were."""
        names = keys["tile"]
        places = np.full(len(names), -1, np.int32)
        with registered(cursor, {"tile": names, "row": np.arange(len(names))}):
            near = f"t.ordinal BETWEEN {self._near - _NEAR} AND {self._near + _NEAR + 2 * len(names)}"
            for condition in (near, "TRUE"):
                found = cursor.execute(
                    f"SELECT row, t.ordinal AS ordinal FROM batch AS b JOIN tiles AS t USING (tile) WHERE {condition}"
                ).fetchnumpy()
                places[np.ma.getdata(found["row"])] = np.ma.getdata(found["ordinal"])
                if (places >= 0).all():
                    break
        self._near = int(places.max(initial=0))
        return places

    def _before(self, cursor: duckdb.DuckDBPyConnection, *, stray: bool) -> dict[str, str]:
        """Takes out what is known of the tiles of a batch, into the table `before`. Returns the notes: tile -> JSON.

        What was found in other files is taken out for good.
        """
        placed = "k.ordinal IN (SELECT ordinal FROM batch WHERE ordinal >= 0)"
        named = "k.ordinal IS NULL AND k.tile IN (SELECT tile FROM batch)"
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE before AS SELECT k.* FROM checked AS k WHERE {placed}")
        if stray:
            cursor.execute(f"INSERT INTO before SELECT k.* FROM checked AS k WHERE {named}")
        if cursor.execute("SELECT 1 FROM before LIMIT 1").fetchall():
            cursor.execute(f"DELETE FROM checked AS k WHERE {placed}")
            if stray:
                cursor.execute(f"DELETE FROM checked AS k WHERE {named}")
            cursor.execute(
                "DELETE FROM before AS o USING batch AS b WHERE o.tile = b.tile AND b.state > 0 AND o.state != b.state"
            )
        rows = cursor.execute("SELECT tile, notes FROM before").fetchall()
        return {tile: notes for tile, notes in rows if notes}

    def _columns_of(self, latest: Sequence[Examined], before: Mapping[str, str]) -> dict[str, NDArray[Any]]:
        """What was found as columns, NaN and nothing for what was not looked at."""
        ran = [self._all.keys() if each.failed else each.milliseconds.keys() | each.scores.keys() for each in latest]
        asked = {check.id for check in self._asked}
        batch: dict[str, NDArray[Any]] = {
            "told": np.array([bool(each.traits) or not asked.isdisjoint(ran[k]) for k, each in enumerate(latest)]),
            "notes": objects(
                [_notes_as_text(each, before.get(stored(each.tile), ""), ran[k]) for k, each in enumerate(latest)]
            ),
        }
        for check in self._own:
            scores = [
                _score(each.scores[check.id])
                if check.id in each.scores
                else _NOTHING
                if check.id in ran[k]
                else math.nan
                for k, each in enumerate(latest)
            ]
            batch[f"c_{check.id}"] = np.array(scores, np.float32)
        for trait, kind in TRAITS.items():
            batch[f"t_{trait}"] = _ENCODERS[kind]([each.traits.get(trait) for each in latest])
        return batch

    @property
    def _insert(self) -> str:
        columns = ["b.tile AS tile", "nullif(b.ordinal, -1) AS ordinal", "(b.told OR coalesce(o.told, FALSE)) AS told"]
        columns.append("nullif(b.notes, '') AS notes")
        columns.append("coalesce(nullif(b.state, 0), o.state) AS state")
        for check in self._own:
            column = f"c_{check.id}"
            columns.append(f"coalesce(nullif(b.{column}, 'NaN'::FLOAT), o.{column}) AS {column}")
        for trait, kind in TRAITS.items():
            column = f"t_{trait}"
            columns.append(f"coalesce(nullif(b.{column}::{_TYPES[kind]}, {_ABSENT[kind]}), o.{column}) AS {column}")
        together = "batch AS b LEFT JOIN before AS o ON o.tile = b.tile"
        return f"INSERT INTO checked BY NAME SELECT {', '.join(columns)} FROM {together}"

    def _renew(self, applied: Iterable[str], *, recorded: bool) -> None:
        """Tells what filters can ask for now."""
        now = self._applied.union(applied)
        if now != self._applied or recorded != self._recorded:
            self._applied, self._recorded = now, recorded
            self._offer()

    def _prepare(self, cursor: duckdb.DuckDBPyConnection, judgement: "_Judgement", go_on: Callable[[], object]) -> None:
        """Writes a judgement beside the one before. Nobody need wait meanwhile; who raises from `go_on` stops it."""
        tables = self._tables()
        try:
            for table in _JUDGEMENT:
                _make(cursor, f"{table}_new", tables[table], anew=True)
            for table, batch in judgement.batches(self._all):
                go_on()
                with registered(cursor, batch):  # each is committed: what is not is kept in memory
                    cursor.execute(f"INSERT INTO {table}_new BY NAME SELECT * FROM batch")
        except StoppedError:
            for table in _JUDGEMENT:
                cursor.execute(f"DROP TABLE IF EXISTS {table}_new")
            raise

    def _publish(self, cursor: duckdb.DuckDBPyConnection, judgement: "_Judgement") -> None:
        """Puts it in the place of the one before."""
        applied = judgement.applied - self._applied
        cursor.begin()
        for table in _JUDGEMENT:
            cursor.execute(f"DROP TABLE {table}")
            cursor.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
        cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_JUDGED, judgement.last_batch])
        if applied:
            cursor.executemany("INSERT INTO applied VALUES (?)", [[check] for check in sorted(applied)])
        cursor.commit()
        self._limits, self._has_partners = self._read_limits(cursor), _is_any(cursor)
        self._renew(applied, recorded=self._recorded)
        with self._guard:
            self._pending = self._late.followed_by(self._pending)

    def _read_limits(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Threshold]]:
        """Check -> group -> threshold, those that make sense: the file may be a stranger's."""
        limits: dict[str, dict[str, Threshold]] = {}
        for check, group, value, tiles, median, deviation in cursor.execute(
            "SELECT id, grp, value, tiles, median, deviation FROM thresholds"
        ).fetchall():
            numbers = (value, tiles, median, deviation)
            is_known = check in self._all and group is not None and None not in numbers
            if is_known and all(map(math.isfinite, numbers)) and value > 0:
                named = restored(group)
                limits.setdefault(check, {})[named] = Threshold(check, named, value, tiles, median, deviation)
        return limits

    # --- one tile

    def _row(self, cursor: duckdb.DuckDBPyConnection, tile: TileId) -> "_Row | None":
        ordinal = self._shelf.ordinal_of(tile)
        return None if ordinal is None else self._rows(cursor, [ordinal]).get(ordinal)

    def _rows(
        self, cursor: duckdb.DuckDBPyConnection, places: Sequence[int], said: "_Said | None" = None
    ) -> dict[int, "_Row"]:
        """Place -> what is known of the tile there; those that were not examined are absent.

        Args:
            cursor: to ask.
            places: of tiles.
            said: what people have said that is not in the tables; None for what is pending.
        """
        if not places:
            return {}
        one = len(places) == 1  # which is found by a look at the borders of blocks
        among = "= ?" if one else "IN (SELECT unnest(?::INTEGER[]))"
        wanted: list[Any] = [int(places[0]) if one else [int(place) for place in places]]
        own = ", ".join(f"k.c_{check.id}" for check in self._own) or "NULL"
        found = cursor.execute(
            f"SELECT k.ordinal, t.tile, t.grp, k.notes, {own} FROM checked AS k JOIN tiles AS t USING (ordinal)"
            f" WHERE k.ordinal {among}",
            wanted,
        ).fetchall()
        asked = ", ".join(f"c_{check.id}" for check in self._asked) or "NULL"
        judged = cursor.execute(
            f"SELECT ordinal, refuted, {asked} FROM judged WHERE ordinal {among}", wanted
        ).fetchall()
        by_place = {ordinal: (apart(refuted or ""), scores) for ordinal, refuted, *scores in judged}
        remarks = self._remarks(cursor, among, wanted)
        if said is None:
            with self._guard:
                said = self._pending.copy()
        settled = self._settled(cursor, among, wanted, said)
        rows = {}
        for ordinal, tile, group, notes, *values in found:
            scores = dict(zip(self._own, values, strict=False))
            refuted, more = by_place.get(ordinal, ((), ()))
            scores |= dict(zip(self._asked, more, strict=False))
            notes_of = {**_notes_in(notes), **(remarks.get(ordinal, {}) if ordinal in by_place else {})}
            refuted = said.refuted.get(TileId(restored(tile)), refuted)
            known = {check: score for check, score in scores.items() if score is not None and 0 <= score < math.inf}
            in_order = {check: known[check] for check in self._all.values() if check in known}
            off = settled.get(ordinal, frozenset())
            rows[ordinal] = _Row(restored(group or ""), in_order, notes_of, refuted, off, ordinal in by_place)
        return rows

    def _settled(
        self, cursor: duckdb.DuckDBPyConnection, among: str, wanted: Sequence[Any], said: "_Said"
    ) -> dict[int, frozenset[str]]:
        """Place -> checks that name partners of the tile there all of which are dropped."""
        rows = cursor.execute(
            "SELECT p.ordinal, p.id, t.tile, coalesce(j.dropped, FALSE) FROM partners AS p"
            " JOIN tiles AS t ON t.ordinal = p.partner LEFT JOIN judged AS j ON j.ordinal = p.partner"
            f" WHERE p.ordinal {among}",
            wanted,
        ).fetchall()
        together: dict[int, dict[str, bool]] = {}
        for place, check, tile, before in rows:
            checks = together.setdefault(place, {})
            checks[check] = checks.get(check, True) and said.dropped.get(TileId(restored(tile)), before)
        return {place: frozenset(check for check, gone in each.items() if gone) for place, each in together.items()}

    def _remarks(
        self, cursor: duckdb.DuckDBPyConnection, among: str, wanted: Sequence[Any]
    ) -> dict[int, dict[str, Note]]:
        """Place -> what the checks of the whole dataset say of the tile there."""
        rows = cursor.execute(f"SELECT ordinal, id, message FROM remarks WHERE ordinal {among}", wanted).fetchall()
        if not rows:
            return {}
        first: dict[tuple[int, str], str] = {}
        sql = f"{_PARTNERS.format(among=among, most=1)}"
        for ordinal, check, partner in cursor.execute(sql, wanted).fetchall():
            first.setdefault((ordinal, check), printable(restored(partner)))
        found: dict[int, dict[str, Note]] = {}
        for ordinal, check, message in rows:
            partner = first.get((ordinal, check), "a tile that is gone")
            found.setdefault(ordinal, {})[check] = Note(restored(message or "").replace(PARTNER, partner, 1))
        return found

    def _weighed(self, row: "_Row") -> float:
        """The suspicion of a tile."""
        limits = {check.id: self._limit(check, row.group) for check in row.scores}
        scores = {check: np.array([score]) for check, score in row.scores.items()}
        if not scores:
            return 0.0
        suspicion, _ = weigh(scores, limits, {check: [0] for check in (*row.refuted, *row.settled)})
        return float(suspicion[0])

    def _reasons(self, row: "_Row") -> tuple[Reason, ...]:
        """The reasons of a tile in their order."""
        reasons = []
        for check, score in row.scores.items():
            limit = self._limit(check, row.group)
            if score < _NEARLY * limit:
                continue
            sure = float(certainty(check, np.array(score), limit))
            if sure >= SUSPICIOUS:
                note = row.notes.get(check.id, Note(""))
                said = check.id in row.refuted, check.id in row.settled
                reasons.append(Reason(check.id, score, limit, sure, note.message, note.layer, *said))
        reasons.sort(key=lambda reason: (not reason.counts, -reason.certainty))
        return tuple(reasons)

    def _limit(self, check: Check, group: str) -> float:
        of_check = self._limits.get(check.id, {})
        found = of_check.get(group) or of_check.get("")
        return check.least if found is None else found.value


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of one tile; `scores` in the order of the checks, `settled` those whose partners are all dropped."""

    group: str
    scores: Mapping[Check, float]
    notes: Mapping[str, Note]
    refuted: tuple[str, ...]
    settled: frozenset[str]
    is_judged: bool


@dataclass(slots=True)
class _Said:
    """What people have said of tiles: which checks they refute there, and whether they drop them."""

    refuted: dict[TileId, tuple[str, ...]] = field(default_factory=dict)
    dropped: dict[TileId, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.refuted or self.dropped)

    def copy(self) -> "_Said":
        return _Said(dict(self.refuted), dict(self.dropped))

    def followed_by(self, later: "_Said") -> "_Said":
        return _Said({**self.refuted, **later.refuted}, {**self.dropped, **later.dropped})


class _Judgement:
    """What comes of judging the tiles as they are now, before it is filed."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        own: Sequence[Check],
        asked: Sequence[Check],
        memory: "_Memory",
        inquiry: Inquiry,
        refuted: Mapping[TileId, Sequence[str]],
        dropped: Iterable[TileId],
    ) -> None:
        self._cursor = cursor
        self.last_batch = _last_batch(cursor)
        self._own = own
        self._memory = memory
        self._groups, self._names = self._memory.all_groups()
        self._found: dict[Check, Found] = {}
        for check in asked:
            inquiry.go_on()
            found = QUESTIONS[check.id](inquiry)
            if found is not None:
                self._found[check] = found
        self.applied = frozenset(check.id for check in self._found)
        self._thresholds: list[Threshold] = []
        self._limits: dict[str, NDArray[np.float64]] = {}
        for check in own:
            inquiry.go_on()
            self._estimate(check, *self._memory.scores(check.id))
        for check, found in self._found.items():
            places = np.flatnonzero(np.isfinite(found.scores))
            self._estimate(check, places, found.scores[places])
        self._refuted = self._places_of(refuted)
        self._dropped = np.zeros(len(self._memory), bool)
        self._dropped[self._places_of({tile: [""] for tile in dropped}).get("", [])] = True
        self._settled = {check.id: found.settled(self._dropped) for check, found in self._found.items()}
        self._suspicion = np.full(len(self._memory), np.nan, np.float32)
        suspects: dict[str, list[NDArray[np.intp]]] = {}
        for start in range(0, len(self._memory), _BLOCK):
            inquiry.go_on()
            for name, suspected in self._weigh(start, min(len(self._memory), start + _BLOCK)).items():
                suspects.setdefault(name, []).append(suspected)
        in_order = (check.id for check in (*own, *self._found) if check.id in suspects)
        self._suspects = {name: np.sort(np.concatenate(suspects[name])) for name in in_order}
        self._judged = np.flatnonzero(np.isfinite(self._suspicion))
        self.judged = Judged(
            len(self._judged),
            int(np.count_nonzero(self._suspicion[self._judged] >= SUSPICIOUS)),
            {name: int(places.size) for name, places in self._suspects.items()},
        )

    def batches(self, checks: Iterable[str]) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Rows of tables, as columns: (table, some of its rows)."""
        order = list(checks)
        for start in range(0, len(self._judged), _BLOCK):
            places = self._judged[start : start + _BLOCK]
            batch = {
                "ordinal": places.astype(np.int32),
                "suspicion": self._suspicion[places],
                "suspects": self._lists(self._suspects, order, places),
                "refuted": self._lists(self._refuted, order, places),
                "dropped": self._dropped[places],
            }
            batch |= {f"c_{check.id}": found.scores[places] for check, found in self._found.items()}
            yield "judged", batch
        for check, found in self._found.items():
            kept = np.isfinite(found.scores)
            kept[kept] &= found.scores[kept] >= self._limits[check.id][self._groups[kept]]
            places = np.flatnonzero(kept)
            for start in range(0, len(places), _BLOCK):
                part = places[start : start + _BLOCK]
                notes = texts_of([found.note(place) for place in part.tolist()])
                yield "remarks", {"ordinal": part.astype(np.int32), "id": _same(check.id, len(part)), "message": notes}
            for start in range(0, len(found.partners), _BLOCK):
                pairs = found.partners[start : start + _BLOCK].astype(np.int32)
                rows = {"ordinal": np.ascontiguousarray(pairs[:, 0]), "partner": np.ascontiguousarray(pairs[:, 1])}
                place = np.arange(start, start + len(pairs), dtype=np.int32)
                yield "partners", {**rows, "id": _same(check.id, len(pairs)), "place": place}
        if self._thresholds:
            yield (
                "thresholds",
                {
                    "id": objects([each.check for each in self._thresholds]),
                    "grp": texts_of([each.group for each in self._thresholds]),
                    "value": np.array([each.value for each in self._thresholds], np.float64),
                    "tiles": np.array([each.tiles for each in self._thresholds], np.int32),
                    "median": np.array([each.median for each in self._thresholds], np.float64),
                    "deviation": np.array([each.deviation for each in self._thresholds], np.float64),
                },
            )

    def _estimate(self, check: Check, places: NDArray[np.integer], scores: NDArray[np.float32]) -> None:
        found = thresholds_of(check, places, scores, self._groups, self._names)
        of_group = {each.group: each.value for each in found[1:]}
        self._limits[check.id] = np.array([of_group.get(name, found[0].value) for name in self._names], np.float64)
        if len(places):
            self._thresholds += found

    def _weigh(self, start: int, end: int) -> dict[str, NDArray[np.intp]]:
        """Gives the tiles of a block their suspicions. Returns check -> places of those that it makes suspicious."""
        columns = ", ".join(f"c_{check.id}" for check in self._own) or "NULL AS nothing"
        self._cursor.execute(f"SELECT ordinal, {columns} FROM checked WHERE ordinal BETWEEN ? AND ?", [start, end - 1])
        rows = self._cursor.fetchnumpy()
        places = np.ma.getdata(rows["ordinal"]).astype(np.intp)
        if not len(places):
            return {}
        scores: dict[Check, NDArray[np.floating]] = {}
        for check in self._own:
            column = rows[f"c_{check.id}"]
            values = np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.full(len(places), np.nan)
            if np.any(values > 0):
                scores[check] = values
        scores |= {check: found.scores[places] for check, found in self._found.items()}
        if not scores:
            self._suspicion[places] = 0.0
            return {}
        group = self._groups[places]
        limits = {check.id: self._limits[check.id][group] for check in scores}
        off = {name: np.isin(places, found) for name, found in self._refuted.items()}
        for name, settled in self._settled.items():
            off[name] = off.get(name, False) | settled[places]
        without = {name: np.flatnonzero(where).tolist() for name, where in off.items()}
        self._suspicion[places], suspects = weigh(scores, limits, without)
        return {name: places[found] for name, found in suspects.items()}

    def _places_of(self, refuted: Mapping[TileId, Sequence[str]]) -> dict[str, NDArray[np.intp]]:
        """Check -> places of the tiles where it was refuted, ascending."""
        pairs = [(tile, check) for tile, checks in refuted.items() for check in checks]
        if not pairs:
            return {}
        with registered(self._cursor, {"tile": texts_of([tile for tile, _ in pairs]), "row": np.arange(len(pairs))}):
            rows = self._cursor.execute(
                "SELECT b.row, t.ordinal FROM batch AS b JOIN tiles AS t USING (tile)"
            ).fetchall()
        found: dict[str, list[int]] = {}
        for row, ordinal in rows:
            found.setdefault(pairs[row][1], []).append(ordinal)
        return {check: np.unique(places) for check, places in found.items()}

    def _lists(
        self, of: Mapping[str, NDArray[np.intp]], order: Sequence[str], places: NDArray[np.intp]
    ) -> NDArray[Any]:
        """For each of these places the checks that name it, as one text; there are few different ones."""
        names = [name for name in order if name in of]
        if not names:
            return _same("", len(places))
        there = np.stack([np.isin(places, of[name], assume_unique=True) for name in names], axis=1)
        packed = np.ascontiguousarray(np.packbits(there, axis=1))
        kinds, number = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_inverse=True)
        unpacked = np.unpackbits(kinds.view(np.uint8).reshape(len(kinds), -1), axis=1)[:, : len(names)]
        texts = joined(tuple(name for name, bit in zip(names, bits, strict=True) if bit) for bits in unpacked.tolist())
        return np.asarray(texts[number])


class _Memory:
    """What is known of the tiles, see `core.checks.crowd.Remembered`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, facts: Mapping[str, str]) -> None:
        self._cursor = cursor
        self._facts = facts
        self._size = int(cursor.execute("SELECT count(*) FROM tiles").fetchall()[0][0])

    def __len__(self) -> int:
        return self._size

    def scores(self, check: str) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """Places of the tiles that a check applies to, and their scores."""
        return self._known("checked", f"c_{check}", f"c_{check} >= 0")

    def hashes(self, trait: str) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        places, values = self._known("checked", f"t_{trait}", f"t_{trait} IS NOT NULL")
        order = np.argsort(places, kind="stable")
        return places[order], values[order]

    def numbers(self, trait: str) -> NDArray[np.float64]:
        return self._spread(*self._known("checked", f"t_{trait}", f"t_{trait} IS NOT NULL"))

    def fact(self, name: str) -> NDArray[np.float64] | None:
        column = self._facts.get(name)
        return None if column is None else self._spread(*self._known("tiles", column, f"{column} IS NOT NULL"))

    def scored(self, name: str) -> NDArray[np.float64] | None:
        if name not in SCORE_COLUMNS:
            raise ValueError(f"{name} is no score")
        best = self._cursor.execute(
            f"SELECT model FROM scores WHERE {name} IS NOT NULL AND ordinal >= 0 GROUP BY model ORDER BY count(*) DESC, model"
        ).fetchone()
        if best is None:
            return None
        return self._spread(*self._known("scores", name, f"model = {int(best[0])} AND {name} IS NOT NULL"))

    def words(self, trait: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        return self._coded("checked", f"t_{trait}")

    def splits(self) -> tuple[NDArray[np.int32], tuple[tuple[str, ...], ...]]:
        numbers, texts = self._coded("tiles", "splits")
        return numbers, tuple(apart(stored(text)) for text in texts)

    def groups(self) -> NDArray[np.int32]:
        numbers, names = self.all_groups()
        return numbers if len(names) > 1 else np.zeros(0, np.int32)

    def all_groups(self) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """(n,) the number of each tile's group, and the names."""
        numbers, names = self._coded("tiles", "grp")
        return np.maximum(numbers, 0), names or ("",)

    def vectors(self, *traits: str) -> Iterator[tuple[NDArray[np.int32], list[NDArray[np.float32]]]]:
        columns = [f"t_{trait}" for trait in traits]
        conditions = ["ordinal BETWEEN ? AND ?"]
        for column in columns:
            usual = self._cursor.execute(
                f"SELECT octet_length({column}) AS size FROM checked WHERE {column} IS NOT NULL"
                " GROUP BY size ORDER BY count(*) DESC, size LIMIT 1"
            ).fetchall()
            if not usual or not usual[0][0] or usual[0][0] % np.dtype(_FLOAT).itemsize:
                return
            conditions.append(f"octet_length({column}) = {int(usual[0][0])}")
        sql = f"SELECT ordinal, {', '.join(columns)} FROM checked WHERE {' AND '.join(conditions)} ORDER BY ordinal"
        for start in range(0, self._size, _BLOCK):
            rows = self._cursor.execute(sql, [start, min(self._size, start + _BLOCK) - 1]).fetchnumpy()
            places = np.ma.getdata(rows["ordinal"])
            if len(places):
                raw = (b"".join(np.ma.getdata(rows[column]).tolist()) for column in columns)
                yield places, [np.frombuffer(each, _FLOAT).reshape(len(places), -1) for each in raw]

    def _known(self, table: str, column: str, condition: str) -> tuple[NDArray[np.int32], NDArray[Any]]:
        rows = self._cursor.execute(
            f"SELECT ordinal, {column} AS value FROM {table} WHERE {condition} AND ordinal BETWEEN 0 AND ?",
            [self._size - 1],
        ).fetchnumpy()
        return np.ma.getdata(rows["ordinal"]), np.ma.getdata(rows["value"])

    def _spread(self, places: NDArray[np.integer], values: NDArray[Any]) -> NDArray[np.float64]:
        found = np.full(self._size, np.nan)
        found[places] = values
        return found

    def _coded(self, table: str, column: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """(n,) numbers of the texts in a column, -1 where there is none; and the texts."""
        distinct = f"SELECT DISTINCT {column} AS text FROM {table} WHERE {column} IS NOT NULL"
        texts = [text for (text,) in self._cursor.execute(f"{distinct} ORDER BY text").fetchall()]
        found = np.full(self._size, -1, np.int32)
        with registered(self._cursor, {"text": objects(texts), "number": np.arange(len(texts), dtype=np.int32)}):
            rows = self._cursor.execute(
                f"SELECT t.ordinal AS ordinal, b.number AS number FROM {table} AS t JOIN batch AS b ON b.text = t.{column}"
                " WHERE t.ordinal BETWEEN 0 AND ?",
                [self._size - 1],
            ).fetchnumpy()
        found[np.ma.getdata(rows["ordinal"])] = np.ma.getdata(rows["number"])
        return found, tuple(map(restored, texts))


_FLOAT = "<f4"
_PARTNERS = (
    "SELECT p.ordinal, p.id, t.tile FROM partners AS p JOIN tiles AS t ON t.ordinal = p.partner WHERE p.ordinal {among}"
    " QUALIFY row_number() OVER (PARTITION BY p.ordinal, p.id ORDER BY p.place) <= {most} ORDER BY p.place"
)
"""What tiles are named together with others, and with whom, the likest first."""


def _create(cursor: duckdb.DuckDBPyConnection, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Makes the tables, and the columns of checks that are new in the program. Raises ProjectError where others are there."""
    _clear_outdated(cursor, tables)
    for table, columns in tables.items():
        _make(cursor, table, columns)
        for name, kind in columns.items():
            if name not in _FIXED[table]:
                cursor.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {kind}")
        there = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE {table}").fetchall()}
        if any(there.get(name) != kind for name, kind in columns.items()):
            raise ProjectError(f"its table of checks {table} is damaged")


def _clear_outdated(cursor: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Forgets what was found by other rules."""
    known = cursor.execute("SELECT value FROM meta WHERE key = 'rules'").fetchall()
    if known != [(str(RULES),)]:
        for table in tables:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute("INSERT OR REPLACE INTO meta VALUES ('rules', ?)", [str(RULES)])


def _last_batch(cursor: duckdb.DuckDBPyConnection) -> str:
    """Names what was filed last; empty before anything was."""
    return _said_in_meta(cursor, _RECORDED)


def _said_in_meta(cursor: duckdb.DuckDBPyConnection, key: str) -> str:
    found = cursor.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchall()
    return str(found[0][0]) if found else ""


def _make(cursor: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], *, anew: bool = False) -> None:
    how = "CREATE OR REPLACE TABLE" if anew else "CREATE TABLE IF NOT EXISTS"
    cursor.execute(f"{how} {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")


def _is_any(cursor: duckdb.DuckDBPyConnection) -> bool:
    return bool(cursor.execute("SELECT 1 FROM partners LIMIT 1").fetchall())


def _same(text: str, times: int) -> NDArray[Any]:
    return np.full(times, text, object)


def _score(score: float) -> float:
    """As it is stored: 0 or more, and finite."""
    return _NOTHING if math.isnan(score) else min(max(score, 0.0), _LARGEST)


def _notes_as_text(examined: Examined, before: str, ran: Iterable[str]) -> str:
    """JSON, which is plain ASCII whatever the notes say; empty where there are none."""
    kept = dict(_notes_in(before))
    for check in ran:
        kept.pop(check, None)
    kept |= examined.notes
    said = {check: [note.message, note.layer] for check, note in kept.items()}
    return json.dumps(said, separators=(",", ":")) if said else ""


def _notes_in(text: str | None) -> dict[str, Note]:
    """What `_notes_as_text` made; nothing where a stranger has made it."""
    try:
        said = json.loads(text) if text else {}
        notes = {check: Note(message, layer) for check, (message, layer) in said.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        check: Note(printable(note.message), printable(note.layer))
        for check, note in notes.items()
        if isinstance(note.message, str) and isinstance(note.layer, str)
    }


def _as_numbers(values: Sequence[Trait | None]) -> NDArray[Any]:
    return np.array([value if isinstance(value, int | float) else math.nan for value in values], np.float64)


def _as_hashes(values: Sequence[Trait | None]) -> NDArray[Any]:
    """0 means none: a hash of 0 becomes 1."""
    return np.array([max(value, 1) if isinstance(value, int) else 0 for value in values], np.uint64)


def _as_vectors(values: Sequence[Trait | None]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return np.array(
            [np.array(value, _FLOAT).tobytes() if isinstance(value, tuple) else b"" for value in values], object
        )


def _as_words(values: Sequence[Trait | None]) -> NDArray[Any]:
    return texts_of([value if isinstance(value, str) else "" for value in values])


_ENCODERS: Mapping[TraitKind, Callable[[Sequence[Trait | None]], NDArray[Any]]] = {
    TraitKind.NUMBER: _as_numbers,
    TraitKind.HASH: _as_hashes,
    TraitKind.VECTOR: _as_vectors,
    TraitKind.WORD: _as_words,
}
_ABSENT = {
    TraitKind.NUMBER: "'NaN'::DOUBLE",
    TraitKind.HASH: "0::UBIGINT",
    TraitKind.VECTOR: "''::BLOB",
    TraitKind.WORD: "''",
}

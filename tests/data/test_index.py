"""The tile index: made from names, thrown away at will, filtered in a language of its own."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsviewer.core.errors import FilterError, ProjectError, RsviewerError
from rsviewer.core.filters import ColumnType
from rsviewer.core.review import Decision, Region, Verdict
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data import index as index_module
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import FIRST_PAGE, Facets, FileState, Measurement, TileIndex

IMAGE, NDSM, CAPTION = LayerId("image"), LayerId("ndsm"), LayerId("caption")
LAYERS = (
    LayerSpec(IMAGE, LayerKind.OPTICAL, "Image"),
    LayerSpec(NDSM, LayerKind.HEIGHT, "nDSM"),
    LayerSpec(CAPTION, LayerKind.TEXT, "Caption"),
)
PATIENCE = 60.0
"""Seconds after which something that must not wait is said to have waited."""


@dataclass
class FakeAdapter:
    """Hands out the entries it is given; `pause` is called before each of them."""

    entries: list[TileEntry]
    pause: Callable[[int], None] = lambda _: None
    name: str = "fake"
    title: str = "Fake"
    expects: str = "nothing"
    scans: int = field(default=0)

    def recognises(self, root: Path) -> str:
        return "it is a test"

    def describe(self, root: Path) -> Dataset:
        raise NotImplementedError

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        self.scans += 1
        for number, entry in enumerate(self.entries):
            self.pause(number)
            yield entry

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        raise NotImplementedError


def dataset_at(root: Path, layers: Sequence[LayerSpec] = LAYERS) -> Dataset:
    return Dataset("fake", root.name, root, tuple(layers), folders=(root,))


def entry_of(root: Path, name: str, **kwargs: Any) -> TileEntry:
    files = {layer: f"{root}/{layer}/{name}.tif" for layer in (IMAGE, NDSM)}
    return TileEntry(**({"id": TileId(name), "files": files} | kwargs))


def numbered(root: Path, tiles: int) -> list[TileEntry]:
    return [entry_of(root, f"tile_{number}") for number in range(tiles)]


def within_patience(work: Callable[[], Any]) -> Any:
    """What `work` returns on another thread; fails where it waits for something."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert results, "it waited, or failed"
    return results[0]


def built_file(root: Path, tiles: int) -> Path:
    """A finished index of numbered tiles, closed."""
    path = root.parent / "index.duckdb"
    index = TileIndex.open(path, dataset_at(root), FakeAdapter(numbered(root, tiles)))
    index.build()
    index.close()
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[..., TileIndex]]:
    """Opens indexes over given entries, in memory or at a path, and closes them in the end."""
    indexes: list[TileIndex] = []

    def open_index(entries: list[TileEntry], path: Path | None = None, adapter: FakeAdapter | None = None) -> TileIndex:
        index = TileIndex.open(path, dataset_at(root), adapter or FakeAdapter(entries))
        indexes.append(index)
        return index

    yield open_index
    for index in indexes:
        index.close()


@pytest.fixture
def town(root: Path, opened: Callable[..., TileIndex]) -> TileIndex:
    """Six tiles in two groups, measured and reviewed in part.

    place  tile       splits             ndsm_max  verdict    otherwise
    0      north/a_1  train, train_10        10    good
    1      north/a_2  train                  90    drop       cloud; "low roof"
    2      north/b_3  test                   85               ndsm unreadable
    3      south/a_1  train                  95    drop       cloud, void
    4      south/A_2                                          ndsm missing; a region
    5      south/c_9  test                   20    good       two files
    """
    image = {IMAGE: f"{root}/image/x.tif"}
    index = opened(
        [
            entry_of(root, "north/a_1", group="north", splits=("train", "train_10")),
            entry_of(root, "north/a_2", group="north", splits=("train",)),
            entry_of(root, "north/b_3", group="north", splits=("test",)),
            entry_of(root, "south/a_1", group="south", splits=("train",)),
            entry_of(root, "south/A_2", group="south", files=image, missing=(NDSM,)),
            entry_of(root, "south/c_9", group="south", splits=("test",), duplicates=(f"{root}/image/c_9.png",)),
        ]
    )
    index.build()
    heights = {"north/a_1": 10.0, "north/a_2": 90.0, "south/a_1": 95.0, "south/c_9": 20.0}
    index.record(
        [
            *(
                Measurement(TileId(tile), NDSM, FileState.OK, width=512, height=256, minimum=-1, maximum=top, valid=0.5)
                for tile, top in heights.items()
            ),
            Measurement(TileId("north/b_3"), NDSM, FileState.UNREADABLE, "truncated", maximum=85.0),
            Measurement(TileId("north/a_1"), IMAGE, FileState.OK, width=512, height=512),
        ]
    )
    region = Region("void", ((0, 0), (5, 5)))
    index.load_reviews(
        {
            TileId("north/a_1"): Decision(Verdict.GOOD, reviewer="ann", time="2026-11-20T10:00:00+01:00"),
            TileId("north/a_2"): Decision(Verdict.DROP, ("cloud",), note="low Roof", reviewer="bo"),
            TileId("south/a_1"): Decision(Verdict.DROP, ("cloud", "void"), reviewer="bo"),
            TileId("south/A_2"): Decision(regions=(region,)),
            TileId("gone/tile"): Decision(Verdict.DROP),
        }
    )
    index.set_review(TileId("south/c_9"), Decision(Verdict.GOOD))
    return index


# Making it


@pytest.mark.parametrize("on_disk", [True, False])
def test_every_entry_comes_back_as_it_was_scanned(on_disk: bool, root: Path, opened: Callable[..., TileIndex]) -> None:
    entries = [
        entry_of(root, "plain"),
        entry_of(root, "with space & 'quote' \"double\""),
        entry_of(root, "Straße/grün 東京", group="Straße", splits=("train", "täst, 1"), missing=(CAPTION,)),
        entry_of(root, r"back\slash %41 \x1a"),
        entry_of(root, "\x1a0041 \x1f\n", splits=("a\x1fb", "c\x1a"), group="g\x1f"),
        TileEntry(
            TileId("t\\xfcr"),
            {IMAGE: f"{root}/image/t\udcfcr.tif", NDSM: f"{root}/ndsm/\udcff\udcfe.tif"},
            splits=("liste_\udcfc",),
            duplicates=(f"{root}/image/t\udcfcr.png", "/elsewhere/\udc80.png"),
        ),
        TileEntry(TileId("elsewhere"), {IMAGE: "/another/store/x.tif", NDSM: f"{root}_2/y.tif"}),
        TileEntry(TileId("only-in-a-list"), {}, splits=("test",), missing=(IMAGE, NDSM)),
    ]
    index = opened(entries, root.parent / "index.duckdb" if on_disk else None)
    assert index.build()
    assert len(index) == len(entries)
    assert [index.entry(place) for place in range(len(entries))] == entries
    assert index.entries(range(len(entries))) == entries
    assert [index.ordinal_of(entry.id) for entry in entries] == list(range(len(entries)))


def test_an_index_is_used_again_until_a_folder_changes(root: Path, opened: Callable[..., TileIndex]) -> None:
    path = root.parent / "index.duckdb"
    first = opened(numbered(root, 3), path)
    assert not first.is_fresh()
    first.build()
    assert first.is_fresh()
    first.close()

    adapter = FakeAdapter([])
    again = opened([], path, adapter)
    assert again.is_fresh()
    assert [entry.id for entry in again.first_page()] == ["tile_0", "tile_1", "tile_2"]
    assert adapter.scans == 0

    os.utime(root, ns=(1, 1))
    assert not again.is_fresh()
    again.build()
    assert again.is_fresh()
    root.rmdir()
    assert not again.is_fresh()


def test_an_index_of_no_tiles_is_fresh_and_empty(root: Path, opened: Callable[..., TileIndex]) -> None:
    index = opened([])
    assert index.build()
    assert index.is_fresh()
    assert len(index) == 0
    assert index.select("split = 'train'").tolist() == []
    assert index.select().tolist() == []
    assert (index.groups(), index.splits(), index.facets(), index.first_page()) == ([], {}, Facets(), [])


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 1000)


def nothing_in_it(path: Path) -> None:
    path.write_bytes(b"")


def half_of_it(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def tables_of_somebody_else(path: Path) -> None:
    path.unlink()
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE tiles (x INTEGER)")


def of_an_older_version(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '[0]' WHERE key = 'shape'")


def an_odd_log(path: Path) -> None:
    path.with_name(f"{path.name}.wal").write_bytes(b"\x00\xffgarbage" * 100)


@pytest.mark.parametrize(
    "spoil", [garbage, nothing_in_it, half_of_it, tables_of_somebody_else, of_an_older_version, an_odd_log]
)
def test_a_file_that_is_of_no_use_is_replaced(
    spoil: Callable[[Path], None], root: Path, opened: Callable[..., TileIndex]
) -> None:
    path = built_file(root, 3)
    spoil(path)
    index = opened(numbered(root, 5), path)
    index.build()
    assert index.path == path
    assert [entry.id for entry in index.first_page()] == [f"tile_{number}" for number in range(5)]
    assert index.is_fresh()


def test_the_index_of_another_dataset_is_not_mistaken_for_ours(root: Path) -> None:
    path = built_file(root, 3)
    other = TileIndex.open(path, dataset_at(root, LAYERS[:1]), FakeAdapter([]))
    assert not other.is_fresh()
    assert len(other) == 0
    other.close()


@pytest.mark.parametrize("where", ["no/such/folder/index.duckdb", "."])
def test_without_a_place_for_the_file_the_index_lives_in_memory(
    where: str, root: Path, opened: Callable[..., TileIndex]
) -> None:
    index = opened(numbered(root, 2), root.parent / where)
    assert index.path is None
    index.build()
    assert len(index) == 2


def test_while_another_program_has_the_file_the_index_lives_in_memory(
    root: Path, opened: Callable[..., TileIndex]
) -> None:
    path = root.parent / "index.duckdb"
    hold = f"import duckdb, sys\nheld = duckdb.connect({str(path)!r})\nprint('held', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        index = opened(numbered(root, 2), path)
        assert index.path is None
        index.build()
        assert len(index) == 2
        holder.communicate("")
    assert path.exists()


@pytest.mark.parametrize("twelfth", range(12))
def test_damage_anywhere_in_the_file_ends_in_a_sentence_and_a_new_index(twelfth: int, root: Path) -> None:
    path = built_file(root, 3000)
    whole = path.read_bytes()
    place = len(whole) * twelfth // 12
    path.write_bytes(whole[:place] + b"\xa5" * 4096 + whole[place + 4096 :])
    index = TileIndex.open(path, dataset_at(root), FakeAdapter([]))
    try:
        index.entries(range(len(index)))
        index.select("name like '%9' and split = 'x' or verdict = 'drop' or ndsm_state = 'ok'")
        harmed = False
    except ProjectError:
        harmed = True
    index.close()
    again = TileIndex.open(path, dataset_at(root), FakeAdapter([]))
    assert len(again) in ((0,) if harmed else (0, 3000))
    again.close()


# Building in the background


def test_the_first_tiles_are_there_before_the_scan_is_over(root: Path, opened: Callable[..., TileIndex]) -> None:
    at_the_end, go_on = threading.Event(), threading.Event()

    def pause(number: int) -> None:
        if number == FIRST_PAGE + 5:
            at_the_end.set()
            assert go_on.wait(PATIENCE)

    entries = numbered(root, FIRST_PAGE + 10)
    index = opened([], None, FakeAdapter(entries, pause))
    shown: list[list[TileEntry]] = []
    builder = threading.Thread(target=lambda: index.build(first=shown.append))
    builder.start()
    assert at_the_end.wait(PATIENCE)
    assert shown == [entries[:FIRST_PAGE]]
    assert len(index) == FIRST_PAGE
    assert index.first_page(3) == entries[:3]
    assert index.entry(7) == entries[7]
    assert index.ordinal_of(TileId("tile_9")) == 9
    assert index.select().tolist() == list(range(FIRST_PAGE))
    with pytest.raises(IndexError):
        index.entry(FIRST_PAGE)
    go_on.set()
    builder.join()
    assert index.entries(range(len(index))) == entries
    assert len(shown) == 1


@dataclass
class PreviewingFake(FakeAdapter):
    """Looks its first tiles up, before the scan says more about them."""

    page: list[TileEntry] = field(default_factory=list)

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        return self.page[:most]


def test_tiles_that_were_looked_up_are_shown_before_the_scan_and_complete_after_it(
    root: Path, opened: Callable[..., TileIndex]
) -> None:
    entries = numbered(root, 5)
    page = [replace(entry, files={IMAGE: entry.files[IMAGE]}) for entry in (entries[1], entries[3])]
    seen: list[tuple[int, TileEntry, int | None]] = []

    def look(_: int) -> None:
        seen.append((len(index), index.entry(1), index.ordinal_of(TileId("tile_3"))))

    index = opened([], None, PreviewingFake(entries, look, page=page))
    shown: list[list[TileEntry]] = []
    assert index.build(first=shown.append)
    assert shown == [page], "once"
    assert set(map(repr, seen)) == {repr((2, page[1], 1))}, "all through the scan"
    assert index.first_page() == entries
    assert index.ordinal_of(TileId("tile_3")) == 3


def test_without_tiles_to_look_up_the_first_of_the_scan_are_shown(root: Path, opened: Callable[..., TileIndex]) -> None:
    index = opened([], None, PreviewingFake(numbered(root, 3)))
    shown: list[list[TileEntry]] = []
    assert index.build(first=shown.append)
    assert shown == [numbered(root, 3)]


def test_nothing_is_looked_up_where_there_is_an_index_already(root: Path, opened: Callable[..., TileIndex]) -> None:
    entries = numbered(root, 3)
    index = opened([], None, PreviewingFake(entries))
    index.build()
    index._adapter.page = entries[1:]  # type: ignore[attr-defined]  # the fake's
    shown: list[list[TileEntry]] = []
    index.build(first=shown.append)
    assert shown == []


@dataclass
class EndlessAdapter(FakeAdapter):
    """Lists folders for ever before it has a tile."""

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        yield from self.entries if self.scans == 0 else ()
        self.scans += 1
        while self.scans > 1:
            dataset.tree.names(str(dataset.root))
            with contextlib.suppress(OSError):
                dataset.tree.read(str(dataset.root / "nothing"), 1)


def test_a_build_is_stopped_between_two_folders_and_keeps_what_there_was(
    root: Path, opened: Callable[..., TileIndex]
) -> None:
    index = opened([], root.parent / "index.duckdb", EndlessAdapter(numbered(root, 7)))
    assert index.build()
    asked = iter([False] * 50)
    assert not index.build(stop=lambda: next(asked, True))
    assert len(index) == 7
    assert index.generation == 1


def test_reading_never_waits_for_a_build(root: Path, opened: Callable[..., TileIndex]) -> None:
    old = numbered(root, 300)
    adapter = FakeAdapter(old)
    index = opened([], root.parent / "index.duckdb", adapter)
    index.build()
    adapter.entries = [entry_of(root, f"new_{number}") for number in range(400)]
    halfway, go_on = threading.Event(), threading.Event()

    def pause(number: int) -> None:
        if number == 390:
            halfway.set()
            assert go_on.wait(PATIENCE)

    adapter.pause = pause
    builder = threading.Thread(target=index.build)
    builder.start()
    assert halfway.wait(PATIENCE)
    try:
        assert within_patience(lambda: index.entry(299)) == old[299]
        assert within_patience(lambda: index.entries([5, 1])) == [old[5], old[1]]
        assert within_patience(lambda: index.ordinal_of(TileId("tile_7"))) == 7
        assert within_patience(lambda: index.select("name = 'tile_8' or verdict = 'drop'")).tolist() == [8]
        assert within_patience(lambda: index.set_review(TileId("tile_9"), Decision(Verdict.DROP)) or "done")
        assert within_patience(lambda: index.select("verdict = 'drop'")).tolist() == [9]
        assert within_patience(index.facets).total == 300
        assert len(index) == 300
    finally:
        go_on.set()
        builder.join()
    assert (len(index), index.generation, index.entry(299).id) == (400, 2, "new_299")


def test_reading_never_waits_for_a_selection(root: Path, opened: Callable[..., TileIndex]) -> None:
    index = opened(numbered(root, 300))
    index.build()
    with index._reviewing, index._write:  # as while decisions are filed and a build runs
        assert within_patience(lambda: index.entry(299)).id == "tile_299"
        assert within_patience(lambda: index.set_review(TileId("tile_1"), Decision()) or "done")
        assert within_patience(lambda: index.select("name = 'tile_8'")).tolist() == [8]
        assert within_patience(lambda: len(index.groups())) == 1


def test_many_threads_may_use_the_index_at_once(root: Path, opened: Callable[..., TileIndex]) -> None:
    index = opened(numbered(root, 1000), root.parent / "index.duckdb")
    index.build()
    trouble: list[BaseException] = []

    def select() -> None:
        assert index.select("name like 'tile_1%' and not flagged").size <= 112

    def read() -> None:
        index._cache.clear()
        assert [index.entry(place).id for place in (0, 500, 999)] == ["tile_0", "tile_500", "tile_999"]

    def review() -> None:
        index.set_review(TileId("tile_1"), Decision(Verdict.DROP))

    def record() -> None:
        index.record([Measurement(TileId(f"tile_{n}"), NDSM, FileState.OK, maximum=n) for n in range(100)])

    def again(work: Callable[[], None]) -> None:
        try:
            for _ in range(15):
                work()
        except (AssertionError, RsviewerError, duckdb.Error) as error:
            trouble.append(error)

    def rebuild() -> None:
        assert index.build()

    threads = [threading.Thread(target=again, args=[work]) for work in (select, select, read, review, record, rebuild)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble
    assert index.select("flagged").tolist() == [1]
    assert index.generation == 16


def test_a_stopped_build_changes_nothing(
    root: Path, opened: Callable[..., TileIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_BATCH", 10)
    monkeypatch.setattr(index_module, "_ROWS_PER_COMMIT", 20)
    adapter = FakeAdapter(numbered(root, 3))
    index = opened([], root.parent / "index.duckdb", adapter)
    index.build()
    adapter.entries = numbered(root, FIRST_PAGE + 100)
    done: list[tuple[int, int | None]] = []
    assert not index.build(lambda *counts: done.append(counts), stop=lambda: len(done) >= 5)
    assert done[-1] == (FIRST_PAGE + 40, None)
    assert (len(index), index.generation) == (3, 1)
    assert index.build(lambda *counts: done.append(counts))
    assert done[-1] == (FIRST_PAGE + 100, FIRST_PAGE + 100)
    assert index.entries(range(len(index))) == adapter.entries


def test_a_scan_that_fails_changes_nothing(root: Path, opened: Callable[..., TileIndex]) -> None:
    def fail(number: int) -> None:
        if number == 2:
            raise RsviewerError("The folder is gone.")

    adapter = FakeAdapter(numbered(root, 3))
    index = opened([], None, adapter)
    index.build()
    adapter.pause = fail
    with pytest.raises(RsviewerError, match="The folder is gone"):
        index.build()
    assert index.entries(range(3)) == adapter.entries
    adapter.pause = lambda _: None
    assert index.build()


# Finding


def test_a_tile_is_found_by_what_a_person_remembers_of_it(root: Path, opened: Callable[..., TileIndex]) -> None:
    names = ["A/tile_4", "A/tile_042", "A/tile_420", "A/Tile_142", "B/tile_42", "B/42_x", "B/x42", "B/other"]
    index = opened([entry_of(root, name, group=name[0]) for name in names])
    index.build()

    def found(text: str) -> list[str]:
        return [names[place] for place in index.find(text)]

    assert found("42")[:3] == ["A/tile_042", "B/tile_42", "B/x42"]
    assert set(found("42")[3:]) == {"A/tile_420", "A/Tile_142", "B/42_x"}
    assert found("042") == ["A/tile_042", "B/tile_42", "B/x42"]
    assert found("b/TILE_42") == ["B/tile_42"]
    assert found("tile_4") == ["A/tile_4", "A/tile_420", "B/tile_42"]
    assert found(" her ") == ["B/other"]
    assert found("") == found("nothing like it") == []
    assert found("%") == []
    assert len(index.find("t", limit=2)) == 2


def test_a_place_is_found_by_name_in_either_case(town: TileIndex) -> None:
    assert town.ordinal_of(TileId("south/A_2")) == 4
    assert town.ordinal_of(TileId("SOUTH/a_2")) == 4
    assert town.ordinal_of(TileId("south/b")) is None
    wanted = [TileId(name) for name in ("south/c_9", "nowhere", "north/a_1")]
    assert town.ordinals_of(wanted) == {"south/c_9": 5, "north/a_1": 0}
    assert town.ordinals_of([]) == {}
    assert town.has_each(wanted).tolist() == [True, False, True]
    assert town.has_each([]).tolist() == []


@pytest.mark.parametrize("place", [-1, 6, 10**9])
def test_a_place_outside_is_refused(place: int, town: TileIndex) -> None:
    with pytest.raises(IndexError, match="the index has 6"):
        town.entry(place)
    with pytest.raises(IndexError, match="the index has 6"):
        town.entries([0, place])


def test_stepping_reads_the_neighbours_along(town: TileIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    town.entry(2)
    monkeypatch.setattr(town, "_read", None)
    assert town.entry(3).id == "south/a_1"


# Counting


def test_groups_splits_and_facets_are_counted(town: TileIndex) -> None:
    assert town.groups() == [("north", 3, 0), ("south", 3, 3)]
    assert town.splits() == {"test": 2, "train": 3, "train_10": 1}
    assert town.facets() == Facets(
        total=6,
        splits={"test": 2, "train": 3, "train_10": 1},
        groups={"north": 3, "south": 3},
        verdicts={"drop": 2, "good": 2, "undecided": 2},
        tags={"cloud": 2, "void": 1},
        missing={"ndsm": 1},
    )
    assert town.facets("group = 'north' and flagged") == Facets(
        total=1, splits={"train": 1}, groups={"north": 1}, verdicts={"drop": 1}, tags={"cloud": 1}
    )


# Filtering


@pytest.mark.parametrize(
    ("condition", "places"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("split = 'train' and ndsm_max > 80", [1, 3]),
        ("split in ('train_10', 'test')", [0, 2, 5]),
        ("split not in ('train_10', 'test')", [1, 3, 4]),
        ("split != 'train'", [2, 4, 5]),
        ("split like 'train%'", [0, 1, 3]),
        ("split not ilike 'TRAIN%'", [2, 4, 5]),
        ("length(split) > 1", [0]),
        ("unlisted", [4]),
        ("split is null", [4]),
        ("group = 'south'", [3, 4, 5]),
        ("missing = 'ndsm'", [4]),
        ("missing", [4]),
        ("missing = 'NDSM' or unreadable = 'ndsm'", [2, 4]),
        ("unreadable", [2]),
        ("duplicate", [5]),
        ("verdict = 'drop'", [1, 3]),
        ("verdict != 'drop'", [0, 2, 4, 5]),
        ("tag = 'cloud' and tag != 'void'", [1]),
        ("flagged", [1, 3, 4]),
        ("not reviewed", [2, 4]),
        ("flagged = reviewed", [1, 2, 3]),
        ("regions = 1", [4]),
        ("note like '%Roof'", [1]),
        ("note like '%roof'", []),
        ("note ilike '%roof'", [1]),
        ("note contains 'ROOF'", [1]),
        ("note is not null", [1]),
        ("reviewer = 'bo'", [1, 3]),
        ("time < '2026-12' and time is not null", [0]),
        ("name = 'a_1'", [0, 3]),
        ("lower(name) like 'a\\_2'", []),
        ("lower(name) like 'a_2'", [1, 4]),
        ("tile = 'south/a_1'", [3]),
        ("position between 2 and 3", [1, 2]),
        ("ndsm_max is null", [4]),
        ("not (ndsm_max > 80)", [0, 5]),
        ("ndsm_max - ndsm_min > 90", [1, 3]),
        ("ndsm_max / 0 = 1 or not ndsm_max / 0 = 1", []),
        ("abs(ndsm_min) = 1 and -ndsm_max < -90", [3]),
        ("width = 512 and height = 512", [0]),
        ("ndsm_width = 2 * ndsm_height", [0, 1, 3, 5]),
        ("ndsm_state = 'unreadable' and ndsm_message contains 'trunc'", [2]),
        ("ndsm_valid <= 0.5 and ndsm_mean is null", [0, 1, 3, 5]),
        ("true", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_filter_keeps_the_right_tiles(condition: str, places: list[int], town: TileIndex) -> None:
    found = town.select(condition)
    assert found.dtype == np.int32
    assert found.tolist() == places


@pytest.mark.parametrize(
    ("order", "places"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("ndsm_max", [0, 5, 2, 1, 3, 4]),
        ("ndsm_max desc, name", [3, 1, 2, 5, 0, 4]),
        ("group desc, tile desc", [5, 4, 3, 2, 1, 0]),
        ("verdict, position desc", [3, 1, 5, 0, 4, 2]),
        ("length(tag) desc", [3, 1, 0, 2, 4, 5]),
        ("abs(ndsm_max - 88), name", [1, 2, 3, 5, 0, 4]),
    ],
)
def test_tiles_are_sorted_with_the_unknown_last(order: str, places: list[int], town: TileIndex) -> None:
    assert town.select(sort=order).tolist() == places


def test_every_column_can_be_used_and_explains_itself(town: TileIndex) -> None:
    uses = {
        ColumnType.NUMBER: ("{} >= 0 or {} is null", "{} desc"),
        ColumnType.TEXT: ("lower({}) != 'x' and {} is null", "{}"),
        ColumnType.LIST: ("{} like '%' and length({}) = 1", "length({})"),
        ColumnType.BOOL: ("not {} = true", "{}"),
    }
    for column in town.columns():
        condition, order = (text.format(column.name, column.name) for text in uses[column.type])
        town.select(condition, order)
        assert column.help
    names = {column.name for column in town.columns()}
    assert {"ndsm_max", "image_state", "caption_state", "split", "verdict", "width"} <= names
    assert "caption_max" not in names


def test_a_misspelt_column_is_answered_with_the_right_one(town: TileIndex) -> None:
    with pytest.raises(FilterError, match=r"There is no column 'ndms_max' \(character 1\)\. Did you mean ndsm_max"):
        town.select("ndms_max > 80")
    with pytest.raises(FilterError, match="Did you mean ndsm_max"):
        town.select(sort="ndms_max")
    with pytest.raises(FilterError, match=r"missing is never 'dsm' .* Did you mean 'ndsm'"):
        town.facets("missing = 'dsm'")


ATTACKS = [
    "1=1); drop table tiles",
    "1=1; drop table tiles; --",
    "true) union select 1 --",
    "name = '' or 1=1 --",
    "name = 'x'' or 1=1; drop table tiles; --'",
    'name = "x"" or true; --"',
    "read_csv('/etc/passwd')",
    "name in (select tile from tiles)",
    "exists(select 1)",
    "name = 'x' /* comment */ or true",
    "getenv('HOME') = 'x'",
    "ordinal = 1",
    "t.ordinal = 1",
    "p0 = 'x'",
    "name like 'x' escape 'y'",
    "name = $1 or name = ?",
    "name::integer = 1",
    "name = 'x\x00' or true)",
    "name = '\ud800'",
    "name\u2028= 'x' \uff1b drop",
    "pragma version",
    "ATTACH 'x.db'",
    "install httpfs",
    "name = E'\\x27 or true'",
    "lower(name) = concat('a', 'b')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_strangers_filter_does_nothing_but_filter(attack: str, town: TileIndex, tmp_path: Path) -> None:
    for use in (town.select, town.facets, lambda text: town.select(sort=text)):
        try:
            found = use(attack)
        except FilterError:
            continue
        assert not isinstance(found, np.ndarray) or found.size in (0, 6)
    assert town.select("true").size == 6
    assert town.select(f"name = '{'x' * 10}'").size == 0


def test_the_database_behind_the_index_can_open_no_file(
    root: Path, opened: Callable[..., TileIndex], tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for path in (None, tmp_path / "index.duckdb"):
        connection = opened([], path)._connection
        for forbidden in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"SELECT * FROM '{tmp_path}/secret.csv'",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(forbidden)


def test_odd_names_of_layers_never_become_sql(root: Path) -> None:
    odd = LayerId("x'] , 1); DROP TABLE tiles; --")
    layers = (LayerSpec(odd, LayerKind.HEIGHT, "Odd"), LayerSpec(LayerId("in"), LayerKind.HEIGHT, "In"))
    entries = [TileEntry(TileId("a"), {odd: f"{root}/a.tif"}, missing=(LayerId("in"),))]
    index = TileIndex.open(None, dataset_at(root, layers), FakeAdapter(entries))
    index.build()
    index.record([Measurement(TileId("a"), odd, FileState.UNREADABLE)])
    assert index.entry(0) == entries[0]
    assert index.select("unreadable and missing = 'in' and in_max is null").tolist() == [0]
    assert index.select('unreadable = "x\'] , 1); drop table tiles; --"').tolist() == [0]
    index.close()


@dataclass(frozen=True)
class Row:
    """What the index should know of one tile, for evaluating a filter in Python. None is "unknown"."""

    split: tuple[str, ...]
    ndsm_max: float | None
    ndsm_min: float | None
    verdict: str
    note: str
    flagged: bool


ROWS = [
    Row(split, top, bottom, verdict, note, verdict == "drop")
    for split, top, bottom, verdict, note in [
        (("train",), 1.0, 0.0, "drop", "roof"),
        (("train", "test"), 80.0, -2.0, "good", "Roof"),
        ((), None, None, "undecided", ""),
        (("test",), 80.5, 80.5, "undecided", "a%b"),
        (("val",), -3.0, None, "drop", "x"),
    ]
]
Truth = bool | None
Judge = Callable[[Row], Truth]
Expression = tuple[str, Callable[[Row], Any]]


def unknown_if_none(function: Callable[..., Any], *parts: Callable[[Row], Any]) -> Callable[[Row], Any]:
    def evaluate(row: Row) -> Any:
        values = [part(row) for part in parts]
        return None if None in values else function(*values)

    return evaluate


def negate(judge: Judge) -> Judge:
    return unknown_if_none(lambda value: not value, judge)


def conjunction(left: Judge, right: Judge) -> Judge:
    def evaluate(row: Row) -> Truth:
        values = (left(row), right(row))
        return False if False in values else None if None in values else True

    return evaluate


def disjunction(left: Judge, right: Judge) -> Judge:
    return negate(conjunction(negate(left), negate(right)))


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
ARITHMETIC: Mapping[str, Callable[[float, float], float | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
}


def constant(value: Any) -> Callable[[Row], Any]:
    return lambda _: value


def attribute(name: str) -> Expression:
    return name, lambda row: getattr(row, name)


small = st.sampled_from([0.0, 1.0, 2.5, 80.0, 81.0])
numbers: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        small.map(lambda value: (f"{value:g}", constant(value))),
        st.sampled_from([attribute("ndsm_max"), attribute("NDSM_MIN".lower())]),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(list(ARITHMETIC)), inner).map(
            lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", unknown_if_none(ARITHMETIC[t[1]], t[0][1], t[2][1]))
        ),
        inner.map(lambda e: (f"abs({e[0]})", unknown_if_none(abs, e[1]))),
        inner.map(lambda e: (f"-{e[0]}", unknown_if_none(lambda value: -value, e[1]))),
    ),
    max_leaves=4,
)
words = st.sampled_from(["roof", "Roof", "a%b", "", "x", "it's", '"'])
texts: st.SearchStrategy[Expression] = st.one_of(
    words.map(lambda value: ("'" + value.replace("'", "''") + "'", constant(value))),
    st.just(attribute("note")),
    st.just(("LOWER(note)", lambda row: row.note.lower())),
)
lists = st.sampled_from(["train", "test", "val", "none"])


def compared(parts: tuple[Expression, str, Expression]) -> Expression:
    (left, left_value), op, (right, right_value) = parts
    return f"{left} {op} {right}", unknown_if_none(COMPARISONS[op], left_value, right_value)


def between(parts: tuple[Expression, Expression, Expression]) -> Expression:
    value, low, high = parts
    at_least = unknown_if_none(lambda a, b: a >= b, value[1], low[1])
    at_most = unknown_if_none(lambda a, b: a <= b, value[1], high[1])
    return f"{value[0]} between {low[0]} and {high[0]}", conjunction(at_least, at_most)


conditions: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.tuples(numbers, st.sampled_from(list(COMPARISONS)), numbers).map(compared),
        st.tuples(texts, st.sampled_from(list(COMPARISONS)), texts).map(compared),
        st.tuples(numbers, numbers, numbers).map(between),
        lists.map(lambda name: (f"split = '{name}'", lambda row: name in row.split)),
        lists.map(lambda name: (f"split not in ('{name}', 'test')", lambda row: not {name, "test"} & set(row.split))),
        numbers.map(lambda e: (f"{e[0]} is null", lambda row: e[1](row) is None)),
        words.map(
            lambda word: (
                "note contains '" + word.replace("'", "''") + "'",
                lambda row: word.lower() in row.note.lower(),
            )
        ),
        st.sampled_from(["good", "drop"]).map(lambda v: (f"verdict in ('{v}')", lambda row: row.verdict == v)),
        st.just(attribute("flagged")),
        st.just(("split", lambda row: bool(row.split))),
    ),
    lambda inner: st.one_of(
        inner.map(lambda e: (f"not ({e[0]})", negate(e[1]))),
        st.tuples(inner, inner).map(lambda t: (f"({t[0][0]} and {t[1][0]})", conjunction(t[0][1], t[1][1]))),
        st.tuples(inner, inner).map(lambda t: (f"(({t[0][0]}) OR ({t[1][0]}))", disjunction(t[0][1], t[1][1]))),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TileIndex]:
    root = tmp_path_factory.mktemp("rows")
    entries = [entry_of(root, f"tile_{place}", splits=row.split) for place, row in enumerate(ROWS)]
    index = TileIndex.open(None, dataset_at(root), FakeAdapter(entries))
    index.build()
    index.record(
        Measurement(entry.id, NDSM, FileState.OK, minimum=row.ndsm_min, maximum=row.ndsm_max)
        for entry, row in zip(entries, ROWS, strict=True)
    )
    index.load_reviews(
        {entry.id: Decision(Verdict(row.verdict), note=row.note) for entry, row in zip(entries, ROWS, strict=True)}
    )
    yield index
    index.close()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(expression=conditions)
def test_a_filter_agrees_with_plain_python(expression: Expression, rows: TileIndex) -> None:
    text, judge = expression
    assert rows.select(text).tolist() == [place for place, row in enumerate(ROWS) if judge(row) is True]


@settings(deadline=None, max_examples=100)
@given(text=st.text())
def test_whatever_is_typed_is_a_filter_or_a_filter_error(text: str, rows: TileIndex) -> None:
    for condition in (text, f"note = '{text}'", f'note like "{text}"'):
        with contextlib.suppress(FilterError):
            assert rows.select(condition).size <= len(ROWS)


# Decisions and measurements


def test_a_decision_is_seen_by_the_next_filter(town: TileIndex) -> None:
    assert town.select("verdict = 'drop'").tolist() == [1, 3]
    town.set_review(TileId("north/a_2"), Decision())
    town.set_review(TileId("north/b_3"), Decision(Verdict.GOOD))
    town.set_review(TileId("north/b_3"), Decision(Verdict.DROP, ("a\x1fb", "ü"), note="\udcfc\x00"))
    assert town.select("verdict = 'drop'").tolist() == [2, 3]
    assert town.select("tag = 'ü'").tolist() == [2]
    town.load_reviews({TileId("south/c_9"): Decision(Verdict.DROP)})
    assert town.select("verdict = 'drop' or flagged").tolist() == [5]


def test_decisions_stay_with_their_tiles_when_the_index_is_built_again(
    root: Path, opened: Callable[..., TileIndex]
) -> None:
    adapter = FakeAdapter(numbered(root, 3))
    index = opened([], None, adapter)
    index.build()
    index.load_reviews({TileId("tile_1"): Decision(Verdict.DROP), TileId("tile_9"): Decision(Verdict.DROP)})
    assert index.select("flagged").tolist() == [1]
    adapter.entries = [entry_of(root, f"tile_{number}") for number in (9, 0, 5, 1)]
    index.build()
    assert index.select("flagged").tolist() == [0, 3]


def test_decisions_never_get_into_the_file(root: Path, opened: Callable[..., TileIndex]) -> None:
    path = root.parent / "index.duckdb"
    index = opened(numbered(root, 3), path)
    index.build()
    index.load_reviews({TileId("tile_1"): Decision(Verdict.DROP, note="a-note-that-is-private")})
    assert index.select("note like 'a-note%'").tolist() == [1]
    index.close()
    for file in path.parent.glob("index.duckdb*"):
        assert b"a-note-that-is-private" not in file.read_bytes()
    assert opened([], path).select("reviewed").size == 0


def test_measurements_are_kept_with_the_file_and_replaced_by_newer_ones(
    root: Path, opened: Callable[..., TileIndex]
) -> None:
    path = root.parent / "index.duckdb"
    index = opened(numbered(root, 3), path)
    index.build()
    tile, other, stranger = TileId("tile_1"), TileId("tile_2"), TileId("stranger")
    spoilt = Measurement(tile, NDSM, FileState.UNREADABLE, "truncated \udcfc")
    good = replace(spoilt, state=FileState.OK, message="", minimum=float("nan"), maximum=float("inf"), mean=1.5)
    index.record([spoilt, good, replace(good, tile=other, maximum=7), replace(good, tile=stranger)])
    index.close()
    index = opened([], path)
    assert index.is_fresh()
    assert index.select("ndsm_mean = 1.5 and ndsm_min is null and ndsm_message is null").tolist() == [1, 2]
    assert index.select("ndsm_max > 7").tolist() == [1]
    assert index.select("ndsm_max - ndsm_max = 0").tolist() == [2]
    index.record([spoilt])
    assert index.select("unreadable = 'ndsm' and ndsm_message contains 'truncated'").tolist() == [1]
    assert index.select("ndsm_max > 7").tolist() == []


def test_more_measurements_than_a_batch_are_all_kept(
    root: Path, opened: Callable[..., TileIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_BATCH", 7)
    index = opened(numbered(root, 50))
    index.build()
    index.record(Measurement(entry.id, IMAGE, FileState.OK, width=9) for entry in index.first_page())
    assert index.select("width = 9").size == 50
    assert len(index.entries(range(49, -1, -1))) == 50

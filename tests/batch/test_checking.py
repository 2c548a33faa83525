"""Checks over a dataset: every tile is examined once, whatever a tile or a check does."""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.batch import checking
from rsviewer.batch.checking import Checked, Confirmer, changed_tiles, check_all, evidence, examine
from rsviewer.batch.crew import Crew, Here, Processes
from rsviewer.core.checks.check import Check, Evidence, Sign, Topic
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import Examined, Note
from rsviewer.core.errors import StoppedError
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.indexchecks import Judged

Write = Callable[..., None]
IMAGE = LayerId("image")


def brightness(subject: Subject) -> Iterator[Sign]:
    """The mean of the red band, and the whole tile as evidence."""
    for spec in subject.rasters():
        if spec.id == IMAGE:
            score = float(subject.raster(IMAGE).pixels[0].mean())
            found = Evidence(IMAGE, boxes=((0.0, 0.0, 1.0, 1.0),)) if subject.wants_evidence else None
            yield Sign(score, f"it is {score:.0f} bright", IMAGE, found)


def picky(subject: Subject) -> Iterable[Sign]:
    """Has a fault on tile 2."""
    if subject.tile == "2":
        raise ZeroDivisionError("by nothing")
    return [Sign(float("nan"), "nobody knows"), Sign(0.0, "fine")]


def deadly(subject: Subject) -> Iterable[Sign]:
    """Ends the process on tile 3."""
    if subject.tile == "3":
        os.kill(os.getpid(), signal.SIGSEGV)
    return []


def make(run: Callable[[Subject], Iterable[Sign]] | None) -> Check:
    name = run.__name__ if run else "crowded"
    return Check(name, name, Topic.FILES, "", "It is.", "other", 20.0, "It just is.", run=run)


BRIGHT, PICKY, DEADLY, CROWD = make(brightness), make(picky), make(deadly), make(None)


class Book:
    """What the index remembers of checks."""

    def __init__(self, tiles: Sequence[TileId]) -> None:
        self.tiles = tiles
        self.filed: dict[TileId, Examined] = {}
        self.records = 0
        self.judgements: list[tuple[int, bool]] = []

    def record(self, examined: Iterable[Examined]) -> None:
        self.records += 1
        self.filed |= {each.tile: each for each in examined}

    def states(self) -> np.ndarray:
        return np.array([self.filed[tile].state if tile in self.filed else 0 for tile in self.tiles], np.uint64)

    def known(self, checks: Sequence[str]) -> np.ndarray:
        return np.array([tile in self.filed for tile in self.tiles])

    def judge(
        self,
        refuted: Mapping[TileId, Sequence[str]],
        confirm: object = None,
        stop: Callable[[], bool] = lambda: False,
        *,
        dropped: Iterable[TileId] = (),
    ) -> Judged:
        if stop():
            raise StoppedError("Judging was stopped.")
        self.judgements.append((len(self.filed), confirm is not None))
        return Judged(len(self.filed), 0, {})


class Indexed:
    """An index whose memory of checks is a `Book`."""

    def __init__(self, index: TileIndex) -> None:
        self._index = index
        self.book = Book([entry.id for entry in index.entries(range(len(index)))])

    @property
    def checks(self) -> Book:
        return self.book

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def __len__(self) -> int:
        return len(self._index)


class Bench:
    """Five tiles: the image of tile n is 10 n bright, with the same faint pattern in 1 and 2."""

    def __init__(self, folder: Path, write: Write) -> None:
        noise = np.random.default_rng(1)
        pattern = noise.integers(0, 8, (64, 64))
        for number in range(1, 6):
            if number > 2:
                pattern = noise.integers(0, 8, (64, 64))
            image = np.stack([np.full((64, 64), 10 * number), pattern + number, pattern])
            write(folder / "data" / "opt" / f"{number}.tif", image.astype(np.uint8))
            write(folder / "data" / "gt_nDSM" / f"{number}.tif", np.full((64, 64), 1, np.float32))
        self.dataset, adapter = open_dataset(folder / "data", "synrs3d")
        self.real = TileIndex.open(None, self.dataset, adapter)
        self.real.build()
        self.index = Indexed(self.real)
        self.entries = self.real.entries(range(5))

    def check(self, *checks: Check, crew: Crew | None = None, **options: Any) -> Checked:
        chosen = checks or (BRIGHT,)
        crew = crew or Here()
        return check_all(self.dataset, self.index, checks=chosen, crew=crew, refuted={}, **options)  # type: ignore[arg-type]

    @property
    def scores(self) -> dict[str, float | None]:
        return {tile: each.scores.get("brightness") for tile, each in self.index.book.filed.items()}


@pytest.fixture
def bench(tmp_path: Path, write: Write) -> Iterator[Bench]:
    bench = Bench(tmp_path, write)
    yield bench
    bench.real.close()


def test_every_tile_is_examined_filed_and_judged(bench: Bench) -> None:
    seen: list[tuple[int, int | None]] = []
    checked = bench.check(progress=lambda done, total: seen.append((done, total)))

    assert bench.scores == {str(number): 10.0 * number for number in range(1, 6)}
    assert seen == [(done, 5) for done in range(6)]
    assert (checked.tiles, checked.known, checked.failed) == (5, 0, ())
    assert set(checked.milliseconds) == {"brightness"}
    assert bench.index.book.judgements == [(5, True)], "once, and duplicates are looked at"


def test_words_are_kept_where_they_are_worth_a_thought(bench: Bench) -> None:
    bench.check()
    notes = {tile: each.notes.get("brightness") for tile, each in bench.index.book.filed.items()}
    assert notes == {
        "1": Note("it is 10 bright", IMAGE),
        **{str(number): Note(f"it is {10 * number} bright", IMAGE) for number in range(2, 6)},
    }
    low = examine(bench.entries[0], bench.dataset, [Check(**{**_fields(BRIGHT), "least": 100.0})])
    assert (low.scores, low.notes) == ({"brightness": 10.0}, {})


def test_called_again_it_goes_on_and_begins_anew_only_when_asked(bench: Bench) -> None:
    bench.check(entries=bench.entries[:2])
    assert set(bench.scores) == {"1", "2"}
    assert (again := bench.check()).known == 2
    assert again.tiles == 5
    assert bench.check().known == 5
    assert bench.check(entries=np.array([4, 0]), overwrite=True).known == 0


def test_files_that_have_changed_are_noticed_when_asked_and_only_these_are_examined_again(bench: Bench) -> None:
    bench.check(crew=Processes(1))
    everywhere = np.arange(5)

    def changed(**options: Any) -> list[int]:
        return changed_tiles(bench.dataset, bench.index, everywhere, **options).tolist()  # type: ignore[arg-type]

    assert changed() == []
    touched, broken = (Path(bench.entries[k].files[IMAGE]) for k in (1, 4))
    os.utime(touched, ns=(7, 7))
    broken.write_bytes(b"II*\0broken")
    assert changed() == [1, 4]
    assert bench.check().known == 5, "nobody asked"

    checked = bench.check(changed=np.array(changed()))
    assert (checked.known, checked.changed) == (3, 2)
    assert bench.scores == {"1": 10.0, "2": 20.0, "3": 30.0, "4": 40.0, "5": None}
    assert changed() == []

    touched.unlink()
    assert changed() == [1]
    with pytest.raises(StoppedError):
        changed(stop=lambda: True)
    seen: list[tuple[int, int | None]] = []
    changed(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(5, 5)]


def test_what_was_examined_by_an_older_version_counts_as_changed(bench: Bench) -> None:
    bench.index.book.record([Examined(TileId("1"))])
    assert changed_tiles(bench.dataset, bench.index, np.array([0])).tolist() == [0]  # type: ignore[arg-type]


def test_interrupted_it_keeps_what_it_has(bench: Bench) -> None:
    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.check(progress=stop)
    assert set(bench.scores) == {"1", "2", "3"}


def test_stopped_while_the_dataset_is_judged_it_keeps_what_it_has(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "JUDGED_AFTER", 0.0)
    with pytest.raises(StoppedError):  # in the middle
        bench.check(stop=lambda: bool(bench.scores), arrived=lambda _: None)
    assert set(bench.scores) == {"1"}
    assert bench.index.book.judgements == []

    with pytest.raises(StoppedError):  # at the end
        bench.check(stop=lambda: len(bench.scores) == 5)
    assert bench.index.book.judgements == []
    assert bench.check().judged.tiles == 5


def test_a_fault_in_a_check_costs_that_check_on_that_tile(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    checked = bench.check(PICKY, BRIGHT)

    filed = bench.index.book.filed
    assert [tile for tile, each in filed.items() if "picky" not in each.scores] == ["2"]
    assert filed[TileId("2")].notes["picky"].message.startswith("the check has a fault (ZeroDivisionError: by nothing)")
    assert filed[TileId("2")].scores == {"brightness": 20.0}
    assert filed[TileId("1")].scores["picky"] == 0.0, "a score that is no number is none"
    assert checked.failed == ()
    (fault,) = checked.faults
    assert (fault.check, fault.tiles, fault.first) == ("picky", 1, "2")
    assert "by nothing" in fault.message
    assert [record.levelname for record in caplog.records] == ["ERROR"], "our bugs are in the log"
    caplog.clear()


def test_what_a_tile_is_like_may_be_untold(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(subject: Subject) -> dict[str, float]:
        raise ValueError("no\nluck" + "!" * 500)

    monkeypatch.setattr(checking, "traits_of", broken)
    checked = bench.check(BRIGHT, CROWD)

    assert bench.scores == {str(number): 10.0 * number for number in range(1, 6)}, "other checks are as before"
    assert [(fault.check, fault.tiles) for fault in checked.faults] == [("crowded", 5)]
    assert "ValueError: no luck!" in checked.faults[0].message
    assert len(checked.faults[0].message) < 200
    caplog.clear()


def test_suspicions_come_while_the_work_is_under_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "JUDGED_AFTER", 0.0)
    monkeypatch.setattr(checking, "SHARE_OF_JUDGING", 1e9)
    arrived: list[int] = []
    bench.check(arrived=lambda judged: arrived.append(judged.tiles))

    assert arrived == [1, 2, 3, 4, 5, 5]
    assert [confirms for _, confirms in bench.index.book.judgements] == [False] * 5 + [True], (
        "provisional ones are quick"
    )


def test_a_tile_that_ends_its_reader_is_reported_and_the_others_are_as_here(bench: Bench) -> None:
    bench.check(BRIGHT, PICKY, entries=[bench.entries[k] for k in (0, 2, 3, 4)])
    here = dict(bench.index.book.filed)
    bench.index.book.filed.clear()

    checked = bench.check(BRIGHT, DEADLY, crew=Processes(2))

    assert [failure.tile for failure in checked.failed] == ["3"]
    lost = bench.index.book.filed[TileId("3")]
    assert lost.failed == "It ended the process that worked on it (SIGSEGV)."
    assert (lost.scores, lost.notes) == ({"unreadable": 1.0}, {"unreadable": Note(lost.failed)})
    for tile in "145":
        there = bench.index.book.filed[TileId(tile)]
        assert there.scores["brightness"] == here[TileId(tile)].scores["brightness"]
    assert checked.tiles == 5


def test_the_dataset_is_told_what_tiles_are_like_where_it_is_asked(bench: Bench) -> None:
    alone = examine(bench.entries[0], bench.dataset, [BRIGHT])
    assert alone.traits == {}
    together = examine(bench.entries[0], bench.dataset, [BRIGHT, CROWD])
    assert {"west", "south", "east", "north", "digest", "phash"} <= set(together.traits)
    assert together.traits["west"] == pytest.approx(9.0, abs=0.01), "the middle of UTM zone 32"
    assert set(together.milliseconds) == {"brightness", "crowded"}, "so that the tile counts as known"


def test_evidence_is_found_when_somebody_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "BY_ID", {"brightness": BRIGHT, "picky": PICKY, "crowded": CROWD})
    found = evidence(bench.entries[0], bench.dataset, "brightness")
    assert found is not None
    assert found.boxes == ((0.0, 0.0, 1.0, 1.0),)
    assert [evidence(bench.entries[0], bench.dataset, name) for name in ("picky", "crowded", "unheard-of")] == [
        None
    ] * 3


def test_pictures_that_are_the_same_but_for_their_brightness_are_alike(bench: Bench) -> None:
    confirm = Confirmer(bench.dataset, bench.real)
    one, other, itself = confirm([(0, 1), (3, 4), (2, 2)])
    assert one > 0.95
    assert other < 0.3
    assert itself == 1.0
    (Path(bench.entries[0].files[IMAGE])).write_bytes(b"II*\0broken")
    assert Confirmer(bench.dataset, bench.real)([(0, 1)]) == [0.0]


def test_nobody_waits_for_thousands_of_pictures_that_are_compared(bench: Bench) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(StoppedError):
        Confirmer(bench.dataset, bench.real, stop)([(0, 1)] * 10_000)
    assert len(asked) == 4


def _fields(check: Check) -> dict[str, Any]:
    return {name: getattr(check, name) for name in Check.__slots__}


@pytest.fixture(autouse=True)
def _quiet_log() -> None:
    logging.getLogger("rsviewer").setLevel(logging.INFO)

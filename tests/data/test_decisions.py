import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rsviewer.data.decisions as module
from rsviewer.core.errors import ConflictError, DamagedError, ProjectError, SaveError
from rsviewer.core.review import Decision, Edit, Region, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore, on_local_disk, put_aside

A, B = TileId("grid/a"), TileId("grid/b")
NOTHING = Decision()
GOOD = Decision(Verdict.GOOD, reviewer="Ann", time="2026-11-02T10:00:00+01:00")
DROP = Decision(Verdict.DROP, ("cloud", "void"), reviewer="Bob", time="2026-11-02T10:01:00+01:00")
FULL = Decision(
    Verdict.DROP,
    ("cloud",),
    (Region("cloud", ((0.1, 2), (512, 3.75))), Region("other", ((0, 0), (9, 0), (9, 9)))),
    'naïve "note"\n\x00\u2028 \udcfc',
    "Ö'; DROP TABLE log; --\udcfc",
    "2026-11-02T10:02:00+01:00",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[DecisionStore]:
    with DecisionStore.open(path) as opened:
        yield opened


def reopened(path: Path) -> dict[TileId, Decision]:
    with DecisionStore.open(path) as store:
        return store.all()


def script(path: Path, statement: str, *values: object) -> None:
    """Does to the file what no rsviewer would do."""
    connection = sqlite3.connect(path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_what_was_applied_is_there_after_opening_again(path: Path, store: DecisionStore) -> None:
    odd = TileId("Ärea '1'\x00/tile \U0001f6f0")
    store.apply(Edit(A, NOTHING, GOOD))
    store.apply(Edit(A, GOOD, DROP))
    store.apply(Edit(odd, NOTHING, FULL))
    store.close()

    assert reopened(path) == {A: DROP, odd: FULL}
    with DecisionStore.open(path) as again:
        assert (again.get(A), again.get(odd), again.get(B)) == (DROP, FULL, NOTHING)


def test_every_edit_leaves_a_line_in_the_log(store: DecisionStore) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    store.apply(Edit(A, GOOD, NOTHING), "undo", reviewer="Cid")

    first, second = store.log()
    assert (first.edit, first.kind, first.reviewer) == (Edit(A, NOTHING, GOOD), "edit", "Ann")
    assert (second.edit, second.kind, second.reviewer) == (Edit(A, GOOD, NOTHING), "undo", "Cid")
    assert first.time.endswith("+00:00")
    assert [line.id for line in store.log(since=first.id)] == [second.id]


@pytest.mark.parametrize("statement", ["DELETE FROM log", "UPDATE log SET tile = 'x'"])
def test_the_log_cannot_be_rewritten(path: Path, store: DecisionStore, statement: str) -> None:
    store.apply(Edit(A, NOTHING, GOOD))

    with pytest.raises(sqlite3.IntegrityError, match="append only"):
        store._connection.execute(statement)


decisions = st.builds(
    Decision,
    verdict=st.sampled_from(Verdict),
    tags=st.sets(st.sampled_from(["cloud", "void", "Öl"])).map(lambda tags: tuple(sorted(tags))),
    regions=st.lists(
        st.builds(
            Region,
            st.text(max_size=3),
            st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=2, max_size=4).map(
                tuple
            ),
        ),
        max_size=2,
    ).map(tuple),
    note=st.text(max_size=5),
    reviewer=st.text(max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([A, B]), decisions), max_size=12), st.integers(0, 12))
def test_undo_and_redo_from_the_log_lead_back_and_forth(steps: list[tuple[TileId, Decision]], backs: int) -> None:
    with DecisionStore.open(Path(":none:"), read_only=True) as store:
        store.read_only = False
        store._connection.execute("PRAGMA query_only = OFF")
        states = [store.all()]
        for tile, after in steps:
            before = store.get(tile)
            if before != after:
                store.apply(Edit(tile, before, after))
                states.append(store.all())
        for expected in list(reversed(states[:-1]))[:backs]:
            store.apply(store.history().done[-1].inverse(), "undo")
            assert store.all() == expected
        backs = min(backs, len(states) - 1)
        assert len(store.history().done) == len(states) - 1 - backs
        for expected in states[len(states) - backs :]:
            store.apply(store.history().undone[-1], "redo")
            assert store.all() == expected
        assert store.history().undone == ()


def test_undo_reaches_back_into_earlier_sessions(path: Path, store: DecisionStore) -> None:
    edits = [Edit(TileId(f"{number}"), NOTHING, GOOD) for number in range(40)]
    for edit in edits:
        store.apply(edit)
    for edit in reversed(edits[10:]):
        store.apply(edit.inverse(), "undo")
    store.apply(edits[10], "redo")
    store.close()

    with DecisionStore.open(path) as again:
        assert again.history().done == tuple(edits[:11])
        assert again.history().undone == tuple(reversed(edits[11:]))
        assert again.history(limit=3).done == tuple(edits[8:11])


def test_edits_of_one_step_are_still_one_step_in_the_next_session(path: Path, store: DecisionStore) -> None:
    alone = Edit(TileId("alone"), NOTHING, GOOD)
    step = [Edit(TileId(f"{number}"), NOTHING, DROP, joined=number > 0) for number in range(5)]
    store.apply(alone)
    store.apply_all(step)
    store.close()

    with DecisionStore.open(path) as again:
        assert again.history().done == (alone, *step)
        assert again.history(limit=2).done == tuple(step), "a step is never cut"
        again.apply_all([edit.inverse() for edit in reversed(step)], "undo")
        assert again.history().done == (alone,)
        assert again.history().undone == tuple(reversed(step))
        again.apply_all(step, "redo")
        assert again.history().done == (alone, *step)
        assert [line.kind for line in again.log()] == ["edit"] * 6 + ["undo"] * 5 + ["redo"] * 5


def test_what_was_refuted_is_there_after_opening_again(path: Path, store: DecisionStore) -> None:
    refuted = Decision(Verdict.GOOD, refuted=("spikes",), reviewer="Ann")
    store.apply(Edit(A, NOTHING, refuted))
    store.apply(Edit(A, refuted, GOOD))

    assert reopened(path) == {A: GOOD}


def test_a_new_edit_ends_what_could_be_done_again(store: DecisionStore) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    store.apply(Edit(A, GOOD, NOTHING), "undo")
    store.apply(Edit(B, NOTHING, DROP))

    assert store.history().done == (Edit(B, NOTHING, DROP),)
    assert store.history().undone == ()


def test_a_decision_somebody_else_changed_is_not_overwritten(path: Path, store: DecisionStore) -> None:
    with DecisionStore.open(path) as other:
        other.apply(Edit(A, NOTHING, DROP))

    with pytest.raises(ConflictError, match=r"Bob has changed the decision about grid/a"):
        store.apply(Edit(A, NOTHING, GOOD))

    assert store.get(A) == DROP


def test_a_save_tried_again_is_written_once(store: DecisionStore) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    store.apply(Edit(A, NOTHING, GOOD))

    assert len(list(store.log())) == 1


def test_many_edits_are_written_all_or_none(store: DecisionStore) -> None:
    with pytest.raises(ConflictError):
        store.apply_all([Edit(A, NOTHING, GOOD), Edit(B, DROP, GOOD)])

    assert store.all() == {}
    assert list(store.log()) == []


def test_verdicts_are_counted(store: DecisionStore) -> None:
    store.apply_all([Edit(TileId(f"{number}"), NOTHING, GOOD if number % 3 else DROP) for number in range(9)])
    store.apply(Edit(A, NOTHING, Decision(note="?")))

    assert store.counts() == {Verdict.GOOD: 6, Verdict.DROP: 3, Verdict.UNDECIDED: 1}


def test_a_decision_that_could_not_be_read_again_is_never_written(store: DecisionStore) -> None:
    broken = Decision(regions=(Region("cloud", ((0, 0),)),))

    with pytest.raises(ValueError, match="fewer than two points"):
        store.apply(Edit(A, NOTHING, broken))

    assert store.all() == {}


# --- where it lies


def test_a_worker_may_read_everything_while_edits_go_on(store: DecisionStore) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    seen: list[dict[TileId, Decision]] = []

    worker = threading.Thread(target=lambda: seen.append(store.all()))
    worker.start()
    worker.join()

    assert seen == [{A: GOOD}]


def test_a_second_window_reads_what_the_first_one_writes(path: Path, store: DecisionStore) -> None:
    with DecisionStore.open(path, read_only=True) as second:
        store.apply(Edit(A, NOTHING, GOOD))

        assert second.get(A) == GOOD
        with pytest.raises(SaveError, match="reading only"):
            second.apply(Edit(A, GOOD, DROP))


def test_reading_a_project_without_decisions_makes_no_file(path: Path) -> None:
    with DecisionStore.open(path, read_only=True) as store:
        assert store.all() == {}
        assert store.get(A) == NOTHING
        assert store.history().done == ()

    assert not path.exists()


def test_the_journal_fits_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def journal() -> str:
        with DecisionStore.open(path) as store:
            store.apply(Edit(A, store.get(A), GOOD))
            assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
            return store._connection.execute("PRAGMA journal_mode").fetchone()[0]

    monkeypatch.setattr(module, "on_local_disk", lambda path: True)
    assert journal() == "wal"
    monkeypatch.setattr(module, "on_local_disk", lambda path: False)
    assert journal() == "delete"
    assert reopened(path) == {A: GOOD}


Mount = namedtuple("Mount", "mountpoint fstype opts")


@pytest.mark.parametrize(
    ("mounts", "local"),
    [
        ([Mount("/", "ext4", "rw")], True),
        ([Mount("/", "ext4", "rw"), Mount("/home", "nfs4", "rw")], False),
        ([Mount("/home", "nfs4", "rw"), Mount("/home/ann", "xfs", "rw"), Mount("/", "ext4", "rw")], True),
        ([Mount("/", "ext4", "rw"), Mount("/home/ann", "autofs", "rw"), Mount("/home/ann", "nfs", "rw")], False),
        ([Mount("/", "ext4", "rw"), Mount("/home/an", "nfs", "rw")], True),
        ([Mount("/", "fuse.sshfs", "rw")], False),
        ([Mount("/", "NTFS", "rw,remote")], False),
        ([], False),
    ],
)
def test_a_disk_is_local_only_where_that_is_known(
    mounts: list[Mount], local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: mounts)
    assert on_local_disk(Path("/home/ann/project/decisions.sqlite")) is local


# --- what goes wrong


def test_a_full_disk_is_said_and_room_heals_it(path: Path, store: DecisionStore) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    long = replace(DROP, note="x" * 10_000)

    with pytest.raises(SaveError, match=r"decisions\.sqlite: the disk is full\. It is kept in memory"):
        store.apply(Edit(B, NOTHING, long))

    assert reopened(path) == {A: GOOD}
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.apply(Edit(B, NOTHING, long))
    assert reopened(path) == {A: GOOD, B: long}


class FailingConnection:
    """A connection whose next `statement` fails as the disk would, before or after it was done."""

    def __init__(self, inner: sqlite3.Connection, statement: str, code: int, *, done: bool = False) -> None:
        self.inner, self.statement, self.code, self.done = inner, statement, code, done

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if statement.startswith(self.statement):
            self.statement = "never again"
            if self.done:
                self.inner.execute(statement, *values)
            error = sqlite3.OperationalError("as the disk says")
            error.sqlite_errorcode = self.code
            raise error
        return self.inner.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT OR REPLACE", "INSERT INTO log", "COMMIT"])
@pytest.mark.parametrize(
    ("code", "why"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, "the disk reported an error"),
        (sqlite3.SQLITE_READONLY, "read-only"),
        (sqlite3.SQLITE_BUSY, "another program is using it"),
        (sqlite3.SQLITE_FULL, "the disk is full"),
    ],
)
def test_a_failed_save_changes_nothing_and_may_be_tried_again(
    path: Path, store: DecisionStore, statement: str, code: int, why: str
) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    whole = store._connection
    store._connection = FailingConnection(whole, statement, code)  # type: ignore[assignment]

    with pytest.raises(SaveError, match=why):
        store.apply(Edit(A, GOOD, DROP))

    assert reopened(path) == {A: GOOD}
    assert len(list(store.log())) == 1
    store.apply(Edit(A, GOOD, DROP))
    assert reopened(path) == {A: DROP}


def test_a_save_that_failed_after_it_was_done_may_be_tried_again(path: Path, store: DecisionStore) -> None:
    store._connection = FailingConnection(store._connection, "COMMIT", sqlite3.SQLITE_IOERR, done=True)  # type: ignore[assignment]
    with pytest.raises(SaveError):
        store.apply(Edit(A, NOTHING, GOOD))

    store.apply(Edit(A, NOTHING, GOOD))
    store.apply(Edit(A, GOOD, DROP))

    assert reopened(path) == {A: DROP}
    assert [line.edit.after for line in store.log()] == [GOOD, DROP]


@pytest.mark.parametrize("replacement", [None, b"something else"])
def test_nothing_counts_as_saved_in_a_file_that_was_deleted_or_replaced(
    path: Path, store: DecisionStore, replacement: bytes | None
) -> None:
    path.rename(path.with_name("elsewhere"))
    if replacement is not None:
        path.write_bytes(replacement)

    with pytest.raises(SaveError, match="deleted or replaced"):
        store.apply(Edit(A, NOTHING, GOOD))


def test_decisions_that_cannot_be_saved_here_are_saved_elsewhere(
    path: Path, store: DecisionStore, tmp_path: Path
) -> None:
    store.apply(Edit(A, NOTHING, GOOD))
    store._connection = FailingConnection(store._connection, "COMMIT", sqlite3.SQLITE_FULL)  # type: ignore[assignment]
    with pytest.raises(SaveError):
        store.apply(Edit(A, GOOD, DROP))
    other = tmp_path / "rescued.sqlite"

    store.save_elsewhere(
        other, [(Edit(A, GOOD, DROP), "edit"), (Edit(A, DROP, GOOD), "undo"), (Edit(B, NOTHING, FULL), "edit")]
    )

    assert sorted(each.name for each in tmp_path.iterdir() if "rescued" in each.name) == ["rescued.sqlite"]
    assert reopened(other) == {A: GOOD, B: FULL}
    assert reopened(path) == {A: GOOD}
    with DecisionStore.open(other) as rescued:
        assert [line.kind for line in rescued.log()] == ["edit", "edit", "undo", "edit"]


def test_saving_elsewhere_overwrites_nothing(store: DecisionStore, tmp_path: Path) -> None:
    other = tmp_path / "mine.sqlite"
    other.write_text("mine")

    with pytest.raises(SaveError, match="exists already"):
        store.save_elsewhere(other)
    with pytest.raises(SaveError, match="could not be saved"):
        store.save_elsewhere(tmp_path / "no such folder" / "x.sqlite")

    assert other.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_real_write_error_leaves_every_saved_decision(path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from rsviewer.core.errors import SaveError
from rsviewer.core.review import Decision, Edit, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore
store = DecisionStore.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(1000):
    try:
        store.apply(Edit(TileId(str(number)), Decision(), Decision(Verdict.DROP, note="x" * 3000)))
    except SaveError as error:
        print(error)
        break
    print(number)
"""
    *saved, sentence = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert "could not be saved" in sentence
    assert saved
    assert reopened(path).keys() == set(saved)


def test_a_file_without_write_permission_is_said_when_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DecisionStore.open(path) as store:
        store.apply(Edit(A, NOTHING, GOOD))
    connect = sqlite3.connect

    def read_only(place: object, **options: object) -> sqlite3.Connection:
        return connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)

    monkeypatch.setattr(module.sqlite3, "connect", read_only)
    with pytest.raises(ProjectError, match=r"read-only.*--project"):
        DecisionStore.open(path)


def test_a_file_on_a_read_only_disk_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DecisionStore.open(path) as store:
        store.apply(Edit(A, NOTHING, GOOD))
    connect = sqlite3.connect

    def no_shared_memory(place: object, **options: object) -> object:
        if options.get("uri"):
            return connect(str(place), **options)  # type: ignore[call-overload]
        return FailingConnection(connect(str(place)), "SELECT count", sqlite3.SQLITE_CANTOPEN)

    monkeypatch.setattr(module.sqlite3, "connect", no_shared_memory)
    with DecisionStore.open(path, read_only=True) as store:
        assert store.all() == {A: GOOD}

    Path(f"{path}-wal").write_bytes(b"changes that a copy without the log would not have")
    with pytest.raises(ProjectError, match="cannot be opened"):
        DecisionStore.open(path, read_only=True)


# --- files that are not ours, or no longer


def scramble(raw: bytes) -> bytes:
    return raw[:4096] + bytes(value ^ 0xA5 for value in raw[4096:8192]) + raw[8192:]


@pytest.mark.parametrize("spoil", [lambda raw: b"no database at all, but text", scramble, lambda raw: raw[:5000]])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_file_is_named_and_left_as_it_is(
    path: Path, spoil: Callable[[bytes], bytes], read_only: bool
) -> None:
    with DecisionStore.open(path) as store:
        store.apply_all([Edit(TileId(str(number)), NOTHING, FULL) for number in range(100)])
    damaged = spoil(path.read_bytes())
    path.write_bytes(damaged)

    with pytest.raises(DamagedError, match=r"decisions\.sqlite.*Nothing was changed"):
        DecisionStore.open(path, read_only=read_only)

    assert path.read_bytes() == damaged
    aside = put_aside(path)
    assert aside.read_bytes() == damaged
    assert reopened(path) == {}
    assert put_aside(path) != aside


def test_a_newer_file_is_not_touched(path: Path) -> None:
    DecisionStore.open(path).close()
    script(path, "PRAGMA user_version = 99")
    before = path.read_bytes()

    with pytest.raises(ProjectError, match="newer rsviewer"):
        DecisionStore.open(path)

    assert path.read_bytes() == before


def test_the_database_of_another_program_is_not_touched(path: Path) -> None:
    script(path, "CREATE TABLE passwords (site TEXT)")
    before = path.read_bytes()

    with pytest.raises(DamagedError, match="another program"):
        DecisionStore.open(path)

    assert path.read_bytes() == before


def test_an_empty_file_left_by_a_crash_is_a_fresh_start(path: Path) -> None:
    path.touch()

    assert reopened(path) == {}


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("excellent", "{}"),
        ("good", "[]"),
        ("good", "{"),
        ("good", '{"note": 7}'),
        ("good", '{"tags": "cloud"}'),
        ("good", '{"tags": [["cloud"]]}'),
        ("good", '{"regions": [{"tag": "cloud", "points": [[0, 0]]}]}'),
        ("good", '{"regions": [{"tag": "cloud", "points": [[0, 0], [NaN, 1]]}]}'),
        ("good", '{"regions": [{"tag": "cloud", "points": [[0, 0], [1, 1, 1]]}]}'),
        ("good", '{"__class__": "os.system"}'),
        ("good", "[" * 100_000),
        ("good", '{"regions": [{"tag": "c", "points": [[0, 0], [1' + "0" * 400 + ", 1]]}]}"),
        (b"good", "{}"),
        ("good", b"\xff"),
        (7, "{}"),
    ],
)
def test_nonsense_in_a_row_is_named_and_never_believed(path: Path, verdict: object, said: object) -> None:
    with DecisionStore.open(path) as store:
        store.apply(Edit(B, NOTHING, GOOD))
    script(path, "INSERT INTO decisions VALUES (?, ?, '', ?)", A, verdict, said)

    with DecisionStore.open(path) as store:
        with pytest.raises(DamagedError, match="about grid/a"):
            store.get(A)
        with pytest.raises(DamagedError, match="about grid/a"):
            store.all()
        with pytest.raises(SaveError, match="about grid/a"):
            store.apply(Edit(A, NOTHING, GOOD))
        assert store.get(B) == GOOD


def test_nonsense_in_the_log_is_named(path: Path) -> None:
    DecisionStore.open(path).close()
    script(path, "INSERT INTO log VALUES (1, 'a', '{}', '{}', 'format disk', '', '')")

    with DecisionStore.open(path) as store, pytest.raises(DamagedError, match="line 1 of its log"):
        store.history()


# --- kill -9

NURSERY = """
import os, sys
from pathlib import Path
from rsviewer.core.review import Decision, Edit, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore

def review(path, start):
    print("pid", os.getpid(), flush=True)
    store = DecisionStore.open(Path(path))
    for number in range(start, start + 1_000_000):
        tile = TileId(f"tile-{number % 50}")
        store.apply(Edit(tile, store.get(tile), Decision(Verdict.DROP, note=f"{number} " + "x" * (number * 37 % 3000))))
        os.write(1, b"%d\\n" % number)

for line in sys.stdin:
    path, start = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        review(path, int(start))
    os.waitpid(child, 0)
    print("dead", flush=True)
"""
"""Starts a reviewer at each line of its input, and waits until somebody kills it. Imports are paid once."""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("local", [True, False], ids=["write-ahead log", "rollback journal"])
def test_no_kill_at_any_moment_loses_a_decision_that_was_saved(path: Path, local: bool) -> None:
    preamble = f"import rsviewer.data.decisions as module; module.on_local_disk = lambda path: {local}\n"
    chance = random.Random(7)
    saved: list[int] = []
    kills = 20
    with subprocess.Popen(
        [sys.executable, "-c", preamble + NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for _ in range(kills):
            nursery.stdin.write(f"{path}\t{saved[-1] + 1 if saved else 0}\n")
            nursery.stdin.flush()
            pid = int(nursery.stdout.readline().split()[1])
            killer = threading.Timer(chance.uniform(0, 0.02), os.kill, (pid, signal.SIGKILL))
            wait = chance.randrange(10)  # decisions; at 0 it may die while it makes the file
            if not wait:
                killer.start()
            while (line := nursery.stdout.readline()) != "dead\n":
                saved.append(int(line))
                wait -= 1
                if not wait:
                    killer.start()
            killer.join()
            check_saved(path, saved)
        nursery.stdin.close()
    assert len(saved) > kills


def check_saved(path: Path, saved: list[int]) -> None:
    """At most the one edit that was under way is there beyond what was shown as saved."""
    with DecisionStore.open(path) as store:
        logged = [int(line.edit.after.note.split()[0]) for line in store.log()]
        assert logged[: len(saved)] == saved
        assert len(logged) - len(saved) <= 1
        saved[:] = logged
        latest = {f"tile-{number % 50}": number for number in logged}
        assert {tile: int(decision.note.split()[0]) for tile, decision in store.items()} == latest

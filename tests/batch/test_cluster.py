"""Work on a Dask cluster: a lost worker loses nothing, and what cannot be done is said."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rsviewer.batch import cluster
from rsviewer.batch.cluster import Cluster
from rsviewer.batch.crew import Lost
from rsviewer.core.errors import RsviewerError

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")


@dataclass(frozen=True)
class Task:
    """Twice an item, and which process did it. `deadly` ends its process: always, or the first time that `marks` sees it."""

    marks: Path
    deadly: int = -1
    always: bool = False
    faulty: int = -1

    def __call__(self, item: int) -> tuple[int, int]:
        mark = self.marks / str(item)
        if item == self.deadly and (self.always or not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if item == self.faulty:
            raise ZeroDivisionError("our own bug")
        return 2 * item, os.getpid()


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A scheduler, and two worker processes that are replaced when they die."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as farm,
    ):
        yield farm


def test_every_item_comes_home_once_though_a_worker_is_killed_half_way(farm: Any, tmp_path: Path) -> None:
    found = list(Cluster(farm.scheduler_address, needs=(tmp_path,)).run(Task(tmp_path, deadly=60), range(120)))

    assert (tmp_path / "60").exists(), "it was killed"
    assert sorted(item for item, _ in found) == list(range(120))
    results = {item: result for item, result in found if not isinstance(result, Lost)}
    assert {item: result[0] for item, result in results.items()} == {item: 2 * item for item in range(120)}
    assert len({process for _, process in results.values()} - {os.getpid()}) >= 2


def test_an_item_that_kills_every_worker_is_the_only_one_lost(farm: Any, tmp_path: Path) -> None:
    found = dict(Cluster(farm.scheduler_address).run(Task(tmp_path, deadly=20, always=True), range(40)))

    assert len(found) == 40
    lost = {item: result for item, result in found.items() if isinstance(result, Lost)}
    assert list(lost) == [20]
    assert lost[20].why.startswith("It ended the workers that worked on it, Worker tcp://")


def test_a_bug_ends_the_work(farm: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="our own bug"):
        list(Cluster(farm.scheduler_address).run(Task(tmp_path, faulty=3), range(20)))


def test_who_stops_listening_keeps_what_came_home_and_the_next_work_is_done(farm: Any, tmp_path: Path) -> None:
    results = Cluster(farm.scheduler_address).run(Task(tmp_path), iter(range(10_000_000)))
    assert next(results)[1] is not None
    results.close()
    assert len(list(Cluster(farm.scheduler_address).run(Task(tmp_path), range(3)))) == 3


def test_workers_that_do_not_see_the_data_are_named(farm: Any, tmp_path: Path) -> None:
    with pytest.raises(RsviewerError, match=r"^Worker tcp://\S+ does not see .*nowhere: mount it there"):
        next(Cluster(farm.scheduler_address, needs=(tmp_path / "nowhere",)).run(Task(tmp_path), range(3)))


def test_a_scheduler_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "CONNECTING", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense", "nonsense://x", ""):
        with pytest.raises(RsviewerError, match="No Dask scheduler answers"):
            next(Cluster(address).run(Task(tmp_path), range(3)))


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RsviewerError, match=r"pip install 'rsviewer\[cluster\]'"):
        next(Cluster("tcp://127.0.0.1:8786").run(Task(tmp_path), range(3)))

"""Work on a Dask cluster: a lost worker loses nothing, and what cannot be done is said."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.batch import cluster
from rsviewer.batch.checking import Examiner
from rsviewer.batch.cluster import Cluster
from rsviewer.batch.crew import Here, Lost
from rsviewer.batch.predicting import Away, Predicted, predict_all
from rsviewer.core.checks import CHECKS
from rsviewer.core.checks.suspicion import Examined
from rsviewer.core.errors import ModelError, RsviewerError
from rsviewer.core.fitting import Fitted
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.detect import open_dataset
from rsviewer.data.predictions import PredictionStore
from rsviewer.data.scorebook import ScoreBook
from tests.batch.models import HEIGHT_CARD, FakeEngine
from tests.batch.test_predicting import MARK, Bench

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
    assert os.getpid() not in {process for _, process in results.values()}


def test_an_item_that_kills_every_worker_is_the_only_one_lost(
    farm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm.scheduler, "allowed_failures", 0)  # else four workers have to be started
    found = dict(Cluster(farm.scheduler_address).run(Task(tmp_path, deadly=20, always=True), range(40)))

    assert len(found) == 40
    lost = {item: result for item, result in found.items() if isinstance(result, Lost)}
    assert list(lost) == [20]
    assert lost[20].why.startswith("It ended the workers that worked on it, tcp://")


def test_a_bug_ends_the_work(farm: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="our own bug"):
        list(Cluster(farm.scheduler_address).run(Task(tmp_path, faulty=3), range(20)))


def test_who_stops_listening_keeps_what_came_home_and_the_next_work_is_done(farm: Any, tmp_path: Path) -> None:
    results = Cluster(farm.scheduler_address).run(Task(tmp_path), iter(range(10_000_000)))
    assert next(results)[1] is not None
    results.close()
    assert len(list(Cluster(farm.scheduler_address).run(Task(tmp_path), range(3)))) == 3


def test_workers_that_do_not_see_the_data_are_named(farm: Any, tmp_path: Path) -> None:
    with pytest.raises(RsviewerError, match=r"^On tcp://.* there is no .*nowhere: mount it there"):
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


@dataclass(frozen=True)
class Deadly:
    """Examines tiles, and ends its process the first time it sees a certain one."""

    examiner: Examiner
    tile: str
    mark: Path

    def __call__(self, entry: TileEntry) -> Examined:
        if entry.id == self.tile and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self.examiner(entry), milliseconds={})


def test_tiles_are_examined_as_they_are_here(farm: Any, tmp_path: Path, write: Callable[..., None]) -> None:
    noise = np.random.default_rng(1)
    for number in range(40):
        write(tmp_path / "data" / "opt" / f"{number}.tif", noise.integers(0, 256, (3, 16, 16)).astype(np.uint8))
        write(tmp_path / "data" / "gt_nDSM" / f"{number}.tif", noise.normal(5, 1, (16, 16)).astype(np.float32))
    dataset, adapter = open_dataset(tmp_path / "data", "synrs3d")
    entries = list(adapter.scan(dataset))
    examiner = Examiner.of(dataset, CHECKS)

    crew = Cluster(farm.scheduler_address, needs=(dataset.root,))
    there = dict_of(crew.run(Deadly(examiner, "20", tmp_path / "killed"), entries))

    assert (tmp_path / "killed").exists(), "a worker was killed half-way"
    assert there == dict_of(Here().run(Deadly(examiner, "", tmp_path), entries))
    assert len(there) == 40


def dict_of(found: Iterator[tuple[TileEntry, Any]]) -> dict[TileId, Any]:
    return {entry.id: result for entry, result in found}


class DeadlyEngine(FakeEngine):
    """Ends its process with the first tile 3 that anybody asks for."""

    def __init__(self, mark: Path) -> None:
        super().__init__(HEIGHT_CARD)
        self.mark = mark

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        if tile == "3" and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(tile, fitted, model=model)


class BrokenEngine(FakeEngine):
    """Cannot be loaded."""

    def __init__(self) -> None:
        super().__init__(HEIGHT_CARD)

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        raise ModelError("torch is not installed.")


def test_tiles_are_predicted_as_they_are_here_and_known_the_next_time(
    farm: Any, tmp_path: Path, write: Callable[..., None]
) -> None:
    bench = Bench(tmp_path, write)
    here = bench.predict(booked=False)

    def predict(make: Callable[[], FakeEngine]) -> Predicted:
        away = Away(Cluster(farm.scheduler_address, needs=(bench.root,)), make)
        with ScoreBook(tmp_path / "book") as book:
            return predict_all(
                *(bench.dataset, bench.index, bench.entries, HEIGHT_CARD, MARK, bench.engine),
                store=PredictionStore(tmp_path / "out", HEIGHT_CARD, MARK, ""),
                book=book,
                away=away,
            )

    with pytest.raises(ModelError, match="torch is not installed"):
        predict(BrokenEngine)
    there = predict(partial(DeadlyEngine, tmp_path / "killed"))

    assert (tmp_path / "killed").exists(), "a worker was killed half-way"
    assert dict(there.per_tile) == dict(here.per_tile)
    assert there.metrics == pytest.approx(here.metrics)
    assert len(list((tmp_path / "out").rglob("*.tif"))) == 5
    assert predict(partial(DeadlyEngine, tmp_path / "killed")).known == 5
    bench.index.close()

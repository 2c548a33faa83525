"""Work in other processes: every item comes home once, and only the one that kills is lost."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from rsviewer.batch.crew import AHEAD, CHUNK, Crew, Here, Lost, Processes, Standing

log = logging.getLogger("rsviewer.tests")


@dataclass(frozen=True)
class Task:
    """Twice an item; some items are not so easy."""

    deadly: int = -1
    endless: int = -1
    greedy: int = -1
    faulty: int = -1
    odd: int = -1

    def __call__(self, item: int) -> tuple[int, int]:
        if item == self.deadly:
            os.kill(os.getpid(), signal.SIGSEGV)
        if item == self.endless:
            time.sleep(600)
        if item == self.greedy:
            raise MemoryError
        if item == self.faulty:
            raise ZeroDivisionError("our own bug")
        if item == self.odd:
            log.warning("%s is odd", item)
        return 2 * item, os.getpid()


def done(crew: Crew, task: Task, items: range) -> dict[int, int | Lost]:
    """Item -> result."""
    found: dict[int, int | Lost] = {}
    for item, result in crew.run(task, items):
        assert item not in found, "every item once"
        found[item] = result if isinstance(result, Lost) else result[0]
    return found


def test_here_it_is_done_in_order_and_memory_that_runs_out_costs_one_item() -> None:
    found = done(Here(), Task(greedy=2), range(4))
    assert list(found) == [0, 1, 2, 3]
    assert [found[0], found[1], found[3]] == [0, 2, 6]
    assert isinstance(found[2], Lost)
    assert "memory" in found[2].why


def test_an_item_that_crashes_its_process_is_the_only_one_lost(caplog: pytest.LogCaptureFixture) -> None:
    found = done(Processes(2), Task(deadly=11, greedy=30, odd=5), range(40))

    lost = {item: result for item, result in found.items() if isinstance(result, Lost)}
    assert lost == {
        11: Lost("It ended the process that worked on it (SIGSEGV)."),
        30: Lost("There is not enough memory for it. Close other programs, or work with fewer processes."),
    }
    assert {item: result for item, result in found.items() if item not in lost} == {
        item: 2 * item for item in range(40) if item not in lost
    }
    assert [record.getMessage() for record in caplog.records if record.name == log.name] == ["5 is odd"] * 1
    caplog.clear()


def test_an_item_that_never_ends_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    found = done(Processes(1, patience=8.0, polite=True), Task(endless=1), range(3))
    assert found == {0: 0, 1: Lost("It was not done after 8 s."), 2: 4}


def test_a_bug_ends_the_work_and_leaves_nobody_behind() -> None:
    with pytest.raises(ZeroDivisionError, match="our own bug"):
        done(Processes(1), Task(faulty=3), range(20))
    assert not [each for each in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(each.cmdline())]


def test_processes_that_stand_ready_do_one_work_after_the_other() -> None:
    with Standing(1) as crew:
        (one,) = dict(crew.run(Task(), [3])).values()
        (other,) = dict(crew.run(Task(greedy=3), [4])).values()
        assert (one, other) == ((6, one[1]), (8, one[1]))
        (lost,) = dict(crew.run(Task(deadly=5), [5])).values()
        assert isinstance(lost, Lost)
        assert done(crew, Task(), range(20)) == {item: 2 * item for item in range(20)}
    assert not psutil.pid_exists(one[1])


def test_millions_of_items_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            yield taken
            taken += 1

    results = Processes(1).run(Task(), endless())
    first, _ = next(results)
    results.close()
    assert first < AHEAD * CHUNK  # what is done comes back, in no order
    assert taken <= 2 * AHEAD * CHUNK


PROGRAM = """
import signal, sys
from rsviewer.batch.crew import Processes
from tests.batch.test_crew import Task

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run behind a shell's "&"
    try:
        for item, result in Processes(2).run(Task(endless=30), range(100)):
            print(item, result[1], flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """With two workers, which are starting."""
    (tmp_path / "program.py").write_text(PROGRAM)
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        yield program
        program.kill()


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("later", [0, 0.02, 0.1, 0.3])
def test_who_stops_it_at_once_hears_no_complaint_of_a_worker(program: "subprocess.Popen[str]", later: float) -> None:
    parent = psutil.Process(program.pid)
    while len(workers := parent.children(recursive=True)) < 3:  # two, and who tidies up behind them
        assert program.poll() is None
        time.sleep(0.002)
    time.sleep(later)  # the moment itself is what is tried here
    os.killpg(program.pid, signal.SIGINT)
    _, complaints = program.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    assert complaints == ""
    assert program.returncode == 130


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_no_worker_stays_and_none_complains(
    program: "subprocess.Popen[str]", how: signal.Signals
) -> None:
    assert program.stdout is not None
    program.stdout.readline()
    workers = psutil.Process(program.pid).children(recursive=True)
    if how is signal.SIGINT:
        os.killpg(program.pid, how)  # as the terminal does it: everybody hears it
    else:
        program.kill()
    _, complaints = program.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    if how is signal.SIGINT:
        assert complaints == ""
    assert "Traceback" not in complaints
    assert program.returncode == (130 if how is signal.SIGINT else -how)


def test_a_worker_starts_without_window_models_or_plots() -> None:
    code = (
        "import sys, rsviewer.batch.crew as crew; light = 'numpy' not in sys.modules; import rsviewer.batch.checking;"
        "print(light, [name for name in ('PySide6', 'torch', 'matplotlib', 'typer') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert said.stdout.strip() == "True []"

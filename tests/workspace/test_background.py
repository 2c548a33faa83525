"""The only threads of the program do the most wanted thing first and never the unwanted."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rsviewer.core.errors import ProjectError, RsviewerError
from rsviewer.workspace.background import Job, Jobs, Wanted, call_now


class Kitchen:
    """Cooks wishes and remembers the order."""

    def __init__(self, threads: int = 0) -> None:
        self.done: dict[str, str] = {}
        self.order: list[str] = []
        self.wanted: Wanted[str, str] = Wanted("test", self.cook, self.done.__contains__, self.serve, threads)

    def cook(self, wish: str) -> str:
        if wish == "burnt":
            raise ValueError("burnt")
        return wish.upper()

    def serve(self, wish: str, value: str) -> None:
        self.order.append(wish)
        self.done[wish] = value


def test_wishes_are_fulfilled_in_their_order_and_only_once() -> None:
    kitchen = Kitchen()
    kitchen.wanted.want(["soup", "cake", "soup"])
    while kitchen.wanted.step():
        pass
    assert kitchen.order == ["soup", "cake"]
    assert kitchen.done == {"soup": "SOUP", "cake": "CAKE"}


def test_work_that_is_no_longer_wanted_never_starts() -> None:
    kitchen = Kitchen()
    kitchen.wanted.want(["soup", "cake"])
    kitchen.wanted.step()
    kitchen.wanted.want(["tea"])
    while kitchen.wanted.step():
        pass
    assert kitchen.order == ["soup", "tea"]


def test_a_wish_that_fails_is_logged_once_and_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    kitchen = Kitchen()
    kitchen.wanted.want(["burnt", "cake"])
    while kitchen.wanted.step():
        pass
    assert kitchen.order == ["cake"]
    kitchen.wanted.want(["burnt", "cake"])
    assert not kitchen.wanted.step(), "what failed is not tried again while it is still wished for"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    caplog.clear()


@pytest.mark.parametrize("comes_to_something", [False, True])
def test_what_is_wished_for_again_while_it_is_under_way_is_done_again_if_it_came_to_nothing(
    comes_to_something: bool,
) -> None:
    """Somebody breaks it off, and wants it after all."""
    done: dict[str, int] = {}
    computed: list[str] = []

    def compute(wish: str) -> int:
        computed.append(wish)
        if len(computed) == 1:
            wanted.want([wish])
            assert not wanted.step()
        return len(computed)

    def deliver(wish: str, value: int) -> None:
        if comes_to_something or value > 1:
            done[wish] = value

    wanted: Wanted[str, int] = Wanted("test", compute, done.__contains__, deliver, threads=0)
    wanted.want(["a"])
    while wanted.step():
        pass

    assert computed == (["a"] if comes_to_something else ["a", "a"])


def test_workers_fulfil_everything_and_end_when_closed() -> None:
    kitchen = Kitchen(threads=3)
    enough = threading.Event()
    served = kitchen.serve

    def serve(wish: str, value: str) -> None:
        served(wish, value)
        if len(kitchen.done) == 50:
            enough.set()

    kitchen.wanted._deliver = serve
    kitchen.wanted.want([f"dish {number}" for number in range(50)])
    assert enough.wait(60)
    before = threading.active_count()
    kitchen.wanted.close()
    kitchen.wanted.close()
    assert threading.active_count() == before - 3
    assert len(kitchen.order) == 50


@pytest.mark.parametrize("threads", [0, 1])
def test_what_belongs_to_a_worker_is_made_used_and_destroyed_on_its_thread(threads: int) -> None:
    told: list[tuple[str, int]] = []
    cooked = threading.Event()

    @contextmanager
    def life() -> Iterator[None]:
        told.append(("lit", threading.get_ident()))
        yield
        told.append(("out", threading.get_ident()))

    def cook(wish: str) -> str:
        told.append((wish, threading.get_ident()))
        return wish

    wanted: Wanted[str, str] = Wanted("stove", cook, lambda _: False, lambda *_: cooked.set(), threads, life)
    wanted.want(["soup"])
    if threads == 0:
        assert wanted.step()
    assert cooked.wait(60)
    wanted.close()
    wanted.close()

    assert [word for word, _ in told] == ["lit", "soup", "out"]
    assert len({thread for _, thread in told}) == 1
    assert (told[0][1] == threading.get_ident()) is (threads == 0)


def test_a_job_reports_its_result_at_home_and_leaves_the_list() -> None:
    told: list[int] = []
    changes: list[None] = []
    jobs = Jobs(call_now, lambda: changes.append(None), threaded=False)
    jobs.start("counting", lambda job: job.progress(3, 3) or 42, told.append)
    assert told == [42]
    assert jobs.running == []
    assert changes


def test_a_job_that_failed_says_why_to_who_started_it_or_to_who_hears_of_all() -> None:
    heard: list[str] = []
    own: list[str] = []
    jobs = Jobs(call_now, lambda: None, heard.append, threaded=False)

    def fail(job: object) -> None:
        raise ProjectError("The disk is full.")

    jobs.start("indexing", fail, lambda _: heard.append("done"))
    jobs.start("indexing", fail, failed=own.append)
    assert heard == own == ["The disk is full."]
    assert jobs.running == []


def test_a_job_that_was_stopped_reports_nothing() -> None:
    told: list[int] = []
    jobs = Jobs(call_now, lambda: None, threaded=False)

    def work(job: object) -> int:
        jobs.running[0].stop.set()
        return 1

    jobs.start("counting", work, told.append)
    assert told == []


def test_the_worlds_fault_in_a_job_is_a_sentence_not_a_crash() -> None:
    jobs = Jobs(call_now, lambda: None, threaded=False)

    def work(job: object) -> None:
        raise RsviewerError("The disk is full. Make room.")

    assert jobs.start("writing", work).error == "The disk is full. Make room."


def test_closing_stops_a_job_that_looks_at_its_stop_sign() -> None:
    jobs = Jobs(call_now, lambda: None)
    started = threading.Event()

    def work(job: object) -> None:
        started.set()
        assert jobs.running[0].stop.wait(60)

    job = jobs.start("waiting", work)
    assert started.wait(60)
    jobs.close()
    assert job.finished


def test_a_job_says_how_fast_it_is_and_how_long_it_takes_once_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    job = Job("Checking tiles")
    job.progress(0, 1000)
    now = 130.0  # what it takes to begin does not count
    job.progress(10, 1000)
    assert job.pace_in_words() == ""
    now = 140.0
    job.progress(260, 1000)
    assert job.pace_in_words("tiles") == "25 tiles/s, 30 s left"
    job.total = 200_000
    assert job.pace_in_words() == "25/s, 2 h 13 min left"

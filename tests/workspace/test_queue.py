"""The place in the queue survives filtering, and seeking finds the nearest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.workspace.queue import Queue


def queue_of(*ordinals: int, at: int = 0) -> Queue:
    queue = Queue()
    queue.fill(np.asarray(ordinals, np.int32))
    queue.move(at)
    return queue


def test_the_current_tile_stays_current_when_the_filter_keeps_it() -> None:
    queue = queue_of(0, 1, 2, 3, 4, at=3)
    queue.fill(np.asarray([4, 3, 1], np.int32))
    assert queue.ordinal == 3


def test_the_next_tile_takes_over_when_the_filter_hides_the_current_one() -> None:
    queue = queue_of(0, 1, 2, 3, 4, at=2)
    queue.fill(np.asarray([0, 4], np.int32))
    assert queue.ordinal == 4
    queue = queue_of(0, 1, 2, 3, 4, at=4)
    queue.fill(np.asarray([0, 1], np.int32))
    assert queue.ordinal == 1


def test_moving_stops_at_the_ends() -> None:
    queue = queue_of(7, 8, 9)
    assert not queue.move(-5)
    assert queue.move(100)
    assert queue.ordinal == 9
    assert not Queue().move(1)


def test_reading_ahead_follows_the_direction_of_travel() -> None:
    queue = queue_of(*range(10), at=5)
    assert queue.around(2, 1) == [6, 7, 4]
    queue.move(4)
    assert queue.around(2, 1) == [3, 2, 5]


def test_seeking_goes_round_only_where_asked() -> None:
    wanted = np.zeros(5, bool)
    wanted[1] = True
    queue = queue_of(0, 1, 2, 3, 4, at=3)
    assert queue.seek(wanted, +1, wrap=True) == 1
    assert queue.seek(wanted, +1, wrap=False) is None
    assert queue.seek(wanted, -1, wrap=False) == 1


def test_groups_are_entered_at_their_first_tile() -> None:
    firsts = np.asarray([0, 3, 6], np.int64)
    queue = queue_of(0, 1, 2, 4, 5, 7, 8)
    queue.move(queue.group_start(firsts, +1))
    assert queue.ordinal == 4
    queue.move(queue.group_start(firsts, +1))
    assert queue.ordinal == 7
    queue.move(queue.at + 1)
    queue.move(queue.group_start(firsts, -1))
    assert queue.ordinal == 7
    queue.move(queue.group_start(firsts, -1))
    assert queue.ordinal == 4


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True), st.integers(0, 40))
def test_a_queue_always_stands_on_a_tile_it_has(before: list[int], after: list[int], at: int) -> None:
    queue = queue_of(*before, at=at)
    old = queue.ordinal
    queue.fill(np.asarray(after, np.int32))
    assert (queue.ordinal in after) if after else queue.ordinal is None
    if old in after:
        assert queue.ordinal == old

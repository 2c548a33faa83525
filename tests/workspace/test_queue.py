"""The place in the queue survives filtering, and seeking finds the nearest."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.workspace import queue as queue_module
from rsviewer.workspace.queue import Queue


@pytest.fixture(scope="module", autouse=True)
def look_at_few() -> Iterator[None]:
    """Ten tiles are looked at as five million are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_module, "_FIRST_LOOK", 2)
        patch.setattr(queue_module, "_FURTHER_LOOKS", 3)
        yield


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
    groups = np.repeat(np.arange(3, dtype=np.int32), 3)
    queue = queue_of(0, 1, 2, 4, 5, 7, 8)
    queue.move(queue.group_start(groups, +1))
    assert queue.ordinal == 4
    queue.move(queue.group_start(groups, +1))
    assert queue.ordinal == 7
    queue.move(queue.at + 1)
    queue.move(queue.group_start(groups, -1))
    assert queue.ordinal == 7
    queue.move(queue.group_start(groups, -1))
    assert queue.ordinal == 4


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True), st.integers(0, 40))
def test_a_queue_always_stands_on_a_tile_it_has(before: list[int], after: list[int], at: int) -> None:
    queue = queue_of(*before, at=at)
    old = queue.ordinal
    queue.fill(np.asarray(after, np.int32))
    assert (queue.ordinal in after) if after else queue.ordinal is None
    if old in after:
        assert queue.ordinal == old


FLAGS = st.lists(st.booleans(), min_size=31, max_size=31)
ORDER = st.lists(st.integers(0, 30), unique=True, min_size=1)


@given(ORDER, st.integers(0, 40), FLAGS, st.sampled_from([+1, -1]), st.booleans())
def test_seeking_finds_the_nearest_tile_that_is_wanted(
    order: list[int], at: int, flags: list[bool], direction: int, wrap: bool
) -> None:
    queue = queue_of(*order, at=at)
    behind, ahead = list(range(queue.at)), list(range(queue.at + 1, len(order)))
    near, far = (ahead, behind) if direction > 0 else (behind[::-1], ahead[::-1])
    expected = next((place for place in (near + far if wrap else near) if flags[order[place]]), None)
    assert queue.seek(np.asarray(flags), direction, wrap=wrap) == expected


@given(ORDER, st.integers(0, 40), st.lists(st.integers(0, 2), min_size=31, max_size=31))
def test_groups_that_are_mixed_begin_where_the_group_changes(order: list[int], at: int, groups: list[int]) -> None:
    queue = queue_of(*order, at=at)
    starts = [place for place in range(len(order)) if not place or groups[order[place]] != groups[order[place - 1]]]
    numbers = np.asarray(groups, np.int32)
    assert queue.group_start(numbers, +1) == min(
        [place for place in starts if place > queue.at], default=len(order) - 1
    )
    assert queue.group_start(numbers, -1) == max([place for place in starts if place < queue.at], default=0)


@given(ORDER, st.integers(0, 40))
def test_a_tile_is_found_in_any_order(order: list[int], ordinal: int) -> None:
    assert queue_of(*order).find(ordinal) == (order.index(ordinal) if ordinal in order else None)

import threading
from collections.abc import Iterator

import pytest

from rsviewer.batch.runner import AHEAD, in_parallel


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_parallel(lambda number: number * number, range(100), threads=3)) == [n * n for n in range(100)]


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    results = in_parallel(lambda number: number, items(), threads=2)
    assert next(results) == 0
    results.close()
    assert len(taken) == 2 * AHEAD


def test_an_error_in_a_piece_of_work_reaches_who_asked_and_leaves_no_thread() -> None:
    before = threading.active_count()

    with pytest.raises(ZeroDivisionError):
        list(in_parallel(lambda number: 1 // (number - 5), range(100), threads=2))

    assert threading.active_count() == before

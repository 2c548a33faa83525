"""The cache never holds more than it may, and forgets what was not used for longest."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from rsviewer.workspace.cache import Cache


@dataclass(frozen=True)
class Lump:
    nbytes: int


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache: Cache[str, Lump] = Cache(30)
    for name in "abc":
        cache.put(name, Lump(10))
    cache.get("a")
    cache.put("d", Lump(10))
    assert "b" not in cache
    assert all(name in cache for name in "acd")


def test_one_thing_larger_than_the_limit_is_kept_until_the_next_comes() -> None:
    cache: Cache[str, Lump] = Cache(10)
    cache.put("huge", Lump(1000))
    assert cache.get("huge") is not None
    cache.put("small", Lump(1))
    assert "huge" not in cache


def test_a_lower_limit_takes_effect_at_once() -> None:
    cache: Cache[str, Lump] = Cache(100)
    for name in "abcd":
        cache.put(name, Lump(20))
    cache.limit = 40
    assert cache.nbytes == 40
    assert "d" in cache


def test_what_is_needed_stays_whatever_it_costs() -> None:
    cache: Cache[str, Lump] = Cache(10, str.isupper)
    for name in "AbCd":
        cache.put(name, Lump(10))
    assert [name for name in "AbCd" if name in cache] == ["A", "C", "d"]
    cache.put("E", Lump(10))
    assert "d" not in cache
    assert cache.nbytes == 30


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50))), st.integers(1, 120))
def test_the_sum_is_right_and_within_the_limit(puts: list[tuple[int, int]], limit: int) -> None:
    cache: Cache[int, Lump] = Cache(limit)
    for key, size in puts:
        cache.put(key, Lump(size))
    held = [value for key in range(10) if (value := cache.get(key)) is not None]
    assert cache.nbytes == sum(value.nbytes for value in held)
    assert cache.nbytes <= limit or len(held) == 1

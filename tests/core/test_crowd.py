import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core import crowd
from rsviewer.core.crowd import Crowd, Made, Names, hashes_of
from rsviewer.core.tile import TileId

names = st.text(st.characters(), max_size=5).map(TileId)  # lone surrogates, too: names of files need not be UTF-8


@given(st.dictionaries(names, st.sampled_from(["", "a", "b"])), names)
def test_a_crowd_is_the_dict_it_was_made_of(tiles: dict[TileId, str], other: TileId) -> None:
    found = Crowd(tiles.items())

    assert list(found.items()) == list(tiles.items())
    assert (other in found, found.get(other)) == (other in tiles, tiles.get(other))
    places = found.places(hashes_of([*tiles, TileId("no such tile")])).tolist()
    assert places == [*range(len(tiles)), -1]


def test_a_tile_that_comes_twice_counts_once() -> None:
    found = Crowd([(TileId(name), "g") for name in ("b", "a", "b", "c", "a")])

    assert (list(found), len(found)) == (["b", "a", "c"], 3)
    assert found.places(hashes_of(["c", "b"])).tolist() == [2, 0]


def test_names_come_back_whatever_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "AT_ONCE", 2)
    given_names = ["a", "", "ä\udcfc", "long name", "z"]

    found = Names.gathered(given_names)

    assert list(found) == given_names
    assert list(found[1:3]) == given_names[1:3]
    assert list(Names.joined([found.at(np.array([4, 0])), Names.gathered([]), found])) == ["z", "a", *given_names]
    assert list(Names.joined([])) == []


def test_what_is_made_is_equal_to_the_same_things() -> None:
    made = Made(np.array([1, 3]), lambda number: number * 10)

    assert made == (10, 30)
    assert made[1:] == [30]
    assert made != (10, 31)
    assert made != 10
    with pytest.raises(IndexError):
        made[2]

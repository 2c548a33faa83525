"""Names of groups and tiles where they are laid out anew."""

from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.relayout import bare_name, distinct, folded, new_groups, new_names, plain_name, tile_numbers
from rsviewer.core.tile import TileId
from rsviewer.data.filenames import safe_part


def names(*tiles: str, group: str = "") -> list[str]:
    return list(new_names([(TileId(tile), group) for tile in tiles], safe_part).values())


def numbers(*tiles: str, group: str = "") -> list[int]:
    return list(tile_numbers([(TileId(tile), group) for tile in tiles]).values())


def test_a_good_name_stays_as_it_is() -> None:
    assert names("a/0001-1", "a/scene.v1.2", "a/x+y", group="a") == ["0001-1", "scene.v1.2", "x+y"]
    assert bare_name(TileId("4650_4909"), "static") == "4650_4909"


def test_what_splits_lines_or_paths_is_replaced() -> None:
    assert names("my tile") == ["my_tile"]
    assert names("4650_4909/fire, 1") == ["4650_4909_fire_1"]
    assert names("a\\x0ab", "{x}") == ["a_x0ab", "_x_"]
    assert names(".hidden", "$x", "nul", "COM1.x", "x. ") == ["_hidden", "_x", "_nul", "_COM1.x", "x._"]


def test_of_several_the_one_that_is_called_so_keeps_the_name() -> None:
    first, second, third = names("a b", "a_b", "a/b")

    assert second == "a_b"
    assert first.startswith("a_b-")
    assert third.startswith("a_b-")
    assert first != third
    assert names("a/b", "a_b", "a b") == [third, second, first], "whatever their order"


def test_names_that_differ_by_case_only_are_told_apart() -> None:
    lower, upper = names("tile", "Tile")

    assert upper == "Tile"
    assert lower.startswith("tile-")


@given(st.lists(st.text(max_size=6), unique=True, max_size=8))
def test_no_two_tiles_get_the_same_name(tiles: list[str]) -> None:
    found = names(*tiles)

    assert len({folded(name) for name in found}) == len(tiles)
    assert all(name == plain_name(name, safe_part) for name in found)


def test_a_name_may_be_taken_before() -> None:
    assert distinct({"opt": ("opt", "opt")}, taken=("OPT",))["opt"].startswith("opt-")


def test_groups_become_folders_of_which_none_lies_in_another() -> None:
    assert new_groups([""], safe_part, levels=3) == {"": ""}
    assert new_groups([""], safe_part, levels=1, nameless="All of it") == {"": "All_of_it"}
    assert new_groups(["", "a"], safe_part, levels=1) == {"": "ungrouped", "a": "a"}
    assert new_groups(["a/b/c/d", "x"], safe_part, levels=3) == {"a/b/c/d": "a/b/c_d", "x": "x"}
    assert new_groups(["a", "a/b", "c/d"], safe_part, levels=3) == {"a": "a", "a/b": "a_b", "c/d": "c/d"}
    assert new_groups(["a//b", "/"], safe_part, levels=1) == {"a//b": "a_b", "/": "_"}


def test_numbered_tiles_keep_their_numbers_and_others_get_the_next_ones() -> None:
    assert numbers("A/tile_7", "A/tile_0", group="A") == [7, 0]
    assert numbers("b", "tile_3", "c") == [4, 3, 5]
    assert numbers("tile_7", "tile_007") == [7, 8]
    assert numbers("x", "y") == [0, 1]

"""Files that are saved: whole or not there, at once or when the disk has them."""

from pathlib import Path

import pytest

from rsviewer.core.errors import SaveError
from rsviewer.data.saving import PARTIAL, at_once, finish, held_back, save, saving


def names(folder: Path) -> list[str]:
    return sorted("partial" if PARTIAL.fullmatch(path.name) else path.name for path in folder.iterdir())


def test_a_saved_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "a", b"one")

    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"one")


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    save(tmp_path / "a", b"one")
    with pytest.raises(SaveError, match="exists and was left as it is"):
        save(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"

    save(tmp_path / "a", b"two", overwrite=True)
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"two")


def test_work_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def work() -> None:
        with saving(tmp_path / "a") as partial:
            partial.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert names(tmp_path) == []


def test_files_that_are_held_back_get_their_names_in_the_end(tmp_path: Path) -> None:
    with held_back() as files:
        save(tmp_path / "a", b"one")
        with at_once():
            save(tmp_path / "now", b"two")
        save(tmp_path / "b", b"three")
    assert names(tmp_path) == ["now", "partial", "partial"]

    finish(files)
    assert names(tmp_path) == ["a", "b", "now"]
    assert (tmp_path / "b").read_bytes() == b"three"


def test_what_fails_after_some_files_takes_them_along(tmp_path: Path) -> None:
    def work() -> None:
        with held_back():
            save(tmp_path / "a", b"one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert names(tmp_path) == []
    save(tmp_path / "later", b"at once again")
    assert names(tmp_path) == ["later"]


def test_where_one_of_several_cannot_have_its_name_none_has(tmp_path: Path) -> None:
    with held_back() as files:
        for name in "abc":
            save(tmp_path / name, b"new")
    (tmp_path / "b").write_bytes(b"of somebody else")

    with pytest.raises(SaveError, match="exists and was left as it is"):
        finish(files)
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_bytes() == b"of somebody else"


def test_nothing_gets_its_name_before_all_are_on_the_disk(tmp_path: Path) -> None:
    with held_back() as files:
        save(tmp_path / "a", b"one")
        save(tmp_path / "b", b"two")
    files[1].partial.unlink()

    with pytest.raises(SaveError, match="could not be written"):
        finish(files)
    assert names(tmp_path) == []

import json
import os
from pathlib import Path

import pytest

from rsviewer.core.errors import SaveError
from rsviewer.data.conversions import EVERYTHING, LOCK, RECORD, Recipe, converting, keep, look_into
from rsviewer.data.saving import saving

GREY = Recipe("png", ".png", {"dataset": "town", "stretch": "minmax"})
LIGHT = Recipe("png", ".png", {"dataset": "town", "stretch": "percent"})
CLOUD = Recipe("cloud", ".ply", {"dataset": "town"})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def convert(out: Path, recipe: Recipe, *names: str, overwrite: bool = False, content: bytes = b"now") -> list[str]:
    """Writes what is not there; returns what it wrote."""
    targets = [out / name for name in names]
    written = []
    with converting(out, recipe, targets, overwrite=overwrite) as begun:
        for target in targets:
            if not begun.has(target):
                target.write_bytes(content)
                written.append(target.name)
    return written


def test_the_same_conversion_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    assert convert(tmp_path / "out", GREY, "1.png") == ["1.png"]
    assert convert(tmp_path / "out", GREY, "1.png", "2.png") == ["2.png"]
    assert names(tmp_path / "out") == ["1.png", "2.png", RECORD]


def test_another_one_is_not_mixed_into_it(tmp_path: Path) -> None:
    convert(tmp_path, GREY, "1.png")

    with pytest.raises(SaveError, match="another conversion \\(with another stretch\\)"):
        convert(tmp_path, LIGHT, "1.png", "2.png")
    with pytest.raises(SaveError, match="another conversion \\(of png\\)"):
        convert(tmp_path, Recipe("colorize", ".png", {}), "1.png")

    assert names(tmp_path) == ["1.png", RECORD]


def test_files_of_different_endings_may_share_a_folder(tmp_path: Path) -> None:
    convert(tmp_path, GREY, "1.png")

    assert convert(tmp_path, CLOUD, "1.ply") == ["1.ply"]
    assert convert(tmp_path, GREY, "1.png", "2.png") == ["2.png"]


def test_what_is_to_be_replaced_is_made_anew_and_goes_on_when_stopped(tmp_path: Path) -> None:
    convert(tmp_path, GREY, "1.png", "2.png", content=b"old")
    os.utime(tmp_path / "2.png", ns=(0, 0))
    os.utime(tmp_path / "1.png", ns=(0, 0))

    def stopped() -> None:
        with converting(tmp_path, LIGHT, [tmp_path / "1.png"], overwrite=True):
            (tmp_path / "1.png").write_bytes(b"now")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()

    assert convert(tmp_path, LIGHT, "1.png", "2.png") == ["2.png"], "1 is new, 2 is of the conversion before"
    os.utime(tmp_path / "2.png", ns=(0, 0))
    assert convert(tmp_path, LIGHT, "1.png", "2.png") == [], "all is new, whatever the times of a copy say"


def test_an_old_file_never_passes_for_one_that_could_not_be_made(tmp_path: Path) -> None:
    convert(tmp_path, GREY, "1.png", content=b"old")
    os.utime(tmp_path / "1.png", ns=(0, 0))
    with converting(tmp_path, LIGHT, [], overwrite=True) as begun:
        begun.is_whole = False  # 1 failed

    assert convert(tmp_path, LIGHT, "1.png") == ["1.png"]


def test_strange_files_stay_unless_they_are_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"mine")

    with pytest.raises(SaveError, match=r"1\.png exists, and this conversion did not write it"):
        convert(tmp_path, GREY, "1.png")
    with pytest.raises(SaveError, match="exists"):
        convert(tmp_path, Recipe("dataset", EVERYTHING, {}), "2.png")
    assert (tmp_path / "1.png").read_bytes() == b"mine"
    assert convert(tmp_path, GREY, "3.png") == ["3.png"], "nothing is in its way"


def test_a_look_ahead_finds_the_same_and_leaves_no_trace(tmp_path: Path) -> None:
    assert not look_into(tmp_path / "new", GREY, []).goes_on
    convert(tmp_path / "out", GREY, "1.png")
    before = names(tmp_path / "out")

    assert look_into(tmp_path / "out", GREY, []).has(tmp_path / "out" / "1.png")
    with pytest.raises(SaveError, match="another conversion"):
        look_into(tmp_path / "out", LIGHT, [])

    assert names(tmp_path / "out") == before
    assert names(tmp_path) == ["out"]


def test_two_at_once_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        converting(tmp_path, GREY, []),
        pytest.raises(SaveError, match="Another conversion is writing"),
        converting(tmp_path, CLOUD, []),
    ):
        pass
    assert LOCK not in names(tmp_path)


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    convert(tmp_path, GREY, "1.png")
    (tmp_path / "town").mkdir()
    with saving(tmp_path / "town" / "2.png") as partial:
        partial.write_bytes(b"half")
    (tmp_path / "town" / "2.png").rename(partial)
    assert len(names(tmp_path / "town")) == 1

    convert(tmp_path, GREY, "1.png")

    assert names(tmp_path / "town") == []


@pytest.mark.parametrize("record", [b"", b"[]", b'{"program": "other"}', b'{"program": "rsviewer", "conversions": 3}'])
def test_a_record_that_nobody_can_read_is_none(tmp_path: Path, record: bytes) -> None:
    (tmp_path / RECORD).write_bytes(record)

    assert convert(tmp_path, GREY, "1.png") == ["1.png"]
    assert json.loads((tmp_path / RECORD).read_bytes())["conversions"][".png"]["conversion"] == "png"


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")

    with pytest.raises(SaveError, match="is a file"):
        convert(tmp_path / "out", GREY)
    with pytest.raises(SaveError, match="is a file"):
        look_into(tmp_path / "out", GREY, [])


def test_what_was_found_out_first_is_given_back_when_it_goes_on(tmp_path: Path) -> None:
    def stopped() -> None:
        with converting(tmp_path, GREY, [], overwrite=True) as begun:
            keep(begun, GREY, {"low": 0.1})
            keep(begun, GREY, {"high": 3})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()

    for _ in range(2):  # the second time all is of this conversion, and the record says so
        with converting(tmp_path, GREY, []) as begun:
            assert begun.kept == {"low": 0.1, "high": 3}
    assert look_into(tmp_path, GREY, []).kept == {"low": 0.1, "high": 3}
    convert(tmp_path, CLOUD, "1.ply")
    assert look_into(tmp_path, GREY, []).kept == {"low": 0.1, "high": 3}
    with converting(tmp_path, GREY, [], overwrite=True) as begun:
        assert begun.kept == {}

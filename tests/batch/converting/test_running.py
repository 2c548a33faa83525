from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rsviewer.batch.converting.running import Conversion, Made, Maker, look_ahead, make_all, targets_of
from rsviewer.batch.crew import Here, Processes
from rsviewer.batch.remarks import Failure, Remark
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.tile import TileId
from rsviewer.data.conversions import Recipe, converting
from rsviewer.data.saving import save

RECIPE = Recipe("spelling", ".txt", {})


@dataclass(frozen=True)
class Words(Maker[str]):
    """Writes words into files; "bad" cannot be written, and "odd" is worth a remark."""

    out: Path

    def name(self, item: str) -> TileId:
        return TileId(item)

    def targets(self, item: str) -> Sequence[Path]:
        return (self.out / f"{item}.txt",)

    def make(self, item: str) -> Made:
        if item == "bad":
            raise LayerError("It is bad.")
        if item == "huge":
            raise MemoryError
        save(self.targets(item)[0], item.encode(), overwrite=True)
        return Made(("It is odd.",) if item == "odd" else (), {"letters": len(item)})

    def known(self, item: str) -> Made:
        return Made(facts={"letters": len(self.targets(item)[0].read_bytes())})


def convert(out: Path, *items: str, processes: int = 0) -> Conversion:
    maker = Words(out)
    with converting(out, RECIPE, targets_of(maker, items)) as begun:
        return make_all(maker, items, begun, Processes(processes) if processes else Here())


def test_what_became_of_each_is_told_in_their_order(tmp_path: Path) -> None:
    done = convert(tmp_path, "odd", "bad", "good", "huge")

    assert (done.tiles, done.written, done.skipped) == (4, 2, 0)
    assert done.failed[0] == Failure(TileId("bad"), "It is bad.")
    assert (done.failed[1].tile, "not enough memory" in done.failed[1].message) == ("huge", True)
    assert done.remarks == (Remark("It is odd.", 1, TileId("odd")),)
    assert list(done.facts.items()) == [("odd", {"letters": 3}), ("good", {"letters": 4})]


def test_the_table_holds_those_written_before_as_well(tmp_path: Path) -> None:
    convert(tmp_path, "good")

    again = convert(tmp_path, "fine", "good", "odd")

    assert (again.written, again.skipped) == (2, 1)
    assert list(again.facts) == ["fine", "good", "odd"]


def test_processes_make_the_same_as_this_one(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(20)]

    assert convert(tmp_path / "here", *words) == convert(tmp_path / "there", *words, processes=2)


def test_other_processes_say_the_same_of_what_cannot_be_written(tmp_path: Path) -> None:
    words = ["odd", "bad", "good", "huge", "taken"]
    for out in (tmp_path / "here", tmp_path / "there"):
        convert(out, "first")
        (out / "taken.txt").mkdir()

    here = convert(tmp_path / "here", *words)
    there = convert(tmp_path / "there", *words, processes=1)

    assert [failure.tile for failure in here.failed] == ["bad", "huge", "taken"]
    assert [replace(each, message=each.message.replace("there/", "here/")) for each in there.failed] == [*here.failed]
    assert (there.written, there.remarks, there.facts) == (here.written, here.remarks, here.facts)
    for out in (tmp_path / "here", tmp_path / "there"):
        assert sorted(path.name for path in out.glob("*.txt")) == ["first.txt", "good.txt", "odd.txt", "taken.txt"]
        assert not list(out.glob("*.partial"))


def test_a_look_ahead_knows_what_is_there(tmp_path: Path) -> None:
    maker = Words(tmp_path)
    convert(tmp_path, "good")

    with converting(tmp_path, RECIPE, ()) as begun:
        ahead = look_ahead(maker, ["good", "fine"], begun)
        anew = look_ahead(maker, ["good", "fine"], begun, overwrite=True)

    assert (ahead.tiles, ahead.there, ahead.examples) == (2, 1, (tmp_path / "fine.txt",))
    assert anew.there == 0


def test_stopped_by_its_progress_it_goes_on_later(tmp_path: Path) -> None:
    maker = Words(tmp_path)

    def stop(done: int, total: int | None) -> None:
        assert total == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), converting(tmp_path, RECIPE, ()) as begun:
        make_all(maker, ["a", "b", "c"], begun, Here(), stop)

    assert convert(tmp_path, "a", "b", "c").written == 1


def test_a_full_disk_ends_it(tmp_path: Path) -> None:
    class Full(Words):
        def make(self, item: str) -> Made:
            raise SaveError("No room.") from OSError(28, "No space left on device")

    with pytest.raises(SaveError, match="No room"), converting(tmp_path, RECIPE, ()) as begun:
        make_all(Full(tmp_path), ["a", "b"], begun, Here())

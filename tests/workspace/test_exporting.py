from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import ExportOptions, Reason
from rsviewer.core.tile import TileId
from rsviewer.workspace import exporting
from rsviewer.workspace.exporting import plan_export, preview_export
from rsviewer.workspace.opening import Opened, open_path

DECISIONS = {
    TileId("a/1"): Decision(Verdict.DROP, tags=("cloud",)),
    TileId("a/2"): Decision(Verdict.GOOD, tags=("blur", "cloud")),
    TileId("gone"): Decision(Verdict.DROP, tags=("blur",)),
}


@pytest.fixture
def opened(tiny_dataset: Path) -> Iterator[Opened]:
    (tiny_dataset / "b" / "test.txt").write_bytes(b"3\n99\n")
    found = open_path(tiny_dataset, read_only=True)
    found.index.build()
    yield found
    found.close()


def test_the_numbers_of_a_preview_count_tiles_that_are_there(opened: Opened) -> None:
    tiles = opened.index.groups_of_tiles()
    assert list(tiles.items())[::2] == [("a/1", "a"), ("a/3", "a"), ("b/2", "b")]
    seen = preview_export(opened, DECISIONS, ExportOptions(drop_missing=True), tiles)
    assert (seen.tiles, seen.undecided, dict(seen.tags), seen.not_found) == (6, 4, {"cloud": 2, "blur": 1}, 1)
    assert dict(seen.reasons) == {Reason.VERDICT: 1, Reason.NOT_FOUND: 1}
    assert seen.files == ("a/test.txt", "a/train.txt", "b/test.txt", "b/train.txt")
    assert [line for line in seen.diff if line.startswith("-") and not line.startswith("---")] == ["-1", "-99"]
    assert seen.diff_is_whole
    assert seen.plan == plan_export(opened, DECISIONS, ExportOptions(drop_missing=True))


def test_a_long_diff_is_cut_and_says_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_DIFF_LINES", 3)
    seen = preview_export(opened, DECISIONS, ExportOptions(), opened.index.groups_of_tiles())
    assert len(seen.diff) == 3
    assert not seen.diff_is_whole


def test_tiles_without_files_are_no_tiles_to_keep(opened: Opened) -> None:
    everything = plan_export(opened, {}, replace(ExportOptions(), drop_undecided=True))
    assert TileId("b/99") in {dropped.tile for dropped in everything.dropped}
    assert not everything.kept

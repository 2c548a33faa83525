"""`rsviewer bench --synthetic-index`: the index is measured without a dataset, a window or a trace on the disk."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from rsviewer.cli.indexbench import FOLDERS, SyntheticTable, SyntheticTree, measure_listing
from rsviewer.data.adapter import TabularAdapter
from rsviewer.data.datasets.synrs3d import SynRS3DAdapter

Run = Callable[..., Any]


def test_the_index_is_measured_without_a_dataset(run: Run) -> None:
    done = run("bench", "--synthetic-index", 3000, "--json")

    assert (done.code, done.err) == (0, "")
    table, listing = done.document["synthetic_table"], done.document["synthetic_listing"]
    assert (table["tiles"], table["is_fresh"], listing["files"], listing["tiles"]) == (3000, True, 3000, 750)
    for key in ("tiles_per_s", "first_page_s", "reopen_s", "search_s", "facets_s", "jump_ms", "export_s"):
        assert table[key] > 0, key
    assert set(table["filter_s"]) >= {"split", "group", "number", "text"}
    assert listing["files_per_s"] > 0
    for key in ("record_tiles_per_s", "judge_s", "resume_s", "reasons_ms", "report_s", "near_duplicates_s"):
        assert table["checks"][key] > 0, key
    assert set(table["statistics_s"]) >= {"count", "histogram", "density", "map", "map_part_by_number"}


def test_people_get_every_figure_in_a_line_of_its_own(run: Run) -> None:
    out = run("bench", "--synthetic-index", 100).out

    assert "synthetic_table filter_s group" in out
    assert "synthetic_listing files_per_s" in out


def test_without_a_folder_and_without_a_number_there_is_nothing_to_measure(run: Run) -> None:
    done = run("bench")

    assert (done.code, done.out) == (2, "")
    assert "Give the folder of a dataset, or --checks, or --convert, or --synthetic-index" in done.err


def test_the_made_up_table_is_one_for_the_index(tmp_path: Path) -> None:
    adapter = SyntheticTable(7)
    assert isinstance(adapter, TabularAdapter)
    entries = list(adapter.scan(adapter.describe(tmp_path)))
    assert len({entry.id for entry in entries}) == 7
    assert all(set(entry.facts) == {"similarity", "year", "source"} for entry in entries)


def test_the_made_up_folders_are_a_dataset_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.cli.indexbench.SUBSET", 2)
    tree = SyntheticTree("/synthetic", 3)
    adapter = SynRS3DAdapter(tree)
    assert adapter.recognises(Path("/synthetic"))
    entries = list(islice(adapter.scan(adapter.describe(Path("/synthetic"))), 9))
    assert [entry.id for entry in entries] == [
        "grid_g05_mid_v1/0000000000-1",
        "grid_g05_mid_v1/0000000001-1",
        "grid_g05_mid_v2/0000000002-1",
    ]
    assert all(len(entry.files) == len(FOLDERS) for entry in entries)
    assert measure_listing(12)["tiles"] == 3

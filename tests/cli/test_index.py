from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.batch import measuring
from rsviewer.core.tile import LayerContent, LayerSpec
from rsviewer.data.adapter import TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.project import Project
from rsviewer.data.tree import Tree

Run = Callable[..., Any]
KEYS = {"path", "tiles", "built", "seconds", "measured", "measured_before", "unreadable"}

pytestmark = pytest.mark.usefixtures("unchanged")


def test_the_index_is_built_once_and_again_only_when_asked(run: Run, dataset: Path) -> None:
    first = run("index", dataset, "--json").document
    again = run("index", dataset, "--json").document
    asked = run("index", dataset, "--rebuild", "--json").document

    assert set(first) == KEYS
    assert (first["tiles"], first["measured"]) == (5, None)
    assert Path(first["path"]).is_file()
    assert [first["built"], again["built"], asked["built"]] == [True, False, True]


def test_stats_are_read_once(run: Run, dataset: Path) -> None:
    first = run("index", dataset, "--stats", "--json").document
    again = run("index", dataset, "--stats", "--json").document

    assert (first["measured"], first["measured_before"], first["unreadable"]) == (5, 0, 0)
    assert (again["measured"], again["measured_before"]) == (0, 5)
    assert "5 before" in run("index", dataset, "--stats").out


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(
    run: Run, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(entry: TileEntry, spec: LayerSpec, tree: Tree) -> LayerContent:
        if entry.id.endswith("c"):
            raise KeyboardInterrupt
        return read_layer(entry, spec, tree)

    monkeypatch.setattr(measuring, "read_layer", interrupted)
    done = run("index", dataset, "--stats", "--threads", 1, "--json")
    assert (done.code, done.out, done.err) == (130, "", "")

    monkeypatch.setattr(measuring, "read_layer", read_layer)
    document = run("index", dataset, "--stats", "--json").document
    assert (document["measured"], document["measured_before"]) == (3, 2)


def test_who_has_the_project_is_said(run: Run, dataset: Path) -> None:
    with Project.open(dataset):
        done = run("index", dataset, "--json")

    assert (done.code, done.out) == (2, "")
    assert "is being written to by" in done.err
    assert "process" in done.err


def test_the_project_lives_where_project_says(run: Run, dataset: Path, tmp_path: Path) -> None:
    run("index", dataset, "--project", tmp_path / "mine")

    assert (tmp_path / "mine" / "index.duckdb").is_file()
    assert not (tmp_path / "rsviewer-home" / "projects").exists()

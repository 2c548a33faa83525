"""`rsviewer check`, from the command line."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.core.checks import CHECKS

Run = Callable[..., Any]

HERE = ("--workers", "0")
FILES = (*HERE, "--only", "unreadable,missing_layer")
"""Of a handful of tiles of 8 x 8 pixels other checks have much to say."""


@pytest.fixture
def spoilt(dataset: Path) -> Path:
    """Of the tiles a to d, the image of b is cut short."""
    image = dataset / "opt" / "b.tif"
    image.write_bytes(image.read_bytes()[:200])
    return dataset


def test_what_is_wrong_is_said_in_words_the_worst_first(run: Run, spoilt: Path) -> None:
    done = run("check", spoilt, *FILES)

    assert done.code == 0
    assert "4 tiles examined in " in done.out
    assert "tiles/s" in done.out
    worst = done.out[done.out.index("Most suspicious") :]
    assert worst.split("\n")[2].split()[0] == "b"
    assert "unreadable" in done.out
    table = spoilt.parent / "tiles.csv"
    run("check", spoilt, *FILES, "--out", table)
    reasons = {row["tile"]: row["reasons"] for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())}
    assert reasons["b"].startswith("File cannot be read: image cannot be read: "), "layers go by their titles, once"


def test_the_document_has_what_scripts_rely_on(run: Run, spoilt: Path) -> None:
    document = run("check", spoilt, *FILES, "--json").document

    assert (document["tiles"], document["known"], document["failed"]) == (4, 0, [])
    assert document["seconds"] > 0
    assert {each["tile"] for each in document["results"]} == {"a", "b", "c", "d"}, (
        "no file, no tile: ghost is not there"
    )
    suspicions = [each["suspicion"] for each in document["results"]]
    assert suspicions == sorted(suspicions, reverse=True)
    first = document["results"][0]
    assert first["tile"] == "b"
    reason = next(each for each in first["reasons"] if each["check"] == "unreadable")
    assert {"check", "score", "threshold", "message"} <= set(reason)
    assert reason["score"] > reason["threshold"] > 0
    assert document["by_check"]["unreadable"] == 1
    assert set(document["per_check_ms"]) == {"unreadable", "missing_layer"}
    assert {"check", "value", "tiles", "median"} <= set(document["thresholds"][0])


def test_called_again_it_examines_nothing_and_says_the_same(run: Run, spoilt: Path) -> None:
    before = run("check", spoilt, *HERE, "--json").document
    again = run("check", spoilt, *HERE, "--json").document
    assert again["known"] == again["tiles"] == before["tiles"]
    assert again["results"] == before["results"]
    assert run("check", spoilt, *HERE, "--json", "--overwrite").document["known"] == 0


def test_files_that_changed_are_examined_again_when_asked(run: Run, spoilt: Path) -> None:
    whole = (spoilt / "opt" / "c.tif").read_bytes()
    run("check", spoilt, *FILES)
    (spoilt / "opt" / "b.tif").write_bytes(whole)
    same = run("check", spoilt, *FILES, "--json").document
    assert (same["known"], same["changed"]) == (4, None)
    assert "unreadable" in same["by_check"]

    again = run("check", spoilt, *FILES, "--changed", "--json").document
    assert (again["known"], again["changed"]) == (3, 1)
    assert "unreadable" not in again["by_check"]
    assert "No file has changed" in run("check", spoilt, *FILES, "--changed").out
    (spoilt / "opt" / "b.tif").write_bytes(whole[:200])
    said = run("check", spoilt, *FILES, "--changed").out
    assert "1 tile has changed since it was checked" in said
    assert "1 tile examined" in said
    assert "3 known before" in said


def test_tiles_and_checks_can_be_chosen(run: Run, spoilt: Path) -> None:
    document = run("check", spoilt, *HERE, "--split", "test", "--json").document
    assert [each["tile"] for each in document["results"]] == ["c"]
    assert set(document["per_check_ms"]) == {check.id for check in CHECKS}
    document = run("check", spoilt, *FILES, "--tile", "b", "--json").document
    assert [each["tile"] for each in document["results"]] == ["b"]
    assert set(document["per_check_ms"]) == {"unreadable", "missing_layer"}
    document = run("check", spoilt, *HERE, "--filter", "check_unreadable > 0", "--json").document
    assert [each["tile"] for each in document["results"]] == ["b"], "what an earlier run found"


def test_a_check_with_a_fault_is_named_once(run: Run, spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsviewer.core.checks.check import Sign
    from rsviewer.core.checks.subject import Subject

    broken: set[str] = set()

    def faulty(subject: Subject) -> list[Sign]:
        if subject.tile in broken:
            raise ZeroDivisionError("by nothing")
        return []

    changed = [replace(check, run=faulty) if check.id == "missing_layer" else check for check in CHECKS]
    monkeypatch.setattr("rsviewer.core.checks.CHECKS", tuple(changed))

    broken |= {"b", "c"}
    done = run("check", spoilt, *FILES)
    assert done.code == 0, "all the rest was done"
    assert done.err.count("missing_layer failed on 2 tiles, first on b: the check has a fault") == 1
    assert "by nothing" in done.err

    broken |= {"a", "d"}
    done = run("check", spoilt, *FILES, "--json", "--overwrite")
    assert done.code == 2, "nobody should think that it passed"
    (fault,) = done.document["faults"]
    assert (fault["check"], fault["tiles"], fault["first"]) == ("missing_layer", 4, "a")
    assert "unreadable" in done.document["by_check"]
    assert run("check", spoilt, *FILES).code == 0, "nothing was left to do"


def test_scripts_can_fail_on_it(run: Run, spoilt: Path) -> None:
    assert run("check", spoilt, *FILES, "--fail-on", "0.9").code == 1
    assert run("check", spoilt, *FILES, "--fail-on", "1").code == 1
    assert run("check", spoilt, *FILES, "--fail-on", "100").code == 0
    assert run("check", spoilt, *FILES, "--tile", "a", "--fail-on", "0.999").code == 0
    for nonsense in ("0", "1.5", "-1", "many", "nan"):
        refused = run("check", spoilt, *FILES, f"--fail-on={nonsense}")
        assert refused.code == 2
        assert "--fail-on" in refused.err


def test_a_refuted_suspicion_does_not_come_back(run: Run, spoilt: Path) -> None:
    from rsviewer.core.review import Decision, Edit
    from rsviewer.core.tile import TileId
    from rsviewer.data.decisions import DecisionStore
    from rsviewer.data.project import Project

    run("check", spoilt, *HERE, "--only", "unreadable")
    with Project.open(spoilt) as project, DecisionStore.open(project.decisions_path) as store:
        store.apply(Edit(TileId("b"), Decision(), Decision(refuted=("unreadable",))))

    document = run("check", spoilt, *HERE, "--only", "unreadable", "--json").document
    assert document["by_check"] == {}
    assert document["suspicious"] == 0


def test_a_table_has_a_row_for_every_tile(run: Run, spoilt: Path, tmp_path: Path) -> None:
    run("check", spoilt, *FILES, "--out", tmp_path / "tiles.csv")
    with (tmp_path / "tiles.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["tile"] for row in rows} == {"a", "b", "c", "d"}
    assert rows[0]["tile"] == "b"
    assert float(rows[0]["suspicion"]) > 0.9
    assert "unreadable" in rows[0]["suspects"].split()

    assert run("check", spoilt, *FILES, "--out", tmp_path / "tiles.csv").code == 2, "it is not replaced unasked"
    assert run("check", spoilt, *FILES, "--out", tmp_path / "tiles.xlsx").code == 2
    run("check", spoilt, *FILES, "--out", tmp_path / "tiles.parquet")
    import duckdb

    table = duckdb.read_parquet(str(tmp_path / "tiles.parquet")).fetchall()
    assert [row[0] for row in table] == [row["tile"] for row in rows]


def test_the_checks_can_be_listed_without_a_dataset(run: Run) -> None:
    listed = run("check", "--list", "--json").document
    assert [each["check"] for each in listed] == [check.id for check in CHECKS]
    assert all(each["why"] and each["help"] and each["least"] > 0 for each in listed)
    assert "unreadable" in run("check", "--list").out


def test_what_cannot_be_done_is_said_before_the_work(run: Run, spoilt: Path) -> None:
    for words, said in (
        ((), "Give the folder of a dataset"),
        ((spoilt, "--only", "unreadible"), "Did you mean unreadable"),
        ((spoilt, "--only", ","), "--list names them"),
        ((spoilt, "--split", "nowhere"), "There is no list nowhere"),
        ((spoilt, "--tile", "a", "--split", "train"), "--tile"),
        ((spoilt, "--dask", "tcp://127.0.0.1:1", "--workers", "2"), "a cluster has workers of its own"),
    ):
        done = run("check", *words)
        assert done.code == 2
        assert said in done.err


def test_ctrl_c_keeps_what_was_examined(run: Run, spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsviewer.batch import checking
    from rsviewer.data.indexchecks import CheckBook

    examine, seen = checking.examine, []

    def stop(entry: Any, *rest: Any) -> Any:
        seen.append(entry.id)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return examine(entry, *rest)

    monkeypatch.setattr(checking, "examine", stop)
    judge, judged = CheckBook.judge, []
    monkeypatch.setattr(CheckBook, "judge", lambda *given, **named: judged.append(judge(*given, **named)))
    done = run("check", spoilt, *HERE)
    assert done.code == 130
    assert [each.tiles for each in judged] == [2], "what is there is weighed"
    monkeypatch.setattr(checking, "examine", examine)
    monkeypatch.setattr(CheckBook, "judge", judge)
    assert done.err == "rsviewer: Stopped. What was examined is kept; the same command goes on from there.\n"
    assert run("check", spoilt, *HERE, "--json").document["known"] == 2


def test_ctrl_c_does_not_wait_long_for_a_judgement(run: Run, spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rsviewer.batch import checking

    def stop(entry: Any, *rest: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "examine", stop)
    monkeypatch.setattr("rsviewer.cli.check.PATIENCE_S", -1.0)
    assert run("check", spoilt, *HERE).code == 130


def test_a_hostile_name_cannot_command_the_terminal(run: Run, dataset: Path, write: Callable[..., None]) -> None:
    write(dataset / "opt" / "\x1b[31mred.tif", np.zeros((3, 8, 8), np.uint8))
    assert "\x1b" not in run("check", dataset, *HERE).out

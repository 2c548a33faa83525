import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.data.project import Project

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


@pytest.fixture
def decided(run: Run, dataset: Path) -> Path:
    """a: dropped for cloud, b: good, c: only a tag."""
    run("flag", dataset, "a", "--verdict", "drop", "--tag", "cloud", "--tag", "blur", "--note", 'half "white", grün')
    run("flag", dataset, "b", "--verdict", "good", "--reviewer", "Ada")
    run("flag", dataset, "c", "--tag", "blur")
    return dataset


def tiles(run: Run, dataset: Path, *options: str) -> list[str]:
    return [row["tile"] for row in run("decisions", dataset, *options, "--json").document]


def test_the_document_has_one_table_a_tile(run: Run, decided: Path) -> None:
    done = run("decisions", decided, "--json")

    assert (done.code, done.err) == (0, "")
    first = done.document[0]
    assert set(first) == {"tile", "verdict", "tags", "regions", "note", "reviewer", "time"}
    assert (first["tile"], first["verdict"], first["tags"]) == ("a", "drop", ["blur", "cloud"])
    assert first["note"] == 'half "white", grün'


def test_verdict_and_tag_choose(run: Run, decided: Path) -> None:
    assert tiles(run, decided) == ["a", "b", "c"]
    assert tiles(run, decided, "--verdict", "drop") == ["a"]
    assert tiles(run, decided, "--verdict", "drop", "--verdict", "good") == ["a", "b"]
    assert tiles(run, decided, "--tag", "blur") == ["a", "c"]
    assert tiles(run, decided, "--tag", "blur", "--verdict", "undecided") == ["c"]


def test_what_was_taken_back_is_nothing_said(run: Run, decided: Path) -> None:
    run("flag", decided, "b", "--clear")

    assert tiles(run, decided) == ["a", "c"]


def test_people_get_a_table(run: Run, decided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    out = run("decisions", decided).out

    assert "Ada" in out
    assert "blur, cloud" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_table_is_written_for_other_programs(run: Run, decided: Path, tmp_path: Path) -> None:
    out = tmp_path / "decisions.csv"

    assert run("decisions", decided, "--out", out).code == 0

    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tile"] for row in rows] == ["a", "b", "c"]
    assert (rows[0]["tags"], rows[0]["note"]) == ("blur;cloud", 'half "white", grün')


def test_a_file_that_exists_is_replaced_only_when_asked(run: Run, decided: Path, tmp_path: Path) -> None:
    out = tmp_path / "decisions.csv"
    out.write_text("precious")

    refused = run("decisions", decided, "--out", out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_text() == "precious"
    assert run("decisions", decided, "--out", out, "--overwrite").code == 0
    assert out.read_text().startswith("tile,verdict")
    assert "does not end in .csv" in run("decisions", decided, "--out", tmp_path / "x.xlsx").err


def test_reading_works_beside_a_window_and_before_anything_was_decided(run: Run, dataset: Path) -> None:
    assert run("decisions", dataset, "--json").document == []
    assert "Nothing was decided" in run("decisions", dataset).out

    run("flag", dataset, "a", "--verdict", "good")
    with Project.open(dataset):
        assert tiles(run, dataset) == ["a"]

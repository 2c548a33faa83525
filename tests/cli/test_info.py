from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def test_the_document_says_what_the_dataset_holds(run: Run, dataset: Path) -> None:
    done = run("info", dataset, "--json")

    document = done.document
    assert (done.code, done.err) == (0, "")
    assert set(document) >= {"format", "root", "tiles", "groups", "layers", "splits", "problems"}
    assert (document["format"], document["root"], document["tiles"]) == ("synrs3d", str(dataset), 4)
    assert document["groups"] == {}
    assert document["splits"] == {"test": 1, "train": 3}
    height = next(layer for layer in document["layers"] if layer["id"] == "ndsm")
    assert set(height) == {"id", "kind", "title", "unit", "dtype", "bands", "width", "height", "nodata"}
    assert [height[key] for key in ("kind", "unit", "dtype", "bands", "width", "height", "nodata")] == [
        "height", "m", "float32", 1, 8, 8, -9999,
    ]  # fmt: skip


def test_every_problem_has_its_kind_its_tile_and_a_sentence(run: Run, dataset: Path) -> None:
    problems = run("info", dataset, "--json").document["problems"]

    assert all(set(problem) == {"kind", "tile", "layer", "message"} and problem["message"] for problem in problems)
    assert {(problem["kind"], problem["tile"], problem["layer"]) for problem in problems} == {
        ("missing-layer", "d", "ndsm"),
        ("unlisted", "d", ""),
        ("not-found", "ghost", ""),
    }


def test_people_get_the_same_in_80_columns(run: Run, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    out = run("info", dataset).out

    for word in ("synrs3d", "ndsm", "float32", "8 x 8", "-9999", "test 1, train 3", "ghost", "3 problems"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 80


def test_many_problems_are_summarised(run: Run, dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "opt").mkdir(parents=True)
    for name in "abcd":
        (other / "opt" / f"{name}.tif").symlink_to(dataset / "opt" / f"{name}.tif")
    (other / "train.txt").write_text("".join(f"ghost{number}\n" for number in range(25)))

    out = run("info", other).out

    assert "29 problems: unlisted 4, not-found 25" in out
    assert "and 19 more" in out


def test_deep_also_finds_what_only_headers_tell(run: Run, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "opt").mkdir(parents=True)
    (copy / "gt_nDSM").mkdir()
    for path in (*dataset.glob("opt/*"), *dataset.glob("gt_nDSM/*")):
        (copy / path.relative_to(dataset)).symlink_to(path)
    (copy / "gt_nDSM" / "b.tif").unlink()
    (copy / "gt_nDSM" / "b.tif").write_bytes(b"II*\0")

    assert [problem["kind"] for problem in run("info", copy, "--json").document["problems"]] == ["missing-layer"]
    deep = run("info", copy, "--deep", "--json").document["problems"]
    assert ("unreadable", "b", "ndsm") in {(problem["kind"], problem["tile"], problem["layer"]) for problem in deep}


def test_nothing_is_written_at_all(run: Run, dataset: Path, tmp_path: Path) -> None:
    run("info", dataset, "--deep")

    assert not (tmp_path / "rsviewer-home" / "projects").exists()


def test_numbers_that_json_does_not_know_are_words(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    write(tmp_path / "nan" / "opt" / "a.tif", np.zeros((2, 2), np.float32), nodata=np.nan)

    (layer,) = run("info", tmp_path / "nan", "--json").document["layers"]
    assert layer["nodata"] == "nan"
    assert "nan" in run("info", tmp_path / "nan").out


@pytest.mark.real
@pytest.mark.parametrize(("name", "tiles"), [("synrs3d", 17), ("rs3dbench", 5)])
def test_the_real_samples_have_no_problems(run: Run, shared_data: Path, name: str, tiles: int) -> None:
    document = run("info", shared_data / "real" / name, "--deep", "--json").document

    assert (document["format"], document["tiles"], document["problems"]) == (name, tiles, [])
    assert all(layer["dtype"] for layer in document["layers"])


def test_the_document_says_why_it_is_this_format(run: Run, dataset: Path) -> None:
    document = run("info", dataset, "--json").document

    assert "opt/" in document["why"]
    assert document["facts"] == []
    assert "Recognised by" in run("info", dataset).out


def test_a_list_of_problems_that_was_cut_says_so(
    run: Run, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    (other / "opt").mkdir(parents=True)
    (other / "opt" / "a.tif").symlink_to(dataset / "opt" / "a.tif")
    (other / "train.txt").write_text("a\n" + "".join(f"ghost{number}\n" for number in range(25)))
    whole = run("info", other, "--json").document
    monkeypatch.setattr("rsviewer.batch.surveying.KEPT", 20)

    cut = run("info", other, "--json").document

    assert (len(whole["problems"]), whole["problem_counts"], whole["remarks"]) == (25, {"not-found": 25}, [])
    assert (len(cut["problems"]), cut["problem_counts"]) == (20, whole["problem_counts"])
    assert cut["remarks"] == ["Of each kind of problem the first 20 are listed: 5 more are only counted."]
    assert "--json lists the first 20 of each kind" in run("info", other).out

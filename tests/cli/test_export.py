import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.data.project import Project
from tests.data.samples import skyscript

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


@pytest.fixture
def dropped(run: Run, dataset: Path) -> Path:
    """a is dropped, b is good and blurred."""
    run("flag", dataset, "a", "--verdict", "drop", "--tag", "cloud", "--note", "why")
    run("flag", dataset, "b", "--verdict", "good", "--tag", "blur")
    return dataset


def test_lists_are_written_without_the_dropped_and_otherwise_byte_for_byte(
    run: Run, dropped: Path, tmp_path: Path
) -> None:
    out = tmp_path / "clean"

    done = run("export", dropped, "--out", out, "--json")

    assert (done.code, done.err) == (0, "")
    assert (out / "train.txt").read_bytes() == b"b\r\nghost\r\n"
    assert (out / "test.txt").read_bytes() == b"c"
    document = done.document
    assert set(document) >= {"out", "lists", "dropped", "dry_run"}
    assert document["out"] == str(out)
    train = next(each for each in document["lists"] if each["name"] == "train")
    assert (train["before"], train["after"]) == (3, 2)
    assert train["sha256"] == hashlib.sha256(b"b\r\nghost\r\n").hexdigest()
    (gone,) = document["dropped"]
    assert (gone["tile"], gone["verdict"], gone["tags"], gone["note"]) == ("a", "drop", ["cloud"], "why")
    assert json.loads((out / "manifest.json").read_text())["dropped"][0]["tile"] == "a"


def test_more_is_left_out_on_request(run: Run, dropped: Path, tmp_path: Path) -> None:
    def kept(*options: str) -> list[int]:
        lists = run("export", dropped, "--dry-run", "--json", *options).document["lists"]
        return [each["after"] for each in sorted(lists, key=lambda each: each["name"])]

    assert kept() == [1, 2]
    assert kept("--drop-tag", "blur") == [1, 1]
    assert kept("--drop-missing") == [1, 1]
    assert kept("--drop-undecided") == [0, 1]
    assert kept("--drop-undecided", "--drop-tag", "blur", "--drop-tag", "cloud") == [0, 0]


def test_a_dry_run_prints_the_change_and_writes_nothing(run: Run, dropped: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    done = run("export", dropped, "--dry-run", "--out", tmp_path / "clean")

    assert done.code == 0
    assert "--- train.txt\n+++ train.txt\n@@ -1,3 +1,2 @@\n b\n-a\n ghost\n" in done.out
    assert "Nothing was written" in done.out
    assert sorted(tmp_path.rglob("*")) == before
    assert run("export", dropped, "--dry-run", "--json").document["out"] is None


def test_an_export_is_replaced_only_when_asked_and_anything_else_never(run: Run, dropped: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    run("export", dropped, "--out", out)

    assert run("export", dropped, "--out", out).code == 2
    assert run("export", dropped, "--out", out, "--overwrite").code == 0
    refused = run("export", dropped, "--out", dropped, "--overwrite")
    assert refused.code == 2
    assert "belongs to the dataset itself" in refused.err


def test_a_folder_is_needed_unless_nothing_is_written(run: Run, dropped: Path) -> None:
    done = run("export", dropped)

    assert done.code == 2
    assert "--dry-run" in done.err


def test_people_get_the_numbers(run: Run, dropped: Path, tmp_path: Path) -> None:
    out = run("export", dropped, "--out", tmp_path / "clean").out

    assert "train.txt" in out
    assert "1 tile left out, 3 kept. 3 files in" in out
    assert "1 tile on the lists without files" in out
    assert "1 tile on no list" in out


def test_a_tile_for_training_and_for_testing_is_remarked(run: Run, dropped: Path) -> None:
    test = dropped / "test.txt"
    content = test.read_bytes()
    test.write_bytes(b"c\nb\n")

    done = run("export", dropped, "--dry-run", "--json")
    test.write_bytes(content)

    assert done.code == 0
    assert done.err == "rsviewer: 1 tile on a training list and on a held-out one, first b.\n"


def test_it_works_beside_a_window(run: Run, dropped: Path, tmp_path: Path) -> None:
    with Project.open(dropped):
        assert run("export", dropped, "--out", tmp_path / "clean").code == 0


def test_rows_whose_image_is_missing_are_names_without_files(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "captions"
    root.mkdir()
    skyscript.write(root)

    (gone,) = run("export", root, "--dry-run", "--json", "--drop-missing").document["dropped"]

    assert (gone["tile"], gone["reasons"]) == ("images7/n101000009_ZZ_21", ["not found"])

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.data.conversions import RECORD

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != RECORD)


def test_without_a_choice_it_is_the_whole_dataset_but_for_what_was_dropped(
    run: Run, dataset: Path, tmp_path: Path
) -> None:
    run("flag", dataset, "c", "--verdict", "drop", "--tag", "cloud")
    out = tmp_path / "new"

    done = run("convert", "dataset", dataset, "--to", "folders", "--out", out)

    assert (done.code, done.err) == (0, "")
    assert done.out == f"3 tiles written, 1 dropped tile left out: {out}\n"
    assert names(out) == [
        *("image/a.tif", "image/b.tif", "image/d.tif"),
        *("left-out.csv", "lists/train.txt", "ndsm/a.tif", "ndsm/b.tif", "rsviewer-dataset.toml", "tiles.csv"),
    ]
    assert (out / "lists" / "train.txt").read_text() == "b\na\n", "test named nothing but c"
    assert (out / "left-out.csv").read_text() == "tile,group,why,tags,note\nc,,dropped,cloud,\n"
    info = run("info", out, "--json").document
    assert (info["format"], info["tiles"]) == ("folders", 3)


def test_dropped_tiles_come_along_and_undecided_ones_stay_behind_when_asked(
    run: Run, dataset: Path, tmp_path: Path
) -> None:
    run("flag", dataset, "c", "--verdict", "drop")
    run("flag", dataset, "a", "--verdict", "good")

    def tiles(*options: str) -> int:
        out = tmp_path / "-".join(("new", *options))
        return int(
            run("convert", "dataset", dataset, "--to", "synrs3d", "--out", out, *options, "--json").document["written"]
        )

    assert tiles("--with-dropped") == 4
    assert tiles("--drop-undecided") == 1
    both = run(
        *("convert", "dataset", dataset, "--to", "synrs3d", "--out", tmp_path / "x"),
        *("--with-dropped", "--drop-undecided"),
    )
    assert both.code == 2


def test_what_would_be_done_is_told_and_nothing_written(run: Run, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    words = ("convert", "dataset", dataset, "--to", "rs3dbench", "--out", out, "--dry-run")

    done = run(*words)

    assert done.code == 0
    assert not out.exists()
    lines = done.out.splitlines()
    assert lines[0] == f"Nothing was written. 4 tiles would be converted: {out}"
    assert "7 files: 0 copied as they are (0.0 MB), 7 written anew." in lines
    assert "  4 files anew, image: RS3DBench has no files that end with .tif there" in lines
    assert "Lists: data_split/test.txt, data_split/train.txt" in lines
    document = run(*words, "--json").document
    assert (document["files"], document["as_they_are"], document["dry_run"]) == (7, 0, True)


def test_layers_and_tiles_are_chosen(run: Run, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    words = ("convert", "dataset", dataset, "--to", "synrs3d", "--out", out)

    assert run(*words, "--split", "train", "--layers", "image, ndsm").code == 0
    assert names(out) == [
        *("gt_nDSM/a.tif", "gt_nDSM/b.tif", "left-out.csv", "opt/a.tif", "opt/b.tif", "tiles.csv", "train.txt")
    ]
    again = run(*words, "--split", "train", "--layers", "image, ndsm")
    assert "2 there before" in again.out
    other = run(*words, "--all")
    assert other.code == 2
    assert "with another choice of tiles" in other.err


def test_links_are_warned_of(run: Run, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"

    done = run("convert", "dataset", dataset, "--to", "folders", "--out", out, "--link", "symlink")

    assert done.code == 0
    assert "whoever changes one, changes both" in done.err
    assert (out / "image" / "a.tif").readlink() == dataset / "opt" / "a.tif"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "coco"], "'coco' is not one of"),
        (["--to", "folders", "--layers", "dsm"], "There is no layer 'dsm': choose image, ndsm."),
        (["--to", "folders", "--split", "tarin"], "There is no list tarin: this dataset has test, train."),
        (["--to", "folders", "--tile", "a", "--all"], "name tiles with --tile, or take them with --all"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    run: Run, dataset: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    done = run("convert", "dataset", dataset, *words, "--out", tmp_path / "out")

    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_a_folder_in_the_dataset_is_refused(run: Run, dataset: Path) -> None:
    done = run("convert", "dataset", dataset, "--to", "folders", "--out", dataset / "new")

    assert done.code == 2
    assert "lies in the dataset itself" in done.err

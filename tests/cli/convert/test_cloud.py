from collections.abc import Callable
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
import trimesh

from rsviewer.batch.converting import clouds
from rsviewer.data.conversions import RECORD
from rsviewer.data.project import Project

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != RECORD)


def test_one_tile_is_written_and_nothing_else(run: Run, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "clouds"

    done = run("convert", "cloud", dataset, "--tile", "b", "--to", "las", "--out", out)

    assert (done.code, done.err) == (0, "")
    assert done.out == f"1 tile written: {out}\n"
    assert names(out) == ["b.las"]
    read = laspy.read(out / "b.las")
    assert len(read.points) == 64
    assert set(read.z) == {1.0}
    assert (read.x.min(), read.y.max()) == (500_000.25, 5_699_999.75)
    assert set(read.red) == {10 * 257}


@pytest.mark.parametrize("to", ["ply", "las", "laz", "glb"])
def test_a_dataset_is_converted_but_for_what_cannot_be(run: Run, dataset: Path, tmp_path: Path, to: str) -> None:
    out = tmp_path / "clouds"

    done = run("convert", "cloud", dataset, "--all", "--to", to, "--out", out, "--json")

    assert done.code == 1
    assert names(out) == [f"{name}.{to}" for name in "abc"]
    document = done.document
    assert document.pop("remarks") == []
    assert document == {
        "out": str(out),
        "to": to,
        "tiles": 4,
        "written": 3,
        "skipped": 0,
        "left_out": [],
        "failed": [{"tile": "d", "message": "This tile has no height layer."}],
    }
    assert done.err == "rsviewer: d: This tile has no height layer.\n"


def test_called_again_it_goes_on_and_overwrites_only_when_asked(run: Run, dataset: Path, tmp_path: Path) -> None:
    words = ("convert", "cloud", dataset, "--split", "train", "--to", "ply", "--out", tmp_path / "clouds")
    run(*words)
    (tmp_path / "clouds" / "a.ply").unlink()

    again = run(*words)
    assert (again.code, again.out) == (
        0,
        f"1 tile written, 1 there before (--overwrite writes them anew): {tmp_path / 'clouds'}\n",
    )
    anew = run(*words, "--overwrite", "--json").document
    assert (anew["written"], anew["skipped"]) == (2, 0)


def test_tiles_are_chosen_by_name_by_list_and_by_filter(run: Run, dataset: Path, tmp_path: Path) -> None:
    run("flag", dataset, "c", "--tag", "cloud")

    def chosen(*options: str) -> list[str]:
        out = tmp_path / "-".join(options).replace(" ", "")
        assert run("convert", "cloud", dataset, *options, "--to", "ply", "--out", out).code == 0
        return names(out)

    assert chosen("--tile", "c", "--tile", "a", "--tile", "c") == ["a.ply", "c.ply"]
    assert chosen("--split", "train") == ["a.ply", "b.ply"], "ghost has no files"
    assert chosen("--filter", "tag = 'cloud'") == ["c.ply"]
    assert chosen("--split", "train", "--filter", "not (tile = 'a')") == ["b.ply"]


def test_a_name_without_its_group_will_do_where_it_is_the_only_one(
    run: Run, tiny_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "clouds"
    words = ("--to", "ply", "--out", out)

    assert run("convert", "cloud", tiny_dataset, "--tile", "a/1", *words).code == 0
    assert names(out) == ["a/1.ply"]
    refused = run("convert", "cloud", tiny_dataset, "--tile", "1", *words)
    assert refused.code == 2
    assert refused.err == "rsviewer: There is no tile 1. Did you mean a/1 or b/1? Nothing was written.\n"


def test_a_surface_and_its_colours_are_as_asked(run: Run, tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "clouds"

    done = run(
        *("convert", "cloud", tiny_dataset, "--tile", "a/1", "--to", "ply", "--mesh", "--color", "landcover"),
        *("--height", "ndsm", "--out", out),
    )

    assert done.code == 0
    mesh = trimesh.load(out / "a" / "1.ply", process=False)
    assert len(mesh.vertices) == 32 * 24 - 1, "one void in the corner"
    assert len(mesh.faces) == 2 * 31 * 23 - 1
    assert len(np.unique(mesh.visual.vertex_colors, axis=0)) == 2, "two classes"


def test_ctrl_c_keeps_what_is_whole_and_says_how_to_go_on(
    run: Run, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = clouds.write_cloud

    def interrupted(path: Path, *rest: Any, **options: Any) -> None:
        if path.stem == "b":
            raise KeyboardInterrupt
        write(path, *rest, **options)

    words = (
        "convert",
        "cloud",
        dataset,
        "--split",
        "train",
        "--to",
        "ply",
        "--out",
        tmp_path / "out",
        "--workers",
        "0",
    )
    monkeypatch.setattr(clouds, "write_cloud", interrupted)
    stopped = run(*words)
    monkeypatch.undo()

    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    assert run(*words).code == 0
    assert names(tmp_path / "out") == ["a.ply", "b.ply"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name tiles with --tile, or take them with --all"),
        (["--tile", "a", "--all"], "name tiles with --tile, or take them with --all"),
        (["--tile", "az"], "There is no tile az."),
        (["--split", "tarin"], "There is no list tarin: this dataset has test, train."),
        (["--all", "--height", "image"], "no height layer 'image': choose ndsm"),
        (["--all", "--color", "difference"], "choose image, ndsm, height"),
        (["--all", "--mesh"], "points only"),
        (["--filter", "ndsm_max >"], ""),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_before_anything_is_written(
    run: Run, dataset: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    done = run("convert", "cloud", dataset, *words, "--to", "las", "--out", tmp_path / "out")

    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_but_failures_is_could_not(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("convert", "cloud", dataset, "--tile", "d", "--to", "ply", "--out", tmp_path / "out")

    assert done.code == 2
    assert "d: This tile has no height layer." in done.err


def test_a_folder_that_cannot_be_used_is_said_once(run: Run, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    done = run("convert", "cloud", dataset, "--all", "--to", "ply", "--out", tmp_path / "file")

    assert (done.code, done.err) == (2, f"rsviewer: {tmp_path / 'file'} is a file. Choose a folder.\n")


def test_it_works_beside_a_window(run: Run, dataset: Path, tmp_path: Path) -> None:
    with Project.open(dataset):
        assert run("convert", "cloud", dataset, "--tile", "a", "--to", "ply", "--out", tmp_path / "out").code == 0
        done = run("convert", "cloud", dataset, "--filter", "reviewed", "--to", "ply", "--out", tmp_path / "out")
    assert done.code == 2
    assert "is being written to by" in done.err


def test_the_group_of_commands_explains_itself(run: Run) -> None:
    assert "cloud" in run("convert", "--help").out
    assert run("convert").code == 2
    assert run("convert", "cluod").err == (
        "rsviewer: No such command 'cluod'. Did you mean 'cloud'? See rsviewer convert --help.\n"
    )

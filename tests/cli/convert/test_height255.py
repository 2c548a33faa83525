from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

Run = Callable[..., Any]


@pytest.fixture
def slopes(dataset: Path, write: Callable[..., None]) -> Path:
    """Heights of a from 0 to 63 m, of b from 100 to 163 m; c is 2 m all over, d has none."""
    steps = np.arange(64, dtype=np.float32).reshape(8, 8)
    write(dataset / "gt_nDSM" / "a.tif", steps, nodata=-9999)
    write(dataset / "gt_nDSM" / "b.tif", steps + 100, nodata=-9999)
    return dataset


def ends(path: Path) -> tuple[int, int]:
    with rasterio.open(path) as file:
        values = file.read(1)
    return int(values.min()), int(values.max())


@pytest.mark.parametrize(
    ("words", "a", "b"),
    [
        ((), (0, 255), (0, 255)),
        (("--bits", 16), (0, 65_535), (0, 65_535)),
        (("--range", "dataset"), (1, 99), (157, 255)),
        (("--range", "group"), (1, 99), (157, 255)),
        (("--low", 0, "--high", 254), (1, 64), (101, 164)),
        (("--low", 0, "--high", 254, "--inverted"), (192, 255), (92, 155)),
    ],
)
def test_heights_become_numbers(
    run: Run, slopes: Path, tmp_path: Path, words: tuple[object, ...], a: tuple[int, int], b: tuple[int, int]
) -> None:
    done = run("convert", "height255", slopes, "--tile", "a", "--tile", "b", *words, "--out", tmp_path / "out")

    assert (done.code, done.err) == (0, "")
    assert done.out == f"2 tiles written: {tmp_path / 'out'}\n"
    assert (ends(tmp_path / "out" / "a.tif"), ends(tmp_path / "out" / "b.tif")) == (a, b)


@pytest.mark.parametrize("to", ["tif", "png"])
def test_the_results_open_with_a_table_beside_them(run: Run, slopes: Path, tmp_path: Path, to: str) -> None:
    out = tmp_path / "out"

    done = run("convert", "height255", slopes, "--all", "--to", to, "--out", out, "--json")

    assert done.code == 1
    assert done.err == "rsviewer: d: This tile has no file for nDSM.\n"
    assert done.document["written"] == 3
    found = run("info", out, "--json", "--deep").document
    assert (found["tiles"], found["problems"]) == (3, [])
    assert [(layer["kind"], layer["unit"]) for layer in found["layers"]] == [("height", "m")]
    lines = (out / "heights255.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["file", f"a.{to}", f"b.{to}", f"c.{to}"]


def test_dropped_tiles_are_left_out_and_listed(run: Run, slopes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("flag", slopes, "b", "--verdict", "drop")

    done = run("convert", "height255", slopes, "--split", "train", "--out", out)
    assert done.out == f"1 tile written, 1 dropped tile left out: {out}\n"
    assert (out / "left_out.txt").read_text() == "b\n"
    assert not (out / "b.tif").exists()

    ahead = run("convert", "height255", slopes, "--all", "--out", tmp_path / "new", "--dry-run", "--json").document
    assert (ahead["to_write"], ahead["left_out"]) == (3, ["b"])

    everything = run("convert", "height255", slopes, "--split", "train", "--with-dropped", "--out", out, "--json")
    assert (everything.document["written"], everything.document["left_out"]) == (1, [])
    assert not (out / "left_out.txt").exists()


def test_a_range_that_others_share_is_not_taken_twice(run: Run, slopes: Path, tmp_path: Path) -> None:
    words = ("convert", "height255", slopes, "--range", "dataset", "--out", tmp_path / "out")
    run(*words, "--split", "train")

    again = run(*words, "--split", "train")
    assert (again.code, "2 there before" in again.out) == (0, True)
    other = run(*words, "--tile", "a")
    assert other.code == 2
    assert "was taken over other tiles" in other.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--low", 0), "both --low and --high"),
        (("--low", 0, "--high", 9, "--range", "tile"), "either --range or --low and --high"),
        (("--low", 9, "--high", 0), "give the lower one first"),
        (("--low", 0, "--high", 9, "--percent", 1), "nothing is cut off"),
        (("--percent", 60), "from 0 to below 50"),
        (("--layer", "image"), "no height layer 'image': choose ndsm"),
        (("--bits", "12"), "'12' is not one of"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_before_anything_is_written(
    run: Run, dataset: Path, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    done = run("convert", "height255", dataset, "--all", *words, "--out", tmp_path / "out")

    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsviewer.data.conversions import RECORD
from rsviewer.data.datasets.folders import LAYOUT_FILE

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def names(out: Path) -> list[str]:
    own = (RECORD, LAYOUT_FILE)
    return sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name not in own
    )


def test_a_tile_becomes_a_picture_that_says_where_it_lies(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("convert", "colorize", dataset, "--tile", "b", "--out", tmp_path / "out")

    assert (done.code, done.err) == (0, "")
    assert done.out == f"1 tile written: {tmp_path / 'out'}\n1 tile, first b: nDSM: constant.\n"
    assert names(tmp_path / "out") == ["b.png", "b.png.aux.xml"]


def test_all_options_reach_the_picture(run: Run, dataset: Path, tmp_path: Path) -> None:
    words = ("--all", "--layer", "ndsm", "--colors", "Spectral", "--inverted", "--no-hillshade", "--range", "dataset")
    words += ("--percent", "0", "--nodata-color", "00ff00", "--to", "tif", "--no-georeference", "--json")

    done = run("convert", "colorize", dataset, *words, "--out", tmp_path / "out")

    assert done.code == 1
    assert (done.document["layer"], done.document["to"], done.document["written"]) == ("ndsm", "tif", 3)
    assert [failure["tile"] for failure in done.document["failed"]] == ["d"]
    assert names(tmp_path / "out") == ["a.tif", "b.tif", "c.tif"]
    low, high = (np.asarray(Image.open(tmp_path / "out" / f"{name}.tif")) for name in "ac")
    assert low.shape == (8, 8, 3)
    assert (low[0, 0].tolist(), high[0, 0].tolist()) == ([94, 79, 162], [158, 1, 66])


def test_bar_and_legend_stand_beside_the_picture(run: Run, dataset: Path, tmp_path: Path) -> None:
    widths = []
    for options in ((), ("--bar",), ("--bar", "--legend"), ("--low", "0", "--high", "3", "--hillshade", "1")):
        out = tmp_path / "-".join(["out", *options])
        assert run("convert", "colorize", dataset, "--tile", "c", *options, "--out", out).code == 0
        widths.append(np.asarray(Image.open(out / "c.png")).shape[1])

    assert widths[0] == widths[3] == 8 < widths[1] < widths[2]


def test_a_look_ahead_names_what_would_be_written(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("convert", "colorize", dataset, "--all", "--dry-run", "--range", "group", "--out", tmp_path / "out")

    assert done.code == 0
    assert "4 tiles would be converted" in done.out
    assert str(tmp_path / "out" / "a.png") in done.out
    assert not (tmp_path / "out").exists()


def test_a_range_is_of_the_tiles_it_was_begun_with(run: Run, dataset: Path, tmp_path: Path) -> None:
    words = ("convert", "colorize", dataset, "--range", "dataset", "--out", tmp_path / "out")
    assert run(*words, "--split", "train").code == 0

    done = run(*words, "--tile", "c")

    assert done.code == 2
    assert "taken over other tiles (2 tiles) than are converted now (1)" in done.err
    assert run(*words, "--tile", "c", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--colors", "virids"), "Did you mean viridis"),
        (("--layer", "image"), "choose ndsm"),
        (("--layer", "dsm"), "There is no layer 'dsm': choose ndsm"),
        (("--low", "3"), "both --low and --high"),
        (("--nodata-color", "black"), "'black' is not like ff8000"),
        (("--hillshade", "1", "--no-hillshade"), "not both"),
        (("--range", "tiles"), "tiles"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run: Run, dataset: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("convert", "colorize", dataset, "--all", *words, "--out", tmp_path / "out")

    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()

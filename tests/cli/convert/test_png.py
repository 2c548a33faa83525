from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.rglob("*.png*"))


def test_pictures_are_written_with_their_place_on_the_map_or_without(run: Run, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures"

    done = run("convert", "png", dataset, "--split", "train", "--out", out)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"2 tiles written: {out}",
        "2 tiles, first a: All values of a channel are the same: it is 128 all over.",
    ]
    assert names(out) == ["a.png", "a.png.aux.xml", "b.png", "b.png.aux.xml"]
    alone = tmp_path / "alone"
    assert run("convert", "png", dataset, "--all", "--no-georeference", "--out", alone).code == 0
    assert names(alone) == ["a.png", "b.png", "c.png", "d.png"]


def test_the_results_open(run: Run, dataset: Path, tmp_path: Path) -> None:
    run("convert", "png", dataset, "--all", "--out", tmp_path / "out")

    found = run("info", tmp_path / "out", "--json", "--deep").document

    assert found["tiles"] == 4
    assert [(layer["kind"], layer["dtype"], layer["bands"]) for layer in found["layers"]] == [("optical", "uint8", 3)]
    assert found["problems"] == []


@pytest.mark.parametrize(
    ("words", "mode", "pixel"),
    [
        ((), "RGB", (128, 128, 128)),
        (("--stretch", "none"), "RGB", (10, 10, 10)),
        (("--stretch", "image"), "RGB", (128, 128, 128)),
        (("--stretch", "percent", "--percent", 0.3, 99.7), "RGB", (128, 128, 128)),
        (("--stretch", "percent-channel"), "RGB", (128, 128, 128)),
        (("--stretch", "tif2png", "--percent", 2, 98), "RGB", (128, 128, 128)),
        (("--stretch", "fixed", "--range", 0, 20), "RGB", (128, 128, 128)),
        (("--stretch", "fixed", "--range", -10, 10, "--gamma", 2), "RGB", (255, 255, 255)),
        (("--stretch", "none", "--bands", "3, 2,1"), "RGB", (10, 10, 10)),
        (("--stretch", "none", "--bands", "2"), "L", 10),
    ],
)
def test_every_stretch_can_be_asked_for(
    run: Run, dataset: Path, tmp_path: Path, words: tuple[object, ...], mode: str, pixel: object
) -> None:
    assert run("convert", "png", dataset, "--tile", "b", *words, "--out", tmp_path / "out").code == 0

    with Image.open(tmp_path / "out" / "b.png") as picture:
        assert (picture.mode, picture.getpixel((3, 3))) == (mode, pixel)


def test_what_is_transparent_is_said(run: Run, dataset: Path, tmp_path: Path, write: Callable[..., None]) -> None:
    holed = tmp_path / "holed"
    values = np.ones((3, 2, 2), np.float32)
    values[:, 0, 0] = np.nan
    for name in ("1", "2"):
        write(holed / "opt" / f"{name}.tif", values)
        write(holed / "gt_nDSM" / f"{name}.tif", values[0])

    done = run("convert", "png", holed, "--all", "--out", tmp_path / "out")

    assert done.out.splitlines()[1] == (
        "2 tiles, first 1: Pixels without a value are transparent: the picture is RGBA (or grey with alpha)."
    )


def test_a_look_ahead_names_pictures(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("convert", "png", dataset, "--tile", "a", "--out", tmp_path / "out", "--dry-run")

    assert done.out.splitlines()[1:] == [f"  {tmp_path / 'out' / 'a.png'}"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--percent", 1, 99), "goes with --stretch percent"),
        (("--stretch", "fixed"), "goes with --stretch fixed, which needs it"),
        (("--range", 0, 1), "goes with --stretch fixed"),
        (("--stretch", "fixed", "--range", 1, 0), "give the lower number first"),
        (("--stretch", "percent", "--percent", 99, 1), "give two numbers like 1 99"),
        (("--gamma", 0), "above 0"),
        (("--bands", "r,g,b"), "is not like 4,3,2"),
        (("--bands", "1,2"), "three bands or of one"),
        (("--bands", ""), "is not like 4,3,2"),
        (("--layer", "ndsm"), "no image layer 'ndsm': choose image"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_before_anything_is_written(
    run: Run, dataset: Path, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    done = run("convert", "png", dataset, "--all", *words, "--out", tmp_path / "out")

    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.data.conversions import RECORD

Run = Callable[..., Any]


@pytest.fixture
def sources(tmp_path: Path, write: Callable[..., None]) -> dict[str, Path]:
    """An image of 40 x 24 pixels of 0.5 m, whose last columns are black, and heights of the same place."""
    image = np.arange(3 * 24 * 40, dtype=np.uint16).reshape(3, 24, 40) % 251 + 1
    image[:, :, 20:] = 0
    write(tmp_path / "my ortho.tif", image, nodata=0)
    write(tmp_path / "dem.tif", np.arange(24 * 40, dtype=np.float32).reshape(24, 40))
    return {"image": tmp_path / "my ortho.tif", "dem": tmp_path / "dem.tif"}


LEFT_OUT = (
    "Left out: 9 tiles with less than 90 % valid pixels: here/tile_2 (image 50 %), here/tile_3 (image 0 %), "
    "here/tile_4 (image 0 %) ..."
)


def words(sources: dict[str, Path], out: Path, *more: object) -> tuple[object, ...]:
    given = [word for role, path in sources.items() for word in (f"--{role}", path)]
    return ("convert", "tiles", *given, "--to", "rs3dbench", "--out", out, "--size", 8, *more)


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != RECORD)


def test_a_pair_is_cut_and_what_was_left_out_is_said(run: Run, sources: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "tiles"

    done = run(*words(sources, out, "--area", "here", "--workers", 0))

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "Grid: 40 x 24 pixels, 0.5 m, EPSG:32632 (that of the image)",
        "Tiles: 15 windows of 8 x 8 in 3 rows and 5 columns, one every 8 pixels",
        "  DEM: dem.tif, 40 x 24, 0.5 m, EPSG:32632, 1 x float32: copied -> DEM-here",
        "  image: my ortho.tif, 40 x 24, 0.5 m, EPSG:32632, 3 x uint16: copied -> Image/tif-here",
        f"6 tiles written: {out}",
        LEFT_OUT,
    ]
    kept = (0, 1, 10, 11, 5, 6)
    assert names(out) == [f"{folder}/tile_{number}.tif" for folder in ("DEM-here", "Image/tif-here") for number in kept]
    assert run("info", out, "--json").document["tiles"] == 6


def test_json_says_all_there_is(run: Run, sources: dict[str, Path], tmp_path: Path) -> None:
    done = run(*words(sources, tmp_path / "tiles", "--json", "--workers", 0, "--bands", "2, 1", "--stride", 16))

    assert done.code == 0
    document = done.document
    assert document["grid"] == {
        "of": "image",
        "crs": "EPSG:32632",
        "transform": [0.5, 0.0, 500_000.0, 0.0, -0.5, 5_700_000.0],
        "width": 40,
        "height": 24,
        "gsd": 0.5,
    }
    assert (document["rows"], document["columns"], document["stride"]) == (2, 3, 16)
    assert [layer["bands"] for layer in document["layers"]] == [1, 2]
    assert (document["tiles"], document["written"], document["failed"]) == (6, 2, [])
    assert document["left_out"] == [f"my_ortho/tile_{number}" for number in (1, 2, 4, 5)]
    assert document["left_out_because"][0] == {"layer": "image", "valid": 0.5}


def test_a_dry_run_says_what_would_be_cut_and_writes_nothing(
    run: Run, sources: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "tiles"

    done = run(*words(sources, out, "--dry-run", "--gsd", 1, "--edge", "pad"))

    assert done.code == 0
    assert done.out.startswith("Grid: 20 x 12 pixels, 1 m, EPSG:32632 (new, over the image)\nTiles: 6 windows")
    assert "resampled (average)" in done.out
    assert f"6 tiles would be converted: {out}" in done.out
    assert not out.exists()


def test_called_again_it_goes_on(run: Run, sources: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "tiles"
    typed = words(sources, out, "--workers", 0)
    run(*typed)
    (out / "Image" / "tif-my_ortho" / "tile_5.tif").unlink()

    assert "1 tile written, 5 there before" in run(*typed).out
    refused = run(*typed, "--min-valid", 0.5)
    assert refused.code == 2
    assert "another min_valid" in refused.err
    assert "9 tiles written" in run(*typed, "--min-valid", 0.5, "--overwrite").out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--bands", "red"), "'red' is not like 4,3,2"),
        (("--bands", "4"), "It has 3 bands, and band 4 is wanted"),
        (("--dsm", "nothing.tif"), "RS3DBench has no folder for --dsm"),
        (("--mask", "nothing.tif"), "nothing.tif: No file"),
        (("--crs", "Mars"), "The CRS 'Mars' makes no sense"),
        (("--size", "99"), "less than a tile of 99"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    run: Run, sources: dict[str, Path], tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    done = run(*words(sources, tmp_path / "tiles", *more))

    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert not (tmp_path / "tiles").exists()


def test_processes_cut_it_too(run: Run, sources: dict[str, Path], tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run(*words(sources, here, "--workers", 0))

    assert run(*words(sources, there, "--workers", 2)).code == 0
    assert names(here) == names(there)
    for name in names(here):
        with rasterio.open(here / name) as one, rasterio.open(there / name) as other:
            assert np.array_equal(one.read(), other.read())

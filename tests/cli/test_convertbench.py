"""`rsviewer bench --convert`: conversions beside rasterio alone, and nothing left behind."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.batch.crew import Here
from rsviewer.cli.convertbench import JOBS, Floor, Share, Source
from rsviewer.data.demo import write_demo
from rsviewer.data.detect import open_dataset

Run = Callable[..., Any]

RATES = ("tiles_per_s", "floor_tiles_per_s", "ratio", "tiles_per_core_s", "floor_tiles_per_core_s", "core_ratio")


class Alone(Here):
    """This process, for as many as are asked for."""

    def __init__(self, workers: int) -> None:
        self.workers = workers or 1

    def __enter__(self) -> "Alone":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round, few tiles, and no other processes: what starts those is tested elsewhere."""
    monkeypatch.setattr("rsviewer.cli.convertbench.ROUNDS", 1)
    monkeypatch.setattr("rsviewer.cli.convertbench.CHUNK", 1)
    monkeypatch.setattr("rsviewer.cli.convertbench.Standing", Alone)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Six small tiles of the built-in dataset; the heights of one cannot be read."""
    root = tmp_path / "town"
    write_demo(root, tiles=6, size=64, seed=5, defects=False)
    first = sorted((root / "gt_nDSM").iterdir())[0]
    first.write_bytes(b"II*\0 and then nothing")
    return root


def test_every_conversion_is_measured_beside_its_floor(run: Run, town: Path) -> None:
    done = run("bench", town, "--convert", "--json")

    assert (done.code, done.err) == (0, "")
    found = done.document["convert"]
    assert list(found) == list(JOBS)
    for name, each in found.items():
        assert "why" not in each, name
        assert all(each[key] > 0 for key in RATES), name
        assert each["ratio"] == pytest.approx(each["tiles_per_s"] / each["floor_tiles_per_s"])
        assert each["tiles"] >= each["different_tiles"] > 1, name
    assert found["png"]["different_tiles"] == 6
    assert found["height255"]["different_tiles"] == 5, "what cannot be converted is in neither figure"
    assert {name: each["floor"] for name, each in found.items() if each["floor"] != "reading and writing"} == {
        "cloud": "reading",
        "dataset": "copying",
    }


@pytest.mark.parametrize("columns", ["80", "120"])
def test_people_get_a_table_and_what_cannot_be_is_said(
    run: Run, town: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for folder in ("opt", "pre_opt"):
        for path in (town / folder).glob("*"):
            path.unlink()
        (town / folder).rmdir()
    done = run("bench", town, "--convert", "--only", "png,height255")

    assert done.code == 0
    lines = done.out.splitlines()
    assert any("png" in line and "no image layer" in line for line in lines)
    row = next(line for line in lines if "height255" in line)
    assert len(re.findall(r"[\d,.]+", row.partition("height255")[2])) >= 6, "tiles, and speeds with their ratios"
    assert not any("colorize" in line for line in lines)


def test_nothing_is_left_beside_the_dataset_or_elsewhere(
    run: Run, town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(town.rglob("*"))
    run("bench", town, "--convert", "--only", "height255")

    assert sorted(town.rglob("*")) == before
    assert list(scratch.iterdir()) == []


def test_an_unknown_conversion_is_named(run: Run, town: Path) -> None:
    done = run("bench", town, "--convert", "--only", "png,jpeg")

    assert (done.code, done.out) == (2, "")
    assert "jpeg is no conversion: choose png, height255" in done.err


def test_a_folder_without_tiles_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("bench", tmp_path / "empty", "--convert")

    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("name", ["png", "height255", "ndsm", "tiles"])
def test_the_floor_writes_the_same_pixels_in_the_same_kind_of_file(name: str, town: Path, tmp_path: Path) -> None:
    dataset, adapter = open_dataset(town)
    entries = list(adapter.scan(dataset))[1:]
    job = JOBS[name](dataset, entries, tmp_path / "work")
    job.convert(tmp_path / "pattern", Here())
    results = tuple(path for path in sorted((tmp_path / "pattern").rglob("*")) if path.suffix in (".png", ".tif"))
    assert len(results) == len(job.sources) * (2 if name == "tiles" else 1)
    out = tmp_path / "floor"
    out.mkdir()
    Floor(out)(Share(7, job.sources[0], results))

    for number, result in enumerate(results):
        with rasterio.open(result) as ours, rasterio.open(out / f"7-{number}{result.suffix}") as floor:
            assert str(floor.profile) == str(ours.profile)
            assert floor.tags(ns="IMAGE_STRUCTURE") == ours.tags(ns="IMAGE_STRUCTURE")
            np.testing.assert_array_equal(floor.read(), ours.read())


def test_a_broken_source_stops_no_floor(tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 and then nothing")
    Floor(tmp_path)(Share(0, (Source(str(tmp_path / "broken.tif")),), ()))


def test_the_document_is_one_that_scripts_can_rely_on(run: Run, town: Path) -> None:
    document = json.loads(run("bench", town, "--convert", "--only", "ndsm", "--tiles", 2, "--json").out)

    assert set(document) == {"machine", "convert"}
    found = document["convert"]["ndsm"]
    assert found["different_tiles"] <= 2
    assert found["tiles"] >= 3, "few tiles are converted several times"

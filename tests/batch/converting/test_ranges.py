from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.converting import ranges
from rsviewer.batch.converting.ranges import Scope, check_tiles, ranges_of, settled_ranges
from rsviewer.batch.crew import Here, Processes
from rsviewer.core.errors import SaveError
from rsviewer.core.stretch import Range
from rsviewer.core.tile import LayerId, LayerSpec
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.conversions import Recipe, converting, look_into
from rsviewer.data.detect import open_dataset

Write = Callable[..., None]

RECIPE = Recipe("colorize", ".png", {"range": "group"})


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Groups a (0..99, 100..199), b (5 everywhere, and a file cut short) and c (nothing valid, nothing at all)."""
    root = tmp_path / "data"
    heights = {
        "a/1": np.arange(100).reshape(10, 10),
        "a/2": np.arange(100, 200).reshape(10, 10),
        "b/1": np.full((10, 10), 5),
        "b/2": np.full((10, 10), 70),
        "c/1": np.full((10, 10), -9999),
        "c/2": None,
    }
    for name, height in heights.items():
        group, number = name.split("/")
        write(root / group / "opt" / f"{number}.tif", np.zeros((3, 10, 10), np.uint8))
        if height is not None:
            write(root / group / "gt_nDSM" / f"{number}.tif", height.astype(np.float32), nodata=-9999)
    broken = root / "b" / "gt_nDSM" / "2.tif"
    broken.write_bytes(broken.read_bytes()[:200])
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


@pytest.fixture
def entries(root: Path) -> list[TileEntry]:
    dataset, adapter = open_dataset(root)
    return list(adapter.scan(dataset))


@pytest.fixture
def ndsm(dataset: Dataset) -> LayerSpec:
    return dataset.layer(LayerId("ndsm"))


def test_each_group_has_a_range_and_all_have_one(dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec) -> None:
    assert ranges_of(dataset, entries, ndsm, Scope.GROUP, 0, Here()) == {"a": Range(0, 199), "b": Range(5, 5)}
    assert ranges_of(dataset, entries, ndsm, Scope.DATASET, 0, Here()) == {"": Range(0, 199)}
    assert ranges_of(dataset, entries, ndsm, Scope.TILE, 0, Here()) == {}
    assert ranges_of(dataset, [], ndsm, Scope.DATASET, 0, Here()) == {}


def test_percentiles_are_taken_over_all_pixels_of_a_group(
    dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_AT_ONCE", 1)

    found = ranges_of(dataset, entries, ndsm, Scope.GROUP, 10, Here())

    assert (found["a"].low, found["a"].high) == (pytest.approx(19.9, abs=0.01), pytest.approx(179.1, abs=0.01))
    assert found["b"] == Range(5, 5)


def test_processes_find_the_same_and_it_is_told_how_far_they_are(
    dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec
) -> None:
    told: list[tuple[int, int | None]] = []

    found = ranges_of(dataset, entries, ndsm, Scope.DATASET, 1, Processes(2), lambda *step: told.append(step))

    assert found == ranges_of(dataset, entries, ndsm, Scope.DATASET, 1, Here())
    assert told == [(done + 1, 12) for done in range(12)]


def test_a_conversion_that_goes_on_has_the_ranges_it_began_with(
    dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec, tmp_path: Path, write: Write
) -> None:
    with converting(tmp_path / "out", RECIPE, ()) as begun:
        first = settled_ranges(begun, RECIPE, dataset, entries, ndsm, Scope.GROUP, 1 / 3, Here())
    write(tmp_path / "data" / "a" / "gt_nDSM" / "1.tif", np.full((10, 10), -1, np.float32))

    with converting(tmp_path / "out", RECIPE, ()) as begun:
        again = settled_ranges(begun, RECIPE, dataset, entries[::-1], ndsm, Scope.GROUP, 1 / 3, Here())
    with converting(tmp_path / "out", RECIPE, (), overwrite=True) as begun:
        anew = settled_ranges(begun, RECIPE, dataset, entries, ndsm, Scope.GROUP, 1 / 3, Here())

    assert again == first
    assert anew["a"].low == pytest.approx(-1, abs=0.01)


def test_with_other_tiles_it_is_refused_unless_all_is_made_anew(
    dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec, tmp_path: Path
) -> None:
    with converting(tmp_path / "out", RECIPE, ()) as begun:
        settled_ranges(begun, RECIPE, dataset, entries, ndsm, Scope.DATASET, 0, Here())

    with (
        pytest.raises(SaveError, match=r"taken over other tiles \(6 tiles\) than are converted now \(1\)"),
        converting(tmp_path / "out", RECIPE, ()) as begun,
    ):
        settled_ranges(begun, RECIPE, dataset, entries[:1], ndsm, Scope.DATASET, 0, Here())
    with pytest.raises(SaveError, match="other tiles"):
        check_tiles(look_into(tmp_path / "out", RECIPE, ()), entries[1:], Scope.DATASET)
    check_tiles(look_into(tmp_path / "out", RECIPE, ()), entries[1:], Scope.TILE)
    with converting(tmp_path / "out", RECIPE, (), overwrite=True) as begun:
        assert settled_ranges(begun, RECIPE, dataset, entries[:1], ndsm, Scope.DATASET, 0, Here()) == {"": Range(0, 99)}


@pytest.mark.parametrize("kept", [{}, {"ranges": 3}, {"ranges": {"": ["x", 1]}, "ranges_tiles": ""}])
def test_what_nobody_can_read_was_not_kept(
    dataset: Dataset, entries: list[TileEntry], ndsm: LayerSpec, tmp_path: Path, kept: dict[str, object]
) -> None:
    with converting(tmp_path / "out", RECIPE, ()) as begun:
        odd = replace(begun, kept=kept)
        assert settled_ranges(odd, RECIPE, dataset, entries, ndsm, Scope.DATASET, 0, Here()) == {"": Range(0, 199)}

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch import measuring
from rsviewer.batch.measuring import measure, measure_all, summarize, unmeasured
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.adapter import Dataset
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex

HEIGHTS = np.array([[1, 2], [3, -9999]], np.float32)
TILES = 5


@pytest.fixture
def root(tmp_path: Path, write: Callable[..., None]) -> Path:
    """Tiles 0..4; 1 has no heights, those of 2 are broken, those of 3 are all nodata."""
    for number in range(TILES):
        write(tmp_path / "data" / "opt" / f"{number}.tif", np.full((3, 2, 2), 10 * number, np.uint8))
        if number != 1:
            height = HEIGHTS if number != 3 else np.full((2, 2), -9999, np.float32)
            write(tmp_path / "data" / "gt_nDSM" / f"{number}.tif", height, nodata=-9999)
    (tmp_path / "data" / "gt_nDSM" / "2.tif").write_bytes(b"II*\0")
    return tmp_path / "data"


@pytest.fixture
def index(root: Path) -> Iterator[TileIndex]:
    index = TileIndex.open(None, *open_dataset(root))
    index.build()
    yield index
    index.close()


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


def names(index: TileIndex, condition: str) -> list[str]:
    return [entry.id for entry in index.entries(index.select(condition))]


def test_filters_know_what_was_measured(index: TileIndex, dataset: Dataset) -> None:
    done = measure_all(index, dataset, threads=2)

    assert (done.tiles, done.known, done.unreadable) == (5, 0, 1)
    assert names(index, "ndsm_max = 3 and ndsm_min = 1 and ndsm_mean = 2 and ndsm_valid = 0.75") == ["0", "4"]
    assert names(index, "image_mean = 40 and image_std = 0 and image_width = 2") == ["4"]
    assert names(index, "ndsm_state = 'missing'") == ["1"]
    assert names(index, "unreadable = 'ndsm' and ndsm_message is not null") == ["2"]
    assert names(index, "ndsm_valid = 0 and ndsm_max is null") == ["3"]


def test_measuring_again_reads_nothing_again(index: TileIndex, dataset: Dataset) -> None:
    measure_all(index, dataset)

    assert (again := measure_all(index, dataset)).tiles == 0
    assert again.known == TILES


@pytest.mark.parametrize("filed_at_once", [2, 1024])
def test_an_interruption_keeps_what_was_read_and_the_next_run_goes_on(
    index: TileIndex, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, filed_at_once: int
) -> None:
    monkeypatch.setattr(measuring, "FILED_AT_ONCE", filed_at_once)

    def stop_after_three(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_all(index, dataset, progress=stop_after_three)
    assert unmeasured(index, dataset.layers).tolist() == [3, 4]
    assert measure_all(index, dataset).tiles == 2
    assert not len(unmeasured(index, dataset.layers))


def test_high_mountains_keep_their_small_relief_in_any_number_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "CHUNK", 7)
    height = 4000 + np.random.default_rng(1).normal(0, 0.01, (2, 5, 4))
    raster = Raster(height, np.broadcast_to(np.True_, height.shape))

    low, high, mean, std = summarize(raster)

    assert (low, high) == (height.min(), height.max())
    assert mean == pytest.approx(height.mean(), abs=1e-9)
    assert std == pytest.approx(height.std(), rel=1e-9)


def test_a_mask_shared_by_the_bands_counts_for_each_of_them() -> None:
    pixels = np.array([[[1, 100]], [[3, 100]]], np.uint8)
    raster = Raster(pixels, np.broadcast_to(np.array([[True, False]]), pixels.shape))

    measured = measure(TileId("a"), LayerId("image"), raster)

    assert (measured.minimum, measured.maximum, measured.mean, measured.valid) == (1, 3, 2, 0.5)


def test_only_valid_pixels_count() -> None:
    pixels = np.array([[[1, 5, math.nan]]], np.float32)
    valid = np.array([[[True, True, False]]])

    assert summarize(Raster(pixels, valid)) == (1, 5, 3, 2)
    assert summarize(replace(Raster(pixels, valid), valid=np.zeros_like(valid))) == (None, None, None, None)

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

import rsviewer
from rsviewer.core.errors import DatasetNotFoundError, LayerError
from rsviewer.core.tile import LayerKind, Missing, Unreadable
from rsviewer.data.access import OpenDataset

HEIGHTS = np.array([[1.5, 2.5], [3.5, np.nan]], np.float32)


def write(path: Path, pixels: np.ndarray, **options: object) -> None:
    bands = pixels if pixels.ndim == 3 else pixels[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_700_000)
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, crs="EPSG:32632",
        transform=transform, **options,
    ) as file:  # fmt: skip
        file.write(bands)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """north/a, north/b without heights, south/a with broken heights; north/train.txt names a and one that is not there."""
    root = tmp_path / "data"
    image = np.full((3, 2, 2), 7, np.uint8)
    for group, name in (("north", "a"), ("north", "b"), ("south", "a")):
        write(root / group / "opt" / f"{name}.tif", image)
    write(root / "north" / "gt_nDSM" / "a.tif", HEIGHTS)
    (root / "south" / "gt_nDSM").mkdir()
    (root / "south" / "gt_nDSM" / "a.tif").write_bytes(b"II*\0 and then nothing")
    (root / "north" / "train.txt").write_text("a\nghost\n")
    return root


@pytest.fixture
def dataset(root: Path) -> OpenDataset:
    return rsviewer.open_dataset(root)


def test_tiles_are_found_by_number_by_name_and_by_a_name_without_group(dataset: OpenDataset) -> None:
    assert [tile.id for tile in dataset] == ["north/a", "north/b", "north/ghost", "south/a"]
    assert dataset[0].id == dataset["north/a"].id == "north/a"
    assert dataset[-1].id == "south/a"
    assert dataset["b"].id == "north/b"
    assert [tile.id for tile in dataset[1:3]] == ["north/b", "north/ghost"]
    assert "north/a" in dataset
    assert dataset[1] in dataset
    assert "west/a" not in dataset


def test_a_layer_is_its_pixels_with_what_may_be_used_of_them(dataset: OpenDataset) -> None:
    height = dataset["north/a"]["ndsm"]

    np.testing.assert_array_equal(height.pixels, HEIGHTS[None])
    np.testing.assert_array_equal(height.valid, [[[True, True], [True, False]]])
    assert height.gsd == 0.5
    assert dataset.layer("ndsm").kind is LayerKind.HEIGHT
    assert dataset["north/a"].layers == ("image", "ndsm")
    assert dataset["north/a"].group == "north"


def test_a_list_gives_its_tiles(dataset: OpenDataset) -> None:
    assert [tile.id for tile in dataset.split("train")] == ["north/a", "north/ghost"]
    assert dataset["north/ghost"].layers == ()
    with pytest.raises(KeyError, match="has train"):
        dataset.split("val")


def test_what_is_not_there_is_a_value_or_an_error_as_one_likes(dataset: OpenDataset) -> None:
    lacking, broken = dataset["north/b"], dataset["south/a"]

    assert isinstance(lacking.read("ndsm"), Missing)
    assert isinstance(broken.read("ndsm"), Unreadable)
    with pytest.raises(LayerError, match="ndsm of north/b: This tile has no file for nDSM"):
        lacking["ndsm"]
    with pytest.raises(LayerError, match="ndsm of south/a: "):
        broken["ndsm"]


def test_a_slip_in_a_name_is_answered_with_names(dataset: OpenDataset) -> None:
    with pytest.raises(KeyError, match="Did you mean north/ghost"):
        dataset["north/gohst"]
    with pytest.raises(KeyError, match="north/a or south/a"):
        dataset["a"]
    with pytest.raises(KeyError, match="choose one of"):
        dataset["north/a"]["dsm"]
    with pytest.raises(IndexError, match="has 4"):
        dataset[4]


def test_text_is_read_as_text(tmp_path: Path) -> None:
    write(tmp_path / "Image" / "png-stretched-Delta" / "tile_1.png", np.zeros((3, 2, 2), np.uint8))
    write(tmp_path / "DEM-Delta" / "tile_1.tif", HEIGHTS)
    prompt = tmp_path / "TextPrompt-Delta" / "tile_1.txt"
    prompt.parent.mkdir()
    prompt.write_text("a delta seen from above\n")
    dataset = rsviewer.open_dataset(str(tmp_path))
    (layer,) = (spec.id for spec in dataset.layers if spec.kind is LayerKind.TEXT)

    assert dataset[0].text(layer) == "a delta seen from above"
    with pytest.raises(LayerError, match=r"use tile\.text"):
        dataset[0][layer]
    with pytest.raises(LayerError, match="is no text"):
        dataset[0].text("dem")


def test_a_folder_without_a_dataset_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="No dataset recognised"):
        rsviewer.open_dataset(tmp_path)


def test_reading_needs_neither_a_window_nor_models_and_importing_needs_nothing(root: Path) -> None:
    program = (
        "import sys, rsviewer; assert 'numpy' not in sys.modules; "
        f"rsviewer.open_dataset({str(root)!r})[0]['ndsm']; "
        "print(sorted({'PySide6', 'torch', 'pyqtgraph', 'duckdb', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.real
def test_every_layer_of_the_real_tiles_reads(shared_data: Path) -> None:
    for name in ("synrs3d", "rs3dbench"):
        for tile in rsviewer.open_dataset(shared_data / "real" / name):
            for layer in tile.layers:
                assert not isinstance(tile.read(layer), Missing | Unreadable), (tile, layer)

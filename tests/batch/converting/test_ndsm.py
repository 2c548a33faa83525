from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.batch.converting.ndsm import NODATA, Ground, NdsmOrder, check_order, convert_ndsm, preview_ndsm
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here
from rsviewer.core.errors import LayerError
from rsviewer.core.ground import GroundFilter
from rsviewer.core.tile import LayerId, LayerKind, Raster
from rsviewer.data.content import read_content
from rsviewer.data.detect import open_dataset

Write = Callable[..., None]

DSM = np.array([[5.0, 6.0, 7.0], [8.0, np.nan, 9.0]], np.float32)
DTM = np.array([[1, 2, -9999], [9, 4, 5]], np.int16)


def convert(root: Path, order: NdsmOrder, **change: Any) -> Conversion:
    dataset, adapter = open_dataset(root, "folders")
    entries = [entry for entry in adapter.scan(dataset) if entry.has_files]
    return convert_ndsm(dataset, entries, replace(order, **change), crew=Here())


def pixels(path: Path) -> np.ndarray:
    """NaN where they are not valid."""
    with rasterio.open(path) as file:
        return file.read(1, masked=True).filled(np.nan)


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """A tile of a DSM of float32 and a DTM of int16 with nodata, under a name with dots and blanks."""
    root = tmp_path / "data"
    write(root / "DSM" / "a 1.5.b.tif", DSM)
    write(root / "DTM" / "a 1.5.b.tif", DTM, nodata=-9999)
    return root


@pytest.fixture
def order(tmp_path: Path) -> NdsmOrder:
    return NdsmOrder(tmp_path / "out")


@pytest.fixture
def town(tmp_path: Path, write: Write) -> Path:
    """A house of 6 m on flat ground at 100 m, pixels of half a metre, and no DTM."""
    surface = np.full((64, 64), 100.0, np.float64)
    surface[20:40, 24:40] += 6.0
    write(tmp_path / "town" / "DSM" / "1.tif", surface)
    write(tmp_path / "town" / "DSM" / "2.tif", surface * np.nan)
    return tmp_path / "town"


def test_surface_minus_ground_by_hand(root: Path, order: NdsmOrder) -> None:
    done = convert(root, order)

    assert (done.written, done.failed, done.remarks) == (1, (), ())
    with rasterio.open(order.out / "a 1.5.b.tif") as file:
        assert file.read(1).tolist() == [[4.0, 4.0, NODATA], [-1.0, NODATA, 4.0]], "what lies below the ground stays so"
        assert (file.nodata, file.dtypes, file.units) == (NODATA, ("float32",), ("m",))
        assert (file.crs.to_epsg(), file.transform.c, file.transform.a) == (32632, 500_000, 0.5)
        assert file.tags()["RSVIEWER_GROUND"] == "DTM"


def test_the_result_opens_as_heights_above_ground(root: Path, order: NdsmOrder) -> None:
    convert(root, order)

    dataset, adapter = open_dataset(order.out)
    (entry,) = adapter.scan(dataset)
    (layer,) = dataset.layers

    assert (layer.id, layer.kind, layer.unit, entry.id) == ("ndsm", LayerKind.HEIGHT, "m", "a 1.5.b")
    raster = read_content(entry.files[layer.id], layer)
    assert isinstance(raster, Raster)
    assert raster.valid.sum() == 4


def test_a_ground_in_feet_and_of_larger_pixels_is_laid_below(tmp_path: Path, write: Write, order: NdsmOrder) -> None:
    root = tmp_path / "data"
    write(root / "DSM" / "1.tif", np.full((4, 4), 30.0, np.float32))
    large = rasterio.Affine(1, 0, 5e5, 0, -1, 5.7e6)
    write(root / "DTM" / "1.tif", np.full((2, 2), 10.0, np.float32), transform=large)
    (root / "rsviewer-dataset.toml").write_text(
        '[[layers]]\nid = "dsm"\nfolder = "DSM"\nkind = "height"\nunit = "m"\n'
        '[[layers]]\nid = "dtm"\nfolder = "DTM"\nkind = "height"\nunit = "ft"\n'
    )

    done = convert(root, order)

    assert done.failed == ()
    assert pixels(order.out / "1.tif") == pytest.approx(np.full((4, 4), 30 - 3.048), abs=1e-5)


def test_without_a_dtm_the_ground_is_estimated_and_that_is_said(town: Path, order: NdsmOrder) -> None:
    done = convert(town, order)

    found = pixels(order.out / "1.tif")
    assert found[20:40, 24:40] == pytest.approx(6.0, abs=0.01)
    assert found[:18] == pytest.approx(0.0)
    assert "estimated from the surface alone" in done.remarks[0].message
    assert [(each.tile, "no valid height" in each.message) for each in done.failed] == [("2", True)]
    with rasterio.open(order.out / "1.tif") as file:
        assert "Pingel et al. 2013" in file.tags()["RSVIEWER_GROUND"]


def test_a_tile_without_its_dtm_is_estimated_unless_the_layer_was_asked_for(
    town: Path, write: Write, order: NdsmOrder
) -> None:
    write(town / "DTM" / "3.tif", np.full((64, 64), 100.0, np.float32))
    write(town / "DSM" / "3.tif", np.full((64, 64), 101.0, np.float32))

    by_layer = convert(town, order, ground=Ground.LAYER)
    assert {each.tile: each.message for each in by_layer.failed}["1"] == "This tile has no file for DTM."
    assert (pixels(order.out / "3.tif") == 1.0).all()

    estimated = convert(town, order, ground=Ground.ESTIMATE, out=order.out.with_name("estimated"))
    assert estimated.written == 2
    assert (pixels(order.out.with_name("estimated") / "3.tif") == 0.0).all()


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float64])
def test_heights_of_any_type_are_taken(tmp_path: Path, write: Write, order: NdsmOrder, dtype: type) -> None:
    write(tmp_path / "data" / "DSM" / "1.tif", np.array([[7, 9]], dtype))
    write(tmp_path / "data" / "DTM" / "1.tif", np.array([[9, 7]], dtype))

    convert(tmp_path / "data", order)

    assert pixels(order.out / "1.tif").tolist() == [[-2.0, 2.0]]


def test_pixels_too_large_for_houses_and_pixels_of_unknown_size_are_refused(
    tmp_path: Path, write: Write, order: NdsmOrder
) -> None:
    large = rasterio.Affine(30, 0, 5e5, 0, -30, 5.7e6)
    write(tmp_path / "data" / "DSM" / "1.tif", np.zeros((8, 8), np.float32), transform=large)

    assert "Pixels of 30 m show no single houses" in convert(tmp_path / "data", order).failed[0].message
    assert convert(tmp_path / "data", order, how=GroundFilter(window=200), out=order.out.with_name("w")).written == 1

    write(tmp_path / "none" / "DSM" / "1.tif", np.zeros((8, 8), np.float32), crs=None)
    assert "say it with --gsd" in convert(tmp_path / "none", order, out=order.out.with_name("n")).failed[0].message
    assert convert(tmp_path / "none", order, gsd=0.5, out=order.out.with_name("g")).written == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surface": LayerId("ndsm")}, "no height layer 'ndsm': choose dsm, dtm"),
        ({"terrain": LayerId("dsm")}, "cannot be surface and ground at once"),
        ({"gsd": 0.0}, "more than 0 m"),
    ],
)
def test_an_order_that_no_tile_can_meet_is_refused_at_once(
    root: Path, order: NdsmOrder, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(open_dataset(root, "folders")[0], replace(order, **change))


def test_a_dataset_without_a_dsm_says_what_there_is(tmp_path: Path, write: Write, order: NdsmOrder) -> None:
    write(tmp_path / "data" / "DEM" / "1.tif", DSM)

    with pytest.raises(LayerError, match="Say which of dem"):
        check_order(open_dataset(tmp_path / "data", "folders")[0], order)


def test_stopped_and_called_again_it_makes_the_same(root: Path, write: Write, order: NdsmOrder) -> None:
    for number in range(3):
        write(root / "DSM" / f"{number}.tif", DSM + number)
        write(root / "DTM" / f"{number}.tif", DTM, nodata=-9999)
    convert(root, order, out=order.out.with_name("whole"))
    dataset, adapter = open_dataset(root, "folders")
    entries = list(adapter.scan(dataset))

    def stop(done: int, total: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_ndsm(dataset, entries, order, crew=Here(), progress=stop)
    assert preview_ndsm(dataset, entries, order).there == 2
    assert convert(root, order).written == 2

    files = sorted(path.name for path in order.out.glob("*.tif"))
    assert len(files) == 4
    for name in files:
        assert (order.out / name).read_bytes() == (order.out.with_name("whole") / name).read_bytes()


@pytest.mark.real
def test_an_estimated_ground_is_near_the_true_one_where_it_is_seen(
    shared_data: Path, tmp_path: Path, order: NdsmOrder
) -> None:
    for layer in ("dsm", "dtm"):
        (tmp_path / "data" / layer.upper()).mkdir(parents=True)
        source = shared_data / "real" / "heights_only" / f"alexandria_{layer}.tif"
        (tmp_path / "data" / layer.upper() / "1.tif").symlink_to(source)
    convert(tmp_path / "data", order)
    convert(tmp_path / "data", order, ground=Ground.ESTIMATE, out=order.out.with_name("estimated"))

    true, estimated = (pixels(folder / "1.tif") for folder in (order.out, order.out.with_name("estimated")))

    known = np.isfinite(true)
    assert np.abs(estimated - true)[known].mean() < 1.1
    assert np.corrcoef(true[known], estimated[known])[0, 1] > 0.95

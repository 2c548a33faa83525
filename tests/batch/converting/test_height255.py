"""Heights become whole numbers, and metres come back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.batch.converting.height255 import (
    STILL_THERE,
    Height255Order,
    NumberFile,
    check_order,
    convert_heights,
    preview_heights,
)
from rsviewer.batch.converting.ranges import Scope
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.tile import LayerId, LayerKind, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_content
from rsviewer.data.conversions import RECORD
from rsviewer.data.detect import open_dataset
from rsviewer.data.heighttable import LEFT_OUT, TABLE, facts_in, levels_in

Write = Callable[..., None]

HEIGHT = np.array([[100, 151, 355]], np.float32)
HOLED = np.array([[-9999, 100, 354]], np.int16)


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Groups "alps" and "low land", in them tiles with and without holes; "alps/4" is all void, "alps/9" cut short."""
    root = tmp_path / "data"
    heights: dict[str, tuple[np.ndarray, float | None]] = {
        "alps/1": (HEIGHT, None),
        "alps/2.v1 final": (HOLED, -9999),
        "alps/4": (HOLED * 0 - 9999, -9999),
        "alps/9": (HEIGHT, None),
        "low land/1": (np.full((1, 3), -3.7), None),
        "low land/2": (np.array([[0.0, np.nan, 8.0]]), None),
    }
    for tile, (values, nodata) in heights.items():
        group, name = tile.split("/")
        write(root / group / "gt_nDSM" / f"{name}.tif", values, nodata=nodata)
        write(root / group / "opt" / f"{name}.tif", np.zeros((3, 1, 3), np.uint8))
    broken = root / "alps" / "gt_nDSM" / "9.tif"
    broken.write_bytes(broken.read_bytes()[:150])
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


@pytest.fixture
def entries(root: Path) -> list[TileEntry]:
    return entries_of(root)


@pytest.fixture
def order(tmp_path: Path) -> Height255Order:
    return Height255Order(tmp_path / "out")


def entries_of(root: Path) -> list[TileEntry]:
    dataset, adapter = open_dataset(root)
    return list(adapter.scan(dataset))


def convert(dataset: Dataset, entries: list[TileEntry], order: Height255Order, **options: Any) -> Conversion:
    return convert_heights(dataset, entries, order, crew=Here(), **options)


def opened(out: Path) -> dict[str, Raster]:
    """What the viewer sees there."""
    dataset, adapter = open_dataset(out)
    found = {}
    for entry in adapter.scan(dataset):
        read = read_content(entry.files[dataset.layers[0].id], dataset.layers[0])
        assert isinstance(read, Raster)
        found[str(entry.id)] = read
    return found


def stored(path: Path) -> list[int]:
    with rasterio.open(path) as file:
        return list(file.read(1).ravel().tolist())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_by_tile_each_has_all_numbers_and_holes_are_kept_apart(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    done = convert(dataset, entries, order)

    assert stored(order.out / "alps" / "1.tif") == [0, 51, 255]
    assert stored(order.out / "alps" / "2.v1 final.tif") == [0, 1, 255]
    assert stored(order.out / "low land" / "1.tif") == [0, 0, 0], "one height all over"
    assert stored(order.out / "low land" / "2.tif") == [1, 0, 255]
    said = {failure.tile: failure.message for failure in done.failed}
    assert said.pop(TileId("alps/4")) == "nDSM has no valid height on this tile."
    assert said.pop(TileId("alps/9")).startswith("nDSM: ")
    assert not said
    assert [(remark.message, remark.tiles) for remark in done.remarks] == [
        ("Pixels without a valid height are 0, heights begin at 1.", 2),
        ("All its heights are the same.", 1),
    ]


@pytest.mark.parametrize("to", list(NumberFile))
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("scope", list(Scope))
def test_the_viewer_shows_metres_within_half_a_step(
    dataset: Dataset,
    entries: list[TileEntry],
    order: Height255Order,
    to: NumberFile,
    bits: int,
    inverted: bool,
    scope: Scope,
) -> None:
    done = convert(dataset, entries, replace(order, to=to, bits=bits, inverted=inverted, scope=scope))

    assert done.written == 4
    read = opened(order.out)
    for entry in entries:
        if entry.id not in read:
            continue
        made = read[entry.id]
        source = read_content(entry.files[LayerId("ndsm")], dataset.layer(LayerId("ndsm")))
        assert isinstance(source, Raster)
        levels = levels_in(facts_in(order.out / f"{entry.id}.{to}"))
        assert np.array_equal(made.valid, source.valid)
        apart = np.abs(made.pixels.astype(float) - source.pixels)[source.valid]
        assert apart.max() <= levels.step / 2 + 1e-4
        assert (made.transform, made.crs, made.gsd) == (source.transform, source.crs, source.gsd)
    assert read["low land/1"].pixels[0, 0, 0] == pytest.approx(-3.7, abs=1e-6 if scope is Scope.TILE else 1.0)


def test_with_a_shared_range_a_number_means_the_same_in_all_of_its_tiles(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order, tmp_path: Path
) -> None:
    by_group = convert(dataset, entries, replace(order, scope=Scope.GROUP))
    by_dataset = convert(dataset, entries, replace(order, scope=Scope.DATASET, out=tmp_path / "all"))

    def ends(done: Conversion) -> list[tuple[str, str, str]]:
        return [(row["low"], row["high"], row["nodata"]) for row in done.facts.values()]

    assert ends(by_group) == [("100.0", "355.0", "0")] * 2 + [("-3.7", "8.0", "0")] * 2
    assert ends(by_dataset) == [("-3.7", "355.0", "0")] * 4
    assert stored(order.out / "alps" / "1.tif") == [1, 52, 255], "0 is kept although this tile has no hole"


def test_a_range_by_percentiles_cuts_off_what_is_rare(root: Path, write: Write, order: Height255Order) -> None:
    wild = np.arange(1000, dtype=np.float32).reshape(10, 100) / 10
    wild[0, 0] = 400
    write(root / "alps" / "gt_nDSM" / "1.tif", wild)
    dataset, entries = open_dataset(root)[0], entries_of(root)[:1]

    one = convert(dataset, entries, replace(order, percent=1.0))
    all_of_them = convert(dataset, entries, replace(order, percent=1.0, scope=Scope.DATASET, overwrite=True))

    for done in (one, all_of_them):
        row = done.facts[TileId("alps/1")]
        assert float(row["low"]) == pytest.approx(1.099, abs=0.02)
        assert float(row["high"]) == pytest.approx(99.001, abs=0.02)
        assert row["clipped"] in ("20", "21"), "counting is good to a bin"
        assert done.remarks == ()


def test_what_lies_beyond_a_fixed_range_is_cut_off_and_said(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    done = convert(dataset, entries[:1], replace(order, fixed=(101.0, 355.0)))

    assert stored(order.out / "alps" / "1.tif") == [1, 51, 255]
    assert [remark.message for remark in done.remarks] == ["Heights beyond 101 to 355 m were cut off."]
    assert done.facts[TileId("alps/1")]["clipped"] == "1"


def test_any_program_that_honours_scale_and_tags_gets_metres(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    convert(dataset, entries[1:2], replace(order, inverted=True))

    with rasterio.open(order.out / "alps" / "2.v1 final.tif") as file:
        assert (file.dtypes, file.nodata, file.units) == (("uint8",), 0, ("m",))
        assert file.profile["compress"] == "deflate"
        metres = file.read(1, masked=True) * file.scales[0] + file.offsets[0]
        assert metres.filled(-1).ravel().tolist() == [-1, 100, 354]
        tags = file.tags()
    assert (tags["RSVIEWER_TILE"], tags["RSVIEWER_LAYER"], tags["RSVIEWER_UNIT"]) == ("alps/2.v1 final", "ndsm", "m")
    assert (tags["RSVIEWER_LOW"], tags["RSVIEWER_HIGH"], tags["RSVIEWER_INVERTED"]) == ("100.0", "354.0", "yes")
    assert (tags["RSVIEWER_RANGE"], tags["RSVIEWER_NODATA"], tags["RSVIEWER_GSD"]) == ("tile", "0", "0.5")


@pytest.mark.parametrize("to", list(NumberFile))
@pytest.mark.parametrize("scope", list(Scope))
def test_stopped_and_called_again_the_files_are_those_of_one_run(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order, tmp_path: Path, scope: Scope, to: NumberFile
) -> None:
    order = replace(order, scope=scope, to=to)
    good = [entry for entry in entries if entry.id not in ("alps/4", "alps/9")]
    written = 0

    def stop_half_way(done: int, total: int | None) -> None:
        nonlocal written
        written = done - (4 if scope is not Scope.TILE else 0)
        assert total == (4 if scope is Scope.TILE else 8)
        if written == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(dataset, good, order, progress=stop_half_way)
    assert not (order.out / TABLE).exists()
    again = convert(dataset, good, order)
    whole = replace(order, out=tmp_path / "at once")
    convert(dataset, good, whole)

    assert (again.written, again.skipped) == (2, 2)
    assert contents(order.out) == contents(whole.out)
    assert list(again.facts) == [entry.id for entry in good], "also of those that were there"


def test_a_shared_range_is_of_the_same_tiles_or_none(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    shared = replace(order, scope=Scope.DATASET)
    convert(dataset, entries[:2], shared)

    for others in (entries[:1], entries):
        with pytest.raises(SaveError, match="taken over other tiles"):
            convert(dataset, others, shared)
        with pytest.raises(SaveError, match="taken over other tiles"):
            preview_heights(dataset, others, shared)

    assert convert(dataset, entries, replace(shared, overwrite=True)).written == 4


def test_with_ranges_of_their_own_more_tiles_join_the_table(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    convert(dataset, entries[:1], order)
    convert(dataset, entries[-1:], order)

    lines = (order.out / TABLE).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["file", "alps/1.tif", "low land/2.tif"]
    (order.out / "alps" / "1.tif").unlink()
    convert(dataset, entries[-1:], order)
    assert len((order.out / TABLE).read_text().splitlines()) == 2


def test_no_end_of_a_range_is_lost_to_rounding(root: Path, write: Write, order: Height255Order) -> None:
    heights = np.array(
        [[-2 / 3, 1.0, 450.0]], np.float32
    )  # as high as the layer allows; in float32 it becomes 450.00003
    write(root / "alps" / "gt_nDSM" / "1.tif", heights)

    convert(open_dataset(root)[0], entries_of(root)[:1], replace(order, bits=16))

    assert opened(order.out)["alps/1"].valid.all()


def test_what_was_left_out_is_listed_and_what_was_written_of_it_before_is_said(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    convert(dataset, entries[:2], order)

    dropped = (TileId("alps/1"), TileId("alps/4"))
    done = convert(dataset, entries[1:2], order, left_out=dropped)

    assert done.left_out == dropped
    assert (order.out / LEFT_OUT).read_text() == "alps/1\nalps/4\n"
    assert [(remark.message, remark.tiles, remark.first) for remark in done.remarks] == [(STILL_THERE, 1, "alps/1")]
    assert preview_heights(dataset, entries[1:2], order, left_out=dropped).left_out == dropped


def test_a_file_that_somebody_changed_is_not_believed(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order, write: Write
) -> None:
    convert(dataset, entries[:1], order)
    write(order.out / "alps" / "1.tif", np.zeros((1, 3), np.uint8))

    again = convert(dataset, entries[:1], order)

    assert "changed since it was written" in again.failed[0].message


def test_a_table_of_somebody_else_is_not_replaced(
    dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    order.out.mkdir()
    (order.out / TABLE).write_text("mine")

    with pytest.raises(SaveError, match=r"heights255\.csv exists"):
        convert(dataset, entries[:1], order)
    assert [path.name for path in order.out.iterdir()] == [TABLE]


def test_a_look_ahead_writes_nothing(dataset: Dataset, entries: list[TileEntry], order: Height255Order) -> None:
    preview = preview_heights(dataset, entries, replace(order, to=NumberFile.PNG))

    assert (preview.tiles, preview.there, preview.examples[0]) == (6, 0, order.out / "alps" / "1.png")
    assert not order.out.exists()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("bands", [1, 13])
def test_heights_of_any_type_and_size_are_converted(
    root: Path, write: Write, order: Height255Order, kind: type, bands: int
) -> None:
    for side in (1, 300):
        values = (np.arange(bands * side * side) % 120).reshape(bands, side, side).astype(kind)
        write(root / "alps" / "gt_nDSM" / "1.tif", values)
        done = convert(open_dataset(root)[0], entries_of(root)[:1], replace(order, overwrite=True))
        assert done.failed == ()
        read = opened(order.out)["alps/1"]
        assert np.abs(read.pixels[0].astype(float) - values[0]).max() <= 0.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": LayerId("image")}, "no height layer 'image': choose ndsm"),
        ({"bits": 12}, "12 bits are none of 8 and 16"),
        ({"fixed": (3.0, 3.0)}, "give the lower one first"),
        ({"fixed": (0.0, float("nan"))}, "give the lower one first"),
        ({"fixed": (0.0, 1.0), "percent": 1.0}, "nothing is cut off"),
        ({"fixed": (0.0, 1.0), "scope": Scope.GROUP}, "taken from no tiles"),
        ({"percent": 50.0}, "from 0 to below 50"),
        ({"percent": float("nan")}, "from 0 to below 50"),
    ],
)
def test_an_order_that_no_tile_can_meet_is_refused_at_once(
    dataset: Dataset, order: Height255Order, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(dataset, replace(order, **change))


def test_a_dataset_without_heights_is_refused_at_once(tmp_path: Path, write: Write, order: Height255Order) -> None:
    write(tmp_path / "flat" / "opt" / "1.tif", np.zeros((3, 2, 2), np.uint8))
    write(tmp_path / "flat" / "gt_ss_mask" / "1.tif", np.zeros((2, 2), np.uint8))

    with pytest.raises(LayerError, match="no height layer"):
        check_order(open_dataset(tmp_path / "flat")[0], order)


def test_the_dataset_itself_is_left_alone(
    root: Path, dataset: Dataset, entries: list[TileEntry], order: Height255Order
) -> None:
    with pytest.raises(SaveError, match="belongs to the dataset itself"):
        convert(dataset, entries, replace(order, out=root / "alps" / "gt_nDSM"))
    assert not list(root.rglob(RECORD))


@pytest.mark.real
@pytest.mark.parametrize("scope", list(Scope))
def test_real_heights_come_back(shared_data: Path, order: Height255Order, scope: Scope) -> None:
    dataset, adapter = open_dataset(shared_data / "real" / "rs3dbench")
    entries = list(adapter.scan(dataset))
    layer = next(spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT)

    done = convert(dataset, entries, replace(order, scope=scope))

    assert done.failed == ()
    read = opened(order.out)
    assert list(read) == [entry.id for entry in entries]
    for entry in entries:
        source = read_content(entry.files[layer.id], layer)
        assert isinstance(source, Raster)
        made = read[entry.id]
        step = levels_in(done.facts[entry.id]).step
        assert np.abs(made.pixels - source.pixels.astype(float))[source.valid].max() <= step / 2 + 1e-3
        assert (made.transform, made.gsd) == (source.transform, source.gsd)

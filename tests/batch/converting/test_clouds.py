import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
import rasterio
import trimesh
from PIL import Image

from rsviewer.batch.converting import clouds
from rsviewer.batch.converting.clouds import CloudOrder, check_order, preview_clouds
from rsviewer.batch.converting.clouds import convert_clouds as convert
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.scene import to_pixel
from rsviewer.core.tile import LayerId, LayerKind, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_content
from rsviewer.data.conversions import RECORD
from rsviewer.data.detect import open_dataset
from rsviewer.data.filenames import path_of

Write = Callable[..., None]

HEIGHT = np.array([[1, 2, 3], [4, 5, -9999]], np.float32)


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Tiles 1..5: 2 has no heights, those of 3 are all nodata, those of 4 are cut short, the image of 5 is."""
    root = tmp_path / "data"
    for number in range(1, 6):
        image = np.stack([np.full((2, 3), 10 * number), [[0, 1, 2]] * 2, [[0] * 3, [1] * 3]]).astype(np.uint8)
        write(root / "opt" / f"{number}.tif", image)
        if number != 2:
            write(root / "gt_nDSM" / f"{number}.tif", HEIGHT if number != 3 else HEIGHT * 0 - 9999, nodata=-9999)
    for broken in ("gt_nDSM/4.tif", "opt/5.tif"):
        (root / broken).write_bytes((root / broken).read_bytes()[:150])
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


@pytest.fixture
def entries(root: Path) -> list[TileEntry]:
    dataset, adapter = open_dataset(root)
    return list(adapter.scan(dataset))


@pytest.fixture
def order(tmp_path: Path) -> CloudOrder:
    return CloudOrder(tmp_path / "out", "ply")


def convert_clouds(*arguments: Any, **options: Any) -> Conversion:
    return convert(*arguments, crew=Here(), **options)


def files_in(folder: Path) -> list[str]:
    """Without the record."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != RECORD
    )


def test_a_tile_is_written_in_the_colours_of_its_image(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    done = convert_clouds(dataset, entries[:1], order)

    assert done == Conversion(tiles=1, written=1, skipped=0, failed=(), remarks=())
    cloud = trimesh.load(order.out / "1.ply", process=False)
    assert cloud.vertices.tolist() == [
        *([0.25, 0.75, 1], [0.75, 0.75, 2], [1.25, 0.75, 3]),
        *([0.25, 0.25, 4], [0.75, 0.25, 5]),
    ]
    assert cloud.colors[:, :3].tolist() == [[10, 0, 0], [10, 1, 0], [10, 2, 0], [10, 0, 1], [10, 1, 1]]


def test_what_cannot_be_converted_is_named_and_the_rest_is_done(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    done = convert_clouds(dataset, entries, order)

    assert (done.tiles, done.written, done.skipped) == (5, 1, 0)
    assert files_in(order.out) == ["1.ply"]
    said = {failure.tile: failure.message for failure in done.failed}
    assert list(said) == ["2", "3", "4", "5"]
    assert said[TileId("2")] == "This tile has no height layer."
    assert said[TileId("3")] == "nDSM has no valid height on this tile."
    assert said[TileId("4")].startswith("nDSM: ")
    assert said[TileId("5")].startswith("image: "), "grey would be a surprise"


def test_a_tile_whose_image_is_broken_can_be_coloured_by_its_height(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    done = convert_clouds(dataset, entries[4:], replace(order, color="height"))

    assert done.written == 1
    colors = trimesh.load(order.out / "5.ply", process=False).colors[:, :3]
    assert len(np.unique(colors, axis=0)) == 5, "a colour for each height"


def test_what_is_there_is_skipped_unless_it_is_to_be_overwritten(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    convert_clouds(dataset, entries[:1], order)
    (order.out / "1.ply").write_bytes(b"mine")

    again = convert_clouds(dataset, entries, order)
    assert (again.written, again.skipped, len(again.failed)) == (0, 1, 4)
    assert (order.out / "1.ply").read_bytes() == b"mine"

    convert_clouds(dataset, entries[:1], replace(order, overwrite=True))
    assert len(trimesh.load(order.out / "1.ply").vertices) == 5


@pytest.fixture
def many(dataset: Dataset, entries: list[TileEntry]) -> list[TileEntry]:
    return [replace(entries[0], id=TileId(f"town/{number}")) for number in range(40)]


def test_stopped_it_keeps_what_is_whole_and_called_again_it_goes_on(
    dataset: Dataset, many: list[TileEntry], order: CloudOrder
) -> None:
    def stop_after_three(done: int, total: int | None) -> None:
        assert total == 40
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_clouds(dataset, many, order, progress=stop_after_three)

    kept = files_in(order.out)
    assert 3 <= len(kept) < 40
    assert all(name.endswith(".ply") for name in kept)
    again = convert_clouds(dataset, many, order)
    assert (again.written, again.skipped) == (40 - len(kept), len(kept))
    assert len({(order.out / name).stat().st_size for name in files_in(order.out)}) == 1


def test_a_look_ahead_counts_and_writes_nothing(dataset: Dataset, entries: list[TileEntry], order: CloudOrder) -> None:
    assert preview_clouds(dataset, entries, order).there == 0
    assert not order.out.exists()
    convert_clouds(dataset, entries[:1], order)

    ahead = preview_clouds(dataset, entries, order)

    assert (ahead.tiles, ahead.there, ahead.examples[0]) == (5, 1, order.out / "2.ply")


@pytest.mark.parametrize(("number", "stops"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_full_disk_ends_it_and_a_bad_spot_does_not(
    dataset: Dataset,
    entries: list[TileEntry],
    order: CloudOrder,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    stops: bool,
) -> None:
    def fails(path: Path, *_: object, **__: object) -> None:
        raise SaveError(f"{path.name} could not be written.") from OSError(number, "because")

    monkeypatch.setattr(clouds, "write_cloud", fails)

    if stops:
        with pytest.raises(SaveError, match=r"1\.ply could not be written"):
            convert_clouds(dataset, entries[:1], order)
    else:
        assert [failure.tile for failure in convert_clouds(dataset, entries[:1], order).failed] == ["1"]


def test_a_file_where_a_folder_is_needed_fails_the_tile_only(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    convert_clouds(dataset, [], order)
    (order.out / "town").write_bytes(b"")
    (order.out / "2.ply").mkdir()
    mine = [replace(entries[0], id=TileId(name)) for name in ("town/1", "2", "3")]

    done = convert_clouds(dataset, mine, order)

    assert [failure.tile for failure in done.failed] == ["town/1", "2"]
    assert done.written == 1


def test_two_heights_are_coloured_by_their_difference(
    root: Path, write: Write, tmp_path: Path, order: CloudOrder
) -> None:
    dem = np.array([[1, 2, 5], [3, 5, 7]], np.float32)
    write(root / "DEM" / "1.tif", dem)
    dataset, adapter = open_dataset(root)
    entries = list(adapter.scan(dataset))[:2]
    by_difference = replace(order, color="difference", height=LayerId("ndsm"))

    done = convert_clouds(dataset, entries, by_difference)

    assert (done.written, [failure.tile for failure in done.failed]) == (1, ["2"])
    red, _, blue = trimesh.load(order.out / "1.ply", process=False).colors[:, :3].T.astype(int)
    assert np.sign(red - blue).tolist() == [0, 0, -1, 1, 0], "red is higher, blue is lower"


def test_of_two_dates_the_later_one_gives_the_colours(root: Path, write: Write, order: CloudOrder) -> None:
    write(root / "pre_opt" / "1.tif", np.full((3, 2, 3), 200, np.uint8))
    dataset, adapter = open_dataset(root)
    entries = list(adapter.scan(dataset))[:1]

    convert_clouds(dataset, entries, order)
    assert trimesh.load(order.out / "1.ply", process=False).colors[0, 0] == 10

    convert_clouds(dataset, entries, replace(order, color="pre_image", overwrite=True))
    assert trimesh.load(order.out / "1.ply", process=False).colors[0, 0] == 200


def test_what_a_careful_person_would_want_to_know_is_counted(root: Path, order: CloudOrder) -> None:
    for number in (6, 7):
        Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(root / "opt" / f"{number}.tif")
        Image.fromarray(HEIGHT).save(root / "gt_nDSM" / f"{number}.tif")
    dataset, adapter = open_dataset(root)
    entries = [entry for entry in adapter.scan(dataset) if entry.id in ("6", "7")]

    done = convert_clouds(dataset, entries, replace(order, to="las"))

    remark = next(remark for remark in done.remarks if "pixels" in remark.message)
    assert (remark.tiles, remark.first) == (2, "6")
    assert laspy.read(order.out / "6.las").x.min() == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "obj"}, "none of ply, las, laz, glb"),
        ({"to": "laz", "mesh": True}, "points only"),
        ({"height": "image"}, "no height layer 'image': choose ndsm"),
        ({"color": "imgae"}, "choose image, ndsm, height"),
        ({"color": "difference"}, "cannot be coloured by 'difference'"),
    ],
)
def test_an_order_that_no_tile_can_meet_is_refused_at_once(
    dataset: Dataset, order: CloudOrder, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(dataset, replace(order, **change))
    assert not order.out.exists()


def test_a_dataset_without_heights_is_refused_at_once(tmp_path: Path, write: Write, order: CloudOrder) -> None:
    write(tmp_path / "flat" / "opt" / "1.tif", np.zeros((3, 2, 2), np.uint8))
    write(tmp_path / "flat" / "gt_ss_mask" / "1.tif", np.zeros((2, 2), np.uint8))

    with pytest.raises(LayerError, match="no height layer"):
        check_order(open_dataset(tmp_path / "flat")[0], order)


@pytest.mark.real
@pytest.mark.parametrize(
    ("tiles", "epsg"), [("synrs3d/autzen_feet", 2994), ("synrs3d/taiwan_river", None), ("rs3dbench", None)]
)
def test_real_tiles_lie_where_their_rasters_do(
    shared_data: Path, order: CloudOrder, tiles: str, epsg: int | None
) -> None:
    dataset, adapter = open_dataset(shared_data / "real" / tiles)
    entries = [entry for entry in adapter.scan(dataset) if entry.files]
    layer = next(spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT)

    done = convert_clouds(dataset, entries, replace(order, to="laz"))

    assert (done.written, done.failed) == (len(entries), ())
    for entry in entries:
        raster = read_content(entry.files[layer.id], layer)
        assert isinstance(raster, Raster)
        assert raster.transform is not None
        read = laspy.read(path_of(order.out, entry.id, "laz"))
        with rasterio.open(entry.files[layer.id]) as file:
            inside = file.bounds
        x, y, z = np.asarray(read.x), np.asarray(read.y), np.asarray(read.z)
        assert len(z) == raster.valid.sum()
        assert np.allclose(z, raster.pixels[raster.valid], rtol=0, atol=6e-4)
        assert inside.left < x.min() <= x.max() < inside.right
        assert inside.bottom < y.min() <= y.max() < inside.top
        column, row = to_pixel(raster.transform, x[-1], y[-1])
        assert raster.pixels[0, int(row), int(column)] == pytest.approx(z[-1], abs=6e-4)
        if epsg is not None:
            assert f'AUTHORITY["EPSG","{epsg}"]' in read.header.vlrs.get("WktCoordinateSystemVlr")[0].string


# --- names of files


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/evil", "..", ".", "", "/", "a/../../b", "C:\\evil", "a\\..\\b", "nul", "x\0y", "~/x. "]
)
def test_no_name_of_a_tile_leads_out_of_the_folder(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder, tmp_path: Path, name: str
) -> None:
    before = files_in(tmp_path)

    done = convert_clouds(dataset, [replace(entries[0], id=TileId(name))], order)

    assert done.written == 1
    assert len(files_in(order.out)) == 1
    assert len(files_in(tmp_path)) == len(before) + 1


def test_a_name_that_is_too_long_is_cut_and_stays_unique(
    dataset: Dataset, entries: list[TileEntry], order: CloudOrder
) -> None:
    long = ["ü" * 300 + end for end in "ab"]

    done = convert_clouds(dataset, [replace(entries[0], id=TileId(name)) for name in long], order)

    assert done.written == 2
    assert len(files_in(order.out)) == 2

import math
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform as turned

from rsviewer.batch.converting import tiles
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.converting.tileplan import Plan, TilesOrder, plan_tiles
from rsviewer.batch.converting.tiles import convert_tiles as convert
from rsviewer.batch.converting.tiles import preview_tiles
from rsviewer.batch.crew import Here
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.tile import LayerKind, Raster
from rsviewer.core.tiling import Edge
from rsviewer.data.content import read_content
from rsviewer.data.conversions import RECORD
from rsviewer.data.detect import open_dataset

UTM, NEIGHBOUR = "EPSG:32632", "EPSG:32633"
X, Y = 500_000.0, 5_000_000.0
RNG = np.random.default_rng(7)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a source: `write("dem.tif", pixels, pixel=2.0, corner=(x, y), crs=..., nodata=...)`."""

    def write(
        name: str,
        pixels: np.ndarray,
        *,
        pixel: float = 1.0,
        corner: tuple[float, float] | None = (X, Y),
        crs: str | None = UTM,
        units: str = "",
        **options: Any,
    ) -> Path:
        bands = pixels if pixels.ndim == 3 else pixels[None]
        count, height, width = bands.shape
        if corner is not None:
            options["transform"] = rasterio.Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "crs": crs, **options}
        with rasterio.open(path, "w", driver="GTiff", **profile) as file:
            file.write(bands)
            if units:
                file.units = (units,) * count
        return path

    return write


@pytest.fixture
def pair(write: Write) -> dict[str, tuple[Path, ...]]:
    """An image of 70 x 50 pixels and heights of the same place, of the same grid."""
    image = RNG.integers(0, 256, (3, 50, 70), np.uint8)
    heights = RNG.normal(300, 50, (50, 70)).astype(np.float32)
    return {"image": (write("ortho 1.v2.tif", image),), "dem": (write("dem.tif", heights, nodata=-9999),)}


def convert_tiles(order: TilesOrder, **options: Any) -> Conversion:
    return convert(order, crew=Here(), **options)


def order_of(tmp_path: Path, sources: dict[str, tuple[Path, ...]], to: str = "rs3dbench", **options: Any) -> TilesOrder:
    return TilesOrder(tmp_path / "out", to, sources, **{"size": 16, **options})


def files_in(folder: Path) -> list[str]:
    """Without the record."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != RECORD
    )


def opened(out: Path) -> dict[str, dict[str, Raster]]:
    """Tile -> layer -> what the viewer reads."""
    dataset, adapter = open_dataset(out)
    found: dict[str, dict[str, Raster]] = {}
    for entry in adapter.scan(dataset):
        layers = {}
        for spec in dataset.layers:
            if spec.id in entry.files:
                content = read_content(entry.files[spec.id], spec, dataset.tree)
                assert isinstance(content, Raster), content
                layers[str(spec.id)] = content
        found[str(entry.id)] = layers
    return found


def mosaic(
    folder: Path, shape: tuple[int, ...], dtype: str, corner: tuple[float, float] = (X, Y), pixel: float = 1
) -> np.ndarray:
    """All tiles of a folder put together by their georeference; 77 where none is."""
    whole = np.full(shape, 77, dtype)
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as file:
            left, top = round((file.transform.c - corner[0]) / pixel), round((corner[1] - file.transform.f) / pixel)
            part = file.read()
            height, width = min(part.shape[1], shape[1] - top), min(part.shape[2], shape[2] - left)
            whole[:, top : top + height, left : left + width] = part[:, :height, :width]
    return whole


# --- the same pixels, in the right place


@pytest.mark.parametrize("edge", [Edge.PAD, Edge.SHIFT])
def test_tiles_put_together_are_the_source_to_the_last_byte(
    tmp_path: Path, pair: dict[str, tuple[Path, ...]], edge: Edge
) -> None:
    order = order_of(tmp_path, pair, area="here", edge=edge, min_valid=0)

    assert convert_tiles(order).written == 5 * 4
    for folder, source in (("Image/tif-here", "image"), ("DEM-here", "dem")):
        with rasterio.open(pair[source][0]) as file:
            pixels = file.read()
        assert np.array_equal(mosaic(order.out / folder, pixels.shape, pixels.dtype), pixels)


def test_tiles_open_in_the_viewer_with_all_they_have(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    order = order_of(tmp_path, pair)

    done = convert_tiles(order)
    assert (done.tiles, done.written, done.left_out) == (12, 12, ())
    found = opened(order.out)
    assert list(found)[:2] == ["ortho_1.v2/tile_0", "ortho_1.v2/tile_1"]
    assert len(found) == 12
    image, dem = found["ortho_1.v2/tile_5"]["image_tif"], found["ortho_1.v2/tile_5"]["dem"]
    assert image.pixels.dtype == np.uint8
    assert dem.pixels.dtype == np.float32
    assert image.transform == dem.transform == (1.0, 0.0, X + 16, 0.0, -1.0, Y - 16)
    assert (image.crs, image.gsd, dem.crs, dem.gsd) == (UTM, 1.0, UTM, 1.0)
    assert image.valid.all()
    assert dem.valid.all()


def test_all_layers_of_synrs3d_have_their_folder(tmp_path: Path, write: Write) -> None:
    byte = RNG.integers(1, 9, (32, 32), np.uint8)
    image = RNG.integers(1, 255, (3, 32, 32), np.uint8)
    heights = RNG.random((32, 32), np.float32)
    sources = {
        "image": (write("i.tif", image),),
        "pre-image": (write("p.tif", image),),
        **{role: (write(f"{role}.tif", heights),) for role in ("dem", "dsm", "dtm", "ndsm")},
        "labels": (write("l.tif", byte),),
        "mask": (write("m.tif", (byte > 4).astype(np.uint8) * 255),),
    }
    order = order_of(tmp_path, sources, "synrs3d")

    assert convert_tiles(order).written == 4
    found = opened(order.out)
    assert list(found) == ["i_r0_c0", "i_r0_c1", "i_r1_c0", "i_r1_c1"]
    assert set(found["i_r1_c0"]) == {"pre_image", "image", "ndsm", "dsm", "dtm", "dem", "landcover", "change"}
    assert np.array_equal(found["i_r1_c0"]["landcover"].pixels[0], byte[16:, :16])


def test_several_areas_lie_side_by_side(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    for to in ("rs3dbench", "synrs3d"):
        for area in ("Japan+Korea", "site_3"):
            order = order_of(tmp_path, pair, to, area=area, size=32)
            assert convert_tiles(replace(order, out=tmp_path / to)).written == 2
        found = opened(tmp_path / to)
        assert {tile.split("/")[0] for tile in found} == {"Japan+Korea", "site_3"}
        assert len(found) == 4
        assert all(len(layers) == 2 for layers in found.values())
    assert "site_3/site_3_r0_c1" in found


def test_sources_of_other_size_resolution_and_crs_lie_one_on_the_other(tmp_path: Path, write: Write) -> None:
    """The image is where x + y of the map is even larger than the last; the heights are x in steps of 4 m, in another zone."""
    columns, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    image = write("image.tif", (columns + rows).astype(np.uint16))
    (left,), (top,) = turned(UTM, NEIGHBOUR, [X], [Y])
    across, down = np.meshgrid(left - 20 + 4 * (np.arange(40) + 0.5), top + 20 - 4 * (np.arange(40) + 0.5))
    east = turned(NEIGHBOUR, UTM, across.ravel(), down.ravel())[0]
    dem = write(
        "dem.tif",
        (np.array(east).reshape(40, 40) - X).astype(np.float32),
        pixel=4,
        corner=(left - 20, top + 20),
        crs=NEIGHBOUR,
    )
    order = order_of(tmp_path, {"image": (image,), "dem": (dem,)})

    plan = plan_tiles(order)
    assert (plan.basis, plan.is_own, plan.gsd, plan.tiles) == ("image", True, 1.0, 16)
    assert [(each.role, each.layer.is_copied, each.layer.resampling) for each in plan.layers] == [
        ("dem", False, "bilinear"),
        ("image", True, "cubic"),
    ]
    assert convert_tiles(order).written == 16
    tile = opened(order.out)["image/tile_6"]
    assert np.allclose(tile["dem"].pixels[0], columns[16:32, 32:48], atol=0.05)
    assert np.array_equal(tile["image_tif"].pixels[0], (columns + rows).astype(np.uint16)[16:32, 32:48])


def test_tiles_are_cut_where_all_layers_lie(tmp_path: Path, write: Write) -> None:
    image = write("image.tif", np.ones((3, 64, 64), np.uint8))
    dem = write("dem.tif", np.ones((16, 16), np.float32), pixel=2.0, corner=(X + 20, Y - 10))
    order = order_of(tmp_path, {"image": (image,), "dem": (dem,)})

    plan = plan_tiles(order)
    assert plan.grid.transform == (1.0, 0.0, X + 20, 0.0, -1.0, Y - 10)
    assert (plan.grid.width, plan.grid.height, plan.tiles) == (32, 32, 4)
    assert "DEM covers 25 % of the image: tiles are cut where all layers lie." in plan.remarks


# --- the grid


def test_the_grid_is_of_the_image_or_else_of_the_finest_or_as_asked(tmp_path: Path, write: Write) -> None:
    image = write("image.tif", np.ones((3, 64, 64), np.uint8))
    dsm = write("dsm.tif", np.ones((128, 128), np.float32), pixel=0.5)
    ndsm = write("ndsm.tif", np.ones((32, 32), np.float32), pixel=2)

    def planned(**sources: Path) -> Plan:
        return plan_tiles(order_of(tmp_path, {role: (path,) for role, path in sources.items()}, "synrs3d"))

    assert planned(image=image, dsm=dsm).gsd == 1
    assert planned(dsm=dsm, ndsm=ndsm).gsd == 0.5
    every = order_of(tmp_path, {"image": (image,), "dsm": (dsm,), "ndsm": (ndsm,)}, "synrs3d", grid="ndsm")
    assert plan_tiles(every).gsd == 2
    assert {each.role: each.layer.resampling for each in plan_tiles(every).layers if not each.layer.is_copied} == {
        "image": "average",
        "dsm": "average",
    }
    with pytest.raises(LayerError, match="--grid dem needs a file for it: there is image, dsm, ndsm"):
        plan_tiles(replace(every, grid="dem"))


def test_it_is_said_that_classes_are_not_translated(tmp_path: Path, write: Write) -> None:
    labels = write("nlcd.tif", np.full((128, 128), 42, np.uint8))

    remarks = plan_tiles(order_of(tmp_path, {"labels": (labels,)}, "synrs3d")).remarks

    assert "The numbers of the labels stay as they are, and will be read as SynRS3D's classes." in remarks


def test_a_new_grid_has_square_pixels_at_multiples_of_their_size(tmp_path: Path, write: Write) -> None:
    degrees = write("dem.tif", np.ones((200, 200), np.float32), pixel=1 / 3600, corner=(-9.2, 38.8), crs="EPSG:4326")
    order = order_of(tmp_path, {"dem": (degrees,)})

    own = plan_tiles(order)
    assert own.is_own
    assert "--crs EPSG:32629 makes them square" in " ".join(own.remarks)
    with pytest.raises(LayerError, match="in degrees: add --crs EPSG:32629"):
        plan_tiles(replace(order, gsd=30))
    plan = plan_tiles(replace(order, crs="32629", gsd=30))
    assert plan.gsd == pytest.approx(30)
    a, b, c, d, e, f = plan.grid.transform or ()
    assert (a, b, d, e) == (30, 0, 0, -30)
    assert c % 30 == f % 30 == 0
    assert plan_tiles(replace(order, crs="EPSG:32629")).gsd == 27.3, "its own, in three digits"


def test_metres_are_metres_on_the_ground_in_mercator_too(tmp_path: Path, write: Write) -> None:
    image = write("image.tif", np.ones((3, 64, 64), np.uint8), pixel=2)
    plan = plan_tiles(order_of(tmp_path, {"image": (image,)}, crs="EPSG:3857", gsd=2))

    assert plan.gsd == pytest.approx(2, rel=1e-3)
    assert plan.grid.transform is not None
    assert plan.grid.transform[0] == pytest.approx(2 / math.cos(math.radians(45.15)), rel=0.01)


def test_a_turned_grid_is_kept(tmp_path: Path, write: Write) -> None:
    affine = rasterio.Affine(0.6, 0.8, X, 0.8, -0.6, Y)
    image = write("image.tif", RNG.integers(0, 255, (3, 32, 32), np.uint8), corner=None, transform=affine)
    dem = write("dem.tif", np.full((100, 100), 5, np.float32), corner=(X - 10, Y + 40))
    order = order_of(tmp_path, {"image": (image,), "dem": (dem,)})

    assert convert_tiles(order).written == 4
    tile = opened(order.out)["image/tile_3"]
    assert tile["dem"].pixels.min() == tile["dem"].pixels.max() == 5
    with rasterio.open(image) as file:
        assert np.array_equal(tile["image_tif"].pixels, file.read()[:, 16:, 16:])


def test_files_without_georeference_are_cut_where_they_are_of_one_size(
    tmp_path: Path, write: Write, recwarn: pytest.WarningsRecorder
) -> None:
    image = write("image.tif", np.ones((3, 32, 32), np.uint8), corner=None, crs=None)
    dem = write("dem.tif", np.ones((32, 32), np.float32), corner=None, crs=None)
    small = write("small.tif", np.ones((16, 16), np.float32), corner=None, crs=None)
    recwarn.clear()
    order = order_of(tmp_path, {"image": (image,), "dem": (dem,)})

    assert convert_tiles(order).written == 4
    assert opened(order.out)["image/tile_0"]["dem"].transform is None
    assert plan_tiles(order).remarks == ("No file says where it lies: the tiles do not either.",)
    with pytest.raises(LayerError, match=r"differ in size: image\.tif has 32 x 32 pixels, small\.tif 16 x 16"):
        plan_tiles(replace(order, sources={"image": (image,), "dem": (small,)}))
    with pytest.raises(LayerError, match="without --gsd and --crs"):
        plan_tiles(replace(order, gsd=2))
    placed = write("placed.tif", np.ones((32, 32), np.float32))
    with pytest.raises(LayerError, match=r"image\.tif does not say where it lies, and others do"):
        plan_tiles(replace(order, sources={"image": (image,), "dem": (placed,)}))
    with pytest.raises(LayerError, match="nobody knows how to put them together"):
        plan_tiles(replace(order, sources={"dem": (dem, small)}))


def test_a_crs_that_one_file_lacks_is_not_guessed(tmp_path: Path, write: Write) -> None:
    image = write("image.tif", np.ones((3, 32, 32), np.uint8))
    dem = write("dem.tif", np.ones((32, 32), np.float32), crs=None)

    with pytest.raises(LayerError, match=r"Nobody knows the CRS of .*dem\.tif, and others have one"):
        plan_tiles(order_of(tmp_path, {"image": (image,), "dem": (dem,)}))
    alone = plan_tiles(order_of(tmp_path, {"dem": (dem,)}))
    assert alone.remarks == ("No file says in which CRS its coordinates are: the tiles do not either.",)


# --- what is left out


def test_a_tile_is_left_out_where_any_layer_has_too_little_data(tmp_path: Path, write: Write) -> None:
    image = np.full((3, 16, 48), 9, np.uint8)
    image[:, :, :4] = 0
    heights = np.ones((16, 48), np.float32)
    heights[:2, 16:] = math.nan
    heights[2, 40:] = math.inf
    sources = {"image": (write("image.tif", image, nodata=0),), "dem": (write("dem.tif", heights),)}
    order = order_of(tmp_path, sources, min_valid=0.87)

    done = convert_tiles(order)

    assert (done.tiles, done.written, done.left_out) == (3, 1, ("image/tile_0", "image/tile_2"))
    assert [dict(row) for row in done.facts.values()] == [
        {"layer": "image", "valid": 0.75},
        {"layer": "DEM", "valid": 1 - 2 / 16 - 8 / 256},
    ]
    assert files_in(order.out) == ["DEM-image/tile_1.tif", "Image/tif-image/tile_1.tif"], "numbers stay"
    assert convert_tiles(replace(order, out=tmp_path / "all", min_valid=0)).written == 3


def test_what_is_missing_in_a_tile_stays_missing(tmp_path: Path, write: Write) -> None:
    image = RNG.integers(0, 255, (3, 16, 16), np.uint8)
    sources = {
        "image": (write("image.tif", image),),
        "labels": (write("labels.tif", np.full((8, 16), 3, np.uint8)),),
        "ndsm": (write("ndsm.tif", np.full((16, 8), 3, np.float64)),),
    }
    order = order_of(tmp_path, {**sources}, "synrs3d", size=20, edge=Edge.PAD, min_valid=0)

    convert_tiles(order)
    (tile,) = opened(order.out).values()

    assert tile["image"].pixels.shape == (3, 20, 20)
    assert not tile["image"].valid[:, 8:].any()
    assert not tile["image"].valid[:, :, 8:].any()
    assert tile["image"].valid[:, :8, :8].all(), "black is a colour there"
    assert np.array_equal(tile["image"].pixels[:, :8, :8], image[:, :8, :8])
    assert np.isnan(tile["ndsm"].pixels[0, 8:]).all()
    assert not tile["landcover"].valid[0, 8:].any()


def test_all_nodata_and_constant_sources_are_no_trouble(tmp_path: Path, write: Write) -> None:
    sources = {
        "image": (write("image.tif", np.zeros((3, 16, 16), np.uint8)),),
        "dem": (write("dem.tif", np.full((16, 16), math.nan, np.float32)),),
    }
    order = order_of(tmp_path, sources)

    assert convert_tiles(order).left_out == ("image/tile_0",)
    assert convert_tiles(replace(order, sources={"image": sources["image"]}, overwrite=True)).written == 1


def test_a_source_of_one_pixel_is_a_tile_of_one_pixel(tmp_path: Path, write: Write) -> None:
    order = order_of(tmp_path, {"dem": (write("dem.tif", np.full((1, 1), -5, np.int16)),)}, size=1)

    assert convert_tiles(order).written == 1
    assert opened(order.out)["dem/tile_0"]["dem"].pixels.tolist() == [[[-5]]]


# --- what is said


def test_what_is_not_converted_is_said(tmp_path: Path, write: Write) -> None:
    sources = {
        "ndsm": (write("ndsm.tif", np.ones((16, 16), np.float32)),),
        "dsm": (write("dsm.tif", np.ones((16, 16), np.float32), crs="EPSG:32632+5773", units="US survey foot"),),
        "dtm": (write("dtm.tif", np.ones((2, 16, 16), np.float32)),),
    }
    order = order_of(tmp_path, sources, "synrs3d", grid="dtm")

    remarks = " ".join(plan_tiles(order).remarks)

    assert "The heights of DSM are in US survey foot, as the file says, and stay so." in remarks
    assert "The heights of DSM are EGM96 height, which the tiles' CRS does not say. They are not converted." in remarks
    assert "several vertical systems" in remarks
    assert "DTM: of its 2 bands the first is taken." in remarks
    convert_tiles(order)
    with rasterio.open(next((order.out / "DSM").glob("*.tif"))) as file:
        assert file.units == ("US survey foot",)


def test_coarse_heights_are_called_coarse(tmp_path: Path, write: Write) -> None:
    image = write("image.tif", np.ones((3, 64, 64), np.uint8))
    dem = write("dem.tif", np.ones((4, 4), np.float32), pixel=30)

    remarks = plan_tiles(order_of(tmp_path, {"image": (image,), "dem": (dem,)})).remarks
    assert "DEM is 30 times coarser than the tiles: enlarging it adds no detail." in remarks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "coco"}, "coco is none of rs3dbench, synrs3d"),
        ({"size": 0}, "1 to 8192 pixels a side, not 0"),
        ({"size": 9000}, "not 9000"),
        ({"stride": 0}, "at least one pixel"),
        ({"min_valid": 1.5}, "from 0 to 1, not 1.5"),
        ({"gsd": -1.0}, "some metres, not -1"),
        ({"gsd": math.nan}, "some metres, not nan"),
        ({"bands": (0,)}, "counted from 1"),
        ({"area": "a/b"}, "choose another --area"),
        ({"area": "zone_255"}, "choose another --area"),
        ({"area": "unique"}, "choose another --area"),
        ({"resampling": {LayerKind.LABELS: "cubic"}}, "Labels can be resampled by nearest, mode, not by cubic"),
        ({"crs": "EPSG:0"}, "makes no sense"),
        ({"size": 100}, "less than a tile of 100"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    tmp_path: Path, pair: dict[str, tuple[Path, ...]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        convert_tiles(replace(order_of(tmp_path, pair), **options))
    assert not (tmp_path / "out").exists()


def test_a_layer_that_a_layout_does_not_have_is_refused(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    with pytest.raises(LayerError, match=r"RS3DBench has no folder for --dsm: .*--to synrs3d. .* can go in as --dem"):
        plan_tiles(order_of(tmp_path, {"image": pair["image"], "dsm": pair["dem"]}))
    with pytest.raises(LayerError, match="SynRS3D needs at least one of --image, --pre-image, --ndsm"):
        plan_tiles(order_of(tmp_path, {"dem": pair["dem"]}, "synrs3d"))


def test_sources_that_do_not_meet_are_refused(tmp_path: Path, write: Write, pair: dict[str, tuple[Path, ...]]) -> None:
    far = write("far.tif", np.ones((16, 16), np.float32), corner=(X + 5000, Y))
    with pytest.raises(LayerError, match="no place in common"):
        plan_tiles(order_of(tmp_path, {"image": pair["image"], "dem": (far,)}))
    australia = write("australia.tif", np.ones((16, 16), np.float32), crs="EPSG:28355")
    with pytest.raises(LayerError, match="no place in common"):
        plan_tiles(order_of(tmp_path, {"image": pair["image"], "dem": (australia,)}))


def test_tiles_never_get_among_their_sources(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    with pytest.raises(SaveError, match=r"holds (dem|ortho 1\.v2)\.tif"):
        plan_tiles(replace(order_of(tmp_path, pair), out=tmp_path, overwrite=True))


# --- several files for one layer


def test_a_folder_of_files_is_one_layer(tmp_path: Path, write: Write) -> None:
    for number in range(4):
        write(
            f"sheets/{number}.tif",
            np.full((16, 16), number, np.int16),
            corner=(X + 16 * (number % 2), Y - 16 * (number // 2)),
        )
    (tmp_path / "sources" / "sheets" / "readme.txt").write_text("not a raster")
    order = order_of(tmp_path, {"dem": (tmp_path / "sources" / "sheets",)}, size=32)

    plan = plan_tiles(order)
    assert (plan.grid.width, plan.grid.height, len(plan.layers[0].layer.files)) == (32, 32, 4)
    convert_tiles(order, plan=plan)
    (tile,) = opened(order.out).values()
    assert np.array_equal(tile["dem"].pixels[0], np.kron([[0, 1], [2, 3]], np.ones((16, 16))))


def test_files_of_one_layer_have_to_be_alike(tmp_path: Path, write: Write) -> None:
    one, other = write("a.tif", np.ones((3, 16, 16), np.uint8)), write("b.tif", np.ones((4, 16, 16), np.uint16))
    with pytest.raises(LayerError, match=r"not alike: a\.tif has 3 x uint8 and b\.tif has 4 x uint16"):
        plan_tiles(order_of(tmp_path, {"image": (one, other)}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayerError, match="holds no raster file for --image"):
        plan_tiles(order_of(tmp_path, {"image": (tmp_path / "empty",)}))


# --- going on


def test_stopped_and_called_again_it_makes_the_same_files(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    order = order_of(tmp_path, pair)

    def stop_after_three(done: int, _: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_tiles(order, progress=stop_after_three)
    kept = files_in(order.out)
    assert len(kept) == 6
    assert preview_tiles(order).there == 3
    again = convert_tiles(order)
    assert (again.written, again.skipped) == (9, 3)
    whole = replace(order, out=tmp_path / "whole")
    convert_tiles(whole)
    assert files_in(order.out) == files_in(whole.out)
    assert all((order.out / name).read_bytes() == (whole.out / name).read_bytes() for name in files_in(whole.out))


def test_other_tiles_are_not_mixed_with_them(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    order = order_of(tmp_path, pair)
    convert_tiles(order)

    with pytest.raises(SaveError, match="another stride"):
        convert_tiles(replace(order, stride=8))
    with pytest.raises(SaveError, match="another dem"):
        convert_tiles(replace(order, resampling={LayerKind.HEIGHT: "cubic"}))
    assert convert_tiles(replace(order, stride=8, overwrite=True)).written == 35


def test_a_tile_of_before_that_is_left_out_now_goes_away(
    tmp_path: Path, pair: dict[str, tuple[Path, ...]], write: Write
) -> None:
    order = order_of(tmp_path, pair)
    convert_tiles(order)
    void = write("dem.tif", np.full((50, 70), -9999, np.float32), nodata=-9999)

    done = convert_tiles(replace(order, sources={**pair, "dem": (void,)}, overwrite=True))
    assert (done.written, len(done.left_out)) == (0, 12)
    assert files_in(order.out) == []


def test_one_bad_part_of_a_file_spoils_its_tiles_only(tmp_path: Path, write: Write) -> None:
    image = RNG.integers(0, 255, (3, 256, 256), np.uint8)
    path = write("image.tif", image, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6000] = bytes(6000)
    path.write_bytes(content)
    order = order_of(tmp_path, {"image": (path,)}, size=64)

    done = convert_tiles(order)
    assert done.failed
    assert done.written + len(done.failed) == 16
    assert all("image.tif: Damaged" in failure.message for failure in done.failed)
    assert len(files_in(order.out)) == done.written


def test_a_million_tiles_are_planned_without_looking_at_each(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    transform = rasterio.Affine(0.1, 0, X, 0, -0.1, Y)
    profile = {"count": 1, "height": 512_000, "width": 512_000, "dtype": "uint8", "crs": UTM, "transform": transform}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        sparse_ok=True,
        bigtiff="yes",
        tiled=True,
        blockxsize=4096,
        blockysize=4096,
        **profile,
    ):
        pass
    order = order_of(tmp_path, {"image": (path,)}, size=512)

    tracemalloc.start()
    plan = plan_tiles(order)
    ahead = preview_tiles(order, plan)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000, "less than a byte a tile"
    assert (plan.tiles, ahead.tiles, len(ahead.examples)) == (1_000_000, 1_000_000, 3)


def test_palettes_of_labels_are_kept(tmp_path: Path, write: Write) -> None:
    path = write("labels.tif", np.array([[1, 2]] * 2, np.uint8))
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {1: (200, 0, 0, 255), 2: (0, 200, 0, 255)})
    order = order_of(tmp_path, {"labels": (path,)}, "synrs3d", size=2)

    convert_tiles(order)
    with rasterio.open(next((order.out / "gt_ss_mask").glob("*.tif"))) as file:
        assert file.colormap(1)[1] == (200, 0, 0, 255)


def test_a_guess_about_nodata_is_told_once(tmp_path: Path, write: Write) -> None:
    heights = np.ones((16, 32), np.float32)
    heights[0, ::16] = heights[1, 0] = -9999
    done = convert_tiles(order_of(tmp_path, {"dem": (write("dem.tif", heights),)}))

    (remark,) = done.remarks
    assert (remark.message, remark.tiles) == ("DEM: -9999 taken for nodata: the file does not say so", 2)


@pytest.mark.real
def test_real_places_are_cut(tmp_path: Path, shared_data: Path) -> None:
    heights = shared_data / "real" / "heights_only"
    sources = {"labels": (heights / "zion_nlcd.tif",), "dem": (heights / "zion_srtm.tif",)}
    order = order_of(tmp_path, sources, "synrs3d", size=256)

    done = convert_tiles(order)
    assert (done.written, done.failed) == (20, ())
    tile = opened(order.out)["zion_nlcd_r2_c1"]
    assert tile["dem"].crs == tile["landcover"].crs == "EPSG:26912"
    assert 1000 < tile["dem"].pixels[tile["dem"].valid].mean() < 3000


def test_another_process_cuts_the_same(tmp_path: Path, pair: dict[str, tuple[Path, ...]]) -> None:
    order = order_of(tmp_path, pair, size=32)
    convert_tiles(order)
    plan = plan_tiles(order)
    there = replace(order, out=tmp_path / "there")
    (there.out / "Image" / "tif-ortho_1.v2").mkdir(parents=True)
    (there.out / "DEM-ortho_1.v2").mkdir()

    maker = pickle.loads(pickle.dumps(tiles._Tiles(there, plan)))
    for window in plan.windows:
        maker.make(window)
    maker.cutter.close()
    assert files_in(there.out) == files_in(order.out)
    assert all((order.out / name).read_bytes() == (there.out / name).read_bytes() for name in files_in(order.out))

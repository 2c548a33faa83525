import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from rsviewer.batch.converting.colorize import ColorOrder, check_order, preview_colors
from rsviewer.batch.converting.colorize import convert_colors as convert
from rsviewer.batch.converting.ranges import Scope
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here, Processes
from rsviewer.core.errors import LayerError, SaveError, SettingsError
from rsviewer.core.render import Pixels, paint
from rsviewer.core.style import RangeMode, Style, default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_content
from rsviewer.data.conversions import RECORD
from rsviewer.data.datasets.folders import LAYOUT_FILE
from rsviewer.data.detect import open_dataset
from rsviewer.data.filenames import path_of
from rsviewer.data.resources import color_table

Write = Callable[..., None]

SIZE = (20, 30)


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Groups a (tiles 1 and 2, hills with a void and NaN), b (1 is constant, 2 all nodata, 3 is cut short, 4 has none)."""
    root = tmp_path / "data"
    rng = np.random.default_rng(3)
    hills = rng.gamma(2.0, 5.0, (2, *SIZE)).astype(np.float32)
    hills[1] += 20
    hills[:, :4, :5] = -9999
    hills[:, 7, 7] = np.nan
    level = np.full(SIZE, 4.5, np.float32)
    heights = {"a/1": hills[0], "a/2": hills[1], "b/1": level, "b/2": level * 0 - 9999, "b/3": level, "b/4": None}
    for name, height in heights.items():
        group, number = name.split("/")
        classes = rng.integers(0, 9, SIZE, np.uint8)
        write(root / group / "opt" / f"{number}.tif", np.zeros((3, *SIZE), np.uint8))
        write(root / group / "gt_ss_mask" / f"{number}.tif", classes)
        if height is not None:
            write(root / group / "gt_nDSM" / f"{number}.tif", height, nodata=-9999)
    broken = root / "b" / "gt_nDSM" / "3.tif"
    broken.write_bytes(broken.read_bytes()[:300])
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return open_dataset(root)[0]


@pytest.fixture
def entries(root: Path) -> list[TileEntry]:
    dataset, adapter = open_dataset(root)
    return list(adapter.scan(dataset))


@pytest.fixture
def order(tmp_path: Path) -> ColorOrder:
    return ColorOrder(tmp_path / "out")


def convert_colors(*arguments: Any, **options: Any) -> Conversion:
    return convert(*arguments, crew=Here(), **options)


def pane(entry: TileEntry, spec: LayerSpec, style: Style) -> Pixels:
    """What a pane shows."""
    raster = read_content(entry.files[spec.id], spec)
    assert isinstance(raster, Raster)
    return paint(raster, spec, style, color_table(style.color_table)).pixels


def picture(path: Path) -> Pixels:
    """What stands in a file, as a pane would have it."""
    with rasterio.open(path) as file:
        bands = file.read().astype(np.uint32)
    alpha = bands[3] if len(bands) == 4 else np.uint32(255)
    pixels: Pixels = alpha << 24 | bands[0] << 16 | bands[1] << 8 | bands[2]
    pixels[alpha << 24 == 0] = 0
    return pixels


def files_in(folder: Path) -> dict[str, bytes]:
    """Without what says what they are."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (RECORD, LAYOUT_FILE)
    }


@pytest.mark.parametrize("to", ["png", "tif"])
@pytest.mark.parametrize("layer", ["ndsm", "landcover"])
def test_without_options_it_is_the_picture_of_the_pane(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, to: str, layer: str
) -> None:
    spec = dataset.layer(LayerId(layer))

    done = convert_colors(dataset, entries[:4], replace(order, layer=spec.id, to=to))

    assert (done.written, done.failed) == (4, ())
    for entry in entries[:4]:
        shown = pane(entry, spec, default_style(spec))
        assert (picture(path_of(order.out, entry.id, to)) == shown).all()
    assert not shown.any() or layer == "landcover", "of the fourth tile nothing is valid"


@pytest.mark.parametrize(
    ("options", "style"),
    [
        ({"colors": "Spectral", "inverted": True}, {"color_table": "Spectral", "invert": True}),
        ({"colors": "viridis_r"}, {"color_table": "viridis_r"}),
        ({"hillshade": 0.0}, {"hillshade": 0.0}),
        ({"hillshade": 1.0}, {"hillshade": 1.0}),
        ({"percent": 0.0}, {"range_mode": RangeMode.MIN_MAX}),
        ({"percent": 5.0}, {"percent": 5.0}),
        ({"low": -2.0, "high": 12.5}, {"range_mode": RangeMode.FIXED, "low": -2.0, "high": 12.5}),
    ],
)
def test_options_do_what_they_do_in_a_pane(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, options: dict[str, Any], style: dict[str, Any]
) -> None:
    spec = dataset.layer(LayerId("ndsm"))

    convert_colors(dataset, entries[:3], replace(order, **options))

    for entry in entries[:3]:
        shown = pane(entry, spec, replace(default_style(spec), **style))
        assert (picture(path_of(order.out, entry.id, "png")) == shown).all()


@pytest.mark.parametrize(("scope", "tiles"), [(Scope.GROUP, (0, 1)), (Scope.DATASET, (0, 1, 2))])
def test_tiles_that_share_a_range_are_painted_over_all_their_heights(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, scope: Scope, tiles: tuple[int, ...]
) -> None:
    spec = dataset.layer(LayerId("ndsm"))
    values = []
    for place in tiles:
        raster = read_content(entries[place].files[spec.id], spec)
        assert isinstance(raster, Raster)
        values += raster.pixels[raster.valid].tolist()
    ends = {"range_mode": RangeMode.FIXED, "low": min(values), "high": max(values)}

    done = convert_colors(dataset, entries, replace(order, scope=scope, percent=0.0))

    assert (done.written, [failure.tile for failure in done.failed]) == (4, ["b/3", "b/4"])
    for place in tiles:
        shown = pane(entries[place], spec, replace(default_style(spec), **ends))
        assert (picture(path_of(order.out, entries[place].id, "png")) == shown).all()


def test_a_quantity_with_a_sign_stays_white_at_zero(tmp_path: Path, write: Write, order: ColorOrder) -> None:
    spec = LayerSpec(LayerId("error"), LayerKind.QUANTITY, "error", unit="m")
    write(tmp_path / "a.tif", np.array([[-1, 0, 3]], np.float32))
    write(tmp_path / "b.tif", np.array([[-6, 0, 3]], np.float32))
    dataset = Dataset("folders", "errors", tmp_path, (spec,))
    entries = [TileEntry(TileId(name), {spec.id: str(tmp_path / f"{name}.tif")}) for name in "ab"]

    convert_colors(dataset, entries, replace(order, layer=spec.id, scope=Scope.DATASET, percent=0.0))

    style = replace(default_style(spec), range_mode=RangeMode.FIXED, low=-6.0, high=6.0)
    for entry in entries:
        assert (picture(path_of(order.out, entry.id, "png")) == pane(entry, spec, style)).all()


def test_the_colours_are_those_of_the_script_of_rs3dbench(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, write: Write
) -> None:
    height = np.arange(600, dtype=np.float32).reshape(SIZE) / 6
    write(Path(entries[0].files[LayerId("ndsm")]), height)
    script = ColorOrder(order.out, colors="Spectral", inverted=True, percent=0.0, hillshade=0.0, nodata=(0, 0, 0))

    convert_colors(dataset, entries[:1], script)

    found = np.asarray(Image.open(order.out / "a" / "1.png"))
    assert found.shape == (*SIZE, 3)
    assert found[0, 0].tolist() == [94, 79, 162], "the lowest is violet"
    assert found[-1, -1].tolist() == [158, 1, 66]
    table = color_table("Spectral")
    depth = 1 - (height - height.min()) / (height.max() - height.min())
    theirs = np.minimum((depth * 256).astype(int), 255)
    near = [np.abs(found.astype(int) - table[np.clip(theirs + step, 0, 255)]).max(axis=-1) for step in (-1, 0, 1)]
    assert np.min(near, axis=0).max() == 0


def test_what_has_no_value_is_transparent_or_as_asked(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder
) -> None:
    convert_colors(dataset, entries[:1], order)
    convert_colors(dataset, entries[:1], replace(order, out=order.out / "red", nodata=(255, 0, 9)))

    clear = np.asarray(Image.open(order.out / "a" / "1.png"))
    red = np.asarray(Image.open(order.out / "red" / "a" / "1.png"))
    assert clear[0, 0].tolist() == [0, 0, 0, 0]
    assert clear[7, 7, 3] == 0
    assert red.shape == (*SIZE, 3)
    assert red[7, 7].tolist() == [255, 0, 9]
    assert (red[clear[..., 3] == 255] == clear[clear[..., 3] == 255][:, :3]).all()


@pytest.mark.parametrize("to", ["png", "tif"])
def test_it_says_where_it_lies_unless_it_shall_not(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, to: str
) -> None:
    convert_colors(dataset, entries[:1], replace(order, to=to))

    with rasterio.open(order.out / "a" / f"1.{to}") as file:
        assert file.crs.to_epsg() == 32632
        assert file.transform[:6] == (0.5, 0, 500_000, 0, -0.5, 5_700_000)
        assert file.colorinterp[3].name == "alpha"
        assert ("cividis" in str(file.tags())) or to == "png"
    anew = replace(order, to=to, georeference=False, overwrite=True)
    convert_colors(dataset, entries[:1], anew)
    assert sorted(files_in(order.out)) == [f"a/1.{to}"]
    Image.open(order.out / "a" / f"1.{to}").load()


@pytest.mark.parametrize("to", ["png", "tif"])
def test_pictures_open_in_the_viewer_as_the_same_tiles(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, to: str
) -> None:
    convert_colors(dataset, entries[:3], replace(order, to=to, legend=True))

    opened, adapter = open_dataset(order.out)
    assert [(spec.id, spec.title) for spec in opened.layers] == [("ndsm_color", "nDSM coloured")]
    found = list(adapter.scan(opened))
    assert [entry.id for entry in found] == ["a/1", "a/2", "b/1"]
    raster = read_content(found[0].files[LayerId("ndsm_color")], opened.layers[0])
    assert isinstance(raster, Raster)
    assert (raster.bands, raster.crs) == (3, "EPSG:32632")
    assert not raster.valid[0, 0, 0]
    assert raster.valid[0, 10, 0]


def test_rs3dbench_gets_its_own_names_and_finds_its_layer_again(
    tmp_path: Path, write: Write, order: ColorOrder
) -> None:
    root = tmp_path / "rs"
    write(root / "Mask-Japan+Korea" / "tile_3.tif", np.zeros(SIZE, np.uint8))
    for folder, number in (("DEM-Japan+Korea", 3), ("DEM-Japan+Korea", 12), ("DEM-Switzerland0.5", 3)):
        write(root / folder / f"tile_{number}.tif", np.arange(600, dtype=np.int16).reshape(SIZE))
        write(root / f"{folder}_255" / f"tile_{number}.tif", np.arange(600).reshape(SIZE).astype(np.uint8))
    dataset, adapter = open_dataset(root)
    entries = list(adapter.scan(dataset))

    convert_colors(dataset, entries, order)
    convert_colors(dataset, entries, replace(order, layer=LayerId("dem_255"), to="tif"))

    assert [name for name in files_in(order.out) if name.endswith(".png")] == [
        "DEM-Japan+Korea_color/tile_12_color.png",
        "DEM-Japan+Korea_color/tile_3_color.png",
        "DEM-Switzerland0.5_color/tile_3_color.png",
    ]
    masks = replace(order, out=order.out / "masks", layer=LayerId("mask"))
    assert convert_colors(dataset, entries[:1], masks).written == 1, "which the benchmark has no pictures of"
    assert open_dataset(masks.out)[0].format == "folders"
    shutil.rmtree(masks.out)
    colored, adapter = open_dataset(order.out)
    assert colored.format == "rs3dbench"
    assert [spec.id for spec in colored.layers] == ["dem_color", "dem_255_color"]
    found = list(adapter.scan(colored))
    assert [entry.id for entry in found] == [entry.id for entry in entries]
    raster = read_content(found[0].files[LayerId("dem_color")], colored.layers[0])
    assert isinstance(raster, Raster)
    assert raster.valid.all()


def test_stopped_and_called_again_it_makes_the_files_of_one_run(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, write: Write
) -> None:
    shared = replace(order, scope=Scope.DATASET, bar=True)
    convert_colors(dataset, entries, replace(shared, out=order.out / "whole"))

    def stop(done: int, total: int | None) -> None:
        assert total == 18, "two looks at each tile, and then its picture"
        if done == 14:
            raise KeyboardInterrupt

    halves = replace(shared, out=order.out / "halves")
    with pytest.raises(KeyboardInterrupt):
        convert_colors(dataset, entries, halves, progress=stop)
    assert 0 < len(files_in(halves.out)) < 8
    again = convert_colors(dataset, entries, halves)

    assert (again.written, again.skipped) == (2, 2)
    assert files_in(halves.out) == files_in(order.out / "whole")
    with pytest.raises(SaveError, match="other tiles"):
        convert_colors(dataset, entries[:2], halves)
    with pytest.raises(SaveError, match="other tiles"):
        preview_colors(dataset, entries[:2], halves)
    with pytest.raises(SaveError, match="with another colors"):
        convert_colors(dataset, entries, replace(halves, colors="turbo"))


def test_processes_make_the_same(dataset: Dataset, entries: list[TileEntry], order: ColorOrder) -> None:
    shared = replace(order, scope=Scope.GROUP, legend=True, colors="magma")
    one = convert_colors(dataset, entries, shared)
    other = convert(dataset, entries, replace(shared, out=order.out.with_name("other")), crew=Processes(2))

    assert one == other
    assert files_in(order.out) == files_in(order.out.with_name("other"))


def test_what_cannot_be_coloured_is_named_and_what_is_odd_is_said(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder
) -> None:
    done = convert_colors(dataset, entries, order)

    said = {failure.tile: failure.message for failure in done.failed}
    assert list(said) == ["b/3", "b/4"]
    assert said[TileId("b/3")].startswith("nDSM: ")
    assert said[TileId("b/4")] == "This tile has no file for nDSM."
    assert [(remark.first, remark.message) for remark in done.remarks] == [
        ("b/1", "nDSM: constant."),
        ("b/2", "nDSM has no valid pixel: the picture is empty."),
    ]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (13, 3, 2), (1, 1, 40)])
def test_any_type_size_and_number_of_bands_is_a_picture(
    tmp_path: Path, write: Write, order: ColorOrder, dtype: str, shape: tuple[int, int, int]
) -> None:
    spec = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m")
    pixels = (np.arange(np.prod(shape)).reshape(shape) - (0 if dtype.startswith("u") else 7)).astype(dtype)
    write(tmp_path / "x.tif", pixels)
    dataset = Dataset("folders", "odd", tmp_path, (spec,))
    entry = TileEntry(TileId("a b.c/x.y"), {spec.id: str(tmp_path / "x.tif")})

    done = convert_colors(dataset, [entry], replace(order, scope=Scope.DATASET, bar=True, legend=True, percent=2.0))

    assert done.failed == ()
    found = picture(order.out / "a b.c" / "x.y.png")
    ends = {"range_mode": RangeMode.PERCENTILE, "percent": 2.0}
    shown = pane(entry, spec, replace(default_style(spec), **ends))
    assert found[: shape[1], : shape[2]].shape == shown.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "jpg"}, "none of png, tif"),
        ({"layer": "dem"}, "no layer 'dem': choose ndsm, landcover"),
        ({"layer": "image"}, "image gets no colours from a table: choose ndsm"),
        ({"low": 1.0}, "give both --low and --high"),
        ({"low": 1.0, "high": 1.0}, "no range: --low must be below --high"),
        ({"low": float("nan"), "high": 1.0}, "no range"),
        ({"low": 0.0, "high": 1.0, "scope": Scope.GROUP}, "leave out --range"),
        ({"low": 0.0, "high": 1.0, "percent": 1.0}, "leave out --range and --percent"),
        ({"percent": 50.0}, "50 % cannot be cut off"),
        ({"percent": float("nan")}, "cannot be cut off"),
        ({"hillshade": 1.5}, "not to 1.5"),
        ({"layer": "landcover", "colors": "turbo"}, "a colour table means nothing there"),
        ({"layer": "landcover", "scope": Scope.GROUP}, "a range means nothing"),
        ({"layer": "landcover", "percent": 0.0}, "a range means nothing"),
        ({"layer": "landcover", "hillshade": 0.5}, "hillshade means nothing"),
        ({"layer": "landcover", "bar": True}, "--legend names the classes"),
    ],
)
def test_an_order_that_no_tile_can_meet_is_refused_at_once(
    dataset: Dataset, order: ColorOrder, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(dataset, replace(order, **change))
    assert not order.out.exists()


def test_an_unknown_colour_table_is_answered_with_near_ones(dataset: Dataset, order: ColorOrder) -> None:
    with pytest.raises(SettingsError, match="Did you mean Spectral"):
        check_order(dataset, replace(order, colors="spektral"))


def test_without_heights_a_layer_has_to_be_named(tmp_path: Path, write: Write, order: ColorOrder) -> None:
    write(tmp_path / "flat" / "opt" / "1.tif", np.zeros((3, 2, 2), np.uint8))
    write(tmp_path / "flat" / "gt_ss_mask" / "1.tif", np.zeros((2, 2), np.uint8))
    flat = open_dataset(tmp_path / "flat")[0]

    with pytest.raises(LayerError, match="no height layer: choose one with --layer: landcover"):
        check_order(flat, order)
    only_images = replace(flat, layers=flat.layers[:1])
    with pytest.raises(LayerError, match="nothing to be coloured"):
        check_order(only_images, order)


def test_a_large_raster_is_thinned_out_and_says_so(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.raster._decimation", lambda *_: 2)

    done = convert_colors(dataset, entries[:1], replace(order, to="tif"))

    assert done.remarks[0].message == "nDSM is large and was thinned out: 15 x 10 of 30 x 20 pixels."
    with rasterio.open(order.out / "a" / "1.tif") as file:
        assert (file.width, file.height, file.transform.a) == (15, 10, 1.0)


def test_the_key_stands_beside_the_same_pixels(dataset: Dataset, entries: list[TileEntry], order: ColorOrder) -> None:
    spec = dataset.layer(LayerId("ndsm"))
    sizes = set()
    for options in ({"bar": True}, {"bar": True, "legend": True}, {"legend": True}):
        out = order.out / "-".join(options)
        done = convert_colors(dataset, entries[:4], replace(order, out=out, **options))
        assert done.written == 4, "a constant tile and one without any height among them"
        for entry in entries[:4]:
            found = picture(path_of(out, entry.id, "png"))
            shown = pane(entry, spec, default_style(spec))
            assert (found[: SIZE[0], : SIZE[1]] == shown).all()
            assert (found[SIZE[0] :, : SIZE[1]] == 0xFFFFFFFF).all()
        sizes.add(picture(path_of(out, entries[0].id, "png")).shape)
        assert picture(path_of(out, entries[1].id, "png")).shape in sizes, "alike for all tiles of a size"
    assert len(sizes) == 3


@pytest.mark.real
@pytest.mark.parametrize("tiles", ["synrs3d/autzen_feet", "rs3dbench", "satlas"])
def test_real_tiles_look_as_in_their_panes(shared_data: Path, order: ColorOrder, tiles: str) -> None:
    dataset, adapter = open_dataset(shared_data / "real" / tiles)
    spec = next(spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT)
    entries = [entry for entry in adapter.scan(dataset) if spec.id in entry.files][:6]

    done = convert_colors(dataset, entries, replace(order, to="tif"))

    assert (done.written, done.failed) == (len(entries), ())
    files = sorted(order.out.rglob("*.tif"))
    shown = [pane(entry, spec, default_style(spec)) for entry in entries]
    found = [picture(path) for path in files]
    assert all(any(one.shape == other.shape and (one == other).all() for other in found) for one in shown)


def test_a_layer_is_coloured_as_its_pane_is_where_that_is_said(
    dataset: Dataset, entries: list[TileEntry], order: ColorOrder
) -> None:
    heights = dataset.layer(LayerId("ndsm"))
    shown = Style(
        range_mode=RangeMode.SIGMA, sigmas=1.5, color_table="turbo", hillshade=0.8, azimuth=90.0, exaggeration=3.0
    )
    classes = default_style(dataset.layer(LayerId("landcover")))

    convert_colors(dataset, entries[:1], replace(order, style=shown))
    convert_colors(dataset, entries[:1], replace(order, out=order.out / "l", layer=LayerId("landcover"), style=classes))

    assert (picture(order.out / "a" / "1.png") == pane(entries[0], heights, shown)).all()
    with pytest.raises(SaveError, match="another sun"):
        convert_colors(dataset, entries[:1], replace(order, style=replace(shown, azimuth=180.0)))
    hidden = replace(classes, hidden=frozenset({3}))
    other = replace(order, out=order.out / "l", layer=LayerId("landcover"), style=hidden)
    with pytest.raises(SaveError, match="another hidden"):
        convert_colors(dataset, entries[:1], other)

import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import transform as turned

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LayerKind
from rsviewer.core.tiling import Box, Grid, Shift, Windows, block_side
from rsviewer.data.cutting import Cut, Cutter, Layer
from rsviewer.data.openfiles import OpenFiles, _affordable
from rsviewer.data.placing import extent, place, utm_zone, vertical_of
from rsviewer.data.sourcefile import SourceFile, look_at

UTM = "EPSG:32632"
NEIGHBOUR = "EPSG:32633"
X, Y = 500_000.0, 5_000_000.0

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a GeoTIFF whose upper left corner is (X, Y) or another one: `write(pixels, pixel=2, nodata=...)`."""

    def write(
        pixels: np.ndarray,
        *,
        name: str = "raster.tif",
        pixel: float = 1.0,
        corner: tuple[float, float] | None = (X, Y),
        crs: str | None = UTM,
        work: Callable[[Any], None] = lambda _: None,
        **options: Any,
    ) -> Path:
        bands = pixels if pixels.ndim == 3 else pixels[None]
        count, height, width = bands.shape
        if corner is not None:
            options["transform"] = rasterio.Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                count=count,
                height=height,
                width=width,
                dtype=bands.dtype,
                crs=crs,
                **options,
            ) as file:
                file.write(bands)
                work(file)
        return path

    return write


def grid_of(width: int, height: int, pixel: float = 1.0, crs: str = UTM, corner: tuple[float, float] = (X, Y)) -> Grid:
    return Grid(width, height, (pixel, 0.0, corner[0], 0.0, -pixel, corner[1]), crs)


def layer_of(
    grid: Grid, kind: LayerKind, *paths: Path, resampling: str = "bilinear", bands: tuple[int, ...] = ()
) -> Layer:
    files = [look_at(path, kind, bands) for path in paths]
    placed = [place(grid, file, extent(grid, file) or Box(0, 0, 1, 1)) for file in files]
    return Layer(kind, "DEM", tuple(placed), resampling)


def cut(grid: Grid, layer: Layer, number: int = 0, size: int = 0) -> Cut:
    size = size or max(grid.width, grid.height)
    cutter = Cutter(grid, size)
    try:
        return cutter.cut(layer, Windows(grid.width, grid.height, size, size, "pad")[number])  # type: ignore[arg-type]
    finally:
        cutter.close()


# --- nodata


ROW = [10.0, 20.0, math.nan, 40.0]
ENLARGED = [10.0, 12.5, 17.5, 20.0, math.nan, math.nan, 40.0, 40.0]
"""By hand: places 0.25, 0.75 ... of the row, whose middles are 0.5, 1.5 ...; where one neighbour is missing the other counts
alone, and where the pixel itself is missing there is nothing."""


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize(
    ("stored", "options"),
    [
        (math.nan, {}),
        (math.nan, {"nodata": -9999}),
        (math.inf, {}),
        (-9999, {"nodata": -9999}),
        (-9999, {}),
        (-3.4028235e38, {"nodata": -3.4028235e38}),
        (0, {"nodata": 0}),
    ],
)
def test_nodata_never_gets_into_its_neighbours(
    write: Write, stored: float, options: dict[str, Any], resampling: str
) -> None:
    heights = np.array([[stored if math.isnan(value) else value for value in ROW]] * 4, np.float32)
    grid = grid_of(8, 8)

    done = cut(grid, layer_of(grid, LayerKind.HEIGHT, write(heights, pixel=2, **options), resampling=resampling))

    assert done.pixels.dtype == np.float32
    if resampling == "bilinear":
        np.testing.assert_allclose(done.pixels[0], [ENLARGED] * 8)
    values = done.pixels[0][done.valid[0]]
    assert values.min() >= 8
    assert values.max() <= 42
    assert (done.valid[0] == ~np.isnan(ENLARGED)).all()
    assert np.isnan(done.pixels[~done.valid]).all()


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float64", "uint8"])
def test_heights_become_float32_whatever_they_were(write: Write, dtype: str) -> None:
    heights = np.array([[1, 2], [3, 200]], dtype)
    grid = grid_of(2, 2)

    done = cut(grid, layer_of(grid, LayerKind.HEIGHT, write(heights, nodata=3)))

    assert done.pixels.dtype == np.float32
    np.testing.assert_array_equal(done.pixels[0], [[1, 2], [math.nan, 200]])


def test_heights_are_scaled_as_the_file_says(write: Write) -> None:
    def scale(file: Any) -> None:
        file.scales, file.offsets, file.units = (0.1,), (100.0,), ("ft",)

    grid = grid_of(2, 1)
    layer = layer_of(grid, LayerKind.HEIGHT, write(np.array([[10, 20]], np.int16), work=scale))

    np.testing.assert_allclose(cut(grid, layer).pixels[0, 0], [101, 102])
    assert layer.files[0].file.unit == "ft"


def test_means_are_of_the_pixels_that_are_there(write: Write) -> None:
    heights = np.array([[1, 2, -9999, -9999], [3, 4, 7, -9999]], np.float32)
    grid = grid_of(2, 1, pixel=2)

    done = cut(grid, layer_of(grid, LayerKind.HEIGHT, write(heights, nodata=-9999), resampling="average"))

    assert done.pixels[0, 0].tolist() == [2.5, 7]


def test_one_band_without_a_value_leaves_the_others_alone(write: Write) -> None:
    image = np.ones((2, 4, 4), np.float32)
    image[0, 1, 1] = math.nan
    grid = grid_of(8, 8)

    done = cut(grid, layer_of(grid, LayerKind.OPTICAL, write(image, pixel=2), resampling="cubic"))

    assert (~done.valid[0]).sum() == 4
    assert done.valid[1].all()
    assert np.allclose(done.pixels[done.valid], 1)


# --- kinds


def test_reflectance_stays_what_it_is_and_no_true_value_becomes_nodata(write: Write) -> None:
    image = np.full((3, 8, 8), 10_000, np.uint16)
    image[:, :, 4:] = 1
    grid = grid_of(16, 16)
    layer = layer_of(grid, LayerKind.OPTICAL, write(image, pixel=2, nodata=0), resampling="cubic")

    done = cut(grid, layer)

    assert done.pixels.dtype == np.uint16
    assert layer.nodata == 0
    assert done.valid.all()
    assert done.pixels.min() == 1, "cubic goes below 1 there, and 0 would be nodata"
    assert 10_000 < done.pixels.max() < 12_000, "and above 10,000, but not around the corner"


def test_classes_are_never_mixed(write: Write) -> None:
    labels = np.array([[1, 1, 7, 7], [1, 5, 7, 255], [3, 3, 0, 0], [3, 9, 0, 9]], np.uint8)
    path = write(labels, nodata=255)

    finer = grid_of(8, 8, pixel=0.5)
    assert set(np.unique(cut(finer, layer_of(finer, LayerKind.LABELS, path, resampling="nearest")).pixels)) == {
        *(0, 1, 3, 5, 7, 9, 255)
    }
    coarser = grid_of(2, 2, pixel=2)
    assert cut(coarser, layer_of(coarser, LayerKind.LABELS, path, resampling="mode")).pixels[0].tolist() == [
        [1, 7],
        [3, 0],
    ]


def test_alpha_says_where_an_image_is_and_is_no_band_of_it(write: Write) -> None:
    image = np.full((4, 6, 6), 90, np.uint8)
    image[3] = 255
    image[3, :, :3] = 0

    grid = grid_of(6, 6)
    layer = layer_of(grid, LayerKind.OPTICAL, write(image, photometric="rgb", alpha="yes"))
    done = cut(grid, layer)

    assert layer.bands == 3
    assert layer.nodata is None
    assert done.valid[:, :, 3:].all()
    assert not done.valid[:, :, :3].any()


def test_infrared_that_is_called_alpha_is_a_band(write: Write) -> None:
    image = np.random.default_rng(1).integers(1, 200, (4, 32, 32), np.uint8)

    path = write(image, photometric="rgb", alpha="yes")

    assert look_at(path, LayerKind.OPTICAL).bands == (1, 2, 3, 4)
    assert look_at(path, LayerKind.OPTICAL, (4, 2, 1)).bands == (4, 2, 1)


def test_bands_are_taken_in_the_order_that_is_asked_for(write: Write) -> None:
    image = np.arange(13, dtype=np.float64)[:, None, None] * np.ones((13, 2, 2))
    grid = grid_of(2, 2)
    path = write(image)

    assert cut(grid, layer_of(grid, LayerKind.OPTICAL, path, bands=(4, 3, 2))).pixels[:, 0, 0].tolist() == [3, 2, 1]
    with pytest.raises(LayerError, match="13 bands, and band 14 is wanted"):
        look_at(path, LayerKind.OPTICAL, (14,))


def test_a_mask_within_the_file_counts(write: Write) -> None:
    mask = np.ones((4, 4), bool)
    mask[0, 0] = False
    grid = grid_of(4, 4)

    done = cut(
        grid,
        layer_of(grid, LayerKind.OPTICAL, write(np.full((3, 4, 4), 7, np.uint8), work=lambda f: f.write_mask(mask))),
    )

    assert (done.valid == mask).all()


@pytest.mark.parametrize(
    ("pixels", "kind", "message"),
    [
        (np.zeros((3, 2, 2), np.uint8), LayerKind.LABELS, "one band with a number for each class"),
        (np.zeros((1, 2, 2), np.complex64), LayerKind.OPTICAL, "complex numbers"),
    ],
)
def test_what_cannot_be_such_a_layer_is_refused(
    write: Write, pixels: np.ndarray, kind: LayerKind, message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        look_at(write(pixels), kind)


def test_a_palette_is_no_height_and_no_image(write: Write) -> None:
    path = write(np.zeros((2, 2), np.uint8), work=lambda file: file.write_colormap(1, {0: (1, 2, 3, 255)}))

    with pytest.raises(LayerError, match="colour table"):
        look_at(path, LayerKind.OPTICAL)
    assert dict(look_at(path, LayerKind.LABELS).colors)[0] == (1, 2, 3, 255)


def test_a_file_that_is_not_there_or_is_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="No file"):
        look_at(tmp_path / "nothing.tif", LayerKind.HEIGHT)
    (tmp_path / "text.tif").write_text("hello")
    with pytest.raises(LayerError, match="A text file"):
        look_at(tmp_path / "text.tif", LayerKind.HEIGHT)


def test_pixels_that_cannot_be_decoded_are_told_of_the_window_that_needs_them(write: Write) -> None:
    path = write(np.random.default_rng(0).random((600, 600), np.float32), compress="deflate", tiled=True)
    grid = grid_of(600, 600)
    layer = layer_of(grid, LayerKind.HEIGHT, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : -2000] = bytes(len(content) - 2000 - len(content) // 2)
    path.write_bytes(content)

    cut(grid, layer, 0, 256)
    with pytest.raises(LayerError, match=r"DEM: .*raster\.tif: Damaged"):
        cut(grid, layer, 8, 256)


# --- places


def test_a_grid_that_differs_by_whole_pixels_is_copied_and_any_other_resampled(write: Write) -> None:
    path = write(np.arange(16, dtype=np.float32).reshape(4, 4))

    copied = layer_of(grid_of(2, 2, corner=(X + 1, Y - 2)), LayerKind.HEIGHT, path)
    assert copied.files[0].shift == Shift(1, 2)
    assert cut(grid_of(2, 2, corner=(X + 1, Y - 2)), copied).pixels[0].tolist() == [[9, 10], [13, 14]]
    half = grid_of(2, 2, corner=(X + 0.5, Y))
    assert layer_of(half, LayerKind.HEIGHT, path).files[0].shift is None
    assert cut(half, layer_of(half, LayerKind.HEIGHT, path)).pixels[0].tolist() == [[0.5, 1.5], [4.5, 5.5]]


def test_beyond_the_file_there_is_nothing(write: Write) -> None:
    path = write(np.ones((2, 2), np.uint8))
    grid = grid_of(4, 4, corner=(X - 1, Y + 1))

    done = cut(grid, layer_of(grid, LayerKind.OPTICAL, path))

    assert done.valid[0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def plane(file_grid: Grid, width: int, height: int) -> np.ndarray:
    """Heights that are a slope on the map of UTM, at the middles of the pixels of a grid of any CRS."""
    a, _, c, _, e, f = file_grid.transform or (1, 0, 0, 0, 1, 0)
    x, y = np.meshgrid(a * (np.arange(width) + 0.5) + c, e * (np.arange(height) + 0.5) + f)
    east, north = turned(file_grid.crs, UTM, x.ravel(), y.ravel())
    slope = (np.array(east) - X) * 0.5 + (np.array(north) - Y) * 0.25
    return slope.reshape(height, width)


@pytest.mark.parametrize(
    ("crs", "pixel", "corner"),
    [
        (NEIGHBOUR, 3.0, None),
        ("EPSG:4326", 3e-5, None),
        ("EPSG:3857", 4.0, None),
    ],
)
def test_heights_of_another_crs_lie_where_they_belong(
    write: Write, crs: str, pixel: float, corner: tuple[float, float] | None
) -> None:
    grid = grid_of(300, 300, corner=(X + 200, Y - 200))
    (left,), (top,) = turned(UTM, crs, [X + 100], [Y - 100])
    source = Grid(400, 400, (pixel, 0.0, left - 40 * pixel, 0.0, -pixel, top + 40 * pixel), crs)
    path = write(plane(source, 400, 400), pixel=pixel, corner=(left - 40 * pixel, top + 40 * pixel), crs=crs)

    done = cut(grid, layer_of(grid, LayerKind.HEIGHT, path))

    assert done.valid.all()
    np.testing.assert_allclose(done.pixels[0], plane(grid, 300, 300), atol=0.02)


def test_tiles_that_overlap_agree_to_the_last_bit_and_tiles_side_by_side_join(write: Write) -> None:
    noise = np.random.default_rng(3).random((500, 500), np.float32)
    (left,), (top,) = turned(UTM, NEIGHBOUR, [X], [Y])
    path = write(noise, corner=(left - 50, top + 50), crs=NEIGHBOUR)
    grid = grid_of(330, 330)
    layer = layer_of(grid, LayerKind.HEIGHT, path, resampling="cubic")

    for size, stride in ((100, 100), (90, 37), (64, 64)):
        whole = Cutter(grid, 330, block=block_side(size, stride)).cut(layer, Windows(330, 330, 330, 330)[0]).pixels[0]
        cutter = Cutter(grid, size, block=block_side(size, stride))
        for window in Windows(330, 330, size, stride):
            part = cutter.cut(layer, window).pixels[0]
            assert np.array_equal(
                part, whole[window.top : window.top + size, window.left : window.left + size], equal_nan=True
            )
        cutter.close()


def test_a_file_far_finer_than_the_tiles_is_read_in_parts_and_averaged(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.cutting._AT_ONCE", 5000)
    image = np.arange(400 * 400, dtype=np.float32).reshape(400, 400)
    grid = grid_of(10, 10, pixel=40)

    done = cut(grid, layer_of(grid, LayerKind.OPTICAL, write(image), resampling="average"))

    np.testing.assert_allclose(done.pixels[0], image.reshape(10, 40, 10, 40).mean(axis=(1, 3)), rtol=1e-5)


def test_the_overviews_of_an_image_serve_where_they_are_fine_enough(write: Write) -> None:
    image = np.repeat(np.arange(32, dtype=np.uint8) * 8, 32)[None, :].repeat(1024, axis=0)

    def overviews(file: Any) -> None:
        file.build_overviews([2, 4, 8], Resampling.average)

    grid = grid_of(32, 32, pixel=32)
    path = write(image, tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(path, "r+") as file:
        overviews(file)
    layer = layer_of(grid, LayerKind.OPTICAL, path, resampling="average")

    assert layer.files[0].file.overviews == (2, 4, 8)
    assert cut(grid, layer).pixels[0].tolist() == [[*range(0, 256, 8)]] * 32


def test_of_several_files_the_first_that_has_a_pixel_counts(write: Write) -> None:
    left = np.array([[1, 2, -9999], [1, 2, 3]], np.float32)
    right = np.array([[10, 20], [-9999, 20]], np.float32)
    first = write(left, name="a.tif", nodata=-9999)
    second = write(right, name="b.tif", corner=(X + 2, Y), nodata=-9999)
    grid = grid_of(4, 2)

    layer = layer_of(grid, LayerKind.HEIGHT, first, second)
    assert cut(grid, layer).pixels[0, :2].tolist() == [[1, 2, 10, 20], [1, 2, 3, 20]]


def test_what_the_earth_is_wrapped_in_is_found_under_a_small_grid(write: Write) -> None:
    world = np.add.outer(np.linspace(90, -90, 181)[:-1] - 0.5, np.zeros(360)).astype(np.float32)
    path = write(world, name="world.tif", pixel=1, corner=(-180, 90), crs="EPSG:4326")
    grid = grid_of(50, 50, pixel=1000)
    file = look_at(path, LayerKind.HEIGHT)

    found = extent(grid, file)
    assert found == Box(0, 0, 50, 50)
    done = cut(grid, layer_of(grid, LayerKind.HEIGHT, path))
    (_,), (latitude,) = turned(UTM, "EPSG:4326", [X + 25_000], [Y - 25_000])
    assert done.pixels[0, 25, 25] == pytest.approx(latitude, abs=0.02)


def test_files_that_lie_elsewhere_have_no_part_of_the_grid(write: Write) -> None:
    grid = grid_of(50, 50)
    there = extent(grid, look_at(write(np.ones((4, 4), np.float32), corner=(X + 1000, Y)), LayerKind.HEIGHT))

    assert there is None or there.within(Box(0, 0, 50, 50)).is_empty


def test_the_zone_and_the_vertical_system_are_known() -> None:
    assert utm_zone(grid_of(10, 10)) == UTM
    assert utm_zone(Grid(1, 1, (0.1, 0.0, 151.2, 0.0, -0.1, -33.8), "EPSG:4326")) == "EPSG:32756"
    assert utm_zone(Grid(10, 10)) == ""
    assert vertical_of("EPSG:32632+5773") == "EGM96 height"
    assert vertical_of(UTM) == ""


def test_a_cutter_goes_to_another_process_without_its_open_files(write: Write) -> None:
    grid = grid_of(4, 4)
    layer = layer_of(grid, LayerKind.HEIGHT, write(np.ones((4, 4), np.float32)))
    cutter = Cutter(grid, 4, 1000)
    window = Windows(4, 4, 4, 4)[0]
    cutter.cut(layer, window)

    again = pickle.loads(pickle.dumps(cutter))
    assert again == cutter
    assert again.cut(layer, window).valid.all()
    cutter.close()
    again.close()


def test_a_mosaic_of_many_files_keeps_few_of_them_open(write: Write) -> None:
    paths = [
        write(np.full((1, 1), number, np.float32), name=f"{number}.tif", corner=(X + number, Y)) for number in range(40)
    ]
    grid = grid_of(40, 1)
    layer = layer_of(grid, LayerKind.HEIGHT, *paths)
    cutter = Cutter(grid, 40)

    assert cutter.cut(layer, Windows(40, 1, 40, 40, "pad")[0]).pixels[0, 0].tolist() == list(range(40))  # type: ignore[arg-type]
    assert len(cutter._files._open) == 24
    cutter.close()
    assert not cutter._files._open


def test_strips_are_decoded_once_for_several_windows(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(5).random((64, 2048), np.float32)
    (left,), (top,) = turned(UTM, NEIGHBOUR, [X], [Y])
    here = write(noise, blockysize=1)
    there = write(noise, name="there.tif", blockysize=1, corner=(left - 20, top + 20), crs=NEIGHBOUR)
    grid = grid_of(1000, 40)
    reads = []
    read = OpenFiles._read
    monkeypatch.setattr(OpenFiles, "_read", lambda *arguments: reads.append(arguments[2]) or read(*arguments))

    for path in (here, there):
        layer = layer_of(grid, LayerKind.HEIGHT, path)
        found = {}
        for ahead in (1, 8):
            reads.clear()
            cutter = Cutter(grid, 40, ahead)
            found[ahead] = [cutter.cut(layer, window).pixels for window in Windows(1000, 40, 40, 40)]
            assert len(reads) > 10 if ahead == 1 else len(reads) <= 4
            cutter.close()
        assert np.array_equal(found[1], found[8], equal_nan=True)


def test_what_is_read_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.data.openfiles._MOST_AHEAD", 4 * 10_000)
    file = SourceFile(Path("x"), 9000, 9000, 1, (1,), 0, "float32", (None,), ((1.0, 0.0),), Grid(9000, 9000), None)
    part = Box(100, 100, 150, 150)

    assert _affordable(file, part, Box(100, 100, 450, 150)) == Box(100, 100, 300, 150), "half as far"
    assert _affordable(file, part, Box(100, 100, 250, 150)) == Box(100, 100, 250, 150)
    assert _affordable(file, part, None) == part
    assert _affordable(file, Box(0, 0, 200, 200), Box(0, 0, 1600, 200)) == Box(0, 0, 200, 200), "too much by itself"

"""What a tile is in space: every height where it lies, in the colours that lie on it, and everything odd is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.cloud import NO_COLOR, vertices
from rsviewer.core.composing import Coloring, relief_of
from rsviewer.core.relief import DIFFERENCE, Relief, ReliefStyle, Together
from rsviewer.core.render import Painted, paint
from rsviewer.core.scene import Colorbar, Frame, Legend, Rect, frame_of, to_map
from rsviewer.core.style import default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId, Transform
from rsviewer.data.aligning import align
from rsviewer.data.raster import read_raster
from rsviewer.data.resources import color_table

NAN = np.nan
UTM = "EPSG:32651"
METRE: Transform = (1, 0, 300_000, 0, -1, 2_500_000)
DSM = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="m")
PREDICTED = LayerSpec(LayerId("predicted"), LayerKind.HEIGHT, "prediction", unit="m")
IMAGE = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
LABELS = LayerSpec(LayerId("labels"), LayerKind.LABELS, "land cover")
DIVERGING = color_table("RdBu")[::-1]
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "real"
BLUE, RED = 0xFF0000FF, 0xFFFF0000


def raster(heights: Any, transform: Transform | None = METRE, crs: str = UTM, valid: Any = True, **more: Any) -> Raster:
    pixels = np.array(heights)[None]
    return Raster(pixels, np.broadcast_to(np.array(valid, bool), pixels.shape), transform, crs, **more)


def plain(pixels: NDArray[np.uint32]) -> Painted:
    return Painted(pixels, opaque=True)


def coloring(
    spec: LayerSpec, colors: Any, transform: Transform | None = METRE, crs: str = UTM, **more: Any
) -> Coloring:
    pixels = np.array(colors, np.uint32)
    return Coloring(spec, raster(np.zeros(pixels.shape, np.uint8), transform, crs), plain(pixels), **more)


def tile_of(heights: Raster, cell: tuple[float, float] | None = (1.0, 1.0)) -> Frame:
    return Frame(*heights.full_size, heights.transform, heights.crs, None if cell is None else cell[0], cell)


def compose(
    *heights: Raster | tuple[LayerSpec, Raster],
    colored: Coloring | None = None,
    frame: Frame | None = None,
    together: Together = Together.ALONE,
    color: str = "image",
) -> Relief:
    layers = [
        one if isinstance(one, tuple) else (spec, one) for spec, one in zip((DSM, PREDICTED), heights, strict=False)
    ]
    style = ReliefStyle(together=together, color=color)
    frame = frame or tile_of(layers[0][1])
    return relief_of(TileId("t"), frame, layers, style, colored, align, diverging=DIVERGING)


def metres_of(relief: Relief, number: int = 0) -> NDArray[np.float64]:
    cloud = relief.clouds[number]
    return cloud.base + cloud.height.astype(np.float64)


# --- one height


def test_heights_in_the_colours_of_an_image_of_the_same_grid_need_no_remark() -> None:
    relief = compose(raster([[1.0, 2.0], [3.0, 4.0]]), colored=coloring(IMAGE, [[BLUE, RED], [RED, BLUE]]))
    assert relief.clouds[0].colors.tolist() == [[BLUE, RED], [RED, BLUE]]
    assert (relief.low, relief.high, relief.extent, relief.unit) == (1.0, 4.0, (2.0, 2.0), "m")
    assert (relief.color_title, relief.remarks, relief.why) == ("image", (), "")
    assert relief.clouds[0].texture is None


def test_without_a_colouring_layer_heights_are_grey() -> None:
    relief = compose(raster([[1.0, 2.0]]))
    assert set(relief.clouds[0].colors.ravel()) == {NO_COLOR}
    assert relief.color_title == "one colour"


def test_the_bar_and_the_legend_of_the_colours_come_along() -> None:
    bar = Colorbar(0, 1, "m", "cividis", inverted=False, locked=False, minimum=0, maximum=1)
    legend = (Legend(1, "water", (0, 0, 255), 1.0),)
    relief = compose(raster([[1.0]]), colored=coloring(LABELS, [[BLUE]], colorbar=bar, legend=legend))
    assert (relief.colorbar, relief.legend, relief.color_title) == (bar, legend, "land cover")


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_row_one_column_and_one_pixel_are_tiles(shape: tuple[int, int]) -> None:
    relief = compose(raster(np.ones(shape)), colored=coloring(IMAGE, np.full((20, 20), BLUE), None, ""))
    assert relief.clouds[0].height.shape == shape
    assert set(relief.clouds[0].colors.ravel()) == {BLUE}


def test_without_any_valid_height_the_reason_is_said() -> None:
    assert compose(raster([[NAN, np.inf]])).why == "DSM has no valid height on this tile."
    both = compose(raster([[NAN]]), raster([[-9999]], valid=False), together=Together.BESIDE)
    assert both.why == "DSM and prediction have no valid height on this tile."
    assert both.parts == ()


# --- proportions


def test_without_a_pixel_size_x_and_y_are_pixels_and_that_is_said() -> None:
    heights = raster([[0.0, 900.0]], None, "")
    relief = compose(heights, frame=tile_of(heights, None))
    assert (relief.unit, relief.extent) == ("px", (2.0, 1.0))
    assert relief.remarks == (
        "Nobody knows how large a pixel is: x and y are in pixels, and proportions are not true.",
    )


def test_heights_that_tower_over_their_tile_are_doubted() -> None:
    relief = compose(raster([[0.0, 4200.0]]))
    assert relief.remarks == (
        "Heights span 4,200 m on a tile of 2 m: in another unit than metres, or is one of them no height?",
    )


@pytest.mark.parametrize(
    ("unit", "remark"),
    [
        ("", "DSM says no unit: taken for metres."),
        ("cubits", "DSM is in cubits, of which nobody knows the length: taken for metres."),
    ],
)
def test_heights_of_an_unknown_unit_are_taken_for_metres_and_that_is_said(unit: str, remark: str) -> None:
    spec = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit=unit)
    relief = compose((spec, raster([[1.0, 3.0]])))
    assert relief.remarks == (remark,)
    assert relief.high == 3.0


def test_heights_in_centimetres_are_as_high_as_they_are() -> None:
    spec = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="cm")
    relief = compose((spec, raster([[100, 250]])))
    assert (relief.low, relief.high, relief.remarks) == (1.0, 2.5, ())


# --- where heights lie


def test_heights_that_reach_beyond_the_tile_are_cut_off_there() -> None:
    heights = raster(np.arange(100.0).reshape(10, 10), (2, 0, 300_000 - 5, 0, -2, 2_500_000 + 4))
    relief = compose(heights, frame=Frame(6, 8, METRE, UTM, 1.0, (1.0, 1.0)))
    cloud = relief.clouds[0]
    assert metres_of(relief).tolist() == [[base + column for column in (2, 3, 4, 5)] for base in (20, 30, 40, 50)]
    assert cloud.place == Rect(-1, 0, 8, 8)
    assert cloud.transform is not None
    assert to_map(cloud.transform, 0, 0) == (299_999, 2_500_000)
    assert "DSM reaches beyond the tile: only what lies on it is shown." in relief.remarks
    assert cloud.origin == (-1.0, 8.0)


def test_heights_that_were_read_decimated_are_cut_off_at_the_right_pixel() -> None:
    heights = raster(np.arange(16.0).reshape(4, 4), full_size=(16, 16))
    relief = compose(heights, frame=Frame(8, 4, METRE, UTM, 1.0, (1.0, 1.0)))
    assert metres_of(relief).tolist() == [[0.0, 1.0]]
    assert relief.clouds[0].transform is not None
    assert to_map(relief.clouds[0].transform, 2, 1) == (300_008, 2_499_996)


def test_heights_of_a_part_of_the_tile_stay_in_that_part() -> None:
    heights = raster([[5.0, 6.0]], (1, 0, 300_004, 0, -1, 2_499_998))
    relief = compose(heights, frame=Frame(8, 8, METRE, UTM, 1.0, (1.0, 1.0)))
    assert vertices(relief.clouds[0]).position[:, :2].tolist() == [[4.5, 5.5], [5.5, 5.5]]
    assert relief.remarks == ()


@pytest.mark.parametrize("finer", [2, 3])
def test_heights_finer_than_the_tile_that_end_where_it_ends_keep_all_their_points(finer: int) -> None:
    heights = np.arange(16.0 * finer**2).reshape(4 * finer, 4 * finer) / 16
    transform = (1 / finer, 0, 300_000, 0, -1 / finer, 2_500_000)
    relief = compose(raster(heights, transform), frame=Frame(4, 4, METRE, UTM, 1.0, (1.0, 1.0)))
    assert metres_of(relief).tolist() == heights.tolist()
    assert relief.clouds[0].place == Rect(0, 0, 4, 4)
    assert relief.remarks == ()


def test_a_turned_grid_is_resampled_onto_that_of_the_tile() -> None:
    heights = raster([[1.0, 2.0], [3.0, 4.0]], (0, 1, 300_000, -1, 0, 2_500_000))
    relief = compose(heights, frame=Frame(2, 2, METRE, UTM, 1.0, (1.0, 1.0)))
    assert metres_of(relief).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert relief.remarks == ("DSM on the tile: resampled by georeference.",)


def test_heights_in_degrees_lie_where_they_lie_on_a_tile_in_metres() -> None:
    frame = Frame(200, 200, METRE, UTM, 1.0, (1.0, 1.0))
    degrees = raster(np.tile(np.arange(100.0), (100, 1)), (4e-5, 0, 121.0535, 0, -4e-5, 22.5965), "EPSG:4326")
    relief = compose(degrees, frame=frame, colored=coloring(IMAGE, np.full((200, 200), BLUE)))
    cloud = relief.clouds[0]
    assert cloud.place == frame.rect
    assert cloud.crs == UTM
    assert cloud.transform is not None
    assert to_map(cloud.transform, 0, 0) == (300_000, 2_500_000)
    # 4e-5 degrees are 4.1 m here, and the tile begins 0.00095 degrees right of the first height.
    assert metres_of(relief)[0, 0] == pytest.approx(23.3, abs=0.3)
    assert metres_of(relief)[0, -1] - metres_of(relief)[0, 0] == pytest.approx(200 / 4.11, abs=1)
    assert relief.remarks[0] == "DSM on the tile: resampled from EPSG:4326."
    assert (cloud.colors == BLUE).all()


def test_the_same_crs_written_differently_is_no_other_crs() -> None:
    heights = raster([[1.0, 2.0]])
    wkt = 'PROJCS["WGS 84 / UTM zone 51N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    wkt += 'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    wkt += 'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",123],PARAMETER["scale_factor",0.9996],'
    wkt += 'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
    relief = compose(heights, frame=Frame(2, 1, METRE, wkt, 1.0, (1.0, 1.0)))
    assert relief.remarks == ()
    assert metres_of(relief).tolist() == [[1.0, 2.0]]


def test_heights_that_lie_elsewhere_are_laid_over_the_tile_and_that_is_said() -> None:
    heights = raster([[1.0, 2.0]], (1, 0, 900_000, 0, -1, 2_500_000))
    relief = compose(heights, frame=Frame(2, 1, METRE, UTM, 1.0, (1.0, 1.0)))
    assert relief.remarks == ("DSM: georeference lies elsewhere: placed by extent.",)
    assert relief.clouds[0].place == Rect(0, 0, 2, 1)


# --- colours of another grid


def test_a_much_finer_image_is_a_texture_and_heights_have_its_mean_colour() -> None:
    fine = np.full((8, 8), 0xFF000000, np.uint32)
    fine[:4, 4:] = 0xFFC80000
    fine[:4:2, 4:] = 0xFF640000
    relief = compose(
        raster([[1.0, 2.0], [3.0, 4.0]]), colored=coloring(IMAGE, fine, (0.25, 0, 300_000, 0, -0.25, 2_500_000))
    )
    cloud = relief.clouds[0]
    assert cloud.texture is not None
    assert cloud.texture.pixels.tolist() == fine.tolist()
    assert cloud.texture.u.tolist() == [[0.25, 0.75], [0.25, 0.75]]
    assert cloud.texture.v.tolist() == [[0.25, 0.25], [0.75, 0.75]]
    assert cloud.colors.tolist() == [[0xFF000000, 0xFF960000], [0xFF000000, 0xFF000000]]
    assert relief.remarks == ("image on DSM: 8 x 8 resampled by georeference.",)


def test_classes_never_mix() -> None:
    rng = np.random.default_rng(2)
    fine = rng.choice(np.array([BLUE, RED], np.uint32), (64, 64))
    relief = compose(
        raster(np.zeros((8, 8))), colored=coloring(LABELS, fine, (0.125, 0, 300_000, 0, -0.125, 2_500_000))
    )
    cloud = relief.clouds[0]
    assert set(cloud.colors.ravel()) <= {BLUE, RED}
    assert cloud.texture is not None
    assert not cloud.texture.smooth, "nor when they are drawn larger"


def test_classes_on_the_grid_of_the_heights_do_not_mix_between_them() -> None:
    relief = compose(raster(np.zeros((2, 2))), colored=coloring(LABELS, [[BLUE, RED], [RED, 0]]))
    cloud = relief.clouds[0]
    assert cloud.texture is not None
    assert not cloud.texture.smooth, "red and blue meet half way, and no purple is between them"
    assert cloud.texture.pixels.tolist() == [[BLUE, RED], [RED, 0]]
    assert cloud.texture.u.tolist() == [[0.25, 0.75], [0.25, 0.75]]
    assert cloud.texture.v.tolist() == [[0.25, 0.25], [0.75, 0.75]]
    assert compose(raster(np.zeros((2, 2))), colored=coloring(IMAGE, [[BLUE, RED]] * 2)).clouds[0].texture is None


def test_an_image_that_is_only_larger_is_not_finer() -> None:
    large = np.full((40, 40), BLUE, np.uint32)
    large[20, 20] = RED
    relief = compose(raster(np.zeros((4, 4))), colored=coloring(IMAGE, large, (1, 0, 299_980, 0, -1, 2_500_020)))
    assert relief.clouds[0].texture is None
    assert relief.clouds[0].colors[0, 0] == RED
    assert (relief.clouds[0].colors == RED).sum() == 1


def test_of_a_fine_and_large_image_only_the_part_on_the_heights_becomes_the_texture() -> None:
    large = np.full((400, 400), BLUE, np.uint32)
    large[200:208, 200:208] = RED
    relief = compose(raster(np.zeros((4, 4))), colored=coloring(IMAGE, large, (0.5, 0, 299_900, 0, -0.5, 2_500_100)))
    texture = relief.clouds[0].texture
    assert texture is not None
    assert texture.pixels.size <= 100
    row = np.floor(texture.v * texture.pixels.shape[0]).astype(int)
    column = np.floor(texture.u * texture.pixels.shape[1]).astype(int)
    assert (texture.pixels[row, column] == RED).all()


def test_beside_an_image_heights_are_grey_and_how_much_it_covers_is_said() -> None:
    relief = compose(
        raster(np.zeros((2, 4))), colored=coloring(IMAGE, np.full((2, 4), BLUE), (1, 0, 300_003, 0, -1, 2_500_000))
    )
    assert relief.clouds[0].colors.tolist() == [[NO_COLOR] * 3 + [BLUE]] * 2
    assert relief.remarks == ("image on DSM: resampled by georeference.", "image covers 25 % of DSM.")


def test_a_finer_image_that_covers_a_part_has_no_place_for_the_other_heights() -> None:
    fine = np.full((40, 40), BLUE, np.uint32)
    relief = compose(raster(np.zeros((4, 4))), colored=coloring(IMAGE, fine, (0.1, 0, 300_002, 0, -0.1, 2_500_000)))
    texture = relief.clouds[0].texture
    assert texture is not None
    assert np.isnan(texture.u).tolist() == [[True, True, False, False]] * 4
    assert relief.clouds[0].colors[0].tolist() == [NO_COLOR, NO_COLOR, BLUE, BLUE]


def test_an_image_that_lies_elsewhere_colours_nothing_and_that_is_said() -> None:
    bar = Colorbar(0, 1, "m", "cividis", inverted=False, locked=False, minimum=0, maximum=1)
    elsewhere = coloring(IMAGE, [[BLUE]], (1, 0, 900_000, 0, -1, 2_500_000), colorbar=bar)
    relief = compose(raster([[1.0]]), colored=elsewhere)
    assert relief.remarks == ("image lies elsewhere than DSM: no colours.",)
    assert (relief.color_title, relief.colorbar) == ("one colour", None)
    assert relief.clouds[0].colors.tolist() == [[NO_COLOR]]


def test_an_image_without_georeference_is_laid_over_and_that_is_said() -> None:
    relief = compose(raster([[1.0, 2.0]]), colored=coloring(IMAGE, [[BLUE], [RED]], None, ""))
    assert relief.remarks == ("image on DSM: 1 x 2 laid over 2 x 1 by extent, since it has no georeference.",)


def test_heights_that_were_cut_off_keep_their_own_colours_without_a_word_about_it() -> None:
    heights = raster([[1.0, 2.0, 3.0, 4.0]])
    own = Coloring(DSM, heights, plain(np.array([[1, 2, 3, 4]], np.uint32) | 0xFF000000))
    relief = compose(heights, colored=own, frame=Frame(2, 1, METRE, UTM, 1.0, (1.0, 1.0)))
    assert relief.clouds[0].colors.tolist() == [[0xFF000001, 0xFF000002]]
    assert len(relief.remarks) == 1


# --- two heights


@pytest.mark.parametrize("together", [Together.BESIDE, Together.ONE_SCENE])
def test_reference_and_prediction_are_shown_together(together: Together) -> None:
    relief = compose(
        raster([[1.0, 2.0]]), raster([[5.0, 9.0]]), together=together, colored=coloring(IMAGE, [[BLUE, RED]])
    )
    assert [cloud.layer for cloud in relief.clouds] == ["dsm", "predicted"]
    assert (relief.low, relief.high, relief.together) == (1.0, 9.0, together)
    assert len(relief.parts) == (2 if together is Together.BESIDE else 1)
    assert (relief.clouds[1].colors == relief.clouds[0].colors).all()
    assert relief.remarks == ()


def test_alone_the_second_is_left_out() -> None:
    relief = compose(raster([[1.0]]), raster([[5.0]]))
    assert [cloud.layer for cloud in relief.clouds] == ["dsm"]
    assert relief.high == 1.0


@pytest.mark.parametrize(("missing", "left", "title"), [(0, "predicted", "DSM"), (1, "dsm", "prediction")])
def test_where_one_of_two_has_no_valid_height_the_other_is_shown_alone(missing: int, left: str, title: str) -> None:
    heights = [raster([[1.0, 2.0]]), raster([[1.0, 2.0]])]
    heights[missing] = raster([[NAN, NAN]])
    relief = compose(*heights, together=Together.BESIDE)
    assert [cloud.layer for cloud in relief.clouds] == [left]
    assert relief.together is Together.ALONE
    assert relief.remarks == (f"{title} has no valid height on this tile.",)


def test_two_heights_of_which_nobody_knows_the_pixel_size_say_so_once() -> None:
    heights = raster([[1.0]], None, "")
    relief = compose(heights, heights, frame=tile_of(heights, None), together=Together.BESIDE)
    assert len(relief.remarks) == 1


# --- differences


def test_the_difference_is_blue_where_too_low_and_red_where_too_high() -> None:
    relief = compose(raster([[9.0, 5.0, 1.0]]), raster([[5.0, 5.0, 5.0]]), color=DIFFERENCE)
    high, equal, low = vertices(relief.clouds[0]).rgb.astype(int)
    assert high[0] > high[2] + 50
    assert low[2] > low[0] + 50
    assert np.ptp(equal) < 12
    assert relief.color_title == "DSM minus prediction"
    assert relief.colorbar is not None
    assert (relief.colorbar.minimum, relief.colorbar.maximum, relief.colorbar.unit) == (-4.0, 4.0, "m")
    assert relief.remarks == ()
    assert len(relief.clouds) == 1


def test_the_difference_of_centimetres_and_metres_is_in_metres() -> None:
    spec = LayerSpec(LayerId("predicted"), LayerKind.HEIGHT, "prediction", unit="cm")
    relief = compose(raster([[3.0, 3.0]]), (spec, raster([[100, 500]], crs=UTM)), color=DIFFERENCE)
    assert relief.colorbar is not None
    assert (relief.colorbar.minimum, relief.colorbar.maximum) == (-2.0, 2.0)


def test_the_difference_on_another_grid_is_taken_between_the_same_places() -> None:
    plane = np.tile(np.arange(8.0), (8, 1))
    finer = raster(np.tile(np.arange(16.0) / 2 - 0.25, (16, 1)), (0.5, 0, 300_000, 0, -0.5, 2_500_000))
    relief = compose(raster(plane + 1.0), finer, color=DIFFERENCE)
    assert relief.colorbar is not None
    assert (relief.colorbar.minimum, relief.colorbar.maximum) == (1.0, 1.0)
    assert relief.remarks == ("prediction on DSM: 16 x 16 resampled by georeference.",)


def test_the_difference_is_grey_where_one_of_the_two_is_unknown() -> None:
    relief = compose(raster([[1.0, 2.0, np.inf]]), raster([[4.0, NAN, 4.0]]), color=DIFFERENCE)
    assert relief.clouds[0].colors[0, 1] == NO_COLOR
    assert relief.clouds[0].colors[0, 0] != NO_COLOR


def test_heights_that_have_nothing_in_common_have_no_difference() -> None:
    relief = compose(raster([[1.0, NAN]]), raster([[NAN, 2.0]]), color=DIFFERENCE)
    assert relief.remarks == ("prediction and DSM have no valid height in common: no difference.",)
    assert (relief.colorbar, relief.color_title) == (None, "one colour")
    assert len(relief.clouds) == 1


def test_the_difference_colours_both_of_two() -> None:
    relief = compose(raster([[9.0, 1.0]]), raster([[5.0, 5.0]]), color=DIFFERENCE, together=Together.BESIDE)
    assert (relief.clouds[0].colors == relief.clouds[1].colors).all()


def test_numbers_at_the_end_of_float64_make_no_trouble() -> None:
    spec = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="km")
    relief = compose((spec, raster([[1.7e308, 1.0]])), raster([[-1.7e308, 4.0]]), color=DIFFERENCE)
    assert np.isfinite(relief.clouds[0].height).all()
    assert np.isfinite(relief.high)


# --- real tiles


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no sample tiles in {REAL}")
@pytest.mark.parametrize(
    ("height", "image"),
    [
        ("synrs3d/taiwan_river/gt_nDSM/tuniu_512_0.tif", "synrs3d/taiwan_river/opt/tuniu_512_0.tif"),
        ("rs3dbench/DEM-Para/tile_0.tif", "rs3dbench/Image/tif-Para/tile_0.tif"),
    ],
)
def test_real_heights_wear_their_real_image(height: str, image: str) -> None:
    heights, pictured = read_raster(REAL / height, DSM), read_raster(REAL / image, IMAGE)
    assert isinstance(heights, Raster)
    assert isinstance(pictured, Raster)
    colored = Coloring(IMAGE, pictured, paint(pictured, IMAGE, default_style(IMAGE), color_table("grey")))
    frame = frame_of([(IMAGE, pictured)])
    relief = compose(heights, colored=colored, frame=frame)
    cloud = relief.clouds[0]
    points = vertices(cloud)
    assert points.index.size == np.count_nonzero(heights.valid[0])
    assert np.ptp(points.rgb.astype(int)) > 50
    assert np.count_nonzero(cloud.colors != NO_COLOR) > 0.99 * points.index.size
    assert relief.unit == "m"
    assert not [remark for remark in relief.remarks if "extent" in remark or "elsewhere" in remark]

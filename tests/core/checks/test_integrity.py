"""Files that are broken, missing, of another size or at another place; values that stand for none."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from rasterio.warp import transform_bounds

from rsviewer.core.checks.check import Check, Sign
from rsviewer.core.checks.integrity import CHECKS
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import threshold_of
from rsviewer.core.tile import LayerId, Unreadable
from tests.core.checks.subjects import DEM, NDSM, UTM, odd_subjects, raster, score, signs, subject, town

CHECK = {check.id: check for check in CHECKS}
TOWN = town(3)


def worst(check: str, looked_at: Subject) -> Sign:
    return max(signs(CHECK[check], looked_at), key=lambda sign: sign.score)


def is_suspicious(check: str, looked_at: Subject) -> bool:
    return score(CHECK[check], looked_at) > CHECK[check].least


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_good_tile_is_not_suspicious(check: Check) -> None:
    assert not score(check, subject(**TOWN.layers())) > check.least


@given(odd_subjects())
def test_whatever_a_file_holds_gives_a_score(looked_at: Subject) -> None:
    for check in CHECKS:
        for sign in signs(check, looked_at):
            assert 0 <= sign.score < float("inf")
            assert "\n" not in sign.message


# --- files


def test_a_file_that_cannot_be_read_is_named_with_the_reason() -> None:
    broken = Unreadable("a/b.tif", "Cut short: the file ends before its pixels do.")
    sign = worst("unreadable", subject(image=TOWN.image, ndsm=broken))
    assert (sign.score, sign.layer) == (1.0, "ndsm")
    assert sign.message == "nDSM cannot be read: Cut short: the file ends before its pixels do"


def test_a_layer_that_others_have_is_missing_and_one_that_none_has_is_not() -> None:
    assert score(CHECK["missing_layer"], subject(image=TOWN.image, ndsm=None)) == 0
    assert is_suspicious("missing_layer", subject(image=TOWN.image, ndsm=None, missing=(LayerId("ndsm"),)))


def test_an_optional_layer_may_be_missing() -> None:
    spec = replace(NDSM, optional=True)
    lacking = subject(specs=[spec], image=TOWN.image, ndsm=None, missing=(LayerId("ndsm"),))
    assert not is_suspicious("missing_layer", lacking)


def test_a_second_file_of_the_same_layer_is_one_too_many() -> None:
    sign = worst("missing_layer", subject(image=TOWN.image, duplicates=("opt/1.png",)))
    assert sign.message == "1 more file that claims to be one of its layers"
    assert sign.score > CHECK["missing_layer"].least


# --- sizes and places


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_layers_may_have_another_resolution(ratio: int) -> None:
    assert score(CHECK["layer_size"], subject(image=TOWN.image, ndsm=TOWN.ndsm[::ratio, ::ratio])) == 0


def test_ten_metres_on_fifteen_are_a_plain_ratio_up_to_rounding() -> None:
    coarse = np.zeros((85, 86), np.float32)  # of 128: 85.33
    assert not is_suspicious("layer_size", subject(image=TOWN.image, ndsm=coarse))


@pytest.mark.parametrize("layer", ["image", "ndsm", "landcover"])
def test_a_layer_that_was_cut_does_not_fit_and_is_the_one_to_blame(layer: str) -> None:
    layers = TOWN.layers("image", "ndsm", "landcover")
    layers[layer] = layers[layer][..., :120, :124]
    sign = worst("layer_size", subject(**layers))
    assert (sign.layer, sign.score) == (layer, 8.0)
    assert "124 x 120 pixels" in sign.message


def test_a_layer_stretched_one_way_does_not_fit() -> None:
    assert is_suspicious("layer_size", subject(image=TOWN.image, ndsm=TOWN.ndsm[::2]))


def placed(pixels: Any, across: float = 0.0, down: float = 0.0, crs: str = "EPSG:32632", cell: float = 0.5) -> Any:
    return raster(pixels, transform=(cell, 0.0, UTM[2] + across, 0.0, -cell, UTM[5] - down), crs=crs)


def test_layers_that_lie_elsewhere_are_told_by_how_much() -> None:
    sign = worst("layer_place", subject(image=placed(TOWN.image), ndsm=placed(TOWN.ndsm, 3.0, 4.0)))
    assert sign.score == pytest.approx(10.0)  # 5 m in pixels of half a metre
    assert "10.0 px away from" in sign.message


def test_the_one_that_lies_elsewhere_is_to_blame() -> None:
    tile = subject(image=placed(TOWN.image, 9.0), ndsm=placed(TOWN.ndsm), landcover=placed(TOWN.landcover))
    assert worst("layer_place", tile).layer == "image"


def test_layers_of_other_pixels_at_the_same_place_are_fine() -> None:
    tile = subject(image=placed(TOWN.image), ndsm=placed(TOWN.ndsm[::2, ::2], cell=1.0))
    assert score(CHECK["layer_place"], tile) < 0.01
    assert score(CHECK["layer_size"], tile) < 0.01


def test_the_same_place_in_another_crs_is_fine() -> None:
    west, south, east, north = transform_bounds("EPSG:32632", "EPSG:4326", UTM[2], UTM[5] - 64, UTM[2] + 64, UTM[5])
    degrees = ((east - west) / 128, 0.0, west, 0.0, (south - north) / 128, north)
    tile = subject(image=placed(TOWN.image), ndsm=raster(TOWN.ndsm, transform=degrees, crs="EPSG:4326"))
    assert not is_suspicious("layer_place", tile)


def test_the_same_numbers_in_another_crs_are_another_place() -> None:
    tile = subject(image=placed(TOWN.image), ndsm=placed(TOWN.ndsm, crs="EPSG:32633"))
    assert worst("layer_place", tile).message == "nDSM lies elsewhere than image"


def test_a_cut_layer_that_keeps_its_corner_has_another_size_not_another_place() -> None:
    tile = subject(image=placed(TOWN.image), ndsm=placed(TOWN.ndsm[:120, :124]))
    assert is_suspicious("layer_size", tile)
    assert score(CHECK["layer_place"], tile) < 0.01


def test_nobody_asks_where_a_layer_without_georeference_lies() -> None:
    assert not signs(CHECK["layer_place"], subject(image=placed(TOWN.image), ndsm=TOWN.ndsm))


# --- values


def holed(value: float, heights: Any = TOWN.dsm) -> Any:
    found = heights.copy()
    found[20:40, 30:60] = value  # 600 of 16,384
    return found


def test_missing_heights_are_counted_and_shown() -> None:
    sign = worst("invalid_share", subject(evidence=True, image=TOWN.image, ndsm=holed(np.nan)))
    assert sign.score == pytest.approx(100 * 600 / 16_384)
    assert sign.message == "3.7 % of nDSM is NaN"
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask.sum() == 600


def test_a_band_that_is_not_there_is_a_picture_that_is_not_there() -> None:
    valid = np.ones(TOWN.image.shape, bool)
    valid[1] = False
    assert score(CHECK["invalid_share"], subject(image=raster(TOWN.image, valid))) == 100


def test_black_in_one_band_only_is_no_missing_pixel() -> None:
    valid = np.ones(TOWN.image.shape, bool)
    valid[0, :60] = False  # water without any red, in a file that calls 0 nodata
    assert score(CHECK["invalid_share"], subject(image=raster(TOWN.image, valid))) == 0


def without(where: Any) -> Any:
    return np.where(where, np.float32(np.nan), TOWN.ndsm)


ROW, COLUMN = np.indices(TOWN.ndsm.shape)
ROUND = (ROW - 50) ** 2 + (COLUMN - 70) ** 2 < 400
LONG = (ROW >= 30) & (ROW < 42) & (COLUMN >= 8) & (COLUMN < 90)
ACROSS = np.abs(ROW + 0.3 * COLUMN - 80) < 12
STREWN = np.random.default_rng(4).random(TOWN.ndsm.shape) < 0.35


@pytest.mark.parametrize("hole", [ROUND, LONG, ACROSS], ids=["disc", "box", "strip across"])
def test_a_hole_with_a_plain_outline_is_found_also_among_strewn_voids(hole: Any) -> None:
    assert score(CHECK["compact_hole"], subject(ndsm=without(hole))) == pytest.approx(100 * np.mean(hole), rel=0.02)
    assert is_suspicious("compact_hole", subject(ndsm=without(hole | STREWN)))


def test_a_compact_hole_is_shown_and_voids_around_it_are_not() -> None:
    away = (ROW > 90) & STREWN
    sign = worst("compact_hole", subject(evidence=True, ndsm=without(ROUND | away)))
    assert sign.message.endswith("of nDSM is missing in one compact hole")
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask[ROUND].mean() > 0.99
    assert not sign.evidence.mask[away].any()


def test_the_holes_of_a_tile_are_counted_together() -> None:
    other = (ROW > 90) & (ROW < 120) & (COLUMN > 10) & (COLUMN < 40)
    sign = worst("compact_hole", subject(ndsm=without(ROUND | other)))
    assert sign.message.endswith("is missing in 2 compact holes")
    assert sign.score == pytest.approx(100 * np.mean(ROUND | other), rel=0.02)


def frayed_water() -> Any:
    """No echoes from a river but for those from its waves: dense at the banks, hardly any in the middle."""
    depth = np.exp(-(((COLUMN - 64 - 12 * np.sin(ROW / 15)) / 18) ** 2))
    strewn = np.random.default_rng(2).random(TOWN.ndsm.shape) < 0.9 * depth
    return cv2.medianBlur(strewn.astype(np.uint8), 3) > 0


def shadows_of_houses() -> Any:
    """What is behind a house is not seen: voids along its far walls, as jagged as these are."""
    hidden = np.zeros(TOWN.ndsm.shape, bool)
    for away in range(1, 9):
        hidden[away:, away:] |= TOWN.ndsm[:-away, :-away] > TOWN.ndsm[away:, away:] + away
    return hidden


@pytest.mark.parametrize("voids", [frayed_water(), shadows_of_houses(), STREWN], ids=["water", "occlusion", "strewn"])
def test_voids_of_nature_are_no_compact_holes(voids: Any) -> None:
    assert np.mean(voids) > 0.03
    assert not is_suspicious("compact_hole", subject(ndsm=without(voids)))


@pytest.mark.parametrize(
    "beyond",
    [ROW + COLUMN < 60, ROW > 100, (ROW > 100) | (COLUMN < 30), np.hypot(ROW - 64, COLUMN - 64) > 60],
    ids=["corner", "strip", "two sides", "round scan"],
)
def test_where_a_scan_ends_there_is_no_compact_hole(beyond: Any) -> None:
    assert score(CHECK["compact_hole"], subject(ndsm=without(beyond))) == 0


def test_a_pond_is_no_compact_hole() -> None:
    pond = (ROW - 50) ** 2 + (COLUMN - 70) ** 2 < 90
    assert not is_suspicious("compact_hole", subject(ndsm=without(pond)))


def test_where_most_tiles_have_such_holes_one_more_is_nothing() -> None:
    usual = 4.0 + np.random.default_rng(1).random(40)
    assert threshold_of(CHECK["compact_hole"], usual).value > 5.0


@pytest.mark.parametrize("value", [-9999.0, -32_768.0, 65_535.0, 0.0])
def test_a_hole_filled_with_one_number_is_found_though_nobody_declares_it(value: float) -> None:
    sign = worst("undeclared_nodata", subject(evidence=True, dsm=raster(holed(value))))
    assert sign.score == pytest.approx(100 * 600 / 16_384)
    assert f"is {value:g}" in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask[20:40, 30:60].all()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_heights_are_found_unless_they_mean_nodata(value: float) -> None:
    heights = TOWN.dsm.copy()
    heights[:8, :8] = value
    sign = worst("undeclared_nodata", subject(evidence=True, dsm=raster(heights)))
    assert sign.score == pytest.approx(100 * 64 / heights.size)
    assert sign.message.endswith("is infinite")
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask[:8, :8].all()
    assert not is_suspicious("undeclared_nodata", subject(dsm=raster(heights, nodata=value)))


def test_a_lake_and_the_ground_around_houses_are_no_holes() -> None:
    lake = holed(float(TOWN.dsm.min()) - 2.0)
    assert not is_suspicious("undeclared_nodata", subject(dsm=lake, ndsm=np.maximum(TOWN.ndsm, 0)))


HILLS = (60 * np.sin(ROW / 25) + 40 * np.cos(COLUMN / 20) + 200).astype(np.float32)


@pytest.mark.parametrize("turn", range(4))
def test_a_half_that_was_not_written_is_found_on_any_side(turn: int) -> None:
    heights = np.rot90(np.where(COLUMN < 50, np.float32(0), TOWN.ndsm + 1.0), turn)
    sign = worst("unwritten_part", subject(evidence=True, ndsm=heights))
    assert sign.score == pytest.approx(100 * 50 / 128)
    assert "is 0, up to a straight line" in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert np.array_equal(sign.evidence.mask, heights == 0)


def test_a_field_at_exactly_0_was_written() -> None:
    heights = np.zeros(TOWN.ndsm.shape, np.float32)
    heights[70:85, 40:52] = 6.0
    assert score(CHECK["unwritten_part"], subject(ndsm=heights)) == 0
    assert score(CHECK["unwritten_part"], subject(ndsm=np.zeros_like(heights))) == 0


@pytest.mark.parametrize("value", [0.0, 150.0, 270.0])
@pytest.mark.parametrize("hole", [ROUND, LONG], ids=["disc", "box"])
def test_a_hole_of_the_ground_that_was_filled_between_the_true_heights_has_cliffs(value: float, hole: Any) -> None:
    sign = worst("undeclared_nodata", subject(evidence=True, dem=np.where(hole, np.float32(value), HILLS)))
    assert sign.score == pytest.approx(100 * np.mean(hole), rel=0.02)
    assert f"of DEM is {value:g}, " in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask[hole].mean() > 0.99


def test_a_filled_hole_is_found_beside_a_lake() -> None:
    lake = np.where((COLUMN > 90) & (ROW > 10) & (ROW < 100), np.float32(140.0), HILLS)
    assert is_suspicious("undeclared_nodata", subject(dem=np.where(LONG, np.float32(260.0), lake)))


def test_a_filled_strip_is_found_on_a_slope_that_is_level_along_the_rows() -> None:
    slope = np.broadcast_to(np.linspace(100.0, 400.0, 128, dtype=np.float32)[:, None], (128, 128))
    strip = (ROW > 60) & (ROW < 75)
    assert is_suspicious("undeclared_nodata", subject(dem=np.where(strip, np.float32(180.0), slope)))


def test_a_lake_among_hills_has_no_cliffs() -> None:
    lake = np.maximum(HILLS, np.float32(170.0))
    assert np.mean(lake == 170.0) > 0.1
    assert not is_suspicious("undeclared_nodata", subject(dem=lake))


def test_terraces_and_whole_metres_are_no_filled_holes() -> None:
    assert not is_suspicious("undeclared_nodata", subject(dem=np.round(HILLS)))
    assert not is_suspicious("undeclared_nodata", subject(dem=np.round(HILLS / 4) * 4))


def test_the_flat_roof_of_a_hall_is_no_filled_hole() -> None:
    hall = np.where(LONG, TOWN.dsm.max(), TOWN.dsm)
    assert not is_suspicious("undeclared_nodata", subject(dsm=hall))
    assert is_suspicious("undeclared_nodata", subject(dtm=raster(hall), specs=[replace(DEM, id=LayerId("dtm"))]))


def test_one_value_everywhere_is_no_picture() -> None:
    assert score(CHECK["constant_layer"], subject(image=np.full((3, 64, 64), 7, np.uint8))) == 1


def test_one_dead_band_of_three_is_found() -> None:
    dead = TOWN.image.copy()
    dead[2] = 0
    sign = worst("constant_layer", subject(image=dead))
    assert is_suspicious("constant_layer", subject(image=dead))
    assert sign.message == "1 of 3 bands of image holds one value, 0"


def test_fields_have_no_height_above_ground_and_the_sea_none_at_all() -> None:
    flat = np.zeros((64, 64), np.float32)
    assert score(CHECK["constant_layer"], subject(ndsm=flat, dem=flat)) == 0
    assert is_suspicious("constant_layer", subject(dem=flat + 312))


def test_heights_in_whole_metres_come_in_steps() -> None:
    sign = worst("quantised_layer", subject(dem=np.round(TOWN.dem)))
    assert sign.score == pytest.approx(1.0)
    assert sign.message.startswith("DEM comes in steps of 1 m")


def test_heights_stretched_to_eight_bits_come_in_steps() -> None:
    hills = 40 * TOWN.dem
    low, high = float(hills.min()), float(hills.max())
    stored = np.round((hills - low) / (high - low) * 255) * (high - low) / 255 + low
    assert score(CHECK["quantised_layer"], subject(dem=stored)) == pytest.approx((high - low) / 255, rel=0.01)


def test_whole_metres_are_what_whole_numbers_can_say() -> None:
    assert score(CHECK["quantised_layer"], subject(dem=np.round(TOWN.dem).astype(np.int16))) == 0


def test_blocks_of_houses_with_a_height_each_are_no_steps() -> None:
    dice = np.random.default_rng(5)
    roofs = np.kron(dice.uniform(0, 20, (8, 8)), np.ones((16, 16))).astype(np.float32)
    assert score(CHECK["quantised_layer"], subject(ndsm=roofs)) == 0


def test_where_all_tiles_have_the_step_it_is_no_fault_of_one() -> None:
    check = CHECK["quantised_layer"]
    assert threshold_of(check, np.full(40, 1.0)).value >= 1.0
    assert threshold_of(check, np.full(40, 0.01)).value < 1.0


def test_a_picture_of_few_greys_is_found_and_a_stretched_one_is_not() -> None:
    assert is_suspicious("few_greys", subject(image=TOWN.image // 16 * 16))
    dark = TOWN.image // 3
    assert not is_suspicious("few_greys", subject(image=dark * 3))


def test_one_band_of_all_greys_is_enough() -> None:
    mixed = TOWN.image // 16 * 16
    for fine in range(3):
        some = mixed.copy()
        some[fine] = TOWN.image[fine]
        assert not is_suspicious("few_greys", subject(image=some))

"""Heights that no place on Earth has: of another unit, with spikes, stripes and steps, or flat as a table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given

from rsviewer.core.checks.check import Check, Sign
from rsviewer.core.checks.heights import CHECKS
from rsviewer.core.checks.subject import Subject
from rsviewer.data.raster import read_raster
from tests.core.checks.subjects import DEM, DSM, NDSM, UTM, odd_subjects, raster, score, signs, subject, town

CHECK = {check.id: check for check in CHECKS}
TOWN = town(3)
TOWNS = [town(seed, noise=0.3) for seed in range(6)]


def worst(check: str, looked_at: Subject) -> Sign:
    return max(signs(CHECK[check], looked_at), key=lambda sign: sign.score)


def is_suspicious(check: str, looked_at: Subject) -> bool:
    return score(CHECK[check], looked_at) > CHECK[check].least


def alps(seed: int = 1, size: int = 192, cell: float = 30.0) -> Any:
    """Fractal mountains: slopes of 30 degrees, on pixels of 30 m."""
    dice = np.random.default_rng(seed)
    waves = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))
    waves[0, 0] = 1
    rough = np.fft.irfft2(np.fft.rfft2(dice.normal(size=(size, size))) / waves**2.1, (size, size))
    steep = np.median(np.hypot(*np.gradient(rough))) / cell
    return raster((1500 + rough * 0.55 / steep).astype(np.float32), transform=(cell, 0, 0, 0, -cell, 0), gsd=cell)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_good_tiles_are_not_suspicious(check: Check) -> None:
    for each in TOWNS:
        assert not score(check, subject(**each.layers())) > check.least


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_mountains_are_not_suspicious(check: Check) -> None:
    for seed in range(4):
        assert not score(check, subject(dem=alps(seed))) > check.least


@pytest.mark.real
@pytest.mark.parametrize("name", ["nz_forest_CHM", "nz_forest_DSM", "alexandria_dsm", "LisbonElevation", "zion_srtm"])
def test_a_real_forest_city_coast_and_canyon_are_not_suspicious(name: str, shared_data: Path) -> None:
    spec = NDSM if name.endswith("CHM") else DSM if name.lower().endswith("dsm") else DEM
    heights = read_raster(shared_data / "real/heights_only" / f"{name}.tif", spec)
    tile = subject(**{spec.id: heights})
    assert [check.id for check in CHECKS if score(check, tile) > check.least] == []


@given(odd_subjects("ndsm", "dsm", "dem", "image"))
def test_whatever_a_file_holds_gives_a_score(looked_at: Subject) -> None:
    for check in CHECKS:
        for sign in signs(check, looked_at):
            assert 0 <= sign.score < float("inf")
            assert "\n" not in sign.message


# --- values


def test_heights_that_no_place_has_are_counted() -> None:
    wild = TOWN.dsm.copy()
    wild[:16] = 12_000 + TOWN.ndsm[:16]
    sign = worst("height_range", subject(dsm=wild))
    assert sign.score == pytest.approx(12.5)
    assert "outside -450 to 8900 m" in sign.message


def test_what_is_too_high_for_the_dataset_counts_although_nobody_draws_it() -> None:
    high = TOWN.ndsm * 100
    tile = subject(ndsm=raster(high, high < 450))
    assert is_suspicious("height_range", tile)


def test_one_value_beyond_all_is_a_mark_and_no_height() -> None:
    marked = np.where(TOWN.ndsm > 4, np.float32(-9999), TOWN.ndsm)
    assert score(CHECK["height_range"], subject(ndsm=raster(marked, marked > -1000))) == 0


def test_pits_below_ground_are_counted_and_noise_is_not() -> None:
    assert score(CHECK["negative_height"], subject(ndsm=TOWN.ndsm)) == 0
    sunk = TOWN.ndsm.copy()
    sunk[:, 64:] -= 3
    sign = worst("negative_height", subject(evidence=True, ndsm=sunk))
    assert 30 < sign.score < 50
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert not sign.evidence.mask[:, :64].any()


@pytest.mark.parametrize("limit", [450, np.inf])
def test_centimetres_stand_out_of_any_metres(limit: float) -> None:
    heights = TOWN.ndsm * 100
    assert is_suspicious("height_unit", subject(ndsm=raster(heights, heights < limit)))
    assert score(CHECK["height_unit"], subject(ndsm=TOWN.ndsm)) < 20


def test_ground_in_centimetres_is_too_steep() -> None:
    hills = raster(TOWN.dem * 100, transform=UTM, crs="EPSG:32632", gsd=0.5)
    assert is_suspicious("height_slope", subject(dem=hills))


def test_nobody_asks_how_steep_ground_is_on_pixels_of_unknown_size() -> None:
    assert not signs(CHECK["height_slope"], subject(dem=TOWN.dem))


# --- spikes


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("metres", [60.0, -80.0])
def test_a_spike_and_a_pit_are_found_where_they_are(size: int, metres: float) -> None:
    heights = TOWN.ndsm.copy()
    heights[70 : 70 + size, 31 : 31 + size] += metres
    sign = worst("height_spikes", subject(evidence=True, ndsm=heights))
    assert sign.score > CHECK["height_spikes"].least
    assert ("rises" if metres > 0 else "drops") in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    rows, columns = np.nonzero(sign.evidence.mask)
    assert set(rows) <= set(range(70, 73))
    assert set(columns) <= set(range(31, 34))


def test_a_tower_is_no_spike_and_a_wall_is_none() -> None:
    heights = TOWN.ndsm.copy()
    heights[20:28, 90:98] = 120
    heights[60:63] = 50
    assert not is_suspicious("height_spikes", subject(ndsm=heights))


def test_the_edge_of_a_void_on_a_slope_is_no_spike() -> None:
    slope = np.linspace(0, 900, 128, dtype=np.float32)[None].repeat(128, 0)
    slope[60:62, 20:22] = np.nan
    assert score(CHECK["height_spikes"], subject(dsm=slope)) == 0


def test_ground_that_is_not_at_zero_is_found() -> None:
    sign = worst("ground_level", subject(evidence=True, ndsm=TOWN.ndsm + 3))
    assert sign.score == pytest.approx(3, abs=0.5)
    assert "lies at 2.9" in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert 0.4 < sign.evidence.mask.mean() < 1


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("hole", [0, 40])
def test_ground_that_rises_is_found_whichever_way(turn: int, hole: int) -> None:
    heights = TOWN.ndsm + np.rot90(np.broadcast_to(np.linspace(0, 10, 128, dtype=np.float32), (128, 128)), turn)
    heights[:hole, :hole] = np.nan
    sign = worst("ground_level", subject(evidence=True, ndsm=heights))
    assert sign.score == pytest.approx(9, abs=1)
    assert "rises from" in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert 0.3 < sign.evidence.mask.mean() < 0.9


def test_a_plateau_beside_ground_at_zero_is_a_large_roof() -> None:
    heights = TOWN.ndsm.copy()
    heights[:, :60] = 12.0
    assert not is_suspicious("ground_level", subject(ndsm=heights))


def test_a_forest_through_which_the_ground_is_hardly_seen_is_at_zero() -> None:
    dice = np.random.default_rng(5)
    stands = np.kron(dice.normal(18, 4, (8, 8)), np.ones((16, 16)))
    crowns = np.clip(stands + dice.normal(0, 2, stands.shape), 4, None)
    seen = dice.random(crowns.shape) < 0.004
    assert not is_suspicious("ground_level", subject(ndsm=np.where(seen, 0, crowns)))


def test_heights_above_the_sea_need_not_come_down_to_zero() -> None:
    assert signs(CHECK["ground_level"], subject(dsm=TOWN.dsm + 300)) == []


def test_heights_cut_off_are_found_with_the_value() -> None:
    assert not is_suspicious("height_clipped", subject(ndsm=TOWN.ndsm))
    sign = worst("height_clipped", subject(evidence=True, ndsm=np.minimum(TOWN.ndsm, 4.0)))
    assert sign.score > 1
    assert "cut off at 4 m" in sign.message
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert np.array_equal(sign.evidence.mask, TOWN.ndsm >= 4)


def test_a_single_hill_that_is_cut_off_is_found_and_a_terrace_of_whole_metres_is_not() -> None:
    row, column = np.mgrid[0:128, 0:128]
    hill = 30 * np.exp(-((row - 60) ** 2 + (column - 70) ** 2) / 1500).astype(np.float32)
    assert not is_suspicious("height_clipped", subject(dsm=hill))
    assert is_suspicious("height_clipped", subject(dsm=np.minimum(hill, 20)))
    assert not is_suspicious("height_clipped", subject(dsm=np.round(np.minimum(hill, 20))))


def test_heights_cut_off_at_minus_nothing_are_cut_off_at_0() -> None:
    assert "cut off at 0 m" in worst("height_clipped", subject(ndsm=-np.maximum(TOWN.ndsm, 0))).message


def test_one_large_roof_is_not_cut_off() -> None:
    heights = TOWN.ndsm.copy()
    heights[30:90, 30:90] = 25.0
    assert not is_suspicious("height_clipped", subject(ndsm=heights))


# --- stripes and steps


@pytest.mark.parametrize("way", ["rows", "columns"])
@pytest.mark.parametrize("period", [6, 13, 16])
def test_bands_are_found_with_their_period(way: str, period: int) -> None:
    rows = np.arange(128) % period < period // 2
    bands = np.where(rows[:, None], np.float32(1.5), 0)
    sign = worst("height_stripes", subject(ndsm=TOWN.ndsm + (bands if way == "rows" else bands.T)))
    assert sign.score > CHECK["height_stripes"].least
    assert sign.message.endswith(way)
    assert float(sign.message.split()[-2]) == pytest.approx(period, rel=0.1)


@pytest.mark.parametrize("size", range(100, 256, 4))
def test_every_other_column_is_a_stripe_in_tiles_of_any_size(size: int) -> None:
    """The shortest wave of all is the last of the spectrum, with few beside it that tell what is usual."""
    ground = np.random.default_rng(size).normal(10, 0.5, (size, size)).astype(np.float32)
    sign = worst("height_stripes", subject(ndsm=ground + np.arange(size) % 2))
    assert sign.score > CHECK["height_stripes"].least
    assert sign.message.endswith("every 2 columns")


def test_a_plantation_in_one_corner_is_no_stripe() -> None:
    heights = TOWN.ndsm.copy()
    heights[:60, :60] += np.where(np.arange(60) % 6 < 3, np.float32(2), 0)
    assert not is_suspicious("height_stripes", subject(ndsm=heights))


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_noise_is_found_and_how_much_it_is(sigma: float) -> None:
    noise = np.random.default_rng(1).normal(0, sigma, TOWN.ndsm.shape).astype(np.float32)
    sign = worst("height_noise", subject(ndsm=TOWN.ndsm + noise))
    assert sign.score == pytest.approx(sigma, rel=0.3)


def test_noise_is_found_beside_a_void() -> None:
    noise = np.random.default_rng(1).normal(0, 2, TOWN.dsm.shape).astype(np.float32)
    heights = TOWN.dsm + noise
    heights[:, :50] = np.nan
    heights[::7, ::5] = np.nan
    assert worst("height_noise", subject(dsm=heights)).score == pytest.approx(2, rel=0.3)


def test_stripes_are_no_noise() -> None:
    striped = TOWN.ndsm + np.where(np.arange(128) % 2, np.float32(2), 0)
    assert is_suspicious("height_stripes", subject(ndsm=striped))
    assert not is_suspicious("height_noise", subject(ndsm=striped))


def test_a_noisy_field_in_a_calm_tile_may_be_a_vineyard() -> None:
    heights = TOWN.ndsm.copy()
    heights[:60, :60] += np.random.default_rng(1).normal(0, 2, (60, 60)).astype(np.float32)
    assert not is_suspicious("height_noise", subject(ndsm=heights))


def test_blurred_heights_are_found() -> None:
    assert not is_suspicious("height_blur", subject(ndsm=TOWN.ndsm))
    assert is_suspicious("height_blur", subject(ndsm=cv2.GaussianBlur(TOWN.ndsm, (0, 0), 8)))


def test_enlarged_heights_with_voids_are_found() -> None:
    coarse = cv2.resize(TOWN.ndsm, (6, 6), interpolation=cv2.INTER_AREA)
    heights = cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)
    heights[::9, :60] = np.nan
    assert is_suspicious("height_blur", subject(ndsm=heights))


def test_a_meadow_has_nothing_to_be_blurred() -> None:
    assert signs(CHECK["height_blur"], subject(ndsm=np.full((128, 128), 0.3, np.float32))) == []


@pytest.mark.parametrize("way", ["rows", "columns"])
def test_a_seam_is_found_where_it_is(way: str) -> None:
    heights = TOWN.dsm.copy() if way == "rows" else TOWN.dsm.T.copy()
    heights[47:] += 2
    sign = worst("height_steps", subject(evidence=True, dsm=heights if way == "rows" else heights.T))
    assert sign.score > CHECK["height_steps"].least
    assert f"between {way} 46 and 47" in sign.message
    assert sign.evidence is not None
    (box,) = sign.evidence.boxes
    low, high = (box[1], box[3]) if way == "rows" else (box[0], box[2])
    assert low < 47 / 128 < high


def test_a_seam_is_found_beside_a_void() -> None:
    heights = TOWN.dsm.copy()
    heights[47:] += 2
    heights[:, :40] = np.nan
    assert is_suspicious("height_steps", subject(dsm=heights))


def test_a_seam_through_mountains_is_found() -> None:
    torn = alps().pixels[0].copy()
    torn[:, 90:] += 0.2 * np.std(torn)
    tile = subject(dem=raster(torn, gsd=30.0))
    assert is_suspicious("height_steps", tile)


def test_a_seam_is_found_where_flanks_are_steeper_than_it_is_high() -> None:
    row, column = np.mgrid[0:128, 0:128]
    rising = 4.0 * (1 - np.cos(np.pi * row / 127))  # metres a column: from a plain to a wall of rock
    flank = rising * column + np.random.default_rng(0).normal(0, 0.02, row.shape)
    torn = flank + 5.0 * (column >= 90)
    assert not is_suspicious("height_steps", subject(dem=flank.astype(np.float32)))
    assert is_suspicious("height_steps", subject(dem=torn.astype(np.float32)))


def test_a_long_hall_is_no_seam_and_contour_lines_of_whole_metres_are_none() -> None:
    hall = TOWN.ndsm.copy()
    hall[40:80, 10:100] = 12
    assert not is_suspicious("height_steps", subject(ndsm=hall))
    terraced = np.round(np.linspace(100, 110, 128, dtype=np.float32))[:, None].repeat(128, 1)
    assert not is_suspicious("height_steps", subject(dem=terraced))


# --- nothing


def test_heights_of_zero_over_a_town_are_suspicious_and_over_a_meadow_are_not() -> None:
    empty = np.zeros_like(TOWN.ndsm)
    meadow = np.random.default_rng(1).normal(110, 8, TOWN.image.shape).clip(0, 255).astype(np.uint8)
    assert is_suspicious("flat_heights", subject(image=TOWN.image, ndsm=empty))
    assert not is_suspicious("flat_heights", subject(image=meadow, ndsm=empty))
    assert score(CHECK["flat_heights"], subject(image=TOWN.image, ndsm=TOWN.ndsm)) == 0


def test_heights_in_another_unit_are_not_measured_in_metres() -> None:
    feet = replace(NDSM, unit="ft")
    assert not signs(CHECK["height_unit"], subject(specs=[feet], ndsm=TOWN.ndsm * 100))

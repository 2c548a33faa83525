"""Defects of heights."""

import cv2
import numpy as np

from tests.defects.crop import (
    HEIGHTS,
    Crop,
    Maker,
    Pixels,
    Spoilt,
    UnfitError,
    any_of,
    blob,
    like,
    moved,
    needs_relief,
    needs_texture,
    random_shift,
    turned,
)


def shifted_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    needs_relief(crop.inside(folder))
    needs_texture(crop.inside("opt"))
    across, down = random_shift(dice)
    return {folder: moved(crop.layers[folder], across, down)}, folder, {"shift_px": [across, down]}


def heights_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    if other is None or folder not in other.layers:
        raise UnfitError
    for each in (crop, other):
        needs_relief(each.inside(folder))
    needs_texture(crop.inside("opt"))
    return {folder: other.inside(folder)}, folder, {"heights_of": other.name}


def turned_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    needs_relief(crop.inside(folder))
    needs_texture(crop.inside("opt"))
    turn = int(dice.integers(1, 8))
    return {folder: turned(crop.inside(folder), turn)}, folder, {"turn": turn}


def centimetres(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_nDSM")
    needs_relief(crop.inside(folder))
    return {folder: crop.inside(folder) * np.float32(100)}, folder, {"factor": 100}


def spikes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32).copy()
    rows, columns = heights.shape[1:]
    for _ in range(4):
        row, column, size = (
            int(dice.integers(4, rows - 4)),
            int(dice.integers(4, columns - 4)),
            int(dice.integers(1, 4)),
        )
        heights[0, row : row + size, column : column + size] += float(dice.choice([-80, 60, 150, 300]))
    return {folder: like(heights, crop.layers[folder])}, folder, {}


def height_stripes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32)
    scale = max(1.0, 0.06 * float(np.nanstd(heights)))
    rows = np.arange(heights.shape[1])[:, None] % (period := int(dice.integers(6, 24)))
    striped = heights + np.where(rows < period // 2, np.float32(scale), 0)
    return {folder: like(striped, crop.layers[folder])}, folder, {"period_px": period, "metres": scale}


def height_step(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32).copy()
    metres = max(2.0, 0.15 * float(np.nanstd(heights)))
    heights[:, :, int(dice.integers(40, heights.shape[2] - 40)) :] += np.float32(metres)
    return {folder: like(heights, crop.layers[folder])}, folder, {"metres": metres}


def height_void(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32)
    value = float(dice.choice([np.nan, -9999.0]))
    hole = blob(heights.shape[1:], 0.10, dice)
    return {folder: np.where(hole, np.float32(value), heights).astype(np.float32)}, folder, {"value": str(value)}


def flat_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_nDSM")
    needs_relief(crop.inside(folder), 4.0)
    needs_texture(crop.inside("opt"))
    return {folder: np.zeros_like(crop.inside(folder))}, folder, {}


def feet(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 4)
    return {folder: heights / np.float32(0.3048)}, folder, {}


def quantised_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    needs_relief(heights, 4)
    known = heights[np.isfinite(heights)]
    if crop.layers[folder].dtype.kind != "f" or np.allclose(known, np.round(known)):
        raise UnfitError
    step = float(dice.choice([1.0, 2.0]))
    return {folder: np.round(heights / step) * np.float32(step)}, folder, {"step": step}


def below_ground(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    return {folder: heights - np.float32(3)}, folder, {"metres": -3}


def floating(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """The ground does not lie at 0."""
    folder, heights = _heights(crop, "gt_nDSM")
    return {folder: heights + np.float32(6)}, folder, {"metres": 6}


def tilted(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    return {folder: heights + np.linspace(0, 15, heights.shape[2], dtype=np.float32)}, folder, {"metres": 15}


def above_everest(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "DEM")
    return {folder: heights + np.float32(9000)}, folder, {"metres": 9000}


def pits(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    rows, columns = heights.shape[1:]
    for _ in range(5):
        row, column, size = (
            int(dice.integers(4, rows - 6)),
            int(dice.integers(4, columns - 6)),
            int(dice.integers(1, 4)),
        )
        heights[0, row : row + size, column : column + size] -= float(dice.uniform(25, 60))
    return {folder: like(heights, crop.layers[folder])}, folder, {}


def infinite_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    if crop.layers[folder].dtype.kind != "f":
        raise UnfitError
    heights[:, blob(heights.shape[1:], 0.02, dice)] = np.inf
    return {folder: heights}, folder, {}


def hole_of_zeros(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """A void of the ground that was written as 0 m."""
    folder, heights = _heights(crop, "DEM")
    if np.nanmin(heights) < 30:
        raise UnfitError
    heights[:, blob(heights.shape[1:], 0.08, dice)] = 0
    return {folder: like(heights, crop.layers[folder])}, folder, {}


def noisy_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    metres = max(1.5, 0.15 * float(np.nanstd(heights)))
    noise = dice.normal(0, metres, heights.shape).astype(np.float32)
    return {folder: like(heights + noise, crop.layers[folder])}, folder, {"metres": metres}


def blurred_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 4)
    return {folder: cv2.GaussianBlur(np.nan_to_num(heights[0]), (0, 0), 8)[None]}, folder, {"sigma_px": 8}


def clipped_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 6)
    most = np.nanquantile(heights, 0.9)
    return {folder: np.minimum(heights, np.float32(most))}, folder, {"metres": float(most)}


def upside_down(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 4)
    return {folder: np.nanmax(heights) - heights}, folder, {}


def wrong_sign(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 4)
    return {folder: -heights}, folder, {}


def flat_buildings(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Seven tenths of what stands on the ground is gone."""
    folder, heights = _heights(crop, "gt_nDSM")
    standing = np.nan_to_num(heights[0]) > 3
    if not 0.08 < standing.mean() < 0.9:
        raise UnfitError
    count, pieces = cv2.connectedComponents(standing.astype(np.uint8))
    gone = dice.random(count) < 0.7
    gone[0] = False
    heights[0][gone[pieces]] = 0
    return {folder: heights}, folder, {}


def half_zero(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """One half of the tile was never filled."""
    folder, heights = _heights(crop, "gt_nDSM")
    needs_relief(heights, 4)
    half = heights[:, :, heights.shape[2] // 2 :]
    if np.nanmean(half > 2) < 0.15:
        raise UnfitError
    half[:] = 0
    return {folder: heights}, folder, {}


def column_stripes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    metres = np.float32(max(0.8, 0.06 * np.nanstd(heights)))
    return {folder: like(heights + np.arange(heights.shape[2]) % 2 * metres, crop.layers[folder])}, folder, {}


def diagonal_stripes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    metres = np.float32(max(1, 0.08 * np.nanstd(heights)))
    along = np.indices(heights.shape[1:]).sum(0) % 16 < 8
    return {folder: like(heights + along * metres, crop.layers[folder])}, folder, {"period_px": 16 / np.sqrt(2)}


def chessboard(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """What transposed convolutions leave in predicted heights."""
    folder, heights = _heights(crop)
    metres = np.float32(max(1, 0.06 * np.nanstd(heights)))
    return {folder: like(heights + np.indices(heights.shape[1:]).sum(0) % 2 * metres, crop.layers[folder])}, folder, {}


def terraces(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Bands of rows that lie higher by turns."""
    folder, heights = _heights(crop, "DEM")
    metres, rows = np.float32(max(3, 0.1 * np.nanstd(heights))), int(dice.choice([29, 58]))
    higher = np.arange(heights.shape[1]) // rows % 2
    return {folder: like(heights + higher[:, None] * metres, crop.layers[folder])}, folder, {"rows": rows}


def half_step(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """A quarter of the tile lies higher."""
    folder, heights = _heights(crop)
    heights[:, : heights.shape[1] // 2, heights.shape[2] // 2 :] += np.float32(max(3, 0.2 * np.nanstd(heights)))
    return {folder: like(heights, crop.layers[folder])}, folder, {}


def ridge(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder, heights = _heights(crop)
    row = int(dice.integers(40, heights.shape[1] - 40))
    heights[:, row : row + 2] += np.float32(max(4, 0.1 * np.nanstd(heights)))
    return {folder: like(heights, crop.layers[folder])}, folder, {"row": row}


def _heights(crop: Crop, *folders: str) -> tuple[str, Pixels]:
    folder = any_of(crop, *(folders or HEIGHTS))
    return folder, crop.inside(folder).astype(np.float32).copy()


MAKERS: tuple[Maker, ...] = (
    *(
        shifted_heights,
        heights_of_another,
        turned_heights,
        centimetres,
        feet,
        spikes,
        pits,
        noisy_heights,
        blurred_heights,
    ),
    *(height_stripes, column_stripes, diagonal_stripes, chessboard, terraces, height_step, half_step, ridge),
    *(height_void, infinite_heights, hole_of_zeros, quantised_heights, clipped_heights, above_everest),
    *(below_ground, floating, tilted, upside_down, wrong_sign, flat_heights, flat_buildings, half_zero),
)

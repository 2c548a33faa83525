"""The planted defects: what may be wrong with a tile of a real dataset, made on purpose and written down.

Each defect changes the layers of one tile and says what it did, in words and numbers. Positions are (column, row) pixels, boxes
(first column, first row, last column + 1, last row + 1), shifts (columns east, rows south).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.canvas import BUILDING, CROPS, DEVELOPED, ROAD, TREE, WATER
from rsviewer.data.demo.noise import Window, blurred, smooth
from rsviewer.data.demo.scene import Scene, World

Layers: TypeAlias = dict[str, NDArray[Any]]
"""Layer folder -> pixels, (height, width) or (3, height, width)."""

Detail: TypeAlias = dict[str, Any]


class Defect(StrEnum):
    """Every kind of defect, in the order in which they are planted."""

    SHIFTED_HEIGHTS = "shifted heights"
    CLOUDS = "clouds"
    VOID = "void"
    WRONG_LABEL = "wrong label"
    EMPTY_CHANGE = "empty change mask"
    TRUNCATED = "truncated file"
    STRIPES = "stripes"
    WRONG_PAIR = "wrong pair"
    BLUR = "blur"
    SPIKE = "spike"
    FLIPPED_LABEL = "flipped label"
    BLACK_STRIP = "black strip"
    WRONG_SIZE = "wrong size"
    FLAT_HEIGHTS = "flat heights"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, eq=False)
class Spot:
    """A tile as a defect sees it: where it lies, what it holds, and the number of the defect of its kind.

    Attributes:
        window: its place.
        layers: changed in place.
        other: name and layers of another, clean tile; only for the kinds in NEEDS_OTHER.
        turn: 0 for the first defect of this kind, 1 for the second: variants take turns.
    """

    world: World
    window: Window
    layers: Layers
    other: tuple[str, Layers] | None
    dice: np.random.Generator
    turn: int


NEEDS_BUILDINGS = frozenset(
    {
        Defect.SHIFTED_HEIGHTS,
        Defect.WRONG_LABEL,
        Defect.WRONG_PAIR,
        Defect.FLIPPED_LABEL,
        Defect.FLAT_HEIGHTS,
        Defect.EMPTY_CHANGE,
    }
)
"""Kinds that would not be seen in an empty field."""

NEEDS_OTHER = frozenset({Defect.WRONG_PAIR, Defect.DUPLICATE})


def layers_of(scene: Scene) -> Layers:
    """The layers of a scene by the names of their folders."""
    return {
        "opt": scene.post,
        "pre_opt": scene.pre,
        "gt_nDSM": scene.height,
        "DEM": scene.ground,
        "gt_ss_mask": scene.labels,
        "gt_cd_mask": scene.change,
    }


def plant(kind: Defect, spot: Spot) -> tuple[str, Detail]:
    """Spoils the tile's layers; returns the layer that is wrong and what is wrong with it."""
    return _MAKERS[kind](spot)


def kinds_for(tiles: int) -> list[Defect]:
    """The defects of a dataset: two in seven tiles, at most one in three; every kind once before any comes twice."""
    count = min(tiles // 3, round(tiles * 0.28)) if tiles >= 48 else tiles // 3
    every = list(Defect)
    return [every[k % len(every)] for k in range(count)]


# ---- heights ----------------------------------------------------------------------------------------------------------------


def _shifted_heights(spot: Spot) -> tuple[str, Detail]:
    across, down = ((6, -3), (-9, 5), (4, 11), (-13, -8))[spot.turn % 4]
    window = spot.window
    moved = Window(window.column - across, window.row - down, window.width, window.height)
    spot.layers["gt_nDSM"] = spot.world.render(moved).height
    return "gt_nDSM", {
        "words": f"heights lie {across} columns east and {down} rows south of the image",
        "shift_px": [across, down],
    }


def _void(spot: Spot) -> tuple[str, Detail]:
    layer, value, words = (("gt_nDSM", np.nan, "NaN"), ("gt_nDSM", -9999.0, "-9999"), ("DEM", -9999.0, "-9999"))[
        spot.turn % 3
    ]
    blob = smooth(spot.window, max(8, spot.window.width // 3), int(spot.dice.integers(1 << 20)))
    hole = blob > np.quantile(blob, 0.90)
    spot.layers[layer] = np.where(hole, np.float32(value), spot.layers[layer]).astype(np.float32)
    return layer, {
        "words": f"a hole filled with {words}, which no tag declares",
        "value": words,
        "pixels": int(hole.sum()),
        "box": _box(hole),
    }


def _spike(spot: Spot) -> tuple[str, Detail]:
    heights = spot.layers["gt_nDSM"].copy()
    rows, columns = heights.shape
    size, count = 2, 5
    spikes = []
    for _ in range(count):
        column, row = int(spot.dice.integers(4, columns - 4)), int(spot.dice.integers(4, rows - 4))
        value = float(spot.dice.choice([-60.0, 140.0, 260.0, 390.0]))
        heights[row : row + size, column : column + size] = value
        spikes.append([column, row, value])
    spot.layers["gt_nDSM"] = heights
    return "gt_nDSM", {
        "words": f"{count} spikes of {size} x {size} pixels",
        "size_px": size,
        "column_row_metres": spikes,
    }


def _stripes(spot: Spot) -> tuple[str, Detail]:
    layer = ("gt_nDSM", "DEM")[spot.turn % 2]
    period, amplitude = 16, 1.5
    rows = np.arange(spot.window.height)[:, None]
    wave = np.where(rows % period < period // 2, amplitude, 0).astype(np.float32)
    spot.layers[layer] = spot.layers[layer] + wave
    return layer, {
        "words": f"bands of {period // 2} rows, {amplitude} m too high",
        "period_px": period,
        "amplitude_m": amplitude,
    }


def _flat_heights(spot: Spot) -> tuple[str, Detail]:
    spot.layers["gt_nDSM"] = np.zeros_like(spot.layers["gt_nDSM"])
    return "gt_nDSM", {"words": "0 m everywhere, although there are buildings", "value_m": 0.0}


def _wrong_pair(spot: Spot) -> tuple[str, Detail]:
    name, layers = _other(spot)
    spot.layers["gt_nDSM"] = layers["gt_nDSM"]
    return "gt_nDSM", {"words": f"heights of tile {name}", "heights_of": name}


# ---- images -----------------------------------------------------------------------------------------------------------------


def _clouds(spot: Spot) -> tuple[str, Detail]:
    layer = ("opt", "pre_opt")[spot.turn % 2]
    window, seed = spot.window, int(spot.dice.integers(1 << 20))
    steps = [max(2, window.width // part) for part in (3, 6, 13, 28, 64)]
    cloud = sum((np.float32(0.62**k) * smooth(window, step, seed + k) for k, step in enumerate(steps)), np.float32(0))
    low, high = np.quantile(cloud, (0.58, 0.93))
    cover = np.clip((cloud - low) / (high - low), 0, 1)
    cover = (cover * cover * (3 - 2 * cover)).astype(np.float32)
    away = max(2, window.width // 18)
    shadow = blurred(np.roll(cover, (-away, -away // 2), (0, 1)), away / 4)
    white = 205 + 38 * np.clip(cover - 0.15 * smooth(window, steps[3], seed + 9), 0, 1)
    image = spot.layers[layer].astype(np.float32) * (1 - 0.55 * shadow)
    tint = np.array([0.985, 0.995, 1.01], np.float32)[:, None, None]
    image = image * (1 - cover) + white * tint * cover
    spot.layers[layer] = np.clip(image, 0, 255).astype(np.uint8)
    share = round(float((cover > 0.3).mean()), 3)
    return layer, {"words": f"clouds over {share:.0%} of the image, and their shadows", "share": share}


def _black_strip(spot: Spot) -> tuple[str, Detail]:
    layer = ("opt", "pre_opt")[spot.turn % 2]
    rows, columns = spot.window.shape
    edge = columns * 0.82 + np.arange(rows)[:, None] * (0.10 * columns / rows)
    strip = np.arange(columns)[None, :] > edge
    spot.layers[layer] = np.where(strip, np.uint8(0), spot.layers[layer])
    return layer, {"words": "black wedge at the right edge", "pixels": int(strip.sum()), "box": _box(strip)}


def _blur(spot: Spot) -> tuple[str, Detail]:
    layer, sigma = ("opt", "pre_opt")[spot.turn % 2], 3.0
    spot.layers[layer] = blurred(spot.layers[layer].astype(np.float32), sigma).round().astype(np.uint8)
    return layer, {"words": f"out of focus: Gaussian blur, sigma {sigma} pixels", "sigma_px": sigma}


def _duplicate(spot: Spot) -> tuple[str, Detail]:
    name, layers = _other(spot)
    spot.layers.update(layers)
    return "opt", {"words": f"every layer is that of tile {name}", "same_as": name}


# ---- labels -----------------------------------------------------------------------------------------------------------------


def _wrong_label(spot: Spot) -> tuple[str, Detail]:
    labels = spot.layers["gt_ss_mask"]
    wrong, right = ((WATER, BUILDING), (CROPS, ROAD), (DEVELOPED, TREE))[spot.turn % 3]
    where = labels == right
    spot.layers["gt_ss_mask"] = np.where(where, np.uint8(wrong), labels)
    words = f"class {right} is labelled {wrong}"
    detail = {"words": words, "from": right, "to": wrong, "pixels": int(where.sum()), "box": _box(where)}
    return "gt_ss_mask", detail


def _flipped_label(spot: Spot) -> tuple[str, Detail]:
    flip, words = ((np.fliplr, "left-right"), (np.flipud, "up-down"))[spot.turn % 2]
    spot.layers["gt_ss_mask"] = np.ascontiguousarray(flip(spot.layers["gt_ss_mask"]))
    return "gt_ss_mask", {"words": f"mirrored {words}", "flip": words}


def _empty_change(spot: Spot) -> tuple[str, Detail]:
    lost = spot.layers["gt_cd_mask"] > 0
    spot.layers["gt_cd_mask"] = np.zeros_like(spot.layers["gt_cd_mask"])
    return "gt_cd_mask", {
        "words": "no change marked, although buildings came or went",
        "pixels": int(lost.sum()),
        "box": _box(lost),
    }


# ---- files ------------------------------------------------------------------------------------------------------------------


def _truncated(spot: Spot) -> tuple[str, Detail]:
    layer = ("gt_nDSM", "opt", "gt_ss_mask")[spot.turn % 3]
    return layer, {"words": "the file ends after 40 percent of its bytes", "kept": 0.4}


def _wrong_size(spot: Spot) -> tuple[str, Detail]:
    layer = ("gt_ss_mask", "opt", "gt_nDSM")[spot.turn % 3]
    rows, columns = spot.window.shape
    rows, columns = rows - max(2, rows // 16), columns - max(1, columns // 32)
    spot.layers[layer] = np.ascontiguousarray(spot.layers[layer][..., :rows, :columns])
    return layer, {
        "words": f"{columns} x {rows} pixels, the other layers have more",
        "size": [columns, rows],
    }


def _other(spot: Spot) -> tuple[str, Layers]:
    if spot.other is None:
        raise ValueError("this defect needs another tile")
    return spot.other


def _box(where: NDArray[np.bool_]) -> list[int]:
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


_MAKERS: dict[Defect, Callable[[Spot], tuple[str, Detail]]] = {
    Defect.SHIFTED_HEIGHTS: _shifted_heights,
    Defect.CLOUDS: _clouds,
    Defect.VOID: _void,
    Defect.WRONG_LABEL: _wrong_label,
    Defect.EMPTY_CHANGE: _empty_change,
    Defect.TRUNCATED: _truncated,
    Defect.STRIPES: _stripes,
    Defect.WRONG_PAIR: _wrong_pair,
    Defect.BLUR: _blur,
    Defect.SPIKE: _spike,
    Defect.FLIPPED_LABEL: _flipped_label,
    Defect.BLACK_STRIP: _black_strip,
    Defect.WRONG_SIZE: _wrong_size,
    Defect.FLAT_HEIGHTS: _flat_heights,
    Defect.DUPLICATE: _duplicate,
}

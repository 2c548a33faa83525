"""Parts of real tiles, and what all defects are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[Any]
"""(bands, rows, columns)."""

HEIGHTS = ("gt_nDSM", "DEM")
MARGIN = 20
"""Pixels around a crop, so that a layer can be shifted without an edge that gives it away."""


@dataclass(frozen=True)
class Crop:
    """A part of a real tile.

    Attributes:
        name, group: of the tile it becomes.
        layers: folder -> pixels with MARGIN on all sides.
        meta: folder -> what rasterio says of the file: transform, crs, nodata.
    """

    name: str
    group: str
    layers: dict[str, Pixels]
    meta: dict[str, dict[str, Any]]

    def inside(self, folder: str) -> Pixels:
        """Without the margin."""
        return self.layers[folder][:, MARGIN:-MARGIN, MARGIN:-MARGIN]


class UnfitError(Exception):
    """A crop in which this defect could not be seen by anybody."""


Spoilt: TypeAlias = tuple[dict[str, Pixels], str, dict[str, Any]]
"""The changed layers without margins, which of them is to blame, and what the answer key says of it."""
Maker: TypeAlias = Callable[[Crop, Crop | None, np.random.Generator], Spoilt]
"""Makes a defect of a crop, another one of the same group, and dice."""


def any_of(crop: Crop, *folders: str) -> str:
    there = [folder for folder in folders if folder in crop.layers]
    if not there:
        raise UnfitError
    return there[0]


def needs_relief(heights: Pixels, metres: float = 1.5) -> None:
    """Heights in which there is something to see: the middle 90 % of them span that much."""
    known = heights[np.isfinite(heights)]
    if known.size < heights.size * 0.7 or np.ptp(np.quantile(known, (0.05, 0.95))) < metres:
        raise UnfitError


def needs_texture(image: Pixels) -> None:
    if float(image.astype(np.float32).mean(0).std()) < 12:
        raise UnfitError


def moved(pixels: Pixels, across: int, down: int) -> Pixels:
    rows, columns = pixels.shape[1:]
    return pixels[:, MARGIN - down : rows - MARGIN - down, MARGIN - across : columns - MARGIN - across]


def random_shift(dice: np.random.Generator, least: float = 4, most: float = 14) -> tuple[int, int]:
    length, angle = dice.uniform(least, most), dice.uniform(0, 2 * np.pi)
    return round(length * np.cos(angle)), round(length * np.sin(angle))


def turned(pixels: Pixels, turn: int) -> Pixels:
    """One of the eight ways to lay down a square: 0 is as it is, 4 and more are mirrored."""
    mirrored = pixels[:, :, ::-1] if turn >= 4 else pixels
    return np.ascontiguousarray(np.rot90(mirrored, turn % 4, (1, 2)))


def soft_noise(shape: tuple[int, ...], scale: float, dice: np.random.Generator) -> Pixels:
    small = dice.normal(size=[max(2, round(side / scale) + 2) for side in shape]).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def blob(shape: tuple[int, ...], share: float, dice: np.random.Generator) -> NDArray[np.bool_]:
    field_ = soft_noise(shape, shape[0] / 3, dice)
    return field_ > np.quantile(field_, 1 - share)


def as_bytes(image: Pixels) -> Pixels:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def like(heights: Pixels, before: Pixels) -> Pixels:
    return heights if before.dtype.kind == "f" else np.round(heights).astype(before.dtype)

"""How much of a picture a division into classes explains, against what it explains laid over the picture in any other way.

Neither the colours of classes nor their sizes need a threshold: the same classes, mirrored, rotated and moved by half the tile,
say what chance would do with them. Explained is variance, between classes as a share of all (Fisher's correlation ratio).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.subject import SMALL, Plane, Subject
from rsviewer.core.stretch import real
from rsviewer.core.tile import LayerSpec

GRID = 48
"""Pixels a side on which classes are laid over a picture in every way."""
_NOTHING = np.zeros((0, 0), np.float32)
_TURNS = 8
"""Ways to mirror and rotate a square, none at all among them."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How much of a picture's variation some classes explain: the mean of several channels, 0..1.

    Attributes:
        as_is: as they lie.
        chance: what they explain when they are mirrored, rotated and moved by half the tile, on average.
        largest: the share of the largest class among them, 0..1.
    """

    as_is: float
    chance: float
    largest: float


def small_size(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the small copy of a raster, see `Subject.plane`."""
    factor = _factor(shape)
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


def colours(subject: Subject, image: LayerSpec) -> list[NDArray[np.float32]]:
    """The bands shown as red, green and blue, as stored, on the grid of the small copy; fewer where there are fewer."""

    def made() -> list[NDArray[np.float32]]:
        raster = subject.raster(image.id)
        chosen = [band for band in image.display_bands or range(raster.bands) if band < raster.bands][:3] or [0]
        factor = _factor(raster.pixels.shape[1:])
        rows, columns = small_size(raster.pixels.shape[1:])
        bands = [real(raster.pixels[band])[: rows * factor, : columns * factor] for band in chosen]
        plain = [band if band.dtype == np.uint8 else _plain(band) for band in bands]
        small = [cv2.resize(band, (columns, rows), interpolation=cv2.INTER_AREA) for band in plain]
        return [cast("NDArray[np.float32]", band.astype(np.float32)) for band in small]

    return subject.shared(("class colours", image.id), made)


def channels(plane: Plane, bands: Sequence[NDArray[np.float32]] = ()) -> list[NDArray[np.float32]]:
    """What tells regions of a picture apart: brightness, texture, and two differences of colours where there are three bands.

    Args:
        plane: brightness, 0..255.
        bands: red, green and blue on its grid; of another number they are left out.

    Returns:
        (GRID, GRID) each, of mean 0 and variance 1, without outliers; fewer where some are the same everywhere.
    """
    bright = plane.values
    mean, square = cv2.blur(bright, (5, 5)), cv2.sqrBoxFilter(bright, cv2.CV_32F, (5, 5))
    deviation = cv2.sqrt(np.maximum(square - mean * mean, 0))
    texture = cv2.log(deviation + np.float32(2))
    found = [bright, texture]
    if len(bands) == 3:
        red, green, blue = bands
        found += [red - green, blue - (red + green) / 2]
    size = (GRID, GRID)
    small = [_on_grid(each) for each in found]
    known = cv2.resize(plane.valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return [even for each in small if (even := _even(each, known)) is not None]


def fit(codes: NDArray[np.uint8], classes: int, parts: Sequence[NDArray[np.float32]]) -> Fit | None:
    """How well classes fit a picture.

    Args:
        codes: (rows, columns), `GRID` pixels a side at least, over the same extent as the picture. Codes from `classes` on
            mean that there is none.
        classes: how many there may be, at most 255.
        parts: see `channels`.

    Returns:
        None where fewer than two classes have pixels enough, or half the tile has none, or the picture shows nothing.
    """
    if min(codes.shape, default=0) < GRID or not parts:
        return None
    grid = cv2.resize(codes, (GRID, GRID), interpolation=cv2.INTER_NEAREST).ravel()
    counts = np.bincount(grid, minlength=256)
    present = [k for k in range(classes) if counts[k] >= GRID // 2]
    labelled = int(counts[present].sum())
    if len(present) < 2 or labelled < GRID * GRID // 2:
        return None
    stack = np.stack(parts)
    turned = _quarters(np.stack([np.rot90(stack, turn, (1, 2))[..., ::step] for turn in range(4) for step in (1, -1)]))
    areas = _quarters(np.stack([grid == k for k in present]).reshape(-1, GRID, GRID))
    # Moved by half the tile, quarters change places: so every class is summed up once over every quarter of all parts.
    pixels = turned.reshape(-1, turned.shape[-1])
    sums = [
        cv2.gemm(pixels, area, 1.0, _NOTHING, 0.0, flags=cv2.GEMM_2_T).T.reshape(len(present), 4, -1) for area in areas
    ]
    found = np.zeros((4, _TURNS), np.float32)
    for move in range(4):  # not at all, to the right, down, both
        total = sum(each[:, quarter ^ move] for quarter, each in enumerate(sums))
        squares = np.square(total).reshape(len(present), _TURNS, -1).mean(-1)
        found[move] = (squares / (np.float32(GRID * GRID) * counts[present, None])).sum(0)
    explained = found.ravel()
    return Fit(
        as_is=float(explained[0]),
        chance=float(explained[1:].mean()),
        largest=float(counts[present].max()) / labelled,
    )


def _quarters(fields: NDArray[Any]) -> NDArray[np.float32]:
    """(4, n, pixels) of (..., GRID, GRID): upper left and right, lower left and right."""
    half = GRID // 2
    parts = fields.reshape(-1, 2, half, 2, half).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(parts, np.float32).reshape(4, -1, half * half)


def _factor(shape: Sequence[int]) -> int:
    return max(1, -(-max(shape) // SMALL))


def _plain(band: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers that can be added up."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(np.clip(band.astype(np.float32), -1e12, 1e12), nan=0.0)


def _on_grid(values: Any) -> NDArray[np.float32]:
    """(GRID, GRID) means of parts. By halves first, which is ten times as fast as any other ratio."""
    while min(values.shape) >= 4 * GRID or (min(values.shape) >= 2 * GRID and not np.any(np.mod(values.shape, 2))):
        rows, columns = (-(-side // 2) for side in values.shape)
        values = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.float32]", cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA))


def _even(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Mean 0 and variance 1 of what is known, and 0 elsewhere; None for what is all the same."""
    if np.count_nonzero(known) < known.size // 2:
        return None
    where = None if known.all() else known.view(np.uint8)
    for _ in range(2):  # the second time without what was beyond
        mean, spread = (float(each[0, 0]) for each in cv2.meanStdDev(values, mask=where))
        if not spread > 1e-6 * max(1.0, abs(mean)):
            return None
        values = np.clip((values - np.float32(mean)) / np.float32(spread), -3, 3)
    return cast("NDArray[np.float32]", np.where(known, values, 0).astype(np.float32))

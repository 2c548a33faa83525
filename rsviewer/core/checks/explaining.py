"""How much of a picture a division into classes explains, against what it explains laid over the picture in any other way.

Neither the colours of classes nor their sizes need a threshold: the same classes, mirrored, rotated and moved by half the tile,
say what chance would do with them. Explained is variance, between classes as a share of all (Fisher's correlation ratio).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.subject import SMALL, Subject
from rsviewer.core.stretch import real
from rsviewer.core.tile import LayerSpec

GRID = 48
"""Pixels a side on which classes are laid over a picture in every way."""
_FEWEST = GRID // 2
"""Of these pixels that a class must have."""
_REPEATED = 0.02
"""Share of the strongest of the independent channels below which one is but grain."""
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


def small_size(shape: Sequence[int], most: int = SMALL) -> tuple[int, int]:
    """Rows and columns of the small copy of a raster, see `Subject.plane`."""
    factor = _factor(shape, most)
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


def colours(subject: Subject, image: LayerSpec, most: int = SMALL) -> list[NDArray[np.uint8] | NDArray[np.float32]]:
    """The bands shown as red, green and blue, as stored, on the grid of a small copy; fewer where there are fewer."""

    def made() -> list[NDArray[np.uint8] | NDArray[np.float32]]:
        raster = subject.raster(image.id)
        chosen = [band for band in image.display_bands or range(raster.bands) if band < raster.bands][:3] or [0]
        factor = _factor(raster.pixels.shape[1:], most)
        if raster.pixels.dtype == np.uint8:
            return [subject.band(image.id, band, factor) for band in chosen]
        rows, columns = small_size(raster.pixels.shape[1:], most)
        plain = [_plain(real(raster.pixels[band])[: rows * factor, : columns * factor]) for band in chosen]
        small = [cv2.resize(band, (columns, rows), interpolation=cv2.INTER_AREA) for band in plain]
        return cast("list[NDArray[np.uint8] | NDArray[np.float32]]", small)

    return subject.shared(("class colours", image.id, most), made)


def channels(
    brightness: Sequence[NDArray[np.float32]],
    valid: NDArray[np.bool_],
    bands: Sequence[NDArray[np.uint8] | NDArray[np.float32]] = (),
    others: Sequence[Any] = (),
) -> NDArray[np.float32]:
    """What tells regions of pictures apart: brightness, texture, and two differences of colours where there are three bands.

    Args:
        brightness: of one or more pictures of the same place, 0..255, on one grid.
        valid: where they show something, on that grid.
        bands: red, green and blue, on grids of their own; of another number they are left out.
        others: whatever else tells regions apart, as it is.

    Returns:
        (channels, GRID * GRID), each of mean 0 and variance 1, without outliers; fewer where some are the same everywhere.
    """
    found = []
    for bright in brightness:
        mean = _on_grid(bright)
        variance = np.maximum(_on_grid(bright * bright) - mean * mean, 0)
        found += [mean, np.log(np.sqrt(variance) + np.float32(2))]
    if len(bands) == 3:
        red, green, blue = (_on_grid(band).astype(np.float32, copy=False) for band in bands)
        found += [red - green, blue - (red + green) / 2]
    found += [_on_grid(each) for each in others]
    known = cv2.resize(valid.view(np.uint8), (GRID, GRID), interpolation=cv2.INTER_NEAREST) > 0
    return _even(np.stack(found).reshape(len(found), -1), known.ravel())


def independent(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels that span the same and do not correlate, of mean 0 and variance 1; fewer where they nearly repeat each other.

    Then what several of them say together is told once, and what they rarely differ in counts as much as what all show.
    """
    if not len(parts):
        return parts
    powers, ways = np.linalg.eigh(parts @ parts.T / np.float32(parts.shape[1]))
    kept = powers > _REPEATED * powers[-1]
    found: NDArray[np.float32] = (ways[:, kept] / np.sqrt(powers[kept])).T @ parts
    return found


def fit(codes: NDArray[np.uint8], classes: int, parts: Callable[[], NDArray[np.float32]]) -> Fit | None:
    """How well classes fit a picture.

    Args:
        codes: (rows, columns), `GRID` pixels a side at least, over the same extent as the picture. Codes from `classes` on
            mean that there is none.
        classes: how many there may be, at most 255.
        parts: gives `channels`; asked only where the classes can be judged.

    Returns:
        None where fewer than two classes have pixels enough, or half the tile has none, or the picture shows nothing.
    """
    if min(codes.shape, default=0) < GRID:
        return None
    grid = cv2.resize(codes, (GRID, GRID), interpolation=cv2.INTER_NEAREST).ravel()
    counts = np.bincount(grid, minlength=256)
    present = np.flatnonzero(counts[:classes] >= _FEWEST)
    counts = counts[present]
    labelled = int(counts.sum())
    if len(present) < 2 or labelled < GRID * GRID // 2:
        return None
    pictures = parts()
    if not len(pictures):
        return None
    areas = (grid == present[:, None].astype(np.uint8)).astype(np.float32)
    # It is the same whether pictures are turned or classes: so those are of which there are fewer.
    fewer, more = (areas, pictures) if len(areas) < len(pictures) else (pictures, areas)
    turned, still = fewer.take(_ways(), 1), more.take(_ways()[:, 0], 1)
    # Moved by half the tile, quarters change places: so every class is summed up once over every quarter of all channels.
    sums = still.reshape(-1, still.shape[-1]) @ turned.reshape(-1, turned.shape[-1]).T
    sums = sums.reshape(len(more), 4, len(fewer), 4, _TURNS)
    quarters = np.arange(4)
    moved = sums[:, quarters ^ quarters[:, None], :, quarters].sum(1)  # not at all, to the right, down, both
    sizes = GRID * GRID * len(pictures) * (counts[:, None] if fewer is areas else counts[:, None, None])
    explained = (np.square(moved) / sizes.astype(np.float32)).sum((1, 2)).ravel()
    return Fit(
        as_is=float(explained[0]),
        chance=float(explained[1:].mean()),
        largest=float(counts.max()) / labelled,
    )


@cache
def _ways() -> NDArray[np.intp]:
    """(4, _TURNS, pixels of a quarter): for the quarters of a square, turned, which pixels of it lie there; as it is first."""
    half = GRID // 2
    square = np.arange(GRID * GRID).reshape(GRID, GRID)
    turned = np.stack([np.rot90(square, turn)[:, ::step] for turn in range(4) for step in (1, -1)])
    parts = turned.reshape(_TURNS, 2, half, 2, half).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(parts).reshape(4, _TURNS, half * half)


def _factor(shape: Sequence[int], most: int) -> int:
    return max(1, -(-max(shape) // most))


def _plain(band: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers that can be added up."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nan_to_num(np.clip(band.astype(np.float32), -1e12, 1e12), nan=0.0)


def _on_grid(values: Any) -> NDArray[Any]:
    """(GRID, GRID) means of parts. By halves, which is ten times as fast as any other ratio; a last row that is odd is left."""
    while min(values.shape) >= 2 * GRID:
        rows, columns = (side // 2 for side in values.shape)
        values = cv2.resize(values[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    if values.shape != (GRID, GRID):
        values = cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_LINEAR)
    return np.asarray(values)


def _even(parts: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean 0 and variance 1 of what is known, and 0 elsewhere, without those that are all the same."""
    count = np.count_nonzero(known)
    if count < known.size // 2:
        return parts[:0]
    weight = None if count == known.size else known.astype(np.float32)
    for _ in range(2):  # the second time without what was beyond
        means = (parts if weight is None else parts * weight).sum(1, keepdims=True) / np.float32(count)
        parts = parts - means if weight is None else (parts - means) * weight
        spreads = np.sqrt(np.einsum("ij,ij->i", parts, parts) / np.float32(count))[:, None]
        varied = (spreads > 1e-6 * np.maximum(1.0, np.abs(means))).ravel()
        parts = np.clip(parts[varied] / spreads[varied], np.float32(-3), np.float32(3))
    return parts

"""Whether labels are drawn as people or good models draw them, whatever they show."""

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic, percent
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerKind, LayerSpec

MOST_CLASSES = 250
"""Of a layer that is looked at class by class."""
_ROWS = 64
"""Rows that are enough to tell how many pixels are specks."""
_LINES = 128
"""Rows or columns that are enough to tell where classes end."""
_FEWEST_ENDS = 20
"""Pixels at which classes end, below which nobody can tell on what grid they do."""
_FIT = 0.9
"""How well the ends must lie on a grid: 1 where all of them do, 0.3 to 0.6 by chance."""
_NEARLY = 0.95
"""A grid of twice as large pixels fits as well as the finer one, but for this factor: it is the one that is told."""
_WHOLE = 5
"""Pixels of a grid that a tile must have along each side."""
_FEWEST_LINES, _TOGETHER = 2.5, 6.0
"""Lines of a grid on which classes end, in one direction and in both: fewer lie on some grid by chance."""
_SQUARE = 0.04
"""By which part the pixels of a grid may be longer than wide."""
_FINE = 4
"""Times finer than the frequencies of a Fourier transform that are looked at, so that none lies between two of them."""


def class_layers(subject: Subject) -> list[LayerSpec]:
    """The label layers whose classes are known. One file with several layers counts once: the first says what the tile is."""
    return [spec for spec in subject.rasters(LayerKind.LABELS) if 0 < len(spec.classes) <= MOST_CLASSES][:1]


# --- specks


def _label_specks(subject: Subject) -> Iterator[Sign]:
    for spec in class_layers(subject):
        raster = subject.raster(spec.id)
        values, valid = raster.pixels[0], raster.valid[0]
        if min(values.shape) < 3:
            continue
        every = 1 if subject.wants_evidence else max(1, values.shape[0] // _ROWS)
        specks = _specks(values, valid, every)
        share = 100.0 * specks.size / (len(values[1:-1:every]) * (values.shape[1] - 2))
        evidence = None
        if subject.wants_evidence:
            where = np.zeros(values.shape, bool)
            where.flat[specks] = True
            evidence = Evidence(spec.id, where)
        message = f"{percent(share)} of the pixels have a class that none of the pixels around them has"
        yield Sign(share, message, spec.id, evidence)


def _specks(values: NDArray[Any], valid: NDArray[np.bool_], every: int) -> NDArray[np.intp]:
    """Valid pixels, as places in the flat array, that differ from all eight neighbours; of every so many rows.

    Nearly all have one beside them that is the same: only the others are asked about the rows above and below.
    """
    width = values.shape[1]
    apart = values[1:-1:every, 1:] != values[1:-1:every, :-1]
    row, column = np.divmod(np.flatnonzero(apart[:, 1:] & apart[:, :-1]), width - 2)
    places = (1 + every * row) * width + 1 + column
    flat = values.ravel()
    for step in (-width, width, -width - 1, -width + 1, width - 1, width + 1):
        places = places[flat[places + step] != flat[places]]
    specks: NDArray[np.intp] = places[valid.flat[places]]
    return specks


# --- coarse pixels


def _label_blocks(subject: Subject) -> Iterator[Sign]:
    for spec in class_layers(subject):
        raster = subject.raster(spec.id)
        side = _side_of_blocks(raster.pixels[0], raster.valid[0])
        yield Sign(side, f"their classes end at a grid of {side:.3g} pixels only", spec.id)


def _side_of_blocks(values: NDArray[Any], valid: NDArray[np.bool_]) -> float:
    """The side of the squares that labels are made of, in pixels; 0 where they are not."""
    across = _grid(_ends(values, valid))
    down = _grid(_ends(values.T, valid.T)) if across else None
    if across is None or down is None or across[1] + down[1] < _TOGETHER:
        return 0.0
    side = (across[0] + down[0]) / 2
    return side if abs(across[0] - down[0]) <= _SQUARE * side else 0.0


def _ends(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(columns - 1,) in how many rows a class ends between a column and the next."""
    if values.shape[1] < 2:
        return np.zeros(0, np.int32)
    every = max(1, values.shape[0] // _LINES)
    values, valid = values[::every], valid[::every]
    apart = (values[:, 1:] != values[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    return np.asarray(cv2.reduce(apart.view(np.uint8), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32).ravel()


def _grid(ends: NDArray[np.int32]) -> tuple[float, float] | None:
    """The distance of the lines on which nearly all ends lie, and on how many lines they do; None where there is no such.

    Ends on a grid are a comb, of which all frequencies that are a multiple of the grid's are as strong as their number. How
    many lines there are is told by how unequally the ends are spread: a thousand on one line say no more than one.
    """
    total = int(ends.sum())
    if total < _FEWEST_ENDS:
        return None
    lines = total**2 / float(np.square(ends, dtype=np.float64).sum())
    size = 1 << math.ceil(math.log2(_FINE * len(ends)))
    slowest = math.ceil(size * _WHOLE / len(ends))
    strength = np.abs(np.fft.rfft(ends, size)) / total
    if lines < _FEWEST_LINES or slowest >= len(strength) or (best := float(strength[slowest:].max())) < _FIT:
        return None
    at = slowest + int(np.argmax(strength[slowest:] >= _NEARLY * best))
    while at + 1 < len(strength) and strength[at + 1] > strength[at]:
        at += 1
    return size / at, lines


CHECKS: tuple[Check, ...] = (
    Check(
        "label_specks",
        "Labels speckled with single pixels",
        Topic.LABELS,
        "%",
        "Pixels with a class that none of their eight neighbours has.",
        "wrong-label",
        least=1.0,
        why="What people draw has none, what lidar or a model says 0.1 %; where each pixel was classified by itself, more than "
        "usual.",
        spread=8.0,
        calm=0.5,
        run=_label_specks,
    ),
    Check(
        "label_blocks",
        "Labels of coarser pixels",
        Topic.LABELS,
        "px",
        "The side of the squares that the labels are made of; 0 where their classes end anywhere.",
        "wrong-label",
        least=2.5,
        why="Labels enlarged three times or more miss what is smaller; where most of a dataset is so, it is made so.",
        spread=4.0,
        run=_label_blocks,
    ),
)

"""How sharp and how noisy a picture is."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Sign, Topic
from rsviewer.core.checks.picture import Picture, other_date, pictures
from rsviewer.core.checks.subject import Subject
from rsviewer.core.stretch import percentiles

_WINDOW = 296
"""Pixels a side of the part in the middle that is looked at for focus, which is that of a whole picture."""
_GLANCE = 128
"""Pixels a side of the part in the middle that is looked at first: where it is in focus, or calm, the picture is."""
_IN_FOCUS, _EVEN = 1.1, 1.2
"""Width of edges up to which it is in focus for sure, unless they are more than so many times wider in one direction."""
_REBLUR = 2.0
"""Standard deviation in pixels of the Gaussian that edges are compared with."""
_MARGIN = 4
"""Pixels along the border where gradients are made up."""
_FEW = 40
"""Edge pixels below which nothing can be said."""
_BY_ENERGY = 0.75
"""Weight of the reading by energy alone, which soft things such as water and shadows raise."""
_DRAGGED = 1.3
"""How many times wider than across it edges in one direction are from which on motion has blurred them. Clean ones: 1.2."""
_PARTS = 3
"""Into as many parts a side a picture is cut to ask whether it is blurred by motion all over."""
_ALIKE, _AT_MOST = 1.5, 1.4
"""How many times sharper a place may be at the other date, and up to which factor more than that counts."""
_FAINT = 0.25
"""Squared gradient in grey levels a pixel, after the second blur, below which an edge is noise."""
_SHARPER = 0.75
"""Which of the edges speak for the picture: the sharpest quarter. Soft things are everywhere, sharp ones in focus only."""
_CALM_ENOUGH = 2.5
"""Grey levels of noise up to which there is none for sure."""
_NOISE_WINDOW = 256
"""As `_WINDOW`, for noise."""
_BLOCK = 16
"""Pixels a side of the blocks of which the calmest are asked."""
_CALM = 0.05
"""Which of the blocks speak for the noise: the calmest twentieth, since texture is no noise."""
_ALONE = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
"""A pixel's neighbours."""
_CORNERS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""What leaves noise and corners, but neither slopes nor straight edges."""
_AROUND, _ABOUT = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)
"""A pixel and its neighbours, and theirs."""
_APART = 30
"""Grey levels by which a pixel at an end of the range must be beyond all its neighbours to count as an impulse."""
_FEW_ALONE = 0.1
"""Percent of such pixels up to which they are nothing to speak of."""
_FAR_APART = 50
"""And any other; of these half count, as small bright things are seen so."""
_ENDS = (5, 250)
"""The ends of the range: lossy files are not exact."""
_TO_MEAN = float(np.sqrt(2 / np.pi))
"""Times a standard deviation is the mean of the absolute values of a normal distribution."""
_KEPT = 0.193
"""Share of the standard deviation of white noise between Gaussian blurs of 1 and 2 pixels."""


def _window(shape: tuple[int, ...], most: int) -> tuple[slice, slice]:
    rows, columns = ((max(0, (side - most) // 2), min(side, most)) for side in shape[:2])
    return slice(rows[0], rows[0] + rows[1]), slice(columns[0], columns[0] + columns[1])


def _blur(subject: Subject) -> Iterator[Sign]:
    shown = pictures(subject)
    found = {spec.id: _width_in(picture, _GLANCE) for spec, picture in shown}
    if any(edges is None or edges.width > _IN_FOCUS or edges.standing_out > _EVEN for edges in found.values()):
        # All of them: dates are compared by parts of one size.
        found = {spec.id: _width_in(picture, _WINDOW) for spec, picture in shown}
    for layer, edges in found.items():
        if edges is None:
            continue
        width, other = edges.width, (found.get(other_date(subject, layer) or layer) or edges).width
        score = width * min(max(width / other / _ALIKE, 1.0), _AT_MOST)
        beside = f", {other:.1f} px at the other date" if score > width else ""
        yield Sign(score, f"even the sharpest edges are {width:.1f} px wide (as a Gaussian blur){beside}", layer)


class _Edges(NamedTuple):
    """How wide the sharper edges of a picture are.

    Attributes:
        width: standard deviation in pixels of the blur that made them.
        standing_out: how many times wider they are in one direction, see `_widest`.
    """

    width: float
    standing_out: float


def _width_in(picture: Picture, side: int) -> _Edges | None:
    if min(picture.green.shape) < 8 * _MARGIN:
        return None
    where = _window(picture.green.shape, side)
    blank = None if picture.blank is None else picture.blank[where]
    return _edge_width(picture.green[where].astype(np.float32), blank)


def _edge_width(values: NDArray[np.float32], blank: NDArray[np.bool_] | None) -> _Edges | None:
    """The blur of the sharper edges, None where there are no edges.

    An edge that a blur of s pixels has made loses the more of its gradient in a second blur of known size, the sharper it
    was: the ratio R of the gradients before and after tells s = s2 / sqrt(R^2 - 1) (Zhuo and Sim, Defocus map estimation from
    a single image, Pattern Recognition 2011). Two readings of it are combined: along the ridges of the strongest edges, and
    of the gradients' energy in the direction that lost least of it, which alone sees a blur by motion: where that direction
    stands out all over the picture, it is believed by itself.
    """
    again = np.asarray(cv2.GaussianBlur(values, (11, 11), _REBLUR), np.float32)
    first, second = _energies(values, blank), _energies(again, blank)
    before, after = cv2.add(first[0], first[2]), np.asarray(cv2.add(second[0], second[2]), np.float32)
    ridge = np.flatnonzero((after >= cv2.dilate(after, _ABOUT)) & (after > _FAINT / 2))
    if ridge.size < _FEW:
        return None
    strength = after.ravel()[ridge]
    ratio = np.asarray(cv2.dilate(before, _AROUND)).ravel()[ridge] / strength
    strong = strength >= max(percentiles(strength, (50.0,))[0], _FAINT)
    if np.count_nonzero(strong) < _FEW // 2:
        return None
    at_edges = float(_width(percentiles(ratio[strong], (100.0 * _SHARPER,))[0]))
    at_most, standing_out = _widest(_tensors(first), _tensors(second))
    weight = min(_BY_ENERGY + max(0.0, (standing_out - _DRAGGED) / 2), 1.0)
    return _Edges(max(float(np.sqrt(at_edges * at_most)), weight * at_most), standing_out)


def _width(ratio: NDArray[np.floating] | np.floating | float) -> NDArray[np.float64]:
    return np.asarray(_REBLUR / np.sqrt(np.maximum(np.asarray(ratio, np.float64) - 1.0, 0.05)))


def _energies(values: NDArray[np.float32], blank: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """(3, rows, columns) products of the gradients: across by across, across by down, down by down."""
    inside = (slice(_MARGIN, -_MARGIN),) * 2
    across, down = (
        np.asarray(cv2.Sobel(values, cv2.CV_32F, *way, scale=0.125), np.float32)[inside] for way in ((1, 0), (0, 1))
    )
    if blank is not None:
        shown = (~blank[inside]).astype(np.float32)
        across, down = across * shown, down * shown
    found = np.empty((3, *across.shape), np.float32)
    for place, (one, other) in enumerate(((across, across), (across, down), (down, down))):
        cv2.multiply(one, other, found[place])  # half the time of NumPy's, in a part of an array
    return found


def _tensors(energies: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3, `_PARTS` ** 2) means of them in parts of the picture, whose structure tensors they are."""
    rows, columns = (side // _PARTS for side in energies.shape[1:])
    parts = energies[:, : rows * _PARTS, : columns * _PARTS].reshape(3, _PARTS, rows, -1).sum(axis=2)
    return np.asarray(parts.reshape(3, -1, columns).sum(axis=2) / (rows * columns), np.float64)


def _widest(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """The width of edges in the direction that lost least, and how many times that in the other direction it is.

    The latter in a quarter of the picture's parts at the most: roads, furrows and waves have a direction in some of them only.
    The directions are those in which the energies, A before and B after, stand in extreme proportions: (A - kept B) way = 0.

    Args:
        first: (3, parts) structure tensors before the second blur.
        second: those after it.
    """
    second = second + np.array([[1.0], [0.0], [1.0]]) * 1e-2 * _FAINT
    (a, b, c), (d, e, f) = np.mean((first, second), axis=2).tolist()
    middle, size = (a * f + c * d) / 2 - b * e, d * f - e * e
    apart = max(middle * middle - (a * c - b * b) * size, 0.0) ** 0.5
    widths = []
    for kept in ((middle - apart) / size, (middle + apart) / size):
        p, q, r = a - kept * d, b - kept * e, c - kept * f
        x, y = (-q, p) if abs(p) > abs(r) else (r, -q)
        if not x and not y:  # the same in all directions
            x, y = 1.0, 0.0
        weights = np.array([x * x, 2 * x * y, y * y])
        widths.append(_width(weights @ first / (weights @ second)))
    standing_out = np.sort(widths[0] / widths[1])[len(widths[0]) // 4]
    return float(_width((middle - apart) / size)), float(standing_out)


def _noise(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < 4 * _BLOCK:
            continue
        level = _noise_level(picture, _GLANCE)
        if level > _CALM_ENOUGH or level == 0:
            level = _noise_level(picture, _NOISE_WINDOW)
        yield Sign(level, f"a standard deviation of {level:.1f} of 255 grey levels even where it is calmest", spec.id)


def _impulse_noise(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if min(picture.green.shape) < 2 * _BLOCK or subject.raster(spec.id).pixels.dtype != np.uint8:
            continue
        impulses = _impulses(picture, _GLANCE)
        if impulses > _FEW_ALONE:
            impulses = _impulses(picture, _WINDOW)
        message = f"{impulses:.2f} % of the pixels are far brighter or darker than all around them"
        yield Sign(impulses, message, spec.id)


def _impulses(picture: Picture, side: int) -> float:
    """Percent of the pixels that have nothing to do with their neighbours: "salt and pepper"."""
    where = _window(picture.green.shape, side)
    green = np.ascontiguousarray(picture.green[where])
    above = np.asarray(cv2.subtract(green, cv2.dilate(green, _ALONE)))
    below = np.asarray(cv2.subtract(cv2.erode(green, _ALONE), green))
    alone = np.flatnonzero(cv2.max(above, below) > _APART)
    if picture.blank is not None:
        alone = alone[~picture.blank[where].ravel()[alone]]
    values, apart = green.ravel()[alone], np.maximum(above.ravel()[alone], below.ravel()[alone])
    at_ends = int(np.count_nonzero((values <= _ENDS[0]) | (values >= _ENDS[1])))
    far = int(np.count_nonzero(apart > _FAR_APART))
    return 100.0 * max(at_ends, far / 2) / green.size


def _noise_level(picture: Picture, side: int) -> float:
    """Standard deviation of the noise in grey levels, that of the bands' difference or that of one band.

    Bands show the same edges, yet each has a noise of its own, so that in their difference texture is no noise. In one band
    noise is told from texture by its being as strong at the finest scale as at coarser ones ("white").
    """
    where = _window(picture.green.shape, side)
    blank = None if picture.blank is None else picture.blank[where]
    green = picture.green[where].astype(np.float32)
    fine, coarse = _roughness(green, blank)
    if not fine.size:
        return 0.0
    calmest = fine <= percentiles(fine, (100.0 * _CALM,))[0]
    level = float(fine[calmest].mean())
    level *= min(1.0, level / max(float(coarse[calmest].mean()), 1e-3))
    if len(picture.bands) < 3:
        return level
    apart = [picture.bands[band][where].astype(np.float32) - green for band in (0, 2)]
    colours = [percentiles(_fine(each, blank), (100.0 * _CALM,))[0] for each in apart]
    return max(level, min(colours) / float(np.sqrt(2)))


def _roughness(
    values: NDArray[np.float32], blank: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of every block the standard deviation of white noise that would explain what is fine, and what is less fine, in it."""
    narrow, wide = cv2.GaussianBlur(values, (5, 5), 1.0), cv2.GaussianBlur(values, (9, 9), 2.0)
    return _fine(values, blank), _by_block(cv2.absdiff(narrow, wide), blank) / np.float32(_KEPT * _TO_MEAN)


def _fine(values: NDArray[np.float32], blank: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Standard deviation of white noise by block (Immerkaer, Fast noise variance estimation, CVIU 1996)."""
    rough = _by_block(np.abs(np.asarray(cv2.filter2D(values, cv2.CV_32F, _CORNERS))), blank)
    return rough / np.float32(6 * _TO_MEAN)


def _by_block(values: object, blank: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Means of blocks that show something."""
    array = np.asarray(values, np.float32)
    size = (max(1, array.shape[1] // _BLOCK), max(1, array.shape[0] // _BLOCK))
    whole = (slice(0, size[1] * _BLOCK), slice(0, size[0] * _BLOCK))  # of whole pixels: eight times as fast
    blocks = np.asarray(cv2.resize(array[whole], size, interpolation=cv2.INTER_AREA), np.float32)
    if blank is None:
        return blocks.ravel()
    empty = np.asarray(cv2.resize(blank[whole].astype(np.float32), size, interpolation=cv2.INTER_AREA))
    return np.asarray(blocks[empty == 0], np.float32)


CHECKS: tuple[Check, ...] = (
    Check(
        id="blur",
        title="Image out of focus",
        topic=Topic.IMAGES,
        unit="px",
        help="The standard deviation of the blur that even the sharper edges show, in pixels; raised where the other of two "
        "dates is much sharper.",
        tag="blur",
        least=1.5,
        why="Sharp images have edges of 0.4 to 0.8 px, resampled ones of up to 1.4; where all are softer, the median says so.",
        spread=6.0,
        most=2.0,
        sharpness=6.0,
        run=_blur,
    ),
    Check(
        id="noise",
        title="Image full of noise",
        topic=Topic.IMAGES,
        unit="of 255",
        help="The standard deviation of the noise where the image is calmest, in grey levels of 255.",
        tag="artefact",
        least=5.0,
        why="Cameras stay below 3 grey levels; where fine texture looks like more, the dataset's own median allows for it.",
        spread=6.0,
        most=9.0,
        run=_noise,
    ),
    Check(
        id="impulse_noise",
        title="Image strewn with single wrong pixels",
        topic=Topic.IMAGES,
        unit="%",
        help="Share of the pixels that are far brighter or darker than all their neighbours, those in the middle of the range "
        "counted by half.",
        tag="artefact",
        least=0.5,
        why="Sharp images of forests, cars and snow have up to 0.33 %; where small bright things abound, the dataset's "
        "own median allows for it.",
        spread=10.0,
        most=1.0,
        run=_impulse_noise,
    ),
)
"""How sharp, how noisy."""

"""Clouds and haze in pictures of three bands, without any thermal or infrared band."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic
from rsviewer.core.checks.picture import Picture, Tones, other_date, pictures, tones_of
from rsviewer.core.checks.subject import Subject, shown_bands, shrunk
from rsviewer.core.tile import LayerId, LayerSpec

_SMALL = 128
"""Pixels on the longer side of the copies that are looked at, at most."""
_NEAR = 3
"""Pixels of such a copy over which brightness, colour and texture are averaged."""
_BRIGHT = (100.0, 55.0)
"""Grey level of the darkest band from which on something may be a cloud, and how much more until it looks like one."""
_COLOURED = (50.0, 25.0)
"""Difference between bands from which on nothing is a cloud, and how much less until it looks like one."""
_SMOOTH = 0.012
"""Texture, as a share of brightness, that clouds have at the most: half of what fields and concrete have."""
_AROUND = np.ones((3, 3), np.uint8)
"""A pixel and its neighbours."""
_RING = 7
"""Pixels of a copy across which the border of a cloud is looked at."""
_STRAIGHT = 0.3
"""Share of a border that agrees in two directions at right angles, as those of roofs and roads do, from which on it is not a
cloud's. Clouds have up to 0.15."""
_RISE = 45.0
"""Grey levels by which clouds are brighter than what surrounds them."""
_DOUBT = 0.3
"""Borders that are less like a cloud's than that are not: pale ground is bordered by all sorts of things."""
_PIECE = 4.0
"""Pixels of a border that are about one direction."""
_MOST = 40
_LEAST = 0.0008
"""Blobs that are looked at, and the share of the picture that they need."""
_VIVID = 30.0
"""Grey levels between bands beyond which colour does not speak against haze any more."""
_SEASONS, _AT_MOST = 30.0, 40.0
"""Grey levels by which the darkest places may be darker at the other date, and how many more count twice."""
_FEW = 64
"""Pixels that must show something before anything is said of haze."""
_FINE = 140
"""Pixels on the longer side of the copy whose edges tell soft from sharp, at most."""
_LEAST_SIDE = 64
"""Pixels a side below which nothing can be said of thin clouds: their rims are wide."""
_WIDE = 2.0
"""Standard deviation of the Gaussian, in pixels of a quarter of that copy and of an eighth, that leaves the rims of clouds."""
_WHITE = 230.0
"""Grey level of clouds that let nothing through, in all bands: the airlight."""
_TO_WHITE = 0.1
"""Radians by which colours on the rim of a cloud change in another direction than towards white."""
_OF_LIGHT = 0.3
"""Radians from its own direction within which a colour changes by more or less light upon it."""
_COLOURLESS = 0.3
"""What a change towards white counts where it may as well be one of light, as it may be with greys."""
_SLOPE = 0.8
"""Grey levels a pixel of the first copy from which on a slope counts in full."""
_FLAT = 0.5
"""Squared slope, in grey levels a pixel of the first copy, of what is noise."""
_SHOWN = 0.3
"""Share of the largest likeness in an image from which on a place is shown as evidence."""
_COARSER = (1.0, 3.0)
"""Weights of the two copies: rims of clouds are wider than most else that is soft."""


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A small copy of a picture.

    Attributes:
        darkest, brightest: (rows, columns) uint8, over the bands.
        rough: (rows, columns) float32, what differs from its neighbours in a copy of twice the size: in this one the borders of
            small clouds would count as texture.
        shown: (rows, columns) bool; None where everywhere.
    """

    darkest: NDArray[np.uint8]
    brightest: NDArray[np.uint8]
    rough: NDArray[np.float32]
    shown: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Veil:
    """How much every pixel of a small copy looks like a cloud, 0..1, by itself."""

    likeness: NDArray[np.float32]
    look: _Look


def _cloud(subject: Subject) -> Iterator[Sign]:
    found = {
        spec.id: _veil(subject, spec.id, picture) for spec, picture in pictures(subject) if len(picture.bands) == 3
    }
    for layer, veil in found.items():
        likeness = veil.likeness
        other = other_date(subject, layer)
        if other in found:
            likeness = _only_here(likeness, found[other].likeness)
        clouds = _clouds(likeness, veil.look.darkest)
        share = 100.0 * float(clouds.mean())
        evidence = Evidence(layer, clouds > 0.25) if subject.wants_evidence and share > 0 else None
        yield Sign(share, f"what looks like thick cloud covers {share:.0f} % of the image", layer, evidence)


def _haze(subject: Subject) -> Iterator[Sign]:
    found = {
        spec.id: _floor(tones_of(subject, picture))
        for spec, picture in pictures(subject)
        if len(picture.bands) == 3 and subject.raster(spec.id).pixels.dtype == np.uint8
    }
    for layer, light in found.items():
        if light is None:
            continue
        darkest, colour = light
        other = found.get(other_date(subject, layer) or layer) or light
        only_here = min(max(0.0, darkest - other[0] - _SEASONS), _AT_MOST)
        score = (max(0.0, darkest - colour) + only_here) / 2.55
        message = f"even its darkest places have {score:.0f} % of full white in them, beyond their colour"
        yield Sign(score, message, layer)


def _thin_cloud(subject: Subject) -> Iterator[Sign]:
    found = {
        spec.id: _veiled(subject, spec, picture)
        for spec, picture in pictures(subject)
        if len(picture.bands) == 3
        and subject.raster(spec.id).pixels.dtype == np.uint8
        and min(picture.green.shape) >= _LEAST_SIDE
    }
    for layer, rims in found.items():
        other = found.get(other_date(subject, layer) or LayerId(""))
        seen = rims if other is None else [_more_than(one, two) for one, two in zip(rims, other, strict=True)]
        shares = [cv2.mean(each)[0] for each in seen]
        score = 100.0 * float(np.average(shares, weights=_COARSER)) ** 0.5
        message = f"places that pale softly, as under a veil, would fill a square of {score:.0f} % of the image's width"
        evidence = Evidence(layer, seen[0] > _SHOWN * seen[0].max()) if subject.wants_evidence and score > 0 else None
        yield Sign(score, message, layer, evidence)


def _veiled(subject: Subject, spec: LayerSpec, picture: Picture) -> list[NDArray[np.float32]]:
    """How much places look like the rim of a thin cloud, 0..1, in two copies of a picture.

    Light that a veil scatters takes the place of light from below: I = J t + A (1 - t), of one t for all bands (He, Sun and
    Tang 2009). Where t falls towards the middle of a cloud, all colours move straight towards A, which is white; more light
    would move them away from black, and another ground anywhere. And t has no edges: the slope is all that there is of it,
    while the border of something paler is steep in one place.
    """
    factor = 1
    while max(picture.green.shape) > _FINE * factor:
        factor *= 2
    chosen = shown_bands(spec, subject.raster(spec.id))
    energy = _energy(subject.band(spec.id, chosen[1], factor))
    bands = [subject.band(spec.id, band, 2 * factor).astype(np.float32) for band in chosen]
    rims = []
    for scale in (1, 2):
        if scale > 1:
            bands = [shrunk(band, 2) for band in bands]
        energy = shrunk(energy, 2) * np.float32(4)
        found = _rims(bands, energy, scale)
        if picture.blank is not None:
            blank = cv2.resize(picture.blank.view(np.uint8), found.shape[::-1], interpolation=cv2.INTER_AREA)
            found[np.asarray(cv2.dilate(blank, np.ones((5, 5), np.uint8))) > 0] = 0
        rims.append(found)
    return rims


def _energy(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, columns) squared slopes, in grey levels a pixel."""
    across, down = (np.asarray(slope, np.float32) for slope in cv2.spatialGradient(values))
    return _squared(across, down) * np.float32(1 / 64)


def _rims(bands: Sequence[NDArray[np.float32]], energy: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """(rows, columns) how much places look like the rim of a thin cloud, 0..1.

    Args:
        bands: three of (rows, columns).
        energy: (rows, columns) squared slopes of a finer copy, in grey levels a pixel of this one.
        scale: pixels of the first copy in one of this.
    """
    here = [_soft(band) for band in bands]
    across, down = ([_slope(band, *way) for band in here] for way in ((1, 0), (0, 1)))
    right, below = ((one + two + three) * np.float32(1 / 3) for one, two, three in (across, down))
    steep = _squared(right, below)
    change = [one * right + two * below for one, two in zip(across, down, strict=True)]
    size = _dot(change, change) + np.float32(1e-6)
    light = _dot(here, here) + np.float32(1)
    along_light = _dot(change, here)
    to_white = np.float32(3 * _WHITE) * steep - along_light
    way = np.float32(3 * _WHITE**2) - np.float32(2 * _WHITE) * (here[0] + here[1] + here[2]) + light
    found = np.exp((to_white / np.sqrt(size * way) - 1) * np.float32(2 / _TO_WHITE**2))
    found *= np.float32(1 + _COLOURLESS) - np.exp(
        (along_light / np.sqrt(size * light) - 1) * np.float32(2 / _OF_LIGHT**2)
    )
    sharp = _soft(energy) + np.float32(_FLAT * scale**2)
    found *= np.minimum(steep / sharp, 1) * np.minimum(np.sqrt(steep) * np.float32(1 / (_SLOPE * scale)), 1)
    return np.asarray(found * np.float32(1 - _agreement(found, right, below, steep)), np.float32)


def _agreement(
    weight: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32], squared: NDArray[np.float32]
) -> float:
    """How much slopes agree in two directions at right angles, as those of roofs and roads do, 0..1; see `_like_clouds`."""
    twice = (across * across - down * down) / (squared + np.float32(1e-6))
    turned = np.float32(2) * across * down / (squared + np.float32(1e-6))
    total = float(weight.sum()) + 1e-6
    even = 2 * float(np.vdot(weight, twice * twice)) - float(weight.sum())
    odd = 2 * float(np.vdot(weight, turned * twice))
    return min(math.hypot(even, odd) / total, 1.0)


def _soft(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (13, 13), _WIDE), np.float32)


def _slope(values: NDArray[np.float32], across: int, down: int) -> NDArray[np.float32]:
    """In grey levels a pixel."""
    return np.asarray(cv2.Sobel(values, cv2.CV_32F, across, down, scale=0.125), np.float32)


def _squared(across: NDArray[np.float32], down: NDArray[np.float32]) -> NDArray[np.float32]:
    return across * across + down * down


def _dot(one: Sequence[Any], other: Sequence[Any]) -> NDArray[np.float32]:
    """Of colours, given by bands."""
    return np.asarray(one[0] * other[0] + one[1] * other[1] + one[2] * other[2], np.float32)


def _floor(tones: Tones) -> tuple[float, float] | None:
    """Grey level of the darkest places in all bands, and what of it is colour; None where too little is shown.

    Haze adds about as much to every band: what some bands alone have is colour, and so is what bands differ by as a rule, which
    is taken off up to a limit, as there may be haze over vivid scenes.
    """
    if tones.count < _FEW:
        return None
    return min(tones.darkest), min(tones.colour, _VIVID) + max(tones.darkest) - min(tones.darkest)


def _look(subject: Subject, layer: LayerId, picture: Picture) -> _Look:
    return subject.shared(("look", layer), lambda: _made(picture))


def _made(picture: Picture) -> _Look:
    finer, darkest, brightest = picture.darkest, picture.darkest, picture.brightest
    while max(darkest.shape) > _SMALL:  # by halves: a fifth of the time of any other factor
        finer, darkest, brightest = darkest, shrunk(darkest, 2), shrunk(brightest, 2)
    rough = cv2.absdiff(finer, cv2.blur(finer, (3, 3))).astype(np.float32)
    if finer.shape != darkest.shape:
        rough = shrunk(rough, 2)
    if picture.blank is None:
        return _Look(darkest, brightest, rough, None)
    blank = cv2.resize(picture.blank.view(np.uint8), darkest.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return _Look(darkest, brightest, rough, np.asarray(blank) == 0)


def _veil(subject: Subject, layer: LayerId, picture: Picture) -> _Veil:
    """Clouds are bright in the darkest band (He, Sun and Tang 2009), colourless, and smooth for their brightness."""
    look = _look(subject, layer, picture)
    darkest = look.darkest
    near = (_NEAR, _NEAR)
    lightness = cv2.blur(darkest, near)
    if cv2.minMaxLoc(lightness)[1] <= _BRIGHT[0]:
        return _Veil(np.zeros(darkest.shape, np.float32), look)
    bright = np.asarray(lightness, np.float32)
    colour = np.asarray(cv2.blur(cv2.subtract(look.brightest, darkest), near), np.float32)
    texture = np.asarray(cv2.blur(look.rough, near)) / np.maximum(bright, 1)
    likeness = np.clip((bright - _BRIGHT[0]) / _BRIGHT[1], 0, 1)
    likeness *= np.clip((_COLOURED[0] - colour) / _COLOURED[1], 0, 1)
    likeness *= np.clip(1.6 - texture / _SMOOTH, 0, 1)
    if look.shown is not None:
        likeness = likeness * look.shown
    return _Veil(likeness.astype(np.float32), look)


def _only_here(likeness: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """What looks like cloud at both dates, at one place, is a roof or a road."""
    if likeness.shape != other.shape:
        return likeness
    around = np.asarray(cv2.dilate(other, _AROUND))
    return likeness * (1 - np.clip(around, 0, 1))


def _more_than(likeness: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `_only_here`, for what looks like cloud a little almost everywhere."""
    if likeness.shape != other.shape:
        return likeness
    return np.maximum(likeness - np.asarray(cv2.dilate(other, _AROUND)), 0)


def _clouds(likeness: NDArray[np.float32], darkest: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, columns) how much every pixel is cloud, 0..1: what looks like one, as far as its border is one of a cloud."""
    like = (likeness > 0.5).view(np.uint8)
    if cv2.countNonZero(like) < _LEAST * like.size:
        return np.zeros_like(likeness)
    area = cv2.morphologyEx(like, cv2.MORPH_OPEN, _AROUND)
    if cv2.countNonZero(area) < _LEAST * like.size:
        return np.zeros_like(likeness)
    labels = np.asarray(cv2.connectedComponents(area, connectivity=8)[1], np.int32)
    sizes = np.bincount(labels.ravel())[1:]  # a third of the time that OpenCV takes for all of its statistics
    order = np.argsort(-sizes)[:_MOST]
    order = order[sizes[order] >= _LEAST * like.size]
    number = np.zeros(sizes.size + 1, np.uint8)
    number[1 + order] = np.arange(1, order.size + 1)
    blobs = number.take(labels)
    return _like_clouds(blobs, int(order.size), darkest).take(blobs) if order.size else np.zeros_like(likeness)


def _like_clouds(blobs: NDArray[np.uint8], count: int, darkest: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(count + 1,) how much the borders of areas are those of clouds, 0..1; 0 for what lies between them.

    Borders of clouds run in all directions, with less light outside; those of roofs, roads and fields run in two at right
    angles. So the directions of the gradients, turned four times as far, point all one way there and every way here.

    Args:
        blobs: (rows, columns) the number of the area, 1 to `count`; 0 between them.
        count: of areas.
        darkest: (rows, columns), over the bands.
    """
    around = np.asarray(cv2.dilate(blobs, np.ones((_RING, _RING), np.uint8)))
    inside = np.asarray(cv2.erode(blobs, _AROUND))
    border = np.flatnonzero((around > 0) & (inside == 0))
    owner = np.asarray(around.ravel()[border], np.uint8)
    smooth = cv2.GaussianBlur(darkest.astype(np.float32), (5, 5), 0.8)
    across, down = (
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, dx, dy, scale=0.125)).ravel()[border] for dx, dy in ((1, 0), (0, 1))
    )
    turned = across + 1j * down
    length = np.abs(turned)
    squared = turned * turned
    fourth = squared * squared / np.maximum(length, 0.1) ** 3
    strength = np.maximum(_total(length, owner, count), 1e-3)
    agree = np.hypot(_total(fourth.real, owner, count), _total(fourth.imag, owner, count)) / strength
    # A short border agrees with itself by chance: it has but a few pieces, each of one direction.
    pieces = _total(np.ones_like(length), owner, count) / (_PIECE * _RING / 2)
    agree = np.sqrt(np.maximum(agree**2 - 1 / np.maximum(pieces, 1), 0))
    beyond = border[blobs.ravel()[border] == 0]
    outside = around.ravel()[beyond]
    light = _mean(darkest.ravel(), blobs.ravel(), count) - _mean(darkest.ravel()[beyond], outside, count)
    found = np.clip(1 - agree / _STRAIGHT, 0, 1) * np.clip(light / _RISE, 0, 1)
    found = np.maximum(found - _DOUBT, 0) / (1 - _DOUBT)
    found[np.bincount(outside, minlength=count + 1) == 0] = 1  # it covers everything
    found[0] = 0
    return found.astype(np.float32)


def _total(values: NDArray[Any], owner: NDArray[np.uint8], count: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(owner, values, count + 1), np.float64)


def _mean(values: NDArray[Any], owner: NDArray[np.uint8], count: int) -> NDArray[np.float64]:
    return _total(values, owner, count) / np.maximum(np.bincount(owner, minlength=count + 1), 1)


CHECKS: tuple[Check, ...] = (
    Check(
        id="cloud",
        title="Clouds in the image",
        topic=Topic.IMAGES,
        unit="%",
        help="Share of the image that is bright, colourless and smooth, has borders in all directions, and is darker around.",
        tag="cloud",
        least=2.2,
        why="Pale ground and concrete can be mistaken for 1.6 % of a tile; where more is usual, the median allows for it.",
        spread=8.0,
        most=12.0,
        sharpness=3.0,
        run=_cloud,
    ),
    Check(
        id="haze",
        title="Haze over the image",
        topic=Topic.IMAGES,
        unit="%",
        help="How much light, in percent of white, is even in the darkest places of all bands, less the image's colour; "
        "raised where the other of two dates is much darker there.",
        tag="cloud",
        least=28.0,
        why="Somewhere is shadow or water, dark in one band at least (He, Sun and Tang 2009); only a veil brightens that. Pale "
        "scenes have up to 26 %; where a dataset is paler or hazy all over, its own median allows for it.",
        spread=4.0,
        most=45.0,
        sharpness=6.0,
        run=_haze,
    ),
    Check(
        id="thin_cloud",
        title="Thin clouds over the image",
        topic=Topic.IMAGES,
        unit="%",
        help="Side of the square, in percent of the image's, that all places would fill whose colours change softly and "
        "straight towards white, as on the rims of thin clouds.",
        tag="cloud",
        least=6.5,
        why="A veil adds the same white light to every colour and has no edges (He, Sun and Tang 2009); grey fields have up to "
        "6.4 %, and the dataset's own median allows for more.",
        spread=8.0,
        most=8.0,
        sharpness=5.0,
        run=_thin_cloud,
    ),
)
"""Clouds and haze."""

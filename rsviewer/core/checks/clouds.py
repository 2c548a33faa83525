"""Clouds and haze in pictures of three bands, without any thermal or infrared band."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
_ABOVE = 20
"""Grey levels by which cumulus is brighter than the picture is on average, in the darkest band."""
_WHITISH = 37
"""Difference between bands up to which a pixel may be cumulus: half way to what is no cloud at all, see `_COLOURED`."""
_SCATTERED = 0.01
"""Share of a picture below which nothing is said of cumulus: half of what would be suspicious."""
_PALER = (0.04, 0.06)
"""Colour lost, as a share of brightness gained, from which on something may be cumulus, and how much more until it looks like
it. Light on slopes adds colour; white takes up to 0.3 from any ground that is not grey."""
_DOMED = (0.4, 0.2)
"""Slope on cumulus, as a share of that on its rim, from which on it may be a dome, and how much more until it looks like one.
Roofs, sand and the rims of salt lakes are flat."""
_RAGGED = (0.7, 0.08)
"""Texture, as a share of that in a copy of half the size, from which on something is no cloud, and how much less until it may
be one. What is smooth has 0.25, a step 0.5, clouds 0.6, houses and trees, of which much is small, 0.7 and more, noise 2."""
_SOFT = 0.48
"""Such a share below which a picture is softer than any step. An enlarged one is so in one copy, where the next is asked; a
blurred one in both, where everything looks domed."""
_STREETS = (0.02, 0.1)
"""Share of a border that agrees in two directions by chance, and how much more until it cannot be that of many clouds."""
_SUNLIT = (100.0, 40.0)
"""Grey level of the brightest fifth of it from which on something may be cumulus, and how much more until it looks like it."""
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
        darkest: (rows, columns) uint8, over the bands.
        lightness: (rows, columns) uint8, its mean over what is near.
        colour: (rows, columns) uint8, mean over what is near of how far the brightest band is above it.
        texture: (rows, columns) float32, as a share of brightness.
        shown: (rows, columns) bool; None where everywhere.
        apart: (rows, columns) uint8, how far the brightest band is above the darkest.
        finer: (rows, columns) float32, mean texture of `darkest` in a copy of twice the size, in grey levels; None where
            there is no such copy.
    """

    darkest: NDArray[np.uint8]
    lightness: NDArray[np.uint8]
    colour: NDArray[np.uint8]
    texture: NDArray[np.float32]
    shown: NDArray[np.bool_] | None
    apart: NDArray[np.uint8]
    finer: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Veil:
    """What looks like the rim of a thin cloud in two copies of a picture, the finer first.

    Attributes:
        rims: (rows, columns) how much it does, 0..1.
        soft: (rows, columns) how much it is soft, whatever its colours do.
    """

    rims: list[NDArray[np.float32]] = field(default_factory=list)
    soft: list[NDArray[np.float32]] = field(default_factory=list)


def _cloud(subject: Subject) -> Iterator[Sign]:
    looks = {spec.id: _look(picture) for spec, picture in pictures(subject) if len(picture.bands) == 3}

    def likeness_of(layer: LayerId) -> NDArray[np.float32]:
        return subject.shared(("cloud likeness", layer), lambda: _likeness(looks[layer]))

    for layer, look in looks.items():
        other = other_date(subject, layer)
        covers = []
        if _may_be_cloud(look):
            likeness = likeness_of(layer)
            if other in looks:
                likeness = _only_here(likeness, likeness_of(other))
            covers.append(_clouds(likeness, look.darkest))
        small = _cumulus(look)
        if small is not None:
            beside = _cumulus(looks[other]) if other in looks else None
            covers.append(small if beside is None else _more_than(small, beside))
        cover = max(covers, key=np.mean, default=None)
        share = 0.0 if cover is None else 100.0 * float(cover.mean())
        evidence = None
        if subject.wants_evidence and cover is not None and share > 0:
            evidence = Evidence(layer, cover > 0.25 * cover.max())
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
    asked = [
        (spec, picture)
        for spec, picture in pictures(subject)
        if len(picture.bands) == 3
        and subject.raster(spec.id).pixels.dtype == np.uint8
        and min(picture.green.shape) >= _LEAST_SIDE
    ]
    found: dict[LayerId, _Veil] = {}
    for size in {picture.green.shape for _, picture in asked}:
        found |= _veiled(subject, [(spec, picture) for spec, picture in asked if picture.green.shape == size])
    for layer in [spec.id for spec, _ in asked]:
        veil, other = found[layer], found.get(other_date(subject, layer) or LayerId(""))
        seen = veil.rims if other is None else list(map(_more_than, veil.rims, other.rims))
        share = _area(veil.rims) / max(_area(veil.soft), 1e-6)
        score = 100.0 * (_area(seen) * share**0.5) ** 0.5
        message = f"places that pale softly, as under a veil, would fill a square of {score:.0f} % of the image's width"
        evidence = Evidence(layer, seen[0] > _SHOWN * seen[0].max()) if subject.wants_evidence and score > 0 else None
        yield Sign(score, message, layer, evidence)


def _veiled(subject: Subject, alike: Sequence[tuple[LayerSpec, Picture]]) -> dict[LayerId, _Veil]:
    """What looks like the rim of a thin cloud in each picture.

    Light that a veil scatters takes the place of light from below: I = J t + A (1 - t), of one t for all bands (He, Sun and
    Tang 2009). Where t falls towards the middle of a cloud, all colours move straight towards A, which is white; more light
    would move them away from black, and another ground anywhere. And t has no edges: the slope is all that there is of it,
    while the border of something paler is steep in one place.

    Args:
        subject: whose pictures they are.
        alike: pictures of one size, worked on together: for copies this small the number of calls is what costs time.
    """
    size = alike[0][1].green.shape
    factor = 1
    while max(size) > _FINE * factor:
        factor *= 2
    chosen = [(spec.id, shown_bands(spec, subject.raster(spec.id))) for spec, _ in alike]
    energy = [shrunk(_energy(subject.band(layer, shown[1], factor)), 2) for layer, shown in chosen]
    bands = [subject.band(layer, shown[place], 2 * factor) for place in range(3) for layer, shown in chosen]
    planes = np.array([*bands, *energy], np.float32)
    found = {spec.id: _Veil() for spec, _ in alike}
    for scale in (1, 2):
        if scale > 1:
            planes = np.array([shrunk(plane, 2) for plane in planes])
        planes[-len(alike) :] *= 4
        for (spec, picture), rims, soft in zip(alike, *_rims(planes, scale), strict=True):
            if picture.blank is not None:
                blank = cv2.resize(picture.blank.view(np.uint8), rims.shape[::-1], interpolation=cv2.INTER_AREA)
                beside = np.asarray(cv2.dilate(blank, np.ones((5, 5), np.uint8))) > 0
                rims[beside], soft[beside] = 0, 0
            found[spec.id].rims.append(rims)
            found[spec.id].soft.append(soft)
    return found


def _energy(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, columns) squared slopes, in grey levels a pixel."""
    across, down = (cv2.multiply(slope, slope, scale=1 / 64, dtype=cv2.CV_32F) for slope in cv2.spatialGradient(values))
    return np.asarray(cv2.add(across, down), np.float32)


def _rims(planes: NDArray[np.float32], scale: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(pictures, rows, columns) how much places look like the rim of a thin cloud, 0..1, and how much they look soft at all.

    Args:
        planes: (4 x pictures, rows, columns) the first bands, the second, the third, and squared slopes of finer copies, in
            grey levels a pixel of these.
        scale: pixels of the first copy in one of this.
    """
    rows, columns = planes.shape[1:]
    pixels = np.asarray(cv2.transpose(planes.reshape(len(planes), -1))).reshape(rows, columns, -1)
    soft = cv2.GaussianBlur(pixels, (13, 13), _WIDE)
    smooth = _by_band(soft)
    here, energy = smooth[:3], smooth[3]
    across, down = (_by_band(cv2.Sobel(soft, cv2.CV_32F, *way, scale=0.125))[:3] for way in ((1, 0), (0, 1)))
    right, below = (_sum(slopes) * np.float32(1 / 3) for slopes in (across, down))
    steep = right * right + below * below
    change = across * right + down * below
    size = _sum(change * change) + np.float32(1e-6)
    light = _sum(here * here) + np.float32(1)
    along_light = _sum(change * here)
    to_white = np.float32(3 * _WHITE) * steep - along_light
    way = np.float32(3 * _WHITE**2) - np.float32(2 * _WHITE) * _sum(here) + light
    found = np.exp((to_white / np.sqrt(size * way) - 1) * np.float32(2 / _TO_WHITE**2))
    found *= np.float32(1 + _COLOURLESS) - np.exp(
        (along_light / np.sqrt(size * light) - 1) * np.float32(2 / _OF_LIGHT**2)
    )
    sharp = energy + np.float32(_FLAT * scale**2)
    is_soft = np.minimum(steep / sharp, 1) * np.minimum(np.sqrt(steep) * np.float32(1 / (_SLOPE * scale)), 1)
    found *= is_soft
    count = len(planes) // 4
    found, right, below, steep = (each.reshape(count, -1) for each in (found, right, below, steep))
    for each in zip(found, right, below, steep, strict=True):
        each[0][:] *= np.float32(1 - _agreement(*each))
    return found.reshape(count, rows, columns), is_soft.reshape(count, rows, columns)


def _by_band(pixels: object) -> NDArray[np.float32]:
    """(4, pictures x rows x columns) of (rows, columns, 4 x pictures)."""
    array = np.asarray(pixels, np.float32)
    return np.asarray(cv2.transpose(array.reshape(-1, array.shape[2])), np.float32).reshape(4, -1)


def _sum(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of three bands."""
    return np.asarray(cv2.reduce(bands, 0, cv2.REDUCE_SUM)[0], np.float32)


def _agreement(
    weight: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32], squared: NDArray[np.float32]
) -> float:
    """How much slopes agree in two directions at right angles, as those of roofs and roads do, 0..1; see `_like_clouds`."""
    per_length = 1 / (squared + np.float32(1e-6))
    twice = (across * across - down * down) * per_length
    weighted = weight * twice
    total = cv2.sumElems(weight)[0]
    even = 2 * float(np.vdot(weighted, twice)) - total
    odd = 4 * float(np.vdot(weighted, across * down * per_length))
    return min(math.hypot(even, odd) / (total + 1e-6), 1.0)


def _floor(tones: Tones) -> tuple[float, float] | None:
    """Grey level of the darkest places in all bands, and what of it is colour; None where too little is shown.

    Haze adds about as much to every band: what some bands alone have is colour, and so is what bands differ by as a rule, which
    is taken off up to a limit, as there may be haze over vivid scenes.
    """
    if tones.count < _FEW:
        return None
    return min(tones.darkest), min(tones.colour, _VIVID) + max(tones.darkest) - min(tones.darkest)


def _look(picture: Picture) -> _Look:
    finer, darkest, brightest = picture.darkest, picture.darkest, picture.brightest
    while max(darkest.shape) > _SMALL:  # by halves: a fifth of the time of any other factor
        finer, darkest, brightest = darkest, shrunk(darkest, 2), shrunk(brightest, 2)
    near = (_NEAR, _NEAR)
    lightness = np.asarray(cv2.blur(darkest, near), np.uint8)
    apart = np.asarray(cv2.subtract(brightest, darkest), np.uint8)
    colour = np.asarray(cv2.blur(apart, near), np.uint8)
    # In the smaller copy the borders of small clouds would count as texture.
    rough = cv2.absdiff(finer, cv2.blur(finer, (3, 3))).astype(np.float32)
    doubled = finer.shape != darkest.shape
    if doubled:
        rough = shrunk(rough, 2)
    texture = np.asarray(cv2.blur(rough, near), np.float32)
    texture /= np.maximum(lightness, np.uint8(1)).astype(np.float32)
    shown = None
    if picture.blank is not None:
        blank = cv2.resize(picture.blank.view(np.uint8), darkest.shape[::-1], interpolation=cv2.INTER_NEAREST)
        shown = np.asarray(blank) == 0
    return _Look(darkest, lightness, colour, texture, shown, apart, rough if doubled else None)


def _may_be_cloud(look: _Look) -> bool:
    """Whether `_clouds` can find any: each of the three things that `_likeness` multiplies must be above one half there."""
    found = look.texture < np.float32(1.11 * _SMOOTH)
    found &= look.lightness > int(_BRIGHT[0] + _BRIGHT[1] / 2)
    found &= look.colour <= int(_COLOURED[0] - _COLOURED[1] / 2)
    return bool(np.count_nonzero(found) >= _LEAST * found.size)


def _likeness(look: _Look) -> NDArray[np.float32]:
    """(rows, columns) how much every pixel looks like a cloud, 0..1, by itself.

    Clouds are bright in the darkest band (He, Sun and Tang 2009), colourless, and smooth for their brightness.
    """
    bright, colour = look.lightness.astype(np.float32), look.colour.astype(np.float32)
    likeness = np.clip((bright - _BRIGHT[0]) / _BRIGHT[1], 0, 1)
    likeness *= np.clip((_COLOURED[0] - colour) / _COLOURED[1], 0, 1)
    likeness *= np.clip(1.6 - look.texture / _SMOOTH, 0, 1)
    if look.shown is not None:
        likeness = likeness * look.shown
    return np.asarray(likeness, np.float32)


def _cumulus(look: _Look) -> NDArray[np.float32] | None:
    """(rows, columns) how much every pixel is one of many small clouds, 0..1; None where there are none.

    They are too small to be smooth, so it takes all of what they are: sunlit; whiter than the ground, while what is on slopes
    towards the sun has more of its colour (see `_veiled`); domed; rough as turbulence is; with borders in all directions.
    """
    if look.finer is None:
        return None
    mask = _stands_out(look)
    if cv2.countNonZero(mask) < _SCATTERED * mask.size:
        return None
    near = np.asarray(cv2.dilate(mask, _AROUND), np.uint8)
    likeness = 1 - _from(_ragged(look.finer, look, near), _RAGGED[0] - _RAGGED[1], _RAGGED[1])
    if likeness <= 0:
        return None
    at = np.flatnonzero(near.view(np.bool_))
    across, down = _slopes(look.darkest, at)
    steep = across * across + down * down
    likeness *= 1 - _from(_agreement(np.sqrt(steep), across, down, steep), *_STREETS)
    if likeness <= 0:
        return None
    colour = _slopes(look.apart, at)
    lost = -float(np.vdot(across, colour[0]) + np.vdot(down, colour[1])) / (float(steep.sum()) + 1e-6)
    likeness *= _from(lost, *_PALER)
    inside = np.asarray(cv2.erode(mask, _AROUND)).ravel()[at] > 0
    likeness *= _from(math.sqrt(_mean_of(steep[inside]) / _mean_of(steep[~inside])), *_DOMED)
    tones = np.sort(look.darkest[mask > 0])
    likeness *= _from(float(tones[-(tones.size // 5 + 1) :].mean()), *_SUNLIT)
    return np.asarray(mask, np.float32) * np.float32(likeness) if likeness > 0 else None


def _stands_out(look: _Look) -> NDArray[np.uint8]:
    """(rows, columns) 1 for what is whitish, and brighter than the rest."""
    shown = None if look.shown is None else look.shown.view(np.uint8)
    level = min(cv2.mean(look.darkest, shown)[0] + _ABOVE, 254)
    bright = cv2.threshold(look.darkest, level, 1, cv2.THRESH_BINARY)[1]
    whitish = cv2.threshold(look.apart, _WHITISH, 1, cv2.THRESH_BINARY_INV)[1]
    mask = np.asarray(cv2.min(bright, whitish), np.uint8)
    return mask if shown is None else mask * shown


def _ragged(finer: NDArray[np.float32], look: _Look, near: NDArray[np.uint8]) -> float:
    """Texture in one copy, as a share of that in the next of half the size, 1 where the picture is too soft to tell."""
    weight = near.astype(np.float32)
    rough = np.asarray(cv2.absdiff(look.darkest, look.lightness), np.float32)
    share = float(np.vdot(finer, weight)) / max(float(np.vdot(rough, weight)), 1e-6)
    if share < _SOFT:
        half = shrunk(look.darkest, 2)
        coarser = np.asarray(cv2.absdiff(half, cv2.blur(half, (3, 3))), np.float32)
        weight = shrunk(weight, 2)
        share = float(np.vdot(shrunk(rough, 2), weight)) / max(float(np.vdot(coarser, weight)), 1e-6)
    return share if share >= _SOFT else 1.0


def _slopes(values: NDArray[np.uint8], at: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """In grey levels a pixel, to the right and down, at some places."""
    across, down = (
        np.asarray(each).ravel()[at].astype(np.float32) * np.float32(0.125) for each in cv2.spatialGradient(values)
    )
    return across, down


def _mean_of(values: NDArray[np.float32]) -> float:
    """The mean, or next to nothing."""
    return float(values.mean()) + 1e-6 if values.size else 1e-6


def _from(value: float, least: float, more: float) -> float:
    """0 up to `least`, 1 from `more` above it on."""
    return min(max((value - least) / more, 0.0), 1.0)


def _only_here(likeness: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """What looks like cloud at both dates, at one place, is a roof or a road."""
    if likeness.shape != other.shape:
        return likeness
    around = np.asarray(cv2.dilate(other, _AROUND))
    return likeness * (1 - np.clip(around, 0, 1))


def _more_than(likeness: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `_only_here`, for what looks like cloud a little almost everywhere."""
    return np.maximum(likeness - other, 0) if likeness.shape == other.shape else likeness


def _area(copies: Sequence[NDArray[np.float32]]) -> float:
    """Share of a picture, 0..1, by the two copies of it that `_Veil` has."""
    return float(sum(map(operator.mul, _COARSER, [cv2.mean(copy)[0] for copy in copies]))) / sum(_COARSER)


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
        help="Share of the image that is bright, colourless and smooth, has borders in all directions, and is darker around, "
        "or paler than the rest, domed and rough, as many small clouds are.",
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
        "straight towards white, as on the rims of thin clouds; less where much else is soft.",
        tag="cloud",
        least=4.0,
        why="A veil adds the same white light to every colour and has no edges (He, Sun and Tang 2009); grey fields have up to "
        "3.9 %, and the dataset's own median allows for more. Where hardly any tile has half as much, less is enough.",
        spread=3.0,
        most=5.0,
        sharpness=6.0,
        calm=2.5,
        run=_thin_cloud,
    ),
)
"""Clouds and haze."""

"""Whether a picture shows anything: black and white areas, clipped values, no contrast."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic
from rsviewer.core.checks.picture import Picture, pictures, tones_of, with_radar
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerSpec

_TOP = 254
"""Grey level from which on a pixel of 8 bits counts as clipped: codecs miss 255 by one."""
_FEW = 64
"""Pixels that must show something before anything is said of the range."""
_REPEATED = 0.005
"""Share of the pixels that must hold the very largest value before it is taken for a limit and not for the brightest roof."""


def _black_area(subject: Subject) -> Iterator[Sign]:
    for spec, picture in with_radar(subject):
        share = _largest(picture.black)
        yield _sign(subject, spec, share, f"{share:.1f} % of the image are one black area", picture.black)


def _white_area(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        share = _largest(picture.white)
        yield _sign(subject, spec, share, f"{share:.1f} % of the image are one white area", picture.white)


def _saturation(subject: Subject) -> Iterator[Sign]:
    for spec, picture in with_radar(subject):
        clipped = _clipped(subject, spec, picture)
        known = clipped.size if picture.valid is None else int(np.count_nonzero(picture.valid))
        share = 100.0 * float(np.count_nonzero(clipped)) / max(known, 1)
        yield _sign(subject, spec, share, f"{share:.1f} % of the image are as bright as numbers go", clipped)


def _low_contrast(subject: Subject) -> Iterator[Sign]:
    for spec, picture in pictures(subject):
        if picture.seen < 0.05 or subject.raster(spec.id).pixels.dtype != np.uint8:
            continue
        tones = tones_of(subject, picture)
        if tones.count < _FEW:
            continue
        levels = max(high - low for low, high in zip(tones.lowest, tones.highest, strict=True))
        yield Sign(255.0 / max(levels, 1), f"no band uses more than {levels} of 255 grey levels", spec.id)


def _sign(subject: Subject, spec: LayerSpec, score: float, message: str, where: NDArray[np.bool_] | None) -> Sign:
    shown = where is not None and subject.wants_evidence and score > 0
    return Sign(score, message, spec.id, Evidence(spec.id, where) if shown else None)


def _largest(where: NDArray[np.bool_] | None) -> float:
    """The largest connected part of an area, in percent of the picture."""
    if where is None:
        return 0.0
    step = max(1, max(where.shape) // 256)
    thin = np.ascontiguousarray(where[::step, ::step]).view(np.uint8)
    labels = np.asarray(cv2.connectedComponents(thin, connectivity=8)[1])
    areas = np.bincount(labels.ravel())[1:]
    return 100.0 * float(areas.max()) / thin.size if areas.size else 0.0


def _clipped(subject: Subject, spec: LayerSpec, picture: Picture) -> NDArray[np.bool_]:
    """Where all shown bands are at the top of what their numbers can hold."""
    raster = subject.raster(spec.id)
    if raster.pixels.dtype == np.uint8:
        at_top = picture.darkest >= _TOP
        return at_top if picture.valid is None else at_top & picture.valid
    chosen = [band for band in spec.display_bands or range(min(3, raster.bands)) if band < raster.bands] or [0]
    found = np.ones(raster.pixels.shape[1:], bool) if picture.valid is None else picture.valid.copy()
    for band in chosen:
        values = raster.pixels[band]
        if values.dtype.kind not in "fiu":
            return np.zeros_like(found)
        usable = np.isfinite(values) if picture.valid is None else picture.valid & np.isfinite(values)
        highest = values.max(initial=0, where=usable)
        at_top = (values == highest) & usable
        if highest <= 0 or np.count_nonzero(at_top) < _REPEATED * at_top.size or at_top.sum() == usable.sum():
            return np.zeros_like(found)
        found &= at_top
    return found


CHECKS: tuple[Check, ...] = (
    Check(
        id="black_area",
        title="Black area in the image",
        topic=Topic.IMAGES,
        unit="%",
        help="Share of the image that is one connected area without any light, and not declared as nodata.",
        tag="void",
        least=1.5,
        why="Shadows and water keep some light; where mosaics end within most tiles, the dataset's own median allows for it.",
        spread=8.0,
        most=60.0,
        run=_black_area,
    ),
    Check(
        id="white_area",
        title="White area in the image",
        topic=Topic.IMAGES,
        unit="%",
        help="Share of the image that is one connected area of nothing but full light.",
        tag="void",
        least=6.0,
        why="The largest white roofs that are seen so take up some percent of a tile; lost lines and filled gaps take up more.",
        spread=8.0,
        most=60.0,
        run=_white_area,
    ),
    Check(
        id="saturation",
        title="Image overexposed",
        topic=Topic.IMAGES,
        unit="%",
        help="Share of the pixels at the top of the range of values in all shown bands.",
        tag="other",
        least=10.0,
        why="Stretching cuts off 1 or 2 %, snow and roofs some more; the dataset's own median is allowed for.",
        spread=8.0,
        most=60.0,
        run=_saturation,
    ),
    Check(
        id="low_contrast",
        title="Image without contrast",
        topic=Topic.IMAGES,
        unit="times",
        help="How many times narrower than 255 grey levels the range (1st to 99th percentile) of the richest band is.",
        tag="blur",
        least=20.0,
        why="Eyes tell few things apart in 13 grey levels; dark datasets are allowed for by their own median.",
        spread=6.0,
        most=85.0,
        run=_low_contrast,
    ),
)
"""Black, white, clipped, flat."""

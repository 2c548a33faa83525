"""Whether change masks fit the two pictures that they are made from.

Light, season and shadows change everything between two dates, and most of it is no change that anybody marks. So pictures are
compared by their structure: the local correlation of brightness and colours, which knows no offset, in windows of some nine
pixels of copies of at most 128 pixels a side. Even so it depends on the pictures how well unchanged places agree, so that what
stands out is measured against the tile's own agreement.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check, Evidence, Sign, Topic
from rsviewer.core.checks.explaining import channels, colours, fit, independent
from rsviewer.core.checks.subject import Plane, Subject
from rsviewer.core.stretch import percentiles, real
from rsviewer.core.tile import LayerKind, LayerSpec

_SMALL = 128
_SMALLEST = 24
"""Pixels a side below which there is nothing to compare."""
_SIGMA, _WINDOW = 0.95, 7
"""Of the windows, pixels of half that copy: standard deviation, and where they end."""
_EVERY = 2
"""Rows that are enough to tell mean and spread of a picture; and columns, too, to tell a median."""
_NOISE = 6.0
"""Standard deviation of brightness (0..255) that may be grain and compression."""
_DIFFERENT, _SAME = 0.2, 0.7
"""Correlation below which two structures have nothing in common, and above which they are the same."""
_NEAR = 0.25
"""Differences of brightness, as a share of its standard deviation, that light alone makes."""
_GAIN = 3.0
"""So much contrast is made up for, at most: what is more is haze, and grain below it."""
_COMPACT = 5
"""Pixels that a changed place is wide at least."""
_STANDS_OUT = 3.0
"""Scaled median absolute deviations below the median of the tile from which on a place stands out."""
_WEIGHT = 20.0
"""So many times a place counts that stands out in a tile that agrees elsewhere: 1 % of it is then as bad as 20 % of one that
does not."""
_EMPTY = 0.1
"""Percent of marked pixels below which a mask is nearly empty."""
_DOUBT = 30
"""Marked pixels of the small copy at which a mask counts half."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two dates on one grid, and a mask.

    Attributes:
        pre, post: brightness; before has the mean and the spread of after.
        colours: two differences of colours at both dates, the same; none where they are not compared.
        changed: (rows, columns) bool.
        known: where the mask and both pictures are valid.
        agreement: local correlation, -1..1.
        structured: where there is structure at either date.
        same: where both dates look the same.
    """

    pre: Plane
    post: Plane
    colours: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]
    changed: NDArray[np.bool_]
    known: NDArray[np.bool_]
    agreement: NDArray[np.float32]
    structured: NDArray[np.bool_]
    same: NDArray[np.bool_]


def marked_share(subject: Subject) -> float:
    """How much of a tile its change masks mark, 0..1; the one that marks the most, and 0 where there is none."""
    return max((_marked(subject, spec) for spec in _masks(subject)), default=0.0) / 100.0


def _change_missed(subject: Subject) -> Iterator[Sign]:
    for spec, pair in _pairs(subject):
        if _marked(subject, spec) > _EMPTY:
            continue
        where = pair.structured & pair.known
        if np.count_nonzero(where) < _SMALLEST:
            yield Sign(0.0, "the images have no structure to compare", spec.id)
            continue
        agreements = _thinned(pair.agreement, where)
        (usual,) = percentiles(agreements, (50.0,))
        spread = 1.4826 * percentiles(np.abs(agreements - np.float32(usual)), (50.0,))[0]
        gone = _compact(where & (pair.agreement < _DIFFERENT))
        cut = min(_DIFFERENT, usual - _STANDS_OUT * spread)
        outstanding = gone if cut == _DIFFERENT else _compact(where & (pair.agreement < cut))
        share, standing_out = (100.0 * int(np.count_nonzero(each)) / gone.size for each in (gone, outstanding))
        score = max(share, min(100.0, _WEIGHT * standing_out))
        message = (
            f"nothing is marked, but {share:.1f} % of the images have no structure in common "
            f"(correlation elsewhere {usual:.2f})"
        )
        yield Sign(score, message, spec.id, _evidence(subject, outstanding if standing_out else gone))


def _change_full(subject: Subject) -> Iterator[Sign]:
    for spec in _masks(subject):
        marked = _marked(subject, spec)
        message = "everything is marked as changed" if marked == 100.0 else f"{marked:.1f} % are marked as changed"
        evidence = Evidence(spec.id, boxes=((0.0, 0.0, 1.0, 1.0),)) if subject.wants_evidence else None
        yield Sign(marked, message, spec.id, evidence)


def _change_unfounded(subject: Subject) -> Iterator[Sign]:
    for spec, pair in _pairs(subject):
        box = np.ones((3, 3), np.uint8)
        inner = cv2.erode(pair.changed.view(np.uint8), box, borderType=cv2.BORDER_REPLICATE).view(bool) & pair.known
        marked = int(np.count_nonzero(inner))
        if not marked:
            continue
        alike = inner & pair.same
        share = int(np.count_nonzero(alike)) / marked
        message = f"{100 * share:.0f} % of what is marked look the same at both dates"
        yield Sign(100.0 * share * marked / (marked + _DOUBT), message, spec.id, _evidence(subject, alike))


def _change_mismatch(subject: Subject) -> Iterator[Sign]:
    for spec, pair in _pairs(subject):
        found = fit(pair.changed.view(np.uint8), 2, partial(_channels, pair))
        if found is None:
            continue
        message = (
            f"marked and unmarked places differ no more ({100 * found.as_is:.1f} % of what the images show) "
            f"than with the mask laid over them anyhow ({100 * found.chance:.1f} %)"
        )
        score = 100.0 * min(2.0, found.chance / max(found.as_is, 1e-6))
        yield Sign(score, message, spec.id, _evidence(subject, pair.changed))


# --- the pair


def _masks(subject: Subject) -> list[LayerSpec]:
    """The change masks: not those of clouds, say."""
    if subject.dates is None:
        return []
    return [spec for spec in subject.rasters(LayerKind.MASK) if _is_of_change(spec)]


def _is_of_change(spec: LayerSpec) -> bool:
    names = f"{spec.id} {spec.title}".lower()
    return "cloud" not in names and (
        "change" in names or not spec.classes or any("change" in one.name.lower() for one in spec.classes)
    )


def _marked(subject: Subject, spec: LayerSpec) -> float:
    """Percent of the valid pixels of a mask; 0 where there are none."""

    def made() -> float:
        raster = subject.raster(spec.id)
        values, valid = raster.pixels[0], raster.valid[0]
        count = valid.size if set(raster.valid.strides) == {0} and valid.flat[0] else int(np.count_nonzero(valid))
        changed = _changed(values, None if count == valid.size else valid, spec)
        return 100.0 * int(np.count_nonzero(changed)) / max(1, count)

    return subject.shared(("marked", spec.id), made)


def _changed(values: NDArray[Any], valid: NDArray[np.bool_] | None, spec: LayerSpec) -> NDArray[np.bool_]:
    """Where a mask says so: all but its first state, which is "no change", and what is void. None is valid everywhere."""
    states = [one.value for one in spec.classes if not one.void]
    numbers = real(values)
    changed = numbers != (states[0] if states else 0)
    if valid is not None:
        changed = changed & valid
    for one in spec.classes:
        if one.void:
            changed &= numbers != one.value
    return cast("NDArray[np.bool_]", changed)


def _pairs(subject: Subject) -> Iterator[tuple[LayerSpec, _Pair]]:
    for spec in _masks(subject):
        pair = subject.shared(("change pair", spec.id), partial(_pair, subject, spec))
        if pair is not None:
            yield spec, pair


def _pair(subject: Subject, spec: LayerSpec) -> _Pair | None:
    dates = subject.dates
    if dates is None:
        return None
    before, post = subject.plane_on(dates[0].id, dates[1].id, _SMALL), subject.plane(dates[1].id, _SMALL)
    rows, columns = post.values.shape
    if min(rows, columns) < _SMALLEST:
        return None
    values, valid = subject.labels_on(spec.id, dates[1].id, _SMALL)
    values, valid = values[:rows, :columns], valid[:rows, :columns]
    if values.shape != post.values.shape:
        return None
    seen = before.valid & post.valid
    if np.count_nonzero(seen) < _SMALLEST * _SMALLEST:
        return None
    where = None if before.share == post.share == 1.0 else seen.view(np.uint8)[::_EVERY]
    parts, total = [], 0.0
    for one, other in ((before.values, post.values), *_colour(subject, dates)):
        alike, spread = _alike(one, other, where)
        parts.append((alike, other))
        total += spread * spread
    agreement, contrast, difference = _compared(parts)
    structured = contrast > (2 * _NOISE) ** 2
    same = (structured & (agreement > _SAME)) | (~structured & (difference < _NEAR * total**0.5))
    pre = Plane(parts[0][0], before.valid, before.step, before.share)
    changed = _changed(values, valid, spec)
    return _Pair(pre, post, parts[1:], changed, seen & valid, agreement, structured, same)


def _channels(pair: _Pair) -> NDArray[np.float32]:
    """What tells changed places from others: what is there at either date, and how much brightness differs.

    Made independent of each other: so much of what pictures show is light and dark that what a change is, water in place of a
    meadow as dark, would hardly count beside it (P. Mahalanobis, On the generalised distance in statistics, 1936).
    """
    apart = cast("NDArray[np.float32]", cv2.absdiff(pair.pre.values, pair.post.values))
    hues = [each for dates in pair.colours for each in dates]
    valid = pair.pre.valid & pair.post.valid
    return independent(channels([pair.pre.values, pair.post.values, apart], valid, others=hues))


def _colour(
    subject: Subject, dates: tuple[LayerSpec, LayerSpec]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Two differences of colours at both dates; none where they are not 8-bit colours on one grid.

    Many a roof is as bright as the meadow that it stands on.
    """
    one, other = (subject.raster(spec.id) for spec in dates)
    if one.pixels.shape != other.pixels.shape or one.transform != other.transform:
        return []
    if any(raster.pixels.dtype != np.uint8 for raster in (one, other)):
        return []
    bands = [[band.astype(np.float32) for band in colours(subject, spec, _SMALL)] for spec in dates]
    if any(len(each) != 3 for each in bands):
        return []
    found = [(red - green, blue - (red + green) / 2) for red, green, blue in bands]
    return list(zip(*found, strict=True))


def _alike(
    pre: NDArray[np.float32], post: NDArray[np.float32], where: NDArray[np.uint8] | None
) -> tuple[NDArray[np.float32], float]:
    """The values before with the mean and the standard deviation of those after; and that deviation."""
    (mean, spread), (wanted, wide) = (_mean_and_spread(each[::_EVERY], where) for each in (pre, post))
    gain = min(_GAIN, max(wide, 1.0) / max(spread, 1.0))
    return pre * np.float32(gain) + np.float32(wanted - gain * mean), wide


def _mean_and_spread(values: NDArray[np.float32], where: NDArray[np.uint8] | None) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(values, mask=where)
    return float(mean[0, 0]), float(spread[0, 0])


def _compared(
    parts: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The correlation of two dates over all parts, the larger of their variances, and how far apart they are, in windows.

    What is as smooth as that loses nothing when it is worked out for every second row and column.
    """
    means = [(_smooth(pre), _smooth(post)) for pre, post in parts]
    before, after, together = (
        _smooth(each) - mean for each, mean in zip(_products(parts), _products(means), strict=True)
    )
    before, after = np.maximum(before, 0), np.maximum(after, 0)
    apart = cast("NDArray[np.float32]", sum(np.square(pre - post) for pre, post in means))
    grain = np.float32(_NOISE * _NOISE / 2)
    scale = np.sqrt((before + grain) * (after + grain))
    rows, columns = parts[0][0].shape
    found = [
        cv2.resize(each, (columns, rows), interpolation=cv2.INTER_LINEAR)
        for each in (together / scale, np.maximum(before, after), np.sqrt(apart))
    ]
    return cast("tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]", tuple(found))


def _products(
    parts: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> list[NDArray[np.float32]]:
    """Squares before, squares after, products of both: each summed over the parts."""
    sums = [np.zeros_like(parts[0][0]) for _ in range(3)]
    for pre, post in parts:
        for total, one, other in zip(sums, (pre, post, pre), (pre, post, post), strict=True):
            cv2.accumulateProduct(one, other, total)
    return sums


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means in windows, at half the pixels a side."""
    rows, columns = values.shape
    half = cv2.resize(values, ((columns + 1) // 2, (rows + 1) // 2), interpolation=cv2.INTER_AREA)
    return cast("NDArray[np.float32]", cv2.GaussianBlur(half, (_WINDOW, _WINDOW), _SIGMA))


def _thinned(values: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Some of the values in a place that has some; as many as a median needs."""
    chosen = values[::_EVERY, ::_EVERY][where[::_EVERY, ::_EVERY]]
    return chosen if chosen.size else values[where]


def _compact(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without what is narrow: edges that shadows or half a pixel of shift make."""
    box = np.ones((_COMPACT, _COMPACT), np.uint8)
    return cv2.morphologyEx(where.view(np.uint8), cv2.MORPH_OPEN, box).view(bool)


def _evidence(subject: Subject, where: NDArray[np.bool_]) -> Evidence | None:
    dates = subject.dates
    return Evidence(dates[1].id, where) if dates is not None and subject.wants_evidence else None


CHECKS: tuple[Check, ...] = (
    Check(
        "change_missed",
        "Change mask empty although the images differ",
        Topic.CHANGE,
        "%",
        "Where a mask is empty: how much of the tile lost its structure; 20 times as much where the rest agrees.",
        "wrong-change",
        least=22.0,
        why="Other light and shadows alone change some 15 % of real pairs; where empty masks see more, more than usual.",
        spread=5.0,
        most=75.0,
        run=_change_missed,
    ),
    Check(
        "change_full",
        "Change mask full",
        Topic.CHANGE,
        "%",
        "Marked pixels.",
        "wrong-change",
        least=95.0,
        why="Hardly a place changes everywhere; new quarters of towns fill two thirds of a tile.",
        sharpness=8.0,
        run=_change_full,
    ),
    Check(
        "change_unfounded",
        "Change marked where nothing changed",
        Topic.CHANGE,
        "%",
        "How much of what is marked looks the same at both dates, less for few pixels.",
        "wrong-change",
        least=65.0,
        why="Two thirds of it; edges of marked places, and roofs that came in the colour of what was there, are less.",
        spread=6.0,
        run=_change_unfounded,
    ),
    Check(
        "change_mismatch",
        "Change mask unrelated to the images",
        Topic.CHANGE,
        "%",
        "What the mask explains of the images' variation when laid over them anyhow, of what it explains as it lies.",
        "wrong-change",
        least=65.0,
        why="100 % is chance; masks that belong to their images explain 1.7 times as much or more, as a rule four times.",
        spread=3.0,
        most=110.0,
        sharpness=8.0,
        run=_change_mismatch,
    ),
)

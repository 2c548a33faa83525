"""From the scores of many checks to one number for a tile: how likely is it that something is wrong with it?"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import Check
from rsviewer.core.tile import LayerSpec, TileId

SUSPICIOUS = 0.5
"""From here on a tile counts as suspicious: where a score is its threshold."""
WORTH = 0.5
"""Share of a check's `lowest` from which on its message is kept: thresholds never fall below `lowest`."""
ABOVE = 1.1
"""Times the median a threshold is at least: what most tiles have is usual, also where all have exactly the same."""
SAMPLE = 1 << 16
"""Tiles that tell a threshold well enough: their median is off by half a hundredth of a standard deviation."""
CALM_SHARE, CALM_TIMES = 0.95, 2.0
"""Share of the tiles of a calm group, and by how much a threshold is above all these: few others are usual there, or bad."""
TO_DEVIATION = 1.4826
"""Times a median absolute deviation is the standard deviation of a normal distribution."""

Trait: TypeAlias = float | int | str | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What a check found, in words: see `core.checks.check.Sign`."""

    message: str
    layer: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What looking at one tile told.

    Attributes:
        tile: which.
        scores: check -> largest score; checks that apply to nothing in the tile are absent.
        notes: check -> what was found; only for scores of at least `WORTH` times the check's `least`.
        traits: what the checks of the whole dataset want to know, see `core.checks.traits`.
        milliseconds: check -> what it took. Every check that was run is among them, also where it applies to nothing.
        failed: why the tile could not be examined at all, as a sentence; empty where it was.
        state: of its files when it was examined, 64 bits that differ once they change; 0 where nobody knows.
    """

    tile: TileId
    scores: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)
    traits: Mapping[str, Trait] = field(default_factory=dict)
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""
    state: int = 0


@dataclass(frozen=True, slots=True)
class Threshold:
    """Above which score a check is suspicious, in one group of a dataset.

    Attributes:
        check: its id.
        group: empty for all tiles whose group has none of its own.
        value: the threshold.
        tiles, median, deviation: what it was estimated from, `deviation` being the scaled median absolute one. 0 tiles where
            it is fixed.
    """

    check: str
    group: str
    value: float
    tiles: int = 0
    median: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a tile is suspicious.

    Attributes:
        check: id.
        score, threshold: in the unit of the check.
        certainty: 0..1, see `certainty`.
        message: a clause; empty where none was kept.
        layer: which is to blame; empty for the tile.
        refuted: somebody has said that it is none.
        settled: it is about the tile and others together, and all those are dropped.
    """

    check: str
    score: float
    threshold: float
    certainty: float
    message: str = ""
    layer: str = ""
    refuted: bool = False
    settled: bool = False

    @property
    def counts(self) -> bool:
        """Whether it makes the tile suspicious."""
        return not self.answer

    @property
    def answer(self) -> str:
        """Why it does not count, in words; empty where it does."""
        return "refuted" if self.refuted else "settled: the other one is dropped" if self.settled else ""


def words_of(reason: Reason, layers: Iterable[LayerSpec]) -> str:
    """What was found, behind the layer that is to blame where the words do not name it; empty where none were kept.

    Args:
        reason: why a tile is suspicious.
        layers: of the dataset: people know them by their titles.
    """
    title = next((spec.title for spec in layers if spec.id == reason.layer), reason.layer)
    names = "|".join(re.escape(name) for name in (title, reason.layer) if name)
    is_named = not names or re.search(rf"(?<!\w)({names})(?!\w)", reason.message, re.IGNORECASE)
    return reason.message if is_named or not reason.message else f"{title}: {reason.message}"


def threshold_of(check: Check, scores: NDArray[np.floating], group: str = "") -> Threshold:
    """What is suspicious among these scores.

    Args:
        check: whose.
        scores: of any shape; NaN where the check does not apply.
        group: whose tiles these are.
    """
    known = scores[np.isfinite(scores)]
    if check.rare is not None:
        alone = known.size >= check.enough and float(np.mean(known > check.least)) <= check.rare
        return (
            Threshold(check.id, group, check.least, int(known.size))
            if alone
            else Threshold(check.id, group, check.most)
        )
    if check.spread is None or known.size < check.enough:
        return Threshold(check.id, group, check.least)
    median, deviation = center_and_spread(known)
    usual = max(median + check.spread * deviation, ABOVE * median)
    least = check.least
    if check.calm is not None:
        least = float(np.clip(CALM_TIMES * float(np.quantile(known, CALM_SHARE)), check.calm, least))
    value = float(np.clip(usual, least, check.most))
    return Threshold(check.id, group, value, int(known.size), median, deviation)


def thresholds_of(
    check: Check,
    places: NDArray[np.integer],
    scores: NDArray[np.floating],
    groups: NDArray[np.int32],
    names: Sequence[str],
) -> list[Threshold]:
    """What is suspicious in a dataset: for all tiles, and for every group that is large enough to say so itself.

    The threshold of a large group is estimated from `SAMPLE` of its tiles that are evenly spread over it.

    Args:
        check: whose.
        places: (n,) of the tiles that it applies to, ascending.
        scores: (n,) theirs.
        groups: (tiles,) number of the group of every tile; empty where there are no groups.
        names: of the groups.
    """
    together = check.spread is None or len(names) < 2 or not groups.size
    # What holds for most tiles of a dataset need not hold for a group of a few: it cannot say that it is calm.
    asked = check if together else replace(check, calm=None)
    found = [_counted(threshold_of(asked, thinned(scores)), scores.size)]
    if together:
        return found
    of_group = groups[places]
    order = np.argsort(of_group, kind="stable")
    starts = np.searchsorted(of_group[order], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        members = order[starts[number] : starts[number + 1]]
        if members.size >= check.enough:
            found.append(_counted(threshold_of(check, scores[thinned(members)], name), members.size))
    return found


def thinned(values: NDArray[Any]) -> NDArray[Any]:
    """At most about `SAMPLE` of many, evenly spread."""
    return values[:: max(1, -(-values.shape[0] // SAMPLE))]


def _counted(threshold: Threshold, tiles: int) -> Threshold:
    return replace(threshold, tiles=threshold.tiles and tiles)


def center_and_spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """The median, and the median absolute deviation scaled to a standard one. Of at least one number, all finite."""
    values = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):
        median = float(np.median(values))
        return median, TO_DEVIATION * float(np.median(np.abs(values - median)))


def certainty(
    check: Check, scores: NDArray[np.floating], thresholds: NDArray[np.floating] | float
) -> NDArray[np.float64]:
    """How sure a score makes one, 0..1: `SUSPICIOUS` at the threshold, 0 for a score of 0 and for NaN.

    Args:
        check: whose `sharpness` counts.
        scores: of any shape.
        thresholds: above 0, of a shape that fits.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = np.asarray(scores, np.float64) / thresholds
        found = 1.0 / (1.0 + _power(ratio, -check.sharpness))
    return np.where(ratio > 0, found, 0.0)


def _power(ratio: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """`ratio` ** `exponent`; ten times as fast as numpy where repeated squares will do, and there are millions of tiles."""
    times = math.log2(abs(exponent)) if exponent else 0.5
    if not times.is_integer() or times < 0:
        return np.asarray(ratio**exponent)
    raised = ratio
    for _ in range(int(times)):
        raised = np.square(raised)
    return raised if exponent > 0 else 1.0 / raised


def combined(certainties: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One suspicion from those of many checks, 0..1.

    Those that are suspicious by themselves are taken as independent ("noisy or"); where none is, the largest counts: forty
    small doubts do not make a suspicion.

    Args:
        certainties: of each check, all of one shape.
    """
    passed = np.ones_like(certainties[0])
    largest = np.zeros_like(certainties[0])
    for each in certainties:
        passed *= np.where(each >= SUSPICIOUS, 1.0 - each, 1.0)
        largest = np.maximum(largest, each)
    return np.maximum(1.0 - passed, largest)


def weigh(
    scores: Mapping[Check, NDArray[np.floating]],
    thresholds: Mapping[str, NDArray[np.floating] | float],
    refuted: Mapping[str, Sequence[int]],
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.intp]]]:
    """How suspicious tiles are, and which checks say so.

    Args:
        scores: check -> (n,) its score for each of the tiles, NaN where it does not apply.
        thresholds: check -> (n,) threshold for each of the tiles, or the one for all.
        refuted: check -> places among the tiles where a person has refuted it: there it counts for nothing.

    Returns:
        (n,) suspicions, 0..1; and check -> places of the tiles that it makes suspicious, checks without any left out.
    """
    certainties = []
    suspects = {}
    for check, values in scores.items():
        found = certainty(check, values, thresholds[check.id])
        found[refuted.get(check.id, [])] = 0.0
        certainties.append(found)
        places = np.flatnonzero(found >= SUSPICIOUS)
        if places.size:
            suspects[check.id] = places
    return combined(certainties).astype(np.float32), suspects

"""How well suspicions tell spoilt tiles from clean ones, where an answer key says which are which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

PREVALENCE = 0.05
"""Share of bad tiles in the dataset that a reviewer is thought to have."""
LOOKED_AT = 0.10
"""Share of that dataset that the reviewer looks at, the most suspicious first."""


@dataclass(frozen=True, slots=True)
class Found:
    """How well the tiles with one kind of defect are found.

    Attributes:
        tiles: with the defect.
        auc: chance that one of them is more suspicious than a clean tile, equal ones counting half: the area under the
            receiver operating characteristic (Hanley and McNeil 1982).
        in_first: share of them that is found by who looks at the first `LOOKED_AT` of a dataset of which `PREVALENCE` is bad.
        above: share of them above the threshold.
    """

    tiles: int
    auc: float
    in_first: float
    above: float


def area_under_curve(bad: Sequence[float], clean: Sequence[float]) -> float:
    """See `Found.auc`. Both must hold something."""
    ranks = rankdata(np.concatenate([bad, clean]))
    wins = float(ranks[: len(bad)].sum()) - len(bad) * (len(bad) + 1) / 2
    return wins / (len(bad) * len(clean))


def found_in_first(
    bad: NDArray[np.floating],
    clean: NDArray[np.floating],
    every_bad: NDArray[np.floating],
    prevalence: float = PREVALENCE,
    looked_at: float = LOOKED_AT,
) -> float:
    """Share of `bad` among the most suspicious tiles of a dataset in which `every_bad` and `clean` are as frequent as is said.

    Whatever the shares of the tiles at hand: each counts for as many as it stands for. Of tiles of the same suspicion, the
    part that still finds room is found.
    """
    values = np.concatenate([every_bad, clean])
    weights = np.concatenate(
        [np.full(len(every_bad), prevalence / len(every_bad)), np.full(len(clean), (1 - prevalence) / len(clean))]
    )
    order = np.argsort(-values, kind="stable")
    cut = values[order][min(int(np.searchsorted(np.cumsum(weights[order]), looked_at)), len(values) - 1)]
    before, at_cut = float(weights[values > cut].sum()), float(weights[values == cut].sum())
    room = min(1.0, max(0.0, (looked_at - before) / at_cut)) if at_cut else 0.0
    return float(np.mean(bad > cut)) + room * float(np.mean(bad == cut))


def evaluate(
    suspicions: Mapping[str, float], defects: Mapping[str, str], threshold: float
) -> tuple[dict[str, Found], Found, float]:
    """How well each kind of defect is found, how well any, and the share of clean tiles above the threshold.

    Args:
        suspicions: tile -> 0..1.
        defects: tile -> kind, for all tiles that are spoilt. Those without a suspicion are not counted.
        threshold: of the suspicion.

    Raises:
        ValueError: there is no clean tile, or no spoilt one.
    """
    clean = np.array([value for tile, value in suspicions.items() if tile not in defects])
    by_kind: dict[str, list[float]] = {}
    for tile, kind in defects.items():
        if tile in suspicions:
            by_kind.setdefault(kind, []).append(suspicions[tile])
    if not clean.size or not by_kind:
        raise ValueError("there must be clean tiles and spoilt ones")
    every = np.concatenate([np.array(values) for values in by_kind.values()])

    def judged(bad: NDArray[np.floating]) -> Found:
        share = found_in_first(bad, clean, every)
        return Found(len(bad), area_under_curve(bad.tolist(), clean.tolist()), share, float(np.mean(bad >= threshold)))

    kinds = {kind: judged(np.array(values)) for kind, values in sorted(by_kind.items())}
    return kinds, judged(every), float(np.mean(clean >= threshold))

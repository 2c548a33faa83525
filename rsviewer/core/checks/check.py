"""What a check is, and what it says of a tile."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerId

Box: TypeAlias = tuple[float, float, float, float]
"""(left, top, right, bottom) as parts of a layer's extent, 0..1, row 0 at the top."""


ENOUGH = 30
"""Tiles that tell what is usual in a dataset or a group."""


class Topic(StrEnum):
    """What checks are about, in the order in which they are listed."""

    FILES = "files"
    IMAGES = "images"
    HEIGHTS = "heights"
    LABELS = "labels"
    CHANGE = "change"
    ALIGNMENT = "alignment"
    DATASET = "dataset"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Where in a tile.

    Attributes:
        layer: over whose extent it lies.
        mask: (rows, columns) bool of any size, over the whole extent; None where boxes say it.
        boxes: see `Box`.
    """

    layer: LayerId
    mask: NDArray[np.bool_] | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sign:
    """How much speaks for one suspicion on one tile.

    Attributes:
        score: in the unit of the check, 0 or more; the larger, the worse.
        message: what was found as a clause, with numbers: "heights lie 6.3 px east of the image, confidence 0.90". It is shown
            after the title of the check, and only where the score is worth a thought.
        layer: which is to blame; empty for the tile as a whole.
        evidence: where; None where the question makes no sense or nobody asked (`Subject.wants_evidence`).
    """

    score: float
    message: str
    layer: str = ""
    evidence: Evidence | None = None


Run: TypeAlias = Callable[[Subject], Iterable[Sign]]
"""Looks at one tile. One sign for every layer (or pair of layers) that the check applies to, also with a score of 0; none where
it applies to nothing: then nobody can say that the tile passed it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One suspicion.

    A score above the threshold is suspicious. Where a dataset is to say itself what is usual (`spread` is given), the threshold
    is its median plus `spread` times its median absolute deviation (scaled to a standard deviation), but clearly above the
    median, by group where groups are large enough, and always within `least` and `most`; else it is `least`. See also `calm`.

    Attributes:
        id: a lower-case identifier, for ever: commands, filters (`check_<id>`), and refutations of people name it.
        title: "Heights shifted against the image".
        topic: what it is about.
        unit: of the score, as written after a number: "px", "%", "m"; empty for a mere number.
        help: what the score is, one sentence.
        tag: the anomaly tag that confirming it puts on the tile, one of `core.review.ANOMALIES`.
        least: see above. With `spread`: no score below it is ever suspicious, but for `calm`.
        why: the reason for the threshold, one sentence, with a source where there is one.
        spread: see above; None where the threshold is fixed.
        most: see above.
        sharpness: how fast a score beyond the threshold becomes certain: 2 for weak evidence, 4 as a rule, 8 for facts.
        run: looks at a tile; None for checks that only the whole dataset can answer, see `core.checks.crowd`.
        enough: tiles that a dataset or a group needs to have a threshold of its own.
        calm: what stands for `least` where hardly any tile of a dataset or a group has scores near it, so that the same score
            means more than elsewhere; None where it does not. Groups too small to say so have `least`.
        rare: where at most this share of a dataset has scores above `least`, that is the threshold, else it is `most`: what
            happens nowhere else needs less to be suspicious. None where that makes no difference.
    """

    id: str
    title: str
    topic: Topic
    unit: str
    help: str
    tag: str
    least: float
    why: str
    spread: float | None = None
    most: float = field(default=float("inf"))
    sharpness: float = 4.0
    run: Run | None = None
    enough: int = ENOUGH
    rare: float | None = None
    calm: float | None = None

    @property
    def lowest(self) -> float:
        """No threshold is below it."""
        return self.least if self.calm is None else self.calm


def percent(value: float) -> str:
    """As messages say it: 0.05 %, 3.6 %, 59 %."""
    return f"{value:.2g} %" if abs(value) < 9.95 else f"{value:.0f} %"


def amount(value: float, unit: str) -> str:
    """As messages say it: 0.35 m, 212 m, 17,480 m; with an exponent only where nobody would count the digits."""
    value += 0.0  # nobody says -0
    digits = f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.2g}"
    return f"{digits} {unit}"

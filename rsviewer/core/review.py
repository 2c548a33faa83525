"""The human work on a tile: verdict, anomaly tags, regions, note; and the edits that change them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rsviewer.core.tile import TileId


class Verdict(StrEnum):
    """What the reviewer decided."""

    UNDECIDED = "undecided"
    GOOD = "good"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One kind of fault, as offered on the keys 1 to 9. The user owns the list and its order."""

    tag: str
    title: str


ANOMALIES: tuple[Anomaly, ...] = (
    Anomaly("cloud", "Cloud or haze"),
    Anomaly("void", "Void or nodata"),
    Anomaly("misaligned", "Layers misaligned"),
    Anomaly("wrong-height", "Heights wrong"),
    Anomaly("wrong-label", "Labels wrong"),
    Anomaly("wrong-change", "Change mask wrong"),
    Anomaly("artefact", "Stripes, seams, artefacts"),
    Anomaly("blur", "Blurred or dark"),
    Anomaly("other", "Other"),
)


@dataclass(frozen=True, slots=True)
class Region:
    """A marked part of a tile.

    Attributes:
        tag: the anomaly it shows.
        points: (x, y) in full-resolution pixels of the tile, x right, y down, (0, 0) the upper left corner of the upper
            left pixel. Two points are the opposite corners of a box; three or more are a polygon.
    """

    tag: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything a person has said about one tile.

    Attributes:
        verdict: good, drop or undecided.
        tags: anomaly tags, sorted, without repetition.
        regions: in the order in which they were drawn.
        note: free text.
        reviewer: who said it last.
        time: when, ISO 8601 with offset, to the second; empty where nothing was said.
        refuted: ids of checks (`core.checks`) whose suspicion the reviewer has looked at and found to be none, sorted.
    """

    verdict: Verdict = Verdict.UNDECIDED
    tags: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    note: str = ""
    reviewer: str = ""
    time: str = ""
    refuted: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to keep but who and when."""
        return self.verdict is Verdict.UNDECIDED and not (self.tags or self.regions or self.note or self.refuted)

    @property
    def is_flagged(self) -> bool:
        """True where the tile was dropped or has a tag or region."""
        return self.verdict is Verdict.DROP or bool(self.tags or self.regions)

    @property
    def anomalies(self) -> frozenset[str]:
        """The tags of the tile and of its regions."""
        return frozenset(self.tags).union(region.tag for region in self.regions)

    @property
    def is_reviewed(self) -> bool:
        """True where a verdict was given."""
        return self.verdict is not Verdict.UNDECIDED

    def toggled(self, tag: str) -> "Decision":
        """The decision with `tag` added, or taken away where it was there."""
        tags = set(self.tags) ^ {tag}
        return replace(self, tags=tuple(sorted(tags)))


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to one tile's decision. That is all of undo: the inverse swaps the two sides.

    Attributes:
        tile: whose.
        before, after: what was said of it, and what is.
        joined: made in one step with the edit before it, and so taken back and done again with it.
    """

    tile: TileId
    before: Decision
    after: Decision
    joined: bool = False

    def inverse(self) -> "Edit":
        """The edit that takes this one back."""
        return Edit(self.tile, self.after, self.before, self.joined)


def last_step(edits: Sequence[Edit]) -> list[Edit]:
    """The last edits that were made in one step, in their order; empty where there is none."""
    start = len(edits) - 1
    while start > 0 and edits[start].joined:
        start -= 1
    return list(edits[max(start, 0) :])


def last_steps(edits: Sequence[Edit], least: int) -> list[Edit]:
    """The last `least` edits, and those before them that were made in one step with the first of them."""
    start = max(len(edits) - least, 0)
    while 0 < start < len(edits) and edits[start].joined:
        start -= 1
    return list(edits[start:])


def to_plain(decision: Decision) -> dict[str, object]:
    """A decision as JSON knows it: text, numbers, lists, tables."""
    said: dict[str, object] = {
        "verdict": str(decision.verdict),
        "tags": list(decision.tags),
        "regions": [
            {"tag": region.tag, "points": [list(point) for point in region.points]} for region in decision.regions
        ],
        "note": decision.note,
        "reviewer": decision.reviewer,
        "time": decision.time,
    }
    if decision.refuted:  # decisions without one stay what they were before there were checks
        said["refuted"] = list(decision.refuted)
    return said


def from_plain(data: object) -> Decision:
    """A decision from what JSON gave, which may be anything; what is not named is empty.

    Raises TypeError or ValueError where it is no decision.
    """
    unknown = _table(data).keys() - _READERS.keys()
    if unknown:
        raise ValueError(f"a decision has no {', '.join(sorted(map(repr, unknown)))}")
    return Decision(**{name: _READERS[name](value) for name, value in _table(data).items()})


def describe(edit: Edit) -> str:
    """What an edit does, in a few words, e.g. "drop", "+cloud", "note"."""
    before, after = edit.before, edit.after
    words = []
    if before.verdict != after.verdict:
        words.append(str(after.verdict))
    words += [f"+{tag}" for tag in after.tags if tag not in before.tags]
    words += [f"-{tag}" for tag in before.tags if tag not in after.tags]
    if len(after.regions) > len(before.regions):
        words.append("region")
    elif before.regions != after.regions:
        words.append("region removed" if len(after.regions) < len(before.regions) else "region changed")
    words += [f"refuted {check}" for check in after.refuted if check not in before.refuted]
    words += [f"no longer refuted {check}" for check in before.refuted if check not in after.refuted]
    if before.note != after.note:
        words.append("note")
    return ", ".join(words) or "nothing"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not a table")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise TypeError(f"{value!r:.40} is not a finite number")
    return float(value)


def _point(value: object) -> tuple[float, float]:
    x, y = map(_number, _list(value))
    return x, y


def _region(value: object) -> Region:
    if _table(value).keys() != {"tag", "points"}:
        raise ValueError(f"{value!r:.40} is not a region")
    points = tuple(map(_point, _list(_table(value)["points"])))
    if len(points) < 2:
        raise ValueError("a region has fewer than two points")
    return Region(_text(_table(value)["tag"]), points)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "verdict": lambda value: Verdict(_text(value)),
    "tags": lambda value: tuple(map(_text, _list(value))),
    "regions": lambda value: tuple(map(_region, _list(value))),
    "note": _text,
    "reviewer": _text,
    "time": _text,
    "refuted": lambda value: tuple(map(_text, _list(value))),
}

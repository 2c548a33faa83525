"""The human work on a tile: verdict, anomaly tags, regions, note; and the edits that change them."""

from dataclasses import dataclass, replace
from enum import StrEnum

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
    """

    verdict: Verdict = Verdict.UNDECIDED
    tags: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    note: str = ""
    reviewer: str = ""
    time: str = ""

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to keep but who and when."""
        return self.verdict is Verdict.UNDECIDED and not (self.tags or self.regions or self.note)

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
    """A change to one tile's decision. That is all of undo: the inverse swaps the two sides."""

    tile: TileId
    before: Decision
    after: Decision

    def inverse(self) -> "Edit":
        """The edit that takes this one back."""
        return Edit(self.tile, self.after, self.before)


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
    if before.note != after.note:
        words.append("note")
    return ", ".join(words) or "nothing"

"""Split lists: read without losing a byte, cleaned without touching a line that stays."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SplitLine:
    """One line of a list.

    Attributes:
        raw: the bytes of the line with its line ending, exactly as in the file.
        text: the decoded line without ending and surrounding blanks; empty for a blank line.
    """

    raw: bytes
    text: str


@dataclass(frozen=True, slots=True)
class SplitList:
    """A list of tiles.

    Attributes:
        name: the split, e.g. "train" (the file's stem).
        path: where the file lies under the dataset's root, with "/" between the parts, e.g. "grid_g05_mid_v1/train.txt".
        group: the sub-dataset it belongs to; empty where there is none.
        lines: all lines, in order.
    """

    name: str
    path: str
    group: str
    lines: tuple[SplitLine, ...]

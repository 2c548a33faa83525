"""What the heights of a layer are measured from, as far as its name tells."""

import re
from collections.abc import Mapping
from enum import StrEnum


class HeightKind(StrEnum):
    """What a height says. The words are those of messages."""

    ABOVE_GROUND = "heights above ground"
    SURFACE = "heights of the surface"
    GROUND = "heights of the bare ground"
    ELEVATION = "elevations"


_ENDINGS: Mapping[str, HeightKind] = {
    "ndsm": HeightKind.ABOVE_GROUND,
    "ndem": HeightKind.ABOVE_GROUND,
    "chm": HeightKind.ABOVE_GROUND,
    "hag": HeightKind.ABOVE_GROUND,
    "agl": HeightKind.ABOVE_GROUND,
    "dsm": HeightKind.SURFACE,
    "dtm": HeightKind.GROUND,
    "dem": HeightKind.ELEVATION,
}
"""How the last letters of a word in an id or a title tell what heights are. The first row that fits decides."""


def height_kind(*names: str) -> HeightKind | None:
    """What names say that heights are; None where they do not."""
    words = [word for name in names for word in re.findall(r"[a-z]+", name.lower())]
    return next((kind for word in words for ending, kind in _ENDINGS.items() if word.endswith(ending)), None)

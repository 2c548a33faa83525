"""What is remembered of every tile, so that the dataset can be asked: who looks like whom, who is unlike all others."""

from collections.abc import Mapping
from enum import StrEnum

from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import Trait


class TraitKind(StrEnum):
    """How a trait is stored."""

    NUMBER = "number"
    HASH = "hash"
    """64 bits without a sign."""
    VECTOR = "vector"
    """Numbers, as many for every tile of a dataset."""
    WORD = "word"
    """One of few different texts."""


TRAITS: Mapping[str, TraitKind] = {
    "digest": TraitKind.HASH,
    "phash": TraitKind.HASH,
    "texture": TraitKind.NUMBER,
    "shares": TraitKind.VECTOR,
    "looks": TraitKind.VECTOR,
    "shape": TraitKind.WORD,
    "caption": TraitKind.HASH,
    "west": TraitKind.NUMBER,
    "south": TraitKind.NUMBER,
    "east": TraitKind.NUMBER,
    "north": TraitKind.NUMBER,
}
"""All of them. The last four, degrees of longitude and latitude (WGS 84), are found by whoever can turn coordinates."""


def traits_of(subject: Subject) -> dict[str, Trait]:
    """The traits of a tile but for its place on the map; absent where it has none."""
    raise NotImplementedError

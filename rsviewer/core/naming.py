"""Names of classes that mean the same: in other words, in the plural, with or without spaces."""

import re
from collections.abc import Mapping, Sequence

from rsviewer.core.tile import LabelClass

_SAME: Mapping[str, str] = {
    "grass": "rangeland",  # OpenEarthMap's paper, an older README of SynRS3D
    "pavement": "developedspace",
    "developed": "developedspace",
    "agriculture": "agricultureland",
    "agriculturalland": "agricultureland",
    "cropland": "agricultureland",
    "highvegetation": "tree",  # DFC19, as SynRS3D takes it
}
"""Name, as `_key` makes it -> another one for the same class."""

_GROUND = "ground"
_STANDING = frozenset({_GROUND, "tree", "building"})
"""The classes of RS3DAda's "combined" space. There ground is everything that is neither tree nor building."""

_ON_GROUND = frozenset(
    {"bareland", "rangeland", "developedspace", "road", "water", "agricultureland"}  # OpenEarthMap, SynRS3D
    | {"bridge", "elevatedroad"}  # DFC19
    | {"impervioussurface", "lowvegetation", "car", "clutter"}  # ISPRS
)
"""What is ground in the combined space (SynRS3D, utils/datasets_config.py)."""

_FEWEST = 2
"""Classes that must agree: one may do so by chance."""


def matched(model: Sequence[LabelClass], dataset: Sequence[LabelClass]) -> Mapping[int, int]:
    """Label of the dataset -> label of the model, by name, whatever the case and the plural; void ones are not in it.

    Some classes have several names (Grass is Rangeland), and one name may hold another in brackets. A model that knows nothing
    but ground, trees and buildings (or fewer of them) means everything else by ground.

    Empty where fewer than two classes agree: then the classes are different ones and cannot be compared.
    """
    labels: dict[str, int] = {}
    names = [(one, keys(one.name)) for one in model if not one.void]
    for one, known in names:
        for name in known:
            labels.setdefault(name, one.value)
    if _GROUND in labels and all(_STANDING.intersection(known) for _, known in names):
        labels |= dict.fromkeys(_ON_GROUND, labels[_GROUND])
    found: dict[int, int] = {}
    for one in dataset:
        label = next((labels[name] for name in keys(one.name) if name in labels), None)
        if label is not None and not one.void:
            found[one.value] = label
    return found if len(set(found.values())) >= _FEWEST else {}


def keys(name: str) -> tuple[str, ...]:
    """What a class is called, without case, spaces and plurals, the same for the same class: "Grass" -> rangeland.

    "Rangeland (Grass)" by the whole, without brackets, by what is in them.
    """
    bare, inside = re.sub(r"\([^)]*\)", " ", name), re.findall(r"\(([^)]*)\)", name)
    found = (_key(part) for part in (name, bare, *inside))
    return tuple(dict.fromkeys(_SAME.get(key, key) for key in found if key))


def _key(name: str) -> str:
    """A name without case, spaces, signs and plurals: "Bare Lands" -> bareland. Grass and impervious are no plurals."""
    words = re.findall(r"[^\W_]+", name.casefold())
    return "".join(re.sub(r"(?<=[^s][^su])s$", "", word) for word in words)

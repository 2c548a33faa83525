"""One class for each patch of SEN12MS, as its toolbox makes them for classification.

Source: https://github.com/schmitt-muc/SEN12MS, labels/single_label_IGBP{full,simple}_ClsNum.txt: "NAME.tif: 3" in each line, or
as .pkl: {NAME.tif: 3}. The class that covers most of the patch, counted from 1: 17 of IGBP, or the 10 of DFC2020.

The other files there (one-hot, shares of all classes) say the same in other words and are not read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rsviewer.core.errors import PickleRefusedError
from rsviewer.core.filters import ColumnType
from rsviewer.data.adapter import Fact
from rsviewer.data.catalogue import tile_name
from rsviewer.data.pickles import NUMPY_SCALARS, read_pickle
from rsviewer.data.tree import Tree

MAX_BYTES = 64 * 1024 * 1024
"""The longest has 180,000 lines of 40 bytes."""

FACTS = {
    "full": Fact("label_igbp", ColumnType.TEXT, "class that covers most of the patch, of IGBP"),
    "simple": Fact(
        "label_simplified", ColumnType.TEXT, "class that covers most of the patch, of the simplified scheme"
    ),
}
"""As names of files have it -> what it tells."""

_FILE = re.compile(r"(?:.*[\\/])?single_label_IGBP(full|simple)_ClsNum\.(txt|pkl)", re.IGNORECASE)
_LINE = re.compile(
    r"ROIs(\d{1,9})_([a-z]{3,10})_(?:s1|s2|lc)_(\d{1,9})_p(\d{1,9})(?:\.tiff?)?\s*:\s*(\d{1,3})(?!\d)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SceneLabels:
    """The labels of one scheme.

    Attributes:
        fact: what they tell.
        path: of their file.
        classes: scene ("ROIs1158_spring/1") -> patch -> number of its class.
    """

    fact: Fact
    path: str
    classes: Mapping[str, Mapping[int, int]]


def is_scene_labels(path: str) -> bool:
    """True for a file of such labels, by its name."""
    return _FILE.fullmatch(path) is not None


def find_scene_labels(tree: Tree, paths: Iterable[str], problems: list[str]) -> Iterator[SceneLabels]:
    """The labels among some files. A text wins over a pickle. What cannot be read is said in `problems`."""
    by_scheme: dict[str, str] = {}
    for path in sorted(filter(is_scene_labels, paths), key=lambda path: (not path.lower().endswith(".txt"), path)):
        match = _FILE.fullmatch(path)
        by_scheme.setdefault(match[1].lower() if match else "", path)
    for scheme in (scheme for scheme in FACTS if scheme in by_scheme):
        path = by_scheme[scheme]
        try:
            raw = tree.read(path, MAX_BYTES)
            text = raw.decode("utf-8-sig", "replace") if path.lower().endswith(".txt") else _lines(raw)
        except OSError as error:
            problems.append(f"The labels {tile_name(path)} cannot be read: {error.strerror}.")
        except PickleRefusedError as error:
            problems.append(f"The labels {tile_name(path)} are not used. {error}")
        else:
            classes = _classes(text)
            if classes:
                yield SceneLabels(FACTS[scheme], path, classes)
            else:
                problems.append(f"The labels {tile_name(path)} are not used: no line names a patch and its class.")


def _lines(raw: bytes) -> str:
    """A pickled dictionary in the form of the text."""
    value = read_pickle(raw, allowed=NUMPY_SCALARS)
    return "\n".join(f"{name}: {number}" for name, number in value.items()) if isinstance(value, dict) else ""


def _classes(text: str) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for roi, season, scene, patch, number in _LINE.findall(text):
        found.setdefault(f"ROIs{roi}_{season.lower()}/{int(scene)}", {})[int(patch)] = int(number)
    return found

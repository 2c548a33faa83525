"""Cards for the classifiers of the SEN12MS toolbox (https://github.com/schmitt-muc/SEN12MS, classification/).

Network, bands and classes are told by the file. Whether it gives one class a tile or several is not: that is said by
`*_arguments.txt`, which the toolbox writes beside it, by the name of its folder (single_ or multi_), or by the user.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Scores, Weights
from rsviewer.core.recognising import Recognised, Shapes, sen12ms_network
from rsviewer.core.tile import LayerKind, printable
from rsviewer.data.datasets.sen12ms import IGBP, SIMPLIFIED
from rsviewer.data.proposals.proposal import Answers, Proposal, Question

PAGE: Final = "https://syncandshare.lrz.de/getlink/fiCDbqiiSFSNwot5exvUcW1y/trained_models"
LABELS, SINGLE, MULTI = "labels", "single", "multi"
ASK_LABELS: Final = Question(
    LABELS,
    "Neither this file nor anything beside it says whether its model gives each tile one class or several.",
    {SINGLE: "one class: softmax", MULTI: "several: a sigmoid for each class"},
)
LEAST_SHARE: Final = 0.1
"""Of a tile, for a class to be one of its labels: the toolbox's `threshold` unless arguments.txt says another."""

RGB: Final = ModelInput(
    bands=("blue", "green", "red"),  # B2, B3, B4: in this order
    high=10_000.0,
    mean=(1226.4215, 1137.3799, 1139.6792),
    std=(741.6254, 740.883, 960.1045),
    stretch=False,
)
S2: Final = ModelInput(
    bands=("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
    high=10_000.0,
    mean=(*RGB.mean, 1350.9973, 1932.9058, 2211.1584, 2154.9846, 2409.1128, 2001.8622, 1356.0801),
    std=(*RGB.std, 946.76056, 985.52747, 1082.4341, 1057.7628, 1136.1942, 1132.7898, 991.48016),
    stretch=False,
)
S1: Final = ModelInput(
    LayerKind.SAR,
    ("VV", "VH"),
    high=0.0,
    mean=(-11.76858, -18.294598),
    std=(4.525339, 4.3586307),
    nan=0.0,
    clip=(-25.0, 0.0),
)
INPUTS: Final[Mapping[int, tuple[str, str, tuple[ModelInput, ...]]]] = {
    2: ("s1", "S1", (S1,)),
    3: ("rgb", "S2 RGB", (RGB,)),
    5: ("rgbs1", "S2 RGB and S1", (RGB, S1)),
    10: ("s2", "S2", (S2,)),
    12: ("s1s2", "S2 and S1", (S2, S1)),
}
"""Bands -> what ids and titles call them, and the inputs: Sentinel-2 comes first."""
CLASSES: Final = {10: ("", "simplified", SIMPLIFIED), 17: ("-igbp", "igbp", IGBP)}
"""Number of classes -> what ids call them, the layer of the dataset that holds them, the classes."""

_ARGUMENTS = "_arguments.txt"
_STAMP = re.compile(r"(\d{8}_\d{6})_.*")
_MOST_BYTES = 1 << 20
_NEAR = 3
"""Folders above the file whose names are looked at."""
_WORDS = {"single_label": SINGLE, "multi_label": MULTI}


def propose_sen12ms(file: Path, shapes: Shapes, answers: Answers) -> Proposal | Question | None:
    """A card for a classifier of the toolbox. See `recognising.Proposer`."""
    found = sen12ms_network(shapes)
    if found is None or found.bands not in INPUTS or found.classes not in CLASSES:
        return None
    arguments = _arguments(file, found.architecture)
    labels, told, least = answers.get(LABELS, ""), "", LEAST_SHARE
    if not labels:
        labels, told = _labels(file, arguments)
    if labels not in ASK_LABELS.choices:
        return ASK_LABELS
    if labels == MULTI:
        least = _share(arguments[1].get("threshold", "")) if arguments else LEAST_SHARE
    return Proposal(card_of(found, labels, least), told)


def card_of(found: Recognised, labels: str, least_share: float = LEAST_SHARE) -> ModelCard:
    """The card of a classifier.

    Args:
        found: whose bands and classes are in INPUTS and CLASSES.
        labels: SINGLE or MULTI.
        least_share: see `core.model.ModelOutput`.
    """
    word, layers, inputs = INPUTS[found.bands]
    scheme, reference, classes = CLASSES[found.classes]
    network = re.sub(r"(?<=[a-z])(?=\d)|(?<=VGG)(?=\d)", "-", found.architecture)  # ResNet-50
    share = "" if least_share == LEAST_SHARE or labels == SINGLE else f"-{round(1000 * least_share)}"
    several = labels == MULTI
    which = f"every class of {least_share:.0%} or more" if several else "the class of most of it"
    sensors = " and ".join(("Sentinel-1" if one.kind is LayerKind.SAR else "Sentinel-2") for one in inputs)
    return ModelCard(
        id=f"sen12ms-{found.architecture.lower()}-{word}-{labels}{scheme}{share}",
        title=f"SEN12MS {network}, {layers}, {'several classes' if several else 'one class'} a tile",
        family="sen12ms",
        inputs=inputs,
        outputs=(
            ModelOutput(
                OutputKind.SCENE,
                "scene",
                "land cover",
                unit="",
                classes=tuple(one for one in classes if not one.void),
                scores=Scores.INDEPENDENT if several else Scores.LOGITS,
                reference=(reference,),
                least_share=least_share,
            ),
        ),
        framings=(
            Framing(
                "patches", "patches of 256 x 256, as in training", window=256, stride=256, multiple=256, whole=True
            ),
        ),
        weights=Weights("model_best.pth", page=PAGE),
        description=(
            f"Land cover of a whole patch of {sensors} at 10 m, {which}: a {network} of the SEN12MS toolbox. Sentinel-2 goes "
            "in as digital numbers (reflectance x 10,000), Sentinel-1 in decibels."
        ),
        licence="see its page; the toolbox is for research and education only",
        citation=(
            "Schmitt, M., Wu, Y.-L.: Remote Sensing Image Classification with the SEN12MS Dataset. "
            "ISPRS Annals V-2-2021, 101-106."
        ),
        source="https://github.com/schmitt-muc/SEN12MS",
    )


def _labels(file: Path, arguments: tuple[str, Mapping[str, str]] | None) -> tuple[str, str]:
    """One class or several, and who says so; empty where nobody does."""
    if arguments is not None:
        name, said = arguments
        labels = _WORDS.get(said.get("label_type", ""), "")
        if labels:
            return labels, f"{printable(name)} says that it gives {_meant(labels)}."
    for folder in list(file.absolute().parents)[:_NEAR]:
        labels = folder.name.lower().partition("_")[0]
        if labels in _WORDS.values() and "_" in folder.name:
            return labels, f"Its folder {printable(folder.name)} says that it gives {_meant(labels)}."
    return "", ""


def _meant(labels: str) -> str:
    return "several classes a tile" if labels == MULTI else "one class a tile"


def _arguments(file: Path, architecture: str) -> tuple[str, Mapping[str, str]] | None:
    """Name and content of the arguments of a file's own training: with its time in the name, or the only ones there.

    Those that name another network are of another file.
    """
    stamp = _STAMP.fullmatch(file.name)
    for folder in (file.parent, file.parent.parent):
        try:
            near = sorted(path for path in folder.iterdir() if path.name.endswith(_ARGUMENTS))
        except OSError:
            continue
        own = [path for path in near if stamp and path.name == f"{stamp[1]}{_ARGUMENTS}"]
        for path in own or (near if len(near) == 1 else []):
            said = dict(_lines(path))
            if said.get("model", architecture) == architecture:
                return path.name, said
    return None


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(key, value) of each "key: value"."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _share(text: str) -> float:
    """A threshold as arguments.txt has it; the usual one where it is no share."""
    try:
        share = float(text)
    except ValueError:
        return LEAST_SHARE
    return share if 0.0 < share <= 1.0 else LEAST_SHARE

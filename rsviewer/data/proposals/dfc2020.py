"""Cards for the segmentation baseline of DFC2020 (https://github.com/lukasliebel/dfc2020_baseline).

Network and classes are told by the file, bands by how many there are. The rest is in `args.pkl`, the options of its training,
which the baseline writes beside it: read without running anything in it, see `pickles`. Where there is none, the user is asked.
"""

import logging
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Final

from rsviewer.core.errors import PickleRefusedError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.core.recognising import DEEPLAB, Recognised, Shapes, dfc2020_network
from rsviewer.core.tile import LayerKind
from rsviewer.data.datasets.sen12ms import S2 as S2_LAYER
from rsviewer.data.datasets.sen12ms import SIMPLIFIED
from rsviewer.data.pickles import OPTIONS, read_pickle
from rsviewer.data.proposals.proposal import Answers, Proposal, Question

log = logging.getLogger(__name__)

PAGES: Final = {12: "https://go.tum.de/707675", 10: "https://go.tum.de/009658"}
"""Bands of the published DeepLabv3+ -> where it is."""
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "hr": ("B2", "B3", "B4", "B8"),
    "mr": ("B5", "B6", "B7", "B8A", "B11", "B12"),
    "lr": ("B1", "B9", "B10"),
    "s1": ("VV", "VH"),
}
"""Groups of bands that options choose, by their ground distance: 10, 20 and 60 m."""
BANDS, STRIDE = "bands", "out_stride"
ASK_STRIDE: Final = Question(
    STRIDE,
    "Neither this file nor an args.pkl beside it says the output stride of its DeepLabv3+.",
    {"16": "as in both published files", "8": "finer, slower"},
)
SAVANNA: Final = 3
S1: Final = ModelInput(
    LayerKind.SAR, GROUPS["s1"], high=0.0, mean=(-25.0,) * 2, std=(25.0,) * 2, nan=0.0, clip=(-25.0, 0.0)
)

_USES = {"use_s2hr": "hr", "use_s2mr": "mr", "use_s2lr": "lr", "use_s1": "s1"}
"""Option -> group."""
_MOST_BYTES = 1 << 20


def propose_dfc2020(file: Path, shapes: Shapes, answers: Answers) -> Proposal | Question | None:
    """A card for a network of the baseline. See `recognising.Proposer`."""
    found = dfc2020_network(shapes)
    if found is None or found.classes not in (9, 10):
        return None
    options = _options(file)
    possible = [groups for groups in _choices() if _count(groups) == found.bands]
    groups = _groups(options) if options else ()
    if groups not in possible:
        options, groups = {}, ()  # of another file
    by_word = {_word(one): one for one in possible}
    groups = groups or by_word.get(answers.get(BANDS, ""), ()) or (possible[0] if len(possible) == 1 else ())
    if not groups:
        if not possible:
            return None
        asks = f"Neither this file nor an args.pkl beside it says which {found.bands} bands it takes."
        return Question(BANDS, asks, {word: " and ".join(map(str.upper, one)) for word, one in by_word.items()})
    stride = 0
    if found.architecture == DEEPLAB:
        said = options.get(STRIDE) if not answers.get(STRIDE) else answers[STRIDE]
        if str(said) not in ASK_STRIDE.choices:
            return ASK_STRIDE
        stride = int(str(said))
    return Proposal(card_of(found, groups, stride), "Its args.pkl says the rest." if options else "")


def card_of(found: Recognised, groups: tuple[str, ...], stride: int = 0) -> ModelCard:
    """The card of a network.

    Args:
        found: with 10 classes, or 9 where there is no savanna.
        groups: of its bands, in the order of GROUPS.
        stride: output stride of DeepLabv3+; 0 for others.
    """
    optical = [name for name in S2_LAYER.bands if any(name in GROUPS[group] for group in groups)]
    inputs = []
    if optical:
        count = len(optical)
        inputs.append(
            ModelInput(
                bands=tuple(optical),
                high=10_000.0,
                mean=(0.0,) * count,
                std=(10_000.0,) * count,
                stretch=False,
                clip=(0.0, 10_000.0),
            )
        )
    inputs += [S1] if "s1" in groups else []
    has_savanna = found.classes == 10
    name = re.sub(r"[^a-z]", "", found.architecture.lower().partition("v")[0])
    layers = " and ".join((["S2"] if optical else []) + (["S1"] if "s1" in groups else []))
    is_published = found.architecture == DEEPLAB and not has_savanna and stride == 16
    return ModelCard(
        id=f"dfc2020-{name}-{_word(groups)}{'-savanna' if has_savanna else ''}{'-os8' if stride == 8 else ''}",
        title=f"DFC2020 {found.architecture}, {layers}",
        family="dfc2020",
        inputs=tuple(inputs),
        outputs=(
            ModelOutput(
                OutputKind.LABELS,
                "labels",
                "land cover",
                unit="",
                classes=tuple(one for one in SIMPLIFIED if not one.void and (has_savanna or one.value != SAVANNA)),
                reference=("dfc", "simplified"),
            ),
        ),
        framings=(Framing("patches", "patches of 256 x 256, half overlapping", window=256, stride=128, multiple=16),),
        weights=Weights("checkpoint.pth", page=PAGES.get(found.bands, "") if is_published else ""),
        description=(
            f"Land cover at 10 m from Sentinel data, {found.classes} classes: {found.architecture} of the baseline of the data "
            "fusion contest 2020, trained on SEN12MS and its coarse MODIS labels."
        ),
        licence="see its page",
        citation=(
            "Schmitt, M., Prexl, J., Ebel, P., Liebel, L., Zhu, X. X.: Weakly Supervised Semantic Segmentation of Satellite "
            "Images for Land Cover Mapping - Challenges and Opportunities. ISPRS Annals V-3-2020, 795-802."
        ),
        source="https://github.com/lukasliebel/dfc2020_baseline",
        settings={STRIDE: stride} if stride else {},
    )


def _choices() -> list[tuple[str, ...]]:
    """All that options can choose: groups in the order of GROUPS."""
    names = list(GROUPS)
    return [one for count in range(1, len(names) + 1) for one in combinations(names, count)]


def _count(groups: tuple[str, ...]) -> int:
    return sum(len(GROUPS[group]) for group in groups)


def _word(groups: tuple[str, ...]) -> str:
    """What ids call them: "s2" for what is usual of Sentinel-2, else its groups."""
    optical = "".join(group for group in groups if group != "s1")
    short = {"": "", "hrmr": "s2", "hrmrlr": "s2full"}.get(optical, f"s2{optical}")
    return f"{'s1' if 's1' in groups else ''}{short}"


def _options(file: Path) -> Mapping[str, object]:
    """What args.pkl says, beside the file or a folder above; empty where there is none that can be read."""
    for path in (file.parent / "args.pkl", file.parent.parent / "args.pkl"):
        try:
            with path.open("rb") as opened:
                held = read_pickle(opened.read(_MOST_BYTES), allowed=OPTIONS)
        except FileNotFoundError:
            continue
        except (OSError, PickleRefusedError) as error:
            log.info("Cannot use %s: %s", path, error)
            continue
        if isinstance(held, dict):
            return {str(name): value for name, value in held.items()}
    return {}


def _groups(options: Mapping[str, object]) -> tuple[str, ...]:
    """Those that are switched on; none where an option is no truth."""
    chosen = {group for option, group in _USES.items() if options.get(option) is True}
    return tuple(group for group in GROUPS if group in chosen)

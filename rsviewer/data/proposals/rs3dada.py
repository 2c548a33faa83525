"""Cards for the published files of RS3DAda (https://github.com/JTRNEO/SynRS3D), which come with the program.

Both files have the same names and shapes: which of the two it is, is told by the name of the file, or by the user.
"""

from pathlib import Path
from typing import Final

from rsviewer.core.recognising import Shapes
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.resources import resource_path

MARK: Final = "pretrained.pos_embed"
HEADS: Final = ("heads.regression.", "heads.segmentation.")
BEST: Final = "best"
ASK_BEST: Final = Question(
    BEST,
    "Both files of RS3DAda hold the same networks, and the name of this one does not say which of them it is.",
    {"height": "the snapshot that is best for heights", "segmentation": "the one that is best for land cover"},
)


def propose_rs3dada(file: Path, shapes: Shapes, answers: Answers) -> Proposal | Question | None:
    """The card of a published file. See `recognising.Proposer`."""
    published = MARK in shapes and all(any(name.startswith(head) for name in shapes) for head in HEADS)
    if not published:
        return None
    named = [best for best in ASK_BEST.choices if best in file.name.lower()]
    best = answers.get(BEST) or (named[0] if len(named) == 1 else "")
    if best not in ASK_BEST.choices:
        return ASK_BEST
    return Proposal(read_card(resource_path("models") / f"rs3dada-{best}.toml"))

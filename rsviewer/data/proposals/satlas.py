"""Cards for the published files of Satlas, which come with the program: which of them a file is, tell its names and shapes."""

from pathlib import Path

from rsviewer.core.errors import ModelError
from rsviewer.core.recognising import Shapes
from rsviewer.core.satlasfile import newest, satlas_file
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.resources import resource_path

CARDS = "satlas-*.toml"


def propose_satlas(file: Path, shapes: Shapes, answers: Answers) -> Proposal | Question | None:  # noqa: ARG001 -- as others
    """The card of a published file. See `recognising.Proposer`.

    Raises:
        ModelError: it is one of Satlas, but none that has a card.
    """
    found = satlas_file({newest(name): shape for name, shape in shapes.items()})
    if found is None:
        return None
    for path in sorted(resource_path("models").glob(CARDS)):
        card = read_card(path)
        signature = " ".join(one.rpartition(":")[2] for one in str(card.settings["heads"]).split())
        said = (card.settings["backbone"], card.band_count, card.settings["dates"], signature)
        if said == (found.backbone, found.bands, found.dates, found.signature):
            return Proposal(card)
    if not found.heads:
        raise ModelError(
            f"{printable(file.name)} holds a backbone without heads, which predicts nothing: take the whole checkpoint."
        )
    raise ModelError(
        f"{printable(file.name)} is a Satlas model of {found.bands} bands on {found.backbone or 'another backbone'} with the"
        f" heads {found.signature}, which is none of the published ones: write a card after one of those, and name it."
    )

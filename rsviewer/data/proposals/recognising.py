"""Asks one family after the other whether a file is theirs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.core.pipelines import FAMILIES
from rsviewer.core.recognising import Shapes
from rsviewer.core.tile import printable
from rsviewer.data.checkpoints import shapes_in
from rsviewer.data.proposals.dfc2020 import propose_dfc2020
from rsviewer.data.proposals.marigold import is_pipeline, propose_marigold, with_base
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.proposals.rs3dada import propose_rs3dada
from rsviewer.data.proposals.satlas import propose_satlas
from rsviewer.data.proposals.sen12ms import propose_sen12ms
from rsviewer.data.proposals.skyclip import check_unpacked, propose_skyclip

Proposer = Callable[[Path, Shapes, Answers], Proposal | Question | None]
"""The file, the names and shapes in it, what the user has said -> a card, what to ask, or None where it is not theirs."""

PROPOSERS: Mapping[str, Proposer] = MappingProxyType(
    {
        "RS3DAda": propose_rs3dada,
        "SEN12MS": propose_sen12ms,
        "DFC2020": propose_dfc2020,
        "Satlas": propose_satlas,
        "SkyCLIP": propose_skyclip,
    }
)
"""Whose files are recognised."""


def propose(file: Path, answers: Answers = MappingProxyType({})) -> Proposal | Question:
    """A card for a file of weights, or what has to be asked first. Quick: the numbers are not read.

    Args:
        file: the weights; of a model of several networks, its folder.
        answers: to questions that were asked before.

    Raises:
        ModelError: it cannot be read, or no family knows it; an answer is none of the choices.
    """
    if is_pipeline(file):
        return propose_marigold(file, answers)
    check_unpacked(file)
    shapes = shapes_in(file)
    for propose_one in PROPOSERS.values():
        found = propose_one(file, shapes, answers)
        if isinstance(found, Question) and found.key in answers:
            raise ModelError(
                f"{found.key}={printable(answers[found.key])} is no answer. {found.asks} Add {found.advice}."
            )
        if found is not None:
            return found
    raise ModelError(
        f"{printable(file.name)} is none of the files that are recognised ({', '.join(PROPOSERS)}): name its card."
    )


def completed(card: ModelCard, file: Path, answers: Answers = MappingProxyType({})) -> Proposal | Question:
    """A card that was named for a file, with what it leaves open, or what has to be asked first.

    Args:
        card: of the model.
        file: the weights; of a model of several networks, its folder.
        answers: to questions that were asked before. Most cards ask none.

    Raises:
        ModelError: the folder is not complete.
    """
    return with_base(card, file, answers) if card.family in FAMILIES else Proposal(card)

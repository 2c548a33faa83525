"""Cards for the files of Satlas, which come with the program: which of them a file is, tell its names and shapes.

Those that were fine-tuned for Satlas Explorer have a single head each, which another one may share: what it was trained for is
told by the file's name, or by the user.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.core.recognising import Shapes
from rsviewer.core.satlasfile import SatlasFile, newest, satlas_file, without_heads
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.resources import resource_path

CARDS: Final = "satlas-*.toml"
EXPLORER: Final = "satlas-explorer-"
TASK: Final = "task"
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "solar_farm": ("solar",),
    "tree_cover": ("tree",),
    "wind_turbine": ("wind", "turbine"),
    "marine": ("marine",),
}
"""Task of a fine-tuned model -> beginnings of words in the names of its files."""
SWINS: Final = {"swin_v2_b": "", "swin_v2_t": "Swin-v2-T"}
"""Backbones that the fine-tuned models may have -> how their cards are told from those that come with the program."""


def propose_satlas(file: Path, shapes: Shapes, answers: Answers) -> Proposal | Question | None:
    """The card of a file. See `recognising.Proposer`.

    Raises:
        ModelError: it is one of Satlas, but none that has a card.
    """
    found = satlas_file({newest(name): shape for name, shape in shapes.items()})
    if found is None:
        return None
    cards = [read_card(path) for path in sorted(resource_path("models").glob(CARDS))]
    for card in cards:
        if not card.id.startswith(EXPLORER) and card.settings["backbone"] == found.backbone and _takes(card, found):
            return Proposal(card)
    fine_tuned = {str(card.settings["heads"]).partition(":")[0]: card for card in cards if card.id.startswith(EXPLORER)}
    alike = {task: card for task, card in fine_tuned.items() if found.backbone in SWINS and _takes(card, found)}
    if alike:
        return _proposed(file, found, alike, answers)
    if not found.heads:
        raise ModelError(without_heads(printable(file.name), shapes))
    raise ModelError(
        f"{printable(file.name)} is a Satlas model of {found.bands} bands on {found.backbone or 'another backbone'} with the"
        f" heads {found.signature}, which is none of the published ones: write a card after one of those, and name it."
    )


def _takes(card: ModelCard, found: SatlasFile) -> bool:
    """Whether bands, dates and heads are those of a card."""
    signature = " ".join(one.rpartition(":")[2] for one in str(card.settings["heads"]).split())
    return (card.band_count, card.settings["dates"], signature) == (found.bands, found.dates, found.signature)


def _proposed(file: Path, found: SatlasFile, alike: Mapping[str, ModelCard], answers: Answers) -> Proposal | Question:
    """One of the fine-tuned models with such a head."""
    named = list(_named(file, alike))
    task, told = answers.get(TASK, ""), ""
    if not task and len(named) == 1:
        task = named[0]
        told = (
            f"Its name says what for: its single head could be another one's, so add --set {TASK}=... if that is wrong."
        )
    if task not in alike:
        return Question(
            TASK,
            "This Satlas model has a single head, and the name of the file does not say what for.",
            {task: card.title.rpartition(", ")[2] for task, card in alike.items()},
        )
    card = alike[task]
    if other := SWINS[found.backbone]:
        identity, title = f"{card.id}-{other.lower()}", f"{card.title}, {other}"
        settings = {**card.settings, "backbone": found.backbone}
        words = card.description.replace("Swin-v2-B", other)
        card = replace(card, id=identity, title=title, description=words, settings=settings)
    return Proposal(card, told)


def _named(file: Path, alike: Mapping[str, ModelCard]) -> Iterator[str]:
    """The tasks that the name of a file holds a word of."""
    words = re.findall(r"[a-z]+", file.name.lower())
    for task in alike:
        if any(word.startswith(WORDS[task]) for word in words):
            yield task

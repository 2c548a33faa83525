"""What a family says of a file: a card, or what it has to be told first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rsviewer.core.model import ModelCard

Answers: TypeAlias = Mapping[str, str]
"""Key of a question -> what the user chose."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A file that was recognised.

    Attributes:
        card: for it; its weights have a name, no hash.
        told: how that is known, where not all of it is in the file, a sentence; else empty.
    """

    card: ModelCard
    told: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a file does not say, and nothing beside it.

    Attributes:
        key: names the answer, e.g. "labels".
        asks: in a sentence.
        choices: answer -> what it means, in words.
        is_folder: the answer is the path of a folder, and there are no choices.
    """

    key: str
    asks: str
    choices: Mapping[str, str] = field(default_factory=dict)
    is_folder: bool = False

    @property
    def advice(self) -> str:
        """What to add to a command, e.g. "--set labels=single (one class) or --set labels=multi (several)"."""
        if self.is_folder:
            return f"--set {self.key}=FOLDER"
        return " or ".join(f"--set {self.key}={answer} ({words})" for answer, words in self.choices.items())

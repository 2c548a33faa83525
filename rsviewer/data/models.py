"""The models on this machine: cards and weights that come with the program, and those that the user has added.

The user's lie in a folder of the user's data folder, one folder a model: `card.toml` and the weights, or where they are.
Nothing is loaded here and nothing is downloaded unless `download` is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rsviewer.core.model import ModelCard


class Presence(StrEnum):
    """Whether a model's weights are here."""

    HERE = "here"
    MISSING = "missing"
    CHANGED = "changed"
    """The file is not the one whose hash the card gives."""
    BROKEN = "broken"
    """The card itself cannot be used."""


@dataclass(frozen=True, slots=True)
class ShelvedModel:
    """A model that the program knows.

    Attributes:
        card: None where it is BROKEN.
        id: of the card, or the name of its folder.
        weights: where its file is, or would be.
        presence: as far as name and size tell; `verify` reads the file.
        builtin: it came with the program and cannot be removed.
        message: what is not in order and what to do, in a sentence; where a MISSING one is offered.
        runs_code: its file can hold programs (see `RUNS_CODE`).
    """

    card: ModelCard | None
    id: str
    weights: Path
    presence: Presence
    builtin: bool = False
    message: str = ""
    runs_code: bool = False


RUNS_CODE = ("torchscript", "exported")
"""Families whose files can hold programs. They need the user's yes once for each hash, and never come from a dataset."""


class Shelf:
    """The models on this machine. Reads small files only, but for hashing; safe to use from one thread at a time.

    Args:
        folder: the user's; None takes the one in the user's data folder. Made when the first model is added.
    """

    def __init__(self, folder: Path | None = None) -> None:
        raise NotImplementedError

    def models(self) -> tuple[ShelvedModel, ...]:
        """Built-in ones first (those that are here before those that are missing), then the user's by id."""
        raise NotImplementedError

    def find(self, model: str) -> ShelvedModel:
        """The model of that id, or of a card file if `model` is the path of one. Raises ModelError, which names near ones."""
        raise NotImplementedError

    def sha256(self, shelved: ShelvedModel) -> str:
        """The hash of its weights, read once and remembered by size and time of the file. Slow for large files.

        Raises ModelError where the file is not there, cannot be read, or is not the one of the card.
        """
        raise NotImplementedError

    def is_allowed(self, sha256: str) -> bool:
        """Whether the user said yes to running this very file."""
        raise NotImplementedError

    def allow(self, sha256: str) -> None:
        """Remembers the user's yes."""
        raise NotImplementedError

    def add(
        self,
        file: Path,
        card: Path | str,
        *,
        link: bool = False,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> ShelvedModel:
        """Puts weights on the shelf: copied (default), or used where they lie.

        Args:
            file: the weights.
            card: a card file, or the id of a built-in card (rs3dada-height ...) whose weights these are.
            link: leave the file where it is and remember the path.
            overwrite: replaces a model of the same id.
            progress: bytes done and in all.

        Raises:
            ModelError: no such file, the hash is not the card's, the card cannot be used.
        """
        raise NotImplementedError

    def remove(self, model: str) -> None:
        """Forgets a model of the user; a copy is deleted, a linked file is left alone. Raises ModelError."""
        raise NotImplementedError

    def download(self, model: str, progress: Callable[[int, int | None], None] | None = None) -> ShelvedModel:
        """Fetches weights from where the card says (huggingface_hub, optional). Only when the user asks. Raises ModelError."""
        raise NotImplementedError

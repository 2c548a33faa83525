"""Model cards as TOML files: read, checked, written."""

from pathlib import Path

from rsviewer.core.model import ModelCard


def read_card(path: Path) -> ModelCard:
    """The card in a TOML file.

    Raises:
        ModelError: it cannot be read, or says something that no model can be made of; the sentence names the key.
    """
    raise NotImplementedError


def dump_card(card: ModelCard) -> str:
    """A card as TOML. `read_card` of it is equal."""
    raise NotImplementedError

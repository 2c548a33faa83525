"""Cards for SkyCLIP (https://github.com/wangzhecheng/SkyScript), told by the shapes in its checkpoints."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Weights
from rsviewer.core.recognising import Shapes
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.resources import resource_path

MARK: Final = "visual.conv1.weight"
CARDS: Final[Mapping[tuple[int, ...], str]] = {
    (768, 3, 32, 32): "skyclip-b32.toml",
    (1024, 3, 14, 14): "skyclip-l14.toml",
}
"""Shape of the first convolution -> the card of the published networks with it."""
TEXTS: Final = "token_embedding.weight"


def propose_skyclip(file: Path, shapes: Shapes, _: Answers) -> Proposal | Question | None:
    """A card for one of the authors' networks. See `recognising.Proposer`."""
    prefix = "module." if f"module.{MARK}" in shapes else ""
    name = CARDS.get(shapes.get(f"{prefix}{MARK}", ()))
    if name is None or f"{prefix}{TEXTS}" not in shapes:
        return None
    card = read_card(resource_path("models") / name)
    told = "No file says which activation its network needs: it was taken from its width, as the authors train them."
    return Proposal(replace(card, weights=replace(card.weights, file=_named(file, card.weights))), told)


def check_unpacked(file: Path) -> None:
    """Raises ModelError for the archive that the authors publish, which is to be unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            inner = next((name for name in archive.namelist() if name.lower().endswith((".pt", ".pth"))), None)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # what it is instead is said by who reads it
    if inner is not None:
        raise ModelError(
            f"{printable(file.name)} is an archive with weights in it: unpack it, and add "
            f"{printable(inner.rpartition('/')[2])}."
        )


def _named(file: Path, weights: Weights) -> str:
    """All published files are called epoch_20.pt; the folder that they were unpacked into says which it is."""
    folder = file.absolute().parent.name
    return f"{folder}.pt" if folder.startswith(("SkyCLIP_", "CLIP_ViT")) else weights.file

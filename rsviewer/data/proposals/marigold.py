"""Folders of Marigold-RS: which file stands for one, what else belongs to it, and its card."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.core.pipelines import BASE, INDEX, OTHERS, PARTS, PARTS_NBYTES, UNET, read_of, weights_among
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal
from rsviewer.data.resources import resource_path

CARD = "marigold-rs.toml"
_CHUNK = 4 << 20


def is_pipeline(path: Path) -> bool:
    """Whether this is a folder of networks, or a file that stands for one."""
    if path.is_dir() or path.name == INDEX:
        return True
    folder = path.absolute().parent
    return folder.name == UNET and bool(weights_among([path.name])) and (folder / "config.json").is_file()


def propose_marigold(path: Path, answers: Answers) -> Proposal:
    """The card of a folder.

    Args:
        path: the folder, its index, or a file in its folder of the UNet.
        answers: "base" may name a folder of Stable Diffusion 2 for the parts that are not there.

    Raises:
        ModelError: there is no UNet, with what to do.
    """
    card = read_card(resource_path("models") / CARD)
    base = answers.get(BASE, "")
    if base:
        card = replace(card, settings={**card.settings, BASE: str(Path(base).expanduser().absolute())})
    unet_file(path)
    return Proposal(card)


def unet_file(path: Path) -> Path:
    """The file of the UNet of a folder, of its index, or of a file in the UNet's folder. Raises ModelError."""
    path = path.expanduser().absolute()
    folder = path if path.is_dir() else path.parent
    unet = folder if folder.name == UNET else folder / UNET
    named = weights_among([path.name])
    try:
        name = (
            named
            if named and path.is_file() and folder == unet
            else weights_among(file.name for file in unet.iterdir())
        )
    except FileNotFoundError as error:
        raise ModelError(
            f"{printable(str(folder))} has no folder {UNET}: a model of Marigold-RS is a folder with {INDEX}, {UNET}, "
            f"{', '.join(OTHERS)}, or at least with {UNET}."
        ) from error
    except OSError as error:
        raise ModelError(f"{printable(str(unet))} cannot be read ({error.strerror or error}).") from error
    if not name:
        raise ModelError(f"{printable(str(unet))} holds no weights, such as diffusion_pytorch_model.safetensors.")
    return unet / name


def with_parts(card: ModelCard, unet: Path) -> ModelCard:
    """The card with hash and size of what is read beside the UNet's file: answers depend on it as much. Reads all of it.

    Raises:
        ModelError: a part is missing, or cannot be read.
    """
    base = card.settings.get(BASE)
    folders = [unet.parent.parent, *([Path(base).expanduser()] if isinstance(base, str) and base else [])]
    digest, nbytes = hashlib.sha256(), 0
    for part in OTHERS:
        for file in _read_of(part, folders):
            size, found = _hashed(file)
            nbytes += size
            digest.update(f"{part}/{file.name} {found}\n".encode())
    for file in (unet.parent / "config.json", *(folder / INDEX for folder in folders)):
        if file.is_file():
            digest.update(f"{file.name} {_hashed(file)[1]}\n".encode())
    return replace(card, settings={**card.settings, PARTS: digest.hexdigest(), PARTS_NBYTES: nbytes})


def _read_of(part: str, folders: list[Path]) -> Iterator[Path]:
    folder = next((each / part for each in folders if (each / part).is_dir()), None)
    if folder is None and len(folders) == 1:
        raise ModelError(
            f"{printable(str(folders[0]))} has no folder {part}: it is what the trainer of Marigold-RS leaves. Name a "
            f"folder of Stable Diffusion 2 for the other parts: --set {BASE}=FOLDER, or {BASE} under [settings] of a card."
        )
    if folder is None:
        raise ModelError(
            f"Neither {printable(str(folders[0]))} nor {printable(str(folders[1]))} has a folder {part}: name another "
            f"{BASE}."
        )
    yield from (folder / name for name in read_of(file.name for file in folder.iterdir()) if (folder / name).is_file())


def _hashed(file: Path) -> tuple[int, str]:
    """Size and SHA-256."""
    digest, nbytes = hashlib.sha256(), 0
    try:
        with file.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                nbytes += len(chunk)
    except OSError as error:
        raise ModelError(f"{printable(str(file))} cannot be read ({error.strerror or error}).") from error
    return nbytes, digest.hexdigest()

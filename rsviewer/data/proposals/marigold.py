"""Folders of Marigold-RS: which file stands for one, what else belongs to it, and its card."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.core.pipelines import (
    BASE,
    INDEX,
    MOST_INDEX,
    MOST_WORDS,
    NEEDED,
    OTHERS,
    PARTS,
    PARTS_NBYTES,
    SHARDS,
    UNET,
    WORDS,
    read_of,
    shards_of,
    weights_among,
)
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Answers, Proposal, Question
from rsviewer.data.resources import resource_path

CARD = "marigold-rs.toml"
_CHUNK = 4 << 20
_LFS = b"version https://git-lfs"
_SHARD = re.compile(r"[\w.]+-\d{5}-of-\d{5}(\.fp16)?\.(safetensors|bin)")
Progress = Callable[[int, int | None], None]


def is_pipeline(path: Path) -> bool:
    """Whether this is a folder of networks, or a file that stands for one."""
    if _is_folder(path) or path.name == INDEX:
        return True
    folder = path.absolute().parent
    is_part = bool(weights_among([path.name])) or _SHARD.fullmatch(path.name) is not None
    return folder.name == UNET and is_part and (folder / "config.json").is_file()


def propose_marigold(path: Path, answers: Answers) -> Proposal | Question:
    """The card of a folder, or the question where its other parts are. See `with_base`."""
    return with_base(read_card(resource_path("models") / CARD), path, answers)


def with_base(card: ModelCard, path: Path, answers: Answers) -> Proposal | Question:
    """A card of a folder, with the folder that the parts are taken from that it has not, or the question which one that is.

    Args:
        card: of this family.
        path: the folder, its index, or a file in its folder of the UNet.
        answers: BASE may name a folder of Stable Diffusion 2.

    Raises:
        ModelError: there is no UNet, or a part is missing or incomplete, with what to do.
    """
    own = unet_file(path).parent.parent
    said = answers.get(BASE, "")
    if said:
        card = replace(card, settings={**card.settings, BASE: str(_whole(Path(said)))})
    missing = [part for part in OTHERS if not _is_folder(own / part)]
    folders = _folders(card, own)
    if missing and len(folders) == 1:
        return Question(BASE, _lack(own, missing), is_folder=True)
    if len(folders) > 1 and not _is_folder(folders[1]):
        raise ModelError(f"There is no folder {printable(str(folders[1]))}: name a folder of Stable Diffusion 2.")
    for part in OTHERS:
        list(_read_of(part, folders))
    return Proposal(card)


def unet_file(path: Path) -> Path:
    """The file of the UNet of a folder, of its index, or of a file in the UNet's folder. Raises ModelError."""
    path = _whole(path)
    folder = path if _is_folder(path) else path.parent
    unet = folder if folder.name == UNET else folder / UNET
    named = weights_among([path.name])  # of shards, the file that names them
    try:
        name = (
            named
            if named and path.is_file() and folder == unet
            else weights_among(file.name for file in unet.iterdir() if file.is_file())
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


def with_parts(card: ModelCard, unet: Path, progress: Progress | None = None) -> ModelCard:
    """The card with hash and size of what is read beside the UNet's file: answers depend on it as much. Reads all of it.

    Args:
        card: of the folder.
        unet: the UNet's file, or what names its shards.
        progress: called with bytes done and in all. Who raises from it stops the work.

    Raises:
        ModelError: a part is missing, or cannot be read.
    """
    folders = _folders(card, unet.parent.parent)
    files = [(UNET, file) for file in _shards(unet)]
    files += [(part, file) for part in OTHERS for file in _read_of(part, folders)]
    total = sum(file.stat().st_size for _, file in files)
    digest, nbytes = hashlib.sha256(), 0
    for part, file in files:
        _check_words(file)

        def read(done: int, before: int = nbytes) -> None:
            if progress:
                progress(before + done, total)

        size, found = _hashed(file, read)
        nbytes += size
        digest.update(f"{part}/{file.name} {found}\n".encode())
    for file in (unet.parent / "config.json", *(folder / INDEX for folder in folders)):
        if file.is_file():
            _check_words(file)
            digest.update(f"{file.name} {_hashed(file)[1]}\n".encode())
    return replace(card, settings={**card.settings, PARTS: digest.hexdigest(), PARTS_NBYTES: nbytes})


def _folders(card: ModelCard, own: Path) -> list[Path]:
    """Where parts are looked for."""
    base = card.settings.get(BASE)
    return [own, *([_whole(Path(base))] if isinstance(base, str) and base else [])]


def _whole(path: Path) -> Path:
    """A path as it was typed, from the root; "~" is the user's folder, and that of nobody stays what it is."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        return path.absolute()


def _is_folder(path: Path) -> bool:
    """False, too, of what cannot be a path, or may not be looked at."""
    return os.path.isdir(path)  # noqa: PTH112 -- Path.is_dir raises for these


def _lack(own: Path, missing: Sequence[str]) -> str:
    """What a folder lacks, and what is to be named."""
    parts = f"{', '.join(missing[:-1])} and {missing[-1]}" if len(missing) > 1 else missing[0]
    return (
        f"{printable(str(own))} has no {'folders' if len(missing) > 1 else 'folder'} {parts}: it is what the trainer of"
        " Marigold-RS leaves. Name a folder of Stable Diffusion 2 for the other parts."
    )


def _read_of(part: str, folders: Sequence[Path]) -> Iterator[Path]:
    """What is read of a part. Raises ModelError where nobody has it, or it is not complete."""
    folder = next((each / part for each in folders if _is_folder(each / part)), None)
    if folder is None and len(folders) == 1:
        raise ModelError(
            f"{_lack(folders[0], [part])} Add --set {BASE}=FOLDER, or {BASE} under [settings] of its card."
        )
    if folder is None:
        raise ModelError(
            f"Neither {printable(str(folders[0]))} nor {printable(str(folders[1]))} has a folder {part}: name another "
            "folder of Stable Diffusion 2."
        )
    try:
        there = {file.name for file in folder.iterdir() if file.is_file()}
    except OSError as error:
        raise ModelError(f"{printable(str(folder))} cannot be read ({error.strerror or error}).") from error
    for choices in NEEDED[part]:
        if there.isdisjoint(choices):
            or_like = " or the like" if len(choices) > 1 else ""
            raise ModelError(
                f"{printable(str(folder))} is not complete: it lacks {choices[0]}{or_like}. Fetch it again."
            )
    for name in read_of(there, lambda name: _start(folder / name)):
        if name not in there:
            raise ModelError(
                f"{printable(str(folder / name))} is not there: it holds a part of the numbers. Fetch it again."
            )
        yield folder / name


def _shards(unet: Path) -> Iterator[Path]:
    """The files that hold the numbers of the UNet, where that is not one file. Raises ModelError where one is missing."""
    if not unet.name.endswith(SHARDS):
        return
    for name in shards_of(unet.name, _start(unet)).files:
        if not (unet.parent / name).is_file():
            raise ModelError(
                f"{printable(str(unet.parent / name))} is not there: {unet.name} names it. Fetch it again."
            )
        yield unet.parent / name


def _start(file: Path) -> bytes:
    """As much of a file as an index may have, and a byte more."""
    try:
        with file.open("rb") as source:
            return source.read(MOST_INDEX + 1)
    except OSError as error:
        raise ModelError(f"{printable(str(file))} cannot be read ({error.strerror or error}).") from error


def _check_words(file: Path) -> None:
    """Raises ModelError where a file of settings or words would take minutes to read."""
    nbytes = file.stat().st_size
    if file.suffix in WORDS and nbytes > MOST_WORDS:
        raise ModelError(f"{printable(str(file))} has {nbytes:,} bytes, which makes no sense: fetch it again.")


def _hashed(file: Path, read: Callable[[int], None] = lambda _: None) -> tuple[int, str]:
    """Size and SHA-256; `read` is told the bytes that were read."""
    digest, nbytes = hashlib.sha256(), 0
    try:
        with file.open("rb") as source:
            while chunk := source.read(_CHUNK):
                if not nbytes and chunk.startswith(_LFS):
                    raise ModelError(
                        f"{printable(str(file))} is a Git LFS pointer, not the file itself: run `git lfs pull` there."
                    )
                digest.update(chunk)
                nbytes += len(chunk)
                read(nbytes)
    except OSError as error:
        raise ModelError(f"{printable(str(file))} cannot be read ({error.strerror or error}).") from error
    return nbytes, digest.hexdigest()

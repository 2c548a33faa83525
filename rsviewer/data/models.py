"""The models on this machine: cards and weights that come with the program, and those that the user has added.

The user's lie in a folder of the user's data folder, one folder a model: `card.toml` and the weights, or where they are.
Nothing is loaded here and nothing is downloaded unless `download` is called.
"""

import difflib
import hashlib
import importlib
import inspect
import json
import logging
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, Weights
from rsviewer.core.pipelines import BASE, FAMILIES, PARTS, PARTS_NBYTES
from rsviewer.core.tile import printable
from rsviewer.data.modelcards import CARD_FILE, dump_card, parse_card, read_card
from rsviewer.data.proposals.marigold import unet_file, with_parts
from rsviewer.data.resources import resource_path
from rsviewer.data.settings import home, sync_folder, to_json, write_atomically, write_synced

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with bytes done and in all."""


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
        presence: as far as name, size and the last reading tell; `Shelf.sha256` reads the file.
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

HASHES, CONSENTS = "hashes.json", "consents.json"
"""In the user's folder: hashes of files that were read, and those that the user said yes to."""

MOST_BYTES = 64 << 30
"""Of weights: no model that one machine runs has more, and a file full of holes would be read for days."""

_CHUNK = 4 << 20
_MOST_JSON = 16 << 20
_MOST_HASHES = 1000
_SPARE = 64 << 20
"""Bytes that a copy leaves free on the disk."""
_STALE_SECONDS = 7 * 24 * 3600
"""What a copy or download that never ended has left is deleted after this."""
_UNFINISHED = (".adding-", ".removed-", ".download-")
_WHERE = (BASE, PARTS, PARTS_NBYTES)
"""Settings that say where files lie, and which they are."""
_LFS = b"version https://git-lfs"


class Shelf:
    """The models on this machine. Reads small files only, but for hashing; safe to use from one thread at a time.

    Args:
        folder: the user's; None takes the one in the user's data folder. Made when there is something to keep in it.
        builtin: the folder of the models that come with the program; None takes the packaged one.
    """

    def __init__(self, folder: Path | None = None, *, builtin: Path | None = None) -> None:
        data = home() or platformdirs.user_data_path("rsviewer", appauthor=False)
        self._folder = (folder or data / "models").absolute()
        self._builtin = builtin or resource_path("models")
        self._hashes: dict[str, list[Any]] = {}

    def models(self) -> tuple[ShelvedModel, ...]:
        """Those that are here, then all others; of either the built-in ones first, and all by id.

        A built-in one whose weights the user has added is one of the user's.
        """
        self._load_hashes()
        own = {model.id: model for model in self._own()}
        builtin = [model for model in self._builtins() if model.id not in own]
        listed = [*sorted(builtin, key=lambda model: model.id), *(own[identity] for identity in sorted(own))]
        return tuple(sorted(listed, key=lambda model: model.presence is not Presence.HERE))

    def find(self, model: str) -> ShelvedModel:
        """The model of that id, or of a card file if `model` is the path of one. Raises ModelError, which names near ones.

        The weights of a card file lie beside it, unless the card says where.
        """
        models = self.models()
        found = next((each for each in models if each.id == model), None)
        if found is not None:
            return found
        if _is_path(model):
            path = Path(model).expanduser().absolute()
            if path.is_dir() and (path / CARD_FILE).is_file():
                path /= CARD_FILE
            card = read_card(path)
            if re.match(r"[\\/]{2}", card.weights.file):  # Windows would log in there to look
                raise ModelError(
                    f"{printable(str(path))}: its weights are said to lie on another machine ({card.weights.file}). "
                    "Copy them beside the card and name the file there, or add them to your models."
                )
            return self._shelved(card, path.parent / card.weights.file)
        raise _unknown(model, [each.id for each in models])

    def sha256(self, shelved: ShelvedModel) -> str:
        """The hash of its weights, read once and remembered by size and time of the file. Slow for large files.

        Raises ModelError where the file is not there, cannot be read, or is not the one of the card.
        """
        card, path = shelved.card, shelved.weights
        if card is None:
            raise ModelError(shelved.message)
        self._load_hashes()
        try:
            status = _status(path)
            digest = self._known_hash(path, status)
            if not digest:
                _check_size(card, path, status.st_size)
                digest = _digest(path)
                self._remember_hash(path, status, digest)
        except FileNotFoundError as error:
            raise ModelError(self._absence(card, path, shelved.builtin)) from error
        except OSError as error:
            raise ModelError(_unreadable(path, error)) from error
        if card.weights.sha256 not in ("", digest):
            raise ModelError(_other_hash(card, path))
        return digest

    def needs_consent(self, shelved: ShelvedModel, sha256: str) -> bool:
        """Whether the user has still to say yes before this very file is run: it can hold programs, and nobody did."""
        return shelved.runs_code and not self.is_allowed(sha256)

    def is_allowed(self, sha256: str) -> bool:
        """Whether the user said yes to running this very file."""
        return bool(sha256) and sha256 in self._consents()

    def allow(self, sha256: str) -> None:
        """Remembers the user's yes. Raises ModelError."""
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256!r} is no SHA-256")
        try:
            self._keep(CONSENTS, sorted({*self._consents(), sha256}))
        except OSError as error:
            raise self._unwritable(error) from error

    def add(
        self,
        file: Path,
        card: ModelCard | Path | str,
        *,
        link: bool = False,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> ShelvedModel:
        """Puts weights on the shelf: copied (default), or used where they lie.

        Args:
            file: the weights; of a model of several networks its folder, which is always used where it lies.
            card: a card, a card file, or the id of a card on the shelf (rs3dada-height ...) whose weights these are. Else see
                `proposals.recognising.propose`.
            link: leave the file where it is and remember the path.
            overwrite: replaces a model of the same id.
            progress: bytes done and in all. Who raises from it stops the work, and nothing was added.

        Raises:
            ModelError: no such file, the hash is not the card's, the card cannot be used.
        """
        said = card if isinstance(card, ModelCard) else self.card_of(card)
        self._check_free(said, overwrite=overwrite)
        file = file.expanduser().absolute()
        if said.family in FAMILIES:
            file, link = unet_file(file), True
            said = with_parts(said, file, progress)
        return self._put(said, file, "link" if link else "copy", progress)

    def card_of(self, card: Path | str) -> ModelCard:
        """The card in a file, or that of an id. Raises ModelError, which names near ids."""
        found = self.find(str(card)) if isinstance(card, str) else None
        if found is None:
            return read_card(Path(card).expanduser().absolute())
        if found.card is None:
            raise ModelError(found.message)
        return found.card

    def remove(self, model: str) -> None:
        """Forgets a model of the user; a copy is deleted, a linked file is left alone. Raises ModelError."""
        models = self.models()
        found = next((each for each in models if each.id == model), None)
        if found is None:
            raise _unknown(model, [each.id for each in models if not each.builtin])
        if found.builtin:
            raise ModelError(f"{model} comes with the program and cannot be removed.")
        try:
            self._delete(self._folder / found.id)
        except OSError as error:
            raise ModelError(
                f"{model} cannot be removed from {printable(str(self._folder))} ({error.strerror}). "
                "Close what uses it, or give permission there."
            ) from error

    def download(self, model: str, progress: Progress | None = None) -> ShelvedModel:
        """Fetches weights from where the card says (huggingface_hub, optional). Only when the user asks. Raises ModelError.

        What has come is kept when the network fails; called again, it goes on. A model that is here is left as it is.
        """
        shelved = self.find(model)
        card = shelved.card
        if card is None:
            raise ModelError(shelved.message)
        if shelved.presence is Presence.HERE:
            return shelved
        weights = card.weights
        if not (weights.repository and weights.path):
            page = f" See {weights.page}." if weights.page else ""
            raise ModelError(f"The card of {card.id} does not say where its weights can be downloaded.{page}")
        self._check_free(card, overwrite=not _is_path(model))
        partial = self._folder / f".download-{card.id}"
        try:
            partial.mkdir(parents=True, exist_ok=True)
            self._check_room(weights.nbytes)
        except OSError as error:
            raise self._unwritable(error) from error
        fetched = _fetch(card, partial, progress)
        try:
            added = self._put(card, fetched, "move", None)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # whole and added, or not what the card says
        return added

    def _own(self) -> Iterator[ShelvedModel]:
        """The user's models."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if (self._folder / entry.name).is_dir())
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.info("Cannot list %s: %s", printable(str(self._folder)), error)
            return
        for name in names:
            if name.startswith("."):
                continue
            folder = self._folder / name
            try:
                card = read_card(folder / CARD_FILE)
            except ModelError as error:
                yield ShelvedModel(None, printable(name), folder, Presence.BROKEN, message=str(error))
                continue
            if card.id == name:
                yield self._shelved(card, folder / card.weights.file)
            else:
                message = f"{printable(str(folder))} holds the card of {card.id}: rename the folder to that."
                yield ShelvedModel(None, printable(name), folder, Presence.BROKEN, message=message)

    def _builtins(self) -> Iterator[ShelvedModel]:
        for path in sorted(self._builtin.glob("*.toml")):
            try:
                card = read_card(path)
            except ModelError as error:
                yield ShelvedModel(None, path.stem, path, Presence.BROKEN, builtin=True, message=str(error))
                continue
            weights = path.parent / card.weights.file
            yield self._shelved(
                card, weights if weights.is_file() else self._folder / card.id / card.weights.file, builtin=True
            )

    def _shelved(self, card: ModelCard, weights: Path, *, builtin: bool = False) -> ShelvedModel:
        """What name, size and the last reading tell of a model."""
        presence, message = Presence.HERE, ""
        runs_code = card.family in RUNS_CODE
        try:
            status = _status(weights)
        except FileNotFoundError:
            presence, message = Presence.MISSING, self._absence(card, weights, builtin)
        except OSError as error:
            presence, message = Presence.MISSING, _unreadable(weights, error)
        else:
            if card.weights.nbytes not in (0, status.st_size):
                presence, message = Presence.CHANGED, _other_size(card, weights, status.st_size)
            elif card.weights.sha256 not in ("", digest := self._known_hash(weights, status) or card.weights.sha256):
                presence, message = Presence.CHANGED, _other_hash(card, weights)
            elif runs_code and not self.is_allowed(digest):
                message = "Its file can hold programs, which run with your rights: it needs your yes before it is used."
        return ShelvedModel(card, card.id, weights, presence, builtin, message, runs_code)

    def _absence(self, card: ModelCard, weights: Path, builtin: bool) -> str:
        """Where missing weights are offered and what to do with them, or where they should be."""
        said = card.weights
        hub = f"{said.path} of {said.repository} on the Hugging Face hub" if said.repository and said.path else ""
        offered = f"{said.page} ({hub})" if said.page and hub else said.page or hub
        is_own = (self._folder / card.id).is_dir()
        what = "FOLDER" if card.family in FAMILIES else "FILE"
        add = f"rsviewer models add {what} --card {card.id}{' --overwrite' if is_own else ''}"
        if not offered and not builtin:
            again = add if is_own else "change the card"
            return f"There is no file {printable(str(weights))}: put it there, or {again}"
        where = f" The publisher offers them: {offered}." if offered else ""
        fetch = f"rsviewer models download {card.id}, or " if hub else ""
        return f"The weights of {card.title} are not here.{where} To get them: {fetch}{add}"

    def _check_free(self, card: ModelCard, *, overwrite: bool) -> None:
        """Raises ModelError where a card cannot have its id."""
        packaged = next((each.card for each in self._builtins() if each.id == card.id), None)
        if packaged and ((self._builtin / packaged.weights.file).is_file() or not _same(card, packaged)):
            raise ModelError(f"{card.id} is the id of a model that comes with the program: give your card another one.")
        if os.path.lexists(self._folder / card.id) and not overwrite:
            raise ModelError(f"There is a model {card.id} already. Give the card another id, or overwrite that one.")

    def _put(self, card: ModelCard, file: Path, how: str, progress: Progress | None) -> ShelvedModel:
        """Makes the folder of a model, whole or not at all. `how` the weights get there: "copy", "move", "link"."""
        making = self._folder / f".adding-{secrets.token_hex(8)}"
        target = self._folder / card.id
        try:
            status = _status(file)
            _check_content(card, file, status.st_size)
        except FileNotFoundError as error:
            raise ModelError(f"There is no file {printable(str(file))}.") from error
        except OSError as error:
            raise ModelError(_unreadable(file, error)) from error
        name = str(file) if how == "link" else _file_name(card, file)
        try:
            self._sweep()
            making.mkdir(parents=True)
            copy = making / name if how == "copy" else None
            if copy:
                self._check_room(status.st_size)
            digest = _digest(file, copy, progress)
            if card.weights.sha256 not in ("", digest):
                raise ModelError(_other_hash(card, file))
            added = replace(
                card, weights=replace(card.weights, file=name, sha256=digest, nbytes=_status(copy or file).st_size)
            )
            write_synced(making / CARD_FILE, _writable(added, file))
            if how == "move":
                file.replace(making / name)
            sync_folder(making)
            self._place(making, target)
            self._remember_hash(target / name, _status(target / name), digest)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return self._shelved(added, target / name)

    def _place(self, making: Path, target: Path) -> None:
        """Gives a finished folder its name. What had the name goes, unless the new one cannot get it."""
        if not os.path.lexists(target):
            making.rename(target)
        else:
            aside = target.with_name(f".removed-{secrets.token_hex(8)}")
            target.rename(aside)
            try:
                making.rename(target)
            except OSError:
                aside.rename(target)
                raise
            _discard(aside)
        sync_folder(self._folder)

    def _delete(self, folder: Path) -> None:
        """Deletes the folder of a model; nobody ever sees half of it."""
        aside = folder.with_name(f".removed-{secrets.token_hex(8)}")
        folder.rename(aside)
        _discard(aside)

    def _sweep(self) -> None:
        """Deletes what interrupted work left long ago."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.name.startswith(_UNFINISHED) and time.time() - path.lstat().st_mtime > _STALE_SECONDS:
                _discard(path)

    def _check_room(self, nbytes: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < nbytes + _SPARE:
            raise ModelError(
                f"There is no room for {nbytes / 1e9:.1f} GB in {printable(str(self._folder))}: {free / 1e9:.1f} GB are free. "
                "Make room there; weights that you have already can be linked instead of copied."
            )

    def _unwritable(self, error: OSError) -> ModelError:
        return ModelError(
            f"The folder of models {printable(str(self._folder))} cannot be written ({error.strerror or error}). "
            "Make room or give permission there."
        )

    def _consents(self) -> frozenset[str]:
        kept = _read_json(self._folder / CONSENTS)
        return frozenset(each for each in kept if isinstance(each, str)) if isinstance(kept, list) else frozenset()

    def _load_hashes(self) -> None:
        """What this or another process has read before."""
        kept = _read_json(self._folder / HASHES)
        if isinstance(kept, dict):
            self._hashes |= {path: mark for path, mark in kept.items() if isinstance(mark, list) and len(mark) == 4}

    def _known_hash(self, path: Path, status: os.stat_result) -> str:
        """Empty where the file was never read, or has changed since."""
        mark = self._hashes.get(str(path), [])
        return str(mark[3]) if mark[:3] == _stamp(status) else ""

    def _remember_hash(self, path: Path, status: os.stat_result, digest: str) -> None:
        """For the next time, if it can be written. A file that is being written to is read again."""
        if _stamp(_status(path)) != _stamp(status):
            return
        self._load_hashes()
        self._hashes.pop(str(path), None)
        self._hashes[str(path)] = [*_stamp(status), digest]
        try:
            self._keep(HASHES, dict(list(self._hashes.items())[-_MOST_HASHES:]))
        except OSError as error:
            log.info("Hashes cannot be kept in %s: %s", printable(str(self._folder)), error)

    def _keep(self, name: str, value: object) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / name, to_json(value))


def sealed(card: ModelCard, sha256: str) -> ModelCard:
    """The card with the hash of the very file that was checked: who loads programs holds the file against it once more."""
    return replace(card, weights=replace(card.weights, sha256=sha256))


def _is_path(model: str) -> bool:
    """Whether this is meant to be a card file, not an id."""
    return model.lower().endswith(".toml") or "/" in model or os.sep in model


def _unknown(model: str, known: list[str]) -> ModelError:
    near = difflib.get_close_matches(model.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known) or 'none'}."
    return ModelError(f"There is no model {printable(model)}. {hint}")


def _same(card: ModelCard, other: ModelCard) -> bool:
    """Whether two cards are of the same model, wherever its files lie."""
    one, two = (
        replace(each, weights=Weights(""), settings={k: v for k, v in each.settings.items() if k not in _WHERE})
        for each in (card, other)
    )
    return one == two


def _status(path: Path) -> os.stat_result:
    """Of a plain file. Raises FileNotFoundError where there is none, a folder or a pipe being none."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError
    return status


def _stamp(status: os.stat_result) -> list[int]:
    """What changes when a file does. The time of the last change of any kind cannot be set, unlike that of the content."""
    return [status.st_size, status.st_mtime_ns, 0 if os.name == "nt" else status.st_ctime_ns]


def _digest(file: Path, copy: Path | None = None, progress: Progress | None = None) -> str:
    """SHA-256 of a file, which is copied in the same go. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with file.open("rb") as source, copy.open("xb") if copy else nullcontext() as target:
        total = os.fstat(source.fileno()).st_size
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            if target:
                target.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
        if target:
            target.flush()
            os.fsync(target.fileno())
    return digest.hexdigest()


def _check_content(card: ModelCard, file: Path, nbytes: int) -> None:
    """What can be said of a file before reading all of it. Raises ModelError or OSError."""
    if not nbytes:
        raise ModelError(_empty(file))
    with file.open("rb") as source:
        head = source.read(len(_LFS))
    if head == _LFS:
        raise ModelError(f"{printable(str(file))} is a Git LFS pointer, not the weights: run `git lfs pull` there.")
    _check_size(card, file, nbytes)


def _check_size(card: ModelCard, file: Path, nbytes: int) -> None:
    """Raises ModelError."""
    if not nbytes:
        raise ModelError(_empty(file))
    if nbytes > MOST_BYTES:
        raise ModelError(
            f"{printable(str(file))} has {nbytes:,} bytes, larger than any model that runs here: take another file."
        )
    if card.weights.nbytes not in (0, nbytes):
        raise ModelError(_other_size(card, file, nbytes))


def _file_name(card: ModelCard, file: Path) -> str:
    """What a copy is called: as the card says; the card of a linked file has a path there."""
    name = card.weights.file
    return name if Path(name).name == name else f"weights{file.suffix if file.suffix.isascii() else ''}"


def _writable(card: ModelCard, file: Path) -> bytes:
    """A card as TOML. Raises ModelError where it cannot hold the path of a linked file."""
    text = dump_card(card)
    try:
        parse_card(text)
        return text.encode()
    except (ModelError, UnicodeEncodeError) as error:
        raise ModelError(
            f"The path {printable(str(file))} cannot be written in a card: copy the file instead."
        ) from error


def _fetch(card: ModelCard, folder: Path, progress: Progress | None) -> Path:
    """Downloads weights into a folder, going on where an earlier download stopped. Raises ModelError."""
    weights = card.weights
    by_hand = (
        f"Or fetch it with a browser{f' from {weights.page}' if weights.page else ''} and rsviewer models add FILE"
    )
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ModelError(
            f"Downloading needs a package: pip install huggingface_hub. {by_hand} --card {card.id}"
        ) from error
    options: dict[str, Any] = {"local_dir": str(folder)}
    most = weights.nbytes or MOST_BYTES

    def arrived(done: int, total: int | None) -> None:
        if max(done, total or 0) > most:
            raise ModelError(
                f"{weights.path} of {weights.repository} has more than the {most:,} bytes that its card says, or that any "
                "model has: it was not downloaded."
            )
        if progress:
            progress(done, total)

    if "tqdm_class" in inspect.signature(hub.hf_hub_download).parameters:
        options["tqdm_class"] = _telling(hub, arrived)
    try:
        return Path(hub.hf_hub_download(weights.repository, weights.path, **options))
    except ModelError:
        raise
    except Exception as error:  # it lets through what its HTTP client raises, another in every version
        log.info("Download of %s failed", weights.repository, exc_info=True)
        said = printable(" ".join(str(error).split()))[:300].rstrip(".")
        raise ModelError(
            f"{weights.path} of {weights.repository} could not be downloaded ({type(error).__name__}: {said}). "
            f"Try again when there is a network. {by_hand} --card {card.id}"
        ) from error


def _telling(hub: Any, progress: Progress) -> type:
    """A progress bar of huggingface_hub that draws nothing and tells `progress`."""
    bar = importlib.import_module(f"{hub.__name__}.utils").tqdm

    def start(self: Any, *words: Any, **options: Any) -> None:
        bar.__init__(self, *words, **{**options, "disable": True})
        self.n = options.get("initial") or 0

    def update(self: Any, more: float | None = 1) -> None:
        self.n += more or 0
        progress(int(self.n), int(self.total) if self.total else None)

    return type("Telling", (bar,), {"__init__": start, "update": update})


def _discard(path: Path) -> None:
    """Deletes a folder, or a link to one; what cannot be deleted is swept another time."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _read_json(path: Path) -> object:
    """None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_MOST_JSON))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.info("Cannot read %s: %s", printable(str(path)), error)
        return None


def _unreadable(path: Path, error: OSError) -> str:
    return f"{printable(str(path))} cannot be read ({error.strerror or error}). Give permission, or put it elsewhere."


def _empty(path: Path) -> str:
    return f"{printable(str(path))} is empty. Copy or download it again."


def _other_size(card: ModelCard, path: Path, nbytes: int) -> str:
    return (
        f"{printable(str(path))} has {nbytes:,} bytes, the weights of {card.title} have {card.weights.nbytes:,}: "
        "it is cut short or another file. Copy or download it again."
    )


def _other_hash(card: ModelCard, path: Path) -> str:
    return (
        f"{printable(str(path))} is not the file that the card of {card.title} was written for (its SHA-256 differs): "
        "it is damaged or another one. Copy or download it again."
    )

"""Files that torch.save has written: the numbers in them and their names, read without running anything."""

import pickle
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.core.recognising import Recognised
from rsviewer.inference.zoo.foreign import SWELLING, FileKind, file_kind, plain

Tensors: TypeAlias = Mapping[str, Tensor]

WRAPPERS = ("model", "state_dict", "model_state_dict", "net", "network", "student", "ema", "model_ema", "teacher")
"""Entries of training checkpoints that hold the network, the likeliest first."""

DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(TypeError, ValueError, struct.error),
)
"""What torch.load was seen to raise, besides UnpicklingError, for files with some bytes changed or cut off."""


class _NumberType:
    """Stands for numpy.dtype: a type of single numbers, and nothing else."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in _NUMBERS:
            raise pickle.UnpicklingError(f"a number of numpy of the type {code!r:.20}")
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, of which a single number needs only the first."""
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.dtype = self.dtype.newbyteorder(order)
            case _:
                raise pickle.UnpicklingError("a type of numpy with parts")


def _number(kind: object, raw: object = b"") -> object:
    """Stands for numpy.core.multiarray.scalar: a single number, as Python has it."""
    if not isinstance(kind, _NumberType) or not isinstance(raw, bytes) or len(raw) != kind.dtype.itemsize:
        raise pickle.UnpicklingError("no single number of numpy")
    return np.frombuffer(raw, kind.dtype)[0].item()


_NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
Allowed: TypeAlias = Sequence[tuple[Callable[..., object], str]]
"""What stands for a name that a file asks for, and the name."""

NUMPY_NUMBERS: Allowed = (
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    (_NumberType, "numpy.dtype"),
)
"""For checkpoints that hold a score of their training as a number of numpy. Nothing of numpy is called for it."""


def read_saved(path: Path, family: str, expected: int = 0, allowed: Allowed = ()) -> object:
    """What a file written by torch.save holds: numbers and their names. Nothing in it is run, and numbers are mapped.

    Args:
        path: of the file.
        family: what the file should be of, for sentences: "RS3DAda".
        expected: its size as the card says; 0 where unknown.
        allowed: see NUMPY_NUMBERS. Else a file may name nothing but what tensors are made of.

    Raises:
        ModelError: it is no such file, incomplete, damaged, or holds more than numbers and names.
    """
    kind = file_kind(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"  # as torch writes since 1.6; what it wrote before cannot be mapped
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if kind in (FileKind.SAVED, FileKind.DAMAGED) and size < expected:
        raise ModelError(f"{path.name} is incomplete: {size:,} of {expected:,} bytes. Fetch it again.")
    if kind is not FileKind.SAVED:
        raise ModelError(f"{path.name} is {kind}: {family} needs a .pth file as published by its authors.")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allowed)):
            warnings.simplefilter("ignore")  # of pickle protocols: what cannot be read, is said below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} holds more than numbers and names, or is damaged. Nothing in it was run: "
            "fetch it again, or save the network's state_dict() alone."
        ) from error
    except DAMAGE as error:
        raise ModelError(f"{path.name} is truncated, damaged or no file of weights: fetch it again.") from error


def check_claim(tensors: Tensors, path: Path) -> None:
    """Raises ModelError where a few numbers of a file are said to be a great many: each of them would take its room."""
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > SWELLING * path.stat().st_size:
        raise ModelError(f"{path.name} is damaged: it claims to hold {claimed:,} bytes of numbers. Fetch it again.")


def mappings(held: object) -> Iterator[Mapping[Any, Any]]:
    """What was saved itself, then what it wraps, two levels deep."""
    level = [held] if isinstance(held, Mapping) else []
    for _ in range(3):
        yield from level
        level = [one[name] for one in level for name in _ranked(one) if isinstance(one[name], Mapping)]


def network_in(held: object) -> dict[str, Tensor]:
    """The numbers of the network in what a file holds; empty where there is none."""
    for one in mappings(held):
        found = {name: value for name, value in one.items() if isinstance(name, str) and isinstance(value, Tensor)}
        if found:
            return found
    return {}


def check_card(card: ModelCard, found: Recognised, path: Path, kind: OutputKind, word: str) -> None:
    """Raises ModelError where a card and what was recognised in its file do not fit each other.

    Args:
        card: of the model.
        found: in the file.
        path: of the file.
        kind: of the one output that the network has, `word` in words: "a scene".
        word: see kind.
    """
    if len(card.outputs) != 1 or card.outputs[0].kind is not kind:
        raise ModelError(f"The card of {card.id} must have one output, {word}: that is what {path.name} gives.")
    if card.band_count != found.bands:
        raise ModelError(f"{path.name} takes {found.bands} bands, but its card gives it {card.band_count}.")
    if len(card.outputs[0].classes) != found.classes:
        raise ModelError(
            f"{path.name} tells {found.classes} classes apart, but its card names {len(card.outputs[0].classes)}."
        )


def fill(network: nn.Module, tensors: Tensors, path: Path, architecture: str) -> None:
    """Puts a file's numbers into a network that has its names: all of them, and no others. It is then ready to predict.

    Raises:
        ModelError: a name is missing or too much, or a shape is another one.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise ModelError(f"{path.name} is not complete, or no {architecture}: it lacks {some(missing)}.")
    strange = [name for name in tensors if name not in wanted]
    if strange:
        raise ModelError(f"{path.name} is another network than {architecture}: it also holds {some(strange)}.")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(
                f"{path.name} is another network than {architecture}: {name} has shape {shape_of(tensor)}."
            )
    numbers = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    network.load_state_dict(numbers, strict=True, assign=True)
    network.eval().requires_grad_(requires_grad=False)


def shape_of(tensor: Tensor) -> str:
    """Its shape for sentences, e.g. "96 x 3 x 4 x 4"."""
    return " x ".join(str(side) for side in tensor.shape) or "none"


def some(names: Iterable[Any]) -> str:
    """Up to three of some names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(plain(name)[:100] for name in listed[:3]) + more


def _ranked(names: Mapping[Any, Any]) -> list[Any]:
    return sorted(names, key=lambda name: WRAPPERS.index(name) if name in WRAPPERS else len(WRAPPERS))

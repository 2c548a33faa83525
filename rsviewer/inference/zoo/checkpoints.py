"""Files that torch.save has written: the numbers in them and their names, read without running anything."""

import pickle
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rsviewer.core.errors import ModelError
from rsviewer.inference.zoo.foreign import SWELLING, FileKind, file_kind, plain

Tensors: TypeAlias = Mapping[str, Tensor]

WRAPPERS = ("model", "state_dict", "model_state_dict", "net", "network", "student", "ema", "model_ema", "teacher")
"""Entries of training checkpoints that hold the network, the likeliest first."""

DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(TypeError, ValueError, struct.error),
)
"""What torch.load was seen to raise, besides UnpicklingError, for files with some bytes changed or cut off."""


def read_saved(path: Path, family: str, expected: int = 0) -> object:
    """What a file written by torch.save holds: numbers and their names. Nothing in it is run, and numbers are mapped.

    Args:
        path: of the file.
        family: what the file should be of, for sentences: "RS3DAda".
        expected: its size as the card says; 0 where unknown.

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
        with warnings.catch_warnings():
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

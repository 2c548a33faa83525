"""Names and shapes of the numbers in a file of weights, by which a network is recognised. The numbers are not read.

What torch.save writes is a pickle that says which tensors there are, and their bytes elsewhere: in the same archive, or before
torch 1.6 behind it in the same file. The pickle is read as any of a stranger's, see `pickles`, with a few names of torch for
which something else stands. A safetensors file begins with a list of what it holds, in JSON.
"""

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsviewer.core.errors import ModelError, PickleRefusedError
from rsviewer.core.tile import printable
from rsviewer.data.pickles import NUMPY_SCALARS, Makers, read_pickle

WRAPPERS = ("model_state_dict", "state_dict", "model", "net", "network")
"""Entries of checkpoints that hold the network, the likeliest first."""

MOST_BYTES = 32 << 20
"""Of what says which tensors there are: that of the largest network known here has 1 MB, with what its optimizer keeps."""
MOST_SIDE = 1 << 40

_ZIP, _LENGTH = b"PK", struct.Struct("<Q")
_STORAGES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool", "Untyped")
_BEFORE = 3
"""Pickles before the one that matters in the old format: a mark, a version, facts of the machine."""


def shapes_in(file: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every number of the network that a file holds; empty where it holds none.

    Raises:
        ModelError: it cannot be read, is no file of weights, damaged, or holds more than numbers.
    """
    shown = printable(file.name)
    try:
        with file.open("rb") as opened:
            head = opened.read(16)
        if head[8:9] == b"{" and head[4:8] == bytes(4):
            return _of_safetensors(file)
        held = _of_archive(file) if head.startswith(_ZIP) else _of_old(file)
    except PickleRefusedError as error:
        raise ModelError(f"{shown} was not recognised, and nothing in it was run. {error}") from error
    except OSError as error:
        raise ModelError(f"{printable(str(file))} cannot be read ({error.strerror or error}).") from error
    except (
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
        StopIteration,
        NotImplementedError,
        zipfile.BadZipFile,
    ) as error:
        raise ModelError(f"{shown} is no file of weights that is known here, or it is damaged.") from error
    return _network_in(held)


class _Tensor:
    """Stands for a tensor."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


class _Ordered(dict[Any, Any]):
    """Stands for an OrderedDict. What is hung on it (versions of layers) is left alone."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Nothing of it is needed."""


def _tensor(_storage: object, _offset: object, size: object, *_: object) -> _Tensor:
    if not isinstance(size, tuple) or not all(type(side) is int and 0 <= side <= MOST_SIDE for side in size):
        raise ValueError("a tensor of no shape")
    return _Tensor(size)


def _parameter(tensor: object, *_: object) -> object:
    return tensor


def _storage(*_: object) -> None:
    """Kinds of storages are named, never made."""
    raise ValueError("a storage by itself")


_MAKERS: Makers = {
    "collections.OrderedDict": _Ordered,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{kind}Storage": _storage for kind in _STORAGES},
    "torch.storage.UntypedStorage": _storage,
}


def _of_archive(file: Path) -> object:
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl"))
        with archive.open(name) as member:
            raw = member.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError("more than any network needs")
    return _read(raw)


def _of_old(file: Path) -> object:
    """The fourth pickle of a file of torch before 1.6."""
    with file.open("rb") as opened:
        head = io.BytesIO(opened.read(MOST_BYTES))
    for _ in range(_BEFORE):
        for _op in pickletools.genops(head):
            pass
    return _read(head.read())


def _read(raw: bytes) -> object:
    return read_pickle(raw, allowed=NUMPY_SCALARS, makers=_MAKERS, elsewhere=lambda _: None)


def _of_safetensors(file: Path) -> dict[str, tuple[int, ...]]:
    with file.open("rb") as opened:
        (length,) = _LENGTH.unpack(opened.read(_LENGTH.size))
        if length > MOST_BYTES:
            raise ValueError("more than any network needs")
        listed = json.loads(opened.read(length))
    return {name: tuple(map(int, one["shape"])) for name, one in listed.items() if name != "__metadata__"}


def _network_in(held: object) -> dict[str, tuple[int, ...]]:
    """The tensors of the outermost dictionary that has any, or of what it wraps."""
    level = [held] if isinstance(held, Mapping) else []
    for _ in range(3):
        for one in level:
            found = {
                name: each.shape for name, each in one.items() if isinstance(name, str) and isinstance(each, _Tensor)
            }
            if found:
                return found
        level = [one[name] for one in level for name in WRAPPERS if isinstance(one.get(name), Mapping)]
    return {}

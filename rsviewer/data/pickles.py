"""Reads pickles of strangers without running anything of theirs.

A pickle is a program: it may name any function of any module that is installed, and call it. Here it gets none. Numbers,
texts, lists and dictionaries need none; for a format that is known to hold numbers of numpy, the few names that these need
are allowed one by one, and even they mean code of this module that takes a known shape, a known type and as many bytes.

Before anything is built, the opcodes are looked through: none of those that make objects of classes, no announcement of more
than the file has (https://nvd.nist.gov/vuln/detail/CVE-2018-20406). Afterwards: nothing that holds itself, nothing deep,
nothing that says one thing so often that writing it out would never end.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping, Set
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import PickleRefusedError

NUMPY_SCALARS = frozenset({"numpy.core.multiarray.scalar", "numpy.dtype", "_codecs.encode", "builtins.bytes"})
"""What single numbers and texts of numpy are pickled as. The last two are how the protocols 0 to 2 write bytes.

numpy 2 calls numpy.core numpy._core; both are meant.
"""

NUMPY_ARRAYS = NUMPY_SCALARS | {
    "numpy.core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.core.numeric._frombuffer",
}
"""What arrays of numpy are pickled as, besides."""

OPTIONS = frozenset({"argparse.Namespace"})
"""What the options of a command line are pickled as. They become a dictionary."""

Makers: TypeAlias = Mapping[str, Callable[..., object]]
"""Name -> what is called in its place."""

MAX_BYTES = 64 * 1024 * 1024
"""A list of a hundred thousand names takes five million."""

MAX_OPCODES = 20_000_000
MAX_DEPTH = 60
MAX_ITEMS = 10_000_000
"""Everything in it, counted as often as it is said."""

_MAKING = frozenset({"INST", "OBJ", "NEWOBJ_EX"})
_NEW, _PLACE = "NEWOBJ", "BINPERSID"
_ASKING = frozenset({"PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"})
_REMEMBERING = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_NUMBERS = re.compile(r"[<>=|]?(?:b1|i[1248]|u[1248]|f[248]|[SU]\d{1,6})", re.ASCII)
_CONTAINERS = (list, tuple, dict, set, frozenset)


def read_pickle(
    raw: bytes,
    *,
    allowed: Set[str] = frozenset(),
    makers: Makers = MappingProxyType({}),
    elsewhere: Callable[[object], object] | None = None,
) -> object:
    """What a pickle holds: None, bool, int, float, str, bytes, list, tuple, dict, set; of numpy only arrays, as they are.

    Args:
        raw: the whole file; what comes behind the pickle is not looked at.
        allowed: names that it may ask for: `NUMPY_SCALARS`, `NUMPY_ARRAYS`, `OPTIONS`. No other name ever means anything.
        makers: further names, and what stands for them.
        elsewhere: what to take for something that it says is kept elsewhere ("persistent"); None where nothing may be.

    Raises:
        PickleRefusedError: it asks for something else, is damaged, or too large. The message names what it asks for.
    """
    if len(raw) > MAX_BYTES:
        raise PickleRefusedError(f"It has {len(raw):,} bytes: too large for a pickle that is data.")
    try:
        _look_through(raw, makes=bool(allowed & OPTIONS), refers=elsewhere is not None)
        value = _Reader(raw, {name: _MAKERS[name] for name in allowed} | dict(makers), elsewhere).load()
        _check(value)
        return _with_arrays(value)
    except PickleRefusedError:
        raise
    except Exception as error:
        raise PickleRefusedError(f"It is no pickle, or damaged ({type(error).__name__}).") from error


class _Reader(pickle.Unpickler):
    def __init__(self, raw: bytes, makers: Makers, elsewhere: Callable[[object], object] | None) -> None:
        super().__init__(io.BytesIO(raw), encoding="utf-8", errors="surrogateescape")
        self._makers = makers
        self._elsewhere = elsewhere

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Only what is allowed, and that not the real thing."""
        name = f"{module_name}.{global_name}"
        common = re.sub(r"^__builtin__\b", "builtins", re.sub(r"^numpy\._core\b", "numpy.core", name))
        if common not in self._makers:
            _refuse(name)
        maker = self._makers[common]
        return maker if maker is _Options else _Maker(common, maker)

    def persistent_load(self, pid: Any) -> object:
        """Nobody is asked, but who reads."""
        if self._elsewhere is None:
            _refuse(f"the object {pid!r} of another program")
        return self._elsewhere(pid)


class _Maker:
    """Stands for an allowed name. Has nothing that a pickle could change."""

    __slots__ = ("_made", "name")

    def __init__(self, name: str, made: Callable[..., object]) -> None:
        self.name = name
        self._made = made

    def __call__(self, *arguments: object) -> object:
        return self._made(*arguments)

    def __setstate__(self, state: object) -> None:
        _refuse(f"a changed {self.name}")


class _Options(dict[str, object]):
    """An argparse.Namespace, as pickled. The only thing that a pickle may make an object of."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            _refuse("options without names")
        self.update(state)


class _Type:
    """A type of numbers or texts, `numpy.dtype` as pickled."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            _refuse(f"the type {code!r} of numpy")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        # (version, byte order, sub-array, names, fields, ...): only the order is new to us.
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.dtype = self.dtype.newbyteorder(order)
            case _:
                _refuse("a type of numpy with parts")


class _Array:
    """An array, while the pickle is being read."""

    __slots__ = ("values",)

    def __init__(self, values: NDArray[Any] | None = None) -> None:
        self.values = values

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), tuple() as shape, _Type() as type_, bool() | int() as by_columns, bytes() | str() as raw) if (
                self.values is None
            ):
                self.values = _shaped(raw, type_, shape, "F" if by_columns else "C")
            case _:
                _refuse("an array of objects")


def _scalar(type_: object, raw: object = b"") -> object:
    """A single value, as Python has it."""
    if not isinstance(type_, _Type):
        _refuse("an object of numpy")
    return _shaped(raw, type_, (1,), "C").item()


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: object, type_: object, shape: object, order: object) -> _Array:
    if not isinstance(type_, _Type) or not isinstance(shape, tuple):
        _refuse("an array of objects")
    return _Array(_shaped(raw, type_, shape, "F" if order == "F" else "C"))


def _encode(text: object, encoding: object) -> bytes:
    """How the protocols 0 to 2 say bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        _refuse(f"_codecs.encode with {encoding!r}")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    return b""


def _nothing(*_: object) -> NoReturn:
    _refuse("a call of numpy.ndarray")


_MAKERS: dict[str, Any] = {
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.ndarray": _nothing,
    "numpy.dtype": _Type,
    "_codecs.encode": _encode,
    "builtins.bytes": _no_bytes,
    "argparse.Namespace": _Options,
}


def _shaped(raw: object, type_: _Type, shape: tuple[object, ...], order: str) -> NDArray[Any]:
    """An array of exactly these bytes."""
    data = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw  # Python 2 had no bytes
    sizes = [size for size in shape if isinstance(size, int) and 0 <= size <= MAX_BYTES]
    count = math.prod(sizes)
    if not isinstance(data, bytes | bytearray) or len(sizes) != len(shape) or len(shape) > 8:
        _refuse("an array of no known shape")
    if count * type_.dtype.itemsize != len(data):
        raise PickleRefusedError("It is damaged: an array has more or fewer bytes than its shape needs.")
    values = np.frombuffer(bytes(data), type_.dtype) if data else np.zeros(count, type_.dtype)
    return values.reshape(tuple(sizes), order="F" if order == "F" else "C")


def _look_through(raw: bytes, *, makes: bool, refers: bool) -> None:
    """Raises PickleRefusedError, or ValueError and others where it is no pickle.

    Args:
        raw: the pickle.
        makes: it may make objects of the classes that it is given.
        refers: it may speak of what is kept elsewhere.
    """
    refused = _MAKING | _ASKING | (set() if makes else {_NEW}) | (set() if refers else {_PLACE})
    for number, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
        name = opcode.name
        if name in refused:
            asked = str(argument).replace(" ", ".") if name == "INST" else f"an object by the opcode {name}"
            _refuse(asked)
        if name in _REMEMBERING and int(argument or 0) > number:  # the reader would make room for as many
            raise PickleRefusedError("It is damaged: it counts more things than it has.")
        if number > MAX_OPCODES:
            raise PickleRefusedError("It is too large for a pickle that is data.")


def _check(value: object) -> None:
    """Raises PickleRefusedError where something holds itself, is too deep or too large when it is written out."""
    measured: dict[int, tuple[int, int]] = {}  # container -> (depth, number of things in it); None while it is open
    opened: set[int] = set()
    waiting = [value] if isinstance(value, _CONTAINERS) else []
    while waiting:
        holder = waiting[-1]
        parts = _parts(holder)
        if id(holder) in measured:
            waiting.pop()
        elif id(holder) in opened:
            waiting.pop()
            found = [measured[id(part)] for part in parts]
            depth = 1 + max((each[0] for each in found), default=0)
            size = len(holder) + sum(each[1] for each in found)
            if depth > MAX_DEPTH or size > MAX_ITEMS:
                raise PickleRefusedError("It is nested too deeply, or too large, for a pickle that is data.")
            opened.discard(id(holder))
            measured[id(holder)] = depth, size
        else:
            opened.add(id(holder))
            inner = [part for part in parts if id(part) not in measured]
            if any(id(part) in opened for part in inner):
                raise PickleRefusedError("It holds a list that holds itself, which data never does.")
            waiting += inner


def _parts(holder: Any) -> list[Any]:
    """The containers in a container."""
    parts = [part for part in holder if isinstance(part, _CONTAINERS)]
    if isinstance(holder, dict):
        parts += [part for part in holder.values() if isinstance(part, _CONTAINERS)]
    return parts


def _with_arrays(value: Any) -> Any:
    """The same with arrays where they stand, no deeper than `_check` allowed."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, _Maker | _Type | type):
        _refuse("a name alone")
    if isinstance(value, list):
        return [_with_arrays(part) for part in value] if _has_ours(value) else value
    if isinstance(value, tuple):
        return tuple(_with_arrays(part) for part in value) if _has_ours(value) else value
    if isinstance(value, dict):
        return {_with_arrays(key): _with_arrays(part) for key, part in value.items()}
    return value


def _has_ours(parts: list[Any] | tuple[Any, ...]) -> bool:
    return any(isinstance(part, (_Array, _Maker, _Type, type, *_CONTAINERS)) for part in parts)


def _refuse(name: str) -> NoReturn:
    raise PickleRefusedError(
        f"It asks for {name}, which is a program and not data: it was not read. Do not load it elsewhere unless you trust it.",
        name,
    )

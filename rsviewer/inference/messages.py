"""What the program and a model's process tell each other: a header in JSON, raw arrays behind it. No pickles.

A message is the length of its header (4 bytes, big-endian), the header, and the bytes of its arrays in their order. Neither
side trusts the other: sizes are checked before memory is taken, and a value becomes the very type that the reader asks for.
"""

import json
import math
import struct
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, Protocol, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

MOST_HEADER_BYTES = 16 << 20
MOST_ARRAYS = 64
MOST_DIMENSIONS = 4
DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
)
"""Of arrays that may travel: numbers whose bytes are all they are."""

_LENGTH = struct.Struct(">I")
_T = TypeVar("_T")

Json: TypeAlias = Any
"""What `json` reads and writes: None, bool, int, float, str, list, dict."""


class MessageError(ValueError):
    """What came is no message, or not the one that was expected."""


class Pipe(Protocol):
    """One end of a pipe, unbuffered: both may do less than they were asked to."""

    def write(self, data: Any, /) -> int | None:
        """Writes some of the bytes and says how many."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fills some of the buffer and says how much; 0 at the end."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: what it is about.
        fields: name -> what `pack` made of a value.
        arrays: that the fields refer to by number.
    """

    kind: str
    fields: Mapping[str, Json]
    arrays: tuple[NDArray[Any], ...] = ()

    def get(self, name: str, kind: type[_T]) -> _T:
        """The value of a field. Raises MessageError where it is not there or of another type."""
        if name not in self.fields:
            raise MessageError(f"a message {self.kind!r} without {name!r}")
        value: _T = unpack(kind, self.fields[name], self.arrays)
        return value


def message(kind: str, /, **values: object) -> Message:
    """A message with these fields."""
    arrays: list[NDArray[Any]] = []
    return Message(kind, {name: pack(value, arrays) for name, value in values.items()}, tuple(arrays))


def send(pipe: Pipe, sent: Message) -> None:
    """Writes a message. Raises OSError where nobody reads it any more."""
    arrays = [_plain(array) for array in sent.arrays]
    described = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    header = json.dumps({"kind": sent.kind, "fields": sent.fields, "arrays": described}).encode("ascii")
    if len(header) > MOST_HEADER_BYTES or len(arrays) > MOST_ARRAYS:
        raise MessageError(f"a message {sent.kind!r} of {len(header)} bytes and {len(arrays)} arrays is too large")
    _write(pipe, memoryview(_LENGTH.pack(len(header)) + header))
    for array in arrays:
        if array.size:
            _write(pipe, array.reshape(-1).data.cast("B"))


def receive(pipe: Pipe, most_bytes: int) -> Message | None:
    """Reads a message.

    Args:
        pipe: where from.
        most_bytes: that its arrays may have together.

    Returns:
        The message; None where the other side has closed the pipe between two of them.

    Raises:
        EOFError: it has closed it in the middle of one.
        MessageError: what came is no message, or too large.
    """
    length = memoryview(bytearray(_LENGTH.size))
    got = pipe.readinto(length) or 0
    if not got:
        return None
    _fill(pipe, length[got:])
    (size,) = _LENGTH.unpack(length)
    if size > MOST_HEADER_BYTES:
        raise MessageError(f"a header of {size} bytes")
    text = bytearray(size)
    _fill(pipe, memoryview(text))
    kind, values, described = _header(text)
    arrays = []
    for dtype, shape in described:
        nbytes = math.prod(shape) * dtype.itemsize
        most_bytes -= nbytes
        if most_bytes < 0:
            raise MessageError(f"an array of {nbytes} bytes, more than may come")
        raw = np.empty(nbytes, np.uint8)
        if nbytes:
            _fill(pipe, raw.data)
        # Any byte but 0 and 1 is no bool, whatever numpy would make of it.
        values_of = raw != 0 if dtype == np.bool_ else raw.view(dtype)
        try:
            arrays.append(values_of.reshape(shape))
        except ValueError as error:  # sides that only a 0 among them keeps from being too large
            raise MessageError(f"an array of the shape {shape!r:.80}") from error
    return Message(kind, values, tuple(arrays))


def pack(value: object, arrays: list[NDArray[Any]]) -> Json:
    """A value as JSON; arrays are put into the list, and their number in their place.

    Values are None, numbers, texts, enums, tuples, lists, mappings, arrays, and dataclasses of these.
    """
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return len(arrays) - 1
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: pack(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, Mapping):
        return [[pack(key, arrays), pack(one, arrays)] for key, one in value.items()]
    if isinstance(value, (tuple, list)):
        return [pack(one, arrays) for one in value]
    raise TypeError(f"{type(value).__name__} cannot be put into a message")


def unpack(kind: Any, packed: Json, arrays: Sequence[NDArray[Any]]) -> Any:
    """The value of a type, from what `pack` made of it. Raises MessageError where it is none.

    Args:
        kind: type of the value: a dataclass, an enum, `tuple[float, ...]`, `Mapping[str, int]`, `float | None` ...
        packed: what came.
        arrays: of the message.
    """
    origin = get_origin(kind)
    if origin is types.UnionType or origin is Union:
        return _unpack_one_of(get_args(kind), packed, arrays)
    if isinstance(kind, NewType):
        return unpack(kind.__supertype__, packed, arrays)
    if origin is np.ndarray:
        return _unpack_array(get_args(kind), packed, arrays)
    if origin is tuple:
        return _unpack_tuple(get_args(kind), packed, arrays)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _unpack_mapping(get_args(kind), packed, arrays)
    if is_dataclass(kind):
        return _unpack_dataclass(kind, packed, arrays)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _made(kind, packed)
    if kind is float and type(packed) is int:
        return packed
    if kind is types.NoneType and packed is None:
        return None
    if kind in (bool, int, float, str) and type(packed) is kind:
        return packed
    raise MessageError(f"{packed!r:.40} is no {getattr(kind, '__name__', kind)}")


def _unpack_one_of(kinds: Sequence[Any], packed: Json, arrays: Sequence[NDArray[Any]]) -> object:
    for kind in kinds:
        if type(packed) is kind or (packed is None and kind is types.NoneType):
            return packed
    for kind in kinds:
        try:
            return unpack(kind, packed, arrays)
        except MessageError:
            continue
    raise MessageError(f"{packed!r:.40} is none of {', '.join(str(kind) for kind in kinds)}")


def _unpack_array(kinds: Sequence[Any], packed: Json, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if type(packed) is not int or not 0 <= packed < len(arrays):
        raise MessageError(f"no array {packed!r:.40}")
    array = arrays[packed]
    (scalar,) = get_args(kinds[1])
    if scalar is not Any and not issubclass(array.dtype.type, scalar):
        raise MessageError(f"an array of {array.dtype} instead of {scalar.__name__}")
    return array


def _unpack_tuple(kinds: Sequence[Any], packed: Json, arrays: Sequence[NDArray[Any]]) -> tuple[Any, ...]:
    if not isinstance(packed, list):
        raise MessageError(f"{packed!r:.40} is no list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = [kinds[0]] * len(packed)
    if len(kinds) != len(packed):
        raise MessageError(f"a list of {len(packed)} instead of {len(kinds)}")
    return tuple(unpack(kind, one, arrays) for kind, one in zip(kinds, packed, strict=True))


def _unpack_mapping(kinds: Sequence[Any], packed: Json, arrays: Sequence[NDArray[Any]]) -> dict[Any, Any]:
    if not isinstance(packed, list):
        raise MessageError(f"{packed!r:.40} is no list of pairs")
    return dict(_unpack_tuple(kinds, pair, arrays) for pair in packed)


def _unpack_dataclass(kind: Any, packed: Json, arrays: Sequence[NDArray[Any]]) -> object:
    hints = _hints(kind)
    if not isinstance(packed, dict) or packed.keys() != hints.keys():
        raise MessageError(f"{packed!r:.80} is no {kind.__name__}")
    return _made(kind, **{name: unpack(hint, packed[name], arrays) for name, hint in hints.items()})


def _made(kind: Any, /, *values: object, **fields: object) -> object:
    """A dataclass or an enum made of these values, which may refuse them."""
    try:
        made: object = kind(*values, **fields)
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise MessageError(f"no {kind.__name__}: {error}") from error
    return made


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _header(text: bytearray) -> tuple[str, dict[str, Json], list[tuple[np.dtype[Any], tuple[int, ...]]]]:
    try:
        header = json.loads(text)
        kind, values = header["kind"], header["fields"]
        described = [(one["dtype"], tuple(one["shape"])) for one in header["arrays"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageError(f"no header: {error}") from error
    if not isinstance(kind, str) or not isinstance(values, dict) or len(described) > MOST_ARRAYS:
        raise MessageError("no header: it lacks what every message has")
    for name, shape in described:
        if name not in DTYPES:
            raise MessageError(f"an array of {name!r:.40}")
        if len(shape) > MOST_DIMENSIONS or any(type(side) is not int or side < 0 for side in shape):
            raise MessageError(f"an array of the shape {shape!r:.80}")
    return kind, values, [(np.dtype(name), shape) for name, shape in described]


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """In one piece and in this machine's byte order."""
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if native.dtype.name not in DTYPES:
        raise TypeError(f"an array of {native.dtype} cannot be put into a message")
    return native.reshape(array.shape)  # ascontiguousarray makes a list of a single number


def _write(pipe: Pipe, data: memoryview) -> None:
    while data:
        data = data[pipe.write(data) or 0 :]


def _fill(pipe: Pipe, buffer: memoryview) -> None:
    while buffer:
        got = pipe.readinto(buffer)
        if not got:
            raise EOFError("the other side has closed the pipe in the middle of a message")
        buffer = buffer[got:]

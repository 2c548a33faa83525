"""Looks into an ONNX file without loading it: whether it is whole, and which other files it would read.

ONNX files are protocol buffers (https://protobuf.dev/programming-guides/encoding), fields are numbered as in
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Numbers are skipped, so a large file takes no longer than a small one.
"""

import mmap
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path


class _Part(Enum):
    MODEL = auto()
    TRAINING = auto()
    GRAPH = auto()
    NODE = auto()
    FUNCTION = auto()
    ATTRIBUTE = auto()
    TENSOR = auto()
    SPARSE = auto()
    ENTRY = auto()


PARTS = {
    _Part.MODEL: {7: _Part.GRAPH, 20: _Part.TRAINING, 25: _Part.FUNCTION},
    _Part.TRAINING: {1: _Part.GRAPH, 2: _Part.GRAPH},
    _Part.GRAPH: {1: _Part.NODE, 5: _Part.TENSOR, 15: _Part.SPARSE},
    _Part.NODE: {5: _Part.ATTRIBUTE},
    _Part.FUNCTION: {7: _Part.NODE, 11: _Part.ATTRIBUTE},
    _Part.ATTRIBUTE: {
        5: _Part.TENSOR,
        6: _Part.GRAPH,
        10: _Part.TENSOR,
        11: _Part.GRAPH,
        22: _Part.SPARSE,
        23: _Part.SPARSE,
    },
    _Part.SPARSE: {1: _Part.TENSOR, 2: _Part.TENSOR},
    _Part.TENSOR: {13: _Part.ENTRY},
    _Part.ENTRY: {},
}
"""Part of a file -> number of a field -> the part in it, where it leads to tensors."""
GRAPH_FIELD = 7
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def other_files(path: Path) -> tuple[str, ...]:
    """Names of the files beside an ONNX file that hold some of its numbers; none for most.

    Raises:
        ValueError: it is no ONNX file, or not a whole one.
        OSError: it cannot be read.
    """
    found: dict[str, None] = {}
    has_graph = False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        waiting = [(_Part.MODEL, 0, len(data))]
        while waiting:
            part, start, end = waiting.pop()
            for field, begin, stop in _fields(data, start, end):
                has_graph |= part is _Part.MODEL and field == GRAPH_FIELD
                inner = PARTS[part].get(field)
                if inner is _Part.ENTRY:
                    entry = {number: data[first:last] for number, first, last in _fields(data, begin, stop)}
                    if entry.get(1) == b"location":
                        found[entry.get(2, b"").decode(errors="replace")] = None
                elif inner is not None:
                    waiting.append((inner, begin, stop))
    if not has_graph:
        raise ValueError("there is no graph in it")
    return tuple(found)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first and last byte of each field with bytes of its own; others are skipped."""
    while start < end:
        key, start = _varint(data, start, end)
        if key >> 32:  # readers of protocol buffers leave these bits out, and see another field
            raise ValueError("it holds something else")
        wire = key & 7
        if wire == VARINT:
            _, start = _varint(data, start, end)
        elif wire == BYTES:
            size, start = _varint(data, start, end)
            if start + size > end:
                raise ValueError("it breaks off")
            yield key >> 3, start, start + size
            start += size
        elif wire in (FIXED32, FIXED64):
            start += 4 if wire == FIXED32 else 8
        else:
            raise ValueError("it holds something else")
    if start > end:
        raise ValueError("it breaks off")


def _varint(data: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(start, min(start + 10, end)):
        byte = data[place]
        value |= (byte & 0x7F) << 7 * (place - start)
        if byte < 0x80:
            return value, place + 1
    raise ValueError("it breaks off")

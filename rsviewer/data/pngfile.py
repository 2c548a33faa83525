"""Pictures and numbers as PNG."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Pixels
from rsviewer.data.saving import saving

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLORS: Final = {1: 0, 2: 4, 3: 2, 4: 6}
"""Bands -> the colour type of the format: grey, grey and alpha, red green blue, these and alpha."""
_FILTERS = (_NONE, _SUB, _UP, _AVERAGE) = range(4)
_KEY_LENGTH: Final = 79
LEVEL: Final = 1
"""Of deflate: 3 takes half as long again for one percent of a picture, 6 three times as long."""
_SAMPLED: Final = 32
"""Rows, about, by which the filter is chosen."""
_LARGE = 16_000_000
"""Pixels from which saving takes seconds: then speed counts more than the last tenth of the size."""


def write_png(path: Path, pixels: Pixels, *, transparent: bool = False, overwrite: bool = False) -> None:
    """Writes a picture. Whole or not at all.

    Args:
        path: any name.
        pixels: (height, width) 0xAARRGGBB, not premultiplied.
        transparent: keep the alpha; else everything is opaque.
        overwrite: replace what is there.

    Raises:
        SaveError: the file cannot be written, or is there already.
    """
    from PIL import Image  # when something is saved, not before

    height, width = pixels.shape
    stored = np.ascontiguousarray(pixels, "<u4")
    with saving(path, overwrite=overwrite) as partial:
        mode, raw = ("RGBA", "BGRA") if transparent else ("RGB", "BGRX")
        picture = Image.frombuffer(mode, (width, height), stored, "raw", raw, 0, 1)
        picture.save(partial, "PNG", compress_level=3 if stored.size > _LARGE else 6)


def png(pixels: NDArray[Any], *, nodata: int | None = None, text: Mapping[str, str] | None = None) -> bytes:
    """The content of a PNG file.

    It is made here since no library at hand takes 16 bits with alpha, names a value that is no data and writes texts; it is
    made in half the time that Pillow or GDAL take at their own settings.

    Args:
        pixels: (bands, height, width) uint8 or uint16: grey, grey and alpha, red green blue, or these and alpha.
        nodata: of one band: the value that is transparent, which GDAL reads as nodata; None for none.
        text: key -> text; a key is Latin letters, 79 at most.

    Raises:
        ValueError: the pixels are none of these.
    """
    bands, height, width = pixels.shape
    if pixels.dtype not in (np.uint8, np.uint16) or bands not in _COLORS or not width or not height:
        raise ValueError(f"{bands} bands of {width} x {height} {pixels.dtype} are no PNG")
    size = pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, 8 * size, _COLORS[bands], 0, 0, 0)
    chunks = [_SIGNATURE, _chunk(b"IHDR", header)]
    if nodata is not None and bands == 1:
        chunks.append(_chunk(b"tRNS", struct.pack(">H", nodata)))
    chunks += [_text(key, value) for key, value in (text or {}).items()]
    rows = np.moveaxis(pixels, 0, -1).astype(pixels.dtype.newbyteorder(">"), order="C")
    filtered = _filtered(rows.reshape(height, -1).view(np.uint8), bands * size)
    return b"".join([*chunks, _chunk(b"IDAT", zlib.compress(filtered.data, LEVEL)), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _text(key: str, value: str) -> bytes:
    name = key.encode("latin-1", "replace")[:_KEY_LENGTH] + b"\0"
    if value.isascii():
        return _chunk(b"tEXt", name + value.encode())
    return _chunk(b"iTXt", name + b"\0\0\0\0" + value.encode("utf-8", "replace"))


def _filtered(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows of bytes as differences that are more alike than the bytes, each row after the number of its filter.

    One filter for all rows: the one of the smallest differences in a sample of them, as the format's authors advise.

    Args:
        rows: (height, bytes).
        step: bytes of a pixel.
    """
    height, length = rows.shape
    sample = np.arange(1, height, max(1, height // _SAMPLED))
    tried = {kind: _differences(rows[sample], rows[sample - 1], step, kind) for kind in _FILTERS}
    best = min(tried, key=lambda kind: int(np.minimum(tried[kind], -tried[kind]).sum(dtype=np.int64)))
    filtered = np.empty((height, length + 1), np.uint8)
    filtered[:, 0] = best
    filtered[:1, 1:] = _differences(rows[:1], np.zeros_like(rows[:1]), step, best)
    filtered[1:, 1:] = _differences(rows[1:], rows[:-1], step, best)
    return filtered


def _differences(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int, kind: int) -> NDArray[np.uint8]:
    """Bytes minus what the filter expects in their place: nothing, the pixel before, the row above, or the mean of both."""
    if kind == _NONE:
        return rows
    if kind == _UP:
        return rows - above
    before = np.zeros_like(rows)
    before[:, step:] = rows[:, :-step]
    return rows - (before if kind == _SUB else (before & above) + ((before ^ above) >> 1))

"""What a network that reads made of the tiles of a dataset, kept in the project: rows of float16 in files that only ever grow.

`predictions/<model id>-<fingerprint>/`, where the fingerprint is of the model without any words:

    tiles.jsonl    one line a row: [tile, what tells its caption from others, or ""]
    images.f16     a row a tile: features of its image, little-endian float16, of length 1
    texts.f16      a row a tile: features of its caption, zeros where it has none

A row is written to all three, to the lines last. Whatever interrupts that leaves a row that is not whole, which is cut off when
the files are opened for writing and passed over when they are read. The last row of a tile counts.
"""

import contextlib
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import SaveError
from rsviewer.core.tile import TileId, printable

log = logging.getLogger(__name__)

LINES, IMAGES, TEXTS, SHAPE = "tiles.jsonl", "images.f16", "texts.f16", "features.json"
MOST_FEATURES = 65536
_TYPE = np.dtype("<f2")
_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """All tiles that were embedded, each once.

    Attributes:
        tiles: their names.
        images: (tiles, n) float16, mapped from the file.
        texts: (tiles, n) of their captions, zeros where there is none.
        captions: what tells a caption from others, empty where there is none.
    """

    tiles: Sequence[TileId]
    images: NDArray[np.float16]
    texts: NDArray[np.float16]
    captions: Sequence[str]


class EmbeddingStore:
    """The embeddings of one model in one folder. For one writer at a time, from any thread; use it as a context.

    Args:
        folder: made when the first row is added.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._files: tuple[BinaryIO, BinaryIO, BinaryIO] | None = None
        self._features = 0
        self._known: set[TileId] | None = None

    def has(self, tile: TileId) -> bool:
        """Whether a tile was embedded."""
        with self._guard:
            if self._known is None:
                self._known = {name for name, _ in self._rows(self._shape())}
            return tile in self._known

    def add(
        self,
        tile: TileId,
        features: NDArray[np.floating],
        caption: str = "",
        caption_features: NDArray[np.floating] | None = None,
    ) -> None:
        """Adds a row.

        Args:
            tile: whose.
            features: (n,) of its image, of length 1.
            caption: as the network read it.
            caption_features: (n,) of it; None where there is none.

        Raises:
            SaveError: there is no room or permission.
        """
        other = np.zeros(features.shape, _TYPE) if caption_features is None else caption_features
        line = json.dumps([tile, told_apart(caption)], ensure_ascii=True).encode() + b"\n"
        try:
            with self._guard:
                files = self._files or self._open(features.size)
                if features.shape != (self._features,) or other.shape != features.shape:
                    raise ValueError(f"{features.shape} features in a table of {self._features}")
                for file, part in zip(files, (features, other, None), strict=True):
                    file.write(line if part is None else part.astype(_TYPE).tobytes())
                    file.flush()
                if self._known is not None:
                    self._known.add(tile)
        except OSError as error:
            raise SaveError(
                f"{printable(str(self._folder))} cannot be written ({error.strerror or error}). "
                "Make room or give permission there."
            ) from error

    def read(self) -> Embeddings | None:
        """All rows; None where there are none."""
        with self._guard:
            features = self._shape()
            rows = list(self._rows(features))
        last = {tile: number for number, (tile, _) in enumerate(rows)}
        if not last:
            return None
        tables: list[NDArray[np.float16]] = [
            np.memmap(self._folder / name, _TYPE, mode="r", shape=(len(rows), features)) for name in (IMAGES, TEXTS)
        ]
        places = list(last.values())
        if len(places) != len(rows):
            tables = [table[places] for table in tables]
        return Embeddings(tuple(last), tables[0], tables[1], tuple(rows[place][1] for place in places))

    def close(self) -> None:
        """Lets go of the files."""
        with self._guard, contextlib.ExitStack() as stack:
            for file in self._files or ():
                stack.callback(file.close)
            self._files = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _shape(self) -> int:
        """Numbers in a row; 0 where there is no table."""
        try:
            said = json.loads((self._folder / SHAPE).read_bytes()[:_LONGEST_LINE])
            features = said["features"]
        except (OSError, ValueError, LookupError, TypeError):
            return 0
        return features if type(features) is int and 0 < features <= MOST_FEATURES else 0

    def _rows(self, features: int) -> Iterator[tuple[TileId, str]]:
        """(tile, caption) of every row that is whole in all files."""
        if not features:
            return
        try:
            whole = min((self._folder / name).stat().st_size // (features * _TYPE.itemsize) for name in (IMAGES, TEXTS))
            with (self._folder / LINES).open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b"")):
                    said = _said(line)
                    if number >= whole or said is None:
                        return
                    yield said
        except OSError as error:
            log.info("Cannot read %s: %s", printable(str(self._folder)), error)

    def _open(self, features: int) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
        """The files, ready for the next row. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        count = 0
        if self._shape() == features:
            count = sum(1 for _ in self._rows(features))
        paths = [self._folder / name for name in (IMAGES, TEXTS, LINES)]
        if any(path.is_symlink() for path in paths):  # a project may come from a stranger
            raise OSError("one of its files is a link")
        (self._folder / SHAPE).write_text(json.dumps({"features": features}) + "\n", encoding="ascii")
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(path.open("ab+")) for path in paths]
            ends = [count * features * _TYPE.itemsize] * 2 + [_end_of_lines(files[2], count)]
            for file, end in zip(files, ends, strict=True):
                file.truncate(end)
                file.seek(0, os.SEEK_END)
            stack.pop_all()
        self._files, self._features = (files[0], files[1], files[2]), features
        return self._files


def told_apart(caption: str) -> str:
    """16 hexadecimal digits that two captions share only if they are equal; empty for none."""
    return hashlib.sha256(caption.encode(errors="surrogatepass")).hexdigest()[:16] if caption else ""


def _said(line: bytes) -> tuple[TileId, str] | None:
    try:
        said: Any = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(said) != 2 or not all(isinstance(one, str) for one in said):
        return None
    return TileId(said[0]), said[1]


def _end_of_lines(file: BinaryIO, count: int) -> int:
    """Where the first so many lines end."""
    file.seek(0)
    return sum(len(file.readline(_LONGEST_LINE)) for _ in range(count))

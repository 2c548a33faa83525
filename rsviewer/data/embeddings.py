"""What a network that reads made of the tiles of a dataset, kept in the project: rows of float16 in files that only ever grow.

`predictions/<model id>-<fingerprint>/`, where the fingerprint is of the model without any words:

    tiles.jsonl    one line a row: [tile, what tells its caption from others, or "", the state of the files of its image]
    images.f16     a row a tile: features of its image, little-endian float16, of length 1
    texts.f16      a row a tile: features of its caption, zeros where it has none

A row is written to all three, to the lines last. Whatever interrupts that leaves a row that is not whole, which is cut off when
the files are opened for writing and passed over when they are read. The last row of a tile counts. Lines of older versions lack
the state: their tiles can be found, but what is kept of them is not taken for what the image is now.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import stat
import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import SaveError, StoppedError
from rsviewer.core.tile import TileId, printable
from rsviewer.data.settings import write_atomically

log = logging.getLogger(__name__)

LINES, IMAGES, TEXTS, SHAPE = "tiles.jsonl", "images.f16", "texts.f16", "features.json"
MOST_FEATURES = 65536
_TYPE = np.dtype("<f2")
_LONGEST_LINE = 1 << 16
_LINE = re.compile(rb'\["([ !#-\[\]-~]*(?:\\[ -~][ !#-\[\]-~]*)*)", "([0-9a-f]{16}|)"(?:, "([0-9a-f]{16}|)")?\]\n')
"""As `add` writes it. To have json read each of a million lines takes four times as long."""
_LOOKED_AT = 1 << 12
"""Lines between two moments at which reading can be stopped."""


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """All tiles that were embedded, each once.

    Attributes:
        tiles: their names.
        rows: (tiles,) the row of each in the tables, which also hold rows that do not count any more.
        images: (rows, n) float16, mapped from the file.
        texts: (rows, n) of their captions, zeros where there is none; mapped, too.
        captions: (tiles,) what tells a caption from others, 0 where there is none.
    """

    tiles: Sequence[TileId]
    rows: NDArray[np.intp]
    images: NDArray[np.float16]
    texts: NDArray[np.float16]
    captions: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of one tile.

    Attributes:
        features: (n,) of its image, of length 1.
        caption_features: (n,) of the caption that was asked for; None where there is none, or it was another one.
    """

    features: NDArray[np.float32]
    caption_features: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeptRow:
    """What is kept of one tile, of whatever files and caption that was made.

    Attributes:
        features: (n,) of its image, of length 1.
        caption_features: (n,) of its caption; zeros where it has none.
        state, caption: what tells files and captions apart.
    """

    features: NDArray[np.float32]
    caption_features: NDArray[np.float32]
    state: int
    caption: int

    def of(self, state: str, caption: str) -> Kept | None:
        """What of it is still so; see `EmbeddingStore.kept`."""
        if not state or self.state != _number(told_apart(state)):
            return None
        is_read = bool(caption) and self.caption == _number(told_apart(caption))
        return Kept(self.features, self.caption_features if is_read else None)


@dataclass(slots=True)
class _Lines:
    """What the lines say that were read so far.

    Attributes:
        names, captions, states: of each row.
        last: tile -> the row that counts.
        end: where the next line begins, in bytes.
        tail: the last line, which tells whether the file is still the same.
    """

    names: list[TileId] = field(default_factory=list)
    captions: "array[int]" = field(default_factory=lambda: array("Q"))
    states: "array[int]" = field(default_factory=lambda: array("Q"))
    last: dict[TileId, int] = field(default_factory=dict)
    end: int = 0
    tail: bytes = b""

    def add(self, line: bytes) -> bool:
        """Takes a line in. Returns False where it is not whole."""
        said = _said(line)
        if said is None:
            return False
        tile, caption, state = said
        self.last[tile] = len(self.names)
        self.names.append(tile)
        self.captions.append(caption)
        self.states.append(state)
        self.end, self.tail = self.end + len(line), line
        return True


class EmbeddingStore:
    """The embeddings of one model in one folder. For one writer at a time, from any thread; use it as a context.

    The first look at a million rows takes some seconds, in which nothing else is answered. Only `close` never waits for that.

    Args:
        folder: made when the first row is added.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        """Held by who has to do with the open files."""
        self._files: tuple[BinaryIO, BinaryIO, BinaryIO] | None = None
        self._features = 0
        self._lines: _Lines | None = None

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    def has(self, tile: TileId) -> bool:
        """Whether a tile was embedded."""
        with self._guard:
            return tile in (self._lines or self._look()).last

    def is_kept(self, tile: TileId, state: str, caption: str = "") -> bool:
        """Whether all is kept of a tile, of these files and with this caption; see `kept`."""
        with self._guard:
            lines = self._lines or self._look()
            row = lines.last.get(tile)
            said = (_number(told_apart(state)), _number(told_apart(caption)))
            return row is not None and (lines.states[row], lines.captions[row]) == said

    def is_of(self, tile: TileId, state: str) -> bool:
        """Whether a tile was embedded, and from these files, as far as anybody knows how they are; see `kept`."""
        with self._guard:
            lines = self._lines or self._look()
            row = lines.last.get(tile)
            return row is not None and (not state or lines.states[row] == _number(told_apart(state)))

    def kept(self, tile: TileId, state: str, caption: str = "") -> Kept | None:
        """What is kept of a tile; None where there is nothing, or it is of other files.

        Args:
            tile: whose.
            state: of the files of its image, as they are now; see `add`.
            caption: as the network reads it now.
        """
        row = self.row_of(tile)
        return None if row is None else row.of(state, caption)

    def row_of(self, tile: TileId) -> KeptRow | None:
        """The row of a tile that counts; None where there is none, or it is not of numbers."""
        with self._guard:
            lines = self._lines or self._look()
            row = lines.last.get(tile)
            if row is None:
                return None
            features, caption_features = self._row(IMAGES, row), self._row(TEXTS, row)
            if features is None or caption_features is None or not np.isfinite(features).all():
                return None
            return KeptRow(features, caption_features, lines.states[row], lines.captions[row])

    def add(
        self,
        tile: TileId,
        features: NDArray[np.floating],
        caption: str = "",
        caption_features: NDArray[np.floating] | None = None,
        state: str = "",
    ) -> None:
        """Adds a row.

        Args:
            tile: whose.
            features: (n,) of its image, of length 1.
            caption: as the network read it.
            caption_features: (n,) of it; None where there is none.
            state: of the files of its image when they were read; empty where nobody knows.

        Raises:
            SaveError: there is no room or permission.
        """
        other = np.zeros(features.shape, _TYPE) if caption_features is None else caption_features
        said = [tile, told_apart(caption), told_apart(state)]
        line = json.dumps(said, ensure_ascii=True).encode() + b"\n"
        try:
            with self._guard:
                lines = self._lines or self._look()
                with self._writing:
                    files = self._files or self._open(features.size, lines)
                    if features.shape != (self._features,) or other.shape != features.shape:
                        raise ValueError(f"{features.shape} features in a table of {self._features}")
                    try:
                        for file, part in zip(files, (features, other, None), strict=True):
                            file.write(line if part is None else part.astype(_TYPE).tobytes())
                            file.flush()
                    except BaseException:  # a row is there by half: it is cut off when the files are opened again
                        with contextlib.suppress(OSError):
                            self._let_go()
                        raise
                self._look()
        except OSError as error:
            raise SaveError(
                f"{printable(str(self._folder))} cannot be written ({error.strerror or error}). "
                "Make room or give permission there."
            ) from error

    def read(self, stop: Callable[[], bool] = lambda: False) -> Embeddings | None:
        """All rows; None where there are none. What was read before is not read again.

        Raises StoppedError as soon as `stop` says so.
        """
        with self._guard:
            lines, features = self._look(stop), self._shape()
            count = len(lines.names)
            if not count:
                return None
            try:
                images, texts = (
                    np.memmap(self._folder / name, _TYPE, mode="r", shape=(count, features)) for name in (IMAGES, TEXTS)
                )
            except (OSError, ValueError) as error:  # they went away, or were cut off just now
                log.info("Cannot read %s: %s", printable(str(self._folder)), error)
                return None
            captions = np.array(lines.captions, np.uint64)
            if len(lines.last) == count:
                return Embeddings(tuple(lines.names), np.arange(count), images, texts, captions)
            rows = np.fromiter(lines.last.values(), np.intp, len(lines.last))
            return Embeddings(tuple(lines.last), rows, images, texts, captions[rows])

    def close(self) -> None:
        """Lets go of the files."""
        with self._writing:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _let_go(self) -> None:
        files, self._files = self._files or (), None
        with contextlib.ExitStack() as stack:
            for file in files:
                stack.callback(file.close)

    def _shape(self) -> int:
        """Numbers in a row; 0 where there is no table."""
        try:
            with (self._folder / SHAPE).open("rb") as file:
                features = json.loads(file.read(_LONGEST_LINE))["features"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return 0
        return features if type(features) is int and 0 < features <= MOST_FEATURES else 0

    def _look(self, stop: Callable[[], bool] = lambda: False) -> _Lines:
        """What the lines say now. Only those are read that are new, where the file has only grown. See `read`."""
        features, lines = self._shape(), self._lines or _Lines()
        try:
            whole = 0
            if features:
                row = features * _TYPE.itemsize
                found = [(self._folder / name).stat() for name in (IMAGES, TEXTS, LINES)]
                if all(stat.S_ISREG(one.st_mode) for one in found):  # a pipe would never end
                    whole = min(one.st_size // row for one in found[:2])
            if not whole:
                self._lines = _Lines()
                return self._lines
            with (self._folder / LINES).open("rb") as file:
                file.seek(lines.end - len(lines.tail))
                if len(lines.names) > whole or file.read(len(lines.tail)) != lines.tail:
                    lines = _Lines()  # they were cut off, or are others
                    file.seek(0)
                while len(lines.names) < whole and lines.add(file.readline(_LONGEST_LINE)):
                    if not len(lines.names) % _LOOKED_AT and stop():
                        raise StoppedError("Reading the names of the tiles was stopped.")
        except FileNotFoundError:
            lines = _Lines()
        except OSError as error:
            log.info("Cannot read %s: %s", printable(str(self._folder)), error)
            lines = _Lines()
        self._lines = lines
        return lines

    def _row(self, name: str, row: int) -> NDArray[np.float32] | None:
        """One row of a table."""
        features = self._shape()
        try:
            found = np.fromfile(self._folder / name, _TYPE, features, offset=row * features * _TYPE.itemsize)
        except OSError:
            return None
        return found.astype(np.float32) if 0 < features == found.size else None

    def _open(self, features: int, lines: _Lines) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
        """The files, ready for the next row. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = [self._folder / name for name in (IMAGES, TEXTS, LINES)]
        if any(path.is_symlink() for path in (*paths, self._folder / SHAPE)):  # a project may come from a stranger
            raise OSError("one of its files is a link")
        if self._shape() != features:  # it is never there by half: without it, all rows are lost
            lines = _Lines()
            write_atomically(self._folder / SHAPE, json.dumps({"features": features}).encode("ascii") + b"\n")
        count = len(lines.names)
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(path.open("ab+")) for path in paths]
            ends = [count * features * _TYPE.itemsize] * 2 + [lines.end]
            for file, end in zip(files, ends, strict=True):
                if file.seek(0, os.SEEK_END) != end:  # Windows does not let a file be cut off that somebody has mapped
                    file.truncate(end)
                    file.seek(0, os.SEEK_END)
            stack.pop_all()
        self._files, self._features, self._lines = (files[0], files[1], files[2]), features, lines
        return self._files


def told_apart(caption: str) -> str:
    """16 hexadecimal digits that two captions share only if they are equal; empty for none."""
    return hashlib.sha256(caption.encode(errors="surrogatepass")).hexdigest()[:16] if caption else ""


def _said(line: bytes) -> tuple[TileId, int, int] | None:
    """(tile, number of its caption, number of the state) of a line; None where it is none of ours, or not whole."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    name, *told = found.groups(b"")
    try:
        tile = json.loads(b'"%b"' % name) if b"\\" in name else name.decode("ascii")
    except ValueError:
        return None
    caption, state = (int(digits, 16) if digits else 0 for digits in told)
    return TileId(tile), caption, state


def _number(digits: str) -> int:
    """What `told_apart` says, as a number, 0 for nothing."""
    return int(digits, 16) if digits else 0

"""A large file on a server as something to seek and read in: only the parts are fetched that are asked for."""

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

BLOCK: Final = 256 << 10
"""Bytes of the smallest part that is fetched: on most lines it takes no longer than a small one."""

MOST: Final = 4 << 20
"""Bytes of the largest part, where a file is read from front to back."""

_KEPT: Final = 64


class Partly(io.RawIOBase):
    """One reader's view of a file. Not for several threads at once.

    Attributes:
        error: what went wrong while reading. GDAL takes no exceptions: to it the file ends there.
    """

    def __init__(self, size: int, part: Callable[[int, int], bytes]) -> None:
        """`part` gives as many bytes as it is asked for from an offset, and raises OSError."""
        super().__init__()
        self.error: OSError | None = None
        self._size = size
        self._part = part
        self._place = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next = -1
        self._run = 1

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def seekable(self) -> bool:
        """See io.IOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.IOBase."""
        self._place = max(0, offset + {io.SEEK_CUR: self._place, io.SEEK_END: self._size}.get(whence, 0))
        return self._place

    def tell(self) -> int:
        """See io.IOBase."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """See io.RawIOBase."""
        return super().read(size) or b""

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase. Fills the buffer unless the file ends, or fails: see `error`."""
        view = memoryview(buffer).cast("B")
        done, wanted = 0, min(len(view), self._size - self._place)
        try:
            while done < wanted:
                number, start = divmod(self._place, BLOCK)
                piece = self._block(number, -(-(start + wanted - done) // BLOCK))[start : start + wanted - done]
                view[done : done + len(piece)] = piece
                done += len(piece)
                self._place += len(piece)
        except OSError as error:
            self.error = self.error or error
        return done

    def _block(self, number: int, needed: int) -> bytes:
        """One block. Fetches the `needed` ones from it on at once, and more where the file is read in a row."""
        block = self._blocks.get(number)
        if block is not None:
            return block
        self._run = min(2 * self._run, MOST // BLOCK) if number == self._next else 1
        count = min(max(self._run, needed), MOST // BLOCK)
        offset = number * BLOCK
        length = min(count * BLOCK, self._size - offset)
        content = self._part(offset, length)
        if len(content) != length:
            raise OSError(None, "the file has changed on the server, or is cut short there")
        for place in range(0, length, BLOCK):
            self._blocks[number + place // BLOCK] = content[place : place + BLOCK]
        self._next = number + count
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return content[:BLOCK]

"""What OpenGL holds of tiles: bounded, least recently used first."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import Texture
from rsviewer.ui.relief.blocks import Block, pack
from rsviewer.ui.relief.glparts import check, gl


@dataclass(frozen=True, slots=True)
class Stored:
    """What OpenGL holds of a block or, with `picture` alone, of a texture. 0 is nothing."""

    nbytes: int
    points: int = 0
    corners: int = 0
    vertices: int = 0
    indices: int = 0
    places: int = 0
    picture: int = 0

    def delete(self) -> None:
        """Lets OpenGL forget it."""
        for buffer in (self.vertices, self.indices, self.places):
            if buffer:
                gl.glDeleteBuffer(buffer)
        if self.picture:
            gl.glDeleteTexture(self.picture)


class Store:
    """What OpenGL holds, least recently used first.

    Args:
        kept: bytes that are held beyond those of the picture that is drawn.
        most: bytes that are held in any case.
    """

    def __init__(self, kept: int, most: int) -> None:
        self._kept = kept
        self._most = most
        self._held: OrderedDict[Hashable, Stored] = OrderedDict()
        self._used: set[Hashable] = set()
        self._nbytes = 0
        self._largest_picture = int(gl.glGetParameter(gl.GL_MAX_TEXTURE_SIZE))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._nbytes

    def picture(self, texture: Texture) -> int:
        """The texture of OpenGL that holds a picture. Ask for it before the block that it lies on."""
        stored = self._held.get(texture) or self._put(texture, _uploaded_picture(texture, self._largest_picture))
        self._touch(texture)
        return stored.picture

    def block(self, block: Block, *, surface: bool) -> Stored:
        """The buffers of OpenGL that hold a block; without `surface` they may hold its points alone.

        They, and the picture of the block, are there until something else is asked for.
        """
        stored = self._held.get(block)
        if stored is None or (surface and not stored.indices):
            stored = self._put(block, _uploaded(block, surface=surface))
        self._touch(block)
        return stored

    def settle(self) -> None:
        """A picture is done: drops what it did not need, the oldest first, until not too much is left."""
        self._drop(self._kept, self._used)
        self._used = set()

    def clear(self) -> None:
        """Drops everything."""
        self._drop(-1, set())

    def _put(self, key: Hashable, stored: Stored) -> Stored:
        old = self._held.pop(key, None)
        if old is not None:
            self._nbytes -= old.nbytes
            old.delete()
        self._held[key] = stored
        self._nbytes += stored.nbytes
        texture = key.cloud.texture if isinstance(key, Block) else None
        self._drop(self._most, {key, texture})
        return stored

    def _touch(self, key: Hashable) -> None:
        self._held.move_to_end(key)
        self._used.add(key)

    def _drop(self, limit: int, protected: set[Hashable]) -> None:
        for key in list(self._held):
            if self._nbytes <= limit:
                return
            if key not in protected:
                stored = self._held.pop(key)
                self._nbytes -= stored.nbytes
                stored.delete()


def _uploaded(block: Block, *, surface: bool) -> Stored:
    packed = pack(block, surface=surface)
    held = packed.vertices.nbytes + packed.indices.nbytes + (0 if packed.places is None else packed.places.nbytes)
    stored = Stored(
        held + (block.cloud.nbytes if block.start == 0 else 0),  # which is held as long as its block is
        points=packed.count,
        corners=packed.indices.size,
        vertices=_buffer(gl.GL_ARRAY_BUFFER, packed.vertices),
        indices=_buffer(gl.GL_ELEMENT_ARRAY_BUFFER, packed.indices) if surface else 0,
        places=0 if packed.places is None else _buffer(gl.GL_ARRAY_BUFFER, packed.places),
    )
    check(f"taking {held:,} bytes")
    return stored


def _buffer(kind: int, content: NDArray[Any]) -> int:
    handle = int(gl.glCreateBuffer())
    gl.glBindBuffer(kind, handle)
    gl.glBufferData(kind, content, gl.GL_STATIC_DRAW)
    return handle


def _uploaded_picture(texture: Texture, largest: int) -> Stored:
    every = max(1, -(-max(texture.pixels.shape) // largest))
    pixels = np.ascontiguousarray(texture.pixels[::every, ::every], "<u4")
    handle = int(gl.glCreateTexture())
    gl.glBindTexture(gl.GL_TEXTURE_2D, handle)
    for name, value in (
        (gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR_MIPMAP_LINEAR if texture.smooth else gl.GL_NEAREST),
        (gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR if texture.smooth else gl.GL_NEAREST),
        (gl.GL_TEXTURE_WRAP_S, gl.GL_CLAMP_TO_EDGE),
        (gl.GL_TEXTURE_WRAP_T, gl.GL_CLAMP_TO_EDGE),
    ):
        gl.glTexParameteri(gl.GL_TEXTURE_2D, name, value)
    colors = pixels.view(np.uint8).reshape(*pixels.shape, 4)
    gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, gl.GL_RGBA, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE, colors)
    if texture.smooth:
        gl.glGenerateMipmap(gl.GL_TEXTURE_2D)
    check(f"taking a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return Stored(pixels.nbytes * 4 // 3, picture=handle)

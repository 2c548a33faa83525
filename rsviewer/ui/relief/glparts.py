"""Programs and pictures of OpenGL, by vispy's functions."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

from rsviewer.core.render import Pixels
from rsviewer.ui.relief.renderer import RenderingError

gl: Final[Any] = gloo.gl
"""Its functions are put there while it is loaded."""
RGBA8, DEPTH24 = 0x8058, 0x81A6  # unknown to vispy
ATTRIBUTES: Final = ("position", "slope", "color", "place")
"""What vertices may have, by number."""


class Program:
    """A pair of shaders, ready for use."""

    def __init__(self, vertex: str, fragment: str) -> None:
        self.handle = gl.glCreateProgram()
        shaders = [_compiled(gl.GL_VERTEX_SHADER, vertex), _compiled(gl.GL_FRAGMENT_SHADER, fragment)]
        for shader in shaders:
            gl.glAttachShader(self.handle, shader)
        self._inputs = [name for name in ATTRIBUTES if f" {name};" in vertex]
        for name in self._inputs:
            gl.glBindAttribLocation(self.handle, ATTRIBUTES.index(name), name)
        gl.glLinkProgram(self.handle)
        if not gl.glGetProgramParameter(self.handle, gl.GL_LINK_STATUS):
            raise RenderingError(f"its shaders do not fit: {_first_line(gl.glGetProgramInfoLog(self.handle))}")
        for shader in shaders:
            gl.glDeleteShader(shader)
        self._places: dict[str, int] = {}

    def use(self) -> None:
        """What is drawn from now on is drawn with it."""
        gl.glUseProgram(self.handle)
        for number, name in enumerate(ATTRIBUTES):
            switch = gl.glEnableVertexAttribArray if name in self._inputs else gl.glDisableVertexAttribArray
            switch(number)

    def set(self, name: str, *values: float) -> None:
        """Sets one number or a vector of three."""
        if len(values) == 1:
            gl.glUniform1f(self._place(name), float(values[0]))
        else:
            gl.glUniform3f(self._place(name), *(float(value) for value in values))

    def set_matrix(self, matrix: NDArray[np.float64]) -> None:
        """Sets "matrix", (4, 4)."""
        gl.glUniformMatrix4fv(self._place("matrix"), 1, False, np.ascontiguousarray(matrix.T, np.float32))

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = int(gl.glGetUniformLocation(self.handle, name))
        return self._places[name]


class Target:
    """The picture that is drawn into."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._frame = gl.glCreateFramebuffer()
        self._color, self._depth = gl.glCreateRenderbuffer(), gl.glCreateRenderbuffer()
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._frame)

    def begin(self, width: int, height: int, background: tuple[int, int, int]) -> None:
        """Makes room for an empty picture."""
        if self._size != (width, height):
            for handle, kind, place in (
                (self._color, RGBA8, gl.GL_COLOR_ATTACHMENT0),
                (self._depth, DEPTH24, gl.GL_DEPTH_ATTACHMENT),
            ):
                gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, handle)
                gl.glRenderbufferStorage(gl.GL_RENDERBUFFER, kind, width, height)
                gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, place, gl.GL_RENDERBUFFER, handle)
            if gl.glCheckFramebufferStatus(gl.GL_FRAMEBUFFER) != gl.GL_FRAMEBUFFER_COMPLETE:
                raise RenderingError(f"it cannot draw pictures of {width} x {height} pixels")
            self._size = width, height
        gl.glDisable(gl.GL_SCISSOR_TEST)
        gl.glClearColor(*(channel / 255 for channel in reversed(background)), 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        gl.glEnable(gl.GL_SCISSOR_TEST)

    def read(self) -> Pixels:
        """What was drawn."""
        width, height = self._size
        pixels = np.frombuffer(gl.glReadPixels(0, 0, width, height, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE), "<u4")
        return pixels.astype(np.uint32, copy=False).reshape(height, width)

    def close(self) -> None:
        """Deletes it."""
        gl.glDeleteFramebuffer(self._frame)
        gl.glDeleteRenderbuffer(self._color)
        gl.glDeleteRenderbuffer(self._depth)


def point_at(attribute: str, count: int, kind: int, stride: int, offset: int) -> None:
    """Has an attribute read from the buffer that is bound. Bytes are taken for 0..1."""
    is_byte = kind == gl.GL_UNSIGNED_BYTE
    gl.glVertexAttribPointer(ATTRIBUTES.index(attribute), count, kind, is_byte, stride, offset)


def check(what: str) -> None:
    """Raises where OpenGL has failed since it was last asked."""
    error = int(gl.glGetError())
    if error:
        name = str(gl.ENUM_MAP.get(error, error))
        raise RenderingError(f"{name} while {what}")


def _compiled(kind: int, source: str) -> int:
    shader = int(gl.glCreateShader(kind))
    gl.glShaderSource(shader, source)
    gl.glCompileShader(shader)
    if not gl.glGetShaderParameter(shader, gl.GL_COMPILE_STATUS):
        raise RenderingError(f"it is too old for our shaders: {_first_line(gl.glGetShaderInfoLog(shader))}")
    return shader


def _first_line(text: object) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return next((line.strip() for line in said.splitlines() if line.strip()), "without a word")

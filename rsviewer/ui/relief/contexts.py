"""OpenGL that needs no window: Qt's where Qt has a display, EGL's on a Linux machine without one.

A context belongs to the thread that made it. It is current there until it is closed.
"""

import ctypes
import sys
from collections.abc import Iterator
from typing import Any, Final, Protocol

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext, QSurfaceFormat

from rsviewer.ui.relief.renderer import RenderingError

WITHOUT_OPENGL: Final = ("offscreen", "minimal", "minimalegl", "vnc", "linuxfb")
"""Qt's platforms without a display, or whose OpenGL wants one."""

EGL_LIBRARY: Final = "libEGL.so.1"
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_EGL: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "eglQueryDevicesEXT": (_INT, (_INT, _POINTER, _POINTER)),
    "eglGetPlatformDisplayEXT": (_POINTER, (_INT, _POINTER, _POINTER)),
    "eglInitialize": (_INT, (_POINTER, _POINTER, _POINTER)),
    "eglBindAPI": (_INT, (_INT,)),
    "eglChooseConfig": (_INT, (_POINTER, _POINTER, _POINTER, _INT, _POINTER)),
    "eglCreateContext": (_POINTER, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "eglCreatePbufferSurface": (_POINTER, (_POINTER, _POINTER, _POINTER)),
    "eglMakeCurrent": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "eglDestroySurface": (_INT, (_POINTER, _POINTER)),
    "eglDestroyContext": (_INT, (_POINTER, _POINTER)),
    "eglReleaseThread": (_INT, ()),
    "eglGetError": (_INT, ()),
}
"""Function -> what it returns and takes."""
_DEVICE, _SURFACELESS = 0x313F, 0x31DD
_OPENGL_API, _NONE = 0x30A2, 0x3038
_WIDTH, _HEIGHT = 0x3057, 0x3056
_PBUFFER_WITH_OPENGL = (0x3033, 0x0001, 0x3040, 0x0008)  # EGL_SURFACE_TYPE, EGL_RENDERABLE_TYPE
_MOST_DEVICES = 16


class Context(Protocol):
    """OpenGL, current on the thread that made it."""

    @property
    def is_alive(self) -> bool:
        """False once the driver has taken it away."""

    def close(self) -> None:
        """On the thread that made it. Safe to call twice."""


def offscreen_surface() -> QOffscreenSurface | None:
    """What a `QtContext` on another thread needs. Called on the GUI thread; None where Qt has no OpenGL for threads."""
    if QGuiApplication.platformName() in WITHOUT_OPENGL or not QOpenGLContext.supportsThreadedOpenGL():
        return None
    wanted = QSurfaceFormat()
    wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    surface = QOffscreenSurface()
    surface.setFormat(wanted)
    surface.create()
    return surface if surface.isValid() else None


class QtContext:
    """The OpenGL of Qt's platform.

    Args:
        surface: see `offscreen_surface`. It stays the caller's, and must outlive the context.
    """

    def __init__(self, surface: QOffscreenSurface) -> None:
        context = QOpenGLContext()
        context.setFormat(surface.requestedFormat())
        if not context.create():
            raise RenderingError("Qt cannot make a context")
        if context.isOpenGLES():
            raise RenderingError("there is only OpenGL ES")
        if not context.makeCurrent(surface):
            raise RenderingError("Qt cannot make its context current")
        self._context: QOpenGLContext | None = context

    @property
    def is_alive(self) -> bool:
        """See `Context`."""
        return self._context is not None and self._context.isValid()

    def close(self) -> None:
        """See `Context`."""
        context, self._context = self._context, None
        if context is not None:
            context.doneCurrent()


class EglContext:
    """OpenGL of the first graphics processor that has one for programs without display, or of Mesa's software.

    A display of EGL is shared by the whole process, so it is never terminated.
    """

    def __init__(self) -> None:
        self._egl = _Egl()
        self._context: int | None = None
        reason = "EGL knows no device"
        for display in self._egl.displays():
            try:
                self._open(display)
            except RenderingError as error:
                reason = str(error)
            else:
                return
        raise RenderingError(reason)

    @property
    def is_alive(self) -> bool:
        """See `Context`. EGL does not say."""
        return self._context is not None

    def close(self) -> None:
        """See `Context`."""
        context, self._context = self._context, None
        if context is not None:
            self._egl.call("eglMakeCurrent", self._display, None, None, None)
            self._egl.call("eglDestroySurface", self._display, self._surface)
            self._egl.call("eglDestroyContext", self._display, context)
            self._egl.call("eglReleaseThread")

    def _open(self, display: int) -> None:
        egl, self._display = self._egl, display
        egl.demand("eglInitialize", display, None, None)
        egl.demand("eglBindAPI", _OPENGL_API)
        config, found = _POINTER(), _INT()
        wanted = _attributes(*_PBUFFER_WITH_OPENGL)
        egl.demand("eglChooseConfig", display, wanted, ctypes.byref(config), 1, ctypes.byref(found))
        if not found.value:
            raise RenderingError("EGL has no OpenGL for pictures in memory")
        context = egl.demand("eglCreateContext", display, config, None, None)
        surface = egl.call("eglCreatePbufferSurface", display, config, _attributes(_WIDTH, 1, _HEIGHT, 1))
        if not surface or not egl.call("eglMakeCurrent", display, surface, surface, context):
            egl.call("eglDestroySurface", display, surface)
            egl.call("eglDestroyContext", display, context)
            raise RenderingError("EGL cannot make its context current")
        self._context, self._surface = context, surface


class _Egl:
    """EGL's library."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(EGL_LIBRARY)
            address = library.eglGetProcAddress
        except (OSError, AttributeError) as error:
            raise RenderingError(f"{EGL_LIBRARY} cannot be loaded") from error
        address.restype, address.argtypes = _POINTER, (ctypes.c_char_p,)
        self._functions: dict[str, Any] = {}
        for name, (returns, takes) in _EGL.items():
            prototype = ctypes.CFUNCTYPE(returns, *takes)
            if not name.endswith("EXT"):
                self._functions[name] = prototype((name, library))
            elif found := address(name.encode()):
                self._functions[name] = prototype(found)

    def call(self, name: str, *arguments: object) -> int:
        """What a function returns; 0 where it failed or is not there."""
        function = self._functions.get(name)
        return 0 if function is None else int(function(*arguments) or 0)

    def demand(self, name: str, *arguments: object) -> int:
        """The same of a function that must not fail."""
        result = self.call(name, *arguments)
        if not result:
            raise RenderingError(f"{name} failed with {self.call('eglGetError'):#06x}")
        return result

    def displays(self) -> Iterator[int]:
        """Displays that need no screen: one for each device, and the one that Mesa chooses by itself."""
        devices, found = (_POINTER * _MOST_DEVICES)(), _INT()
        self.call("eglQueryDevicesEXT", _MOST_DEVICES, devices, ctypes.byref(found))
        natives = [(_DEVICE, device) for device in devices[: found.value]]
        for platform, native in (*natives, (_SURFACELESS, None)):
            display = self.call("eglGetPlatformDisplayEXT", platform, native, None)
            if display:
                yield display


def _attributes(*values: int) -> ctypes.Array[ctypes.c_int]:
    return (_INT * (len(values) + 1))(*values, _NONE)


def has_egl() -> bool:
    """Whether this is a system where EGL can draw without a display."""
    return sys.platform == "linux"

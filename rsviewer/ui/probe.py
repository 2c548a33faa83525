"""What Qt can do on this machine, as JSON: `python -m rsviewer.ui.probe window|opengl`.

In a process of its own, because a Qt that lacks a library, a display or a driver ends the process it runs in.
"""

import json
import sys

from PySide6.QtCore import qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication, QOffscreenSurface, QOpenGLContext

GL_RENDERER, GL_VERSION = 0x1F01, 0x1F02


def window() -> dict[str, object]:
    """Platform plugin and version of Qt, size of the screen, number of font families."""
    screen = QGuiApplication.primaryScreen()
    size = screen.size() if screen else None
    return {
        "platform": QGuiApplication.platformName(),
        "qt": qVersion(),
        "screen": f"{size.width()} x {size.height()}" if size else "",
        "fonts": len(QFontDatabase.families()),
    }


def opengl() -> dict[str, object]:
    """Renderer and version of OpenGL; empty where a context cannot be made."""
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not context.create() or not context.makeCurrent(surface):
        return {"renderer": "", "version": ""}
    functions = context.functions()
    return {"renderer": str(functions.glGetString(GL_RENDERER)), "version": str(functions.glGetString(GL_VERSION))}


PROBES = {"window": window, "opengl": opengl}

if __name__ == "__main__":
    app = QGuiApplication(["rsviewer"])
    sys.stdout.write(json.dumps(PROBES[sys.argv[1]]()) + "\n")

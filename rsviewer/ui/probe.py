"""What Qt can do on this machine, as JSON: `python -m rsviewer.ui.probe window|opengl`.

In a process of its own, because a Qt that lacks a library, a display or a driver ends the process it runs in.
"""

import json
import sys

from PySide6.QtCore import qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication

from rsviewer.ui.relief.contexts import offscreen_surface
from rsviewer.ui.relief.renderer import RenderingError


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
    """Renderer and version of the OpenGL that the 3D view would draw with, or why there is none.

    Without a display it is the one that draws without: see `rsviewer.ui.relief.contexts`.
    """
    try:
        from rsviewer.ui.relief.glrenderer import opened

        surface = offscreen_surface()
        renderer = opened(surface)
    except (RenderingError, OSError) as error:  # OSError: vispy finds no library
        return {"renderer": "", "version": "", "why": str(error)}
    found: dict[str, object] = {"renderer": renderer.name, "version": renderer.version, "why": ""}
    renderer.close()
    return found


PROBES = {"window": window, "opengl": opengl}

if __name__ == "__main__":
    app = QGuiApplication(["rsviewer"])
    sys.stdout.write(json.dumps(PROBES[sys.argv[1]]()) + "\n")

"""OpenGL of a real display, on a thread of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.xvfb import PATIENCE, ROOT, Screen

pytestmark = [pytest.mark.gl, pytest.mark.xvfb]

QT_COMPLAINS_OF = ("OpenGL", "Thread", "QObject", "Surface")
SCRIPT = """
import json, threading
import numpy as np
from PySide6.QtGui import QGuiApplication
from rsviewer.core.camera import Camera
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.relief.rendering import Rendering

app = QGuiApplication([])
green = np.full((8, 8), 0xFF00FF00, np.uint32)
cloud = Cloud(LayerId("h"), "h", np.zeros((8, 8), np.float32), 0.0, green, (0.0, 8.0), (1.0, 1.0), Rect(0, 0, 8, 8))
drawing = Drawing(Relief(TileId("t"), (cloud,), extent=(8.0, 8.0)), ReliefStyle(shading=0.0), Camera(), 64, 64)
before = threading.active_count()
for _ in range(5):
    rendering = Rendering(lambda function: function(), lambda *_: None, lambda: None)
    pixels = rendering.drawn(drawing)
    told = {
        "platform": app.platformName(),
        "by": type(getattr(rendering._renderer, "_context", None)).__name__,
        "middle": hex(pixels[32, 32]),
        "why": rendering.why,
    }
    rendering.close()
print(json.dumps({**told, "threads": threading.active_count() - before}))
"""


def test_a_display_draws_in_space_by_qt_and_leaves_no_thread(screen: Screen, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**screen.environment(), "RSVIEWER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if any(word in line for word in QT_COMPLAINS_OF)]
    assert complaints == []
    told = json.loads(done.stdout)
    assert told == {"platform": "xcb", "by": "QtContext", "middle": "0xff00ff00", "why": "", "threads": 0}

"""What is written over a tile in space: readable, whole, and where it belongs."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from rsviewer.core.axes import axes_of
from rsviewer.core.camera import Camera
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.painting import painting
from rsviewer.ui.relief.overlay import Overlay, Shot
from rsviewer.ui.theme import DARK

pytestmark = pytest.mark.usefixtures("qapp")


class Reading(Overlay):
    """Remembers every word and where it stands."""

    def __init__(self) -> None:
        super().__init__(DARK, QFont(), lambda _: np.zeros((256, 3), np.uint8))
        self.written: dict[str, QRectF] = {}

    def _word(self, painter: QPainter, rect: QRectF, word: str, color: QColor, *, bold: bool = False) -> None:
        self.written[word] = rect
        super()._word(painter, rect, word, color, bold=bold)


def shot(width: int, height: int, camera: Camera) -> Shot:
    heights: NDArray[np.float32] = np.linspace(0, 9, 81, dtype=np.float32).reshape(9, 9)
    colors = np.full((9, 9), 0xFF808080, np.uint32)
    cloud = Cloud(LayerId("dsm"), "DSM", heights, 0.0, colors, (0.0, 9.0), (1.0, 1.0), Rect(0, 0, 9, 9))
    relief = Relief(TileId("a"), (cloud,), extent=(9.0, 9.0), unit="m", low=0.0, high=9.0)
    drawing = Drawing(relief, ReliefStyle(), camera, width, height, 1.0, (0, 0, 0), None, (90, 90, 90), None)
    return Shot(drawing, axes_of(relief, drawing.style, camera), tuple(drawing.parts()))


def test_the_name_of_an_axis_at_the_edge_of_the_picture_moves_in_whole() -> None:
    overlay, camera = Reading(), Camera()
    for width in range(260, 620, 8):
        overlay.written.clear()
        image, room = QImage(width, 400, QImage.Format.Format_RGB32), QRectF(0, 0, width, 400)
        seen = shot(width, 400, camera)
        with painting(image) as painter:
            overlay.axes(painter, room, seen)
        matrix = seen.parts[0].matrix
        assert seen.axes is not None
        (title,) = [label for label in seen.axes.labels if label.text == "height (m)"]
        clip = matrix @ np.array([*title.position, 1.0])
        x, y = clip[0] / clip[3], clip[1] / clip[3]
        if abs(x) < 1 and abs(y) < 0.8:
            assert "height (m)" in overlay.written, width
            assert room.contains(overlay.written["height (m)"])


def test_what_a_careful_person_wants_to_know_is_wrapped_rather_than_cut() -> None:
    remark = "Nobody knows how large a pixel is: x and y are in pixels, and proportions are not true."
    overlay = Reading()
    image, room = QImage(300, 400, QImage.Format.Format_RGB32), QRectF(0, 0, 300, 400)
    with painting(image) as painter:
        cut = overlay.heading(painter, room, shot(300, 400, Camera()), "a", [remark, "x" * 200], dimmed=False)
    name, title, *lines, last = overlay.written
    assert (name, title) == ("a", "DSM")
    assert len(lines) > 1
    assert " ".join(lines) == remark
    assert all(room.contains(rect) for rect in overlay.written.values())
    tops = [rect.top() for rect in overlay.written.values()]
    assert tops == sorted(set(tops)), "every line has a place of its own"
    assert last.endswith("…")
    assert [words for _, words in cut] == ["x" * 200], "a word that is too long is cut, and can still be read"
